/* port61.h - system control port B (61h): timer 2 gate, speaker, refresh toggle, timer 2 OUT.
 *
 * The two check-enable bits (2, 3) are kept; no parity or channel check ever happens.
 */
#ifndef DRAGOMAN_DEVICES_PORT61_H
#define DRAGOMAN_DEVICES_PORT61_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/device.h"
#include "devices/pit8254.h"

struct port61 {
    uint8_t latch;

    struct clock *clock; /* wiring */
    struct pit8254 *pit;
};

extern const struct dev_class port61_class;

void port61_init(struct port61 *s, struct clock *clock, struct pit8254 *pit);
int port61_attach(struct port61 *s, struct bus *ports) MUST_CHECK;

#endif
