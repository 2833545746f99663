/* Synchronous host faults: several owners on a thread, threads apart. */
#include "host/sigfault.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Says how often it was asked, and repairs faults in its page. */
struct owner {
    struct sigfault s;
    uint8_t *page;
    unsigned asked, mine, fatal;
};

static bool fault(void *opaque, int sig, ucontext_t *uc)
{
    struct owner *o = opaque;
    uint64_t at = (uint64_t)uc->uc_mcontext.gregs[REG_CR2];

    o->asked++;
    if (sig != SIGSEGV || at - (uint64_t)(uintptr_t)o->page >= PAGE_SIZE)
        return false;
    o->mine++;
    return mprotect(o->page, PAGE_SIZE, PROT_READ | PROT_WRITE) == 0;
}

static void fatal(void *opaque, int sig, ucontext_t *uc)
{
    (void)sig;
    (void)uc;
    _exit(40 + (int)((struct owner *)opaque)->fatal);
}

static void start(struct owner *o)
{
    memset(o, 0, sizeof(*o));
    o->page = mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(o->page != MAP_FAILED);
    o->s = (struct sigfault){.fault = fault, .fatal = fatal, .opaque = o, .fatal_opaque = o};
    ck_assert_int_eq(sigfault_init(&o->s), 0);
}

static void stop(struct owner *o)
{
    sigfault_fini(&o->s);
    munmap(o->page, PAGE_SIZE);
}

static void touch(struct owner *o)
{
    mprotect(o->page, PAGE_SIZE, PROT_NONE);
    *(volatile uint8_t *)o->page = 1;
}

START_TEST(one_owner)
{
    struct owner a;

    start(&a);
    touch(&a);
    touch(&a);
    ck_assert_uint_eq(a.mine, 2);
    stop(&a);
}
END_TEST

START_TEST(owners_are_asked_in_order)
{
    struct owner a, b, c;

    start(&a);
    start(&b);
    start(&c);
    touch(&a);
    ck_assert_uint_eq(a.asked, 1);
    ck_assert_uint_eq(b.asked, 0);
    touch(&c);
    ck_assert_uint_eq(a.asked, 2);
    ck_assert_uint_eq(b.asked, 1);
    ck_assert_uint_eq(c.mine, 1);
    stop(&a);
    touch(&b);
    touch(&c);
    ck_assert_uint_eq(a.asked, 2);
    ck_assert_uint_eq(b.mine, 1);
    ck_assert_uint_eq(c.mine, 2);
    stop(&c);
    touch(&b);
    ck_assert_uint_eq(b.mine, 2);
    stop(&b);
}
END_TEST

static bool alternate_stack(void)
{
    stack_t ss;

    ck_assert_int_eq(sigaltstack(NULL, &ss), 0);
    return !(ss.ss_flags & SS_DISABLE);
}

/* The last one out gives the alternate stack back, and the next one in makes another. */
START_TEST(stack_lives_as_long_as_owners)
{
    struct owner a, b;

    for (int i = 0; i < 3; i++) {
        start(&a);
        start(&b);
        stop(&a);
        ck_assert(alternate_stack());
        touch(&b);
        stop(&b);
        ck_assert(!alternate_stack());
    }
}
END_TEST

static void *other_thread(void *arg)
{
    struct owner o;

    (void)arg;
    start(&o);
    touch(&o);
    ck_assert_uint_eq(o.asked, 1);
    stop(&o);
    return NULL;
}

START_TEST(threads_are_apart)
{
    struct owner a;
    pthread_t t;

    start(&a);
    ck_assert_int_eq(pthread_create(&t, NULL, other_thread, NULL), 0);
    pthread_join(t, NULL);
    ck_assert_uint_eq(a.asked, 0);
    touch(&a);
    ck_assert_uint_eq(a.mine, 1);
    stop(&a);
}
END_TEST

/* Nobody's fault: all are asked, the first one's `fatal` has the word. */
START_TEST(nobodys_fault_is_fatal)
{
    struct owner a, b;
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        start(&a);
        start(&b);
        a.fatal = 1;
        b.fatal = 2;
        raise(SIGBUS);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 41);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sigfault");
    TCase *tc = tcase_create("owners");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, one_owner);
    tcase_add_test(tc, owners_are_asked_in_order);
    tcase_add_test(tc, stack_lives_as_long_as_owners);
    tcase_add_test(tc, threads_are_apart);
    tcase_add_test(tc, nobodys_fault_is_fatal);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
