/* Register discipline of 64-bit blocks: see lower64.h. */
#include "translator/bt_offsets.h"
#include "translator/lower64.h"

static int32_t home_of(unsigned reg)
{
    return HOT_HOME + (int32_t)reg * 8;
}

unsigned x64_free_registers(uint16_t used, uint8_t *reg, unsigned max)
{
    static const uint8_t order[] = {R10, R11, R9,  R8,  R15, R14, R13, R12,
                                    RBX, RBP, RSI, RDI, RDX, RCX, RAX};
    unsigned n = 0;

    for (unsigned k = 0; k < ARRAY_SIZE(order) && n < max; k++)
        if (!(used >> order[k] & 1))
            reg[n++] = order[k];
    return n;
}

static void choose_for_loop(struct xlate *x)
{
    const struct bt_loop *l = x->w.loop;

    x->w.need = X64_SCRATCH;
    x->w.s0 = l->s0;
    x->w.s1 = l->s1;
    x->w.nslots = 1 + l->nkeys;
    x->w.slot[0] = (struct x64_slot){.reg = l->s1};
    for (unsigned k = 0; k < l->nkeys; k++)
        x->w.slot[k + 1] = (struct x64_slot){.reg = l->slot[k], .kept = true};
    x->w.written |= l->written;
    x->b->borrowed = l->borrowed;
    x->b->loaded = l->loaded;
}

/* Of R10 and R11, those that cost nothing. */
static unsigned gratis(const struct xlate *x)
{
    return (unsigned)__builtin_popcount(X64_R10_R11 & ~x->used);
}

/* S0, unless S1 is all that is needed, and slots. */
static void choose_own(struct xlate *x)
{
    uint8_t s[1 + BT_SLOTS];
    unsigned s0 = x->w.need == X64_SCRATCH, free = gratis(x), n;
    unsigned all = NGPR - (unsigned)__builtin_popcount(x->used | 1u << RSP);
    unsigned slots = x64_word_slots(x, free > s0 ? free - s0 : 0, all - s0);
    uint16_t taken = 0;

    n = x->w.need ? x64_free_registers(x->used, s, s0 + slots) : 0;
    for (unsigned k = 0; k < n; k++)
        taken |= (uint16_t)(1u << s[k]);
    x->w.nslots = (uint8_t)(n ? n - s0 : 0);
    x->w.s0 = n ? s[0] : H_NONE;
    x->w.s1 = n ? s[s0] : H_NONE;
    for (unsigned k = 0; k < x->w.nslots; k++)
        x->w.slot[k] = (struct x64_slot){.reg = s[s0 + k]};
    x->b->borrowed = taken & (uint16_t)~X64_R10_R11;
    x->b->loaded = x->used & X64_R10_R11;
}

/* A block that needs what its loop has as scratch is not of the loop. */
static const struct bt_loop *loop_of(const struct xlate *x)
{
    const struct bt_loop *l = bt_loop_find(x->b->page, x->b->rip, x->mode);
    uint16_t scratch;

    if (!l || x->b->page2)
        return NULL;
    scratch = l->borrowed | (X64_R10_R11 & ~l->loaded);
    return x->used & scratch ? NULL : l;
}

void x64_choose(struct xlate *x)
{
    x->b->used = x->used;
    x->b->loop = x->w.loop = loop_of(x);
    if (x->w.loop)
        choose_for_loop(x);
    else
        choose_own(x);
    x64_values_init(x);
}

void x64_forget(struct xlate *x, unsigned reg)
{
    for (unsigned k = 0; k < x->w.nslots; k++)
        if (x->w.slot[k].reg == reg)
            x->w.slot[k].kind = X64_NOTHING;
}

void x64_forget_all(struct xlate *x)
{
    for (unsigned k = 0; k < x->w.nslots; k++)
        x->w.slot[k].kind = X64_NOTHING;
    for (unsigned k = 0; k < BT_DELTAS; k++)
        x->w.word[k].kind = X64_NOTHING;
}

void x64_open(struct xlate *x)
{
    for (unsigned r = 0; r < NGPR; r++) {
        if (x->b->borrowed >> r & 1)
            emit_gs_st(&x->em, r, home_of(r));
        if (x->b->loaded >> r & 1)
            emit_gs_ld(&x->em, r, home_of(r));
    }
    x64_forget_all(x);
}

void x64_open_loop(struct xlate *x)
{
    const struct bt_loop *l = x->w.loop;

    if (!l)
        return;
    for (unsigned k = 0; k < l->nkeys; k++) {
        x64_fill_slot(x, &x->w.slot[k + 1], &l->key[k]);
        x->w.slot[k + 1].slack = X64_NEAR;
    }
    x->b->inner = codemem_to_rx(&x->e->code, x->em.p);
}

bool x64_keys_held(const struct xlate *x)
{
    for (unsigned k = 0; k < x->w.loop->nkeys; k++) {
        const struct bt_key *key = &x->w.loop->key[k];
        const struct x64_slot *s = &x->w.slot[k + 1];
        struct x64_sum at = x64_sum_of(x, key);
        int64_t off = at.off - s->sum.off;

        if (!x64_slot_of(s, &at) || (off < 0 ? -off : off) + s->slack > X64_NEAR)
            return false;
    }
    return true;
}

void x64_send_home(struct xlate *x)
{
    for (unsigned r = R10; r <= R11; r++)
        if (x->b->loaded & x->w.written & 1u << r)
            emit_gs_st(&x->em, r, home_of(r));
}

void x64_give_back(struct xlate *x)
{
    for (unsigned r = 0; r < NGPR; r++)
        if (x->b->borrowed >> r & 1)
            emit_gs_ld(&x->em, r, home_of(r));
}

void x64_close(struct xlate *x)
{
    x64_send_home(x);
    x64_give_back(x);
}

void x64_settle(struct xlate *x)
{
    static const struct hea top = {.base = H_RSP, .index = H_NONE, .scale = 1};

    if (!x->w.drift)
        return;
    xlate_mark(x, SITE_PROBE);
    emit_op_h(&x->em, true, 0x8b, x->w.s0, &top);
    xlate_mark(x, SITE_PLAIN);
    x64_touched(x);
}

/* R11 = target, which is this block's address, or stray. Returns the place of a rel8, to be taken
 * with RCX in R10. */
static uint8_t *emit_landing(struct xlate *x)
{
    struct emit *em = &x->em;
    uint64_t minus = 0 - x->b->rip;
    uint8_t *here;

    x->b->landing = codemem_to_rx(&x->e->code, em->p);
    emit_mov64(em, H_R10, H_RCX);
    if (minus == (uint64_t)(int64_t)(int32_t)minus) {
        emit_lea64(em, H_RCX, H_R11, (int32_t)minus);
    } else {
        emit_imm64(em, H_RCX, minus);
        xlate_moves(x, MOVE_MINUS_RIP64, em->p - 8);
        emit_add_lea(em, true, H_RCX, H_RCX, H_R11);
    }
    here = emit_jrcxz(em);
    xlate_to_stub(x, emit_jmp(em), STUB64_STRAY);
    return here;
}

/* The context must map the page as this translation assumes; else leave with the block's rip. A
 * landing behind that shares its end. */
void x64_word_check(struct xlate *x, const struct bt_page *page, bool landing)
{
    struct emit *em = &x->em;
    uint8_t *ok;

    emit_gs_ld(em, H_R11, HOT_CTX);
    emit_mov64(em, H_R10, H_RCX);
    emit_ld32_b(em, H_RCX, H_R11, bt_word_offset(page));
    xlate_moves(x, MOVE_WORD, em->p - 4);
    emit_lea32_field(em, H_RCX, H_RCX, (int32_t)page->id);
    xlate_moves(x, MOVE_PAGE_ID, em->p - 4);
    ok = emit_jecxz(em);
    emit_mov64(em, H_RCX, H_R10);
    emit_imm64(em, H_R11, x->b->rip);
    xlate_moves(x, MOVE_RIP64, em->p - 8);
    xlate_to_stub(x, emit_jmp(em), STUB64_WORD);
    if (landing) {
        uint8_t *here = emit_landing(x);

        emit_patch8(here, em->p);
    }
    emit_patch8(ok, em->p);
    emit_mov64(em, H_RCX, H_R10);
}

bool x64_call_stub(struct xlate *x, const struct insn *i, unsigned stub)
{
    struct bt_callout *site = bt_alloc(x->e, sizeof(*site));

    if (!site) {
        x->arena_full = true;
        return false;
    }
    site->insn = *i;
    site->rip = x->rip;
    site->next = x64_next(x, i);
    site->done = 0;
    x64_close(x);
    emit_imm64(&x->em, H_R11, (uint64_t)(uintptr_t)site);
    xlate_moves(x, MOVE_SITE, x->em.p - 8);
    xlate_to_stub(x, emit_jmp(&x->em), stub);
    site->resume = codemem_to_rx(&x->e->code, x->em.p);
    x64_open(x);
    return true;
}

bool x64_callout(struct xlate *x, const struct insn *i)
{
    if (!x64_call_stub(x, i, STUB64_CALLOUT))
        return false;
    x64_values_init(x);
    x64_touched(x); /* the guest's RSP was looked up again */
    return true;
}

void x64_probe(struct xlate *x, int32_t hot_ptr)
{
    const struct hea at = {.base = x->w.s0, .index = H_NONE, .scale = 1};

    x64_forget(x, x->w.s0);
    emit_gs_ld(&x->em, x->w.s0, hot_ptr);
    emit_op_h(&x->em, false, 0x0fb6, x->w.s0, &at);
}

void x64_finish_sides(struct xlate *x)
{
    for (unsigned k = 0; k < x->w.nsides; k++) {
        const struct x64_side *s = &x->w.side[k];

        x->rip = s->rip;
        xlate_mark(x, SITE_SIDE);
        emit_patch32(s->branch, x->em.p);
        if (x->opens[s->exit].jump)
            x->opens[s->exit].side = codemem_to_rx(&x->e->code, x->em.p);
        x64_close(x);
        x->exits[s->exit].jump = emit_jmp(&x->em);
    }
}
