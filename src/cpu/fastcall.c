/* fastcall.c - SYSENTER/SYSEXIT (SDM 2B) and SYSCALL/SYSRET (SDM 2B, AMD APM 3).
 *
 * The vendors differ: AMD's CPUs have no SYSENTER in long mode, Intel's no SYSCALL and SYSRET
 * outside 64-bit mode. The model's vendor decides, as CPUID has told the guest.
 */
#include "cpu/desc.h"
#include "cpu/model.h"

enum {
    FLAT_ATTR = ATTR_G | ATTR_DB | ATTR_P | ATTR_S | ATTR_W | ATTR_A,
    FLAT_RING3 = FLAT_ATTR | 3 << ATTR_DPL_SHIFT,
    /* RFLAGS bits that SYSRET loads from R11: not RF and VM */
    EF_SYSRET =
        EF_ARITH | EF_TF | EF_IF | EF_DF | EF_IOPL | EF_NT | EF_AC | EF_VIF | EF_VIP | EF_ID,
};

static bool is_amd(const struct cpu *c)
{
    return c->model->vendor[0] == 'A';
}

/* Both segments are made up, not read: SYSENTER's OS promises that the GDT agrees. */
static void set_flat(struct cpu *c, uint16_t cs, uint16_t ss, uint16_t attr, unsigned cpl)
{
    seg_set_flat(&c->seg[SEG_CS], (uint16_t)((cs & ~3u) | cpl), attr | ATTR_CODE);
    seg_set_flat(&c->seg[SEG_SS], (uint16_t)((ss & ~3u) | cpl), attr);
    c->cpl = (uint8_t)cpl;
}

static void make_cs64(struct cpu *c)
{
    c->seg[SEG_CS].attr = (c->seg[SEG_CS].attr & ~ATTR_DB) | ATTR_L;
}

bool cpu_sysenter(struct cpu *c)
{
    uint16_t cs = (uint16_t)c->sysenter_cs;

    if (cpu_long(c) && is_amd(c))
        return cpu_raise(c, VEC_UD, 0);
    if (cpu_real(c) || sel_null(cs))
        return cpu_raise(c, VEC_GP, 0);
    c->rflags &= ~(uint32_t)EF_VM;
    c->iflag = 0;
    set_flat(c, cs, cs + 8, FLAT_ATTR, 0);
    if (cpu_long(c))
        make_cs64(c);
    c->gpr[RSP] = sys_linear(c, c->sysenter_esp);
    c->next_rip = sys_linear(c, c->sysenter_eip);
    cpu_update_mode(c);
    return true;
}

/* opsize 8 is the return to 64-bit code, 16 bytes further on in the GDT. */
bool cpu_sysexit(struct cpu *c, unsigned opsize)
{
    uint16_t cs = (uint16_t)c->sysenter_cs;
    uint64_t rsp = c->gpr[RCX], rip = c->gpr[RDX];

    if (cpu_long(c) && is_amd(c))
        return cpu_raise(c, VEC_UD, 0);
    if (cpu_real(c) || sel_null(cs) || c->cpl != 0)
        return cpu_raise(c, VEC_GP, 0);
    if (opsize == 8 && (!canonical(rsp) || !canonical(rip)))
        return cpu_raise(c, VEC_GP, 0);
    cs += opsize == 8 ? 32 : 16;
    set_flat(c, cs, cs + 8, FLAT_RING3, 3);
    if (opsize == 8)
        make_cs64(c);
    c->gpr[RSP] = opsize == 8 ? rsp : (uint32_t)rsp;
    c->next_rip = opsize == 8 ? rip : (uint32_t)rip;
    cpu_update_mode(c);
    return true;
}

static bool has_syscall(const struct cpu *c)
{
    return (c->efer & EFER_SCE) && !cpu_real(c) && (cpu_cs64(c) || is_amd(c));
}

static bool syscall_long(struct cpu *c)
{
    uint16_t cs = (uint16_t)(c->star >> 32);
    uint32_t flags = cpu_rflags(c) & ~(uint32_t)EF_RF;
    bool from64 = cpu_cs64(c);

    c->gpr[RCX] = c->next_rip;
    c->gpr[R11] = flags;
    set_flat(c, cs, cs + 8, FLAT_ATTR, 0);
    make_cs64(c);
    c->next_rip = from64 ? c->lstar : c->cstar;
    cpu_set_rflags(c, flags & ~(uint32_t)c->fmask);
    return true;
}

bool cpu_syscall(struct cpu *c)
{
    uint16_t cs = (uint16_t)(c->star >> 32);

    if (!has_syscall(c))
        return cpu_raise(c, VEC_UD, 0);
    if (cpu_long(c))
        return syscall_long(c);
    c->gpr[RCX] = (uint32_t)c->next_rip;
    c->rflags &= ~(uint32_t)(EF_VM | EF_RF);
    c->iflag = 0;
    set_flat(c, cs, cs + 8, FLAT_ATTR, 0);
    c->next_rip = (uint32_t)c->star;
    cpu_update_mode(c);
    return true;
}

/* SS keeps its hidden part but for CPL's sake: APM 3 loads only the selector. A flat stack is what
 * every OS has there, so it is made one. A return address that is not canonical is Intel's fault
 * here, AMD's at the fetch, at CPL 3. */
bool cpu_sysret(struct cpu *c, unsigned opsize)
{
    uint16_t cs = (uint16_t)(c->star >> 48);

    if (!has_syscall(c))
        return cpu_raise(c, VEC_UD, 0);
    if (c->cpl != 0)
        return cpu_raise(c, VEC_GP, 0);
    if (opsize == 8 && !is_amd(c) && !canonical(c->gpr[RCX]))
        return cpu_raise(c, VEC_GP, 0);
    set_flat(c, opsize == 8 ? cs + 16 : cs, cs + 8, FLAT_RING3, 3);
    if (opsize == 8)
        make_cs64(c);
    c->next_rip = opsize == 8 ? c->gpr[RCX] : (uint32_t)c->gpr[RCX];
    if (cpu_long(c)) {
        cpu_set_rflags(c, (uint32_t)c->gpr[R11] & EF_SYSRET);
        return true;
    }
    c->iflag = 1;
    cpu_update_mode(c);
    return true;
}
