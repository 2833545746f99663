/* apic_rig.h - a local APIC (or two), an I/O APIC and an 8259A's INTR, for test_lapic*.c and
 * test_ioapic.c. */
#ifndef DRAGOMAN_TESTS_APIC_RIG_H
#define DRAGOMAN_TESTS_APIC_RIG_H

#include "dev_harness.h"
#include "devices/ioapic.h"
#include "devices/lapic.h"

enum { ARIG_HZ = 1000000000, ARIG_TSC_KHZ = 2000000, ARIG_PIC_VECTOR = 0x77 };

struct arig {
    struct rig rig;
    struct bus mmio;
    struct apic_bus bus;
    struct lapic cpu[2];
    struct ioapic io;
    struct probe intr[2], nmi[2], init[2];
    unsigned intas;
    uint8_t tpr;
    uint64_t tsc_offset;
};

static inline int arig_inta(void *opaque)
{
    ((struct arig *)opaque)->intas++;
    return ARIG_PIC_VECTOR;
}

static inline void arig_tpr(void *opaque, uint8_t tpr)
{
    ((struct arig *)opaque)->tpr = tpr;
}

static inline uint64_t arig_tsc(void *opaque)
{
    const struct arig *a = opaque;

    return a->rig.ns * 2 + a->tsc_offset;
}

static inline void arig_cpu(struct arig *a, unsigned n)
{
    const struct lapic_config cfg = {
        .clock = &a->rig.clock,
        .bus = &a->bus,
        .id = (uint8_t)n,
        .intr = probe_line(&a->intr[n]),
        .nmi = probe_line(&a->nmi[n]),
        .init = probe_line(&a->init[n]),
        .inta = arig_inta,
        .inta_opaque = a,
        .tpr_changed = arig_tpr,
        .tsc = arig_tsc,
        .opaque = a,
        .timer_hz = ARIG_HZ,
        .tsc_khz = ARIG_TSC_KHZ,
        .tsc_deadline = true,
    };

    lapic_init(&a->cpu[n], &cfg);
}

/* As after power-on. The second CPU's registers are on no bus. */
static inline void arig_init(struct arig *a)
{
    memset(a, 0, sizeof(*a));
    rig_init(&a->rig);
    a->rig.ns = 1000;
    bus_init(&a->mmio, "mmio", NULL);
    arig_cpu(a, 0);
    arig_cpu(a, 1);
    ioapic_init(&a->io, &a->bus);
    ck_assert_int_eq(lapic_attach(&a->cpu[0], &a->mmio), 0);
    ck_assert_int_eq(ioapic_attach(&a->io, &a->mmio), 0);
}

static inline void arig_write(struct arig *a, uint32_t reg, uint32_t val)
{
    bus_write(&a->mmio, LAPIC_BASE + reg, 4, val);
}

static inline uint32_t arig_read(struct arig *a, uint32_t reg)
{
    return (uint32_t)bus_read(&a->mmio, LAPIC_BASE + reg, 4);
}

/* Software-enabled, as an operating system has it. */
static inline void arig_start(struct arig *a)
{
    arig_init(a);
    arig_write(a, LAPIC_SVR, 0x1ff);
    arig_write(a, 0xd0, 1u << 24);
    a->cpu[1].svr = 0x1ff;
    a->cpu[1].ldr = 2u << 24;
}

static inline void arig_self(struct arig *a, uint8_t vector)
{
    arig_write(a, 0x300, 1 << 18 | vector);
}

static inline void arig_io_write(struct arig *a, unsigned reg, uint32_t val)
{
    bus_write(&a->mmio, IOAPIC_BASE, 4, reg);
    bus_write(&a->mmio, IOAPIC_BASE + IOAPIC_WINDOW, 4, val);
}

static inline uint32_t arig_io_read(struct arig *a, unsigned reg)
{
    bus_write(&a->mmio, IOAPIC_BASE, 4, reg);
    return (uint32_t)bus_read(&a->mmio, IOAPIC_BASE + IOAPIC_WINDOW, 4);
}

static inline void arig_pin(struct arig *a, int n, bool level)
{
    struct line pin = ioapic_line(&a->io, n);

    line_set(&pin, level);
}

#endif
