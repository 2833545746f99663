/* uart16550.h - the 16550A serial port (National PC16550D).
 *
 * Eight byte-wide ports at a base given to uart_attach(). The transmitter is infinitely fast:
 * THR and TEMT read as set again at once and the THRE interrupt follows the write. The receiver
 * never overruns: the backend asks how much fits (chardev_sink), and is told through
 * chardev_sink_ready() when the guest has made room. The character timeout runs at the
 * programmed baud rate.
 *
 * On the PC the interrupt pin reaches the PIC only while MCR.OUT2 is set.
 */
#ifndef DRAGOMAN_DEVICES_UART16550_H
#define DRAGOMAN_DEVICES_UART16550_H

#include "base/backend.h"
#include "base/types.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/device.h"
#include "bus/line.h"

enum { UART_FIFO_SIZE = 16 };

struct uart16550 {
    uint8_t ier, fcr, lcr, mcr, msr, scr;
    uint16_t divisor;
    uint8_t overrun;     /* LSR.OE */
    uint8_t thr_int;     /* THRE interrupt pending */
    uint8_t timeout;     /* character timeout pending */
    uint64_t timeout_at; /* ns, CLOCK_NEVER: not running */
    uint8_t rx[UART_FIFO_SIZE];
    uint8_t rx_err[UART_FIFO_SIZE]; /* PE, FE, BI of the character beside it */
    uint8_t rx_head, rx_count;
    uint8_t rbr; /* the character last read, when nothing newer is there */

    struct clock *clock; /* wiring */
    struct timer timer;
    struct line irq;
    struct chardev *chr;
};

extern const struct dev_class uart_class;

/* `chr` may be NULL (nothing connected: no carrier, output discarded). Fills in chr->sink. */
void uart_init(struct uart16550 *u, struct clock *clock, struct line irq, struct chardev *chr);
int uart_attach(struct uart16550 *u, struct bus *ports, uint16_t base) MUST_CHECK;

#endif
