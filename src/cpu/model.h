/* model.h - the CPU model: what CPUID and the MSRs promise. Built from the host's features, limited
 * to what is truly emulated, then changed by "-cpu MODEL,+feat,-feat".
 */
#ifndef DRAGOMAN_CPU_MODEL_H
#define DRAGOMAN_CPU_MODEL_H

#include <stdio.h>

#include "base/types.h"

/* Features an instruction row can ask for. FEAT_BASE is always there. */
enum cpu_feature {
    FEAT_BASE,
    FEAT_FPU,
    FEAT_TSC,
    FEAT_MSR,
    FEAT_PAE,
    FEAT_CX8,
    FEAT_SEP,
    FEAT_PGE,
    FEAT_PSE,
    FEAT_CMOV,
    FEAT_CLFLUSH,
    FEAT_MMX,
    FEAT_FXSR,
    FEAT_SSE,
    FEAT_SSE2,
    FEAT_SSE3,
    FEAT_PCLMULQDQ,
    FEAT_SSSE3,
    FEAT_FMA,
    FEAT_CX16,
    FEAT_SSE41,
    FEAT_SSE42,
    FEAT_MOVBE,
    FEAT_POPCNT,
    FEAT_AES,
    FEAT_XSAVE,
    FEAT_XSAVEOPT,
    FEAT_XSAVEC,
    FEAT_XGETBV1,
    FEAT_XSAVES,
    FEAT_AVX,
    FEAT_F16C,
    FEAT_RDRAND,
    FEAT_RDSEED,
    FEAT_BMI1,
    FEAT_BMI2,
    FEAT_AVX2,
    FEAT_ERMS,
    FEAT_FSRM,
    FEAT_ADX,
    FEAT_SHA,
    FEAT_CLFLUSHOPT,
    FEAT_CLWB,
    FEAT_GFNI,
    FEAT_VAES,
    FEAT_VPCLMULQDQ,
    FEAT_LAHF,
    FEAT_ABM,
    FEAT_PREFETCHW,
    FEAT_NX,
    FEAT_RDTSCP,
    FEAT_LM,
    FEAT_SYSCALL,
    FEAT_FSGSBASE,
    FEAT_UMIP,
    FEAT_SMEP,
    FEAT_SMAP,
    FEAT_PCID,
    FEAT_INVPCID,
    FEAT_RDPID,
    FEAT_VME,
    FEAT_DE,
    FEAT_PSE36,
    FEAT_APIC,
    FEAT_MTRR,
    FEAT_PAT,
    FEAT_MCE,
    FEAT_ARCH_CAPABILITIES,
    FEAT_MONITOR,
    FEAT_TSC_ADJUST,
    FEAT_PDPE1GB,
    FEAT_TSC_DEADLINE,
    FEAT_ARAT,
    FEAT_KVMCLOCK,
    FEAT_KVMCLOCK_STABLE,
    FEAT_KVM_NOPIODELAY,
    FEAT_NEVER, /* decoded, but no model has it: #UD */
    NFEATURES,
};

struct cpu_model {
    char vendor[13];
    char brand[49];
    uint32_t signature;  /* leaf 1 EAX */
    uint64_t feature[2]; /* bit per enum cpu_feature */
    uint64_t arch_capabilities;
    uint32_t tsc_khz;
    uint32_t phys_bits;
    uint32_t xsave_size;                    /* bytes of the whole standard-format image */
    uint32_t xsave_offset[8], xsave_len[8]; /* by XCR0 bit, from the host's leaf 0Dh */
    uint64_t xcr0_allowed;

    /* What cpuid.c answers from besides the features; outputs in EAX, EBX, ECX, EDX order. */
    uint32_t max_basic, max_ext;
    uint32_t leaf2[4];         /* cache descriptors */
    uint32_t cache[8][4];      /* leaf 4, for one core; ends with type 0 */
    uint32_t ext5[4], ext6[4]; /* AMD: cache sizes */
    uint32_t leaf15[4];        /* TSC and crystal frequency, zero unless exactly known */
    bool invariant_tsc;
    bool fdp_on_exception; /* leaf 7 EBX[6]: x87 data pointer is updated on exceptions only (as the
                              host's) */
};

static inline bool model_has(const struct cpu_model *m, enum cpu_feature f)
{
    return m->feature[f >> 6] >> (f & 63) & 1;
}

static inline void model_set(struct cpu_model *m, enum cpu_feature f, bool on)
{
    uint64_t bit = UINT64_C(1) << (f & 63);

    m->feature[f >> 6] = (m->feature[f >> 6] & ~bit) | (on ? bit : 0);
}

/* `spec`: text of -cpu ("host", "qemu32,-avx", "max,+nx"; NULL: host). Returns 0, or -EINVAL with
 * a sentence in err. */
int cpu_model_init(struct cpu_model *m, const char *spec, char *err, size_t errlen) MUST_CHECK;
void cpu_model_print_known(FILE *out);

#endif
