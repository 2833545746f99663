/* gen64.h - random instruction streams of 64-bit code that a user program could run, from a seed.
 *
 * A stream is a list of units. A unit is one or a few instructions with what they need: MOVs that
 * aim address registers at one of the regions, and a CMP behind what leaves flags undefined. Some
 * units follow each other with the same address register, stepped and copied in between. Units
 * branch forward only, to the start of a later one, so a stream ends whatever is dropped from it;
 * an optional loop around the whole runs it a few times.
 */
#ifndef DRAGOMAN_TESTS_ROWS64_GEN64_H
#define DRAGOMAN_TESTS_ROWS64_GEN64_H

#include "state64.h"

struct catalogue;
struct cpu_model;

enum { MAX_UNITS64 = 40, UNIT64_BYTES = 96, STREAM64_BYTES = 0xe00 };

enum unit64_fix { FIX64_NONE, FIX64_REL8, FIX64_REL32, FIX64_ABS32, FIX64_ABS64 };

struct unit64 {
    uint8_t bytes[UNIT64_BYTES];
    uint8_t len;
    uint8_t fix, fix_at;     /* enum unit64_fix: bytes to be aimed at the unit `skip` units on */
    uint8_t rip_at, rip_end; /* displacement of the instruction that ends at rip_end; 0, 0: none */
    uint8_t skip;
    bool dropped;
    uint64_t rip_target;
};

struct stream64 {
    uint64_t seed;
    unsigned n;
    struct unit64 unit[MAX_UNITS64];
    unsigned loops; /* 0: straight through */
    uint64_t start;
    struct state64 state;
    bool zero_data;
    bool user_only; /* CPL 0 has other selectors */
};

struct gen64_options {
    const struct cpu_model *model;
    const struct catalogue *catalogue; /* gen64_catalogue(), when the rest is set */
    bool edges;  /* most memory operands cross a page or a 4 GiB boundary or lie outside */
    bool strict; /* undefined flags must agree as well: no CMPs */
};

struct catalogue *gen64_catalogue(const struct gen64_options *opt);
void gen64_stream(struct stream64 *s, uint64_t seed, const struct gen64_options *opt);
/* Code that is all HLT, and data: numbers from the seed, zeros for 0. */
void gen64_fill(struct mem64 *m, uint64_t seed);
/* A jump from `entry`, the beginning of a region of code, to `start`. */
void gen64_enter(struct mem64 *m, uint64_t entry, uint64_t start);
/* Where a loop's count is. */
uint64_t gen64_counter(const struct stream64 *s);
/* The memory the stream begins with; the code is assembled from the units that are left. */
void gen64_memory(const struct stream64 *s, struct mem64 *m);
/* Assembles into buf; returns the length. */
unsigned gen64_code(const struct stream64 *s, uint8_t buf[STREAM64_BYTES]);

#endif
