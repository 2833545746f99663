# edges.S - direct calls, and an instruction, that lead from one page to the next, where the first page stays and the
# second becomes another: in another address space, by INVLPG, by MOV CR3; in user mode and the kernel (SDM 3A 4.10.4).
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    FIRST, 0x80000000
        .set    NEXT, FIRST + 0x1000
        .set    FAR_OFF, FIRST + 0x1001000      # 16 MiB from NEXT

        .set    USER_CALLS, FIRST
        .set    USER_STRADDLES, FIRST + 0x20
        .set    KERNEL_CALLS, FIRST + 0x40
        .set    KERNEL_STRADDLES, FIRST + 0x60
        .set    BY_INVLPG, FIRST + 0x80
        .set    BY_CR3, FIRST + 0xA0
        .set    USER_LATER, FIRST + 0xC0
        .set    KERNEL_LATER, FIRST + 0xE0

        .macro  CALL_TO offset
        .byte   0xE8
        .long   \offset - (. + 4 - first_page)
        .endm
        .macro  TEN_CALLS offset, end:vararg
        .balign 32
        mov     $10, %ecx
1:      CALL_TO \offset
        loop    1b
        \end
        .endm

        .balign 32
first_page:
        TEN_CALLS 0x1010, int $VEC_USER_DONE
        TEN_CALLS 0xFFD, int $VEC_USER_DONE
        TEN_CALLS 0x1010, ret
        TEN_CALLS 0xFFD, ret
        .balign 32                      # EBX is the entry for NEXT
        mov     %ebx, first_pt + 4
        invlpg  NEXT
        CALL_TO 0x1010
        ret
        .balign 32
        mov     %ebx, first_pt + 4
        mov     %cr3, %eax
        mov     %eax, %cr3
        CALL_TO 0x1010
        ret
        TEN_CALLS 0x1010, int $VEC_USER_DONE
        TEN_CALLS 0x1010, ret
first_page_end:

# What is at NEXT: the end of ADD EDX, imm32, which begins at FIRST + FFDh; and a function.
        .macro  NEXT_CODE name, k
        .balign 16
\name:  .byte   \k, \k, 0
        ret
        .balign 16
        add     $0x101 * \k, %edx
        rol     $1, %edx
        ret
        .endm
        NEXT_CODE next_b, 0x21
        NEXT_CODE next_c, 0x43
        NEXT_CODE next_d, 0x65
        .set    NEXT_BYTES, 32

        .macro  COPY from, to, length
        mov     $\from, %esi
        mov     \to, %edi
        mov     $\length, %ecx
        rep     movsb
        .endm

# Both keep EDX between them.
        .macro  USER at
        mov     %edx, sum
        call    trap_begin_user
        mov     sum, %edx
        mov     $\at, %eax
        jmp     *%eax
        int     $VEC_USER_DONE          # where it ends: see trap.inc
        .endm
        .macro  KERNEL at
        mov     $\at, %eax
        call    *%eax
        .endm

user:   USER    USER_CALLS
        USER    USER_STRADDLES
        ret
kernel: KERNEL  KERNEL_CALLS
        KERNEL  KERNEL_STRADDLES
        ret

# NEXT_IS first_pt, b: takes effect at the next flush.
        .macro  NEXT_IS table, which
        mov     entry_\which, %eax
        mov     %eax, \table + 4
        .endm

# Pages that have not been used yet: the first, and three to be next.
fresh:  push    %edx
        mov     pool, %ebx
        addl    $0x4000, pool
        lea     7(%ebx), %eax
        mov     %eax, first_pt
        mov     %eax, second_pt
        add     $0x1000, %eax
        mov     %eax, entry_b
        add     $0x1000, %eax
        mov     %eax, entry_c
        add     $0x1000, %eax
        mov     %eax, entry_d
        movw    $0xC281, 0xFFD(%ebx)    # add edx, ...
        movb    $0x77, 0xFFF(%ebx)
        COPY    first_page, %ebx, first_page_end-first_page
        add     $0x1000, %ebx
        COPY    next_b, %ebx, NEXT_BYTES
        add     $0x1000, %ebx
        COPY    next_c, %ebx, NEXT_BYTES
        add     $0x1000, %ebx
        COPY    next_d, %ebx, NEXT_BYTES
        NEXT_IS first_pt, b
        NEXT_IS second_pt, b
        FLUSH
        pop     %edx
        ret

main:   INIT_TRAPS
        movl    $pages, pool
        movw    $0x30CD, far_page       # int VEC_USER_DONE
        movb    $0xC3, far_page + 2
        call    start_paging
        movl    $far_page + 7, far_pt + 4
        movl    $far_pt + 7, page_dir + 4 * (FAR_OFF >> 22)
        movl    $first_pt + 7, page_dir + 4 * (FIRST >> 22)
        COPY    page_dir, $second_dir, 4096
        movl    $second_pt + 7, second_dir + 4 * (FIRST >> 22)
        movl    $second_dir, other_cr3
        xor     %edx, %edx
        call    spaces
        call    spaces_kernel
        call    later
        call    forked
        call    changed
        call    changed_kernel
        call    inside
        call    gone
        call    displaced
        ret

toggle_space:
        mov     other_cr3, %eax
        mov     %cr3, %ebx
        mov     %ebx, other_cr3
        mov     %eax, %cr3
        ret

# The second space knows the first page before it knows its own next one.
spaces: call    fresh
        NEXT_IS second_pt, c
        call    user
        SHOW    "one space", "%edx"
        call    toggle_space
        call    user
        SHOW    "the other", "%edx"
        movl    $20, turns
1:      call    toggle_space
        call    user
        decl    turns
        jnz     1b
        SHOW    "in turns", "%edx"
        call    toggle_space
        ret

spaces_kernel:
        call    fresh
        NEXT_IS second_pt, c
        movl    $20, turns
1:      call    kernel
        call    toggle_space
        decl    turns
        jnz     1b
        SHOW    "in turns, kernel", "%edx"
        ret

# One space knows the first page when another goes on from it in a new way.
later:  call    fresh
        NEXT_IS second_pt, c
        call    user
        call    toggle_space
        USER    USER_LATER
        call    toggle_space
        USER    USER_LATER
        SHOW    "another way", "%edx"
        call    toggle_space
        KERNEL  KERNEL_LATER
        call    toggle_space
        KERNEL  KERNEL_LATER
        SHOW    "another way, kernel", "%edx"
        ret

# Both have the same page, until one gets another: while away, and while current.
forked: call    fresh
        movl    $20, rounds
2:      NEXT_IS first_pt, b
        NEXT_IS second_pt, b
        FLUSH
        movl    $4, turns
1:      call    user
        call    kernel
        call    toggle_space
        decl    turns
        jnz     1b
        NEXT_IS second_pt, d
        call    toggle_space
        call    user
        call    kernel
        NEXT_IS second_pt, c
        invlpg  NEXT
        call    user
        call    kernel
        call    toggle_space
        call    user
        call    kernel
        decl    rounds
        jnz     2b
        SHOW    "forked", "%edx"
        ret

changed:
        call    fresh
        movl    $20, turns
1:      call    user
        NEXT_IS first_pt, d
        invlpg  NEXT
        call    user
        NEXT_IS first_pt, b
        FLUSH
        decl    turns
        jnz     1b
        SHOW    "changed", "%edx"
        ret

changed_kernel:
        call    fresh
        movl    $20, turns
1:      call    kernel
        NEXT_IS first_pt, d
        invlpg  NEXT
        call    kernel
        NEXT_IS first_pt, b
        FLUSH
        decl    turns
        jnz     1b
        SHOW    "changed, kernel", "%edx"
        ret

# The code that changes the next page goes on there itself.
inside: call    fresh
        movl    $20, turns
1:      mov     entry_b, %ebx
        KERNEL  BY_INVLPG
        mov     entry_c, %ebx
        KERNEL  BY_INVLPG
        mov     entry_d, %ebx
        KERNEL  BY_CR3
        decl    turns
        jnz     1b
        SHOW    "inside", "%edx"
        ret

gone:   call    fresh
        call    user
        call    kernel
        mov     %edx, sum
        movl    $0, first_pt + 4
        FLUSH
        TRY     "gone", "mov $KERNEL_CALLS, %eax; call *%eax"
        TRY     "half an instruction gone", "mov $KERNEL_STRADDLES, %eax; call *%eax"
        call    trap_begin_user
        mov     $USER_CALLS, %eax
        jmp     *%eax
        END_TRY_USER "gone, user"
        call    trap_begin_user
        mov     $USER_STRADDLES, %eax
        jmp     *%eax
        END_TRY_USER "half an instruction gone, user"
        NEXT_IS first_pt, c       # no entry that is not present is cached
        mov     sum, %edx
        call    user
        call    kernel
        SHOW    "and another is there", "%edx"
        ret

# Another page has been used since, whose number is equal modulo many powers of 2.
displaced:
        call    fresh
        movl    $20, turns
1:      call    user
        USER    FAR_OFF
        NEXT_IS first_pt, c
        invlpg  NEXT
        call    user
        NEXT_IS first_pt, b
        FLUSH
        call    kernel
        KERNEL  FAR_OFF + 2
        NEXT_IS first_pt, d
        invlpg  NEXT
        call    kernel
        NEXT_IS first_pt, b
        FLUSH
        decl    turns
        jnz     1b
        SHOW    "displaced", "%edx"
        ret

        .bss
        .balign 4096
second_dir:
        .skip   4096
first_pt:
        .skip   4096
second_pt:
        .skip   4096
far_pt: .skip   4096
far_page:
        .skip   4096
pages:  .skip   16 * 0x4000
pool:   .skip   4
entry_b:
        .skip   4
entry_c:
        .skip   4
entry_d:
        .skip   4
other_cr3:
        .skip   4
sum:    .skip   4
turns:  .skip   4
rounds: .skip   4
        .text
