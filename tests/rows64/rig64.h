/* rig64.h - a machine in 64-bit mode with a CPU, RAM and an engine, for one test at a time.
 *
 * CPL 0 or 3, four-level tables that map the regions of state64.h for CPL 3 and, in the upper half,
 * the tables of the system. Selectors are Linux': CS 33h and SS 2Bh for CPL 3, CS 10h and a null SS
 * for CPL 0, the others null. Data is not executable. Every gate leads to a HLT at CPL 0 on a stack
 * of its own (IST), so an exception ends the test with its frame to be read, and touches none of
 * the test's memory at CPL 0 either.
 */
#ifndef DRAGOMAN_TESTS_ROWS64_RIG64_H
#define DRAGOMAN_TESTS_ROWS64_RIG64_H

#include "state64.h"
#include "translator/engine_kind.h"

struct rig64;
struct cpu;
struct cpu_model;

/* One at a time per thread: the engine owns the thread's signal stack. Exits the program when the
 * host can't run it: the tests can't go on. */
struct rig64 *rig64_open(enum engine_kind kind, const struct cpu_model *model, bool check);
void rig64_close(struct rig64 *r);
/* Runs from o->state.rip until the guest halts; o is input and output. Guest memory that is already
 * as o says is not written, so a second run finds its translations. */
void rig64_run(struct rig64 *r, unsigned cpl, struct outcome64 *o);

/* The same one instruction at a time, in an engine of ENGINE_INTERP. seen() is called before every
 * instruction of the test's own; bytes: 15 of them. */
typedef void rig64_seen(void *opaque, const struct cpu *c, const uint8_t *bytes);
void rig64_trace(struct rig64 *r, unsigned cpl, struct outcome64 *o, rig64_seen *seen,
                 void *opaque);

#endif
