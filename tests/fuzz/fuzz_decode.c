/* fuzz_decode.c - any bytes through the decoder in 16, 32 and 64-bit code; what can be emitted
 * again must decode to the same instruction in 64-bit mode, with its memory operand where it was
 * sent and nothing else changed.
 *
 * Zydis looks at the emitted bytes directly here: the second opinion knows nothing of struct insn.
 */
#include <Zydis/Zydis.h>

#include "fuzz.h"
#include "translator/reencode.h"
#include "translator/row.h"

enum { HOST_SI = 9, HOST_IX = 8, HOST_R12 = 12, HOST_R13 = 13 };

static void check_insn(const struct insn *i, size_t size, unsigned bits)
{
    FUZZ_CHECK(i->len >= 1 && i->len <= MAX_INSN && i->len <= size, "%u bytes of %zu", i->len,
               size);
    FUZZ_CHECK(i->row && i->exec && i->nops <= MAX_OPNDS, "bits %u", bits);
    FUZZ_CHECK(i->opsize == 1 || i->opsize == 2 || i->opsize == 4 || i->opsize == 8, "opsize %u",
               i->opsize);
    FUZZ_CHECK(i->adsize == 2 || i->adsize == 4 || i->adsize == 8, "adsize %u", i->adsize);
    FUZZ_CHECK(i->scale == 1 || i->scale == 2 || i->scale == 4 || i->scale == 8, "scale %u",
               i->scale);
    FUZZ_CHECK(bits == 64 || i->adsize != 8, "64-bit address in %u-bit code", bits);
    for (unsigned k = 0; k < i->nops; k++)
        FUZZ_CHECK(i->op[k].kind != OPND_GPR || i->op[k].reg < NGPR + 4, "register %u",
                   i->op[k].reg);
}

/* Exactly its bytes are enough, and one fewer are too few. */
static void check_length(const uint8_t *p, const struct insn *i, unsigned bits)
{
    uint8_t *exact = malloc(i->len);
    struct insn again;

    memcpy(exact, p, i->len);
    FUZZ_CHECK(decode_insn(exact, i->len, bits, &again) == DECODE_OK && again.len == i->len &&
                   again.mnemonic == i->mnemonic,
               "length %u then %u", i->len, again.len);
    FUZZ_CHECK(decode_insn(exact, i->len - 1u, bits, &again) == DECODE_SHORT,
               "one byte fewer of %u", i->len);
    free(exact);
}

/* The 32-bit guest's register as the host has it. */
static int host_id(const struct opnd *o)
{
    if (o->kind == OPND_GPR && o->size > 1 && o->reg == RSP)
        return HOST_R12;
    return o->kind == OPND_GPR && o->reg >= NGPR ? o->reg - NGPR : o->reg;
}

static int zydis_id(ZydisRegister r)
{
    ZydisRegisterClass c = ZydisRegisterGetClass(r);

    if (c == ZYDIS_REGCLASS_GPR8 && r <= ZYDIS_REGISTER_BH)
        return r >= ZYDIS_REGISTER_AH ? r - ZYDIS_REGISTER_AH : r - ZYDIS_REGISTER_AL;
    if (c == ZYDIS_REGCLASS_GPR8)
        return ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r));
    return ZydisRegisterGetId(r);
}

static int host_of(unsigned reg)
{
    return reg == NO_REG ? -1 : reg == RSP ? HOST_R12 : (int)reg;
}

/* [R13 + one register * scale + disp]: in the window, or in the gaps around it. */
static void check_based(const struct insn *i, const ZydisDecodedInstruction *z,
                        const ZydisDecodedOperand *o, int index)
{
    unsigned scale = i->index == NO_REG ? 1 : i->scale;

    FUZZ_CHECK(z->address_width == 64 && o->mem.segment != ZYDIS_REGISTER_GS &&
                   o->mem.segment != ZYDIS_REGISTER_FS,
               "not by R13");
    FUZZ_CHECK(i->base == NO_REG || i->index == NO_REG, "two registers");
    FUZZ_CHECK(index == host_of(i->base == NO_REG ? i->index : i->base), "register %d", index);
    FUZZ_CHECK(index < 0 || (o->mem.scale == scale && scale <= 4), "scale %u", o->mem.scale);
    FUZZ_CHECK(o->mem.disp.value == (i->adsize == 2 ? (uint16_t)i->disp : (int32_t)i->disp) - 17 &&
                   o->mem.disp.value >= -(1 << 24),
               "disp");
}

static void check_memory(const struct insn *i, const struct remem *m,
                         const ZydisDecodedInstruction *z, const ZydisDecodedOperand *o)
{
    int base = o->mem.base == ZYDIS_REGISTER_NONE ? -1 : zydis_id(o->mem.base);
    int index = o->mem.index == ZYDIS_REGISTER_NONE ? -1 : zydis_id(o->mem.index);

    if (o->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
        return;
    if (m->kind == REMEM_INDEX) {
        FUZZ_CHECK(z->address_width == 64 && base == m->base && index == m->index &&
                       o->mem.disp.value == 0 && o->mem.scale == 1 &&
                       o->mem.segment != ZYDIS_REGISTER_GS && o->mem.segment != ZYDIS_REGISTER_FS,
                   "base %d index %d", base, index);
        return;
    }
    if (base == HOST_R13 && !m->wraps) {
        check_based(i, z, o, index);
        return;
    }
    FUZZ_CHECK(z->address_width == 32 && o->mem.segment == ZYDIS_REGISTER_GS, "not in the window");
    if (z->mnemonic == ZYDIS_MNEMONIC_XLAT || z->mnemonic == ZYDIS_MNEMONIC_MASKMOVQ ||
        z->mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU || z->mnemonic == ZYDIS_MNEMONIC_VMASKMOVDQU)
        return;
    FUZZ_CHECK(base == host_of(i->base), "base %d of %d", base, i->base);
    FUZZ_CHECK(index == (i->index == NO_REG ? -1 : i->index), "index %d of %d", index, i->index);
    FUZZ_CHECK(index < 0 || o->mem.scale == i->scale, "scale %u", o->mem.scale);
    FUZZ_CHECK((uint32_t)o->mem.disp.value ==
                   (i->adsize == 2 ? (uint16_t)i->disp : (uint32_t)i->disp),
               "disp");
}

static void check_operand(const struct insn *i, const struct opnd *o, const struct remem *m,
                          const ZydisDecodedInstruction *z, const ZydisDecodedOperand *zo)
{
    uint64_t mask = (UINT64_C(1) << (i->imm_size < 4 ? i->imm_size : 4) * 8) - 1;

    switch (o->kind) {
    case OPND_MEM:
        FUZZ_CHECK(zo->type == ZYDIS_OPERAND_TYPE_MEMORY && zo->size == o->size * 8u,
                   "memory, %u bytes", o->size);
        check_memory(i, m, z, zo);
        break;
    case OPND_IMM:
        /* D1 and D3 have no byte for their 1 and CL */
        FUZZ_CHECK(zo->type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
                       ((zo->imm.value.u ^ i->imm) & mask) == 0,
                   "immediate %llx", (unsigned long long)i->imm);
        break;
    case OPND_GPR:
    case OPND_MMX:
    case OPND_XMM:
    case OPND_YMM:
    case OPND_ST:
        FUZZ_CHECK(zo->type == ZYDIS_OPERAND_TYPE_REGISTER && zydis_id(zo->reg.value) == host_id(o),
                   "register %u became %d", o->reg, zydis_id(zo->reg.value));
        FUZZ_CHECK(o->kind != OPND_GPR || zo->size == o->size * 8u, "size %u became %u bits",
                   o->size, zo->size);
        FUZZ_CHECK((zo->reg.value >= ZYDIS_REGISTER_AH && zo->reg.value <= ZYDIS_REGISTER_BH) ==
                       (o->kind == OPND_GPR && o->reg >= NGPR),
                   "high byte");
        break;
    default:
        break;
    }
}

static void check_reencoded(const struct insn *i, const struct remem *m)
{
    uint8_t out[REENCODE_MAX];
    ZydisDecodedInstruction z;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecoder d;
    unsigned len = 0;

    if (!reencode(i, m, out, &len))
        return;
    FUZZ_CHECK(len >= 1 && len <= MAX_INSN, "%u bytes", len);
    ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    FUZZ_CHECK(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, out, len, &z, op)), "%s no longer decodes",
               ZydisMnemonicGetString(i->mnemonic));
    FUZZ_CHECK(z.length == len, "%s: %u of %u bytes", ZydisMnemonicGetString(i->mnemonic), z.length,
               len);
    FUZZ_CHECK(z.mnemonic == i->mnemonic, "%s became %s", ZydisMnemonicGetString(i->mnemonic),
               ZydisMnemonicGetString(z.mnemonic));
    FUZZ_CHECK((z.attributes & ZYDIS_ATTRIB_HAS_LOCK ? PFX_LOCK : 0) == (i->prefixes & PFX_LOCK),
               "LOCK");
    FUZZ_CHECK(z.operand_count_visible >= i->nops, "%s: %u operands of %u",
               ZydisMnemonicGetString(i->mnemonic), z.operand_count_visible, i->nops);
    for (unsigned k = 0; k < i->nops; k++)
        check_operand(i, &i->op[k], m, &z, &op[k]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned modes[] = {16, 32, 64};
    static const struct remem window = {.kind = REMEM_WINDOW};
    static const struct remem linear = {.kind = REMEM_INDEX, .base = HOST_SI, .index = HOST_IX};
    struct insn i;

    for (unsigned m = 0; m < ARRAY_SIZE(modes); m++) {
        enum decode_status st = decode_insn(data, size, modes[m], &i);

        FUZZ_CHECK(i.row && i.exec, "status %d", st);
        FUZZ_CHECK(st != DECODE_SHORT || size < MAX_INSN, "short with %zu bytes", size);
        if (st != DECODE_OK)
            continue;
        check_insn(&i, size, modes[m]);
        check_length(data, &i, modes[m]);
        if (modes[m] != 32 || !i.row->valid || i.row->lower != LOWER_COPY)
            continue;
        check_reencoded(&i, &window);
        check_reencoded(&i, &linear);
    }
    return 0;
}
