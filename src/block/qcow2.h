/* qcow2.h - images in QEMU's format, versions 2 and 3 (QEMU's docs/interop/qcow2.txt).
 *
 *   guest offset -> L1 table -> L2 table -> cluster of the file; refcount table -> refcount block
 *
 * Order of what reaches the disk, so that a crash at any point leaves at worst clusters that nobody
 * uses: data and refcounts, then the tables that point to them, then the refcounts that fall. L2
 * tables and refcount blocks live in a cache (qcow2_cache.c) and are written by qcow2_sync() only:
 * for a guest's flush, or when the cache is full of changed ones.
 *
 * Nothing in the file is believed: offsets are aligned, inside the file, and no cluster with
 * metadata in it (the `meta` bitmap) is ever written as data. What does not hold is -EIO and a
 * sentence for the user.
 */
#ifndef DRAGOMAN_BLOCK_QCOW2_H
#define DRAGOMAN_BLOCK_QCOW2_H

#include "base/types.h"
#include "block/file.h"
#include "block/node.h"

enum {
    QCOW2_HEADER_V2 = 72,
    QCOW2_HEADER_V3 = 104,
    QCOW2_MIN_CLUSTER_BITS = 9,
    QCOW2_MAX_CLUSTER_BITS = 21,
};

#define QCOW2_COPIED     (UINT64_C(1) << 63) /* the refcount is exactly one: write in place */
#define QCOW2_COMPRESSED (UINT64_C(1) << 62)
#define QCOW2_ZERO       UINT64_C(1) /* version 3: reads as zeros */
#define QCOW2_OFFSET     UINT64_C(0x00fffffffffffe00)

enum qcow2_compression { QCOW2_DEFLATE, QCOW2_ZSTD, QCOW2_COMPRESSIONS };

/* What is read of the header (both versions). */
struct qcow2_header {
    uint32_t version, cluster_bits, backing_size, l1_size, refcount_clusters, refcount_order,
        header_length;
    uint64_t backing_offset, size, l1_offset, refcount_offset, incompatible, autoclear;
    enum qcow2_compression compression;
    char backing[1024];      /* "": none */
    char backing_format[16]; /* "": not said */
};

enum qcow2_table { QCOW2_L2, QCOW2_REFCOUNTS };

struct qcow2_slot {
    uint64_t offset; /* in the file; 0: empty */
    enum qcow2_table kind;
    bool dirty;
    uint64_t used; /* when, for the choice of a victim */
    uint8_t *data; /* a cluster */
};

struct qcow2 {
    struct block_node node;
    struct block_file file;
    char *path;
    uint32_t version, cluster_bits, refcount_order;
    uint64_t cluster;   /* bytes */
    uint64_t entries;   /* of an L2 table */
    uint64_t nclusters; /* of the file, the next one to append */
    uint64_t hint;      /* no free cluster before this one */

    uint64_t l1_offset;
    uint32_t l1_size;
    uint8_t *l1; /* as in the file: big-endian */
    bool l1_dirty;

    uint64_t rt_offset; /* refcount table */
    uint64_t rt_entries;
    uint8_t *rt;
    bool rt_dirty, rt_moved;

    uint8_t *meta; /* bitmap by cluster: metadata of ours */
    uint64_t meta_clusters;

    struct qcow2_slot *slots;
    unsigned nslots;
    struct qcow2_slot *recent[2]; /* the last one used of each kind; may be NULL */
    uint64_t clock;

    uint64_t *falls; /* clusters whose refcount falls when the next sync is done */
    unsigned nfalls, falls_room;

    enum qcow2_compression compression;
    uint8_t *work;     /* a cluster */
    uint8_t *packed;   /* compressed bytes of one */
    uint8_t *unpacked; /* the last one that was unpacked, and its L2 entry */
    uint64_t unpacked_entry;
};

/* ---- qcow2_header.c ---- */
int qcow2_read_header(struct block_file *f, const char *path, bool read_only,
                      struct qcow2_header *h, struct block_error *err) MUST_CHECK;

/* ---- qcow2.c ---- */
/* Takes the file over, except when it fails. The caller opens what h->backing names and makes it
 * the node below. */
int block_qcow2_create(struct block_node **out, struct block_file *f, const char *path,
                       bool read_only, struct qcow2_header *h, struct block_error *err) MUST_CHECK;
/* Says what is corrupt; -EIO. */
int qcow2_corrupt(struct qcow2 *q, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- qcow2_cache.c ---- */
int qcow2_cache_init(struct qcow2 *q) MUST_CHECK;
void qcow2_cache_free(struct qcow2 *q);
/* The table at `offset`; the slot is valid until the next call of anything here. `fresh`: all
 * zeros, not read. */
int qcow2_get(struct qcow2 *q, enum qcow2_table kind, uint64_t offset, bool fresh,
              struct qcow2_slot **out) MUST_CHECK;
/* The cluster is no table any more. */
void qcow2_forget(struct qcow2 *q, uint64_t offset);
/* Writes all metadata, in order, and makes it and the data before it durable. */
int qcow2_sync(struct qcow2 *q) MUST_CHECK;

/* ---- qcow2_refcount.c ---- */
/* Marks a cluster as metadata. -EIO when it is already, or is not one of the file's. */
int qcow2_mark_meta(struct qcow2 *q, uint64_t offset, const char *what) MUST_CHECK;
bool qcow2_is_meta(const struct qcow2 *q, uint64_t offset);
int qcow2_get_refcount(struct qcow2 *q, uint64_t offset, uint64_t *count) MUST_CHECK;
/* A cluster with a refcount of one that nobody points to yet. */
int qcow2_alloc(struct qcow2 *q, uint64_t *offset) MUST_CHECK;
/* Gives back a cluster that was never pointed to. */
void qcow2_unalloc(struct qcow2 *q, uint64_t offset);
/* One reference less, once what is in the cache now is on the disk. */
int qcow2_release(struct qcow2 *q, uint64_t offset) MUST_CHECK;
/* Carries out the releases. For qcow2_sync(). */
int qcow2_apply_falls(struct qcow2 *q) MUST_CHECK;

/* ---- qcow2_cluster.c ---- */
/* Inside one cluster of the guest's. */
int qcow2_read_part(struct qcow2 *q, uint64_t offset, uint8_t *buf, size_t len) MUST_CHECK;
int qcow2_write_part(struct qcow2 *q, uint64_t offset, const uint8_t *buf, size_t len) MUST_CHECK;

/* ---- qcow2_unpack.c ---- */
/* Built with the library? */
bool qcow2_can_unpack(enum qcow2_compression how);
/* Exactly out_len bytes, or -EBADMSG, -ENOMEM, -ENOTSUP. */
int qcow2_unpack(enum qcow2_compression how, const uint8_t *in, size_t in_len, uint8_t *out,
                 size_t out_len) MUST_CHECK;

#endif
