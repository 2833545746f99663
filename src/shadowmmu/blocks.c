/* The tables by which 64-bit code finds its windows: host memory that generated code reads. An
 * entry nobody set is not zero but leads to the null slot like any other: see shadowmmu.md on
 * isolation. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shadowmmu/shadow.h"

enum {
    HALF = SMMU_PIECES / 2,
    HALF_BYTES = HALF * 8,
    BLOCK_BYTES = SMMU_BLOCK_TABLE + 2 * HALF_BYTES,
    BLOCK_MAPS = 4, /* hot data, nothing, both halves */
    PAGES_KEPT = 32,
    ENTRIES_PER_PAGE = PAGE_SIZE / 8,
};

/* Linear address of piece i. */
static uint64_t piece_origin(unsigned i)
{
    return (uint64_t)((int64_t)((uint64_t)i << 48) >> 16);
}

static uint64_t delta_of(unsigned i, unsigned slot)
{
    return slot_base(slot) - piece_origin(i);
}

static uint64_t *block_table(uint64_t block)
{
    return (uint64_t *)(uintptr_t)(block + SMMU_BLOCK_TABLE);
}

/* A memfd of the null slot's deltas for pieces [first, first + n). */
static int null_deltas(unsigned first, unsigned n, uint64_t **at)
{
    int fd = memfd_create("deltas", MFD_CLOEXEC);
    void *p = MAP_FAILED;
    int err;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, n * 8) == 0)
        p = mmap(NULL, n * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        err = -errno;
        close(fd);
        return err;
    }
    *at = p;
    for (unsigned i = 0; i < n; i++)
        (*at)[i] = delta_of(first + i, 0);
    return fd;
}

int blocks_init(struct smmu *m, int hot_fd, size_t hot_bytes)
{
    struct blocks *b = &m->blocks;
    uint64_t *at;
    int err;

    if (hot_bytes == 0 || hot_bytes > SMMU_BLOCK_TABLE)
        return -EINVAL;
    b->template_fd = null_deltas(0, SMMU_PIECES, &at);
    if (b->template_fd < 0)
        return b->template_fd;
    munmap(at, SMMU_PIECES * 8);
    b->upper_fd = null_deltas(HALF, HALF, &b->upper);
    if (b->upper_fd < 0) {
        close(b->template_fd);
        return b->upper_fd;
    }
    m->stats.live_maps++;
    b->on = true;
    b->hot_fd = hot_fd;
    b->hot_bytes = hot_bytes;
    for (unsigned i = 0; i < MAX_SPACES; i++)
        m->space[i].id = (uint16_t)i;
    err = blocks_make(m, &m->space[0]);
    if (err < 0)
        blocks_fini(m);
    return err;
}

void blocks_fini(struct smmu *m)
{
    struct blocks *b = &m->blocks;

    if (!b->on)
        return;
    b->on = false;
    for (unsigned i = 0; i < MAX_SPACES; i++)
        for (unsigned t = 0; t < SMMU_TABLES; t++)
            if (m->space[i].block[t])
                munmap((void *)(uintptr_t)m->space[i].block[t], BLOCK_BYTES);
    munmap(b->upper, HALF_BYTES);
    close(b->template_fd);
    close(b->upper_fd);
}

static bool map_at(uint64_t at, size_t len, int prot, int how, int fd, off_t off)
{
    return mmap((void *)(uintptr_t)at, len, prot, how | MAP_FIXED, fd, off) != MAP_FAILED;
}

static int block_make(struct smmu *m, bool user, uint64_t *block)
{
    const struct blocks *b = &m->blocks;
    void *got =
        mmap(NULL, BLOCK_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t at = (uint64_t)(uintptr_t)got, table = at + SMMU_BLOCK_TABLE;
    const int rw = PROT_READ | PROT_WRITE;
    int err;

    if (got == MAP_FAILED)
        return -errno;
    errno = ENOMEM; /* below the slots' end: never with a top-down allocator */
    if (at < slot_base(NSLOTS) + SLOT_PITCH ||
        !map_at(at, b->hot_bytes, rw, MAP_SHARED, b->hot_fd, 0) ||
        !map_at(table, HALF_BYTES, rw, MAP_PRIVATE, b->template_fd, 0) ||
        !(user ? map_at(table + HALF_BYTES, HALF_BYTES, rw, MAP_PRIVATE, b->template_fd, HALF_BYTES)
               : map_at(table + HALF_BYTES, HALF_BYTES, PROT_READ, MAP_SHARED, b->upper_fd, 0))) {
        err = -errno;
        munmap(got, BLOCK_BYTES);
        return err;
    }
    m->stats.live_maps += BLOCK_MAPS;
    *block = at;
    return 0;
}

/* Once per id. Without a block for SMMU_OPEN such accesses take the software path. */
int blocks_make(struct smmu *m, struct smmu_space *s)
{
    int err = 0;

    for (unsigned t = 0; t < SMMU_OPEN && err == 0; t++)
        if (!s->block[t])
            err = block_make(m, t == SMMU_USER, &s->block[t]);
    if (err == 0 && (m->paging & PB_SMAP) && !s->block[SMMU_OPEN])
        (void)!block_make(m, false, &s->block[SMMU_OPEN]);
    return err;
}

static unsigned pages_written(const struct smmu_space *s)
{
    const uint64_t *w = &s->written[0][0];
    unsigned n = 0;

    for (unsigned i = 0; i < sizeof(s->written) / sizeof(*w); i++)
        n += (unsigned)__builtin_popcountll(w[i]);
    return n;
}

/* All entries are null again, by value, since the views are gone. The next space of this id wants
 * much the same pages; only when they are many their memory is given back. */
void blocks_reset(struct smmu_space *s)
{
    int saved = errno; /* of the code that a handler interrupted */

    if (pages_written(s) <= PAGES_KEPT)
        return;
    for (unsigned t = 0; t < SMMU_TABLES; t++)
        if (s->block[t])
            madvise(block_table(s->block[t]), t == SMMU_USER ? 2 * HALF_BYTES : HALF_BYTES,
                    MADV_DONTNEED);
    memset(s->written, 0, sizeof(s->written));
    errno = saved;
}

void block_point(struct smmu *m, struct smmu_space *s, enum smmu_table t, unsigned i, unsigned slot)
{
    uint64_t *e;

    if (s && !s->block[t])
        return;
    e = s ? &block_table(s->block[t])[i] : &m->blocks.upper[i - HALF];
    if (*e == delta_of(i, slot))
        return;
    *e = delta_of(i, slot);
    m->blocks.changes++;
    if (s)
        s->written[t][i / ENTRIES_PER_PAGE / 64] |= UINT64_C(1) << i / ENTRIES_PER_PAGE % 64;
}

int smmu_use_blocks(struct smmu *m, int hot_fd, size_t hot_bytes)
{
    return m->blocks.on || (m->paging & PB_SOFT) ? -EBUSY : blocks_init(m, hot_fd, hot_bytes);
}

uint64_t smmu_block(struct smmu *m, enum smmu_table t)
{
    return m->cur->block[t] ? m->cur->block[t] : m->cur->block[SMMU_SUPERVISOR];
}

uint64_t smmu_delta(struct smmu *m, enum smmu_table t, gva_t lin)
{
    return block_table(smmu_block(m, t))[lin >> 32 & (SMMU_PIECES - 1)];
}

uint64_t smmu_deltas_changed(const struct smmu *m)
{
    return m->blocks.changes;
}
