/* emit64.h - more of the emitter, for translations of 64-bit code.
 *
 *   emit_gs_*          gs:[disp32]            the monitor's hot structure, the table of deltas
 *   emit_lookup        dst = delta of the address in src: table entry of bits 47..32
 *   struct hea         a host effective address; emit_mem_h() is its ModRM, SIB and displacement
 */
#ifndef DRAGOMAN_TRANSLATOR_EMIT64_H
#define DRAGOMAN_TRANSLATOR_EMIT64_H

#include "translator/emit.h"

/* Host registers; H_NONE for absent parts. The index is never RSP. */
struct hea {
    uint8_t base, index, scale;
    int32_t disp;
    bool addr32; /* 67h: LEA only */
};

static inline void emit_gs(struct emit *e, bool w, unsigned op, unsigned reg, int32_t disp)
{
    emit8(e, 0x65);
    emit_rex(e, w, reg, 0, 0);
    emit8(e, op);
    emit8(e, 0x04 | (reg & 7) << 3);
    emit8(e, 0x25);
    emit32(e, (uint32_t)disp);
}

static inline void emit_gs_ld(struct emit *e, unsigned r, int32_t disp)
{
    emit_gs(e, true, 0x8b, r, disp);
}

static inline void emit_gs_st(struct emit *e, unsigned r, int32_t disp)
{
    emit_gs(e, true, 0x89, r, disp);
}

/* movzx r32, byte gs:[disp] */
static inline void emit_gs_ldzx8(struct emit *e, unsigned r, int32_t disp)
{
    emit8(e, 0x65);
    emit_rex(e, false, r, 0, 0);
    emit8(e, 0x0f);
    emit8(e, 0xb6);
    emit8(e, 0x04 | (r & 7) << 3);
    emit8(e, 0x25);
    emit32(e, (uint32_t)disp);
}

/* mov byte gs:[disp], imm */
static inline void emit_gs_st8imm(struct emit *e, int32_t disp, uint8_t imm)
{
    emit_gs(e, false, 0xc6, 0, disp);
    emit8(e, imm);
}

/* mov qword gs:[disp], sign-extended imm */
static inline void emit_gs_st64imm(struct emit *e, int32_t disp, uint32_t imm)
{
    emit_gs(e, true, 0xc7, 0, disp);
    emit32(e, imm);
}

/* mov dword gs:[disp], imm */
static inline void emit_gs_st32imm(struct emit *e, int32_t disp, uint32_t imm)
{
    emit_gs(e, false, 0xc7, 0, disp);
    emit32(e, imm);
}

/* The bytes behind the opcode. */
void emit_mem_h(struct emit *e, unsigned reg, const struct hea *a);
/* [REX] op ModRM..; op may be two bytes (0F xx). */
void emit_op_h(struct emit *e, bool w, unsigned op, unsigned reg, const struct hea *a);
/* dst = src rotated by 32; no flags. */
void emit_rorx32(struct emit *e, unsigned dst, unsigned src);
/* dst = table entry for the linear address in src; no flags. */
void emit_lookup(struct emit *e, unsigned dst, unsigned src);
/* dst = table entry for a constant linear address */
void emit_lookup_const(struct emit *e, unsigned dst, uint64_t lin);

static inline void emit_not64(struct emit *e, unsigned r)
{
    emit_rex(e, true, 0, 0, r);
    emit8(e, 0xf7);
    emit8(e, 0xd0 | (r & 7));
}

/* movsxd r64, r32 */
static inline void emit_movsxd(struct emit *e, unsigned dst, unsigned src)
{
    emit_rex(e, true, dst, 0, src);
    emit8(e, 0x63);
    emit8(e, 0xc0 | (dst & 7) << 3 | (src & 7));
}

static inline void emit_push(struct emit *e, unsigned r)
{
    emit_rex(e, false, 0, 0, r);
    emit8(e, 0x50 | (r & 7));
}

static inline void emit_pop(struct emit *e, unsigned r)
{
    emit_rex(e, false, 0, 0, r);
    emit8(e, 0x58 | (r & 7));
}

/* JRCXZ rel8; returns the place of the rel8. */
static inline uint8_t *emit_jrcxz(struct emit *e)
{
    emit8(e, 0xe3);
    emit8(e, 0);
    return e->p - 1;
}

#endif
