/* pit8254.h - the 8254 programmable interval timer (Intel 231164-005), ports 40h-43h.
 *
 * Counters are not stepped: each knows the tick at which it was loaded, and count, OUT and the
 * next event follow from the clock. Ticks are counted from the clock's zero at 1 193 182 Hz, so
 * periods never accumulate rounding errors.
 *
 * Channel 0's OUT drives `irq0`. In modes 2-5 the line carries OUT's rising edges: it idles high
 * and dips for an instant at each. Late guest policy: edges that could not be delivered in time
 * are owed and played back at up to twice the programmed rate; more than PIT_MAX_OWED are
 * dropped, and no two edges come closer than PIT_MIN_GAP_NS.
 *
 * Gates of channels 0 and 1 are tied high; port 61h drives channel 2's and reads its OUT.
 */
#ifndef DRAGOMAN_DEVICES_PIT8254_H
#define DRAGOMAN_DEVICES_PIT8254_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/device.h"
#include "bus/line.h"

#define PIT_HZ         UINT64_C(1193182)
#define PIT_MIN_GAP_NS UINT64_C(10000)

enum { PIT_MAX_OWED = 4 };

struct pit_channel {
    uint64_t start;   /* tick at which the counting element held `count` */
    uint64_t elapsed; /* PAUSED: ticks counted before the gate fell */
    uint32_t count;   /* N of the current cycle, 1-65536; 0: none yet */
    uint32_t next;    /* N written, to be loaded at the next reload or trigger; 0: none */
    uint16_t latch;
    uint8_t latched; /* bytes of `latch` still to be read */
    uint8_t status, status_latched;
    uint8_t mode, rw, bcd, gate;
    uint8_t state; /* idle, running, paused */
    uint8_t null_count;
    uint8_t half_low; /* mode 3: in the low half of the cycle */
    uint8_t expired;  /* modes 0, 1, 4, 5: the one event of this count has happened */
    uint8_t wr_msb, rd_msb, wr_lsb;
};

struct pit8254 {
    struct pit_channel ch[3];
    uint64_t hold; /* ns: no edge on irq0 before this */
    uint8_t owed;  /* edges not yet delivered */

    struct clock *clock; /* wiring */
    struct timer timer;
    struct line irq0;
};

extern const struct dev_class pit_class;

void pit_init(struct pit8254 *p, struct clock *clock, struct line irq0);
int pit_attach(struct pit8254 *p, struct bus *ports) MUST_CHECK;

void pit_set_gate(struct pit8254 *p, unsigned ch, bool level);
bool pit_out(struct pit8254 *p, unsigned ch);

#endif
