/* interp.h - the interpreter: the meaning of every instruction, the oracle, the translator's slow
 * path.
 *
 * interp_one() executes exactly one guest instruction (one iteration batch of a REP) at c->rip with
 * all architectural effects, exception delivery included. interp_run() runs until the CPU must be
 * looked at. Instruction bytes come through the shadow MMU's fetch; decoded instructions are cached
 * per guest physical page and dropped when the page is written.
 */
#ifndef DRAGOMAN_TRANSLATOR_INTERP_H
#define DRAGOMAN_TRANSLATOR_INTERP_H

#include "translator/decode.h"

struct interp;
struct smmu;

enum run_exit {
    RUN_KICK,     /* c->kick was set, or an event needs the run loop */
    RUN_HALT,     /* HLT: wait for an interrupt */
    RUN_SHUTDOWN, /* triple fault: c->chain has the history */
};

int interp_create(struct interp **out, struct smmu *mmu) MUST_CHECK;
void interp_destroy(struct interp *it);

/* Executes one instruction, or delivers one pending event (NMI, interrupt) instead of it.
 * Sets halted/shutdown in c. After it c->rip is the next instruction. */
void interp_one(struct interp *it, struct cpu *c);

/* Only the instruction at c->rip: no pending events are looked at before it. */
void interp_step(struct interp *it, struct cpu *c);

/* As interp_one(), then on until something changes that the caller may want to see: mode, events,
 * the end of the page. */
void interp_some(struct interp *it, struct cpu *c);

enum run_exit interp_run(struct interp *it, struct cpu *c);

/* Executes an already decoded instruction with all its checks (row traits, LOCK, feature), delivers
 * its faults, advances rip, handles TF and data breakpoints. The translator's callouts end here. */
void interp_exec(struct cpu *c, const struct insn *i);

/* The guest wrote to a page with cached decodings (called by the machine's page-written hook). */
void interp_page_written(struct interp *it, uint64_t frame);

/* Decodings of this frame are cached. */
bool interp_page_cached(const struct interp *it, uint64_t frame);

/* Who else has code of a frame (NULL: nobody). From then on the interpreter keeps decodings that a
 * write to their page does not touch and calls smmu_clear_code() itself when neither side has any
 * left; the other side must ask interp_page_cached() before it does the same. Without this call
 * every write to a page drops all its decodings and the frame stays CODE. */
void interp_share_code(struct interp *it, bool (*in_use)(void *opaque, uint64_t frame),
                       void *opaque);

/* Instructions executed since creation. */
uint64_t interp_count(const struct interp *it);

#endif
