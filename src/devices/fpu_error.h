/* fpu_error.h - the AT's way of reporting x87 errors: FERR# to IRQ 13, port F0h to IGNNE#.
 *
 * Owns the request latch. FERR# going active sets it; a write to F0h clears it and, while FERR# is
 * still active, asserts IGNNE#, which lasts until FERR# is negated (82371SB, coprocessor error
 * register; SDM 1 D.2.1). F1h, which reset a 287, takes writes and does nothing.
 */
#ifndef DRAGOMAN_DEVICES_FPU_ERROR_H
#define DRAGOMAN_DEVICES_FPU_ERROR_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/device.h"
#include "bus/line.h"

struct fpu_error {
    uint8_t ferr;    /* the CPU's pin */
    uint8_t request; /* drives IRQ 13 */
    uint8_t ignore;  /* drives IGNNE# */

    struct line irq13, ignne; /* wiring */
};

extern const struct dev_class fpu_error_class;

void fpu_error_init(struct fpu_error *s, struct line irq13, struct line ignne);
int fpu_error_attach(struct fpu_error *s, struct bus *ports) MUST_CHECK;

/* Where the CPU's FERR# goes. */
struct line fpu_error_ferr(struct fpu_error *s);

#endif
