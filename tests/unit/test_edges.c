/* Chains between pages: where they enter their targets as contexts get to know pages and forget
 * them. Blocks are never entered here; the guest `edges` runs what goes wrong otherwise. */
#include <check.h>

#include "bt_rig.h"

enum { A = 0x401000, B = 0x402000, FRAME = 16, USER = BT_RIG_MODE | MODE_CPL3 };

static struct bt_rig rig;
static struct bt_block *a, *b; /* a: JMP b */
static struct bt_ctx *x;

static struct bt_block *block_at(uint64_t rip, uint32_t mode, uint64_t frame)
{
    static const uint8_t jmp[] = {0xe9, 0xfb, 0x0f, 0, 0}; /* to rip + 1000h */
    bool interpret;

    return bt_translate(rig.e, rip, mode, bt_page_get(rig.e, rip >> PAGE_SHIFT, frame), NULL, jmp,
                        sizeof(jmp), &interpret);
}

static struct bt_ctx *context(uint32_t mode)
{
    struct bt_ctx *y = calloc(1, sizeof(*y));

    ck_assert_ptr_nonnull(y);
    bt_ctx_reset(y);
    y->mode = mode;
    y->all_next = rig.e->all_ctx;
    rig.e->all_ctx = y;
    if (!(mode & MODE_CPL3)) {
        y->next = rig.e->kernel_ctx;
        rig.e->kernel_ctx = y;
    }
    return y;
}

static void drop(struct bt_ctx *y)
{
    ck_assert_ptr_eq(rig.e->all_ctx, y);
    bt_ctx_reset(y);
    rig.e->all_ctx = y->all_next;
    if (rig.e->kernel_ctx == y)
        rig.e->kernel_ctx = y->next;
    free(y);
}

/* Where the exit leads by its address does not matter here. */
static void lead(struct bt_exit *exit, struct bt_block *to)
{
    exit->rip = to->rip;
    bt_link(rig.e, exit, to);
}

static void learn(struct bt_ctx *y, struct bt_page *page)
{
    bt_ctx_set_page(rig.e, y, page);
}

static void forget(struct bt_ctx *y, struct bt_page *page)
{
    bt_ctx_forget_page(rig.e, y, page);
}

static void open_rig(uint32_t mode)
{
    ck_assert_int_eq(bt_rig_open(&rig), 0);
    x = context(mode);
    a = block_at(A, mode, FRAME);
    b = block_at(B, mode, FRAME + 1);
    ck_assert(a && b);
    learn(x, a->page);
    learn(x, b->page);
    lead(&a->exits[0], b);
}

static void close_rig(void)
{
    drop(x);
    bt_rig_close(&rig);
}

static const uint8_t *aim_of(const struct bt_block *from)
{
    const uint8_t *jump = from->exits[0].jump;

    return codemem_to_rx(&rig.e->code, jump) + 4 + (int32_t)ld32(jump);
}

static bool unchecked(void)
{
    ck_assert(aim_of(a) == b->body || aim_of(a) == b->checked);
    return aim_of(a) == b->body;
}

static const uint32_t modes[] = {BT_RIG_MODE, USER, BT_RIG_LONG, BT_RIG_LONG | MODE_CPL3};

START_TEST(one_context)
{
    open_rig(modes[_i]);
    ck_assert(unchecked());
    forget(x, b->page);
    ck_assert(!unchecked());
    learn(x, b->page);
    ck_assert(unchecked());
    forget(x, a->page); /* nobody comes that way */
    forget(x, b->page);
    learn(x, a->page);
    ck_assert(!unchecked());
    learn(x, b->page);
    ck_assert(unchecked());
    bt_ctx_reset(x);
    learn(x, b->page);
    learn(x, a->page);
    ck_assert(unchecked());
    close_rig();
}
END_TEST

START_TEST(not_known_when_linked)
{
    struct bt_block *c;

    open_rig(modes[_i]);
    c = block_at(B + PAGE_SIZE, modes[_i], FRAME + 2);
    lead(&b->exits[0], c);
    ck_assert_ptr_eq(aim_of(b), c->checked);
    learn(x, c->page);
    ck_assert_ptr_eq(aim_of(b), c->body);
    close_rig();
}
END_TEST

/* A page whose word is the same takes its place. */
START_TEST(replaced_in_the_context)
{
    struct bt_page *other;

    open_rig(modes[_i]);
    other = bt_page_get(rig.e, b->page->vpn + BT_WORDS, FRAME + 2);
    learn(x, other);
    ck_assert(!unchecked());
    learn(x, b->page);
    ck_assert(unchecked());
    close_rig();
}
END_TEST

/* A second process has the first page, and something else where the second one is. */
START_TEST(two_contexts)
{
    struct bt_page *other;
    struct bt_ctx *y;

    open_rig(USER);
    other = bt_page_get(rig.e, b->page->vpn, FRAME + 2);
    y = context(USER);
    learn(y, other);
    ck_assert(unchecked());
    learn(y, a->page);
    ck_assert(!unchecked());
    forget(y, other);
    learn(y, b->page); /* as a child that has not written yet */
    bt_edges_found(rig.e, a);
    ck_assert(unchecked());
    learn(y, other);
    ck_assert(!unchecked());
    bt_edges_found(rig.e, a);
    ck_assert(!unchecked());
    drop(y);
    bt_edges_found(rig.e, b);
    ck_assert(unchecked());
    close_rig();
}
END_TEST

/* What other modes know does not count. */
START_TEST(other_modes)
{
    struct bt_ctx *y;

    open_rig(modes[_i]);
    y = context(modes[_i] ^ MODE_NOFPU);
    learn(y, a->page);
    ck_assert(unchecked());
    drop(y);
    close_rig();
}
END_TEST

/* Processes that come and go do not aim for ever; where time is spent is seen by kicks. */
START_TEST(tired)
{
    open_rig(modes[_i]);
    for (unsigned n = 0; n < EDGE_TIRED; n++) {
        ck_assert(unchecked());
        forget(x, b->page);
        ck_assert(!unchecked());
        learn(x, b->page);
    }
    ck_assert(!unchecked());
    bt_edges_found(rig.e, a);
    ck_assert(unchecked());
    forget(x, b->page);
    ck_assert(!unchecked());
    close_rig();
}
END_TEST

/* The handler of a kick has aimed the exit at its stub; then the page goes, or comes. */
START_TEST(held_meanwhile)
{
    open_rig(modes[_i]);
    bt_stop_arm(rig.e);
    rig.e->held = a;
    bt_hold(rig.e, a);
    forget(x, b->page);
    ck_assert_ptr_eq(aim_of(a), a->exits[0].stub);
    learn(x, b->page);
    ck_assert_ptr_eq(aim_of(a), a->exits[0].stub);
    forget(x, b->page);
    bt_stop_left(rig.e);
    ck_assert(!unchecked());
    close_rig();
}
END_TEST

/* MOV EAX, imm32 over the end of b's page: who goes there must know a third one. */
START_TEST(straddles)
{
    static const uint8_t mov[] = {0xb8, 1, 2, 3, 4};
    struct bt_page *page2;
    struct bt_block *s;
    bool interpret;

    open_rig(modes[_i]);
    page2 = bt_page_get(rig.e, b->page->vpn + 1, _i & 1 ? FRAME + 1 : FRAME + 2);
    s = bt_translate(rig.e, B + 0xffd, modes[_i], b->page, page2, mov, sizeof(mov), &interpret);
    bt_unlink(rig.e, &a->exits[0]);
    lead(&a->exits[0], s);
    ck_assert_ptr_eq(aim_of(a), s->checked);
    lead(&b->exits[0], s); /* in the page */
    ck_assert_ptr_eq(aim_of(b), s->checked);
    learn(x, page2);
    ck_assert(aim_of(a) == s->body && aim_of(b) == s->body);
    forget(x, page2);
    ck_assert(aim_of(a) == s->checked && aim_of(b) == s->checked);
    learn(x, page2);
    forget(x, b->page);
    ck_assert(aim_of(a) == s->checked && aim_of(b) == s->body);
    forget(x, page2);
    learn(x, b->page);
    ck_assert(aim_of(a) == s->checked && aim_of(b) == s->checked);
    close_rig();
}
END_TEST

/* The page of a process that has ended serves another, elsewhere. */
START_TEST(moved)
{
    uint64_t vpn = UINT64_C(0xb7d33);
    struct bt_block *to;

    open_rig(USER);
    bt_ctx_reset(x);
    ck_assert_ptr_eq(bt_page_move(rig.e, vpn, FRAME), a->page);
    learn(x, a->page);
    to = block_at((vpn + 1) << PAGE_SHIFT, USER, FRAME + 2);
    lead(&a->exits[0], to);
    ck_assert_ptr_eq(aim_of(a), to->checked);
    learn(x, to->page);
    ck_assert_ptr_eq(aim_of(a), to->body);
    close_rig();
}
END_TEST

START_TEST(dropped)
{
    open_rig(modes[_i]);
    bt_invalidate(rig.e, b);
    ck_assert_ptr_eq(aim_of(a), a->exits[0].stub);
    forget(x, b->page);
    learn(x, b->page);
    bt_edges_found(rig.e, b);
    ck_assert_ptr_eq(aim_of(a), a->exits[0].stub);
    bt_flush(rig.e);
    ck_assert(!bt_page_get(rig.e, A >> PAGE_SHIFT, FRAME)->out);
    close_rig();
}
END_TEST

/* ---- anything at all, in any order ---- */

enum { PAGES = 5, VERSIONS = 2, CONTEXTS = 4, STEPS = 5000 };

static struct {
    struct bt_block *block[PAGES][VERSIONS][2]; /* [1] straddles */
    struct bt_ctx *context[CONTEXTS];
    uint32_t seed;
} model;

static unsigned draw(unsigned n)
{
    model.seed = model.seed * 1664525 + 1013904223;
    return (model.seed >> 8) % n;
}

static bool knows(const struct bt_ctx *y, const struct bt_page *p)
{
    return y->page[p->vpn % BT_WORDS] == p;
}

/* Who can be at the exit knows what the checks of its target ask for. */
static bool may_skip(const struct bt_block *from, const struct bt_block *to)
{
    for (const struct bt_ctx *y = rig.e->all_ctx; y; y = y->all_next)
        if (y->mode == from->mode && knows(y, from->page) &&
            !(knows(y, to->page) && (!to->page2 || knows(y, to->page2))))
            return false;
    return true;
}

static void check_exits(const struct bt_block *from)
{
    for (unsigned k = 0; k < from->nexits; k++) {
        const struct bt_block *to = from->exits[k].target;
        const uint8_t *at = codemem_to_rx(&rig.e->code, from->exits[k].jump) + 4 +
                            (int32_t)ld32(from->exits[k].jump);

        if (!to || from == rig.e->held)
            ck_assert(at == from->exits[k].stub);
        else if (at == to->body)
            ck_assert(may_skip(from, to));
        else
            ck_assert(at == to->checked);
    }
}

static struct bt_page *model_page(unsigned n, unsigned version)
{
    return bt_page_get(rig.e, (A >> PAGE_SHIFT) + n % PAGES,
                       FRAME + n % PAGES * VERSIONS + version);
}

static void make_model_blocks(unsigned n, unsigned version)
{
    static const uint8_t two[] = {0x74, 0x10, 0xeb, 0x20}, mov[] = {0xb8, 1, 2, 3, 4};
    uint64_t rip = A + n * PAGE_SIZE;
    struct bt_block **made = model.block[n][version];
    bool interpret;

    made[0] =
        bt_translate(rig.e, rip, USER, model_page(n, version), NULL, two, sizeof(two), &interpret);
    made[1] = bt_translate(rig.e, rip + 0xffd, USER, model_page(n, version),
                           model_page(n + 1, draw(VERSIONS)), mov, sizeof(mov), &interpret);
    ck_assert(made[0] && made[1]);
}

static struct bt_block *any_block(void)
{
    return model.block[draw(PAGES)][draw(VERSIONS)][draw(2)];
}

static void link_any(void)
{
    struct bt_block *from = any_block(), *to = any_block();
    struct bt_exit *exit = &from->exits[draw(from->nexits)];

    if (exit->target) {
        bt_unlink(rig.e, exit);
    } else if (from != rig.e->held) {
        lead(exit, to);
    }
}

static void one_step(void)
{
    struct bt_ctx *y = model.context[draw(CONTEXTS)];
    struct bt_page *p = model_page(draw(PAGES), draw(VERSIONS));

    switch (draw(8)) {
    case 0:
    case 1:
        link_any();
        break;
    case 2:
        bt_edges_found(rig.e, any_block());
        break;
    case 3:
        if (draw(20) == 0)
            bt_ctx_reset(y);
        break;
    case 4:
        if (rig.e->held)
            bt_stop_left(rig.e);
        else
            bt_hold(rig.e, rig.e->held = any_block());
        break;
    case 5:
        if (knows(y, p))
            forget(y, p);
        break;
    default:
        if (!knows(y, p))
            learn(y, p);
    }
}

START_TEST(any_order)
{
    ck_assert_int_eq(bt_rig_open(&rig), 0);
    model.seed = (uint32_t)_i + 1;
    for (unsigned n = 0; n < CONTEXTS; n++)
        model.context[n] = context(n ? USER : USER | MODE_NOFPU);
    for (unsigned n = 0; n < PAGES * VERSIONS; n++)
        make_model_blocks(n / VERSIONS, n % VERSIONS);
    for (unsigned step = 0; step < STEPS; step++) {
        one_step();
        for (unsigned k = 0; k < rig.e->nblocks; k++)
            check_exits(rig.e->by_addr[k]);
    }
    ck_assert_uint_gt(rig.e->stats.edges_opened, 100);
    ck_assert_uint_gt(rig.e->stats.edges_closed, 100);
    rig.e->held = NULL;
    for (unsigned n = CONTEXTS; n-- > 0;)
        drop(model.context[n]);
    bt_rig_close(&rig);
}
END_TEST

int main(void)
{
    const int nmodes = ARRAY_SIZE(modes);
    Suite *s = suite_create("edges");
    TCase *t = tcase_create("edges");
    SRunner *r;
    int failed;

    tcase_add_loop_test(t, one_context, 0, nmodes);
    tcase_add_loop_test(t, not_known_when_linked, 0, nmodes);
    tcase_add_loop_test(t, replaced_in_the_context, 0, nmodes);
    tcase_add_test(t, two_contexts);
    tcase_add_loop_test(t, other_modes, 0, nmodes);
    tcase_add_loop_test(t, tired, 0, nmodes);
    tcase_add_loop_test(t, held_meanwhile, 0, nmodes);
    tcase_add_loop_test(t, straddles, 0, nmodes);
    tcase_add_test(t, moved);
    tcase_add_loop_test(t, dropped, 0, nmodes);
    tcase_add_loop_test(t, any_order, 0, 4);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
