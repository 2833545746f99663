# long_syscall.S - the fast ways into the kernel and back: SYSCALL and SYSRET, SYSENTER and SYSEXIT in 64-bit and compatibility mode,
# their MSRs, SWAPGS, FS and GS bases.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"


main64: INIT_LONG
        call    registers
        call    syscalls
        call    sysrets
        call    sysenters
        call    swapgs_all
        call    bases
        ret

        .macro  GOOD_MSR name, index, value
        TRY     "\name", "WRITE_MSR \index, \value"
        SHOW_MSR "  reads", \index
        .endm
registers:
        GOOD_MSR "STAR", MSR_STAR, 0x0018000812345678
        GOOD_MSR "LSTAR", MSR_LSTAR, 0xFFFF800012345678
        GOOD_MSR "CSTAR", MSR_CSTAR, 0x7FFFFFFFFFFF
        GOOD_MSR "FMASK", MSR_FMASK, 0x47700
        GOOD_MSR "SYSENTER_EIP", MSR_SYSENTER_EIP, 0xFFFF800000001234
        GOOD_MSR "SYSENTER_ESP", MSR_SYSENTER_ESP, 0xFFFF800000005678
        TRY_USER "RDMSR at CPL 3", "mov $MSR_LSTAR, %ecx; rdmsr"
        TRY_USER "WRMSR at CPL 3", "mov $MSR_LSTAR, %ecx; wrmsr"
        SHOW_MSR "EFER", MSR_EFER
        TRY     "LMA is read-only", "READ_MSR MSR_EFER; mov %rax, %rdx; shr $32, %rdx; and $~0x400, %eax; wrmsr"
        SHOW_MSR "EFER", MSR_EFER
        TRY     "SCE clear", "READ_MSR MSR_EFER; mov %rax, %rdx; shr $32, %rdx; and $~1, %eax; wrmsr"
        TRY     "SYSCALL without SCE", "syscall"
        TRY     "SYSRET without SCE", "sysretq"
        TRY_USER "SYSCALL at CPL 3 without SCE", "syscall"
        TRY     "SCE set", "READ_MSR MSR_EFER; mov %rax, %rdx; shr $32, %rdx; or $1, %eax; wrmsr"
        ret

# The system call's handler keeps what it was given.
call_entry:
        mov     %rcx, call_rcx(%rip)
        sub     trap_base(%rip), %rcx
        mov     %rcx, call_rcx(%rip)
        mov     %r11, call_r11(%rip)
        andq    $~0x108D5, call_r11(%rip)
        jmp     record

syscalls:
        WRITE_MSR MSR_STAR, 0x0018000800000000
        WRITE_MSR MSR_LSTAR, call_entry
        WRITE_MSR MSR_FMASK, 0x47700
        ENTRY_IN "SYSCALL", SEL_USER_CODE, SEL_USER_DATA, 64, "nop; syscall"
        SHOW    "  rcx", call_rcx(%rip)
        SHOW    "  r11", call_r11(%rip)
        ENTRY_IN "SYSCALL, flags", SEL_USER_CODE, SEL_USER_DATA, 64, "syscall", USER_SP, 0x247E02
        SHOW    "  rcx", call_rcx(%rip)
        SHOW    "  r11", call_r11(%rip)
        WRITE_MSR MSR_FMASK, 0
        ENTRY_IN "SYSCALL, nothing masked", SEL_USER_CODE, SEL_USER_DATA, 64, "syscall", USER_SP, 0x240802
        SHOW    "  r11", call_r11(%rip)
        WRITE_MSR MSR_FMASK, 0xFFFFFFFF
        ENTRY_IN "SYSCALL, all masked", SEL_USER_CODE, SEL_USER_DATA, 64, "stc; syscall", USER_SP, 0x240802
        SHOW    "  r11", call_r11(%rip)
        ENTRY   "SYSCALL at CPL 0", "syscall"
        SHOW    "  rcx", call_rcx(%rip)
        ENTRY_IN "SYSCALL, RSP is left alone", SEL_USER_CODE, SEL_USER_DATA, 64, "mov $test_stack + 5, %esp; syscall"
        WRITE_MSR MSR_STAR, 0x001B000B00000000
        ENTRY_IN "SYSCALL, STAR with RPLs", SEL_USER_CODE, SEL_USER_DATA, 64, "syscall"
        WRITE_MSR MSR_STAR, 0x0018000800000000
        ret

sysrets:
        SYSRET_TRY "SYSRETQ", sysretq, 2
        SYSRET_TRY "SYSRETL", sysretl, 2
        SYSRET_TRY "SYSRETL, upper half of RCX", sysretl, 2, 0x1234567800000000+9f
        WRITE_MSR MSR_STAR, 0x001B000800000000
        SYSRET_TRY "SYSRETQ, STAR with RPL", sysretq, 2
        SYSRET_TRY "SYSRETL, STAR with RPL", sysretl, 2
        WRITE_MSR MSR_STAR, 0x0018000800000000
        TRY_USER "SYSRETQ at CPL 3", "sysretq"
        TRY_USER "SYSRETL at CPL 3", "sysretl"
        ret

sysenters:
        WRITE_MSR MSR_SYSENTER_CS, 0
        TRY     "SYSENTER, CS 0", "sysenter"
        TRY_USER "SYSENTER at CPL 3, CS 0", "sysenter"
        TRY     "SYSEXIT, CS 0", "sysexitl"
        WRITE_MSR MSR_SYSENTER_CS, SEL_CODE
        WRITE_MSR MSR_SYSENTER_EIP, record
        WRITE_MSR MSR_SYSENTER_ESP, test_stack
        ENTRY_IN "SYSENTER", SEL_USER_CODE, SEL_USER_DATA, 64, "sysenter", USER_SP, 0x202
        ENTRY_IN "SYSENTER, 32-bit code", SEL_USER_CODE32, SEL_USER_DATA, 32, "sysenter", USER_SP, 0x240E02
        ENTRY_IN "SYSENTER, 16-bit code", SEL_USER_CODE16, SEL_USER_DATA16, 16, "sysenter"
        WRITE_MSR MSR_SYSENTER_ESP, EDGE+8
        ENTRY_IN "SYSENTER, stack above 4 GiB", SEL_USER_CODE, SEL_USER_DATA, 64, "sysenter"
        WRITE_MSR MSR_SYSENTER_ESP, test_stack
        ENTRY   "SYSENTER at CPL 0", "sysenter"
        WRITE_MSR MSR_SYSENTER_CS, SEL_CODE + 3
        ENTRY_IN "SYSENTER, CS with RPL", SEL_USER_CODE, SEL_USER_DATA, 64, "sysenter"
        WRITE_MSR MSR_SYSENTER_CS, SEL_CODE
        SYSEXIT_TRY "SYSEXIT", sysexitl
        SYSEXIT_TRY "SYSEXITQ", sysexitq
        SYSEXIT_TRY "SYSEXITQ, RSP above", sysexitq, 9f, EDGE+0x18
        TRY_USER "SYSEXIT at CPL 3", "sysexitl"
        TRY32_KERNEL "SYSEXIT from 32-bit code", "mov $9f, %edx; mov $USER_SP, %ecx; .byte 0x0F, 0x35; 9: inc %eax"
        FRAME
        ret

swapgs_all:
        WRITE_MSR MSR_GS_BASE, EDGE
        WRITE_MSR MSR_KERNEL_GS_BASE, LAST
        LOADED  "GS before SWAPGS", "nop", "mov %gs:8, %rax"
        TRY     "SWAPGS", "swapgs"
        LOADED  "GS after it", "nop", "mov %gs:8, %rax"
        SHOW_MSR "  GS_BASE", MSR_GS_BASE
        SHOW_MSR "  KERNEL_GS_BASE", MSR_KERNEL_GS_BASE
        LOADED  "twice in one block", "nop", "swapgs; mov %gs:0, %rax; swapgs; mov %gs:0, %rdx; shl $8, %rdx; add %rdx, %rax; swapgs; swapgs"
        TRY_USER "SWAPGS at CPL 3", "swapgs"
        TRY32_KERNEL "SWAPGS in 32-bit code", ".byte 0x0F, 0x01, 0xF8"
        TRY     "and back", "swapgs"
        SHOW_MSR "  GS_BASE", MSR_GS_BASE
        ret

bases:  .irp    insn, rdfsbase, rdgsbase, wrfsbase, wrgsbase
        TRY     "\insn without CR4.FSGSBASE", "\insn %rbx"
        TRY_USER "\insn without it at CPL 3", "\insn %rbx"
        .endr
        FSGSBASE 1
        TRY_USER "WRFSBASE", "movabs $EDGE+0x10, %rax; wrfsbase %rax; mov %fs:8, %rbx; rdfsbase %rcx"
        SHOW    "  fs:8", %rbx
        SHOW_MSR "  FS_BASE", MSR_FS_BASE
        TRY_USER "WRGSBASE", "movabs $LAST, %rax; wrgsbase %rax; mov %gs:8, %rbx"
        SHOW    "  gs:8", %rbx
        SHOW_MSR "  GS_BASE", MSR_GS_BASE
        TRY     "32 bits: WRFSBASE", "movabs $0x7123456789, %rax; wrfsbase %eax; or $-1, %rbx; rdfsbase %rbx"
        SHOW    "  fs base", %rbx
        TRY     "32 bits: RDGSBASE", "or $-1, %rbx; rdgsbase %ebx"
        SHOW    "  gs base", %rbx
        TRY32   "RDFSBASE in 32-bit code", "rdfsbase %eax"
        TRY32   "WRGSBASE in 32-bit code", "wrgsbase %eax"
        # selectors
        WRITE_MSR MSR_FS_BASE, EDGE
        WRITE_MSR MSR_GS_BASE, EDGE
        movl    $0x4000, gdt_long + SEL_SMALL - 3 + 2(%rip)
        movb    $0xF3, gdt_long + SEL_SMALL - 3 + 5(%rip)
        TRY     "MOV FS, a descriptor's base", "mov $SEL_SMALL, %eax; mov %eax, %fs; rdfsbase %rbx"
        SHOW    "  fs base", %rbx
        TRY     "its limit does not count", "mov %fs:0x100000, %rbx"
        TRY     "MOV FS, null", "WRITE_MSR MSR_FS_BASE, EDGE; xor %eax, %eax; mov %eax, %fs; rdfsbase %rbx"
        SHOW    "  fs base", %rbx
        TRY_USER "MOV GS, null with RPL", "mov $3, %eax; mov %eax, %gs; rdgsbase %rbx; mov %gs, %ecx"
        SHOW    "  gs base", %rbx
        SHOW    "  gs", %rcx
        TRY     "POP FS", "WRITE_MSR MSR_FS_BASE, EDGE; pushq $SEL_SMALL; pop %fs; rdfsbase %rbx"
        SHOW    "  fs base", %rbx
        TRY     "LGS keeps to 32 bits", "movl $0x77, low_pointer(%rip); movw $SEL_SMALL, low_pointer + 4(%rip); lgs low_pointer(%rip), %ebx; rdgsbase %rcx"
        SHOW    "  ebx", %rbx
        SHOW    "  gs base", %rcx
        TRY     "a selector beyond the GDT leaves the base", "WRITE_MSR MSR_FS_BASE, EDGE; mov $0xF8, %eax; mov %eax, %fs"
        SHOW_MSR "  FS_BASE", MSR_FS_BASE
        RUN     "xor %eax, %eax; mov %eax, %fs; mov %eax, %gs"
        FSGSBASE 0
        ret

        .bss
        .balign 8
call_rcx:
        .skip   8
call_r11:
        .skip   8
low_pointer:
        .skip   8
