/* x_system.c - flags of privilege, descriptor tables, control and debug registers, MSRs, fast
 * system calls. */
#include "translator/x_int.h"

/* CLI, STI above IOPL: V86 with VME and CPL 3 with PVI work on VIF (SDM 3B 20.3). */
static bool has_virtual_if(const struct cpu *c)
{
    return cpu_vm86(c) ? c->cr4 & CR4_VME : c->cpl == 3 && (c->cr4 & CR4_PVI);
}

bool x_cli(struct cpu *c, const struct insn *i)
{
    (void)i;
    if (c->mode & MODE_IOPL_OK) {
        c->iflag = 0;
        return true;
    }
    if (!has_virtual_if(c))
        return cpu_raise(c, VEC_GP, 0);
    c->rflags &= ~(uint32_t)EF_VIF;
    return true;
}

bool x_sti(struct cpu *c, const struct insn *i)
{
    (void)i;
    if (c->mode & MODE_IOPL_OK) {
        if (!c->iflag)
            c->intr_shadow = SHADOW_STI;
        c->iflag = 1;
        return true;
    }
    if (!has_virtual_if(c) || (c->rflags & EF_VIP))
        return cpu_raise(c, VEC_GP, 0);
    c->rflags |= EF_VIF;
    return true;
}

bool x_hlt(struct cpu *c, const struct insn *i)
{
    (void)i;
    c->halted = 1;
    return true;
}

bool x_clts(struct cpu *c, const struct insn *i)
{
    (void)i;
    cpu_clts(c);
    return true;
}

bool x_lmsw(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    return op_read(c, i, 0, &v) && cpu_lmsw(c, (uint16_t)v);
}

static bool umip_blocks(const struct cpu *c)
{
    return (c->cr4 & CR4_UMIP) && c->cpl != 0;
}

bool x_smsw(struct cpu *c, const struct insn *i)
{
    if (umip_blocks(c))
        return cpu_raise(c, VEC_GP, 0);
    return op_write(c, i, 0, c->cr0);
}

static bool store_table(struct cpu *c, const struct insn *i, const struct dtable *t)
{
    unsigned len = cpu_cs64(c) ? 10 : 6;
    uint8_t buf[10];
    gva_t lin;

    if (umip_blocks(c))
        return cpu_raise(c, VEC_GP, 0);
    st16(buf, t->limit);
    st64(buf + 2, t->base);
    return memop_linear(c, i, len, SEG_WRITE, &lin) && c->mem->write(c, lin, buf, len, c->cpl == 3);
}

bool x_sgdt(struct cpu *c, const struct insn *i)
{
    return store_table(c, i, &c->gdtr);
}

bool x_sidt(struct cpu *c, const struct insn *i)
{
    return store_table(c, i, &c->idtr);
}

/* With 16-bit operand size the base has 24 bits (SDM 2A, LGDT). */
static bool load_table(struct cpu *c, const struct insn *i, struct dtable *t)
{
    uint64_t limit, base;
    unsigned size = cpu_cs64(c) ? 8 : 4;
    gva_t lin;

    if (!memop_linear(c, i, 2 + size, SEG_READ, &lin) || !mem_read(c, lin, 2, &limit) ||
        !mem_read(c, lin + 2, size, &base))
        return false;
    t->limit = (uint16_t)limit;
    if (size == 8 && (uint64_t)((int64_t)(base << 16) >> 16) != base)
        return cpu_raise(c, VEC_GP, 0);
    t->base = size == 4 && i->opsize == 2 ? base & 0xffffff : base;
    return true;
}

bool x_lgdt(struct cpu *c, const struct insn *i)
{
    return load_table(c, i, &c->gdtr);
}

bool x_lidt(struct cpu *c, const struct insn *i)
{
    return load_table(c, i, &c->idtr);
}

bool x_sldt(struct cpu *c, const struct insn *i)
{
    if (umip_blocks(c))
        return cpu_raise(c, VEC_GP, 0);
    return op_write(c, i, 0, c->seg[SEG_LDTR].sel);
}

bool x_str(struct cpu *c, const struct insn *i)
{
    if (umip_blocks(c))
        return cpu_raise(c, VEC_GP, 0);
    return op_write(c, i, 0, c->seg[SEG_TR].sel);
}

bool x_lldt(struct cpu *c, const struct insn *i)
{
    uint64_t sel;

    return op_read(c, i, 0, &sel) && cpu_lldt(c, (uint16_t)sel);
}

bool x_ltr(struct cpu *c, const struct insn *i)
{
    uint64_t sel;

    return op_read(c, i, 0, &sel) && cpu_ltr(c, (uint16_t)sel);
}

/* LAR, LSL: the destination changes only with ZF set. */
static bool write_if(struct cpu *c, const struct insn *i, bool ok, uint32_t v)
{
    if (ok)
        gpr_write(c, i->op[0].reg, i->op[0].size, v);
    flags_set(c, EF_ZF, ok ? EF_ZF : 0);
    return true;
}

bool x_lar(struct cpu *c, const struct insn *i)
{
    uint64_t sel;
    uint32_t rights;
    bool ok;

    return op_read(c, i, 1, &sel) && cpu_lar(c, (uint16_t)sel, &ok, &rights) &&
           write_if(c, i, ok, rights);
}

bool x_lsl(struct cpu *c, const struct insn *i)
{
    uint64_t sel;
    uint32_t limit;
    bool ok;

    return op_read(c, i, 1, &sel) && cpu_lsl(c, (uint16_t)sel, &ok, &limit) &&
           write_if(c, i, ok, limit);
}

static bool verify(struct cpu *c, const struct insn *i, bool write)
{
    uint64_t sel;
    bool ok;

    if (!op_read(c, i, 0, &sel) || !cpu_verify(c, (uint16_t)sel, write, &ok))
        return false;
    flags_set(c, EF_ZF, ok ? EF_ZF : 0);
    return true;
}

bool x_verr(struct cpu *c, const struct insn *i)
{
    return verify(c, i, false);
}

bool x_verw(struct cpu *c, const struct insn *i)
{
    return verify(c, i, true);
}

/* Reads its destination, and writes it only when RPL rises: a read-only one may do (as on the host;
 * SDM 2A says nothing of a write otherwise). */
bool x_arpl(struct cpu *c, const struct insn *i)
{
    uint64_t src = gpr_read(c, i->op[1].reg, 2), dst;
    bool raise;

    if (!op_read(c, i, 0, &dst))
        return false;
    raise = (dst & 3) < (src & 3);
    if (raise && !op_write(c, i, 0, (dst & ~UINT64_C(3)) | (src & 3)))
        return false;
    flags_set(c, EF_ZF, raise ? EF_ZF : 0);
    return true;
}

bool x_mov_from_cr(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    return cpu_read_cr(c, i->op[1].reg, &v) && op_write(c, i, 0, v);
}

bool x_mov_to_cr(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    return op_read(c, i, 1, &v) && cpu_write_cr(c, i->op[0].reg, v);
}

bool x_mov_from_dr(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    return cpu_read_dr(c, i->op[1].reg, &v) && op_write(c, i, 0, v);
}

bool x_mov_to_dr(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    return op_read(c, i, 1, &v) && cpu_write_dr(c, i->op[0].reg, v);
}

/* No limit check and no access: only the linear address counts (SDM 2A, INVLPG). */
bool x_invlpg(struct cpu *c, const struct insn *i)
{
    gva_t lin = op_ea(c, i);

    if (!cpu_cs64(c))
        lin = (uint32_t)(c->seg[i->seg].base + lin);
    else if (i->seg == SEG_FS || i->seg == SEG_GS)
        lin += c->seg[i->seg].base;
    if (c->hooks.invlpg)
        c->hooks.invlpg(c->hooks.opaque, c, lin);
    return true;
}

bool x_invpcid(struct cpu *c, const struct insn *i)
{
    uint64_t type = gpr_read(c, i->op[0].reg, cpu_cs64(c) ? 8 : 4), pcid, address;
    gva_t lin;

    if (type > 3)
        return cpu_raise(c, VEC_GP, 0);
    return memop_linear(c, i, 16, SEG_READ, &lin) && mem_read(c, lin, 8, &pcid) &&
           mem_read(c, lin + 8, 8, &address) && cpu_invpcid(c, type, pcid, address);
}

static void write_edx_eax(struct cpu *c, uint64_t v)
{
    c->gpr[RAX] = (uint32_t)v;
    c->gpr[RDX] = v >> 32;
}

bool x_rdtsc(struct cpu *c, const struct insn *i)
{
    (void)i;
    if (c->mode & MODE_TSD)
        return cpu_raise(c, VEC_GP, 0);
    write_edx_eax(c, cpu_tsc(c));
    return true;
}

bool x_rdtscp(struct cpu *c, const struct insn *i)
{
    if (!x_rdtsc(c, i))
        return false;
    c->gpr[RCX] = (uint32_t)c->tsc_aux;
    return true;
}

bool x_rdpid(struct cpu *c, const struct insn *i)
{
    return op_write(c, i, 0, (uint32_t)c->tsc_aux);
}

/* No model promises performance counters. */
bool x_rdpmc(struct cpu *c, const struct insn *i)
{
    (void)i;
    return cpu_raise(c, VEC_GP, 0);
}

bool x_rdmsr(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    (void)i;
    if (!cpu_rdmsr(c, (uint32_t)c->gpr[RCX], &v))
        return false;
    write_edx_eax(c, v);
    return true;
}

bool x_wrmsr(struct cpu *c, const struct insn *i)
{
    (void)i;
    return cpu_wrmsr(c, (uint32_t)c->gpr[RCX], c->gpr[RDX] << 32 | (uint32_t)c->gpr[RAX]);
}

bool x_cpuid(struct cpu *c, const struct insn *i)
{
    uint32_t out[4];

    (void)i;
    cpu_cpuid(c, (uint32_t)c->gpr[RAX], (uint32_t)c->gpr[RCX], out);
    c->gpr[RAX] = out[0];
    c->gpr[RBX] = out[1];
    c->gpr[RCX] = out[2];
    c->gpr[RDX] = out[3];
    return true;
}

/* At CPL > 0 these are #UD, not #GP (SDM 2A, CLAC). At CPL 0 AC takes no part in the mode. */
bool x_stac(struct cpu *c, const struct insn *i)
{
    if (c->cpl)
        return x_ud(c, i);
    c->rflags |= EF_AC;
    return true;
}

bool x_clac(struct cpu *c, const struct insn *i)
{
    if (c->cpl)
        return x_ud(c, i);
    c->rflags &= ~(uint32_t)EF_AC;
    return true;
}

bool x_sysenter(struct cpu *c, const struct insn *i)
{
    (void)i;
    return cpu_sysenter(c);
}

bool x_sysexit(struct cpu *c, const struct insn *i)
{
    return cpu_sysexit(c, i->opsize);
}

bool x_syscall(struct cpu *c, const struct insn *i)
{
    (void)i;
    return cpu_syscall(c);
}

bool x_sysret(struct cpu *c, const struct insn *i)
{
    return cpu_sysret(c, i->opsize);
}

bool x_swapgs(struct cpu *c, const struct insn *i)
{
    uint64_t base = c->seg[SEG_GS].base;

    (void)i;
    c->seg[SEG_GS].base = c->kernel_gs_base;
    c->kernel_gs_base = base;
    cpu_update_data_segment(c, SEG_GS); /* a base takes part in the flat bit */
    return true;
}

static bool base_usable(struct cpu *c)
{
    return c->cr4 & CR4_FSGSBASE ? true : cpu_raise(c, VEC_UD, 0);
}

static bool write_base(struct cpu *c, const struct insn *i, unsigned seg)
{
    uint64_t v = gpr_read(c, i->op[0].reg, i->op[0].size);

    if (!base_usable(c))
        return false;
    if ((uint64_t)((int64_t)(v << 16) >> 16) != v)
        return cpu_raise(c, VEC_GP, 0);
    c->seg[seg].base = v;
    cpu_update_data_segment(c, seg);
    return true;
}

bool x_rdfsbase(struct cpu *c, const struct insn *i)
{
    return base_usable(c) && op_write(c, i, 0, c->seg[SEG_FS].base);
}

bool x_rdgsbase(struct cpu *c, const struct insn *i)
{
    return base_usable(c) && op_write(c, i, 0, c->seg[SEG_GS].base);
}

bool x_wrfsbase(struct cpu *c, const struct insn *i)
{
    return write_base(c, i, SEG_FS);
}

bool x_wrgsbase(struct cpu *c, const struct insn *i)
{
    return write_base(c, i, SEG_GS);
}
