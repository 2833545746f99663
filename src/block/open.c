/* From what the user asked for to a chain of nodes. */
#include "block/block.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "block/node.h"
#include "block/probe.h"
#include "block/qcow2.h"

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

/* How long a chain of backing files may be; one that is longer goes in circles. */
enum { MAX_CHAIN = 32 };

struct request {
    const char *path;
    enum block_format format;
    bool read_only;
    unsigned depth;
};

static int open_image(struct block_node **out, const struct request *req, struct block_error *err);

static int probe(struct block_file *f, const char *path, enum block_format *format,
                 struct block_error *err)
{
    uint8_t head[BLOCK_SECTOR] = {0};
    int e = block_file_read(f, 0, head, f->bytes < sizeof(head) ? (size_t)f->bytes : sizeof(head));

    if (e < 0)
        return block_fail(err, e, "%s: %s", path, strerror(-e));
    *format = block_is_qcow2(head) ? BLOCK_FORMAT_QCOW2 : BLOCK_FORMAT_RAW;
    return 0;
}

static const struct {
    const char *name;
    enum block_format format;
} backing_formats[] = {
    {"", BLOCK_FORMAT_PROBE},
    {"raw", BLOCK_FORMAT_RAW},
    {"qcow2", BLOCK_FORMAT_QCOW2},
};

static int backing_format(const char *name, const char *path, enum block_format *out,
                          struct block_error *err)
{
    for (unsigned i = 0; i < ARRAY_SIZE(backing_formats); i++) {
        if (strcmp(name, backing_formats[i].name) == 0) {
            *out = backing_formats[i].format;
            return 0;
        }
    }
    return block_fail(err, -ENOTSUP, "%s: its backing file has the unknown format \"%s\"", path,
                      name);
}

/* A relative name counts from the directory of the image that has it. */
static int backing_path(char *out, size_t room, const char *path, const char *name,
                        struct block_error *err)
{
    const char *slash = strrchr(path, '/'), *colon = strchr(name, ':');
    int dir = name[0] == '/' || !slash ? 0 : (int)(slash + 1 - path);
    int n;

    if (colon && !memchr(name, '/', (size_t)(colon - name)))
        return block_fail(err, -ENOTSUP, "%s: its backing file \"%s\" is not a file here", path,
                          name);
    n = snprintf(out, room, "%.*s%s", dir, path, name);
    return n < 0 || (size_t)n >= room
               ? block_fail(err, -ENAMETOOLONG, "%s: name of the backing file", path)
               : 0;
}

static int open_backing(struct block_node *node, const struct request *req,
                        const struct qcow2_header *h, struct block_error *err)
{
    struct request below = {.read_only = true, .depth = req->depth + 1};
    char path[4096];
    int e = backing_path(path, sizeof(path), req->path, h->backing, err);

    if (e == 0)
        e = backing_format(h->backing_format, req->path, &below.format, err);
    if (e < 0)
        return e;
    if (below.depth > MAX_CHAIN)
        return block_fail(err, -ELOOP, "%s: its chain of backing files has no end", req->path);
    below.path = path;
    return open_image(&node->below, &below, err);
}

static int open_qcow2(struct block_node **out, struct block_file *f, const struct request *req,
                      struct block_error *err)
{
    struct qcow2_header h;
    struct block_node *node;
    int e = block_qcow2_create(&node, f, req->path, req->read_only, &h, err);

    if (e < 0) {
        block_file_close(f);
        return e;
    }
    if (h.backing[0])
        e = open_backing(node, req, &h, err);
    if (e < 0)
        block_node_close(node);
    else
        *out = node;
    return e;
}

static int open_image(struct block_node **out, const struct request *req, struct block_error *err)
{
    enum block_format format = req->format;
    struct block_file f;
    int e = block_file_open(&f, req->path, req->read_only, err);

    if (e < 0)
        return e;
    if (f.bytes == 0)
        e = block_fail(err, -EINVAL, "%s: the image is empty", req->path);
    if (e == 0 && format == BLOCK_FORMAT_PROBE)
        e = probe(&f, req->path, &format, err);
    if (e == 0 && format == BLOCK_FORMAT_QCOW2)
        return open_qcow2(out, &f, req, err);
    if (e == 0) {
        e = block_raw_create(out, &f, req->read_only, req->format == BLOCK_FORMAT_PROBE);
        if (e < 0)
            block_fail(err, e, "%s: %s", req->path, strerror(-e));
    }
    if (e < 0)
        block_file_close(&f);
    return e;
}

int block_open_again(struct block_node **out, const char *path, bool read_only,
                     struct block_error *err)
{
    const struct request req = {.path = path, .read_only = read_only};

    return open_image(out, &req, err);
}

int block_open(struct block **out, const struct block_options *opt, struct block_error *err)
{
    struct block_node *node = NULL, *top;
    const struct request req = {
        .path = opt->path, .format = opt->format, .read_only = opt->read_only || opt->snapshot};
    int e = open_image(&node, &req, err);

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
