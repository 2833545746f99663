/* memcpy and friends without vector registers.
 *
 * Callouts run with the guest's live x87/SSE/AVX state (invariant 4). -mgeneral-regs-only keeps our
 * own code away from it, but a structure copy may become a call of libc's memcpy, which uses AVX.
 * These definitions take precedence for everything linked into the executable.
 */
#include <stddef.h>

#include "base/bits.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memset(void *dst, int c, size_t n);
void *memmove(void *dst, const void *src, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#ifndef __SANITIZE_ADDRESS__

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    void *d = dst;

    __asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n)::"memory");
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    void *d = dst;

    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    unsigned char *d = dst;
    const unsigned char *s = src;

    if (d <= s || d >= s + n) {
        __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n)::"memory");
        return dst;
    }
    while (n--) {
        d[n] = s[n];
        __asm__ volatile("" ::: "memory"); /* or the loop becomes a call of memmove */
    }
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a, *q = b;
    size_t i = 0;

    for (; i + 8 <= n && ld64(p + i) == ld64(q + i); i += 8)
        ;
    for (; i < n; i++)
        if (p[i] != q[i])
            return p[i] - q[i];
    return 0;
}

#endif
