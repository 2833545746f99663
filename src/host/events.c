#include "host/events.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "host/thread.h"

uint64_t events_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void drain(int fd)
{
    uint64_t count;

    while (read(fd, &count, sizeof(count)) > 0)
        ;
}

static void watched(struct events *ev)
{
    ev->watch_armed = false;
    __atomic_store_n(&ev->watch_due, true, __ATOMIC_SEQ_CST);
}

/* Timer and wake descriptors are non-blocking counters. */
static void *watch(void *arg)
{
    struct events *ev = arg;

    while (!ev->stop) {
        struct pollfd fds[4] = {
            {.fd = ev->timer_fd, .events = POLLIN},
            {.fd = ev->wake_fd, .events = POLLIN},
            {.fd = ev->input_armed ? ev->in_fd : -1, .events = POLLIN},
            {.fd = ev->watch_armed ? ev->watched_fd : -1, .events = POLLIN},
        };

        if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            drain(ev->wake_fd);
        if (fds[0].revents)
            drain(ev->timer_fd);
        if (fds[2].revents)
            ev->input_armed = false;
        if (fds[3].revents)
            watched(ev);
        if (fds[0].revents || fds[2].revents || fds[3].revents)
            ev->kick(ev->opaque);
    }
    return NULL;
}

static void count(int fd)
{
    uint64_t one = 1;

    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

int events_start(struct events *ev, int in_fd, void (*kick)(void *opaque), void *opaque)
{
    int err;

    *ev = (struct events){.kick = kick,
                          .opaque = opaque,
                          .in_fd = in_fd,
                          .watched_fd = -1,
                          .input_armed = in_fd >= 0};
    ev->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (ev->timer_fd < 0)
        return -errno;
    ev->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (ev->wake_fd < 0) {
        err = -errno;
        goto fail_timer;
    }
    ev->notify_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (ev->notify_fd < 0) {
        err = -errno;
        goto fail_wake;
    }
    err = thread_start(&ev->thread, watch, ev);
    if (err < 0)
        goto fail_notify;
    ev->running = true;
    return 0;
fail_notify:
    close(ev->notify_fd);
fail_wake:
    close(ev->wake_fd);
fail_timer:
    close(ev->timer_fd);
    return err;
}

void events_stop(struct events *ev)
{
    if (!ev->running)
        return;
    ev->stop = true;
    count(ev->wake_fd);
    pthread_join(ev->thread, NULL);
    close(ev->notify_fd);
    close(ev->wake_fd);
    close(ev->timer_fd);
    ev->running = false;
}

void events_set_deadline(struct events *ev, uint64_t deadline)
{
    struct itimerspec its = {0};

    if (deadline != UINT64_MAX) {
        its.it_value.tv_sec = (time_t)(deadline / NS_PER_SEC);
        its.it_value.tv_nsec = (long)(deadline % NS_PER_SEC);
        if (deadline == 0)
            its.it_value.tv_nsec = 1; /* zero would disarm */
    }
    timerfd_settime(ev->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
}

void events_input_taken(struct events *ev)
{
    if (ev->in_fd < 0 || ev->input_armed)
        return;
    ev->input_armed = true;
    count(ev->wake_fd);
}

void events_watch(struct events *ev, int fd)
{
    ev->watched_fd = fd;
    events_watch_again(ev);
}

bool events_watch_due(struct events *ev)
{
    return __atomic_load_n(&ev->watch_due, __ATOMIC_SEQ_CST) &&
           __atomic_exchange_n(&ev->watch_due, false, __ATOMIC_SEQ_CST);
}

void events_watch_again(struct events *ev)
{
    if (ev->watched_fd < 0 || ev->watch_armed)
        return;
    ev->watch_armed = true;
    count(ev->wake_fd);
}

void events_notify(struct events *ev)
{
    count(ev->notify_fd);
    ev->kick(ev->opaque);
}

void events_wait(struct events *ev, uint64_t deadline, bool want_input)
{
    struct pollfd fds[3] = {
        {.fd = want_input ? ev->in_fd : -1, .events = POLLIN},
        {.fd = ev->notify_fd, .events = POLLIN},
        {.fd = ev->watched_fd, .events = POLLIN},
    };
    struct timespec ts, *timeout = NULL;
    uint64_t now = events_now(), left = deadline > now ? deadline - now : 0;

    if (deadline != UINT64_MAX) {
        ts.tv_sec = (time_t)(left / NS_PER_SEC);
        ts.tv_nsec = (long)(left % NS_PER_SEC);
        timeout = &ts;
    }
    if (ppoll(fds, ARRAY_SIZE(fds), timeout, NULL) <= 0)
        return;
    if (fds[1].revents)
        drain(ev->notify_fd);
    if (fds[2].revents)
        watched(ev);
}
