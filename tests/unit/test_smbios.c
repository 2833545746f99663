/* The SMBIOS tables, read as a guest reads them: entry point, structures, strings. */
#include "base/bits.h"
#include "devices/smbios.h"

#include "dev_harness.h"

static unsigned sum(const uint8_t *at, unsigned len)
{
    unsigned s = 0;

    while (len--)
        s += *at++;
    return s & 0xff;
}

struct found {
    const uint8_t *at;
    const char *string[5]; /* from 1 on */
};

/* The n-th structure of a type; every one on the way has to be sound. Returns how many there are.
 */
static unsigned find(const struct smbios_tables *t, unsigned type, unsigned n, struct found *out)
{
    const uint8_t *at = t->bytes, *end = at + t->len;
    unsigned count = 0;

    *out = (struct found){0};
    while (at < end) {
        struct found f = {.at = at};
        const char *s = (const char *)at + at[1];

        for (unsigned i = 1; *s; i++) {
            ck_assert_uint_lt(i, 5);
            f.string[i] = s;
            s += strlen(s) + 1;
        }
        at = (const uint8_t *)s + (f.string[1] ? 1 : 2);
        ck_assert(at <= end);
        ck_assert_int_eq(at == end, f.at[0] == 127);
        if (f.at[0] == type && count++ == n)
            *out = f;
    }
    return count;
}

/* With RAM above 4 GiB and a name of the CPU, or neither. */
static void look_at_tables(bool large)
{
    const struct smbios_config cfg = {.low_ram = 3 * GIB,
                                      .high_ram = large ? 5 * GIB : 0,
                                      .cpu_vendor = "GenuineTest",
                                      .cpu_brand = large ? "Brand 9" : "",
                                      .cpu_signature = 0x12345,
                                      .cpu_features = 0xabcdef01,
                                      .cpu_mhz = 2800};
    struct smbios_tables t;
    struct found f;

    smbios_make(&t, &cfg);
    ck_assert_int_eq(memcmp(t.entry, "_SM_", 4), 0);
    ck_assert_int_eq(memcmp(t.entry + 0x10, "_DMI_", 5), 0);
    ck_assert_uint_eq(sum(t.entry, 31), 0);
    ck_assert_uint_eq(sum(t.entry + 0x10, 15), 0);
    ck_assert_uint_eq(ld16(t.entry + 0x16), t.len);
    ck_assert_uint_eq(ld16(t.entry + 0x1c), large ? 9 : 8);
    ck_assert_uint_eq(find(&t, 1, 0, &f), 1);
    ck_assert_str_eq(f.string[f.at[4]], "Dragoman");
    ck_assert_uint_eq(find(&t, 3, 0, &f), 1);
    ck_assert_uint_eq(find(&t, 4, 0, &f), 1);
    ck_assert_str_eq(f.string[f.at[7]], "GenuineTest");
    ck_assert_str_eq(f.string[f.at[0x10]], large ? "Brand 9" : "Unknown");
    ck_assert_uint_eq(ld64(f.at + 8), 0xabcdef0100012345);
    ck_assert_uint_eq(ld16(f.at + 0x16), 2800);
    ck_assert_uint_eq(find(&t, 17, 0, &f), 1);
    ck_assert_uint_eq(ld32(f.at + 0x1c), large ? 8192 : 3072);
    ck_assert_uint_eq(find(&t, 19, 0, &f), large ? 2 : 1);
    ck_assert_uint_eq(ld64(f.at + 0x17), 3 * GIB - 1);
    if (large) {
        find(&t, 19, 1, &f);
        ck_assert_uint_eq(ld64(f.at + 0xf), 4 * GIB);
        ck_assert_uint_eq(ld64(f.at + 0x17), 9 * GIB - 1);
    }
}

START_TEST(test_small)
{
    look_at_tables(false);
}
END_TEST

START_TEST(test_large)
{
    look_at_tables(true);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_small, test_large};

    return run_tests("smbios", tests, ARRAY_SIZE(tests));
}
