/* The terminal: escape keys, input that waits, raw mode and every way out of it. */
#include "host/terminal.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct terminal t;

/* A device that takes at most `room` bytes and then is full. */
static struct {
    uint8_t got[200000];
    size_t n, room;
} dev;

static size_t dev_can_receive(void *opaque)
{
    (void)opaque;
    return dev.room;
}

static void dev_receive(void *opaque, const uint8_t *buf, size_t len)
{
    (void)opaque;
    ck_assert_uint_le(len, dev.room);
    memcpy(dev.got + dev.n, buf, len);
    dev.n += len;
    dev.room -= len;
}

static void start(int in, int out, bool escapes, size_t room)
{
    terminal_init(&t, in, out, escapes);
    t.dev.sink = (struct chardev_sink){.can_receive = dev_can_receive, .receive = dev_receive};
    dev.n = 0;
    dev.room = room;
}

START_TEST(escape_keys)
{
    static const struct {
        const char *in, *out;
        enum terminal_event ev;
    } rows[] = {
        {"abc", "abc", TERMINAL_NOTHING},      {"a\001xb", "a", TERMINAL_QUIT},
        {"\001h", "", TERMINAL_HELP},          {"\001?", "", TERMINAL_HELP},
        {"\001s", "", TERMINAL_STATS},         {"\001c", "", TERMINAL_MONITOR},
        {"\001a!", "\001!", TERMINAL_NOTHING}, {"\001\001x", "\001x", TERMINAL_NOTHING},
        {"\001zq", "q", TERMINAL_NOTHING},     {"x\001", "x", TERMINAL_NOTHING},
        {"\001a\001x", "\001", TERMINAL_QUIT},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct escape esc = {false};
        enum terminal_event ev = TERMINAL_NOTHING;
        char out[16] = "";
        unsigned n = 0;

        for (const char *c = rows[i].in; *c && ev == TERMINAL_NOTHING; c++) {
            uint8_t byte = (uint8_t)*c;
            bool to_guest;

            ev = escape_feed(&esc, &byte, &to_guest);
            if (to_guest)
                out[n++] = (char)byte;
        }
        ck_assert_int_eq(ev, rows[i].ev);
        ck_assert_str_eq(out, rows[i].out);
    }
}
END_TEST

START_TEST(pipe_input)
{
    int fd[2];

    ck_assert_int_eq(pipe(fd), 0);
    start(fd[0], -1, true, 3);
    ck_assert_int_eq(terminal_pump(&t), TERMINAL_NOTHING); /* does not block */
    ck_assert_int_eq(write(fd[1], "hello\001xmore\001h", 13), 13);
    close(fd[1]);
    ck_assert_int_eq(terminal_pump(&t), TERMINAL_QUIT);
    ck_assert_int_eq(terminal_pump(&t), TERMINAL_HELP);
    ck_assert_int_eq(terminal_pump(&t), TERMINAL_NOTHING);
    ck_assert_int_eq(terminal_pump(&t), TERMINAL_NOTHING);
    ck_assert(!terminal_wants_input(&t)); /* the end: no event, just no more */
    ck_assert_uint_eq(dev.n, 3);
    dev.room = 100;
    chardev_sink_ready(&t.dev);
    ck_assert_uint_eq(dev.n, 9);
    ck_assert_mem_eq(dev.got, "hellomore", 9);
    close(fd[0]);
}
END_TEST

static void to_monitor(void *opaque, const uint8_t *buf, size_t len)
{
    strncat(opaque, (const char *)buf, len);
}

/* What is typed goes to one of two; what the guest has not read yet stays its own. */
START_TEST(switched_input)
{
    char monitor[16] = "";
    int fd[2];

    ck_assert_int_eq(pipe(fd), 0);
    start(fd[0], -1, true, 3);
    t.other = (struct chardev_sink){.receive = to_monitor, .dev = monitor};
    ck_assert_int_eq(write(fd[1], "guest\001cstop\001cmore", 17), 17);
    ck_assert_int_eq(terminal_pump(&t), TERMINAL_MONITOR);
    t.to_other = true;
    ck_assert_int_eq(terminal_pump(&t), TERMINAL_MONITOR);
    t.to_other = false;
    ck_assert_int_eq(terminal_pump(&t), TERMINAL_NOTHING);
    ck_assert_str_eq(monitor, "stop");
    dev.room = 100;
    chardev_sink_ready(&t.dev);
    ck_assert_uint_eq(dev.n, 9);
    ck_assert_mem_eq(dev.got, "guestmore", 9);
    close(fd[0]);
    close(fd[1]);
}
END_TEST

START_TEST(no_byte_of_a_pipe_is_lost)
{
    char name[] = "/tmp/dragoman-termXXXXXX";
    int fd = mkstemp(name);
    uint8_t block[1000];

    unlink(name);
    for (unsigned i = 0; i < 150; i++) {
        memset(block, (int)i, sizeof(block));
        ck_assert_int_eq(write(fd, block, sizeof(block)), sizeof(block));
    }
    lseek(fd, 0, SEEK_SET);
    start(fd, -1, false, 0);
    for (unsigned i = 0; i < 2000; i++)
        ck_assert_int_eq(terminal_pump(&t), TERMINAL_NOTHING);
    ck_assert(!terminal_wants_input(&t)); /* full: leave the rest in the pipe */
    for (unsigned i = 0; i < 200000 && dev.n < 150000; i++) {
        dev.room = 77;
        terminal_pump(&t);
    }
    ck_assert_uint_eq(dev.n, 150000);
    for (unsigned i = 0; i < 150000; i++)
        ck_assert_uint_eq(dev.got[i], (i / 1000) & 0xFF);
    close(fd);
}
END_TEST

START_TEST(output)
{
    int fd[2];
    char buf[32] = "";

    ck_assert_int_eq(pipe(fd), 0);
    start(-1, fd[1], false, 0);
    chardev_write(&t.dev, (const uint8_t *)"abc", 3);
    terminal_say(&t, "x\ny");
    ck_assert_int_eq(read(fd[0], buf, sizeof(buf)), 6);
    ck_assert_str_eq(buf, "abcx\ny");
    ck_assert(!terminal_wants_input(&t));
    ck_assert_int_eq(terminal_pump(&t), TERMINAL_NOTHING);
    close(fd[0]);
    close(fd[1]);
}
END_TEST

START_TEST(full_disk)
{
    int fd = open("/dev/full", O_WRONLY);

    start(-1, fd, false, 0);
    chardev_write(&t.dev, (const uint8_t *)"abc", 3);
    ck_assert_int_eq(t.out_error, ENOSPC);
    chardev_write(&t.dev, (const uint8_t *)"abc", 3);
    close(fd);
}
END_TEST

static int open_pty(int *master)
{
    int slave;

    *master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(*master, 0);
    ck_assert_int_eq(grantpt(*master), 0);
    ck_assert_int_eq(unlockpt(*master), 0);
    slave = open(ptsname(*master), O_RDWR | O_NOCTTY);
    ck_assert_int_ge(slave, 0);
    return slave;
}

static bool is_raw(int fd)
{
    struct termios mode;

    ck_assert_int_eq(tcgetattr(fd, &mode), 0);
    return !(mode.c_lflag & (ICANON | ISIG | ECHO));
}

START_TEST(raw_and_back)
{
    int master;
    int slave = open_pty(&master);
    struct termios before, after;

    tcgetattr(slave, &before);
    start(slave, slave, true, 0);
    ck_assert(t.is_tty);
    ck_assert_int_eq(terminal_enter_raw(&t), 0);
    ck_assert_int_eq(terminal_enter_raw(&t), 0);
    ck_assert(is_raw(slave));
    terminal_restore(&t);
    terminal_restore(&t);
    tcgetattr(slave, &after);
    ck_assert_uint_eq(before.c_lflag, after.c_lflag);
    ck_assert_uint_eq(before.c_iflag, after.c_iflag);
    ck_assert_uint_eq(before.c_oflag, after.c_oflag);
    close(slave);
    close(master);
}
END_TEST

/* The keys work although the guest never reads, however much was typed before. */
START_TEST(quit_with_a_deaf_guest)
{
    int master;
    int slave = open_pty(&master);
    uint8_t block[256];

    memset(block, 'k', sizeof(block));
    start(slave, slave, true, 0);
    ck_assert_int_eq(terminal_enter_raw(&t), 0);
    for (unsigned i = 0; i < 400; i++) {
        ck_assert_int_eq(write(master, block, sizeof(block)), sizeof(block));
        while (terminal_wants_input(&t) && t.chunk_at == t.chunk_len) {
            uint32_t head = t.head;

            ck_assert_int_eq(terminal_pump(&t), TERMINAL_NOTHING);
            if (t.head == head)
                break;
        }
    }
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(terminal_pump(&t), TERMINAL_NOTHING);
    ck_assert_int_eq(write(master, "\001x", 2), 2);
    enum terminal_event ev = TERMINAL_NOTHING;

    for (unsigned i = 0; i < 1000 && ev == TERMINAL_NOTHING; i++)
        ev = terminal_pump(&t);
    ck_assert_int_eq(ev, TERMINAL_QUIT);
    terminal_restore(&t);
    close(slave);
    close(master);
}
END_TEST

static const int fatal[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT};

START_TEST(fatal_signal_restores)
{
    int master, status;
    int slave = open_pty(&master);
    int ready[2];
    char c;
    pid_t pid;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        start(slave, slave, true, 0);
        if (terminal_hook_signals(&t) < 0 || terminal_enter_raw(&t) < 0)
            _exit(1);
        (void)!write(ready[1], "r", 1);
        if (fatal[_i] == SIGABRT)
            abort();
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    if (fatal[_i] != SIGABRT) {
        ck_assert(is_raw(slave));
        kill(pid, fatal[_i]);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), fatal[_i]);
    ck_assert(!is_raw(slave));
    close(slave);
    close(master);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("terminal");
    TCase *tc = tcase_create("terminal");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, escape_keys);
    tcase_add_test(tc, pipe_input);
    tcase_add_test(tc, switched_input);
    tcase_add_test(tc, no_byte_of_a_pipe_is_lost);
    tcase_add_test(tc, output);
    tcase_add_test(tc, full_disk);
    tcase_add_test(tc, raw_and_back);
    tcase_add_test(tc, quit_with_a_deaf_guest);
    tcase_add_loop_test(tc, fatal_signal_restores, 0, ARRAY_SIZE(fatal));
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
