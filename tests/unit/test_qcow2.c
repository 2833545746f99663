/* qcow2: images made by hand, corrupt ones, and images of qemu-img's making, which also judges what
 * was written (left out when it is not installed). */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/block.h"

#include "block_rig.h"
#include "block_sync.h"
#include "dev_harness.h"
#include "qcow2_rig.h"

static char dir[64];

static const char *in_dir(char *buf, const char *name)
{
    snprintf(buf, 128, "%s/%s", dir, name);
    return buf;
}

static void write_file(const char *name, const void *bytes, size_t len)
{
    char path[128];
    int fd = open(in_dir(path, name), O_RDWR | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

static int try_open(struct block **b, const char *name, bool read_only, struct block_error *err)
{
    char path[128];
    const struct block_options opt = {.path = in_dir(path, name), .read_only = read_only};

    err->text[0] = '\0';
    return block_open(b, &opt, err);
}

static struct block *open_ok(const char *name, bool read_only)
{
    struct block_error err;
    struct block *b = NULL;

    ck_assert_msg(try_open(&b, name, read_only, &err) == 0, "%s", err.text);
    return b;
}

static void open_fails(const char *name, const char *says)
{
    struct block_error err;
    struct block *b;

    ck_assert_int_lt(try_open(&b, name, false, &err), 0);
    ck_assert_msg(strstr(err.text, says) != NULL, "\"%s\" does not say \"%s\"", err.text, says);
}

static uint32_t rnd(uint64_t *x, uint32_t below)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return (uint32_t)(*x >> 32) % below;
}

/* ---- by hand ---- */

START_TEST(test_handmade)
{
    uint8_t image[Q_BYTES], buf[2 * Q_CLUSTER], back[Q_DISK];
    struct block *b;

    qcow2_make(image);
    write_file("h.qcow2", image, sizeof(image));
    b = open_ok("h.qcow2", false);
    ck_assert_uint_eq(block_sectors(b), Q_DISK / 512);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 0, 16, buf), 0);
    ck_assert_uint_eq(buf[Q_CLUSTER - 1], 0xd1);
    ck_assert_uint_eq(buf[Q_CLUSTER], 0);
    memset(buf, 0x22, sizeof(buf));
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 7, 3, buf), 0);
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 2000, 16, buf), 0);
    ck_assert_int_eq(block_close(b), 0);
    b = open_ok("h.qcow2", true);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 0, Q_DISK / 512, back), 0);
    for (unsigned i = 0; i < Q_DISK; i++) {
        unsigned s = i / 512;
        uint8_t want = (s >= 7 && s < 10) || (s >= 2000 && s < 2016) ? 0x22 : s < 7 ? 0xd1 : 0;

        ck_assert_msg(back[i] == want, "byte %u: %x, not %x", i, back[i], want);
    }
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 0, 1, buf), -EROFS);
    block_close(b);
}
END_TEST

struct patch {
    uint32_t at, bytes;
    uint64_t val;
    const char *says;
};

static void apply(uint8_t *image, const struct patch *p)
{
    if (p->bytes == 2)
        st16be(image + p->at, (uint16_t)p->val);
    else if (p->bytes == 4)
        st32be(image + p->at, (uint32_t)p->val);
    else
        st64be(image + p->at, p->val);
}

/* Each is refused when it is opened, with its reason. */
static const struct patch bad_headers[] = {
    {4, 4, 4, "version 4"},
    {4, 4, 1, "version 1"},
    {20, 4, 8, "2^8 bytes"},
    {20, 4, 40, "2^40 bytes"},
    {24, 8, 0, "0 bytes"},
    {24, 8, UINT64_C(1) << 60, "a disk of"},
    {24, 8, 3 << 20, "L1 table"},
    {32, 4, 1, "encrypted"},
    {36, 4, 0x7fffffff, "L1 table"},
    {40, 8, Q_L1 + 512, "L1 table"},
    {40, 8, 0, "L1 table"},
    {40, 8, UINT64_C(0xfffffffffffff000), "L1 table"},
    {40, 8, Q_RT, "another table"},
    {48, 8, Q_BYTES, "refcount table"},
    {48, 8, 0, "refcount table"},
    {56, 4, 0, "refcount table"},
    {56, 4, 0xffffffff, "refcount table"},
    {72, 8, 1, "not closed cleanly"},
    {72, 8, 2, "marked as corrupt"},
    {72, 8, 4, "another file"},
    {72, 8, 16, "extended_l2"},
    {72, 8, 1 << 9, "unknown features 0x200"},
    {96, 4, 7, "2^7 bits"},
    {100, 4, 100, "header of 100"},
    {100, 4, 0x10000, "header of"},
    {Q_RT, 8, Q_L1, "another table"},
    {Q_RT, 8, Q_BLOCK + 8, "refcount block"},
    {Q_RT, 8, Q_BYTES, "refcount block"},
    {Q_L1, 8, Q_L1 | Q_COPIED, "another table"},
    {Q_L1, 8, Q_L2 + 512, "L2 table"},
    {Q_L1, 8, UINT64_C(1) << 50, "L2 table"},
    {Q_L1, 8, Q_L2 | 1, "L2 table entry"},
};

START_TEST(test_bad_header)
{
    uint8_t image[Q_BYTES];

    qcow2_make(image);
    apply(image, &bad_headers[_i]);
    write_file("bad.qcow2", image, sizeof(image));
    open_fails("bad.qcow2", bad_headers[_i].says);
}
END_TEST

/* Each is found out by an access: first a read, then a write of the first sector. */
static const struct {
    struct patch patch;
    int read, write;
} bad_tables[] = {
    {{Q_L2, 8, (Q_DATA + 512) | Q_COPIED, "L2 entry"}, -EIO, -EIO},
    {{Q_L2, 8, Q_BYTES | Q_COPIED, "L2 entry"}, -EIO, -EIO},
    {{Q_L2, 8, Q_L1 | Q_COPIED, "L2 entry"}, -EIO, -EIO},
    {{Q_L2, 8, Q_DATA | 2, "L2 entry"}, -EIO, -EIO},
    {{Q_L2, 8, UINT64_C(1) << 62 | UINT64_C(1) << 40, "L2 entry"}, -EIO, -EIO},
    {{Q_L2, 8, UINT64_C(1) << 62 | Q_DATA, "compressed data"}, -EIO, -EIO},
    {{Q_BLOCK + 10, 2, 2, "2 users"}, 0, -EIO},
    {{Q_BLOCK + 10, 2, 0, "0 users"}, 0, -EIO},
};

START_TEST(test_bad_table)
{
    uint8_t image[Q_BYTES], buf[512] = {0};
    struct block_error err;
    struct block *b;

    qcow2_make(image);
    apply(image, &bad_tables[_i].patch);
    write_file("bad.qcow2", image, sizeof(image));
    b = open_ok("bad.qcow2", false);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 0, 1, buf), bad_tables[_i].read);
    ck_assert_int_eq(block_take_report(b, &err), bad_tables[_i].read != 0);
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 0, 1, buf), bad_tables[_i].write);
    ck_assert(block_take_report(b, &err));
    ck_assert_msg(strstr(err.text, bad_tables[_i].patch.says) != NULL, "%s", err.text);
    block_close(b);
}
END_TEST

/* Tables that the refcounts say are free are not given out. */
START_TEST(test_table_called_free)
{
    uint8_t image[Q_BYTES], buf[512] = {0};
    struct block_error err;
    struct block *b;

    qcow2_make(image);
    st16be(image + Q_BLOCK + 2 * 3, 0);
    write_file("bad.qcow2", image, sizeof(image));
    b = open_ok("bad.qcow2", false);
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 100, 1, buf), -EIO);
    ck_assert(block_take_report(b, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "free cluster"));
    block_close(b);
    memset(image + Q_BLOCK, 0xff, Q_CLUSTER); /* nothing is free, for as far as one can see */
    st64be(image + Q_RT + 8, Q_BYTES - Q_CLUSTER);
    memset(image + Q_DATA, 0xff, Q_CLUSTER);
    st64be(image + Q_L2, 0);
    write_file("bad.qcow2", image, sizeof(image));
    b = open_ok("bad.qcow2", false);
    transfer(b, BLOCK_WRITE, 100, 1, buf);
    block_close(b);
}
END_TEST

/* Somebody shortens the file, or writes to it, while the guest runs: errors and a sentence, and
 * what is whole is read. */
START_TEST(test_changes_under_us)
{
    uint8_t image[Q_BYTES], buf[2 * 512] = {0};
    char path[128];
    struct block_error err;
    struct block *b;

    qcow2_make(image);
    write_file("short.qcow2", image, sizeof(image));
    b = open_ok("short.qcow2", false);
    ck_assert_int_eq(truncate(in_dir(path, "short.qcow2"), Q_DATA + 1024), 0);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 0, 2, buf), 0);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 2, 1, buf), -EIO);
    ck_assert_int_eq(truncate(path, Q_L2), 0);
    ck_assert_int_eq(transfer(b, BLOCK_READ, 0, 1, buf), -EIO);
    block_close(b);
    write_file("short.qcow2", image, Q_L2); /* a copy that ended early */
    open_fails("short.qcow2", "L2 table");
    qcow2_make(image);
    write_file("short.qcow2", image, sizeof(image));
    b = open_ok("short.qcow2", false);
    st64be(image + Q_L2, Q_L1 | Q_COPIED);
    write_file("short.qcow2", image, sizeof(image));
    ck_assert_int_eq(transfer(b, BLOCK_WRITE, 0, 1, buf), -EIO);
    ck_assert(block_take_report(b, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "L2 entry"));
    block_close(b);
}
END_TEST

START_TEST(test_bad_backing)
{
    uint8_t image[Q_BYTES];

    qcow2_make(image);
    st64be(image + 8, 200);
    st32be(image + 16, 9);
    memcpy(image + 200, "bad.qcow2", 9); /* itself */
    write_file("bad.qcow2", image, sizeof(image));
    open_fails("bad.qcow2", "in use");
    memcpy(image + 200, "nbd:host1", 9);
    write_file("bad.qcow2", image, sizeof(image));
    open_fails("bad.qcow2", "not a file here");
    memcpy(image + 200, "not-there", 9);
    write_file("bad.qcow2", image, sizeof(image));
    open_fails("bad.qcow2", "not-there: No such file");
    memcpy(image + 200, "not\0there", 9);
    write_file("bad.qcow2", image, sizeof(image));
    open_fails("bad.qcow2", "name of the backing file");
    st32be(image + 16, 5000);
    write_file("bad.qcow2", image, sizeof(image));
    open_fails("bad.qcow2", "name of the backing file");
    memcpy(image + 200, "other.qc2", 9); /* two that stand on each other */
    st32be(image + 16, 9);
    write_file("bad.qcow2", image, sizeof(image));
    memcpy(image + 200, "bad2.qcow", 9);
    write_file("other.qc2", image, sizeof(image));
    memcpy(image + 200, "other.qc2", 9);
    write_file("bad2.qcow", image, sizeof(image));
    open_fails("bad.qcow2", "no end");
    st32be(image + 104, 0xe2792aca);
    st32be(image + 108, 4);
    memcpy(image + 112, "vmdk", 4);
    write_file("bad.qcow2", image, sizeof(image));
    open_fails("bad.qcow2", "\"vmdk\"");
    st32be(image + 108, 4000);
    write_file("bad.qcow2", image, sizeof(image));
    open_fails("bad.qcow2", "header extension");
}
END_TEST

/* ---- with qemu-img ---- */

static int run(const char *fmt, ...) PRINTF_LIKE(1, 2);

static int run(const char *fmt, ...)
{
    char cmd[1024], full[1200];
    va_list ap;
    int rc;

    va_start(ap, fmt);
    vsnprintf(cmd, sizeof(cmd), fmt, ap);
    va_end(ap);
    snprintf(full, sizeof(full), "cd %s && { %s; } >log 2>&1", dir, cmd);
    rc = system(full);
    return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static void must_run(const char *cmd)
{
    ck_assert_msg(run("%s", cmd) == 0, "failed: %s (see %s/log)", cmd, dir);
}

enum { DISK = 12 << 20 };

struct variant {
    const char *make; /* shell; leaves t.qcow2 */
    bool patterned;   /* it begins with the pattern of p.raw */
    bool kept;        /* a snapshot "s" has the pattern */
};

#define FROM_PATTERN "qemu-img convert -q -f raw -O qcow2 "

static const struct variant variants[] = {
    {"qemu-img create -q -f qcow2 t.qcow2 12M", false, false},
    {"qemu-img create -q -f qcow2 -o compat=0.10 t.qcow2 12M", false, false},
    {"qemu-img create -q -f qcow2 -o cluster_size=512 t.qcow2 12M", false, false},
    {"qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=64 t.qcow2 12M", false, false},
    {"qemu-img create -q -f qcow2 -o cluster_size=1k,refcount_bits=1 t.qcow2 12M", false, false},
    {"qemu-img create -q -f qcow2 -o cluster_size=4k,refcount_bits=8 t.qcow2 12M", false, false},
    {"qemu-img create -q -f qcow2 -o cluster_size=2M t.qcow2 12M", false, false},
    {"qemu-img create -q -f qcow2 -o preallocation=metadata t.qcow2 12M", false, false},
    {"qemu-img create -q -f qcow2 -o lazy_refcounts=on t.qcow2 12M", false, false},
    {FROM_PATTERN "p.raw t.qcow2", true, false},
    {FROM_PATTERN "-c p.raw t.qcow2", true, false},
    {FROM_PATTERN "-c -o cluster_size=4k p.raw t.qcow2", true, false},
    {FROM_PATTERN "-c -o compression_type=zstd p.raw t.qcow2", true, false},
    {FROM_PATTERN "-o cluster_size=4k,refcount_bits=2 p.raw t.qcow2 &&"
                  "qemu-img snapshot -c s t.qcow2",
     true, true},
    {FROM_PATTERN "-c p.raw t.qcow2 && qemu-img snapshot -c s t.qcow2", true, true},
    {"qemu-img create -q -f qcow2 -b p.raw -F raw t.qcow2", true, false},
    {FROM_PATTERN "-c p.raw b.qcow2 && qemu-img create -q -f qcow2 -b b.qcow2 -F qcow2 m.qcow2 &&"
                  "qemu-img create -q -f qcow2 -o cluster_size=4k -b m.qcow2 -F qcow2 t.qcow2",
     true, false},
    /* zero clusters with and without data behind them */
    {FROM_PATTERN "p.raw t.qcow2 && qemu-io -f qcow2 -c 'write -z 0 4M' -c 'write -z -u 4M 4M'"
                  " t.qcow2 && qemu-io -f raw -c 'write -z 0 8M' p.raw",
     true, false},
};

static uint8_t model[DISK], got[DISK];

/* Some of it empty, some of it compressible. */
static void make_pattern(void)
{
    uint64_t x = 88172645463325252;

    memset(model, 0, sizeof(model));
    for (unsigned i = 0; i < 200; i++) {
        unsigned at = rnd(&x, DISK / 4096) * 4096, kind = rnd(&x, 3),
                 len = 4096 * (1 + rnd(&x, 30));

        for (unsigned k = at; k < at + len && k < DISK; k++)
            model[k] = kind == 0 ? (uint8_t)rnd(&x, 256) : (uint8_t)(at >> 12);
    }
    write_file("p.raw", model, sizeof(model));
}

static void load_model(void)
{
    char path[128];
    int fd = open(in_dir(path, "p.raw"), O_RDONLY);

    ck_assert_int_eq(read(fd, model, sizeof(model)), (ssize_t)sizeof(model));
    close(fd);
}

static void compare_all(struct block *b)
{
    ck_assert_int_eq(transfer(b, BLOCK_READ, 0, DISK / 512, got), 0);
    for (unsigned i = 0; i < DISK; i += 512)
        ck_assert_msg(memcmp(got + i, model + i, 512) == 0, "sector %u", i / 512);
}

static void write_at_random(struct block *b, uint64_t seed, unsigned n)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15 + 1;

    for (unsigned i = 0; i < n; i++) {
        unsigned sector = rnd(&x, DISK / 512), max = DISK / 512 - sector;
        unsigned count = 1 + rnd(&x, rnd(&x, 4) ? 16 : 600);

        if (count > max)
            count = max;
        memset(model + sector * 512, (int)rnd(&x, 256), count * 512);
        ck_assert_int_eq(transfer(b, BLOCK_WRITE, sector, count, model + sector * 512), 0);
        if (rnd(&x, 50) == 0)
            ck_assert_int_eq(transfer(b, BLOCK_FLUSH, 0, 0, NULL), 0);
        sector = rnd(&x, DISK / 512 - 64);
        ck_assert_int_eq(transfer(b, BLOCK_READ, sector, 64, got), 0);
        ck_assert_int_eq(memcmp(got, model + sector * 512, 64 * 512), 0);
    }
}

START_TEST(test_against_qemu_img)
{
    const struct variant *v = &variants[_i];
    struct block *b;

    make_pattern();
    must_run(v->make);
    if (v->patterned)
        load_model();
    else
        memset(model, 0, sizeof(model));
    write_file("before.raw", model, sizeof(model));
    b = open_ok("t.qcow2", false);
    compare_all(b);
    write_at_random(b, (uint64_t)_i + 1, 250);
    compare_all(b);
    ck_assert_int_eq(block_close(b), 0);
    must_run("qemu-img check t.qcow2");
    write_file("want.raw", model, sizeof(model));
    must_run("qemu-img compare -f raw -F qcow2 want.raw t.qcow2");
    b = open_ok("t.qcow2", false); /* and again, on what we wrote */
    compare_all(b);
    write_at_random(b, (uint64_t)_i + 100, 50);
    ck_assert_int_eq(block_close(b), 0);
    must_run("qemu-img check t.qcow2");
    if (v->kept)
        must_run("qemu-img snapshot -a s t.qcow2 && qemu-img check t.qcow2 &&"
                 "qemu-img compare -f raw -F qcow2 before.raw t.qcow2");
}
END_TEST

/* A process that dies at any moment: what was flushed is there, and at worst clusters are lost. */
START_TEST(test_killed)
{
    static uint8_t sector[512];
    int fds[2], status;
    uint64_t flushed = 0, n;
    struct block *b;
    pid_t pid;

    must_run("rm -f t.qcow2; qemu-img create -q -f qcow2 -o cluster_size=4k t.qcow2 12M");
    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        b = open_ok("t.qcow2", false);
        for (n = 1;; n++) {
            st64(sector, n);
            for (unsigned k = 0; k < 3; k++)
                transfer(b, BLOCK_WRITE, (n * 37 + k * 9001) % (DISK / 512), 1, sector);
            transfer(b, BLOCK_WRITE, n % 1000, 1, sector);
            if (n % 7 == 0 && (transfer(b, BLOCK_FLUSH, 0, 0, NULL) != 0 ||
                               write(fds[1], &n, sizeof(n)) != sizeof(n)))
                _exit(1);
        }
    }
    close(fds[1]);
    usleep(30000 + (unsigned)_i * 17000);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    while (read(fds[0], &n, sizeof(n)) == sizeof(n))
        flushed = n;
    close(fds[0]);
    ck_assert_int_ne(run("qemu-img check t.qcow2"), 2); /* 2: corrupt; 3: leaks */
    b = open_ok("t.qcow2", false);
    for (n = flushed > 900 ? flushed - 900 : 1; n <= flushed; n++) {
        uint64_t seen;

        ck_assert_int_eq(transfer(b, BLOCK_READ, n % 1000, 1, sector), 0);
        seen = ld64(sector);
        ck_assert_msg(seen >= n, "sector of write %llu has %llu", (unsigned long long)n,
                      (unsigned long long)seen);
    }
    block_close(b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("qcow2");
    TCase *tc = tcase_create("qcow2");
    SRunner *runner;
    int failed;

    strcpy(dir, "/tmp/test-qcow2-XXXXXX");
    if (!mkdtemp(dir))
        return EXIT_FAILURE;
    tcase_set_timeout(tc, 60); /* flushes wait for the host's disk */
    tcase_add_test(tc, test_handmade);
    tcase_add_loop_test(tc, test_bad_header, 0, ARRAY_SIZE(bad_headers));
    tcase_add_loop_test(tc, test_bad_table, 0, ARRAY_SIZE(bad_tables));
    tcase_add_test(tc, test_table_called_free);
    tcase_add_test(tc, test_changes_under_us);
    tcase_add_test(tc, test_bad_backing);
    if (run("qemu-img --version && qemu-io --version") == 0) {
        tcase_add_loop_test(tc, test_against_qemu_img, 0, ARRAY_SIZE(variants));
        tcase_add_loop_test(tc, test_killed, 0, 8);
    } else {
        puts("no qemu-img: images of its making are left out");
    }
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (!failed)
        run("rm -rf %s", dir);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
