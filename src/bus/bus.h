/* bus.h - I/O ports and memory-mapped registers.
 *
 * A device sees an offset into its range and a legal width; unclaimed reads (all
 * ones), splitting of wide accesses and widening of narrow ones live here, once.
 * Two instances per machine: `ports` (64 KiB) and `mmio` (guest physical).
 * Single-threaded: vCPU thread only.
 */
#ifndef DRAGOMAN_BUS_BUS_H
#define DRAGOMAN_BUS_BUS_H

#include "base/log.h"
#include "base/types.h"

struct io_ops {
    uint32_t (*read)(void *dev, uint32_t off, unsigned size);
    void (*write)(void *dev, uint32_t off, unsigned size, uint32_t val);
    uint8_t min_size, max_size; /* 1, 2 or 4: the bus splits or widens, never the device */
};

struct bus_range {
    uint64_t base, len;
    const struct io_ops *ops;
    void *dev;
    const char *name;
    bool light;
};

enum { BUS_MAX_RANGES = 64 };

struct bus {
    struct bus_range range[BUS_MAX_RANGES]; /* sorted by base, never overlapping */
    unsigned nranges;
    unsigned last; /* index of the range accessed last */
    const char *name;
    struct log *log; /* guest_errors: unclaimed accesses; may be NULL */
};

void bus_init(struct bus *b, const char *name, struct log *log);

/* Claims [base, base + len). Returns 0, -EBUSY on overlap, -ENOSPC when full. */
int bus_add(struct bus *b, uint64_t base, uint64_t len, const struct io_ops *ops, void *dev,
            const char *name) MUST_CHECK;

/* Gives up the range that begins at base; there must be one. */
void bus_remove(struct bus *b, uint64_t base);

/* The device behind the range that begins at base needs nothing of libc but system calls: it may be
 * called while the guest's FPU state is in the host's registers (docs/decisions/0003). */
void bus_set_light(struct bus *b, uint64_t base);
/* An access that concerns no other devices. */
bool bus_is_light(const struct bus *b, uint64_t addr, unsigned size);

/* Any address, size 1, 2, 4 (or 8 for mmio). Unclaimed bytes read as ones. */
uint64_t bus_read(struct bus *b, uint64_t addr, unsigned size);
void bus_write(struct bus *b, uint64_t addr, unsigned size, uint64_t val);

#endif
