/* farcall.c - far JMP and CALL: direct, through call gates, to tasks (SDM 3A 5.8, SDM 2A CALL,
 * JMP). */
#include "base/bits.h"
#include "cpu/desc.h"

/* One far transfer under way. */
struct far {
    bool call;
    uint16_t sel; /* as in the instruction */
    uint64_t off;
    unsigned opsize; /* width of what CALL pushes; a call gate's own width replaces it */
};

static bool far_real(struct cpu *c, const struct far *f)
{
    struct stack st;

    if (f->off > c->seg[SEG_CS].limit)
        return cpu_raise(c, VEC_GP, 0);
    if (f->call) {
        stack_init(&st, &c->seg[SEG_SS], c->gpr[RSP], c->cpl, f->opsize, 0);
        stack_put(&st, c->seg[SEG_CS].sel);
        stack_put(&st, c->next_rip);
        if (!stack_write(c, &st))
            return false;
        stack_set_sp(c, st.sp);
    }
    seg_load_real(c, SEG_CS, f->sel);
    c->next_rip = f->off;
    cpu_update_mode(c);
    return true;
}

/* To code of the same level: CS keeps CPL in its RPL. */
static bool enter_same(struct cpu *c, const struct far *f, uint16_t sel, struct desc *cs)
{
    uint64_t rip = f->off;
    struct stack st;

    if (!desc_check_size(c, sel, cs, 0))
        return false;
    if (!desc_present(cs))
        return raise_sel(c, VEC_NP, sel, 0);
    if (!desc_fit_rip(c, cs, &rip))
        return cpu_raise(c, VEC_GP, 0);
    if (!desc_set_accessed(c, cs))
        return false;
    if (f->call) {
        stack_init_current(c, &st, f->opsize);
        stack_put(&st, c->seg[SEG_CS].sel);
        stack_put(&st, c->next_rip);
        if (!stack_write(c, &st))
            return false;
        stack_set_sp(c, st.sp);
    }
    seg_from_desc(&c->seg[SEG_CS], (uint16_t)((sel & ~3u) | c->cpl), cs);
    c->next_rip = rip;
    cpu_update_mode(c);
    return true;
}

/* CALL through a gate to a more privileged level: new stack from the TSS, parameters copied. */
static bool enter_inner(struct cpu *c, const struct far *f, uint16_t sel, unsigned params,
                        struct desc *cs)
{
    unsigned cpl = desc_dpl(cs);
    struct stack st;
    struct seg ss;
    uint32_t esp;
    uint64_t val;

    if (!desc_present(cs))
        return raise_sel(c, VEC_NP, sel, 0);
    if (!stack_from_tss(c, cpl, 0, &ss, &esp))
        return false;
    if (f->off > desc_limit(cs))
        return cpu_raise(c, VEC_GP, 0);
    if (!desc_set_accessed(c, cs))
        return false;
    stack_init(&st, &ss, esp, cpl, f->opsize, ss.sel & 0xfffcu);
    stack_put(&st, c->seg[SEG_SS].sel);
    stack_put(&st, c->gpr[RSP]);
    for (unsigned i = params; i-- > 0;) {
        if (!stack_peek(c, i * f->opsize, f->opsize, &val))
            return false;
        stack_put(&st, val);
    }
    stack_put(&st, c->seg[SEG_CS].sel);
    stack_put(&st, c->next_rip);
    if (!stack_write(c, &st))
        return false;

    c->seg[SEG_SS] = ss;
    stack_set_sp(c, st.sp);
    c->cpl = (uint8_t)cpl;
    seg_from_desc(&c->seg[SEG_CS], (uint16_t)((sel & ~3u) | cpl), cs);
    c->next_rip = f->off;
    cpu_update_mode(c);
    return true;
}

/* Long mode: the target is 64-bit code, nothing is copied, the new SS is null (SDM 3A 5.8.5.1). */
static bool enter_inner64(struct cpu *c, const struct far *f, uint16_t sel, struct desc *cs)
{
    unsigned cpl = desc_dpl(cs);
    struct stack st;
    uint64_t rsp;

    if (!desc_present(cs))
        return raise_sel(c, VEC_NP, sel, 0);
    if (!stack_from_tss64(c, TSS64_RSP0 + 8 * cpl, 0, &rsp))
        return false;
    if (!canonical(f->off))
        return cpu_raise(c, VEC_GP, 0);
    if (!desc_set_accessed(c, cs))
        return false;
    stack_init_64(&st, rsp, cpl, 8, 0);
    stack_put(&st, c->seg[SEG_SS].sel);
    stack_put(&st, c->gpr[RSP]);
    stack_put(&st, c->seg[SEG_CS].sel);
    stack_put(&st, c->next_rip);
    if (!stack_write(c, &st))
        return false;

    seg_set_null(&c->seg[SEG_SS], (uint16_t)cpl);
    c->gpr[RSP] = st.sp;
    c->cpl = (uint8_t)cpl;
    seg_from_desc(&c->seg[SEG_CS], (uint16_t)((sel & ~3u) | cpl), cs);
    c->next_rip = f->off;
    cpu_update_mode(c);
    return true;
}

static bool through_call_gate64(struct cpu *c, const struct far *from, const struct desc *gate)
{
    uint16_t sel = gate_sel(gate);
    struct far f = *from;
    struct desc cs;
    uint32_t high;

    if (!desc_read_high(c, from->sel, gate, VEC_GP, 0, &high))
        return false;
    f.off = (uint64_t)high << 32 | gate_offset(gate);
    f.opsize = 8;
    if (sel_null(sel))
        return cpu_raise(c, VEC_GP, 0);
    if (!desc_read(c, sel, &cs, VEC_GP, 0))
        return false;
    if (!desc_code(&cs) || desc_dpl(&cs) > c->cpl ||
        (desc_attr(&cs) & (ATTR_L | ATTR_DB)) != ATTR_L)
        return raise_sel(c, VEC_GP, sel, 0);
    if (desc_conforming(&cs) || desc_dpl(&cs) == c->cpl)
        return enter_same(c, &f, sel, &cs);
    return f.call ? enter_inner64(c, &f, sel, &cs) : raise_sel(c, VEC_GP, sel, 0);
}

static bool through_call_gate(struct cpu *c, const struct far *from, const struct desc *gate)
{
    uint16_t sel = gate_sel(gate);
    struct far f = *from;
    struct desc cs;

    f.off = gate_offset(gate);
    f.opsize = desc_type(gate) & SYS_32 ? 4 : 2;
    if (sel_null(sel))
        return cpu_raise(c, VEC_GP, 0);
    if (!desc_read(c, sel, &cs, VEC_GP, 0))
        return false;
    if (!desc_code(&cs) || desc_dpl(&cs) > c->cpl)
        return raise_sel(c, VEC_GP, sel, 0);
    if (desc_conforming(&cs) || desc_dpl(&cs) == c->cpl)
        return enter_same(c, &f, sel, &cs);
    if (!f.call)
        return raise_sel(c, VEC_GP, sel, 0);
    return enter_inner(c, &f, sel, gate->hi & 31, &cs);
}

static bool to_task(struct cpu *c, const struct far *f, uint16_t tss)
{
    struct task_request r = {
        .sel = tss,
        .src = f->call ? TASK_CALL : TASK_JMP,
        .eip = (uint32_t)c->next_rip,
        .eflags = cpu_rflags(c),
    };

    return task_switch(c, &r);
}

/* Through something that is not code: gates and task state segments. */
static bool far_system(struct cpu *c, const struct far *f, const struct desc *d)
{
    unsigned type = desc_type(d);
    bool gate = type == SYS_CALL16 || type == SYS_CALL32 || type == SYS_TASK_GATE;

    if (cpu_long(c) && type != SYS_CALL32) /* no tasks, no 16-bit gates */
        return raise_sel(c, VEC_GP, f->sel, 0);
    if (!gate && type != SYS_TSS16 && type != SYS_TSS32)
        return raise_sel(c, VEC_GP, f->sel, 0);
    if (desc_dpl(d) < c->cpl || desc_dpl(d) < (f->sel & 3u))
        return raise_sel(c, VEC_GP, f->sel, 0);
    if (!desc_present(d))
        return raise_sel(c, VEC_NP, f->sel, 0);
    if (cpu_long(c))
        return through_call_gate64(c, f, d);
    if (!gate)
        return to_task(c, f, f->sel);
    return type == SYS_TASK_GATE ? to_task(c, f, gate_sel(d)) : through_call_gate(c, f, d);
}

static bool far_transfer(struct cpu *c, const struct far *f)
{
    struct desc d;

    if (cpu_real(c) || cpu_vm86(c))
        return far_real(c, f);
    if (sel_null(f->sel))
        return cpu_raise(c, VEC_GP, 0);
    if (!desc_read(c, f->sel, &d, VEC_GP, 0))
        return false;
    if (!desc_code(&d))
        return desc_system(&d) ? far_system(c, f, &d) : raise_sel(c, VEC_GP, f->sel, 0);
    if (desc_conforming(&d) ? desc_dpl(&d) > c->cpl
                            : desc_dpl(&d) != c->cpl || (f->sel & 3u) > c->cpl)
        return raise_sel(c, VEC_GP, f->sel, 0);
    return enter_same(c, f, f->sel, &d);
}

bool cpu_far_jmp(struct cpu *c, uint16_t sel, uint64_t off, unsigned opsize)
{
    struct far f = {.sel = sel, .off = trunc_bytes(off, opsize), .opsize = opsize};

    return far_transfer(c, &f);
}

bool cpu_far_call(struct cpu *c, uint16_t sel, uint64_t off, unsigned opsize)
{
    struct far f = {.call = true, .sel = sel, .off = trunc_bytes(off, opsize), .opsize = opsize};

    return far_transfer(c, &f);
}
