/* Changes of privilege level inside the cache: what SYSCALL, SYSRET and IRETQ between 64-bit code
 * at CPL 0 and CPL 3 change is made ready here, and put in place by bt64_asm.S. Their meanings are
 * in cpu/fastcall.c and cpu/return.c; what is not as it mostly is becomes a callout. */
#include "cpu/segment.h"
#include "translator/bt_offsets.h"
#include "translator/bt_priv.h"

#define OFFSET_IS(type, member, value) _Static_assert(offsetof(type, member) == (value), #member)
OFFSET_IS(struct cpu, cpl, CPU_CPL);
OFFSET_IS(struct cpu, intr, CPU_INTR);
OFFSET_IS(struct cpu, kick, CPU_KICK);
OFFSET_IS(struct cpu, mode, CPU_MODE);
OFFSET_IS(struct cpu, nmi_blocked, CPU_NMIBLK);
OFFSET_IS(struct cpu, seg, CPU_SEG);
OFFSET_IS(struct cpu, lstar, CPU_LSTAR);
OFFSET_IS(struct cpu, fmask, CPU_FMASK);
OFFSET_IS(struct cpu, kernel_gs_base, CPU_KGS);
OFFSET_IS(struct seg, base, SEG_BASE);
OFFSET_IS(struct seg, usable, SEG_USABLE);
OFFSET_IS(struct bt_hot, level[0], HOT_LEVEL0);
OFFSET_IS(struct bt_hot, level[1], HOT_LEVEL3);
OFFSET_IS(struct bt_hot, desc_lin, HOT_DESCLIN);
OFFSET_IS(struct bt_hot, frame, HOT_FRAME);
OFFSET_IS(struct bt_hot, desc, HOT_DESC);
OFFSET_IS(struct bt_hot, crossings, HOT_CROSSINGS);
OFFSET_IS(struct bt_hot, ways, HOT_WAYS);
OFFSET_IS(struct bt_hot, tsc_offset, HOT_TSC_OFF);
OFFSET_IS(struct bt_hot, tsc_aux, HOT_TSC_AUX);
OFFSET_IS(struct bt_level, ctx, LEVEL_CTX);
OFFSET_IS(struct bt_level, block, LEVEL_BLOCK);
OFFSET_IS(struct bt_level, cs, LEVEL_CS);
OFFSET_IS(struct bt_level, ss, LEVEL_SS);
OFFSET_IS(struct bt_level, sel, LEVEL_SEL);
OFFSET_IS(struct bt_level, mode, LEVEL_MODE);
OFFSET_IS(struct bt_callout, next, SITE_NEXT);
OFFSET_IS(struct bt_callout, resume, SITE_RESUME);
_Static_assert(sizeof(struct seg) == 24, "bt64_asm.S copies CS and SS");
_Static_assert(SEG_SS == SEG_CS + 1, "in one piece");

enum {
    /* what the privilege level, CS and SS have no part in */
    MODE_LASTING =
        MODE_PE | MODE_LMA | MODE_PG | MODE_NOFPU | MODE_NOSSE | MODE_NOAVX | MODE_DR7 | MODE_WP,
    SEL_TI = 4,
};

/* Both levels, with the flags that the crossings insist on: IOPL 0, no TF, no AC. */
static bool make_levels(struct engine *e)
{
    struct cpu *c = e->cpu;
    const struct seg cs = c->seg[SEG_CS], ss = c->seg[SEG_SS];
    const uint32_t rflags = c->rflags;
    const uint8_t cpl = c->cpl;
    bool made = true;

    c->rflags = EF_R1;
    for (unsigned user = 0; user < 2; user++) {
        struct bt_level *l = &e->hot->level[user];

        cpu_set_star64(c, user ? 3 : 0);
        cpu_update_mode(c);
        *l = (struct bt_level){
            .ctx = e->step_ctx[1] ? e->step_ctx[1] : bt_ctx_get(e, c->mode),
            .block = smmu_block(e->mmu, smmu_table_of(c)),
            .cs = c->seg[SEG_CS],
            .ss = c->seg[SEG_SS],
            .sel = {c->seg[SEG_CS].sel, c->seg[SEG_SS].sel},
            .mode = c->mode,
        };
        made &= l->ctx != NULL;
    }
    c->seg[SEG_CS] = cs;
    c->seg[SEG_SS] = ss;
    c->rflags = rflags;
    c->cpl = cpl;
    cpu_update_mode(c);
    return made;
}

/* False: not a descriptor of the GDT. */
static bool find_descriptor(const struct cpu *c, uint32_t sel, uint64_t *lin)
{
    *lin = c->gdtr.base + (sel & ~7u);
    return sel > 3 && !(sel & SEL_TI) && (sel | 7u) <= c->gdtr.limit;
}

static bool find_descriptors(struct engine *e)
{
    struct bt_hot *h = e->hot;
    bool found = true;

    for (unsigned n = 0; n < ARRAY_SIZE(h->desc_lin); n++)
        found &= find_descriptor(e->cpu, h->level[n / 2].sel[n % 2], &h->desc_lin[n]);
    return found;
}

static bool as_before(const struct bt_cross *x, const struct cpu *c)
{
    return x->valid && x->wide && x->mode == (c->mode & MODE_LASTING) && x->cr4 == c->cr4 &&
           x->star == c->star && x->efer == c->efer && x->gdtr.base == c->gdtr.base &&
           x->gdtr.limit == c->gdtr.limit;
}

/* seg_drop_inner() would leave them as they are. */
static bool data_segments_stay(const struct cpu *c)
{
    static const uint8_t data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    bool stay = true;

    for (unsigned k = 0; k < ARRAY_SIZE(data); k++) {
        const struct seg *s = &c->seg[data[k]];

        stay &= s->usable ? (s->attr >> ATTR_DPL_SHIFT & 3) == 3 : s->sel == 0;
    }
    return stay;
}

void bt64_prepare_crossings(struct engine *e)
{
    struct bt_cross *x = &e->cross;
    const struct cpu *c = e->cpu;

    if (!as_before(x, c)) {
        *x = (struct bt_cross){.valid = true,
                               .wide = true,
                               .mode = c->mode & MODE_LASTING,
                               .cr4 = c->cr4,
                               .star = c->star,
                               .efer = c->efer,
                               .gdtr = c->gdtr};
        if ((c->efer & EFER_SCE) && make_levels(e))
            x->ways =
                find_descriptors(e) ? WAY_FAST_CALL | WAY_IRET_OUT | WAY_IRET_SAME : WAY_FAST_CALL;
    }
    e->hot->ways = data_segments_stay(c) ? x->ways : x->ways & ~WAY_IRET_OUT;
}

void bt_see_crossing(struct engine *e)
{
    if (e->gs_base == e->hot->window)
        return;
    e->gs_base = e->hot->window;
    e->table_seen = smmu_table_of(e->cpu);
    e->cur_ctx = NULL;
}
