/* ps2_mouse.h - a PS/2 mouse with a wheel and five buttons (IBM PS/2 Technical Reference, Auxiliary
 * Device; Microsoft's IntelliMouse extensions), as its controller sees it: bytes in, bytes out.
 *
 * Movement that nobody has fetched adds up: a slow guest loses none of it, and the queue never
 * holds more than answers and one packet.
 */
#ifndef DRAGOMAN_DEVICES_PS2_MOUSE_H
#define DRAGOMAN_DEVICES_PS2_MOUSE_H

#include "base/types.h"

enum { PS2_MOUSE_QUEUE = 8 };

struct ps2_mouse {
    uint8_t queue[PS2_MOUSE_QUEUE]; /* bytes for the controller, oldest first */
    uint8_t queued;
    uint8_t last_packet[4], last_len; /* for RESEND */
    uint8_t awaiting;                 /* command whose argument comes next; 0: none */
    uint8_t id;                       /* 0; 3: wheel; 4: five buttons, too */
    uint8_t rates[3];                 /* the last rates set: the way to another id */
    uint8_t rate, resolution, scale2;
    uint8_t reporting, remote, wrap;
    uint8_t buttons, sent_buttons;
    int32_t dx, dy, dz; /* not reported yet; dy is upwards */
};

void ps2_mouse_reset(struct ps2_mouse *m);
/* A byte from the host. */
void ps2_mouse_write(struct ps2_mouse *m, uint8_t byte);
/* Takes the next byte for the host. False: there is none. */
bool ps2_mouse_read(struct ps2_mouse *m, uint8_t *byte);
/* To the right, down, of the wheel towards the user; buttons: bit 0 left, 1 right, 2 middle. */
void ps2_mouse_move(struct ps2_mouse *m, int dx, int dy, int dz, unsigned buttons);

#endif
