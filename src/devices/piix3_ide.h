/* piix3_ide.h - the IDE function of the 82371SB, 00:01.1 (data sheet 290550, 2.3): where the
 * controller of ide.h answers. A channel's ports are decoded when COMMAND enables ports and bit 15
 * of its IDETIM is set, the bus-master registers at BAR 4.
 */
#ifndef DRAGOMAN_DEVICES_PIIX3_IDE_H
#define DRAGOMAN_DEVICES_PIIX3_IDE_H

#include "bus/device.h"
#include "devices/ide.h"
#include "devices/pci_host.h"

enum {
    PIIX3_IDE_DEVFN = 1 << PCI_DEVFN_SHIFT | 1,
    PIIX3_IDETIM = 0x40, /* a word per channel */
    PIIX3_IDETIM_ON = 0x8000,
};

struct piix3_ide {
    struct pci_function fn;

    struct ide *ide; /* wiring */
    struct bus *ports;
    bool decoded[IDE_CHANNELS];
};

extern const struct dev_class piix3_ide_class;

void piix3_ide_init(struct piix3_ide *b, struct ide *ide, struct bus *ports);
int piix3_ide_attach(struct piix3_ide *b, struct pci_host *host) MUST_CHECK;

#endif
