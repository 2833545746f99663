/* Copies of blocks: each must be, byte for byte, the translation that would be made there. */
#include <check.h>

#include "bt_rig.h"

enum { FRAME = 16 };

static struct bt_rig rig;

static void setup(void)
{
    int err = bt_rig_open(&rig);

    ck_assert_msg(err == 0, "%s", strerror(-err));
}

static void teardown(void)
{
    bt_rig_close(&rig);
}

#define HOME64 UINT64_C(0x555555556100)
#define AWAY64 UINT64_C(0x7f1234567100)
#define HOME32 UINT64_C(0x08048100)
#define AWAY32 UINT64_C(0xb7d33100)

static unsigned left_of_page(uint64_t rip)
{
    return PAGE_SIZE - (rip & PAGE_MASK);
}

/* The code, and RET up to the page's end. */
static struct bt_block *translate(uint64_t rip, uint32_t mode, const uint8_t *code, unsigned n)
{
    uint8_t *at = rig.pm.hva + FRAME * PAGE_SIZE + (rip & PAGE_MASK);

    memset(at, 0xc3, left_of_page(rip));
    memcpy(at, code, n);
    return bt_rig_translate(&rig, rip, mode, at, left_of_page(rip), false);
}

static struct bt_block *copy_at(uint64_t rip, uint32_t mode)
{
    return bt_clone(rig.e, rip, mode, bt_page_get(rig.e, rip >> PAGE_SHIFT, FRAME));
}

/* What would be made there, in no list. */
static struct bt_block *made_at(uint64_t rip, uint32_t mode)
{
    const uint8_t *code = rig.pm.hva + FRAME * PAGE_SIZE + (rip & PAGE_MASK);
    struct bt_page *page = bt_page_get(rig.e, rip >> PAGE_SHIFT, FRAME);
    bool interpret;

    return bt_make(rig.e, rip, mode, page, NULL, code, left_of_page(rip), &interpret);
}

static unsigned kinds(const struct bt_block *b)
{
    unsigned seen = 0;

    for (unsigned k = 0; k < b->moves->n; k++)
        seen |= 1u << b->moves->move[k].kind;
    return seen;
}

static const struct {
    const char *what;
    uint8_t n, code[32];
} code32[] =
    {
        {"CALL +100h", 5, {0xe8, 0, 1, 0, 0}},
        {"CALL back, CALL [EBX], RET", 5, {0xe8, 0xf0, 0xff, 0xff, 0xff}},
        {"CALL [EBX]", 2, {0xff, 0x13}},
        {"RET", 1, {0xc3}},
        {"JZ forward, JNZ forward, JMP back", 6, {0x74, 0x10, 0x75, 0x20, 0xeb, 0xf0}},
        {"LOOP back", 2, {0xe2, 0xfe}},
        {"JECXZ", 2, {0xe3, 0x10}},
        {"RDTSC, CPUID, INT 80h", 6, {0x0f, 0x31, 0x0f, 0xa2, 0xcd, 0x80}},
        {"PUSHF, POPF", 3, {0x9c, 0x9d, 0x90}},
        {"REP MOVSD, MOV EAX, GS:[14h]", 9, {0xf3, 0xa5, 0x65, 0xa1, 0x14, 0, 0, 0, 0xc3}},
},
  code64[] = {
      {"CALL +100h", 5, {0xe8, 0, 1, 0, 0}},
      {"CALL [RIP + 2000h]", 6, {0xff, 0x15, 0, 0x20, 0, 0}},
      {"JMP [RIP + 2000h]", 6, {0xff, 0x25, 0, 0x20, 0, 0}},
      {"LEA RAX, [RIP + 2000h]", 8, {0x48, 0x8d, 0x05, 0, 0x20, 0, 0, 0xc3}},
      {"LEA EAX, [RIP + 2000h]", 7, {0x8d, 0x05, 0, 0x20, 0, 0, 0xc3}},
      {"LEA RSP, [RIP + 2000h]", 8, {0x48, 0x8d, 0x25, 0, 0x20, 0, 0, 0xc3}},
      {"MOV RAX, [RIP]; MOV [RIP + 8], CL; MOV EAX, [1000h]",
       20,
       {0x48, 0x8b, 0x05, 0, 0, 0, 0, 0x88, 0x0d, 8, 0, 0, 0, 0x8b, 0x04, 0x25, 0, 0x10, 0, 0}},
      {"PUSH [RIP + 10h]; CMP [RIP + 20h], 1",
       13,
       {0xff, 0x35, 0x10, 0, 0, 0, 0x80, 0x3d, 0x20, 0, 0, 0, 1}},
      {"SYSCALL", 2, {0x0f, 0x05}},
      {"CPUID, RDTSC, BTS [RBX], RCX", 8, {0x0f, 0xa2, 0x0f, 0x31, 0x48, 0x0f, 0xab, 0x0b}},
      {"JZ forward, MOV R10, R11, JMP back", 7, {0x74, 0x10, 0x4d, 0x89, 0xda, 0xeb, 0xf0}},
      {"RET", 1, {0xc3}},
};

static void one_copy(const char *what, const uint8_t *code, unsigned n, uint64_t home,
                     uint64_t away, uint32_t mode, unsigned *seen)
{
    struct bt_block *b = translate(home, mode, code, n), *copy, *made, *again;

    ck_assert_msg(b && b->moves, "%s", what);
    *seen |= kinds(b);
    copy = copy_at(away, mode);
    ck_assert_msg(copy != NULL, "%s", what);
    made = made_at(away, mode);
    ck_assert_msg(made && bt_same_code(copy, made), "%s", what);
    ck_assert_msg(bt_find(rig.e, away, mode, copy->page) == copy, "%s", what);
    ck_assert_msg(bt_check_moves(rig.e, b), "%s", what);
    /* a copy of a copy, back home */
    bt_invalidate(rig.e, b);
    bt_twin_add(rig.e, copy);
    again = copy_at(home, mode);
    made = made_at(home, mode);
    ck_assert_msg(again && made && bt_same_code(again, made), "%s, again", what);
    bt_flush(rig.e);
}

START_TEST(copies_are_translations)
{
    unsigned seen = 0, user = (BT_RIG_MODE | MODE_CPL3) & ~(unsigned)MODE_IOPL_OK;

    for (unsigned i = 0; i < ARRAY_SIZE(code32); i++)
        one_copy(code32[i].what, code32[i].code, code32[i].n, HOME32, AWAY32, user, &seen);
    user |= MODE_LMA | MODE_CS64;
    for (unsigned i = 0; i < ARRAY_SIZE(code64); i++)
        one_copy(code64[i].what, code64[i].code, code64[i].n, HOME64, AWAY64, user, &seen);
    ck_assert_uint_eq(seen, (1u << (MOVE_SITE + 1)) - 1);
}
END_TEST

/* The template has been run: its exits lead to other blocks. */
START_TEST(exits_begin_unlinked)
{
    static const uint8_t jmp[] = {0xeb, 0x10};
    struct bt_block *b = translate(HOME32, BT_RIG_MODE, jmp, 2), *copy, *made;
    struct bt_block *to = translate(HOME32 + 0x12, BT_RIG_MODE, jmp, 2);

    bt_link(rig.e, &b->exits[0], to);
    copy = copy_at(AWAY32, BT_RIG_MODE);
    made = made_at(AWAY32, BT_RIG_MODE);
    ck_assert(copy && made && bt_same_code(copy, made));
    ck_assert(!copy->exits[0].target && !copy->incoming);
}
END_TEST

/* Where a translation would have made other choices, there is no copy. */
START_TEST(not_everywhere)
{
    static const uint8_t back[] = {0xeb, 0x80}, rip[] = {0x8b, 0x05, 0, 0, 0, 0x40, 0xc3};
    static const uint8_t moffs[] = {0x48, 0xa1, 0, 0, 0, 0, 0x55, 0x55, 0, 0, 0xc3};
    static const uint8_t both[] = {0x8b, 0x05, 0, 0, 0, 0, /* MOV EAX, [RIP] */
                                   0x48, 0xa1, 0, 0, 0, 0x55, 0x55, 0x55, 0, 0, 0xc3};
    uint32_t mode = BT_RIG_LONG | MODE_CPL3;

    ck_assert(translate(HOME32 & ~UINT64_C(0xfff), BT_RIG_MODE, back, sizeof(back)) != NULL);
    ck_assert(copy_at(0x1000, BT_RIG_MODE) != NULL);
    ck_assert(copy_at(0, BT_RIG_MODE) == NULL); /* the target would wrap */
    ck_assert(translate(HOME64, mode, rip, sizeof(rip))->moves != NULL);
    ck_assert(copy_at(UINT64_C(0x7f0080000100), mode) != NULL);
    ck_assert(copy_at(UINT64_C(0x400100), mode) == NULL);
    ck_assert(copy_at(UINT64_C(0x7fff80000100), mode) == NULL);
    ck_assert(copy_at(UINT64_C(0xffffffff81000100), mode) == NULL);
    ck_assert(translate(UINT64_C(0x400200), mode, rip, sizeof(rip))->moves == NULL);
    ck_assert(translate(HOME64 + 0x300, mode, moffs, sizeof(moffs))->moves == NULL);
    ck_assert(translate(HOME64 + 0x400, mode, both, sizeof(both))->moves == NULL);
}
END_TEST

/* Two operands in one piece here, in two there. */
START_TEST(pieces_stay_together)
{
    static const uint8_t two[] = {0x8b, 0x05, 0, 0, 0, 0, 0x8b, 0x0d, 0, 0, 0x10, 0};
    uint32_t mode = BT_RIG_LONG | MODE_CPL3;

    ck_assert(translate(HOME64, mode, two, sizeof(two))->moves != NULL);
    ck_assert(copy_at(UINT64_C(0x7f00ffc00100), mode) != NULL);
    ck_assert(copy_at(UINT64_C(0x7f00fff80100), mode) == NULL);
    bt_flush(rig.e);
    ck_assert(translate(UINT64_C(0x7f00fff80100), mode, two, sizeof(two))->moves == NULL);
}
END_TEST

/* What a template was made from has changed, or is to be translated otherwise. */
START_TEST(templates_end)
{
    static const uint8_t mov[] = {0x8b, 0x03, 0xc3};
    struct bt_block *b = translate(HOME32, BT_RIG_MODE, mov, sizeof(mov)), *copy;

    copy = copy_at(AWAY32, BT_RIG_MODE);
    ck_assert(b && copy);
    bt_invalidate_range(rig.e, FRAME, HOME32 & PAGE_MASK, 1);
    ck_assert(!b->valid && !copy->valid);
    ck_assert(copy_at(AWAY32, BT_RIG_MODE) == NULL);
    b = translate(HOME32, BT_RIG_MODE, mov, sizeof(mov));
    copy = copy_at(AWAY32, BT_RIG_MODE);
    ck_assert(b && copy);
    bt_retranslate(rig.e, copy);
    ck_assert(!b->valid && !copy->valid);
    ck_assert(copy_at(AWAY32, BT_RIG_MODE) == NULL);
    ck_assert(translate(HOME32, BT_RIG_MODE, mov, sizeof(mov)) != NULL);
    ck_assert(copy_at(AWAY32, BT_RIG_MODE | MODE_CPL3) == NULL);
    bt_flush(rig.e);
    ck_assert(copy_at(AWAY32, BT_RIG_MODE) == NULL);
}
END_TEST

static struct bt_ctx *new_context(uint32_t mode, struct bt_page *page)
{
    struct bt_ctx *x = calloc(1, sizeof(*x));

    ck_assert(x != NULL);
    bt_ctx_reset(x);
    x->mode = mode;
    bt_ctx_set_page(rig.e, x, page);
    return x;
}

/* One block of a page brings the others, chained. */
START_TEST(pages_are_copied_whole)
{
    static const uint8_t code[] = {0xeb, 0x0e, [0x10] = 0xeb, 0xee, [0x20] = 0xeb, 0xee};
    const uint64_t home = HOME32 & ~UINT64_C(0xfff), away = AWAY32 & ~UINT64_C(0xfff);
    struct bt_page *page = bt_page_get(rig.e, away >> PAGE_SHIFT, FRAME);
    struct bt_ctx *x = new_context(BT_RIG_MODE, page);
    struct bt_block *first, *second, *third;

    ck_assert(translate(home, BT_RIG_MODE, code, sizeof(code)) != NULL);
    ck_assert(translate(home + 0x10, BT_RIG_MODE, code + 0x10, 2) != NULL);
    ck_assert(translate(home + 0x20, BT_RIG_MODE, code + 0x20, 2) != NULL);
    ck_assert(translate(home + 0x30, BT_RIG_MODE | MODE_CPL3, code, 2) != NULL);
    second = copy_at(away + 0x10, BT_RIG_MODE);
    ck_assert(second && !bt_find(rig.e, away, BT_RIG_MODE, page));
    bt_clone_page(rig.e, x, page);
    first = bt_find(rig.e, away, BT_RIG_MODE, page);
    third = bt_find(rig.e, away + 0x20, BT_RIG_MODE, page);
    ck_assert(first && third && first->exits[0].target == second);
    ck_assert(third->exits[0].target == second);
    bt_unlink(rig.e, &third->exits[0]);
    bt_unlink(rig.e, &first->exits[0]);
    rig.e->cfg.loops_at_once = true;
    bt_chain(rig.e, x, third);
    bt_chain(rig.e, x, first);
    rig.e->cfg.loops_at_once = false;
    ck_assert(first->exits[0].target == second && !third->exits[0].target);
    ck_assert(!bt_find(rig.e, away + 0x30, BT_RIG_MODE | MODE_CPL3, page));
    bt_invalidate(rig.e, first);
    bt_clone_page(rig.e, x, page); /* once */
    ck_assert(!bt_find(rig.e, away, BT_RIG_MODE, page));
    free(x);
}
END_TEST

static bool knows(const struct bt_ctx *x, const struct bt_block *b)
{
    return bt_ctx_entry(x, b->rip) == b->landing;
}

START_TEST(contexts_learn_pages)
{
    static const uint8_t ret[] = {0xc3};
    struct bt_block *b[3], *copy;
    struct bt_ctx *x, *y;

    for (unsigned k = 0; k < 3; k++)
        b[k] = translate(HOME32 + k, BT_RIG_MODE, ret, 1);
    x = new_context(BT_RIG_MODE, b[0]->page);
    y = new_context(BT_RIG_MODE, b[0]->page);
    ck_assert(!knows(x, b[0]));
    bt_ctx_asked(x, b[0]);
    bt_ctx_asked(x, b[1]);
    ck_assert(knows(x, b[0]) && knows(x, b[1]) && !knows(x, b[2]));
    y->neg_tag[bt_jcache_index(b[1]->rip)] = 1; /* something else */
    bt_ctx_asked(y, b[0]);
    ck_assert(knows(y, b[0]) && !knows(y, b[1]));
    bt_ctx_reset(y);
    bt_ctx_reset(x);
    ck_assert(!knows(x, b[0]) && !knows(x, b[1]));
    bt_ctx_asked(x, b[1]);
    ck_assert(knows(x, b[0]) && knows(x, b[1]) && !knows(x, b[2]));
    copy = copy_at(AWAY32, BT_RIG_MODE);
    ck_assert(copy->target && copy->page->targets == copy);
    bt_invalidate(rig.e, b[0]);
    bt_ctx_reset(x);
    bt_ctx_asked(x, b[1]);
    ck_assert(!knows(x, b[0]) && knows(x, b[1]));
    free(x);
    free(y);
}
END_TEST

/* The context may not know its second page, and a look-up would find it for ever. */
START_TEST(straddlers_are_not_learned)
{
    static const uint8_t mov[] = {0xb8, 1, 2, 3, 4, 0xc3};
    struct bt_block *b =
        bt_rig_translate(&rig, HOME32 | 0xffe, BT_RIG_MODE, mov, sizeof(mov), true);
    struct bt_ctx *x = new_context(BT_RIG_MODE, b->page);

    bt_ctx_asked(x, b);
    ck_assert(knows(x, b) && !b->page->targets && !b->moves);
    free(x);
}
END_TEST

START_TEST(targets_of_one_index)
{
    static struct bt_page page = {.vpn = HOME32 >> PAGE_SHIFT};
    struct bt_ctx *x = new_context(BT_RIG_MODE, &page);
    struct bt_block b[8];
    unsigned n = 0;

    for (uint64_t rip = 0; rip < 100; rip++)
        ck_assert_ptr_null(bt_ctx_entry(x, rip));
    for (uint64_t rip = HOME32; n < ARRAY_SIZE(b); rip++)
        if (bt_jcache_index(rip) == bt_jcache_index(HOME32))
            b[n++] = (struct bt_block){.rip = rip, .page = &page, .landing = (uint8_t *)&b[n]};
    for (unsigned k = 0; k < n; k++) {
        bt_ctx_asked(x, &b[k]);
        page.targets = NULL;
    }
    for (unsigned k = 0; k < n; k++) {
        ck_assert(knows(x, &b[k]));
        bt_ctx_asked(x, &b[k]);
        page.targets = NULL;
        ck_assert(knows(x, &b[k]));
    }
    x->all_next = NULL;
    rig.e->all_ctx = x;
    for (unsigned k = 0; k < n; k += 2)
        bt_ctx_drop_block(rig.e, &b[k]);
    rig.e->all_ctx = NULL;
    for (unsigned k = 0; k < n; k++)
        ck_assert(knows(x, &b[k]) == k % 2);
    bt_ctx_reset(x);
    for (unsigned k = 0; k < n; k++)
        ck_assert(!knows(x, &b[k]));
    free(x);
}
END_TEST

/* More entries than the journal has are forgotten as well. */
START_TEST(contexts_forget)
{
    static struct bt_page page = {.vpn = HOME32 >> PAGE_SHIFT};
    struct bt_ctx *x = new_context(BT_RIG_MODE, &page);

    for (unsigned n = BT_JOURNAL - 1; n < BT_JOURNAL + 2; n++) {
        for (unsigned k = 0; k < n; k++) {
            struct bt_block b = {.rip = k * 64, .page = &page};

            bt_ctx_asked(x, &b);
            page.targets = NULL;
        }
        bt_ctx_reset(x);
        for (unsigned i = 0; i < BT_JCACHE; i++)
            ck_assert_uint_eq(x->neg_tag[i], i == bt_jcache_index(0) ? UINT64_MAX : 0);
    }
    free(x);
}
END_TEST

static void one_move(const char *what, const uint8_t *code, unsigned n, uint64_t home,
                     uint64_t away, uint32_t mode)
{
    struct bt_block *b = translate(home, mode, code, n), *made;
    struct bt_page *page = b->page;

    for (uint64_t to = away; b->rip != home || to == away; to = home) {
        uint64_t from = b->rip;

        ck_assert_msg(bt_page_move(rig.e, to >> PAGE_SHIFT, FRAME) == page, "%s", what);
        ck_assert(b->valid && b->rip == to && b->page == page && page->vpn == to >> PAGE_SHIFT);
        ck_assert(!bt_page_find(rig.e, from >> PAGE_SHIFT, FRAME));
        ck_assert(bt_find(rig.e, to, mode, bt_page_find(rig.e, to >> PAGE_SHIFT, FRAME)) == b);
        ck_assert(!bt_find(rig.e, from, mode, page));
        made = made_at(to, mode);
        ck_assert_msg(made && bt_same_code(b, made), "%s", what);
    }
    bt_flush(rig.e);
}

START_TEST(moved_blocks_are_translations)
{
    unsigned user = (BT_RIG_MODE | MODE_CPL3) & ~(unsigned)MODE_IOPL_OK;

    for (unsigned i = 0; i < ARRAY_SIZE(code32); i++)
        one_move(code32[i].what, code32[i].code, code32[i].n, HOME32, AWAY32, user);
    user |= MODE_LMA | MODE_CS64;
    for (unsigned i = 0; i < ARRAY_SIZE(code64); i++)
        one_move(code64[i].what, code64[i].code, code64[i].n, HOME64, AWAY64, user);
}
END_TEST

static bool leaves(const struct bt_exit *x)
{
    return codemem_to_rx(&rig.e->code, x->jump) + 4 + (int32_t)ld32(x->jump) == x->stub;
}

/* Chains inside the page stay, others wait until the other end has been moved as far; what cannot
 * be moved goes. */
START_TEST(pages_are_moved_whole)
{
    static const uint8_t jmp[] = {0xeb, 0x0e}, away[] = {0xe9, 0, 0x10, 0, 0};
    static const uint8_t back[] = {0xe9, 0xe6, 0xef, 0xff, 0xff};
    const uint64_t home = HOME32 & ~UINT64_C(0xfff), vpn = AWAY32 >> PAGE_SHIFT;
    struct bt_block *a = translate(home, BT_RIG_MODE, jmp, 2);
    struct bt_block *b = translate(home + 0x10, BT_RIG_MODE, away, 5);
    struct bt_block *far = translate(home + 0x1015, BT_RIG_MODE, back, 5);
    struct bt_block *high = bt_rig_translate(&rig, home | 0xffe, BT_RIG_MODE,
                                             (const uint8_t[]){0xb8, 1, 2, 3, 4, 0xc3}, 6, true);
    struct bt_ctx *x = new_context(BT_RIG_MODE, far->page), *y = new_context(BT_RIG_MODE, a->page);

    bt_link(rig.e, &a->exits[0], b);
    bt_link(rig.e, &b->exits[0], far);
    bt_link(rig.e, &far->exits[0], a);
    ck_assert(!leaves(&b->exits[0]) && !leaves(&far->exits[0]));
    ck_assert(!bt_page_move(rig.e, vpn, FRAME)); /* y has it */
    bt_ctx_asked(y, a);
    ck_assert(knows(y, a));
    bt_ctx_forget_page(rig.e, y, a->page);
    ck_assert(!knows(y, a));
    ck_assert(bt_page_move(rig.e, vpn, FRAME) == a->page);
    ck_assert(a->exits[0].target == b && b->incoming == &a->exits[0]);
    ck_assert(!leaves(&a->exits[0]) && leaves(&far->exits[0]) && leaves(&b->exits[0]));
    ck_assert(far->valid && !high->valid && far->rip == home + 0x1015 && a->incoming);
    ck_assert_uint_eq(b->exits[0].rip, AWAY32 - (AWAY32 & PAGE_MASK) + 0x1015);
    bt_ctx_set_page(rig.e, y, b->page);
    bt_ctx_forget_page(rig.e, x, far->page);
    ck_assert(bt_page_move(rig.e, vpn + 2, FRAME) == far->page);
    ck_assert(leaves(&far->exits[0]) && leaves(&b->exits[0]));
    ck_assert(bt_page_move(rig.e, vpn + 1, FRAME) == far->page);
    ck_assert(!leaves(&far->exits[0]) && !leaves(&b->exits[0]));
    ck_assert(far->exits[0].target == a && far->exits[0].rip == a->rip);
    bt_ctx_set_page(rig.e, x, far->page);
    bt_invalidate(rig.e, a);
    ck_assert(!b->incoming && leaves(&far->exits[0]));
    bt_ctx_reset(y);
    b->page->loops = (struct bt_loop[]){{0}};
    ck_assert(!bt_page_move(rig.e, vpn + 1, FRAME));
    free(x);
    free(y);
}
END_TEST

/* A field that was not announced, or announced as another. */
START_TEST(the_proof_sees_differences)
{
    static const uint8_t call[] = {0xe8, 0, 1, 0, 0};
    struct bt_block *b = translate(HOME32, BT_RIG_MODE, call, sizeof(call));
    struct bt_moves *m = (struct bt_moves *)(uintptr_t)b->moves;
    unsigned n = m->n;

    ck_assert(bt_check_moves(rig.e, b));
    for (unsigned k = 0; k < n; k++) {
        struct bt_move was = m->move[k];

        m->move[k] = (struct bt_move){.at = m->move[(k + 1) % n].at, .kind = MOVE_INSN};
        ck_assert_msg(!bt_check_moves(rig.e, b), "move %u", k);
        m->move[k] = was;
    }
    ck_assert(bt_check_moves(rig.e, b));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("clone");
    TCase *t = tcase_create("copies");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, copies_are_translations);
    tcase_add_test(t, moved_blocks_are_translations);
    tcase_add_test(t, pages_are_moved_whole);
    tcase_add_test(t, exits_begin_unlinked);
    tcase_add_test(t, not_everywhere);
    tcase_add_test(t, pieces_stay_together);
    tcase_add_test(t, templates_end);
    tcase_add_test(t, pages_are_copied_whole);
    tcase_add_test(t, contexts_learn_pages);
    tcase_add_test(t, straddlers_are_not_learned);
    tcase_add_test(t, targets_of_one_index);
    tcase_add_test(t, contexts_forget);
    tcase_add_test(t, the_proof_sees_differences);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
