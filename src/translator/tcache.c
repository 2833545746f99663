/* The code cache's bookkeeping. Policy: when code memory or the arena is full, everything is
 * flushed; evicting one block would mean unlinking every jump into it for memory that is rarely
 * short. */
#include "translator/bt_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "translator/emit.h"

enum { ARENA_BYTES = 192 << 20, MAX_BLOCKS = 1 << 20 };

static void *map_pages(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

/* All of it is going to be touched, in no order or soon. */
static void *map_dense(size_t bytes)
{
    void *p = map_pages(bytes);

    if (p)
        madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

int bt_cache_init(struct engine *e, size_t code_bytes, uint64_t nframes)
{
    int err = codemem_init(&e->code, code_bytes);

    if (err < 0)
        return err;
    e->nframes = nframes;
    e->arena_size = ARENA_BYTES;
    e->max_blocks = MAX_BLOCKS;
    e->arena = map_dense(e->arena_size);
    e->hash = map_dense(BT_HASH * sizeof(*e->hash));
    e->frame_twins = map_pages(nframes * sizeof(*e->frame_twins));
    e->twins = map_dense(BT_HASH * sizeof(*e->twins));
    e->page_hash = map_pages(BT_PAGE_HASH * sizeof(*e->page_hash));
    e->by_addr = map_pages(MAX_BLOCKS * sizeof(*e->by_addr));
    e->frame_blocks = map_pages(nframes * sizeof(*e->frame_blocks));
    e->churn = map_pages(nframes * sizeof(*e->churn));
    e->next_page_id = 1;
    if (!e->arena || !e->hash || !e->twins || !e->frame_twins || !e->page_hash || !e->by_addr ||
        !e->frame_blocks || !e->churn) {
        bt_cache_fini(e);
        return -ENOMEM;
    }
    return 0;
}

static void unmap_pages(void *p, size_t bytes)
{
    if (p)
        munmap(p, bytes);
}

void bt_cache_fini(struct engine *e)
{
    unmap_pages(e->arena, e->arena_size);
    unmap_pages(e->hash, BT_HASH * sizeof(*e->hash));
    unmap_pages(e->frame_twins, e->nframes * sizeof(*e->frame_twins));
    unmap_pages(e->twins, BT_HASH * sizeof(*e->twins));
    unmap_pages(e->page_hash, BT_PAGE_HASH * sizeof(*e->page_hash));
    unmap_pages(e->by_addr, MAX_BLOCKS * sizeof(*e->by_addr));
    unmap_pages(e->frame_blocks, e->nframes * sizeof(*e->frame_blocks));
    unmap_pages(e->churn, e->nframes * sizeof(*e->churn));
    codemem_fini(&e->code);
}

/* A translation costs about as much as interpreting a few hundred instructions. An epoch is that
 * many look-ups; each interpreted instruction is one, so a churning page gets another chance after
 * some 10 ms. */
enum { CHURN_LIMIT = 512, CHURN_EPOCH_SHIFT = 16 };

static struct bt_churn *churn_now(struct engine *e, uint64_t frame)
{
    struct bt_churn *c = &e->churn[frame];
    uint32_t epoch = (uint32_t)(e->stats.lookups >> CHURN_EPOCH_SHIFT);

    if (c->epoch != epoch)
        *c = (struct bt_churn){.epoch = epoch};
    return c;
}

void bt_churn_count(struct engine *e, uint64_t frame)
{
    if (++churn_now(e, frame)->count == CHURN_LIMIT)
        e->stats.churned++;
}

bool bt_churning(struct engine *e, uint64_t frame)
{
    return churn_now(e, frame)->count >= CHURN_LIMIT;
}

void *bt_alloc(struct engine *e, size_t bytes)
{
    void *p;

    bytes = (bytes + 63) & ~(size_t)63;
    if (e->arena_size - e->arena_used < bytes)
        return NULL;
    p = e->arena + e->arena_used;
    e->arena_used += bytes;
    return p;
}

void bt_flush(struct engine *e)
{
    e->held = NULL;
    /* Frames stay write-protected: the next store to one finds no blocks and clears it (engine.c).
     */
    memset(e->frame_blocks, 0, e->nframes * sizeof(*e->frame_blocks));
    memset(e->hash, 0, BT_HASH * sizeof(*e->hash));
    memset(e->frame_twins, 0, e->nframes * sizeof(*e->frame_twins));
    memset(e->twins, 0, BT_HASH * sizeof(*e->twins));
    memset(e->page_hash, 0, BT_PAGE_HASH * sizeof(*e->page_hash));
    bt_ctx_drop_all(e);
    e->nblocks = 0;
    e->arena_used = 0;
    e->next_page_id = 1;
    codemem_reset(&e->code, e->code_keep);
    e->stats.flushes++;
}

/* The page's identity keeps versions of one address apart: processes come and go. Where the page
 * lies has no part in it: pages move with their blocks (clone.c). */
static uint32_t hash_of(uint64_t rip, uint32_t mode, const struct bt_page *page)
{
    uint64_t h = ((rip & PAGE_MASK) ^ (uint64_t)page->id << PAGE_SHIFT ^ (uint64_t)mode << 32) *
                 UINT64_C(0x9e3779b97f4a7c15);

    return (uint32_t)(h >> (64 - BT_HASH_BITS));
}

struct bt_block *bt_find(struct engine *e, uint64_t rip, uint32_t mode, const struct bt_page *page)
{
    struct bt_block *b = e->hash[hash_of(rip, mode, page)];

    while (b && !(b->rip == rip && b->mode == mode && b->page == page))
        b = b->hash_next;
    return b;
}

static void hash_add(struct engine *e, struct bt_block *b)
{
    struct bt_block **slot = &e->hash[hash_of(b->rip, b->mode, b->page)];

    b->hash_next = *slot;
    *slot = b;
}

static void hash_remove(struct engine *e, struct bt_block *b)
{
    struct bt_block **p = &e->hash[hash_of(b->rip, b->mode, b->page)];

    while (*p != b)
        p = &(*p)->hash_next;
    *p = b->hash_next;
}

void bt_insert(struct engine *e, struct bt_block *b)
{
    hash_add(e, b);
    e->by_addr[e->nblocks++] = b;
    b->frame_next = e->frame_blocks[b->page->frame];
    e->frame_blocks[b->page->frame] = b;
    if (b->page2 && b->page2->frame != b->page->frame) {
        b->frame2_next = e->frame_blocks[b->page2->frame];
        e->frame_blocks[b->page2->frame] = b;
    }
    bt_twin_add(e, b);
    b->valid = true;
}

/* A block that straddles is on two frame lists; which link continues depends on the list walked. */
static struct bt_block **next_in_frame(struct bt_block *b, uint64_t frame)
{
    return b->page->frame == frame ? &b->frame_next : &b->frame2_next;
}

struct bt_block *bt_next_in_frame(const struct bt_block *b, uint64_t frame)
{
    return b->page->frame == frame ? b->frame_next : b->frame2_next;
}

static void aim(struct engine *e, struct bt_exit *x, const uint8_t *target_rx)
{
    st32(x->jump, (uint32_t)(target_rx - (codemem_to_rx(&e->code, x->jump) + 4)));
}

static void aim_open(struct engine *e, struct bt_open *o, const uint8_t *target_rx)
{
    st32(o->jump, (uint32_t)(target_rx - (codemem_to_rx(&e->code, o->jump) + 4)));
    if (!o->side)
        o->jump[-1] = 0xe9; /* JMP */
}

static void close_open(struct engine *e, struct bt_open *o)
{
    if (o->side)
        aim_open(e, o, o->side);
    else
        memcpy(o->jump - 1, emit_nop5, sizeof(emit_nop5));
}

/* Links the open form; false: the other has to be taken. */
static bool link_open(struct engine *e, struct bt_exit *x, const struct bt_block *target)
{
    if (!x->open || !x->from->loop || x->from->loop != target->loop)
        return false;
    if (x->open->jump == x->jump)
        aim(e, x, target->inner);
    else
        aim_open(e, x->open, target->inner);
    return true;
}

static void aim_unlinked(struct engine *e, struct bt_exit *x)
{
    if (x->open && x->open->jump != x->jump)
        close_open(e, x->open);
    aim(e, x, x->stub);
}

/* True: in its open form. */
static bool aim_linked(struct engine *e, struct bt_exit *x)
{
    const struct bt_block *to = x->target;

    if (bt_link_waits(x)) {
        aim_unlinked(e, x);
        return false;
    }
    if (link_open(e, x, to))
        return true;
    aim(e, x, bt_edge_open(x->from, to) ? to->body : to->checked);
    return false;
}

void bt_aim(struct engine *e, struct bt_exit *x)
{
    if (x->from != e->held)
        aim_linked(e, x);
}

void bt_hold(struct engine *e, const struct bt_block *b)
{
    for (unsigned k = 0; k < b->nexits; k++)
        aim_unlinked(e, &b->exits[k]);
}

void bt_release(struct engine *e, const struct bt_block *b)
{
    for (unsigned k = 0; k < b->nexits; k++)
        if (b->exits[k].target)
            aim_linked(e, &b->exits[k]);
}

void bt_link(struct engine *e, struct bt_exit *x, struct bt_block *target)
{
    x->target = target;
    x->next_incoming = target->incoming;
    x->link = &target->incoming;
    if (x->next_incoming)
        x->next_incoming->link = &x->next_incoming;
    target->incoming = x;
    bt_edge_need(e, x->from, target);
    e->stats.open_links += aim_linked(e, x);
    e->stats.links++;
}

void bt_unlink(struct engine *e, struct bt_exit *x)
{
    if (!x->target)
        return;
    *x->link = x->next_incoming;
    if (x->next_incoming)
        x->next_incoming->link = x->link;
    x->target = NULL;
    aim_unlinked(e, x);
}

static void drop_from_frame(struct engine *e, struct bt_block *b, uint64_t frame)
{
    struct bt_block **p = &e->frame_blocks[frame];

    while (*p != b)
        p = next_in_frame(*p, frame);
    *p = *next_in_frame(b, frame);
}

void bt_invalidate(struct engine *e, struct bt_block *b)
{
    if (!b->valid)
        return;
    b->valid = false;
    while (b->incoming)
        bt_unlink(e, b->incoming);
    for (unsigned i = 0; i < b->nexits; i++)
        bt_unlink(e, &b->exits[i]);
    hash_remove(e, b);
    drop_from_frame(e, b, b->page->frame);
    if (b->page2 && b->page2->frame != b->page->frame)
        drop_from_frame(e, b, b->page2->frame);
    bt_twin_remove(e, b);
    bt_target_remove(b);
    bt_ctx_drop_block(e, b);
    e->code_changed = true;
    e->stats.invalidated++;
}

/* Does the block have code bytes in [off, off+len) of the frame? */
static bool block_covers(const struct bt_block *b, uint64_t frame, unsigned off, unsigned len)
{
    unsigned start = (unsigned)bt_linear(b->rip, b->mode) & PAGE_MASK;

    if (b->page->frame == frame && off < start + b->guest_len && start < off + len)
        return true;
    return b->page2 && b->page2->frame == frame && off < start + b->guest_len - PAGE_SIZE;
}

void bt_invalidate_range(struct engine *e, uint64_t frame, unsigned off, unsigned len)
{
    struct bt_block *b = e->frame_blocks[frame], *next;

    for (; b; b = next) {
        next = bt_next_in_frame(b, frame);
        if (block_covers(b, frame, off, len)) {
            bt_invalidate(e, b);
            e->stats.overwritten++;
            bt_churn_count(e, frame);
        }
    }
}

struct bt_block *bt_block_at(struct engine *e, uint64_t host)
{
    uint32_t lo = 0, hi = e->nblocks;

    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;

        if ((uint64_t)(uintptr_t)e->by_addr[mid]->code <= host)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0 ||
        host - (uint64_t)(uintptr_t)e->by_addr[lo - 1]->code >= e->by_addr[lo - 1]->code_len)
        return NULL;
    return e->by_addr[lo - 1];
}

const struct bt_map *bt_map_at(const struct bt_block *b, uint64_t host)
{
    uint32_t off = (uint32_t)(host - (uint64_t)(uintptr_t)b->code);
    uint32_t i = b->nmap;

    while (i > 0 && b->map[i - 1].host > off)
        i--;
    return i ? &b->map[i - 1] : NULL;
}

static struct bt_page **page_slot(struct engine *e, uint64_t vpn, uint64_t frame)
{
    return &e->page_hash[(vpn ^ frame << 36) * UINT64_C(0x9e3779b97f4a7c15) >> 48];
}

struct bt_page *bt_page_find(struct engine *e, uint64_t vpn, uint64_t frame)
{
    struct bt_page *p = *page_slot(e, vpn, frame);

    while (p && !(p->vpn == vpn && p->frame == frame))
        p = p->next;
    return p;
}

struct bt_page *bt_page_get(struct engine *e, uint64_t vpn, uint64_t frame)
{
    struct bt_page **slot = page_slot(e, vpn, frame);
    struct bt_page *p = bt_page_find(e, vpn, frame);

    if (p)
        return p;
    p = bt_alloc(e, sizeof(*p));
    if (!p)
        return NULL;
    *p = (struct bt_page){.frame = frame, .vpn = vpn, .id = e->next_page_id++, .next = *slot};
    *slot = p;
    return p;
}

void bt_page_rename(struct engine *e, struct bt_page *page, uint64_t vpn)
{
    struct bt_page **p = page_slot(e, page->vpn, page->frame);

    while (*p != page)
        p = &(*p)->next;
    *p = page->next;
    page->vpn = vpn;
    p = page_slot(e, vpn, page->frame);
    page->next = *p;
    *p = page;
}
