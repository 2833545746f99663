#include "bus/bus.h"

#include <errno.h>

#include "dev_harness.h"

/* A device that records accesses and answers from memory. */
struct regs {
    uint8_t mem[16];
    unsigned reads, writes, last_size;
    uint32_t last_off;
};

static uint32_t regs_read(void *dev, uint32_t off, unsigned size)
{
    struct regs *r = dev;
    uint32_t val = 0;

    r->reads++;
    r->last_off = off;
    r->last_size = size;
    for (unsigned i = 0; i < size; i++)
        val |= (uint32_t)r->mem[off + i] << (8 * i);
    return val;
}

static void regs_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct regs *r = dev;

    r->writes++;
    r->last_off = off;
    r->last_size = size;
    for (unsigned i = 0; i < size; i++)
        r->mem[off + i] = (uint8_t)(val >> (8 * i));
}

static const struct io_ops byte_ops = {regs_read, regs_write, 1, 1};
static const struct io_ops any_ops = {regs_read, regs_write, 1, 4};
static const struct io_ops dword_ops = {regs_read, regs_write, 4, 4};

START_TEST(test_unclaimed_reads_ones)
{
    struct bus b;

    bus_init(&b, "test", NULL);
    ck_assert_uint_eq(bus_read(&b, 0x123, 1), 0xff);
    ck_assert_uint_eq(bus_read(&b, 0x123, 2), 0xffff);
    ck_assert_uint_eq(bus_read(&b, 0xffff, 4), 0xffffffff);
    ck_assert(bus_read(&b, UINT64_MAX, 8) == UINT64_MAX);
    bus_write(&b, 0x123, 4, 0);
}
END_TEST

START_TEST(test_overlap_and_order)
{
    struct bus b;
    struct regs r = {0};

    bus_init(&b, "test", NULL);
    ck_assert_int_eq(bus_add(&b, 0x60, 1, &byte_ops, &r, "a"), 0);
    ck_assert_int_eq(bus_add(&b, 0x40, 4, &byte_ops, &r, "b"), 0);
    ck_assert_int_eq(bus_add(&b, 0x64, 1, &byte_ops, &r, "c"), 0);
    ck_assert_int_eq(bus_add(&b, 0x61, 3, &byte_ops, &r, "d"), 0);
    ck_assert_int_eq(bus_add(&b, 0x43, 2, &byte_ops, &r, "x"), -EBUSY);
    ck_assert_int_eq(bus_add(&b, 0x3f, 2, &byte_ops, &r, "x"), -EBUSY);
    ck_assert_int_eq(bus_add(&b, 0x30, 0x100, &byte_ops, &r, "x"), -EBUSY);
    ck_assert_int_eq(bus_add(&b, 0x41, 1, &byte_ops, &r, "x"), -EBUSY);
    for (unsigned i = 1; i < b.nranges; i++)
        ck_assert(b.range[i - 1].base + b.range[i - 1].len <= b.range[i].base);
    for (unsigned i = b.nranges; i < BUS_MAX_RANGES; i++)
        ck_assert_int_eq(bus_add(&b, 0x1000 + i * 4, 4, &byte_ops, &r, "fill"), 0);
    ck_assert_int_eq(bus_add(&b, 0x9000, 4, &byte_ops, &r, "x"), -ENOSPC);
    bus_read(&b, 0x62, 1);
    ck_assert_uint_eq(r.last_off, 1);
}
END_TEST

START_TEST(test_light)
{
    struct bus b;
    struct regs r = {0};

    bus_init(&b, "test", NULL);
    ck_assert(bus_is_light(&b, 0, 4)); /* nobody's */
    ck_assert_int_eq(bus_add(&b, 0x20, 2, &byte_ops, &r, "light"), 0);
    ck_assert_int_eq(bus_add(&b, 0x22, 2, &byte_ops, &r, "other"), 0);
    ck_assert(!bus_is_light(&b, 0x20, 1));
    bus_set_light(&b, 0x20);
    ck_assert(bus_is_light(&b, 0x20, 2));
    ck_assert(bus_is_light(&b, 0x1e, 4));
    ck_assert(!bus_is_light(&b, 0x21, 2));
    ck_assert(!bus_is_light(&b, 0x1f, 4));
    ck_assert(!bus_is_light(&b, 0x23, 1));
    ck_assert(bus_is_light(&b, 0x24, 4));
}
END_TEST

START_TEST(test_split_wide)
{
    struct bus b;
    struct regs r = {.mem = {0x11, 0x22, 0x33, 0x44}};

    bus_init(&b, "test", NULL);
    ck_assert_int_eq(bus_add(&b, 0x100, 4, &byte_ops, &r, "r"), 0);
    ck_assert_uint_eq(bus_read(&b, 0x100, 4), 0x44332211);
    ck_assert_uint_eq(r.reads, 4);
    bus_write(&b, 0x101, 2, 0xbeef);
    ck_assert_uint_eq(r.mem[1], 0xef);
    ck_assert_uint_eq(r.mem[2], 0xbe);
    /* The access runs out of the range on both sides. */
    ck_assert_uint_eq(bus_read(&b, 0x103, 2), 0xff44);
    ck_assert_uint_eq(bus_read(&b, 0xff, 2), 0x11ff);
}
END_TEST

START_TEST(test_alignment_inside_range)
{
    struct bus b;
    struct regs r = {.mem = {1, 2, 3, 4, 5, 6, 7, 8}};

    bus_init(&b, "test", NULL);
    ck_assert_int_eq(bus_add(&b, 0x100, 8, &any_ops, &r, "r"), 0);
    ck_assert_uint_eq(bus_read(&b, 0x104, 4), 0x08070605);
    ck_assert_uint_eq(r.reads, 1);
    ck_assert_uint_eq(bus_read(&b, 0x101, 4), 0x05040302); /* 1 + 2 + 1 bytes */
    ck_assert_uint_eq(r.reads, 4);
    ck_assert(bus_read(&b, 0x100, 8) == UINT64_C(0x0807060504030201));
    ck_assert_uint_eq(r.reads, 6);
    bus_write(&b, 0x100, 8, UINT64_C(0x1112131415161718));
    ck_assert_uint_eq(r.writes, 2);
    ck_assert_uint_eq(r.mem[7], 0x11);
}
END_TEST

START_TEST(test_widen_narrow)
{
    struct bus b;
    struct regs r = {.mem = {1, 2, 3, 4}};

    bus_init(&b, "test", NULL);
    ck_assert_int_eq(bus_add(&b, 0x100, 4, &dword_ops, &r, "r"), 0);
    ck_assert_uint_eq(bus_read(&b, 0x102, 1), 3);
    ck_assert_uint_eq(r.last_size, 4);
    ck_assert_uint_eq(r.last_off, 0);
    bus_write(&b, 0x102, 2, 0xaabb);
    ck_assert_uint_eq(r.last_size, 4);
    ck_assert_uint_eq(r.mem[0], 1);
    ck_assert_uint_eq(r.mem[2], 0xbb);
    ck_assert_uint_eq(r.mem[3], 0xaa);
}
END_TEST

START_TEST(test_top_of_address_space)
{
    struct bus b;
    struct regs r = {.mem = {0x5a}};

    bus_init(&b, "test", NULL);
    ck_assert_int_eq(bus_add(&b, UINT64_MAX, 1, &byte_ops, &r, "last"), 0);
    ck_assert_uint_eq(bus_read(&b, UINT64_MAX, 1), 0x5a);
    ck_assert_uint_eq(bus_read(&b, UINT64_MAX, 2), 0xff5a);
}
END_TEST

START_TEST(test_remove)
{
    struct bus b;
    struct regs r = {.mem = {1, 2, 3}};

    bus_init(&b, "test", NULL);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(bus_add(&b, 0x100 * i, 16, &byte_ops, &r, "r"), 0);
    bus_remove(&b, 0x100);
    ck_assert_uint_eq(b.nranges, 2);
    ck_assert_uint_eq(bus_read(&b, 0, 1), 1);
    ck_assert_uint_eq(bus_read(&b, 0x100, 1), 0xff);
    ck_assert_uint_eq(bus_read(&b, 0x200, 1), 1);
    ck_assert_int_eq(bus_add(&b, 0x1f8, 8, &byte_ops, &r, "r"), 0);
    bus_remove(&b, 0x200);
    bus_remove(&b, 0);
    bus_remove(&b, 0x1f8);
    ck_assert_uint_eq(b.nranges, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_unclaimed_reads_ones,
                                  test_overlap_and_order,
                                  test_light,
                                  test_split_wide,
                                  test_alignment_inside_range,
                                  test_widen_narrow,
                                  test_top_of_address_space,
                                  test_remove};

    return run_tests("bus", tests, ARRAY_SIZE(tests));
}
