#include "shadowmmu/shadow.h"

/* One fault needs at most: a 4 MiB page's entries, its pages of entries, the uses, and a mapping
 * for each run and each special page of it. */
enum { ROOM_NODES = 4096, ROOM_PAGES = 16 };

static bool short_of_room(const struct smmu *m)
{
    return m->nodes_left < ROOM_NODES || m->pages_left < ROOM_PAGES ||
           m->stats.live_maps >= m->cfg.max_maps / 8 * 7;
}

static void evict_kernel(struct smmu *m)
{
    m->kernel->quiet = true;
    view_wipe(m, m->kernel);
    m->kernel->quiet = false;
    emit_code_unmapped(m, NULL, SMMU_ALL_PAGES);
}

static void evict_current(struct smmu *m)
{
    space_wipe(m, m->cur);
    emit_code_unmapped(m, m->cur, SMMU_ALL_PAGES);
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
    if (m->kernel->maps >= m->cur->user->maps + m->cur->priv->maps)
        evict_kernel(m);
    else
        evict_current(m);
}

/* The host refused: give back everything. */
void evict_all(struct smmu *m)
{
    while (evict_lru(m))
        ;
    m->stats.evictions++;
    evict_kernel(m);
    evict_current(m);
}
