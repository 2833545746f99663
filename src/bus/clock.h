/* clock.h - the machine's clock and the timers of its devices.
 *
 * Guest time is host time (CLOCK_MONOTONIC) since the machine started, in
 * nanoseconds. A device owns its struct timer and arms it with an absolute
 * deadline; callbacks run on the vCPU thread from clock_run(). When the earliest
 * deadline changes, `deadline_changed` tells the host seam.
 * Tests replace `now` to drive time by hand.
 */
#ifndef DRAGOMAN_BUS_CLOCK_H
#define DRAGOMAN_BUS_CLOCK_H

#include "base/types.h"

#define CLOCK_NEVER UINT64_MAX

struct timer {
    uint64_t deadline; /* ns; CLOCK_NEVER: not armed */
    void (*fire)(void *dev, uint64_t now);
    void *dev;
    struct timer *next; /* sorted list of armed timers */
};

struct clock {
    uint64_t (*now)(void *opaque);                             /* ns */
    void (*deadline_changed)(void *opaque, uint64_t deadline); /* may be NULL */
    void *opaque;
    struct timer *armed; /* by deadline */
};

static inline uint64_t clock_now(const struct clock *c)
{
    return c->now(c->opaque);
}

void timer_init(struct timer *t, void (*fire)(void *dev, uint64_t now), void *dev);
/* Arms or re-arms t; CLOCK_NEVER disarms. */
void timer_set(struct clock *c, struct timer *t, uint64_t deadline);
/* CLOCK_NEVER when nothing is armed. */
uint64_t clock_deadline(const struct clock *c);
/* Fires every timer whose deadline has passed, in order. A callback may re-arm. */
void clock_run(struct clock *c);

/* floor(a * b / c) without overflow: for ticks to nanoseconds and back. */
static inline uint64_t muldiv64(uint64_t a, uint64_t b, uint64_t c)
{
    return (uint64_t)((unsigned __int128)a * b / c);
}

#endif
