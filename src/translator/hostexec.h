/* hostexec.h - runs one guest instruction on the host's own units, with the guest's registers.
 *
 * The meaning of x87, MMX, SSE, AVX, AES, BMI.. rows: the instruction is re-encoded with its memory
 * operand replaced by a bounce buffer, kept in a small cache of stubs (W^X), and executed with the
 * guest's GPRs, flags and XSAVE image loaded. Host exceptions (#XM, #MF, #DE) come back as guest
 * ones.
 */
#ifndef DRAGOMAN_TRANSLATOR_HOSTEXEC_H
#define DRAGOMAN_TRANSLATOR_HOSTEXEC_H

#include "translator/decode.h"

struct hostexec;

int hostexec_create(struct hostexec **out) MUST_CHECK;
void hostexec_destroy(struct hostexec *h);

/* Executes i on c. Memory operand (if any) is read before and written after with all guest checks;
 * `false` leaves a recorded fault and no change. */
bool hostexec_run(struct hostexec *h, struct cpu *c, const struct insn *i);

/* SIGFPE/SIGILL/SIGSEGV inside a stub: if pc (host) belongs to a running stub, returns the address
 * to continue at and records which trap it was; 0 otherwise. Async-signal-safe. */
uint64_t hostexec_signal(struct hostexec *h, uint64_t pc, unsigned trapno);

#endif
