/* The decode cache: self-modifying code, aliases, straddling instructions, remapped pages, mode
 * changes. */
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

/* Two rounds of a loop that changes the immediate of its own MOV. */
static void run_self_modifying(void)
{
    CODE(&q, 0xb8, 1, 0, 0, 0,         /* 1000 mov eax,1 */
         0x01, 0xc3,                   /* 1005 add ebx,eax */
         0xff, 0x05, 0x01, 0x10, 0, 0, /* 1007 inc dword [1001] */
         0x49, 0x75, 0xf0,             /* 100d dec ecx; jnz 1000 */
         0xf4);
    q.c->gpr[RCX] = 100;
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert_uint_eq(q.c->gpr[RBX], 5050);
}

START_TEST(test_self_modifying)
{
    run_self_modifying();
}
END_TEST

START_TEST(test_self_modifying_shared)
{
    interp_share_code(q.it, NULL, NULL);
    run_self_modifying();
}
END_TEST

static bool always(void *opaque, uint64_t frame)
{
    (void)opaque;
    (void)frame;
    return true;
}

START_TEST(test_self_modifying_other_engine)
{
    interp_share_code(q.it, always, NULL);
    run_self_modifying();
}
END_TEST

/* The store changes the very next instruction. */
START_TEST(test_next_instruction)
{
    CODE(&q, 0xc6, 0x05, 0x07, 0x10, 0, 0, 0x43, 0x40,
         0xf4); /* mov byte [1007],43h; (inc eax -> inc ebx) */
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    q.c->halted = 0;
    ck_assert_uint_eq(q.c->gpr[RAX], 0);
    ck_assert_uint_eq(q.c->gpr[RBX], 1);
}
END_TEST

START_TEST(test_monitor_writes)
{
    for (unsigned share = 0; share < 2; share++) {
        CODE(&q, 0xb8, 1, 0, 0, 0, 0xf4);
        ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
        ck_assert_uint_eq(q.c->gpr[RAX], 1);
        put32(&q.r, CODE_AT + 1, 77); /* as DMA does: through physmem */
        q.c->rip = CODE_AT;
        q.c->halted = 0;
        ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
        ck_assert_uint_eq(q.c->gpr[RAX], 77);
        q.c->halted = 0;
        interp_share_code(q.it, NULL, NULL);
    }
}
END_TEST

START_TEST(test_cached_state)
{
    interp_share_code(q.it, NULL, NULL);
    CODE(&q, 0x40, 0x40, 0xf4);
    ck_assert(!interp_page_cached(q.it, 1));
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert(interp_page_cached(q.it, 1));
    put32(&q.r, CODE_AT + 0x800, 1); /* data in the page: code stays */
    ck_assert(interp_page_cached(q.it, 1));
    interp_page_written(q.it, 1);
    ck_assert(!interp_page_cached(q.it, 1));
}
END_TEST

START_TEST(test_idle_page_is_forgotten)
{
    interp_share_code(q.it, NULL, NULL);
    CODE(&q, 0x40, 0xf4);
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    for (unsigned n = 0; n < 200; n++)
        put32(&q.r, CODE_AT + 0x800, n);
    ck_assert(!interp_page_cached(q.it, 1));
}
END_TEST

START_TEST(test_straddle)
{
    static const uint8_t mov[] = {0xb8, 0x44, 0x33, 0x22, 0x11, 0xf4};

    ck_assert_int_eq(physmem_write(&q.r.pm, 0x1ffe, mov, sizeof(mov)), 0);
    for (unsigned n = 0; n < 3; n++) {
        q.c->rip = 0x1ffe;
        q.c->halted = 0;
        ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
        ck_assert_uint_eq(q.c->gpr[RAX], 0x11223300 + 0x44 + n);
        ck_assert_int_eq(physmem_write(&q.r.pm, 0x1fff, (const uint8_t[]){(uint8_t)(0x45 + n)}, 1),
                         0);
    }
    ck_assert_int_eq(physmem_write(&q.r.pm, 0x2000, (const uint8_t[]){0x99}, 1), 0);
    q.c->rip = 0x1ffe;
    q.c->halted = 0;
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert_uint_eq(q.c->gpr[RAX] >> 8 & 0xff, 0x99);
}
END_TEST

/* Page tables at 100000h: linear 400000h is mapped to `pa`, the first 4 MiB are identity-mapped. */
static void paging_on(gpa_t pa)
{
    for (unsigned n = 0; n < 1024; n++)
        put32(&q.r, 0x101000 + n * 4, n << 12 | P | W | A | D);
    put32(&q.r, 0x100000, 0x101000 | P | W | A);
    put32(&q.r, 0x100004, 0x102000 | P | W | A);
    put32(&q.r, 0x102000, (uint32_t)pa | P | W | A | D);
    q.c->cr0 |= CR0_PG;
    q.c->cr3 = 0x100000;
    cpu_update_mode(q.c);
    smmu_paging_changed(q.r.m, q.c);
}

START_TEST(test_remap)
{
    put32(&q.r, 0x200000, 0xf401b0); /* mov al,1; hlt */
    put32(&q.r, 0x201000, 0xf402b0);
    paging_on(0x200000);
    q.c->rip = 0x400000;
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert_uint_eq(q.c->gpr[RAX], 1);
    put32(&q.r, 0x102000, 0x201000 | P | W | A | D);
    smmu_invlpg(q.r.m, q.c, 0x400000);
    q.c->rip = 0x400000;
    q.c->halted = 0;
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert_uint_eq(q.c->gpr[RAX], 2);
}
END_TEST

/* Written through another linear address. */
START_TEST(test_alias)
{
    put32(&q.r, 0x200000, 0xf401b0);
    paging_on(0x200000);
    q.c->rip = 0x400000;
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert(mem_write(q.c, 0x200001, 1, 9));
    q.c->rip = 0x400000;
    q.c->halted = 0;
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert_uint_eq(q.c->gpr[RAX], 9);
}
END_TEST

START_TEST(test_fetch_fault)
{
    put32(&q.r, 0x200ffc, 0xb8909090); /* nop x3, then a MOV that goes on in a missing page */
    paging_on(0x200000);
    q.c->rip = 0x400ffc;
    irig_steps(&q, 4);
    ck_assert_uint_eq(q.c->rip, 0xa000 + VEC_PF * 16);
    ck_assert_uint_eq(q.c->cr2, 0x401000);
    ck_assert_uint_eq(irig_peek(&q, q.c->gpr[RSP] + 4), 0x400fff);
}
END_TEST

/* An instruction that ends the page needs nothing from the next one. */
START_TEST(test_page_end)
{
    put32(&q.r, 0x200ffc, 0xfeeb9090); /* jmp . */
    paging_on(0x200000);
    q.c->rip = 0x400ffc;
    irig_steps(&q, 5);
    ck_assert_uint_eq(q.c->rip, 0x400ffe);
}
END_TEST

/* The same bytes mean something else in 16-bit code. */
START_TEST(test_code_size)
{
    CODE(&q, 0xb8, 0x01, 0x02, 0x90, 0x90, 0xf4);
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert_uint_eq(q.c->gpr[RAX], 0x90900201);
    q.c->seg[SEG_CS].attr &= (uint16_t)~ATTR_DB;
    cpu_update_mode(q.c);
    q.c->rip = CODE_AT;
    q.c->halted = 0;
    q.c->gpr[RAX] = 0;
    ck_assert_int_eq(interp_run(q.it, q.c), RUN_HALT);
    ck_assert_uint_eq(q.c->gpr[RAX], 0x0201);
}
END_TEST

START_TEST(test_cs_limit)
{
    CODE(&q, 0x40, 0xb8, 1, 0, 0, 0);
    q.c->seg[SEG_CS].limit = CODE_AT + 3;
    cpu_update_mode(q.c);
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->gpr[RAX], 1);
    irig_steps(&q, 1);
    ck_assert_uint_eq(q.c->rip, 0xa000 + VEC_GP * 16);
    ck_assert_uint_eq(irig_peek(&q, q.c->gpr[RSP] + 4), CODE_AT + 1);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("cache");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_self_modifying);
    tcase_add_test(tc, test_self_modifying_shared);
    tcase_add_test(tc, test_self_modifying_other_engine);
    tcase_add_test(tc, test_next_instruction);
    tcase_add_test(tc, test_monitor_writes);
    tcase_add_test(tc, test_cached_state);
    tcase_add_test(tc, test_idle_page_is_forgotten);
    tcase_add_test(tc, test_straddle);
    tcase_add_test(tc, test_remap);
    tcase_add_test(tc, test_alias);
    tcase_add_test(tc, test_fetch_fault);
    tcase_add_test(tc, test_page_end);
    tcase_add_test(tc, test_code_size);
    tcase_add_test(tc, test_cs_limit);
    return rig_main("interp_cache", tc);
}
