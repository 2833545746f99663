#include "apic_rig.h"

enum { LVT = 0x320, INITIAL = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0, VECTOR = 0x31 };
enum { ONE_SHOT = 0, PERIODIC = 1 << 17, DEADLINE = 2 << 17, MASKED = 1 << 16, BY_1 = 0xb };

/* Interrupts since the last call: takes and ends them while `ns` pass. */
static unsigned pass(struct arig *a, uint64_t ns)
{
    uint64_t end = a->rig.ns + ns;
    unsigned n = 0;

    while (a->rig.ns < end) {
        uint64_t next = clock_deadline(&a->rig.clock);

        rig_pass(&a->rig, (next < end && next > a->rig.ns ? next : end) - a->rig.ns);
        while (a->intr[0].level) {
            ck_assert_int_eq(lapic_ack(&a->cpu[0]), VECTOR);
            arig_write(a, LAPIC_EOI, 0);
            n++;
        }
    }
    return n;
}

static void program(struct arig *a, uint32_t mode, uint32_t count)
{
    arig_start(a);
    arig_write(a, DIVIDE, BY_1);
    arig_write(a, LVT, mode | VECTOR);
    arig_write(a, INITIAL, count);
}

START_TEST(test_one_shot)
{
    struct arig a;

    program(&a, ONE_SHOT, 1000000);
    ck_assert_uint_eq(arig_read(&a, CURRENT), 1000000);
    ck_assert_uint_eq(pass(&a, 400000), 0);
    ck_assert_uint_eq(arig_read(&a, CURRENT), 600000);
    ck_assert_uint_eq(pass(&a, 599000), 0);
    ck_assert_uint_eq(pass(&a, 2000), 1);
    ck_assert_uint_eq(arig_read(&a, CURRENT), 0);
    ck_assert_uint_eq(arig_read(&a, INITIAL), 1000000);
    ck_assert_uint_eq(pass(&a, NS_PER_SEC), 0);
    ck_assert(clock_deadline(&a.rig.clock) == CLOCK_NEVER);
    arig_write(&a, INITIAL, 5000);
    arig_write(&a, INITIAL, 0); /* stops */
    ck_assert_uint_eq(pass(&a, NS_PER_SEC), 0);
}
END_TEST

START_TEST(test_divide)
{
    static const struct {
        uint32_t code, by;
    } rows[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};
    struct arig a;

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        program(&a, ONE_SHOT, 0);
        arig_write(&a, DIVIDE, rows[i].code | 0xfffffff4);
        ck_assert_uint_eq(arig_read(&a, DIVIDE), rows[i].code);
        arig_write(&a, INITIAL, 10000);
        rig_pass(&a.rig, 1000 * rows[i].by);
        ck_assert_uint_eq(arig_read(&a, CURRENT), 9000);
        arig_write(&a, DIVIDE, BY_1); /* counts on from there */
        rig_pass(&a.rig, 1000);
        ck_assert_uint_eq(arig_read(&a, CURRENT), 8000);
        ck_assert_uint_eq(pass(&a, 7999), 0);
        ck_assert_uint_eq(pass(&a, 2), 1);
    }
}
END_TEST

START_TEST(test_periodic)
{
    struct arig a;

    program(&a, PERIODIC, 999999);
    ck_assert_uint_eq(pass(&a, NS_PER_SEC), 1000); /* no error accumulates */
    ck_assert_uint_eq(arig_read(&a, CURRENT), 999999 - 1000);
    arig_write(&a, LVT, PERIODIC | MASKED | VECTOR);
    ck_assert(clock_deadline(&a.rig.clock) == CLOCK_NEVER);
    ck_assert_uint_eq(pass(&a, 999999 * 3), 0);
    arig_write(&a, LVT, PERIODIC | VECTOR); /* went on counting, nothing is made up for */
    ck_assert_uint_eq(pass(&a, 998000), 0);
    ck_assert_uint_eq(pass(&a, 2000), 1);
    a.rig.ns += 999999 * 10; /* a late host: one interrupt for all */
    clock_run(&a.rig.clock);
    ck_assert_uint_eq(pass(&a, 1), 1);
    ck_assert_uint_le(pass(&a, 999999), 1);
}
END_TEST

START_TEST(test_modes_change)
{
    struct arig a;

    program(&a, ONE_SHOT, 1000000);
    rig_pass(&a.rig, 300000);
    arig_write(&a, LVT, PERIODIC | VECTOR); /* counts on, then reloads */
    ck_assert_uint_eq(arig_read(&a, CURRENT), 700000);
    ck_assert_uint_eq(pass(&a, 3 * 1000000), 3);
    arig_write(&a, LVT, DEADLINE | VECTOR); /* disarms */
    ck_assert_uint_eq(arig_read(&a, CURRENT), 0);
    arig_write(&a, INITIAL, 1000);
    ck_assert_uint_eq(pass(&a, NS_PER_SEC), 0);
    arig_write(&a, LVT, ONE_SHOT | VECTOR);
    ck_assert_uint_eq(pass(&a, NS_PER_SEC), 0);
    ck_assert_uint_eq(arig_read(&a, CURRENT), 0);
    arig_write(&a, LVT, 3 << 17 | VECTOR); /* reserved: stopped */
    arig_write(&a, INITIAL, 1000);
    ck_assert_uint_eq(pass(&a, NS_PER_SEC), 0);
}
END_TEST

/* A guest that asks for interrupts faster than anybody can handle must not stop the machine. */
START_TEST(test_short_period)
{
    struct arig a;

    program(&a, PERIODIC, 1);
    ck_assert_uint_le(pass(&a, 1000000), 1000000 / LAPIC_TIMER_GAP_NS + 1);
    program(&a, ONE_SHOT, 1);
    ck_assert_uint_eq(pass(&a, 10), 1);
    program(&a, PERIODIC, UINT32_MAX);
    arig_write(&a, DIVIDE, 10); /* 550 s */
    ck_assert_uint_eq(pass(&a, 1200 * NS_PER_SEC), 2);
}
END_TEST

START_TEST(test_deadline)
{
    struct arig a;
    struct lapic_timer *t = &a.cpu[0].timer;

    program(&a, DEADLINE, 0);
    lapic_timer_set_deadline(t, arig_tsc(&a) + 2000000); /* 1 ms */
    ck_assert(lapic_timer_deadline(t) == arig_tsc(&a) + 2000000);
    ck_assert_uint_eq(pass(&a, 999000), 0);
    ck_assert_uint_eq(pass(&a, 2000), 1);
    ck_assert(lapic_timer_deadline(t) == 0);
    ck_assert_uint_eq(pass(&a, NS_PER_SEC), 0);
    lapic_timer_set_deadline(t, 1); /* past: now */
    ck_assert(a.intr[0].level);
    ck_assert_uint_eq(pass(&a, 1), 1);
    lapic_timer_set_deadline(t, arig_tsc(&a) + 1000);
    lapic_timer_set_deadline(t, 0); /* disarms */
    ck_assert_uint_eq(pass(&a, NS_PER_SEC), 0);
    lapic_timer_set_deadline(t, UINT64_MAX);
    ck_assert(clock_deadline(&a.rig.clock) == CLOCK_NEVER);
    lapic_timer_set_deadline(t, UINT64_MAX - 10);
    a.tsc_offset = UINT64_MAX - 10 - arig_tsc(&a) - 2000;
    lapic_timer_tsc_moved(t);
    ck_assert_uint_eq(pass(&a, 1001), 1);
    a.tsc_offset = 0;
    lapic_timer_set_deadline(t, arig_tsc(&a) + 1000);
    arig_write(&a, LVT, DEADLINE | MASKED | VECTOR);
    ck_assert_uint_eq(pass(&a, 2000), 0);
    ck_assert(lapic_timer_deadline(t) == 0); /* expired silently */
    arig_write(&a, LVT, ONE_SHOT | VECTOR);
    lapic_timer_set_deadline(t, arig_tsc(&a) + 1000); /* ignored in the other modes */
    ck_assert(lapic_timer_deadline(t) == 0);
    ck_assert_uint_eq(pass(&a, NS_PER_SEC), 0);
}
END_TEST

/* The TSC and the clock are calibrated against each other; the TSC decides. */
START_TEST(test_deadline_early_clock)
{
    struct arig a;
    struct lapic_timer *t = &a.cpu[0].timer;
    uint64_t want;

    program(&a, DEADLINE, 0);
    want = arig_tsc(&a) + 2000000;
    lapic_timer_set_deadline(t, want);
    a.tsc_offset -= 1000; /* it turns out to be slow by 500 ns */
    ck_assert_uint_eq(pass(&a, 1000001), 0);
    ck_assert_uint_eq(pass(&a, 502), 1);
    ck_assert(arig_tsc(&a) >= want);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_one_shot,
                                  test_divide,
                                  test_periodic,
                                  test_modes_change,
                                  test_short_period,
                                  test_deadline,
                                  test_deadline_early_clock};

    return run_tests("lapic_timer", tests, ARRAY_SIZE(tests));
}
