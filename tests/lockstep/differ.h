/* differ.h - the complete state of two CPUs and their memories, compared.
 *
 * Not compared: what the manual leaves undefined and the two engines may answer differently
 *  - arithmetic flags that the block's instructions leave undefined (tests/rows/undef.h): A's are
 *    copied to B, so that they don't spread, and counted;
 *  - the x87 instruction and data pointers and opcode (FIP, FDP, FOP; SDM 1 8.1.8), and which
 *    components an XSAVE image marks as not in their initial state (SDM 1 13.6): a matter of
 *    processor generations, and of no consequence until they are stored. Copied as well;
 *  - A and D bits of paging entries (pair.h).
 */
#ifndef DRAGOMAN_TESTS_LOCKSTEP_DIFFER_H
#define DRAGOMAN_TESTS_LOCKSTEP_DIFFER_H

#include "pair.h"

struct differ {
    uint64_t flags_undefined; /* comparisons in which an undefined flag differed */
    uint64_t images;          /* comparisons in which an x87 pointer or XSTATE_BV differed */
    uint64_t ram;             /* comparisons of RAM */
};

/* Registers and vector state. True: equal. */
bool differ_cpus(struct differ *d, struct pair *p);
/* All of RAM. False: *gpa is the first address that differs. */
bool differ_ram(struct differ *d, struct pair *p, uint64_t *gpa);
/* Every difference, a line each. */
void differ_print(struct pair *p, FILE *out);

#endif
