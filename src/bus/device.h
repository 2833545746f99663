/* device.h - what every device has besides its registers: a name, reset, and a field list. */
#ifndef DRAGOMAN_BUS_DEVICE_H
#define DRAGOMAN_BUS_DEVICE_H

#include "base/field.h"

struct dev_class {
    const char *name;
    const struct field *fields;  /* guest-visible state */
    void (*reset)(void *dev);    /* to the data sheet's power-on state; lines updated */
    void (*restored)(void *dev); /* fields were loaded: re-arm timers, update lines; may be NULL */
};

#endif
