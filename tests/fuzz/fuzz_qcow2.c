/* fuzz_qcow2.c - a qcow2 image with anything in its tables, and one that changes and shrinks while
 * it is used.
 *
 * The input: how many patches of the image of qcow2_rig.h, each offset (2) and value (1 or 8
 * bytes); then operations of four bytes: what, count, sector (2). An image without patches that
 * nobody else changes is compared with a model.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "block/block.h"

#include "../unit/qcow2_rig.h"

enum { MAX_OPS = 200, MAX_COUNT = 64, DISK_SECTORS = Q_DISK / BLOCK_SECTOR };
enum op { OP_READ, OP_WRITE, OP_FUA, OP_FLUSH, OP_SHRINK, OP_POKE, NOPS };

struct run {
    int fd;
    struct block *blk;
    struct block_request req;
    int result;
    bool sound; /* the model holds */
    uint8_t buf[MAX_COUNT * BLOCK_SECTOR], model[Q_DISK];
};

static void patch(struct fuzz_bytes *in, uint8_t *image)
{
    unsigned at = (unsigned)fuzz_take(in, 2) % (Q_BYTES - 8), wide = at & 7 ? 1 : 8;
    uint64_t val = fuzz_take(in, wide);

    if (wide == 1)
        image[at] = (uint8_t)val;
    else
        st64be(image + at, val);
}

static void done(struct block_request *req, int result)
{
    ((struct run *)req->opaque)->result = result;
}

static int transfer(struct run *r, enum block_op op, bool fua, uint64_t sector, uint32_t count)
{
    r->req = (struct block_request){.op = op,
                                    .fua = fua,
                                    .sector = sector,
                                    .count = count,
                                    .buf = r->buf,
                                    .done = done,
                                    .opaque = r};
    r->result = 1;
    block_submit(r->blk, &r->req);
    block_poll(r->blk);
    if (r->result == 1) /* the host's disk is full */
        block_cancel(r->blk, &r->req);
    return r->result;
}

/* Somebody else writes to the file, or makes it shorter. */
static void meddle(struct run *r, enum op op, unsigned val, uint16_t at)
{
    uint8_t byte = (uint8_t)val;

    r->sound = false;
    if (op == OP_SHRINK)
        FUZZ_CHECK(ftruncate(r->fd, at) == 0, "%u", at);
    else
        FUZZ_CHECK(pwrite(r->fd, &byte, 1, at) == 1, "%u", at);
}

static void access_disk(struct run *r, enum op op, unsigned val, uint64_t sector)
{
    uint32_t count = val % MAX_COUNT + 1;
    size_t bytes;
    int err;

    sector %= block_sectors(r->blk);
    if (count > block_sectors(r->blk) - sector)
        count = (uint32_t)(block_sectors(r->blk) - sector);
    bytes = (size_t)count * BLOCK_SECTOR;
    if (op != OP_READ)
        memset(r->buf, (int)val, bytes);
    err = transfer(r, op == OP_READ ? BLOCK_READ : BLOCK_WRITE, op == OP_FUA, sector, count);
    if (!r->sound)
        return;
    FUZZ_CHECK(err == 0, "a sound image: %d", err);
    if (op == OP_READ)
        FUZZ_CHECK(memcmp(r->buf, r->model + sector * BLOCK_SECTOR, bytes) == 0, "sector %u",
                   (unsigned)sector);
    else
        memcpy(r->model + sector * BLOCK_SECTOR, r->buf, bytes);
}

static void use(struct run *r, struct fuzz_bytes *in)
{
    for (unsigned n = 0; n < MAX_OPS && in->left; n++) {
        enum op op = (enum op)(fuzz_take(in, 1) % NOPS);
        unsigned val = (unsigned)fuzz_take(in, 1);
        uint16_t at = (uint16_t)fuzz_take(in, 2);

        if (op == OP_SHRINK || op == OP_POKE)
            meddle(r, op, val, at);
        else if (op == OP_FLUSH)
            transfer(r, BLOCK_FLUSH, false, 0, 0);
        else
            access_disk(r, op, val, at);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run r;
    uint8_t image[Q_BYTES];
    struct fuzz_bytes in = {data, size};
    unsigned patches = (unsigned)fuzz_take(&in, 1) % 16;
    struct block_error err;
    struct block_options opt = {.format = BLOCK_FORMAT_QCOW2};
    char path[64];

    qcow2_make(image);
    for (unsigned i = 0; i < patches; i++)
        patch(&in, image);
    r.sound = patches == 0;
    memset(r.model, 0, sizeof(r.model));
    memset(r.model, 0xd1, Q_CLUSTER);
    r.fd = memfd_create("image", MFD_CLOEXEC);
    FUZZ_CHECK(r.fd >= 0 && write(r.fd, image, sizeof(image)) == sizeof(image), "memfd");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", r.fd);
    opt.path = path;
    if (block_open(&r.blk, &opt, &err) == 0) {
        use(&r, &in);
        FUZZ_CHECK(block_close(r.blk) == 0 || !r.sound, "close");
    } else {
        FUZZ_CHECK(!r.sound && err.text[0], "refused: %s", err.text);
    }
    close(r.fd);
    return 0;
}
