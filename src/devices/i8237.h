/* i8237.h - the two 8237A DMA controllers of the PC/AT and its page registers (data sheet 231466).
 *
 * Ports 00h-0Fh (channels 0-3, bytes), C0h-DEh (channels 4-7, words; 4 is the cascade), pages at
 * 81h-8Fh. A device asks with i8237_write() (to memory) or i8237_read() (from memory): as much is
 * moved at once as its channel's count allows, in guest RAM below 16 MiB. Memory-to-memory
 * transfers and the request register, which the AT's wiring makes useless, are not there.
 */
#ifndef DRAGOMAN_DEVICES_I8237_H
#define DRAGOMAN_DEVICES_I8237_H

#include "bus/bus.h"
#include "bus/device.h"
#include "bus/physmem.h"

enum { I8237_CHANNELS = 4, I8237_PAGES = 15 };

struct i8237_channel {
    uint16_t base_address, base_count, address, count;
    uint8_t mode;
};

struct i8237_controller {
    struct i8237_channel channel[I8237_CHANNELS];
    uint8_t command, status, mask;
    uint8_t high_byte; /* the flip-flop: the next access is to the high half */
};

struct i8237 {
    struct i8237_controller ctl[2];
    uint8_t page[I8237_PAGES]; /* ports 81h to 8Fh */

    struct physmem *mem; /* wiring */
};

extern const struct dev_class i8237_class;

void i8237_init(struct i8237 *d, struct physmem *mem);
int i8237_attach(struct i8237 *d, struct bus *ports) MUST_CHECK;

/* Moves up to len bytes; the number moved: 0 when the channel is masked or set up for something
 * else. *tc: the count ran out. */
size_t i8237_write(struct i8237 *d, unsigned channel, const uint8_t *buf, size_t len, bool *tc);
size_t i8237_read(struct i8237 *d, unsigned channel, uint8_t *buf, size_t len, bool *tc);

#endif
