/* xlate.h - one translation in progress, and the lowerings (private to the translator).
 *
 * A lowering turns one guest instruction into host code. It must leave the guest's state exactly
 * as the instruction defines, commit nothing before its last faulting host instruction, and touch
 * guest memory only through the window forms of emit.h. It returns false to say "not this form":
 * the driver then emits a callout, which is always right.
 */
#ifndef DRAGOMAN_TRANSLATOR_XLATE_H
#define DRAGOMAN_TRANSLATOR_XLATE_H

#include "translator/bt_priv.h"
#include "translator/emit64.h"
#include "translator/reencode.h"

/* Fixed entry points at the start of the code memory: absolute jumps to bt_asm.S. */
enum xlate_stub {
    STUB_DIRECT,
    STUB_INDIRECT,
    STUB_STRAY,
    STUB_WORD,
    STUB_CALLOUT,
    STUB_SYSENTER,
    STUB_SYSEXIT,
    STUB_IRET,
    STUB_LOAD_SEG,
    STUB_POP_SEG,
    STUB_CLTS,
    STUB_MOV_CR0,
    STUB_LGDT,
    STUB_LIDT,
    STUB_RDMSR,
    STUB_WRMSR,
    STUB_CPUID,
    STUB_STORE,
    STUB64_DIRECT,
    STUB64_STRAY,
    STUB64_WORD,
    STUB64_CALLOUT,
    STUB64_SYSCALL,
    STUB64_SYSRET,
    STUB64_IRET,
    STUB64_SWAPGS,
    STUB64_CLTS,
    STUB64_MOV_CR0,
    STUB64_LGDT,
    STUB64_LIDT,
    STUB64_RDMSR,
    STUB64_WRMSR,
    STUB64_CPUID,
    STUB64_STORE,
    STUB64_POPF,
    STUB64_LOAD_SEG,
    STUB64_WRFSBASE,
    STUB64_WRGSBASE,
    NSTUBS,
    STUB_BYTES = 16
};

enum { STUB_IMM = 2 }; /* in an exit's stub: where it names the exit */

/* A conditional branch whose way out must first put registers back: it goes to a place behind the
 * block. */
struct x64_side {
    uint8_t *branch; /* its rel32 */
    unsigned exit;   /* index in xlate.exits */
    uint64_t rip;
};

/* The values numbered `of` + `of2` * scale + off; number 0: none. */
struct x64_sum {
    uint32_t of, of2;
    uint8_t scale;
    int64_t off;
};

/* What a register of the guest's holds, as far as the block knows: the value numbered `id`, plus
 * off (modulo 2^64), which lies in lo..hi as a signed number. Value `id` itself is value `root`
 * plus something in rlo..rhi: an array's element, say; and, if that has two parts, `sum`. */
struct x64_value {
    uint32_t id, root;
    int64_t off, lo, hi, rlo, rhi;
    struct x64_sum sum;
};

/* A scratch register with something to be added to addresses: enum x64_slot_kind. */
struct x64_slot {
    uint8_t reg, kind;
    bool kept;          /* for a key of the loop */
    uint8_t word;       /* the same is in hot.delta[word - 1]; 0: in none */
    uint32_t of;        /* CONST: the piece; SEG: the segment */
    struct x64_sum sum; /* DELTA: an address less than `slack` bytes from it */
    uint32_t slack;
    uint32_t root; /* DELTA: which is value `root` plus rlo..rhi; 0: of no known value */
    int64_t rlo, rhi;
    unsigned used; /* when: position in the block */
};

/* Register use of a block of 64-bit code: see lower64.h. */
struct x64_state {
    bool on;
    uint16_t written; /* registers of the guest's that the block writes */
    uint8_t need;     /* scratch registers that its instructions need: 0, S1, S0 and S1 */
    uint8_t s0, s1;   /* scratch; S1 is the first slot's, and S0 where one is needed */
    uint8_t nslots;
    struct x64_slot slot[BT_SLOTS];
    struct x64_slot word[BT_DELTAS]; /* what hot.delta[] holds: x64_word.c */
    const struct bt_loop *loop;
    uint32_t drift; /* bytes RSP has moved since it was last used as an address */
    unsigned nsides;
    /* A lowering that says "not this form" has not changed what follows, but for sides behind the
     * last. */
    struct x64_side side[BT_MAX_SIDE_EXITS + 1];
    uint32_t next_value;
    struct x64_value value[NGPR]; /* x64_track() */
};

struct xlate {
    struct engine *e;
    struct bt_block *b;
    struct emit em;
    uint8_t *start; /* writable address of the block's first byte */
    uint32_t mode;
    uint64_t rip; /* of the instruction being lowered */
    const struct insn *insn;
    enum bt_adapt adapt;
    bool ended;      /* a terminator was emitted */
    bool arena_full; /* no room for a kept instruction: flush and retry */
    unsigned n;
    uint16_t used;       /* registers of the guest's in 64-bit code */
    unsigned side_exits; /* found by the scan */
    unsigned nexits, nmap, nmoves;
    bool fixed;               /* not to be copied */
    bool refers;              /* has RIP-relative operands: */
    int64_t near_lo, near_hi; /* from the block's rip */
    int32_t esp;              /* flat code: the guest's ESP is R12 + esp */
    bool seg;                 /* segmented code: lowerseg.h */
    uint32_t limit;           /* of CS, or what code needs of it */
    bool sites;               /* some of the page's frame may be adapted */
    struct x64_state w;       /* 64-bit code only; else `on` and what precedes `slot` are 0 */
    /* From here on as many as the counters say: not cleared for each block. */
    struct bt_exit exits[BT_MAX_EXITS];
    struct bt_open opens[BT_MAX_EXITS]; /* of the exit of the same number; jump NULL: none */
    struct insn insns[BT_MAX_INSNS];
    /* an instruction marks itself, a string or the poll of a branch or POPF (2), and the poll of an
     * STI before it (2) */
    struct bt_map map[BT_MAX_INSNS * 6 + 4];
    struct bt_move move[BT_MAX_INSNS * 4 + 16];
};

typedef bool lower_fn(struct xlate *x, const struct insn *i);

lower_fn lower_copy, lower_lea, lower_push, lower_pop, lower_leave, lower_string, lower_nop;
lower_fn lower_jmp, lower_jcc, lower_jcxz, lower_loop, lower_call, lower_ret;
lower_fn lower_cli, lower_sti, lower_df, lower_pushf, lower_popf, lower_push_seg,
    lower_mov_from_seg;
/* lower_sys.c */
lower_fn lower_sysenter, lower_sysexit, lower_iret, lower_load_seg, lower_pop_seg,
    lower_mov_from_cr, lower_rdtsc, lower_rdtscp;
/* lower_light.c */
lower_fn lower_store_system, lower_load_table, lower_mov_to_cr, lower_clts, lower_rdmsr,
    lower_wrmsr, lower_cpuid, lower_pusha, lower_popa, lower_watched_store;

/* Starts a new host->guest map entry for the current instruction. */
void xlate_mark(struct xlate *x, enum bt_site_kind kind);
/* A call of the instruction's meaning. False: no room, give up the block. */
bool xlate_callout(struct xlate *x, const struct insn *i);
/* By way of another stub that takes what STUB_CALLOUT does. */
bool xlate_call_stub(struct xlate *x, const struct insn *i, unsigned stub);
/* A direct exit to guest rip; `jump` is the rel32 to aim. */
void xlate_exit(struct xlate *x, uint8_t *jump, uint64_t rip);
/* The load alone: its fault has the instruction interpreted. */
void xlate_probe(struct xlate *x, int32_t hot_ptr);
/* Leaves at the boundary after instruction i if INTR is asserted. */
void xlate_irq_after(struct xlate *x, const struct insn *i);
/* The field at `at`, just emitted, depends on where the code lies: whatever comes of x->rip, of the
 * block's page, or leads out of the block is announced here, or the block marked as fixed. */
void xlate_moves(struct xlate *x, enum bt_move_kind kind, const uint8_t *at);
/* A RIP-relative operand is at lin. */
void xlate_refers(struct xlate *x, uint64_t lin);
/* At the end: b->moves. False: no room. */
bool bt_keep_moves(struct xlate *x);
/* A block that is in no list yet. NULL: as bt_translate(). */
struct bt_block *bt_make(struct engine *e, uint64_t rip, uint32_t mode, struct bt_page *page,
                         struct bt_page *page2, const uint8_t *bytes, unsigned avail,
                         bool *interpret);
/* Aims a rel32 at one of the fixed stubs. */
void xlate_to_stub(struct xlate *x, uint8_t *rel32, unsigned stub);

/* The memory operand as a window address. False: not addressable that way (16-bit, other segment).
 */
bool xlate_gmem(const struct xlate *x, const struct insn *i, struct gmem *m);
/* The linear address of a memory operand of FS, GS or an adapted site: R8D = linear, R9 = window
 * base. */
bool xlate_linear(struct xlate *x, const struct insn *i);

/* Which of rSI and rDI a string instruction uses. False: not one that is lowered. */
bool xlate_string_form(const struct insn *i, bool *src, bool *dst);

/* Flat code. A run of PUSH, POP, CALL and RET moves R12 once: each states by how much it moves ESP,
 * and what must find ESP in R12 has it settled before. Neither touches flags. */
void xlate_move_esp(struct xlate *x, int32_t n);
void xlate_settle_esp(struct xlate *x);
/* SS is base + 4 GiB and ESP all of 32 bits. */
static inline bool xlate_flat_stack(const struct xlate *x)
{
    return (x->mode & MODE_FLAT_SS) && (x->mode & MODE_SS32);
}
/* [ESP + off] */
struct gmem xlate_stack(const struct xlate *x, int32_t off);
/* May instruction i find ESP elsewhere than in R12? */
bool xlate_rides_esp(const struct xlate *x, const struct insn *i);

/* Re-emits i with its memory operand replaced. */
bool xlate_append(struct xlate *x, const struct insn *i, const struct remem *mem);

/* R8D = what PUSHFD pushes. Flags and EAX are whole again. */
void xlate_flags_image(struct xlate *x);
/* POPF of what R8D holds; a change of a bit in must_stay becomes a callout. `drop` moves rSP. */
bool xlate_load_flags(struct xlate *x, const struct insn *i, uint32_t must_stay,
                      void (*drop)(struct xlate *x));

/* The key of code in the block's segment. */
static inline uint64_t xlate_key(const struct xlate *x, uint32_t eip)
{
    return (x->b->rip & ~UINT64_C(0xffffffff)) | eip;
}

/* Of the page's word, in a context. */
static inline int32_t bt_word_offset(const struct bt_page *page)
{
    return (int32_t)(offsetof(struct bt_ctx, neg_word) + page->vpn % BT_WORDS * 4);
}

static inline bool xlate_is_last(const struct xlate *x, const struct insn *i)
{
    return i == &x->insns[x->n - 1];
}

static inline unsigned host_gpr(unsigned guest)
{
    return guest == RSP ? H_R12 : guest;
}

#endif
