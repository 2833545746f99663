/* Lowerings of segmented code: control flow, and which lowering an instruction has. */
#include "translator/lowerseg.h"

static uint32_t target_of(const struct xlate *x, const struct insn *i)
{
    uint32_t eip = (uint32_t)(x->rip + i->len + i->imm);

    return i->opsize == 2 ? (uint16_t)eip : eip;
}

static uint32_t next_of(const struct xlate *x, const struct insn *i)
{
    return (uint32_t)x->rip + i->len;
}

static bool near_ok(const struct xlate *x, const struct insn *i)
{
    return (i->opsize == 2 || i->opsize == 4) && !insn_is_far(i) && !(i->prefixes & PFX_LOCK) &&
           x->adapt == ADAPT_NONE;
}

static bool relative_ok(const struct xlate *x, const struct insn *i)
{
    return near_ok(x, i) && i->op[0].kind == OPND_REL && target_of(x, i) <= x->limit;
}

static void leave_to(struct xlate *x, uint8_t *jump, uint32_t eip)
{
    xlate_exit(x, jump, xlate_key(x, eip));
}

static void jump_to(struct xlate *x, uint32_t eip)
{
    leave_to(x, emit_jmp(&x->em), eip);
}

/* Tags have 64 bits, of which 32 are CS's base. Through the jump cache itself, as landings know no
 * base. */
void seg_find_key(struct xlate *x)
{
    struct emit *em = &x->em;
    uint8_t *hit;

    xlate_mark(x, SITE_CHECK);
    emit_add_lea(em, true, H_R8, H_R8, H_R9);
    emit_ld64_b(em, H_R11, H_R15, HOT_CTX);
    emit_mov32(em, H_R9, H_R13);
    emit_crc32(em, H_R9, H_R8);
    emit_shrx(em, H_R9, H_R9, H_R13);
    emit_mov64(em, H_R10, H_RCX);
    emit_op_sib(em, true, 0x8b, H_RCX, H_R11, H_R9, 3, CTX_TAGS);
    emit_add_lea(em, true, H_RCX, H_RCX, H_R8);
    hit = emit_jrcxz(em);
    emit_mov64(em, H_RCX, H_R10);
    xlate_to_stub(x, emit_jmp(em), STUB_INDIRECT);
    emit_patch8(hit, em->p);
    emit_mov64(em, H_RCX, H_R10);
    emit_op_sib(em, false, 0xff, 4, H_R11, H_R9, 3, CTX_HOSTS); /* jmp [r11 + r9*8 + hosts] */
    x->ended = true;
}

/* R8D = EIP in this segment. */
static void emit_indirect(struct xlate *x)
{
    emit_imm64(&x->em, H_R9, xlate_key(x, 0));
    seg_find_key(x);
}

/* R11D = the near target operand. */
static bool load_target(struct xlate *x, const struct insn *i)
{
    if (i->op[0].kind == OPND_GPR) {
        emit_mov32(&x->em, H_R11, host_gpr(i->op[0].reg));
        if (i->opsize == 2)
            emit_movzx16(&x->em, H_R11, H_R11);
        return true;
    }
    if (i->op[0].kind != OPND_MEM || i->op[0].size != i->opsize ||
        !seg_operand(x, i, i->opsize, false))
        return false;
    seg_load_r11(x, i->opsize);
    return true;
}

static void target_from_r11(struct xlate *x, unsigned opsize)
{
    emit_mov32(&x->em, H_R8, H_R11);
    seg_check_target(x, opsize);
}

bool seg_jmp(struct xlate *x, const struct insn *i)
{
    if (!near_ok(x, i))
        return false;
    if (i->op[0].kind == OPND_REL) {
        if (!relative_ok(x, i))
            return false;
        jump_to(x, target_of(x, i));
        x->ended = true;
        return true;
    }
    if (!load_target(x, i))
        return false;
    target_from_r11(x, i->opsize);
    emit_indirect(x);
    return true;
}

bool seg_jcc(struct xlate *x, const struct insn *i)
{
    if (!relative_ok(x, i))
        return false;
    leave_to(x, emit_jcc(&x->em, i->opcode & 15), target_of(x, i));
    if (xlate_is_last(x, i)) {
        jump_to(x, next_of(x, i));
        x->ended = true;
    }
    return true;
}

/* With the count in rCX, or in CX: both ways give the guest its RCX back, from R10. */
static void exit_on_count(struct xlate *x, const struct insn *i, bool taken_if_zero)
{
    struct emit *em = &x->em;
    uint32_t taken = target_of(x, i), next = next_of(x, i);
    uint8_t *zero;

    emit_mov64(em, H_R10, H_RCX);
    if (i->adsize == 2)
        emit_movzx16(em, H_RCX, H_RCX);
    zero = emit_jecxz(em);
    emit_mov64(em, H_RCX, H_R10);
    jump_to(x, taken_if_zero ? next : taken);
    emit_patch8(zero, em->p);
    emit_mov64(em, H_RCX, H_R10);
    jump_to(x, taken_if_zero ? taken : next);
    x->ended = true;
}

bool seg_jcxz(struct xlate *x, const struct insn *i)
{
    if (!relative_ok(x, i) || i->adsize > 4)
        return false;
    exit_on_count(x, i, true);
    return true;
}

/* LOOP only; LOOPE and LOOPNE also test ZF. */
bool seg_loop(struct xlate *x, const struct insn *i)
{
    struct emit *em = &x->em;

    if (!relative_ok(x, i) || i->adsize > 4 || i->opcode != 0xe2)
        return false;
    emit_lea32(em, H_R8, H_RCX, -1);
    seg_put_gpr(x, RCX, i->adsize, H_R8);
    exit_on_count(x, i, false);
    return true;
}

/* All that may fault comes before rSP moves. */
static void push_return(struct xlate *x, const struct insn *i)
{
    int32_t size = i->opsize;

    seg_stack(x, -size, i->opsize);
    if (size == 2)
        emit8(&x->em, 0x66);
    emit_op_x(&x->em, false, 0xc7, 0, H_R9, H_R8);
    if (size == 2) {
        emit8(&x->em, next_of(x, i) & 0xff);
        emit8(&x->em, next_of(x, i) >> 8 & 0xff);
    } else {
        emit32(&x->em, next_of(x, i));
    }
    seg_move_sp(x, -size);
}

bool seg_call(struct xlate *x, const struct insn *i)
{
    if (!near_ok(x, i))
        return false;
    if (i->op[0].kind == OPND_REL) {
        if (!relative_ok(x, i))
            return false;
        push_return(x, i);
        jump_to(x, target_of(x, i));
        x->ended = true;
        return true;
    }
    if (!load_target(x, i))
        return false;
    target_from_r11(x, i->opsize);
    push_return(x, i);
    emit_mov32(&x->em, H_R8, H_R11);
    emit_indirect(x);
    return true;
}

bool seg_ret(struct xlate *x, const struct insn *i)
{
    if (!near_ok(x, i))
        return false;
    seg_stack(x, 0, i->opsize);
    seg_load_r11(x, i->opsize);
    target_from_r11(x, i->opsize);
    seg_move_sp(x, i->opsize + (i->nops ? (int32_t)(uint16_t)i->imm : 0));
    emit_mov32(&x->em, H_R8, H_R11);
    emit_indirect(x);
    return true;
}

lower_fn *const lowerings_seg[NLOWER] = {
    [LOWER_COPY] = seg_copy,
    [LOWER_XCHG] = seg_copy,
    [LOWER_LEA] = seg_lea,
    [LOWER_PUSH] = seg_push,
    [LOWER_POP] = seg_pop,
    [LOWER_LEAVE] = seg_leave,
    [LOWER_JMP] = seg_jmp,
    [LOWER_JCC] = seg_jcc,
    [LOWER_JCXZ] = seg_jcxz,
    [LOWER_LOOP] = seg_loop,
    [LOWER_CALL] = seg_call,
    [LOWER_RET] = seg_ret,
    [LOWER_CLI] = lower_cli,
    [LOWER_STI] = lower_sti,
    [LOWER_NOP] = lower_nop,
    [LOWER_DF] = lower_df,
    [LOWER_PUSHF] = seg_pushf,
    [LOWER_POPF] = seg_popf,
    [LOWER_PUSH_SEG] = seg_push_seg,
    [LOWER_MOV_FROM_SEG] = seg_mov_from_seg,
    [LOWER_LOAD_SEG] = seg_mov_to_seg,
    [LOWER_RDTSC] = lower_rdtsc,
    [LOWER_RDTSCP] = lower_rdtscp,
    [LOWER_MOV_FROM_CR] = lower_mov_from_cr,
    [LOWER_POP_SEG] = seg_pop_seg,
    [LOWER_LOAD_FAR] = seg_load_far,
    [LOWER_STRING] = seg_string,
    [LOWER_FAR_JMP] = seg_far_jmp,
    [LOWER_FAR_CALL] = seg_far_call,
    [LOWER_FAR_RET] = seg_far_ret,
};
