/* Lowerings of PUSHF and POPF, and of reads of segment registers. */
#include "translator/xlate.h"

#include "translator/bt_offsets.h"

enum {
    CC_C = 2,
    CC_Z = 4,
    OP_BT_IMM = 0x0fba,
    EXT_BT = 4,
    OP_SHIFT = 0xc1,
    EXT_SHL = 4,
    EXT_SHR = 5
};

static bool flat_stack(const struct xlate *x, const struct insn *i)
{
    return i->opsize == 4 && xlate_flat_stack(x) && !(i->prefixes & PFX_LOCK);
}

/* Flags into AH (SF ZF AF PF CF) and AL (OF), the guest's EAX into R9. */
static void flags_to_ax(struct emit *em)
{
    emit_mov64(em, H_R9, H_RAX);
    emit8(em, 0x9f); /* lahf */
    emit8(em, 0x0f); /* seto al */
    emit8(em, 0x90);
    emit8(em, 0xc0);
}

/* And back: 7Fh + 1 overflows, SAHF leaves OF alone. */
static void ax_to_flags(struct emit *em)
{
    emit8(em, 0x04); /* add al, 7Fh */
    emit8(em, 0x7f);
    emit8(em, 0x9e); /* sahf */
    emit_mov64(em, H_RAX, H_R9);
}

static void push_r8(struct xlate *x)
{
    const struct gmem next = xlate_stack(x, -4);

    emit_op_g(&x->em, 0x89, H_R8, &next);
    emit_lea32(&x->em, H_R12, H_R12, -4);
}

/* RF and VM are pushed as zero (SDM 2B PUSHF). */
void xlate_flags_image(struct xlate *x)
{
    struct emit *em = &x->em;

    flags_to_ax(em);
    emit_mov32(em, H_R8, H_RAX);
    emit_movzx8(em, H_R10, H_R8);
    emit_op_ri8(em, OP_SHIFT, EXT_SHR, H_R8, 8);
    emit_movzx8(em, H_R8, H_R8);
    emit_op_ri8(em, OP_SHIFT, EXT_SHL, H_R10, 11);
    emit_op_rr(em, 0x09, H_R8, H_R10);
    emit_ldzx8_b(em, H_R10, H_R15, HOT_DF);
    emit_op_ri8(em, OP_SHIFT, EXT_SHL, H_R10, 10);
    emit_op_rr(em, 0x09, H_R8, H_R10);
    emit_ldzx8_b(em, H_R10, H_R14, CPU_IFLAG);
    emit_op_ri8(em, OP_SHIFT, EXT_SHL, H_R10, 9);
    emit_op_rr(em, 0x09, H_R8, H_R10);
    emit_op_b(em, false, 0x0b, H_R8, H_R15, HOT_OTHER);
    ax_to_flags(em);
}

/* Flags and EAX are whole again before the store that may fault. */
bool lower_pushf(struct xlate *x, const struct insn *i)
{
    if (!flat_stack(x, i) || x->adapt != ADAPT_NONE)
        return false;
    xlate_flags_image(x);
    push_r8(x);
    return true;
}

/* R8D -> DF, in the host and in its shadow. */
static void load_df(struct emit *em)
{
    uint8_t *set;

    emit_op_ri8(em, OP_BT_IMM, EXT_BT, H_R8, 10);
    emit_setcc_b(em, CC_C, H_R15, HOT_DF);
    emit8(em, 0xfc); /* cld */
    emit8(em, 0x73); /* jnc over std */
    emit8(em, 0);
    set = em->p - 1;
    emit8(em, 0xfd); /* std */
    emit_patch8(set, em->p);
}

static void load_arith(struct emit *em)
{
    emit_mov64(em, H_R9, H_RAX);
    emit_mov32(em, H_RAX, H_R8);
    emit8(em, 0x88); /* mov ah, al */
    emit8(em, 0xc4);
    emit_op_ri8(em, OP_BT_IMM, EXT_BT, H_R8, 11);
    emit8(em, 0x0f); /* setc al */
    emit8(em, 0x92);
    emit8(em, 0xc0);
    ax_to_flags(em);
}

/* INTR matters only when IF is 1 now: guests that push and pop flags with IF 0 all the time, while
 * an interrupt is pending (GRUB's decompressor), shall not fault each time. Twice RCX: on the way
 * through the poll it must be the guest's. */
static void poll_if_enabled(struct xlate *x, const struct insn *i)
{
    struct emit *em = &x->em;
    uint8_t *disabled;

    emit_mov64(em, H_R10, H_RCX);
    emit_ldzx8_b(em, H_RCX, H_R14, CPU_IFLAG);
    disabled = emit_jecxz(em);
    emit_mov64(em, H_RCX, H_R10);
    xlate_irq_after(x, i);
    emit_patch8(disabled, em->p);
    emit_mov64(em, H_RCX, H_R10);
}

bool xlate_load_flags(struct xlate *x, const struct insn *i, uint32_t must_stay,
                      void (*drop)(struct xlate *x))
{
    struct emit *em = &x->em;
    uint8_t *fast, *done;

    emit_mov32(em, H_R9, H_R8);
    emit_op_b(em, false, 0x33, H_R9, H_R15, HOT_OTHER);
    emit_rex(em, false, 0, 0, H_R9); /* test r9d, imm32 */
    emit8(em, 0xf7);
    emit8(em, 0xc0 | (H_R9 & 7));
    emit32(em, must_stay);
    fast = emit_jcc(em, CC_Z);
    if (!xlate_callout(x, i))
        return false;
    done = emit_jmp(em);
    emit_patch32(fast, em->p);
    emit_op_ri8(em, OP_BT_IMM, EXT_BT, H_R8, 9);
    emit_setcc_b(em, CC_C, H_R14, CPU_IFLAG);
    load_df(em);
    load_arith(em);
    drop(x);
    emit_patch32(done, em->p);
    poll_if_enabled(x, i);
    return true;
}

static void drop_flags(struct xlate *x)
{
    emit_lea32(&x->em, H_R12, H_R12, 4);
}

/* CPL 0: everything may change, but only IF, DF and the arithmetic flags do without leaving the
 * cache. The load is the only access that can fault; after it the old flags are of no interest. */
bool lower_popf(struct xlate *x, const struct insn *i)
{
    const uint32_t must_stay = EF_TF | EF_IOPL | EF_NT | EF_AC | EF_ID;
    const struct gmem top = xlate_stack(x, 0);

    if (!flat_stack(x, i) || (x->mode & (MODE_CPL3 | MODE_CPL12)) || x->adapt != ADAPT_NONE)
        return false;
    emit_op_g(&x->em, 0x8b, H_R8, &top);
    return xlate_load_flags(x, i, must_stay, drop_flags);
}

bool lower_push_seg(struct xlate *x, const struct insn *i)
{
    if (!flat_stack(x, i) || x->adapt != ADAPT_NONE || i->op[0].kind != OPND_SEG)
        return false;
    emit_ld32_b(&x->em, H_R8, H_R15, HOT_SEL + i->op[0].reg * 4);
    push_r8(x);
    return true;
}

bool lower_mov_from_seg(struct xlate *x, const struct insn *i)
{
    if (i->opsize != 4 || i->op[0].kind != OPND_GPR || (i->prefixes & PFX_LOCK) ||
        i->op[1].kind != OPND_SEG)
        return false;
    emit_ld32_b(&x->em, host_gpr(i->op[0].reg), H_R15, HOT_SEL + i->op[1].reg * 4);
    return true;
}
