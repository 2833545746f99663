/* view.h - one instruction as a decoder sees it, in common terms: Zydis', Capstone's, Dragoman's.
 *
 * Registers are Zydis' numbers. What is a matter of presentation is settled here: which implicit
 * operands are listed, encoded or extended size of immediates, relative or absolute branch targets,
 * whether the default segment is named, spelling of mnemonics. What is left is compared by
 * view_compare().
 */
#ifndef DRAGOMAN_TESTS_DECODE_VIEW_H
#define DRAGOMAN_TESTS_DECODE_VIEW_H

#include "encoding.h"

enum vop_kind { VOP_REG, VOP_MEM, VOP_IMM, VOP_REL, VOP_FAR };

struct vop {
    uint8_t kind;
    bool implied; /* no field of the encoding names it: not every decoder lists it */
    bool agen, vsib;
    uint16_t size; /* bytes */
    uint16_t reg;
    uint16_t seg, base, index;
    uint8_t scale;
    int64_t disp;
    uint64_t imm;
    uint16_t selector; /* VOP_FAR */
};

enum { MAX_VOPS = 10 };

struct view {
    bool valid;
    uint8_t len;
    uint8_t adsize; /* bytes; 0: not known */
    uint8_t nops;
    uint16_t mnemonic; /* decoder's own number */
    struct vop op[MAX_VOPS];
};

/* What two views differ in. The first three leave nothing else to compare. */
enum view_kind {
    KIND_FIRST_ONLY,  /* only the first holds it for an instruction */
    KIND_SECOND_ONLY, /* only the second */
    KIND_LENGTH,
    KIND_MNEMONIC,
    KIND_COUNT,   /* number or kind of operands */
    KIND_REG,     /* register number or class */
    KIND_ADDRESS, /* base, index, scale, displacement */
    KIND_SEGMENT,
    KIND_IMM,
    KIND_MEMSIZE, /* size of the memory operand */
    NKINDS
};

struct decoders;

struct decoders *decoders_open(void);
void decoders_close(struct decoders *d);

void view_zydis(struct decoders *d, const struct encoding *e, struct view *v);
void view_capstone(struct decoders *d, const struct encoding *e, struct view *v);
/* src/translator/decode.c. Valid: decoded and in the instruction table. */
void view_dragoman(struct decoders *d, const struct encoding *e, struct view *v);

/* One instruction by whatever names they give it. */
bool decoders_same_name(const struct decoders *d, const struct view *z, const struct view *c);

const char *zydis_name(const struct view *v);
const char *capstone_name(struct decoders *d, const struct view *v);

/* Bit per enum view_kind. Mnemonics are compared by the caller: their numbers differ. */
unsigned view_compare(const struct view *a, const struct view *b);
/* a is Zydis', b Capstone's: KIND_MNEMONIC too. */
unsigned view_compare_names(struct decoders *d, const struct view *z, const struct view *c);

const char *view_kind_name(unsigned kind);
void view_print(struct decoders *d, const struct view *v, bool capstone, char *out, unsigned size);

#endif
