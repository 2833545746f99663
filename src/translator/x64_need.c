/* How many scratch registers instructions of 64-bit code need: see lower64.h. */
#include "translator/lower64.h"

/* By what the lowering does: all there are, for the operand in memory, for the way out. */
enum need { NEED_ALL, NEED_NOTHING, NEED_OPERAND, NEED_BRANCH, NEED_TARGET };

static const uint8_t needs[NLOWER] = {
    [LOWER_COPY] = NEED_OPERAND, [LOWER_XCHG] = NEED_OPERAND, [LOWER_PUSH] = NEED_OPERAND,
    [LOWER_POP] = NEED_OPERAND,  [LOWER_LEA] = NEED_OPERAND,  [LOWER_NOP] = NEED_NOTHING,
    [LOWER_DF] = NEED_OPERAND,   [LOWER_JCC] = NEED_BRANCH,   [LOWER_JCXZ] = NEED_BRANCH,
    [LOWER_LOOP] = NEED_BRANCH,  [LOWER_JMP] = NEED_BRANCH,   [LOWER_CALL] = NEED_BRANCH,
    [LOWER_RET] = NEED_TARGET,
};

static bool fits32(uint64_t v)
{
    return v == (uint64_t)(int64_t)(int32_t)v;
}

/* RSP but as the base of an operand: its value is asked for, or it gets one. */
static bool names_rsp(const struct insn *i)
{
    for (unsigned k = 0; k < i->nops; k++)
        if ((i->op[k].kind == OPND_GPR && i->op[k].reg == RSP) ||
            (i->op[k].kind == OPND_AGEN && i->base == RSP))
            return true;
    return false;
}

static unsigned for_operand(const struct insn *i, uint64_t next)
{
    bool near = i->disp > -X64_NEAR && i->disp < X64_NEAR;
    bool constant = i->base == NO_REG || i->base == BASE_RIP;
    uint64_t at = (uint64_t)i->disp + (i->base == BASE_RIP ? next : 0);

    if (!insn_mem(i))
        return 0;
    if (i->index != NO_REG || i->adsize != 8)
        return X64_SCRATCH;
    if (i->seg == SEG_FS || i->seg == SEG_GS)
        return i->base == NO_REG && near ? 1 : X64_SCRATCH;
    if (i->base == RSP)
        return near ? 0 : X64_SCRATCH;
    return (constant ? fits32(at) : near) ? 1 : X64_SCRATCH;
}

/* A return address that is no immediate takes one, and so does a target that is looked up. */
static unsigned for_branch(const struct insn *i, uint64_t next)
{
    unsigned n = i->op[0].kind == OPND_REL ? 0 : 1;

    return i->row->lower == LOWER_CALL && !fits32(next) ? n + 1 : n;
}

unsigned x64_need(const struct xlate *x, const struct insn *i, uint64_t rip)
{
    uint64_t next = rip + i->len;
    unsigned operand = for_operand(i, next), branch = 0;
    enum need n = (enum need)needs[i->row->lower];

    if (n == NEED_NOTHING)
        return 0;
    if (n == NEED_ALL || names_rsp(i) || insn_bit_string(i) || (insn_mem(i) && x->sites))
        return X64_SCRATCH;
    if (n == NEED_BRANCH)
        branch = for_branch(i, next);
    else if (n == NEED_TARGET)
        branch = 1;
    return operand > branch ? operand : branch;
}
