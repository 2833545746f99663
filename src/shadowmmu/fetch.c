#include "shadowmmu/shadow.h"

#include "cpu/exception.h"

/* Code that CPL 0-2 runs from a view that changes with the space must be looked up again in the
 * next one. */
static void remember_kfetch(struct smmu *m, uint32_t vpn)
{
    for (unsigned i = 0; i < m->nkfetch; i++)
        if (m->kfetch[i] == vpn)
            return;
    if (m->nkfetch == MAX_KFETCH)
        m->kfetch_overflow = true;
    else
        m->kfetch[m->nkfetch++] = vpn;
}

/* From now on whatever changes this page's translation reports code_unmapped. */
static void mark_fetched(struct smmu *m, const struct cpu *c, const struct walk *w, uint32_t vpn,
                         uint32_t frame)
{
    enum smmu_view target = view_of_page(m, c, w, vpn);
    struct view *v = fill_prepare(m, w, vpn, target);
    uint64_t flag = c->cpl != 3 && target != VIEW_KERNEL ? E_KFETCHED : E_FETCHED;
    uint64_t *e = view_entry(m, v, vpn);

    if (*e && ((*e & E_FRAME) != frame || w->user != !!(*e & E_USER)))
        view_drop(m, v, vpn, 1);
    if (!*e) {
        *e = frame | (w->user ? E_USER : 0);
        v->region[vpn / REGION_PAGES].count++;
    }
    if (flag == E_KFETCHED) /* the list empties at each switch, the flag stays */
        remember_kfetch(m, vpn);
    *e |= flag;
}

bool smmu_fetch(struct smmu *m, struct cpu *c, gva_t at, struct code_page *out)
{
    gva_t lin = cpu_long(c) ? at : (uint32_t)at;
    uint32_t vpn = (uint32_t)(lin >> PAGE_SHIFT), frame;
    struct walk w;

    if (!smmu_walk(m, c, lin, WALK_EXEC | (c->cpl == 3 ? WALK_USER : 0), &w))
        return cpu_raise_pf(c, lin, w.err);
    *out = (struct code_page){.frame = SMMU_ALL_PAGES};
    frame = frame_of(m, w.pa);
    if (frame == NO_FRAME)
        return true;
    /* Without paging the map is constant until the mode changes; in long mode every event ends it.
     */
    if (m->paging & PB_PG)
        mark_fetched(m, c, &w, vpn, frame);
    if (!(m->frame[frame].flags & F_CODE)) {
        m->frame[frame].flags |= F_CODE;
        frame_protect(m, frame);
    }
    out->frame = frame;
    out->bytes = frame_ptr(m, frame);
    return true;
}
