# smap.S - CR4.SMAP: the kernel does not reach users' data unless EFLAGS.AC is set, and its tables never; STAC, CLAC (SDM 3A 4.6).
# TCG's faults of read-modify-write instructions are reads, it allows LOCK, and takes implicit accesses for explicit ones:
# smap_strict.S.
# options: -cpu max,+smap
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    CR4_SMAP, 0x200000
        .set    EFLAGS_AC, 0x40000

        .macro  STAC
        .byte   0x0F, 0x01, 0xCB
        .endm
        .macro  CLAC
        .byte   0x0F, 0x01, 0xCA
        .endm
# SHOW_AC "text": EFLAGS.AC.
        .macro  SHOW_AC text
        pushf
        pop     %eax
        shr     $18, %eax
        and     $1, %eax
        SHOWN   "\text", 1, "%eax"
        .endm

main:   INIT_TRAPS
        mov     $7, %eax
        xor     %ecx, %ecx
        cpuid
        shr     $20, %ebx
        and     $1, %ebx
        SHOWN   "cpuid: SMAP", 1, "%ebx"
        call    start_paging
        mov     $low_pt + 0x400, %edi   # from 1 MiB on: the kernel's
1:      andl    $~PTE_U, (%edi)
        add     $4, %edi
        cmp     $low_pt + 0x1000, %edi
        jb      1b
        FLUSH
        SET_PTE 0, page_a + PTE_P + PTE_W + PTE_U
        SET_PTE 1, page_b + PTE_P + PTE_W
        SET_PTE 2, page_c + PTE_P + PTE_U
        SET_PTE 3, page_d + PTE_P + PTE_W + PTE_U
        call    instructions
        call    off
        CR_SET  cr4, CR4_SMAP
        call    on
        call    user
        call    stack
        call    loops
        call    second_space
        call    large
        CR_CLEAR cr4, CR4_SMAP
        call    off
        ret

instructions:
        STAC
        SHOW_AC "stac: AC"
        STAC
        SHOW_AC "again: AC"
        CLAC
        SHOW_AC "clac: AC"
        # other flags stay
        mov     $0xCD7, %eax            # all arithmetic ones and DF
        push    %eax
        popf
        STAC
        pushf
        cld
        pop     %eax
        SHOW    "flags and AC", "%eax"
        CLAC
        ret

off:    TRY     "off: read", "mov TEST, %eax"
        TRY     "off: write", "mov %eax, TEST"
        ret

        .macro  FORMS ac
        TRY     "\ac read", "mov TEST, %eax"
        CLAC
        \ac
        TRY     "\ac write", "mov %eax, TEST + 4"
        CLAC
        \ac
        TRY     "\ac read-only, read", "mov TEST + 0x2000, %eax"
        CLAC
        \ac
        TRY     "\ac read-only, write", "mov %eax, TEST + 0x2000"
        CLAC
        \ac
        TRY     "\ac supervisor's", "mov TEST + 0x1000, %eax; mov %eax, TEST + 0x1004"
        CLAC
        \ac
        TRY     "\ac into the user's", "mov TEST + 0x1FFE, %eax"
        CLAC
        \ac
        TRY     "\ac nothing there", "mov TEST + 0x8000, %eax"
        CLAC
        \ac
        TRY     "\ac movs from", "mov $TEST, %esi; mov $page_b, %edi; mov $64, %ecx; rep movsb"
        CLAC
        \ac
        TRY     "\ac movs to", "mov $page_b, %esi; mov $TEST, %edi; mov $1024, %ecx; rep movsl"
        SHOW    "  ecx", "%ecx"
        CLAC
        \ac
        TRY     "\ac lods", "mov $TEST, %esi; lodsl"
        CLAC
        \ac
        TRY     "\ac push", "push TEST; pop page_b"
        CLAC
        \ac
        TRY     "\ac fs", "mov $SEL_DATA, %eax; mov %eax, %fs; mov %fs:TEST, %eax"
        CLAC
        \ac
        TRY     "\ac fxsave", "fxsave TEST + 0x200; fxrstor TEST + 0x200"
        CLAC
        \ac
        TRY     "\ac sgdt, lgdt", "sgdt TEST + 0x100; lgdt TEST + 0x100"
        CLAC
        \ac
        .endm

        .macro  NOTHING
        .endm
on:     andl    $~0xF60, test_pt        # A and D
        invlpg  TEST
        TRY     "read", "mov TEST, %eax"
        SHOW_PTE "pte", 0
        STAC
        mov     TEST, %eax
        CLAC
        SHOW_PTE "pte", 0
        FORMS   CLAC
        STAC
        FORMS   STAC
        CLAC
        # POPF sets AC, too
        pushl   $EFLAGS_AC + 2
        popf
        TRY     "popf: read", "mov TEST, %eax"
        SHOW_AC "  AC after it"
        pushl   $2
        popf
        TRY     "popf: read", "mov TEST, %eax"
        # fetching is not SMAP's
        STAC
        movb    $0xC3, TEST
        CLAC
        TRY     "call", "mov $TEST, %eax; call *%eax"
        # U of the directory entry takes part
        andl    $~PTE_U, page_dir + 4 * (TEST >> 22)
        FLUSH
        TRY     "below a supervisor's entry", "mov TEST, %eax"
        orl     $PTE_U, page_dir + 4 * (TEST >> 22)
        FLUSH
        TRY     "both the user's", "mov TEST, %eax"
        # WP
        CR_CLEAR cr0, CR0_WP
        STAC
        TRY     "WP 0, AC: write", "mov %eax, TEST + 0x2000"
        CLAC
        TRY     "WP 0: write", "mov %eax, TEST + 0x2000"
        CR_SET  cr0, CR0_WP
        ret

# USER_AT "text", address, EFLAGS: CPL 3 goes there.
        .macro  USER_AT text, at, flags=2
        mov     $SEL_USER_DATA, %eax
        mov     %eax, %ds
        BEGIN_TRY
        push    $SEL_USER_DATA
        push    $TEST + 0x4000
        push    $\flags
        push    $SEL_USER_CODE
        push    $\at
        iret
        END_TRY "\text"
        .endm

# At CPL 3 nothing changes; STAC is not there. AC goes with the event to the kernel.
user:   STAC
        movl    $0xCB010F, TEST + 0x3000        # stac
        movl    $0xCA010F, TEST + 0x3010        # clac
        movb    $0xA1, TEST + 0x3020            # mov TEST, %eax; int $30h
        movl    $TEST, TEST + 0x3021
        movl    $0x30CD, TEST + 0x3025
        CLAC
        USER_AT "user: stac", TEST + 0x3000
        USER_AT "user: clac", TEST + 0x3010
        USER_AT "user: read", TEST + 0x3020
        USER_AT "user: read with AC", TEST + 0x3020, EFLAGS_AC + 2
        SHOW_AC "AC in the kernel after it"
        TRY     "the kernel reads", "mov TEST, %eax"
        CLAC
        TRY     "the kernel reads", "mov TEST, %eax"
        ret

# The stack is data, too.
stack:  mov     %esp, %ebp
        STAC
        mov     $TEST + 0x3800, %esp
        push    $0x1234
        pop     %eax
        call    9f
        mov     %ebp, %esp
        CLAC
        SHOW    "stack", "%eax"
        TRY     "leave", "mov $TEST + 0x3800, %ebp; leave"
        ret
9:      ret

# One site, with AC and without, page by page and changing under it.
loops:  mov     $200, %esi
        xor     %edi, %edi
1:      BEGIN_TRY
        STAC
        call    site
        CLAC
        test    $3, %esi
        jnz     2f
        call    site
2:      call    trap_end
        cmpl    $14, trap_vector
        jne     3f
        inc     %edi
3:      dec     %esi
        jnz     1b
        SHOW    "faults without AC", "%edi"
        mov     $100, %esi
        xor     %edi, %edi
1:      andl    $~PTE_U, test_pt
        invlpg  TEST
        call    site
        orl     $PTE_U, test_pt
        invlpg  TEST
        BEGIN_TRY
        call    site
        call    trap_end
        cmpl    $14, trap_vector
        jne     2f
        inc     %edi
2:      dec     %esi
        jnz     1b
        SHOW    "faults when it is the user's", "%edi"
        ret
site:   mov     TEST, %eax
        mov     %eax, TEST + 4
        push    TEST + 8
        pop     %eax
        ret

second_space:
        mov     $page_dir, %esi
        mov     $page_dir2, %edi
        mov     $1024, %ecx
        rep     movsl
        mov     $page_dir2, %eax
        mov     %eax, %cr3
        call    loops
        mov     $page_dir, %eax
        mov     %eax, %cr3
        call    loops
        ret

# A page of 4 MiB.
large:  CR_SET  cr4, CR4_PSE
        movl    $PTE_P + PTE_W + PTE_PS, page_dir + 4 * (TEST >> 22)
        FLUSH
        TRY     "large, the kernel's", "mov TEST + 0x100000, %eax; mov %eax, TEST + 0x2FFFF0"
        movl    $PTE_P + PTE_W + PTE_PS + PTE_U, page_dir + 4 * (TEST >> 22)
        FLUSH
        TRY     "large", "mov TEST + 0x100000, %eax"
        STAC
        TRY     "large with AC", "mov TEST + 0x100000, %eax; mov %eax, TEST + 0x2FFFF0"
        CLAC
        TRY     "large", "mov TEST + 0x100000, %eax"
        ret

        .bss
        .balign 4096
page_dir2:
        .skip   4096
        .text
