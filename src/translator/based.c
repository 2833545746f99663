#include "translator/based.h"

/* SDM 2D appendix A: what loads a register, stores one or an immediate, or computes in a register
 * that it also reads. */
static const bool one_byte[256] = {
    [0x02 ... 0x03] = true, [0x0a ... 0x0b] = true, [0x22 ... 0x23] = true, [0x2a ... 0x2b] = true,
    [0x32 ... 0x33] = true, [0x88 ... 0x8b] = true, [0xc6 ... 0xc7] = true,
};

static const bool map_0f[256] = {
    [0x10 ... 0x17] = true, [0x28 ... 0x2d] = true, [0x51 ... 0x7f] = true,
    [0xaf] = true,          [0xb6 ... 0xb7] = true, [0xbe ... 0xbf] = true,
    [0xc2 ... 0xc4] = true, [0xc6] = true,          [0xd0 ... 0xfe] = true,
};

bool based_pays(const struct insn *i, uint8_t opcode)
{
    if (i->enc == ENC_VEX)
        return false;
    if (i->map <= 1)
        return (i->map ? map_0f : one_byte)[opcode];
    return i->map == 3 || (opcode != 0x17 && opcode < 0xf0); /* PTEST, MOVBE.. */
}
