/* Lowerings of 64-bit code: system instructions. Those that change the privilege level end their
 * block at a stub of bt64_asm.S, which does what is mostly to be done, or makes a callout of it. */
#include "translator/bt_offsets.h"
#include "translator/lower64.h"

static bool cpl0(const struct xlate *x)
{
    return !(x->mode & (MODE_CPL3 | MODE_CPL12));
}

/* UD2: the stub does not come back. */
static bool end_at(struct xlate *x, const struct insn *i, unsigned stub)
{
    if (!x64_call_stub(x, i, stub))
        return true; /* to be done again, from an empty arena */
    emit8(&x->em, 0x0f);
    emit8(&x->em, 0x0b);
    x->ended = true;
    return true;
}

bool lower64_syscall(struct xlate *x, const struct insn *i)
{
    return (x->mode & MODE_CPL3) && !(i->prefixes & PFX_LOCK) && end_at(x, i, STUB64_SYSCALL);
}

bool lower64_sysret(struct xlate *x, const struct insn *i)
{
    return cpl0(x) && i->opsize == 8 && !(i->prefixes & PFX_LOCK) && end_at(x, i, STUB64_SYSRET);
}

/* Guest memory is read here, where its faults are precise; the stub compares. Both levels'
 * descriptors, as only the stub knows which is meant. */
bool lower64_iret(struct xlate *x, const struct insn *i)
{
    struct emit *em = &x->em;
    struct hea at = {.base = H_RSP, .index = H_NONE, .scale = 1};

    if (!cpl0(x) || i->opsize != 8 || x->adapt != ADAPT_NONE || (i->prefixes & PFX_LOCK))
        return false;
    for (int32_t n = 0; n < 5; n++) {
        at.disp = n * 8;
        emit_op_h(em, true, 0x8b, x->w.s0, &at);
        emit_gs_st(em, x->w.s0, HOT_FRAME + n * 8);
    }
    at = (struct hea){.base = x->w.s0, .index = x->w.s1, .scale = 1};
    x64_forget(x, x->w.s1);
    for (int32_t n = 0; n < 4; n++) {
        emit_gs_ld(em, x->w.s0, HOT_DESCLIN + n * 8);
        emit_lookup(em, x->w.s1, x->w.s0);
        emit_op_h(em, true, 0x8b, x->w.s0, &at);
        emit_gs_st(em, x->w.s0, HOT_DESC + n * 8);
    }
    return end_at(x, i, STUB64_IRET);
}

bool lower64_swapgs(struct xlate *x, const struct insn *i)
{
    if (!cpl0(x) || (i->prefixes & PFX_LOCK))
        return false;
    if (x64_call_stub(x, i, STUB64_SWAPGS))
        x64_values_init(x); /* it may turn out to be a callout */
    return true;
}

/* RDX:RAX + the guest's offset. Upper halves come out zero, no flags change. */
static bool add_tsc_offset(struct xlate *x)
{
    struct emit *em = &x->em;

    emit_rorx32(em, H_RDX, H_RDX);
    emit_add_lea(em, true, H_RAX, H_RAX, H_RDX);
    emit_gs_ld(em, x->w.s0, HOT_TSC_OFF);
    emit_add_lea(em, true, H_RAX, H_RAX, x->w.s0);
    emit_rorx32(em, H_RDX, H_RAX);
    emit_mov32(em, H_RDX, H_RDX);
    emit_mov32(em, H_RAX, H_RAX);
    return true;
}

static bool tsc_is_hosts(const struct xlate *x, const struct insn *i)
{
    return x->e->cfg.host_tsc && !(x->mode & MODE_TSD) && !(i->prefixes & PFX_LOCK);
}

bool lower64_rdtsc(struct xlate *x, const struct insn *i)
{
    if (!tsc_is_hosts(x, i))
        return false;
    emit8(&x->em, 0x0f);
    emit8(&x->em, 0x31);
    return add_tsc_offset(x);
}

/* LFENCE is what RDTSCP waits by (SDM 2B); the host's would bring the host's TSC_AUX. */
bool lower64_rdtscp(struct xlate *x, const struct insn *i)
{
    if (!tsc_is_hosts(x, i))
        return false;
    emit8(&x->em, 0x0f);
    emit8(&x->em, 0xae);
    emit8(&x->em, 0xe8);
    emit8(&x->em, 0x0f);
    emit8(&x->em, 0x31);
    emit_gs(&x->em, false, 0x8b, H_RCX, HOT_TSC_AUX);
    return add_tsc_offset(x);
}
