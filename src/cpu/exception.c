/* exception.c - recording and delivery of exceptions, interrupts and INT n; double and triple
 * faults. */
#include "cpu/exception.h"

#include <inttypes.h>

#include "cpu/debug.h"
#include "cpu/desc.h"

/* Vectors that push an error code (SDM 3A table 6-1). */
enum {
    HAS_ERR = 1 << VEC_DF | 1 << VEC_TS | 1 << VEC_NP | 1 << VEC_SS | 1 << VEC_GP | 1 << VEC_PF |
              1 << VEC_AC,
    CONTRIBUTORY = 1 << VEC_DE | 1 << VEC_TS | 1 << VEC_NP | 1 << VEC_SS | 1 << VEC_GP,
};

bool cpu_raise(struct cpu *c, enum vector v, uint32_t err)
{
    c->fault = (struct fault){.vector = (uint8_t)v, .has_err = HAS_ERR >> v & 1, .err = err};
    return false;
}

bool cpu_raise_pf(struct cpu *c, gva_t cr2, uint32_t err)
{
    c->fault = (struct fault){.vector = VEC_PF, .has_err = true, .err = err, .cr2 = cr2};
    return false;
}

bool cpu_raise_db(struct cpu *c, uint32_t dr6_bits)
{
    c->fault = (struct fault){.vector = VEC_DB, .dr6 = dr6_bits};
    return false;
}

/* QEMU's -d int line, so that the two logs can be compared. */
static void log_event(const struct cpu *c, const struct event *e, uint64_t cr2)
{
    if (!c->log || !log_on(c->log, LOG_INT))
        return;
    log_printf(c->log, LOG_INT,
               "v=%02x e=%04x i=%d cpl=%d IP=%04x:%08" PRIx64 " pc=%08" PRIx64 " SP=%04x:%08" PRIx64
               " %s=%08" PRIx64 "\n",
               e->vector, e->err, e->soft, c->cpl, c->seg[SEG_CS].sel, c->rip,
               (uint64_t)cpu_linear_rip(c), c->seg[SEG_SS].sel, c->gpr[RSP],
               e->vector == VEC_PF && !e->soft ? "CR2" : "EAX",
               e->vector == VEC_PF && !e->soft ? cr2 : c->gpr[RAX]);
}

static bool deliver_event(struct cpu *c, const struct event *e)
{
    bool ok;

    c->delivering = e->vector == 255 ? 255 : e->vector + 1;
    ok = gate_deliver(c, e);
    c->delivering = 0;
    if (!ok)
        return false;
    c->halted = 0;
    c->intr_shadow = 0;
    c->in_rep = 0;
    return true;
}

/* RF is pushed set for faults, except for instruction breakpoints; not for traps and aborts
 * (SDM 3B 17.3.1.1). General detect is the one fault among the other #DB causes. */
static bool pushes_rf(const struct cpu *c, const struct fault *f)
{
    if (f->soft)
        return false;
    if (f->vector == VEC_DB)
        return (f->dr6 & DR6_BD) || c->in_rep;
    return f->vector != VEC_DF && f->vector != VEC_MC;
}

static void enter_debug(struct cpu *c, const struct fault *f)
{
    c->dr[6] = (c->dr[6] & ~(uint64_t)DR6_B) | f->dr6;
    c->dr[7] &= ~(uint64_t)DR7_GD;
}

static bool deliver_fault(struct cpu *c, const struct fault *f)
{
    struct event e = {
        .vector = f->vector,
        .soft = f->soft,
        .rf = pushes_rf(c, f),
        .has_err = f->has_err,
        .err = f->err,
        .ret = f->soft ? c->next_rip : c->rip,
    };

    if (f->vector == VEC_DB && !f->soft)
        enter_debug(c, f);
    log_event(c, &e, f->cr2);
    return deliver_event(c, &e);
}

static void chain_add(struct cpu *c, const struct fault *f)
{
    if (c->nchain == ARRAY_SIZE(c->chain)) {
        c->chain[0] = c->chain[1];
        c->chain[1] = c->chain[2];
        c->nchain--;
    }
    c->chain[c->nchain++] = *f;
    if (f->vector == VEC_PF && !f->soft)
        c->cr2 = f->cr2;
}

static bool is_contributory(const struct fault *f)
{
    return !f->soft && f->vector < 32 && CONTRIBUTORY >> f->vector & 1;
}

static bool is_page_fault(const struct fault *f)
{
    return !f->soft && f->vector == VEC_PF;
}

/* SDM 3A table 6-5. */
static bool is_double(const struct fault *first, const struct fault *second)
{
    if (is_page_fault(first))
        return is_contributory(second) || is_page_fault(second);
    return is_contributory(first) && is_contributory(second);
}

static void enter_shutdown(struct cpu *c)
{
    c->shutdown = 1;
    if (!c->log || !log_on(c->log, LOG_CPU_RESET))
        return;
    log_printf(c->log, LOG_CPU_RESET, "Triple fault\n");
    cpu_fpu_sync(c);
    cpu_dump(c, c->log->out);
}

/* Delivers f, and what its delivery raises, until a handler is entered. False: shutdown. */
static bool deliver_chain(struct cpu *c, struct fault f)
{
    while (!deliver_fault(c, &f)) {
        struct fault next = c->fault;

        chain_add(c, &next);
        if (f.vector == VEC_DF && !f.soft) {
            enter_shutdown(c);
            return false;
        }
        if (is_double(&f, &next))
            next = (struct fault){.vector = VEC_DF, .has_err = true};
        f = next;
    }
    c->rip = c->next_rip;
    return true;
}

/* The instruction that faulted did not complete: its traps never happened. A trap of its own that
 * is being delivered has been moved out of pending_dr6 before. */
static void drop_traps(struct cpu *c)
{
    c->debug_trap = 0;
    c->pending_dr6 = 0;
}

/* A task switch with the T bit set owes a #DB before the new task's first instruction. */
static void deliver_task_trap(struct cpu *c)
{
    uint32_t bits = c->pending_dr6;

    if (!(bits & DR6_BT))
        return;
    drop_traps(c);
    cpu_raise_db(c, bits);
    c->nchain = 0;
    chain_add(c, &c->fault);
    deliver_chain(c, c->fault);
}

void cpu_deliver(struct cpu *c)
{
    drop_traps(c);
    c->nchain = 0;
    chain_add(c, &c->fault);
    if (deliver_chain(c, c->fault))
        deliver_task_trap(c);
}

void cpu_interrupt(struct cpu *c, uint8_t vector)
{
    struct event e = {
        .vector = vector,
        .rf = (c->rflags & EF_RF) || c->in_rep,
        .ret = c->rip,
    };

    c->halted = 0;
    if (vector == VEC_NMI) {
        c->nmi_pending = 0;
        c->nmi_blocked = 1;
    }
    c->nchain = 0;
    log_event(c, &e, 0);
    if (!deliver_event(c, &e)) {
        cpu_deliver(c);
        return;
    }
    c->rip = c->next_rip;
    deliver_task_trap(c);
}

bool cpu_int_soft(struct cpu *c, uint8_t vector, bool int_n)
{
    /* INT1 is neither checked against the gate's DPL nor is it a soft event for EXT. */
    struct event e = {.vector = vector, .soft = int_n || vector != VEC_DB, .ret = c->next_rip};
    bool done = false;

    if (cpu_vm86(c) && int_n) {
        if ((c->cr4 & CR4_VME) && !gate_vme_redirect(c, vector, &done))
            return false;
        if (!done && cpu_iopl(c) < 3)
            return cpu_raise(c, VEC_GP, 0);
    }
    if (!done) {
        log_event(c, &e, 0);
        if (!deliver_event(c, &e))
            return false;
    }
    /* TF was cleared: INT n is not single-stepped; a task switch's T trap stays due. */
    c->pending_dr6 &= ~(uint32_t)DR6_BS;
    c->debug_trap = c->pending_dr6 != 0;
    return true;
}

bool cpu_debug_traps(struct cpu *c)
{
    uint32_t bits = c->pending_dr6;

    if (!bits || c->intr_shadow == INTR_SHADOW_SS)
        return true;
    drop_traps(c);
    return cpu_raise_db(c, bits);
}
