#include "shadowmmu/shadow.h"

#include <errno.h>

/* A walk on the shadow's behalf: the A and D bits it sets are no news to the shadow. */
bool smmu_walk(struct smmu *m, const struct cpu *c, gva_t lin, unsigned flags, struct walk *w)
{
    bool ok;

    m->stats.walks++;
    m->walking = true;
    ok = mmu_walk(c, m->pm, lin, flags, w);
    m->walking = false;
    return ok;
}

/* NULL: no such view (yet), in long mode. */
struct view *view_get(struct smmu *m, enum smmu_view v)
{
    if (smmu_long(m))
        return v == VIEW_USER ? piece_find(m, m->cur, 0, VIEW_USER) : NULL;
    if (v == VIEW_KERNEL)
        return m->kernel;
    return v == VIEW_USER ? m->cur->user : m->cur->priv;
}

static enum smmu_view view_of_page(const struct smmu *m, const struct cpu *c, const struct walk *w,
                                   uint32_t vpn)
{
    if (c->cpl == 3)
        return VIEW_USER;
    if (!(m->paging & PB_PG))
        return VIEW_KERNEL;
    if (w->user)
        return m->unified && !(m->paging & PB_SMAP) ? VIEW_KERNEL : VIEW_USER;
    return m->diverged[vpn / REGION_PAGES] < DIVERGE_LIMIT ? VIEW_KERNEL : VIEW_PRIVATE;
}

/* Makes the region of a walked page live in its view: from here on its tables are traced. */
struct view *fill_prepare(struct smmu *m, const struct cpu *c, const struct walk *w, gva_t lin)
{
    uint32_t vpn = (uint32_t)lin >> PAGE_SHIFT;
    unsigned r = vpn / REGION_PAGES;
    bool leaf = w->levels && w->page_shift == PAGE_SHIFT;
    uint32_t table = leaf ? frame_of(m, w->entry_pa[w->levels - 1]) : NO_FRAME;
    struct view *v;

    evict_for_fill(m);
    if (smmu_long(m)) {
        v = piece_for(m, c, w, lin);
        if (!v)
            return NULL;
        upper_open(m, v, r);
        region_prepare(m, v, r, pde_signature(m, upper_pde(m, v, r)), table);
        return v;
    }
    v = view_get(m, view_of_page(m, c, w, vpn));
    region_prepare(m, v, r, space_pde(m, m->cur, r), table);
    if (!leaf && w->page_shift > REGION_SHIFT)
        region_prepare(m, v, r ^ 1, space_pde(m, m->cur, r ^ 1), NO_FRAME);
    return v;
}

static bool same_run(const struct leaf *a, const struct leaf *b, int64_t distance)
{
    return b->ok && b->write == a->write && b->user == a->user &&
           (int64_t)b->frame == (int64_t)a->frame + distance;
}

static bool unmapped(struct smmu *m, struct view *v, uint32_t vpn)
{
    return !(*view_entry(m, v, vpn) & E_MAPPED);
}

static int map_leaves(struct smmu *m, struct view *v, uint32_t vpn, uint32_t n,
                      const struct leaf *lf)
{
    return view_map(m, v, vpn, n, lf->frame, (lf->write ? E_WRITE : 0) | (lf->user ? E_USER : 0));
}

/* The page and its neighbours on both sides that continue it in RAM with equal rights: one mapping.
 */
static int map_run(struct smmu *m, struct view *v, uint32_t vpn, struct leaf lf)
{
    unsigned r = vpn / REGION_PAGES, lo = vpn % REGION_PAGES, hi = lo;
    const struct region *rg = &v->region[r];
    uint32_t base = r * REGION_PAGES;
    struct leaf next;

    if (m->cfg.torture)
        return map_leaves(m, v, vpn, 1, &lf);
    while (hi + 1 < REGION_PAGES && unmapped(m, v, base + hi + 1)) {
        next = leaf_read(m, v, rg, r, hi + 1);
        if (!same_run(&lf, &next, (int64_t)(hi + 1) - lo))
            break;
        hi++;
    }
    while (lo > 0 && unmapped(m, v, base + lo - 1)) {
        next = leaf_read(m, v, rg, r, lo - 1);
        if (!same_run(&lf, &next, -1))
            break;
        lf = next;
        lo--;
    }
    return map_leaves(m, v, base + lo, hi - lo + 1, &lf);
}

static int fill_run(struct smmu *m, struct view *v, uint32_t vpn)
{
    unsigned r = vpn / REGION_PAGES, extra = m->cfg.torture ? 0 : FILL_EXTRA_MAPS;
    const struct region *rg = &v->region[r];
    uint32_t cluster = vpn & ~(uint32_t)(FILL_CLUSTER - 1);
    struct leaf lf = leaf_read(m, v, rg, r, vpn % REGION_PAGES);
    int err;

    if (!lf.ok) /* somebody (DMA) rewrote the entry: the retried access decides */
        return 0;
    err = map_run(m, v, vpn, lf);
    for (uint32_t p = cluster; p < cluster + FILL_CLUSTER && extra && err == 0; p++) {
        lf = leaf_read(m, v, rg, r, p % REGION_PAGES);
        if (!lf.ok || !unmapped(m, v, p))
            continue;
        err = map_run(m, v, p, lf);
        extra--;
    }
    return err;
}

/* One page of a run of RAM that is mapped as a whole must stay read-only. */
static void protect_special(struct smmu *m, struct view *v, uint32_t vpn, uint32_t n,
                            uint32_t frame)
{
    for (uint32_t i = 0; i < n; i++)
        if (frame_no_write(m, frame + i))
            view_protect(m, v, vpn + i, 1);
}

/* Pages that fill_large() shows at a time: those whose regions fill_prepare() made. */
static uint32_t large_pages(const struct walk *w)
{
    return w->levels && w->page_shift < 30 ? 1u << (w->page_shift - PAGE_SHIFT) : REGION_PAGES;
}

/* A large guest page (of 1 GiB: the region's part), or 2 MiB of physical memory when paging is off:
 * one mapping per run of RAM. */
static int fill_large(struct smmu *m, struct view *v, const struct walk *w, uint32_t vpn)
{
    uint32_t pages = large_pages(w);
    uint32_t first = m->cfg.torture ? vpn : vpn & ~(pages - 1);
    gpa_t pa = (w->pa & ~(gpa_t)PAGE_MASK) - ((gpa_t)(vpn - first) << PAGE_SHIFT);
    bool write = w->dirty && (w->writable || (!(m->paging & PB_WP) && v->kind != VIEW_USER));
    uint64_t flags = (write ? E_WRITE : 0) | (w->user ? E_USER : 0);

    pages = m->cfg.torture ? 1 : pages;
    for (uint32_t i = 0, n; i < pages; i += n) {
        uint32_t frame = frame_of(m, pa + ((gpa_t)i << PAGE_SHIFT));
        int err;

        n = 1;
        if (frame == NO_FRAME)
            continue;
        while (i + n < pages && frame_of(m, pa + ((gpa_t)(i + n) << PAGE_SHIFT)) == frame + n)
            n++;
        err = view_map(m, v, first + i, n, frame, flags);
        if (err < 0)
            return err;
        if (write)
            protect_special(m, v, first + i, n, frame);
    }
    for (uint32_t p = first; p < first + pages; p += REGION_PAGES)
        v->region[p / REGION_PAGES].large_w |= write;
    if (write && !v->space) /* the KERNEL view now relies on D of other spaces' entries, too */
        m->kernel_version++;
    return 0;
}

static int fill(struct smmu *m, struct view *v, const struct walk *w, uint32_t vpn, bool write)
{
    const struct region *rg = &v->region[vpn / REGION_PAGES];
    uint64_t e = *view_entry(m, v, vpn);
    bool same = (e & E_MAPPED) && (e & E_FRAME) == frame_of(m, w->pa) && w->user == !!(e & E_USER);

    /* Only write permission is missing (D was clear, or the frame was special). */
    if (same && write && !(e & E_WRITE) && (rg->table != NO_FRAME || rg->large_w))
        return view_unprotect(m, v, vpn);
    if (rg->table == NO_FRAME)
        return fill_large(m, v, w, vpn);
    return fill_run(m, v, vpn);
}

/* A table entry became present. The fault that nearly always follows is saved when the page is the
 * one the guest just took a #PF for, or the kernel's own. True: the entry is one that could be
 * shown. */
bool fill_eager(struct smmu *m, struct view *v, uint32_t vpn)
{
    const struct region *rg = &v->region[vpn / REGION_PAGES];
    struct leaf lf;

    if (!view_current(m, v) || rg->table == NO_FRAME || !unmapped(m, v, vpn))
        return false;
    lf = leaf_read(m, v, rg, vpn / REGION_PAGES, vpn % REGION_PAGES);
    if (!lf.ok)
        return false;
    if ((v->kind == VIEW_USER && m->cpu->cr2 >> PAGE_SHIFT != view_page(v, vpn)) ||
        remap_hot(m, v, vpn))
        return true;
    if (m->nodes_left && m->stats.live_maps + 2 < m->cfg.max_maps)
        (void)!map_leaves(m, v, vpn, 1,
                          &lf); /* an optimisation: failure means a hidden fault later */
    return true;
}

static enum smmu_verdict blocked(struct smmu *m, uint32_t frame)
{
    if (m->frame[frame].flags & F_ROM) {
        m->stats.mmio++;
        return SMMU_MMIO;
    }
    if (m->frame[frame].flags & F_CODE) {
        m->stats.code_writes++;
        return SMMU_CODE;
    }
    m->stats.traced_writes++;
    return SMMU_TRACED;
}

static void wipe_user(struct smmu *m)
{
    struct view *v = view_get(m, VIEW_USER);

    if (v)
        view_wipe(m, v);
}

/* Torture: nothing may depend on a mapping staying. Rare enough that a kernel still boots. */
static void drop_at_random(struct smmu *m)
{
    if (one_in(m, 1024))
        evict_all(m);
    else if (smmu_long(m) && one_in(m, 128))
        pieces_evict(m);
    else if (one_in(m, 128))
        wipe_user(m);
    else if (one_in(m, 256))
        kernel_wipe(m);
}

static int fill_or_evict(struct smmu *m, const struct cpu *c, const struct walk *w, gva_t lin,
                         bool write, struct view **v)
{
    uint32_t vpn = (uint32_t)lin >> PAGE_SHIFT;
    int err = fill(m, *v, w, vpn, write);

    if (err == 0)
        return 0;
    evict_all(m);
    *v = fill_prepare(m, c, w, lin);
    return *v ? fill(m, *v, w, vpn, write) : -ENOSPC;
}

enum smmu_verdict fill_fault(struct smmu *m, const struct cpu *c, gva_t lin, unsigned access,
                             struct view **v)
{
    unsigned flags = (access & ACC_WRITE ? WALK_WRITE : 0) | (c->cpl == 3 ? WALK_USER : 0);
    uint32_t frame;
    struct walk w;

    if (!smmu_walk(m, c, lin, flags, &w)) {
        m->stats.true_faults++;
        return SMMU_TRUE;
    }
    frame = frame_of(m, w.pa);
    if (frame == NO_FRAME) {
        m->stats.mmio++;
        return SMMU_MMIO;
    }
    if (m->cfg.torture)
        drop_at_random(m);
    if (w.user && c->cpl != 3 && !piece_open(m, lin)) /* EFLAGS.AC allowed this one */
        return SMMU_REMAPPED;
    *v = fill_prepare(m, c, &w, lin);
    if (!*v)
        return SMMU_HOST_ERR;
    /* CR0.WP = 0: the kernel writes what the user may only read. Never writable in the USER view.
     */
    if ((access & ACC_WRITE) && (*v)->kind == VIEW_USER && !w.writable)
        return SMMU_REMAPPED;
    if (remap_hot(m, *v, (uint32_t)lin >> PAGE_SHIFT))
        return SMMU_REMAPPED;
    if ((access & ACC_WRITE) && frame_no_write(m, frame))
        return blocked(m, frame);
    return fill_or_evict(m, c, &w, lin, access & ACC_WRITE, v) < 0 ? SMMU_HOST_ERR : SMMU_MAPPED;
}

enum smmu_verdict smmu_fault(struct smmu *m, struct cpu *c, gva_t lin, unsigned access,
                             enum smmu_view v)
{
    struct view *got = NULL;
    enum smmu_verdict res = fill_fault(m, c, (uint32_t)lin, access, &got);

    if (res != SMMU_MAPPED)
        return res;
    if (got->kind == v) {
        m->stats.hidden_faults++;
        return SMMU_MAPPED;
    }
    m->stats.view_faults++;
    if (c->cpl != 3)
        m->view_table[(uint32_t)lin >> SMMU_VIEW_SHIFT] = got->kind;
    return SMMU_VIEW;
}
