/* access.h - guest memory as the interpreter and the callouts reach it: software walks behind a
 * small TLB.
 *
 * All addresses are linear (segmentation done). False: #PF recorded in c->fault; nothing was
 * written. Accesses that straddle pages are done as a whole or not at all. MMIO goes to physmem's
 * mmio bus. Stores honour traces and code flags: a software TLB entry has a write_tag only while
 * the frame has neither. No libc, no vector state: callable with guest FPU live.
 */
#ifndef DRAGOMAN_SHADOWMMU_ACCESS_H
#define DRAGOMAN_SHADOWMMU_ACCESS_H

#include "base/bits.h"
#include "cpu/cpu.h"

enum { SOFTTLB_ENTRIES = 256 };

/* tag: linear page address, or SOFTTLB_NONE. host = lin + addend. write_tag: stores need nobody's
 * attention; store_tag: the guest may store, and whoever does looks at the frame's flags after. */
struct softtlb_entry {
    uint64_t read_tag, write_tag, store_tag;
    uint64_t addend;
};

#define SOFTTLB_NONE UINT64_MAX

/* By the rights of an access: CPL 0-2's with EFLAGS.AC clear, and implicit ones; CPL 3's; CPL 0-2's
 * with AC set, to which CR4.SMAP opens the users' pages. */
enum softtlb_rights { SOFTTLB_SUPERVISOR, SOFTTLB_USER, SOFTTLB_OPEN, SOFTTLB_RIGHTS };

enum { SOFTTLB_FILLED = 96 };

/* First member of struct smmu. */
struct softtlb {
    struct softtlb_entry e[SOFTTLB_RIGHTS][SOFTTLB_ENTRIES];
    /* The linear addresses that entries made from large pages stand for lie in between. */
    uint64_t large_first, large_last;
    /* Indices of all entries since the last flush, while there are few. */
    unsigned nfilled;
    uint16_t filled[SOFTTLB_FILLED];
};

bool mem_read_slow(struct cpu *c, gva_t lin, void *buf, unsigned len, enum mem_rights as);
bool mem_write_slow(struct cpu *c, gva_t lin, const void *buf, unsigned len, enum mem_rights as);
bool mem_probe_write(struct cpu *c, gva_t lin, unsigned len, enum mem_rights as);

/* Host pointer for [lin, lin+len) when it lies in one RAM page reachable with `user` rights for the
 * access and (write) free of traces and code; NULL otherwise (no fault recorded: use the slow
 * path). */
hva_t mem_ptr(struct cpu *c, gva_t lin, unsigned len, bool write, bool user);

/* Of explicit accesses. */
static inline struct softtlb_entry *softtlb_slot(struct cpu *c, gva_t lin, bool user)
{
    struct softtlb *t = (struct softtlb *)c->mmu;
    unsigned rights = user ? SOFTTLB_USER : (c->rflags & EF_AC) >> 18 << 1;

    _Static_assert(SOFTTLB_SUPERVISOR == 0 && SOFTTLB_OPEN == 2 && EF_AC == 1 << 18, "shift of AC");
    return &t->e[rights][(lin >> PAGE_SHIFT) % SOFTTLB_ENTRIES];
}

/* size 1, 2, 4 or 8. An access inside one page with a TLB hit never leaves this function. */
static inline bool mem_read_as(struct cpu *c, gva_t lin, unsigned size, uint64_t *val, bool user)
{
    const struct softtlb_entry *e = softtlb_slot(c, lin, user);

    if (e->read_tag == (lin & ~(gva_t)PAGE_MASK) && (lin & PAGE_MASK) + size <= PAGE_SIZE) {
        const void *p = (const void *)(uintptr_t)(lin + e->addend);

        switch (size) {
        case 1:
            *val = *(const uint8_t *)p;
            return true;
        case 2:
            *val = ld16(p);
            return true;
        case 4:
            *val = ld32(p);
            return true;
        default:
            *val = ld64(p);
            return true;
        }
    }
    *val = 0;
    return mem_read_slow(c, lin, val, size, user);
}

static inline bool mem_write_as(struct cpu *c, gva_t lin, unsigned size, uint64_t val, bool user)
{
    const struct softtlb_entry *e = softtlb_slot(c, lin, user);

    if (e->write_tag == (lin & ~(gva_t)PAGE_MASK) && (lin & PAGE_MASK) + size <= PAGE_SIZE) {
        void *p = (void *)(uintptr_t)(lin + e->addend);

        switch (size) {
        case 1:
            *(uint8_t *)p = (uint8_t)val;
            return true;
        case 2:
            st16(p, (uint16_t)val);
            return true;
        case 4:
            st32(p, (uint32_t)val);
            return true;
        default:
            st64(p, val);
            return true;
        }
    }
    return mem_write_slow(c, lin, &val, size, user);
}

/* With the rights of the current CPL. */
static inline bool mem_read(struct cpu *c, gva_t lin, unsigned size, uint64_t *val)
{
    return mem_read_as(c, lin, size, val, c->cpl == 3);
}

static inline bool mem_write(struct cpu *c, gva_t lin, unsigned size, uint64_t val)
{
    return mem_write_as(c, lin, size, val, c->cpl == 3);
}

/* The table c->mem points to after smmu_attach(). */
extern const struct cpu_mem_ops mem_ops;

#endif
