/* Reset, mode bits, control and debug registers, MSRs, CPUID and the CPU models. */
#include "cpu_rig.h"

START_TEST(test_reset)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    r->tsc = 12345;
    cpu_reset(c);
    ck_assert_uint_eq(cpu_linear_rip(c), 0xfffffff0);
    ck_assert_uint_eq(c->cr0, 0x60000010);
    ck_assert_uint_eq(cpu_rflags(c), 2);
    ck_assert_uint_eq(c->gpr[RDX], r->model.signature);
    ck_assert_uint_eq(c->mode & (MODE_PE | MODE_CPL3 | MODE_CS32 | MODE_FLAT_DS), 0);
    ck_assert_uint_eq(cpu_tsc(c), 0);
    ck_assert_uint_eq(c->idtr.limit, 0xffff);
    rig_free(r);
}
END_TEST

START_TEST(test_mode_bits)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    ck_assert_uint_eq(c->mode & (MODE_PE | MODE_CPL3 | MODE_CS32 | MODE_SS32 | MODE_FLAT_CS |
                                 MODE_FLAT_SS | MODE_FLAT_DS | MODE_FLAT_ES),
                      MODE_PE | MODE_CPL3 | MODE_CS32 | MODE_SS32 | MODE_FLAT_CS | MODE_FLAT_SS |
                          MODE_FLAT_DS | MODE_FLAT_ES);
    ck_assert(!(c->mode & MODE_IOPL_OK));
    cpu_set_rflags(c, EF_IOPL | EF_TF);
    ck_assert(c->mode & MODE_IOPL_OK && c->mode & MODE_TF);
    ck_assert(cpu_load_seg(c, SEG_DS, U_CODE)); /* readable code is not writable: not flat */
    ck_assert(!(c->mode & MODE_FLAT_DS));
    ck_assert(cpu_load_seg(c, SEG_ES, 0));
    ck_assert(!(c->mode & MODE_FLAT_ES));
    ck_assert(c->mode & MODE_NOSSE && c->mode & MODE_NOAVX && !(c->mode & MODE_NOFPU));
    ck_assert(cpu_write_cr(c, 4, CR4_OSFXSR));
    ck_assert(!(c->mode & MODE_NOSSE));
    ck_assert(cpu_write_cr(c, 0, CR0_PE | CR0_TS));
    ck_assert(c->mode & MODE_NOSSE && c->mode & MODE_NOFPU);
    cpu_clts(c);
    ck_assert(!(c->mode & MODE_NOFPU));
    rig_free(r);
}
END_TEST

START_TEST(test_cr0)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;
    uint64_t v;

    ck_assert(!cpu_write_cr(c, 0, CR0_PG));
    rig_expect_fault(r, VEC_GP, 0, "PG without PE");
    ck_assert(!cpu_write_cr(c, 0, CR0_PE | CR0_NW));
    rig_expect_fault(r, VEC_GP, 0, "NW without CD");
    ck_assert_uint_eq(r->paging_changed, 0);
    ck_assert(cpu_write_cr(c, 0, CR0_PE | CR0_PG | CR0_WP | 1 << 6));
    ck_assert_uint_eq(r->paging_changed, 1);
    ck_assert(cpu_read_cr(c, 0, &v));
    ck_assert_uint_eq(v, CR0_PE | CR0_PG | CR0_WP | CR0_ET); /* bit 6 ignored, ET stuck */
    ck_assert(cpu_lmsw(c, CR0_TS));
    ck_assert(cpu_read_cr(c, 0, &v));
    ck_assert_uint_eq(v, CR0_PE | CR0_PG | CR0_WP | CR0_ET | CR0_TS); /* LMSW can't clear PE */
    ck_assert(!cpu_read_cr(c, 1, &v) && c->fault.vector == VEC_UD);
    ck_assert(!cpu_write_cr(c, 7, 0) && c->fault.vector == VEC_UD);
    ck_assert(!cpu_write_cr(c, 8, 16) && c->fault.vector == VEC_GP);
    rig_free(r);
}
END_TEST

START_TEST(test_pae)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;

    ck_assert(cpu_write_cr(c, 3, 0x5000));
    ck_assert_uint_eq(r->cr3_written, 1);
    ck_assert_uint_eq(r->pdpte_loads, 0);
    ck_assert(cpu_write_cr(c, 4, CR4_PAE));
    r->pdptes_bad = true;
    ck_assert(!cpu_write_cr(c, 0, CR0_PE | CR0_PG));
    rig_expect_fault(r, VEC_GP, 0, "bad PDPTE");
    ck_assert_uint_eq(c->cr0, CR0_PE | CR0_ET);
    ck_assert_uint_eq(r->pdpte_loads, 1);
    r->pdptes_bad = false;
    ck_assert(cpu_write_cr(c, 0, CR0_PE | CR0_PG));
    ck_assert(cpu_write_cr(c, 4, CR4_PAE | CR4_PGE));
    ck_assert_uint_eq(r->pdpte_loads, 3);
    r->pdptes_bad = true;
    ck_assert(!cpu_write_cr(c, 3, 0x6000));
    ck_assert_uint_eq(c->cr3, 0x5000);
    ck_assert_uint_eq(r->cr3_written, 1);
    ck_assert(cpu_write_cr(c, 4, CR4_PAE | CR4_PGE | CR4_DE)); /* not a paging bit */
    rig_free(r);
}
END_TEST

START_TEST(test_cr4_follows_model)
{
    struct rig *r = rig_new(0);

    ck_assert(!cpu_write_cr(&r->c, 4, CR4_SMEP));
    ck_assert(!cpu_write_cr(&r->c, 4, CR4_OSXSAVE));
    ck_assert(!cpu_write_cr(&r->c, 4, UINT32_C(1) << 31));
    model_set(&r->model, FEAT_SMEP, true);
    ck_assert(cpu_write_cr(&r->c, 4, CR4_SMEP));
    ck_assert_uint_eq(r->paging_changed, 1);
    rig_free(r);
}
END_TEST

START_TEST(test_xcr0)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;
    uint64_t v;

    ck_assert(!cpu_xgetbv(c, 0, &v) && c->fault.vector == VEC_UD);
    model_set(&r->model, FEAT_XSAVE, true);
    r->model.xcr0_allowed = 7;
    ck_assert(cpu_write_cr(c, 4, CR4_OSXSAVE | CR4_OSFXSR));
    ck_assert(!cpu_xsetbv(c, 0, 6) && c->fault.vector == VEC_GP);
    ck_assert(!cpu_xsetbv(c, 0, 5) && c->fault.vector == VEC_GP);
    ck_assert(!cpu_xsetbv(c, 0, 15) && c->fault.vector == VEC_GP);
    ck_assert(!cpu_xsetbv(c, 1, 1) && c->fault.vector == VEC_GP);
    ck_assert(c->mode & MODE_NOAVX);
    ck_assert(cpu_xsetbv(c, 0, 7));
    ck_assert(!(c->mode & MODE_NOAVX));
    ck_assert(cpu_xgetbv(c, 0, &v));
    ck_assert_uint_eq(v, 7);
    ck_assert(!cpu_xgetbv(c, 1, &v) && c->fault.vector == VEC_GP);
    model_set(&r->model, FEAT_XGETBV1, true);
    st64(c->fpu + 512, 0x86);
    ck_assert(cpu_xgetbv(c, 1, &v));
    ck_assert_uint_eq(v, 6);
    ck_assert(!cpu_xgetbv(c, 2, &v) && c->fault.vector == VEC_GP);
    ck_assert(!cpu_rdmsr(c, 0xda0, &v) && c->fault.vector == VEC_GP);
    model_set(&r->model, FEAT_XSAVES, true);
    ck_assert(cpu_rdmsr(c, 0xda0, &v) && v == 0 && cpu_wrmsr(c, 0xda0, 0));
    ck_assert(!cpu_wrmsr(c, 0xda0, 1 << 8) && c->fault.vector == VEC_GP);
    rig_free(r);
}
END_TEST

START_TEST(test_debug_registers)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;
    uint64_t v;

    ck_assert(cpu_write_dr(c, 5, 0xffffffff & ~(1u << 13)));
    ck_assert(cpu_read_dr(c, 7, &v));
    ck_assert_uint_eq(v, 0xffff07ff);
    ck_assert(cpu_write_dr(c, 7, 0));
    ck_assert(cpu_write_dr(c, 4, 0));
    ck_assert(cpu_read_dr(c, 6, &v));
    ck_assert_uint_eq(v, 0xffff0ff0);
    ck_assert(cpu_write_cr(c, 4, CR4_DE));
    ck_assert(!cpu_read_dr(c, 4, &v) && c->fault.vector == VEC_UD);
    ck_assert(cpu_write_dr(c, 7, 1 << 13));
    ck_assert(!cpu_read_dr(c, 0, &v));
    ck_assert_uint_eq(c->fault.vector, VEC_DB);
    ck_assert_uint_eq(c->fault.dr6, 1 << 13);
    rig_free(r);
}
END_TEST

START_TEST(test_breakpoints)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;

    ck_assert(cpu_write_dr(c, 0, 0x1000)); /* execute */
    ck_assert(cpu_write_dr(c, 1, 0x2003)); /* write, 4 bytes: 2000-2003 */
    ck_assert(cpu_write_dr(c, 2, 0x60));   /* I/O, 1 byte */
    ck_assert(cpu_write_dr(c, 3, 0x3000)); /* access, 2 bytes */
    ck_assert(cpu_write_dr(c, 7, 0x7 << 28 | 0x2 << 24 | 0xd << 20 | 0xaa));
    ck_assert(c->mode & MODE_DR7);
    ck_assert(!cpu_check_code_bp(c, 0x1000) && c->fault.dr6 == 1);
    c->rflags |= EF_RF;
    ck_assert(cpu_check_code_bp(c, 0x1000));
    cpu_check_data_bp(c, 0x2000, 4, false);
    cpu_check_data_bp(c, 0x2004, 4, true);
    cpu_check_data_bp(c, 0x1ffc, 4, true);
    ck_assert_uint_eq(c->debug_trap, 0);
    cpu_check_data_bp(c, 0x1fff, 2, true);
    ck_assert_uint_eq(c->pending_dr6, 2);
    cpu_check_data_bp(c, 0x3001, 1, false);
    ck_assert_uint_eq(c->pending_dr6, 0xa);
    cpu_check_io_bp(c, 0x60, 1);
    ck_assert_uint_eq(c->pending_dr6, 0xa); /* CR4.DE clear */
    ck_assert(cpu_write_cr(c, 4, CR4_DE));
    cpu_check_io_bp(c, 0x5f, 2);
    ck_assert_uint_eq(c->pending_dr6, 0xe);
    ck_assert(!cpu_debug_traps(c));
    ck_assert_uint_eq(c->fault.dr6, 0xe);
    rig_free(r);
}
END_TEST

static const struct msr_row {
    const char *what;
    uint32_t index;
    uint64_t val;
    bool ok;
    uint64_t back;
} msr_rows[] = {
    {"TSC", 0x10, 1000, true, 1000},
    {"APIC_BASE", 0x1b, 0xd0000900, true, 0xd0000900},
    {"APIC_BASE, x2APIC", 0x1b, 0xfee00d00, false, 0},
    {"APIC_BASE beyond MAXPHYADDR", 0x1b, UINT64_C(1) << 36, false, 0},
    {"TSC_DEADLINE without the feature", 0x6e0, 0, false, 0},
    {"KVM's clock without the feature", 0x4b564d01, 0, false, 0},
    {"microcode revision", 0x8b, 0, true, UINT64_C(1) << 32},
    {"MTRRcap is read-only", 0xfe, 0, false, 0},
    {"SYSENTER_CS", 0x174, 0x60, true, 0x60},
    {"SYSENTER_EIP", 0x176, 0xc0001234, true, 0xc0001234},
    {"MTRR base", 0x200, 0xe0000000, true, 0xe0000000},
    {"MTRR base, bad type", 0x202, 2, false, 0},
    {"MTRR mask", 0x201, 0xfe0000800, true, 0xfe0000800},
    {"MTRR mask beyond MAXPHYADDR", 0x201, UINT64_C(1) << 36, false, 0},
    {"fixed MTRR", 0x26f, UINT64_C(0x0606060606060606), true, UINT64_C(0x0606060606060606)},
    {"fixed MTRR, bad type", 0x250, 7, false, 0},
    {"MTRRdefType", 0x2ff, 0xc06, true, 0xc06},
    {"MTRRdefType, reserved", 0x2ff, 0x1000, false, 0},
    {"PAT", 0x277, UINT64_C(0x0007010600070106), true, UINT64_C(0x0007010600070106)},
    {"PAT, bad type", 0x277, 2, false, 0},
    {"EFER.NXE", 0xc0000080, EFER_NXE, true, EFER_NXE},
    {"EFER.LME", 0xc0000080, EFER_LME, false, 0},
    {"STAR without SYSCALL", 0xc0000081, 0, false, 0},
    {"MISC_ENABLE", 0x1a0, 1, true, 0x1801},
    {"DEBUGCTL", 0x1d9, 0, true, 0},
    {"ARCH_CAPABILITIES", 0x10a, 0, false, 0},
    {"AMD only", 0xc0010015, 0, false, 0},
    {"unknown", 0x12345, 0, false, 0},
};

START_TEST(test_msr)
{
    const struct msr_row *row = &msr_rows[_i];
    struct rig *r = rig_new(0);
    uint64_t v;

    ck_assert_msg(cpu_wrmsr(&r->c, row->index, row->val) == row->ok, "%s", row->what);
    if (!row->ok) {
        rig_expect_fault(r, VEC_GP, 0, row->what);
    } else {
        ck_assert_msg(cpu_rdmsr(&r->c, row->index, &v), "%s", row->what);
        ck_assert_msg(v == row->back, "%s: %lx", row->what, v);
    }
    rig_free(r);
}
END_TEST

START_TEST(test_efer_nxe_is_paging)
{
    struct rig *r = rig_new(0);

    ck_assert(cpu_wrmsr(&r->c, 0xc0000080, EFER_NXE));
    ck_assert_uint_eq(r->paging_changed, 1);
    r->tsc = 500;
    ck_assert(cpu_wrmsr(&r->c, 0x10, 10000));
    r->tsc += 7;
    ck_assert_uint_eq(cpu_tsc(&r->c), 10007);
    rig_free(r);
}
END_TEST

/* KVM's interface while there is one, our name 100h on. */
static void check_hypervisor(struct cpu *c)
{
    uint32_t id[4];

    if (model_has(c->model, FEAT_KVMCLOCK)) {
        cpu_cpuid(c, 0x40000000, 0, id);
        ck_assert_uint_eq(id[0], 0x40000001);
        ck_assert_int_eq(memcmp(&id[1], "KVMKVMKVM\0\0", 12), 0);
        cpu_cpuid(c, 0x40000001, 0, id);
        ck_assert_uint_eq(id[0], 1 << 1 | 1 << 3 | 1 << 24);
        ck_assert_uint_eq(id[1] | id[2] | id[3], 0);
        model_set((struct cpu_model *)c->model, FEAT_KVMCLOCK, false);
    }
    for (uint32_t leaf = 0x40000000; leaf <= 0x40000100; leaf += 0x100) {
        cpu_cpuid(c, leaf, 0, id);
        ck_assert_int_eq(memcmp(&id[1], "DragomanDBT", 12), 0);
    }
}

struct board_msrs {
    uint32_t index;
    uint64_t val;
    unsigned tsc_moves, cr8;
};

static uint64_t board_read(void *opaque, uint32_t index)
{
    return index == MSR_TSC_DEADLINE ? ((struct board_msrs *)opaque)->val : 0;
}

static void board_written(void *opaque, uint32_t index, uint64_t val)
{
    struct board_msrs *b = opaque;

    b->index = index;
    b->val = val;
}

static void board_tsc_moved(void *opaque)
{
    ((struct board_msrs *)opaque)->tsc_moves++;
}

static void board_cr8(void *opaque, uint8_t cr8)
{
    ((struct board_msrs *)opaque)->cr8 = cr8;
}

/* What chips of the board keep for the CPU goes through the hooks, checked before. */
START_TEST(test_board_hooks)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;
    struct board_msrs b = {0};
    char err[256];
    uint64_t v;

    ck_assert_int_eq(cpu_model_init(&r->model, NULL, err, sizeof(err)), 0);
    c->hooks = (struct cpu_hooks){.msr_read = board_read,
                                  .msr_written = board_written,
                                  .tsc_moved = board_tsc_moved,
                                  .cr8_written = board_cr8,
                                  .opaque = &b};
    ck_assert(cpu_wrmsr(c, MSR_TSC_DEADLINE, UINT64_MAX));
    ck_assert(b.index == MSR_TSC_DEADLINE && b.val == UINT64_MAX);
    b.val = 77;
    ck_assert(cpu_rdmsr(c, MSR_TSC_DEADLINE, &v));
    ck_assert_uint_eq(v, 77);
    ck_assert(cpu_wrmsr(c, MSR_APIC_BASE, 0xfee00100));
    ck_assert(b.index == MSR_APIC_BASE && b.val == 0xfee00100);
    ck_assert_uint_eq(c->apic_base, 0xfee00100);
    ck_assert(!cpu_wrmsr(c, MSR_APIC_BASE, 0xfee00901));
    rig_expect_fault(r, VEC_GP, 0, "APIC_BASE");
    ck_assert_uint_eq(c->apic_base, 0xfee00100);
    if (model_has(&r->model, FEAT_KVMCLOCK)) {
        ck_assert(cpu_wrmsr(c, MSR_KVM_SYSTEM_TIME, 0x12345001));
        ck_assert(b.index == MSR_KVM_SYSTEM_TIME && b.val == 0x12345001);
        ck_assert(!cpu_wrmsr(c, MSR_KVM_SYSTEM_TIME, 0x12345002));
        rig_expect_fault(r, VEC_GP, 0, "SYSTEM_TIME");
        ck_assert(!cpu_wrmsr(c, MSR_KVM_WALL_CLOCK, 1));
        rig_expect_fault(r, VEC_GP, 0, "WALL_CLOCK");
    }
    ck_assert(cpu_wrmsr(c, 0x10, 5) && cpu_wrmsr(c, 0x3b, 6));
    ck_assert_uint_eq(b.tsc_moves, 2);
    ck_assert(cpu_write_cr(c, 8, 9));
    ck_assert_uint_eq(b.cr8, 9);
    ck_assert(!cpu_write_cr(c, 8, 16));
    rig_free(r);
}
END_TEST

START_TEST(test_cpuid_host)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;
    char err[256], brand[49] = "";
    uint32_t id[4], sub1[4];

    ck_assert_int_eq(cpu_model_init(&r->model, NULL, err, sizeof(err)), 0);
    cpu_cpuid(c, 0, 0, id);
    ck_assert_uint_ge(id[0], 0xd);
    ck_assert_int_eq(memcmp(r->model.vendor, &id[1], 4), 0);
    cpu_cpuid(c, 1, 0, id);
    ck_assert(id[2] >> 31);
    ck_assert(!(id[2] & 1 << 27));
    ck_assert((id[3] & (1 << 9 | 1 << 28)) == 1 << 9); /* APIC, no HTT */
    ck_assert(id[2] & 1 << 24);
    ck_assert(!(id[2] & 1 << 21)); /* x2APIC */
    ck_assert_uint_eq(id[1] >> 16, 0);
    if (model_has(&r->model, FEAT_XSAVE)) {
        ck_assert(cpu_write_cr(c, 4, CR4_OSXSAVE));
        cpu_cpuid(c, 1, 0, id);
        ck_assert(id[2] & 1 << 27);
        cpu_cpuid(c, 0xd, 0, id);
        ck_assert_uint_eq(id[0], r->model.xcr0_allowed);
        ck_assert_uint_eq(id[1], 576);
        ck_assert_uint_eq(id[2], r->model.xsave_size);
        cpu_cpuid(c, 0xd, 1, sub1);
        ck_assert_uint_eq(sub1[0], 15); /* XSAVEOPT, XSAVEC, XGETBV with ECX = 1, XSAVES */
        ck_assert_uint_eq(sub1[1], 576);
        ck_assert_uint_eq(sub1[2] | sub1[3], 0); /* no supervisor state */
    }
    if (model_has(&r->model, FEAT_AVX)) {
        ck_assert_uint_eq(r->model.xsave_size, 832);
        cpu_cpuid(c, 0xd, 2, id);
        ck_assert_uint_eq(id[0], 256);
        ck_assert_uint_eq(id[1], 576);
        ck_assert_uint_eq(id[2] | id[3], 0);
        ck_assert(cpu_xsetbv(c, 0, 7));
        cpu_cpuid(c, 0xd, 1, sub1);
        ck_assert_uint_eq(sub1[1], 832);
        cpu_cpuid(c, 0xd, 3, id);
        ck_assert_uint_eq(id[0] | id[1] | id[2] | id[3], 0);
    }
    cpu_cpuid(c, 7, 0, id);
    ck_assert_uint_eq(id[1] & (1u << 16 | 1 << 20), 0); /* AVX-512F, SMAP */
    cpu_cpuid(c, 0xa, 0, id);
    ck_assert_uint_eq(id[0] | id[1] | id[2] | id[3], 0);
    check_hypervisor(c);
    cpu_cpuid(c, 0x80000001, 0, id);
    ck_assert_uint_eq(id[3] & 1 << 11, 0); /* SYSCALL: in 64-bit mode only */
    ck_assert(id[3] & 1 << 20);
    for (uint32_t i = 0; i < 3; i++) {
        cpu_cpuid(c, 0x80000002 + i, 0, id);
        memcpy(brand + 16 * i, id, 16);
    }
    ck_assert_msg(!strncmp(brand, "Dragoman virtual CPU", 20), "%s", brand);
    ck_assert_uint_lt(strlen(brand), 48);
    ck_assert_uint_gt(r->model.tsc_khz, 100000);
    ck_assert(r->model.arch_capabilities & 1);
    rig_free(r);
}
END_TEST

/* On Intel a leaf that doesn't exist reads as the highest basic one. */
START_TEST(test_cpuid_beyond)
{
    struct rig *r = rig_new(0);
    uint32_t a[4], b[4];

    cpu_cpuid(&r->c, 0x1234, 0, a);
    cpu_cpuid(&r->c, r->model.max_basic, 0, b);
    ck_assert_int_eq(memcmp(a, b, sizeof(a)), 0);
    cpu_cpuid(&r->c, 0x40000200, 0, a);
    ck_assert_uint_eq(a[0] | a[1] | a[2] | a[3], 0);
    rig_free(r);
}
END_TEST

static const struct spec_row {
    const char *spec;
    const char *err; /* part of the message, NULL: accepted */
    enum cpu_feature feature;
    bool has;
} spec_rows[] = {
    {"host", NULL, FEAT_SSE2, true},
    {"host", NULL, FEAT_LM, true},
    {"host,-pae", NULL, FEAT_LM, false},
    {"host,-lm", NULL, FEAT_CX16, false},
    {"qemu32", NULL, FEAT_LM, false},
    {"max", NULL, FEAT_NX, true},
    {"host,-sse2", NULL, FEAT_AVX, false},
    {"host,-sse2", NULL, FEAT_SSE, true},
    {"host,nx=off", NULL, FEAT_NX, false},
    {"host,-pae", NULL, FEAT_NX, false},
    {"486", NULL, FEAT_TSC, false},
    {"486,+tsc", NULL, FEAT_TSC, true},
    {"pentium3", NULL, FEAT_SSE, true},
    {"pentium3", NULL, FEAT_SSE2, false},
    {"pentium3,+nx,sse2=on", NULL, FEAT_NX, true},
    {"qemu32", NULL, FEAT_SSE3, true},
    {"486", NULL, FEAT_APIC, false},
    {"pentium3", NULL, FEAT_APIC, true},
    {"pentium3", NULL, FEAT_TSC_DEADLINE, false},
    {"host", NULL, FEAT_TSC_DEADLINE, true},
    {"host,-apic", NULL, FEAT_TSC_DEADLINE, false},
    {"host,-tsc-deadline", NULL, FEAT_TSC_DEADLINE, false},
    {"host,-kvmclock", NULL, FEAT_KVMCLOCK_STABLE, false},
    {"host,-tsc", NULL, FEAT_KVMCLOCK, false},
    {"qemu32", NULL, FEAT_XSAVE, false},
    {"qemu32,+SSE4.1,+ssse3", NULL, FEAT_SSE41, true},
    {"cyrix", "unknown CPU model 'cyrix'; known are: host", FEAT_BASE, false},
    {"", "unknown CPU model ''", FEAT_BASE, false},
    {"host,+turbo", "unknown CPU feature 'turbo'; known are: fpu", FEAT_BASE, false},
    {"host,", "unknown CPU feature ''", FEAT_BASE, false},
    {"host", NULL, FEAT_SMAP, false}, /* only when asked for */
    {"host,+smap", NULL, FEAT_SMAP, true},
    {"host", NULL, FEAT_INVPCID, true},
    {"host,-lm", NULL, FEAT_PCID, false},
    {"host,-rdtscp", NULL, FEAT_RDPID, false},
    {"host,-xsavec", NULL, FEAT_XSAVES, false},
    {"host,+monitor", "'monitor' is not available: it is not emulated", FEAT_BASE, false},
    {"host,nx=maybe", "must end with =on or =off", FEAT_BASE, false},
    {"host,-sse,+sse2", "'sse2' needs 'sse'", FEAT_BASE, false},
};

START_TEST(test_spec)
{
    const struct spec_row *row = &spec_rows[_i];
    struct cpu_model m;
    char err[1024] = "";
    int ret = cpu_model_init(&m, row->spec, err, sizeof(err));

    if (row->err) {
        ck_assert_int_lt(ret, 0);
        ck_assert_msg(strstr(err, row->err), "%s: %s", row->spec, err);
    } else {
        ck_assert_msg(ret == 0, "%s: %s", row->spec, err);
        ck_assert_msg(model_has(&m, row->feature) == row->has, "%s", row->spec);
    }
}
END_TEST

START_TEST(test_error_fits_small_buffer)
{
    struct cpu_model m;
    char err[20];

    memset(err, 'x', sizeof(err));
    ck_assert_int_lt(cpu_model_init(&m, "host,+nonsense", err, sizeof(err)), 0);
    ck_assert_uint_lt(strnlen(err, sizeof(err)), sizeof(err));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_reset,
                                  test_mode_bits,
                                  test_cr0,
                                  test_pae,
                                  test_cr4_follows_model,
                                  test_xcr0,
                                  test_debug_registers,
                                  test_breakpoints,
                                  test_efer_nxe_is_paging,
                                  test_board_hooks,
                                  test_cpuid_host,
                                  test_cpuid_beyond,
                                  test_error_fits_small_buffer};
    Suite *s = suite_create("cpu_control");
    TCase *tc = tcase_create("all");
    SRunner *sr;
    int failed;

    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
        tcase_add_test(tc, tests[i]);
    tcase_add_loop_test(tc, test_msr, 0, ARRAY_SIZE(msr_rows));
    tcase_add_loop_test(tc, test_spec, 0, ARRAY_SIZE(spec_rows));
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
