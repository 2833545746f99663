/* decode.c - Zydis' view of an instruction, turned into struct insn. */
#include "translator/decode.h"

#include <Zydis/Zydis.h>

#include "translator/row.h"
#include "translator/row_form.h"
#include "translator/x_int.h"

static void init_decoder(ZydisDecoder *d, unsigned bits)
{
    ZydisMachineMode mode = bits == 64   ? ZYDIS_MACHINE_MODE_LONG_64
                            : bits == 32 ? ZYDIS_MACHINE_MODE_LEGACY_32
                                         : ZYDIS_MACHINE_MODE_LEGACY_16;
    ZydisStackWidth width = bits == 64   ? ZYDIS_STACK_WIDTH_64
                            : bits == 32 ? ZYDIS_STACK_WIDTH_32
                                         : ZYDIS_STACK_WIDTH_16;

    ZydisDecoderInit(d, mode, width);
    /* No model has these: their encodings are the hint NOPs they were carved from. */
    ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
    ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
    ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_FALSE);
}

static uint8_t reg_between(ZydisRegister r, ZydisRegister first)
{
    return (uint8_t)(r - first);
}

/* GPR number of any width; AH-BH are 16-19. Zydis lists the byte registers as AL-BL, AH-BH,
 * SPL-DIL, R8B.. */
static uint8_t gpr_number(ZydisRegister r)
{
    if (r >= ZYDIS_REGISTER_EAX && r <= ZYDIS_REGISTER_R15D)
        return reg_between(r, ZYDIS_REGISTER_EAX);
    if (r >= ZYDIS_REGISTER_AX && r <= ZYDIS_REGISTER_R15W)
        return reg_between(r, ZYDIS_REGISTER_AX);
    if (r >= ZYDIS_REGISTER_RAX && r <= ZYDIS_REGISTER_R15)
        return reg_between(r, ZYDIS_REGISTER_RAX);
    if (r >= ZYDIS_REGISTER_AL && r <= ZYDIS_REGISTER_BL)
        return reg_between(r, ZYDIS_REGISTER_AL);
    if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH)
        return (uint8_t)(16 + reg_between(r, ZYDIS_REGISTER_AH));
    if (r >= ZYDIS_REGISTER_SPL && r <= ZYDIS_REGISTER_R15B)
        return (uint8_t)(4 + reg_between(r, ZYDIS_REGISTER_SPL));
    if (r >= ZYDIS_REGISTER_EIP && r <= ZYDIS_REGISTER_RIP)
        return BASE_RIP;
    return NO_REG;
}

static void set_reg_operand(struct opnd *o, ZydisRegister r)
{
    static const struct {
        ZydisRegister first, last;
        uint8_t kind;
    } files[] = {
        {ZYDIS_REGISTER_ES, ZYDIS_REGISTER_GS, OPND_SEG},
        {ZYDIS_REGISTER_CR0, ZYDIS_REGISTER_CR15, OPND_CR},
        {ZYDIS_REGISTER_DR0, ZYDIS_REGISTER_DR15, OPND_DR},
        {ZYDIS_REGISTER_ST0, ZYDIS_REGISTER_ST7, OPND_ST},
        {ZYDIS_REGISTER_MM0, ZYDIS_REGISTER_MM7, OPND_MMX},
        {ZYDIS_REGISTER_XMM0, ZYDIS_REGISTER_XMM15, OPND_XMM},
        {ZYDIS_REGISTER_YMM0, ZYDIS_REGISTER_YMM15, OPND_YMM},
    };

    o->reg = gpr_number(r);
    if (o->reg < BASE_RIP) {
        o->kind = OPND_GPR;
        return;
    }
    o->kind = OPND_OTHER;
    for (unsigned n = 0; n < ARRAY_SIZE(files); n++) {
        if (r >= files[n].first && r <= files[n].last) {
            o->kind = files[n].kind;
            o->reg = reg_between(r, files[n].first);
        }
    }
}

static void set_mem_operand(struct insn *i, struct opnd *o, const ZydisDecodedOperand *z)
{
    o->kind = z->mem.type == ZYDIS_MEMOP_TYPE_AGEN ? OPND_AGEN : OPND_MEM;
    if (z->mem.type == ZYDIS_MEMOP_TYPE_MIB)
        o->kind = OPND_OTHER;
    if (z->mem.segment >= ZYDIS_REGISTER_ES && z->mem.segment <= ZYDIS_REGISTER_GS)
        i->seg = reg_between(z->mem.segment, ZYDIS_REGISTER_ES);
    i->base = gpr_number(z->mem.base);
    i->index = gpr_number(z->mem.index);
    i->scale = z->mem.scale ? z->mem.scale : 1;
    i->disp = z->mem.disp.value;
    if (z->mem.type == ZYDIS_MEMOP_TYPE_VSIB) {
        i->vsib = 1;
        i->index = (uint8_t)ZydisRegisterGetId(z->mem.index);
    }
}

static void set_operand(struct insn *i, struct opnd *o, const ZydisDecodedOperand *z)
{
    o->size = z->size / 8 < 255 ? (uint8_t)(z->size / 8) : 255; /* FXSAVE.. are larger */
    o->access = (uint8_t)((z->actions & ZYDIS_OPERAND_ACTION_MASK_READ ? 1 : 0) |
                          (z->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? 2 : 0));
    switch (z->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        set_reg_operand(o, z->reg.value);
        break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        set_mem_operand(i, o, z);
        break;
    case ZYDIS_OPERAND_TYPE_POINTER:
        o->kind = OPND_FAR;
        i->imm = z->ptr.offset;
        i->imm2 = z->ptr.segment;
        break;
    default:
        o->kind = z->imm.is_relative ? OPND_REL : OPND_IMM;
        if (o != i->op && o[-1].kind == OPND_IMM)
            i->imm2 = (uint16_t)z->imm.value.u; /* ENTER, EXTRQ: the second immediate */
        else
            i->imm = z->imm.value.u;
        break;
    }
}

/* 64-bit code: only FS and GS override anything. */
static bool is_override(uint8_t seg, unsigned bits)
{
    return bits != 64 || seg >= SEG_FS;
}

static void set_prefixes(struct insn *i, const ZydisDecodedInstruction *z, unsigned bits)
{
    static const uint8_t overrides[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65}; /* by enum seg_reg */

    i->seg = SEG_DS;
    if (z->attributes & ZYDIS_ATTRIB_HAS_LOCK)
        i->prefixes |= PFX_LOCK;
    if (z->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE))
        i->prefixes |= PFX_REP;
    if (z->attributes & ZYDIS_ATTRIB_HAS_REPNE)
        i->prefixes |= PFX_REPNE;
    for (unsigned n = 0; n < z->raw.prefix_count; n++) {
        uint8_t v = z->raw.prefixes[n].value;

        if (v == 0x66)
            i->prefixes |= PFX_OPSIZE;
        if (v == 0x67)
            i->prefixes |= PFX_ADSIZE;
        if (z->raw.prefixes[n].type == ZYDIS_PREFIX_TYPE_MANDATORY &&
            !(i->prefixes & (PFX_REP | PFX_REPNE)))
            i->mand = v;
        if (z->raw.prefixes[n].type != ZYDIS_PREFIX_TYPE_EFFECTIVE)
            continue;
        for (uint8_t s = 0; s < ARRAY_SIZE(overrides); s++) {
            if (v == overrides[s] && is_override(s, bits)) {
                i->prefixes |= PFX_SEG;
                i->seg = s;
            }
        }
    }
}

/* VEX.W chooses the operand size of a GPR only in 64-bit mode and is ignored elsewhere (SDM
 * 2A 2.3.5.5); where it chooses between instructions it is kept. */
static bool vex_w_is_size(const struct insn *i)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == OPND_GPR)
            return true;
    return i->mnemonic == ZYDIS_MNEMONIC_VMOVD || i->mnemonic == ZYDIS_MNEMONIC_VCVTSI2SD ||
           i->mnemonic == ZYDIS_MNEMONIC_VCVTSI2SS || i->mnemonic == ZYDIS_MNEMONIC_VPEXTRD ||
           i->mnemonic == ZYDIS_MNEMONIC_VPINSRD;
}

static uint8_t rex_bits(unsigned w, unsigned r, unsigned x, unsigned b)
{
    return (uint8_t)(w << 3 | r << 2 | x << 1 | b);
}

static void set_vex(struct insn *i, const ZydisDecodedInstruction *z, unsigned bits)
{
    static const uint8_t pp[4] = {0, 0x66, 0xf3, 0xf2};

    i->mand = pp[z->raw.vex.pp & 3];
    i->vex_l = z->raw.vex.L;
    i->vex_w = z->raw.vex.W;
    i->vex_vvvv = ~z->raw.vex.vvvv & 15;
    if (bits == 64)
        i->rex = rex_bits(z->raw.vex.W, !z->raw.vex.R, !z->raw.vex.X, !z->raw.vex.B);
    if (bits != 64) {
        i->vex_vvvv &= 7;
        if (vex_w_is_size(i))
            i->vex_w = 0;
    }
}

/* Zydis 4.0 accepts Knights Corner's VEX encodings in 64-bit code whatever its mode KNC says,
 * POPCNT, TZCNT and LZCNT among them: #UD on every other CPU (SDM 2D table A-3 has no VEX there).
 */
static bool is_knights_corner(const ZydisDecodedInstruction *z)
{
    return z->meta.isa_ext == ZYDIS_ISA_EXT_KNC || z->meta.isa_ext == ZYDIS_ISA_EXT_KNCE ||
           z->meta.isa_ext == ZYDIS_ISA_EXT_KNCV;
}

static void set_encoding(struct insn *i, const ZydisDecodedInstruction *z, unsigned bits)
{
    switch (z->encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_LEGACY:
        i->enc = ENC_LEGACY;
        if (z->attributes & ZYDIS_ATTRIB_HAS_REX)
            i->rex = rex_bits(z->raw.rex.W, z->raw.rex.R, z->raw.rex.X, z->raw.rex.B);
        break;
    case ZYDIS_INSTRUCTION_ENCODING_VEX:
        i->enc = is_knights_corner(z) ? ENC_OTHER : ENC_VEX;
        set_vex(i, z, bits);
        break;
    case ZYDIS_INSTRUCTION_ENCODING_3DNOW:
        i->enc = ENC_3DNOW;
        break;
    default:
        i->enc = ENC_OTHER;
        break;
    }
    i->map = (uint8_t)z->opcode_map; /* ZYDIS_OPCODE_MAP_DEFAULT, 0F, 0F38, 0F3A are 0-3 */
    i->opcode = z->opcode;
    i->has_modrm = (z->attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0;
    if (i->has_modrm)
        i->modrm = (uint8_t)(z->raw.modrm.mod << 6 | z->raw.modrm.reg << 3 | z->raw.modrm.rm);
    i->imm_size = (uint8_t)((z->raw.imm[0].size + z->raw.imm[1].size) / 8);
}

static uint8_t pack_flags(ZydisAccessedFlagsMask f)
{
    return (uint8_t)((f & EF_CF ? 1 : 0) | (f & EF_PF ? 2 : 0) | (f & EF_AF ? 4 : 0) |
                     (f & EF_ZF ? 8 : 0) | (f & EF_SF ? 16 : 0) | (f & EF_OF ? 32 : 0));
}

static bool is_shift(const struct insn *i)
{
    switch (i->mnemonic) {
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD:
        return true;
    default:
        return false;
    }
}

static bool is_by_immediate(const struct insn *i)
{
    return i->nops && i->op[i->nops - 1].kind == OPND_IMM;
}

/* A shift or rotate by a masked count of 0, and a REP with count 0, leave all flags as they were.
 */
static bool may_keep_flags(const struct insn *i)
{
    if (i->prefixes & (PFX_REP | PFX_REPNE))
        return true;
    return is_shift(i) && (!is_by_immediate(i) || !(i->imm & (i->opsize == 8 ? 63 : 31)));
}

static void set_flags(struct insn *i, const ZydisAccessedFlags *f)
{
    if (!f)
        return;
    i->flags_read = pack_flags(f->tested);
    i->flags_written = pack_flags(f->modified | f->set_0 | f->set_1 | f->undefined);
    if (may_keep_flags(i))
        i->flags_read |= i->flags_written;
}

static unsigned mov_form(const struct insn *i)
{
    if (i->op[0].kind == OPND_SEG)
        return i->op[0].reg == SEG_SS ? FORM_MOV_TO_SS : FORM_MOV_TO_SEG;
    if (i->op[1].kind == OPND_SEG)
        return FORM_MOV_FROM_SEG;
    if (i->op[0].kind == OPND_CR)
        return FORM_MOV_TO_CR;
    if (i->op[1].kind == OPND_CR)
        return FORM_MOV_FROM_CR;
    if (i->op[0].kind == OPND_DR)
        return FORM_MOV_TO_DR;
    return i->op[1].kind == OPND_DR ? (unsigned)FORM_MOV_FROM_DR : (unsigned)ZYDIS_MNEMONIC_MOV;
}

unsigned row_index(const struct insn *i)
{
    switch (i->mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
        return mov_form(i);
    case ZYDIS_MNEMONIC_PUSH:
        return i->op[0].kind == OPND_SEG ? (unsigned)FORM_PUSH_SEG : i->mnemonic;
    case ZYDIS_MNEMONIC_POP:
        if (i->op[0].kind != OPND_SEG)
            return i->mnemonic;
        return i->op[0].reg == SEG_SS ? FORM_POP_SS : FORM_POP_SEG;
    case ZYDIS_MNEMONIC_JMP:
        return insn_is_far(i) ? (unsigned)FORM_JMP_FAR : i->mnemonic;
    case ZYDIS_MNEMONIC_CALL:
        return insn_is_far(i) ? (unsigned)FORM_CALL_FAR : i->mnemonic;
    case ZYDIS_MNEMONIC_RET:
        return insn_is_far(i) ? (unsigned)FORM_RET_FAR : i->mnemonic;
    case ZYDIS_MNEMONIC_MOVSD:
        return i->nops == 0 ? (unsigned)FORM_MOVSD_STR : i->mnemonic;
    case ZYDIS_MNEMONIC_CMPSD:
        return i->nops == 0 ? (unsigned)FORM_CMPSD_STR : i->mnemonic;
    default:
        return i->mnemonic;
    }
}

static enum decode_status fail_decode(struct insn *i, size_t len, ZyanStatus st)
{
    i->len = 0;
    i->row = row_of(ZYDIS_MNEMONIC_INVALID);
    i->exec = x_ud;
    if (st == ZYDIS_STATUS_NO_MORE_DATA)
        return len < MAX_INSN ? DECODE_SHORT : DECODE_TOO_LONG;
    return st == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? DECODE_TOO_LONG : DECODE_UD;
}

/* SIB base 101 with mod 00 is no base whatever REX.B says (SDM 2A table 2-5). Zydis 4.0 takes R13D
 * for one under an address-size prefix. */
static void drop_sib_base(struct insn *i, const ZydisDecodedInstruction *z)
{
    if ((z->attributes & ZYDIS_ATTRIB_HAS_SIB) && z->raw.modrm.mod == 0 && z->raw.sib.base == 5) {
        i->base = NO_REG;
        i->disp = z->raw.disp.value;
    }
}

static uint16_t gpr_mask(ZydisRegister reg)
{
    ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

    if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
        return 0;
    return (uint16_t)(1u << (whole - ZYDIS_REGISTER_RAX));
}

static void set_gpr_masks(struct insn *i, const ZydisDecodedOperand *ops, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        const ZydisDecodedOperand *o = &ops[k];

        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            i->gpr_used |= gpr_mask(o->mem.base) | gpr_mask(o->mem.index);
        } else if (o->type == ZYDIS_OPERAND_TYPE_REGISTER) {
            i->gpr_used |= gpr_mask(o->reg.value);
            if (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
                i->gpr_written |= gpr_mask(o->reg.value);
        }
    }
}

/* What Zydis and the CPU see in another size. INS and OUTS: REX.W does not promote the operand (SDM
 * 2A INS, "64-bit mode"). MOVSXD with 66h reads 16 bits of memory (SDM 2B MOVSXD: 63 /r r16,
 * r/m16).
 */
static void narrow_operands(struct insn *i)
{
    if (i->mnemonic == ZYDIS_MNEMONIC_INSD || i->mnemonic == ZYDIS_MNEMONIC_OUTSD)
        i->opsize = 4;
    if (i->mnemonic == ZYDIS_MNEMONIC_MOVSXD && i->opsize == 2 && i->op[1].kind == OPND_MEM)
        i->op[1].size = 2;
}

static bool decode_operands(const ZydisDecoder *d, const ZydisDecoderContext *ctx,
                            const ZydisDecodedInstruction *z, struct insn *i)
{
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    bool wide = z->machine_mode == ZYDIS_MACHINE_MODE_LONG_64;
    uint8_t n = z->operand_count_visible;

    if (ZYAN_FAILED(ZydisDecoderDecodeOperands(d, ctx, z, ops, wide ? z->operand_count : n)))
        return false;
    if (wide)
        set_gpr_masks(i, ops, z->operand_count);
    i->nops = n < MAX_OPNDS ? n : MAX_OPNDS;
    for (unsigned k = 0; k < i->nops; k++)
        set_operand(i, &i->op[k], &ops[k]);
    drop_sib_base(i, z);
    narrow_operands(i);
    return true;
}

static void set_fields(struct insn_fields *f, const ZydisDecodedInstruction *z,
                       const struct insn *i)
{
    *f = (struct insn_fields){
        .disp_at = z->raw.disp.offset,
        .disp_size = z->raw.disp.size / 8,
        .imm_at = z->raw.imm[0].offset,
        .imm_size = z->raw.imm[0].size / 8,
        .imm_signed = z->raw.imm[0].is_signed,
        .shift = is_shift(i) && is_by_immediate(i),
        .plain = i->enc == ENC_LEGACY && z->raw.imm[1].size == 0,
    };
}

enum decode_status decode_insn(const uint8_t *bytes, size_t len, unsigned bits, struct insn *i)
{
    struct insn_fields f;

    return decode_fields(bytes, len, bits, i, &f);
}

enum decode_status decode_fields(const uint8_t *bytes, size_t len, unsigned bits, struct insn *i,
                                 struct insn_fields *f)
{
    ZydisDecoder d;
    ZydisDecoderContext ctx;
    ZydisDecodedInstruction z;
    ZyanStatus st;

    *i = (struct insn){.base = NO_REG, .index = NO_REG, .scale = 1, .seg = SEG_DS};
    if (len > MAX_INSN)
        len = MAX_INSN;
    init_decoder(&d, bits);
    st = ZydisDecoderDecodeInstruction(&d, &ctx, bytes, len, &z);
    if (ZYAN_FAILED(st))
        return fail_decode(i, len, st);

    i->mnemonic = (uint16_t)z.mnemonic;
    i->len = z.length;
    i->opsize = z.operand_width / 8;
    i->adsize = z.address_width / 8;
    __builtin_memcpy(i->bytes, bytes, z.length);
    set_prefixes(i, &z, bits);
    if (!decode_operands(&d, &ctx, &z, i))
        return fail_decode(i, len, ZYDIS_STATUS_DECODING_ERROR);
    set_encoding(i, &z, bits);
    set_flags(i, z.cpu_flags);
    i->row = row_of(i->enc == ENC_OTHER ? (unsigned)ZYDIS_MNEMONIC_INVALID : row_index(i));
    i->exec = i->row->valid ? i->row->exec : x_ud;
    set_fields(f, &z, i);
    return DECODE_OK;
}
