# long_compat.S - compatibility mode: 32- and 16-bit code under a 64-bit kernel, what it may do and what it meets; far transfers between
# code of all three kinds, call gates, LDT, TSS, LAR and LSL.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"

        .set    LOW_KERNEL, 0x500000    # U/S=0

main64: INIT_LONG
        call    code32
        call    code16
        call    kernel32
        call    far
        call    call_gates
        call    ldt
        call    tss_loads
        call    rights
        ret

# What is something else in 64-bit code, or nothing at all.
code32: MAP     LOW_KERNEL, page_g+3
        TRY32   "INC EAX is 40h", "mov $0x7FFFFFFF, %eax; .byte 0x40, 0x40"
        SHOW    "  eax", %rax
        TRY32   "PUSHA, POPA", "mov $1, %ecx; pusha; mov $2, %ecx; popa"
        SHOW    "  ecx", %rcx
        TRY32   "AAA, DAA, AAM", "mov $0x1B, %eax; aaa; mov %eax, %ebx; mov $0x3C, %eax; daa; shl $16, %ebx; mov %ax, %bx; mov $77, %eax; aam"
        SHOW    "  ebx", %rbx
        SHOW    "  eax", %rax
        TRY32   "BOUND", "movl $1, 0x3B0000 - 0x40; movl $9, 0x3B0000 - 0x3C; mov $10, %eax; bound %eax, 0x3B0000 - 0x40"
        TRY32   "INTO", "mov $0x7F, %al; add $1, %al; into"
        TRY32   "INTO without overflow", "xor %eax, %eax; into"
        TRY32   "PUSH ES, POP ES", "push %es; pop %es; push %ds; pop %ss"
        TRY32   "LES", "movl $0x1234, -16(%esp); movw $SEL_USER_DATA, -12(%esp); les -16(%esp), %ebx; mov %es, %ecx"
        SHOW    "  ebx", %rbx
        SHOW    "  es", %rcx
        TRY32   "ARPL", "mov $0x20, %eax; mov $3, %ecx; arpl %cx, %ax"
        SHOW    "  eax", %rax
        TRY32   "PUSH is of 4 bytes", "mov %esp, %ebx; push $-2; push %ebx; sub %esp, %ebx"
        SHOW    "  ebx", %rbx
        TRY32   "CALL and RET", "mov %esp, %ebx; call 1f; 1: pop %eax; sub $1b, %eax; sub %esp, %ebx"
        SHOW    "  eax", %rax
        TRY32   "absolute addresses, no RIP-relative ones", ".byte 0xA1; .long page_b; mov page_b, %ebx; sub %ebx, %eax"
        SHOW    "  eax", %rax
        TRY32   "67h is 16 bits", "mov $0xFFFF0000 + 0x80, %ebx; .byte 0x67, 0x8B, 0x07"
        TRY32   "addresses wrap at 4 GiB", "mov $0xFFFFFFF0, %ebx; mov 0x20(%ebx), %eax; mov 0x10, %ecx; sub %ecx, %eax"
        SHOW    "  eax", %rax
        TRY32   "the page below 4 GiB", "mov $0xFFFFF010, %ebx; mov (%ebx), %eax"
        SHOW    "  eax", %rax
        TRY32   "32-bit results", "mov $-1, %eax; add $1, %eax; mov $0x80000000, %ebx; cltd; neg %ebx; mov $-5, %esi; movsx %si, %edi"
        SHOW    "  eax", %rax
        SHOW    "  ebx", %rbx
        TRY32   "strings", "mov $page_a, %esi; mov $page_c, %edi; mov $16, %ecx; rep movsb; mov -1(%edi), %al; movzx %al, %eax"
        SHOW    "  al", %rax
        call    refill
        TRY32   "FS and GS", "mov $SEL_USER_DATA, %eax; mov %eax, %fs; mov %fs:page_b, %ebx; xor %eax, %eax; mov %eax, %fs"
        SHOW    "  ebx", %rbx
        TRY32   "a null SS", "xor %eax, %eax; mov %eax, %ss"
        TRY32   "HLT", "hlt"
        TRY32   "a page of the kernel's", "mov $LOW_KERNEL, %eax; mov (%eax), %eax"
        TRY32   "SSE", "mov $page_a, %eax; movups (%eax), %xmm7; movd %xmm7, %ebx"
        SHOW    "  ebx", %rbx
        TRY32   "CMPXCHG8B", "mov $page_a, %esi; mov (%esi), %eax; mov 4(%esi), %edx; mov $1, %ebx; mov $2, %ecx; lock cmpxchg8b (%esi); mov (%esi), %eax"
        SHOW    "  eax", %rax
        call    refill
        TRY32   "INT 30h inside", "int $0x30"
        TRY32   "division by zero", "xor %ecx, %ecx; mov $1, %eax; div %ecx"
        ret

code16: RUN_IN  SEL_CODE_SMALL, SEL_USER_DATA, 32, "call 1f; 1: pop %ebx; mov %cs:0, %ecx", USER_SP, 2, 0x100000
        PUTS    "CS with a base: "
        call    trap_show
        SHOW    "  ecx", %rcx
        TRY16   "16-bit operands", "mov $0x1234, %ax; push %ax; push $0x5678; pop %bx; pop %cx"
        SHOW    "  bx", %rbx
        TRY16   "66h and 67h", "mov $0x89ABCDEF, %eax; mov $page_b, %esi; mov (%esi), %ebx"
        SHOW    "  ebx", %rbx
        TRY16   "16-bit addresses", "movw $0x7788, 0x20; mov 0x20, %bx"
        SHOW    "  bx", %rbx
        TRY16   "SP wraps in 16 bits", "mov $2, %sp; push $0x11; push $0x22; mov %sp, %bx; movzx %bx, %ebx"
        SHOW    "  bx", %rbx
        TRY16   "a fault", "ud2"
        RUN_IN  SEL_CODE16_SMALL, SEL_USER_DATA16, 16, "xor %eax, %eax; mov $5, %ecx; 1: add %ecx, %eax; loop 1b; call 2f; jmp 3f; 2: inc %eax; ret; 3: nop", USER_SP, 2, 0x100000
        PUTS    "loop and call: "
        call    trap_show
        SHOW    "  eax", %rax
        ret

kernel32:
        TRY32_KERNEL "MOV from CR0 and CR4", "mov %cr0, %eax; mov %cr4, %ebx; and $0x80000001, %eax; and $0x20, %ebx"
        SHOW    "  cr0", %rax
        SHOW    "  cr4", %rbx
        TRY32_KERNEL "RDMSR", "mov $MSR_EFER, %ecx; rdmsr"
        SHOW    "  eax", %rax
        TRY32_KERNEL "a null SS", "xor %eax, %eax; mov %eax, %ss"
        TRY32_KERNEL "INVLPG and MOV CR3", "invlpg (%esp); mov %cr3, %eax; mov %eax, %cr3"
        TRY32_KERNEL "memory of the kernel's", "mov LOW_KERNEL, %eax; push $5; pop %ebx"
        SHOW    "  ebx", %rbx
        TRY32_KERNEL "IRETD to user code", "push $SEL_USER_DATA; push $USER_SP; push $2; push $SEL_USER_CODE32; push $9f; iret; 9: inc %eax"
        FRAME
        TRY32_KERNEL "IRETD at one level takes no stack", "mov $0x11, %eax; push $0x55; push $2; push $SEL_CODE32; push $9f; iret; 9: pop %ebx"
        SHOW    "  ebx", %rbx
        TRY32_KERNEL "IRETD to 64-bit code", "push $2; push $SEL_CODE; push $9f; iret; 9: .byte 0x48, 0xC7, 0xC3; .long -3"
        SHOW    "  rbx", %rbx
        FRAME
        TRY32_KERNEL "LGDT of 6 bytes and back", "sgdt 0x3B0000 - 0x40; lgdt 0x3B0000 - 0x40"
        lgdt    gdt_long_pointer(%rip)
        ret

# FAR "name", "instructions": with a pointer of each size in far_pointer.
        .macro  POINTER sel, to
        movl    $\to, far_pointer(%rip)
        movw    $\sel, far_pointer + 4(%rip)
        .endm
        .macro  POINTER64 sel, to
        movabs  $\to, %rax
        mov     %rax, far_pointer(%rip)
        movw    $\sel, far_pointer + 8(%rip)
        .endm
        .macro  FAR name, sel, body, to=9f
        TRY     "\name", "POINTER \sel, \to; \body"
        FRAME
        .endm
far:    FAR     "JMP to 32-bit code", SEL_CODE32, "ljmp *far_pointer(%rip); 9: int $VEC_USER_DONE"
        FAR     "JMP to 64-bit code", SEL_CODE, "ljmp *far_pointer(%rip); 9: int $VEC_USER_DONE"
        FAR     "JMP to conforming code", SEL_CONFORMING + 3, "ljmp *far_pointer(%rip); 9: int $VEC_USER_DONE"
        FAR     "JMP to user code", SEL_USER_CODE32, "ljmp *far_pointer(%rip); 9: int $VEC_USER_DONE"
        FAR     "JMP to data", SEL_DATA, "ljmp *far_pointer(%rip); 9: int $VEC_USER_DONE"
        FAR     "JMP to null", 0, "ljmp *far_pointer(%rip); 9: int $VEC_USER_DONE"
        FAR     "JMP to code not present", SEL_ABSENT, "ljmp *far_pointer(%rip); 9: int $VEC_USER_DONE"
        FAR     "JMP to a TSS", SEL_TSS, "ljmp *far_pointer(%rip); 9: int $VEC_USER_DONE"
        FAR     "CALL 32-bit code, RET to 64-bit", SEL_CODE32, "lcall *far_pointer(%rip); mov $7, %ebx; jmp 8f; 9: .byte 0xCB; 8: nop"
        SHOW    "  rbx", %rbx
        FAR     "CALL 64-bit code, what is pushed", SEL_CODE, "mov %rsp, %rbp; lcall *far_pointer(%rip); 9: sub %rsp, %rbp; mov 4(%rsp), %ebx"
        SHOW    "  bytes", %rbp
        SHOW    "  cs", %rbx
        TRY     "CALL m16:64", "POINTER64 SEL_CODE, 9f; mov %rsp, %rbp; rex.w lcall *far_pointer(%rip); 9: sub %rsp, %rbp; mov 8(%rsp), %rbx"
        SHOW    "  bytes", %rbp
        SHOW    "  cs", %rbx
        TRY     "RETFQ to 32-bit code", "pushq $SEL_CODE32; pushq $9f; lretq; 9: int $VEC_USER_DONE"
        FRAME
        TRY     "RETFQ, upper half to 32-bit code", "pushq $SEL_CODE32; movabs $0x1200000000+9f, %rax; push %rax; lretq; 9: int $VEC_USER_DONE"
        FRAME
        TRY     "RETFQ to user code", "pushq $SEL_USER_DATA; pushq $USER_SP; pushq $SEL_USER_CODE; pushq $9f; lretq; 9: int $VEC_USER_DONE"
        FRAME
        TRY     "RETFQ 16 to user code", "pushq $SEL_USER_DATA; pushq $USER_SP; pushq $1; pushq $2; pushq $SEL_USER_CODE; pushq $9f; lretq $16; 9: int $VEC_USER_DONE"
        FRAME
        TRY     "RETF of 32 bits to user code", "sub $16, %rsp; movl $9f, (%rsp); movl $SEL_USER_CODE32, 4(%rsp); movl $USER_SP, 8(%rsp); movl $SEL_USER_DATA, 12(%rsp); lretl; 9: int $VEC_USER_DONE"
        FRAME
        TRY     "RETFQ to null", "pushq $0; pushq $9f; lretq; 9: nop"
        TRY     "RETFQ to user code with a null SS", "pushq $0; pushq $USER_SP; pushq $SEL_USER_CODE; pushq $9f; lretq; 9: nop"
        TRY_USER "RETFQ to the kernel", "pushq $SEL_CODE; pushq $0; lretq"
        TRY_USER "JMP to the kernel", "POINTER SEL_CODE, 0; ljmp *far_pointer(%rip)"
        TRY32   "32-bit code jumps to 64-bit code", "ljmp $SEL_USER_CODE, $9f; .code64; 9: movabs $0x123456789A, %rbx; .code32"
        SHOW    "  rbx", %rbx
        FRAME
        TRY32   "32-bit code calls 64-bit code", "mov %esp, %ebp; lcall $SEL_USER_CODE, $9f; jmp 8f; .code64; 9: mov 4(%rsp), %ebx; lretl; .code32; 8: sub %esp, %ebp"
        SHOW    "  rbx", %rbx
        SHOW    "  ebp", %rbp
        FRAME
        TRY32   "32-bit code to 16-bit code and back", "ljmp $SEL_USER_CODE16, $9f; .code16; 9: mov $0x1234, %bx; ljmpl $SEL_USER_CODE32, $8f; .code32; 8: movzx %bx, %ebx"
        SHOW    "  ebx", %rbx
        TRY_USER "64-bit code to 16-bit code", "POINTER SEL_USER_CODE16, 9f; ljmp *far_pointer(%rip); 9: int $VEC_USER_DONE"
        FRAME
        ret

        .macro  GATE name, body
        TRY     "\name", "movw $GATE_A, far_pointer + 4(%rip); \body"
        .endm
        .macro  USER_GATE name, body
        TRY_USER "\name", "movw $GATE_A, far_pointer + 4(%rip); \body"
        .endm
call_gates:
        SET_CALL_GATE GATE_A, record
        GATE    "CALL through a gate, same level", "lcall *far_pointer(%rip)"
        SHOW_ENTRY
        GATE    "JMP through a gate, same level", "ljmp *far_pointer(%rip)"
        USER_GATE "CALL through a gate from CPL 3", "lcall *far_pointer(%rip)"
        SHOW_ENTRY
        USER_GATE "JMP through a gate from CPL 3", "ljmp *far_pointer(%rip)"
        USER_GATE "CALL m16:64 through a gate", "movw $GATE_A, far_pointer + 8(%rip); rex.w lcall *far_pointer(%rip)"
        SHOW_ENTRY
        TRY32   "CALL through a gate from 32-bit code", "lcall $GATE_A, $0x77777777"
        SHOW_ENTRY
        TRY16   "CALL through a gate from 16-bit code", "lcall $GATE_A, $0x7777"
        SHOW_ENTRY
        SET_CALL_GATE GATE_A, gate_returns
        USER_GATE "CALL and RETFQ", "mov %rsp, %rbp; lcall *far_pointer(%rip); sub %rsp, %rbp; mov %cs, %ecx"
        SHOW    "  cs inside", %rbx
        SHOW    "  cs", %rcx
        SHOW    "  rsp moved", %rbp
        FRAME
        TRY32   "CALL and RETFQ from 32-bit code", "lcall $GATE_A, $0; mov %cs, %ecx"
        SHOW    "  cs inside", %rbx
        SHOW    "  cs", %rcx
        FRAME
        .irp    type, 0xE4, 0xE5, 0xE6, 0xE7, 0xEE, 0xEF
        SET_CALL_GATE GATE_A, record, \type
        GATE    "gate of type \type", "lcall *far_pointer(%rip)"
        .endr
        SET_CALL_GATE GATE_A, record, 0x8C
        USER_GATE "DPL 0", "lcall *far_pointer(%rip)"
        SET_CALL_GATE GATE_A, record, 0x6C
        USER_GATE "not present", "lcall *far_pointer(%rip)"
        SET_CALL_GATE GATE_A, record, 0xEC, SEL_CODE32
        USER_GATE "to 32-bit code", "lcall *far_pointer(%rip)"
        SET_CALL_GATE GATE_A, record, 0xEC, SEL_DATA
        USER_GATE "to data", "lcall *far_pointer(%rip)"
        SET_CALL_GATE GATE_A, record, 0xEC, SEL_ABSENT
        USER_GATE "to code not present", "lcall *far_pointer(%rip)"
        SET_CALL_GATE GATE_A, record, 0xEC, 0
        USER_GATE "to null", "lcall *far_pointer(%rip)"
        SET_CALL_GATE GATE_A, record
        movb    $0x8C, gdt_long + GATE_A + 13(%rip)
        USER_GATE "a type in the upper half", "lcall *far_pointer(%rip)"
        movb    $0, gdt_long + GATE_A + 13(%rip)
        ret
gate_returns:
        mov     %cs, %ebx
        lretq

# The LDT has 16 bytes in the GDT, in 64-bit mode a base of 64 bits.
ldt:    TRY     "LDT selector without an LDT", "mov $0xC, %eax; mov %eax, %es"
        movabs  $KERNEL_HIGH, %rdi
        movq    $0, (%rdi)
        mov     $0x00AFFB000000FFFF, %rax
        mov     %rax, 8(%rdi)
        mov     $0x00CFF3000000FFFF, %rax
        mov     %rax, 16(%rdi)
        mov     $0x0000820000000017, %rax
        movabs  $(KERNEL_HIGH >> 24 & 0xFF) << 56 | (KERNEL_HIGH & 0xFFFFFF) << 16, %rcx
        or      %rcx, %rax
        mov     %rax, gdt_long + SEL_LDT(%rip)
        movabs  $KERNEL_HIGH >> 32, %rax
        mov     %rax, gdt_long + SEL_LDT + 8(%rip)
        TRY     "LLDT, base in the upper half", "mov $SEL_LDT, %eax; lldt %ax; sldt %ebx"
        SHOW    "  ldtr", %rbx
        TRY     "data of the LDT", "mov $0x14, %eax; mov %eax, %es; mov %es, %ebx"
        SHOW    "  es", %rbx
        RUN_IN  0xF, 0x17, 64, "nop"
        PUTS    "code of the LDT: "
        call    trap_show
        FRAME
        TRY     "beyond the LDT", "mov $0x1C, %eax; mov %eax, %es"
        movb    $0x82, gdt_long + SEL_LDT + 5(%rip)
        TRY     "LLDT of null", "xor %eax, %eax; lldt %ax"
        TRY     "data of no LDT", "mov $0x14, %eax; mov %eax, %es"
        TRY     "LLDT of data", "mov $SEL_DATA, %eax; lldt %ax"
        TRY     "LLDT of a TSS", "mov $SEL_TSS, %eax; lldt %ax"
        movb    $0x02, gdt_long + SEL_LDT + 5(%rip)
        TRY     "LLDT, not present", "mov $SEL_LDT, %eax; lldt %ax"
        movb    $0x82, gdt_long + SEL_LDT + 5(%rip)
        TRY_USER "LLDT at CPL 3", "xor %eax, %eax; lldt %ax"
        RUN     "mov $SEL_DATA, %eax; mov %eax, %es"
        ret

tss_loads:
        TRY     "LTR of the busy TSS", "mov $SEL_TSS, %eax; ltr %ax"
        TRY     "LTR of data", "mov $SEL_DATA, %eax; ltr %ax"
        movb    $0x89, gdt_long + SEL_TSS + 5(%rip)
        TRY     "LTR again", "mov $SEL_TSS, %eax; ltr %ax; str %ebx"
        SHOW    "  tr", %rbx
        mov     gdt_long + SEL_TSS(%rip), %rbx
        shr     $40, %rbx
        and     $15, %ebx
        SHOW    "  type", %rbx
        ret

rights: LAR_LSL "code", SEL_CODE
        LAR_LSL "32-bit code", SEL_CODE32
        LAR_LSL "TSS", SEL_TSS
        LAR_LSL "LDT", SEL_LDT
        LAR_LSL "call gate", GATE_A
        LAR_LSL "null", 0
        TRY_USER "VERR, VERW, LAR at CPL 3", "mov $SEL_DATA, %eax; verr %ax; setz %bl; mov $SEL_USER_DATA, %eax; verw %ax; setz %bh; mov $SEL_CONFORMING, %eax; lar %eax, %ecx; setz %cl; movzx %bx, %ebx"
        SHOW    "  ok", %rbx
        ret

        .data
        .balign 8
far_pointer:
        .skip   16
