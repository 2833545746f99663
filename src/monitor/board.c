/* What sits where, and interrupts: info mtree, pci, pic, irq. */
#include <inttypes.h>

#include "monitor/command.h"

static void show_range(struct mon_text *out, uint64_t start, uint64_t end, const char *what)
{
    mon_printf(out, "  %016" PRIx64 "-%016" PRIx64 " %s\n", start, end - 1, what);
}

/* Segments that answer alike are one line. */
static void show_segments(struct mon_text *out, const struct physmem *m)
{
    static const char *const kind[] = {"bus", "ram, writes to the bus", "bus, writes to ram",
                                       "ram"};
    unsigned first = 0;

    for (unsigned i = 1; i <= PHYSMEM_SEGMENTS; i++) {
        unsigned was = (m->readable >> first & 1) | (m->writable >> first & 1) << 1;

        if (i < PHYSMEM_SEGMENTS && was == ((m->readable >> i & 1) | (m->writable >> i & 1) << 1))
            continue;
        show_range(out, PHYSMEM_SEGMENTS_START + ((uint64_t)first << PHYSMEM_SEGMENT_SHIFT),
                   PHYSMEM_SEGMENTS_START + ((uint64_t)i << PHYSMEM_SEGMENT_SHIFT), kind[was]);
        first = i;
    }
}

static void show_bus(struct mon_text *out, const struct bus *b)
{
    mon_printf(out, "%s:\n", b->name);
    for (unsigned i = 0; i < b->nranges; i++)
        show_range(out, b->range[i].base, b->range[i].base + b->range[i].len, b->range[i].name);
}

void mon_info_mtree(struct mon_call *c)
{
    const struct physmem *m = c->machine->mem;
    uint64_t high = m->size - m->low_end;

    mon_puts(c->out, "memory:\n");
    if (m->low_end <= PHYSMEM_SEGMENTS_START) {
        show_range(c->out, 0, m->low_end, "ram");
    } else {
        show_range(c->out, 0, PHYSMEM_SEGMENTS_START, "ram");
        show_segments(c->out, m);
        show_range(c->out, PHYSMEM_SEGMENTS_START + PHYSMEM_SEGMENTS_BYTES, m->low_end, "ram");
    }
    if (m->area.len)
        show_range(c->out, m->area.base, m->area.base + m->area.len, "video memory");
    if (high)
        show_range(c->out, PHYSMEM_HIGH, PHYSMEM_HIGH + high, "ram");
    if (!(m->address_mask & PHYSMEM_A20))
        mon_puts(c->out, "  A20 is closed: address bit 20 is 0\n");
    show_bus(c->out, m->mmio);
    show_bus(c->out, c->machine->ports);
}

static void show_bar(struct mon_text *out, const struct pci_function *fn, unsigned n)
{
    const struct pci_bar *b = &fn->bar[n];
    const char *kind = b->space == PCI_IO       ? "I/O"
                       : b->space == PCI_MEMORY ? "32 bit memory"
                                                : "32 bit prefetchable memory";

    if (b->space == PCI_NO_BAR)
        return;
    if (b->mapped)
        mon_printf(out, "      BAR%u: %s at 0x%08" PRIx64 " [0x%08" PRIx64 "].\n", n, kind, b->base,
                   b->base + b->size - 1);
    else
        mon_printf(out, "      BAR%u: %s of 0x%x bytes, not mapped.\n", n, kind, b->size);
}

void mon_info_pci(struct mon_call *c)
{
    for (unsigned devfn = 0; devfn < PCI_DEVFNS; devfn++) {
        const struct pci_function *fn = c->machine->pci->bus0[devfn];

        if (!fn)
            continue;
        mon_printf(c->out, "  Bus  0, device %3u, function %u:\n    %s: PCI device %04x:%04x\n",
                   devfn >> PCI_DEVFN_SHIFT, devfn & 7, fn->model->name, fn->model->vendor,
                   fn->model->device);
        if (pci_function_read(fn, PCI_INTERRUPT_PIN, 1))
            mon_printf(c->out, "      IRQ %u, pin %c\n",
                       pci_function_read(fn, PCI_INTERRUPT_LINE, 1),
                       '@' + (int)pci_function_read(fn, PCI_INTERRUPT_PIN, 1));
        for (unsigned n = 0; n < PCI_BARS; n++)
            show_bar(c->out, fn, n);
    }
}

static void show_lapic(struct mon_text *out, const struct lapic *l)
{
    mon_printf(out, "lapic: base %08" PRIx64 " id %u tpr %02x svr %02x, %s\n",
               l->base & ~(uint64_t)PAGE_MASK, l->id >> 24, l->tpr, l->svr & 0xff,
               lapic_enabled(l) ? "enabled" : "disabled");
    for (unsigned i = 0; i < 256; i++) {
        bool irr = l->irr[i / 32] >> i % 32 & 1, isr = l->isr[i / 32] >> i % 32 & 1;

        if (irr || isr)
            mon_printf(out, "  vector %02x%s%s\n", i, irr ? " requested" : "",
                       isr ? " in service" : "");
    }
}

/* Of an entry of the redirection table (82093AA, 3.2.4). */
static void show_pin(struct mon_text *out, const struct ioapic *io, unsigned n)
{
    enum { MASKED = 1 << 16, LEVEL = 1 << 15, REMOTE_IRR = 1 << 14 };
    uint64_t e = io->entry[n];

    if ((e & MASKED) && !(io->level >> n & 1))
        return;
    mon_printf(out, "  pin %2u: vector %02x to %02x, %s%s%s%s\n", n, (unsigned)e & 0xff,
               (unsigned)(e >> 56), e & LEVEL ? "level" : "edge", e & MASKED ? ", masked" : "",
               e & REMOTE_IRR ? ", remote IRR" : "", io->level >> n & 1 ? ", asserted" : "");
}

void mon_info_pic(struct mon_call *c)
{
    if (c->machine->lapic) {
        show_lapic(c->out, c->machine->lapic);
        mon_puts(c->out, "ioapic: pins that are not masked or asserted\n");
        for (unsigned n = 0; n < IOAPIC_PINS; n++)
            show_pin(c->out, c->machine->ioapic, n);
    }
    for (unsigned n = 0; n < 2; n++) {
        const struct pic_chip *p = &c->machine->pic->chip[n];
        unsigned irr = (p->level & p->elcr) | (p->edge & p->level & ~p->elcr);

        mon_printf(c->out,
                   "pic%u: irr=%02x imr=%02x isr=%02x hprio=%u irq_base=%02x rr_sel=%u elcr=%02x "
                   "smm=%u\n",
                   n, irr, p->imr, p->isr, (p->lowest + 1) & 7, p->icw2 & 0xf8, p->read_isr,
                   p->elcr, p->smm);
    }
}

void mon_info_irq(struct mon_call *c)
{
    const uint64_t *count = c->machine->interrupts;
    bool any = false;

    for (unsigned v = 0; count && v < 256; v++) {
        if (!count[v])
            continue;
        mon_printf(c->out, "vector %02x: %" PRIu64 "\n", v, count[v]);
        any = true;
    }
    if (!any)
        mon_puts(c->out, "the CPU has taken no interrupt yet\n");
}
