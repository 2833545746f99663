#include "native64.h"

#include <cpuid.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { ALT_STACK = 256 << 10, RUN_SECONDS = 1, FOREIGN_MAX = 64, HWCAP2_WRFSBASE = 2 };

/* Bits of EFLAGS that sigreturn restores; the others stay the child's. */
enum { EFL_SETTABLE = 0x50dd5 };

struct shared {
    struct mem64 mem;
    struct state64 state;
};

struct range {
    uint64_t begin, end;
};

struct native64 {
    struct shared *shared;
    struct range foreign[FOREIGN_MAX];
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
    uint64_t fs_base;
};

static struct child child;

static const int reg_of_gpr[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                   REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                   REG_R12, REG_R13, REG_R14, REG_R15};

static uint64_t fs_base(void)
{
    uint64_t v;

    __asm__ volatile("rdfsbase %0" : "=r"(v));
    return v;
}

static uint64_t gs_base(void)
{
    uint64_t v;

    __asm__ volatile("rdgsbase %0" : "=r"(v));
    return v;
}

static void set_fs_base(uint64_t v)
{
    __asm__ volatile("wrfsbase %0" ::"r"(v) : "memory");
}

static void set_gs_base(uint64_t v)
{
    __asm__ volatile("wrgsbase %0" ::"r"(v) : "memory");
}

/* Thread-local data is out of reach once FS is the test's. */
__attribute__((no_stack_protector)) static void enter(int sig, siginfo_t *si, void *ctx)
{
    ucontext_t *uc = ctx;
    greg_t *r = uc->uc_mcontext.gregs;
    const struct state64 *s = &child.shared->state;

    (void)sig;
    (void)si;
    memcpy(child.home, r, sizeof(child.home));
    child.running = true;
    for (unsigned i = 0; i < 16; i++)
        r[reg_of_gpr[i]] = (greg_t)s->gpr[i];
    r[REG_RIP] = (greg_t)s->rip;
    r[REG_EFL] = (r[REG_EFL] & ~(greg_t)EFL_SETTABLE) | (greg_t)(s->rflags & EFL_SETTABLE);
    vec64_to_xsave(&s->vec, (uint8_t *)uc->uc_mcontext.fpregs, child.ymm_offset);
    child.fs_base = fs_base();
    set_gs_base(s->gs_base);
    set_fs_base(s->fs_base);
}

static void store_result(int sig, ucontext_t *uc, uint64_t fs)
{
    greg_t *r = uc->uc_mcontext.gregs;
    struct state64 *s = &child.shared->state;
    struct vec64 clean;

    for (unsigned i = 0; i < 16; i++)
        s->gpr[i] = (uint64_t)r[reg_of_gpr[i]];
    s->rip = (uint64_t)r[REG_RIP];
    s->rflags = (uint64_t)r[REG_EFL];
    s->fs_base = fs;
    s->gs_base = gs_base();
    s->end = sig == SIGALRM ? END64_TIMEOUT : (int)r[REG_TRAPNO];
    s->err = (uint32_t)r[REG_ERR];
    s->cr2 = (uint64_t)r[REG_CR2];
    vec64_from_xsave(&s->vec, (const uint8_t *)uc->uc_mcontext.fpregs, child.ymm_offset);
    memcpy(r, child.home, sizeof(child.home));
    vec64_init(&clean);
    vec64_to_xsave(&clean, (uint8_t *)uc->uc_mcontext.fpregs, child.ymm_offset);
}

/* The kernel leaves AC, NT and ID as the test had them, and sigreturn keeps the last two. */
__attribute__((no_stack_protector)) static void leave(int sig, siginfo_t *si, void *ctx)
{
    uint64_t fs = fs_base();

    __asm__ volatile("pushfq\n\tandl $~0x244000, (%%rsp)\n\tpopfq" ::: "cc", "memory");
    (void)si;
    if (!child.running) {
        signal(sig, SIG_DFL);
        return;
    }
    set_fs_base(child.fs_base);
    child.running = false;
    store_result(sig, ctx, fs);
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

static bool child_map(struct native64 *n)
{
    for (unsigned i = 0; i < NREGIONS64; i++) {
        const struct region64 *r = &regions64[i];
        int prot = PROT_READ | (r->writable ? PROT_WRITE : 0) | (r->code ? PROT_EXEC : 0);
        off_t off = (off_t)(offsetof(struct shared, mem) + r->offset);

        if (mmap((void *)(uintptr_t)r->base, r->size, prot,
                 MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, n->fd, off) == MAP_FAILED)
            return false;
    }
    return true;
}

static void one_run(void)
{
    struct itimerval limit = {.it_value = {.tv_sec = RUN_SECONDS}}, off = {0};

    setitimer(ITIMER_REAL, &limit, NULL);
    kill(getpid(), SIGUSR1);
    setitimer(ITIMER_REAL, &off, NULL);
}

_Noreturn static void child_main(struct native64 *n)
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

static bool start_child(struct native64 *n)
{
    if (pipe(n->request) < 0 || pipe(n->reply) < 0)
        return false;
    n->pid = fork();
    if (n->pid == 0)
        child_main(n);
    close(n->request[0]);
    close(n->reply[1]);
    return n->pid > 0;
}

static void stop_child(struct native64 *n)
{
    close(n->request[1]);
    close(n->reply[0]);
    waitpid(n->pid, NULL, 0);
}

static void find_foreign(struct native64 *n)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];

    while (f && n->nforeign < FOREIGN_MAX && fgets(line, sizeof(line), f)) {
        struct range *r = &n->foreign[n->nforeign];

        n->nforeign += sscanf(line, "%" SCNx64 "-%" SCNx64, &r->begin, &r->end) == 2;
    }
    if (f)
        fclose(f);
}

bool native64_foreign(const struct native64 *n, uint64_t lin)
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

/* INC R8; HLT */
static bool works(struct native64 *n)
{
    struct outcome64 *o = calloc(1, sizeof(*o));
    uint64_t start = regions64[R_CODE].base;
    bool ok;

    if (!o)
        return false;
    memcpy(o->mem.bytes, "\x49\xff\xc0\xf4", 4);
    vec64_init(&o->state.vec);
    o->state.rip = start;
    o->state.rflags = 0x202;
    ok = native64_run(n, o) && o->state.end == END64_HLT && o->state.gpr[8] == 1 &&
         o->state.rip == start + 3;
    free(o);
    return ok;
}

struct native64 *native64_open(const char **why)
{
    struct native64 *n = calloc(1, sizeof(*n));

    *why = "the kernel does not let programs write FS and GS bases";
    if (!(getauxval(AT_HWCAP2) & HWCAP2_WRFSBASE))
        return NULL;
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
    *why = "the test's memory can't be mapped";
    if (!works(n)) {
        native64_close(n);
        return NULL;
    }
    return n;
}

void native64_close(struct native64 *n)
{
    stop_child(n);
    munmap(n->shared, sizeof(struct shared));
    close(n->fd);
    free(n);
}

bool native64_run(struct native64 *n, struct outcome64 *o)
{
    char byte = 0;

    n->shared->mem = o->mem;
    n->shared->state = o->state;
    if (write(n->request[1], &byte, 1) != 1 || read(n->reply[0], &byte, 1) != 1) {
        stop_child(n);
        if (!start_child(n))
            abort();
        return false;
    }
    o->mem = n->shared->mem;
    o->state = n->shared->state;
    state64_name_end(&o->mem, &o->state);
    return true;
}
