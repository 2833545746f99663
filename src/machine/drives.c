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

static int open_drive(struct machine *m, unsigned n, const struct drive_option *d,
                      struct machine_error *err)
{
    const struct block_options opt = {
        .path = d->path,
        .format = formats[d->format],
        .read_only = d->read_only || d->cdrom,
        .snapshot = !d->cdrom && (d->snapshot || m->opt->snapshot),
    };
    struct block_error be;
    int e = 0;

    m->drive[n].kind = d->cdrom ? IDE_CDROM : IDE_DISK;
    if (d->path[0])
        e = block_open(&m->drive[n].blk, &opt, &be);
    if (e < 0)
        snprintf(err->text, sizeof(err->text), "%s", be.text);
    return e;
}

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
    return e;
}

void drives_wire(const struct machine *m, struct pc_config *cfg)
{
    for (unsigned n = 0; n < OPTIONS_DRIVES; n++)
        cfg->drive[n / IDE_DRIVES][n % IDE_DRIVES] = m->drive[n];
}

static void notify(void *opaque)
{
    events_notify(&((struct machine *)opaque)->events);
}

int drives_start(struct machine *m)
{
    int e = 0;

    for (unsigned n = 0; n < OPTIONS_DRIVES && e == 0; n++)
        if (m->drive[n].blk)
            e = block_start(m->drive[n].blk, notify, m);
    return e;
}

/* The guest's request waits until there is room on the host again. */
static void report_stall(struct machine *m, unsigned n)
{
    int why = block_stalled(m->drive[n].blk);

    if (why && !m->drive_stalled[n])
        fprintf(stderr, "dragoman: %s: %s; the guest's disk waits until there is room\n",
                block_name(m->drive[n].blk), strerror(-why));
    m->drive_stalled[n] = why != 0;
}

void drives_poll(struct machine *m)
{
    struct block_error be;

    for (unsigned n = 0; n < OPTIONS_DRIVES; n++) {
        if (!m->drive[n].blk)
            continue;
        block_poll(m->drive[n].blk);
        report_stall(m, n);
        while (block_take_report(m->drive[n].blk, &be))
            fprintf(stderr, "dragoman: %s\n", be.text);
    }
}

void drives_close(struct machine *m)
{
    for (unsigned n = 0; n < OPTIONS_DRIVES; n++) {
        int e = m->drive[n].blk ? block_close(m->drive[n].blk) : 0;

        if (e < 0)
            fprintf(stderr, "dragoman: drive hd%c: the last writes failed: %s\n", 'a' + n,
                    strerror(-e));
        m->drive[n].blk = NULL;
    }
}
