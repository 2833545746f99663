/* cpu.h - the architectural state of one virtual CPU, and who may change it.
 *
 * Owns what the manual calls the register state. Everything a guest can see is here; nothing
 * is global, so several CPUs and several machines fit in one process.
 *
 * Contract
 *  - EFLAGS.IF lives only in `iflag`; `rflags` holds all other bits (bit 1 always set).
 *    Read and write the whole through cpu_rflags()/cpu_set_rflags().
 *  - `rip` is the address of the current instruction until it completes; `next_rip` is where
 *    execution goes on (handlers of branches set it). Both are offsets into CS.
 *  - Upper halves of gpr[] are zero outside long mode, at every instruction boundary.
 *  - A guest fault is a value: cpu_raise*() fills `fault` and returns false; the engine then
 *    calls cpu_deliver(). Nothing before the fault was committed (faults), or everything was
 * (traps).
 *  - Vector and x87 state is in `fpu` unless `fpu_live`, when it is in the host's registers
 *    (translator only). Call cpu_fpu_sync() before touching `fpu`.
 *  - Derived state (`mode`, seg[].flat) is recomputed by cpu_update_mode(), which every writer of
 *    CR0/CR4/EFER/CS/SS/EFLAGS.VM/.. calls.
 *
 * Layout: hot to cold. Translated code addresses the first 128 bytes with disp8 from R14.
 */
#ifndef DRAGOMAN_CPU_CPU_H
#define DRAGOMAN_CPU_CPU_H

#include "base/log.h"
#include "base/types.h"

enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, NGPR };

enum seg_reg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, NSEG, SEG_LDTR = NSEG, SEG_TR };

enum eflags_bit {
    EF_CF = 1 << 0,
    EF_R1 = 1 << 1, /* always one */
    EF_PF = 1 << 2,
    EF_AF = 1 << 4,
    EF_ZF = 1 << 6,
    EF_SF = 1 << 7,
    EF_TF = 1 << 8,
    EF_IF = 1 << 9,
    EF_DF = 1 << 10,
    EF_OF = 1 << 11,
    EF_IOPL = 3 << 12,
    EF_NT = 1 << 14,
    EF_RF = 1 << 16,
    EF_VM = 1 << 17,
    EF_AC = 1 << 18,
    EF_VIF = 1 << 19,
    EF_VIP = 1 << 20,
    EF_ID = 1 << 21,
    EF_ARITH = EF_CF | EF_PF | EF_AF | EF_ZF | EF_SF | EF_OF,
};

enum cr0_bit {
    CR0_PE = 1 << 0,
    CR0_MP = 1 << 1,
    CR0_EM = 1 << 2,
    CR0_TS = 1 << 3,
    CR0_ET = 1 << 4,
    CR0_NE = 1 << 5,
    CR0_WP = 1 << 16,
    CR0_AM = 1 << 18,
    CR0_NW = 1 << 29,
    CR0_CD = 1 << 30,
};
#define CR0_PG UINT32_C(0x80000000)

enum cr4_bit {
    CR4_VME = 1 << 0,
    CR4_PVI = 1 << 1,
    CR4_TSD = 1 << 2,
    CR4_DE = 1 << 3,
    CR4_PSE = 1 << 4,
    CR4_PAE = 1 << 5,
    CR4_MCE = 1 << 6,
    CR4_PGE = 1 << 7,
    CR4_PCE = 1 << 8,
    CR4_OSFXSR = 1 << 9,
    CR4_OSXMMEXCPT = 1 << 10,
    CR4_UMIP = 1 << 11,
    CR4_FSGSBASE = 1 << 16,
    CR4_PCIDE = 1 << 17,
    CR4_OSXSAVE = 1 << 18,
    CR4_SMEP = 1 << 20,
    CR4_SMAP = 1 << 21,
};

enum efer_bit { EFER_SCE = 1 << 0, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11 };

enum vector {
    VEC_DE = 0,
    VEC_DB = 1,
    VEC_NMI = 2,
    VEC_BP = 3,
    VEC_OF = 4,
    VEC_BR = 5,
    VEC_UD = 6,
    VEC_NM = 7,
    VEC_DF = 8,
    VEC_TS = 10,
    VEC_NP = 11,
    VEC_SS = 12,
    VEC_GP = 13,
    VEC_PF = 14,
    VEC_MF = 16,
    VEC_AC = 17,
    VEC_MC = 18,
    VEC_XM = 19,
};

/* #PF error code (SDM 3A 4.7). */
enum pf_err { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };

/* The hidden part of a segment register. `attr` is descriptor bits 8-15 and 20-23 as in the
 * descriptor's second dword shifted right by 8: type 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14,
 * G 15. */
struct seg {
    uint16_t sel;
    uint16_t attr;
    uint32_t limit; /* in bytes, G applied */
    uint64_t base;
    bool usable; /* false: null selector loaded */
    bool
        flat; /* base 0, limit 4 GiB - 1, present, writable data expand-up (or CS: readable code) */
};

enum seg_attr {
    ATTR_A = 1 << 0, /* accessed */
    ATTR_W = 1 << 1, /* data: writable; code: readable */
    ATTR_E = 1 << 2, /* data: expand-down; code: conforming */
    ATTR_CODE = 1 << 3,
    ATTR_S = 1 << 4, /* code or data, not system */
    ATTR_DPL_SHIFT = 5,
    ATTR_P = 1 << 7,
    ATTR_L = 1 << 13,
    ATTR_DB = 1 << 14,
    ATTR_G = 1 << 15,
};

struct dtable {
    uint64_t base;
    uint16_t limit;
};

/* A pending exception of the current instruction. */
struct fault {
    uint8_t vector;
    bool has_err;
    bool soft; /* INT n, INT3, INTO: gate DPL is checked, EXT is clear */
    uint32_t err;
    uint64_t cr2; /* #PF */
    uint32_t dr6; /* #DB: bits to set */
};

/* The mode bits that decide what code means. Two equal values: same decoding, same translation.
 * Segments have no part in that of 64-bit code: no MODE_CS32, MODE_SS32, MODE_FLAT_*. */
enum cpu_mode {
    MODE_CPL3 = 1 << 0, /* CPL == 3 (CPL 1 and 2 are marked besides) */
    MODE_CPL12 = 1 << 1,
    MODE_PE = 1 << 2,
    MODE_VM = 1 << 3,
    MODE_CS32 = 1 << 4, /* CS.D */
    MODE_SS32 = 1 << 5, /* SS.B */
    MODE_LMA = 1 << 6,
    MODE_CS64 = 1 << 7, /* LMA and CS.L */
    MODE_PG = 1 << 8,
    MODE_FLAT_CS = 1 << 9, /* base 0, limit 4 GiB, readable */
    MODE_FLAT_SS = 1 << 10,
    MODE_FLAT_DS = 1 << 11,
    MODE_FLAT_ES = 1 << 12,
    MODE_NOFPU = 1 << 13, /* CR0.TS or CR0.EM set */
    MODE_NOSSE = 1 << 14, /* CR4.OSFXSR clear, or CR0.EM, TS */
    MODE_NOAVX = 1 << 15, /* CR4.OSXSAVE clear or XCR0 lacks AVX, or TS */
    MODE_AC = 1 << 16,    /* CR0.AM, EFLAGS.AC, CPL 3 */
    MODE_TF = 1 << 17,
    MODE_IOPL_OK = 1 << 18, /* CPL <= IOPL: CLI/STI/IN/OUT allowed without further checks */
    MODE_DR7 = 1 << 19,     /* some breakpoint is enabled */
    MODE_TSD = 1 << 20,     /* RDTSC faults at this CPL */
    MODE_WP = 1 << 21,
    MODE_FSGSBASE = 1 << 22, /* 64-bit code with CR4.FSGSBASE set */
};

enum { FPU_AREA_BYTES = 4096 };

struct cpu;

/* The rights of an access (SDM 3A 4.6): explicit ones of CPL 0-2 or CPL 3, or implicit ones to
 * descriptor tables and TSSs, to which EFLAGS.AC does not open users' pages under CR4.SMAP. */
enum mem_rights { MEM_SUPERVISOR, MEM_USER, MEM_SYSTEM };

/* Memory as the CPU's own accesses see it (descriptor tables, TSS, stacks).
 * Implemented by shadowmmu/access.c. All addresses are linear; false: #PF recorded in cpu->fault.
 */
struct cpu_mem_ops {
    bool (*read)(struct cpu *c, gva_t lin, void *buf, unsigned len, enum mem_rights as);
    bool (*write)(struct cpu *c, gva_t lin, const void *buf, unsigned len, enum mem_rights as);
    /* Checks that a later write of the range can't fault (sets A/D as a write would). */
    bool (*probe_write)(struct cpu *c, gva_t lin, unsigned len, enum mem_rights as);
};

/* Where control must flow up from the CPU model. Any member may be NULL in tests. */
struct cpu_hooks {
    void (*paging_changed)(void *opaque,
                           struct cpu *c); /* CR0.PG/WP, CR4.PSE/PAE/PGE/.., EFER.NXE */
    void (*cr3_written)(void *opaque,
                        struct cpu *c); /* MOV CR3, task switch; also the same value, which
                                           is how INVPCID ends all that a TLB may hold */
    bool (*load_pdptes)(void *opaque, struct cpu *c); /* PAE: latch PDPTEs from CR3; false: #GP */
    void (*invlpg)(void *opaque, struct cpu *c, gva_t lin);
    int (*intr_ack)(void *opaque);                 /* INTA: vector of the pending interrupt */
    void (*fpu_sync)(void *opaque, struct cpu *c); /* live host registers -> c->fpu */
    uint32_t (*io_read)(void *opaque, uint16_t port, unsigned size);
    void (*io_write)(void *opaque, uint16_t port, unsigned size, uint32_t val);
    uint64_t (*tsc)(void *opaque);   /* the time-stamp counter, without tsc_offset */
    void (*tsc_moved)(void *opaque); /* tsc_offset was changed */
    void (*cr8_written)(void *opaque, uint8_t cr8);
    /* MSRs that live in chips of the board, and IA32_APIC_BASE; values are checked already. */
    uint64_t (*msr_read)(void *opaque, uint32_t index);
    void (*msr_written)(void *opaque, uint32_t index, uint64_t val);
    void (*ferr)(void *opaque, bool level); /* FERR#: x87 error with CR0.NE = 0 */
    void *opaque;
};

struct cpu_model; /* cpuid.h */
struct hostexec;

struct cpu {
    /* hot: translated code reaches these with disp8 from R14 */
    uint64_t gpr[NGPR];
    /* warm: still within disp32, grouped by use */
    uint64_t rip, next_rip;
    uint32_t rflags; /* never holds IF */
    uint8_t iflag;   /* EFLAGS.IF, 0 or 1 */
    uint8_t cpl;
    uint8_t intr;           /* level of the INTR pin */
    uint8_t intr_shadow;    /* STI / MOV SS: no interrupt before the next instruction completes */
    volatile uint32_t kick; /* set from other threads: leave the engine and look around */
    uint32_t mode;          /* enum cpu_mode, kept by cpu_update_mode() */
    uint8_t fpu_live;       /* x87/vector state is in the host's registers */
    uint8_t halted;         /* HLT executed, waiting for an interrupt */
    uint8_t shutdown;       /* triple fault */
    uint8_t nmi_pending, nmi_blocked;
    uint8_t in_rep;     /* a REP instruction was left half-way: next_rip == rip */
    uint8_t debug_trap; /* a #DB trap (data breakpoint, TF, task switch T) is due after this
                           instruction */
    uint8_t ignne;      /* level of the IGNNE# pin, asserted = 1 (SDM 3A 8.7.2) */
    uint32_t pending_dr6;

    struct seg seg[NSEG + 2]; /* by enum seg_reg, with LDTR and TR */
    struct dtable gdtr, idtr;
    uint64_t cr0, cr2, cr3, cr4, cr8, efer;
    uint64_t pdpte[4]; /* PAE: latched at MOV CR3 (SDM 3A 4.4.1) */
    uint64_t dr[8];
    uint64_t xcr0;
    uint64_t tsc_offset, tsc_adjust;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
    uint64_t pat, misc_enable, apic_base, mtrr_def_type, mtrr_fixed[11], mtrr_var[16];
    uint64_t spec_ctrl, debugctl, bios_sign_id;

    struct fault fault;    /* valid after a false return */
    uint8_t delivering;    /* vector being delivered + 1, 0: none (double-fault logic) */
    struct fault chain[3]; /* the last faults that led to shutdown, for the report */
    uint8_t nchain;

    const struct cpu_mem_ops *mem;
    struct cpu_hooks hooks;
    const struct cpu_model *model;
    struct log *log;
    void *mmu;                 /* struct smmu of this machine: shadowmmu/access.h */
    void *engine;              /* private to the engine that runs this CPU */
    struct hostexec *hostexec; /* runs vector instructions on the host: translator/hostexec.h */

    /* The XSAVE image (standard format, as XSAVE64 writes it: 64-bit FIP/FDP). FIP/FDP hold guest
     * offsets and fcs/fds the guest selectors whenever !fpu_live. */
    uint8_t fpu[FPU_AREA_BYTES] __attribute__((aligned(64)));
    uint16_t fcs, fds;
};

/* Power-on state (SDM 3A 9.1.1), with `model` deciding CPUID and MSRs. Hooks, mem, log stay. */
void cpu_reset(struct cpu *c);

/* Recomputes mode and the flat bits. */
void cpu_update_mode(struct cpu *c);
/* The same when only ES, DS, FS or GS was loaded: kernels do that at every entry. */
void cpu_update_data_segment(struct cpu *c, unsigned seg);

static inline uint32_t cpu_rflags(const struct cpu *c)
{
    return c->rflags | (uint32_t)c->iflag << 9;
}

/* Sets every bit (reserved ones are fixed up); calls cpu_update_mode(). */
void cpu_set_rflags(struct cpu *c, uint32_t v);

static inline void cpu_fpu_sync(struct cpu *c)
{
    if (c->fpu_live)
        c->hooks.fpu_sync(c->hooks.opaque, c);
}

static inline unsigned cpu_iopl(const struct cpu *c)
{
    return (c->rflags >> 12) & 3;
}

static inline bool cpu_vm86(const struct cpu *c)
{
    return c->rflags & EF_VM;
}

/* Real mode: PE clear. */
static inline bool cpu_real(const struct cpu *c)
{
    return !(c->cr0 & CR0_PE);
}

static inline bool cpu_long(const struct cpu *c)
{
    return c->efer & EFER_LMA;
}

static inline bool canonical(uint64_t lin)
{
    return (uint64_t)((int64_t)(lin << 16) >> 16) == lin;
}

static inline bool cpu_cs64(const struct cpu *c)
{
    return c->mode & MODE_CS64;
}

/* Linear address of CS:rip; wraps at 4 GiB outside 64-bit mode. */
static inline gva_t cpu_linear_rip(const struct cpu *c)
{
    return cpu_cs64(c) ? c->rip : (uint32_t)(c->seg[SEG_CS].base + c->rip);
}

/* An interrupt would be taken at this boundary. */
static inline bool cpu_intr_ready(const struct cpu *c)
{
    return c->intr && c->iflag && !c->intr_shadow;
}

/* Prints registers, segments, control registers. */
void cpu_dump(const struct cpu *c, FILE *out);

#endif
