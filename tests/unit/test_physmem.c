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

static void note_change(void *opaque)
{
    ((struct watcher *)opaque)->calls++;
}

START_TEST(test_a20)
{
    struct physmem pm;
    hva_t ram = map(4 * MIB);
    char buf[8];

    physmem_init(&pm, ram, -1, 4 * MIB, NULL);
    ck_assert_int_eq(physmem_write(&pm, 0xffffc, "abcdefg", 8), 0);
    physmem_set_a20(&pm, false);
    ck_assert(physmem_offset(&pm, 0x100010) == 0x10);
    ck_assert(physmem_offset(&pm, 0x1a0000) == UINT64_MAX);
    ck_assert(physmem_offset(&pm, 0x200000) == 0x200000);
    ck_assert_int_eq(physmem_read(&pm, 0xffffc, buf, 4), 0);
    ck_assert_int_eq(physmem_read(&pm, 0xffffc, buf, 5), -EFAULT); /* no run: the next byte is 0 */
    ck_assert_int_eq(physmem_write(&pm, 0x100000, "x", 1), 0);
    ck_assert_uint_eq(ram[0], 'x');
    munmap(ram, 4 * MIB);
}
END_TEST

START_TEST(test_area)
{
    struct physmem pm;
    struct watcher w = {0};
    hva_t ram = map(5 * MIB);

    physmem_init(&pm, ram, -1, 4 * MIB, NULL);
    physmem_add_area(&pm, MIB);
    pm.map_changed = note_change;
    pm.written = watch;
    pm.opaque = &w;
    ck_assert(pm.nframes == 5 * 256);
    ck_assert(physmem_offset(&pm, 0) == 0);
    physmem_show_area(&pm, 0, false);
    ck_assert_uint_eq(w.calls, 0);
    physmem_show_area(&pm, 0xe0000000, true);
    physmem_show_area(&pm, 0xe0000000, true);
    ck_assert_uint_eq(w.calls, 1);
    ck_assert(physmem_offset(&pm, 0xe0000000) == 4 * MIB);
    ck_assert_int_eq(physmem_write(&pm, 0xe00ffffc, "abc", 4), 0);
    ck_assert(w.pa == 5 * MIB - 4);
    ck_assert_str_eq((char *)ram + 5 * MIB - 4, "abc");
    ck_assert_int_eq(physmem_write(&pm, 0xe00ffffd, "abc", 4), -EFAULT);
    physmem_show_area(&pm, 0x1000, true); /* RAM is in front of it */
    ck_assert(physmem_offset(&pm, 0x1000) == 0x1000);
    ck_assert(physmem_offset(&pm, 0xe0000000) == UINT64_MAX);
    munmap(ram, 5 * MIB);
}
END_TEST

/* To RAM that cannot be read: whoever watches the frame must hear of it. */
START_TEST(test_hidden_writes)
{
    struct physmem pm;
    struct watcher w = {0};
    hva_t ram = map(4 * MIB);

    physmem_init(&pm, ram, -1, 4 * MIB, NULL);
    pm.written = watch;
    pm.opaque = &w;
    physmem_set_segments(&pm, 0, PHYSMEM_ALL_SEGMENTS);
    ck_assert_int_eq(physmem_write(&pm, 0xf0000, "a", 1), -EFAULT);
    physmem_write_hidden(&pm, 0xf0000, "hid", 4);
    ck_assert_str_eq((char *)ram + 0xf0000, "hid");
    ck_assert(w.calls == 1 && w.pa == 0xf0000 && w.len == 4);
    munmap(ram, 4 * MIB);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_layout, test_copies_and_watcher, test_bounds, test_a20,
                                  test_area,   test_hidden_writes};

    return run_tests("physmem", tests, ARRAY_SIZE(tests));
}
