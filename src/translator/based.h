/* based.h - which operands of 32-bit code go by way of R13 (emit_based()) and which by GS.
 *
 * A base and an index leave as much room in the pipeline as GS does with most loads and stores, and
 * with what computes in a register it also reads. They take a micro-operation more with
 * comparisons, ADC, SBB, CMOV and VEX's three operands; where memory is read and written nothing is
 * gained. x87 is left alone: the guest sees its data pointer.
 */
#ifndef DRAGOMAN_TRANSLATOR_BASED_H
#define DRAGOMAN_TRANSLATOR_BASED_H

#include "translator/decode.h"

/* `opcode` is that of the instruction that is emitted. */
bool based_pays(const struct insn *i, uint8_t opcode);

#endif
