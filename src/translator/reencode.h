/* reencode.h - emits a guest instruction again, for 64-bit host mode, canonically.
 *
 * Raw bytes are never copied: prefixes are rebuilt, ignored VEX bits are made canonical
 * (pitfalls A13). Guest ESP becomes R12; other GPRs keep their numbers. The memory operand is
 * replaced by what the caller gives.
 */
#ifndef DRAGOMAN_TRANSLATOR_REENCODE_H
#define DRAGOMAN_TRANSLATOR_REENCODE_H

#include "translator/decode.h"
#include "translator/emit64.h"

enum remem_kind {
    REMEM_WINDOW, /* guest operand: emit_based(), else gs:[same base + index*scale + both disps],
                     67h */
    REMEM_BASE,   /* [host base register + disp32], 64-bit, no prefix */
    REMEM_INDEX,  /* [host base + host index], 64-bit, scale 1 */
};

struct remem {
    enum remem_kind kind;
    uint8_t base, index; /* host register numbers */
    int32_t disp;
    bool wraps; /* as in struct gmem */
};

enum { REENCODE_MAX = 24 };

/* True when this instruction can be re-emitted with at most `REENCODE_MAX` bytes. False: a form
 * that does not exist in 64-bit mode, AH-BH that would need REX, VSIB (unless REMEM_WINDOW), 16-bit
 * address with REMEM_WINDOW... The caller then goes another way. Writes *len bytes to out. */
bool reencode(const struct insn *i, const struct remem *mem, uint8_t *out, unsigned *len);

/* The same for an x87 or vector instruction of 64-bit code: its memory operand becomes [bounce], a
 * GPR operand RSP becomes register `rsp`, all other registers keep their numbers. */
bool reencode_long(const struct insn *i, unsigned bounce, unsigned rsp, uint8_t *out,
                   unsigned *len);

/* An instruction of 64-bit code whose registers are in the host's of the same number but for RSP,
 * which is in `rsp` where it is an operand; its memory operand becomes `a`. False: not to be copied
 * (bit strings with a register offset, gathers, AH-BH that would need REX, opcodes not listed). */
bool reencode64(const struct insn *i, const struct hea *a, unsigned rsp, uint8_t *out,
                unsigned *len);

#endif
