#include "shadowmmu/access.h"

#include <assert.h>

#include "cpu/exception.h"
#include "shadowmmu/shadow.h"

enum { MAX_ACCESS_PAGES = 4 };

/* A page of an access, translated. */
struct piece {
    hva_t host; /* first byte; NULL: not RAM, or no RAM for writes */
    gpa_t pa;   /* of RAM: the offset in the page is right */
    uint32_t frame;
    unsigned len;
};

/* A REP takes longer to begin than this takes for a descriptor or a stack frame. */
static void copy_few(uint8_t *to, const uint8_t *from, size_t n)
{
    for (; n >= 8; n -= 8, to += 8, from += 8)
        st64(to, ld64(from));
    if (n & 4) {
        st32(to, ld32(from));
        to += 4;
        from += 4;
    }
    if (n & 2) {
        st16(to, ld16(from));
        to += 2;
        from += 2;
    }
    if (n & 1)
        *to = *from;
}

/* No memcpy, no memset: the library's use vector registers. */
static void copy_bytes(void *dst, const void *src, size_t n)
{
    enum { FEW = 64 };

    if (n <= FEW)
        copy_few(dst, src, n);
    else
        __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}

static void entry_clear(struct softtlb_entry *e)
{
    e->read_tag = e->write_tag = e->store_tag = SOFTTLB_NONE;
}

void softtlb_reset(struct softtlb *t)
{
    for (unsigned i = 0; i < SOFTTLB_RIGHTS * SOFTTLB_ENTRIES; i++)
        entry_clear(&t->e[0][0] + i);
    t->nfilled = 0;
    t->large_first = UINT64_MAX;
    t->large_last = 0;
}

void softtlb_flush(struct smmu *m)
{
    struct softtlb *t = &m->tlb;

    if (t->nfilled > SOFTTLB_FILLED) {
        softtlb_reset(t);
        return;
    }
    while (t->nfilled)
        entry_clear(&t->e[0][0] + t->filled[--t->nfilled]);
    t->large_first = UINT64_MAX;
    t->large_last = 0;
}

/* An entry made from a large page stands for a translation that INVLPG of any address in it ends.
 */
void softtlb_flush_page(struct smmu *m, gva_t lin)
{
    if (lin >= m->tlb.large_first && lin <= m->tlb.large_last) {
        softtlb_flush(m);
        return;
    }
    for (unsigned u = 0; u < SOFTTLB_RIGHTS; u++) {
        struct softtlb_entry *e = &m->tlb.e[u][(lin >> PAGE_SHIFT) % SOFTTLB_ENTRIES];

        if (e->read_tag == (lin & ~(gva_t)PAGE_MASK))
            entry_clear(e);
    }
}

void softtlb_drop_writes(struct smmu *m, uint32_t frame)
{
    uint64_t host = (uint64_t)(uintptr_t)frame_ptr(m, frame);

    for (unsigned u = 0; u < SOFTTLB_RIGHTS; u++)
        for (unsigned i = 0; i < SOFTTLB_ENTRIES; i++)
            if (m->tlb.e[u][i].read_tag + m->tlb.e[u][i].addend == host)
                m->tlb.e[u][i].write_tag = SOFTTLB_NONE;
}

static struct softtlb_entry *slot_for(struct cpu *c, gva_t lin, unsigned flags)
{
    if (flags & WALK_IMPLICIT)
        return &((struct softtlb *)c->mmu)
                    ->e[SOFTTLB_SUPERVISOR][(lin >> PAGE_SHIFT) % SOFTTLB_ENTRIES];
    return softtlb_slot(c, lin, flags & WALK_USER);
}

/* Of a place in the monitor's alias of RAM. */
static uint32_t frame_at(const struct smmu *m, const uint8_t *host)
{
    return (uint32_t)((uint64_t)(host - m->pm->hva) >> PAGE_SHIFT);
}

static unsigned flags_of(enum mem_rights as)
{
    return as == MEM_USER ? WALK_USER : as == MEM_SYSTEM ? WALK_IMPLICIT : 0;
}

static void note_filled(struct softtlb *t, const struct softtlb_entry *e)
{
    if (e->read_tag != SOFTTLB_NONE)
        return; /* it is listed */
    if (t->nfilled < SOFTTLB_FILLED)
        t->filled[t->nfilled] = (uint16_t)(e - &t->e[0][0]);
    if (t->nfilled <= SOFTTLB_FILLED)
        t->nfilled++;
}

static void note_large(struct softtlb *t, gva_t page, unsigned shift)
{
    uint64_t inside = (UINT64_C(1) << shift) - 1;

    if ((page & ~inside) < t->large_first)
        t->large_first = page & ~inside;
    if ((page | inside) > t->large_last)
        t->large_last = page | inside;
}

static void softtlb_fill(struct smmu *m, struct cpu *c, gva_t page, const struct walk *w,
                         uint32_t frame, unsigned flags)
{
    struct softtlb_entry *e = slot_for(c, page, flags);
    bool write = w->dirty && (w->writable || (!(flags & WALK_USER) && !(c->cr0 & CR0_WP)));

    m->stats.tlb_fills++;
    note_filled(&m->tlb, e);
    if (w->page_shift > PAGE_SHIFT)
        note_large(&m->tlb, page, w->page_shift);
    e->read_tag = page;
    e->addend = (uint64_t)(uintptr_t)frame_ptr(m, frame) - page;
    e->write_tag = write && !frame_no_write(m, frame) ? page : SOFTTLB_NONE;
    e->store_tag = write && !(m->frame[frame].flags & F_ROM) ? page : SOFTTLB_NONE;
}

/* Where an access inside one page goes that the software TLB knows; NULL: it does not. A store of
 * which nobody must hear any more is found by itself the next time. */
static hva_t known_place(struct cpu *c, gva_t lin, unsigned flags)
{
    struct softtlb_entry *e = slot_for(c, lin, flags);
    const struct smmu *m = c->mmu;
    gva_t page = lin & ~(gva_t)PAGE_MASK;
    hva_t host = (hva_t)(uintptr_t)(lin + e->addend);

    if ((flags & WALK_WRITE ? e->store_tag : e->read_tag) != page)
        return NULL;
    if ((flags & WALK_WRITE) && e->write_tag != page && !frame_no_write(m, frame_at(m, host)))
        e->write_tag = page;
    return host;
}

/* A page the software TLB knows: RAM. */
static bool translate_cached(struct smmu *m, struct cpu *c, gva_t lin, unsigned flags,
                             struct piece *p)
{
    p->host = known_place(c, lin, flags);
    if (!p->host)
        return false;
    p->frame = frame_at(m, p->host);
    p->pa = lin & PAGE_MASK; /* of RAM only the offset is asked for */
    return true;
}

/* False: #PF in *err. */
static bool translate(struct smmu *m, struct cpu *c, gva_t lin, unsigned flags, struct piece *p,
                      uint32_t *err)
{
    struct walk w;

    if (translate_cached(m, c, lin, flags, p))
        return true;
    if (!smmu_walk(m, c, lin, flags, &w)) {
        *err = w.err;
        return false;
    }
    p->pa = w.pa & m->pm->address_mask;
    p->frame = frame_of(m, w.pa);
    p->host = NULL;
    if (p->frame == NO_FRAME || ((flags & WALK_WRITE) && (m->frame[p->frame].flags & F_ROM)))
        return true;
    p->host = frame_ptr(m, p->frame) + (lin & PAGE_MASK);
    softtlb_fill(m, c, lin & ~(gva_t)PAGE_MASK, &w, p->frame, flags);
    return true;
}

/* Every page of the access is checked before any is touched. Returns the number of pieces, 0: #PF
 * recorded. */
static unsigned translate_all(struct cpu *c, gva_t lin, unsigned len, unsigned flags,
                              struct piece p[MAX_ACCESS_PAGES])
{
    bool wide = cpu_long(c) && (cpu_cs64(c) || lin >> 32);
    unsigned n = 0;

    assert(len <= (MAX_ACCESS_PAGES - 1) * PAGE_SIZE);
    while (len) {
        gva_t at = wide ? lin : (uint32_t)lin; /* 32-bit addresses wrap at 4 GiB */
        unsigned room = PAGE_SIZE - (unsigned)(at & PAGE_MASK);
        uint32_t err;

        p[n].len = len < room ? len : room;
        if (!translate(c->mmu, c, at, flags, &p[n], &err)) {
            cpu_raise_pf(c, at, err);
            return 0;
        }
        lin = at + p[n].len;
        len -= p[n].len;
        n++;
    }
    return n;
}

/* The largest naturally aligned piece a bus takes. */
static unsigned bus_size(gpa_t pa, unsigned len)
{
    unsigned size = 8;

    if (len == size)
        return size; /* an 8-byte access stays one, aligned or not */
    while (size > len || (pa & (size - 1)))
        size /= 2;
    return size;
}

static void mmio_read(struct physmem *pm, gpa_t pa, uint8_t *buf, unsigned len)
{
    while (len) {
        unsigned n = bus_size(pa, len);
        uint64_t val = pm->mmio ? bus_read(pm->mmio, pa, n) : UINT64_MAX;

        copy_bytes(buf, &val, n);
        pa += n;
        buf += n;
        len -= n;
    }
}

static void mmio_write(struct physmem *pm, gpa_t pa, const uint8_t *buf, unsigned len)
{
    while (len) {
        unsigned n = bus_size(pa, len);
        uint64_t val = 0;

        copy_bytes(&val, buf, n);
        if (pm->mmio)
            bus_write(pm->mmio, pa, n, val);
        pa += n;
        buf += n;
        len -= n;
    }
}

static void device_read(struct smmu *m, const struct piece *p, uint8_t *to)
{
    m->stats.watched++;
    mmio_read(m->pm, p->pa, to, p->len);
}

static void device_write(struct smmu *m, const struct piece *p, const uint8_t *from)
{
    m->stats.watched++;
    mmio_write(m->pm, p->pa, from, p->len);
}

static bool in_page(gva_t lin, unsigned len)
{
    return len && (lin & PAGE_MASK) + len <= PAGE_SIZE;
}

bool mem_read_slow(struct cpu *c, gva_t lin, void *buf, unsigned len, enum mem_rights as)
{
    struct smmu *m = c->mmu;
    struct piece p[MAX_ACCESS_PAGES];
    const uint8_t *known = in_page(lin, len) ? known_place(c, lin, flags_of(as)) : NULL;
    uint8_t *to = buf;
    unsigned n;

    if (known) {
        copy_bytes(buf, known, len);
        return true;
    }
    n = translate_all(c, lin, len, flags_of(as), p);
    for (unsigned i = 0; i < n; to += p[i].len, i++) {
        if (p[i].host)
            copy_bytes(to, p[i].host, p[i].len);
        else
            device_read(m, &p[i], to);
    }
    return n != 0 || len == 0;
}

/* One store instruction where the guest made one: other CPUs, and DMA rings, see it whole. */
static void store(hva_t to, const uint8_t *from, unsigned len)
{
    switch (len) {
    case 2:
        st16(to, ld16(from));
        break;
    case 4:
        st32(to, ld32(from));
        break;
    case 8:
        st64(to, ld64(from));
        break;
    default:
        copy_bytes(to, from, len);
    }
}

bool mem_write_slow(struct cpu *c, gva_t lin, const void *buf, unsigned len, enum mem_rights as)
{
    struct smmu *m = c->mmu;
    struct piece p[MAX_ACCESS_PAGES];
    hva_t known = in_page(lin, len) ? known_place(c, lin, WALK_WRITE | flags_of(as)) : NULL;
    const uint8_t *from = buf;
    unsigned n;

    if (known) {
        store(known, from, len);
        if (m->frame[frame_at(m, known)].flags)
            frame_written(m, frame_at(m, known), (unsigned)(lin & PAGE_MASK), len);
        return true;
    }
    n = translate_all(c, lin, len, WALK_WRITE | flags_of(as), p);
    for (unsigned i = 0; i < n; from += p[i].len, i++) {
        if (p[i].host)
            store(p[i].host, from, p[i].len);
        else
            device_write(m, &p[i], from);
    }
    /* Only now: what the listeners do may depend on the whole store. */
    for (unsigned i = 0; i < n; i++)
        if (p[i].host && m->frame[p[i].frame].flags)
            frame_written(m, p[i].frame, (unsigned)(p[i].pa & PAGE_MASK), p[i].len);
    return n != 0 || len == 0;
}

bool mem_probe_write(struct cpu *c, gva_t lin, unsigned len, enum mem_rights as)
{
    struct piece p[MAX_ACCESS_PAGES];

    return len == 0 || (in_page(lin, len) && known_place(c, lin, WALK_WRITE | flags_of(as))) ||
           translate_all(c, lin, len, WALK_WRITE | flags_of(as), p) != 0;
}

hva_t mem_ptr(struct cpu *c, gva_t lin, unsigned len, bool write, bool user)
{
    struct smmu *m = c->mmu;
    gva_t at = cpu_long(c) ? lin : (uint32_t)lin, page = at & ~(gva_t)PAGE_MASK;
    const struct softtlb_entry *e = softtlb_slot(c, at, user);
    struct piece p;
    uint32_t err;

    if ((at & PAGE_MASK) + len > PAGE_SIZE)
        return NULL;
    if ((write ? e->write_tag : e->read_tag) == page)
        return (hva_t)(uintptr_t)(at + e->addend);
    if (!translate(m, c, at, (write ? WALK_WRITE : 0) | (user ? WALK_USER : 0), &p, &err))
        return NULL;
    return p.host && !(write && frame_no_write(m, p.frame)) ? p.host : NULL;
}

const struct cpu_mem_ops mem_ops = {
    .read = mem_read_slow,
    .write = mem_write_slow,
    .probe_write = mem_probe_write,
};
