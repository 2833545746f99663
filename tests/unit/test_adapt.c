/* When a site that faults is translated otherwise, and that all blocks it stands in are told. */
#include <check.h>

#include "bt_rig.h"

enum { FRAME = 16, SITE = 0x123, LIMIT = 256 };

static struct bt_rig rig;

static void open_rig(void)
{
    ck_assert_int_eq(bt_rig_open(&rig), 0);
}

static void close_rig(void)
{
    bt_rig_close(&rig);
}

/* Faults until the translation changes. */
static unsigned faults_until_adapted(enum smmu_verdict v)
{
    unsigned n = 1;

    while (!bt_adapt_count(rig.e, FRAME, SITE, v) && n < LIMIT)
        n++;
    ck_assert_uint_lt(n, LIMIT);
    return n;
}

static unsigned views_until_simulated(void)
{
    unsigned n = 0;

    for (; bt_adapt_of(rig.e, FRAME, SITE) != ADAPT_SIMULATE && n < LIMIT; n++)
        bt_adapt_count(rig.e, FRAME, SITE, SMMU_VIEW);
    ck_assert_uint_lt(n, LIMIT);
    return n;
}

START_TEST(test_simulated)
{
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE), ADAPT_NONE);
    ck_assert_uint_gt(faults_until_adapted(SMMU_MMIO), 1);
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE), ADAPT_SIMULATE);
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE + 1), ADAPT_NONE);
    ck_assert_uint_eq(rig.e->stats.adapted[ADAPT_SIMULATE], 1);
}
END_TEST

/* The first block was dropped; one that was translated before, from another address, faults on. */
START_TEST(test_second_block)
{
    faults_until_adapted(SMMU_TRACED);
    ck_assert(bt_adapt_count(rig.e, FRAME, SITE, SMMU_TRACED));
    ck_assert(bt_adapt_count(rig.e, FRAME, SITE, SMMU_VIEW));
    ck_assert_uint_eq(rig.e->stats.adapted[ADAPT_SIMULATE], 1);
}
END_TEST

START_TEST(test_view_then_simulated)
{
    faults_until_adapted(SMMU_VIEW);
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE), ADAPT_VIEW);
    /* another block, translated before, is made anew */
    ck_assert(bt_adapt_count(rig.e, FRAME, SITE, SMMU_VIEW));
    ck_assert(!bt_adapt_count(rig.e, FRAME, SITE, SMMU_VIEW));
    ck_assert_uint_gt(views_until_simulated(), 16);
}
END_TEST

/* At once; what faults on is simulated after all. */
START_TEST(test_wraps)
{
    unsigned n = 1;

    ck_assert(bt_adapt_wraps(rig.e, FRAME, SITE));
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE), ADAPT_WRAP);
    ck_assert(bt_adapt_any(rig.e, FRAME));
    while (!bt_adapt_wraps(rig.e, FRAME, SITE) && n < LIMIT)
        n++;
    ck_assert_uint_gt(n, 1);
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE), ADAPT_SIMULATE);
    ck_assert_uint_eq(rig.e->stats.adapted[ADAPT_WRAP], 1);
}
END_TEST

/* Faults that the guest's page tables explain are no fault of the site. */
START_TEST(test_mapped)
{
    for (unsigned n = 0; n < LIMIT; n++)
        ck_assert(!bt_adapt_count(rig.e, FRAME, SITE, SMMU_MAPPED));
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE), ADAPT_NONE);
}
END_TEST

/* A block at `rip`, of which the site is an instruction. */
static struct bt_block *block(uint64_t rip)
{
    static const uint8_t code[] = {0x90, 0x90, 0x8b, 0x03, 0xf4}; /* mov eax, [ebx] */
    struct bt_block *b = bt_rig_translate(&rig, rip, BT_RIG_MODE, code, sizeof(code), false);

    ck_assert_ptr_nonnull(b);
    return b;
}

static void run(const struct bt_block *b, unsigned n, bool faulted)
{
    while (n--)
        bt_trial_ran(rig.e, 0x1000 + SITE, b->entry, faulted, true);
}

/* Its own faults are the guest's affair, but eight signals are enough. */
START_TEST(test_own_faults)
{
    struct bt_block *b;

    ck_assert_uint_eq(faults_until_adapted(SMMU_TRUE), 8);
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE), ADAPT_SIMULATE);
    b = block(0x1000 + SITE);
    run(b, 1000, true);
    for (unsigned n = 0; n < 100; n++) {
        run(b, 1, true);
        run(b, 30, false);
    }
    ck_assert(b->valid);
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE), ADAPT_SIMULATE);
}
END_TEST

START_TEST(test_own_faults_rare)
{
    struct bt_block *b, *other;

    faults_until_adapted(SMMU_TRUE);
    b = block(0x1000 + SITE);
    other = block(0x1000 + SITE - 2);
    run(other, 1, true);
    run(b, 1, true);
    run(b, 253, false);
    ck_assert(b->valid);
    run(b, 1, false);
    ck_assert(!b->valid);
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE), ADAPT_NONE);
    ck_assert(other->valid);
    run(other, 1, false);
    ck_assert(!other->valid);
    ck_assert_uint_eq(rig.e->stats.reverted, 1);
    /* and it takes twice as many now */
    ck_assert_uint_eq(faults_until_adapted(SMMU_TRUE), 16);
}
END_TEST

/* A copying loop that wrote into code a few times runs as it is when it does no more; the next
 * trial takes longer. */
START_TEST(test_code_passes)
{
    struct bt_block *b;

    faults_until_adapted(SMMU_CODE);
    b = block(0x1000 + SITE);
    run(b, 255, false);
    ck_assert(b->valid);
    run(b, 1, false);
    ck_assert(!b->valid);
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE), ADAPT_NONE);
    faults_until_adapted(SMMU_CODE);
    b = block(0x1000 + SITE);
    run(b, 511, false);
    ck_assert(b->valid);
    run(b, 1, false);
    ck_assert(!b->valid);
    faults_until_adapted(SMMU_CODE);
    b = block(0x1000 + SITE);
    for (unsigned n = 0; n < 100; n++) {
        run(b, 1, true);
        run(b, 30, false);
    }
    ck_assert(b->valid);
}
END_TEST

/* What it was before it was simulated, it is afterwards. */
START_TEST(test_view_again)
{
    faults_until_adapted(SMMU_VIEW);
    views_until_simulated();
    run(block(0x1000 + SITE), 256, false);
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE), ADAPT_VIEW);
}
END_TEST

/* A driver's register is one for ever. */
START_TEST(test_mmio_stays)
{
    struct bt_block *b;

    faults_until_adapted(SMMU_MMIO);
    b = block(0x1000 + SITE);
    run(b, 1000, true);
    ck_assert(b->valid);
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE), ADAPT_SIMULATE);
}
END_TEST

/* Four now and then are none. */
START_TEST(test_seldom)
{
    for (unsigned n = 0; n < 20; n++) {
        uint64_t from = __builtin_ia32_rdtsc();

        ck_assert(!bt_adapt_count(rig.e, FRAME, SITE, SMMU_REMAPPED));
        while (__builtin_ia32_rdtsc() - from < 1 << 23)
            continue;
    }
    ck_assert_int_eq(bt_adapt_of(rig.e, FRAME, SITE), ADAPT_NONE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("adapt");
    TCase *tc = tcase_create("adapt");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, open_rig, close_rig);
    tcase_add_test(tc, test_simulated);
    tcase_add_test(tc, test_second_block);
    tcase_add_test(tc, test_view_then_simulated);
    tcase_add_test(tc, test_wraps);
    tcase_add_test(tc, test_mapped);
    tcase_add_test(tc, test_own_faults);
    tcase_add_test(tc, test_own_faults_rare);
    tcase_add_test(tc, test_code_passes);
    tcase_add_test(tc, test_view_again);
    tcase_add_test(tc, test_mmio_stays);
    tcase_add_test(tc, test_seldom);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
