# long_light.S - instructions of kernels that mostly change nothing, fifty times; in the 25th something is different. POPFQ, loads of
# segment registers, bases of FS and GS by WRMSR.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"

        .set    ROUNDS, 50
        .set    MSR_FS, 0xC0000100
        .set    MSR_GS, 0xC0000101
        .set    MSR_KGS, 0xC0000102

# TIMES "name", special, body: RDI sums up RAX and 3 RDX after each round.
        .macro  TIMES name, special, body
        movl    $ROUNDS, rounds(%rip)
        movq    $\special, special(%rip)
        xor     %edi, %edi
        TRY     "\name", "7: xor %edx, %edx; \body; add %rax, %rdi; lea (%rdx, %rdx, 2), %rdx; add %rdx, %rdi; call round; jne 7b"
        SHOW    "  sum", %rdi
        movslq  rounds(%rip), %rdx
        SHOW    "  rounds left", %rdx
        .endm

main64: INIT_LONG
        TIMES   "CPUID", osxsave, "mov $1, %eax; xor %ecx, %ecx; stc; cpuid; sbb %rax, %rax; and $1 << 27, %ecx; add %rcx, %rax; xor %edx, %edx"
        mov     %cr4, %rax
        and     $~0x40000, %rax
        mov     %rax, %cr4
        TIMES   "WRMSR, RDMSR", other_value, "mov number, %ecx; mov value, %eax; mov value + 4, %edx; stc; wrmsr; mov $-1, %rax; mov $-1, %rdx; rdmsr; adc $0, %rax"
        movl    $MSR_KGS, number(%rip)
        TIMES   "another MSR", other_value, "mov number, %ecx; mov value, %eax; mov value + 4, %edx; stc; wrmsr; rdmsr; adc $0, %rax"
        TIMES   "LGDT, SGDT", other_gdt, "stc; lgdt pointer; sbb %rax, %rax; sgdt stored; add stored, %rax; mov stored + 2, %rdx"
        lgdt    gdt_long_pointer(%rip)
        sidt    idt_copy(%rip)
        TIMES   "LIDT, SIDT", other_idt, "stc; lidt idt_copy; sbb %rax, %rax; sidt stored; add stored, %rax; mov stored + 2, %rdx"
        mov     %cr0, %rax
        mov     %rax, cr0_value(%rip)
        TIMES   "MOV to CR0", other_cr0, "mov cr0_value, %rax; stc; mov %rax, %cr0; sbb %rax, %rax; mov %cr0, %rdx"
        mov     %cr0, %rax
        and     $~8, %eax
        mov     %rax, %cr0
        TIMES   "MOV from CR2", other_cr2, "stc; mov %cr2, %rax; adc $0, %rax"
        TIMES   "MOV from CR3 and CR4", osxsave, "mov %cr3, %rax; mov %cr4, %r10; xor %r10, %rax"
        mov     %cr4, %rax
        and     $~0x40000, %rax
        mov     %rax, %cr4
        TIMES   "MOV from CR8", other_cr8, "stc; mov %cr8, %rax; adc $0, %rax"
        xor     %eax, %eax
        mov     %rax, %cr8
        TIMES   "CLTS", task_switched, "stc; clts; sbb %rax, %rax; mov %cr0, %rdx"
        TIMES   "CLTS, FLD1", task_switched, "clts; fld1; fstp %st(0); xor %eax, %eax"
        TIMES   "STR", nothing, "stc; mov $-1, %rax; str %eax; adc $0, %rax; mov $-1, %r10; str %r10; add %r10, %rax"
        TIMES   "SLDT", no_ldt, "stc; mov $-1, %rax; sldt %eax; adc $0, %rax"
        TIMES   "SMSW", monitor, "stc; mov $-1, %rax; smsw %rax; adc $0, %rax"
        mov     %cr0, %rax
        or      $2, %eax
        mov     %rax, %cr0
        call    flags
        call    segments
        call    bases
        call    stores
        ret

# A site that has met the PML4, and then stores where nothing watches.
stores: mov     %cr3, %rax
        add     $800, %rax
        mov     %rax, store_at(%rip)
        TIMES   "stores to a table, then to data", data, "mov store_at, %r10; movslq rounds, %rax; add %rax, %rax; mov %rax, (%r10); mov (%r10), %rdx"
        mov     %cr3, %rax
        movq    $0, 800(%rax)
        ret

flags:  TIMES   "PUSHFQ, POPFQ", nothing, "stc; pushfq; clc; popfq; sbb %rax, %rax; sub $24, %rsp; pushfq; popfq; add $24, %rsp"
        TIMES   "arithmetic flags", other_flags, "push flags_value; popfq; pushfq; pop %rax"
        TIMES   "DF", direction, "push flags_value; popfq; lea words + 8, %rsi; lodsq; cld; mov %rsi, %rdx"
        TIMES   "NT", nested, "push flags_value; popfq; pushfq; pop %rax; pushq $2; popfq"
        TIMES   "AC", alignment, "push flags_value; popfq; pushfq; pop %rax; pushq $2; popfq"
        TIMES   "TF", trap_flag, "push flags_value; popfq; nop; xor %eax, %eax"
        movq    $2, flags_value(%rip)
        TIMES   "IF", enabled, "push flags_value; popfq; pushfq; cli; pop %rax"
        call    start_timer
        movq    $0x202, flags_value(%rip)
        TIMES   "an interrupt waits", interrupt, "cli; push flags_value; popfq; mov $0x10, %eax; cli; xor %edx, %edx"
        mov     behind(%rip), %rdx
        SHOW    "  behind", %rdx
        ret

# The descriptor is SEL_FREE's.
segments:
        call    put_descriptor
        TIMES   "MOV to DS", other_descriptor, "mov $SEL_FREE, %eax; stc; mov %eax, %ds; sbb %rax, %rax; mov %ds, %edx"
        call    put_descriptor
        TIMES   "MOV to FS", other_descriptor, "mov $SEL_FREE, %eax; mov %eax, %fs; mov %fs:8, %rax; mov %fs, %edx"
        call    put_descriptor
        TIMES   "MOV to GS, memory", other_selector, "mov selector, %gs; mov %gs:8, %rax; mov %gs, %edx"
        movw    $SEL_FREE, selector(%rip)
        TIMES   "null FS", other_selector, "movw $0, selector; mov selector, %fs; mov %fs, %edx; mov $MSR_FS, %ecx; rdmsr"
        TIMES   "null GS with an RPL", nothing, "mov $3, %eax; mov %eax, %gs; mov %gs, %eax"
        TIMES   "absent", absent, "mov $SEL_FREE, %eax; mov %eax, %es; mov %es, %eax"
        call    put_descriptor
        TIMES   "no such descriptor", no_descriptor, "movzwl selector, %eax; mov %eax, %fs; mov %fs, %eax"
        movw    $SEL_FREE, selector(%rip)
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs
        mov     $SEL_USER_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        ret

bases:  movl    $MSR_FS, number(%rip)
        movq    $words, value(%rip)
        TIMES   "FS", next_word, "mov number, %ecx; mov value, %eax; mov value + 4, %edx; wrmsr; mov %fs:0, %rax; xor %edx, %edx"
        movl    $MSR_GS, number(%rip)
        movq    $words, value(%rip)
        TIMES   "GS", next_word, "mov number, %ecx; mov value, %eax; mov value + 4, %edx; wrmsr; mov %gs:0, %rax; xor %edx, %edx"
        movq    $words, value(%rip)
        TIMES   "GS usable", usable_gs, "mov number, %ecx; mov value, %eax; mov value + 4, %edx; wrmsr; mov %gs:0, %rax; xor %edx, %edx"
        movl    $MSR_KGS, number(%rip)
        TIMES   "KERNEL_GS_BASE, SWAPGS", next_word, "mov number, %ecx; mov value, %eax; mov value + 4, %edx; wrmsr; swapgs; mov %gs:0, %rax; swapgs; xor %edx, %edx"
        WRITE_MSR MSR_FS, 0
        WRITE_MSR MSR_GS, 0
        WRITE_MSR MSR_KGS, 0
        xor     %eax, %eax
        mov     %eax, %gs
        ret

# ZF: that was the last.
round:  decl    rounds(%rip)
        cmpl    $ROUNDS / 2, rounds(%rip)
        jne     1f
        call    *special(%rip)
1:      cmpl    $0, rounds(%rip)
nothing:
        ret
data:   lea     -1024(%rsp), %rax
        mov     %rax, store_at(%rip)
        ret
osxsave:
        mov     %cr4, %rax
        or      $0x40000, %rax
        mov     %rax, %cr4
        ret
other_value:
        movabs  $0x7E0012345678, %rax
        mov     %rax, value(%rip)
        ret
other_gdt:
        decw    pointer(%rip)
        ret
other_idt:
        decw    idt_copy(%rip)
        ret
other_cr0:
        xorq    $8, cr0_value(%rip)
        ret
other_cr2:
        movabs  $0x123456789abcdef, %rax
        mov     %rax, %cr2
        ret
other_cr8:
        mov     $15, %eax
        mov     %rax, %cr8
        ret
task_switched:
        mov     %cr0, %rax
        or      $8, %eax
        mov     %rax, %cr0
        ret
no_ldt: xor     %eax, %eax
        lldt    %ax
        ret
monitor:
        mov     %cr0, %rax
        xor     $2, %eax
        mov     %rax, %cr0
        ret
other_flags:
        movq    $0x8D7, flags_value(%rip)
        ret
direction:
        movq    $0x402, flags_value(%rip)
        ret
nested: movq    $0x4002, flags_value(%rip)
        ret
alignment:
        movq    $0x40002, flags_value(%rip)
        ret
trap_flag:
        movq    $0x102, flags_value(%rip)
        ret
enabled:
        movq    $0x202, flags_value(%rip)
        ret
# IRQ 0 is requested while IF is clear.
interrupt:
        mov     $0xFE, %al
        out     %al, $0x21
        mov     $0x0A, %al
        out     %al, $0x20
1:      in      $0x20, %al
        test    $1, %al
        jz      1b
        ret
put_descriptor:
        movabs  $0x00CF93000000FFFF, %rax
        mov     %rax, gdt_long + SEL_FREE(%rip)
        mov     $words - 8, %eax
        mov     %ax, gdt_long + SEL_FREE + 2(%rip)
        shr     $16, %eax
        mov     %al, gdt_long + SEL_FREE + 4(%rip)
        movw    $SEL_FREE, selector(%rip)
        ret
other_descriptor:
        addw    $16, gdt_long + SEL_FREE + 2(%rip)
        ret
other_selector:
        movw    $SEL_USER_DATA, selector(%rip)
        movabs  $0x00CFF3000000FFFF, %rax
        mov     %rax, gdt_long + SEL_USER_DATA - 3(%rip)
        mov     $words - 16, %eax
        mov     %ax, gdt_long + SEL_USER_DATA - 3 + 2(%rip)
        shr     $16, %eax
        mov     %al, gdt_long + SEL_USER_DATA - 3 + 4(%rip)
        ret
absent: andb    $0x7F, gdt_long + SEL_FREE + 5(%rip)
        ret
no_descriptor:
        movw    $0x7F8, selector(%rip)
        ret
next_word:
        addq    $8, value(%rip)
        ret
usable_gs:
        mov     $SEL_DATA, %eax
        mov     %eax, %gs
        jmp     next_word

start_timer:
        .irp    value, 0x11, 0x48, 0x04, 0x01, 0xFF
        mov     $\value, %al
        .if     \value == 0x11
        out     %al, $0x20
        .else
        out     %al, $0x21
        .endif
        .endr
        mov     $0x34, %al
        out     %al, $0x43
        mov     $1193 & 0xFF, %al
        out     %al, $0x40
        mov     $1193 >> 8, %al
        out     %al, $0x40
        SET_IDT 0x48, timer
        ret
timer:  push    %rax
        mov     8(%rsp), %rax
        sub     trap_base(%rip), %rax
        mov     %rax, behind(%rip)
        mov     $0xFF, %al
        out     %al, $0x21
        mov     $0x20, %al
        out     %al, $0x20
        pop     %rax
        iretq

        .data
        .balign 8
pointer:
        .word   gdt_long_end - gdt_long - 1
        .quad   gdt_long
        .balign 8
idt_copy:
        .word   0
        .quad   0
        .balign 8
words:  .quad   0x1111, 0x2222222200000000, 0x3333, 0x4444
number: .long   0x175
selector:
        .word   SEL_FREE
        .balign 8
value:  .quad   words
cr0_value:
        .quad   0
flags_value:
        .quad   2
rounds: .long   0
        .balign 8
special:
        .quad   0
behind: .quad   0
stored: .quad   0, 0
store_at: .quad 0
