/* monitor_rig.h - a machine of nothing but memory for monitors to look at, and what they did to it.
 */
#ifndef DRAGOMAN_TESTS_MONITOR_RIG_H
#define DRAGOMAN_TESTS_MONITOR_RIG_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/session.h"

enum { MONITOR_RIG_RAM = 4 << 20, MONITOR_RIG_KEYS = 64 };

struct monitor_rig {
    struct cpu cpu;
    struct physmem mem;
    struct bus ports, mmio;
    struct clock clock;
    uint64_t now;
    struct pic_pair pic;
    struct pci_host pci;
    struct monitor_machine machine;
    struct mon_keys keys;
    uint64_t interrupts[256];
    enum monitor_state state;
    unsigned resets, buttons, quits, changes;
    unsigned commits;             /* bit per drive */
    struct monitor_medium medium; /* of the last change */
    char path[64];
    int key[MONITOR_RIG_KEYS]; /* negative: released */
    unsigned nkeys;
    int mouse[3];
    unsigned mouse_buttons;
    bool deaf; /* no key fits in */
    uint8_t *ram;
};

static inline uint64_t monitor_rig_now(void *opaque)
{
    return ((struct monitor_rig *)opaque)->now;
}

static inline enum monitor_state monitor_rig_state(void *opaque)
{
    return ((struct monitor_rig *)opaque)->state;
}

static inline void monitor_rig_stop(void *opaque)
{
    ((struct monitor_rig *)opaque)->state = MONITOR_PAUSED;
}

static inline void monitor_rig_cont(void *opaque)
{
    ((struct monitor_rig *)opaque)->state = MONITOR_RUNNING;
}

static inline void monitor_rig_reset(void *opaque)
{
    ((struct monitor_rig *)opaque)->resets++;
}

static inline void monitor_rig_button(void *opaque)
{
    ((struct monitor_rig *)opaque)->buttons++;
}

static inline void monitor_rig_quit(void *opaque)
{
    ((struct monitor_rig *)opaque)->quits++;
}

static inline bool monitor_rig_drive(void *opaque, unsigned n, struct monitor_drive *out)
{
    (void)opaque;
    *out = (struct monitor_drive){
        .id = n ? "ide1-cd0" : "ide0-hd0", .removable = n != 0, .snapshot = n == 0};
    return n < 2;
}

static inline int monitor_rig_change(void *opaque, unsigned n, const struct monitor_medium *medium,
                                     struct monitor_error *err)
{
    struct monitor_rig *r = opaque;

    (void)n;
    r->changes++;
    r->medium = *medium;
    snprintf(r->path, sizeof(r->path), "%s", medium->path ? medium->path : "");
    snprintf(err->text, sizeof(err->text), "no such file");
    return medium->path && strcmp(medium->path, "nothing") == 0 ? -ENOENT : 0;
}

static inline int monitor_rig_commit(void *opaque, unsigned n, struct monitor_error *err)
{
    ((struct monitor_rig *)opaque)->commits |= 1u << n;
    snprintf(err->text, sizeof(err->text), "there is no snapshot");
    return n ? -ENOTSUP : 0;
}

static inline void monitor_rig_stats(const void *opaque, FILE *out)
{
    (void)opaque;
    fprintf(out, "counters\n");
}

static inline void monitor_rig_key(void *opaque, unsigned key, bool down)
{
    struct monitor_rig *r = opaque;

    if (r->nkeys < MONITOR_RIG_KEYS)
        r->key[r->nkeys++] = down ? (int)key : -(int)key;
}

static inline void monitor_rig_mouse(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    struct monitor_rig *r = opaque;

    r->mouse[0] += dx;
    r->mouse[1] += dy;
    r->mouse[2] += dz;
    r->mouse_buttons = buttons;
}

static inline bool monitor_rig_ready(void *opaque)
{
    return !((struct monitor_rig *)opaque)->deaf;
}

static const struct monitor_ops monitor_rig_ops = {
    .state = monitor_rig_state,
    .stop = monitor_rig_stop,
    .cont = monitor_rig_cont,
    .reset = monitor_rig_reset,
    .power_button = monitor_rig_button,
    .quit = monitor_rig_quit,
    .drive = monitor_rig_drive,
    .change = monitor_rig_change,
    .commit = monitor_rig_commit,
    .print_stats = monitor_rig_stats,
};

static inline void monitor_rig_release(void *dev, uint64_t now)
{
    (void)now;
    mon_release_keys(dev);
}

static inline struct monitor_rig *monitor_rig_start(void)
{
    struct monitor_rig *r = calloc(1, sizeof(*r));
    static const struct line none = {NULL, NULL, 0};

    r->ram = calloc(1, MONITOR_RIG_RAM);
    bus_init(&r->mmio, "mmio", NULL);
    bus_init(&r->ports, "ports", NULL);
    physmem_init(&r->mem, r->ram, -1, MONITOR_RIG_RAM, &r->mmio);
    r->clock = (struct clock){.now = monitor_rig_now, .opaque = r};
    cpu_reset(&r->cpu);
    pic_init(&r->pic, none);
    pci_host_init(&r->pci, &r->ports, &r->mmio, NULL, (struct line[PCI_PINS]){none});
    r->machine = (struct monitor_machine){
        .name = "rig",
        .cpu = &r->cpu,
        .mem = &r->mem,
        .ports = &r->ports,
        .clock = &r->clock,
        .pic = &r->pic,
        .pci = &r->pci,
        .interrupts = r->interrupts,
        .input = {monitor_rig_key, monitor_rig_mouse, monitor_rig_ready, r},
        .ops = &monitor_rig_ops,
        .opaque = r,
    };
    r->keys.machine = &r->machine;
    timer_init(&r->keys.release, monitor_rig_release, &r->keys);
    return r;
}

static inline void monitor_rig_end(struct monitor_rig *r)
{
    free(r->ram);
    free(r);
}

#endif
