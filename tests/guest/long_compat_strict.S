# long_compat_strict.S - compatibility mode where QEMU 7.2's TCG does not check: limits and types of segments, null selectors, LTR,
# CR4.PAE and CR0 in long mode.
# engines: bt interp
        .include "long.inc"

main64: INIT_LONG
        call    nulls
        call    limits
        call    control
        call    systems
        ret

nulls:  TRY32   "a null FS", "xor %eax, %eax; mov %eax, %fs; mov %fs:page_b, %ebx"
        TRY32   "a null DS", "xor %eax, %eax; mov %eax, %ds; mov page_b, %ebx"
        ret

# DS and ES of 64-bit code are whatever they are; compatibility mode checks them.
limits: TRY32   "below a limit", "mov $SEL_SMALL, %eax; mov %eax, %es; mov %es:0xFC, %ebx"
        TRY32   "over it", "mov $SEL_SMALL, %eax; mov %eax, %es; mov %es:0xFD, %ebx"
        TRY32   "a far pointer over it", "mov $SEL_SMALL, %eax; mov %eax, %es; les %es:0xFC, %ebx"
        TRY32   "SS over its limit", "mov $SEL_SMALL, %eax; mov %eax, %ss; mov $0x80, %esp; push $1; mov $0x102, %esp; push $1"
        TRY32   "EBP over it", "mov $SEL_SMALL, %eax; mov %eax, %ss; mov $0x100, %ebp; mov (%ebp), %eax"
        TRY32   "execute only, written", "mov %cs:page_b, %eax; mov %eax, %cs:page_b"
        RUN_IN  SEL_CODE_SMALL, SEL_USER_DATA, 32, "mov $0x12345678, %eax; jmp 9f + 0x10000 - 0x100000; 9:", USER_SP, 2, 0x100000
        PUTS    "JMP over CS's limit: "
        call    trap_show
        FRAME
        # back in 64-bit code the registers do not matter
        TRY     "64-bit code with a small DS", "mov $SEL_SMALL, %eax; mov %eax, %ds; mov %eax, %es; mov page_b, %rbx; mov $page_b, %edi; scasb"
        RUN     "mov $SEL_DATA, %eax; mov %eax, %ds; mov %eax, %es"
        ret

# CR4.PAE and CR0.PG are there to stay; PG goes only in compatibility mode.
control:
        TRY32_KERNEL "clearing PAE", "mov %cr4, %eax; and $~0x20, %eax; mov %eax, %cr4"
        TRY     "clearing PAE in 64-bit code", "mov %cr4, %rax; and $~0x20, %eax; mov %rax, %cr4"
        TRY     "clearing PG in 64-bit code", "mov %cr0, %rax; btr $31, %rax; mov %rax, %cr0"
        TRY     "clearing PE", "mov %cr0, %rax; and $~1, %eax; mov %rax, %cr0"
        TRY32_KERNEL "clearing PE with PG, 32-bit code", "mov %cr0, %eax; and $~1, %eax; mov %eax, %cr0"
        TRY     "NW without CD", "mov %cr0, %rax; or $0x20000000, %eax; mov %rax, %cr0"
        TRY     "CR0, an upper bit", "mov %cr0, %rax; bts $32, %rax; mov %rax, %cr0"
        TRY     "CR4, an upper bit", "mov %cr4, %rax; bts $32, %rax; mov %rax, %cr4"
        TRY     "CR4, a bit that is none", "mov %cr4, %rax; or $0x80000000, %eax; mov %rax, %cr4"
        TRY     "CR3, an address too wide", "mov %cr3, %rax; bts $51, %rax; mov %rax, %cr3"
        TRY     "CR8 of 16", "mov $16, %eax; mov %rax, %cr8"
        TRY     "DR7, an upper bit", "mov $0x100000400, %rax; mov %rax, %dr7"
        TRY     "DR6, an upper bit", "mov $0x100000000, %rax; mov %rax, %dr6"
        TRY     "DR0 of 64 bits", "movabs $0x123456789ABCDEF0, %rax; mov %rax, %dr0; mov %dr0, %rbx; xor %eax, %eax; mov %rax, %dr0"
        SHOW    "  dr0", %rbx
        TRY     "CR2 of 64 bits", "movabs $0x123456789ABCDEF0, %rax; mov %rax, %cr2; mov %cr2, %rbx"
        SHOW    "  cr2", %rbx
        ret

systems:
        TRY     "LTR of a 16-bit TSS", "mov $SEL_TSS16, %eax; ltr %ax"
        TRY     "LTR of null", "xor %eax, %eax; ltr %ax"
        LAR_LSL "16-bit TSS", SEL_TSS16
        LAR_LSL "TSS's upper half", SEL_TSS+8
        SET_CALL_GATE GATE_A, record
        movabs  $HOLE, %rax
        mov     $gdt_long + GATE_A, %edi
        mov     $SEL_CODE, %ecx
        mov     $0xEC00, %edx
        call    put_gate
        TRY_USER "a call gate to the hole", "movw $GATE_A, far_pointer + 4(%rip); lcall *far_pointer(%rip)"
        SET_CALL_GATE GATE_A, record, 0xEC, SEL_CONFORMING
        TRY_USER "a call gate to conforming code", "movw $GATE_A, far_pointer + 4(%rip); lcall *far_pointer(%rip)"
        SHOW_ENTRY
        TRY     "CALL 64-bit code in the hole", "movabs $HOLE, %rax; mov %rax, far_pointer(%rip); movw $SEL_CODE, far_pointer + 8(%rip); rex.w lcall *far_pointer(%rip)"
        TRY     "LLDT, base in the hole", "movw $0x8000, gdt_long + SEL_LDT + 8(%rip); movb $0x82, gdt_long + SEL_LDT + 5(%rip); mov $SEL_LDT, %eax; lldt %ax"
        TRY     "LTR, base in the hole", "movw $0x8000, gdt_long + SEL_FREE + 8(%rip); movb $0x89, gdt_long + SEL_FREE + 5(%rip); mov $SEL_FREE, %eax; ltr %ax"
        TRY     "LTR, a type in the upper half", "movq $0, gdt_long + SEL_FREE + 8(%rip); movb $0x02, gdt_long + SEL_FREE + 13(%rip); mov $SEL_FREE, %eax; ltr %ax"
        ret

        .data
        .balign 8
far_pointer:
        .skip   16
