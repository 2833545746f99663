/* hostexec_asm.h - the frame that hostexec.c and hostexec_asm.S share. Offsets are asserted in
 * hostexec.c. */
#ifndef DRAGOMAN_TRANSLATOR_HOSTEXEC_ASM_H
#define DRAGOMAN_TRANSLATOR_HOSTEXEC_ASM_H

#define HXF_FLAGS     128
#define HXF_IMAGE     136
#define HXF_MASK      144
#define HXF_USE_FLAGS 160
#define HXF_FAULTED   164

#define HOST_MXCSR 0x1f80

#ifndef __ASSEMBLER__

#include "cpu/cpu.h"

/* What a stub runs with, and leaves behind. */
struct hx_frame {
    uint64_t gpr[NGPR]; /* host numbering; all but RSP */
    uint64_t flags;     /* loaded and stored when use_flags */
    uint8_t *image;     /* XSAVE image, standard format */
    uint64_t mask;      /* components to load before and store after; 0: none */
    uint8_t *bounce;    /* memory operand; its register in gpr[] points there */
    uint32_t use_flags;
    uint32_t faulted; /* left through hostexec_fault() */
};

/* Loads the frame, calls the stub, stores the frame, restores the host's FCW, MXCSR and DF. */
void hostexec_enter(struct hx_frame *f, const void *stub);

/* Where a signal handler sends a stub that faulted: hostexec_enter() returns as if it had ended. */
void hostexec_fault(void);

#endif
#endif
