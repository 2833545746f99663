/* interp_cache.h - decoded instructions by guest frame, and fetched pages by linear address
 * (private to the interpreter).
 *
 *   fetch[vpn]  -> icode_page (frame, code size) -> slot[offset] -> instruction
 *
 * A page's instructions live in chunks that are never moved or freed while an instruction runs:
 * dropping one only clears its slot. Instructions that straddle pages are never cached by page; a
 * small table keeps their decoding by bytes. code_written() may come in the middle of an
 * instruction with the guest's vector state live: nothing it reaches calls the C library.
 */
#ifndef DRAGOMAN_TRANSLATOR_INTERP_CACHE_H
#define DRAGOMAN_TRANSLATOR_INTERP_CACHE_H

#include "shadowmmu/smmu.h"
#include "translator/interp.h"

enum {
    ICODE_CHUNK = 64, /* instructions allocated at once */
    ICODE_CHUNKS = PAGE_SIZE / ICODE_CHUNK,
    ICODE_BUCKETS = 4096,
    ICODE_MAX_PAGES = 2048,  /* 16 MiB of slots */
    ICODE_MAX_CHUNKS = 8192, /* 64 MiB of instructions */
    ICODE_FETCHES = 256,
    ICODE_STRADDLES = 64,
    ICODE_IDLE_WRITES = 64, /* writes to a page nobody executes before its code is forgotten */
};

/* An instruction and what interp_run() may skip for it. */
struct icode {
    struct insn insn;
    bool fast;   /* no check of the row depends on the CPU's state */
    bool plain;  /* besides: computes and moves only, so that mode, flags of attention and shadows
                    stay */
    bool branch; /* plain, but control may go elsewhere: loops are interrupted here */
};

struct icode_page {
    struct icode_page *next; /* hash chain */
    uint64_t frame;
    uint8_t bits;
    uint16_t live; /* slots in use */
    uint16_t used; /* instructions allocated from the chunks */
    uint16_t idle_writes;
    uint16_t slot[PAGE_SIZE]; /* by offset: index + 1 of the instruction */
    struct icode *chunk[ICODE_CHUNKS];
};

struct icode_fetch {
    uint64_t key, generation;
    uint64_t frame;
    const uint8_t *bytes;
    struct icode_page *page; /* NULL: not RAM, or out of memory */
};

struct straddle {
    uint8_t bytes[MAX_INSN + 1]; /* the last one is the code size */
    struct icode code;
};

struct interp {
    struct smmu *mmu;
    uint64_t count;
    uint64_t generation; /* of fetch entries; grows when any may have become false */
    bool shared, (*in_use)(void *opaque, uint64_t frame);
    void *in_use_opaque;
    unsigned npages, nchunks;
    struct icode_page *bucket[ICODE_BUCKETS];
    struct icode_fetch fetch[ICODE_FETCHES];
    struct straddle straddle[ICODE_STRADDLES];
    struct icode scratch; /* for code that can't be cached */
};

/* The page of linear address lin, with execute rights of c->cpl. NULL: #PF recorded. */
struct icode_fetch *icode_fetch_page(struct interp *it, struct cpu *c, gva_t lin);

/* The instruction at c->rip, which lies in page f. NULL: fault recorded. Valid until the next call.
 */
struct icode *icode_decode(struct interp *it, struct cpu *c, struct icode_fetch *f, gva_t lin);

static inline struct icode *icode_lookup(const struct icode_page *p, unsigned off)
{
    unsigned s = p->slot[off];

    return s ? &p->chunk[(s - 1) / ICODE_CHUNK][(s - 1) % ICODE_CHUNK] : NULL;
}

void icode_listen(struct interp *it);
void icode_free_all(struct interp *it);

static inline unsigned icode_bits(uint32_t mode)
{
    return mode & MODE_CS64 ? 64 : mode & MODE_CS32 ? 32 : 16;
}

#endif
