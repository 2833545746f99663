/* The jail checker on blocks of 64-bit code, against an attacker who writes host code: blocks that
 * must be refused, each for its reason, and what the translator emits, which must pass. */
#include <check.h>

#include "bt_rig.h"
#include "checker64_blocks.h"

enum { RIP = 0x401000, MAX_MAP = 16, SIZE = 4096 };

static struct bt_rig rig;

struct made {
    struct bt_block *b;
    struct bt_callout *site;
    uint8_t *rw;
    unsigned at;
    struct bt_loop loop;
    struct bt_open open;
};

static bool word(const char *p, const char *w)
{
    return strncmp(p, w, strlen(w)) == 0 && (p[strlen(w)] == ' ' || !p[strlen(w)]);
}

static bool place8(const struct made *m, const char *p, uint64_t *v)
{
    if (word(p, "@exit"))
        *v = (uint64_t)(uintptr_t)&m->b->exits[0];
    else if (word(p, "@site"))
        *v = (uint64_t)(uintptr_t)m->site;
    else if (word(p, "@rip"))
        *v = m->b->rip;
    else if (word(p, "@bad"))
        *v = (uint64_t)(uintptr_t)&rig;
    else
        return false;
    return true;
}

static bool place4(const struct made *m, const char *p, uint32_t *v)
{
    if (word(p, "@pageword"))
        *v = (uint32_t)(offsetof(struct bt_ctx, neg_word) + m->b->page->vpn % BT_WORDS * 4);
    else if (word(p, "@pageid"))
        *v = m->b->page->id;
    else if (word(p, "@name")) /* of an instruction that began 8 bytes before */
        *v = (uint32_t)(m->rw + m->at - 8 - rig.e->code.rw) << BT_BRANCH_SHIFT;
    else
        return false;
    return true;
}

static const uint8_t *branch_target(const struct made *m, const char *p)
{
    static const struct {
        const char *name;
        unsigned at;
    } stub[] = {
        {"@direct", STUB64_DIRECT * STUB_BYTES},    {"@stray", STUB64_STRAY * STUB_BYTES},
        {"@word", STUB64_WORD * STUB_BYTES},        {"@callout", STUB64_CALLOUT * STUB_BYTES},
        {"@direct32", STUB_DIRECT * STUB_BYTES},    {"@out", 1 << 20},
        {"@mid", STUB64_DIRECT * STUB_BYTES + 8},   {"@syscall", STUB64_SYSCALL * STUB_BYTES},
        {"@sysret", STUB64_SYSRET * STUB_BYTES},    {"@iret", STUB64_IRET * STUB_BYTES},
        {"@swapgs", STUB64_SWAPGS * STUB_BYTES},    {"@clts", STUB64_CLTS * STUB_BYTES},
        {"@movcr0", STUB64_MOV_CR0 * STUB_BYTES},   {"@lgdt", STUB64_LGDT * STUB_BYTES},
        {"@lidt", STUB64_LIDT * STUB_BYTES},        {"@rdmsr", STUB64_RDMSR * STUB_BYTES},
        {"@wrmsr", STUB64_WRMSR * STUB_BYTES},      {"@cpuid", STUB64_CPUID * STUB_BYTES},
        {"@store", STUB64_STORE * STUB_BYTES},      {"@popf", STUB64_POPF * STUB_BYTES},
        {"@loadseg", STUB64_LOAD_SEG * STUB_BYTES},
    };

    for (unsigned s = 0; s < ARRAY_SIZE(stub); s++)
        if (word(p, stub[s].name))
            return rig.e->code.rx + stub[s].at;
    if (word(p, "@toside"))
        return m->open.side;
    return m->b->exits[0].stub + word(p, "@jumpnext");
}

static bool loop_mark(struct made *m, const char *p, uint8_t *rx)
{
    static const struct bt_key rbx = {.base = RBX, .index = NO_REG, .scale = 1};
    static const struct bt_key pair = {.base = RBX, .index = RCX, .scale = 4, .disp = 16};

    if (word(p, "@loop")) {
        m->loop = (struct bt_loop){.borrowed = m->b->borrowed, .loaded = m->b->loaded};
        m->b->loop = &m->loop;
    } else if (word(p, "@dirty10")) {
        m->loop.written |= 1 << R10;
    } else if (word(p, "@key8") || word(p, "@pair8")) {
        m->loop.key[0] = word(p, "@key8") ? rbx : pair;
        m->loop.slot[0] = R8;
        m->loop.nkeys = 1;
    } else if (word(p, "@inner")) {
        m->b->inner = rx;
    } else if (word(p, "@open")) {
        m->open.jump = m->rw + m->at;
        m->b->exits[0].open = &m->open;
    } else if (word(p, "@side")) {
        m->open.side = rx;
    } else {
        return false;
    }
    return true;
}

/* Marks of no bytes. */
static bool mark(struct made *m, const char *p)
{
    static const char *const kind[] = {[SITE_PLAIN] = "@plain",
                                       [SITE_POLL] = "@poll",
                                       [SITE_STRING] = "@string",
                                       [SITE_CHECK] = "@check",
                                       [SITE_PROBE] = "@probe"};
    uint8_t *rx = codemem_to_rx(&rig.e->code, m->rw + m->at);

    for (unsigned k = 0; k < ARRAY_SIZE(kind); k++)
        if (word(p, kind[k])) {
            ck_assert_uint_lt(m->b->nmap, MAX_MAP);
            m->b->map[m->b->nmap++] = (struct bt_map){.host = m->at, .kind = (uint8_t)k};
            return true;
        }
    if (word(p, "@borrow8"))
        m->b->borrowed = 1 << R8;
    else if (word(p, "@load10"))
        m->b->loaded |= 1 << R10;
    else if (word(p, "@load11"))
        m->b->loaded |= 1 << R11;
    else if (word(p, "@stub"))
        m->b->exits[0].stub = rx;
    else if (word(p, "@resume"))
        m->site->resume = rx;
    else if (word(p, "@landing"))
        m->b->landing = rx;
    else if (word(p, "@entry"))
        m->b->entry = m->b->body = rx;
    else
        return loop_mark(m, p, rx);
    return true;
}

static void fill(struct made *m, const char *p)
{
    uint8_t *at = m->rw + m->at;
    uint64_t eight;
    uint32_t four;

    if (mark(m, p))
        return;
    if (place8(m, p, &eight)) {
        st64(at, eight);
        m->at += 8;
        return;
    }
    if (word(p, "@jump") || word(p, "@jumpnext"))
        m->b->exits[0].jump = at;
    if (!place4(m, p, &four))
        four = (uint32_t)(branch_target(m, p) - (codemem_to_rx(&rig.e->code, at) + 4));
    st32(at, four);
    m->at += 4;
}

static void assemble(struct made *m, const char *p)
{
    while (*p) {
        if (*p == ' ') {
            p++;
        } else if (*p == '@') {
            fill(m, p);
            p += strcspn(p, " ");
        } else {
            unsigned byte;

            ck_assert_int_eq(sscanf(p, "%2x", &byte), 1);
            m->rw[m->at++] = (uint8_t)byte;
            p += 2;
        }
    }
}

/* Twice: the first time finds where things are. */
static void make(struct made *m, const struct block *t, uint32_t mode, const char *begin)
{
    m->open.side = NULL;
    m->rw = codemem_begin(&rig.e->code, SIZE);
    m->b = bt_alloc(rig.e, sizeof(*m->b));
    m->site = bt_alloc(rig.e, sizeof(*m->site));
    ck_assert(m->rw && m->b && m->site);
    *m->b = (struct bt_block){.rip = RIP, .mode = mode, .guest_len = 1, .nexits = 1};
    *m->site = (struct bt_callout){.rip = RIP};
    m->b->page = bt_page_get(rig.e, RIP >> PAGE_SHIFT, 16);
    m->b->code = m->b->checked = m->b->entry = m->b->body = codemem_to_rx(&rig.e->code, m->rw);
    m->b->exits = bt_alloc(rig.e, sizeof(*m->b->exits));
    m->b->map = bt_alloc(rig.e, MAX_MAP * sizeof(*m->b->map));
    ck_assert(m->b->page && m->b->exits && m->b->map);
    m->b->exits[0] = (struct bt_exit){.jump = m->rw, .stub = m->b->code, .from = m->b};
    m->b->nexits = strstr(t->hex, "@exit") ? 1 : 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        m->at = 0;
        m->b->nmap = 0;
        m->b->borrowed = m->b->loaded = 0;
        assemble(m, begin);
        assemble(m, t->hex);
    }
    m->b->code_len = m->at;
}

/* False, and a line on stderr, when the verdict is not the expected one. */
static bool verdict(const struct block *t, uint32_t mode, const char *begin)
{
    struct made m;
    const char *why = NULL;
    uint64_t where;
    bool ok;

    make(&m, t, mode, begin);
    ok = bt_block_in_jail(rig.e, m.b, &why, &where);
    if (ok == !t->why && (ok || strstr(why, t->why)))
        return true;
    fprintf(stderr, "%s: %s at +%llx, wanted: %s\n", t->what, ok ? "accepted" : why,
            (unsigned long long)(where - (uint64_t)(uintptr_t)m.b->code),
            t->why ? t->why : "accepted");
    return false;
}

static unsigned all(const struct block *t, unsigned n, uint32_t mode, const char *begin)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < n; i++)
        wrong += !verdict(&t[i], mode, begin);
    return wrong;
}

static void setup(void)
{
    ck_assert_int_eq(bt_rig_open(&rig), 0);
}

static void teardown(void)
{
    bt_rig_close(&rig);
}

/* The hand-made blocks know these numbers. */
START_TEST(offsets)
{
    ck_assert_uint_eq(offsetof(struct bt_hot, sel), 136);
    ck_assert_uint_eq(offsetof(struct bt_hot, df), 216);
    ck_assert_uint_eq(offsetof(struct bt_hot, home), 224);
    ck_assert_uint_eq(offsetof(struct bt_hot, rsp_not), 360);
    ck_assert_uint_eq(offsetof(struct bt_hot, seg_lin), 368);
    ck_assert_uint_eq(offsetof(struct bt_hot, seg_host), 416);
    ck_assert_uint_eq(offsetof(struct bt_hot, str_src), 464);
    ck_assert_uint_eq(offsetof(struct bt_hot, cpu), 480);
    ck_assert_uint_eq(offsetof(struct bt_hot, level), 0x1f8);
    ck_assert_uint_eq(offsetof(struct bt_hot, desc_lin), 0x298);
    ck_assert_uint_eq(offsetof(struct bt_hot, frame), 0x2b8);
    ck_assert_uint_eq(offsetof(struct bt_hot, desc), 0x2e0);
    ck_assert_uint_eq(offsetof(struct bt_hot, ways), 0x308);
    ck_assert_uint_eq(offsetof(struct bt_hot, delta), 0xb00);
    ck_assert_uint_eq(offsetof(struct bt_hot, landings), 0xc0);
    ck_assert_uint_eq(offsetof(struct bt_hot, branch), 0xc8);
    ck_assert_uint_eq(SMMU_BLOCK_TABLE, 0x10000);
}
END_TEST

START_TEST(accepts_what_is_emitted)
{
    ck_assert_uint_eq(all(good, ARRAY_SIZE(good), BT_RIG_LONG, BEGIN), 0);
}
END_TEST

START_TEST(refuses_the_rest)
{
    ck_assert_uint_eq(all(bad, ARRAY_SIZE(bad), BT_RIG_LONG, BEGIN), 0);
}
END_TEST

START_TEST(pages_are_compared_first)
{
    ck_assert_uint_eq(all(bad_entry, ARRAY_SIZE(bad_entry), BT_RIG_LONG, ""), 0);
}
END_TEST

START_TEST(only_the_block_lands)
{
    ck_assert_uint_eq(all(landings, ARRAY_SIZE(landings), BT_RIG_LONG, ""), 0);
}
END_TEST

START_TEST(interrupt_flag_of_user_code)
{
    const uint32_t user = (BT_RIG_LONG | MODE_CPL3) & ~(uint32_t)MODE_IOPL_OK;

    ck_assert_uint_eq(all(bad_for_user, ARRAY_SIZE(bad_for_user), user, BEGIN), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(bad_for_user); i++) {
        struct block kernel = {NULL, bad_for_user[i].what, bad_for_user[i].hex};

        ck_assert(verdict(&kernel, BT_RIG_LONG, BEGIN));
    }
}
END_TEST

/* Guest code whose translation once left the jail, or does so easily. */
static const struct {
    const char *what;
    uint8_t n, code[28];
} guests[] = {
    {"masked moves as touches of RSP",
     18,
     {0x48, 0x81, 0xec, 0, 0, 0x10, 0, 0xc4, 0xe2, 0x71, 0x2c, 0x14, 0x24, 0xeb, 0, 0xeb, 0, 0xc3}},
    {"MOV RAX, moffs64 with REX.R; R8 would be the delta",
     28,
     {0x49, 0x01, 0xc2, 0x4d, 0x01, 0xdb, 0x4d, 0x01, 0xc9, 0x4c, 0xa1, 1, 0, 0,
      0,    2,    0,    0,    0,    0xa1, 9,    0,    0,    0,    2,    0, 0, 0}},
    {"PEXTRW ESP, XMM4", 6, {0x66, 0x0f, 0xc5, 0xe4, 0x01, 0xc3}},
    {"PMOVMSKB ESP, XMM4", 5, {0x66, 0x0f, 0xd7, 0xe4, 0xc3}},
    {"SUB RSP in the middle, then a branch",
     13,
     {0x48, 0x81, 0xec, 0, 0, 0x10, 0, 0x74, 0x02, 0xff, 0xc0, 0x59, 0xc3}},
    {"XCHG RSP, [RSP+8]", 6, {0x48, 0x87, 0x64, 0x24, 0x08, 0xc3}},
    {"RET 0FFF8h", 3, {0xc2, 0xf8, 0xff}},
    {"POP [RSP]", 4, {0x8f, 0x04, 0x24, 0xc3}},
    {"ENTER and LEAVE", 6, {0xc8, 8, 0, 3, 0xc9, 0xc3}},
    {"BTS [RBX], RCX; BTS [RSP], RCX", 9, {0x48, 0x0f, 0xab, 0x0b, 0x48, 0x0f, 0xab, 0x0c, 0x24}},
    {"CMOV of a cached base",
     11,
     {0x8b, 0x03, 0x48, 0x0f, 0x44, 0xd9, 0x8b, 0x43, 0x04, 0x90, 0xc3}},
    {"CMPXCHG of a cached base", 8, {0x8b, 0x08, 0x48, 0x0f, 0xb1, 0xcb, 0x8b, 0x08}},
};

START_TEST(translations_stay_in_jail)
{
    for (unsigned i = 0; i < ARRAY_SIZE(guests); i++)
        for (uint64_t rip = RIP; rip; rip = rip == RIP ? UINT64_C(0xffffffff81000000) : 0) {
            const char *why = "no block";
            uint64_t at;
            struct bt_block *b =
                bt_rig_translate(&rig, rip, BT_RIG_LONG, guests[i].code, guests[i].n, false);

            ck_assert_msg(b && bt_block_in_jail(rig.e, b, &why, &at), "%s: %s", guests[i].what,
                          why);
        }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("checker64");
    TCase *t = tcase_create("blocks");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, offsets);
    tcase_add_test(t, accepts_what_is_emitted);
    tcase_add_test(t, refuses_the_rest);
    tcase_add_test(t, pages_are_compared_first);
    tcase_add_test(t, only_the_block_lands);
    tcase_add_test(t, interrupt_flag_of_user_code);
    tcase_add_test(t, translations_stay_in_jail);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
