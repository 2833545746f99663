/* monitor.h - the monitors of one machine: where people and programs control it.
 *
 *   monitor_open -> monitor_poll whenever monitor_fd() is readable, monitor_event .. ->
 * monitor_close
 *
 * A monitor speaks to people (HMP, session.h) or programs (QMP, JSON) on a socket or the terminal,
 * to one client at a time; a second one is told so. All on the vCPU thread, between slices of the
 * guest: an idle monitor costs nothing, its descriptors are behind one epoll instance. Nothing here
 * waits for a client but monitor_open(), with `wait`.
 */
#ifndef DRAGOMAN_MONITOR_MONITOR_H
#define DRAGOMAN_MONITOR_MONITOR_H

#include "host/terminal.h"
#include "monitor/address.h"
#include "monitor/machine.h"
#include "monitor/session.h"

enum { MONITOR_MAX = 4 };

struct monitor_config {
    enum monitor_kind kind;
    bool pretty;
    struct monitor_address at;
};

struct monitor_setup {
    struct monitor_config config[MONITOR_MAX];
    unsigned n;
    struct monitor_machine machine;
    struct terminal *terminal; /* for MONITOR_STDIO, and: */
    bool behind_serial;        /* a human one, to which monitor_switch() switches */
};

struct monitor;

/* 0, or -errno with a sentence in err: an address that is taken.. */
int monitor_open(struct monitor **out, const struct monitor_setup *setup,
                 struct monitor_error *err) MUST_CHECK;
/* Readable when there is something to do. */
int monitor_fd(const struct monitor *m);
void monitor_poll(struct monitor *m);
/* Ctrl-A c: the terminal's keys go to the monitor, or to the guest again. */
void monitor_switch(struct monitor *m);
/* To all QMP clients; `data` is a JSON object or NULL. */
void monitor_event(struct monitor *m, const char *name, const char *data);
/* One line to the human on the terminal, if the keys go to the monitor there; false: nobody saw it.
 */
bool monitor_tell(struct monitor *m, const char *text);
/* Clients get what waits for them, if they take it soon. NULL is fine. */
void monitor_close(struct monitor *m);

#endif
