/* The shadow MMU, case by case: what a window shows after each event of pitfalls B3. */
#include "mmu_window.h"

#include "host/slots.h"

enum { PD1 = 0x10000, PD2 = 0x11000, UPT1 = 0x12000, UPT2 = 0x13000, KPT = 0x14000, XPT = 0x15000 };
enum { UDATA = 0x400000, KDATA = 0x800000, ULIN = 0x00400000 };
#define KLIN   0xc0000000u
#define TABLES 0xc0200000u /* the six table pages, linear, for the kernel */

static const struct smmu_config calm = {.max_maps = 30000};

static void start(struct rig *r)
{
    rig_open(r);
    rig_start(r, &calm);
    for (unsigned i = 0; i < 2; i++) {
        gpa_t pd = i ? PD2 : PD1;

        put32(r, pd + 4, (i ? UPT2 : UPT1) | P | W | U);
        put32(r, pd + 768 * 4, KPT | P | W | U);
        put32(r, pd + 512 * 4, 0x1000000 | P | W | PS);
    }
    for (unsigned i = 0; i < 32; i++) {
        put32(r, UPT1 + i * 4, (UDATA + i * 0x1000) | P | W | U);
        put32(r, UPT2 + i * 4, (UDATA + 0x40000 + i * 0x1000) | P | W | U);
        put32(r, KPT + i * 4, (KDATA + i * 0x1000) | P | W);
    }
    for (unsigned i = 0; i < 6; i++)
        put32(r, KPT + (512 + i) * 4, (PD1 + i * 0x1000) | P | W | A | D);
    rig_paging(r, CR0_PG | CR0_WP, CR4_PSE, 0, PD1);
    window_open(r);
}

static uint32_t get(struct rig *r, unsigned cpl, uint32_t lin)
{
    uint32_t val = 0;

    ck_assert_int_eq(guest_access(r, cpl, lin, false, &val), OUT_OK);
    return val;
}

static void set(struct rig *r, unsigned cpl, uint32_t lin, uint32_t val)
{
    ck_assert_int_eq(guest_access(r, cpl, lin, true, &val), OUT_OK);
}

static bool denied(struct rig *r, unsigned cpl, uint32_t lin, bool write)
{
    uint32_t val = 0;

    return guest_access(r, cpl, lin, write, &val) == OUT_PF;
}

/* The guest's kernel stores to entry `idx` of a table. */
static void pte(struct rig *r, gpa_t table, unsigned idx, uint32_t val)
{
    set(r, 0, TABLES + (uint32_t)(table - PD1) + idx * 4, val);
}

static const struct smmu_stats *st(struct rig *r)
{
    return smmu_stats(r->m);
}

START_TEST(a_read_then_a_write)
{
    struct rig r;

    start(&r);
    put32(&r, UDATA + 0x10, 42);
    ck_assert_uint_eq(get(&r, 3, ULIN + 0x10), 42);
    ck_assert_uint_eq(peek32(&r, UPT1) & (A | D), A);
    ck_assert_uint_eq(st(&r)->hidden_faults, 1);
    set(&r, 3, ULIN + 0x10, 43);
    ck_assert_uint_eq(st(&r)->hidden_faults, 2);
    ck_assert_uint_eq(peek32(&r, UPT1) & (A | D), A | D);
    ck_assert_uint_eq(peek32(&r, UDATA + 0x10), 43);
    set(&r, 3, ULIN + 0x1000, 1); /* first access by write: one fault */
    ck_assert_uint_eq(st(&r)->hidden_faults, 3);
    ck_assert_uint_eq(get(&r, 3, ULIN + 0x1000), 1);
    ck_assert_uint_eq(st(&r)->hidden_faults, 3);
    rig_close(&r);
}
END_TEST

START_TEST(neighbours_with_a_and_d_come_along)
{
    struct rig r;

    start(&r);
    for (unsigned i = 0; i < 16; i++)
        put32(&r, UPT1 + i * 4, (UDATA + i * 0x1000) | P | W | U | A | (i < 12 ? D : 0));
    set(&r, 3, ULIN + 0x5000, 1);
    ck_assert_uint_eq(st(&r)->maps, 1);
    ck_assert_uint_eq(st(&r)->map_pages, 12);
    set(&r, 3, ULIN, 1);
    set(&r, 3, ULIN + 0xb000, 1);
    ck_assert_uint_eq(st(&r)->hidden_faults, 1);
    ck_assert_uint_eq(peek32(&r, UPT1 + 12 * 4) & D, 0);
    set(&r, 3, ULIN + 0xc000, 1);
    ck_assert_uint_eq(peek32(&r, UPT1 + 12 * 4) & D, D);
    rig_close(&r);
}
END_TEST

START_TEST(rights_of_user_and_kernel)
{
    struct rig r;

    start(&r);
    ck_assert(denied(&r, 3, KLIN, false));
    set(&r, 0, KLIN, 1);
    ck_assert(denied(&r, 3, KLIN, false));
    put32(&r, UPT1, UDATA | P | U);
    ck_assert(denied(&r, 3, ULIN, true));
    ck_assert(denied(&r, 0, ULIN, true));
    ck_assert_uint_eq(get(&r, 0, ULIN), 0);
    ck_assert(denied(&r, 0, 0x7000000, false));
    ck_assert_uint_eq(st(&r)->true_faults, 5);
    rig_close(&r);
}
END_TEST

START_TEST(unified_until_a_second_space)
{
    struct rig r;

    start(&r);
    set(&r, 0, ULIN, 7);
    ck_assert_uint_eq(st(&r)->view_faults, 0);
    rig_cr3(&r, PD2);
    ck_assert_uint_eq(get(&r, 0, ULIN), 0); /* the other space's page */
    ck_assert_uint_ge(st(&r)->view_faults, 1);
    ck_assert_uint_eq(smmu_view_table(r.m)[ULIN >> SMMU_VIEW_SHIFT], VIEW_USER);
    rig_cr3(&r, PD1);
    ck_assert_uint_eq(get(&r, 0, ULIN), 7);
    rig_close(&r);
}
END_TEST

START_TEST(kernel_is_shared_between_spaces)
{
    struct rig r;
    uint64_t faults;

    start(&r);
    set(&r, 0, KLIN, 7);
    rig_cr3(&r, PD2);
    faults = st(&r)->hidden_faults;
    ck_assert_uint_eq(get(&r, 0, KLIN), 7);
    ck_assert_uint_eq(st(&r)->hidden_faults, faults);
    rig_cr3(&r, PD1);
    ck_assert_uint_eq(get(&r, 0, KLIN), 7);
    ck_assert_uint_eq(st(&r)->hidden_faults, faults);
    rig_close(&r);
}
END_TEST

START_TEST(different_kernel_entries_are_kept_apart)
{
    struct rig r;
    uint64_t view_faults;

    start(&r);
    put32(&r, PD1 + 1020 * 4, UPT1 | P | W);
    put32(&r, PD2 + 1020 * 4, UPT2 | P | W);
    put32(&r, UDATA, 1);
    put32(&r, UDATA + 0x40000, 2);
    for (unsigned i = 0; i < 40; i++) {
        ck_assert_uint_eq(get(&r, 0, 1020u << 22), 1);
        rig_cr3(&r, PD2);
        ck_assert_uint_eq(get(&r, 0, 1020u << 22), 2);
        rig_cr3(&r, PD1);
    }
    /* By now it is private: both spaces keep theirs. */
    ck_assert_uint_eq(smmu_view_table(r.m)[(1020u << 22) >> SMMU_VIEW_SHIFT], VIEW_PRIVATE);
    view_faults = st(&r)->view_faults;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t val;

        rig_cr3(&r, i & 1 ? PD1 : PD2);
        ck_assert_int_eq(touch(smmu_base(r.m, VIEW_PRIVATE) + (1020u << 22), false, &val),
                         SMMU_MAPPED);
        ck_assert_uint_eq(val, i & 1 ? 1 : 2);
    }
    ck_assert_uint_eq(st(&r)->view_faults, view_faults);
    rig_close(&r);
}
END_TEST

START_TEST(traced_writes_take_effect)
{
    struct rig r;

    start(&r);
    set(&r, 3, ULIN + 0x3000, 7);
    pte(&r, UPT1, 3, (UDATA + 0x20000) | P | W | U | A | D);
    ck_assert_uint_ge(st(&r)->traced_writes, 1);
    ck_assert_uint_eq(get(&r, 3, ULIN + 0x3000), 0);
    pte(&r, UPT1, 3, (UDATA + 0x20000) | P | U | A | D);
    smmu_invlpg(r.m, r.c, ULIN + 0x3000);
    ck_assert(denied(&r, 3, ULIN + 0x3000, true));
    pte(&r, UPT1, 3, (UDATA + 0x20000) | P | W | U | A);
    ck_assert_uint_eq(peek32(&r, UPT1 + 12) & D, 0);
    set(&r, 3, ULIN + 0x3000, 7);
    ck_assert_uint_eq(peek32(&r, UPT1 + 12) & D, D); /* not missed */
    pte(&r, UPT1, 3, 0);
    smmu_invlpg(r.m, r.c, ULIN + 0x3000);
    ck_assert(denied(&r, 3, ULIN + 0x3000, false));
    rig_close(&r);
}
END_TEST

START_TEST(eager_after_a_page_fault)
{
    struct rig r;
    uint64_t hidden;

    start(&r);
    set(&r, 3, ULIN, 1);
    pte(&r, UPT1, 64, (UDATA + 0x20000) | P | W | U | A | D);
    pte(&r, UPT1, 64, 0);
    smmu_invlpg(r.m, r.c, ULIN + 64 * 0x1000);
    ck_assert(denied(&r, 3, ULIN + 64 * 0x1000, true));
    pte(&r, UPT1, 64, (UDATA + 0x20000) | P | W | U | A | D);
    hidden = st(&r)->hidden_faults;
    set(&r, 3, ULIN + 64 * 0x1000, 1);
    ck_assert_uint_eq(st(&r)->hidden_faults, hidden);
    rig_close(&r);
}
END_TEST

START_TEST(tables_taken_down_go_unsynced)
{
    struct rig r;
    uint64_t traced, maps;

    start(&r);
    for (unsigned i = 0; i < 16; i++)
        set(&r, 3, ULIN + i * 0x1000, i);
    for (unsigned i = 0; i < 16; i++)
        pte(&r, UPT1, i, 0);
    traced = st(&r)->traced_writes;
    for (unsigned i = 1; i < 16; i += 2)
        pte(&r, UPT1, i, (UDATA + 0x20000 + i * 0x1000) | P | W | U | A | D);
    ck_assert_uint_eq(st(&r)->traced_writes, traced);
    ck_assert_uint_lt(traced, 16);
    smmu_invlpg(r.m, r.c, ULIN + 0xe000);
    ck_assert(denied(&r, 3, ULIN + 0xe000, false));
    rig_cr3(&r, PD1);
    for (unsigned i = 0; i < 16; i += 2) {
        ck_assert(denied(&r, 3, ULIN + i * 0x1000, false));
        ck_assert_uint_eq(get(&r, 3, ULIN + (i + 1) * 0x1000), 0);
    }
    /* Left alone it is traced again. */
    for (unsigned i = 0; i < 8; i++)
        rig_cr3(&r, PD1);
    pte(&r, UPT1, 1, 0);
    ck_assert_uint_eq(st(&r)->traced_writes, traced + 1);
    smmu_invlpg(r.m, r.c, ULIN + 0x1000);
    maps = st(&r)->maps;
    ck_assert(denied(&r, 3, ULIN + 0x1000, false));
    ck_assert_uint_eq(st(&r)->maps, maps);
    rig_close(&r);
}
END_TEST

START_TEST(directory_writes_drop_what_hangs_below)
{
    struct rig r;

    start(&r);
    set(&r, 3, ULIN, 7);
    pte(&r, PD1, 1, UPT2 | P | W | U);
    ck_assert_uint_eq(get(&r, 3, ULIN), 0);
    pte(&r, PD1, 1, UPT1 | P | U);
    ck_assert(denied(&r, 3, ULIN, true));
    ck_assert_uint_eq(get(&r, 3, ULIN), 7);
    pte(&r, PD1, 1, 0);
    ck_assert(denied(&r, 3, ULIN, false));
    rig_close(&r);
}
END_TEST

START_TEST(a_page_table_becomes_data)
{
    struct rig r;
    uint64_t traced;

    start(&r);
    set(&r, 3, ULIN, 7);
    pte(&r, PD1, 1, 0);
    traced = st(&r)->traced_writes;
    for (unsigned i = 0; i < 100; i++)
        pte(&r, UPT1, i, i * 77);
    ck_assert_uint_eq(st(&r)->traced_writes, traced);
    rig_close(&r);
}
END_TEST

static void on_freed(void *opaque, struct smmu_space *s)
{
    (void)s;
    ++*(unsigned *)opaque;
}

START_TEST(a_dead_directory_becomes_data)
{
    unsigned freed = 0;
    struct smmu_listener l = {.space_freed = on_freed, .opaque = &freed};
    struct rig r;

    start(&r);
    smmu_add_listener(r.m, &l);
    set(&r, 3, ULIN, 7);
    rig_cr3(&r, PD2);
    for (unsigned i = 0; i < 100; i++)
        pte(&r, PD1, i, i * 77);
    ck_assert_uint_eq(freed, 1);
    ck_assert_uint_lt(st(&r)->traced_writes, 100);
    rig_close(&r);
}
END_TEST

START_TEST(large_pages_are_one_mapping)
{
    struct code_page page;
    uint64_t hidden;
    struct rig r;

    start(&r);
    put32(&r, 0x1000000, 0x11);
    ck_assert_uint_eq(get(&r, 0, 0x80000000), 0x11);
    ck_assert_uint_eq(st(&r)->maps, 1);
    ck_assert_uint_eq(st(&r)->map_pages, 1024);
    set(&r, 0, 0x80012000, 1);
    ck_assert_uint_eq(peek32(&r, PD1 + 512 * 4) & D, D);
    hidden = st(&r)->hidden_faults;
    set(&r, 0, 0x803ff000, 1);
    ck_assert_uint_eq(st(&r)->hidden_faults, hidden);
    ck_assert(smmu_fetch(r.m, r.c, 0x80345000, &page));
    ck_assert_int_eq(touch(smmu_base(r.m, VIEW_KERNEL) + 0x80345000, true, &(uint32_t){1}),
                     SMMU_CODE);
    smmu_clear_code(r.m, page.frame);
    ck_assert_int_eq(touch(smmu_base(r.m, VIEW_KERNEL) + 0x80345000, true, &(uint32_t){1}),
                     SMMU_MAPPED);
    /* Split into small pages that mean the same, D clear. */
    for (unsigned i = 0; i < 1024; i++)
        put32(&r, XPT + i * 4, (0x1000000 + i * 0x1000) | P | W | A);
    pte(&r, PD1, 512, XPT | P | W | A);
    set(&r, 0, 0x80012000, 1);
    ck_assert_uint_eq(peek32(&r, XPT + 0x12 * 4) & D, D);
    rig_close(&r);
}
END_TEST

START_TEST(large_page_over_the_vga_hole)
{
    uint32_t val = 0;
    struct rig r;

    start(&r);
    put32(&r, PD1 + 600 * 4, 0 | P | W | PS);
    ck_assert_uint_eq(get(&r, 0, (600u << 22) + 0x1000), 0);
    set(&r, 0, (600u << 22) + 0x100000, 5);
    ck_assert_int_eq(guest_access(&r, 0, (600u << 22) + 0xb8000, true, &val), OUT_MMIO);
    rig_close(&r);
}
END_TEST

START_TEST(paging_off_shows_physical_memory)
{
    uint32_t val = 0;
    struct rig r;

    start(&r);
    set(&r, 0, KLIN, 7);
    rig_paging(&r, 0, 0, 0, PD1);
    ck_assert_uint_eq(get(&r, 0, KDATA), 7);
    ck_assert_uint_eq(get(&r, 3, KDATA), 7);
    set(&r, 0, KDATA + 0x1000, 8);
    ck_assert_int_eq(guest_access(&r, 0, KLIN, false, &val), OUT_MMIO);
    ck_assert_int_eq(guest_access(&r, 0, 0xa0000, false, &val), OUT_MMIO);
    rig_paging(&r, CR0_PG | CR0_WP, CR4_PSE, 0, PD1);
    ck_assert_uint_eq(get(&r, 0, KLIN + 0x1000), 8);
    ck_assert(denied(&r, 0, KDATA, false));
    rig_close(&r);
}
END_TEST

/* RAM in the firmware's place: both, read only, gone, and back, with paging off and on. */
START_TEST(segments_come_and_go)
{
    const uint32_t all = PHYSMEM_ALL_SEGMENTS & ~PHYSMEM_VGA_SEGMENTS, f = 0xfu << 20;
    uint64_t v;
    uint32_t val = 9;
    struct rig r;

    start(&r);
    put32(&r, KPT + 9 * 4, 0xf0000 | P | W | A | D);
    for (unsigned paging = 0; paging < 2; paging++) {
        uint32_t lin = paging ? KLIN + 9 * 0x1000 : 0xf0000;

        rig_paging(&r, paging ? CR0_PG | CR0_WP : 0, CR4_PSE, 0, PD1);
        set(&r, 0, lin, 7);
        ck_assert(mem_write_as(r.c, lin, 4, 7, false));
        physmem_set_segments(&r.pm, all, all & ~f);
        ck_assert_uint_eq(get(&r, 0, lin), 7);
        ck_assert_int_eq(guest_access(&r, 0, lin, true, &val), OUT_MMIO);
        ck_assert(mem_write_as(r.c, lin, 4, 9, false)); /* to the bus, where nobody is */
        ck_assert(mem_read_as(r.c, lin, 4, &v, false) && v == 7);
        ck_assert_ptr_null(mem_ptr(r.c, lin, 4, true, false));
        ck_assert_ptr_nonnull(mem_ptr(r.c, lin, 4, false, false));
        physmem_set_segments(&r.pm, all & ~f, all & ~f);
        ck_assert_int_eq(guest_access(&r, 0, lin, false, &val), OUT_MMIO);
        ck_assert(mem_read_as(r.c, lin, 4, &v, false) && v == UINT32_MAX);
        physmem_set_segments(&r.pm, all, all);
        ck_assert_uint_eq(get(&r, 0, lin), 7);
        set(&r, 0, lin, 8);
    }
    rig_close(&r);
}
END_TEST

START_TEST(a20_closes)
{
    uint64_t v;
    struct rig r;

    start(&r);
    rig_paging(&r, 0, 0, 0, 0);
    set(&r, 0, 0x40, 1);
    set(&r, 0, 0x100040, 2);
    physmem_set_a20(&r.pm, false);
    ck_assert_uint_eq(get(&r, 0, 0x100040), 1);
    set(&r, 0, 0x110044, 3);
    ck_assert_uint_eq(get(&r, 0, 0x10044), 3);
    ck_assert(mem_read_as(r.c, 0x100040, 4, &v, false) && v == 1);
    physmem_set_a20(&r.pm, true);
    ck_assert_uint_eq(get(&r, 0, 0x100040), 2);
    ck_assert_uint_eq(get(&r, 0, 0x110044), 0);
    rig_close(&r);
}
END_TEST

struct unmapped {
    struct smmu_space *space;
    uint64_t vpn;
    unsigned n;
};

static void on_unmapped(void *opaque, struct smmu_space *s, uint64_t vpn)
{
    struct unmapped *u = opaque;

    u->space = s;
    u->vpn = vpn;
    u->n++;
}

/* What was fetched, where another page lies now, is not believed any more. */
START_TEST(a_changed_map_ends_fetches)
{
    struct unmapped u = {0};
    struct smmu_listener l = {.code_unmapped = on_unmapped, .opaque = &u};
    struct code_page page;
    struct rig r;

    start(&r);
    rig_paging(&r, 0, 0, 0, 0);
    smmu_add_listener(r.m, &l);
    ck_assert(smmu_fetch(r.m, r.c, 0xf0000, &page));
    ck_assert_uint_eq(page.frame, 0xf0);
    physmem_set_segments(&r.pm, 0, 0);
    ck_assert_uint_ne(u.n, 0);
    ck_assert(u.vpn == SMMU_ALL_PAGES && !u.space);
    ck_assert(smmu_fetch(r.m, r.c, 0xf0000, &page));
    ck_assert(page.frame == SMMU_ALL_PAGES);
    rig_close(&r);
}
END_TEST

/* Memory behind RAM, as a base address register shows it. */
START_TEST(an_area_moves)
{
    uint32_t val = 0;
    struct rig r;

    rig_open(&r);
    ck_assert_int_eq(ftruncate(r.fd, RIG_RAM + MIB), 0);
    physmem_add_area(&r.pm, MIB);
    rig_start(&r, &calm);
    rig_paging(&r, 0, 0, 0, 0);
    window_open(&r);
    ck_assert_int_eq(guest_access(&r, 0, 0xe0000000, true, &val), OUT_MMIO);
    physmem_show_area(&r.pm, 0xe0000000, true);
    val = 77;
    ck_assert_int_eq(guest_access(&r, 0, 0xe00ffffc, true, &val), OUT_OK);
    ck_assert_int_eq(guest_access(&r, 0, 0xe0100000, true, &val), OUT_MMIO);
    physmem_show_area(&r.pm, 0xd0000000, true);
    ck_assert_int_eq(guest_access(&r, 0, 0xe0000000, true, &val), OUT_MMIO);
    ck_assert_uint_eq(get(&r, 0, 0xd00ffffc), 77);
    physmem_show_area(&r.pm, 0, false);
    ck_assert_int_eq(guest_access(&r, 0, 0xd0000000, false, &val), OUT_MMIO);
    rig_close(&r);
}
END_TEST

START_TEST(write_protect_off)
{
    struct rig r;

    start(&r);
    put32(&r, KPT, KDATA | P);
    put32(&r, UPT1, UDATA | P | U);
    ck_assert(denied(&r, 0, KLIN, true));
    rig_paging(&r, CR0_PG, CR4_PSE, 0, PD1);
    set(&r, 0, KLIN, 1);
    set(&r, 0, ULIN, 1);
    ck_assert(denied(&r, 3, ULIN, true));
    rig_cr3(&r, PD2);
    rig_cr3(&r, PD1); /* split: user pages live in the USER view */
    set(&r, 0, ULIN, 2);
    ck_assert(denied(&r, 3, ULIN, true));
    ck_assert_uint_eq(get(&r, 3, ULIN), 2);
    rig_paging(&r, CR0_PG | CR0_WP, CR4_PSE, 0, PD1);
    ck_assert(denied(&r, 0, KLIN, true));
    ck_assert(denied(&r, 0, ULIN, true));
    rig_close(&r);
}
END_TEST

START_TEST(fetches_are_reported_when_they_change)
{
    struct unmapped u = {0};
    struct smmu_listener l = {.code_unmapped = on_unmapped, .opaque = &u};
    struct code_page page;
    struct rig r;

    start(&r);
    smmu_add_listener(r.m, &l);
    r.c->cpl = 3;
    ck_assert(smmu_fetch(r.m, r.c, ULIN + 0x2000, &page));
    ck_assert(!smmu_fetch(r.m, r.c, KLIN, &page));
    ck_assert_uint_eq(r.c->fault.err, PF_P | PF_U);
    r.c->cpl = 0;
    ck_assert(smmu_fetch(r.m, r.c, KLIN + 0x1000, &page));
    pte(&r, UPT1, 2, 0);
    smmu_invlpg(r.m, r.c, ULIN + 0x2000);
    ck_assert_uint_eq(u.n, 1);
    ck_assert_ptr_eq(u.space, smmu_current(r.m));
    ck_assert_uint_eq(u.vpn, (ULIN >> 12) + 2);
    pte(&r, KPT, 1, KDATA | P | A); /* another page: at once */
    ck_assert_uint_eq(u.n, 2);
    ck_assert_ptr_null(u.space);
    ck_assert_uint_eq(u.vpn, (KLIN >> 12) + 1);
    rig_cr3(&r, PD2);
    r.c->cpl = 0;
    ck_assert(smmu_fetch(r.m, r.c, ULIN + 0x2000, &page)); /* kernel mode, user page */
    u.n = 0;
    rig_cr3(&r, PD1);
    ck_assert_uint_eq(u.n, 1);
    ck_assert_ptr_null(u.space);
    ck_assert_uint_eq(u.vpn, (ULIN >> 12) + 2);
    put32(&r, UPT1 + 5 * 4, 0xfee00000 | P | U);
    ck_assert(smmu_fetch(r.m, r.c, ULIN + 0x5000, &page));
    ck_assert(page.frame == SMMU_ALL_PAGES && !page.bytes);
    rig_close(&r);
}
END_TEST

START_TEST(code_pages_are_read_only_everywhere)
{
    struct code_page page;
    uint32_t one = 1;
    struct rig r;

    start(&r);
    put32(&r, UPT1 + 7 * 4, KDATA | P | W | U); /* an alias of a kernel page */
    set(&r, 0, KLIN, 1);
    set(&r, 3, ULIN + 0x7000, 1);
    ck_assert(smmu_fetch(r.m, r.c, ULIN + 0x7000, &page));
    ck_assert_int_eq(touch(smmu_base(r.m, VIEW_USER) + ULIN + 0x7000, true, &one), SMMU_CODE);
    r.c->cpl = 0;
    ck_assert_int_eq(touch(smmu_base(r.m, VIEW_KERNEL) + KLIN, true, &one), SMMU_CODE);
    ck_assert_uint_eq(get(&r, 0, KLIN), 1);
    smmu_clear_code(r.m, page.frame);
    ck_assert_int_eq(touch(smmu_base(r.m, VIEW_KERNEL) + KLIN, true, &one), SMMU_MAPPED);
    rig_close(&r);
}
END_TEST

START_TEST(locate_knows_the_gaps)
{
    enum smmu_view v;
    uint64_t lin, base;
    struct rig r;
    bool gap;

    start(&r);
    base = smmu_base(r.m, VIEW_USER);
    ck_assert(smmu_locate(r.m, base + 0x1234, &v, &lin, &gap));
    ck_assert(v == VIEW_USER && lin == 0x1234 && !gap);
    ck_assert(smmu_locate(r.m, base + SLOT_BYTES + 3, &v, &lin, &gap));
    ck_assert(v == VIEW_USER && lin == SLOT_BYTES + 3 && gap);
    ck_assert(smmu_locate(r.m, base - 8, &v, &lin, &gap));
    ck_assert(v == VIEW_USER && lin == (uint64_t)-8 && gap);
    ck_assert(!smmu_locate(r.m, (uint64_t)(uintptr_t)r.pm.hva, &v, &lin, &gap));
    rig_close(&r);
}
END_TEST

START_TEST(eviction_keeps_under_the_limit)
{
    struct smmu_config cfg = {.max_maps = 64};
    struct rig r;

    rig_open(&r);
    rig_start(&r, &cfg);
    window_open(&r);
    put32(&r, PD1 + 4, UPT1 | P | W | U);
    for (unsigned i = 0; i < 1024; i++) /* scattered: every page its own mapping */
        put32(&r, UPT1 + i * 4, (UDATA + (i * 7 % 1024) * 0x1000) | P | W | U);
    rig_paging(&r, CR0_PG | CR0_WP, 0, 0, PD1);
    for (unsigned i = 0; i < 1024; i++) {
        set(&r, 3, ULIN + i * 0x1000, i + 1);
        ck_assert_uint_le(st(&r)->live_maps, 64);
    }
    for (unsigned i = 0; i < 1024; i++)
        ck_assert_uint_eq(peek32(&r, UDATA + (i * 7 % 1024) * 0x1000), i + 1);
    ck_assert_uint_gt(st(&r)->evictions, 10);
    rig_close(&r);
}
END_TEST

START_TEST(many_spaces)
{
    struct smmu_config cfg = {.max_maps = _i ? 64 : 30000};
    struct rig r;

    rig_open(&r);
    rig_start(&r, &cfg);
    window_open(&r);
    rig_paging(&r, CR0_PG | CR0_WP, CR4_PSE, 0, PD1);
    put32(&r, KPT, KDATA | P | W);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 600; i++) {
            gpa_t pd = 0x2000000 + i * 0x2000;

            put32(&r, pd + 4, (uint32_t)(pd + 0x1000) | P | W | U);
            put32(&r, pd + 768 * 4, KPT | P | W | U);
            put32(&r, pd + 0x1000, (0x1800000 + i * 0x1000) | P | W | U);
            rig_cr3(&r, pd);
            if (round)
                ck_assert_uint_eq(get(&r, 3, ULIN), i);
            set(&r, 3, ULIN, i);
            set(&r, 0, KLIN, i);
        }
    }
    ck_assert_uint_eq(peek32(&r, KDATA), 599);
    ck_assert_uint_le(st(&r)->live_maps, cfg.max_maps);
    rig_close(&r);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("smmu");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_read_then_a_write);
    tcase_add_test(tc, neighbours_with_a_and_d_come_along);
    tcase_add_test(tc, rights_of_user_and_kernel);
    tcase_add_test(tc, unified_until_a_second_space);
    tcase_add_test(tc, kernel_is_shared_between_spaces);
    tcase_add_test(tc, different_kernel_entries_are_kept_apart);
    tcase_add_test(tc, traced_writes_take_effect);
    tcase_add_test(tc, eager_after_a_page_fault);
    tcase_add_test(tc, tables_taken_down_go_unsynced);
    tcase_add_test(tc, directory_writes_drop_what_hangs_below);
    tcase_add_test(tc, a_page_table_becomes_data);
    tcase_add_test(tc, a_dead_directory_becomes_data);
    tcase_add_test(tc, large_pages_are_one_mapping);
    tcase_add_test(tc, large_page_over_the_vga_hole);
    tcase_add_test(tc, paging_off_shows_physical_memory);
    tcase_add_test(tc, segments_come_and_go);
    tcase_add_test(tc, a20_closes);
    tcase_add_test(tc, a_changed_map_ends_fetches);
    tcase_add_test(tc, an_area_moves);
    tcase_add_test(tc, write_protect_off);
    tcase_add_test(tc, fetches_are_reported_when_they_change);
    tcase_add_test(tc, code_pages_are_read_only_everywhere);
    tcase_add_test(tc, locate_knows_the_gaps);
    tcase_add_test(tc, eviction_keeps_under_the_limit);
    tcase_add_loop_test(tc, many_spaces, 0, 2);
    return rig_main("smmu", tc);
}
