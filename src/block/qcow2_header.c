/* The header, its extensions, and what they ask for that is not here. */
#include "block/qcow2.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "block/probe.h"

enum { /* offsets in the header */
       H_VERSION = 4,
       H_BACKING_OFFSET = 8,
       H_BACKING_SIZE = 16,
       H_CLUSTER_BITS = 20,
       H_SIZE = 24,
       H_CRYPT = 32,
       H_L1_SIZE = 36,
       H_L1_OFFSET = 40,
       H_REFCOUNT_OFFSET = 48,
       H_REFCOUNT_CLUSTERS = 56,
       H_INCOMPATIBLE = 72,
       H_AUTOCLEAR = 88,
       H_REFCOUNT_ORDER = 96,
       H_LENGTH = 100,
       H_COMPRESSION = 104,
       MAX_REFCOUNT_ORDER = 6,
       EXTENSION_HEADER = 8,
};

enum { /* incompatible features */
       DIRTY = 1 << 0,
       CORRUPT = 1 << 1,
       EXTERNAL_DATA = 1 << 2,
       COMPRESSION_TYPE = 1 << 3,
       EXTENDED_L2 = 1 << 4,
};

#define EXT_BACKING_FORMAT UINT32_C(0xe2792aca)
/* As in QEMU: more would only be memory for nothing. */
#define MAX_L1_BYTES       (32 * MIB)
#define MAX_REFCOUNT_BYTES (8 * MIB)
#define MAX_DISK_BYTES     (UINT64_C(1) << 56)

static void parse(const uint8_t *p, struct qcow2_header *h)
{
    h->version = ld32be(p + H_VERSION);
    h->backing_offset = ld64be(p + H_BACKING_OFFSET);
    h->backing_size = ld32be(p + H_BACKING_SIZE);
    h->cluster_bits = ld32be(p + H_CLUSTER_BITS);
    h->size = ld64be(p + H_SIZE);
    h->l1_size = ld32be(p + H_L1_SIZE);
    h->l1_offset = ld64be(p + H_L1_OFFSET);
    h->refcount_offset = ld64be(p + H_REFCOUNT_OFFSET);
    h->refcount_clusters = ld32be(p + H_REFCOUNT_CLUSTERS);
    h->refcount_order = 4;
    h->header_length = QCOW2_HEADER_V2;
    if (h->version < 3)
        return;
    h->incompatible = ld64be(p + H_INCOMPATIBLE);
    h->autoclear = ld64be(p + H_AUTOCLEAR);
    h->refcount_order = ld32be(p + H_REFCOUNT_ORDER);
    h->header_length = ld32be(p + H_LENGTH);
    if (h->header_length > H_COMPRESSION && (h->incompatible & COMPRESSION_TYPE))
        h->compression = p[H_COMPRESSION];
}

static int check_features(const uint8_t *p, const struct qcow2_header *h, const char *path,
                          bool read_only, struct block_error *err)
{
    const uint64_t known = DIRTY | CORRUPT | COMPRESSION_TYPE;
    uint64_t unknown = h->incompatible & ~known;

    if (h->version != 2 && h->version != 3)
        return block_fail(err, -ENOTSUP, "%s: version %u of qcow2; 2 and 3 are known", path,
                          h->version);
    if (ld32be(p + H_CRYPT))
        return block_fail(err, -ENOTSUP, "%s: an encrypted qcow2 image", path);
    if (unknown & EXTERNAL_DATA)
        return block_fail(err, -ENOTSUP, "%s: a qcow2 image whose data is in another file", path);
    if (unknown & EXTENDED_L2)
        return block_fail(err, -ENOTSUP, "%s: a qcow2 image with subclusters (extended_l2)", path);
    if (unknown)
        return block_fail(err, -ENOTSUP, "%s: a qcow2 image with unknown features %#llx", path,
                          (unsigned long long)unknown);
    if (h->compression != QCOW2_DEFLATE && !qcow2_can_unpack(h->compression))
        return block_fail(err, -ENOTSUP, "%s: compressed in a way (%u) that this build can't read",
                          path, h->compression);
    if (!read_only && (h->incompatible & (DIRTY | CORRUPT)))
        return block_fail(err, -EUCLEAN, "%s: marked as %s; mend it with qemu-img check -r all",
                          path, h->incompatible & CORRUPT ? "corrupt" : "not closed cleanly");
    return 0;
}

static bool table_ok(const struct block_file *f, uint64_t offset, uint64_t bytes, uint64_t cluster)
{
    return offset && offset % cluster == 0 && offset < f->bytes &&
           bytes <= align_up(f->bytes, cluster) - offset;
}

static int check_layout(const struct block_file *f, const struct qcow2_header *h, const char *path,
                        struct block_error *err)
{
    uint64_t cluster, l2_covers, rt_bytes;

    if (h->cluster_bits < QCOW2_MIN_CLUSTER_BITS || h->cluster_bits > QCOW2_MAX_CLUSTER_BITS)
        return block_fail(err, -EINVAL, "%s: corrupt: clusters of 2^%u bytes", path,
                          h->cluster_bits);
    cluster = UINT64_C(1) << h->cluster_bits;
    l2_covers = cluster / 8 * cluster;
    rt_bytes = h->refcount_clusters * cluster;
    if (h->version == 3 && (h->header_length < QCOW2_HEADER_V3 || h->header_length > cluster))
        return block_fail(err, -EINVAL, "%s: corrupt: a header of %u bytes", path,
                          h->header_length);
    if (h->refcount_order > MAX_REFCOUNT_ORDER)
        return block_fail(err, -EINVAL, "%s: corrupt: refcounts of 2^%u bits", path,
                          h->refcount_order);
    if (h->size == 0 || h->size > MAX_DISK_BYTES)
        return block_fail(err, -EINVAL, "%s: a disk of %llu bytes", path,
                          (unsigned long long)h->size);
    if (h->l1_size < (h->size + l2_covers - 1) / l2_covers ||
        h->l1_size * UINT64_C(8) > MAX_L1_BYTES ||
        !table_ok(f, h->l1_offset, h->l1_size * UINT64_C(8), cluster))
        return block_fail(err, -EINVAL, "%s: corrupt: the L1 table (%u entries at %#llx)", path,
                          h->l1_size, (unsigned long long)h->l1_offset);
    if (rt_bytes == 0 || rt_bytes > MAX_REFCOUNT_BYTES ||
        !table_ok(f, h->refcount_offset, rt_bytes, cluster))
        return block_fail(err, -EINVAL, "%s: corrupt: the refcount table (%u clusters at %#llx)",
                          path, h->refcount_clusters, (unsigned long long)h->refcount_offset);
    return 0;
}

/* Extensions follow the header, in its cluster, up to the backing file's name. */
static int read_extensions(struct block_file *f, const char *path, struct qcow2_header *h,
                           struct block_error *err)
{
    uint64_t at = h->header_length, end = UINT64_C(1) << h->cluster_bits;
    uint8_t ext[EXTENSION_HEADER];

    if (h->backing_offset && h->backing_offset < end)
        end = h->backing_offset;
    while (at + EXTENSION_HEADER <= end) {
        uint32_t type, len;
        int e = block_file_read(f, at, ext, sizeof(ext));

        if (e < 0)
            return block_fail(err, e, "%s: header: %s", path, strerror(-e));
        type = ld32be(ext);
        len = ld32be(ext + 4);
        at += EXTENSION_HEADER;
        if (type == 0)
            break;
        if (len > end - at)
            return block_fail(err, -EINVAL, "%s: corrupt: header extension %#x", path, type);
        if (type == EXT_BACKING_FORMAT) {
            if (len >= sizeof(h->backing_format))
                return block_fail(err, -EINVAL, "%s: corrupt: format of the backing file", path);
            e = block_file_read(f, at, h->backing_format, len);
            if (e < 0)
                return block_fail(err, e, "%s: header: %s", path, strerror(-e));
        }
        at += align_up(len, 8);
    }
    return 0;
}

static int read_backing(struct block_file *f, const char *path, struct qcow2_header *h,
                        struct block_error *err)
{
    uint64_t cluster = UINT64_C(1) << h->cluster_bits;
    int e;

    if (!h->backing_offset)
        return 0;
    if (h->backing_size == 0 || h->backing_size >= sizeof(h->backing) ||
        h->backing_offset > cluster || h->backing_size > cluster - h->backing_offset)
        return block_fail(err, -EINVAL, "%s: corrupt: the name of the backing file", path);
    e = block_file_read(f, h->backing_offset, h->backing, h->backing_size);
    if (e < 0)
        return block_fail(err, e, "%s: header: %s", path, strerror(-e));
    if (strlen(h->backing) != h->backing_size)
        return block_fail(err, -EINVAL, "%s: corrupt: the name of the backing file", path);
    return 0;
}

int qcow2_read_header(struct block_file *f, const char *path, bool read_only,
                      struct qcow2_header *h, struct block_error *err)
{
    uint8_t p[BLOCK_SECTOR] = {0};
    size_t len = f->bytes < sizeof(p) ? (size_t)f->bytes : sizeof(p);
    int e = block_file_read(f, 0, p, len);

    memset(h, 0, sizeof(*h));
    if (e < 0)
        return block_fail(err, e, "%s: header: %s", path, strerror(-e));
    if (!block_is_qcow2(p))
        return block_fail(err, -EINVAL, "%s: not a qcow2 image", path);
    parse(p, h);
    e = check_features(p, h, path, read_only, err);
    if (e == 0)
        e = check_layout(f, h, path, err);
    if (e == 0)
        e = read_extensions(f, path, h, err);
    return e < 0 ? e : read_backing(f, path, h, err);
}
