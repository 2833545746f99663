/* x_arith.c - addition, subtraction, logic, compare-and-exchange (SDM 2A/2B). */
#include "translator/x_int.h"

typedef uint64_t alu2_fn(unsigned size, uint64_t a, uint64_t b, uint32_t *ax);
typedef uint64_t alu1_fn(unsigned size, uint64_t a, uint32_t *ax);

#define ALU2_CASE(op, suffix, mod)                                                                 \
    __asm__(ASM_FLAGS_IN #op #suffix " %" #mod "2, %" #mod "0" ASM_FLAGS_OUT                       \
            : "+r"(a), "+a"(f)                                                                     \
            : "r"(b)                                                                               \
            : "cc")

/* a op b at each operand size, by the host's instruction. */
#define ALU2(op)                                                                                   \
    static ALWAYS_INLINE uint64_t alu_##op(unsigned size, uint64_t a, uint64_t b, uint32_t *ax)    \
    {                                                                                              \
        uint32_t f = *ax;                                                                          \
                                                                                                   \
        switch (size) {                                                                            \
        case 1:                                                                                    \
            ALU2_CASE(op, b, b);                                                                   \
            break;                                                                                 \
        case 2:                                                                                    \
            ALU2_CASE(op, w, w);                                                                   \
            break;                                                                                 \
        case 4:                                                                                    \
            ALU2_CASE(op, l, k);                                                                   \
            break;                                                                                 \
        default:                                                                                   \
            ALU2_CASE(op, q, q);                                                                   \
            break;                                                                                 \
        }                                                                                          \
        *ax = f;                                                                                   \
        return a;                                                                                  \
    }

#define ALU1_CASE(op, suffix, mod)                                                                 \
    __asm__(ASM_FLAGS_IN #op #suffix " %" #mod "0" ASM_FLAGS_OUT : "+r"(a), "+a"(f) : : "cc")

#define ALU1(op)                                                                                   \
    static ALWAYS_INLINE uint64_t alu_##op(unsigned size, uint64_t a, uint32_t *ax)                \
    {                                                                                              \
        uint32_t f = *ax;                                                                          \
                                                                                                   \
        switch (size) {                                                                            \
        case 1:                                                                                    \
            ALU1_CASE(op, b, b);                                                                   \
            break;                                                                                 \
        case 2:                                                                                    \
            ALU1_CASE(op, w, w);                                                                   \
            break;                                                                                 \
        case 4:                                                                                    \
            ALU1_CASE(op, l, k);                                                                   \
            break;                                                                                 \
        default:                                                                                   \
            ALU1_CASE(op, q, q);                                                                   \
            break;                                                                                 \
        }                                                                                          \
        *ax = f;                                                                                   \
        return a;                                                                                  \
    }

ALU2(add)
ALU2(or)
ALU2(adc)
ALU2(sbb)
ALU2(and)
ALU2(sub)
ALU2(xor)
ALU2(cmp)
ALU2(test)
ALU1(inc)
ALU1(dec)
ALU1(neg)

static ALWAYS_INLINE bool binary(struct cpu *c, const struct insn *i, alu2_fn *op)
{
    struct rmw r;
    uint64_t src;
    uint32_t ax = flags_load(c);

    if (!op_read(c, i, 1, &src) || !rmw_begin(c, i, &r))
        return false;
    src = op(i->op[0].size, r.val, src, &ax);
    if (!rmw_end(c, i, &r, src))
        return false;
    flags_store(c, ax);
    return true;
}

/* CMP, TEST: flags only. */
static ALWAYS_INLINE bool compare(struct cpu *c, const struct insn *i, alu2_fn *op)
{
    uint64_t dst, src;
    uint32_t ax = flags_load(c);

    if (!op_read(c, i, 1, &src) || !op_read(c, i, 0, &dst))
        return false;
    op(i->op[0].size, dst, src, &ax);
    flags_store(c, ax);
    return true;
}

static ALWAYS_INLINE bool unary(struct cpu *c, const struct insn *i, alu1_fn *op)
{
    struct rmw r;
    uint64_t v;
    uint32_t ax = flags_load(c);

    if (!rmw_begin(c, i, &r))
        return false;
    v = op(i->op[0].size, r.val, &ax);
    if (!rmw_end(c, i, &r, v))
        return false;
    flags_store(c, ax);
    return true;
}

bool x_add(struct cpu *c, const struct insn *i)
{
    return binary(c, i, alu_add);
}

bool x_or(struct cpu *c, const struct insn *i)
{
    return binary(c, i, alu_or);
}

bool x_adc(struct cpu *c, const struct insn *i)
{
    return binary(c, i, alu_adc);
}

bool x_sbb(struct cpu *c, const struct insn *i)
{
    return binary(c, i, alu_sbb);
}

bool x_and(struct cpu *c, const struct insn *i)
{
    return binary(c, i, alu_and);
}

bool x_sub(struct cpu *c, const struct insn *i)
{
    return binary(c, i, alu_sub);
}

bool x_xor(struct cpu *c, const struct insn *i)
{
    return binary(c, i, alu_xor);
}

bool x_cmp(struct cpu *c, const struct insn *i)
{
    return compare(c, i, alu_cmp);
}

bool x_test(struct cpu *c, const struct insn *i)
{
    return compare(c, i, alu_test);
}

bool x_inc(struct cpu *c, const struct insn *i)
{
    return unary(c, i, alu_inc);
}

bool x_dec(struct cpu *c, const struct insn *i)
{
    return unary(c, i, alu_dec);
}

bool x_neg(struct cpu *c, const struct insn *i)
{
    return unary(c, i, alu_neg);
}

bool x_not(struct cpu *c, const struct insn *i)
{
    struct rmw r;

    return rmw_begin(c, i, &r) && rmw_end(c, i, &r, ~r.val);
}

/* The register gets the old destination, the destination the sum: last when both are one register.
 */
bool x_xadd(struct cpu *c, const struct insn *i)
{
    const struct opnd *src = &i->op[1];
    struct rmw r;
    uint64_t sum, old = gpr_read(c, src->reg, src->size);
    uint32_t ax = flags_load(c);

    if (!rmw_begin(c, i, &r))
        return false;
    sum = alu_add(src->size, r.val, old, &ax);
    if (i->op[0].kind == OPND_GPR)
        gpr_write(c, src->reg, src->size, r.val);
    if (!rmw_end(c, i, &r, sum))
        return false;
    if (i->op[0].kind != OPND_GPR)
        gpr_write(c, src->reg, src->size, r.val);
    flags_store(c, ax);
    return true;
}

/* The destination is written in either case (SDM 2A, CMPXCHG: "receives a write cycle without
 * regard to the result"). */
bool x_cmpxchg(struct cpu *c, const struct insn *i)
{
    unsigned size = i->op[0].size;
    uint64_t acc = gpr_read(c, RAX, size), src = gpr_read(c, i->op[1].reg, size);
    struct rmw r;
    uint32_t ax = flags_load(c);
    bool equal;

    if (!rmw_begin(c, i, &r))
        return false;
    alu_cmp(size, acc, r.val, &ax);
    equal = acc == r.val;
    if (i->op[0].kind == OPND_GPR && !equal) {
        gpr_write(c, RAX, size, r.val);
    } else {
        if (!rmw_end(c, i, &r, equal ? src : r.val))
            return false;
        if (!equal)
            gpr_write(c, RAX, size, r.val);
    }
    flags_store(c, ax);
    return true;
}

/* CMPXCHG8B and CMPXCHG16B: EDX:EAX or RDX:RAX against memory in two halves of `half` bytes. */
bool x_cmpxchg8b(struct cpu *c, const struct insn *i)
{
    unsigned half = i->op[0].size / 2;
    uint64_t old[2] = {0, 0}, new[2] = {c->gpr[RBX], c->gpr[RCX]};
    bool user = c->cpl == 3, equal;
    uint8_t buf[16];
    gva_t lin;

    if (!memop_linear(c, i, 2 * half, SEG_READ | SEG_WRITE, &lin))
        return false;
    if (half == 8 && (lin & 15))
        return cpu_raise(c, VEC_GP, 0);
    if (!mem_probe_write(c, lin, 2 * half, user) || !mem_read(c, lin, half, &old[0]) ||
        !mem_read(c, lin + half, half, &old[1]))
        return false;
    equal = old[0] == trunc_bytes(c->gpr[RAX], half) && old[1] == trunc_bytes(c->gpr[RDX], half);
    if (!equal)
        __builtin_memcpy(new, old, sizeof(new));
    __builtin_memcpy(buf, &new[0], 8);
    __builtin_memcpy(buf + half, &new[1], 8);
    if (!mem_write_slow(c, lin, buf, 2 * half, user))
        return false;
    if (!equal) {
        gpr_write(c, RAX, half, old[0]);
        gpr_write(c, RDX, half, old[1]);
    }
    flags_set(c, EF_ZF, equal ? EF_ZF : 0);
    return true;
}

/* ADCX, ADOX: one flag is carry in and out, no other changes. */
static bool add_through(struct cpu *c, const struct insn *i, uint32_t flag)
{
    unsigned size = i->op[0].size;
    uint64_t a = gpr_read(c, i->op[0].reg, size), b, sum;
    bool in = c->rflags & flag, out;

    if (!op_read(c, i, 1, &b))
        return false;
    out = __builtin_add_overflow(a, b, &sum);
    out |= __builtin_add_overflow(sum, in, &sum);
    if (size == 4)
        out = sum >> 32 & 1;
    gpr_write(c, i->op[0].reg, size, sum);
    flags_set(c, flag, out ? flag : 0);
    return true;
}

bool x_adcx(struct cpu *c, const struct insn *i)
{
    return add_through(c, i, EF_CF);
}

bool x_adox(struct cpu *c, const struct insn *i)
{
    return add_through(c, i, EF_OF);
}
