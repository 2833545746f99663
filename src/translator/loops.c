/* Which guest code goes round, and what the blocks of a loop agree on: see lower64.h. */
#include <Zydis/Zydis.h>

#include "translator/bt_priv.h"
#include "translator/lower64.h"

enum { MAX_LOOPS = 16, MAX_CANDIDATES = 16 };

struct candidate {
    struct bt_key key;
    unsigned uses;
};

/* What the blocks of a loop do with registers. */
struct study {
    struct xlate *x;                 /* knows what a block's registers hold */
    uint16_t used, written, changed; /* changed: but by constant steps */
    struct candidate candidate[MAX_CANDIDATES];
    unsigned ncandidates;
};

/* Blocks of one page that lead from the first to the last by direct branches. */
struct way {
    struct bt_block *block[BT_LOOP_BLOCKS];
    unsigned n;
};

const struct bt_loop *bt_loop_find(const struct bt_page *page, uint64_t rip, uint32_t mode)
{
    for (const struct bt_loop *l = page->loops; l; l = l->next)
        for (unsigned k = 0; l->mode == mode && k < l->nblocks; k++)
            if (l->block[k] == (rip & PAGE_MASK))
                return l;
    return NULL;
}

/* ---- what its blocks do ---- */

/* Instructions that move their first operand by a constant when the second is of this kind. */
static const struct {
    uint16_t mnemonic;
    uint8_t second;
} steppers[] = {
    {ZYDIS_MNEMONIC_INC, OPND_NONE}, {ZYDIS_MNEMONIC_DEC, OPND_NONE},
    {ZYDIS_MNEMONIC_ADD, OPND_IMM},  {ZYDIS_MNEMONIC_SUB, OPND_IMM},
    {ZYDIS_MNEMONIC_LEA, OPND_AGEN},
};

bool x64_steps(const struct insn *i)
{
    const struct opnd *d = &i->op[0];

    if (i->opsize != 8 || d->kind != OPND_GPR ||
        (i->op[1].kind == OPND_AGEN && (i->adsize != 8 || i->base != d->reg || i->index != NO_REG)))
        return false;
    for (unsigned k = 0; k < ARRAY_SIZE(steppers); k++)
        if (steppers[k].mnemonic == i->mnemonic && steppers[k].second == i->op[1].kind)
            return true;
    return false;
}

static void note_changes(struct study *s, const struct insn *i)
{
    s->written |= x64_written(i);
    if (!x64_steps(i))
        s->changed |= x64_written(i);
}

static bool steady(const struct study *s, unsigned reg)
{
    return reg == NO_REG || (reg < NGPR && reg != RSP && !(s->changed >> reg & 1));
}

static bool same_key(const struct bt_key *a, const struct bt_key *b)
{
    int64_t apart = (int64_t)a->disp - b->disp;

    return a->base == b->base && a->index == b->index && a->scale == b->scale &&
           apart > -X64_NEAR && apart < X64_NEAR;
}

static void note_key(struct study *s, const struct bt_key *key)
{
    unsigned k = 0;

    while (k < s->ncandidates && !same_key(&s->candidate[k].key, key))
        k++;
    if (k == MAX_CANDIDATES)
        return;
    if (k == s->ncandidates)
        s->candidate[s->ncandidates++].key = *key;
    s->candidate[k].uses++;
}

/* The register that the base was made of by adding little, if nothing else is done to it. NO_REG:
 * none. */
static unsigned origin(const struct study *s, unsigned base)
{
    const struct x64_value *v = &s->x->w.value[base];
    unsigned reg = v->root - 1; /* values of registers are numbered first */

    return v->root && reg < NGPR && reg != RSP && !(s->written >> reg & 1) ? reg : NO_REG;
}

/* The address of an operand whose registers are steady; or its base alone, which serves when the
 * index turns out to be small. */
static void note_address(struct study *s, const struct insn *i)
{
    struct bt_key key = {
        .base = i->base, .index = i->index, .scale = i->scale, .disp = (int32_t)i->disp};
    bool constant = i->base == NO_REG && i->index == NO_REG;

    if (!insn_mem(i) || insn_bit_string(i) || constant || i->base == BASE_RIP || i->base == RSP ||
        i->adsize != 8 || i->vsib || i->seg == SEG_FS || i->seg == SEG_GS)
        return;
    if (!steady(s, i->base)) {
        key = (struct bt_key){.base = (uint8_t)origin(s, i->base), .index = NO_REG, .scale = 1};
        if (key.base != NO_REG)
            note_key(s, &key);
        return;
    }
    if (i->index == NO_REG || !steady(s, i->index)) {
        if (i->base == NO_REG || i->disp <= -X64_NEAR || i->disp >= X64_NEAR)
            return;
        key = (struct bt_key){.base = i->base, .index = NO_REG, .scale = 1};
    }
    note_key(s, &key);
}

typedef void each_fn(struct study *s, const struct insn *i);

static void each_insn(struct engine *e, const struct bt_block *b, struct study *s, each_fn *f)
{
    const uint8_t *bytes = bt_frame_bytes(e, b->page->frame) + (b->rip & PAGE_MASK);
    struct insn i;

    s->x->w.next_value = 0;
    x64_values_init(s->x);
    for (unsigned off = 0; off < b->guest_len; off += i.len) {
        if (decode_insn(bytes + off, b->guest_len - off, 64, &i) != DECODE_OK)
            return;
        f(s, &i);
        x64_track(s->x, &i);
    }
}

/* ---- the way round ---- */

static int place_in(const struct way *w, const struct bt_block *b)
{
    for (unsigned k = 0; k < w->n; k++)
        if (w->block[k] == b)
            return (int)k;
    return -1;
}

/* A block between head and tail that may be of their loop. */
static bool belongs(const struct bt_block *b, const struct bt_block *head,
                    const struct bt_block *tail)
{
    return b && b->page == head->page && !b->page2 && !b->loop && b->mode == head->mode &&
           b->rip >= head->rip && b->rip < tail->rip + tail->guest_len;
}

/* What control reaches from the head without leaving this stretch of code. */
static bool reach(struct way *w, struct bt_block *head, const struct bt_block *tail)
{
    *w = (struct way){.block = {head}, .n = 1};
    for (unsigned k = 0; k < w->n; k++)
        for (unsigned x = 0; x < w->block[k]->nexits; x++) {
            struct bt_block *to = w->block[k]->exits[x].target;

            if (!belongs(to, head, tail) || place_in(w, to) >= 0)
                continue;
            if (w->n == BT_LOOP_BLOCKS)
                return false;
            w->block[w->n++] = to;
        }
    return place_in(w, tail) >= 0;
}

static bool leads_to(const struct way *w, unsigned from, uint32_t marked)
{
    for (unsigned x = 0; x < w->block[from]->nexits; x++) {
        int to = place_in(w, w->block[from]->exits[x].target);

        if (to >= 0 && (marked >> to & 1))
            return true;
    }
    return false;
}

/* Only blocks from which the tail is reached go round. */
static void prune(struct way *w, const struct bt_block *tail)
{
    uint32_t marked = 1u << place_in(w, tail), before;
    unsigned n = 0;

    do {
        before = marked;
        for (unsigned k = 0; k < w->n; k++)
            if (leads_to(w, k, marked))
                marked |= 1u << k;
    } while (marked != before);
    for (unsigned k = 0; k < w->n; k++)
        if (marked >> k & 1)
            w->block[n++] = w->block[k];
    w->n = n;
}

static void examine(struct engine *e, const struct way *w, struct study *s)
{
    for (unsigned k = 0; k < w->n; k++)
        s->used |= w->block[k]->used;
    for (unsigned k = 0; k < w->n; k++)
        each_insn(e, w->block[k], s, note_changes);
    for (unsigned k = 0; k < w->n; k++)
        each_insn(e, w->block[k], s, note_address);
}

/* ---- forming ---- */

/* The one most used; NULL: none is left. */
static const struct bt_key *best_key(struct study *s)
{
    struct candidate *best = NULL;

    for (unsigned k = 0; k < s->ncandidates; k++)
        if (s->candidate[k].uses && (!best || s->candidate[k].uses > best->uses))
            best = &s->candidate[k];
    if (!best)
        return NULL;
    best->uses = 0;
    return &best->key;
}

/* Scratch registers for the loop. False: there are none, or nothing would be gained. */
static bool agree(struct bt_loop *l, struct study *s)
{
    uint8_t free[NGPR];
    unsigned n = x64_free_registers(s->used, free, NGPR), taken = X64_SCRATCH;
    uint16_t borrowed = 0;
    const struct bt_key *key;

    if (n < X64_SCRATCH)
        return false;
    l->s0 = free[0];
    l->s1 = free[1];
    while (l->nkeys < BT_KEYS && taken < n && (key = best_key(s))) {
        l->slot[l->nkeys] = free[taken++];
        l->key[l->nkeys++] = *key;
    }
    for (unsigned k = 0; k < taken; k++)
        borrowed |= (uint16_t)(1u << free[k]);
    l->borrowed = borrowed & (uint16_t)~X64_R10_R11;
    l->loaded = s->used & X64_R10_R11;
    l->written = s->written & l->loaded;
    return l->nkeys || l->borrowed || l->loaded;
}

static bool known(const struct bt_page *page, const struct bt_block *head)
{
    unsigned n = 0;

    for (const struct bt_loop *l = page->loops; l; l = l->next)
        n++;
    return n >= MAX_LOOPS || bt_loop_find(page, head->rip, head->mode);
}

/* False: it would gain nothing. */
static bool form(struct engine *e, struct way *w)
{
    struct bt_page *page = w->block[0]->page;
    struct bt_loop *l = bt_alloc(e, sizeof(*l));
    struct study s = {.x = e->xlate};

    if (!l)
        return false;
    *l = (struct bt_loop){.mode = w->block[0]->mode, .next = page->loops};
    examine(e, w, &s);
    if (!agree(l, &s))
        return false;
    while (l->nblocks < w->n) {
        l->block[l->nblocks] = (uint16_t)(w->block[l->nblocks]->rip & PAGE_MASK);
        l->nblocks++;
    }
    for (unsigned k = 0; k < w->n; k++)
        bt_invalidate(e, w->block[k]);
    page->loops = l;
    e->stats.loops++;
    return true;
}

/* A loop within the loop, which has the registers first: of both together each might get none. */
static bool form_inner(struct engine *e, const struct way *w, const struct bt_block *head)
{
    struct way inner;

    for (unsigned k = 0; k < w->n; k++)
        for (unsigned x = 0; x < w->block[k]->nexits; x++) {
            struct bt_block *tail = w->block[k], *to = tail->exits[x].target;

            if (to == head || !belongs(to, head, tail) || to->rip > tail->rip ||
                place_in(w, to) < 0 || known(to->page, to) || !reach(&inner, to, tail))
                continue;
            prune(&inner, tail);
            if (form(e, &inner))
                return true;
        }
    return false;
}

void bt_loop_tail(struct engine *e, struct bt_block *b)
{
    struct way w;

    if (!b->valid || b->loop || b->page2 || b->examined)
        return;
    b->examined = true;
    bt_fpu_save(e, e->cpu); /* the decoder uses what libc has */
    for (unsigned x = 0; x < b->nexits; x++) {
        struct bt_block *head = b->exits[x].target;

        if (!head || head->rip > b->rip || !belongs(head, head, b) || known(b->page, head) ||
            !reach(&w, head, b))
            continue;
        prune(&w, b);
        if (form_inner(e, &w, head))
            b->examined = false; /* what is left may be a loop, too */
        else
            form(e, &w);
        return;
    }
}

/* Does it branch back to b or further? */
static bool closes(const struct bt_block *t, const struct bt_block *b)
{
    for (unsigned x = 0; x < t->nexits; x++)
        if (t->exits[x].target && t->exits[x].target->page == b->page && t->exits[x].rip <= b->rip)
            return true;
    return false;
}

/* The nearest tail of a loop about b, ahead of it in its page. */
void bt_loop_found(struct engine *e, struct bt_block *b)
{
    struct way w = {.block = {b}, .n = 1};

    for (unsigned k = 0; k < w.n; k++) {
        struct bt_block *t = w.block[k];

        if (closes(t, b)) {
            bt_loop_tail(e, t);
            return;
        }
        for (unsigned x = 0; x < t->nexits && w.n < BT_LOOP_BLOCKS; x++) {
            struct bt_block *to = t->exits[x].target;

            if (to && to->page == b->page && to->mode == b->mode && to->rip > t->rip &&
                place_in(&w, to) < 0)
                w.block[w.n++] = to;
        }
    }
}
