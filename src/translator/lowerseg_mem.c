/* Lowerings of segmented code: addresses, copies, the stack. lowerseg.h has the idea. */
#include "translator/lowerseg.h"

void seg_above(struct xlate *x, unsigned src, int32_t add)
{
    emit_lea_scaled(&x->em, true, H_R9, src, SEG_LOG2, add << SEG_LOG2);
    emit_mov64(&x->em, H_R10, H_RCX);
    emit_shrx64(&x->em, H_RCX, H_R9, H_R13);
}

static void short_base(struct xlate *x, unsigned seg, unsigned size)
{
    struct emit *em = &x->em;

    emit_movzx16(em, H_R8, H_R8);
    if (size == 1) {
        emit_ld64_b(em, H_R9, H_R15, seg_place(seg));
        return;
    }
    emit_lea_scaled(em, false, H_R9, H_R8, SEG_LOG2, (int32_t)(size - 1) << SEG_LOG2);
    emit_shrx(em, H_R9, H_R9, H_R13);
    emit_op_sib(em, true, 0x8b, H_R9, H_R15, H_R9, 3, seg_place(seg));
}

static void long_base(struct xlate *x, unsigned seg, unsigned size)
{
    struct emit *em = &x->em;
    uint8_t *below;

    seg_above(x, H_R8, (int32_t)(size - 1));
    emit_ld64_b(em, H_R9, H_R15, seg_place(seg));
    below = emit_jrcxz(em);
    emit_ld64_b(em, H_R9, H_R15, seg_place(seg) + 8);
    emit_patch8(below, em->p);
    emit_mov64(em, H_RCX, H_R10);
}

/* R9 < 0: RCX = 0; R10 is the guest's. */
static void inside_to_rcx(struct emit *em)
{
    emit_rorx(em, true, H_R9, H_R9, 32);
    emit_not32(em, H_R9);
    emit_mov64(em, H_R10, H_RCX);
    emit_mov32(em, H_RCX, H_R9);
}

static void typed_base(struct xlate *x, const struct seg_access *a)
{
    struct emit *em = &x->em;
    uint8_t *inside;

    emit_ld64_b(em, H_R9, H_R15, HOT_SEGROOM + a->seg * 8);
    emit_op_sib(em, true, 0x8d, H_R9, H_R9, H_R8, 0, a->size - 1);
    inside_to_rcx(em);
    emit_ld64_b(em, H_R9, H_R15, HOT_SEGTYPED + a->seg * 16 + a->write * 8);
    inside = emit_jecxz(em);
    emit_ld64_b(em, H_R9, H_R15, HOT_SEGNULL);
    emit_patch8(inside, em->p);
    emit_mov64(em, H_RCX, H_R10);
}

/* Of 32-bit offsets nothing is beyond the limit, and nothing about the type can be wrong. */
static bool is_flat(const struct xlate *x, unsigned seg)
{
    static const uint32_t bit[NSEG] = {
        [SEG_ES] = MODE_FLAT_ES, [SEG_SS] = MODE_FLAT_SS, [SEG_DS] = MODE_FLAT_DS};

    return bit[seg] && (x->mode & bit[seg]);
}

static bool is_typed(const struct xlate *x)
{
    return (x->mode & (MODE_PE | MODE_VM)) == MODE_PE;
}

void seg_address(struct xlate *x, const struct seg_access *a, const struct gmem *ea)
{
    emit_lea_g(&x->em, H_R8, ea);
    if (a->adsize == 2 && is_typed(x))
        emit_movzx16(&x->em, H_R8, H_R8);
    if (a->adsize == 4 && is_flat(x, a->seg))
        emit_ld64_b(&x->em, H_R9, H_R15, HOT_WINDOW);
    else if (is_typed(x))
        typed_base(x, a);
    else if (a->adsize == 2)
        short_base(x, a->seg, a->size);
    else
        long_base(x, a->seg, a->size);
}

void seg_check_code(struct xlate *x)
{
    struct emit *em = &x->em;
    uint8_t *same;

    emit_mov64(em, H_R10, H_RCX);
    emit_ld32_b(em, H_RCX, H_R15, HOT_SEGROOM + SEG_CS * 8);
    emit_lea32(em, H_RCX, H_RCX, (int32_t)(x->limit + 1));
    same = emit_jecxz(em);
    emit_mov64(em, H_RCX, H_R10);
    emit_imm32(em, H_R8, (uint32_t)x->b->rip);
    xlate_to_stub(x, emit_jmp(em), STUB_WORD);
    emit_patch8(same, em->p);
    emit_mov64(em, H_RCX, H_R10);
}

void seg_check_target(struct xlate *x, unsigned opsize)
{
    struct emit *em = &x->em;
    uint8_t *inside;

    if (x->limit == UINT32_MAX || (opsize == 2 && x->limit >= 0xffff))
        return;
    if (x->limit == 0xffff) {
        seg_above(x, H_R8, 0);
        inside = emit_jrcxz(em);
    } else {
        emit_imm64(em, H_R9, (uint64_t)(-(int64_t)x->limit - 1));
        emit_add_lea(em, true, H_R9, H_R9, H_R8);
        inside_to_rcx(em);
        inside = emit_jecxz(em);
    }
    emit_mov64(em, H_RCX, H_R10);
    xlate_probe(x, HOT_POISON);
    emit_patch8(inside, em->p);
    emit_mov64(em, H_RCX, H_R10);
}

static struct gmem effective(const struct insn *i)
{
    return (struct gmem){
        .base = i->base == NO_REG ? H_NONE : (uint8_t)host_gpr(i->base),
        .index = i->index == NO_REG ? H_NONE : i->index,
        .scale = i->scale ? i->scale : 1,
        .disp = (int32_t)i->disp,
    };
}

/* Bytes that an address register or prefix of 64-bit code, or a vector index would mean. */
static bool addressable(const struct xlate *x, const struct insn *i, unsigned size)
{
    bool bits = i->map == 1 && (i->opcode == 0xa3 || i->opcode == 0xab || i->opcode == 0xb3 ||
                                i->opcode == 0xbb); /* BT and its like go beyond their operand */

    return x->adapt == ADAPT_NONE && i->adsize <= 4 && !i->vsib && !bits && size && size <= 64 &&
           (i->base == NO_REG || i->base < R8);
}

bool seg_operand(struct xlate *x, const struct insn *i, unsigned size, bool write)
{
    const struct seg_access a = {i->seg, i->adsize, (uint8_t)size, write};
    struct gmem ea = effective(i);

    if (!addressable(x, i, size))
        return false;
    seg_address(x, &a, &ea);
    return true;
}

/* A constant offset that ends below 64 KiB needs no arithmetic. */
static bool fixed_operand(struct xlate *x, const struct insn *i, unsigned size, struct remem *mem)
{
    uint32_t off = i->adsize == 2 ? (uint16_t)i->disp : (uint32_t)i->disp;

    if (i->base != NO_REG || i->index != NO_REG || off + (uint64_t)size > 0x10000 || is_typed(x) ||
        !addressable(x, i, size))
        return false;
    emit_ld64_b(&x->em, H_R9, H_R15, seg_place(i->seg));
    *mem = (struct remem){.kind = REMEM_BASE, .base = H_R9, .disp = (int32_t)off};
    return true;
}

/* AL, CL, DL or BL against AH, CH, DH or BH. */
static void emit_swap_bytes(struct emit *em, unsigned r)
{
    emit8(em, 0x86);
    emit8(em, 0xc0 | (r + 4) << 3 | r);
}

/* One-byte opcodes with a byte register and a byte of memory: ALU, TEST, XCHG, MOV. */
static bool byte_form(const struct insn *i)
{
    return i->map == 0 && i->enc == ENC_LEGACY && !(i->prefixes & PFX_LOCK) &&
           ((i->opcode < 0x40 && !(i->opcode & 5)) || i->opcode == 0x84 || i->opcode == 0x86 ||
            i->opcode == 0x88 || i->opcode == 0x8a);
}

static bool writes_register(uint8_t opcode)
{
    return opcode == 0x86 || opcode == 0x8a || (opcode < 0x38 && (opcode & 2));
}

/* AH to BH do not go with the REX prefix that R8 and R9 need: the byte goes through R10. */
static bool high_byte(struct xlate *x, const struct insn *i, const struct remem *mem)
{
    struct emit *em = &x->em;
    unsigned r = i->modrm >> 3 & 3;

    if (!byte_form(i))
        return false;
    emit_rorx(em, false, H_R10, r, 8);
    if (mem->kind == REMEM_BASE)
        emit_op_b(em, false, i->opcode, H_R10, mem->base, mem->disp);
    else
        emit_op_x(em, false, i->opcode, H_R10, mem->base, mem->index);
    if (writes_register(i->opcode)) {
        emit_swap_bytes(em, r);
        emit8(em, 0x44); /* mov r8, r10b */
        emit8(em, 0x88);
        emit8(em, 0xd0 | r);
        emit_swap_bytes(em, r);
    }
    return true;
}

bool seg_copy(struct xlate *x, const struct insn *i)
{
    struct remem mem = {.kind = REMEM_INDEX, .base = H_R9, .index = H_R8};
    const struct opnd *o = insn_mem(i);
    struct gmem m;

    if (!o || xlate_gmem(x, i, &m))
        return lower_copy(x, i);
    if ((i->prefixes & PFX_LOCK) && !(i->row->traits & T_LOCK))
        return false;
    if (!fixed_operand(x, i, o->size, &mem) && !seg_operand(x, i, o->size, o->access != 1))
        return false;
    return xlate_append(x, i, &mem) || high_byte(x, i, &mem);
}

void seg_put_gpr(struct xlate *x, unsigned reg, unsigned size, unsigned from)
{
    if (size == 2)
        emit_mov16(&x->em, host_gpr(reg), from);
    else
        emit_mov32(&x->em, host_gpr(reg), from);
}

bool seg_lea(struct xlate *x, const struct insn *i)
{
    struct gmem ea = effective(i);

    if (i->adsize > 4 || i->opsize > 4 || i->op[0].kind != OPND_GPR)
        return false;
    emit_lea_g(&x->em, H_R8, &ea);
    if (i->adsize == 2)
        emit_movzx16(&x->em, H_R8, H_R8);
    seg_put_gpr(x, i->op[0].reg, i->opsize, H_R8);
    return true;
}

/* ---- the stack ---- */

bool seg_stack_ok(const struct xlate *x, const struct insn *i)
{
    return x->adapt == ADAPT_NONE && (i->opsize == 2 || i->opsize == 4) &&
           !(i->prefixes & PFX_LOCK);
}

static unsigned stack_bytes(const struct xlate *x)
{
    return x->mode & MODE_SS32 ? 4 : 2;
}

void seg_stack(struct xlate *x, int32_t disp, unsigned size)
{
    const struct gmem at = {.base = H_R12, .index = H_NONE, .scale = 1, .disp = disp};
    const struct seg_access a = {SEG_SS, (uint8_t)stack_bytes(x), (uint8_t)size, true};

    seg_address(x, &a, &at);
}

void seg_move_sp(struct xlate *x, int32_t by)
{
    if (x->mode & MODE_SS32) {
        emit_lea32(&x->em, H_R12, H_R12, by);
    } else {
        emit_lea32(&x->em, H_R8, H_R12, by);
        emit_mov16(&x->em, H_R12, H_R8);
    }
}

static void access_r11(struct xlate *x, unsigned op, unsigned size)
{
    if (size == 2)
        emit8(&x->em, 0x66);
    emit_op_x(&x->em, false, op, H_R11, H_R9, H_R8);
}

void seg_load_r11(struct xlate *x, unsigned size)
{
    if (size == 4) {
        access_r11(x, 0x8b, 4);
        return;
    }
    emit_rex(&x->em, false, H_R11, H_R8, H_R9);
    emit8(&x->em, 0x0f); /* movzx r11d, word [r9+r8] */
    emit8(&x->em, 0xb7);
    emit8(&x->em, 0x44 | (H_R11 & 7) << 3);
    emit8(&x->em, (H_R8 & 7) << 3 | (H_R9 & 7));
    emit8(&x->em, 0);
}

void seg_store_r11(struct xlate *x, unsigned size)
{
    access_r11(x, 0x89, size);
}

static void push_r11(struct xlate *x, unsigned size)
{
    seg_stack(x, -(int32_t)size, size);
    seg_store_r11(x, size);
    seg_move_sp(x, -(int32_t)size);
}

bool seg_push(struct xlate *x, const struct insn *i)
{
    if (!seg_stack_ok(x, i))
        return false;
    switch (i->op[0].kind) {
    case OPND_GPR:
        emit_mov32(&x->em, H_R11, host_gpr(i->op[0].reg));
        break;
    case OPND_IMM:
        emit_imm32(&x->em, H_R11, (uint32_t)i->imm);
        break;
    case OPND_MEM:
        if (!seg_operand(x, i, i->opsize, false))
            return false;
        seg_load_r11(x, i->opsize);
        break;
    default:
        return false;
    }
    push_r11(x, i->opsize);
    return true;
}

bool seg_pop(struct xlate *x, const struct insn *i)
{
    if (!seg_stack_ok(x, i) || i->op[0].kind != OPND_GPR)
        return false;
    seg_stack(x, 0, i->opsize);
    seg_load_r11(x, i->opsize);
    seg_move_sp(x, i->opsize);
    seg_put_gpr(x, i->op[0].reg, i->opsize, H_R11);
    return true;
}

/* rSP = rBP with the stack's width, then POP rBP. */
bool seg_leave(struct xlate *x, const struct insn *i)
{
    const struct gmem frame = {.base = H_RBP, .index = H_NONE, .scale = 1, .disp = 0};
    const struct seg_access a = {SEG_SS, (uint8_t)stack_bytes(x), i->opsize, true};

    if (!seg_stack_ok(x, i))
        return false;
    seg_address(x, &a, &frame);
    seg_load_r11(x, i->opsize);
    if (x->mode & MODE_SS32)
        emit_mov32(&x->em, H_R12, H_RBP);
    else
        emit_mov16(&x->em, H_R12, H_RBP);
    seg_move_sp(x, i->opsize);
    seg_put_gpr(x, RBP, i->opsize, H_R11);
    return true;
}

bool seg_pushf(struct xlate *x, const struct insn *i)
{
    if (!seg_stack_ok(x, i) || ((x->mode & MODE_VM) && !(x->mode & MODE_IOPL_OK)))
        return false;
    xlate_flags_image(x);
    emit_mov32(&x->em, H_R11, H_R8);
    push_r11(x, i->opsize);
    return true;
}

static void drop_flags(struct xlate *x)
{
    seg_move_sp(x, x->insn->opsize);
}

bool seg_popf(struct xlate *x, const struct insn *i)
{
    const uint32_t low = EF_TF | EF_IOPL | EF_NT, high = EF_AC | EF_ID;

    if (!seg_stack_ok(x, i) || (x->mode & (MODE_CPL3 | MODE_CPL12)))
        return false;
    seg_stack(x, 0, i->opsize);
    seg_load_r11(x, i->opsize);
    emit_mov32(&x->em, H_R8, H_R11);
    return xlate_load_flags(x, i, i->opsize == 2 ? low : low | high, drop_flags);
}

static void load_selector(struct xlate *x, unsigned seg)
{
    emit_ld32_b(&x->em, H_R11, H_R15, HOT_SEL + (int32_t)seg * 4);
}

bool seg_push_seg(struct xlate *x, const struct insn *i)
{
    if (!seg_stack_ok(x, i) || i->op[0].kind != OPND_SEG)
        return false;
    load_selector(x, i->op[0].reg);
    push_r11(x, i->opsize);
    return true;
}

/* To memory always 16 bits (SDM 2B MOV). */
bool seg_mov_from_seg(struct xlate *x, const struct insn *i)
{
    if ((i->prefixes & PFX_LOCK) || i->op[1].kind != OPND_SEG)
        return false;
    if (i->op[0].kind == OPND_MEM) {
        if (!seg_operand(x, i, 2, true))
            return false;
        load_selector(x, i->op[1].reg);
        seg_store_r11(x, 2);
        return true;
    }
    if (i->op[0].kind != OPND_GPR || i->opsize > 4)
        return false;
    load_selector(x, i->op[1].reg);
    seg_put_gpr(x, i->op[0].reg, i->opsize, H_R11);
    return true;
}
