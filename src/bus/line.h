/* line.h - a wire: given to a device at construction, driven as a level. */
#ifndef DRAGOMAN_BUS_LINE_H
#define DRAGOMAN_BUS_LINE_H

#include "base/types.h"

struct line {
    void (*set)(void *dst, int pin, bool level); /* NULL: not connected */
    void *dst;
    int pin;
};

static inline void line_set(const struct line *l, bool level)
{
    if (l->set)
        l->set(l->dst, l->pin, level);
}

#endif
