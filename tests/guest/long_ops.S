# long_ops.S - instructions that 64-bit mode changed: PUSH, POP, ENTER, LEAVE, CMPXCHG16B, 67h, RIP-relative operands, immediates,
# LOOP, strings across borders of 4 GiB, descriptor tables, CR8 and the local APIC's TPR.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"

        .set    APIC, 0xFEE00000

# OP "name", "instructions": RAX, RBX and by how much RSP moved.
        .macro  OP name, body
        TRY     "\name", "mov $test_stack, %esp; xor %eax, %eax; xor %ebx, %ebx; \body; mov %rsp, seen(%rip)"
        SHOW    "  rax", %rax
        SHOW    "  rbx", %rbx
        subq    $test_stack, seen(%rip)
        SHOW    "  rsp", seen(%rip)
        .endm

main64: INIT_LONG
        call    pushes
        call    frames
        call    wide
        call    addresses
        call    loops
        call    strings
        call    tables
        call    tpr
        ret

pushes: OP      "PUSH imm8", "push $-2; pop %rax"
        OP      "PUSH imm32", "pushq $-0x12345678; mov (%rsp), %rax"
        OP      "PUSH imm16", "pushw $0x7FFF; mov (%rsp), %ax"
        OP      "PUSH imm8 of 16 bits", ".byte 0x66, 0x6A, 0xFE; mov (%rsp), %ax"
        OP      "PUSH r16, POP r16", "mov $0x12345, %eax; push %ax; pop %bx"
        OP      "PUSH RSP", "push %rsp; pop %rax; sub $test_stack, %rax"
        OP      "POP RSP", "pushq $test_stack + 0x40; pop %rsp"
        OP      "POP SP", "pushw $0x1234; pop %sp; mov %rsp, %rax; mov $test_stack, %esp"
        OP      "PUSH [RSP]", "pushq $5; push (%rsp); pop %rax"
        OP      "POP [RSP]", "pushq $5; pushq $6; pop (%rsp); mov (%rsp), %rax"
        OP      "POP [RSP+8], 16 bits", "pushq $0; pushq $0; pushw $0x77; popw 8(%rsp); mov 8(%rsp), %rax"
        OP      "PUSH FS and GS", "mov $SEL_USER_DATA, %ecx; mov %ecx, %fs; pushq $-1; pushq $-1; pop %rax; push %fs; mov (%rsp), %eax; movzx %ax, %eax"
        OP      "PUSH FS of 16 bits", "pushw %fs; mov (%rsp), %ax"
        OP      "POP GS of 16 bits", "pushw $SEL_USER_DATA; popw %gs; mov %gs, %eax"
        OP      "POP FS null", "pushq $0; pop %fs; mov %fs, %eax"
        OP      "PUSHFQ, PUSHFW", "stc; pushfw; pushfq; pop %rax; and $1, %eax; pop %bx; and $1, %ebx"
        OP      "POPFW leaves the rest", "pushq $0x240002; popfq; pushw $1; popfw; pushfq; pop %rax; pushq $2; popfq; and $0x240001, %eax"
        OP      "CALL of a register with upper bits", "mov $1f, %eax; call *%rax; jmp 2f; 1: mov (%rsp), %rbx; ret; 2: xor %eax, %eax; xor %ebx, %ebx"
        OP      "CALL 0", "call 1f; 1: pop %rax; lea 1b(%rip), %rbx; sub %rbx, %rax; xor %ebx, %ebx"
        OP      "RET 16", "pushq $1; pushq $2; pushq $1f; ret $16; 1: nop"
        OP      "MOVSXD, MOVSX, CDQE, CQO", "mov $0x80000000, %ecx; movslq %ecx, %rax; mov $0x8000, %ecx; movsx %cx, %rbx; mov %ecx, %eax; cltq; mov %rbx, %rax; cqo; mov %rdx, %rax"
        OP      "32-bit results clear the upper half", "or $-1, %rax; or $-1, %rbx; mov %eax, %eax; cmovc %ecx, %ebx"
        OP      "XCHG EAX, EAX is NOP, with REX.B it is not", "or $-1, %rax; .byte 0x90; or $-1, %r8; .byte 0x41, 0x90; mov %r8, %rbx"
        OP      "BSWAP", "movabs $0x0102030405060708, %rax; bswap %rax; mov $0x01020304, %ebx; bswap %ebx"
        OP      "AH and SPL", "mov $0x1234, %eax; mov %ah, %bl; mov $0x77, %esi; mov %sil, %al; mov %al, %ah"
        ret

frames: OP      "ENTER 16, 0", "mov $0x1111, %ebp; enter $16, $0; mov (%rbp), %rax; lea -test_stack(%rbp), %rbx"
        OP      "ENTER 8, 1", "mov $0x1111, %ebp; enter $8, $1; mov -8(%rbp), %rax; sub $test_stack, %rax"
        OP      "ENTER 0, 4", "movq $0x11, test_stack - 0x108; movq $0x22, test_stack - 0x110; movq $0x33, test_stack - 0x118; mov $test_stack - 0x100, %ebp; enter $0, $4; mov -8(%rbp), %rax; shl $16, %rax; or -16(%rbp), %rax; shl $16, %rax; or -24(%rbp), %rax; mov -32(%rbp), %rbx; sub $test_stack, %rbx"
        OP      "ENTER of 16 bits", "or $-1, %rbp; enterw $8, $0; mov %rbp, %rax; mov (%rsp), %rbx; xor %ebx, %ebx"
        OP      "LEAVE", "pushq $0x4444; mov %rsp, %rbp; sub $0x100, %rsp; leave; mov %rbp, %rax"
        OP      "LEAVE of 16 bits", "pushw $0x4444; mov %rsp, %rbp; leavew; mov %rbp, %rax"
        TRY     "ENTER to a page that is not there", "mov $test_stack, %esp; mov $0x3333, %ebp; enter $0x8000, $0; mov $0x400000, %esp; add $0x2000, %esp; enter $8, $0"
        SHOW    "  rbp", %rbp
        mov     trap_old_rsp(%rip), %rax
        SHOW    "  rsp", %rax
        ret

wide:   OP      "CMPXCHG16B, equal", "movq $1, cell(%rip); movq $2, cell + 8(%rip); mov $1, %eax; mov $2, %edx; mov $3, %ebx; mov $4, %ecx; lock cmpxchg16b cell(%rip); mov cell(%rip), %rax; setz %bh; mov cell + 8(%rip), %bl"
        OP      "CMPXCHG16B, not equal", "mov $1, %eax; mov $9, %edx; lock cmpxchg16b cell(%rip); setz %bl; mov %rdx, %rcx; shl $8, %rcx; or %rcx, %rax"
        OP      "CMPXCHG16B, not aligned", "cmpxchg16b cell + 8(%rip)"
        TRY     "CMPXCHG16B, read-only", "movabs $READONLY, %rdi; lock cmpxchg16b (%rdi)"
        OP      "CMPXCHG8B, not aligned", "movq $0x55, cell + 4(%rip); mov $0x55, %eax; xor %edx, %edx; mov $0x66, %ebx; xor %ecx, %ecx; lock cmpxchg8b cell + 4(%rip); mov cell + 4(%rip), %rax"
        OP      "MUL and DIV of 128 bits", "movabs $0x123456789ABCDEF0, %rax; mov %rax, %rcx; mul %rcx; mov $7, %ebx; and $3, %edx; div %rbx; mov %rdx, %rbx"
        TRY     "DIV overflows", "mov $1, %edx; mov $1, %ecx; div %rcx"
        TRY     "IDIV overflows", "movabs $0x8000000000000000, %rax; cqo; mov $-1, %rcx; idiv %rcx"
        OP      "shifts by more than 63", "mov $1, %eax; mov $65, %ecx; shl %cl, %rax; mov $1, %ebx; shl %cl, %ebx"
        ret

addresses:
        OP      "RIP-relative with an immediate behind it", "movl $0x11223344, cell(%rip); cmpl $0x11223344, cell(%rip); setz %al; testb $0x44, cell(%rip); setnz %bl"
        OP      "67h and RIP", "movq $0x77, cell(%rip); .byte 0x67, 0x48, 0x8B, 0x05; .long cell - 9f; 9:"
        OP      "LEA with 67h", "mov $-8, %rcx; lea 0x10(%ecx), %rax; lea -0x10(%ecx), %rbx"
        OP      "LEA of 32 bits", "movabs $0x1234567880000000, %rcx; lea (%rcx, %rcx), %eax; lea 0x7FFFFFFF(%rcx), %rbx"
        OP      "67h wraps at 4 GiB", "movq $0x5A, cell(%rip); mov $cell - 0x100, %ecx; or $-1, %rdx; shl $32, %rdx; or %rdx, %rcx; mov 0x100(%ecx), %rax"
        OP      "67h with an index", "movq $0x6B, cell(%rip); mov $-0x10, %rcx; mov $cell, %edx; mov 0x20(%edx, %ecx, 2), %rax"
        OP      "disp32 is signed", "mov 0x3B0000 - 0x10, %rax; .byte 0x48, 0x8B, 0x04, 0x25; .long 0x3AFFF0; xor %eax, %eax"
        OP      "MOV with 67h and moffs", "movl $0x99, cell(%rip); .byte 0x67, 0xA1; .long cell"
        OP      "FS and 67h", "WRITE_MSR MSR_FS_BASE, EDGE; xor %eax, %eax; mov $-8, %rcx; mov %fs:0x10(%ecx), %rax"
        OP      "DS, ES, SS and CS prefixes are nothing", ".byte 0x3E, 0x48, 0x8B, 0x04, 0x24; .byte 0x26, 0x48, 0x8B, 0x1C, 0x24; .byte 0x2E, 0x48, 0x3B, 0x1C, 0x24; sub %rbx, %rax; .byte 0x36, 0x48, 0x33, 0x1C, 0x24"
        OP      "the last prefix of FS and GS", "WRITE_MSR MSR_GS_BASE, EDGE; xor %eax, %eax; .byte 0x64, 0x65, 0x48, 0x8B, 0x04, 0x25, 8, 0, 0, 0"
        RUN     "xor %eax, %eax; mov %eax, %fs; mov %eax, %gs"
        ret

loops:  OP      "LOOP counts in RCX", "mov $3, %ecx; 1: inc %eax; loop 1b; mov %rcx, %rbx"
        OP      "LOOP with 67h in ECX", "or $-1, %rcx; shl $32, %rcx; or $3, %rcx; 1: inc %eax; addr32 loop 1b; mov %rcx, %rbx"
        OP      "JRCXZ and JECXZ", "mov $1, %ecx; shl $32, %rcx; jrcxz 1f; inc %eax; 1: jecxz 2f; inc %ebx; 2: nop"
        OP      "REP with 67h", "mov $page_c, %edi; or $-1, %rcx; shl $32, %rcx; or $5, %rcx; addr32 rep stosb; mov %rcx, %rax; sub $page_c, %rdi; mov %rdi, %rbx"
        call    refill
        ret

strings:
        OP      "MOVSB up over 4 GiB", "movabs $EDGE - 0x20, %rsi; mov $page_c, %edi; mov $0x40, %ecx; rep movsb; movabs $EDGE, %rax; sub %rax, %rsi; mov %rsi, %rax; mov page_c + 0x3F, %bl"
        OP      "MOVSQ down over 4 GiB", "std; movabs $EDGE + 0x18, %rdi; mov $page_c + 0x38, %esi; mov $8, %ecx; rep movsq; cld; movabs $EDGE - 0x20, %rdi; mov (%rdi), %rax; mov 0x38(%rdi), %rbx"
        OP      "STOSW across it", "movabs $EDGE - 5, %rdi; mov $0x5566, %eax; mov $5, %ecx; rep stosw; movabs $EDGE - 4, %rdi; mov (%rdi), %rax"
        OP      "SCASB finds it behind", "movabs $EDGE - 0x10, %rdi; mov $0x29, %eax; movb $0x29, page_b + 7; or $-1, %rcx; repne scasb; mov %rdi, %rbx; movabs $EDGE, %rcx; sub %rcx, %rbx"
        OP      "CMPSQ across it", "movabs $EDGE - 0x10, %rdi; mov %rdi, %rsi; mov $4, %ecx; repe cmpsq; setz %al; mov %rcx, %rbx"
        OP      "LODSD across it", "movabs $EDGE - 2, %rsi; lodsl"
        TRY     "REP MOVSB into nothing", "movabs $EDGE + 0xFF0, %rdi; mov $page_c, %esi; mov $0x40, %ecx; rep movsb"
        SHOW    "  rcx", %rcx
        call    refill
        ret

tables: OP      "SGDT writes 10 bytes", "movq $-1, cell(%rip); movq $-1, cell + 8(%rip); sgdt cell(%rip); mov cell + 8(%rip), %rax; movzwl cell(%rip), %ebx"
        OP      "LGDT with 66h reads 64 bits still", "sgdt cell(%rip); data16 lgdt cell(%rip); sgdt cell(%rip); mov cell + 2(%rip), %rax; mov $gdt_long, %ecx; sub %rcx, %rax"
        TRY     "LIDT, not there", "mov $0x600000, %ebx; lidt (%rbx)"
        OP      "INVLPG of anything", "movabs $HOLE, %rcx; invlpg (%rcx); invlpg 0; invlpg %fs:(%rcx)"
        ret

# CR8 is bits 7 to 4 of the TPR.
tpr:    MAP     APIC, APIC+0x1B
        OP      "CR8, then the TPR", "mov $APIC + 0x80, %edi; mov $5, %ecx; mov %rcx, %cr8; mov (%rdi), %eax; mov %cr8, %rbx"
        OP      "the TPR, then CR8", "mov $APIC + 0x80, %edi; movl $0x93, (%rdi); mov (%rdi), %eax; mov %cr8, %rbx"
        OP      "CR8 clears the lower bits", "mov $APIC + 0x80, %edi; mov $9, %ecx; mov %rcx, %cr8; mov (%rdi), %eax"
        RUN     "xor %eax, %eax; mov %rax, %cr8"
        ret

        .bss
        .balign 16
cell:   .skip   32
