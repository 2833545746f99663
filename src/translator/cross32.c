/* SYSENTER, SYSEXIT and loads of segment registers of 32-bit code that stay in the cache: what
 * cross32_asm.S goes by. */
#include "base/bits.h"
#include "cpu/control.h"
#include "cpu/exception.h"
#include "cpu/segment.h"
#include "shadowmmu/access.h"
#include "translator/bt_offsets.h"
#include "translator/bt_priv.h"

#define OFFSET_IS(type, member, value) _Static_assert(offsetof(type, member) == (value), #member)
OFFSET_IS(struct bt_hot, gdt, HOT_GDT);
OFFSET_IS(struct bt_hot, segload, HOT_SEGLOAD);
OFFSET_IS(struct bt_segload, sel, SEGLOAD_SEL);
OFFSET_IS(struct bt_segload, plain, SEGLOAD_PLAIN);
OFFSET_IS(struct bt_segload, descriptor, SEGLOAD_DESCRIPTOR);
OFFSET_IS(struct bt_segload, seg, SEGLOAD_SEG);
OFFSET_IS(struct insn, op[0].reg, INSN_SEG);
OFFSET_IS(struct cpu, cr0, CPU_CR0);
OFFSET_IS(struct cpu, cr2, CPU_CR2);
OFFSET_IS(struct cpu, cr3, CPU_CR3);
OFFSET_IS(struct cpu, cr4, CPU_CR4);
OFFSET_IS(struct cpu, sysenter_esp, CPU_SEESP);
OFFSET_IS(struct cpu, sysenter_eip, CPU_SEEIP);
_Static_assert(sizeof(struct bt_segload) == SEGLOAD_BYTES && BT_SEGLOADS == SEGLOADS, "table");

enum {
    /* what the privilege level, CS and SS have no part in; DS and ES are flat in translated code */
    MODE_LASTING = MODE_PE | MODE_LMA | MODE_PG | MODE_NOFPU | MODE_NOSSE | MODE_NOAVX | MODE_DR7 |
                   MODE_WP | MODE_FLAT_DS | MODE_FLAT_ES,
    SEL_TI = 4,
};

static bool as_before(const struct bt_cross *x, const struct cpu *c)
{
    return x->valid && !x->wide && x->mode == (c->mode & MODE_LASTING) && x->cr4 == c->cr4 &&
           x->sysenter_cs == c->sysenter_cs && x->gdtr.base == c->gdtr.base &&
           x->gdtr.limit == c->gdtr.limit;
}

static bool take_level(struct engine *e, unsigned user)
{
    const struct cpu *c = e->cpu;
    struct bt_level *l = &e->hot->level[user];

    *l = (struct bt_level){
        .ctx = e->step_ctx[0] ? e->step_ctx[0] : bt_ctx_get(e, c->mode),
        .block = e->hot->base[user ? VIEW_USER : VIEW_KERNEL],
        .cs = c->seg[SEG_CS],
        .ss = c->seg[SEG_SS],
        .sel = {c->seg[SEG_CS].sel, c->seg[SEG_SS].sel},
        .mode = c->mode,
    };
    return l->ctx != NULL;
}

/* The CPU is asked where they lead, with the flags that the stubs insist on: IOPL 0, no TF, no AC.
 */
static bool make_levels(struct engine *e)
{
    struct cpu *c = e->cpu;
    const struct seg cs = c->seg[SEG_CS], ss = c->seg[SEG_SS];
    const uint64_t rsp = c->gpr[RSP], next = c->next_rip;
    const uint32_t rflags = c->rflags;
    const uint8_t cpl = c->cpl, iflag = c->iflag;
    bool made;

    c->rflags = EF_R1;
    made = cpu_sysenter(c) && take_level(e, 0) && cpu_sysexit(c, 4) && take_level(e, 1);
    c->seg[SEG_CS] = cs;
    c->seg[SEG_SS] = ss;
    c->gpr[RSP] = rsp;
    c->next_rip = next;
    c->rflags = rflags;
    c->cpl = cpl;
    c->iflag = iflag;
    cpu_update_mode(c);
    return made;
}

/* False: some are not in the GDT. */
static bool find_descriptors(struct engine *e)
{
    const struct cpu *c = e->cpu;
    struct bt_hot *h = e->hot;
    bool found = true;

    for (unsigned n = 0; n < ARRAY_SIZE(h->desc_lin); n++) {
        uint32_t sel = h->level[n / 2].sel[n % 2];

        h->desc_lin[n] = (uint32_t)(c->gdtr.base + (sel & ~7u));
        found &= sel > 3 && !(sel & SEL_TI) && (sel | 7u) <= c->gdtr.limit;
    }
    return found;
}

void bt32_prepare_crossings(struct engine *e)
{
    struct bt_cross *x = &e->cross;
    const struct cpu *c = e->cpu;

    if (!as_before(x, c)) {
        *x = (struct bt_cross){.valid = true,
                               .mode = c->mode & MODE_LASTING,
                               .cr4 = c->cr4,
                               .sysenter_cs = c->sysenter_cs,
                               .gdtr = c->gdtr};
        /* IRET reads there whether it is ready or not: there is something to be read */
        for (unsigned n = 0; n < ARRAY_SIZE(e->hot->desc_lin); n++)
            e->hot->desc_lin[n] = (uint32_t)c->gdtr.base;
        if (!cpu_long(c) && c->sysenter_cs & ~UINT64_C(3) && make_levels(e))
            x->ways = find_descriptors(e) ? WAY_SYSENTER | WAY_IRET32 : WAY_SYSENTER;
    }
    e->hot->ways = x->ways;
}

void bt32_see_gdt(struct engine *e)
{
    const struct cpu *c = e->cpu;
    struct bt_hot *h = e->hot;

    if (e->gdt_seen.base == c->gdtr.base && e->gdt_seen.limit == c->gdtr.limit &&
        e->gdt_wide == cpu_long(c))
        return;
    e->gdt_seen = c->gdtr;
    e->gdt_wide = cpu_long(c);
    e->cross.valid = false;
    h->ways &= (uint8_t)~WAY_IRET32; /* desc_lin[] is of the other */
    h->gdt = (uint32_t)c->gdtr.base;
    for (unsigned s = 0; s < NSEG; s++)
        for (unsigned k = 0; k < BT_SEGLOADS; k++)
            h->segload[s][k].sel = BT_NO_SEL;
}

/* DS and ES only while they are flat, or in 64-bit code: the mode stays what it is. */
void bt32_remember_load(struct engine *e, unsigned seg)
{
    struct cpu *c = e->cpu;
    const struct seg *s = &c->seg[seg];
    bool fs_gs = seg == SEG_FS || seg == SEG_GS, null = s->sel <= 3;
    struct bt_segload *l = &e->hot->segload[seg][s->sel >> 3 & (BT_SEGLOADS - 1)];
    gva_t lin;
    hva_t at;

    if (!(c->mode & MODE_PE) || (cpu_long(c) && !cpu_cs64(c)) || cpu_vm86(c) || (s->sel & SEL_TI) ||
        s->usable == null || (!fs_gs && !s->flat && !cpu_cs64(c)))
        return;
    lin = c->gdtr.base + (s->sel & ~7u);
    at = mem_ptr(c, cpu_cs64(c) ? lin : (uint32_t)lin, 8, false, false);
    if (!at || (s->sel | 7u) > c->gdtr.limit)
        return;
    *l = (struct bt_segload){
        .sel = s->sel, .plain = bt_seg_plain(s), .descriptor = ld64(at), .seg = *s};
}
