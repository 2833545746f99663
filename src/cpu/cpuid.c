/* cpuid.c - CPUID as the guest sees it (SDM 2A CPUID): one row per leaf. */

#include "base/bits.h"
#include "cpu/control.h"
#include "cpu/features.h"

enum {
    HV_LEAF = 0x40000000,
    HV_FEATURES = 0x40000001,
    HV_OURS = 0x40000100,
    HV_LAST = 0x400001ff,
    CPUID_OSXSAVE = 1 << 27,
    APIC_ENABLE = 1 << 11,
    CLFLUSH_UNITS = 64 / 8,
    AMD_EDX_ALIASES = 0x0183f3ff, /* 80000001h EDX repeats these of leaf 1 on AMD (APM 3 E.4.2) */
};
#define EXT_BASE         UINT32_C(0x80000000)
#define CPUID_HYPERVISOR UINT32_C(0x80000000)

typedef void leaf_fn(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4]);

static bool is_amd(const struct cpu_model *m)
{
    return m->vendor[0] == 'A';
}

static void add_features(const struct cpu_model *m, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    for (unsigned i = 0; i < feature_row_count; i++) {
        const struct feature_row *r = &feature_rows[i];

        if (r->leaf == leaf && r->sub == sub && model_has(m, r->feature))
            out[r->reg] |= UINT32_C(1) << r->bit;
    }
}

static void copy(uint32_t out[4], const uint32_t in[4])
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = in[i];
}

static void put_vendor(uint32_t out[4], uint32_t max, const char *text)
{
    out[R_EAX] = max;
    out[R_EBX] = ld32(text);
    out[R_EDX] = ld32(text + 4);
    out[R_ECX] = ld32(text + 8);
}

static void leaf_vendor(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)leaf, (void)sub;
    put_vendor(out, c->model->max_basic, c->model->vendor);
}

static void leaf_features(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    const struct cpu_model *m = c->model;

    (void)sub;
    out[R_EAX] = m->signature;
    out[R_EBX] = model_has(m, FEAT_CLFLUSH) ? CLFLUSH_UNITS << 8 : 0;
    add_features(m, leaf, 0, out);
    out[R_ECX] |= CPUID_HYPERVISOR;
    if (c->cr4 & CR4_OSXSAVE)
        out[R_ECX] |= CPUID_OSXSAVE;
    /* The APIC bit follows the global enable in IA32_APIC_BASE (SDM 3A 10.4.3). */
    if (!(c->apic_base & APIC_ENABLE))
        out[R_EDX] &= ~(UINT32_C(1) << 9);
}

static void leaf_cache_list(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)leaf, (void)sub;
    copy(out, c->model->leaf2);
}

static void leaf_cache(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)leaf;
    if (sub < ARRAY_SIZE(c->model->cache))
        copy(out, c->model->cache[sub]);
}

static void leaf_features7(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    if (sub != 0)
        return;
    add_features(c->model, leaf, 0, out);
    out[R_EBX] |= c->model->fdp_on_exception ? 1 << 6 : 0;
}

/* Bytes of a standard-format XSAVE image of the components in xcr0. */
static uint32_t image_size(const struct cpu_model *m, uint64_t xcr0)
{
    uint32_t size = 512 + 64;

    for (unsigned i = 2; i < ARRAY_SIZE(m->xsave_len); i++)
        if ((xcr0 >> i & 1) && m->xsave_offset[i] + m->xsave_len[i] > size)
            size = m->xsave_offset[i] + m->xsave_len[i];
    return size;
}

/* Of a compacted image: none of components 2-7 asks for alignment (ECX[1]). */
static uint32_t compacted_size(const struct cpu_model *m, uint64_t components)
{
    uint32_t size = 512 + 64;

    for (unsigned i = 2; i < ARRAY_SIZE(m->xsave_len); i++)
        size += components >> i & 1 ? m->xsave_len[i] : 0;
    return size;
}

static void leaf_xsave(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    const struct cpu_model *m = c->model;

    if (!model_has(m, FEAT_XSAVE))
        return;
    if (sub == 0) {
        out[R_EAX] = (uint32_t)m->xcr0_allowed;
        out[R_EBX] = image_size(m, c->xcr0);
        out[R_ECX] = image_size(m, m->xcr0_allowed);
        out[R_EDX] = (uint32_t)(m->xcr0_allowed >> 32);
    } else if (sub == 1) {
        add_features(m, leaf, 1, out);
        if (model_has(m, FEAT_XSAVEC))
            out[R_EBX] = compacted_size(m, c->xcr0);
    } else if (sub < ARRAY_SIZE(m->xsave_len) && (m->xcr0_allowed >> sub & 1)) {
        out[R_EAX] = m->xsave_len[sub];
        out[R_EBX] = m->xsave_offset[sub];
    }
}

static void leaf_tsc(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)leaf, (void)sub;
    copy(out, c->model->leaf15);
}

/* Other than a vendor, a hypervisor's name is in EBX, ECX, EDX. */
static void put_hypervisor(uint32_t out[4], uint32_t max, const char name[12])
{
    out[R_EAX] = max;
    out[R_EBX] = ld32(name);
    out[R_ECX] = ld32(name + 4);
    out[R_EDX] = ld32(name + 8);
}

static const char our_name[12] = "DragomanDBT";

/* Guests look for KVM's interface at 40000000h first and then in steps of 100h; some only there. */
static void leaf_hypervisor(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)leaf, (void)sub;
    if (model_has(c->model, FEAT_KVMCLOCK))
        put_hypervisor(out, HV_FEATURES, "KVMKVMKVM\0\0");
    else
        put_hypervisor(out, HV_FEATURES, our_name);
}

/* With KVM's signature: its features (Linux Documentation/virt/kvm/x86/cpuid.rst). */
static void leaf_paravirtual(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)sub;
    add_features(c->model, leaf, 0, out);
}

static void leaf_ours(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)c, (void)leaf, (void)sub;
    put_hypervisor(out, HV_OURS, our_name);
}

static void leaf_thermal_power(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)sub;
    add_features(c->model, leaf, 0, out);
}

static void leaf_ext_max(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)leaf, (void)sub;
    put_vendor(out, c->model->max_ext, c->model->vendor);
    if (!is_amd(c->model))
        out[R_EBX] = out[R_ECX] = out[R_EDX] = 0;
}

static void leaf_ext_features(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)sub;
    if (is_amd(c->model)) {
        uint32_t basic[4] = {0};

        add_features(c->model, 1, 0, basic);
        out[R_EAX] = c->model->signature;
        out[R_EDX] = basic[R_EDX] & AMD_EDX_ALIASES;
    }
    add_features(c->model, leaf, 0, out);
    /* Intel's SYSCALL exists, and is shown, in 64-bit mode only. */
    if (!is_amd(c->model) && !cpu_cs64(c))
        out[R_EDX] &= ~(UINT32_C(1) << 11);
}

static void leaf_brand(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    const char *text = c->model->brand + 16 * (leaf - 0x80000002);

    (void)sub;
    for (unsigned i = 0; i < 4; i++)
        out[i] = ld32(text + 4 * i);
}

static void leaf_ext5(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)leaf, (void)sub;
    copy(out, c->model->ext5);
}

static void leaf_ext6(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)leaf, (void)sub;
    copy(out, c->model->ext6);
}

static void leaf_power(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)leaf, (void)sub;
    out[R_EDX] = c->model->invariant_tsc ? 1 << 8 : 0;
}

static void leaf_addresses(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    (void)leaf, (void)sub;
    out[R_EAX] = c->model->phys_bits | (model_has(c->model, FEAT_LM) ? 48 : 32) << 8;
}

static const struct {
    uint32_t first, last;
    leaf_fn *fn;
} leaves[] = {
    {0, 0, leaf_vendor},
    {1, 1, leaf_features},
    {2, 2, leaf_cache_list},
    {4, 4, leaf_cache},
    {6, 6, leaf_thermal_power},
    {7, 7, leaf_features7},
    {0xd, 0xd, leaf_xsave},
    {0x15, 0x15, leaf_tsc},
    {HV_LEAF, HV_LEAF, leaf_hypervisor},
    {HV_FEATURES, HV_FEATURES, leaf_paravirtual},
    {HV_OURS, HV_OURS, leaf_ours},
    {0x80000000, 0x80000000, leaf_ext_max},
    {0x80000001, 0x80000001, leaf_ext_features},
    {0x80000002, 0x80000004, leaf_brand},
    {0x80000005, 0x80000005, leaf_ext5},
    {0x80000006, 0x80000006, leaf_ext6},
    {0x80000007, 0x80000007, leaf_power},
    {0x80000008, 0x80000008, leaf_addresses},
};

/* A leaf that does not exist: Intel answers with the highest basic leaf, AMD with zeros. */
static bool known_leaf(const struct cpu_model *m, uint32_t *leaf)
{
    uint32_t max = *leaf >= EXT_BASE ? m->max_ext : *leaf >= HV_LEAF ? HV_LAST : m->max_basic;

    if (*leaf <= max)
        return true;
    if (is_amd(m) || (*leaf >= HV_LEAF && *leaf < EXT_BASE))
        return false;
    *leaf = m->max_basic;
    return true;
}

void cpu_cpuid(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = 0;
    if (!known_leaf(c->model, &leaf))
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++)
        if (leaf >= leaves[i].first && leaf <= leaves[i].last)
            leaves[i].fn(c, leaf, sub, out);
}
