/* debug.h - debug register bits (SDM 3B 17.2), for src/cpu. */
#ifndef DRAGOMAN_CPU_DEBUG_H
#define DRAGOMAN_CPU_DEBUG_H

#include "base/types.h"

enum dr6_bit {
    DR6_B = 15,       /* B0-B3: a breakpoint's condition was met */
    DR6_BD = 1 << 13, /* debug register access with DR7.GD       */
    DR6_BS = 1 << 14, /* single step                             */
    DR6_BT = 1 << 15, /* task switch to a TSS with T set         */
    DR6_WRITABLE = DR6_B | DR6_BD | DR6_BS | DR6_BT,
};

enum dr7_bit {
    DR7_ENABLES = 0xff, /* L0 G0 .. L3 G3 */
    DR7_LOCAL = 0x155,  /* L0-L3, LE: per task, cleared by a task switch (SDM 3B 17.2.4; 80386
                           manual 12.2.2 for LE) */
    DR7_GD = 1 << 13,
    DR7_ONE = 1 << 10, /* always one */
};

#define DR6_FIXED    UINT32_C(0xffff0ff0) /* reads as one */
#define DR7_WRITABLE UINT32_C(0xffff23ff) /* enables, LE, GE, GD, R/W and LEN fields */

#endif
