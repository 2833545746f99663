#include "devices/piix3_ide.h"

#include <string.h>

#include "base/bits.h"

enum { BUS_MASTER_BAR = 4 };

static const struct pci_reg regs[] = {
    {PIIX3_IDETIM, 4, 0, UINT32_MAX}, {0x44, 1, 0, 0xff}, /* SIDETIM */
};

static const struct pci_model model = {
    .name = "82371SB IDE",
    .vendor = 0x8086,
    .device = 0x7010,
    .class = 0x0101,
    .prog_if = 0x80, /* bus master; both channels at their legacy ports */
    .command = PCI_COMMAND_IO | PCI_COMMAND_MASTER,
    .regs = regs,
    .nregs = ARRAY_SIZE(regs),
};

/* Where another device sits on a channel's ports (the user's debug exit can), that one stays. */
static void update(void *dev, unsigned reg, unsigned size)
{
    struct piix3_ide *b = dev;
    bool io = ld16(b->fn.config + PCI_COMMAND) & PCI_COMMAND_IO;

    (void)reg;
    (void)size;
    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        bool on = io && (ld16(b->fn.config + PIIX3_IDETIM + 2 * i) & PIIX3_IDETIM_ON);

        if (b->decoded[i] && !on)
            ide_detach(b->ide, i, b->ports);
        if (!b->decoded[i] && on)
            on = ide_attach(b->ide, i, b->ports) == 0;
        b->decoded[i] = on;
    }
}

void piix3_ide_init(struct piix3_ide *b, struct ide *ide, struct bus *ports)
{
    memset(b, 0, sizeof(*b));
    b->ide = ide;
    b->ports = ports;
    pci_function_init(&b->fn, &model);
    b->fn.written = update;
    b->fn.dev = b;
    b->fn.bar[BUS_MASTER_BAR] = (struct pci_bar){
        .space = PCI_IO, .size = IDE_BUSMASTER_PORTS, .ops = &ide_busmaster_ops, .dev = ide};
}

int piix3_ide_attach(struct piix3_ide *b, struct pci_host *host)
{
    return pci_host_add(host, PIIX3_IDE_DEVFN, &b->fn);
}

static void piix3_ide_reset(void *dev)
{
    struct piix3_ide *b = dev;

    pci_function_reset(&b->fn);
}

static void piix3_ide_restored(void *dev)
{
    update(dev, 0, PCI_CONFIG_BYTES);
}

static const struct field piix3_ide_fields[] = {FIELD(struct piix3_ide, fn.config), FIELD_END};

const struct dev_class piix3_ide_class = {.name = "82371sb-ide",
                                          .fields = piix3_ide_fields,
                                          .reset = piix3_ide_reset,
                                          .restored = piix3_ide_restored};
