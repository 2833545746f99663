/* Exceptions, interrupts, INT n, IRET, V86 mode, task switches, double and triple faults. */
#include "cpu_rig.h"

static void step_int(struct rig *r, uint8_t vector, bool int_n)
{
    if (cpu_int_soft(&r->c, vector, int_n))
        r->c.rip = r->c.next_rip;
    else
        cpu_deliver(&r->c);
}

START_TEST(test_fault_same_level)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;

    cpu_set_rflags(c, EF_IF | EF_TF | EF_NT | EF_ZF);
    cpu_raise(c, VEC_GP, 0x1230);
    cpu_deliver(c);
    ck_assert_uint_eq(c->rip, RIG_HANDLER + VEC_GP * 16);
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK0 - 16);
    ck_assert_uint_eq(rig_stack(r, 0), 0x1230);
    ck_assert_uint_eq(rig_stack(r, 1), 0x1000);
    ck_assert_uint_eq(rig_stack(r, 2), K_CODE);
    ck_assert_uint_eq(rig_stack(r, 3), EF_IF | EF_TF | EF_NT | EF_ZF | EF_R1 | EF_RF);
    ck_assert_uint_eq(cpu_rflags(c), EF_ZF | EF_R1);
    rig_free(r);
}
END_TEST

START_TEST(test_fault_from_user)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    cpu_set_rflags(c, EF_IF);
    cpu_raise_pf(c, 0xbadf00d, PF_U | PF_W);
    cpu_deliver(c);
    ck_assert_uint_eq(c->cr2, 0xbadf00d);
    ck_assert_uint_eq(c->cpl, 0);
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK0 - 24);
    ck_assert_uint_eq(rig_stack(r, 0), PF_U | PF_W);
    ck_assert_uint_eq(rig_stack(r, 2), U_CODE);
    ck_assert_uint_eq(rig_stack(r, 4), RIG_STACK3);
    ck_assert_uint_eq(rig_stack(r, 5), U_DATA);
    ck_assert_uint_eq(c->seg[SEG_DS].sel, U_DATA); /* data segments stay */

    /* And back, dropping the error code. */
    c->gpr[RSP] += 4;
    c->nmi_blocked = 1;
    ck_assert(cpu_iret(c, 4));
    ck_assert_uint_eq(c->cpl, 3);
    ck_assert_uint_eq(c->next_rip, 0x1000);
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK3);
    ck_assert_uint_eq(cpu_rflags(c), EF_IF | EF_R1 | EF_RF);
    ck_assert_uint_eq(c->nmi_blocked, 0);
    rig_free(r);
}
END_TEST

START_TEST(test_interrupt)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    cpu_set_rflags(c, EF_IF);
    c->halted = 1;
    cpu_interrupt(c, 0x30);
    ck_assert_uint_eq(c->rip, RIG_HANDLER + 0x300);
    ck_assert_uint_eq(c->halted, 0);
    ck_assert_uint_eq(c->iflag, 0);
    ck_assert_uint_eq(rig_stack(r, 0), 0x1000);
    ck_assert_uint_eq(rig_stack(r, 2), EF_IF | EF_R1); /* RF clear */
    cpu_interrupt(c, VEC_NMI);
    ck_assert_uint_eq(c->nmi_blocked, 1);
    rig_free(r);
}
END_TEST

START_TEST(test_trap_gate_keeps_if)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    rig_idt(r, 0x80, K_CODE, 0x7000, 0xef);
    cpu_set_rflags(c, EF_IF);
    step_int(r, 0x80, true);
    ck_assert_uint_eq(c->rip, 0x7000);
    ck_assert_uint_eq(c->iflag, 1);
    ck_assert_uint_eq(rig_stack(r, 0), 0x1002);
    rig_free(r);
}
END_TEST

START_TEST(test_gate16)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    rig_idt(r, VEC_GP, K_CODE, 0xffff7000, 0x86);
    cpu_raise(c, VEC_GP, 0x1238);
    cpu_deliver(c);
    ck_assert_uint_eq(c->rip, 0x7000);
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK0 - 12);
    ck_assert_uint_eq(rig_stack(r, 0), 0x10001238);
    ck_assert_uint_eq(rig_stack(r, 2), (uint32_t)U_DATA << 16 | (RIG_STACK3 & 0xffff));
    rig_free(r);
}
END_TEST

START_TEST(test_conforming_handler)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    rig_idt(r, VEC_UD, CONFORMING, 0x7000, 0x8e);
    cpu_raise(c, VEC_UD, 0);
    cpu_deliver(c);
    ck_assert_uint_eq(c->cpl, 3);
    ck_assert_uint_eq(c->seg[SEG_CS].sel, CONFORMING | 3);
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK3 - 12);
    rig_free(r);
}
END_TEST

/* Gate and target errors: what the second exception's error code is. Raised by INT 50h from ring 3
 * and by an external interrupt. */
static const struct gate_row {
    const char *what;
    uint16_t sel;
    uint8_t access;
    unsigned soft_vector, soft_err, ext_vector, ext_err;
} gate_rows[] = {
    {"DPL", K_CODE, 0x8e, VEC_GP, 0x282, 0x50, 0},
    {"absent", K_CODE, 0x6e, VEC_NP, 0x282, VEC_NP, 0x283},
    {"not a gate", K_CODE, 0xe2, VEC_GP, 0x282, VEC_GP, 0x283},
    {"call gate", K_CODE, 0xec, VEC_GP, 0x282, VEC_GP, 0x283},
    {"code segment", K_CODE, 0xfa, VEC_GP, 0x282, VEC_GP, 0x283},
    {"null target", 0, 0xee, VEC_GP, 0, VEC_GP, 1},
    {"target data", K_DATA, 0xee, VEC_GP, K_DATA, VEC_GP, K_DATA + 1},
    {"target absent", NP_CODE, 0xee, VEC_NP, NP_CODE, VEC_NP, NP_CODE + 1},
    {"target outside", GDT_BYTES, 0xee, VEC_GP, GDT_BYTES, VEC_GP, GDT_BYTES + 1},
    {"offset", SMALL_CODE, 0xee, VEC_GP, 0, VEC_GP, 1},
    {"task gate, data", K_DATA, 0xe5, VEC_GP, K_DATA, VEC_GP, K_DATA + 1},
    {"task gate, busy", S_TSS_A, 0xe5, VEC_GP, S_TSS_A, VEC_GP, S_TSS_A + 1},
};

START_TEST(test_bad_gate)
{
    const struct gate_row *row = &gate_rows[_i];
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    rig_idt(r, 0x50, row->sel, 0x7000, row->access);
    ck_assert(!cpu_int_soft(c, 0x50, true));
    rig_expect_fault(r, row->soft_vector, row->soft_err, row->what);
    ck_assert_uint_eq(c->cpl, 3);
    cpu_interrupt(c, 0x50);
    if (row->ext_vector == 0x50) {
        ck_assert_uint_eq(c->rip, 0x7000);
    } else {
        ck_assert_msg(c->rip == RIG_HANDLER + row->ext_vector * 16, "%s", row->what);
        ck_assert_msg(rig_stack(r, 0) == row->ext_err, "%s: %x", row->what, rig_stack(r, 0));
    }
    rig_free(r);
}
END_TEST

START_TEST(test_idt_limit)
{
    struct rig *r = rig_new(0);

    r->c.idtr.limit = 0x7f * 8 + 6;
    ck_assert(!cpu_int_soft(&r->c, 0x7f, true));
    rig_expect_fault(r, VEC_GP, 0x7f * 8 + 2, "IDT limit");
    rig_free(r);
}
END_TEST

START_TEST(test_int1_ignores_dpl)
{
    struct rig *r = rig_new(3);

    r->c.debug_trap = 1;
    r->c.pending_dr6 = 1 << 14;
    step_int(r, VEC_DB, false);
    ck_assert_uint_eq(r->c.rip, RIG_HANDLER + 16);
    ck_assert_uint_eq(rig_stack(r, 0), 0x1002);
    ck_assert(cpu_debug_traps(&r->c)); /* INT n is not single-stepped */
    rig_free(r);
}
END_TEST

/* First exception raised, gates of `absent` vectors not present: which handler is entered. */
static const struct df_row {
    const char *what;
    uint8_t first, absent[3];
    unsigned handler; /* 0: shutdown */
} df_rows[] = {
    {"contributory on contributory", VEC_GP, {VEC_GP}, VEC_DF},
    {"contributory on page fault", VEC_PF, {VEC_PF}, VEC_DF},
    {"contributory on benign", VEC_UD, {VEC_UD}, VEC_NP},
    {"#DE", VEC_DE, {VEC_DE}, VEC_DF},
    {"triple", VEC_GP, {VEC_GP, VEC_DF}, 0},
    {"benign, contributory, double", VEC_UD, {VEC_UD, VEC_NP}, VEC_DF},
    {"all the way", VEC_UD, {VEC_UD, VEC_NP, VEC_DF}, 0},
};

START_TEST(test_double_fault)
{
    const struct df_row *row = &df_rows[_i];
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;

    for (unsigned i = 0; i < 3; i++)
        if (row->absent[i] || i == 0)
            rig_idt(r, row->absent[i], K_CODE, 0x7000, 0x0e);
    cpu_raise(c, (enum vector)row->first, 0);
    cpu_deliver(c);
    ck_assert_msg(c->shutdown == !row->handler, "%s", row->what);
    if (row->handler) {
        ck_assert_msg(c->rip == RIG_HANDLER + row->handler * 16, "%s: %lx", row->what, c->rip);
        if (row->handler == VEC_DF)
            ck_assert_uint_eq(rig_stack(r, 0), 0);
    } else {
        ck_assert_uint_eq(c->nchain, 3);
        ck_assert_uint_eq(c->chain[2].vector, VEC_NP);
        ck_assert_uint_eq(c->chain[2].err, VEC_DF * 8 + 3);
        ck_assert_uint_eq(c->rip, 0x1000);
    }
    rig_free(r);
}
END_TEST

START_TEST(test_page_fault_on_stack)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    /* #GP, whose frame page-faults: serial, and the #PF's frame does too: double, triple. */
    r->absent[(RIG_STACK0 - 1) >> 12] = 1;
    cpu_raise(c, VEC_GP, 0);
    cpu_deliver(c);
    ck_assert(c->shutdown);
    ck_assert_uint_eq(c->cr2, RIG_STACK0 - 4);
    ck_assert_uint_eq(c->cpl, 3);
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK3);
    rig_free(r);
}
END_TEST

START_TEST(test_debug_exceptions)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;

    ck_assert(cpu_debug_traps(c));
    cpu_set_rflags(c, EF_TF);
    ck_assert(cpu_debug_traps(c)); /* TF set by this very instruction */
    c->debug_trap = 1;
    c->pending_dr6 = 1 << 14;
    c->rip = 0x1002;
    c->dr[7] |= 1 << 13;
    ck_assert(!cpu_debug_traps(c));
    cpu_deliver(c);
    ck_assert_uint_eq(c->rip, RIG_HANDLER + 16);
    ck_assert_uint_eq(c->dr[6], 0xffff4ff0);
    ck_assert_uint_eq(c->dr[7] & 1 << 13, 0);
    ck_assert_uint_eq(rig_stack(r, 0), 0x1002);
    ck_assert_uint_eq(rig_stack(r, 2), EF_TF | EF_R1);

    /* MOV SS holds the trap back; it is not lost. */
    c->debug_trap = 1;
    c->pending_dr6 = 2;
    c->intr_shadow = INTR_SHADOW_SS;
    ck_assert(cpu_debug_traps(c));
    c->intr_shadow = 0;
    ck_assert(!cpu_debug_traps(c));
    ck_assert_uint_eq(c->fault.dr6, 2);
    ck_assert_uint_eq(c->debug_trap, 0);
    rig_free(r);
}
END_TEST

START_TEST(test_real_mode)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;

    cpu_reset(c);
    c->seg[SEG_SS].base = 0x20000;
    c->gpr[RSP] = 2; /* the frame wraps */
    c->idtr.limit = 0x3ff;
    st32(r->ram + 0x21 * 4, 0x12345678);
    c->rip = 0x100;
    c->next_rip = 0x102;
    cpu_set_rflags(c, EF_IF | EF_TF);
    step_int(r, 0x21, true);
    ck_assert_uint_eq(c->rip, 0x5678);
    ck_assert_uint_eq(c->seg[SEG_CS].base, 0x12340);
    ck_assert_uint_eq(c->gpr[RSP], 0xfffc);
    ck_assert_uint_eq(ld16(r->ram + 0x20000), EF_IF | EF_TF | EF_R1);
    ck_assert_uint_eq(ld16(r->ram + 0x2fffe), 0xf000);
    ck_assert_uint_eq(ld16(r->ram + 0x2fffc), 0x102);
    ck_assert_uint_eq(cpu_rflags(c), EF_R1);
    ck_assert(cpu_iret(c, 2));
    ck_assert_uint_eq(c->next_rip, 0x102);
    ck_assert_uint_eq(c->gpr[RSP], 2);
    ck_assert_uint_eq(cpu_rflags(c), EF_IF | EF_TF | EF_R1);

    /* Faults push no error code; an IVT too short for #GP and #DF ends in shutdown. */
    c->gpr[RSP] = 0x100;
    cpu_raise(c, VEC_GP, 0x1234);
    cpu_deliver(c);
    ck_assert_uint_eq(c->gpr[RSP], 0x100 - 6);
    c->idtr.limit = 3;
    cpu_raise(c, VEC_UD, 0);
    cpu_deliver(c);
    ck_assert(c->shutdown);
    rig_free(r);
}
END_TEST

static const struct flag_row {
    const char *what;
    unsigned cpl, iopl, opsize;
    uint32_t before, image, after;
} flag_rows[] = {
    {"ring 0", 0, 0, 4, 0, EF_IF | EF_IOPL | EF_AC | EF_ID | EF_CF,
     EF_IF | EF_IOPL | EF_AC | EF_ID | EF_CF},
    {"ring 0, 16-bit keeps the top", 0, 0, 2, EF_AC, EF_IF | EF_IOPL, EF_AC | EF_IF | EF_IOPL},
    {"ring 3, IOPL 0", 3, 0, 4, EF_IF, EF_IOPL | EF_CF | EF_VIF, EF_IF | EF_CF},
    {"ring 3, IOPL 3", 3, 3, 4, EF_IF | EF_IOPL, EF_CF, EF_IOPL | EF_CF},
    {"VM is ignored above ring 0", 3, 0, 4, 0, EF_VM, 0},
};

START_TEST(test_iret_flags)
{
    const struct flag_row *row = &flag_rows[_i];
    struct rig *r = rig_new(row->cpl);
    struct cpu *c = &r->c;
    uint8_t *sp = r->ram + c->gpr[RSP];
    uint16_t cs = row->cpl ? U_CODE : K_CODE;

    cpu_set_rflags(c, row->before);
    if (row->opsize == 4) {
        st32(sp, 0x2222);
        st32(sp + 4, cs);
        st32(sp + 8, row->image);
    } else {
        st16(sp, 0x2222);
        st16(sp + 2, cs);
        st16(sp + 4, (uint16_t)row->image);
    }
    ck_assert(cpu_iret(c, row->opsize));
    ck_assert_uint_eq(c->next_rip, 0x2222);
    ck_assert_msg(cpu_rflags(c) == (row->after | EF_R1), "%s: %x", row->what, cpu_rflags(c));
    rig_free(r);
}
END_TEST

START_TEST(test_iret_to_16bit_stack)
{
    struct rig *r = rig_new(0);
    uint8_t *sp = r->ram + RIG_STACK0;

    st32(sp + 4, U_CODE);
    st32(sp + 8, EF_IF);
    st32(sp + 12, 0xabcd1234);
    st32(sp + 16, U_DATA16);
    ck_assert(cpu_iret(&r->c, 4));
    /* The upper half leaks from the kernel's ESP: what espfix is for. */
    ck_assert_uint_eq(r->c.gpr[RSP], (RIG_STACK0 & 0xffff0000) | 0x1234);
    rig_free(r);
}
END_TEST

START_TEST(test_vm86_round_trip)
{
    struct rig *r = rig_new_vm86(3);
    struct cpu *c = &r->c;

    cpu_raise(c, VEC_GP, 0);
    cpu_deliver(c);
    ck_assert_uint_eq(c->cpl, 0);
    ck_assert(!cpu_vm86(c));
    ck_assert_uint_eq(c->gpr[RSP], RIG_STACK0 - 40);
    ck_assert_uint_eq(rig_stack(r, 1), 0x10);
    ck_assert_uint_eq(rig_stack(r, 2), 0x1000);
    ck_assert(rig_stack(r, 3) & EF_VM);
    ck_assert_uint_eq(rig_stack(r, 4), 0x100);
    ck_assert_uint_eq(rig_stack(r, 5), 0x2000);
    ck_assert_uint_eq(rig_stack(r, 6), 0x800); /* ES */
    ck_assert_uint_eq(rig_stack(r, 7), 0xb00); /* DS */
    ck_assert_uint_eq(rig_stack(r, 8), 0xc00);
    ck_assert_uint_eq(rig_stack(r, 9), 0xd00);
    ck_assert(!c->seg[SEG_DS].usable);
    c->gpr[RSP] += 4;
    ck_assert(cpu_iret(c, 4));
    ck_assert(cpu_vm86(c));
    ck_assert_uint_eq(c->cpl, 3);
    ck_assert_uint_eq(c->seg[SEG_DS].base, 0xb000);
    ck_assert_uint_eq(c->seg[SEG_SS].base, 0x20000);
    ck_assert_uint_eq(c->gpr[RSP], 0x100);
    ck_assert_uint_eq(c->next_rip, 0x10);
    ck_assert_uint_eq(c->seg[SEG_CS].limit, 0xffff);
    rig_free(r);
}
END_TEST

START_TEST(test_vm86_target_must_be_ring0)
{
    struct rig *r = rig_new_vm86(3);

    rig_idt(r, 0x50, R1_CODE, 0x7000, 0xee);
    ck_assert(!cpu_int_soft(&r->c, 0x50, true));
    rig_expect_fault(r, VEC_GP, R1_CODE & ~3, "ring 1 handler");
    rig_idt(r, 0x50, CONFORMING, 0x7000, 0xee);
    ck_assert(!cpu_int_soft(&r->c, 0x50, true));
    rig_expect_fault(r, VEC_GP, CONFORMING, "conforming handler");
    rig_free(r);
}
END_TEST

START_TEST(test_vm86_iopl)
{
    struct rig *r = rig_new_vm86(0);
    struct cpu *c = &r->c;

    ck_assert(!cpu_int_soft(c, 0x80, true));
    rig_expect_fault(r, VEC_GP, 0, "INT n with IOPL 0");
    ck_assert(!cpu_iret(c, 2));
    rig_expect_fault(r, VEC_GP, 0, "IRET with IOPL 0");
    ck_assert(cpu_int_soft(c, VEC_BP, false)); /* INT3 doesn't care */
    ck_assert_uint_eq(c->cpl, 0);
    rig_free(r);
}
END_TEST

START_TEST(test_vme_redirection)
{
    struct rig *r = rig_new_vm86(0);
    struct cpu *c = &r->c;

    c->cr4 |= CR4_VME;
    c->rflags |= EF_VIF;
    st32(r->ram + 0x21 * 4, 0x12345678);
    r->ram[RIG_TSS_A + 0x68 + 0x22 / 8] = 1 << (0x22 & 7);
    step_int(r, 0x21, true);
    ck_assert(cpu_vm86(c));
    ck_assert_uint_eq(c->rip, 0x5678);
    ck_assert_uint_eq(c->seg[SEG_CS].sel, 0x1234);
    ck_assert_uint_eq(c->rflags & EF_VIF, 0);
    ck_assert_uint_eq(c->iflag, 1);
    ck_assert_uint_eq(ld16(r->ram + 0x200fe), EF_IF | EF_IOPL | EF_R1);
    ck_assert(!cpu_int_soft(c, 0x22, true));
    rig_expect_fault(r, VEC_GP, 0, "bit set, IOPL 0");

    /* IRET brings VIF back; a pending virtual interrupt makes it fault. */
    c->rflags |= EF_VIP;
    ck_assert(!cpu_iret(c, 2));
    rig_expect_fault(r, VEC_GP, 0, "VIP");
    c->rflags &= ~(uint32_t)EF_VIP;
    ck_assert(cpu_iret(c, 2));
    ck_assert(c->rflags & EF_VIF);
    ck_assert_uint_eq(cpu_iopl(c), 0);
    ck_assert_uint_eq(c->next_rip, 0x12);
    rig_free(r);
}
END_TEST

START_TEST(test_task_call_and_return)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;

    c->gpr[RAX] = 0x12345678;
    cpu_set_rflags(c, EF_IF);
    ck_assert(cpu_far_call(c, S_TSS_B, 0, 4));
    ck_assert_uint_eq(c->next_rip, 0x4567);
    ck_assert_uint_eq(c->gpr[RAX], 0x1000);
    ck_assert_uint_eq(c->gpr[RDI], 0x8000);
    ck_assert_uint_eq(cpu_rflags(c), EF_IF | EF_NT | EF_R1);
    ck_assert(c->cr0 & CR0_TS);
    ck_assert_uint_eq(r->cr3_written, 0); /* paging is off */
    ck_assert_uint_eq(ld16(r->ram + RIG_TSS_B), S_TSS_A);
    ck_assert_uint_eq(ld32(r->ram + RIG_TSS_A + 0x20), 0x1002);
    ck_assert_uint_eq(ld32(r->ram + RIG_TSS_A + 0x28), 0x12345678);
    ck_assert_uint_eq(ld16(r->ram + RIG_TSS_A + 0x4c), K_CODE);
    ck_assert_uint_eq(r->ram[RIG_GDT + S_TSS_A + 5], 0x8b);
    ck_assert_uint_eq(r->ram[RIG_GDT + S_TSS_B + 5], 0x8b);

    c->next_rip = 0x4569;
    ck_assert(cpu_iret(c, 4));
    ck_assert_uint_eq(c->seg[SEG_TR].sel, S_TSS_A);
    ck_assert_uint_eq(c->next_rip, 0x1002);
    ck_assert_uint_eq(c->gpr[RAX], 0x12345678);
    ck_assert_uint_eq(cpu_rflags(c), EF_IF | EF_R1);
    ck_assert_uint_eq(r->ram[RIG_GDT + S_TSS_B + 5], 0x89);
    ck_assert_uint_eq(ld32(r->ram + RIG_TSS_B + 0x20), 0x4569);
    ck_assert_uint_eq(ld32(r->ram + RIG_TSS_B + 0x24) & EF_NT, 0);
    rig_free(r);
}
END_TEST

START_TEST(test_task_jmp_16)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;

    ck_assert(cpu_far_jmp(c, S_TSS_C, 0, 4));
    ck_assert_uint_eq(c->next_rip, 0x3456);
    ck_assert_uint_eq(c->gpr[RCX] & 0xffff, 0x200);
    ck_assert_uint_eq(c->seg[SEG_FS].sel, 0);
    ck_assert_uint_eq(r->ram[RIG_GDT + S_TSS_A + 5], 0x89);
    ck_assert_uint_eq(r->ram[RIG_GDT + S_TSS_C + 5], 0x83);
    c->next_rip = 0x3458;
    c->gpr[RAX] = 0xbeef;
    ck_assert(cpu_far_jmp(c, S_TSS_B, 0, 4));
    ck_assert_uint_eq(ld16(r->ram + RIG_TSS_C + 0x0e), 0x3458);
    ck_assert_uint_eq(ld16(r->ram + RIG_TSS_C + 0x12), 0xbeef);
    rig_free(r);
}
END_TEST

START_TEST(test_task_gate_exception)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    rig_idt(r, VEC_GP, S_TSS_B, 0, 0x85);
    c->cr0 |= CR0_PG;
    c->cr4 |= CR4_PAE;
    st32(r->ram + RIG_TSS_B + 0x1c, 0x9000);
    r->ram[RIG_TSS_B + 0x64] = 1; /* T */
    rig_idt(r, VEC_DB, K_CODE, 0x7000, 0x8e);
    cpu_raise(c, VEC_GP, 0x1230);
    cpu_deliver(c);
    ck_assert_uint_eq(c->cr3, 0x9000);
    ck_assert_uint_eq(r->cr3_written, 1);
    ck_assert_uint_eq(r->pdpte_loads, 1);
    ck_assert_uint_eq(ld32(r->ram + RIG_TSS_A + 0x20), 0x1000); /* a fault: restarts */
    ck_assert(ld32(r->ram + RIG_TSS_A + 0x24) & EF_RF);
    ck_assert_uint_eq(c->rip, 0x7000); /* #DB before the new task's first instruction */
    ck_assert(c->dr[6] & 1 << 15);
    ck_assert_uint_eq(rig_stack(r, 0), 0x4567);
    ck_assert_uint_eq(rig_stack(r, 3), 0x1230); /* #GP's error code on the new task's stack */
    rig_free(r);
}
END_TEST

START_TEST(test_task_fault_in_new_context)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;

    st16(r->ram + RIG_TSS_B + 0x54, NP_DATA); /* DS */
    ck_assert(!cpu_far_jmp(c, S_TSS_B, 0, 4));
    rig_expect_fault(r, VEC_NP, NP_DATA, "DS absent");
    ck_assert_uint_eq(c->seg[SEG_TR].sel, S_TSS_B);
    cpu_deliver(c);
    ck_assert_uint_eq(rig_stack(r, 1), 0x4567); /* the new task is the one that faulted */
    rig_free(r);
}
END_TEST

START_TEST(test_task_faults_before)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;

    r->absent[RIG_TSS_B >> 12] = 1;
    ck_assert(!cpu_far_jmp(c, S_TSS_B, 0, 4));
    ck_assert_uint_eq(c->fault.vector, VEC_PF);
    ck_assert_uint_eq(c->seg[SEG_TR].sel, S_TSS_A);
    ck_assert_uint_eq(r->ram[RIG_GDT + S_TSS_A + 5], 0x8b);
    r->absent[RIG_TSS_B >> 12] = 0;
    rig_desc(r, RIG_GDT, S_TSS_B, RIG_TSS_B, 0x66, 0x89, 0);
    ck_assert(!cpu_far_jmp(c, S_TSS_B, 0, 4));
    rig_expect_fault(r, VEC_TS, S_TSS_B, "TSS too small");
    c->rflags |= EF_NT;
    st16(r->ram + RIG_TSS_A, S_TSS_C);
    ck_assert(!cpu_iret(c, 4));
    rig_expect_fault(r, VEC_TS, S_TSS_C, "back link to a TSS that is not busy");
    st16(r->ram + RIG_TSS_A, K_DATA);
    ck_assert(!cpu_iret(c, 4));
    rig_expect_fault(r, VEC_TS, K_DATA, "back link to data");
    rig_free(r);
}
END_TEST

START_TEST(test_task_to_vm86)
{
    struct rig *r = rig_new(0);
    struct cpu *c = &r->c;

    st32(r->ram + RIG_TSS_B + 0x24, EF_VM | EF_IF);
    ck_assert(cpu_far_jmp(c, S_TSS_B, 0, 4));
    ck_assert(cpu_vm86(c));
    ck_assert_uint_eq(c->cpl, 3);
    ck_assert_uint_eq(c->seg[SEG_CS].base, K_CODE * 16);
    ck_assert_uint_eq(c->seg[SEG_DS].limit, 0xffff);
    rig_free(r);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_fault_same_level,
                                  test_fault_from_user,
                                  test_interrupt,
                                  test_trap_gate_keeps_if,
                                  test_gate16,
                                  test_conforming_handler,
                                  test_idt_limit,
                                  test_int1_ignores_dpl,
                                  test_page_fault_on_stack,
                                  test_debug_exceptions,
                                  test_real_mode,
                                  test_iret_to_16bit_stack,
                                  test_vm86_round_trip,
                                  test_vm86_target_must_be_ring0,
                                  test_vm86_iopl,
                                  test_vme_redirection,
                                  test_task_call_and_return,
                                  test_task_jmp_16,
                                  test_task_gate_exception,
                                  test_task_fault_in_new_context,
                                  test_task_faults_before,
                                  test_task_to_vm86};
    Suite *s = suite_create("cpu_events");
    TCase *tc = tcase_create("all");
    SRunner *sr;
    int failed;

    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
        tcase_add_test(tc, tests[i]);
    tcase_add_loop_test(tc, test_bad_gate, 0, ARRAY_SIZE(gate_rows));
    tcase_add_loop_test(tc, test_double_fault, 0, ARRAY_SIZE(df_rows));
    tcase_add_loop_test(tc, test_iret_flags, 0, ARRAY_SIZE(flag_rows));
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
