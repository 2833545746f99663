/* x_mul.c - multiplication and division. */
#include "translator/x_int.h"

/* MUL or IMUL of the accumulator: low and high half of the product, host flags. */
#define WIDE_CASE(op, suffix, mod)                                                                 \
    __asm__(#op #suffix " %" #mod "[b]\n\tmovq %%rax, %[lo]" ASM_FLAGS_OUT                         \
            : [lo] "=&r"(lo), "+a"(a), "+d"(hi)                                                    \
            : [b] "r"(b)                                                                           \
            : "cc")

#define WIDE(op)                                                                                   \
    static uint64_t wide_##op(unsigned size, uint64_t a, uint64_t b, uint64_t *high, uint32_t *ax) \
    {                                                                                              \
        uint64_t lo, hi = 0;                                                                       \
                                                                                                   \
        switch (size) {                                                                            \
        case 1:                                                                                    \
            WIDE_CASE(op, b, b);                                                                   \
            break;                                                                                 \
        case 2:                                                                                    \
            WIDE_CASE(op, w, w);                                                                   \
            break;                                                                                 \
        case 4:                                                                                    \
            WIDE_CASE(op, l, k);                                                                   \
            break;                                                                                 \
        default:                                                                                   \
            WIDE_CASE(op, q, q);                                                                   \
            break;                                                                                 \
        }                                                                                          \
        *ax = (uint32_t)a;                                                                         \
        *high = hi;                                                                                \
        return lo;                                                                                 \
    }

WIDE(mul)
WIDE(imul)

static void write_product(struct cpu *c, unsigned size, uint64_t lo, uint64_t hi)
{
    if (size == 1) {
        gpr_write(c, RAX, 2, lo); /* AX */
        return;
    }
    gpr_write(c, RAX, size, lo);
    gpr_write(c, RDX, size, hi);
}

bool x_mul(struct cpu *c, const struct insn *i)
{
    unsigned size = i->op[0].size;
    uint64_t b, lo, hi;
    uint32_t ax;

    if (!op_read(c, i, 0, &b))
        return false;
    lo = wide_mul(size, c->gpr[RAX], b, &hi, &ax);
    write_product(c, size, lo, hi);
    flags_store(c, ax);
    return true;
}

#define IMUL2_CASE(suffix, mod)                                                                    \
    __asm__("imul" #suffix " %" #mod "[b], %" #mod "[a]" ASM_FLAGS_OUT                             \
            : [a] "+r"(a), "=a"(ax)                                                                \
            : [b] "r"(b)                                                                           \
            : "cc")

static uint64_t imul2(unsigned size, uint64_t a, uint64_t b, uint32_t *flags)
{
    uint32_t ax;

    switch (size) {
    case 2:
        IMUL2_CASE(w, w);
        break;
    case 4:
        IMUL2_CASE(l, k);
        break;
    default:
        IMUL2_CASE(q, q);
        break;
    }
    *flags = ax;
    return a;
}

/* One operand: as MUL. Two: dst *= src. Three: dst = src * imm. */
bool x_imul(struct cpu *c, const struct insn *i)
{
    unsigned size = i->op[0].size;
    uint64_t a, b, lo, hi;
    uint32_t ax;

    if (!op_read(c, i, i->nops == 1 ? 0 : 1, &b))
        return false;
    if (i->nops == 1) {
        lo = wide_imul(size, c->gpr[RAX], b, &hi, &ax);
        write_product(c, size, lo, hi);
    } else {
        a = i->nops == 3 ? i->imm : gpr_read(c, i->op[0].reg, size);
        gpr_write(c, i->op[0].reg, size, imul2(size, a, b, &ax));
    }
    flags_store(c, ax);
    return true;
}

/* Operands: high, low, source. The high half wins when both are one register (SDM 2B, MULX). */
bool x_mulx(struct cpu *c, const struct insn *i)
{
    unsigned size = i->op[0].size;
    uint64_t b, lo, hi;
    uint32_t ax;

    if (!op_read(c, i, 2, &b))
        return false;
    lo = wide_mul(size, c->gpr[RDX], b, &hi, &ax);
    gpr_write(c, i->op[1].reg, size, lo);
    gpr_write(c, i->op[0].reg, size, hi);
    return true;
}

/* The dividend: AX for bytes, else rDX:rAX. */
static unsigned __int128 dividend(const struct cpu *c, unsigned size)
{
    if (size == 1)
        return (uint16_t)c->gpr[RAX];
    return (unsigned __int128)trunc_bytes(c->gpr[RDX], size) << (size * 8) |
           trunc_bytes(c->gpr[RAX], size);
}

/* Quotient and remainder; the quotient is known to fit in `size` bytes. */
static void divide(unsigned size, unsigned __int128 n, uint64_t d, uint64_t *q, uint64_t *r)
{
    if (size == 8) {
        __asm__("divq %[d]"
                : "=a"(*q), "=d"(*r)
                : "a"((uint64_t)n), "d"((uint64_t)(n >> 64)), [d] "r"(d)
                : "cc");
        return;
    }
    *q = (uint64_t)n / d;
    *r = (uint64_t)n % d;
}

static void write_quotient(struct cpu *c, unsigned size, uint64_t q, uint64_t r)
{
    gpr_write(c, RAX, size, q);
    gpr_write(c, size == 1 ? 16 : RDX, size, r); /* byte form: remainder in AH */
}

bool x_div(struct cpu *c, const struct insn *i)
{
    unsigned size = i->op[0].size;
    unsigned __int128 n = dividend(c, size);
    uint64_t d, q, r;

    if (!op_read(c, i, 0, &d))
        return false;
    if (d == 0 || (n >> (size * 8)) >= d)
        return cpu_raise(c, VEC_DE, 0);
    divide(size, n, d, &q, &r);
    write_quotient(c, size, q, r);
    return true;
}

/* Signed division on magnitudes: the quotient truncates towards zero, the remainder has the
 * dividend's sign. */
bool x_idiv(struct cpu *c, const struct insn *i)
{
    unsigned size = i->op[0].size, bits = size * 8;
    unsigned __int128 n = dividend(c, size);
    bool neg_n = n >> (2 * bits - 1) & 1, neg_d;
    uint64_t d, q, r, limit = UINT64_C(1) << (bits - 1);

    if (!op_read(c, i, 0, &d))
        return false;
    neg_d = d >> (bits - 1) & 1;
    if (neg_d)
        d = trunc_bytes(0 - d, size);
    if (neg_n) {
        n = 0 - n;
        if (size != 8)
            n &= ((unsigned __int128)1 << (2 * bits)) - 1;
    }
    if (d == 0 || (n >> bits) >= d)
        return cpu_raise(c, VEC_DE, 0);
    divide(size, n, d, &q, &r);
    if (q > limit || (q == limit && neg_n == neg_d))
        return cpu_raise(c, VEC_DE, 0);
    write_quotient(c, size, neg_n != neg_d ? 0 - q : q, neg_n ? 0 - r : r);
    return true;
}
