/* undef.h - which arithmetic flags an instruction leaves undefined (SDM 2, "Flags Affected"). */
#ifndef DRAGOMAN_TESTS_ROWS_UNDEF_H
#define DRAGOMAN_TESTS_ROWS_UNDEF_H

#include "translator/decode.h"

/* EFLAGS bits that may be undefined after it, for any operands. */
uint32_t undef_flags(const struct insn *i);
/* The same for a run of instructions, executed straight through as 32- or 64-bit code. */
uint32_t undef_flags_of_code(const uint8_t *bytes, size_t len, unsigned bits);

#endif
