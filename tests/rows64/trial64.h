/* trial64.h - one test of 64-bit code, run natively, interpreted and translated.
 *
 * The host CPU's outcome is what the engines must come to. At CPL 0 too, where a fault leaves its
 * frame on a stack of its own, unless the test depends on selectors. */
#ifndef DRAGOMAN_TESTS_ROWS64_TRIAL64_H
#define DRAGOMAN_TESTS_ROWS64_TRIAL64_H

#include <stdio.h>

#include "rig64.h"
#include "state64.h"

struct native64;

struct attempt64 {
    enum engine_kind kind;
    unsigned cpl, runs;
    const char *name;
};

enum { NATTEMPTS64 = 3, BT64_RUNS = 3, INTERP64_RUNS = 2 };
extern const struct attempt64 attempts64[NATTEMPTS64];

struct trial64 {
    struct outcome64 begin, native;
    bool usable;    /* the native run ended by itself */
    bool user_only; /* not at CPL 0 */
    unsigned why;   /* classes of explained differences (explain64.h) */
};

/* Fills in `native` and `usable`. */
void trial64_native(struct native64 *n, struct trial64 *t);
bool trial64_fit(const struct trial64 *t, const struct attempt64 *a);
/* Runs once in the rig and says how the outcome differs; returns in how many places. trace: see
 * rig64_trace(), or NULL. */
unsigned trial64_run(struct native64 *n, struct rig64 *rig, const struct attempt64 *a,
                     struct trial64 *t, rig64_seen *trace, void *opaque, FILE *out);

#endif
