#include "devices/kvmclock.h"

#include <assert.h>
#include <string.h>

#include "base/bits.h"

enum { SYSTEM_ENABLE = 1 << 0, TSC_STABLE = 1 << 0 };
enum { WALL_BYTES = 12, SYSTEM_BYTES = 32 };

/* ns = (ticks shifted by `shift`) * mul >> 32, with mul as large as 32 bits hold. */
static uint32_t tick_length(uint32_t tsc_khz, int8_t *shift)
{
    const uint64_t hz = (uint64_t)tsc_khz * 1000;
    int s = 0;

    while (hz >> -s > 2 * NS_PER_SEC)
        s--;
    while (s >= 0 && hz << s <= NS_PER_SEC)
        s++;
    *shift = (int8_t)s;
    if (s < 0)
        return (uint32_t)muldiv64(NS_PER_SEC << -s, UINT64_C(1) << 32, hz);
    return (uint32_t)muldiv64(NS_PER_SEC, UINT64_C(1) << 32, hz << s);
}

/* An address that is not RAM is the guest's loss. */
static void put(struct kvmclock *k, gpa_t where, const uint8_t *bytes, size_t len)
{
    int err = physmem_write(k->wiring.mem, where, bytes, len);

    (void)err;
}

static void write_system(struct kvmclock *k)
{
    uint8_t s[SYSTEM_BYTES] = {0};
    int8_t shift;

    k->version += 2;
    st32(s, k->version);
    st64(s + 8, k->wiring.tsc(k->wiring.opaque));
    st64(s + 16, clock_now(k->wiring.clock));
    st32(s + 24, tick_length(k->wiring.tsc_khz, &shift));
    s[28] = (uint8_t)shift;
    s[29] = k->wiring.stable ? TSC_STABLE : 0;
    put(k, k->system & ~(uint64_t)SYSTEM_ENABLE, s, sizeof(s));
}

/* The wall clock's time at the system clock's zero. */
static void write_wall(struct kvmclock *k)
{
    uint64_t ns = k->wiring.wallclock(k->wiring.opaque) - clock_now(k->wiring.clock);
    uint8_t w[WALL_BYTES];

    k->version += 2;
    st32(w, k->version);
    st32(w + 4, (uint32_t)(ns / NS_PER_SEC));
    st32(w + 8, (uint32_t)(ns % NS_PER_SEC));
    put(k, k->wall, w, sizeof(w));
}

uint64_t kvmclock_read(const struct kvmclock *k, uint32_t msr)
{
    return msr == KVMCLOCK_MSR_WALL ? k->wall : k->system;
}

void kvmclock_write(struct kvmclock *k, uint32_t msr, uint64_t val)
{
    if (msr == KVMCLOCK_MSR_WALL) {
        k->wall = val;
        write_wall(k);
        return;
    }
    k->system = val;
    if (val & SYSTEM_ENABLE)
        write_system(k);
}

void kvmclock_tsc_moved(struct kvmclock *k)
{
    if (k->system & SYSTEM_ENABLE)
        write_system(k);
}

static void kvmclock_reset(void *dev)
{
    struct kvmclock *k = dev;

    k->wall = k->system = 0;
    k->version = 0;
}

void kvmclock_init(struct kvmclock *k, const struct kvmclock_config *cfg)
{
    assert(cfg->tsc_khz);
    memset(k, 0, sizeof(*k));
    k->wiring = *cfg;
    kvmclock_reset(k);
}

static const struct field kvmclock_fields[] = {FIELD(struct kvmclock, wall),
                                               FIELD(struct kvmclock, system),
                                               FIELD(struct kvmclock, version), FIELD_END};

const struct dev_class kvmclock_class = {
    .name = "kvmclock", .fields = kvmclock_fields, .reset = kvmclock_reset};
