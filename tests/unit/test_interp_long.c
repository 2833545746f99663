/* 64-bit code in the interpreter: addresses, registers, the caches across CR3 and INVLPG, vector
 * instructions with the upper registers, FXSAVE64, mode changes made by real instructions. */
#include "long_rig.h"

#include "translator/hostexec.h"
#include "translator/x_host.h"

static void open_with_units(struct irig *q)
{
    long_open(q);
    cpu_fpu_init(q->c);
    ck_assert_int_eq(hostexec_create(&q->c->hostexec), 0);
}

static void close_with_units(struct irig *q)
{
    hostexec_destroy(q->c->hostexec);
    irig_close(q);
}

START_TEST(test_addresses)
{
    struct irig q;

    long_open(&q);
    /* mov rax, [rip+9]; mov [r12+r13*8+10h], rax; mov eax, [rbx]; data */
    CODE(&q, 0x48, 0x8b, 0x05, 0x09, 0, 0, 0, 0x4b, 0x89, 0x44, 0xec, 0x10, 0x67, 0x8b, 0x03, 0x90,
         0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11);
    q.c->gpr[R12] = HIGH + 0x30000;
    q.c->gpr[R13] = 4;
    q.c->gpr[RBX] = UINT64_C(0xabc00030030); /* 67h: the low half counts */
    irig_steps(&q, 2);
    ck_assert_uint_eq(q.c->gpr[RAX], UINT64_C(0x1122334455667788));
    ck_assert_uint_eq(peek64(&q.r, 0x30030), UINT64_C(0x1122334455667788));
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->gpr[RAX], 0x55667788);
    irig_close(&q);
}
END_TEST

START_TEST(test_code_at_high_addresses)
{
    struct irig q;

    long_open(&q);
    CODE(&q, 0xe8, 0x03, 0, 0, 0, 0x90, 0x90, 0x90, 0xc3); /* call +3; ..; ret */
    q.c->rip = HIGH + CODE_AT;
    q.c->gpr[RSP] = HIGH + STACK_AT;
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, HIGH + CODE_AT + 8);
    ck_assert_uint_eq(peek64(&q.r, STACK_AT - 8), HIGH + CODE_AT + 5);
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, HIGH + CODE_AT + 5);
    ck_assert_uint_eq(q.c->gpr[RSP], HIGH + STACK_AT);
    irig_close(&q);
}
END_TEST

/* A gate for each vector, as in irig_tables() but of 16 bytes. */
static void idt64(struct irig *q)
{
    for (unsigned v = 0; v < 32; v++) {
        put64(&q->r, 0x31000 + v * 16, UINT64_C(0x00008e0000280000) | (0xa000 + v * 16));
        put64(&q->r, 0x31008 + v * 16, 0);
    }
    q->c->idtr = (struct dtable){0x31000, 0x1ff};
}

START_TEST(test_not_canonical)
{
    struct irig q;

    long_open(&q);
    idt64(&q);
    CODE(&q, 0x8b, 0x03, 0x8b, 0x45, 0, 0xff, 0xe3); /* mov eax,[rbx]; mov eax,[rbp]; jmp rbx */
    q.c->gpr[RBX] = q.c->gpr[RBP] = UINT64_C(1) << 47;
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, 0xa000 + VEC_GP * 16);
    q.c->rip = CODE_AT + 2;
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, 0xa000 + VEC_SS * 16);
    q.c->rip = CODE_AT + 5;
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, 0xa000 + VEC_GP * 16);
    irig_close(&q);
}
END_TEST

START_TEST(test_page_fault_address)
{
    struct irig q;

    long_open(&q);
    idt64(&q);
    CODE(&q, 0x48, 0x89, 0x03); /* mov [rbx], rax */
    q.c->gpr[RBX] = HIGH + (UINT64_C(5) << 30) + 0x123;
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, 0xa000 + VEC_PF * 16);
    ck_assert_uint_eq(q.c->cr2, HIGH + (UINT64_C(5) << 30) + 0x123);
    ck_assert_uint_eq(ld64(physmem_ptr(&q.r.pm, q.c->gpr[RSP])), PF_W);
    irig_close(&q);
}
END_TEST

/* Code and data of a page that moves: seen after INVLPG, and after MOV CR3. */
START_TEST(test_remapped_page)
{
    static const uint8_t first[] = {0xb8, 1, 0, 0, 0, 0xff, 0xe3}; /* mov eax, 1; jmp rbx */
    static const uint8_t second[] = {0xb8, 2, 0, 0, 0, 0xff, 0xe3};
    struct irig q;

    long_open(&q);
    ck_assert_int_eq(physmem_write(&q.r.pm, 0x40000, first, sizeof(first)), 0);
    ck_assert_int_eq(physmem_write(&q.r.pm, 0x41000, second, sizeof(second)), 0);
    put64(&q.r, L_PT, 0x40000 | P | W | U);
    q.c->gpr[RBX] = PAGE_LIN;
    q.c->rip = PAGE_LIN;
    irig_steps(&q, 2);
    ck_assert_uint_eq(q.c->gpr[RAX], 1);
    put64(&q.r, L_PT, 0x41000 | P | W | U);
    smmu_invlpg(q.r.m, q.c, PAGE_LIN);
    irig_steps(&q, 2);
    ck_assert_uint_eq(q.c->gpr[RAX], 2);
    put64(&q.r, L_PT, 0x40000 | P | W | U);
    smmu_cr3_written(q.r.m, q.c);
    irig_steps(&q, 2);
    ck_assert_uint_eq(q.c->gpr[RAX], 1);
    put64(&q.r, 0x40000,
          UINT64_C(0xe3ff00000003b8)); /* written through another mapping: new code */
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->gpr[RAX], 3);
    put64(&q.r, L_PT, 0x40000 | P | W | U | NX);
    smmu_invlpg(q.r.m, q.c, PAGE_LIN);
    idt64(&q);
    q.c->rip = PAGE_LIN;
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, 0xa000 + VEC_PF * 16);
    ck_assert_uint_eq(ld64(physmem_ptr(&q.r.pm, q.c->gpr[RSP])), PF_P | PF_I);
    irig_close(&q);
}
END_TEST

START_TEST(test_vector_registers)
{
    struct irig q;

    open_with_units(&q);
    CODE(&q, 0x66, 0x4d, 0x0f, 0x6e, 0xcc,         /* movq xmm9, r12 */
         0x66, 0x4d, 0x0f, 0x3a, 0x22, 0xca, 0x01, /* pinsrq xmm9, r10, 1 */
         0x66, 0x44, 0x0f, 0x7f, 0x4c, 0x24, 0x10, /* movdqa [rsp+10h], xmm9 */
         0x66, 0x4c, 0x0f, 0x7e, 0xcc,             /* movq rsp, xmm9 */
         0x66, 0x4c, 0x0f, 0x3a, 0x16, 0xc9, 0x01, /* pextrq rcx, xmm9, 1 */
         0xf2, 0x4c, 0x0f, 0x2a, 0xf9,             /* cvtsi2sd xmm15, rcx */
         0xf2, 0x4d, 0x0f, 0x2d, 0xdf);            /* cvtsd2si r11, xmm15 */
    q.c->gpr[R12] = UINT64_C(0x1111222233334444);
    q.c->gpr[R10] = UINT64_C(0x100000000000);
    q.c->gpr[R9] = 0x99;
    irig_steps(&q, 7);
    ck_assert_uint_eq(peek64(&q.r, STACK_AT + 0x10), UINT64_C(0x1111222233334444));
    ck_assert_uint_eq(peek64(&q.r, STACK_AT + 0x18), UINT64_C(0x100000000000));
    ck_assert_uint_eq(q.c->gpr[RSP], UINT64_C(0x1111222233334444));
    ck_assert_uint_eq(q.c->gpr[RCX], UINT64_C(0x100000000000));
    ck_assert_uint_eq(q.c->gpr[R11], UINT64_C(0x100000000000));
    ck_assert_uint_eq(q.c->gpr[R9], 0x99);
    ck_assert_uint_eq(q.c->gpr[R10], UINT64_C(0x100000000000));
    close_with_units(&q);
}
END_TEST

START_TEST(test_fxsave64)
{
    struct irig q;

    open_with_units(&q);
    CODE(&q, 0xdd, 0x06,                /* fld qword [rsi] */
         0x66, 0x4c, 0x0f, 0x6e, 0xfb,  /* movq xmm15, rbx */
         0x48, 0x0f, 0xae, 0x07,        /* fxsave64 [rdi] */
         0x66, 0x45, 0x0f, 0xef, 0xff,  /* pxor xmm15, xmm15 */
         0x48, 0x0f, 0xae, 0x0f,        /* fxrstor64 [rdi] */
         0x66, 0x4c, 0x0f, 0x7e, 0xf8); /* movq rax, xmm15 */
    q.c->rip = HIGH + CODE_AT;
    q.c->gpr[RSI] = HIGH + 0x30000;
    q.c->gpr[RDI] = HIGH + 0x32000;
    q.c->gpr[RBX] = UINT64_C(0xfeedfacecafebeef);
    irig_steps(&q, 6);
    ck_assert_uint_eq(peek64(&q.r, 0x32000 + IMG_FIP), HIGH + CODE_AT);
    if (!q.model.fdp_on_exception)
        ck_assert_uint_eq(peek64(&q.r, 0x32000 + IMG_FDP), HIGH + 0x30000);
    ck_assert_uint_eq(peek64(&q.r, 0x32000 + IMG_XMM + 15 * 16), UINT64_C(0xfeedfacecafebeef));
    ck_assert_uint_eq(q.c->gpr[RAX], UINT64_C(0xfeedfacecafebeef));
    close_with_units(&q);
}
END_TEST

START_TEST(test_wide_forms)
{
    struct irig q;
    struct cpu *c;

    long_open(&q);
    c = q.c;
    CODE(&q, 0xf0, 0x48, 0x0f, 0xc7, 0x0e,         /* lock cmpxchg16b [rsi] */
         0x48, 0xa5,                               /* movsq */
         0x6a, 0xff,                               /* push -1 */
         0x48, 0x63, 0xc3,                         /* movsxd rax, ebx */
         0x66, 0x50,                               /* push ax */
         0x4d, 0x0f, 0xbb, 0x06,                   /* btc [r14], r8 */
         0x0f, 0x01, 0xf8,                         /* swapgs */
         0x65, 0x48, 0x8b, 0x04, 0x25, 8, 0, 0, 0, /* mov rax, gs:[8] */
         0xf3, 0x48, 0x0f, 0xae, 0xcf);            /* rdgsbase rdi */
    c->gpr[RSI] = 0x30000;
    c->gpr[RDI] = 0x30100;
    put64(&q.r, 0x30000, 1);
    put64(&q.r, 0x30008, 2);
    c->gpr[RAX] = 1;
    c->gpr[RDX] = 2;
    c->gpr[RBX] = UINT64_C(0x5555666680000000);
    c->gpr[RCX] = 9;
    c->gpr[R14] = HIGH + 0x30200;
    c->gpr[R8] = (uint64_t)-63;
    c->kernel_gs_base = HIGH + 0x30000;
    irig_steps(&q, 2);
    ck_assert(c->rflags & EF_ZF);
    ck_assert_uint_eq(peek64(&q.r, 0x30000), UINT64_C(0x5555666680000000));
    ck_assert_uint_eq(peek64(&q.r, 0x30008), 9);
    ck_assert_uint_eq(peek64(&q.r, 0x30100), UINT64_C(0x5555666680000000));
    ck_assert_uint_eq(c->gpr[RDI], 0x30108);
    irig_steps(&q, 3);
    ck_assert_uint_eq(peek64(&q.r, STACK_AT - 8), UINT64_MAX);
    ck_assert_uint_eq(c->gpr[RAX], UINT64_C(0xffffffff80000000));
    ck_assert_uint_eq(c->gpr[RSP], STACK_AT - 10);
    irig_steps(&q, 4);
    ck_assert_uint_eq(peek64(&q.r, 0x301f8), 2);
    ck_assert_uint_eq(c->gpr[RAX], 9);
    ck_assert_uint_eq(c->gpr[RDI], HIGH + 0x30000);
    irig_close(&q);
}
END_TEST

/* From 32-bit protected mode by real instructions, as a kernel does it, to CPL 3 and back. */
START_TEST(test_switch)
{
    struct irig q;
    struct cpu *c;

    irig_open(&q);
    long_tables(&q);
    c = q.c;
    c->hooks.paging_changed = smmu_paging_changed;
    c->hooks.cr3_written = smmu_cr3_written;
    c->hooks.load_pdptes = smmu_load_pdptes;
    c->hooks.opaque = q.r.m;
    CODE(&q, 0xb8, 0x20, 0, 0, 0, 0x0f, 0x22, 0xe0,                        /* cr4 = PAE */
         0xb8, 0, 0, 2, 0, 0x0f, 0x22, 0xd8,                               /* cr3 */
         0xb9, 0x80, 0, 0, 0xc0, 0xb8, 1, 1, 0, 0, 0x31, 0xd2, 0x0f, 0x30, /* EFER: LME, SCE */
         0x0f, 0x20, 0xc0, 0x0d, 0, 0, 0, 0x80, 0x0f, 0x22, 0xc0,          /* cr0.PG */
         0xea, 0x30, 0x10, 0, 0, L_CODE64, 0,                              /* jmp far 28h:1030h */
         /* 1030h: */ 0x49, 0xbf, 8, 7, 6, 5, 4, 3, 2, 1,                  /* mov r15, imm64 */
         0x48, 0x0f, 0x07);                                                /* sysretq */
    irig_steps(&q, 11);
    ck_assert(cpu_long(c) && !cpu_cs64(c));
    irig_steps(&q, 2);
    ck_assert(cpu_cs64(c));
    ck_assert_uint_eq(c->gpr[R15], UINT64_C(0x0102030405060708));
    c->star = UINT64_C(0x00300028) << 32;
    c->lstar = 0x1030;
    c->gpr[RCX] = 0x1100;
    c->gpr[R11] = 0x202;
    ck_assert_int_eq(physmem_write(&q.r.pm, 0x1100, "\x0f\x05", 2), 0); /* syscall */
    irig_steps(&q, 1);
    ck_assert(c->cpl == 3 && cpu_cs64(c) && c->rip == 0x1100);
    ck_assert_uint_eq(c->seg[SEG_CS].sel, L_UCODE64);
    irig_steps(&q, 1);
    ck_assert(c->cpl == 0 && c->rip == 0x1030);
    ck_assert_uint_eq(c->gpr[RCX], 0x1102);
    irig_close(&q);
}
END_TEST

/* 32-bit code under a 64-bit kernel: addresses and registers as in protected mode. */
START_TEST(test_compatibility_mode)
{
    struct irig q;
    struct cpu *c;

    long_open(&q);
    c = q.c;
    /* 64-bit: push 30h+3; push rip; retfq.. in 32-bit: mov eax,[ebx+10h]; inc eax (40h) ; push eax
     */
    CODE(&q, 0x48, 0xcf, 0x8b, 0x43, 0x10, 0x40, 0x50);
    put64(&q.r, STACK_AT, CODE_AT + 2);
    put64(&q.r, STACK_AT + 8, 0x33);
    put64(&q.r, STACK_AT + 16, 0x202);
    put64(&q.r, STACK_AT + 24, 0x7000);
    put64(&q.r, STACK_AT + 32, L_UDATA);
    put32(&q.r, 0x30000, 41);
    c->gpr[RBX] = UINT64_C(0xfffffff0) - 0x10 + 0x30010; /* wraps to 30000h */
    irig_steps(&q, 1);
    ck_assert(c->cpl == 3 && cpu_long(c) && !cpu_cs64(c));
    for (unsigned s = SEG_ES; s < NSEG; s++)
        if (s != SEG_CS && s != SEG_SS)
            c->seg[s] = flat_segment(L_UDATA, false);
    cpu_update_mode(c);
    irig_steps(&q, 3);
    ck_assert_uint_eq(c->gpr[RAX], 42);
    ck_assert_uint_eq(peek32(&q.r, 0x6ffc), 42);
    ck_assert_uint_eq(c->gpr[RSP], 0x6ffc);
    irig_close(&q);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("interp_long");

    tcase_add_test(tc, test_addresses);
    tcase_add_test(tc, test_code_at_high_addresses);
    tcase_add_test(tc, test_not_canonical);
    tcase_add_test(tc, test_page_fault_address);
    tcase_add_test(tc, test_remapped_page);
    tcase_add_test(tc, test_vector_registers);
    tcase_add_test(tc, test_fxsave64);
    tcase_add_test(tc, test_wide_forms);
    tcase_add_test(tc, test_switch);
    tcase_add_test(tc, test_compatibility_mode);
    return rig_main("interp_long", tc);
}
