#include "shadowmmu/shadow.h"

/* One fault needs at most: a 4 MiB page's entries, its pages of entries, the uses, and a mapping
 * for each run and each special page of it. */
enum { ROOM_NODES = 4096, ROOM_PAGES = 16, ROOM_PIECES = 2 };

static bool short_of_pieces(const struct smmu *m)
{
    return smmu_long(m) && m->pieces.left < ROOM_PIECES;
}

static bool short_of_room(const struct smmu *m)
{
    return m->nodes_left < ROOM_NODES || m->pages_left < ROOM_PAGES ||
           m->stats.live_maps >= m->cfg.max_maps / 8 * 7 || short_of_pieces(m);
}

static void evict_current(struct smmu *m)
{
    space_wipe(m, m->cur);
    emit_code_unmapped(m, m->cur, SMMU_ALL_PAGES);
}

static uint64_t kernel_maps(const struct smmu *m)
{
    return m->kernel->maps + pieces_maps(m, m->pieces.kernel);
}

static uint64_t space_maps(const struct smmu *m, const struct smmu_space *s)
{
    return (s->user ? s->user->maps : 0) + (s->priv ? s->priv->maps : 0) +
           pieces_maps(m, s->pieces);
}

static bool evict_lru(struct smmu *m)
{
    struct smmu_space *s = space_lru(m);

    if (!s)
        return false;
    space_free(m, s);
    m->stats.evictions++;
    return true;
}

/* Other spaces first, by age; then the larger of the views in use. Nothing in use may be evicted
 * between preparing a region and mapping into it: this runs before. */
void evict_for_fill(struct smmu *m)
{
    while (short_of_room(m) && evict_lru(m))
        ;
    if (!short_of_room(m) || !m->cur)
        return;
    m->stats.evictions++;
    if (short_of_pieces(m))
        pieces_evict(m);
    else if (kernel_maps(m) >= space_maps(m, m->cur))
        kernel_wipe(m);
    else
        evict_current(m);
}

/* The host refused: give back everything. */
void evict_all(struct smmu *m)
{
    while (evict_lru(m))
        ;
    m->stats.evictions++;
    kernel_wipe(m);
    evict_current(m);
}
