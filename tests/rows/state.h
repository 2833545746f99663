/* state.h - what a test gives to an engine and gets back: registers, vector state, memory.
 *
 * The same structure for the host CPU, the interpreter and the translator, so that a comparison is
 * one function (compare.h). Linear addresses are the same everywhere; natively the regions are
 * mapped below 4 GiB at those addresses, in the guest they are identity-mapped RAM.
 *
 *   name    linear      with paging on (and natively)
 *   code    00500000    3 pages: [0] the jump into the test, [1] the test, [2] for code that
 * straddles data    00600000    16 pages, read-write; a not-present page follows: "hole" ro
 * 00630000    1 page, read-only sup     00640000    1 page, supervisor only (guest only) stack
 * 00700000    4 pages; not-present pages on both sides low     00008000    4 pages, for 16-bit
 * addresses (natively only with the right to map them)
 */
#ifndef DRAGOMAN_TESTS_ROWS_STATE_H
#define DRAGOMAN_TESTS_ROWS_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum test_layout {
    LOW_BASE = 0x8000,
    CODE_BASE = 0x500000,
    DATA_BASE = 0x600000,
    HOLE_BASE = 0x610000,
    RO_BASE = 0x630000,
    SUP_BASE = 0x640000,
    STACK_BASE = 0x700000,
    CODE_BYTES = 0x3000,
    DATA_BYTES = 0x10000,
    STACK_BYTES = 0x4000,
    LOW_BYTES = 0x4000,
    RO_BYTES = 0x1000,
    TEST_START = CODE_BASE,         /* where execution begins: a jump to the test */
    TEST_PAGE = CODE_BASE + 0x1000, /* what the `at` of a row is relative to */
    HLT = 0xf4,                     /* fills the code region: wherever a test goes, it ends there */
};

struct test_mem {
    uint8_t code[CODE_BYTES];
    uint8_t data[DATA_BYTES];
    uint8_t stack[STACK_BYTES];
    uint8_t low[LOW_BYTES];
    uint8_t ro[RO_BYTES];
};

struct test_region {
    const char *name;
    uint32_t base;
    size_t size, offset; /* offset in struct test_mem */
    bool writable;
};

enum { NREGIONS = 5 };
extern const struct test_region test_regions[NREGIONS];

/* Pointer to [lin, lin + len) in m, NULL when it is not all in one region. */
uint8_t *test_mem_at(struct test_mem *m, uint32_t lin, size_t len);

struct vec_state {
    uint16_t fcw, fsw;
    uint8_t ftw; /* abridged, by physical register */
    uint32_t mxcsr;
    uint8_t st[8][10];
    uint8_t ymm[8][32];
};

enum test_end { END_HLT = -1, END_TIMEOUT = -2, END_SHUTDOWN = -3 };

struct test_state {
    uint32_t body, body_len; /* the test's own code: a HLT inside it is not the end */
    uint32_t gpr[8];
    uint32_t eip;
    uint32_t eflags;
    uint32_t cr0, cr4; /* guest only */
    uint16_t sel[6];   /* guest only, by enum seg_reg */
    struct vec_state vec;
    int end;           /* vector of the exception that ended the test, or enum test_end */
    uint32_t err, cr2; /* of that exception */
};

/* Equal? n is a multiple of 64. Regions are compared for every run of every test: faster than the
 * program's own memcmp(), which goes byte by byte. */
bool test_mem_same(const void *a, const void *b, size_t n);

/* HLT at CPL 3 is #GP(0) at its own address: is that how the test ended? */
void test_name_end(struct test_mem *m, struct test_state *s);

/* After FNINIT and power-on MXCSR. */
void vec_init(struct vec_state *v);
/* Between struct vec_state and an XSAVE image in the standard format. ymm_offset: of the AVX
 * component, 0: none. */
void vec_from_xsave(struct vec_state *v, const uint8_t *area, unsigned ymm_offset);
void vec_to_xsave(const struct vec_state *v, uint8_t *area, unsigned ymm_offset);

#endif
