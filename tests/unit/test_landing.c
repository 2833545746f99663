/* Landings of contexts: which there are, and that they go with their entries in the jump cache
 * (landing.c). That branches find them is shown by everything that runs. */
#include <check.h>

#include "bt_rig.h"

enum { RIP = 0x401000 };

static const uint8_t ret[] = {0xc3};
static const uint32_t modes[] = {BT_RIG_MODE, BT_RIG_LONG};
static struct bt_rig rig;
static struct bt_ctx *x;
static struct bt_block *b;

static void setup(void)
{
    ck_assert_int_eq(bt_rig_open(&rig), 0);
}

static void teardown(void)
{
    bt_rig_close(&rig);
}

static const uint8_t **landing_of(uint64_t rip)
{
    return &x->landing[(uint16_t)rip];
}

/* A block that was asked for, and has been looked up since, by assembly. */
static void land(uint32_t mode)
{
    b = bt_rig_translate(&rig, RIP, mode, ret, sizeof(ret), false);
    x = bt_ctx_get(rig.e, mode);
    ck_assert(b && x);
    bt_ctx_set_page(rig.e, x, b->page);
    bt_ctx_asked(x, b);
    ck_assert_ptr_eq(*landing_of(RIP), x->no_landing);
    *landing_of(RIP) = b->landing;
}

START_TEST(nothing_lands_at_first)
{
    const void *const lookup =
        _i ? (const void *)(uintptr_t)bt64_stub_lookup : (const void *)(uintptr_t)bt_stub_lookup;

    x = bt_ctx_map(rig.e, _i);
    ck_assert_ptr_nonnull(x);
    ck_assert_uint_eq((uintptr_t)x % sizeof(x->landing), 0);
    for (unsigned k = 0; k < BT_LANDINGS; k++)
        ck_assert_ptr_eq(x->landing[k], lookup);
    ck_assert_ptr_eq(rig.e->empty_ctx[_i]->landing[RIP & 0xffff], lookup);
    bt_ctx_unmap(x);
}
END_TEST

START_TEST(landings_begin_lines)
{
    for (unsigned k = 0; k < 4; k++) {
        b = bt_rig_translate(&rig, RIP + k, modes[_i], ret, sizeof(ret), false);
        ck_assert(b && b->checked == b->code && b->landing > b->checked && b->entry > b->landing);
        ck_assert_uint_eq((uintptr_t)b->landing % 64, 0);
        ck_assert_ptr_eq(bt_block_at(rig.e, (uintptr_t)b->landing), b);
    }
}
END_TEST

START_TEST(reset)
{
    land(modes[_i]);
    bt_ctx_reset(x);
    ck_assert_ptr_eq(*landing_of(RIP), x->no_landing);
}
END_TEST

/* When the journal has run over, too. */
START_TEST(reset_of_many)
{
    land(modes[_i]);
    x->nset = BT_JOURNAL + 1;
    bt_ctx_reset(x);
    ck_assert_ptr_eq(*landing_of(RIP), x->no_landing);
}
END_TEST

START_TEST(invalidated)
{
    land(modes[_i]);
    bt_invalidate(rig.e, b);
    ck_assert_ptr_eq(*landing_of(RIP), x->no_landing);
}
END_TEST

START_TEST(page_unmapped)
{
    land(modes[_i]);
    bt_ctx_forget_page(rig.e, x, b->page);
    ck_assert_ptr_eq(*landing_of(RIP), x->no_landing);
}
END_TEST

/* Another block takes the entry: the landing would not be forgotten with it later. */
START_TEST(entry_taken)
{
    struct bt_block other = {.page = NULL};

    land(modes[_i]);
    other.page = b->page;
    other.page2 = b->page;
    for (other.rip = RIP + 0x1001; bt_jcache_index(other.rip) != bt_jcache_index(RIP);)
        other.rip++;
    bt_ctx_asked(x, &other);
    ck_assert_ptr_eq(*landing_of(RIP), x->no_landing);
}
END_TEST

/* Somebody else's with the same 16 bits stays. */
START_TEST(not_its_own)
{
    struct bt_block *other;

    land(modes[_i]);
    other = bt_rig_translate(&rig, RIP + 0x10000, modes[_i], ret, sizeof(ret), false);
    ck_assert_ptr_nonnull(other);
    bt_ctx_set_page(rig.e, x, other->page);
    bt_ctx_asked(x, b);
    bt_ctx_asked(x, other);
    *landing_of(RIP) = other->landing;
    bt_invalidate(rig.e, b);
    ck_assert_ptr_eq(*landing_of(RIP), other->landing);
}
END_TEST

/* RSP and RIP as before the branch; what it did to RSP is in its name. */
START_TEST(branch_undone)
{
    static const struct {
        int add;
        uint8_t code[4];
    } branch[] = {{0, {0x90, 0xff, 0xe0}}, {8, {0x90, 0xff, 0xd0}}, {-8, {0x90, 0xc3}}};

    for (unsigned k = 0; k < ARRAY_SIZE(branch); k++) {
        const uint8_t *p;

        b = bt_rig_translate(&rig, RIP + 16 * k, BT_RIG_LONG, branch[k].code, 3 - (k == 2), false);
        ck_assert_ptr_nonnull(b);
        for (p = b->entry; p[0] != 0x65 || p[1] != 0xc7; p++) /* MOV dword gs:[], */
            ck_assert(p < b->code + b->code_len);
        rig.e->hot->branch = ld32(p + 8);
        rig.c->mode = BT_RIG_LONG;
        rig.c->gpr[RSP] = 0x1000;
        rig.c->rip = UINT64_C(1) << 47;
        ck_assert(bt64_undo_branch(rig.e));
        ck_assert_uint_eq(rig.c->rip, b->rip + 1);
        ck_assert_uint_eq(rig.c->gpr[RSP], 0x1000 + (uint64_t)branch[k].add);
        rig.c->rip = RIP;
        ck_assert(!bt64_undo_branch(rig.e));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("landing");
    TCase *t = tcase_create("contexts");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, nothing_lands_at_first, 0, 2);
    tcase_add_loop_test(t, landings_begin_lines, 0, 2);
    tcase_add_loop_test(t, reset, 0, 2);
    tcase_add_loop_test(t, reset_of_many, 0, 2);
    tcase_add_loop_test(t, invalidated, 0, 2);
    tcase_add_loop_test(t, page_unmapped, 0, 2);
    tcase_add_loop_test(t, entry_taken, 0, 2);
    tcase_add_loop_test(t, not_its_own, 0, 2);
    tcase_add_test(t, branch_undone);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
