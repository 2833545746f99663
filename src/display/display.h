/* display.h - the viewers of one machine: nobody, a terminal, VNC clients, a window.
 *
 *   display_open -> display_pump whenever `wake` was called -> display_close
 *
 * Viewers draw from a timer of the machine's clock and give input to `input`, all on the vCPU
 * thread that also runs the clock. Threads of a viewer only ever call `wake`.
 */
#ifndef DRAGOMAN_DISPLAY_DISPLAY_H
#define DRAGOMAN_DISPLAY_DISPLAY_H

#include "bus/clock.h"
#include "devices/vga.h"
#include "display/keyboard.h"
#include "display/vnc.h"
#include "host/terminal.h"

struct display_config {
    const struct vga *vga;
    struct clock *clock;
    struct input_sink input;
    void (*wake)(void *opaque);  /* any thread: have display_pump() called soon */
    void (*close)(void *opaque); /* vCPU thread: the user closed the window */
    void *opaque;
    const char *name;          /* the window's */
    bool sdl;                  /* a window on this host's desktop */
    struct terminal *terminal; /* not NULL: the text screen there, and its keys */
    struct vnc_config vnc;
};

struct display;

struct display_error {
    char text[256]; /* a sentence */
};

/* 0, or -errno with *err: no terminal, an address that is taken.. */
int display_open(struct display **out, const struct display_config *cfg,
                 struct display_error *err) MUST_CHECK;
void display_pump(struct display *d);
/* NULL is fine. Leaves the terminal as it was. */
void display_close(struct display *d);

#endif
