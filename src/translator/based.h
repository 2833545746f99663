/* based.h - which operands of 32-bit code go by way of R13 (emit_based()) and which by GS.
 *
 * Loads do: they come two cycles sooner. What also computes, and stores, stay with GS: with an
 * index, a value that was stored a moment ago does not come back as fast (docs/performance.md).
 */
#ifndef DRAGOMAN_TRANSLATOR_BASED_H
#define DRAGOMAN_TRANSLATOR_BASED_H

#include "translator/decode.h"

/* `opcode` is that of the instruction that is emitted. */
bool based_pays(const struct insn *i, uint8_t opcode);

#endif
