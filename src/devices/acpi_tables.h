/* acpi_tables.h - the ACPI tables that describe the PC board to the guest.
 *
 * RSDP (ACPI 1.0 form), RSDT, FADT revision 3, FACS, DSDT, a MADT when there are local APICs and an
 * HPET table when there is one.
 * The addresses in the FADT are those of acpi_pm.h.
 *
 * acpi_tables_make() builds them at address 0 and notes what depends on where they will lie:
 * pointers, which hold offsets until then, and checksums. acpi_tables_place() puts them into guest
 * RAM; where firmware does that, it is told of both notes (acpi_script.h).
 */
#ifndef DRAGOMAN_DEVICES_ACPI_TABLES_H
#define DRAGOMAN_DEVICES_ACPI_TABLES_H

#include "base/types.h"
#include "bus/physmem.h"

enum {
    ACPI_TABLES_MAX_BYTES = 8192,
    ACPI_TABLES_ALIGN = 64,
    ACPI_MAX_LINKS = 12,
    ACPI_MAX_SUMS = 8,
    ACPI_RSDP_BYTES = 20,
    ACPI_PIRQS = 4,
};

enum { ACPI_COM_PORTS = 2 };

struct acpi_isa_port {
    uint16_t base; /* 0: not there */
    uint8_t irq;
};

struct acpi_config {
    uint16_t pm_base; /* where acpi_pm_move() puts the registers */
    bool timer_32bit; /* what acpi_pm_init() got */
    bool has_vga;
    struct acpi_isa_port com[ACPI_COM_PORTS], lpt; /* serial and parallel ports */
    unsigned apics;                                /* local APICs; 0: 8259 only, no MADT */
    uint32_t local_apic, io_apic;                  /* their addresses, when apics != 0 */
    uint32_t hpet, hpet_id;                        /* its address and capabilities; 0: none */
    uint32_t pci_first, pci_last;                  /* memory window of the PCI bus */
    uint8_t pirq[ACPI_PIRQS]; /* ISA interrupt of PIRQA to D; 0: no PCI devices interrupt */
};

struct acpi_tables {
    uint8_t bytes[ACPI_TABLES_MAX_BYTES]; /* the RSDP first */
    uint32_t len;
    struct {
        uint16_t at;
        uint8_t size; /* 4 or 8 */
    } link[ACPI_MAX_LINKS];
    struct {
        uint16_t table, len, at;
    } sum[ACPI_MAX_SUMS];
    unsigned nlinks, nsums;
};

/* 0, or -ENOSPC when they don't fit into `max` bytes. */
int acpi_tables_make(struct acpi_tables *t, size_t max, const struct acpi_config *cfg) MUST_CHECK;
/* `where` should lie in E0000h-FFFFFh, where guests search for the RSDP, aligned to
 * ACPI_TABLES_ALIGN; the memory map must report the area as reserved or ACPI. 0, or -EFAULT when
 * the place is not RAM. */
int acpi_tables_place(struct acpi_tables *t, struct physmem *pm, gpa_t where) MUST_CHECK;

#endif
