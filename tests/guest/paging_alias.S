# paging_alias.S - one page under several addresses: the self-map, page tables written through an alias, a page
# that is a table and then data, two address spaces with a private range each (SDM 3A 4.10.4).
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    SELF, 0xFFC00000        # the last directory entry points at the directory
        .set    SELF_PTE, SELF + (TEST >> 10)
        .set    SELF_PDE, 0xFFFFF000 + (TEST >> 20)
        .set    PRIVATE, 0x80000000

main:   INIT_TRAPS
        movl    $0x11111111, page_a + 0x100
        movl    $0x22222222, page_b + 0x100
        movl    $0x33333333, page_c + 0x100
        call    start_paging
        call    self_map
        call    alias
        call    reuse
        call    two_spaces
        call    churn
        ret

# SEE "text", address: what is read there.
        .macro  SEE text, at
        mov     \at, %eax
        SHOW    "\text", "%eax"
        .endm

self_map:
        movl    $page_dir + PTE_P + PTE_W, page_dir + 0xFFC
        SEE     "page_dir through itself", 0xFFFFFFFC
        # the tables of the window, at their place in the self-map
        movl    $page_a + PTE_P + PTE_W, SELF_PTE
        SEE     "a", TEST + 0x100
        SEE     "its entry", SELF_PTE
        movl    $page_b + PTE_P + PTE_W, SELF_PTE
        invlpg  TEST
        SEE     "b", TEST + 0x100
        movl    $1, TEST + 0x200
        SHOWN   "accessed and dirty", 3, SELF_PTE
        andl    $~PTE_D, SELF_PTE
        invlpg  TEST
        SEE     "read only", TEST + 0x100
        SHOWN   "accessed", 3, SELF_PTE
        lock orl $0, TEST + 0x200
        SHOWN   "dirty", 3, SELF_PTE
        movb    $0, SELF_PTE
        invlpg  TEST
        TRY     "gone", "mov TEST + 0x100, %eax"
        # a new table, made and filled through the self-map only
        movl    $page_d + PTE_P + PTE_W, SELF_PDE + 4
        invlpg  SELF_PTE + 0x1000
        mov     $SELF_PTE + 0x1000, %edi
        mov     $0x400, %ecx
        xor     %eax, %eax
        rep     stosl
        movl    $page_c + PTE_P + PTE_W, SELF_PTE + 0x1000 + 4 * 7
        SEE     "c through the new table", TEST + 0x407100
        TRY     "its neighbour", "mov TEST + 0x406100, %eax"
        movl    $0, SELF_PDE + 4
        FLUSH
        TRY     "table gone", "mov TEST + 0x407100, %eax"
        TRY     "its self-map gone", "mov SELF_PTE + 0x1000, %eax"
        # the directory entry that maps the directory, changed through itself
        movl    $page_dir + PTE_P, 0xFFFFFFFC
        FLUSH
        CR_SET  cr0, CR0_WP
        TRY     "self-map read-only", "movl $0, 0xFFFFF000 + 4 * 100"
        CR_CLEAR cr0, CR0_WP
        movl    $0, page_dir + 0xFFC
        FLUSH
        TRY     "self-map gone", "mov 0xFFFFFFFC, %eax"
        ret

# The window's table is itself mapped in the window: page 8.
alias:  SET_PTE 8, test_pt + PTE_P + PTE_W
        movl    $page_a + PTE_P + PTE_W, TEST + 0x8000 + 4 * 9
        SEE     "a, entry written through the alias", TEST + 0x9100
        movl    $page_b + PTE_P + PTE_W, TEST + 0x8000 + 4 * 9
        invlpg  TEST + 0x9000
        SEE     "b", TEST + 0x9100
        movw    $0, TEST + 0x8000 + 4 * 9       # the low half only
        invlpg  TEST + 0x9000
        TRY     "gone", "mov TEST + 0x9100, %eax"
        # by string, sixteen at once
        mov     $TEST + 0x8000 + 4 * 16, %edi
        mov     $page_c + PTE_P + PTE_W, %eax
        mov     $16, %ecx
        rep     stosl
        SEE     "c, first", TEST + 0x10100
        SEE     "c, last", TEST + 0x1F100
        # through an unaligned write across two entries
        movl    $0, test_pt + 4 * 16
        movl    $0, test_pt + 4 * 17
        FLUSH
        mov     $page_a + PTE_P + PTE_W, %eax
        shl     $16, %eax
        mov     %eax, TEST + 0x8000 + 4 * 16 - 2        # low half of entry 16, over the high half of 15
        mov     $(page_a + PTE_P + PTE_W), %eax
        mov     %eax, TEST + 0x8000 + 4 * 16
        mov     $TEST + 0x8000 + 4 * 17, %ebx
        mov     $page_b + PTE_P + PTE_W, %eax
        xor     %ecx, %ecx
        lock cmpxchg %ecx, (%ebx)               # differs: 0 to EAX, nothing to memory
        mov     $page_b + PTE_P + PTE_W, %eax
        xchg    %eax, (%ebx)
        SEE     "a", TEST + 0x10100
        SEE     "b", TEST + 0x11100
        # PUSH and CALL write entries too
        mov     %esp, %ebp
        mov     $TEST + 0x8000 + 4 * 19, %esp
        push    $page_b + PTE_P + PTE_W
        mov     %ebp, %esp
        invlpg  TEST + 0x12000
        SEE     "b, entry pushed", TEST + 0x12100
        SET_PTE 8, 0
        ret

# page_d is a table, then data, then a table again.
reuse:  mov     $0x400, %ecx
        mov     $page_d, %edi
        xor     %eax, %eax
        rep     stosl
        movl    $page_a + PTE_P + PTE_W, page_d
        movl    $page_d + PTE_P + PTE_W, page_dir + 4 * (TEST >> 22) + 4
        SEE     "a through d", TEST + 0x400100
        SET_PTE 3, page_d + PTE_P + PTE_W
        SHOWN   "d as data, entry 0", 3, TEST + 0x3000
        movl    $0, page_dir + 4 * (TEST >> 22) + 4
        FLUSH
        mov     $0x400, %ecx
        mov     $TEST + 0x3000, %edi
        mov     $0xDDDDDDDD, %eax
        rep     stosl
        SEE     "d as data", page_d + 0xFFC
        TRY     "no longer a table", "mov TEST + 0x400100, %eax"
        movl    $page_b + PTE_P + PTE_W, page_d
        movl    $page_d + PTE_P + PTE_W, page_dir + 4 * (TEST >> 22) + 4
        SEE     "b through d", TEST + 0x400100
        # a table whose entries are the data of another mapping: count in it while it is in use
        mov     $1000, %ecx
1:      addl    $8, TEST + 0x3004       # not present: bits of a software's own
        loop    1b
        SEE     "counted", page_d + 4
        SEE     "b still", TEST + 0x400100
        movl    $0, page_dir + 4 * (TEST >> 22) + 4
        FLUSH
        ret

# The kernel part is common, entry PRIVATE of the directory differs; the same window table in both.
two_spaces:
        mov     $page_dir, %esi
        mov     $second_dir, %edi
        mov     $0x400, %ecx
        rep     movsl
        movl    $first_pt + PTE_P + PTE_W + PTE_U, page_dir + 4 * (PRIVATE >> 22)
        movl    $second_pt + PTE_P + PTE_W + PTE_U, second_dir + 4 * (PRIVATE >> 22)
        movl    $page_a + PTE_P + PTE_W + PTE_U, first_pt
        movl    $page_b + PTE_P + PTE_W + PTE_U, second_pt
        movl    $page_c + PTE_P + PTE_W, first_pt + 4
        movl    $page_c + PTE_P + PTE_W, second_pt + 8
        mov     $page_dir, %ebx
        mov     $second_dir, %ebp
        .rept   2
        mov     %ebx, %cr3
        SEE     "first", PRIVATE + 0x100
        SEE     "first, shared page", PRIVATE + 0x1100
        TRY     "first, not here", "mov PRIVATE + 0x2100, %eax"
        incl    PRIVATE + 0x100
        mov     %ebp, %cr3
        SEE     "second", PRIVATE + 0x100
        TRY     "second, not here", "mov PRIVATE + 0x1100, %eax"
        SEE     "second, shared page", PRIVATE + 0x2100
        incl    PRIVATE + 0x100
        incl    PRIVATE + 0x2100
        .endr
        # a table of the other space changes while this one runs
        movl    $page_c + PTE_P + PTE_W, first_pt
        movl    $page_c + PTE_P, first_pt + 4
        mov     %ebx, %cr3
        SEE     "first, now c", PRIVATE + 0x100
        CR_SET  cr0, CR0_WP
        TRY     "first, now read-only", "movl $0, PRIVATE + 0x1100"
        CR_CLEAR cr0, CR0_WP
        # the common table: seen by both
        SET_PTE 0, page_a + PTE_P + PTE_W
        SEE     "common", TEST + 0x100
        mov     %ebp, %cr3
        SEE     "common", TEST + 0x100
        SET_PTE 0, page_b + PTE_P + PTE_W
        SEE     "common, changed", TEST + 0x100
        mov     %ebx, %cr3
        SEE     "common, changed", TEST + 0x100
        # a shared directory entry of the kernel's, added in one space, copied to the other later, as on a fault
        movl    $first_pt + PTE_P + PTE_W, page_dir + 4 * (PRIVATE >> 22) + 4
        SEE     "new entry", PRIVATE + 0x400100
        mov     %ebp, %cr3
        TRY     "not yet copied", "mov PRIVATE + 0x400100, %eax"
        mov     page_dir + 4 * (PRIVATE >> 22) + 4, %eax
        mov     %eax, second_dir + 4 * (PRIVATE >> 22) + 4
        SEE     "copied", PRIVATE + 0x400100
        # the directory in use is freed: cleared, filled with data, used again
        mov     %ebx, %cr3
        mov     $second_dir, %edi
        mov     $0x400, %ecx
        xor     %eax, %eax
        rep     stosl
        mov     $page_dir, %esi
        mov     $second_dir, %edi
        mov     $0x400, %ecx
        rep     movsl
        mov     %ebp, %cr3
        SEE     "second is now a copy of first", PRIVATE + 0x100
        mov     %ebx, %cr3
        ret

# 5000 times: another page behind the same address, through invlpg and mov cr3 in turns; the sum of what is read.
churn:  xor     %edx, %edx
        mov     $5000, %ecx
1:      mov     %ecx, %eax
        and     $3, %eax
        shl     $12, %eax
        add     $page_a + PTE_P + PTE_W, %eax
        mov     %ecx, %ebx
        and     $31, %ebx
        mov     %eax, test_pt(, %ebx, 4)
        mov     %ebx, %esi
        shl     $12, %esi
        invlpg  TEST(%esi)
        test    $7, %cl
        jnz     2f
        mov     %cr3, %eax
        mov     %eax, %cr3
2:      mov     TEST + 0x100(%esi), %eax
        rol     $1, %edx
        add     %eax, %edx
        mov     %ecx, TEST + 0x104(%esi)
        add     page_b + 0x104, %edx
        loop    1b
        SHOW    "churn", "%edx"
        ret

        .bss
        .balign 4096
second_dir:
        .skip   4096
first_pt:
        .skip   4096
second_pt:
        .skip   4096
        .text
