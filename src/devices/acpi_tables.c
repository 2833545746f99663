#include "devices/acpi_tables.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "devices/acpi_pm.h"
#include "devices/aml.h"
#include "devices/reset_cf9.h"
#include "devices/rtc_mc146818.h"

enum { HEADER_BYTES = 36, FADT_BYTES = 244, FACS_BYTES = 64, FACS_ALIGN = 64 };
enum { HPET_TABLE_BYTES = 56, HPET_MMIO_BYTES = 0x400 };

enum { /* FADT flags and boot flags (ACPI 2.0, 5.2.8) */
       FADT_WBINVD = 1 << 0,
       FADT_PROC_C1 = 1 << 2,
       FADT_NO_SLP_BUTTON = 1 << 5,
       FADT_NO_FIX_RTC = 1 << 6,
       FADT_TMR_32BIT = 1 << 8,
       FADT_RESET_REG = 1 << 10,
       BOOT_LEGACY_DEVICES = 1 << 0,
       BOOT_8042 = 1 << 1,
       BOOT_NO_VGA = 1 << 2,
};

enum { /* MADT entries (5.2.10.4) */
       MADT_PCAT_COMPAT = 1,
       MADT_LOCAL_APIC = 0,
       MADT_IO_APIC = 1,
       MADT_OVERRIDE = 2,
       MADT_LOCAL_NMI = 4,
       MADT_ALL_CPUS = 0xff,
       MADT_ENABLED = 1,
       MADT_LEVEL_HIGH = 0x0d,
};

enum { NO_CST_LATENCY = 0xfff };

struct layout {
    struct acpi_tables *t;
    size_t max;
    bool failed;
};

/* Room for `len` zeroed bytes; NULL (and `failed`) when there is none. */
static uint8_t *reserve(struct layout *l, size_t len, size_t align)
{
    size_t at = align_up(l->t->len, align);

    if (l->failed || at > l->max || len > l->max - at) {
        l->failed = true;
        return NULL;
    }
    l->t->len = (uint32_t)(at + len);
    return l->t->bytes + at;
}

/* A pointer of 4 or 8 bytes at `field` to `target`, which may be NULL. */
static void link_to(struct layout *l, uint8_t *field, unsigned size, const uint8_t *target)
{
    struct acpi_tables *t = l->t;

    if (l->failed || !target)
        return;
    assert(t->nlinks < ACPI_MAX_LINKS);
    t->link[t->nlinks].at = (uint16_t)(field - t->bytes);
    t->link[t->nlinks].size = (uint8_t)size;
    t->nlinks++;
    st32(field, (uint32_t)(target - t->bytes));
}

static void note_sum(struct layout *l, const uint8_t *table, size_t len, size_t at)
{
    struct acpi_tables *t = l->t;
    unsigned table_at = (unsigned)(table - t->bytes);

    assert(t->nsums < ACPI_MAX_SUMS);
    t->sum[t->nsums].table = (uint16_t)table_at;
    t->sum[t->nsums].len = (uint16_t)len;
    t->sum[t->nsums].at = (uint16_t)(table_at + at);
    t->nsums++;
}

/* The header all tables share (5.2.5). */
static void seal_table(struct layout *l, uint8_t *t, const char *signature, uint8_t revision,
                       size_t len)
{
    memcpy(t, signature, 4);
    st32(t + 4, (uint32_t)len);
    t[8] = revision;
    memcpy(t + 10, "DRAGMN", 6);
    memcpy(t + 16, "DRAGOMAN", 8);
    st32(t + 24, 1);
    memcpy(t + 28, "DRGM", 4);
    st32(t + 32, 1);
    note_sum(l, t, len, 9);
}

static void put_gas(uint8_t *at, unsigned bits, unsigned access, uint16_t port)
{
    at[0] = 1; /* system I/O space */
    at[1] = (uint8_t)bits;
    at[3] = (uint8_t)access; /* 1 byte, 2 word, 3 dword */
    st64(at + 4, port);
}

static void fill_fadt_blocks(uint8_t *t, uint16_t base)
{
    st32(t + 56, base + ACPI_PM_EVT);
    st32(t + 64, base + ACPI_PM_CNT);
    st32(t + 76, base + ACPI_PM_TMR);
    st32(t + 80, base + ACPI_PM_GPE0);
    t[88] = 4;
    t[89] = 2;
    t[91] = 4;
    t[92] = 4;
    put_gas(t + 148, 32, 2, base + ACPI_PM_EVT);
    put_gas(t + 172, 16, 2, base + ACPI_PM_CNT);
    put_gas(t + 208, 32, 3, base + ACPI_PM_TMR);
    put_gas(t + 220, 32, 1, base + ACPI_PM_GPE0);
}

static const uint8_t *build_fadt(struct layout *l, const struct acpi_config *cfg,
                                 const uint8_t *facs, const uint8_t *dsdt)
{
    uint8_t *t = reserve(l, FADT_BYTES, 16);

    if (!t)
        return NULL;
    link_to(l, t + 36, 4, facs);
    link_to(l, t + 40, 4, dsdt);
    t[45] = 1; /* preferred profile: desktop */
    st16(t + 46, ACPI_SCI_IRQ);
    st32(t + 48, ACPI_SMI_CMD);
    t[52] = ACPI_PM_ENABLE;
    t[53] = ACPI_PM_DISABLE;
    fill_fadt_blocks(t, cfg->pm_base);
    st16(t + 96, NO_CST_LATENCY);
    st16(t + 98, NO_CST_LATENCY);
    t[108] = RTC_CENTURY;
    st16(t + 109, BOOT_LEGACY_DEVICES | BOOT_8042 | (cfg->has_vga ? 0 : BOOT_NO_VGA));
    st32(t + 112, FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLP_BUTTON | FADT_NO_FIX_RTC |
                      FADT_RESET_REG | (cfg->timer_32bit ? FADT_TMR_32BIT : 0));
    put_gas(t + 116, 8, 1, RESET_CF9_PORT);
    t[128] = RESET_CF9_HARD;
    link_to(l, t + 132, 8, facs);
    link_to(l, t + 140, 8, dsdt);
    seal_table(l, t, "FACP", 3, FADT_BYTES);
    return t;
}

static const uint8_t *build_facs(struct layout *l)
{
    uint8_t *t = reserve(l, FACS_BYTES, FACS_ALIGN);

    if (!t)
        return NULL;
    memcpy(t, "FACS", 4);
    st32(t + 4, FACS_BYTES);
    t[32] = 1; /* version */
    return t;
}

/* A device with fixed ports and at most one interrupt. */
struct isa_device {
    const char *name, *hid;
    uint16_t port[4];
    uint8_t len[4]; /* 0 ends the list */
    int irq;        /* -1: none */
};

static const struct isa_device isa_devices[] = {
    {"PIC_", "PNP0000", {0x20, 0xa0, 0x4d0}, {2, 2, 2}, 2},
    {"TIMR", "PNP0100", {0x40}, {4}, 0},
    {"SPKR", "PNP0800", {0x61}, {1}, -1},
    {"RTC_", "PNP0B00", {0x70}, {2}, 8},
    {"KBD_", "PNP0303", {0x60, 0x64}, {1, 1}, 1},
    {"MOU_", "PNP0F13", {0}, {0}, 12},
};

static void add_isa_device(struct aml *a, const struct isa_device *d)
{
    aml_begin_device(a, d->name);
    aml_hid(a, d->hid);
    aml_begin_resources(a);
    for (unsigned i = 0; i < ARRAY_SIZE(d->port) && d->len[i]; i++)
        aml_io(a, d->port[i], d->len[i]);
    if (d->irq >= 0)
        aml_irq(a, (unsigned)d->irq);
    aml_end(a);
    aml_end(a);
}

static void add_port(struct aml *a, const char *name, const char *hid, unsigned len,
                     const struct acpi_isa_port *port)
{
    if (!port->base)
        return;
    aml_begin_device(a, name);
    aml_hid(a, hid);
    aml_name_integer(a, "_UID", (unsigned)(name[3] - '0'));
    aml_begin_resources(a);
    aml_io(a, port->base, len);
    aml_irq(a, port->irq);
    aml_end(a);
    aml_end(a);
}

/* Legacy interrupts are in use by the 8254 and the RTC until a driver takes the device over. */
static void add_hpet(struct aml *a, const struct acpi_config *cfg)
{
    aml_begin_device(a, "HPET");
    aml_hid(a, "PNP0103");
    aml_name_integer(a, "_UID", 0);
    aml_begin_resources(a);
    aml_memory(a, cfg->hpet, HPET_MMIO_BYTES);
    aml_end(a);
    aml_end(a);
}

/* PNP0C02: ports of the board that no driver claims, so that nobody else does. */
static void add_board(struct aml *a, const struct acpi_config *cfg)
{
    aml_begin_device(a, "SYSR");
    aml_hid(a, "PNP0C02");
    aml_begin_resources(a);
    aml_io(a, 0x80, 1);
    aml_io(a, 0x92, 1);
    aml_io(a, ACPI_SMI_CMD, 2);
    aml_io(a, cfg->pm_base, ACPI_PM_BYTES);
    aml_end(a);
    aml_end(a);
}

/* Which interrupt a device's pin raises (6.2.8): fixed, as firmware programs PIRQRC. Devices and
 * pins as in pci_pirq_of(). */
static void add_routing(struct aml *a, const struct acpi_config *cfg)
{
    enum { DEVICES = 31, FIELDS = 4, ANY_FUNCTION = 0xffff };

    aml_name(a, "_PRT");
    aml_begin_package(a, DEVICES * ACPI_PIRQS);
    for (unsigned d = 1; d <= DEVICES; d++) {
        for (unsigned pin = 0; pin < ACPI_PIRQS; pin++) {
            aml_begin_package(a, FIELDS);
            aml_integer(a, d << 16 | ANY_FUNCTION);
            aml_integer(a, pin);
            aml_integer(a, 0); /* not a link device: the next is a global interrupt number */
            aml_integer(a, cfg->pirq[(d - 1 + pin) % ACPI_PIRQS]);
            aml_end(a);
        }
    }
    aml_end(a);
}

static void add_pci_bus(struct aml *a, const struct acpi_config *cfg)
{
    aml_begin_device(a, "PCI0");
    aml_hid(a, "PNP0A03");
    aml_name_integer(a, "_UID", 0);
    aml_begin_resources(a);
    aml_bus_numbers(a, 0, 0xff);
    aml_io(a, 0xcf8, 8);
    aml_io_window(a, 0x0000, 0x0cf7);
    aml_io_window(a, 0x0d00, 0xffff);
    aml_memory_window(a, VGA_HOLE_START, VGA_HOLE_END - 1);
    aml_memory_window(a, cfg->pci_first, cfg->pci_last);
    aml_end(a);
    if (cfg->pirq[0])
        add_routing(a, cfg);
    for (unsigned i = 0; i < ARRAY_SIZE(isa_devices); i++)
        add_isa_device(a, &isa_devices[i]);
    add_port(a, "COM1", "PNP0501", 8, &cfg->com[0]);
    add_port(a, "COM2", "PNP0501", 8, &cfg->com[1]);
    add_port(a, "LPT1", "PNP0400", 3, &cfg->lpt);
    add_board(a, cfg);
    aml_end(a);
}

static const uint8_t *build_dsdt(struct layout *l, const struct acpi_config *cfg)
{
    uint8_t *t = reserve(l, HEADER_BYTES, 16);
    struct aml a;

    if (!t)
        return NULL;
    aml_init(&a, t + HEADER_BYTES, l->max - l->t->len);
    aml_name(&a, "\\_S5_");
    aml_begin_package(&a, 4);
    aml_integer(&a, ACPI_SLP_TYP_S5);
    aml_integer(&a, ACPI_SLP_TYP_S5);
    aml_integer(&a, 0);
    aml_integer(&a, 0);
    aml_end(&a);
    aml_begin_scope(&a, "\\_SB_");
    add_pci_bus(&a, cfg);
    if (cfg->hpet)
        add_hpet(&a, cfg);
    aml_end(&a);
    l->failed |= a.failed;
    l->t->len += (uint32_t)a.len;
    seal_table(l, t, "DSDT", 2, HEADER_BYTES + a.len);
    return t;
}

static uint8_t *put_override(uint8_t *at, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    at[0] = MADT_OVERRIDE;
    at[1] = 10;
    at[3] = irq;
    st32(at + 4, gsi);
    st16(at + 8, flags);
    return at + 10;
}

/* PCI interrupts come as levels to the pins of their ISA interrupts (290550, 2.2.8), once each. */
static uint8_t *put_pci_overrides(uint8_t *at, const struct acpi_config *cfg)
{
    for (unsigned i = 0; i < ACPI_PIRQS; i++)
        if (cfg->pirq[i] && (i == 0 || cfg->pirq[i] != cfg->pirq[i - 1]))
            at = put_override(at, cfg->pirq[i], cfg->pirq[i], MADT_LEVEL_HIGH);
    return at;
}

static const uint8_t *build_madt(struct layout *l, const struct acpi_config *cfg)
{
    size_t len = HEADER_BYTES + 8 + cfg->apics * 8 + 12 + (2 + ACPI_PIRQS) * 10 + 6;
    uint8_t *t = cfg->apics <= 255 ? reserve(l, len, 16) : NULL, *at;

    if (!t) {
        l->failed = true;
        return NULL;
    }
    st32(t + 36, cfg->local_apic);
    st32(t + 40, MADT_PCAT_COMPAT);
    at = t + 44;
    for (unsigned i = 0; i < cfg->apics; i++, at += 8) {
        at[0] = MADT_LOCAL_APIC;
        at[1] = 8;
        at[2] = (uint8_t)i;
        at[3] = (uint8_t)i;
        st32(at + 4, MADT_ENABLED);
    }
    at[0] = MADT_IO_APIC;
    at[1] = 12;
    at[2] = (uint8_t)cfg->apics; /* the APIC id after the last CPU's */
    st32(at + 4, cfg->io_apic);
    at = put_override(at + 12, 0, 2, 0);
    at = put_override(at, ACPI_SCI_IRQ, ACPI_SCI_IRQ, MADT_LEVEL_HIGH);
    at = put_pci_overrides(at, cfg);
    at[0] = MADT_LOCAL_NMI;
    at[1] = 6;
    at[2] = MADT_ALL_CPUS;
    at[5] = 1; /* LINT1 */
    seal_table(l, t, "APIC", 1, (size_t)(at + 6 - t));
    return t;
}

/* IA-PC HPET 1.0a, 3.2.4. */
static const uint8_t *build_hpet(struct layout *l, const struct acpi_config *cfg)
{
    uint8_t *t = reserve(l, HPET_TABLE_BYTES, 16);

    if (!t)
        return NULL;
    st32(t + 36, cfg->hpet_id);
    t[40] = 0; /* system memory */
    st64(t + 44, cfg->hpet);
    seal_table(l, t, "HPET", 1, HPET_TABLE_BYTES);
    return t;
}

/* `table`: NULL for those that there are not. */
static const uint8_t *build_rsdt(struct layout *l, const uint8_t *const *table, unsigned n)
{
    uint8_t *t = reserve(l, HEADER_BYTES + n * 4, 16);
    size_t len = HEADER_BYTES;

    if (!t)
        return NULL;
    for (unsigned i = 0; i < n; i++) {
        if (!table[i])
            continue;
        link_to(l, t + len, 4, table[i]);
        len += 4;
    }
    seal_table(l, t, "RSDT", 1, len);
    return t;
}

static void seal_rsdp(struct layout *l, uint8_t *t, const uint8_t *rsdt)
{
    memcpy(t, "RSD PTR ", 8);
    memcpy(t + 9, "DRAGMN", 6);
    link_to(l, t + 16, 4, rsdt);
    note_sum(l, t, ACPI_RSDP_BYTES, 8);
}

int acpi_tables_make(struct acpi_tables *t, size_t max, const struct acpi_config *cfg)
{
    struct layout l = {.t = t, .max = max < sizeof(t->bytes) ? max : sizeof(t->bytes)};
    const uint8_t *facs, *dsdt, *rsdt, *table[3] = {NULL};
    uint8_t *root;

    memset(t, 0, sizeof(*t));
    root = reserve(&l, ACPI_RSDP_BYTES, 16);
    facs = build_facs(&l);
    dsdt = build_dsdt(&l, cfg);
    table[0] = build_fadt(&l, cfg, facs, dsdt);
    if (cfg->apics)
        table[1] = build_madt(&l, cfg);
    if (cfg->hpet)
        table[2] = build_hpet(&l, cfg);
    rsdt = build_rsdt(&l, table, ARRAY_SIZE(table));
    if (l.failed)
        return -ENOSPC;
    seal_rsdp(&l, root, rsdt);
    return 0;
}

static void set_checksum(uint8_t *bytes, unsigned table, unsigned len, unsigned at)
{
    uint8_t sum = 0;

    bytes[at] = 0;
    for (unsigned i = 0; i < len; i++)
        sum += bytes[table + i];
    bytes[at] = (uint8_t)-sum;
}

int acpi_tables_place(struct acpi_tables *t, struct physmem *pm, gpa_t where)
{
    assert(where % ACPI_TABLES_ALIGN == 0 && where + t->len <= PHYSMEM_HIGH);
    for (unsigned i = 0; i < t->nlinks; i++)
        st32(t->bytes + t->link[i].at, ld32(t->bytes + t->link[i].at) + (uint32_t)where);
    for (unsigned i = 0; i < t->nsums; i++)
        set_checksum(t->bytes, t->sum[i].table, t->sum[i].len, t->sum[i].at);
    return physmem_write(pm, where, t->bytes, t->len);
}
