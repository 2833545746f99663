/* screen.h - the machine's display: who looks at its VGA, and whose keys and mouse it gets. Private
 * to src/machine. vCPU thread only. */
#ifndef DRAGOMAN_MACHINE_SCREEN_H
#define DRAGOMAN_MACHINE_SCREEN_H

#include "display/keyboard.h"
#include "machine/machine.h"

/* Opens what the options ask for; the machine's events run already. 0, or -errno with err->text. */
int screen_open(struct machine *m, struct machine_error *err) MUST_CHECK;
/* Where keys and the mouse go. */
struct input_sink screen_input(struct machine *m);
/* Input that threads of the display have collected. */
void screen_poll(struct machine *m);
/* The last picture to -screendump's file; 0, or -errno with err->text. */
int screen_dump(const struct machine *m, struct machine_error *err) MUST_CHECK;
/* Gives the terminal back: for good, or before the monitor has something to say. Any number of
 * times. */
void screen_close(struct machine *m);

#endif
