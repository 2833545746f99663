# long_same.S - stores to a page table of what is there already, fifty times; in the 25th something is different. The table is on a page
# that it shows itself, NEXT.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"
        .include "long_paging.inc"

        .set    ROUNDS, 50

        .macro  TIMES name, special
        LEVELS  7, 7, 7, 0x67
        PUT     t_pt + 8, t_pt+0x67
        mov     %cr3, %rax
        mov     %rax, %cr3
        movl    $ROUNDS, rounds(%rip)
        movq    $\special, special(%rip)
        movq    $page_b + 0x67, entry(%rip)
        movabs  $NEXT, %rax
        mov     %rax, table(%rip)
        xor     %edi, %edi
        TRY     "\name", "movabs $TEST, %rbx; 7: mov entry, %rcx; mov table, %rsi; stc; mov %rcx, (%rsi); adc $0, %rdi; invlpg (%rbx); add (%rbx), %rdi; mov t_pt + 8, %edx; and $0xFFF, %edx; add %rdx, %rdi; call round; jne 7b"
        SHOW    "  sum", %rdi
        movslq  rounds(%rip), %rdx
        SHOW    "  rounds left", %rdx
        .endm

main64: INIT_LONG
        movabs  $0xBBBB00000000, %rax
        mov     %rax, page_b(%rip)
        movq    $0xCCCC, page_c(%rip)
        mov     %cr0, %rax
        or      $0x10000, %eax
        mov     %rax, %cr0
        TIMES   "nothing", nothing
        TIMES   "another entry", other_entry
        TIMES   "half the entry", half
        TIMES   "another page", other_page
        TIMES   "D of the table's page", clean
        TIMES   "the table's page is read-only", read_only
        TIMES   "absent", absent
        ret

# ZF: that was the last.
round:  decl    rounds(%rip)
        cmpl    $ROUNDS / 2, rounds(%rip)
        jne     1f
        call    *special(%rip)
1:      cmpl    $0, rounds(%rip)
nothing:
        ret
other_entry:
        movq    $page_c + 0x67, entry(%rip)
        ret
half:   movabs  $page_b + 0x67 + NX, %rax
        mov     %rax, entry(%rip)
        ret
other_page:
        movq    $page_c + 0x67, t_pt(%rip)
        movq    $page_b + 16, table(%rip)
        ret
clean:  andl    $~0x40, t_pt + 8(%rip)
        movabs  $NEXT, %rax
        invlpg  (%rax)
        ret
read_only:
        andl    $~2, t_pt + 8(%rip)
        movabs  $NEXT, %rax
        invlpg  (%rax)
        ret
absent: movq    $0, entry(%rip)
        ret

        .data
        .balign 8
special:
        .quad   0
entry:  .quad   0
table:  .quad   0
rounds: .long   0
