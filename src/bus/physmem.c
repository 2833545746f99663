#include "bus/physmem.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"

enum { SEGMENT_BYTES = 1 << PHYSMEM_SEGMENT_SHIFT };

void physmem_init(struct physmem *pm, hva_t hva, int fd, uint64_t size, struct bus *mmio)
{
    assert(size % PAGE_SIZE == 0);
    memset(pm, 0, sizeof(*pm));
    pm->hva = hva;
    pm->fd = fd;
    pm->size = size;
    pm->low_end = size < PHYSMEM_HOLE ? size : PHYSMEM_HOLE;
    pm->nframes = size >> PAGE_SHIFT;
    pm->readable = pm->writable = PHYSMEM_ALL_SEGMENTS & ~PHYSMEM_VGA_SEGMENTS;
    pm->address_mask = UINT64_MAX;
    pm->mmio = mmio;
}

static void changed(struct physmem *pm)
{
    if (pm->map_changed)
        pm->map_changed(pm->opaque);
}

void physmem_add_area(struct physmem *pm, uint64_t bytes)
{
    assert(bytes % PAGE_SIZE == 0 && !pm->area.bytes);
    pm->area = (struct physmem_area){.offset = pm->size, .bytes = bytes};
    pm->nframes += bytes >> PAGE_SHIFT;
}

void physmem_show_area(struct physmem *pm, gpa_t base, bool shown)
{
    uint64_t len = shown ? pm->area.bytes : 0;

    assert(base % PAGE_SIZE == 0);
    if (len == pm->area.len && (base == pm->area.base || !len))
        return;
    pm->area.base = base;
    pm->area.len = len;
    changed(pm);
}

void physmem_set_segments(struct physmem *pm, uint32_t readable, uint32_t writable)
{
    if (readable == pm->readable && writable == pm->writable)
        return;
    pm->readable = readable;
    pm->writable = writable;
    changed(pm);
}

void physmem_set_a20(struct physmem *pm, bool open)
{
    gpa_t mask = open ? UINT64_MAX : ~PHYSMEM_A20;

    if (mask == pm->address_mask)
        return;
    pm->address_mask = mask;
    changed(pm);
}

/* The rest of [pa, end), cut where bit 20 changes while A20 is closed. */
static uint64_t to_end(const struct physmem *pm, gpa_t pa, gpa_t end)
{
    gpa_t mib = (pa | (PHYSMEM_A20 - 1)) + 1;

    return (pm->address_mask & PHYSMEM_A20) || end < mib ? end - pa : mib - pa;
}

/* Bytes of RAM that follow pa without a hole in `segments`; 0 when pa is not RAM. Within such a run
 * the memfd offsets are contiguous too, so one copy serves it. */
static uint64_t run_length(const struct physmem *pm, gpa_t pa, uint32_t segments)
{
    gpa_t end;

    pa &= pm->address_mask;
    if (physmem_offset(pm, pa) == UINT64_MAX || !physmem_segment_bit(segments, pa))
        return 0;
    if (pa >= PHYSMEM_HIGH)
        return to_end(pm, pa, PHYSMEM_HIGH + (pm->size - pm->low_end));
    if (pa >= pm->low_end)
        return to_end(pm, pa, pm->area.base + pm->area.len);
    if (pa >= PHYSMEM_SEGMENTS_START + PHYSMEM_SEGMENTS_BYTES)
        return to_end(pm, pa, pm->low_end);
    end = pa < PHYSMEM_SEGMENTS_START ? PHYSMEM_SEGMENTS_START : align_down(pa, SEGMENT_BYTES);
    while (end < PHYSMEM_SEGMENTS_START + PHYSMEM_SEGMENTS_BYTES &&
           physmem_segment_bit(segments, end))
        end += SEGMENT_BYTES;
    if (end == PHYSMEM_SEGMENTS_START + PHYSMEM_SEGMENTS_BYTES || end > pm->low_end)
        end = pm->low_end;
    return to_end(pm, pa, end);
}

int physmem_read(const struct physmem *pm, gpa_t pa, void *buf, size_t len)
{
    if (len > run_length(pm, pa, pm->readable))
        return -EFAULT;
    if (len)
        memcpy(buf, physmem_ptr(pm, pa), len);
    return 0;
}

int physmem_write(struct physmem *pm, gpa_t pa, const void *buf, size_t len)
{
    if (len > run_length(pm, pa, pm->readable & pm->writable))
        return -EFAULT;
    if (len) {
        memcpy(physmem_ptr(pm, pa), buf, len);
        physmem_written(pm, pa, len);
    }
    return 0;
}

int physmem_fill(struct physmem *pm, gpa_t pa, uint8_t byte, size_t len)
{
    if (len > run_length(pm, pa, pm->readable & pm->writable))
        return -EFAULT;
    if (len) {
        memset(physmem_ptr(pm, pa), byte, len);
        physmem_written(pm, pa, len);
    }
    return 0;
}

void physmem_write_hidden(struct physmem *pm, gpa_t pa, const void *buf, size_t len)
{
    gpa_t at = pa - PHYSMEM_SEGMENTS_START;

    assert(at < PHYSMEM_SEGMENTS_BYTES && len <= SEGMENT_BYTES - at % SEGMENT_BYTES);
    if (pa >= pm->low_end || len > pm->low_end - pa)
        return;
    memcpy(pm->hva + pa, buf, len);
    if (pm->written)
        pm->written(pm->opaque, pa, len);
}
