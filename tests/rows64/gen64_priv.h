/* gen64_priv.h - between the parts of the generator: gen64.c makes instructions, units64.c the
 * units around fixed sequences, stream64.c puts them together. */
#ifndef DRAGOMAN_TESTS_ROWS64_GEN64_PRIV_H
#define DRAGOMAN_TESTS_ROWS64_GEN64_PRIV_H

#include "gen64.h"
#include "translator/decode.h"

enum { NO_BASE = 0xff };

struct gen64 {
    uint64_t x; /* of the random numbers */
    const struct gen64_options *opt;
    struct stream64 *s;
    bool high;       /* the code is in hcode */
    uint64_t fs, gs; /* bases, as far as the order of the units tells */
    uint8_t base;    /* address register of the following units, or NO_BASE */
    unsigned left;   /* .. of so many */
};

uint64_t gen64_next(struct gen64 *g);
uint32_t gen64_below(struct gen64 *g, uint32_t n);
bool gen64_chance(struct gen64 *g, unsigned percent);

void unit64_put(struct unit64 *u, const void *p, unsigned len);
/* In one of the forms that can hold it. */
void unit64_mov(struct gen64 *g, struct unit64 *u, unsigned reg, uint64_t val);
/* [REX] opcode ModRM of register and register; rex without 40h. */
void unit64_rr(struct unit64 *u, unsigned rex, unsigned opcode, unsigned reg, unsigned rm);
/* [REX] opcode ModRM for [base + disp]. */
void unit64_rm(struct unit64 *u, unsigned rex, unsigned opcode, unsigned reg, unsigned base,
               int32_t disp);

/* Mostly aligned and in a region; some straddle pages of it, its ends, or are elsewhere. */
uint64_t gen64_address(struct gen64 *g, bool low32);
/* In a region that RIP of the code reaches; with base FS or GS, near that base. */
uint64_t gen64_near_address(struct gen64 *g);
uint64_t gen64_stack(struct gen64 *g);
/* One that is not RSP, mostly. */
unsigned gen64_reg(struct gen64 *g);

void unit64_plain(struct gen64 *g, struct unit64 *u);
void unit64_branch(struct gen64 *g, struct unit64 *u);
void unit64_call(struct gen64 *g, struct unit64 *u);
void unit64_popf(struct gen64 *g, struct unit64 *u);
void unit64_stack(struct gen64 *g, struct unit64 *u);
void unit64_set_stack(struct gen64 *g, struct unit64 *u);
void unit64_image(struct gen64 *g, struct unit64 *u);
void unit64_patch(struct gen64 *g, struct unit64 *u);
void unit64_base(struct gen64 *g, struct unit64 *u);
void unit64_trap(struct gen64 *g, struct unit64 *u);
void unit64_begin_burst(struct gen64 *g, struct unit64 *u);
void unit64_step_base(struct gen64 *g, struct unit64 *u);

/* Floats and doubles of all kinds, or any bits. */
void gen64_noise(struct gen64 *g, uint8_t *p, unsigned size);

#endif
