/* exit_status.h - what the process tells its parent.
 *
 * Statuses of ours are even, or 70. A guest that leaves through isa-debug-exit chooses
 * (value << 1) | 1, as with QEMU: always odd, truncated to 8 bits. So the two never meet.
 * A shell shows 128 + n when a signal n ended the process (143: SIGTERM), which a guest can
 * imitate (value 71); a parent that must know uses WIFSIGNALED.
 */
#ifndef DRAGOMAN_MACHINE_EXIT_STATUS_H
#define DRAGOMAN_MACHINE_EXIT_STATUS_H

enum exit_status {
    EXIT_POWER_OFF = 0,     /* the guest powered off, or asked for a reset under -no-reboot;
                               also: the monitor's quit, --help and --version                */
    EXIT_BAD_INPUT = 2,     /* usage, a file that cannot be booted, RAM that cannot work, a
                               full disk, a host that lacks something: see the message       */
    EXIT_TIMED_OUT = 4,     /* --timeout ran out                                             */
    EXIT_TRIPLE_FAULT = 6,  /* the guest's CPU shut down; the report is on standard error    */
    EXIT_USER_STOP = 8,     /* Ctrl-A x                                                      */
    EXIT_GUEST_HALTED = 10, /* HLT with interrupts off: nothing can wake the guest           */
    EXIT_MONITOR_BUG = 70,  /* an error in Dragoman itself (EX_SOFTWARE of sysexits.h)       */
};

/* What the guest's write of `value` to isa-debug-exit makes of the process. */
static inline int exit_status_of_guest(unsigned value)
{
    return (int)(((value << 1) | 1) & 0xFF);
}

#endif
