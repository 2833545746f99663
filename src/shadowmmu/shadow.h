/* shadow.h - private to src/shadowmmu: the shadow's structures and what its files offer each other.
 *
 *   space --- user, priv --> view --- region[2048] --> page of 512 entries      (what a window
 * shows) |                                  | table                  | rmap node | pd[4] v v
 *     +--------------------------> frame (page table)        frame (RAM page)
 *
 * A region is 2 MiB of linear space: one PAE page table, half of a 32-bit one. It is live while the
 * page-directory entry it was made from (pde) is believed; its page table is then "used" by it and
 * traced. A page-directory page is used by the spaces it is the top of.
 *
 * Invariants
 *  - frame.rmap lists exactly the entries with E_MAPPED of that frame, in all views.
 *  - An entry has E_WRITE only while its frame is neither CODE nor a synced page table.
 *  - F_PT is set iff frame.uses is not empty; F_UNSYNC implies F_PT, no directory use, and a place
 * in unsynced[].
 *  - region.count is the number of entries != 0; region.pde, .table are valid while the region is
 * live.
 *  - Memory is reserved at creation; nothing here allocates later (it runs in signal handlers).
 *  - Loops that clear or copy go through asm or volatile-free code the compiler can't turn into
 *    library calls: those use vector registers, which hold guest state.
 */
#ifndef DRAGOMAN_SHADOWMMU_SHADOW_H
#define DRAGOMAN_SHADOWMMU_SHADOW_H

#include "host/slots.h"
#include "shadowmmu/access.h"
#include "shadowmmu/smmu.h"
#include "shadowmmu/walk.h"

enum {
    REGION_SHIFT = 21,
    REGION_PAGES = 512,
    NREGIONS = 2048,
    NPAGES = NREGIONS * REGION_PAGES,
    MAX_SPACES = 256,
    FIRST_PIECE = 2 * MAX_SPACES + 1, /* views from here on are long mode's */
    MAX_VIEWS = 4096,                 /* 12 bits of an rmap key */
    PIECE_BUCKETS = 1024,
    NTOPS = 256, /* PML4 entries of the upper half */
    SPACE_BUCKETS = 256,
    MAX_UNSYNCED = 64,
    MAX_OWED = 64,
    MAX_KFETCH = 64,
    REMAP_SLOTS = 64,
};

/* Policy. Measured or reasoned in docs; change here. */
enum {
    POPULATE_PAGES = 16, /* runs up to this long are faulted in with the mapping */
    FILL_CLUSTER = 16,   /* pages around a fault that may come along... */
    FILL_EXTRA_MAPS =
        0, /* ... with this many more mappings: each costs 2.4 us, the fault it may save 4.9 us */
    UNSYNC_AFTER = 3,   /* taking-away writes to a leaf table in a row before it goes unsynced */
    RESYNC_IDLE = 4,    /* syncs that found nothing before an unsynced table is traced again */
    TABLE_FLOOD = 16,   /* writes to a table that maps nothing before it stops being one */
    SPACE_FLOOD = 64,   /* writes to the directory of a space that isn't current */
    DIVERGE_LIMIT = 64, /* see kernel_diverged() */
    DIVERGE_REAL = 8,
    REMAP_HOT = 64,         /* remaps of one page within an epoch */
    REMAP_EPOCH_SHIFT = 25, /* epoch: 2^25 TSC ticks, about 10 ms */
};

/* Entries. The low bits of guest entries (SDM 3A 4.3, 4.4). */
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 1 << 5, PTE_D = 1 << 6, PTE_PS = 1 << 7 };
#define PTE_NX (UINT64_C(1) << 63)

/* A shadow entry: frame 0-23, flags, rmap node 32-63. 0: nothing known. */
#define E_FRAME      UINT64_C(0xffffff)
#define E_MAPPED     (UINT64_C(1) << 24) /* the window shows the frame */
#define E_WRITE      (UINT64_C(1) << 25) /* ... writable */
#define E_USER       (UINT64_C(1) << 26) /* effective U/S = 1 (matters in the KERNEL view) */
#define E_FETCHED    (UINT64_C(1) << 27) /* code was fetched through this view */
#define E_KFETCHED   (UINT64_C(1) << 28) /* ... by CPL 0-2 from a view that isn't KERNEL */
#define E_NODE_SHIFT 32

#define NO_FRAME UINT32_MAX

enum frame_flag {
    F_CODE = 1 << 0,
    F_PT = 1 << 1,
    F_UNSYNC = 1 << 2,
    F_ROM = 1 << 3,
    F_OWED = 1 << 4, /* in owed[]; a traced table */
};

struct frame {
    uint32_t rmap, uses; /* lists of nodes */
    uint8_t flags;
    uint8_t downs;  /* traced writes in a row that took something away */
    uint8_t floods; /* traced writes that changed nothing we show */
    uint8_t unsync; /* index in unsynced[] or owed[] */
};

/* An rmap node (key: view id << 20 | vpn), a leaf use (view id << 11 | region), with KEY_PD a top
 * table's use (space id << 2 | quarter; long mode: the PML4) or, with KEY_DIR, one of a table
 * between (view id << 3 | enum upper_table). prev 0: first. */
struct node {
    uint32_t next, prev, key;
};
#define KEY_PD    UINT32_C(0x80000000)
#define KEY_DIR   UINT32_C(0x40000000)
#define KEY_UPPER (KEY_PD | KEY_DIR)

enum upper_table { UPPER_PD0, UPPER_PDPT = 4 }; /* of a view in long mode: 4 directories, 1 PDPT */

struct region {
    uint64_t pde;   /* view_pde() when made */
    uint32_t page;  /* page of entries, 0: none yet */
    uint32_t table; /* frame of the page table; NO_FRAME: large page or paging off */
    uint32_t use;   /* our node in frame[table].uses */
    uint16_t count;
    bool live;
    bool large_w; /* large page was mapped writable */
};

/* Long mode: what is above a view's regions, as it was when they were made. All of it is traced. */
struct upper {
    uint64_t top;      /* signature of the PML4 entry, 0: nothing is believed */
    uint64_t pdpte[4]; /* signatures, 0: the quarter has no live region */
    uint32_t pdpt, pd[4];
    uint32_t pdpt_use, pd_use[4]; /* nodes, 0: not traced */
};

struct view {
    uint64_t live[NREGIONS / 64];
    struct smmu_space *space; /* NULL: KERNEL */
    uint64_t base, maps;      /* maps: host mappings it consists of, exact */
    uint64_t origin;          /* linear address of its first byte */
    struct upper up;
    unsigned slot;
    uint16_t id;
    uint16_t next, hash_next; /* pieces: ids, 0: none */
    uint8_t kind;
    bool quiet;   /* being wiped: no event per page */
    bool fetched; /* has, or had, entries with E_FETCHED */
    struct region region[NREGIONS];
};

struct smmu_space {
    uint64_t key[4];
    uint32_t pd[4], pd_use[4]; /* frames of the page directories; 32-bit: pd[0] */
    uint32_t hash_next;        /* id + 1 */
    uint16_t id;
    bool used;
    uint8_t floods;
    uint64_t stamp;              /* LRU */
    uint64_t checked;            /* kernel_version its directory was compared with */
    struct view *user, *priv;    /* NULL until the slots exist; kept for the next user of the id */
    uint64_t block[SMMU_TABLES]; /* long mode; 0 until made; kept, too */
    uint64_t written[SMMU_TABLES][SMMU_PIECES * 8 / PAGE_SIZE / 64]; /* their pages that were */
    uint16_t pieces;                                                 /* its views in long mode */
    void *cookie;
};

struct unsynced {
    uint32_t frame;
    uint32_t idle;
};

/* Entries of a traced table that show less than views do. */
struct owed {
    uint32_t frame;
    uint16_t first, last;
};

struct remap_slot {
    uint32_t key, count;
    uint64_t epoch;
};

/* Long mode's views, by space (or none), piece, kind and PML4 entry. */
struct pieces {
    uint16_t bucket[PIECE_BUCKETS];
    uint16_t kernel; /* list of KERNEL views */
    uint16_t free, next_id;
    unsigned left;
    /* The PML4 entries (signatures) by which the kernel's half of the table shows KERNEL views now;
     * valid where a bit is set: there are such views. */
    uint64_t top[NTOPS], tops[NTOPS / 64];
    uint16_t of_slot[NSLOTS];
};

/* Where the tables of deltas live. */
struct blocks {
    bool on;
    int hot_fd, template_fd, upper_fd;
    size_t hot_bytes;
    uint64_t *upper; /* the half of the table that all blocks for CPL 0-2 share */
    uint64_t changes;
};

/* PB_SOFT stands alone: long mode without blocks. Nothing is shadowed; the software TLB and what
 * was fetched are forgotten whenever the architecture ends the right to staleness. */
enum paging_bits {
    PB_PG = 1,
    PB_PAE = 2,
    PB_PSE = 4,
    PB_NXE = 8,
    PB_WP = 16,
    PB_SMEP = 32,
    PB_LONG = 64,
    PB_SOFT = 128,
    PB_SMAP = 256 /* windows then show U/S=1 pages to CPL 3 alone */
};

struct smmu {
    struct softtlb tlb; /* first: access.h */
    struct physmem *pm;
    struct cpu *cpu;
    struct smmu_config cfg;
    struct log *log;
    struct slots slots;
    struct blocks blocks;
    struct pieces pieces;
    struct smmu_space *cur;
    struct view *kernel, *views;
    struct frame *frame;
    struct node *node;
    uint64_t (*page)[REGION_PAGES];
    uint32_t node_free, node_top, node_limit, nodes_left;
    uint32_t page_free, page_top, page_limit, pages_left;
    uint64_t stamp, removals; /* removals: uses removed so far */
    uint64_t kernel_version;  /* changes when the KERNEL view relies on one more directory entry */
    uint64_t rsvd;            /* bits that must be 0 in a 4 KiB entry */
    unsigned paging;          /* enum paging_bits of the current mode */
    bool unified, walking, kfetch_overflow;
    bool space_seen; /* one space with paging on was entered in this mode */
    unsigned nkfetch, nunsynced, nowed, nlisteners;
    uint64_t rng;
    uint64_t kfetch[MAX_KFETCH];
    struct unsynced unsynced[MAX_UNSYNCED];
    struct owed owed[MAX_OWED];
    struct remap_slot remap[REMAP_SLOTS];
    uint32_t bucket[SPACE_BUCKETS]; /* id + 1 */
    uint8_t diverged[NREGIONS];     /* see kernel_diverged(); DIVERGE_LIMIT: private for good */
    uint8_t view_table[SMMU_VIEW_ENTRIES];
    struct smmu_listener listener[SMMU_MAX_LISTENERS];
    struct smmu_stats stats;
    struct smmu_space space[MAX_SPACES];
};

/* smmu.c: events */
void emit_code_written(struct smmu *m, uint64_t frame, unsigned off, unsigned len);
void emit_code_unmapped(struct smmu *m, struct smmu_space *s, uint64_t vpn);
void emit_space_switched(struct smmu *m);
void emit_space_freed(struct smmu *m, struct smmu_space *s);

/* pool.c: nodes and pages of entries. The caller made room (evict_for_fill). */
uint32_t node_push(struct smmu *m, uint32_t *head, uint32_t key);
void node_remove(struct smmu *m, uint32_t *head, uint32_t n);
uint32_t page_alloc(struct smmu *m);
void page_release(struct smmu *m, uint32_t page);

/* view.c: windows, entries, reverse map, mapping counts */
int view_init(struct smmu *m, struct view *v, unsigned kind, struct smmu_space *s) MUST_CHECK;
uint64_t *view_entry(struct smmu *m, struct view *v, uint32_t vpn);
int view_map(struct smmu *m, struct view *v, uint32_t vpn, uint32_t n, uint32_t frame,
             uint64_t flags) MUST_CHECK;
void view_protect(struct smmu *m, struct view *v, uint32_t vpn, uint32_t n);
int view_unprotect(struct smmu *m, struct view *v, uint32_t vpn) MUST_CHECK;
void view_drop(struct smmu *m, struct view *v, uint32_t vpn, uint32_t n);
void view_wipe(struct smmu *m, struct view *v);
void region_prepare(struct smmu *m, struct view *v, unsigned r, uint64_t pde, uint32_t table);
void region_release(struct smmu *m, struct view *v, unsigned r);

/* space.c: address spaces and the KERNEL view's agreement with them */
uint64_t space_pde(const struct smmu *m, const struct smmu_space *s, unsigned r);
uint64_t pde_signature(const struct smmu *m, uint64_t pde);
void space_free(struct smmu *m, struct smmu_space *s);
bool region_stands(const struct smmu *m, const struct region *rg, uint64_t pde);
struct smmu_space *space_lru(struct smmu *m);
void space_wipe(struct smmu *m, struct smmu_space *s);
void kernel_wipe(struct smmu *m);

/* blocks.c: tables of deltas */
int blocks_init(struct smmu *m, int hot_fd, size_t hot_bytes) MUST_CHECK;
void blocks_fini(struct smmu *m);
int blocks_make(struct smmu *m, struct smmu_space *s) MUST_CHECK;
void blocks_reset(struct smmu_space *s);
/* Entry i of a table shows `slot`. s is NULL for the kernel's half, which is all CPL 0-2 tables'.
 */
void block_point(struct smmu *m, struct smmu_space *s, enum smmu_table t, unsigned i,
                 unsigned slot);

/* piece.c: long mode's views */
void pieces_init(struct smmu *m);
struct view *piece_find(struct smmu *m, const struct smmu_space *s, unsigned i, unsigned kind);
struct view *piece_window(struct smmu *m);
/* Whether a U/S=1 page at lin can be in the table that CPL 0-2 uses now. */
bool piece_open(struct smmu *m, gva_t lin);
struct view *piece_for(struct smmu *m, const struct cpu *c, const struct walk *w, gva_t lin);
void pieces_wipe(struct smmu *m, uint16_t list);
void pieces_free(struct smmu *m, struct smmu_space *s);
uint64_t pieces_maps(const struct smmu *m, uint16_t list);
void pieces_evict(struct smmu *m);
void pieces_enter(struct smmu *m);
void pieces_inherit(struct smmu *m, const struct smmu_space *from);
void kernel_point(struct smmu *m, unsigned n, uint64_t top);

/* upper.c: long mode's tables above the leaf ones */
uint64_t upper_top(const struct smmu *m, const struct smmu_space *s, unsigned idx);
uint64_t upper_pde(const struct smmu *m, const struct view *v, unsigned r);
/* Whether the current space has a page directory for the 4 GiB at lin. */
bool upper_present(const struct smmu *m, gva_t lin);
void upper_open(struct smmu *m, struct view *v, unsigned r);
void upper_close_quarter(struct smmu *m, struct view *v, unsigned q);
void upper_close(struct smmu *m, struct view *v);
void upper_untrace(struct smmu *m, uint32_t key);
void pml4_written(struct smmu *m, struct smmu_space *s, unsigned idx);
/* True: the table is above something shown. */
bool upper_written(struct smmu *m, uint32_t key, unsigned first, unsigned last);

/* fill.c: hidden faults */
bool smmu_walk(struct smmu *m, const struct cpu *c, gva_t lin, unsigned flags, struct walk *w);
struct view *view_get(struct smmu *m, enum smmu_view v);
/* NULL: long mode's views have run out. May evict. */
struct view *fill_prepare(struct smmu *m, const struct cpu *c, const struct walk *w, gva_t lin);
/* The views are those of the current space, for accesses at c->cpl. */
enum smmu_verdict fill_fault(struct smmu *m, const struct cpu *c, gva_t lin, unsigned access,
                             struct view **v);
bool fill_eager(struct smmu *m, struct view *v, uint32_t vpn);

/* A guest page-table entry of region r of view v as the shadow may show it. */
struct leaf {
    uint32_t frame;
    bool ok; /* present, accessed, RAM, belongs to this view */
    bool nx, user;
    bool write; /* host mapping may be writable */
};
struct leaf leaf_read(const struct smmu *m, const struct view *v, const struct region *rg,
                      unsigned r, unsigned idx);

/* trace.c: page tables and code pages */
bool frame_no_write(const struct smmu *m, uint32_t frame);
void frame_protect(struct smmu *m, uint32_t frame);
void frame_written(struct smmu *m, uint32_t frame, unsigned off, unsigned len);
void region_recheck(struct smmu *m, struct view *v, unsigned r, uint64_t pde);
uint32_t table_use(struct smmu *m, uint32_t frame, uint32_t key);
void table_unuse(struct smmu *m, uint32_t frame, uint32_t use);

/* sync.c: making entries true */
enum sync_result { SYNC_SAME, SYNC_LESS };
/* Whether a view shows more than its table allows now, by an entry with nothing to take its place.
 */
bool sync_can_wait(struct smmu *m, struct view *v, unsigned r, unsigned idx);
enum sync_result sync_entries(struct smmu *m, struct view *v, unsigned r, unsigned first,
                              unsigned last);
void sync_all(struct smmu *m);
bool table_unsync(struct smmu *m, uint32_t frame);
void table_retrace(struct smmu *m, uint32_t frame);
void remap_note(struct smmu *m, const struct view *v, uint32_t vpn);
bool remap_hot(struct smmu *m, const struct view *v, uint32_t vpn);

/* owed.c: removals that wait until the guest flushes */
/* False: entry idx of region r is to be made true at once. */
bool owed_wait(struct smmu *m, struct view *v, unsigned r, unsigned idx);
void owed_forget(struct smmu *m, uint32_t frame);
void owed_settle(struct smmu *m);

/* evict.c */
void evict_for_fill(struct smmu *m);
void evict_all(struct smmu *m);

/* access.c */
void softtlb_reset(struct softtlb *t);
void softtlb_flush(struct smmu *m);
void softtlb_flush_page(struct smmu *m, gva_t lin);
void softtlb_drop_writes(struct smmu *m, uint32_t frame);

static inline bool smmu_pae(const struct smmu *m)
{
    return m->paging & PB_PAE;
}

static inline hva_t frame_ptr(const struct smmu *m, uint32_t frame)
{
    return m->pm->hva + ((uint64_t)frame << PAGE_SHIFT);
}

/* Frame of RAM at pa, NO_FRAME: not RAM. */
static inline uint32_t frame_of(const struct smmu *m, gpa_t pa)
{
    uint64_t off = physmem_offset(m->pm, pa);

    return off == UINT64_MAX ? NO_FRAME : (uint32_t)(off >> PAGE_SHIFT);
}

/* First entry of the page table that region r uses. */
static inline unsigned region_first(const struct smmu *m, unsigned r)
{
    return smmu_pae(m) ? 0 : (r & 1) * REGION_PAGES;
}

static inline uint64_t table_read(const struct smmu *m, uint32_t frame, unsigned idx)
{
    hva_t p = frame_ptr(m, frame);

    return smmu_pae(m) ? ld64(p + idx * 8) : ld32(p + idx * 4);
}

static inline bool smmu_long(const struct smmu *m)
{
    return m->paging & PB_LONG;
}

static inline unsigned piece_index(const struct view *v)
{
    return (unsigned)(v->origin >> 32 & (SMMU_PIECES - 1));
}

/* PML4 entry above a piece; those of the upper half start at NTOPS. */
static inline unsigned piece_top(const struct view *v)
{
    return piece_index(v) >> 7;
}

static inline bool view_current(const struct smmu *m, const struct view *v)
{
    if (v->space)
        return v->space == m->cur;
    return !smmu_long(m) || m->pieces.top[piece_top(v) - NTOPS] == v->up.top;
}

/* Linear page number, as events have it. */
static inline uint64_t view_page(const struct view *v, uint32_t vpn)
{
    return (v->origin >> PAGE_SHIFT) + vpn;
}

/* xorshift64: torture only. */
static inline bool one_in(struct smmu *m, unsigned n)
{
    m->rng ^= m->rng << 13;
    m->rng ^= m->rng >> 7;
    m->rng ^= m->rng << 17;
    return m->rng % n == 0;
}

#endif
