#include "monitor/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_in in;
};

static socklen_t fill(union address *sa, const struct monitor_address *a)
{
    memset(sa, 0, sizeof(*sa));
    if (a->kind == MONITOR_UNIX) {
        sa->un.sun_family = AF_UNIX;
        memcpy(sa->un.sun_path, a->path, sizeof(a->path));
        return sizeof(sa->un);
    }
    sa->in.sin_family = AF_INET;
    sa->in.sin_port = htons(a->port);
    sa->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof(sa->in);
}

static int fail(const struct monitor_address *a, struct monitor_error *err, int code,
                const char *what)
{
    if (a->kind == MONITOR_UNIX)
        snprintf(err->text, sizeof(err->text), "%s '%s': %s", what, a->path, strerror(-code));
    else
        snprintf(err->text, sizeof(err->text), "%s 127.0.0.1:%u: %s", what, a->port,
                 strerror(-code));
    return code;
}

static int make_socket(const struct monitor_address *a)
{
    int fd = socket(a->kind == MONITOR_UNIX ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

/* What a killed process left behind; one that answers stays, and so does what is no socket. */
static void remove_stale(const struct monitor_address *a)
{
    union address sa;
    socklen_t len = fill(&sa, a);
    struct stat st;
    int fd;

    if (a->kind != MONITOR_UNIX || lstat(a->path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    fd = make_socket(a);
    if (fd < 0)
        return;
    if (connect(fd, &sa.any, len) < 0 && errno == ECONNREFUSED)
        unlink(a->path);
    close(fd);
}

int monitor_listen(const struct monitor_address *a, struct monitor_error *err)
{
    union address sa;
    socklen_t len = fill(&sa, a);
    int fd = make_socket(a), one = 1, e;

    if (fd < 0)
        return fail(a, err, fd, "a monitor's socket at");
    remove_stale(a);
    /* A socket file has the permissions of its descriptor (unix(7)), less the umask. */
    if (a->kind == MONITOR_UNIX)
        e = fchmod(fd, 0600);
    else
        e = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (e < 0 || bind(fd, &sa.any, len) < 0 || listen(fd, 4) < 0) {
        e = -errno;
        close(fd);
        return fail(a, err, e, "a monitor can't listen at");
    }
    return fd;
}

int monitor_connect(const struct monitor_address *a, struct monitor_error *err)
{
    union address sa;
    socklen_t len = fill(&sa, a);
    int fd = make_socket(a), e;

    if (fd < 0)
        return fail(a, err, fd, "a monitor's socket at");
    if (connect(fd, &sa.any, len) < 0) {
        e = -errno;
        close(fd);
        return fail(a, err, e, "a monitor can't connect (',server,nowait' would listen) to");
    }
    return fd;
}

void monitor_unlisten(int fd, const struct monitor_address *a)
{
    close(fd);
    if (a->kind == MONITOR_UNIX)
        unlink(a->path);
}

void monitor_refuse(int fd, enum monitor_kind kind)
{
    static const char *const text[] = {
        [MONITOR_HMP] = "Another client uses this monitor; it takes one at a time.\n",
        [MONITOR_QMP] = "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Another client uses "
                        "this monitor; it takes one at a time\"}}\n",
    };
    ssize_t n = send(fd, text[kind], strlen(text[kind]), MSG_NOSIGNAL | MSG_DONTWAIT);

    (void)n; /* it learns from the end of the connection, too */
    close(fd);
}
