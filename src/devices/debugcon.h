/* debugcon.h - a debug console port: bytes written go to a chardev, reads say it is there.
 *
 * One instance per port: E9h (Bochs, QEMU) and 402h (firmware).
 */
#ifndef DRAGOMAN_DEVICES_DEBUGCON_H
#define DRAGOMAN_DEVICES_DEBUGCON_H

#include "base/backend.h"
#include "base/types.h"
#include "bus/bus.h"
#include "bus/device.h"

enum { DEBUGCON_E9 = 0xe9, DEBUGCON_402 = 0x402 };

struct debugcon {
    struct chardev *chr; /* wiring: the device has no state; may be NULL */
};

extern const struct dev_class debugcon_class;

void debugcon_init(struct debugcon *d, struct chardev *chr);
int debugcon_attach(struct debugcon *d, struct bus *ports, uint16_t port) MUST_CHECK;

#endif
