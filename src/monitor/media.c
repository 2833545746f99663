/* Drives and pictures: eject, change, screendump. */
#include <errno.h>
#include <string.h>

#include "display/picture.h"
#include "monitor/command.h"

int mon_find_drive(struct mon_call *c, const char *id, struct monitor_drive *d, unsigned *n)
{
    for (*n = 0; *n < MONITOR_DRIVES; (*n)++)
        if (c->machine->ops->drive(c->machine->opaque, *n, d) && strcmp(d->id, id) == 0)
            return 0;
    return mon_fail_device(c, id);
}

const char *mon_drive_format(const struct monitor_drive *d)
{
    return block_format_name(d->blk);
}

/* By `device` or `id`, whichever was given. */
static int removable_drive(struct mon_call *c, const struct mon_value *device,
                           const struct mon_value *id, unsigned *n)
{
    const char *name = device->set ? device->text : id->text;
    struct monitor_drive d;

    if (!device->set && !id->set)
        return mon_fail(c, "device is missing");
    if (mon_find_drive(c, name, &d, n) < 0)
        return -ENODEV;
    return d.removable ? 0 : mon_fail(c, "Device '%s' is not removable", name);
}

static int change(struct mon_call *c, unsigned n, const struct monitor_medium *medium)
{
    struct monitor_error err;
    int rc = c->machine->ops->change(c->machine->opaque, n, medium, &err);

    return rc < 0 ? mon_fail(c, "%s", err.text) : 0;
}

int mon_eject(struct mon_call *c)
{
    unsigned n;
    int rc = removable_drive(c, &c->arg[1], &c->arg[2], &n);

    return rc < 0 ? rc : change(c, n, &(struct monitor_medium){.force = c->arg[0].n});
}

struct word {
    const char *word;
    int value;
};

static bool find_word(const struct word *words, size_t n, const struct mon_value *v, int *out)
{
    for (size_t i = 0; i < n && v->set; i++) {
        if (strcmp(words[i].word, v->text) == 0) {
            *out = words[i].value;
            return true;
        }
    }
    return !v->set;
}

int mon_change(struct mon_call *c)
{
    static const struct word formats[] = {{"raw", BLOCK_FORMAT_RAW}, {"qcow2", BLOCK_FORMAT_QCOW2}};
    static const struct word modes[] = {{"retain", MEDIUM_AS_BEFORE},
                                        {"read-only", MEDIUM_READ_ONLY},
                                        {"read-write", MEDIUM_READ_WRITE}};
    int format = BLOCK_FORMAT_PROBE, mode = MEDIUM_AS_BEFORE, rc;
    unsigned n;

    if (!find_word(formats, ARRAY_SIZE(formats), &c->arg[2], &format))
        return mon_fail(c, "the formats are raw and qcow2");
    if (!find_word(modes, ARRAY_SIZE(modes), &c->arg[3], &mode))
        return mon_fail(c, "Invalid parameter '%s': retain, read-only or read-write",
                        c->arg[3].text);
    rc = removable_drive(c, &c->arg[0], &c->arg[4], &n);
    if (rc < 0)
        return rc;
    return change(c, n,
                  &(struct monitor_medium){.path = c->arg[1].text,
                                           .force = c->arg[5].n,
                                           .format = (enum block_format)format,
                                           .mode = mode});
}

static int commit(struct mon_call *c, unsigned n)
{
    struct monitor_error err;
    int rc = c->machine->ops->commit(c->machine->opaque, n, &err);

    return rc < 0 ? mon_fail(c, "%s", err.text) : 0;
}

/* A drive's name, or `all`: those that have a snapshot. */
int mon_commit(struct mon_call *c)
{
    struct monitor_drive d;
    unsigned n;
    int rc = 0;

    if (strcmp(c->arg[0].text, "all") != 0) {
        rc = mon_find_drive(c, c->arg[0].text, &d, &n);
        return rc < 0 ? rc : commit(c, n);
    }
    for (n = 0; n < MONITOR_DRIVES && rc == 0; n++)
        if (c->machine->ops->drive(c->machine->opaque, n, &d) && d.snapshot)
            rc = commit(c, n);
    return rc;
}

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

int mon_screendump(struct mon_call *c)
{
    const char *path = c->arg[0].text, *format = c->arg[1].text;
    bool ppm = c->arg[1].set ? strcmp(format, "ppm") == 0 : ends_in(path, ".ppm");
    int rc;

    if (c->arg[1].set && !ppm && strcmp(format, "png") != 0)
        return mon_fail(c, "the formats are png and ppm");
    if (!c->machine->vga)
        return mon_fail(c, "There is no console to take a screendump from");
    rc = ppm ? picture_screendump_ppm(c->machine->vga, path)
             : picture_screendump(c->machine->vga, path);
    return rc < 0 ? mon_fail(c, "'%s': %s", path, strerror(-rc)) : 0;
}
