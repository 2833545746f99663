/* json_frame.h - where a JSON value ends in a stream of them, before anybody parses it.
 *
 * Knows strings and nesting only. Values that are too long or too deep are skipped, to the end of
 * their line, and reported. */
#ifndef DRAGOMAN_MONITOR_JSON_FRAME_H
#define DRAGOMAN_MONITOR_JSON_FRAME_H

#include "base/types.h"

enum { JSON_FRAME_BYTES = 64 * 1024, JSON_FRAME_DEPTH = 32 };

enum json_frame_event {
    JSON_MORE,  /* the value goes on */
    JSON_VALUE, /* text[0, len) is one value, or garbage that looks like one */
    JSON_TOO_LONG,
    JSON_TOO_DEEP,
};

struct json_frame {
    char *text; /* JSON_FRAME_BYTES, allocated for the first byte; NULL then: out of memory */
    size_t len;
    unsigned depth;
    bool in_string, escaped;
    bool skipping; /* to the end of the line */
    bool done;     /* the value that was reported is still in text */
};

enum json_frame_event json_frame_feed(struct json_frame *f, char byte);
void json_frame_free(struct json_frame *f);

#endif
