/* What the handler of a kick does, wherever it finds the vCPU's thread: stop.c. Blocks are never
 * entered here; test_engine_events.c has kicks that are. */
#include <check.h>
#include <signal.h>

#include "bt_rig.h"

enum { RIP = 0x401000, TF = 1 << 8 };

static const uint32_t modes[] = {BT_RIG_MODE, BT_RIG_LONG};
static struct bt_rig rig;
static struct bt_block *b; /* INC [rBX], and JNZ to itself */

static void open_rig(uint32_t mode)
{
    static const uint8_t code[] = {0xff, 0x03, 0x75, 0xfc};

    ck_assert_int_eq(bt_rig_open(&rig), 0);
    b = bt_rig_translate(&rig, RIP, mode, code, sizeof(code), false);
    ck_assert_ptr_nonnull(b);
    ck_assert_uint_eq(b->exits[0].rip, RIP);
    b->examined = true; /* no loop is made of it */
    bt_link(rig.e, &b->exits[0], b);
    rig.c->kick = 1;
    bt_stop_arm(rig.e);
}

/* Where exit 0 goes. */
static const uint8_t *aim(void)
{
    const uint8_t *jump = b->exits[0].jump;

    return codemem_to_rx(&rig.e->code, jump) + 4 + (int32_t)ld32(jump);
}

static bool held(void)
{
    return aim() == b->exits[0].stub;
}

/* A signal, or the trap behind a step, with RIP at pc; does it go on in steps? */
static bool at(const void *pc, bool step)
{
    ucontext_t uc = {0};
    greg_t *r = uc.uc_mcontext.gregs;

    r[REG_RIP] = (greg_t)(uintptr_t)pc;
    r[REG_EFL] = step ? TF : 0;
    if (step)
        ck_assert(bt_stepped(rig.e, &uc));
    else
        bt_interrupted(rig.e, &uc);
    ck_assert_uint_eq((uint64_t)r[REG_RIP], (uint64_t)(uintptr_t)pc);
    return r[REG_EFL] & TF;
}

START_TEST(block_is_held)
{
    open_rig(modes[_i]);
    ck_assert_ptr_eq(aim(), b->body);
    ck_assert(!at(b->body, false));
    ck_assert(held());
    ck_assert_ptr_eq(b->exits[0].target, b);
    bt_stop_left(rig.e);
    ck_assert_ptr_eq(aim(), b->body);
    bt_rig_close(&rig);
}
END_TEST

/* Unlinked meanwhile, by a callout: it stays so. */
START_TEST(invalidated_while_held)
{
    open_rig(modes[_i]);
    ck_assert(!at(b->body, false));
    bt_invalidate(rig.e, b);
    bt_stop_left(rig.e);
    ck_assert(held());
    bt_rig_close(&rig);
}
END_TEST

START_TEST(lookups_go_on_in_steps)
{
    open_rig(modes[_i]);
    ck_assert(at(b->checked, false));
    ck_assert(at(b->checked + 3, true));
    ck_assert(at(b->landing, true));
    ck_assert(!held());
    ck_assert(!at(b->body, true));
    ck_assert(held());
    bt_stop_left(rig.e);
    bt_rig_close(&rig);
}
END_TEST

START_TEST(assembly_goes_on_in_steps)
{
    const uint8_t *const in_asm[] = {
        (const uint8_t *)(uintptr_t)bt_enter,         (const uint8_t *)(uintptr_t)bt64_enter,
        (const uint8_t *)(uintptr_t)bt_stub_callout,  (const uint8_t *)(uintptr_t)bt64_stub_callout,
        (const uint8_t *)(uintptr_t)bt_stub_sysenter, (const uint8_t *)(uintptr_t)bt64_stub_syscall,
        (const uint8_t *)(uintptr_t)bt_stub_lookup,   (const uint8_t *)(uintptr_t)bt64_stub_lookup,
        (const uint8_t *)(uintptr_t)bt_stub_clts};

    open_rig(modes[_i]);
    for (unsigned k = 0; k < ARRAY_SIZE(in_asm); k++)
        ck_assert_msg(at(in_asm[k], false) && at(in_asm[k], true), "%u", k);
    ck_assert(at(rig.e->code.rx, false)); /* the stubs that lead there */
    ck_assert(!held());
    ck_assert(!at((const uint8_t *)(uintptr_t)bt_callout, true)); /* C */
    ck_assert(!held());
    bt_stop_left(rig.e);
    bt_rig_close(&rig);
}
END_TEST

/* Late, or for somebody else. */
START_TEST(nothing_without_a_kick)
{
    open_rig(modes[_i]);
    rig.c->kick = 0;
    ck_assert(!at(b->body, false) && !at(b->checked, false));
    ck_assert(!held());
    rig.c->kick = 1;
    bt_stop_left(rig.e);
    ck_assert(!at(b->body, false) && !at(b->checked, false));
    ck_assert(!held());
    bt_rig_close(&rig);
}
END_TEST

/* Kicks are the profile that loops are made by. */
START_TEST(loops_are_found)
{
    open_rig(modes[_i]);
    b->examined = false;
    ck_assert(!at(b->body, false));
    bt_stop_left(rig.e);
    ck_assert_int_eq(b->valid, !(modes[_i] & MODE_CS64));
    ck_assert_int_eq(bt_loop_find(b->page, RIP, modes[_i]) != NULL, modes[_i] & MODE_CS64 ? 1 : 0);
    bt_rig_close(&rig);
}
END_TEST

/* The last look at cpu.kick is behind all C. */
START_TEST(kicked_on_the_way_in)
{
    open_rig(modes[_i]);
    rig.e->hot->exit_kind = BT_EXIT_DIRECT;
    (modes[_i] & MODE_CS64 ? bt64_enter : bt_enter)(rig.c, rig.e->hot, b->body);
    ck_assert_uint_eq(rig.e->hot->exit_kind, BT_EXIT_KICK);
    bt_stop_left(rig.e);
    bt_rig_close(&rig);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {block_is_held,          invalidated_while_held,
                                  lookups_go_on_in_steps, assembly_goes_on_in_steps,
                                  nothing_without_a_kick, loops_are_found,
                                  kicked_on_the_way_in};
    Suite *s = suite_create("stop");
    TCase *t = tcase_create("kicks");
    SRunner *r = srunner_create(s);
    int failed;

    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
        tcase_add_loop_test(t, tests[i], 0, (int)ARRAY_SIZE(modes));
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
