/* Where indirect branches land: the first and mostly only look-up of a target.
 *
 *   a branch             jmp [landings + 8 * lower 16 bits of the target]
 *   landing of a block   is the target its address? then behind its check of the page's word, which
 *                        the context vouches for; else a look-up (stray)
 *   look-up              in the jump cache (bt_asm.S, bt64_asm.S); on success it becomes the
 * landing for these 16 bits
 *
 * So a context's landings, but for `no_landing`, are of entries of its jump cache, of which whoever
 * takes one away has bt_landing_forget() take both. Only the look-up in assembly makes them, and
 * not in a context that is empty: nothing is found there.
 *
 * Landings begin cache lines: a branch, its landing and the body behind that come in one fetch.
 * Tight calls and returns take 0.8 of what they take elsewhere in a line.
 *
 * A context begins as a private mapping of a file in which all are `no_landing`: it has memory of
 * its own where it has landings.
 */
#include "translator/bt_priv.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LANDING_BYTES = BT_LANDINGS * sizeof(uint8_t *), CACHE_LINE = 64 };

_Static_assert(LANDING_BYTES == sizeof(((struct bt_ctx *)0)->landing), "one place for them");

static const uint8_t *lookup_of(bool wide)
{
    return (const uint8_t *)(uintptr_t)(wide ? bt64_stub_lookup : bt_stub_lookup);
}

static int make_file(int *fd, bool wide)
{
    const uint8_t **p;

    *fd = memfd_create("dragoman-landings", MFD_CLOEXEC);
    if (*fd < 0 || ftruncate(*fd, LANDING_BYTES) < 0)
        return -errno;
    p = mmap(NULL, LANDING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    for (unsigned k = 0; k < BT_LANDINGS; k++)
        p[k] = lookup_of(wide);
    munmap(p, LANDING_BYTES);
    return 0;
}

int bt_landing_init(struct engine *e)
{
    for (unsigned wide = 0; wide < 2; wide++) {
        int err = make_file(&e->landings_fd[wide], wide);

        if (err < 0)
            return err;
        e->empty_ctx[wide] = bt_ctx_map(e, wide);
        if (!e->empty_ctx[wide])
            return -ENOMEM;
    }
    e->empty_now = e->empty_ctx[0];
    return 0;
}

void bt_landing_fini(struct engine *e)
{
    for (unsigned wide = 0; wide < 2; wide++) {
        if (e->empty_ctx[wide])
            bt_ctx_unmap(e->empty_ctx[wide]);
        if (e->landings_fd[wide] >= 0)
            close(e->landings_fd[wide]);
    }
}

/* Aligned to the landings' size, which lets an index of 16 bits take the place of the address's. */
static uint8_t *map_aligned(size_t bytes)
{
    size_t slack = LANDING_BYTES - PAGE_SIZE, before;
    uint8_t *p =
        mmap(NULL, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    before = -(uintptr_t)p % LANDING_BYTES;
    if (before)
        munmap(p, before);
    if (before < slack)
        munmap(p + before + bytes, slack - before);
    return p + before;
}

static size_t ctx_bytes(void)
{
    return (sizeof(struct bt_ctx) + PAGE_MASK) & ~(size_t)PAGE_MASK;
}

struct bt_ctx *bt_ctx_map(struct engine *e, bool wide)
{
    uint8_t *p = map_aligned(ctx_bytes());
    struct bt_ctx *x = (struct bt_ctx *)p;

    if (!p)
        return NULL;
    if (mmap(p, LANDING_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
             e->landings_fd[wide], 0) == MAP_FAILED) {
        bt_ctx_unmap(x);
        return NULL;
    }
    x->no_landing = lookup_of(wide);
    bt_ctx_reset(x);
    return x;
}

void bt_ctx_unmap(struct bt_ctx *x)
{
    munmap(x, ctx_bytes());
}

void bt_landing_forget(struct bt_ctx *x, uint32_t i)
{
    const uint8_t **at = &x->landing[(uint16_t)(0 - x->neg_tag[i])];

    if (*at == x->host[i])
        *at = x->no_landing;
}

uint8_t *bt_landing_begin(struct engine *e, size_t bytes, size_t before)
{
    uint8_t *p = codemem_begin(&e->code, bytes + CACHE_LINE);

    return p ? p + (0 - (uintptr_t)(p + before)) % CACHE_LINE : NULL;
}

void bt_landing_commit(struct engine *e, const struct bt_block *b)
{
    size_t skipped = (size_t)(b->code - e->code.rx) - e->code.used;

    codemem_commit(&e->code, skipped + b->code_len);
}
