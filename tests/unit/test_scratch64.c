/* What translations of 64-bit code take as scratch, and how often they look deltas up. */
#include <check.h>

#include "bt_rig.h"

enum { RIP = 0x401000, ALL = 64 };

/* R10 and R11 are free where the code does not use them; all others are borrowed. */
static const struct {
    const char *what, *hex;
    unsigned insns, borrowed, lookups;
} cases[] = {
    {"R10, R11 and the stack need nothing", "4c8b5424084d01d34c895c24104152750190", 6, 0, 0},
    {"nor do all registers",
     "488b442408488b4c24104889da4889ee4c89c74d89d14d89e34d89f54c8b7c2418740190", 11, 0, 0},
    {"a pointer needs one", "4c8b174c895708c3", 3, 0, 1},
    {"a pointer and an index need two", "4c8b14c7c3", 2, 1, 1},
    {"two pointers in turns, with two slots for nothing", "488b07488b0e488b4708488b4e08c3", 5, 0,
     2},
    {"two elements of an array, and what is before it, aligned",
     "4863f64863d24c8d04b74c8d0c97418b004103014883e7c00307c3", 9, 0, 1},
    {"a sum, and LEA of it", "0fb6443702488d14370fb60a0fb65c3701c3", 5, 0, 1},
    {"arrays on the stack, by ints of either kind", "89c08b4c84984863d2488b14d4c3", 5, 0, 0},
    {"numbers of bits", "f30f6f07660fd7c8f30fbcc90fb6040ff30fb8c88b048fc3", 7, 0, 1},
    {"bounded by SETcc, CMOVcc, OR, SHL, SAR",
     "8b070fb6c90fb6d209d1c1e10431d18b04cf31d20f94c20f42ca8b04cf48c1fe208b04b7c3", 14, 0, 1},
    {"bounded by BSF and AND of what is", "8b070fb6c9480fbcca8b04cf89cb4821de8b04b7c3", 8, 0, 1},
    {"BSF leaves what may be anything", "8b07480fbcca8b04cfc3", 4, 0, 2},
    {"and so does CMOVcc", "8b07b903000000480f42ca8b04cfc3", 5, 0, 2},
    {"three pointers, all registers but one",
     "c4e2abf606c462a3f67608664c0f38f613c4e29bf64610664c0f38f65b08c46293f67618664c0f38f663"
     "10488d7620488d5b20f34c0f38f6fdc462b3f6014c8953d8c462b3f641084c8953e0c3",
     11, 1, 3},
    {"three pointers in turns, then one more: their deltas wait",
     "8b078b1e8b29034704035e04036904034708035e0803690889028b470c8b5e0cc3", 13, 1, 4},
    {"an index that may be anything", "488b07488b04c7c3", 3, 0, 2},
};

/* RORX r64, r64, 32 */
static unsigned count_lookups(const struct bt_block *b)
{
    unsigned n = 0;

    for (unsigned k = 0; k + 6 <= b->code_len; k++) {
        const uint8_t *p = b->code + k;

        n += p[0] == 0xc4 && (p[1] & 0x1f) == 3 && p[2] == 0xfb && p[3] == 0xf0 && p[5] == 32;
    }
    return n;
}

static unsigned parse(const char *hex, uint8_t *bytes)
{
    unsigned n = 0, v;

    while (n < ALL && sscanf(hex + 2 * n, "%2x", &v) == 1)
        bytes[n++] = (uint8_t)v;
    return n;
}

START_TEST(scratch_by_need)
{
    struct bt_rig rig;

    ck_assert_int_eq(bt_rig_open(&rig), 0);
    for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
        uint8_t bytes[ALL];
        unsigned n = parse(cases[k].hex, bytes);
        struct bt_block *b = bt_rig_translate(&rig, RIP, BT_RIG_LONG, bytes, n, false);
        const char *why = "no block";
        uint64_t at;

        ck_assert_msg(b && bt_block_in_jail(rig.e, b, &why, &at), "%s: %s", cases[k].what, why);
        ck_assert_msg(b->ninsns == cases[k].insns && count_lookups(b) == cases[k].lookups &&
                          (unsigned)__builtin_popcount(b->borrowed) == cases[k].borrowed,
                      "%s: %u instructions, %x borrowed, %u look-ups", cases[k].what, b->ninsns,
                      b->borrowed, count_lookups(b));
    }
    bt_rig_close(&rig);
}
END_TEST

/* Blocks that branch back to their beginning, made loops: keys by register, look-ups at the
 * ordinary entry and in the body. */
static const struct {
    const char *what, *hex;
    unsigned nkeys, base[BT_KEYS], lookups;
} loops[] = {
    {"a pointer, and what is made of another by adding ints",
     "8b0789d14801f103014883c70401c275ef",
     2,
     {RDI, RSI},
     2},
};

static struct bt_block *loop_of(struct bt_rig *rig, const uint8_t *bytes, unsigned n)
{
    struct bt_block *b = bt_rig_translate(rig, RIP, BT_RIG_LONG, bytes, n, false);
    unsigned back = 0;

    ck_assert_ptr_nonnull(b);
    memcpy(rig->e->pm->hva + (b->page->frame << PAGE_SHIFT) + (RIP & PAGE_MASK), bytes, n);
    while (b->exits[back].rip != RIP)
        back++;
    bt_link(rig->e, &b->exits[back], b);
    bt_loop_tail(rig->e, b);
    ck_assert(!b->valid);
    return bt_rig_translate(rig, RIP, BT_RIG_LONG, bytes, n, false);
}

START_TEST(keys_of_loops)
{
    struct bt_rig rig;

    for (unsigned k = 0; k < ARRAY_SIZE(loops); k++) {
        uint8_t bytes[ALL];
        unsigned n = parse(loops[k].hex, bytes);
        const char *why = "no block";
        struct bt_block *b;
        uint64_t at;

        ck_assert_int_eq(bt_rig_open(&rig), 0);
        b = loop_of(&rig, bytes, n);
        ck_assert_msg(b && bt_block_in_jail(rig.e, b, &why, &at), "%s: %s", loops[k].what, why);
        ck_assert_ptr_nonnull(b->loop);
        ck_assert_msg(b->loop->nkeys == loops[k].nkeys && count_lookups(b) == loops[k].lookups,
                      "%s: %u keys, %u look-ups", loops[k].what, b->loop->nkeys, count_lookups(b));
        for (unsigned i = 0; i < b->loop->nkeys; i++)
            ck_assert_uint_eq(b->loop->key[i].base, loops[k].base[i]);
        bt_rig_close(&rig);
    }
}
END_TEST

static void link_to(struct bt_rig *rig, struct bt_block *from, struct bt_block *to)
{
    for (unsigned k = 0; k < from->nexits; k++)
        if (from->exits[k].rip == to->rip)
            bt_link(rig->e, &from->exits[k], to);
}

START_TEST(inner_loops_first)
{
    /* A: XOR ECX, ECX; JMP B; B: ADD EAX, [RSI + RCX * 4]; INC RCX; DEC EDX; JNE B; C: ADD RDI, 4;
     * JNE A */
    static const uint8_t code[] = {0x31, 0xc9, 0xeb, 0,    0x03, 0x04, 0x8e, 0x48, 0xff, 0xc1,
                                   0xff, 0xca, 0x75, 0xf6, 0x48, 0x83, 0xc7, 4,    0x75, 0xec};
    enum { B = 4, C = 14 };
    struct bt_rig rig;
    struct bt_block *a, *b, *c;

    ck_assert_int_eq(bt_rig_open(&rig), 0);
    a = bt_rig_translate(&rig, RIP, BT_RIG_LONG, code, sizeof(code), false);
    b = bt_rig_translate(&rig, RIP + B, BT_RIG_LONG, code + B, sizeof(code) - B, false);
    c = bt_rig_translate(&rig, RIP + C, BT_RIG_LONG, code + C, sizeof(code) - C, false);
    ck_assert(a && b && c);
    memcpy(rig.e->pm->hva + (a->page->frame << PAGE_SHIFT) + (RIP & PAGE_MASK), code, sizeof(code));
    link_to(&rig, a, b);
    link_to(&rig, b, b);
    link_to(&rig, b, c);
    link_to(&rig, c, a);
    bt_loop_tail(rig.e, c);
    ck_assert(a->valid && !b->valid && c->valid && !c->examined);
    ck_assert_uint_eq(a->page->loops->nblocks, 1);
    ck_assert_uint_eq(a->page->loops->block[0], (RIP & PAGE_MASK) + B);
    bt_rig_close(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scratch64");
    TCase *t = tcase_create("scratch64");
    SRunner *r;
    int failed;

    tcase_add_test(t, scratch_by_need);
    tcase_add_test(t, keys_of_loops);
    tcase_add_test(t, inner_loops_first);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
