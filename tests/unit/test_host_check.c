/* The host check, on hosts that lack one thing each. */
#include "host/host_check.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A sanitizer has mappings down there itself, and the check then lets them pass. */
extern void __asan_init(void) __attribute__((weak));

struct fake {
    uint64_t hwcap2;
    bool bmi2, osxsave;
    const char *max_maps; /* NULL: cannot be read */
    const char *maps;
    int memfd;
};

static const struct fake good = {.hwcap2 = 2,
                                 .bmi2 = true,
                                 .osxsave = true,
                                 .max_maps = "65530\n",
                                 .maps = "555555554000-5555555"};

static uint64_t fake_hwcap2(void *opaque)
{
    return ((struct fake *)opaque)->hwcap2;
}

static struct host_regs fake_cpuid(void *opaque, uint32_t leaf, uint32_t subleaf)
{
    struct fake *f = opaque;
    struct host_regs r = {0};

    if (leaf == 1)
        r.ecx = (f->osxsave ? 1u << 27 : 0) | 1u << 20;
    if (leaf == 7 && subleaf == 0)
        r.ebx = f->bmi2 ? 1u << 8 : 0;
    return r;
}

static int fake_read_text(void *opaque, const char *path, char *buf, size_t size)
{
    struct fake *f = opaque;
    const char *text = strstr(path, "max_map") ? f->max_maps : f->maps;

    if (!text)
        return -ENOENT;
    snprintf(buf, size, "%s", text);
    return 0;
}

static int fake_memfd(void *opaque)
{
    return ((struct fake *)opaque)->memfd;
}

static int check(struct fake f, const char *says)
{
    struct host_probe probe = {.hwcap2 = fake_hwcap2,
                               .cpuid = fake_cpuid,
                               .read_text = fake_read_text,
                               .try_memfd = fake_memfd,
                               .opaque = &f};
    struct host_limits limits = {0};
    struct host_error err = {""};
    int rc = host_check(&probe, &limits, &err);

    if (rc == 0)
        ck_assert_uint_eq(limits.max_mappings, 65530);
    else
        ck_assert_msg(strstr(err.text, says) != NULL, "says: %s", err.text);
    return rc;
}

START_TEST(fakes)
{
    struct fake f = good;

    ck_assert_int_eq(check(f, ""), 0);
    f = good, f.hwcap2 = 1;
    ck_assert_int_lt(check(f, "FSGSBASE"), 0);
    f = good, f.bmi2 = false;
    ck_assert_int_lt(check(f, "BMI2"), 0);
    f = good, f.osxsave = false;
    ck_assert_int_lt(check(f, "XSAVE"), 0);
    f = good, f.max_maps = NULL;
    ck_assert_int_lt(check(f, "max_map_count"), 0);
    f = good, f.max_maps = "many";
    ck_assert_int_lt(check(f, "max_map_count"), 0);
    f = good, f.max_maps = "4095\n";
    ck_assert_int_lt(check(f, "sysctl"), 0);
    f = good, f.memfd = -EMFILE;
    ck_assert_int_lt(check(f, "ulimit"), 0);
    f = good, f.memfd = -ENOSYS;
    ck_assert_int_lt(check(f, "memfd_create"), 0);
    f = good, f.maps = NULL;
    ck_assert_int_lt(check(f, "/proc"), 0);
    f = good, f.maps = "nonsense";
    ck_assert_int_lt(check(f, "format"), 0);
}
END_TEST

START_TEST(low_mapping)
{
    struct fake f = good;

    f.maps = "00400000-00401000 r-xp";
    ck_assert_int_eq(check(f, "0x400000"), -EADDRINUSE);
}
END_TEST

START_TEST(this_host)
{
    struct host_limits limits = {0};
    struct host_error err = {""};
    int rc = host_check(&host_probe_real, &limits, &err);

    ck_assert_msg(rc == 0 || err.text[0] != '\0', "failed without a word");
    if (rc == 0)
        ck_assert_uint_ge(limits.max_mappings, HOST_MIN_MAPPINGS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("host_check");
    TCase *tc = tcase_create("host_check");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, fakes);
    if (!__asan_init)
        tcase_add_test(tc, low_mapping);
    tcase_add_test(tc, this_host);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
