/* machine.h - one PC: memory, chips, a CPU, an engine, and the loop that runs them.
 *
 *   machine_create -> machine_run -> machine_destroy
 *
 * Owns everything a guest consists of; two machines fit in one process (one vCPU thread each).
 * machine_run() returns an enum exit_status or the guest's own code.
 */
#ifndef DRAGOMAN_MACHINE_MACHINE_H
#define DRAGOMAN_MACHINE_MACHINE_H

#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/physmem.h"
#include "cpu/cpu.h"
#include "cpu/model.h"
#include "host/events.h"
#include "host/host_check.h"
#include "host/terminal.h"
#include "loader/image.h"
#include "loader/loader.h"
#include "machine/options.h"
#include "machine/pc.h"
#include "monitor/machine.h"
#include "translator/engine.h"

/* Where guest time comes from when it is not the host's. */
struct machine_time {
    uint64_t (*now)(void *opaque); /* ns since the start */
    uint64_t (*tsc)(void *opaque);
    uint32_t tsc_khz;
    int64_t (*realtime)(void *opaque); /* seconds since 1970 */
    void *opaque;
};

struct display;
struct monitor;

/* While state is not MONITOR_RUNNING the guest and its clocks stand still. */
struct machine_pause {
    enum monitor_state state;
    uint64_t at, tsc; /* when it began: CLOCK_MONOTONIC ns, the host's TSC */
};

enum { MACHINE_COM1, MACHINE_COM2, MACHINE_LPT1, MACHINE_DEBUGCON, MACHINE_CHARS };

/* What is behind a port that has not the terminal. */
struct machine_char {
    struct chardev dev;
    FILE *file; /* NULL: nowhere */
};

struct machine {
    const struct options *opt;
    const struct machine_time *time; /* NULL: the host's */
    struct log log;
    struct host_limits limits;
    int ram_fd;
    hva_t ram;
    struct physmem mem;
    struct bus ports, mmio;
    struct clock clock;
    struct timer timeout;
    uint64_t started; /* CLOCK_MONOTONIC ns; later by as long as the guest was paused */
    struct machine_pause pause;
    struct cpu_model model;
    struct cpu *cpu;
    struct smmu *mmu;
    struct engine *engine;
    const char *kernel;          /* image that is entered without firmware; NULL: firmware starts */
    struct image bios, vga_bios; /* what is in the ROMs */
    struct ide_drive_config drive[OPTIONS_DRIVES];
    struct block *floppy[OPTIONS_FLOPPIES];
    bool stalled[OPTIONS_DRIVES + OPTIONS_FLOPPIES];
    struct pc pc;
    struct events events;
    struct terminal console; /* serial port or screen on the user's terminal */
    struct display *display; /* NULL: nobody looks */
    bool display_woken;      /* by its threads */
    struct machine_char chars[MACHINE_CHARS];
    struct chardev stdio_out; /* of ports that only write */
    struct monitor *monitor;  /* NULL: none */
    uint64_t interrupts[256]; /* taken by the CPU, by vector */
    bool stopped, reset_asked, console_seen;
    bool powered_off;     /* and -no-shutdown: the loop is to pause */
    bool reset_by_user;   /* who asked for the reset */
    const char *shutdown; /* why it stops, as QMP's SHUTDOWN says it; NULL: as `status` says */
    int status;           /* when stopped */
};

struct machine_error {
    char text[640];
};

/* 0, or -errno with a sentence in err: bad input or a host that refuses. */
int machine_create(struct machine **out, const struct options *opt,
                   const struct host_limits *limits, struct machine_error *err) MUST_CHECK;
/* For engine_step() instead of machine_run(): `time` is the caller's, and must outlive the machine;
 * nothing kicks, no thread runs, and the caller fires the timers (clock_run). */
int machine_create_stepped(struct machine **out, const struct options *opt,
                           const struct host_limits *limits, const struct machine_time *time,
                           struct machine_error *err) MUST_CHECK;
int machine_run(struct machine *m);
void machine_destroy(struct machine *m);

/* The events thread kicks when the next timer is due. */
void machine_set_deadline(struct machine *m);

/* loop.c: the guest or the user ends the run. */
void machine_stop(struct machine *m, int status);

/* boot.c: chips and CPU to their power-on state, the image loaded. Also after a guest's reset. */
int machine_boot(struct machine *m, struct machine_error *err) MUST_CHECK;

/* report.c: a host fault that is nobody's; called in the signal handler. */
void machine_fatal(void *opaque, int sig, ucontext_t *uc);

/* report.c: what led to the triple fault, on stderr. */
void machine_report_shutdown(const struct machine *m, FILE *out);

#endif
