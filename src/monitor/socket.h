/* socket.h - sockets of monitors: made, removed, and a client turned away. */
#ifndef DRAGOMAN_MONITOR_SOCKET_H
#define DRAGOMAN_MONITOR_SOCKET_H

#include "monitor/address.h"
#include "monitor/machine.h"
#include "monitor/session.h"

/* A descriptor, or -errno with *err. A socket file that nobody listens at is replaced; only the
 * user himself can connect to a new one. */
int monitor_listen(const struct monitor_address *a, struct monitor_error *err) MUST_CHECK;
int monitor_connect(const struct monitor_address *a, struct monitor_error *err) MUST_CHECK;
/* Closes; the socket file goes, too. */
void monitor_unlisten(int fd, const struct monitor_address *a);
/* Says that somebody else is there, and closes. */
void monitor_refuse(int fd, enum monitor_kind kind);

#endif
