#include "devices/ps2_mouse.h"

#include <string.h>

enum {
    CMD_SCALE_1 = 0xe6,
    CMD_SCALE_2 = 0xe7,
    CMD_RESOLUTION = 0xe8,
    CMD_STATUS = 0xe9,
    CMD_STREAM = 0xea,
    CMD_READ = 0xeb,
    CMD_WRAP_OFF = 0xec,
    CMD_WRAP = 0xee,
    CMD_REMOTE = 0xf0,
    CMD_ID = 0xf2,
    CMD_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
    ACK = 0xfa,
    NACK = 0xfe,
    TEST_PASSED = 0xaa,
    RATE_DEFAULT = 100,
    RESOLUTION_DEFAULT = 2, /* 4 counts per millimetre */
    ID_PLAIN = 0,
    ID_WHEEL = 3,
    ID_BUTTONS = 4,
};

enum { /* first byte of a packet */
       PACKET_ONE = 1 << 3,
       PACKET_X_SIGN = 1 << 4,
       PACKET_Y_SIGN = 1 << 5,
       PACKET_BUTTONS = 7,
       /* status byte */
       STATUS_SCALE_2 = 1 << 4,
       STATUS_REPORTING = 1 << 5,
       STATUS_REMOTE = 1 << 6,
};

enum { MOVE_MAX = 255, WHEEL_MAX = 7, MOVE_LIMIT = 1 << 20 };

static void put(struct ps2_mouse *m, uint8_t byte)
{
    if (m->queued < PS2_MOUSE_QUEUE)
        m->queue[m->queued++] = byte;
}

static void defaults(struct ps2_mouse *m)
{
    m->rate = RATE_DEFAULT;
    m->resolution = RESOLUTION_DEFAULT;
    m->scale2 = m->reporting = m->remote = 0;
    m->dx = m->dy = m->dz = 0;
}

void ps2_mouse_reset(struct ps2_mouse *m)
{
    memset(m, 0, sizeof(*m));
    defaults(m);
}

static int32_t clamp(int32_t v, int32_t limit)
{
    return v > limit ? limit : v < -limit ? -limit : v;
}

/* One report takes what fits into it; the rest waits. */
static void put_packet(struct ps2_mouse *m)
{
    int32_t x = clamp(m->dx, MOVE_MAX), y = clamp(m->dy, MOVE_MAX), z = clamp(m->dz, WHEEL_MAX);
    uint8_t *p = m->last_packet;

    m->dx -= x;
    m->dy -= y;
    m->dz -= z;
    m->sent_buttons = m->buttons;
    p[0] = (uint8_t)(PACKET_ONE | (m->buttons & PACKET_BUTTONS) | (x < 0 ? PACKET_X_SIGN : 0) |
                     (y < 0 ? PACKET_Y_SIGN : 0));
    p[1] = (uint8_t)x;
    p[2] = (uint8_t)y;
    p[3] = (uint8_t)(m->id == ID_BUTTONS ? (z & 0xf) | (m->buttons >> 3 & 3) << 4 : z);
    m->last_len = m->id == ID_PLAIN ? 3 : 4;
    for (unsigned i = 0; i < m->last_len; i++)
        put(m, p[i]);
}

static void put_status(struct ps2_mouse *m)
{
    unsigned b = m->buttons;

    /* Here the left button is bit 2 and the middle one bit 1. */
    put(m, (uint8_t)((b & 1) << 2 | (b >> 2 & 1) << 1 | (b >> 1 & 1) |
                     (m->scale2 ? STATUS_SCALE_2 : 0) | (m->reporting ? STATUS_REPORTING : 0) |
                     (m->remote ? STATUS_REMOTE : 0)));
    put(m, m->resolution);
    put(m, m->rate);
}

/* 200, 100, 80 turns on the wheel, 200, 200, 80 the buttons. */
static void set_rate(struct ps2_mouse *m, uint8_t rate)
{
    m->rate = rate;
    m->rates[0] = m->rates[1];
    m->rates[1] = m->rates[2];
    m->rates[2] = rate;
    if (m->rates[0] != 200 || m->rates[2] != 80)
        return;
    if (m->rates[1] == 100)
        m->id = ID_WHEEL;
    else if (m->rates[1] == 200 && m->id == ID_WHEEL)
        m->id = ID_BUTTONS;
}

static void argument(struct ps2_mouse *m, uint8_t arg)
{
    if (m->awaiting == CMD_RATE)
        set_rate(m, arg);
    else
        m->resolution = arg & 3;
    m->awaiting = 0;
    put(m, ACK);
}

/* Modes and settings: commands that are only acknowledged. False: none of them. */
static bool set_mode(struct ps2_mouse *m, uint8_t cmd)
{
    switch (cmd) {
    case CMD_SCALE_1:
    case CMD_SCALE_2:
        m->scale2 = cmd == CMD_SCALE_2;
        break;
    case CMD_STREAM:
    case CMD_REMOTE:
        m->remote = cmd == CMD_REMOTE;
        break;
    case CMD_WRAP:
    case CMD_WRAP_OFF:
        m->wrap = cmd == CMD_WRAP;
        break;
    case CMD_ENABLE:
    case CMD_DISABLE:
        m->reporting = cmd == CMD_ENABLE;
        m->dx = m->dy = m->dz = 0;
        break;
    case CMD_DEFAULTS:
        defaults(m);
        break;
    case CMD_RATE:
    case CMD_RESOLUTION:
        m->awaiting = cmd;
        break;
    default:
        return false;
    }
    return true;
}

static void command(struct ps2_mouse *m, uint8_t cmd)
{
    bool known = set_mode(m, cmd);

    if (cmd == CMD_RESEND) {
        for (unsigned i = 0; i < m->last_len; i++)
            put(m, m->last_packet[i]);
        return;
    }
    if (cmd == CMD_RESET) {
        ps2_mouse_reset(m);
        known = true;
    }
    known |= cmd == CMD_ID || cmd == CMD_STATUS || cmd == CMD_READ;
    put(m, known ? ACK : NACK);
    if (cmd == CMD_RESET)
        put(m, TEST_PASSED);
    if (cmd == CMD_RESET || cmd == CMD_ID)
        put(m, m->id);
    else if (cmd == CMD_STATUS)
        put_status(m);
    else if (cmd == CMD_READ)
        put_packet(m);
}

void ps2_mouse_write(struct ps2_mouse *m, uint8_t byte)
{
    m->queued = 0; /* a byte from the host aborts what the mouse was about to say */
    if (m->wrap && byte != CMD_RESET && byte != CMD_WRAP_OFF)
        put(m, byte);
    else if (m->awaiting && byte < CMD_SCALE_1)
        argument(m, byte);
    else
        command(m, byte);
}

static bool has_news(const struct ps2_mouse *m)
{
    return m->dx || m->dy || m->dz || m->buttons != m->sent_buttons;
}

bool ps2_mouse_read(struct ps2_mouse *m, uint8_t *byte)
{
    if (!m->queued && m->reporting && !m->remote && !m->wrap && !m->awaiting && has_news(m))
        put_packet(m);
    if (!m->queued)
        return false;
    *byte = m->queue[0];
    m->queued--;
    memmove(m->queue, m->queue + 1, m->queued);
    return true;
}

void ps2_mouse_move(struct ps2_mouse *m, int dx, int dy, int dz, unsigned buttons)
{
    m->buttons = buttons & 0x1f;
    if (!m->reporting && !m->remote)
        return;
    m->dx = clamp(m->dx + clamp(dx, MOVE_LIMIT), MOVE_LIMIT);
    m->dy = clamp(m->dy - clamp(dy, MOVE_LIMIT), MOVE_LIMIT);
    if (m->id != ID_PLAIN)
        m->dz = clamp(m->dz + clamp(dz, MOVE_LIMIT), MOVE_LIMIT);
}
