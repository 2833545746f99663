# cross_iret.S - INT and IRET, to CPL 3 and at CPL 0, fifty times; in the 25th something is different: what decides about the way
# back has changed, or an interrupt waits for IF.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "cross.inc"

        .set    ROUNDS, 50
        .set    VEC_CALL, 0x40          # DPL 3
        .set    VEC_SAME, 0x41

# CROSS "name", special [, user code before INT]: EBX counts the rounds of CPL 3.
        .macro  CROSS name, special, body="nop"
        movl    $ROUNDS, rounds
        movl    $\special, special
        xor     %ebx, %ebx
        xor     %edi, %edi
        pushl   $2
        popf
        TRY_USER "\name", "7: inc %ebx; \body; int $VEC_CALL; 8: cmpl $0, rounds; jne 7b"
        SHOW    "  rounds", "%ebx"
        .endm
# The same at CPL 0.
        .macro  STAY name, special, body="nop"
        movl    $ROUNDS, rounds
        movl    $\special, special
        xor     %ebx, %ebx
        pushl   $2
        popf
        TRY     "\name", "7: inc %ebx; \body; int $VEC_SAME; 8: cmpl $0, rounds; jne 7b"
        SHOW    "  rounds", "%ebx"
        .endm

main:   INIT_TRAPS
        INIT_CROSS
        SET_GATE VEC_CALL, entry, 0xEE
        SET_GATE VEC_SAME, entry
        # that it knows no SYSENTER does not matter to what is right
        call    calls
        call    stays
        PUTS    "with SYSENTER\n"
        WRITE_MSR MSR_CS, SEL_CODE
        call    calls
        call    stays
        ret

calls:  CROSS   "nothing", nothing
        CROSS   "an interrupt waits", interrupt
        call    interrupt_show
        CROSS   "DF of CPL 3", nothing, "std"
        cld
        CROSS   "flags", other_flags, "pushf; popl flags_seen"
        SHOW    "  flags", flags_seen
        CROSS   "RF", resume, "pushf; popl flags_seen"
        SHOW    "  flags", flags_seen
        CROSS   "TF", trap_flag
        CROSS   "IOPL 3", iopl, "cli; mov $1, %esi"
        CROSS   "IOPL 3 and back", iopl
        CROSS   "AC", alignment, "pushf; popl flags_seen"
        SHOW    "  flags", flags_seen
        CROSS   "code segment not present", code_absent
        movb    $0xFB, big_gdt + (SEL_USER_CODE & ~7) + 5
        CROSS   "stack segment of CPL 0", stack_inner
        movb    $0xF3, big_gdt + (SEL_USER_DATA & ~7) + 5
        CROSS   "code segment not accessed", code_unused
        SHOWN   "  type", 2, "big_gdt + (SEL_USER_CODE & ~7) + 5"
        CROSS   "stack segment of 16 MiB", stack_short
        movw    $0xFFFF, big_gdt + (SEL_USER_DATA & ~7)
        movb    $0xCF, big_gdt + (SEL_USER_DATA & ~7) + 6
        .irp    reg, ds, es, fs, gs
        CROSS   "\reg of CPL 0", inner_\reg, "mov %\reg, %eax; lea (%edi, %eax), %edi"
        SHOW    "  sum", "%edi"
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        .endr
        CROSS   "a null DS", null_ds, "mov %ds, %esi"
        SHOW    "  ds", "%esi"
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        CROSS   "GDT cut", cut_gdt
        lgdt    big_pointer
        CROSS   "another GDT", another_gdt
        lgdt    big_pointer
        CROSS   "another stack", other_stack, "mov %esp, %esi"
        sub     $user_stack, %esi
        SHOW    "  esp", "%esi"
        CROSS   "null CS", null_cs
        CROSS   "to CPL 0", to_inner
        ret

stays:  STAY    "at CPL 0", nothing
        STAY    "an interrupt waits", interrupt
        call    interrupt_show
        STAY    "flags", other_flags, "pushf; popl flags_seen"
        SHOW    "  flags", flags_seen
        STAY    "TF", trap_flag
        STAY    "IOPL 3", iopl, "pushf; popl flags_seen"
        SHOW    "  flags", flags_seen
        STAY    "code segment not accessed", kernel_code_unused
        SHOWN   "  type", 2, "big_gdt + SEL_CODE + 5"
        ret

# The stack: return address of the call, EIP CS EFLAGS [ESP SS]
        .set    F_EIP, 4
        .set    F_CS, 8
        .set    F_FLAGS, 12
        .set    F_ESP, 16
        .set    F_SS, 20
entry:  push    %eax
        mov     4(%esp), %eax
        mov     %eax, %ss:call_edx
        pop     %eax
        decl    %ss:rounds
        cmpl    $ROUNDS / 2, %ss:rounds
        jne     1f
        call    *%ss:special
1:      iret

nothing:
        ret
interrupt:
        call    request
        orl     $0x200, F_FLAGS(%esp)
        ret
other_flags:
        movl    $0x2008D7, F_FLAGS(%esp)
        ret
resume: orl     $0x10000, F_FLAGS(%esp)
        ret
trap_flag:
        orl     $0x100, F_FLAGS(%esp)
        ret
iopl:   orl     $0x3000, F_FLAGS(%esp)
        ret
alignment:
        orl     $0x40000, F_FLAGS(%esp)
        ret
code_absent:
        andb    $0x7F, big_gdt + (SEL_USER_CODE & ~7) + 5
        ret
code_unused:
        andb    $0xFE, big_gdt + (SEL_USER_CODE & ~7) + 5
        ret
stack_inner:
        movb    $0x93, big_gdt + (SEL_USER_DATA & ~7) + 5
        ret
stack_short:
        movw    $0xFFF, big_gdt + (SEL_USER_DATA & ~7)
        movb    $0xC0, big_gdt + (SEL_USER_DATA & ~7) + 6
        ret
kernel_code_unused:
        andb    $0xFE, big_gdt + SEL_CODE + 5
        ret
        .irp    reg, ds, es, fs, gs
inner_\reg:
        push    %eax
        mov     $SEL_DATA, %eax
        mov     %eax, %\reg
        pop     %eax
        ret
        .endr
null_ds:
        push    %eax
        mov     $3, %eax
        mov     %eax, %fs
        mov     $0, %eax
        mov     %eax, %gs
        pop     %eax
        ret
cut_gdt:
        lgdt    cut_pointer
        ret
another_gdt:
        pusha
        push    %es
        push    %ss
        pop     %es
        mov     $big_gdt, %esi
        mov     $second_gdt, %edi
        mov     $24, %ecx
        cld
        rep     movsl %ss:(%esi), %es:(%edi)
        pop     %es
        popa
        movb    $0x7B, second_gdt + (SEL_USER_CODE & ~7) + 5
        lgdt    second_pointer
        ret
other_stack:
        subl    $64, F_ESP(%esp)
        ret
null_cs:
        movl    $0, F_CS(%esp)
        ret
to_inner:
        movl    $SEL_CODE, F_CS(%esp)
        ret

        .data
        .balign 8
second_gdt:
        .skip   0x60
second_pointer:
        .word   0x5F
        .long   second_gdt
cut_pointer:
        .word   (SEL_USER_CODE & ~7) - 1
        .long   big_gdt

        .bss
        .balign 4
special:
        .skip   4
rounds: .skip   4
flags_seen:
        .skip   4
        .text
