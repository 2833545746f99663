/* lapic_timer.h - the timer of a local APIC (SDM 3A 11.5.4): one-shot, periodic, TSC deadline.
 *
 * The counter is not stepped: it knows when it was loaded and with what, and the rest follows from
 * the clock. Expirations are counted from the load, so periods never accumulate rounding errors.
 * Late guest policy: expirations that were missed become one interrupt, and no two come closer than
 * LAPIC_TIMER_GAP_NS. A masked timer counts on, but arms nothing.
 */
#ifndef DRAGOMAN_DEVICES_LAPIC_TIMER_H
#define DRAGOMAN_DEVICES_LAPIC_TIMER_H

#include "base/types.h"
#include "bus/clock.h"

#define LAPIC_TIMER_GAP_NS UINT64_C(10000)

/* LVT timer bits 18:17. */
enum lapic_timer_mode { LAPIC_ONE_SHOT, LAPIC_PERIODIC, LAPIC_TSC_DEADLINE, LAPIC_TIMER_RESERVED };

struct lapic_timer_config {
    struct clock *clock;
    uint32_t hz;      /* counts per second at divide by 1 */
    uint32_t tsc_khz; /* 0: no TSC, no deadlines */
    uint64_t (*tsc)(void *opaque);
    void *opaque;
    void (*expired)(void *dev); /* the LVT entry is not masked */
    void *dev;
};

struct lapic_timer {
    uint32_t initial;  /* initial count register */
    uint32_t count;    /* what the counter held at `since`; 0: stopped */
    uint8_t divide;    /* divide configuration register */
    uint8_t mode;      /* enum lapic_timer_mode */
    uint8_t masked;    /* by the LVT */
    uint64_t since;    /* ns */
    uint64_t expired;  /* expirations since then */
    uint64_t deadline; /* IA32_TSC_DEADLINE; 0: not armed */
    uint64_t hold;     /* ns: no interrupt before this */

    struct lapic_timer_config wiring;
    struct timer timer;
};

void lapic_timer_init(struct lapic_timer *t, const struct lapic_timer_config *cfg);
void lapic_timer_reset(struct lapic_timer *t);
/* Fields were loaded. */
void lapic_timer_restored(struct lapic_timer *t);

void lapic_timer_set_lvt(struct lapic_timer *t, enum lapic_timer_mode mode, bool masked);
void lapic_timer_set_initial(struct lapic_timer *t, uint32_t count);
void lapic_timer_set_divide(struct lapic_timer *t, uint32_t val);
uint32_t lapic_timer_current(struct lapic_timer *t);

/* IA32_TSC_DEADLINE. Ignored, and zero, in the other modes. */
void lapic_timer_set_deadline(struct lapic_timer *t, uint64_t tsc);
uint64_t lapic_timer_deadline(struct lapic_timer *t);
/* The TSC was written. */
void lapic_timer_tsc_moved(struct lapic_timer *t);

#endif
