/* state64.h - what a test of 64-bit code gives to an engine and gets back.
 *
 * As tests/rows/state.h, with sixteen registers and memory in several pieces of 4 GiB: what the
 * translator calls a slot, with a delta of its own. Linear addresses are the same natively and in
 * the guest, whose page tables map them to consecutive frames.
 *
 *   name     linear          pages
 *   code     0000500000      3      [0] the jump into the test, [1] and [2] the test
 *   data     0000600000      8      read-write; not-present pages around it, as for all
 *   ro       0000630000      1      read-only
 *   stack    0000700000      4
 *   wrap     00ffffc000      8      the first 4 GiB boundary in the middle
 *   hcode    7e00ffffe000    3      code, a 4 GiB boundary between [1] and [2]
 *   hdata    7e00f0000000    8      in the reach of RIP from hcode
 *   hwrap    7e02ffffc000    8      a boundary in the middle
 *   hstack   7e03ffffe000    4      a boundary in the middle
 *   top      7fffffffe000    1      the last that Linux maps for a program
 */
#ifndef DRAGOMAN_TESTS_ROWS64_STATE64_H
#define DRAGOMAN_TESTS_ROWS64_STATE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum region64_id {
    R_CODE,
    R_DATA,
    R_RO,
    R_STACK,
    R_WRAP,
    R_HCODE,
    R_HDATA,
    R_HWRAP,
    R_HSTACK,
    R_TOP,
    NREGIONS64
};

enum { PAGE64 = 4096, MEM64_PAGES = 48, MEM64_BYTES = MEM64_PAGES * PAGE64, HLT64 = 0xf4 };

struct region64 {
    const char *name;
    uint64_t base;
    uint32_t size, offset; /* offset in struct mem64 */
    bool writable, code;
};

extern const struct region64 regions64[NREGIONS64];

struct mem64 {
    uint8_t bytes[MEM64_BYTES] __attribute__((aligned(64)));
};

/* Pointer to [lin, lin + len) in m, NULL when it is not all in one region. */
uint8_t *mem64_at(struct mem64 *m, uint64_t lin, size_t len);
/* NULL: in none. */
const struct region64 *region64_of(uint64_t lin);

struct vec64 {
    uint16_t fcw, fsw;
    uint8_t ftw; /* abridged, by physical register */
    uint32_t mxcsr;
    uint8_t st[8][10];
    uint8_t ymm[16][32];
};

enum end64 { END64_HLT = -1, END64_TIMEOUT = -2, END64_SHUTDOWN = -3 };

struct state64 {
    uint64_t gpr[16];
    uint64_t rip, rflags;
    uint64_t fs_base, gs_base;
    struct vec64 vec;
    int end; /* vector of the exception that ended the test, or enum end64 */
    uint32_t err;
    uint64_t cr2;
};

struct outcome64 {
    struct state64 state;
    struct mem64 mem;
};

/* HLT at CPL 3 is #GP(0) at its own address: is that how the test ended? */
void state64_name_end(struct mem64 *m, struct state64 *s);

/* After FNINIT and power-on MXCSR. */
void vec64_init(struct vec64 *v);
/* Between struct vec64 and an XSAVE image in the standard format. ymm_offset: of the AVX component,
 * 0: none. */
void vec64_from_xsave(struct vec64 *v, const uint8_t *area, unsigned ymm_offset);
void vec64_to_xsave(const struct vec64 *v, uint8_t *area, unsigned ymm_offset);

#endif
