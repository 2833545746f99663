/* hostcpu.h - the host's CPUID and what its kernel reports about it; only model.c looks. */
#ifndef DRAGOMAN_CPU_HOSTCPU_H
#define DRAGOMAN_CPU_HOSTCPU_H

#include "cpu/model.h"

/* All zero when the leaf is beyond the host's maximum. */
void hostcpu_id(uint32_t leaf, uint32_t sub, uint32_t out[4]);
/* XCR0, 0 without OSXSAVE. */
uint64_t hostcpu_xcr0(void);
/* The host's TSC frequency in kHz; *exact: told by CPUID, not measured. */
uint32_t hostcpu_tsc_khz(bool *exact);
/* IA32_ARCH_CAPABILITIES that may be promised to a guest on this host. */
uint64_t hostcpu_arch_capabilities(void);
/* Brand string without surrounding blanks; size >= 49. */
void hostcpu_brand(char *brand, size_t size);

#endif
