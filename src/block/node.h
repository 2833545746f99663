/* node.h - what a disk consists of: a node is an image format or a layer on another node.
 *
 * Offsets and lengths are bytes, whole sectors, inside [0, bytes). Operations block and return 0 or
 * -errno; they run on one thread at a time. A node owns the node below it.
 */
#ifndef DRAGOMAN_BLOCK_NODE_H
#define DRAGOMAN_BLOCK_NODE_H

#include "base/types.h"
#include "block/block.h"

struct block_file;

struct block_node_ops {
    int (*read)(struct block_node *n, uint64_t offset, uint8_t *buf, size_t len);
    int (*write)(struct block_node *n, uint64_t offset, const uint8_t *buf, size_t len);
    int (*flush)(struct block_node *n);
    void (*close)(struct block_node *n); /* frees the node, not the one below */
};

struct block_node {
    const struct block_node_ops *ops;
    uint64_t bytes;
    bool read_only;
    const char *format;        /* NULL: a layer, which has the one below's */
    struct block_node *below;  /* what reads fall through to; owned; may be NULL */
    struct block_error report; /* empty, or what block_take_report() is to say */
};

/* Takes the file over, except when it fails. */
int block_raw_create(struct block_node **out, struct block_file *f, bool read_only,
                     bool probed) MUST_CHECK;
/* Reads fall through to `below`, which becomes the overlay's, except when this fails. */
int block_overlay_open(struct block_node **out, struct block_node *below,
                       struct block_error *err) MUST_CHECK;

/* Writes what the overlay has to `base`, flushes that, and forgets it. 0 or -errno: nothing is
 * forgotten then. */
int block_overlay_commit(struct block_node *n, struct block_node *base) MUST_CHECK;
/* The image at path once more, as its content says. */
int block_open_again(struct block_node **out, const char *path, bool read_only,
                     struct block_error *err) MUST_CHECK;

/* Closes a node and what is below it. NULL does nothing. */
void block_node_close(struct block_node *n);

/* Formats the sentence; returns code. */
int block_fail(struct block_error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
