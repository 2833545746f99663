/* mmu_window.h - guest accesses through real windows: host loads and stores with the SIGSEGV
 * handler a translator has. */
#ifndef DRAGOMAN_TESTS_MMU_WINDOW_H
#define DRAGOMAN_TESTS_MMU_WINDOW_H

#include "mmu_rig.h"

/* The handler's way to the machine under test; one per process. */
struct window {
    struct rig *rig;
    sigjmp_buf escape;
    enum smmu_verdict verdict;
    unsigned hidden;
};

static struct window win;

static void on_segv(int sig, siginfo_t *si, void *uc)
{
    bool write = ((ucontext_t *)uc)->uc_mcontext.gregs[REG_ERR] & 2;
    enum smmu_view v;
    uint64_t lin;
    bool gap;

    (void)sig;
    if (!win.rig || !smmu_locate(win.rig->m, (uint64_t)(uintptr_t)si->si_addr, &v, &lin, &gap) ||
        gap)
        abort();
    win.verdict = smmu_fault(win.rig->m, win.rig->c, lin, write ? ACC_WRITE : ACC_READ, v);
    if (win.verdict == SMMU_MAPPED && ++win.hidden < 1000)
        return;
    siglongjmp(win.escape, 1);
}

static void window_open(struct rig *r)
{
    struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_NODEFER};

    sigaction(SIGSEGV, &sa, NULL);
    win.rig = r;
}

/* One attempt. SMMU_MAPPED: done. Not inlined: the jump must not find its caller's variables in
 * registers. */
static __attribute__((noinline)) enum smmu_verdict touch(uint64_t host, bool write, uint32_t *val)
{
    win.hidden = 0;
    if (sigsetjmp(win.escape, 0))
        return win.verdict;
    if (write)
        *(volatile uint32_t *)(uintptr_t)host = *val;
    else
        *val = *(volatile uint32_t *)(uintptr_t)host;
    return SMMU_MAPPED;
}

/* As a translated instruction would: windows first, then by the table, then software. */
static enum outcome guest_access(struct rig *r, unsigned cpl, uint32_t lin, bool write,
                                 uint32_t *val)
{
    enum smmu_view v = cpl == 3 ? VIEW_USER : VIEW_KERNEL;
    uint64_t got;

    r->c->cpl = (uint8_t)cpl;
    for (unsigned i = 0; i < 100; i++) {
        switch (touch(smmu_base(r->m, v) + lin, write, val)) {
        case SMMU_MAPPED:
            return OUT_OK;
        case SMMU_TRUE:
            r->c->cr2 = lin;
            return OUT_PF;
        case SMMU_VIEW:
            ck_assert_uint_ne(cpl, 3);
            v = (enum smmu_view)smmu_view_table(r->m)[lin >> SMMU_VIEW_SHIFT];
            break;
        case SMMU_MMIO:
            return OUT_MMIO;
        case SMMU_HOST_ERR:
            return OUT_ERR;
        default:
            if (!(write ? mem_write_slow(r->c, lin, val, 4, cpl == 3)
                        : mem_read_slow(r->c, lin, &got, 4, cpl == 3)))
                return OUT_PF;
            if (!write)
                *val = (uint32_t)got;
            return OUT_OK;
        }
    }
    ck_abort_msg("no end of view faults at %x", lin);
}

#endif
