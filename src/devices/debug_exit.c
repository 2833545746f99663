#include "devices/debug_exit.h"

#include <assert.h>

static uint32_t debug_exit_read(void *dev, uint32_t off, unsigned size)
{
    (void)dev;
    (void)off;
    (void)size;
    return 0;
}

static void debug_exit_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct debug_exit *d = dev;

    (void)off;
    (void)size;
    d->hook.exit(d->hook.opaque, (int)(val << 1 | 1));
}

static void debug_exit_reset(void *dev)
{
    (void)dev;
}

void debug_exit_init(struct debug_exit *d, struct debug_exit_hook hook)
{
    assert(hook.exit);
    d->hook = hook;
}

static const struct io_ops debug_exit_ops = {debug_exit_read, debug_exit_write, 1, 4};

int debug_exit_attach(struct debug_exit *d, struct bus *ports, uint16_t base, unsigned size)
{
    assert(size >= 1 && size <= 4);
    return bus_add(ports, base, size, &debug_exit_ops, d, "debug exit");
}

static const struct field debug_exit_fields[] = {FIELD_END};

const struct dev_class debug_exit_class = {
    .name = "debug-exit", .fields = debug_exit_fields, .reset = debug_exit_reset};
