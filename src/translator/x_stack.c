/* x_stack.c - the stack: PUSH, POP and their families, ENTER, LEAVE. */
#include "translator/x_int.h"

bool x_push(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    return op_read(c, i, 0, &v) && stack_push(c, v, i->opsize);
}

/* A memory destination based on rSP is addressed with the incremented rSP (SDM 2B, POP). */
bool x_pop(struct cpu *c, const struct insn *i)
{
    uint64_t v, sp = c->gpr[RSP];

    if (!stack_top(c, i->opsize, &v))
        return false;
    stack_drop(c, i->opsize);
    if (!op_write(c, i, 0, v)) {
        c->gpr[RSP] = sp;
        return false;
    }
    return true;
}

bool x_push_seg(struct cpu *c, const struct insn *i)
{
    return stack_push(c, c->seg[i->op[0].reg].sel, i->opsize);
}

bool x_pop_seg(struct cpu *c, const struct insn *i)
{
    uint64_t v, mask = stack_mask(c);

    if (!stack_top(c, i->opsize, &v) || !cpu_load_seg(c, i->op[0].reg, (uint16_t)v))
        return false;
    stack_set(c, mask, c->gpr[RSP] + i->opsize);
    if (i->op[0].reg == SEG_SS)
        c->intr_shadow = SHADOW_SS;
    return true;
}

bool x_pusha(struct cpu *c, const struct insn *i)
{
    unsigned size = i->opsize;
    uint64_t mask = stack_mask(c), sp = c->gpr[RSP];

    for (unsigned r = RAX; r <= RDI; r++) {
        sp = (sp - size) & mask;
        if (!stack_write(c, sp, size, c->gpr[r]))
            return false;
    }
    stack_set(c, mask, sp);
    return true;
}

/* The saved rSP is skipped. */
bool x_popa(struct cpu *c, const struct insn *i)
{
    unsigned size = i->opsize;
    uint64_t v[8], mask = stack_mask(c);

    for (unsigned n = 0; n < 8; n++)
        if (!stack_read(c, (c->gpr[RSP] + n * size) & mask, size, &v[n]))
            return false;
    for (unsigned n = 0; n < 8; n++)
        if (RDI - n != RSP)
            gpr_write(c, RDI - n, size, v[n]);
    stack_drop(c, 8 * size);
    return true;
}

/* ENTER copies level-1 frame pointers of the enclosing procedures, then its own (SDM 2A). */
bool x_enter(struct cpu *c, const struct insn *i)
{
    unsigned size = i->opsize, level = i->imm2 & 31;
    uint64_t mask = stack_mask(c), frame, ptr, sp, bp = c->gpr[RBP] & mask;
    gva_t lin;

    frame = sp = (c->gpr[RSP] - size) & mask;
    if (!stack_write(c, sp, size, c->gpr[RBP]))
        return false;
    for (unsigned n = 1; n < level; n++) {
        bp = (bp - size) & mask;
        sp = (sp - size) & mask;
        if (!stack_read(c, bp, size, &ptr) || !stack_write(c, sp, size, ptr))
            return false;
    }
    if (level) {
        sp = (sp - size) & mask;
        if (!stack_write(c, sp, size, frame))
            return false;
    }
    sp = (sp - i->imm) & mask;
    /* The new top of stack must be writable, although nothing is written there. */
    if (!data_linear(c, SEG_SS, sp, size, SEG_WRITE, &lin) ||
        !mem_probe_write(c, lin, size, c->cpl == 3))
        return false;
    gpr_write(c, RBP, size, frame);
    stack_set(c, mask, sp);
    return true;
}

bool x_leave(struct cpu *c, const struct insn *i)
{
    uint64_t mask = stack_mask(c), sp = c->gpr[RBP] & mask, v;

    if (!stack_read(c, sp, i->opsize, &v))
        return false;
    stack_set(c, mask, sp + i->opsize);
    gpr_write(c, RBP, i->opsize, v);
    return true;
}

/* V86 with IOPL < 3 pushes VIF as IF and IOPL 3 when CR4.VME allows the 16-bit form at all (SDM
 * 3B 20.2.7). */
bool x_pushf(struct cpu *c, const struct insn *i)
{
    uint32_t v = cpu_rflags(c) & ~(uint32_t)(EF_RF | EF_VM);

    if (cpu_vm86(c) && !(c->mode & MODE_IOPL_OK)) {
        if (!(c->cr4 & CR4_VME) || i->opsize != 2)
            return cpu_raise(c, VEC_GP, 0);
        v = (v & ~(uint32_t)EF_IF) | EF_IOPL | (c->rflags & EF_VIF ? EF_IF : 0);
    }
    return stack_push(c, v, i->opsize);
}

/* Which bits POPF may change here (SDM 2B, POPF table). */
static uint32_t popf_mask(const struct cpu *c)
{
    uint32_t mask = EF_ARITH | EF_TF | EF_DF | EF_NT | EF_AC | EF_ID;

    if (c->mode & MODE_IOPL_OK)
        mask |= EF_IF;
    if (c->cpl == 0)
        mask |= EF_IOPL;
    return mask;
}

static bool popf_vme(struct cpu *c, uint32_t v)
{
    uint32_t old = cpu_rflags(c), mask = popf_mask(c) & 0xffff;

    if ((v & EF_TF) || ((v & EF_IF) && (old & EF_VIP)))
        return cpu_raise(c, VEC_GP, 0);
    stack_drop(c, 2);
    cpu_set_rflags(c, (old & ~(mask | EF_VIF)) | (v & mask) | (v & EF_IF ? EF_VIF : 0));
    return true;
}

bool x_popf(struct cpu *c, const struct insn *i)
{
    uint32_t old = cpu_rflags(c), mask = popf_mask(c), new;
    uint64_t v;
    bool virtual_if = cpu_vm86(c) && !(c->mode & MODE_IOPL_OK);

    if (virtual_if && (!(c->cr4 & CR4_VME) || i->opsize != 2))
        return cpu_raise(c, VEC_GP, 0);
    if (!stack_top(c, i->opsize, &v))
        return false;
    if (virtual_if)
        return popf_vme(c, (uint32_t)v);
    if (i->opsize == 2)
        mask &= 0xffff;
    stack_drop(c, i->opsize);
    new = (old & ~mask) | ((uint32_t)v & mask);
    new &= ~(uint32_t)EF_RF;
    if (!((old ^ new) & ~(uint32_t)(EF_ARITH | EF_DF | EF_IF | EF_ID))) {
        c->iflag = new >> 9 & 1;
        c->rflags = new & ~(uint32_t)EF_IF;
    } else {
        cpu_set_rflags(c, new);
    }
    return true;
}
