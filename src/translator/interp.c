/* interp.c - the fetch-execute loop: events, faults, debug traps, and the fast path inside one
 * page. */
#include "translator/interp.h"

#include <errno.h>
#include <stdlib.h>

#include "cpu/control.h"
#include "cpu/debug.h"
#include "cpu/exception.h"
#include "translator/interp_cache.h"
#include "translator/row.h"

#define unlikely(x) __builtin_expect(!!(x), 0)
#define likely(x)   __builtin_expect(!!(x), 1)

int interp_create(struct interp **out, struct smmu *mmu)
{
    struct interp *it = calloc(1, sizeof(*it));

    if (!it)
        return -ENOMEM;
    it->mmu = mmu;
    it->generation = 1;
    icode_listen(it);
    *out = it;
    return 0;
}

void interp_destroy(struct interp *it)
{
    icode_free_all(it);
    free(it);
}

uint64_t interp_count(const struct interp *it)
{
    return it->count;
}

/* x87, MMX, SSE, AVX: may they be used (SDM 3A 2.5, 13.1)? */
static bool check_units(struct cpu *c, unsigned traits)
{
    bool em = c->cr0 & CR0_EM, ts = c->cr0 & CR0_TS;

    if (traits & T_AVX) {
        if ((c->mode & MODE_NOAVX) && (!ts || !(c->cr4 & CR4_OSXSAVE) || (c->xcr0 & 6) != 6))
            return cpu_raise(c, VEC_UD, 0);
    } else if (traits & T_SSE) {
        if (em || !(c->cr4 & CR4_OSFXSR))
            return cpu_raise(c, VEC_UD, 0);
    } else if ((traits & T_MMX) && em) {
        return cpu_raise(c, VEC_UD, 0);
    } else if ((traits & T_FPU) && em) {
        return cpu_raise(c, VEC_NM, 0);
    }
    return ts ? cpu_raise(c, VEC_NM, 0) : true;
}

/* Everything the row says about whether the instruction may run at all, in order of priority. */
static bool check_row(struct cpu *c, const struct insn *i)
{
    const struct row *r = i->row;

    if (!r->valid || ((i->prefixes & PFX_LOCK) && !(r->traits & T_LOCK)) ||
        !model_has(c->model, r->feature))
        return cpu_raise(c, VEC_UD, 0);
    if ((r->traits & T_PROT) && (c->mode & (MODE_PE | MODE_VM)) != MODE_PE)
        return cpu_raise(c, VEC_UD, 0);
    if ((r->traits & T_CPL0) && c->cpl != 0)
        return cpu_raise(c, VEC_GP, 0);
    if (r->traits & (T_FPU | T_MMX | T_SSE | T_AVX))
        return check_units(c, r->traits);
    return true;
}

/* EIP has 32 bits in 16-bit code too: running over FFFFh meets the limit, it does not wrap. */
static inline uint64_t following(const struct cpu *c, const struct insn *i)
{
    uint64_t next = c->rip + i->len;

    return c->mode & MODE_CS64 ? next : (uint32_t)next;
}

void interp_exec(struct cpu *c, const struct insn *i)
{
    uint32_t rf = c->rflags & EF_RF;

    c->intr_shadow = 0;
    c->rflags &= ~(uint32_t)EF_RF;
    c->next_rip = following(c, i);
    if (c->mode & MODE_TF) { /* TF at the start counts: POPF that sets it is not trapped */
        c->debug_trap = 1;
        c->pending_dr6 |= DR6_BS;
    }
    if (!(i->row->traits & T_LIGHT))
        cpu_fpu_sync(c);
    if (!check_row(c, i) || !i->exec(c, i)) {
        cpu_deliver(c);
        return;
    }
    c->rip = c->next_rip;
    if (c->in_rep)
        c->rflags |= rf;
    if (unlikely(c->debug_trap) && !cpu_debug_traps(c))
        cpu_deliver(c);
}

/* CS limit: all bytes of the instruction must be inside. */
static inline bool inside_cs(struct cpu *c, unsigned len)
{
    if ((c->mode & (MODE_FLAT_CS | MODE_CS64)) ||
        c->rip + (len ? len - 1 : 0) <= c->seg[SEG_CS].limit)
        return true;
    return cpu_raise(c, VEC_GP, 0);
}

/* The instruction at c->rip; NULL: fault recorded. */
static struct icode *fetch_insn(struct interp *it, struct cpu *c)
{
    gva_t lin = cpu_linear_rip(c);
    struct icode_fetch *f;
    struct icode *ic;

    if ((c->mode & MODE_DR7) && !cpu_check_code_bp(c, lin))
        return NULL;
    if (!inside_cs(c, 1))
        return NULL;
    f = icode_fetch_page(it, c, lin);
    if (!f)
        return NULL;
    ic = f->page ? icode_lookup(f->page, lin & PAGE_MASK) : NULL;
    if (!ic)
        ic = icode_decode(it, c, f, lin);
    return ic && inside_cs(c, ic->insn.len) ? ic : NULL;
}

void interp_step(struct interp *it, struct cpu *c)
{
    const struct icode *ic = fetch_insn(it, c);

    it->count++;
    if (ic)
        interp_exec(c, &ic->insn);
    else
        cpu_deliver(c);
}

/* Traps of the instruction before, NMI, INTR (SDM 3A table 6-2). A trap is still due here when the
 * fast path ran the instruction: IRET back to a task with the T bit. True: something was delivered.
 */
static bool take_event(struct cpu *c)
{
    int vector;

    if (unlikely(c->debug_trap) && !cpu_debug_traps(c)) {
        cpu_deliver(c);
        return true;
    }
    if (c->nmi_pending && !c->nmi_blocked && c->intr_shadow != INTR_SHADOW_SS) {
        cpu_interrupt(c, VEC_NMI);
        return true;
    }
    if (!cpu_intr_ready(c) || !c->hooks.intr_ack)
        return false;
    vector = c->hooks.intr_ack(c->hooks.opaque);
    if (vector < 0)
        return false;
    cpu_interrupt(c, (uint8_t)vector);
    return true;
}

void interp_one(struct interp *it, struct cpu *c)
{
    if (take_event(c) || c->halted || c->shutdown)
        return;
    interp_step(it, c);
}

/* Something the outer loop must look at. */
static inline bool attention(const struct cpu *c)
{
    return c->kick | (c->intr & c->iflag) | c->nmi_pending | c->halted | c->shutdown;
}

/* State that makes the next instruction special: single step, breakpoints, shadows, RF. */
static inline bool special(const struct cpu *c)
{
    return (c->mode & (MODE_TF | MODE_DR7)) | c->intr_shadow | c->debug_trap | (c->rflags & EF_RF);
}

/* Runs inside one linear page, without looking its translation up again, until something changes.
 */
static void run_page(struct interp *it, struct cpu *c)
{
    gva_t lin = cpu_linear_rip(c), page = lin >> PAGE_SHIFT;
    struct icode_fetch *f = inside_cs(c, 1) ? icode_fetch_page(it, c, lin) : NULL;
    const struct icode_page *p = f ? f->page : NULL;
    uint64_t generation = it->generation;
    uint32_t mode = c->mode;

    if (!p) {
        interp_step(it, c);
        return;
    }
    do {
        struct icode *ic = icode_lookup(p, lin & PAGE_MASK);

        if (unlikely(!ic || !ic->fast || !inside_cs(c, ic->insn.len))) {
            interp_step(it, c);
            ic = NULL;
        } else {
            it->count++;
            c->next_rip = following(c, &ic->insn);
            if (unlikely(!ic->insn.exec(c, &ic->insn))) {
                cpu_deliver(c);
                return;
            }
            c->rip = c->next_rip;
        }
        lin = cpu_linear_rip(c);
        if (unlikely(it->generation != generation))
            return;
        if (likely(ic && ic->plain && (!ic->branch || !attention(c))))
            continue;
        if (attention(c) || c->mode != mode || special(c))
            return;
    } while (lin >> PAGE_SHIFT == page);
}

void interp_some(struct interp *it, struct cpu *c)
{
    if (take_event(c) || c->halted || c->shutdown)
        return;
    if (special(c))
        interp_step(it, c);
    else
        run_page(it, c);
}

enum run_exit interp_run(struct interp *it, struct cpu *c)
{
    cpu_fpu_sync(c);
    for (;;) {
        if (c->shutdown)
            return RUN_SHUTDOWN;
        if (c->kick)
            return RUN_KICK;
        if (take_event(c))
            continue;
        if (c->halted)
            return RUN_HALT;
        if (special(c))
            interp_step(it, c);
        else
            run_page(it, c);
    }
}
