/* Bit strings of 64-bit code: BT, BTS, BTR, BTC of memory with the offset in a register. */
#include "translator/lower64.h"

static bool width_ok(const struct insn *i)
{
    return i->opsize != 2 && i->adsize == 8 && i->seg != SEG_FS && i->seg != SEG_GS &&
           i->op[1].reg != RSP && !((i->prefixes & PFX_LOCK) && !(i->row->traits & T_LOCK));
}

/* S0 = the address of bit 0 */
static void first_bit(struct xlate *x, const struct insn *i)
{
    struct hea a = {.base = i->base == NO_REG ? H_NONE : i->base,
                    .index = i->index == NO_REG ? H_NONE : i->index,
                    .scale = i->scale ? i->scale : 1,
                    .disp = (int32_t)i->disp};

    if (i->base == BASE_RIP) {
        emit_imm64(&x->em, x->w.s0, x64_next(x, i) + (uint64_t)i->disp);
        xlate_moves(x, MOVE_RIP64, x->em.p - 8);
        return;
    }
    if (i->base == RSP) {
        x64_guest_rsp(x, x->w.s0);
        a.base = x->w.s0;
    }
    emit_op_h(&x->em, true, 0x8d, x->w.s0, &a);
}

/* The offset moves the address by up to 2^60 bytes, so what is looked up is the byte with the bit
 * (SDM 2A, BT; pitfalls A3); the access is of the operand that has it, which may begin up to seven
 * bytes before it: in the slot, or in the gap below. */
bool lower64_bit_string(struct xlate *x, const struct insn *i)
{
    const struct hea at = {.base = x->w.s0, .index = x->w.s1, .scale = 1};
    bool wide = i->opsize == 8;
    struct emit *em = &x->em;

    if (!width_ok(i))
        return false;
    x64_forget(x, x->w.s1);
    first_bit(x, i);
    emit_imm32(em, x->w.s1, 3);
    emit_sarx(em, wide, x->w.s1, i->op[1].reg, x->w.s1);
    if (!wide)
        emit_movsxd(em, x->w.s1, x->w.s1);
    emit_add_lea(em, true, x->w.s1, x->w.s0, x->w.s1);
    emit_lookup(em, x->w.s1, x->w.s1);
    if (i->prefixes & PFX_LOCK)
        emit8(em, 0xf0);
    emit_op_h(em, wide, 0x0f00u | i->opcode, i->op[1].reg, &at);
    return true;
}
