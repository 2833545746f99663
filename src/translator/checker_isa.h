/* checker_isa.h - which host instructions the jail checker knows to be harmless (private to
 * the checker).
 *
 * An allow-list by Zydis category and ISA set: what is not in it - system calls, I/O, segment and
 * protection-key writes, XBEGIN, CET, WAITPKG, MOVDIR64B, CPUID, images with host pointers in them,
 * whatever comes next - is refused.
 */
#ifndef DRAGOMAN_TRANSLATOR_CHECKER_ISA_H
#define DRAGOMAN_TRANSLATOR_CHECKER_ISA_H

#include <Zydis/Zydis.h>
#include <stdbool.h>

/* The instruction may be in a block; its operands are still to be looked at. */
bool checker_isa_allows(const ZydisDecodedInstruction *in);
/* The same in a block of 64-bit code: it has the guest's stack, and nothing to CALL. */
bool checker_isa_allows64(const ZydisDecodedInstruction *in);

/* Number of the 64-bit register that `r` is or is part of; -1: not a general one. */
int checker_gpr(ZydisRegister r);
/* Segment, control, debug registers and their like. */
bool checker_is_system(ZydisRegister r);
/* BT, BTS, BTR, BTC */
bool checker_is_bit_string(const ZydisDecodedInstruction *in);

static inline bool checker_writes(const ZydisDecodedOperand *o)
{
    return o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
}

static inline bool checker_reads(const ZydisDecodedOperand *o)
{
    return o->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
}

#endif
