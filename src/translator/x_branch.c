/* x_branch.c - control transfers: near, far, software interrupts. */
#include "translator/x_int.h"

/* Target of a direct or indirect near branch. */
static inline bool branch_target(struct cpu *c, const struct insn *i, uint64_t *target)
{
    if (i->op[0].kind == OPND_REL) {
        *target = c->next_rip + i->imm;
        return true;
    }
    return op_read(c, i, 0, target);
}

bool x_jmp(struct cpu *c, const struct insn *i)
{
    uint64_t target;

    return branch_target(c, i, &target) && branch_to(c, target, i->opsize);
}

bool x_jcc(struct cpu *c, const struct insn *i)
{
    return !flags_cond(c, i->opcode & 15) || branch_to(c, c->next_rip + i->imm, i->opsize);
}

bool x_jcxz(struct cpu *c, const struct insn *i)
{
    return addr_trunc(i, c->gpr[RCX]) || branch_to(c, c->next_rip + i->imm, i->opsize);
}

/* The count has the address size and is written only if the branch can be made. */
static bool loop_if(struct cpu *c, const struct insn *i, bool condition)
{
    uint64_t count = addr_trunc(i, c->gpr[RCX] - 1);

    if (count && condition && !branch_to(c, c->next_rip + i->imm, i->opsize))
        return false;
    gpr_write(c, RCX, i->adsize, count);
    return true;
}

bool x_loop(struct cpu *c, const struct insn *i)
{
    return loop_if(c, i, true);
}

bool x_loope(struct cpu *c, const struct insn *i)
{
    return loop_if(c, i, c->rflags & EF_ZF);
}

bool x_loopne(struct cpu *c, const struct insn *i)
{
    return loop_if(c, i, !(c->rflags & EF_ZF));
}

bool x_call(struct cpu *c, const struct insn *i)
{
    uint64_t target, back = c->next_rip;

    return branch_target(c, i, &target) && branch_to(c, target, i->opsize) &&
           stack_push(c, back, i->opsize);
}

bool x_ret(struct cpu *c, const struct insn *i)
{
    uint64_t target;

    if (!stack_top(c, i->opsize, &target) || !branch_to(c, target, i->opsize))
        return false;
    stack_drop(c, i->opsize + (i->nops ? i->imm : 0));
    return true;
}

/* The far pointer of the operand: immediate, or offset and selector in memory. */
static bool far_pointer(struct cpu *c, const struct insn *i, uint16_t *sel, uint64_t *off)
{
    uint64_t v;

    if (i->op[0].kind == OPND_FAR) {
        *sel = i->imm2;
        *off = i->imm;
        return true;
    }
    if (!memop_read_pair(c, i, i->opsize, 2, off, &v))
        return false;
    *sel = (uint16_t)v;
    return true;
}

bool x_jmp_far(struct cpu *c, const struct insn *i)
{
    uint16_t sel;
    uint64_t off;

    return far_pointer(c, i, &sel, &off) && cpu_far_jmp(c, sel, off, i->opsize);
}

bool x_call_far(struct cpu *c, const struct insn *i)
{
    uint16_t sel;
    uint64_t off;

    return far_pointer(c, i, &sel, &off) && cpu_far_call(c, sel, off, i->opsize);
}

bool x_ret_far(struct cpu *c, const struct insn *i)
{
    return cpu_far_ret(c, i->opsize, i->nops ? (unsigned)i->imm : 0);
}

bool x_int(struct cpu *c, const struct insn *i)
{
    return cpu_int_soft(c, (uint8_t)i->imm, true);
}

bool x_int1(struct cpu *c, const struct insn *i)
{
    (void)i;
    return cpu_int_soft(c, VEC_DB, false);
}

bool x_int3(struct cpu *c, const struct insn *i)
{
    (void)i;
    return cpu_int_soft(c, VEC_BP, false);
}

bool x_into(struct cpu *c, const struct insn *i)
{
    (void)i;
    return !(c->rflags & EF_OF) || cpu_int_soft(c, VEC_OF, false);
}

bool x_iret(struct cpu *c, const struct insn *i)
{
    return cpu_iret(c, i->opsize);
}

bool x_ud(struct cpu *c, const struct insn *i)
{
    (void)i;
    return cpu_raise(c, VEC_UD, 0);
}
