/* PCI bus 0 of the board: configuration space, bars, interrupt routing, shadow RAM. */
#include <errno.h>

#include "base/bits.h"
#include "dev_harness.h"
#include "devices/i440fx.h"
#include "devices/piix3.h"
#include "devices/piix4_pm.h"

enum { RAM = 2 << 20, BIOS = 256 << 10 };

struct board {
    struct rig rig;
    struct bus mmio;
    struct physmem mem;
    struct reset_cf9 cf9;
    struct pci_host host;
    struct i440fx bridge;
    struct piix3 isa;
    struct acpi_pm acpi;
    struct piix4_pm pm;
    struct probe irq[PIIX3_ISA_IRQS], reset, sci, power;
    unsigned map_changes;
    uint8_t ram[RAM], bios[BIOS];
};

static void count_change(void *opaque)
{
    ((struct board *)opaque)->map_changes++;
}

static struct board *start(void)
{
    struct board *b = calloc(1, sizeof(*b));
    struct line isa[PIIX3_ISA_IRQS], pirq[PCI_PINS];
    const struct acpi_pm_lines lines = {probe_line(&b->sci), probe_line(&b->power)};

    rig_init(&b->rig);
    bus_init(&b->mmio, "mmio", NULL);
    for (unsigned i = 0; i < BIOS; i++)
        b->bios[i] = (uint8_t)(i >> 12 ^ i);
    physmem_init(&b->mem, b->ram, -1, RAM, &b->mmio);
    b->mem.map_changed = count_change;
    b->mem.opaque = b;
    reset_cf9_init(&b->cf9, probe_line(&b->reset));
    for (int n = 0; n < PIIX3_ISA_IRQS; n++)
        isa[n] = probe_line(&b->irq[n]);
    i440fx_init(&b->bridge, &b->mem, &(struct rom){b->bios, BIOS});
    piix3_init(&b->isa, isa);
    for (int n = 0; n < PCI_PINS; n++)
        pirq[n] = piix3_pirq_line(&b->isa, n);
    acpi_pm_init(&b->acpi, &b->rig.clock, &lines, true);
    piix4_pm_init(&b->pm, &b->acpi, &b->rig.ports);
    pci_host_init(&b->host, &b->rig.ports, &b->mmio, &b->cf9, pirq);
    ck_assert_int_eq(pci_host_attach(&b->host, &b->rig.ports), 0);
    ck_assert_int_eq(i440fx_attach(&b->bridge, &b->host, &b->mmio), 0);
    ck_assert_int_eq(piix3_attach(&b->isa, &b->host), 0);
    ck_assert_int_eq(piix4_pm_attach(&b->pm, &b->host), 0);
    return b;
}

static void outl(struct board *b, uint32_t val, uint16_t port)
{
    bus_write(&b->rig.ports, port, 4, val);
}

static uint32_t inl(struct board *b, uint16_t port)
{
    return (uint32_t)bus_read(&b->rig.ports, port, 4);
}

static uint32_t config_at(unsigned bus, unsigned dev, unsigned fn, unsigned reg)
{
    return UINT32_C(0x80000000) | bus << 16 | dev << 11 | fn << 8 | reg;
}

static uint32_t config_in(struct board *b, unsigned devfn, unsigned reg)
{
    outl(b, config_at(0, devfn >> 3, devfn & 7, reg), 0xcf8);
    return inl(b, 0xcfc);
}

static void config_out(struct board *b, unsigned devfn, unsigned reg, unsigned size, uint32_t val)
{
    outl(b, config_at(0, devfn >> 3, devfn & 7, reg & ~3u), 0xcf8);
    bus_write(&b->rig.ports, 0xcfc + (reg & 3), size, val);
}

/* pci_check_type1() and pci_sanity_check() of Linux. */
START_TEST(test_linux_probe)
{
    struct board *b = start();
    uint32_t saved;

    outb(&b->rig, 0x01, 0xcfb);
    saved = inl(b, 0xcf8);
    outl(b, 0x80000000, 0xcf8);
    ck_assert_uint_eq(inl(b, 0xcf8), 0x80000000);
    ck_assert_uint_eq(bus_read(&b->rig.ports, 0xcfc, 2), 0x8086);
    outl(b, config_at(0, 0, 0, 0x08), 0xcf8);
    ck_assert_uint_eq(bus_read(&b->rig.ports, 0xcfe, 2), 0x0600); /* a host bridge */
    outl(b, saved, 0xcf8);
    ck_assert_uint_eq(inl(b, 0xcfc), 0xffffffff); /* not enabled */
    free(b);
}
END_TEST

START_TEST(test_config)
{
    struct board *b = start();

    ck_assert_uint_eq(config_in(b, 0, 0), 0x12378086);
    ck_assert_uint_eq(inb(&b->rig, 0xcff), 0x12);
    outl(b, 0, 0xcfc); /* read-only */
    ck_assert_uint_eq(inl(b, 0xcfc), 0x12378086);
    config_out(b, 0, 4, 4, 0xffffffff);
    ck_assert_uint_eq(config_in(b, 0, 4), 0x02800106);
    ck_assert_uint_eq(config_in(b, 0, 0xfc), 0);
    ck_assert_uint_eq(config_in(b, 0, 0x2c), 0x11001af4); /* what firmware looks for */
    outl(b, 0xffffffff, 0xcf8);
    ck_assert_uint_eq(inl(b, 0xcf8), 0x80fffffc);
    ck_assert_uint_eq(config_in(b, PIIX3_DEVFN, 0), 0x70008086);
    ck_assert_uint_eq(config_in(b, PIIX3_DEVFN, 0xc) >> 16 & 0xff, 0x80);
    ck_assert_uint_eq(config_in(b, PIIX4_PM_DEVFN, 0), 0x71138086);
    for (unsigned dev = 2; dev < 32; dev++) {
        ck_assert_uint_eq(config_in(b, dev << 3, 0), 0xffffffff);
        outl(b, 0x12345678, 0xcfc);
    }
    ck_assert_uint_eq(config_in(b, 1, 0), 0xffffffff);
    outl(b, config_at(1, 0, 0, 0), 0xcf8);
    ck_assert_uint_eq(inl(b, 0xcfc), 0xffffffff);
    free(b);
}
END_TEST

/* ---- a device of our own ---- */

static uint32_t echo_read(void *dev, uint32_t off, unsigned size)
{
    (void)size;
    return *(uint8_t *)dev + off;
}

static void echo_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    (void)off;
    (void)size;
    *(uint8_t *)dev = (uint8_t)val;
}

static const struct io_ops echo_ops = {echo_read, echo_write, 1, 4};

struct moving {
    gpa_t base;
    bool shown;
};

static void note_move(void *dev, gpa_t base, bool shown)
{
    *(struct moving *)dev = (struct moving){base, shown};
}

static void note_write(void *dev, unsigned reg, unsigned size)
{
    *(unsigned *)dev = reg << 8 | size;
}

struct card {
    struct pci_function fn;
    uint8_t echo;
    struct moving area;
    unsigned written;
};

static const struct pci_model card_model = {
    .name = "card",
    .vendor = 0x1234,
    .device = 0x5678,
    .class = 0x0200,
    .pin = 1,
    .command = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_OFF,
};

static void start_card(struct card *c)
{
    memset(c, 0, sizeof(*c));
    pci_function_init(&c->fn, &card_model);
    c->fn.written = note_write;
    c->fn.dev = &c->written;
    c->fn.bar[0] = (struct pci_bar){
        .space = PCI_MEMORY_PREFETCH, .size = 1 << 20, .dev = &c->area, .moved = note_move};
    c->fn.bar[1] = (struct pci_bar){.space = PCI_IO, .size = 16, .ops = &echo_ops, .dev = &c->echo};
    c->fn.bar[2] =
        (struct pci_bar){.space = PCI_MEMORY, .size = 4096, .ops = &echo_ops, .dev = &c->echo};
    c->fn.bar[PCI_BAR_ROM] =
        (struct pci_bar){.space = PCI_MEMORY, .size = 65536, .ops = &echo_ops, .dev = &c->echo};
}

START_TEST(test_functions)
{
    struct board *b = start();
    struct card c;

    start_card(&c);
    ck_assert_int_eq(pci_host_add(&b->host, 0, &c.fn), -EBUSY);
    ck_assert_int_eq(pci_host_add(&b->host, 3 << 3, &c.fn), 0);
    ck_assert_uint_eq(config_in(b, 3 << 3, 0), 0x56781234);
    ck_assert_uint_eq(config_in(b, 3 << 3, 0x3c), 0x00000100);
    config_out(b, 3 << 3, 0x3c, 2, 0xffff);
    ck_assert_uint_eq(config_in(b, 3 << 3, 0x3c), 0x000001ff);
    ck_assert_uint_eq(c.written, 0x3c << 8 | 2);
    free(b);
}
END_TEST

START_TEST(test_bar_sizes)
{
    struct board *b = start();
    struct card c;

    start_card(&c);
    ck_assert_int_eq(pci_host_add(&b->host, 3 << 3, &c.fn), 0);
    for (unsigned reg = 0x10; reg <= 0x30; reg += 4)
        if (reg < 0x28 || reg == 0x30)
            config_out(b, 3 << 3, reg, 4, 0xffffffff);
    ck_assert_uint_eq(config_in(b, 3 << 3, 0x10), 0xfff00008);
    ck_assert_uint_eq(config_in(b, 3 << 3, 0x14), 0xfffffff1);
    ck_assert_uint_eq(config_in(b, 3 << 3, 0x18), 0xfffff000);
    ck_assert_uint_eq(config_in(b, 3 << 3, 0x1c), 0);
    ck_assert_uint_eq(config_in(b, 3 << 3, 0x30), 0xffff0001);
    ck_assert(!c.area.shown);
    free(b);
}
END_TEST

START_TEST(test_bars_answer_where_they_are)
{
    struct board *b = start();
    struct card c;

    start_card(&c);
    ck_assert_int_eq(pci_host_add(&b->host, 3 << 3, &c.fn), 0);
    config_out(b, 3 << 3, 0x10, 4, 0xe0000000);
    config_out(b, 3 << 3, 0x14, 4, 0xc000);
    config_out(b, 3 << 3, 0x18, 4, 0xe1000000);
    ck_assert_uint_eq(inb(&b->rig, 0xc005), 0xff); /* COMMAND is 0 */
    config_out(b, 3 << 3, 4, 2, PCI_COMMAND_IO);
    ck_assert_uint_eq(inb(&b->rig, 0xc005), 5);
    ck_assert_uint_eq(bus_read(&b->mmio, 0xe1000003, 1), 0xff);
    config_out(b, 3 << 3, 4, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
    ck_assert_uint_eq(bus_read(&b->mmio, 0xe1000003, 1), 3);
    ck_assert(c.area.shown && c.area.base == 0xe0000000);
    config_out(b, 3 << 3, 0x14, 4, 0xd000);
    ck_assert_uint_eq(inb(&b->rig, 0xc005), 0xff);
    ck_assert_uint_eq(inb(&b->rig, 0xd005), 5);
    config_out(b, 3 << 3, 0x30, 4, 0xe2000000); /* not enabled */
    ck_assert_uint_eq(bus_read(&b->mmio, 0xe2000001, 1), 0xff);
    config_out(b, 3 << 3, 0x30, 4, 0xe2000001);
    ck_assert_uint_eq(bus_read(&b->mmio, 0xe2000001, 1), 1);
    pci_host_class.reset(&b->host);
    ck_assert_uint_eq(inb(&b->rig, 0xd005), 0xff);
    ck_assert_uint_eq(bus_read(&b->mmio, 0xe1000003, 1), 0xff);
    ck_assert(!c.area.shown);
    free(b);
}
END_TEST

/* On another device's ports it waits until they are free; two functions can swap places. */
START_TEST(test_bars_collide)
{
    struct board *b = start();
    struct card c, d;

    start_card(&c);
    start_card(&d);
    ck_assert_int_eq(pci_host_add(&b->host, 3 << 3, &c.fn), 0);
    ck_assert_int_eq(pci_host_add(&b->host, 4 << 3, &d.fn), 0);
    c.echo = 0x10;
    d.echo = 0x20;
    config_out(b, 3 << 3, 4, 2, PCI_COMMAND_IO);
    config_out(b, 4 << 3, 4, 2, PCI_COMMAND_IO);
    config_out(b, 3 << 3, 0x14, 4, 0xcf0); /* CF8h is the host's */
    ck_assert_uint_eq(inb(&b->rig, 0xcf0), 0xff);
    config_out(b, 3 << 3, 0x14, 4, 0xfff0);
    ck_assert_uint_eq(inb(&b->rig, 0xfff0), 0x10);
    config_out(b, 4 << 3, 0x14, 4, 0xfff0);
    ck_assert_uint_eq(inb(&b->rig, 0xfff0), 0x10);
    config_out(b, 3 << 3, 0x14, 4, 0x10000); /* no such port */
    ck_assert_uint_eq(inb(&b->rig, 0xfff0), 0x20);
    config_out(b, 3 << 3, 0x14, 4, 0);
    ck_assert_uint_eq(bus_read(&b->rig.ports, 0, 1), 0xff);
    free(b);
}
END_TEST

START_TEST(test_interrupts)
{
    struct board *b = start();
    struct card c, d;
    struct line intx[2];

    start_card(&c);
    start_card(&d);
    ck_assert_int_eq(pci_host_add(&b->host, 3 << 3, &c.fn), 0); /* INTA of 3: PIRQC */
    ck_assert_int_eq(pci_host_add(&b->host, 7 << 3, &d.fn), 0); /* of 7, too */
    intx[0] = pci_intx_line(&c.fn);
    intx[1] = pci_intx_line(&d.fn);
    line_set(&intx[0], true);
    ck_assert(!b->irq[11].level); /* not routed */
    config_out(b, PIIX3_DEVFN, 0x62, 1, 11);
    ck_assert(b->irq[11].level);
    line_set(&intx[1], true);
    line_set(&intx[0], false);
    ck_assert(b->irq[11].level);
    ck_assert_uint_eq(b->irq[11].rises, 1);
    config_out(b, PIIX3_DEVFN, 0x62, 1, 10);
    ck_assert(!b->irq[11].level && b->irq[10].level);
    config_out(b, PIIX3_DEVFN, 0x62, 1, 0x80 | 10);
    ck_assert(!b->irq[10].level);
    config_out(b, PIIX3_DEVFN, 0x62, 1, 8); /* not for PCI */
    ck_assert_uint_eq(b->irq[8].rises, 0);
    config_out(b, PIIX3_DEVFN, 0x62, 1, 5);
    config_out(b, 7 << 3, 4, 2, PCI_COMMAND_INTX_OFF);
    ck_assert(b->irq[5].rises == 1 && !b->irq[5].level);
    free(b);
}
END_TEST

/* ---- the bridge ---- */

static uint8_t read_byte(struct board *b, gpa_t pa)
{
    hva_t p = physmem_ptr(&b->mem, pa);

    return p ? *p : (uint8_t)bus_read(&b->mmio, pa, 1);
}

/* As shadowmmu/access.c: RAM that takes no writes belongs to the bus. */
static void write_byte(struct board *b, gpa_t pa, uint8_t val)
{
    hva_t p = physmem_ptr(&b->mem, pa);

    if (p && physmem_takes_writes(&b->mem, pa))
        *p = val;
    else
        bus_write(&b->mmio, pa, 1, val);
}

START_TEST(test_rom_at_reset)
{
    struct board *b = start();

    for (unsigned at = 0; at < BIOS; at += 4093)
        ck_assert_uint_eq(read_byte(b, 0x100000000 - BIOS + at), b->bios[at]);
    for (unsigned at = 0; at < 0x20000; at += 1021)
        ck_assert_uint_eq(read_byte(b, 0xe0000 + at), b->bios[BIOS - 0x20000 + at]);
    ck_assert_uint_eq(read_byte(b, 0xd0000), 0xff);
    write_byte(b, 0xf1234, 0x55);
    write_byte(b, 0xfffff000, 0x55);
    ck_assert_uint_eq(read_byte(b, 0xf1234), b->bios[BIOS - 0x10000 + 0x1234]);
    ck_assert_uint_eq(b->ram[0xf1234], 0);
    ck_assert_int_eq(physmem_write(&b->mem, 0xf1234, "x", 1), -EFAULT);
    free(b);
}
END_TEST

/* Each register's nibble: which addresses, and the four attributes (data sheet, table 6). */
START_TEST(test_pam)
{
    struct board *b = start();

    for (unsigned n = 1; n < 14; n++) {
        gpa_t first = n == 1 ? 0xf0000 : 0xc0000 + (n - 2) * 0x4000u;
        gpa_t last = n == 1 ? 0xfffff : first + 0x3fff;
        unsigned reg = 0x59 + n / 2, shift = n % 2 * 4;
        uint8_t rom = read_byte(b, first);

        config_out(b, 0, reg, 1, 2u << shift); /* writes to RAM, reads not */
        write_byte(b, first, 0xa0);
        write_byte(b, last, 0xa1);
        ck_assert_uint_eq(read_byte(b, first), rom);
        config_out(b, 0, reg, 1, 1u << shift);
        ck_assert_uint_eq(read_byte(b, first), 0xa0);
        ck_assert_uint_eq(read_byte(b, last), 0xa1);
        write_byte(b, first, 0xa2);
        ck_assert_uint_eq(read_byte(b, first), 0xa0);
        ck_assert_int_eq(physmem_write(&b->mem, last, "x", 1), -EFAULT);
        config_out(b, 0, reg, 1, 3u << shift);
        write_byte(b, first, 0xa3);
        ck_assert_uint_eq(read_byte(b, first), 0xa3);
        ck_assert_int_eq(physmem_write(&b->mem, last, "x", 1), 0);
        config_out(b, 0, reg, 1, 0);
        ck_assert_uint_eq(read_byte(b, first), rom);
    }
    ck_assert_uint_eq(b->map_changes, 1 + 13 * 4);
    for (unsigned reg = 0x59; reg <= 0x5f; reg++)
        config_out(b, 0, reg, 1, 0x33);
    ck_assert_int_eq(physmem_fill(&b->mem, 0xc0000, 0, 0x140000), 0);
    ck_assert_int_eq(physmem_fill(&b->mem, 0x9fff0, 0, 17), -EFAULT);
    free(b);
}
END_TEST

START_TEST(test_smram)
{
    struct board *b = start();

    ck_assert_ptr_null(physmem_ptr(&b->mem, 0xa0000));
    config_out(b, 0, 0x72, 1, 0x4a);
    ck_assert_ptr_nonnull(physmem_ptr(&b->mem, 0xa0000));
    ck_assert_ptr_nonnull(physmem_ptr(&b->mem, 0xbffff));
    ck_assert_ptr_null(physmem_ptr(&b->mem, 0xc0000));
    config_out(b, 0, 0x72, 1, 0x5a); /* locked: closed for good */
    ck_assert_ptr_null(physmem_ptr(&b->mem, 0xa0000));
    config_out(b, 0, 0x72, 1, 0x4a);
    ck_assert_ptr_null(physmem_ptr(&b->mem, 0xa0000));
    pci_host_class.reset(&b->host);
    config_out(b, 0, 0x72, 1, 0x4a);
    ck_assert_ptr_nonnull(physmem_ptr(&b->mem, 0xa0000));
    free(b);
}
END_TEST

START_TEST(test_power_management)
{
    struct board *b = start();
    uint32_t before;

    config_out(b, PIIX4_PM_DEVFN, 0x40, 4, 0xb001);
    ck_assert_uint_eq(inl(b, 0xb008), 0xffffffff);
    config_out(b, PIIX4_PM_DEVFN, 0x80, 1, 1);
    before = inl(b, 0xb008);
    rig_pass(&b->rig, 1000000);
    ck_assert_uint_eq(inl(b, 0xb008) - before, 3579);
    config_out(b, PIIX4_PM_DEVFN, 0x40, 4, 0x601);
    ck_assert_uint_eq(inl(b, 0xb008), 0xffffffff);
    ck_assert_uint_eq(inl(b, 0x608) - before, 3579);
    config_out(b, PIIX4_PM_DEVFN, 0x40, 4, 0xcc1); /* its end is not free: the rest answers */
    ck_assert_uint_eq(inl(b, 0xcc8) - before, 3579);
    config_out(b, PIIX4_PM_DEVFN, 0x80, 1, 0);
    ck_assert_uint_eq(inl(b, 0xcc8), 0xffffffff);
    ck_assert_uint_eq(config_in(b, PIIX4_PM_DEVFN, 0x58) & 1 << 25, 1 << 25);
    free(b);
}
END_TEST

START_TEST(test_round_trips)
{
    struct board *b = start(), *c = start();

    config_out(b, 0, 0x59, 1, 0x10);
    config_out(b, PIIX3_DEVFN, 0x61, 1, 11);
    config_out(b, PIIX4_PM_DEVFN, 0x80, 1, 1);
    config_out(b, PIIX4_PM_DEVFN, 0x40, 4, 0xb001);
    piix3_pirq_line(&b->isa, 1).set(&b->isa, 1, true);
    round_trip(&pci_host_class, &b->host, &c->host, true);
    round_trip(&i440fx_class, &b->bridge, &c->bridge, true);
    round_trip(&piix3_class, &b->isa, &c->isa, true);
    round_trip(&piix4_pm_class, &b->pm, &c->pm, true);
    ck_assert_ptr_nonnull(physmem_ptr(&c->mem, 0xf0000));
    ck_assert(c->irq[11].level);
    ck_assert_uint_ne(inl(c, 0xb008), 0xffffffff);
    free(c);
    c = start();
    reset_equals_fresh(&pci_host_class, &b->host, &c->host);
    reset_equals_fresh(&i440fx_class, &b->bridge, &c->bridge);
    reset_equals_fresh(&piix4_pm_class, &b->pm, &c->pm);
    free(b);
    free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_linux_probe,
        test_config,
        test_functions,
        test_bar_sizes,
        test_bars_answer_where_they_are,
        test_bars_collide,
        test_interrupts,
        test_rom_at_reset,
        test_pam,
        test_smram,
        test_power_management,
        test_round_trips,
    };

    return run_tests("pci", tests, ARRAY_SIZE(tests));
}
