/* Segment loads, limits, far transfers, LAR/LSL/VERR/VERW, I/O permission. */
#include "cpu_rig.h"

enum { OK = -1 };

static const struct load_row {
    const char *what;
    unsigned cpl, seg;
    uint16_t sel;
    int vector; /* OK: succeeds */
    uint32_t err;
} load_rows[] = {
    {"null DS", 0, SEG_DS, 3, OK, 0},
    {"data", 0, SEG_DS, K_DATA, OK, 0},
    {"readable code", 0, SEG_ES, K_CODE, OK, 0},
    {"execute-only", 0, SEG_ES, EXEC_ONLY, VEC_GP, EXEC_ONLY},
    {"read-only", 0, SEG_FS, READ_ONLY, OK, 0},
    {"system", 0, SEG_FS, S_TSS_A, VEC_GP, S_TSS_A},
    {"beyond the GDT", 0, SEG_GS, GDT_BYTES, VEC_GP, GDT_BYTES},
    {"no LDT", 0, SEG_GS, 4, VEC_GP, 4},
    {"absent data", 0, SEG_GS, NP_DATA, VEC_NP, NP_DATA},
    {"user takes kernel data", 3, SEG_DS, K_DATA, VEC_GP, K_DATA},
    {"RPL above DPL", 0, SEG_DS, K_DATA | 3, VEC_GP, K_DATA},
    {"conforming from user", 3, SEG_DS, CONFORMING | 3, OK, 0},
    {"null SS", 0, SEG_SS, 0, VEC_GP, 0},
    {"SS", 0, SEG_SS, K_DATA, OK, 0},
    {"SS RPL", 0, SEG_SS, K_DATA | 3, VEC_GP, K_DATA},
    {"SS DPL", 0, SEG_SS, U_DATA & ~3, VEC_GP, U_DATA & ~3},
    {"SS read-only", 0, SEG_SS, READ_ONLY, VEC_GP, READ_ONLY},
    {"SS code", 0, SEG_SS, K_CODE, VEC_GP, K_CODE},
    {"SS absent", 0, SEG_SS, NP_DATA, VEC_SS, NP_DATA},
    {"SS user", 3, SEG_SS, U_DATA, OK, 0},
    {"SS absent, user", 3, SEG_SS, NP_U_DATA, VEC_SS, NP_U_DATA & ~3},
};

START_TEST(test_load)
{
    const struct load_row *row = &load_rows[_i];
    struct rig *r = rig_new(row->cpl);
    uint16_t before = r->c.seg[row->seg].sel;
    bool ok = cpu_load_seg(&r->c, row->seg, row->sel);

    ck_assert_msg(ok == (row->vector == OK), "%s", row->what);
    ck_assert_uint_eq(r->c.seg[row->seg].sel, ok ? row->sel : before);
    if (!ok)
        rig_expect_fault(r, (unsigned)row->vector, row->err, row->what);
    else if (row->sel & ~3)
        ck_assert_msg(r->ram[RIG_GDT + (row->sel & ~7) + 5] & 1, "%s: accessed bit", row->what);
    rig_free(r);
}
END_TEST

START_TEST(test_load_from_ldt)
{
    struct rig *r = rig_new(0);

    ck_assert(!cpu_lldt(&r->c, S_TSS_A));
    rig_expect_fault(r, VEC_GP, S_TSS_A, "LLDT of a TSS");
    ck_assert(!cpu_lldt(&r->c, 4));
    rig_expect_fault(r, VEC_GP, 4, "LLDT in the LDT");
    ck_assert(cpu_lldt(&r->c, S_LDT));
    ck_assert(cpu_load_seg(&r->c, SEG_FS, 4 | 3));
    ck_assert(!cpu_load_seg(&r->c, SEG_FS, 0x24));
    rig_expect_fault(r, VEC_GP, 0x24, "beyond the LDT");
    ck_assert(cpu_lldt(&r->c, 0));
    ck_assert(!cpu_load_seg(&r->c, SEG_FS, 4));
    rig_free(r);
}
END_TEST

START_TEST(test_ltr)
{
    struct rig *r = rig_new(0);

    ck_assert(!cpu_ltr(&r->c, 0));
    rig_expect_fault(r, VEC_GP, 0, "null");
    ck_assert(!cpu_ltr(&r->c, S_TSS_A));
    rig_expect_fault(r, VEC_GP, S_TSS_A, "busy");
    ck_assert(cpu_ltr(&r->c, S_TSS_B));
    ck_assert_uint_eq(r->ram[RIG_GDT + S_TSS_B + 5], 0x8b);
    ck_assert_uint_eq(r->c.seg[SEG_TR].base, RIG_TSS_B);
    rig_free(r);
}
END_TEST

START_TEST(test_load_page_fault)
{
    struct rig *r = rig_new(0);

    r->absent[RIG_GDT >> 12] = 1;
    ck_assert(!cpu_load_seg(&r->c, SEG_DS, K_DATA));
    ck_assert_uint_eq(r->c.fault.vector, VEC_PF);
    ck_assert_uint_eq(r->c.fault.cr2, RIG_GDT + K_DATA);
    rig_free(r);
}
END_TEST

static const struct limit_row {
    const char *what;
    uint16_t sel;
    uint32_t off, len;
    unsigned access;
    int vector;
} limit_rows[] = {
    {"flat end", K_DATA, 0xffffffff, 1, SEG_READ, OK},
    {"flat over the end", K_DATA, 0xfffffffe, 4, SEG_READ, VEC_GP},
    {"inside", SMALL_STACK, 0xfc, 4, SEG_WRITE, OK},
    {"straddles the limit", SMALL_STACK, 0xfd, 4, SEG_READ, VEC_GP},
    {"write read-only", READ_ONLY, 0, 1, SEG_WRITE, VEC_GP},
    {"read read-only", READ_ONLY, 0, 1, SEG_READ, OK},
    {"write code", K_CODE, 0, 1, SEG_WRITE, VEC_GP},
    {"read code", K_CODE, 0, 1, SEG_READ, OK},
    {"null", 0, 0, 1, SEG_READ, VEC_GP},
    {"expand-down, low end", EXPAND_DOWN, 0xfff, 1, SEG_READ, VEC_GP},
    {"expand-down, first byte", EXPAND_DOWN, 0x1000, 4, SEG_WRITE, OK},
    {"expand-down, top", EXPAND_DOWN, 0xfffffffc, 4, SEG_WRITE, OK},
    {"expand-down, wraps", EXPAND_DOWN, 0xfffffffd, 4, SEG_WRITE, VEC_GP},
    {"expand-down 16, top", EXPAND_DOWN16, 0xfffc, 4, SEG_READ, OK},
    {"expand-down 16, above", EXPAND_DOWN16, 0xfffd, 4, SEG_READ, VEC_GP},
};

START_TEST(test_limit)
{
    const struct limit_row *row = &limit_rows[_i];
    struct rig *r = rig_new(0);
    gva_t lin;

    ck_assert(cpu_load_seg(&r->c, SEG_DS, row->sel));
    ck_assert_msg(cpu_linear(&r->c, SEG_DS, row->off, row->len, row->access, &lin) ==
                      (row->vector == OK),
                  "%s", row->what);
    if (row->vector != OK)
        rig_expect_fault(r, (unsigned)row->vector, 0, row->what);
    else
        ck_assert_uint_eq(lin, row->off + (row->sel == SMALL_STACK ? 0x50000 : 0));
    rig_free(r);
}
END_TEST

START_TEST(test_stack_limit)
{
    struct rig *r = rig_new(0);
    uint64_t v;

    ck_assert(cpu_load_seg(&r->c, SEG_SS, SMALL_STACK));
    r->c.gpr[RSP] = 0x102;
    ck_assert(!cpu_push(&r->c, 1, 4));
    rig_expect_fault(r, VEC_SS, 0, "push");
    ck_assert_uint_eq(r->c.gpr[RSP], 0x102);
    r->c.gpr[RSP] = 0x100;
    ck_assert(cpu_push(&r->c, 0x11223344, 4));
    ck_assert_uint_eq(ld32(r->ram + 0x500fc), 0x11223344);
    ck_assert(cpu_pop(&r->c, &v, 2));
    ck_assert_uint_eq(v, 0x3344);
    ck_assert_uint_eq(r->c.gpr[RSP], 0xfe);
    rig_free(r);
}
END_TEST

START_TEST(test_16bit_stack)
{
    struct rig *r = rig_new(3);

    ck_assert(cpu_load_seg(&r->c, SEG_SS, U_DATA16));
    r->c.gpr[RSP] = 0x12340002;
    ck_assert(cpu_push(&r->c, 0xabcd, 2));
    ck_assert(cpu_push(&r->c, 0x1234, 2));
    ck_assert_uint_eq(r->c.gpr[RSP], 0x1234fffe);
    ck_assert_uint_eq(ld16(r->ram + 0xfffe), 0x1234);
    rig_free(r);
}
END_TEST

START_TEST(test_real_mode)
{
    struct rig *r = rig_new(0);
    gva_t lin;

    /* Unreal mode: the 4 GiB limit survives the return to real mode and a reload. */
    r->c.cr0 = CR0_ET;
    cpu_update_mode(&r->c);
    ck_assert(cpu_load_seg(&r->c, SEG_DS, 0x1234));
    ck_assert(cpu_linear(&r->c, SEG_DS, 0x10000, 4, SEG_WRITE, &lin));
    ck_assert_uint_eq(lin, 0x22340);
    cpu_reset(&r->c);
    ck_assert(!cpu_linear(&r->c, SEG_DS, 0xffff, 2, SEG_WRITE, &lin));
    ck_assert_uint_eq(r->c.fault.vector, VEC_GP);
    ck_assert(cpu_linear(&r->c, SEG_CS, 0xfff0, 1, SEG_WRITE, &lin));
    ck_assert_uint_eq(lin, 0xfffffff0);
    rig_free(r);
}
END_TEST

static const struct far_row {
    const char *what;
    bool call;
    unsigned cpl;
    uint16_t sel;
    uint32_t off;
    int vector;
    uint32_t err;
    uint32_t eip;
} far_rows[] = {
    {"jmp", false, 0, K_CODE, 0x5000, OK, 0, 0x5000},
    {"jmp null", false, 0, 0, 0, VEC_GP, 0, 0},
    {"jmp data", false, 0, K_DATA, 0, VEC_GP, K_DATA, 0},
    {"jmp outside", false, 0, GDT_BYTES, 0, VEC_GP, GDT_BYTES, 0},
    {"jmp RPL", false, 0, K_CODE | 3, 0, VEC_GP, K_CODE, 0},
    {"jmp outer", false, 0, U_CODE, 0, VEC_GP, U_CODE & ~3, 0},
    {"jmp inner", false, 3, K_CODE, 0, VEC_GP, K_CODE, 0},
    {"jmp conforming from user", false, 3, CONFORMING, 0x5000, OK, 0, 0x5000},
    {"jmp absent", false, 0, NP_CODE, 0, VEC_NP, NP_CODE, 0},
    {"jmp limit", false, 0, SMALL_CODE, 0x100, VEC_GP, 0, 0},
    {"jmp gate", false, 0, GATE32, 0, OK, 0, 0x12345},
    {"jmp gate from user", false, 3, GATE32, 0, VEC_GP, K_CODE, 0},
    {"jmp gate DPL", false, 3, GATE_DPL0, 0, VEC_GP, GATE_DPL0, 0},
    {"jmp gate absent", false, 3, NP_GATE, 0, VEC_NP, NP_GATE, 0},
    {"jmp busy TSS", false, 0, S_TSS_A, 0, VEC_GP, S_TSS_A, 0},
    {"jmp TSS from user", false, 3, S_TSS_B, 0, VEC_GP, S_TSS_B, 0},
    {"jmp LDT", false, 0, S_LDT, 0, VEC_GP, S_LDT, 0},
    {"call", true, 0, K_CODE, 0x5000, OK, 0, 0x5000},
    {"call user", true, 3, U_CODE, 0x5000, OK, 0, 0x5000},
    {"call gate, same level", true, 0, GATE32, 0, OK, 0, 0x12345},
    {"call gate16", true, 3, GATE16, 0, OK, 0, 0x5678},
};

START_TEST(test_far)
{
    const struct far_row *row = &far_rows[_i];
    struct rig *r = rig_new(row->cpl);
    uint64_t esp = r->c.gpr[RSP];
    bool ok = row->call ? cpu_far_call(&r->c, row->sel, row->off, 4)
                        : cpu_far_jmp(&r->c, row->sel, row->off, 4);

    ck_assert_msg(ok == (row->vector == OK), "%s", row->what);
    if (ok) {
        ck_assert_uint_eq(r->c.next_rip, row->eip);
        ck_assert_uint_eq(r->c.seg[SEG_CS].sel & 3, r->c.cpl);
    } else {
        rig_expect_fault(r, (unsigned)row->vector, row->err, row->what);
        ck_assert_uint_eq(r->c.gpr[RSP], esp);
    }
    rig_free(r);
}
END_TEST

START_TEST(test_call_gate_parameters)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    st32(r->ram + RIG_STACK3, 0x11111111);
    st32(r->ram + RIG_STACK3 + 4, 0x22222222);
    ck_assert(cpu_far_call(c, GATE32, 0xdeadbeef, 4));
    ck_assert_uint_eq(c->cpl, 0);
    ck_assert_uint_eq(c->seg[SEG_CS].sel, K_CODE);
    ck_assert_uint_eq(c->seg[SEG_SS].sel, K_DATA);
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK0 - 24);
    ck_assert_uint_eq(rig_stack(r, 0), 0x1002);
    ck_assert_uint_eq(rig_stack(r, 1), U_CODE);
    ck_assert_uint_eq(rig_stack(r, 2), 0x11111111);
    ck_assert_uint_eq(rig_stack(r, 3), 0x22222222);
    ck_assert_uint_eq(rig_stack(r, 4), RIG_STACK3);
    ck_assert_uint_eq(rig_stack(r, 5), U_DATA);

    /* RETF 8 takes the parameters off both stacks and drops the inner data segments. */
    ck_assert(cpu_load_seg(c, SEG_DS, K_DATA));
    ck_assert(cpu_far_ret(c, 4, 8));
    ck_assert_uint_eq(c->cpl, 3);
    ck_assert_uint_eq(c->next_rip, 0x1002);
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK3 + 8);
    ck_assert_uint_eq(c->seg[SEG_DS].sel, 0);
    ck_assert(!c->seg[SEG_DS].usable);
    ck_assert(c->seg[SEG_ES].usable);
    rig_free(r);
}
END_TEST

START_TEST(test_call_gate16_frame)
{
    struct rig *r = rig_new(3);

    st16(r->ram + RIG_STACK3, 0x1111);
    st16(r->ram + RIG_STACK3 + 2, 0x2222);
    ck_assert(cpu_far_call(&r->c, GATE16, 0, 4));
    ck_assert_uint_eq(r->c.gpr[RSP], RIG_STACK0 - 12);
    ck_assert_uint_eq(rig_stack(r, 0), (uint32_t)U_CODE << 16 | 0x1002);
    ck_assert_uint_eq(rig_stack(r, 1), 0x22221111);
    rig_free(r);
}
END_TEST

START_TEST(test_call_gate_faults_leave_no_trace)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    r->absent[(RIG_STACK0 - 1) >> 12] = 1;
    ck_assert(!cpu_far_call(c, GATE32, 0, 4));
    ck_assert_uint_eq(c->fault.vector, VEC_PF);
    ck_assert_uint_eq(c->fault.err, PF_W);
    ck_assert_uint_eq(c->cpl, 3);
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK3);

    st16(r->ram + RIG_TSS_A + 8, U_DATA);
    ck_assert(!cpu_far_call(c, GATE32, 0, 4));
    rig_expect_fault(r, VEC_TS, U_DATA & ~3, "SS0 of the wrong level");
    st16(r->ram + RIG_TSS_A + 8, NP_DATA);
    ck_assert(!cpu_far_call(c, GATE32, 0, 4));
    rig_expect_fault(r, VEC_SS, NP_DATA, "SS0 absent");
    st16(r->ram + RIG_TSS_A + 8, SMALL_STACK);
    st32(r->ram + RIG_TSS_A + 4, 8);
    ck_assert(!cpu_far_call(c, GATE32, 0, 4));
    rig_expect_fault(r, VEC_SS, SMALL_STACK, "SS0 too small");
    c->seg[SEG_TR].limit = 8;
    ck_assert(!cpu_far_call(c, GATE32, 0, 4));
    rig_expect_fault(r, VEC_TS, S_TSS_A, "TSS too small");
    rig_free(r);
}
END_TEST

static const struct ret_row {
    const char *what;
    uint32_t ip, cs, ss;
    unsigned vector, err;
} ret_rows[] = {
    {"null CS", 0, 0, U_DATA, VEC_GP, 0},
    {"CS RPL and DPL", 0, K_CODE | 3, U_DATA, VEC_GP, K_CODE},
    {"CS data", 0, K_DATA, U_DATA, VEC_GP, K_DATA},
    {"CS absent", 0, NP_CODE, 0, VEC_NP, NP_CODE},
    {"CS absent, outer", 0, NP_U_CODE, U_DATA, VEC_NP, NP_U_CODE & ~3},
    {"CS limit", 0x100, SMALL_CODE, 0, VEC_GP, 0},
    {"SS null", 0, U_CODE, 0, VEC_GP, 0},
    {"SS DPL", 0, U_CODE, K_DATA | 3, VEC_GP, K_DATA},
    {"SS RPL", 0, U_CODE, U_DATA & ~3, VEC_GP, U_DATA & ~3},
    {"SS absent", 0, U_CODE, NP_U_DATA, VEC_SS, NP_U_DATA & ~3},
};

START_TEST(test_far_ret_faults)
{
    const struct ret_row *row = &ret_rows[_i];
    struct rig *r = rig_new(0);
    uint8_t *sp = r->ram + RIG_STACK0;

    st32(sp, row->ip);
    st32(sp + 4, row->cs);
    st32(sp + 8, RIG_STACK3);
    st32(sp + 12, row->ss);
    ck_assert(!cpu_far_ret(&r->c, 4, 0));
    rig_expect_fault(r, row->vector, row->err, row->what);
    ck_assert_uint_eq(r->c.gpr[RSP], RIG_STACK0);
    ck_assert_uint_eq(r->c.cpl, 0);

    /* IRET checks the same with EFLAGS in between. */
    st32(sp + 8, 2);
    st32(sp + 12, RIG_STACK3);
    st32(sp + 16, row->ss);
    ck_assert(!cpu_iret(&r->c, 4));
    rig_expect_fault(r, row->vector, row->err, row->what);
    rig_free(r);
}
END_TEST

START_TEST(test_far_ret_to_inner)
{
    struct rig *r = rig_new(3);

    st32(r->ram + RIG_STACK3 + 4, K_CODE);
    ck_assert(!cpu_far_ret(&r->c, 4, 0));
    rig_expect_fault(r, VEC_GP, K_CODE, "return to ring 0");
    rig_free(r);
}
END_TEST

START_TEST(test_inspect)
{
    struct rig *r = rig_new(3);
    uint32_t v = 0;
    bool ok;

    ck_assert(cpu_lar(&r->c, U_DATA, &ok, &v));
    ck_assert(ok);
    ck_assert_uint_eq(v & 0xfff0ffff, 0x00c0f200);
    ck_assert(cpu_lar(&r->c, K_DATA, &ok, &v) && !ok);
    ck_assert(cpu_lar(&r->c, CONFORMING, &ok, &v) && ok);
    ck_assert(cpu_lar(&r->c, 0, &ok, &v) && !ok);
    ck_assert(cpu_lar(&r->c, GATE32, &ok, &v) && ok);
    ck_assert(cpu_lsl(&r->c, GATE32, &ok, &v) && !ok);
    ck_assert(cpu_lsl(&r->c, U_DATA, &ok, &v) && ok);
    ck_assert_uint_eq(v, UINT32_MAX);
    ck_assert(cpu_lsl(&r->c, GDT_BYTES, &ok, &v) && !ok);
    ck_assert(cpu_verify(&r->c, U_CODE, false, &ok) && ok);
    ck_assert(cpu_verify(&r->c, U_CODE, true, &ok) && !ok);
    ck_assert(cpu_verify(&r->c, U_DATA, true, &ok) && ok);
    ck_assert(cpu_verify(&r->c, K_DATA, false, &ok) && !ok);
    r->absent[RIG_GDT >> 12] = 1;
    ck_assert(!cpu_lar(&r->c, U_DATA, &ok, &v));
    ck_assert_uint_eq(r->c.fault.vector, VEC_PF);
    rig_free(r);
}
END_TEST

START_TEST(test_io_bitmap)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;
    uint8_t *map = r->ram + RIG_TSS_A + 0x88;

    map[0x60 / 8] = 1 << 3;
    ck_assert(cpu_io_allowed(c, 0x60, 1));
    ck_assert(!cpu_io_allowed(c, 0x60, 4));
    rig_expect_fault(r, VEC_GP, 0, "bit set");
    map[0x68 / 8] = 1;
    ck_assert(cpu_io_allowed(c, 0x66, 2));
    ck_assert(!cpu_io_allowed(c, 0x67, 2));
    c->seg[SEG_TR].limit = 0x88 + 0x10;
    ck_assert(cpu_io_allowed(c, 0x78, 1));
    ck_assert(!cpu_io_allowed(c, 0x80, 1)); /* the second byte read lies outside */
    c->seg[SEG_TR].attr = 0x83;
    ck_assert(!cpu_io_allowed(c, 0x10, 1)); /* a 16-bit TSS has no bitmap */
    cpu_set_rflags(c, EF_IOPL);
    ck_assert(cpu_io_allowed(c, 0x80, 4));
    rig_free(r);
}
END_TEST

START_TEST(test_sysenter)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    ck_assert(!cpu_sysenter(c));
    rig_expect_fault(r, VEC_GP, 0, "no SYSENTER_CS");
    ck_assert(cpu_wrmsr(c, 0x174, K_CODE) && cpu_wrmsr(c, 0x175, RIG_STACK0) &&
              cpu_wrmsr(c, 0x176, 0xabcd));
    c->iflag = 1;
    ck_assert(cpu_sysenter(c));
    ck_assert_uint_eq(c->cpl, 0);
    ck_assert_uint_eq(c->iflag, 0);
    ck_assert_uint_eq(c->next_rip, 0xabcd);
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK0);
    ck_assert_uint_eq(c->seg[SEG_SS].sel, K_DATA);
    ck_assert(c->seg[SEG_SS].flat && c->seg[SEG_CS].flat);
    c->gpr[RCX] = RIG_STACK3;
    c->gpr[RDX] = 0x7777;
    ck_assert(cpu_sysexit(c, 4));
    ck_assert_uint_eq(c->cpl, 3);
    ck_assert_uint_eq(c->seg[SEG_CS].sel, 0x1b);
    ck_assert_uint_eq(c->seg[SEG_SS].sel, 0x23);
    ck_assert_uint_eq(c->next_rip, 0x7777);
    ck_assert(!cpu_sysexit(c, 4));
    rig_free(r);
}
END_TEST

START_TEST(test_syscall)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    ck_assert(!cpu_syscall(c));
    rig_expect_fault(r, VEC_UD, 0, "EFER.SCE clear");
    strcpy(r->model.vendor, "AuthenticAMD");
    model_set(&r->model, FEAT_SYSCALL, true);
    ck_assert(cpu_wrmsr(c, 0xc0000080, EFER_SCE));
    ck_assert(cpu_wrmsr(c, 0xc0000081, UINT64_C(0x001b000800004321)));
    c->iflag = 1;
    ck_assert(cpu_syscall(c));
    ck_assert_uint_eq(c->next_rip, 0x4321);
    ck_assert_uint_eq(c->gpr[RCX], 0x1002);
    ck_assert_uint_eq(c->cpl, 0);
    ck_assert_uint_eq(c->iflag, 0);
    ck_assert(cpu_sysret(c, 4));
    ck_assert_uint_eq(c->seg[SEG_CS].sel, 0x1b);
    ck_assert_uint_eq(c->seg[SEG_SS].sel, 0x23);
    ck_assert_uint_eq(c->iflag, 1);
    strcpy(r->model.vendor, "GenuineIntel");
    ck_assert(!cpu_syscall(c));
    rig_expect_fault(r, VEC_UD, 0, "Intel: not in 64-bit mode");
    rig_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cpu_segment");
    TCase *tc = tcase_create("all");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, test_load, 0, ARRAY_SIZE(load_rows));
    tcase_add_loop_test(tc, test_limit, 0, ARRAY_SIZE(limit_rows));
    tcase_add_loop_test(tc, test_far, 0, ARRAY_SIZE(far_rows));
    tcase_add_loop_test(tc, test_far_ret_faults, 0, ARRAY_SIZE(ret_rows));
    tcase_add_test(tc, test_load_from_ldt);
    tcase_add_test(tc, test_ltr);
    tcase_add_test(tc, test_load_page_fault);
    tcase_add_test(tc, test_stack_limit);
    tcase_add_test(tc, test_16bit_stack);
    tcase_add_test(tc, test_real_mode);
    tcase_add_test(tc, test_call_gate_parameters);
    tcase_add_test(tc, test_call_gate16_frame);
    tcase_add_test(tc, test_call_gate_faults_leave_no_trace);
    tcase_add_test(tc, test_far_ret_to_inner);
    tcase_add_test(tc, test_inspect);
    tcase_add_test(tc, test_io_bitmap);
    tcase_add_test(tc, test_sysenter);
    tcase_add_test(tc, test_syscall);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
