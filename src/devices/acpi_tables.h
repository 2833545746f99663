/* acpi_tables.h - the ACPI tables that describe the PC board to the guest.
 *
 * RSDP (ACPI 1.0 form), RSDT, FADT revision 3, FACS, DSDT, a MADT when there are local APICs and an
 * HPET table when there is one.
 * The addresses in the FADT are those of acpi_pm.h. `where` should lie in E0000h-FFFFFh, 16-byte
 * aligned: that is where guests search for the RSDP. The memory map must report the area as
 * reserved or ACPI.
 */
#ifndef DRAGOMAN_DEVICES_ACPI_TABLES_H
#define DRAGOMAN_DEVICES_ACPI_TABLES_H

#include "base/types.h"
#include "bus/physmem.h"

enum { ACPI_TABLES_MAX_BYTES = 4096 };

struct acpi_config {
    uint16_t pm_base;   /* what acpi_pm_attach() got */
    bool timer_32bit;   /* what acpi_pm_init() got */
    uint16_t com1_base; /* 0: no serial port */
    uint8_t com1_irq;
    unsigned apics;               /* local APICs; 0: 8259 only, no MADT */
    uint32_t local_apic, io_apic; /* their addresses, when apics != 0 */
    uint32_t hpet, hpet_id;       /* its address and capabilities; 0: none */
    uint32_t pci_first, pci_last; /* memory window of the PCI bus */
};

/* Builds the tables at `where` in at most `max` bytes; *rsdp is where the RSDP lies. Returns 0,
 * -ENOSPC when they do not fit, -EFAULT when the place is not RAM. */
int acpi_tables_build(struct physmem *pm, gpa_t where, size_t max, const struct acpi_config *cfg,
                      gpa_t *rsdp) MUST_CHECK;

#endif
