/* compare.h - where two outcomes differ. */
#ifndef DRAGOMAN_TESTS_ROWS_COMPARE_H
#define DRAGOMAN_TESTS_ROWS_COMPARE_H

#include <stdio.h>

#include "state.h"

struct compare {
    uint32_t flags_undef;
    uint8_t gpr_undef;
    bool fsw_undef;
    bool no_x87;
    bool native;             /* the host tells nothing about selectors and control registers */
    uint32_t skip, skip_len; /* memory that may differ: an exception's frame */
};

/* Each difference is a line on out ("  eax 00000001, not 00000002"). Returns how many. */
unsigned compare_states(const struct test_state *want, const struct test_state *got,
                        const struct compare *how, FILE *out);
unsigned compare_memory(const struct test_mem *want, const struct test_mem *got,
                        const struct compare *how, FILE *out);

#endif
