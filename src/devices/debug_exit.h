/* debug_exit.h - isa-debug-exit: the guest asks the machine to stop with a status.
 *
 * A write of v to the ports asks for exit status (v << 1) | 1, so that 0 stays "powered off". The
 * device only calls `exit`; what follows is the machine's business. Reads return 0.
 */
#ifndef DRAGOMAN_DEVICES_DEBUG_EXIT_H
#define DRAGOMAN_DEVICES_DEBUG_EXIT_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/device.h"

enum { DEBUG_EXIT_BASE = 0x501, DEBUG_EXIT_SIZE = 2 }; /* the defaults of QEMU's device */

struct debug_exit_hook {
    void (*exit)(void *opaque, int code);
    void *opaque;
};

struct debug_exit {
    struct debug_exit_hook hook; /* wiring: the device has no state */
};

extern const struct dev_class debug_exit_class;

void debug_exit_init(struct debug_exit *d, struct debug_exit_hook hook);
/* `size` is 1 to 4 ports. */
int debug_exit_attach(struct debug_exit *d, struct bus *ports, uint16_t base,
                      unsigned size) MUST_CHECK;

#endif
