#include "native.h"

#include <cpuid.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { USER_CS32 = 0x23, USER_DS = 0x2b, ALT_STACK = 256 << 10, RUN_SECONDS = 1 };

/* Bits of EFLAGS that sigreturn restores; the others stay the child's. */
enum { EFL_SETTABLE = 0x50dd5 };

struct shared {
    struct test_mem mem;
    struct test_state state;
    bool low;
    bool has32;
};

struct range {
    uint64_t begin, end;
};

enum { FOREIGN_MAX = 16 };

struct native {
    struct shared *shared;
    struct range foreign[FOREIGN_MAX]; /* below 4 GiB, before the test regions are mapped */
    unsigned nforeign;
    int fd, request[2], reply[2];
    pid_t pid;
    unsigned ymm_offset;
};

/* The child's own: signal handlers have no argument. */
struct child {
    struct shared *shared;
    unsigned ymm_offset;
    bool running;
    greg_t home[NGREG];
};

static struct child child;

static void set_selectors(ucontext_t *uc, uint16_t cs, uint16_t ss)
{
    uint16_t sel[4];

    memcpy(sel, &uc->uc_mcontext.gregs[REG_CSGSFS], sizeof(sel));
    sel[0] = cs;
    sel[3] = ss;
    memcpy(&uc->uc_mcontext.gregs[REG_CSGSFS], sel, sizeof(sel));
}

static const int reg_of_gpr[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX,
                                  REG_RSP, REG_RBP, REG_RSI, REG_RDI};

static void enter(int sig, siginfo_t *si, void *ctx)
{
    ucontext_t *uc = ctx;
    greg_t *r = uc->uc_mcontext.gregs;
    const struct test_state *s = &child.shared->state;

    (void)sig;
    (void)si;
    memcpy(child.home, r, sizeof(child.home));
    child.running = true;
    for (unsigned i = 0; i < 8; i++)
        r[reg_of_gpr[i]] = s->gpr[i];
    r[REG_RIP] = s->eip;
    r[REG_EFL] = (r[REG_EFL] & ~(greg_t)EFL_SETTABLE) | (s->eflags & EFL_SETTABLE);
    set_selectors(uc, USER_CS32, USER_DS);
    vec_to_xsave(&s->vec, (uint8_t *)uc->uc_mcontext.fpregs, child.ymm_offset);
}

static void store_result(int sig, ucontext_t *uc)
{
    greg_t *r = uc->uc_mcontext.gregs;
    struct test_state *s = &child.shared->state;
    struct vec_state clean;

    if (!child.running) {
        signal(sig, SIG_DFL);
        return;
    }
    child.running = false;
    for (unsigned i = 0; i < 8; i++)
        s->gpr[i] = (uint32_t)r[reg_of_gpr[i]];
    s->eip = (uint32_t)r[REG_RIP];
    s->eflags = (uint32_t)r[REG_EFL];
    s->end = sig == SIGALRM ? END_TIMEOUT : (int)r[REG_TRAPNO];
    s->err = (uint32_t)r[REG_ERR];
    s->cr2 = (uint32_t)r[REG_CR2];
    vec_from_xsave(&s->vec, (const uint8_t *)uc->uc_mcontext.fpregs, child.ymm_offset);
    memcpy(r, child.home, sizeof(child.home));
    vec_init(&clean);
    vec_to_xsave(&clean, (uint8_t *)uc->uc_mcontext.fpregs, child.ymm_offset);
}

/* The kernel leaves AC, NT and ID as the test had them, and sigreturn keeps the last two. */
__attribute__((no_stack_protector)) static void leave(int sig, siginfo_t *si, void *ctx)
{
    __asm__ volatile("pushfq\n\tandl $~0x244000, (%%rsp)\n\tpopfq" ::: "cc", "memory");
    store_result(sig, ctx);
    (void)si;
}

static void child_signals(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGALRM};
    struct sigaction sa = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t ss = {.ss_size = ALT_STACK};

    ss.ss_sp = mmap(NULL, ALT_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaltstack(&ss, NULL);
    sigfillset(&sa.sa_mask);
    sa.sa_sigaction = leave;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigaction(faults[i], &sa, NULL);
    sa.sa_sigaction = enter;
    sigaction(SIGUSR1, &sa, NULL);
}

static bool child_map(struct native *n)
{
    struct shared *s = n->shared;

    for (unsigned i = 0; i < NREGIONS; i++) {
        const struct test_region *r = &test_regions[i];
        /* without NX a guest executes data, where a self-modified branch may lead it */
        int prot = PROT_READ | (r->writable ? PROT_WRITE : 0) | PROT_EXEC;
        off_t off = (off_t)(offsetof(struct shared, mem) + r->offset);
        void *p = mmap((void *)(uintptr_t)r->base, r->size, prot,
                       MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, n->fd, off);

        if (p == MAP_FAILED) {
            if (r->base != LOW_BASE)
                return false;
            s->low = false;
        }
    }
    return true;
}

static void one_run(void)
{
    struct itimerval limit = {.it_value = {.tv_sec = RUN_SECONDS}}, off = {0};

    __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" ::"r"(USER_DS));
    setitimer(ITIMER_REAL, &limit, NULL);
    kill(getpid(), SIGUSR1);
    setitimer(ITIMER_REAL, &off, NULL);
}

_Noreturn static void child_main(struct native *n)
{
    sigset_t none;
    char byte;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    close(n->request[1]);
    close(n->reply[0]);
    child = (struct child){.shared = n->shared, .ymm_offset = n->ymm_offset};
    child_signals();
    if (!child_map(n))
        _exit(2);
    while (read(n->request[0], &byte, 1) == 1) {
        one_run();
        if (write(n->reply[1], &byte, 1) != 1)
            break;
    }
    _exit(0);
}

static bool start_child(struct native *n)
{
    if (pipe(n->request) < 0 || pipe(n->reply) < 0)
        return false;
    n->shared->low = true;
    n->pid = fork();
    if (n->pid == 0)
        child_main(n);
    close(n->request[0]);
    close(n->reply[1]);
    return n->pid > 0;
}

static void stop_child(struct native *n)
{
    close(n->request[1]);
    close(n->reply[0]);
    waitpid(n->pid, NULL, 0);
}

static void find_foreign(struct native *n)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];

    while (f && n->nforeign < FOREIGN_MAX && fgets(line, sizeof(line), f)) {
        struct range *r = &n->foreign[n->nforeign];

        if (sscanf(line, "%" SCNx64 "-%" SCNx64, &r->begin, &r->end) == 2 && r->begin <= UINT32_MAX)
            n->nforeign++;
    }
    if (f)
        fclose(f);
}

bool native_foreign(const struct native *n, uint32_t lin)
{
    for (unsigned i = 0; i < n->nforeign; i++)
        if (lin >= n->foreign[i].begin && lin < n->foreign[i].end)
            return true;
    return false;
}

static unsigned host_ymm_offset(void)
{
    unsigned a, b, c, d;

    __cpuid(1, a, b, c, d);
    if (!(c & bit_AVX) || !(c & bit_OSXSAVE))
        return 0;
    __cpuid_count(0xd, 2, a, b, c, d);
    return b;
}

/* One byte of code, the final HLT: does the kernel let 32-bit code run at all? */
static bool works(struct native *n)
{
    struct test_mem *m = calloc(1, sizeof(*m));
    struct test_state s = {
        .gpr = {[4] = STACK_BASE + STACK_BYTES / 2}, .eip = TEST_START, .eflags = 0x202};
    bool ok;

    if (!m)
        return false;
    memset(m->code, HLT, sizeof(m->code));
    m->code[0] = 0x40; /* INC EAX: a REX prefix, were this 64-bit code */
    vec_init(&s.vec);
    ok = native_run(n, m, &s) && s.end == END_HLT && s.gpr[0] == 1 && s.eip == TEST_START + 1;
    free(m);
    return ok;
}

struct native *native_open(const char **why)
{
    struct native *n = calloc(1, sizeof(*n));

    *why = "no memory";
    if (!n)
        return NULL;
    signal(SIGPIPE, SIG_IGN); /* a dead child is an error of write() */
    n->ymm_offset = host_ymm_offset();
    find_foreign(n);
    n->fd = memfd_create("rows", MFD_CLOEXEC);
    if (n->fd < 0 || ftruncate(n->fd, sizeof(struct shared)) < 0)
        return NULL;
    n->shared = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, n->fd, 0);
    if (n->shared == MAP_FAILED || !start_child(n))
        return NULL;
    *why = "the kernel does not run 32-bit code";
    if (!works(n)) {
        native_close(n);
        return NULL;
    }
    return n;
}

void native_close(struct native *n)
{
    stop_child(n);
    munmap(n->shared, sizeof(struct shared));
    close(n->fd);
    free(n);
}

bool native_has_low(const struct native *n)
{
    return n->shared->low;
}

bool native_run(struct native *n, struct test_mem *mem, struct test_state *s)
{
    char byte = 0;

    n->shared->mem = *mem;
    n->shared->state = *s;
    if (write(n->request[1], &byte, 1) != 1 || read(n->reply[0], &byte, 1) != 1) {
        stop_child(n);
        if (!start_child(n))
            abort();
        return false;
    }
    *mem = n->shared->mem;
    *s = n->shared->state;
    test_name_end(mem, s);
    return true;
}
