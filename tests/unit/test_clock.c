#include "bus/clock.h"

#include "dev_harness.h"

struct alarm {
    struct timer t;
    struct rig *rig;
    unsigned fired;
    uint64_t last, again; /* re-arms for `again` later when not 0 */
    unsigned *order, at;
};

static void alarm_fire(void *dev, uint64_t now)
{
    struct alarm *a = dev;

    a->fired++;
    a->last = now;
    if (a->order)
        a->at = ++*a->order;
    if (a->again)
        timer_set(&a->rig->clock, &a->t, now + a->again);
}

static uint64_t told;
static unsigned tells;

static void tell(void *opaque, uint64_t deadline)
{
    (void)opaque;
    told = deadline;
    tells++;
}

START_TEST(test_order)
{
    struct rig r;
    struct alarm a[4];
    unsigned order = 0;

    rig_init(&r);
    for (unsigned i = 0; i < 4; i++) {
        memset(&a[i], 0, sizeof(a[i]));
        a[i].order = &order;
        timer_init(&a[i].t, alarm_fire, &a[i]);
    }
    timer_set(&r.clock, &a[0].t, 30);
    timer_set(&r.clock, &a[1].t, 10);
    timer_set(&r.clock, &a[2].t, 20);
    timer_set(&r.clock, &a[3].t, 10);
    ck_assert_uint_eq(clock_deadline(&r.clock), 10);
    r.ns = 9;
    clock_run(&r.clock);
    ck_assert_uint_eq(order, 0);
    r.ns = 25;
    clock_run(&r.clock);
    ck_assert_uint_eq(a[1].at, 1);
    ck_assert_uint_eq(a[3].at, 2);
    ck_assert_uint_eq(a[2].at, 3);
    ck_assert_uint_eq(a[2].last, 25);
    ck_assert_uint_eq(a[0].fired, 0);
    ck_assert_uint_eq(clock_deadline(&r.clock), 30);
    timer_set(&r.clock, &a[0].t, CLOCK_NEVER);
    ck_assert(clock_deadline(&r.clock) == CLOCK_NEVER);
    r.ns = 100;
    clock_run(&r.clock);
    ck_assert_uint_eq(a[0].fired, 0);
}
END_TEST

START_TEST(test_rearm_in_callback)
{
    struct rig r;
    struct alarm a = {.rig = &r, .again = 10};

    rig_init(&r);
    timer_init(&a.t, alarm_fire, &a);
    timer_set(&r.clock, &a.t, 5);
    r.ns = 100;
    clock_run(&r.clock); /* once: the new deadline lies ahead */
    ck_assert_uint_eq(a.fired, 1);
    ck_assert_uint_eq(clock_deadline(&r.clock), 110);
    rig_pass(&r, 30);
    ck_assert_uint_eq(a.fired, 4);
}
END_TEST

START_TEST(test_deadline_is_told)
{
    struct rig r;
    struct alarm a = {.rig = &r, .again = 50}, b = {.rig = &r};

    rig_init(&r);
    r.clock.deadline_changed = tell;
    tells = 0;
    timer_init(&a.t, alarm_fire, &a);
    timer_init(&b.t, alarm_fire, &b);
    timer_set(&r.clock, &a.t, 100);
    ck_assert_uint_eq(told, 100);
    timer_set(&r.clock, &b.t, 200);
    ck_assert_uint_eq(tells, 1); /* not the earliest */
    timer_set(&r.clock, &b.t, 20);
    ck_assert_uint_eq(told, 20);
    timer_set(&r.clock, &b.t, CLOCK_NEVER);
    ck_assert_uint_eq(told, 100);
    ck_assert_uint_eq(tells, 3);
    r.ns = 120;
    clock_run(&r.clock);
    ck_assert_uint_eq(told, 170);
    ck_assert_uint_eq(tells, 4);
    timer_set(&r.clock, &a.t, 170);
    ck_assert_uint_eq(tells, 4);
}
END_TEST

START_TEST(test_muldiv)
{
    ck_assert(muldiv64(UINT64_MAX, 3, 3) == UINT64_MAX);
    ck_assert(muldiv64(NS_PER_SEC * 86400 * 365, 1193182, NS_PER_SEC) ==
              UINT64_C(1193182) * 86400 * 365);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_order, test_rearm_in_callback, test_deadline_is_told,
                                  test_muldiv};

    return run_tests("clock", tests, ARRAY_SIZE(tests));
}
