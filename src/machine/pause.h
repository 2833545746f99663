/* pause.h - the guest stopped between two instructions, and its clocks with it: struct clock, the
 * TSC, and so every timer and the paravirtual clock. Only the time of day goes on, as in a PC whose
 * RTC has a battery. Private to src/machine. vCPU thread only.
 */
#ifndef DRAGOMAN_MACHINE_PAUSE_H
#define DRAGOMAN_MACHINE_PAUSE_H

#include "machine/machine.h"

/* Stops the guest for `why`. One that is stopped stays so for its first reason, unless it has
 * powered off. Disks finish what they do. */
void machine_pause(struct machine *m, enum monitor_state why);
/* Goes on, and tries again what a full disk had stopped. */
void machine_resume(struct machine *m);
/* Sleeps until there is something to look at, or until -timeout. */
void machine_wait_paused(struct machine *m);

static inline bool machine_paused(const struct machine *m)
{
    return m->pause.state != MONITOR_RUNNING;
}

#endif
