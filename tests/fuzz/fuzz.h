/* fuzz.h - what the fuzz targets share.
 *
 * A target is one file with LLVMFuzzerTestOneInput(). Linked against libFuzzer (scripts/fuzz) it
 * explores; linked against replay.c it is a test: the corpus, then a bounded run of deterministic
 * mutations. Whatever the bytes are, the answer is a return: a crash, a hang or a failed FUZZ_CHECK
 * is a bug.
 */
#ifndef DRAGOMAN_TESTS_FUZZ_H
#define DRAGOMAN_TESTS_FUZZ_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a run means is lost without the numbers, so a failure prints them. */
#define FUZZ_CHECK(ok, ...) ((ok) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #ok, __VA_ARGS__))

PRINTF_LIKE(4, 5)
static inline void fuzz_fail(const char *file, int line, const char *what, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s:%d: %s: ", file, line, what);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}

/* The input, taken from the front; zeros when it has run out. */
struct fuzz_bytes {
    const uint8_t *p;
    size_t left;
};

static inline uint64_t fuzz_take(struct fuzz_bytes *b, unsigned bytes)
{
    uint64_t v = 0;
    unsigned n = b->left < bytes ? (unsigned)b->left : bytes;

    memcpy(&v, b->p, n);
    b->p += n;
    b->left -= n;
    return v;
}

#endif
