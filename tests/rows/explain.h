/* explain.h - where two outcomes of a stream differ, and the few differences that are none: state
 * that the manual leaves to the implementation when an instruction faults.
 *
 * A class of explained differences looks at the instruction that faulted in both outcomes, checks
 * that it has the form and the fault in question and that what differs is what may differ, and
 * takes over just that. Whatever is left after all classes is a difference.
 */
#ifndef DRAGOMAN_TESTS_ROWS_EXPLAIN_H
#define DRAGOMAN_TESTS_ROWS_EXPLAIN_H

#include <stdio.h>

#include "state.h"

struct outcome {
    struct test_state state;
    struct test_mem mem;
};

enum explained {
    EXPLAINED_WRAP,
    EXPLAINED_MMX,
    EXPLAINED_GATHER,
    EXPLAINED_M80,
    EXPLAINED_MASKED,
    EXPLAINED_RIG,
    NEXPLAINED,
};
const char *explained_name(enum explained e);

/* Differences, each a line on out; 0 also when all are explained. *why: a bit per class that
 * explained some. */
unsigned explain_differences(const struct outcome *want, const struct outcome *got, unsigned *why,
                             FILE *out);

#endif
