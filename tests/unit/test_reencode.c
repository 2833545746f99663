/* test_reencode.c - re-encoded instructions, decoded again in 64-bit mode by Zydis, must be the
 * same instruction with mapped operands. A second decoder run on both sides is the oracle. */
#include "translator/reencode.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

struct zinsn {
    ZydisDecodedInstruction i;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

static bool zydis(const uint8_t *p, size_t len, unsigned bits, struct zinsn *z)
{
    ZydisDecoder d;

    ZydisDecoderInit(&d,
                     bits == 64   ? ZYDIS_MACHINE_MODE_LONG_64
                     : bits == 32 ? ZYDIS_MACHINE_MODE_LEGACY_32
                                  : ZYDIS_MACHINE_MODE_LEGACY_16,
                     bits == 64   ? ZYDIS_STACK_WIDTH_64
                     : bits == 32 ? ZYDIS_STACK_WIDTH_32
                                  : ZYDIS_STACK_WIDTH_16);
    ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
    ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
    ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_FALSE);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, p, len, &z->i, z->op));
}

static ZydisRegister map_reg(ZydisRegister r)
{
    switch (r) {
    case ZYDIS_REGISTER_ESP:
        return ZYDIS_REGISTER_R12D;
    case ZYDIS_REGISTER_SP:
        return ZYDIS_REGISTER_R12W;
    default:
        return r;
    }
}

static ZydisRegister wide_reg(ZydisRegister r)
{
    return ZYDIS_REGISTER_RAX + ZydisRegisterGetId(map_reg(r));
}

/* [R13 + what was the only register + disp - 17], within the gaps around the window. */
static bool based_matches(const ZydisDecodedOperandMem *x, const ZydisDecodedOperandMem *y,
                          const struct remem *m)
{
    ZydisRegister only = x->base == ZYDIS_REGISTER_NONE ? x->index : x->base;
    bool two = x->base != ZYDIS_REGISTER_NONE && x->index != ZYDIS_REGISTER_NONE;

    if (m->wraps || two || y->segment == ZYDIS_REGISTER_GS || y->disp.value < -(1 << 24))
        return false;
    if (y->disp.value != (int32_t)x->disp.value - 17)
        return false;
    if (only == ZYDIS_REGISTER_NONE)
        return y->index == ZYDIS_REGISTER_NONE && y->disp.value >= -17;
    return y->index == wide_reg(only) && y->scale <= 4 &&
           y->scale == (x->index == ZYDIS_REGISTER_NONE ? 1 : x->scale);
}

/* What the memory operand must be. */
static bool mem_matches(const ZydisDecodedOperand *a, const ZydisDecodedOperand *b,
                        const struct remem *m, const struct zinsn *guest, const struct zinsn *host)
{
    const ZydisDecodedOperandMem *x = &a->mem, *y = &b->mem;
    ZydisRegister r64 = ZYDIS_REGISTER_RAX;

    if (m->kind == REMEM_BASE)
        return host->i.address_width == 64 && y->base == r64 + m->base &&
               y->index == ZYDIS_REGISTER_NONE && y->disp.value == m->disp &&
               y->segment != ZYDIS_REGISTER_GS;
    if (m->kind == REMEM_INDEX)
        return host->i.address_width == 64 && y->disp.value == m->disp && y->scale == 1 &&
               ((y->base == r64 + m->base && y->index == r64 + m->index) ||
                (y->base == r64 + m->index && y->index == r64 + m->base));
    if (host->i.address_width == 64 && y->base == ZYDIS_REGISTER_R13)
        return guest->i.address_width == 16
                   ? (uint16_t)x->disp.value == y->disp.value + 17 && !m->wraps
                   : based_matches(x, y, m);
    if (host->i.address_width != 32 || y->segment != ZYDIS_REGISTER_GS ||
        y->base == ZYDIS_REGISTER_EIP)
        return false;
    if (guest->i.address_width == 16)
        return y->base == ZYDIS_REGISTER_NONE && y->index == ZYDIS_REGISTER_NONE &&
               (uint16_t)x->disp.value == (uint32_t)y->disp.value;
    return y->base == map_reg(x->base) && y->index == x->index &&
           (x->index == ZYDIS_REGISTER_NONE || x->scale == y->scale) &&
           (uint32_t)x->disp.value == (uint32_t)y->disp.value;
}

static bool operand_matches(const ZydisDecodedOperand *a, const ZydisDecodedOperand *b,
                            const struct remem *m, const struct zinsn *guest,
                            const struct zinsn *host)
{
    uint64_t mask;

    bool agen = a->type == ZYDIS_OPERAND_TYPE_MEMORY && a->mem.type == ZYDIS_MEMOP_TYPE_AGEN;

    if (a->type != b->type || (a->size != b->size && !agen))
        return false;
    switch (a->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        return b->reg.value == map_reg(a->reg.value);
    case ZYDIS_OPERAND_TYPE_MEMORY:
        return mem_matches(a, b, m, guest, host);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        mask = guest->i.operand_width >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << 32) - 1;
        return (a->imm.value.u & mask) == (b->imm.value.u & mask);
    default:
        return false;
    }
}

/* The only memory operand that no ModRM byte describes and that may appear. */
static bool hidden_mem_allowed(ZydisMnemonic m)
{
    return m == ZYDIS_MNEMONIC_MASKMOVQ || m == ZYDIS_MNEMONIC_MASKMOVDQU ||
           m == ZYDIS_MNEMONIC_VMASKMOVDQU || m == ZYDIS_MNEMONIC_XLAT;
}

static bool same(const struct zinsn *g, const struct zinsn *h, const struct remem *m)
{
    if (g->i.mnemonic != h->i.mnemonic || g->i.operand_count_visible != h->i.operand_count_visible)
        return false;
    if (((g->i.attributes ^ h->i.attributes) & ZYDIS_ATTRIB_HAS_LOCK))
        return false;
    for (unsigned n = 0; n < h->i.operand_count; n++) {
        const ZydisDecodedOperand *b = &h->op[n];

        if (n < g->i.operand_count_visible) {
            if (!operand_matches(&g->op[n], b, m, g, h))
                return false;
        } else if (b->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            if (!hidden_mem_allowed(h->i.mnemonic) || m->kind != REMEM_WINDOW ||
                b->mem.segment != ZYDIS_REGISTER_GS || h->i.address_width != 32)
                return false;
        }
    }
    return true;
}

static void dump(const char *what, const uint8_t *p, unsigned len)
{
    fprintf(stderr, "%s:", what);
    for (unsigned n = 0; n < len; n++)
        fprintf(stderr, " %02x", p[n]);
    fputc('\n', stderr);
}

static const struct remem kinds[] = {
    {.kind = REMEM_WINDOW},
    {.kind = REMEM_WINDOW, .wraps = true},
    {.kind = REMEM_BASE, .base = 9},
    {.kind = REMEM_BASE, .base = 12, .disp = 0x12345},
    {.kind = REMEM_BASE, .base = 13},
    {.kind = REMEM_BASE, .base = 4, .disp = -8},
    {.kind = REMEM_BASE, .base = 5},
    {.kind = REMEM_INDEX, .base = 9, .index = 8},
    {.kind = REMEM_INDEX, .base = 13, .index = 12},
    {.kind = REMEM_INDEX, .base = 14, .index = 4},
};

/* Re-encodes and checks with every kind of operand. Returns how many kinds were accepted. */
static unsigned check_bytes(const uint8_t *p, size_t len, unsigned bits)
{
    struct insn i;
    struct zinsn g, h;
    uint8_t out[REENCODE_MAX];
    unsigned outlen, accepted = 0;

    if (decode_insn(p, len, bits, &i) != DECODE_OK || !zydis(p, len, bits, &g))
        return 0;
    for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
        if (!reencode(&i, &kinds[k], out, &outlen))
            continue;
        accepted++;
        if (outlen > MAX_INSN || !zydis(out, outlen, 64, &h) || h.i.length != outlen ||
            !same(&g, &h, &kinds[k])) {
            dump("guest", p, i.len);
            dump("host ", out, outlen);
            ck_abort_msg("kind %u: %s is not the same in 64-bit mode", k,
                         ZydisMnemonicGetString(g.i.mnemonic));
        }
    }
    return accepted;
}

struct bytes {
    const char *hex;
    const char *out; /* NULL: refused */
};

static unsigned unhex(const char *s, uint8_t *p)
{
    unsigned n = 0;

    for (; *s; s += *s == ' ')
        p[n++] = (uint8_t)strtoul(s, (char **)&s, 16);
    return n;
}

static void expect(const struct bytes *b, unsigned bits, const struct remem *m)
{
    uint8_t in[32] = {0}, want[32], out[REENCODE_MAX];
    unsigned len = unhex(b->hex, in), outlen = 0;
    struct insn i;

    ck_assert_msg(decode_insn(in, len, bits, &i) == DECODE_OK, "%s does not decode", b->hex);
    if (!b->out) {
        ck_assert_msg(!reencode(&i, m, out, &outlen), "%s is accepted", b->hex);
        return;
    }
    ck_assert_msg(reencode(&i, m, out, &outlen), "%s is refused", b->hex);
    if (outlen != unhex(b->out, want) || memcmp(out, want, outlen)) {
        dump("got", out, outlen);
        ck_abort_msg("%s should become %s", b->hex, b->out);
    }
}

START_TEST(window_forms)
{
    static const struct bytes t[] = {
        {"89 c8", "89 c8"},
        {"89 e0", "44 89 e0"},                      /* mov eax, esp */
        {"89 c4", "41 89 c4"},                      /* mov esp, eax */
        {"8b 44 24 04", "43 8b 44 25 f3"},          /* mov eax, [esp+4] */
        {"8b 24 24", "47 8b 64 25 ef"},             /* mov esp, [esp] */
        {"a1 78 56 34 12", "41 8b 85 67 56 34 12"}, /* moffs */
        {"a2 78 56 34 12", "65 67 88 04 25 78 56 34 12"},
        {"89 03", "65 67 89 03"},
        {"03 03", "65 67 03 03"},
        {"0f b7 03", "41 0f b7 44 1d ef"},
        {"8b 0d 78 56 34 12", "41 8b 8d 67 56 34 12"}, /* [disp32] */
        {"8b 0c 8d 78 56 34 12", "41 8b 8c 8d 67 56 34 12"},
        {"8b 0c cd 78 56 34 12", "65 67 8b 0c cd 78 56 34 12"}, /* 8 * 4 GiB: the next slot */
        {"8b 0d 78 56 34 92", "65 67 8b 0c 25 78 56 34 92"},    /* wraps */
        {"8b 89 00 00 00 ff", "65 67 8b 89 00 00 00 ff"},
        {"8b 89 11 00 00 ff", "41 8b 8c 0d 00 00 00 ff"},
        {"39 0b", "65 67 39 0b"}, /* cmp */
        {"88 23", "65 67 88 23"}, /* ah */
        {"d9 03", "65 67 d9 03"}, /* x87 */
        {"8b 04 88", "65 67 8b 04 88"},
        {"8b 45 00", "41 8b 44 2d ef"},
        {"40", "ff c0"},
        {"4c", "41 ff cc"}, /* dec esp */
        {"66 41", "66 ff c1"},
        {"82 c0 01", "80 c0 01"},
        {"bc 01 00 00 00", "41 bc 01 00 00 00"},
        {"94", "41 94"},
        {"0f cc", "41 0f cc"},
        {"f0 0f b1 0c 24", "65 67 f0 41 0f b1 0c 24"},
        {"f3 0f b8 c4", "f3 41 0f b8 c4"},
        {"f2 66 0f 38 f1 c4", "66 f2 41 0f 38 f1 c4"},
        {"f7 e4", "41 f7 e4"},             /* mul esp */
        {"83 e4 f0", "41 83 e4 f0"},       /* and esp, -16: /4 stays an extension */
        {"66 0f 6e e4", "66 41 0f 6e e4"}, /* movd xmm4, esp */
        {"0f 50 e4", "44 0f 50 e4"},       /* movmskps esp, xmm4 */
        {"0f 58 e4", "0f 58 e4"},          /* addps xmm4, xmm4 */
        {"c5 d8 58 e4", "c5 d8 58 e4"},
        {"c4 e2 58 f2 e4", "c4 42 18 f2 e4"},       /* andn esp, esp, esp */
        {"c4 e3 51 4a d9 e0", "c4 e3 51 4a d9 60"}, /* is4 bit 7 */
        {"c5 f9 6e e4", "c4 c1 79 6e e4"},
        {"c4 e1 f9 6e e0", "c5 f9 6e e0"}, /* VEX.W ignored: VMOVD */
        {"c5 fc 77", "c5 fc 77"},
        {"88 24 24", NULL}, /* mov [esp], ah */
        {"0f b6 e4", NULL}, /* movzx esp, ah */
        {"88 e0", "88 e0"},
        {"66 0f f7 c1", "65 67 66 0f f7 c1"}, /* maskmovdqu */
        {"67 8b 00", NULL},                   /* [bx+si] */
        {"67 8b 0e 34 12", "41 8b 8d 23 12 00 00"},
        {"c4 e2 6d 90 04 a1", "65 67 c4 e2 6d 90 04 a1"},
        {"c4 e2 6d 90 04 64", "65 67 c4 c2 6d 90 04 64"}, /* [esp + ymm4*2] */
    };

    for (unsigned n = 0; n < ARRAY_SIZE(t); n++)
        expect(&t[n], 32, &kinds[0]);
}
END_TEST

START_TEST(never_copied)
{
    static const char *const t[] = {
        "60",          "61",          "62 00",
        "63 c0",       "27",          "d4 0a",
        "06",          "1f",          "50",
        "58",          "c3",          "e8 00 00 00 00",
        "eb 00",       "74 00",       "cd 80",
        "cc",          "f4",          "fa",
        "fb",          "9c",          "9d",
        "c9",          "a4",          "aa",
        "ad",          "8c d8",       "8e d8",
        "c4 00",       "0f 01 d0",    "0f ae 00",
        "0f ae 20",    "d9 30",       "dd 30",
        "0f 20 c0",    "0f 22 c0",    "0f 00 c0",
        "0f 02 c0",    "0f 34",       "0f 05",
        "0f a2",       "0f 30",       "ff 20",
        "ff 30",       "8f 00",       "9a 00 00 00 00 00 00",
        "e4 00",       "0f c7 28",    "d6",
        "8d 00",       "f3 0f c7 f8", "0f 0b",
        "66 0f ae f0", "f3 0f ae e8", "0f 38 f9 00",
    };
    uint8_t in[16], out[REENCODE_MAX];

    for (unsigned n = 0; n < ARRAY_SIZE(t); n++) {
        unsigned len = unhex(t[n], in), outlen;
        struct insn i;

        if (decode_insn(in, len, 32, &i) != DECODE_OK)
            continue;
        for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++)
            ck_assert_msg(!reencode(&i, &kinds[k], out, &outlen), "%s is accepted", t[n]);
    }
}
END_TEST

START_TEST(sixteen_bit_code)
{
    static const struct bytes t[] = {
        {"89 c8", "66 89 c8"},    {"66 89 c8", "89 c8"}, {"8b 00", "66 41 8b 01"},
        {"0f 58 c1", "0f 58 c1"}, /* no 66h: ADDPD */
        {"d9 00", "41 d9 01"},    {"40", "66 ff c0"},    {"f3 0f 10 07", "f3 41 0f 10 01"},
    };

    for (unsigned n = 0; n < ARRAY_SIZE(t); n++)
        expect(&t[n], 16, &kinds[2]);
}
END_TEST

START_TEST(no_memory_argument)
{
    uint8_t out[REENCODE_MAX];
    unsigned len;
    struct insn i;

    ck_assert_int_eq(decode_insn((const uint8_t *)"\x89\xc8", 2, 32, &i), DECODE_OK);
    ck_assert(reencode(&i, NULL, out, &len));
    ck_assert_int_eq(decode_insn((const uint8_t *)"\x0f\x1f\x00", 3, 32, &i), DECODE_OK);
    ck_assert(!reencode(&i, NULL, out, &len));
}
END_TEST

/* Every opcode of every map, with each prefix and all ModRM bytes. */
START_TEST(all_opcodes)
{
    static const uint8_t prefix[] = {0, 0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x2e};
    unsigned accepted = 0;

    for (unsigned bits = 16; bits <= 32; bits += 16)
        for (unsigned p = 0; p < ARRAY_SIZE(prefix); p++)
            for (unsigned map = 0; map < 4; map++)
                for (unsigned op = 0; op < 256; op++)
                    for (unsigned modrm = 0; modrm < 256; modrm += bits == 32 && !p ? 1 : 7) {
                        uint8_t b[MAX_INSN] = {0};
                        unsigned n = 0;

                        if (prefix[p])
                            b[n++] = prefix[p];
                        if (map)
                            b[n++] = 0x0f;
                        if (map >= 2)
                            b[n++] = map == 2 ? 0x38 : 0x3a;
                        b[n++] = (uint8_t)op;
                        b[n++] = (uint8_t)modrm;
                        b[n++] = (uint8_t)(modrm * 37);
                        b[n] = 0x81;
                        accepted += check_bytes(b, sizeof(b), bits);
                    }
    ck_assert_uint_gt(accepted, 100000);
}
END_TEST

START_TEST(all_vex)
{
    unsigned accepted = 0;

    for (unsigned map = 1; map < 4; map++)
        for (unsigned last = 0; last < 256; last++)
            for (unsigned op = 0; op < 256; op++)
                for (unsigned modrm = 0; modrm < 256; modrm += 11) {
                    uint8_t b[MAX_INSN] = {0xc4,
                                           (uint8_t)(0xc0 | map | (op & 1) << 5),
                                           (uint8_t)last,
                                           (uint8_t)op,
                                           (uint8_t)modrm,
                                           (uint8_t)(modrm * 91),
                                           0x92};

                    accepted += check_bytes(b, sizeof(b), 32);
                }
    ck_assert_uint_gt(accepted, 10000);
}
END_TEST

START_TEST(fuzz)
{
    uint64_t x = 88172645463325252u;
    unsigned accepted = 0;

    for (unsigned n = 0; n < 400000; n++) {
        uint8_t b[16];

        for (unsigned k = 0; k < 2; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            memcpy(b + 8 * k, &x, 8);
        }
        accepted += check_bytes(b, MAX_INSN, n & 1 ? 16 : 32);
    }
    ck_assert_uint_gt(accepted, 100000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reencode");
    TCase *t = tcase_create("reencode");
    SRunner *r;
    int failed;

    tcase_set_timeout(t, 300);
    tcase_add_test(t, window_forms);
    tcase_add_test(t, never_copied);
    tcase_add_test(t, sixteen_bit_code);
    tcase_add_test(t, no_memory_argument);
    tcase_add_test(t, all_opcodes);
    tcase_add_test(t, all_vex);
    tcase_add_test(t, fuzz);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
