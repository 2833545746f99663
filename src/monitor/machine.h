/* machine.h - what a monitor may look at and do: the machine, from below.
 *
 * src/machine fills this in. Everything happens on the vCPU thread while no guest code runs.
 */
#ifndef DRAGOMAN_MONITOR_MACHINE_H
#define DRAGOMAN_MONITOR_MACHINE_H

#include <stdio.h>

#include "block/block.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/physmem.h"
#include "cpu/cpu.h"
#include "devices/ioapic.h"
#include "devices/lapic.h"
#include "devices/pci_host.h"
#include "devices/pic8259.h"
#include "devices/vga.h"
#include "display/keyboard.h"

/* Names as in QMP's RunState. */
enum monitor_state {
    MONITOR_RUNNING,
    MONITOR_PAUSED,    /* stop */
    MONITOR_PRELAUNCH, /* -S */
    MONITOR_IO_ERROR,  /* a full disk of the host */
    MONITOR_SHUTDOWN,  /* the guest has powered off, -no-shutdown */
};

enum { MONITOR_DRIVES = 6 };

struct monitor_drive {
    const char *id; /* QEMU's names: ide0-hd0, ide1-cd0, floppy0 */
    bool removable, locked, tray_open;
    bool snapshot;     /* writes don't reach the image */
    struct block *blk; /* NULL: no medium */
};

struct monitor_medium {
    const char *path; /* NULL: none */
    bool force;       /* even if the guest has locked the drive */
    enum block_format format;
    enum { MEDIUM_AS_BEFORE, MEDIUM_READ_ONLY, MEDIUM_READ_WRITE } mode;
};

struct monitor_error {
    char text[640]; /* a sentence */
};

struct monitor_ops {
    enum monitor_state (*state)(void *opaque);
    void (*stop)(void *opaque);
    void (*cont)(void *opaque);
    void (*reset)(void *opaque);
    void (*power_button)(void *opaque);
    void (*quit)(void *opaque);
    /* False: there is no drive n. */
    bool (*drive)(void *opaque, unsigned n, struct monitor_drive *out);
    /* A medium into drive n, which is removable. 0, or -errno with *err. */
    int (*change)(void *opaque, unsigned n, const struct monitor_medium *medium,
                  struct monitor_error *err);
    /* Drive n's snapshot to its image; the same. */
    int (*commit)(void *opaque, unsigned n, struct monitor_error *err);
    void (*print_stats)(const void *opaque, FILE *out);
};

struct monitor_machine {
    const char *name; /* NULL: none */
    struct cpu *cpu;
    int thread_id; /* of the vCPU thread */
    struct physmem *mem;
    const struct bus *ports;
    struct clock *clock;
    const struct pic_pair *pic;
    const struct ioapic *ioapic; /* NULL, with lapic: none */
    const struct lapic *lapic;
    struct pci_host *pci;
    const struct vga *vga;      /* NULL: none */
    const uint64_t *interrupts; /* 256: taken by the CPU, by vector; NULL: nobody counts */
    struct input_sink input;
    const struct monitor_ops *ops;
    void *opaque;
};

#endif
