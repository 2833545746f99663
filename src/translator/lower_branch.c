/* Lowerings of control flow and of the interrupt flag. */
#include "translator/xlate.h"

#include "translator/bt_offsets.h"

static uint32_t target_of(const struct xlate *x, const struct insn *i)
{
    return (uint32_t)(x->rip + i->len + i->imm);
}

/* R8D = guest target: to where it lands. */
static void emit_indirect(struct xlate *x)
{
    static const struct hea at = {.base = H_NONE, .index = H_R9, .scale = 8};
    struct emit *em = &x->em;

    xlate_mark(x, SITE_CHECK);
    emit_ld64_b(em, H_R9, H_R15, HOT_LANDINGS);
    emit_mov16(em, H_R9, H_R8);
    emit_op_h(em, false, 0xff, 4, &at); /* jmp [r9 * 8] */
    x->ended = true;
}

/* R8D = the near target operand. */
static bool load_target(struct xlate *x, const struct insn *i)
{
    struct gmem m;

    if (i->op[0].kind == OPND_GPR) {
        emit_mov32(&x->em, H_R8, host_gpr(i->op[0].reg));
        return true;
    }
    if (i->op[0].kind != OPND_MEM || i->op[0].size != 4)
        return false;
    if (xlate_gmem(x, i, &m)) {
        emit_op_g(&x->em, 0x8b, H_R8, &m);
        return true;
    }
    if (!xlate_linear(x, i))
        return false;
    emit_op_x(&x->em, false, 0x8b, H_R8, H_R9, H_R8);
    return true;
}

static bool near32(const struct insn *i)
{
    return i->opsize == 4 && !insn_is_far(i) && !(i->prefixes & PFX_LOCK);
}

bool lower_jmp(struct xlate *x, const struct insn *i)
{
    if (!near32(i))
        return false;
    if (i->op[0].kind == OPND_REL) {
        xlate_exit(x, emit_jmp(&x->em), target_of(x, i));
        x->ended = true;
        return true;
    }
    if (!load_target(x, i))
        return false;
    emit_indirect(x);
    return true;
}

/* Both ways out of a conditional: the branch, then the fall-through jump. */
static void two_exits(struct xlate *x, const struct insn *i, uint8_t *taken)
{
    xlate_exit(x, taken, target_of(x, i));
    xlate_exit(x, emit_jmp(&x->em), (uint32_t)x->rip + i->len);
    x->ended = true;
}

bool lower_jcc(struct xlate *x, const struct insn *i)
{
    if (!near32(i))
        return false;
    if (xlate_is_last(x, i))
        two_exits(x, i, emit_jcc(&x->em, i->opcode & 15));
    else
        xlate_exit(x, emit_jcc(&x->em, i->opcode & 15), target_of(x, i));
    return true;
}

/* With ECX as the count: JECXZ over a jump, so that both ways have a rel32. */
static void exit_on_ecx(struct xlate *x, const struct insn *i, bool taken_if_zero)
{
    struct emit *em = &x->em;
    uint8_t *zero = emit_jecxz(em);
    uint32_t taken = target_of(x, i), next = (uint32_t)x->rip + i->len;

    xlate_exit(x, emit_jmp(em), taken_if_zero ? next : taken);
    emit_patch8(zero, em->p);
    xlate_exit(x, emit_jmp(em), taken_if_zero ? taken : next);
    x->ended = true;
}

bool lower_jcxz(struct xlate *x, const struct insn *i)
{
    if (!near32(i) || i->adsize != 4)
        return false;
    exit_on_ecx(x, i, true);
    return true;
}

/* LOOP only; LOOPE and LOOPNE also test ZF. */
bool lower_loop(struct xlate *x, const struct insn *i)
{
    if (!near32(i) || i->adsize != 4 || i->opcode != 0xe2)
        return false;
    emit_lea32(&x->em, H_RCX, H_RCX, -1);
    exit_on_ecx(x, i, false);
    return true;
}

static void push_return(struct xlate *x, const struct insn *i)
{
    const struct gmem slot = xlate_stack(x, -4);

    emit_op_g(&x->em, 0xc7, 0, &slot);
    emit32(&x->em, (uint32_t)x->rip + i->len);
    xlate_moves(x, MOVE_RIP32, x->em.p - 4);
    xlate_move_esp(x, -4);
    xlate_settle_esp(x);
}

bool lower_call(struct xlate *x, const struct insn *i)
{
    if (!near32(i) || !xlate_flat_stack(x))
        return false;
    if (i->op[0].kind == OPND_REL) {
        push_return(x, i);
        xlate_exit(x, emit_jmp(&x->em), target_of(x, i));
        x->ended = true;
        return true;
    }
    if (!load_target(x, i))
        return false;
    push_return(x, i);
    emit_indirect(x);
    return true;
}

bool lower_ret(struct xlate *x, const struct insn *i)
{
    const struct gmem top = xlate_stack(x, 0);

    if (!near32(i) || !xlate_flat_stack(x) || x->adapt != ADAPT_NONE)
        return false;
    emit_op_g(&x->em, 0x8b, H_R8, &top);
    xlate_move_esp(x, 4 + (i->nops ? (int32_t)(uint16_t)i->imm : 0));
    xlate_settle_esp(x);
    emit_indirect(x);
    return true;
}

bool lower_cli(struct xlate *x, const struct insn *i)
{
    if (!(x->mode & MODE_IOPL_OK) || (i->prefixes & PFX_LOCK))
        return false;
    emit_st8imm_b(&x->em, H_R14, CPU_IFLAG, 0);
    return true;
}

/* When INTR is asserted, the probe faults and STI is interpreted, which knows the shadow of one
 * instruction (SDM 2B STI). When it is not, nothing can be due before a device raises it, in a
 * callout or after a kick, and both look. Between blocks is such a place, so the instruction in the
 * shadow has to be in this one. */
bool lower_sti(struct xlate *x, const struct insn *i)
{
    if (!(x->mode & MODE_IOPL_OK) || (i->prefixes & PFX_LOCK) || xlate_is_last(x, i))
        return false;
    xlate_probe(x, HOT_IRQ);
    emit_st8imm_b(&x->em, H_R14, CPU_IFLAG, 1);
    return true;
}
