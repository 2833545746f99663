/* mappings - a guest process with 1000 mappings from one end of its address space to the other: all
 * are written, read in several orders, protected, unmapped, moved, executed, run on as stacks, and
 * shared with children. Prints a line per check and "mappings: N passed, M failed". Runs on any
 * x86-64 Linux. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT = 1000, PAGE = 4096, PAGES_MAX = 4, CHILDREN = 6, CALLS = 100, MOVED = 50 };
#define LOWEST  UINT64_C(0x100000000)
#define HIGHEST UINT64_C(0x7e0000000000)

struct mapping {
    volatile uint8_t *at;
    size_t len;
    bool shared;
};

struct test {
    struct mapping map[COUNT];
    unsigned order[COUNT]; /* a permutation */
    uint64_t seed;
    unsigned passed, failed;
};

static sigjmp_buf escape;
static volatile uintptr_t fault_at;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    fault_at = (uintptr_t)info->si_addr;
    siglongjmp(escape, 1);
}

static void check(struct test *t, const char *what, bool ok)
{
    printf("%s %s\n", ok ? "PASS" : "FAIL", what);
    fflush(stdout);
    if (ok)
        t->passed++;
    else
        t->failed++;
}

static uint64_t next_random(struct test *t)
{
    t->seed ^= t->seed << 13;
    t->seed ^= t->seed >> 7;
    t->seed ^= t->seed << 17;
    return t->seed;
}

static void shuffle(struct test *t)
{
    for (unsigned i = 0; i < COUNT; i++)
        t->order[i] = i;
    for (unsigned i = COUNT - 1; i > 0; i--) {
        unsigned k = (unsigned)(next_random(t) % (i + 1)), swap = t->order[i];

        t->order[i] = t->order[k];
        t->order[k] = swap;
    }
}

static void *place(unsigned i)
{
    uint64_t step = (HIGHEST - LOWEST) / COUNT;

    /* every other one ends at a border of 4 GiB, and every fourth goes over it */
    uint64_t at = (LOWEST + i * step) & ~UINT64_C(0xfff);

    return (void *)(i % 2 ? at : (at | 0xffffffff) + 1 - (i % 4 ? PAGE : 2 * PAGE));
}

static bool map_one(struct test *t, unsigned i)
{
    struct mapping *m = &t->map[i];
    int flags = MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    void *p;

    m->shared = i % 5 == 0;
    m->len = (i % PAGES_MAX + 1) * PAGE;
    p = mmap(place(i), m->len, PROT_READ | PROT_WRITE,
             flags | (m->shared ? MAP_SHARED : MAP_PRIVATE), -1, 0);
    m->at = p;
    return p == place(i);
}

static bool map_all(struct test *t)
{
    for (unsigned i = 0; i < COUNT; i++)
        if (!map_one(t, i))
            return false;
    return true;
}

/* What lies at byte o of mapping i in generation g. */
static uint64_t pattern(unsigned i, size_t o, unsigned g)
{
    return (i + 1) * UINT64_C(0x9e3779b97f4a7c15) + o * 0x101 + g;
}

static void write_one(struct mapping *m, unsigned i, unsigned g)
{
    for (size_t o = 0; o < m->len; o += 264)
        if (o + 8 <= m->len)
            *(volatile uint64_t *)(m->at + o) = pattern(i, o, g);
}

static bool holds(const struct mapping *m, unsigned i, unsigned g)
{
    for (size_t o = 0; o < m->len; o += 264)
        if (o + 8 <= m->len && *(volatile uint64_t *)(m->at + o) != pattern(i, o, g))
            return false;
    return true;
}

static bool all_hold(struct test *t, unsigned g)
{
    shuffle(t);
    for (unsigned n = 0; n < COUNT; n++)
        if (!holds(&t->map[t->order[n]], t->order[n], g))
            return false;
    return true;
}

static void write_all(struct test *t, unsigned g)
{
    shuffle(t);
    for (unsigned n = 0; n < COUNT; n++)
        write_one(&t->map[t->order[n]], t->order[n], g);
}

/* A list through all mappings, followed several times. */
static bool chase(struct test *t)
{
    volatile uint64_t *first, *at;
    unsigned steps = 0;

    shuffle(t);
    for (unsigned n = 0; n < COUNT; n++)
        *(volatile uint64_t *)(t->map[t->order[n]].at + 8) =
            (uint64_t)t->map[t->order[(n + 1) % COUNT]].at + 8;
    at = first = (volatile uint64_t *)(t->map[t->order[0]].at + 8);
    for (unsigned round = 0; round < 20; round++)
        do {
            at = (volatile uint64_t *)*at;
            steps++;
        } while (at != first);
    return steps == 20 * COUNT;
}

/* memmove between mappings far apart, and atomic additions in both. */
static bool copy(struct test *t)
{
    for (unsigned i = 0; i + 7 < COUNT; i += 8) {
        struct mapping *a = &t->map[i], *b = &t->map[i + 7];
        size_t len = a->len < b->len ? a->len : b->len;

        memcpy((void *)b->at, (const void *)a->at, len);
        if (memcmp((const void *)b->at, (const void *)a->at, len) != 0)
            return false;
        __atomic_fetch_add((volatile uint64_t *)(b->at + len - 8), 77, __ATOMIC_SEQ_CST);
        if (memcmp((const void *)b->at, (const void *)a->at, len) == 0)
            return false;
    }
    return true;
}

static bool faults(volatile uint8_t *at, bool write)
{
    fault_at = 0;
    if (sigsetjmp(escape, 1))
        return fault_at == (uintptr_t)at;
    if (write)
        *at = 1;
    else
        (void)*at;
    return false;
}

static bool protect(struct test *t)
{
    bool ok = true;

    for (unsigned i = 0; i < COUNT; i += 2) {
        struct mapping *m = &t->map[i];
        int prot = i % 4 ? PROT_READ : PROT_NONE;

        ok = ok && mprotect((void *)m->at, m->len, prot) == 0;
        ok = ok && faults(m->at + m->len - 1, true) && (prot == PROT_READ || faults(m->at, false));
        if (prot == PROT_READ)
            ok = ok && holds(m, i, 1);
    }
    for (unsigned i = 0; i < COUNT; i += 2)
        ok = ok && mprotect((void *)t->map[i].at, t->map[i].len, PROT_READ | PROT_WRITE) == 0;
    return ok;
}

static bool unmap(struct test *t)
{
    bool ok = true;

    for (unsigned i = 0; i < COUNT; i += 3)
        ok = ok && munmap((void *)t->map[i].at, t->map[i].len) == 0;
    for (unsigned i = 0; i < COUNT; i++)
        ok = ok && (i % 3 ? holds(&t->map[i], i, 1) : faults(t->map[i].at, i % 2));
    for (unsigned i = 0; i < COUNT; i += 3) {
        ok = ok && map_one(t, i) && *(volatile uint64_t *)t->map[i].at == 0;
        write_one(&t->map[i], i, 1);
    }
    return ok;
}

static bool discard(struct test *t)
{
    bool ok = true;

    for (unsigned i = 1; i < COUNT; i += 10) {
        ok = ok && madvise((void *)t->map[i].at, t->map[i].len, MADV_DONTNEED) == 0;
        ok = ok && *(volatile uint64_t *)t->map[i].at == 0;
        write_one(&t->map[i], i, 1);
    }
    return ok;
}

/* Private mappings are the child's own; shared ones are everybody's. */
static void child(struct test *t, unsigned n)
{
    bool ok = true;

    for (unsigned i = 0; i < COUNT; i++)
        if (!t->map[i].shared)
            ok = ok && holds(&t->map[i], i, 1);
    for (unsigned i = n; i < COUNT; i += CHILDREN)
        if (t->map[i].shared)
            write_one(&t->map[i], i, 2);
        else
            write_one(&t->map[i], i, 3 + n);
    for (unsigned i = n; i < COUNT; i += CHILDREN)
        ok = ok && holds(&t->map[i], i, t->map[i].shared ? 2 : 3 + n);
    _exit(ok ? 0 : 1);
}

static bool fork_some(struct test *t)
{
    bool ok = true;
    int status;

    for (unsigned n = 0; n < CHILDREN; n++) {
        pid_t pid = fork();

        if (pid == 0)
            child(t, n);
        ok = ok && pid > 0;
    }
    for (unsigned i = 0; i < COUNT; i++) /* meanwhile */
        if (!t->map[i].shared)
            ok = ok && holds(&t->map[i], i, 1);
    for (unsigned n = 0; n < CHILDREN; n++)
        ok = ok && wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    for (unsigned i = 0; i < COUNT; i++)
        ok = ok && holds(&t->map[i], i, t->map[i].shared ? 2 : 1);
    return ok;
}

/* mov eax, n; ret - written, called, changed, called. */
static bool execute(struct test *t)
{
    bool ok = true;

    for (unsigned n = 0; n < 2 * CALLS && ok; n++) {
        volatile uint8_t *at = t->map[n % CALLS * 9 + 2].at + 100;
        uint32_t result = n * 0x01010101;
        uint8_t code[] = {0xb8, 0, 0, 0, 0, 0xc3};

        memcpy(code + 1, &result, 4);
        ok = mprotect((void *)((uintptr_t)at & -(uintptr_t)PAGE), PAGE,
                      PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
        memcpy((void *)at, code, sizeof(code));
        ok = ok && ((uint32_t(*)(void))(uintptr_t)at)() == result;
    }
    return ok;
}

static bool move(struct test *t)
{
    bool ok = true;

    for (unsigned i = 4; i < MOVED * 4; i += 4) {
        struct mapping *m = &t->map[i];
        void *to = (uint8_t *)place(i) + 64 * PAGE;
        void *p = mremap((void *)m->at, m->len, m->len, MREMAP_MAYMOVE | MREMAP_FIXED, to);

        ok = ok && p == to && faults(m->at, false);
        m->at = p;
        ok = ok && holds(m, i, 1);
    }
    return ok;
}

static volatile unsigned deep;

static void on_usr1(int sig)
{
    volatile uint8_t local[1024];

    local[sig] = (uint8_t)sig;
    deep += local[sig];
}

/* Signal handlers whose stacks lie in the mappings. */
static bool stacks(struct test *t)
{
    struct sigaction act = {.sa_handler = on_usr1, .sa_flags = SA_ONSTACK}, old;
    stack_t off = {.ss_flags = SS_DISABLE};
    unsigned n = 0;

    deep = 0;
    sigaction(SIGUSR1, &act, &old);
    for (unsigned i = 3; i < COUNT; i += 20, n++) {
        stack_t s = {.ss_sp = (void *)t->map[i].at, .ss_size = t->map[i].len};

        if (sigaltstack(&s, NULL) != 0)
            return false;
        raise(SIGUSR1);
    }
    sigaltstack(&off, NULL);
    return deep == n * SIGUSR1;
}

/* Pages of 2 MiB, if the kernel likes. */
static bool huge(void)
{
    enum { SIZE = 8 << 20 };
    volatile uint8_t *p = mmap((void *)UINT64_C(0x7f0000000000), SIZE, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool ok = p != MAP_FAILED && madvise((void *)p, SIZE, MADV_HUGEPAGE) == 0;

    for (size_t o = 0; ok && o < SIZE; o += 4088)
        p[o] = (uint8_t)(o >> 4);
    ok = ok && mprotect((void *)(p + 5 * PAGE), PAGE, PROT_READ) == 0 && faults(p + 5 * PAGE, true);
    ok = ok && munmap((void *)(p + (4 << 20)), PAGE) == 0 && faults(p + (4 << 20), false);
    for (size_t o = 0; ok && o < SIZE; o += 4088)
        if (o < 4 << 20 || o >= (4 << 20) + PAGE)
            ok = p[o] == (uint8_t)(o >> 4);
    return ok;
}

int main(void)
{
    static struct test t = {.seed = 88172645463325252};
    struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &act, NULL);
    check(&t, "1000 mappings made", map_all(&t));
    write_all(&t, 0);
    check(&t, "written and read", all_hold(&t, 0) && all_hold(&t, 0));
    check(&t, "a list through them all", chase(&t));
    check(&t, "copies and atomic additions", copy(&t));
    write_all(&t, 1);
    check(&t, "mprotect", protect(&t) && all_hold(&t, 1));
    check(&t, "munmap and mmap again", unmap(&t) && all_hold(&t, 1));
    check(&t, "MADV_DONTNEED", discard(&t) && all_hold(&t, 1));
    check(&t, "fork", fork_some(&t));
    write_all(&t, 1);
    check(&t, "mremap", move(&t) && all_hold(&t, 1));
    check(&t, "code in a hundred of them, changed once", execute(&t));
    check(&t, "stacks", stacks(&t));
    check(&t, "large pages", huge());
    printf("mappings: %u passed, %u failed\n", t.passed, t.failed);
    return t.failed != 0;
}
