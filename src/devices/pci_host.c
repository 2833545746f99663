#include "devices/pci_host.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"

enum { /* configuration header (PCI 2.1, 6.1) */
       CFG_VENDOR = 0x00,
       CFG_DEVICE = 0x02,
       CFG_COMMAND = 0x04,
       CFG_STATUS = 0x06,
       CFG_REVISION = 0x08,
       CFG_CLASS = 0x0a,
       CFG_LATENCY = 0x0d,
       CFG_PAM0 = 0x59, /* 82441FX: attributes of F0000h-FFFFFh, then of C0000h-EFFFFh */
       CFG_PAM1 = 0x5a,
       PAM_COUNT = 7,
       PAM_RAM_BOTH = 0x33, /* reads and writes of both halves go to RAM */
       PAM_RAM_HIGH = 0x30,
};

enum { ADDRESS_OFF = 0, CF9_OFF = RESET_CF9_PORT - 0xcf8, DATA_OFF = 4 };

#define ADDRESS_ENABLE (UINT32_C(1) << 31)
#define ADDRESS_BITS   UINT32_C(0x80fffffc)

static struct pci_function *selected(const struct pci_host *h)
{
    if (!(h->address & ADDRESS_ENABLE) || (h->address >> 16 & 0xff) != 0)
        return NULL;
    return h->bus0[h->address >> 8 & 0xff];
}

static uint32_t config_read(const struct pci_host *h, unsigned reg, unsigned size)
{
    const struct pci_function *fn = selected(h);
    uint32_t val = 0;

    if (!fn)
        return UINT32_MAX;
    for (unsigned i = 0; i < size; i++)
        val |= (uint32_t)fn->config[reg + i] << (8 * i);
    return val;
}

static void config_write(struct pci_host *h, unsigned reg, unsigned size, uint32_t val)
{
    struct pci_function *fn = selected(h);

    if (!fn)
        return;
    for (unsigned i = 0; i < size; i++) {
        uint8_t mask = fn->writable[reg + i];

        fn->config[reg + i] =
            (fn->config[reg + i] & (uint8_t)~mask) | ((uint8_t)(val >> (8 * i)) & mask);
    }
    if (fn->written)
        fn->written(fn->dev, reg, size);
}

/* CONFIG_ADDRESS is a dword register only: narrower accesses are ordinary I/O cycles, of which
 * just the reset control register at CF9h answers. */
static uint32_t pci_host_read(void *dev, uint32_t off, unsigned size)
{
    struct pci_host *h = dev;

    if (off >= DATA_OFF)
        return config_read(h, (h->address & 0xfc) + off - DATA_OFF, size);
    if (off == ADDRESS_OFF && size == 4)
        return h->address;
    if (off == CF9_OFF && size == 1 && h->cf9)
        return reset_cf9_read(h->cf9);
    return UINT32_MAX;
}

static void pci_host_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct pci_host *h = dev;

    if (off >= DATA_OFF)
        config_write(h, (h->address & 0xfc) + off - DATA_OFF, size, val);
    else if (off == ADDRESS_OFF && size == 4)
        h->address = val & ADDRESS_BITS;
    else if (off == CF9_OFF && size == 1 && h->cf9)
        reset_cf9_write(h->cf9, (uint8_t)val);
}

static void reset_bridge(struct pci_function *fn)
{
    memset(fn, 0, sizeof(*fn));
    st16(fn->config + CFG_VENDOR, 0x8086);
    st16(fn->config + CFG_DEVICE, 0x1237);
    st16(fn->config + CFG_COMMAND, 0x0006); /* memory and bus master, not changeable */
    st16(fn->config + CFG_STATUS, 0x0280);  /* fast back-to-back, medium DEVSEL */
    fn->config[CFG_REVISION] = 2;
    st16(fn->config + CFG_CLASS, 0x0600);
    fn->config[CFG_PAM0] = PAM_RAM_HIGH;
    memset(fn->config + CFG_PAM1, PAM_RAM_BOTH, PAM_COUNT - 1);
    fn->writable[CFG_COMMAND + 1] = 1; /* SERR# enable */
    fn->writable[CFG_LATENCY] = 0xf8;
}

static void pci_host_reset(void *dev)
{
    struct pci_host *h = dev;

    h->address = 0;
    reset_bridge(&h->bridge);
}

int pci_host_add(struct pci_host *h, unsigned devfn, struct pci_function *fn)
{
    assert(devfn < PCI_DEVFNS);
    if (h->bus0[devfn])
        return -EBUSY;
    h->bus0[devfn] = fn;
    return 0;
}

void pci_host_init(struct pci_host *h, struct reset_cf9 *cf9)
{
    memset(h, 0, sizeof(*h));
    h->cf9 = cf9;
    h->bus0[0] = &h->bridge;
    pci_host_reset(h);
}

static const struct io_ops pci_host_ops = {pci_host_read, pci_host_write, 1, 4};

int pci_host_attach(struct pci_host *h, struct bus *ports)
{
    return bus_add(ports, 0xcf8, 8, &pci_host_ops, h, "pci config");
}

static const struct field pci_host_fields[] = {FIELD(struct pci_host, address),
                                               FIELD(struct pci_host, bridge.config), FIELD_END};

const struct dev_class pci_host_class = {
    .name = "pci-host", .fields = pci_host_fields, .reset = pci_host_reset};
