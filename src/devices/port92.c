#include "devices/port92.h"

#include <string.h>

enum { FAST_RESET = 1 << 0, A20_GATE = 1 << 1 };

static void update(struct port92 *s)
{
    line_set(&s->a20, s->latch & A20_GATE);
}

static uint32_t port92_read(void *dev, uint32_t off, unsigned size)
{
    struct port92 *s = dev;

    (void)off;
    (void)size;
    return s->latch;
}

static void port92_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct port92 *s = dev;
    bool pulse = (val & FAST_RESET) && !(s->latch & FAST_RESET);

    (void)off;
    (void)size;
    s->latch = val & (FAST_RESET | A20_GATE);
    update(s);
    line_set(&s->reset, pulse);
    line_set(&s->reset, false);
}

static void port92_reset(void *dev)
{
    struct port92 *s = dev;

    s->latch = 0;
    update(s);
}

static void port92_restored(void *dev)
{
    update(dev);
}

void port92_init(struct port92 *s, struct line a20, struct line reset)
{
    memset(s, 0, sizeof(*s));
    s->a20 = a20;
    s->reset = reset;
    port92_reset(s);
}

static const struct io_ops port92_ops = {port92_read, port92_write, 1, 1};

int port92_attach(struct port92 *s, struct bus *ports)
{
    return bus_add(ports, 0x92, 1, &port92_ops, s, "port92");
}

static const struct field port92_fields[] = {FIELD(struct port92, latch), FIELD_END};

const struct dev_class port92_class = {
    .name = "port92", .fields = port92_fields, .reset = port92_reset, .restored = port92_restored};
