/* Contexts: what generated code may jump to without asking, per (space or kernel) and mode. */
#include "translator/bt_priv.h"

enum { JCACHE_MOVES = 8 };

/* A tag that no rip with index i can match: that of rip 0, which belongs elsewhere; of rip 1 where
 * 0 belongs. */
static uint64_t empty_tag(uint32_t i)
{
    return i == bt_jcache_index(0) ? UINT64_MAX : 0;
}

/* Processes that end soon use a few hundred entries. */
static void reset_jcache(struct bt_ctx *x)
{
    uint32_t n = x->nset > BT_JOURNAL ? BT_JCACHE : x->nset;

    for (uint32_t k = 0; k < n; k++) {
        uint32_t i = n == BT_JCACHE ? k : x->set[k];

        if (x->neg_tag[i]) {
            bt_landing_forget(x, i);
            x->neg_tag[i] = 0;
        }
    }
    x->neg_tag[bt_jcache_index(0)] = empty_tag(bt_jcache_index(0));
    x->nset = 0;
    x->filled += 1 + (x->filled == UINT32_MAX);
}

/* Of zeroes, or in use. */
void bt_ctx_reset(struct bt_ctx *x)
{
    uint32_t n = x->nwords > BT_JOURNAL ? BT_WORDS : x->nwords;

    reset_jcache(x);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t w = n == BT_WORDS ? k : x->words[k];

        if (x->page[w])
            x->page[w]->uses--;
        x->page[w] = NULL;
        x->neg_word[w] = 0;
    }
    x->nwords = 0;
}

static struct bt_ctx **list_of(struct engine *e, uint32_t mode)
{
    if (mode & MODE_CPL3)
        return (struct bt_ctx **)smmu_space_cookie(smmu_current(e->mmu));
    return &e->kernel_ctx;
}

static struct bt_ctx *ctx_alloc(struct engine *e, uint32_t mode)
{
    struct bt_ctx **free = &e->free_ctx[bt_wide(mode)], *x = *free;

    if (!x)
        return bt_ctx_map(e, bt_wide(mode));
    *free = x->next;
    return x;
}

struct bt_ctx *bt_ctx_get(struct engine *e, uint32_t mode)
{
    struct bt_ctx **list = list_of(e, mode);
    struct bt_ctx *x;

    for (x = *list; x; x = x->next)
        if (x->mode == mode)
            return x;
    x = ctx_alloc(e, mode);
    if (!x)
        return NULL;
    x->mode = mode;
    x->next = *list;
    *list = x;
    x->all_next = e->all_ctx;
    x->all_prev = &e->all_ctx;
    if (x->all_next)
        x->all_next->all_prev = &x->all_next;
    e->all_ctx = x;
    return x;
}

static bool is_empty(const struct bt_ctx *x, uint32_t i)
{
    return x->neg_tag[i] == empty_tag(i);
}

static void put_entry(struct bt_ctx *x, uint32_t i, uint64_t neg_tag, const uint8_t *host)
{
    if (x->nset < BT_JOURNAL)
        x->set[x->nset] = (uint16_t)i;
    x->nset += x->nset <= BT_JOURNAL;
    if (!is_empty(x, i))
        bt_landing_forget(x, i);
    x->neg_tag[i] = neg_tag;
    x->host[i] = host;
}

/* Two that share their first place and are called in turns would throw each other out for ever: who
 * is thrown out goes to its other place, and whom it finds there to theirs. */
static void set_entry(struct bt_ctx *x, const struct bt_block *b)
{
    uint64_t rip = b->rip;
    uint32_t i = bt_jcache_index(rip), second = bt_jcache_second(rip);
    const uint8_t *host = b->landing;

    if (x->neg_tag[second] == 0 - rip)
        i = second;
    for (unsigned n = 0; n < JCACHE_MOVES; n++) {
        uint64_t old = 0 - x->neg_tag[i];
        const uint8_t *old_host = x->host[i];
        bool done = is_empty(x, i) || old == rip;

        put_entry(x, i, 0 - rip, host);
        if (done || bt_jcache_index(old) == bt_jcache_second(old))
            return;
        i ^= bt_jcache_index(old) ^ bt_jcache_second(old);
        rip = old;
        host = old_host;
    }
}

static bool vacant(const struct bt_ctx *x, uint64_t rip)
{
    return is_empty(x, bt_jcache_index(rip));
}

void bt_target_add(struct bt_block *b)
{
    if (b->target)
        return;
    b->target = true;
    b->target_next = b->page->targets;
    b->page->targets = b;
}

void bt_target_remove(struct bt_block *b)
{
    struct bt_block **p = &b->page->targets;

    if (!b->target)
        return;
    while (*p != b)
        p = &(*p)->target_next;
    *p = b->target_next;
    b->target = false;
}

/* Those of the page's targets that came since the last time, unless their places are taken. */
static void enter_targets(struct bt_ctx *x, const struct bt_page *page)
{
    struct bt_told *told = &x->told[page->vpn % BT_WORDS];
    const struct bt_block *end = told->filled == x->filled ? told->upto : NULL;

    for (const struct bt_block *t = page->targets; t && t != end; t = t->target_next)
        if (t->mode == x->mode && vacant(x, t->rip))
            set_entry(x, t);
    *told = (struct bt_told){.upto = page->targets, .filled = x->filled};
}

void bt_ctx_asked(struct bt_ctx *x, struct bt_block *b)
{
    bool cold = vacant(x, b->rip);

    set_entry(x, b);
    if (cold)
        enter_targets(x, b->page);
    if (!b->page2) /* the context may not know that one */
        bt_target_add(b);
}

static void drop_at(struct bt_ctx *x, const struct bt_block *b, uint32_t i)
{
    if (x->neg_tag[i] == 0 - b->rip && x->host[i] == b->landing) {
        bt_landing_forget(x, i);
        x->neg_tag[i] = empty_tag(i);
    }
}

static void drop_entry(struct bt_ctx *x, const struct bt_block *b)
{
    drop_at(x, b, bt_jcache_index(b->rip));
    drop_at(x, b, bt_jcache_second(b->rip));
}

void bt_ctx_drop_block(struct engine *e, const struct bt_block *b)
{
    for (struct bt_ctx *x = e->all_ctx; x; x = x->all_next)
        drop_entry(x, b);
}

void bt_ctx_drop_all(struct engine *e)
{
    for (struct bt_ctx *x = e->all_ctx; x; x = x->all_next)
        bt_ctx_reset(x);
}

/* Pages go in crowds (exit, exec): clearing the whole jump cache once is cheaper than finding each
 * page's entries. */
void bt_ctx_forget_page(struct engine *e, struct bt_ctx *x, struct bt_page *p)
{
    uint64_t w = p->vpn % BT_WORDS;

    reset_jcache(x);
    x->page[w]->uses--;
    x->page[w] = NULL;
    x->neg_word[w] = 0;
    bt_edges_forgotten(e, x, p);
}

void bt_ctx_set_page(struct engine *e, struct bt_ctx *x, struct bt_page *page)
{
    uint64_t w = page->vpn % BT_WORDS;

    if (x->page[w])
        bt_ctx_forget_page(e, x, x->page[w]);
    if (x->nwords < BT_JOURNAL)
        x->words[x->nwords] = (uint16_t)w;
    x->nwords += x->nwords <= BT_JOURNAL;
    x->page[w] = page;
    x->neg_word[w] = 0u - page->id;
    page->uses++;
    bt_edges_known(e, x, page);
}

/* A process's pages go in crowds: it forgets them all, which closes no edges. */
static void forget_vpn(struct engine *e, struct bt_ctx *x, uint64_t vpn)
{
    struct bt_page *p = x->page[vpn % BT_WORDS];

    if (vpn == SMMU_ALL_PAGES)
        bt_ctx_reset(x);
    else if (!p || p->vpn != vpn)
        return;
    else if (x->mode & MODE_CPL3)
        bt_ctx_reset(x);
    else
        bt_ctx_forget_page(e, x, p);
    e->code_changed = true;
}

void bt_ctx_page_unmapped(struct engine *e, struct smmu_space *space, uint64_t vpn)
{
    struct bt_ctx *x = space ? *(struct bt_ctx **)smmu_space_cookie(space) : e->kernel_ctx;

    for (; x; x = x->next)
        forget_vpn(e, x, vpn);
}

void bt_ctx_space_freed(struct engine *e, struct smmu_space *space)
{
    struct bt_ctx **list = (struct bt_ctx **)smmu_space_cookie(space);
    struct bt_ctx *x;

    while ((x = *list) != NULL) {
        *list = x->next;
        *x->all_prev = x->all_next;
        if (x->all_next)
            x->all_next->all_prev = x->all_prev;
        bt_ctx_reset(x); /* its pages are nobody's now */
        x->next = e->free_ctx[bt_wide(x->mode)];
        e->free_ctx[bt_wide(x->mode)] = x;
    }
    e->space_changed = true;
}

void bt_ctx_fini(struct engine *e)
{
    struct bt_ctx *x, *next;

    for (x = e->all_ctx; x; x = next) {
        next = x->all_next;
        bt_ctx_unmap(x);
    }
    for (unsigned wide = 0; wide < 2; wide++)
        for (x = e->free_ctx[wide]; x; x = next) {
            next = x->next;
            bt_ctx_unmap(x);
        }
}
