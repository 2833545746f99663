/* piix4_pm.h - the 82371AB power management function, 00:01.3 (data sheet 290562, 7.1): where the
 * ACPI registers of acpi_pm.h lie (PMBA, 40h) and whether they answer (PMREGMISC, 80h).
 *
 * There is no SMM: DEVACTB says from the start that the APM command port makes SMIs, which tells
 * firmware that somebody else has set it up. There is no SMBus behind the function.
 */
#ifndef DRAGOMAN_DEVICES_PIIX4_PM_H
#define DRAGOMAN_DEVICES_PIIX4_PM_H

#include "bus/device.h"
#include "devices/acpi_pm.h"
#include "devices/pci_host.h"

enum {
    PIIX4_PM_DEVFN = 1 << PCI_DEVFN_SHIFT | 3,
    PIIX4_PMBA = 0x40,
    PIIX4_PMREGMISC = 0x80,
    PIIX4_PMIOSE = 1, /* bit of PMREGMISC */
};

struct piix4_pm {
    struct pci_function fn;

    struct acpi_pm *pm; /* wiring */
    struct bus *ports;
};

extern const struct dev_class piix4_pm_class;

void piix4_pm_init(struct piix4_pm *b, struct acpi_pm *pm, struct bus *ports);
int piix4_pm_attach(struct piix4_pm *b, struct pci_host *host) MUST_CHECK;

#endif
