/* What the stubs of light_asm.S go by: MSRs that are words of struct cpu, and what CPUID said. */
#include "cpu/control.h"
#include "shadowmmu/access.h"
#include "translator/bt_priv.h"

#define OFFSET_IS(type, member, value) _Static_assert(offsetof(type, member) == (value), #member)
OFFSET_IS(struct cpu, gdtr, CPU_GDTR);
OFFSET_IS(struct cpu, idtr, CPU_IDTR);
OFFSET_IS(struct cpu, cr8, CPU_CR8);
OFFSET_IS(struct dtable, base, 0);
OFFSET_IS(struct dtable, limit, DTABLE_LIMIT);
OFFSET_IS(struct bt_hot, light, HOT_LIGHT);
OFFSET_IS(struct bt_hot, light.msr, LIGHT_MSR);
OFFSET_IS(struct bt_hot, light.cpuid, LIGHT_CPUID);
OFFSET_IS(struct bt_callout, done, SITE_DONE);
OFFSET_IS(struct bt_callout, insn, SITE_INSN);
_Static_assert(sizeof(((struct bt_light *)0)->msr[0]) == 8, "indexed by 8");
_Static_assert(sizeof(struct bt_cpuid) == 24, "indexed by 3 * 8");
OFFSET_IS(struct cpu, mmu, CPU_MMU);
OFFSET_IS(struct softtlb, e, 0);
OFFSET_IS(struct softtlb_entry, write_tag, TLB_WRITE);
OFFSET_IS(struct softtlb_entry, store_tag, TLB_STORE);
OFFSET_IS(struct softtlb_entry, addend, TLB_ADDEND);
_Static_assert(sizeof(struct softtlb_entry) == 1 << (PAGE_SHIFT - TLB_SHIFT), "shifted");
_Static_assert((SOFTTLB_ENTRIES - 1) << (PAGE_SHIFT - TLB_SHIFT) == TLB_MASK, "masked");
_Static_assert((int)CR0_TS_BIT == (int)CR0_TS, "CLTS");
_Static_assert(EF_TF + EF_IOPL + EF_NT + EF_AC == 0x47100, "EF_STAY");

/* Read as they are, and written without effect when the value is the same. */
static const uint32_t plain_msrs[] = {
    0x174,      0x175,      0x176,                  /* SYSENTER_CS, ESP, EIP */
    0x277,                                          /* PAT */
    0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, /* STAR, LSTAR, CSTAR, FMASK */
    0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, /* FS, GS, KERNEL_GS_BASE, TSC_AUX */
};

/* A key that is of another place in the table. */
static uint32_t none_at(unsigned place)
{
    return place == 0;
}

static void forget_cpuid(struct bt_light *l)
{
    for (unsigned k = 0; k < LIGHT_CPUIDS; k++)
        l->cpuid[k] = (struct bt_cpuid){.leaf = none_at(k)};
}

void bt_light_init(struct engine *e)
{
    struct bt_light *l = &e->hot->light;
    size_t at;

    for (unsigned k = 0; k < LIGHT_MSRS; k++)
        l->msr[k].index = none_at(k);
    for (unsigned k = 0; k < ARRAY_SIZE(plain_msrs); k++) {
        uint32_t index = plain_msrs[k], n = (index + (index >> LIGHT_MSR_SHIFT)) % LIGHT_MSRS;

        if (!cpu_msr_word(e->cpu, index, &at))
            continue;
        l->msr[n].index = index;
        l->msr[n].at = (uint32_t)at;
    }
    forget_cpuid(l);
}

/* No leaf depends on more of the CPU's state (cpu/cpuid.c). */
void bt_light_refresh(struct engine *e)
{
    const struct cpu *c = e->cpu;
    struct bt_light *l = &e->hot->light;

    if (l->cr4 == c->cr4 && l->xcr0 == c->xcr0 && l->apic_base == c->apic_base)
        return;
    l->cr4 = c->cr4;
    l->xcr0 = c->xcr0;
    l->apic_base = c->apic_base;
    forget_cpuid(l);
}

void bt_light_remember_cpuid(struct engine *e, uint32_t leaf, uint32_t subleaf)
{
    const struct cpu *c = e->cpu;

    e->hot->light.cpuid[(leaf + subleaf) % LIGHT_CPUIDS] = (struct bt_cpuid){
        leaf,
        subleaf,
        {(uint32_t)c->gpr[RAX], (uint32_t)c->gpr[RBX], (uint32_t)c->gpr[RCX],
         (uint32_t)c->gpr[RDX]},
    };
}
