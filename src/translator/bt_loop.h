/* bt_loop.h - what the blocks of a loop of 64-bit code agree on (private to the translator).
 *
 * loops.c makes it, lower64.h says what it is for. Never changed once a block has been made for it.
 */
#ifndef DRAGOMAN_TRANSLATOR_BT_LOOP_H
#define DRAGOMAN_TRANSLATOR_BT_LOOP_H

#include "base/types.h"

enum { BT_KEYS = 3, BT_SLOTS = 1 + BT_KEYS, BT_DELTAS = 6 };

/* An address of the guest's: base + index * scale + disp. */
struct bt_key {
    uint8_t base, index; /* registers; NO_REG: none */
    uint8_t scale;
    int32_t disp;
};

enum { BT_LOOP_BLOCKS = 12 };

/* Blocks that follow one another in a loop, and what they agree on (lower64.h); never changed once
 * a block has been made for it. */
struct bt_loop {
    struct bt_loop *next; /* of the page */
    uint32_t mode;
    uint16_t borrowed, loaded, written; /* written: of `loaded`; what is at home is old */
    uint8_t s0, s1, nkeys, nblocks;
    uint8_t slot[BT_KEYS]; /* host registers: deltas of key[] */
    struct bt_key key[BT_KEYS];
    uint16_t block[BT_LOOP_BLOCKS]; /* offsets in the page */
};

#endif
