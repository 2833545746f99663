/* Long mode's views: one for a piece of 4 GiB, of a space (USER; PRIVATE, which is all that CPL 0-2
 * may touch of a piece of the lower half that isn't all U/S=1) or of no space (KERNEL: all that CPL
 * 0-2 may touch of a piece of the upper half under one PML4 entry, for whatever spaces have that
 * entry). Whenever a view comes or goes the tables are set by one rule: piece_show(). */
#include "shadowmmu/shadow.h"

enum { SPARE_PIECES = 256 };

void pieces_init(struct smmu *m)
{
    uint64_t limit = m->cfg.max_maps / 16; /* each costs a mapping for good: its slot's marker */

    m->pieces.next_id = FIRST_PIECE;
    m->pieces.left = limit < 8                      ? 8
                     : limit < NSLOTS - FIRST_PIECE ? (unsigned)limit
                                                    : NSLOTS - FIRST_PIECE; /* 32-bit windows */
}

static unsigned owner_of(const struct smmu_space *s)
{
    return s ? s->id + 1u : 0;
}

static uint16_t *bucket_of(struct smmu *m, const struct smmu_space *s, unsigned i, unsigned kind)
{
    uint64_t h = (uint64_t)owner_of(s) << 24 | (uint64_t)kind << 16 | i;

    return &m->pieces.bucket[h * UINT64_C(0x9e3779b97f4a7c15) >> 54];
}

static uint16_t *owner_list(struct smmu *m, struct smmu_space *s)
{
    return s ? &s->pieces : &m->pieces.kernel;
}

/* The one that the current tables use: of KERNEL views that under the PML4 entry in force. */
struct view *piece_find(struct smmu *m, const struct smmu_space *s, unsigned i, unsigned kind)
{
    for (uint16_t id = *bucket_of(m, s, i, kind); id; id = m->views[id].hash_next) {
        struct view *v = &m->views[id];

        if (v->space == s && v->kind == kind && piece_index(v) == i && (s || view_current(m, v)))
            return v;
    }
    return NULL;
}

static unsigned slot_of(const struct view *v)
{
    return v ? v->slot : 0;
}

/* What the tables of s (NULL: the kernel's half) say of piece i follows from the views there are.
 */
static void piece_show(struct smmu *m, struct smmu_space *s, unsigned i)
{
    const struct view *user, *full;

    if (!s) {
        if (i >= SMMU_PIECES / 2)
            block_point(m, NULL, SMMU_SUPERVISOR, i, slot_of(piece_find(m, NULL, i, VIEW_KERNEL)));
        return;
    }
    user = piece_find(m, s, i, VIEW_USER);
    block_point(m, s, SMMU_USER, i, slot_of(user));
    if (i >= SMMU_PIECES / 2)
        return;
    full = piece_find(m, s, i, VIEW_PRIVATE);
    block_point(m, s, SMMU_OPEN, i, slot_of(full ? full : user));
    if (!full && !(m->paging & PB_SMAP))
        full = user;
    block_point(m, s, SMMU_SUPERVISOR, i, slot_of(full));
}

/* A view with a slot, or NULL. Slots are kept for the next user. */
static struct view *view_take(struct smmu *m)
{
    struct pieces *p = &m->pieces;
    struct view *v;

    if (!p->left)
        return NULL;
    v = &m->views[p->free ? p->free : p->next_id];
    if (p->free)
        p->free = v->next;
    else if (view_init(m, v, VIEW_USER, NULL) < 0)
        return NULL;
    else
        p->next_id++;
    p->left--;
    return v;
}

static struct view *piece_make(struct smmu *m, struct smmu_space *s, unsigned i, unsigned kind,
                               uint64_t top)
{
    uint16_t *list = owner_list(m, s), *bucket = bucket_of(m, s, i, kind);
    struct view *v = view_take(m);

    if (!v)
        return NULL;
    v->space = s;
    v->kind = (uint8_t)kind;
    v->origin = (uint64_t)((int64_t)((uint64_t)i << 48) >> 16);
    v->up.top = top;
    v->next = *list;
    *list = v->id;
    v->hash_next = *bucket;
    *bucket = v->id;
    m->pieces.of_slot[v->slot] = v->id;
    piece_show(m, s, i);
    return v;
}

static void list_remove(struct smmu *m, struct view *v)
{
    uint16_t *link = owner_list(m, v->space);

    while (*link != v->id)
        link = &m->views[*link].next;
    *link = v->next;
}

static void hash_remove(struct smmu *m, struct view *v)
{
    uint16_t *link = bucket_of(m, v->space, piece_index(v), v->kind);

    while (*link != v->id)
        link = &m->views[*link].hash_next;
    *link = v->hash_next;
}

static void wipe_quietly(struct smmu *m, struct view *v)
{
    v->quiet = true;
    view_wipe(m, v);
    v->quiet = false;
}

/* No event per page: the caller reports the whole context. */
static void piece_free(struct smmu *m, struct view *v)
{
    wipe_quietly(m, v);
    upper_close(m, v);
    list_remove(m, v);
    hash_remove(m, v);
    m->pieces.of_slot[v->slot] = 0;
    piece_show(m, v->space, piece_index(v));
    v->next = m->pieces.free;
    m->pieces.free = v->id;
    m->pieces.left++;
}

void pieces_wipe(struct smmu *m, uint16_t list)
{
    for (; list; list = m->views[list].next)
        wipe_quietly(m, &m->views[list]);
}

uint64_t pieces_maps(const struct smmu *m, uint16_t list)
{
    uint64_t maps = 0;

    for (; list; list = m->views[list].next)
        maps += m->views[list].maps;
    return maps;
}

void pieces_free(struct smmu *m, struct smmu_space *s)
{
    while (*owner_list(m, s))
        piece_free(m, &m->views[*owner_list(m, s)]);
    for (unsigned w = 0; !s && w < ARRAY_SIZE(m->pieces.tops); w++)
        m->pieces.tops[w] = 0;
}

static void free_if(struct smmu *m, struct smmu_space *s,
                    bool (*want)(const struct smmu *m, const struct view *v))
{
    for (uint16_t next, id = *owner_list(m, s); id; id = next) {
        next = m->views[id].next;
        if (want(m, &m->views[id]))
            piece_free(m, &m->views[id]);
    }
}

static bool not_in_use(const struct smmu *m, const struct view *v)
{
    return !view_current(m, v);
}

static bool any(const struct smmu *m, const struct view *v)
{
    (void)m;
    (void)v;
    return true;
}

/* Compatibility mode may be running on the slot of piece 0 at CPL 3. */
static bool not_window(const struct smmu *m, const struct view *v)
{
    (void)m;
    return v->kind != VIEW_USER || piece_index(v) != 0;
}

/* No views are left, and no other space to take them from. */
void pieces_evict(struct smmu *m)
{
    unsigned left = m->pieces.left;

    free_if(m, NULL, not_in_use);
    if (m->pieces.left >= left + 2)
        return;
    free_if(m, NULL, any);
    emit_code_unmapped(m, NULL, SMMU_ALL_PAGES);
    free_if(m, m->cur, not_window);
    emit_code_unmapped(m, m->cur, SMMU_ALL_PAGES);
}

/* The kernel's half of the table follows PML4 entry NTOPS + n. Tables that went unsynced while
 * their views were out of use are compared when these return. */
void kernel_point(struct smmu *m, unsigned n, uint64_t top)
{
    uint64_t old = m->pieces.top[n];
    bool fetched = false, back = false;

    if (old == top)
        return;
    m->pieces.top[n] = top;
    for (uint16_t id = m->pieces.kernel; id; id = m->views[id].next) {
        struct view *v = &m->views[id];

        if (piece_top(v) != NTOPS + n || (v->up.top != top && v->up.top != old))
            continue;
        piece_show(m, NULL, piece_index(v));
        fetched |= v->fetched && v->up.top == old;
        back |= v->up.top == top;
    }
    if (fetched)
        emit_code_unmapped(m, NULL, SMMU_ALL_PAGES);
    if (back)
        sync_all(m);
}

/* The current space is a new one. */
void pieces_enter(struct smmu *m)
{
    m->blocks.changes++;
    for (unsigned w = 0; w < ARRAY_SIZE(m->pieces.tops); w++)
        for (uint64_t bits = m->pieces.tops[w]; bits; bits &= bits - 1) {
            unsigned n = w * 64 + (unsigned)__builtin_ctzll(bits);

            kernel_point(m, n, upper_top(m, m->cur, NTOPS + n));
        }
}

static struct view *own_piece(struct smmu *m, unsigned i, unsigned kind)
{
    struct view *v = piece_find(m, m->cur, i, kind);
    uint64_t top = upper_top(m, m->cur, i >> 7);

    if (!v)
        return piece_make(m, m->cur, i, kind, top);
    if (v->up.top != top) { /* it became present */
        upper_close(m, v);
        v->up.top = top;
    }
    return v;
}

/* A child of fork() uses what its parent uses: the faults that would find that out one by one are
 * saved. Only where the new tables have something to show. */
void pieces_inherit(struct smmu *m, const struct smmu_space *from)
{
    for (uint16_t id = from->pieces; id && m->pieces.left > SPARE_PIECES; id = m->views[id].next) {
        const struct view *v = &m->views[id];

        if (v->kind == VIEW_USER && piece_index(v) < SMMU_PIECES / 2 && upper_present(m, v->origin))
            (void)own_piece(m, piece_index(v), VIEW_USER);
    }
}

static struct view *kernel_piece(struct smmu *m, unsigned i)
{
    unsigned n = (i >> 7) - NTOPS;
    uint64_t top = upper_top(m, m->cur, i >> 7);
    struct view *v;

    if (!(m->pieces.tops[n / 64] >> (n % 64) & 1)) {
        m->pieces.tops[n / 64] |= UINT64_C(1) << (n % 64);
        m->pieces.top[n] = top;
    }
    kernel_point(m, n, top);
    v = piece_find(m, NULL, i, VIEW_KERNEL);
    return v ? v : piece_make(m, NULL, i, VIEW_KERNEL, top);
}

/* The view in which code at c->cpl sees a page: the one that its table shows, made if need be. */
struct view *piece_for(struct smmu *m, const struct cpu *c, const struct walk *w, gva_t lin)
{
    unsigned i = (unsigned)(lin >> 32 & (SMMU_PIECES - 1));
    bool full;

    if (c->cpl == 3)
        return own_piece(m, i, VIEW_USER);
    if (i >= SMMU_PIECES / 2)
        return kernel_piece(m, i);
    full = !w->user || (!(m->paging & PB_SMAP) && piece_find(m, m->cur, i, VIEW_PRIVATE));
    return own_piece(m, i, full ? VIEW_PRIVATE : VIEW_USER);
}

bool piece_open(struct smmu *m, gva_t lin)
{
    unsigned i = (unsigned)(lin >> 32 & (SMMU_PIECES - 1));

    if (!(m->paging & PB_SMAP))
        return true;
    return smmu_long(m) && i < SMMU_PIECES / 2 && m->cur->block[SMMU_OPEN] &&
           !piece_find(m, m->cur, i, VIEW_PRIVATE);
}

/* What compatibility mode at CPL 3 runs in. */
struct view *piece_window(struct smmu *m)
{
    struct view *v = piece_find(m, m->cur, 0, VIEW_USER);

    if (v)
        return v;
    evict_for_fill(m);
    return own_piece(m, 0, VIEW_USER);
}
