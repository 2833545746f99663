# long_paging.S - 4-level paging: rights of all levels, accessed and dirty bits, pages of 4 KiB, 2 MiB and 1 GiB, NX, SMEP, error
# codes, a table that maps itself, spaces that differ in a part.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"
        .include "long_paging.inc"

main64: INIT_LONG
        movb    $0xC3, page_b + CODE(%rip)
        call    accessed
        call    rights
        call    no_execute
        call    large
        call    ignored
        call    across
        call    smep
        call    wp
        call    changes
        call    recursive
        call    spaces
        ret

accessed:
        WITH    "read", "mov (%rbx), %al"
        ENTRIES
        WITH    "write", "mov %al, (%rbx)"
        ENTRIES
        WITH    "read, then write", "mov (%rbx), %al; mov %al, (%rbx)"
        ENTRIES
        WITH    "call", "add $CODE, %rbx; call *%rbx"
        ENTRIES
        WITH    "LOCK with the value that is there", "xor %eax, %eax; lock xadd %al, (%rbx)"
        ENTRIES
        WITH    "a CMPXCHG that fails", "mov (%rbx), %al; inc %al; lock cmpxchg %cl, (%rbx)"
        ENTRIES
        WITH    "prefetch", "prefetcht0 (%rbx)"
        USER_WITH "user read", "mov (%rbx), %al"
        ENTRIES
        USER_WITH "user write that faults", "mov %al, (%rbx)", 7, 7, 7, 5
        LEVELS  7, 7, 7, 7
        movq    $0, t_pt(%rip)
        TRY     "not there", "movabs $TEST, %rbx; mov (%rbx), %al"
        ret

rights: FLAG    "not present, read", "mov (%rbx), %al", 6
        FLAG    "not present, write", "mov %al, (%rbx)", 0
        FLAG    "not present, fetch", "call *%rbx", 0
        FLAG    "read-only, write", "mov %al, (%rbx)", 5
        FLAG    "read-only, read", "mov (%rbx), %al", 5
        FLAG    "supervisor, read", "mov (%rbx), %al", 3
        FLAG    "supervisor, write", "mov %al, (%rbx)", 3
        FLAG    "supervisor, fetch", "add $CODE, %rbx; call *%rbx", 3
        FLAG    "read-only supervisor, write", "mov %al, (%rbx)", 1
        ret

no_execute:
        FLAG    "NX, fetch", "add $CODE, %rbx; call *%rbx", NX+7
        FLAG    "NX, read", "mov (%rbx), %al", NX+7
        USER_WITH "NX and supervisor, fetch", "call *%rbx", 7, 7, 7, NX+3
        WITH    "NX, not present, fetch", "call *%rbx", 7, 7, 7, NX+6
        READ_MSR MSR_EFER
        btr     $11, %rax
        wrmsr
        USER_WITH "without EFER.NXE, fetch of a supervisor page", "call *%rbx", 7, 7, 7, 3
        WITH    "without EFER.NXE, fetch of nothing", "call *%rbx", 7, 7, 7, 0
        READ_MSR MSR_EFER
        bts     $11, %rax
        wrmsr
        ret

# A large page maps physical memory from 0 on: page_b is there at its own address.
large:  WITH    "2 MiB, read", "mov page_b(%rbx), %eax", 7, 7, 0x87
        SHOW    "  eax", %rax
        ENTRIES
        WITH    "2 MiB, write", "lea page_b(%rbx), %rcx; mov (%rcx), %eax; mov %eax, (%rcx)", 7, 7, 0x87
        ENTRIES
        WITH    "2 MiB, its last byte, and the next", "mov 0x1FFFFF(%rbx), %al; mov 0x200000(%rbx), %al", 7, 7, 0x87
        WITH    "2 MiB, call", "add $page_b + CODE, %rbx; call *%rbx", 7, 7, 0x87
        ENTRIES
        WITH    "2 MiB, NX", "add $page_b + CODE, %rbx; call *%rbx", 7, 7, NX+0x87
        USER_WITH "2 MiB, supervisor", "mov (%rbx), %al", 7, 7, 0x83
        USER_WITH "2 MiB, read-only", "mov %al, (%rbx)", 7, 7, 0x85
        WITH    "2 MiB, PAT", "mov page_b(%rbx), %eax", 7, 7, 0x1087
        SHOW    "  eax", %rax
        WITH    "1 GiB, read", "mov page_b(%rbx), %eax", 7, 0x87
        SHOW    "  eax", %rax
        ENTRIES
        WITH    "1 GiB, write", "lea page_b(%rbx), %rcx; mov (%rcx), %eax; mov %eax, (%rcx)", 7, 0x87
        ENTRIES
        WITH    "1 GiB, call", "add $page_b + CODE, %rbx; call *%rbx", 7, 0x87
        WITH    "1 GiB, 2 MiB further", "mov 0x200000(%rbx), %al", 7, 0x87
        WITH    "1 GiB, behind it", "add $0x40000000, %rbx; mov (%rbx), %al", 7, 0x87
        USER_WITH "1 GiB, supervisor", "mov (%rbx), %al", 7, 0x83
        WITH    "1 GiB, read-only", "mov %al, page_b(%rbx)", 7, 0x85
        WITH    "PS in the PT entry is PAT", "mov (%rbx), %eax", 7, 7, 7, 0x87
        SHOW    "  eax", %rax
        ret

ignored:
        WITH    "bit 12 of a 1 GiB page", "mov (%rbx), %al", 7, 0x1087
        WITH    "bits 52 to 58, 9 to 11", "mov (%rbx), %al", 0x7F<<52+0xE07, 0x7F<<52+0xE07, 0x7F<<52+0xE07, 0x7F<<52+0xE07
        WITH    "reserved, but not present", "mov (%rbx), %al", 7, 7, 7, 1<<51+6
        WITH    "reserved, below what is not present", "mov (%rbx), %al", 7, 6, 1<<51+7
        WITH    "PCD, PWT, A and D at all levels", "mov (%rbx), %al", 0x7F, 0x7F, 0x7F, 0x7F
        WITH    "G at all levels", "mov (%rbx), %al", 0x107, 0x107, 0x107, 0x107
        ret

across: LEVELS  7, 7, 7, 7
        movq    $0, t_pt + 8(%rip)
        TRY     "read across, the second not there", "movabs $NEXT - 4, %rbx; mov (%rbx), %rax"
        TRY     "write across, the second not there", "movabs $NEXT - 4, %rbx; mov $-1, %rax; mov %rax, (%rbx)"
        movabs  $NEXT - 4, %rbx
        mov     (%rbx), %eax
        SHOW    "  unchanged", %rax
        PUT     t_pt + 8, page_c+5
        TRY     "write across, the second read-only", "movabs $NEXT - 1, %rbx; invlpg 1(%rbx); mov %ax, (%rbx)"
        TRY     "push across", "movabs $NEXT + 4, %rsp; push %rax"
        movabs  $NEXT - 2, %rbx
        movw    $0xB848, (%rbx)         # mov imm64, %rax
        movb    $0xC3, page_c + 8(%rip)
        PUT     t_pt + 8, page_c+NX+7
        TRY     "fetch across, the second NX", "movabs $NEXT - 2, %rbx; invlpg 2(%rbx); call *%rbx"
        PUT     t_pt + 8, page_c+6
        TRY     "fetch across, the second not there", "movabs $NEXT - 2, %rbx; invlpg 2(%rbx); call *%rbx"
        PUT     t_pt + 8, page_c+7
        TRY     "fetch across", "movabs $NEXT - 2, %rbx; invlpg 2(%rbx); call *%rbx"
        SHOW    "  rax", %rax
        call    refill
        movb    $0xC3, page_b + CODE(%rip)
        ret

# The guest's own pages are U/S=1 elsewhere: with SMEP its kernel could not run.
smep:   PUT     pd, 0x83
        PUT     pd + 8, 0x200083
        mov     %cr3, %rax
        mov     %rax, %cr3
        mov     %cr4, %rax
        bts     $20, %rax
        mov     %rax, %cr4
        WITH    "SMEP: user page, fetch", "add $CODE, %rbx; call *%rbx"
        WITH    "SMEP: user page, read", "mov (%rbx), %al"
        WITH    "SMEP: supervisor page, fetch", "add $CODE, %rbx; call *%rbx", 7, 7, 7, 3
        WITH    "SMEP: supervisor by the PML4 entry", "add $CODE, %rbx; call *%rbx", 3, 7, 7, 7
        mov     %cr4, %rax
        btr     $20, %rax
        mov     %rax, %cr4
        PUT     pd, 0x87
        PUT     pd + 8, 0x200087
        mov     %cr3, %rax
        mov     %rax, %cr3
        ret

wp:     mov     %cr0, %rax
        btr     $16, %rax
        mov     %rax, %cr0
        WITH    "CR0.WP clear, read-only user page", "movb $0x55, (%rbx)", 7, 7, 7, 5
        ENTRIES
        WITH    "CR0.WP clear, read-only by the PD", "movb $0x55, (%rbx)", 7, 7, 5, 7
        USER_WITH "CR0.WP clear, CPL 3", "movb $0x55, (%rbx)", 7, 7, 7, 5
        mov     %cr0, %rax
        bts     $16, %rax
        mov     %rax, %cr0
        WITH    "CR0.WP set", "movb $0x55, (%rbx)", 7, 7, 7, 5
        call    refill
        movb    $0xC3, page_b + CODE(%rip)
        ret

# Entries that change under what was used.
changes:
        WITH    "used, then removed", "mov (%rbx), %al; movq $0, t_pt(%rip); invlpg (%rbx); mov (%rbx), %al"
        WITH    "used, then the table removed", "mov (%rbx), %al; movq $0, t_pd(%rip); invlpg (%rbx); mov (%rbx), %al"
        WITH    "used, then the directory removed", "mov (%rbx), %al; movq $0, t_pdpt(%rip); invlpg (%rbx); mov (%rbx), %al"
        WITH    "used, then the PML4 entry removed", "mov (%rbx), %al; movq $0, pml4 + 16(%rip); invlpg (%rbx); mov (%rbx), %al"
        WITH    "removed by a MOV CR3", "mov (%rbx), %al; movq $0, t_pdpt(%rip); mov %cr3, %rcx; mov %rcx, %cr3; mov (%rbx), %al"
        WITH    "D cleared comes back", "mov %al, (%rbx); andb $~0x60, t_pt(%rip); invlpg (%rbx); mov %al, (%rbx)"
        ENTRIES
        WITH    "A cleared, read", "mov %al, (%rbx); andb $~0x60, t_pt(%rip); invlpg (%rbx); mov (%rbx), %al"
        ENTRIES
        WITH    "another page", "mov (%rbx), %al; movq $page_c+7, t_pt(%rip); invlpg (%rbx); mov (%rbx), %eax"
        SHOW    "  eax", %rax
        WITH    "from 4 KiB to 2 MiB", "mov (%rbx), %al; movq $0x87, t_pd(%rip); invlpg (%rbx); mov page_d(%rbx), %eax"
        SHOW    "  eax", %rax
        WITH    "and back", "mov page_d(%rbx), %eax; movq $t_pt+7, t_pd(%rip); mov %cr3, %rcx; mov %rcx, %cr3; mov (%rbx), %eax", 7, 7, 0x87
        SHOW    "  eax", %rax
        WITH    "from 1 GiB to 4 KiB", "mov page_d(%rbx), %eax; movq $t_pd+7, t_pdpt(%rip); mov %cr3, %rcx; mov %rcx, %cr3; mov (%rbx), %eax", 7, 0x87
        SHOW    "  eax", %rax
        WITH    "made read-only", "mov %al, (%rbx); movb $5, t_pt(%rip); invlpg (%rbx); mov (%rbx), %al; mov %al, (%rbx)"
        WITH    "made read-only by the PDPT", "mov %al, (%rbx); movb $5, t_pdpt(%rip); invlpg (%rbx); mov (%rbx), %al; mov %al, (%rbx)"
        USER_WITH "an entry added", "mov (%rbx), %al; mov 0x1000(%rbx), %al; mov 0x2000(%rbx), %al"
        movq    $page_d+7, t_pt + 16(%rip)
        TRY_USER "  now", "movabs $TEST, %rbx; mov 0x2000(%rbx), %eax"
        SHOW    "  eax", %rax
        movq    $0, t_pt + 16(%rip)
        # a directory that is also used as data, and as a table
        LEVELS  7, 7, 7, 7
        movq    $t_pt+7, t_pt + 24(%rip)
        TRY     "a table mapped by itself", "movabs $TEST + 0x3000, %rbx; mov 8(%rbx), %rcx; movq $page_e+7, 8(%rbx); movabs $NEXT, %rdx; invlpg (%rdx); mov (%rdx), %eax"
        SHOW    "  eax", %rax
        movq    $0, t_pt + 24(%rip)
        ret

# PML4 entry 510 is the PML4: entries of all levels have addresses.
recursive:
        LEVELS  7, 7, 7, 7
        PUT     pml4+8*510, pml4+3
        mov     %cr3, %rax
        mov     %rax, %cr3
        .set    R_PTE, RECURSIVE + (TEST >> 12) * 8
        TRY     "the PML4's own entry", "movabs $0xFFFFFF7FBFDFE000, %rbx; mov 16(%rbx), %rax; and $-0x1000, %rax; sub $t_pdpt, %rax"
        SHOW    "  difference", %rax
        TRY     "the entry of TEST in its PT", "movabs $R_PTE, %rbx; mov (%rbx), %rax; and $-0x1000, %rax; sub $page_b, %rax"
        SHOW    "  difference", %rax
        TRY     "a page mapped through it", "movabs $R_PTE, %rbx; movq $page_d+7, 32(%rbx); movabs $TEST + 0x4000, %rcx; mov (%rcx), %eax"
        SHOW    "  eax", %rax
        TRY     "and taken away", "movabs $R_PTE, %rbx; movq $0, 32(%rbx); movabs $TEST + 0x4000, %rcx; invlpg (%rcx); mov (%rcx), %eax"
        TRY_USER "not for CPL 3", "movabs $R_PTE, %rbx; mov (%rbx), %rax"
        movq    $0, pml4 + 8 * 510(%rip)
        mov     %cr3, %rax
        mov     %rax, %cr3
        TRY     "gone with its entry", "movabs $R_PTE, %rbx; mov (%rbx), %rax"
        ret

# Two spaces: PML4 entry 2 differs, 288 is the same.
        .macro  SPACE pml4
        mov     $\pml4, %eax
        mov     %rax, %cr3
        .endm
spaces: LEVELS  7, 7, 7, 7
        MAP     SHARED, page_d+3
        mov     $pml4, %esi
        mov     $other_pml4, %edi
        mov     $512, %ecx
        rep movsq
        PUT     other_pml4 + 16, u_pdpt+7
        PUT     u_pdpt, u_pd+7
        PUT     u_pd, u_pt+7
        PUT     u_pt, page_e+7
        mov     $6, %r12d
1:      SPACE   pml4
        movabs  $TEST, %rbx
        movabs  $SHARED, %rdx
        incb    (%rbx)
        incb    (%rdx)
        SPACE   other_pml4
        addb    $2, (%rbx)
        incb    (%rdx)
        dec     %r12d
        jnz     1b
        movzbl  (%rbx), %eax
        SHOW    "the other space", %rax
        SPACE   pml4
        movzbl  (%rbx), %eax
        SHOW    "this space", %rax
        movzbl  (%rdx), %eax
        SHOW    "the shared page", %rax
        TRY_USER "user code in one", "movabs $TEST, %rbx; mov (%rbx), %eax"
        SHOW    "  eax", %rax
        SPACE   other_pml4
        TRY_USER "user code in the other", "movabs $TEST, %rbx; mov (%rbx), %eax"
        SHOW    "  eax", %rax
        SPACE   pml4
        ret
