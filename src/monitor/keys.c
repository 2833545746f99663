/* Keys and the mouse. */
#include <string.h>

#include "devices/ps2_keys.h"
#include "monitor/command.h"

/* QKeyCode names of QMP, which sendkey has too. */
static const struct {
    char name[16];
    uint8_t key;
} names[] = {
    {"esc", 0x01},
    {"1", 0x02},
    {"2", 0x03},
    {"3", 0x04},
    {"4", 0x05},
    {"5", 0x06},
    {"6", 0x07},
    {"7", 0x08},
    {"8", 0x09},
    {"9", 0x0a},
    {"0", 0x0b},
    {"minus", 0x0c},
    {"equal", 0x0d},
    {"backspace", 0x0e},
    {"tab", 0x0f},
    {"q", 0x10},
    {"w", 0x11},
    {"e", 0x12},
    {"r", 0x13},
    {"t", 0x14},
    {"y", 0x15},
    {"u", 0x16},
    {"i", 0x17},
    {"o", 0x18},
    {"p", 0x19},
    {"bracket_left", 0x1a},
    {"bracket_right", 0x1b},
    {"ret", 0x1c},
    {"ctrl", 0x1d},
    {"a", 0x1e},
    {"s", 0x1f},
    {"d", 0x20},
    {"f", 0x21},
    {"g", 0x22},
    {"h", 0x23},
    {"j", 0x24},
    {"k", 0x25},
    {"l", 0x26},
    {"semicolon", 0x27},
    {"apostrophe", 0x28},
    {"grave_accent", 0x29},
    {"shift", 0x2a},
    {"backslash", 0x2b},
    {"z", 0x2c},
    {"x", 0x2d},
    {"c", 0x2e},
    {"v", 0x2f},
    {"b", 0x30},
    {"n", 0x31},
    {"m", 0x32},
    {"comma", 0x33},
    {"dot", 0x34},
    {"slash", 0x35},
    {"shift_r", 0x36},
    {"asterisk", 0x37},
    {"kp_multiply", 0x37},
    {"alt", 0x38},
    {"spc", 0x39},
    {"caps_lock", 0x3a},
    {"f1", 0x3b},
    {"f2", 0x3c},
    {"f3", 0x3d},
    {"f4", 0x3e},
    {"f5", 0x3f},
    {"f6", 0x40},
    {"f7", 0x41},
    {"f8", 0x42},
    {"f9", 0x43},
    {"f10", 0x44},
    {"num_lock", 0x45},
    {"scroll_lock", 0x46},
    {"kp_7", 0x47},
    {"kp_8", 0x48},
    {"kp_9", 0x49},
    {"kp_subtract", 0x4a},
    {"kp_4", 0x4b},
    {"kp_5", 0x4c},
    {"kp_6", 0x4d},
    {"kp_add", 0x4e},
    {"kp_1", 0x4f},
    {"kp_2", 0x50},
    {"kp_3", 0x51},
    {"kp_0", 0x52},
    {"kp_decimal", 0x53},
    {"less", 0x56},
    {"f11", 0x57},
    {"f12", 0x58},
    {"kp_enter", 0x9c},
    {"ctrl_r", 0x9d},
    {"kp_divide", 0xb5},
    {"print", PS2_PRINT},
    {"sysrq", PS2_PRINT},
    {"alt_r", 0xb8},
    {"pause", PS2_PAUSE},
    {"home", 0xc7},
    {"up", 0xc8},
    {"pgup", 0xc9},
    {"left", 0xcb},
    {"right", 0xcd},
    {"end", 0xcf},
    {"down", 0xd0},
    {"pgdn", 0xd1},
    {"insert", 0xd2},
    {"delete", 0xd3},
    {"meta_l", 0xdb},
    {"meta_r", 0xdc},
    {"menu", 0xdd},
    {"compose", 0xdd},
};

bool mon_key_of(const char *name, size_t len, unsigned *key)
{
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (strlen(names[i].name) != len || memcmp(names[i].name, name, len) != 0)
            continue;
        *key = names[i].key;
        return true;
    }
    return false;
}

void mon_release_keys(struct mon_keys *k)
{
    const struct input_sink *to = &k->machine->input;

    while (k->n)
        to->key(to->opaque, k->key[--k->n], false);
}

int mon_press_keys(struct mon_call *c, const unsigned *key, unsigned n, uint64_t hold_ms)
{
    const struct input_sink *to = &c->machine->input;
    struct mon_keys *k = c->keys;

    mon_release_keys(k);
    for (unsigned i = 0; i < n; i++) {
        if (to->ready && !to->ready(to->opaque))
            return mon_fail(c, "the guest does not read its keyboard: no key fits in any more");
        to->key(to->opaque, key[i], true);
        k->key[k->n++] = key[i];
    }
    timer_set(c->machine->clock, &k->release,
              clock_now(c->machine->clock) + hold_ms * (NS_PER_SEC / 1000));
    return 0;
}

enum { HOLD_MS = 100, MAX_HOLD_MS = 60000 };

/* "ctrl-alt-f1". */
int mon_sendkey(struct mon_call *c)
{
    const char *at = c->arg[0].text;
    unsigned key[MON_HELD_KEYS], n = 0;
    uint64_t hold = c->arg[1].set ? c->arg[1].n : HOLD_MS;

    if (hold > MAX_HOLD_MS)
        return mon_fail(c, "keys are held for 0 to %d milliseconds", MAX_HOLD_MS);
    for (;;) {
        size_t len = strcspn(at, "-");

        if (n == MON_HELD_KEYS)
            return mon_fail(c, "at most %d keys together", MON_HELD_KEYS);
        if (!mon_key_of(at, len, &key[n++]))
            return mon_fail(c, "unknown key: '%.*s'", (int)len, at);
        if (!at[len])
            break;
        at += len + 1;
    }
    return mon_press_keys(c, key, n, hold);
}

static int in_range(struct mon_call *c, uint64_t n, int *out)
{
    int64_t v = (int64_t)n;

    if (v < -10000 || v > 10000)
        return mon_fail(c, "a mouse moves by -10000 to 10000");
    *out = (int)v;
    return 0;
}

int mon_mouse_move(struct mon_call *c)
{
    const struct input_sink *to = &c->machine->input;
    int d[3] = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(d); i++)
        if (c->arg[i].set && in_range(c, c->arg[i].n, &d[i]) < 0)
            return -1;
    if (to->mouse)
        to->mouse(to->opaque, d[0], d[1], d[2], c->keys->mouse_buttons);
    return 0;
}

/* The same bits as input_sink's. */
int mon_mouse_button(struct mon_call *c)
{
    const struct input_sink *to = &c->machine->input;

    if (c->arg[0].n > 7)
        return mon_fail(c, "buttons are 0 to 7");
    c->keys->mouse_buttons = (unsigned)c->arg[0].n;
    if (to->mouse)
        to->mouse(to->opaque, 0, 0, 0, c->keys->mouse_buttons);
    return 0;
}
