#include "translator/reencode.h"

#include "base/bits.h"
#include "translator/based.h"

enum { HOST_RSP = 4, HOST_R12 = 12, LEGACY_MAX = 15 };

enum rex_bit { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

/* What an opcode is, once its map is known. Zero (not listed): never copied - control flow, stack,
 * strings, privileged, leaking host state, or gone in 64-bit mode. */
enum opcode_kind {
    K_NEVER,
    K_COPY,   /* 66h, if any, is part of the opcode */
    K_SIZED,  /* 66h selects 16-bit operands */
    K_MEM,    /* copied in its memory forms only */
    K_GROUP,  /* depends on ModRM.reg and the prefix: group_allowed() */
    K_VEX,    /* only with VEX */
    K_MOFFS,  /* A0-A3 */
    K_INCDEC, /* 40-4F */
};

/* SDM 2D appendix A, tables. */
static const uint8_t one_byte[256] = {
    [0x00 ... 0x05] = K_SIZED, [0x08 ... 0x0d] = K_SIZED, [0x10 ... 0x15] = K_SIZED,
    [0x18 ... 0x1d] = K_SIZED, [0x20 ... 0x25] = K_SIZED, [0x28 ... 0x2d] = K_SIZED,
    [0x30 ... 0x35] = K_SIZED, [0x38 ... 0x3d] = K_SIZED, [0x40 ... 0x4f] = K_INCDEC,
    [0x69] = K_SIZED,          [0x6b] = K_SIZED,          [0x80 ... 0x8b] = K_SIZED,
    [0x90 ... 0x99] = K_SIZED, [0x9b] = K_COPY,           [0x9e ... 0x9f] = K_COPY,
    [0xa0 ... 0xa3] = K_MOFFS, [0xa8 ... 0xa9] = K_SIZED, [0xb0 ... 0xbf] = K_SIZED,
    [0xc0 ... 0xc1] = K_SIZED, [0xc6 ... 0xc7] = K_GROUP, [0xd0 ... 0xd3] = K_SIZED,
    [0xd7] = K_COPY,           [0xd8] = K_COPY,           [0xd9] = K_GROUP,
    [0xda ... 0xdc] = K_COPY,  [0xdd] = K_GROUP,          [0xde ... 0xdf] = K_COPY,
    [0xf5] = K_COPY,           [0xf6 ... 0xf7] = K_SIZED, [0xf8 ... 0xf9] = K_COPY,
    [0xfc ... 0xfd] = K_COPY,  [0xfe ... 0xff] = K_GROUP,
};

static const uint8_t map_0f[256] = {
    [0x0d] = K_MEM,
    [0x10 ... 0x17] = K_COPY,
    [0x18] = K_GROUP,
    [0x1f] = K_SIZED,
    [0x28 ... 0x2f] = K_COPY,
    [0x40 ... 0x4f] = K_SIZED,
    [0x50 ... 0x77] = K_COPY,
    [0x7c ... 0x7f] = K_COPY,
    [0x90 ... 0x9f] = K_COPY,
    [0xa3 ... 0xa5] = K_SIZED,
    [0xab ... 0xad] = K_SIZED,
    [0xae] = K_GROUP,
    [0xaf] = K_SIZED,
    [0xb0 ... 0xb1] = K_SIZED,
    [0xb3] = K_SIZED,
    [0xb6 ... 0xb7] = K_SIZED,
    [0xb8] = K_GROUP,
    [0xba] = K_GROUP,
    [0xbb ... 0xc1] = K_SIZED,
    [0xc2] = K_COPY,
    [0xc3] = K_MEM,
    [0xc4 ... 0xc6] = K_COPY,
    [0xc7] = K_GROUP,
    [0xc8 ... 0xcf] = K_SIZED,
    [0xd0 ... 0xfe] = K_COPY,
};

static const uint8_t map_0f38[256] = {
    [0x00 ... 0x0b] = K_COPY,
    [0x0c ... 0x0f] = K_VEX,
    [0x10] = K_COPY,
    [0x13] = K_VEX,
    [0x14 ... 0x15] = K_COPY,
    [0x16] = K_VEX,
    [0x17] = K_COPY,
    [0x18 ... 0x1a] = K_VEX,
    [0x1c ... 0x1e] = K_COPY,
    [0x20 ... 0x25] = K_COPY,
    [0x28 ... 0x2b] = K_COPY,
    [0x2c ... 0x2f] = K_VEX,
    [0x30 ... 0x35] = K_COPY,
    [0x36] = K_VEX,
    [0x37 ... 0x41] = K_COPY,
    [0x45 ... 0x47] = K_VEX,
    [0x58 ... 0x5a] = K_VEX,
    [0x78 ... 0x79] = K_VEX,
    [0x8c] = K_VEX,
    [0x8e] = K_VEX,
    [0x90 ... 0x93] = K_VEX,
    [0x96 ... 0x9f] = K_VEX,
    [0xa6 ... 0xaf] = K_VEX,
    [0xb6 ... 0xbf] = K_VEX,
    [0xc8 ... 0xcd] = K_COPY,
    [0xcf] = K_COPY,
    [0xdb ... 0xdf] = K_GROUP,
    [0xf0 ... 0xf1] = K_SIZED,
    [0xf2 ... 0xf3] = K_VEX,
    [0xf5] = K_VEX,
    [0xf6] = K_GROUP,
    [0xf7] = K_VEX,
};

static const uint8_t map_0f3a[256] = {
    [0x00 ... 0x02] = K_VEX,  [0x04 ... 0x06] = K_VEX, [0x08 ... 0x0f] = K_COPY,
    [0x14 ... 0x17] = K_COPY, [0x18 ... 0x19] = K_VEX, [0x1d] = K_VEX,
    [0x20 ... 0x22] = K_COPY, [0x38 ... 0x39] = K_VEX, [0x40 ... 0x42] = K_COPY,
    [0x44] = K_COPY,          [0x46] = K_VEX,          [0x4a ... 0x4c] = K_VEX,
    [0x60 ... 0x63] = K_COPY, [0xcc] = K_COPY,         [0xce ... 0xcf] = K_COPY,
    [0xdf] = K_COPY,          [0xf0] = K_VEX,
};

static const uint8_t *const maps[] = {one_byte, map_0f, map_0f38, map_0f3a};

/* The instruction being emitted, field by field. */
struct enc {
    uint8_t *p;
    unsigned len;
    uint8_t opcode, modrm, rex;
    uint8_t vvvv, imm_size;
    bool has_modrm, has_mem, from64;
    uint8_t kind;
};

static void put8(struct enc *e, uint8_t b)
{
    e->p[e->len++] = b;
}

static void put32(struct enc *e, uint32_t v)
{
    st32(e->p + e->len, v);
    e->len += 4;
}

static uint8_t reg_field(const struct enc *e)
{
    return e->modrm >> 3 & 7;
}

static bool reg_form(const struct enc *e)
{
    return e->has_modrm && e->modrm >> 6 == 3;
}

/* 0F AE: LDMXCSR, STMXCSR, CLFLUSH*, CLWB and the fences. The rest moves FS/GS bases, waits, or is
 * XSAVE's family, whose image differs in 64-bit mode (pitfalls A14). */
static bool group15_allowed(const struct insn *i, const struct enc *e)
{
    unsigned reg = reg_field(e);

    if (reg_form(e))
        return i->mand == 0 && reg >= 5;
    if (i->mand == 0x66)
        return reg >= 6;
    return i->mand == 0 && (reg == 2 || reg == 3 || reg == 7);
}

static bool group9_allowed(const struct insn *i, const struct enc *e)
{
    if (reg_form(e)) /* RDRAND, RDSEED; F3 is RDPID */
        return reg_field(e) >= 6 && i->mand != 0xf3 && i->mand != 0xf2;
    return reg_field(e) == 1;
}

static bool group_allowed_0f(const struct insn *i, const struct enc *e)
{
    if (e->opcode == 0xae)
        return group15_allowed(i, e);
    if (e->opcode == 0xc7)
        return group9_allowed(i, e);
    if (e->opcode == 0xba)
        return reg_field(e) >= 4;
    if (e->opcode == 0x18) /* PREFETCH */
        return e->has_mem && reg_field(e) <= 3;
    return i->mand == 0xf3; /* B8: POPCNT; JMPE without F3 */
}

static bool group_allowed(const struct insn *i, const struct enc *e)
{
    unsigned reg = reg_field(e);

    if (i->map == 1)
        return group_allowed_0f(i, e);
    if (i->map == 2 && e->opcode == 0xf6) /* ADCX, ADOX; MULX. Without prefix: WRSS */
        return i->enc == ENC_VEX || i->mand == 0x66 || i->mand == 0xf3;
    if (i->map == 2) /* AES; with F3: Key Locker */
        return i->mand == 0x66;
    if (e->opcode >= 0xfe)
        return reg <= 1;
    if (e->opcode <= 0xc7) /* others: XABORT, XBEGIN */
        return reg == 0;
    /* x87: the environment and state images hold host pointers */
    return reg_form(e) || (reg != 4 && reg != 6);
}

/* MASKMOVQ, MASKMOVDQU, XLAT: a memory operand that no ModRM byte describes. */
static bool implicit_mem(const struct insn *i)
{
    return (i->map == 1 && i->opcode == 0xf7) || (i->map == 0 && i->opcode == 0xd7);
}

static bool kind_allowed(const struct insn *i, const struct enc *e)
{
    switch (e->kind) {
    case K_NEVER:
        return false;
    case K_MEM:
        return e->has_mem;
    case K_VEX:
        return i->enc == ENC_VEX;
    case K_GROUP:
        return group_allowed(i, e);
    default:
        return true;
    }
}

/* Opcodes that have another form in 64-bit mode. */
static void rewrite_opcode(struct enc *e)
{
    if (e->kind ==
        K_MOFFS) { /* with 67h a moffs would shrink to 32 bits, an LCP stall (pitfalls B1) */
        static const uint8_t as_modrm[] = {0x8a, 0x8b, 0x88, 0x89};

        e->opcode = as_modrm[e->opcode - 0xa0];
        e->modrm = 0; /* reg: AL, EAX */
        e->has_modrm = e->has_mem = true;
        e->imm_size = 0;
        e->kind = K_SIZED;
    } else if (e->kind == K_INCDEC) {
        e->modrm = 0xc0 | (e->opcode & 0xf); /* 48-4F gives /1 */
        e->opcode = 0xff;
        e->has_modrm = true;
        e->kind = K_SIZED;
    } else if (e->kind == K_SIZED && e->opcode == 0x82) {
        e->opcode = 0x80;
    }
}

/* Some byte operand is AH, CH, DH or BH; *esp counts GPR operands that are (E)SP. */
static bool scan_operands(const struct insn *i, unsigned *esp, bool *high, bool *vec)
{
    *esp = 0;
    *high = *vec = false;
    for (unsigned n = 0; n < i->nops; n++) {
        const struct opnd *o = &i->op[n];

        switch (o->kind) {
        case OPND_GPR:
            if (o->reg >= R8 && o->reg <= R15)
                return false;
            *high |= o->reg >= NGPR;
            *esp += o->size > 1 && o->reg == RSP;
            if (o->size > 4 || (o->size == 1 && o->reg >= RSP && o->reg < NGPR))
                return false;
            break;
        case OPND_MMX:
        case OPND_XMM:
        case OPND_YMM:
            if (o->reg >= 8)
                return false;
            *vec = true;
            break;
        case OPND_NONE:
        case OPND_MEM:
        case OPND_IMM:
        case OPND_ST:
            break;
        case OPND_AGEN: /* multi-byte NOP; LEA is in the table of never */
            break;
        default: /* branches, segment and control registers, masks */
            return false;
        }
    }
    return true;
}

/* Vector instructions whose only GPR is in ModRM.reg: MOVMSK*, CVT*2SI, PEXTRW, PMOVMSKB. */
static bool gpr_in_reg(const struct insn *i)
{
    return i->map == 1 && (i->opcode == 0x50 || i->opcode == 0x2c || i->opcode == 0x2d ||
                           i->opcode == 0xc5 || i->opcode == 0xd7);
}

/* Gives each ESP operand its R12. The fields that may hold a GPR are tried in an order in which
 * an opcode extension or a vector register 4 comes last, so it is reached only when no operand is
 * left. */
static bool map_esp(const struct insn *i, struct enc *e, unsigned esp, bool vec)
{
    bool reg_only = vec && gpr_in_reg(i);

    if (esp && !e->has_modrm && (e->opcode & 7) == RSP) {
        e->rex |= REX_B;
        esp--;
    }
    if (esp && reg_form(e) && (e->modrm & 7) == RSP && !reg_only) {
        e->rex |= REX_B;
        esp--;
    }
    if (esp && e->has_modrm && reg_field(e) == RSP && (!vec || reg_only)) {
        e->rex |= REX_R;
        esp--;
    }
    if (esp && i->enc == ENC_VEX && e->vvvv == RSP && !vec) {
        e->vvvv = HOST_R12;
        esp--;
    }
    return esp == 0;
}

/* VEX.W selects a GPR width here, which 32-bit mode ignores (SDM 2A 2.3.4); that of VPCMPESTRx's
 * lengths too. */
static bool w_is_gpr_width(const struct insn *i)
{
    if (i->map == 1)
        return i->opcode == 0x6e || i->opcode == 0x7e || i->opcode == 0x2a || i->opcode == 0x2c ||
               i->opcode == 0x2d;
    if (i->map == 2)
        return i->opcode >= 0xf2 && i->opcode <= 0xf7;
    return i->map == 3 &&
           ((i->opcode >= 0x14 && i->opcode <= 0x17) || i->opcode == 0x20 || i->opcode == 0x22 ||
            i->opcode == 0x60 || i->opcode == 0x61 || i->opcode == 0xf0);
}

/* The operand in host terms; NO_REG as in struct insn. */
struct ea {
    uint8_t base, index, scale;
    int32_t disp;
    bool vsib;
};

static bool window_ea(const struct insn *i, const struct remem *mem, struct ea *a)
{
    *a = (struct ea){i->base, i->index, i->scale,
                     (int32_t)((uint32_t)i->disp + (uint32_t)mem->disp), i->vsib};
    if (i->adsize == 8)
        return false;
    if (i->adsize == 2) {
        if (i->base != NO_REG || i->index != NO_REG)
            return false;
        a->disp = (uint16_t)i->disp;
    }
    if ((a->base != NO_REG && a->base >= R8) || (a->index != NO_REG && a->index >= R8))
        return false;
    if (a->base == RSP)
        a->base = HOST_R12;
    return true;
}

static bool host_ea(const struct insn *i, const struct remem *mem, struct ea *a)
{
    if (i->vsib)
        return false;
    *a = (struct ea){mem->base, NO_REG, 1, mem->disp, false};
    if (mem->kind == REMEM_INDEX) {
        a->index = mem->index;
        if (a->index == HOST_RSP) { /* RSP can't be an index: scale is 1, so swap */
            a->index = a->base;
            a->base = HOST_RSP;
        }
        return a->index != HOST_RSP;
    }
    return true;
}

static bool has_high_byte(const struct insn *i)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == OPND_GPR && i->op[n].reg >= NGPR)
            return true;
    return false;
}

static bool based_ea(const struct insn *i, const struct enc *e, bool wraps, struct ea *a)
{
    const struct gmem m = {a->base, a->index, a->scale, a->disp, wraps};
    struct gmem b;

    if (a->vsib || has_high_byte(i) || !based_pays(i, e->opcode) || !emit_based(&m, &b))
        return false;
    *a = (struct ea){b.base, b.index, b.scale, b.disp, false};
    return true;
}

static void rex_for_ea(struct enc *e, const struct ea *a)
{
    if (a->base != NO_REG && a->base >= 8)
        e->rex |= REX_B;
    if (a->index != NO_REG && a->index >= 8)
        e->rex |= REX_X;
}

static uint8_t sib_byte(const struct ea *a)
{
    unsigned index = a->index == NO_REG ? 4 : a->index & 7;
    unsigned base = a->base == NO_REG ? 5 : a->base & 7;
    unsigned ss = a->scale <= 1 ? 0 : (unsigned)__builtin_ctz(a->scale);

    return (uint8_t)(ss << 6 | index << 3 | base);
}

static void put_ea(struct enc *e, const struct ea *a)
{
    bool sib = a->base == NO_REG || a->index != NO_REG || (a->base & 7) == 4 || a->vsib;
    unsigned mod = 2;

    if (a->base == NO_REG || (a->disp == 0 && (a->base & 7) != 5))
        mod = 0;
    else if (a->disp == (int8_t)a->disp)
        mod = 1;
    put8(e, (uint8_t)(mod << 6 | reg_field(e) << 3 | (sib ? 4 : a->base & 7)));
    if (sib)
        put8(e, sib_byte(a));
    if (mod == 1)
        put8(e, (uint8_t)a->disp);
    else if (mod == 2 || a->base == NO_REG)
        put32(e, (uint32_t)a->disp);
}

static void put_vex(struct enc *e, const struct insn *i)
{
    unsigned pp = i->mand == 0x66 ? 1 : i->mand == 0xf3 ? 2 : i->mand == 0xf2 ? 3 : 0;
    unsigned w = i->vex_w && (e->from64 || !w_is_gpr_width(i));
    unsigned low = (~(unsigned)e->vvvv & 15) << 3 | (unsigned)(i->vex_l != 0) << 2 | pp;

    if (i->map == 1 && !w && !(e->rex & (REX_B | REX_X))) {
        put8(e, 0xc5);
        put8(e, (uint8_t)((e->rex & REX_R ? 0 : 0x80) | low));
        return;
    }
    put8(e, 0xc4);
    put8(e, (uint8_t)((e->rex & REX_R ? 0 : 0x80) | (e->rex & REX_X ? 0 : 0x40) |
                      (e->rex & REX_B ? 0 : 0x20) | i->map));
    put8(e, (uint8_t)(w << 7 | low));
}

/* 66h as a size prefix must not reach an opcode that it would turn into another one. */
static bool wants_66(const struct enc *e, const struct insn *i)
{
    bool x87 = i->map == 0 && e->opcode >= 0xd8 && e->opcode <= 0xdf;
    bool group_sized = e->kind == K_GROUP && i->map <= 1 && !x87 && e->opcode != 0xae &&
                       e->opcode != 0x18 && !(i->map == 1 && e->opcode == 0xc7 && e->has_mem);

    if (e->kind == K_SIZED || group_sized)
        return i->opsize == 2;
    return i->map != 0 && i->mand == 0x66;
}

static void put_prefixes(struct enc *e, const struct insn *i)
{
    bool mand_f = i->mand == 0xf2 || i->mand == 0xf3;

    if (i->prefixes & PFX_LOCK)
        put8(e, 0xf0);
    if (i->enc == ENC_VEX) {
        put_vex(e, i);
        return;
    }
    if (wants_66(e, i))
        put8(e, 0x66);
    /* in the one-byte map only PAUSE is selected by a prefix */
    if (mand_f && (i->map != 0 || e->opcode == 0x90))
        put8(e, i->mand);
    if (e->rex)
        put8(e, 0x40 | e->rex);
    if (i->map)
        put8(e, 0x0f);
    if (i->map >= 2)
        put8(e, i->map == 2 ? 0x38 : 0x3a);
}

static void put_imm(struct enc *e, const struct insn *i)
{
    uint64_t imm = i->imm;

    /* is4: the register operand; bit 7 is ignored in 32-bit mode only (pitfalls A13) */
    if (i->enc == ENC_VEX && i->map == 3 && i->opcode >= 0x4a && i->opcode <= 0x4c)
        imm = (uint64_t)(i->op[3].reg & (e->from64 ? 15 : 7)) << 4;
    for (unsigned n = 0; n < e->imm_size; n++)
        put8(e, (uint8_t)(imm >> (8 * n)));
}

static bool prepare(const struct insn *i, struct enc *e)
{
    unsigned esp;
    bool high, vec;

    if ((i->enc != ENC_LEGACY && i->enc != ENC_VEX) || i->map >= ARRAY_SIZE(maps) || !i->len)
        return false;
    e->opcode = i->opcode;
    e->modrm = i->modrm;
    e->has_modrm = i->has_modrm;
    e->has_mem = i->has_modrm && i->modrm >> 6 != 3;
    e->vvvv = i->vex_vvvv & 7;
    e->imm_size = i->imm_size;
    e->kind = maps[i->map][i->opcode];
    if (!kind_allowed(i, e) || !scan_operands(i, &esp, &high, &vec))
        return false;
    rewrite_opcode(e);
    if (!map_esp(i, e, esp, vec))
        return false;
    return !(high && e->rex);
}

bool reencode(const struct insn *i, const struct remem *mem, uint8_t *out, unsigned *len)
{
    struct enc e = {.p = out};
    struct ea ea = {0};
    bool by_gs;

    if (!prepare(i, &e))
        return false;
    if ((e.has_mem || implicit_mem(i)) && !mem)
        return false;
    if (implicit_mem(i) && (mem->kind != REMEM_WINDOW || i->adsize != 4))
        return false;
    by_gs = (e.has_mem || implicit_mem(i)) && mem->kind == REMEM_WINDOW;
    if (e.has_mem) {
        if (!(mem->kind == REMEM_WINDOW ? window_ea(i, mem, &ea) : host_ea(i, mem, &ea)))
            return false;
        by_gs = by_gs && !based_ea(i, &e, mem->wraps, &ea);
        rex_for_ea(&e, &ea);
        if (e.rex && i->enc == ENC_LEGACY && has_high_byte(i))
            return false;
    }
    if (by_gs) {
        put8(&e, 0x65);
        put8(&e, 0x67);
    }
    put_prefixes(&e, i);
    put8(&e, e.opcode);
    if (e.has_mem)
        put_ea(&e, &ea);
    else if (e.has_modrm)
        put8(&e, e.modrm);
    put_imm(&e, i);
    *len = e.len;
    return e.len <= LEGACY_MAX;
}

/* Vector and x87 instructions have at most one GPR operand, in ModRM. */
static void map_rsp(const struct insn *i, struct enc *e, unsigned rsp)
{
    for (unsigned n = 0; n < i->nops; n++) {
        if (i->op[n].kind != OPND_GPR || i->op[n].reg != RSP)
            continue;
        if (gpr_in_reg(i)) {
            e->modrm = (uint8_t)((e->modrm & 0xc7) | (rsp & 7) << 3);
            e->rex |= rsp >= 8 ? REX_R : 0;
        } else {
            e->modrm = (uint8_t)((e->modrm & 0xf8) | (rsp & 7));
            e->rex |= rsp >= 8 ? REX_B : 0;
        }
    }
}

/* x87, or an instruction with a vector operand or LDMXCSR and its like; BMI's are done in C. */
static bool long_allowed(const struct insn *i, const struct enc *e)
{
    bool x87 = i->map == 0 && i->opcode >= 0xd8 && i->opcode <= 0xdf;
    bool bmi = i->enc == ENC_VEX && ((i->map == 2 && i->opcode >= 0xf2 && i->opcode <= 0xf7) ||
                                     (i->map == 3 && i->opcode == 0xf0));

    return (x87 || i->map != 0) && !bmi && !i->vsib && !implicit_mem(i) && kind_allowed(i, e);
}

bool reencode_long(const struct insn *i, unsigned bounce, unsigned rsp, uint8_t *out, unsigned *len)
{
    struct enc e = {.p = out, .from64 = true};
    const struct ea ea = {.base = (uint8_t)bounce, .index = NO_REG, .scale = 1};

    if ((i->enc != ENC_LEGACY && i->enc != ENC_VEX) || i->map >= ARRAY_SIZE(maps) || !i->len)
        return false;
    e.opcode = i->opcode;
    e.modrm = i->modrm;
    e.has_modrm = i->has_modrm;
    e.has_mem = i->has_modrm && i->modrm >> 6 != 3;
    e.vvvv = i->vex_vvvv;
    e.imm_size = i->imm_size;
    e.kind = maps[i->map][i->opcode];
    if (!long_allowed(i, &e))
        return false;
    e.rex = i->rex & (REX_R | (e.has_mem ? 0 : REX_B) | (i->enc == ENC_VEX ? 0 : REX_W));
    map_rsp(i, &e, rsp);
    if (e.has_mem)
        rex_for_ea(&e, &ea);
    put_prefixes(&e, i);
    put8(&e, e.opcode);
    if (e.has_mem)
        put_ea(&e, &ea);
    else if (e.has_modrm)
        put8(&e, e.modrm);
    put_imm(&e, i);
    *len = e.len;
    return e.len <= LEGACY_MAX;
}

/* SPL, BPL, SIL, DIL exist with a REX prefix only; RSP itself is not there to be used as a byte. */
static bool byte_registers(const struct insn *i, struct enc *e)
{
    for (unsigned n = 0; n < i->nops; n++) {
        const struct opnd *o = &i->op[n];

        if (o->kind != OPND_GPR || o->size != 1 || o->reg < RSP || o->reg >= R8)
            continue;
        if (o->reg == RSP)
            return false;
        e->rex |= 0x40;
    }
    return true;
}

static unsigned rsp_operands(const struct insn *i)
{
    unsigned count = 0;

    for (unsigned n = 0; n < i->nops; n++)
        count += i->op[n].kind == OPND_GPR && i->op[n].reg == RSP;
    return count;
}

static uint8_t rex_if(unsigned reg, uint8_t bit)
{
    return reg >= 8 ? bit : 0;
}

/* Each RSP operand becomes `rsp`; the fields are tried in the order of map_esp(). */
static bool substitute_rsp(const struct insn *i, struct enc *e, unsigned rsp)
{
    unsigned left = rsp_operands(i);

    if (left && !e->has_modrm && (e->opcode & 7) == RSP && !(e->rex & REX_B)) {
        e->opcode = (uint8_t)((e->opcode & 0xf8) | (rsp & 7));
        e->rex |= rex_if(rsp, REX_B);
        left--;
    }
    if (left && reg_form(e) && (e->modrm & 7) == RSP && !(e->rex & REX_B) && !gpr_in_reg(i)) {
        e->modrm = (uint8_t)((e->modrm & 0xf8) | (rsp & 7));
        e->rex |= rex_if(rsp, REX_B);
        left--;
    }
    if (left && e->has_modrm && reg_field(e) == RSP && !(e->rex & REX_R)) {
        e->modrm = (uint8_t)((e->modrm & 0xc7) | (rsp & 7) << 3);
        e->rex |= rex_if(rsp, REX_R);
        left--;
    }
    return left == 0;
}

bool reencode64(const struct insn *i, const struct hea *a, unsigned rsp, uint8_t *out,
                unsigned *len)
{
    struct enc e = {.p = out, .from64 = true, .opcode = i->opcode, .modrm = i->modrm};
    struct ea ea = {0};

    if ((i->enc != ENC_LEGACY && i->enc != ENC_VEX) || i->map >= ARRAY_SIZE(maps) || !i->len)
        return false;
    e.has_modrm = i->has_modrm;
    e.has_mem = i->has_modrm && i->modrm >> 6 != 3;
    e.vvvv = i->vex_vvvv;
    e.imm_size = i->imm_size;
    e.kind = i->map == 0 && i->opcode == 0x63 ? (uint8_t)K_SIZED : maps[i->map][i->opcode];
    if (i->vsib || implicit_mem(i) || insn_bit_string(i) || !kind_allowed(i, &e))
        return false;
    e.rex = i->rex & (REX_R | (e.has_mem ? 0 : REX_B) | (i->enc == ENC_VEX ? 0 : REX_W));
    if (e.kind == K_MOFFS) { /* always the accumulator */
        e.rex &= REX_W;
        rewrite_opcode(&e);
    }
    if (!byte_registers(i, &e) || !substitute_rsp(i, &e, rsp) || (e.has_mem && !a))
        return false;
    if (e.has_mem) {
        ea = (struct ea){a->base, a->index, a->scale, a->disp, false};
        rex_for_ea(&e, &ea);
    }
    if (e.rex && i->enc == ENC_LEGACY && has_high_byte(i))
        return false;
    put_prefixes(&e, i);
    put8(&e, e.opcode);
    if (e.has_mem)
        put_ea(&e, &ea);
    else if (e.has_modrm)
        put8(&e, e.modrm);
    put_imm(&e, i);
    *len = e.len;
    return e.len <= LEGACY_MAX;
}
