/* port92.h - system control port A (92h): fast A20 gate and fast reset.
 *
 * `a20` is this port's half of the OR that opens A20 (the other is the i8042's); `reset` is pulsed
 * when bit 0 goes from 0 to 1.
 */
#ifndef DRAGOMAN_DEVICES_PORT92_H
#define DRAGOMAN_DEVICES_PORT92_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/device.h"
#include "bus/line.h"

struct port92 {
    uint8_t latch;

    struct line a20, reset; /* wiring */
};

extern const struct dev_class port92_class;

void port92_init(struct port92 *s, struct line a20, struct line reset);
int port92_attach(struct port92 *s, struct bus *ports) MUST_CHECK;

#endif
