/* The queue, raw images, the overlay, and images that must be refused. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/block.h"
#include "host/events.h"

#include "block_rig.h"
#include "dev_harness.h"

struct answer {
    bool done;
    int result;
    unsigned order;
    unsigned *counter;
};

static void answered(struct block_request *req, int result)
{
    struct answer *a = req->opaque;

    ck_assert(!a->done);
    a->done = true;
    a->result = result;
    if (a->counter)
        a->order = ++*a->counter;
}

/* Submits, waits, and returns the result. */
static int transfer(struct block *b, enum block_op op, uint64_t sector, uint32_t count,
                    uint8_t *buf)
{
    struct answer a = {0};
    struct block_request req = {
        .op = op, .sector = sector, .count = count, .buf = buf, .done = answered, .opaque = &a};

    block_submit(b, &req);
    ck_assert(!a.done);
    ck_assert_int_eq(block_drain(b), 0);
    ck_assert(a.done);
    return a.result;
}

static void make_file(char *path, const void *bytes, size_t len)
{
    int fd;

    strcpy(path, "/tmp/test-block-XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

static struct block *open_ok(const struct block_options *opt)
{
    struct block *b = NULL;
    struct block_error err = {{0}};
    int e = block_open(&b, opt, &err);

    ck_assert_msg(e == 0, "%s", err.text);
    return b;
}

static void open_fails(const struct block_options *opt, int code, const char *says)
{
    struct block *b = NULL;
    struct block_error err = {{0}};

    ck_assert_int_eq(block_open(&b, opt, &err), code);
    ck_assert_msg(strstr(err.text, says) != NULL, "\"%s\" does not say \"%s\"", err.text, says);
}

static void nobody(void *opaque)
{
    (void)opaque;
}

static void pattern(uint8_t *buf, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = (uint8_t)((i * 7 + i / 509 + seed) & 0xff);
}

START_TEST(test_raw_read_write)
{
    static uint8_t image[64 * 512], buf[8 * 512], back[8 * 512];
    struct block_options opt = {.format = BLOCK_FORMAT_PROBE};
    struct block_stats stats;
    char path[32];
    struct block *b;
    int fd;

    pattern(image, sizeof(image), 1);
    make_file(path, image, sizeof(image));
    opt.path = path;
    b = open_ok(&opt);
    if (_i)
        ck_assert_int_eq(block_start(b, nobody, NULL), 0);
    ck_assert_uint_eq(block_sectors(b), 64);
    ck_assert(!block_read_only(b));
    ck_assert_int_eq(transfer(b, BLOCK_READ, 8, 8, back), 0);
    ck_assert_int_eq(memcmp(back, image + 8 * 512, sizeof(back)), 0);
    pattern(buf, sizeof(buf), 99);
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 56, 8, buf), 0);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 56, 8, back), 0);
    ck_assert_int_eq(memcmp(back, buf, sizeof(back)), 0);
    ck_assert_int_eq(transfer(b, BLOCK_FLUSH, 0, 0, NULL), 0);
    block_get_stats(b, &stats);
    ck_assert_uint_eq(stats.requests[BLOCK_READ], 2);
    ck_assert_uint_eq(stats.bytes[BLOCK_WRITE], 4096);
    ck_assert_int_eq(block_close(b), 0);
    fd = open(path, O_RDONLY);
    ck_assert_int_eq(pread(fd, back, sizeof(back), 56 * 512), (ssize_t)sizeof(back));
    ck_assert_int_eq(memcmp(back, buf, sizeof(back)), 0);
    close(fd);
    unlink(path);
}
END_TEST

/* The last sector of an odd-sized image is padded, and filled up when it is written. */
START_TEST(test_odd_size)
{
    static uint8_t image[1000], buf[1024];
    struct block_options opt = {.format = BLOCK_FORMAT_PROBE};
    struct stat st;
    char path[32];
    struct block *b;

    pattern(image, sizeof(image), 3);
    make_file(path, image, sizeof(image));
    opt.path = path;
    b = open_ok(&opt);
    ck_assert_uint_eq(block_sectors(b), 2);
    memset(buf, 0xee, sizeof(buf));
    ck_assert_int_eq(transfer(b, BLOCK_READ, 0, 2, buf), 0);
    ck_assert_int_eq(memcmp(buf, image, 1000), 0);
    for (unsigned i = 1000; i < 1024; i++)
        ck_assert_uint_eq(buf[i], 0);
    memset(buf, 0x5a, 512);
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 1, 1, buf), 0);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 1, 1, buf + 512), 0);
    ck_assert_int_eq(memcmp(buf, buf + 512, 512), 0);
    block_close(b);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, 1024);
    unlink(path);
}
END_TEST

/* An image that shrinks under us is an error, not zeros. */
START_TEST(test_shrunk)
{
    static uint8_t image[64 * 512];
    struct block_options opt = {.format = BLOCK_FORMAT_RAW};
    char path[32];
    struct block *b;

    make_file(path, image, sizeof(image));
    opt.path = path;
    b = open_ok(&opt);
    ck_assert_int_eq(truncate(path, 10 * 512), 0);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 9, 1, image), 0);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 10, 1, image), -EIO);
    block_close(b);
    unlink(path);
}
END_TEST

START_TEST(test_refused)
{
    struct block_options opt = {.path = "/nonexistent/disk", .format = BLOCK_FORMAT_PROBE};
    char path[32];

    open_fails(&opt, -ENOENT, "/nonexistent/disk: No such file");
    opt.path = "/tmp";
    opt.read_only = true;
    open_fails(&opt, -EINVAL, "neither a file nor a block device");
    opt.path = "/dev/null";
    open_fails(&opt, -EINVAL, "neither a file nor a block device");
    make_file(path, "", 0);
    opt.path = path;
    open_fails(&opt, -EINVAL, "empty");
    unlink(path);
}
END_TEST

/* Two writers, and a reader beside a writer, are kept apart; readers share. */
START_TEST(test_locks)
{
    static const uint8_t image[512];
    struct block_options rw = {.format = BLOCK_FORMAT_RAW}, ro = {.read_only = true};
    struct block_options snapshot = {.snapshot = true};
    char path[32];
    struct block *a, *b;

    make_file(path, image, sizeof(image));
    rw.path = ro.path = snapshot.path = path;
    a = open_ok(&rw);
    open_fails(&rw, -EAGAIN, "in use");
    open_fails(&ro, -EAGAIN, "in use");
    open_fails(&snapshot, -EAGAIN, "in use");
    block_close(a);
    a = open_ok(&ro);
    b = open_ok(&snapshot);
    open_fails(&rw, -EAGAIN, "in use");
    block_close(a);
    block_close(b);
    a = open_ok(&rw);
    block_close(a);
    unlink(path);
}
END_TEST

/* The bytes that a writing QEMU locks: its permission "write" is in use by one. */
START_TEST(test_lock_of_qemu)
{
    static const uint8_t image[512];
    struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 101, .l_len = 1};
    struct block_options rw = {.format = BLOCK_FORMAT_RAW}, ro = {.read_only = true};
    char path[32];
    int fd;

    make_file(path, image, sizeof(image));
    rw.path = ro.path = path;
    fd = open(path, O_RDWR);
    ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &l), 0);
    open_fails(&rw, -EAGAIN, "in use");
    open_fails(&ro, -EAGAIN, "for writing");
    close(fd);
    block_close(open_ok(&ro));
    unlink(path);
}
END_TEST

START_TEST(test_read_only)
{
    static uint8_t image[1024];
    struct block_options opt = {.read_only = true};
    char path[32];
    struct block *b;

    make_file(path, image, sizeof(image));
    ck_assert_int_eq(chmod(path, 0444), 0);
    opt.path = path;
    b = open_ok(&opt);
    ck_assert(block_read_only(b));
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 0, 1, image), -EROFS);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 0, 1, image), 0);
    block_close(b);
    unlink(path);
}
END_TEST

/* Written sectors come from the overlay, others from the image, which stays as it is. */
START_TEST(test_snapshot)
{
    static uint8_t image[64 * 512], want[64 * 512], back[64 * 512];
    struct block_options opt = {.snapshot = true};
    char path[32];
    struct block *b;
    int fd;

    pattern(image, sizeof(image), 5);
    make_file(path, image, sizeof(image));
    chmod(path, 0444);
    opt.path = path;
    b = open_ok(&opt);
    ck_assert(!block_read_only(b));
    memcpy(want, image, sizeof(want));
    for (unsigned i = 0; i < 40; i++) {
        unsigned sector = i * 29 % 61, count = 1 + i % 3;

        pattern(want + sector * 512, count * 512, i);
        ck_assert_int_eq(transfer(b, BLOCK_WRITE, sector, count, want + sector * 512), 0);
        ck_assert_int_eq(transfer(b, BLOCK_READ, 0, 64, back), 0);
        ck_assert_int_eq(memcmp(back, want, sizeof(back)), 0);
    }
    block_close(b);
    fd = open(path, O_RDONLY);
    ck_assert_int_eq(read(fd, back, sizeof(back)), (ssize_t)sizeof(back));
    ck_assert_int_eq(memcmp(back, image, sizeof(back)), 0);
    close(fd);
    unlink(path);
}
END_TEST

/* What was written goes to the image, once; until then it is nobody else's. */
START_TEST(test_commit)
{
    static uint8_t image[600 * 512], sector[512], back[512];
    struct block_options opt = {.snapshot = true}, rw = {.format = BLOCK_FORMAT_RAW};
    struct block_error err;
    char path[32], moved[40];
    struct block *b, *other;

    make_file(path, image, sizeof(image));
    snprintf(moved, sizeof(moved), "%s.moved", path);
    opt.path = rw.path = path;
    b = open_ok(&rw);
    ck_assert_int_eq(block_commit(b, &err), -ENOTSUP);
    block_close(b);
    b = open_ok(&opt);
    for (unsigned i = 0; i < 600; i += 7) {
        memset(sector, (int)i | 1, sizeof(sector));
        ck_assert_int_eq(transfer(b, BLOCK_WRITE, i, 1, sector), 0);
    }
    opt.read_only = true; /* somebody reads the image: it must not change */
    other = open_ok(&opt);
    ck_assert_int_eq(block_commit(b, &err), -EAGAIN);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 7, 1, back), 0);
    ck_assert_uint_eq(back[0], 7);
    ck_assert_int_eq(transfer(other, BLOCK_READ, 7, 1, back), 0);
    ck_assert_uint_eq(back[0], 0);
    block_close(other);
    ck_assert_int_eq(block_commit(b, &err), 0);
    other = open_ok(&opt);
    for (unsigned i = 0; i < 600; i++) {
        ck_assert_int_eq(transfer(other, BLOCK_READ, i, 1, back), 0);
        ck_assert_uint_eq(back[511], i % 7 ? 0 : (i | 1) & 0xff);
    }
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 7, 1, image), 0); /* a snapshot again */
    ck_assert_int_eq(transfer(other, BLOCK_READ, 7, 1, back), 0);
    ck_assert_uint_eq(back[0], 7);
    block_close(other);
    ck_assert_int_eq(rename(path, moved), 0); /* and the image is gone */
    ck_assert_int_eq(block_commit(b, &err), -EIO);
    ck_assert_ptr_nonnull(strstr(err.text, "No such file"));
    ck_assert_int_eq(transfer(b, BLOCK_READ, 7, 1, back), 0);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 8, 1, back), -EIO);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 14, 1, back), -EIO); /* was the image's by then */
    ck_assert_int_eq(block_commit(b, &err), -ENOTSUP);
    block_close(b);
    unlink(moved);
}
END_TEST

/* What was raw when its format was guessed is raw the next time too. */
START_TEST(test_format_stays)
{
    static uint8_t image[1024], sector[512] = {'Q', 'F', 'I', 0xfb};
    struct block_options opt = {.format = BLOCK_FORMAT_PROBE};
    struct block_error err;
    char path[32];
    struct block *b;

    make_file(path, image, sizeof(image));
    opt.path = path;
    b = open_ok(&opt);
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 0, 1, sector), -EPERM);
    ck_assert(block_take_report(b, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "qcow2 header"));
    ck_assert(!block_take_report(b, &err));
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 1, 1, sector), 0);
    block_close(b);
    opt.format = BLOCK_FORMAT_RAW;
    b = open_ok(&opt);
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 0, 1, sector), 0);
    block_close(b);
    unlink(path);
}
END_TEST

static void count_notes(void *opaque)
{
    __atomic_add_fetch((unsigned *)opaque, 1, __ATOMIC_SEQ_CST);
}

/* In order, and only block_poll() answers. */
START_TEST(test_queue_order)
{
    enum { N = 50 };
    static uint8_t buf[N][512];
    struct block_request req[N];
    struct answer answers[N];
    struct mem_disk disk;
    struct block *b = mem_disk_open(&disk, 100);
    unsigned notes = 0, counter = 0;

    ck_assert_int_eq(block_start(b, count_notes, &notes), 0);
    for (unsigned i = 0; i < N; i++) {
        memset(buf[i], (int)i, 512);
        answers[i] = (struct answer){.counter = &counter};
        req[i] = (struct block_request){.op = BLOCK_WRITE,
                                        .sector = 7,
                                        .count = 1,
                                        .buf = buf[i],
                                        .fua = i == 3,
                                        .done = answered,
                                        .opaque = &answers[i]};
        block_submit(b, &req[i]);
    }
    ck_assert_uint_eq(counter, 0);
    ck_assert_int_eq(block_drain(b), 0);
    for (unsigned i = 0; i < N; i++) {
        ck_assert_int_eq(answers[i].result, 0);
        ck_assert_uint_eq(answers[i].order, i + 1);
    }
    ck_assert_uint_eq(disk.bytes[7 * 512], N - 1);
    ck_assert_uint_ge(notes, N);
    ck_assert_uint_eq(disk.flushes, 1);
    block_close(b);
}
END_TEST

/* A full disk: the request waits, says so, and goes on when there is room. */
START_TEST(test_full_disk)
{
    static uint8_t buf[512];
    struct answer a = {0};
    struct block_request req = {
        .op = BLOCK_WRITE, .count = 1, .buf = buf, .done = answered, .opaque = &a};
    struct block_stats stats;
    struct mem_disk disk;
    struct block *b = mem_disk_open(&disk, 100);

    if (_i)
        ck_assert_int_eq(block_start(b, nobody, NULL), 0);
    disk.full = true;
    memset(buf, 0x77, sizeof(buf));
    block_submit(b, &req);
    ck_assert_int_eq(block_drain(b), -ENOSPC);
    ck_assert_int_eq(block_stalled(b), -ENOSPC);
    ck_assert(!a.done);
    __atomic_store_n(&disk.full, false, __ATOMIC_RELEASE);
    for (unsigned i = 0; !a.done && i < 500; i++) {
        usleep(10000);
        block_poll(b);
    }
    ck_assert(a.done);
    ck_assert_int_eq(a.result, 0);
    ck_assert_int_eq(block_stalled(b), 0);
    ck_assert_uint_eq(disk.bytes[0], 0x77);
    block_get_stats(b, &stats);
    ck_assert_uint_eq(stats.stalls, 1);
    block_close(b);
}
END_TEST

/* A monitor is there: it says when to try again, and hears of each failure. */
START_TEST(test_held)
{
    static uint8_t buf[512];
    struct answer a = {0};
    struct block_request req = {
        .op = BLOCK_WRITE, .count = 1, .buf = buf, .done = answered, .opaque = &a};
    struct block_stats stats;
    struct mem_disk disk;
    struct block *b = mem_disk_open(&disk, 100);

    block_hold(b, true);
    ck_assert_int_eq(block_start(b, nobody, NULL), 0);
    block_retry(b); /* nothing waits: no effect on what comes */
    disk.full = true;
    block_submit(b, &req);
    ck_assert_int_eq(block_drain(b), -ENOSPC);
    block_retry(b);
    ck_assert_int_eq(block_drain(b), -ENOSPC); /* stalled anew */
    __atomic_store_n(&disk.full, false, __ATOMIC_RELEASE);
    usleep(1500000);
    block_poll(b);
    ck_assert(!a.done);
    ck_assert_uint_eq(disk.writes, 2);
    block_retry(b);
    ck_assert_int_eq(block_drain(b), 0);
    ck_assert(a.done && a.result == 0);
    block_get_stats(b, &stats);
    ck_assert_uint_eq(stats.stalls, 2);
    disk.full = true; /* what is held does not keep the machine from ending */
    a.done = false;
    block_submit(b, &req);
    ck_assert_int_eq(block_drain(b), -ENOSPC);
    block_close(b);
}
END_TEST

/* Cancelled while queued, while it waits for room, and when done but not yet polled. */
START_TEST(test_cancel)
{
    static uint8_t buf[2][512];
    struct answer a[2] = {{0}, {0}};
    struct block_request req[2];
    struct mem_disk disk;
    struct block *b = mem_disk_open(&disk, 100);

    if (_i)
        ck_assert_int_eq(block_start(b, nobody, NULL), 0);
    for (unsigned i = 0; i < 2; i++)
        req[i] = (struct block_request){.op = BLOCK_WRITE,
                                        .sector = i,
                                        .count = 1,
                                        .buf = buf[i],
                                        .done = answered,
                                        .opaque = &a[i]};
    disk.full = true;
    block_submit(b, &req[0]);
    block_submit(b, &req[1]);
    ck_assert_int_eq(block_drain(b), -ENOSPC);
    block_cancel(b, &req[1]);
    block_cancel(b, &req[0]);
    ck_assert_int_eq(block_drain(b), 0);
    __atomic_store_n(&disk.full, false, __ATOMIC_RELEASE);
    block_submit(b, &req[0]);
    if (_i)
        usleep(20000);
    block_cancel(b, &req[0]);
    block_poll(b);
    ck_assert(!a[0].done && !a[1].done);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 0, 1, buf[0]), 0);
    block_close(b);
}
END_TEST

/* The medium is flushed when something may not be there: at first, and after each write, one that
 * failed too, until a flush succeeds. */
START_TEST(test_flush_once)
{
    static uint8_t buf[512];
    struct mem_disk disk;
    struct block *b = mem_disk_open(&disk, 100);

    ck_assert_int_eq(transfer(b, BLOCK_FLUSH, 0, 0, NULL), 0);
    ck_assert_uint_eq(disk.flushes, 1);
    ck_assert_int_eq(transfer(b, BLOCK_FLUSH, 0, 0, NULL), 0);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 0, 1, buf), 0);
    ck_assert_int_eq(transfer(b, BLOCK_FLUSH, 0, 0, NULL), 0);
    ck_assert_uint_eq(disk.flushes, 1);
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 1, 1, buf), 0);
    ck_assert_uint_eq(disk.flushes, 1);
    disk.leaky = true;
    ck_assert_int_eq(transfer(b, BLOCK_FLUSH, 0, 0, NULL), -EIO);
    ck_assert_int_eq(transfer(b, BLOCK_FLUSH, 0, 0, NULL), -EIO);
    ck_assert_uint_eq(disk.flushes, 3);
    disk.leaky = false;
    ck_assert_int_eq(transfer(b, BLOCK_FLUSH, 0, 0, NULL), 0);
    ck_assert_uint_eq(disk.flushes, 4);
    disk.bad = 3;
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 2, 1, buf), 0);
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 3, 1, buf), -EIO);
    ck_assert_int_eq(transfer(b, BLOCK_FLUSH, 0, 0, NULL), 0);
    ck_assert_int_eq(transfer(b, BLOCK_FLUSH, 0, 0, NULL), 0);
    ck_assert_uint_eq(disk.flushes, 5);
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 3, 1, buf), -EIO);
    ck_assert_int_eq(transfer(b, BLOCK_FLUSH, 0, 0, NULL), 0);
    ck_assert_uint_eq(disk.flushes, 6);
    block_close(b);
}
END_TEST

/* Closing carries out what was submitted, and a full disk does not hang it. */
START_TEST(test_close)
{
    static uint8_t buf[512];
    struct answer a = {0};
    struct block_request req = {
        .op = BLOCK_WRITE, .count = 1, .buf = buf, .done = answered, .opaque = &a};
    struct mem_disk disk;
    struct block *b = mem_disk_open(&disk, 100);

    ck_assert_int_eq(block_start(b, nobody, NULL), 0);
    disk.full = _i;
    block_submit(b, &req);
    ck_assert_int_eq(block_close(b), 0);
    ck_assert(!a.done);
    ck_assert_uint_ge(disk.writes, 1);
    ck_assert_uint_eq(disk.flushes, 1);
}
END_TEST

/* A notification ends the wait of a halted machine, also when it came before. */
START_TEST(test_notify)
{
    struct events ev;
    unsigned kicks = 0;
    uint64_t start = events_now();

    ck_assert_int_eq(events_start(&ev, -1, count_notes, &kicks), 0);
    events_notify(&ev);
    ck_assert_uint_eq(kicks, 1);
    events_wait(&ev, start + 60 * NS_PER_SEC, false);
    ck_assert_uint_lt(events_now() - start, 30 * NS_PER_SEC);
    start = events_now();
    events_wait(&ev, start + NS_PER_SEC / 20, false);
    ck_assert_uint_ge(events_now() - start, NS_PER_SEC / 20);
    events_stop(&ev);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block");
    TCase *tc = tcase_create("block");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tc, test_raw_read_write, 0, 2);
    tcase_add_test(tc, test_odd_size);
    tcase_add_test(tc, test_shrunk);
    tcase_add_test(tc, test_refused);
    tcase_add_test(tc, test_locks);
    tcase_add_test(tc, test_lock_of_qemu);
    tcase_add_test(tc, test_read_only);
    tcase_add_test(tc, test_snapshot);
    tcase_add_test(tc, test_commit);
    tcase_add_test(tc, test_format_stays);
    tcase_add_test(tc, test_queue_order);
    tcase_add_loop_test(tc, test_full_disk, 0, 2);
    tcase_add_test(tc, test_held);
    tcase_add_loop_test(tc, test_cancel, 0, 2);
    tcase_add_test(tc, test_flush_once);
    tcase_add_loop_test(tc, test_close, 0, 2);
    tcase_add_test(tc, test_notify);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
