/* x_data.c - moves, conversions, conditional moves, flag instructions, segment register moves. */
#include "translator/x_int.h"

#include "cpu/model.h"

/* SDM 3A table 6-7: a double extended-precision operand is to be aligned as a quadword, the 6 bytes
 * of GDTR and IDTR as a doubleword. */
bool x_check_access(struct cpu *c, gva_t lin, unsigned len, bool write)
{
    unsigned align = len == 10 ? 8 : len == 6 ? 4 : len;

    if ((c->mode & MODE_AC) && (align == 2 || align == 4 || align == 8) && (lin & (align - 1)))
        return cpu_raise(c, VEC_AC, 0);
    if (c->mode & MODE_DR7)
        cpu_check_data_bp(c, lin, len, write);
    return true;
}

bool x_mov(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    return op_read(c, i, 1, &v) && op_write(c, i, 0, v);
}

bool x_movzx(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    if (!op_read(c, i, 1, &v))
        return false;
    gpr_write(c, i->op[0].reg, i->op[0].size, v);
    return true;
}

bool x_movsx(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    if (!op_read(c, i, 1, &v))
        return false;
    gpr_write(c, i->op[0].reg, i->op[0].size, (uint64_t)sext_bytes(v, i->op[1].size));
    return true;
}

bool x_lea(struct cpu *c, const struct insn *i)
{
    gpr_write(c, i->op[0].reg, i->op[0].size, op_ea(c, i));
    return true;
}

bool x_xchg(struct cpu *c, const struct insn *i)
{
    const struct opnd *o = &i->op[1];
    struct rmw r;
    uint64_t v;

    if (o->kind == OPND_MEM) { /* the memory operand is written first, whichever place it has */
        gva_t lin;
        uint64_t old = gpr_read(c, i->op[0].reg, o->size);

        if (!memop_linear(c, i, o->size, SEG_READ | SEG_WRITE, &lin) ||
            !rmw_mem_begin(c, lin, o->size, &r) || !rmw_mem_end(c, o->size, &r, old))
            return false;
        gpr_write(c, i->op[0].reg, o->size, r.val);
        return true;
    }
    v = gpr_read(c, o->reg, o->size);
    if (!rmw_begin(c, i, &r) || !rmw_end(c, i, &r, v))
        return false;
    gpr_write(c, o->reg, o->size, r.val);
    return true;
}

/* The source is read, and a 32-bit destination zero-extended, even when the condition is false. */
bool x_cmov(struct cpu *c, const struct insn *i)
{
    const struct opnd *dst = &i->op[0];
    uint64_t v;

    if (!op_read(c, i, 1, &v))
        return false;
    if (!flags_cond(c, i->opcode & 15))
        v = gpr_read(c, dst->reg, dst->size);
    gpr_write(c, dst->reg, dst->size, v);
    return true;
}

bool x_setcc(struct cpu *c, const struct insn *i)
{
    return op_write(c, i, 0, flags_cond(c, i->opcode & 15));
}

/* CBW, CWDE, CDQE: the accumulator's lower half into the whole. */
bool x_cbw(struct cpu *c, const struct insn *i)
{
    gpr_write(c, RAX, i->opsize, (uint64_t)sext_bytes(c->gpr[RAX], i->opsize / 2u));
    return true;
}

/* CWD, CDQ, CQO: its sign into rDX. */
bool x_cwd(struct cpu *c, const struct insn *i)
{
    gpr_write(c, RDX, i->opsize, sext_bytes(c->gpr[RAX], i->opsize) < 0 ? UINT64_MAX : 0);
    return true;
}

bool x_xlat(struct cpu *c, const struct insn *i)
{
    uint64_t off = addr_trunc(i, c->gpr[RBX] + (uint8_t)c->gpr[RAX]), v;
    gva_t lin;

    if (!data_linear(c, i->seg, off, 1, SEG_READ, &lin) || !mem_read(c, lin, 1, &v))
        return false;
    gpr_write(c, RAX, 1, v);
    return true;
}

bool x_lahf(struct cpu *c, const struct insn *i)
{
    if (cpu_cs64(c) && !model_has(c->model, FEAT_LAHF))
        return x_ud(c, i);
    gpr_write(c, 16, 1, c->rflags & 0xff);
    return true;
}

bool x_sahf(struct cpu *c, const struct insn *i)
{
    if (cpu_cs64(c) && !model_has(c->model, FEAT_LAHF))
        return x_ud(c, i);
    flags_set(c, EF_SF | EF_ZF | EF_AF | EF_PF | EF_CF, (uint32_t)gpr_read(c, 16, 1));
    return true;
}

bool x_clc(struct cpu *c, const struct insn *i)
{
    (void)i;
    flags_set(c, EF_CF, 0);
    return true;
}

bool x_stc(struct cpu *c, const struct insn *i)
{
    (void)i;
    flags_set(c, EF_CF, EF_CF);
    return true;
}

bool x_cmc(struct cpu *c, const struct insn *i)
{
    (void)i;
    c->rflags ^= EF_CF;
    return true;
}

bool x_cld(struct cpu *c, const struct insn *i)
{
    (void)i;
    flags_set(c, EF_DF, 0);
    return true;
}

bool x_std(struct cpu *c, const struct insn *i)
{
    (void)i;
    flags_set(c, EF_DF, EF_DF);
    return true;
}

bool x_nop(struct cpu *c, const struct insn *i)
{
    (void)c;
    (void)i;
    return true;
}

/* Guest memory is always coherent here; the line only has to be readable (SDM 2A, CLFLUSH). */
bool x_clflush(struct cpu *c, const struct insn *i)
{
    gva_t lin;
    uint64_t v;

    if (!memop_linear(c, i, 1, SEG_READ, &lin))
        return false;
    return mem_ptr(c, lin, 1, false, c->cpl == 3) || mem_read(c, lin, 1, &v);
}

bool x_mov_from_seg(struct cpu *c, const struct insn *i)
{
    return op_write(c, i, 0, c->seg[i->op[1].reg].sel);
}

bool x_mov_to_seg(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    if (!op_read(c, i, 1, &v) || !cpu_load_seg(c, i->op[0].reg, (uint16_t)v))
        return false;
    if (i->op[0].reg == SEG_SS)
        c->intr_shadow = SHADOW_SS;
    return true;
}

static unsigned load_far_segment(const struct insn *i)
{
    if (i->map == 0)
        return i->opcode == 0xc4 ? SEG_ES : SEG_DS;
    return i->opcode == 0xb2 ? SEG_SS : i->opcode == 0xb4 ? SEG_FS : SEG_GS;
}

/* LDS, LES, LSS, LFS, LGS: offset, then selector. */
bool x_load_far(struct cpu *c, const struct insn *i)
{
    unsigned size = i->op[0].size;
    uint64_t off, sel;

    if (!memop_read_pair(c, i, size, 2, &off, &sel) ||
        !cpu_load_seg(c, load_far_segment(i), (uint16_t)sel))
        return false;
    gpr_write(c, i->op[0].reg, size, off);
    return true;
}

static bool bound_read(struct cpu *c, const struct insn *i, unsigned off, int64_t *bound)
{
    unsigned size = i->op[0].size;
    uint64_t v;
    gva_t lin;

    if (!data_linear(c, i->seg, addr_trunc(i, op_ea(c, i) + off), size, SEG_READ, &lin) ||
        !mem_read(c, lin, size, &v))
        return false;
    *bound = sext_bytes(v, size);
    return true;
}

/* An index below the lower bound never gets to the upper one. */
bool x_bound(struct cpu *c, const struct insn *i)
{
    unsigned size = i->op[0].size;
    int64_t index = sext_bytes(c->gpr[i->op[0].reg], size), lower, upper;

    if (!bound_read(c, i, 0, &lower))
        return false;
    if (index < lower)
        return cpu_raise(c, VEC_BR, 0);
    return bound_read(c, i, size, &upper) && (index <= upper || cpu_raise(c, VEC_BR, 0));
}

/* CF says whether there was a number; the other arithmetic flags are cleared. */
static bool write_random(struct cpu *c, const struct insn *i, uint64_t v, bool ok)
{
    gpr_write(c, i->op[0].reg, i->op[0].size, ok ? v : 0);
    flags_set(c, EF_ARITH, ok ? EF_CF : 0);
    return true;
}

bool x_rdrand(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    bool ok;

    __asm__ volatile("rdrand %0" : "=r"(v), "=@ccc"(ok));
    return write_random(c, i, v, ok);
}

bool x_rdseed(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    bool ok;

    __asm__ volatile("rdseed %0" : "=r"(v), "=@ccc"(ok));
    return write_random(c, i, v, ok);
}
