/* kvmclock.h - the paravirtual clock of KVM (Linux Documentation/virt/kvm/x86/msr.rst), which stock
 * kernels use in place of calibrating the TSC and reading the RTC.
 *
 * The guest writes the address of a structure to an MSR; the structure says what the TSC was at
 * some machine time and how many nanoseconds a TSC tick has. It is written when the guest asks and
 * when the TSC was moved, never in between: the TSC has one rate.
 */
#ifndef DRAGOMAN_DEVICES_KVMCLOCK_H
#define DRAGOMAN_DEVICES_KVMCLOCK_H

#include "bus/clock.h"
#include "bus/device.h"
#include "bus/physmem.h"

enum { KVMCLOCK_MSR_WALL = 0x4b564d00, KVMCLOCK_MSR_SYSTEM = 0x4b564d01 };

struct kvmclock_config {
    struct clock *clock;
    struct physmem *mem;
    uint64_t (*tsc)(void *opaque);       /* the guest's */
    uint64_t (*wallclock)(void *opaque); /* ns since 1970 */
    void *opaque;
    uint32_t tsc_khz;
    bool stable; /* promise that no two reads go backwards, on any CPU */
};

struct kvmclock {
    uint64_t wall, system; /* the MSRs */
    uint32_t version;      /* of the structure, even */

    struct kvmclock_config wiring;
};

extern const struct dev_class kvmclock_class;

void kvmclock_init(struct kvmclock *k, const struct kvmclock_config *cfg);

uint64_t kvmclock_read(const struct kvmclock *k, uint32_t msr);
void kvmclock_write(struct kvmclock *k, uint32_t msr, uint64_t val);
/* The TSC was written. */
void kvmclock_tsc_moved(struct kvmclock *k);

#endif
