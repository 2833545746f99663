/* tracing - a guest process that is traced by another one: single steps through 64-bit code, system
 * calls and 32-bit code, breakpoints, watchpoints, registers changed. Prints a line per check and
 * "tracing: N passed, M failed". Runs on any x86-64 Linux. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each piece ends with INT3. */
extern const char step_code[], step_end[], loop_code[], loop_store[], far_code[], far_end[];
static volatile uint64_t watched;

__asm__("        .text\n"
        "step_code:\n"
        "        nop\n"               /* 0 */
        "        mov     $2, %ecx\n"  /* 1 */
        "1:      dec     %ecx\n"      /* 6 */
        "        jnz     1b\n"        /* 8 */
        "        mov     $39, %eax\n" /* 10: getpid */
        "        syscall\n"           /* 15 */
        "        nop\n"               /* 17 */
        "        pushfq\n"            /* 18 */
        "        pop     %rdx\n"      /* 19 */
        "        int3\n"              /* 20 */
        "step_end:\n"
        "loop_code:\n"
        "        mov     $100, %ecx\n"
        "1:      incq    (%rdi)\n"
        "loop_store:\n"
        "        dec     %ecx\n"
        "        jnz     1b\n"
        "        int3\n"
        "far_code:\n"                        /* copied below 4 GiB; RDI: where */
        "        lea     0x20(%rdi), %eax\n" /* 0: 3 bytes */
        "        pushq   $0x23\n"            /* 3 */
        "        push    %rax\n"             /* 5 */
        "        lretq\n"                    /* 6: 2 bytes */
        "        .org    far_code + 0x20\n"
        "        .code32\n"
        "        inc     %edx\n"             /* 20: one byte in 32-bit code */
        "        nop\n"                      /* 21 */
        "        push    $0x33\n"            /* 22 */
        "        lea     0x30(%edi), %eax\n" /* 24 */
        "        push    %eax\n"             /* 27 */
        "        lret\n"                     /* 28 */
        "        .code64\n"
        "        .org    far_code + 0x30\n"
        "        nop\n"
        "        int3\n"
        "far_end:\n");

static unsigned passed, failed;

static void check(const char *what, bool ok)
{
    printf("%s %s\n", ok ? "PASS" : "FAIL", what);
    fflush(stdout);
    if (ok)
        passed++;
    else
        failed++;
}

static pid_t child;

static bool stopped_by(int sig)
{
    int status;

    return waitpid(child, &status, 0) == child && WIFSTOPPED(status) && WSTOPSIG(status) == sig;
}

static struct user_regs_struct registers(void)
{
    struct user_regs_struct r = {0};

    ptrace(PTRACE_GETREGS, child, NULL, &r);
    return r;
}

static void start_at(const void *rip, uint64_t rdi, uint64_t rsp)
{
    struct user_regs_struct r = registers();

    r.rip = (uintptr_t)rip;
    r.rdi = rdi;
    if (rsp)
        r.rsp = rsp;
    r.orig_rax = (unsigned long)-1; /* no system call to go on with */
    ptrace(PTRACE_SETREGS, child, NULL, &r);
}

/* Steps until `n` offsets from `base` were seen; they must be these. */
static bool steps(uintptr_t base, const uint8_t *offsets, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
        if (!stopped_by(SIGTRAP) || registers().rip != base + offsets[i]) {
            printf("step %u: %llx, not %llx\n", i, (unsigned long long)registers().rip,
                   (unsigned long long)(base + offsets[i]));
            return false;
        }
    }
    return true;
}

static bool single_steps(void)
{
    static const uint8_t at[] = {1, 6, 8, 6, 8, 10, 15, 17, 18, 19, 20};
    struct user_regs_struct r;

    start_at(step_code, 0, 0);
    if (!steps((uintptr_t)step_code, at, sizeof(at)))
        return false;
    r = registers();
    return r.rax == (uint64_t)child && (r.rdx & 0x100); /* PUSHF shows TF */
}

static bool many_steps(void)
{
    unsigned n = 0;

    start_at(loop_code, (uintptr_t)&watched, 0);
    do {
        ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
        if (!stopped_by(SIGTRAP))
            return false;
        n++;
    } while (registers().rip < (uintptr_t)far_code - 1);
    return n == 1 + 3 * 100;
}

static bool far_steps(uint8_t *low)
{
    static const uint8_t at[] = {3, 5, 6, 0x20, 0x21, 0x22, 0x24, 0x27, 0x28, 0x30, 0x31};

    start_at(low, (uintptr_t)low, (uintptr_t)low + 0x1000);
    return steps((uintptr_t)low, at, sizeof(at)) && registers().cs == 0x33;
}

/* The third argument is DR7: watch eight bytes written, or execution. */
static bool watch(const volatile void *at, unsigned long dr7, const void *stop, unsigned times)
{
    size_t dr = offsetof(struct user, u_debugreg);
    bool ok = ptrace(PTRACE_POKEUSER, child, dr, at) == 0 &&
              ptrace(PTRACE_POKEUSER, child, dr + 7 * 8, dr7) == 0;

    start_at(loop_code, (uintptr_t)&watched, 0);
    for (unsigned i = 0; i < times && ok; i++) {
        ptrace(PTRACE_CONT, child, NULL, NULL);
        ok = stopped_by(SIGTRAP) && registers().rip == (uintptr_t)stop &&
             (ptrace(PTRACE_PEEKUSER, child, dr + 6 * 8, NULL) & 15) == 1;
        ptrace(PTRACE_POKEUSER, child, dr + 6 * 8, 0);
    }
    ptrace(PTRACE_POKEUSER, child, dr + 7 * 8, 0);
    return ok;
}

/* INT3 over the loop's second instruction, taken out and put in again. */
static bool breakpoint(unsigned times)
{
    long old = ptrace(PTRACE_PEEKTEXT, child, loop_store, NULL), with = (old & ~0xffL) | 0xcc;
    bool ok = true;

    start_at(loop_code, (uintptr_t)&watched, 0);
    for (unsigned i = 0; i < times && ok; i++) {
        struct user_regs_struct r;

        ptrace(PTRACE_POKETEXT, child, loop_store, with);
        ptrace(PTRACE_CONT, child, NULL, NULL);
        ok = stopped_by(SIGTRAP);
        r = registers();
        ok = ok && r.rip == (uintptr_t)loop_store + 1 && (uint32_t)r.rcx == 100 - i;
        r.rip--;
        ptrace(PTRACE_SETREGS, child, NULL, &r);
        ptrace(PTRACE_POKETEXT, child, loop_store, old);
        ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
        ok = ok && stopped_by(SIGTRAP);
    }
    return ok;
}

/* Segment bases set from outside. */
static bool bases(void)
{
    struct user_regs_struct r = registers();
    unsigned long fs = r.fs_base;

    r.gs_base = 0x123456789000;
    r.fs_base = 0x7edcba987000;
    ptrace(PTRACE_SETREGS, child, NULL, &r);
    start_at(step_code, 0, 0);
    ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
    if (!stopped_by(SIGTRAP))
        return false;
    r = registers();
    if (r.gs_base != 0x123456789000 || r.fs_base != 0x7edcba987000)
        return false;
    r.fs_base = fs;
    r.gs_base = 0;
    return ptrace(PTRACE_SETREGS, child, NULL, &r) == 0;
}

int main(void)
{
    uint8_t *low = mmap((void *)0x10000000, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    memcpy(low, far_code, (size_t)(far_end - far_code));
    child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        _exit(1);
    }
    check("a child that stops", stopped_by(SIGSTOP));
    check("single steps, SYSCALL is one", single_steps());
    check("300 single steps", many_steps());
    check("steps to 32-bit code and back", far_steps(low));
    check("a watchpoint, a hundred times", watch(&watched, 0x90001, loop_store, 100));
    check("a breakpoint of DR0", watch(loop_store, 1, loop_store, 100));
    check("INT3 put in and taken out", breakpoint(100));
    check("FS and GS bases", bases());
    ptrace(PTRACE_KILL, child, NULL, NULL);
    printf("tracing: %u passed, %u failed\n", passed, failed);
    return failed != 0;
}
