/* types.h - the address spaces of a virtual machine, one type name each.
 *
 * Passing a guest virtual address where a guest physical one is meant is the
 * classic bug of a virtualizer; these names make it visible in every prototype.
 */
#ifndef DRAGOMAN_BASE_TYPES_H
#define DRAGOMAN_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t gva_t; /* guest linear: after segmentation, before paging   */
typedef uint64_t gpa_t; /* guest physical                                    */
typedef uint64_t gfn_t; /* guest frame number: gpa_t >> 12                   */
typedef uint8_t *hva_t; /* host virtual: a pointer into our own process      */

enum {
    PAGE_SHIFT = 12,
    PAGE_SIZE = 1 << PAGE_SHIFT,
    PAGE_MASK = PAGE_SIZE - 1, /* offset bits */
};

#define MUST_CHECK                      __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args)          __attribute__((format(printf, fmt, args)))
#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define KIB        UINT64_C(1024)
#define MIB        (KIB * 1024)
#define GIB        (MIB * 1024)
#define NS_PER_SEC UINT64_C(1000000000)

#endif
