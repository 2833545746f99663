/* rig.h - a machine with nothing but a CPU, RAM and an engine, for one test at a time.
 *
 * Protected mode, flat 32-bit segments, CPL 0 or 3, paging off or identity paging with the holes of
 * state.h. Every IDT gate leads to a HLT at CPL 0, so an exception ends the test with its frame to
 * be read.
 *
 *   selector  descriptor                          selector  descriptor
 *   08        code, CPL 0                         43        data, limit FFF, base of the data
 * region 10        data, CPL 0                         4b        data, read-only 18        code,
 * conforming, DPL 0             53        code, execute-only, DPL 3 23        code, CPL 3 (as
 * Linux')             5b        data, expand-down, limit FFF, 32-bit 2b        data, CPL 3 (as
 * Linux')             63        call gate, DPL 3, to a HLT at CPL 0 30        TSS (busy) 68 LDT 3b
 * data, DPL 3, not present            70        TSS (available)
 */
#ifndef DRAGOMAN_TESTS_ROWS_RIG_H
#define DRAGOMAN_TESTS_ROWS_RIG_H

#include "state.h"
#include "translator/engine_kind.h"

struct rig;
struct cpu;
struct cpu_model;

enum rig_layout {
    RIG_RAM = 32 << 20,
    SYS_BASE = 0x1500000, /* supervisor pages; no multiple of a test address */
    SYS_GDT = SYS_BASE,
    SYS_IDT = SYS_BASE + 0x1000,
    SYS_HANDLERS = SYS_BASE + 0x2000, /* 16 bytes per vector */
    SYS_TSS = SYS_BASE + 0x3000,
    SYS_GATE = SYS_BASE + 0x4000,   /* where the call gate leads */
    SYS_STACK0 = SYS_BASE + 0x6000, /* top */
    SYS_PAGE_DIR = SYS_BASE + 0x6000,
    SYS_PAGE_TABLES = SYS_BASE + 0x7000,
    SYS_BYTES = 0x10000,
};

/* A segment register that is not the flat default. */
struct rig_seg {
    bool set;
    uint16_t sel, attr; /* attr as struct seg's */
    uint32_t base, limit;
};

struct rig_setup {
    uint8_t cpl;
    bool paging;
    uint32_t cr0_set, cr0_clear, cr4_set, cr4_clear;
    struct rig_seg seg[6];
};

/* One at a time per thread: the engine owns the thread's signal stack. Exits the program when the
 * host can't run it: the tests can't go on. */
struct rig *rig_open(enum engine_kind kind, const struct cpu_model *model, bool check);
void rig_close(struct rig *r);
/* Runs from s->eip until the guest halts; mem and s are input and output. Guest memory that is
 * already as mem says is not written, so a second run finds its translations. */
void rig_run(struct rig *r, const struct rig_setup *setup, struct test_mem *mem,
             struct test_state *s);

/* The same one instruction at a time, in an engine of ENGINE_INTERP. seen() is called before every
 * instruction of the test's own CPL; bytes: 15 of them in guest RAM. */
typedef void rig_seen(void *opaque, const struct cpu *c, const uint8_t *bytes);
void rig_trace(struct rig *r, const struct rig_setup *setup, struct test_mem *mem,
               struct test_state *s, rig_seen *seen, void *opaque);

/* The selectors, CR0 and CR4 a test with this setup begins with. */
void rig_initial(const struct rig *r, const struct rig_setup *setup, struct test_state *s);

#endif
