/* encoding.h - the walk through the opcode space: every encoding is made here, field by field, so
 * that a disagreement can be named by its fields and not by its bytes.
 *
 * Legacy maps (one byte, 0F, 0F38, 0F3A): prefixes x REX x opcode x ModRM.reg x addressing forms.
 * VEX maps 1-3: two- and three-byte forms x L, W, pp, vvvv, RXB, the same ModRM bytes. Not walked,
 * as no CPU model has them: EVEX (62), XOP (8F /1-7), 3DNow! (0F 0F).
 */
#ifndef DRAGOMAN_TESTS_DECODE_ENCODING_H
#define DRAGOMAN_TESTS_DECODE_ENCODING_H

#include <stdbool.h>
#include <stdint.h>

enum enc_map { MAP_1B, MAP_0F, MAP_38, MAP_3A, MAP_V1, MAP_V2, MAP_V3, MAP_VX, NMAPS };

enum {
    NPFX = 16,  /* rows of the prefix table */
    NREX = 8,   /* rows of the REX table */
    NBYTES = 24 /* an encoding and what follows it: longer than any instruction */
};

struct encoding {
    uint8_t mode; /* 0, 1, 2: 16-, 32-, 64-bit code */
    uint8_t map;
    uint8_t opcode;
    uint8_t pfx; /* index: encoding_pfx_name() */
    uint8_t rex; /* index: encoding_rex_name() */
    uint8_t has_modrm, modrm;
    uint8_t has_sib, sib;
    uint8_t vex;                 /* 0, or the length of the VEX prefix: 2, 3 */
    uint8_t pp, l, w, vvvv, rxb; /* as in the prefix: vvvv and rxb inverted */
    uint8_t bytes[NBYTES];
};

typedef void encoding_fn(void *ctx, const struct encoding *e);

/* Calls fn for every encoding of the walk in that mode; returns how many. */
uint64_t encoding_walk(unsigned mode, encoding_fn *fn, void *ctx);

unsigned encoding_bits(const struct encoding *e); /* 16, 32, 64 */
const char *encoding_map_name(unsigned map);
const char *encoding_pfx_name(unsigned pfx);
const char *encoding_rex_name(unsigned rex);

#endif
