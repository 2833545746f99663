#include "machine/drives.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "loader/medium.h"

static const enum block_format formats[] = {
    [DRIVE_PROBE] = BLOCK_FORMAT_PROBE,
    [DRIVE_RAW] = BLOCK_FORMAT_RAW,
    [DRIVE_QCOW2] = BLOCK_FORMAT_QCOW2,
};

static int open_block(struct machine *m, struct block **blk, const struct drive_option *d,
                      struct machine_error *err)
{
    const struct block_options opt = {
        .path = d->path,
        .format = formats[d->format],
        .read_only = d->read_only || d->cdrom,
        .snapshot = !d->cdrom && (d->snapshot || m->opt->snapshot),
    };
    struct block_error be;
    int e = block_open(blk, &opt, &be);

    if (e < 0)
        snprintf(err->text, sizeof(err->text), "%s", be.text);
    return e;
}

static int open_drive(struct machine *m, unsigned n, const struct drive_option *d,
                      struct machine_error *err)
{
    m->drive[n].kind = d->cdrom ? IDE_CDROM : IDE_DISK;
    return d->path[0] ? open_block(m, &m->drive[n].blk, d, err) : 0;
}

static int open_floppy(struct machine *m, unsigned n, const struct drive_option *d,
                       struct machine_error *err)
{
    int e = open_block(m, &m->floppy[n], d, err);

    if (e < 0 || fdc_geometry(block_sectors(m->floppy[n])))
        return e;
    snprintf(err->text, sizeof(err->text),
             "'%s': no floppy has %llu sectors; 1440K are 2880, 720K 1440", d->path,
             (unsigned long long)block_sectors(m->floppy[n]));
    return -EINVAL;
}

/* All of them, drives first; NULL where there is none. */
static struct block *block_at(const struct machine *m, unsigned i)
{
    return i < OPTIONS_DRIVES ? m->drive[i].blk : m->floppy[i - OPTIONS_DRIVES];
}

enum { BLOCKS = OPTIONS_DRIVES + OPTIONS_FLOPPIES };

/* An image without an option: a disk is the first one, a CD sits where -cdrom would put it. */
static int open_image(struct machine *m, enum medium kind, struct machine_error *err)
{
    struct drive_option d = {.cdrom = kind == MEDIUM_CDROM};
    unsigned n = d.cdrom ? OPTIONS_CDROM_DRIVE : 0;

    if (m->opt->drive[n].present || strlen(m->opt->image) >= sizeof(d.path)) {
        snprintf(err->text, sizeof(err->text), "'%s' would be drive hd%c, which is '%s' already",
                 m->opt->image, 'a' + n, m->opt->drive[n].path);
        return -EINVAL;
    }
    memcpy(d.path, m->opt->image, strlen(m->opt->image) + 1);
    return open_drive(m, n, &d, err);
}

int drives_open(struct machine *m, struct machine_error *err)
{
    const struct options *o = m->opt;
    bool look = o->image && !o->image_is_kernel && !o->flat;
    enum medium kind = look ? medium_of(o->image) : MEDIUM_OTHER;
    int e = 0;

    if (kind == MEDIUM_OTHER)
        m->kernel = o->image;
    else
        e = open_image(m, kind, err);
    for (unsigned n = 0; n < OPTIONS_DRIVES && e == 0; n++)
        if (o->drive[n].present)
            e = open_drive(m, n, &o->drive[n], err);
    for (unsigned n = 0; n < OPTIONS_FLOPPIES && e == 0; n++)
        if (o->floppy[n].present)
            e = open_floppy(m, n, &o->floppy[n], err);
    return e;
}

void drives_wire(const struct machine *m, struct pc_config *cfg)
{
    for (unsigned n = 0; n < OPTIONS_DRIVES; n++)
        cfg->drive[n / IDE_DRIVES][n % IDE_DRIVES] = m->drive[n];
    for (unsigned n = 0; n < OPTIONS_FLOPPIES; n++)
        cfg->floppy[n] = m->floppy[n];
}

static void notify(void *opaque)
{
    events_notify(&((struct machine *)opaque)->events);
}

int drives_start(struct machine *m)
{
    int e = 0;

    for (unsigned i = 0; i < BLOCKS && e == 0; i++)
        if (block_at(m, i))
            e = block_start(block_at(m, i), notify, m);
    return e;
}

/* The guest's request waits until there is room on the host again. */
static void report_stall(struct machine *m, unsigned i)
{
    int why = block_stalled(block_at(m, i));

    if (why && !m->stalled[i])
        fprintf(stderr, "dragoman: %s: %s; the guest's disk waits until there is room\n",
                block_name(block_at(m, i)), strerror(-why));
    m->stalled[i] = why != 0;
}

void drives_poll(struct machine *m)
{
    struct block_error be;

    for (unsigned i = 0; i < BLOCKS; i++) {
        if (!block_at(m, i))
            continue;
        block_poll(block_at(m, i));
        report_stall(m, i);
        while (block_take_report(block_at(m, i), &be))
            fprintf(stderr, "dragoman: %s\n", be.text);
    }
}

static void close_block(struct block **blk)
{
    char name[128];
    int e;

    if (!*blk)
        return;
    snprintf(name, sizeof(name), "%s", block_name(*blk));
    e = block_close(*blk);
    if (e < 0)
        fprintf(stderr, "dragoman: %s: the last writes failed: %s\n", name, strerror(-e));
    *blk = NULL;
}

void drives_close(struct machine *m)
{
    for (unsigned n = 0; n < OPTIONS_DRIVES; n++)
        close_block(&m->drive[n].blk);
    for (unsigned n = 0; n < OPTIONS_FLOPPIES; n++)
        close_block(&m->floppy[n]);
}
