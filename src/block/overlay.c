/* -snapshot: what is written goes to an unlinked file at the same offset; one bit per sector says
 * where the newest bytes are. Both are sparse. */
#include "block/node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "block/file.h"

struct overlay {
    struct block_node node;
    struct block_file file;
    uint8_t *written; /* bitmap by sector */
    size_t map_bytes;
};

static struct overlay *overlay_of(struct block_node *n)
{
    return container_of(n, struct overlay, node);
}

static bool is_written(const struct overlay *o, uint64_t sector)
{
    return o->written[sector / 8] >> sector % 8 & 1;
}

/* Sectors from `first` on, at most `count`, that are all in one place. */
static size_t run_of(const struct overlay *o, uint64_t first, size_t count)
{
    size_t n = 1;

    while (n < count && is_written(o, first + n) == is_written(o, first))
        n++;
    return n;
}

static int overlay_read(struct block_node *n, uint64_t offset, uint8_t *buf, size_t len)
{
    struct overlay *o = overlay_of(n);
    int err = 0;

    while (len && err == 0) {
        uint64_t sector = offset / BLOCK_SECTOR;
        size_t part = run_of(o, sector, len / BLOCK_SECTOR) * BLOCK_SECTOR;

        if (is_written(o, sector))
            err = block_file_read(&o->file, offset, buf, part);
        else /* nothing is below after a commit that could not open the image again */
            err = n->below ? n->below->ops->read(n->below, offset, buf, part) : -EIO;
        offset += part;
        buf += part;
        len -= part;
    }
    return err;
}

static int overlay_write(struct block_node *n, uint64_t offset, const uint8_t *buf, size_t len)
{
    struct overlay *o = overlay_of(n);
    int err = block_file_write(&o->file, offset, buf, len);

    if (err < 0)
        return err;
    for (uint64_t s = offset / BLOCK_SECTOR; s < (offset + len) / BLOCK_SECTOR; s++)
        o->written[s / 8] |= (uint8_t)(1 << s % 8);
    return 0;
}

enum { COMMIT_SECTORS = 128 };

int block_overlay_commit(struct block_node *n, struct block_node *base)
{
    struct overlay *o = overlay_of(n);
    uint64_t sectors = n->bytes / BLOCK_SECTOR, at = 0;
    uint8_t buf[COMMIT_SECTORS * BLOCK_SECTOR];
    int err = 0;

    while (at < sectors && err == 0) {
        uint64_t left = sectors - at;
        size_t count = run_of(o, at, left < COMMIT_SECTORS ? (size_t)left : COMMIT_SECTORS);

        if (is_written(o, at)) {
            err = block_file_read(&o->file, at * BLOCK_SECTOR, buf, count * BLOCK_SECTOR);
            if (err == 0)
                err = base->ops->write(base, at * BLOCK_SECTOR, buf, count * BLOCK_SECTOR);
        }
        at += count;
    }
    if (err == 0)
        err = base->ops->flush(base);
    if (err == 0)
        memset(o->written, 0, o->map_bytes);
    return err;
}

/* Nothing survives the process, so there is nothing to make durable. */
static int overlay_flush(struct block_node *n)
{
    (void)n;
    return 0;
}

static void overlay_close(struct block_node *n)
{
    struct overlay *o = overlay_of(n);

    munmap(o->written, o->map_bytes);
    block_file_close(&o->file);
    free(o);
}

static const struct block_node_ops overlay_ops = {overlay_read, overlay_write, overlay_flush,
                                                  overlay_close};

/* /var/tmp, because /tmp is often memory. */
static int temporary_file(struct block_error *err)
{
    const char *dir = getenv("TMPDIR");
    char path[512];
    int fd;

    if (!dir || !*dir)
        dir = "/var/tmp";
    snprintf(path, sizeof(path), "%s/dragoman-XXXXXX", dir);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return block_fail(err, -errno, "-snapshot: a temporary file in %s: %s", dir,
                          strerror(errno));
    unlink(path);
    return fd;
}

int block_overlay_open(struct block_node **out, struct block_node *below, struct block_error *err)
{
    struct overlay *o = calloc(1, sizeof(*o));
    int fd;

    if (!o)
        return block_fail(err, -ENOMEM, "-snapshot: out of memory");
    fd = temporary_file(err);
    if (fd < 0) {
        free(o);
        return fd;
    }
    o->file.fd = fd;
    o->map_bytes = (size_t)(below->bytes / BLOCK_SECTOR / 8 + 1);
    o->written = mmap(NULL, o->map_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (o->written == MAP_FAILED) {
        close(fd);
        free(o);
        return block_fail(err, -ENOMEM, "-snapshot: out of memory");
    }
    o->node = (struct block_node){.ops = &overlay_ops, .bytes = below->bytes, .below = below};
    *out = &o->node;
    return 0;
}
