/* Opening an image, and the node it is. */
#include "block/qcow2.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

enum { H_AUTOCLEAR = 88 };

static struct qcow2 *qcow2_of(struct block_node *n)
{
    return container_of(n, struct qcow2, node);
}

int qcow2_corrupt(struct qcow2 *q, const char *fmt, ...)
{
    char what[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return block_fail(&q->node.report, -EIO, "%s: corrupt: %s", q->path, what);
}

/* The disk's last sector may go beyond its size, never beyond its last cluster. */
static size_t part_of(const struct qcow2 *q, uint64_t offset, size_t len)
{
    uint64_t rest = q->cluster - offset % q->cluster;

    return len < rest ? len : (size_t)rest;
}

static int node_read(struct block_node *n, uint64_t offset, uint8_t *buf, size_t len)
{
    struct qcow2 *q = qcow2_of(n);
    int err = 0;

    for (size_t part; len && err == 0; offset += part, buf += part, len -= part) {
        part = part_of(q, offset, len);
        err = qcow2_read_part(q, offset, buf, part);
    }
    return err;
}

static int node_write(struct block_node *n, uint64_t offset, const uint8_t *buf, size_t len)
{
    struct qcow2 *q = qcow2_of(n);
    int err = 0;

    for (size_t part; len && err == 0; offset += part, buf += part, len -= part) {
        part = part_of(q, offset, len);
        err = qcow2_write_part(q, offset, buf, part);
    }
    return err;
}

static int node_flush(struct block_node *n)
{
    return n->read_only ? 0 : qcow2_sync(qcow2_of(n));
}

static void node_close(struct block_node *n)
{
    struct qcow2 *q = qcow2_of(n);
    /* The flush before has applied the last releases, to the cache: an error costs only space. */
    int lost = q->file.fd >= 0 && !n->read_only ? qcow2_sync(q) : 0;

    (void)lost;
    qcow2_cache_free(q);
    block_file_close(&q->file);
    free(q->path);
    free(q->l1);
    free(q->rt);
    free(q->meta);
    free(q->falls);
    free(q->work);
    free(q->packed);
    free(q->unpacked);
    free(q);
}

static const struct block_node_ops qcow2_ops = {node_read, node_write, node_flush, node_close};

/* ---- opening ---- */

static int mark_range(struct qcow2 *q, uint64_t offset, uint64_t bytes, const char *what)
{
    int err = 0;

    for (uint64_t at = 0; at < bytes && err == 0; at += q->cluster)
        err = qcow2_mark_meta(q, offset + at, what);
    return err;
}

/* Of all entries of a table: nothing but an offset and what `flags` allows. */
static int mark_entries(struct qcow2 *q, const uint8_t *table, uint64_t n, uint64_t flags,
                        const char *what)
{
    int err = 0;

    for (uint64_t i = 0; i < n && err == 0; i++) {
        uint64_t entry = ld64be(table + 8 * i);

        if (entry & ~(flags | QCOW2_OFFSET))
            err = qcow2_corrupt(q, "%s entry %#llx", what, (unsigned long long)entry);
        else if (entry & QCOW2_OFFSET)
            err = qcow2_mark_meta(q, entry & QCOW2_OFFSET, what);
    }
    return err;
}

static int load(struct qcow2 *q, uint64_t offset, uint64_t bytes, uint8_t **out)
{
    *out = calloc(1, bytes);
    return *out ? block_file_read(&q->file, offset, *out, bytes) : -ENOMEM;
}

static int load_tables(struct qcow2 *q, const struct qcow2_header *h)
{
    uint64_t l1_bytes = h->l1_size * UINT64_C(8);
    uint64_t rt_bytes = h->refcount_clusters * q->cluster;
    int err = qcow2_cache_init(q);

    if (err == 0)
        err = load(q, h->l1_offset, l1_bytes, &q->l1);
    if (err == 0)
        err = load(q, h->refcount_offset, rt_bytes, &q->rt);
    if (err == 0)
        err = mark_range(q, 0, q->cluster, "header");
    if (err == 0)
        err = mark_range(q, h->l1_offset, l1_bytes, "L1 table");
    if (err == 0)
        err = mark_range(q, h->refcount_offset, rt_bytes, "refcount table");
    if (err == 0)
        err = mark_entries(q, q->rt, q->rt_entries, 0, "refcount block");
    if (err == 0)
        err = mark_entries(q, q->l1, q->l1_size, QCOW2_COPIED, "L2 table");
    return err;
}

/* Features that a writer who does not know them must switch off: persistent bitmaps. */
static int clear_features(struct qcow2 *q, const struct qcow2_header *h)
{
    static const uint8_t none[8];
    int err;

    if (q->node.read_only || !h->autoclear)
        return 0;
    err = block_file_write(&q->file, H_AUTOCLEAR, none, sizeof(none));
    return err < 0 ? err : block_file_flush(&q->file);
}

static void set_up(struct qcow2 *q, const struct qcow2_header *h, bool read_only)
{
    q->node = (struct block_node){.ops = &qcow2_ops,
                                  .bytes = align_up(h->size, BLOCK_SECTOR),
                                  .read_only = read_only,
                                  .format = "qcow2"};
    q->version = h->version;
    q->cluster_bits = h->cluster_bits;
    q->refcount_order = h->refcount_order;
    q->compression = h->compression;
    q->cluster = UINT64_C(1) << h->cluster_bits;
    q->entries = q->cluster / 8;
    q->nclusters = align_up(q->file.bytes, q->cluster) / q->cluster;
    q->l1_offset = h->l1_offset;
    q->l1_size = h->l1_size;
    q->rt_offset = h->refcount_offset;
    q->rt_entries = h->refcount_clusters * q->entries;
}

int block_qcow2_create(struct block_node **out, struct block_file *f, const char *path,
                       bool read_only, struct qcow2_header *h, struct block_error *err)
{
    struct qcow2 *q = NULL;
    int e = qcow2_read_header(f, path, read_only, h, err);

    if (e < 0)
        return e;
    q = calloc(1, sizeof(*q));
    if (!q)
        return block_fail(err, -ENOMEM, "%s: out of memory", path);
    q->file = *f;
    set_up(q, h, read_only);
    q->path = strdup(path);
    q->work = malloc(q->cluster);
    e = q->path && q->work ? load_tables(q, h) : -ENOMEM;
    if (e == 0)
        e = clear_features(q, h);
    if (e == 0) {
        *out = &q->node;
        return 0;
    }
    if (q->node.report.text[0])
        *err = q->node.report;
    else
        block_fail(err, e, "%s: %s", path, strerror(-e));
    q->file.fd = -1; /* stays the caller's */
    node_close(&q->node);
    return e;
}
