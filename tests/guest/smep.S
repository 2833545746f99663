# smep.S - CR4.SMEP: the kernel does not fetch from users' pages; the error code of fetches (SDM 3A 4.6.1, 4.7).
# options: -cpu max
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    CR4_SMEP, 0x100000

main:   INIT_TRAPS
        mov     $7, %eax
        xor     %ecx, %ecx
        cpuid
        shr     $7, %ebx
        and     $1, %ebx
        SHOWN   "cpuid: SMEP", 1, "%ebx"
        movb    $0xC3, page_a           # ret
        movb    $0x90, page_a + 0xFFF   # nop; on the next page a ret
        movb    $0xC3, page_b
        movl    $0x90CD30CD, page_c     # int $30h
        call    start_paging
        # what runs here is a user's page as well: not any more
        mov     $low_pt + 0x400, %edi   # from 1 MiB on
1:      andl    $~PTE_U, (%edi)
        add     $4, %edi
        cmp     $low_pt + 0x1000, %edi
        jb      1b
        FLUSH
        call    without
        CR_SET  cr4, CR4_SMEP
        call    with
        call    toggled
        ret

        .macro  FETCH text, at
        TRY     "\text", "mov $\at, %eax; call *%eax"
        .endm

without:
        SET_PTE 0, page_a + PTE_P + PTE_W + PTE_U
        FETCH   "off: user's page", TEST
        SET_PTE 1, 0
        FETCH   "off: nothing there", TEST + 0x1000
        call    user_fetch
        ret

with:   FETCH   "user's page, which has run", TEST
        SHOW_PTE "pte", 0
        SET_PTE 0, page_a + PTE_P + PTE_W + PTE_U
        FETCH   "user's page", TEST
        SHOW_PTE "pte", 0
        SET_PTE 0, page_a + PTE_P + PTE_W
        FETCH   "supervisor's page", TEST
        SET_PTE 2, page_c + PTE_P + PTE_W + PTE_U
        TRY     "user's page, read", "mov TEST + 0x2000, %eax"
        TRY     "user's page, write", "mov %eax, TEST + 0x2100"
        SET_PTE 1, 0
        FETCH   "nothing there", TEST + 0x1000
        SET_PTE 1, page_b + PTE_P + PTE_U
        FETCH   "over the edge into a user's page", TEST + 0xFFF
        SET_PTE 1, page_b + PTE_P
        FETCH   "over the edge into a supervisor's", TEST + 0xFFF
        call    user_fetch
        # U of the directory entry takes part
        SET_PTE 0, page_a + PTE_P + PTE_W + PTE_U
        andl    $~PTE_U, page_dir + 4 * (TEST >> 22)
        FLUSH
        FETCH   "user's page below a supervisor's entry", TEST
        orl     $PTE_U, page_dir + 4 * (TEST >> 22)
        FLUSH
        FETCH   "both user's", TEST
        ret

# USER_AT "text", address: CPL 3 goes there.
        .macro  USER_AT text, at
        BEGIN_TRY
        push    $SEL_USER_DATA
        push    $0
        push    $2
        push    $SEL_USER_CODE
        push    $\at
        iret
        END_TRY "\text"
        .endm
# At CPL 3 nothing changes but I in the error code.
user_fetch:
        SET_PTE 2, page_c + PTE_P + PTE_U
        USER_AT "user, own page", TEST + 0x2000
        SET_PTE 2, page_c + PTE_P
        USER_AT "user, supervisor's page", TEST + 0x2000
        SET_PTE 2, 0
        USER_AT "user, nothing there", TEST + 0x2000
        SET_PTE 2, page_c + PTE_P + PTE_W + PTE_U
        ret

# On and off, with code that has run in between; off, the page is the kernel's again.
toggled:
        mov     $100, %esi
        xor     %edi, %edi
1:      CR_CLEAR cr4, CR4_SMEP
        mov     $TEST, %eax
        call    *%eax
        CR_SET  cr4, CR4_SMEP
        BEGIN_TRY
        mov     $TEST, %eax
        call    *%eax
        call    trap_end
        cmpl    $14, trap_vector
        jne     2f
        cmpl    $0x11, trap_error
        jne     2f
        inc     %edi
2:      dec     %esi
        jnz     1b
        SHOW    "faults when on", "%edi"
        # the entry changes instead of CR4
        mov     $100, %esi
        xor     %edi, %edi
1:      SET_PTE 0, page_a + PTE_P + PTE_W
        mov     $TEST, %eax
        call    *%eax
        SET_PTE 0, page_a + PTE_P + PTE_W + PTE_U
        BEGIN_TRY
        mov     $TEST, %eax
        call    *%eax
        call    trap_end
        cmpl    $14, trap_vector
        jne     2f
        inc     %edi
2:      dec     %esi
        jnz     1b
        SHOW    "faults when it is the user's", "%edi"
        ret
