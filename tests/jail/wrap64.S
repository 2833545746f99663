# wrap64.S - addresses of 64-bit code that leave their 4 GiB region, the canonical halves or the address space, in every form:
# displacements, indices, constants, 67h, FS and GS, bit strings, XLAT, MASKMOVDQU, gathers, PUSH and POP of memory.
# engines: bt interp           (run.sh has no reference with long mode)
        .include "lib64.inc"

# A form tried where it works and where it does not, several times: sites that fault are translated in other ways.
        .macro  FORM name, body
        jmp     2f
1:      \body
        ret
2:      movq    $1b, form(%rip)
        PUTS    "\name\n"
        call    try_form
        .endm

main64: call    forms
        call    constants
        call    segments
        call    bits
        call    implicit
        ret

# RBX: the address, RCX: 2, RDX: address / 8, for indices
forms:  FORM    "load", "mov (%rbx), %rax"
        FORM    "disp8", "mov -0x80(%rbx), %rax"
        FORM    "disp32", "mov 0xFF0(%rbx), %eax"
        FORM    "2 GiB up", "mov 0x7FFFFFF0(%rbx), %rax"
        FORM    "2 GiB down", "mov -0x80000000(%rbx), %rax"
        FORM    "index", "mov (%rbx, %rcx, 8), %rax"
        FORM    "index * 8 alone", "mov 0x10(, %rdx, 8), %rax"
        FORM    "kernel's array", "mov -0x7F000000(%rbx, %rcx), %al"
        FORM    "32 bits", "mov 8(%ebx), %eax"
        FORM    "sixteen bytes", "movups 0xFF8(%rbx), %xmm0; movq %xmm0, %rax"
        FORM    "read-modify-write", "lock xadd %rcx, 0xFFC(%rbx)"
        FORM    "cmpxchg16b", "mov (%rbx), %rax; mov 8(%rbx), %rdx; lock cmpxchg16b (%rbx)"
        FORM    "store", "mov (%rbx), %rax; mov %rax, (%rbx)"
        FORM    "push", "push (%rbx); pop %rax"
        FORM    "pop", "push (%rbx); pop (%rbx)"
        FORM    "two of one base", "mov (%rbx), %rax; add 0x1000(%rbx), %rax; add -0x1000(%rbx), %rax"
        FORM    "base changed between", "mov (%rbx), %rax; bswap %rbx; bswap %rbx; add $0x1000, %rbx; mov (%rbx), %rax"
        FORM    "conditionally changed", "mov (%rbx), %rax; test %rax, %rax; cmovnz %rcx, %rbx; mov (%rbx), %rax"
        FORM    "x87", "fildl (%rbx); fistpl 0xFFE(%rbx)"
        FORM    "prefetch", "prefetcht0 (%rbx); mov $1, %eax"
        ret

try_form:
        .irp    at, EDGE-0x1000, EDGE-8, EDGE-4, EDGE, LAST, LAST+0xFFC, LOW_TOP+0xFF9, HOLE, HIGH_BOTTOM, HIGH_BOTTOM-1, TOP, TOP+0xFFC, 0xFEDC000000000000, 0x40000000
        movabs  $\at, %rbx
        PUTS    "  \at "
        call    try_address
        .endr
        ret
try_address:
        mov     $6, %r12d
1:      mov     %rbx, %r13
        mov     $2, %ecx
        mov     %rbx, %rdx
        shr     $3, %rdx
        movabs  $0x5A5A5A5A5A5A5A5A, %rax
        call    try_once
        mov     %r13, %rbx
        dec     %r12d
        jnz     1b
        call    trap_show
        call    refill
        ret
# Only the last run is shown. The saved RIP depends on the form's place: no more than the first 100h bytes are told.
try_once:
        mov     form(%rip), %r14
        mov     %r14, trap_base(%rip)
        movq    $2f, trap_resume(%rip)
        mov     %rsp, trap_rsp(%rip)
        movl    $-1, trap_vector(%rip)
        call    *%r14
2:      mov     trap_rsp(%rip), %rsp
        call    refill
        ret

constants:
        LOADED  "constant in the last 2 GiB", "nop", "mov 0xFFFFFFFFFFFFF010, %rax"
        LOADED  "constant in the first 2 GiB", "nop", "mov 0x10, %rax"
        LOADED  "constant at the very top", "nop", "mov 0xFFFFFFFFFFFFFFFC, %rax"
        LOADED  "constant over the top", "nop", "mov 0xFFFFFFFFFFFFFFFC, %eax"
        LOADED  "moffs over the edge", "nop", "movabs 0xFFFFFFFC, %rax"
        LOADED  "moffs behind it", "nop", "movabs 0x100000010, %rax"
        LOADED  "moffs in the hole", "nop", "movabs 0x800000000000, %rax"
        LOADED  "moffs at its edge", "nop", "movabs 0x7FFFFFFFFFFF, %al"
        LOADED  "moffs over its edge", "nop", "movabs 0x7FFFFFFFFFFF, %ax"
        LOADED  "moffs, REX.R, REX.X and REX.B are ignored", "mov $0x1111, %r8d; mov $0x2222, %r9d; mov $0x3333, %r10d; mov $0x4444, %r11d", ".byte 0x4F, 0xA1; .quad EDGE + 8; add %r8, %rax; add %r9, %rax; add %r10, %rax; add %r11, %rax"
        LOADED  "the same to memory", "mov $0x1111, %r8d; mov $0x2222, %r9d; mov $0x3333, %r10d; mov $0x4444, %r11d", ".byte 0x47, 0xA3; .quad EDGE + 0x20; movabs EDGE + 0x20, %rax"
        LOADED  "RIP-relative to 2 GiB behind", "nop", "mov 0x7FFFFFF0(%rip), %rax"
        LOADED  "RIP-relative to 2 GiB before", "nop", "mov -0x80000000(%rip), %rax"
        ret

segments:
        SET_BASE MSR_FS_BASE, EDGE-8
        SET_BASE MSR_GS_BASE, LOW_TOP+0xFF0
        LOADED  "FS at an edge", "nop", "mov %fs:0, %rax"
        LOADED  "FS over it", "nop", "mov %fs:4, %rax"
        LOADED  "FS behind it", "nop", "mov %fs:0x10, %rax"
        LOADED  "FS before it", "nop", "mov %fs:-0x10, %rax"
        LOADED  "FS far", "nop", "mov %fs:0x7FFFFFF0, %rax"
        LOADED  "FS and a register", "movabs $LAST - EDGE, %rbx", "mov %fs:8(%rbx), %rax"
        LOADED  "FS and 32 bits", "mov $-8, %rbx", "mov %fs:0x10(%ebx), %rax"
        LOADED  "FS, wrapping", "mov $-8, %rbx", "mov %fs:0x10(%rbx, %rbx), %rax"
        LOADED  "FS to the monitor, perhaps", "movabs $0x7F0000000000, %rbx", "mov %fs:(%rbx), %rax"
        LOADED  "GS at the hole", "nop", "mov %gs:0, %rax"
        LOADED  "GS over its edge", "nop", "mov %gs:0xC, %rax"
        LOADED  "GS in it", "nop", "mov %gs:0x10, %rax"
        LOADED  "GS to what is the hot structure", "nop", "mov %gs:0x1E0, %rax"
        LOADED  "GS to what is the table", "mov $8, %ecx", "mov %gs:0x10000(, %rcx, 8), %rax"
        LOADED  "PUSH of FS", "nop", "push %fs:0; pop %rax"
        SET_BASE MSR_FS_BASE, TOP+0xFF8
        LOADED  "FS at the top", "nop", "mov %fs:0, %rax"
        LOADED  "FS over the top", "nop", "mov %fs:8, %rax"
        LOADED  "FS across the top", "nop", "mov %fs:4, %rax"
        ret

# A bit offset in a register reaches 2^60 bytes either way.
bits:   LOADED  "BT from one region to another", "movabs $EDGE, %rbx; mov $-8, %rcx", "bt %rcx, (%rbx); sbb %rax, %rax"
        LOADED  "BTS far up", "mov $0x1000, %ebx; movabs $(LAST - 0x1000) * 8 + 3, %rcx", "bts %rcx, (%rbx); movabs LAST, %rax"
        LOADED  "BTR far down", "movabs $KERNEL, %rbx; movabs $(EDGE - KERNEL) * 8, %rcx", "btr %rcx, (%rbx); movabs EDGE, %rax"
        LOADED  "BTC, 32 bits", "movabs $EDGE, %rbx; mov $-32, %ecx", "btc %ecx, (%rbx); movabs EDGE - 8, %rax"
        LOADED  "BTS with a displacement", "movabs $EDGE - 0x100, %rbx; mov $0x90 * 8, %rcx", "bts %rcx, 0x80(%rbx); movabs EDGE + 0x10, %rax"
        LOADED  "BTS to the hole", "xor %ebx, %ebx; movabs $HOLE * 8, %rcx", "bts %rcx, (%rbx)"
        LOADED  "BTS over the top", "movabs $TOP, %rbx; mov $0x1008 * 8, %rcx", "lock bts %rcx, (%rbx); mov 8, %rax"
        LOADED  "the furthest", "xor %ebx, %ebx; movabs $0x7FFFFFFFFFFFFFFF, %rcx", "bt %rcx, (%rbx)"
        LOADED  "the furthest down", "xor %ebx, %ebx; movabs $0x8000000000000000, %rcx", "bt %rcx, (%rbx)"
        LOADED  "of the stack", "movabs $EDGE, %rcx; sub %rsp, %rcx; shl $3, %rcx", "btc %rcx, (%rsp); movabs EDGE, %rax"
        call    refill
        ret

implicit:
        LOADED  "XLAT over the edge", "movabs $EDGE - 0x50, %rbx", "mov $0x60, %eax; xlat"
        LOADED  "XLAT over the hole's", "movabs $LOW_TOP + 0xFF0, %rbx", "mov $0x60, %eax; xlat"
        LOADED  "MASKMOVDQU over the edge", "movabs $EDGE - 8, %rdi; pcmpeqd %xmm1, %xmm1; movd %edi, %xmm0", "maskmovdqu %xmm1, %xmm0; movabs EDGE - 8, %rax"
        LOADED  "MASKMOVDQU to the hole", "movabs $HOLE, %rdi; pcmpeqd %xmm1, %xmm1", "maskmovdqu %xmm1, %xmm0"
        LOADED  "VMASKMOVPS over the edge", "movabs $EDGE - 8, %rbx; vpcmpeqd %xmm1, %xmm1, %xmm1", "vmaskmovps (%rbx), %xmm1, %xmm0; vpextrq $1, %xmm0, %rax"
        LOADED  "VMASKMOVPS of nothing", "movabs $LAST + 0xFF8, %rbx; vpxor %xmm1, %xmm1, %xmm1", "vmaskmovps %xmm0, %xmm1, (%rbx)"
        LOADED  "a gather over regions", "movabs $EDGE, %rbx; mov $-8, %rcx; movq %rcx, %xmm2; vpcmpeqd %xmm1, %xmm1, %xmm1", "vpgatherqq %xmm1, (%rbx, %xmm2, 1), %xmm0; movq %xmm0, %rax"
        LOADED  "a gather from afar", "xor %ebx, %ebx; movabs $LAST, %rcx; movq %rcx, %xmm2; vpcmpeqd %xmm1, %xmm1, %xmm1", "vpgatherqq %xmm1, 8(%rbx, %xmm2, 1), %xmm0; movq %xmm0, %rax"
        LOADED  "POP with RSP as base", "push $1; push $2; push $3", "pop (%rsp); pop %rax"
        LOADED  "PUSH with RSP as base", "push $1; push $2", "push 8(%rsp); pop %rax"
        LOADED  "PEXTRW to ESP", "mov %rsp, %rbp; movq %rbp, %xmm4; pshufd $0, %xmm4, %xmm4", "pextrw $1, %xmm4, %esp; mov %rsp, %rax; mov %rbp, %rsp"
        LOADED  "PMOVMSKB to ESP", "mov %rsp, %rbp; pcmpeqd %xmm4, %xmm4", "pmovmskb %xmm4, %esp; mov %rsp, %rax; mov %rbp, %rsp"
        call    refill
        ret

        .bss
        .balign 8
form:   .skip   8
