/* From the guest's offsets to clusters of the file: reading, and writing with copies where a
 * cluster is shared, compressed or not there. */
#include "block/qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

enum { MAX_FALLS = 1024 }; /* releases that may wait for the guest's next flush */

struct packed {
    uint64_t offset;
    uint64_t len;
};

static uint8_t *l1_entry(const struct qcow2 *q, uint64_t offset)
{
    return q->l1 + 8 * (offset / (q->entries * q->cluster));
}

static uint64_t l2_index(const struct qcow2 *q, uint64_t offset)
{
    return offset / q->cluster % q->entries;
}

/* The compressed cluster's length is in sectors, of which the first may begin before it. */
static struct packed packed_of(const struct qcow2 *q, uint64_t entry)
{
    unsigned bits = 62 - (q->cluster_bits - 8);
    uint64_t offset = entry & ((UINT64_C(1) << bits) - 1);
    uint64_t sectors = (entry >> bits & ((UINT64_C(1) << (q->cluster_bits - 8)) - 1)) + 1;

    return (struct packed){offset, sectors * BLOCK_SECTOR - offset % BLOCK_SECTOR};
}

static int check_entry(struct qcow2 *q, uint64_t offset, uint64_t entry)
{
    uint64_t reserved = ~(QCOW2_COPIED | QCOW2_OFFSET | (q->version > 2 ? QCOW2_ZERO : 0));
    uint64_t at = entry & QCOW2_OFFSET;

    if (entry & QCOW2_COMPRESSED) {
        struct packed p = packed_of(q, entry);

        if (!(entry & QCOW2_COPIED) && p.offset >= q->cluster && p.offset < q->file.bytes)
            return 0;
    } else if (!(entry & reserved) && at % q->cluster == 0 && at / q->cluster < q->nclusters &&
               (at == 0 || !qcow2_is_meta(q, at))) {
        return 0;
    }
    return qcow2_corrupt(q, "L2 entry %#llx of the disk's byte %#llx", (unsigned long long)entry,
                         (unsigned long long)offset);
}

static int read_entry(struct qcow2 *q, uint64_t offset, uint64_t *entry)
{
    uint64_t table = ld64be(l1_entry(q, offset)) & QCOW2_OFFSET;
    struct qcow2_slot *s;
    int err;

    *entry = 0;
    if (!table)
        return 0;
    err = qcow2_get(q, QCOW2_L2, table, false, &s);
    if (err < 0)
        return err;
    *entry = ld64be(s->data + 8 * l2_index(q, offset));
    return check_entry(q, offset, *entry);
}

/* ---- contents ---- */

/* What an image stands on may be shorter than the image. */
static int read_below(struct qcow2 *q, uint64_t offset, uint8_t *buf, size_t len)
{
    struct block_node *below = q->node.below;
    uint64_t have = below && below->bytes > offset ? below->bytes - offset : 0;
    size_t part = len < have ? len : (size_t)have;

    memset(buf + part, 0, len - part);
    return part ? below->ops->read(below, offset, buf, part) : 0;
}

/* The file may end within its last cluster. */
static int read_data(struct qcow2 *q, uint64_t at, uint8_t *buf, size_t len)
{
    uint64_t have = at < q->file.bytes ? q->file.bytes - at : 0;
    size_t part = len < have ? len : (size_t)have;

    memset(buf + part, 0, len - part);
    return part ? block_file_read(&q->file, at, buf, part) : 0;
}

static int unpack(struct qcow2 *q, uint64_t offset, uint64_t entry)
{
    struct packed p = packed_of(q, entry);
    uint64_t have = q->file.bytes - p.offset;
    size_t len = (size_t)(p.len < have ? p.len : have);
    int err;

    if (q->unpacked_entry == entry)
        return 0;
    if (!q->packed)
        q->packed = malloc(2 * q->cluster);
    if (!q->unpacked)
        q->unpacked = malloc(q->cluster);
    if (!q->packed || !q->unpacked)
        return -ENOMEM;
    q->unpacked_entry = 0;
    err = block_file_read(&q->file, p.offset, q->packed, len);
    if (err == 0)
        err = qcow2_unpack(q->compression, q->packed, len, q->unpacked, q->cluster);
    if (err == -EBADMSG)
        return qcow2_corrupt(q, "compressed data of the disk's byte %#llx",
                             (unsigned long long)offset);
    if (err == 0)
        q->unpacked_entry = entry;
    return err;
}

static int read_content(struct qcow2 *q, uint64_t entry, uint64_t offset, uint8_t *buf, size_t len)
{
    int err;

    if (entry & QCOW2_COMPRESSED) {
        err = unpack(q, offset, entry);
        if (err == 0)
            memcpy(buf, q->unpacked + offset % q->cluster, len);
        return err;
    }
    if (entry & QCOW2_ZERO) {
        memset(buf, 0, len);
        return 0;
    }
    if (entry & QCOW2_OFFSET)
        return read_data(q, (entry & QCOW2_OFFSET) + offset % q->cluster, buf, len);
    return read_below(q, offset, buf, len);
}

int qcow2_read_part(struct qcow2 *q, uint64_t offset, uint8_t *buf, size_t len)
{
    uint64_t entry;
    int err = read_entry(q, offset, &entry);

    return err < 0 ? err : read_content(q, entry, offset, buf, len);
}

/* ---- writing ---- */

/* A table of our own: a new one, or a copy of one that a snapshot shares. */
static int make_l2(struct qcow2 *q, uint64_t offset, uint64_t old, uint64_t *table)
{
    struct qcow2_slot *s;
    int err = qcow2_alloc(q, table);

    if (err < 0)
        return err;
    err = qcow2_mark_meta(q, *table, "L2 table");
    if (err == 0 && old) {
        err = qcow2_get(q, QCOW2_L2, old, false, &s);
        if (err == 0)
            memcpy(q->work, s->data, q->cluster);
    }
    if (err == 0)
        err = qcow2_get(q, QCOW2_L2, *table, true, &s);
    if (err == 0 && old) {
        memcpy(s->data, q->work, q->cluster);
        err = qcow2_release(q, old);
    }
    if (err < 0) {
        qcow2_unalloc(q, *table);
        return err;
    }
    st64be(l1_entry(q, offset), *table | QCOW2_COPIED);
    q->l1_dirty = true;
    return 0;
}

static int own_l2(struct qcow2 *q, uint64_t offset, uint64_t *table)
{
    uint64_t entry = ld64be(l1_entry(q, offset));

    *table = entry & QCOW2_OFFSET;
    return *table && (entry & QCOW2_COPIED) ? 0 : make_l2(q, offset, *table, table);
}

static int set_entry(struct qcow2 *q, uint64_t table, uint64_t offset, uint64_t entry)
{
    struct qcow2_slot *s;
    int err = qcow2_get(q, QCOW2_L2, table, false, &s);

    if (err < 0)
        return err;
    st64be(s->data + 8 * l2_index(q, offset), entry);
    s->dirty = true;
    return 0;
}

/* The whole cluster at `at`: what it was, with the new part in it. */
static int write_merged(struct qcow2 *q, uint64_t at, uint64_t entry, uint64_t offset,
                        const uint8_t *buf, size_t len)
{
    uint64_t in = offset % q->cluster;
    int err;

    if (len == q->cluster)
        return block_file_write(&q->file, at, buf, len);
    err = read_content(q, entry, offset - in, q->work, q->cluster);
    if (err < 0)
        return err;
    memcpy(q->work + in, buf, len);
    return block_file_write(&q->file, at, q->work, q->cluster);
}

static bool reads_as_zeros(const struct qcow2 *q, uint64_t entry, uint64_t offset)
{
    bool absent = !(entry & (QCOW2_COMPRESSED | QCOW2_OFFSET));

    return (entry & QCOW2_ZERO && !(entry & QCOW2_COMPRESSED)) ||
           (absent && (!q->node.below || offset - offset % q->cluster >= q->node.below->bytes));
}

/* Behind the file's end the rest of a cluster is zeros without being written. */
static int write_new(struct qcow2 *q, uint64_t at, uint64_t entry, uint64_t offset,
                     const uint8_t *buf, size_t len)
{
    int err;

    if (at < q->file.bytes || !reads_as_zeros(q, entry, offset))
        return write_merged(q, at, entry, offset, buf, len);
    err = block_file_write(&q->file, at + offset % q->cluster, buf, len);
    return err < 0 ? err : block_file_extend(&q->file, at + q->cluster);
}

static int release_old(struct qcow2 *q, uint64_t entry)
{
    struct packed p = packed_of(q, entry);
    int err = 0;

    if (!(entry & QCOW2_COMPRESSED))
        return entry & QCOW2_OFFSET ? qcow2_release(q, entry & QCOW2_OFFSET) : 0;
    for (uint64_t at = align_down(p.offset, q->cluster); at < p.offset + p.len && err == 0;
         at += q->cluster)
        err = qcow2_release(q, at);
    return err;
}

static int replace(struct qcow2 *q, uint64_t table, uint64_t entry, uint64_t offset,
                   const uint8_t *buf, size_t len)
{
    uint64_t at;
    int err = qcow2_alloc(q, &at);

    if (err < 0)
        return err;
    err = write_new(q, at, entry, offset, buf, len);
    if (err == 0)
        err = set_entry(q, table, offset, at | QCOW2_COPIED);
    if (err < 0) {
        qcow2_unalloc(q, at);
        return err;
    }
    return release_old(q, entry);
}

/* The refcount is asked too: a wrong COPIED bit must not cost a snapshot its data. */
static int write_in_place(struct qcow2 *q, uint64_t table, uint64_t entry, uint64_t offset,
                          const uint8_t *buf, size_t len)
{
    uint64_t at = entry & QCOW2_OFFSET, count;
    int err = qcow2_get_refcount(q, at, &count);

    if (err < 0)
        return err;
    if (count != 1)
        return qcow2_corrupt(q, "cluster %#llx has %llu users instead of one",
                             (unsigned long long)at, (unsigned long long)count);
    if (!(entry & QCOW2_ZERO))
        return block_file_write(&q->file, at + offset % q->cluster, buf, len);
    err = write_merged(q, at, entry, offset, buf, len);
    return err < 0 ? err : set_entry(q, table, offset, at | QCOW2_COPIED);
}

int qcow2_write_part(struct qcow2 *q, uint64_t offset, const uint8_t *buf, size_t len)
{
    uint64_t table, entry;
    int err = q->nfalls > MAX_FALLS ? qcow2_sync(q) : 0;

    if (err == 0)
        err = read_entry(q, offset, &entry);
    if (err == 0)
        err = own_l2(q, offset, &table);
    if (err < 0)
        return err;
    if (!(entry & QCOW2_COMPRESSED) && (entry & QCOW2_OFFSET) && (entry & QCOW2_COPIED))
        return write_in_place(q, table, entry, offset, buf, len);
    return replace(q, table, entry, offset, buf, len);
}
