/* web.h - the web page of a VNC server and its websockets: files by HTTP, in a thread of its own.
 *
 *   web_open -> (upgrade, on the server's thread) -> web_close, which waits for the thread
 *
 * A connection whose request is for a websocket is handed over with the request unread. Only files
 * under `dir` are read, at any time, and nothing is ever written. What a request may be: http.h.
 */
#ifndef DRAGOMAN_DISPLAY_WEB_H
#define DRAGOMAN_DISPLAY_WEB_H

#include "base/types.h"

struct web_config {
    uint32_t address; /* IPv4, host byte order */
    uint16_t port;
    const char *dir;                       /* of the page's files */
    const char *start;                     /* "/" leads to: a file in `dir`, with its parameters */
    bool any_host;                         /* of http_parse() */
    void (*upgrade)(void *opaque, int fd); /* takes the descriptor */
    void *opaque;
};

struct web;

/* 0, or -errno: -EADDRINUSE, -EADDRNOTAVAIL, .. */
int web_open(struct web **out, const struct web_config *cfg) MUST_CHECK;
/* NULL is fine. */
void web_close(struct web *w);

#endif
