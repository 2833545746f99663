/* checker64.h - the jail checker's rules for blocks of 64-bit code (private to checker*.c).
 *
 * Shares nothing with x64.c and lower64_*.c but the structures of bt_priv.h; docs/shadowmmu.md
 * argues why these rules keep the guest in.
 *
 * A register is known by what it holds (enum held) and by the number of that value: a new value has
 * a new number. A delta is the delta *of value n*. What LEA computed is remembered as a sum, so
 * that an address can be recognized again. A value is *clean* if the guest may know it; all others
 * are only moved about in the few ways listed here, and reach neither the guest's registers nor its
 * memory nor its flags.
 *
 * Values are known between bounds: what has 32 bits, what was ANDed, shifted, extended. An operand
 * may be as far from what was looked up as the gaps of the slots are wide, less its own
 * uncertainty.
 *
 * Memory operands:
 *   gs:[word of the hot structure]      the words and directions of checker64_mem.c
 *   gs:[table + 8 * 16 bits]            a delta
 *   gs:[hot.delta[]]                    a delta that this block has stored there
 *   [a + delta of a + disp]             and sums that are another spelling of it
 *   [translated base of FS, GS + disp]
 *   [RSP + disp], PUSH, POP             RSP is at most RSP_FAR from its slot, hot.rsp_not in
 *                                       agreement
 *   [RSI], [RDI] of strings             address + its delta, which hot.str_* knows
 *   words and landings of the context, IF, the byte of a poll
 * Where the guest's memory is touched, a fault must find the guest's state: fault_state().
 *
 * Branches to where the guest says go through the context's landings, at an index of 16 bits; each
 * is a block's landing, or the look-up in the jump cache (landing.c). A landing leads to the body
 * only where the target is the block's address: as the jump cache knows none but those of pages
 * that the context's words vouch for, the page is then as if its word had been compared.
 *
 * Loops: what an inner entry relies on is a function of struct bt_loop alone, and true at every
 * exit that linking may aim at one of the same loop (checker64_loop.c).
 */
#ifndef DRAGOMAN_TRANSLATOR_CHECKER64_H
#define DRAGOMAN_TRANSLATOR_CHECKER64_H

#include "translator/checker_isa.h"
#include "translator/xlate.h"

/* "of value n": struct held.of */
enum held_kind {
    HELD_ANY, /* nothing known, or a host value */
    /* clean: */
    HELD_GUEST,
    HELD_CONST,   /* .value */
    HELD_ROTATED, /* value n rotated by 32 */
    HELD_PIECE,   /* bits 47..32 of value n */
    HELD_CLEAN = HELD_PIECE,
    /* host values: */
    HELD_DELTA,     /* of value n */
    HELD_DELTA_AT,  /* of piece .value */
    HELD_NOT_DELTA, /* ~delta of value n */
    HELD_PARTLY,    /* delta of value n, which is number .value, plus value .with */
    HELD_HOST,      /* address in the guest, plus the delta of value n */
    HELD_SEGMENT,   /* translated base of FS or GS */
    HELD_RSP_NOT,   /* hot.rsp_not; .of: since when */
    HELD_CTX,       /* struct bt_ctx */
    HELD_CPU,       /* struct cpu */
    HELD_POLL,      /* a byte to be read; .value: offset of the pointer */
    HELD_WORD,      /* the context's word of page .with */
    HELD_WORD_SUM,  /* ... plus the page's id: zero if mapped */
    HELD_LANDINGS,  /* where the context's landings are, / 8 */
    HELD_LANDING,   /* ... that for value n */
    HELD_FROM_HERE, /* the target of the branch that landed here, less the block's address */
    HELD_OWN,       /* one of the block's structures: what a stub takes */
};

struct held {
    uint8_t what;
    bool bounded; /* a clean value: lo..hi, signed */
    uint32_t id, of, with;
    uint64_t value;
    int64_t lo, hi;
    /* DELTA, PARTLY: an address less than `slack` bytes from value `of` + at is in the slot */
    int64_t at, slack;
};

struct span {
    int64_t lo, hi;
    bool exact; /* not because bounds say so */
};

/* An address this far from one that is in a slot is in it, or in a gap. Sums beyond FAR are not
 * followed. */
#define CHECKER_REACH ((int64_t)(26 * GIB + 4 * MIB))
#define CHECKER_NEAR  ((int64_t)(26 * GIB))
#define CHECKER_FAR   (INT64_C(1) << 42)

/* base + index * scale + disp, of values; 0: none. Loose: base plus lo..hi. */
struct sum {
    uint32_t id, base, index;
    uint8_t scale;
    bool loose;
    int64_t disp, lo, hi;
};

enum { STR_UNKNOWN = UINT32_MAX };

struct facts64 {
    struct held r[NGPR];    /* but RSP */
    struct held home[NGPR]; /* hot.home[] */
    uint32_t in[NGPR];      /* the guest's value when the block, or a callout, was last entered */
    uint16_t here;          /* R10, R11: the guest's are in the registers */
    struct held word[BT_DELTAS]; /* hot.delta[] */
    uint32_t str[2];             /* hot.str_src, str_dst: delta of which value; 0: zero */
    uint32_t rsp_of;             /* RSP = something + delta of this value */
    uint32_t rsp_since;          /* ... and hot.rsp_not has been true to it since then */
    bool rsp_true;
    uint64_t rsp_far; /* most bytes RSP may be off its slot */
    uint16_t branch;  /* hot.branch names the one this far in the block, + 1; 0: none */
    uint8_t words;    /* bit 0: page is as translated; bit 1: page2 */
    bool reachable;
};

enum { MAX_LABELS64 = 32, MAX_SUMS = 512, MAX_BYTES = 64 };

/* Value `id` is value `of`, signed in `bits` bits, over 8; not extended yet: in 32 bits. */
struct bytes {
    uint32_t id, of;
    uint8_t bits;
    bool extended;
};

struct label64 {
    uint32_t off;
    struct facts64 f;
};

struct check64 {
    const struct engine *e;
    const struct bt_block *b;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    struct facts64 now;
    struct label64 label[MAX_LABELS64]; /* branches seen and not reached yet */
    unsigned nlabels;
    struct sum sum[MAX_SUMS];
    unsigned nsums;
    struct bytes bytes[MAX_BYTES]; /* of bit strings */
    unsigned nbytes;
    uint32_t next_id;
    struct facts64 enter; /* what every way in finds */
    uint32_t target;      /* R11 at the landing */
    bool landing;         /* from there to where nothing goes on */
    bool landed;          /* it was met */
    uint32_t exits_seen, opens_seen;
    bool inner_seen;
    int64_t stack_touch; /* displacement from RSP that this instruction accesses for sure */
    uint32_t off;
    uint64_t pc;
    const char *why;
};

enum {
    RSP_NEAR = (1 << 20) + 64, /* at the block's borders */
    RSP_FAR = 3 << 20,         /* within */
    NOT_TOUCHED = INT32_MIN,
};

/* What a memory operand is. */
enum place { PLACE_BAD, PLACE_GUEST, PLACE_HOT, PLACE_TABLE, PLACE_CTX, PLACE_CPU, PLACE_POLL };

static inline bool breach64(struct check64 *k, const char *why)
{
    k->why = why;
    return false;
}

static inline bool held_clean(const struct held *h)
{
    return h->what >= HELD_GUEST && h->what <= HELD_CLEAN;
}

static inline struct held held_new(struct check64 *k, enum held_kind what)
{
    return (struct held){.what = (uint8_t)what, .id = ++k->next_id};
}

static inline enum held_kind kind64(const struct check64 *k, int r)
{
    return r < 0 || r == RSP ? HELD_ANY : (enum held_kind)k->now.r[r].what;
}

static inline enum bt_site_kind site_kind(const struct check64 *k)
{
    const struct bt_map *m = bt_map_at(k->b, k->pc);

    return m ? (enum bt_site_kind)m->kind : SITE_SIDE;
}

/* Of the instruction at k->pc: 1 + how far in the block it is. 0: nobody knows. */
static inline uint16_t site_branch(const struct check64 *k)
{
    const struct bt_map *m = bt_map_at(k->b, k->pc);

    return (uint16_t)(m ? m->guest + 1 : 0);
}

/* checker64.c */
/* A fault here finds the guest's registers where bt64_leave_at() takes them from. */
bool checker64_fault_state(struct check64 *k, enum bt_site_kind kind);
/* Is it a struct bt_exit or bt_callout of the block? */
bool checker64_own(const struct check64 *k, uint64_t p);

/* checker64_loop.c: the blocks of a loop among themselves. */
/* What its inner entry may rely on; `f` is what every entry may (and has its scratch registers). */
void checker64_loop_facts(struct check64 *k, struct facts64 *f);
/* Is that true here? */
bool checker64_loop_kept(struct check64 *k);
/* A branch or NOP that linking may aim at an inner entry; -1: none. */
int checker64_open_at(const struct check64 *k);
bool checker64_open_ok(struct check64 *k, unsigned exit);
/* After the walk: were all met? */
bool checker64_opens_seen(struct check64 *k);
/* The block's loop, scratch registers and open exits are consistent. */
bool checker64_loop_sane(struct check64 *k);

/* checker64_mem.c */
enum place checker64_place(struct check64 *k, const ZydisDecodedOperand *o);
/* What MOV or MOVZX brings from a place that checker64_place() has accepted. */
bool checker64_load(struct check64 *k, const ZydisDecodedOperand *m, enum place at,
                    struct held *out);
/* MOV to a place that is not the guest's. */
bool checker64_store(struct check64 *k, const ZydisDecodedOperand *m, enum place at,
                     const ZydisDecodedOperand *src);

/* checker64_values.c */
void checker64_add_sum(struct check64 *k, struct sum s);
/* How far base + index * scale + disp is from the value that was looked up. Parts that are not
 * there have id 0. False: nobody knows. */
bool checker64_distance(const struct check64 *k, uint32_t looked_up, const struct held *base,
                        const struct held *index, unsigned scale, int64_t disp, struct span *out);
/* Bounds of index * scale + disp. False: none. */
bool checker64_span(const struct held *index, unsigned scale, int64_t disp, struct span *out);
/* Is index * scale + disp in the piece or within reach of it? */
bool checker64_near_piece(const struct held *index, unsigned scale, int64_t disp, uint64_t piece);
void checker64_bound(struct held *h, int64_t lo, int64_t hi);
/* What is known of the instruction's result in operand `o`, a register that held `old`. */
void checker64_result(struct check64 *k, const ZydisDecodedOperand *o, const struct held *old,
                      struct held *h);
/* h is `from` + index * scale + disp. */
void checker64_add(struct check64 *k, const struct held *from, const struct held *index,
                   unsigned scale, int64_t disp, struct held *h);
/* h is `from` + n. */
void checker64_moved(struct check64 *k, const struct held *from, int64_t n, struct held *h);

/* checker64_bits.c */
/* SARX, MOVSXD: is h the byte of a bit string's offset? */
void checker64_note_bytes(struct check64 *k, const struct held *h);
/* [base + delta of base + the offset's byte], or the delta and the base in turn. */
bool checker64_bit_string(struct check64 *k, const ZydisDecodedOperand *o);

/* checker64_insn.c: everything but branches */
bool checker64_insn(struct check64 *k);

/* The block, which is of 64-bit code. */
bool checker64_block(struct check64 *k);

#endif
