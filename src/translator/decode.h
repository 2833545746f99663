/* decode.h - one decoded guest instruction, in the form both engines work on.
 *
 * Zydis decodes; decode_insn() keeps what the interpreter and the translator need. Operands are
 * the visible (explicit) ones, in Intel order. Encoding facts are kept for re-encoding
 * (reencode.h). A decoded instruction depends on its bytes and on the code size (16/32/64) only.
 */
#ifndef DRAGOMAN_TRANSLATOR_DECODE_H
#define DRAGOMAN_TRANSLATOR_DECODE_H

#include "cpu/cpu.h"

enum opnd_kind {
    OPND_NONE,
    OPND_GPR, /* reg 0-15; with size 1, 16-19 are AH CH DH BH */
    OPND_SEG,
    OPND_CR,
    OPND_DR,
    OPND_MEM,  /* address in the insn's mem fields */
    OPND_AGEN, /* LEA and friends: address only */
    OPND_IMM,  /* insn.imm (or insn.imm2 for the second immediate) */
    OPND_REL,  /* branch displacement in insn.imm, relative to the next instruction */
    OPND_FAR,  /* ptr16:16/32: selector in imm2, offset in imm */
    OPND_ST,
    OPND_MMX,
    OPND_XMM,
    OPND_YMM,
    OPND_OTHER, /* ZMM, mask, bound, tile..: rows that use it are #UD */
};

struct opnd {
    uint8_t kind;
    uint8_t size; /* bytes */
    uint8_t reg;
    uint8_t access; /* 1 read, 2 write, 3 both */
};

enum insn_prefix {
    PFX_LOCK = 1 << 0,
    PFX_REP = 1 << 1,    /* F3 acting as REP/REPE */
    PFX_REPNE = 1 << 2,  /* F2 acting as REPNE */
    PFX_OPSIZE = 1 << 3, /* 66 present */
    PFX_ADSIZE = 1 << 4, /* 67 present */
    PFX_SEG = 1 << 5,    /* explicit segment override present */
};

enum insn_encoding { ENC_LEGACY, ENC_VEX, ENC_3DNOW, ENC_OTHER };

enum {
    NO_REG = 0xff,
    BASE_RIP = 0xfe /* base of a RIP-relative operand */,
    MAX_INSN = 15,
    MAX_OPNDS = 4
};

struct row;
struct insn;

/* The meaning of an instruction: interpreter, callout and oracle are this one function.
 * True: done, continue at c->next_rip. False: fault recorded in c->fault, nothing committed. */
typedef bool exec_fn(struct cpu *c, const struct insn *i);

struct insn {
    exec_fn *exec;
    const struct row *row;
    struct opnd op[MAX_OPNDS];
    uint64_t imm; /* sign-extended as the instruction does */
    int64_t disp;
    uint16_t imm2;
    uint16_t mnemonic; /* ZydisMnemonic */
    uint8_t nops;
    uint8_t len;
    uint8_t opsize; /* effective operand size: 1, 2, 4, 8 bytes (1 for byte forms) */
    uint8_t adsize; /* effective address size: 2, 4, 8 */
    uint8_t prefixes;
    uint8_t seg;         /* segment of the memory operand, override applied */
    uint8_t base, index; /* GPR numbers or NO_REG */
    uint8_t scale;       /* 1, 2, 4, 8 */
    uint8_t enc;         /* enum insn_encoding */
    uint8_t map;         /* opcode map: 0 one-byte, 1 0F, 2 0F38, 3 0F3A */
    uint8_t opcode;
    uint8_t has_modrm, modrm;
    uint8_t mand; /* mandatory prefix 0, 66h, F2h, F3h (VEX: pp as the same byte) */
    uint8_t rex;  /* REX or VEX bits, not inverted: W 8, R 4, X 2, B 1; 0 outside 64-bit code */
    uint8_t vex_w, vex_l, vex_vvvv; /* vvvv as a plain register number (not inverted), VEX only */
    uint8_t vsib;                   /* index is a vector register */
    uint8_t imm_size;               /* bytes of immediate in the encoding (both) */
    uint8_t flags_read, flags_written; /* arithmetic flags: bit 0 CF, 1 PF, 2 AF, 3 ZF, 4 SF, 5 OF;
                                          written includes undefined */
    uint16_t gpr_used, gpr_written;    /* 64-bit code: masks, implicit operands included */
    uint8_t bytes[MAX_INSN];
};

enum decode_status { DECODE_OK, DECODE_UD, DECODE_SHORT, DECODE_TOO_LONG };

/* Decodes at most len (<= 15 useful) bytes. bits is 16, 32 or 64. DECODE_SHORT: more bytes are
 * needed. DECODE_UD: no such instruction (i->len is 0, i->exec raises #UD). Never reads past len.
 */
enum decode_status decode_insn(const uint8_t *bytes, size_t len, unsigned bits, struct insn *i);

/* Where the encoding has its fields. */
struct insn_fields {
    uint8_t disp_at, disp_size; /* bytes; size 0: none */
    uint8_t imm_at, imm_size;
    bool imm_signed;
    bool shift; /* by the immediate: flags_read depends on it */
    bool plain; /* of what struct insn says only disp and imm (and bytes) depend on these fields */
};

/* decode_insn(), and *f when it is DECODE_OK. */
enum decode_status decode_fields(const uint8_t *bytes, size_t len, unsigned bits, struct insn *i,
                                 struct insn_fields *f);

/* The operand in memory; NULL: none. */
static inline const struct opnd *insn_mem(const struct insn *i)
{
    for (unsigned k = 0; k < i->nops; k++)
        if (i->op[k].kind == OPND_MEM)
            return &i->op[k];
    return NULL;
}

/* BT, BTS, BTR, BTC of memory with the bit's offset in a register, which reaches far from the
 * operand's address. */
static inline bool insn_bit_string(const struct insn *i)
{
    return i->map == 1 && (i->opcode & 0xe7) == 0xa3 && insn_mem(i);
}

/* JMP, CALL, RET of the kind that loads CS (Zydis uses one mnemonic for near and far). Such
 * instructions have rows of their own (row_form.h), so i->row->lower tells them apart as well. */
static inline bool insn_is_far(const struct insn *i)
{
    if (i->op[0].kind == OPND_FAR)
        return true;
    if (i->map != 0 || i->enc != ENC_LEGACY)
        return false;
    if (i->opcode == 0xff)
        return (i->modrm >> 3 & 7) == 3 || (i->modrm >> 3 & 7) == 5;
    return i->opcode == 0xca || i->opcode == 0xcb;
}

#endif
