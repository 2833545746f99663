#include "host/slots.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

#define MARKER_OFFSET (SLOT_BYTES + (SLOT_PITCH - SLOT_BYTES) / 2)

static void *slot_ptr(unsigned slot, uint64_t off)
{
    return (void *)(uintptr_t)(slot_base(slot) + off);
}

/* The handler that calls us interrupted code which may be looking at errno. */
static int checked(int result, int saved_errno)
{
    int err = result < 0 ? -errno : 0;

    errno = saved_errno;
    return err;
}

void slots_init(struct slots *s)
{
    for (unsigned i = 0; i < ARRAY_SIZE(s->used); i++)
        s->used[i] = 0;
    s->used[0] = 1; /* the null slot */
    s->next = 1;
}

void slots_fini(struct slots *s)
{
    for (unsigned k = 1; k < NSLOTS; k++)
        if (s->used[k / 64] >> (k % 64) & 1)
            slots_free(s, k);
}

/* 0, or -EEXIST when somebody else in this process has any of it. The whole is taken to find out,
 * then all but the marker is given back. */
static int claim(unsigned slot)
{
    int saved = errno;
    void *got = mmap(slot_ptr(slot, 0), MARKER_OFFSET + PAGE_SIZE, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

    if (got == MAP_FAILED)
        return checked(-1, saved);
    munmap(got, MARKER_OFFSET);
    errno = saved;
    return 0;
}

int slots_alloc(struct slots *s, unsigned *slot)
{
    for (unsigned i = 0; i < NSLOTS; i++) {
        unsigned k = (s->next + i) % NSLOTS;
        int err;

        if (s->used[k / 64] >> (k % 64) & 1)
            continue;
        err = claim(k);
        if (err == -EEXIST)
            continue;
        if (err < 0)
            return err;
        s->used[k / 64] |= UINT64_C(1) << (k % 64);
        s->next = k + 1;
        *slot = k;
        return 0;
    }
    return -ENOSPC;
}

void slots_free(struct slots *s, unsigned slot)
{
    int saved = errno;

    assert(s->used[slot / 64] >> (slot % 64) & 1);
    /* Whole mappings only, so nothing is split and this cannot fail. */
    munmap(slot_ptr(slot, 0), MARKER_OFFSET + PAGE_SIZE);
    errno = saved;
    s->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

int slot_map(unsigned slot, uint64_t off, uint64_t len, int fd, uint64_t fdoff, unsigned flags)
{
    int saved = errno;
    int prot = PROT_READ | (flags & SLOT_WRITE ? PROT_WRITE : 0);
    int how = MAP_SHARED | MAP_FIXED | (flags & SLOT_POPULATE ? MAP_POPULATE : 0);
    void *got;

    assert(off + len <= SLOT_BYTES && off + len > off);
    got = mmap(slot_ptr(slot, off), len, prot, how, fd, (off_t)fdoff);
    return checked(got == MAP_FAILED ? -1 : 0, saved);
}

int slot_unmap(unsigned slot, uint64_t off, uint64_t len)
{
    int saved = errno;

    assert(off + len <= SLOT_BYTES && off + len > off);
    return checked(munmap(slot_ptr(slot, off), len), saved);
}

int slot_protect(unsigned slot, uint64_t off, uint64_t len, bool writable)
{
    int saved = errno;

    assert(off + len <= SLOT_BYTES && off + len > off);
    return checked(mprotect(slot_ptr(slot, off), len, PROT_READ | (writable ? PROT_WRITE : 0)),
                   saved);
}
