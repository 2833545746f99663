# paging_same.S - stores to a page table of what is there already, fifty times; in the 25th something is different.
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    ROUNDS, 50

# TIMES "name", special: stores `entry` through `table` and reads its page; EDI is the sum of that, carries, and the flags of the table's
# own entry.
        .macro  TIMES name, special
        movl    $ROUNDS, rounds
        movl    $\special, special
        movl    $page_a + 0x67, entry
        xor     %edi, %edi
        TRY     "\name", "7: mov entry, %ecx; mov table, %esi; stc; mov %ecx, (%esi); adc $0, %edi; invlpg TEST; add TEST, %edi; mov own, %edx; mov (%edx), %edx; and $0xFFF, %edx; add %edx, %edi; call round; jne 7b"
        SHOW    "  sum", "%edi"
        SHOW    "  rounds left", rounds
        .endm

main:   INIT_TRAPS
        movl    $0xAAAA0000, page_a
        movl    $0xBBBB, page_b
        movl    $0xCCCC, page_c
        mov     $test_pt, %eax
        mov     %eax, table
        shr     $12, %eax
        lea     low_pt(, %eax, 4), %eax
        mov     %eax, own
        call    start_paging
        CR_SET  cr0, CR0_WP
        TIMES   "nothing", nothing
        TIMES   "another entry", other_entry
        TIMES   "half the entry", half
        TIMES   "another page", other_page
        movl    $test_pt, table
        TIMES   "D of the table's page", clean
        TIMES   "the table's page is read-only", read_only
        mov     own, %eax
        orl     $PTE_W, (%eax)
        invlpg  test_pt
        TIMES   "absent", absent
        ret

# ZF: that was the last.
round:  decl    rounds
        cmpl    $ROUNDS / 2, rounds
        jne     1f
        call    *special
1:      cmpl    $0, rounds
nothing:
        ret
other_entry:
        movl    $page_b + 0x67, entry
        ret
half:   movl    $page_a + 0xE67, entry
        ret
# Behind it nothing is stored to the table: it holds page_c's.
other_page:
        movl    $page_c + 0x67, test_pt
        movl    $page_b + 16, table
        ret
clean:  mov     own, %eax
        andl    $~PTE_D, (%eax)
        invlpg  test_pt
        ret
read_only:
        mov     own, %eax
        andl    $~PTE_W, (%eax)
        invlpg  test_pt
        ret
absent: movl    $0, entry
        ret

        .data
        .balign 4
rounds: .long   0
special:
        .long   0
entry:  .long   0
table:  .long   0
own:    .long   0
