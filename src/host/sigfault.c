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
    struct sigfault *owner;
};

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

static struct sigfault *owner_here(void)
{
    uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
    struct alt_top *top = (struct alt_top *)(sp & ~(uintptr_t)(ALT_STACK - 1));

    return top->owner;
}

__attribute__((no_stack_protector)) static void handler(int sig, siginfo_t *si, void *ctx)
{
    ucontext_t *uc = ctx;
    struct sigfault *s;

    (void)si;
    /* The kernel clears DF, TF and RF for a handler, but leaves AC as the guest had it. */
    __asm__ volatile("pushfq\n\tandl $~0x40000, (%%rsp)\n\tpopfq" ::: "cc", "memory");
    s = owner_here();
    if (s->fault(s->opaque, sig, uc))
        return;
    if (s->fatal)
        s->fatal(s->fatal_opaque, sig, uc);
    signal(sig, SIG_DFL);
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
    return 0;
}

int sigfault_init(struct sigfault *s)
{
    stack_t ss = {0};
    uint8_t *map, *stack;

    /* Twice the size gives an aligned half; a guard page below it stays unmapped. */
    map = mmap(NULL, 2 * ALT_STACK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -errno;
    stack = (uint8_t *)(uintptr_t)align_up((uintptr_t)map, ALT_STACK);
    munmap(map, (size_t)(stack - map));
    munmap(stack + ALT_STACK, (size_t)(map + ALT_STACK - stack));
    if (mprotect(stack, ALT_STACK, PROT_READ | PROT_WRITE) < 0)
        goto fail;
    ((struct alt_top *)(void *)stack)->owner = s;
    s->stack = stack;
    /* The lowest page holds the registration; the signal stack begins above it. */
    ss.ss_sp = stack + PAGE_SIZE;
    ss.ss_size = ALT_STACK - PAGE_SIZE;
    ss.ss_flags = (int)SS_AUTODISARM;
    if (sigaltstack(&ss, NULL) < 0 || install_handlers() < 0)
        goto fail;
    return 0;
fail:
    munmap(stack, ALT_STACK);
    return -errno;
}

void sigfault_fini(struct sigfault *s)
{
    stack_t off = {.ss_flags = SS_DISABLE};

    sigaltstack(&off, NULL);
    munmap(s->stack, ALT_STACK);
    s->stack = NULL;
}
