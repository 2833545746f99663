#include "machine/drives.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "loader/medium.h"
#include "machine/operator.h"
#include "machine/pause.h"

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

/* A monitor says when a request that found the disk full is tried again; else time does. */
static int start(struct machine *m, struct block *blk)
{
    block_hold(blk, m->opt->nmonitors > 0);
    return block_start(blk, notify, m);
}

int drives_start(struct machine *m)
{
    int e = 0;

    for (unsigned i = 0; i < BLOCKS && e == 0; i++)
        if (block_at(m, i))
            e = start(m, block_at(m, i));
    return e;
}

/* The guest's request, and the guest, wait until there is room on the host again. */
static bool look_at_stall(struct machine *m, unsigned i)
{
    int why = block_stalled(block_at(m, i));
    struct monitor_drive d;

    if (why && !m->stalled[i]) {
        drives_find(m, i, &d);
        operator_stalled(m, &d, -why);
        machine_pause(m, MONITOR_IO_ERROR);
    }
    m->stalled[i] = why != 0;
    return why != 0;
}

void drives_poll(struct machine *m)
{
    struct block_error be;
    bool stalled = false;

    for (unsigned i = 0; i < BLOCKS; i++) {
        if (!block_at(m, i))
            continue;
        block_poll(block_at(m, i));
        stalled |= look_at_stall(m, i);
        while (block_take_report(block_at(m, i), &be))
            fprintf(stderr, "dragoman: %s\n", be.text);
    }
    if (!stalled && m->pause.state == MONITOR_IO_ERROR && m->opt->nmonitors == 0)
        machine_resume(m);
}

void drives_settle(struct machine *m)
{
    for (unsigned i = 0; i < BLOCKS; i++)
        if (block_at(m, i))
            block_drain(block_at(m, i));
}

void drives_retry(struct machine *m)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        m->stalled[i] = false;
        if (block_at(m, i))
            block_retry(block_at(m, i));
    }
}

/* ---- media ---- */

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

static bool is_cdrom(const struct machine *m, unsigned n)
{
    return n < OPTIONS_DRIVES && m->drive[n].kind == IDE_CDROM;
}

bool drives_find(const struct machine *m, unsigned n, struct monitor_drive *out)
{
    static const char *const disks[] = {"ide0-hd0", "ide0-hd1", "ide1-hd0",
                                        "ide1-hd1", "floppy0",  "floppy1"};
    static const char *const cds[] = {"ide0-cd0", "ide0-cd1", "ide1-cd0", "ide1-cd1"};
    bool cdrom = is_cdrom(m, n), floppy = n >= OPTIONS_DRIVES;
    bool there = n < BLOCKS && (floppy ? m->opt->floppy[n - OPTIONS_DRIVES].present
                                       : m->drive[n].kind != IDE_NONE);
    const struct ide_drive *d;

    if (!there)
        return false;
    *out = (struct monitor_drive){
        .id = cdrom ? cds[n] : disks[n], .removable = cdrom || floppy, .blk = block_at(m, n)};
    out->snapshot = out->blk && block_is_snapshot(out->blk);
    if (cdrom) {
        d = &m->pc.ide.channel[n / IDE_DRIVES].drive[n % IDE_DRIVES];
        out->locked = d->locked;
        out->tray_open = d->tray_open;
    }
    return true;
}

static int fail(struct monitor_error *err, int code, const char *what, const char *why)
{
    snprintf(err->text, sizeof(err->text), "'%s': %s", what, why);
    return code;
}

static int open_medium(struct machine *m, unsigned n, const struct monitor_medium *medium,
                       struct block **out, struct monitor_error *err)
{
    const struct drive_option *floppy =
        n < OPTIONS_DRIVES ? NULL : &m->opt->floppy[n - OPTIONS_DRIVES];
    const struct block_options opt = {
        .path = medium->path,
        .format = medium->format,
        .read_only = !floppy || medium->mode == MEDIUM_READ_ONLY ||
                     (medium->mode == MEDIUM_AS_BEFORE && floppy->read_only),
        .snapshot = floppy && m->opt->snapshot,
    };
    struct block_error be;
    int e = block_open(out, &opt, &be);

    if (e < 0) {
        snprintf(err->text, sizeof(err->text), "%s", be.text);
        return e;
    }
    if (floppy && !fdc_geometry(block_sectors(*out)))
        e = fail(err, -EINVAL, medium->path, "no floppy has that size");
    else
        e = start(m, *out);
    if (e < 0 && e != -EINVAL)
        fail(err, e, medium->path, strerror(-e));
    if (e < 0)
        block_close(*out);
    return e;
}

/* The device's part; what was in the drive is ours afterwards. */
static int insert(struct machine *m, unsigned n, struct block *blk, bool force,
                  struct monitor_error *err)
{
    struct ide_drive *d;

    if (!is_cdrom(m, n)) {
        fdc_change(&m->pc.fdc, n - OPTIONS_DRIVES, blk);
        m->floppy[n - OPTIONS_DRIVES] = blk;
        return 0;
    }
    d = &m->pc.ide.channel[n / IDE_DRIVES].drive[n % IDE_DRIVES];
    if (force)
        d->locked = 0;
    if (ide_cd_change(&m->pc.ide, n / IDE_DRIVES, n % IDE_DRIVES, blk) < 0) {
        snprintf(err->text, sizeof(err->text),
                 "the guest has locked the drive; it was asked to let go of it: try again");
        return -EBUSY;
    }
    m->drive[n].blk = blk;
    return 0;
}

int drives_change(struct machine *m, unsigned n, const struct monitor_medium *medium,
                  struct monitor_error *err)
{
    struct block *old = block_at(m, n), *blk = NULL;
    int e = old ? block_drain(old) : 0;

    if (e < 0)
        return fail(err, e, block_name(old), strerror(-e));
    if (medium->path)
        e = open_medium(m, n, medium, &blk, err);
    if (e < 0)
        return e;
    e = insert(m, n, blk, medium->force, err);
    close_block(e < 0 ? &blk : &old);
    return e;
}

int drives_commit(struct machine *m, unsigned n, struct monitor_error *err)
{
    struct block *blk = block_at(m, n);
    struct block_error be;
    int e = blk ? block_drain(blk) : 0;

    if (!blk) {
        snprintf(err->text, sizeof(err->text), "there is no medium in the drive");
        return -ENOMEDIUM;
    }
    if (e < 0)
        return fail(err, e, block_name(blk), strerror(-e));
    e = block_commit(blk, &be);
    if (e < 0)
        snprintf(err->text, sizeof(err->text), "%s", be.text);
    return e;
}

void drives_close(struct machine *m)
{
    for (unsigned n = 0; n < OPTIONS_DRIVES; n++)
        close_block(&m->drive[n].blk);
    for (unsigned n = 0; n < OPTIONS_FLOPPIES; n++)
        close_block(&m->floppy[n]);
}
