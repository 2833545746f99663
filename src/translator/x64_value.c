/* What 64-bit code is known to hold in its registers: see lower64.h. */
#include <Zydis/Zydis.h>

#include "translator/lower64.h"

static const struct x64_value anything = {.lo = INT64_MIN, .hi = INT64_MAX};

static struct x64_value within(int64_t lo, int64_t hi)
{
    return (struct x64_value){.lo = lo, .hi = hi};
}

static struct x64_value value_of(const struct xlate *x, unsigned reg)
{
    return reg == RSP ? anything : x->w.value[reg];
}

/* v + n; what is further than this from a value is a new one. */
static struct x64_value moved(struct x64_value v, int64_t n)
{
    const int64_t far = INT64_C(1) << 40;

    if (n > far || n < -far)
        return anything;
    v.off += n;
    if (__builtin_add_overflow(v.lo, n, &v.lo) || __builtin_add_overflow(v.hi, n, &v.hi)) {
        v.lo = INT64_MIN;
        v.hi = INT64_MAX;
    }
    return v.off > far || v.off < -far ? within(v.lo, v.hi) : v;
}

static bool near(int64_t n)
{
    return n >= -X64_REACH && n <= X64_REACH;
}

/* A new value: v plus lo..hi. */
static struct x64_value about(struct x64_value v, int64_t lo, int64_t hi)
{
    struct x64_value r = anything;

    if (!near(lo) || !near(hi))
        return r;
    if (__builtin_add_overflow(v.lo, lo, &r.lo) || __builtin_add_overflow(v.hi, hi, &r.hi))
        r = anything;
    r.rlo = v.rlo + v.off + lo;
    r.rhi = v.rhi + v.off + hi;
    r.root = near(r.rlo) && near(r.rhi) ? v.root : 0;
    return r;
}

/* a + b * scale + n */
static struct x64_value bounded_sum(struct x64_value a, struct x64_value b, int64_t scale,
                                    int64_t n)
{
    if (near(b.lo) && near(b.hi) && scale > 0)
        return about(a, b.lo * scale + n, b.hi * scale + n);
    if (near(b.lo) && near(b.hi))
        return about(a, n - b.hi, n - b.lo);
    return near(a.lo) && near(a.hi) && scale == 1 ? about(b, a.lo + n, a.hi + n) : anything;
}

/* The same, and what it was made of, for scales above 0. */
static struct x64_value sum_of(struct x64_value a, struct x64_value b, uint8_t scale, int64_t n)
{
    struct x64_value r = bounded_sum(a, b, scale, n);

    if (a.id && b.id)
        r.sum = (struct x64_sum){
            .of = a.id, .of2 = b.id, .scale = scale, .off = a.off + b.off * scale + n};
    return r;
}

/* A result of 32 bits, of which nothing else is known, or of 64. */
static struct x64_value sized(const struct insn *i)
{
    return i->opsize == 4 ? within(0, UINT32_MAX) : anything;
}

static struct x64_value r_sized(const struct xlate *x, const struct insn *i)
{
    (void)x;
    return i->op[0].size == 4 ? within(0, UINT32_MAX) : anything;
}

static bool narrow(struct x64_value v)
{
    return v.lo >= 0 && v.hi <= UINT32_MAX;
}

/* What operand k, a register or an immediate, brings at the destination's width. */
static struct x64_value operand(const struct xlate *x, const struct insn *i, unsigned k)
{
    int64_t v = i->op[0].size == 8 ? (int64_t)i->imm : (uint32_t)i->imm;
    struct x64_value r = anything;

    if (i->op[k].kind == OPND_IMM)
        return within(v, v);
    if (i->op[k].kind == OPND_GPR && i->op[k].size == i->op[0].size)
        r = value_of(x, i->op[k].reg);
    return i->op[0].size == 8 || narrow(r) ? within(r.lo, r.hi) : within(0, UINT32_MAX);
}

/* lo..hi, if the result's size can hold that. */
static struct x64_value if_fits(const struct insn *i, int64_t lo, int64_t hi)
{
    struct x64_value r = within(lo, hi);

    return i->op[0].size == 8 || narrow(r) ? r : within(0, UINT32_MAX);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* 0, or all bits up to the highest of n's */
static int64_t all_ones(int64_t n)
{
    return n ? (int64_t)(UINT64_MAX >> __builtin_clzll((uint64_t)n)) : 0;
}

static struct x64_value r_mov(const struct xlate *x, const struct insn *i)
{
    int64_t v = i->opsize == 8 ? (int64_t)i->imm : (uint32_t)i->imm;

    if (i->op[1].kind == OPND_IMM)
        return within(v, v);
    if (i->op[1].kind == OPND_GPR && i->opsize == 8)
        return value_of(x, i->op[1].reg);
    return operand(x, i, 1);
}

static struct x64_value r_movzx(const struct xlate *x, const struct insn *i)
{
    (void)x;
    return within(0, i->op[1].size == 1 ? UINT8_MAX : UINT16_MAX);
}

/* MOVSX, MOVSXD */
static struct x64_value r_movsx(const struct xlate *x, const struct insn *i)
{
    int64_t half = INT64_C(1) << (i->op[1].size * 8 - 1);

    (void)x;
    return i->opsize == 8 ? within(-half, half - 1) : sized(i);
}

static struct x64_value r_cdqe(const struct xlate *x, const struct insn *i)
{
    (void)x;
    (void)i;
    return within(INT32_MIN, INT32_MAX);
}

static struct x64_value r_add(const struct xlate *x, const struct insn *i)
{
    if (i->opsize == 8 && i->op[1].kind == OPND_GPR)
        return sum_of(value_of(x, i->op[0].reg), value_of(x, i->op[1].reg), 1, 0);
    if (i->opsize != 8 || i->op[1].kind != OPND_IMM)
        return sized(i);
    return moved(value_of(x, i->op[0].reg), (int64_t)i->imm);
}

static struct x64_value r_sub(const struct xlate *x, const struct insn *i)
{
    if (i->opsize == 8 && i->op[1].kind == OPND_GPR)
        return bounded_sum(value_of(x, i->op[0].reg), value_of(x, i->op[1].reg), -1, 0);
    if (i->opsize != 8 || i->op[1].kind != OPND_IMM)
        return sized(i);
    return moved(value_of(x, i->op[0].reg), -(int64_t)i->imm);
}

static struct x64_value r_inc(const struct xlate *x, const struct insn *i)
{
    return i->opsize == 8 ? moved(value_of(x, i->op[0].reg), 1) : sized(i);
}

static struct x64_value r_dec(const struct xlate *x, const struct insn *i)
{
    return i->opsize == 8 ? moved(value_of(x, i->op[0].reg), -1) : sized(i);
}

static struct x64_value r_lea(const struct xlate *x, const struct insn *i)
{
    if (i->opsize != 8 || i->adsize != 8 || i->base >= NGPR)
        return sized(i);
    if (i->index != NO_REG)
        return sum_of(value_of(x, i->base), value_of(x, i->index), i->scale, i->disp);
    return moved(value_of(x, i->base), i->disp);
}

static struct x64_value r_and(const struct xlate *x, const struct insn *i)
{
    int64_t mask = (int64_t)i->imm;
    struct x64_value a = operand(x, i, 0), b = operand(x, i, 1);

    if (i->op[1].kind == OPND_IMM && mask < 0 && i->opsize == 8) /* aligns: at most ~mask less */
        return about(value_of(x, i->op[0].reg), -~mask, 0);
    if (a.lo < 0 && b.lo < 0)
        return anything;
    return within(0, a.lo < 0 ? b.hi : b.lo < 0 ? a.hi : least(a.hi, b.hi));
}

static bool is_zero(const struct insn *i)
{
    return i->op[1].kind == OPND_GPR && i->op[1].reg == i->op[0].reg;
}

/* OR, XOR */
static struct x64_value r_or(const struct xlate *x, const struct insn *i)
{
    struct x64_value a = operand(x, i, 0), b = operand(x, i, 1);

    if (i->mnemonic == ZYDIS_MNEMONIC_XOR && is_zero(i))
        return within(0, 0);
    return a.lo < 0 || b.lo < 0 ? anything : within(0, all_ones(a.hi | b.hi));
}

/* By how much an immediate shifts. 0: nobody knows, or not at all. */
static unsigned shift_count(const struct insn *i)
{
    return i->op[1].kind == OPND_IMM ? (unsigned)i->imm & (i->op[0].size == 8 ? 63 : 31) : 0;
}

static struct x64_value r_shr(const struct xlate *x, const struct insn *i)
{
    unsigned n = shift_count(i);
    struct x64_value a = operand(x, i, 0);

    if (n == 0)
        return r_sized(x, i);
    return a.lo < 0 ? within(0, (int64_t)(UINT64_MAX >> n)) : within(a.lo >> n, a.hi >> n);
}

static struct x64_value r_sar(const struct xlate *x, const struct insn *i)
{
    unsigned n = shift_count(i);
    struct x64_value a = operand(x, i, 0);

    return n && i->op[0].size == 8 ? within(a.lo >> n, a.hi >> n) : r_sized(x, i);
}

static struct x64_value r_shl(const struct xlate *x, const struct insn *i)
{
    unsigned n = shift_count(i);
    struct x64_value a = operand(x, i, 0);

    if (n == 0 || n > 31 || !narrow(a))
        return r_sized(x, i);
    return if_fits(i, a.lo << n, a.hi << n);
}

/* BSF and BSR leave their destination as it was when there is no bit, or its lower half (SDM 2A).
 */
static struct x64_value r_scan(const struct xlate *x, const struct insn *i)
{
    struct x64_value old = value_of(x, i->op[0].reg);

    if (i->op[0].size == 4 && !narrow(old))
        return anything;
    return within(least(old.lo, 0), most(old.hi, 63));
}

/* TZCNT, LZCNT, POPCNT */
static struct x64_value r_count(const struct xlate *x, const struct insn *i)
{
    (void)x;
    return within(0, i->op[0].size * 8);
}

static struct x64_value r_byte_signs(const struct xlate *x, const struct insn *i)
{
    (void)x;
    return within(0, (INT64_C(1) << i->op[1].size) - 1);
}

/* (V)MOVMSKPS, (V)MOVMSKPD */
static struct x64_value r_signs(const struct xlate *x, const struct insn *i)
{
    (void)x;
    (void)i;
    return within(0, UINT8_MAX);
}

static struct x64_value r_cmov(const struct xlate *x, const struct insn *i)
{
    struct x64_value a = operand(x, i, 0), b = operand(x, i, 1);

    return within(least(a.lo, b.lo), most(a.hi, b.hi));
}

/* The destination is op[0], or RAX; what is not here is not followed. */
static const struct {
    uint16_t mnemonic;
    struct x64_value (*result)(const struct xlate *x, const struct insn *i);
} results[] = {
    {ZYDIS_MNEMONIC_MOV, r_mov},
    {ZYDIS_MNEMONIC_MOVZX, r_movzx},
    {ZYDIS_MNEMONIC_MOVSX, r_movsx},
    {ZYDIS_MNEMONIC_MOVSXD, r_movsx},
    {ZYDIS_MNEMONIC_CDQE, r_cdqe},
    {ZYDIS_MNEMONIC_ADD, r_add},
    {ZYDIS_MNEMONIC_SUB, r_sub},
    {ZYDIS_MNEMONIC_INC, r_inc},
    {ZYDIS_MNEMONIC_DEC, r_dec},
    {ZYDIS_MNEMONIC_LEA, r_lea},
    {ZYDIS_MNEMONIC_AND, r_and},
    {ZYDIS_MNEMONIC_OR, r_or},
    {ZYDIS_MNEMONIC_XOR, r_or},
    {ZYDIS_MNEMONIC_SHR, r_shr},
    {ZYDIS_MNEMONIC_SHL, r_shl},
    {ZYDIS_MNEMONIC_SAR, r_sar},
    {ZYDIS_MNEMONIC_BSF, r_scan},
    {ZYDIS_MNEMONIC_BSR, r_scan},
    {ZYDIS_MNEMONIC_TZCNT, r_count},
    {ZYDIS_MNEMONIC_LZCNT, r_count},
    {ZYDIS_MNEMONIC_POPCNT, r_count},
    {ZYDIS_MNEMONIC_PMOVMSKB, r_byte_signs},
    {ZYDIS_MNEMONIC_VPMOVMSKB, r_byte_signs},
    {ZYDIS_MNEMONIC_MOVMSKPS, r_signs},
    {ZYDIS_MNEMONIC_MOVMSKPD, r_signs},
    {ZYDIS_MNEMONIC_VMOVMSKPS, r_signs},
    {ZYDIS_MNEMONIC_VMOVMSKPD, r_signs},
    {ZYDIS_MNEMONIC_NEG, r_sized},
    {ZYDIS_MNEMONIC_NOT, r_sized},
    {ZYDIS_MNEMONIC_IMUL, r_sized},
    {ZYDIS_MNEMONIC_ADC, r_sized},
    {ZYDIS_MNEMONIC_SBB, r_sized},
    {ZYDIS_MNEMONIC_ROL, r_sized},
    {ZYDIS_MNEMONIC_ROR, r_sized},
    {ZYDIS_MNEMONIC_RORX, r_sized},
    {ZYDIS_MNEMONIC_BSWAP, r_sized},
    {ZYDIS_MNEMONIC_ANDN, r_sized},
    {ZYDIS_MNEMONIC_BLSR, r_sized},
    {ZYDIS_MNEMONIC_BZHI, r_sized},
    {ZYDIS_MNEMONIC_SHLX, r_sized},
    {ZYDIS_MNEMONIC_SHRX, r_sized},
    {ZYDIS_MNEMONIC_SARX, r_sized},
    {ZYDIS_MNEMONIC_MOVD, r_sized},
    {ZYDIS_MNEMONIC_VMOVD, r_sized},
};

/* The register whose new contents `results` tells; RSP: none. */
static unsigned destination(const struct insn *i)
{
    if (i->mnemonic == ZYDIS_MNEMONIC_CDQE)
        return RAX;
    if (!i->nops || i->op[0].kind != OPND_GPR || i->op[0].size < 4 || !(i->op[0].access & 2))
        return RSP;
    return i->mnemonic == ZYDIS_MNEMONIC_IMUL && i->nops < 2 ? RSP : i->op[0].reg;
}

static bool is_cmov(const struct insn *i)
{
    return i->enc == ENC_LEGACY && i->map == 1 && i->opcode >> 4 == 4;
}

/* SETcc and MOV to a register's lowest byte: the others stay. */
static bool sets_byte(const struct insn *i)
{
    bool set = i->enc == ENC_LEGACY && i->map == 1 && i->opcode >> 4 == 9;

    return (set || i->mnemonic == ZYDIS_MNEMONIC_MOV) && i->op[0].kind == OPND_GPR &&
           i->op[0].size == 1 && i->op[0].reg < NGPR && i->op[0].reg != RSP;
}

static struct x64_value result_of(const struct xlate *x, const struct insn *i)
{
    if (is_cmov(i))
        return r_cmov(x, i);
    for (unsigned k = 0; k < ARRAY_SIZE(results); k++)
        if (results[k].mnemonic == i->mnemonic)
            return results[k].result(x, i);
    return anything;
}

/* A value of its own. */
static void number(struct xlate *x, unsigned reg)
{
    struct x64_value *v = &x->w.value[reg];

    v->id = ++x->w.next_value;
    if (v->root)
        return;
    v->root = v->id;
    v->rlo = v->rhi = 0;
}

void x64_values_init(struct xlate *x)
{
    for (unsigned r = 0; r < NGPR; r++) {
        x->w.value[r] = anything;
        number(x, r);
    }
}

uint16_t x64_written(const struct insn *i)
{
    /* the pointers of strings are no operands of the decoder's */
    return i->gpr_written | (uint16_t)(i->row->traits & T_STRING ? 1 << RSI | 1 << RDI : 0);
}

void x64_track(struct xlate *x, const struct insn *i)
{
    unsigned dst = destination(i);
    uint16_t written = x64_written(i);
    struct x64_value v = dst == RSP ? anything : result_of(x, i);

    if (sets_byte(i) && x->w.value[i->op[0].reg].lo >= 0) {
        dst = i->op[0].reg;
        v = within(0, x->w.value[dst].hi | UINT8_MAX);
    }
    for (unsigned r = 0; r < NGPR; r++) {
        if (!(written >> r & 1))
            continue;
        x->w.value[r] = r == dst ? v : anything;
        if (!x->w.value[r].id)
            number(x, r);
    }
}
