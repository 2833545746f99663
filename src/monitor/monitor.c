#include "monitor/monitor.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "monitor/socket.h"

enum { CHUNK = 4096, CLOSE_MS = 500, MAX_EVENTS = 16 };

/* One address and who talks there. */
struct port {
    struct monitor_config cfg;
    int listen_fd; /* -1: none */
    int fd;        /* the client's; -1: none, or the terminal */
    bool open;     /* a session goes on */
    bool input_end;
    uint32_t watched; /* EPOLLIN, EPOLLOUT of fd */
    struct mon_session session;
    uint8_t chunk[CHUNK]; /* read, but not fed: [at, len) */
    size_t at, len;
};

struct monitor {
    struct monitor_machine machine;
    struct terminal *terminal;
    struct port *on_terminal; /* whose session the terminal's is; NULL: none */
    struct port *pumped;      /* whose command runs, perhaps; it must stay */
    struct mon_keys keys;
    int epoll_fd;
    unsigned n;
    struct port port[MONITOR_MAX + 1];
};

static int fail(struct monitor_error *err, int code, const char *what, const char *why)
{
    snprintf(err->text, sizeof(err->text), "%s: %s", what, why);
    return code;
}

/* ---- clients ---- */

enum { LISTENER = 1 << 16 }; /* or'ed to the port's number in an event */

static uint32_t number_of(const struct monitor *m, const struct port *p)
{
    return (uint32_t)(p - m->port);
}

static int watch(struct monitor *m, int op, int fd, uint32_t what, uint32_t tag)
{
    struct epoll_event ev = {.events = what, .data.u32 = tag};

    return epoll_ctl(m->epoll_fd, op, fd, &ev) < 0 ? -errno : 0;
}

static void drop_client(struct monitor *m, struct port *p)
{
    if (p->fd >= 0) {
        watch(m, EPOLL_CTL_DEL, p->fd, 0, 0);
        close(p->fd);
    }
    p->fd = -1;
    p->open = false;
    p->at = p->len = 0;
    mon_session_fini(&p->session);
}

static void start_session(struct monitor *m, struct port *p)
{
    p->open = true;
    p->input_end = false;
    p->watched = EPOLLIN;
    p->at = p->len = 0;
    mon_session_init(&p->session, p->cfg.kind, &m->machine, &m->keys);
    p->session.pretty = p->cfg.pretty;
    mon_session_greet(&p->session);
}

/* Gives the socket what it takes now. */
static void flush(struct port *p)
{
    struct mon_text *out = &p->session.out;
    size_t done = 0;

    while (done < out->len) {
        ssize_t n = send(p->fd, out->data + done, out->len - done, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            p->input_end = p->session.closing = true;
            done = out->len; /* nobody is there */
        }
        if (n < 0)
            break;
        done += (size_t)n;
    }
    mon_drop(out, done);
}

/* After anything that may have changed it: what to wait for, or the end. */
static void settle(struct monitor *m, struct port *p)
{
    const struct mon_session *s = &p->session;
    bool busy = s->out.len > MON_OUT_BUSY, rest = p->at < p->len;
    uint32_t want = s->out.len ? EPOLLOUT : 0;

    if (s->out.cut || ((s->closing || (p->input_end && !rest)) && !s->out.len)) {
        drop_client(m, p);
        return;
    }
    if (!busy && !rest && !p->input_end && !s->closing)
        want |= EPOLLIN;
    if (want != p->watched && watch(m, EPOLL_CTL_MOD, p->fd, want, number_of(m, p)) == 0)
        p->watched = want;
}

static void read_chunk(struct port *p)
{
    ssize_t n = recv(p->fd, p->chunk, sizeof(p->chunk), MSG_DONTWAIT);

    p->at = 0;
    p->len = n > 0 ? (size_t)n : 0;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        p->input_end = true;
}

/* At most one chunk, so that no client keeps the guest waiting. */
static void pump(struct monitor *m, struct port *p)
{
    m->pumped = p;
    flush(p);
    if (p->at == p->len && !p->input_end && p->session.out.len <= MON_OUT_BUSY)
        read_chunk(p);
    while (p->at < p->len && !p->session.closing && p->session.out.len <= MON_OUT_BUSY) {
        p->at += mon_session_feed(&p->session, p->chunk + p->at, p->len - p->at);
        flush(p);
    }
    if (p->session.closing)
        p->at = p->len;
    m->pumped = NULL;
    settle(m, p);
}

static void accept_client(struct monitor *m, struct port *p)
{
    int fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
        return;
    if (fd < 0) { /* the listener would stay readable for good */
        fprintf(stderr, "dragoman: a monitor takes no clients any more: %s\n", strerror(errno));
        watch(m, EPOLL_CTL_DEL, p->listen_fd, 0, 0);
        return;
    }
    if (p->open) {
        monitor_refuse(fd, p->cfg.kind);
        return;
    }
    if (watch(m, EPOLL_CTL_ADD, fd, EPOLLIN, number_of(m, p)) < 0) {
        close(fd);
        return;
    }
    p->fd = fd;
    start_session(m, p);
    flush(p);
    settle(m, p);
}

static void dispatch(struct monitor *m, const struct epoll_event *ev)
{
    struct port *p = &m->port[ev->data.u32 & ~(uint32_t)LISTENER];

    if (ev->data.u32 & LISTENER)
        accept_client(m, p);
    else if (p->open && (ev->events & (EPOLLIN | EPOLLOUT)))
        pump(m, p);
    else if (p->open) /* hung up, and nothing left to read */
        drop_client(m, p);
}

void monitor_poll(struct monitor *m)
{
    struct epoll_event ev[MAX_EVENTS];
    int n = epoll_wait(m->epoll_fd, ev, MAX_EVENTS, 0);

    for (int i = 0; i < n; i++)
        dispatch(m, &ev[i]);
}

int monitor_fd(const struct monitor *m)
{
    return m->epoll_fd;
}

/* ---- the terminal ---- */

static void show(struct monitor *m)
{
    struct mon_text *out = &m->on_terminal->session.out;

    if (out->len == 0)
        return;
    terminal_say(m->terminal, out->data);
    mon_drop(out, out->len);
    out->cut = false;
}

static void typed(void *dev, const uint8_t *buf, size_t len)
{
    struct monitor *m = dev;

    while (len) {
        size_t n = mon_session_feed(&m->on_terminal->session, buf, len);

        show(m);
        m->on_terminal->session.closing = false;
        buf += n;
        len -= n;
    }
}

void monitor_switch(struct monitor *m)
{
    struct terminal *t = m->terminal;

    if (!m->on_terminal || m->on_terminal->cfg.at.kind == MONITOR_STDIO)
        return;
    t->to_other = !t->to_other;
    terminal_say(t, "\n");
    if (!t->to_other)
        return;
    if (!m->on_terminal->open) {
        start_session(m, m->on_terminal);
        m->on_terminal->session.echo = t->is_tty;
    } else {
        mon_session_feed(&m->on_terminal->session, (const uint8_t *)"\n", 1);
    }
    show(m);
}

static void open_terminal(struct monitor *m, struct port *p)
{
    m->on_terminal = p;
    m->terminal->other = (struct chardev_sink){.receive = typed, .dev = m};
    if (p->cfg.at.kind != MONITOR_STDIO)
        return;
    start_session(m, p);
    p->session.echo = m->terminal->is_tty;
    m->terminal->to_other = true;
    show(m);
}

bool monitor_tell(struct monitor *m, const char *text)
{
    if (!m->on_terminal || !m->on_terminal->open || !m->terminal->to_other)
        return false;
    terminal_say(m->terminal, "\n");
    terminal_say(m->terminal, text);
    return true;
}

void monitor_event(struct monitor *m, const char *name, const char *data)
{
    for (unsigned i = 0; i < m->n; i++) {
        struct port *p = &m->port[i];

        if (!p->open)
            continue;
        mon_session_event(&p->session, name, data);
        if (p == m->on_terminal) {
            show(m);
            continue;
        }
        if (p == m->pumped)
            continue;
        flush(p);
        settle(m, p);
    }
}

/* ---- life ---- */

static int wait_for_client(struct monitor *m, struct port *p)
{
    struct pollfd pfd = {.fd = p->listen_fd, .events = POLLIN};

    fprintf(stderr, "dragoman: waiting for somebody to connect to %s\n",
            p->cfg.at.kind == MONITOR_UNIX ? p->cfg.at.path : "the monitor's port");
    while (!p->open) {
        if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
            return -errno;
        accept_client(m, p);
    }
    return 0;
}

static int open_server(struct monitor *m, struct port *p, struct monitor_error *err)
{
    int rc = monitor_listen(&p->cfg.at, err);

    if (rc < 0)
        return rc;
    p->listen_fd = rc;
    rc = watch(m, EPOLL_CTL_ADD, p->listen_fd, EPOLLIN, number_of(m, p) | LISTENER);
    if (rc == 0 && p->cfg.at.wait)
        rc = wait_for_client(m, p);
    return rc < 0 ? fail(err, rc, "a monitor", strerror(-rc)) : 0;
}

static int open_port(struct monitor *m, struct port *p, struct monitor_error *err)
{
    int rc;

    if (!mon_session_knows(p->cfg.kind))
        return fail(err, -ENOTSUP, "-qmp", "this dragoman was built without jansson");
    if (p->cfg.at.kind == MONITOR_STDIO)
        open_terminal(m, p);
    if (p->cfg.at.kind == MONITOR_STDIO || p->cfg.at.kind == MONITOR_NONE)
        return 0;
    if (p->cfg.at.server)
        return open_server(m, p, err);
    rc = monitor_connect(&p->cfg.at, err);
    if (rc < 0)
        return rc;
    p->fd = rc;
    rc = watch(m, EPOLL_CTL_ADD, p->fd, EPOLLIN, number_of(m, p));
    if (rc < 0)
        return fail(err, rc, "a monitor", strerror(-rc));
    start_session(m, p);
    flush(p);
    settle(m, p);
    return 0;
}

static void release_keys(void *dev, uint64_t now)
{
    (void)now;
    mon_release_keys(dev);
}

int monitor_open(struct monitor **out, const struct monitor_setup *setup, struct monitor_error *err)
{
    struct monitor *m = calloc(1, sizeof(*m));
    int rc = 0;

    if (!m)
        return fail(err, -ENOMEM, "a monitor", strerror(ENOMEM));
    m->machine = setup->machine;
    m->terminal = setup->terminal;
    m->keys.machine = &m->machine;
    timer_init(&m->keys.release, release_keys, &m->keys);
    m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (m->epoll_fd < 0)
        rc = fail(err, -errno, "a monitor", strerror(errno));
    for (unsigned i = 0; i < setup->n && rc == 0; i++) {
        struct port *p = &m->port[m->n++];

        *p = (struct port){.cfg = setup->config[i], .listen_fd = -1, .fd = -1};
        rc = open_port(m, p, err);
    }
    if (rc == 0 && setup->behind_serial && !m->on_terminal) {
        m->port[m->n] = (struct port){.listen_fd = -1, .fd = -1};
        open_terminal(m, &m->port[m->n++]);
    }
    if (rc < 0) {
        monitor_close(m);
        return rc;
    }
    *out = m;
    return 0;
}

/* What waits, as long as the client takes some within CLOSE_MS. */
static void say_the_rest(struct port *p)
{
    struct pollfd pfd = {.fd = p->fd, .events = POLLOUT};

    while (p->session.out.len && poll(&pfd, 1, CLOSE_MS) > 0)
        flush(p);
}

void monitor_close(struct monitor *m)
{
    if (!m)
        return;
    timer_set(m->machine.clock, &m->keys.release, CLOCK_NEVER);
    for (unsigned i = 0; i < m->n; i++) {
        struct port *p = &m->port[i];

        if (p->open && p->fd >= 0)
            say_the_rest(p);
        if (p->open)
            drop_client(m, p);
        if (p->listen_fd >= 0)
            monitor_unlisten(p->listen_fd, &p->cfg.at);
    }
    if (m->terminal)
        m->terminal->to_other = false;
    if (m->epoll_fd >= 0)
        close(m->epoll_fd);
    free(m);
}
