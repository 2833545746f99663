#include "devices/ioapic.h"

#include <assert.h>
#include <string.h>

enum { REG_VERSION = 1, REG_ARBITRATION = 2, REG_TABLE = 0x10 };
enum { VERSION = 0x11 | (IOAPIC_PINS - 1) << 16, ID_WRITABLE = 0x0f000000 };

enum { /* redirection table entry (3.2.4) */
       RTE_DELIVERY_SHIFT = 8,
       RTE_LOGICAL = 1 << 11,
       RTE_STATUS = 1 << 12,
       RTE_REMOTE_IRR = 1 << 14,
       RTE_LEVEL = 1 << 15,
       RTE_MASKED = 1 << 16,
       RTE_READ_ONLY = RTE_STATUS | RTE_REMOTE_IRR,
       RTE_DEST_SHIFT = 56,
};

static const uint64_t rte_bits = UINT64_C(0xff0000000001ffff);

static bool level_triggered(uint64_t e)
{
    unsigned delivery = e >> RTE_DELIVERY_SHIFT & 7;

    /* The other delivery modes are edges whatever bit 15 says (3.2.4). */
    return (e & RTE_LEVEL) && (delivery == APIC_FIXED || delivery == APIC_LOWEST);
}

static void service(struct ioapic *io, unsigned pin)
{
    uint64_t *e = &io->entry[pin];
    struct apic_msg m = {
        .vector = (uint8_t)*e,
        .delivery = (uint8_t)(*e >> RTE_DELIVERY_SHIFT & 7),
        .dest = (uint8_t)(*e >> RTE_DEST_SHIFT),
        .logical = *e & RTE_LOGICAL,
        .level = level_triggered(*e),
    };

    if (!(io->irr >> pin & 1) || (*e & (RTE_MASKED | RTE_REMOTE_IRR)))
        return;
    if (!m.level)
        io->irr &= ~(UINT32_C(1) << pin);
    else
        *e |= RTE_REMOTE_IRR;
    /* Nobody there: a level stays pending until the entry is written. */
    if (!apic_bus_send(io->bus, &m) && m.level)
        *e &= ~(uint64_t)RTE_REMOTE_IRR;
}

static void set_pin(void *dst, int pin, bool level)
{
    struct ioapic *io = dst;
    uint32_t bit = UINT32_C(1) << pin;
    bool rose = level && !(io->level & bit);

    io->level = level ? io->level | bit : io->level & ~bit;
    if (level_triggered(io->entry[pin]))
        io->irr = level ? io->irr | bit : io->irr & ~bit;
    else if (rose && !(io->entry[pin] & RTE_MASKED))
        io->irr |= bit;
    if (rose)
        service(io, (unsigned)pin);
}

struct line ioapic_line(struct ioapic *io, int n)
{
    assert(n >= 0 && n < IOAPIC_PINS);
    return (struct line){.set = set_pin, .dst = io, .pin = n};
}

static void eoi(void *opaque, uint8_t vector)
{
    struct ioapic *io = opaque;

    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t *e = &io->entry[pin];

        if ((uint8_t)*e != vector || !(*e & RTE_REMOTE_IRR))
            continue;
        *e &= ~(uint64_t)RTE_REMOTE_IRR;
        service(io, pin);
    }
}

/* Remote IRR is undefined for edge-triggered entries, and software clears a stuck one by making the
 * entry edge-triggered for a moment. */
static void write_entry(struct ioapic *io, unsigned pin, unsigned half, uint32_t val)
{
    uint64_t old = io->entry[pin], keep = old & RTE_READ_ONLY, e;
    uint32_t bit = UINT32_C(1) << pin;

    e = half ? (uint64_t)val << 32 | (uint32_t)old : (old >> 32 << 32) | val;
    e = (e & rte_bits & ~(uint64_t)RTE_READ_ONLY) | keep;
    if (level_triggered(e)) {
        io->irr = (io->irr & ~bit) | (io->level & bit);
    } else {
        e &= ~(uint64_t)RTE_REMOTE_IRR;
        if (level_triggered(old))
            io->irr &= ~bit;
    }
    io->entry[pin] = e;
    service(io, pin);
}

static uint32_t read_reg(const struct ioapic *io)
{
    unsigned n = io->index - (unsigned)REG_TABLE;

    switch (io->index) {
    case IOAPIC_REG_ID:
    case REG_ARBITRATION:
        return io->id;
    case REG_VERSION:
        return VERSION;
    default:
        return n < 2 * IOAPIC_PINS ? (uint32_t)(io->entry[n / 2] >> (n % 2 * 32)) : 0;
    }
}

static void write_reg(struct ioapic *io, uint32_t val)
{
    unsigned n = io->index - (unsigned)REG_TABLE;

    if (io->index == IOAPIC_REG_ID)
        io->id = val & ID_WRITABLE;
    else if (n < 2 * IOAPIC_PINS)
        write_entry(io, n / 2, n % 2, val);
}

static uint32_t mmio_read(void *dev, uint32_t off, unsigned size)
{
    const struct ioapic *io = dev;

    (void)size;
    if (off == 0)
        return io->index;
    return off == IOAPIC_WINDOW ? read_reg(io) : 0;
}

static void mmio_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct ioapic *io = dev;

    (void)size;
    if (off == 0)
        io->index = (uint8_t)val;
    else if (off == IOAPIC_WINDOW)
        write_reg(io, val);
}

/* The pins belong to the devices and keep their levels. */
static void ioapic_reset(void *dev)
{
    struct ioapic *io = dev;

    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        io->entry[i] = RTE_MASKED;
    io->irr = 0;
    io->id = 0;
    io->index = 0;
}

static void ioapic_restored(void *dev)
{
    struct ioapic *io = dev;

    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        service(io, i);
}

void ioapic_init(struct ioapic *io, struct apic_bus *bus)
{
    memset(io, 0, sizeof(*io));
    io->bus = bus;
    bus->eoi = eoi;
    bus->opaque = io;
    ioapic_reset(io);
}

static const struct io_ops mmio_ops = {mmio_read, mmio_write, 4, 4};

int ioapic_attach(struct ioapic *io, struct bus *mmio)
{
    return bus_add(mmio, IOAPIC_BASE, IOAPIC_BYTES, &mmio_ops, io, "ioapic");
}

static const struct field ioapic_fields[] = {
    FIELD(struct ioapic, entry), FIELD(struct ioapic, level), FIELD(struct ioapic, irr),
    FIELD(struct ioapic, id),    FIELD(struct ioapic, index), FIELD_END};

const struct dev_class ioapic_class = {
    .name = "ioapic", .fields = ioapic_fields, .reset = ioapic_reset, .restored = ioapic_restored};
