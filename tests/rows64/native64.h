/* native64.h - runs a test of 64-bit code on the host CPU.
 *
 * As tests/rows/native.h: a child process where the regions are mapped at their linear addresses,
 * entered by the return from a signal handler and left by the signal of the final HLT or a fault.
 * FS and GS bases are the test's, for as long as it runs.
 */
#ifndef DRAGOMAN_TESTS_ROWS64_NATIVE64_H
#define DRAGOMAN_TESTS_ROWS64_NATIVE64_H

#include "state64.h"

struct native64;

/* NULL: the host can't do it; *why says what. */
struct native64 *native64_open(const char **why);
void native64_close(struct native64 *n);
/* The process has memory of its own there. */
bool native64_foreign(const struct native64 *n, uint64_t lin);
/* False: the child died. o: what the test begins with, and then what it ended with. */
bool native64_run(struct native64 *n, struct outcome64 *o);

#endif
