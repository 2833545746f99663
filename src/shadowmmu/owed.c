/* What a store to a traced table takes away may stay visible until the guest flushes (SDM 3A
 * 4.10.4.2): kernels clear or write-protect many entries before they do, and neighbours then go by
 * one call to the host, or with the directory entry above. INVLPG compares its page anyway; the
 * rest is settled at MOV CR3. */
#include "shadowmmu/shadow.h"

bool owed_wait(struct smmu *m, struct view *v, unsigned r, unsigned idx)
{
    uint32_t frame = v->region[r].table;
    struct frame *f = &m->frame[frame];
    uint16_t at = (uint16_t)(region_first(m, r) + idx);
    struct owed *o;

    if ((m->cfg.torture && one_in(m, 2)) || !sync_can_wait(m, v, r, idx))
        return false;
    if (f->flags & F_OWED) {
        o = &m->owed[f->unsync];
        o->first = at < o->first ? at : o->first;
        o->last = at > o->last ? at : o->last;
        return true;
    }
    if (m->nowed == MAX_OWED)
        return false;
    f->flags |= F_OWED;
    f->unsync = (uint8_t)m->nowed;
    m->owed[m->nowed++] = (struct owed){.frame = frame, .first = at, .last = at};
    return true;
}

void owed_forget(struct smmu *m, uint32_t frame)
{
    unsigned i = m->frame[frame].unsync;

    m->frame[frame].flags &= (uint8_t)~F_OWED;
    m->nowed--;
    m->owed[i] = m->owed[m->nowed];
    m->frame[m->owed[i].frame].unsync = (uint8_t)i;
}

static void settle_use(struct smmu *m, uint32_t key, const struct owed *o)
{
    unsigned r = key & (NREGIONS - 1), base = region_first(m, r);

    if ((key & KEY_UPPER) || o->last < base || o->first >= base + REGION_PAGES)
        return;
    sync_entries(m, &m->views[key >> 11], r, o->first > base ? o->first - base : 0,
                 o->last - base < REGION_PAGES ? o->last - base : REGION_PAGES - 1);
}

/* The list of uses can change under what is dropped: start over then. */
void owed_settle(struct smmu *m)
{
    while (m->nowed) {
        struct owed o = m->owed[m->nowed - 1];
        uint64_t removals;

        owed_forget(m, o.frame);
        do {
            removals = m->removals;
            for (uint32_t n = m->frame[o.frame].uses; n && removals == m->removals;
                 n = m->node[n].next)
                settle_use(m, m->node[n].key, &o);
        } while (removals != m->removals);
    }
}
