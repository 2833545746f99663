/* pic8259.h - the PC's pair of 8259A interrupt controllers (Intel 231468-003).
 *
 * Owns ports 20h-21h (master), A0h-A1h (slave) and the edge/level registers 4D0h-4D1h.
 * Devices drive the lines of pic_irq_line(); `intr` is the CPU's INTR pin, a level. When the CPU
 * takes the interrupt it calls pic_ack() once, which is both INTA pulses.
 *
 * As on the chip an edge-triggered request is withdrawn when its line falls before INTA; an INTA
 * without a request answers with the spurious vector (IR7 of the chip asked).
 */
#ifndef DRAGOMAN_DEVICES_PIC8259_H
#define DRAGOMAN_DEVICES_PIC8259_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/device.h"
#include "bus/line.h"

enum { PIC_CASCADE = 2, PIC_LINES = 16 };

struct pic_pair;

struct pic_chip {
    uint8_t level;    /* the IR pins */
    uint8_t edge;     /* edge-sense latches: rose since the last INTA or ICW1 */
    uint8_t imr, isr; /* mask and in-service registers */
    uint8_t elcr;     /* 1: level-triggered */
    uint8_t lowest;   /* IR with the lowest priority: 7 unless rotated */
    uint8_t icw1, icw2, icw3, icw4;
    uint8_t expect;        /* which ICW the next write to A0=1 is; 0: OCW1 */
    uint8_t read_isr;      /* OCW3 RIS: A0=0 reads ISR instead of IRR */
    uint8_t poll;          /* OCW3 P: the next read acknowledges */
    uint8_t smm;           /* special mask mode */
    uint8_t rotate_aeoi;   /* rotate in automatic EOI mode */
    struct pic_pair *pair; /* wiring */
};

struct pic_pair {
    struct pic_chip chip[2]; /* master, slave */
    struct line intr;        /* wiring */
};

extern const struct dev_class pic_class;

void pic_init(struct pic_pair *p, struct line intr);
int pic_attach(struct pic_pair *p, struct bus *ports) MUST_CHECK;

/* The request line of IRQ n, 0-15 except the cascade. */
struct line pic_irq_line(struct pic_pair *p, int n);

/* The INTA cycle: returns the vector. */
int pic_ack(struct pic_pair *p);

#endif
