/* i440fx.h - the 82441FX host bridge, function 00:00.0, as far as software sees it: PAM (59h-5Fh)
 * and SMRAM (72h) say what A0000h-FFFFFh shows (data sheet 290549, 3.2.18 and 3.2.20).
 *
 * PAM goes to physmem's segments. What RAM does not answer is decoded here, on the mmio bus:
 * reads of E0000h-FFFFFh give the last 128 KiB of the firmware's ROM, other reads ones; writes to a
 * segment that takes them though it is not read from RAM go to that RAM. The ROM itself ends at
 * 4 GiB. There is no SMM: opening SMRAM (D_OPEN) shows the RAM below the VGA window to everyone.
 */
#ifndef DRAGOMAN_DEVICES_I440FX_H
#define DRAGOMAN_DEVICES_I440FX_H

#include "bus/device.h"
#include "bus/physmem.h"
#include "devices/pci_host.h"
#include "devices/rom.h"

enum { I440FX_DEVFN = 0, I440FX_PAM0 = 0x59, I440FX_PAMS = 7, I440FX_SMRAM = 0x72 };
/* What PAM registers 0, and 1 to 6, hold when all of C0000h-FFFFFh is RAM. */
enum { I440FX_PAM0_RAM = 0x30, I440FX_PAM_RAM = 0x33 };

struct i440fx {
    struct pci_function fn;

    struct physmem *mem; /* wiring */
    struct rom bios;     /* firmware; len 0: none */
};

/* The firmware's bytes stay the caller's. */
extern const struct dev_class i440fx_class;

void i440fx_init(struct i440fx *b, struct physmem *mem, const struct rom *bios);
int i440fx_attach(struct i440fx *b, struct pci_host *host, struct bus *mmio) MUST_CHECK;

#endif
