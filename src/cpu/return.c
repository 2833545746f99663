/* return.c - IRET and far RET in all their forms (SDM 2A IRET, 2B RET; SDM 3A 5.8.6, 20.2.3). */
#include "base/bits.h"
#include "cpu/desc.h"

enum {
    EF_IRET_ALWAYS = EF_ARITH | EF_TF | EF_DF | EF_NT,
    EF_IRET_32 = EF_RF | EF_AC | EF_ID,
    EF_IRET_CPL0 = EF_VIF | EF_VIP,
};

struct iret_frame {
    uint64_t ip, cs, flags;
};

static bool read_frame(struct cpu *c, unsigned opsize, struct iret_frame *f)
{
    return stack_peek(c, 0, opsize, &f->ip) && stack_peek(c, opsize, opsize, &f->cs) &&
           stack_peek(c, 2 * opsize, opsize, &f->flags);
}

static void merge_flags(struct cpu *c, uint32_t val, uint32_t mask)
{
    cpu_set_rflags(c, (cpu_rflags(c) & ~mask) | (val & mask));
}

/* The same when the mode is right but for them: most IRETs change no flag that is part of it. */
static void merge_flags_only(struct cpu *c, uint32_t val, uint32_t mask)
{
    const uint32_t in_mode = EF_TF | EF_IOPL | EF_AC | EF_VM;
    uint32_t old = cpu_rflags(c), flags = (old & ~mask) | (val & mask);

    if ((old ^ flags) & in_mode) {
        cpu_set_rflags(c, flags);
        return;
    }
    c->rflags = flags & ~(uint32_t)EF_IF;
    c->iflag = flags >> 9 & 1;
}

/* What IRET may change at the privilege level it is executed at. */
static uint32_t flags_mask(const struct cpu *c, unsigned opsize)
{
    uint32_t mask = EF_IRET_ALWAYS;

    if (opsize >= 4)
        mask |= EF_IRET_32;
    if (c->cpl <= cpu_iopl(c))
        mask |= EF_IF;
    if (c->cpl == 0)
        mask |= EF_IOPL | (opsize >= 4 ? EF_IRET_CPL0 : 0);
    return mask;
}

static bool iret_real(struct cpu *c, unsigned opsize)
{
    uint32_t mask = EF_IRET_ALWAYS | EF_IF | EF_IOPL | (opsize == 4 ? EF_IRET_32 : 0);
    struct iret_frame f;

    if (!read_frame(c, opsize, &f))
        return false;
    if (f.ip > c->seg[SEG_CS].limit)
        return cpu_raise(c, VEC_GP, 0);
    stack_set_sp(c, c->gpr[RSP] + 3 * opsize);
    seg_load_real(c, SEG_CS, (uint16_t)f.cs);
    c->next_rip = f.ip;
    merge_flags(c, (uint32_t)f.flags, mask);
    return true;
}

/* IOPL < 3 with CR4.VME: IF means VIF, and a pending virtual interrupt is the monitor's business.
 */
static bool iret_vme_flags(struct cpu *c, uint32_t flags)
{
    uint32_t mask = EF_IRET_ALWAYS | EF_VIF;

    if ((flags & EF_TF) || ((flags & EF_IF) && (c->rflags & EF_VIP)))
        return cpu_raise(c, VEC_GP, 0);
    flags &= 0xffff;
    merge_flags(c, flags | (flags & EF_IF ? EF_VIF : 0), mask);
    return true;
}

static bool iret_vm86(struct cpu *c, unsigned opsize)
{
    bool virtual_if = cpu_iopl(c) < 3;
    uint32_t mask = EF_IRET_ALWAYS | EF_IF | (opsize == 4 ? EF_IRET_32 : 0);
    struct iret_frame f;

    if (virtual_if && (!(c->cr4 & CR4_VME) || opsize != 2))
        return cpu_raise(c, VEC_GP, 0);
    if (!read_frame(c, opsize, &f))
        return false;
    if (f.ip > 0xffff)
        return cpu_raise(c, VEC_GP, 0);
    if (virtual_if) {
        if (!iret_vme_flags(c, (uint32_t)f.flags))
            return false;
    } else {
        merge_flags(c, (uint32_t)f.flags, mask);
    }
    stack_set_sp(c, c->gpr[RSP] + 3 * opsize);
    seg_load_real(c, SEG_CS, (uint16_t)f.cs);
    c->next_rip = f.ip;
    cpu_update_mode(c);
    return true;
}

static bool iret_to_vm86(struct cpu *c, const struct iret_frame *f)
{
    static const uint8_t order[] = {SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    uint64_t esp, sel[ARRAY_SIZE(order)];

    if (!stack_peek(c, 12, 4, &esp))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        if (!stack_peek(c, 16 + 4 * i, 4, &sel[i]))
            return false;

    c->cpl = 3;
    seg_load_vm86(c, SEG_CS, (uint16_t)f->cs);
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        seg_load_vm86(c, order[i], (uint16_t)sel[i]);
    c->gpr[RSP] = esp;
    c->next_rip = f->ip & 0xffff;
    cpu_set_rflags(c, (uint32_t)f->flags);
    return true;
}

/* The code segment that IRET or RETF returns to. */
static bool check_return_cs(struct cpu *c, uint16_t sel, struct desc *cs)
{
    unsigned rpl = sel & 3;

    if (sel_null(sel))
        return cpu_raise(c, VEC_GP, 0);
    if (!desc_read(c, sel, cs, VEC_GP, 0))
        return false;
    if (!desc_code(cs) || rpl < c->cpl)
        return raise_sel(c, VEC_GP, sel, 0);
    if (desc_conforming(cs) ? desc_dpl(cs) > rpl : desc_dpl(cs) != rpl)
        return raise_sel(c, VEC_GP, sel, 0);
    if (!desc_check_size(c, sel, cs, 0))
        return false;
    return desc_present(cs) || raise_sel(c, VEC_NP, sel, 0);
}

/* The stack segment to return to: 64-bit code below CPL 3 may have a null one. */
static bool load_return_ss(struct cpu *c, uint16_t sel, uint16_t cs_sel, const struct desc *cs,
                           struct seg *ss)
{
    struct desc d;

    *ss = c->seg[SEG_SS];
    if (sel_null(sel) && desc_code64(c, cs) && (cs_sel & 3) != 3 && (sel & 3) == (cs_sel & 3)) {
        seg_set_null(ss, sel);
        return true;
    }
    if (!seg_check_stack(c, sel, cs_sel & 3, VEC_GP, 0, &d))
        return false;
    seg_from_desc(ss, sel, &d);
    return true;
}

/* Where a return goes. `at`: bytes from SS:SP to the outer RSP and SS, which is what a return to
 * the same level takes off the stack; `outer_pop`: what is taken off the outer one. */
struct return_target {
    uint16_t sel;
    uint64_t ip;
    unsigned opsize, at, outer_pop;
    bool pops_stack; /* RSP and SS also when the level stays: IRET of 64-bit code (SDM 3A 6.14.3) */
};

/* Sets next_rip, CPL, CS, SS, RSP and the mode. */
static bool return_to(struct cpu *c, const struct return_target *t)
{
    bool outer = (t->sel & 3u) > c->cpl;
    bool stack = outer || t->pops_stack;
    uint64_t rsp = c->gpr[RSP] + t->at, ss_sel;
    uint64_t rip = t->ip;
    struct desc cs;
    struct seg ss;

    if (!check_return_cs(c, t->sel, &cs))
        return false;
    if (stack) {
        if (!stack_peek(c, t->at, t->opsize, &rsp) ||
            !stack_peek(c, t->at + t->opsize, t->opsize, &ss_sel))
            return false;
        if (!load_return_ss(c, (uint16_t)ss_sel, t->sel, &cs, &ss))
            return false;
    }
    if (!desc_fit_rip(c, &cs, &rip))
        return cpu_raise(c, VEC_GP, 0);
    if (!desc_set_accessed(c, &cs))
        return false;

    if (!stack)
        stack_set_sp(c, rsp); /* of the old width: SS stays */
    desc_narrow_rsp(c, &cs);
    seg_from_desc(&c->seg[SEG_CS], t->sel, &cs);
    c->next_rip = rip;
    c->cpl = t->sel & 3;
    if (stack)
        c->seg[SEG_SS] = ss;
    if (outer)
        seg_drop_inner(c);
    cpu_update_mode(c);
    if (stack)
        stack_set_sp(c, outer ? rsp + t->outer_pop : rsp);
    return true;
}

static bool iret_protected(struct cpu *c, unsigned opsize)
{
    uint32_t mask = flags_mask(c, opsize);
    struct iret_frame f;

    if (!read_frame(c, opsize, &f))
        return false;
    if (opsize == 4 && (f.flags & EF_VM) && c->cpl == 0 && !cpu_long(c))
        return iret_to_vm86(c, &f);
    const struct return_target t = {
        .sel = (uint16_t)f.cs,
        .ip = f.ip,
        .opsize = opsize,
        .at = 3 * opsize,
        .pops_stack = cpu_cs64(c),
    };
    if (!return_to(c, &t))
        return false;
    merge_flags_only(c, (uint32_t)f.flags, mask);
    return true;
}

bool cpu_iret(struct cpu *c, unsigned opsize)
{
    /* NMIs open again even when IRET itself faults (SDM 3A 6.7.1, 3C 27.3). */
    c->nmi_blocked = 0;
    if (cpu_real(c))
        return iret_real(c, opsize);
    if (cpu_vm86(c))
        return iret_vm86(c, opsize);
    if (c->rflags & EF_NT)
        return cpu_long(c) ? cpu_raise(c, VEC_GP, 0) : task_return(c);
    return iret_protected(c, opsize);
}

static bool far_ret_real(struct cpu *c, unsigned opsize, unsigned pop_bytes)
{
    uint64_t ip, sel;

    if (!stack_peek(c, 0, opsize, &ip) || !stack_peek(c, opsize, opsize, &sel))
        return false;
    if (ip > c->seg[SEG_CS].limit)
        return cpu_raise(c, VEC_GP, 0);
    stack_set_sp(c, c->gpr[RSP] + 2 * opsize + pop_bytes);
    seg_load_real(c, SEG_CS, (uint16_t)sel);
    c->next_rip = ip;
    cpu_update_mode(c);
    return true;
}

bool cpu_far_ret(struct cpu *c, unsigned opsize, unsigned pop_bytes)
{
    struct return_target t = {
        .opsize = opsize, .at = 2 * opsize + pop_bytes, .outer_pop = pop_bytes};
    uint64_t sel;

    if (cpu_real(c) || cpu_vm86(c))
        return far_ret_real(c, opsize, pop_bytes);
    if (!stack_peek(c, 0, opsize, &t.ip) || !stack_peek(c, opsize, opsize, &sel))
        return false;
    t.sel = (uint16_t)sel;
    return return_to(c, &t);
}
