#include "shadowmmu/shadow.h"

#include <assert.h>

int view_init(struct smmu *m, struct view *v, unsigned kind, struct smmu_space *s)
{
    int err = slots_alloc(&m->slots, &v->slot);

    if (err < 0)
        return err;
    m->stats.live_maps++; /* the slot's marker */
    v->id = (uint16_t)(v - m->views);
    v->kind = (uint8_t)kind;
    v->base = slot_base(v->slot);
    v->space = s;
    return 0;
}

uint64_t *view_entry(struct smmu *m, struct view *v, uint32_t vpn)
{
    const struct region *rg = &v->region[vpn / REGION_PAGES];

    return rg->page ? &m->page[rg->page][vpn % REGION_PAGES] : NULL;
}

/* The host merges neighbours with consecutive file pages and equal rights: a mapping starts where
 * that fails. */
static bool map_starts(uint64_t prev, uint64_t e)
{
    uint64_t kind = E_MAPPED | E_WRITE;

    return (e & E_MAPPED) && ((prev & kind) != (e & kind) || (prev & E_FRAME) + 1 != (e & E_FRAME));
}

static uint64_t entry_at(struct smmu *m, struct view *v, uint32_t vpn)
{
    const uint64_t *e = vpn < NPAGES ? view_entry(m, v, vpn) : NULL;

    return e ? *e : 0;
}

/* Mappings that start in [vpn, vpn + n], the page after the range included: its start may depend on
 * the range. */
static uint64_t count_maps(struct smmu *m, struct view *v, uint32_t vpn, uint32_t n)
{
    uint64_t prev = vpn ? entry_at(m, v, vpn - 1) : 0, count = 0;

    for (uint32_t p = vpn; p <= vpn + n; p++) {
        uint64_t e = entry_at(m, v, p);

        count += map_starts(prev, e);
        prev = e;
    }
    return count;
}

static void account(struct smmu *m, struct view *v, uint64_t before, uint64_t after)
{
    v->maps += after - before;
    m->stats.live_maps += after - before;
}

/* The fetch through this entry is no longer to be trusted. */
static void unfetch(struct smmu *m, struct view *v, uint32_t vpn, uint64_t *e)
{
    uint64_t was = *e;

    *e &= ~(E_FETCHED | E_KFETCHED);
    if ((was & E_FETCHED) && !v->quiet)
        emit_code_unmapped(m, v->space, view_page(v, vpn));
    if ((was & E_KFETCHED) && v->space == m->cur)
        emit_code_unmapped(m, NULL, view_page(v, vpn));
}

static void unlink_rmap(struct smmu *m, const uint64_t *e)
{
    if (*e & E_MAPPED)
        node_remove(m, &m->frame[*e & E_FRAME].rmap, (uint32_t)(*e >> E_NODE_SHIFT));
}

static void forget_entry(struct smmu *m, struct view *v, uint32_t vpn, uint64_t *e)
{
    unlink_rmap(m, e);
    if (*e & (E_FETCHED | E_KFETCHED))
        unfetch(m, v, vpn, e);
    *e = 0;
    v->region[vpn / REGION_PAGES].count--;
}

static void set_entry(struct smmu *m, struct view *v, uint32_t vpn, uint64_t val)
{
    uint64_t *e = view_entry(m, v, vpn);
    uint64_t keep = 0;

    if (*e) {
        unlink_rmap(m, e);
        if ((*e & (E_FETCHED | E_KFETCHED)) && (*e & E_FRAME) != (val & E_FRAME))
            unfetch(m, v, vpn, e);
        keep = *e & (E_FETCHED | E_KFETCHED);
    } else {
        v->region[vpn / REGION_PAGES].count++;
    }
    *e = val | keep | E_MAPPED |
         (uint64_t)node_push(m, &m->frame[val & E_FRAME].rmap, (uint32_t)v->id << 20 | vpn)
             << E_NODE_SHIFT;
}

/* Shows `n` frames from `frame` at vpn (within prepared regions), `flags` of E_WRITE and E_USER. */
int view_map(struct smmu *m, struct view *v, uint32_t vpn, uint32_t n, uint32_t frame,
             uint64_t flags)
{
    uint64_t before;
    int err =
        slot_map(v->slot, (uint64_t)vpn << PAGE_SHIFT, (uint64_t)n << PAGE_SHIFT, m->pm->fd,
                 (uint64_t)frame << PAGE_SHIFT,
                 (flags & E_WRITE ? SLOT_WRITE : 0) | (n <= POPULATE_PAGES ? SLOT_POPULATE : 0));

    if (err < 0)
        return err;
    before = count_maps(m, v, vpn, n);
    for (uint32_t i = 0; i < n; i++)
        set_entry(m, v, vpn + i, (frame + i) | flags);
    account(m, v, before, count_maps(m, v, vpn, n));
    m->stats.maps++;
    m->stats.map_pages += n;
    return 0;
}

/* Takes write permission from the mapped entries of the range. Where the host can't split a mapping
 * (limit reached), the pages go altogether. */
void view_protect(struct smmu *m, struct view *v, uint32_t vpn, uint32_t n)
{
    uint64_t before = count_maps(m, v, vpn, n);

    m->stats.protects++;
    if (slot_protect(v->slot, (uint64_t)vpn << PAGE_SHIFT, (uint64_t)n << PAGE_SHIFT, false) < 0) {
        view_drop(m, v, vpn, n);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint64_t *e = view_entry(m, v, vpn + i);

        if (e)
            *e &= ~E_WRITE;
    }
    account(m, v, before, count_maps(m, v, vpn, n));
}

/* Gives write permission to one mapped page. */
int view_unprotect(struct smmu *m, struct view *v, uint32_t vpn)
{
    uint64_t before = count_maps(m, v, vpn, 1);
    int err = slot_protect(v->slot, (uint64_t)vpn << PAGE_SHIFT, PAGE_SIZE, true);

    if (err < 0)
        return err;
    m->stats.protects++;
    *view_entry(m, v, vpn) |= E_WRITE;
    account(m, v, before, count_maps(m, v, vpn, 1));
    return 0;
}

static void unmap_host(struct smmu *m, struct view *v, uint32_t vpn, uint32_t n)
{
    uint64_t off = (uint64_t)vpn << PAGE_SHIFT, len = (uint64_t)n << PAGE_SHIFT;

    m->stats.unmaps++;
    if (slot_unmap(v->slot, off, len) == 0)
        return;
    /* A hole in the middle of a mapping needs one mapping more than the host allows. Unmapping a
     * whole window only frees mappings, so it always succeeds. */
    view_wipe(m, v);
}

void view_drop(struct smmu *m, struct view *v, uint32_t vpn, uint32_t n)
{
    uint64_t before = count_maps(m, v, vpn, n);
    uint32_t first = NPAGES, end = 0;

    for (uint32_t p = vpn; p < vpn + n; p++) {
        uint64_t *e = view_entry(m, v, p);

        if (!e) { /* to the end of the region */
            p |= REGION_PAGES - 1;
            continue;
        }
        if (!*e)
            continue;
        if (*e & E_MAPPED) {
            first = first < p ? first : p;
            end = p + 1;
            remap_note(m, v, p);
        }
        forget_entry(m, v, p, e);
    }
    account(m, v, before, count_maps(m, v, vpn, n));
    if (end)
        unmap_host(m, v, first, end - first);
}

void region_prepare(struct smmu *m, struct view *v, unsigned r, uint64_t pde, uint32_t table)
{
    struct region *rg = &v->region[r];

    if (rg->live && rg->pde == pde && rg->table == table)
        return;
    if (rg->live)
        region_release(m, v, r);
    /* Tracing may, at the host's limit, end in a wipe of this very view: r isn't live yet. */
    if (table != NO_FRAME)
        rg->use = table_use(m, table, (uint32_t)v->id << 11 | r);
    rg->live = true;
    rg->pde = pde;
    rg->table = table;
    rg->large_w = false;
    rg->page = page_alloc(m);
    v->live[r / 64] |= UINT64_C(1) << (r % 64);
    if (!v->space)
        m->kernel_version++;
}

static void region_close(struct smmu *m, struct view *v, unsigned r)
{
    struct region *rg = &v->region[r];

    rg->live = false;
    v->live[r / 64] &= ~(UINT64_C(1) << (r % 64));
    page_release(m, rg->page);
    rg->page = 0;
    if (rg->table != NO_FRAME)
        table_unuse(m, rg->table, rg->use);
}

void region_release(struct smmu *m, struct view *v, unsigned r)
{
    if (!v->region[r].live)
        return;
    if (v->region[r].count)
        view_drop(m, v, r * REGION_PAGES, REGION_PAGES);
    if (v->region[r].live) /* unless dropping ended in a wipe */
        region_close(m, v, r);
}

/* Empties the window with one call to the host. Per-page events are the caller's choice (quiet). */
void view_wipe(struct smmu *m, struct view *v)
{
    if (v->maps) {
        int err = slot_unmap(v->slot, 0, SLOT_BYTES);

        assert(err == 0);
        (void)err;
        m->stats.unmaps++;
    }
    for (unsigned w = 0; w < ARRAY_SIZE(v->live); w++) {
        while (v->live[w]) {
            unsigned r = w * 64 + (unsigned)__builtin_ctzll(v->live[w]);
            uint64_t *page = m->page[v->region[r].page];

            for (unsigned i = 0; i < REGION_PAGES && v->region[r].count; i++)
                if (page[i])
                    forget_entry(m, v, r * REGION_PAGES + i, &page[i]);
            region_close(m, v, r);
        }
    }
    m->stats.live_maps -= v->maps;
    v->maps = 0;
    v->fetched = false;
}
