/* The cache of decoded instructions: nobody can tell it from the decoder. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "translator/decode_cache.h"

static struct decode_cache *cache;

static void setup(void)
{
    cache = decode_cache_create();
    ck_assert_ptr_nonnull(cache);
}

static void teardown(void)
{
    decode_cache_destroy(cache);
}

static void same(const uint8_t *b, size_t len, unsigned bits)
{
    struct insn want, got;
    enum decode_status st = decode_insn(b, len, bits, &want);

    ck_assert_int_eq(decode_cached(cache, b, len, bits, &got), st);
    if (st == DECODE_OK)
        ck_assert_msg(memcmp(&want, &got, sizeof(want)) == 0,
                      "%02x %02x %02x %02x %02x %02x, %u bits", b[0], b[1], b[2], b[3], b[4], b[5],
                      bits);
}

static uint32_t random32(void)
{
    static uint64_t seed = 1;

    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(seed >> 32);
}

/* Other fields behind the same shape, zeroes and small numbers among them. */
static void vary(uint8_t *b, unsigned from)
{
    uint32_t kind = random32() % 4;

    for (unsigned k = from; k < MAX_INSN; k++)
        b[k] = kind == 0 ? 0 : kind == 1 ? 0xff : (uint8_t)random32();
}

/* Opcodes of the one-byte map and of 0F with each ModR/M, behind each prefix: one in 31 of these.
 */
START_TEST(opcodes)
{
    static const uint8_t prefixes[][2] = {{0, 0},    {1, 0x66}, {1, 0x67}, {1, 0xf2},
                                          {1, 0xf3}, {1, 0xf0}, {1, 0x65}, {1, 0x2e},
                                          {1, 0x48}, {1, 0x41}, {1, 0x44}, {1, 0x42}};

    for (unsigned n = 0; n < ARRAY_SIZE(prefixes) * 2 * 0x10000; n += 31) {
        const uint8_t *p = prefixes[n >> 17];
        uint8_t b[MAX_INSN];
        unsigned at = 0;

        vary(b, 0);
        if (p[0])
            b[at++] = p[1];
        if (n & 0x10000)
            b[at++] = 0x0f;
        b[at++] = (uint8_t)(n >> 8);
        b[at++] = (uint8_t)n;
        for (unsigned k = 0; k < 3; k++) {
            unsigned sib = (n & 0xc7) < 0xc0 && (n & 7) == 4;

            vary(b, at + (k ? sib : 0));
            for (unsigned bits = 16; bits <= 64; bits *= 2)
                same(b, MAX_INSN, bits);
        }
    }
    ck_assert_uint_gt(decode_cache_hits(cache), 10000);
}
END_TEST

START_TEST(random_bytes)
{
    for (unsigned n = 0; n < 30000; n++) {
        uint8_t b[MAX_INSN];
        size_t len = n % 8 ? MAX_INSN : n / 8 % MAX_INSN;

        vary(b, 0);
        if (n % 3)
            b[0] = (uint8_t)(0x40 | random32() % 16);
        b[1] = (uint8_t)random32();
        b[2] = (uint8_t)random32();
        for (unsigned k = 0; k < 3; k++) {
            same(b, len, 32u << n % 2);
            vary(b, 3 + k);
        }
    }
}
END_TEST

/* What tells shapes apart, and what does not: kept once, found with other fields. */
START_TEST(hits)
{
    static const struct {
        uint8_t bytes[MAX_INSN], shape, hit;
    } cases[] = {
        {{0xe8, 1, 2, 3, 4}, 1, 1},             /* call */
        {{0x48, 0x8b, 0x05, 1, 2, 3, 4}, 3, 1}, /* mov rax, [rip + disp32] */
        {{0x8b, 0x44, 0x24, 8}, 3, 1},          /* mov eax, [rsp + 8] */
        {{0x81, 0x7d, 0x10, 1, 2, 3, 4}, 2, 1}, /* cmp dword [rbp + 16], imm32 */
        {{0x0f, 0x84, 1, 2, 3, 4}, 2, 1},       /* jz */
        {{0xc4, 0xe2, 0x78, 0xf2, 0xc0}, 5, 0}, /* VEX */
        {{0xc8, 1, 0, 1}, 1, 0},                /* enter: two immediates */
        {{0xc1, 0xe0, 0x20}, 2, 0},             /* shl eax, 32: as by 0 */
    };

    for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
        uint64_t before = decode_cache_hits(cache);
        uint8_t b[MAX_INSN];
        struct insn i;

        memcpy(b, cases[n].bytes, MAX_INSN);
        ck_assert_int_eq(decode_cached(cache, b, MAX_INSN, 64, &i), DECODE_OK);
        for (unsigned k = cases[n].shape; k < MAX_INSN; k++)
            b[k] ^= 0x40;
        same(b, MAX_INSN, 64);
        ck_assert_uint_eq(decode_cache_hits(cache) - before, cases[n].hit);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {opcodes, random_bytes, hits};
    Suite *s = suite_create("decode_cache");
    TCase *tc = tcase_create("decode_cache");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
