/* gates.c - the way of an event through the IVT or the IDT (SDM 3A 6.10-6.12, 20.1-20.3). */
#include "base/bits.h"
#include "cpu/desc.h"

/* Handlers start with these clear (SDM 3A 6.12.1). */
enum { EF_HANDLER_CLEAR = EF_TF | EF_VM | EF_RF | EF_NT };

static uint32_t pushed_flags(const struct cpu *c, const struct event *e)
{
    uint32_t flags = cpu_rflags(c) & ~(uint32_t)EF_RF;

    return e->rf ? flags | EF_RF : flags;
}

/* Pushes FLAGS, CS and IP on the current stack and goes where the vector points. */
static bool enter_ivt(struct cpu *c, gva_t entry, uint16_t flags, const struct event *e)
{
    uint8_t raw[4];
    struct stack st;

    if (!c->mem->read(c, entry, raw, sizeof(raw), MEM_SYSTEM))
        return false;
    stack_init(&st, &c->seg[SEG_SS], c->gpr[RSP], c->cpl, 2, 0);
    stack_put(&st, flags);
    stack_put(&st, c->seg[SEG_CS].sel);
    stack_put(&st, (uint16_t)e->ret);
    if (!stack_write(c, &st))
        return false;
    stack_set_sp(c, st.sp);
    seg_load_real(c, SEG_CS, ld16(raw + 2));
    c->next_rip = ld16(raw);
    return true;
}

static bool deliver_real(struct cpu *c, const struct event *e)
{
    unsigned at = e->vector * 4u;

    if (at + 3 > c->idtr.limit)
        return cpu_raise(c, VEC_GP, 0);
    if (!enter_ivt(c, (uint32_t)(c->idtr.base + at), (uint16_t)pushed_flags(c, e), e))
        return false;
    c->iflag = 0;
    c->rflags &= ~(uint32_t)(EF_TF | EF_RF | EF_AC);
    cpu_update_mode(c);
    return true;
}

/* The interrupt redirection bitmap: 32 bytes below the I/O bitmap (SDM 3A 20.3.3). */
static bool redirection_bit(struct cpu *c, uint8_t vector, bool *set)
{
    const struct seg *tr = &c->seg[SEG_TR];
    uint8_t raw[2], byte;
    uint32_t at;

    if (!tr->usable || !(tr->attr & SYS_32) || tr->limit < 0x67)
        return cpu_raise(c, VEC_GP, 0);
    if (!c->mem->read(c, (uint32_t)(tr->base + 0x66), raw, 2, MEM_SYSTEM))
        return false;
    at = ld16(raw) + vector / 8u - 32;
    if (ld16(raw) < 32 || at > tr->limit)
        return cpu_raise(c, VEC_GP, 0);
    if (!c->mem->read(c, (uint32_t)(tr->base + at), &byte, 1, MEM_SYSTEM))
        return false;
    *set = byte >> (vector & 7) & 1;
    return true;
}

bool gate_vme_redirect(struct cpu *c, uint8_t vector, bool *done)
{
    struct event e = {.vector = vector, .soft = true, .ret = c->next_rip};
    uint32_t flags = pushed_flags(c, &e);
    bool to_monitor = false;

    *done = false;
    if (!redirection_bit(c, vector, &to_monitor))
        return false;
    if (to_monitor)
        return true;
    /* With IOPL below 3 the 8086 program's IF is VIF (SDM 3A table 20-2, methods 5 and 6). */
    if (cpu_iopl(c) < 3) {
        flags = (flags & ~(uint32_t)EF_IF) | EF_IOPL;
        flags |= c->rflags & EF_VIF ? EF_IF : 0;
    }
    if (!enter_ivt(c, vector * 4u, (uint16_t)flags, &e))
        return false;
    c->rflags &= ~(uint32_t)(EF_TF | EF_RF | (cpu_iopl(c) < 3 ? EF_VIF : 0));
    if (cpu_iopl(c) == 3)
        c->iflag = 0;
    cpu_update_mode(c);
    *done = true;
    return true;
}

/* The gate's target: checked, its accessed bit not yet set. */
static bool gate_target(struct cpu *c, const struct desc *gate, uint32_t ext, struct desc *cs)
{
    uint16_t sel = gate_sel(gate);
    bool inner;

    if (sel_null(sel))
        return cpu_raise(c, VEC_GP, ext);
    if (!desc_read(c, sel, cs, VEC_GP, ext))
        return false;
    if (!desc_code(cs) || desc_dpl(cs) > c->cpl)
        return raise_sel(c, VEC_GP, sel, ext);
    if (!desc_present(cs))
        return raise_sel(c, VEC_NP, sel, ext);
    inner = !desc_conforming(cs) && desc_dpl(cs) < c->cpl;
    if (cpu_vm86(c) && (!inner || desc_dpl(cs) != 0))
        return raise_sel(c, VEC_GP, sel, ext);
    return true;
}

static void put_frame(struct cpu *c, const struct event *e, bool inner, struct stack *st)
{
    if (cpu_vm86(c)) {
        stack_put(st, c->seg[SEG_GS].sel);
        stack_put(st, c->seg[SEG_FS].sel);
        stack_put(st, c->seg[SEG_DS].sel);
        stack_put(st, c->seg[SEG_ES].sel);
    }
    if (inner) {
        stack_put(st, c->seg[SEG_SS].sel);
        stack_put(st, c->gpr[RSP]);
    }
    stack_put(st, pushed_flags(c, e));
    stack_put(st, c->seg[SEG_CS].sel);
    stack_put(st, e->ret);
    if (e->has_err)
        stack_put(st, e->err);
}

static void leave_vm86(struct cpu *c)
{
    seg_set_null(&c->seg[SEG_ES], 0);
    seg_set_null(&c->seg[SEG_DS], 0);
    seg_set_null(&c->seg[SEG_FS], 0);
    seg_set_null(&c->seg[SEG_GS], 0);
}

static bool through_gate(struct cpu *c, const struct event *e, const struct desc *gate)
{
    uint32_t ext = !e->soft;
    unsigned cpl = c->cpl;
    struct seg ss = c->seg[SEG_SS];
    uint32_t esp = (uint32_t)c->gpr[RSP];
    uint32_t ss_err = ext;
    struct desc cs;
    struct stack st;

    if (!gate_target(c, gate, ext, &cs))
        return false;
    if (!desc_conforming(&cs) && desc_dpl(&cs) < cpl) {
        cpl = desc_dpl(&cs);
        if (!stack_from_tss(c, cpl, ext, &ss, &esp))
            return false;
        ss_err = (ss.sel & 0xfffcu) | ext;
    }
    if (gate_offset(gate) > desc_limit(&cs))
        return cpu_raise(c, VEC_GP, ext);
    if (!desc_set_accessed(c, &cs))
        return false;
    stack_init(&st, &ss, esp, cpl, desc_type(gate) & SYS_32 ? 4 : 2, ss_err);
    put_frame(c, e, cpl != c->cpl, &st);
    if (!stack_write(c, &st))
        return false;

    if (cpu_vm86(c))
        leave_vm86(c);
    if (cpl != c->cpl)
        c->seg[SEG_SS] = ss;
    stack_set_sp(c, st.sp);
    c->cpl = (uint8_t)cpl;
    seg_from_desc(&c->seg[SEG_CS], (uint16_t)((gate_sel(gate) & ~3u) | cpl), &cs);
    c->rflags &= ~(uint32_t)EF_HANDLER_CLEAR;
    if (!(desc_type(gate) & 1))
        c->iflag = 0;
    c->next_rip = gate_offset(gate);
    cpu_update_mode(c);
    return true;
}

static bool through_task_gate(struct cpu *c, const struct event *e, const struct desc *gate)
{
    struct task_request r = {
        .sel = gate_sel(gate),
        .src = TASK_GATE,
        .ext = !e->soft,
        .eip = (uint32_t)e->ret,
        .eflags = pushed_flags(c, e),
        .push_err = e->has_err,
        .err = e->err,
    };

    return task_switch(c, &r);
}

enum {
    IDT_GATES =
        1 << SYS_TASK_GATE | 1 << SYS_INT16 | 1 << SYS_TRAP16 | 1 << SYS_INT32 | 1 << SYS_TRAP32,
};

static bool deliver_protected(struct cpu *c, const struct event *e)
{
    uint32_t at = e->vector * 8u;
    uint32_t err = at | 2 | !e->soft; /* IDT bit, EXT (SDM 3A 6.13) */
    struct desc gate;
    uint8_t raw[8];

    if (at + 7 > c->idtr.limit)
        return cpu_raise(c, VEC_GP, err);
    gate.lin = (uint32_t)(c->idtr.base + at);
    if (!c->mem->read(c, gate.lin, raw, sizeof(raw), MEM_SYSTEM))
        return false;
    gate.lo = ld32(raw);
    gate.hi = ld32(raw + 4);
    if (!desc_system(&gate) || !(IDT_GATES >> desc_type(&gate) & 1))
        return cpu_raise(c, VEC_GP, err);
    if (e->soft && desc_dpl(&gate) < c->cpl)
        return cpu_raise(c, VEC_GP, err);
    if (!desc_present(&gate))
        return cpu_raise(c, VEC_NP, err);
    if (desc_type(&gate) == SYS_TASK_GATE)
        return through_task_gate(c, e, &gate);
    return through_gate(c, e, &gate);
}

/* A 64-bit interrupt or trap gate (SDM 3A 6.14.1). */
struct gate64 {
    struct desc low;
    uint64_t rip;
    unsigned ist; /* 0: none */
};

/* The handler's stack: IST, RSPn for a more privileged handler, or the current one; aligned (SDM 3A
 * 6.14.2). */
static bool gate_stack64(struct cpu *c, const struct gate64 *g, unsigned cpl, uint32_t ext,
                         uint64_t *rsp)
{
    *rsp = cpu_cs64(c) ? c->gpr[RSP] : c->gpr[RSP] & stack_mask(&c->seg[SEG_SS]);
    if (g->ist && !stack_from_tss64(c, TSS64_IST1 + 8 * (g->ist - 1), ext, rsp))
        return false;
    if (!g->ist && cpl != c->cpl && !stack_from_tss64(c, TSS64_RSP0 + 8 * cpl, ext, rsp))
        return false;
    *rsp &= ~UINT64_C(15);
    return true;
}

static bool through_gate64(struct cpu *c, const struct event *e, const struct gate64 *g)
{
    uint32_t ext = !e->soft;
    unsigned cpl = c->cpl;
    struct desc cs;
    struct stack st;
    uint64_t rsp;

    if (!gate_target(c, &g->low, ext, &cs))
        return false;
    if ((desc_attr(&cs) & (ATTR_L | ATTR_DB)) != ATTR_L)
        return raise_sel(c, VEC_GP, gate_sel(&g->low), ext);
    if (!desc_conforming(&cs))
        cpl = desc_dpl(&cs);
    if (!gate_stack64(c, g, cpl, ext, &rsp))
        return false;
    if (!canonical(g->rip))
        return cpu_raise(c, VEC_GP, ext);
    if (!desc_set_accessed(c, &cs))
        return false;
    stack_init_64(&st, rsp, cpl, 8, ext);
    put_frame(c, e, true, &st);
    if (!stack_write(c, &st))
        return false;

    if (cpl != c->cpl)
        seg_set_null(&c->seg[SEG_SS], (uint16_t)cpl);
    c->gpr[RSP] = st.sp;
    c->cpl = (uint8_t)cpl;
    seg_from_desc(&c->seg[SEG_CS], (uint16_t)((gate_sel(&g->low) & ~3u) | cpl), &cs);
    c->rflags &= ~(uint32_t)EF_HANDLER_CLEAR;
    if (!(desc_type(&g->low) & 1))
        c->iflag = 0;
    c->next_rip = g->rip;
    cpu_update_mode(c);
    return true;
}

static bool deliver_long(struct cpu *c, const struct event *e)
{
    uint32_t at = e->vector * 16u;
    uint32_t err = e->vector * 8u | 2 | !e->soft;
    struct gate64 g;
    uint8_t raw[16];

    if (at + 15 > c->idtr.limit)
        return cpu_raise(c, VEC_GP, err);
    g.low.lin = c->idtr.base + at;
    if (!c->mem->read(c, g.low.lin, raw, sizeof(raw), MEM_SYSTEM))
        return false;
    g.low.lo = ld32(raw);
    g.low.hi = ld32(raw + 4);
    g.rip = (uint64_t)ld32(raw + 8) << 32 | gate_offset(&g.low);
    g.ist = g.low.hi & 7;
    if (!desc_system(&g.low) || (desc_type(&g.low) & ~1u) != SYS_INT32)
        return cpu_raise(c, VEC_GP, err);
    if (e->soft && desc_dpl(&g.low) < c->cpl)
        return cpu_raise(c, VEC_GP, err);
    if (!desc_present(&g.low))
        return cpu_raise(c, VEC_NP, err);
    return through_gate64(c, e, &g);
}

bool gate_deliver(struct cpu *c, const struct event *e)
{
    if (cpu_real(c))
        return deliver_real(c, e);
    return cpu_long(c) ? deliver_long(c, e) : deliver_protected(c, e);
}
