/* Lowerings of instructions that move and compute: IDENT copies, LEA, stack, strings. */
#include "translator/xlate.h"

#include <string.h>

#include "translator/bt_offsets.h"

/* CS overrides are rare and code may be execute-only, which no mode bit says: they are callouts. */
static bool seg_is_flat(const struct xlate *x, const struct insn *i)
{
    static const uint32_t need[NSEG] = {
        [SEG_ES] = MODE_FLAT_ES, [SEG_SS] = MODE_FLAT_SS, [SEG_DS] = MODE_FLAT_DS};

    return need[i->seg] && (x->mode & need[i->seg]);
}

/* How far [R12 + disp] is from the operand. */
static int32_t esp_of(const struct xlate *x, const struct insn *i)
{
    return i->base == RSP ? x->esp : 0;
}

static struct gmem operand_address(const struct xlate *x, const struct insn *i)
{
    return (struct gmem){
        .base = i->base == NO_REG ? H_NONE : (uint8_t)host_gpr(i->base),
        .index = i->index == NO_REG ? H_NONE : i->index,
        .scale = i->scale ? i->scale : 1,
        .disp = (int32_t)((uint32_t)i->disp + (uint32_t)esp_of(x, i)),
    };
}

/* An instruction between the one that sets the flags and the branch would keep the CPU from fusing
 * them. */
static bool before_jcc(const struct xlate *x, const struct insn *i)
{
    return !xlate_is_last(x, i) && i[1].row->lower == LOWER_JCC;
}

/* As far as an entry of the map can say. */
enum { MAX_ESP = 4 * INT8_MAX };

void xlate_settle_esp(struct xlate *x)
{
    if (x->esp)
        emit_lea32(&x->em, H_R12, H_R12, x->esp);
    x->esp = 0;
}

void xlate_move_esp(struct xlate *x, int32_t n)
{
    x->esp += n;
    if (x->esp % 4 || x->esp > MAX_ESP || x->esp < -MAX_ESP)
        xlate_settle_esp(x);
}

bool xlate_rides_esp(const struct xlate *x, const struct insn *i)
{
    static const bool rides[NLOWER] = {
        [LOWER_COPY] = true, [LOWER_XCHG] = true, [LOWER_LEA] = true, [LOWER_PUSH] = true,
        [LOWER_POP] = true,  [LOWER_CALL] = true, [LOWER_RET] = true, [LOWER_NOP] = true,
    };

    for (unsigned k = 0; k < i->nops; k++)
        if (i->op[k].kind == OPND_GPR && i->op[k].reg == RSP)
            return false;
    return rides[i->row->lower] && !before_jcc(x, i);
}

bool xlate_gmem(const struct xlate *x, const struct insn *i, struct gmem *m)
{
    if (i->adsize != 4 || !seg_is_flat(x, i) || (x->adapt != ADAPT_NONE && x->adapt != ADAPT_WRAP))
        return false;
    *m = operand_address(x, i);
    m->wraps = x->adapt == ADAPT_WRAP;
    return true;
}

/* R9 = base of the window that probably shows the linear address in `lin`. R11 is used. */
static void emit_view_base(struct xlate *x, unsigned dst, unsigned lin)
{
    struct emit *em = &x->em;

    emit_shrx(em, dst, lin, H_R13);
    emit_ld64_b(em, H_R11, H_R15, HOT_VIEWTAB);
    emit_ldzx8_x(em, dst, H_R11, dst);
    emit_op_sib(em, true, 0x8b, dst, H_R15, dst, 3, HOT_BASE);
}

/* R8D = the segment's base + m. R9 is used. */
static void linear_of(struct xlate *x, unsigned seg, struct gmem *m)
{
    emit_ld32_b(&x->em, H_R9, H_R15, HOT_SEGBASE + (int32_t)seg * 4);
    if (m->index == H_NONE) {
        m->index = H_R9;
        m->scale = 1;
        emit_lea_g(&x->em, H_R8, m);
    } else {
        emit_lea_g(&x->em, H_R8, m);
        emit_add_lea(&x->em, false, H_R8, H_R8, H_R9);
    }
}

bool xlate_linear(struct xlate *x, const struct insn *i)
{
    struct emit *em = &x->em;
    struct gmem m = operand_address(x, i);
    bool fs_gs = i->seg == SEG_FS || i->seg == SEG_GS;

    if (i->adsize != 4 || (!fs_gs && !seg_is_flat(x, i)) ||
        (fs_gs && x->adapt != ADAPT_NONE && x->adapt != ADAPT_WRAP))
        return false;
    if (fs_gs) {
        linear_of(x, i->seg, &m);
        emit_ld64_b(em, H_R9, H_R15, HOT_SEGWIN + i->seg * 8);
    } else {
        emit_lea_g(em, H_R8, &m);
        emit_view_base(x, H_R9, H_R8);
    }
    return true;
}

bool xlate_append(struct xlate *x, const struct insn *i, const struct remem *mem)
{
    unsigned len;

    if (!reencode(i, mem, x->em.p, &len))
        return false;
    x->em.p += len;
    return true;
}

/* [window + the segment's base + disp], which falls into a gap where the sum would wrap. */
static bool copy_of_thread(struct xlate *x, const struct insn *i)
{
    const struct remem mem = {
        .kind = REMEM_INDEX, .base = H_R9, .index = H_R8, .disp = (int32_t)i->disp};

    if ((i->seg != SEG_FS && i->seg != SEG_GS) || i->adsize != 4 || x->adapt != ADAPT_NONE ||
        i->base != NO_REG || i->index != NO_REG || mem.disp < -EMIT_BELOW)
        return false;
    emit_ld32_b(&x->em, H_R8, H_R15, HOT_SEGBASE + i->seg * 4);
    emit_ld64_b(&x->em, H_R9, H_R15, HOT_SEGWIN + i->seg * 8);
    return xlate_append(x, i, &mem);
}

bool lower_copy(struct xlate *x, const struct insn *i)
{
    const struct remem window = {
        .kind = REMEM_WINDOW, .disp = esp_of(x, i), .wraps = x->adapt == ADAPT_WRAP};
    static const struct remem linear = {.kind = REMEM_INDEX, .base = H_R9, .index = H_R8};
    uint8_t *before = x->em.p;
    struct gmem m;

    if ((i->prefixes & PFX_LOCK) && !(i->row->traits & T_LOCK))
        return false;
    if ((i->row->traits & T_ALL_VECTORS) && (x->mode & MODE_LMA))
        return false; /* here all are sixteen, in compatibility mode eight */
    if (!insn_mem(i))
        return !(i->prefixes & PFX_LOCK) && xlate_append(x, i, NULL);
    if (xlate_gmem(x, i, &m))
        return xlate_append(x, i, &window);
    if (copy_of_thread(x, i))
        return true;
    x->em.p = before;
    return xlate_linear(x, i) && xlate_append(x, i, &linear);
}

bool lower_lea(struct xlate *x, const struct insn *i)
{
    struct gmem m = operand_address(x, i);

    if (i->adsize != 4 || i->opsize != 4 || i->op[0].kind != OPND_GPR)
        return false;
    emit_lea_g(&x->em, host_gpr(i->op[0].reg), &m);
    return true;
}

bool lower_nop(struct xlate *x, const struct insn *i)
{
    (void)x;
    return !(i->prefixes & PFX_LOCK);
}

/* Loads a 32-bit memory operand into R8D. */
static bool load_operand(struct xlate *x, const struct insn *i)
{
    struct gmem m;

    if (xlate_gmem(x, i, &m)) {
        emit_op_g(&x->em, 0x8b, H_R8, &m);
        return true;
    }
    if (!xlate_linear(x, i))
        return false;
    emit_op_x(&x->em, false, 0x8b, H_R8, H_R9, H_R8);
    return true;
}

static bool stack_ok(const struct xlate *x, const struct insn *i)
{
    return i->opsize == 4 && xlate_flat_stack(x) && x->adapt == ADAPT_NONE;
}

struct gmem xlate_stack(const struct xlate *x, int32_t off)
{
    return (struct gmem){.base = H_R12, .index = H_NONE, .scale = 1, .disp = x->esp + off};
}

bool lower_push(struct xlate *x, const struct insn *i)
{
    const struct gmem next = xlate_stack(x, -4);
    struct emit *em = &x->em;

    if (!stack_ok(x, i))
        return false;
    switch (i->op[0].kind) {
    case OPND_GPR:
        emit_op_g(em, 0x89, host_gpr(i->op[0].reg), &next);
        break;
    case OPND_IMM:
        emit_op_g(em, 0xc7, 0, &next);
        emit32(em, (uint32_t)i->imm);
        break;
    case OPND_MEM:
        if (!load_operand(x, i))
            return false;
        emit_op_g(em, 0x89, H_R8, &next);
        break;
    default:
        return false;
    }
    xlate_move_esp(x, -4);
    return true;
}

/* POP mem computes its address with ESP already incremented (SDM 2B POP). */
static bool pop_memory(struct xlate *x, const struct insn *i)
{
    const struct gmem top = xlate_stack(x, 0);
    struct gmem m;

    if (i->seg == SEG_CS || !xlate_gmem(x, i, &m)) /* code is not writable */
        return false;
    if (i->base == RSP)
        m.disp += 4;
    emit_op_g(&x->em, 0x8b, H_R8, &top);
    emit_op_g(&x->em, 0x89, H_R8, &m);
    xlate_move_esp(x, 4);
    return true;
}

bool lower_pop(struct xlate *x, const struct insn *i)
{
    const struct gmem top = xlate_stack(x, 0);

    if (!stack_ok(x, i))
        return false;
    if (i->op[0].kind == OPND_MEM)
        return pop_memory(x, i);
    if (i->op[0].kind != OPND_GPR)
        return false;
    emit_op_g(&x->em, 0x8b, host_gpr(i->op[0].reg), &top);
    if (i->op[0].reg != RSP)
        xlate_move_esp(x, 4);
    return true;
}

bool lower_leave(struct xlate *x, const struct insn *i)
{
    static const struct gmem frame = {.base = H_RBP, .index = H_NONE, .scale = 1, .disp = 0};

    if (!stack_ok(x, i))
        return false;
    emit_op_g(&x->em, 0x8b, H_R8, &frame);
    emit_lea32(&x->em, H_R12, H_RBP, 4);
    emit_mov32(&x->em, H_RBP, H_R8);
    return true;
}

struct string_form {
    bool src, dst; /* uses DS:ESI, ES:EDI */
};

/* By opcode: A4-A7 MOVS CMPS, AA-AF STOS LODS SCAS. */
static const struct string_form string_forms[16] = {
    [4] = {true, true},   [5] = {true, true},   [6] = {true, true},   [7] = {true, true},
    [10] = {false, true}, [11] = {false, true}, [12] = {true, false}, [13] = {true, false},
    [14] = {false, true}, [15] = {false, true},
};

bool xlate_string_form(const struct insn *i, bool *src, bool *dst)
{
    const struct string_form *f = &string_forms[i->opcode & 15];

    *src = f->src;
    *dst = f->dst;
    return i->map == 0 && (i->opcode & 0xf0) == 0xa0 && (f->src || f->dst);
}

static void string_pointer(struct xlate *x, unsigned reg)
{
    if (x->adapt == ADAPT_VIEW) {
        emit_view_base(x, H_R9, reg);
        emit_add_lea(&x->em, true, reg, reg, H_R9);
    } else {
        emit_lea_based(&x->em, reg);
    }
}

/* ES:EDI takes no segment override, so strings run on 64-bit pointers and are truncated after:
 * windows are 4 GiB aligned. At a fault inside, RSI and RDI are host pointers (SITE_STRING). */
bool lower_string(struct xlate *x, const struct insn *i)
{
    struct emit *em = &x->em;
    struct string_form f;

    if (!xlate_string_form(i, &f.src, &f.dst) || i->adsize != 4 || (i->prefixes & PFX_LOCK))
        return false;
    if ((f.src && !seg_is_flat(x, i)) || (f.dst && !(x->mode & MODE_FLAT_ES)))
        return false;
    xlate_mark(x, SITE_STRING);
    if (f.src)
        string_pointer(x, H_RSI);
    if (f.dst)
        string_pointer(x, H_RDI);
    if (i->prefixes & (PFX_REP | PFX_REPNE))
        emit8(em, i->prefixes & PFX_REP ? 0xf3 : 0xf2);
    if (i->opsize == 2)
        emit8(em, 0x66);
    emit8(em, i->opcode);
    if (f.src)
        emit_mov32(em, H_RSI, H_RSI);
    if (f.dst)
        emit_mov32(em, H_RDI, H_RDI);
    return true;
}

/* The host's DF is the guest's; HOT_DF remembers it because LAHF does not show it. */
bool lower_df(struct xlate *x, const struct insn *i)
{
    emit8(&x->em, i->opcode);
    emit_st8imm_b(&x->em, H_R15, HOT_DF, i->opcode & 1);
    return !(i->prefixes & PFX_LOCK);
}
