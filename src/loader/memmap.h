/* memmap.h - the guest's memory map and who uses which part of it during loading.
 *
 *   0         9FC00 A0000     E0000   100000          low_end        4 GiB
 *   |   RAM   | rsv | VGA/ROM |  rsv  |      RAM      |  PCI ...     |  RAM ...
 *
 * One memmap serves the e820 table, the multiboot map and the placing of everything
 * that is loaded. Entries are sorted and never overlap.
 */
#ifndef DRAGOMAN_LOADER_MEMMAP_H
#define DRAGOMAN_LOADER_MEMMAP_H

#include "base/types.h"
#include "bus/physmem.h"

/* Address range types of ACPI 6.4 section 15, table 15.2 (INT 15h E820h). */
enum mem_type {
    MEM_RAM = 1,
    MEM_RESERVED = 2,
    MEM_ACPI = 3,
};

struct mem_entry {
    gpa_t base;
    uint64_t len;
    enum mem_type type;
};

enum { MEMMAP_MAX = 16 };

struct memmap {
    struct mem_entry entry[MEMMAP_MAX];
    unsigned n;
};

void memmap_init(struct memmap *m, const struct physmem *pm);
/* Gives [base, base + len) the type, splitting what it cuts. Returns 0, -EINVAL when the range
 * wraps, -ENOSPC when the map is full. */
int memmap_mark(struct memmap *m, gpa_t base, uint64_t len, enum mem_type type) MUST_CHECK;
/* Bytes of RAM that follow `base` without a gap; 0 when base is not RAM. */
uint64_t memmap_ram_from(const struct memmap *m, gpa_t base);

enum { LAYOUT_MAX = 96 };
#define LAYOUT_NONE UINT64_MAX

struct layout {
    const struct memmap *map;
    struct {
        gpa_t base;
        uint64_t len;
        const char *what;
    } used[LAYOUT_MAX];
    unsigned n;
};

void layout_init(struct layout *l, const struct memmap *map);
/* What keeps [base, base + len) from being used: the name of what lies there, or a phrase that
 * says it is no RAM. NULL: it is free. */
const char *layout_conflict(const struct layout *l, gpa_t base, uint64_t len);
/* Claims a range. Returns 0, -EEXIST when layout_conflict() has something to say, -ENOSPC. `what`
 * must outlive the layout. */
int layout_claim(struct layout *l, gpa_t base, uint64_t len, const char *what) MUST_CHECK;
/* Finds free RAM in [min, end), as high or as low as possible, and claims it. `align` is a power
 * of two, len not 0. LAYOUT_NONE: there is none. */
gpa_t layout_place_top(struct layout *l, uint64_t len, uint64_t align, gpa_t min, gpa_t end,
                       const char *what);
gpa_t layout_place_bottom(struct layout *l, uint64_t len, uint64_t align, gpa_t min, gpa_t end,
                          const char *what);

#endif
