/* Zydis, Capstone and src/translator/decode.c, each turned into struct view. */
#include <Zydis/Zydis.h>
#include <capstone/capstone.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "translator/decode.h"
#include "translator/row.h"
#include "view.h"

enum { NZYDIS = ZYDIS_MNEMONIC_MAX_VALUE + 1 };

struct decoders {
    ZydisDecoder zydis[3];
    csh capstone[3];
    cs_insn *insn;
    uint16_t reg[X86_REG_ENDING]; /* Capstone's registers as Zydis' */
    bool same[NZYDIS][X86_INS_ENDING];
};

/* Names for one instruction, Zydis' first. */
static const char *const aliases[][2] = {
    {"jz", "je"},
    {"jnz", "jne"},
    {"jnb", "jae"},
    {"jnbe", "ja"},
    {"jnl", "jge"},
    {"jnle", "jg"},
    {"setz", "sete"},
    {"setnz", "setne"},
    {"setnb", "setae"},
    {"setnbe", "seta"},
    {"setnl", "setge"},
    {"setnle", "setg"},
    {"cmovz", "cmove"},
    {"cmovnz", "cmovne"},
    {"cmovnb", "cmovae"},
    {"cmovnbe", "cmova"},
    {"cmovnl", "cmovge"},
    {"cmovnle", "cmovg"},
    {"ret", "retf"},
    {"ret", "retfq"},
    {"call", "lcall"},
    {"jmp", "ljmp"},
    {"shl", "sal"},
    {"mov", "movabs"},
    {"fwait", "wait"},
    {"xlat", "xlatb"},
    {"pusha", "pushaw"},
    {"pushad", "pushal"},
    {"popa", "popaw"},
    {"popad", "popal"},
    {"fsetpm287_nop", "fsetpm"},
    {"vcvtpd2ps", "vcvtpd2psx"},
    {"vcvtpd2dq", "vcvtpd2dqx"},
    {"vcvttpd2dq", "vcvttpd2dqx"},
    {"xcrypt_ecb", "xcryptecb"},
    {"xcrypt_cbc", "xcryptcbc"},
    {"xcrypt_ctr", "xcryptctr"},
    {"xcrypt_cfb", "xcryptcfb"},
    {"xcrypt_ofb", "xcryptofb"},
};

static void init_names(struct decoders *d)
{
    for (unsigned z = 0; z < NZYDIS; z++)
        for (unsigned c = 1; c < X86_INS_ENDING; c++) {
            const char *zn = ZydisMnemonicGetString((ZydisMnemonic)z);
            const char *cn = cs_insn_name(d->capstone[0], c);

            if (!zn || !cn)
                continue;
            d->same[z][c] = strcmp(zn, cn) == 0;
            for (unsigned k = 0; k < ARRAY_SIZE(aliases); k++)
                d->same[z][c] |= strcmp(zn, aliases[k][0]) == 0 && strcmp(cn, aliases[k][1]) == 0;
        }
}

static uint16_t zydis_reg(const char *name)
{
    char plain[8];

    if (strncmp(name, "st(", 3) == 0) {
        memcpy(plain, "st0", 4);
        plain[2] = name[3];
        name = plain;
    }
    for (unsigned r = 1; r <= ZYDIS_REGISTER_MAX_VALUE; r++)
        if (strcmp(name, ZydisRegisterGetString((ZydisRegister)r)) == 0)
            return (uint16_t)r;
    return 0; /* EIZ, RIZ: no index */
}

struct decoders *decoders_open(void)
{
    static const ZydisMachineMode modes[] = {
        ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_MACHINE_MODE_LONG_64};
    static const ZydisStackWidth widths[] = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
                                             ZYDIS_STACK_WIDTH_64};
    static const ZydisDecoderMode off[] = {ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CET,
                                           ZYDIS_DECODER_MODE_CLDEMOTE,
                                           ZYDIS_DECODER_MODE_WBNOINVD}; /* as decode.c does */
    static const cs_mode cs_modes[] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
    struct decoders *d = calloc(1, sizeof(*d));

    if (!d)
        return NULL;
    for (unsigned m = 0; m < 3; m++) {
        ZydisDecoderInit(&d->zydis[m], modes[m], widths[m]);
        for (unsigned n = 0; n < ARRAY_SIZE(off); n++)
            ZydisDecoderEnableMode(&d->zydis[m], off[n], ZYAN_FALSE);
        if (cs_open(CS_ARCH_X86, cs_modes[m], &d->capstone[m]) != CS_ERR_OK) {
            free(d);
            return NULL;
        }
        cs_option(d->capstone[m], CS_OPT_DETAIL, CS_OPT_ON);
    }
    d->insn = cs_malloc(d->capstone[0]);
    for (unsigned r = 1; r < X86_REG_ENDING; r++)
        d->reg[r] = zydis_reg(cs_reg_name(d->capstone[0], r));
    init_names(d);
    return d;
}

void decoders_close(struct decoders *d)
{
    cs_free(d->insn, 1);
    for (unsigned m = 0; m < 3; m++)
        cs_close(&d->capstone[m]);
    free(d);
}

bool decoders_same_name(const struct decoders *d, const struct view *z, const struct view *c)
{
    return d->same[z->mnemonic][c->mnemonic];
}

const char *capstone_name(struct decoders *d, const struct view *v)
{
    return v->valid ? cs_insn_name(d->capstone[0], v->mnemonic) : "-";
}

/* 64-bit code: the bases of ES, CS, SS and DS are 0. */
static uint16_t plain_segment(const struct encoding *e, uint16_t seg)
{
    return e->mode == 2 && seg < ZYDIS_REGISTER_FS ? 0 : seg;
}

static void zydis_op(const struct encoding *e, const ZydisDecodedOperand *z, struct vop *o)
{
    *o = (struct vop){.implied = z->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT,
                      .size = z->size / 8};
    switch (z->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        o->kind = VOP_REG;
        o->reg = (uint16_t)z->reg.value;
        break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        o->kind = VOP_MEM;
        o->agen = z->mem.type == ZYDIS_MEMOP_TYPE_AGEN || z->mem.type == ZYDIS_MEMOP_TYPE_MIB;
        o->vsib = z->mem.type == ZYDIS_MEMOP_TYPE_VSIB;
        o->seg = plain_segment(e, (uint16_t)z->mem.segment);
        o->base = (uint16_t)z->mem.base;
        o->index = (uint16_t)z->mem.index;
        o->scale = z->mem.scale;
        o->disp = z->mem.disp.value;
        break;
    case ZYDIS_OPERAND_TYPE_POINTER:
        o->kind = VOP_FAR;
        o->imm = z->ptr.offset;
        o->selector = z->ptr.segment;
        break;
    default:
        o->kind = z->imm.is_relative ? VOP_REL : VOP_IMM;
        o->imm = z->imm.value.u;
        break;
    }
}

void view_zydis(struct decoders *d, const struct encoding *e, struct view *v)
{
    ZydisDecodedInstruction z;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];

    v->valid =
        ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d->zydis[e->mode], e->bytes, MAX_INSN, &z, ops));
    if (!v->valid)
        return;
    v->len = z.length;
    v->adsize = z.address_width / 8;
    v->mnemonic = (uint16_t)z.mnemonic;
    v->nops = z.operand_count;
    for (unsigned n = 0; n < v->nops; n++) {
        zydis_op(e, &ops[n], &v->op[n]);
        if (v->op[n].kind == VOP_REL)
            v->op[n].size = z.operand_width / 8;
    }
}

static uint16_t default_segment(const struct encoding *e, uint16_t base)
{
    bool stack = base == ZYDIS_REGISTER_BP || base == ZYDIS_REGISTER_EBP ||
                 base == ZYDIS_REGISTER_RBP || base == ZYDIS_REGISTER_SP ||
                 base == ZYDIS_REGISTER_ESP || base == ZYDIS_REGISTER_RSP;

    return plain_segment(e, stack ? ZYDIS_REGISTER_SS : ZYDIS_REGISTER_DS);
}

static bool is_vector(uint16_t reg)
{
    return reg >= ZYDIS_REGISTER_XMM0 && reg <= ZYDIS_REGISTER_ZMM31;
}

static void capstone_op(struct decoders *d, const struct encoding *e, const cs_x86_op *c,
                        struct vop *o)
{
    *o = (struct vop){.size = c->size};
    switch (c->type) {
    case X86_OP_REG:
        o->kind = VOP_REG;
        o->reg = d->reg[c->reg];
        break;
    case X86_OP_MEM:
        o->kind = VOP_MEM;
        o->base = d->reg[c->mem.base];
        o->index = d->reg[c->mem.index];
        o->vsib = is_vector(o->index);
        o->scale = (uint8_t)c->mem.scale;
        o->disp = c->mem.disp;
        o->seg = c->mem.segment == X86_REG_INVALID ? default_segment(e, o->base)
                                                   : plain_segment(e, d->reg[c->mem.segment]);
        break;
    default:
        o->kind = VOP_IMM;
        o->imm = (uint64_t)c->imm;
        break;
    }
}

/* Near branches: Capstone gives the target, of an instruction at address 0. */
static bool is_relative(struct decoders *d)
{
    return cs_insn_group(d->capstone[0], d->insn, X86_GRP_BRANCH_RELATIVE) ||
           d->insn->id == X86_INS_XBEGIN;
}

/* CMPEQPS and the like: the predicate as an immediate again. */
static void unfold_predicate(struct view *v)
{
    static const struct {
        uint16_t insn, predicates;
    } compares[] = {
        {X86_INS_CMPSS, 8},   {X86_INS_CMPSD, 8},   {X86_INS_CMPPS, 8},   {X86_INS_CMPPD, 8},
        {X86_INS_VCMPSS, 32}, {X86_INS_VCMPSD, 32}, {X86_INS_VCMPPS, 32}, {X86_INS_VCMPPD, 32},
    };

    for (unsigned n = 0; n < ARRAY_SIZE(compares); n++) {
        unsigned predicate = v->mnemonic - compares[n].insn - 1u;

        if (predicate >= compares[n].predicates)
            continue;
        v->mnemonic = compares[n].insn;
        v->op[v->nops++] = (struct vop){.kind = VOP_IMM, .size = 1, .imm = predicate};
        return;
    }
}

/* Far pointers: two immediates, the selector first. */
static void join_far(struct decoders *d, struct view *v)
{
    bool far = d->insn->id == X86_INS_LCALL || d->insn->id == X86_INS_LJMP;

    if (!far || v->nops != 2 || v->op[0].kind != VOP_IMM || v->op[1].kind != VOP_IMM)
        return;
    v->op[0].kind = VOP_FAR;
    v->op[0].selector = (uint16_t)v->op[0].imm;
    v->op[0].imm = v->op[1].imm;
    v->nops = 1;
}

void view_capstone(struct decoders *d, const struct encoding *e, struct view *v)
{
    const uint8_t *code = e->bytes;
    size_t size = MAX_INSN;
    uint64_t address = 0;
    const cs_x86 *x;

    v->valid = cs_disasm_iter(d->capstone[e->mode], &code, &size, &address, d->insn);
    if (!v->valid)
        return;
    x = &d->insn->detail->x86;
    v->len = (uint8_t)d->insn->size;
    v->adsize = x->addr_size;
    v->mnemonic = (uint16_t)d->insn->id;
    v->nops = x->op_count;
    for (unsigned n = 0; n < v->nops; n++)
        capstone_op(d, e, &x->operands[n], &v->op[n]);
    if (v->nops == 1 && v->op[0].kind == VOP_IMM && is_relative(d)) {
        v->op[0].kind = VOP_REL;
        v->op[0].imm -= v->len;
    }
    join_far(d, v);
    unfold_predicate(v);
}

static uint16_t gpr(unsigned reg, unsigned size)
{
    if (reg >= NGPR && size == 1)
        return (uint16_t)(ZYDIS_REGISTER_AH + reg - NGPR);
    if (size == 1)
        return (uint16_t)(reg < RSP ? ZYDIS_REGISTER_AL + reg : ZYDIS_REGISTER_SPL + reg - RSP);
    return (uint16_t)(reg + (size == 2   ? ZYDIS_REGISTER_AX
                             : size == 4 ? ZYDIS_REGISTER_EAX
                                         : ZYDIS_REGISTER_RAX));
}

static uint16_t address_reg(const struct insn *i, unsigned reg)
{
    if (reg == NO_REG)
        return 0;
    if (reg == BASE_RIP)
        return i->adsize == 4 ? ZYDIS_REGISTER_EIP : ZYDIS_REGISTER_RIP;
    return gpr(reg, i->adsize);
}

static void dragoman_mem(const struct encoding *e, const struct insn *i, struct vop *o)
{
    o->kind = VOP_MEM;
    o->seg = plain_segment(e, (uint16_t)(ZYDIS_REGISTER_ES + i->seg));
    o->base = address_reg(i, i->base);
    o->index = address_reg(i, i->index);
    o->scale = i->scale;
    o->disp = i->disp;
    o->vsib = i->vsib;
}

static void dragoman_op(const struct encoding *e, const struct insn *i, const struct opnd *p,
                        const struct vop *zydis, struct vop *o)
{
    bool second_imm = p != i->op && p[-1].kind == OPND_IMM; /* ENTER */
    static const uint16_t files[] = {
        [OPND_SEG] = ZYDIS_REGISTER_ES,   [OPND_CR] = ZYDIS_REGISTER_CR0,
        [OPND_DR] = ZYDIS_REGISTER_DR0,   [OPND_ST] = ZYDIS_REGISTER_ST0,
        [OPND_MMX] = ZYDIS_REGISTER_MM0,  [OPND_XMM] = ZYDIS_REGISTER_XMM0,
        [OPND_YMM] = ZYDIS_REGISTER_YMM0,
    };

    *o = (struct vop){.size = p->size, .implied = zydis->implied};
    switch (p->kind) {
    case OPND_MEM:
    case OPND_AGEN:
        dragoman_mem(e, i, o);
        break;
    case OPND_IMM:
    case OPND_REL:
    case OPND_FAR:
        o->kind = p->kind == OPND_IMM ? VOP_IMM : p->kind == OPND_REL ? VOP_REL : VOP_FAR;
        o->imm = second_imm ? i->imm2 : i->imm;
        o->selector = i->imm2;
        break;
    default:
        o->kind = VOP_REG;
        o->reg = p->kind == OPND_GPR ? gpr(p->reg, p->size) : (uint16_t)(files[p->kind] + p->reg);
        break;
    }
}

void view_dragoman(struct decoders *d, const struct encoding *e, struct view *v)
{
    struct insn i;
    struct view z;

    v->valid = decode_insn(e->bytes, MAX_INSN, encoding_bits(e), &i) == DECODE_OK && i.row->valid;
    if (!v->valid)
        return;
    view_zydis(d, e, &z);
    v->len = i.len;
    v->adsize = i.adsize;
    v->mnemonic = i.mnemonic;
    v->nops = i.nops;
    for (unsigned n = 0; n < v->nops; n++)
        dragoman_op(e, &i, &i.op[n], &z.op[n], &v->op[n]);
}
