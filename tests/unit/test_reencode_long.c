/* x87 and vector instructions of 64-bit code, encoded again for hostexec: decoded once more they
 * are the same instruction on the same registers, with [bounce] for the memory operand and another
 * register for RSP. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "translator/reencode.h"
#include "translator/row.h"
#include "translator/x_host.h"

enum { RSP_AS = 8, ROUNDS = 3000000 };

static uint64_t x = 88172645463325252u;

static uint64_t rnd(void)
{
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

/* Half of them VEX, half legacy with and without prefixes and REX. */
static void make(uint8_t b[16])
{
    static const uint8_t mand[] = {0x66, 0xf2, 0xf3}, maps[] = {0x38, 0x3a};
    unsigned n = 0, kind = rnd() & 7;

    for (unsigned k = 0; k < 2; k++) {
        uint64_t v = rnd();

        memcpy(b + 8 * k, &v, 8);
    }
    if (kind < 4) {
        b[0] = 0xc4;
        b[1] = (uint8_t)((b[1] & 0xe0) | (1 + rnd() % 3));
        return;
    }
    if (kind & 1)
        b[n++] = mand[rnd() % 3];
    if (rnd() & 1)
        b[n++] = (uint8_t)(0x40 | (rnd() & 15));
    if (kind == 4) {
        b[n] = (uint8_t)(0xd8 | (rnd() & 7));
        return;
    }
    b[n++] = 0x0f;
    if (kind == 7)
        b[n] = maps[rnd() & 1];
}

static bool is_mem(const struct opnd *o)
{
    return o->kind == OPND_MEM || o->kind == OPND_AGEN;
}

static const char *differs(const struct insn *g, const struct insn *h, unsigned bounce)
{
    if (g->mnemonic != h->mnemonic || g->nops != h->nops || g->enc != h->enc)
        return "instruction";
    if (g->opsize != h->opsize || (g->enc == ENC_VEX && g->vex_l != h->vex_l))
        return "size";
    for (unsigned n = 0; n < g->nops; n++) {
        const struct opnd *a = &g->op[n], *b = &h->op[n];
        unsigned reg = a->kind == OPND_GPR && a->reg == RSP ? (unsigned)RSP_AS : a->reg;

        if (a->kind != b->kind || a->size != b->size)
            return "operand";
        if (is_mem(a) && (h->base != bounce || h->index != NO_REG || h->disp || h->adsize != 8))
            return "address";
        if (!is_mem(a) && b->reg != reg)
            return "register";
        if (a->kind == OPND_IMM && (uint8_t)g->imm != (uint8_t)h->imm)
            return "immediate";
    }
    return NULL;
}

START_TEST(same_instruction)
{
    unsigned accepted = 0, high = 0;

    for (unsigned n = 0; n < ROUNDS; n++) {
        unsigned len, bounce = 9 + (n & 1);
        uint8_t b[16], out[REENCODE_MAX];
        struct insn g, h;
        const char *what;

        make(b);
        if (decode_insn(b, MAX_INSN, 64, &g) != DECODE_OK || !g.row->valid ||
            g.row->exec != x_host || !reencode_long(&g, bounce, RSP_AS, out, &len))
            continue;
        accepted++;
        high += g.nops && g.op[0].kind == OPND_XMM && g.op[0].reg >= 8;
        ck_assert_uint_le(len, MAX_INSN);
        ck_assert_msg(decode_insn(out, len, 64, &h) == DECODE_OK && h.len == len, "%s: no code",
                      g.row->name);
        what = differs(&g, &h, bounce);
        ck_assert_msg(!what,
                      "%s: %s differs (%02x %02x %02x %02x %02x -> %02x %02x %02x %02x %02x)",
                      g.row->name, what, b[0], b[1], b[2], b[3], b[4], out[0], out[1], out[2],
                      out[3], out[4]);
    }
    ck_assert_uint_gt(accepted, 100000);
    ck_assert_uint_gt(high, 10000);
}
END_TEST

/* What hostexec is never asked for. */
START_TEST(refused)
{
    static const uint8_t code[][6] = {
        {0x48, 0x01, 0xc0},                   /* add rax, rax */
        {0xc4, 0xe2, 0x78, 0xf2, 0xc1},       /* andn */
        {0x48, 0x0f, 0xae, 0x00},             /* fxsave64 [rax] */
        {0x0f, 0x05},                         /* syscall */
        {0x66, 0x0f, 0xf7, 0xc1},             /* maskmovdqu */
        {0xc4, 0xe2, 0x79, 0x90, 0x04, 0x08}, /* vpgatherdd */
    };

    for (unsigned n = 0; n < ARRAY_SIZE(code); n++) {
        uint8_t out[REENCODE_MAX];
        struct insn i;
        unsigned len;

        (void)decode_insn(code[n], sizeof(code[n]), 64, &i);
        ck_assert_msg(!reencode_long(&i, 9, RSP_AS, out, &len), "%u", n);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reencode_long");
    TCase *t = tcase_create("reencode_long");
    SRunner *r;
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, same_instruction);
    tcase_add_test(t, refused);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
