#include "loader/memmap.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"

#define EBDA_START UINT64_C(0x9FC00)
#define BIOS_START UINT64_C(0xE0000)
#define EXT_START  UINT64_C(0x100000)

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void append(struct memmap *m, gpa_t base, gpa_t end, enum mem_type type)
{
    if (base < end)
        m->entry[m->n++] = (struct mem_entry){.base = base, .len = end - base, .type = type};
}

void memmap_init(struct memmap *m, const struct physmem *pm)
{
    memset(m, 0, sizeof(*m));
    append(m, 0, min64(EBDA_START, pm->low_end), MEM_RAM);
    append(m, EBDA_START, VGA_HOLE_START, MEM_RESERVED);
    append(m, BIOS_START, EXT_START, MEM_RESERVED);
    append(m, EXT_START, pm->low_end, MEM_RAM);
    append(m, PHYSMEM_HIGH, PHYSMEM_HIGH + (pm->size - pm->low_end), MEM_RAM);
}

int memmap_mark(struct memmap *m, gpa_t base, uint64_t len, enum mem_type type)
{
    struct memmap old = *m;
    gpa_t end = base + len;
    bool done = false;

    if (len == 0)
        return 0;
    if (end < base)
        return -EINVAL;
    if (old.n + 2 > MEMMAP_MAX)
        return -ENOSPC;
    m->n = 0;
    for (unsigned i = 0; i < old.n; i++) {
        const struct mem_entry *e = &old.entry[i];
        gpa_t e_end = e->base + e->len;

        append(m, e->base, min64(e_end, base), e->type);
        if (!done && e_end > base) {
            append(m, base, end, type);
            done = true;
        }
        append(m, max64(e->base, end), e_end, e->type);
    }
    if (!done)
        append(m, base, end, type);
    return 0;
}

uint64_t memmap_ram_from(const struct memmap *m, gpa_t base)
{
    for (unsigned i = 0; i < m->n; i++) {
        const struct mem_entry *e = &m->entry[i];

        if (e->type == MEM_RAM && base >= e->base && base - e->base < e->len)
            return e->len - (base - e->base);
    }
    return 0;
}

void layout_init(struct layout *l, const struct memmap *map)
{
    l->map = map;
    l->n = 0;
}

static int overlapping(const struct layout *l, gpa_t base, uint64_t len)
{
    for (unsigned i = 0; i < l->n; i++)
        if (base < l->used[i].base + l->used[i].len && l->used[i].base < base + len)
            return (int)i;
    return -1;
}

/* True when [base, base + len) touches an entry of the map that is not RAM. */
static bool touches_reserved(const struct memmap *m, gpa_t base, uint64_t len)
{
    for (unsigned i = 0; i < m->n; i++) {
        const struct mem_entry *e = &m->entry[i];

        if (e->type != MEM_RAM && base < e->base + e->len && e->base < base + len)
            return true;
    }
    return false;
}

const char *layout_conflict(const struct layout *l, gpa_t base, uint64_t len)
{
    int i;

    if (len > UINT64_MAX - base || memmap_ram_from(l->map, base) < len) {
        if (len <= UINT64_MAX - base && touches_reserved(l->map, base, len))
            return "memory reserved for firmware tables";
        return "no RAM (the guest's RAM ends before, or a hole of the PC lies there)";
    }
    i = overlapping(l, base, len);
    return i < 0 ? NULL : l->used[i].what;
}

int layout_claim(struct layout *l, gpa_t base, uint64_t len, const char *what)
{
    if (len == 0)
        return 0;
    if (layout_conflict(l, base, len))
        return -EEXIST;
    if (l->n == LAYOUT_MAX)
        return -ENOSPC;
    l->used[l->n].base = base;
    l->used[l->n].len = len;
    l->used[l->n].what = what;
    l->n++;
    return 0;
}

/* The highest aligned place for len bytes in [lo, hi) that overlaps nothing. */
static gpa_t search_down(const struct layout *l, uint64_t len, uint64_t align, gpa_t lo, gpa_t hi)
{
    while (hi > lo && hi - lo >= len) {
        gpa_t at = align_down(hi - len, align);
        int i;

        if (at < lo)
            return LAYOUT_NONE;
        i = overlapping(l, at, len);
        if (i < 0)
            return at;
        hi = l->used[i].base;
    }
    return LAYOUT_NONE;
}

static gpa_t search_up(const struct layout *l, uint64_t len, uint64_t align, gpa_t lo, gpa_t hi)
{
    while (lo < hi && lo <= UINT64_MAX - align) {
        gpa_t at = align_up(lo, align);
        int i;

        if (at > hi || hi - at < len)
            return LAYOUT_NONE;
        i = overlapping(l, at, len);
        if (i < 0)
            return at;
        lo = l->used[i].base + l->used[i].len;
    }
    return LAYOUT_NONE;
}

static gpa_t claimed(struct layout *l, gpa_t at, uint64_t len, const char *what)
{
    return at != LAYOUT_NONE && layout_claim(l, at, len, what) < 0 ? LAYOUT_NONE : at;
}

gpa_t layout_place_top(struct layout *l, uint64_t len, uint64_t align, gpa_t min, gpa_t end,
                       const char *what)
{
    gpa_t at = LAYOUT_NONE;

    for (unsigned i = l->map->n; i-- > 0 && at == LAYOUT_NONE;) {
        const struct mem_entry *e = &l->map->entry[i];

        if (e->type == MEM_RAM)
            at = search_down(l, len, align, max64(e->base, min), min64(e->base + e->len, end));
    }
    return claimed(l, at, len, what);
}

gpa_t layout_place_bottom(struct layout *l, uint64_t len, uint64_t align, gpa_t min, gpa_t end,
                          const char *what)
{
    gpa_t at = LAYOUT_NONE;

    for (unsigned i = 0; i < l->map->n && at == LAYOUT_NONE; i++) {
        const struct mem_entry *e = &l->map->entry[i];

        if (e->type == MEM_RAM)
            at = search_up(l, len, align, max64(e->base, min), min64(e->base + e->len, end));
    }
    return claimed(l, at, len, what);
}
