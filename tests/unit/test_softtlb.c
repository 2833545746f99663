/* Software access: straddles whole or not at all, MMIO, traces and code, and when the small TLB
 * must forget. */
#include "mmu_rig.h"

enum { PD = 0x10000, PT = 0x11000, DATA = 0x400000 };

struct events {
    unsigned code, unmapped;
    uint64_t frame;
    unsigned off, len;
};

static void on_code(void *opaque, uint64_t frame, unsigned off, unsigned len)
{
    struct events *ev = opaque;

    ev->code++;
    ev->frame = frame;
    ev->off = off;
    ev->len = len;
}

/* Linear 0x400000.. = PT; PDE 2 = 4 MiB page of DATA's frames; PT itself at 0x4ff000. */
static void start(struct rig *r)
{
    static const struct smmu_config cfg = {.max_maps = 1000};

    rig_open(r);
    rig_start(r, &cfg);
    put32(r, PD + 4, PT | P | W | U);
    put32(r, PD + 8, DATA | P | W | U | PS);
    for (unsigned i = 0; i < 8; i++)
        put32(r, PT + i * 4, (DATA + i * 0x1000) | P | W | U);
    put32(r, PT + 255 * 4, PT | P | W);
    rig_paging(r, CR0_PG | CR0_WP, CR4_PSE, 0, PD);
}

START_TEST(sizes_and_values)
{
    struct rig r;
    uint64_t v;

    start(&r);
    ck_assert(mem_write_as(r.c, 0x400100, 8, UINT64_C(0x1122334455667788), false));
    for (unsigned size = 1; size <= 8; size *= 2) {
        ck_assert(mem_read_as(r.c, 0x400100, size, &v, false));
        ck_assert_uint_eq(v, trunc_bytes(UINT64_C(0x1122334455667788), size));
    }
    ck_assert_uint_eq(peek64(&r, DATA + 0x100), UINT64_C(0x1122334455667788));
    ck_assert(mem_write_as(r.c, 0x400100, 2, 0xffff, false));
    ck_assert_uint_eq(peek64(&r, DATA + 0x100), UINT64_C(0x112233445566ffff));
    ck_assert_uint_eq(smmu_stats(r.m)->tlb_fills, 1);
    rig_close(&r);
}
END_TEST

START_TEST(straddles_whole_or_not_at_all)
{
    struct rig r;
    uint64_t v;

    start(&r);
    put32(&r, PT + 4 * 4, (DATA + 0x9000) | P | W | U); /* page 4 lies elsewhere */
    ck_assert(mem_write_as(r.c, 0x403ffe, 4, 0xaabbccdd, false));
    ck_assert_uint_eq(peek32(&r, DATA + 0x9000) & 0xffff, 0xaabb);
    ck_assert(mem_read_as(r.c, 0x403ffe, 4, &v, false));
    ck_assert_uint_eq(v, 0xaabbccdd);
    put32(&r, PT + 4 * 4, (DATA + 0x9000) | P | U);
    smmu_invlpg(r.m, r.c, 0x404000);
    ck_assert(!mem_write_as(r.c, 0x403ffe, 4, 0x11223344, false));
    ck_assert_uint_eq(r.c->fault.vector, VEC_PF);
    ck_assert_uint_eq(r.c->fault.cr2, 0x404000);
    ck_assert_uint_eq(r.c->fault.err, PF_P | PF_W);
    ck_assert(mem_read_as(r.c, 0x403ffe, 4, &v, false));
    ck_assert_uint_eq(v, 0xaabbccdd); /* nothing was written */
    ck_assert(!mem_probe_write(r.c, 0x403000, 0x1001, false));
    ck_assert(mem_probe_write(r.c, 0x403000, 0x1000, false));
    ck_assert_uint_ne(peek32(&r, PT + 3 * 4) & D, 0);
    rig_close(&r);
}
END_TEST

START_TEST(user_and_supervisor_are_apart)
{
    struct rig r;
    uint64_t v;

    start(&r);
    ck_assert(mem_read_as(r.c, 0x4ff000, 4, &v, false));
    ck_assert(!mem_read_as(r.c, 0x4ff010, 4, &v, true));
    ck_assert_uint_eq(r.c->fault.err, PF_P | PF_U);
    ck_assert_uint_eq(r.c->fault.cr2, 0x4ff010);
    ck_assert(!mem_read_as(r.c, 0x1000, 4, &v, true));
    ck_assert_uint_eq(r.c->fault.err, PF_U);
    rig_close(&r);
}
END_TEST

START_TEST(stale_until_invlpg_or_cr3)
{
    struct rig r;
    uint64_t v;

    start(&r);
    put32(&r, DATA, 1);
    put32(&r, DATA + 0x20000, 2);
    ck_assert(mem_read_as(r.c, 0x400000, 4, &v, false));
    ck_assert_uint_eq(v, 1);
    put32(&r, PT, (DATA + 0x20000) | P | W | U);
    smmu_invlpg(r.m, r.c, 0x400abc);
    ck_assert(mem_read_as(r.c, 0x400000, 4, &v, false));
    ck_assert_uint_eq(v, 2);
    put32(&r, PT, DATA | P | W | U);
    rig_cr3(&r, PD);
    ck_assert(mem_read_as(r.c, 0x400000, 4, &v, false));
    ck_assert_uint_eq(v, 1);
    /* A large page is one translation: INVLPG of any address in it ends all of it. */
    ck_assert(mem_read_as(r.c, 0x820000, 4, &v, false));
    ck_assert_uint_eq(v, 2);
    put32(&r, PD + 8, 0);
    smmu_invlpg(r.m, r.c, 0x801000);
    ck_assert(!mem_read_as(r.c, 0x820000, 4, &v, false));
    rig_close(&r);
}
END_TEST

START_TEST(dirty_is_set_by_the_first_write)
{
    struct rig r;
    uint64_t v;

    start(&r);
    ck_assert(mem_read_as(r.c, 0x401000, 4, &v, true));
    ck_assert_uint_eq(peek32(&r, PT + 4) & (A | D), A);
    ck_assert(mem_write_as(r.c, 0x401000, 4, 7, true));
    ck_assert_uint_eq(peek32(&r, PT + 4) & (A | D), A | D);
    rig_close(&r);
}
END_TEST

START_TEST(code_pages_hear_of_writes)
{
    struct events ev = {0};
    struct smmu_listener l = {.code_written = on_code, .opaque = &ev};
    struct code_page page;
    struct rig r;

    start(&r);
    smmu_add_listener(r.m, &l);
    ck_assert(mem_write_as(r.c, 0x402000, 4, 1, false)); /* a write entry exists */
    ck_assert(smmu_fetch(r.m, r.c, 0x402010, &page));
    ck_assert_uint_eq(page.frame, (DATA + 0x2000) >> 12);
    ck_assert_ptr_eq(page.bytes, r.pm.hva + DATA + 0x2000);
    ck_assert(mem_write_as(r.c, 0x402022, 2, 5, false));
    ck_assert_uint_eq(ev.code, 1);
    ck_assert_uint_eq(ev.frame, page.frame);
    ck_assert_uint_eq(ev.off, 0x22);
    ck_assert_uint_eq(ev.len, 2);
    ck_assert(mem_write_as(r.c, 0x802030, 4, 5, false)); /* the same frame through the large page */
    ck_assert_uint_eq(ev.code, 2);
    ck_assert_ptr_null(mem_ptr(r.c, 0x402000, 4, true, false));
    ck_assert_ptr_nonnull(mem_ptr(r.c, 0x402000, 4, false, false));
    put32(&r, DATA + 0x2040, 1); /* DMA */
    ck_assert_uint_eq(ev.code, 3);
    smmu_clear_code(r.m, page.frame);
    ck_assert(mem_write_as(r.c, 0x402022, 2, 5, false));
    ck_assert_uint_eq(ev.code, 3);
    ck_assert_ptr_nonnull(mem_ptr(r.c, 0x402000, 4, true, false));
    rig_close(&r);
}
END_TEST

struct latch {
    uint32_t val;
    unsigned size;
};

static uint32_t latch_read(void *dev, uint32_t off, unsigned size)
{
    struct latch *l = dev;

    l->size = size;
    return l->val + off;
}

static void latch_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct latch *l = dev;

    l->size = size;
    l->val = val + off;
}

START_TEST(mmio_goes_to_the_bus)
{
    static const struct io_ops ops = {latch_read, latch_write, 1, 4};
    struct latch l = {0};
    struct rig r;
    uint64_t v;

    start(&r);
    ck_assert_int_eq(bus_add(&r.mmio, 0xfee00000, 0x1000, &ops, &l, "latch"), 0);
    put32(&r, PT + 4 * 4, 0xfee00000 | P | W | U);
    ck_assert(mem_write_as(r.c, 0x404000, 4, 0x55aa, false));
    ck_assert_uint_eq(l.val, 0x55aa);
    ck_assert_uint_eq(l.size, 4);
    ck_assert(mem_read_as(r.c, 0x404002, 2, &v, false));
    ck_assert_uint_eq(v, 0x55ac);
    ck_assert_uint_eq(l.size, 2);
    put32(&r, PT + 5 * 4, 0xa0000 | P | W | U); /* nobody there: ones */
    ck_assert(mem_read_as(r.c, 0x405000, 8, &v, false));
    ck_assert_uint_eq(v, UINT64_MAX);
    ck_assert_ptr_null(mem_ptr(r.c, 0x404000, 4, false, false));
    /* RAM below, a device above: one access. */
    ck_assert(mem_write_as(r.c, 0x403ffe, 4, 0x12345678, false));
    ck_assert_uint_eq(peek32(&r, DATA + 0x3ffc) >> 16, 0x5678);
    ck_assert_uint_eq(l.val, 0x1234);
    rig_close(&r);
}
END_TEST

START_TEST(linear_addresses_wrap)
{
    struct rig r;
    uint64_t v;

    start(&r);
    rig_paging(&r, 0, 0, 0, 0);
    put32(&r, 0, 0x44332211);
    ck_assert(mem_read_as(r.c, UINT64_C(0x100000000), 4, &v, false));
    ck_assert_uint_eq(v, 0x44332211);
    ck_assert(mem_read_as(r.c, 0xfffffffe, 4, &v, false));
    ck_assert_uint_eq(v, 0x2211ffff); /* nothing at the top of physical memory */
    rig_close(&r);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("softtlb");

    tcase_add_test(tc, sizes_and_values);
    tcase_add_test(tc, straddles_whole_or_not_at_all);
    tcase_add_test(tc, user_and_supervisor_are_apart);
    tcase_add_test(tc, stale_until_invlpg_or_cr3);
    tcase_add_test(tc, dirty_is_set_by_the_first_write);
    tcase_add_test(tc, code_pages_hear_of_writes);
    tcase_add_test(tc, mmio_goes_to_the_bus);
    tcase_add_test(tc, linear_addresses_wrap);
    return rig_main("softtlb", tc);
}
