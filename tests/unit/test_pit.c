#include "devices/pit8254.h"

#include "dev_harness.h"
#include "devices/port61.h"

struct board {
    struct rig rig;
    struct pit8254 pit;
    struct port61 port61;
    struct probe irq0;
};

static void start(struct board *b)
{
    memset(b, 0, sizeof(*b));
    rig_init(&b->rig);
    b->rig.ns = 12345;
    pit_init(&b->pit, &b->rig.clock, probe_line(&b->irq0));
    port61_init(&b->port61, &b->rig.clock, &b->pit);
    ck_assert_int_eq(pit_attach(&b->pit, &b->rig.ports), 0);
    ck_assert_int_eq(port61_attach(&b->port61, &b->rig.ports), 0);
}

/* Sets the clock to exactly `n` ticks after the current one. */
static void pass_ticks(struct board *b, uint64_t n)
{
    uint64_t tick = muldiv64(b->rig.ns, PIT_HZ, NS_PER_SEC) + n;

    rig_pass(&b->rig, muldiv64(tick, NS_PER_SEC, PIT_HZ) + 1 - b->rig.ns);
}

static void program(struct board *b, unsigned ch, unsigned mode, uint16_t count)
{
    outb(&b->rig, (uint8_t)(ch << 6 | 0x30 | mode << 1), 0x43);
    outb(&b->rig, (uint8_t)count, (uint16_t)(0x40 + ch));
    outb(&b->rig, (uint8_t)(count >> 8), (uint16_t)(0x40 + ch));
}

static unsigned latched(struct board *b, unsigned ch)
{
    unsigned lo;

    outb(&b->rig, (uint8_t)(ch << 6), 0x43);
    lo = inb(&b->rig, (uint16_t)(0x40 + ch));
    return lo | (unsigned)inb(&b->rig, (uint16_t)(0x40 + ch)) << 8;
}

static uint8_t status(struct board *b, unsigned ch)
{
    outb(&b->rig, (uint8_t)(0xe0 | 2 << ch), 0x43);
    return inb(&b->rig, (uint16_t)(0x40 + ch));
}

/* Mode 2 as Linux programs its periodic tick: exactly PIT_HZ / N edges, forever. */
START_TEST(test_rate_does_not_drift)
{
    struct board b;
    unsigned before;
    uint64_t ticks;

    start(&b);
    program(&b, 0, 2, 4773);
    before = b.irq0.rises;
    rig_pass(&b.rig, 100 * NS_PER_SEC);
    ticks = 100 * PIT_HZ / 4773;
    ck_assert_uint_ge(b.irq0.rises - before, ticks - 1);
    ck_assert_uint_le(b.irq0.rises - before, ticks + 1);
    ck_assert(b.irq0.level);
}
END_TEST

START_TEST(test_mode2_count)
{
    struct board b;

    start(&b);
    program(&b, 0, 2, 1000);
    ck_assert_uint_eq(status(&b, 0), 0xf4); /* OUT, null count, LSB+MSB, mode 2 */
    pass_ticks(&b, 1);
    ck_assert_uint_eq(status(&b, 0), 0xb4);
    ck_assert_uint_eq(latched(&b, 0), 1000);
    pass_ticks(&b, 999);
    ck_assert_uint_eq(latched(&b, 0), 1);
    ck_assert(!pit_out(&b.pit, 0));
    pass_ticks(&b, 1);
    ck_assert_uint_eq(latched(&b, 0), 1000);
    ck_assert(pit_out(&b.pit, 0));
    /* A new count waits for the end of the cycle. */
    outb(&b.rig, 0x10, 0x40);
    outb(&b.rig, 0x00, 0x40);
    pass_ticks(&b, 500);
    ck_assert_uint_eq(latched(&b, 0), 500);
    ck_assert_uint_eq(status(&b, 0), 0xf4);
    pass_ticks(&b, 501);
    ck_assert_uint_eq(latched(&b, 0), 15);
    ck_assert_uint_eq(status(&b, 0), 0xb4);
}
END_TEST

START_TEST(test_mode0_irq)
{
    struct board b;
    unsigned before;

    start(&b);
    program(&b, 0, 0, 100);
    ck_assert(!b.irq0.level);
    before = b.irq0.rises;
    pass_ticks(&b, 100);
    ck_assert(!b.irq0.level);
    ck_assert_uint_eq(latched(&b, 0), 1);
    pass_ticks(&b, 1);
    ck_assert(b.irq0.level);
    pass_ticks(&b, 70000);
    ck_assert_uint_eq(b.irq0.rises, before + 1);
    ck_assert_uint_eq(latched(&b, 0), (100 - 70100 + 2 * 65536) & 0xffff);
    outb(&b.rig, 50, 0x40); /* the first byte of a count stops it and lowers OUT */
    ck_assert(!b.irq0.level);
    pass_ticks(&b, 1000);
    ck_assert(!b.irq0.level);
    outb(&b.rig, 0, 0x40);
    pass_ticks(&b, 51);
    ck_assert(b.irq0.level);
}
END_TEST

/* The one-shot clock event device of Linux: mode 4, re-armed from the interrupt. */
START_TEST(test_mode4_oneshot)
{
    struct board b;
    unsigned before;

    start(&b);
    program(&b, 0, 4, 5000);
    before = b.irq0.rises;
    pass_ticks(&b, 5001);
    ck_assert_uint_eq(b.irq0.rises, before);
    ck_assert(!pit_out(&b.pit, 0));
    pass_ticks(&b, 1);
    ck_assert_uint_eq(b.irq0.rises, before + 1);
    ck_assert(pit_out(&b.pit, 0));
    for (unsigned i = 1; i <= 10; i++) {
        outb(&b.rig, 0x00, 0x40);
        outb(&b.rig, 0x10, 0x40);
        pass_ticks(&b, 4098);
        ck_assert_uint_eq(b.irq0.rises, before + 1 + i);
    }
    pass_ticks(&b, 200000);
    ck_assert_uint_eq(b.irq0.rises, before + 11);
    /* Rewriting the count before it expires starts over. */
    outb(&b.rig, 0x00, 0x40);
    outb(&b.rig, 0x10, 0x40);
    pass_ticks(&b, 4000);
    outb(&b.rig, 0x00, 0x40);
    outb(&b.rig, 0x10, 0x40);
    pass_ticks(&b, 4000);
    ck_assert_uint_eq(b.irq0.rises, before + 11);
    /* Stopping it: a new control word without a count. */
    outb(&b.rig, 0x38, 0x43);
    pass_ticks(&b, 200000);
    ck_assert_uint_eq(b.irq0.rises, before + 11);
    ck_assert(clock_deadline(&b.rig.clock) == CLOCK_NEVER);
}
END_TEST

START_TEST(test_mode3_square)
{
    struct board b;
    unsigned before;

    start(&b);
    program(&b, 0, 3, 7); /* odd: 4 high, 3 low */
    before = b.irq0.rises;
    pass_ticks(&b, 1);
    for (unsigned i = 0; i < 14; i++) {
        ck_assert_int_eq(pit_out(&b.pit, 0), i % 7 < 4);
        ck_assert_uint_eq(latched(&b, 0), 6 - 2 * (i % 7 < 4 ? i % 7 : i % 7 - 4));
        pass_ticks(&b, 1);
    }
    program(&b, 0, 3, 1000);
    before = b.irq0.rises;
    pass_ticks(&b, 10001);
    ck_assert_uint_eq(b.irq0.rises - before, 10);
    outb(&b.rig, 100, 0x40); /* taken at the end of the half */
    outb(&b.rig, 0, 0x40);
    pass_ticks(&b, 499);
    ck_assert(pit_out(&b.pit, 0));
    pass_ticks(&b, 1);
    ck_assert(!pit_out(&b.pit, 0));
    pass_ticks(&b, 50);
    ck_assert(pit_out(&b.pit, 0));
}
END_TEST

START_TEST(test_hardware_triggered)
{
    struct board b;

    start(&b);
    program(&b, 2, 1, 10);
    ck_assert(pit_out(&b.pit, 2));
    pass_ticks(&b, 100);
    ck_assert(pit_out(&b.pit, 2));
    pit_set_gate(&b.pit, 2, true);
    pass_ticks(&b, 1);
    ck_assert(!pit_out(&b.pit, 2));
    pass_ticks(&b, 5);
    pit_set_gate(&b.pit, 2, false);
    pit_set_gate(&b.pit, 2, true); /* retriggered */
    pass_ticks(&b, 10);
    ck_assert(!pit_out(&b.pit, 2));
    pass_ticks(&b, 1);
    ck_assert(pit_out(&b.pit, 2));
    program(&b, 2, 5, 10);
    pit_set_gate(&b.pit, 2, false);
    pit_set_gate(&b.pit, 2, true);
    pass_ticks(&b, 10);
    ck_assert(pit_out(&b.pit, 2));
    pass_ticks(&b, 1);
    ck_assert(!pit_out(&b.pit, 2));
    pass_ticks(&b, 1);
    ck_assert(pit_out(&b.pit, 2));
}
END_TEST

START_TEST(test_gate_pauses)
{
    struct board b;

    start(&b);
    pit_set_gate(&b.pit, 2, true);
    program(&b, 2, 0, 100);
    pass_ticks(&b, 41);
    pit_set_gate(&b.pit, 2, false);
    pass_ticks(&b, 1000);
    ck_assert_uint_eq(latched(&b, 2), 60);
    ck_assert(!pit_out(&b.pit, 2));
    pit_set_gate(&b.pit, 2, true);
    pass_ticks(&b, 59);
    ck_assert(!pit_out(&b.pit, 2));
    pass_ticks(&b, 1);
    ck_assert(pit_out(&b.pit, 2));
    program(&b, 2, 2, 100);
    pass_ticks(&b, 31);
    pit_set_gate(&b.pit, 2, false);
    pass_ticks(&b, 500);
    ck_assert_uint_eq(latched(&b, 2), 70);
    ck_assert(pit_out(&b.pit, 2));
    pit_set_gate(&b.pit, 2, true); /* the rising edge reloads */
    pass_ticks(&b, 1);
    ck_assert_uint_eq(latched(&b, 2), 100);
}
END_TEST

START_TEST(test_bcd_and_bytes)
{
    struct board b;

    start(&b);
    pit_set_gate(&b.pit, 2, true);
    outb(&b.rig, 0xb1, 0x43); /* channel 2, LSB+MSB, mode 0, BCD */
    outb(&b.rig, 0x00, 0x42);
    outb(&b.rig, 0x12, 0x42); /* 1200 */
    pass_ticks(&b, 2);
    ck_assert_uint_eq(latched(&b, 2), 0x1199);
    pass_ticks(&b, 1199);
    ck_assert_uint_eq(latched(&b, 2), 0x0000);
    ck_assert(pit_out(&b.pit, 2));
    pass_ticks(&b, 1);
    ck_assert_uint_eq(latched(&b, 2), 0x9999);
    outb(&b.rig, 0x90, 0x43); /* LSB only */
    outb(&b.rig, 0x20, 0x42);
    pass_ticks(&b, 1);
    ck_assert_uint_eq(inb(&b.rig, 0x42), 0x20);
    ck_assert_uint_eq(inb(&b.rig, 0x42), 0x20);
    outb(&b.rig, 0xa0, 0x43); /* MSB only */
    outb(&b.rig, 0x20, 0x42);
    pass_ticks(&b, 1);
    ck_assert_uint_eq(inb(&b.rig, 0x42), 0x20);
    pass_ticks(&b, 1);
    ck_assert_uint_eq(inb(&b.rig, 0x42), 0x1f);
    ck_assert_uint_eq(inb(&b.rig, 0x43), 0xff);
}
END_TEST

START_TEST(test_latches)
{
    struct board b;

    start(&b);
    program(&b, 0, 2, 0); /* 65536 */
    pass_ticks(&b, 1 + 0x100);
    outb(&b.rig, 0x00, 0x43);
    pass_ticks(&b, 50);
    outb(&b.rig, 0x00, 0x43); /* ignored until read */
    ck_assert_uint_eq(inb(&b.rig, 0x40), 0x00);
    ck_assert_uint_eq(inb(&b.rig, 0x40), 0xff);
    outb(&b.rig, 0xc2, 0x43); /* read back status and count of channel 0 */
    pass_ticks(&b, 50);
    ck_assert_uint_eq(inb(&b.rig, 0x40), 0xb4);
    ck_assert_uint_eq(inb(&b.rig, 0x40), 0xce);
    ck_assert_uint_eq(inb(&b.rig, 0x40), 0xfe);
}
END_TEST

/* Linux's quick_pit_calibrate() and pit_calibrate_tsc(): channel 2, mode 0, through port 61h. */
START_TEST(test_linux_calibration)
{
    struct board b;

    start(&b);
    outb(&b.rig, (inb(&b.rig, 0x61) & ~0x02) | 0x01, 0x61);
    outb(&b.rig, 0xb0, 0x43);
    outb(&b.rig, 0xff, 0x42);
    outb(&b.rig, 0xff, 0x42);
    pass_ticks(&b, 1);
    inb(&b.rig, 0x42);
    ck_assert_uint_eq(inb(&b.rig, 0x42), 0xff);
    pass_ticks(&b, 256);
    inb(&b.rig, 0x42);
    ck_assert_uint_eq(inb(&b.rig, 0x42), 0xfe);
    outb(&b.rig, 0xb0, 0x43);
    outb(&b.rig, 11932 & 0xff, 0x42);
    outb(&b.rig, 11932 >> 8, 0x42);
    rig_pass(&b.rig, 9999000);
    ck_assert_uint_eq(inb(&b.rig, 0x61) & 0x20, 0);
    rig_pass(&b.rig, 3000);
    ck_assert_uint_eq(inb(&b.rig, 0x61) & 0x20, 0x20);
}
END_TEST

START_TEST(test_late_guest)
{
    struct board b;
    unsigned before;
    const uint64_t period = muldiv64(11932, NS_PER_SEC, PIT_HZ);

    start(&b);
    program(&b, 0, 2, 11932);
    before = b.irq0.rises;
    rig_pass(&b.rig, 10 * period + 1000);
    ck_assert_uint_eq(b.irq0.rises - before, 10);
    b.rig.ns += 3 * period; /* nobody runs timers for a while */
    clock_run(&b.rig.clock);
    ck_assert_uint_eq(b.irq0.rises - before, 11); /* never two at once */
    rig_pass(&b.rig, 2 * period);
    ck_assert_uint_eq(b.irq0.rises - before, 15); /* caught up at double rate */
    b.rig.ns += 1000 * period;
    rig_pass(&b.rig, 20 * period);
    ck_assert_uint_le(b.irq0.rises - before, 15 + PIT_MAX_OWED + 21);
    ck_assert_uint_ge(b.irq0.rises - before, 15 + PIT_MAX_OWED + 19);
}
END_TEST

/* A period no host can follow must not flood it with timers. */
START_TEST(test_absurd_rate)
{
    struct board b;
    unsigned before;

    start(&b);
    program(&b, 0, 2, 2);
    before = b.irq0.rises;
    rig_pass(&b.rig, NS_PER_SEC / 100);
    ck_assert_uint_le(b.irq0.rises - before, NS_PER_SEC / 100 / PIT_MIN_GAP_NS + 2);
    for (unsigned mode = 0; mode < 6; mode++) {
        program(&b, 0, mode, 1);
        rig_pass(&b.rig, 100000);
        latched(&b, 0);
    }
}
END_TEST

START_TEST(test_port61)
{
    struct board b, c;
    unsigned changes = 0;
    uint8_t last;

    start(&b);
    start(&c);
    outb(&b.rig, 0xff, 0x61);
    ck_assert_uint_eq(inb(&b.rig, 0x61) & 0xcf, 0x0f);
    last = inb(&b.rig, 0x61) & 0x10;
    for (unsigned i = 0; i < 1000; i++) {
        rig_pass(&b.rig, 1000);
        changes += (inb(&b.rig, 0x61) & 0x10) != last;
        last = inb(&b.rig, 0x61) & 0x10;
    }
    ck_assert_uint_ge(changes, 65);
    ck_assert_uint_le(changes, 67);
    round_trip(&port61_class, &b.port61, &c.port61, true);
    ck_assert(c.pit.ch[2].gate);
    port61_class.reset(&c.port61);
    ck_assert(!c.pit.ch[2].gate);
}
END_TEST

START_TEST(test_round_trip)
{
    struct board b, c;
    unsigned before;

    start(&b);
    start(&c);
    program(&b, 0, 2, 11932);
    program(&b, 2, 3, 77);
    outb(&b.rig, 0x80, 0x43);
    rig_pass(&b.rig, 7 * NS_PER_SEC + 123456);
    c.rig.ns = b.rig.ns;
    round_trip(&pit_class, &b.pit, &c.pit, true);
    ck_assert(clock_deadline(&c.rig.clock) == clock_deadline(&b.rig.clock));
    before = c.irq0.rises;
    rig_pass(&c.rig, NS_PER_SEC);
    ck_assert_uint_ge(c.irq0.rises - before, 99);
    ck_assert_uint_eq(latched(&c, 2), latched(&b, 2));
    start(&c);
    reset_equals_fresh(&pit_class, &b.pit, &c.pit);
    ck_assert(clock_deadline(&b.rig.clock) == CLOCK_NEVER);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_rate_does_not_drift,
                                  test_mode2_count,
                                  test_mode0_irq,
                                  test_mode4_oneshot,
                                  test_mode3_square,
                                  test_hardware_triggered,
                                  test_gate_pauses,
                                  test_bcd_and_bytes,
                                  test_latches,
                                  test_linux_calibration,
                                  test_late_guest,
                                  test_absurd_rate,
                                  test_port61,
                                  test_round_trip};

    return run_tests("pit", tests, ARRAY_SIZE(tests));
}
