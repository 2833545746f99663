#include "devices/lapic.h"

#include <assert.h>
#include <string.h>

enum { /* registers (table 11-1) */
       REG_ID = 0x20,
       REG_VERSION = 0x30,
       REG_APR = 0x90,
       REG_PPR = 0xa0,
       REG_LDR = 0xd0,
       REG_DFR = 0xe0,
       REG_ISR = 0x100,
       REG_TMR = 0x180,
       REG_IRR = 0x200,
       REG_ESR = 0x280,
       REG_ICR_LOW = 0x300,
       REG_ICR_HIGH = 0x310,
       REG_LVT = 0x320,
       REG_INITIAL = 0x380,
       REG_CURRENT = 0x390,
       REG_DIVIDE = 0x3e0,
};

enum { /* LVT entries (figure 11-8) and the low half of the ICR (figure 11-12) */
       DELIVERY_SHIFT = 8,
       DELIVERY_MASK = 7,
       LOGICAL = 1 << 11,
       PENDING = 1 << 12,
       REMOTE_IRR = 1 << 14,
       ASSERT = 1 << 14,
       LEVEL = 1 << 15,
       MASKED = 1 << 16,
       TIMER_MODE_SHIFT = 17,
       SHORTHAND_SHIFT = 18,
       ICR_WRITABLE = 0xccfff,
};

enum { SEND_TO_DEST, SEND_TO_SELF, SEND_TO_ALL, SEND_TO_OTHERS };

enum { /* ESR (figure 11-9) */
       ERR_SEND_VECTOR = 1 << 5,
       ERR_RECEIVE_VECTOR = 1 << 6,
       ERR_REGISTER = 1 << 7,
};

enum { VERSION = 0x14 | (LAPIC_LVTS - 1) << 16, SVR_WRITABLE = 0x1ff, LOWEST_VECTOR = 16 };

/* Bits software can write; the timer's deadline mode besides. */
static const uint32_t lvt_writable[LAPIC_LVTS] = {
    [LVT_TIMER] = 0x300ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

/* ---- 256-bit sets of vectors ---- */

static void set_bit(uint32_t set[8], unsigned v)
{
    set[v >> 5] |= UINT32_C(1) << (v & 31);
}

static void clear_bit(uint32_t set[8], unsigned v)
{
    set[v >> 5] &= ~(UINT32_C(1) << (v & 31));
}

static bool has_bit(const uint32_t set[8], unsigned v)
{
    return set[v >> 5] >> (v & 31) & 1;
}

/* The highest vector, or -1. */
static int highest(const uint32_t set[8])
{
    for (int i = 7; i >= 0; i--)
        if (set[i])
            return i * 32 + 31 - __builtin_clz(set[i]);
    return -1;
}

/* ---- what the CPU sees ---- */

/* PPR (11.8.3.1): the class of what is in service, or of the task. */
uint8_t lapic_priority(const struct lapic *l)
{
    int v = highest(l->isr);

    return v >= 0 && (v & 0xf0) > (l->tpr & 0xf0) ? (uint8_t)(v & 0xf0) : l->tpr;
}

/* The vector that may interrupt now, or -1. */
static int deliverable(const struct lapic *l)
{
    int v = highest(l->irr);

    return v >= 0 && (v & 0xf0) > (lapic_priority(l) & 0xf0) ? v : -1;
}

static unsigned delivery_of(uint32_t entry)
{
    return entry >> DELIVERY_SHIFT & DELIVERY_MASK;
}

static bool extint_pending(const struct lapic *l)
{
    uint32_t e = l->lvt[LVT_LINT0];

    return l->lint[0] && !(e & MASKED) && delivery_of(e) == APIC_EXTINT;
}

/* The only place that drives INTR. */
static void update(struct lapic *l)
{
    bool on = l->base & LAPIC_MSR_ENABLE;

    line_set(&l->wiring.intr, on ? deliverable(l) >= 0 || extint_pending(l) : l->lint[0] != 0);
}

int lapic_ack(struct lapic *l)
{
    int v = l->base & LAPIC_MSR_ENABLE ? deliverable(l) : -1;

    if (v < 0) {
        /* Withdrawn in the meantime, and not the 8259A's either: spurious (11.9). */
        if ((l->base & LAPIC_MSR_ENABLE) && !extint_pending(l))
            return (int)(l->svr & 0xff);
        return l->wiring.inta(l->wiring.inta_opaque);
    }
    clear_bit(l->irr, (unsigned)v);
    set_bit(l->isr, (unsigned)v);
    update(l);
    return v;
}

static void pulse(const struct line *line)
{
    line_set(line, true);
    line_set(line, false);
}

/* ---- errors and accepted interrupts ---- */

static void deliver_lvt(struct lapic *l, enum lapic_lvt n);

/* The error interrupt comes with the first of several errors (11.5.3). */
static void note_error(struct lapic *l, uint32_t bit)
{
    bool first = !(l->errors & bit);

    l->errors |= bit;
    if (first)
        deliver_lvt(l, LVT_ERROR);
}

static bool accept_vector(struct lapic *l, uint8_t vector, bool level)
{
    if (!lapic_enabled(l))
        return false;
    if (vector < LOWEST_VECTOR) {
        note_error(l, ERR_RECEIVE_VECTOR);
        return false;
    }
    set_bit(l->irr, vector);
    (level ? set_bit : clear_bit)(l->tmr, vector);
    update(l);
    return true;
}

bool lapic_receive(struct lapic *l, const struct apic_msg *m)
{
    switch (m->delivery) {
    case APIC_FIXED:
    case APIC_LOWEST:
        return accept_vector(l, m->vector, m->level);
    case APIC_NMI:
        pulse(&l->wiring.nmi);
        return true;
    case APIC_INIT:
        pulse(&l->wiring.init);
        return true;
    default: /* no SMM; a CPU that runs ignores STARTUP; ExtINT comes by LINT0 only */
        return false;
    }
}

static void deliver_lvt(struct lapic *l, enum lapic_lvt n)
{
    uint32_t e = l->lvt[n];
    bool level = (n == LVT_LINT0 || n == LVT_LINT1) && (e & LEVEL);

    if (e & MASKED)
        return;
    switch (n == LVT_TIMER || n == LVT_ERROR ? (unsigned)APIC_FIXED : delivery_of(e)) {
    case APIC_FIXED:
        /* LINT1 is edge-triggered whatever its entry says (11.5.1). */
        level = level && n == LVT_LINT0;
        if (level && (e & REMOTE_IRR))
            return;
        /* An illegal vector in the error entry itself must not report itself for ever. */
        if ((e & 0xff) < LOWEST_VECTOR && n == LVT_ERROR)
            return;
        if (accept_vector(l, (uint8_t)e, level) && level)
            l->lvt[n] |= REMOTE_IRR;
        break;
    case APIC_NMI:
        pulse(&l->wiring.nmi);
        break;
    case APIC_INIT:
        pulse(&l->wiring.init);
        break;
    default: /* ExtINT is a level, see update() */
        break;
    }
}

static void timer_expired(void *dev)
{
    deliver_lvt(dev, LVT_TIMER);
}

static void lint_set(void *dst, int pin, bool level)
{
    struct lapic *l = dst;
    bool rose = level && !l->lint[pin];

    l->lint[pin] = level;
    if (rose && (l->base & LAPIC_MSR_ENABLE))
        deliver_lvt(l, pin ? LVT_LINT1 : LVT_LINT0);
    else if (rose && pin == 1) /* without an APIC LINT1 is the NMI pin */
        pulse(&l->wiring.nmi);
    update(l);
}

struct line lapic_lint_line(struct lapic *l, int n)
{
    assert(n == 0 || n == 1);
    return (struct line){.set = lint_set, .dst = l, .pin = n};
}

/* ---- interrupt messages ---- */

/* 11.6.2: physical, flat and cluster destinations. */
bool lapic_matches(const struct lapic *l, uint8_t dest, bool logical)
{
    uint8_t mine = (uint8_t)(l->ldr >> 24);

    if (!(l->base & LAPIC_MSR_ENABLE))
        return false;
    if (!logical)
        return dest == APIC_BROADCAST || dest == l->id >> 24;
    if (dest == APIC_BROADCAST)
        return true;
    if (l->dfr >> 28 == 0xf)
        return (dest & mine) != 0;
    return (dest & 0xf0) == (mine & 0xf0) && (dest & mine & 0x0f) != 0;
}

static void send_others(struct lapic *l, const struct apic_msg *m)
{
    const struct apic_bus *b = l->wiring.bus;

    for (unsigned i = 0; i < b->ncpus; i++)
        if (b->cpu[i] != l)
            lapic_receive(b->cpu[i], m);
}

static void send_ipi(struct lapic *l)
{
    uint32_t low = l->icr[0];
    struct apic_msg m = {
        .vector = (uint8_t)low,
        .delivery = (uint8_t)delivery_of(low),
        .dest = (uint8_t)(l->icr[1] >> 24),
        .logical = low & LOGICAL,
    };

    if ((m.delivery == APIC_FIXED || m.delivery == APIC_LOWEST) && m.vector < LOWEST_VECTOR) {
        note_error(l, ERR_SEND_VECTOR);
        return;
    }
    /* INIT level de-assert only synchronizes arbitration IDs, which nothing uses (11.6.1). */
    if (m.delivery == APIC_INIT && (low & (LEVEL | ASSERT)) == LEVEL)
        return;
    switch (low >> SHORTHAND_SHIFT & 3) {
    case SEND_TO_DEST:
        apic_bus_send(l->wiring.bus, &m);
        break;
    case SEND_TO_SELF: /* with the other delivery modes: invalid (table 11-3) */
        if (m.delivery == APIC_FIXED)
            lapic_receive(l, &m);
        break;
    case SEND_TO_ALL:
        if (m.delivery != APIC_FIXED)
            break;
        lapic_receive(l, &m);
        send_others(l, &m);
        break;
    case SEND_TO_OTHERS:
        send_others(l, &m);
        break;
    }
}

/* ---- registers ---- */

static void end_of_interrupt(struct lapic *l)
{
    int v = highest(l->isr);

    if (v < 0)
        return;
    clear_bit(l->isr, (unsigned)v);
    if (has_bit(l->tmr, (unsigned)v)) {
        uint32_t *lint0 = &l->lvt[LVT_LINT0];

        apic_bus_eoi(l->wiring.bus, (uint8_t)v);
        if ((*lint0 & REMOTE_IRR) && (*lint0 & 0xff) == (uint32_t)v) {
            *lint0 &= ~(uint32_t)REMOTE_IRR;
            if (l->lint[0])
                deliver_lvt(l, LVT_LINT0);
        }
    }
    update(l);
}

static void write_tpr(struct lapic *l, uint8_t val)
{
    l->tpr = val;
    if (l->wiring.tpr_changed)
        l->wiring.tpr_changed(l->wiring.opaque, val);
    update(l);
}

void lapic_set_tpr(struct lapic *l, uint8_t tpr)
{
    l->tpr = tpr;
    update(l);
}

static void tell_timer(struct lapic *l)
{
    uint32_t e = l->lvt[LVT_TIMER];

    lapic_timer_set_lvt(&l->timer, (enum lapic_timer_mode)(e >> TIMER_MODE_SHIFT & 3), e & MASKED);
}

static void write_lvt(struct lapic *l, enum lapic_lvt n, uint32_t val)
{
    uint32_t writable = lvt_writable[n];

    if (n == LVT_TIMER && l->wiring.tsc_deadline)
        writable |= LAPIC_TSC_DEADLINE << TIMER_MODE_SHIFT;
    if (!(l->svr & LAPIC_SVR_ENABLE))
        val |= MASKED;
    l->lvt[n] = (val & writable) | (l->lvt[n] & REMOTE_IRR);
    if (n == LVT_LINT0 && (!(val & LEVEL) || delivery_of(val) != APIC_FIXED))
        l->lvt[n] &= ~(uint32_t)REMOTE_IRR;
    if (n == LVT_TIMER)
        tell_timer(l);
    else if (n == LVT_LINT0 && l->lint[0] && (val & LEVEL) && delivery_of(val) == APIC_FIXED)
        deliver_lvt(l, n);
    update(l);
}

/* Software disable masks all entries (11.4.7.2). */
static void write_svr(struct lapic *l, uint32_t val)
{
    l->svr = val & SVR_WRITABLE;
    if (l->svr & LAPIC_SVR_ENABLE)
        return;
    for (unsigned i = 0; i < LAPIC_LVTS; i++)
        l->lvt[i] |= MASKED;
    tell_timer(l);
    update(l);
}

static void write_esr(struct lapic *l)
{
    l->esr = l->errors;
    l->errors = 0;
}

static bool is_lvt(uint32_t reg)
{
    return reg >= REG_LVT && reg < REG_LVT + 0x10 * LAPIC_LVTS;
}

static bool is_set(uint32_t reg, uint32_t first)
{
    return reg >= first && reg < first + 0x80;
}

static uint32_t read_reg(struct lapic *l, uint32_t reg)
{
    if (is_lvt(reg))
        return l->lvt[(reg - REG_LVT) >> 4];
    if (is_set(reg, REG_ISR))
        return l->isr[(reg - REG_ISR) >> 4];
    if (is_set(reg, REG_TMR))
        return l->tmr[(reg - REG_TMR) >> 4];
    if (is_set(reg, REG_IRR))
        return l->irr[(reg - REG_IRR) >> 4];
    switch (reg) {
    case REG_ID:
        return l->id;
    case REG_VERSION:
        return VERSION;
    case LAPIC_TPR:
        return l->tpr;
    case REG_APR:
    case REG_PPR:
        return lapic_priority(l);
    case LAPIC_EOI: /* write-only */
        return 0;
    case REG_LDR:
        return l->ldr;
    case REG_DFR:
        return l->dfr;
    case LAPIC_SVR:
        return l->svr;
    case REG_ESR:
        return l->esr;
    case REG_ICR_LOW:
        return l->icr[0];
    case REG_ICR_HIGH:
        return l->icr[1];
    case REG_INITIAL:
        return l->timer.initial;
    case REG_CURRENT:
        return lapic_timer_current(&l->timer);
    case REG_DIVIDE:
        return l->timer.divide;
    default:
        note_error(l, ERR_REGISTER);
        return 0;
    }
}

static void write_reg(struct lapic *l, uint32_t reg, uint32_t val)
{
    if (is_lvt(reg)) {
        write_lvt(l, (enum lapic_lvt)((reg - REG_LVT) >> 4), val);
        return;
    }
    switch (reg) {
    case LAPIC_EOI:
        end_of_interrupt(l);
        break;
    case LAPIC_TPR:
        write_tpr(l, (uint8_t)val);
        break;
    case REG_ID:
        l->id = val & 0xff000000;
        break;
    case REG_LDR:
        l->ldr = val & 0xff000000;
        break;
    case REG_DFR:
        l->dfr = val | 0x0fffffff;
        break;
    case LAPIC_SVR:
        write_svr(l, val);
        break;
    case REG_ESR:
        write_esr(l);
        break;
    case REG_ICR_LOW:
        l->icr[0] = val & ICR_WRITABLE & ~(uint32_t)PENDING;
        send_ipi(l);
        break;
    case REG_ICR_HIGH:
        l->icr[1] = val & 0xff000000;
        break;
    case REG_INITIAL:
        lapic_timer_set_initial(&l->timer, val);
        break;
    case REG_DIVIDE:
        lapic_timer_set_divide(&l->timer, val);
        break;
    case REG_VERSION: /* read-only: ignored, as the sets are */
    case REG_APR:
    case REG_PPR:
    case REG_CURRENT:
        break;
    default:
        if (!is_set(reg, REG_ISR) && !is_set(reg, REG_TMR) && !is_set(reg, REG_IRR))
            note_error(l, ERR_REGISTER);
        break;
    }
}

/* Registers are 32 bits wide on 16-byte boundaries; what else is touched is undefined (11.4.1). */
static uint32_t mmio_read(void *dev, uint32_t off, unsigned size)
{
    (void)size;
    return off & 0xf ? 0 : read_reg(dev, off);
}

static void mmio_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    (void)size;
    if (!(off & 0xf))
        write_reg(dev, off, val);
}

static const struct io_ops mmio_ops = {mmio_read, mmio_write, 4, 4};

/* ---- place, reset, state ---- */

/* Registers where the MSR says. A guest that puts them on another device's gets that device. */
static int map(struct lapic *l)
{
    uint64_t at = l->base & LAPIC_MSR_ENABLE ? l->base & ~(uint64_t)PAGE_MASK : 0;
    int err = 0;

    if (!l->mmio || at == l->mapped_at)
        return 0;
    if (l->mapped_at)
        bus_remove(l->mmio, l->mapped_at);
    l->mapped_at = 0;
    if (at)
        err = bus_add(l->mmio, at, LAPIC_BYTES, &mmio_ops, l, "lapic");
    if (at && !err)
        l->mapped_at = at;
    return err;
}

static void reset_registers(struct lapic *l)
{
    l->id = (uint32_t)l->wiring.id << 24;
    l->ldr = 0;
    l->dfr = UINT32_MAX;
    l->svr = 0xff;
    l->esr = l->errors = 0;
    l->icr[0] = l->icr[1] = 0;
    for (unsigned i = 0; i < LAPIC_LVTS; i++)
        l->lvt[i] = MASKED;
    memset(l->irr, 0, sizeof(l->irr));
    memset(l->isr, 0, sizeof(l->isr));
    memset(l->tmr, 0, sizeof(l->tmr));
    lapic_timer_reset(&l->timer);
    write_tpr(l, 0);
}

/* Off and on again: the state after a reset (11.4.3). */
void lapic_set_base(struct lapic *l, uint64_t val)
{
    bool was_on = l->base & LAPIC_MSR_ENABLE;

    l->base = val;
    if (map(l) < 0)
        l->mapped_at = 0;
    if (was_on && !(val & LAPIC_MSR_ENABLE))
        reset_registers(l);
    update(l);
}

/* Power-on state (11.4.7.1). The pins belong to who drives them. */
static void lapic_reset(void *dev)
{
    struct lapic *l = dev;

    l->base = LAPIC_BASE | LAPIC_MSR_ENABLE | (l->wiring.id == 0 ? LAPIC_MSR_BSP : 0);
    if (map(l) < 0)
        l->mapped_at = 0;
    reset_registers(l);
}

static void lapic_restored(void *dev)
{
    struct lapic *l = dev;

    if (map(l) < 0)
        l->mapped_at = 0;
    lapic_timer_restored(&l->timer);
    update(l);
}

int lapic_attach(struct lapic *l, struct bus *mmio)
{
    l->mmio = mmio;
    return map(l);
}

void lapic_init(struct lapic *l, const struct lapic_config *cfg)
{
    const struct lapic_timer_config timer = {
        .clock = cfg->clock,
        .hz = cfg->timer_hz,
        .tsc_khz = cfg->tsc_khz,
        .tsc = cfg->tsc,
        .opaque = cfg->opaque,
        .expired = timer_expired,
        .dev = l,
    };

    memset(l, 0, sizeof(*l));
    l->wiring = *cfg;
    lapic_timer_init(&l->timer, &timer);
    apic_bus_add(cfg->bus, l);
    lapic_reset(l);
}

static const struct field lapic_fields[] = {
    FIELD(struct lapic, base),          FIELD(struct lapic, id),
    FIELD(struct lapic, ldr),           FIELD(struct lapic, dfr),
    FIELD(struct lapic, svr),           FIELD(struct lapic, esr),
    FIELD(struct lapic, errors),        FIELD(struct lapic, icr),
    FIELD(struct lapic, lvt),           FIELD(struct lapic, irr),
    FIELD(struct lapic, isr),           FIELD(struct lapic, tmr),
    FIELD(struct lapic, tpr),           FIELD(struct lapic, lint),
    FIELD(struct lapic, timer.initial), FIELD(struct lapic, timer.count),
    FIELD(struct lapic, timer.divide),  FIELD(struct lapic, timer.mode),
    FIELD(struct lapic, timer.masked),  FIELD(struct lapic, timer.since),
    FIELD(struct lapic, timer.expired), FIELD(struct lapic, timer.deadline),
    FIELD(struct lapic, timer.hold),    FIELD_END,
};

const struct dev_class lapic_class = {
    .name = "lapic", .fields = lapic_fields, .reset = lapic_reset, .restored = lapic_restored};
