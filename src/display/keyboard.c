#include "display/keyboard.h"

#include <string.h>

#include "devices/ps2_keys.h"

enum {
    KEY_LEFT_CONTROL = 0x1d,
    KEY_LEFT_SHIFT = 0x2a,
    KEY_RIGHT_SHIFT = 0x36,
    KEY_LEFT_ALT = 0x38
};

/* Rows of the US keyboard: keys one after the other. */
static const struct {
    uint8_t first;
    const char *plain, *shifted;
} rows[] = {
    {0x02, "1234567890-=", "!@#$%^&*()_+"},
    {0x10, "qwertyuiop[]", "QWERTYUIOP{}"},
    {0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~"},
    {0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?"},
    {0x39, " ", " "},
};

/* Keysyms that are no characters. ISO_Level3_Shift (AltGr) is none of ours: it is part of how the
 * viewer's layout makes characters, and these come as themselves. */
static const struct {
    uint16_t keysym;
    uint8_t key;
} others[] = {
    {0xff08, 0x0e},
    {0xff09, 0x0f},
    {0xff0a, 0x1c},
    {0xff0d, 0x1c},
    {0xff13, PS2_PAUSE},
    {0xff14, 0x46},
    {0xff15, 0x54},
    {0xff1b, 0x01},
    {0xff50, 0xc7},
    {0xff51, 0xcb},
    {0xff52, 0xc8},
    {0xff53, 0xcd},
    {0xff54, 0xd0},
    {0xff55, 0xc9},
    {0xff56, 0xd1},
    {0xff57, 0xcf},
    {0xff61, PS2_PRINT},
    {0xff63, 0xd2},
    {0xff67, 0xdd},
    {0xff7f, 0x45},
    {0xffff, 0xd3},
    {0xfe20, 0x0f},
    /* keypad */
    {0xff8d, 0x9c},
    {0xff95, 0x47},
    {0xff96, 0x4b},
    {0xff97, 0x48},
    {0xff98, 0x4d},
    {0xff99, 0x50},
    {0xff9a, 0x49},
    {0xff9b, 0x51},
    {0xff9c, 0x4f},
    {0xff9d, 0x4c},
    {0xff9e, 0x52},
    {0xff9f, 0x53},
    {0xffaa, 0x37},
    {0xffab, 0x4e},
    {0xffad, 0x4a},
    {0xffae, 0x53},
    {0xffaf, 0xb5},
    {0xffb0, 0x52},
    {0xffb1, 0x4f},
    {0xffb2, 0x50},
    {0xffb3, 0x51},
    {0xffb4, 0x4b},
    {0xffb5, 0x4c},
    {0xffb6, 0x4d},
    {0xffb7, 0x47},
    {0xffb8, 0x48},
    {0xffb9, 0x49},
    /* functions */
    {0xffbe, 0x3b},
    {0xffbf, 0x3c},
    {0xffc0, 0x3d},
    {0xffc1, 0x3e},
    {0xffc2, 0x3f},
    {0xffc3, 0x40},
    {0xffc4, 0x41},
    {0xffc5, 0x42},
    {0xffc6, 0x43},
    {0xffc7, 0x44},
    {0xffc8, 0x57},
    {0xffc9, 0x58},
    /* modifiers */
    {0xffe1, 0x2a},
    {0xffe2, 0x36},
    {0xffe3, 0x1d},
    {0xffe4, 0x9d},
    {0xffe5, 0x3a},
    {0xffe7, 0x38},
    {0xffe8, 0xb8},
    {0xffe9, 0x38},
    {0xffea, 0xb8},
    {0xffeb, 0xdb},
    {0xffec, 0xdc},
};

enum { KEYSYM_DEAD_GRAVE = 0xfe50, KEYSYM_DEAD_DIAERESIS = 0xfe57 };

/* Dead keys of the viewer's layout, which the guest's keyboard lacks, type what they type with a
 * space behind them (X11's Compose file): a German keyboard has ^ and ` as these only. */
static uint32_t without_dead_keys(uint32_t keysym)
{
    static const char grave_acute_circumflex_tilde[] = "`'^~";
    uint32_t n = keysym - KEYSYM_DEAD_GRAVE;

    if (n < sizeof(grave_acute_circumflex_tilde) - 1)
        return (uint8_t)grave_acute_circumflex_tilde[n];
    return keysym == KEYSYM_DEAD_DIAERESIS ? '"' : keysym;
}

static bool find_character(uint32_t keysym, unsigned *key, bool *shift)
{
    if (keysym <= ' ' || keysym > '~') {
        *key = 0x39;
        *shift = false;
        return keysym == ' ';
    }
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *plain = strchr(rows[i].plain, (int)keysym);
        const char *shifted = strchr(rows[i].shifted, (int)keysym);

        if (!plain && !shifted)
            continue;
        *key =
            rows[i].first + (unsigned)(plain ? plain - rows[i].plain : shifted - rows[i].shifted);
        *shift = !plain;
        return true;
    }
    return false;
}

static bool is_character(uint32_t keysym)
{
    return keysym < 0x80;
}

bool keyboard_find(uint32_t keysym, unsigned *key, bool *shift)
{
    *shift = false;
    if (is_character(keysym))
        return find_character(keysym, key, shift);
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
        if (others[i].keysym == keysym) {
            *key = others[i].key;
            return true;
        }
    return false;
}

void keyboard_key(struct keyboard *k, unsigned key, bool down)
{
    k->held[key] = down;
    k->sink.key(k->sink.opaque, key, down);
}

/* Presses or releases what is held of the Shift keys, without forgetting it. */
static void lift_shifts(struct keyboard *k, bool down)
{
    static const uint8_t shifts[] = {KEY_LEFT_SHIFT, KEY_RIGHT_SHIFT};

    for (unsigned i = 0; i < ARRAY_SIZE(shifts); i++)
        if (k->held[shifts[i]])
            k->sink.key(k->sink.opaque, shifts[i], down);
}

void keyboard_keysym(struct keyboard *k, uint32_t keysym, bool down)
{
    unsigned key;
    bool shift, held = k->held[KEY_LEFT_SHIFT] || k->held[KEY_RIGHT_SHIFT];

    keysym = without_dead_keys(keysym);
    /* Caps Lock is in the characters already; a second one in the guest would undo it. */
    if (keysym == KEYSYM_CAPS_LOCK || !keyboard_find(keysym, &key, &shift))
        return;
    if (!down && !k->held[key])
        return;
    if (!down || !is_character(keysym) || keysym == ' ' || shift == held) {
        keyboard_key(k, key, down);
    } else if (shift) {
        k->sink.key(k->sink.opaque, KEY_LEFT_SHIFT, true);
        keyboard_key(k, key, true);
        k->sink.key(k->sink.opaque, KEY_LEFT_SHIFT, false);
    } else {
        lift_shifts(k, false);
        keyboard_key(k, key, true);
        lift_shifts(k, true);
    }
}

void keyboard_type(struct keyboard *k, uint32_t keysym, unsigned modifiers)
{
    static const uint8_t keys[] = {KEY_LEFT_SHIFT, KEY_LEFT_ALT, KEY_LEFT_CONTROL};
    unsigned key;
    bool shift;

    if (!keyboard_find(keysym, &key, &shift))
        return;
    modifiers |= shift ? KEYBOARD_SHIFT : 0;
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        if (modifiers >> i & 1)
            keyboard_key(k, keys[i], true);
    keyboard_key(k, key, true);
    keyboard_key(k, key, false);
    for (unsigned i = ARRAY_SIZE(keys); i--;)
        if (modifiers >> i & 1)
            keyboard_key(k, keys[i], false);
}

void keyboard_release_all(struct keyboard *k)
{
    for (unsigned key = 0; key < ARRAY_SIZE(k->held); key++)
        if (k->held[key])
            keyboard_key(k, key, false);
}

bool keyboard_ready(const struct keyboard *k)
{
    return !k->sink.ready || k->sink.ready(k->sink.opaque);
}
