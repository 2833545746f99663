/* Lowerings of 32-bit code at CPL 0: system registers, which are read where they are, and
 * instructions that mostly change nothing, for the stubs of light_asm.S; PUSHA and POPA. */
#include <Zydis/Zydis.h>

#include "translator/bt_offsets.h"
#include "translator/xlate.h"

static bool cpl0(const struct xlate *x, const struct insn *i)
{
    return !(x->mode & (MODE_CPL3 | MODE_CPL12 | MODE_LMA)) && !(i->prefixes & PFX_LOCK);
}

/* SMSW, SLDT, STR. With UMIP CPL 3 may not (SDM 3A 2.5). */
bool lower_store_system(struct xlate *x, const struct insn *i)
{
    static const struct {
        uint16_t mnemonic;
        int16_t at;
    } selectors[] = {{ZYDIS_MNEMONIC_SLDT, CPU_SEG + 24 * SEG_LDTR},
                     {ZYDIS_MNEMONIC_STR, CPU_SEG + 24 * SEG_TR}};

    if (!cpl0(x, i) || i->op[0].kind != OPND_GPR || i->opsize != 4)
        return false;
    for (unsigned k = 0; k < ARRAY_SIZE(selectors); k++)
        if (i->mnemonic == selectors[k].mnemonic) {
            emit_ldzx16_b(&x->em, host_gpr(i->op[0].reg), H_R14, selectors[k].at);
            return true;
        }
    emit_ld32_b(&x->em, host_gpr(i->op[0].reg), H_R14, CPU_CR0);
    return true;
}

static void remember(struct xlate *x, unsigned reg, unsigned n)
{
    emit_op_b(&x->em, true, 0x89, reg, H_R15, HOT_FRAME + (int32_t)n * 8);
}

/* Both parts are read here, where a fault is precise. */
bool lower_load_table(struct xlate *x, const struct insn *i)
{
    struct gmem m;

    if (!cpl0(x, i) || i->opsize != 4 || x->adapt != ADAPT_NONE || !xlate_gmem(x, i, &m))
        return false;
    emit_ldzx16_g(&x->em, H_R8, &m);
    remember(x, H_R8, 0);
    m.disp = (int32_t)((uint32_t)m.disp + 2);
    emit_op_g(&x->em, 0x8b, H_R8, &m);
    remember(x, H_R8, 1);
    xlate_call_stub(x, i, i->mnemonic == ZYDIS_MNEMONIC_LGDT ? STUB_LGDT : STUB_LIDT);
    return true;
}

/* These end their block: what they change may be what code means. */
bool lower_mov_to_cr(struct xlate *x, const struct insn *i)
{
    if (!cpl0(x, i) || i->op[0].reg != 0 || i->op[1].kind != OPND_GPR)
        return false;
    remember(x, host_gpr(i->op[1].reg), 0);
    xlate_call_stub(x, i, STUB_MOV_CR0);
    return true;
}

bool lower_clts(struct xlate *x, const struct insn *i)
{
    if (!cpl0(x, i))
        return false;
    xlate_call_stub(x, i, STUB_CLTS);
    return true;
}

bool lower_rdmsr(struct xlate *x, const struct insn *i)
{
    if (!cpl0(x, i))
        return false;
    xlate_call_stub(x, i, STUB_RDMSR);
    return true;
}

bool lower_wrmsr(struct xlate *x, const struct insn *i)
{
    if (!cpl0(x, i))
        return false;
    xlate_call_stub(x, i, STUB_WRMSR);
    return true;
}

bool lower_cpuid(struct xlate *x, const struct insn *i)
{
    if (i->prefixes & PFX_LOCK)
        return false;
    xlate_call_stub(x, i, STUB_CPUID);
    return true;
}

/* At a site whose stores go to page tables, or to code: often of what is there already. */
bool lower_watched_store(struct xlate *x, const struct insn *i)
{
    struct gmem m;

    x->adapt = ADAPT_NONE; /* only the address is asked for */
    if (!cpl0(x, i) || i->row->lower != LOWER_COPY || i->mnemonic != ZYDIS_MNEMONIC_MOV ||
        i->opsize != 4 || i->op[0].kind != OPND_MEM || i->op[0].size != 4 ||
        i->op[1].kind != OPND_GPR || !xlate_gmem(x, i, &m))
        return false;
    emit_lea_g(&x->em, H_R10, &m);
    emit_mov32(&x->em, H_R11, host_gpr(i->op[1].reg));
    xlate_call_stub(x, i, STUB_STORE);
    return true;
}

enum { PUSHED = 8 };

static bool flat_stack(const struct xlate *x, const struct insn *i)
{
    return i->opsize == 4 && x->adapt == ADAPT_NONE && xlate_flat_stack(x) &&
           !(i->prefixes & PFX_LOCK);
}

/* The last one, which may be on another page than the first, is written with what it holds: a fault
 * finds nothing done. */
bool lower_pusha(struct xlate *x, const struct insn *i)
{
    struct gmem at = xlate_stack(x, -PUSHED * 4);

    if (!flat_stack(x, i))
        return false;
    emit_op_g(&x->em, 0x8b, H_R8, &at);
    emit_op_g(&x->em, 0x89, H_R8, &at);
    for (unsigned r = RAX; r <= RDI; r++) {
        at = xlate_stack(x, -4 * (int32_t)(r + 1));
        emit_op_g(&x->em, 0x89, host_gpr(r), &at);
    }
    emit_lea32(&x->em, H_R12, H_R12, -PUSHED * 4);
    return true;
}

/* The first and the last one are read before anything is loaded. ESP's is skipped. */
bool lower_popa(struct xlate *x, const struct insn *i)
{
    struct gmem at = xlate_stack(x, (PUSHED - 1) * 4);

    if (!flat_stack(x, i))
        return false;
    emit_op_g(&x->em, 0x8b, H_R8, &at);
    for (unsigned r = RDI + 1; r-- > RAX;) {
        at = xlate_stack(x, (int32_t)(RDI - r) * 4);
        if (r != RSP)
            emit_op_g(&x->em, 0x8b, host_gpr(r), &at);
    }
    emit_lea32(&x->em, H_R12, H_R12, PUSHED * 4);
    return true;
}
