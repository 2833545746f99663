/* x_shift.c - shifts and rotates. */
#include "translator/x_int.h"

typedef uint64_t shift_fn(unsigned size, uint64_t a, uint8_t count, uint32_t *ax);

#define SHIFT_CASE(op, suffix, mod)                                                                \
    __asm__(ASM_FLAGS_IN #op #suffix " %%cl, %" #mod "0" ASM_FLAGS_OUT                             \
            : "+r"(a), "+a"(f)                                                                     \
            : "c"(count)                                                                           \
            : "cc")

/* The host masks the count as the guest's CPU does and keeps flags for a masked count of 0. */
#define SHIFT(op)                                                                                  \
    static ALWAYS_INLINE uint64_t alu_##op(unsigned size, uint64_t a, uint8_t count, uint32_t *ax) \
    {                                                                                              \
        uint32_t f = *ax;                                                                          \
                                                                                                   \
        switch (size) {                                                                            \
        case 1:                                                                                    \
            SHIFT_CASE(op, b, b);                                                                  \
            break;                                                                                 \
        case 2:                                                                                    \
            SHIFT_CASE(op, w, w);                                                                  \
            break;                                                                                 \
        case 4:                                                                                    \
            SHIFT_CASE(op, l, k);                                                                  \
            break;                                                                                 \
        default:                                                                                   \
            SHIFT_CASE(op, q, q);                                                                  \
            break;                                                                                 \
        }                                                                                          \
        *ax = f;                                                                                   \
        return a;                                                                                  \
    }

SHIFT(rol)
SHIFT(ror)
SHIFT(rcl)
SHIFT(rcr)
SHIFT(shl)
SHIFT(shr)
SHIFT(sar)

static ALWAYS_INLINE bool shift(struct cpu *c, const struct insn *i, shift_fn *op)
{
    uint8_t count = i->op[1].kind == OPND_IMM ? (uint8_t)i->imm : (uint8_t)c->gpr[RCX];
    struct rmw r;
    uint64_t v;
    uint32_t ax = flags_load(c);

    if (!rmw_begin(c, i, &r))
        return false;
    v = op(i->op[0].size, r.val, count, &ax);
    if (!rmw_end(c, i, &r, v))
        return false;
    flags_store(c, ax);
    return true;
}

bool x_rol(struct cpu *c, const struct insn *i)
{
    return shift(c, i, alu_rol);
}

bool x_ror(struct cpu *c, const struct insn *i)
{
    return shift(c, i, alu_ror);
}

bool x_rcl(struct cpu *c, const struct insn *i)
{
    return shift(c, i, alu_rcl);
}

bool x_rcr(struct cpu *c, const struct insn *i)
{
    return shift(c, i, alu_rcr);
}

bool x_shl(struct cpu *c, const struct insn *i)
{
    return shift(c, i, alu_shl);
}

bool x_shr(struct cpu *c, const struct insn *i)
{
    return shift(c, i, alu_shr);
}

bool x_sar(struct cpu *c, const struct insn *i)
{
    return shift(c, i, alu_sar);
}

typedef uint64_t shift2_fn(unsigned size, uint64_t a, uint64_t b, uint8_t count, uint32_t *ax);

#define SHIFT2_CASE(op, suffix, mod)                                                               \
    __asm__(ASM_FLAGS_IN #op #suffix " %%cl, %" #mod "3, %" #mod "0" ASM_FLAGS_OUT                 \
            : "+r"(a), "+a"(f)                                                                     \
            : "c"(count), "r"(b)                                                                   \
            : "cc")

#define SHIFT2(op)                                                                                 \
    static ALWAYS_INLINE uint64_t alu_##op(unsigned size, uint64_t a, uint64_t b, uint8_t count,   \
                                           uint32_t *ax)                                           \
    {                                                                                              \
        uint32_t f = *ax;                                                                          \
                                                                                                   \
        switch (size) {                                                                            \
        case 2:                                                                                    \
            SHIFT2_CASE(op, w, w);                                                                 \
            break;                                                                                 \
        case 4:                                                                                    \
            SHIFT2_CASE(op, l, k);                                                                 \
            break;                                                                                 \
        default:                                                                                   \
            SHIFT2_CASE(op, q, q);                                                                 \
            break;                                                                                 \
        }                                                                                          \
        *ax = f;                                                                                   \
        return a;                                                                                  \
    }

SHIFT2(shld)
SHIFT2(shrd)

static ALWAYS_INLINE bool shift_double(struct cpu *c, const struct insn *i, shift2_fn *op)
{
    uint8_t count = i->op[2].kind == OPND_IMM ? (uint8_t)i->imm : (uint8_t)c->gpr[RCX];
    uint64_t v, src = gpr_read(c, i->op[1].reg, i->op[1].size);
    struct rmw r;
    uint32_t ax = flags_load(c);

    if (!rmw_begin(c, i, &r))
        return false;
    v = op(i->op[0].size, r.val, src, count, &ax);
    if (!rmw_end(c, i, &r, v))
        return false;
    flags_store(c, ax);
    return true;
}

bool x_shld(struct cpu *c, const struct insn *i)
{
    return shift_double(c, i, alu_shld);
}

bool x_shrd(struct cpu *c, const struct insn *i)
{
    return shift_double(c, i, alu_shrd);
}

/* BMI2: no flags, count by register or immediate, three operands. */
static ALWAYS_INLINE bool shift_free(struct cpu *c, const struct insn *i, shift_fn *op)
{
    const struct opnd *by = &i->op[2];
    uint8_t count = by->kind == OPND_IMM ? (uint8_t)i->imm : (uint8_t)c->gpr[by->reg];
    uint32_t ax = flags_load(c);
    uint64_t v;

    if (!op_read(c, i, 1, &v))
        return false;
    gpr_write(c, i->op[0].reg, i->op[0].size, op(i->op[0].size, v, count, &ax));
    return true;
}

bool x_rorx(struct cpu *c, const struct insn *i)
{
    return shift_free(c, i, alu_ror);
}

bool x_sarx(struct cpu *c, const struct insn *i)
{
    return shift_free(c, i, alu_sar);
}

bool x_shlx(struct cpu *c, const struct insn *i)
{
    return shift_free(c, i, alu_shl);
}

bool x_shrx(struct cpu *c, const struct insn *i)
{
    return shift_free(c, i, alu_shr);
}
