/* thread.h - threads that take no signals: all of them are the vCPU thread's. */
#ifndef DRAGOMAN_HOST_THREAD_H
#define DRAGOMAN_HOST_THREAD_H

#include <pthread.h>

#include "base/types.h"

/* 0 or -errno. */
int thread_start(pthread_t *thread, void *(*run)(void *), void *arg) MUST_CHECK;

#endif
