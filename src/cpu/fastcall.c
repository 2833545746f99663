/* fastcall.c - SYSENTER/SYSEXIT (SDM 2B) and the legacy-mode SYSCALL/SYSRET (AMD APM 3). */
#include "cpu/desc.h"

enum {
    FLAT_ATTR = ATTR_G | ATTR_DB | ATTR_P | ATTR_S | ATTR_W | ATTR_A,
    FLAT_RING3 = FLAT_ATTR | 3 << ATTR_DPL_SHIFT,
};

/* Both segments are made up, not read: SYSENTER's OS promises that the GDT agrees. */
static void set_flat(struct cpu *c, uint16_t cs, uint16_t ss, uint16_t attr, unsigned cpl)
{
    seg_set_flat(&c->seg[SEG_CS], (uint16_t)((cs & ~3u) | cpl), attr | ATTR_CODE);
    seg_set_flat(&c->seg[SEG_SS], (uint16_t)((ss & ~3u) | cpl), attr);
    c->cpl = (uint8_t)cpl;
}

bool cpu_sysenter(struct cpu *c)
{
    uint16_t cs = (uint16_t)c->sysenter_cs;

    if (cpu_real(c) || sel_null(cs))
        return cpu_raise(c, VEC_GP, 0);
    c->rflags &= ~(uint32_t)EF_VM;
    c->iflag = 0;
    set_flat(c, cs, cs + 8, FLAT_ATTR, 0);
    c->gpr[RSP] = (uint32_t)c->sysenter_esp;
    c->next_rip = (uint32_t)c->sysenter_eip;
    cpu_update_mode(c);
    return true;
}

/* opsize 8 is the return to 64-bit code, 16 bytes further on in the GDT. */
bool cpu_sysexit(struct cpu *c, unsigned opsize)
{
    uint16_t cs = (uint16_t)c->sysenter_cs;

    if (cpu_real(c) || sel_null(cs) || c->cpl != 0)
        return cpu_raise(c, VEC_GP, 0);
    cs += opsize == 8 ? 32 : 16;
    set_flat(c, cs, cs + 8, FLAT_RING3, 3);
    c->gpr[RSP] = (uint32_t)c->gpr[RCX];
    c->next_rip = (uint32_t)c->gpr[RDX];
    cpu_update_mode(c);
    return true;
}

bool cpu_syscall(struct cpu *c)
{
    uint16_t cs = (uint16_t)(c->star >> 32);

    if (!(c->efer & EFER_SCE) || cpu_real(c))
        return cpu_raise(c, VEC_UD, 0);
    c->gpr[RCX] = (uint32_t)c->next_rip;
    c->rflags &= ~(uint32_t)(EF_VM | EF_RF);
    c->iflag = 0;
    set_flat(c, cs, cs + 8, FLAT_ATTR, 0);
    c->next_rip = (uint32_t)c->star;
    cpu_update_mode(c);
    return true;
}

/* SS keeps its hidden part but for CPL's sake: APM 3 loads only the selector. A flat stack is what
 * every OS has there, so it is made one. */
bool cpu_sysret(struct cpu *c, unsigned opsize)
{
    uint16_t cs = (uint16_t)(c->star >> 48);

    if (!(c->efer & EFER_SCE))
        return cpu_raise(c, VEC_UD, 0);
    if (cpu_real(c) || c->cpl != 0)
        return cpu_raise(c, VEC_GP, 0);
    set_flat(c, opsize == 8 ? cs + 16 : cs, cs + 8, FLAT_RING3, 3);
    c->iflag = 1;
    c->next_rip = (uint32_t)c->gpr[RCX];
    cpu_update_mode(c);
    return true;
}
