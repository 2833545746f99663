/* codemem.h - memory for generated code, never writable and executable at the same address.
 *
 * One shared anonymous mapping, mapped twice (not a memfd: perf takes it for JIT code and
 * reads its perf map): `rw` is where the translator writes, `rx` where the CPU executes; an
 * address in one view plus the constant rx - rw is the same byte in the other. Emission is a
 * transaction: codemem_begin() shows the free space, codemem_commit() keeps what was written,
 * not committing drops it. codemem_reset() forgets everything (the code cache is flushed as a
 * whole).
 */
#ifndef DRAGOMAN_HOST_CODEMEM_H
#define DRAGOMAN_HOST_CODEMEM_H

#include "base/types.h"

struct codemem {
    uint8_t *rw, *rx;
    size_t size, used;
    size_t populated; /* bytes that the host has given memory to already */
    bool large;       /* ... in large pages, so far */
};

int codemem_init(struct codemem *cm, size_t size) MUST_CHECK;
void codemem_fini(struct codemem *cm);

/* Free space as a writable pointer, or NULL when fewer than `room` bytes are left. */
uint8_t *codemem_begin(struct codemem *cm, size_t room);
/* Keeps `len` bytes from the last begin; the next block starts 16-byte aligned. */
void codemem_commit(struct codemem *cm, size_t len);
void codemem_reset(struct codemem *cm, size_t keep);

static inline uint8_t *codemem_to_rx(const struct codemem *cm, const uint8_t *rw)
{
    return cm->rx + (rw - cm->rw);
}

static inline uint8_t *codemem_to_rw(const struct codemem *cm, const uint8_t *rx)
{
    return cm->rw + (rx - cm->rx);
}

static inline bool codemem_contains(const struct codemem *cm, uint64_t rx)
{
    return rx - (uint64_t)(uintptr_t)cm->rx < cm->used;
}

#endif
