/* Lowerings of 64-bit code at CPL 0: system registers, which are read where they are, and
 * instructions that mostly change nothing, for the stubs of light_asm.S. */
#include <Zydis/Zydis.h>

#include "translator/bt_offsets.h"
#include "translator/lower64.h"

static bool cpl0(const struct xlate *x, const struct insn *i)
{
    return !(x->mode & (MODE_CPL3 | MODE_CPL12)) && !(i->prefixes & PFX_LOCK);
}

/* It may turn out to be a callout: nothing is known of registers behind it. */
static bool by_stub(struct xlate *x, const struct insn *i, unsigned stub)
{
    if (x64_call_stub(x, i, stub))
        x64_values_init(x);
    return true;
}

/* dst = word of struct cpu */
static void load_cpu(struct xlate *x, unsigned dst, unsigned op, bool wide, int32_t at)
{
    const struct hea word = {.base = x->w.s0, .index = H_NONE, .scale = 1, .disp = at};

    emit_gs_ld(&x->em, x->w.s0, HOT_CPU);
    emit_op_h(&x->em, wide, op, dst, &word);
}

bool lower64_mov_from_cr(struct xlate *x, const struct insn *i)
{
    static const int32_t at[] = {
        [0] = CPU_CR0, [2] = CPU_CR2, [3] = CPU_CR3, [4] = CPU_CR4, [8] = CPU_CR8};
    unsigned n = i->op[1].reg;

    if (!cpl0(x, i) || n >= ARRAY_SIZE(at) || !at[n] || i->op[0].kind != OPND_GPR ||
        i->op[0].reg == RSP)
        return false;
    load_cpu(x, i->op[0].reg, 0x8b, true, at[n]);
    return true;
}

/* SMSW, SLDT, STR. With UMIP CPL 3 may not (SDM 3A 2.5). */
bool lower64_store_system(struct xlate *x, const struct insn *i)
{
    if (!cpl0(x, i) || i->op[0].kind != OPND_GPR || i->op[0].reg == RSP || i->opsize < 4)
        return false;
    if (i->mnemonic == ZYDIS_MNEMONIC_SMSW)
        load_cpu(x, i->op[0].reg, 0x8b, i->opsize == 8, CPU_CR0);
    else
        load_cpu(x, i->op[0].reg, 0x0fb7, false,
                 CPU_SEG + 24 * (i->mnemonic == ZYDIS_MNEMONIC_STR ? SEG_TR : SEG_LDTR));
    return true;
}

static void remember(struct xlate *x, unsigned reg, unsigned n)
{
    emit_gs_st(&x->em, reg, HOT_FRAME + (int32_t)n * 8);
}

/* Both parts are read here, where a fault is precise. */
bool lower64_load_table(struct xlate *x, const struct insn *i)
{
    struct hea a;

    if (!cpl0(x, i) || x->adapt != ADAPT_NONE || !x64_resolve(x, i, &a) || a.base == x->w.s0 ||
        a.index == x->w.s0)
        return false;
    emit_op_h(&x->em, false, 0x0fb7, x->w.s0, &a);
    remember(x, x->w.s0, 0);
    a.disp += 2;
    emit_op_h(&x->em, true, 0x8b, x->w.s0, &a);
    remember(x, x->w.s0, 1);
    return by_stub(x, i, i->mnemonic == ZYDIS_MNEMONIC_LGDT ? STUB64_LGDT : STUB64_LIDT);
}

/* These end their block: what they change may be what code means. */
bool lower64_mov_to_cr(struct xlate *x, const struct insn *i)
{
    unsigned from = i->op[1].reg;

    if (!cpl0(x, i) || i->op[0].reg != 0 || i->op[1].kind != OPND_GPR || from == RSP)
        return false;
    remember(x, from, 0);
    return by_stub(x, i, STUB64_MOV_CR0);
}

bool lower64_clts(struct xlate *x, const struct insn *i)
{
    if (!cpl0(x, i))
        return false;
    return by_stub(x, i, STUB64_CLTS);
}

bool lower64_rdmsr(struct xlate *x, const struct insn *i)
{
    if (!cpl0(x, i))
        return false;
    return by_stub(x, i, STUB64_RDMSR);
}

bool lower64_wrmsr(struct xlate *x, const struct insn *i)
{
    if (!cpl0(x, i))
        return false;
    return by_stub(x, i, STUB64_WRMSR);
}

bool lower64_cpuid(struct xlate *x, const struct insn *i)
{
    if (i->prefixes & PFX_LOCK)
        return false;
    return by_stub(x, i, STUB64_CPUID);
}

static unsigned base_of(const struct insn *i)
{
    bool fs = i->mnemonic == ZYDIS_MNEMONIC_RDFSBASE || i->mnemonic == ZYDIS_MNEMONIC_WRFSBASE;

    return fs ? SEG_FS : SEG_GS;
}

/* At any CPL */
static bool base_ok(const struct xlate *x, const struct insn *i)
{
    return (x->mode & MODE_FSGSBASE) && !(i->prefixes & PFX_LOCK) && i->op[0].reg != RSP;
}

bool lower64_read_base(struct xlate *x, const struct insn *i)
{
    if (!base_ok(x, i))
        return false;
    emit_gs(&x->em, i->op[0].size == 8, 0x8b, i->op[0].reg, HOT_SEGLIN + (int32_t)base_of(i) * 8);
    return true;
}

bool lower64_write_base(struct xlate *x, const struct insn *i)
{
    if (!base_ok(x, i))
        return false;
    if (i->op[0].size == 4) {
        emit_mov32(&x->em, x->w.s0, i->op[0].reg);
        remember(x, x->w.s0, 0);
    } else {
        remember(x, i->op[0].reg, 0);
    }
    return by_stub(x, i, base_of(i) == SEG_FS ? STUB64_WRFSBASE : STUB64_WRGSBASE);
}

/* At a site whose stores go to page tables, or to code: often of what is there already. */
bool lower64_watched_store(struct xlate *x, const struct insn *i)
{
    const struct hea at = {.base = i->base == NO_REG ? H_NONE : i->base,
                           .index = i->index == NO_REG ? H_NONE : i->index,
                           .scale = i->scale ? i->scale : 1,
                           .disp = (int32_t)i->disp};

    if (!cpl0(x, i) || i->row->lower != LOWER_COPY || i->mnemonic != ZYDIS_MNEMONIC_MOV ||
        i->opsize != 8 || i->adsize != 8 || i->op[0].kind != OPND_MEM || i->op[0].size != 8 ||
        i->op[1].kind != OPND_GPR || i->op[1].reg == RSP || i->base >= NGPR || i->base == RSP ||
        i->seg == SEG_FS || i->seg == SEG_GS)
        return false;
    emit_op_h(&x->em, true, 0x8d, x->w.s0, &at);
    remember(x, x->w.s0, 0);
    remember(x, i->op[1].reg, 1);
    return by_stub(x, i, STUB64_STORE);
}

/* The load is the only access: RSP moves in the stub. */
bool lower64_popf(struct xlate *x, const struct insn *i)
{
    const struct hea top = {.base = H_RSP, .index = H_NONE, .scale = 1};

    if (!cpl0(x, i) || i->opsize != 8 || x->adapt != ADAPT_NONE)
        return false;
    emit_op_h(&x->em, true, 0x8b, x->w.s0, &top);
    remember(x, x->w.s0, 0);
    x64_touched(x);
    return by_stub(x, i, STUB64_POPF);
}

/* S0 = selector */
static bool selector(struct xlate *x, const struct insn *i)
{
    struct hea a;

    if (i->op[1].kind == OPND_GPR && i->op[1].reg != RSP) {
        emit_movzx16(&x->em, x->w.s0, i->op[1].reg);
        return true;
    }
    if (i->op[1].kind != OPND_MEM || !x64_resolve(x, i, &a))
        return false;
    emit_op_h(&x->em, false, 0x0fb7, x->w.s0, &a);
    return true;
}

/* The descriptor is read here as the load would; the stub compares. By the GDT's base, whatever the
 * table indicator says: the stub knows no selectors of an LDT. */
bool lower64_load_seg(struct xlate *x, const struct insn *i)
{
    const struct hea base = {.base = x->w.s0, .index = H_NONE, .scale = 1, .disp = CPU_GDTR};
    const struct hea entry = {.base = x->w.s0, .index = x->w.s1, .scale = 8};
    const struct hea at = {.base = x->w.s0, .index = x->w.s1, .scale = 1};
    struct emit *em = &x->em;

    if (!cpl0(x, i) || x->adapt != ADAPT_NONE || !selector(x, i))
        return false;
    x64_forget(x, x->w.s1);
    remember(x, x->w.s0, 0);
    emit_rorx(em, false, x->w.s1, x->w.s0, 3);
    emit_movzx16(em, x->w.s1, x->w.s1);
    emit_gs_ld(em, x->w.s0, HOT_CPU);
    emit_op_h(em, true, 0x8b, x->w.s0, &base);
    emit_op_h(em, true, 0x8d, x->w.s0, &entry);
    emit_lookup(em, x->w.s1, x->w.s0);
    emit_op_h(em, true, 0x8b, x->w.s0, &at);
    remember(x, x->w.s0, 1);
    return by_stub(x, i, STUB64_LOAD_SEG);
}
