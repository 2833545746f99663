/* rtc_mc146818.h - the MC146818A real-time clock and CMOS RAM, ports 70h-71h.
 *
 * The register file holds the time, as on the chip; it is advanced by the update cycles that have
 * passed whenever somebody looks. Update cycles follow the machine's clock, so they never jump;
 * the seconds follow the host's wall clock (`realtime`), plus what the guest made of it by setting
 * the time, so a stepped or suspended host does not leave the guest behind.
 *
 * `irq8` is a level, high until register C is read. Timers are armed only for enabled interrupts.
 * Bit 7 of port 70h (NMI mask) is kept in `nmi_masked` for the machine.
 */
#ifndef DRAGOMAN_DEVICES_RTC_MC146818_H
#define DRAGOMAN_DEVICES_RTC_MC146818_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/device.h"
#include "bus/line.h"

enum { RTC_BYTES = 128, RTC_CENTURY = 0x32, RTC_BOOT_DEVICES = 3, RTC_FLOPPIES = 2 };

/* Where firmware looks for an operating system, as it codes it in bytes 38h and 3Dh. */
enum rtc_boot { RTC_BOOT_NONE, RTC_BOOT_FLOPPY, RTC_BOOT_DISK, RTC_BOOT_CDROM, RTC_BOOT_NETWORK };

struct rtc_config {
    struct clock *clock;
    struct line irq8;
    int64_t (*realtime)(void *opaque); /* seconds since 1970-01-01 in the guest's time zone */
    void *opaque;
    uint64_t low_ram, high_ram;     /* bytes below and above 4 GiB, for the memory size bytes */
    uint8_t boot[RTC_BOOT_DEVICES]; /* enum rtc_boot, first to last */
    uint8_t floppy[RTC_FLOPPIES];   /* drive types of byte 10h; 0: none */
};

struct rtc {
    uint8_t cmos[RTC_BYTES];
    uint8_t index;
    uint8_t nmi_masked;
    uint8_t offset_known;
    int64_t offset;        /* guest seconds - host seconds */
    uint64_t div_base;     /* ns at which the divider chain started */
    uint64_t updates_done; /* update cycles since div_base */
    uint64_t periods_done; /* periodic events since div_base */

    struct rtc_config wiring;
    struct timer timer;
};

extern const struct dev_class rtc_class;

void rtc_init(struct rtc *r, const struct rtc_config *cfg);
int rtc_attach(struct rtc *r, struct bus *ports) MUST_CHECK;

#endif
