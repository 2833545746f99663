/* segment.h - segmentation: loads of segment registers, limit checks, far transfers, task switches.
 * (SDM 3A chapters 3, 5, 7.) False always means: fault recorded, nothing committed.
 */
#ifndef DRAGOMAN_CPU_SEGMENT_H
#define DRAGOMAN_CPU_SEGMENT_H

#include "cpu/exception.h"

enum seg_access { SEG_READ = 1, SEG_WRITE = 2, SEG_EXEC = 4 };

/* 64-bit code: only FS and GS have bases, nothing has a limit or type (SDM 3A 3.2.4); what isn't
 * canonical is #GP(0), or #SS(0). Adding 2^47 turns canonical addresses into those below 2^48. */
static inline bool cpu_linear_64(struct cpu *c, unsigned seg, uint64_t off, unsigned len,
                                 gva_t *lin)
{
    const uint64_t half = UINT64_C(1) << 47;

    *lin = seg < SEG_FS ? off : off + c->seg[seg].base;
    if (!(((*lin + half) | (*lin + len - 1 + half)) >> 48))
        return true;
    return cpu_raise(c, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
}

/* The slow path of cpu_linear(): limit, type, expand-down, null checks; #GP(0) or #SS(0). */
bool cpu_linear_slow(struct cpu *c, unsigned seg, uint64_t off, unsigned len, unsigned access,
                     gva_t *lin);

/* Logical to linear. len bytes at off will be accessed as `access`. */
static inline bool cpu_linear(struct cpu *c, unsigned seg, uint64_t off, unsigned len,
                              unsigned access, gva_t *lin)
{
    const struct seg *s = &c->seg[seg];

    if (s->flat && (!(access & SEG_WRITE) || seg != SEG_CS) &&
        off <= UINT32_C(0xffffffff) - (len - 1)) {
        *lin = off;
        return true;
    }
    if (c->mode & MODE_CS64)
        return cpu_linear_64(c, seg, off, len, lin);
    return cpu_linear_slow(c, seg, off, len, access, lin);
}

/* MOV/POP/Lxx Sreg with all checks (not CS). MOV SS sets no shadow: the caller does. */
bool cpu_load_seg(struct cpu *c, unsigned seg, uint16_t sel);
bool cpu_lldt(struct cpu *c, uint16_t sel);
bool cpu_ltr(struct cpu *c, uint16_t sel);

/* Far transfers in every mode; opsize 2, 4, 8. They push/pop and set next_rip, CS, SS, CPL. */
bool cpu_far_jmp(struct cpu *c, uint16_t sel, uint64_t off, unsigned opsize);
bool cpu_far_call(struct cpu *c, uint16_t sel, uint64_t off, unsigned opsize);
bool cpu_far_ret(struct cpu *c, unsigned opsize, unsigned pop_bytes);

bool cpu_sysenter(struct cpu *c);
bool cpu_sysexit(struct cpu *c, unsigned opsize);
bool cpu_syscall(struct cpu *c);
bool cpu_sysret(struct cpu *c, unsigned opsize);
/* CS, SS and CPL as SYSCALL of 64-bit code (CPL 0) and SYSRET to it (CPL 3) leave them. The caller
 * updates the mode. */
void cpu_set_star64(struct cpu *c, unsigned cpl);

/* LAR, LSL: *ok is ZF. VERR/VERW likewise. */
bool cpu_lar(struct cpu *c, uint16_t sel, bool *ok, uint32_t *rights);
bool cpu_lsl(struct cpu *c, uint16_t sel, bool *ok, uint32_t *limit);
bool cpu_verify(struct cpu *c, uint16_t sel, bool write, bool *ok);

enum task_source { TASK_JMP, TASK_CALL, TASK_IRET, TASK_GATE };
/* SDM 3A 7.3. push_err: the fault that came through a task gate has an error code. */
bool cpu_task_switch(struct cpu *c, uint16_t tss_sel, enum task_source src, bool push_err,
                     uint32_t err);

/* Is [port, port+size) open to the current CPL, IOPL and I/O bitmap? #GP(0) otherwise. */
bool cpu_io_allowed(struct cpu *c, uint16_t port, unsigned size);

/* Stack operations on SS:rSP with the stack's address size; len 2, 4 or 8. RSP moves only on
 * success. */
bool cpu_push(struct cpu *c, uint64_t val, unsigned len);
bool cpu_pop(struct cpu *c, uint64_t *val, unsigned len);

#endif
