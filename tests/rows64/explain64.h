/* explain64.h - where two outcomes of a test of 64-bit code differ, and the few differences that
 * are none: state that the manual leaves to the implementation when an instruction faults, and what
 * Linux tells a program about the kernel's half. As tests/rows/explain.h. */
#ifndef DRAGOMAN_TESTS_ROWS64_EXPLAIN64_H
#define DRAGOMAN_TESTS_ROWS64_EXPLAIN64_H

#include <stdio.h>

#include "state64.h"

enum explained64 {
    EXPLAINED64_SS,
    EXPLAINED64_MMX,
    EXPLAINED64_GATHER,
    EXPLAINED64_M80,
    EXPLAINED64_MASKED,
    EXPLAINED64_KERNEL,
    EXPLAINED64_FLAGS, /* trial64.c */
    NEXPLAINED64,
};
const char *explained64_name(enum explained64 e);

extern const char *const gpr64_names[16];

/* Each difference is a line on out ("  r10 1, not 2"). Returns how many. cpl: got's. */
unsigned compare64(const struct outcome64 *want, const struct outcome64 *got, unsigned cpl,
                   FILE *out);

/* The same, 0 also when all are explained. *why: a bit per class that explained some. */
unsigned explain64_differences(const struct outcome64 *want, const struct outcome64 *got,
                               unsigned cpl, unsigned *why, FILE *out);

#endif
