/* gen.h - random instruction streams that a user program could run, from a seed.
 *
 * A stream is a list of units. A unit is one instruction with what it needs: MOVs that aim its
 * address registers at the data region, and a CMP behind it when it leaves flags undefined. Units
 * branch forward only, to the start of a later one, so a stream ends whatever is dropped from it;
 * an optional loop around the whole runs it a few times.
 */
#ifndef DRAGOMAN_TESTS_ROWS_GEN_H
#define DRAGOMAN_TESTS_ROWS_GEN_H

#include "state.h"

struct catalogue;
struct cpu_model;

enum { MAX_UNITS = 32, UNIT_BYTES = 64, STREAM_BYTES = 0xe00 };

enum unit_fix { FIX_NONE, FIX_REL8, FIX_REL32, FIX_ABS32 };

struct unit {
    uint8_t bytes[UNIT_BYTES];
    uint8_t len;
    uint8_t fix, fix_at; /* enum unit_fix: bytes to be aimed at the unit `skip` units on */
    uint8_t skip;
    bool dropped;
};

struct stream {
    uint64_t seed;
    unsigned n;
    struct unit unit[MAX_UNITS];
    unsigned loops; /* 0: straight through */
    uint32_t start;
    struct test_state state;
    bool zero_data;
};

struct gen_options {
    const struct cpu_model *model;
    const struct catalogue *catalogue; /* gen_catalogue(), when the rest is set */
    bool low;                          /* the low region is there natively */
    bool edges;  /* most memory operands cross a page or lie outside the data */
    bool strict; /* undefined flags must agree as well: no CMPs */
};

struct catalogue *gen_catalogue(const struct gen_options *opt);
void gen_stream(struct stream *s, uint64_t seed, const struct gen_options *opt);
/* The memory the stream begins with; the code is assembled from the units that are left. */
void gen_memory(const struct stream *s, struct test_mem *m);
/* Assembles into buf; returns the length. */
unsigned gen_code(const struct stream *s, uint8_t buf[STREAM_BYTES]);

#endif
