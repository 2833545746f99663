/* task.c - hardware task switches (SDM 3A chapter 7).
 *
 *   check new TSS -> read it -> probe all writes | save old state, busy bits, back link | load new
 *   ---------- faults belong to the old task ---------- commit --- faults belong to the new task
 */
#include "base/bits.h"
#include "cpu/debug.h"
#include "cpu/desc.h"

/* Offsets in the two TSS layouts (SDM 3A figures 7-2 and 7-10). Registers are in `enum gpr` order,
 * segments ES CS SS DS [FS GS] in `enum seg_reg` order. */
struct tss_layout {
    uint8_t ip, regs, segs, ldt, nseg, width;
    uint8_t min_limit;
    uint8_t saved; /* bytes written on the way out, from ip */
};

static const struct tss_layout tss16 = {.ip = 14,
                                        .regs = 18,
                                        .segs = 34,
                                        .ldt = 42,
                                        .nseg = 4,
                                        .width = 2,
                                        .min_limit = 0x2b,
                                        .saved = 28};
static const struct tss_layout tss32 = {.ip = 32,
                                        .regs = 40,
                                        .segs = 72,
                                        .ldt = 96,
                                        .nseg = 6,
                                        .width = 4,
                                        .min_limit = 0x67,
                                        .saved = 64};

enum { TSS_CR3 = 0x1c, TSS_TRAP = 0x64, TSS_BYTES = 0x68 };

struct task_state {
    uint32_t cr3, eip, eflags, gpr[8];
    uint16_t seg[NSEG], ldt;
    bool wide, trap;
};

static const struct tss_layout *layout_of(unsigned type)
{
    return type & SYS_32 ? &tss32 : &tss16;
}

/* IRET comes back to a busy TSS and blames the TSS; the others enter an available one. */
static bool check_new_tss(struct cpu *c, const struct task_request *r, struct desc *d)
{
    enum vector v = r->src == TASK_IRET ? VEC_TS : VEC_GP;
    unsigned busy = r->src == TASK_IRET ? SYS_BUSY : 0;

    if ((r->sel & 4) || sel_null(r->sel))
        return raise_sel(c, v, r->sel, r->ext);
    if (!desc_read(c, r->sel, d, v, r->ext))
        return false;
    if (!desc_system(d) || !sys_is_tss(desc_type(d)) || (desc_type(d) & SYS_BUSY) != busy)
        return raise_sel(c, v, r->sel, r->ext);
    if (!desc_present(d))
        return raise_sel(c, VEC_NP, r->sel, r->ext);
    if (desc_limit(d) < layout_of(desc_type(d))->min_limit)
        return raise_sel(c, VEC_TS, r->sel, r->ext);
    return true;
}

static uint32_t tss_word(const uint8_t *raw, unsigned width)
{
    return width == 2 ? ld16(raw) : ld32(raw);
}

static bool read_tss(struct cpu *c, const struct desc *d, struct task_state *t)
{
    const struct tss_layout *l = layout_of(desc_type(d));
    uint8_t raw[TSS_BYTES];

    if (!c->mem->read(c, desc_base(d), raw, l->min_limit + 1u, MEM_SYSTEM))
        return false;
    t->wide = l->width == 4;
    t->eip = tss_word(raw + l->ip, l->width);
    t->eflags = tss_word(raw + l->ip + l->width, l->width);
    for (unsigned i = 0; i < 8; i++) {
        t->gpr[i] = tss_word(raw + l->regs + i * l->width, l->width);
        /* A 16-bit TSS sets the upper halves to ones: what 386 and later were seen to do. */
        if (!t->wide)
            t->gpr[i] |= 0xffff0000;
    }
    for (unsigned i = 0; i < NSEG; i++)
        t->seg[i] = i < l->nseg ? ld16(raw + l->segs + i * l->width) : 0;
    t->ldt = ld16(raw + l->ldt);
    t->cr3 = t->wide ? ld32(raw + TSS_CR3) : 0;
    t->trap = t->wide && (raw[TSS_TRAP] & 1);
    return true;
}

/* Everything that will be written can be: the old TSS, both busy bits, the back link. */
static bool probe_switch(struct cpu *c, const struct task_request *r, const struct desc *new_tss,
                         const struct desc *old_tss)
{
    const struct seg *tr = &c->seg[SEG_TR];
    const struct tss_layout *l = layout_of(tr->attr);
    bool nested = r->src == TASK_CALL || r->src == TASK_GATE;

    if (!tr->usable || tr->limit < l->min_limit)
        return raise_sel(c, VEC_TS, tr->sel, r->ext);
    if (!c->mem->probe_write(c, (uint32_t)(tr->base + l->ip), l->saved, MEM_SYSTEM))
        return false;
    if (old_tss && !c->mem->probe_write(c, (uint32_t)(old_tss->lin + 5), 1, MEM_SYSTEM))
        return false;
    if (nested && !c->mem->probe_write(c, desc_base(new_tss), 2, MEM_SYSTEM))
        return false;
    return c->mem->probe_write(c, (uint32_t)(new_tss->lin + 5), 1, MEM_SYSTEM);
}

static bool save_old(struct cpu *c, const struct task_request *r)
{
    const struct seg *tr = &c->seg[SEG_TR];
    const struct tss_layout *l = layout_of(tr->attr);
    uint32_t flags = r->src == TASK_IRET ? r->eflags & ~(uint32_t)EF_NT : r->eflags;
    uint8_t raw[10 * 4];
    uint32_t val[10] = {r->eip, flags};

    for (unsigned i = 0; i < 8; i++)
        val[2 + i] = (uint32_t)c->gpr[i];
    for (unsigned i = 0; i < ARRAY_SIZE(val); i++) {
        if (l->width == 2)
            st16(raw + i * 2, (uint16_t)val[i]);
        else
            st32(raw + i * 4, val[i]);
    }
    if (!c->mem->write(c, (uint32_t)(tr->base + l->ip), raw, 10u * l->width, MEM_SYSTEM))
        return false;
    for (unsigned i = 0; i < l->nseg; i++) {
        gva_t at = (uint32_t)(tr->base + l->segs + i * l->width);

        if (!c->mem->write(c, at, &c->seg[i].sel, 2, MEM_SYSTEM))
            return false;
    }
    return true;
}

/* Busy bits and back link, SDM 3A table 7-2. */
static bool link_tasks(struct cpu *c, const struct task_request *r, struct desc *new_tss,
                       struct desc *old_tss)
{
    uint16_t back = c->seg[SEG_TR].sel;

    if ((r->src == TASK_JMP || r->src == TASK_IRET) && old_tss && !desc_set_busy(c, old_tss, false))
        return false;
    if (r->src == TASK_IRET)
        return true;
    if (r->src != TASK_JMP && !c->mem->write(c, desc_base(new_tss), &back, 2, MEM_SYSTEM))
        return false;
    return desc_set_busy(c, new_tss, true);
}

static bool load_cr3(struct cpu *c, uint32_t cr3)
{
    uint64_t old = c->cr3;

    c->cr3 = cr3;
    if ((c->cr4 & CR4_PAE) && c->hooks.load_pdptes && !c->hooks.load_pdptes(c->hooks.opaque, c)) {
        c->cr3 = old;
        return cpu_raise(c, VEC_GP, 0);
    }
    if (c->hooks.cr3_written) {
        cpu_fpu_sync(c);
        c->hooks.cr3_written(c->hooks.opaque, c);
    }
    return true;
}

/* Registers without checks; all segments unusable until their descriptors have been read. */
static bool load_registers(struct cpu *c, const struct task_state *t)
{
    bool ok = !(c->cr0 & CR0_PG) || !t->wide || load_cr3(c, t->cr3);

    for (unsigned i = 0; i < 8; i++)
        c->gpr[i] = t->gpr[i];
    for (unsigned i = 0; i < NSEG; i++)
        seg_set_null(&c->seg[i], t->seg[i]);
    seg_set_null(&c->seg[SEG_LDTR], t->ldt);
    c->cpl = t->eflags & EF_VM ? 3 : t->seg[SEG_CS] & 3;
    c->next_rip = t->eip;
    c->rip = t->eip;
    c->dr[7] &= ~(uint64_t)DR7_LOCAL;
    cpu_set_rflags(c, t->eflags);
    return ok;
}

static bool load_task_ldt(struct cpu *c, uint16_t sel)
{
    struct desc d;

    if (sel_null(sel))
        return true;
    if (sel & 4)
        return raise_sel(c, VEC_TS, sel, 0);
    if (!desc_read(c, sel, &d, VEC_TS, 0))
        return false;
    if (!desc_system(&d) || desc_type(&d) != SYS_LDT || !desc_present(&d))
        return raise_sel(c, VEC_TS, sel, 0);
    seg_from_desc(&c->seg[SEG_LDTR], sel, &d);
    return true;
}

static bool load_task_cs(struct cpu *c, uint16_t sel)
{
    struct desc d;

    if (sel_null(sel))
        return raise_sel(c, VEC_TS, sel, 0);
    if (!desc_read(c, sel, &d, VEC_TS, 0))
        return false;
    if (!desc_code(&d) ||
        (desc_conforming(&d) ? desc_dpl(&d) > (sel & 3u) : desc_dpl(&d) != (sel & 3u)))
        return raise_sel(c, VEC_TS, sel, 0);
    if (!desc_present(&d))
        return raise_sel(c, VEC_NP, sel, 0);
    if (!desc_set_accessed(c, &d))
        return false;
    seg_from_desc(&c->seg[SEG_CS], sel, &d);
    return true;
}

static bool load_task_data(struct cpu *c, unsigned seg, uint16_t sel)
{
    struct desc d;

    if (sel_null(sel))
        return true;
    if (!desc_read(c, sel, &d, VEC_TS, 0))
        return false;
    if (!desc_readable(&d))
        return raise_sel(c, VEC_TS, sel, 0);
    if (!desc_conforming(&d) && ((sel & 3u) > desc_dpl(&d) || c->cpl > desc_dpl(&d)))
        return raise_sel(c, VEC_TS, sel, 0);
    if (!desc_present(&d))
        return raise_sel(c, VEC_NP, sel, 0);
    if (!desc_set_accessed(c, &d))
        return false;
    seg_from_desc(&c->seg[seg], sel, &d);
    return true;
}

static bool load_segments(struct cpu *c, const struct task_state *t)
{
    static const uint8_t data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    struct desc ss;

    if (!load_task_ldt(c, t->ldt))
        return false;
    if (cpu_vm86(c)) {
        for (unsigned i = 0; i < NSEG; i++)
            seg_load_vm86(c, i, t->seg[i]);
        return true;
    }
    if (!load_task_cs(c, t->seg[SEG_CS]))
        return false;
    if (!seg_check_stack(c, t->seg[SEG_SS], c->cpl, VEC_TS, 0, &ss))
        return false;
    seg_from_desc(&c->seg[SEG_SS], t->seg[SEG_SS], &ss);
    for (unsigned i = 0; i < ARRAY_SIZE(data); i++)
        if (!load_task_data(c, data[i], t->seg[data[i]]))
            return false;
    return true;
}

static bool push_error(struct cpu *c, const struct task_request *r, bool wide)
{
    struct stack st;

    stack_init(&st, &c->seg[SEG_SS], c->gpr[RSP], c->cpl, wide ? 4 : 2, r->ext);
    stack_put(&st, r->err);
    if (!stack_write(c, &st))
        return false;
    stack_set_sp(c, st.sp);
    return true;
}

/* From here on the new task is the current one, and what fails is its fault. */
static bool start_task(struct cpu *c, const struct task_request *r, const struct desc *tss,
                       struct task_state *t)
{
    bool loaded;

    if (r->src == TASK_CALL || r->src == TASK_GATE)
        t->eflags |= EF_NT;
    seg_from_desc(&c->seg[SEG_TR], r->sel, tss);
    c->seg[SEG_TR].attr |= SYS_BUSY;
    c->cr0 |= CR0_TS;
    loaded = load_registers(c, t) && load_segments(c, t);
    cpu_update_mode(c);
    if (!loaded)
        return false;
    if (r->push_err && !push_error(c, r, t->wide))
        return false;
    if (t->eip > c->seg[SEG_CS].limit)
        return cpu_raise(c, VEC_GP, r->ext);
    if (t->trap) {
        c->debug_trap = 1;
        c->pending_dr6 |= DR6_BT;
    }
    return true;
}

bool task_switch(struct cpu *c, const struct task_request *r)
{
    struct desc new_tss, old_desc, *old_tss = NULL;
    struct task_state t;
    enum desc_result found;

    if (!check_new_tss(c, r, &new_tss))
        return false;
    found = desc_fetch(c, c->seg[SEG_TR].sel, &old_desc);
    if (found == DESC_FAULT)
        return false;
    if (found == DESC_OK)
        old_tss = &old_desc;
    if (!read_tss(c, &new_tss, &t) || !probe_switch(c, r, &new_tss, old_tss))
        return false;
    if (!save_old(c, r) || !link_tasks(c, r, &new_tss, old_tss))
        return false;
    return start_task(c, r, &new_tss, &t);
}

bool task_return(struct cpu *c)
{
    const struct seg *tr = &c->seg[SEG_TR];
    struct task_request r = {
        .src = TASK_IRET, .eip = (uint32_t)c->next_rip, .eflags = cpu_rflags(c)};
    uint8_t link[2];

    if (!tr->usable || tr->limit < 1)
        return raise_sel(c, VEC_TS, tr->sel, 0);
    if (!c->mem->read(c, (uint32_t)tr->base, link, 2, MEM_SYSTEM))
        return false;
    r.sel = ld16(link);
    return task_switch(c, &r);
}

bool cpu_task_switch(struct cpu *c, uint16_t tss_sel, enum task_source src, bool push_err,
                     uint32_t err)
{
    struct task_request r = {
        .sel = tss_sel,
        .src = src,
        .ext = src == TASK_GATE && push_err,
        .eip = (uint32_t)c->next_rip,
        .eflags = cpu_rflags(c),
        .push_err = push_err,
        .err = err,
    };

    return task_switch(c, &r);
}
