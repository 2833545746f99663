# light.S - instructions of kernels that mostly change nothing, fifty times; in the 25th something is different. PUSHA and POPA.
# options: -cpu max
        .include "lib.inc"
        .include "trap.inc"

        .set    ROUNDS, 50

# TIMES "name", special, body: EDI sums up EAX, 3 EDX and the carry of ADC after each round.
        .macro  TIMES name, special, body
        movl    $ROUNDS, rounds
        movl    $\special, special
        xor     %edi, %edi
        TRY     "\name", "7: xor %edx, %edx; \body; lea (%edi, %eax), %edi; lea (%edx, %edx, 2), %edx; lea (%edi, %edx), %edi; call round; jne 7b"
        SHOW    "  sum", "%edi"
        SHOW    "  rounds left", rounds
        .endm

main:   INIT_TRAPS
        TIMES   "CPUID", osxsave, "mov $1, %eax; xor %ecx, %ecx; stc; cpuid; sbb %eax, %eax; and $1 << 27, %ecx; add %ecx, %eax; xor %edx, %edx; xor %ebx, %ebx"
        mov     %cr4, %eax
        and     $~0x40000, %eax
        mov     %eax, %cr4
        movl    $0x174, number
        TIMES   "WRMSR, RDMSR", other_value, "mov number, %ecx; mov value, %eax; xor %edx, %edx; stc; wrmsr; mov $0, %eax; rdmsr; adc $0, %eax"
        TIMES   "another MSR", other_number, "mov number, %ecx; mov $0x1234, %eax; stc; wrmsr; rdmsr; adc $0, %eax"
        TIMES   "LGDT, SGDT", other_gdt, "stc; lgdt pointer; sbb %eax, %eax; sgdt stored; add stored, %eax; mov stored + 2, %edx"
        lgdt    gdt_pointer
        TIMES   "LIDT, SIDT", other_idt, "stc; lidt idt_copy; sbb %eax, %eax; sidt stored; add stored, %eax; mov stored + 2, %edx"
        TIMES   "MOV to CR0", other_cr0, "mov cr0_value, %eax; stc; mov %eax, %cr0; sbb %eax, %eax; mov %cr0, %edx"
        mov     %cr0, %eax
        and     $~8, %eax
        mov     %eax, %cr0
        TIMES   "CLTS", task_switched, "stc; clts; sbb %eax, %eax; mov %cr0, %edx"
        TIMES   "CLTS, FLD1", task_switched, "clts; fld1; fstp %st(0); xor %eax, %eax"
        TIMES   "STR", nothing, "stc; mov $-1, %eax; str %eax; adc $0, %eax"
        TIMES   "SLDT", no_ldt, "stc; mov $-1, %eax; sldt %eax; adc $0, %eax"
        TIMES   "SMSW", monitor, "stc; mov $-1, %eax; smsw %eax; adc $0, %eax"
        mov     %cr0, %eax
        or      $2, %eax
        mov     %eax, %cr0
        mov     $0x11111111, %eax
        mov     $0x22222222, %ecx
        mov     $0x33333333, %edx
        mov     $0x44444444, %ebx
        mov     $0x55555555, %ebp
        mov     $0x66666666, %esi
        mov     $0x77777777, %edi
        TRY     "PUSHA", "mov %esp, saved; mov $area_end, %esp; stc; pusha; sbb $0, %eax; mov %esp, %ecx; mov saved, %esp"
        SHOW    "  eax", "%eax"
        sub     $area, %ecx
        SHOW    "  esp", "%ecx"
        .irp    n, 0, 4, 8, 16, 20, 24, 28
        SHOW    "  pushed", area+\n
        .endr
        mov     area + 12, %eax
        sub     $area, %eax
        SHOW    "  esp", "%eax"
        TRY     "POPA", "mov %esp, saved; mov $values, %esp; stc; popa; adc $0, %eax; mov %esp, after; mov saved, %esp"
        .irp    r, %eax, %ecx, %edx, %ebx, %ebp, %esi, %edi
        SHOW    "  popped", "\r"
        .endr
        mov     after, %eax
        sub     $values, %eax
        SHOW    "  esp", "%eax"
        ret

# ZF: that was the last.
round:  decl    rounds
        cmpl    $ROUNDS / 2, rounds
        jne     1f
        call    *special
1:      cmpl    $0, rounds
nothing:
        ret
osxsave:
        mov     %cr4, %eax
        or      $0x40000, %eax
        mov     %eax, %cr4
        ret
other_value:
        movl    $0x4321, value
        ret
other_number:
        movl    $0x175, number
        ret
other_gdt:
        movw    $0x2F, pointer
        ret
other_idt:
        movw    $0x3FF, idt_copy
        ret
other_cr0:
        xorl    $8, cr0_value
        ret
task_switched:
        mov     %cr0, %eax
        or      $8, %eax
        mov     %eax, %cr0
        ret
no_ldt: xor     %eax, %eax
        lldt    %ax
        ret
monitor:
        mov     %cr0, %eax
        xor     $2, %eax
        mov     %eax, %cr0
        ret

        .data
        .balign 4
pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
        .balign 4
idt_copy:
        .word   256 * 8 - 1
        .long   idt
        .balign 4
number: .long   0x174
value:  .long   8
cr0_value:
        .long   0x33
values: .long   0x11111111, 0x22222222, 0x33333333, 0x44444444, 0x55555555, 0x66666666, 0x77777777, -1
area:   .skip   32
area_end:
        .skip   16
rounds: .long   0
special:
        .long   0
saved:  .long   0
after:  .long   0
stored: .long   0, 0
