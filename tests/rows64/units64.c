/* Units around fixed sequences: control flow, the stack, saved state, code that changes itself. */
#include <string.h>

#include "base/bits.h"
#include "cpu/cpu.h"
#include "gen64_priv.h"

enum { REX = 0x40, REX_W = 8, REX_R = 4, REX_B = 1 };

void unit64_put(struct unit64 *u, const void *p, unsigned len)
{
    memcpy(u->bytes + u->len, p, len);
    u->len = (uint8_t)(u->len + len);
}

static void put8(struct unit64 *u, unsigned b)
{
    uint8_t v = (uint8_t)b;

    unit64_put(u, &v, 1);
}

static void put32(struct unit64 *u, uint32_t v)
{
    unit64_put(u, &v, 4);
}

static void put_rex(struct unit64 *u, unsigned rex, unsigned reg, unsigned rm)
{
    rex |= (reg >= 8 ? REX_R : 0) | (rm >= 8 ? REX_B : 0);
    if (rex)
        put8(u, REX | rex);
}

void unit64_rr(struct unit64 *u, unsigned rex, unsigned opcode, unsigned reg, unsigned rm)
{
    put_rex(u, rex, reg, rm);
    put8(u, opcode);
    put8(u, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

void unit64_rm(struct unit64 *u, unsigned rex, unsigned opcode, unsigned reg, unsigned base,
               int32_t disp)
{
    bool wide = disp != (int8_t)disp;

    put_rex(u, rex, reg, base);
    put8(u, opcode);
    put8(u, (wide ? 0x80 : 0x40) | (reg & 7) << 3 | (base & 7));
    if ((base & 7) == RSP)
        put8(u, 0x24);
    if (wide)
        put32(u, (uint32_t)disp);
    else
        put8(u, (uint8_t)disp);
}

static void put_movabs(struct unit64 *u, unsigned reg, uint64_t val)
{
    put_rex(u, REX_W, 0, reg);
    put8(u, 0xb8 | (reg & 7));
    unit64_put(u, &val, 8);
}

void unit64_mov(struct gen64 *g, struct unit64 *u, unsigned reg, uint64_t val)
{
    if (val == (uint64_t)(int64_t)(int32_t)val && gen64_chance(g, 50)) {
        unit64_rr(u, REX_W, 0xc7, 0, reg);
        put32(u, (uint32_t)val);
    } else if (val <= UINT32_MAX && gen64_chance(g, 80)) {
        put_rex(u, 0, 0, reg);
        put8(u, 0xb8 | (reg & 7));
        put32(u, (uint32_t)val);
    } else {
        put_movabs(u, reg, val);
    }
}

unsigned gen64_reg(struct gen64 *g)
{
    unsigned r = gen64_below(g, NGPR);

    return r == RSP && gen64_chance(g, 90) ? RBX : r;
}

/* One that is not RSP. */
static unsigned other_reg(struct gen64 *g)
{
    unsigned r = gen64_below(g, NGPR);

    return r == RSP ? R12 : r;
}

void unit64_set_stack(struct gen64 *g, struct unit64 *u)
{
    unit64_mov(g, u, RSP, gen64_stack(g));
}

/* Templates of control transfers; fix_at is where the target goes. */
static const struct {
    uint8_t bytes[6], len, fix, fix_at;
} branches[] = {
    {{0x70}, 2, FIX64_REL8, 1}, /* the condition is added */
    {{0x0f, 0x80}, 6, FIX64_REL32, 2}, {{0xeb}, 2, FIX64_REL8, 1}, {{0xe9}, 5, FIX64_REL32, 1},
    {{0xe8}, 5, FIX64_REL32, 1},       {{0xe0}, 2, FIX64_REL8, 1}, {{0xe1}, 2, FIX64_REL8, 1},
    {{0xe2}, 2, FIX64_REL8, 1},        {{0xe3}, 2, FIX64_REL8, 1}, {{0x67, 0xe2}, 3, FIX64_REL8, 2},
    {{0x67, 0xe3}, 3, FIX64_REL8, 2},
};

/* MOV reg, target; then one of six ways there. */
static void indirect_branch(struct gen64 *g, struct unit64 *u)
{
    unsigned how = gen64_below(g, 6), r = other_reg(g);

    unit64_set_stack(g, u);
    u->fix = FIX64_ABS64;
    u->fix_at = (uint8_t)(u->len + 2);
    put_movabs(u, r, 0);
    if (how < 2) { /* jmp r, call r */
        unit64_rr(u, 0, 0xff, how ? 2 : 4, r);
        return;
    }
    put_rex(u, 0, 0, r);
    put8(u, 0x50 | (r & 7));
    if (how == 2)
        unit64_put(u, "\xc3", 1);
    else if (how == 3)
        unit64_put(u, "\xc2\x10\x00", 3);
    else
        unit64_put(u, how == 4 ? "\xff\x24\x24" : "\xff\x14\x24", 3); /* jmp, call [rsp] */
}

/* PUSH imm32; RET: to the low code only. */
static void push_ret(struct gen64 *g, struct unit64 *u)
{
    unit64_set_stack(g, u);
    u->fix = FIX64_ABS32;
    u->fix_at = (uint8_t)(u->len + 1);
    unit64_put(u, "\x68\0\0\0\0\xc3", 6);
}

void unit64_branch(struct gen64 *g, struct unit64 *u)
{
    unsigned how = gen64_below(g, 100);
    unsigned k =
        how < 50 ? gen64_below(g, 2) : gen64_below(g, sizeof(branches) / sizeof(branches[0]));
    uint8_t bytes[6];

    u->skip = (uint8_t)gen64_below(g, 4);
    if (how >= 80) {
        indirect_branch(g, u);
        return;
    }
    if (how >= 77 && !g->high) {
        push_ret(g, u);
        return;
    }
    memcpy(bytes, branches[k].bytes, sizeof(bytes));
    if (k < 2)
        bytes[k] |= (uint8_t)gen64_below(g, 16);
    if (bytes[0] == 0xe8)
        unit64_set_stack(g, u);
    if (bytes[0] == 0xe3 || bytes[1] == 0xe3)
        unit64_mov(g, u, RCX, gen64_chance(g, 50) ? 0 : gen64_next(g) << 32);
    u->fix = branches[k].fix;
    u->fix_at = (uint8_t)(u->len + branches[k].fix_at);
    unit64_put(u, bytes, branches[k].len);
}

/* CALL over a jump; the function pops, pushes and returns in some way to the jump, which leads
 * behind it. */
void unit64_call(struct gen64 *g, struct unit64 *u)
{
    static const struct {
        const char *bytes;
        unsigned len;
    } functions[] = {
        {"\xc3", 1},
        {"\x55\x48\x89\xe5\x41\x54\x48\x83\xec\x28\x48\x8d\x65\xf8\x41\x5c\x5d\xc3", 18},
        {"\x48\x83\xec\x18\x4c\x89\x54\x24\x08\x4c\x8b\x5c\x24\x08\x48\x83\xc4\x18\xc3", 19},
        {"\x55\x48\x89\xe5\x48\x81\xec\x00\x01\x00\x00\x48\x83\xe4\xe0\xc9\xc3", 17},
        {"\x59\xff\xe1", 3},                     /* pop rcx; jmp rcx */
        {"\xc8\x20\x00\x00\x50\x58\xc9\xc3", 8}, /* enter 20h, 0 */
        {"\x41\x53\x41\x52\x41\x5a\x41\x5b\xc3", 9},
        {"\x48\x89\xe0\x48\x83\xc4\x08\x48\x94\xc3", 10}, /* mov rax, rsp; .. xchg rax, rsp */
        {"\x50\xc2\x08\x00", 4},                          /* to the RAX that was pushed */
    };
    unsigned k = gen64_below(g, sizeof(functions) / sizeof(functions[0]) - gen64_chance(g, 90));
    bool indirect = gen64_chance(g, 30);

    unit64_set_stack(g, u);
    if (indirect) { /* lea r9, [rip + 5]; call r9 */
        unit64_put(u, "\x4c\x8d\x0d\x05\0\0\0\x41\xff\xd1", 10);
    } else {
        unit64_put(u, "\xe8\x02\0\0\0", 5);
    }
    put8(u, 0xeb);
    put8(u, functions[k].len);
    unit64_put(u, functions[k].bytes, functions[k].len);
}

/* PUSH imm32; POPFQ. TF: a trap after the next instruction, which leaves no flags undefined. */
void unit64_popf(struct gen64 *g, struct unit64 *u)
{
    static const char *const traced[] = {"\x90", "\x50", "\x48\x01\xc8", "\x41\x5b", "\xeb\0"};
    static const uint8_t traced_len[] = {1, 1, 3, 2, 2};
    unsigned k = gen64_below(g, sizeof(traced_len));
    uint32_t flags =
        ((uint32_t)gen64_next(g) & (EF_ARITH | (gen64_chance(g, 20) ? EF_DF : 0))) | EF_R1 | EF_IF;

    if (gen64_chance(g, 3))
        flags |= EF_TF;
    unit64_set_stack(g, u);
    put8(u, 0x68);
    put32(u, flags);
    put8(u, 0x9d);
    if (flags & EF_TF)
        unit64_put(u, traced[k], traced_len[k]);
}

enum stack_form {
    ST_NONE,
    ST_IMM8,
    ST_IMM32,
    ST_REG,
    ST_REGIMM8,
    ST_PLUSREG,
    ST_RBP,
    ST_RBPREG,
    ST_FROM
};

/* What compilers and hand-written code do to RSP. Before the bytes comes REX, if any. */
static const struct {
    uint8_t rex, n, bytes[4], form;
} stack_ops[] = {
    {REX | REX_W, 2, {0x83, 0xec}, ST_IMM8},        /* sub rsp, imm8 */
    {REX | REX_W, 2, {0x83, 0xc4}, ST_IMM8},        /* add */
    {REX | REX_W, 2, {0x81, 0xec}, ST_IMM32},       /* sub rsp, imm32 */
    {REX | REX_W, 2, {0x81, 0xc4}, ST_IMM32},       /* add */
    {REX | REX_W, 3, {0x83, 0xe4, 0xf0}, ST_NONE},  /* and rsp, -16 */
    {REX | REX_W, 3, {0x83, 0xe4, 0xc0}, ST_NONE},  /* and rsp, -64 */
    {REX | REX_W, 3, {0x8d, 0x64, 0x24}, ST_IMM8},  /* lea rsp, [rsp + disp8] */
    {REX | REX_W, 3, {0x8d, 0xa4, 0x24}, ST_IMM32}, /* lea rsp, [rsp + disp32] */
    {REX | REX_W, 2, {0x8d, 0x65}, ST_RBP},         /* lea rsp, [rbp + disp8] */
    {0, 1, {0x50}, ST_PLUSREG},                     /* push r */
    {0, 1, {0x50}, ST_PLUSREG},
    {0, 1, {0x58}, ST_PLUSREG}, /* pop r */
    {0, 1, {0x58}, ST_PLUSREG},
    {0, 1, {0x54}, ST_NONE},                             /* push rsp */
    {0, 1, {0x6a}, ST_IMM8},                             /* push imm8 */
    {0, 1, {0x68}, ST_IMM32},                            /* push imm32 */
    {0, 3, {0xff, 0x74, 0x24}, ST_IMM8},                 /* push [rsp + disp8] */
    {0, 3, {0x8f, 0x44, 0x24}, ST_IMM8},                 /* pop [rsp + disp8] */
    {REX | REX_W, 1, {0x89}, ST_FROM},                   /* mov rsp, r */
    {REX | REX_W, 1, {0x87}, ST_FROM},                   /* xchg rsp, r */
    {REX | REX_W, 1, {0x8b}, ST_REG},                    /* mov r, rsp */
    {REX | REX_W, 1, {0x03}, ST_REG},                    /* add r, rsp */
    {REX | REX_W, 1, {0x39}, ST_FROM},                   /* cmp rsp, r */
    {REX | REX_W, 1, {0x8b}, ST_REGIMM8},                /* mov r, [rsp + disp8] */
    {REX | REX_W, 1, {0x89}, ST_REGIMM8},                /* mov [rsp + disp8], r */
    {REX | REX_W, 1, {0x8d}, ST_REGIMM8},                /* lea r, [rsp + disp8] */
    {REX | REX_W, 2, {0xff, 0xc4}, ST_NONE},             /* inc rsp */
    {REX | REX_W, 2, {0xff, 0xcc}, ST_NONE},             /* dec rsp */
    {0, 2, {0x66, 0x50}, ST_NONE},                       /* push ax */
    {0, 2, {0x66, 0x58}, ST_NONE},                       /* pop ax */
    {0, 1, {0x9c}, ST_NONE},                             /* pushfq */
    {0x66, 3, {0x83, 0xec, 0x10}, ST_NONE},              /* sub sp, 10h */
    {REX, 3, {0x80, 0xc4, 0x08}, ST_NONE},               /* add spl, 8 */
    {REX | REX_W, 3, {0xc1, 0xcc, 0x00}, ST_NONE},       /* ror rsp, 0 */
    {REX | REX_W, 4, {0x8d, 0x64, 0xe4, 0x08}, ST_NONE}, /* lea rsp, [rsp + 8], scaled none */
    {REX | REX_W, 3, {0x83, 0xcc, 0x08}, ST_NONE},       /* or rsp, 8 */
    {REX | REX_W, 3, {0x0f, 0x4d, 0xe5}, ST_RBPREG},     /* cmovge rsp, rbp */
};

static void put_stack_op(struct gen64 *g, struct unit64 *u, unsigned k)
{
    unsigned r = gen64_reg(g);
    int32_t imm8 = ((int32_t)gen64_below(g, 30) - 12) * 8;
    uint8_t rex = stack_ops[k].rex;

    if (stack_ops[k].form == ST_FROM)
        unit64_mov(g, u, r, gen64_stack(g));
    if (stack_ops[k].form == ST_RBP || stack_ops[k].form == ST_RBPREG)
        unit64_mov(g, u, RBP, gen64_stack(g));
    if (stack_ops[k].form == ST_REGIMM8) {
        unit64_rm(u, REX_W, stack_ops[k].bytes[0], r, RSP, imm8);
        return;
    }
    if (stack_ops[k].form == ST_FROM || stack_ops[k].form == ST_REG) {
        unit64_rr(u, REX_W, stack_ops[k].bytes[0], stack_ops[k].form == ST_FROM ? r : RSP,
                  stack_ops[k].form == ST_FROM ? RSP : r);
        if (stack_ops[k].form == ST_REG) /* reg is the destination of 8Bh and 03h */
            u->bytes[u->len - 1] = (uint8_t)(0xc0 | (r & 7) << 3 | RSP);
        if (stack_ops[k].form == ST_REG)
            u->bytes[u->len - 3] = (uint8_t)(REX | REX_W | (r >= 8 ? REX_R : 0));
        return;
    }
    if (stack_ops[k].form == ST_PLUSREG) {
        put_rex(u, 0, 0, r);
        put8(u, stack_ops[k].bytes[0] | (r & 7));
        return;
    }
    if (rex)
        put8(u, rex);
    unit64_put(u, stack_ops[k].bytes, stack_ops[k].n);
    if (stack_ops[k].form == ST_IMM8 || stack_ops[k].form == ST_RBP)
        put8(u, (uint8_t)imm8);
    else if (stack_ops[k].form == ST_IMM32)
        put32(u, gen64_chance(g, 90) ? gen64_below(g, 0x100) * 8 : (uint32_t)gen64_next(g));
}

void unit64_stack(struct gen64 *g, struct unit64 *u)
{
    unsigned n = 1 + gen64_below(g, 4);

    if (gen64_chance(g, 35))
        unit64_set_stack(g, u);
    while (n--)
        put_stack_op(g, u, gen64_below(g, sizeof(stack_ops) / sizeof(stack_ops[0])));
}

/* Saves x87 or vector state in one of a few places, or loads it from one. CS and DS of the last
 * instruction are cleared: CPUs with CPUID.7.EBX[13] save none. */
void unit64_image(struct gen64 *g, struct unit64 *u)
{
    static const struct {
        uint8_t opcode, reg; /* [rdi]; 0FAEh's second byte */
        uint8_t cs, ds;      /* in the image, 0: none */
        bool wide;
    } images[] = {
        {0xd9, 6, 16, 24, false}, /* FNSTENV */
        {0xdd, 6, 16, 24, false}, /* FNSAVE */
        {0xae, 0, 12, 20, false}, /* FXSAVE */
        {0xae, 0, 0, 0, true},    /* FXSAVE64 */
        {0xd9, 4, 0, 0, false},   /* FLDENV */
        {0xdd, 4, 0, 0, false},   /* FRSTOR */
        {0xae, 1, 0, 0, false},   /* FXRSTOR */
        {0xae, 1, 0, 0, true},    /* FXRSTOR64 */
    };
    unsigned k = gen64_chance(g, 60) ? gen64_below(g, 4) : 4 + gen64_below(g, 4);
    const struct region64 *r = &regions64[gen64_chance(g, 50) ? R_DATA : R_HDATA];

    unit64_mov(g, u, RDI, r->base + 0x5000 + gen64_below(g, 4) * 0x200);
    if (images[k].wide && images[k].reg) /* FIP, FDP: canonical with 48 bits and with 57 */
        unit64_put(u, "\x66\xc7\x47\x0e\0\0\x66\xc7\x47\x16\0\0", 12);
    if (images[k].wide)
        put8(u, REX | REX_W);
    if (images[k].opcode == 0xae)
        put8(u, 0x0f);
    put8(u, images[k].opcode);
    put8(u, images[k].reg << 3 | RDI);
    for (unsigned n = 0; images[k].cs && n < 2; n++) { /* mov word [rdi + disp8], 0 */
        uint8_t mov[6] = {0x66, 0xc7, 0x47, n ? images[k].ds : images[k].cs};

        unit64_put(u, mov, sizeof(mov));
    }
}

/* ADD to the immediate of a MOV that comes right behind, or behind a jump. */
void unit64_patch(struct gen64 *g, struct unit64 *u)
{
    unsigned r = other_reg(g);
    bool jump = gen64_chance(g, 60), wide = gen64_chance(g, 50), base = gen64_chance(g, 40);
    uint8_t step = (uint8_t)gen64_next(g);
    unsigned to = (jump ? 2 : 0) + 1 + (r >= 8); /* the immediate, from the end of the ADD */

    if (base) { /* lea r11, [rip + ..]; add dword [r11], imm8 */
        unit64_put(u, "\x4c\x8d\x1d", 3);
        put32(u, to + 4);
        put8(u, wide ? 0x49 : 0x41);
        unit64_put(u, "\x83\x03", 2);
        put8(u, step);
    } else {
        if (gen64_chance(g, 20))
            put8(u, 0xf0);
        unit64_put(u, "\x83\x05", 2);
        put32(u, to);
        put8(u, step);
    }
    if (jump)
        unit64_put(u, "\xeb\0", 2);
    put_rex(u, 0, 0, r);
    put8(u, 0xb8 | (r & 7));
    put32(u, (uint32_t)gen64_next(g));
    put8(u, 0x90); /* a qword ADD may carry into it */
    if (wide && base)
        unit64_put(u, "\x66\x66\x90", 3);
}

/* WRFSBASE, WRGSBASE */
void unit64_base(struct gen64 *g, struct unit64 *u)
{
    uint64_t to = gen64_chance(g, 98) ? gen64_address(g, false) : gen64_next(g);
    unsigned r = other_reg(g), k = gen64_below(g, 2);

    unit64_mov(g, u, r, to);
    put8(u, 0xf3);
    put_rex(u, REX_W, 0, r);
    put8(u, 0x0f);
    put8(u, 0xae);
    put8(u, 0xc0 | (2 + k) << 3 | (r & 7));
    if (k)
        g->gs = to;
    else
        g->fs = to;
}

/* INT3, UD2, or an interrupt that is none of a program's. */
void unit64_trap(struct gen64 *g, struct unit64 *u)
{
    static const char *const traps[] = {"\xcc\x90", "\x0f\x0b", "\xcd\x0d", "\xcd\x03"};

    const char *trap = traps[gen64_below(g, 4)];

    g->s->user_only |= trap[0] == '\xcd'; /* CPL 0 may use any gate */
    unit64_put(u, trap, 2);
}

void unit64_begin_burst(struct gen64 *g, struct unit64 *u)
{
    g->base = (uint8_t)gen64_reg(g);
    g->left = 2 + gen64_below(g, 8);
    unit64_mov(g, u, g->base, g->base == RSP ? gen64_stack(g) : gen64_address(g, false));
}

/* The address register moves a little, or on to another register. */
void unit64_step_base(struct gen64 *g, struct unit64 *u)
{
    unsigned b = g->base, r = other_reg(g), how = gen64_below(g, 8);
    uint8_t step = (uint8_t)(gen64_below(g, 0x100));

    if (how < 2) { /* add, sub imm8 */
        unit64_rr(u, REX_W, 0x83, how ? 5 : 0, b);
        put8(u, step);
    } else if (how < 4) { /* inc, dec */
        unit64_rr(u, REX_W, 0xff, how & 1, b);
    } else if (how == 4) { /* lea b, [b + disp8] */
        unit64_rm(u, REX_W, 0x8d, b, b, (int8_t)step);
    } else if (how == 5) { /* mov r, b */
        unit64_rr(u, REX_W, 0x89, b, r);
        g->base = (uint8_t)r;
    } else if (how == 6) { /* xchg r, b */
        unit64_rr(u, REX_W, 0x87, b, r);
        g->base = (uint8_t)r;
    } else { /* add b, 1 << 12 */
        unit64_rr(u, REX_W, 0x81, 0, b);
        put32(u, gen64_chance(g, 90) ? 0x1000 : (uint32_t)gen64_next(g));
    }
}
