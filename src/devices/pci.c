#include "devices/pci.h"

#include <assert.h>
#include <string.h>

#include "base/bits.h"

enum {
    BAR_IO = 1,
    BAR_PREFETCH = 8,
    ROM_ENABLE = 1,
    IO_SPACE = 0x10000,
    BAR_BYTES = 4,
    STATUS_DEFAULT = 0x0280, /* fast back-to-back, medium DEVSEL */
    /* Who the board says it is: firmware looks for it (SeaBIOS, qemu_detect()). */
    BOARD_VENDOR = 0x1af4,
    BOARD = 0x1100,
};

static unsigned bar_at(unsigned n)
{
    return n == PCI_BAR_ROM ? PCI_ROM : PCI_BAR0 + n * BAR_BYTES;
}

static void store(uint8_t *at, uint32_t val, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(val >> (8 * i));
}

static void set_reg(struct pci_function *fn, const struct pci_reg *r)
{
    store(fn->config + r->at, r->value, r->size);
    store(fn->writable + r->at, r->writable, r->size);
}

static void reset_bar(struct pci_function *fn, unsigned n)
{
    const struct pci_bar *b = &fn->bar[n];
    uint32_t low = b->space == PCI_IO ? BAR_IO : b->space == PCI_MEMORY_PREFETCH ? BAR_PREFETCH : 0;
    uint32_t bits = 0u - b->size;

    if (b->space == PCI_NO_BAR)
        return;
    assert((b->size & (b->size - 1)) == 0 && b->size >= (b->space == PCI_IO ? 16 : PAGE_SIZE));
    if (n == PCI_BAR_ROM)
        bits |= ROM_ENABLE;
    set_reg(fn, &(struct pci_reg){(uint8_t)bar_at(n), BAR_BYTES, low, bits});
}

void pci_function_reset(struct pci_function *fn)
{
    const struct pci_model *m = fn->model;
    const struct pci_reg header[] = {
        {PCI_VENDOR, 2, m->vendor, 0},     {PCI_DEVICE, 2, m->device, 0},
        {PCI_COMMAND, 2, 0, m->command},   {PCI_STATUS, 2, STATUS_DEFAULT, 0},
        {PCI_REVISION, 1, m->revision, 0}, {PCI_PROG_IF, 1, m->prog_if, 0},
        {PCI_CLASS, 2, m->class, 0},       {PCI_LATENCY, 1, 0, 0xf8},
        {PCI_HEADER, 1, m->header, 0},     {PCI_SUBSYSTEM_VENDOR, 2, BOARD_VENDOR, 0},
        {PCI_SUBSYSTEM, 2, BOARD, 0},      {PCI_INTERRUPT_LINE, 1, 0, m->pin ? 0xff : 0},
        {PCI_INTERRUPT_PIN, 1, m->pin, 0},
    };

    memset(fn->config, 0, sizeof(fn->config));
    memset(fn->writable, 0, sizeof(fn->writable));
    for (unsigned i = 0; i < ARRAY_SIZE(header); i++)
        set_reg(fn, &header[i]);
    for (unsigned n = 0; n < PCI_BARS; n++)
        reset_bar(fn, n);
    for (unsigned i = 0; i < m->nregs; i++)
        set_reg(fn, &m->regs[i]);
    if (fn->written)
        fn->written(fn->dev, 0, PCI_CONFIG_BYTES);
}

void pci_function_init(struct pci_function *fn, const struct pci_model *model)
{
    memset(fn, 0, sizeof(*fn));
    fn->model = model;
}

uint32_t pci_function_read(const struct pci_function *fn, unsigned reg, unsigned size)
{
    uint32_t val = 0;

    assert(reg + size <= PCI_CONFIG_BYTES);
    for (unsigned i = 0; i < size; i++)
        val |= (uint32_t)fn->config[reg + i] << (8 * i);
    return val;
}

void pci_function_write(struct pci_function *fn, unsigned reg, unsigned size, uint32_t val)
{
    assert(reg + size <= PCI_CONFIG_BYTES);
    for (unsigned i = 0; i < size; i++) {
        uint8_t mask = fn->writable[reg + i];

        fn->config[reg + i] =
            (fn->config[reg + i] & (uint8_t)~mask) | ((uint8_t)(val >> (8 * i)) & mask);
    }
    if (fn->written)
        fn->written(fn->dev, reg, size);
}

bool pci_bar_place(const struct pci_function *fn, unsigned n, gpa_t *base)
{
    const struct pci_bar *b = &fn->bar[n];
    uint32_t val = ld32(fn->config + bar_at(n));
    uint16_t need = b->space == PCI_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;

    *base = val & (0u - b->size);
    if (b->space == PCI_NO_BAR || !(ld16(fn->config + PCI_COMMAND) & need) || *base == 0)
        return false;
    if (n == PCI_BAR_ROM && !(val & ROM_ENABLE))
        return false;
    return b->space != PCI_IO || *base + b->size <= IO_SPACE;
}
