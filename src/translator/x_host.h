/* x_host.h - the meanings of the x87, MMX, SSE and AVX rows, and the layout of the FPU image.
 *
 * x_host() runs the instruction on the host's units (hostexec.h). What the host can't do with a
 * bounce buffer is done in C on the image: gathers and masked moves (elements that don't fault),
 * and everything that shows the image itself to the guest (x_fpustate.c, x_xsave.c).
 *
 * The image is struct cpu's `fpu`, in the standard format of XSAVE64. Whoever writes a component in
 * C sets its bit with fpu_mark(): XRSTOR would load the initial state instead.
 */
#ifndef DRAGOMAN_TRANSLATOR_X_HOST_H
#define DRAGOMAN_TRANSLATOR_X_HOST_H

#include "translator/decode.h"

/* SDM 1 table 10-2 (FXSAVE area) and 13.4 (XSAVE area). */
enum fpu_image {
    IMG_FCW = 0,
    IMG_FSW = 2,
    IMG_FTW = 4, /* abridged: one bit per physical register, 1 = not empty */
    IMG_FOP = 6,
    IMG_FIP = 8,
    IMG_FDP = 16,
    IMG_MXCSR = 24,
    IMG_MXCSR_MASK = 28,
    IMG_ST = 32,   /* ST(0)..ST(7), 16 bytes each */
    IMG_XMM = 160, /* 16 bytes each */
    IMG_LEGACY_END = 512,
    IMG_XSTATE_BV = 512,
    IMG_XCOMP_BV = 520,
    IMG_EXTENDED = 576,
};

enum xcr0_bit { XCR0_X87 = 1 << 0, XCR0_SSE = 1 << 1, XCR0_AVX = 1 << 2 };

enum fpu_word {
    FCW_INIT = 0x37f,
    FSW_IE = 1 << 0,
    FSW_OE = 1 << 3,
    FSW_UE = 1 << 4,
    FSW_ES = 1 << 7,
    FSW_B = 1 << 15,
    MXCSR_INIT = 0x1f80,
};

enum { MXCSR_VALID = 0xffff, NCOMPONENTS = 8 };

/* State after RESET and FNINIT: nothing in use. Called after cpu_reset(). */
void cpu_fpu_init(struct cpu *c);

/* Components [bits] of the image were written by C. */
void fpu_mark(struct cpu *c, uint64_t bits);

/* Brings the state home (cpu_fpu_sync()) and writes out the initial values of components that the
 * header says are not in use, so that C can read the image. */
void fpu_open(struct cpu *c);

/* An x87 exception is pending (FSW.ES) at a waiting instruction: #MF, or FERR# and another try
 * after the interrupt when CR0.NE is clear, unless IGNNE# is asserted. *done: the instruction must
 * not run, return the result. */
bool fpu_pending(struct cpu *c, bool *done);

/* Around an instruction that runs although an exception is pending (IGNNE#), which the host would
 * report: takes the pending flags out of FSW, and puts them back. */
unsigned fpu_hide_pending(struct cpu *c);
void fpu_show_pending(struct cpu *c, unsigned flags);

/* Offset of the memory operand in its segment (VSIB: without the index), and its linear address
 * after all checks but paging. access as for cpu_linear(). */
uint64_t x_host_offset(const struct cpu *c, const struct insn *i);
bool x_host_linear(struct cpu *c, const struct insn *i, unsigned len, unsigned access, gva_t *lin);

/* The image holds ST(0).. from TOP on: moving TOP leaves the registers where they are, so their
 * slots move. */
void fpu_set_top(struct cpu *c, unsigned top);

/* The legacy region as FXSAVE and XSAVE show it: x87 with 32-bit pointers and selectors or, with
 * REX.W, 64-bit pointers; MXCSR and its mask. p is the start of the area. */
void fpu_legacy_store(const struct cpu *c, const struct insn *i, uint8_t *p);
void fpu_legacy_load(struct cpu *c, const struct insn *i, const uint8_t *p);

/* Bytes of XMM registers that the current mode has: 8 or 16 of them. */
static inline unsigned fpu_xmm_bytes(const struct cpu *c)
{
    return cpu_cs64(c) ? 16 * 16 : 8 * 16;
}

void fpu_store_mxcsr(const struct cpu *c, uint8_t *p);

/* Puts component n into its initial state (its header bit is the caller's). */
void fpu_init_component(struct cpu *c, unsigned n);

/* Rights and segment checks of an image in guest memory; #GP(0) when it is not aligned. */
bool fpu_image_linear(struct cpu *c, const struct insn *i, unsigned len, unsigned align,
                      unsigned access, gva_t *lin);

exec_fn x_host, x_maskmov, x_vmaskmov, x_gather, x_fwait;

exec_fn x_fnclex, x_fninit, x_fnstenv, x_fldenv, x_fnsave, x_frstor;
exec_fn x_fxsave, x_fxrstor, x_xsave, x_xsaveopt, x_xsavec, x_xsaves;
exec_fn x_xrstor, x_xrstors, x_xgetbv, x_xsetbv;

#endif
