/* The software TLB: what stays known, what stores report, what ends an entry. */
#include "mmu_rig.h"

enum { PD = 0x10000, PT = 0x11000, DATA = 0x400000, LARGE = 0x800000 };
#define LIN       0x00400000u
#define TABLE     0x0041f000u /* PT itself */
#define LARGE_LIN 0x80000000u

static const struct smmu_config calm = {.max_maps = 30000};

static void start(struct rig *r)
{
    rig_open(r);
    rig_start(r, &calm);
    put32(r, PD + 4, PT | P | W | U);
    put32(r, PD + 512 * 4, LARGE | P | W | PS);
    for (unsigned i = 0; i < 31; i++)
        put32(r, PT + i * 4, (DATA + i * 0x1000) | P | W | U);
    put32(r, PT + 31 * 4, PT | P | W);
    rig_paging(r, CR0_PG | CR0_WP, CR4_PSE, 0, PD);
}

static uint64_t walks(struct rig *r)
{
    return smmu_stats(r->m)->walks;
}

static uint32_t get(struct rig *r, uint32_t lin)
{
    uint64_t val;

    ck_assert(mem_read(r->c, lin, 4, &val));
    return (uint32_t)val;
}

static void set(struct rig *r, uint32_t lin, uint32_t val)
{
    ck_assert(mem_write(r->c, lin, 4, val));
}

static uint32_t through_window(struct rig *r, uint32_t lin)
{
    ck_assert_int_eq(smmu_fault(r->m, r->c, lin, ACC_READ, VIEW_KERNEL), SMMU_MAPPED);
    return *(const uint32_t *)(uintptr_t)(smmu_base(r->m, VIEW_KERNEL) + lin);
}

START_TEST(stores_to_a_table_walk_once)
{
    struct rig r;
    uint64_t before, synced;

    start(&r);
    put32(&r, DATA + 0x1000, 11);
    put32(&r, DATA + 0x2000, 22);
    ck_assert_uint_eq(through_window(&r, LIN), 0);
    set(&r, TABLE + 4, (DATA + 0x1000) | P | W | U | A | D); /* the table is traced */
    before = walks(&r);
    synced = smmu_stats(r.m)->synced_entries;
    set(&r, TABLE, (DATA + 0x1000) | P | W | U | A | D);
    ck_assert_uint_eq(walks(&r), before);
    ck_assert_uint_eq(smmu_stats(r.m)->synced_entries, synced + 1);
    ck_assert_uint_eq(through_window(&r, LIN), 11);
    set(&r, TABLE, (DATA + 0x2000) | P | W | U | A | D);
    ck_assert_uint_eq(through_window(&r, LIN), 22);
    rig_close(&r);
}
END_TEST

START_TEST(stores_to_code_are_heard_until_it_is_none)
{
    struct code_page page;
    struct rig r;
    uint64_t before;

    start(&r);
    set(&r, LIN, 1);
    ck_assert(smmu_fetch(r.m, r.c, LIN, &page));
    before = walks(&r);
    ck_assert_ptr_null(mem_ptr(r.c, LIN, 4, true, false));
    set(&r, LIN, 2);
    ck_assert_uint_eq(peek32(&r, DATA), 2);
    smmu_clear_code(r.m, page.frame);
    ck_assert_ptr_nonnull(mem_ptr(r.c, LIN, 4, true, false));
    ck_assert_uint_eq(walks(&r), before);
    rig_close(&r);
}
END_TEST

START_TEST(pages_without_d_or_rights_are_walked)
{
    struct rig r;
    uint64_t val;

    start(&r);
    put32(&r, PT + 4, (DATA + 0x1000) | P);
    ck_assert_uint_eq(get(&r, LIN), 0);
    set(&r, LIN, 1);
    ck_assert_uint_eq(peek32(&r, PT) & D, D);
    ck_assert(mem_read(r.c, LIN + 0x1000, 4, &val));
    ck_assert(!mem_write(r.c, LIN + 0x1000, 4, 1));
    rig_close(&r);
}
END_TEST

/* INVLPG ends all of a large page, and no more than that page elsewhere. */
START_TEST(invlpg_and_large_pages)
{
    struct rig r;
    uint64_t before;

    start(&r);
    put32(&r, LARGE + 0x5000, 5);
    put32(&r, LARGE + 0x405000, 6);
    ck_assert_uint_eq(get(&r, LARGE_LIN + 0x5000), 5);
    ck_assert_uint_eq(get(&r, LIN), 0);
    before = walks(&r);
    smmu_invlpg(r.m, r.c, LIN + 0x1000);
    smmu_invlpg(r.m, r.c, LARGE_LIN - 0x1000);
    smmu_invlpg(r.m, r.c, LARGE_LIN + 0x400000);
    ck_assert_uint_eq(get(&r, LARGE_LIN + 0x5000), 5);
    ck_assert_uint_eq(get(&r, LIN), 0);
    ck_assert_uint_eq(walks(&r), before);
    put32(&r, PD + 512 * 4, (LARGE + 0x400000) | P | W | PS);
    smmu_invlpg(r.m, r.c, LARGE_LIN + 0x3ff000);
    ck_assert_uint_eq(get(&r, LARGE_LIN + 0x5000), 6);
    rig_close(&r);
}
END_TEST

/* More entries than the list of them holds, and fewer. */
START_TEST(nothing_survives_cr3)
{
    struct rig r;

    start(&r);
    for (unsigned pages = 1; pages <= 1024; pages *= 4) {
        for (unsigned i = 0; i < pages; i++) {
            put32(&r, LARGE + i * 0x1000, i);
            put32(&r, LARGE + 0x400000 + i * 0x1000, i + 5000);
        }
        put32(&r, PD + 512 * 4, LARGE | P | W | PS);
        rig_cr3(&r, PD);
        for (unsigned i = 0; i < pages; i++)
            ck_assert_uint_eq(get(&r, LARGE_LIN + i * 0x1000), i);
        put32(&r, PD + 512 * 4, (LARGE + 0x400000) | P | W | PS);
        rig_cr3(&r, PD);
        for (unsigned i = 0; i < pages; i++)
            ck_assert_uint_eq(get(&r, LARGE_LIN + i * 0x1000), i + 5000);
    }
    rig_close(&r);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("softtlb");

    tcase_add_test(tc, stores_to_a_table_walk_once);
    tcase_add_test(tc, stores_to_code_are_heard_until_it_is_none);
    tcase_add_test(tc, pages_without_d_or_rights_are_walked);
    tcase_add_test(tc, invlpg_and_large_pages);
    tcase_add_test(tc, nothing_survives_cr3);
    return rig_main("softtlb", tc);
}
