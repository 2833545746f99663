/* address.h - where a monitor talks: QEMU's `stdio`, `unix:PATH[,server][,nowait]`,
 * `tcp:127.0.0.1:PORT[,server][,nowait]` and `none` as data.
 *
 * A monitor has no password and reads and writes files in the user's name: TCP is for the loopback
 * interface only. Without `server` the monitor itself connects.
 */
#ifndef DRAGOMAN_MONITOR_ADDRESS_H
#define DRAGOMAN_MONITOR_ADDRESS_H

#include "base/types.h"

enum monitor_transport { MONITOR_NONE, MONITOR_STDIO, MONITOR_UNIX, MONITOR_TCP };

enum { MONITOR_PATH_BYTES = 108 }; /* of struct sockaddr_un */

struct monitor_address {
    enum monitor_transport kind;
    bool server, wait; /* wait: the machine starts when somebody has connected */
    uint16_t port;
    char path[MONITOR_PATH_BYTES];
};

/* 0, or -EINVAL with *bad: what is wrong, a constant sentence. */
int monitor_parse_address(struct monitor_address *a, const char *spec, const char **bad) MUST_CHECK;

#endif
