/* smmu.h - the shadow MMU: the host's MMU shadows the guest's page tables.
 *
 * Guest linear address spaces are windows of host address space: slots of 4 GiB plus a 28 GiB gap
 * at 2^40 + k * 32 GiB (host/slots.h). A shadow entry is a host mapping of a guest RAM page in a
 * window.
 *
 *   view     holds                                                    one per
 *   KERNEL   pages with effective U/S=0, reached through a top-level  machine
 *            entry that is equal in every space that uses the view
 *   USER     pages with effective U/S=1                               address space
 *   PRIVATE  U/S=0 pages under a top-level entry that differs between  address space
 *            spaces (recursive maps, per-process kernel ranges)
 *
 * With paging off, everything is identity-mapped with U/S=1 rights for everyone: the KERNEL view
 * shows it at CPL 0-2 and the USER view at CPL 3. CPL 3 code runs in the USER view. CPL 0-2 code
 * runs in the KERNEL view; an access that belongs elsewhere faults there, and the translator makes
 * that site look its view up by address (smmu_view_table). Until a second CR3 value is seen, U/S=1
 * pages are mapped in the KERNEL view too.
 *
 * Long mode. Linear space is cut into pieces of 4 GiB, numbered by address bits 47..32; each has
 * views of its own. What shows piece i at a CPL is found in a table of 65536 deltas (host address =
 * linear address + delta), one table for CPL 3 and one for CPL 0-2 of each address space (with
 * CR4.SMAP one more: enum smmu_table), in a block: SMMU_BLOCK_TABLE bytes that begin with an alias
 * of the engine's hot data, then the table. For every i, delta[i] = slot_base(slot of i) - (i <<
 * 32, sign-extended from bit 47); where nothing is shown the slot is slot 0, in which nothing is
 * ever mapped. Without blocks (smmu_use_blocks() not called) nothing is shadowed in long mode:
 * there are only software walks (access.h) and smmu_fetch().
 *
 * Invariants
 *  - A window maps a page with rights the guest's tables allow, less: write when D=0, or
 *    when the frame is CODE or a traced page table. Staleness only as a TLB would show it: entries
 *    are made true at INVLPG and MOV CR3; not-present entries are never cached.
 *  - The USER view never shows a supervisor page (WP=0 writes of the kernel don't go through it
 *    writable unless the user may write).
 *  - smmu_fault() is async-signal-safe (no allocation, no stdio) and may be called from the SIGSEGV
 * handler.
 *  - All functions: vCPU thread only.
 */
#ifndef DRAGOMAN_SHADOWMMU_SMMU_H
#define DRAGOMAN_SHADOWMMU_SMMU_H

#include "bus/physmem.h"
#include "cpu/cpu.h"

enum smmu_view { VIEW_KERNEL, VIEW_USER, VIEW_PRIVATE, NVIEWS };

enum smmu_verdict {
    SMMU_MAPPED,   /* hidden fault, now mapped: retry */
    SMMU_TRUE,     /* the guest's tables deny it: interpret, #PF follows */
    SMMU_VIEW,     /* allowed, but the page belongs to another view */
    SMMU_MMIO,     /* not RAM */
    SMMU_TRACED,   /* write to a shadowed page table */
    SMMU_CODE,     /* write to a page with translated code */
    SMMU_REMAPPED, /* a page that changes too often to be mapped: use the software path */
    SMMU_HOST_ERR, /* the host refused a mapping (memory, limit even after eviction) */
    SMMU_TABLE,    /* long mode: mapped, but deltas changed: look the table up again */
};

enum { SMMU_NVERDICTS = SMMU_TABLE + 1 };

enum { ACC_READ = 0, ACC_WRITE = 1, ACC_EXEC = 2 };

struct smmu;
struct smmu_space; /* one guest address space (CR3 or PDPTE set) */

/* What the translator and interpreter must hear of. Any member may be NULL. */
struct smmu_listener {
    /* [off, off+len) of a CODE frame has been written (data already there). The listener drops what
     * it made from those bytes; it calls smmu_clear_code() when nothing is left of the frame. */
    void (*code_written)(void *opaque, uint64_t frame, unsigned off, unsigned len);
    /* The mapping that smmu_fetch() of lin page `vpn` (linear address >> 12, 52 bits) reported is
     * no longer to be trusted in `space` (NULL: in the kernel context). vpn == SMMU_ALL_PAGES: all
     * of that context. */
    void (*code_unmapped)(void *opaque, struct smmu_space *space, uint64_t vpn);
    /* The current space or its windows changed (bases must be reloaded). */
    void (*space_switched)(void *opaque);
    void (*space_freed)(void *opaque, struct smmu_space *space);
    void *opaque;
};

#define SMMU_ALL_PAGES UINT64_MAX

enum { SMMU_MAX_LISTENERS = 2 };

struct smmu_config {
    uint64_t max_maps; /* host mappings the windows may use; eviction starts before */
    bool torture;      /* drop mappings at random, no neighbours, evict often */
};

/* Counters by cause, for -d stats. */
struct smmu_stats {
    uint64_t hidden_faults, true_faults, view_faults, traced_writes, code_writes, mmio;
    uint64_t maps, map_pages, unmaps, protects, evictions, spaces_made, space_switches;
    uint64_t syncs, synced_entries, walks, tlb_fills, live_maps;
    uint64_t
        watched; /* accesses by software that no mapping lets pass: devices, traced tables, code */
};

int smmu_create(struct smmu **out, struct physmem *pm, const struct smmu_config *cfg,
                struct log *log) MUST_CHECK;
void smmu_destroy(struct smmu *m);
void smmu_add_listener(struct smmu *m, const struct smmu_listener *l);

/* Connects c: c->mmu, c->mem, and the paging members of c->hooks' implementation below. */
void smmu_attach(struct smmu *m, struct cpu *c);

/* The implementations of the cpu_hooks of the same name; opaque is the smmu. */
void smmu_paging_changed(void *opaque, struct cpu *c);
void smmu_cr3_written(void *opaque, struct cpu *c);
bool smmu_load_pdptes(void *opaque, struct cpu *c);
void smmu_invlpg(void *opaque, struct cpu *c, gva_t lin);

/* Host address of linear 0 of a view of the current space. Always a valid slot. In long mode
 * VIEW_USER is piece 0 at CPL 3, for compatibility mode (its slot stays the same while the space is
 * current; smmu_locate() and smmu_fault() know it, too), and the others are the null slot. */
uint64_t smmu_base(struct smmu *m, enum smmu_view v);

enum { SMMU_VIEW_SHIFT = 17, SMMU_VIEW_ENTRIES = 1 << (32 - SMMU_VIEW_SHIFT) };

/* SMMU_VIEW_ENTRIES bytes indexed by linear >> SMMU_VIEW_SHIFT, each an enum smmu_view: where CPL
 * 0-2 probably finds the page. A guess that a fault corrects (smmu_fault with VIEW updates it). The
 * address is constant for the smmu's life. */
const uint8_t *smmu_view_table(struct smmu *m);

/* A host fault at `lin` of view `v` (access ACC_READ or ACC_WRITE) by guest code at c->cpl. */
enum smmu_verdict smmu_fault(struct smmu *m, struct cpu *c, gva_t lin, unsigned access,
                             enum smmu_view v);

/* Which view and linear address a host address is, for the current space. False: none of its
 * windows (the slot gaps count: *lin may be up to 4 GiB + gap, *in_gap set). */
bool smmu_locate(struct smmu *m, uint64_t host, enum smmu_view *v, uint64_t *lin, bool *in_gap);

enum { SMMU_BLOCK_TABLE = 0x10000, SMMU_PIECES = 65536 };

/* Long mode will be shadowed, with blocks that begin with the first hot_bytes (at most
 * SMMU_BLOCK_TABLE) of hot_fd, shared. Before the guest runs; hot_fd stays the caller's, open for
 * the smmu's life. */
int smmu_use_blocks(struct smmu *m, int hot_fd, size_t hot_bytes) MUST_CHECK;

/* The rest: in long mode with blocks only. */

/* Whose tables: CPL 0-2's, CPL 3's, and with CR4.SMAP on CPL 0-2's while EFLAGS.AC is set. */
enum smmu_table { SMMU_SUPERVISOR, SMMU_USER, SMMU_OPEN, SMMU_TABLES };

/* By which code at c->cpl runs now. */
static inline enum smmu_table smmu_table_of(const struct cpu *c)
{
    if (c->cpl == 3)
        return SMMU_USER;
    return (c->rflags & EF_AC) && (c->cr4 & CR4_SMAP) ? SMMU_OPEN : SMMU_SUPERVISOR;
}

/* Host address of the current space's block. Constant for a space's life. */
uint64_t smmu_block(struct smmu *m, enum smmu_table t);

/* The table entry for lin. */
uint64_t smmu_delta(struct smmu *m, enum smmu_table t, gva_t lin);

/* Counts changes of table entries, of slots that entries used, and of the current space: deltas
 * that were read before the last one may be anything's by now. */
uint64_t smmu_deltas_changed(const struct smmu *m);

/* Which linear address a host address is in a slot that the current tables use (half the gap on
 * either side counts, with in_gap set). False: the null slot, or none of them; in_gap is set when
 * it is in a gap but those about the null slot. */
bool smmu_locate_long(struct smmu *m, uint64_t host, gva_t *lin, bool *in_gap);

/* A host fault by guest code at c->cpl that meant `lin`, canonical. MAPPED: the current table's
 * entry shows the page and no delta changed: retry with the same host address. */
enum smmu_verdict smmu_fault_long(struct smmu *m, struct cpu *c, gva_t lin, unsigned access);

struct code_page {
    uint64_t frame;       /* frame index of the RAM page, SMMU_ALL_PAGES: not RAM */
    const uint8_t *bytes; /* start of the page in the monitor's alias; NULL: not RAM */
};

/* Where code at linear `at` comes from, with execute rights of c->cpl (NX, U/S, SMEP). On success
 * the frame is CODE: write-protected in all views first. False: #PF, or #GP, recorded. */
bool smmu_fetch(struct smmu *m, struct cpu *c, gva_t at, struct code_page *out);

/* No cached code of this frame is left: stores may run at full speed again. */
void smmu_clear_code(struct smmu *m, uint64_t frame);

/* physmem's hooks; opaque is the smmu. The monitor wrote [off, off + len) of the memfd: tables are
 * resynced, code dropped. What lies at guest physical addresses changed: everything starts over. */
void smmu_guest_written(void *opaque, uint64_t off, size_t len);
void smmu_map_changed(void *opaque);

struct smmu_space *smmu_current(struct smmu *m);
/* A slot for the translator to hang its per-space structure on. */
void **smmu_space_cookie(struct smmu_space *s);

const struct smmu_stats *smmu_stats(const struct smmu *m);

#endif
