/* checker32.h - what the files of the jail checker of flat and segmented code share (private to
 * checker*.c). checker.c has the rules.
 */
#ifndef DRAGOMAN_TRANSLATOR_CHECKER32_H
#define DRAGOMAN_TRANSLATOR_CHECKER32_H

#include <Zydis/Zydis.h>

#include "translator/bt_offsets.h"
#include "translator/checker_isa.h"
#include "translator/xlate.h"

/* What a register is known to hold. From K_U32 on: the upper half is zero. */
enum known {
    K_ANY,
    K_WINDOW,   /* base of a window of this CPL, or the null slot */
    K_BASE,     /* R13: the window that code of this CPL runs in, + BT_SHIFT */
    K_CTX,      /* struct bt_ctx */
    K_VIEWS,    /* the view table */
    K_POLL,     /* a byte to be read */
    K_STRING,   /* host address inside a window */
    K_SEGMENT,  /* base of a window, or the null slot, + 32 bits */
    K_SUM33,    /* less than 2^33 + 2^8 */
    K_HIGH,     /* K_U32 << 32 */
    K_KEY,      /* K_U32 + K_HIGH */
    K_LANDINGS, /* where the context's landings are, / 8 */
    K_LANDING,  /* ... that for R8D */
    K_TAG64,    /* R11's tag for index R9 */
    K_MATCH64,  /* K_TAG64 + R8: zero if the entry is that of R8 */
    K_WIDE,     /* 64 bits of the guest's own: it may have either half */
    K_CONST,    /* struct fact.value */
    K_U32,
    K_SECRET,  /* 32 bits of the monitor's: must not reach the guest */
    K_SEED,    /* R13D's value */
    K_HASH,    /* CRC32 of R8D, started with R13D */
    K_INDEX,   /* the same, shifted: R8D's index in the jump cache */
    K_SHIFTED, /* something >> R13: less than BT_JCACHE */
    K_U16,
    K_SUM17,     /* less than 2^17 + 2^8 */
    K_BIT,       /* 0 or 1 */
    K_VIEW,      /* enum smmu_view */
    K_TARGET,    /* R8D of the branch that landed here */
    K_FROM_HERE, /* ... less the block's address */
};

struct fact {
    uint8_t what;
    uint64_t value; /* K_CONST */
};

struct facts {
    struct fact r[16];
    bool reachable;
    bool tag_ok; /* the jump-cache entry R9 of context R11 is that of R8D */
};

enum { MAX_LABELS = 64 };

struct label {
    uint32_t off;
    struct facts f;
};

struct check {
    const struct engine *e;
    const struct bt_block *b;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    struct facts now;
    struct label label[MAX_LABELS]; /* forward branches seen and not reached yet */
    unsigned nlabels;
    uint32_t off;
    uint64_t pc;
    bool landing; /* from the landing to where nothing goes on */
    bool landed;  /* it was met */
    const char *why;
};

static inline bool breach(struct check *k, const char *why)
{
    k->why = why;
    return false;
}
static inline bool is_guest(int r)
{
    return (r >= H_RAX && r <= H_RDI && r != H_RSP) || r == H_R12;
}

static inline bool is_scratch(int r)
{
    return r >= H_R8 && r <= H_R11;
}

static inline unsigned kind(const struct check *k, int r)
{
    return r < 0 ? K_ANY : k->now.r[r].what;
}

static inline bool is_u32(const struct fact *f)
{
    return f->what >= K_U32 || (f->what == K_CONST && f->value <= UINT32_MAX);
}

/* May be in a guest register when control leaves, in guest memory, or be an address of it. */
static inline bool is_clean(const struct fact *f)
{
    return is_u32(f) && f->what != K_SECRET;
}

/* Either half may be. */
static inline bool is_guests(const struct fact *f)
{
    return is_clean(f) || f->what == K_WIDE || f->what == K_HIGH;
}

/* One of those that kernels may read, or the selector of LDTR or TR, read. */
bool checker32_control_register(const struct check *k, const ZydisDecodedOperand *o, int index);
/* Is the operand, which is allowed, in the guest's memory? */
bool checker32_is_guest_memory(const struct check *k, const ZydisDecodedOperand *m);
/* The instruction's register operands are allowed; what it writes is in k->now. */
bool checker32_registers_ok(struct check *k);

#endif
