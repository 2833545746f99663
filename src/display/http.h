/* http.h - what a request of a browser means to the web page's server (RFC 9112, RFC 6455).
 *
 * Pure: bytes in, verdict out. Any web site that the user looks at can have the browser send
 * requests here, and open websockets to here; who has the screen has the machine. So a websocket
 * must come from our own page, and the browser must have been told an address, not a name that
 * somebody else's name server answers for (DNS rebinding).
 */
#ifndef DRAGOMAN_DISPLAY_HTTP_H
#define DRAGOMAN_DISPLAY_HTTP_H

#include "base/types.h"

enum { HTTP_HEAD_BYTES = 4000 /* libvncserver takes no more for a websocket */, HTTP_PATH = 256 };

enum http_verdict {
    HTTP_PARTIAL, /* there is more to come */
    HTTP_FILE,    /* `path`: relative, of plain names that do not begin with a dot */
    HTTP_START,   /* the page itself: "/" */
    HTTP_WEBSOCKET,
    HTTP_ERROR, /* `status` */
};

struct http_request {
    enum http_verdict verdict;
    unsigned status;
    bool head_only; /* HEAD */
    size_t bytes;   /* of the request's head */
    char path[HTTP_PATH];
};

/* any_host: names are fine as well, for something else protects the machine. */
struct http_request http_parse(const char *text, size_t len, bool any_host);
/* By the name's end. */
const char *http_type_of(const char *path);
const char *http_reason(unsigned status);

#endif
