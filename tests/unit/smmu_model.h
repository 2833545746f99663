/* smmu_model.h - random guests against a model of the architecture: an access may use the tables as
 * they are now, or a translation that a TLB could still hold: one that was in force, with A (and D
 * for writes) set, since the page's last INVLPG or MOV CR3. Anything else is a bug. Code fetches
 * and writes to code are followed the same way.
 *
 * The test supplies the paging mode: struct model_mode.
 */
#ifndef DRAGOMAN_TESTS_SMMU_MODEL_H
#define DRAGOMAN_TESTS_SMMU_MODEL_H

#include <stdio.h>

#include "host/slots.h"
#include "mmu_rig.h"

enum { NSPACES = 3, NLIN_MAX = 48, NHIST = 48, KERNEL_CTX = NSPACES, NCTX };
/* How an access is made: for writing, at CPL 3, with EFLAGS.AC set. */
enum { HOW_WRITE = 1, HOW_USER = 2, HOW_OPEN = 4, NHOW = 8 };
enum { STAMP = 0xff8, SCRATCH = 0xffc }; /* a page's frame number; where accesses write */
enum { DATA = 0x200000, NDATA = 32, LARGE = 0x1000000 };

struct past {
    uint32_t frame[NHOW]; /* ~0: was not allowed */
};

struct model;

struct model_mode {
    enum outcome (*access)(struct rig *r, unsigned cpl, gva_t lin, bool write, uint32_t *val);
    void (*enter)(struct model *m, unsigned space);
    void (*edit)(struct model *m); /* an entry of some table */
};

struct model {
    struct rig r;
    const struct model_mode *mode;
    bool wide; /* entries of 8 bytes */
    unsigned space, nlin;
    uint64_t seed;
    gva_t lin[NLIN_MAX];
    struct past hist[NLIN_MAX][NHIST];
    unsigned nhist[NLIN_MAX];
    uint32_t fetched[NCTX][NLIN_MAX]; /* frame; ~0: none */
    bool code[RIG_RAM >> 12];
    unsigned code_events[RIG_RAM >> 12];
    unsigned counter;
    uint64_t foreign_maps; /* a sanitizer's */
};

static inline unsigned rnd(struct model *m, unsigned n)
{
    m->seed ^= m->seed << 13;
    m->seed ^= m->seed >> 7;
    m->seed ^= m->seed << 17;
    return (unsigned)((m->seed >> 20) % n);
}

static bool walk_as(struct model *m, gva_t lin, unsigned how, struct walk *w)
{
    unsigned flags =
        WALK_NO_AD | (how & HOW_WRITE ? WALK_WRITE : 0) | (how & HOW_USER ? WALK_USER : 0);

    m->r.c->rflags = how & HOW_OPEN ? EF_AC : 0;
    return mmu_walk(m->r.c, &m->r.pm, lin, flags, w);
}

/* What the tables say now. ~0: denied. */
static uint32_t allowed_now(struct model *m, gva_t lin, unsigned how, struct walk *w)
{
    return walk_as(m, lin, how, w) ? (uint32_t)(w->pa >> 12) : UINT32_MAX;
}

static void remember(struct model *m)
{
    for (unsigned i = 0; i < m->nlin; i++) {
        struct past *p = &m->hist[i][m->nhist[i] % NHIST];
        struct walk w;

        for (unsigned how = 0; how < NHOW; how++) {
            uint64_t need = A | (how & HOW_WRITE ? D : 0);

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
                      "stale fetch of %lx, user %u", m->lin[i], user);
    }
}

static void flushed(struct model *m, unsigned i)
{
    m->nhist[i] = 0;
    check_fetched(m, i);
}

static void flushed_all(struct model *m)
{
    for (unsigned i = 0; i < m->nlin; i++)
        flushed(m, i);
}

static void switch_to(struct model *m, unsigned s)
{
    m->space = s;
    m->mode->enter(m, s);
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
    uint32_t(*ctx)[NLIN_MAX] = s ? *smmu_space_cookie(s) : &m->fetched[KERNEL_CTX];

    for (unsigned i = 0; ctx && i < m->nlin; i++)
        if (vpn == SMMU_ALL_PAGES || vpn == m->lin[i] >> 12)
            (*ctx)[i] = UINT32_MAX;
}

static void on_freed(void *opaque, struct smmu_space *s)
{
    const struct model *m = opaque;
    uint32_t(*ctx)[NLIN_MAX] = *smmu_space_cookie(s);

    for (unsigned i = 0; ctx && i < m->nlin; i++)
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

static enum outcome software_access(struct model *m, unsigned cpl, gva_t at, bool write,
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
    unsigned i = rnd(m, m->nlin), how = rnd(m, NHOW);
    bool write = how & HOW_WRITE;
    gva_t at = m->lin[i] + (write ? SCRATCH : STAMP);
    uint32_t val = ++m->counter, now, frame;
    unsigned cpl = how & HOW_USER ? 3 : 0;
    unsigned events[2] = {0};
    enum outcome out;
    struct walk w;
    bool was_code;

    m->r.c->cpl = (uint8_t)cpl;
    now = allowed_now(m, m->lin[i], how, &w);
    was_code = now != UINT32_MAX && now < RIG_RAM >> 12 && m->code[now];
    events[0] = was_code ? m->code_events[now] : 0;
    out = rnd(m, 4) ? m->mode->access(&m->r, cpl, at, write, &val)
                    : software_access(m, cpl, at, write, &val);
    if (out == OUT_PF) {
        ck_assert_msg(now == UINT32_MAX, "seed: fault at %lx how %u, tables allow", at, how);
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
                      "access at %lx how %u", at, how);
        if (m->nhist[i] == 0) {
            ck_assert(walk_as(m, at, how & ~(unsigned)HOW_WRITE, &w));
            ck_assert_msg((w.entry[w.levels - 1] & (A | (write ? D : 0))) ==
                              (unsigned)(A | (write ? D : 0)),
                          "A/D missed at %lx", at);
        }
        events[1] = was_code ? m->code_events[now] : 0;
        ck_assert_msg(!write || !was_code || frame != now || events[1] > events[0],
                      "unheard write");
        return;
    }
    ck_assert_msg(explained_by_past(m, i, how, frame), "%lx how %u used frame %x, tables say %x",
                  at, how, frame, now);
}

static uint64_t random_flags(struct model *m)
{
    uint64_t f = 0;

    f |= rnd(m, 8) ? P : 0;
    f |= rnd(m, 4) ? W : 0;
    f |= rnd(m, 3) ? U : 0;
    f |= rnd(m, 3) ? A : 0;
    f |= rnd(m, 3) ? D : 0;
    f |= m->wide && !rnd(m, 6) ? NX : 0;
    f |= m->wide && !rnd(m, 60) ? UINT64_C(1) << 50 : 0;
    return f;
}

/* The kernel's store of an entry's half, at linear `lin`, physical `pa`. */
static void store_half(struct model *m, gva_t lin, gpa_t pa, uint32_t half)
{
    remember(m);
    if (rnd(m, 3) == 0) {
        put32(&m->r, pa, half);
        return;
    }
    ck_assert_int_eq(m->mode->access(&m->r, 0, lin, true, &half), OUT_OK);
    ck_assert_uint_eq(peek32(&m->r, pa), half);
}

static void fetch(struct model *m)
{
    unsigned i = rnd(m, m->nlin), user = rnd(m, 2);
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
    unsigned what = rnd(m, 100), i = rnd(m, m->nlin);

    if (what < 55) {
        do_access(m);
    } else if (what < 80) {
        m->mode->edit(m);
    } else if (what < 88) {
        smmu_invlpg(m->r.m, m->r.c, m->lin[i] + 5);
        /* One large page: all its translations went. */
        flushed(m, i);
    } else if (what < 94) {
        fetch(m);
    } else if (what < 99) {
        switch_to(m, rnd(m, NSPACES));
    } else {
        if (rnd(m, 4))
            m->r.c->cr0 ^= CR0_WP;
        else
            m->r.c->cr4 ^= CR4_SMAP;
        smmu_paging_changed(m->r.m, m->r.c);
        *smmu_space_cookie(smmu_current(m->r.m)) = &m->fetched[m->space]; /* it may be a new one */
        flushed_all(m);
    }
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

static void model_init(struct model *m, const struct model_mode *mode, uint64_t seed)
{
    m->mode = mode;
    m->seed = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    m->counter = 0x40000000;
    memset(m->fetched, 0xff, sizeof(m->fetched));
    m->foreign_maps = count_maps();
}

static void model_run(struct model *m, unsigned steps, unsigned every,
                      void (*check)(struct model *m))
{
    for (unsigned i = 0; i < steps; i++) {
        step(m);
        if (i % every == 0)
            check(m);
    }
    rig_close(&m->r);
    free(m);
}

static void model_listen(struct model *m)
{
    struct smmu_listener l = {on_code, on_unmapped, NULL, on_freed, m};

    smmu_add_listener(m->r.m, &l);
}

#endif
