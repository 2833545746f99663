#include "devices/post_port.h"

#include <string.h>

static uint32_t latch_read(void *dev, uint32_t off, unsigned size)
{
    const uint8_t *latch = dev;

    (void)off;
    (void)size;
    return *latch;
}

static void latch_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    uint8_t *latch = dev;

    (void)off;
    (void)size;
    *latch = (uint8_t)val;
}

static void post_port_reset(void *dev)
{
    struct post_port *s = dev;

    memset(s->latch, 0, sizeof(s->latch));
}

void post_port_init(struct post_port *s)
{
    post_port_reset(s);
}

static const struct io_ops latch_ops = {latch_read, latch_write, 1, 1};

int post_port_attach(struct post_port *s, struct bus *ports)
{
    int err = bus_add(ports, 0x80, 1, &latch_ops, &s->latch[0], "post");

    return err ? err : bus_add(ports, 0xed, 1, &latch_ops, &s->latch[1], "io delay");
}

static const struct field post_port_fields[] = {FIELD(struct post_port, latch), FIELD_END};

const struct dev_class post_port_class = {
    .name = "post-port", .fields = post_port_fields, .reset = post_port_reset};
