/* Memory operands of 64-bit code, and RSP. */
#include <assert.h>

#include "translator/bt_offsets.h"
#include "translator/lower64.h"

static bool fits32(uint64_t v)
{
    return v == (uint64_t)(int64_t)(int32_t)v;
}

/* ---- slots ---- */

static struct x64_slot *use(struct xlate *x, struct x64_slot *s)
{
    s->used = (unsigned)(x->insn - x->insns) + 1;
    return s;
}

/* Not for deltas of values: slot_with(). */
static struct x64_slot *holding(struct xlate *x, enum x64_slot_kind kind, uint32_t of)
{
    for (unsigned k = 0; k < x->w.nslots; k++)
        if (x->w.slot[k].kind == kind && x->w.slot[k].of == of)
            return use(x, &x->w.slot[k]);
    return NULL;
}

static struct x64_slot *vacant(struct xlate *x)
{
    for (unsigned k = 0; k < x->w.nslots; k++)
        if (x->w.slot[k].kind == X64_NOTHING)
            return use(x, &x->w.slot[k]);
    return NULL;
}

/* A vacant slot, or one whose delta nothing ahead asks for. NULL: none. */
static struct x64_slot *idle(struct xlate *x)
{
    struct x64_slot *s = vacant(x);

    for (unsigned k = 0; k < x->w.nslots && !s; k++)
        if (!x->w.slot[k].kept && x->w.slot[k].kind == X64_DELTA &&
            x64_word_next_use(x, &x->w.slot[k]) == X64_NEVER)
            s = use(x, &x->w.slot[k]);
    return s;
}

/* A vacant slot, or the one that is used again last, or has not been used for longest. Those kept
 * for keys are not for others. */
static struct x64_slot *take_slot(struct xlate *x)
{
    struct x64_slot *s = vacant(x), *best = &x->w.slot[0];
    unsigned late, next;

    assert(x->w.nslots);
    if (s)
        return s;
    late = x64_word_next_use(x, best);
    for (unsigned k = 1; k < x->w.nslots; k++) {
        s = &x->w.slot[k];
        next = s->kept ? 0 : x64_word_next_use(x, s);
        if (!s->kept && (next > late || (next == late && s->used < best->used))) {
            best = s;
            late = next;
        }
    }
    x64_word_leave(x, best);
    return use(x, best);
}

/* A slot with what the word holds. */
static struct x64_slot *back(struct xlate *x, struct x64_slot *word)
{
    struct x64_slot *d = take_slot(x);

    x64_word_return(x, word, d);
    return d;
}

/* ---- sums of registers ---- */

static uint32_t id_of(const struct xlate *x, unsigned reg)
{
    return reg == NO_REG ? 0 : x->w.value[reg].id;
}

static int64_t off_of(const struct xlate *x, unsigned reg)
{
    return reg == NO_REG ? 0 : x->w.value[reg].off;
}

struct x64_sum x64_sum_of(const struct xlate *x, const struct bt_key *key)
{
    struct x64_sum s = {
        .of = id_of(x, key->base), .of2 = id_of(x, key->index), .scale = key->scale};

    if (key->index == NO_REG && key->base != NO_REG && x->w.value[key->base].sum.of)
        s = x->w.value[key->base].sum; /* LEA has made it */
    s.off += off_of(x, key->base) + off_of(x, key->index) * key->scale + key->disp;
    return s;
}

bool x64_slot_of(const struct x64_slot *s, const struct x64_sum *sum)
{
    return s->kind == X64_DELTA && s->sum.of == sum->of && s->sum.of2 == sum->of2 &&
           (s->sum.scale == sum->scale || !sum->of2);
}

/* The slot's address is known to be this one now. */
static void pin(struct x64_slot *s, const struct x64_sum *sum)
{
    s->rlo += sum->off - s->sum.off;
    s->rhi += sum->off - s->sum.off;
    s->sum.off = sum->off;
    s->slack = 0;
}

void x64_fill_slot(struct xlate *x, struct x64_slot *s, const struct bt_key *key)
{
    const struct hea sum = {
        .base = key->base, .index = key->index, .scale = key->scale, .disp = key->disp};

    if (key->index == NO_REG && key->disp == 0) {
        emit_lookup(&x->em, s->reg, key->base);
    } else {
        emit_op_h(&x->em, true, 0x8d, x->w.s0, &sum);
        emit_lookup(&x->em, s->reg, x->w.s0);
    }
    s->kind = X64_DELTA;
    s->word = 0;
    s->sum = x64_sum_of(x, key);
    s->slack = 0;
    s->root = 0;
    if (key->base != NO_REG && key->index == NO_REG) {
        const struct x64_value *v = &x->w.value[key->base];

        s->root = v->root;
        s->rlo = v->rlo + v->off + key->disp;
        s->rhi = v->rhi + v->off + key->disp;
    }
}

static struct x64_slot *slot_with(struct xlate *x, const struct x64_sum *sum)
{
    for (unsigned k = 0; k < x->w.nslots; k++)
        if (x64_slot_of(&x->w.slot[k], sum))
            return use(x, &x->w.slot[k]);
    return NULL;
}

/* The slot that the loop keeps for this sum; NULL: none. */
static struct x64_slot *kept_for(struct xlate *x, const struct bt_key *key)
{
    const struct bt_loop *l = x->w.loop;

    for (unsigned k = 0; l && k < l->nkeys; k++)
        if (l->key[k].base == key->base && l->key[k].index == key->index &&
            l->key[k].scale == key->scale)
            return use(x, &x->w.slot[k + 1]);
    return NULL;
}

static bool bounded(int64_t lo, int64_t hi)
{
    return lo >= -X64_REACH && hi <= X64_REACH;
}

/* index * scale + disp. False: anything. */
static bool span_of(const struct xlate *x, const struct insn *i, struct x64_span *s)
{
    const struct x64_value *v;

    *s = (struct x64_span){i->disp, i->disp};
    if (i->index == NO_REG)
        return true;
    v = &x->w.value[i->index];
    if (!bounded(v->lo, v->hi))
        return false;
    s->lo += v->lo * i->scale;
    s->hi += v->hi * i->scale;
    return true;
}

bool x64_slot_reaches(const struct x64_slot *d, int64_t at, const struct x64_span *s)
{
    int64_t off = at - d->sum.off;

    return bounded(s->lo, s->hi) && bounded(off, off) &&
           bounded(off + s->lo - d->slack, off + s->hi + d->slack);
}

bool x64_slot_kin(const struct xlate *x, const struct x64_slot *d, unsigned reg,
                  const struct x64_span *s)
{
    const struct x64_value *v = &x->w.value[reg];
    int64_t lo = v->off + v->rlo - d->rhi - d->slack;
    int64_t hi = v->off + v->rhi - d->rlo + d->slack;

    return d->kind == X64_DELTA && d->root == v->root && bounded(lo, hi) && bounded(s->lo, s->hi) &&
           bounded(lo + s->lo, hi + s->hi);
}

/* A slot with the delta of an address that is known to be about `reg`. */
static struct x64_slot *kin_slot(struct xlate *x, unsigned reg, const struct x64_span *s)
{
    for (unsigned k = 0; k < x->w.nslots; k++)
        if (x64_slot_kin(x, &x->w.slot[k], reg, s))
            return use(x, &x->w.slot[k]);
    return NULL;
}

/* A slot with the delta of `reg`, which serves for the span about it. NULL: none can. */
static struct x64_slot *delta_slot(struct xlate *x, unsigned reg, const struct x64_span *s)
{
    const struct bt_key key = {.base = (uint8_t)reg, .index = NO_REG, .scale = 1};
    const struct x64_sum at = x64_sum_of(x, &key);
    const struct x64_slot fresh = {.sum = at};
    struct x64_slot *d = slot_with(x, &at), *word;

    if (d && x64_slot_reaches(d, at.off, s))
        return d;
    if (!x64_slot_reaches(&fresh, at.off, s))
        return NULL;
    if (!d && (d = kin_slot(x, reg, s)))
        return d;
    if (!d)
        d = kept_for(x, &key);
    if (!d && (word = x64_word_find(x, &at, reg, s)))
        return back(x, word);
    if (!d)
        d = take_slot(x);
    x64_fill_slot(x, d, &key);
    return d;
}

/* Masked moves access nothing where the mask is clear: they prove nothing. */
static bool always_accesses(const struct insn *i)
{
    bool masked =
        (i->opcode >= 0x2c && i->opcode <= 0x2f) || i->opcode == 0x8c || i->opcode == 0x8e;

    return !(i->enc == ENC_VEX && i->map == 2 && masked);
}

/* [S0 + S1], the address being in S0. */
static void resolve_s0(struct xlate *x, struct hea *a)
{
    struct x64_slot *d = take_slot(x);

    assert(x->w.need == X64_SCRATCH);
    emit_lookup(&x->em, d->reg, x->w.s0);
    d->kind = X64_NOTHING;
    *a = (struct hea){.base = x->w.s0, .index = d->reg, .scale = 1};
}

static void lookup_const(struct xlate *x, unsigned reg, uint64_t lin)
{
    emit_lookup_const(&x->em, reg, lin);
    if (x->insn->base == BASE_RIP)
        xlate_moves(x, MOVE_PIECE, x->em.p - 4);
}

/* The delta of a constant address's piece: in a slot, or in S0 when `s0_free` and they are all in
 * use. */
static unsigned piece_delta(struct xlate *x, uint64_t lin, bool s0_free)
{
    uint32_t piece = (uint32_t)(lin >> 32 & 0xffff);
    struct x64_slot *d = holding(x, X64_CONST, piece);

    if (d)
        return d->reg;
    d = vacant(x);
    if (!d && s0_free && x->w.need == X64_SCRATCH) {
        lookup_const(x, x->w.s0, lin);
        return x->w.s0;
    }
    if (!d)
        d = take_slot(x);
    lookup_const(x, d->reg, lin);
    d->kind = X64_CONST;
    d->of = piece;
    return d->reg;
}

static bool resolve_const(struct xlate *x, uint64_t lin, struct hea *a)
{
    bool direct = fits32(lin), moves = x->insn->base == BASE_RIP;
    unsigned delta = piece_delta(x, lin, direct);

    /* A constant that is not RIP-relative may be of the piece that a RIP-relative one is of, only
     * where the code is: but for the first and the last piece, where no code is copied to. */
    if (moves)
        xlate_refers(x, lin);
    else if (!direct)
        x->fixed = true;
    *a = (struct hea){.base = (uint8_t)delta, .index = H_NONE, .scale = 1, .disp = (int32_t)lin};
    if (!direct) {
        emit_imm64(&x->em, x->w.s0, lin);
        if (moves)
            xlate_moves(x, MOVE_RIP64, x->em.p - 8);
        a->index = x->w.s0;
        a->disp = 0;
    }
    return true;
}

/* S0 += reg * scale + disp */
static void add_to_s0(struct xlate *x, unsigned reg, unsigned scale, int32_t disp)
{
    const struct hea sum = {
        .base = x->w.s0, .index = (uint8_t)reg, .scale = (uint8_t)scale, .disp = disp};

    emit_op_h(&x->em, true, 0x8d, x->w.s0, &sum);
}

static uint64_t constant_of(const struct xlate *x, const struct insn *i)
{
    return i->base == BASE_RIP ? x64_next(x, i) + (uint64_t)i->disp : (uint64_t)i->disp;
}

static bool is_constant(const struct insn *i)
{
    return (i->base == NO_REG || i->base == BASE_RIP) && i->index == NO_REG;
}

/* FS and GS: with a small constant offset the translated base serves, else the whole address is
 * looked up. */
static bool resolve_segment(struct xlate *x, const struct insn *i, struct hea *a)
{
    uint64_t off = constant_of(x, i);
    struct x64_slot *t;

    if (is_constant(i) && (int64_t)off > -X64_NEAR && (int64_t)off < X64_NEAR &&
        x->adapt == ADAPT_NONE) {
        t = holding(x, X64_SEG, i->seg);
        if (!t) {
            t = take_slot(x);
            emit_gs_ld(&x->em, t->reg, HOT_SEGHOST + i->seg * 8);
            t->kind = X64_SEG;
            t->of = i->seg;
        }
        *a = (struct hea){.base = t->reg, .index = H_NONE, .scale = 1, .disp = (int32_t)off};
        return true;
    }
    if (i->base == RSP || (is_constant(i) && !fits32(off)))
        return false;
    emit_gs_ld(&x->em, x->w.s0, HOT_SEGLIN + i->seg * 8);
    if (is_constant(i)) {
        emit_lea64(&x->em, x->w.s0, x->w.s0, (int32_t)off);
    } else {
        if (i->base != NO_REG)
            add_to_s0(x, i->base, 1, (int32_t)i->disp);
        if (i->index != NO_REG)
            add_to_s0(x, i->index, i->scale, i->base == NO_REG ? (int32_t)i->disp : 0);
    }
    resolve_s0(x, a);
    return true;
}

static struct hea address_of(const struct insn *i)
{
    return (struct hea){.base = i->base,
                        .index = i->index,
                        .scale = i->scale ? i->scale : 1,
                        .disp = (int32_t)i->disp};
}

/* The whole address is looked up: an index may be anything, and a displacement may be the address
 * of an array. */
static void resolve_whole(struct xlate *x, const struct insn *i, struct hea *a)
{
    struct emit *em = &x->em;
    struct hea ea = address_of(i);

    assert(x->w.need == X64_SCRATCH);
    if (i->base == RSP) {
        x64_guest_rsp(x, x->w.s0);
        if (i->index == NO_REG)
            emit_lea64(em, x->w.s0, x->w.s0, ea.disp);
        else
            add_to_s0(x, i->index, ea.scale, ea.disp);
        resolve_s0(x, a);
        return;
    }
    emit_op_h(em, true, 0x8d, x->w.s0, &ea);
    emit_lookup(em, x->w.s0, x->w.s0);
    *a = ea;
    a->base = x->w.s0;
    if (i->index == NO_REG) { /* [S0 + base + disp] */
        a->index = i->base;
        a->scale = 1;
    } else if (i->base != NO_REG) {
        add_to_s0(x, i->base, 1, 0);
    }
}

static bool resolve32(struct xlate *x, const struct insn *i, struct hea *a)
{
    struct hea ea = address_of(i);

    if (i->base == RSP || i->base == BASE_RIP || i->seg == SEG_FS || i->seg == SEG_GS)
        return false;
    ea.addr32 = true;
    emit_op_h(&x->em, false, 0x8d, x->w.s0, &ea);
    resolve_s0(x, a);
    return true;
}

/* [RSP + index * scale + disp]: RSP is translated, and near its slot. */
static bool stack_operand(struct xlate *x, const struct insn *i)
{
    struct x64_span s;

    if (i->index != NO_REG)
        return span_of(x, i, &s) && bounded(s.lo - X64_NEAR, s.hi + X64_NEAR);
    if (i->disp <= -X64_NEAR || i->disp >= X64_NEAR)
        return false;
    if (i->disp >= -128 && always_accesses(i))
        x64_touched(x);
    return true;
}

/* One register, bounded, and an array's address or a small displacement: in or about a piece that
 * is known. */
static bool array_operand(struct xlate *x, const struct insn *i, struct hea *a)
{
    bool near = i->disp > -X64_NEAR && i->disp < X64_NEAR;
    struct insn flat = *i;
    struct x64_span s;

    if (i->index == NO_REG && i->base < NGPR) {
        flat.index = i->base;
        flat.scale = 1;
        flat.base = NO_REG;
    }
    if (flat.base != NO_REG || !span_of(x, &flat, &s) || !bounded(s.lo, s.hi))
        return false;
    if (near && s.lo < -X64_NEAR)
        return false;
    *a = address_of(&flat);
    a->base = (uint8_t)piece_delta(x, near ? 0 : (uint64_t)flat.disp, true);
    return true;
}

/* base + index * scale: of such a sum a slot holds the delta, or the loop keeps one for it. */
static bool sum_operand(struct xlate *x, const struct insn *i, struct hea *a)
{
    const struct bt_key key = {
        .base = i->base, .index = i->index, .scale = i->scale, .disp = (int32_t)i->disp};
    const struct x64_span here = {0, 0};
    struct x64_sum at;
    struct x64_slot *d, *word;

    if (i->index == NO_REG || i->base == RSP)
        return false;
    at = x64_sum_of(x, &key);
    d = slot_with(x, &at);
    if (!d && (word = x64_word_find(x, &at, RSP, &here)))
        d = back(x, word);
    if (!d || !x64_slot_reaches(d, at.off, &here)) {
        d = kept_for(x, &key);
        if (!d)
            return false;
        x64_fill_slot(x, d, &key);
    }
    *a = address_of(i);
    a->base = d->reg;
    if (i->base != NO_REG) {
        emit_add_lea(&x->em, true, x->w.s0, d->reg, i->base);
        a->base = x->w.s0;
    }
    if (always_accesses(i))
        pin(d, &at);
    return true;
}

/* Is there another operand that differs by its displacement only, before the registers change? */
static bool sum_again(const struct xlate *x, const struct insn *i)
{
    const struct insn *end = x->insns + x->n;
    uint16_t parts = (uint16_t)(1u << i->index | (i->base < NGPR ? 1u << i->base : 0));

    for (const struct insn *o = i + 1; o < end && !(o[-1].gpr_written & parts); o++)
        if (insn_mem(o) && o->base == i->base && o->index == i->index && o->scale == i->scale)
            return true;
    return false;
}

/* A sum of which nothing is known. */
static bool new_sum(struct xlate *x, const struct insn *i, struct hea *a)
{
    const struct bt_key key = {
        .base = i->base, .index = i->index, .scale = i->scale, .disp = (int32_t)i->disp};
    struct x64_slot *d;

    if (i->index == NO_REG || i->base == RSP)
        return false;
    d = idle(x);
    if (!d && sum_again(x, i))
        d = take_slot(x);
    if (!d)
        return false;
    x64_fill_slot(x, d, &key);
    *a = (struct hea){.base = x->w.s0, .index = d->reg, .scale = 1};
    return true;
}

/* The pointer of an operand: its base, or the index when the base is known to be small. */
static bool pointer_operand(struct xlate *x, const struct insn *i, struct hea *a)
{
    const struct bt_key key = {
        .base = i->base, .index = NO_REG, .scale = 1, .disp = (int32_t)i->disp};
    struct insn other = *i;
    struct x64_sum at;
    struct x64_slot *d;
    struct x64_span s;

    if (i->base >= NGPR)
        return false;
    d = span_of(x, i, &s) ? delta_slot(x, i->base, &s) : NULL;
    if (!d && i->index != NO_REG && i->scale == 1) {
        other.base = i->index;
        other.index = i->base;
        d = span_of(x, &other, &s) ? delta_slot(x, other.base, &s) : NULL;
    }
    if (!d)
        return false;
    *a = address_of(&other);
    if (i->index == NO_REG) {
        at = x64_sum_of(x, &key);
        a->index = d->reg;
        if (x64_slot_of(d, &at) && always_accesses(i)) /* so this address is in the slot */
            pin(d, &at);
        return true;
    }
    emit_add_lea(&x->em, true, x->w.s0, d->reg, other.base);
    a->base = x->w.s0;
    return true;
}

bool x64_resolve(struct xlate *x, const struct insn *i, struct hea *a)
{
    bool near = i->disp > -X64_NEAR && i->disp < X64_NEAR;

    if (i->vsib)
        return false;
    if (i->adsize != 8)
        return resolve32(x, i, a);
    if (i->seg == SEG_FS || i->seg == SEG_GS)
        return resolve_segment(x, i, a);
    if (is_constant(i))
        return resolve_const(x, constant_of(x, i), a);
    *a = address_of(i);
    if (x->adapt == ADAPT_VIEW) {
        resolve_whole(x, i, a);
        return true;
    }
    if (i->base == RSP && stack_operand(x, i))
        return true;
    if (sum_operand(x, i, a) || array_operand(x, i, a))
        return true;
    if (near && i->base != RSP && pointer_operand(x, i, a))
        return true;
    if (!new_sum(x, i, a))
        resolve_whole(x, i, a);
    return true;
}

void x64_guest_rsp(struct xlate *x, unsigned dst)
{
    const struct hea sum = {.base = H_RSP, .index = (uint8_t)dst, .scale = 1, .disp = 1};

    assert(x->w.need == X64_SCRATCH);
    emit_gs_ld(&x->em, dst, HOT_RSP_NOT);
    emit_op_h(&x->em, true, 0x8d, dst, &sum); /* RSP + ~delta + 1 */
}

void x64_set_rsp(struct xlate *x, unsigned src, unsigned tmp)
{
    emit_lookup(&x->em, tmp, src);
    emit_add_lea(&x->em, true, H_RSP, src, tmp);
    emit_not64(&x->em, tmp);
    emit_gs_st(&x->em, tmp, HOT_RSP_NOT);
    x64_forget(x, tmp);
    x64_touched(x);
}

bool x64_move_rsp(struct xlate *x, int64_t n)
{
    const struct hea to = {.base = H_RSP, .index = H_NONE, .scale = 1, .disp = (int32_t)n};
    uint64_t far = (uint64_t)(n < 0 ? -n : n);

    if (far > X64_MAX_DRIFT || x->w.drift + far > X64_MAX_DRIFT)
        return false;
    emit_op_h(&x->em, true, 0x8d, H_RSP, &to);
    x->w.drift += (uint32_t)far;
    return true;
}
