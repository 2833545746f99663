#include "bus/bus.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"

void bus_init(struct bus *b, const char *name, struct log *log)
{
    memset(b, 0, sizeof(*b));
    b->name = name;
    b->log = log;
}

static uint64_t last_of(const struct bus_range *r)
{
    return r->base + (r->len - 1);
}

/* Index of the first range that ends above addr; nranges when there is none. */
static unsigned first_above(const struct bus *b, uint64_t addr)
{
    unsigned lo = 0, hi = b->nranges, l = b->last;

    if (l < hi && last_of(&b->range[l]) >= addr && (l == 0 || last_of(&b->range[l - 1]) < addr))
        return l;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (last_of(&b->range[mid]) < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static const struct bus_range *range_at(struct bus *b, uint64_t addr)
{
    unsigned i = first_above(b, addr);

    b->last = i;
    return i < b->nranges && b->range[i].base <= addr ? &b->range[i] : NULL;
}

int bus_add(struct bus *b, uint64_t base, uint64_t len, const struct io_ops *ops, void *dev,
            const char *name)
{
    unsigned at = first_above(b, base);

    assert(len > 0 && base + (len - 1) >= base);
    assert(ops->read && ops->write && ops->min_size && ops->min_size <= ops->max_size &&
           ops->max_size <= 4 && len % ops->min_size == 0);
    if (at < b->nranges && b->range[at].base <= base + (len - 1))
        return -EBUSY;
    if (b->nranges == BUS_MAX_RANGES)
        return -ENOSPC;
    memmove(&b->range[at + 1], &b->range[at], (b->nranges - at) * sizeof(b->range[0]));
    b->range[at] =
        (struct bus_range){.base = base, .len = len, .ops = ops, .dev = dev, .name = name};
    b->nranges++;
    return 0;
}

void bus_remove(struct bus *b, uint64_t base)
{
    unsigned at = first_above(b, base);

    assert(at < b->nranges && b->range[at].base == base);
    b->nranges--;
    memmove(&b->range[at], &b->range[at + 1], (b->nranges - at) * sizeof(b->range[0]));
}

/* The widest naturally aligned piece at `off` that the device takes: 1, 2 or 4 bytes. */
static unsigned piece(const struct bus_range *r, uint64_t off, unsigned left)
{
    unsigned n = r->ops->max_size;

    while (n > 1 && (n > left || (off & (n - 1)) || off + n > r->len))
        n >>= 1;
    return n;
}

static uint64_t read_piece(const struct bus_range *r, uint64_t off, unsigned n)
{
    unsigned min = r->ops->min_size;
    uint64_t at = n < min ? align_down(off, min) : off;
    uint32_t val = r->ops->read(r->dev, (uint32_t)at, n < min ? min : n);

    return trunc_bytes(val >> (8 * (off - at)), n);
}

/* A write narrower than the register reads the rest of it first. Devices whose registers have
 * write-one-to-clear bits or reads with effects therefore declare min_size 1. */
static void write_piece(const struct bus_range *r, uint64_t off, unsigned n, uint64_t val)
{
    unsigned min = r->ops->min_size;
    uint64_t at, mask, old;

    if (n >= min) {
        r->ops->write(r->dev, (uint32_t)off, n, (uint32_t)trunc_bytes(val, n));
        return;
    }
    at = align_down(off, min);
    mask = trunc_bytes(UINT64_MAX, n) << (8 * (off - at));
    old = r->ops->read(r->dev, (uint32_t)at, min);
    val = (old & ~mask) | ((val << (8 * (off - at))) & mask);
    r->ops->write(r->dev, (uint32_t)at, min, (uint32_t)trunc_bytes(val, min));
}

static void report_unclaimed(const struct bus *b, const char *what, uint64_t addr, unsigned size)
{
    if (b->log && log_on(b->log, LOG_GUEST_ERRORS))
        log_printf(b->log, LOG_GUEST_ERRORS, "%s: unclaimed %s of %u at %#" PRIx64 "\n", b->name,
                   what, size, addr);
}

void bus_set_light(struct bus *b, uint64_t base)
{
    unsigned at = first_above(b, base);

    assert(at < b->nranges && b->range[at].base == base);
    b->range[at].light = true;
}

bool bus_is_light(const struct bus *b, uint64_t addr, unsigned size)
{
    for (unsigned i = first_above(b, addr); i < b->nranges && b->range[i].base < addr + size; i++)
        if (!b->range[i].light)
            return false;
    return true;
}

uint64_t bus_read(struct bus *b, uint64_t addr, unsigned size)
{
    uint64_t val = 0;
    bool unclaimed = false;

    assert(size >= 1 && size <= 8);
    for (unsigned i = 0, n; i < size; i += n) {
        const struct bus_range *r = range_at(b, addr + i);

        if (r) {
            n = piece(r, addr + i - r->base, size - i);
            val |= read_piece(r, addr + i - r->base, n) << (8 * i);
        } else {
            n = 1;
            val |= UINT64_C(0xff) << (8 * i);
            unclaimed = true;
        }
    }
    if (unclaimed)
        report_unclaimed(b, "read", addr, size);
    return val;
}

void bus_write(struct bus *b, uint64_t addr, unsigned size, uint64_t val)
{
    bool unclaimed = false;

    assert(size >= 1 && size <= 8);
    for (unsigned i = 0, n; i < size; i += n) {
        const struct bus_range *r = range_at(b, addr + i);

        n = r ? piece(r, addr + i - r->base, size - i) : 1;
        if (r)
            write_piece(r, addr + i - r->base, n, val >> (8 * i));
        else
            unclaimed = true;
    }
    if (unclaimed)
        report_unclaimed(b, "write", addr, size);
}
