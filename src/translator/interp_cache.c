/* interp_cache.c - decoded instructions: fetch, decode, keep, forget. */
#include "translator/interp_cache.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/exception.h"
#include "shadowmmu/access.h"
#include "translator/row.h"

static struct icode_page **bucket_of(struct interp *it, uint64_t frame)
{
    return &it->bucket[frame % ICODE_BUCKETS];
}

/* ---- invalidation: no C library (see the header) ---- */

static void clear_slots(struct icode_page *p)
{
    void *at = p->slot;
    uint64_t n = sizeof(p->slot) / 8;

    __asm__ volatile("rep stosq" : "+D"(at), "+c"(n) : "a"(0) : "memory");
    p->live = p->used = 0;
}

static void drop_frame(struct interp *it, uint64_t frame)
{
    for (struct icode_page *p = *bucket_of(it, frame); p; p = p->next)
        if (p->frame == frame && p->live)
            clear_slots(p);
}

/* Forgets the instructions with a byte in [off, off+len). */
static void drop_range(struct icode_page *p, unsigned off, unsigned len)
{
    unsigned first = off >= MAX_INSN ? off - MAX_INSN + 1 : 0;

    for (unsigned at = first; at < off + len && at < PAGE_SIZE; at++) {
        const struct icode *ic = icode_lookup(p, at);
        /* What is no instruction has length 0 and may depend on any of the next bytes. */
        unsigned span = !ic ? 0 : ic->insn.len ? ic->insn.len : MAX_INSN;

        if (ic && at + span > off) {
            p->slot[at] = 0;
            p->live--;
        }
    }
}

bool interp_page_cached(const struct interp *it, uint64_t frame)
{
    for (const struct icode_page *p = it->bucket[frame % ICODE_BUCKETS]; p; p = p->next)
        if (p->frame == frame && p->live)
            return true;
    return false;
}

static void release_frame(struct interp *it, uint64_t frame)
{
    if (interp_page_cached(it, frame))
        return;
    it->generation++; /* whoever clears CODE: the frame is fetched again before it is cached again
                       */
    if (!it->in_use || !it->in_use(it->in_use_opaque, frame))
        smmu_clear_code(it->mmu, frame);
}

static void on_code_written(void *opaque, uint64_t frame, unsigned off, unsigned len)
{
    struct interp *it = opaque;

    if (!it->shared) {
        drop_frame(it, frame);
        it->generation++;
        return;
    }
    for (struct icode_page *p = *bucket_of(it, frame); p; p = p->next) {
        if (p->frame != frame || !p->live)
            continue;
        if (++p->idle_writes > ICODE_IDLE_WRITES)
            clear_slots(p);
        else
            drop_range(p, off, len);
    }
    release_frame(it, frame);
}

void interp_page_written(struct interp *it, uint64_t frame)
{
    drop_frame(it, frame);
    if (it->shared)
        release_frame(it, frame);
    else
        it->generation++;
}

static void on_code_unmapped(void *opaque, struct smmu_space *space, uint64_t vpn)
{
    (void)space;
    (void)vpn;
    ((struct interp *)opaque)->generation++;
}

static void on_space_switched(void *opaque)
{
    ((struct interp *)opaque)->generation++;
}

void icode_listen(struct interp *it)
{
    const struct smmu_listener l = {
        .code_written = on_code_written,
        .code_unmapped = on_code_unmapped,
        .space_switched = on_space_switched,
        .opaque = it,
    };

    smmu_add_listener(it->mmu, &l);
}

void interp_share_code(struct interp *it, bool (*in_use)(void *opaque, uint64_t frame),
                       void *opaque)
{
    it->shared = true;
    it->in_use = in_use;
    it->in_use_opaque = opaque;
}

/* ---- allocation ---- */

void icode_free_all(struct interp *it)
{
    for (unsigned b = 0; b < ICODE_BUCKETS; b++) {
        struct icode_page *p = it->bucket[b];

        while (p) {
            struct icode_page *next = p->next;

            for (unsigned k = 0; k < ICODE_CHUNKS; k++)
                free(p->chunk[k]);
            free(p);
            p = next;
        }
        it->bucket[b] = NULL;
    }
    it->npages = it->nchunks = 0;
    it->generation++;
}

static struct icode_page *page_get(struct interp *it, uint64_t frame, unsigned bits)
{
    struct icode_page **head = bucket_of(it, frame), *p;

    for (p = *head; p; p = p->next)
        if (p->frame == frame && p->bits == bits)
            return p;
    if (it->npages >= ICODE_MAX_PAGES)
        icode_free_all(it);
    p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->frame = frame;
    p->bits = (uint8_t)bits;
    p->next = *head;
    *head = p;
    it->npages++;
    return p;
}

/* Room for one instruction; NULL: not now. */
static struct icode *page_slot(struct interp *it, struct icode_page *p, unsigned off)
{
    struct icode **chunk;

    if (p->used == PAGE_SIZE) /* all offsets decoded, some again after being dropped */
        clear_slots(p);
    chunk = &p->chunk[p->used / ICODE_CHUNK];
    if (!*chunk) {
        *chunk = malloc(ICODE_CHUNK * sizeof(**chunk));
        if (!*chunk)
            return NULL;
        it->nchunks++;
    }
    p->slot[off] = ++p->used;
    p->live++;
    return icode_lookup(p, off);
}

/* ---- fetch and decode ---- */

struct icode_fetch *icode_fetch_page(struct interp *it, struct cpu *c, gva_t lin)
{
    uint64_t vpn = lin >> PAGE_SHIFT;
    unsigned bits = icode_bits(c->mode);
    uint64_t key = vpn | (uint64_t)(c->cpl == 3) << 63 | (uint64_t)bits << 52;
    struct icode_fetch *f = &it->fetch[vpn % ICODE_FETCHES];
    struct code_page cp;

    if (f->key == key && f->generation == it->generation) {
        if (f->page)
            f->page->idle_writes = 0;
        return f;
    }
    cpu_fpu_sync(c);
    if (it->nchunks >= ICODE_MAX_CHUNKS)
        icode_free_all(it);
    if (!smmu_fetch(it->mmu, c, lin, &cp))
        return NULL;
    f->frame = cp.frame;
    f->bytes = cp.bytes;
    f->page = cp.frame == SMMU_ALL_PAGES || !cp.bytes ? NULL : page_get(it, cp.frame, bits);
    f->key = key;
    f->generation = it->generation; /* last: fetching may have called the listener */
    return f;
}

/* A condition that no CPU state can change, so interp_run() need not look at the row again. */
static bool is_fast(const struct cpu *c, const struct insn *i)
{
    const struct row *r = i->row;

    return r->valid && model_has(c->model, r->feature) &&
           !(r->traits & (T_CPL0 | T_PROT | T_FPU | T_MMX | T_SSE | T_AVX)) &&
           (!(i->prefixes & PFX_LOCK) || (r->traits & T_LOCK));
}

static bool is_near_branch(const struct insn *i)
{
    switch (i->row->lower) {
    case LOWER_JMP:
    case LOWER_JCC:
    case LOWER_JCXZ:
    case LOWER_LOOP:
    case LOWER_CALL:
    case LOWER_RET:
        return !insn_is_far(i);
    default:
        return false;
    }
}

static bool is_plain(const struct insn *i)
{
    switch (i->row->lower) {
    case LOWER_COPY:
    case LOWER_XCHG:
    case LOWER_LEA:
    case LOWER_PUSH:
    case LOWER_POP:
    case LOWER_LEAVE:
    case LOWER_NOP:
    case LOWER_DF:
        return true;
    default:
        return false;
    }
}

/* Bytes of code that is not RAM: read as data. */
static bool read_odd_bytes(struct cpu *c, gva_t lin, uint8_t *buf, unsigned len)
{
    for (unsigned n = 0; n < len; n++) {
        uint64_t v;

        if (!mem_read(c, cpu_cs64(c) ? lin + n : (uint32_t)(lin + n), 1, &v))
            return false;
        buf[n] = (uint8_t)v;
    }
    return true;
}

static bool copy_code(struct cpu *c, const struct icode_fetch *f, gva_t lin, uint8_t *buf,
                      unsigned len)
{
    if (!f->bytes)
        return read_odd_bytes(c, lin, buf, len);
    memcpy(buf, f->bytes + (lin & PAGE_MASK), len);
    return true;
}

static struct icode *finish(struct cpu *c, struct icode *ic, enum decode_status st)
{
    if (st == DECODE_TOO_LONG) {
        cpu_raise(c, VEC_GP, 0);
        return NULL;
    }
    ic->fast = st == DECODE_OK && is_fast(c, &ic->insn);
    ic->branch = ic->fast && is_near_branch(&ic->insn);
    ic->plain = ic->branch || (ic->fast && is_plain(&ic->insn));
    return ic;
}

/* The instruction goes on in the next page: both are looked up each time, only decoding is saved.
 */
static struct icode *decode_straddle(struct interp *it, struct cpu *c, gva_t lin, uint8_t *buf,
                                     unsigned have)
{
    gva_t next = cpu_cs64(c) ? lin + have : (uint32_t)(lin + have);
    unsigned bits = icode_bits(c->mode);
    const struct icode_fetch *f;
    struct straddle *s;

    if (!(c->mode & (MODE_FLAT_CS | MODE_CS64)) && c->rip + have > c->seg[SEG_CS].limit) {
        cpu_raise(c, VEC_GP, 0);
        return NULL;
    }
    f = icode_fetch_page(it, c, next);
    if (!f || !copy_code(c, f, next, buf + have, MAX_INSN - have))
        return NULL;
    buf[MAX_INSN] = (uint8_t)bits;
    s = &it->straddle[(lin ^ lin >> PAGE_SHIFT) % ICODE_STRADDLES];
    if (memcmp(s->bytes, buf, sizeof(s->bytes)) == 0)
        return &s->code;
    s->bytes[MAX_INSN] = 0; /* not valid while a fault may end this */
    if (!finish(c, &s->code, decode_insn(buf, MAX_INSN, bits, &s->code.insn)))
        return NULL;
    memcpy(s->bytes, buf, sizeof(s->bytes));
    return &s->code;
}

struct icode *icode_decode(struct interp *it, struct cpu *c, struct icode_fetch *f, gva_t lin)
{
    unsigned off = lin & PAGE_MASK, have = PAGE_SIZE - off;
    uint8_t buf[MAX_INSN + 1];
    struct icode *ic;
    enum decode_status st;

    cpu_fpu_sync(c);
    if (have > MAX_INSN)
        have = MAX_INSN;
    if (!copy_code(c, f, lin, buf, have))
        return NULL;
    st = decode_insn(buf, have, icode_bits(c->mode), &it->scratch.insn);
    if (st == DECODE_SHORT)
        return decode_straddle(it, c, lin, buf, have);
    if (!finish(c, &it->scratch, st))
        return NULL;
    ic = f->page ? page_slot(it, f->page, off) : NULL;
    if (!ic)
        return &it->scratch;
    *ic = it->scratch;
    return ic;
}
