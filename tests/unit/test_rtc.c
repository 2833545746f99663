#include "devices/rtc_mc146818.h"

#include "dev_harness.h"

struct board {
    struct rig rig;
    struct rtc rtc;
    struct probe irq8;
    int64_t wall; /* the host's clock at rig time 0 */
};

static int64_t wall_now(void *opaque)
{
    struct board *b = opaque;

    return b->wall + (int64_t)(b->rig.ns / NS_PER_SEC);
}

static void start_at(struct board *b, int64_t wall)
{
    struct rtc_config cfg = {.clock = &b->rig.clock,
                             .irq8 = probe_line(&b->irq8),
                             .realtime = wall_now,
                             .opaque = b,
                             .low_ram = 256 * MIB,
                             .high_ram = 3 * GIB};

    memset(b, 0, sizeof(*b));
    rig_init(&b->rig);
    b->wall = wall;
    rtc_init(&b->rtc, &cfg);
    ck_assert_int_eq(rtc_attach(&b->rtc, &b->rig.ports), 0);
}

static uint8_t cmos(struct board *b, uint8_t index)
{
    outb(&b->rig, index, 0x70);
    return inb(&b->rig, 0x71);
}

static void set_cmos(struct board *b, uint8_t index, uint8_t val)
{
    outb(&b->rig, index, 0x70);
    outb(&b->rig, val, 0x71);
}

static uint64_t time_bcd(struct board *b)
{
    return (uint64_t)cmos(b, 0x32) << 48 | (uint64_t)cmos(b, 9) << 40 | (uint64_t)cmos(b, 8) << 32 |
           (uint64_t)cmos(b, 7) << 24 | cmos(b, 4) << 16 | cmos(b, 2) << 8 | cmos(b, 0);
}

enum { LEAP_EVE = 1709164790 }; /* 2024-02-28 23:59:50, a Wednesday */

START_TEST(test_time_runs)
{
    struct board b;

    start_at(&b, LEAP_EVE);
    ck_assert(time_bcd(&b) == UINT64_C(0x20240228235950));
    ck_assert_uint_eq(cmos(&b, 6), 4);
    rig_pass(&b.rig, 10 * NS_PER_SEC);
    ck_assert(time_bcd(&b) == UINT64_C(0x20240229000000));
    ck_assert_uint_eq(cmos(&b, 6), 5);
    rig_pass(&b.rig, 86400 * NS_PER_SEC);
    ck_assert(time_bcd(&b) == UINT64_C(0x20240301000000));
    rig_pass(&b.rig, 366 * 86400 * NS_PER_SEC);
    ck_assert(time_bcd(&b) == UINT64_C(0x20250302000000));
    ck_assert_uint_eq(cmos(&b, 6), 1); /* a Sunday */
    start_at(&b, 951782399);           /* 2000-02-28 23:59:59 */
    rig_pass(&b.rig, NS_PER_SEC);
    ck_assert(time_bcd(&b) == UINT64_C(0x20000229000000));
    start_at(&b, 0);
    ck_assert(time_bcd(&b) == UINT64_C(0x19700101000000));
    ck_assert_uint_eq(cmos(&b, 6), 5);
}
END_TEST

/* mc146818_get_time(): UIP is seen before every change and never for more than the update. */
START_TEST(test_uip)
{
    struct board b;
    uint8_t last;
    unsigned high = 0;
    bool was_high = false;

    start_at(&b, LEAP_EVE);
    rig_pass(&b.rig, NS_PER_SEC / 2);
    last = cmos(&b, 0);
    for (unsigned i = 0; i < 20000; i++) {
        bool uip = cmos(&b, 0x0a) & 0x80;

        if (cmos(&b, 0) != last) {
            ck_assert(was_high && !uip);
            last = cmos(&b, 0);
        }
        high += uip;
        was_high = uip;
        rig_pass(&b.rig, 100000);
    }
    ck_assert_uint_ge(high, 40);
    ck_assert_uint_le(high, 50);
}
END_TEST

/* mc146818_set_time(): SET, divider reset, registers, release. */
START_TEST(test_linux_sets_time)
{
    struct board b;

    start_at(&b, LEAP_EVE);
    rig_pass(&b.rig, 1234567890);
    set_cmos(&b, 0x0b, cmos(&b, 0x0b) | 0x80);
    set_cmos(&b, 0x0a, 0x26 | 0x70);
    ck_assert_uint_eq(cmos(&b, 0x0a), 0x76);
    set_cmos(&b, 9, 0x31);
    set_cmos(&b, 8, 0x12);
    set_cmos(&b, 7, 0x31);
    set_cmos(&b, 4, 0x23);
    set_cmos(&b, 2, 0x59);
    set_cmos(&b, 0, 0x58);
    rig_pass(&b.rig, 5 * NS_PER_SEC);
    ck_assert(time_bcd(&b) == UINT64_C(0x20311231235958)); /* held */
    set_cmos(&b, 0x0b, 0x02);
    set_cmos(&b, 0x0a, 0x26);
    rig_pass(&b.rig, 499000000);
    ck_assert_uint_eq(cmos(&b, 0), 0x58);
    rig_pass(&b.rig, 2000000);
    ck_assert_uint_eq(cmos(&b, 0), 0x59);
    rig_pass(&b.rig, NS_PER_SEC);
    ck_assert(time_bcd(&b) == UINT64_C(0x20320101000000));
    rig_pass(&b.rig, 1000 * NS_PER_SEC); /* keeps the offset against the host */
    ck_assert(time_bcd(&b) == UINT64_C(0x20320101001640));
}
END_TEST

START_TEST(test_host_steps)
{
    struct board b;

    start_at(&b, LEAP_EVE);
    rig_pass(&b.rig, 2 * NS_PER_SEC);
    ck_assert_uint_eq(cmos(&b, 0), 0x52);
    b.wall += 3600; /* suspended for an hour */
    rig_pass(&b.rig, NS_PER_SEC);
    ck_assert(time_bcd(&b) == UINT64_C(0x20240229005953));
    b.wall -= 1; /* less than the phase error: left alone */
    rig_pass(&b.rig, NS_PER_SEC);
    ck_assert_uint_eq(cmos(&b, 0), 0x54);
}
END_TEST

START_TEST(test_formats)
{
    struct board b;

    start_at(&b, LEAP_EVE);
    set_cmos(&b, 0x0b, 0x80); /* SET, BCD, 12 h */
    set_cmos(&b, 4, 0x12);    /* midnight is 12 AM */
    set_cmos(&b, 2, 0x59);
    set_cmos(&b, 0, 0x59);
    set_cmos(&b, 0x0b, 0x00);
    rig_pass(&b.rig, NS_PER_SEC);
    ck_assert_uint_eq(cmos(&b, 4), 0x01);
    set_cmos(&b, 4, 0x11);
    set_cmos(&b, 2, 0x59);
    set_cmos(&b, 0, 0x59);
    rig_pass(&b.rig, NS_PER_SEC);
    ck_assert_uint_eq(cmos(&b, 4), 0x92); /* noon is 12 PM */
    set_cmos(&b, 4, 0x91);
    set_cmos(&b, 2, 0x59);
    set_cmos(&b, 0, 0x59);
    rig_pass(&b.rig, NS_PER_SEC);
    set_cmos(&b, 0x0b, 0x86); /* binary, 24 h: the guest loads everything again */
    set_cmos(&b, 0x32, 20);
    set_cmos(&b, 9, 24);
    set_cmos(&b, 8, 12);
    set_cmos(&b, 7, 31);
    set_cmos(&b, 4, 23);
    set_cmos(&b, 2, 59);
    set_cmos(&b, 0, 59);
    set_cmos(&b, 0x0b, 0x06);
    rig_pass(&b.rig, NS_PER_SEC);
    ck_assert_uint_eq(cmos(&b, 9), 25);
    ck_assert_uint_eq(cmos(&b, 8), 1);
    ck_assert_uint_eq(cmos(&b, 4), 0);
}
END_TEST

START_TEST(test_periodic)
{
    struct board b;
    unsigned before;

    start_at(&b, LEAP_EVE);
    ck_assert(clock_deadline(&b.rig.clock) == CLOCK_NEVER);
    set_cmos(&b, 0x0a, 0x2f); /* 2 Hz */
    set_cmos(&b, 0x0b, 0x42);
    rig_pass(&b.rig, 499000000);
    ck_assert(!b.irq8.level);
    rig_pass(&b.rig, 2000000);
    ck_assert(b.irq8.level);
    rig_pass(&b.rig, 5 * NS_PER_SEC);
    ck_assert_uint_eq(b.irq8.rises, 1); /* no more until register C is read */
    ck_assert_uint_eq(cmos(&b, 0x0c), 0xd0);
    ck_assert(!b.irq8.level);
    ck_assert_uint_eq(cmos(&b, 0x0c), 0x00);
    set_cmos(&b, 0x0a, 0x26); /* 1024 Hz */
    cmos(&b, 0x0c);
    before = b.irq8.rises;
    for (unsigned i = 0; i < 10000; i++) {
        rig_pass(&b.rig, 100000);
        if (b.irq8.level)
            ck_assert_uint_eq(cmos(&b, 0x0c) & 0xc0, 0xc0);
    }
    ck_assert_uint_ge(b.irq8.rises - before, 1023);
    ck_assert_uint_le(b.irq8.rises - before, 1025);
}
END_TEST

START_TEST(test_update_and_alarm)
{
    struct board b;

    start_at(&b, LEAP_EVE);
    set_cmos(&b, 0x0b, 0x12);
    rig_pass(&b.rig, NS_PER_SEC);
    ck_assert(b.irq8.level);
    ck_assert_uint_eq(cmos(&b, 0x0c) & 0xbf, 0x90);
    set_cmos(&b, 1, 0x55);
    set_cmos(&b, 3, 0x59);
    set_cmos(&b, 5, 0xff); /* any hour */
    set_cmos(&b, 0x0b, 0x22);
    rig_pass(&b.rig, 3 * NS_PER_SEC);
    ck_assert(!b.irq8.level);
    rig_pass(&b.rig, NS_PER_SEC);
    ck_assert(b.irq8.level);
    ck_assert_uint_eq(cmos(&b, 0x0c) & 0xa0, 0xa0);
    rig_pass(&b.rig, 3599 * NS_PER_SEC);
    ck_assert(!b.irq8.level);
    rig_pass(&b.rig, NS_PER_SEC);
    ck_assert(b.irq8.level);
    cmos(&b, 0x0c);
    b.rig.ns += 100 * 86400 * NS_PER_SEC; /* long asleep: found all the same */
    clock_run(&b.rig.clock);
    ck_assert(b.irq8.level);
    set_cmos(&b, 0x0b, 0x92); /* SET clears UIE */
    ck_assert_uint_eq(cmos(&b, 0x0b), 0x82);
}
END_TEST

START_TEST(test_nvram)
{
    struct board b;
    unsigned sum = 0;

    start_at(&b, LEAP_EVE);
    ck_assert_uint_eq(cmos(&b, 0x0d), 0x80);
    ck_assert_uint_eq(cmos(&b, 0x15) | cmos(&b, 0x16) << 8, 640);
    ck_assert_uint_eq(cmos(&b, 0x17) | cmos(&b, 0x18) << 8, 0xffff);
    ck_assert_uint_eq(cmos(&b, 0x34) | cmos(&b, 0x35) << 8, 240 * 16);
    ck_assert_uint_eq(cmos(&b, 0x5b) | cmos(&b, 0x5c) << 8 | cmos(&b, 0x5d) << 16, 3 * 16384);
    for (uint8_t i = 0x10; i <= 0x2d; i++)
        sum += cmos(&b, i);
    ck_assert_uint_eq(sum, (unsigned)cmos(&b, 0x2e) << 8 | cmos(&b, 0x2f));
    set_cmos(&b, 0x40, 0xa5);
    set_cmos(&b, 0x7f, 0x5a);
    set_cmos(&b, 0x0d, 0);
    ck_assert_uint_eq(cmos(&b, 0x40), 0xa5);
    ck_assert_uint_eq(cmos(&b, 0x7f), 0x5a);
    ck_assert_uint_eq(cmos(&b, 0x0d), 0x80);
    outb(&b.rig, 0x8f, 0x70);
    ck_assert(b.rtc.nmi_masked);
    outb(&b.rig, 0x0f, 0x70);
    ck_assert(!b.rtc.nmi_masked);
}
END_TEST

/* Any register content must survive an update, whatever the guest wrote. */
START_TEST(test_garbage)
{
    struct board b;
    unsigned seed = 1;

    start_at(&b, LEAP_EVE);
    for (unsigned i = 0; i < 3000; i++) {
        seed = seed * 1103515245 + 12345;
        set_cmos(&b, (uint8_t)(seed >> 8) % 12 == 10 ? 0x32 : (uint8_t)(seed >> 8) % 12,
                 (uint8_t)(seed >> 16));
        rig_pass(&b.rig, NS_PER_SEC / 3);
    }
    set_cmos(&b, 0x0b, 0x02);
    set_cmos(&b, 0x0a, 0x26);
    rig_pass(&b.rig, 2 * NS_PER_SEC);
    ck_assert_uint_le(cmos(&b, 8), 0x12);
}
END_TEST

START_TEST(test_round_trip)
{
    struct board b, c;

    start_at(&b, LEAP_EVE);
    start_at(&c, LEAP_EVE);
    set_cmos(&b, 0x0b, 0x42);
    rig_pass(&b.rig, NS_PER_SEC / 2);
    ck_assert(b.irq8.level);
    c.rig.ns = b.rig.ns;
    round_trip(&rtc_class, &b.rtc, &c.rtc, true);
    ck_assert(c.irq8.level);
    cmos(&c, 0x0c);
    rig_pass(&c.rig, 2000000);
    ck_assert(c.irq8.level); /* the timer was armed again */
    set_cmos(&b, 0x40, 0x77);
    rtc_class.reset(&b.rtc);
    ck_assert(!b.irq8.level);
    ck_assert_uint_eq(cmos(&b, 0x0b), 0x02);
    ck_assert_uint_eq(cmos(&b, 0x40), 0x77); /* the battery's, not the reset's */
    ck_assert(clock_deadline(&b.rig.clock) == CLOCK_NEVER);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_time_runs,        test_uip,     test_linux_sets_time,
                                  test_host_steps,       test_formats, test_periodic,
                                  test_update_and_alarm, test_nvram,   test_garbage,
                                  test_round_trip};

    return run_tests("rtc", tests, ARRAY_SIZE(tests));
}
