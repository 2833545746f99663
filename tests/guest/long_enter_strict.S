# long_enter_strict.S - the ways into long mode that fault: QEMU 7.2's TCG checks none of them.
# engines: bt interp
        .code32
        .include "lib.inc"
        .include "trap.inc"
        .include "long_enter.inc"

        .macro  REFUSED name, body
        TRY     "\name", "\body"
        SHOW_EFER "  EFER"
        mov     %cr0, %eax
        and     $CR0_PG, %eax
        SHOW    "  PG", %eax
        .endm

main:   INIT_TRAPS
        call    long_tables
        EFER    EFER_LME
        REFUSED "PG with LME, without PAE", "CR0 CR0_PG"
        CR4     CR4_PAE
        # CS with L is 16-bit code as yet
        REFUSED "PG with LME, CS.L set", "ljmp $SEL_CODE64, $1f; .code16; 1: mov %cr0, %eax; or $CR0_PG, %eax; mov %eax, %cr0; .code32"
        movl    $0x00000067, gdt + SEL_TSS
        movl    $0x00008100, gdt + SEL_TSS + 4
        mov     $SEL_TSS, %eax
        ltr     %ax
        REFUSED "PG with LME, TR has a 16-bit TSS", "CR0 CR0_PG"
        LOAD_TSS
        REFUSED "PG with LME, without PE", "CR0 CR0_PG, 1"
        EFER    0, EFER_LME
        mov     $pdpt, %eax
        mov     %eax, %cr3
        CR0     CR0_PG
        REFUSED "LME under PAE paging", "EFER EFER_LME"
        REFUSED "EFER, a bit that is none", "EFER 0x80000000"
        CR0     0, CR0_PG
        call    enter
        SHOW_EFER "in the end, EFER"
        call    leave
        ret
