#include "devices/port61.h"

#include <string.h>

enum {
    GATE2 = 1 << 0,
    WRITABLE = 0x0f, /* gate, speaker data, parity and channel check enables */
    REFRESH = 1 << 4,
    OUT2 = 1 << 5,
};

/* The AT's refresh detect bit changes with every refresh, 15.085 us apart; programs that delay by
 * counting its changes depend on the rate. */
#define REFRESH_NS UINT64_C(15085)

static void update(struct port61 *s)
{
    pit_set_gate(s->pit, 2, s->latch & GATE2);
}

static uint32_t port61_read(void *dev, uint32_t off, unsigned size)
{
    struct port61 *s = dev;
    bool refresh = clock_now(s->clock) / REFRESH_NS & 1;

    (void)off;
    (void)size;
    return s->latch | (refresh ? REFRESH : 0) | (pit_out(s->pit, 2) ? OUT2 : 0);
}

static void port61_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct port61 *s = dev;

    (void)off;
    (void)size;
    s->latch = val & WRITABLE;
    update(s);
}

static void port61_reset(void *dev)
{
    struct port61 *s = dev;

    s->latch = 0;
    update(s);
}

/* The gate is saved with the timer: driving it again changes nothing. */
static void port61_restored(void *dev)
{
    update(dev);
}

void port61_init(struct port61 *s, struct clock *clock, struct pit8254 *pit)
{
    memset(s, 0, sizeof(*s));
    s->clock = clock;
    s->pit = pit;
    port61_reset(s);
}

static const struct io_ops port61_ops = {port61_read, port61_write, 1, 1};

int port61_attach(struct port61 *s, struct bus *ports)
{
    return bus_add(ports, 0x61, 1, &port61_ops, s, "port61");
}

static const struct field port61_fields[] = {FIELD(struct port61, latch), FIELD_END};

const struct dev_class port61_class = {
    .name = "port61", .fields = port61_fields, .reset = port61_reset, .restored = port61_restored};
