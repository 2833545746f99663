#include "host.h"

#include <asm/ldt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CODE = 0x40000000,
    CODE_END = CODE + 4096,
    SEL_CODE16 = 0x07, /* LDT entry 0 */
    SEL_CODE32 = 0x23,
    SEL_CODE64 = 0x33,
    SEL_DATA = 0x2b,
    NOWHERE = 0x2000, /* below what may be mapped; REP runs once at most */
    EF_FIXED = 0x202
};

struct host {
    pid_t child;
    uint8_t *code;
    bool has_ldt; /* 16-bit code */
    struct user_regs_struct regs;
};

static bool install_code16(void)
{
    struct user_desc d = {.base_addr = CODE, .limit = 0xffff, .contents = MODIFY_LDT_CONTENTS_CODE};

    return syscall(SYS_modify_ldt, 1, &d, sizeof(d)) == 0;
}

static bool spawn(struct host *h)
{
    int status;

    h->child = fork();
    if (h->child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        raise(SIGSTOP);
        _exit(1);
    }
    if (h->child < 0 || waitpid(h->child, &status, 0) < 0 || !WIFSTOPPED(status))
        return false;
    ptrace(PTRACE_SETOPTIONS, h->child, NULL, PTRACE_O_EXITKILL);
    return true;
}

struct host *host_open(void)
{
    struct host *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    h->code = mmap((void *)(uintptr_t)CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    h->has_ldt = install_code16(); /* inherited by the children */
    if (h->code == MAP_FAILED || !spawn(h)) {
        free(h);
        return NULL;
    }
    return h;
}

static void reap(struct host *h)
{
    int status;

    kill(h->child, SIGKILL);
    waitpid(h->child, &status, 0);
}

void host_close(struct host *h)
{
    if (!h)
        return;
    reap(h);
    munmap(h->code, 4096);
    free(h);
}

static void prepare(struct host *h, unsigned mode, uint64_t start)
{
    static const uint16_t cs[] = {SEL_CODE16, SEL_CODE32, SEL_CODE64};
    struct user_regs_struct *r = &h->regs;

    *r = (struct user_regs_struct){
        .rax = NOWHERE + 0x00,
        .rcx = 1,
        .rdx = NOWHERE + 0x20,
        .rbx = NOWHERE + 0x30,
        .rsp = NOWHERE + 0x40,
        .rbp = NOWHERE + 0x50,
        .rsi = NOWHERE + 0x60,
        .rdi = NOWHERE + 0x70,
        .r8 = NOWHERE + 0x80,
        .r9 = NOWHERE + 0x90,
        .r10 = NOWHERE + 0xa0,
        .r11 = NOWHERE + 0xb0,
        .r12 = NOWHERE + 0xc0,
        .r13 = NOWHERE + 0xd0,
        .r14 = NOWHERE + 0xe0,
        .r15 = NOWHERE + 0xf0,
    };
    r->cs = cs[mode];
    r->ss = SEL_DATA;
    r->ds = r->es = mode == 2 ? 0 : SEL_DATA;
    r->rip = mode == 0 ? start - CODE : start;
    r->eflags = EF_FIXED;
    r->orig_rax = (unsigned long long)-1; /* no system call to restart */
}

static enum host_verdict judge(struct host *h, unsigned mode, int status, uint64_t start)
{
    siginfo_t info;

    if (!WIFSTOPPED(status) || ptrace(PTRACE_GETREGS, h->child, NULL, &h->regs) != 0)
        return HOST_UNKNOWN;
    switch (WSTOPSIG(status)) {
    case SIGILL:
        return HOST_UD;
    case SIGSEGV:
        if (ptrace(PTRACE_GETSIGINFO, h->child, NULL, &info) != 0)
            return HOST_UNKNOWN;
        if (info.si_addr == (void *)(uintptr_t)CODE_END &&
            h->regs.rip + (mode == 0 ? CODE : 0) == start)
            return HOST_LONGER;
        return HOST_VALID;
    default:
        return HOST_VALID;
    }
}

enum host_verdict host_try(struct host *h, unsigned mode, const uint8_t *bytes, unsigned n)
{
    uint64_t start = CODE_END - n;
    enum host_verdict v = HOST_UNKNOWN;
    int status;

    if (mode == 0 && !h->has_ldt)
        return HOST_UNKNOWN;
    memcpy(h->code + 4096 - n, bytes, n);
    prepare(h, mode, start);
    if (ptrace(PTRACE_SETREGS, h->child, NULL, &h->regs) == 0 &&
        ptrace(PTRACE_SYSEMU_SINGLESTEP, h->child, NULL, NULL) == 0 &&
        waitpid(h->child, &status, 0) == h->child)
        v = judge(h, mode, status, start);
    if (v == HOST_UNKNOWN) {
        reap(h);
        spawn(h);
    }
    return v;
}

enum host_verdict host_decode(struct host *h, unsigned mode, const uint8_t *bytes, unsigned max,
                              unsigned *len)
{
    enum host_verdict v = HOST_UNKNOWN;

    for (*len = 1; *len <= max; ++*len) {
        v = host_try(h, mode, bytes, *len);
        if (v != HOST_LONGER)
            break;
    }
    return v;
}

uint64_t host_gpr(const struct host *h, unsigned reg)
{
    const struct user_regs_struct *r = &h->regs;
    const uint64_t all[16] = {r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
                              r->r8,  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15};

    return all[reg & 15];
}
