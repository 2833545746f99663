/* Unpacked kernels that are kept: found again, never believed. A hit leaves the file (its inode)
 * and moves its time; a miss replaces it. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "loader/unpack.h"
#include "loader/unpack_cache.h"

#include "loader_payload.h"

enum { FILE_MAX = 8192 };

static char top[64], dir[80], path[400];

static void setup(void)
{
    strcpy(top, "/tmp/dragoman-unpacked-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    snprintf(dir, sizeof(dir), "%s/a/b", top);
}

static void teardown(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", top);
    ck_assert_int_eq(system(command), 0);
}

/* A kernel's payload, as it always comes out. */
static void unpack_ok(const char *where)
{
    static uint8_t want[PAYLOAD_ELF_SIZE];
    uint8_t *out;
    size_t len;

    ck_assert_int_eq(unpack_gzip(payload_gzip, sizeof(payload_gzip), want, PAYLOAD_ELF_SIZE), 0);
    ck_assert_int_eq(unpack_cached(where, payload_gzip, sizeof(payload_gzip), MIB, &out, &len), 0);
    ck_assert_uint_eq(len, PAYLOAD_ELF_SIZE);
    ck_assert_mem_eq(out, want, PAYLOAD_ELF_SIZE);
    free(out);
}

/* Files in the directory; path is the last one's. */
static unsigned files(void)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    unsigned n = 0;

    while (d && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

static struct stat look(void)
{
    struct stat st;

    ck_assert_uint_eq(files(), 1);
    ck_assert_int_eq(lstat(path, &st), 0);
    return st;
}

static void make_old(const char *file, time_t seconds)
{
    const struct timespec t[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};

    ck_assert_int_eq(utimensat(AT_FDCWD, file, t, AT_SYMLINK_NOFOLLOW), 0);
}

static bool is_hit(void)
{
    struct stat before, after;

    ck_assert_uint_eq(files(), 1);
    make_old(path, 1000);
    before = look();
    unpack_ok(dir);
    after = look();
    return after.st_ino == before.st_ino && after.st_mtim.tv_sec > 1000;
}

START_TEST(kept)
{
    struct stat st;
    uint8_t *out;
    size_t len;

    unpack_ok(NULL);
    unpack_ok(dir);
    st = look();
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    ck_assert(is_hit());
    ck_assert(is_hit());
    ck_assert_int_eq(
        unpack_cached(dir, payload_gzip, sizeof(payload_gzip), PAYLOAD_ELF_SIZE - 1, &out, &len),
        -ENOTSUP);
    ck_assert_ptr_null(out);
    ck_assert_int_eq(unpack_cached(dir, payload_lzma, sizeof(payload_lzma), MIB, &out, &len),
                     -ENOTSUP);
    ck_assert_uint_eq(files(), 1);
}
END_TEST

static size_t read_file(uint8_t *buf)
{
    FILE *f = fopen(path, "r");
    size_t n;

    ck_assert_ptr_nonnull(f);
    n = fread(buf, 1, FILE_MAX, f);
    fclose(f);
    return n;
}

static void write_file(const uint8_t *buf, size_t len)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(buf, 1, len, f), len);
    fclose(f);
}

START_TEST(damaged)
{
    static uint8_t good[FILE_MAX], bad[FILE_MAX];
    size_t len;

    unpack_ok(dir);
    files();
    len = read_file(good);
    for (size_t at = 0; at < len; at++) {
        memcpy(bad, good, len);
        bad[at] ^= 1;
        write_file(bad, len);
        ck_assert_msg(!is_hit(), "byte %zu", at);
        ck_assert(is_hit());
    }
    for (size_t n = 0; n < len; n += 7) {
        write_file(good, n);
        ck_assert(!is_hit());
    }
    write_file(good, len + 1);
    ck_assert(!is_hit());
    ck_assert_uint_eq(read_file(bad), len);
    ck_assert_mem_eq(bad, good, len);
}
END_TEST

START_TEST(not_mine)
{
    char elsewhere[512];

    unpack_ok(dir);
    files();
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", top);
    ck_assert_int_eq(rename(path, elsewhere), 0);
    ck_assert_int_eq(symlink(elsewhere, path), 0);
    ck_assert(!is_hit()); /* the link is replaced, not followed */
    ck_assert(is_hit());
    ck_assert_int_eq(chmod(path, 0620), 0);
    ck_assert(!is_hit());
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    unpack_ok(dir);

    ck_assert_int_eq(chmod(dir, 0770), 0);
    ck_assert_int_eq(unlink(path), 0);
    unpack_ok(dir);
    ck_assert_uint_eq(files(), 0);
    ck_assert_int_eq(chmod(dir, 0700), 0);
    snprintf(elsewhere, sizeof(elsewhere), "%s/link", top);
    ck_assert_int_eq(symlink(dir, elsewhere), 0);
    unpack_ok(elsewhere);
    ck_assert_uint_eq(files(), 0);
    unpack_ok("/proc/nowhere");
    unpack_ok(dir);
    ck_assert_uint_eq(files(), 1);
}
END_TEST

static void make_large(const char *name, time_t seconds)
{
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    write_file((const uint8_t *)"", 0);
    ck_assert_int_eq(truncate(path, 300 * (off_t)MIB), 0);
    make_old(path, seconds);
}

START_TEST(bounded)
{
    unpack_ok(dir);
    files();
    ck_assert_int_eq(unlink(path), 0);
    make_large("newer", 2000);
    make_large("older", 1000);
    unpack_ok(dir);
    ck_assert_uint_eq(files(), 2);
    snprintf(path, sizeof(path), "%s/newer", dir);
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {kept, damaged, not_mine, bounded};
    Suite *s = suite_create("unpack_cache");
    TCase *tc = tcase_create("unpack_cache");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    for (unsigned i = 0; i < ARRAY_SIZE(tests) && DRAGOMAN_UNPACK_GZIP; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
