#include "devices/pci_host.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"

enum { ADDRESS_OFF = 0, CF9_OFF = RESET_CF9_PORT - 0xcf8, DATA_OFF = 4 };

#define ADDRESS_ENABLE (UINT32_C(1) << 31)
#define ADDRESS_BITS   UINT32_C(0x80fffffc)

/* ---- bars ---- */

static void unmap_bar(struct pci_host *h, struct pci_bar *b)
{
    b->mapped = false;
    if (!b->ops)
        b->moved(b->dev, b->base, false);
    else
        bus_remove(b->space == PCI_IO ? h->ports : h->mmio, b->base);
}

static void map_bar(struct pci_host *h, struct pci_function *fn, struct pci_bar *b, gpa_t base)
{
    b->base = base;
    if (!b->ops)
        b->moved(b->dev, base, true);
    else if (bus_add(b->space == PCI_IO ? h->ports : h->mmio, base, b->size, b->ops, b->dev,
                     fn->model->name) < 0)
        return; /* taken: tried again when something else moves */
    b->mapped = true;
}

typedef void bar_fn(struct pci_host *h, struct pci_function *fn, struct pci_bar *b, bool wanted,
                    gpa_t base);

static void leave_place(struct pci_host *h, struct pci_function *fn, struct pci_bar *b, bool wanted,
                        gpa_t base)
{
    (void)fn;
    if (b->mapped && (!wanted || b->base != base))
        unmap_bar(h, b);
}

static void take_place(struct pci_host *h, struct pci_function *fn, struct pci_bar *b, bool wanted,
                       gpa_t base)
{
    if (!b->mapped && wanted)
        map_bar(h, fn, b, base);
}

static void for_each_bar(struct pci_host *h, bar_fn *act)
{
    for (unsigned i = 0; i < PCI_DEVFNS; i++) {
        struct pci_function *fn = h->bus0[i];

        for (unsigned n = 0; fn && n < PCI_BARS; n++) {
            gpa_t base;
            bool wanted = pci_bar_place(fn, n, &base);

            act(h, fn, &fn->bar[n], wanted, base);
        }
    }
}

/* All leave before any arrives: two may swap places. */
static void update_bars(struct pci_host *h)
{
    for_each_bar(h, leave_place);
    for_each_bar(h, take_place);
}

/* ---- interrupts ---- */

unsigned pci_pirq_of(unsigned devfn, unsigned pin)
{
    return ((devfn >> PCI_DEVFN_SHIFT) - 1 + pin) % PCI_PINS;
}

static bool drives(const struct pci_function *fn)
{
    return fn && fn->intx && fn->model->pin &&
           !(ld16(fn->config + PCI_COMMAND) & PCI_COMMAND_INTX_OFF);
}

static void update_pirqs(struct pci_host *h)
{
    bool level[PCI_PINS] = {false};

    for (unsigned i = 0; i < PCI_DEVFNS; i++)
        if (drives(h->bus0[i]))
            level[pci_pirq_of(i, h->bus0[i]->model->pin - 1u)] = true;
    for (unsigned p = 0; p < PCI_PINS; p++)
        line_set(&h->pirq[p], level[p]);
}

static void set_intx(void *dst, int pin, bool level)
{
    struct pci_function *fn = dst;

    (void)pin;
    if (fn->intx == level)
        return;
    fn->intx = level;
    if (fn->host)
        update_pirqs(fn->host);
}

struct line pci_intx_line(struct pci_function *fn)
{
    return (struct line){set_intx, fn, 0};
}

/* ---- ports ---- */

static struct pci_function *selected(const struct pci_host *h)
{
    if (!(h->address & ADDRESS_ENABLE) || (h->address >> 16 & 0xff) != 0)
        return NULL;
    return h->bus0[h->address >> 8 & 0xff];
}

static void config_write(struct pci_host *h, struct pci_function *fn, unsigned reg, unsigned size,
                         uint32_t val)
{
    pci_function_write(fn, reg, size, val);
    update_bars(h);
    update_pirqs(h);
}

/* CONFIG_ADDRESS is a dword register only: narrower accesses are ordinary I/O cycles, of which
 * just the reset control register at CF9h answers. */
static uint32_t pci_host_read(void *dev, uint32_t off, unsigned size)
{
    struct pci_host *h = dev;
    const struct pci_function *fn = selected(h);

    if (off >= DATA_OFF)
        return fn ? pci_function_read(fn, (h->address & 0xfc) + off - DATA_OFF, size) : UINT32_MAX;
    if (off == ADDRESS_OFF && size == 4)
        return h->address;
    if (off == CF9_OFF && size == 1 && h->cf9)
        return reset_cf9_read(h->cf9);
    return UINT32_MAX;
}

static void pci_host_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct pci_host *h = dev;
    struct pci_function *fn = selected(h);

    if (off >= DATA_OFF && fn)
        config_write(h, fn, (h->address & 0xfc) + off - DATA_OFF, size, val);
    else if (off == ADDRESS_OFF && size == 4)
        h->address = val & ADDRESS_BITS;
    else if (off == CF9_OFF && size == 1 && h->cf9)
        reset_cf9_write(h->cf9, (uint8_t)val);
}

void pci_host_program(struct pci_host *h, unsigned devfn, unsigned reg, unsigned size, uint32_t val)
{
    assert(devfn < PCI_DEVFNS && h->bus0[devfn]);
    config_write(h, h->bus0[devfn], reg, size, val);
}

static void pci_host_reset(void *dev)
{
    struct pci_host *h = dev;

    h->address = 0;
    for (unsigned i = 0; i < PCI_DEVFNS; i++)
        if (h->bus0[i])
            pci_function_reset(h->bus0[i]);
    update_bars(h);
    update_pirqs(h);
}

static void pci_host_restored(void *dev)
{
    update_bars(dev);
    update_pirqs(dev);
}

int pci_host_add(struct pci_host *h, unsigned devfn, struct pci_function *fn)
{
    assert(devfn < PCI_DEVFNS);
    if (h->bus0[devfn])
        return -EBUSY;
    h->bus0[devfn] = fn;
    fn->host = h;
    fn->devfn = (uint8_t)devfn;
    pci_function_reset(fn);
    return 0;
}

void pci_host_init(struct pci_host *h, struct bus *ports, struct bus *mmio, struct reset_cf9 *cf9,
                   const struct line pirq[PCI_PINS])
{
    memset(h, 0, sizeof(*h));
    h->ports = ports;
    h->mmio = mmio;
    h->cf9 = cf9;
    for (unsigned p = 0; p < PCI_PINS; p++)
        h->pirq[p] = pirq[p];
}

static const struct io_ops pci_host_ops = {pci_host_read, pci_host_write, 1, 4};

int pci_host_attach(struct pci_host *h, struct bus *ports)
{
    return bus_add(ports, 0xcf8, 8, &pci_host_ops, h, "pci config");
}

static const struct field pci_host_fields[] = {FIELD(struct pci_host, address), FIELD_END};

const struct dev_class pci_host_class = {.name = "pci-host",
                                         .fields = pci_host_fields,
                                         .reset = pci_host_reset,
                                         .restored = pci_host_restored};
