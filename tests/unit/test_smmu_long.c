/* The shadow MMU in long mode, case by case. */
#include "smmu_long_rig.h"

enum { PML4A = 0x10000, PML4B = 0x11000, DATA = 0x400000 };
#define ULIN   UINT64_C(0x00007f1234567000)
#define LOWLIN UINT64_C(0x0000000000401000)
#define KLIN   UINT64_C(0xffff888000100000)
#define TEXT   UINT64_C(0xffffffff81000000)
#define TABLES UINT64_C(0xffffffffc0000000) /* the first MiB of RAM, for the kernel's stores */

static const struct smmu_config calm = {.max_maps = 30000};

/* Two spaces with kernel halves of the same tables. */
static void start(struct rig *r)
{
    long_rig_open(r, &calm);
    for (unsigned i = 0; i < 256; i++)
        long_map(r, PML4A, TABLES + i * 0x1000, i * 0x1000 | P | W | A | D);
    for (unsigned i = 0; i < 16; i++) {
        long_map(r, PML4A, KLIN + i * 0x1000, (DATA + i * 0x1000) | P | W);
        long_map(r, PML4A, TEXT + i * 0x1000, (DATA + 0x10000 + i * 0x1000) | P | W);
        long_map(r, PML4A, ULIN + i * 0x1000, (DATA + 0x20000 + i * 0x1000) | P | W | U);
        long_map(r, PML4B, ULIN + i * 0x1000, (DATA + 0x30000 + i * 0x1000) | P | W | U);
        long_map(r, PML4A, LOWLIN + i * 0x1000, (DATA + 0x40000 + i * 0x1000) | P | W | U);
    }
    for (unsigned i = 256; i < 512; i++)
        put64(r, PML4B + i * 8, peek64(r, PML4A + i * 8));
    long_rig_start(r, PML4A);
}

static uint32_t get(struct rig *r, unsigned cpl, gva_t lin)
{
    uint32_t val = 0;

    ck_assert_int_eq(long_access(r, cpl, lin, false, &val), OUT_OK);
    return val;
}

static void set(struct rig *r, unsigned cpl, gva_t lin, uint32_t val)
{
    ck_assert_int_eq(long_access(r, cpl, lin, true, &val), OUT_OK);
}

static bool denied(struct rig *r, unsigned cpl, gva_t lin, bool write)
{
    uint32_t val = 0;

    return long_access(r, cpl, lin, write, &val) == OUT_PF;
}

/* The guest's kernel stores to a table. */
static void store(struct rig *r, gpa_t pa, uint64_t val)
{
    set(r, 0, TABLES + pa, (uint32_t)val);
    set(r, 0, TABLES + pa + 4, (uint32_t)(val >> 32));
}

static const struct smmu_stats *st(struct rig *r)
{
    return smmu_stats(r->m);
}

START_TEST(tables_start_null)
{
    struct rig r;

    start(&r);
    ck_assert_uint_eq(long_check_tables(&r), 0);
    ck_assert_uint_eq(smmu_delta(r.m, SMMU_USER, KLIN),
                      slot_base(0) - (KLIN & ~UINT64_C(0xffffffff)));
    long_rig_close(&r);
}
END_TEST

START_TEST(hot_data_is_an_alias)
{
    struct rig r;

    start(&r);
    r.c->cr4 |= CR4_SMAP;
    smmu_paging_changed(r.m, r.c);
    for (unsigned t = 0; t < SMMU_TABLES; t++) {
        volatile uint32_t *hot = (volatile uint32_t *)(uintptr_t)smmu_block(r.m, t);
        uint32_t val = 0x1234 + t;

        ck_assert_int_eq(pwrite(lwin.hot, &val, 4, 0x1004), 4);
        ck_assert_uint_eq(hot[0x1004 / 4], val);
        hot[0] = val;
        ck_assert_int_eq(pread(lwin.hot, &val, 4, 0), 4);
        ck_assert_uint_eq(val, 0x1234 + t);
    }
    long_rig_close(&r);
}
END_TEST

START_TEST(read_write_and_rights)
{
    struct rig r;
    uint64_t changed;

    start(&r);
    put32(&r, DATA + 0x20010, 42);
    ck_assert_uint_eq(get(&r, 3, ULIN + 0x10), 42);
    ck_assert_uint_eq(lwin.tables, 1);
    ck_assert_uint_eq(long_check_tables(&r), 2); /* CPL 0 uses the same view */
    changed = smmu_deltas_changed(r.m);
    set(&r, 3, ULIN + 0x1000, 43);
    ck_assert_uint_eq(get(&r, 0, ULIN + 0x1000), 43);
    ck_assert_uint_eq(changed, smmu_deltas_changed(r.m));
    ck_assert_uint_eq(peek32(&r, DATA + 0x21000), 43);
    ck_assert(denied(&r, 3, KLIN, false));
    set(&r, 0, KLIN, 1);
    set(&r, 0, TEXT, 2);
    ck_assert(denied(&r, 3, KLIN, false));
    ck_assert(denied(&r, 3, TEXT, false));
    ck_assert(denied(&r, 0, ULIN + 0x100000, false));
    ck_assert_uint_eq(get(&r, 3, LOWLIN), 0);
    long_rig_close(&r);
}
END_TEST

START_TEST(spaces_share_the_kernel)
{
    struct rig r;
    uint64_t faults;

    start(&r);
    set(&r, 0, KLIN, 7);
    set(&r, 3, ULIN, 1);
    long_cr3(&r, PML4B);
    faults = st(&r)->hidden_faults;
    ck_assert_uint_eq(get(&r, 0, KLIN), 7);
    ck_assert_uint_eq(st(&r)->hidden_faults, faults);
    ck_assert_uint_eq(get(&r, 3, ULIN), 0);
    set(&r, 3, ULIN, 2);
    long_cr3(&r, PML4A);
    faults = st(&r)->hidden_faults;
    ck_assert_uint_eq(get(&r, 0, KLIN), 7);
    ck_assert_uint_eq(get(&r, 3, ULIN), 1);
    ck_assert_uint_eq(get(&r, 0, ULIN), 1);
    ck_assert_uint_eq(st(&r)->hidden_faults, faults);
    long_check_tables(&r);
    long_rig_close(&r);
}
END_TEST

/* A PML4 entry of the kernel's half that differs between spaces: each has its own views, and going
 * to and fro costs no fault. */
START_TEST(kernel_entries_that_differ)
{
    struct rig r;
    uint64_t faults;

    start(&r);
    put64(&r, PML4B + (KLIN >> 39 & 511) * 8, 0);
    put32(&r, DATA, 1);
    put32(&r, DATA + 0x5000, 2);
    long_map(&r, PML4B, KLIN, (DATA + 0x5000) | P | W);
    ck_assert_uint_eq(get(&r, 0, KLIN), 1);
    long_cr3(&r, PML4B);
    ck_assert_uint_eq(get(&r, 0, KLIN), 2);
    faults = st(&r)->hidden_faults;
    for (unsigned i = 0; i < 4; i++) {
        long_cr3(&r, i & 1 ? PML4B : PML4A);
        ck_assert_uint_eq(get(&r, 0, KLIN), i & 1 ? 2 : 1);
        long_check_tables(&r);
    }
    ck_assert_uint_eq(st(&r)->hidden_faults, faults);
    long_cr3(&r, PML4A);
    put64(&r, PML4A + (KLIN >> 39 & 511) * 8, 0);
    ck_assert(denied(&r, 0, KLIN, false));
    long_rig_close(&r);
}
END_TEST

START_TEST(supervisor_page_in_the_lower_half)
{
    struct rig r;

    start(&r);
    long_map(&r, PML4A, ULIN + 0x20000, DATA | P | W);
    set(&r, 3, ULIN, 1);
    ck_assert_uint_eq(get(&r, 0, ULIN), 1);
    set(&r, 0, ULIN + 0x20000, 2);
    ck_assert_uint_ne(smmu_delta(r.m, SMMU_SUPERVISOR, ULIN), smmu_delta(r.m, SMMU_USER, ULIN));
    ck_assert_uint_eq(get(&r, 0, ULIN), 1);
    ck_assert(denied(&r, 3, ULIN + 0x20000, false));
    ck_assert_uint_eq(get(&r, 3, ULIN), 1);
    ck_assert_uint_eq(long_check_tables(&r), 2);
    long_rig_close(&r);
}
END_TEST

START_TEST(user_page_in_the_upper_half)
{
    struct rig r;
    const gva_t lin = UINT64_C(0xffffffffff600000);

    start(&r);
    long_map(&r, PML4A, lin, (DATA + 0x3000) | P | U);
    put32(&r, DATA + 0x3000, 9);
    ck_assert_uint_eq(get(&r, 3, lin), 9);
    ck_assert(denied(&r, 3, lin, true));
    ck_assert_uint_eq(get(&r, 0, lin), 9);
    ck_assert_uint_ne(smmu_delta(r.m, SMMU_SUPERVISOR, lin), smmu_delta(r.m, SMMU_USER, lin));
    long_rig_close(&r);
}
END_TEST

START_TEST(upper_tables_are_traced)
{
    struct rig r;

    for (unsigned level = 0; level < 3; level++) {
        gpa_t entry;
        uint64_t was;

        start(&r);
        entry = long_entry(&r, PML4A, ULIN, level);
        was = peek64(&r, entry);
        set(&r, 3, ULIN, 1);
        set(&r, 3, ULIN + 0x1000, 1);
        store(&r, entry, was & ~(uint64_t)W);
        smmu_invlpg(r.m, r.c, ULIN);
        ck_assert(denied(&r, 3, ULIN, true));
        ck_assert_uint_eq(get(&r, 3, ULIN + 0x1000), 1);
        store(&r, entry, was & ~(uint64_t)U);
        smmu_invlpg(r.m, r.c, ULIN);
        ck_assert(denied(&r, 3, ULIN, false));
        ck_assert_uint_eq(get(&r, 0, ULIN), 1);
        store(&r, entry, 0);
        smmu_invlpg(r.m, r.c, ULIN);
        ck_assert(denied(&r, 0, ULIN, false));
        store(&r, entry, was);
        set(&r, 3, ULIN, 2);
        /* PWT, PCD, available: no news. */
        store(&r, entry, was | A | 0xe18);
        was = st(&r)->hidden_faults;
        ck_assert_uint_eq(get(&r, 3, ULIN), 2);
        ck_assert_uint_eq(st(&r)->hidden_faults, was);
        long_check_tables(&r);
        long_rig_close(&r);
    }
}
END_TEST

START_TEST(large_pages)
{
    struct rig r;
    const gva_t lin = UINT64_C(0xffff888040000000);

    start(&r);
    put64(&r, long_entry(&r, PML4A, lin, 2), 0x1000000 | P | W | PS);
    put32(&r, 0x1012340, 5);
    ck_assert_uint_eq(get(&r, 0, lin + 0x12340), 5);
    set(&r, 0, lin + 0x1000, 6);
    ck_assert_uint_eq(peek64(&r, long_entry(&r, PML4A, lin, 2)) & D, D);
    ck_assert_uint_eq(peek32(&r, 0x1001000), 6);
    store(&r, long_entry(&r, PML4A, lin, 2), 0x1200000 | P | W | PS);
    smmu_invlpg(r.m, r.c, lin);
    ck_assert_uint_eq(get(&r, 0, lin + 0x12340), 0);
    long_rig_close(&r);
}
END_TEST

START_TEST(compatibility_window)
{
    struct rig r;
    enum smmu_view v;
    uint64_t base, lin;
    bool gap;

    start(&r);
    base = smmu_base(r.m, VIEW_USER);
    ck_assert_uint_eq(smmu_base(r.m, VIEW_KERNEL), slot_base(0));
    ck_assert_uint_eq(smmu_base(r.m, VIEW_PRIVATE), slot_base(0));
    ck_assert_uint_eq(base, smmu_delta(r.m, true, 0));
    ck_assert(smmu_locate(r.m, base + LOWLIN, &v, &lin, &gap));
    ck_assert(v == VIEW_USER && lin == LOWLIN && !gap);
    put32(&r, DATA + 0x40000, 77);
    r.c->cpl = 3;
    ck_assert_int_eq(smmu_fault(r.m, r.c, LOWLIN, ACC_READ, VIEW_USER), SMMU_MAPPED);
    ck_assert_uint_eq(*(volatile uint32_t *)(uintptr_t)(base + LOWLIN), 77);
    long_rig_close(&r);
}
END_TEST

START_TEST(smap_keeps_user_pages_from_the_kernels_windows)
{
    struct rig r;

    start(&r);
    set(&r, 3, ULIN, 1);
    r.c->cr4 |= CR4_SMAP;
    smmu_paging_changed(r.m, r.c);
    set(&r, 3, ULIN, 2);
    ck_assert(denied(&r, 0, ULIN, false));
    r.c->rflags |= EF_AC;
    ck_assert_uint_eq(get(&r, 0, ULIN), 2);
    ck_assert_uint_eq(smmu_delta(r.m, SMMU_OPEN, ULIN), smmu_delta(r.m, SMMU_USER, ULIN));
    set(&r, 0, ULIN + 0x1000, 3); /* by the window that CPL 3 has */
    ck_assert_uint_eq(
        *(volatile uint32_t *)(uintptr_t)(ULIN + 0x1000 + smmu_delta(r.m, SMMU_OPEN, ULIN)), 3);
    r.c->rflags &= ~(uint64_t)EF_AC;
    ck_assert(denied(&r, 0, ULIN, false));
    ck_assert_uint_eq(smmu_delta(r.m, SMMU_SUPERVISOR, ULIN),
                      slot_base(0) - (ULIN & ~UINT64_C(0xffffffff)));
    long_rig_close(&r);
}
END_TEST

/* A page of each kind in one piece: the window is the supervisor's, the users' take the software
 * path. */
START_TEST(smap_with_both_kinds_in_a_piece)
{
    struct rig r;

    start(&r);
    long_map(&r, PML4A, ULIN + 0x8000, (DATA + 0x48000) | P | W);
    r.c->cr4 |= CR4_SMAP;
    smmu_paging_changed(r.m, r.c);
    r.c->rflags |= EF_AC;
    set(&r, 0, ULIN, 5);
    set(&r, 0, ULIN + 0x8000, 6);
    ck_assert_uint_ne(smmu_delta(r.m, SMMU_OPEN, ULIN), smmu_delta(r.m, SMMU_USER, ULIN));
    ck_assert_uint_eq(smmu_delta(r.m, SMMU_OPEN, ULIN), smmu_delta(r.m, SMMU_SUPERVISOR, ULIN));
    ck_assert_uint_eq(get(&r, 0, ULIN), 5);
    set(&r, 0, ULIN + 0x2000, 7);
    ck_assert_uint_eq(get(&r, 3, ULIN + 0x2000), 7);
    ck_assert_int_eq(lwin.verdict, SMMU_MAPPED);
    r.c->rflags = 0;
    ck_assert(denied(&r, 0, ULIN, false));
    ck_assert(denied(&r, 0, ULIN + 0x2000, true));
    ck_assert_uint_eq(get(&r, 0, ULIN + 0x8000), 6);
    long_check_tables(&r);
    long_rig_close(&r);
}
END_TEST

static uint64_t unmapped_page, unmapped_events;

static void on_unmapped(void *opaque, struct smmu_space *s, uint64_t vpn)
{
    (void)opaque;
    (void)s;
    unmapped_page = vpn;
    unmapped_events++;
}

START_TEST(fetched_pages_are_reported_one_by_one)
{
    const struct smmu_listener l = {.code_unmapped = on_unmapped};
    struct code_page page;
    struct rig r;

    start(&r);
    smmu_add_listener(r.m, &l);
    ck_assert(smmu_fetch(r.m, r.c, TEXT + 5, &page));
    ck_assert_uint_eq(page.frame, (DATA + 0x10000) >> 12);
    unmapped_events = 0;
    long_cr3(&r, PML4B);
    smmu_invlpg(r.m, r.c, TEXT);
    long_cr3(&r, PML4A);
    ck_assert_uint_eq(unmapped_events, 0);
    store(&r, long_entry(&r, PML4A, TEXT, 3), 0);
    smmu_invlpg(r.m, r.c, TEXT);
    ck_assert_uint_eq(unmapped_events, 1);
    ck_assert_uint_eq(unmapped_page, TEXT >> 12);
    r.c->cpl = 3;
    ck_assert(smmu_fetch(r.m, r.c, ULIN, &page));
    store(&r, long_entry(&r, PML4A, ULIN, 0), 0);
    ck_assert_uint_eq(unmapped_events, 2);
    ck_assert_uint_eq(unmapped_page, ULIN >> 12);
    long_rig_close(&r);
}
END_TEST

START_TEST(the_mode_comes_and_goes)
{
    struct rig r;

    start(&r);
    for (unsigned i = 0; i < 3; i++) {
        set(&r, 3, ULIN, 1);
        set(&r, 0, KLIN, 1);
        r.c->cr0 = CR0_PE;
        r.c->efer = 0;
        smmu_paging_changed(r.m, r.c);
        long_rig_start(&r, PML4A);
        ck_assert_uint_eq(long_check_tables(&r), 0);
    }
    long_rig_close(&r);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("smmu_long");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, tables_start_null);
    tcase_add_test(tc, hot_data_is_an_alias);
    tcase_add_test(tc, read_write_and_rights);
    tcase_add_test(tc, spaces_share_the_kernel);
    tcase_add_test(tc, kernel_entries_that_differ);
    tcase_add_test(tc, supervisor_page_in_the_lower_half);
    tcase_add_test(tc, user_page_in_the_upper_half);
    tcase_add_test(tc, upper_tables_are_traced);
    tcase_add_test(tc, large_pages);
    tcase_add_test(tc, compatibility_window);
    tcase_add_test(tc, smap_keeps_user_pages_from_the_kernels_windows);
    tcase_add_test(tc, smap_with_both_kinds_in_a_piece);
    tcase_add_test(tc, fetched_pages_are_reported_one_by_one);
    tcase_add_test(tc, the_mode_comes_and_goes);
    return rig_main("smmu_long", tc);
}
