/* A disk that an NBD server has (qemu-nbd, nbdkit), by libnbd: the server knows the format. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "block/node.h"

#include "base/bits.h"

bool block_is_uri(const char *path)
{
    return strncmp(path, "nbd://", 6) == 0 || strncmp(path, "nbd+unix://", 11) == 0;
}

#ifdef DRAGOMAN_NBD
#include <libnbd.h>

/* Every server takes that much at once (NBD protocol, block size constraints). */
enum { MAX_REQUEST = 32 << 20 };

struct nbd {
    struct block_node node;
    struct nbd_handle *handle;
    bool can_flush;
};

static struct nbd *nbd_of(struct block_node *n)
{
    return container_of(n, struct nbd, node);
}

/* After the connection is lost every request fails; the user hears of it with each. */
static int failed(struct block_node *n)
{
    int err = nbd_get_errno();

    if (err == ENOSPC || err == EPERM)
        return -err;
    block_fail(&n->report, -EIO, "NBD server: %s", nbd_get_error());
    return -EIO;
}

static int nbd_node_read(struct block_node *n, uint64_t offset, uint8_t *buf, size_t len)
{
    for (size_t done = 0, part; done < len; done += part) {
        part = len - done < MAX_REQUEST ? len - done : MAX_REQUEST;
        if (nbd_pread(nbd_of(n)->handle, buf + done, part, offset + done, 0) < 0)
            return failed(n);
    }
    return 0;
}

static int nbd_node_write(struct block_node *n, uint64_t offset, const uint8_t *buf, size_t len)
{
    for (size_t done = 0, part; done < len; done += part) {
        part = len - done < MAX_REQUEST ? len - done : MAX_REQUEST;
        if (nbd_pwrite(nbd_of(n)->handle, buf + done, part, offset + done, 0) < 0)
            return failed(n);
    }
    return 0;
}

/* A server that cannot flush has nothing to flush. */
static int nbd_node_flush(struct block_node *n)
{
    if (n->read_only || !nbd_of(n)->can_flush)
        return 0;
    return nbd_flush(nbd_of(n)->handle, 0) < 0 ? failed(n) : 0;
}

static void nbd_node_close(struct block_node *n)
{
    nbd_shutdown(nbd_of(n)->handle, 0);
    nbd_close(nbd_of(n)->handle);
    free(nbd_of(n));
}

static const struct block_node_ops nbd_ops = {nbd_node_read, nbd_node_write, nbd_node_flush,
                                              nbd_node_close};

static int describe(struct nbd *d, const char *uri, bool read_only, struct block_error *err)
{
    int64_t bytes = nbd_get_size(d->handle), least;

    if (bytes < BLOCK_SECTOR)
        return block_fail(err, -EINVAL, "%s: the disk is empty", uri);
    least = nbd_get_block_size(d->handle, LIBNBD_SIZE_MINIMUM);
    if (least > BLOCK_SECTOR)
        return block_fail(err, -ENOTSUP, "%s: the server wants blocks of %lld bytes", uri,
                          (long long)least);
    if (!read_only && nbd_is_read_only(d->handle) != 0)
        return block_fail(err, -EROFS, "%s: read-only (readonly=on or -snapshot do without)", uri);
    d->can_flush = nbd_can_flush(d->handle) == 1;
    d->node = (struct block_node){.ops = &nbd_ops,
                                  .bytes = align_down((uint64_t)bytes, BLOCK_SECTOR),
                                  .read_only = read_only};
    return 0;
}

/* What a URI may name besides: TLS with its files, commands to run; none of it is offered. */
static int connect_to(struct nbd_handle *h, const char *uri)
{
    if (nbd_set_uri_allow_tls(h, LIBNBD_TLS_DISABLE) < 0 ||
        nbd_set_uri_allow_local_file(h, false) < 0)
        return -1;
    return nbd_connect_uri(h, uri);
}

int block_nbd_open(struct block_node **out, const char *uri, bool read_only,
                   struct block_error *err)
{
    struct nbd *d = calloc(1, sizeof(*d));
    int e;

    if (!d)
        return block_fail(err, -ENOMEM, "%s: %s", uri, strerror(ENOMEM));
    d->handle = nbd_create();
    if (!d->handle || connect_to(d->handle, uri) < 0)
        e = block_fail(err, -ECONNREFUSED, "%s: %s", uri, nbd_get_error());
    else
        e = describe(d, uri, read_only, err);
    if (e < 0) {
        nbd_close(d->handle);
        free(d);
        return e;
    }
    *out = &d->node;
    return 0;
}
#else
int block_nbd_open(struct block_node **out, const char *uri, bool read_only,
                   struct block_error *err)
{
    (void)out;
    (void)read_only;
    return block_fail(err, -ENOTSUP, "%s: built without libnbd, so without NBD", uri);
}
#endif
