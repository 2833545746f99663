/* x_string.h - what the string meanings share: counts, index registers, the REP loop. */
#ifndef DRAGOMAN_TRANSLATOR_X_STRING_H
#define DRAGOMAN_TRANSLATOR_X_STRING_H

#include "translator/x_int.h"

/* One iteration without the count: index registers move only when it succeeds. */
typedef bool string_step(struct cpu *c, const struct insn *i);

/* As many iterations as can be done at once, at most `count`; 0: none, take the slow step. */
typedef uint64_t string_batch(struct cpu *c, const struct insn *i, uint64_t count);

enum string_end { END_COUNT, END_ZF /* REPE, REPNE look at ZF too */ };

/* Runs the instruction, REP included. Between iterations all registers are exact. Stops with
 * next_rip == rip and in_rep set when something waits. */
bool string_run(struct cpu *c, const struct insn *i, string_step *step, string_batch *batch,
                enum string_end end);

/* rSI or rDI as an offset of the address size. */
static inline uint64_t string_index(const struct cpu *c, const struct insn *i, unsigned reg)
{
    return addr_trunc(i, c->gpr[reg]);
}

/* Moves rSI or rDI by n elements in the direction of DF. */
static inline void string_advance(struct cpu *c, const struct insn *i, unsigned reg, uint64_t n)
{
    uint64_t by = n * i->opsize;

    gpr_write(c, reg, i->adsize, c->rflags & EF_DF ? c->gpr[reg] - by : c->gpr[reg] + by);
}

#endif
