/* Golden translations: what a hundred short guest sequences become, so that a change of the
 * translator shows in review.
 *
 * translate_golden.txt is input and expectation in one. A case is
 *
 *   > 8b 03 c3         kernel view      mov eax,[ebx]; ret
 *     host instructions, indented
 *
 * with guest bytes, flags (user: CPL 3; view, simulate: every site adapted so; checked: from the
 * checked entry; nofpu; real: real mode; code16:
 * 16-bit protected mode; odd: code segment of 1 MiB) and a remark after two blanks. With
 * GOLDEN_UPDATE=1 in the environment the file is written anew: add a line with '>', run, read the
 * difference, commit. Host pointers are masked: exits and callouts are named.
 */
#include <capstone/capstone.h>
#include <check.h>
#include <inttypes.h>

#include "bt_rig.h"

enum { EIP = 0x1000, FRAME = 16, TEXT = 1 << 18 };

struct text {
    char *p;
    size_t len;
};

struct golden {
    struct bt_rig rig;
    csh cs;
    struct text out;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    t->len += (size_t)vsnprintf(t->p + t->len, TEXT - t->len, fmt, ap);
    va_end(ap);
    ck_assert_uint_lt(t->len, TEXT);
}

static const char *golden_path(void)
{
    static char path[4096];
    char *slash;

    snprintf(path, sizeof(path), "%s", __FILE__);
    slash = strrchr(path, '/');
    strcpy(slash ? slash + 1 : path, "translate_golden.txt");
    return path;
}

static void put_target(struct golden *g, const struct bt_block *b, uint64_t target)
{
    static const char *const stub[NSTUBS] = {
        "stub_direct",   "stub_indirect", "stub_stray", "stub_word",     "stub_callout",
        "stub_sysenter", "stub_sysexit",  "stub_iret",  "stub_load_seg", "stub_pop_seg",
        "stub_clts",     "stub_mov_cr0",  "stub_lgdt",  "stub_lidt",     "stub_rdmsr",
        "stub_wrmsr",    "stub_cpuid",    "stub_store"};
    uint64_t stubs = (uint64_t)(uintptr_t)g->rig.e->code.rx, entry = (uint64_t)(uintptr_t)b->entry;

    for (unsigned k = 0; k < b->nexits; k++)
        if (target == (uint64_t)(uintptr_t)b->exits[k].stub) {
            put(&g->out, "exit to %08" PRIx64, b->exits[k].rip);
            return;
        }
    if (target - stubs < NSTUBS * STUB_BYTES)
        put(&g->out, "%s", stub[(target - stubs) / STUB_BYTES]);
    else
        put(&g->out, "+%" PRIx64, target - entry);
}

static void put_insn(struct golden *g, const struct bt_block *b, const cs_insn *i)
{
    const cs_x86 *x = &i->detail->x86;
    bool branch = cs_insn_group(g->cs, i, CS_GRP_JUMP) || cs_insn_group(g->cs, i, CS_GRP_CALL);

    put(&g->out, "  %-4" PRIx64 " %-8s ", i->address - (uint64_t)(uintptr_t)b->entry, i->mnemonic);
    if (branch && x->operands[0].type == X86_OP_IMM)
        put_target(g, b, (uint64_t)x->operands[0].imm);
    else if (i->id == X86_INS_MOVABS)
        put(&g->out, "%s, instruction", cs_reg_name(g->cs, x->operands[0].reg));
    else
        put(&g->out, "%s", i->op_str);
    while (g->out.p[g->out.len - 1] == ' ')
        g->out.len--;
    put(&g->out, "\n");
}

/* Exit stubs are all alike and left out. */
static size_t body_len(const struct bt_block *b, const uint8_t *from)
{
    const uint8_t *end = b->nexits ? b->exits[0].stub : b->code + b->code_len;

    return (size_t)(end - from);
}

static void put_block(struct golden *g, const struct bt_block *b, bool checked)
{
    const uint8_t *from = checked ? b->checked : b->entry;
    cs_insn *insn;
    size_t n = cs_disasm(g->cs, from, body_len(b, from), (uint64_t)(uintptr_t)from, 0, &insn);

    for (size_t k = 0; k < n; k++)
        put_insn(g, b, &insn[k]);
    cs_free(insn, n);
}

static unsigned parse_bytes(const char **at, uint8_t *bytes)
{
    unsigned n = 0, v;

    while (n < 64 && sscanf(*at, " %2x", &v) == 1 && strspn(*at, " 0123456789abcdef") >= 2) {
        bytes[n++] = (uint8_t)v;
        *at += strspn(*at, " ") + 2;
        if (strncmp(*at, "  ", 2) == 0 || !**at)
            break;
    }
    return n;
}

static bool flag(const char *flags, const char *name)
{
    const char *p = strstr(flags, name), *end = strstr(flags, "  ");

    return p && (!end || p < end);
}

static void run_case(struct golden *g, const char *line)
{
    const char *flags = line + 1;
    uint8_t bytes[64];
    unsigned n = parse_bytes(&flags, bytes);
    uint32_t mode = BT_RIG_MODE;
    enum bt_adapt adapt;
    struct bt_block *b;
    const char *why;
    uint64_t where;

    flags += strspn(flags, " ");
    adapt = flag(flags, "view")       ? ADAPT_VIEW
            : flag(flags, "simulate") ? ADAPT_SIMULATE
            : flag(flags, "wraps")    ? ADAPT_WRAP
                                      : ADAPT_NONE;
    if (flag(flags, "user"))
        mode = (mode | MODE_CPL3) & ~(uint32_t)MODE_IOPL_OK;
    if (flag(flags, "real"))
        mode = MODE_IOPL_OK;
    if (flag(flags, "code16"))
        mode = MODE_IOPL_OK | MODE_PE;
    if (flag(flags, "odd"))
        mode |= MODE_ODD_CS;
    if (flag(flags, "nofpu"))
        mode |= MODE_NOFPU | MODE_NOSSE | MODE_NOAVX;
    bt_flush(g->rig.e);
    memset(g->rig.e->sites, 0, SITE_HASH * sizeof(*g->rig.e->sites));
    for (unsigned off = 0; off < n && adapt != ADAPT_NONE; off++)
        bt_rig_sites(&g->rig, FRAME, off, adapt);
    g->rig.c->seg[SEG_CS].limit = 0xfffff;
    put(&g->out, "%s\n", line);
    b = bt_rig_translate(&g->rig, EIP, mode, bytes, n, false);
    ck_assert_msg(b != NULL, "not translated: %s", line);
    ck_assert_msg(bt_block_in_jail(g->rig.e, b, &why, &where), "%s: %s", line, why);
    put_block(g, b, flag(flags, "checked"));
}

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "re");
    char *p = calloc(1, TEXT);

    ck_assert_msg(f && p, "%s", path);
    ck_assert_uint_lt(fread(p, 1, TEXT - 1, f), TEXT - 1);
    fclose(f);
    return p;
}

static void first_difference(const char *want, const char *got)
{
    const char *head = got, *p = want, *q = got;
    unsigned line = 1;

    for (; *p && *p == *q; p++, q++)
        if (*p == '\n') {
            line++;
            if (q[1] == '>')
                head = q + 1;
        }
    ck_assert_msg(*p == *q,
                  "%s:%u: differs in the case\n%.*s\n(GOLDEN_UPDATE=1 writes the file anew)",
                  golden_path(), line, (int)strcspn(head, "\n"), head);
}

START_TEST(golden)
{
    struct golden g = {.out = {calloc(1, TEXT), 0}};
    char *want = read_file(golden_path()), *copy = read_file(golden_path()), *next;
    unsigned cases = 0;
    FILE *f;

    ck_assert_int_eq(bt_rig_open(&g.rig), 0);
    ck_assert_int_eq(cs_open(CS_ARCH_X86, CS_MODE_64, &g.cs), CS_ERR_OK);
    cs_option(g.cs, CS_OPT_DETAIL, CS_OPT_ON);
    for (char *line = copy; *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = 0;
        if (*line == '>') {
            run_case(&g, line);
            cases++;
        } else if (*line == '#') {
            put(&g.out, "%s\n", line);
        }
    }
    ck_assert_uint_ge(cases, 100);
    if (getenv("GOLDEN_UPDATE")) {
        f = fopen(golden_path(), "we");
        ck_assert(f && fwrite(g.out.p, 1, g.out.len, f) == g.out.len && fclose(f) == 0);
    } else {
        first_difference(want, g.out.p);
    }
    cs_close(&g.cs);
    bt_rig_close(&g.rig);
    free(g.out.p);
    free(want);
    free(copy);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("translate_golden");
    TCase *t = tcase_create("golden");
    SRunner *r;
    int failed;

    tcase_add_test(t, golden);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
