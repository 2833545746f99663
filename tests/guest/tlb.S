# tlb.S - what must be seen after a change of a paging structure, and by which instruction: INVLPG, MOV CR3, MOV CR0, MOV
# CR4, a page fault, a task switch; global pages, large pages, directory entries (SDM 3A 4.10.4). What may be seen
# without them is not asked.
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    CR0_PG, 0x80000000
        .set    LARGE, TEST + 0x400000  # the next directory entry
        .set    PDE_TEST, page_dir + 4 * (TEST >> 22)
        .set    SEL_T1, 0x30

        .macro  SEE text, at
        mov     \at, %eax
        SHOWN   "\text", 1, "%eax"
        .endm
# ENTRY n, value: no INVLPG.
        .macro  ENTRY n, value
        movl    $\value, test_pt + 4 * (\n)
        .endm
        .set    KERNEL, PTE_P + PTE_W
        .set    GLOBAL, PTE_P + PTE_W + PTE_G

main:   INIT_TRAPS
        movb    $0xA, page_a + 0x100    # each page begins with its letter, SEE's one digit
        movb    $0xB, page_b + 0x100
        movb    $0xC, page_c + 0x100
        movb    $0xD, page_d + 0x100
        call    start_paging
        CR_SET  cr4, (CR4_PGE + CR4_PSE)
        CR_SET  cr0, CR0_WP
        call    globals
        call    large_globals
        call    directory
        call    structure_caches
        call    faults
        call    code
        call    other_space
        call    tasks
        ret

# RELOADED "text", body: page 0, global, has been used as b and is now a; the body must make that visible.
        .macro  RELOADED text, body
        ENTRY   0, (page_b + GLOBAL)
        invlpg  TEST
        mov     TEST + 0x100, %al
        movl    $1, TEST + 0x200
        ENTRY   0, (page_a + GLOBAL)
        \body
        SEE     "\text", TEST + 0x100
        .endm
globals:
        RELOADED "invlpg", "invlpg TEST"
        RELOADED "invlpg, last byte", "invlpg TEST + 0xFFF"
        RELOADED "PGE off", "CR_CLEAR cr4, CR4_PGE"
        RELOADED "PGE on", "CR_SET cr4, CR4_PGE"
        RELOADED "PGE off, on", "CR_CLEAR cr4, CR4_PGE; CR_SET cr4, CR4_PGE"
        RELOADED "PG off, on", "CR_CLEAR cr0, CR0_PG; CR_SET cr0, CR0_PG"
        # the entry ceases to be global: INVLPG counts all the same
        ENTRY   0, (page_b + KERNEL)
        invlpg  TEST
        SEE     "no longer global", TEST + 0x100
        ENTRY   0, (page_c + KERNEL)
        FLUSH
        SEE     "no longer global, mov cr3", TEST + 0x100
        # G without PGE is not global
        CR_CLEAR cr4, CR4_PGE
        ENTRY   0, (page_b + GLOBAL)
        invlpg  TEST
        SEE     "G without PGE", TEST + 0x100
        ENTRY   0, (page_a + GLOBAL)
        FLUSH
        SEE     "G without PGE, mov cr3", TEST + 0x100
        CR_SET  cr4, CR4_PGE
        # rights of a global page
        ENTRY   0, (page_a + GLOBAL)
        invlpg  TEST
        movl    $1, TEST + 0x200
        ENTRY   0, (page_a + PTE_P + PTE_G)
        invlpg  TEST
        TRY     "global, now read-only", "movl $1, TEST + 0x200"
        ENTRY   0, PTE_G
        invlpg  TEST
        TRY     "global, now gone", "mov TEST + 0x200, %eax"
        TRY_USER "global, not the user's", "mov TEST + 0x200, %eax"
        ret
# 4 MiB, global: at 0, then at 4 MiB.
large_globals:
        movl    $0, page_dir + 4 * (LARGE >> 22)
        movl    $PTE_P + PTE_W + PTE_PS + PTE_G, page_dir + 4 * (LARGE >> 22)
        SEE     "large", LARGE + page_b + 0x100
        mov     LARGE + 0x3FF000, %eax
        movl    $0x400000 + PTE_P + PTE_W + PTE_PS + PTE_G, page_dir + 4 * (LARGE >> 22)
        invlpg  LARGE + 0x3FF123
        movb    $5, LARGE + page_b + 0x100
        SEE     "moved, invlpg elsewhere in it", LARGE + page_b + 0x100
        SEE     "  not written", page_b + 0x100
        # to a table and back
        movl    $test_pt + PTE_P + PTE_W, page_dir + 4 * (LARGE >> 22)
        ENTRY   3, (page_c + GLOBAL)
        invlpg  LARGE
        invlpg  LARGE + 0x3000
        SEE     "a table now", LARGE + 0x3100
        movl    $PTE_P + PTE_W + PTE_PS, page_dir + 4 * (LARGE >> 22)
        CR_CLEAR cr4, CR4_PGE
        CR_SET  cr4, CR4_PGE
        SEE     "large again", LARGE + page_d + 0x100
        # no longer large: PS without PSE is ignored
        movl    $test_pt + PTE_P + PTE_W + PTE_PS, page_dir + 4 * (LARGE >> 22)
        CR_CLEAR cr4, CR4_PSE
        SEE     "PS without PSE is a table", LARGE + 0x3100
        CR_SET  cr4, CR4_PSE
        movl    $0, page_dir + 4 * (LARGE >> 22)
        invlpg  LARGE
        TRY     "gone", "mov LARGE + page_d + 0x100, %eax"
        ret

# Rights and presence by the directory entry.
directory:
        ENTRY   1, (page_a + PTE_P + PTE_W + PTE_U)
        ENTRY   2, (page_b + PTE_P + PTE_W + PTE_U)
        FLUSH
        SEE     "a", TEST + 0x1100
        movl    $1, TEST + 0x1200
        andl    $~PTE_W, PDE_TEST
        invlpg  TEST + 0x1000
        TRY     "pde read-only, invlpg of this page", "movl $1, TEST + 0x1200"
        orl     $PTE_W, PDE_TEST
        andl    $~PTE_U, PDE_TEST
        FLUSH
        TRY_USER "pde supervisor's, mov cr3", "mov TEST + 0x1100, %eax"
        andl    $~PTE_P, PDE_TEST
        FLUSH
        TRY     "pde not present, mov cr3", "mov TEST + 0x2100, %eax"
        orl     $PTE_P + PTE_U, PDE_TEST
        SEE     "present again, no invlpg", TEST + 0x2100
        ret

# INVLPG of any address forgets directory entries: a page that has not been used comes from the new table.
structure_caches:
        mov     $second_pt, %edi
        mov     $1024, %ecx
        mov     $page_c + KERNEL, %eax
        rep     stosl
        .irp    n, 8, 9, 10, 11
        ENTRY   \n, (page_d + KERNEL)
        .endr
        FLUSH
        SEE     "old table", TEST + 0x8100
        movl    $second_pt + PTE_P + PTE_W + PTE_U, PDE_TEST
        invlpg  0x12345000
        SEE     "new table, page not used before", TEST + 0x9100
        FLUSH
        SEE     "new table, the other", TEST + 0x8100
        movl    $test_pt + PTE_P + PTE_W + PTE_U, PDE_TEST
        FLUSH
        SEE     "old table again", TEST + 0x8100
        ret

# A page fault forgets the address: an entry that gained a right faults at most once.
faults: SET_GATE 14, count_fault
        .macro  GAINS text, before, after, body
        ENTRY   4, (page_a + \before)
        invlpg  TEST + 0x4000
        movl    $0, fault_count
        mov     TEST + 0x4100, %eax
        ENTRY   4, (page_a + \after)
        \body
        cmpl    $1, fault_count
        jbe     9f
        PUTS    "FAIL: faults again\n"
        incl    failures
9:      PUTS    "ok \text\n"
        .endm
        GAINS   "W gained", PTE_P, KERNEL, "movl $1, TEST + 0x4200"
        GAINS   "W gained, global", (PTE_P + PTE_G), GLOBAL, "movl $2, TEST + 0x4200"
        GAINS   "W gained, locked", PTE_P, KERNEL, "lock incl TEST + 0x4200"
        GAINS   "W gained, string", PTE_P, KERNEL, "mov $TEST + 0x4200, %edi; mov $4, %ecx; rep stosl"
        SET_GATE 14, trap_stub_0e
        ret
count_fault:
        incl    fault_count
        cmpl    $5, fault_count
        ja      1f
        add     $4, %esp
        iret
1:      PUTS    "FAIL: faults for ever\n"
        EXIT    2

# Code in a global page.
code:   movb    $0xB8, page_a           # mov $imm, %eax; ret
        movl    $0xA, page_a + 1
        movb    $0xC3, page_a + 5
        movb    $0xB8, page_b
        movl    $0xB, page_b + 1
        movb    $0xC3, page_b + 5
        xor     %edx, %edx
        mov     $1000, %ecx
1:      ENTRY   5, (page_a + GLOBAL)
        invlpg  TEST + 0x5000
        call    TEST + 0x5000
        add     %eax, %edx
        ENTRY   5, (page_b + GLOBAL)
        invlpg  TEST + 0x5000
        call    TEST + 0x5000
        rol     $1, %edx
        add     %eax, %edx
        FLUSH
        call    TEST + 0x5000
        add     %eax, %edx
        loop    1b
        SHOW    "code in a global page", "%edx"
        # as code and as data at once
        ENTRY   5, (page_a + GLOBAL)
        ENTRY   6, (page_a + GLOBAL)
        FLUSH
        invlpg  TEST + 0x5000
        invlpg  TEST + 0x6000
        mov     $100, %ecx
        xor     %edx, %edx
2:      incl    TEST + 0x6001
        call    TEST + 0x5000
        add     %eax, %edx
        FLUSH
        loop    2b
        SHOW    "written through another global page", "%edx"
        ENTRY   5, 0
        invlpg  TEST + 0x5000
        TRY     "gone", "call TEST + 0x5000"
        ret

# Two directories that share the window's global pages but not the others.
other_space:
        mov     $page_dir, %esi
        mov     $other_dir, %edi
        mov     $1024, %ecx
        rep     movsl
        mov     $test_pt, %esi
        mov     $second_pt, %edi
        mov     $1024, %ecx
        rep     movsl
        movl    $second_pt + PTE_P + PTE_W + PTE_U, other_dir + 4 * (TEST >> 22)
        ENTRY   0x10, (page_a + GLOBAL)
        movl    $page_a + GLOBAL, second_pt + 4 * 0x10
        ENTRY   0x11, (page_b + KERNEL)
        movl    $page_c + KERNEL, second_pt + 4 * 0x11
        FLUSH
        mov     $500, %ecx
        xor     %edx, %edx
1:      mov     $other_dir, %eax
        mov     %eax, %cr3
        movzbl  TEST + 0x10100, %eax
        add     %eax, %edx
        movzbl  TEST + 0x11100, %eax
        add     %eax, %edx
        mov     $page_dir, %eax
        mov     %eax, %cr3
        movzbl  TEST + 0x10100, %eax
        add     %eax, %edx
        movzbl  TEST + 0x11100, %eax
        rol     $1, %edx
        add     %eax, %edx
        loop    1b
        SHOW    "turns", "%edx"
        # changed in both while one runs; INVLPG concerns the global one in both
        ENTRY   0x10, (page_d + GLOBAL)
        movl    $page_d + GLOBAL, second_pt + 4 * 0x10
        invlpg  TEST + 0x10000
        SEE     "global changed, here", TEST + 0x10100
        mov     $other_dir, %eax
        mov     %eax, %cr3
        SEE     "global changed, there", TEST + 0x10100
        # a table that is used by the other space is changed from here
        movl    $page_a + KERNEL, test_pt + 4 * 0x11
        mov     $page_dir, %eax
        mov     %eax, %cr3
        SEE     "changed while away", TEST + 0x11100
        ret

# A task switch that changes CR3.
tasks:  mov     $tss1, %eax
        movw    $103, gdt + SEL_T1
        mov     %ax, gdt + SEL_T1 + 2
        shr     $16, %eax
        mov     %al, gdt + SEL_T1 + 4
        movb    $0x89, gdt + SEL_T1 + 5
        mov     %ah, gdt + SEL_T1 + 7
        .irp    at, 72, 80, 84, 88, 92
        movl    $SEL_DATA, tss1 + \at
        .endr
        movl    $SEL_CODE, tss1 + 76
        movl    $104 << 16, tss1 + 100
        movl    $other_dir, tss1 + 28
        movl    $task, tss1 + 32
        movl    $2, tss1 + 36
        movl    $task_stack, tss1 + 56
        movl    $page_dir, tss + 28
        movl    $page_c + KERNEL, second_pt + 4 * 0x11
        lcall   $SEL_T1, $0
        SEE     "back by iret", TEST + 0x11100
        mov     %cr3, %eax
        sub     $page_dir, %eax
        SHOW    "  cr3 less this one's", "%eax"
        movl    $page_b + KERNEL, second_pt + 4 * 0x11
        ENTRY   0x11, (page_d + KERNEL)
        lcall   $SEL_T1, $0
        SEE     "changed while away", TEST + 0x11100
        clts
        ret
task:   SEE     "in the task", TEST + 0x11100
        mov     %cr3, %eax
        sub     $other_dir, %eax
        SHOW    "  cr3 less its own", "%eax"
        iret
        SEE     "again in the task", TEST + 0x11100
        iret

        .bss
        .balign 4096
second_pt:
        .skip   4096
other_dir:
        .skip   4096
tss1:   .skip   128
fault_count:
        .skip   4
        .skip   1024
task_stack:
        .text
