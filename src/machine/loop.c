/* The run loop: run the guest until somebody wants it to stop, look around, run on. */
#include "machine/machine.h"

#include <string.h>

#include "machine/drives.h"
#include "machine/exit_status.h"
#include "machine/operator.h"
#include "machine/pause.h"
#include "machine/screen.h"
#include "shadowmmu/smmu.h"

/* The terminal as it was, for what the monitor itself has to say at the end. */
static void leave_terminal(struct machine *m)
{
    screen_close(m);
    terminal_restore(&m->console);
}

void machine_stop(struct machine *m, int status)
{
    if (!m->stopped)
        m->status = status;
    m->stopped = true;
    if (m->engine)
        engine_kick(m->engine);
}

static void kick(void *opaque)
{
    engine_kick(((struct machine *)opaque)->engine);
}

static void timed_out(void *dev, uint64_t now)
{
    (void)now;
    machine_stop(dev, EXIT_TIMED_OUT);
}

static void print_stats(struct machine *m, FILE *out)
{
    engine_print_stats(m->engine, out);
}

/* Ctrl-A keys and bytes for the guest's serial port. */
static void look_at_input(struct machine *m)
{
    for (;;) {
        switch (terminal_pump(&m->console)) {
        case TERMINAL_QUIT:
            machine_stop(m, EXIT_USER_STOP);
            return;
        case TERMINAL_HELP:
            terminal_say(&m->console, terminal_help);
            continue;
        case TERMINAL_STATS:
            print_stats(m, stderr);
            continue;
        case TERMINAL_MONITOR:
            operator_switch(m);
            continue;
        case TERMINAL_NOTHING:
            if (terminal_wants_input(&m->console))
                events_input_taken(&m->events);
            return;
        }
    }
}

static void look_around(struct machine *m)
{
    __atomic_store_n(&m->cpu->kick, 0, __ATOMIC_SEQ_CST);
    if (!machine_paused(m))
        clock_run(&m->clock);
    drives_poll(m);
    screen_poll(m);
    operator_poll(m);
    look_at_input(m);
    if (m->console.out_error && !m->stopped) {
        leave_terminal(m);
        fprintf(stderr, "dragoman: can't write the guest's output: %s\n",
                strerror(m->console.out_error));
        machine_stop(m, EXIT_BAD_INPUT);
    }
    if (m->stopped)
        __atomic_store_n(&m->cpu->kick, 1, __ATOMIC_SEQ_CST);
}

/* HLT: sleep until a timer or input makes an interrupt. */
static void wait_halted(struct machine *m)
{
    const struct cpu *c = m->cpu;
    uint64_t deadline, at;

    if (!c->iflag && !(c->nmi_pending && !c->nmi_blocked) && !m->stopped) {
        leave_terminal(m);
        fprintf(stderr,
                "dragoman: the guest halted with interrupts disabled: nothing can wake it\n");
        machine_stop(m, EXIT_GUEST_HALTED);
        return;
    }
    if (c->kick || (c->intr && c->iflag) || (c->nmi_pending && !c->nmi_blocked))
        return;
    deadline = clock_deadline(&m->clock);
    at = deadline == CLOCK_NEVER ? UINT64_MAX : deadline + m->started;
    /* This thread wakes up by itself: the one that kicks running guests may sleep on. */
    events_set_deadline(&m->events, UINT64_MAX);
    events_wait(&m->events, at, terminal_wants_input(&m->console));
    if (clock_now(&m->clock) < deadline)
        events_set_deadline(&m->events, at);
}

static bool reboot(struct machine *m)
{
    struct machine_error err;

    m->reset_asked = false;
    operator_event(m, "RESET",
                   m->reset_by_user ? "{\"guest\": false, \"reason\": \"host-qmp-system-reset\"}"
                                    : "{\"guest\": true, \"reason\": \"guest-reset\"}");
    m->reset_by_user = false;
    if (m->pause.state == MONITOR_SHUTDOWN)
        m->pause.state = MONITOR_PRELAUNCH;
    if (m->opt->no_reboot) {
        m->shutdown = "guest-reset";
        machine_stop(m, EXIT_POWER_OFF);
        return false;
    }
    if (machine_boot(m, &err) < 0) {
        leave_terminal(m);
        fprintf(stderr, "dragoman: after the guest's reset: %s\n", err.text);
        machine_stop(m, EXIT_BAD_INPUT);
        return false;
    }
    return true;
}

/* The guest has powered off, but -no-shutdown keeps what it leaves for the monitor. */
static void stay(struct machine *m)
{
    m->powered_off = false;
    operator_event(m, "SHUTDOWN", "{\"guest\": true, \"reason\": \"guest-shutdown\"}");
    machine_pause(m, MONITOR_SHUTDOWN);
}

static enum run_exit run_guest(struct machine *m)
{
    if (!machine_paused(m))
        return engine_run(m->engine);
    machine_wait_paused(m);
    return RUN_KICK;
}

static void run(struct machine *m)
{
    while (!m->stopped) {
        enum run_exit why = run_guest(m);

        look_around(m);
        if (m->powered_off && !m->stopped)
            stay(m);
        if (m->reset_asked && !m->stopped) {
            reboot(m);
            continue;
        }
        if (why == RUN_SHUTDOWN && !m->stopped) {
            leave_terminal(m);
            machine_report_shutdown(m, stderr);
            machine_stop(m, EXIT_TRIPLE_FAULT);
        } else if (why == RUN_HALT && !machine_paused(m)) {
            wait_halted(m);
        }
    }
}

/* QMP's ShutdownCause of a status; what is not here is the guest's choice. */
static const struct {
    enum exit_status status;
    const char *cause;
} causes[] = {
    {EXIT_BAD_INPUT, "host-error"},     {EXIT_TIMED_OUT, "host-signal"},
    {EXIT_USER_STOP, "host-ui"},        {EXIT_TRIPLE_FAULT, "guest-panic"},
    {EXIT_GUEST_HALTED, "guest-panic"},
};

static void say_goodbye(struct machine *m)
{
    const char *why = m->shutdown ? m->shutdown : "guest-shutdown";
    char data[96];

    for (unsigned i = 0; i < ARRAY_SIZE(causes) && !m->shutdown; i++)
        if (m->status == (int)causes[i].status)
            why = causes[i].cause;
    snprintf(data, sizeof(data), "{\"guest\": %s, \"reason\": \"%s\"}",
             strncmp(why, "guest", 5) == 0 ? "true" : "false", why);
    operator_event(m, "SHUTDOWN", data);
}

int machine_run(struct machine *m)
{
    struct machine_error error;
    int err = events_start(&m->events, m->console.in_fd, kick, m);

    if (err < 0) {
        fprintf(stderr, "dragoman: can't start the event thread: %s\n", strerror(-err));
        return EXIT_BAD_INPUT;
    }
    err = drives_start(m);
    if (err < 0) {
        fprintf(stderr, "dragoman: can't start the disks' threads: %s\n", strerror(-err));
        return EXIT_BAD_INPUT;
    }
    if (m->opt->start_paused)
        machine_pause(m, MONITOR_PRELAUNCH);
    if (screen_open(m, &error) < 0 || operator_open(m, &error) < 0) {
        fprintf(stderr, "dragoman: %s\n", error.text);
        return EXIT_BAD_INPUT;
    }
    timer_init(&m->timeout, timed_out, m);
    if (m->opt->timeout_ns)
        timer_set(&m->clock, &m->timeout, clock_now(&m->clock) + m->opt->timeout_ns);
    if (!machine_paused(m))
        machine_set_deadline(m);
    err = terminal_enter_raw(&m->console);
    if (err == 0)
        err = terminal_hook_signals(&m->console);
    if (err < 0)
        fprintf(stderr, "dragoman: terminal: %s\n", strerror(-err));
    run(m);
    say_goodbye(m);
    leave_terminal(m);
    if (screen_dump(m, &error) < 0) {
        fprintf(stderr, "dragoman: %s\n", error.text);
        m->status = EXIT_BAD_INPUT;
    }
    if (log_on(&m->log, LOG_STATS))
        print_stats(m, m->log.out);
    return m->status;
}
