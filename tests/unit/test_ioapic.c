#include "apic_rig.h"

enum { LEVEL = 1 << 15, MASKED = 1 << 16, REMOTE_IRR = 1 << 14, LOGICAL = 1 << 11 };

static void route(struct arig *a, unsigned pin, uint32_t low, uint8_t dest)
{
    arig_io_write(a, 0x11 + 2 * pin, (uint32_t)dest << 24);
    arig_io_write(a, 0x10 + 2 * pin, low);
}

static uint32_t entry(struct arig *a, unsigned pin)
{
    return arig_io_read(a, 0x10 + 2 * pin);
}

START_TEST(test_registers)
{
    struct arig a;

    arig_start(&a);
    ck_assert_uint_eq(arig_io_read(&a, 1), 0x170011);
    arig_io_write(&a, 1, 0);
    ck_assert_uint_eq(arig_io_read(&a, 1), 0x170011);
    arig_io_write(&a, 0, 0xffffffff);
    ck_assert_uint_eq(arig_io_read(&a, 0), 0x0f000000);
    ck_assert_uint_eq(arig_io_read(&a, 2), 0x0f000000);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        ck_assert_uint_eq(entry(&a, pin), MASKED);
    arig_io_write(&a, 0x10, 0xffffffff);
    ck_assert_uint_eq(arig_io_read(&a, 0x10), 0x0001afff); /* status and remote IRR: read-only */
    arig_io_write(&a, 0x11, 0xffffffff);
    ck_assert_uint_eq(arig_io_read(&a, 0x11), 0xff000000);
    arig_io_write(&a, 0x40, 0x12345678); /* beyond the table */
    ck_assert_uint_eq(arig_io_read(&a, 0x40), 0);
    ck_assert_uint_eq(arig_io_read(&a, 0xff), 0);
    ck_assert_uint_eq(bus_read(&a.mmio, IOAPIC_BASE, 1), 0xff);
    ck_assert_uint_eq(bus_read(&a.mmio, IOAPIC_BASE + 4, 4), 0);
}
END_TEST

START_TEST(test_edge)
{
    struct arig a;

    arig_start(&a);
    arig_pin(&a, 4, true); /* masked: the edge is lost */
    route(&a, 4, 0x34, 0);
    ck_assert(!a.intr[0].level);
    arig_pin(&a, 4, false);
    arig_pin(&a, 4, true);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x34);
    ck_assert_uint_eq(arig_read(&a, 0x180 + 0x10), 0); /* TMR: edge */
    arig_pin(&a, 4, false);
    arig_pin(&a, 4, true); /* while in service */
    ck_assert(!a.intr[0].level);
    arig_write(&a, LAPIC_EOI, 0);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x34);
    arig_write(&a, LAPIC_EOI, 0);
    ck_assert(!a.intr[0].level);
    ck_assert_uint_eq(entry(&a, 4), 0x34);
}
END_TEST

START_TEST(test_level)
{
    struct arig a;

    arig_start(&a);
    route(&a, 9, 0x39 | LEVEL, 0);
    arig_pin(&a, 9, true);
    ck_assert_uint_eq(entry(&a, 9), 0x39 | LEVEL | REMOTE_IRR);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x39);
    ck_assert_uint_eq(arig_read(&a, 0x180 + 0x10), 1 << 25); /* TMR */
    arig_write(&a, LAPIC_EOI, 0);
    ck_assert(a.intr[0].level); /* still asserted: again */
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x39);
    arig_pin(&a, 9, false);
    arig_pin(&a, 9, true);
    arig_pin(&a, 9, false);
    arig_write(&a, LAPIC_EOI, 0);
    ck_assert(!a.intr[0].level);
    ck_assert_uint_eq(entry(&a, 9), 0x39 | LEVEL);
    route(&a, 9, 0x39 | LEVEL | MASKED, 0);
    arig_pin(&a, 9, true);
    ck_assert(!a.intr[0].level);
    route(&a, 9, 0x39 | LEVEL, 0); /* a level waits for its unmasking */
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x39);
    route(&a, 9, 0x39 | MASKED, 0); /* Linux unsticks remote IRR so */
    ck_assert_uint_eq(entry(&a, 9), 0x39 | MASKED);
}
END_TEST

/* Two pins on one vector: the end of the interrupt is for both. */
START_TEST(test_shared_vector)
{
    struct arig a;

    arig_start(&a);
    route(&a, 10, 0x50 | LEVEL, 0);
    route(&a, 11, 0x50 | LEVEL, 0);
    arig_pin(&a, 10, true);
    arig_pin(&a, 11, true);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x50);
    arig_pin(&a, 10, false);
    arig_write(&a, LAPIC_EOI, 0);
    ck_assert_uint_eq(entry(&a, 10), 0x50 | LEVEL);
    ck_assert_uint_eq(entry(&a, 11), 0x50 | LEVEL | REMOTE_IRR);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x50);
}
END_TEST

START_TEST(test_destinations)
{
    struct arig a;

    arig_start(&a);
    route(&a, 1, 0x31, 1);
    arig_pin(&a, 1, true);
    ck_assert(!a.intr[0].level && a.intr[1].level);
    route(&a, 3, 0x933, 3); /* logical, lowest priority */
    arig_pin(&a, 3, true);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x33);
    route(&a, 5, 0x435, 0); /* NMI, edge */
    arig_pin(&a, 5, true);
    ck_assert_uint_eq(a.nmi[0].rises, 1);
    route(&a, 6, 0x436 | LEVEL, 0); /* NMI is an edge all the same */
    arig_pin(&a, 6, true);
    ck_assert_uint_eq(a.nmi[0].rises, 2);
    ck_assert_uint_eq(entry(&a, 6) & REMOTE_IRR, 0);
    route(&a, 7, 0x37 | LEVEL, 9); /* nobody there */
    arig_pin(&a, 7, true);
    ck_assert_uint_eq(entry(&a, 7), 0x37 | LEVEL);
    route(&a, 7, 0x37 | LEVEL, 1);
    ck_assert_uint_eq(entry(&a, 7), 0x37 | LEVEL | REMOTE_IRR);
}
END_TEST

START_TEST(test_round_trip)
{
    struct arig a, b;

    arig_start(&a);
    arig_start(&b);
    route(&a, 9, 0x39 | LEVEL, 0);
    arig_pin(&a, 9, true);
    round_trip(&ioapic_class, &a.io, &b.io, true);
    ck_assert_uint_eq(entry(&b, 9), 0x39 | LEVEL | REMOTE_IRR);
    arig_pin(&a, 9, false);
    arig_start(&b);
    reset_equals_fresh(&ioapic_class, &a.io, &b.io);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_registers,     test_edge,         test_level,
                                  test_shared_vector, test_destinations, test_round_trip};

    return run_tests("ioapic", tests, ARRAY_SIZE(tests));
}
