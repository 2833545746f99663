/* operator.h - the machine as its monitors see it (monitor/machine.h), and what they are told.
 * Private to src/machine. vCPU thread only.
 */
#ifndef DRAGOMAN_MACHINE_OPERATOR_H
#define DRAGOMAN_MACHINE_OPERATOR_H

#include "machine/machine.h"

/* Opens what the options ask for; the machine's events run already. 0, or -errno with err->text. */
int operator_open(struct machine *m, struct machine_error *err) MUST_CHECK;
/* What clients have sent. */
void operator_poll(struct machine *m);
/* Ctrl-A c. */
void operator_switch(struct machine *m);
/* A QMP event; `data` is a JSON object or NULL. */
void operator_event(struct machine *m, const char *name, const char *data);
/* A request found the host's disk full, errno `why`: everybody is told. */
void operator_stalled(struct machine *m, const struct monitor_drive *d, int why);
/* The end: clients get what waits for them. */
void operator_close(struct machine *m);

#endif
