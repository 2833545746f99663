# stack_fault.S - exceptions about the stack of the inner level, taken through task gates, because the stack
# they are about cannot take them: #TS, #SS, #DF (SDM 3A 6.12.1, 6.15, 7.3). EXT is set in the error code
# because an exception led to it (6.13); TCG leaves it clear.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"

        .set    SEL_CATCH, 0x30
        .set    SEL_X, 0x38

# TRY_CAUGHT: like TRY_USER; prints vector, error code and EIP as the catching task sees them.
        .macro  TRY_CAUGHT name, body
        call    trap_begin_user
        \body
        END_TRY_USER "\name"
        .endm

main:   INIT_TRAPS
        movl    $catch, catch_tss + 32
        movl    $2, catch_tss + 36
        movl    $catch_stack, catch_tss + 56
        .irp    at, 72, 80, 84, 88, 92
        movl    $SEL_DATA, catch_tss + \at
        .endr
        movl    $SEL_CODE, catch_tss + 76
        movw    $104, catch_tss + 102
        mov     $catch_tss, %eax
        movw    $103, gdt + SEL_CATCH
        mov     %ax, gdt + SEL_CATCH + 2
        shr     $16, %eax
        mov     %al, gdt + SEL_CATCH + 4
        movb    $0x89, gdt + SEL_CATCH + 5
        mov     %ah, gdt + SEL_CATCH + 7
        .irp    v, 8, 10, 12
        movl    $SEL_CATCH << 16, idt + \v * 8
        movl    $0x8500, idt + \v * 8 + 4
        .endr
        movl    $10, catch_vector

        movl    $SEL_CODE, tss + 8
        TRY_CAUGHT "ss0 is code", "ud2"
        movl    $0, tss + 8
        TRY_CAUGHT "ss0 null", "ud2"
        movl    $SEL_USER_DATA, tss + 8
        TRY_CAUGHT "ss0 of ring 3", "ud2"
        movl    $SEL_DATA + 3, tss + 8
        TRY_CAUGHT "ss0 with rpl 3", "nop; ud2"
        movl    $0x78, tss + 8
        TRY_CAUGHT "ss0 beyond the GDT, int", "nop; int $0x30"
        movl    $0x0000FFFF, gdt + SEL_X
        movl    $0x00CF1300, gdt + SEL_X + 4
        movl    $SEL_X, tss + 8
        movl    $12, catch_vector
        TRY_CAUGHT "ss0 not present", "nop; nop; ud2"
        # a contributory exception while #GP is delivered: #DF with error code 0
        movl    $8, catch_vector
        TRY_CAUGHT "#GP, ss0 not present, #SS not deliverable", "movl $SEL_X, tss + 8; movb $0, idt + 12 * 8 + 5; hlt"
        ret

# The task behind the gates: what it finds becomes trap_*; then it goes back to END_TRY as the first task would.
catch:  pop     trap_error
        mov     tss + 32, %eax
        mov     %eax, trap_eip
        mov     catch_vector, %eax
        mov     %eax, trap_vector
        # out of this task: it is available again, the other one is busy as it was
        movl    $resume, tss + 32
        movl    $2, tss + 36
        mov     trap_esp, %eax
        mov     %eax, tss + 56
        .irp    at, 72, 80, 84, 88, 92
        movl    $SEL_DATA, tss + \at
        .endr
        movl    $SEL_CODE, tss + 76
        movl    $SEL_DATA, tss + 8
        iret
        jmp     catch

resume: clts
        mov     trap_base, %esi
1:      inc     %esi
        cmpw    $0x30CD, (%esi)
        jne     1b
        add     $2, %esi
        cmpw    $0x30CD, (%esi)         # "int $30h" was the body itself
        jne     2f
        add     $2, %esi
2:      jmp     *%esi

        .bss
        .balign 16
catch_tss:
        .skip   128
catch_vector:
        .skip   4
        .skip   4096
catch_stack:
        .text
