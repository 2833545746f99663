/* Random 64-bit guests: smmu_model.h. Three spaces with several pieces in both halves; entries of
 * all four levels change, PML4 entries of the kernel's half differ between spaces for a time. */
#include "smmu_model.h"

#include "smmu_long_rig.h"

enum { PML4 = 0x10000, NAREAS = 8, AREA_PAGES = 5, LEVELS = 4 };
/* RAM [0, 1 MiB) for the kernel's stores; its tables stay as they are. */
#define TLIN UINT64_C(0xffff900000000000)

static const struct {
    gva_t lin;
    bool shared; /* the kernel's: at first the same tables in all spaces */
} area[NAREAS] = {
    {UINT64_C(0x0000000000401000), false}, /* piece 0 */
    {UINT64_C(0x00007f1240200000), false}, {UINT64_C(0x00007f12c0200000), false},
    {UINT64_C(0x00007f1380210000), false}, {UINT64_C(0xffff888000200000), true},
    {UINT64_C(0xffff888100300000), true},  {UINT64_C(0xffffc90000220000), true},
    {UINT64_C(0xffffffffff600000), true}, /* a user's page in the upper half */
};

/* Where the model edits, and what of. */
struct tables {
    struct model m;                       /* first */
    gpa_t entry[NSPACES][NAREAS][LEVELS]; /* of the area's first page */
    gpa_t below[NSPACES][NAREAS][LEVELS]; /* the table under it */
    bool large_1g;
    struct cpu_model cpu;
};

static struct tables *tables_of(struct model *m)
{
    return (struct tables *)(void *)m;
}

static uint64_t random_upper(struct model *m, unsigned s, unsigned a, unsigned level)
{
    struct tables *t = tables_of(m);
    uint64_t flags = (rnd(m, 16) ? P : 0) | (rnd(m, 8) ? W : 0) | (rnd(m, 6) ? U : 0) |
                     (rnd(m, 2) ? A : 0) | (rnd(m, 2) ? D : 0) | (rnd(m, 12) ? 0 : NX) |
                     (rnd(m, 80) ? 0 : UINT64_C(1) << 50) | (rnd(m, 4) ? 0 : 0xe18);

    if (level == 2 && !rnd(m, 4))
        return LARGE | PS | flags;
    if (level == 1 && !rnd(m, t->large_1g ? 6 : 40)) /* else PS is reserved */
        return PS | flags;
    if (!rnd(m, 4)) {
        s = rnd(m, NSPACES);
        a = rnd(m, NAREAS);
    }
    return t->below[s][a][level] | flags;
}

static uint64_t random_pte(struct model *m)
{
    struct tables *t = tables_of(m);
    uint64_t flags = random_flags(m);

    if (!rnd(m, 30))
        return 0xfee00000 | flags;
    if (!rnd(m, 10)) /* a page table as data */
        return t->below[rnd(m, NSPACES)][rnd(m, NAREAS)][2] | flags;
    return (DATA + rnd(m, NDATA) * UINT64_C(0x1000)) | flags;
}

static void long_edit(struct model *m)
{
    struct tables *t = tables_of(m);
    unsigned s = rnd(m, NSPACES), a = rnd(m, NAREAS), dice = rnd(m, 100);
    unsigned level = dice < 80 ? 3 : dice < 90 ? 2 : dice < 96 ? 1 : 0;
    gpa_t pa = t->entry[s][a][level] + (level == 3 ? rnd(m, AREA_PAGES) * 8 : 0);
    uint64_t val = level == 3 ? random_pte(m) : random_upper(m, s, a, level);

    for (unsigned k = 0; k < 8; k += 4)
        store_half(m, TLIN + pa + k, pa + k, (uint32_t)(val >> (8 * k)));
}

static void long_enter(struct model *m, unsigned s)
{
    long_cr3(&m->r, PML4 + s * 0x1000);
    if (!rnd(m, 4)) {
        uint64_t base = smmu_base(m->r.m, VIEW_USER);

        ck_assert_uint_eq(base, long_delta(&m->r, SMMU_USER, 0));
        ck_assert_uint_ne(base, slot_base(0));
    }
}

/* Stamps go into pages that aren't upper tables: bits of theirs would be entries. */
static bool is_upper_table(const struct tables *t, gpa_t pa)
{
    if (pa >= PML4 && pa < PML4 + NSPACES * 0x1000)
        return true;
    for (unsigned s = 0; s < NSPACES; s++)
        for (unsigned a = 0; a < NAREAS; a++)
            for (unsigned level = 0; level < 2; level++)
                if (t->below[s][a][level] == pa)
                    return true;
    return false;
}

static void place_tables(struct tables *t)
{
    struct rig *r = &t->m.r;

    for (unsigned i = 0; i < 256; i++)
        long_map(r, PML4, TLIN + i * 0x1000, i * 0x1000 | P | W | A | D);
    put64(r, PML4 + 0x1000 + (TLIN >> 39 & 511) * 8, peek64(r, PML4 + (TLIN >> 39 & 511) * 8));
    put64(r, PML4 + 0x2000 + (TLIN >> 39 & 511) * 8, peek64(r, PML4 + (TLIN >> 39 & 511) * 8));
    for (unsigned s = 0; s < NSPACES; s++) {
        for (unsigned a = 0; a < NAREAS; a++) {
            gpa_t pml4 = PML4 + s * 0x1000, top = long_entry(r, pml4, area[a].lin, 0);

            if (area[a].shared && s)
                put64(r, top, peek64(r, top - s * 0x1000));
            for (unsigned level = 0; level < LEVELS; level++)
                t->entry[s][a][level] = long_entry(r, pml4, area[a].lin, level);
            for (unsigned level = 0; level < LEVELS - 1; level++)
                t->below[s][a][level] = t->entry[s][a][level + 1] & ~(gpa_t)0xfff;
        }
    }
    ck_assert_uint_lt(lwin.next_table, 0x100000);
    for (gpa_t pa = 0; pa < RIG_RAM; pa += 0x1000)
        if (physmem_ptr(&r->pm, pa) && !is_upper_table(t, pa) &&
            !(pa >= LONG_TABLES && pa < LONG_TABLES + 0x4000)) /* TLIN's */
            put32(r, pa + STAMP, (uint32_t)(pa >> 12));
}

/* The count that eviction goes by is the host's: of windows, and four for each block and one for
 * the kernel's half. */
static void check(struct model *m)
{
    uint64_t blocks = smmu_stats(m->r.m)->live_maps - (count_maps() - m->foreign_maps);

    ck_assert_uint_eq(blocks % 4, 1);
    ck_assert_uint_le(blocks, 1 + 4 * SMMU_TABLES * NSPACES);
    long_check_tables(&m->r);
}

static const struct model_mode mode = {long_access, long_enter, long_edit};

static void run(bool large_1g, uint64_t seed, const struct smmu_config *cfg)
{
    struct tables *t = calloc(1, sizeof(*t));
    struct model *m = &t->m;

    ck_assert_ptr_nonnull(t);
    model_init(m, &mode, seed);
    m->wide = true;
    m->nlin = NAREAS * AREA_PAGES;
    for (unsigned i = 0; i < m->nlin; i++)
        m->lin[i] = area[i / AREA_PAGES].lin + i % AREA_PAGES * 0x1000;
    long_rig_open(&m->r, cfg);
    model_listen(m);
    t->large_1g = large_1g;
    t->cpu.phys_bits = 36;
    model_set(&t->cpu, FEAT_PDPE1GB, large_1g);
    m->r.c->model = &t->cpu;
    place_tables(t);
    long_rig_start(&m->r, PML4);
    switch_to(m, 0);
    model_run(m, 20000, 1000, check);
}

static const struct smmu_config configs[] = {
    {.max_maps = 30000},
    {.max_maps = 64},
    {.max_maps = 128},
    {.max_maps = 30000, .torture = true},
};

START_TEST(random_guest)
{
    run(_i & 1, (uint64_t)_i, &configs[_i / 2 % ARRAY_SIZE(configs)]);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("smmu_long_model");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, random_guest, 0, 16);
    return rig_main("smmu_long_model", tc);
}
