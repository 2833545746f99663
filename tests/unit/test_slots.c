/* The host seam: slots are holes, claims exclude each other, rights and views are what was asked
 * for. */
#include "host/slots.h"

#include <check.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static sigjmp_buf escape;

static void on_segv(int sig)
{
    (void)sig;
    siglongjmp(escape, 1);
}

static bool can_read(uint64_t at)
{
    if (sigsetjmp(escape, 1))
        return false;
    (void)*(volatile uint8_t *)(uintptr_t)at;
    return true;
}

static bool can_write(uint64_t at, uint8_t val)
{
    if (sigsetjmp(escape, 1))
        return false;
    *(volatile uint8_t *)(uintptr_t)at = val;
    return true;
}

static int make_memfd(void)
{
    int fd = memfd_create("ram", 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
    return fd;
}

START_TEST(slots_are_distinct_and_never_zero)
{
    struct slots s, other;
    unsigned a, b, x;

    slots_init(&s);
    slots_init(&other);
    ck_assert_int_eq(slots_alloc(&s, &a), 0);
    ck_assert_int_eq(slots_alloc(&s, &b), 0);
    ck_assert_int_eq(slots_alloc(&other, &x), 0);
    ck_assert_uint_ne(a, 0);
    ck_assert(a != b && a != x && b != x); /* another machine of this process */
    ck_assert_uint_eq(slot_base(a), (UINT64_C(1) << 40) + a * (UINT64_C(32) << 30));
    ck_assert(!can_read(slot_base(a)));
    slots_free(&s, a);
    slots_fini(&other);
    slots_init(&other);
    ck_assert_int_eq(slots_alloc(&other, &x), 0);
    ck_assert_uint_eq(x, a); /* free for everybody */
    slots_fini(&s);
    slots_fini(&other);
}
END_TEST

START_TEST(map_protect_unmap)
{
    struct slots s;
    unsigned k, second;
    int fd = make_memfd();
    uint64_t base;

    slots_init(&s);
    ck_assert_int_eq(slots_alloc(&s, &k), 0);
    ck_assert_int_eq(slots_alloc(&s, &second), 0);
    base = slot_base(k);
    errno = 77;
    ck_assert_int_eq(slot_map(k, 0x5000, 0x2000, fd, 0x3000, SLOT_WRITE), 0);
    ck_assert_int_eq(slot_map(second, 0xfffff000, 0x1000, fd, 0x3000, SLOT_POPULATE), 0);
    ck_assert(can_write(base + 0x5000, 0x5a));
    ck_assert(can_read(slot_base(second) + 0xfffff000));
    ck_assert_uint_eq(*(volatile uint8_t *)(uintptr_t)(slot_base(second) + 0xfffff000), 0x5a);
    ck_assert(!can_write(slot_base(second) + 0xfffff000, 1));
    ck_assert(!can_read(slot_base(second) + SLOT_BYTES));
    ck_assert(!can_read(base + 0x7000));
    ck_assert_int_eq(slot_protect(k, 0x5000, 0x1000, false), 0);
    ck_assert(!can_write(base + 0x5000, 1));
    ck_assert(can_write(base + 0x6000, 1));
    ck_assert_int_eq(slot_protect(k, 0x5000, 0x1000, true), 0);
    ck_assert(can_write(base + 0x5000, 1));
    ck_assert_int_eq(slot_unmap(k, 0x1000, 0x100000), 0); /* holes do no harm */
    ck_assert(!can_read(base + 0x5000));
    ck_assert_int_eq(slot_protect(k, 0x5000, 0x1000, true), -ENOMEM);
    ck_assert_int_eq(slot_map(k, 0, 0x1000, -1, 0, 0), -EBADF);
    ck_assert_int_eq(errno, 77);
    slots_fini(&s);
    ck_assert(!can_read(slot_base(second) + 0xfffff000));
    close(fd);
}
END_TEST

START_TEST(slots_run_out)
{
    struct slots s;
    unsigned k, n = 0;

    slots_init(&s);
    while (slots_alloc(&s, &k) == 0)
        n++;
    ck_assert_uint_le(n, NSLOTS - 1);
    ck_assert_uint_ge(n, NSLOTS / 2); /* sanitizers keep some */
    ck_assert_int_eq(slots_alloc(&s, &k), -ENOSPC);
    slots_fini(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slots");
    TCase *tc = tcase_create("slots");
    SRunner *runner;
    int failed;

    signal(SIGSEGV, on_segv);
    tcase_add_test(tc, slots_are_distinct_and_never_zero);
    tcase_add_test(tc, map_protect_unmap);
    tcase_add_test(tc, slots_run_out);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
