/* catalogue.h - the encodings of every row of the instruction table that fits a stream: opcode,
 * mandatory prefix, VEX fields, register or memory form. Found by decoding them all once. From it
 * each row can be drawn with the same chance, however few of all byte strings mean it. */
#ifndef DRAGOMAN_TESTS_ROWS_CATALOGUE_H
#define DRAGOMAN_TESTS_ROWS_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

struct insn;

struct form {
    uint16_t row; /* row_index() */
    uint8_t map;  /* 0 one byte, 1 0F, 2 0F38, 3 0F3A */
    uint8_t mand; /* 66h, F2h, F3h, or 0 */
    uint8_t opcode;
    uint8_t modrm; /* reg is part of the opcode; rm only where `exact` */
    bool vex, w, l;
    bool memory;
    bool exact;
};

struct catalogue;

/* Forms of 32- or 64-bit code whose instruction `fit` accepts. In 64-bit code `w` of a form without
 * VEX is REX.W. */
struct catalogue *catalogue_create(unsigned bits,
                                   bool (*fit)(const struct insn *i, const void *opaque),
                                   const void *opaque);
void catalogue_destroy(struct catalogue *c);
/* A form of a row; any numbers will do. */
const struct form *catalogue_draw(const struct catalogue *c, uint32_t row, uint32_t form);

#endif
