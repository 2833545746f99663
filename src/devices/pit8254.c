#include "devices/pit8254.h"

#include <assert.h>
#include <string.h>

enum { /* control word (data sheet, figure 7) and read-back command (figure 12) */
       CW_BCD = 1 << 0,
       CW_MODE_SHIFT = 1,
       CW_RW_SHIFT = 4,
       CW_SC_SHIFT = 6,
       SC_READ_BACK = 3,
       RW_LATCH = 0,
       RW_LSB = 1,
       RW_MSB = 2,
       RW_BOTH = 3,
       READ_BACK_NO_STATUS = 1 << 4,
       READ_BACK_NO_COUNT = 1 << 5,
       STATUS_NULL = 1 << 6,
       STATUS_OUT = 1 << 7,
};

enum { IDLE, RUNNING, PAUSED };
enum { CONTROL_PORT = 3 };

static uint64_t ticks_at(uint64_t ns)
{
    return muldiv64(ns, PIT_HZ, NS_PER_SEC);
}

/* A time at which ticks_at() has reached `tick`. */
static uint64_t ns_of(uint64_t tick)
{
    return muldiv64(tick, NS_PER_SEC, PIT_HZ) + 1;
}

static bool one_shot(const struct pit_channel *c)
{
    return c->mode != 2 && c->mode != 3;
}

/* Ticks from load to the event that raises OUT: terminal count, or the end of the strobe. */
static uint64_t event_after(const struct pit_channel *c)
{
    return c->mode >= 4 ? c->count + UINT64_C(1) : c->count;
}

static uint64_t half_length(const struct pit_channel *c)
{
    return c->half_low ? c->count / 2 : (c->count + 1) / 2;
}

static void take_next(struct pit_channel *c)
{
    if (c->next) {
        c->count = c->next;
        c->next = 0;
    }
    c->null_count = 0;
}

/* Mode 2 reloads at the end of each cycle. Returns the cycles completed. */
static uint64_t advance_rate(struct pit_channel *c, uint64_t tick)
{
    uint64_t edges = 0, cycles;

    if (tick - c->start >= c->count) {
        c->start += c->count;
        take_next(c);
        edges = 1;
    }
    cycles = (tick - c->start) / c->count;
    c->start += cycles * c->count;
    return edges + cycles;
}

/* Mode 3 reloads at the end of each half. Returns how often OUT rose. */
static uint64_t advance_square(struct pit_channel *c, uint64_t tick)
{
    uint64_t edges = 0;

    while (tick - c->start >= half_length(c)) {
        if (!c->next && tick - c->start >= c->count) {
            uint64_t cycles = (tick - c->start) / c->count;

            c->start += cycles * c->count; /* whole cycles end in the half they began in */
            edges += cycles;
            continue;
        }
        c->start += half_length(c);
        c->half_low = !c->half_low;
        edges += !c->half_low;
        take_next(c);
    }
    return edges;
}

/* Brings the channel to `tick`. Returns the rising edges of OUT since the last call (modes 0 and
 * 1, whose OUT is a level, report none). */
static uint64_t advance(struct pit_channel *c, uint64_t tick)
{
    if (c->state != RUNNING || tick < c->start)
        return 0;
    if (!c->next)
        c->null_count = 0;
    if (c->mode == 2)
        return advance_rate(c, tick);
    if (c->mode == 3)
        return advance_square(c, tick);
    if (c->expired || tick - c->start < event_after(c))
        return 0;
    c->expired = 1;
    return c->mode >= 4;
}

/* OUT at `tick`, to which the channel has been advanced. */
static bool out_level(const struct pit_channel *c, uint64_t tick)
{
    bool counting = c->state == RUNNING && tick >= c->start;

    switch (c->mode) {
    case 0:
        return c->expired;
    case 1:
        return !counting || c->expired;
    case 2:
        return !counting || tick - c->start != c->count - 1;
    case 3:
        return !counting || !c->half_low;
    default:
        return !counting || tick - c->start != c->count;
    }
}

static uint16_t to_bcd(uint32_t v)
{
    return (uint16_t)(v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12);
}

/* What the output latch would show at `tick`. */
static uint16_t counter(const struct pit_channel *c, uint64_t tick)
{
    uint32_t modulus = c->bcd ? 10000 : 65536;
    uint64_t d = c->state == PAUSED ? c->elapsed : 0;
    uint32_t val;

    if (c->state == RUNNING && tick > c->start)
        d = tick - c->start;
    if (c->mode == 3) /* counts by two; odd counts load N-1 */
        val = (c->count & ~1u) - 2 * (uint32_t)d;
    else
        val = (uint32_t)(c->count + modulus - d % modulus);
    val %= modulus;
    return c->bcd ? to_bcd(val) : (uint16_t)val;
}

/* The tick of channel 0's next rising edge, UINT64_MAX when none is to come. */
static uint64_t next_edge(const struct pit_channel *c)
{
    if (c->state != RUNNING)
        return UINT64_MAX;
    if (one_shot(c))
        return c->expired ? UINT64_MAX : c->start + event_after(c);
    if (c->mode == 2)
        return c->start + c->count;
    if (c->half_low)
        return c->start + half_length(c);
    return c->start + half_length(c) + (c->next ? c->next : c->count) / 2;
}

/* The shortest time to the edge after this one: half a period while edges are owed. */
static uint64_t edge_gap(const struct pit_channel *c)
{
    uint64_t half = one_shot(c) ? 0 : muldiv64(c->count, NS_PER_SEC, PIT_HZ) / 2;

    return half > PIT_MIN_GAP_NS ? half : PIT_MIN_GAP_NS;
}

/* The only place that drives irq0 and arms its timer. */
static void update(struct pit8254 *p)
{
    struct pit_channel *c = &p->ch[0];
    uint64_t ns = clock_now(p->clock), edge, deadline = CLOCK_NEVER;
    uint64_t owed = p->owed + advance(c, ticks_at(ns));

    p->owed = owed > PIT_MAX_OWED ? PIT_MAX_OWED : (uint8_t)owed;
    if (c->mode <= 1) {
        line_set(&p->irq0, out_level(c, ticks_at(ns)));
    } else {
        if (p->owed && ns >= p->hold) {
            line_set(&p->irq0, false);
            p->owed--;
            p->hold = ns + edge_gap(c);
        }
        line_set(&p->irq0, true);
    }
    edge = next_edge(c);
    if (p->owed)
        deadline = p->hold;
    else if (edge != UINT64_MAX)
        deadline = c->mode > 1 && ns_of(edge) < p->hold ? p->hold : ns_of(edge);
    timer_set(p->clock, &p->timer, deadline);
}

static void pit_tick(void *dev, uint64_t now)
{
    (void)now;
    update(dev);
}

static uint64_t sync_channel(struct pit8254 *p, unsigned n)
{
    uint64_t tick = ticks_at(clock_now(p->clock));

    if (n == 0)
        update(p);
    advance(&p->ch[n], tick);
    return tick;
}

static void load(struct pit_channel *c, uint64_t tick)
{
    take_next(c);
    c->null_count = 1; /* until the clock pulse that loads the counting element */
    c->start = tick + 1;
    c->elapsed = 0;
    c->half_low = 0;
    c->expired = 0;
    c->state = RUNNING;
}

static void pause_count(struct pit_channel *c, uint64_t tick)
{
    c->elapsed = tick > c->start ? tick - c->start : 0;
    c->null_count = 0;
    c->state = PAUSED;
}

static void write_count(struct pit_channel *c, uint16_t raw, uint64_t tick)
{
    uint32_t n = raw;

    if (c->bcd)
        n = ((raw & 15u) + (raw >> 4 & 15u) * 10 + (raw >> 8 & 15u) * 100 + (raw >> 12) * 1000u) %
            10000;
    if (!n)
        n = c->bcd ? 10000 : 65536;
    c->next = n;
    c->null_count = 1;
    if (c->mode == 1 || c->mode == 5) /* loaded by the gate's rising edge */
        return;
    if (c->state != IDLE && !one_shot(c)) /* loaded at the end of the cycle */
        return;
    load(c, tick);
    if (!c->gate)
        pause_count(c, tick);
}

static void write_counter_byte(struct pit8254 *p, unsigned n, uint8_t val)
{
    struct pit_channel *c = &p->ch[n];
    uint64_t tick = sync_channel(p, n);

    if (c->rw == RW_LSB) {
        write_count(c, val, tick);
    } else if (c->rw == RW_MSB) {
        write_count(c, (uint16_t)(val << 8), tick);
    } else if (!c->wr_msb) {
        c->wr_lsb = val;
        c->wr_msb = 1;
        if (c->mode == 0) { /* the first byte stops the count and lowers OUT */
            c->state = IDLE;
            c->expired = 0;
        }
    } else {
        c->wr_msb = 0;
        write_count(c, (uint16_t)(val << 8 | c->wr_lsb), tick);
    }
}

static uint8_t read_counter_byte(struct pit8254 *p, unsigned n)
{
    struct pit_channel *c = &p->ch[n];
    uint64_t tick = sync_channel(p, n);
    uint16_t val = c->latched ? c->latch : counter(c, tick);
    bool msb = c->rw == RW_MSB || (c->rw == RW_BOTH && c->rd_msb);

    if (c->status_latched) {
        c->status_latched = 0;
        return c->status;
    }
    if (c->rw == RW_BOTH)
        c->rd_msb = !c->rd_msb;
    if (c->latched)
        c->latched--;
    return (uint8_t)(msb ? val >> 8 : val);
}

static void latch_count(struct pit_channel *c, uint64_t tick)
{
    if (c->latched)
        return;
    c->latch = counter(c, tick);
    c->latched = c->rw == RW_BOTH ? 2 : 1;
}

static void latch_status(struct pit_channel *c, uint64_t tick)
{
    if (c->status_latched)
        return;
    c->status =
        (uint8_t)(c->bcd | c->mode << CW_MODE_SHIFT | c->rw << CW_RW_SHIFT |
                  (c->null_count ? STATUS_NULL : 0) | (out_level(c, tick) ? STATUS_OUT : 0));
    c->status_latched = 1;
}

static void read_back(struct pit8254 *p, uint8_t val)
{
    for (unsigned n = 0; n < 3; n++) {
        uint64_t tick;

        if (!(val >> (n + 1) & 1))
            continue;
        tick = sync_channel(p, n);
        if (!(val & READ_BACK_NO_COUNT))
            latch_count(&p->ch[n], tick);
        if (!(val & READ_BACK_NO_STATUS))
            latch_status(&p->ch[n], tick);
    }
}

static void set_mode(struct pit_channel *c, uint8_t val)
{
    uint8_t mode = val >> CW_MODE_SHIFT & 7;
    uint8_t gate = c->gate;

    memset(c, 0, sizeof(*c));
    c->gate = gate;
    c->mode = mode > 5 ? mode - 4 : mode; /* x10 and x11: the third bit is ignored */
    c->rw = val >> CW_RW_SHIFT & 3;
    c->bcd = val & CW_BCD;
    c->null_count = 1;
}

static void write_control(struct pit8254 *p, uint8_t val)
{
    unsigned n = val >> CW_SC_SHIFT;
    uint64_t tick;

    if (n == SC_READ_BACK) {
        read_back(p, val);
        return;
    }
    tick = sync_channel(p, n);
    if ((val >> CW_RW_SHIFT & 3) == RW_LATCH) {
        latch_count(&p->ch[n], tick);
        return;
    }
    set_mode(&p->ch[n], val);
    if (n == 0) {
        p->owed = 0;
        p->hold = 0;
    }
}

static uint32_t pit_read(void *dev, uint32_t off, unsigned size)
{
    (void)size;
    return off == CONTROL_PORT ? 0xff : read_counter_byte(dev, off);
}

static void pit_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    (void)size;
    if (off == CONTROL_PORT)
        write_control(dev, (uint8_t)val);
    else
        write_counter_byte(dev, off, (uint8_t)val);
    update(dev);
}

static void gate_rose(struct pit_channel *c, uint64_t tick)
{
    if (c->mode == 1 || c->mode == 5) {
        if (c->count || c->next)
            load(c, tick);
    } else if (c->state == PAUSED && !one_shot(c)) {
        load(c, tick);
    } else if (c->state == PAUSED) {
        c->start = tick - c->elapsed;
        c->state = RUNNING;
    }
}

/* Data sheet, figure 21: what the gate does in each mode. */
void pit_set_gate(struct pit8254 *p, unsigned ch, bool level)
{
    struct pit_channel *c = &p->ch[ch];
    uint64_t tick;

    assert(ch < 3);
    if (c->gate == level)
        return;
    tick = sync_channel(p, ch);
    c->gate = level;
    if (level)
        gate_rose(c, tick);
    else if (c->state == RUNNING && c->mode != 1 && c->mode != 5)
        pause_count(c, tick);
    update(p);
}

bool pit_out(struct pit8254 *p, unsigned ch)
{
    uint64_t tick;

    assert(ch < 3);
    tick = sync_channel(p, ch);
    return out_level(&p->ch[ch], tick);
}

/* Undefined on the chip until programmed; mode 3 without a count is quiet, OUT high. */
static void pit_reset(void *dev)
{
    struct pit8254 *p = dev;

    for (unsigned n = 0; n < 3; n++) {
        p->ch[n].gate = n != 2;
        set_mode(&p->ch[n], RW_BOTH << CW_RW_SHIFT | 3 << CW_MODE_SHIFT);
    }
    p->owed = 0;
    p->hold = 0;
    update(p);
}

static void pit_restored(void *dev)
{
    update(dev);
}

void pit_init(struct pit8254 *p, struct clock *clock, struct line irq0)
{
    memset(p, 0, sizeof(*p));
    p->clock = clock;
    p->irq0 = irq0;
    timer_init(&p->timer, pit_tick, p);
    pit_reset(p);
}

static const struct io_ops pit_ops = {pit_read, pit_write, 1, 1};

int pit_attach(struct pit8254 *p, struct bus *ports)
{
    return bus_add(ports, 0x40, 4, &pit_ops, p, "pit");
}

#define CH(n, member) FIELD(struct pit8254, ch[n].member)
#define CHANNEL_FIELDS(n)                                                                          \
    CH(n, start), CH(n, elapsed), CH(n, count), CH(n, next), CH(n, latch), CH(n, latched),         \
        CH(n, status), CH(n, status_latched), CH(n, mode), CH(n, rw), CH(n, bcd), CH(n, gate),     \
        CH(n, state), CH(n, null_count), CH(n, half_low), CH(n, expired), CH(n, wr_msb),           \
        CH(n, rd_msb), CH(n, wr_lsb)

static const struct field pit_fields[] = {CHANNEL_FIELDS(0),           CHANNEL_FIELDS(1),
                                          CHANNEL_FIELDS(2),           FIELD(struct pit8254, hold),
                                          FIELD(struct pit8254, owed), FIELD_END};

const struct dev_class pit_class = {
    .name = "i8254", .fields = pit_fields, .reset = pit_reset, .restored = pit_restored};
