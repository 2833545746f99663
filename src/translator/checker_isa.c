#include "translator/checker_isa.h"

#include "base/types.h"

/* Only operands from guest registers, guest memory and constants; no state besides GPRs, flags,
 * x87, MMX, SSE, AVX. */
static const struct {
    uint16_t category, isa; /* isa 0: all of the category */
} allowed[] = {
    {ZYDIS_CATEGORY_ADOX_ADCX, 0},
    {ZYDIS_CATEGORY_AES, 0},
    {ZYDIS_CATEGORY_AVX, ZYDIS_ISA_SET_AVX},
    {ZYDIS_CATEGORY_AVX2, ZYDIS_ISA_SET_AVX2},
    {ZYDIS_CATEGORY_AVX2GATHER, 0},
    {ZYDIS_CATEGORY_BINARY, 0},
    {ZYDIS_CATEGORY_BITBYTE, ZYDIS_ISA_SET_I386},
    {ZYDIS_CATEGORY_BMI1, 0},
    {ZYDIS_CATEGORY_BMI2, 0},
    {ZYDIS_CATEGORY_BROADCAST, 0},
    {ZYDIS_CATEGORY_CALL, ZYDIS_ISA_SET_I86},
    {ZYDIS_CATEGORY_CMOV, 0},
    {ZYDIS_CATEGORY_COND_BR, ZYDIS_ISA_SET_I86},
    {ZYDIS_CATEGORY_COND_BR, ZYDIS_ISA_SET_I386},
    {ZYDIS_CATEGORY_CONVERT, 0},
    {ZYDIS_CATEGORY_DATAXFER, 0},
    {ZYDIS_CATEGORY_FCMOV, 0},
    {ZYDIS_CATEGORY_FLAGOP, 0},
    {ZYDIS_CATEGORY_GFNI, 0},
    {ZYDIS_CATEGORY_LOGICAL, ZYDIS_ISA_SET_AVX},
    {ZYDIS_CATEGORY_LOGICAL, ZYDIS_ISA_SET_AVX2},
    {ZYDIS_CATEGORY_LOGICAL, ZYDIS_ISA_SET_I86},
    {ZYDIS_CATEGORY_LOGICAL, ZYDIS_ISA_SET_PENTIUMMMX},
    {ZYDIS_CATEGORY_LOGICAL, ZYDIS_ISA_SET_SSE2},
    {ZYDIS_CATEGORY_LOGICAL, ZYDIS_ISA_SET_SSE4},
    {ZYDIS_CATEGORY_LOGICAL_FP, 0},
    {ZYDIS_CATEGORY_LZCNT, 0},
    {ZYDIS_CATEGORY_MISC, ZYDIS_ISA_SET_I86},
    {ZYDIS_CATEGORY_MISC, ZYDIS_ISA_SET_PAUSE},
    {ZYDIS_CATEGORY_MISC, ZYDIS_ISA_SET_PPRO},
    {ZYDIS_CATEGORY_MISC, ZYDIS_ISA_SET_SSE},
    {ZYDIS_CATEGORY_MISC, ZYDIS_ISA_SET_SSE2},
    {ZYDIS_CATEGORY_MMX, 0},
    {ZYDIS_CATEGORY_NOP, 0},
    {ZYDIS_CATEGORY_PCLMULQDQ, 0},
    {ZYDIS_CATEGORY_PREFETCH, ZYDIS_ISA_SET_PREFETCH_NOP},
    {ZYDIS_CATEGORY_PREFETCH, ZYDIS_ISA_SET_SSE_PREFETCH},
    {ZYDIS_CATEGORY_RDRAND, 0},
    {ZYDIS_CATEGORY_RDSEED, 0},
    {ZYDIS_CATEGORY_ROTATE, 0},
    {ZYDIS_CATEGORY_SEMAPHORE, 0},
    {ZYDIS_CATEGORY_SETCC, 0},
    {ZYDIS_CATEGORY_SHA, 0},
    {ZYDIS_CATEGORY_SHIFT, 0},
    {ZYDIS_CATEGORY_SSE, ZYDIS_ISA_SET_POPCNT},
    {ZYDIS_CATEGORY_SSE, ZYDIS_ISA_SET_SSE},
    {ZYDIS_CATEGORY_SSE, ZYDIS_ISA_SET_SSE2},
    {ZYDIS_CATEGORY_SSE, ZYDIS_ISA_SET_SSE3},
    {ZYDIS_CATEGORY_SSE, ZYDIS_ISA_SET_SSE4},
    {ZYDIS_CATEGORY_SSE, ZYDIS_ISA_SET_SSE42},
    {ZYDIS_CATEGORY_SSE, ZYDIS_ISA_SET_SSEMXCSR},
    {ZYDIS_CATEGORY_SSE, ZYDIS_ISA_SET_SSSE3},
    {ZYDIS_CATEGORY_STRINGOP, ZYDIS_ISA_SET_I86},
    {ZYDIS_CATEGORY_STRINGOP, ZYDIS_ISA_SET_I386},
    {ZYDIS_CATEGORY_STTNI, 0},
    {ZYDIS_CATEGORY_UNCOND_BR, ZYDIS_ISA_SET_I86},
    {ZYDIS_CATEGORY_VAES, 0},
    {ZYDIS_CATEGORY_VEX, ZYDIS_ISA_SET_AVX_VNNI},
    {ZYDIS_CATEGORY_VFMA, 0},
    {ZYDIS_CATEGORY_VPCLMULQDQ, 0},
    {ZYDIS_CATEGORY_WIDENOP, 0},
    {ZYDIS_CATEGORY_X87_ALU, 0},
};

/* In a listed set and yet not harmless: host pointers in x87 images (pitfalls A14), the host's
 * interrupt flag, RCX as a 64-bit count. */
static const uint16_t refused[] = {
    ZYDIS_MNEMONIC_CLI,     ZYDIS_MNEMONIC_FEMMS,  ZYDIS_MNEMONIC_FLDENV, ZYDIS_MNEMONIC_FNSAVE,
    ZYDIS_MNEMONIC_FNSTENV, ZYDIS_MNEMONIC_FRSTOR, ZYDIS_MNEMONIC_LOOP,   ZYDIS_MNEMONIC_LOOPE,
    ZYDIS_MNEMONIC_LOOPNE,  ZYDIS_MNEMONIC_STI,    ZYDIS_MNEMONIC_UD0,    ZYDIS_MNEMONIC_UD1,
};

/* What blocks of 64-bit code may contain besides. Only PUSH and POP themselves: the others of their
 * categories move flags and segment registers. RDTSC tells nothing that the guest's does not. */
static const uint16_t allowed64[] = {
    ZYDIS_MNEMONIC_CMPSQ, ZYDIS_MNEMONIC_JRCXZ, ZYDIS_MNEMONIC_LODSQ,
    ZYDIS_MNEMONIC_MOVSQ, ZYDIS_MNEMONIC_POP,   ZYDIS_MNEMONIC_PUSH,
    ZYDIS_MNEMONIC_RDTSC, ZYDIS_MNEMONIC_SCASQ, ZYDIS_MNEMONIC_STOSQ,
};

static bool plain_encoding(const ZydisDecodedInstruction *in)
{
    return in->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
           in->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
}

bool checker_isa_allows(const ZydisDecodedInstruction *in)
{
    if (!plain_encoding(in))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++)
        if (in->mnemonic == refused[i])
            return false;
    for (unsigned i = 0; i < ARRAY_SIZE(allowed); i++)
        if (in->meta.category == allowed[i].category &&
            (!allowed[i].isa || in->meta.isa_set == allowed[i].isa))
            return true;
    return false;
}

bool checker_isa_allows64(const ZydisDecodedInstruction *in)
{
    if (in->meta.category == ZYDIS_CATEGORY_CALL || in->meta.category == ZYDIS_CATEGORY_WIDENOP)
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(allowed64); i++)
        if (in->mnemonic == allowed64[i] && plain_encoding(in))
            return true;
    return checker_isa_allows(in);
}

int checker_gpr(ZydisRegister r)
{
    ZydisRegister full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);

    return ZydisRegisterGetClass(full) == ZYDIS_REGCLASS_GPR64 ? (int)ZydisRegisterGetId(full) : -1;
}

bool checker_is_system(ZydisRegister r)
{
    ZydisRegisterClass c = ZydisRegisterGetClass(r);

    return c == ZYDIS_REGCLASS_SEGMENT || c == ZYDIS_REGCLASS_CONTROL ||
           c == ZYDIS_REGCLASS_DEBUG || c == ZYDIS_REGCLASS_TABLE || c == ZYDIS_REGCLASS_TEST ||
           c == ZYDIS_REGCLASS_BOUND;
}

bool checker_is_bit_string(const ZydisDecodedInstruction *in)
{
    return in->mnemonic == ZYDIS_MNEMONIC_BT || in->mnemonic == ZYDIS_MNEMONIC_BTS ||
           in->mnemonic == ZYDIS_MNEMONIC_BTR || in->mnemonic == ZYDIS_MNEMONIC_BTC;
}
