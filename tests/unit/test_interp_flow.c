/* Control flow, stack, faults, flags of privilege: what the host can't be asked from a user
 * process. */
#include "interp_rig.h"

static struct irig q;

static void setup(void)
{
    irig_open(&q);
    irig_tables(&q);
}

static void teardown(void)
{
    irig_close(&q);
}

/* The handler of vector v was entered; returns the saved EIP. */
static uint32_t entered(unsigned v, bool err)
{
    ck_assert_uint_eq(q.c->rip, 0xa000 + v * 16);
    return irig_peek(&q, q.c->gpr[RSP] + (err ? 4 : 0));
}

START_TEST(test_jcc_all)
{
    static const uint32_t flags[] = {
        0,     EF_OF,         EF_CF,         EF_ZF,         EF_SF,
        EF_PF, EF_SF | EF_OF, EF_ZF | EF_CF, EF_SF | EF_ZF, EF_OF | EF_ZF};

    for (unsigned n = 0; n < ARRAY_SIZE(flags); n++) {
        uint32_t f = flags[n];
        bool o = f & EF_OF, b = f & EF_CF, z = f & EF_ZF, s = f & EF_SF, p = f & EF_PF;
        bool base[8] = {o, b, z, b || z, s, p, s != o, z || s != o};

        for (unsigned cc = 0; cc < 16; cc++) {
            CODE(&q, (uint8_t)(0x70 + cc), 0x10);
            cpu_set_rflags(q.c, EF_R1 | f);
            irig_steps(&q, 1);
            ck_assert_uint_eq(q.c->rip, CODE_AT + 2 + (base[cc / 2] != (cc & 1) ? 0x10 : 0));
        }
    }
}
END_TEST

START_TEST(test_call_ret)
{
    CODE(&q, 0xe8, 0x10, 0, 0, 0); /* call +10h */
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, CODE_AT + 0x15);
    ck_assert_uint_eq(irig_peek(&q, STACK_AT - 4), CODE_AT + 5);
    irig_code(&q, (const uint8_t[]){0xc2, 8, 0}, 3); /* ret 8 */
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, CODE_AT + 5);
    ck_assert_uint_eq(q.c->gpr[RSP], STACK_AT + 8);
}
END_TEST

START_TEST(test_16bit_operand_branch)
{
    q.c->rip = 0x21000;
    put32(&q.r, 0x21000, 0x0010eb66); /* o16 jmp +10h: EIP is cut to 16 bits */
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, 0x1013);
}
END_TEST

START_TEST(test_branch_limit)
{
    q.c->seg[SEG_CS].limit = 0xffff;
    cpu_update_mode(q.c);
    CODE(&q, 0xe8, 0, 0, 2, 0);
    irig_steps(&q, 1);
    ck_assert_uint_eq(entered(VEC_GP, true), CODE_AT);
    ck_assert_uint_eq(q.c->gpr[RSP], STACK_AT - 16); /* nothing but the frame was pushed */
}
END_TEST

START_TEST(test_loop)
{
    CODE(&q, 0xe2, 0xfe); /* loop . */
    q.c->gpr[RCX] = 3;
    irig_steps(&q, 2);
    ck_assert_uint_eq(q.c->gpr[RCX], 1);
    ck_assert_uint_eq(q.c->rip, CODE_AT);
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, CODE_AT + 2);
    CODE(&q, 0x67, 0xe2, 0xfd); /* addr16: CX counts */
    q.c->gpr[RCX] = 0x50000;
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->gpr[RCX], 0x5ffff);
    CODE(&q, 0x67, 0xe3, 0x10); /* jcxz */
    q.c->gpr[RCX] = 0x50000;
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, CODE_AT + 0x13);
}
END_TEST

START_TEST(test_undefined)
{
    CODE(&q, 0x0f, 0x0b);
    irig_steps(&q, 1);
    ck_assert_uint_eq(entered(VEC_UD, false), CODE_AT);
}
END_TEST

START_TEST(test_lock_register)
{
    CODE(&q, 0xf0, 0x01, 0xc0);
    irig_steps(&q, 1);
    ck_assert_uint_eq(entered(VEC_UD, false), CODE_AT);
}
END_TEST

START_TEST(test_too_long)
{
    uint8_t b[16];

    memset(b, 0x2e, sizeof(b));
    b[15] = 0x90;
    irig_code(&q, b, sizeof(b));
    irig_steps(&q, 1);
    ck_assert_uint_eq(entered(VEC_GP, true), CODE_AT);
}
END_TEST

START_TEST(test_divide_error)
{
    CODE(&q, 0xf7, 0xf1); /* div ecx */
    q.c->gpr[RCX] = 0;
    irig_steps(&q, 1);
    ck_assert_uint_eq(entered(VEC_DE, false), CODE_AT);
}
END_TEST

START_TEST(test_int_and_iret)
{
    CODE(&q, 0xcd, 0x80);
    cpu_set_rflags(q.c, EF_R1 | EF_IF | EF_CF);
    put32(&q.r, 0xa800, 0xcf);
    irig_steps(&q, 1);
    ck_assert_uint_eq(entered(0x80, false), CODE_AT + 2);
    ck_assert_uint_eq(q.c->iflag, 0);
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, CODE_AT + 2);
    ck_assert_uint_eq(q.c->iflag, 1);
    ck_assert_uint_eq(q.c->gpr[RSP], STACK_AT);
}
END_TEST

START_TEST(test_sti_shadow)
{
    CODE(&q, 0xfb, 0x40, 0x40); /* sti; inc eax; inc eax */
    q.vector = 0x20;
    q.c->intr = 1;
    irig_steps(&q, 2);
    ck_assert_uint_eq(q.c->gpr[RAX], 1); /* one instruction after STI */
    irig_steps(&q, 1);
    ck_assert_uint_eq(entered(0x20, false), CODE_AT + 2);
}
END_TEST

START_TEST(test_sti_shadow_run)
{
    CODE(&q, 0xfb, 0x40, 0x40, 0xf4);
    put32(&q.r, 0xa200, 0xf4);
    q.vector = 0x20;
    q.c->intr = 1;
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert_uint_eq(q.c->gpr[RAX], 1);
    ck_assert_uint_eq(q.c->rip, 0xa201);
}
END_TEST

START_TEST(test_sti_twice_has_one_shadow)
{
    CODE(&q, 0xfb, 0xfb, 0x40);
    q.vector = 0x20;
    q.c->intr = 1;
    irig_steps(&q, 3);
    ck_assert_uint_eq(entered(0x20, false), CODE_AT + 2);
}
END_TEST

START_TEST(test_mov_ss_shadow_holds_debug)
{
    CODE(&q, 0x8e, 0xd0, 0x41, 0x41); /* mov ss,ax; inc ecx */
    q.c->gpr[RAX] = 0x18;
    cpu_set_rflags(q.c, EF_R1 | EF_TF);
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, CODE_AT + 2);
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->gpr[RCX], 1);
    ck_assert_uint_eq(entered(VEC_DB, false), CODE_AT + 3);
}
END_TEST

START_TEST(test_single_step)
{
    CODE(&q, 0x40, 0x40);
    cpu_set_rflags(q.c, EF_R1 | EF_TF);
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->gpr[RAX], 1);
    ck_assert_uint_eq(entered(VEC_DB, false), CODE_AT + 1);
    ck_assert_uint_eq(q.c->dr[6] & (1 << 14), 1 << 14);
    ck_assert_uint_eq(q.c->rflags & EF_TF, 0);
}
END_TEST

START_TEST(test_popf_sets_tf)
{
    CODE(&q, 0x9d, 0x40, 0x40); /* popf; inc eax */
    put32(&q.r, STACK_AT - 4, EF_TF | EF_R1);
    q.c->gpr[RSP] = STACK_AT - 4;
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, CODE_AT + 1);
    irig_steps(&q, 1);
    ck_assert_uint_eq(entered(VEC_DB, false), CODE_AT + 2);
}
END_TEST

START_TEST(test_popf_clears_tf)
{
    CODE(&q, 0x9d, 0x40);
    put32(&q.r, STACK_AT - 4, EF_R1);
    q.c->gpr[RSP] = STACK_AT - 4;
    cpu_set_rflags(q.c, EF_R1 | EF_TF);
    irig_steps(&q, 1);
    ck_assert_uint_eq(entered(VEC_DB, false), CODE_AT + 1);
}
END_TEST

START_TEST(test_int_is_not_stepped)
{
    CODE(&q, 0xcd, 0x80);
    put32(&q.r, 0xa800, 0x90909090);
    cpu_set_rflags(q.c, EF_R1 | EF_TF);
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, 0xa800);
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, 0xa801);
}
END_TEST

START_TEST(test_code_breakpoint)
{
    CODE(&q, 0x40, 0x40, 0x40);
    q.c->dr[0] = CODE_AT + 1;
    q.c->dr[7] = 0x402;
    cpu_update_mode(q.c);
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->gpr[RAX], 1);
    irig_steps(&q, 1);
    ck_assert_uint_eq(entered(VEC_DB, false), CODE_AT + 1);
    irig_flat32(q.c);
    q.c->rip = CODE_AT + 1;
    q.c->rflags |= EF_RF; /* RF: passes once */
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->gpr[RAX], 2);
    ck_assert_uint_eq(q.c->rflags & EF_RF, 0);
}
END_TEST

START_TEST(test_data_breakpoint)
{
    CODE(&q, 0xa3, 0x00, 0x50, 0, 0, 0x40); /* mov [5000],eax */
    q.c->dr[0] = 0x5000;
    q.c->dr[7] = 0x402 | 0xd << 16;
    cpu_update_mode(q.c);
    irig_steps(&q, 1);
    ck_assert_uint_eq(entered(VEC_DB, false), CODE_AT + 5);
    ck_assert_uint_eq(q.c->dr[6] & 15, 1);
}
END_TEST

START_TEST(test_halt)
{
    CODE(&q, 0xfb, 0xf4, 0x40);
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert_uint_eq(q.c->rip, CODE_AT + 2);
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    q.vector = 0x21;
    q.c->intr = 1;
    put32(&q.r, 0xa210, 0xf4);
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert_uint_eq(q.c->rip, 0xa211);
}
END_TEST

START_TEST(test_kick)
{
    CODE(&q, 0xeb, 0xfe);
    q.c->kick = 1;
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_KICK);
    ck_assert_uint_eq(q.c->kick, 1);
}
END_TEST

START_TEST(test_triple_fault)
{
    q.c->idtr.limit = 0;
    CODE(&q, 0x0f, 0x0b);
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_SHUTDOWN);
}
END_TEST

START_TEST(test_privilege)
{
    static const uint8_t privileged[][3] = {{0xf4},
                                            {0x0f, 0x06},
                                            {0x0f, 0x22, 0xc0},
                                            {0x0f, 0x20, 0xc0},
                                            {0x0f, 0x09},
                                            {0x0f, 0x30},
                                            {0x0f, 0x32},
                                            {0xfa},
                                            {0xfb},
                                            {0x6c},
                                            {0xec}};

    put32(&q.r, 0x7004, 0x8000); /* TSS: ESP0, SS0 */
    put32(&q.r, 0x7008, 0x18);
    q.c->seg[SEG_TR] =
        (struct seg){.sel = 0x30, .attr = 0x8b, .limit = 0x67, .base = 0x7000, .usable = true};
    for (unsigned n = 0; n < ARRAY_SIZE(privileged); n++) {
        irig_flat32(q.c);
        q.c->cpl = 3;
        q.c->seg[SEG_CS].sel = 0x23;
        q.c->seg[SEG_CS].attr |= 3 << ATTR_DPL_SHIFT;
        q.c->seg[SEG_SS].sel = 0x2b;
        q.c->seg[SEG_SS].attr |= 3 << ATTR_DPL_SHIFT;
        q.c->gpr[RSP] = 0x6000;
        cpu_update_mode(q.c);
        irig_code(&q, privileged[n], 3);
        irig_steps(&q, 1);
        ck_assert_uint_eq(entered(VEC_GP, true), CODE_AT);
    }
}
END_TEST

START_TEST(test_push_pop_widths)
{
    CODE(&q, 0x66, 0x50, 0x1e, 0x07, 0x66, 0x59); /* push ax; push ds; pop es; pop cx */
    q.c->gpr[RAX] = 0x12345678;
    irig_steps(&q, 4);
    ck_assert_uint_eq(q.c->gpr[RCX], 0x5678);
    ck_assert_uint_eq(q.c->gpr[RSP], STACK_AT);
    ck_assert_uint_eq(q.c->seg[SEG_ES].sel, 0x18);
}
END_TEST

START_TEST(test_stack_16)
{
    q.c->seg[SEG_SS].attr &= (uint16_t)~ATTR_DB;
    cpu_update_mode(q.c);
    q.c->gpr[RSP] = 0xabcd0002;
    CODE(&q, 0x50); /* SP wraps, the upper half stays */
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->gpr[RSP], 0xabcdfffe);
}
END_TEST

START_TEST(test_pushf_popf)
{
    CODE(&q, 0x9c, 0x9d, 0x9d);
    cpu_set_rflags(q.c, EF_R1 | EF_CF | EF_ID | EF_RF);
    irig_steps(&q, 1);
    ck_assert_uint_eq(irig_peek(&q, STACK_AT - 4), EF_R1 | EF_CF | EF_ID);
    irig_steps(&q, 1);
    put32(&q.r, STACK_AT, EF_IF | EF_IOPL | EF_NT | EF_VM | EF_VIF | EF_VIP);
    irig_steps(&q, 1);
    ck_assert_uint_eq(cpu_rflags(q.c), EF_R1 | EF_IF | EF_IOPL | EF_NT);
}
END_TEST

START_TEST(test_popf_cpl3)
{
    CODE(&q, 0x9d);
    q.c->cpl = 3;
    cpu_set_rflags(q.c, EF_R1 | EF_IF);
    put32(&q.r, STACK_AT, EF_IOPL | EF_CF | EF_DF | EF_AC);
    irig_steps(&q, 1);
    ck_assert_uint_eq(cpu_rflags(q.c), EF_R1 | EF_IF | EF_CF | EF_DF | EF_AC);
}
END_TEST

START_TEST(test_in_out)
{
    CODE(&q, 0xe6, 0x80, 0xec, 0xe5, 0x10); /* out 80,al; in al,dx; in eax,10 */
    q.c->gpr[RAX] = 0x55;
    irig_steps(&q, 3);
    ck_assert_uint_eq(q.port_writes, 1);
    ck_assert_uint_eq(q.port_reads, 2);
    ck_assert_uint_eq(q.c->gpr[RAX], 0x56);
}
END_TEST

START_TEST(test_rep_ins)
{
    CODE(&q, 0xf3, 0x6c);
    q.c->gpr[RCX] = 5;
    q.c->gpr[RDI] = 0x5000;
    q.port_value = 0x41;
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.port_reads, 5);
    ck_assert_uint_eq(irig_peek(&q, 0x5000), 0x44434241);
    ck_assert_uint_eq(q.c->gpr[RDI], 0x5005);
    ck_assert_uint_eq(q.c->gpr[RCX], 0);
}
END_TEST

START_TEST(test_rep_movs_large)
{
    CODE(&q, 0xf3, 0xa5, 0xf4);
    for (unsigned n = 0; n < 0x3000; n += 4)
        put32(&q.r, 0x20010 + n, n * 7);
    q.c->gpr[RSI] = 0x20010;
    q.c->gpr[RDI] = 0x40006;
    q.c->gpr[RCX] = 0x3000 / 4;
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert_uint_eq(q.c->gpr[RCX], 0);
    ck_assert_uint_eq(q.c->gpr[RSI], 0x23010);
    ck_assert_mem_eq(physmem_ptr(&q.r.pm, 0x40006), physmem_ptr(&q.r.pm, 0x20010), 0x3000);
}
END_TEST

START_TEST(test_rep_movs_down_and_overlap)
{
    uint8_t want[16];

    CODE(&q, 0xf3, 0xa4, 0xfd, 0xf3, 0xa4);
    put32(&q.r, 0x20000, 0x04030201);
    q.c->gpr[RSI] = 0x20000;
    q.c->gpr[RDI] = 0x20001;
    q.c->gpr[RCX] = 15;
    irig_steps(&q, 1);
    memset(want, 1, sizeof(want)); /* the first byte spreads */
    ck_assert_mem_eq(physmem_ptr(&q.r.pm, 0x20000), want, 16);
    q.c->gpr[RSI] = 0x2200f;
    q.c->gpr[RDI] = 0x23ffe;
    q.c->gpr[RCX] = 0x1020;
    irig_steps(&q, 2);
    ck_assert_uint_eq(q.c->gpr[RCX], 0);
    ck_assert_uint_eq(q.c->gpr[RSI], 0x2200f - 0x1020);
    ck_assert_uint_eq(q.c->gpr[RDI], 0x23ffe - 0x1020);
}
END_TEST

START_TEST(test_rep_fault_registers)
{
    CODE(&q, 0xf3, 0xaa); /* rep stosb into the end of a segment */
    q.c->seg[SEG_ES].limit = 0x50ff;
    cpu_update_mode(q.c);
    q.c->gpr[RDI] = 0x50f0;
    q.c->gpr[RCX] = 0x40;
    irig_steps(&q, 1);
    ck_assert_uint_eq(entered(VEC_GP, true), CODE_AT);
    ck_assert_uint_eq(q.c->gpr[RDI], 0x5100);
    ck_assert_uint_eq(q.c->gpr[RCX], 0x30);
}
END_TEST

START_TEST(test_rep_interrupted)
{
    CODE(&q, 0xf3, 0xac, 0xf4); /* rep lodsb: slow, looks up now and then */
    put32(&q.r, 0xa200, 0xf4);
    q.c->gpr[RSI] = 0x10000;
    q.c->gpr[RCX] = 0x100000;
    q.c->iflag = 1;
    q.vector = 0x20;
    q.c->intr = 1;
    q.c->intr_shadow = 1;
    interp_step(q.it, q.c);
    ck_assert_uint_eq(q.c->rip, CODE_AT);
    ck_assert(q.c->in_rep);
    ck_assert_uint_lt(q.c->gpr[RCX], 0x100000);
    ck_assert_uint_gt(q.c->gpr[RCX], 0);
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert_uint_eq(q.c->rip, 0xa201);
    ck_assert_uint_eq(irig_peek(&q, q.c->gpr[RSP]), CODE_AT);
}
END_TEST

START_TEST(test_enter_levels)
{
    CODE(&q, 0xc8, 0x10, 0, 3);
    put32(&q.r, 0x5000 - 4, 0x111);
    put32(&q.r, 0x5000 - 8, 0x222);
    q.c->gpr[RBP] = 0x5000;
    irig_steps(&q, 1);
    ck_assert_uint_eq(irig_peek(&q, STACK_AT - 4), 0x5000);
    ck_assert_uint_eq(irig_peek(&q, STACK_AT - 8), 0x111);
    ck_assert_uint_eq(irig_peek(&q, STACK_AT - 12), 0x222);
    ck_assert_uint_eq(irig_peek(&q, STACK_AT - 16), STACK_AT - 4);
    ck_assert_uint_eq(q.c->gpr[RBP], STACK_AT - 4);
    ck_assert_uint_eq(q.c->gpr[RSP], STACK_AT - 32);
}
END_TEST

START_TEST(test_alignment_check)
{
    put32(&q.r, 0x7004, 0x8000);
    put32(&q.r, 0x7008, 0x18);
    q.c->seg[SEG_TR] =
        (struct seg){.sel = 0x30, .attr = 0x8b, .limit = 0x67, .base = 0x7000, .usable = true};
    q.c->cr0 |= CR0_AM;
    q.c->cpl = 3;
    q.c->seg[SEG_CS].sel = 0x23;
    q.c->seg[SEG_SS].sel = 0x2b;
    cpu_set_rflags(q.c, EF_R1 | EF_AC);
    CODE(&q, 0xa1, 2, 0x50, 0, 0);
    irig_steps(&q, 1);
    ck_assert_uint_eq(entered(VEC_AC, true), CODE_AT);
}
END_TEST

START_TEST(test_tables)
{
    CODE(&q, 0x0f, 0x01, 0x05, 0x00, 0x50, 0, 0, 0x0f, 0x01, 0x1d, 0x00, 0x50, 0,
         0); /* sgdt; lidt */
    irig_steps(&q, 2);
    ck_assert_uint_eq(q.c->idtr.base, 0x9800);
    ck_assert_uint_eq(q.c->idtr.limit, 0x7f);
}
END_TEST

START_TEST(test_lar_lsl)
{
    CODE(&q, 0x0f, 0x02, 0xc1, 0x0f, 0x03, 0xd1, 0x0f, 0x02, 0xc6);
    q.c->gpr[RCX] = 0x18;
    irig_steps(&q, 2);
    ck_assert_uint_eq(q.c->gpr[RAX] & 0x00f0ff00, 0x00c09300);
    ck_assert_uint_eq(q.c->gpr[RDX], 0xffffffff);
    ck_assert(q.c->rflags & EF_ZF);
    q.c->gpr[RSI] = 0x500;
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->gpr[RAX] & 0x00f0ff00, 0x00c09300);
    ck_assert(!(q.c->rflags & EF_ZF));
}
END_TEST

START_TEST(test_arpl)
{
    CODE(&q, 0x63, 0xc8);
    q.c->gpr[RAX] = 0x18;
    q.c->gpr[RCX] = 3;
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->gpr[RAX], 0x1b);
    ck_assert(q.c->rflags & EF_ZF);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("flow");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_jcc_all);
    tcase_add_test(tc, test_call_ret);
    tcase_add_test(tc, test_16bit_operand_branch);
    tcase_add_test(tc, test_branch_limit);
    tcase_add_test(tc, test_loop);
    tcase_add_test(tc, test_undefined);
    tcase_add_test(tc, test_lock_register);
    tcase_add_test(tc, test_too_long);
    tcase_add_test(tc, test_divide_error);
    tcase_add_test(tc, test_int_and_iret);
    tcase_add_test(tc, test_sti_shadow);
    tcase_add_test(tc, test_sti_shadow_run);
    tcase_add_test(tc, test_sti_twice_has_one_shadow);
    tcase_add_test(tc, test_mov_ss_shadow_holds_debug);
    tcase_add_test(tc, test_single_step);
    tcase_add_test(tc, test_popf_sets_tf);
    tcase_add_test(tc, test_popf_clears_tf);
    tcase_add_test(tc, test_int_is_not_stepped);
    tcase_add_test(tc, test_code_breakpoint);
    tcase_add_test(tc, test_data_breakpoint);
    tcase_add_test(tc, test_halt);
    tcase_add_test(tc, test_kick);
    tcase_add_test(tc, test_triple_fault);
    tcase_add_test(tc, test_privilege);
    tcase_add_test(tc, test_push_pop_widths);
    tcase_add_test(tc, test_stack_16);
    tcase_add_test(tc, test_pushf_popf);
    tcase_add_test(tc, test_popf_cpl3);
    tcase_add_test(tc, test_in_out);
    tcase_add_test(tc, test_rep_ins);
    tcase_add_test(tc, test_rep_movs_large);
    tcase_add_test(tc, test_rep_movs_down_and_overlap);
    tcase_add_test(tc, test_rep_fault_registers);
    tcase_add_test(tc, test_rep_interrupted);
    tcase_add_test(tc, test_enter_levels);
    tcase_add_test(tc, test_alignment_check);
    tcase_add_test(tc, test_tables);
    tcase_add_test(tc, test_lar_lsl);
    tcase_add_test(tc, test_arpl);
    return rig_main("interp_flow", tc);
}
