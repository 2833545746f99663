#include "devices/piix3.h"

#include <string.h>

enum { ROUTE_OFF = 0x80, ROUTE_IRQ = 0x0f };

/* Those a PIRQ can be routed to (2.2.8): not 0, 1, 2, 8, 13. */
#define ROUTABLE UINT16_C(0xdef8)

static const struct pci_reg regs[] = {
    {PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, PCI_COMMAND_SERR},
    {0x4c, 1, 0x4d, 0xff},                     /* IORT */
    {0x4e, 2, 0x0003, 0x01ff},                 /* XBCS */
    {PIIX3_PIRQRC, 4, 0x80808080, 0x8f8f8f8f}, /* PIRQRC */
    {0x69, 1, 0x02, 0xfe},                     /* TOM */
    {0x70, 2, 0x8080, 0xafaf},                 /* MBIRQ */
    {0x76, 2, 0x0c0c, 0x8787},                 /* MBDMA */
    {0x82, 1, 0x00, 0x1f},                     /* DLC */
    {0xa0, 4, 0x00000008, 0xffffff1f},         /* SMICNTL, SMIEN, SEE low */
};

static const struct pci_model model = {
    .name = "82371SB ISA",
    .vendor = 0x8086,
    .device = 0x7000,
    .class = 0x0601,
    .header = PCI_MULTIFUNCTION,
    .regs = regs,
    .nregs = ARRAY_SIZE(regs),
};

/* A line that no PIRQ drives any more is let go once; then it belongs to its ISA device again. */
static void update(void *dev, unsigned reg, unsigned size)
{
    struct piix3 *b = dev;
    uint16_t now = 0, diff;

    (void)reg;
    (void)size;
    for (unsigned p = 0; p < PCI_PINS; p++) {
        uint8_t route = b->fn.config[PIIX3_PIRQRC + p];

        if (b->pirq[p] && !(route & ROUTE_OFF))
            now |= (uint16_t)(1 << (route & ROUTE_IRQ) & ROUTABLE);
    }
    diff = now ^ b->driven;
    b->driven = now;
    for (unsigned n = 0; n < PIIX3_ISA_IRQS; n++)
        if (diff >> n & 1)
            line_set(&b->isa[n], now >> n & 1);
}

static void set_pirq(void *dst, int n, bool level)
{
    struct piix3 *b = dst;

    b->pirq[n] = level;
    update(b, PIIX3_PIRQRC, PCI_PINS);
}

struct line piix3_pirq_line(struct piix3 *b, int n)
{
    return (struct line){set_pirq, b, n};
}

void piix3_init(struct piix3 *b, const struct line isa[PIIX3_ISA_IRQS])
{
    memset(b, 0, sizeof(*b));
    memcpy(b->isa, isa, sizeof(b->isa));
    pci_function_init(&b->fn, &model);
    b->fn.written = update;
    b->fn.dev = b;
}

int piix3_attach(struct piix3 *b, struct pci_host *host)
{
    return pci_host_add(host, PIIX3_DEVFN, &b->fn);
}

static void piix3_reset(void *dev)
{
    struct piix3 *b = dev;

    pci_function_reset(&b->fn);
}

static void piix3_restored(void *dev)
{
    update(dev, 0, PCI_CONFIG_BYTES);
}

static const struct field piix3_fields[] = {FIELD(struct piix3, fn.config),
                                            FIELD(struct piix3, fn.writable),
                                            FIELD(struct piix3, pirq), FIELD_END};

const struct dev_class piix3_class = {
    .name = "82371sb", .fields = piix3_fields, .reset = piix3_reset, .restored = piix3_restored};
