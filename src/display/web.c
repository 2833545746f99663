#include "display/web.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "display/http.h"
#include "host/thread.h"

enum {
    CONNECTIONS = 32,
    IDLE_SECONDS = 15, /* browsers open connections in advance, and may never use them */
    MOST_BYTES = 16 << 20,
    HEAD_ROOM = 512,
};

struct connection {
    int fd; /* -1: free */
    time_t used;
    char *answer; /* NULL: the request has not come whole */
    size_t bytes, sent;
};

struct web {
    struct web_config cfg;
    int listen_fd, wake_fd;
    pthread_t thread;
    bool running;
    struct connection connection[CONNECTIONS];
};

static time_t now_seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

static void drop(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->answer);
    *c = (struct connection){.fd = -1};
}

/* ---- answers ---- */

/* Room for a body of so many bytes behind the head. NULL: no memory. */
static char *begin_answer(struct connection *c, unsigned status, const char *type,
                          const char *location, size_t body)
{
    int len;

    c->answer = malloc(HEAD_ROOM + body);
    if (!c->answer)
        return NULL;
    len = snprintf(c->answer, HEAD_ROOM,
                   "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s%s"
                   "X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
                   "Cache-Control: no-cache\r\nConnection: close\r\n\r\n",
                   status, http_reason(status), type, body, location ? "Location: " : "",
                   location ? location : "", location ? "\r\n" : "");
    c->bytes = (size_t)len < HEAD_ROOM ? (size_t)len : HEAD_ROOM - 1;
    return c->answer + c->bytes;
}

static void answer_status(struct web *w, struct connection *c, unsigned status)
{
    char text[HEAD_ROOM], *body;

    snprintf(text, sizeof(text), "%u %s\n%s", status, http_reason(status),
             status == 404 ? "The page comes from noVNC (Debian's package novnc).\n" : "");
    body = begin_answer(c, status, "text/plain", status == 302 ? w->cfg.start : NULL, strlen(text));
    if (!body)
        return;
    memcpy(body, text, strlen(text));
    c->bytes += strlen(text);
}

/* False: there is no such file, or it can't be read whole. */
static bool answer_open_file(struct connection *c, const char *path, int fd)
{
    struct stat st;
    char *body;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > MOST_BYTES)
        return false;
    body = begin_answer(c, 200, http_type_of(path), NULL, (size_t)st.st_size);
    if (!body)
        return false;
    if (read(fd, body, (size_t)st.st_size) == st.st_size) {
        c->bytes += (size_t)st.st_size;
        return true;
    }
    free(c->answer);
    c->answer = NULL;
    return false;
}

static void answer_file(struct web *w, struct connection *c, const char *path)
{
    int dir = open(w->cfg.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = dir >= 0 ? openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;

    if (fd < 0 || !answer_open_file(c, path, fd))
        answer_status(w, c, 404);
    if (fd >= 0)
        close(fd);
    if (dir >= 0)
        close(dir);
}

static void answer(struct web *w, struct connection *c, const struct http_request *r)
{
    if (r->verdict == HTTP_FILE)
        answer_file(w, c, r->path);
    else
        answer_status(w, c, r->verdict == HTTP_START ? 302 : r->status);
    if (r->head_only && c->answer) {
        char *end = memmem(c->answer, c->bytes, "\r\n\r\n", 4);

        c->bytes = end ? (size_t)(end + 4 - c->answer) : c->bytes;
    }
}

/* ---- connections ---- */

/* The request stays in the socket until it is known whose it is. While it is partial, the socket
 * counts as readable only with more than what has been seen. */
static void read_request(struct web *w, struct connection *c)
{
    char text[HTTP_HEAD_BYTES];
    ssize_t n = recv(c->fd, text, sizeof(text), MSG_PEEK);
    struct http_request r;
    int enough;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop(c);
        return;
    }
    r = http_parse(text, (size_t)n, w->cfg.any_host);
    enough = r.verdict == HTTP_PARTIAL ? (int)n + 1 : 1;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &enough, sizeof(enough));
    if (r.verdict == HTTP_PARTIAL)
        return;
    if (r.verdict == HTTP_WEBSOCKET) {
        w->cfg.upgrade(w->cfg.opaque, c->fd);
        c->fd = -1;
        return;
    }
    if (recv(c->fd, text, r.bytes, 0) == (ssize_t)r.bytes)
        answer(w, c, &r);
    if (!c->answer)
        drop(c);
}

static void send_answer(struct connection *c)
{
    ssize_t n = send(c->fd, c->answer + c->sent, c->bytes - c->sent, MSG_NOSIGNAL);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        c->sent += (size_t)n;
    if (n < 0 || c->sent == c->bytes)
        drop(c);
}

static void serve_connection(struct web *w, struct connection *c)
{
    c->used = now_seconds();
    if (!c->answer)
        read_request(w, c);
    if (c->fd >= 0 && c->answer)
        send_answer(c);
}

static void accept_connection(struct web *w, struct connection *c)
{
    int fd = accept4(w->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0)
        *c = (struct connection){.fd = fd, .used = now_seconds()};
}

/* Fills in what to wait for: the wake-up first, then the connections in order, then the listener,
 * for which there must be room. Returns the free connection, or NULL. */
static struct connection *prepare(struct web *w, struct pollfd fds[CONNECTIONS + 2])
{
    struct connection *unused = NULL;
    time_t now = now_seconds();

    fds[0] = (struct pollfd){.fd = w->wake_fd, .events = POLLIN};
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &w->connection[i];

        if (c->fd >= 0 && now - c->used > IDLE_SECONDS)
            drop(c);
        if (c->fd < 0)
            unused = c;
        fds[i + 1] = (struct pollfd){.fd = c->fd, .events = c->answer ? POLLOUT : POLLIN};
    }
    fds[CONNECTIONS + 1] = (struct pollfd){.fd = unused ? w->listen_fd : -1, .events = POLLIN};
    return unused;
}

static bool any_connection(const struct web *w)
{
    for (unsigned i = 0; i < CONNECTIONS; i++)
        if (w->connection[i].fd >= 0)
            return true;
    return false;
}

static void *serve(void *arg)
{
    struct web *w = arg;
    struct pollfd fds[CONNECTIONS + 2];

    while (true) {
        struct connection *unused = prepare(w, fds);

        if (poll(fds, CONNECTIONS + 2, any_connection(w) ? 1000 : -1) < 0)
            continue;
        if (fds[0].revents)
            return NULL;
        for (unsigned i = 0; i < CONNECTIONS; i++)
            if (w->connection[i].fd >= 0 && fds[i + 1].revents)
                serve_connection(w, &w->connection[i]);
        if (fds[CONNECTIONS + 1].revents)
            accept_connection(w, unused);
    }
}

/* ---- begin and end ---- */

static int listen_on(struct web *w)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(w->cfg.port)};
    int one = 1;

    at.sin_addr.s_addr = htonl(w->cfg.address);
    w->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->listen_fd < 0 || w->wake_fd < 0)
        return -errno;
    setsockopt(w->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(w->listen_fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(w->listen_fd, 32) < 0)
        return -errno;
    return 0;
}

void web_close(struct web *w)
{
    uint64_t one = 1;

    if (!w)
        return;
    if (w->running) {
        while (write(w->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
        pthread_join(w->thread, NULL);
    }
    for (unsigned i = 0; i < CONNECTIONS; i++)
        drop(&w->connection[i]);
    if (w->listen_fd >= 0)
        close(w->listen_fd);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    free(w);
}

int web_open(struct web **out, const struct web_config *cfg)
{
    struct web *w = calloc(1, sizeof(*w));
    int err;

    if (!w)
        return -ENOMEM;
    w->cfg = *cfg;
    w->listen_fd = w->wake_fd = -1;
    for (unsigned i = 0; i < CONNECTIONS; i++)
        w->connection[i].fd = -1;
    err = listen_on(w);
    if (err == 0)
        err = thread_start(&w->thread, serve, w);
    w->running = err == 0;
    if (err < 0) {
        web_close(w);
        return err;
    }
    *out = w;
    return 0;
}
