#include "shadowmmu/shadow.h"

#include "cpu/desc.h"
#include "cpu/exception.h"

/* Code that CPL 0-2 runs from a view that changes with the space must be looked up again in the
 * next one. */
static void remember_kfetch(struct smmu *m, uint64_t page)
{
    for (unsigned i = 0; i < m->nkfetch; i++)
        if (m->kfetch[i] == page)
            return;
    if (m->nkfetch == MAX_KFETCH)
        m->kfetch_overflow = true;
    else
        m->kfetch[m->nkfetch++] = page;
}

/* From now on whatever changes this page's translation reports code_unmapped. */
static bool mark_fetched(struct smmu *m, const struct cpu *c, const struct walk *w, gva_t lin,
                         uint32_t frame)
{
    struct view *v = fill_prepare(m, c, w, lin);
    uint32_t vpn = (uint32_t)lin >> PAGE_SHIFT;
    uint64_t flag, *e;

    if (!v)
        return false;
    flag = c->cpl != 3 && v->space ? E_KFETCHED : E_FETCHED;
    e = view_entry(m, v, vpn);
    if (*e && ((*e & E_FRAME) != frame || w->user != !!(*e & E_USER)))
        view_drop(m, v, vpn, 1);
    if (!*e) {
        *e = frame | (w->user ? E_USER : 0);
        v->region[vpn / REGION_PAGES].count++;
    }
    if (flag == E_KFETCHED) /* the list empties at each switch, the flag stays */
        remember_kfetch(m, view_page(v, vpn));
    *e |= flag;
    v->fetched = true;
    return true;
}

bool smmu_fetch(struct smmu *m, struct cpu *c, gva_t at, struct code_page *out)
{
    gva_t lin = cpu_long(c) ? at : (uint32_t)at;
    uint32_t frame;
    struct walk w;

    if (cpu_long(c) &&
        !canonical(lin)) /* ran over the end of a half; branches look for themselves */
        return cpu_raise(c, VEC_GP, 0);
    if (!smmu_walk(m, c, lin, WALK_EXEC | (c->cpl == 3 ? WALK_USER : 0), &w))
        return cpu_raise_pf(c, lin, w.err);
    *out = (struct code_page){.frame = SMMU_ALL_PAGES};
    frame = frame_of(m, w.pa);
    if (frame == NO_FRAME)
        return true;
    /* Without paging the map is constant until the mode changes; in long mode without blocks every
     * event ends it. */
    if ((m->paging & PB_PG) && !mark_fetched(m, c, &w, lin, frame))
        return true;
    if (!(m->frame[frame].flags & F_CODE)) {
        m->frame[frame].flags |= F_CODE;
        frame_protect(m, frame);
    }
    out->frame = frame;
    out->bytes = frame_ptr(m, frame);
    return true;
}
