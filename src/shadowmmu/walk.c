#include "shadowmmu/walk.h"

#include "base/bits.h"
#include "cpu/model.h"

/* Entry bits common to all formats (SDM 3A 4.3, 4.4). */
enum {
    PTE_P = 1,
    PTE_W = 2,
    PTE_U = 4,
    PTE_A = 1 << 5,
    PTE_D = 1 << 6,
    PTE_PS = 1 << 7,
    PTE_G = 1 << 8
};
#define PTE_NX (UINT64_C(1) << 63)

enum large_page { LARGE_NEVER, LARGE_IF_PSE, LARGE_IF_1G, LARGE_ALWAYS };

struct level {
    uint8_t shift, bits; /* of the linear address */
    uint8_t large;       /* enum large_page */
    bool latched;        /* lives in the CPU, has neither rights nor A (PAE PDPTE) */
};

/* A paging mode as data. Bits from ignored_from up to 62 of an entry are ignored: PAE has none. */
struct format {
    uint8_t nlevels, entry_bytes, ignored_from;
    bool large_reserved; /* PS is reserved where no large page is possible */
    uint64_t cr3_mask;
    struct level level[4];
};

static const struct format FORMAT_32 = {
    .nlevels = 2,
    .entry_bytes = 4,
    .cr3_mask = 0xfffff000,
    .level = {{22, 10, LARGE_IF_PSE, false}, {12, 10, LARGE_NEVER, false}},
};
static const struct format FORMAT_PAE = {
    .nlevels = 3,
    .entry_bytes = 8,
    .ignored_from = 63,
    .cr3_mask = 0xffffffe0,
    .level = {{30, 2, LARGE_NEVER, true},
              {21, 9, LARGE_ALWAYS, false},
              {12, 9, LARGE_NEVER, false}},
};
static const struct format FORMAT_LONG = {
    .nlevels = 4,
    .entry_bytes = 8,
    .ignored_from = 52,
    .large_reserved = true,
    .cr3_mask = UINT64_C(0xffffffffff000),
    .level = {{39, 9, LARGE_NEVER, false},
              {30, 9, LARGE_IF_1G, false},
              {21, 9, LARGE_ALWAYS, false},
              {12, 9, LARGE_NEVER, false}},
};

struct env {
    const struct cpu *c;
    const struct format *f;
    unsigned phys_bits;
    bool nxe;
};

static struct env env_of(const struct cpu *c)
{
    bool pae = c->cr4 & CR4_PAE;

    return (struct env){
        .c = c,
        .f = cpu_long(c) ? &FORMAT_LONG
             : pae       ? &FORMAT_PAE
                         : &FORMAT_32,
        .phys_bits = c->model && c->model->phys_bits ? c->model->phys_bits : 36,
        .nxe = pae && (c->efer & EFER_NXE),
    };
}

/* Bits [lo, hi). */
static uint64_t bit_range(unsigned lo, unsigned hi)
{
    return hi > lo ? (UINT64_C(1) << hi) - (UINT64_C(1) << lo) : 0;
}

static bool is_large(const struct env *e, const struct level *l, uint64_t entry)
{
    if (!(entry & PTE_PS))
        return false;
    switch (l->large) {
    case LARGE_IF_PSE:
        return e->c->cr4 & CR4_PSE;
    case LARGE_IF_1G:
        return e->c->model && model_has(e->c->model, FEAT_PDPE1GB);
    default:
        return l->large == LARGE_ALWAYS;
    }
}

/* SDM 3A tables 4-4 to 4-11 (32-bit PSE-36, PAE), 4-15 to 4-20 (4-level). */
static uint64_t reserved_bits(const struct env *e, const struct level *l, bool large)
{
    uint64_t rsvd;

    if (e->f->entry_bytes == 4) {
        unsigned width = e->phys_bits < 40 ? e->phys_bits : 40;

        return large ? bit_range(width - 32 + 13, 22) : 0;
    }
    rsvd = bit_range(e->phys_bits, e->f->ignored_from) | (e->nxe ? 0 : PTE_NX);
    if (large)
        return rsvd | bit_range(13, l->shift);
    return rsvd | (e->f->large_reserved && l->shift > PAGE_SHIFT ? PTE_PS : 0);
}

static gpa_t entry_base(const struct env *e, uint64_t entry, const struct level *l, bool large)
{
    uint64_t addr = e->f->entry_bytes == 4 ? entry & 0xfffff000 : entry & bit_range(12, 52);

    if (!large)
        return addr;
    if (e->f->entry_bytes == 4) /* PSE-36: bits 20:13 are address bits 39:32 */
        return (entry & 0xffc00000) | ((entry >> 13 & 0xff) << 32);
    return addr & ~bit_range(0, l->shift);
}

/* Tables outside RAM read as zero, that is, not present. */
static uint64_t read_entry(const struct physmem *pm, gpa_t pa, unsigned bytes)
{
    const void *p = physmem_ptr(pm, pa);

    if (!p)
        return 0;
    return bytes == 4 ? ld32(p) : ld64(p);
}

static bool deny(const struct env *e, struct walk *w, unsigned flags, uint32_t why)
{
    bool fetch_bit = (flags & WALK_EXEC) && (e->nxe || (e->c->cr4 & CR4_SMEP));

    w->err = why | (flags & WALK_WRITE ? PF_W : 0) | (flags & WALK_USER ? PF_U : 0) |
             (fetch_bit ? PF_I : 0);
    return false;
}

/* SDM 3A 4.6.1. The frame of an event from CPL 3 is pushed with the supervisor's rights and AC as
 * it was. */
static bool rights_allow(const struct cpu *c, const struct walk *w, unsigned flags)
{
    if (flags & WALK_USER)
        return w->user && (w->writable || !(flags & WALK_WRITE)) && !(w->nx && (flags & WALK_EXEC));
    if (flags & WALK_EXEC)
        return !w->nx && !(w->user && (c->cr4 & CR4_SMEP));
    if (w->user && (c->cr4 & CR4_SMAP) && ((flags & WALK_IMPLICIT) || !(c->rflags & EF_AC)))
        return false;
    return !(flags & WALK_WRITE) || w->writable || !(c->cr0 & CR0_WP);
}

/* Reads entries top down. False: #PF (w->err). */
static bool read_levels(const struct env *e, const struct physmem *pm, gva_t lin, unsigned flags,
                        struct walk *w)
{
    gpa_t table = e->c->cr3 & e->f->cr3_mask;

    w->user = w->writable = true;
    w->nx = false;
    for (unsigned i = 0; i < e->f->nlevels; i++) {
        const struct level *l = &e->f->level[i];
        unsigned index = (unsigned)(lin >> l->shift & ((1u << l->bits) - 1));
        gpa_t pa = l->latched ? 0 : table + index * e->f->entry_bytes;
        uint64_t entry = l->latched ? e->c->pdpte[index] : read_entry(pm, pa, e->f->entry_bytes);
        bool large = is_large(e, l, entry);

        w->entry[i] = entry;
        w->entry_pa[i] = pa;
        w->levels = (uint8_t)(i + 1);
        if (!(entry & PTE_P))
            return deny(e, w, flags, 0);
        table = entry_base(e, entry, l, large);
        if (l->latched)
            continue;
        if (entry & reserved_bits(e, l, large))
            return deny(e, w, flags, PF_P | PF_RSVD);
        w->user = w->user && (entry & PTE_U);
        w->writable = w->writable && (entry & PTE_W);
        w->nx = w->nx || (e->f->entry_bytes == 8 && (entry & PTE_NX));
        if (large || i + 1 == e->f->nlevels) {
            w->page_shift = l->shift;
            w->global = (entry & PTE_G) && (e->c->cr4 & CR4_PGE);
            w->dirty = entry & PTE_D;
            w->pa = table + (lin & bit_range(0, l->shift));
            return true;
        }
    }
    return false;
}

/* Sets `bits` in entry i unless the guest (or DMA) changed it meanwhile. */
static bool set_bits(const struct env *e, struct physmem *pm, struct walk *w, unsigned i,
                     uint64_t bits)
{
    hva_t p = physmem_ptr(pm, w->entry_pa[i]);
    uint64_t old = w->entry[i];

    if ((old & bits) == bits || !physmem_takes_writes(pm, w->entry_pa[i]))
        return true;
    if (e->f->entry_bytes == 4) {
        uint32_t seen = (uint32_t)old;

        if (!__atomic_compare_exchange_n((uint32_t *)(void *)p, &seen, (uint32_t)(old | bits),
                                         false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return false;
    } else if (!__atomic_compare_exchange_n((uint64_t *)(void *)p, &old, old | bits, false,
                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        return false;
    }
    w->entry[i] |= bits;
    physmem_written(pm, w->entry_pa[i], e->f->entry_bytes);
    return true;
}

/* False: an entry changed under us, walk again. */
static bool set_accessed(const struct env *e, struct physmem *pm, unsigned flags, struct walk *w)
{
    for (unsigned i = 0; i < w->levels; i++) {
        bool last = i + 1u == w->levels;
        uint64_t bits = PTE_A | (last && (flags & WALK_WRITE) ? PTE_D : 0);

        if (!e->f->level[i].latched && !set_bits(e, pm, w, i, bits))
            return false;
    }
    w->dirty = w->dirty || (flags & WALK_WRITE);
    return true;
}

bool mmu_walk(const struct cpu *c, struct physmem *pm, gva_t lin, unsigned flags, struct walk *w)
{
    struct env e = env_of(c);

    *w = (struct walk){.page_shift = PAGE_SHIFT};
    if (!(c->cr0 & CR0_PG)) {
        w->pa = lin;
        w->ok = w->user = w->writable = w->dirty = true;
        return true;
    }
    do {
        if (!read_levels(&e, pm, lin, flags, w))
            return false;
        if (!rights_allow(c, w, flags))
            return deny(&e, w, flags, PF_P);
    } while (!(flags & WALK_NO_AD) && !set_accessed(&e, pm, flags, w));
    w->ok = true;
    return true;
}
