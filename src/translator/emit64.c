#include "translator/emit64.h"

#include "shadowmmu/smmu.h"

enum { INDEX_NONE = 4, BASE_NONE = 5 };

static unsigned sib_of(const struct hea *a)
{
    unsigned ss = a->scale <= 1 ? 0 : (unsigned)__builtin_ctz(a->scale);
    unsigned index = a->index == H_NONE ? INDEX_NONE : a->index & 7u;

    return ss << 6 | index << 3 | (a->base == H_NONE ? BASE_NONE : a->base & 7u);
}

void emit_mem_h(struct emit *e, unsigned reg, const struct hea *a)
{
    bool sib = a->base == H_NONE || a->index != H_NONE || (a->base & 7) == 4;
    unsigned mod = 2;

    if (a->base == H_NONE || (a->disp == 0 && (a->base & 7) != 5))
        mod = 0;
    else if (a->disp == (int8_t)a->disp)
        mod = 1;
    emit8(e, mod << 6 | (reg & 7) << 3 | (sib ? 4 : a->base & 7u));
    if (sib)
        emit8(e, sib_of(a));
    if (mod == 1)
        emit8(e, (uint8_t)a->disp);
    else if (mod == 2 || a->base == H_NONE)
        emit32(e, (uint32_t)a->disp);
}

void emit_op_h(struct emit *e, bool w, unsigned op, unsigned reg, const struct hea *a)
{
    if (a->addr32)
        emit8(e, 0x67);
    emit_rex(e, w, reg, a->index == H_NONE ? 0 : a->index, a->base == H_NONE ? 0 : a->base);
    if (op > 0xff)
        emit8(e, op >> 8);
    emit8(e, op & 0xff);
    emit_mem_h(e, reg, a);
}

void emit_rorx32(struct emit *e, unsigned dst, unsigned src)
{
    emit8(e, 0xc4);
    emit8(e, (~dst >> 3 & 1) << 7 | 1 << 6 | (~src >> 3 & 1) << 5 | 3);
    emit8(e, 0xfb);
    emit8(e, 0xf0);
    emit8(e, 0xc0 | (dst & 7) << 3 | (src & 7));
    emit8(e, 32);
}

void emit_lookup(struct emit *e, unsigned dst, unsigned src)
{
    const struct hea entry = {
        .base = H_NONE, .index = (uint8_t)dst, .scale = 8, .disp = SMMU_BLOCK_TABLE};

    emit_rorx32(e, dst, src);
    emit_rex(e, false, dst, 0, dst); /* movzx r32, r16 */
    emit8(e, 0x0f);
    emit8(e, 0xb7);
    emit8(e, 0xc0 | (dst & 7) << 3 | (dst & 7));
    emit8(e, 0x65);
    emit_op_h(e, true, 0x8b, dst, &entry);
}

void emit_lookup_const(struct emit *e, unsigned dst, uint64_t lin)
{
    emit_gs_ld(e, dst, SMMU_BLOCK_TABLE + (int32_t)(lin >> 32 & 0xffff) * 8);
}
