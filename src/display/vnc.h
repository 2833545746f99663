/* vnc.h - where a VNC server listens: `-vnc [host]:N[,option..]` and `-display
 * web[=PORT][,option..]` as data. Options are password-file=FILE, websocket=on|off|PORT, page=DIR,
 * keys=characters|places.
 *
 * Display N is TCP port 5900 + N, its websockets and web page 5700 + N. Without a host it is the
 * loopback interface: who wants others to connect names an address, 0.0.0.0 for all of them.
 */
#ifndef DRAGOMAN_DISPLAY_VNC_H
#define DRAGOMAN_DISPLAY_VNC_H

#include "base/types.h"

#define VNC_PAGE_DIR "/usr/share/novnc" /* Debian's package novnc */

enum {
    VNC_FIRST_PORT = 5900,
    VNC_FIRST_WEB_PORT = 5700,
    VNC_PASSWORD_BYTES = 8, /* of the protocol's DES key */
};

struct vnc_config {
    bool on;
    uint32_t address;        /* IPv4, host byte order */
    uint16_t port;           /* 0: only websockets */
    uint16_t web_port;       /* of the page and the websockets; 0: none */
    bool page_wanted;        /* it is an error not to find it */
    char password_file[256]; /* its first line is the password; empty: none asked for */
    char page_dir[256];      /* where noVNC lies */
    bool places;             /* viewers that can pass on places of keys, whatever their layout */
};

/* What follows -vnc. 0, or -EINVAL with *bad: what is wrong, a constant sentence. */
int vnc_parse(struct vnc_config *cfg, const char *spec, const char **bad) MUST_CHECK;
/* The same for what follows `-display web`: "", "=PORT", either with options. */
int vnc_parse_web(struct vnc_config *cfg, const char *spec, const char **bad) MUST_CHECK;

#endif
