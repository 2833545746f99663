# spaces_code.S - two address spaces with different code at the same addresses, as processes have: direct and indirect
# calls, returns, CR3 changed by the code itself, page faults and user mode in between (SDM 3A 4.10.4).
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    PRIVATE, 0x80000000
        .set    NEXT, PRIVATE + 0x1000

# The code of a space; what differs is the constants. At PRIVATE:
        .macro  PRIVATE_CODE name, k
        .balign 16
\name\()_first:
        add     $\k, %edx               # +0, six bytes: edx += k
        .byte   0xE8                    # call NEXT
        .long   0x1000 - 11
        mov     $NEXT + 16, %ebx
        call    *%ebx
        ret
        .balign 16
\name\()_switch:                        # call the common code that changes CR3
        mov     $toggle_space, %ebx
        call    *%ebx
        rol     $1, %edx                # executed by the other space
        xor     $\k * 3, %edx
        ret
        .balign 16
\name\()_inline:                        # change CR3 right here
        mov     other_cr3, %eax
        mov     %cr3, %ebx
        mov     %ebx, other_cr3
        mov     %eax, %cr3
        add     $\k * 5, %edx           # of the other space
        ret
        .balign 16
\name\()_user:                          # at CPL 3
        mov     $\k, %esi
        mov     $20, %ecx
1:      add     %esi, %edx
        loop    1b
        int     $VEC_USER_DONE
        .balign 16
\name\()_tail:                          # a loop that touches a private page of data
        mov     $10, %ecx
1:      add     PRIVATE + 0x2000, %edx
        incl    PRIVATE + 0x2000
        loop    1b
        ret
\name\()_end:
        .endm

        .macro  NEXT_CODE name, k
\name\()_next:
        rol     $3, %edx
        xor     $\k, %edx
        ret
        .balign 16
        sub     $\k, %edx               # +10h
        push    $PRIVATE + 0xB0         # return into the first page by RET
        ret
\name\()_next_end:
        .endm

        .balign 16
        PRIVATE_CODE a, 0x1001
        PRIVATE_CODE b, 0x2002
        .balign 16
        NEXT_CODE a, 0x3003
        .balign 16
        NEXT_CODE b, 0x5005

        .macro  COPY from, to, length
        mov     $\from, %esi
        mov     $\to, %edi
        mov     $\length, %ecx
        rep     movsb
        .endm

main:   INIT_TRAPS
        COPY    a_first, page_a, a_end-a_first
        COPY    a_next, page_b, a_next_end-a_next
        COPY    b_first, page_c, b_end-b_first
        COPY    b_next, page_d, b_next_end-b_next
        # B0h: a RET, and in the second space one more thing before it
        movb    $0xC3, page_a + 0xB0
        movw    $0xC342, page_c + 0xB0  # inc %edx; ret
        call    start_paging
        COPY    page_dir, second_dir, 4096
        movl    $first_pt + 7, page_dir + 4 * (PRIVATE >> 22)
        movl    $second_pt + 7, second_dir + 4 * (PRIVATE >> 22)
        movl    $page_a + 7, first_pt
        movl    $page_b + 7, first_pt + 4
        movl    $data_a + 7, first_pt + 8
        movl    $page_c + 7, second_pt
        movl    $page_d + 7, second_pt + 4
        movl    $data_b + 7, second_pt + 8
        FLUSH
        movl    $second_dir, other_cr3
        xor     %edx, %edx
        call    alone
        call    turns
        call    itself
        call    user_turns
        call    replaced
        call    shared_next
        ret

toggle_space:
        push    %eax
        push    %ebx
        mov     other_cr3, %eax
        mov     %cr3, %ebx
        mov     %ebx, other_cr3
        mov     %eax, %cr3
        pop     %ebx
        pop     %eax
        ret

        .macro  CALL_AT at
        mov     $\at, %eax
        call    *%eax
        .endm

alone:  CALL_AT PRIVATE
        SHOW    "first", "%edx"
        call    toggle_space
        CALL_AT PRIVATE
        SHOW    "second", "%edx"
        call    toggle_space
        ret

turns:  mov     $3000, %edi
1:      CALL_AT PRIVATE
        CALL_AT PRIVATE+a_tail-a_first
        call    toggle_space
        dec     %edi
        jnz     1b
        SHOW    "turns", "%edx"
        SHOW    "data", data_a
        SHOW    "data", data_b
        ret

# The return address is the same; the code behind it is the other space's.
itself: mov     $3000, %edi
1:      CALL_AT PRIVATE+a_switch-a_first
        dec     %edi
        jnz     1b
        SHOW    "returns into the other", "%edx"
        mov     $3000, %edi
1:      CALL_AT PRIVATE+a_inline-a_first
        dec     %edi
        jnz     1b
        SHOW    "changes under itself", "%edx"
        ret

user_turns:
        movl    $200, turns_left
        mov     %edx, sum
1:      call    trap_begin_user
        mov     sum, %edx
        mov     $PRIVATE + a_user - a_first, %eax
        jmp     *%eax
        int     $VEC_USER_DONE          # where it ends: see trap.inc
        mov     %edx, sum
        call    toggle_space
        decl    turns_left
        jnz     1b
        mov     sum, %edx
        SHOW    "user", "%edx"
        ret

# The first space gets new pages, as after an exec, while the second goes on; then not present, and back.
replaced:
        COPY    page_a, spare, 4096
        movl    $0x07070707, spare + 2
        movl    $spare + 7, first_pt
        FLUSH
        CALL_AT PRIVATE
        SHOW    "new page", "%edx"
        call    toggle_space
        movl    $page_a + 7, first_pt   # of the space that is not running
        CALL_AT PRIVATE
        call    toggle_space
        CALL_AT PRIVATE
        SHOW    "changed while away", "%edx"
        movl    $0, first_pt + 4
        invlpg  NEXT
        mov     %edx, sum
        TRY     "second page gone", "mov sum, %edx; mov $PRIVATE, %eax; call *%eax"
        movl    $page_b + 7, first_pt + 4
        mov     sum, %edx
        CALL_AT PRIVATE
        SHOW    "and back", "%edx"
        # the code page is written through the kernel's own mapping, between two runs, from the other space
        mov     $1000, %edi
1:      CALL_AT PRIVATE
        call    toggle_space
        incl    page_a + 2
        incl    page_c + 2
        dec     %edi
        jnz     1b
        SHOW    "written from the other", "%edx"
        ret

# One page common to both, calling into one that is not.
shared_next:
        movl    $page_a + 7, second_pt
        mov     $second_dir, %eax
        mov     %eax, %cr3
        movl    $page_dir, other_cr3
        mov     $2000, %edi
1:      CALL_AT PRIVATE
        call    toggle_space
        dec     %edi
        jnz     1b
        SHOW    "shared page, private next", "%edx"
        ret

        .bss
        .balign 4096
second_dir:
        .skip   4096
first_pt:
        .skip   4096
second_pt:
        .skip   4096
data_a: .skip   4096
data_b: .skip   4096
spare:  .skip   4096
other_cr3:
        .skip   4
sum:    .skip   4
turns_left:
        .skip   4
        .text
