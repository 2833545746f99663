#include "devices/i440fx.h"

#include "base/bits.h"

enum {
    PAM_RE = 1 << 0,
    PAM_WE = 1 << 1,
    SMRAM_D_OPEN = 1 << 6,
    SMRAM_D_LCK = 1 << 4,
    SMRAM_RESET = 0x02,
    FIRST_PAM_SEGMENT = 8, /* C0000h */
    F_SEGMENT = 20,        /* F0000h-FFFFFh are four segments with one attribute */
    BIOS_SHADOW_BYTES = 128 * 1024,
};

#define ROM_START    UINT64_C(0xC0000)
#define ROM_BYTES    UINT64_C(0x40000)
#define SHADOW_START UINT64_C(0xE0000)
#define FOUR_GIB     UINT64_C(0x100000000)

static const struct pci_reg regs[] = {
    {PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, PCI_COMMAND_SERR},
    {0x50, 2, 0x0000, 0xffff},         /* PMCCFG */
    {0x57, 1, 0x01, 0xff},             /* DRAMC */
    {0x58, 1, 0x10, 0xff},             /* DRAMT */
    {0x59, 4, 0, 0x33333330},          /* PAM0-3 */
    {0x5d, 3, 0, 0x333333},            /* PAM4-6 */
    {0x60, 4, 0x01010101, UINT32_MAX}, /* DRB0-7 */
    {0x64, 4, 0x01010101, UINT32_MAX},
    {0x70, 1, 0, 0xff}, /* MTT */
    {I440FX_SMRAM, 1, SMRAM_RESET, 0x78},
};

static const struct pci_model model = {
    .name = "82441FX",
    .vendor = 0x8086,
    .device = 0x1237,
    .class = 0x0600,
    .revision = 2,
    .regs = regs,
    .nregs = ARRAY_SIZE(regs),
};

/* PAM attributes of segment n, from C0000h. */
static unsigned attributes(const struct i440fx *b, unsigned n)
{
    unsigned half;

    if (n >= F_SEGMENT)
        return b->fn.config[I440FX_PAM0] >> 4;
    half = n - FIRST_PAM_SEGMENT;
    return b->fn.config[I440FX_PAM0 + 1 + half / 2] >> (half % 2 * 4);
}

static void update(void *dev, unsigned reg, unsigned size)
{
    struct i440fx *b = dev;
    uint8_t smram = b->fn.config[I440FX_SMRAM];
    bool open = smram & SMRAM_D_OPEN;
    uint32_t readable = 0, writable = 0;

    (void)reg;
    (void)size;
    if (smram & SMRAM_D_LCK) { /* D_LCK clears D_OPEN and makes both read-only */
        open = false;
        b->fn.config[I440FX_SMRAM] &= (uint8_t)~SMRAM_D_OPEN;
        b->fn.writable[I440FX_SMRAM] = 0;
    }
    for (unsigned n = FIRST_PAM_SEGMENT; n < PHYSMEM_SEGMENTS; n++) {
        readable |= (attributes(b, n) & PAM_RE ? UINT32_C(1) : 0) << n;
        writable |= (attributes(b, n) & PAM_WE ? UINT32_C(1) : 0) << n;
    }
    if (open) {
        readable |= PHYSMEM_VGA_SEGMENTS;
        writable |= PHYSMEM_VGA_SEGMENTS;
    }
    physmem_set_segments(b->mem, readable, writable);
}

static uint32_t shadow_read(void *dev, uint32_t off, unsigned size)
{
    const struct i440fx *b = dev;
    uint32_t from = (uint32_t)(SHADOW_START - ROM_START);
    uint32_t skip = b->bios.len > BIOS_SHADOW_BYTES ? b->bios.len - BIOS_SHADOW_BYTES : 0;
    uint32_t gap = b->bios.len < BIOS_SHADOW_BYTES ? BIOS_SHADOW_BYTES - b->bios.len : 0;

    return off < from + gap ? UINT32_MAX : rom_read(&b->bios, off - from - gap + skip, size);
}

static void shadow_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct i440fx *b = dev;
    uint8_t bytes[4];

    st32(bytes, val);
    if (physmem_takes_writes(b->mem, ROM_START + off))
        physmem_write_hidden(b->mem, ROM_START + off, bytes, size);
}

static const struct io_ops shadow_ops = {shadow_read, shadow_write, 1, 4};

void i440fx_init(struct i440fx *b, struct physmem *mem, const struct rom *bios)
{
    b->mem = mem;
    b->bios = *bios;
    pci_function_init(&b->fn, &model);
    b->fn.written = update;
    b->fn.dev = b;
}

int i440fx_attach(struct i440fx *b, struct pci_host *host, struct bus *mmio)
{
    int err = pci_host_add(host, I440FX_DEVFN, &b->fn);

    if (err == 0)
        err = bus_add(mmio, ROM_START, ROM_BYTES, &shadow_ops, b, "shadow RAM");
    if (err == 0 && b->bios.len)
        err = bus_add(mmio, FOUR_GIB - b->bios.len, b->bios.len, &rom_ops, &b->bios, "firmware");
    return err;
}

static void i440fx_reset(void *dev)
{
    struct i440fx *b = dev;

    pci_function_reset(&b->fn);
}

static void i440fx_restored(void *dev)
{
    update(dev, 0, PCI_CONFIG_BYTES);
}

static const struct field i440fx_fields[] = {FIELD(struct i440fx, fn.config),
                                             FIELD(struct i440fx, fn.writable), FIELD_END};

const struct dev_class i440fx_class = {
    .name = "82441fx", .fields = i440fx_fields, .reset = i440fx_reset, .restored = i440fx_restored};
