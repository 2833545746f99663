/* control.c - control registers, XCR0 and the time-stamp counter (SDM 3A 2.5, 2.6, 17.17). */
#include "cpu/control.h"

#include "base/bits.h"
#include "cpu/desc.h"
#include "cpu/model.h"

enum {
    CR0_WRITABLE = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD,
    CR4_PDPTE_BITS =
        CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP, /* a change reloads PDPTEs (SDM 3A 4.4.1) */
    CR4_PAGING_BITS = CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP | CR4_SMAP | CR4_PCIDE,
    CR0_LMSW = CR0_PE | CR0_MP | CR0_EM | CR0_TS,
};
enum { CR3_PCID = 0xfff, FPU_XSTATE_BV = 512 /* in cpu.fpu (SDM 1 13.4.2) */ };
#define CR3_KEEP        (UINT64_C(1) << 63)
#define CR0_PDPTE_BITS  (CR0_CD | CR0_NW | CR0_PG)
#define CR0_PAGING_BITS (CR0_PG | CR0_WP)

enum xcr0_bit { XCR0_X87 = 1, XCR0_SSE = 2, XCR0_AVX = 4 };

/* CR4 bits exist with the feature they control; all others are reserved. */
static const struct {
    uint32_t bits;
    enum cpu_feature feature;
} cr4_rows[] = {
    {CR4_VME | CR4_PVI, FEAT_VME}, {CR4_TSD, FEAT_TSC},        {CR4_DE, FEAT_DE},
    {CR4_PSE, FEAT_PSE},           {CR4_PAE, FEAT_PAE},        {CR4_MCE, FEAT_MCE},
    {CR4_PGE, FEAT_PGE},           {CR4_PCE, FEAT_CMOV}, /* performance counters came with the P6 */
    {CR4_OSFXSR, FEAT_FXSR},       {CR4_OSXMMEXCPT, FEAT_SSE}, {CR4_UMIP, FEAT_UMIP},
    {CR4_FSGSBASE, FEAT_FSGSBASE}, {CR4_PCIDE, FEAT_PCID},     {CR4_OSXSAVE, FEAT_XSAVE},
    {CR4_SMEP, FEAT_SMEP},         {CR4_SMAP, FEAT_SMAP},
};

static uint32_t cr4_allowed(const struct cpu_model *m)
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(cr4_rows); i++)
        if (model_has(m, cr4_rows[i].feature))
            bits |= cr4_rows[i].bits;
    return bits;
}

bool cpu_read_cr(struct cpu *c, unsigned n, uint64_t *val)
{
    const uint64_t cr[] = {c->cr0, 0, c->cr2, c->cr3, c->cr4};

    if (n == 1 || (n > 4 && n != 8))
        return cpu_raise(c, VEC_UD, 0);
    *val = n == 8 ? c->cr8 : cr[n];
    return true;
}

/* The three registers that decide how linear addresses are walked. */
struct paging_regs {
    uint64_t cr0, cr3, cr4;
};

/* Installs new values. `latch`: PAE paging must read its PDPTEs; when they are bad nothing changes.
 */
static bool install(struct cpu *c, const struct paging_regs *r, bool latch)
{
    const struct paging_regs old = {c->cr0, c->cr3, c->cr4};

    c->cr0 = r->cr0;
    c->cr3 = r->cr3;
    c->cr4 = r->cr4;
    latch = latch && (c->cr0 & CR0_PG) && (c->cr4 & CR4_PAE) && !cpu_long(c);
    if (latch && c->hooks.load_pdptes && !c->hooks.load_pdptes(c->hooks.opaque, c)) {
        c->cr0 = old.cr0;
        c->cr3 = old.cr3;
        c->cr4 = old.cr4;
        return cpu_raise(c, VEC_GP, 0);
    }
    cpu_update_mode(c);
    return true;
}

static void tell_paging_changed(struct cpu *c)
{
    if (!c->hooks.paging_changed)
        return;
    cpu_fpu_sync(c);
    c->hooks.paging_changed(c->hooks.opaque, c);
}

static void tell_cr3_written(struct cpu *c)
{
    if (!c->hooks.cr3_written)
        return;
    cpu_fpu_sync(c);
    c->hooks.cr3_written(c->hooks.opaque, c);
}

/* PG changes with EFER.LME set: long mode begins or ends (SDM 3A 9.8.5). */
static bool may_switch_long(struct cpu *c, uint64_t cr0)
{
    const struct seg *tr = &c->seg[SEG_TR];

    if (!(cr0 & CR0_PG))
        return !cpu_cs64(c);
    return (c->cr4 & CR4_PAE) && !(c->seg[SEG_CS].attr & ATTR_L) &&
           (!tr->usable || (tr->attr & SYS_32));
}

/* LMA follows PG. What long mode left in the upper halves is undefined; zero is our contract. */
static void switch_long(struct cpu *c, uint64_t cr0)
{
    if (cr0 & CR0_PG) {
        c->efer |= EFER_LMA;
        return;
    }
    c->efer &= ~(uint64_t)EFER_LMA;
    for (unsigned i = 0; i < NGPR; i++)
        c->gpr[i] = (uint32_t)c->gpr[i];
}

static bool write_cr0(struct cpu *c, uint64_t val)
{
    struct paging_regs r = {.cr3 = c->cr3, .cr4 = c->cr4};
    uint64_t changed;
    bool switches;

    if (val >> 32)
        return cpu_raise(c, VEC_GP, 0);
    r.cr0 = (val & (CR0_WRITABLE | CR0_PG)) | CR0_ET;
    if ((r.cr0 & CR0_PG) && !(r.cr0 & CR0_PE))
        return cpu_raise(c, VEC_GP, 0);
    if ((r.cr0 & CR0_NW) && !(r.cr0 & CR0_CD))
        return cpu_raise(c, VEC_GP, 0);
    if (!(r.cr0 & CR0_PG) && (c->cr4 & CR4_PCIDE))
        return cpu_raise(c, VEC_GP, 0);
    changed = r.cr0 ^ c->cr0;
    switches = (changed & CR0_PG) && (c->efer & EFER_LME);
    if (switches && !may_switch_long(c, r.cr0))
        return cpu_raise(c, VEC_GP, 0);
    if (switches)
        switch_long(c, r.cr0);
    if (!install(c, &r, changed & CR0_PDPTE_BITS))
        return false;
    if (changed & CR0_PAGING_BITS)
        tell_paging_changed(c);
    return true;
}

static bool write_cr2(struct cpu *c, uint64_t val)
{
    c->cr2 = val;
    return true;
}

/* Bits that 32-bit and PAE paging ignore read back as written. With PCIDs bit 63, which is not
 * stored, allows old translations to stay (SDM 3A 4.10.4.1): none do. */
static bool write_cr3(struct cpu *c, uint64_t val)
{
    struct paging_regs r = {.cr0 = c->cr0, .cr3 = val, .cr4 = c->cr4};

    if (c->cr4 & CR4_PCIDE)
        r.cr3 &= ~CR3_KEEP;
    if (r.cr3 >> c->model->phys_bits && cpu_long(c))
        return cpu_raise(c, VEC_GP, 0);
    if (!install(c, &r, true))
        return false;
    tell_cr3_written(c);
    return true;
}

static bool write_cr4(struct cpu *c, uint64_t val)
{
    struct paging_regs r = {.cr0 = c->cr0, .cr3 = c->cr3, .cr4 = val};
    uint64_t changed = val ^ c->cr4;

    if (val & ~(uint64_t)cr4_allowed(c->model))
        return cpu_raise(c, VEC_GP, 0);
    if (cpu_long(c) && !(val & CR4_PAE))
        return cpu_raise(c, VEC_GP, 0);
    if ((changed & val & CR4_PCIDE) && (!cpu_long(c) || (c->cr3 & CR3_PCID)))
        return cpu_raise(c, VEC_GP, 0);
    if (!install(c, &r, changed & CR4_PDPTE_BITS))
        return false;
    if (changed & CR4_PAGING_BITS)
        tell_paging_changed(c);
    return true;
}

static bool write_cr8(struct cpu *c, uint64_t val)
{
    if (val > 15)
        return cpu_raise(c, VEC_GP, 0);
    c->cr8 = val;
    if (c->hooks.cr8_written)
        c->hooks.cr8_written(c->hooks.opaque, (uint8_t)val);
    return true;
}

bool cpu_write_cr(struct cpu *c, unsigned n, uint64_t val)
{
    static bool (*const write[])(struct cpu *, uint64_t) = {
        [0] = write_cr0, [2] = write_cr2, [3] = write_cr3, [4] = write_cr4, [8] = write_cr8};

    if (n >= ARRAY_SIZE(write) || !write[n])
        return cpu_raise(c, VEC_UD, 0);
    return write[n](c, val);
}

/* LMSW can set PE but not clear it. */
bool cpu_lmsw(struct cpu *c, uint16_t msw)
{
    return write_cr0(c, (c->cr0 & ~(uint64_t)(CR0_LMSW & ~CR0_PE)) | (msw & CR0_LMSW));
}

void cpu_clts(struct cpu *c)
{
    c->cr0 &= ~(uint64_t)CR0_TS;
    cpu_update_mode(c);
}

/* The shadow of one address space cannot be told from that of another with the same tables, and is
 * kept true for all (docs/shadowmmu.md): what concerns more than one address of the current space
 * is a MOV CR3 to it. */
bool cpu_invpcid(struct cpu *c, uint64_t type, uint64_t pcid, gva_t lin)
{
    enum { ADDRESS, CONTEXT, ALL_AND_GLOBAL, ALL };
    bool one = type == ADDRESS || type == CONTEXT;

    if (type > ALL || (pcid & ~(uint64_t)CR3_PCID) || (type == ADDRESS && !canonical(lin)) ||
        (one && pcid && !(c->cr4 & CR4_PCIDE)))
        return cpu_raise(c, VEC_GP, 0);
    if (type == ADDRESS && pcid == (c->cr4 & CR4_PCIDE ? c->cr3 & CR3_PCID : 0)) {
        if (c->hooks.invlpg)
            c->hooks.invlpg(c->hooks.opaque, c, lin);
    } else {
        tell_cr3_written(c);
    }
    return true;
}

bool cpu_xgetbv(struct cpu *c, uint32_t index, uint64_t *val)
{
    if (!(c->cr4 & CR4_OSXSAVE))
        return cpu_raise(c, VEC_UD, 0);
    if (index > 1 || (index == 1 && !model_has(c->model, FEAT_XGETBV1)))
        return cpu_raise(c, VEC_GP, 0);
    *val = c->xcr0;
    if (index == 1)
        *val &= ld64(c->fpu + FPU_XSTATE_BV);
    return true;
}

bool cpu_xsetbv(struct cpu *c, uint32_t index, uint64_t val)
{
    if (!(c->cr4 & CR4_OSXSAVE))
        return cpu_raise(c, VEC_UD, 0);
    if (index != 0 || !(val & XCR0_X87) || (val & ~c->model->xcr0_allowed))
        return cpu_raise(c, VEC_GP, 0);
    if ((val & XCR0_AVX) && !(val & XCR0_SSE))
        return cpu_raise(c, VEC_GP, 0);
    c->xcr0 = val;
    cpu_update_mode(c);
    return true;
}

uint64_t cpu_tsc(const struct cpu *c)
{
    return (c->hooks.tsc ? c->hooks.tsc(c->hooks.opaque) : 0) + c->tsc_offset;
}
