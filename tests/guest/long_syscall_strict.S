# long_syscall_strict.S - the fast system calls and their MSRs, where QEMU 7.2's TCG is not exact: addresses that are not canonical,
# flags that SYSRET restores, selectors of RPL only, Intel's SYSCALL outside 64-bit mode.
# engines: bt interp
        .include "long.inc"

main64: INIT_LONG
        call    registers
        call    fast
        ret

        .macro  BAD_MSR name, index, value
        TRY     "\name", "WRITE_MSR \index, \value"
        .endm
registers:
        BAD_MSR "LSTAR in the hole", MSR_LSTAR, HOLE
        BAD_MSR "CSTAR in the hole", MSR_CSTAR, 0xFFFF7FFFFFFFFFFF
        BAD_MSR "KERNEL_GS_BASE in the hole", MSR_KERNEL_GS_BASE, HOLE
        BAD_MSR "FS_BASE in the hole", MSR_FS_BASE, HOLE
        BAD_MSR "GS_BASE in the hole", MSR_GS_BASE, 0xFFFF000000000000
        TRY     "RDMSR of none", "mov $0xC0000FFF, %ecx; rdmsr"
        TRY     "LME under paging", "READ_MSR MSR_EFER; and $~0x100, %eax; wrmsr"
        BAD_MSR "SYSENTER_EIP in the hole", MSR_SYSENTER_EIP, HOLE
        BAD_MSR "SYSENTER_ESP in the hole", MSR_SYSENTER_ESP, HOLE
        BAD_MSR "FMASK of 33 bits", MSR_FMASK, 0x100000000
        BAD_MSR "EFER, a bit that is none", MSR_EFER, 0x80000D01
        BAD_MSR "EFER, bit 32", MSR_EFER, 0x100000D01
        SHOW_MSR "  FS_BASE", MSR_FS_BASE
        SHOW_MSR "  EFER", MSR_EFER
        FSGSBASE 1
        TRY     "WRFSBASE in the hole", "movabs $HOLE, %rax; wrfsbase %rax"
        TRY     "WRGSBASE in the hole", "movabs $HOLE, %rax; wrgsbase %rax"
        FSGSBASE 0
        ret

fast:   WRITE_MSR MSR_STAR, 0x0018000800000000
        WRITE_MSR MSR_LSTAR, record
        WRITE_MSR MSR_FMASK, 0
        ENTRY_IN "SYSCALL, nothing masked", SEL_USER_CODE, SEL_USER_DATA, 64, "std; syscall", USER_SP, 0x240802
        TRY32   "SYSCALL from 32-bit code", "syscall"
        TRY32   "SYSRET from 32-bit code", "sysretl"
        TRY32_KERNEL "SYSCALL from 32-bit code at CPL 0", "syscall"
        TRY32_KERNEL "SYSRET from 32-bit code at CPL 0", "sysretl"
        SYSRET_TRY "SYSRETQ, all flags", sysretq, 0x3F7ED5
        SYSRET_TRY "SYSRETL, all flags", sysretl, 0x3F7ED5
        SYSRET_TRY "SYSRETQ to the hole", sysretq, 2, HOLE
        SYSRET_TRY "SYSRETL ignores the upper half", sysretl, 2, HOLE + 9f
        WRITE_MSR MSR_SYSENTER_CS, 3
        TRY     "SYSENTER, CS 3", "sysenter"
        WRITE_MSR MSR_SYSENTER_CS, SEL_CODE
        SYSEXIT_TRY "SYSEXIT, upper halves", sysexitl, 0x4200000000+9f, 0x4300000000+USER_SP
        SYSEXIT_TRY "SYSEXITQ to the hole", sysexitq, HOLE
        SYSEXIT_TRY "SYSEXITQ, RSP in the hole", sysexitq, 9f, HOLE
        ret
