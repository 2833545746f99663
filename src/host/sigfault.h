/* sigfault.h - synchronous host faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL) as a callback.
 *
 * One handler per process, one registration per thread: the handler finds its registration at the
 * top of the thread's alternate stack (SS_AUTODISARM), not in FS or a global, because guest code
 * may have been running. The entry clears AC and DF before any C code. The callback may edit the
 * context (registers, RIP) and return true to resume; false means the fault is the monitor's own:
 * `fatal` is called, then the default action is taken.
 */
#ifndef DRAGOMAN_HOST_SIGFAULT_H
#define DRAGOMAN_HOST_SIGFAULT_H

#include <ucontext.h>

#include "base/types.h"

struct sigfault {
    bool (*fault)(void *opaque, int sig, ucontext_t *uc);
    void (*fatal)(void *opaque, int sig,
                  ucontext_t *uc); /* restore the terminal, say it's a bug; may be NULL */
    void *opaque;
    void *fatal_opaque;
    void *stack; /* private */
};

/* Registers for the calling thread; `s` must live until sigfault_fini(). */
int sigfault_init(struct sigfault *s) MUST_CHECK;
void sigfault_fini(struct sigfault *s);

#endif
