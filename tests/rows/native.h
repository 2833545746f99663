/* native.h - the reference: 32-bit code on the host CPU itself.
 *
 * A child process has the test regions mapped at their linear addresses. It enters 32-bit code by
 * returning from a signal handler with the user's 32-bit code selector (23h) and the test's
 * registers, and leaves it with the signal that the final HLT, or a fault, raises. A child that
 * dies is replaced.
 */
#ifndef DRAGOMAN_TESTS_ROWS_NATIVE_H
#define DRAGOMAN_TESTS_ROWS_NATIVE_H

#include "state.h"

struct native;

/* NULL: the host can't do it; *why says what. */
struct native *native_open(const char **why);
void native_close(struct native *n);
/* Memory below 64 KiB could be mapped. */
bool native_has_low(const struct native *n);
/* Something of the process itself lies there, as AddressSanitizer's shadow does: a test that gets
 * there does not fault. */
bool native_foreign(const struct native *n, uint32_t lin);
/* False: the child died. mem and s are what the test begins with, and then what it ended with. */
bool native_run(struct native *n, struct test_mem *mem, struct test_state *s);

#endif
