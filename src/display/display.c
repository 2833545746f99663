#include "display/display.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "display/viewer.h"

static const struct viewer_ops *const kinds[] = {
    &viewer_curses,
#ifdef DRAGOMAN_VNC
    &viewer_vnc,
#endif
#ifdef DRAGOMAN_SDL
    &viewer_sdl,
#endif
};

struct display {
    struct display_config cfg;
    struct timer refresh;
    void *viewer[ARRAY_SIZE(kinds)]; /* NULL: none of this kind */
};

int viewer_fail(struct display_error *err, int code, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    return code;
}

static void refresh(void *dev, uint64_t now)
{
    struct display *d = dev;
    uint64_t next = CLOCK_NEVER;

    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        uint64_t wait = d->viewer[i] ? kinds[i]->refresh(d->viewer[i]) : CLOCK_NEVER;

        next = wait < next ? wait : next;
    }
    timer_set(d->cfg.clock, &d->refresh, next == CLOCK_NEVER ? CLOCK_NEVER : now + next);
}

void display_pump(struct display *d)
{
    refresh(d, clock_now(d->cfg.clock));
}

int display_open(struct display **out, const struct display_config *cfg, struct display_error *err)
{
    struct display *d = calloc(1, sizeof(*d));
    int rc = 0;

    if (!d)
        return viewer_fail(err, -ENOMEM, "no memory for the display");
    d->cfg = *cfg;
    timer_init(&d->refresh, refresh, d);
#ifndef DRAGOMAN_VNC
    if (cfg->vnc.on)
        rc = viewer_fail(err, -ENOTSUP, "this dragoman was built without libvncserver");
#endif
#ifndef DRAGOMAN_SDL
    if (cfg->sdl)
        rc = viewer_fail(err, -ENOTSUP, "this dragoman was built without SDL 2");
#endif
    for (unsigned i = 0; rc == 0 && i < ARRAY_SIZE(kinds); i++)
        rc = kinds[i]->open(&d->viewer[i], &d->cfg, err);
    if (rc < 0) {
        display_close(d);
        return rc;
    }
    display_pump(d);
    *out = d;
    return 0;
}

void display_close(struct display *d)
{
    if (!d)
        return;
    timer_set(d->cfg.clock, &d->refresh, CLOCK_NEVER);
    for (unsigned i = ARRAY_SIZE(kinds); i--;)
        if (d->viewer[i])
            kinds[i]->close(d->viewer[i]);
    free(d);
}
