/* pci_host.h - PCI configuration mechanism #1 (PCI 2.1, 3.2.2.3.2) and bus 0.
 *
 * Owns ports CF8h-CFFh. A function is a 256-byte configuration space with a mask of writable bits;
 * after a write its hook, if any, is told. Functions are registered with pci_host_add() before the
 * machine runs and stay the caller's. Absent functions and other buses read as ones. Function
 * 00:00.0 is a host bridge like the 440FX's: its PAM registers say that C0000h-FFFFFh is RAM.
 */
#ifndef DRAGOMAN_DEVICES_PCI_HOST_H
#define DRAGOMAN_DEVICES_PCI_HOST_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/device.h"
#include "devices/reset_cf9.h"

enum { PCI_CONFIG_BYTES = 256, PCI_DEVFNS = 256 };

struct pci_function {
    uint8_t config[PCI_CONFIG_BYTES];
    uint8_t writable[PCI_CONFIG_BYTES];                      /* mask per byte */
    void (*written)(void *dev, unsigned reg, unsigned size); /* may be NULL */
    void *dev;
};

struct pci_host {
    uint32_t address; /* CONFIG_ADDRESS */
    struct pci_function bridge;

    struct pci_function *bus0[PCI_DEVFNS]; /* wiring, by device << 3 | function */
    struct reset_cf9 *cf9;
};

extern const struct dev_class pci_host_class;

/* `cf9` may be NULL: the byte at CF9h then reads as ones. */
void pci_host_init(struct pci_host *h, struct reset_cf9 *cf9);
int pci_host_attach(struct pci_host *h, struct bus *ports) MUST_CHECK;

/* Returns 0, or -EBUSY when the place is taken. */
int pci_host_add(struct pci_host *h, unsigned devfn, struct pci_function *fn) MUST_CHECK;

#endif
