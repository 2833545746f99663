/* Disks of NBD servers, with qemu-nbd as the server. Passes without testing where it or libnbd is
 * missing. */
#include "block/block.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block_sync.h"

static char dir[32], uri[128];

static bool run(const char *fmt)
{
    char line[512];

    snprintf(line, sizeof(line), fmt, dir, dir, dir);
    return system(line) == 0;
}

static void start_server(const char *options)
{
    char line[256];

    ck_assert(run("truncate -s 1M %s/disk"));
    snprintf(line, sizeof(line),
             "qemu-nbd %s -t --fork -f raw -k %%s/s --pid-file=%%s/pid %%s/disk", options);
    ck_assert(run(line));
    snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s/s", dir);
}

static void stop_server(void)
{
    ck_assert(run("kill -9 $(cat %s/pid) && while [ -d /proc/$(cat %s/pid) ]; do sleep 0.1; done; "
                  "rm -f %s/s"));
}

static void open_fails(const struct block_options *opt, int code, const char *says)
{
    struct block_error err = {""};
    struct block *b;

    ck_assert_int_eq(block_open(&b, opt, &err), code);
    ck_assert_msg(strstr(err.text, says) != NULL, "\"%s\" does not say \"%s\"", err.text, says);
}

static struct block *open_ok(const struct block_options *opt)
{
    struct block_error err = {""};
    struct block *b = NULL;

    ck_assert_msg(block_open(&b, opt, &err) == 0, "%s", err.text);
    return b;
}

START_TEST(test_read_write)
{
    const struct block_options opt = {.path = uri};
    uint8_t out[4 * BLOCK_SECTOR], in[4 * BLOCK_SECTOR];
    struct block *b;

    start_server("");
    b = open_ok(&opt);
    ck_assert_uint_eq(block_sectors(b), 2048);
    memset(out, 0x5a, sizeof(out));
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 2044, 4, out), 0);
    ck_assert_int_eq(transfer(b, BLOCK_FLUSH, 0, 0, NULL), 0);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 2044, 4, in), 0);
    ck_assert_int_eq(memcmp(in, out, sizeof(in)), 0);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 0, 4, in), 0);
    ck_assert_uint_eq(in[0], 0);
    ck_assert_int_eq(block_close(b), 0);
    ck_assert(run("[ $(tail -c 2048 %s/disk | tr -d Z | wc -c) = 0 ]"));
    stop_server();
}
END_TEST

START_TEST(test_server_dies)
{
    const struct block_options opt = {.path = uri};
    uint8_t sector[BLOCK_SECTOR] = {0};
    struct block_error err;
    struct block *b;

    start_server("");
    b = open_ok(&opt);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 0, 1, sector), 0);
    stop_server();
    ck_assert_int_eq(transfer(b, BLOCK_READ, 0, 1, sector), -EIO);
    ck_assert(block_take_report(b, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "NBD server"));
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 0, 1, sector), -EIO);
    ck_assert_int_eq(transfer(b, BLOCK_FLUSH, 0, 0, NULL), -EIO);
    ck_assert_int_eq(block_close(b), -EIO);
    open_fails(&opt, -ECONNREFUSED, "nbd+unix://");
}
END_TEST

START_TEST(test_read_only)
{
    const struct block_options rw = {.path = uri}, ro = {.path = uri, .read_only = true},
                               snapshot = {.path = uri, .snapshot = true},
                               qcow2 = {.path = uri, .format = BLOCK_FORMAT_QCOW2};
    uint8_t sector[BLOCK_SECTOR] = {1};
    struct block *b;

    start_server("-r");
    open_fails(&rw, -EROFS, "readonly=on");
    open_fails(&qcow2, -ENOTSUP, "raw here");
    b = open_ok(&ro);
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 0, 1, sector), -EROFS);
    ck_assert_int_eq(block_close(b), 0);
    b = open_ok(&snapshot);
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 0, 1, sector), 0);
    ck_assert_int_eq(block_close(b), 0);
    stop_server();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block_nbd");
    TCase *tc = tcase_create("nbd");
    SRunner *runner;
    int failed;

#ifndef DRAGOMAN_NBD
    puts("built without libnbd");
    return EXIT_SUCCESS;
#endif
    if (system("command -v qemu-nbd >/dev/null") != 0) {
        puts("no qemu-nbd (apt install qemu-utils)");
        return EXIT_SUCCESS;
    }
    strcpy(dir, "/tmp/test-nbd-XXXXXX");
    if (!mkdtemp(dir))
        return EXIT_FAILURE;
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_read_write);
    tcase_add_test(tc, test_server_dies);
    tcase_add_test(tc, test_read_only);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    run("kill $(cat %s/pid) 2>/dev/null; rm -rf %s");
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
