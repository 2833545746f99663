#include "devices/rom.h"

uint32_t rom_read(const struct rom *r, uint32_t off, unsigned size)
{
    uint32_t val = 0;

    for (unsigned i = 0; i < size; i++) {
        uint32_t at = off + i;

        val |= (uint32_t)(at < r->len ? r->bytes[at] : 0xff) << (8 * i);
    }
    return val;
}

static uint32_t ops_read(void *dev, uint32_t off, unsigned size)
{
    return rom_read(dev, off, size);
}

static void ops_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    (void)dev;
    (void)off;
    (void)size;
    (void)val;
}

const struct io_ops rom_ops = {ops_read, ops_write, 1, 4};
