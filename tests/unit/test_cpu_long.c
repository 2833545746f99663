/* Long mode in the CPU model: entering and leaving it, 64-bit gates, stacks, returns, fast system
 * calls, descriptors of 16 bytes, bases (SDM 3A 3.4.5, 5.8.5, 6.14, 9.8.5; SDM 2B SYSCALL, SYSRET,
 * SYSENTER, SYSEXIT). */
#include "cpu_rig.h"

enum {
    K_CODE64 = 0xe0,
    U_CODE64 = 0xeb,
    BAD_CODE64 = 0xf0, /* L and D */
    S_TSS64 = 0xf8,    /* 16 bytes */
    S_LDT64 = 0x108,   /* 16 bytes */
    GATE64 = 0x118,    /* 16 bytes, DPL 3, to K_CODE64 */
    GATE_SAME64 = 0x128,
    S_TSS64_BAD = 0x138, /* base not canonical */
    GDT64_BYTES = 0x148,
    TSS64 = 0xa000,
    IST1_TOP = 0x60008,
    RSP0_TOP = 0x68008,
    IDT64 = 0xb000,
};
#define FAR_RIP UINT64_C(0x123456789a)

/* 16-byte system descriptor or gate: the upper half. */
static void high_half(struct rig *r, gva_t at, uint32_t high)
{
    st32(r->ram + at + 8, high);
    st32(r->ram + at + 12, 0);
}

static void fill_idt64(struct rig *r)
{
    for (unsigned v = 0; v < 256; v++) {
        gva_t at = IDT64 + v * 16;
        uint8_t access = v == 3 || v == 0x80 ? 0xee : v == 0x81 ? 0xef : 0x8e;

        rig_gate(r, at, K_CODE64, RIG_HANDLER + v * 16, access, v == 2 || v == 8 ? 1 : 0);
        high_half(r, at, v == 0x20 ? FAR_RIP >> 32 : 0);
    }
}

/* 64-bit code at `cpl`. */
static struct rig *long_rig(unsigned cpl)
{
    struct rig *r = rig_new(cpl);
    struct cpu *c = &r->c;
    char err[256];

    ck_assert_int_eq(cpu_model_init(&r->model, "host", err, sizeof(err)), 0);
    rig_desc(r, RIG_GDT, K_CODE64, 0, 0xfffff, 0x9a, 0xa);
    rig_desc(r, RIG_GDT, U_CODE64, 0, 0xfffff, 0xfa, 0xa);
    rig_desc(r, RIG_GDT, BAD_CODE64, 0, 0xfffff, 0x9a, 0xe);
    rig_desc(r, RIG_GDT, S_TSS64, TSS64, 0x67, 0x89, 0);
    high_half(r, RIG_GDT + S_TSS64, 1);
    rig_desc(r, RIG_GDT, S_LDT64, RIG_LDT, 0x1f, 0x82, 0);
    high_half(r, RIG_GDT + S_LDT64, 0);
    rig_desc(r, RIG_GDT, S_TSS64_BAD, TSS64, 0x67, 0x89, 0);
    high_half(r, RIG_GDT + S_TSS64_BAD, 0x8000);
    rig_gate(r, RIG_GDT + GATE64, K_CODE64, 0x12345, 0xec, 0);
    high_half(r, RIG_GDT + GATE64, 0x77);
    rig_gate(r, RIG_GDT + GATE_SAME64, U_CODE64, 0x12345, 0xec, 0);
    high_half(r, RIG_GDT + GATE_SAME64, 0);
    c->gdtr.limit = GDT64_BYTES - 1;
    fill_idt64(r);
    c->idtr = (struct dtable){IDT64, 0xfff};
    st64(r->ram + TSS64 + 4, RSP0_TOP);
    st64(r->ram + TSS64 + 0x24, IST1_TOP);
    c->seg[SEG_TR] = (struct seg){S_TSS64, 0x8b, 0x67, TSS64, true, false};
    c->cr4 = CR4_PAE;
    c->cr0 |= CR0_PG;
    c->efer = EFER_LME | EFER_LMA | EFER_SCE;
    c->seg[SEG_CS].sel = cpl ? U_CODE64 : K_CODE64;
    c->seg[SEG_CS].attr = (uint16_t)((c->seg[SEG_CS].attr & ~ATTR_DB) | ATTR_L);
    cpu_update_mode(c);
    ck_assert(cpu_cs64(c));
    return r;
}

static uint64_t frame(const struct rig *r, unsigned i)
{
    return ld64(r->ram + r->c.gpr[RSP] + 8 * i);
}

START_TEST(test_enter_and_leave)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;
    char err[256];

    ck_assert_int_eq(cpu_model_init(&r->model, "host", err, sizeof(err)), 0);
    ck_assert(cpu_wrmsr(c, 0xc0000080, EFER_LME));
    ck_assert(!cpu_long(c));
    ck_assert(!cpu_write_cr(c, 0, c->cr0 | CR0_PG)); /* PAE first */
    rig_expect_fault(r, VEC_GP, 0, "PG without PAE");
    ck_assert(!cpu_long(c) && !(c->cr0 & CR0_PG));
    ck_assert(cpu_write_cr(c, 4, CR4_PAE));
    c->seg[SEG_CS].attr |= ATTR_L;
    ck_assert(!cpu_write_cr(c, 0, c->cr0 | CR0_PG));
    rig_expect_fault(r, VEC_GP, 0, "CS.L set");
    c->seg[SEG_CS].attr &= (uint16_t)~ATTR_L;
    ck_assert(cpu_write_cr(c, 0, c->cr0 | CR0_PG));
    ck_assert(cpu_long(c) && (c->mode & MODE_LMA) && !cpu_cs64(c));
    ck_assert_uint_eq(r->pdpte_loads, 0);
    ck_assert(!cpu_write_cr(c, 4, 0));
    rig_expect_fault(r, VEC_GP, 0, "PAE cleared");
    ck_assert(!cpu_wrmsr(c, 0xc0000080, 0));
    rig_expect_fault(r, VEC_GP, 0, "LME cleared under paging");
    ck_assert(!cpu_write_cr(c, 3, UINT64_C(1) << 60));
    rig_expect_fault(r, VEC_GP, 0, "CR3 too wide");
    c->gpr[R9] = c->gpr[RBX] = UINT64_MAX;
    ck_assert(cpu_write_cr(c, 0, c->cr0 & ~(uint64_t)CR0_PG));
    ck_assert(!cpu_long(c) && (c->efer & EFER_LME));
    ck_assert_uint_eq(c->gpr[RBX], UINT32_MAX);
    rig_free(r);
}
END_TEST

START_TEST(test_paging_stays_on_in_64bit_code)
{
    struct rig *r = long_rig(0);

    ck_assert(!cpu_write_cr(&r->c, 0, r->c.cr0 & ~(uint64_t)CR0_PG));
    rig_expect_fault(r, VEC_GP, 0, "PG");
    ck_assert(cpu_write_cr(&r->c, 8, 9));
    ck_assert_uint_eq(r->c.cr8, 9);
    ck_assert(!cpu_write_cr(&r->c, 8, 16));
    rig_free(r);
}
END_TEST

START_TEST(test_pcid)
{
    struct rig *r = long_rig(0);
    struct cpu *c = &r->c;
    const uint64_t keep = UINT64_C(1) << 63;
    char err[256];

    ck_assert_int_eq(cpu_model_init(&r->model, "host", err, sizeof(err)), 0);
    ck_assert(!cpu_write_cr(c, 3, keep | 0x5000));
    rig_expect_fault(r, VEC_GP, 0, "bit 63 without PCIDE");
    ck_assert(cpu_write_cr(c, 3, 0x5018));
    ck_assert(!cpu_write_cr(c, 4, CR4_PAE | CR4_PCIDE));
    rig_expect_fault(r, VEC_GP, 0, "PCIDE with bits in CR3");
    ck_assert(cpu_write_cr(c, 3, 0x5000));
    ck_assert(cpu_write_cr(c, 4, CR4_PAE | CR4_PCIDE));
    ck_assert(cpu_write_cr(c, 3, keep | 0x6fff));
    ck_assert_uint_eq(c->cr3, 0x6fff);
    ck_assert_uint_eq(r->cr3_written, 3);
    ck_assert(!cpu_write_cr(c, 3, UINT64_C(1) << 62));
    rig_expect_fault(r, VEC_GP, 0, "bit 62");
    ck_assert(cpu_write_cr(c, 4, CR4_PAE | CR4_PCIDE | CR4_PGE)); /* it is set already */
    c->seg[SEG_CS].attr &= (uint16_t)~ATTR_L;
    cpu_update_mode(c);
    ck_assert(!cpu_write_cr(c, 0, c->cr0 & ~(uint64_t)CR0_PG));
    rig_expect_fault(r, VEC_GP, 0, "PG cleared under PCIDE");
    ck_assert(cpu_long(c));
    ck_assert(cpu_write_cr(c, 4, CR4_PAE));
    ck_assert(cpu_write_cr(c, 0, c->cr0 & ~(uint64_t)CR0_PG));
    ck_assert(!cpu_write_cr(c, 4, CR4_PAE | CR4_PCIDE));
    rig_expect_fault(r, VEC_GP, 0, "PCIDE outside of long mode");
    rig_free(r);
}
END_TEST

/* type, PCID, address, PCIDE: 0 #GP, 1 as INVLPG, 2 as MOV CR3 */
static const struct invpcid_row {
    uint64_t type, pcid;
    gva_t lin;
    bool pcide;
    unsigned what;
} invpcid_rows[] = {
    {0, 0, 0x1234, false, 1},
    {0, 1, 0x1234, false, 0},
    {0, 0x123, 0x1234, true, 1}, /* the current one */
    {0, 0x122, 0x1234, true, 2},
    {0, 0x1123, 0x1234, true, 0},
    {0, 0x123, UINT64_C(0x800000000000), true, 0},
    {0, 0x123, UINT64_C(0xffff800000000000), true, 1},
    {1, 0, 0, false, 2},
    {1, 1, 0, false, 0},
    {1, 0x123, UINT64_C(0x800000000000), true, 2},
    {1, UINT64_C(1) << 63, 0, true, 0},
    {2, 0xfff, 0, false, 2},
    {2, 0x1000, 0, true, 0},
    {3, 7, UINT64_MAX, true, 2},
    {3, UINT64_C(1) << 32, 0, true, 0},
    {4, 0, 0, true, 0},
    {UINT64_C(1) << 32, 0, 0, true, 0},
};

START_TEST(test_invpcid)
{
    const struct invpcid_row *row = &invpcid_rows[_i];
    struct rig *r = long_rig(0);

    r->c.cr3 = 0x5123;
    r->c.cr4 |= row->pcide ? CR4_PCIDE : 0;
    ck_assert_int_eq(cpu_invpcid(&r->c, row->type, row->pcid, row->lin), row->what != 0);
    if (!row->what)
        rig_expect_fault(r, VEC_GP, 0, "INVPCID");
    ck_assert_uint_eq(r->invlpgs, row->what == 1);
    ck_assert_uint_eq(r->cr3_written, row->what == 2);
    if (row->what == 1)
        ck_assert_uint_eq(r->invlpg_at, row->lin);
    rig_free(r);
}
END_TEST

/* Same level: aligned, SS:RSP pushed all the same, SS stays. */
START_TEST(test_interrupt_same_level)
{
    struct rig *r = long_rig(0);
    struct cpu *c = &r->c;
    uint64_t flags;

    c->gpr[RSP] = 0x20007;
    cpu_set_rflags(c, EF_IF | EF_TF | EF_NT);
    flags = cpu_rflags(c);
    cpu_interrupt(c, 0x20);
    ck_assert_uint_eq(c->rip, (FAR_RIP & ~UINT64_C(0xffffffff)) | (RIG_HANDLER + 0x20 * 16));
    ck_assert_uint_eq(c->gpr[RSP], 0x20000 - 40);
    ck_assert_uint_eq(frame(r, 0), 0x1000);
    ck_assert_uint_eq(frame(r, 1), K_CODE64);
    ck_assert_uint_eq(frame(r, 2), flags);
    ck_assert_uint_eq(frame(r, 3), 0x20007);
    ck_assert_uint_eq(frame(r, 4), K_DATA);
    ck_assert_uint_eq(c->seg[SEG_SS].sel, K_DATA);
    ck_assert(!c->iflag && !(c->rflags & (EF_TF | EF_NT)));
    c->next_rip = c->rip + 2;
    ck_assert(cpu_iret(c, 8));
    ck_assert_uint_eq(c->next_rip, 0x1000);
    ck_assert_uint_eq(c->gpr[RSP], 0x20007);
    ck_assert_uint_eq(cpu_rflags(c), flags);
    rig_free(r);
}
END_TEST

START_TEST(test_fault_from_user)
{
    struct rig *r = long_rig(3);
    struct cpu *c = &r->c;

    cpu_raise(c, VEC_GP, 0x18);
    cpu_deliver(c);
    ck_assert_uint_eq(c->cpl, 0);
    ck_assert_uint_eq(c->seg[SEG_SS].sel, 0);
    ck_assert(!c->seg[SEG_SS].usable);
    ck_assert_uint_eq(c->gpr[RSP], (RSP0_TOP & ~15) - 48);
    ck_assert_uint_eq(frame(r, 0), 0x18);
    ck_assert_uint_eq(frame(r, 1), 0x1000);
    ck_assert_uint_eq(frame(r, 2), U_CODE64);
    ck_assert_uint_eq(frame(r, 4), RIG_STACK3);
    ck_assert_uint_eq(frame(r, 5), U_DATA);
    c->gpr[RSP] += 8;
    ck_assert(cpu_iret(c, 8));
    ck_assert_uint_eq(c->cpl, 3);
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK3);
    ck_assert(cpu_cs64(c));
    rig_free(r);
}
END_TEST

START_TEST(test_ist)
{
    struct rig *r = long_rig(0);
    struct cpu *c = &r->c;

    cpu_interrupt(c, VEC_NMI);
    ck_assert_uint_eq(c->gpr[RSP], (IST1_TOP & ~15) - 40);
    ck_assert_uint_eq(c->seg[SEG_SS].sel, K_DATA);
    ck_assert_uint_eq(frame(r, 3), RIG_STACK0);
    rig_free(r);
}
END_TEST

static const struct gate_row {
    const char *what;
    uint8_t vector, access;
    uint16_t sel;
    uint32_t high;
    unsigned fault, err;
} gate_rows[] = {
    {"16-bit gate", 0x40, 0x86, K_CODE64, 0, VEC_GP, 0x202},
    {"task gate", 0x40, 0xe5, K_CODE64, 0, VEC_GP, 0x202},
    {"absent", 0x40, 0x6e, K_CODE64, 0, VEC_NP, 0x202},
    {"DPL", 0x40, 0x8e, K_CODE64, 0, VEC_GP, 0x202},
    {"32-bit target", 0x40, 0xee, K_CODE, 0, VEC_GP, K_CODE},
    {"target with L and D", 0x40, 0xee, BAD_CODE64, 0, VEC_GP, BAD_CODE64},
    {"data target", 0x40, 0xee, K_DATA, 0, VEC_GP, K_DATA},
    {"null target", 0x40, 0xee, 0, 0, VEC_GP, 0},
    {"not canonical", 0x40, 0xee, K_CODE64, 0x8000, VEC_GP, 0},
};

START_TEST(test_bad_gate)
{
    const struct gate_row *row = &gate_rows[_i];
    struct rig *r = long_rig(3);
    struct cpu before;

    rig_gate(r, IDT64 + row->vector * 16, row->sel, RIG_HANDLER, row->access, 0);
    high_half(r, IDT64 + row->vector * 16, row->high);
    before = r->c;
    ck_assert_msg(!cpu_int_soft(&r->c, row->vector, true), "%s", row->what);
    rig_expect_fault(r, row->fault, row->err, row->what);
    ck_assert_uint_eq(r->c.gpr[RSP], before.gpr[RSP]);
    ck_assert_uint_eq(r->c.cpl, 3);
    rig_free(r);
}
END_TEST

START_TEST(test_idt_limit)
{
    struct rig *r = long_rig(3);

    r->c.idtr.limit = 0x80 * 16 + 14;
    ck_assert(!cpu_int_soft(&r->c, 0x80, true));
    rig_expect_fault(r, VEC_GP, 0x402, "limit");
    r->c.idtr.limit++;
    ck_assert(cpu_int_soft(&r->c, 0x80, true));
    ck_assert_uint_eq(frame(r, 0), 0x1002);
    rig_free(r);
}
END_TEST

static void put_iret(struct rig *r, uint64_t rip, uint64_t cs, uint64_t flags, uint64_t rsp,
                     uint64_t ss)
{
    const uint64_t f[] = {rip, cs, flags, rsp, ss};

    for (unsigned i = 0; i < ARRAY_SIZE(f); i++)
        st64(r->ram + r->c.gpr[RSP] + 8 * i, f[i]);
}

static const struct iret_row {
    const char *what;
    uint64_t rip;
    uint16_t cs;
    uint64_t rsp;
    uint16_t ss;
    int fault; /* -1: none */
    uint32_t err;
    bool cs64;
    uint64_t rsp_after;
} iret_rows[] = {
    {"64-bit user", 0x5000, U_CODE64, FAR_RIP, U_DATA, -1, 0, true, FAR_RIP},
    {"compatibility user", 0x5000, U_CODE, FAR_RIP, U_DATA, -1, 0, false, 0x3456789a},
    {"kernel, null SS", 0x5000, K_CODE64, FAR_RIP, 0, -1, 0, true, FAR_RIP},
    {"kernel, other SS", 0x5000, K_CODE64, 0x9000, K_DATA, -1, 0, true, 0x9000},
    {"compatibility kernel, null SS", 0x5000, K_CODE, 0x9000, 0, VEC_GP, 0, false, 0},
    {"user, null SS", 0x5000, U_CODE64, 0x9000, 3, VEC_GP, 0, false, 0},
    {"not canonical", UINT64_C(1) << 47, U_CODE64, 0x9000, U_DATA, VEC_GP, 0, false, 0},
    {"compatibility user, upper half", FAR_RIP, U_CODE, 0x9000, U_DATA, -1, 0, false, 0x9000},
    {"L and D", 0x5000, BAD_CODE64, 0x9000, K_DATA, VEC_GP, BAD_CODE64, false, 0},
    {"SS of another level", 0x5000, U_CODE64, 0x9000, K_DATA, VEC_GP, K_DATA, false, 0},
};

/* What is kept of a far target: in compatibility mode the host CPU drops the upper half. */
static uint64_t rip_in(bool cs64, uint64_t rip)
{
    return cs64 ? rip : (uint32_t)rip;
}

START_TEST(test_iretq)
{
    const struct iret_row *row = &iret_rows[_i];
    struct rig *r = long_rig(0);
    struct cpu *c = &r->c;

    c->gpr[RSP] = 0x1f000;
    put_iret(r, row->rip, row->cs, 0x202, row->rsp, row->ss);
    if (row->fault >= 0) {
        ck_assert_msg(!cpu_iret(c, 8), "%s", row->what);
        rig_expect_fault(r, (unsigned)row->fault, row->err, row->what);
        ck_assert_uint_eq(c->gpr[RSP], 0x1f000);
    } else {
        ck_assert_msg(cpu_iret(c, 8), "%s", row->what);
        ck_assert_msg(c->next_rip == rip_in(row->cs64, row->rip) && c->gpr[RSP] == row->rsp_after &&
                          cpu_cs64(c) == row->cs64 && c->cpl == (row->cs & 3) && c->iflag,
                      "%s: rsp %lx", row->what, (unsigned long)c->gpr[RSP]);
    }
    rig_free(r);
}
END_TEST

START_TEST(test_iret_with_nt)
{
    struct rig *r = long_rig(0);

    cpu_set_rflags(&r->c, EF_NT);
    ck_assert(!cpu_iret(&r->c, 8));
    rig_expect_fault(r, VEC_GP, 0, "NT");
    rig_free(r);
}
END_TEST

static void set_star(struct cpu *c)
{
    /* SYSCALL: CS E0h, SS E8h; SYSRET: 64-bit CS 33h+16.. made up, as the CPU makes them up */
    ck_assert(cpu_wrmsr(c, 0xc0000081, UINT64_C(0x001b00e0) << 32 | 0x1234));
    ck_assert(cpu_wrmsr(c, 0xc0000082, UINT64_C(0xffffffff81000000)));
    ck_assert(cpu_wrmsr(c, 0xc0000083, UINT64_C(0xffffffff82000000)));
    ck_assert(cpu_wrmsr(c, 0xc0000084, EF_IF | EF_TF | EF_DF));
}

START_TEST(test_syscall)
{
    struct rig *r = long_rig(3);
    struct cpu *c = &r->c;

    set_star(c);
    cpu_set_rflags(c, EF_IF | EF_DF | EF_CF);
    ck_assert(cpu_syscall(c));
    ck_assert_uint_eq(c->next_rip, UINT64_C(0xffffffff81000000));
    ck_assert_uint_eq(c->gpr[RCX], 0x1002);
    ck_assert_uint_eq(c->gpr[R11], EF_IF | EF_DF | EF_CF | EF_R1);
    ck_assert_uint_eq(cpu_rflags(c), EF_CF | EF_R1);
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK3);
    ck_assert(c->cpl == 0 && cpu_cs64(c));
    ck_assert_uint_eq(c->seg[SEG_CS].sel, 0xe0);
    ck_assert_uint_eq(c->seg[SEG_SS].sel, 0xe8);
    ck_assert(cpu_sysret(c, 8));
    ck_assert_uint_eq(c->next_rip, 0x1002);
    ck_assert_uint_eq(cpu_rflags(c), EF_IF | EF_DF | EF_CF | EF_R1);
    ck_assert_uint_eq(c->seg[SEG_CS].sel, 0x2b);
    ck_assert_uint_eq(c->seg[SEG_SS].sel, 0x23);
    ck_assert(c->cpl == 3 && cpu_cs64(c));
    c->efer &= ~(uint64_t)EFER_SCE;
    ck_assert(!cpu_syscall(c));
    rig_expect_fault(r, VEC_UD, 0, "SCE");
    rig_free(r);
}
END_TEST

START_TEST(test_sysret)
{
    struct rig *r = long_rig(0);
    struct cpu *c = &r->c;

    set_star(c);
    c->gpr[RCX] = UINT64_C(1) << 47;
    ck_assert(!cpu_sysret(c, 8));
    rig_expect_fault(r, VEC_GP, 0, "not canonical");
    strcpy(r->model.vendor, "AuthenticAMD");
    ck_assert(cpu_sysret(c, 8)); /* the fetch will fault */
    ck_assert_uint_eq(c->next_rip, UINT64_C(1) << 47);
    strcpy(r->model.vendor, "GenuineIntel");
    c->cpl = 0;
    c->gpr[RCX] = UINT64_C(0xff00000123);
    c->gpr[R11] = EF_RF | EF_VM | EF_IF;
    ck_assert(cpu_sysret(c, 4)); /* to compatibility mode */
    ck_assert_uint_eq(c->next_rip, 0x123);
    ck_assert(c->cpl == 3 && cpu_long(c) && !cpu_cs64(c));
    ck_assert_uint_eq(c->seg[SEG_CS].sel, 0x1b);
    ck_assert_uint_eq(cpu_rflags(c), EF_IF | EF_R1);
    rig_free(r);
}
END_TEST

/* The vendors differ: see fastcall.c. */
START_TEST(test_compatibility_calls)
{
    struct rig *r = long_rig(3);
    struct cpu *c = &r->c;

    set_star(c);
    c->sysenter_cs = 0xe0;
    c->sysenter_esp = UINT64_C(0xffff888000001000);
    c->sysenter_eip = UINT64_C(0xffffffff83000000);
    c->seg[SEG_CS].attr = (uint16_t)((c->seg[SEG_CS].attr & ~ATTR_L) | ATTR_DB);
    cpu_update_mode(c);
    strcpy(r->model.vendor, "AuthenticAMD");
    ck_assert(!cpu_sysenter(c));
    rig_expect_fault(r, VEC_UD, 0, "AMD, SYSENTER");
    strcpy(r->model.vendor, "GenuineIntel");
    ck_assert(!cpu_syscall(c));
    rig_expect_fault(r, VEC_UD, 0, "Intel, SYSCALL");
    ck_assert(cpu_sysenter(c));
    ck_assert_uint_eq(c->gpr[RSP], UINT64_C(0xffff888000001000));
    ck_assert_uint_eq(c->next_rip, UINT64_C(0xffffffff83000000));
    ck_assert(cpu_cs64(c) && c->cpl == 0);
    c->gpr[RDX] = 0x5000;
    c->gpr[RCX] = FAR_RIP;
    ck_assert(cpu_sysexit(c, 8));
    ck_assert(cpu_cs64(c) && c->cpl == 3);
    ck_assert_uint_eq(c->gpr[RSP], FAR_RIP);
    ck_assert_uint_eq(c->seg[SEG_CS].sel, 0xe0 + 32 + 3);
    strcpy(r->model.vendor, "AuthenticAMD");
    c->seg[SEG_CS].attr = (uint16_t)((c->seg[SEG_CS].attr & ~ATTR_L) | ATTR_DB);
    cpu_update_mode(c);
    ck_assert(cpu_syscall(c));
    ck_assert_uint_eq(c->next_rip, UINT64_C(0xffffffff82000000));
    rig_free(r);
}
END_TEST

START_TEST(test_call_gate)
{
    struct rig *r = long_rig(3);
    struct cpu *c = &r->c;

    ck_assert(cpu_far_call(c, GATE64 | 3, 0, 4));
    ck_assert_uint_eq(c->next_rip, UINT64_C(0x7700012345));
    ck_assert_uint_eq(c->gpr[RSP], RSP0_TOP - 32);
    ck_assert_uint_eq(frame(r, 0), 0x1002);
    ck_assert_uint_eq(frame(r, 1), U_CODE64);
    ck_assert_uint_eq(frame(r, 2), RIG_STACK3);
    ck_assert_uint_eq(frame(r, 3), U_DATA);
    ck_assert(c->cpl == 0 && cpu_cs64(c) && !c->seg[SEG_SS].usable);
    ck_assert(cpu_far_ret(c, 8, 0));
    ck_assert(c->cpl == 3 && cpu_cs64(c));
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK3);
    ck_assert_uint_eq(c->next_rip, 0x1002);
    ck_assert(cpu_far_call(c, GATE_SAME64 | 3, 0, 4));
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK3 - 16);
    rig_free(r);
}
END_TEST

static const struct far_row {
    const char *what;
    uint16_t sel;
    uint64_t off;
    unsigned opsize;
    int fault;
    uint32_t err;
    bool cs64;
} far_rows[] = {
    {"64 to 64", K_CODE64, FAR_RIP, 8, -1, 0, true},
    {"64 to compatibility", K_CODE, 0x5000, 4, -1, 0, false},
    {"offset of 32 bits", K_CODE64, FAR_RIP, 4, -1, 0, true},
    {"not canonical", K_CODE64, UINT64_C(1) << 63, 8, VEC_GP, 0, false},
    {"64 to compatibility, upper half", K_CODE, FAR_RIP, 8, -1, 0, false},
    {"L and D", BAD_CODE64, 0, 4, VEC_GP, BAD_CODE64, false},
    {"TSS", S_TSS64, 0, 4, VEC_GP, S_TSS64, false},
    {"task gate", TASK_GATE_B, 0, 4, VEC_GP, TASK_GATE_B, false},
    {"16-bit call gate", GATE16, 0, 4, VEC_GP, GATE16, false},
};

START_TEST(test_far_jmp)
{
    const struct far_row *row = &far_rows[_i];
    struct rig *r = long_rig(0);
    bool ok = cpu_far_jmp(&r->c, row->sel, row->off, row->opsize);

    if (row->fault >= 0) {
        ck_assert_msg(!ok, "%s", row->what);
        rig_expect_fault(r, (unsigned)row->fault, row->err, row->what);
    } else {
        ck_assert_msg(ok && cpu_cs64(&r->c) == row->cs64, "%s", row->what);
        ck_assert_uint_eq(r->c.next_rip, rip_in(row->cs64, trunc_bytes(row->off, row->opsize)));
    }
    rig_free(r);
}
END_TEST

START_TEST(test_system_descriptors)
{
    struct rig *r = long_rig(0);
    struct cpu *c = &r->c;
    uint32_t v;
    bool ok;

    ck_assert(cpu_ltr(c, S_TSS64));
    ck_assert_uint_eq(c->seg[SEG_TR].base, UINT64_C(1) << 32 | TSS64);
    ck_assert(!cpu_ltr(c, S_TSS64)); /* busy */
    rig_expect_fault(r, VEC_GP, S_TSS64, "busy");
    ck_assert(!cpu_ltr(c, S_TSS64_BAD));
    rig_expect_fault(r, VEC_GP, S_TSS64_BAD, "base");
    ck_assert(!cpu_ltr(c, S_TSS_C));
    rig_expect_fault(r, VEC_GP, S_TSS_C, "16-bit TSS");
    ck_assert(cpu_lldt(c, S_LDT64));
    ck_assert_uint_eq(c->seg[SEG_LDTR].base, RIG_LDT);
    st32(r->ram + RIG_GDT + S_LDT64 + 12, 0x100);
    ck_assert(!cpu_lldt(c, S_LDT64));
    rig_expect_fault(r, VEC_GP, S_LDT64, "type of the upper half");
    ck_assert(cpu_lar(c, S_TSS64, &ok, &v) && ok);
    ck_assert(cpu_lar(c, GATE64, &ok, &v) && ok);
    ck_assert(cpu_lar(c, S_TSS_C, &ok, &v) && !ok);
    ck_assert(cpu_lsl(c, S_TSS_C, &ok, &v) && !ok);
    rig_free(r);
}
END_TEST

START_TEST(test_segments)
{
    struct rig *r = long_rig(0);
    struct cpu *c = &r->c;
    gva_t lin;

    ck_assert(cpu_load_seg(c, SEG_SS, 0));
    ck_assert(!cpu_load_seg(c, SEG_SS, 3));
    rig_expect_fault(r, VEC_GP, 0, "null SS of another level");
    ck_assert(cpu_load_seg(c, SEG_DS, 0));
    ck_assert(cpu_linear(c, SEG_DS, UINT64_C(0xffff800000000000), 8, SEG_WRITE, &lin));
    ck_assert(cpu_wrmsr(c, 0xc0000100, UINT64_C(0x7000000000)));
    ck_assert(cpu_linear(c, SEG_FS, 16, 8, SEG_READ, &lin));
    ck_assert_uint_eq(lin, UINT64_C(0x7000000010));
    ck_assert(cpu_load_seg(c, SEG_FS, 0));
    ck_assert_uint_eq(c->seg[SEG_FS].base, 0);
    ck_assert(cpu_wrmsr(c, 0xc0000101, UINT64_C(0xffff888000000000)));
    ck_assert(cpu_linear(c, SEG_GS, (uint64_t)-8, 8, SEG_READ, &lin));
    ck_assert_uint_eq(lin, UINT64_C(0xffff887ffffffff8));
    ck_assert(!cpu_wrmsr(c, 0xc0000101, UINT64_C(1) << 48));
    ck_assert(!cpu_linear(c, SEG_DS, UINT64_C(0x7ffffffffffd), 4, SEG_READ, &lin));
    rig_expect_fault(r, VEC_GP, 0, "across the hole");
    ck_assert(!cpu_linear(c, SEG_SS, UINT64_C(0x800000000000), 1, SEG_READ, &lin));
    rig_expect_fault(r, VEC_SS, 0, "stack");
    ck_assert(cpu_linear(c, SEG_CS, 0x10, 4, SEG_WRITE, &lin)); /* types don't count */
    rig_free(r);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_enter_and_leave,
                                  test_paging_stays_on_in_64bit_code,
                                  test_pcid,
                                  test_interrupt_same_level,
                                  test_fault_from_user,
                                  test_ist,
                                  test_idt_limit,
                                  test_iret_with_nt,
                                  test_syscall,
                                  test_sysret,
                                  test_compatibility_calls,
                                  test_call_gate,
                                  test_system_descriptors,
                                  test_segments};
    Suite *s = suite_create("cpu_long");
    TCase *tc = tcase_create("all");
    SRunner *sr;
    int failed;

    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
        tcase_add_test(tc, tests[i]);
    tcase_add_loop_test(tc, test_invpcid, 0, ARRAY_SIZE(invpcid_rows));
    tcase_add_loop_test(tc, test_bad_gate, 0, ARRAY_SIZE(gate_rows));
    tcase_add_loop_test(tc, test_iretq, 0, ARRAY_SIZE(iret_rows));
    tcase_add_loop_test(tc, test_far_jmp, 0, ARRAY_SIZE(far_rows));
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
