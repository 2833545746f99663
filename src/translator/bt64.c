/* 64-bit code between the dispatcher and the cache: what generated code finds in the hot structure,
 * callouts, and host faults. */
#include <signal.h>

#include "translator/bt_priv.h"
#include "translator/x_int.h"

static void refresh_registers(struct engine *e, enum smmu_table t)
{
    const struct cpu *c = e->cpu;
    struct bt_hot *h = e->hot;
    uint64_t delta = smmu_delta(e->mmu, t, c->gpr[RSP]);

    h->home[R10] = c->gpr[R10];
    h->home[R11] = c->gpr[R11];
    h->rsp = c->gpr[RSP] + delta;
    h->rsp_not = ~delta;
}

void bt64_refresh(struct engine *e)
{
    const struct cpu *c = e->cpu;
    struct bt_hot *h = e->hot;
    enum smmu_table t = smmu_table_of(c);

    refresh_registers(e, t);
    e->deltas_used = smmu_deltas_changed(e->mmu);
    for (unsigned s = SEG_FS; s <= SEG_GS; s++) {
        h->seg_lin[s] = c->seg[s].base;
        h->seg_host[s] = c->seg[s].base + smmu_delta(e->mmu, t, c->seg[s].base);
    }
    bt64_prepare_crossings(e);
}

const uint8_t *bt64_callout(struct engine *e)
{
    struct bt_callout *site = e->hot->site;
    const uint8_t *to;

    e->cpu->rip = site->rip;
    e->stub_did = site->done;
    site->done = 0;
    to = bt_callout(e->cpu, &site->insn, e->hot, site->resume);
    e->stub_did = 0;
    if (to == site->resume && bt_keeps_copies(&site->insn) &&
        e->deltas_used == smmu_deltas_changed(e->mmu))
        refresh_registers(e, e->table_seen);
    else if (to)
        bt64_refresh(e);
    return to;
}

static enum smmu_verdict show_for(struct engine *e, gva_t lin, unsigned access)
{
    return canonical(lin) ? smmu_fault_long(e->mmu, e->cpu, lin, access) : SMMU_TRUE;
}

static void show(struct engine *e, gva_t lin)
{
    show_for(e, lin, ACC_READ);
}

/* A store that is denied leaves the page's A bit alone. Vector and x87 stores may not happen. */
static unsigned access_of(const struct insn *i, const struct opnd *o)
{
    return o->access & 2 && !(i->row->traits & (T_FPU | T_MMX | T_SSE | T_AVX)) ? ACC_WRITE
                                                                                : ACC_READ;
}

static gva_t operand_at(const struct cpu *c, const struct insn *i)
{
    gva_t lin = op_ea(c, i) + (i->seg == SEG_FS || i->seg == SEG_GS ? c->seg[i->seg].base : 0);

    if (insn_bit_string(i))
        lin += (sext_bytes(c->gpr[i->op[1].reg], i->op[1].size) >> 3) & -(uint64_t)i->op[1].size;
    return lin;
}

/* All of what has its place in the operands of instruction i. False: the guest's tables deny some.
 */
static bool show_operands(struct engine *e, const struct insn *i)
{
    bool allowed = true;

    for (unsigned k = 0; k < i->nops; k++)
        if (i->op[k].kind == OPND_MEM &&
            show_for(e, operand_at(e->cpu, i), access_of(i, &i->op[k])) == SMMU_TRUE)
            allowed = false;
    return allowed;
}

/* The access hit the null slot, whose addresses don't tell what piece was meant. Whatever the
 * instruction may access is shown; the interpreter then decides what happens. */
void bt64_prepare(struct engine *e)
{
    struct cpu *c = e->cpu;
    unsigned off = (unsigned)c->rip & PAGE_MASK;
    struct code_page cp;
    struct insn i;

    bt_fpu_save(e, c); /* the decoder and the tables' makers use what libc has */
    if (off > PAGE_SIZE - MAX_INSN || !smmu_fetch(e->mmu, c, c->rip, &cp) || !cp.bytes ||
        decode_insn(cp.bytes + off, MAX_INSN, 64, &i) != DECODE_OK)
        return;
    if (!show_operands(e, &i) && bt_adapt_count(e, cp.frame, off, SMMU_TRUE))
        e->retranslate = e->fault_prepare;
    if (i.gpr_used >> RSP & 1) {
        show(e, c->gpr[RSP]);
        show(e, c->gpr[RSP] - 8);
    }
    if (i.row->lower == LOWER_LEAVE)
        show(e, c->gpr[RBP]);
    if (i.row->lower == LOWER_IRET)
        for (unsigned k = 0; k < ARRAY_SIZE(e->hot->desc_lin); k++)
            show(e, e->hot->desc_lin[k]);
    if (i.row->traits & T_STRING) {
        show(e, c->gpr[RSI]);
        show(e, c->gpr[RDI]);
    }
}

bool bt64_undo_branch(struct engine *e)
{
    static const int8_t undo[] = {[BT_JUMPED] = 0, [BT_CALLED] = 8, [BT_RETURNED] = -8};
    struct cpu *c = e->cpu;
    uint32_t branch = e->hot->branch;
    uint64_t at = (uint64_t)(uintptr_t)e->code.rx + (branch >> BT_BRANCH_SHIFT);
    const struct bt_block *b;

    if (!cpu_cs64(c) || canonical(c->rip))
        return false;
    b = bt_block_at(e, at);
    c->rip = b->rip + bt_map_at(b, at)->guest;
    c->gpr[RSP] += (uint64_t)undo[branch % (1 << BT_BRANCH_SHIFT)];
    return true;
}

static greg_t *host_reg(ucontext_t *uc, unsigned reg)
{
    static const uint8_t where[NGPR] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                        REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                        REG_R12, REG_R13, REG_R14, REG_R15};

    return &uc->uc_mcontext.gregs[where[reg]];
}

/* Registers as at a block's boundary. */
void bt64_leave_at(struct engine *e, ucontext_t *uc, const struct bt_block *b,
                   const struct bt_map *m)
{
    struct bt_hot *h = e->hot;

    for (unsigned r = 0; r < NGPR; r++) {
        if (b->borrowed >> r & 1)
            *host_reg(uc, r) = (greg_t)h->home[r];
        if (b->loaded >> r & 1)
            h->home[r] = (uint64_t)*host_reg(uc, r);
    }
    if (m->kind == SITE_STRING) {
        *host_reg(uc, RSI) -= (greg_t)h->str_src;
        *host_reg(uc, RDI) -= (greg_t)h->str_dst;
    }
    h->fault_rip = b->rip + m->guest;
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)bt64_fault_exit;
}

/* mov S0, [rsp]: 4 bytes, behind a map entry of its own. */
enum { PROBE_BYTES = 4 };

/* RSP is where it should be when its address is still in the slot its delta is of. */
static bool probe_fine(struct engine *e, ucontext_t *uc)
{
    uint64_t host = (uint64_t)*host_reg(uc, RSP);
    bool in_gap;
    gva_t lin;

    if (!smmu_locate_long(e->mmu, host, &lin, &in_gap) || in_gap ||
        lin != host + e->hot->rsp_not + 1)
        return false;
    uc->uc_mcontext.gregs[REG_RIP] += PROBE_BYTES;
    return true;
}

bool bt64_page_fault(struct engine *e, ucontext_t *uc, struct bt_block *b, const struct bt_map *m)
{
    uint64_t host = (uint64_t)uc->uc_mcontext.gregs[REG_CR2];
    unsigned access = uc->uc_mcontext.gregs[REG_ERR] & 2 ? ACC_WRITE : ACC_READ;
    uint64_t changes = smmu_deltas_changed(e->mmu);
    enum smmu_verdict verdict;
    bool in_gap = false;
    gva_t lin;

    e->fault_emulate = m->kind != SITE_PROBE;
    if (m->kind == SITE_PROBE) {
        if (probe_fine(e, uc))
            return true;
    } else if (smmu_locate_long(e->mmu, host, &lin, &in_gap) && !in_gap) {
        verdict = smmu_fault_long(e->mmu, e->cpu, lin, access);
        e->stats.faults[verdict]++;
        if (verdict == SMMU_MAPPED && smmu_deltas_changed(e->mmu) == changes)
            return true;
        bt_judge(e, b, m, verdict);
    } else {
        e->fault_prepare = b;
        if (in_gap)
            bt_judge(e, b, m, SMMU_VIEW);
    }
    bt64_leave_at(e, uc, b, m);
    return true;
}
