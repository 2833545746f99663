/* physmem.h - what answers at a guest physical address.
 *
 * Guest RAM is one memfd, mapped once, contiguously, in the monitor (`hva`). Low RAM is
 * [0, low_end), with low_end at most PHYSMEM_HOLE; what does not fit lies at 4 GiB and above.
 * memfd offset of low RAM = gpa; of high RAM = gpa - 4 GiB + low_end. So a "frame index"
 * (memfd offset >> 12, in [0, nframes)) numbers RAM pages densely: per-page arrays use it.
 *
 * From A0000h to FFFFFh a chipset decides, 16 KiB segment by segment, whether RAM answers reads and
 * takes writes (physmem_set_segments). At the start the VGA hole [A0000h, C0000h) is no RAM and the
 * rest is. A segment that RAM does not answer belongs to the mmio bus, for writes, too; writes to
 * one that is only read from RAM go to the mmio bus. With A20 closed, address bit 20 is 0.
 *
 * Behind RAM the memfd may hold one more area, video memory, which is shown where a base address
 * register says (physmem_show_area). Its frames are numbered like RAM's.
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

#define PHYSMEM_SEGMENTS_START VGA_HOLE_START
#define PHYSMEM_SEGMENTS_BYTES (UINT64_C(0x100000) - PHYSMEM_SEGMENTS_START)
#define PHYSMEM_A20            (UINT64_C(1) << 20)
enum {
    PHYSMEM_SEGMENT_SHIFT = 14,
    PHYSMEM_SEGMENTS = 24,
    PHYSMEM_VGA_SEGMENTS = 0xff, /* bit n: segment n */
    PHYSMEM_ALL_SEGMENTS = (1 << PHYSMEM_SEGMENTS) - 1,
};

struct physmem_area {
    gpa_t base;
    uint64_t len;    /* 0: not shown */
    uint64_t offset; /* in the memfd */
    uint64_t bytes;  /* what len is when it is shown */
};

struct physmem {
    hva_t hva;     /* the whole memfd, read-write, never executable */
    int fd;        /* the memfd; -1 in tests that need no shadow */
    uint64_t size; /* bytes of RAM, a multiple of the page size */
    uint64_t low_end;
    uint64_t nframes;            /* of RAM and the area */
    uint32_t readable, writable; /* bit per segment */
    gpa_t address_mask;          /* without bit 20 while A20 is closed */
    struct physmem_area area;
    struct bus *mmio; /* everything that is not RAM */
    /* For whoever caches contents or the map; may be NULL. written: [off, off + len) of the memfd.
     */
    void (*written)(void *opaque, uint64_t off, size_t len);
    void (*map_changed)(void *opaque);
    void *opaque;
};

/* `hva` and `fd` stay the caller's. Never fails. */
void physmem_init(struct physmem *pm, hva_t hva, int fd, uint64_t size, struct bus *mmio);

/* `bytes` more behind RAM in the memfd, not shown yet. Before anybody sizes tables by nframes. */
void physmem_add_area(struct physmem *pm, uint64_t bytes);
/* Shows the area at base, below what RAM covers there, or hides it. */
void physmem_show_area(struct physmem *pm, gpa_t base, bool shown);
/* Which segments RAM answers reads of, and takes writes to. */
void physmem_set_segments(struct physmem *pm, uint32_t readable, uint32_t writable);
void physmem_set_a20(struct physmem *pm, bool open);

/* Bit of pa's segment in `map`; true for what lies in no segment. */
static inline bool physmem_segment_bit(uint32_t map, gpa_t pa)
{
    gpa_t at = pa - PHYSMEM_SEGMENTS_START;

    return at >= PHYSMEM_SEGMENTS_BYTES || (map >> (at >> PHYSMEM_SEGMENT_SHIFT) & 1);
}

/* memfd offset of pa, or UINT64_MAX when pa is not RAM. */
static inline uint64_t physmem_offset(const struct physmem *pm, gpa_t pa)
{
    pa &= pm->address_mask;
    if (pa < pm->low_end)
        return physmem_segment_bit(pm->readable, pa) ? pa : UINT64_MAX;
    if (pa >= PHYSMEM_HIGH && pa - PHYSMEM_HIGH < pm->size - pm->low_end)
        return pa - PHYSMEM_HIGH + pm->low_end;
    if (pa - pm->area.base < pm->area.len)
        return pa - pm->area.base + pm->area.offset;
    return UINT64_MAX;
}

/* Of an address that is RAM: false when stores to it go elsewhere. */
static inline bool physmem_takes_writes(const struct physmem *pm, gpa_t pa)
{
    return physmem_segment_bit(pm->writable, pa & pm->address_mask);
}

/* Pointer to the byte at pa, valid to the end of its page; NULL when not RAM. */
static inline hva_t physmem_ptr(const struct physmem *pm, gpa_t pa)
{
    uint64_t off = physmem_offset(pm, pa);

    return off == UINT64_MAX ? NULL : pm->hva + off;
}

/* Copies between a buffer and RAM. Returns 0, or -EFAULT (nothing copied) when any byte is not RAM
 * or, writing, takes no writes. */
int physmem_read(const struct physmem *pm, gpa_t pa, void *buf, size_t len) MUST_CHECK;
int physmem_write(struct physmem *pm, gpa_t pa, const void *buf, size_t len) MUST_CHECK;
int physmem_fill(struct physmem *pm, gpa_t pa, uint8_t byte, size_t len) MUST_CHECK;

/* A write to RAM that hides behind ROM: pa lies in a segment, len ends in it. */
void physmem_write_hidden(struct physmem *pm, gpa_t pa, const void *buf, size_t len);

/* Tells the watcher that [pa, pa + len), a run of RAM, has new contents. */
static inline void physmem_written(struct physmem *pm, gpa_t pa, size_t len)
{
    if (pm->written)
        pm->written(pm->opaque, physmem_offset(pm, pa), len);
}

#endif
