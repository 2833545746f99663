/* block_rig.h - a disk in memory for tests, with bad sectors and a medium that can be full. */
#ifndef DRAGOMAN_TESTS_BLOCK_RIG_H
#define DRAGOMAN_TESTS_BLOCK_RIG_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "block/block.h"
#include "block/node.h"

struct mem_disk {
    struct block_node node;
    uint8_t *bytes;
    uint64_t bad; /* this sector cannot be read nor written; UINT64_MAX: none */
    bool full;    /* writes find no room */
    bool leaky;   /* flushes fail */
    unsigned reads, writes, flushes;
};

static inline struct mem_disk *mem_disk_of(struct block_node *n)
{
    return container_of(n, struct mem_disk, node);
}

static inline bool mem_disk_bad(const struct mem_disk *m, uint64_t offset, size_t len)
{
    uint64_t at = m->bad * BLOCK_SECTOR;

    return m->bad != UINT64_MAX && at >= offset && at < offset + len;
}

static inline int mem_disk_read(struct block_node *n, uint64_t offset, uint8_t *buf, size_t len)
{
    struct mem_disk *m = mem_disk_of(n);

    m->reads++;
    if (mem_disk_bad(m, offset, len))
        return -EIO;
    memcpy(buf, m->bytes + offset, len);
    return 0;
}

static inline int mem_disk_write(struct block_node *n, uint64_t offset, const uint8_t *buf,
                                 size_t len)
{
    struct mem_disk *m = mem_disk_of(n);

    m->writes++;
    if (__atomic_load_n(&m->full, __ATOMIC_ACQUIRE))
        return -ENOSPC;
    if (mem_disk_bad(m, offset, len))
        return -EIO;
    memcpy(m->bytes + offset, buf, len);
    return 0;
}

static inline int mem_disk_flush(struct block_node *n)
{
    mem_disk_of(n)->flushes++;
    return mem_disk_of(n)->leaky ? -EIO : 0;
}

/* The rig's struct is the test's, and read after the disk was closed. */
static inline void mem_disk_close(struct block_node *n)
{
    free(mem_disk_of(n)->bytes);
}

static inline struct block *mem_disk_open(struct mem_disk *m, uint64_t sectors)
{
    static const struct block_node_ops ops = {mem_disk_read, mem_disk_write, mem_disk_flush,
                                              mem_disk_close};
    struct block *b;

    *m = (struct mem_disk){.node = {.ops = &ops, .bytes = sectors * BLOCK_SECTOR},
                           .bytes = calloc(1, sectors * BLOCK_SECTOR),
                           .bad = UINT64_MAX};
    if (!m->bytes || block_create(&b, &m->node, "memory") < 0)
        abort();
    return b;
}

#endif
