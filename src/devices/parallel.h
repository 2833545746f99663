/* parallel.h - the parallel port of a PC: the bidirectional port of the PS/2 (IBM PS/2 hardware
 * interface technical reference, "Parallel Port"), and the printer behind it.
 *
 * Three byte-wide ports at a base given to parallel_attach(): data, status, control. A byte is
 * taken at the leading edge of STROBE; the printer is never busy and acknowledges at once. The
 * interrupt of an acknowledgement stays until the status is read. Without a printer nothing pulls
 * the lines: not selected, out of paper, busy.
 */
#ifndef DRAGOMAN_DEVICES_PARALLEL_H
#define DRAGOMAN_DEVICES_PARALLEL_H

#include "base/backend.h"
#include "base/types.h"
#include "bus/bus.h"
#include "bus/device.h"
#include "bus/line.h"

enum { PARALLEL_PORTS = 3 };

struct parallel {
    uint8_t data, control;
    uint8_t acknowledged; /* the interrupt waits */

    struct line irq; /* wiring */
    struct chardev *printer;
};

extern const struct dev_class parallel_class;

/* `printer` may be NULL: the cable ends in the air. */
void parallel_init(struct parallel *p, struct line irq, struct chardev *printer);
int parallel_attach(struct parallel *p, struct bus *ports, uint16_t base) MUST_CHECK;

#endif
