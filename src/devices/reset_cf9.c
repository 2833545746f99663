#include "devices/reset_cf9.h"

#include <string.h>

enum { SRST = 1 << 1, RCPU = 1 << 2, FULL = 1 << 3 };

uint8_t reset_cf9_read(const struct reset_cf9 *s)
{
    return s->rcr;
}

void reset_cf9_write(struct reset_cf9 *s, uint8_t val)
{
    bool pulse = (val & RCPU) && !(s->rcr & RCPU);

    s->rcr = val & (SRST | RCPU | FULL);
    line_set(&s->reset, pulse);
    line_set(&s->reset, false);
}

static void reset_cf9_reset(void *dev)
{
    struct reset_cf9 *s = dev;

    s->rcr = 0;
}

void reset_cf9_init(struct reset_cf9 *s, struct line reset)
{
    memset(s, 0, sizeof(*s));
    s->reset = reset;
}

static const struct field reset_cf9_fields[] = {FIELD(struct reset_cf9, rcr), FIELD_END};

const struct dev_class reset_cf9_class = {
    .name = "reset-cf9", .fields = reset_cf9_fields, .reset = reset_cf9_reset};
