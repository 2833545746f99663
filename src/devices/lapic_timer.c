#include "devices/lapic_timer.h"

#include <string.h>

enum { DIVIDE_WRITABLE = 0x0b };

/* Divide configuration bits 3,1,0 (figure 11-10): 000 is divide by 2, 110 by 128, 111 by 1. */
static uint64_t divisor(const struct lapic_timer *t)
{
    unsigned code = (t->divide >> 1 & 4u) | (t->divide & 3u);

    return code == 7 ? 1 : UINT64_C(2) << code;
}

static uint64_t ticks_since(const struct lapic_timer *t, uint64_t now)
{
    return muldiv64(now - t->since, t->wiring.hz, NS_PER_SEC * divisor(t));
}

/* A time at which ticks_since() has reached `ticks`. */
static uint64_t ns_of(const struct lapic_timer *t, uint64_t ticks)
{
    return t->since + muldiv64(ticks * divisor(t), NS_PER_SEC, t->wiring.hz) + 1;
}

/* Ticks from `since` to the expiration after those that have happened. */
static uint64_t next_expiry(const struct lapic_timer *t)
{
    return t->count + t->expired * t->initial;
}

static bool may_expire(const struct lapic_timer *t)
{
    if (!t->count || t->mode > LAPIC_PERIODIC)
        return false;
    return t->mode == LAPIC_PERIODIC ? t->initial != 0 : t->expired == 0;
}

/* Expirations up to `now`: the counter's, or the deadline's. True: there were some. */
static bool advance(struct lapic_timer *t, uint64_t now)
{
    uint64_t ticks;

    if (t->mode == LAPIC_TSC_DEADLINE) {
        if (!t->deadline || t->wiring.tsc(t->wiring.opaque) < t->deadline)
            return false;
        t->deadline = 0;
        return true;
    }
    if (!may_expire(t))
        return false;
    ticks = ticks_since(t, now);
    if (ticks < next_expiry(t))
        return false;
    if (t->mode == LAPIC_PERIODIC)
        t->expired = (ticks - t->count) / t->initial + 1;
    else
        t->expired = 1;
    return true;
}

static uint64_t deadline_ns(const struct lapic_timer *t, uint64_t now)
{
    uint64_t tsc, left;

    if (t->mode != LAPIC_TSC_DEADLINE)
        return may_expire(t) ? ns_of(t, next_expiry(t)) : CLOCK_NEVER;
    if (!t->deadline)
        return CLOCK_NEVER;
    tsc = t->wiring.tsc(t->wiring.opaque);
    if (tsc >= t->deadline)
        return now;
    left = t->deadline - tsc;
    /* Centuries: and the conversion below would overflow. */
    if (left >> 60)
        return CLOCK_NEVER;
    return now + muldiv64(left, 1000000, t->wiring.tsc_khz) + 1;
}

/* The only place that arms the timer. */
static void arm(struct lapic_timer *t, uint64_t now)
{
    uint64_t at = t->masked ? CLOCK_NEVER : deadline_ns(t, now);

    timer_set(t->wiring.clock, &t->timer, at != CLOCK_NEVER && at < t->hold ? t->hold : at);
}

/* What has happened so far happens now, and the timer is armed for what comes. */
static void catch_up(struct lapic_timer *t)
{
    uint64_t now = clock_now(t->wiring.clock);

    if (now >= t->hold && advance(t, now) && !t->masked) {
        t->hold = t->mode == LAPIC_PERIODIC ? now + LAPIC_TIMER_GAP_NS : 0;
        t->wiring.expired(t->wiring.dev);
    }
    arm(t, now);
}

static void fire(void *dev, uint64_t now)
{
    (void)now;
    catch_up(dev);
}

static uint32_t count_at(const struct lapic_timer *t, uint64_t now)
{
    uint64_t ticks = ticks_since(t, now);

    if (!t->count || t->mode > LAPIC_PERIODIC)
        return 0;
    if (ticks < t->count)
        return (uint32_t)(t->count - ticks);
    if (t->mode == LAPIC_ONE_SHOT || !t->initial)
        return 0;
    return (uint32_t)(t->initial - (ticks - t->count) % t->initial);
}

static void load(struct lapic_timer *t, uint32_t count, uint64_t now)
{
    t->count = count;
    t->since = now;
    t->expired = 0;
}

void lapic_timer_set_lvt(struct lapic_timer *t, enum lapic_timer_mode mode, bool masked)
{
    uint64_t now = clock_now(t->wiring.clock);

    if (mode == t->mode && masked == t->masked)
        return;
    catch_up(t);
    if (mode != t->mode) {
        /* Between one-shot and periodic the counter goes on; to and from deadlines everything is
         * disarmed (11.5.4.1). */
        load(t, t->mode <= LAPIC_PERIODIC && mode <= LAPIC_PERIODIC ? count_at(t, now) : 0, now);
        t->deadline = 0;
        t->hold = 0;
    }
    t->mode = mode;
    t->masked = masked;
    arm(t, now);
}

void lapic_timer_set_initial(struct lapic_timer *t, uint32_t count)
{
    uint64_t now = clock_now(t->wiring.clock);

    if (t->mode > LAPIC_PERIODIC)
        return;
    t->initial = count;
    t->hold = 0;
    load(t, count, now);
    arm(t, now);
}

void lapic_timer_set_divide(struct lapic_timer *t, uint32_t val)
{
    uint64_t now = clock_now(t->wiring.clock);

    catch_up(t);
    load(t, count_at(t, now), now);
    t->divide = val & DIVIDE_WRITABLE;
    arm(t, now);
}

uint32_t lapic_timer_current(struct lapic_timer *t)
{
    return count_at(t, clock_now(t->wiring.clock));
}

void lapic_timer_set_deadline(struct lapic_timer *t, uint64_t tsc)
{
    if (t->mode != LAPIC_TSC_DEADLINE)
        return;
    t->deadline = tsc;
    catch_up(t);
}

uint64_t lapic_timer_deadline(struct lapic_timer *t)
{
    if (t->mode != LAPIC_TSC_DEADLINE)
        return 0;
    catch_up(t);
    return t->deadline;
}

void lapic_timer_tsc_moved(struct lapic_timer *t)
{
    if (t->mode == LAPIC_TSC_DEADLINE)
        catch_up(t);
}

void lapic_timer_reset(struct lapic_timer *t)
{
    t->initial = 0;
    t->divide = 0;
    t->mode = LAPIC_ONE_SHOT;
    t->masked = true;
    t->deadline = 0;
    t->hold = 0;
    load(t, 0, 0);
    timer_set(t->wiring.clock, &t->timer, CLOCK_NEVER);
}

void lapic_timer_restored(struct lapic_timer *t)
{
    arm(t, clock_now(t->wiring.clock));
}

void lapic_timer_init(struct lapic_timer *t, const struct lapic_timer_config *cfg)
{
    memset(t, 0, sizeof(*t));
    t->wiring = *cfg;
    timer_init(&t->timer, fire, t);
    lapic_timer_reset(t);
}
