/* viewer.h - what display.c asks of a kind of viewer. */
#ifndef DRAGOMAN_DISPLAY_VIEWER_H
#define DRAGOMAN_DISPLAY_VIEWER_H

#include "display/display.h"

struct viewer_ops {
    /* 0 and *viewer (NULL: the configuration wants none of this kind), or -errno with *err. */
    int (*open)(void **viewer, const struct display_config *cfg, struct display_error *err);
    /* Shows what changed, passes input on. Returns when to be called again: ns from now, or
     * CLOCK_NEVER. */
    uint64_t (*refresh)(void *viewer);
    void (*close)(void *viewer);
};

extern const struct viewer_ops viewer_curses, viewer_vnc, viewer_sdl;

/* Fills in err->text; returns `code`. */
int viewer_fail(struct display_error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

enum { VIEWER_REFRESH_NS = 33000000 };

#endif
