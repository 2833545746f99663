/* text.h - text of unknown length with a limit: what a command prints, what a client has not read.
 *
 * Never fails: what does not fit is left out, and `cut` says so. */
#ifndef DRAGOMAN_MONITOR_TEXT_H
#define DRAGOMAN_MONITOR_TEXT_H

#include <stdio.h>

#include "base/types.h"

struct mon_text {
    char *data; /* len bytes and a zero; NULL while empty */
    size_t len, room;
    size_t limit; /* of len */
    bool cut;
};

void mon_put(struct mon_text *t, const char *data, size_t len);
void mon_puts(struct mon_text *t, const char *s);
void mon_printf(struct mon_text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* What `print` writes to a stream. */
void mon_print(struct mon_text *t, void (*print)(const void *what, FILE *out), const void *what);
/* The first n bytes are done with. */
void mon_drop(struct mon_text *t, size_t n);
void mon_free(struct mon_text *t);

#endif
