/* rom.h - read-only memory on the mmio bus. Writes are ignored; the bytes stay the caller's. What
 * lies beyond them reads as ones.
 */
#ifndef DRAGOMAN_DEVICES_ROM_H
#define DRAGOMAN_DEVICES_ROM_H

#include "base/types.h"
#include "bus/bus.h"

struct rom {
    const uint8_t *bytes;
    uint32_t len;
};

extern const struct io_ops rom_ops;

uint32_t rom_read(const struct rom *r, uint32_t off, unsigned size);

#endif
