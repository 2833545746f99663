/* Random 32-bit guests: smmu_model.h. */
#include "smmu_model.h"

#include "mmu_window.h"

enum {
    PDPT = 0x8000,
    PD = 0x10000,  /* 4 pages per space: one per quarter; 32-bit uses the first */
    UPT = 0x20000, /* 2 per space: 0x400000, 0x600000 */
    XPT = 0x28000, /* 1 per space */
    KPT = 0x2c000,
    TPT = 0x2d000, /* maps [PDPT, 0x30000) for the kernel's stores */
};
#define TLIN 0xc0400000u

static void store_entry(struct model *m, gpa_t pa, uint64_t val)
{
    for (unsigned k = 0; k < (m->wide ? 8 : 4); k += 4)
        store_half(m, TLIN + pa + k, pa + k, (uint32_t)(val >> (8 * k)));
}

static uint64_t random_leaf(struct model *m)
{
    if (!rnd(m, 30))
        return 0xfee00000 | random_flags(m);
    if (!rnd(m, 10)) /* a page table as data */
        return (UPT + rnd(m, 13) * UINT64_C(0x1000)) | random_flags(m);
    return (DATA + rnd(m, NDATA) * UINT64_C(0x1000)) | random_flags(m);
}

static uint64_t random_pde(struct model *m)
{
    static const gpa_t table[] = {UPT, UPT + 0x1000, UPT + 0x2000, UPT + 0x3000,
                                  XPT, XPT + 0x1000, KPT};

    if (!rnd(m, 4))
        return LARGE | PS | random_flags(m);
    return table[rnd(m, ARRAY_SIZE(table))] | random_flags(m);
}

/* Where the directory entry of lin lives in space s. */
static gpa_t pde_pa(const struct model *m, unsigned s, uint32_t lin)
{
    if (m->wide)
        return PD + s * 0x4000 + (lin >> 30) * 0x1000 + (lin >> 21 & 511) * 8;
    return PD + s * 0x4000 + (lin >> 22) * 4;
}

static void edit(struct model *m)
{
    unsigned s = rnd(m, NSPACES), i = rnd(m, m->nlin), bytes = m->wide ? 8 : 4;
    uint32_t lin = (uint32_t)m->lin[i];
    unsigned index = lin >> 12 & (m->wide ? 511 : 1023);
    gpa_t table = (lin >> 24) == 0xc0   ? KPT
                  : (lin >> 24) == 0xff ? XPT + s * 0x1000
                                        : UPT + s * 0x2000;

    if (m->wide && lin >> 21 == 3)
        table += 0x1000;
    if (!rnd(m, 12))
        store_entry(m, pde_pa(m, s, lin), random_pde(m));
    else
        store_entry(m, table + index * bytes, random_leaf(m));
}

static void place_tables(struct model *m)
{
    struct rig *r = &m->r;
    unsigned bytes = m->wide ? 8 : 4;

    for (gpa_t pa = 0; pa < DATA + NDATA * 0x1000; pa += 0x1000)
        if (physmem_ptr(&r->pm, pa))
            put32(r, pa + STAMP, (uint32_t)(pa >> 12));
    for (gpa_t pa = LARGE; pa < LARGE + 0x400000; pa += 0x1000)
        put32(r, pa + STAMP, (uint32_t)(pa >> 12));
    for (unsigned s = 0; s < NSPACES; s++) {
        for (unsigned q = 0; q < 4; q++)
            put64(r, PDPT + s * 32 + q * 8, (PD + s * 0x4000 + q * 0x1000) | P);
        put32(r, pde_pa(m, s, 0x400000), (UPT + s * 0x2000) | P | W | U);
        if (m->wide)
            put32(r, pde_pa(m, s, 0x600000), (UPT + s * 0x2000 + 0x1000) | P | W | U);
        put32(r, pde_pa(m, s, 0xc0000000), KPT | P | W);
        put32(r, pde_pa(m, s, 0xff000000), (XPT + s * 0x1000) | P | W);
        put32(r, pde_pa(m, s, TLIN), TPT | P | W);
    }
    for (unsigned i = 0; i < 0x30; i++)
        put32(r, TPT + i * bytes, i << 12 | P | W | A | D);
}

static enum outcome access_32(struct rig *r, unsigned cpl, gva_t lin, bool write, uint32_t *val)
{
    return guest_access(r, cpl, (uint32_t)lin, write, val);
}

static void enter(struct model *m, unsigned s)
{
    rig_cr3(&m->r, m->wide ? PDPT + s * 32 : PD + s * 0x4000);
}

static const struct model_mode mode = {access_32, enter, edit};

static void model_open(struct model *m, bool pae, uint64_t seed, const struct smmu_config *cfg)
{
    static const uint32_t area[] = {0x400000, 0x600000, 0xc0000000, 0xff000000};

    model_init(m, &mode, seed);
    m->wide = pae;
    m->nlin = 6 * ARRAY_SIZE(area);
    for (unsigned i = 0; i < m->nlin; i++)
        m->lin[i] = area[i / 6] + i % 6 * 0x1000;
    rig_open(&m->r);
    rig_start(&m->r, cfg);
    model_listen(m);
    place_tables(m);
    rig_paging(&m->r, CR0_PG | CR0_WP, pae ? CR4_PAE : CR4_PSE, pae ? EFER_NXE : 0,
               pae ? PDPT : PD);
    window_open(&m->r);
    switch_to(m, 0);
}

/* The count that eviction goes by is the host's. */
static void check_map_count(struct model *m)
{
    ck_assert_uint_eq(count_maps() - m->foreign_maps, smmu_stats(m->r.m)->live_maps);
}

static void run(bool pae, uint64_t seed, const struct smmu_config *cfg)
{
    struct model *m = calloc(1, sizeof(*m));

    ck_assert_ptr_nonnull(m);
    model_open(m, pae, seed, cfg);
    model_run(m, 20000, 2000, check_map_count);
}

static const struct smmu_config configs[] = {
    {.max_maps = 30000},
    {.max_maps = 64},
    {.max_maps = 30000, .torture = true},
};

START_TEST(random_guest)
{
    run(_i & 1, (uint64_t)_i, &configs[_i / 2 % 3]);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("smmu_model");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, random_guest, 0, 12);
    return rig_main("smmu_model", tc);
}
