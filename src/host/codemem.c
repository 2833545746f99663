#include "host/codemem.h"

#include <errno.h>
#include <sys/mman.h>

enum { LARGE_PAGE = 2 << 20, POPULATE = 256 * 1024 };

/* MADV_COLLAPSE of Linux 6.1, younger than the C library of Debian 12. */
enum { COLLAPSE = 25 };

/* Address space at a multiple of a large page. NULL: errno. */
static uint8_t *reserve(size_t size)
{
    size_t skip;
    uint8_t *p = mmap(NULL, size + LARGE_PAGE, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    skip = -(uintptr_t)p & (LARGE_PAGE - 1);
    if (skip)
        munmap(p, skip);
    munmap(p + skip + size, LARGE_PAGE - skip);
    return p + skip;
}

static int map_both(struct codemem *cm)
{
    cm->rw = reserve(cm->size);
    cm->rx = reserve(cm->size);
    if (!cm->rw || !cm->rx)
        return -errno;
    if (mmap(cm->rw, cm->size, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        return -errno;
    /* Old size 0: a second mapping of the same shared pages (mremap(2)). */
    if (mremap(cm->rw, 0, cm->size, MREMAP_MAYMOVE | MREMAP_FIXED, cm->rx) == MAP_FAILED)
        return -errno;
    return mprotect(cm->rx, cm->size, PROT_READ | PROT_EXEC) < 0 ? -errno : 0;
}

int codemem_init(struct codemem *cm, size_t size)
{
    int err;

    size = (size + PAGE_MASK) & ~(size_t)PAGE_MASK;
    *cm = (struct codemem){.size = size, .large = true};
    err = map_both(cm);
    if (err < 0)
        codemem_fini(cm);
    return err;
}

void codemem_fini(struct codemem *cm)
{
    if (cm->rw)
        munmap(cm->rw, cm->size);
    if (cm->rx)
        munmap(cm->rx, cm->size);
    cm->rw = cm->rx = NULL;
}

/* Code that runs for the first time misses the TLB for each small page, which nested paging makes
 * dear; and a large page costs a quarter of 512 small ones. False: none to be had. */
static bool populate_large(struct codemem *cm)
{
    uint8_t *rw = cm->rw + cm->populated, *rx = cm->rx + cm->populated;

    if (!cm->large || cm->populated % LARGE_PAGE || cm->size - cm->populated < LARGE_PAGE)
        return false;
    /* What has no page table is not collapsed. */
    (void)*(volatile uint8_t *)rw;
    (void)*(volatile uint8_t *)rx;
    cm->large = madvise(rw, LARGE_PAGE, COLLAPSE) == 0 && madvise(rx, LARGE_PAGE, COLLAPSE) == 0;
    if (cm->large)
        cm->populated += LARGE_PAGE;
    return cm->large;
}

/* A call for many pages costs less than a fault for each. When it fails, they fault. */
static void populate(struct codemem *cm)
{
    size_t len = cm->size - cm->populated < POPULATE ? cm->size - cm->populated : POPULATE;

    if (populate_large(cm))
        return;
    madvise(cm->rw + cm->populated, len, MADV_POPULATE_WRITE);
    madvise(cm->rx + cm->populated, len, MADV_POPULATE_READ);
    cm->populated += len;
}

uint8_t *codemem_begin(struct codemem *cm, size_t room)
{
    if (cm->used + room > cm->populated && cm->populated < cm->size)
        populate(cm);
    return cm->size - cm->used < room ? NULL : cm->rw + cm->used;
}

void codemem_commit(struct codemem *cm, size_t len)
{
    cm->used = (cm->used + len + 15) & ~(size_t)15;
    if (cm->used > cm->size)
        cm->used = cm->size;
}

void codemem_reset(struct codemem *cm, size_t keep)
{
    cm->used = keep;
}
