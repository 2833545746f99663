#include <errno.h>

#include "dev_harness.h"
#include "devices/debug_exit.h"
#include "devices/debugcon.h"
#include "devices/parallel.h"
#include "devices/pci_host.h"
#include "devices/port92.h"
#include "devices/post_port.h"
#include "devices/reset_cf9.h"

static void outl(struct rig *r, uint32_t val, uint16_t port)
{
    bus_write(&r->ports, port, 4, val);
}

static uint32_t inl(struct rig *r, uint16_t port)
{
    return (uint32_t)bus_read(&r->ports, port, 4);
}

static uint32_t config_at(unsigned bus, unsigned dev, unsigned fn, unsigned reg)
{
    return UINT32_C(0x80000000) | bus << 16 | dev << 11 | fn << 8 | reg;
}

struct pci_board {
    struct rig rig;
    struct reset_cf9 cf9;
    struct pci_host host;
    struct probe reset;
};

static void start_pci(struct pci_board *b)
{
    const struct line unused[PCI_PINS] = {{0}};

    memset(b, 0, sizeof(*b));
    rig_init(&b->rig);
    reset_cf9_init(&b->cf9, probe_line(&b->reset));
    pci_host_init(&b->host, &b->rig.ports, NULL, &b->cf9, unused);
    ck_assert_int_eq(pci_host_attach(&b->host, &b->rig.ports), 0);
}

START_TEST(test_cf9)
{
    struct pci_board b, c;

    start_pci(&b);
    outl(&b.rig, config_at(0, 0, 0, 0), 0xcf8);
    outb(&b.rig, 0x02, 0xcf9);
    ck_assert_uint_eq(b.reset.rises, 0);
    outb(&b.rig, 0x06, 0xcf9);
    ck_assert_uint_eq(b.reset.rises, 1);
    ck_assert(!b.reset.level);
    ck_assert_uint_eq(inb(&b.rig, 0xcf9), 0x06);
    outb(&b.rig, 0x06, 0xcf9); /* no new edge */
    ck_assert_uint_eq(b.reset.rises, 1);
    ck_assert_uint_eq(inl(&b.rig, 0xcf8), 0x80000000); /* the address was not touched */
    start_pci(&c);
    round_trip(&reset_cf9_class, &b.cf9, &c.cf9, true);
    ck_assert_uint_eq(c.reset.rises, 0);
    start_pci(&c);
    reset_equals_fresh(&reset_cf9_class, &b.cf9, &c.cf9);
    outb(&b.rig, RESET_CF9_HARD, 0xcf9); /* as the FADT says: one write */
    ck_assert_uint_eq(b.reset.rises, 2);
}
END_TEST

START_TEST(test_port92)
{
    struct rig r;
    struct port92 s, t;
    struct probe a20 = {0}, reset = {0}, other = {0};

    rig_init(&r);
    port92_init(&s, probe_line(&a20), probe_line(&reset));
    port92_init(&t, probe_line(&other), probe_line(&reset));
    ck_assert_int_eq(port92_attach(&s, &r.ports), 0);
    outb(&r, inb(&r, 0x92) | 2, 0x92);
    ck_assert(a20.level);
    ck_assert_uint_eq(inb(&r, 0x92), 2);
    ck_assert_uint_eq(reset.rises, 0);
    outb(&r, 3, 0x92);
    ck_assert_uint_eq(reset.rises, 1);
    ck_assert(!reset.level);
    outb(&r, 3, 0x92);
    ck_assert_uint_eq(reset.rises, 1);
    round_trip(&port92_class, &s, &t, true);
    ck_assert(other.level);
    ck_assert_uint_eq(reset.rises, 1);
    port92_init(&t, probe_line(&other), probe_line(&reset));
    reset_equals_fresh(&port92_class, &s, &t);
    ck_assert(!a20.level);
}
END_TEST

static void note_exit(void *opaque, int code)
{
    *(int *)opaque = code;
}

START_TEST(test_debug_exit)
{
    struct rig r;
    struct debug_exit d;
    int code = -1;

    rig_init(&r);
    debug_exit_init(&d, (struct debug_exit_hook){note_exit, &code});
    ck_assert_int_eq(debug_exit_attach(&d, &r.ports, DEBUG_EXIT_BASE, DEBUG_EXIT_SIZE), 0);
    outb(&r, 0, 0x501);
    ck_assert_int_eq(code, 1);
    bus_write(&r.ports, 0x501, 2, 0x10);
    ck_assert_int_eq(code, 0x21);
    ck_assert_uint_eq(inb(&r, 0x501), 0);
    ck_assert_int_eq(debug_exit_attach(&d, &r.ports, 0xf4, 4), 0);
    outl(&r, 0x10, 0xf4);
    ck_assert_int_eq(code, 0x21);
    round_trip(&debug_exit_class, &d, &d, false);
    debug_exit_class.reset(&d);
}
END_TEST

START_TEST(test_debugcon)
{
    struct rig r;
    struct debugcon d, mute;
    struct capture c;

    rig_init(&r);
    capture_init(&c);
    debugcon_init(&d, &c.chr);
    debugcon_init(&mute, NULL);
    ck_assert_int_eq(debugcon_attach(&d, &r.ports, DEBUGCON_E9), 0);
    ck_assert_int_eq(debugcon_attach(&mute, &r.ports, DEBUGCON_402), 0);
    ck_assert_uint_eq(inb(&r, 0xe9), 0xe9);
    ck_assert_uint_eq(inb(&r, 0x402), 0xe9);
    outb(&r, 'h', 0xe9);
    outb(&r, 'i', 0xe9);
    outb(&r, 'x', 0x402);
    ck_assert_uint_eq(c.len, 2);
    ck_assert_mem_eq(c.out, "hi", 2);
    round_trip(&debugcon_class, &d, &mute, false);
    debugcon_class.reset(&d);
}
END_TEST

START_TEST(test_post_port)
{
    struct rig r;
    struct post_port s, t;

    rig_init(&r);
    post_port_init(&s);
    post_port_init(&t);
    ck_assert_int_eq(post_port_attach(&s, &r.ports), 0);
    outb(&r, 0x42, 0x80);
    outb(&r, 0x17, 0xed);
    ck_assert_uint_eq(inb(&r, 0x80), 0x42);
    ck_assert_uint_eq(inb(&r, 0xed), 0x17);
    round_trip(&post_port_class, &s, &t, true);
    post_port_init(&t);
    reset_equals_fresh(&post_port_class, &s, &t);
}
END_TEST

/* As parport_pc probes and prints: data and control read back, the bidirectional bit, a byte at
 * each leading edge of STROBE, the interrupt until the status is read. */
START_TEST(test_parallel)
{
    struct rig r;
    struct probe irq = {0};
    struct capture printer;
    struct parallel p, q;

    rig_init(&r);
    capture_init(&printer);
    parallel_init(&p, probe_line(&irq), &printer.chr);
    ck_assert_int_eq(parallel_attach(&p, &r.ports, 0x378), 0);
    ck_assert_uint_eq(inb(&r, 0x379), 0xdf); /* selected, paper, no error, not busy */
    outb(&r, 0x0c, 0x37a);
    ck_assert_uint_eq(inb(&r, 0x37a), 0xcc);
    outb(&r, 0xaa, 0x378);
    ck_assert_uint_eq(inb(&r, 0x378), 0xaa);
    outb(&r, 0x2c, 0x37a);
    ck_assert_uint_eq(inb(&r, 0x378), 0xff);
    outb(&r, 0x0c, 0x37a);
    outb(&r, 'A', 0x378);
    ck_assert_uint_eq(printer.len, 0);
    outb(&r, 0x0d, 0x37a);
    outb(&r, 0x0d, 0x37a);
    outb(&r, 0x0c, 0x37a);
    ck_assert_uint_eq(printer.len, 1);
    ck_assert_uint_eq(irq.rises, 0);
    ck_assert_uint_eq(inb(&r, 0x379), 0xdb); /* the interrupt that was not enabled */
    outb(&r, 'B', 0x378);
    outb(&r, 0x1d, 0x37a);
    ck_assert(irq.level);
    parallel_init(&q, probe_line(&irq), NULL);
    round_trip(&parallel_class, &p, &q, true);
    outb(&r, 0x1c, 0x37a);
    ck_assert(irq.level);
    ck_assert_uint_eq(inb(&r, 0x379), 0xdb);
    ck_assert(!irq.level);
    ck_assert_uint_eq(inb(&r, 0x379), 0xdf);
    outb(&r, 'C', 0x378);
    outb(&r, 0x11, 0x37a); /* INIT holds the printer */
    ck_assert_uint_eq(printer.len, 2);
    ck_assert(!irq.level && memcmp(printer.out, "AB", 2) == 0);
    parallel_init(&q, probe_line(&irq), &printer.chr);
    reset_equals_fresh(&parallel_class, &p, &q);
}
END_TEST

START_TEST(test_parallel_without_printer)
{
    struct rig r;
    struct probe irq = {0};
    struct parallel p;

    rig_init(&r);
    parallel_init(&p, probe_line(&irq), NULL);
    ck_assert_int_eq(parallel_attach(&p, &r.ports, 0x278), 0);
    outb(&r, 0x1c, 0x27a);
    outb(&r, 0x1d, 0x27a);
    ck_assert_uint_eq(irq.rises, 0);
    ck_assert_uint_eq(inb(&r, 0x279), 0x6f); /* busy, out of paper, not selected */
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_cf9,
                                  test_port92,
                                  test_debug_exit,
                                  test_debugcon,
                                  test_post_port,
                                  test_parallel,
                                  test_parallel_without_printer};

    return run_tests("misc_devices", tests, ARRAY_SIZE(tests));
}
