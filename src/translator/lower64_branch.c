/* Lowerings of 64-bit code: control flow. */
#include <string.h>

#include "translator/bt_offsets.h"
#include "translator/lower64.h"

static uint64_t target_of(const struct xlate *x, const struct insn *i)
{
    return x64_next(x, i) + i->imm;
}

static bool near64(const struct xlate *x, const struct insn *i)
{
    if (i->op[0].kind == OPND_REL && !canonical(target_of(x, i)))
        return false;
    return i->opsize == 8 && !insn_is_far(i) && !(i->prefixes & PFX_LOCK);
}

/* Should the target not be canonical: bt64_undo_branch(). Nothing else tells who jumped. */
static void emit_branch_name(struct xlate *x, enum bt_branch did)
{
    uint32_t at = (uint32_t)(codemem_to_rx(&x->e->code, x->em.p) - x->e->code.rx);

    emit_gs_st32imm(&x->em, HOT_BRANCH, at << BT_BRANCH_SHIFT | did);
    xlate_moves(x, MOVE_BRANCH, x->em.p - 4);
}

/* R11 = S1 = guest target; registers as the next block wants them; then to where it lands. */
static void emit_indirect(struct xlate *x, enum bt_branch did)
{
    static const struct hea at = {.base = H_NONE, .index = H_R10, .scale = 8};
    struct emit *em = &x->em;

    x64_settle(x);
    xlate_mark(x, SITE_CHECK);
    x64_send_home(x);
    if (x->w.s1 != H_R11)
        emit_mov64(em, H_R11, x->w.s1);
    x64_give_back(x);
    emit_branch_name(x, did);
    emit_gs_ld(em, H_R10, HOT_LANDINGS);
    emit_mov16(em, H_R10, H_R11);
    emit_op_h(em, false, 0xff, 4, &at); /* jmp [r10 * 8] */
    x->ended = true;
}

static bool load_target(struct xlate *x, const struct insn *i)
{
    struct hea a;

    if (i->op[0].kind == OPND_GPR) {
        if (i->op[0].reg == RSP)
            return false;
        emit_mov64(&x->em, x->w.s1, i->op[0].reg);
        x64_forget(x, x->w.s1);
        return true;
    }
    if (i->op[0].kind != OPND_MEM || i->op[0].size != 8 || !x64_resolve(x, i, &a))
        return false;
    emit_op_h(&x->em, true, 0x8b, x->w.s1, &a);
    x64_forget(x, x->w.s1);
    return true;
}

/* Does the way to `target` stay in the loop, with its deltas? Then the exit gets an open form. */
static bool stays(const struct xlate *x, uint64_t target)
{
    return x->w.loop && bt_loop_find(x->b->page, target, x->mode) == x->w.loop &&
           target >> PAGE_SHIFT == x->b->rip >> PAGE_SHIFT && x64_keys_held(x);
}

/* The exit that was just made may be taken with the registers as they are, by the branch with the
 * rel32 `jump`. */
static void open_exit(struct xlate *x, uint8_t *jump)
{
    x->opens[x->nexits - 1] = (struct bt_open){.jump = jump};
}

static bool nothing_to_close(const struct xlate *x)
{
    return !x->b->borrowed && !(x->b->loaded & x->w.written);
}

void x64_exit_to(struct xlate *x, uint64_t target)
{
    bool open = stays(x, target);
    uint8_t *at;

    if (open && !nothing_to_close(x)) {
        at = x->em.p + 1;
        memcpy(x->em.p, emit_nop5, sizeof(emit_nop5));
        x->em.p += sizeof(emit_nop5);
        x64_close(x);
        xlate_exit(x, emit_jmp(&x->em), target);
        open_exit(x, at);
        return;
    }
    x64_close(x);
    at = emit_jmp(&x->em);
    xlate_exit(x, at, target);
    if (open)
        open_exit(x, at);
}

bool lower64_jmp(struct xlate *x, const struct insn *i)
{
    if (!near64(x, i))
        return false;
    if (i->op[0].kind == OPND_REL) {
        x64_settle(x);
        x64_exit_to(x, target_of(x, i));
        x->ended = true;
        return true;
    }
    if (!load_target(x, i))
        return false;
    emit_indirect(x, BT_JUMPED);
    return true;
}

/* The way of a branch that is taken: straight to its target, or by way of a place that puts the
 * registers back. */
static void side_exit(struct xlate *x, uint8_t *branch, uint64_t target)
{
    bool open = stays(x, target);

    xlate_exit(x, branch, target);
    if (open)
        open_exit(x, branch);
    if (!nothing_to_close(x))
        x->w.side[x->w.nsides++] =
            (struct x64_side){.branch = branch, .exit = x->nexits - 1, .rip = x->rip};
}

bool lower64_jcc(struct xlate *x, const struct insn *i)
{
    if (!near64(x, i))
        return false;
    x64_settle(x);
    side_exit(x, emit_jcc(&x->em, i->opcode & 15), target_of(x, i));
    if (xlate_is_last(x, i)) {
        x64_exit_to(x, x64_next(x, i));
        x->ended = true;
    }
    return true;
}

static bool exit_on_rcx(struct xlate *x, const struct insn *i, bool taken_if_zero)
{
    struct emit *em = &x->em;
    uint64_t taken = target_of(x, i), next = x64_next(x, i);
    uint8_t *zero = i->adsize == 8 ? emit_jrcxz(em) : emit_jecxz(em);

    x64_exit_to(x, taken_if_zero ? next : taken);
    emit_patch8(zero, em->p);
    x64_exit_to(x, taken_if_zero ? taken : next);
    x->ended = true;
    return true;
}

bool lower64_jcxz(struct xlate *x, const struct insn *i)
{
    if (!near64(x, i))
        return false;
    x64_settle(x);
    return exit_on_rcx(x, i, true);
}

bool lower64_loop(struct xlate *x, const struct insn *i)
{
    if (!near64(x, i) || i->opcode != 0xe2)
        return false;
    x64_settle(x);
    if (i->adsize == 8)
        emit_lea64(&x->em, H_RCX, H_RCX, -1);
    else
        emit_lea32(&x->em, H_RCX, H_RCX, -1);
    return exit_on_rcx(x, i, false);
}

static void push_return(struct xlate *x, const struct insn *i)
{
    uint64_t next = x64_next(x, i);

    if (next == (uint64_t)(int64_t)(int32_t)next) {
        emit8(&x->em, 0x68);
        emit32(&x->em, (uint32_t)next);
    } else {
        emit_imm64(&x->em, x->w.s0, next);
        xlate_moves(x, MOVE_RIP64, x->em.p - 8);
        emit_push(&x->em, x->w.s0);
    }
    x64_touched(x);
}

bool lower64_call(struct xlate *x, const struct insn *i)
{
    if (!near64(x, i))
        return false;
    if (i->op[0].kind == OPND_REL) {
        push_return(x, i);
        x64_exit_to(x, target_of(x, i));
        x->ended = true;
        return true;
    }
    if (!load_target(x, i))
        return false;
    push_return(x, i);
    emit_indirect(x, BT_CALLED);
    return true;
}

/* RET imm16, which no compiler emits, would have to prove the new RSP before it is committed. */
bool lower64_ret(struct xlate *x, const struct insn *i)
{
    if (!near64(x, i) || x->adapt != ADAPT_NONE || i->nops)
        return false;
    emit_pop(&x->em, x->w.s1);
    x64_touched(x);
    emit_indirect(x, BT_RETURNED);
    return true;
}
