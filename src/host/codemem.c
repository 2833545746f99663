#include "host/codemem.h"

#include <errno.h>
#include <sys/mman.h>

enum { POPULATE = 256 * 1024 };

int codemem_init(struct codemem *cm, size_t size)
{
    int err;

    *cm = (struct codemem){.size = size};
    cm->rw =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (cm->rw == MAP_FAILED) {
        cm->rw = NULL;
        return -errno;
    }
    /* Old size 0: a second mapping of the same shared pages (mremap(2)). */
    cm->rx = mremap(cm->rw, 0, size, MREMAP_MAYMOVE);
    if (cm->rx == MAP_FAILED)
        goto fail;
    if (mprotect(cm->rx, size, PROT_READ | PROT_EXEC) < 0)
        goto fail_rx;
    return 0;
fail_rx:
    err = -errno;
    munmap(cm->rx, size);
    munmap(cm->rw, size);
    cm->rw = NULL;
    return err;
fail:
    err = -errno;
    munmap(cm->rw, size);
    cm->rw = NULL;
    return err;
}

void codemem_fini(struct codemem *cm)
{
    if (!cm->rw)
        return;
    munmap(cm->rw, cm->size);
    munmap(cm->rx, cm->size);
    cm->rw = NULL;
}

/* A call for many pages costs less than a fault for each. When it fails, they fault. */
static void populate(struct codemem *cm)
{
    size_t len = cm->size - cm->populated < POPULATE ? cm->size - cm->populated : POPULATE;

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
