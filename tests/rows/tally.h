/* tally.h - what the streams executed, for the summary: instructions by extension, by prefix and
 * operand, and which rows of the instruction table they reached. */
#ifndef DRAGOMAN_TESTS_ROWS_TALLY_H
#define DRAGOMAN_TESTS_ROWS_TALLY_H

#include <Zydis/Zydis.h>

#include <stdbool.h>
#include <stdint.h>

enum tally_kind {
    TALLY_MEMORY,     /* an explicit memory operand */
    TALLY_STRADDLING, /* .. that crosses a page */
    TALLY_ADDRESS16,
    TALLY_OPSIZE,
    TALLY_SEGMENT,
    TALLY_REP,
    TALLY_LOCK,
    NTALLY,
};

struct tally {
    uint64_t insns; /* begun; one that repeats counts once */
    uint64_t by_isa[ZYDIS_ISA_EXT_MAX_VALUE + 1];
    uint64_t by_kind[NTALLY];
    bool *reached; /* [row_count()] */
    unsigned bits; /* of the code */
    ZydisDecoder decoder;
};

struct cpu;
struct cpu_model;

void tally_init(struct tally *t, unsigned bits);
void tally_free(struct tally *t);
/* The instruction at c->rip, before it runs. */
void tally_insn(struct tally *t, const struct cpu *c, const uint8_t *bytes);
void tally_print(const struct tally *t, const struct cpu_model *model, bool list_missing);

#endif
