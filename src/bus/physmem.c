#include "bus/physmem.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void physmem_init(struct physmem *pm, hva_t hva, int fd, uint64_t size, struct bus *mmio)
{
    assert(size % PAGE_SIZE == 0);
    memset(pm, 0, sizeof(*pm));
    pm->hva = hva;
    pm->fd = fd;
    pm->size = size;
    pm->low_end = size < PHYSMEM_HOLE ? size : PHYSMEM_HOLE;
    pm->nframes = size >> PAGE_SHIFT;
    pm->mmio = mmio;
}

/* Bytes of RAM that follow pa without a hole; 0 when pa is not RAM. Within such a run the memfd
 * offsets are contiguous too, so one copy serves it. */
static uint64_t run_length(const struct physmem *pm, gpa_t pa)
{
    if (physmem_offset(pm, pa) == UINT64_MAX)
        return 0;
    if (pa >= PHYSMEM_HIGH)
        return pm->size - pm->low_end - (pa - PHYSMEM_HIGH);
    if (pa < VGA_HOLE_START && pm->low_end > VGA_HOLE_START)
        return VGA_HOLE_START - pa;
    return pm->low_end - pa;
}

int physmem_read(const struct physmem *pm, gpa_t pa, void *buf, size_t len)
{
    if (len > run_length(pm, pa))
        return -EFAULT;
    if (len)
        memcpy(buf, physmem_ptr(pm, pa), len);
    return 0;
}

int physmem_write(struct physmem *pm, gpa_t pa, const void *buf, size_t len)
{
    if (len > run_length(pm, pa))
        return -EFAULT;
    if (len) {
        memcpy(physmem_ptr(pm, pa), buf, len);
        physmem_written(pm, pa, len);
    }
    return 0;
}

int physmem_fill(struct physmem *pm, gpa_t pa, uint8_t byte, size_t len)
{
    if (len > run_length(pm, pa))
        return -EFAULT;
    if (len) {
        memset(physmem_ptr(pm, pa), byte, len);
        physmem_written(pm, pa, len);
    }
    return 0;
}
