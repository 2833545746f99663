/* Host faults in translated code: hidden ones are repaired here, all others leave the cache at the
 * exact guest instruction, which the interpreter then executes: it knows what the fault means. */
#include "translator/bt_priv.h"

#include <signal.h>

#include "translator/hostexec.h"

enum { TRAP_PF = 14 };

/* A host pointer of a string, as the guest's register with `kept` above 16 bits. One in the null
 * slot has not moved. */
static greg_t string_register(greg_t pointer, greg_t kept, uint64_t base)
{
    if ((uint64_t)pointer >> 32 == 0 || base >> 32 != (uint64_t)pointer >> 32)
        return (uint32_t)kept;
    return (greg_t)(((uint32_t)kept & 0xffff0000) | (uint16_t)((uint64_t)pointer - base));
}

/* R8, R9, R10 hold ESI, EDI, ECX as they were before the string instruction (lowerseg_string.c). */
static void leave_string(const struct engine *e, greg_t *r, unsigned seg)
{
    r[REG_RSI] = string_register(r[REG_RSI], r[REG_R8], e->hot->seg_mem[seg][0]);
    r[REG_RDI] = string_register(r[REG_RDI], r[REG_R9], e->hot->seg_mem[SEG_ES][0]);
    r[REG_RCX] = (greg_t)(((uint32_t)r[REG_R10] & 0xffff0000) | (uint16_t)r[REG_RCX]);
}

static void leave_at(struct engine *e, ucontext_t *uc, const struct bt_block *b,
                     const struct bt_map *m)
{
    greg_t *r = uc->uc_mcontext.gregs;

    if (m->kind >= SITE_SEG_STRING)
        leave_string(e, r, m->kind - SITE_SEG_STRING);

    if (m->kind == SITE_STRING) {
        r[REG_RSI] = (uint32_t)r[REG_RSI]; /* host pointers: windows are 4 GiB aligned */
        r[REG_RDI] = (uint32_t)r[REG_RDI];
    }
    r[REG_R12] = (uint32_t)(r[REG_R12] + m->esp * 4);
    e->hot->fault_rip = b->rip + m->guest;
    r[REG_RIP] = (greg_t)(uintptr_t)bt_fault_exit;
}

static unsigned site_offset(const struct bt_block *b, const struct bt_map *m)
{
    return (unsigned)bt_linear(b->rip + m->guest, b->mode) & PAGE_MASK;
}

void bt_judge(struct engine *e, struct bt_block *b, const struct bt_map *m, enum smmu_verdict v)
{
    if (bt_adapt_count(e, b->page->frame, site_offset(b, m), v))
        e->retranslate = b;
}

static bool page_fault(struct engine *e, ucontext_t *uc, struct bt_block *b, const struct bt_map *m)
{
    uint64_t host = (uint64_t)uc->uc_mcontext.gregs[REG_CR2], lin;
    unsigned access = uc->uc_mcontext.gregs[REG_ERR] & 2 ? ACC_WRITE : ACC_READ;
    enum smmu_verdict verdict;
    enum smmu_view view;
    uint64_t changes = smmu_deltas_changed(e->mmu);
    bool in_gap = false;

    e->fault_emulate = true;
    if (m->kind == SITE_POLL) {
        e->fault_emulate = false;
    } else if (smmu_locate(e->mmu, host, &view, &lin, &in_gap) && !in_gap) {
        verdict = smmu_fault(e->mmu, e->cpu, lin, access, view);
        e->stats.faults[verdict]++;
        if (verdict == SMMU_MAPPED && changes == smmu_deltas_changed(e->mmu))
            return true;
        bt_judge(e, b, m, verdict);
    } else if (bt_segmented(b->mode)) { /* a segment that hot.seg_mem does not serve */
        bt_judge(e, b, m, SMMU_REMAPPED);
    } else if (in_gap && bt_adapt_wraps(e, b->page->frame, site_offset(b, m))) {
        e->retranslate = b;
    }
    leave_at(e, uc, b, m);
    return true;
}

static bool bt_fault(void *opaque, int sig, ucontext_t *uc)
{
    struct engine *e = opaque;
    greg_t *r = uc->uc_mcontext.gregs;
    uint64_t pc = (uint64_t)r[REG_RIP], resume;
    struct bt_block *b;
    const struct bt_map *m;
    uint64_t from = __builtin_ia32_rdtsc();
    bool known;

    if (sig == SIGTRAP)
        return bt_stepped(e, uc);
    if (e->cpu->hostexec) {
        resume = hostexec_signal(e->cpu->hostexec, pc, (unsigned)r[REG_TRAPNO]);
        if (resume) {
            r[REG_RIP] = (greg_t)resume;
            return true;
        }
    }
    if (!codemem_contains(&e->code, pc))
        return false;
    b = bt_block_at(e, pc);
    m = b ? bt_map_at(b, pc) : NULL;
    if (!m || sig == SIGILL)
        return false;
    e->fault_prepare = NULL;
    if (sig == SIGSEGV && r[REG_TRAPNO] == TRAP_PF) {
        known = b->mode & MODE_CS64 ? bt64_page_fault(e, uc, b, m) : page_fault(e, uc, b, m);
        e->stats.fault_cycles += __builtin_ia32_rdtsc() - from;
        return known;
    }
    e->fault_emulate = true;
    e->stats.host_traps++;
    bt_judge(e, b, m, SMMU_TRUE);
    if (b->mode & MODE_CS64)
        bt64_leave_at(e, uc, b, m);
    else
        leave_at(e, uc, b, m);
    return true;
}

int bt_fault_init(struct engine *e)
{
    e->fault.fault = bt_fault;
    e->fault.interrupt = bt_interrupted;
    e->fault.fatal = e->cfg.fatal;
    e->fault.fatal_opaque = e->cfg.fatal_opaque;
    e->fault.opaque = e;
    return sigfault_init(&e->fault);
}

void bt_fault_fini(struct engine *e)
{
    sigfault_fini(&e->fault);
}
