/* Lowerings of 64-bit code: copies, LEA, stack, strings, flags. */
#include "translator/bt_offsets.h"
#include "translator/lower64.h"
#include "translator/reencode.h"

/* RSP as an operand, not in an address. */
static const struct opnd *rsp_operand(const struct insn *i)
{
    for (unsigned k = 0; k < i->nops; k++)
        if (i->op[k].kind == OPND_GPR && i->op[k].reg == RSP)
            return &i->op[k];
    return NULL;
}

static bool append(struct xlate *x, const struct insn *i, const struct hea *a)
{
    unsigned len;

    if (!reencode64(i, a, x->w.s0, x->em.p, &len))
        return false;
    x->em.p += len;
    return true;
}

/* ADD or SUB of a constant. The flags are those of the guest's value, which is computed for them.
 */
static bool step_rsp(struct xlate *x, const struct insn *i)
{
    bool add = (i->modrm >> 3 & 7) == 0;
    bool sub = (i->modrm >> 3 & 7) == 5;
    int64_t n = (int64_t)i->imm;

    if (i->map != 0 || (i->opcode != 0x81 && i->opcode != 0x83) || !(add || sub) ||
        i->opsize != 8 || i->op[0].kind != OPND_GPR || i->op[0].reg != RSP)
        return false;
    x64_guest_rsp(x, x->w.s0);
    return append(x, i, NULL) && x64_move_rsp(x, add ? n : -n);
}

/* S0 stands in for RSP. */
static bool copy_with_rsp(struct xlate *x, const struct insn *i, const struct hea *a)
{
    if (a && (a->base == x->w.s0 || a->index == x->w.s0))
        return false;
    x64_guest_rsp(x, x->w.s0);
    if (!append(x, i, a))
        return false;
    if (i->gpr_written >> RSP & 1)
        x64_set_rsp(x, x->w.s0, x->w.s1);
    return true;
}

static bool lower64_copy(struct xlate *x, const struct insn *i)
{
    bool has_mem = insn_mem(i);
    uint8_t *before = x->em.p;
    struct hea a;

    if (insn_bit_string(i))
        return lower64_bit_string(x, i);
    if ((i->prefixes & PFX_LOCK) && (!has_mem || !(i->row->traits & T_LOCK)))
        return false;
    if (rsp_operand(i) && !has_mem) {
        if (step_rsp(x, i))
            return true;
        x->em.p = before;
    }
    if (has_mem && !x64_resolve(x, i, &a))
        return false;
    if (rsp_operand(i))
        return copy_with_rsp(x, i, has_mem ? &a : NULL);
    return append(x, i, has_mem ? &a : NULL);
}

static void lea_rip(struct xlate *x, unsigned dst, bool wide, uint64_t v)
{
    if (wide && v > UINT32_MAX) {
        emit_imm64(&x->em, dst, v);
        xlate_moves(x, MOVE_RIP64, x->em.p - 8);
    } else {
        emit_imm32(&x->em, dst, (uint32_t)v);
        xlate_moves(x, MOVE_RIP32, x->em.p - 4);
    }
}

static bool lower64_lea(struct xlate *x, const struct insn *i)
{
    unsigned dst = i->op[0].reg == RSP ? x->w.s0 : i->op[0].reg;
    struct hea a = {.base = i->base,
                    .index = i->index,
                    .scale = i->scale ? i->scale : 1,
                    .disp = (int32_t)i->disp,
                    .addr32 = i->adsize == 4};
    bool wide = i->opsize == 8;

    if (i->opsize == 2 || i->op[0].kind != OPND_GPR || (i->prefixes & PFX_LOCK))
        return false;
    if (i->base == BASE_RIP) {
        if (i->adsize != 8)
            return false;
        lea_rip(x, dst, wide, x64_next(x, i) + (uint64_t)i->disp);
    } else if (i->base == RSP && dst == x->w.s0 && i->index == NO_REG && wide && !a.addr32) {
        return x64_move_rsp(x, i->disp);
    } else {
        if (i->base == RSP) {
            x64_guest_rsp(x, x->w.s0);
            a.base = x->w.s0;
        }
        emit_op_h(&x->em, wide, 0x8d, dst, &a);
    }
    if (i->op[0].reg == RSP)
        x64_set_rsp(x, x->w.s0, x->w.s1);
    return true;
}

static bool lower64_nop(struct xlate *x, const struct insn *i)
{
    (void)x;
    return !(i->prefixes & PFX_LOCK);
}

static void operand_size(struct xlate *x, const struct insn *i)
{
    if (i->opsize == 2)
        emit8(&x->em, 0x66);
}

static void push_immediate(struct xlate *x, const struct insn *i)
{
    operand_size(x, i);
    if ((int64_t)i->imm == (int8_t)i->imm) {
        emit8(&x->em, 0x6a);
        emit8(&x->em, (uint8_t)i->imm);
        return;
    }
    emit8(&x->em, 0x68);
    emit8(&x->em, (uint8_t)i->imm);
    emit8(&x->em, (uint8_t)(i->imm >> 8));
    if (i->opsize != 2) {
        emit8(&x->em, (uint8_t)(i->imm >> 16));
        emit8(&x->em, (uint8_t)(i->imm >> 24));
    }
}

static bool lower64_push(struct xlate *x, const struct insn *i)
{
    struct hea a;

    if (x->adapt != ADAPT_NONE || (i->prefixes & PFX_LOCK))
        return false;
    switch (i->op[0].kind) {
    case OPND_GPR:
        if (i->op[0].reg == RSP)
            x64_guest_rsp(x, x->w.s0);
        operand_size(x, i);
        emit_push(&x->em, i->op[0].reg == RSP ? x->w.s0 : i->op[0].reg);
        break;
    case OPND_IMM:
        push_immediate(x, i);
        break;
    case OPND_MEM:
        if (!x64_resolve(x, i, &a))
            return false;
        operand_size(x, i);
        emit_op_h(&x->em, false, 0xff, 6, &a);
        break;
    default:
        return false;
    }
    x64_touched(x);
    return true;
}

/* As the instruction itself does, POP takes [RSP+disp] with RSP already incremented. */
static bool lower64_pop(struct xlate *x, const struct insn *i)
{
    struct hea a;

    if (x->adapt != ADAPT_NONE || (i->prefixes & PFX_LOCK))
        return false;
    if (i->op[0].kind == OPND_GPR && i->op[0].reg != RSP) {
        operand_size(x, i);
        emit_pop(&x->em, i->op[0].reg);
    } else if (i->op[0].kind == OPND_GPR && i->opsize == 8) {
        emit_pop(&x->em, x->w.s0);
        x64_set_rsp(x, x->w.s0, x->w.s1);
    } else if (i->op[0].kind == OPND_MEM && i->base != RSP) {
        if (!x64_resolve(x, i, &a))
            return false;
        operand_size(x, i);
        emit_op_h(&x->em, false, 0x8f, 0, &a);
    } else {
        return false;
    }
    x64_touched(x);
    return true;
}

/* Nothing changes before the load has succeeded. */
static bool lower64_leave(struct xlate *x, const struct insn *i)
{
    const struct hea top = {.base = H_RBP, .index = x->w.s0, .scale = 1, .disp = 0};
    const struct hea above = {.base = H_RBP, .index = x->w.s0, .scale = 1, .disp = 8};
    struct emit *em = &x->em;

    if (i->opsize != 8 || x->adapt != ADAPT_NONE || (i->prefixes & PFX_LOCK))
        return false;
    emit_lookup(em, x->w.s0, H_RBP);
    emit_op_h(em, true, 0x8b, x->w.s1, &top);
    emit_op_h(em, true, 0x8d, H_RSP, &above);
    emit_not64(em, x->w.s0);
    emit_gs_st(em, x->w.s0, HOT_RSP_NOT);
    emit_mov64(em, H_RBP, x->w.s1);
    x64_forget(x, x->w.s1);
    x64_touched(x);
    return true;
}

/* RSI or RDI becomes a host address; hot remembers by how much. */
static void string_pointer(struct xlate *x, bool used, unsigned reg, unsigned scratch,
                           int32_t remember)
{
    if (!used) {
        emit_gs_st64imm(&x->em, remember, 0);
        return;
    }
    emit_lookup(&x->em, scratch, reg);
    emit_gs_st(&x->em, scratch, remember);
}

static void string_back(struct xlate *x, unsigned reg, unsigned scratch)
{
    const struct hea sum = {.base = (uint8_t)reg, .index = (uint8_t)scratch, .scale = 1, .disp = 1};

    emit_not64(&x->em, scratch);
    emit_op_h(&x->em, true, 0x8d, reg, &sum);
}

/* At a fault inside, RSI and RDI are host addresses (SITE_STRING). One that runs over the end of
 * its slot faults in the gap at an exact boundary. */
static bool lower64_string(struct xlate *x, const struct insn *i)
{
    bool src, dst;

    if (!xlate_string_form(i, &src, &dst) || i->adsize != 8 || (i->prefixes & PFX_LOCK) ||
        (src && (i->seg == SEG_FS || i->seg == SEG_GS)))
        return false;
    x64_forget(x, x->w.s1);
    string_pointer(x, src, H_RSI, x->w.s0, HOT_STRSRC);
    string_pointer(x, dst, H_RDI, x->w.s1, HOT_STRDST);
    if (src)
        emit_add_lea(&x->em, true, H_RSI, H_RSI, x->w.s0);
    if (dst)
        emit_add_lea(&x->em, true, H_RDI, H_RDI, x->w.s1);
    xlate_mark(x, SITE_STRING);
    if (i->prefixes & (PFX_REP | PFX_REPNE))
        emit8(&x->em, i->prefixes & PFX_REP ? 0xf3 : 0xf2);
    operand_size(x, i);
    if (i->opsize == 8)
        emit8(&x->em, 0x48);
    emit8(&x->em, i->opcode);
    if (src)
        string_back(x, H_RSI, x->w.s0);
    if (dst)
        string_back(x, H_RDI, x->w.s1);
    return true;
}

static bool lower64_df(struct xlate *x, const struct insn *i)
{
    emit8(&x->em, i->opcode);
    emit_gs_st8imm(&x->em, HOT_DF, i->opcode & 1);
    return !(i->prefixes & PFX_LOCK);
}

static bool lower64_mov_from_seg(struct xlate *x, const struct insn *i)
{
    if (i->op[0].kind != OPND_GPR || i->op[1].kind != OPND_SEG || i->op[0].reg == RSP ||
        (i->prefixes & PFX_LOCK))
        return false;
    if (i->opsize == 2)
        emit8(&x->em, 0x66);
    emit_gs(&x->em, false, 0x8b, i->op[0].reg, HOT_SEL + i->op[1].reg * 4);
    return true;
}

/* Flags into EAX (LAHF, SETO AL); the guest's RAX goes home: PUSHF blocks never borrow it. The flag
 * image is put together in S0 while the real flags are in EAX. */
static bool lower64_pushf(struct xlate *x, const struct insn *i)
{
    struct emit *em = &x->em;
    unsigned r = x->w.s0, t = x->w.s1;
    const struct hea iflag = {.base = (uint8_t)t, .index = H_NONE, .scale = 1, .disp = CPU_IFLAG};

    if (i->opsize != 8 || x->adapt != ADAPT_NONE || (i->prefixes & PFX_LOCK))
        return false;
    x64_forget(x, x->w.s1);
    emit_gs_st(em, H_RAX, HOT_HOME);
    emit8(em, 0x9f); /* lahf; seto al */
    emit8(em, 0x0f);
    emit8(em, 0x90);
    emit8(em, 0xc0);
    emit_mov32(em, r, H_RAX);
    emit_movzx8(em, t, r);
    emit_op_ri8(em, 0xc1, 5, r, 8);
    emit_movzx8(em, r, r);
    emit_op_ri8(em, 0xc1, 4, t, 11);
    emit_op_rr(em, 0x09, r, t);
    emit_gs_ldzx8(em, t, HOT_DF);
    emit_op_ri8(em, 0xc1, 4, t, 10);
    emit_op_rr(em, 0x09, r, t);
    emit_gs_ld(em, t, HOT_CPU);
    emit_op_h(em, false, 0x0fb6, t, &iflag);
    emit_op_ri8(em, 0xc1, 4, t, 9);
    emit_op_rr(em, 0x09, r, t);
    emit_gs(em, false, 0x0b, r, HOT_OTHER);
    emit8(em, 0x04); /* add al, 7Fh; sahf: the flags again */
    emit8(em, 0x7f);
    emit8(em, 0x9e);
    emit_gs_ld(em, H_RAX, HOT_HOME);
    emit_push(em, r);
    x64_touched(x);
    return true;
}

static bool set_iflag(struct xlate *x, uint8_t val)
{
    emit_gs_ld(&x->em, x->w.s0, HOT_CPU);
    emit_st8imm_b(&x->em, x->w.s0, CPU_IFLAG, val);
    return true;
}

static bool lower64_cli(struct xlate *x, const struct insn *i)
{
    return (x->mode & MODE_IOPL_OK) && !(i->prefixes & PFX_LOCK) && set_iflag(x, 0);
}

/* As lower_sti(). */
static bool lower64_sti(struct xlate *x, const struct insn *i)
{
    if (!(x->mode & MODE_IOPL_OK) || (i->prefixes & PFX_LOCK) || xlate_is_last(x, i))
        return false;
    x64_probe(x, HOT_IRQ);
    return set_iflag(x, 1);
}

lower_fn *const lowerings64[NLOWER] = {
    [LOWER_COPY] = lower64_copy,
    [LOWER_XCHG] = lower64_copy,
    [LOWER_LEA] = lower64_lea,
    [LOWER_PUSH] = lower64_push,
    [LOWER_POP] = lower64_pop,
    [LOWER_LEAVE] = lower64_leave,
    [LOWER_STRING] = lower64_string,
    [LOWER_JMP] = lower64_jmp,
    [LOWER_JCC] = lower64_jcc,
    [LOWER_JCXZ] = lower64_jcxz,
    [LOWER_LOOP] = lower64_loop,
    [LOWER_CALL] = lower64_call,
    [LOWER_RET] = lower64_ret,
    [LOWER_CLI] = lower64_cli,
    [LOWER_STI] = lower64_sti,
    [LOWER_NOP] = lower64_nop,
    [LOWER_DF] = lower64_df,
    [LOWER_PUSHF] = lower64_pushf,
    [LOWER_MOV_FROM_SEG] = lower64_mov_from_seg,
    [LOWER_SYSCALL] = lower64_syscall,
    [LOWER_SYSRET] = lower64_sysret,
    [LOWER_IRET] = lower64_iret,
    [LOWER_SWAPGS] = lower64_swapgs,
    [LOWER_RDTSC] = lower64_rdtsc,
    [LOWER_RDTSCP] = lower64_rdtscp,
    [LOWER_MOV_FROM_CR] = lower64_mov_from_cr,
    [LOWER_STORE_SYSTEM] = lower64_store_system,
    [LOWER_LOAD_TABLE] = lower64_load_table,
    [LOWER_MOV_TO_CR] = lower64_mov_to_cr,
    [LOWER_CLTS] = lower64_clts,
    [LOWER_RDMSR] = lower64_rdmsr,
    [LOWER_WRMSR] = lower64_wrmsr,
    [LOWER_CPUID] = lower64_cpuid,
    [LOWER_READ_BASE] = lower64_read_base,
    [LOWER_WRITE_BASE] = lower64_write_base,
    [LOWER_POPF] = lower64_popf,
    [LOWER_LOAD_SEG] = lower64_load_seg,
};
