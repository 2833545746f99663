/* Memory for generated code: two views of the same bytes, in pieces as it is used. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host/codemem.h"

static struct codemem cm;

static void teardown(void)
{
    codemem_fini(&cm);
}

/* Executes what is there: MOV EAX, imm32; RET. */
static unsigned run(const uint8_t *rw)
{
    unsigned (*f)(void);
    const uint8_t *rx = codemem_to_rx(&cm, rw);

    memcpy(&f, &rx, sizeof(f));
    return f();
}

static uint8_t *put(uint8_t *p, uint32_t imm)
{
    p[0] = 0xb8;
    memcpy(p + 1, &imm, 4);
    p[5] = 0xc3;
    return p;
}

START_TEST(what_is_written_runs_until_it_is_full)
{
    const size_t sizes[] = {3 * 4096, 1 << 20, (5 << 20) + 4096};
    const size_t size = sizes[_i];
    uint8_t *p, *first;
    uint32_t n = 0;

    ck_assert_int_eq(codemem_init(&cm, size), 0);
    /* the engine's fixed stubs are written before anything is asked for */
    first = put(cm.rw, 77);
    codemem_reset(&cm, 16);
    while ((p = codemem_begin(&cm, 4096)) != NULL) {
        ck_assert_uint_eq(run(put(p, n)), n);
        ck_assert_uint_eq(run(put(p + 4096 - 6, ~n)), ~n);
        codemem_commit(&cm, 4001);
        n++;
    }
    ck_assert_uint_ge(n, (uint32_t)(size / 4096 - 1));
    ck_assert_uint_le(cm.used, size);
    ck_assert_uint_eq(run(first), 77);
    ck_assert(!codemem_contains(&cm, (uint64_t)(uintptr_t)cm.rx + cm.used));
    codemem_reset(&cm, 16);
    ck_assert_ptr_eq(codemem_begin(&cm, 4096), cm.rw + 16);
}
END_TEST

START_TEST(works_without_large_pages)
{
    uint8_t *p;

    ck_assert_int_eq(codemem_init(&cm, 4 << 20), 0);
    cm.large = false;
    for (uint32_t n = 0; (p = codemem_begin(&cm, 65536)) != NULL; n++) {
        ck_assert_uint_eq(run(put(p, n)), n);
        codemem_commit(&cm, 65536);
    }
    ck_assert_uint_eq(cm.populated, cm.size);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("codemem");
    TCase *t = tcase_create("codemem");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, what_is_written_runs_until_it_is_full, 0, 3);
    tcase_add_test(t, works_without_large_pages);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
