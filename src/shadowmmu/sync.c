#include "shadowmmu/shadow.h"

#include <x86intrin.h>

/* Pages that are mapped and dropped again and again within some milliseconds cost more as mappings
 * than through the software path. A lossy table is enough to find them. */
static struct remap_slot *remap_slot(struct smmu *m, uint32_t key)
{
    return &m->remap[(key ^ key >> 10) % REMAP_SLOTS];
}

static uint32_t remap_key(const struct view *v, uint32_t vpn)
{
    return (uint32_t)v->id << 20 | vpn;
}

void remap_note(struct smmu *m, const struct view *v, uint32_t vpn)
{
    uint32_t key = remap_key(v, vpn);
    struct remap_slot *s = remap_slot(m, key);
    uint64_t epoch = __rdtsc() >> REMAP_EPOCH_SHIFT;

    if (s->key != key || s->epoch < epoch)
        *s = (struct remap_slot){.key = key, .epoch = epoch};
    if (++s->count == REMAP_HOT)
        s->epoch = epoch + 2; /* stays hot for this long */
}

bool remap_hot(struct smmu *m, const struct view *v, uint32_t vpn)
{
    const struct remap_slot *s = remap_slot(m, remap_key(v, vpn));

    return s->count >= REMAP_HOT && s->key == remap_key(v, vpn) &&
           s->epoch >= __rdtsc() >> REMAP_EPOCH_SHIFT;
}

/* Whether a page belongs in a view by its effective U/S. */
static bool view_takes(const struct smmu *m, const struct view *v, bool user)
{
    if (v->kind == VIEW_USER)
        return user;
    if (!user || (m->paging & PB_SMAP))
        return !user;
    return smmu_long(m) || (v->kind == VIEW_KERNEL && m->unified);
}

struct leaf leaf_read(const struct smmu *m, const struct view *v, const struct region *rg,
                      unsigned r, unsigned idx)
{
    uint64_t pte = table_read(m, rg->table, region_first(m, r) + idx);
    uint64_t both = pte & rg->pde;
    struct leaf lf = {.frame = NO_FRAME, .user = both & PTE_U};
    bool write = (both & PTE_W) || (!(m->paging & PB_WP) && v->kind != VIEW_USER);

    if ((pte & (PTE_P | PTE_A)) != (PTE_P | PTE_A) || (pte & m->rsvd) || !view_takes(m, v, lf.user))
        return lf;
    lf.frame = frame_of(m, pte & UINT64_C(0xffffffffff000));
    lf.ok = lf.frame != NO_FRAME;
    lf.nx = (m->paging & PB_NXE) && ((pte | rg->pde) & PTE_NX);
    lf.write = lf.ok && write && (pte & PTE_D) && !frame_no_write(m, lf.frame);
    return lf;
}

static bool entry_stands(uint64_t e, const struct leaf *lf)
{
    return lf->ok && lf->frame == (e & E_FRAME) && lf->user == !!(e & E_USER);
}

enum remedy { STANDS, PROTECT, DROP };

static enum remedy remedy_for(const struct smmu *m, const struct view *v, unsigned r, unsigned i,
                              uint64_t e)
{
    struct leaf lf = leaf_read(m, v, &v->region[r], r, i);

    if (!entry_stands(e, &lf) || (lf.nx && (e & (E_FETCHED | E_KFETCHED))))
        return DROP;
    return (e & E_WRITE) && !lf.write ? PROTECT : STANDS;
}

bool sync_can_wait(struct smmu *m, struct view *v, unsigned r, unsigned idx)
{
    const uint64_t *e = view_entry(m, v, r * REGION_PAGES + idx);
    struct leaf lf;

    if (!e || !*e || remedy_for(m, v, r, idx, *e) == STANDS)
        return false;
    lf = leaf_read(m, v, &v->region[r], r, idx);
    return !lf.ok || entry_stands(*e, &lf);
}

/* Takes away what the guest's table no longer allows; giving more is left to the next fault. One
 * call to the host for each run of entries in need of the same. */
enum sync_result sync_entries(struct smmu *m, struct view *v, unsigned r, unsigned first,
                              unsigned last)
{
    const struct region *rg = &v->region[r];
    uint32_t base = r * REGION_PAGES;
    enum sync_result res = SYNC_SAME;

    for (unsigned i = first; i <= last && rg->live; i++) {
        const uint64_t *e = view_entry(m, v, base + i);
        enum remedy what = *e ? remedy_for(m, v, r, i, *e) : STANDS;
        unsigned n = 0;

        if (what == STANDS)
            continue;
        do {
            n++;
        } while (i + n <= last && e[n] && remedy_for(m, v, r, i + n, e[n]) == what);
        m->stats.synced_entries += n;
        if (what == DROP)
            view_drop(m, v, base + i, n);
        else
            view_protect(m, v, base + i, n);
        res = SYNC_LESS;
        i += n - 1;
    }
    return res;
}

/* Compares an unsynced table with what the current windows show of it. */
static void table_sync(struct smmu *m, struct unsynced *u)
{
    bool less = false, seen = false;
    uint64_t removals;

    do {
        removals = m->removals;
        for (uint32_t n = m->frame[u->frame].uses; n && removals == m->removals;
             n = m->node[n].next) {
            struct view *v = &m->views[m->node[n].key >> 11];

            if (!view_current(m, v))
                continue;
            seen = true;
            less |= sync_entries(m, v, m->node[n].key & (NREGIONS - 1), 0, REGION_PAGES - 1) ==
                    SYNC_LESS;
        }
    } while (removals != m->removals);
    if (seen)
        u->idle = less ? 0 : u->idle + 1;
}

void sync_all(struct smmu *m)
{
    m->stats.syncs++;
    owed_settle(m);
    for (unsigned i = m->nunsynced; i--;) {
        if (i >= m->nunsynced) /* a sync at the host's limit may have closed several */
            continue;
        table_sync(m, &m->unsynced[i]);
        if (i < m->nunsynced && m->unsynced[i].idle >= RESYNC_IDLE)
            table_retrace(m, m->unsynced[i].frame);
    }
}

static void sync_page(struct smmu *m, struct view *v, uint32_t vpn)
{
    const struct region *rg;

    if (!v)
        return;
    rg = &v->region[vpn / REGION_PAGES];
    /* Large pages: the directory is traced, so they are true already. */
    if (rg->live && rg->table != NO_FRAME && *view_entry(m, v, vpn))
        sync_entries(m, v, vpn / REGION_PAGES, vpn % REGION_PAGES, vpn % REGION_PAGES);
}

void smmu_invlpg(void *opaque, struct cpu *c, gva_t lin)
{
    struct smmu *m = opaque;
    uint32_t vpn = (uint32_t)lin >> PAGE_SHIFT;

    softtlb_flush_page(m, cpu_long(c) ? lin : (uint32_t)lin);
    if (m->paging & PB_SOFT)
        emit_code_unmapped(m, NULL, SMMU_ALL_PAGES);
    if (!(m->paging & PB_PG))
        return;
    if (smmu_long(m)) {
        unsigned i = (unsigned)(lin >> 32 & (SMMU_PIECES - 1));

        sync_page(m, piece_find(m, m->cur, i, VIEW_USER), vpn);
        sync_page(m, piece_find(m, m->cur, i, VIEW_PRIVATE), vpn);
        sync_page(m, piece_find(m, NULL, i, VIEW_KERNEL), vpn);
        return;
    }
    sync_page(m, m->kernel, vpn);
    sync_page(m, m->cur->user, vpn);
    sync_page(m, m->cur->priv, vpn);
}
