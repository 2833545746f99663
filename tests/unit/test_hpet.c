#include "devices/hpet.h"

#include "dev_harness.h"

enum { CONFIG = 0x10, STATUS = 0x20, COUNTER = 0xf0, T0 = 0x100, T1 = 0x120, T2 = 0x140 };
enum { CMP = 8, ENABLE = 1, LEGACY = 2 };
enum {
    LEVEL = 1 << 1,
    INT = 1 << 2,
    PERIODIC = 1 << 3,
    VAL_SET = 1 << 6,
    MODE32 = 1 << 8,
    ROUTE20 = 20 << 9,
    ROUTE21 = 21 << 9,
};

struct board {
    struct rig rig;
    struct bus mmio;
    struct hpet hpet;
    struct probe gsi[32], legacy[2], replaces;
};

static void set_gsi(void *opaque, int pin, bool level)
{
    probe_set(&((struct board *)opaque)->gsi[pin], pin, level);
}

static void start(struct board *b)
{
    struct hpet_config cfg = {.clock = &b->rig.clock, .gsi = set_gsi, .opaque = b};

    memset(b, 0, sizeof(*b));
    rig_init(&b->rig);
    b->rig.ns = 12340;
    bus_init(&b->mmio, "mmio", NULL);
    cfg.legacy[0] = probe_line(&b->legacy[0]);
    cfg.legacy[1] = probe_line(&b->legacy[1]);
    cfg.replaces = probe_line(&b->replaces);
    hpet_init(&b->hpet, &cfg);
    ck_assert_int_eq(hpet_attach(&b->hpet, &b->mmio), 0);
}

static void wr(struct board *b, uint32_t reg, uint32_t val)
{
    bus_write(&b->mmio, HPET_BASE + reg, 4, val);
}

static uint32_t rd(struct board *b, uint32_t reg)
{
    return (uint32_t)bus_read(&b->mmio, HPET_BASE + reg, 4);
}

static uint64_t rd64(struct board *b, uint32_t reg)
{
    return bus_read(&b->mmio, HPET_BASE + reg, 8);
}

static void wr64(struct board *b, uint32_t reg, uint64_t val)
{
    bus_write(&b->mmio, HPET_BASE + reg, 8, val);
}

static void pass_ticks(struct board *b, uint64_t n)
{
    rig_pass(&b->rig, n * HPET_TICK_NS);
}

START_TEST(test_identity)
{
    struct board b;

    start(&b);
    ck_assert_uint_eq(rd(&b, 0), 0x8086a201);
    ck_assert_uint_eq(rd(&b, 4), 10000000); /* 10 ns in fs */
    for (uint32_t t = T0; t <= T2; t += 0x20) {
        ck_assert_uint_eq(rd(&b, t), 1 << 4 | 1 << 5);
        ck_assert_uint_eq(rd(&b, t + 4), 0x00f00000);
        ck_assert(rd64(&b, t + CMP) == UINT64_MAX);
        wr(&b, t, 0xffffffff);
        ck_assert_uint_eq(rd(&b, t), 0x3f3e); /* no FSB delivery */
    }
    wr(&b, CONFIG, 0xfffffffc);
    ck_assert_uint_eq(rd(&b, CONFIG), 0);
    ck_assert_uint_eq(rd(&b, 0x160), 0); /* no fourth comparator */
    wr(&b, 0, 0);
    ck_assert_uint_eq(rd(&b, 0), 0x8086a201);
}
END_TEST

START_TEST(test_counter)
{
    struct board b;

    start(&b);
    pass_ticks(&b, 100);
    ck_assert(rd64(&b, COUNTER) == 0); /* halted */
    wr64(&b, COUNTER, UINT64_C(0x1fffffff0));
    ck_assert(rd64(&b, COUNTER) == UINT64_C(0x1fffffff0));
    wr(&b, CONFIG, ENABLE);
    pass_ticks(&b, 8);
    ck_assert(rd64(&b, COUNTER) == UINT64_C(0x1fffffff8));
    wr(&b, COUNTER, 0); /* only the halted one can be written */
    pass_ticks(&b, 8);
    ck_assert(rd64(&b, COUNTER) == UINT64_C(0x200000000));
    wr(&b, CONFIG, ENABLE | LEGACY);
    ck_assert(rd64(&b, COUNTER) == UINT64_C(0x200000000));
    wr(&b, CONFIG, 0);
    pass_ticks(&b, 1000);
    ck_assert(rd64(&b, COUNTER) == UINT64_C(0x200000000));
    wr(&b, CONFIG, ENABLE);
    pass_ticks(&b, 1);
    ck_assert(rd64(&b, COUNTER) == UINT64_C(0x200000001));
    /* The high half goes with the low half read before it. */
    wr(&b, CONFIG, 0);
    wr64(&b, COUNTER, UINT64_C(0x2ffffffff));
    wr(&b, CONFIG, ENABLE);
    ck_assert_uint_eq(rd(&b, COUNTER), 0xffffffff);
    pass_ticks(&b, 5);
    ck_assert_uint_eq(rd(&b, COUNTER + 4), 2);
    ck_assert_uint_eq(rd(&b, COUNTER + 4), 3);
}
END_TEST

START_TEST(test_one_shot)
{
    struct board b;

    start(&b);
    wr(&b, T2, INT | ROUTE21);
    wr64(&b, T2 + CMP, 1000);
    wr(&b, CONFIG, ENABLE);
    pass_ticks(&b, 999);
    ck_assert_uint_eq(b.gsi[21].rises, 0);
    pass_ticks(&b, 1);
    ck_assert_uint_eq(b.gsi[21].rises, 1);
    ck_assert(!b.gsi[21].level);
    pass_ticks(&b, UINT64_C(1) << 34);
    ck_assert_uint_eq(b.gsi[21].rises, 1);
    wr64(&b, T2 + CMP, 5); /* past: when the counter comes round */
    pass_ticks(&b, UINT64_C(1) << 34);
    ck_assert_uint_eq(b.gsi[21].rises, 1);
    wr(&b, T2, INT | ROUTE21 | MODE32); /* that is soon with 32 bits */
    wr(&b, T2 + CMP, rd(&b, COUNTER) - 1);
    pass_ticks(&b, (UINT64_C(1) << 32) - 2);
    ck_assert_uint_eq(b.gsi[21].rises, 1);
    pass_ticks(&b, 1);
    ck_assert_uint_eq(b.gsi[21].rises, 2);
    pass_ticks(&b, UINT64_C(1) << 32);
    ck_assert_uint_eq(b.gsi[21].rises, 3);
    wr(&b, T2, ROUTE21 | MODE32); /* not enabled */
    pass_ticks(&b, UINT64_C(1) << 33);
    ck_assert_uint_eq(b.gsi[21].rises, 3);
    ck_assert(clock_deadline(&b.rig.clock) == CLOCK_NEVER);
    wr(&b, T2, INT | 3 << 9); /* not a route it has */
    wr64(&b, T2 + CMP, rd64(&b, COUNTER) + 10);
    pass_ticks(&b, 100);
    ck_assert_uint_eq(b.gsi[3].rises, 0);
}
END_TEST

/* hpet_set_periodic() of Linux: the comparator with VAL_SET, then the period. */
START_TEST(test_periodic)
{
    struct board b;

    start(&b);
    wr(&b, CONFIG, ENABLE);
    pass_ticks(&b, 77);
    wr(&b, T0, INT | PERIODIC | VAL_SET | MODE32 | ROUTE20);
    wr(&b, T0 + CMP, rd(&b, COUNTER) + 5000);
    wr(&b, T0 + CMP, 100000);
    ck_assert_uint_eq(rd(&b, T0) & VAL_SET, 0);
    pass_ticks(&b, 4999);
    ck_assert_uint_eq(b.gsi[20].rises, 0);
    pass_ticks(&b, 1);
    ck_assert_uint_eq(b.gsi[20].rises, 1);
    ck_assert_uint_eq(rd(&b, T0 + CMP), 77 + 105000);
    pass_ticks(&b, 100000 * 1000);
    ck_assert_uint_eq(b.gsi[20].rises, 1001);
    b.rig.ns += 10 * 100000 * HPET_TICK_NS; /* a late host: one for all */
    clock_run(&b.rig.clock);
    ck_assert_uint_eq(b.gsi[20].rises, 1002);
    /* One 64-bit write after VAL_SET sets both. */
    wr(&b, CONFIG, 0);
    wr64(&b, COUNTER, 0);
    wr(&b, T0, INT | PERIODIC | VAL_SET | ROUTE20);
    wr64(&b, T0 + CMP, 2000);
    wr(&b, CONFIG, ENABLE);
    pass_ticks(&b, 20000);
    ck_assert_uint_eq(b.gsi[20].rises, 1012);
    wr(&b, T0 + CMP, 0); /* no period: no more */
    pass_ticks(&b, 20000);
    ck_assert_uint_le(b.gsi[20].rises, 1013);
}
END_TEST

START_TEST(test_short_period)
{
    struct board b;

    start(&b);
    wr(&b, T0, INT | PERIODIC | VAL_SET | ROUTE20);
    wr64(&b, T0 + CMP, 1);
    wr(&b, CONFIG, ENABLE);
    rig_pass(&b.rig, 1000000);
    ck_assert_uint_le(b.gsi[20].rises, 1000000 / HPET_GAP_NS + 1);
    /* The counter wraps. */
    wr(&b, CONFIG, 0);
    wr64(&b, COUNTER, UINT64_MAX - 10);
    wr(&b, T0, INT | ROUTE21);
    wr64(&b, T0 + CMP, 20);
    wr(&b, CONFIG, ENABLE);
    pass_ticks(&b, 30);
    ck_assert_uint_eq(b.gsi[21].rises, 0);
    pass_ticks(&b, 1);
    ck_assert_uint_eq(b.gsi[21].rises, 1);
}
END_TEST

START_TEST(test_level)
{
    struct board b;

    start(&b);
    wr(&b, T1, INT | LEVEL | ROUTE20);
    wr64(&b, T1 + CMP, 100);
    wr(&b, CONFIG, ENABLE);
    pass_ticks(&b, 100);
    ck_assert(b.gsi[20].level);
    ck_assert_uint_eq(rd(&b, STATUS), 1 << 1);
    wr(&b, STATUS, 1 << 0);
    ck_assert(b.gsi[20].level);
    wr(&b, T1, INT | LEVEL | ROUTE21); /* moves with its route */
    ck_assert(!b.gsi[20].level && b.gsi[21].level);
    wr(&b, T2, INT | LEVEL | ROUTE21); /* shared */
    wr64(&b, T2 + CMP, rd64(&b, COUNTER) + 10);
    pass_ticks(&b, 10);
    wr(&b, STATUS, 1 << 1);
    ck_assert(b.gsi[21].level);
    wr(&b, STATUS, 1 << 2);
    ck_assert(!b.gsi[21].level);
    wr(&b, T1, LEVEL | ROUTE20); /* status without interrupt */
    wr64(&b, T1 + CMP, rd64(&b, COUNTER) + 10);
    pass_ticks(&b, 20);
    ck_assert_uint_eq(rd(&b, STATUS), 1 << 1);
    ck_assert(!b.gsi[20].level);
    wr(&b, T1, INT | LEVEL | ROUTE20);
    ck_assert(b.gsi[20].level);
    wr(&b, CONFIG, 0); /* halted: no interrupts */
    ck_assert(!b.gsi[20].level);
    wr(&b, CONFIG, ENABLE);
    ck_assert(b.gsi[20].level);
    wr(&b, T1, INT | ROUTE20); /* edge: has no status */
    ck_assert(!b.gsi[20].level);
    ck_assert_uint_eq(rd(&b, STATUS), 0);
}
END_TEST

START_TEST(test_legacy)
{
    struct board b;

    start(&b);
    wr(&b, CONFIG, ENABLE | LEGACY);
    ck_assert(b.replaces.level);
    wr(&b, T0, INT);
    ck_assert(!b.legacy[0].level); /* enabling is no event */
    wr64(&b, T0 + CMP, rd64(&b, COUNTER) + 100);
    pass_ticks(&b, 100);
    ck_assert_uint_eq(b.legacy[0].rises, 1);
    ck_assert(b.legacy[0].level); /* held for the 8259A */
    wr64(&b, T0 + CMP, rd64(&b, COUNTER) + 1000);
    pass_ticks(&b, 1000);
    ck_assert_uint_eq(b.legacy[0].rises, 2);
    wr(&b, T1, INT);
    wr64(&b, T1 + CMP, rd64(&b, COUNTER) + 100);
    wr(&b, T2, INT | ROUTE20);
    wr64(&b, T2 + CMP, rd64(&b, COUNTER) + 100);
    pass_ticks(&b, 100);
    ck_assert_uint_eq(b.legacy[1].rises, 1);
    ck_assert_uint_eq(b.gsi[20].rises, 1); /* the third is routed always */
    wr(&b, T0, 0);
    ck_assert(!b.legacy[0].level);
    wr(&b, CONFIG, ENABLE);
    ck_assert(!b.replaces.level && !b.legacy[1].level);
    wr(&b, CONFIG, ENABLE | LEGACY);
    ck_assert(!b.legacy[1].level);
    hpet_class.reset(&b.hpet);
    ck_assert(!b.replaces.level);
}
END_TEST

START_TEST(test_round_trip)
{
    struct board b, c;

    start(&b);
    start(&c);
    wr(&b, T1, INT | LEVEL | ROUTE20);
    wr64(&b, T1 + CMP, 100);
    wr(&b, T0, INT | PERIODIC | VAL_SET);
    wr64(&b, T0 + CMP, 12345);
    wr(&b, CONFIG, ENABLE | LEGACY);
    pass_ticks(&b, 20000);
    c.rig.ns = b.rig.ns;
    round_trip(&hpet_class, &b.hpet, &c.hpet, true);
    ck_assert(c.legacy[0].level && c.legacy[1].level && c.replaces.level);
    ck_assert(rd64(&c, COUNTER) == rd64(&b, COUNTER));
    ck_assert(clock_deadline(&c.rig.clock) == clock_deadline(&b.rig.clock));
    start(&c);
    reset_equals_fresh(&hpet_class, &b.hpet, &c.hpet);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_identity,     test_counter, test_one_shot, test_periodic,
                                  test_short_period, test_level,   test_legacy,   test_round_trip};

    return run_tests("hpet", tests, ARRAY_SIZE(tests));
}
