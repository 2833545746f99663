#include "bus/physmem.h"

#include <errno.h>
#include <sys/mman.h>

#include "dev_harness.h"

struct watcher {
    gpa_t pa;
    size_t len;
    unsigned calls;
};

static void watch(void *opaque, gpa_t pa, size_t len)
{
    struct watcher *w = opaque;

    w->pa = pa;
    w->len = len;
    w->calls++;
}

/* Address space only: a few pages of it are ever touched. */
static hva_t map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    ck_assert_ptr_ne(p, MAP_FAILED);
    return p;
}

START_TEST(test_layout)
{
    struct physmem pm;
    hva_t ram = map(4 * GIB);

    physmem_init(&pm, ram, -1, 4 * GIB, NULL);
    ck_assert(pm.low_end == PHYSMEM_HOLE);
    ck_assert(pm.nframes == 1 << 20);
    ck_assert(physmem_offset(&pm, 0x9ffff) == 0x9ffff);
    ck_assert(physmem_offset(&pm, 0xa0000) == UINT64_MAX);
    ck_assert(physmem_offset(&pm, 0xc0000) == 0xc0000);
    ck_assert(physmem_offset(&pm, PHYSMEM_HOLE) == UINT64_MAX);
    ck_assert(physmem_offset(&pm, PHYSMEM_HIGH) == PHYSMEM_HOLE);
    ck_assert(physmem_offset(&pm, PHYSMEM_HIGH + GIB) == UINT64_MAX);
    physmem_init(&pm, ram, -1, 512 * KIB, NULL);
    ck_assert(pm.low_end == 512 * KIB);
    ck_assert(physmem_offset(&pm, PHYSMEM_HIGH) == UINT64_MAX);
    munmap(ram, 4 * GIB);
}
END_TEST

START_TEST(test_copies_and_watcher)
{
    struct physmem pm;
    struct watcher w = {0};
    hva_t ram = map(4 * MIB);
    char buf[16];

    physmem_init(&pm, ram, -1, 4 * MIB, NULL);
    pm.written = watch;
    pm.opaque = &w;
    ck_assert_int_eq(physmem_write(&pm, 0x100ffe, "hello", 6), 0);
    ck_assert_str_eq((char *)ram + 0x100ffe, "hello");
    ck_assert_uint_eq(w.calls, 1);
    ck_assert(w.pa == 0x100ffe && w.len == 6);
    ck_assert_int_eq(physmem_read(&pm, 0x100ffe, buf, 6), 0);
    ck_assert_str_eq(buf, "hello");
    ck_assert_int_eq(physmem_fill(&pm, 0x100fff, 'x', 2), 0);
    ck_assert_str_eq((char *)ram + 0x100ffe, "hxxlo");
    ck_assert_uint_eq(w.calls, 2);
    munmap(ram, 4 * MIB);
}
END_TEST

START_TEST(test_bounds)
{
    struct physmem pm;
    struct watcher w = {0};
    hva_t ram = map(4 * GIB);
    uint8_t buf[16] = {0};

    physmem_init(&pm, ram, -1, 4 * GIB, NULL);
    pm.written = watch;
    pm.opaque = &w;
    ck_assert_int_eq(physmem_write(&pm, 0x9fff8, buf, 8), 0);
    ck_assert_int_eq(physmem_write(&pm, 0x9fff8, buf, 9), -EFAULT);
    ck_assert_int_eq(physmem_read(&pm, 0xbfff8, buf, 16), -EFAULT);
    ck_assert_int_eq(physmem_write(&pm, 0xc0000, buf, 16), 0);
    ck_assert_int_eq(physmem_fill(&pm, PHYSMEM_HOLE - 8, 1, 9), -EFAULT);
    ck_assert_uint_eq(ram[PHYSMEM_HOLE - 8], 0);
    ck_assert_uint_eq(ram[PHYSMEM_HOLE], 0); /* the first byte of high RAM */
    ck_assert_int_eq(physmem_fill(&pm, PHYSMEM_HIGH + GIB - 8, 1, 8), 0);
    ck_assert_int_eq(physmem_fill(&pm, PHYSMEM_HIGH + GIB - 8, 1, 9), -EFAULT);
    ck_assert_int_eq(physmem_fill(&pm, 0, 1, SIZE_MAX), -EFAULT);
    ck_assert_int_eq(physmem_read(&pm, UINT64_MAX, buf, 1), -EFAULT);
    ck_assert_int_eq(physmem_read(&pm, UINT64_MAX, buf, 0), 0);
    ck_assert_uint_eq(w.calls, 3);
    ck_assert_ptr_null(physmem_ptr(&pm, 0xa0000));
    munmap(ram, 4 * GIB);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_layout, test_copies_and_watcher, test_bounds};

    return run_tests("physmem", tests, ARRAY_SIZE(tests));
}
