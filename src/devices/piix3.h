/* piix3.h - the 82371SB ISA bridge, function 00:01.0: PIRQ routing (data sheet 290550, 2.2.8).
 *
 * `isa` are the sixteen ISA interrupt lines; a PIRQ that is routed drives the line that its
 * register names, those of one line ORed. ELCR is the 8259A pair's, the reset control register
 * reset_cf9's.
 */
#ifndef DRAGOMAN_DEVICES_PIIX3_H
#define DRAGOMAN_DEVICES_PIIX3_H

#include "bus/device.h"
#include "bus/line.h"
#include "devices/pci_host.h"

enum { PIIX3_DEVFN = 1 << PCI_DEVFN_SHIFT, PIIX3_PIRQRC = 0x60, PIIX3_ISA_IRQS = 16 };

struct piix3 {
    struct pci_function fn;
    bool pirq[PCI_PINS]; /* levels */

    struct line isa[PIIX3_ISA_IRQS]; /* wiring; those not routable stay unused */
    uint16_t driven;                 /* lines that are high because of a PIRQ */
};

extern const struct dev_class piix3_class;

void piix3_init(struct piix3 *b, const struct line isa[PIIX3_ISA_IRQS]);
int piix3_attach(struct piix3 *b, struct pci_host *host) MUST_CHECK;
/* PIRQA to PIRQD are n 0 to 3. */
struct line piix3_pirq_line(struct piix3 *b, int n);

#endif
