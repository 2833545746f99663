/* Memory operands of 64-bit code, and RSP. */
#include "translator/bt_offsets.h"
#include "translator/lower64.h"

static bool fits32(uint64_t v)
{
    return v == (uint64_t)(int64_t)(int32_t)v;
}

static void cached_lookup(struct xlate *x, unsigned base)
{
    if (x->w.cache == base)
        return;
    emit_lookup(&x->em, x->w.s1, base);
    x->w.cache = base;
}

/* [S0 + S1], the address being in S0. */
static void resolve_s0(struct xlate *x, struct hea *a)
{
    emit_lookup(&x->em, x->w.s1, x->w.s0);
    x->w.cache = X64_NOTHING;
    *a = (struct hea){.base = x->w.s0, .index = x->w.s1, .scale = 1};
}

static bool resolve_const(struct xlate *x, uint64_t lin, struct hea *a)
{
    uint32_t key = X64_CONST | (uint32_t)(lin >> 32 & 0xffff);

    if (x->w.cache != key)
        emit_lookup_const(&x->em, x->w.s1, lin);
    x->w.cache = key;
    *a = (struct hea){.base = x->w.s1, .index = H_NONE, .scale = 1, .disp = (int32_t)lin};
    if (!fits32(lin)) {
        emit_imm64(&x->em, x->w.s0, lin);
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
    uint32_t key = X64_SEG | i->seg;

    if (is_constant(i) && (int64_t)off > -X64_NEAR && (int64_t)off < X64_NEAR &&
        x->adapt == ADAPT_NONE) {
        if (x->w.cache != key)
            emit_gs_ld(&x->em, x->w.s1, HOT_SEGHOST + i->seg * 8);
        x->w.cache = key;
        *a = (struct hea){.base = x->w.s1, .index = H_NONE, .scale = 1, .disp = (int32_t)off};
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

/* Masked moves access nothing where the mask is clear: they prove nothing about RSP. */
static bool always_accesses(const struct insn *i)
{
    bool masked =
        (i->opcode >= 0x2c && i->opcode <= 0x2f) || i->opcode == 0x8c || i->opcode == 0x8e;

    return !(i->enc == ENC_VEX && i->map == 2 && masked);
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
    if (i->index != NO_REG || !near || x->adapt == ADAPT_VIEW) {
        resolve_whole(x, i, a);
        return true;
    }
    *a = address_of(i);
    if (i->base == RSP) {
        if (i->disp >= -128 && i->disp < X64_NEAR && always_accesses(i))
            x64_touched(x);
        return true;
    }
    cached_lookup(x, i->base);
    a->index = x->w.s1;
    return true;
}

void x64_guest_rsp(struct xlate *x, unsigned dst)
{
    const struct hea sum = {.base = H_RSP, .index = (uint8_t)dst, .scale = 1, .disp = 1};

    emit_gs_ld(&x->em, dst, HOT_RSP_NOT);
    emit_op_h(&x->em, true, 0x8d, dst, &sum); /* RSP + ~delta + 1 */
}

void x64_set_rsp(struct xlate *x, unsigned src, unsigned tmp)
{
    emit_lookup(&x->em, tmp, src);
    emit_add_lea(&x->em, true, H_RSP, src, tmp);
    emit_not64(&x->em, tmp);
    emit_gs_st(&x->em, tmp, HOT_RSP_NOT);
    if (tmp == x->w.s1)
        x->w.cache = X64_NOTHING;
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
