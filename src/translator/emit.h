/* emit.h - the emitter: knows x86-64 bytes, nothing of meaning.
 *
 * Registers are plain numbers 0-15 of the host. `p` runs through the writable view; the caller
 * guarantees room. Memory forms:
 *   emit_*_b   [base + disp]                         monitor data
 *   emit_*_g   gs:[effective address] with 67h      the guest's window (struct gmem)
 *   emit_*_x   [base + index]                        window base in a register + 32-bit linear
 * address
 */
#ifndef DRAGOMAN_TRANSLATOR_EMIT_H
#define DRAGOMAN_TRANSLATOR_EMIT_H

#include "base/bits.h"

enum hreg {
    H_RAX,
    H_RCX,
    H_RDX,
    H_RBX,
    H_RSP,
    H_RBP,
    H_RSI,
    H_RDI,
    H_R8,
    H_R9,
    H_R10,
    H_R11,
    H_R12,
    H_R13,
    H_R14,
    H_R15,
    H_NONE = 0xff,
};

struct emit {
    uint8_t *p;
};

/* As long as a jump with a rel32. */
extern const uint8_t emit_nop5[5];

/* A guest effective address: host register numbers (R12 for ESP), H_NONE for absent parts. */
struct gmem {
    uint8_t base, index, scale; /* scale 1, 2, 4, 8 */
    int32_t disp;
    bool wraps; /* at 4 GiB, has been seen to */
};

static inline void emit8(struct emit *e, unsigned b)
{
    *e->p++ = (uint8_t)b;
}

static inline void emit32(struct emit *e, uint32_t v)
{
    st32(e->p, v);
    e->p += 4;
}

static inline void emit64(struct emit *e, uint64_t v)
{
    st64(e->p, v);
    e->p += 8;
}

static inline void emit_rex(struct emit *e, bool w, unsigned reg, unsigned index, unsigned base)
{
    unsigned rex = 0x40 | w << 3 | (reg >> 3 & 1) << 2 | (index >> 3 & 1) << 1 | (base >> 3 & 1);

    if (rex != 0x40)
        emit8(e, rex);
}

/* ModRM (+ SIB) + disp8 or disp32 for [base + disp]. */
static inline void emit_mem_b(struct emit *e, unsigned reg, unsigned base, int32_t disp)
{
    bool small = disp == (int8_t)disp;

    emit8(e, (small ? 0x40u : 0x80u) | (reg & 7) << 3 | (base & 7));
    if ((base & 7) == 4)
        emit8(e, 0x24);
    if (small)
        emit8(e, (uint8_t)disp);
    else
        emit32(e, (uint32_t)disp);
}

/* A segment's base costs a load two cycles. R13
 * is the window's first byte + EMIT_R13, so an address with one register, or none, is [R13 + index
 * * scale + disp - EMIT_R13]. What does not wrap at 4 GiB is in the window; what does is less than
 * 19 GiB above it or 17 MiB below, in the gaps between slots, and faults. False: the address is not
 * of that kind, or likely to wrap: kernels' tables have a negative displacement. */
enum { EMIT_R13 = 17, EMIT_BELOW = 1 << 24 };
bool emit_based(const struct gmem *m, struct gmem *based);
void emit_mem_g(struct emit *e, unsigned reg, const struct gmem *m);

/* opcode reg, [base+disp] with optional REX.W */
static inline void emit_op_b(struct emit *e, bool w, unsigned op, unsigned reg, unsigned base,
                             int32_t disp)
{
    emit_rex(e, w, reg, 0, base);
    emit8(e, op);
    emit_mem_b(e, reg, base, disp);
}

/* op reg, a 32-bit operand in the guest's window */
void emit_op_g(struct emit *e, unsigned op, unsigned reg, const struct gmem *m);

/* op reg, [base+index]; base must not be RBP/R13 with mod 00: a disp8 of 0 is used. */
static inline void emit_op_x(struct emit *e, bool w, unsigned op, unsigned reg, unsigned base,
                             unsigned index)
{
    emit_rex(e, w, reg, index, base);
    emit8(e, op);
    emit8(e, 0x44 | (reg & 7) << 3);
    emit8(e, (index & 7) << 3 | (base & 7));
    emit8(e, 0);
}

static inline void emit_ld64_b(struct emit *e, unsigned r, unsigned base, int32_t disp)
{
    emit_op_b(e, true, 0x8b, r, base, disp);
}

static inline void emit_ld32_b(struct emit *e, unsigned r, unsigned base, int32_t disp)
{
    emit_op_b(e, false, 0x8b, r, base, disp);
}

static inline void emit_st32_b(struct emit *e, unsigned r, unsigned base, int32_t disp)
{
    emit_op_b(e, false, 0x89, r, base, disp);
}

static inline void emit_st8imm_b(struct emit *e, unsigned base, int32_t disp, uint8_t imm)
{
    emit_rex(e, false, 0, 0, base);
    emit8(e, 0xc6);
    emit_mem_b(e, 0, base, disp);
    emit8(e, imm);
}

static inline void emit_inc64_b(struct emit *e, unsigned base, int32_t disp)
{
    emit_op_b(e, true, 0xff, 0, base, disp);
}

static inline void emit_mov32(struct emit *e, unsigned dst, unsigned src)
{
    emit_rex(e, false, src, 0, dst);
    emit8(e, 0x89);
    emit8(e, 0xc0 | (src & 7) << 3 | (dst & 7));
}

static inline void emit_mov64(struct emit *e, unsigned dst, unsigned src)
{
    emit_rex(e, true, src, 0, dst);
    emit8(e, 0x89);
    emit8(e, 0xc0 | (src & 7) << 3 | (dst & 7));
}

static inline void emit_imm32(struct emit *e, unsigned r, uint32_t v)
{
    emit_rex(e, false, 0, 0, r);
    emit8(e, 0xb8 | (r & 7));
    emit32(e, v);
}

static inline void emit_imm64(struct emit *e, unsigned r, uint64_t v)
{
    emit_rex(e, true, 0, 0, r);
    emit8(e, 0xb8 | (r & 7));
    emit64(e, v);
}

/* lea r32, [base + disp] (upper half cleared; EA computed in 64 bits, truncated: same as 32-bit).
 */
static inline void emit_lea32(struct emit *e, unsigned r, unsigned base, int32_t disp)
{
    emit_op_b(e, false, 0x8d, r, base, disp);
}

/* The same with a disp32 whatever its value, for a field that is patched later. */
static inline void emit_lea32_field(struct emit *e, unsigned r, unsigned base, int32_t disp)
{
    emit_rex(e, false, r, 0, base);
    emit8(e, 0x8d);
    emit8(e, 0x80 | (r & 7) << 3 | (base & 7));
    emit32(e, (uint32_t)disp);
}

static inline void emit_lea64(struct emit *e, unsigned r, unsigned base, int32_t disp)
{
    emit_op_b(e, true, 0x8d, r, base, disp);
}

/* lea dst32/64, [a + b] */
static inline void emit_add_lea(struct emit *e, bool w, unsigned dst, unsigned a, unsigned b)
{
    emit_op_x(e, w, 0x8d, dst, a, b);
}

/* lea r64, [r13 + r64 - EMIT_R13]: the host address of [r32] */
static inline void emit_lea_based(struct emit *e, unsigned r)
{
    emit_rex(e, true, r, r, H_R13);
    emit8(e, 0x8d);
    emit8(e, 0x44 | (r & 7) << 3);
    emit8(e, (r & 7) << 3 | (H_R13 & 7));
    emit8(e, (uint8_t)-EMIT_R13);
}

/* op r/m, imm8 with a register operand (group opcodes: C1 shifts, 0F BA bit tests..) */
static inline void emit_op_ri8(struct emit *e, unsigned op, unsigned ext, unsigned r, uint8_t imm)
{
    emit_rex(e, false, 0, 0, r);
    if (op > 0xff)
        emit8(e, op >> 8);
    emit8(e, op & 0xff);
    emit8(e, 0xc0 | ext << 3 | (r & 7));
    emit8(e, imm);
}

/* op r32, r32 in the "r/m, reg" direction (01 ADD, 09 OR, 31 XOR..) */
static inline void emit_op_rr(struct emit *e, unsigned op, unsigned rm, unsigned reg)
{
    emit_rex(e, false, reg, 0, rm);
    emit8(e, op);
    emit8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* movzx r32, r8 (low byte; any register) */
static inline void emit_movzx8(struct emit *e, unsigned dst, unsigned src)
{
    emit8(e, 0x40 | (dst >> 3 & 1) << 2 | (src >> 3 & 1));
    emit8(e, 0x0f);
    emit8(e, 0xb6);
    emit8(e, 0xc0 | (dst & 7) << 3 | (src & 7));
}

/* movzx r32, r16 */
static inline void emit_movzx16(struct emit *e, unsigned dst, unsigned src)
{
    emit_rex(e, false, dst, 0, src);
    emit8(e, 0x0f);
    emit8(e, 0xb7);
    emit8(e, 0xc0 | (dst & 7) << 3 | (src & 7));
}

/* mov r16, r16 */
static inline void emit_mov16(struct emit *e, unsigned dst, unsigned src)
{
    emit8(e, 0x66);
    emit_mov32(e, dst, src);
}

/* lea dst, [src << log2 + disp] */
static inline void emit_lea_scaled(struct emit *e, bool w, unsigned dst, unsigned src,
                                   unsigned log2, int32_t disp)
{
    emit_rex(e, w, dst, src, 0);
    emit8(e, 0x8d);
    emit8(e, 0x04 | (dst & 7) << 3);
    emit8(e, log2 << 6 | (src & 7) << 3 | 5);
    emit32(e, (uint32_t)disp);
}

/* RORX: no flags. */
void emit_rorx(struct emit *e, bool w, unsigned dst, unsigned src, uint8_t by);

/* NOT r32: no flags. */
static inline void emit_not32(struct emit *e, unsigned r)
{
    emit_rex(e, false, 0, 0, r);
    emit8(e, 0xf7);
    emit8(e, 0xd0 | (r & 7));
}

/* movzx r32, byte [base + disp] */
static inline void emit_ldzx8_b(struct emit *e, unsigned r, unsigned base, int32_t disp)
{
    emit_rex(e, false, r, 0, base);
    emit8(e, 0x0f);
    emit8(e, 0xb6);
    emit_mem_b(e, r, base, disp);
}

/* movzx r32, word [base + disp] */
static inline void emit_ldzx16_b(struct emit *e, unsigned r, unsigned base, int32_t disp)
{
    emit_rex(e, false, r, 0, base);
    emit8(e, 0x0f);
    emit8(e, 0xb7);
    emit_mem_b(e, r, base, disp);
}

/* setcc byte [base + disp] */
static inline void emit_setcc_b(struct emit *e, unsigned cc, unsigned base, int32_t disp)
{
    emit_rex(e, false, 0, 0, base);
    emit8(e, 0x0f);
    emit8(e, 0x90 | cc);
    emit_mem_b(e, 0, base, disp);
}

/* movzx r32, word of the window */
void emit_ldzx16_g(struct emit *e, unsigned r, const struct gmem *m);
/* mov r64, qword of the window */
void emit_ld64_g(struct emit *e, unsigned r, const struct gmem *m);
/* lea r32, guest effective address */
static inline void emit_lea_g(struct emit *e, unsigned r, const struct gmem *m)
{
    emit_rex(e, false, r, m->index == H_NONE ? 0 : m->index, m->base == H_NONE ? 0 : m->base);
    emit8(e, 0x8d);
    emit_mem_g(e, r, m);
}

/* CRC32 r64, r64 (SSE4.2; no flags). */
void emit_crc32(struct emit *e, unsigned dst, unsigned src);
/* SHRX r32, r/m32, r32 (BMI2; no flags). */
void emit_shrx(struct emit *e, unsigned dst, unsigned src, unsigned count);
/* The same with 64 bits. */
void emit_shrx64(struct emit *e, unsigned dst, unsigned src, unsigned count);
/* SARX, as SHRX. */
void emit_sarx(struct emit *e, bool w, unsigned dst, unsigned src, unsigned count);

/* movzx r32, byte [base + index] */
static inline void emit_ldzx8_x(struct emit *e, unsigned r, unsigned base, unsigned index)
{
    emit_rex(e, false, r, index, base);
    emit8(e, 0x0f);
    emit8(e, 0xb6);
    emit8(e, 0x44 | (r & 7) << 3);
    emit8(e, (index & 7) << 3 | (base & 7));
    emit8(e, 0);
}

/* op reg, [base + index*scale + disp32] */
static inline void emit_op_sib(struct emit *e, bool w, unsigned op, unsigned reg, unsigned base,
                               unsigned index, unsigned log2scale, int32_t disp)
{
    emit_rex(e, w, reg, index, base);
    emit8(e, op);
    emit8(e, 0x84 | (reg & 7) << 3);
    emit8(e, log2scale << 6 | (index & 7) << 3 | (base & 7));
    emit32(e, (uint32_t)disp);
}

/* Branches: emitted with a zero rel32; the return value is the place of the rel32 to patch. */
static inline uint8_t *emit_jmp(struct emit *e)
{
    emit8(e, 0xe9);
    emit32(e, 0);
    return e->p - 4;
}

static inline uint8_t *emit_jcc(struct emit *e, unsigned cc)
{
    emit8(e, 0x0f);
    emit8(e, 0x80 | cc);
    emit32(e, 0);
    return e->p - 4;
}

static inline uint8_t *emit_call(struct emit *e)
{
    emit8(e, 0xe8);
    emit32(e, 0);
    return e->p - 4;
}

/* JECXZ rel8; returns the place of the rel8. */
static inline uint8_t *emit_jecxz(struct emit *e)
{
    emit8(e, 0x67);
    emit8(e, 0xe3);
    emit8(e, 0);
    return e->p - 1;
}

static inline void emit_patch8(uint8_t *at, const uint8_t *target)
{
    *at = (uint8_t)(target - (at + 1));
}

/* at and target in the same view (or with both views' distance already applied). */
static inline void emit_patch32(uint8_t *at, const uint8_t *target)
{
    st32(at, (uint32_t)(target - (at + 4)));
}

#endif
