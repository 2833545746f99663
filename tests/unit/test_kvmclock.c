#include "devices/kvmclock.h"

#include "base/bits.h"
#include "dev_harness.h"

enum { RAM = 1 << 20, SYSTEM = 0x2000, WALL = 0x3004 };

struct board {
    struct rig rig;
    struct physmem mem;
    uint8_t *ram;
    struct kvmclock clock;
    uint32_t khz;
    uint64_t tsc_offset;
};

static uint64_t tsc(void *opaque)
{
    const struct board *b = opaque;

    return muldiv64(b->rig.ns, b->khz, 1000000) + b->tsc_offset;
}

static uint64_t wallclock(void *opaque)
{
    return UINT64_C(1700000000123456789) + ((const struct board *)opaque)->rig.ns;
}

static void start(struct board *b, uint32_t khz)
{
    const struct kvmclock_config cfg = {
        .clock = &b->rig.clock,
        .mem = &b->mem,
        .tsc = tsc,
        .wallclock = wallclock,
        .opaque = b,
        .tsc_khz = khz,
        .stable = true,
    };

    memset(b, 0, sizeof(*b));
    rig_init(&b->rig);
    b->rig.ns = 5 * NS_PER_SEC;
    b->khz = khz;
    b->ram = calloc(1, RAM);
    physmem_init(&b->mem, b->ram, -1, RAM, NULL);
    kvmclock_init(&b->clock, &cfg);
}

/* As a guest reads it: msr.rst, MSR_KVM_SYSTEM_TIME_NEW. */
static uint64_t guest_ns(const struct board *b)
{
    const uint8_t *s = b->ram + SYSTEM;
    uint64_t d = tsc((void *)b) - ld64(s + 8);
    int8_t shift = (int8_t)s[28];

    ck_assert_uint_eq(ld32(s) & 1, 0);
    d = shift < 0 ? d >> -shift : d << shift;
    return (uint64_t)((unsigned __int128)d * ld32(s + 24) >> 32) + ld64(s + 16);
}

static void check_time(const struct board *b)
{
    int64_t off = (int64_t)(guest_ns(b) - b->rig.ns);

    ck_assert_msg(off >= -1000 && off <= 1000, "%ld ns off at %u kHz", (long)off, b->khz);
}

START_TEST(test_time)
{
    static const uint32_t khz[] = {100000, 999999, 1000000, 1999999, 2000000, 2793438, 5000000};
    struct board b;

    for (unsigned i = 0; i < ARRAY_SIZE(khz); i++) {
        start(&b, khz[i]);
        kvmclock_write(&b.clock, KVMCLOCK_MSR_SYSTEM, SYSTEM | 1);
        check_time(&b);
        ck_assert_uint_eq(b.ram[SYSTEM + 29], 1);
        ck_assert_uint_ge(ld32(b.ram + SYSTEM + 24), UINT32_C(1) << 31);
        rig_pass(&b.rig, 1000 * NS_PER_SEC);
        check_time(&b);
        free(b.ram);
    }
}
END_TEST

START_TEST(test_tsc_moved)
{
    struct board b;
    uint32_t version;

    start(&b, 2793438);
    kvmclock_tsc_moved(&b.clock); /* not enabled: nothing is written */
    kvmclock_write(&b.clock, KVMCLOCK_MSR_SYSTEM, SYSTEM | 1);
    version = ld32(b.ram + SYSTEM);
    b.tsc_offset = 123456789012;
    kvmclock_tsc_moved(&b.clock);
    ck_assert_uint_gt(ld32(b.ram + SYSTEM), version);
    check_time(&b);
    kvmclock_write(&b.clock, KVMCLOCK_MSR_SYSTEM, 0);
    ck_assert_uint_eq(kvmclock_read(&b.clock, KVMCLOCK_MSR_SYSTEM), 0);
    memset(b.ram, 0, RAM);
    kvmclock_tsc_moved(&b.clock);
    ck_assert_uint_eq(ld32(b.ram + SYSTEM), 0);
    ck_assert_uint_eq(ld32(b.ram), 0);
    free(b.ram);
}
END_TEST

START_TEST(test_wall)
{
    struct board b;

    start(&b, 2793438);
    kvmclock_write(&b.clock, KVMCLOCK_MSR_WALL, WALL);
    ck_assert_uint_eq(kvmclock_read(&b.clock, KVMCLOCK_MSR_WALL), WALL);
    ck_assert_uint_eq(ld32(b.ram + WALL) & 1, 0);
    ck_assert_uint_eq(ld32(b.ram + WALL + 4), 1700000000);
    ck_assert_uint_eq(ld32(b.ram + WALL + 8), 123456789);
    free(b.ram);
}
END_TEST

START_TEST(test_bad_addresses)
{
    static const uint64_t bad[] = {RAM - 8, RAM, 0xfee00000, UINT64_MAX - 3};
    struct board b;

    start(&b, 2793438);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        kvmclock_write(&b.clock, KVMCLOCK_MSR_SYSTEM, bad[i] | 1);
        kvmclock_write(&b.clock, KVMCLOCK_MSR_WALL, bad[i]);
        kvmclock_tsc_moved(&b.clock);
    }
    for (unsigned i = 0; i < RAM; i++)
        ck_assert_uint_eq(b.ram[i], 0);
    free(b.ram);
}
END_TEST

START_TEST(test_round_trip)
{
    struct board b, c;

    start(&b, 2793438);
    start(&c, 2793438);
    kvmclock_write(&b.clock, KVMCLOCK_MSR_SYSTEM, SYSTEM | 1);
    round_trip(&kvmclock_class, &b.clock, &c.clock, true);
    free(c.ram);
    start(&c, 2793438);
    reset_equals_fresh(&kvmclock_class, &b.clock, &c.clock);
    free(b.ram);
    free(c.ram);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_time, test_tsc_moved, test_wall, test_bad_addresses,
                                  test_round_trip};

    return run_tests("kvmclock", tests, ARRAY_SIZE(tests));
}
