/* Loads of segment registers and far transfers in real mode and V86, where a selector * 16 is the
 * base (SDM 3A 20.1.1). */
#include "translator/lowerseg.h"

/* The way around a callout, for a segment of which only selector and base change (hot.seg_odd).
 * False: not to be done here. */
static bool begin_plain(struct xlate *x, const struct insn *i, unsigned seg, uint8_t **plain)
{
    struct emit *em = &x->em;

    if ((x->mode & (MODE_PE | MODE_VM)) == MODE_PE || x->adapt != ADAPT_NONE ||
        (i->prefixes & PFX_LOCK) || i->opsize > 4)
        return false;
    emit_mov64(em, H_R10, H_RCX);
    emit_ldzx8_b(em, H_RCX, H_R15, HOT_SEGODD + (int32_t)seg);
    *plain = emit_jecxz(em);
    emit_mov64(em, H_RCX, H_R10);
    return xlate_callout(x, i);
}

static void end_plain(struct xlate *x, uint8_t *plain)
{
    emit_patch8(plain, x->em.p);
    emit_mov64(&x->em, H_RCX, H_R10);
}

/* Returns what finish_load() needs; NULL: not to be done here. */
static uint8_t *begin_load(struct xlate *x, const struct insn *i, unsigned seg)
{
    struct emit *em = &x->em;
    uint8_t *plain, *done;

    if (seg == SEG_CS || seg == SEG_SS || !begin_plain(x, i, seg, &plain))
        return NULL;
    done = emit_jmp(em);
    end_plain(x, plain);
    return done;
}

/* R11D = the selector; R8D becomes the base. R9 is used. */
static void set_segment(struct xlate *x, unsigned seg)
{
    struct emit *em = &x->em;
    int32_t at = CPU_SEG + (int32_t)seg * 24;

    emit_st32_b(em, H_R11, H_R15, HOT_SEL + (int32_t)seg * 4);
    emit8(em, 0x66);
    emit_st32_b(em, H_R11, H_R14, at);
    emit_lea_scaled(em, false, H_R8, H_R11, 3, 0);
    emit_add_lea(em, false, H_R8, H_R8, H_R8);
    emit_op_b(em, true, 0x89, H_R8, H_R14, at + SEG_BASE);
    emit_ld64_b(em, H_R9, H_R15, HOT_WINDOW);
    emit_add_lea(em, true, H_R9, H_R9, H_R8);
    emit_op_b(em, true, 0x89, H_R9, H_R15, seg_place(seg));
}

static void finish_load(struct xlate *x, uint8_t *done)
{
    emit_patch32(done, x->em.p);
}

bool seg_mov_to_seg(struct xlate *x, const struct insn *i)
{
    unsigned seg = i->op[0].reg;
    uint8_t *done = begin_load(x, i, seg);

    if (!done)
        return false;
    if (i->op[1].kind == OPND_MEM) {
        if (!seg_operand(x, i, 2, false))
            return false;
        seg_load_r11(x, 2);
    } else {
        emit_movzx16(&x->em, H_R11, host_gpr(i->op[1].reg));
    }
    set_segment(x, seg);
    finish_load(x, done);
    return true;
}

bool seg_pop_seg(struct xlate *x, const struct insn *i)
{
    unsigned seg = i->op[0].reg;
    uint8_t *done = begin_load(x, i, seg);

    if (!done || !seg_stack_ok(x, i))
        return false;
    seg_stack(x, 0, i->opsize);
    seg_load_r11(x, i->opsize);
    emit_movzx16(&x->em, H_R11, H_R11);
    set_segment(x, seg);
    seg_move_sp(x, i->opsize);
    finish_load(x, done);
    return true;
}

/* By opcode: C4 LES, C5 LDS; 0F B4 LFS, 0F B5 LGS. */
static unsigned far_segment(const struct insn *i)
{
    if (i->map == 0)
        return i->opcode == 0xc4 ? SEG_ES : SEG_DS;
    return i->opcode == 0xb4 ? SEG_FS : SEG_GS;
}

bool seg_load_far(struct xlate *x, const struct insn *i)
{
    struct emit *em = &x->em;
    unsigned seg = far_segment(i);
    uint8_t *done = begin_load(x, i, seg);

    if (!done || i->op[0].kind != OPND_GPR || !seg_operand(x, i, i->opsize + 2u, false))
        return false;
    seg_load_r11(x, i->opsize);
    emit_mov32(em, H_R10, H_R11);
    emit_lea32(em, H_R8, H_R8, i->opsize);
    seg_load_r11(x, 2);
    set_segment(x, seg);
    seg_put_gpr(x, i->op[0].reg, i->opsize, H_R10);
    finish_load(x, done);
    return true;
}

/* ---- far transfers ---- */

/* A terminator's callout always leaves. */
static bool begin_far(struct xlate *x, const struct insn *i)
{
    uint8_t *plain;

    if (!begin_plain(x, i, SEG_CS, &plain))
        return false;
    emit8(&x->em, 0x0f); /* ud2 */
    emit8(&x->em, 0x0b);
    end_plain(x, plain);
    return true;
}

/* The two halves of R11D: IP to R10D, the selector stays. */
static void split_far_pointer(struct xlate *x)
{
    emit_movzx16(&x->em, H_R10, H_R11);
    emit_rorx(&x->em, false, H_R11, H_R11, 16);
    emit_movzx16(&x->em, H_R11, H_R11);
}

/* To the selector in R11D and the IP in R10D. */
static void go_far(struct xlate *x)
{
    set_segment(x, SEG_CS);
    emit_rorx(&x->em, true, H_R9, H_R8, 32);
    emit_mov32(&x->em, H_R8, H_R10);
    seg_find_key(x);
}

static void go_far_fixed(struct xlate *x, const struct insn *i)
{
    uint64_t base = (uint64_t)i->imm2 << 4;

    emit_imm32(&x->em, H_R11, i->imm2);
    set_segment(x, SEG_CS);
    xlate_exit(x, emit_jmp(&x->em), base << 32 | (uint32_t)i->imm);
    x->ended = true;
}

static bool fixed_ok(const struct insn *i)
{
    return i->op[0].kind == OPND_FAR && (uint32_t)i->imm <= 0xffff;
}

static bool memory_ok(const struct insn *i)
{
    return i->op[0].kind == OPND_MEM && i->opsize == 2;
}

/* CS and IP, 16 bits each, are one operand: what wraps in between is interpreted. */
static void push_far_return(struct xlate *x, const struct insn *i)
{
    struct emit *em = &x->em;

    seg_stack(x, -4, 4);
    emit_imm32(em, H_R11, (uint16_t)(x->rip + i->len));
    seg_store_r11(x, 2);
    emit_ld32_b(em, H_R11, H_R15, HOT_SEL + SEG_CS * 4);
    emit_lea32(em, H_R8, H_R8, 2);
    seg_store_r11(x, 2);
    seg_move_sp(x, -4);
}

bool seg_far_jmp(struct xlate *x, const struct insn *i)
{
    if (!(fixed_ok(i) || memory_ok(i)) || !begin_far(x, i))
        return false;
    if (fixed_ok(i)) {
        go_far_fixed(x, i);
        return true;
    }
    if (!seg_operand(x, i, 4, false))
        return false;
    seg_load_r11(x, 4);
    split_far_pointer(x);
    go_far(x);
    return true;
}

/* A pointer in memory would need a register more: it is a callout. */
bool seg_far_call(struct xlate *x, const struct insn *i)
{
    if (!fixed_ok(i) || i->opsize != 2 || !begin_far(x, i))
        return false;
    push_far_return(x, i);
    go_far_fixed(x, i);
    return true;
}

bool seg_far_ret(struct xlate *x, const struct insn *i)
{
    if (i->opsize != 2 || !begin_far(x, i))
        return false;
    seg_stack(x, 0, 4);
    seg_load_r11(x, 4);
    seg_move_sp(x, 4 + (i->nops ? (int32_t)(uint16_t)i->imm : 0));
    split_far_pointer(x);
    go_far(x);
    return true;
}
