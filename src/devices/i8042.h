/* i8042.h - the PS/2 keyboard controller, ports 60h and 64h, with a keyboard attached.
 *
 * The auxiliary port works and interrupts, but nothing is plugged into it: commands for it time
 * out. The controller starts as a PC's firmware leaves it: self test passed, keyboard interrupt
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

enum { KBD_QUEUE_SIZE = 16 };

struct ps2_keyboard {
    uint8_t queue[KBD_QUEUE_SIZE]; /* bytes for the controller, oldest first */
    uint8_t queued;
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
    uint8_t full;       /* output buffer: empty, from keyboard or controller, from AUX */
    uint8_t aux_failed; /* the AUX byte in outbuf reports a timeout */
    uint8_t awaiting;   /* controller command whose data byte comes next; 0: none */
    uint8_t outport;    /* bits 0 and 1 of the output port */
    struct ps2_keyboard kbd;

    struct i8042_lines wiring;
};

extern const struct dev_class i8042_class;

void i8042_init(struct i8042 *k, const struct i8042_lines *lines);
int i8042_attach(struct i8042 *k, struct bus *ports) MUST_CHECK;

#endif
