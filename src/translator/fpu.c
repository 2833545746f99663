/* The guest's x87/vector state between host registers and struct cpu. */
#include "translator/bt_priv.h"

/* XSAVE area offsets (SDM 1 10.5.1.1, 13.4): legacy region of the 64-bit form. */
enum { AREA_FIP = 8, AREA_FDP = 16 };

static void xsave(void *area, uint64_t mask)
{
    __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
                     : "memory");
}

static void xrstor(const void *area, uint64_t mask)
{
    __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
                     : "memory");
}

/* The host recorded where *it* ran the last x87 instruction; the guest must see its own addresses
 * (pitfalls A14). */
static void fix_pointers(struct engine *e, struct cpu *c)
{
    uint64_t fip, fdp;
    struct bt_block *b;
    const struct bt_map *m;
    enum smmu_view v;
    uint64_t lin;
    bool in_gap;

    __builtin_memcpy(&fip, c->fpu + AREA_FIP, 8);
    __builtin_memcpy(&fdp, c->fpu + AREA_FDP, 8);
    if (codemem_contains(&e->code, fip)) {
        b = bt_block_at(e, fip);
        m = b ? bt_map_at(b, fip) : NULL;
        fip = m ? b->rip + m->guest : 0;
        __builtin_memcpy(c->fpu + AREA_FIP, &fip, 8);
        c->fcs = c->seg[SEG_CS].sel;
    }
    if (cpu_long(c) ? smmu_locate_long(e->mmu, fdp, &lin, &in_gap)
                    : smmu_locate(e->mmu, fdp, &v, &lin, &in_gap)) {
        lin = cpu_long(c) ? lin : (uint32_t)lin;
        __builtin_memcpy(c->fpu + AREA_FDP, &lin, 8);
        c->fds = c->seg[SEG_DS].sel;
    }
}

void bt_fpu_save(struct engine *e, struct cpu *c)
{
    static const uint32_t default_mxcsr = 0x1f80;

    if (!c->fpu_live)
        return;
    xsave(c->fpu, e->xsave_mask);
    c->fpu_live = 0;
    __asm__ volatile("ldmxcsr %0" ::"m"(default_mxcsr));
    fix_pointers(e, c);
}

void bt_fpu_restore(struct engine *e, struct cpu *c)
{
    if (c->fpu_live)
        return;
    xrstor(c->fpu, e->xsave_mask);
    c->fpu_live = 1;
}
