/* The trace log: item lists, and that a caller's vector state survives. */
#include "base/log.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(items_parse)
{
    const char *bad = NULL;
    uint32_t mask = 0;

    ck_assert_int_eq(log_parse_items("in_asm,int,stats", &mask, &bad), 0);
    ck_assert_uint_eq(mask, LOG_IN_ASM | LOG_INT | LOG_STATS);
    ck_assert_int_eq(log_parse_items("unimp", &mask, &bad), 0);
    ck_assert_uint_eq(mask, LOG_UNIMP);
}
END_TEST

START_TEST(items_refuse)
{
    static const char *const lists[] = {"", "int,", ",int", "in", "int,inx", "INT", "int,,mmu"};
    static const int bad_at[] = {0, 4, 0, 0, 4, 0, 4};

    for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
        const char *bad = NULL;
        uint32_t mask = 77;

        ck_assert_int_eq(log_parse_items(lists[i], &mask, &bad), -EINVAL);
        ck_assert_uint_eq(mask, 77);
        ck_assert_ptr_eq(bad, lists[i] + bad_at[i]);
    }
}
END_TEST

START_TEST(every_item_is_listed)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    uint32_t all = 0;

    log_print_items(f);
    fclose(f);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char name[32];
        const char *bad;
        uint32_t mask;

        ck_assert_int_eq(sscanf(line, " %31s", name), 1);
        ck_assert_int_eq(log_parse_items(name, &mask, &bad), 0);
        all |= mask;
    }
    ck_assert_uint_eq(all, LOG_UNIMP * 2 - 1);
    free(text);
}
END_TEST

START_TEST(only_what_is_on)
{
    char *text = NULL;
    size_t size;
    struct log log = {.out = open_memstream(&text, &size), .mask = LOG_MMU};

    log_printf(&log, LOG_INT, "no\n");
    errno = 1234;
    log_printf(&log, LOG_MMU, "yes %d\n", 7);
    ck_assert_int_eq(errno, 1234);
    fclose(log.out);
    ck_assert_str_eq(text, "yes 7\n");
    free(text);
}
END_TEST

struct vectors {
    uint8_t xmm[16][16];
    uint8_t ymm0[32];
    uint8_t x87[10];
    uint32_t mxcsr;
    uint16_t fcw;
};

/* Registers hold `in` before the log line and end up in `out` after it, with no code of the
 * compiler's between that could touch them: the call is made from the asm itself. */
static void log_with_vectors(const struct log *log, struct vectors *in, struct vectors *out)
{
    bool avx = __builtin_cpu_supports("avx");
    register const struct log *a0 __asm__("rdi") = log;
    register uint64_t a1 __asm__("rsi") = LOG_INT;
    register const char *a2 __asm__("rdx") = "text";

    __asm__ volatile(
        "mov %%rsp, %%rbx\n\t"
        "sub $256, %%rsp\n\t"
        "and $-64, %%rsp\n\t"
        "fninit\n\t"
        "fldt %c[x87](%[in])\n\t"
        "fldcw %c[fcw](%[in])\n\t"
        "ldmxcsr %c[mxcsr](%[in])\n\t"
        "movdqu %c[x5](%[in]), %%xmm5\n\t"
        "movdqu %c[x15](%[in]), %%xmm15\n\t"
        "test %[avx], %[avx]\n\t"
        "jz 1f\n\t"
        "vmovdqu %c[ymm](%[in]), %%ymm0\n"
        "1:\n\t"
        "xor %%eax, %%eax\n\t"
        "call log_printf\n\t"
        "test %[avx], %[avx]\n\t"
        "jz 2f\n\t"
        "vmovdqu %%ymm0, %c[ymm](%[out])\n"
        "2:\n\t"
        "movdqu %%xmm5, %c[x5](%[out])\n\t"
        "movdqu %%xmm15, %c[x15](%[out])\n\t"
        "stmxcsr %c[mxcsr](%[out])\n\t"
        "fnstcw %c[fcw](%[out])\n\t"
        "fstpt %c[x87](%[out])\n\t"
        "fninit\n\t"
        "mov %%rbx, %%rsp\n\t"
        "ldmxcsr %[def]"
        : "+r"(a0), "+r"(a1), "+r"(a2)
        : [in] "r"(in), [out] "r"(out), [avx] "r"((uint64_t)avx),
          [def] "m"(*(const uint32_t[]){0x1F80}), [x87] "i"(offsetof(struct vectors, x87)),
          [fcw] "i"(offsetof(struct vectors, fcw)), [mxcsr] "i"(offsetof(struct vectors, mxcsr)),
          [ymm] "i"(offsetof(struct vectors, ymm0)), [x5] "i"(offsetof(struct vectors, xmm[5])),
          [x15] "i"(offsetof(struct vectors, xmm[15]))
        : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0", "xmm5", "xmm15",
          "st");
    if (!avx)
        memcpy(out->ymm0, in->ymm0, sizeof(in->ymm0));
}

START_TEST(vector_state_survives)
{
    char *text = NULL;
    size_t size;
    struct log log = {.out = open_memstream(&text, &size), .mask = LOG_INT};
    struct vectors in, out;

    memset(&in, 0, sizeof(in));
    for (unsigned i = 0; i < sizeof(in.xmm); i++)
        in.xmm[i / 16][i % 16] = (uint8_t)(i * 7 + 1);
    for (unsigned i = 0; i < sizeof(in.ymm0); i++)
        in.ymm0[i] = (uint8_t)(0xA0 + i);
    memcpy(in.x87, "\x35\xc2\x68\x21\xa2\xda\x0f\xc9\x00\x40", 10); /* pi */
    in.mxcsr = 0x7F80;                                              /* round to zero, all masked */
    in.fcw = 0x0F7F;
    memset(&out, 0, sizeof(out));
    log_with_vectors(&log, &in, &out);
    fclose(log.out);
    ck_assert_str_eq(text, "text");
    ck_assert_mem_eq(in.xmm[5], out.xmm[5], 16);
    ck_assert_mem_eq(in.xmm[15], out.xmm[15], 16);
    ck_assert_mem_eq(in.ymm0, out.ymm0, 32);
    ck_assert_mem_eq(in.x87, out.x87, 10);
    ck_assert_uint_eq(out.mxcsr, in.mxcsr);
    ck_assert_uint_eq(out.fcw, in.fcw);
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log");
    TCase *tc = tcase_create("log");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, items_parse);
    tcase_add_test(tc, items_refuse);
    tcase_add_test(tc, every_item_is_listed);
    tcase_add_test(tc, only_what_is_on);
    tcase_add_test(tc, vector_state_survives);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
