/* control.h - control, debug and model-specific registers, CPUID, TSC. Checks included; the
 * privilege check (CPL 0) is the caller's, from the instruction's row. False: fault recorded.
 */
#ifndef DRAGOMAN_CPU_CONTROL_H
#define DRAGOMAN_CPU_CONTROL_H

#include "cpu/cpu.h"

/* MSRs that reach the board through cpu_hooks. */
enum {
    MSR_APIC_BASE = 0x1b,
    MSR_TSC_DEADLINE = 0x6e0,
    MSR_KVM_WALL_CLOCK = 0x4b564d00,
    MSR_KVM_SYSTEM_TIME = 0x4b564d01,
};

bool cpu_read_cr(struct cpu *c, unsigned n, uint64_t *val);
bool cpu_write_cr(struct cpu *c, unsigned n, uint64_t val);
bool cpu_lmsw(struct cpu *c, uint16_t msw);
void cpu_clts(struct cpu *c);
/* INVPCID with its descriptor (SDM 2A); INVPCID_TYPE is checked before the descriptor is read. */
bool cpu_invpcid(struct cpu *c, uint64_t type, uint64_t pcid, gva_t lin);
bool cpu_read_dr(struct cpu *c, unsigned n, uint64_t *val);
bool cpu_write_dr(struct cpu *c, unsigned n, uint64_t val);
bool cpu_rdmsr(struct cpu *c, uint32_t index, uint64_t *val);
bool cpu_wrmsr(struct cpu *c, uint32_t index, uint64_t val);
/* The MSR is a word of struct cpu, at *offset, that RDMSR reads as it is. */
bool cpu_msr_word(const struct cpu *c, uint32_t index, size_t *offset);
bool cpu_xsetbv(struct cpu *c, uint32_t index, uint64_t val);
/* The FPU state is not live: XCR 1 is what is in use of it. */
bool cpu_xgetbv(struct cpu *c, uint32_t index, uint64_t *val);

/* EAX, EBX, ECX, EDX of a leaf, as the guest sees it now (OSXSAVE, APIC bits follow CRs and MSRs).
 */
void cpu_cpuid(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4]);
uint64_t cpu_tsc(const struct cpu *c);

/* Data breakpoints (MODE_DR7): called for each data access and I/O; sets debug_trap and
 * pending_dr6. */
void cpu_check_data_bp(struct cpu *c, gva_t lin, unsigned len, bool write);
void cpu_check_io_bp(struct cpu *c, uint16_t port, unsigned size);
/* Instruction breakpoint at lin and RF clear: #DB recorded, false. */
bool cpu_check_code_bp(struct cpu *c, gva_t lin);

#endif
