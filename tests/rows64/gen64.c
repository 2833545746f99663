/* Instructions: any that a program could execute, with operands in the test's memory. */
#include <string.h>

#include <Zydis/Mnemonic.h>

#include "base/bits.h"
#include "cpu/cpu.h"
#include "gen64_priv.h"
#include "rows/catalogue.h"
#include "rows/undef.h"
#include "translator/row.h"
#include "translator/row_form.h"

enum { TRIES = 400, REX = 0x40, REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1 };

#define M(name) ZYDIS_MNEMONIC_##name

/* Callouts that are the same for a user program on every machine. The other lowerings are all fit
 * but for the random numbers. */
static const uint16_t fit_callouts[] = {
    M(XLAT),       M(ENTER),       M(CLFLUSH),    M(CLFLUSHOPT), M(CLWB),       M(MASKMOVQ),
    M(MASKMOVDQU), M(VMASKMOVDQU), M(VMASKMOVPS), M(VMASKMOVPD), M(VPMASKMOVD), M(VPMASKMOVQ),
    M(FWAIT),      M(FNINIT),      M(FNCLEX),     M(RDFSBASE),   M(RDGSBASE),
};

static const uint16_t unfit[] = {M(RDRAND), M(RDSEED)};

static bool listed(const uint16_t *list, size_t n, uint16_t mnemonic)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == mnemonic)
            return true;
    return false;
}

static const struct opnd *memory(const struct insn *i)
{
    for (unsigned k = 0; k < i->nops; k++)
        if (i->op[k].kind == OPND_MEM)
            return &i->op[k];
    return NULL;
}

static bool fit(const struct insn *i, const void *opaque)
{
    const struct gen64_options *opt = opaque;
    const struct row *r = i->row;

    if (!r->valid || !model_has(opt->model, r->feature) || (r->traits & (T_CPL0 | T_NOT64)) ||
        listed(unfit, ARRAY_SIZE(unfit), i->mnemonic))
        return false;
    switch (r->lower) {
    case LOWER_COPY:
    case LOWER_PUSH:
    case LOWER_POP:
    case LOWER_LEAVE:
    case LOWER_STRING:
    case LOWER_LEA:
    case LOWER_XCHG:
    case LOWER_PUSHF:
    case LOWER_NOP:
    case LOWER_DF:
    case LOWER_PUSH_SEG:
    case LOWER_MOV_FROM_SEG:
        return true;
    case LOWER_CALLOUT:
        return row_index(i) < FORM_FIRST &&
               listed(fit_callouts, ARRAY_SIZE(fit_callouts), i->mnemonic);
    default:
        return false;
    }
}

struct catalogue *gen64_catalogue(const struct gen64_options *opt)
{
    return catalogue_create(64, fit, opt);
}

/* What may stand before any instruction; LOCK is #UD before most. */
static unsigned raw_prefixes(struct gen64 *g, uint8_t *b, bool lock)
{
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x64, 0x65};
    unsigned n = 0;

    if (gen64_chance(g, 5))
        b[n++] = 0x67;
    if (lock)
        b[n++] = 0xf0;
    if (g->base == NO_BASE && gen64_chance(g, 7))
        b[n++] = segments[gen64_below(g, 8)];
    if (n == 2 && gen64_chance(g, 50)) {
        uint8_t first = b[0];

        b[0] = b[1];
        b[1] = first;
    }
    return n;
}

/* Any bytes that decode: encodings as frequent as they are in the opcode maps. */
static void raw_bytes(struct gen64 *g, uint8_t b[MAX_INSN])
{
    unsigned n = 0, map = gen64_below(g, 100);

    for (unsigned k = 0; k < MAX_INSN; k++)
        b[k] = (uint8_t)gen64_next(g);
    if (gen64_chance(g, 18))
        b[n++] = 0x66;
    if (gen64_chance(g, 14))
        b[n++] = 0xf2 + (uint8_t)gen64_below(g, 2);
    n += raw_prefixes(g, b + n, gen64_chance(g, 3));
    if (map >= 88) {
        b[n] = 0xc4 + (uint8_t)gen64_below(g, 2);
        if (b[n] == 0xc4)
            b[n + 1] = (uint8_t)((b[n + 1] & 0xe0) | (1 + gen64_below(g, 3)));
        return;
    }
    if (gen64_chance(g, 60))
        b[n++] = (uint8_t)(REX | gen64_below(g, 16));
    if (map >= 50)
        b[n++] = 0x0f;
    if (map >= 80)
        b[n++] = map < 85 ? 0x38 : 0x3a;
}

static unsigned vex_bytes(struct gen64 *g, uint8_t *b, const struct form *f, unsigned rxb)
{
    unsigned pp = f->mand == 0x66 ? 1 : f->mand == 0xf3 ? 2 : f->mand == 0xf2 ? 3 : 0;
    unsigned vvvv = gen64_chance(g, 40) ? 15 : gen64_below(g, 16);
    uint8_t last = (uint8_t)(vvvv << 3 | f->l << 2 | pp);

    if (f->map == 1 && !f->w && !(rxb & (REX_X | REX_B)) && gen64_chance(g, 50)) {
        b[0] = 0xc5;
        b[1] = (uint8_t)((rxb & REX_R ? 0 : 0x80) | last);
        return 2;
    }
    b[0] = 0xc4;
    b[1] = (uint8_t)((~rxb & 7) << 5 | f->map);
    b[2] = (uint8_t)(f->w << 7) | last;
    return 3;
}

static unsigned legacy_bytes(struct gen64 *g, uint8_t *b, const struct form *f, unsigned rxb)
{
    unsigned n = 0;

    if (f->mand)
        b[n++] = f->mand;
    if (f->mand != 0x66 && gen64_chance(g, 6))
        b[n++] = 0x66;
    if (f->w || rxb || gen64_chance(g, 10))
        b[n++] = (uint8_t)(REX | f->w << 3 | rxb);
    if (f->map)
        b[n++] = 0x0f;
    if (f->map > 1)
        b[n++] = f->map == 2 ? 0x38 : 0x3a;
    return n;
}

/* ModRM, SIB and displacement of [base + a little], at times with an index. */
static void base_bytes(struct gen64 *g, uint8_t *b, const struct form *f)
{
    bool index = gen64_chance(g, 15), wide = gen64_chance(g, 25);
    unsigned n = 0, rm = g->base & 7;
    int32_t disp = (int32_t)gen64_below(g, 0x400) - 0x200;

    b[n++] = (uint8_t)((f->modrm & 0x38) | (wide ? 0x80 : 0x40) | (index ? 4 : rm));
    if (index || rm == RSP)
        b[n++] = (uint8_t)((index ? gen64_below(g, 32) << 3 : 0x20) | rm);
    if (wide)
        st32(b + n, (uint32_t)disp);
    else
        b[n] = (uint8_t)disp;
}

/* A form of the catalogue with random operands. */
static void form_bytes(struct gen64 *g, uint8_t b[MAX_INSN], const struct form *f)
{
    unsigned n, rxb = gen64_chance(g, 30) ? 0 : gen64_below(g, 8);

    for (unsigned k = 0; k < MAX_INSN; k++)
        b[k] = (uint8_t)gen64_next(g);
    if (g->base != NO_BASE)
        rxb = (rxb & REX_R) | (g->base >= 8 ? REX_B : 0);
    n = raw_prefixes(g, b, f->memory && !f->vex && !f->mand && gen64_chance(g, 10));
    n += f->vex ? vex_bytes(g, b + n, f, rxb) : legacy_bytes(g, b + n, f, rxb);
    b[n++] = f->opcode;
    if (f->exact)
        b[n] = f->modrm;
    else if (!f->memory)
        b[n] = (uint8_t)(0xc0 | (f->modrm & 0x38) | gen64_below(g, 8));
    else if (g->base != NO_BASE)
        base_bytes(g, b + n, f);
    else
        b[n] = (uint8_t)((f->modrm & 0x38) | gen64_below(g, 3) << 6 | gen64_below(g, 8));
}

/* MOVS, CMPS, STOS, LODS, SCAS with any prefixes. */
static void string_bytes(struct gen64 *g, uint8_t b[MAX_INSN])
{
    static const uint8_t opcodes[] = {0xa4, 0xa6, 0xaa, 0xac, 0xae};
    unsigned n = 0;

    if (gen64_chance(g, 60))
        b[n++] = 0xf2 + (uint8_t)gen64_below(g, 2);
    if (gen64_chance(g, 20))
        b[n++] = 0x66;
    n += raw_prefixes(g, b + n, false);
    if (gen64_chance(g, 50))
        b[n++] = (uint8_t)(REX | gen64_below(g, 16));
    b[n] = opcodes[gen64_below(g, sizeof(opcodes))] + (uint8_t)gen64_below(g, 2);
}

static uint64_t segment_base(const struct gen64 *g, const struct insn *i)
{
    return i->seg == SEG_FS ? g->fs : i->seg == SEG_GS ? g->gs : 0;
}

/* Bytes of displacement behind ModRM and SIB. */
static unsigned disp_size(const struct insn *i)
{
    if (!i->has_modrm)
        return i->map == 0 && (i->opcode & 0xfc) == 0xa0 ? i->adsize : 0;
    if (i->modrm >> 6 == 1)
        return 1;
    if (i->modrm >> 6 == 2 || i->base == NO_REG || i->base == BASE_RIP)
        return 4;
    return 0;
}

static unsigned disp_at(const struct insn *i)
{
    return i->len - i->imm_size - disp_size(i);
}

/* The same instruction with another displacement; false: it would be another one. */
static bool set_disp(struct insn *i, uint64_t disp)
{
    uint8_t old[MAX_INSN];
    struct insn again;
    unsigned len = i->len;

    memcpy(old, i->bytes, sizeof(old));
    memcpy(i->bytes + disp_at(i), &disp, disp_size(i));
    if (decode_insn(i->bytes, len, 64, &again) == DECODE_OK && again.row == i->row &&
        again.len == len && again.base == i->base) {
        memcpy(again.bytes, i->bytes, sizeof(again.bytes));
        *i = again;
        return true;
    }
    memcpy(i->bytes, old, sizeof(old));
    return false;
}

/* An address that a displacement alone expresses. */
static void aim_constant(struct gen64 *g, struct insn *i)
{
    static const uint8_t low[] = {R_DATA, R_DATA, R_DATA, R_STACK, R_RO};
    const struct region64 *r = &regions64[low[gen64_below(g, sizeof(low))]];
    uint64_t target = r->base + gen64_below(g, r->size), seg = segment_base(g, i);

    if (i->seg == SEG_FS || i->seg == SEG_GS)
        target = gen64_chance(g, 70) ? gen64_below(g, 0x1000) - 0x800 : target - seg;
    else if (disp_size(i) == 8)
        target = gen64_address(g, false);
    else if (i->adsize == 4)
        target = gen64_address(g, true);
    if (gen64_chance(g, 97))
        set_disp(i, target);
}

static unsigned sum_of_scales(const struct insn *i)
{
    return (i->base < NGPR ? 1 : 0) + (i->index < NGPR && !i->vsib ? i->scale : 0u);
}

/* #GP on an address that is no multiple of 16: SSE's operands, mostly. */
static bool needs_alignment(const struct insn *i)
{
    const struct opnd *m = memory(i);

    return m && m->size == 16 && i->enc == ENC_LEGACY;
}

/* Sets base and index so that the operand is in the test's memory. */
static void aim(struct gen64 *g, struct unit64 *u, const struct insn *i)
{
    uint64_t seg = segment_base(g, i), target = gen64_address(g, i->adsize == 4 && !seg), noise;
    uint64_t index = gen64_below(g, 0x40), scale = i->scale ? i->scale : 1;

    if (gen64_chance(g, 10)) /* any index */
        index = gen64_next(g);
    if (seg && i->adsize == 4)
        target = seg + gen64_below(g, 0x1000);
    if (needs_alignment(i) && gen64_chance(g, 90))
        target &= ~UINT64_C(15);
    target -= seg + (uint64_t)i->disp;
    noise = i->adsize == 4 && gen64_chance(g, 70) ? gen64_next(g) << 32 : 0;
    if (i->vsib)
        index = 0;
    if (i->base < NGPR && i->base == i->index && !i->vsib) {
        unit64_mov(g, u, i->base, target / sum_of_scales(i));
        return;
    }
    if (i->index < NGPR && !i->vsib) {
        if (i->base >= NGPR)
            index = (i->adsize == 4 ? (uint32_t)target : target) / scale;
        unit64_mov(g, u, i->index, index + noise);
    } else {
        index = 0;
    }
    if (i->base < NGPR) {
        target -= index * scale;
        if (i->adsize == 4)
            target = (uint32_t)target;
        unit64_mov(g, u, i->base, target + noise);
    }
}

/* Indices of a gather: VPSRLD or VPSRLQ leaves a few bits of each. */
static void tame_gather(struct gen64 *g, struct unit64 *u, const struct insn *i)
{
    bool quad = i->opcode & 1;
    unsigned n = i->index & 15;
    uint8_t shift[6] = {0xc4,
                        (uint8_t)(0xc1 | (n < 8) << 5),
                        (uint8_t)((~n & 15) << 3 | 5),
                        quad ? 0x73 : 0x72,
                        (uint8_t)(0xd0 | (n & 7)),
                        quad ? 53 : 21};

    if (gen64_chance(g, 80))
        unit64_put(u, shift, sizeof(shift));
}

/* A bit offset in a register moves the operand by up to 2^60 bytes. */
static void tame_bit_offset(struct gen64 *g, struct unit64 *u, const struct insn *i)
{
    bool bits = i->mnemonic == M(BT) || i->mnemonic == M(BTS) || i->mnemonic == M(BTR) ||
                i->mnemonic == M(BTC);

    if (bits && i->op[1].kind == OPND_GPR && i->op[1].reg != i->base && i->op[1].reg != i->index &&
        i->op[1].reg != RSP && gen64_chance(g, 95))
        unit64_mov(g, u, i->op[1].reg, (uint64_t)((int64_t)gen64_below(g, 0x2000) - 0x1000));
}

static void prepare_stack(struct gen64 *g, struct unit64 *u, struct insn *i)
{
    bool frame = i->mnemonic == M(ENTER) || i->row->lower == LOWER_LEAVE;
    bool touches = i->row->lower == LOWER_PUSH || i->row->lower == LOWER_POP ||
                   i->row->lower == LOWER_PUSHF || i->row->lower == LOWER_PUSH_SEG;

    if (frame)
        unit64_mov(g, u, RBP, gen64_stack(g));
    if (frame || (touches && gen64_chance(g, 40)))
        unit64_set_stack(g, u);
    if (i->mnemonic == M(ENTER))
        i->bytes[i->len - 2] = 0; /* at most 255 bytes of frame */
}

/* Where the store faults the mask is all ones (PCMPEQB): with one of zeros alone it may fault or
 * not (SDM 2 MASKMOVQ). */
static void prepare_maskmov(struct gen64 *g, struct unit64 *u, const struct insn *i, uint64_t to)
{
    unsigned reg = i->op[1].reg & 15;
    uint8_t ones[5] = {0x66, (uint8_t)(REX | (reg >= 8) * 5), 0x0f, 0x74,
                       (uint8_t)(0xc0 | (reg & 7) * 9)};
    bool mmx = i->op[0].kind == OPND_MMX, edge = gen64_chance(g, 10);

    if (edge || i->adsize == 4)
        unit64_put(u, ones + (mmx ? 2 : 0), mmx ? 3 : 5);
    unit64_mov(g, u, RDI, edge ? gen64_address(g, i->adsize == 4) : to);
}

/* Mostly well inside, now and then next to a 4 GiB boundary or the end of a region. */
static uint64_t string_address(struct gen64 *g, const struct insn *i)
{
    const struct region64 *r = &regions64[gen64_chance(g, 50) ? R_DATA : R_HDATA];
    const struct region64 *w = &regions64[gen64_chance(g, 50) ? R_WRAP : R_HWRAP];
    uint64_t near = gen64_below(g, 0x80);

    if (i->adsize == 4) /* upper halves at a count of 0 or a fault: CPUs differ */
        return regions64[R_DATA].base + gen64_below(g, 0x7000);
    if (gen64_chance(g, 25))
        return w->base + w->size / 2 - 0x40 + near;
    if (gen64_chance(g, 5))
        return gen64_address(g, false);
    if (gen64_chance(g, 5))
        return gen64_chance(g, 50) ? r->base + near : r->base + r->size - near;
    return r->base + 0x1000 + gen64_below(g, 0x4000);
}

static void prepare_special(struct gen64 *g, struct unit64 *u, const struct insn *i)
{
    uint64_t inside = regions64[gen64_chance(g, 50) || i->adsize == 4 ? R_DATA : R_HWRAP].base +
                      0x1000 + gen64_below(g, 0x6000) - segment_base(g, i);

    if (i->row->traits & T_STRING) {
        uint64_t src = string_address(g, i) - segment_base(g, i);

        unit64_mov(g, u, RSI, i->adsize == 4 ? (uint32_t)src : src);
        unit64_mov(g, u, RDI, string_address(g, i));
        if (i->prefixes & (PFX_REP | PFX_REPNE) || gen64_chance(g, 20))
            unit64_mov(g, u, RCX, gen64_below(g, 0x60));
    }
    if (i->mnemonic == M(XLAT))
        unit64_mov(g, u, RBX, inside);
    if (i->mnemonic == M(MASKMOVQ) || i->mnemonic == M(MASKMOVDQU) || i->mnemonic == M(VMASKMOVDQU))
        prepare_maskmov(g, u, i, inside);
    if ((i->mnemonic == M(DIV) || i->mnemonic == M(IDIV)) && gen64_chance(g, 85)) {
        unit64_mov(g, u, RAX, gen64_below(g, 0x40));
        unit64_mov(g, u, RDX, 0);
    }
    if (i->mnemonic == M(CMPXCHG8B) || i->mnemonic == M(CMPXCHG16B)) {
        unit64_mov(g, u, RAX, gen64_below(g, 2));
        unit64_mov(g, u, RDX, gen64_below(g, 2));
    }
}

static bool acceptable(struct gen64 *g, const struct insn *i)
{
    if ((i->prefixes & PFX_LOCK) && (!(i->row->traits & T_LOCK) || i->op[0].kind != OPND_MEM) &&
        !gen64_chance(g, 2))
        return false;
    if ((i->gpr_written >> RSP & 1) && i->row->lower == LOWER_COPY && !gen64_chance(g, 15))
        return false;
    if (needs_alignment(i) && (g->base != NO_BASE || i->base == RSP || i->base == i->index) &&
        !gen64_chance(g, 5))
        return false;
    return g->base == NO_BASE || !(i->gpr_written >> g->base & 1) || gen64_chance(g, 10);
}

/* Half of them any row of the table, most others any bytes. */
static bool random_insn(struct gen64 *g, struct insn *i)
{
    const struct form *f = NULL;
    unsigned how = g->base == NO_BASE ? gen64_below(g, 100) : 0;
    uint8_t raw[MAX_INSN];

    for (unsigned tries = 0; tries < TRIES; tries++) {
        if (how < 60 && (!f || g->base != NO_BASE))
            f = catalogue_draw(g->opt->catalogue, gen64_below(g, UINT32_MAX),
                               gen64_below(g, UINT32_MAX));
        if (f && g->base != NO_BASE && !f->memory && gen64_chance(g, 80))
            continue;
        if (f)
            form_bytes(g, raw, f);
        else if (how > 94)
            string_bytes(g, raw);
        else
            raw_bytes(g, raw);
        if (decode_insn(raw, sizeof(raw), 64, i) != DECODE_OK || !fit(i, g->opt) ||
            (f && row_index(i) != f->row) || !acceptable(g, i))
            continue;
        memcpy(i->bytes, raw, i->len);
        return true;
    }
    return false;
}

/* What register the operand's address comes from decides how it is aimed. */
static void aim_operand(struct gen64 *g, struct unit64 *u, struct insn *i)
{
    bool small = disp_size(i) == 4 && i->base != BASE_RIP && gen64_chance(g, 60);

    if (g->base != NO_BASE) {
        if (i->index < NGPR && i->index != g->base && i->index != RSP)
            unit64_mov(g, u, i->index, gen64_below(g, 0x20));
        return;
    }
    if (i->base == BASE_RIP) {
        u->rip_target = gen64_near_address(g) - segment_base(g, i);
        if (needs_alignment(i) && gen64_chance(g, 95))
            u->rip_target &= ~UINT64_C(15);
        u->rip_at = (uint8_t)disp_at(i); /* .. of the instruction, for now */
        return;
    }
    if (i->base == NO_REG && i->index == NO_REG) {
        aim_constant(g, i);
        return;
    }
    if (small || (i->base == RSP && disp_size(i) == 4))
        set_disp(i, gen64_below(g, 0x800) - 0x200);
    if (i->base == RSP && gen64_chance(g, 70)) {
        if (i->index < NGPR && !i->vsib)
            unit64_mov(g, u, i->index, gen64_below(g, 0x40));
        return;
    }
    aim(g, u, i);
}

void unit64_plain(struct gen64 *g, struct unit64 *u)
{
    bool addressed;
    struct insn i;

    if (!random_insn(g, &i))
        return;
    addressed = memory(&i) || (i.vsib != 0);
    g->s->user_only |= i.row->lower == LOWER_MOV_FROM_SEG;
    if (i.vsib)
        tame_gather(g, u, &i);
    prepare_special(g, u, &i);
    prepare_stack(g, u, &i);
    if (addressed && gen64_below(g, 200)) {
        aim_operand(g, u, &i);
        tame_bit_offset(g, u, &i);
    }
    if (u->rip_target) {
        u->rip_at = (uint8_t)(u->rip_at + u->len);
        u->rip_end = (uint8_t)(u->len + i.len);
    }
    unit64_put(u, i.bytes, i.len);
    if (undef_flags(&i) && !g->opt->strict) {
        uint8_t cmp[4] = {REX | REX_W, 0x83, (uint8_t)(0xf8 | gen64_below(g, 8)),
                          (uint8_t)gen64_next(g)};

        cmp[0] |= (uint8_t)gen64_below(g, 2);
        unit64_put(u, cmp, 4);
    }
}
