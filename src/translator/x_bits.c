/* x_bits.c - bit tests, scans, counts, byte order, CRC32, BMI1/BMI2 bit fields. */
#include "cpu/model.h"
#include "translator/x_int.h"

enum bit_op { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

static uint64_t bit_apply(uint64_t v, uint64_t mask, enum bit_op op)
{
    switch (op) {
    case BIT_SET:
        return v | mask;
    case BIT_RESET:
        return v & ~mask;
    case BIT_COMPLEMENT:
        return v ^ mask;
    default:
        return v;
    }
}

/* With a register offset a memory bit string reaches +-2^(n-1) bits; the offset then moves the
 * address by whole operands (SDM 2A, BT). Everything but CF is undefined and kept, as the host
 * does. */
static bool bit_memory(struct cpu *c, const struct insn *i, int64_t index, enum bit_op op)
{
    unsigned size = i->op[0].size, bits = size * 8, shift = (uint64_t)index & (bits - 1);
    uint64_t off = op_ea(c, i), v;
    struct rmw r;
    gva_t lin;

    if (i->op[1].kind == OPND_GPR)
        off = addr_trunc(i, off + (uint64_t)((index - (int64_t)shift) / 8));
    if (op == BIT_TEST) {
        if (!data_linear(c, i->seg, off, size, SEG_READ, &lin) || !mem_read(c, lin, size, &v))
            return false;
    } else {
        if (!data_linear(c, i->seg, off, size, SEG_READ | SEG_WRITE, &lin) ||
            !rmw_mem_begin(c, lin, size, &r))
            return false;
        v = r.val;
        if (!rmw_mem_end(c, size, &r, bit_apply(v, UINT64_C(1) << shift, op)))
            return false;
    }
    flags_set(c, EF_CF, v >> shift & 1 ? EF_CF : 0);
    return true;
}

static bool bit_operation(struct cpu *c, const struct insn *i, enum bit_op op)
{
    const struct opnd *dst = &i->op[0];
    unsigned shift;
    uint64_t index, v;

    if (!op_read(c, i, 1, &index))
        return false;
    if (dst->kind == OPND_MEM)
        return bit_memory(c, i,
                          i->op[1].kind == OPND_GPR ? sext_bytes(index, i->op[1].size)
                                                    : (int64_t)(index & (dst->size * 8 - 1)),
                          op);
    shift = index & (dst->size * 8 - 1);
    v = gpr_read(c, dst->reg, dst->size);
    if (op != BIT_TEST)
        gpr_write(c, dst->reg, dst->size, bit_apply(v, UINT64_C(1) << shift, op));
    flags_set(c, EF_CF, v >> shift & 1 ? EF_CF : 0);
    return true;
}

bool x_bt(struct cpu *c, const struct insn *i)
{
    return bit_operation(c, i, BIT_TEST);
}

bool x_bts(struct cpu *c, const struct insn *i)
{
    return bit_operation(c, i, BIT_SET);
}

bool x_btr(struct cpu *c, const struct insn *i)
{
    return bit_operation(c, i, BIT_RESET);
}

bool x_btc(struct cpu *c, const struct insn *i)
{
    return bit_operation(c, i, BIT_COMPLEMENT);
}

/* A zero source leaves the destination as it was. */
static bool bit_scan(struct cpu *c, const struct insn *i, bool forward)
{
    const struct opnd *dst = &i->op[0];
    uint64_t v;

    if (!op_read(c, i, 1, &v))
        return false;
    flags_set(c, EF_ZF, v ? 0 : EF_ZF);
    if (v)
        gpr_write(c, dst->reg, dst->size,
                  (uint64_t)(forward ? __builtin_ctzll(v) : 63 - __builtin_clzll(v)));
    return true;
}

bool x_bsf(struct cpu *c, const struct insn *i)
{
    return bit_scan(c, i, true);
}

bool x_bsr(struct cpu *c, const struct insn *i)
{
    return bit_scan(c, i, false);
}

/* CF: source zero; ZF: result zero. */
static bool write_count(struct cpu *c, const struct insn *i, uint64_t v, uint64_t count)
{
    gpr_write(c, i->op[0].reg, i->op[0].size, count);
    flags_set(c, EF_CF | EF_ZF, (v ? 0 : EF_CF) | (count ? 0 : EF_ZF));
    return true;
}

/* Without the feature the F3 prefix means nothing and these are BSF and BSR. */
bool x_tzcnt(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    if (!model_has(c->model, FEAT_BMI1))
        return bit_scan(c, i, true);
    if (!op_read(c, i, 1, &v))
        return false;
    return write_count(c, i, v, v ? (uint64_t)__builtin_ctzll(v) : i->op[0].size * 8u);
}

bool x_lzcnt(struct cpu *c, const struct insn *i)
{
    unsigned bits = i->op[0].size * 8u;
    uint64_t v;

    if (!model_has(c->model, FEAT_ABM))
        return bit_scan(c, i, false);
    if (!op_read(c, i, 1, &v))
        return false;
    return write_count(c, i, v, v ? (uint64_t)__builtin_clzll(v) - (64 - bits) : bits);
}

bool x_popcnt(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    if (!op_read(c, i, 1, &v))
        return false;
    gpr_write(c, i->op[0].reg, i->op[0].size, (uint64_t)__builtin_popcountll(v));
    flags_set(c, EF_ARITH, v ? 0 : EF_ZF);
    return true;
}

static uint64_t byte_swap(uint64_t v, unsigned size)
{
    return size == 2   ? __builtin_bswap16((uint16_t)v)
           : size == 4 ? __builtin_bswap32((uint32_t)v)
                       : __builtin_bswap64(v);
}

/* The 16-bit form is undefined; CPUs clear the register. */
bool x_bswap(struct cpu *c, const struct insn *i)
{
    const struct opnd *o = &i->op[0];

    gpr_write(c, o->reg, o->size, o->size == 2 ? 0 : byte_swap(c->gpr[o->reg], o->size));
    return true;
}

bool x_movbe(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    return op_read(c, i, 1, &v) && op_write(c, i, 0, byte_swap(v, i->op[0].size));
}

/* CRC-32C, bit-reflected polynomial 82F63B78h. */
bool x_crc32(struct cpu *c, const struct insn *i)
{
    uint32_t crc = (uint32_t)c->gpr[i->op[0].reg];
    uint64_t v;

    if (!op_read(c, i, 1, &v))
        return false;
    for (unsigned n = 0; n < i->op[1].size; n++) {
        crc ^= (uint8_t)(v >> (n * 8));
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    gpr_write(c, i->op[0].reg, i->op[0].size, crc);
    return true;
}

/* BMI results: OF clear, SF and ZF by result, CF as given; AF and PF are undefined and kept. */
static void bmi_flags(struct cpu *c, uint64_t v, unsigned size, bool cf)
{
    v = trunc_bytes(v, size);
    flags_set(c, EF_OF | EF_SF | EF_ZF | EF_CF,
              (v ? 0 : EF_ZF) | (v >> (size * 8 - 1) & 1 ? EF_SF : 0) | (cf ? EF_CF : 0));
}

bool x_andn(struct cpu *c, const struct insn *i)
{
    unsigned size = i->op[0].size;
    uint64_t b, v;

    if (!op_read(c, i, 2, &b))
        return false;
    v = ~c->gpr[i->op[1].reg] & b;
    gpr_write(c, i->op[0].reg, size, v);
    bmi_flags(c, v, size, false);
    return true;
}

bool x_bextr(struct cpu *c, const struct insn *i)
{
    unsigned size = i->op[0].size;
    uint64_t control = c->gpr[i->op[2].reg], v;
    unsigned start = control & 0xff, len = control >> 8 & 0xff;

    if (!op_read(c, i, 1, &v))
        return false;
    v = start < 64 ? v >> start : 0;
    if (len < 64)
        v &= (UINT64_C(1) << len) - 1;
    gpr_write(c, i->op[0].reg, size, v);
    bmi_flags(c, v, size, false);
    return true;
}

bool x_blsi(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    if (!op_read(c, i, 1, &v))
        return false;
    gpr_write(c, i->op[0].reg, i->op[0].size, v & (0 - v));
    bmi_flags(c, v & (0 - v), i->op[0].size, v != 0);
    return true;
}

bool x_blsmsk(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    if (!op_read(c, i, 1, &v))
        return false;
    gpr_write(c, i->op[0].reg, i->op[0].size, v ^ (v - 1));
    bmi_flags(c, v ^ (v - 1), i->op[0].size, v == 0);
    return true;
}

bool x_blsr(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    if (!op_read(c, i, 1, &v))
        return false;
    gpr_write(c, i->op[0].reg, i->op[0].size, v & (v - 1));
    bmi_flags(c, v & (v - 1), i->op[0].size, v == 0);
    return true;
}

bool x_bzhi(struct cpu *c, const struct insn *i)
{
    unsigned size = i->op[0].size, n = (uint8_t)c->gpr[i->op[2].reg];
    uint64_t v;

    if (!op_read(c, i, 1, &v))
        return false;
    if (n < size * 8)
        v &= (UINT64_C(1) << n) - 1;
    gpr_write(c, i->op[0].reg, size, v);
    bmi_flags(c, v, size, n > size * 8 - 1);
    return true;
}

bool x_pdep(struct cpu *c, const struct insn *i)
{
    uint64_t src = c->gpr[i->op[1].reg], mask, v = 0;

    if (!op_read(c, i, 2, &mask))
        return false;
    for (; mask; mask &= mask - 1, src >>= 1)
        v |= src & 1 ? mask & (0 - mask) : 0;
    gpr_write(c, i->op[0].reg, i->op[0].size, v);
    return true;
}

bool x_pext(struct cpu *c, const struct insn *i)
{
    uint64_t src = gpr_read(c, i->op[1].reg, i->op[1].size), mask, v = 0;
    unsigned n = 0;

    if (!op_read(c, i, 2, &mask))
        return false;
    for (; mask; mask &= mask - 1, n++)
        v |= (uint64_t)((src & mask & (0 - mask)) != 0) << n;
    gpr_write(c, i->op[0].reg, i->op[0].size, v);
    return true;
}
