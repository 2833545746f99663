#include "shadowmmu/shadow.h"

#include <assert.h>

bool frame_no_write(const struct smmu *m, uint32_t frame)
{
    unsigned flags = m->frame[frame].flags;

    return (flags & (F_CODE | F_ROM)) || (flags & (F_PT | F_UNSYNC)) == F_PT;
}

static bool protect_one(struct smmu *m, uint32_t frame)
{
    for (uint32_t n = m->frame[frame].rmap; n; n = m->node[n].next) {
        struct view *v = &m->views[m->node[n].key >> 20];
        uint32_t vpn = m->node[n].key & (NPAGES - 1);

        if (*view_entry(m, v, vpn) & E_WRITE) {
            view_protect(m, v, vpn, 1);
            return true;
        }
    }
    return false;
}

/* Starts over after each: protecting may, at the host's limit, drop mappings and so change the
 * list. */
void frame_protect(struct smmu *m, uint32_t frame)
{
    while (protect_one(m, frame))
        ;
    softtlb_drop_writes(m, frame);
}

uint32_t table_use(struct smmu *m, uint32_t frame, uint32_t key)
{
    struct frame *f = &m->frame[frame];
    uint32_t n = node_push(m, &f->uses, key);
    bool traced = f->flags & F_PT;

    f->flags |= F_PT;
    f->floods = 0;
    if (!traced) {
        f->downs = 0;
        frame_protect(m, frame);
    } else if ((f->flags & F_UNSYNC) && (key & KEY_UPPER)) {
        table_retrace(m, frame); /* directories are never unsynced */
    }
    return n;
}

static void forget_unsynced(struct smmu *m, uint32_t frame)
{
    unsigned i = m->frame[frame].unsync;

    m->frame[frame].flags &= (uint8_t)~F_UNSYNC;
    m->nunsynced--;
    m->unsynced[i] = m->unsynced[m->nunsynced];
    m->frame[m->unsynced[i].frame].unsync = (uint8_t)i;
}

void table_unuse(struct smmu *m, uint32_t frame, uint32_t use)
{
    struct frame *f = &m->frame[frame];

    node_remove(m, &f->uses, use);
    m->removals++;
    if (f->uses)
        return;
    if (f->flags & F_UNSYNC)
        forget_unsynced(m, frame);
    if (f->flags & F_OWED)
        owed_forget(m, frame);
    f->flags &= (uint8_t)~F_PT;
}

static bool has_directory_use(const struct smmu *m, uint32_t frame)
{
    for (uint32_t n = m->frame[frame].uses; n; n = m->node[n].next)
        if (m->node[n].key & KEY_UPPER)
            return true;
    return false;
}

/* Lets the guest write a leaf table without us until the next sync. False: this one must stay
 * traced. */
bool table_unsync(struct smmu *m, uint32_t frame)
{
    struct frame *f = &m->frame[frame];

    if ((f->flags & (F_PT | F_UNSYNC)) != F_PT || has_directory_use(m, frame))
        return false;
    if (m->nunsynced == MAX_UNSYNCED)
        table_retrace(m, m->unsynced[m->stamp % MAX_UNSYNCED].frame);
    if (f->flags & F_OWED) /* unsynced, all of it is compared */
        owed_forget(m, frame);
    f->flags |= F_UNSYNC;
    f->unsync = (uint8_t)m->nunsynced;
    m->unsynced[m->nunsynced++] = (struct unsynced){.frame = frame};
    return true;
}

/* Protect first, then compare. */
void table_retrace(struct smmu *m, uint32_t frame)
{
    uint64_t removals;

    forget_unsynced(m, frame);
    m->frame[frame].downs = 0;
    frame_protect(m, frame);
    do {
        removals = m->removals;
        for (uint32_t n = m->frame[frame].uses; n && removals == m->removals; n = m->node[n].next) {
            uint32_t key = m->node[n].key;

            if (!(key & KEY_UPPER))
                sync_entries(m, &m->views[key >> 11], key & (NREGIONS - 1), 0, REGION_PAGES - 1);
        }
    } while (removals != m->removals);
}

/* Region r of view v hangs below a directory entry that may have changed: pde is what is there now.
 */
void region_recheck(struct smmu *m, struct view *v, unsigned r, uint64_t pde)
{
    if (v->region[r].live && !region_stands(m, &v->region[r], pde))
        region_release(m, v, r);
}

static void directory_written(struct smmu *m, struct smmu_space *s, unsigned quarter, unsigned idx,
                              bool foreign)
{
    unsigned n = smmu_pae(m) ? 1 : 2;
    unsigned r = smmu_pae(m) ? quarter * 512 + idx : idx * 2;
    uint64_t pde;

    if (s != m->cur) {
        s->checked = 0;
        /* The directory of a dead process becomes an ordinary page. */
        if (foreign && ++s->floods >= SPACE_FLOOD) {
            space_free(m, s);
            return;
        }
    }
    if (smmu_long(m)) {
        pml4_written(m, s, idx);
        return;
    }
    for (pde = table_read(m, s->pd[quarter], idx); n; n--, r++) {
        region_recheck(m, s->user, r, pde);
        region_recheck(m, s->priv, r, pde);
        if (s == m->cur)
            region_recheck(m, m->kernel, r, pde);
    }
}

/* What a write to entries [first, last] of a table meant for the shadow. */
struct change {
    unsigned first, last;
    bool foreign; /* not a directory of the current space */
    bool less;    /* something was taken away */
    bool more;    /* an entry became present */
    bool shown;   /* some use of the table shows something */
};

static void leaf_written(struct smmu *m, struct view *v, unsigned r, struct change *ch)
{
    unsigned base = region_first(m, r);
    unsigned lo = ch->first > base ? ch->first - base : 0;
    unsigned hi = ch->last - base < REGION_PAGES ? ch->last - base : REGION_PAGES - 1;

    ch->shown |= v->region[r].count != 0;
    if (ch->last < base || lo >= REGION_PAGES)
        return;
    if ((lo == hi && owed_wait(m, v, r, lo)) || sync_entries(m, v, r, lo, hi) == SYNC_LESS)
        ch->less = true;
    for (unsigned i = lo; i <= hi && v->region[r].live; i++)
        ch->more |= fill_eager(m, v, r * REGION_PAGES + i);
}

static void use_written(struct smmu *m, uint32_t key, struct change *ch)
{
    struct smmu_space *s = &m->space[key >> 2 & (MAX_SPACES - 1)];

    if (!(key & KEY_UPPER)) {
        leaf_written(m, &m->views[key >> 11], key & (NREGIONS - 1), ch);
        return;
    }
    if (key & KEY_DIR) {
        ch->shown |= upper_written(m, key, ch->first, ch->last);
        return;
    }
    ch->shown = true;
    for (unsigned i = ch->first; i <= ch->last && s->used; i++)
        directory_written(m, s, key & 3, i, ch->foreign);
}

static bool directory_of_current(const struct smmu *m, uint32_t frame)
{
    for (unsigned q = 0; q < 4; q++)
        if (m->cur->pd[q] == frame)
            return true;
    return false;
}

/* The page is a table nobody reads through any more. */
static void untrace(struct smmu *m, uint32_t frame)
{
    while (m->frame[frame].uses) {
        uint32_t key = m->node[m->frame[frame].uses].key;

        if (key & KEY_DIR)
            upper_untrace(m, key);
        else
            region_release(m, &m->views[key >> 11], key & (NREGIONS - 1));
    }
}

/* The list of uses can change under any of the reactions; they are idempotent, so start over then.
 */
static void table_written(struct smmu *m, uint32_t frame, unsigned off, unsigned len)
{
    unsigned bytes = smmu_pae(m) ? 8 : 4;
    struct frame *f = &m->frame[frame];
    struct change ch = {.first = off / bytes, .last = (off + len - 1) / bytes};
    uint64_t removals;

    ch.foreign = !directory_of_current(m, frame);
    do {
        removals = m->removals;
        for (uint32_t n = f->uses; n && removals == m->removals; n = m->node[n].next)
            use_written(m, m->node[n].key, &ch);
    } while (removals != m->removals);
    if (ch.shown)
        f->floods = 0;
    else if ((f->flags & F_PT) && ++f->floods >= TABLE_FLOOD)
        untrace(m, frame);
    f->downs = (uint8_t)(ch.more ? 0 : f->downs + ch.less);
    if (f->downs >= UNSYNC_AFTER || (m->cfg.torture && one_in(m, 8)))
        table_unsync(m, frame);
}

void frame_written(struct smmu *m, uint32_t frame, unsigned off, unsigned len)
{
    if ((m->frame[frame].flags & (F_PT | F_UNSYNC)) == F_PT && !m->walking) {
        m->stats.watched++;
        table_written(m, frame, off, len);
    }
    if (m->frame[frame].flags & F_CODE) {
        m->stats.watched++;
        emit_code_written(m, frame, off, len);
    }
}

void smmu_guest_written(void *opaque, uint64_t at, size_t len)
{
    struct smmu *m = opaque;

    while (len) {
        unsigned off = (unsigned)(at & PAGE_MASK);
        unsigned n = len < PAGE_SIZE - off ? (unsigned)len : PAGE_SIZE - off;
        uint32_t frame = (uint32_t)(at >> PAGE_SHIFT);

        if (m->frame[frame].flags)
            frame_written(m, frame, off, n);
        at += n;
        len -= n;
    }
}

void smmu_clear_code(struct smmu *m, uint64_t frame)
{
    assert(frame < m->pm->nframes);
    m->frame[frame].flags &= (uint8_t)~F_CODE;
}
