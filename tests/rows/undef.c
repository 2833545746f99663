#include "undef.h"

#include <Zydis/Mnemonic.h>

#include "cpu/cpu.h"

#define M(name) ZYDIS_MNEMONIC_##name

static const struct {
    uint16_t mnemonic;
    uint16_t flags;
} table[] = {
    {M(AND), EF_AF},
    {M(OR), EF_AF},
    {M(XOR), EF_AF},
    {M(TEST), EF_AF},
    {M(ANDN), EF_AF | EF_PF},
    {M(BLSI), EF_AF | EF_PF},
    {M(BLSR), EF_AF | EF_PF},
    {M(BLSMSK), EF_AF | EF_PF},
    {M(BZHI), EF_AF | EF_PF},
    {M(BEXTR), EF_AF | EF_PF | EF_SF},
    {M(TZCNT), EF_OF | EF_SF | EF_PF | EF_AF},
    {M(LZCNT), EF_OF | EF_SF | EF_PF | EF_AF},
    {M(BT), EF_OF | EF_SF | EF_AF | EF_PF},
    {M(BTS), EF_OF | EF_SF | EF_AF | EF_PF},
    {M(BTR), EF_OF | EF_SF | EF_AF | EF_PF},
    {M(BTC), EF_OF | EF_SF | EF_AF | EF_PF},
    {M(BSF), EF_CF | EF_OF | EF_SF | EF_AF | EF_PF},
    {M(BSR), EF_CF | EF_OF | EF_SF | EF_AF | EF_PF},
    {M(MUL), EF_SF | EF_ZF | EF_AF | EF_PF},
    {M(IMUL), EF_SF | EF_ZF | EF_AF | EF_PF},
    {M(DIV), EF_ARITH},
    {M(IDIV), EF_ARITH},
    {M(AAA), EF_OF | EF_SF | EF_ZF | EF_PF},
    {M(AAS), EF_OF | EF_SF | EF_ZF | EF_PF},
    {M(AAM), EF_OF | EF_AF | EF_CF},
    {M(AAD), EF_OF | EF_AF | EF_CF},
    {M(DAA), EF_OF},
    {M(DAS), EF_OF},
    {M(SHLD), EF_ARITH}, /* a count beyond a 16-bit operand */
    {M(SHRD), EF_ARITH},
    {M(ROL), EF_OF},
    {M(ROR), EF_OF},
    {M(RCL), EF_OF},
    {M(RCR), EF_OF},
};

static unsigned count_of(const struct insn *i)
{
    return (unsigned)i->imm & (i->op[0].size == 8 ? 63 : 31);
}

/* Shifts: AF always; OF unless the count is 1; CF when the count exceeds a narrow operand. */
static uint32_t shift_flags(const struct insn *i)
{
    unsigned count = count_of(i);

    if (i->nops < 2 || i->op[1].kind == OPND_NONE)
        return EF_AF;
    if (i->op[1].kind != OPND_IMM)
        return EF_AF | EF_OF | (i->op[0].size < 4 ? EF_CF : 0);
    if (count == 0)
        return 0;
    return EF_AF | (count > 1 ? EF_OF : 0) |
           (count >= i->op[0].size * 8u && i->mnemonic != M(SAR) ? EF_CF : 0);
}

uint32_t undef_flags(const struct insn *i)
{
    bool immediate = i->nops >= 2 && i->op[i->nops - 1].kind == OPND_IMM;
    unsigned count = count_of(i);

    if (i->mnemonic == M(SHL) || i->mnemonic == M(SHR) || i->mnemonic == M(SAR))
        return shift_flags(i);
    for (size_t k = 0; k < ARRAY_SIZE(table); k++) {
        if (table[k].mnemonic != i->mnemonic)
            continue;
        if (table[k].flags == EF_OF && i->nops < 2)
            return i->opcode == 0x27 || i->opcode == 0x2f ? EF_OF
                                                          : 0; /* DAA, DAS; a rotate by one */
        if (table[k].flags == EF_OF && immediate)
            return count <= 1 ? 0 : EF_OF;
        if ((i->mnemonic == M(SHLD) || i->mnemonic == M(SHRD)) && immediate &&
            count <= i->op[0].size * 8u)
            return count == 0 ? 0 : count == 1 ? EF_AF : EF_AF | EF_OF;
        return table[k].flags;
    }
    return 0;
}

static uint32_t written_flags(const struct insn *i)
{
    static const uint32_t bits[6] = {EF_CF, EF_PF, EF_AF, EF_ZF, EF_SF, EF_OF};
    uint32_t w = 0;

    for (unsigned k = 0; k < 6; k++)
        if (i->flags_written >> k & 1)
            w |= bits[k];
    return w;
}

uint32_t undef_flags_of_code(const uint8_t *bytes, size_t len, unsigned bits)
{
    uint32_t undef = 0;
    struct insn i;

    for (size_t o = 0; o < len; o += i.len) {
        if (decode_insn(bytes + o, len - o, bits, &i) != DECODE_OK)
            break;
        undef = (undef & ~written_flags(&i)) | undef_flags(&i);
    }
    return undef;
}
