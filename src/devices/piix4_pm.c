#include "devices/piix4_pm.h"

#include "base/bits.h"

#define APMC_EN (UINT32_C(1) << 25)

enum { PMBA_BASE = 0xffc0 };

static const struct pci_reg regs[] = {
    {PCI_COMMAND, 2, 0, PCI_COMMAND_IO},
    {PCI_INTERRUPT_LINE, 1, ACPI_SCI_IRQ, 0xff},
    {PIIX4_PMBA, 4, 1, PMBA_BASE},
    {0x44, 4, 0, UINT32_MAX},                  /* CNTA */
    {0x48, 4, 0, UINT32_MAX},                  /* CNTB */
    {0x4c, 4, 0, UINT32_MAX},                  /* GPICTL */
    {0x58, 4, APMC_EN, UINT32_MAX & ~APMC_EN}, /* DEVACTB */
    {PIIX4_PMREGMISC, 1, 0, PIIX4_PMIOSE},
};

static const struct pci_model model = {
    .name = "82371AB PM",
    .vendor = 0x8086,
    .device = 0x7113,
    .class = 0x0680,
    .revision = 3,
    .pin = 1,
    .regs = regs,
    .nregs = ARRAY_SIZE(regs),
};

static void update(void *dev, unsigned reg, unsigned size)
{
    struct piix4_pm *b = dev;
    bool on = b->fn.config[PIIX4_PMREGMISC] & PIIX4_PMIOSE;

    (void)reg;
    (void)size;
    acpi_pm_move(b->pm, b->ports, on ? ld16(b->fn.config + PIIX4_PMBA) & PMBA_BASE : 0);
}

void piix4_pm_init(struct piix4_pm *b, struct acpi_pm *pm, struct bus *ports)
{
    b->pm = pm;
    b->ports = ports;
    pci_function_init(&b->fn, &model);
    b->fn.written = update;
    b->fn.dev = b;
}

int piix4_pm_attach(struct piix4_pm *b, struct pci_host *host)
{
    return pci_host_add(host, PIIX4_PM_DEVFN, &b->fn);
}

static void piix4_pm_reset(void *dev)
{
    struct piix4_pm *b = dev;

    pci_function_reset(&b->fn);
}

static void piix4_pm_restored(void *dev)
{
    update(dev, 0, PCI_CONFIG_BYTES);
}

static const struct field piix4_pm_fields[] = {FIELD(struct piix4_pm, fn.config),
                                               FIELD(struct piix4_pm, fn.writable), FIELD_END};

const struct dev_class piix4_pm_class = {.name = "82371ab-pm",
                                         .fields = piix4_pm_fields,
                                         .reset = piix4_pm_reset,
                                         .restored = piix4_pm_restored};
