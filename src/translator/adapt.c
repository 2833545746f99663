/* Adaptive translation: a memory instruction is innocent until it faults too often for one reason.
 */
#include "translator/bt_priv.h"

/* One fault costs about 2 us plus an interpreted instruction; a retranslation costs a few. */
enum { VIEW_LIMIT = 2, SIMULATE_LIMIT = 4 };

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

bool bt_adapt_any(const struct engine *e, uint64_t frame)
{
    uint64_t n = frame % SITE_FRAMES;

    return e->site_frames[n / 64] >> n % 64 & 1;
}

static void remember_frame(struct engine *e, uint64_t frame)
{
    uint64_t n = frame % SITE_FRAMES;

    e->site_frames[n / 64] |= UINT64_C(1) << n % 64;
}

/* What an instruction that is simulated on trial costs in the cache, when it faults: a signal. */
enum {
    PATIENCE = 8,
    MAX_REVERTED = 10,
    MAX_DOUBLED = 6,
    TRIAL_RUNS = 256,
    LIGHT_GAIN = 40,
    HEAVY_GAIN = 6
};

static void simulate(struct engine *e, struct bt_site *s, enum smmu_verdict v)
{
    s->before = s->adapt;
    s->adapt = ADAPT_SIMULATE;
    s->own = v == SMMU_TRUE;
    s->on_trial = e->trials = true;
    s->runs = s->faults = 0;
    e->stats.adapted[ADAPT_SIMULATE]++;
    e->stats.adapted_for[v]++;
}

/* Faults that are the guest's own. Where they are frequent, the signal is most of what they cost;
 * but a site that runs a thousand times between two of them had better run as it is. */
static bool count_true(struct engine *e, struct bt_site *s)
{
    if (s->adapt == ADAPT_VIEW || ++s->faults < PATIENCE << s->reverted)
        return false;
    simulate(e, s, SMMU_TRUE);
    return true;
}

/* What is remembered of the callout that goes on at `in`. NULL: nobody knows its block. */
static struct bt_trial *trial_at(struct engine *e, uint64_t rip, const uint8_t *in)
{
    uint64_t host = (uint64_t)(uintptr_t)in;
    struct bt_trial *t = &e->trial[(host * UINT64_C(0x9e3779b97f4a7c15)) >> 54];
    const struct bt_block *b;
    unsigned off;

    if (t->in == in && t->flushes == e->stats.flushes)
        return t;
    b = bt_block_at(e, host);
    if (!b)
        return NULL;
    off = (unsigned)bt_linear((b->rip & ~UINT64_C(0xffffffff)) | rip, b->mode) & PAGE_MASK;
    *t = (struct bt_trial){
        .in = in, .key = key_of(b->page->frame, off), .flushes = e->stats.flushes};
    return t;
}

/* Twice as many each time: what it costs to end one in vain is a few faults and translations. */
static uint32_t trial_runs(const struct bt_site *s)
{
    unsigned doubled = s->reverted < MAX_DOUBLED ? s->reverted : MAX_DOUBLED;

    return s->own ? TRIAL_RUNS : TRIAL_RUNS << doubled;
}

/* Ends the trial when it does not pay: one that comes after it must see twice as many faults of the
 * guest's own. */
static bool pays(struct engine *e, struct bt_site *s, bool light)
{
    bool worth = (uint32_t)s->faults * (light ? LIGHT_GAIN : HEAVY_GAIN) >= s->runs;

    if (s->runs < trial_runs(s))
        return true;
    s->runs = s->faults = 0;
    if (worth)
        return true;
    s->adapt = s->before;
    s->on_trial = false;
    s->reverted += s->reverted < MAX_REVERTED;
    e->stats.reverted++;
    return false;
}

void bt_trial_ran(struct engine *e, uint64_t rip, const uint8_t *in, bool paid, bool light)
{
    struct bt_trial *t = trial_at(e, rip, in);
    struct bt_site *s;
    bool drop;

    if (!t)
        return;
    s = site_of(e, t->key);
    if (s->key == t->key && s->on_trial) {
        t->on_trial = true;
        s->runs += 1 + (uint32_t)e->stub_did;
        s->faults += paid && s->faults < UINT16_MAX;
        drop = !pays(e, s, light);
    } else {
        /* over, by way of another block; or the site was forgotten */
        drop = t->on_trial;
    }
    if (drop) {
        t->in = NULL;
        bt_retranslate(e, bt_block_at(e, (uint64_t)(uintptr_t)in));
    }
}

/* Code that copies, clears or compares meets a table, code or a device now and then, and is not to
 * be slow for that: faults count that come within a millisecond or so. */
static bool enough(struct bt_site *s, enum bt_adapt want, unsigned limit)
{
    enum { WINDOW = 1 << 22 };
    uint64_t now = __builtin_ia32_rdtsc();

    if (want == ADAPT_SIMULATE && now - s->since > WINDOW) {
        s->since = now;
        s->count[want] = 0;
    }
    return ++s->count[want] >= limit;
}

/* A site that already looks its view up and still finds the wrong one is simulated, if it is not
 * just another block with the site in it, translated before: now and then the block is made anew.
 */
static bool view_again(struct engine *e, struct bt_site *s)
{
    enum { LIMIT = 64, ANEW = 8 };

    if (!enough(s, ADAPT_SIMULATE, LIMIT))
        return s->count[ADAPT_SIMULATE] % ANEW == 1;
    s->count[ADAPT_SIMULATE] = 0;
    simulate(e, s, SMMU_VIEW);
    return true;
}

bool bt_adapt_count(struct engine *e, uint64_t frame, unsigned off, enum smmu_verdict v)
{
    uint64_t key = key_of(frame, off);
    struct bt_site *s = site_of(e, key);
    enum bt_adapt want = v == SMMU_VIEW ? ADAPT_VIEW : ADAPT_SIMULATE;
    unsigned limit = v == SMMU_VIEW ? VIEW_LIMIT : SIMULATE_LIMIT;

    if (v == SMMU_HOST_ERR || v == SMMU_MAPPED || v == SMMU_TABLE)
        return false;
    if (s->key != key)
        *s = (struct bt_site){.key = key};
    remember_frame(e, frame);
    if (s->adapt == ADAPT_VIEW && v == SMMU_VIEW)
        return view_again(e, s);
    if (v == SMMU_TRUE && s->adapt != ADAPT_SIMULATE)
        return count_true(e, s);
    /* Another block with the site in it, translated before: it still faults. */
    if (s->adapt == ADAPT_SIMULATE)
        return true;
    if (s->adapt == want || !enough(s, want, limit))
        return false;
    s->count[want] = 0;
    if (want == ADAPT_SIMULATE) {
        simulate(e, s, v);
        return true;
    }
    s->adapt = (uint8_t)want;
    e->stats.adapted[want]++;
    e->stats.adapted_for[v]++;
    return true;
}

bool bt_adapt_wraps(struct engine *e, uint64_t frame, unsigned off)
{
    uint64_t key = key_of(frame, off);
    struct bt_site *s = site_of(e, key);

    if (s->key == key && s->adapt != ADAPT_NONE)
        return bt_adapt_count(e, frame, off, SMMU_REMAPPED);
    if (s->key != key)
        *s = (struct bt_site){.key = key};
    remember_frame(e, frame);
    s->adapt = ADAPT_WRAP;
    e->stats.adapted[ADAPT_WRAP]++;
    return true;
}
