/* events.h - what interrupts a running guest from outside: the next timer deadline and terminal
 * input.
 *
 * A thread of its own sleeps on a timerfd and the input descriptor and calls `kick` when either is
 * due; all device work then happens on the vCPU thread. Input is reported once and again only after
 * events_input_taken(), so a guest that does not read costs nothing. Other threads of the monitor
 * (disks) report with events_notify(). One descriptor more (events_watch), behind which an epoll
 * instance may collect any number, is watched in the same way.
 */
#ifndef DRAGOMAN_HOST_EVENTS_H
#define DRAGOMAN_HOST_EVENTS_H

#include <pthread.h>

#include "base/types.h"

struct events {
    void (*kick)(void *opaque); /* called on the events thread */
    void *opaque;
    int timer_fd, wake_fd, in_fd;
    int watched_fd; /* -1: none */
    int notify_fd;  /* readable since events_notify() until the next events_wait() */
    volatile bool input_armed, watch_armed, stop;
    bool watch_due; /* set by whoever found watched_fd readable; atomic */
    bool running;
    pthread_t thread;
};

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t events_now(void);

/* in_fd -1: no input. Signals stay with the calling thread. */
int events_start(struct events *ev, int in_fd, void (*kick)(void *opaque), void *opaque) MUST_CHECK;
void events_stop(struct events *ev);

/* Absolute CLOCK_MONOTONIC ns; UINT64_MAX: none. Any thread. */
void events_set_deadline(struct events *ev, uint64_t deadline);
/* Report input again when there is some. */
void events_input_taken(struct events *ev);

/* From now on watched_fd wakes, too: when it is readable, events_watch_due() says so once and
 * events_watch_again() is called when it was looked after. After events_start(). */
void events_watch(struct events *ev, int fd);
bool events_watch_due(struct events *ev);
void events_watch_again(struct events *ev);

/* Any thread: kicks, and ends the events_wait() that goes on or else the next one. */
void events_notify(struct events *ev);

/* Sleeps until input, a notification, the deadline or a signal. Called by the vCPU thread while the
 * guest is halted. */
void events_wait(struct events *ev, uint64_t deadline, bool want_input);

#endif
