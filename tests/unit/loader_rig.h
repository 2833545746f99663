/* loader_rig.h - a machine's RAM, an image being built in memory, and what every test of the
 * loader does with them. Included by test_loader*.c only.
 */
#ifndef DRAGOMAN_TESTS_LOADER_RIG_H
#define DRAGOMAN_TESTS_LOADER_RIG_H

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "loader/loader.h"

/* Check runs each test in a process of its own. */
static struct {
    struct physmem pm;
    struct bus mmio;
    struct load_config cfg;
    struct boot_state bs;
    struct load_error err;
    char image_path[64], initrd_path[64];
    uint8_t image[64 * 1024]; /* being built */
    size_t size;
} m;

static inline void set_ram(uint64_t bytes)
{
    if (m.pm.hva)
        munmap(m.pm.hva, m.pm.size);
    hva_t hva = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    ck_assert_ptr_ne(hva, MAP_FAILED);
    physmem_init(&m.pm, hva, -1, bytes, &m.mmio);
}

static inline void write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, len, f), len);
    fclose(f);
}

static inline void setup(void)
{
    memset(&m, 0, sizeof(m));
    bus_init(&m.mmio, "mmio", NULL);
    set_ram(64 * MIB);
    snprintf(m.image_path, sizeof(m.image_path), "/tmp/dragoman-image-%d", getpid());
    snprintf(m.initrd_path, sizeof(m.initrd_path), "/tmp/dragoman-initrd-%d", getpid());
    m.cfg.image = m.image_path;
}

static inline void teardown(void)
{
    unlink(m.image_path);
    unlink(m.initrd_path);
    munmap(m.pm.hva, m.pm.size);
}

static inline int load(void)
{
    write_file(m.image_path, m.image, m.size);
    memset(&m.err, 0, sizeof(m.err));
    return loader_load(&m.pm, &m.cfg, &m.bs, &m.err);
}

static inline void load_ok(void)
{
    int rc = load();

    ck_assert_msg(rc == 0, "load: %s", m.err.text);
}

static inline void refused(const char *says)
{
    int rc = load();

    ck_assert_int_lt(rc, 0);
    ck_assert_msg(strstr(m.err.text, says) != NULL, "wanted '%s', says: %s", says, m.err.text);
    ck_assert_ptr_null(strchr(m.err.text, '\n'));
}

static inline const uint8_t *ram(gpa_t pa)
{
    const uint8_t *p = physmem_ptr(&m.pm, pa);

    ck_assert_ptr_nonnull(p);
    return p;
}

/* The state that every format promises: flat segments in a GDT that says so, a stack. */
static inline void check_state(uint64_t rip, uint64_t code)
{
    ck_assert(m.bs.protected_flat);
    ck_assert_uint_eq(m.bs.rip, rip);
    ck_assert_uint_eq(m.bs.rflags, 2);
    ck_assert_uint_eq(m.bs.cs, 0x10);
    ck_assert_uint_eq(m.bs.ds, 0x18);
    ck_assert_uint_eq(m.bs.gdt_limit, 31);
    ck_assert_uint_eq(ld64(ram(m.bs.gdt_base)), 0);
    ck_assert_uint_eq(ld64(ram(m.bs.gdt_base + 0x10)), code);
    ck_assert_uint_eq(ld64(ram(m.bs.gdt_base + 0x18)), UINT64_C(0x00CF93000000FFFF));
    ck_assert_uint_ne(m.bs.gpr[BOOT_SP], 0);
    ram(m.bs.gpr[BOOT_SP] - 4);
}

static inline void check_flat(uint64_t eip)
{
    check_state(eip, UINT64_C(0x00CF9B000000FFFF));
    ck_assert(!m.bs.long_mode);
    ck_assert_uint_eq(m.bs.cr3, 0);
}

static uint32_t seed;

static inline uint32_t rnd(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

/* Header fields set to what breaks arithmetic. Whatever comes of it, it is an answer. */
static inline void mutate(size_t header)
{
    static const uint32_t nasty[] = {0,          1,          0xFF,     0x7FFFFFFF, 0x80000000,
                                     0xFFFFFFFF, 0xFFFFF000, 0x100000, 0x9FC00,    0x4000000,
                                     0x3FFFFFF,  15,         16,       0x10000};
    unsigned n = 1 + rnd() % 4;

    while (n-- > 0) {
        size_t off = rnd() % (header - 4);
        uint32_t v = rnd() % 2 ? nasty[rnd() % ARRAY_SIZE(nasty)] : rnd() * 997;

        memcpy(m.image + (rnd() % 4 ? off & ~3ul : off), &v, rnd() % 2 ? 4 : 1 + rnd() % 3);
    }
    if (rnd() % 8 == 0)
        m.size = rnd() % (m.size + 1);
}

/* Loads 3000 images that `make` built from a different seed each. */
static inline void load_hostile(void (*make)(void))
{
    unsigned loaded = 0;

    write_file(m.initrd_path, "initrd", 6);
    m.cfg.cmdline = "quiet";
    for (unsigned i = 0; i < 3000; i++) {
        seed = i * 7919;
        make();
        m.cfg.initrd = i % 3 ? NULL : m.initrd_path;
        if (load() == 0) {
            loaded++;
            ck_assert(m.bs.protected_flat);
        } else {
            ck_assert_uint_gt(strlen(m.err.text), 10);
        }
    }
    ck_assert_uint_gt(loaded, 10); /* mutations that only ever fail early test nothing */
    ck_assert_uint_lt(loaded, 2990);
}

static inline int run_tests(const char *name, const TTest *const *tests, unsigned n)
{
    Suite *s = suite_create(name);
    TCase *tc = tcase_create(name);
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    for (unsigned i = 0; i < n; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}

#endif
