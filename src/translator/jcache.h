/* jcache.h - places in a context's jump cache (private to the translator): a target has two.
 * Entries are made by ctx.c; landings (landing.c) come before them.
 */
#ifndef DRAGOMAN_TRANSLATOR_JCACHE_H
#define DRAGOMAN_TRANSLATOR_JCACHE_H

#include <stdint.h>

enum {
    BT_LANDINGS = 65536,
    BT_JCACHE = 32768, /* entries: 15 bits of a hash, SHRX by R13 */
    BT_SHIFT = 17,
};

/* CRC32 mixes all bits and touches no flags: generated code computes the same (lower_branch.c). */
static inline uint32_t bt_jcache_index(uint64_t rip)
{
    uint64_t h = BT_SHIFT;

    __asm__("crc32q %1, %0" : "+r"(h) : "r"(rip));
    return (uint32_t)h >> BT_SHIFT;
}

/* A target's second place, where the stubs of indirect branches look before they leave. */
static inline uint32_t bt_jcache_second(uint64_t rip)
{
    return bt_jcache_index(__builtin_bswap64(rip));
}

#endif
