/* keyboard.h - from what a viewer types to keys of the guest's keyboard, which is a US one.
 *
 * Viewers speak of keysyms (X11's <X11/keysymdef.h>, which VNC uses as well): of characters rather
 * than keys. A character that needs Shift on the guest's keyboard, or must not have it, gets it
 * pressed or released around its key. So the viewer's keyboard may have another layout.
 */
#ifndef DRAGOMAN_DISPLAY_KEYBOARD_H
#define DRAGOMAN_DISPLAY_KEYBOARD_H

#include "base/types.h"

/* Where input goes: the machine connects these to its devices. All on the vCPU thread. */
struct input_sink {
    /* Numbers as in devices/ps2_keys.h. */
    void (*key)(void *opaque, unsigned key, bool down);
    /* Movement to the right, down, of the wheel towards the user; buttons: bit 0 left, 1 right, 2
     * middle. May be NULL. */
    void (*mouse)(void *opaque, int dx, int dy, int dz, unsigned buttons);
    /* The keyboard has room for some keys more. NULL: always. */
    bool (*ready)(void *opaque);
    void *opaque;
};

enum {
    KEYSYM_TAB = 0xff09,
    KEYSYM_BACKSPACE = 0xff08,
    KEYSYM_RETURN = 0xff0d,
    KEYSYM_ESCAPE = 0xff1b,
    KEYSYM_HOME = 0xff50,
    KEYSYM_LEFT = 0xff51,
    KEYSYM_UP = 0xff52,
    KEYSYM_RIGHT = 0xff53,
    KEYSYM_DOWN = 0xff54,
    KEYSYM_PAGE_UP = 0xff55,
    KEYSYM_PAGE_DOWN = 0xff56,
    KEYSYM_END = 0xff57,
    KEYSYM_INSERT = 0xff63,
    KEYSYM_DELETE = 0xffff,
    KEYSYM_F1 = 0xffbe,
    KEYSYM_SHIFT = 0xffe1,
    KEYSYM_CONTROL = 0xffe3,
    KEYSYM_ALT = 0xffe9,
    KEYSYM_CAPS_LOCK = 0xffe5,
};

enum { KEYBOARD_SHIFT = 1 << 0, KEYBOARD_ALT = 1 << 1, KEYBOARD_CONTROL = 1 << 2 };

struct keyboard {
    struct input_sink sink;
    bool held[256]; /* by key: pressed, as the guest sees it */
};

/* The key of a keysym; *shift: with Shift. False: a US keyboard does not have it. */
bool keyboard_find(uint32_t keysym, unsigned *key, bool *shift);

/* One event of a viewer that reports presses and releases. */
void keyboard_keysym(struct keyboard *k, uint32_t keysym, bool down);
/* A key by its place, for viewers whose layout is the guest's business. */
void keyboard_key(struct keyboard *k, unsigned key, bool down);
/* One typed character or key with KEYBOARD_* modifiers, for viewers that know no releases. */
void keyboard_type(struct keyboard *k, uint32_t keysym, unsigned modifiers);
/* The viewer has gone: nothing stays pressed. */
void keyboard_release_all(struct keyboard *k);
bool keyboard_ready(const struct keyboard *k);

#endif
