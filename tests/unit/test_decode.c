/* The decoder: fields of chosen instructions, and that every integer row can be reached. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Mnemonic.h>

#include "translator/decode.h"
#include "translator/row.h"
#include "translator/row_form.h"

static struct insn decode(unsigned bits, const uint8_t *b, size_t n)
{
    struct insn i;

    ck_assert_int_eq(decode_insn(b, n, bits, &i), DECODE_OK);
    ck_assert_uint_eq(i.len, n);
    return i;
}

#define DECODE(bits, ...)                                                                          \
    decode(bits, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

START_TEST(test_operands)
{
    struct insn i = DECODE(32, 0x83, 0x44, 0xb5, 0x10, 0xff); /* add dword [ebp+esi*4+10h],-1 */

    ck_assert_uint_eq(i.op[0].kind, OPND_MEM);
    ck_assert_uint_eq(i.op[0].size, 4);
    ck_assert_uint_eq(i.op[0].access, 3);
    ck_assert_uint_eq(i.seg, SEG_SS);
    ck_assert_uint_eq(i.base, RBP);
    ck_assert_uint_eq(i.index, RSI);
    ck_assert_uint_eq(i.scale, 4);
    ck_assert_int_eq(i.disp, 0x10);
    ck_assert_uint_eq(i.imm, UINT64_MAX);
    ck_assert_uint_eq(i.imm_size, 1);
    i = DECODE(32, 0x64, 0x88, 0x27); /* mov fs:[edi],ah */
    ck_assert_uint_eq(i.seg, SEG_FS);
    ck_assert(i.prefixes & PFX_SEG);
    ck_assert_uint_eq(i.op[1].reg, 16);
    ck_assert_uint_eq(i.opsize, 1);
    i = DECODE(32, 0xa1, 0x78, 0x56, 0x34, 0x12);
    ck_assert_uint_eq(i.base, NO_REG);
    ck_assert_int_eq(i.disp, 0x12345678);
    i = DECODE(16, 0x8b, 0x42, 0xfe); /* mov ax,[bp+si-2] */
    ck_assert_uint_eq(i.seg, SEG_SS);
    ck_assert_uint_eq(i.base, RBP);
    ck_assert_uint_eq(i.index, RSI);
    ck_assert_uint_eq(i.adsize, 2);
    ck_assert_uint_eq(i.opsize, 2);
    i = DECODE(64, 0x48, 0x8b, 0x05, 1, 0, 0, 0);
    ck_assert_uint_eq(i.base, BASE_RIP);
    ck_assert_uint_eq(i.op[0].size, 8);
}
END_TEST

START_TEST(test_immediates)
{
    struct insn i = DECODE(32, 0xc8, 0x34, 0x12, 2); /* enter 1234h,2 */

    ck_assert_uint_eq(i.imm, 0x1234);
    ck_assert_uint_eq(i.imm2, 2);
    i = DECODE(32, 0xea, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66);
    ck_assert_uint_eq(i.op[0].kind, OPND_FAR);
    ck_assert_uint_eq(i.imm, 0x44332211);
    ck_assert_uint_eq(i.imm2, 0x6655);
    ck_assert(insn_is_far(&i));
    ck_assert_uint_eq(i.row->lower, LOWER_FAR_JMP);
    i = DECODE(32, 0xff, 0x2b);
    ck_assert(insn_is_far(&i));
    i = DECODE(32, 0xff, 0x23);
    ck_assert(!insn_is_far(&i));
    ck_assert_uint_eq(i.row->lower, LOWER_JMP);
    i = DECODE(32, 0xcb);
    ck_assert(insn_is_far(&i));
    i = DECODE(32, 0xe8, 0xfb, 0xff, 0xff, 0xff);
    ck_assert_uint_eq(i.op[0].kind, OPND_REL);
    ck_assert_int_eq((int64_t)i.imm, -5);
    i = DECODE(32, 0x6a, 0x80);
    ck_assert_int_eq((int64_t)i.imm, -128);
    i = DECODE(32, 0xe4, 0x80);
    ck_assert_uint_eq(i.imm, 0x80);
}
END_TEST

START_TEST(test_prefixes)
{
    struct insn i = DECODE(32, 0xf3, 0x26, 0x66, 0xa5);

    ck_assert(i.prefixes & PFX_REP);
    ck_assert_uint_eq(i.mand, 0);
    ck_assert_uint_eq(i.seg, SEG_ES);
    ck_assert_uint_eq(i.opsize, 2);
    i = DECODE(32, 0xf2, 0xa5);
    ck_assert(i.prefixes & PFX_REPNE);
    ck_assert_str_eq(i.row->name, "MOVSD_STR");
    i = DECODE(32, 0xf2, 0x0f, 0x10, 0x00);
    ck_assert_str_eq(i.row->name, "MOVSD");
    ck_assert_uint_eq(i.mand, 0xf2);
    i = DECODE(32, 0xf3, 0xc3); /* rep ret */
    ck_assert(!(i.prefixes & PFX_REP));
    i = DECODE(32, 0xf3, 0x90);
    ck_assert_str_eq(i.row->name, "PAUSE");
    i = DECODE(32, 0xf0, 0x0f, 0xb1, 0x0a);
    ck_assert(i.prefixes & PFX_LOCK);
    i = DECODE(32, 0xf3, 0x0f, 0x1e, 0xfb); /* endbr32 is a NOP for models without CET */
    ck_assert_str_eq(i.row->name, "NOP");
    i = DECODE(32, 0x66, 0x0f, 0x6f, 0xc1);
    ck_assert_uint_eq(i.mand, 0x66);
    ck_assert_uint_eq(i.op[0].kind, OPND_XMM);
    i = DECODE(32, 0x67, 0xe3, 0);
    ck_assert_uint_eq(i.adsize, 2);
}
END_TEST

START_TEST(test_vex)
{
    struct insn i = DECODE(32, 0xc4, 0xe2, 0x70, 0xf2, 0xc2); /* andn eax,ecx,edx */

    ck_assert_uint_eq(i.enc, ENC_VEX);
    ck_assert_uint_eq(i.map, 2);
    ck_assert_uint_eq(i.vex_vvvv, RCX);
    i = DECODE(32, 0xc4, 0xe2, 0xb0, 0xf2, 0xc2); /* W and vvvv[3] are ignored in 32-bit mode */
    ck_assert_uint_eq(i.vex_w, 0);
    ck_assert_uint_eq(i.vex_vvvv, RCX);
    ck_assert_uint_eq(i.op[0].size, 4);
    i = DECODE(64, 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc1);
    ck_assert_uint_eq(i.enc, ENC_OTHER);
    ck_assert(!i.row->valid);
    /* VEX POPCNT, TZCNT, LZCNT: Knights Corner's, #UD */
    ck_assert(!DECODE(64, 0xc4, 0xe1, 0xfa, 0xb8, 0xc1).row->valid);
    ck_assert(!DECODE(64, 0xc5, 0xfa, 0xbc, 0xc1).row->valid);
    ck_assert(!DECODE(64, 0xc5, 0xfa, 0xbd, 0xc1).row->valid);
}
END_TEST

/* 64-bit code: what has no effect there, and registers above 7. */
START_TEST(test_long)
{
    struct insn i = DECODE(64, 0x2e, 0xa4);

    ck_assert_uint_eq(i.seg, SEG_DS);
    i = DECODE(64, 0x65, 0xa4);
    ck_assert_uint_eq(i.seg, SEG_GS);
    i = DECODE(64, 0x66, 0x45, 0x0f, 0x6f, 0x44, 0xcb, 8); /* movdqa xmm8, [r11+rcx*8+8] */
    ck_assert_uint_eq(i.op[0].reg, 8);
    ck_assert_uint_eq(i.base, R11);
    ck_assert_uint_eq(i.rex, 5);
    i = DECODE(64, 0xc4, 0x41, 0xf9, 0x6e, 0xc1); /* vmovq xmm8, r9 */
    ck_assert_uint_eq(i.op[0].reg, 8);
    ck_assert_uint_eq(i.op[1].reg, 9);
    ck_assert_uint_eq(i.rex, 13);
    i = DECODE(64, 0x67, 0x4b, 0x02, 0x24, 0x95, 0x1c, 0x59, 0x75, 0x2f); /* no base, not R13 */
    ck_assert_uint_eq(i.base, NO_REG);
    ck_assert_uint_eq(i.index, R10);
    ck_assert_int_eq(i.disp, 0x2f75591c);
    i = DECODE(64, 0x48, 0x8b, 0x05, 0xf0, 0xff, 0xff, 0xff);
    ck_assert_uint_eq(i.base, BASE_RIP);
    ck_assert_int_eq(i.disp, -16);
    i = DECODE(64, 0x6a, 0x80);
    ck_assert_uint_eq(i.opsize, 8);
    ck_assert_uint_eq(i.imm, UINT64_C(0xffffffffffffff80));
    i = DECODE(64, 0x66, 0xe8, 0, 0, 0, 0); /* 66h does not shorten near branches */
    ck_assert_uint_eq(i.opsize, 8);
    i = DECODE(64, 0x48, 0x6d); /* REX.W: still INSD, OUTSD */
    ck_assert_uint_eq(i.opsize, 4);
    i = DECODE(64, 0x66, 0x48, 0x6f);
    ck_assert_uint_eq(i.opsize, 4);
    i = DECODE(64, 0x66, 0x63, 0x07); /* movsxd ax,[rdi] reads 16 bits */
    ck_assert_uint_eq(i.op[0].size, 2);
    ck_assert_uint_eq(i.op[1].size, 2);
    i = DECODE(64, 0x63, 0x07);
    ck_assert_uint_eq(i.op[1].size, 4);
    i = DECODE(64, 0x48, 0xcf);
    ck_assert_str_eq(i.row->name, "IRETQ");
    i = DECODE(32, 0x67, 0x8b, 0x40, 1);
    ck_assert_uint_eq(i.rex, 0);
}
END_TEST

START_TEST(test_flags)
{
    struct insn i = DECODE(32, 0x11, 0xc8); /* adc */

    ck_assert_uint_eq(i.flags_read, 1);
    ck_assert_uint_eq(i.flags_written, 63);
    i = DECODE(32, 0x40);
    ck_assert_uint_eq(i.flags_written, 62);
    i = DECODE(32, 0x7f, 0); /* jg */
    ck_assert_uint_eq(i.flags_read, 8 | 16 | 32);
    i = DECODE(32, 0xd3, 0xe0); /* shl eax,cl may leave all flags alone */
    ck_assert_uint_eq(i.flags_read, 63);
    i = DECODE(32, 0xc1, 0xe0, 3);
    ck_assert_uint_eq(i.flags_read, 0);
    i = DECODE(32, 0xc1, 0xe0, 0x20);
    ck_assert_uint_eq(i.flags_read, 63);
    i = DECODE(32, 0xf3, 0xa6);
    ck_assert_uint_eq(i.flags_read, 63);
}
END_TEST

START_TEST(test_forms)
{
    ck_assert_str_eq(DECODE(32, 0x0f, 0x22, 0xd8).row->name, "MOV_TO_CR");
    ck_assert_str_eq(DECODE(32, 0x0f, 0x20, 0xd8).row->name, "MOV_FROM_CR");
    ck_assert_str_eq(DECODE(32, 0x0f, 0x23, 0xd8).row->name, "MOV_TO_DR");
    ck_assert_str_eq(DECODE(32, 0x8e, 0xd8).row->name, "MOV_TO_SEG");
    ck_assert_str_eq(DECODE(32, 0x8e, 0xd0).row->name, "MOV_TO_SS");
    ck_assert_str_eq(DECODE(32, 0x8c, 0xd0).row->name, "MOV_FROM_SEG");
    ck_assert_str_eq(DECODE(32, 0x1f).row->name, "POP_SEG");
    ck_assert_str_eq(DECODE(32, 0x17).row->name, "POP_SS");
    ck_assert_str_eq(DECODE(32, 0x1e).row->name, "PUSH_SEG");
}
END_TEST

START_TEST(test_status)
{
    static const uint8_t movb[] = {0xb8, 1, 2}, bad[] = {0x0f, 0xff, 0xff},
                         cr1[] = {0x0f, 0x20, 0xc8};
    uint8_t pfx[16];
    struct insn i;

    ck_assert_int_eq(decode_insn(movb, 3, 32, &i), DECODE_SHORT);
    ck_assert_int_eq(decode_insn(movb, 0, 32, &i), DECODE_SHORT);
    ck_assert_int_eq(decode_insn(cr1, 3, 32, &i), DECODE_UD);
    ck_assert_uint_eq(i.len, 0);
    ck_assert(!i.row->valid);
    ck_assert_int_eq(decode_insn(bad, 3, 32, &i), DECODE_OK); /* UD0 */
    memset(pfx, 0x66, sizeof(pfx));
    pfx[15] = 0x90;
    ck_assert_int_eq(decode_insn(pfx, 16, 32, &i), DECODE_TOO_LONG);
    ck_assert_int_eq(decode_insn(pfx, 14, 32, &i), DECODE_SHORT);
    pfx[14] = 0x90;
    ck_assert_int_eq(decode_insn(pfx, 15, 32, &i), DECODE_OK);
}
END_TEST

/* Any bytes, any length: a status, and nothing read past the end (run under a sanitizer). */
START_TEST(test_noise)
{
    uint64_t seed = 7;

    for (unsigned n = 0; n < 300000; n++) {
        uint8_t b[15];
        size_t len = n % 16;
        uint8_t *exact;
        struct insn i;

        for (unsigned k = 0; k < sizeof(b); k++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            b[k] = (uint8_t)(seed >> 40);
        }
        exact = malloc(len ? len : 1);
        memcpy(exact, b, len);
        if (decode_insn(exact, len, 16u << n % 3, &i) == DECODE_OK) {
            ck_assert_uint_le(i.len, len);
            ck_assert_uint_ge(i.len, 1);
            ck_assert_uint_le(i.nops, MAX_OPNDS);
        }
        ck_assert_ptr_nonnull((void *)(uintptr_t)i.exec);
        free(exact);
    }
}
END_TEST

static void mark(bool *seen, unsigned bits, const uint8_t *b, size_t n)
{
    struct insn i;

    if (decode_insn(b, n, bits, &i) == DECODE_OK && i.row->valid)
        seen[i.row - row_of(FORM_FIRST) + FORM_FIRST] = true;
}

static void mark_prefix(bool *seen, const uint8_t *pfx, size_t npfx)
{
    static const uint8_t maps[4][2] = {{0}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};
    static const uint8_t map_len[4] = {0, 1, 2, 2};

    for (unsigned map = 0; map < 4; map++)
        for (unsigned op = 0; op < 256; op++)
            for (unsigned modrm = 0; modrm < 256; modrm++) {
                uint8_t b[15] = {0};

                memcpy(b, pfx, npfx);
                memcpy(b + npfx, maps[map], map_len[map]);
                b[npfx + map_len[map]] = (uint8_t)op;
                b[npfx + map_len[map] + 1] = (uint8_t)modrm;
                for (unsigned bits = 16; bits <= 64; bits *= 2)
                    mark(seen, bits, b, sizeof(b));
            }
}

static void mark_vex(bool *seen)
{
    for (unsigned op = 0; op < 256; op++)
        for (unsigned n = 0; n < 8 * 4 * 2 * 2; n++) {
            uint8_t b[15] = {0xc4, (uint8_t)(0xe0 | (n & 1 ? 2 : 3)),
                             (uint8_t)(0x78 | (n >> 1 & 3)), (uint8_t)op,
                             (uint8_t)((n & 8 ? 0xc0 : 0) | (n >> 4 & 7) << 3)};

            mark(seen, 32, b, sizeof(b));
        }
}

static bool integer_row(const struct row *r)
{
    return !(r->traits & (T_FPU | T_MMX | T_SSE | T_AVX));
}

START_TEST(test_every_row)
{
    static const uint8_t prefixes[][2] = {{0},    {0x66}, {0xf2},      {0xf3},
                                          {0x67}, {0x48}, {0xf3, 0x48}};
    static const uint8_t len[] = {0, 1, 1, 1, 1, 1, 2};
    bool *seen = calloc(row_count(), sizeof(*seen));

    for (unsigned n = 0; n < sizeof(len); n++)
        mark_prefix(seen, prefixes[n], len[n]);
    mark_vex(seen);
    for (unsigned n = 0; n < row_count(); n++)
        if (row_of(n)->valid && integer_row(row_of(n)))
            ck_assert_msg(seen[n], "no encoding found for %s", row_of(n)->name);
    free(seen);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("decode");
    Suite *suite = suite_create("decode");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_operands);
    tcase_add_test(tc, test_immediates);
    tcase_add_test(tc, test_prefixes);
    tcase_add_test(tc, test_vex);
    tcase_add_test(tc, test_long);
    tcase_add_test(tc, test_flags);
    tcase_add_test(tc, test_forms);
    tcase_add_test(tc, test_status);
    tcase_add_test(tc, test_noise);
    tcase_add_test(tc, test_every_row);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
