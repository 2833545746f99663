/* host.h - the third opinion: what the host CPU makes of some bytes.
 *
 * They are put before the end of a page that no other follows, and single-stepped in a traced
 * child: a fetch fault at the next page says that the instruction is longer. System calls are
 * not executed (PTRACE_SYSEMU_SINGLESTEP), and registers point nowhere, so nothing is written.
 */
#ifndef DRAGOMAN_TESTS_DECODE_HOST_H
#define DRAGOMAN_TESTS_DECODE_HOST_H

#include <stdbool.h>
#include <stdint.h>

enum host_verdict {
    HOST_VALID, /* executed, or a fault that a valid instruction raises */
    HOST_UD,
    HOST_LONGER, /* wants more bytes */
    HOST_UNKNOWN /* this mode can't be tried, or the child died */
};

struct host;

/* NULL: no tracing here. */
struct host *host_open(void);
void host_close(struct host *h);

/* mode: 0, 1, 2 for 16-, 32-, 64-bit code. n: bytes before the end of the page. */
enum host_verdict host_try(struct host *h, unsigned mode, const uint8_t *bytes, unsigned n);

/* Tries 1, 2.. up to max bytes: the verdict that is not HOST_LONGER, and in *len the bytes used. */
enum host_verdict host_decode(struct host *h, unsigned mode, const uint8_t *bytes, unsigned max,
                              unsigned *len);

/* 64-bit code, after a host_try() that executed: the register by its number. */
uint64_t host_gpr(const struct host *h, unsigned reg);

#endif
