/* msr.c - model-specific registers, one row each (SDM 4; AMD APM 2 appendix A). */
#include <inttypes.h>

#include "cpu/control.h"
#include "cpu/desc.h"
#include "cpu/model.h"

struct msr_row;
typedef bool msr_read_fn(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *val);
typedef bool msr_write_fn(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val);

/* `count` registers from `first`. A row exists with its feature and, if vendor is set, on CPUs of
 * that vendor only. Plain storage is at `offset` in struct cpu; `arg` is the mask of writable bits
 * (storage) or the value (constants). No write function: read-only. */
struct msr_row {
    uint32_t first, count;
    enum cpu_feature feature;
    char vendor; /* first letter of the vendor string, 0: any */
    msr_read_fn *read;
    msr_write_fn *write;
    size_t offset;
    uint64_t arg;
};

static bool bad(struct cpu *c)
{
    return cpu_raise(c, VEC_GP, 0);
}

static uint64_t *storage(struct cpu *c, const struct msr_row *r, uint32_t index)
{
    return (uint64_t *)(void *)((char *)c + r->offset) + (index - r->first);
}

static bool load(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *val)
{
    *val = *storage(c, r, index);
    return true;
}

static bool store(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    if (val & ~r->arg)
        return bad(c);
    *storage(c, r, index) = val;
    return true;
}

/* An address: canonical on a CPU with long mode. Segment bases take part in the mode bits. */
static bool store_address(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    if (model_has(c->model, FEAT_LM) && !canonical(val))
        return bad(c);
    *storage(c, r, index) = val;
    cpu_update_mode(c);
    return true;
}

static bool constant(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *val)
{
    (void)c, (void)index;
    *val = r->arg;
    return true;
}

static bool ignore(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    (void)c, (void)r, (void)index, (void)val;
    return true;
}

static bool write_zero(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    (void)r, (void)index;
    return !val || bad(c);
}

static bool read_tsc(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *val)
{
    (void)r, (void)index;
    *val = cpu_tsc(c);
    return true;
}

static void move_tsc(struct cpu *c, uint64_t by)
{
    c->tsc_offset += by;
    c->tsc_adjust += by;
    cpu_fpu_sync(c);
    if (c->hooks.tsc_moved)
        c->hooks.tsc_moved(c->hooks.opaque);
}

static bool write_tsc(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    (void)r, (void)index;
    move_tsc(c, val - cpu_tsc(c));
    return true;
}

static bool write_tsc_adjust(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    (void)r, (void)index;
    move_tsc(c, val - c->tsc_adjust);
    return true;
}

static bool read_board(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *val)
{
    (void)r;
    cpu_fpu_sync(c);
    *val = c->hooks.msr_read ? c->hooks.msr_read(c->hooks.opaque, index) : 0;
    return true;
}

static bool write_board(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    if (val & ~r->arg)
        return bad(c);
    cpu_fpu_sync(c);
    if (c->hooks.msr_written)
        c->hooks.msr_written(c->hooks.opaque, index, val);
    return true;
}

/* No x2APIC: bit 10 is reserved (SDM 3A 11.12.1). */
static bool write_apic_base(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    enum { BSP = 1 << 8, ENABLE = 1 << 11 };
    uint64_t page = (UINT64_C(1) << c->model->phys_bits) - 1 - PAGE_MASK;

    (void)r;
    if (val & ~(page | BSP | ENABLE))
        return bad(c);
    c->apic_base = val;
    cpu_fpu_sync(c);
    if (c->hooks.msr_written)
        c->hooks.msr_written(c->hooks.opaque, index, val);
    return true;
}

static bool read_arch_capabilities(struct cpu *c, const struct msr_row *r, uint32_t index,
                                   uint64_t *val)
{
    (void)r, (void)index;
    *val = c->model->arch_capabilities;
    return true;
}

static uint64_t efer_allowed(const struct cpu_model *m)
{
    return (model_has(m, FEAT_SYSCALL) ? EFER_SCE : 0) | (model_has(m, FEAT_NX) ? EFER_NXE : 0) |
           (model_has(m, FEAT_LM) ? EFER_LME | EFER_LMA : 0);
}

static bool read_efer(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *val)
{
    (void)r, (void)index;
    if (!efer_allowed(c->model))
        return bad(c);
    *val = c->efer;
    return true;
}

/* LMA follows CR0.PG and LME, writes to it are ignored; LME can't change under paging. */
static bool write_efer(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    uint64_t allowed = efer_allowed(c->model);
    uint64_t changed;

    (void)r, (void)index;
    if (!allowed || (val & ~allowed))
        return bad(c);
    val = (val & ~(uint64_t)EFER_LMA) | (c->efer & EFER_LMA);
    changed = val ^ c->efer;
    if ((changed & EFER_LME) && (c->cr0 & CR0_PG))
        return bad(c);
    c->efer = val;
    cpu_update_mode(c);
    if ((changed & EFER_NXE) && c->hooks.paging_changed) {
        cpu_fpu_sync(c);
        c->hooks.paging_changed(c->hooks.opaque, c);
    }
    return true;
}

/* All eight bytes of val are memory types out of the set `types`. */
static bool types_valid(uint64_t val, unsigned types)
{
    for (; val; val >>= 8)
        if ((val & 0xff) > 7 || !(types >> (val & 7) & 1))
            return false;
    return true;
}

enum {
    MTRR_TYPES = 1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6, /* UC WC WT WP WB */
    PAT_TYPES = MTRR_TYPES | 1 << 7,                         /* UC- */
    MTRR_CAP = 8 | 1 << 8 | 1 << 10,                         /* 8 variable ranges, fixed, WC */
    MTRR_DEF_BITS = 0xcff,
};

static bool write_pat(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    (void)r, (void)index;
    if (!types_valid(val, PAT_TYPES))
        return bad(c);
    c->pat = val;
    return true;
}

static bool write_mtrr_fixed(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    if (!types_valid(val, MTRR_TYPES))
        return bad(c);
    *storage(c, r, index) = val;
    return true;
}

static bool write_mtrr_def(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    (void)r, (void)index;
    if ((val & ~(uint64_t)MTRR_DEF_BITS) || !types_valid(val & 0xff, MTRR_TYPES))
        return bad(c);
    c->mtrr_def_type = val;
    return true;
}

/* Even: base and type; odd: mask and the valid bit. */
static bool write_mtrr_var(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    uint64_t page = (UINT64_C(1) << c->model->phys_bits) - 1 - PAGE_MASK;
    uint64_t low = index & 1 ? 0x800 : 0xff;

    if (val & ~(page | low))
        return bad(c);
    if (!(index & 1) && !types_valid(val & 0xff, MTRR_TYPES))
        return bad(c);
    *storage(c, r, index) = val;
    return true;
}

enum {
    MISC_ENABLE_BITS = 1 << 0 | 1 << 3 | 1 << 7 | 1 << 11 | 1 << 12 | 1 << 16 | 1 << 18 | 1 << 22
};
enum { MISC_ENABLE_READ_ONLY = 1 << 7 | 1 << 11 | 1 << 12 };

/* Bits of things we don't have (SpeedStep, MONITOR) may be set, to no effect. */
static bool write_misc_enable(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t val)
{
    (void)index;
    if (val & ~r->arg & ~(UINT64_C(1) << 34))
        return bad(c);
    c->misc_enable =
        (val & ~(uint64_t)MISC_ENABLE_READ_ONLY) | (c->misc_enable & MISC_ENABLE_READ_ONLY);
    return true;
}

#define AT(member)      offsetof(struct cpu, member)
#define AT_N(member, i) (offsetof(struct cpu, member) + (i) * sizeof(uint64_t))

static const struct msr_row rows[] = {
    /* P5_MC_ADDR, P5_MC_TYPE */
    {0x0, 2, FEAT_MCE, 0, constant, write_zero, 0, 0},
    {0x10, 1, FEAT_TSC, 0, read_tsc, write_tsc, 0, 0},
    /* PLATFORM_ID */
    {0x17, 1, FEAT_MSR, 'G', constant, NULL, 0, 0},
    /* TSC_ADJUST, the sum of all writes to the TSC (SDM 3B 18.17.3): with it Linux trusts a
     * constant, non-stop TSC without watching it by jiffies. */
    {0x3b, 1, FEAT_TSC_ADJUST, 0, load, write_tsc_adjust, AT(tsc_adjust), 0},
    /* APIC_BASE: BSP, enable, base */
    {MSR_APIC_BASE, 1, FEAT_APIC, 0, load, write_apic_base, AT(apic_base), 0},
    /* BIOS_UPDT_TRIG: microcode is the host's affair */
    {0x79, 1, FEAT_MSR, 'G', constant, ignore, 0, 0},
    /* BIOS_SIGN_ID: software writes 0, executes CPUID and reads the revision */
    {0x8b, 1, FEAT_MSR, 0, load, ignore, AT(bios_sign_id), 0},
    /* XSS: no supervisor state */
    {0xda0, 1, FEAT_XSAVES, 0, constant, write_zero, 0, 0},
    {0xfe, 1, FEAT_MTRR, 0, constant, NULL, 0, MTRR_CAP},
    {0x10a, 1, FEAT_ARCH_CAPABILITIES, 0, read_arch_capabilities, NULL, 0, 0},
    {0x174, 1, FEAT_SEP, 0, load, store, AT(sysenter_cs), UINT32_MAX},
    {0x175, 1, FEAT_SEP, 0, load, store_address, AT(sysenter_esp), 0},
    {0x176, 1, FEAT_SEP, 0, load, store_address, AT(sysenter_eip), 0},
    /* MCG_CAP: no banks. MCG_STATUS */
    {0x179, 1, FEAT_MCE, 0, constant, NULL, 0, 0},
    {0x17a, 1, FEAT_MCE, 0, constant, write_zero, 0, 0},
    {0x1a0, 1, FEAT_MSR, 'G', load, write_misc_enable, AT(misc_enable), MISC_ENABLE_BITS},
    /* DEBUGCTL: no last-branch records */
    {0x1d9, 1, FEAT_MSR, 0, load, store, AT(debugctl), 0},
    {0x200, 16, FEAT_MTRR, 0, load, write_mtrr_var, AT(mtrr_var), 0},
    {0x250, 1, FEAT_MTRR, 0, load, write_mtrr_fixed, AT(mtrr_fixed), 0},
    {0x258, 2, FEAT_MTRR, 0, load, write_mtrr_fixed, AT_N(mtrr_fixed, 1), 0},
    {0x268, 8, FEAT_MTRR, 0, load, write_mtrr_fixed, AT_N(mtrr_fixed, 3), 0},
    {0x277, 1, FEAT_PAT, 0, load, write_pat, AT(pat), 0},
    {0x2ff, 1, FEAT_MTRR, 0, load, write_mtrr_def, AT(mtrr_def_type), 0},
    {MSR_TSC_DEADLINE, 1, FEAT_TSC_DEADLINE, 0, read_board, write_board, 0, UINT64_MAX},
    /* Addresses of 4-byte aligned structures; bit 0 of SYSTEM_TIME enables */
    {MSR_KVM_WALL_CLOCK, 1, FEAT_KVMCLOCK, 0, read_board, write_board, 0, ~UINT64_C(3)},
    {MSR_KVM_SYSTEM_TIME, 1, FEAT_KVMCLOCK, 0, read_board, write_board, 0, ~UINT64_C(2)},
    {0xc0000080, 1, FEAT_MSR, 0, read_efer, write_efer, 0, 0},
    {0xc0000081, 1, FEAT_SYSCALL, 0, load, store, AT(star), UINT64_MAX},
    /* LSTAR, CSTAR, FMASK; FS_BASE, GS_BASE, KERNEL_GS_BASE */
    {0xc0000082, 1, FEAT_LM, 0, load, store_address, AT(lstar), 0},
    {0xc0000083, 1, FEAT_LM, 0, load, store_address, AT(cstar), 0},
    {0xc0000084, 1, FEAT_LM, 0, load, store, AT(fmask), UINT32_MAX},
    {0xc0000100, 1, FEAT_LM, 0, load, store_address, AT(seg[SEG_FS].base), 0},
    {0xc0000101, 1, FEAT_LM, 0, load, store_address, AT(seg[SEG_GS].base), 0},
    {0xc0000102, 1, FEAT_LM, 0, load, store_address, AT(kernel_gs_base), 0},
    {0xc0000103, 1, FEAT_RDTSCP, 0, load, store, AT(tsc_aux), UINT32_MAX},
    /* SYSCFG; HWCR: TscFreqSel; NB_CFG; INT_PENDING; DE_CFG: LFENCE serializes */
    {0xc0010010, 1, FEAT_MSR, 'A', constant, ignore, 0, 0},
    {0xc0010015, 1, FEAT_MSR, 'A', constant, ignore, 0, 1 << 24},
    {0xc001001f, 1, FEAT_MSR, 'A', constant, ignore, 0, 0},
    /* PATCH_LOADER */
    {0xc0010020, 1, FEAT_MSR, 'A', constant, ignore, 0, 0},
    {0xc0010055, 1, FEAT_MSR, 'A', constant, ignore, 0, 0},
    {0xc0011029, 1, FEAT_MSR, 'A', constant, ignore, 0, 1 << 1},
};

static const struct msr_row *find_row(const struct cpu *c, uint32_t index)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct msr_row *r = &rows[i];

        if (index - r->first < r->count && model_has(c->model, r->feature) &&
            (!r->vendor || r->vendor == c->model->vendor[0]))
            return r;
    }
    return NULL;
}

bool cpu_rdmsr(struct cpu *c, uint32_t index, uint64_t *val)
{
    const struct msr_row *r = find_row(c, index);

    if (r)
        return r->read(c, r, index, val);
    if (c->log && log_on(c->log, LOG_UNIMP))
        log_printf(c->log, LOG_UNIMP, "rdmsr %08" PRIx32 " unknown, EIP %08" PRIx64 "\n", index,
                   c->rip);
    return bad(c);
}

bool cpu_wrmsr(struct cpu *c, uint32_t index, uint64_t val)
{
    const struct msr_row *r = find_row(c, index);

    if (r && r->write)
        return r->write(c, r, index, val);
    if (!r && c->log && log_on(c->log, LOG_UNIMP))
        log_printf(c->log, LOG_UNIMP,
                   "wrmsr %08" PRIx32 " = %016" PRIx64 " unknown, EIP %08" PRIx64 "\n", index, val,
                   c->rip);
    return bad(c);
}

bool cpu_msr_word(const struct cpu *c, uint32_t index, size_t *offset)
{
    const struct msr_row *r = find_row(c, index);

    if (!r || r->read != load)
        return false;
    *offset = r->offset + (index - r->first) * sizeof(uint64_t);
    return true;
}
