/* chars.h - where the bytes of the board's ports go: serial, parallel and debug ports. */
#ifndef DRAGOMAN_MACHINE_CHARS_H
#define DRAGOMAN_MACHINE_CHARS_H

#include "machine/machine.h"

/* Which ports there are and what is behind them, as the options say. The terminal, if one of them
 * wants it, is m->console. 0, or -errno with *err. */
int chars_open(struct machine *m, struct pc_config *cfg, struct machine_error *err) MUST_CHECK;
void chars_close(struct machine *m);

#endif
