/* bt_priv.h - the translator's own structures (private to src/translator and its unit tests).
 *
 * Host registers while translated code runs (32-bit guests):
 *   RAX RCX RDX RBX RBP RSI RDI   the guest's registers of the same number, upper halves zero
 *   R12                           guest ESP; within a block of flat code less what it has moved by
 *   RFLAGS                        guest arithmetic flags and DF
 *   x87, MMX, SSE, AVX            the guest's
 *   GS base                       the window code of this CPL runs in
 *   R14                           struct cpu
 *   R15                           struct bt_hot
 *   R13                           that window's first byte + 17: emit_based(),
 *                                 and count for SHRX (views, segmented code)
 *   R8-R11                        scratch inside one guest instruction
 *   RSP                           the monitor's stack (callouts push return
 *                                 addresses there)
 *
 * Code is flat (CS, SS, DS, ES: base 0, 4 GiB, 32 bits; lower_*.c), 64-bit (lower64.h) or
 * segmented (lowerseg.h): real mode, V86, 16-bit code, and 32-bit code whose data or stack segment
 * is not flat.
 *
 * A block is known by its key: CS.base << 32 | EIP, or RIP of 64-bit code. So segmented code that
 * is reached by another CS:IP is another block, and what is done to IP is known when it is
 * translated.
 *
 * Blocks and chains:
 *
 *   exit A.1 --jmp--> B.entry     B.incoming -> A.1 -> C.0 -> NULL
 *
 * An exit is on exactly one incoming list, or its jump points at its own stub; both, while one of
 * the two blocks has been moved and not the other (clone.c). A chain that leaves its page goes to
 * B.checked, which compares the context's word for B's page with B's page id first, or to B.body,
 * when that is known to be true (edges.h). Indirect branches go to B.landing, which compares the
 * target with B's address (landing.c).
 */
#ifndef DRAGOMAN_TRANSLATOR_BT_PRIV_H
#define DRAGOMAN_TRANSLATOR_BT_PRIV_H

#include <pthread.h>

#include "host/codemem.h"
#include "host/sigfault.h"
#include "shadowmmu/smmu.h"
#include "translator/bt_loop.h"
#include "translator/bt_offsets.h"
#include "translator/decode_cache.h"
#include "translator/edges.h"
#include "translator/engine.h"
#include "translator/jcache.h"
#include "translator/row.h"

enum {
    BT_JOURNAL = 2048,
    BT_WORDS = 32768, /* 128 MiB: programs and their libraries seldom share a place */
    BT_MAX_INSNS = 64,
    BT_MAX_SIDE_EXITS = 4, /* forward conditional branches a block may go on after */
    BT_MAX_EXITS = BT_MAX_SIDE_EXITS + 2,
    BT_BLOCK_ROOM = 24576, /* bytes of code a block can at most need */
    BT_HASH_BITS = 19,     /* of blocks: a chain is a cache miss per block */
    BT_HASH = 1 << BT_HASH_BITS,
    BT_PAGE_HASH = 1 << 16,
    BT_SEGLOADS = 4, /* by bits 3 and 4 of the selector */
    BT_NO_SEL = 1 << 16,
};

/* A guest code page as a context sees it: identity of (linear page, frame). Never reused before a
 * flush. */
struct bt_page {
    uint64_t frame;
    uint64_t vpn;             /* linear address >> 12 */
    uint32_t id;              /* never 0 */
    struct bt_page *next;     /* hash chain */
    struct bt_block *targets; /* blocks that jump caches are asked for */
    uint32_t uses;            /* contexts that have it */
    bool spread;              /* copies were made of all that could be */
    bool marked;              /* an end of edges that changed (edges.c) */
    struct bt_loop *loops;
    struct bt_edge *out, *in; /* edges.h */
};

/* Targets of a page from this one on, the older ones, were entered in a jump cache. */
struct bt_told {
    const struct bt_block *upto;
    uint32_t filled;
};

/* What may be jumped to without asking: one per (address space or kernel) and mode. */
struct bt_ctx {
    /* By the lower 16 bits of a target: the landing of one that is in the jump cache, or
     * `no_landing`, which looks into that. */
    const uint8_t *landing[BT_LANDINGS];
    uint64_t neg_tag[BT_JCACHE];    /* -key of the entry */
    const uint8_t *host[BT_JCACHE]; /* its landing */
    uint32_t neg_word[BT_WORDS];    /* -id of the page that (vpn % BT_WORDS) maps, 0: none */
    struct bt_page *page[BT_WORDS];
    const uint8_t *no_landing;
    uint32_t nwords; /* ... pages, as nset */
    uint16_t words[BT_JOURNAL];
    uint32_t mode;
    uint32_t nset; /* entries made since the jump cache was empty; the first of them: */
    uint16_t set[BT_JOURNAL];
    /* How far a page's targets were entered, while `filled` is the same. */
    uint32_t filled; /* times the jump cache was emptied; never 0 */
    struct bt_told told[BT_WORDS];
    struct bt_ctx *next; /* of the same space */
    struct bt_ctx *all_next, **all_prev;
};

/* What code at a privilege level finds; [0] CPL 0, [1] CPL 3: cross64.c, cross32.c. */
struct bt_level {
    struct bt_ctx *ctx;
    uint64_t block; /* GS base */
    struct seg cs, ss;
    uint32_t sel[2]; /* of CS and SS, as in hot.sel */
    uint32_t mode;
};

/* What loading a segment register with a selector of the GDT at CPL 0 comes to, as long as the
 * descriptor is what it was. */
struct bt_segload {
    uint32_t sel;   /* BT_NO_SEL: none */
    uint32_t plain; /* base + 4 GiB, writable: FS and GS have a window */
    uint64_t descriptor;
    struct seg seg; /* of a null selector only sel, attr and usable count */
};

/* What light_asm.S goes by. */
struct bt_light {
    struct {
        uint32_t index; /* 0: none */
        uint32_t at;    /* in struct cpu */
    } msr[LIGHT_MSRS];
    struct bt_cpuid {
        uint32_t leaf, subleaf, out[4];
    } cpuid[LIGHT_CPUIDS];
    uint64_t cr4, xcr0, apic_base; /* that cpuid[] is of */
};

/* Written by the engine, read by generated code through R15. */
struct bt_hot {
    struct bt_ctx *volatile ctx;
    uint8_t quiet;          /* what irq_ptr leads to but when INTR is asserted */
    const uint8_t *irq_ptr; /* a readable byte, or poison: INTR is asserted */
    const uint8_t *view_table;
    uint64_t base[NVIEWS];     /* window bases of the current space */
    uint64_t window;           /* of the current CPL */
    uint64_t seg_window[NSEG]; /* `window`, or poison when the segment is not base+4 GiB */
    uint32_t seg_base[NSEG];
    uint32_t sel[NSEG];   /* selectors, for PUSH and MOV from segment registers */
    uint32_t flags_other; /* EFLAGS but for arithmetic flags, DF and IF */
    uint64_t host_rsp;
    uint64_t exit_kind;
    uint64_t exit_arg;   /* struct bt_exit of a direct exit */
    uint64_t landings;   /* ctx / 8: its first member, for an index of 16 bits */
    uint32_t branch;     /* 64-bit code: the last indirect one; bt64_undo_branch() */
    uint32_t not_landed; /* look-ups behind landings */
    uint64_t fault_rip;
    uint8_t df;
    /* 64-bit code: through GS */
    uint64_t home[NGPR];       /* guest values of registers that are not in the host's */
    uint64_t rsp;              /* guest RSP translated, for entry */
    uint64_t rsp_not;          /* ~delta of the RSP in use */
    uint64_t seg_lin[NSEG];    /* bases of FS, GS */
    uint64_t seg_host[NSEG];   /* the same, translated */
    uint64_t str_src, str_dst; /* deltas of the string instruction that runs */
    struct cpu *cpu;
    struct engine *engine;
    struct bt_callout *site; /* of the callout that runs */
    struct bt_level level[2];
    uint64_t desc_lin[4]; /* where the guest has the descriptors of level[].cs, .ss */
    uint64_t frame[5];    /* IRET: what is on the stack; */
    uint64_t desc[4];     /* ... and those descriptors */
    uint64_t crossings;
    uint8_t ways; /* enum of bt_offsets.h */
    uint64_t tsc_offset;
    uint32_t tsc_aux;
    uint32_t gdt; /* base */
    /* Segmented code: where the first byte of a segment is, for operands that end [0] below 64 KiB
     * and [1] above; or the null slot, when the segment does not serve them all. */
    uint64_t seg_mem[NSEG][2];
    const uint8_t *poison;  /* what a load of it faults on: the instruction is interpreted */
    uint8_t seg_odd[NSEG];  /* a load in real mode or V86 changes more than selector and base */
    int64_t seg_room[NSEG]; /* -(limit + 1): what an offset makes negative is inside */
    /* In protected mode: where the segment's first byte is, for [0] reading and [1] writing. */
    uint64_t seg_typed[NSEG][2];
    uint64_t seg_null; /* the null slot */
    /* loads of ES, DS, FS, GS that need no callout (cross32.c) */
    struct bt_segload segload[NSEG][BT_SEGLOADS];
    _Alignas(1024) struct bt_light light;
    _Alignas(64) uint64_t delta[BT_DELTAS]; /* 64-bit code: x64_word.c */
};

enum bt_exit_kind {
    BT_EXIT_DIRECT,   /* unlinked direct branch: exit_arg */
    BT_EXIT_INDIRECT, /* jump-cache miss: rip is the target */
    BT_EXIT_WORD,     /* page word mismatch: rip is the target */
    BT_EXIT_CALLOUT,  /* a callout asked to leave; rip set */
    BT_EXIT_KICK,     /* seen on the way in */
    BT_EXIT_FAULT,    /* host fault: interpret the instruction at rip */
};

struct bt_block;
struct bt_callout;
struct xlate;

/* The same way out for blocks of the same loop: registers stay where they are. */
struct bt_open {
    uint8_t *jump;       /* rw address of the rel32; that of bt_exit when nothing is borrowed */
    const uint8_t *side; /* rx: where it goes instead; NULL: it is a NOP until it is linked */
};

struct bt_exit {
    uint8_t *jump; /* rw address of the rel32 */
    uint8_t *stub; /* rx address of its own exit stub */
    struct bt_block *from;
    struct bt_block *target;               /* NULL: unlinked */
    struct bt_exit *next_incoming, **link; /* link: what points at this one there */
    uint64_t rip;                          /* guest target: a key */
    struct bt_open *open;                  /* NULL: none */
};

/* Host offset -> guest instruction; ascending. A host address belongs to the last entry at or below
 * it. */
enum bt_site_kind {
    SITE_PLAIN,
    SITE_POLL, /* a look at INTR behind an instruction: its fault is not the guest's */
    SITE_STRING,
    SITE_CHECK,
    SITE_PROBE, /* load through RSP: only its leaving the slot matters */
    SITE_SIDE,  /* behind the block: a way out of one of its instructions */
    /* A string instruction of segmented code whose source is in segment kind - SITE_SEG_STRING. */
    SITE_SEG_STRING,
    SITE_SEG_STRING_LAST = SITE_SEG_STRING + NSEG - 1,
};

struct bt_map {
    uint32_t host;  /* offset from block start */
    uint16_t guest; /* offset from block rip */
    uint8_t kind;
    int8_t esp; /* 32-bit flat code: the guest's ESP is R12 + 4 * esp here */
};

/* How a guest instruction that faulted too often is translated from then on. */
enum bt_adapt { ADAPT_NONE, ADAPT_VIEW, ADAPT_SIMULATE, ADAPT_WRAP };

/* hot.branch: offset of an indirect branch in the code memory << BT_BRANCH_SHIFT, and what it did
 * to RSP. */
enum bt_branch { BT_JUMPED, BT_CALLED, BT_RETURNED, BT_BRANCH_SHIFT = 2 };

/* Fields of a block's bytes that depend on where guest or host code lies (clone.c). */
enum bt_move_kind {
    MOVE_RIP32, /* guest address, 32 bits of it */
    MOVE_RIP64,
    MOVE_MINUS_RIP32, /* 0 - guest address */
    MOVE_MINUS_RIP64,
    MOVE_BRANCH,  /* offset in the code memory << 2, and something */
    MOVE_PIECE,   /* offset in a table of deltas: piece of what RIP-relative operands name */
    MOVE_WORD,    /* offset in a context: word of the block's page */
    MOVE_PAGE_ID, /* of the block's page */
    MOVE_STUB,    /* rel32 to what is not in the block */
    MOVE_INSN,    /* struct insn *: shared by copies */
    MOVE_SITE,    /* struct bt_callout * */
};

struct bt_move {
    uint16_t at; /* offset from block start */
    uint8_t kind;
};

struct bt_moves {
    int64_t near_lo, near_hi; /* RIP-relative operands name addresses of rip + near_lo.. */
    unsigned n;
    struct bt_move move[];
};

struct bt_block {
    /* one cache line: what a look-up compares, and what entering a page's targets needs */
    uint64_t rip; /* its key */
    uint32_t mode;
    struct bt_page *page, *page2; /* page2: the block's single instruction straddles */
    struct bt_block *hash_next;
    uint8_t *entry;   /* rx */
    uint8_t *landing; /* rx: for indirect branches, with the target in R8D, or R11; segmented code:
                         the entry */
    struct bt_block *target_next;
    /* the rest */
    uint8_t *checked; /* rx: entry for chains from other pages */
    uint8_t *code;    /* rx: start of the block's bytes */
    uint32_t code_len;
    uint16_t guest_len, ninsns;
    bool valid;
    bool target;                /* is on its page's list */
    bool copied;                /* or moved */
    uint16_t borrowed, loaded;  /* 64-bit code: lower64.h */
    uint16_t used;              /* its registers, of the guest's */
    bool examined;              /* as a loop's tail */
    const struct bt_loop *loop; /* that it is made for; NULL: none */
    const uint8_t *inner;       /* rx: where its other blocks enter it */
    uint32_t cs_limit;          /* MODE_ODD_CS: CS's, as the translation assumes */
    uint8_t *body;              /* rx: behind its check */
    struct bt_exit *exits;
    uint8_t nexits;
    struct bt_exit *incoming;
    struct bt_map *map;
    uint32_t nmap;
    const struct bt_moves *moves; /* NULL: is not copied */
    struct bt_block *frame_twin;  /* next template of the frame */
    struct bt_block *twin_next;   /* hash chain of templates */
    struct bt_block *frame_next;  /* blocks with code in the same frame */
    struct bt_block *frame2_next;
};

struct bt_stats {
    uint64_t blocks, cloned, moved, guest_insns, host_bytes, flushes, invalidated, links, loops,
        open_links;
    uint64_t edges, edges_open, edges_opened, edges_closed;
    uint64_t exits[8];
    uint64_t lookups, lookup_hits, ctx_switches, gone_on;
    uint64_t faults[SMMU_NVERDICTS]; /* by smmu verdict */
    uint64_t holds, host_traps, callouts, interp_steps, interp_modes, adapted[4];
    uint64_t churned; /* times a page was found not worth translating */
    uint64_t adapted_for[SMMU_NVERDICTS], overwritten;
    uint64_t reverted;
    uint64_t translate_cycles, fault_cycles; /* of the host's TSC; without what the kernel does */
    uint64_t callout_by_mnemonic[2048];
};

/* What level[] of the hot structure was made from. */
struct bt_cross {
    bool valid; /* of this address space */
    bool wide;  /* for 64-bit code */
    uint8_t ways;
    uint32_t mode;
    uint64_t cr4, star, efer, sysenter_cs;
    struct dtable gdtr;
};

enum { SITE_HASH = 8192, SITE_FRAMES = 1 << 15, TRIALS = 1024 };

struct bt_site {
    uint64_t key;          /* frame << 12 | offset, +1 */
    uint8_t adapt, before; /* before: it was simulated */
    bool on_trial;         /* simulated until that does not pay any more */
    uint8_t reverted;      /* how often it did not */
    bool own;              /* ... for faults of the guest's own */
    uint8_t count[3];
    uint16_t faults;
    uint32_t runs;
    uint64_t since; /* TSC of the first fault in count[] */
};

/* A callout in place of a memory operand: its site. */
struct bt_trial {
    const uint8_t *in; /* where it goes on */
    uint64_t key, flushes;
    bool on_trial;
};

/* How often code of a frame was invalidated lately: a page that code and data share is interpreted
 * for a while when translations of it don't live (bt.c). */
struct bt_churn {
    uint32_t epoch, count;
};

struct engine {
    struct bt_hot *hot; /* a page of its own: aliased in every block of the shadow MMU's */
    int hot_fd;
    struct cpu *cpu;
    struct smmu *mmu;
    struct physmem *pm;
    struct log *log;
    struct interp *interp;
    struct engine_config cfg;
    struct codemem code;
    size_t code_keep; /* bytes of fixed stubs at the start of the code memory */

    struct bt_block **hash;
    struct bt_block **frame_twins; /* per frame: first template */
    struct bt_block **twins;       /* templates by frame, offset and mode */
    struct bt_block **by_addr;     /* all blocks by host address since the last flush */
    uint32_t nblocks, max_blocks;
    struct bt_block **frame_blocks; /* per frame: first block */
    struct bt_churn *churn;         /* per frame */
    uint64_t nframes;
    struct bt_page **page_hash;
    uint32_t next_page_id;
    uint8_t *arena; /* blocks, maps, decoded instructions; reset on flush */
    size_t arena_used, arena_size;

    struct bt_ctx *kernel_ctx; /* list by mode */
    struct bt_ctx *all_ctx;    /* every live context */
    /* of 32-bit code, and of 64-bit code: */
    int landings_fd[2]; /* landings of a new context */
    struct bt_ctx *free_ctx[2];
    struct bt_ctx *empty_ctx[2];       /* every look-up misses: what a kick installs, */
    struct bt_ctx *volatile empty_now; /* ... which of them */
    struct bt_ctx *cur_ctx;
    bool space_changed;
    bool windows_known;   /* hot->base[] is the current space's */
    uint64_t deltas_seen; /* smmu_deltas_changed() when windows were last looked up */
    uint64_t deltas_used; /* ... when RSP and the bases of FS and GS were (bt64.c) */
    enum smmu_table table_seen;

    struct bt_site *sites;
    uint64_t site_frames[SITE_FRAMES / 64]; /* a bit per frame, modulo: there may be sites */
    struct bt_trial trial[TRIALS];
    bool trials;      /* there are some */
    uint64_t gs_base; /* what the host's GS base is now */
    struct bt_cross cross;
    struct dtable gdt_seen; /* segload[] of the hot structure is of this one */
    bool gdt_wide;          /* ... in long mode */
    volatile uint64_t xsave_mask;
    struct sigfault fault;
    bool fault_emulate; /* the last host fault asks for its instruction to be interpreted */
    struct bt_block *fault_prepare; /* ... after its operands have been shown: in this block */
    struct bt_block *retranslate;   /* a site in it was adapted: drop it */
    const uint8_t *poison;
    pthread_t thread;      /* the vCPU's; */
    bool inside;           /* ... is in the cache, or in a callout */
    struct bt_block *held; /* its exits are aimed at their stubs (stop.c) */
    bool code_changed;     /* blocks were invalidated since the last entry: leave after a callout */
    /* stepped: every look-up misses, only the word of a block's own page2 is true */
    struct bt_ctx *step_ctx[2];
    struct bt_block *step_block; /* the block entered by this engine_step() */
    uint64_t callout_rip;        /* of the last callout */
    uint64_t stub_did;           /* ... what a stub did before it: bt_callout.done */
    FILE *perf_map;
    struct decode_cache *decodings;
    struct xlate *xlate; /* scratch of the translation in progress */
    struct bt_stats stats;
};

/* bt_asm.S */
void bt_enter(struct cpu *c, struct bt_hot *hot, const uint8_t *code);
void bt_stub_direct(void);   /* jumped to with R8 = struct bt_exit */
void bt_stub_indirect(void); /* R8D = target rip */
void bt_stub_lookup(void);   /* the same: looks into the jump cache first */
void bt_stub_stray(void);    /* the same, with RCX in R10 */
void bt_stub_word(void);     /* R8D = target rip */
void bt_stub_callout(void);  /* called with R8 = struct insn, R9D = its rip */
void bt_stub_sysenter(void); /* the same; done at once, or as a callout */
void bt_stub_sysexit(void);
void bt_stub_iret(void);
void bt_stub_load_seg(void); /* and R10D = selector, R11 = descriptor */
void bt_stub_pop_seg(void);
void bt_fault_exit(void); /* continued at by the signal handler; hot->fault_rip */

/* bt64_asm.S: the same for 64-bit code, arguments in R11. */
void bt64_enter(struct cpu *c, struct bt_hot *hot, const uint8_t *code);
void bt64_stub_direct(void);
void bt64_stub_lookup(void);
void bt64_stub_stray(void); /* RCX is in R10 */
void bt64_stub_word(void);
void bt64_stub_callout(void); /* R11 = struct bt_callout */
void bt64_stub_syscall(void); /* the same; done at once, or as a callout */
void bt64_stub_sysret(void);
void bt64_stub_iret(void);
void bt64_stub_swapgs(void);
void bt64_fault_exit(void);

/* A callout of 64-bit code: there is no stack to push a return address on. */
struct bt_callout {
    uint64_t rip, next; /* of the instruction, and behind it */
    const uint8_t *resume;
    uint64_t done; /* times that a stub did it since the last callout, where these are counted */
    struct insn insn;
};

/* light_asm.S: as callouts, or at once when there is little to do. What hot.frame[] holds is said
 * there. */
void bt_stub_clts(void);
void bt_stub_mov_cr0(void);
void bt_stub_lgdt(void);
void bt_stub_lidt(void);
void bt_stub_rdmsr(void);
void bt_stub_wrmsr(void);
void bt_stub_cpuid(void);
void bt_stub_store(void); /* R10D = linear address, R11D = value */
void bt64_stub_clts(void);
void bt64_stub_mov_cr0(void);
void bt64_stub_lgdt(void);
void bt64_stub_lidt(void);
void bt64_stub_rdmsr(void);
void bt64_stub_wrmsr(void);
void bt64_stub_cpuid(void);
void bt64_stub_wrfsbase(void);
void bt64_stub_wrgsbase(void);
void bt64_stub_store(void);
void bt64_stub_popf(void);
void bt64_stub_load_seg(void);

/* light.c */
void bt_light_init(struct engine *e);
/* Back in C: CPUID may say something else now. */
void bt_light_refresh(struct engine *e);
/* CPUID has just given this for leaf and subleaf. */
void bt_light_remember_cpuid(struct engine *e, uint32_t leaf, uint32_t subleaf);

/* cross64.c: makes level[] and ways of the hot structure agree with the CPU. */
void bt64_prepare_crossings(struct engine *e);
/* Back in C: crossings have changed the context and GS base. */
void bt_see_crossing(struct engine *e);

/* cross32.c: the same for SYSENTER and SYSEXIT of 32-bit code. */
void bt32_prepare_crossings(struct engine *e);
/* A new GDT: nothing is known of its descriptors. */
void bt32_see_gdt(struct engine *e);
/* The load of a segment register that has just succeeded. */
void bt32_remember_load(struct engine *e, unsigned seg);
/* Base + 4 GiB, writable: generated code adds the base. */
static inline bool bt_seg_plain(const struct seg *s)
{
    return s->usable && s->limit == UINT32_MAX && (s->attr & ATTR_W) &&
           !(s->attr & (ATTR_CODE | ATTR_E));
}

/* bt64.c */
const uint8_t *bt64_callout(struct engine *e); /* of hot->site; NULL: leave */
/* Guest RSP and the bases of FS and GS with the deltas of now; R10 and R11 go home. */
void bt64_refresh(struct engine *e);
/* Has the tables show what the instruction at c->rip is about to access, as far as the guest's
 * allow it. */
void bt64_prepare(struct engine *e);
/* The branch that left for c->rip has not happened: no code can be there. False: it may be. */
bool bt64_undo_branch(struct engine *e);
/* The handler's part: true, when the translation may go on. */
bool bt64_page_fault(struct engine *e, ucontext_t *uc, struct bt_block *b, const struct bt_map *m);
void bt64_leave_at(struct engine *e, ucontext_t *uc, const struct bt_block *b,
                   const struct bt_map *m);

/* bt.c: where to go on: `resume`, where the instruction led to, or NULL: leave. */
const uint8_t *bt_callout(struct cpu *c, const struct insn *i, struct bt_hot *hot,
                          const uint8_t *resume);

/* The instruction, as a callout that has not left the block, has changed nothing that generated
 * code keeps copies of. */
bool bt_keeps_copies(const struct insn *i);

/* tcache.c */
int bt_cache_init(struct engine *e, size_t code_bytes, uint64_t nframes) MUST_CHECK;
void bt_cache_fini(struct engine *e);
void bt_flush(struct engine *e);
void *bt_alloc(struct engine *e,
               size_t bytes); /* NULL: arena full. 64-byte aligned: a cache line */
struct bt_block *bt_find(struct engine *e, uint64_t rip, uint32_t mode, const struct bt_page *page);
void bt_insert(struct engine *e, struct bt_block *b);
void bt_link(struct engine *e, struct bt_exit *x, struct bt_block *target);
/* Its exits go to their stubs, linked or not; and back to where they are linked to. */
void bt_hold(struct engine *e, const struct bt_block *b);
void bt_release(struct engine *e, const struct bt_block *b);
/* All blocks with code in a frame: e->frame_blocks[], and from one to the next. */
struct bt_block *bt_next_in_frame(const struct bt_block *b, uint64_t frame);
const uint8_t *bt_frame_bytes(struct engine *e, uint64_t frame);
void bt_invalidate(struct engine *e, struct bt_block *b);
void bt_invalidate_range(struct engine *e, uint64_t frame, unsigned off, unsigned len);
/* Counts an invalidation in the frame; true while the frame is better interpreted. */
void bt_churn_count(struct engine *e, uint64_t frame);
bool bt_churning(struct engine *e, uint64_t frame);
struct bt_block *bt_block_at(struct engine *e, uint64_t host);
struct bt_page *bt_page_find(struct engine *e, uint64_t vpn, uint64_t frame);
/* The same, made when there is none. NULL: no room. */
struct bt_page *bt_page_get(struct engine *e, uint64_t vpn, uint64_t frame);
/* For clone.c: the parts of moving a page's blocks. */
void bt_page_rename(struct engine *e, struct bt_page *page, uint64_t vpn);
void bt_unlink(struct engine *e, struct bt_exit *x);
/* What decides where a linked exit enters its target has changed. */
void bt_aim(struct engine *e, struct bt_exit *x);
const struct bt_map *bt_map_at(const struct bt_block *b, uint64_t host);

/* landing.c: memory of contexts, in which every indirect branch misses at first. */
int bt_landing_init(struct engine *e) MUST_CHECK;
void bt_landing_fini(struct engine *e);
/* For 64-bit code, or other. NULL: no memory. */
struct bt_ctx *bt_ctx_map(struct engine *e, bool wide);
void bt_ctx_unmap(struct bt_ctx *x);
/* Entry i of the jump cache is about to go. */
void bt_landing_forget(struct bt_ctx *x, uint32_t i);
/* Room for a block that has its landing behind `before` bytes. NULL: none. */
uint8_t *bt_landing_begin(struct engine *e, size_t bytes, size_t before);
/* The block that was made there stays. */
void bt_landing_commit(struct engine *e, const struct bt_block *b);

/* ctx.c */
void bt_ctx_set_page(struct engine *e, struct bt_ctx *x, struct bt_page *page);
struct bt_ctx *bt_ctx_get(struct engine *e, uint32_t mode);
void bt_ctx_reset(struct bt_ctx *x);
/* The dispatcher was asked for a block of a page that the context knows. The jump cache gets it;
 * when nothing was there, also what else was ever asked for of the page: the context may be new. */
void bt_ctx_asked(struct bt_ctx *x, struct bt_block *b);
/* For bt_invalidate(), and for copies of what was asked for. */
void bt_target_remove(struct bt_block *b);
void bt_target_add(struct bt_block *b);
void bt_ctx_drop_block(struct engine *e, const struct bt_block *b);
void bt_ctx_drop_all(struct engine *e);
void bt_ctx_fini(struct engine *e);
/* Entries of the jump cache only ever lead to pages in x->page[]: whoever replaces one calls this.
 */
void bt_ctx_forget_page(struct engine *e, struct bt_ctx *x, struct bt_page *p);
void bt_ctx_page_unmapped(struct engine *e, struct smmu_space *space, uint64_t vpn);
void bt_ctx_space_freed(struct engine *e, struct smmu_space *space);

/* The instruction is a callout only because something about it, or its site, is special. */
bool bt_has_lowering(uint32_t mode, const struct insn *i);
/* translate.c: NULL: out of room (flush and retry) or nothing translatable (*interpret set). */
struct bt_block *bt_translate(struct engine *e, uint64_t rip, uint32_t mode, struct bt_page *page,
                              struct bt_page *page2, const uint8_t *bytes, unsigned avail,
                              bool *interpret);

/* clone.c: a block from one of the same code elsewhere. NULL: there is none, or no room. */
struct bt_block *bt_clone(struct engine *e, uint64_t rip, uint32_t mode, struct bt_page *page);
/* A page of the frame that no context has any more moves to vpn, with its blocks: what a process
 * that has ended had of a library. NULL: there is none. */
struct bt_page *bt_page_move(struct engine *e, uint64_t vpn, uint64_t frame);
/* Chains a new block to what is known already, in pages that the context knows. */
void bt_chain(struct engine *e, const struct bt_ctx *x, struct bt_block *b);
/* Copies to the page what else of its frame is known, and chains the copies. */
void bt_clone_page(struct engine *e, const struct bt_ctx *x, struct bt_page *page);
/* For bt_insert() and bt_invalidate(): blocks that may be copied. */
void bt_twin_add(struct engine *e, struct bt_block *b);
void bt_twin_remove(struct engine *e, struct bt_block *b);
/* Drops the block and all of the same code: a site was adapted. */
void bt_retranslate(struct engine *e, struct bt_block *b);
/* A copy of b elsewhere is what a translation there is. */
bool bt_check_moves(struct engine *e, const struct bt_block *b);
/* Equal but for where their host code is. */
bool bt_same_code(const struct bt_block *a, const struct bt_block *b);

/* loops.c: the loop that the block at rip is of, or NULL. */
const struct bt_loop *bt_loop_find(const struct bt_page *page, uint64_t rip, uint32_t mode);
/* A block with a backward branch is worth a loop: drops the blocks of it, to be translated as such.
 */
void bt_loop_tail(struct engine *e, struct bt_block *b);
/* A kick found the block running: where they are found, time is spent. */
void bt_loop_found(struct engine *e, struct bt_block *b);

/* adapt.c */
enum bt_adapt bt_adapt_of(const struct engine *e, uint64_t frame, unsigned off);
/* False: bt_adapt_of() is ADAPT_NONE anywhere in the frame. */
bool bt_adapt_any(const struct engine *e, uint64_t frame);
/* Counts one fault; returns true when the site's translation must change. */
bool bt_adapt_count(struct engine *e, uint64_t frame, unsigned off, enum smmu_verdict v);
/* An operand was in the gap behind or before the window: it will be one that wraps, if it was not.
 */
bool bt_adapt_wraps(struct engine *e, uint64_t frame, unsigned off);
/* A callout in place of a memory operand has run, and goes on at `in`; `light`: with the FPU state
 * live. Where that does not pay its block is dropped. */
void bt_trial_ran(struct engine *e, uint64_t rip, const uint8_t *in, bool paid, bool light);

/* bt.c: looks at a new block as the configuration wants: checker, listing, perf map. */
void bt_made_block(struct engine *e, const struct bt_block *b);

/* btfault.c */
int bt_fault_init(struct engine *e) MUST_CHECK;
void bt_fault_fini(struct engine *e);
/* Counts the verdict against the site; one that must change has its block dropped when we are out.
 */
void bt_judge(struct engine *e, struct bt_block *b, const struct bt_map *m, enum smmu_verdict v);

/* stop.c: kicks. Around the vCPU's stay in the cache: */
void bt_stop_arm(struct engine *e);
void bt_stop_left(struct engine *e);
/* Any thread: the cache is left soon. cpu.kick is set. */
void bt_stop(struct engine *e);
/* The handlers' parts. */
void bt_interrupted(void *opaque, ucontext_t *uc);
bool bt_stepped(struct engine *e, ucontext_t *uc);

/* fpu.c */
void bt_fpu_save(struct engine *e, struct cpu *c);
void bt_fpu_restore(struct engine *e, struct cpu *c);

/* btstep.c: engine_step()'s view of a block: nothing but it can be entered; what ran when it left.
 */
int bt_step_init(struct engine *e) MUST_CHECK;
void bt_step_fini(struct engine *e);
void bt_step_arm(struct engine *e, const uint8_t *entry);
unsigned bt_step_count(struct engine *e);
/* Until the instruction is complete. */
void bt_step_finish(struct engine *e);

/* listing.c */
void bt_list_block(struct engine *e, const struct bt_block *b);
/* Aborts with a report when the block breaks the jail rules. */
void bt_check_block(struct engine *e, const struct bt_block *b);

/* perfmap.c: /tmp/perf-PID.map lines, so that perf report names guest code. */
int bt_perf_map_open(struct engine *e) MUST_CHECK;
void bt_perf_map_add(struct engine *e, const struct bt_block *b);
void bt_perf_map_close(struct engine *e);

/* checker.c */
bool bt_block_in_jail(const struct engine *e, const struct bt_block *b, const char **why,
                      uint64_t *where);

/* Of the code that is translated in this mode. */
static inline unsigned bt_code_bits(uint32_t mode)
{
    if (mode & MODE_CS64)
        return 64;
    return mode & MODE_CS32 ? 32 : 16;
}

/* Which of two contexts.. */
static inline unsigned bt_wide(uint32_t mode)
{
    return (mode & MODE_CS64) != 0;
}

/* In the mode of a block besides enum cpu_mode: CS is not flat, and its limit is not FFFFh. */
#define MODE_ODD_CS (1u << 31)

/* The last byte that is code, for what is translated in this mode; block or CPU tell an odd one. */
static inline uint32_t bt_code_limit(uint32_t mode, uint32_t odd)
{
    if (mode & (MODE_FLAT_CS | MODE_CS64))
        return UINT32_MAX;
    return mode & MODE_ODD_CS ? odd : 0xffff;
}

/* The mode of a block at rip. */
static inline uint32_t bt_mode(const struct cpu *c)
{
    bool odd = !(c->mode & (MODE_FLAT_CS | MODE_CS64)) && c->seg[SEG_CS].limit != 0xffff;

    return c->mode | (odd ? MODE_ODD_CS : 0);
}

/* Neither 64-bit nor flat. */
static inline bool bt_segmented(uint32_t mode)
{
    const uint32_t flat =
        MODE_PE | MODE_CS32 | MODE_SS32 | MODE_FLAT_CS | MODE_FLAT_SS | MODE_FLAT_DS | MODE_FLAT_ES;

    return !(mode & MODE_CS64) && (mode & (flat | MODE_VM)) != flat;
}

/* The key of the code at rip. */
static inline uint64_t bt_key(const struct cpu *c)
{
    return cpu_cs64(c) ? c->rip : c->seg[SEG_CS].base << 32 | (uint32_t)c->rip;
}

/* Its linear address. */
static inline uint64_t bt_linear(uint64_t key, uint32_t mode)
{
    return mode & MODE_CS64 ? key : (uint32_t)(key + (key >> 32));
}

/* And its rip. */
static inline uint64_t bt_rip(uint64_t key, uint32_t mode)
{
    return mode & MODE_CS64 ? key : (uint32_t)key;
}

/* What translated code looks targets up in from now on. */
static inline void bt_use_ctx(struct engine *e, struct bt_ctx *x)
{
    e->hot->ctx = x;
    e->hot->landings = (uint64_t)(uintptr_t)x / sizeof(x->landing[0]);
}

/* One end of the link has been moved and not the other: the exit is aimed at its stub until that
 * follows. */
static inline bool bt_link_waits(const struct bt_exit *x)
{
    return x->target->rip != x->rip;
}

/* NULL: the jump cache does not have it. */
static inline const uint8_t *bt_ctx_entry(const struct bt_ctx *x, uint64_t key)
{
    uint32_t i = bt_jcache_index(key);

    if (x->neg_tag[i] != 0 - key)
        i = bt_jcache_second(key);
    return x->neg_tag[i] == 0 - key ? x->host[i] : NULL;
}

#endif
