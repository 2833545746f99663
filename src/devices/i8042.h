/* i8042.h - the PS/2 keyboard controller, ports 60h and 64h, with keyboard and mouse attached.
 *
 * Keys wait in a queue of their own, so that an answer to the host does not cost what was typed.
 * The controller starts as a PC's firmware leaves it: self test passed, keyboard interrupt
 * and translation on.
 *
 * Lines: irq1 and irq12 are levels (output buffer full); a20 is bit 1 of the output port; reset is
 * pulsed by command FEh or held while bit 0 of the output port is 0.
 */
#ifndef DRAGOMAN_DEVICES_I8042_H
#define DRAGOMAN_DEVICES_I8042_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/device.h"
#include "bus/line.h"
#include "devices/ps2_mouse.h"

enum { KBD_QUEUE_SIZE = 16, KBD_KEYS_SIZE = 64 };

struct ps2_keyboard {
    uint8_t queue[KBD_QUEUE_SIZE]; /* answers for the controller, oldest first */
    uint8_t queued;
    uint8_t keys[KBD_KEYS_SIZE]; /* scan codes */
    uint8_t nkeys;
    uint8_t last;     /* last byte sent, for RESEND */
    uint8_t awaiting; /* command whose argument comes next; 0: none */
    uint8_t scan_set, leds, rate, scanning;
};

struct i8042_lines {
    struct line irq1, irq12, a20, reset;
};

struct i8042 {
    uint8_t ram[32]; /* ram[0] is the command byte */
    uint8_t status;  /* SYS and C/D; the rest of the status register follows from the state */
    uint8_t outbuf;
    uint8_t full;     /* output buffer: empty, from keyboard or controller, from AUX */
    uint8_t awaiting; /* controller command whose data byte comes next; 0: none */
    uint8_t released; /* 80h: F0h came before the next scan code */
    uint8_t outport;  /* bits 0 and 1 of the output port */
    struct ps2_keyboard kbd;
    struct ps2_mouse mouse;

    struct i8042_lines wiring;
};

extern const struct dev_class i8042_class;

void i8042_init(struct i8042 *k, const struct i8042_lines *lines);
/* The user: a key of ps2_keys.h goes down or up. One that finds the queue full is lost. */
void i8042_key(struct i8042 *k, unsigned key, bool down);
/* There is room for some keys more. */
bool i8042_keys_ready(const struct i8042 *k);
/* As ps2_mouse_move(). */
void i8042_mouse(struct i8042 *k, int dx, int dy, int dz, unsigned buttons);

int i8042_attach(struct i8042 *k, struct bus *ports) MUST_CHECK;

#endif
