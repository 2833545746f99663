/* engine.h - what runs guest code: the interpreter, the translator, later KVM; one small interface.
 *
 *   engine_create -> engine_run .. engine_run -> engine_destroy
 *
 * engine_run() executes until the run loop must look around (enum run_exit). engine_kick() may be
 * called from any thread or signal handler and makes engine_run() return RUN_KICK promptly (c->kick
 * stays set until the run loop clears it).
 */
#ifndef DRAGOMAN_TRANSLATOR_ENGINE_H
#define DRAGOMAN_TRANSLATOR_ENGINE_H

#include <ucontext.h>

#include "translator/engine_kind.h"
#include "translator/interp.h"

struct engine;
struct physmem;

struct engine_config {
    enum engine_kind kind;
    size_t code_bytes;    /* code cache size */
    bool check_blocks;    /* verify every emitted block (the jail checker) */
    const char *perf_map; /* path of a perf map to write, or NULL */
    unsigned flush_every; /* torture: flush the code cache at every n-th lookup; 0: never */
    bool no_chain;        /* torture */
    bool loops_at_once;   /* torture: whatever goes round is made a loop when it is linked */
    bool host_tsc;        /* hooks.tsc is RDTSC: translated code may execute it itself */
    bool keep_lock;       /* guest RAM has other users that LOCK must keep out (decision 13) */
    bool stepped;         /* engine_step() runs it: no chains, jump caches unused */
    /* A host fault that is nobody's: the monitor's own bug. Called in the signal handler. */
    void (*fatal)(void *opaque, int sig, ucontext_t *uc);
    void *fatal_opaque;
};

int engine_create(struct engine **out, struct cpu *c, struct smmu *mmu, struct physmem *pm,
                  const struct engine_config *cfg, struct log *log) MUST_CHECK;
void engine_destroy(struct engine *e);
enum run_exit engine_run(struct engine *e);
void engine_kick(struct engine *e);

/* What one engine_step() executed: enough for another engine to do exactly the same. */
struct engine_step {
    bool one;   /* an event was delivered or one instruction interpreted, as interp_one() does */
    bool block; /* translated code was entered */
    unsigned insns; /* else: instructions begun, those that faulted included; 0: none, step again */
};

/* Lockstep (tests/lockstep): one event, one interpreted instruction or one translated block, then
 * back. A REP instruction is done completely unless single-stepped. The caller clears c->kick and
 * looks after halted and shut down CPUs. engine_step() is for a `stepped` bt engine,
 * engine_follow() for interp. Vector state is in c->fpu afterwards. */
void engine_step(struct engine *e, struct engine_step *s);
void engine_follow(struct engine *e, const struct engine_step *s);

/* Counters by cause; text lines to `out`. */
void engine_print_stats(struct engine *e, FILE *out);
const char *engine_name(enum engine_kind kind);

#endif
