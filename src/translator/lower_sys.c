/* Lowerings of 32-bit code: system instructions. What changes the privilege level or a segment
 * register goes through a stub of cross32_asm.S, which does what is mostly to be done, or makes a
 * callout of it. */
#include "translator/bt_offsets.h"
#include "translator/xlate.h"

static bool cpl0(const struct xlate *x, const struct insn *i)
{
    return !(x->mode & (MODE_CPL3 | MODE_CPL12)) && !(i->prefixes & PFX_LOCK);
}

/* UD2: the stub does not come back. */
static bool end_at(struct xlate *x, const struct insn *i, unsigned stub)
{
    if (!xlate_call_stub(x, i, stub))
        return true; /* to be done again, from an empty arena */
    emit8(&x->em, 0x0f);
    emit8(&x->em, 0x0b);
    x->ended = true;
    return true;
}

bool lower_sysenter(struct xlate *x, const struct insn *i)
{
    return !(x->mode & MODE_LMA) && !(i->prefixes & PFX_LOCK) && end_at(x, i, STUB_SYSENTER);
}

bool lower_sysexit(struct xlate *x, const struct insn *i)
{
    return cpl0(x, i) && i->opsize == 4 && end_at(x, i, STUB_SYSEXIT);
}

/* Guest memory is read here, where its faults are precise; the stub compares. The frame as if it
 * led outwards, and both levels' descriptors, as only the stub knows which is meant. */
bool lower_iret(struct xlate *x, const struct insn *i)
{
    static const struct gmem entry = {.base = H_R9, .index = H_NONE, .scale = 1, .disp = 0};
    struct emit *em = &x->em;
    struct gmem at;

    if (!cpl0(x, i) || i->opsize != 4 || x->adapt != ADAPT_NONE || (x->mode & MODE_LMA) ||
        !xlate_flat_stack(x))
        return false;
    for (int32_t n = 0; n < 5; n++) {
        at = xlate_stack(x, n * 4);
        emit_op_g(em, 0x8b, H_R8, &at);
        emit_op_b(em, true, 0x89, H_R8, H_R15, HOT_FRAME + n * 8);
    }
    for (int32_t n = 0; n < 4; n++) {
        emit_ld32_b(em, H_R9, H_R15, HOT_DESCLIN + n * 8);
        emit_ld64_g(em, H_R8, &entry);
        emit_op_b(em, true, 0x89, H_R8, H_R15, HOT_DESC + n * 8);
    }
    return end_at(x, i, STUB_IRET);
}

/* R10D = selector. The descriptor is read here, where a fault is precise; the stub compares. By the
 * GDT's base, whatever the table indicator says: the stub knows no selectors of an LDT. No flags
 * change. */
static bool load_segment(struct xlate *x, const struct insn *i, unsigned stub)
{
    static const struct gmem entry = {.base = H_R9, .index = H_R11, .scale = 8, .disp = 0};
    struct emit *em = &x->em;

    emit_rorx(em, false, H_R11, H_R10, 3);
    emit_movzx16(em, H_R11, H_R11);
    emit_ld32_b(em, H_R9, H_R15, HOT_GDT);
    emit_ld64_g(em, H_R11, &entry);
    xlate_call_stub(x, i, stub);
    return true;
}

bool lower_load_seg(struct xlate *x, const struct insn *i)
{
    struct emit *em = &x->em;
    struct gmem m;

    if (!cpl0(x, i) || x->adapt != ADAPT_NONE || (x->mode & MODE_LMA))
        return false;
    if (i->op[1].kind == OPND_GPR)
        emit_movzx16(em, H_R10, host_gpr(i->op[1].reg));
    else if (i->op[1].kind == OPND_MEM && xlate_gmem(x, i, &m))
        emit_ldzx16_g(em, H_R10, &m);
    else
        return false;
    return load_segment(x, i, STUB_LOAD_SEG);
}

bool lower_pop_seg(struct xlate *x, const struct insn *i)
{
    const struct gmem top = xlate_stack(x, 0);

    if (!cpl0(x, i) || x->adapt != ADAPT_NONE || (x->mode & MODE_LMA) || i->opsize != 4 ||
        !xlate_flat_stack(x))
        return false;
    emit_op_g(&x->em, 0x8b, H_R10, &top);
    emit_movzx16(&x->em, H_R10, H_R10);
    return load_segment(x, i, STUB_POP_SEG);
}

bool lower_mov_from_cr(struct xlate *x, const struct insn *i)
{
    static const int32_t at[] = {[0] = CPU_CR0, [2] = CPU_CR2, [3] = CPU_CR3, [4] = CPU_CR4};
    unsigned n = i->op[1].reg;

    if (!cpl0(x, i) || n >= ARRAY_SIZE(at) || !at[n] || i->op[0].kind != OPND_GPR)
        return false;
    emit_ld32_b(&x->em, host_gpr(i->op[0].reg), H_R14, at[n]);
    return true;
}

/* EDX:EAX = the host's + the guest's offset. */
static bool read_tsc(struct xlate *x)
{
    struct emit *em = &x->em;

    emit8(em, 0x0f);
    emit8(em, 0x31);
    emit_rorx32(em, H_R8, H_RDX);
    emit_add_lea(em, true, H_R8, H_R8, H_RAX);
    emit_ld64_b(em, H_R9, H_R15, HOT_TSC_OFF);
    emit_add_lea(em, true, H_R8, H_R8, H_R9);
    emit_mov32(em, H_RAX, H_R8);
    emit_rorx32(em, H_R8, H_R8);
    emit_mov32(em, H_RDX, H_R8);
    return true;
}

static bool tsc_is_hosts(const struct xlate *x, const struct insn *i)
{
    return x->e->cfg.host_tsc && !(x->mode & MODE_TSD) && !(i->prefixes & PFX_LOCK);
}

bool lower_rdtsc(struct xlate *x, const struct insn *i)
{
    return tsc_is_hosts(x, i) && read_tsc(x);
}

/* As in lower64_sys.c: LFENCE, and the guest's own TSC_AUX. */
bool lower_rdtscp(struct xlate *x, const struct insn *i)
{
    struct emit *em = &x->em;

    if (!tsc_is_hosts(x, i))
        return false;
    emit8(em, 0x0f);
    emit8(em, 0xae);
    emit8(em, 0xe8);
    emit_ld32_b(em, H_RCX, H_R15, HOT_TSC_AUX);
    return read_tsc(x);
}
