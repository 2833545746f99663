/* slots.h - the host seam for windows: where in our address space guest linear addresses live.
 *
 * Slot k (1 <= k < NSLOTS) is 4 GiB at 2^40 + k * 32 GiB followed by a 28 GiB gap; nothing else of
 * the process lies below 0x5000_0000_0000. A slot is a true hole until something is mapped: an
 * isolated page then costs one host mapping and not two. Slot 0 is kept for 64-bit guests' null
 * slot.
 *
 * An allocated slot owns one inaccessible page in the middle of its gap: that is how several
 * machines of one process (and foreign mappings) stay apart without a global.
 *
 * Everything but slots_init() is async-signal-safe and preserves errno. Nothing is ever mapped
 * executable.
 */
#ifndef DRAGOMAN_HOST_SLOTS_H
#define DRAGOMAN_HOST_SLOTS_H

#include "base/types.h"

enum { NSLOTS = 2528 };

#define SLOT_ORIGIN (UINT64_C(1) << 40)
#define SLOT_BYTES  (4 * GIB)
#define SLOT_PITCH  (32 * GIB)

enum slot_flag {
    SLOT_WRITE = 1 << 0,
    SLOT_POPULATE = 1 << 1, /* fault the pages in at once: for a few pages sure to be used */
};

struct slots {
    uint64_t used[(NSLOTS + 63) / 64]; /* this machine's slots */
    unsigned next;                     /* where the next search starts */
};

static inline uint64_t slot_base(unsigned slot)
{
    return SLOT_ORIGIN + slot * SLOT_PITCH;
}

void slots_init(struct slots *s);
/* Frees every slot still allocated. */
void slots_fini(struct slots *s);

/* Returns 0, -ENOSPC when all slots are taken, or what the host said. */
int slots_alloc(struct slots *s, unsigned *slot) MUST_CHECK;
/* Unmaps everything in it. */
void slots_free(struct slots *s, unsigned slot);

/* [off, off + len) of the slot becomes a shared view of `fd` at fdoff. Replaces what was mapped. */
int slot_map(unsigned slot, uint64_t off, uint64_t len, int fd, uint64_t fdoff,
             unsigned flags) MUST_CHECK;
/* Holes in the range do no harm. -ENOMEM: the host would have to split a mapping and may not. */
int slot_unmap(unsigned slot, uint64_t off, uint64_t len) MUST_CHECK;
int slot_protect(unsigned slot, uint64_t off, uint64_t len, bool writable) MUST_CHECK;

#endif
