# inner_stack.S - the stack of an inner level, as call gates and interrupts find it in the TSS: what is checked, the error
# codes, and that a transfer that fails has done nothing (SDM 3A 5.8.5, 6.12.1, 7.2.1). The inner level is 1, so that the
# handlers' stack of level 0 is good all the time. stack_fault.S has what concerns that one.
# TCG 7.2 checks no stack limit, wants 20 bytes of TSS where 18 will do, and gives #TS for an absent SS.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    SEL_GATE, 0x30          # call gate to ring 1, three parameters
        .set    SEL_GATE16, 0x38        # 16 bits, two parameters
        .set    SEL_CODE1, 0x41
        .set    SEL_DATA1, 0x49
        .set    SEL_SMALL1, 0x51        # writable, limit FFFh
        .set    SEL_RO1, 0x59
        .set    SEL_ABSENT1, 0x61
        .set    SEL_CODE16, 0x68        # ring 1, 16 bits, at code16_base
        .set    SEL_DOWN1, 0x71         # expand-down, limit FFFh

        .set    NEW, TEST + 0x2000      # stack of ring 1 in the window: page 1; page 0 is missing
        .set    OLD, TEST + 0x5000      # stack of ring 3: page 4; page 5 is missing

# CALL_WITH "name", ss1, esp1 [, esp3]: with three parameters on the stack.
        .macro  CALL_WITH name, ss1, esp1, esp3=user_stack
        movl    $\esp1, tss + 12
        movl    $\ss1, tss + 16
        TRY_USER "\name: call", "mov $\esp3 - 12, %esp; lcall $SEL_GATE, $0"
        call    show
        TRY_USER "\name: int", "mov $\esp3 - 12, %esp; int $0x50"
        call    show
        .endm
# ESP and SS as the exception's frame has them, which is as before.
show:   mov     trap_vector, %eax
        cmp     $-1, %eax
        je      1f
        SHOWN   "  cs", 4, trap_cs
        mov     trap_user_esp, %eax
        and     $0xFFF, %eax
        SHOWN   "  esp", 3, "%eax"
        SHOWN   "  ss", 4, trap_user_ss
1:      ret

main:   INIT_TRAPS
        mov     $gdt, %esi
        mov     $big_gdt, %edi
        mov     $12, %ecx
        rep     movsl
        mov     $callee, %eax
        mov     %ax, big_gdt + SEL_GATE
        shr     $16, %eax
        mov     %ax, big_gdt + SEL_GATE + 6
        mov     $code16_base, %eax
        mov     %ax, big_gdt + SEL_CODE16 + 2
        shr     $16, %eax
        mov     %al, big_gdt + SEL_CODE16 + 4
        lgdt    big_gdt_pointer
        SET_GATE 0x50, callee, 0xEE
        movw    $SEL_CODE1, idt + 0x50 * 8 + 2
        call    start_paging
        CR_SET  cr0, CR0_WP
        SET_PTE 1, page_a + PTE_P + PTE_W
        SET_PTE 4, page_b + PTE_P + PTE_W + PTE_U
        call    selectors
        call    limits
        call    pages
        call    narrow
        ret

callee: int     $VEC_USER_DONE

selectors:
        CALL_WITH "good", SEL_DATA1, NEW
        CALL_WITH "null", 0, NEW
        CALL_WITH "null, rpl 1", 1, NEW
        CALL_WITH "rpl 0", SEL_DATA1-1, NEW
        CALL_WITH "rpl 3", SEL_DATA1+2, NEW
        CALL_WITH "dpl 0, rpl 1", SEL_DATA+1, NEW
        CALL_WITH "dpl 3, rpl 1", SEL_USER_DATA-2, NEW
        CALL_WITH "code", SEL_CODE1, NEW
        CALL_WITH "read-only", SEL_RO1, NEW
        CALL_WITH "not present", SEL_ABSENT1, NEW
        CALL_WITH "beyond the GDT", 0x101, NEW
        CALL_WITH "in no LDT", 0x4D, NEW
        # the TSS ends before SS1
        movw    $17, big_gdt + SEL_TSS
        call    reload
        CALL_WITH "tss of 18 bytes", SEL_DATA1, NEW
        movw    $15, big_gdt + SEL_TSS
        call    reload
        CALL_WITH "tss of 16 bytes", SEL_DATA1, NEW
        movw    $103, big_gdt + SEL_TSS
        call    reload
        ret
reload: movb    $0x89, big_gdt + SEL_TSS + 5
        mov     $SEL_TSS, %eax
        ltr     %ax
        ret

# The frame of the gate has 4 + 3 dwords, that of the interrupt 5.
limits: CALL_WITH "limit, whole frame", SEL_SMALL1, 28
        CALL_WITH "limit, all but a byte", SEL_SMALL1, 19
        CALL_WITH "limit, esp beyond", SEL_SMALL1, 0x1001
        CALL_WITH "limit, esp at the end", SEL_SMALL1, 0x1000
        CALL_WITH "expand-down, whole frame", SEL_DOWN1, 0x101C
        CALL_WITH "expand-down, one dword less", SEL_DOWN1, 0x1010
        ret

pages:  CALL_WITH "page missing", SEL_DATA1, TEST+0x1000
        CALL_WITH "half of the frame missing", SEL_DATA1, TEST+0x1008
        SET_PTE 1, page_a + PTE_P
        CALL_WITH "read-only page", SEL_DATA1, NEW
        SET_PTE 1, page_a + PTE_P + PTE_W
        CALL_WITH "caller's stack ends at a missing page", SEL_DATA1, NEW, OLD
        CALL_WITH "parameters on a missing page", SEL_DATA1, NEW, OLD+12
        CALL_WITH "last parameter on a missing page", SEL_DATA1, NEW, OLD+4
        # a supervisor's page is not the caller's to read
        SET_PTE 5, page_c + PTE_P + PTE_W
        CALL_WITH "parameters on a supervisor's page", SEL_DATA1, NEW, OLD+12
        SET_PTE 5, 0
        ret

# A 16-bit gate takes words.
narrow: movl    $NEW, tss + 12
        movl    $SEL_DATA1, tss + 16
        TRY_USER "gate 16: call", "push $0x22221111; lcall $SEL_GATE16, $0"
        SHOWN   "  cs pushed", 4, "page_a + 0xFF6"
        SHOW    "  parameters", "page_a + 0xFF8"
        mov     page_a + 0xFFE, %ax     # the last word of the page
        SHOWN   "  ss pushed", 4, "%eax"
        movl    $TEST + 0x1008, tss + 12
        TRY_USER "gate 16: half of the frame missing", "push $0x22221111; lcall $SEL_GATE16, $0"
        ret

        .balign 16
code16_base:
        .code16
        nop
        int     $VEC_USER_DONE
        .code32

        .data
        .balign 8
big_gdt:
        .fill   6, 8, 0
        .quad   0x0000EC0300400000      # 30h
        .quad   0x0000E40200680000      # 38h
        .quad   0x00CFBB000000FFFF      # 40h
        .quad   0x00CFB3000000FFFF      # 48h
        .quad   0x0040B30000000FFF      # 50h
        .quad   0x00CFB1000000FFFF      # 58h
        .quad   0x00CF33000000FFFF      # 60h
        .quad   0x0000BB000000FFFF      # 68h
        .quad   0x0040B70000000FFF      # 70h
big_gdt_pointer:
        .word   . - big_gdt - 1
        .long   big_gdt
