#include "translator/emit.h"

const uint8_t emit_nop5[5] = {0x0f, 0x1f, 0x44, 0x00, 0x00};

void emit_mem_g(struct emit *e, unsigned reg, const struct gmem *m)
{
    static const uint8_t log2[9] = {[1] = 0, [2] = 1, [4] = 2, [8] = 3};
    unsigned r = (reg & 7) << 3;
    unsigned mod = m->disp == 0 && (m->base & 7) != 5 ? 0x00
                   : m->disp == (int8_t)m->disp       ? 0x40
                                                      : 0x80;

    if (m->base == H_NONE) {
        /* No base: SIB with base 101 and mod 00. Plain mod 00 rm 101 would be RIP-relative. */
        emit8(e, 0x04 | r);
        emit8(e,
              m->index == H_NONE ? 0x25 : (unsigned)log2[m->scale] << 6 | (m->index & 7u) << 3 | 5);
        emit32(e, (uint32_t)m->disp);
        return;
    }
    if (m->index != H_NONE) {
        emit8(e, mod | r | 4);
        emit8(e, (unsigned)log2[m->scale] << 6 | (m->index & 7u) << 3 | (m->base & 7u));
    } else {
        emit8(e, mod | r | (m->base & 7u));
        if ((m->base & 7) == 4)
            emit8(e, 0x24);
    }
    if (mod == 0x40)
        emit8(e, (uint8_t)m->disp);
    else if (mod == 0x80)
        emit32(e, (uint32_t)m->disp);
}

void emit_crc32(struct emit *e, unsigned dst, unsigned src)
{
    emit8(e, 0xf2);
    emit_rex(e, true, dst, 0, src);
    emit8(e, 0x0f);
    emit8(e, 0x38);
    emit8(e, 0xf1);
    emit8(e, 0xc0 | (dst & 7) << 3 | (src & 7));
}

static void shift(struct emit *e, bool w, unsigned pp, unsigned dst, unsigned src, unsigned count)
{
    emit8(e, 0xc4);
    emit8(e, (~dst >> 3 & 1) << 7 | 1 << 6 | (~src >> 3 & 1) << 5 | 2);
    emit8(e, (unsigned)w << 7 | (~count & 15) << 3 | pp);
    emit8(e, 0xf7);
    emit8(e, 0xc0 | (dst & 7) << 3 | (src & 7));
}

void emit_shrx(struct emit *e, unsigned dst, unsigned src, unsigned count)
{
    shift(e, false, 3, dst, src, count);
}

void emit_shrx64(struct emit *e, unsigned dst, unsigned src, unsigned count)
{
    shift(e, true, 3, dst, src, count);
}

void emit_sarx(struct emit *e, bool w, unsigned dst, unsigned src, unsigned count)
{
    shift(e, w, 2, dst, src, count);
}

void emit_rorx(struct emit *e, bool w, unsigned dst, unsigned src, uint8_t by)
{
    emit8(e, 0xc4);
    emit8(e, (~dst >> 3 & 1) << 7 | 1 << 6 | (~src >> 3 & 1) << 5 | 3);
    emit8(e, (unsigned)w << 7 | 0x7b);
    emit8(e, 0xf0);
    emit8(e, 0xc0 | (dst & 7) << 3 | (src & 7));
    emit8(e, by);
}

bool emit_based(const struct gmem *m, struct gmem *based)
{
    bool two = m->base != H_NONE && m->index != H_NONE;

    if (m->wraps || two || m->disp < -EMIT_BELOW + EMIT_R13)
        return false;
    *based = (struct gmem){H_R13, m->base, 1, m->disp - EMIT_R13, false};
    if (m->index != H_NONE) {
        based->index = m->index;
        based->scale = m->scale;
    } else if (m->base == H_NONE && m->disp < 0) {
        return false;
    }
    return based->scale <= 4;
}

static void prefix_g(struct emit *e, bool w, unsigned reg, const struct gmem *m)
{
    emit8(e, 0x65);
    emit8(e, 0x67);
    emit_rex(e, w, reg, m->index == H_NONE ? 0 : m->index, m->base == H_NONE ? 0 : m->base);
}

void emit_op_g(struct emit *e, unsigned op, unsigned reg, const struct gmem *m)
{
    prefix_g(e, false, reg, m);
    emit8(e, op);
    emit_mem_g(e, reg, m);
}

void emit_ldzx16_g(struct emit *e, unsigned r, const struct gmem *m)
{
    prefix_g(e, false, r, m);
    emit8(e, 0x0f);
    emit8(e, 0xb7);
    emit_mem_g(e, r, m);
}

void emit_ld64_g(struct emit *e, unsigned r, const struct gmem *m)
{
    prefix_g(e, true, r, m);
    emit8(e, 0x8b);
    emit_mem_g(e, r, m);
}
