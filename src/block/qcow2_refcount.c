/* Which clusters of the file are used, and how often. */
#include "block/qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

enum { BYTE_ORDER_BITS = 3 }; /* refcounts of 2^3 bits and more are whole bytes */

#define MAX_REFCOUNT_BYTES (8 * MIB)

static uint64_t counts_per_block(const struct qcow2 *q)
{
    return q->cluster * 8 >> q->refcount_order;
}

/* ---- metadata of ours ---- */

static int grow_meta(struct qcow2 *q, uint64_t clusters)
{
    uint64_t room = align_up(clusters + clusters / 4 + 1, 64);
    uint8_t *meta = realloc(q->meta, room / 8);

    if (!meta)
        return -ENOMEM;
    memset(meta + q->meta_clusters / 8, 0, (room - q->meta_clusters) / 8);
    q->meta = meta;
    q->meta_clusters = room;
    return 0;
}

bool qcow2_is_meta(const struct qcow2 *q, uint64_t offset)
{
    uint64_t i = offset / q->cluster;

    return i < q->meta_clusters && (q->meta[i / 8] >> i % 8 & 1);
}

int qcow2_mark_meta(struct qcow2 *q, uint64_t offset, const char *what)
{
    uint64_t i = offset / q->cluster;

    if (offset % q->cluster || i >= q->nclusters)
        return qcow2_corrupt(q, "%s at %#llx", what, (unsigned long long)offset);
    if (qcow2_is_meta(q, offset))
        return qcow2_corrupt(q, "%s at %#llx, where there is another table", what,
                             (unsigned long long)offset);
    if (i >= q->meta_clusters) {
        int err = grow_meta(q, q->nclusters);

        if (err < 0)
            return err;
    }
    q->meta[i / 8] |= (uint8_t)(1 << i % 8);
    return 0;
}

static void unmark_meta(struct qcow2 *q, uint64_t offset)
{
    uint64_t i = offset / q->cluster;

    if (i < q->meta_clusters)
        q->meta[i / 8] &= (uint8_t) ~(1 << i % 8);
    qcow2_forget(q, offset);
}

/* ---- counts ---- */

/* Below a byte the first count is in the lowest bits. */
static uint64_t load_count(const struct qcow2 *q, const uint8_t *block, uint64_t n)
{
    unsigned bits = 1u << q->refcount_order;
    uint64_t val = 0;

    if (q->refcount_order < BYTE_ORDER_BITS)
        return block[n * bits / 8] >> n * bits % 8 & ((1u << bits) - 1);
    for (unsigned i = 0; i < bits / 8; i++)
        val = val << 8 | block[n * bits / 8 + i];
    return val;
}

static void store_count(const struct qcow2 *q, uint8_t *block, uint64_t n, uint64_t val)
{
    unsigned bits = 1u << q->refcount_order;
    uint8_t *at = block + n * bits / 8;

    if (q->refcount_order < BYTE_ORDER_BITS) {
        uint8_t mask = (uint8_t)(((1u << bits) - 1) << n * bits % 8);

        *at = (*at & (uint8_t)~mask) | (uint8_t)(val << n * bits % 8);
        return;
    }
    for (unsigned i = bits / 8; i-- > 0; val >>= 8)
        at[i] = (uint8_t)val;
}

static uint64_t block_offset(const struct qcow2 *q, uint64_t index)
{
    uint64_t b = index / counts_per_block(q);

    return b < q->rt_entries ? ld64be(q->rt + 8 * b) : 0;
}

static int get_count(struct qcow2 *q, uint64_t index, uint64_t *count)
{
    uint64_t offset = block_offset(q, index);
    struct qcow2_slot *s;
    int err;

    *count = 0;
    if (!offset)
        return 0;
    err = qcow2_get(q, QCOW2_REFCOUNTS, offset, false, &s);
    if (err == 0)
        *count = load_count(q, s->data, index % counts_per_block(q));
    return err;
}

int qcow2_get_refcount(struct qcow2 *q, uint64_t offset, uint64_t *count)
{
    return get_count(q, offset / q->cluster, count);
}

static int make_block(struct qcow2 *q, uint64_t b);

static int set_count(struct qcow2 *q, uint64_t index, uint64_t val)
{
    struct qcow2_slot *s;
    int err = 0;

    if (!block_offset(q, index))
        err = make_block(q, index / counts_per_block(q));
    if (err == 0)
        err = qcow2_get(q, QCOW2_REFCOUNTS, block_offset(q, index), false, &s);
    if (err < 0)
        return err;
    store_count(q, s->data, index % counts_per_block(q), val);
    s->dirty = true;
    return 0;
}

/* Entries for a table that also covers itself and the blocks it brings. */
static uint64_t bigger_table(const struct qcow2 *q, uint64_t need)
{
    uint64_t entries = q->rt_entries, slack = 1024;

    do
        entries *= 2;
    while (entries <= need ||
           entries * counts_per_block(q) < q->nclusters + entries * 8 / q->cluster + slack);
    return entries;
}

struct table {
    uint64_t offset, entries;
    uint8_t *rt;
};

static struct table use_table(struct qcow2 *q, struct table t)
{
    struct table old = {q->rt_offset, q->rt_entries, q->rt};

    q->rt_offset = t.offset;
    q->rt_entries = t.entries;
    q->rt = t.rt;
    return old;
}

static int count_table(struct qcow2 *q, uint64_t first, uint64_t n)
{
    int err = 0;

    for (uint64_t c = first; c < first + n && err == 0; c++) {
        err = set_count(q, c, 1);
        if (err == 0)
            err = qcow2_mark_meta(q, c * q->cluster, "refcount table");
    }
    return err;
}

/* The header changes over in qcow2_sync(), when the new table is complete. */
static int grow_table(struct qcow2 *q, uint64_t need)
{
    uint64_t entries = bigger_table(q, need), clusters = entries * 8 / q->cluster;
    uint64_t first = q->nclusters;
    struct table old;
    uint8_t *rt;
    int err;

    if (entries * 8 > MAX_REFCOUNT_BYTES)
        return -EFBIG;
    rt = calloc(entries, 8);
    if (!rt)
        return -ENOMEM;
    memcpy(rt, q->rt, q->rt_entries * 8);
    old = use_table(q, (struct table){first * q->cluster, entries, rt});
    q->nclusters += clusters;
    err = count_table(q, first, clusters);
    if (err < 0) {
        use_table(q, old);
        free(rt);
        return err;
    }
    q->rt_dirty = q->rt_moved = true;
    for (uint64_t at = 0; at < old.entries * 8 && err == 0; at += q->cluster) {
        unmark_meta(q, old.offset + at);
        err = qcow2_release(q, old.offset + at);
    }
    free(old.rt);
    return err;
}

/* A refcount block at the end of the file; its own count may be in it or in another one. */
static int make_block(struct qcow2 *q, uint64_t b)
{
    struct qcow2_slot *s;
    uint64_t index;
    int err;

    if (b >= q->rt_entries) {
        err = grow_table(q, b);
        if (err < 0 || ld64be(q->rt + 8 * b)) /* counting the new table may have made it */
            return err;
    }
    index = q->nclusters++;
    err = qcow2_mark_meta(q, index * q->cluster, "refcount block");
    if (err == 0)
        err = qcow2_get(q, QCOW2_REFCOUNTS, index * q->cluster, true, &s);
    if (err < 0)
        return err;
    st64be(q->rt + 8 * b, index * q->cluster);
    q->rt_dirty = true;
    return set_count(q, index, 1);
}

/* ---- allocation ---- */

/* Counts beyond the end of the file are what a crash left, within reason. */
static int find_free(struct qcow2 *q, uint64_t *index)
{
    enum { LEFT_OVER = 1 << 20 };
    uint64_t count = 1;
    int err;

    for (uint64_t i = q->hint; i < q->nclusters + LEFT_OVER; i++) {
        err = get_count(q, i, &count);
        if (err < 0)
            return err;
        *index = i;
        if (count == 0)
            return 0;
    }
    return qcow2_corrupt(q, "refcounts beyond the end of the file");
}

int qcow2_alloc(struct qcow2 *q, uint64_t *offset)
{
    uint64_t i = 0;
    int err = find_free(q, &i);

    if (err == 0 && qcow2_is_meta(q, i * q->cluster))
        return qcow2_corrupt(q, "a table in the free cluster %#llx",
                             (unsigned long long)(i * q->cluster));
    if (err == 0 && i >= q->nclusters)
        q->nclusters = i + 1;
    if (err == 0)
        err = set_count(q, i, 1);
    if (err < 0)
        return err;
    q->hint = i + 1;
    *offset = i * q->cluster;
    return 0;
}

static void freed(struct qcow2 *q, uint64_t index)
{
    unmark_meta(q, index * q->cluster);
    if (index < q->hint)
        q->hint = index;
}

/* When the count can't be changed, the cluster is lost but nothing else. */
void qcow2_unalloc(struct qcow2 *q, uint64_t offset)
{
    unmark_meta(q, offset);
    if (set_count(q, offset / q->cluster, 0) == 0)
        freed(q, offset / q->cluster);
}

int qcow2_release(struct qcow2 *q, uint64_t offset)
{
    if (q->nfalls == q->falls_room) {
        unsigned room = q->falls_room * 2 + 64;
        uint64_t *falls = realloc(q->falls, room * sizeof(*falls));

        if (!falls)
            return -ENOMEM;
        q->falls = falls;
        q->falls_room = room;
    }
    q->falls[q->nfalls++] = offset / q->cluster;
    return 0;
}

static int fall(struct qcow2 *q, uint64_t index)
{
    uint64_t count;
    int err = get_count(q, index, &count);

    if (err == 0 && count == 0)
        return qcow2_corrupt(q, "the refcount of a used cluster, %#llx, is 0",
                             (unsigned long long)(index * q->cluster));
    if (err == 0)
        err = set_count(q, index, count - 1);
    if (err == 0 && count == 1)
        freed(q, index);
    return err;
}

/* Taken off the list first: counting may need a sync of its own. What an error leaves is lost
 * space, never a cluster with two owners. */
int qcow2_apply_falls(struct qcow2 *q)
{
    unsigned n = q->nfalls;
    uint64_t *falls = q->falls;
    int err = 0;

    q->falls = NULL;
    q->nfalls = q->falls_room = 0;
    for (unsigned i = 0; i < n && err == 0; i++)
        err = fall(q, falls[i]);
    free(falls);
    return err;
}
