/* physmem.h - what answers at a guest physical address.
 *
 * Guest RAM is one memfd, mapped once, contiguously, in the monitor (`hva`). Low RAM is
 * [0, low_end), with low_end at most PHYSMEM_HOLE; what does not fit lies at 4 GiB and above.
 * memfd offset of low RAM = gpa; of high RAM = gpa - 4 GiB + low_end. So a "frame index"
 * (memfd offset >> 12, in [0, nframes)) numbers RAM pages densely: per-page arrays use it.
 * [0xA0000, 0xC0000) is never RAM (VGA hole: mmio bus). [0xC0000, 0x100000) is RAM used for
 * firmware tables.
 *
 * Every monitor write to guest RAM (loader, DMA, emulated stores, A/D updates) must go through
 * physmem_write() or call physmem_written() after the data is there.
 */
#ifndef DRAGOMAN_BUS_PHYSMEM_H
#define DRAGOMAN_BUS_PHYSMEM_H

#include "base/types.h"
#include "bus/bus.h"

#define PHYSMEM_HOLE   UINT64_C(0xC0000000) /* PCI and chipset space up to 4 GiB */
#define PHYSMEM_HIGH   UINT64_C(0x100000000)
#define VGA_HOLE_START UINT64_C(0xA0000)
#define VGA_HOLE_END   UINT64_C(0xC0000)

struct physmem {
    hva_t hva;     /* the whole memfd, read-write, never executable */
    int fd;        /* the memfd; -1 in tests that need no shadow */
    uint64_t size; /* bytes of RAM, a multiple of the page size */
    uint64_t low_end;
    uint64_t nframes; /* size >> 12 */
    struct bus *mmio; /* everything that is not RAM */
    /* One bit per frame: pages somebody watches (code, page tables). Kept by the watcher. */
    void (*written)(void *opaque, gpa_t pa, size_t len); /* may be NULL */
    void *opaque;
};

/* `hva` and `fd` stay the caller's. Never fails. */
void physmem_init(struct physmem *pm, hva_t hva, int fd, uint64_t size, struct bus *mmio);

/* memfd offset of pa, or UINT64_MAX when pa is not RAM. */
static inline uint64_t physmem_offset(const struct physmem *pm, gpa_t pa)
{
    if (pa < pm->low_end)
        return pa >= VGA_HOLE_START && pa < VGA_HOLE_END ? UINT64_MAX : pa;
    if (pa >= PHYSMEM_HIGH && pa - PHYSMEM_HIGH < pm->size - pm->low_end)
        return pa - PHYSMEM_HIGH + pm->low_end;
    return UINT64_MAX;
}

/* Pointer to the byte at pa, valid to the end of its page; NULL when not RAM. */
static inline hva_t physmem_ptr(const struct physmem *pm, gpa_t pa)
{
    uint64_t off = physmem_offset(pm, pa);

    return off == UINT64_MAX ? NULL : pm->hva + off;
}

/* Copies between a buffer and RAM. Returns 0, or -EFAULT (nothing copied) when any byte is not RAM.
 */
int physmem_read(const struct physmem *pm, gpa_t pa, void *buf, size_t len) MUST_CHECK;
int physmem_write(struct physmem *pm, gpa_t pa, const void *buf, size_t len) MUST_CHECK;
int physmem_fill(struct physmem *pm, gpa_t pa, uint8_t byte, size_t len) MUST_CHECK;

/* Tells the watcher that [pa, pa + len) has new contents. */
static inline void physmem_written(struct physmem *pm, gpa_t pa, size_t len)
{
    if (pm->written)
        pm->written(pm->opaque, pa, len);
}

#endif
