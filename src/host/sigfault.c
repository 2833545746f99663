#include "host/sigfault.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"

/* The alternate stack is aligned to its size, so the handler finds the registration by masking its
 * own stack pointer (pitfalls A27). 256 KiB: an AMX frame is 11 KiB, the shadow MMU runs on it. */
enum { ALT_STACK = 256 * 1024 };

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

struct alt_top {
    struct sigfault *first;
};

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

static struct alt_top *top_of(uintptr_t address)
{
    return (struct alt_top *)(address & ~(uintptr_t)(ALT_STACK - 1));
}

/* The kernel clears DF, TF and RF for a handler, but leaves AC as the guest had it. */
static inline __attribute__((always_inline)) void clear_ac(void)
{
    __asm__ volatile("pushfq\n\tandl $~0x40000, (%%rsp)\n\tpopfq" ::: "cc", "memory");
}

__attribute__((no_stack_protector)) static void handler(int sig, siginfo_t *si, void *ctx)
{
    ucontext_t *uc = ctx;
    struct sigfault *first, *s;

    (void)si;
    clear_ac();
    first = top_of((uintptr_t)__builtin_frame_address(0))->first;
    for (s = first; s; s = s->next)
        if (s->fault(s->opaque, sig, uc))
            return;
    if (first->fatal)
        first->fatal(first->fatal_opaque, sig, uc);
    signal(sig, SIG_DFL);
}

__attribute__((no_stack_protector)) static void on_interrupt(int sig, siginfo_t *si, void *ctx)
{
    struct sigfault *s;

    (void)sig;
    (void)si;
    clear_ac();
    for (s = top_of((uintptr_t)__builtin_frame_address(0))->first; s; s = s->next)
        if (s->interrupt)
            s->interrupt(s->opaque, ctx);
}

static int install_handlers(void)
{
    struct sigaction sa = {0};

    sa.sa_sigaction = handler;
    sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&sa.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(fault_signals); i++)
        sigdelset(&sa.sa_mask, fault_signals[i]);
    for (size_t i = 0; i < ARRAY_SIZE(fault_signals); i++)
        if (sigaction(fault_signals[i], &sa, NULL) < 0)
            return -errno;
    sa.sa_sigaction = on_interrupt;
    sa.sa_flags |= SA_RESTART;
    return sigaction(SIGFAULT_INTERRUPT, &sa, NULL) < 0 ? -errno : 0;
}

/* The calling thread's registrations; NULL: it has none. Nobody else uses a stack of this size that
 * disarms itself. */
static struct alt_top *top_here(void)
{
    stack_t ss;

    if (sigaltstack(NULL, &ss) < 0 || (ss.ss_flags & SS_DISABLE) ||
        !((unsigned)ss.ss_flags & SS_AUTODISARM) || ss.ss_size != ALT_STACK - PAGE_SIZE)
        return NULL;
    return top_of((uintptr_t)ss.ss_sp);
}

static int make_stack(struct alt_top **top)
{
    stack_t ss = {0};
    uint8_t *map, *stack;
    int err;

    /* Twice the size gives an aligned half; a guard page below it stays unmapped. */
    map = mmap(NULL, 2 * ALT_STACK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -errno;
    stack = (uint8_t *)(uintptr_t)align_up((uintptr_t)map, ALT_STACK);
    munmap(map, (size_t)(stack - map));
    munmap(stack + ALT_STACK, (size_t)(map + ALT_STACK - stack));
    /* The lowest page holds the registrations; the signal stack begins above it. */
    ss.ss_sp = stack + PAGE_SIZE;
    ss.ss_size = ALT_STACK - PAGE_SIZE;
    ss.ss_flags = (int)SS_AUTODISARM;
    if (mprotect(stack, ALT_STACK, PROT_READ | PROT_WRITE) < 0 || sigaltstack(&ss, NULL) < 0) {
        err = -errno;
        munmap(stack, ALT_STACK);
        return err;
    }
    *top = (struct alt_top *)(void *)stack;
    return 0;
}

static void drop_stack(struct alt_top *top)
{
    stack_t off = {.ss_flags = SS_DISABLE};

    sigaltstack(&off, NULL);
    munmap(top, ALT_STACK);
}

static struct sigfault **link_to(struct alt_top *top, const struct sigfault *s)
{
    struct sigfault **at = &top->first;

    while (*at != s)
        at = &(*at)->next;
    return at;
}

int sigfault_init(struct sigfault *s)
{
    struct alt_top *top = top_here();
    int err = install_handlers();

    if (err == 0 && !top)
        err = make_stack(&top);
    if (err < 0)
        return err;
    s->next = NULL;
    *link_to(top, NULL) = s;
    s->registered = true;
    return 0;
}

void sigfault_fini(struct sigfault *s)
{
    struct alt_top *top = top_here();

    *link_to(top, s) = s->next;
    s->registered = false;
    if (!top->first)
        drop_stack(top);
}
