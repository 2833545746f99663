/* termkeys.h - what terminals send for keys (ECMA-48, and xterm's ctlseqs): bytes to keysyms.
 *
 * A pure state machine. ESC begins a sequence, or means Alt with the character after it, or is the
 * key itself when nothing follows: the caller knows by time and says so with termkeys_idle().
 */
#ifndef DRAGOMAN_DISPLAY_TERMKEYS_H
#define DRAGOMAN_DISPLAY_TERMKEYS_H

#include "base/types.h"

enum termkeys_state { TERMKEYS_PLAIN, TERMKEYS_ESC, TERMKEYS_CSI, TERMKEYS_SS3, TERMKEYS_LINUX };

struct termkeys {
    enum termkeys_state state;
    unsigned param[2]; /* of a control sequence */
    unsigned nparam;   /* the one that digits go to */
};

struct termkey {
    uint32_t keysym;
    unsigned modifiers; /* KEYBOARD_* */
};

/* Takes one byte. True: a key is complete. */
bool termkeys_feed(struct termkeys *t, uint8_t byte, struct termkey *out);
/* Nothing came for a while. True: that was the Escape key. */
bool termkeys_idle(struct termkeys *t, struct termkey *out);

#endif
