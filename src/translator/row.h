/* row.h - the instruction table: one row per instruction, carrying everything.
 *
 * Indexed by Zydis mnemonic. Rows live in rows_*.def, expanded by row.c:
 *
 *   INSN(MNEMONIC, meaning, translation, feature, traits)
 *
 * meaning       x_* function: interpreter, callout and oracle
 * translation   how the translator lowers it (enum lower_kind); LOWER_CALLOUT is always right
 * feature       enum cpu_feature that the model must have, or #UD
 * traits        checks and facts shared code acts on
 * A mnemonic without a row is #UD.
 */
#ifndef DRAGOMAN_TRANSLATOR_ROW_H
#define DRAGOMAN_TRANSLATOR_ROW_H

#include "cpu/model.h"
#include "translator/decode.h"

enum row_trait {
    T_NONE = 0,
    T_CPL0 = 1 << 0, /* #GP(0) unless CPL 0 */
    T_IOPL = 1 << 1, /* checks IOPL itself (CLI, STI, PUSHF in V86..): documentation only */
    T_LOCK = 1 << 2, /* LOCK allowed with a memory destination; without this trait LOCK is #UD */
    T_FPU = 1 << 3,  /* x87/MMX: #NM when CR0.TS/EM (MMX: EM is #UD) */
    T_MMX = 1 << 4,
    T_SSE = 1 << 5,     /* legacy SSE: #UD when !CR4.OSFXSR or EM, #NM when TS */
    T_AVX = 1 << 6,     /* VEX: #UD when !OSXSAVE or XCR0 lacks it, #NM when TS */
    T_WAITS = 1 << 7,   /* waiting x87 instruction: reports a pending #MF */
    T_ENDS = 1 << 8,    /* ends a translation unit: control flow or changes mode */
    T_PROT = 1 << 9,    /* #UD in real and V86 mode */
    T_STRING = 1 << 10, /* REP allowed */
    T_LIGHT =
        1 << 11, /* meaning touches no libc and no vector state: callable with guest FPU live */
    T_NOT64 = 1 << 12,
    T_ONLY64 = 1 << 13,
    T_CR4_CHECK = 1 << 14,
    T_ALL_VECTORS = 1 << 15, /* changes all vector registers there are in the mode */
    T_PLAIN = 1 << 16, /* a callout that changes general registers, arithmetic flags, memory and
                          what is behind ports, and nothing else of the CPU */
};

/* What the translator does with it. Each kind is one lower_*() function in translator/lower_*.c. */
enum lower_kind {
    LOWER_CALLOUT, /* call the meaning */
    LOWER_COPY,    /* re-emit as itself (IDENT): GPR, memory, vector operands, no stack, no control
                      flow */
    LOWER_PUSH,
    LOWER_POP,
    LOWER_LEAVE,
    LOWER_PUSHA,
    LOWER_POPA,
    LOWER_STRING,
    LOWER_LEA,
    LOWER_XCHG,
    LOWER_JMP,
    LOWER_JCC,
    LOWER_JCXZ,
    LOWER_LOOP,
    LOWER_CALL,
    LOWER_RET,
    LOWER_CLI,
    LOWER_STI,
    LOWER_PUSHF,
    LOWER_POPF,
    LOWER_NOP,
    LOWER_RDTSC,
    LOWER_RDTSCP,
    LOWER_PUSH_SEG,
    LOWER_MOV_FROM_SEG,
    LOWER_DF,       /* CLD, STD: the host's DF and the shadow of it */
    LOWER_LOAD_SEG, /* MOV, POP to ES, DS, FS, GS */
    LOWER_POP_SEG,
    LOWER_LOAD_FAR, /* LDS, LES, LFS, LGS */
    LOWER_FAR_JMP,
    LOWER_FAR_CALL,
    LOWER_FAR_RET,
    LOWER_MOV_FROM_CR,
    LOWER_SYSENTER,
    LOWER_SYSEXIT,
    LOWER_SYSCALL, /* these four: other privilege level, or base of GS, without leaving the cache */
    LOWER_SYSRET,
    LOWER_IRET,
    LOWER_SWAPGS,
    LOWER_STORE_SYSTEM, /* SMSW, SLDT, STR */
    LOWER_LOAD_TABLE,   /* these: done at once when they change nothing, or little (light_asm.S) */
    LOWER_MOV_TO_CR,
    LOWER_CLTS,
    LOWER_RDMSR,
    LOWER_WRMSR,
    LOWER_CPUID,
    LOWER_READ_BASE, /* RDFSBASE, RDGSBASE */
    LOWER_WRITE_BASE,
    LOWER_EXIT, /* call the meaning, then leave the block (INT, IRET, HLT, mode
                   changes) */
    NLOWER,
};

struct row {
    const char *name;
    exec_fn *exec;
    uint8_t lower;
    uint8_t feature;
    uint32_t traits;
    bool valid;
};

/* The row of a Zydis mnemonic; an invalid row (valid == false) when there is none. */
const struct row *row_of(unsigned mnemonic);
unsigned row_count(void); /* size of the table, for inventories */

#endif
