#include "host/terminal.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { CTRL_A = 0x01 };

const char terminal_help[] = "\n"
                             "Ctrl-A x  leave: stop the machine\n"
                             "Ctrl-A c  to the monitor, and back to the guest\n"
                             "Ctrl-A s  print counters\n"
                             "Ctrl-A a  send Ctrl-A to the guest\n"
                             "Ctrl-A h  this text\n";

static const struct {
    uint8_t key;
    enum terminal_event event;
} keys[] = {
    {'x', TERMINAL_QUIT}, {'X', TERMINAL_QUIT},  {'h', TERMINAL_HELP},
    {'?', TERMINAL_HELP}, {'s', TERMINAL_STATS}, {'c', TERMINAL_MONITOR},
};

enum terminal_event escape_feed(struct escape *e, uint8_t *byte, bool *to_guest)
{
    bool armed = e->armed;

    e->armed = !armed && *byte == CTRL_A;
    *to_guest = !armed && !e->armed;
    if (!armed)
        return TERMINAL_NOTHING;
    if (*byte == 'a' || *byte == CTRL_A) {
        *byte = CTRL_A;
        *to_guest = true;
        return TERMINAL_NOTHING;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].key == *byte)
            return keys[i].event;
    return TERMINAL_NOTHING;
}

static void device_write(void *opaque, const uint8_t *buf, size_t len)
{
    terminal_write(opaque, buf, len);
}

static uint32_t waiting(const struct terminal *t)
{
    return t->head - t->tail;
}

/* Gives the device as much of the queue as it takes. */
static void feed_device(struct terminal *t)
{
    const struct chardev_sink *sink = &t->dev.sink;

    while (sink->receive && waiting(t) > 0) {
        uint32_t at = t->tail % TERMINAL_QUEUE;
        size_t len = waiting(t);
        size_t room = sink->can_receive(sink->dev);

        if (len > TERMINAL_QUEUE - at)
            len = TERMINAL_QUEUE - at;
        if (len > room)
            len = room;
        if (len == 0)
            return;
        /* Move on first: receive() may call sink_ready() and so come back here. */
        t->tail += (uint32_t)len;
        sink->receive(sink->dev, t->queue + at, len);
    }
}

static void device_ready(void *opaque)
{
    feed_device(opaque);
}

void terminal_init(struct terminal *t, int in_fd, int out_fd, bool escapes)
{
    memset(t, 0, sizeof(*t));
    t->in_fd = in_fd;
    t->out_fd = out_fd;
    t->escapes = escapes;
    t->is_tty = in_fd >= 0 && tcgetattr(in_fd, &t->original) == 0;
    t->dev.write = device_write;
    t->dev.sink_ready = device_ready;
    t->dev.opaque = t;
}

/* A background process that sets terminal modes is stopped by SIGTTOU (POSIX, XBD 11.1.4): the
 * way out must not end there. */
static void set_mode(int fd, const struct termios *mode)
{
    sigset_t ttou, old;
    int rc;

    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    sigprocmask(SIG_BLOCK, &ttou, &old);
    do
        rc = tcsetattr(fd, TCSANOW, mode);
    while (rc < 0 && errno == EINTR);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

int terminal_enter_raw(struct terminal *t)
{
    if (!t->is_tty || t->raw)
        return 0;
    t->raw_mode = t->original;
    cfmakeraw(&t->raw_mode);
    t->raw_mode.c_cc[VMIN] = 1;
    t->raw_mode.c_cc[VTIME] = 0;
    t->raw = 1;
    if (tcsetattr(t->in_fd, TCSANOW, &t->raw_mode) < 0) {
        t->raw = 0;
        return -errno;
    }
    return 0;
}

void terminal_set_leave(struct terminal *t, const char *text)
{
    size_t len = strlen(text);

    assert(len < sizeof(t->leave));
    t->leave_len = 0; /* a signal in between finds nothing rather than a mixture */
    memcpy(t->leave, text, len);
    t->leave_len = (sig_atomic_t)len;
}

void terminal_restore(struct terminal *t)
{
    int saved_errno = errno;

    if (t->raw) {
        t->raw = 0;
        if (write(t->out_fd, t->leave, (size_t)t->leave_len) < 0)
            t->out_error = errno;
        set_mode(t->in_fd, &t->original);
    }
    errno = saved_errno;
}

/* The one thing that cannot hang off a struct: a signal handler has no argument. */
static struct terminal *volatile hooked;

void terminal_restore_hooked(void)
{
    struct terminal *t = hooked;

    if (t)
        terminal_restore(t);
}

/* The guest's alignment-check flag survives into signal handlers, where it would turn a harmless
 * access of ours into SIGBUS. */
static void clear_alignment_check(void)
{
    /* The red zone below RSP belongs to the compiler. */
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
                     "pushfq\n\t"
                     "andq $~0x40000, (%%rsp)\n\t"
                     "popfq\n\t"
                     "lea 128(%%rsp), %%rsp"
                     :
                     :
                     : "cc", "memory");
}

static void on_fatal(int sig)
{
    sigset_t set;

    clear_alignment_check();
    terminal_restore_hooked();
    signal(sig, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, sig);
    raise(sig);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void on_continue(int sig)
{
    struct terminal *t = hooked;
    int saved_errno = errno;

    (void)sig;
    clear_alignment_check();
    if (t && t->raw && tcgetpgrp(t->in_fd) == getpgrp())
        set_mode(t->in_fd, &t->raw_mode);
    errno = saved_errno;
}

static const struct {
    int sig;
    void (*handler)(int sig);
} hooks[] = {
    {SIGTERM, on_fatal}, {SIGINT, on_fatal}, {SIGHUP, on_fatal},     {SIGQUIT, on_fatal},
    {SIGABRT, on_fatal}, {SIGPIPE, SIG_IGN}, {SIGCONT, on_continue},
};

int terminal_hook_signals(struct terminal *t)
{
    hooked = t;
    for (unsigned i = 0; i < ARRAY_SIZE(hooks); i++) {
        struct sigaction sa = {.sa_handler = t ? hooks[i].handler : SIG_DFL,
                               .sa_flags = SA_ONSTACK | SA_RESTART};

        sigfillset(&sa.sa_mask);
        if (sigaction(hooks[i].sig, &sa, NULL) < 0)
            return -errno;
    }
    return 0;
}

/* Sorts the chunk into keys and guest input, up to and with the first key. */
static enum terminal_event take_chunk(struct terminal *t)
{
    while (t->chunk_at < t->chunk_len) {
        uint8_t byte = t->chunk[t->chunk_at++];
        enum terminal_event ev = TERMINAL_NOTHING;
        bool to_guest = true;

        if (t->escapes)
            ev = escape_feed(&t->escape, &byte, &to_guest);
        if (to_guest && t->to_other) {
            t->other.receive(t->other.dev, &byte, 1);
            to_guest = false;
        }
        /* A full queue drops what is typed, as a terminal does; pipes are not read then. */
        if (to_guest && waiting(t) < TERMINAL_QUEUE)
            t->queue[t->head++ % TERMINAL_QUEUE] = byte;
        if (ev != TERMINAL_NOTHING)
            return ev;
    }
    return TERMINAL_NOTHING;
}

bool terminal_wants_input(const struct terminal *t)
{
    bool room = waiting(t) <= TERMINAL_QUEUE - sizeof(t->chunk);

    return t->in_fd >= 0 && !t->in_end && (t->is_tty || room);
}

/* One read that cannot block. */
static void read_chunk(struct terminal *t)
{
    struct pollfd p = {.fd = t->in_fd, .events = POLLIN};
    ssize_t n;

    if (!terminal_wants_input(t) || poll(&p, 1, 0) <= 0)
        return;
    n = read(t->in_fd, t->chunk, sizeof(t->chunk));
    t->chunk_at = 0;
    t->chunk_len = n > 0 ? (uint16_t)n : 0;
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        t->in_end = true;
}

enum terminal_event terminal_pump(struct terminal *t)
{
    enum terminal_event ev;

    feed_device(t);
    if (t->chunk_at == t->chunk_len)
        read_chunk(t);
    ev = take_chunk(t);
    feed_device(t);
    return ev;
}

static void write_all(struct terminal *t, const uint8_t *buf, size_t len)
{
    while (len > 0 && t->out_error == 0) {
        ssize_t n = write(t->out_fd, buf, len);

        if (n >= 0) {
            buf += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = t->out_fd, .events = POLLOUT};

            poll(&p, 1, -1);
        } else if (errno != EINTR) {
            t->out_error = errno;
        }
    }
}

void terminal_write(struct terminal *t, const void *buf, size_t len)
{
    int saved_errno = errno;

    write_all(t, buf, len);
    errno = saved_errno;
}

void terminal_say(struct terminal *t, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");

        terminal_write(t, text, len);
        text += len;
        if (*text == '\n') {
            terminal_write(t, t->raw ? "\r\n" : "\n", t->raw ? 2 : 1);
            text++;
        }
    }
}
