/* pci_host.h - PCI configuration mechanism #1 (PCI 2.1, 3.2.2.3.2) and bus 0.
 *
 * Owns ports CF8h-CFFh. Functions (devices/pci.h) are registered with pci_host_add() before the
 * machine runs and stay the caller's. Absent functions and other buses read as ones. After each
 * configuration write the bars of all functions are where their registers say, on the port and mmio
 * buses. Interrupt pin p (0-3) of device d drives PIRQ (d - 1 + p) % 4, as on the boards firmware
 * knows (SeaBIOS, piix_pci_slot_get_irq()); several drivers of one PIRQ are ORed.
 */
#ifndef DRAGOMAN_DEVICES_PCI_HOST_H
#define DRAGOMAN_DEVICES_PCI_HOST_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/device.h"
#include "bus/line.h"
#include "devices/pci.h"
#include "devices/reset_cf9.h"

struct pci_host {
    uint32_t address; /* CONFIG_ADDRESS */

    struct pci_function *bus0[PCI_DEVFNS]; /* wiring, by devfn */
    struct reset_cf9 *cf9;
    struct bus *ports, *mmio;
    struct line pirq[PCI_PINS];
};

extern const struct dev_class pci_host_class;

/* `cf9` may be NULL: the byte at CF9h then reads as ones. */
void pci_host_init(struct pci_host *h, struct bus *ports, struct bus *mmio, struct reset_cf9 *cf9,
                   const struct line pirq[PCI_PINS]);
int pci_host_attach(struct pci_host *h, struct bus *ports) MUST_CHECK;

/* Returns 0, or -EBUSY when the place is taken. Resets the function. */
int pci_host_add(struct pci_host *h, unsigned devfn, struct pci_function *fn) MUST_CHECK;

/* What the machine itself writes, in the firmware's place. */
void pci_host_program(struct pci_host *h, unsigned devfn, unsigned reg, unsigned size,
                      uint32_t val);

/* The function's interrupt pin: a level. */
struct line pci_intx_line(struct pci_function *fn);

/* Which PIRQ pin p (0-3) of a device drives. */
unsigned pci_pirq_of(unsigned devfn, unsigned pin);

#endif
