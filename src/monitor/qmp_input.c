/* send-key and input-send-event: keys and the mouse as JSON. */
#include <string.h>

#include "monitor/qmp_priv.h"

enum { HOLD_MS = 100, MAX_HOLD_MS = 60000, MAX_MOVE = 10000 };

/* {"type": "qcode", "data": "a"} or {"type": "number", "data": 30}. */
static int key_of(struct mon_call *c, const json_t *v, unsigned *key)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    const json_t *data = json_object_get(v, "data");
    const char *name = json_string_value(data);
    json_int_t n = json_integer_value(data);

    if (type && strcmp(type, "number") == 0 && json_is_integer(data)) {
        if (n < 1 || n > 0xff)
            return mon_fail(c, "a key's number is 1 to 255");
        *key = (unsigned)n;
        return 0;
    }
    if (!type || strcmp(type, "qcode") != 0 || !name)
        return mon_fail(c, "a key is {\"type\": \"qcode\" or \"number\", \"data\": ..}");
    if (!mon_key_of(name, strlen(name), key))
        return mon_fail(c, "Invalid parameter '%.40s'", name);
    return 0;
}

int qmp_send_key(struct qmp_call *q)
{
    struct mon_call *c = &q->call;
    const json_t *keys = c->arg[0].json;
    uint64_t hold = c->arg[1].set ? c->arg[1].n : HOLD_MS;
    unsigned key[MON_HELD_KEYS], n = 0;
    const json_t *v;
    size_t i;

    if (hold > MAX_HOLD_MS)
        return mon_fail(c, "keys are held for 0 to %d milliseconds", MAX_HOLD_MS);
    if (json_array_size(keys) > MON_HELD_KEYS)
        return mon_fail(c, "at most %d keys together", MON_HELD_KEYS);
    json_array_foreach(keys, i, v) if (key_of(c, v, &key[n++]) < 0) return -1;
    return mon_press_keys(c, key, n, hold);
}

/* What a list of events adds up to is given to the devices when all are understood. */
struct changes {
    struct {
        unsigned key;
        bool down;
    } key[MON_HELD_KEYS];
    unsigned nkeys;
    int dx, dy, dz;
    unsigned buttons;
    bool mouse;
};

static int key_event(struct mon_call *c, const json_t *data, struct changes *to)
{
    if (to->nkeys == MON_HELD_KEYS)
        return mon_fail(c, "at most %d keys at once", MON_HELD_KEYS);
    to->key[to->nkeys].down = json_is_true(json_object_get(data, "down"));
    return key_of(c, json_object_get(data, "key"), &to->key[to->nkeys++].key);
}

static const struct {
    const char *name;
    unsigned bit; /* of input_sink's buttons; 0: a step of the wheel */
    int dz;
} buttons[] = {
    {"left", 1, 0}, {"right", 2, 0}, {"middle", 4, 0}, {"wheel-up", 0, -1}, {"wheel-down", 0, 1},
};

static int button_event(struct mon_call *c, const json_t *data, struct changes *to)
{
    const char *name = json_string_value(json_object_get(data, "button"));
    bool down = json_is_true(json_object_get(data, "down"));

    to->mouse = true;
    for (unsigned i = 0; name && i < ARRAY_SIZE(buttons); i++) {
        if (strcmp(buttons[i].name, name) != 0)
            continue;
        to->dz += down ? buttons[i].dz : 0;
        to->buttons = down ? to->buttons | buttons[i].bit : to->buttons & ~buttons[i].bit;
        return 0;
    }
    return mon_fail(c, "the mouse has no such button");
}

static int move_event(struct mon_call *c, const json_t *data, struct changes *to)
{
    const char *axis = json_string_value(json_object_get(data, "axis"));
    const json_t *value = json_object_get(data, "value");
    json_int_t v = json_integer_value(value);

    if (!json_is_integer(value) || v < -MAX_MOVE || v > MAX_MOVE || !axis ||
        (strcmp(axis, "x") && strcmp(axis, "y")))
        return mon_fail(c, "a mouse moves along \"x\" or \"y\" by at most %d", MAX_MOVE);
    *(*axis == 'x' ? &to->dx : &to->dy) += (int)v;
    to->mouse = true;
    return 0;
}

static const struct {
    const char *type;
    int (*take)(struct mon_call *c, const json_t *data, struct changes *to);
} events[] = {{"key", key_event}, {"btn", button_event}, {"rel", move_event}};

static int take_event(struct mon_call *c, const json_t *v, struct changes *to)
{
    const char *type = json_string_value(json_object_get(v, "type"));

    for (unsigned i = 0; type && i < ARRAY_SIZE(events); i++)
        if (strcmp(events[i].type, type) == 0)
            return events[i].take(c, json_object_get(v, "data"), to);
    return mon_fail(c, "Input handler not found for event type \"%.20s\"", type ? type : "");
}

enum { MAX_EVENTS = 64 }; /* keeps the sums of movements small */

int qmp_input_send_event(struct qmp_call *q)
{
    struct mon_call *c = &q->call;
    const struct input_sink *to = &c->machine->input;
    struct changes sum = {.buttons = c->keys->mouse_buttons};
    const json_t *v;
    size_t i;

    if (json_array_size(c->arg[0].json) > MAX_EVENTS)
        return mon_fail(c, "at most %d events at once", MAX_EVENTS);
    json_array_foreach((const json_t *)c->arg[0].json, i,
                       v) if (take_event(c, v, &sum) < 0) return -1;
    for (i = 0; i < sum.nkeys; i++)
        to->key(to->opaque, sum.key[i].key, sum.key[i].down);
    c->keys->mouse_buttons = sum.buttons;
    if (sum.mouse && to->mouse)
        to->mouse(to->opaque, sum.dx, sum.dy, sum.dz, sum.buttons);
    return 0;
}
