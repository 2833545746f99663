/* smmu_long_rig.h - mmu_rig.h's machine in long mode with blocks, and guest accesses as 64-bit code
 * makes them: the delta of the address's piece is read from the block of the CPL (and EFLAGS.AC),
 * and added. */
#ifndef DRAGOMAN_TESTS_SMMU_LONG_RIG_H
#define DRAGOMAN_TESTS_SMMU_LONG_RIG_H

#include "mmu_rig.h"

#include "cpu/model.h"
#include "host/slots.h"

enum { LONG_TABLES = 0x40000 }; /* where long_map() takes tables from */

struct long_window {
    struct rig *rig;
    sigjmp_buf escape;
    enum smmu_verdict verdict;
    gva_t lin;
    uint64_t host;
    unsigned hidden, tables;
    gpa_t next_table;
    int hot;
};

static struct long_window lwin;

static void on_long_segv(int sig, siginfo_t *si, void *uc)
{
    bool write = ((ucontext_t *)uc)->uc_mcontext.gregs[REG_ERR] & 2, gap;
    gva_t lin;

    (void)sig;
    if (!lwin.rig || (uint64_t)(uintptr_t)si->si_addr != lwin.host)
        abort();
    if (smmu_locate_long(lwin.rig->m, lwin.host, &lin, &gap) && (lin != lwin.lin || gap))
        abort();
    lwin.verdict =
        smmu_fault_long(lwin.rig->m, lwin.rig->c, lwin.lin, write ? ACC_WRITE : ACC_READ);
    if (lwin.verdict == SMMU_MAPPED && ++lwin.hidden < 1000)
        return;
    siglongjmp(lwin.escape, 1);
}

/* One attempt with the delta there is. Not inlined: the jump must not find its caller's variables
 * in registers. */
static __attribute__((noinline)) enum smmu_verdict long_touch(uint64_t host, bool write,
                                                              uint32_t *val)
{
    lwin.hidden = 0;
    lwin.host = host;
    if (sigsetjmp(lwin.escape, 0))
        return lwin.verdict;
    if (write)
        *(volatile uint32_t *)(uintptr_t)host = *val;
    else
        *val = *(volatile uint32_t *)(uintptr_t)host;
    return SMMU_MAPPED;
}

/* By the block itself, as code does; the function must agree. */
static inline uint64_t long_delta(struct rig *r, enum smmu_table t, gva_t lin)
{
    const uint64_t *table = (const uint64_t *)(uintptr_t)(smmu_block(r->m, t) + SMMU_BLOCK_TABLE);

    ck_assert_uint_eq(table[lin >> 32 & 0xffff], smmu_delta(r->m, t, lin));
    return table[lin >> 32 & 0xffff];
}

static inline enum outcome long_access(struct rig *r, unsigned cpl, gva_t lin, bool write,
                                       uint32_t *val)
{
    uint64_t got;

    r->c->cpl = (uint8_t)cpl;
    lwin.lin = lin;
    for (unsigned i = 0; i < 100; i++) {
        switch (long_touch(lin + long_delta(r, smmu_table_of(r->c), lin), write, val)) {
        case SMMU_MAPPED:
            return OUT_OK;
        case SMMU_TABLE:
            lwin.tables++;
            break;
        case SMMU_TRUE:
            r->c->cr2 = lin;
            return OUT_PF;
        case SMMU_MMIO:
            return OUT_MMIO;
        case SMMU_HOST_ERR:
            return OUT_ERR;
        case SMMU_VIEW:
            ck_abort_msg("VIEW in long mode");
            break;
        default:
            if (!(write ? mem_write_slow(r->c, lin, val, 4, cpl == 3)
                        : mem_read_slow(r->c, lin, &got, 4, cpl == 3)))
                return OUT_PF;
            if (!write)
                *val = (uint32_t)got;
            return OUT_OK;
        }
    }
    ck_abort_msg("no end of look-ups at %lx", lin);
}

static inline void long_cr3(struct rig *r, gpa_t pml4)
{
    r->c->cr3 = pml4;
    smmu_cr3_written(r->m, r->c);
}

static inline void long_rig_open(struct rig *r, const struct smmu_config *cfg)
{
    struct sigaction sa = {.sa_sigaction = on_long_segv, .sa_flags = SA_SIGINFO | SA_NODEFER};

    rig_open(r);
    rig_start(r, cfg);
    lwin = (struct long_window){.rig = r, .next_table = LONG_TABLES};
    lwin.hot = memfd_create("hot", 0);
    ck_assert_int_eq(ftruncate(lwin.hot, 0x2000), 0);
    ck_assert_int_eq(smmu_use_blocks(r->m, lwin.hot, 0x2000), 0);
    sigaction(SIGSEGV, &sa, NULL);
}

static inline void long_rig_start(struct rig *r, gpa_t pml4)
{
    r->c->cr0 = CR0_PE | CR0_PG | CR0_WP;
    r->c->cr4 = CR4_PAE;
    r->c->efer = EFER_LME | EFER_LMA | EFER_NXE;
    r->c->cr3 = pml4;
    smmu_paging_changed(r->m, r->c);
}

static inline void long_rig_close(struct rig *r)
{
    rig_close(r);
    close(lwin.hot);
    lwin.rig = NULL;
}

/* The entry for lin in the table of a level (0: PML4 .. 3: page table), tables made on the way with
 * all rights. */
static inline gpa_t long_entry(struct rig *r, gpa_t pml4, gva_t lin, unsigned level)
{
    gpa_t table = pml4;

    for (unsigned i = 0;; i++) {
        gpa_t pa = table + (lin >> (39 - 9 * i) & 511) * 8;

        if (i == level)
            return pa;
        if (!(peek64(r, pa) & P)) {
            put64(r, pa, lwin.next_table | P | W | U);
            lwin.next_table += 0x1000;
        }
        table = peek64(r, pa) & UINT64_C(0xffffffffff000);
    }
}

static inline void long_map(struct rig *r, gpa_t pml4, gva_t lin, uint64_t pte)
{
    put64(r, long_entry(r, pml4, lin, 3), pte);
}

/* A used entry: both ways lead to the same linear address, also in the gaps. */
static inline bool long_entry_good(struct rig *r, uint64_t base, gva_t lin)
{
    uint64_t got;
    bool gap;

    if (!smmu_locate_long(r->m, base + 5, &got, &gap) || got != lin + 5 || gap)
        return false;
    return smmu_locate_long(r->m, base - 8, &got, &gap) && got == lin - 8 && gap;
}

/* The invariant of the tables: for every piece host = linear + delta lies in one slot, as if the
 * linear address were its offset; the unused ones all in the null slot. Returns the used ones of
 * the two tables that every space has. (An assertion of Check costs a microsecond.) */
static inline unsigned long_check_tables(struct rig *r)
{
    unsigned used = 0;

    for (unsigned n = 0; n < SMMU_TABLES * 65536; n++) {
        enum smmu_table t = n >> 16;
        const uint64_t *table =
            (const uint64_t *)(uintptr_t)(smmu_block(r->m, t) + SMMU_BLOCK_TABLE);
        gva_t lin = (uint64_t)((int64_t)((uint64_t)n << 48) >> 16), got;
        uint64_t base = table[n & 0xffff] + lin;
        bool gap, null = base == slot_base(0);

        used += !null && t != SMMU_OPEN;
        if ((base - SLOT_ORIGIN) % SLOT_PITCH || base - SLOT_ORIGIN >= NSLOTS * SLOT_PITCH ||
            (null ? smmu_locate_long(r->m, base, &got, &gap) : !long_entry_good(r, base, lin)))
            ck_abort_msg("entry %x of table %u", n & 0xffff, t);
    }
    return used;
}

#endif
