/* The page walker against rows: SDM 3A 4.3 (32-bit), 4.4 (PAE), 4.6 (rights), 4.7 (error
 * codes), 4.8 (A and D). */
#include "mmu_rig.h"

#include "cpu/model.h"

enum { PD = 0x10000, PT = 0x11000, PDPT = 0x12020, LEAF = 0x20000 };
#define LIN UINT64_C(0x00c05123) /* PDE 3, PTE 5; PAE: PDPTE 0, PDE 6, PTE 5 */

struct row {
    const char *what;
    uint64_t cr0, cr4, efer;
    uint64_t pde, pte;             /* flags; addresses of PT and LEAF are added unless PS */
    unsigned flags;                /* of the walk */
    int64_t err;                   /* -1: allowed */
    uint64_t pde_after, pte_after; /* A and D expected, as added flags */
    gpa_t pa;
};

static const uint64_t WP = CR0_WP, PSE = CR4_PSE, PAE = CR4_PAE, SMEP = CR4_SMEP, NXE = EFER_NXE;
enum { WR = WALK_WRITE, US = WALK_USER, EX = WALK_EXEC };

static const struct row rows[] = {
    {"read", 0, 0, 0, P | W | U, P | W | U, 0, -1, A, A, LEAF + 0x123},
    {"write sets D", 0, 0, 0, P | W | U, P | W | U, WR, -1, A, A | D, LEAF + 0x123},
    {"no A/D for the debugger", 0, 0, 0, P | W | U, P | W | U, WR | WALK_NO_AD, -1, 0, 0,
     LEAF + 0x123},
    {"pde not present", 0, 0, 0, W | U, P | W | U, 0, 0, 0, 0, 0},
    {"pte not present", 0, 0, 0, P | W | U, W | U, 0, 0, 0, 0, 0},
    {"pte not present, user write", 0, 0, 0, P | W | U, 0, WR | US, PF_W | PF_U, 0, 0, 0},
    {"user on supervisor pte", 0, 0, 0, P | W | U, P | W, US, PF_P | PF_U, 0, 0, 0},
    {"user on supervisor pde", 0, 0, 0, P | W, P | W | U, US, PF_P | PF_U, 0, 0, 0},
    {"user write, pte read-only", 0, 0, 0, P | W | U, P | U, WR | US, PF_P | PF_W | PF_U, 0, 0, 0},
    {"user write, pde read-only", 0, 0, 0, P | U, P | W | U, WR | US, PF_P | PF_W | PF_U, 0, 0, 0},
    {"supervisor write, WP clear", 0, 0, 0, P | U, P, WR, -1, A, A | D, LEAF + 0x123},
    {"supervisor write, WP set", WP, 0, 0, P | W, P, WR, PF_P | PF_W, 0, 0, 0},
    {"supervisor reads user page", WP, 0, 0, P | W | U, P | U, 0, -1, A, A, LEAF + 0x123},
    {"PS ignored without PSE", 0, 0, 0, P | W | U | PS, P | W | U, 0, -1, A, A, LEAF + 0x123},
    {"4 MiB page", 0, PSE, 0, P | W | U | PS | 0x00800000, 0, WR, -1, A | D, 0, 0x00805123},
    {"4 MiB page above 4 GiB", 0, PSE, 0, P | W | U | PS | 0x00800000 | 3 << 13, 0, 0, -1, A, 0,
     0x300805123},
    {"4 MiB page, reserved bit 21", 0, PSE, 0, P | W | U | PS | 1 << 21, 0, 0, PF_P | PF_RSVD, 0, 0,
     0},
    {"4 MiB page, address bit 36", 0, PSE, 0, P | W | U | PS | 1 << 17, 0, US,
     PF_P | PF_RSVD | PF_U, 0, 0, 0},
    {"4 MiB page, user", 0, PSE, 0, P | W | PS, 0, US, PF_P | PF_U, 0, 0, 0},
    {"fetch, no I bit without NX and SMEP", 0, 0, 0, P, P, US | EX, PF_P | PF_U, 0, 0, 0},
    {"fetch of user page, SMEP", 0, SMEP, 0, P | U, P | U, EX, PF_P | PF_I, 0, 0, 0},
    {"fetch not present, SMEP", 0, SMEP, 0, P | U, 0, EX, PF_I, 0, 0, 0},
    {"fetch of kernel page, SMEP", 0, SMEP, 0, P | U, P, EX, -1, A, A, LEAF + 0x123},
    {"PAE read", 0, PAE, 0, P | W | U, P | W | U, 0, -1, A, A, LEAF + 0x123},
    {"PAE write", 0, PAE, 0, P | W | U, P | W | U, WR | US, -1, A, A | D, LEAF + 0x123},
    {"PAE 2 MiB page", 0, PAE, 0, P | W | U | PS | 0x00800000, 0, WR, -1, A | D, 0, 0x00805123},
    {"PAE 2 MiB page, reserved bit 13", 0, PAE, 0, P | PS | 1 << 13, 0, 0, PF_P | PF_RSVD, 0, 0, 0},
    {"PAE pte, reserved bit 36", 0, PAE, 0, P, P | UINT64_C(1) << 36, 0, PF_P | PF_RSVD, 0, 0, 0},
    {"PAE pde, reserved bit 62", 0, PAE, 0, P | UINT64_C(1) << 62, P, WR, PF_P | PF_RSVD | PF_W, 0,
     0, 0},
    {"NX without NXE is reserved", 0, PAE, 0, P | U, P | U | NX, 0, PF_P | PF_RSVD, 0, 0, 0},
    {"NX, read", 0, PAE, NXE, P | U, P | U | NX, US, -1, A, A, LEAF + 0x123},
    {"NX, fetch", 0, PAE, NXE, P | U, P | U | NX, US | EX, PF_P | PF_U | PF_I, 0, 0, 0},
    {"NX in the pde, fetch", 0, PAE, NXE, P | U | NX, P | U, EX, PF_P | PF_I, 0, 0, 0},
    {"NXE without PAE means nothing", 0, 0, NXE, P, P, US | EX, PF_P | PF_U, 0, 0, 0},
};

static void place(struct rig *r, const struct row *row, uint64_t *pde, uint64_t *pte)
{
    bool pae = row->cr4 & CR4_PAE;
    bool large = (row->pde & PS) && (pae || (row->cr4 & CR4_PSE));

    *pde = row->pde | (large ? 0 : PT);
    *pte = row->pte | LEAF;
    if (pae) {
        put64(r, PDPT, PD | P);
        put64(r, PD + 6 * 8, *pde);
        put64(r, PT + 5 * 8, *pte);
        r->c->pdpte[0] = PD | P;
    } else {
        put32(r, PD + 3 * 4, (uint32_t)*pde);
        put32(r, PT + 5 * 4, (uint32_t)*pte);
    }
    r->c->cr0 = CR0_PE | CR0_PG | row->cr0;
    r->c->cr4 = row->cr4;
    r->c->efer = row->efer;
    r->c->cr3 = pae ? PDPT : PD;
}

START_TEST(walk_row)
{
    const struct row *row = &rows[_i];
    bool pae = row->cr4 & CR4_PAE;
    uint64_t pde, pte;
    struct rig r;
    struct walk w;
    bool ok;

    rig_open(&r);
    place(&r, row, &pde, &pte);
    ok = mmu_walk(r.c, &r.pm, LIN, row->flags, &w);
    ck_assert_msg(ok == (row->err < 0) && ok == w.ok, "%s: ok=%d", row->what, ok);
    if (ok)
        ck_assert_msg(w.pa == row->pa, "%s: pa %lx", row->what, (unsigned long)w.pa);
    else
        ck_assert_msg(w.err == (uint32_t)row->err, "%s: err %x", row->what, w.err);
    ck_assert_msg((pae ? peek64(&r, PD + 48) : peek32(&r, PD + 12)) == (pde | row->pde_after),
                  "%s: pde", row->what);
    ck_assert_msg((pae ? peek64(&r, PT + 40) : peek32(&r, PT + 20)) == (pte | row->pte_after),
                  "%s: pte", row->what);
    rig_close(&r);
}
END_TEST

START_TEST(paging_off_is_identity)
{
    struct rig r;
    struct walk w;

    rig_open(&r);
    ck_assert(mmu_walk(r.c, &r.pm, 0x12345678, WALK_WRITE | WALK_USER | WALK_EXEC, &w));
    ck_assert_uint_eq(w.pa, 0x12345678);
    ck_assert(w.ok && w.user && w.writable && w.dirty && !w.nx && w.levels == 0);
    rig_close(&r);
}
END_TEST

START_TEST(latched_pdptes_rule)
{
    struct rig r;
    struct walk w;
    uint64_t pde, pte;

    rig_open(&r);
    place(&r, &rows[23], &pde, &pte);
    ck_assert_str_eq(rows[23].what, "PAE read");
    put64(&r, PDPT, 0); /* invisible until MOV CR3 */
    ck_assert(mmu_walk(r.c, &r.pm, LIN, 0, &w));
    ck_assert_uint_eq(w.levels, 3);
    ck_assert_uint_eq(w.entry_pa[1], PD + 48);
    ck_assert_uint_eq(w.entry_pa[2], PT + 40);
    r.c->pdpte[0] = 0;
    ck_assert(!mmu_walk(r.c, &r.pm, LIN, WALK_USER, &w));
    ck_assert_uint_eq(w.err, PF_U);
    rig_close(&r);
}
END_TEST

START_TEST(tables_outside_ram_are_empty)
{
    struct rig r;
    struct walk w;

    rig_open(&r);
    r.c->cr0 |= CR0_PG;
    r.c->cr3 = 0xfff00000;
    ck_assert(!mmu_walk(r.c, &r.pm, LIN, WALK_WRITE, &w));
    ck_assert_uint_eq(w.err, PF_W);
    r.c->cr3 = 0xa0000; /* the VGA hole */
    ck_assert(!mmu_walk(r.c, &r.pm, LIN, 0, &w));
    rig_close(&r);
}
END_TEST

START_TEST(smap_bars_user_data)
{
    struct rig r;
    struct walk w;
    uint64_t pde, pte;

    rig_open(&r);
    place(&r, &rows[0], &pde, &pte);
    r.c->cr4 |= CR4_SMAP;
    ck_assert(!mmu_walk(r.c, &r.pm, LIN, 0, &w));
    ck_assert_uint_eq(w.err, PF_P);
    r.c->rflags |= EF_AC;
    ck_assert(mmu_walk(r.c, &r.pm, LIN, 0, &w));
    ck_assert(!mmu_walk(r.c, &r.pm, LIN, WALK_IMPLICIT | WALK_WRITE, &w));
    ck_assert_uint_eq(w.err, PF_P | PF_W);
    r.c->cpl = 3;
    ck_assert(!mmu_walk(r.c, &r.pm, LIN, WALK_IMPLICIT, &w));
    ck_assert(mmu_walk(r.c, &r.pm, LIN, WALK_USER, &w));
    r.c->rflags = 0;
    ck_assert(mmu_walk(r.c, &r.pm, LIN, WALK_USER, &w));
    ck_assert(mmu_walk(r.c, &r.pm, LIN, WALK_EXEC, &w)); /* that is SMEP's */
    rig_close(&r);
}
END_TEST

static void count_written(void *opaque, gpa_t pa, size_t len)
{
    (void)pa;
    (void)len;
    ++*(unsigned *)opaque;
}

START_TEST(accessed_bits_are_reported_once)
{
    unsigned n = 0;
    struct rig r;
    struct walk w;
    uint64_t pde, pte;

    rig_open(&r);
    place(&r, &rows[0], &pde, &pte);
    r.pm.written = count_written;
    r.pm.opaque = &n;
    ck_assert(mmu_walk(r.c, &r.pm, LIN, 0, &w));
    ck_assert_uint_eq(n, 2);
    ck_assert(mmu_walk(r.c, &r.pm, LIN, 0, &w));
    ck_assert_uint_eq(n, 2);
    ck_assert(mmu_walk(r.c, &r.pm, LIN, WALK_WRITE, &w));
    ck_assert_uint_eq(n, 3);
    rig_close(&r);
}
END_TEST

/* 4-level: one row per entry that says something, the levels above are P | W | U. */
enum { PML4 = 0x13000, PDPT4 = 0x14000, PD4 = 0x15000, PT4 = 0x16000 };
#define LIN4 UINT64_C(0xffff912345678abc)

static const struct long_row {
    const char *what;
    unsigned level; /* of `entry`: 0 PML4E .. 3 PTE */
    uint64_t entry, cr0, efer;
    unsigned flags;
    int64_t err; /* -1: allowed */
    uint64_t pa;
    unsigned shift;
} long_rows[] = {
    {"4 KiB page", 3, P | W | U | LEAF, 0, 0, WR | US, -1, LEAF + 0xabc, 12},
    {"ignored bits 52-62", 3, P | W | U | LEAF | UINT64_C(0x7ff) << 52, 0, 0, 0, -1, LEAF + 0xabc,
     12},
    {"reserved bit 51", 3, P | LEAF | UINT64_C(1) << 51, 0, 0, 0, PF_P | PF_RSVD, 0, 0},
    {"2 MiB page", 2, P | W | U | PS | 0x600000, 0, 0, WR, -1, 0x678abc, 21},
    {"2 MiB page, reserved bit 20", 2, P | PS | 1 << 20, 0, 0, 0, PF_P | PF_RSVD, 0, 0},
    {"1 GiB page", 1, P | W | U | PS | UINT64_C(0x40000000), 0, 0, WR, -1, 0x45678abc, 30},
    {"1 GiB page, reserved bit 29", 1, P | PS | 1 << 29, 0, 0, 0, PF_P | PF_RSVD, 0, 0},
    {"PS in a PML4E", 0, P | W | U | PS | PDPT4, 0, 0, 0, PF_P | PF_RSVD, 0, 0},
    {"PML4E not present", 0, 0, 0, 0, WR | US, PF_W | PF_U, 0, 0},
    {"PDPTE not present", 1, 0, 0, 0, 0, 0, 0, 0},
    {"supervisor PML4E", 0, P | W | PDPT4, 0, 0, US, PF_P | PF_U, 0, 0},
    {"supervisor PDPTE", 1, P | W | PD4, 0, 0, US, PF_P | PF_U, 0, 0},
    {"read-only PML4E, WP", 0, P | U | PDPT4, WP, 0, WR, PF_P | PF_W, 0, 0},
    {"read-only PDPTE, no WP", 1, P | U | PD4, 0, 0, WR, -1, LEAF + 0xabc, 12},
    {"NX without NXE", 0, P | W | U | PDPT4 | NX, 0, 0, 0, PF_P | PF_RSVD, 0, 0},
    {"NX in the PML4E", 0, P | W | U | PDPT4 | NX, 0, NXE, EX, PF_P | PF_I, 0, 0},
    {"NX in a 1 GiB page", 1, P | W | U | PS | NX, 0, NXE, EX | US, PF_P | PF_I | PF_U, 0, 0},
};

START_TEST(walk_long_row)
{
    const struct long_row *row = &long_rows[_i];
    uint64_t e[4] = {P | W | U | PDPT4, P | W | U | PD4, P | W | U | PT4, P | W | U | LEAF};
    static const gpa_t table[4] = {PML4, PDPT4, PD4, PT4};
    struct cpu_model model;
    struct rig r;
    struct walk w;
    char err[64];
    bool ok;

    rig_open(&r);
    ck_assert_int_eq(cpu_model_init(&model, "max", err, sizeof(err)), 0);
    r.c->model = &model;
    e[row->level] = row->entry;
    for (unsigned i = 0; i < 4; i++)
        put64(&r, table[i] + (LIN4 >> (39 - 9 * i) & 511) * 8, e[i]);
    r.c->cr0 = CR0_PE | CR0_PG | row->cr0;
    r.c->cr4 = CR4_PAE;
    r.c->efer = EFER_LME | EFER_LMA | row->efer;
    r.c->cr3 = PML4 | 0x18;
    ok = mmu_walk(r.c, &r.pm, LIN4, row->flags, &w);
    ck_assert_msg(ok == (row->err < 0), "%s: ok=%d", row->what, ok);
    if (ok) {
        bool large = w.page_shift > PAGE_SHIFT;

        ck_assert_msg(w.pa == row->pa && w.page_shift == row->shift, "%s: pa %lx, shift %u",
                      row->what, (unsigned long)w.pa, w.page_shift);
        ck_assert_uint_eq(w.levels, large ? row->level + 1 : 4);
        for (unsigned i = 0; i < w.levels; i++)
            ck_assert_uint_eq(peek64(&r, w.entry_pa[i]) ^ e[i],
                              A | (i + 1u == w.levels && (row->flags & WR) ? D : 0));
    } else {
        ck_assert_msg(w.err == (uint32_t)row->err, "%s: err %x", row->what, w.err);
    }
    if (row->shift == 30) { /* a CPU without such pages */
        model_set(&model, FEAT_PDPE1GB, false);
        ck_assert(!mmu_walk(r.c, &r.pm, LIN4, 0, &w));
        ck_assert_uint_eq(w.err, PF_P | PF_RSVD);
    }
    rig_close(&r);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("walk");

    tcase_add_loop_test(tc, walk_long_row, 0, ARRAY_SIZE(long_rows));

    tcase_add_loop_test(tc, walk_row, 0, ARRAY_SIZE(rows));
    tcase_add_test(tc, paging_off_is_identity);
    tcase_add_test(tc, latched_pdptes_rule);
    tcase_add_test(tc, tables_outside_ram_are_empty);
    tcase_add_test(tc, smap_bars_user_data);
    tcase_add_test(tc, accessed_bits_are_reported_once);
    return rig_main("walk", tc);
}
