# long_intr_strict.S - events in long mode, where QEMU 7.2's TCG is not exact: RF in frames, SS after IST at one level, error codes of
# gates, checks of IRETQ, #SS.
# engines: bt interp
        .include "long.inc"

main64: INIT_LONG
        call    frames
        call    gates
        call    returns
        ret

frames: SET_IDT 13, record
        SET_IDT 6, record
        ENTRY   "a fault with an error code", "mov $test_stack + 9, %esp; mov $SEL_ABSENT_DATA + 4, %eax; mov %eax, %ds"
        ENTRY   "a fault without", "mov $test_stack + 9, %esp; ud2"
        RESTORE_IDT
        .irp    ist, 2, 3, 4, 5, 6, 7
        movq    $test_stack - 0x100 * \ist + \ist, tss + 36 + 8 * (\ist - 1)(%rip)
        SET_IDT VEC_TEST, record, 0xEE, SEL_CODE, \ist
        ENTRY   "IST\ist from CPL 0", "int $VEC_TEST"
        .endr
        SET_IDT 6, record, 0x8E, SEL_CODE, 4
        ENTRY   "a fault by IST4, RSP anywhere", "movabs $HOLE, %rsp; ud2"
        RESTORE_IDT
        SET_IDT VEC_TEST, record, 0xEE
        TRY     "INT n, RSP in the hole", "movabs $HOLE + 0x100, %rsp; int $VEC_TEST"
        TRY     "INT n, RSP at the edge of the hole", "movabs $HIGH_BOTTOM, %rsp; int $VEC_TEST"
        movabs  $HOLE + 0x100, %rax
        mov     %rax, tss + 44(%rip)
        SET_IDT VEC_TEST, record, 0xEE, SEL_CODE, 2
        TRY     "INT n, IST2 in the hole", "int $VEC_TEST"
        TRY_USER "INT n, IST2 in the hole, from CPL 3", "int $VEC_TEST"
        SET_IDT 6, record, 0x8E, SEL_CODE, 2
        TRY     "#UD, IST2 in the hole", "ud2"
        SET_IDT VEC_TEST, record, 0xEE, SEL_CODE, 3
        movw    $36 + 2 * 8 + 6, gdt_long + SEL_TSS(%rip)
        movb    $0x89, gdt_long + SEL_TSS + 5(%rip)
        mov     $SEL_TSS, %eax
        ltr     %ax
        TRY     "INT n, IST3 behind the TSS's limit", "int $VEC_TEST"
        SET_IDT 6, record, 0x8E, SEL_CODE, 3
        TRY     "#UD, IST3 behind the TSS's limit", "ud2"
        movw    $103, gdt_long + SEL_TSS(%rip)
        movb    $0x89, gdt_long + SEL_TSS + 5(%rip)
        mov     $SEL_TSS, %eax
        ltr     %ax
        RESTORE_IDT
        ret

# GATE "name", type, selector, target: INT 40h through it, at CPL 0.
        .macro  GATE name, type, sel=SEL_CODE, target=record
        SET_IDT VEC_TEST, \target, \type, \sel
        TRY     "\name", "int $VEC_TEST"
        .endm
gates:  .irp    type, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8B, 0x8C, 0x8D, 0x9E, 0x9F
        GATE    "gate of type \type", \type
        .endr
        GATE    "not present", 0x0E
        GATE    "null selector", 0x8E, 0
        GATE    "null selector with RPL", 0x8E, 3
        GATE    "behind the GDT", 0x8E, 0xF8
        GATE    "in an LDT that is none", 0x8E, 0xC
        GATE    "data", 0x8E, SEL_DATA
        GATE    "32-bit code", 0x8E, SEL_CODE32
        GATE    "16-bit code", 0x8E, SEL_CODE16
        GATE    "L and D", 0x8E, SEL_BOTH
        GATE    "code not present", 0x8E, SEL_ABSENT
        GATE    "code of CPL 3 from CPL 0", 0x8E, SEL_USER_CODE
        GATE    "a system segment", 0x8E, SEL_TSS
        GATE    "RPL is ignored", 0x8E, SEL_CODE + 3
        SET_IDT VEC_TEST, record, 0x8E
        TRY_USER "DPL 0 for CPL 3", "int $VEC_TEST"
        TRY32   "DPL 0 for CPL 3, 32-bit code", "int $VEC_TEST"
        SET_IDT 6, record, 0x86
        TRY     "#UD by a gate of 16 bits", "ud2"
        SET_IDT 6, record, 0x0E
        TRY     "#UD by a gate not present", "ud2"
        SET_IDT 6, record, 0x8E, 0
        TRY     "#UD by a null selector", "ud2"
        SET_IDT 6, record, 0x8E, SEL_CODE32
        TRY     "#UD to 32-bit code", "ud2"
        SET_IDT 13, record, 0x86
        TRY     "#GP by a gate of 16 bits: double fault", "mov $SEL_CODE + 4, %eax; mov %eax, %ds"
        RESTORE_IDT
        movw    $16 * VEC_TEST + 14, short_idt(%rip)
        TRY     "behind the IDT by a byte", "lidt short_idt(%rip); int $VEC_TEST"
        movw    $16 * VEC_TEST + 15, short_idt(%rip)
        TRY     "the last gate of the IDT", "lidt short_idt(%rip); int $VEC_TEST"
        lidt    idt_pointer(%rip)
        ret

returns:
        IRETQ_TRY "to RIP in the hole", SEL_DATA, test_stack, 2, SEL_CODE, HOLE
        IRETQ_TRY "to code with L and D", SEL_DATA, test_stack, 2, SEL_BOTH
        IRETQ_TRY "to CPL 3 with SS not present", SEL_ABSENT_DATA + 3, USER_SP, 2, SEL_USER_CODE
        IRETQ_TRY "to CPL 3, RIP in the hole", SEL_USER_DATA, USER_SP, 2, SEL_USER_CODE, HOLE
        IRETQ_TRY "to 32-bit code with a null SS", 0, test_stack, 2, SEL_CODE32
        TRY     "IRET, stack in the hole", "movabs $HOLE - 16, %rsp; iretq"
        IRETQ_TRY "to CPL 3 with a null SS, RPL 3", 3, USER_SP, 2, SEL_USER_CODE
        IRETQ_FLAGS "IRETQ to CPL 0, all flags", 0x3E7ED5, SEL_CODE, SEL_DATA
        IRETQ_FLAGS "IRETQ to CPL 3, all flags", 0x3E7ED5, SEL_USER_CODE, SEL_USER_DATA
        ret

        .data
short_idt:
        .word   0
        .quad   idt
