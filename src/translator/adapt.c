/* Adaptive translation: a memory instruction is innocent until it faults too often for one reason.
 */
#include "translator/bt_priv.h"

#include <string.h>

/* One fault costs about 2 us plus an interpreted instruction; a retranslation costs a few. */
enum { VIEW_LIMIT = 2, SIMULATE_LIMIT = 4, AMNESTY_MIN = 1 << 20, AMNESTY_PER_BLOCK = 2500 };

static struct bt_site *site_of(const struct engine *e, uint64_t key)
{
    return &e->sites[(key * UINT64_C(0x9e3779b97f4a7c15)) >> 51];
}

static uint64_t key_of(uint64_t frame, unsigned off)
{
    return (frame << PAGE_SHIFT | off) + 1;
}

enum bt_adapt bt_adapt_of(const struct engine *e, uint64_t frame, unsigned off)
{
    uint64_t key = key_of(frame, off);
    const struct bt_site *s = site_of(e, key);

    return s->key == key ? s->adapt : ADAPT_NONE;
}

bool bt_adapt_count(struct engine *e, uint64_t frame, unsigned off, enum smmu_verdict v)
{
    uint64_t key = key_of(frame, off);
    struct bt_site *s = site_of(e, key);
    enum bt_adapt want = v == SMMU_VIEW ? ADAPT_VIEW : ADAPT_SIMULATE;
    unsigned limit = v == SMMU_VIEW ? VIEW_LIMIT : SIMULATE_LIMIT;

    if (v == SMMU_TRUE || v == SMMU_HOST_ERR || v == SMMU_MAPPED || v == SMMU_TABLE)
        return false;
    if (s->key != key)
        *s = (struct bt_site){.key = key};
    /* A site that already looks its view up and still finds the wrong one is simulated. */
    if (s->adapt == ADAPT_VIEW && v == SMMU_VIEW) {
        want = ADAPT_SIMULATE;
        limit = 64;
    }
    /* Another block with the site in it, translated before: it still faults. */
    if (s->adapt == ADAPT_SIMULATE)
        return true;
    if (s->adapt == want || ++s->count[want] < limit)
        return false;
    s->adapt = (uint8_t)want;
    s->count[want] = 0;
    e->stats.adapted[want]++;
    e->stats.adapted_for[v]++;
    return true;
}

/* What a site did once, it need not do for ever: memory that held code, or tables, becomes data
 * (boot loaders and memory tests move through all of it). After many callouts in place of memory
 * operands all sites are innocent again. A translation costs as much as some 250 callouts: a tenth
 * of the time goes into making all of them anew, at worst. */
bool bt_adapt_amnesty(struct engine *e)
{
    if (e->simulated < AMNESTY_MIN || e->simulated / AMNESTY_PER_BLOCK < e->nblocks)
        return false;
    e->simulated = 0;
    memset(e->sites, 0, SITE_HASH * sizeof(*e->sites));
    e->stats.amnesties++;
    return true;
}
