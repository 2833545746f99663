/* smbios.h - the SMBIOS tables of the board (DMTF DSP0134, version 2.8): system, chassis, processor
 * and memory. The firmware copies them into guest RAM and adds its own structure, type 0. */
#ifndef DRAGOMAN_DEVICES_SMBIOS_H
#define DRAGOMAN_DEVICES_SMBIOS_H

#include "base/types.h"
#include "devices/fw_cfg.h"

enum { SMBIOS_ENTRY_BYTES = 31, SMBIOS_TABLES_MAX_BYTES = 1024 };

struct smbios_config {
    uint64_t low_ram, high_ram; /* bytes below 4 GiB, from 4 GiB on */
    const char *cpu_vendor, *cpu_brand;
    uint32_t cpu_signature, cpu_features; /* CPUID leaf 1, EAX and EDX */
    uint16_t cpu_mhz;
};

struct smbios_tables {
    uint8_t entry[SMBIOS_ENTRY_BYTES]; /* the 32-bit entry point; the address is the firmware's */
    uint8_t bytes[SMBIOS_TABLES_MAX_BYTES];
    uint32_t len;
};

void smbios_make(struct smbios_tables *t, const struct smbios_config *cfg);
/* As the files that firmware takes them from. 0 or what fw_cfg_add_file() says. */
int smbios_add(struct fw_cfg *f, const struct smbios_tables *t) MUST_CHECK;

#endif
