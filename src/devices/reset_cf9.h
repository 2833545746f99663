/* reset_cf9.h - the reset control register of PCI-era chipsets (82371SB RCR, port CF9h).
 *
 * A byte access at CF9h hits this register, a dword at CF8h the PCI address: pci_host claims the
 * ports and hands such bytes on. `reset` is pulsed when RCPU goes from 0 to 1.
 */
#ifndef DRAGOMAN_DEVICES_RESET_CF9_H
#define DRAGOMAN_DEVICES_RESET_CF9_H

#include "base/types.h"
#include "bus/device.h"
#include "bus/line.h"

enum { RESET_CF9_PORT = 0xcf9, RESET_CF9_HARD = 0x06 /* write this to reset the machine */ };

struct reset_cf9 {
    uint8_t rcr;

    struct line reset; /* wiring */
};

extern const struct dev_class reset_cf9_class;

void reset_cf9_init(struct reset_cf9 *s, struct line reset);
uint8_t reset_cf9_read(const struct reset_cf9 *s);
void reset_cf9_write(struct reset_cf9 *s, uint8_t val);

#endif
