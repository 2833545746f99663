/* The same code at another linear address: libraries lie elsewhere in each process, and a
 * translation has guest addresses in it. It is not made again but copied: what of its bytes depends
 * on where guest or host code lies was listed when it was made (struct bt_moves). A copy is byte
 * for byte what a translation there would have been, which bt_check_moves() proves of every block
 * when blocks are checked. */
#include <assert.h>
#include <string.h>

#include "translator/xlate.h"

/* 64-bit code moves within these bounds: whatever it refers to within 2 GiB is canonical, positive
 * and needs 64 bits, so no choice of encoding, and no comparison with a target, depends on where
 * it is. */
#define LOWEST  (8 * GIB)
#define HIGHEST ((UINT64_C(1) << 47) - 4 * GIB)

enum { SPREAD = 128 }; /* copies made at once */

static const uint8_t move_size[] = {
    [MOVE_RIP32] = 4,  [MOVE_RIP64] = 8, [MOVE_MINUS_RIP32] = 4, [MOVE_MINUS_RIP64] = 8,
    [MOVE_BRANCH] = 4, [MOVE_PIECE] = 4, [MOVE_WORD] = 4,        [MOVE_PAGE_ID] = 4,
    [MOVE_STUB] = 4,   [MOVE_INSN] = 8,  [MOVE_SITE] = 8,
};

/* ---- while a block is made ---- */

void xlate_moves(struct xlate *x, enum bt_move_kind kind, const uint8_t *at)
{
    if (x->nmoves == ARRAY_SIZE(x->move))
        x->fixed = true;
    else
        x->move[x->nmoves++] =
            (struct bt_move){.at = (uint16_t)(at - x->start), .kind = (uint8_t)kind};
}

void xlate_refers(struct xlate *x, uint64_t lin)
{
    int64_t off = (int64_t)(lin - x->b->rip);

    if (!x->refers) {
        x->near_lo = x->near_hi = off;
        x->refers = true;
    }
    if (off < x->near_lo)
        x->near_lo = off;
    if (off > x->near_hi)
        x->near_hi = off;
}

static bool one_piece(uint64_t rip, int64_t lo, int64_t hi)
{
    return (rip + (uint64_t)lo) >> 32 == (rip + (uint64_t)hi) >> 32;
}

static bool in_bounds(uint64_t rip, uint32_t mode)
{
    return !(mode & MODE_CS64) || (rip >= LOWEST && rip < HIGHEST);
}

bool bt_keep_moves(struct xlate *x)
{
    struct bt_block *b = x->b;
    struct bt_moves *m;

    if (x->fixed || b->page2 || b->loop || x->seg || !in_bounds(b->rip, b->mode) ||
        !one_piece(b->rip, x->near_lo, x->near_hi))
        return true;
    m = bt_alloc(x->e, sizeof(*m) + x->nmoves * sizeof(m->move[0]));
    if (!m)
        return false;
    *m = (struct bt_moves){.near_lo = x->near_lo, .near_hi = x->near_hi, .n = x->nmoves};
    memcpy(m->move, x->move, x->nmoves * sizeof(m->move[0]));
    b->moves = m;
    return true;
}

/* ---- templates: a block for each piece of code, to be copied ---- */

static struct bt_block **twin_slot(struct engine *e, uint64_t frame, uint64_t off, uint32_t mode)
{
    uint64_t h = (frame << PAGE_SHIFT | off) ^ (uint64_t)mode << 40;

    return &e->twins[h * UINT64_C(0x9e3779b97f4a7c15) >> (64 - BT_HASH_BITS)];
}

static struct bt_block *twin_of(struct engine *e, uint64_t frame, uint64_t off, uint32_t mode)
{
    struct bt_block *b = *twin_slot(e, frame, off, mode);

    while (b && !(b->page->frame == frame && (b->rip & PAGE_MASK) == off && b->mode == mode))
        b = b->twin_next;
    return b;
}

void bt_twin_add(struct engine *e, struct bt_block *b)
{
    uint64_t off = b->rip & PAGE_MASK;
    struct bt_block **slot = twin_slot(e, b->page->frame, off, b->mode);

    if (!b->moves || twin_of(e, b->page->frame, off, b->mode))
        return;
    b->twin_next = *slot;
    *slot = b;
    b->frame_twin = e->frame_twins[b->page->frame];
    e->frame_twins[b->page->frame] = b;
}

void bt_twin_remove(struct engine *e, struct bt_block *b)
{
    struct bt_block **p = twin_slot(e, b->page->frame, b->rip & PAGE_MASK, b->mode);

    while (*p && *p != b)
        p = &(*p)->twin_next;
    if (!*p)
        return;
    *p = b->twin_next;
    for (p = &e->frame_twins[b->page->frame]; *p != b; p = &(*p)->frame_twin)
        ;
    *p = b->frame_twin;
}

void bt_retranslate(struct engine *e, struct bt_block *b)
{
    struct bt_block *t = e->frame_blocks[b->page->frame], *next;

    for (; t; t = next) {
        next = bt_next_in_frame(t, b->page->frame);
        if (t != b && t->page->frame == b->page->frame && t->mode == b->mode &&
            (t->rip & PAGE_MASK) == (b->rip & PAGE_MASK))
            bt_invalidate(e, t);
    }
    bt_invalidate(e, b);
}

/* ---- copies ---- */

/* Would a translation there have made the same choices? Targets of 32-bit code must not wrap
 * otherwise. */
static bool may_lie_at(const struct bt_block *t, uint64_t rip)
{
    if (!in_bounds(rip, t->mode) || !one_piece(rip, t->moves->near_lo, t->moves->near_hi))
        return false;
    for (unsigned k = 0; k < t->nexits && !(t->mode & MODE_CS64); k++)
        if (t->exits[k].rip - t->rip + rip > UINT32_MAX)
            return false;
    return true;
}

struct copy {
    struct engine *e;
    const struct bt_block *from;
    struct bt_block *b;
    uint8_t *code; /* rw */
    uint64_t by;   /* guest bytes further up */
    bool in_place; /* the bytes stay, only what they say changes */
};

static bool move_site(struct copy *c, uint8_t *at)
{
    struct bt_callout *old = (struct bt_callout *)(uintptr_t)ld64(at);
    struct bt_callout *site = c->in_place ? old : bt_alloc(c->e, sizeof(*site));

    if (!site)
        return false;
    *site = *old;
    site->rip += c->by;
    site->next += c->by;
    site->resume = c->b->code + (old->resume - c->from->code);
    st64(at, (uint64_t)(uintptr_t)site);
    return true;
}

static bool move_field(struct copy *c, const struct bt_move *m)
{
    uint8_t *at = c->code + m->at;
    uint64_t near = (uint64_t)c->from->moves->near_lo;

    switch ((enum bt_move_kind)m->kind) {
    case MOVE_RIP32:
        st32(at, ld32(at) + (uint32_t)c->by);
        break;
    case MOVE_RIP64:
        st64(at, ld64(at) + c->by);
        break;
    case MOVE_MINUS_RIP32:
        st32(at, ld32(at) - (uint32_t)c->by);
        break;
    case MOVE_MINUS_RIP64:
        st64(at, ld64(at) - c->by);
        break;
    case MOVE_BRANCH:
        st32(at, ld32(at) + ((uint32_t)(c->b->code - c->from->code) << BT_BRANCH_SHIFT));
        break;
    case MOVE_PIECE:
        st32(at,
             ld32(at) + (uint32_t)(((c->b->rip + near) >> 32) - ((c->from->rip + near) >> 32)) * 8);
        break;
    case MOVE_WORD:
        st32(at, (uint32_t)bt_word_offset(c->b->page));
        break;
    case MOVE_PAGE_ID:
        st32(at, c->b->page->id);
        break;
    case MOVE_STUB:
        st32(at, ld32(at) - (uint32_t)(c->b->code - c->from->code));
        break;
    case MOVE_INSN:
        break;
    case MOVE_SITE:
        return move_site(c, at);
    }
    return true;
}

/* Exits begin unlinked, each at its own stub, which names it. */
static bool move_exits(struct copy *c)
{
    struct bt_block *b = c->b;
    const struct codemem *cm = &c->e->code;
    bool wide = b->mode & MODE_CS64;

    b->exits = bt_alloc(c->e, b->nexits * sizeof(*b->exits));
    if (!b->exits)
        return false;
    for (unsigned k = 0; k < b->nexits; k++) {
        const struct bt_exit *old = &c->from->exits[k];
        uint64_t rip = old->rip + c->by;
        struct bt_exit *x = &b->exits[k];

        *x = (struct bt_exit){
            .jump = c->code + (codemem_to_rx(cm, old->jump) - c->from->code),
            .stub = b->code + (old->stub - c->from->code),
            .from = b,
            .rip = wide ? rip : (uint32_t)rip,
        };
        emit_patch32(x->jump, codemem_to_rw(cm, x->stub));
        st64(codemem_to_rw(cm, x->stub) + STUB_IMM, (uint64_t)(uintptr_t)x);
    }
    return true;
}

/* Not in any list yet. NULL: no room. */
static struct bt_block *copy_block(struct engine *e, const struct bt_block *t, uint64_t rip,
                                   struct bt_page *page)
{
    struct copy c = {.e = e, .from = t, .by = rip - t->rip};

    c.code = bt_landing_begin(e, t->code_len, (size_t)(t->landing - t->code));
    c.b = bt_alloc(e, sizeof(*c.b));
    if (!c.code || !c.b || e->nblocks == e->max_blocks)
        return NULL;
    *c.b = *t;
    c.b->rip = rip;
    c.b->page = page;
    c.b->code = codemem_to_rx(&e->code, c.code);
    c.b->entry = c.b->code + (t->entry - t->code);
    c.b->landing = c.b->code + (t->landing - t->code);
    c.b->checked = c.b->code + (t->checked - t->code);
    c.b->body = c.b->code + (t->body - t->code);
    c.b->hash_next = c.b->frame_next = c.b->frame2_next = c.b->twin_next = NULL;
    c.b->incoming = NULL;
    c.b->target = c.b->examined = false;
    c.b->copied = true;
    memcpy(c.code, codemem_to_rw(&e->code, t->code), t->code_len);
    for (unsigned k = 0; k < t->moves->n; k++)
        if (!move_field(&c, &t->moves->move[k]))
            return NULL;
    if (!move_exits(&c))
        return NULL;
    bt_landing_commit(e, c.b);
    return c.b;
}

static struct bt_block *clone_of(struct engine *e, const struct bt_block *t, uint64_t rip,
                                 struct bt_page *page)
{
    struct bt_block *b;

    if (!may_lie_at(t, rip) || bt_loop_find(page, rip, t->mode))
        return NULL;
    b = copy_block(e, t, rip, page);
    if (!b)
        return NULL;
    bt_insert(e, b);
    if (t->target)
        bt_target_add(b);
    e->stats.cloned++;
    e->stats.host_bytes += b->code_len;
    return b;
}

struct bt_block *bt_clone(struct engine *e, uint64_t rip, uint32_t mode, struct bt_page *page)
{
    const struct bt_block *t = twin_of(e, page->frame, rip & PAGE_MASK, mode);

    return t ? clone_of(e, t, rip, page) : NULL;
}

/* The page that the context has there, or NULL. */
static const struct bt_page *page_at(const struct bt_ctx *x, uint64_t rip)
{
    const struct bt_page *p = x->page[(rip >> PAGE_SHIFT) % BT_WORDS];

    return p && p->vpn == rip >> PAGE_SHIFT ? p : NULL;
}

/* What a kick or a test is to find out about loops begins with a backward way that is gone. An
 * engine that steps enters one block only. */
void bt_chain(struct engine *e, const struct bt_ctx *x, struct bt_block *b)
{
    if (e->cfg.no_chain || e->cfg.stepped || bt_segmented(b->mode))
        return;
    for (unsigned k = 0; k < b->nexits; k++) {
        struct bt_exit *ex = &b->exits[k];
        const struct bt_page *p = page_at(x, ex->rip);
        struct bt_block *to = p && (ex->rip > b->rip || !e->cfg.loops_at_once)
                                  ? bt_find(e, ex->rip, b->mode, p)
                                  : NULL;

        if (to && !to->page2 && !ex->target)
            bt_link(e, ex, to);
    }
}

void bt_clone_page(struct engine *e, const struct bt_ctx *x, struct bt_page *page)
{
    const struct bt_block *t = page->spread ? NULL : e->frame_twins[page->frame];
    uint64_t base = page->vpn << PAGE_SHIFT;
    uint32_t before = e->nblocks;

    page->spread = true;
    for (unsigned n = 0; t && n < SPREAD; t = t->frame_twin) {
        uint64_t rip = base | (t->rip & PAGE_MASK);
        struct bt_block *b = t->mode == x->mode && !bt_find(e, rip, t->mode, page)
                                 ? clone_of(e, t, rip, page)
                                 : NULL;

        if (b) {
            bt_made_block(e, b);
            n++;
        }
    }
    for (uint32_t k = before; k < e->nblocks; k++)
        bt_chain(e, x, e->by_addr[k]);
}

/* ---- moving: what nobody has any more is as good as a copy, and needs no memory ---- */

static void unlink_all(struct engine *e, struct bt_block *b)
{
    while (b->incoming)
        bt_unlink(e, b->incoming);
    for (unsigned k = 0; k < b->nexits; k++)
        bt_unlink(e, &b->exits[k]);
}

/* Ready to be moved, or dropped. The checker wants all exits at their stubs. */
static void detach(struct engine *e, struct bt_page *page, uint64_t vpn)
{
    struct bt_block *b = e->frame_blocks[page->frame], *next;

    for (; b; b = next) {
        next = bt_next_in_frame(b, page->frame);
        if (b->page != page && b->page2 != page)
            continue;
        if (!b->moves || !may_lie_at(b, vpn << PAGE_SHIFT | (b->rip & PAGE_MASK)))
            bt_invalidate(e, b);
        else if (e->cfg.check_blocks)
            unlink_all(e, b);
    }
}

/* The moved block's ways into other pages and from there wait for them, or have waited for this. A
 * library's pages follow one another. */
static void settle_links(struct engine *e, struct bt_block *b)
{
    for (struct bt_exit *x = b->incoming; x; x = x->next_incoming)
        if (x->from->page != b->page)
            bt_aim(e, x);
    for (unsigned k = 0; k < b->nexits; k++)
        if (b->exits[k].target && b->exits[k].target->page != b->page)
            bt_aim(e, &b->exits[k]);
}

static void move_block(struct engine *e, struct bt_block *b, uint64_t rip)
{
    const struct bt_block was = *b;
    struct copy c = {
        .e = e,
        .from = &was,
        .b = b,
        .code = codemem_to_rw(&e->code, b->code),
        .by = rip - was.rip,
        .in_place = true,
    };
    bool wide = b->mode & MODE_CS64;

    b->rip = rip;
    b->copied = true; /* it was looked at when it was made */
    for (unsigned k = 0; k < b->moves->n; k++)
        if (!move_field(&c, &b->moves->move[k]))
            assert(false); /* nothing is allocated */
    for (unsigned k = 0; k < b->nexits; k++) {
        uint64_t to = b->exits[k].rip + c.by;

        b->exits[k].rip = wide ? to : (uint32_t)to;
    }
}

/* One of the youngest blocks is of a page that nobody has. */
static struct bt_page *idle_page(struct engine *e, uint64_t frame)
{
    const struct bt_block *b = e->frame_blocks[frame];

    for (unsigned n = 0; b && n < SPREAD; n++, b = bt_next_in_frame(b, frame))
        if (b->page->frame == frame && !b->page->uses && !b->page->loops && b->moves)
            return b->page;
    return NULL;
}

struct bt_page *bt_page_move(struct engine *e, uint64_t vpn, uint64_t frame)
{
    struct bt_page *page = idle_page(e, frame);

    if (!page)
        return NULL;
    detach(e, page, vpn);
    bt_page_rename(e, page, vpn);
    for (struct bt_block *b = e->frame_blocks[frame]; b; b = bt_next_in_frame(b, frame)) {
        if (b->page != page)
            continue;
        move_block(e, b, vpn << PAGE_SHIFT | (b->rip & PAGE_MASK));
        settle_links(e, b);
        bt_made_block(e, b);
        e->stats.moved++;
    }
    page->spread = false; /* there may be templates by now that it has not */
    return page;
}

/* ---- proof ---- */

/* Decoded instructions depend on their bytes only. */
static bool same_insn(const struct insn *i, const struct insn *j)
{
    return i->len == j->len && memcmp(i->bytes, j->bytes, i->len) == 0;
}

static bool same_site(const struct bt_block *a, const struct bt_block *b,
                      const struct bt_callout *s, const struct bt_callout *t)
{
    return s->rip == t->rip && s->next == t->next && s->resume - a->code == t->resume - b->code &&
           same_insn(&s->insn, &t->insn);
}

/* Fields that hold host addresses: the same ones, seen from either block. */
static bool same_place(const struct bt_block *a, const struct bt_block *b, const struct bt_move *m)
{
    const uint8_t *p = a->code + m->at, *q = b->code + m->at;

    switch ((enum bt_move_kind)m->kind) {
    case MOVE_STUB:
        return ld32(p) == ld32(q) + (uint32_t)(b->code - a->code);
    case MOVE_BRANCH:
        return ld32(p) == ld32(q) + ((uint32_t)(a->code - b->code) << BT_BRANCH_SHIFT);
    case MOVE_INSN:
        return same_insn((const struct insn *)(uintptr_t)ld64(p),
                         (const struct insn *)(uintptr_t)ld64(q));
    case MOVE_SITE:
        return same_site(a, b, (const struct bt_callout *)(uintptr_t)ld64(p),
                         (const struct bt_callout *)(uintptr_t)ld64(q));
    default:
        return memcmp(p, q, move_size[m->kind]) == 0;
    }
}

static bool same_moved(const struct bt_block *a, const struct bt_block *b, uint8_t *moved)
{
    for (unsigned k = 0; k < a->moves->n; k++) {
        const struct bt_move *m = &a->moves->move[k];

        if (!same_place(a, b, m))
            return false;
        memset(moved + m->at, 1, move_size[m->kind]);
    }
    for (unsigned k = 0; k < a->nexits; k++) {
        unsigned imm = (unsigned)(a->exits[k].stub - a->code) + STUB_IMM;

        if (a->exits[k].rip != b->exits[k].rip ||
            a->exits[k].stub - a->code != b->exits[k].stub - b->code ||
            ld64(a->code + imm) != (uint64_t)(uintptr_t)&a->exits[k] ||
            ld64(b->code + imm) != (uint64_t)(uintptr_t)&b->exits[k])
            return false;
        memset(moved + imm, 1, 8);
    }
    return true;
}

bool bt_same_code(const struct bt_block *a, const struct bt_block *b)
{
    uint8_t moved[BT_BLOCK_ROOM] = {0};

    if (!a->moves || !b->moves || a->code_len != b->code_len || a->nexits != b->nexits ||
        a->nmap != b->nmap || a->moves->n != b->moves->n || a->guest_len != b->guest_len ||
        a->ninsns != b->ninsns || a->borrowed != b->borrowed || a->loaded != b->loaded ||
        a->entry - a->code != b->entry - b->code || a->checked - a->code != b->checked - b->code ||
        a->landing - a->code != b->landing - b->code || a->body - a->code != b->body - b->code ||
        memcmp(a->map, b->map, a->nmap * sizeof(*a->map)) != 0 ||
        memcmp(a->moves->move, b->moves->move, a->moves->n * sizeof(a->moves->move[0])) != 0 ||
        !same_moved(a, b, moved))
        return false;
    for (unsigned k = 0; k < a->code_len; k++)
        if (!moved[k] && a->code[k] != b->code[k])
            return false;
    return true;
}

/* Some other place for the code at rip. */
static uint64_t elsewhere(uint64_t rip, uint32_t mode)
{
    return mode & MODE_CS64 ? rip ^ UINT64_C(0x15555aaa5000) : rip ^ 0x2aaab000;
}

bool bt_check_moves(struct engine *e, const struct bt_block *b)
{
    struct codemem code = e->code;
    size_t arena = e->arena_used;
    uint64_t rip = elsewhere(b->rip, b->mode);
    struct bt_page page = {.frame = b->page->frame, .vpn = rip >> PAGE_SHIFT, .id = ~b->page->id};
    const uint8_t *bytes = bt_frame_bytes(e, page.frame) + (rip & PAGE_MASK);
    struct bt_block *copy, *made;
    bool interpret, same = true;

    /* What a copy was made from has been looked at; sites may have been adapted since. */
    if (!b->moves || b->copied || !may_lie_at(b, rip))
        return true;
    copy = copy_block(e, b, rip, &page);
    made = bt_make(e, rip, b->mode, &page, NULL, bytes, PAGE_SIZE - (rip & PAGE_MASK), &interpret);
    if (copy && made)
        same = bt_same_code(copy, made);
    e->code = code;
    e->arena_used = arena;
    return same;
}
