#include "translator/based.h"

/* SDM 2D appendix A: MOV r, r/m; MOVZX, MOVSX */
bool based_pays(const struct insn *i, uint8_t opcode)
{
    if (i->enc == ENC_VEX)
        return false;
    return i->map ? i->map == 1 && (opcode & 0xf6) == 0xb6 : opcode == 0x8b;
}
