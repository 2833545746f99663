/* From what the user asked for to a chain of nodes. */
#include "block/block.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "block/node.h"
#include "block/probe.h"

int block_fail(struct block_error *err, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    return code;
}

void block_node_close(struct block_node *n)
{
    while (n) {
        struct block_node *below = n->below;

        n->ops->close(n);
        n = below;
    }
}

static int refuse_qcow2(struct block_node *raw, const char *path, struct block_error *err)
{
    uint8_t head[BLOCK_SECTOR];
    int e = raw->ops->read(raw, 0, head, sizeof(head));

    if (e < 0)
        return block_fail(err, e, "%s: %s", path, strerror(-e));
    if (block_is_qcow2(head))
        return block_fail(err, -ENOTSUP, "%s: a qcow2 image; only raw images can be read", path);
    return 0;
}

static int open_image(struct block_node **out, const struct block_options *opt,
                      struct block_error *err)
{
    bool probe = opt->format == BLOCK_FORMAT_PROBE;
    int e = block_raw_open(out, opt->path, opt->read_only || opt->snapshot, probe, err);

    if (e == 0 && probe)
        e = refuse_qcow2(*out, opt->path, err);
    return e;
}

int block_open(struct block **out, const struct block_options *opt, struct block_error *err)
{
    struct block_node *node = NULL, *top;
    int e = open_image(&node, opt, err);

    if (e == 0 && opt->snapshot && !opt->read_only) {
        e = block_overlay_open(&top, node, err);
        if (e == 0)
            node = top;
    }
    if (e == 0) {
        e = block_create(out, node, opt->path);
        if (e < 0)
            block_fail(err, e, "%s: %s", opt->path, strerror(-e));
    }
    if (e < 0)
        block_node_close(node);
    return e;
}
