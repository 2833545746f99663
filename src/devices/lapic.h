/* lapic.h - the local APIC of one CPU (SDM 3A chapter 11; xAPIC mode only).
 *
 * Sits between everything that interrupts and the CPU: `intr` is the CPU's INTR, a level, a
 * function of IRR, ISR, TPR and, where LINT0 is in ExtINT mode (virtual wire), of the 8259A's INTR.
 * When the CPU takes the interrupt it calls lapic_ack() once. With the APIC disabled in
 * IA32_APIC_BASE, LINT0 is the CPU's INTR pin.
 *
 * The registers lie in the mmio bus at the base in IA32_APIC_BASE; RAM at that address hides them.
 * TPR and CR8 are one register (11.8.6): `tpr_changed` tells the CPU of writes through memory,
 * lapic_set_tpr() is MOV to CR8.
 *
 * The timer counts at `timer_hz`; where CPUID leaf 15h shows a crystal, guests take its frequency.
 */
#ifndef DRAGOMAN_DEVICES_LAPIC_H
#define DRAGOMAN_DEVICES_LAPIC_H

#include "bus/bus.h"
#include "bus/device.h"
#include "bus/line.h"
#include "devices/apic_bus.h"
#include "devices/lapic_timer.h"

#define LAPIC_BASE UINT64_C(0xfee00000)

enum { LAPIC_BYTES = 0x1000 };

/* IA32_APIC_BASE (11.4.4). */
enum { LAPIC_MSR_BSP = 1 << 8, LAPIC_MSR_ENABLE = 1 << 11 };

/* Register offsets that others use. */
enum {
    LAPIC_TPR = 0x80,
    LAPIC_EOI = 0xb0,
    LAPIC_SVR = 0xf0,
    LAPIC_LVT_LINT0 = 0x350,
    LAPIC_LVT_LINT1 = 0x360,
    LAPIC_SVR_ENABLE = 1 << 8,
};

/* LVT entries in the order of their registers, 320h-370h. */
enum lapic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LAPIC_LVTS };

struct lapic_config {
    struct clock *clock;
    struct apic_bus *bus;
    uint8_t id;                /* also the CPU's number; 0 is the bootstrap processor */
    struct line intr;          /* level */
    struct line nmi, init;     /* rise for each NMI and INIT */
    int (*inta)(void *opaque); /* the 8259A's vector */
    void *inta_opaque;
    void (*tpr_changed)(void *opaque, uint8_t tpr);
    uint64_t (*tsc)(void *opaque); /* the guest's */
    void *opaque;
    uint32_t timer_hz, tsc_khz;
    bool tsc_deadline; /* the CPU offers that timer mode */
};

struct lapic {
    uint64_t base; /* IA32_APIC_BASE */
    uint32_t id, ldr, dfr, svr, esr;
    uint32_t errors; /* since ESR was written */
    uint32_t icr[2];
    uint32_t lvt[LAPIC_LVTS];
    uint32_t irr[8], isr[8], tmr[8];
    uint8_t tpr;
    uint8_t lint[2]; /* levels of the pins */
    struct lapic_timer timer;

    struct lapic_config wiring;
    struct bus *mmio;
    uint64_t mapped_at; /* where on the bus; 0: nowhere */
};

extern const struct dev_class lapic_class;

void lapic_init(struct lapic *l, const struct lapic_config *cfg);
int lapic_attach(struct lapic *l, struct bus *mmio) MUST_CHECK;

/* Pin LINTn. */
struct line lapic_lint_line(struct lapic *l, int n);

/* The CPU's INTA: the vector to deliver. */
int lapic_ack(struct lapic *l);

void lapic_set_tpr(struct lapic *l, uint8_t tpr);
/* IA32_APIC_BASE was written; reserved bits are the CPU's to check. */
void lapic_set_base(struct lapic *l, uint64_t val);

/* For the bus. */
bool lapic_matches(const struct lapic *l, uint8_t dest, bool logical);
bool lapic_receive(struct lapic *l, const struct apic_msg *m);
uint8_t lapic_priority(const struct lapic *l); /* PPR */

/* Takes fixed interrupts: enabled globally and by SVR. */
static inline bool lapic_enabled(const struct lapic *l)
{
    return (l->base & LAPIC_MSR_ENABLE) && (l->svr & LAPIC_SVR_ENABLE);
}

#endif
