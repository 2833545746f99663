/* bits.h - loads and stores of little- and big-endian values at any alignment, and bit helpers.
 *
 * Guest data has no alignment promise; everything that reads a guest structure
 * or a file goes through these.
 */
#ifndef DRAGOMAN_BASE_BITS_H
#define DRAGOMAN_BASE_BITS_H

#include "base/types.h"

static inline uint16_t ld16(const void *p)
{
    uint16_t v;
    __builtin_memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t ld32(const void *p)
{
    uint32_t v;
    __builtin_memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint64_t ld64(const void *p)
{
    uint64_t v;
    __builtin_memcpy(&v, p, sizeof(v));
    return v;
}

static inline void st16(void *p, uint16_t v)
{
    __builtin_memcpy(p, &v, sizeof(v));
}

static inline void st32(void *p, uint32_t v)
{
    __builtin_memcpy(p, &v, sizeof(v));
}

static inline void st64(void *p, uint64_t v)
{
    __builtin_memcpy(p, &v, sizeof(v));
}

/* Big-endian, as disk formats and SCSI have them. */
static inline uint16_t ld16be(const void *p)
{
    return __builtin_bswap16(ld16(p));
}

static inline uint32_t ld32be(const void *p)
{
    return __builtin_bswap32(ld32(p));
}

static inline uint64_t ld64be(const void *p)
{
    return __builtin_bswap64(ld64(p));
}

static inline void st16be(void *p, uint16_t v)
{
    st16(p, __builtin_bswap16(v));
}

static inline void st32be(void *p, uint32_t v)
{
    st32(p, __builtin_bswap32(v));
}

static inline void st64be(void *p, uint64_t v)
{
    st64(p, __builtin_bswap64(v));
}

/* The low `bytes` (1, 2, 4 or 8) bytes of v. */
static inline uint64_t trunc_bytes(uint64_t v, unsigned bytes)
{
    return bytes >= 8 ? v : v & ((UINT64_C(1) << (bytes * 8)) - 1);
}

/* Sign-extends the low `bytes` (1, 2, 4 or 8) bytes of v. */
static inline int64_t sext_bytes(uint64_t v, unsigned bytes)
{
    unsigned shift = 64 - bytes * 8;

    return (int64_t)(v << shift) >> shift;
}

static inline uint64_t align_down(uint64_t v, uint64_t to)
{
    return v & ~(to - 1);
}

static inline uint64_t align_up(uint64_t v, uint64_t to)
{
    return (v + to - 1) & ~(to - 1);
}

#endif
