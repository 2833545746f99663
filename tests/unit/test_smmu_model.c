/* Random guests against a model of the architecture: an access may use the tables as they are now,
 * or a translation that a TLB could still hold: one that was in force, with A (and D for writes)
 * set, since the page's last INVLPG or MOV CR3. Anything else is a bug. Code fetches and writes to
 * code are followed the same way.
 */
#include <stdio.h>

#include "host/slots.h"
#include "mmu_window.h"

enum { NSPACES = 3, NLIN = 24, NHIST = 48, KERNEL_CTX = NSPACES, NCTX };
enum {
    PDPT = 0x8000,
    PD = 0x10000,  /* 4 pages per space: one per quarter; 32-bit uses the first */
    UPT = 0x20000, /* 2 per space: 0x400000, 0x600000 */
    XPT = 0x28000, /* 1 per space */
    KPT = 0x2c000,
    TPT = 0x2d000, /* maps [PDPT, 0x30000) for the kernel's stores */
    DATA = 0x200000,
    NDATA = 32,
    LARGE = 0x1000000,
    STAMP = 0xff8,
    SCRATCH = 0xffc,
};
#define TLIN 0xc0400000u

struct past {
    uint32_t frame[4]; /* by write | user << 1; ~0: was not allowed */
};

struct model {
    struct rig r;
    bool pae;
    unsigned space;
    uint64_t seed;
    uint32_t lin[NLIN];
    struct past hist[NLIN][NHIST];
    unsigned nhist[NLIN];
    uint32_t fetched[NCTX][NLIN]; /* frame; ~0: none */
    bool code[RIG_RAM >> 12];
    unsigned code_events[RIG_RAM >> 12];
    unsigned counter;
    uint64_t foreign_maps; /* a sanitizer's */
};

static unsigned rnd(struct model *m, unsigned n)
{
    m->seed ^= m->seed << 13;
    m->seed ^= m->seed >> 7;
    m->seed ^= m->seed << 17;
    return (unsigned)((m->seed >> 20) % n);
}

/* What the tables say now. ~0: denied. */
static uint32_t allowed_now(struct model *m, uint32_t lin, unsigned how, struct walk *w)
{
    unsigned flags = WALK_NO_AD | (how & 1 ? WALK_WRITE : 0) | (how & 2 ? WALK_USER : 0);

    return mmu_walk(m->r.c, &m->r.pm, lin, flags, w) ? (uint32_t)(w->pa >> 12) : UINT32_MAX;
}

static void remember(struct model *m)
{
    for (unsigned i = 0; i < NLIN; i++) {
        struct past *p = &m->hist[i][m->nhist[i] % NHIST];
        struct walk w;

        for (unsigned how = 0; how < 4; how++) {
            uint64_t need = A | (how & 1 ? D : 0);

            p->frame[how] = allowed_now(m, m->lin[i], how, &w);
            if (w.ok && (w.entry[w.levels - 1] & need) != need)
                p->frame[how] = UINT32_MAX;
        }
        m->nhist[i]++;
    }
}

static void check_fetched(struct model *m, unsigned i)
{
    for (unsigned user = 0; user < 2; user++) {
        uint32_t frame = m->fetched[user ? m->space : KERNEL_CTX][i];
        struct walk w;

        if (frame == UINT32_MAX)
            continue;
        m->r.c->cpl = user ? 3 : 0;
        ck_assert_msg(mmu_walk(m->r.c, &m->r.pm, m->lin[i],
                               WALK_NO_AD | WALK_EXEC | (user ? WALK_USER : 0), &w) &&
                          w.pa >> 12 == frame,
                      "stale fetch of %x, user %u", m->lin[i], user);
    }
}

static void flushed(struct model *m, unsigned i)
{
    m->nhist[i] = 0;
    check_fetched(m, i);
}

static void flushed_all(struct model *m)
{
    for (unsigned i = 0; i < NLIN; i++)
        flushed(m, i);
}

static void switch_to(struct model *m, unsigned s)
{
    m->space = s;
    rig_cr3(&m->r, m->pae ? PDPT + s * 32 : PD + s * 0x4000);
    *smmu_space_cookie(smmu_current(m->r.m)) = &m->fetched[s];
    flushed_all(m);
}

/* Listener: what the translator would hear. */
static void on_code(void *opaque, uint64_t frame, unsigned off, unsigned len)
{
    struct model *m = opaque;

    (void)off;
    (void)len;
    m->code_events[frame]++;
    if (rnd(m, 2)) {
        smmu_clear_code(m->r.m, frame);
        m->code[frame] = false;
    }
}

static void on_unmapped(void *opaque, struct smmu_space *s, uint64_t vpn)
{
    struct model *m = opaque;
    uint32_t(*ctx)[NLIN] = s ? *smmu_space_cookie(s) : &m->fetched[KERNEL_CTX];

    for (unsigned i = 0; ctx && i < NLIN; i++)
        if (vpn == SMMU_ALL_PAGES || vpn == m->lin[i] >> 12)
            (*ctx)[i] = UINT32_MAX;
}

static void on_freed(void *opaque, struct smmu_space *s)
{
    uint32_t(*ctx)[NLIN] = *smmu_space_cookie(s);

    (void)opaque;
    for (unsigned i = 0; ctx && i < NLIN; i++)
        (*ctx)[i] = UINT32_MAX;
}

static bool explained_by_past(const struct model *m, unsigned i, unsigned how, uint32_t frame)
{
    unsigned n = m->nhist[i] < NHIST ? m->nhist[i] : NHIST;

    for (unsigned k = 0; k < n; k++)
        if (m->hist[i][k].frame[how] == frame)
            return true;
    return false;
}

static enum outcome software_access(struct model *m, unsigned cpl, uint32_t at, bool write,
                                    uint32_t *val)
{
    uint64_t got = 0;
    bool ok;

    m->r.c->cpl = (uint8_t)cpl;
    ok = write ? mem_write(m->r.c, at, 4, *val) : mem_read(m->r.c, at, 4, &got);
    if (!write)
        *val = (uint32_t)got;
    return ok ? OUT_OK : OUT_PF;
}

static void do_access(struct model *m)
{
    unsigned i = rnd(m, NLIN), how = rnd(m, 4);
    bool write = how & 1;
    uint32_t at = m->lin[i] + (write ? SCRATCH : STAMP), val = ++m->counter, now, frame;
    unsigned cpl = how & 2 ? 3 : 0;
    unsigned events[2] = {0};
    enum outcome out;
    struct walk w;
    bool was_code;

    m->r.c->cpl = (uint8_t)cpl;
    now = allowed_now(m, m->lin[i], how, &w);
    was_code = now != UINT32_MAX && now < RIG_RAM >> 12 && m->code[now];
    events[0] = was_code ? m->code_events[now] : 0;
    out = rnd(m, 4) ? guest_access(&m->r, cpl, at, write, &val)
                    : software_access(m, cpl, at, write, &val);
    if (out == OUT_PF) {
        ck_assert_msg(now == UINT32_MAX, "seed: fault at %x how %u, tables allow", at, how);
        return;
    }
    ck_assert_int_ne(out, OUT_ERR);
    if (out == OUT_MMIO) {
        ck_assert_uint_ge(now, RIG_RAM >> 12);
        return;
    }
    /* Which frame was it? */
    if (write) {
        for (frame = 0; frame < RIG_RAM >> 12; frame++)
            if (ld32(m->r.pm.hva + ((gpa_t)frame << 12 | SCRATCH)) == val)
                break;
    } else {
        frame = val;
    }
    if (frame == now || frame >= RIG_RAM >> 12) {
        /* MMIO through the software path reads ones and writes nowhere. */
        ck_assert_msg(now != UINT32_MAX && (frame == now || now >= RIG_RAM >> 12 ||
                                            explained_by_past(m, i, how, 0xfee00)),
                      "access at %x how %u", at, how);
        if (m->nhist[i] == 0) {
            ck_assert(mmu_walk(m->r.c, &m->r.pm, at, WALK_NO_AD, &w));
            ck_assert_msg((w.entry[w.levels - 1] & (A | (write ? D : 0))) ==
                              (unsigned)(A | (write ? D : 0)),
                          "A/D missed at %x", at);
        }
        events[1] = was_code ? m->code_events[now] : 0;
        ck_assert_msg(!write || !was_code || frame != now || events[1] > events[0],
                      "unheard write");
        return;
    }
    ck_assert_msg(explained_by_past(m, i, how, frame), "%x how %u used frame %x, tables say %x", at,
                  how, frame, now);
}

static void store_entry(struct model *m, gpa_t pa, uint64_t val)
{
    unsigned words = m->pae ? 2 : 1;

    for (unsigned k = 0; k < words; k++) {
        uint32_t half = (uint32_t)(val >> (32 * k));

        remember(m);
        if (rnd(m, 3) == 0) {
            put32(&m->r, pa + 4 * k, half);
            continue;
        }
        ck_assert_int_eq(guest_access(&m->r, 0, TLIN + (uint32_t)pa + 4 * k, true, &half), OUT_OK);
        ck_assert_uint_eq(peek32(&m->r, pa + 4 * k), half);
    }
}

static uint64_t random_flags(struct model *m)
{
    uint64_t f = 0;

    f |= rnd(m, 8) ? P : 0;
    f |= rnd(m, 4) ? W : 0;
    f |= rnd(m, 3) ? U : 0;
    f |= rnd(m, 3) ? A : 0;
    f |= rnd(m, 3) ? D : 0;
    f |= m->pae && !rnd(m, 6) ? NX : 0;
    f |= m->pae && !rnd(m, 60) ? UINT64_C(1) << 50 : 0;
    return f;
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
    if (m->pae)
        return PD + s * 0x4000 + (lin >> 30) * 0x1000 + (lin >> 21 & 511) * 8;
    return PD + s * 0x4000 + (lin >> 22) * 4;
}

static void edit(struct model *m)
{
    unsigned s = rnd(m, NSPACES), i = rnd(m, NLIN), bytes = m->pae ? 8 : 4;
    uint32_t lin = m->lin[i];
    unsigned index = lin >> 12 & (m->pae ? 511 : 1023);
    gpa_t table = (lin >> 24) == 0xc0   ? KPT
                  : (lin >> 24) == 0xff ? XPT + s * 0x1000
                                        : UPT + s * 0x2000;

    if (m->pae && lin >> 21 == 3)
        table += 0x1000;
    if (!rnd(m, 12))
        store_entry(m, pde_pa(m, s, lin), random_pde(m));
    else
        store_entry(m, table + index * bytes, random_leaf(m));
}

static void fetch(struct model *m)
{
    unsigned i = rnd(m, NLIN), user = rnd(m, 2);
    struct code_page page;
    struct walk w;
    bool ok;

    m->r.c->cpl = user ? 3 : 0;
    ok = mmu_walk(m->r.c, &m->r.pm, m->lin[i], WALK_NO_AD | WALK_EXEC | (user ? WALK_USER : 0), &w);
    ck_assert_int_eq(smmu_fetch(m->r.m, m->r.c, m->lin[i] + 0x10, &page), ok);
    if (!ok || page.frame == SMMU_ALL_PAGES)
        return;
    ck_assert_uint_eq(page.frame, w.pa >> 12);
    m->code[page.frame] = true;
    m->fetched[user ? m->space : KERNEL_CTX][i] = (uint32_t)page.frame;
}

static void step(struct model *m)
{
    unsigned what = rnd(m, 100), i = rnd(m, NLIN);

    if (what < 55) {
        do_access(m);
    } else if (what < 80) {
        edit(m);
    } else if (what < 88) {
        smmu_invlpg(m->r.m, m->r.c, m->lin[i] + 5);
        /* One large page: all its translations went. */
        flushed(m, i);
    } else if (what < 94) {
        fetch(m);
    } else if (what < 99) {
        switch_to(m, rnd(m, NSPACES));
    } else {
        m->r.c->cr0 ^= CR0_WP;
        smmu_paging_changed(m->r.m, m->r.c);
        flushed_all(m);
    }
}

static void place_tables(struct model *m)
{
    struct rig *r = &m->r;
    unsigned bytes = m->pae ? 8 : 4;

    for (gpa_t pa = 0; pa < DATA + NDATA * 0x1000; pa += 0x1000)
        if (physmem_ptr(&r->pm, pa))
            put32(r, pa + STAMP, (uint32_t)(pa >> 12));
    for (gpa_t pa = LARGE; pa < LARGE + 0x400000; pa += 0x1000)
        put32(r, pa + STAMP, (uint32_t)(pa >> 12));
    for (unsigned s = 0; s < NSPACES; s++) {
        for (unsigned q = 0; q < 4; q++)
            put64(r, PDPT + s * 32 + q * 8, (PD + s * 0x4000 + q * 0x1000) | P);
        put32(r, pde_pa(m, s, 0x400000), (UPT + s * 0x2000) | P | W | U);
        if (m->pae)
            put32(r, pde_pa(m, s, 0x600000), (UPT + s * 0x2000 + 0x1000) | P | W | U);
        put32(r, pde_pa(m, s, 0xc0000000), KPT | P | W);
        put32(r, pde_pa(m, s, 0xff000000), (XPT + s * 0x1000) | P | W);
        put32(r, pde_pa(m, s, TLIN), TPT | P | W);
    }
    for (unsigned i = 0; i < 0x30; i++)
        put32(r, TPT + i * bytes, i << 12 | P | W | A | D);
}

/* Host mappings where windows live. */
static uint64_t count_maps(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long lo, hi;
    uint64_t n = 0;
    char line[512];

    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof(line), maps))
        if (sscanf(line, "%lx-%lx", &lo, &hi) == 2 && lo >= SLOT_ORIGIN && lo < slot_base(NSLOTS))
            n++;
    fclose(maps);
    return n;
}

static void model_open(struct model *m, bool pae, uint64_t seed, const struct smmu_config *cfg)
{
    struct smmu_listener l = {on_code, on_unmapped, NULL, on_freed, m};

    m->pae = pae;
    m->seed = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    m->counter = 0x40000000;
    for (unsigned i = 0; i < NLIN; i++) {
        static const uint32_t area[] = {0x400000, 0x600000, 0xc0000000, 0xff000000};

        m->lin[i] = area[i / 6] + i % 6 * 0x1000;
    }
    memset(m->fetched, 0xff, sizeof(m->fetched));
    m->foreign_maps = count_maps();
    rig_open(&m->r);
    rig_start(&m->r, cfg);
    smmu_add_listener(m->r.m, &l);
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
    unsigned steps = 20000;

    ck_assert_ptr_nonnull(m);
    model_open(m, pae, seed, cfg);
    for (unsigned i = 0; i < steps; i++) {
        step(m);
        if (i % 2000 == 0)
            check_map_count(m);
    }
    rig_close(&m->r);
    free(m);
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
