#include "devices/parallel.h"

#include <string.h>

enum { REG_DATA, REG_STATUS, REG_CONTROL };

enum { /* status; the cable's levels, BUSY's inverted */
       STS_NOT_BUSY = 1 << 7,
       STS_NOT_ACK = 1 << 6,
       STS_PAPER_OUT = 1 << 5,
       STS_SELECTED = 1 << 4,
       STS_NOT_ERROR = 1 << 3,
       STS_NO_IRQ = 1 << 2,
       STS_UNUSED = 3,
};

enum {
    CTL_STROBE = 1 << 0,
    CTL_NOT_INIT = 1 << 2,
    CTL_IRQ = 1 << 4,
    CTL_INPUT = 1 << 5, /* the data port's drivers are off */
    CTL_UNUSED = 3 << 6,
};

enum { PULLED_UP = 0xff }; /* nobody drives the data lines */

static void update(struct parallel *p)
{
    line_set(&p->irq, p->acknowledged && (p->control & CTL_IRQ));
}

static uint8_t status(struct parallel *p)
{
    uint8_t lines = p->printer ? STS_NOT_BUSY | STS_NOT_ACK | STS_SELECTED | STS_NOT_ERROR
                               : STS_NOT_ACK | STS_PAPER_OUT | STS_NOT_ERROR;

    lines |= STS_UNUSED | (p->acknowledged ? 0 : STS_NO_IRQ);
    p->acknowledged = 0;
    update(p);
    return lines;
}

static uint32_t parallel_read(void *dev, uint32_t off, unsigned size)
{
    struct parallel *p = dev;

    (void)size;
    if (off == REG_STATUS)
        return status(p);
    if (off == REG_CONTROL)
        return p->control | CTL_UNUSED;
    return p->control & CTL_INPUT ? PULLED_UP : p->data;
}

static void take_byte(struct parallel *p)
{
    uint8_t byte = p->control & CTL_INPUT ? PULLED_UP : p->data;

    if (!p->printer || !(p->control & CTL_NOT_INIT))
        return;
    chardev_write(p->printer, &byte, 1);
    p->acknowledged = 1;
}

static void parallel_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct parallel *p = dev;
    uint8_t before = p->control;

    (void)size;
    if (off == REG_DATA)
        p->data = (uint8_t)val;
    if (off != REG_CONTROL)
        return;
    p->control = (uint8_t)val & (uint8_t)~CTL_UNUSED;
    if ((p->control & CTL_STROBE) && !(before & CTL_STROBE))
        take_byte(p);
    update(p);
}

static void parallel_reset(void *dev)
{
    struct parallel *p = dev;

    p->data = p->control = p->acknowledged = 0;
    update(p);
}

static void parallel_restored(void *dev)
{
    update(dev);
}

void parallel_init(struct parallel *p, struct line irq, struct chardev *printer)
{
    memset(p, 0, sizeof(*p));
    p->irq = irq;
    p->printer = printer;
    parallel_reset(p);
}

static const struct io_ops parallel_ops = {parallel_read, parallel_write, 1, 1};

int parallel_attach(struct parallel *p, struct bus *ports, uint16_t base)
{
    return bus_add(ports, base, PARALLEL_PORTS, &parallel_ops, p, "parallel");
}

static const struct field parallel_fields[] = {FIELD(struct parallel, data),
                                               FIELD(struct parallel, control),
                                               FIELD(struct parallel, acknowledged), FIELD_END};

const struct dev_class parallel_class = {.name = "parallel",
                                         .fields = parallel_fields,
                                         .reset = parallel_reset,
                                         .restored = parallel_restored};
