# double_fault.S - exceptions while exceptions are delivered: which pairs make a double fault, with paging, and that what is
# delivered one after the other is seen in the right order (SDM 3A 6.15 #DF, table 6-5).
# EXT is set where delivery met the second fault; TCG 7.2 leaves it clear.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    SEL_CATCH, 0x30
        .set    SEL_ABSENT, 0x38        # data, not present

# Descriptors of the IDT lie at its linear address plus 8 * vector: the IDT is moved into the window, gates 0-7 on page 1,
# the rest on page 2 (so #PF, #GP, #DF are there while #DE to #NM are not, or the other way round).
        .set    IDT_AT, TEST + 0x2000 - 8 * 8

# TRY_CAUGHT: as TRY_USER, for what ends in the task behind #DF.
        .macro  TRY_CAUGHT name, body
        call    trap_begin_user
        \body
        END_TRY_USER "\name"
        .endm

main:   INIT_TRAPS
        call    start_paging
        CR_SET  cr0, CR0_WP
        movl    $0x0000FFFF, gdt + SEL_ABSENT
        movl    $0x00CF1300, gdt + SEL_ABSENT + 4
        mov     $idt, %esi
        mov     $page_a + 0x1000 - 8 * 8, %edi
        mov     $64, %ecx
        rep     movsb
        mov     $page_b, %edi
        mov     $256 * 8 - 64, %ecx
        rep     movsb
        SET_PTE 1, page_a + PTE_P + PTE_W
        SET_PTE 2, page_b + PTE_P + PTE_W
        movl    $IDT_AT, far_idt + 2
        movw    $256 * 8 - 1, far_idt
        lidt    far_idt
        call    idt_missing
        lidt    idt_pointer
        call    gates
        call    stacks
        ret

idt_missing:
        TRY     "all there", "ud2"
        # benign, then a page fault: the page fault alone, with CR2 in the IDT
        SET_PTE 1, 0
        TRY     "#UD, its gate on a missing page", "ud2"
        TRY     "int3, its gate on a missing page", "int3"
        TRY     "int 5, its gate on a missing page", "int $5"
        # contributory, then a page fault: the page fault alone
        TRY     "#DE, its gate on a missing page", "xor %ecx, %ecx; div %ecx"
        # a page fault whose gate is there, then what it interrupted
        TRY     "#PF", "mov TEST + 0x5000, %eax"
        SET_PTE 1, page_a + PTE_P + PTE_W
        ret

        .macro  NO_GATE vector
        movb    $0x0E, idt + \vector * 8 + 5
        .endm
        .macro  DATA_GATE vector
        movw    $SEL_DATA, idt + \vector * 8 + 2
        .endm
        .macro  GOOD_GATE vector, stub
        SET_GATE \vector, \stub
        .endm

# First down, second across: B benign, C contributory, P page fault.
gates:  NO_GATE 6
        TRY     "B, C: #UD, #NP", "ud2"
        NO_GATE 11
        TRY     "B, C, C: #UD, #NP, #NP: #DF", "ud2"
        GOOD_GATE 11, trap_stub_0b
        GOOD_GATE 6, trap_stub_06
        NO_GATE 13
        TRY     "C, C: #GP, #NP: #DF", "mov $0x78, %eax; mov %eax, %ds"
        GOOD_GATE 13, trap_stub_0d
        NO_GATE 14
        TRY     "P, C: #PF, #NP: #DF", "mov TEST + 0x5000, %eax"
        mov     %cr2, %eax
        SHOW    "  cr2", "%eax"
        GOOD_GATE 14, trap_stub_0e
        DATA_GATE 14
        TRY     "P, C: #PF, #GP: #DF", "mov TEST + 0x6000, %eax"
        GOOD_GATE 14, trap_stub_0e
        NO_GATE 14
        TRY     "int 14 is no page fault: #NP", "int $14"
        GOOD_GATE 14, trap_stub_0e
        # a soft event counts as benign
        NO_GATE 3
        NO_GATE 11
        TRY     "int3, #NP, #NP: #DF", "int3"
        GOOD_GATE 11, trap_stub_0b
        GOOD_GATE 3, trap_stub_03
        ret

# The stack of ring 0 is not there: what needs it at CPL 3 fails; #DF comes through a task gate.
stacks: call    make_catch
        movl    $TEST + 0x8000, tss + 4
        SET_PTE 7, 0
        # benign, then #PF, then #PF of the same stack
        TRY_CAUGHT "user ud2, stack missing", "ud2"
        SHOW    "  cr2", caught_cr2
        TRY_CAUGHT "user #PF, stack missing", "mov TEST + 0x5000, %eax"
        SHOW    "  cr2", caught_cr2
        TRY_CAUGHT "user hlt, stack missing", "hlt"
        SHOW    "  cr2", caught_cr2
        # #SS at the inner stack: contributory
        movl    $SEL_ABSENT, tss + 8
        TRY_CAUGHT "user ud2, ss0 not present", "ud2"
        movl    $SEL_DATA, tss + 8
        # the stack straddles into a missing page
        SET_PTE 7, page_c + PTE_P + PTE_W
        SET_PTE 6, 0
        movl    $TEST + 0x7008, tss + 4
        TRY_CAUGHT "user ud2, half of the frame", "ud2"
        SHOW    "  cr2", caught_cr2
        movl    $ring0_stack_top, tss + 4
        ret

make_catch:
        movl    $catch, catch_tss + 32
        movl    $2, catch_tss + 36
        movl    $catch_stack, catch_tss + 56
        mov     %cr3, %eax
        mov     %eax, catch_tss + 28
        .irp    at, 72, 80, 84, 88, 92
        movl    $SEL_DATA, catch_tss + \at
        .endr
        movl    $SEL_CODE, catch_tss + 76
        movw    $104, catch_tss + 102
        mov     %eax, tss + 28
        mov     $catch_tss, %eax
        movw    $103, gdt + SEL_CATCH
        mov     %ax, gdt + SEL_CATCH + 2
        shr     $16, %eax
        mov     %al, gdt + SEL_CATCH + 4
        movb    $0x89, gdt + SEL_CATCH + 5
        mov     %ah, gdt + SEL_CATCH + 7
        movl    $SEL_CATCH << 16, idt + 8 * 8
        movl    $0x8500, idt + 8 * 8 + 4
        ret
# The task behind #DF: what it finds becomes trap_*; back to END_TRY.
catch:  pop     trap_error
        mov     tss + 32, %eax
        mov     %eax, trap_eip
        movl    $8, trap_vector
        mov     %cr2, %eax
        mov     %eax, caught_cr2
        movl    $resume, tss + 32
        movl    $2, tss + 36
        mov     trap_esp, %eax
        mov     %eax, tss + 56
        .irp    at, 72, 80, 84, 88, 92
        movl    $SEL_DATA, tss + \at
        .endr
        movl    $SEL_CODE, tss + 76
        iret
        jmp     catch
resume: clts
        movl    $0, trap_armed
        mov     trap_base, %esi
1:      inc     %esi
        cmpw    $0x30CD, (%esi)
        jne     1b
        add     $2, %esi
        jmp     *%esi

        .bss
        .balign 16
catch_tss:
        .skip   128
caught_cr2:
        .skip   4
far_idt:
        .skip   8
        .skip   4096
catch_stack:
        .text
