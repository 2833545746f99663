/* apic_bus.h - how interrupt messages travel between I/O APICs and local APICs (SDM 3A 11.1, 11.6).
 *
 * Knows every local APIC of the machine and the I/O APIC that listens for ends of interrupts.
 * Messages arrive at once; there is no bus to arbitrate for.
 */
#ifndef DRAGOMAN_DEVICES_APIC_BUS_H
#define DRAGOMAN_DEVICES_APIC_BUS_H

#include "base/types.h"

enum { APIC_BUS_CPUS = 8, APIC_BROADCAST = 0xff };

/* Delivery modes, as in the ICR, the LVT and the redirection table. */
enum apic_delivery {
    APIC_FIXED = 0,
    APIC_LOWEST = 1,
    APIC_SMI = 2,
    APIC_NMI = 4,
    APIC_INIT = 5,
    APIC_STARTUP = 6,
    APIC_EXTINT = 7,
};

struct apic_msg {
    uint8_t vector, delivery, dest;
    bool logical; /* dest is a logical destination */
    bool level;   /* level-triggered */
};

struct lapic;

struct apic_bus {
    struct lapic *cpu[APIC_BUS_CPUS];
    unsigned ncpus;
    void (*eoi)(void *opaque, uint8_t vector); /* a level-triggered interrupt was ended */
    void *opaque;
};

/* Puts a local APIC on the bus; at most APIC_BUS_CPUS. */
void apic_bus_add(struct apic_bus *b, struct lapic *l);

/* To whom it is addressed; false: nobody took it. */
bool apic_bus_send(struct apic_bus *b, const struct apic_msg *m);

static inline void apic_bus_eoi(const struct apic_bus *b, uint8_t vector)
{
    if (b->eoi)
        b->eoi(b->opaque, vector);
}

#endif
