/* checker_isa.h - which host instructions the jail checker knows to be harmless (private to
 * checker.c).
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

#endif
