#include "devices/debugcon.h"

/* What guests compare a read with before they write, at whichever port. */
enum { PRESENT = 0xe9 };

static uint32_t debugcon_read(void *dev, uint32_t off, unsigned size)
{
    (void)dev;
    (void)off;
    (void)size;
    return PRESENT;
}

static void debugcon_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct debugcon *d = dev;
    uint8_t ch = (uint8_t)val;

    (void)off;
    (void)size;
    chardev_write(d->chr, &ch, 1);
}

static void debugcon_reset(void *dev)
{
    (void)dev;
}

void debugcon_init(struct debugcon *d, struct chardev *chr)
{
    d->chr = chr;
}

static const struct io_ops debugcon_ops = {debugcon_read, debugcon_write, 1, 1};

int debugcon_attach(struct debugcon *d, struct bus *ports, uint16_t port)
{
    return bus_add(ports, port, 1, &debugcon_ops, d, "debugcon");
}

static const struct field debugcon_fields[] = {FIELD_END};

const struct dev_class debugcon_class = {
    .name = "debugcon", .fields = debugcon_fields, .reset = debugcon_reset};
