#include "host/codemem.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

int codemem_init(struct codemem *cm, size_t size)
{
    int err;

    *cm = (struct codemem){.size = size, .fd = -1};
    cm->fd = memfd_create("dragoman-code", MFD_CLOEXEC);
    if (cm->fd < 0)
        return -errno;
    if (ftruncate(cm->fd, (off_t)size) < 0)
        goto fail_fd;
    cm->rw = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, cm->fd, 0);
    if (cm->rw == MAP_FAILED)
        goto fail_fd;
    cm->rx = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, cm->fd, 0);
    if (cm->rx == MAP_FAILED)
        goto fail_rw;
    return 0;
fail_rw:
    err = -errno;
    munmap(cm->rw, size);
    close(cm->fd);
    return err;
fail_fd:
    err = -errno;
    close(cm->fd);
    return err;
}

void codemem_fini(struct codemem *cm)
{
    if (cm->fd < 0)
        return;
    munmap(cm->rw, cm->size);
    munmap(cm->rx, cm->size);
    close(cm->fd);
    cm->fd = -1;
}

uint8_t *codemem_begin(struct codemem *cm, size_t room)
{
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
