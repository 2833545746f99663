#include "machine/pause.h"

#include "display/display.h"
#include "machine/drives.h"
#include "machine/exit_status.h"
#include "machine/operator.h"

/* A display has no clock to draw by while the guest's stands still. */
enum { REFRESH_MS = 100 };

static void freeze(struct machine *m)
{
    m->pause.at = events_now();
    m->pause.tsc = m->time ? 0 : __builtin_ia32_rdtsc();
    events_set_deadline(&m->events, UINT64_MAX);
}

/* Deadlines are the guest's time, which continues; -timeout's is the host's. */
static void thaw(struct machine *m)
{
    uint64_t slept = events_now() - m->pause.at, limit = m->timeout.deadline;

    m->started += slept;
    m->pause.at += slept; /* it is the same time for the guest */
    if (!m->time)
        m->cpu->tsc_offset -= __builtin_ia32_rdtsc() - m->pause.tsc;
    if (limit != CLOCK_NEVER)
        timer_set(&m->clock, &m->timeout, limit > slept ? limit - slept : 0);
}

void machine_pause(struct machine *m, enum monitor_state why)
{
    bool was = machine_paused(m);

    if (was && why != MONITOR_SHUTDOWN)
        return;
    m->pause.state = why;
    if (was)
        return;
    freeze(m);
    drives_settle(m);
    operator_event(m, "STOP", NULL);
}

void machine_resume(struct machine *m)
{
    if (!machine_paused(m))
        return;
    thaw(m);
    m->pause.state = MONITOR_RUNNING;
    drives_retry(m);
    machine_set_deadline(m);
    operator_event(m, "RESUME", NULL);
}

void machine_wait_paused(struct machine *m)
{
    uint64_t at =
        m->timeout.deadline == CLOCK_NEVER ? UINT64_MAX : m->timeout.deadline + m->started;
    uint64_t refresh = m->display ? events_now() + REFRESH_MS * (NS_PER_SEC / 1000) : UINT64_MAX;

    events_wait(&m->events, at < refresh ? at : refresh, terminal_wants_input(&m->console));
    if (events_now() >= at)
        machine_stop(m, EXIT_TIMED_OUT);
    else if (m->display)
        display_pump(m->display);
}
