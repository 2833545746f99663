/* acpi_script.h - ACPI tables as firmware gets them: through fw_cfg, with a script that says where
 * they may go and what to patch (QEMU, hw/acpi/bios-linker-loader; SeaBIOS, romfile_loader.c).
 *
 * Files etc/acpi/rsdp, etc/acpi/tables, etc/table-loader.
 */
#ifndef DRAGOMAN_DEVICES_ACPI_SCRIPT_H
#define DRAGOMAN_DEVICES_ACPI_SCRIPT_H

#include "devices/acpi_tables.h"
#include "devices/fw_cfg.h"

/* 0 or what fw_cfg_add_file() says. */
int acpi_script_add(struct fw_cfg *f, const struct acpi_tables *t) MUST_CHECK;

#endif
