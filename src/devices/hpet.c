#include "devices/hpet.h"

#include <string.h>

enum { /* registers (2.3) */
       REG_ID = 0x00,
       REG_PERIOD = 0x04,
       REG_CONFIG = 0x10,
       REG_STATUS = 0x20,
       REG_COUNTER = 0xf0,
       REG_TIMER = 0x100,
       TIMER_STRIDE = 0x20,
       TIMER_CONFIG = 0x00,
       TIMER_ROUTES = 0x04,
       TIMER_COMPARATOR = 0x08,
};

enum { CONFIG_ENABLE = 1 << 0, CONFIG_LEGACY = 1 << 1 };

enum { /* timer configuration (2.3.8) */
       TN_LEVEL = 1 << 1,
       TN_INT_ENABLE = 1 << 2,
       TN_PERIODIC = 1 << 3,
       TN_PERIODIC_CAP = 1 << 4,
       TN_SIZE_CAP = 1 << 5,
       TN_VAL_SET = 1 << 6,
       TN_32BIT = 1 << 8,
       TN_ROUTE_SHIFT = 9,
       TN_ROUTE_MASK = 31,
       TN_WRITABLE =
           TN_LEVEL | TN_INT_ENABLE | TN_PERIODIC | TN_32BIT | TN_ROUTE_MASK << TN_ROUTE_SHIFT,
       TN_CAPS = TN_PERIODIC_CAP | TN_SIZE_CAP,
};

enum { LOW_HALF = 1, HIGH_HALF = 2 };

/* Bits of `asserted` beyond the 24 pins. */
enum { LEGACY_PIN = 24, REPLACES_PIN = 26, PINS = 27 };

#define NO_MATCH  UINT64_MAX
#define FS_PER_NS 1000000

static uint64_t ticks_now(const struct hpet *h)
{
    return clock_now(h->wiring.clock) / HPET_TICK_NS;
}

static uint64_t counter(const struct hpet *h)
{
    return h->config & CONFIG_ENABLE ? ticks_now(h) + h->offset : h->offset;
}

static unsigned index_of(const struct hpet_timer *t)
{
    return (unsigned)(t - t->hpet->timer);
}

static bool is_legacy(const struct hpet_timer *t)
{
    return index_of(t) < 2 && (t->hpet->config & CONFIG_LEGACY);
}

/* Number in `asserted` of the pin that this comparator drives. */
static unsigned pin_of(const struct hpet_timer *t)
{
    return is_legacy(t) ? LEGACY_PIN + index_of(t) : t->config >> TN_ROUTE_SHIFT & TN_ROUTE_MASK;
}

static bool may_interrupt(const struct hpet_timer *t)
{
    return (t->hpet->config & CONFIG_ENABLE) && (t->config & TN_INT_ENABLE) &&
           (is_legacy(t) || (HPET_ROUTES >> pin_of(t) & 1));
}

static bool may_hold(const struct hpet_timer *t)
{
    return is_legacy(t) && may_interrupt(t) && !(t->config & TN_LEVEL);
}

static void drive(struct hpet *h, unsigned pin, bool level)
{
    if (pin == REPLACES_PIN)
        line_set(&h->wiring.replaces, level);
    else if (pin >= LEGACY_PIN)
        line_set(&h->wiring.legacy[pin - LEGACY_PIN], level);
    else
        h->wiring.gsi(h->wiring.opaque, (int)pin, level);
}

/* The only place that holds lines high: level-triggered interrupts and legacy edges. */
static void update_lines(struct hpet *h)
{
    uint32_t want = h->config & CONFIG_LEGACY ? UINT32_C(1) << REPLACES_PIN : 0, changed;

    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        const struct hpet_timer *t = &h->timer[i];
        bool level = (t->config & TN_LEVEL) && (h->status >> i & 1) && may_interrupt(t);

        if (level || (t->held && may_hold(t)))
            want |= UINT32_C(1) << pin_of(t);
    }
    changed = want ^ h->asserted;
    h->asserted = want;
    for (unsigned pin = PINS; pin--;) /* `replaces` before the lines it hands over */
        if (changed >> pin & 1)
            drive(h, pin, want >> pin & 1);
}

static void interrupt(struct hpet_timer *t)
{
    struct hpet *h = t->hpet;

    if (t->config & TN_LEVEL) {
        h->status |= UINT32_C(1) << index_of(t);
    } else if (may_interrupt(t)) {
        if (is_legacy(t)) {
            t->held = false;
            update_lines(h);
            t->held = true;
        } else {
            drive(h, pin_of(t), true);
            drive(h, pin_of(t), false);
        }
    }
    update_lines(h);
}

/* ---- matches ---- */

/* Ticks from `count` to the match. */
static uint64_t distance(const struct hpet_timer *t, uint64_t count)
{
    uint64_t d = t->comparator - count;

    return t->config & TN_32BIT ? (uint32_t)d : d;
}

static void arm(struct hpet_timer *t)
{
    struct hpet *h = t->hpet;
    uint64_t at = CLOCK_NEVER;

    if ((t->config & TN_INT_ENABLE) && t->due != NO_MATCH)
        at = t->due * HPET_TICK_NS;
    timer_set(h->wiring.clock, &t->timer, at != CLOCK_NEVER && at < t->hold ? t->hold : at);
}

/* The comparator, its configuration or the counter changed. */
static void restart(struct hpet_timer *t)
{
    struct hpet *h = t->hpet;
    uint64_t left = distance(t, counter(h));

    /* Centuries away: the clock does not count that far. */
    t->due = (h->config & CONFIG_ENABLE) && left >> 58 == 0 ? ticks_now(h) + left : NO_MATCH;
    t->hold = 0;
    arm(t);
}

static bool is_periodic(const struct hpet_timer *t)
{
    return (t->config & TN_PERIODIC) && t->period;
}

/* Past the match at `due`: where the next one is. */
static void go_on(struct hpet_timer *t, uint64_t ticks)
{
    uint64_t step = is_periodic(t) ? t->period : UINT64_C(1) << 32, times;

    if (!is_periodic(t) && !(t->config & TN_32BIT)) {
        t->due = NO_MATCH;
        return;
    }
    times = (ticks - t->due) / step + 1;
    t->due = step >> 58 ? NO_MATCH : t->due + times * step;
    if (is_periodic(t)) {
        t->comparator += times * step;
        if (t->config & TN_32BIT)
            t->comparator = (uint32_t)t->comparator;
    }
}

/* What has matched by now interrupts now. Comparators that can't interrupt arm no timer, so whoever
 * looks at their state calls this first. */
static void catch_up(struct hpet_timer *t)
{
    uint64_t now = clock_now(t->hpet->wiring.clock);

    if (now >= t->hold && t->due != NO_MATCH && now / HPET_TICK_NS >= t->due) {
        go_on(t, now / HPET_TICK_NS);
        t->hold = now + HPET_GAP_NS;
        interrupt(t);
    }
    arm(t);
}

static void fire(void *dev, uint64_t now)
{
    (void)now;
    catch_up(dev);
}

static void catch_up_all(struct hpet *h)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        catch_up(&h->timer[i]);
}

/* ---- registers ---- */

static uint64_t with_half(uint64_t old, bool high, uint32_t val)
{
    return high ? (uint64_t)val << 32 | (uint32_t)old : (old >> 32 << 32) | val;
}

static void write_config(struct hpet *h, uint32_t val)
{
    uint64_t ticks = ticks_now(h);

    catch_up_all(h);
    if (~h->config & val & CONFIG_ENABLE)
        h->offset -= ticks;
    else if (h->config & ~val & CONFIG_ENABLE)
        h->offset += ticks;
    h->config = val & (CONFIG_ENABLE | CONFIG_LEGACY);
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        h->timer[i].held &= may_hold(&h->timer[i]);
        restart(&h->timer[i]);
    }
    update_lines(h);
}

/* Only the halted counter can be written (2.3.7). */
static void write_counter(struct hpet *h, bool high, uint32_t val)
{
    if (!(h->config & CONFIG_ENABLE))
        h->offset = with_half(h->offset, high, val);
}

static void write_status(struct hpet *h, uint32_t val)
{
    catch_up_all(h);
    h->status &= ~val;
    update_lines(h);
}

static void write_timer_config(struct hpet_timer *t, uint32_t val)
{
    struct hpet *h = t->hpet;

    catch_up(t);
    t->config = val & TN_WRITABLE;
    t->val_set = val & TN_VAL_SET ? LOW_HALF | HIGH_HALF : 0;
    if (t->config & TN_32BIT) {
        t->comparator = (uint32_t)t->comparator;
        t->period = (uint32_t)t->period;
    }
    if (!(t->config & TN_LEVEL))
        h->status &= ~(UINT32_C(1) << index_of(t));
    t->held &= may_hold(t);
    restart(t);
    update_lines(h);
}

/* A periodic comparator: writes set the period, and after VAL_SET the comparator as well. VAL_SET
 * counts for one write of each half; drivers then write the low half again, the period (2.3.9.2).
 */
static void write_comparator(struct hpet_timer *t, bool high, uint32_t val)
{
    uint8_t half = high ? HIGH_HALF : LOW_HALF;
    bool direct = !(t->config & TN_PERIODIC) || (t->val_set & half);

    if (high && (t->config & TN_32BIT))
        return;
    catch_up(t);
    if (direct)
        t->comparator = with_half(t->comparator, high, val);
    if (t->config & TN_PERIODIC)
        t->period = with_half(t->period, high, val);
    t->val_set = t->val_set & half ? t->val_set & (uint8_t)~half : 0;
    if (direct)
        restart(t);
}

static uint32_t read_counter(struct hpet *h, bool high)
{
    uint64_t count = counter(h);

    /* The bus splits a 64-bit read: both halves must be of one moment. */
    if (high) {
        uint32_t val = h->latched ? h->latch : (uint32_t)(count >> 32);

        h->latched = false;
        return val;
    }
    h->latch = (uint32_t)(count >> 32);
    h->latched = true;
    return (uint32_t)count;
}

static uint32_t read_timer(struct hpet_timer *t, unsigned reg)
{
    catch_up(t);
    switch (reg) {
    case TIMER_CONFIG:
        return t->config | TN_CAPS;
    case TIMER_ROUTES:
        return HPET_ROUTES;
    case TIMER_COMPARATOR:
        return (uint32_t)t->comparator;
    case TIMER_COMPARATOR + 4:
        return (uint32_t)(t->comparator >> 32);
    default:
        return 0;
    }
}

static uint32_t mmio_read(void *dev, uint32_t off, unsigned size)
{
    struct hpet *h = dev;

    (void)size;
    if (off >= REG_TIMER && off < REG_TIMER + HPET_TIMERS * TIMER_STRIDE)
        return read_timer(&h->timer[(off - REG_TIMER) / TIMER_STRIDE], off % TIMER_STRIDE);
    switch (off) {
    case REG_ID:
        return HPET_ID;
    case REG_PERIOD:
        return HPET_TICK_NS * FS_PER_NS;
    case REG_CONFIG:
        return h->config;
    case REG_STATUS:
        catch_up_all(h);
        return h->status;
    case REG_COUNTER:
    case REG_COUNTER + 4:
        return read_counter(h, off != REG_COUNTER);
    default:
        return 0;
    }
}

static void write_timer(struct hpet_timer *t, unsigned reg, uint32_t val)
{
    if (reg == TIMER_CONFIG)
        write_timer_config(t, val);
    else if (reg == TIMER_COMPARATOR || reg == TIMER_COMPARATOR + 4)
        write_comparator(t, reg != TIMER_COMPARATOR, val);
}

static void mmio_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct hpet *h = dev;

    (void)size;
    if (off >= REG_TIMER && off < REG_TIMER + HPET_TIMERS * TIMER_STRIDE)
        write_timer(&h->timer[(off - REG_TIMER) / TIMER_STRIDE], off % TIMER_STRIDE, val);
    else if (off == REG_CONFIG)
        write_config(h, val);
    else if (off == REG_STATUS)
        write_status(h, val);
    else if (off == REG_COUNTER || off == REG_COUNTER + 4)
        write_counter(h, off != REG_COUNTER, val);
}

static void hpet_reset(void *dev)
{
    struct hpet *h = dev;

    h->config = 0;
    h->status = 0;
    h->offset = 0;
    h->latch = 0;
    h->latched = false;
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        struct hpet_timer *t = &h->timer[i];

        t->comparator = UINT64_MAX;
        t->period = 0;
        t->config = 0;
        t->val_set = 0;
        t->held = false;
        restart(t);
    }
    update_lines(h);
}

static void hpet_restored(void *dev)
{
    struct hpet *h = dev;

    for (unsigned i = 0; i < HPET_TIMERS; i++)
        arm(&h->timer[i]);
    update_lines(h);
}

void hpet_init(struct hpet *h, const struct hpet_config *cfg)
{
    memset(h, 0, sizeof(*h));
    h->wiring = *cfg;
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        h->timer[i].hpet = h;
        timer_init(&h->timer[i].timer, fire, &h->timer[i]);
    }
    hpet_reset(h);
}

static const struct io_ops mmio_ops = {mmio_read, mmio_write, 4, 4};

int hpet_attach(struct hpet *h, struct bus *mmio)
{
    return bus_add(mmio, HPET_BASE, HPET_BYTES, &mmio_ops, h, "hpet");
}

#define TIMER_FIELDS(n)                                                                            \
    FIELD(struct hpet, timer[n].comparator), FIELD(struct hpet, timer[n].period),                  \
        FIELD(struct hpet, timer[n].due), FIELD(struct hpet, timer[n].hold),                       \
        FIELD(struct hpet, timer[n].config), FIELD(struct hpet, timer[n].val_set),                 \
        FIELD(struct hpet, timer[n].held)

static const struct field hpet_fields[] = {FIELD(struct hpet, config),
                                           FIELD(struct hpet, status),
                                           FIELD(struct hpet, offset),
                                           FIELD(struct hpet, latch),
                                           FIELD(struct hpet, latched),
                                           TIMER_FIELDS(0),
                                           TIMER_FIELDS(1),
                                           TIMER_FIELDS(2),
                                           FIELD_END};

const struct dev_class hpet_class = {
    .name = "hpet", .fields = hpet_fields, .reset = hpet_reset, .restored = hpet_restored};
