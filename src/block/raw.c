/* A raw image: the disk's bytes as they are. A last sector that the file has only in part ends in
 * zeros, and is completed when it is written. */
#include "block/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "block/file.h"
#include "block/probe.h"

struct raw {
    struct block_node node;
    struct block_file file;
    bool probed;
};

static struct raw *raw_of(struct block_node *n)
{
    return container_of(n, struct raw, node);
}

static int raw_read(struct block_node *n, uint64_t offset, uint8_t *buf, size_t len)
{
    struct raw *r = raw_of(n);
    size_t have = offset >= r->file.bytes        ? 0
                  : len > r->file.bytes - offset ? (size_t)(r->file.bytes - offset)
                                                 : len;

    memset(buf + have, 0, len - have);
    return block_file_read(&r->file, offset, buf, have);
}

/* An image whose format was guessed stays what it is: else a guest could write the header of a
 * format with a backing file, and read any file of the user's after the next start. */
static bool changes_format(const struct raw *r, uint64_t offset, const uint8_t *buf)
{
    return r->probed && offset == 0 && block_is_qcow2(buf);
}

static int raw_write(struct block_node *n, uint64_t offset, const uint8_t *buf, size_t len)
{
    struct raw *r = raw_of(n);

    if (changes_format(r, offset, buf)) {
        block_fail(&n->report, -EPERM,
                   "the guest writes a qcow2 header to a raw image: refused, unless the image was "
                   "given with format=raw");
        return -EPERM;
    }
    return block_file_write(&r->file, offset, buf, len);
}

static int raw_flush(struct block_node *n)
{
    return block_file_flush(&raw_of(n)->file);
}

static void raw_close(struct block_node *n)
{
    block_file_close(&raw_of(n)->file);
    free(raw_of(n));
}

static const struct block_node_ops raw_ops = {raw_read, raw_write, raw_flush, raw_close};

int block_raw_create(struct block_node **out, struct block_file *f, bool read_only, bool probed)
{
    struct raw *r = calloc(1, sizeof(*r));

    if (!r)
        return -ENOMEM;
    r->node = (struct block_node){.ops = &raw_ops,
                                  .bytes = align_up(f->bytes, BLOCK_SECTOR),
                                  .read_only = read_only,
                                  .format = "raw"};
    r->file = *f;
    r->probed = probed;
    *out = &r->node;
    return 0;
}
