/* hpet.h - high precision event timers (IA-PC HPET specification 1.0a): a 64-bit counter of 100 MHz
 * and three comparators at FED00000h.
 *
 * The counter is not stepped: it follows the clock by an offset. A comparator knows when it matches
 * next; a comparator set to what has passed matches when the counter comes round.
 * Late guest policy: matches of a periodic comparator that were missed become one interrupt, and no
 * two come closer than HPET_GAP_NS.
 *
 * Interrupts go to `gsi`, an I/O APIC pin out of HPET_ROUTES, or with legacy replacement those of
 * comparators 0 and 1 to `legacy[0]` and `legacy[1]`, in place of the 8254's IRQ 0 and the RTC's
 * IRQ 8; `replaces` says that the board must disconnect these. Edges on the legacy lines are held
 * until the next, because the 8259A forgets a request whose line falls.
 */
#ifndef DRAGOMAN_DEVICES_HPET_H
#define DRAGOMAN_DEVICES_HPET_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/device.h"
#include "bus/line.h"

#define HPET_BASE   UINT64_C(0xfed00000)
#define HPET_GAP_NS UINT64_C(10000)
#define HPET_ROUTES UINT32_C(0x00f00000) /* pins 20-23, which no ISA interrupt uses */
#define HPET_ID     UINT32_C(0x8086a201) /* legacy replacement, 64 bits, 3 comparators, revision 1 */

enum { HPET_BYTES = 0x400, HPET_TIMERS = 3, HPET_TICK_NS = 10 };

struct hpet;

struct hpet_timer {
    uint64_t comparator;
    uint64_t period;
    uint64_t due;    /* the clock's tick of the next match; UINT64_MAX: none */
    uint64_t hold;   /* ns: no match before this */
    uint32_t config; /* low half; the high one is constant */
    uint8_t val_set; /* halves of the comparator that the next writes set directly */
    uint8_t held;    /* legacy edge: there was one */

    struct hpet *hpet; /* wiring */
    struct timer timer;
};

struct hpet_config {
    struct clock *clock;
    void (*gsi)(void *opaque, int pin, bool level);
    void *opaque;
    struct line legacy[2], replaces;
};

struct hpet {
    uint32_t config; /* general configuration */
    uint32_t status; /* general interrupt status: level-triggered comparators */
    uint64_t offset; /* running: count = clock's ticks + offset; halted: the count */
    uint32_t latch;  /* high half, as of the last read of the low half */
    uint8_t latched;
    struct hpet_timer timer[HPET_TIMERS];
    uint32_t asserted; /* pins driven high */

    struct hpet_config wiring;
};

extern const struct dev_class hpet_class;

void hpet_init(struct hpet *h, const struct hpet_config *cfg);
int hpet_attach(struct hpet *h, struct bus *mmio) MUST_CHECK;

#endif
