/* ioapic.h - the 82093AA I/O APIC (Intel 290566-001): 24 interrupt inputs, each with an entry that
 * says which vector goes to which CPU.
 *
 * Registers at FEC00000h: an index and a window. A pin carries a request, asserted or not; the
 * polarity bit of its entry is kept, but does not invert it, because the wires of the board are
 * requests and not voltages.
 *
 * Level-triggered: one message per assertion, the next after the CPU's EOI (ioapic_eoi(), remote
 * IRR). Edges on a masked pin are lost, as on the chip.
 */
#ifndef DRAGOMAN_DEVICES_IOAPIC_H
#define DRAGOMAN_DEVICES_IOAPIC_H

#include "bus/bus.h"
#include "bus/device.h"
#include "bus/line.h"
#include "devices/apic_bus.h"

#define IOAPIC_BASE UINT64_C(0xfec00000)

enum { IOAPIC_PINS = 24, IOAPIC_BYTES = 0x20, IOAPIC_WINDOW = 0x10, IOAPIC_REG_ID = 0 };

struct ioapic {
    uint64_t entry[IOAPIC_PINS]; /* redirection table */
    uint32_t level;              /* the pins */
    uint32_t irr;                /* requests not yet delivered */
    uint32_t id;
    uint8_t index;

    struct apic_bus *bus; /* wiring */
};

extern const struct dev_class ioapic_class;

/* Becomes the listener of the bus. */
void ioapic_init(struct ioapic *io, struct apic_bus *bus);
int ioapic_attach(struct ioapic *io, struct bus *mmio) MUST_CHECK;

/* The request line of pin n, 0-23. */
struct line ioapic_line(struct ioapic *io, int n);

#endif
