#include "display/termkeys.h"

#include "display/keyboard.h"

enum { ESC = 0x1b, DEL = 0x7f };

/* Final bytes of CSI and SS3. */
static const struct {
    char final;
    uint16_t keysym;
} finals[] = {
    {'A', KEYSYM_UP},     {'B', KEYSYM_DOWN},   {'C', KEYSYM_RIGHT}, {'D', KEYSYM_LEFT},
    {'H', KEYSYM_HOME},   {'F', KEYSYM_END},    {'P', KEYSYM_F1},    {'Q', KEYSYM_F1 + 1},
    {'R', KEYSYM_F1 + 2}, {'S', KEYSYM_F1 + 3},
};

/* CSI number ~ */
static const struct {
    uint8_t number;
    uint16_t keysym;
} tildes[] = {
    {1, KEYSYM_HOME},    {2, KEYSYM_INSERT},    {3, KEYSYM_DELETE},   {4, KEYSYM_END},
    {5, KEYSYM_PAGE_UP}, {6, KEYSYM_PAGE_DOWN}, {7, KEYSYM_HOME},     {8, KEYSYM_END},
    {11, KEYSYM_F1},     {12, KEYSYM_F1 + 1},   {13, KEYSYM_F1 + 2},  {14, KEYSYM_F1 + 3},
    {15, KEYSYM_F1 + 4}, {17, KEYSYM_F1 + 5},   {18, KEYSYM_F1 + 6},  {19, KEYSYM_F1 + 7},
    {20, KEYSYM_F1 + 8}, {21, KEYSYM_F1 + 9},   {23, KEYSYM_F1 + 10}, {24, KEYSYM_F1 + 11},
};

static bool give(struct termkey *out, uint32_t keysym, unsigned modifiers)
{
    *out = (struct termkey){keysym, modifiers};
    return true;
}

static bool give_final(struct termkey *out, uint8_t final, unsigned modifiers)
{
    if (final == 'Z')
        return give(out, KEYSYM_TAB, KEYBOARD_SHIFT);
    for (unsigned i = 0; i < ARRAY_SIZE(finals); i++)
        if (finals[i].final == final)
            return give(out, finals[i].keysym, modifiers);
    return false;
}

static bool give_tilde(struct termkey *out, unsigned number, unsigned modifiers)
{
    for (unsigned i = 0; i < ARRAY_SIZE(tildes); i++)
        if (tildes[i].number == number)
            return give(out, tildes[i].keysym, modifiers);
    return false;
}

/* Control characters: most are Control with a letter. */
static bool give_character(struct termkey *out, uint8_t byte, unsigned modifiers)
{
    switch (byte) {
    case '\t':
        return give(out, KEYSYM_TAB, modifiers);
    case '\r':
    case '\n':
        return give(out, KEYSYM_RETURN, modifiers);
    case '\b':
    case DEL:
        return give(out, KEYSYM_BACKSPACE, modifiers);
    case ESC:
        return give(out, KEYSYM_ESCAPE, modifiers);
    case 0:
        return give(out, ' ', modifiers | KEYBOARD_CONTROL);
    }
    if (byte >= 0x80) /* UTF-8: no key of a US keyboard */
        return false;
    if (byte <= 26)
        return give(out, byte - 1u + 'a', modifiers | KEYBOARD_CONTROL);
    if (byte < ' ') /* \ ] ^ _ */
        return give(out, byte + 0x40u, modifiers | KEYBOARD_CONTROL);
    return give(out, byte, modifiers);
}

/* The second parameter is 1 + modifiers: Shift, Alt, Control, as in KEYBOARD_*. */
static unsigned modifiers_of(const struct termkeys *t)
{
    return t->param[1] ? (t->param[1] - 1) & 7 : 0;
}

static bool feed_csi(struct termkeys *t, uint8_t byte, struct termkey *out)
{
    enum { PARAM_MAX = 999 };

    if (byte >= '0' && byte <= '9') {
        unsigned *p = &t->param[t->nparam];

        *p = *p < PARAM_MAX / 10 ? *p * 10 + byte - '0' : PARAM_MAX;
        return false;
    }
    if (byte == ';') {
        t->nparam = 1;
        return false;
    }
    if (byte == '[' && !t->param[0] && !t->nparam) { /* Linux: CSI [ A to E are F1 to F5 */
        t->state = TERMKEYS_LINUX;
        return false;
    }
    if (byte < 0x40) /* other parameter and intermediate bytes */
        return false;
    t->state = TERMKEYS_PLAIN;
    return byte == '~' ? give_tilde(out, t->param[0], modifiers_of(t))
                       : give_final(out, byte, modifiers_of(t));
}

static bool feed_esc(struct termkeys *t, uint8_t byte, struct termkey *out)
{
    t->param[0] = t->param[1] = t->nparam = 0;
    if (byte == '[' || byte == 'O') {
        t->state = byte == '[' ? TERMKEYS_CSI : TERMKEYS_SS3;
        return false;
    }
    if (byte == ESC) /* the first one was the key; this one may begin a sequence */
        return give(out, KEYSYM_ESCAPE, 0);
    t->state = TERMKEYS_PLAIN;
    return give_character(out, byte, KEYBOARD_ALT);
}

bool termkeys_feed(struct termkeys *t, uint8_t byte, struct termkey *out)
{
    switch (t->state) {
    case TERMKEYS_ESC:
        return feed_esc(t, byte, out);
    case TERMKEYS_CSI:
        return feed_csi(t, byte, out);
    case TERMKEYS_SS3:
        t->state = TERMKEYS_PLAIN;
        return give_final(out, byte, 0);
    case TERMKEYS_LINUX:
        t->state = TERMKEYS_PLAIN;
        return byte >= 'A' && byte <= 'E' && give(out, KEYSYM_F1 + (byte - 'A'), 0);
    case TERMKEYS_PLAIN:
        break;
    }
    if (byte != ESC)
        return give_character(out, byte, 0);
    t->state = TERMKEYS_ESC;
    return false;
}

bool termkeys_idle(struct termkeys *t, struct termkey *out)
{
    bool alone = t->state == TERMKEYS_ESC;

    t->state = TERMKEYS_PLAIN;
    return alone && give(out, KEYSYM_ESCAPE, 0);
}
