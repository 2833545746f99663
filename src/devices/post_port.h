/* post_port.h - latches that do nothing: ports 80h (POST code) and EDh.
 *
 * Kernels write them to let about a microsecond pass. The last POST code is worth showing in a
 * report: read `latch[0]`.
 */
#ifndef DRAGOMAN_DEVICES_POST_PORT_H
#define DRAGOMAN_DEVICES_POST_PORT_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/device.h"

struct post_port {
    uint8_t latch[2]; /* 80h, EDh */
};

extern const struct dev_class post_port_class;

void post_port_init(struct post_port *s);
int post_port_attach(struct post_port *s, struct bus *ports) MUST_CHECK;

#endif
