/* ps2_keys.h - the keys of a PC keyboard, and the bytes that a PS/2 keyboard sends for them (IBM
 * PS/2 Technical Reference, Keyboard, "Scan Codes").
 *
 * A key's number is its make code of set 1; PS2_EXTENDED is added where E0h comes before it. Print
 * Screen and Pause, which are sequences of their own, have numbers of this kind, too.
 */
#ifndef DRAGOMAN_DEVICES_PS2_KEYS_H
#define DRAGOMAN_DEVICES_PS2_KEYS_H

#include "base/types.h"

enum {
    PS2_EXTENDED = 0x80,
    PS2_PRINT = 0xb7,
    PS2_PAUSE = 0xc5, /* pressed only: there is no break code */
    PS2_KEY_BYTES = 8,
};

/* What the keyboard sends in set 1 or 2 when a key goes down, or up. Returns the bytes' number; 0:
 * no such key, or nothing to send. */
unsigned ps2_key_bytes(unsigned set, unsigned key, bool down, uint8_t out[PS2_KEY_BYTES]);

#endif
