/* sigfault.h - synchronous host faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP) as a callback;
 * and a signal of our own, by which other threads interrupt translated code.
 *
 * One handler per process; registrations belong to a thread: the handler finds them at the top of
 * the thread's alternate stack (SS_AUTODISARM), not in FS or a global, because guest code may have
 * been running. The entry clears AC and DF before any C code. The callbacks of a thread (one per
 * machine that runs on it) are asked in the order of their registration until one returns true: it
 * may have edited the context (registers, RIP), and the thread resumes. When none does, the fault
 * is the monitor's own: the first one's `fatal` is called, then the default action is taken.
 */
#ifndef DRAGOMAN_HOST_SIGFAULT_H
#define DRAGOMAN_HOST_SIGFAULT_H

#include <signal.h>
#include <ucontext.h>

#include "base/types.h"

/* Ignored by default: one that comes late does no harm. */
enum { SIGFAULT_INTERRUPT = SIGURG };

struct sigfault {
    bool (*fault)(void *opaque, int sig, ucontext_t *uc);
    /* SIGFAULT_INTERRUPT has come, for whoever it was meant; may be NULL. It is held back while a
     * fault is handled. */
    void (*interrupt)(void *opaque, ucontext_t *uc);
    void (*fatal)(void *opaque, int sig,
                  ucontext_t *uc); /* restore the terminal, say it's a bug; may be NULL */
    void *opaque;
    void *fatal_opaque;
    bool registered;       /* between init and fini */
    struct sigfault *next; /* private */
};

/* Registers for the calling thread; `s` must live until sigfault_fini(), called by the same thread.
 */
int sigfault_init(struct sigfault *s) MUST_CHECK;
void sigfault_fini(struct sigfault *s);

#endif
