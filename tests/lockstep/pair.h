/* pair.h - two machines from one set of options, A translated and B interpreted, on one virtual
 * clock.
 *
 *   pair_create -> pair_step .. pair_step -> pair_destroy
 *
 * Time passes only with the instructions that A executes, and timers fire only between steps, so
 * both machines see every event after the same instruction. pair_step() lets A do one step
 * (engine_step) and B exactly the same; it compares nothing but what the two printed. Everything is
 * deterministic: the same options give the same run.
 */
#ifndef DRAGOMAN_TESTS_LOCKSTEP_PAIR_H
#define DRAGOMAN_TESTS_LOCKSTEP_PAIR_H

#include "machine/machine.h"

enum { PAIR_HISTORY = 16, PAIR_OUTPUT = 4096, PAIR_WALKED = 128 };

/* A step that was done: where it began, what it was. */
struct pair_past {
    uint64_t insns; /* executed before it */
    uint64_t rip;
    uint32_t mode;
    struct engine_step step;
};

struct pair_output {
    uint8_t bytes[PAIR_OUTPUT];
    size_t len;
    bool full;
};

/* Paging entries that a machine's walks marked accessed or dirty during a step. Beyond PAIR_WALKED
 * they wait for the next comparison of RAM. */
struct pair_walked {
    gpa_t at[PAIR_WALKED];
    unsigned n;
    void (*written)(void *opaque, gpa_t pa, size_t len); /* what hears of the machine's writes */
    void (*map_changed)(void *opaque);                   /* ... and of its map */
    void *opaque;
};

struct warp;

struct pair {
    struct options opt_a, opt_b;
    struct machine *a, *b;
    struct machine_time time;
    uint64_t now; /* ns of guest time */
    uint64_t ns_per_insn;
    uint64_t insns, steps, blocks, events;
    uint64_t
        trail; /* hash of where every step began and how long it was: equal runs, equal trails */
    struct pair_past past[PAIR_HISTORY]; /* of step n at n % PAIR_HISTORY */
    struct pair_output out_a, out_b;
    struct pair_walked walked_a, walked_b;
    uint64_t a_ad, b_ad; /* A or D bits that only A's walks set, or only B's */
    struct warp *warp;   /* A runs alone */
    bool quiet;          /* what A prints is not shown */
};

enum pair_end {
    PAIR_RUNNING,
    PAIR_STOPPED, /* the guest left: a->status */
    PAIR_SHUTDOWN,
    PAIR_STUCK, /* halted for good */
    PAIR_APART, /* the machines disagree about their end or their output */
};

int pair_create(struct pair *p, const struct options *opt, uint64_t ns_per_insn,
                struct machine_error *err) MUST_CHECK;
void pair_destroy(struct pair *p);
enum pair_end pair_step(struct pair *p);

/* A alone for at least so many instructions, then B is made equal to it (warp.h): four times faster
 * than running both. Anything but PAIR_RUNNING: the guest ended on the way. */
enum pair_end pair_warp(struct pair *p, uint64_t insns);

/* Makes the dword at pa in B what it is in A. False: they differ in more than A and D bits of a
 * paging entry; nothing is changed then. */
bool pair_copy_ad(struct pair *p, gpa_t pa);

/* The step done last. */
const struct pair_past *pair_last(const struct pair *p);

/* Copies up to `len` bytes of code at linear `lin` as m sees it; returns how many there are. */
size_t pair_read_code(struct machine *m, gva_t lin, uint8_t *buf, size_t len);

#endif
