#include "devices/fpu_error.h"

#include <string.h>

static void update(struct fpu_error *s)
{
    line_set(&s->irq13, s->request);
    line_set(&s->ignne, s->ignore);
}

static void ferr_set(void *dst, int pin, bool level)
{
    struct fpu_error *s = dst;

    (void)pin;
    if (level == s->ferr)
        return;
    s->ferr = level;
    if (level)
        s->request = 1;
    else
        s->ignore = 0;
    update(s);
}

struct line fpu_error_ferr(struct fpu_error *s)
{
    return (struct line){.set = ferr_set, .dst = s};
}

/* Both ports are write-only. */
static uint32_t fpu_error_read(void *dev, uint32_t off, unsigned size)
{
    (void)dev;
    (void)off;
    (void)size;
    return 0xff;
}

static void fpu_error_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct fpu_error *s = dev;

    (void)size;
    (void)val;
    if (off != 0)
        return;
    s->request = 0;
    s->ignore = s->ferr;
    update(s);
}

static void fpu_error_reset(void *dev)
{
    struct fpu_error *s = dev;

    s->ferr = s->request = s->ignore = 0;
    update(s);
}

static void fpu_error_restored(void *dev)
{
    update(dev);
}

void fpu_error_init(struct fpu_error *s, struct line irq13, struct line ignne)
{
    memset(s, 0, sizeof(*s));
    s->irq13 = irq13;
    s->ignne = ignne;
    fpu_error_reset(s);
}

static const struct io_ops fpu_error_ops = {fpu_error_read, fpu_error_write, 1, 1};

int fpu_error_attach(struct fpu_error *s, struct bus *ports)
{
    return bus_add(ports, 0xf0, 2, &fpu_error_ops, s, "fpu error");
}

static const struct field fpu_error_fields[] = {FIELD(struct fpu_error, ferr),
                                                FIELD(struct fpu_error, request),
                                                FIELD(struct fpu_error, ignore), FIELD_END};

const struct dev_class fpu_error_class = {.name = "fpu-error",
                                          .fields = fpu_error_fields,
                                          .reset = fpu_error_reset,
                                          .restored = fpu_error_restored};
