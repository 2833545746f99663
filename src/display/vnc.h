/* vnc.h - where a VNC server listens: `-vnc [host]:N[,password-file=FILE]` as data.
 *
 * Display N is TCP port 5900 + N. Without a host it is the loopback interface: who wants others to
 * connect names an address, 0.0.0.0 for all of them.
 */
#ifndef DRAGOMAN_DISPLAY_VNC_H
#define DRAGOMAN_DISPLAY_VNC_H

#include "base/types.h"

enum { VNC_FIRST_PORT = 5900, VNC_PASSWORD_BYTES = 8 /* of the protocol's DES key */ };

struct vnc_config {
    bool on;
    uint32_t address; /* IPv4, host byte order */
    uint16_t port;
    char password_file[256]; /* its first line is the password; empty: none asked for */
};

/* 0, or -EINVAL with *bad: what is wrong, a constant sentence. */
int vnc_parse(struct vnc_config *cfg, const char *spec, const char **bad) MUST_CHECK;

#endif
