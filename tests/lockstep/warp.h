/* warp.h - what A did to its devices while it ran alone, for B's to follow.
 *
 * Devices are functions of the accesses to their ports and registers in memory, of the CPU's MSRs
 * and CR8 that they hold, of interrupt acknowledges and of time. So A's are noted with their times
 * and repeated on B's, which then are in the same state; the CPU and RAM are copied.
 */
#ifndef DRAGOMAN_TESTS_LOCKSTEP_WARP_H
#define DRAGOMAN_TESTS_LOCKSTEP_WARP_H

#include "base/types.h"

enum warp_kind {
    WARP_TIMERS,
    WARP_READ,
    WARP_WRITE,
    WARP_MMIO_READ,
    WARP_MMIO_WRITE,
    WARP_MSR_READ,
    WARP_MSR_WRITE,
    WARP_CR8,
    WARP_TSC,
    WARP_ACK,
    WARP_FERR
};

struct warp_event {
    uint64_t now, value;
    uint32_t where; /* port, address or MSR */
    uint8_t kind, size;
};

struct warp;

void warp_note(struct warp *w, struct warp_event ev);

#endif
