#include "gen.h"

#include <string.h>

#include <Zydis/Mnemonic.h>

#include "catalogue.h"
#include "translator/row.h"
#include "translator/row_form.h"
#include "undef.h"

enum {
    TRIES = 400,
    OP_CMP_ECX = 0xf9,
    LOOP_COUNTER = STACK_BASE + STACK_BYTES - 16,
    NOISE_BYTES =
        LOW_BYTES, /* repeats in the data region: generating it all takes a third of a run */
};

#define M(name) ZYDIS_MNEMONIC_##name

struct rng {
    uint64_t x;
    bool edges;
};

/* splitmix64 */
static uint64_t next(struct rng *r)
{
    uint64_t z = r->x += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint32_t below(struct rng *r, uint32_t n)
{
    return (uint32_t)(next(r) >> 16) % n;
}

static bool chance(struct rng *r, unsigned percent)
{
    return below(r, 100) < percent;
}

/* Callouts that are the same for a user program on every machine. The other lowerings are all fit
 * but for the random numbers. */
static const uint16_t fit_callouts[] = {
    M(AAA),        M(AAD),        M(AAM),         M(AAS),        M(DAA),        M(DAS),
    M(SALC),       M(XLAT),       M(PUSHA),       M(PUSHAD),     M(POPA),       M(POPAD),
    M(ENTER),      M(CLFLUSH),    M(CLFLUSHOPT),  M(CLWB),       M(BOUND),      M(ARPL),
    M(MASKMOVQ),   M(MASKMOVDQU), M(VMASKMOVDQU), M(VMASKMOVPS), M(VMASKMOVPD), M(VPMASKMOVD),
    M(VPMASKMOVQ), M(FWAIT),      M(FNINIT),      M(FNCLEX),
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
    const struct gen_options *opt = opaque;
    const struct row *r = i->row;

    if (!r->valid || !model_has(opt->model, r->feature) || (r->traits & (T_CPL0 | T_ONLY64)))
        return false;
    if (listed(unfit, ARRAY_SIZE(unfit), i->mnemonic))
        return false;
    switch (r->lower) {
    case LOWER_COPY:
    case LOWER_PUSH:
    case LOWER_POP:
    case LOWER_LEAVE:
    case LOWER_PUSHA:
    case LOWER_POPA:
    case LOWER_STRING:
    case LOWER_LEA:
    case LOWER_XCHG:
    case LOWER_PUSHF:
    case LOWER_NOP:
    case LOWER_DF:
        break;
    case LOWER_CALLOUT:
        if (row_index(i) >= FORM_FIRST ||
            !listed(fit_callouts, ARRAY_SIZE(fit_callouts), i->mnemonic))
            return false;
        break;
    default:
        return false;
    }
    if (i->seg >= SEG_FS && memory(i))
        return false; /* what a null FS or GS does natively is the kernel's business */
    return opt->low || i->adsize == 4;
}

struct catalogue *gen_catalogue(const struct gen_options *opt)
{
    return catalogue_create(32, fit, opt);
}

/* What may stand before any instruction; LOCK is #UD before most. */
static unsigned raw_prefixes(struct rng *r, uint8_t *b, bool lock)
{
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e};
    unsigned n = 0;

    if (chance(r, 4))
        b[n++] = 0x67;
    if (lock)
        b[n++] = 0xf0;
    if (chance(r, 4))
        b[n++] = segments[below(r, 4)];
    if (n == 2 && chance(r, 50)) {
        uint8_t first = b[0];

        b[0] = b[1];
        b[1] = first;
    }
    return n;
}

/* Any bytes that decode: encodings as frequent as they are in the opcode maps. */
static void raw_bytes(struct rng *r, uint8_t b[MAX_INSN])
{
    unsigned n = 0, map = below(r, 100);

    for (unsigned k = 0; k < MAX_INSN; k++)
        b[k] = (uint8_t)next(r);
    if (chance(r, 18))
        b[n++] = 0x66;
    if (chance(r, 14))
        b[n++] = 0xf2 + (uint8_t)below(r, 2);
    n += raw_prefixes(r, b + n, chance(r, 3));
    if (map < 50)
        return;
    if (map < 88) {
        b[n++] = 0x0f;
        if (map >= 80)
            b[n++] = map < 85 ? 0x38 : 0x3a;
    } else {
        b[n] = 0xc4 + (uint8_t)below(r, 2);
        if (b[n] == 0xc4)
            b[n + 1] = (uint8_t)((b[n + 1] & 0xe0) | (1 + below(r, 3)));
        b[n + 1] |= 0xc0; /* not LDS, LES */
    }
}

/* Two or three bytes; what 32-bit code ignores of them is random. */
static unsigned vex_bytes(struct rng *r, uint8_t *b, const struct form *f)
{
    unsigned pp = f->mand == 0x66 ? 1 : f->mand == 0xf3 ? 2 : f->mand == 0xf2 ? 3 : 0;
    unsigned vvvv = chance(r, 50) ? 15 : below(r, 16);
    uint8_t last = (uint8_t)(vvvv << 3 | f->l << 2 | pp);

    if (f->map == 1 && !f->w && chance(r, 50)) {
        b[0] = 0xc5;
        b[1] = 0xc0 | last;
        return 2;
    }
    b[0] = 0xc4;
    b[1] = (uint8_t)(0xc0 | below(r, 2) << 5 | f->map);
    b[2] = (uint8_t)(f->w << 7) | last;
    return 3;
}

static unsigned legacy_bytes(struct rng *r, uint8_t *b, const struct form *f)
{
    unsigned n = 0;

    if (f->mand)
        b[n++] = f->mand;
    if (f->mand != 0x66 && chance(r, 8))
        b[n++] = 0x66;
    if (f->map)
        b[n++] = 0x0f;
    if (f->map > 1)
        b[n++] = f->map == 2 ? 0x38 : 0x3a;
    return n;
}

/* A form of the catalogue with random operands. */
static void form_bytes(struct rng *r, uint8_t b[MAX_INSN], const struct form *f)
{
    unsigned n;

    for (unsigned k = 0; k < MAX_INSN; k++)
        b[k] = (uint8_t)next(r);
    n = raw_prefixes(r, b, f->memory && !f->vex && !f->mand && chance(r, 10));
    n += f->vex ? vex_bytes(r, b + n, f) : legacy_bytes(r, b + n, f);
    b[n++] = f->opcode;
    if (f->exact)
        b[n] = f->modrm;
    else if (f->memory)
        b[n] = (uint8_t)((f->modrm & 0x38) | below(r, 3) << 6 | below(r, 8));
    else
        b[n] = (uint8_t)(0xc0 | (f->modrm & 0x38) | below(r, 8));
}

static void put(struct unit *u, const void *p, unsigned len)
{
    memcpy(u->bytes + u->len, p, len);
    u->len = (uint8_t)(u->len + len);
}

static void put_mov(struct unit *u, unsigned reg, uint32_t val)
{
    uint8_t op = (uint8_t)(0xb8 + reg);

    put(u, &op, 1);
    put(u, &val, 4);
}

/* Mostly aligned and in the data region; some straddle pages of it, its ends, or are elsewhere. */
static uint32_t data_address(struct rng *r)
{
    uint32_t a = DATA_BASE + below(r, DATA_BYTES - 0x200) + 0x100, back = below(r, 40);
    unsigned how = r->edges && chance(r, 70) ? 182 + below(r, 18) : below(r, 200);

    if (how < 170)
        return a & ~63u;
    if (how < 182)
        return a;
    if (how < 194)
        return DATA_BASE + (1 + below(r, DATA_BYTES / 0x1000 - 1)) * 0x1000 - back;
    if (how < 197)
        return DATA_BASE + DATA_BYTES - back;
    if (how < 198)
        return DATA_BASE - back;
    return how < 199 ? RO_BASE + (a & 0xff0) : (uint32_t)next(r);
}

/* 16-bit addressing reaches the low region; the upper halves of the registers must not matter. */
static void aim_low(struct rng *r, struct unit *u, const struct insn *i)
{
    uint32_t target = LOW_BASE + 0x100 + below(r, LOW_BYTES - 0x200), index = below(r, 0x100);

    if (i->index < 8)
        put_mov(u, i->index, index | (uint32_t)next(r) << 16);
    else
        index = 0;
    if (i->base < 8)
        put_mov(u, i->base,
                ((target - index - (uint32_t)i->disp) & 0xffff) | (uint32_t)next(r) << 16);
}

/* Sets base and index so that the operand is in the data region. */
static void aim(struct rng *r, struct unit *u, const struct insn *i)
{
    uint32_t target = data_address(r), index = below(r, 0x40), scale = i->scale ? i->scale : 1;

    if (i->adsize == 2) {
        aim_low(r, u, i);
        return;
    }
    target -= (uint32_t)i->disp;
    if (i->base < 8 && i->base == i->index && !i->vsib) {
        put_mov(u, i->base, target / (1 + scale));
    } else if (i->base < 8) {
        if (i->index < 8 && !i->vsib)
            put_mov(u, i->index, index);
        else
            index = 0;
        put_mov(u, i->base, target - index * scale);
    } else if (i->index < 8) {
        put_mov(u, i->index, target / scale);
    }
}

/* Without base and index the address is the displacement, which comes right before the immediate.
 */
static bool aim_absolute(struct rng *r, struct insn *i)
{
    uint32_t target = i->adsize == 2 ? LOW_BASE + below(r, LOW_BYTES) : data_address(r);
    unsigned at = i->len - i->imm_size - i->adsize;
    uint8_t old[MAX_INSN];
    struct insn again;

    memcpy(old, i->bytes, sizeof(old));
    memcpy(i->bytes + at, &target, i->adsize);
    if (decode_insn(i->bytes, i->len, 32, &again) == DECODE_OK && again.row == i->row &&
        again.len == i->len && (uint32_t)again.disp == target)
        return true;
    memcpy(i->bytes, old, sizeof(old));
    return false;
}

/* A bit offset in a register moves the operand by up to 256 MiB. */
static void tame_bit_offset(struct rng *r, struct unit *u, const struct insn *i)
{
    bool bits = i->mnemonic == M(BT) || i->mnemonic == M(BTS) || i->mnemonic == M(BTR) ||
                i->mnemonic == M(BTC);

    if (bits && i->op[1].kind == OPND_GPR && i->op[1].reg != i->base && i->op[1].reg != i->index)
        put_mov(u, i->op[1].reg, below(r, 0x1000) - 0x800);
}

static void set_stack(struct rng *r, struct unit *u)
{
    put_mov(u, RSP, STACK_BASE + 0x1000 + (below(r, 0x2000) & (chance(r, 90) ? ~3u : ~0u)));
}

static void prepare_stack(struct rng *r, struct unit *u, struct insn *i)
{
    bool frame = i->mnemonic == M(ENTER) || i->row->lower == LOWER_LEAVE;
    bool all = i->mnemonic == M(POPA) || i->mnemonic == M(POPAD) || i->mnemonic == M(PUSHA) ||
               i->mnemonic == M(PUSHAD);
    bool touches =
        i->row->lower == LOWER_PUSH || i->row->lower == LOWER_POP || i->row->lower == LOWER_PUSHF;

    if (frame)
        put_mov(u, RBP, STACK_BASE + 0x2000 + below(r, 0x400) * 4);
    if (frame || all || (touches && chance(r, 40)))
        set_stack(r, u);
    if (i->mnemonic == M(ENTER))
        i->bytes[i->len - 2] = 0; /* at most 255 bytes of frame */
}

/* Where the store faults the mask is all ones (PCMPEQB): with one of zeros alone it may fault or
 * not (SDM 2 MASKMOVQ). */
static void prepare_maskmov(struct rng *r, struct unit *u, const struct insn *i, uint32_t to)
{
    uint8_t ones[4] = {0x66, 0x0f, 0x74, (uint8_t)(0xc0 | (i->op[1].reg & 7) * 9)};
    bool mmx = i->op[0].kind == OPND_MMX, edge = i->adsize == 4 && chance(r, 10);

    if (edge || i->seg == SEG_CS)
        put(u, ones + mmx, 4u - mmx);
    put_mov(u, RDI, edge ? DATA_BASE + DATA_BYTES - below(r, 20) : to);
}

static void prepare_special(struct rng *r, struct unit *u, const struct insn *i)
{
    bool low = i->adsize == 2;
    uint32_t base = low ? LOW_BASE + 0x1000 : DATA_BASE + 0x1000, span = low ? 0x1000 : 0x4000;
    uint32_t end = DATA_BASE + DATA_BYTES - below(r, 0x80);

    if (i->row->traits & T_STRING) {
        put_mov(u, RSI, !low && chance(r, 4) ? end : base + below(r, span));
        put_mov(u, RDI, !low && chance(r, 4) ? end : base + below(r, span));
        if (i->prefixes & (PFX_REP | PFX_REPNE) || chance(r, 20))
            put_mov(u, RCX, below(r, 0x60));
    }
    if (i->mnemonic == M(XLAT))
        put_mov(u, RBX, base + below(r, span));
    if (i->mnemonic == M(MASKMOVQ) || i->mnemonic == M(MASKMOVDQU) || i->mnemonic == M(VMASKMOVDQU))
        prepare_maskmov(r, u, i, base + below(r, span));
    if ((i->mnemonic == M(DIV) || i->mnemonic == M(IDIV)) && chance(r, 85)) {
        put_mov(u, RAX, below(r, 0x40));
        put_mov(u, RDX, 0);
    }
}

/* MOVS, CMPS, STOS, LODS, SCAS with any prefixes. */
static void string_bytes(struct rng *r, uint8_t b[MAX_INSN])
{
    static const uint8_t opcodes[] = {0xa4, 0xa6, 0xaa, 0xac, 0xae};
    unsigned n = 0;

    if (chance(r, 60))
        b[n++] = 0xf2 + (uint8_t)below(r, 2);
    if (chance(r, 25))
        b[n++] = 0x66;
    n += raw_prefixes(r, b + n, false);
    b[n] = opcodes[below(r, sizeof(opcodes))] + (uint8_t)below(r, 2);
}

/* Half of them any row of the table, most others any bytes. */
static bool random_insn(struct rng *r, struct insn *i, const struct gen_options *opt)
{
    uint8_t raw[MAX_INSN] = {0};
    const struct form *f = NULL;
    unsigned how = below(r, 100);

    if (how < 55)
        f = catalogue_draw(opt->catalogue, below(r, UINT32_MAX), below(r, UINT32_MAX));
    for (unsigned tries = 0; tries < TRIES; tries++) {
        if (f)
            form_bytes(r, raw, f);
        else if (how > 96)
            string_bytes(r, raw);
        else
            raw_bytes(r, raw);
        if (decode_insn(raw, sizeof(raw), 32, i) != DECODE_OK || !fit(i, opt) ||
            (f && row_index(i) != f->row))
            continue;
        if ((i->prefixes & PFX_LOCK) && (!(i->row->traits & T_LOCK) || i->op[0].kind != OPND_MEM) &&
            !chance(r, 2))
            continue;
        memcpy(i->bytes, raw, i->len);
        if (!memory(i) || i->base != NO_REG || i->index != NO_REG || i->vsib)
            return true;
        if (aim_absolute(r, i) || chance(r, 3))
            return true;
    }
    return false;
}

static void plain_unit(struct rng *r, struct unit *u, const struct gen_options *opt)
{
    struct insn i;

    if (!random_insn(r, &i, opt))
        return;
    prepare_special(r, u, &i);
    prepare_stack(r, u, &i);
    if (memory(&i) && below(r, 200)) {
        aim(r, u, &i);
        tame_bit_offset(r, u, &i);
    }
    put(u, i.bytes, i.len);
    if (undef_flags(&i) && !opt->strict) {
        uint8_t cmp[3] = {0x83, OP_CMP_ECX, (uint8_t)next(r)};

        put(u, cmp, 3);
    }
}

/* Templates of control transfers; fix_at is where the target goes. */
static const struct {
    uint8_t bytes[12], len, fix, fix_at;
} branches[] = {
    {{0x70}, 2, FIX_REL8, 1}, /* the condition is added */
    {{0x0f, 0x80}, 6, FIX_REL32, 2},
    {{0xeb}, 2, FIX_REL8, 1},
    {{0xe9}, 5, FIX_REL32, 1},
    {{0xe8}, 5, FIX_REL32, 1},
    {{0xe0}, 2, FIX_REL8, 1},
    {{0xe1}, 2, FIX_REL8, 1},
    {{0xe2}, 2, FIX_REL8, 1},
    {{0xe3}, 2, FIX_REL8, 1},
    {{0x67, 0xe2}, 3, FIX_REL8, 2},
    {{0x67, 0xe3}, 3, FIX_REL8, 2},
    {{0x68, 0, 0, 0, 0, 0xc3}, 6, FIX_ABS32, 1},             /* push target; ret */
    {{0x68, 0, 0, 0, 0, 0xc2, 0x08, 0x00}, 8, FIX_ABS32, 1}, /* push target; ret 8 */
    {{0xb8, 0, 0, 0, 0, 0xff, 0xe0}, 7, FIX_ABS32, 1},       /* mov eax, target; jmp eax */
    {{0xba, 0, 0, 0, 0, 0xff, 0xd2}, 7, FIX_ABS32, 1},       /* mov edx, target; call edx */
    {{0x68, 0, 0, 0, 0, 0xff, 0x24, 0x24}, 8, FIX_ABS32, 1}, /* push target; jmp [esp] */
    {{0x68, 0, 0, 0, 0, 0xff, 0x14, 0x24}, 8, FIX_ABS32, 1}, /* push target; call [esp] */
};

static void branch_unit(struct rng *r, struct unit *u)
{
    unsigned k = chance(r, 50) ? below(r, 2) : below(r, ARRAY_SIZE(branches));
    uint8_t bytes[12];

    memcpy(bytes, branches[k].bytes, sizeof(bytes));
    if (k < 2)
        bytes[k] |= below(r, 16);
    if (branches[k].fix == FIX_ABS32 || bytes[0] == 0xe8)
        set_stack(r, u);
    u->fix = branches[k].fix;
    u->fix_at = (uint8_t)(u->len + branches[k].fix_at);
    u->skip = (uint8_t)below(r, 4);
    put(u, bytes, branches[k].len);
}

/* PUSH imm32; POPFD */
static void popf_unit(struct rng *r, struct unit *u)
{
    uint32_t flags = ((uint32_t)next(r) & (EF_ARITH | (chance(r, 20) ? EF_DF : 0))) | EF_R1 | EF_IF;
    uint8_t push = 0x68, popf = 0x9d;

    set_stack(r, u);
    put(u, &push, 1);
    put(u, &flags, 4);
    put(u, &popf, 1);
}

/* MOV WORD PTR [lin], 0 */
static void put_clear16(struct unit *u, uint32_t lin)
{
    uint8_t mov[9] = {0x66, 0xc7, 0x05};

    memcpy(mov + 3, &lin, 4);
    put(u, mov, sizeof(mov));
}

/* Saves x87 or vector state in one of a few places, or loads it from one. CS and DS of the last
 * instruction are cleared: CPUs with CPUID.7.EBX[13] save none. */
static void image_unit(struct rng *r, struct unit *u)
{
    static const struct {
        uint8_t opcode[2], len, modrm; /* [disp32] */
        bool store;
        uint8_t cs[2], ds[2]; /* in the image; with 66h */
    } images[] = {
        {{0xd9}, 1, 0x35, true, {16, 8}, {24, 12}},        /* FNSTENV */
        {{0xdd}, 1, 0x35, true, {16, 8}, {24, 12}},        /* FNSAVE */
        {{0x0f, 0xae}, 2, 0x05, true, {12, 12}, {20, 20}}, /* FXSAVE */
        {{0xd9}, 1, 0x25, false, {0}, {0}},                /* FLDENV */
        {{0xdd}, 1, 0x25, false, {0}, {0}},                /* FRSTOR */
        {{0x0f, 0xae}, 2, 0x0d, false, {0}, {0}},          /* FXRSTOR */
    };
    unsigned k = chance(r, 60) ? below(r, 3) : 3 + below(r, 3), narrow = 0;
    uint32_t lin = DATA_BASE + 0x8000 + below(r, 4) * 0x200;

    if (images[k].len == 1 && chance(r, 30)) {
        uint8_t opsize = 0x66;

        put(u, &opsize, 1);
        narrow = 1;
    }
    put(u, images[k].opcode, images[k].len);
    put(u, &images[k].modrm, 1);
    put(u, &lin, 4);
    if (images[k].store) {
        put_clear16(u, lin + images[k].cs[narrow]);
        put_clear16(u, lin + images[k].ds[narrow]);
    }
}

static void random_float(struct rng *r, uint8_t *p, unsigned size)
{
    static const uint32_t floats[16] = {
        0,          0x3f800000, 0xbf800000, 0x3f000000, 0x40490fdb, 0xc2c88000,
        0x7149f2ca, 0x000116c2, 0x4b800000, 0x7f800000, 0xff800000, 0x7fc00000,
        0x7fa00000, 0x00000001, 0x7f7fffff, 0x80000000,
    };
    static const uint64_t doubles[16] = {
        0,
        0x3ff0000000000000,
        0xbff0000000000000,
        0x3fb999999999999a,
        0x4005bf0a8b145769,
        0xc202a05f20000000,
        0x7e37e43c8800759c,
        0x0000000000000001,
        0x41f0000000080000,
        0x7ff0000000000000,
        0xfff0000000000000,
        0x7ff8000000000000,
        0x7ff4000000000000,
        0x000fffffffffffff,
        0x7fefffffffffffff,
        0x8000000000000000,
    };
    uint64_t v = next(r), k = v >> 60, two = floats[k] | (uint64_t)floats[v >> 56 & 15] << 32;

    if (v & 1)
        memcpy(p, &v, size);
    else if (size == 4 || (v & 2))
        memcpy(p, &two, size);
    else
        memcpy(p, &doubles[k], 8);
}

/* Mostly numbers near one; sometimes any exponent, and no integer bit: zeros, denormals,
 * infinities, NaNs and what is none of these. */
static void random_st(struct rng *r, uint8_t *p)
{
    static const uint16_t exponents[] = {0, 1, 0x7ffe, 0x7fff, 0x3fff, 0x403e};
    uint16_t exponent = (uint16_t)(0x3ff0 + below(r, 32));
    uint64_t mantissa = next(r) | UINT64_C(1) << 63;

    if (chance(r, 20))
        exponent = chance(r, 30) ? (uint16_t)(next(r) & 0x7fff) : exponents[below(r, 6)];
    if (chance(r, 10))
        mantissa = chance(r, 50) ? UINT64_C(1) << 63 : 0;
    else if (chance(r, 5))
        mantissa = next(r) >> 1;
    exponent |= (uint16_t)(below(r, 2) << 15);
    memcpy(p, &mantissa, 8);
    memcpy(p + 8, &exponent, 2);
}

static void random_vectors(struct rng *r, struct vec_state *v)
{
    static const uint16_t fcws[] = {0x37f, 0x37f, 0x27f, 0x07f, 0xf7f, 0x77f};

    vec_init(v);
    for (unsigned k = 0; k < 8; k++) {
        unsigned size = chance(r, 50) ? 4 : 8;

        for (unsigned o = 0; o < 32; o += size)
            random_float(r, v->ymm[k] + o, size);
        random_st(r, v->st[k]);
    }
    v->fcw = fcws[below(r, ARRAY_SIZE(fcws))];
    v->fsw = (uint16_t)(below(r, 8) << 11);
    v->ftw = chance(r, 50) ? 0xff : (uint8_t)next(r);
    v->mxcsr = 0x1f80 | (chance(r, 30) ? below(r, 4) << 13 : 0) | (chance(r, 10) ? 0x8040 : 0);
    if (chance(r, 5))
        v->mxcsr &= ~(below(r, 64) << 7);
    if (chance(r, 5))
        v->fcw &= (uint16_t)~below(r, 64);
}

static void random_state(struct rng *r, struct test_state *s)
{
    memset(s, 0, sizeof(*s));
    for (unsigned k = 0; k < 8; k++) {
        uint32_t how = below(r, 3);

        s->gpr[k] = how == 0 ? (uint32_t)next(r) : how == 1 ? below(r, 0x100) : data_address(r);
    }
    s->gpr[RSP] = STACK_BASE + 0x2000;
    s->eflags = ((uint32_t)next(r) & (EF_ARITH | (chance(r, 15) ? EF_DF : 0))) | EF_R1 | EF_IF;
    s->eip = TEST_START;
    random_vectors(r, &s->vec);
}

void gen_stream(struct stream *s, uint64_t seed, const struct gen_options *opt)
{
    struct rng r = {seed * UINT64_C(0x2545f4914f6cdd1d) + 1, opt->edges};

    *s = (struct stream){.seed = seed};
    s->n = 8 + below(&r, 17);
    for (unsigned k = 0; k < s->n; k++) {
        unsigned what = below(&r, 100);

        if (what < 15)
            branch_unit(&r, &s->unit[k]);
        else if (what < 17)
            popf_unit(&r, &s->unit[k]);
        else if (what < 19)
            image_unit(&r, &s->unit[k]);
        else
            plain_unit(&r, &s->unit[k], opt);
    }
    s->loops = chance(&r, 50) ? 1 + below(&r, 4) : 0;
    s->start = TEST_PAGE + below(&r, 0x1000);
    random_state(&r, &s->state);
}

static void aim_branch(const struct stream *s, unsigned k, const uint32_t *at, uint8_t *p)
{
    const struct unit *u = &s->unit[k];
    unsigned to = k + 1 + u->skip < s->n ? k + 1 + u->skip : s->n;
    uint32_t target = s->start + at[to], rel = at[to] - (at[k] + u->fix_at);

    switch (u->fix) {
    case FIX_REL8:
        if (rel - 1 < 0x80)
            p[u->fix_at] = (uint8_t)(rel - 1);
        break;
    case FIX_REL32:
        rel -= 4;
        memcpy(p + u->fix_at, &rel, 4);
        break;
    case FIX_ABS32:
        memcpy(p + u->fix_at, &target, 4);
        break;
    }
}

unsigned gen_code(const struct stream *s, uint8_t buf[STREAM_BYTES])
{
    uint8_t tail[12] = {0xff, 0x0d, 0, 0, 0, 0, 0x0f, 0x85}; /* DEC [counter]; JNZ start */
    uint32_t at[MAX_UNITS + 1], len = 0, counter = LOOP_COUNTER, back;

    for (unsigned k = 0; k < s->n; k++) {
        at[k] = len;
        if (!s->unit[k].dropped) {
            memcpy(buf + len, s->unit[k].bytes, s->unit[k].len);
            len += s->unit[k].len;
        }
    }
    at[s->n] = len;
    for (unsigned k = 0; k < s->n; k++)
        if (!s->unit[k].dropped)
            aim_branch(s, k, at, buf + at[k]);
    if (!s->loops)
        return len;
    back = 0u - (len + sizeof(tail));
    memcpy(tail + 2, &counter, 4);
    memcpy(tail + 8, &back, 4);
    memcpy(buf + len, tail, sizeof(tail));
    return len + (uint32_t)sizeof(tail);
}

void gen_memory(const struct stream *s, struct test_mem *m)
{
    struct rng r = {.x = s->seed ^ UINT64_C(0xda7a)};
    uint8_t code[STREAM_BYTES];
    unsigned len = gen_code(s, code);
    int32_t rel = (int32_t)(s->start - (TEST_START + 5));
    uint32_t loops = s->loops;

    memset(m, 0, sizeof(*m));
    memset(m->code, HLT, sizeof(m->code));
    m->code[0] = 0xe9;
    memcpy(m->code + 1, &rel, 4);
    memcpy(test_mem_at(m, s->start, len), code, len);
    if (!s->zero_data) {
        for (unsigned k = 0; k < NOISE_BYTES; k += 8)
            random_float(&r, m->data + k, 8);
        for (unsigned k = NOISE_BYTES; k < DATA_BYTES; k += NOISE_BYTES)
            memcpy(m->data + k, m->data, NOISE_BYTES);
        memcpy(m->low, m->data, LOW_BYTES);
        memcpy(m->ro, m->data, RO_BYTES);
    }
    memcpy(test_mem_at(m, LOOP_COUNTER, 4), &loops, 4);
}
