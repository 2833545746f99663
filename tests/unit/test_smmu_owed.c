/* What stores to traced tables take away: until when it may stay, and by how many calls it goes. */
#include "mmu_window.h"

enum { PD1 = 0x10000, PD2 = 0x11000, UPT1 = 0x12000, UPT2 = 0x13000, KPT = 0x14000 };
enum { UDATA = 0x400000, ULIN = 0x00400000 };
#define TABLES 0xc0200000u /* the tables, linear, for the kernel */

static const struct smmu_config calm = {.max_maps = 30000};

static void start(struct rig *r)
{
    rig_open(r);
    rig_start(r, &calm);
    for (unsigned i = 0; i < 2; i++) {
        put32(r, (i ? PD2 : PD1) + 4, (i ? UPT2 : UPT1) | P | W | U);
        put32(r, (i ? PD2 : PD1) + 768 * 4, KPT | P | W | U);
    }
    for (unsigned i = 0; i < 32; i++) {
        put32(r, UPT1 + i * 4, (UDATA + i * 0x1000) | P | W | U | A | D);
        put32(r, UPT2 + i * 4, (UDATA + 0x40000 + i * 0x1000) | P | W | U | A | D);
    }
    for (unsigned i = 0; i < 5; i++)
        put32(r, KPT + (512 + i) * 4, (PD1 + i * 0x1000) | P | W | A | D);
    rig_paging(r, CR0_PG | CR0_WP, CR4_PSE, 0, PD1);
    window_open(r);
    rig_cr3(r, PD2); /* a second space: no longer unified */
    rig_cr3(r, PD1);
}

static bool allowed(struct rig *r, unsigned page, bool write)
{
    uint32_t val = 0;

    return guest_access(r, 3, ULIN + page * 0x1000, write, &val) == OUT_OK;
}

static void pte(struct rig *r, unsigned idx, uint32_t val)
{
    ck_assert_int_eq(guest_access(r, 0, TABLES + (UPT1 - PD1) + idx * 4, true, &val), OUT_OK);
}

static const struct smmu_stats *st(struct rig *r)
{
    return smmu_stats(r->m);
}

START_TEST(neighbours_go_by_one_call)
{
    uint64_t calls;
    struct rig r;

    start(&r);
    ck_assert(allowed(&r, 0, true)); /* the whole run */
    pte(&r, 20, 0);                  /* shows no more than before: no reason to go unsynced */
    calls = st(&r)->protects;
    pte(&r, 4, (UDATA + 0x4000) | P | U | A | D);
    pte(&r, 5, (UDATA + 0x5000) | P | U | A | D);
    ck_assert_uint_eq(st(&r)->protects, calls);
    rig_cr3(&r, PD1);
    ck_assert_uint_eq(st(&r)->protects, calls + 1);
    for (unsigned i = 3; i < 7; i++)
        ck_assert(allowed(&r, i, true) == (i < 4 || i > 5));
    ck_assert(allowed(&r, 4, false));
    rig_close(&r);
}
END_TEST

START_TEST(invlpg_ends_its_page)
{
    struct rig r;

    start(&r);
    ck_assert(allowed(&r, 0, true));
    pte(&r, 4, 0);
    pte(&r, 9, 0);
    smmu_invlpg(r.m, r.c, ULIN + 0x4000);
    ck_assert(!allowed(&r, 4, false));
    smmu_invlpg(r.m, r.c, ULIN + 0x9000);
    ck_assert(!allowed(&r, 9, false));
    rig_close(&r);
}
END_TEST

/* The table of a space that is not current: it is true when the space is. */
START_TEST(another_space)
{
    struct rig r;

    start(&r);
    ck_assert(allowed(&r, 0, true));
    rig_cr3(&r, PD2);
    pte(&r, 4, 0);
    rig_cr3(&r, PD1);
    ck_assert(!allowed(&r, 4, false));
    ck_assert(allowed(&r, 5, false));
    rig_close(&r);
}
END_TEST

START_TEST(what_is_replaced_goes_at_once)
{
    uint32_t val = 0;
    struct rig r;

    start(&r);
    put32(&r, UDATA + 0x30000, 0x30);
    ck_assert(allowed(&r, 4, true));
    pte(&r, 4, 0);
    pte(&r, 4, (UDATA + 0x30000) | P | W | U | A | D);
    ck_assert_int_eq(guest_access(&r, 3, ULIN + 0x4000, false, &val), OUT_OK);
    ck_assert_uint_eq(val, 0x30);
    rig_close(&r);
}
END_TEST

/* A table whose directory entry goes is none any more, whatever is owed of it. */
START_TEST(the_table_goes_first)
{
    uint32_t val = 0;
    struct rig r;

    start(&r);
    ck_assert(allowed(&r, 0, true));
    pte(&r, 4, 0);
    ck_assert_int_eq(guest_access(&r, 0, TABLES + 4, true, &val), OUT_OK);
    ck_assert(!allowed(&r, 5, false));
    for (unsigned i = 0; i < 32; i++)
        put32(&r, UPT1 + i * 4, 0xffffffff);
    rig_cr3(&r, PD1);
    put32(&r, PD1 + 4, UPT2 | P | W | U);
    ck_assert(allowed(&r, 4, true));
    rig_close(&r);
}
END_TEST

/* Pages that come and go are found, also when what takes them is the directory. */
START_TEST(remapped_too_often)
{
    enum { TURNS = 4000 };
    uint32_t none = 0, table = UPT1 | P | W | U;
    uint64_t maps;
    struct rig r;

    start(&r);
    for (unsigned i = 0; i < 32; i++)
        put32(&r, UPT1 + i * 4, 0);
    maps = st(&r)->maps;
    for (unsigned i = 0; i < TURNS; i++) {
        pte(&r, 4, (UDATA + 0x4000) | P | W | U | A | D);
        ck_assert(allowed(&r, 4, true));
        pte(&r, 4, 0);
        ck_assert_int_eq(guest_access(&r, 0, TABLES + 4, true, &none), OUT_OK);
        ck_assert_int_eq(guest_access(&r, 0, TABLES + 4, true, &table), OUT_OK);
    }
    ck_assert_uint_lt(st(&r)->maps - maps, TURNS * 3 / 4);
    rig_close(&r);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("smmu_owed");

    tcase_add_test(tc, neighbours_go_by_one_call);
    tcase_add_test(tc, invlpg_ends_its_page);
    tcase_add_test(tc, another_space);
    tcase_add_test(tc, what_is_replaced_goes_at_once);
    tcase_add_test(tc, the_table_goes_first);
    tcase_add_test(tc, remapped_too_often);
    return rig_main("smmu_owed", tc);
}
