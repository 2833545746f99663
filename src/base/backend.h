/* backend.h - bytes in and out of a character device, without knowing from where.
 *
 * The board connects a device (uart16550, debugcon) to a backend (terminal, file,
 * memory buffer of a test). Output: the device calls chardev_write(). Input: the
 * device registers itself as a sink; whoever has bytes asks can_receive() first
 * and then calls receive(). All on the vCPU thread.
 */
#ifndef DRAGOMAN_BASE_BACKEND_H
#define DRAGOMAN_BASE_BACKEND_H

#include "base/types.h"

struct chardev_sink {
    size_t (*can_receive)(void *dev); /* bytes the device takes right now */
    void (*receive)(void *dev, const uint8_t *buf, size_t len);
    void *dev;
};

struct chardev {
    void (*write)(void *opaque, const uint8_t *buf, size_t len); /* NULL: discard */
    void *opaque;
    struct chardev_sink sink; /* filled in by the device; receive == NULL: no input wanted */
    void (*sink_ready)(void *opaque); /* the device can receive again; may be NULL */
};

static inline void chardev_write(struct chardev *c, const uint8_t *buf, size_t len)
{
    if (c && c->write)
        c->write(c->opaque, buf, len);
}

static inline void chardev_sink_ready(struct chardev *c)
{
    if (c && c->sink_ready)
        c->sink_ready(c->opaque);
}

#endif
