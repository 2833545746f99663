# paging.S - 32-bit paging: who may do what, the error code, CR2, accessed and dirty bits, large and global pages,
# what INVLPG and MOV CR3 promise (SDM 3A 4.3, 4.6-4.8, 4.10).
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

main:   INIT_TRAPS
        movl    $0x90CD30CD, page_a     # int $30h, for the fetches
        movl    $0x11111111, page_a + 0x100
        movl    $0x22222222, page_b + 0x100
        movl    $0x33333333, page_c + 0x100
        call    start_paging
        call    rights
        call    directory_rights
        call    dirty
        call    straddle
        call    stale
        call    large
        call    global
        call    cr2_kept
        call    implicit
        ret

        .macro  ALL_ACCESSES what, flags
        SET_PTE 0, page_a + \flags
        TRY     "\what read", "mov TEST + 0x100, %eax"
        SHOW_PTE "pte", 0
        SET_PTE 0, page_a + \flags
        TRY     "\what write", "movl $1, TEST + 0x100"
        SHOW_PTE "pte", 0
        SET_PTE 0, page_a + \flags
        TRY_USER "\what user read", "mov TEST + 0x100, %eax"
        SHOW_PTE "pte", 0
        SET_PTE 0, page_a + \flags
        TRY_USER "\what user write", "movl $1, TEST + 0x100"
        SHOW_PTE "pte", 0
        SET_PTE 0, page_a + \flags
        TRY_USER "\what user fetch", "mov $TEST, %eax; jmp *%eax"
        SHOW_PTE "pte", 0
        .endm

        .macro  ALL_RIGHTS wp
        ALL_ACCESSES "\wp ---", 0
        ALL_ACCESSES "\wp -W-", PTE_W
        ALL_ACCESSES "\wp P--", PTE_P
        ALL_ACCESSES "\wp PW-", PTE_P + PTE_W
        ALL_ACCESSES "\wp P-U", PTE_P + PTE_U
        ALL_ACCESSES "\wp PWU", PTE_P + PTE_W + PTE_U
        .endm

rights: ALL_RIGHTS "wp0"
        CR_SET  cr0, CR0_WP
        ALL_RIGHTS "wp1"
        CR_CLEAR cr0, CR0_WP
        # WP takes effect at once for a page that has been written
        SET_PTE 0, page_a + PTE_P
        TRY     "ro, WP 0", "movl $1, TEST + 0x100"
        CR_SET  cr0, CR0_WP
        TRY     "ro, WP 1", "movl $1, TEST + 0x100"
        CR_CLEAR cr0, CR0_WP
        TRY     "ro, WP 0 again", "movl $1, TEST + 0x100"
        ret

        .macro  WITH_PDE what, flags
        movl    $test_pt + \flags, page_dir + 4 * (TEST >> 22)
        FLUSH
        SET_PTE 0, page_a + PTE_P + PTE_W + PTE_U
        TRY     "pde \what read", "mov TEST + 0x100, %eax"
        TRY     "pde \what write", "movl $1, TEST + 0x100"
        TRY_USER "pde \what user read", "mov TEST + 0x100, %eax"
        TRY_USER "pde \what user write", "movl $1, TEST + 0x100"
        SHOWN   "pde", 3, "page_dir + 4 * (TEST >> 22)"
        SHOW_PTE "pte", 0
        .endm

directory_rights:
        CR_SET  cr0, CR0_WP
        WITH_PDE "---", 0
        WITH_PDE "P--", PTE_P
        WITH_PDE "PW-", PTE_P + PTE_W
        WITH_PDE "P-U", PTE_P + PTE_U
        WITH_PDE "PWU", PTE_P + PTE_W + PTE_U
        CR_CLEAR cr0, CR0_WP
        ret

# A and D: set by the CPU as needed, never cleared by it; D only by a write.
dirty:  SET_PTE 1, page_b + PTE_P + PTE_W
        SHOW_PTE "untouched", 1
        mov     TEST + 0x1100, %eax
        SHOW_PTE "read", 1
        mov     %eax, TEST + 0x1100
        SHOW_PTE "written", 1
        SET_PTE 1, page_b + PTE_P + PTE_W
        invlpg  TEST + 0x1000
        mov     TEST + 0x1100, %eax
        SHOW_PTE "cleared, read", 1
        lock addl $0, TEST + 0x1100
        SHOW_PTE "locked add", 1
        # user accesses set them as well, and so do faults that the table allows in the end
        SET_PTE 1, page_b + PTE_P + PTE_W + PTE_U
        TRY_USER "user read", "mov TEST + 0x1100, %eax"
        SHOW_PTE "user read", 1
        TRY_USER "user write", "mov %eax, TEST + 0x1100"
        SHOW_PTE "user written", 1
        # string instructions
        SET_PTE 1, page_b + PTE_P + PTE_W
        SET_PTE 2, page_c + PTE_P + PTE_W
        mov     $TEST + 0x1000, %esi
        mov     $TEST + 0x2000, %edi
        mov     $0x400, %ecx
        rep     movsl
        SHOW_PTE "movs from", 1
        SHOW_PTE "movs to", 2
        # REP with a count of zero touches nothing
        SET_PTE 2, page_c + PTE_P + PTE_W
        mov     $TEST + 0x2000, %edi
        xor     %ecx, %ecx
        rep     stosl
        SHOW_PTE "stos of none", 2
        movl    $0x33333333, page_c + 0x100
        ret

# Two pages, one of them not there: CR2 is the first byte on the offending page.
straddle:
        SET_PTE 3, page_a + PTE_P + PTE_W + PTE_U
        SET_PTE 4, 0
        movl    $0x55555555, page_a + 0xFFC
        TRY     "straddle read", "mov TEST + 0x3FFE, %eax"
        TRY     "straddle write", "movl $0, TEST + 0x3FFE"
        SHOW    "nothing written", page_a + 0xFFC
        TRY_USER "straddle user write", "movl $0, TEST + 0x3FFE"
        SET_PTE 4, page_b + PTE_P
        CR_SET  cr0, CR0_WP
        TRY     "straddle to read-only", "movl $0, TEST + 0x3FFE"
        SHOW    "nothing written", page_a + 0xFFC
        SHOW_PTE "second page", 4
        CR_CLEAR cr0, CR0_WP
        SET_PTE 3, 0
        SET_PTE 4, 0
        TRY     "straddle, neither", "mov TEST + 0x3FFE, %eax"
        SET_PTE 4, page_b + PTE_P + PTE_W
        TRY     "straddle, first missing", "mov TEST + 0x3FFE, %eax"
        SHOW_PTE "second page", 4
        SET_PTE 3, page_a + PTE_P + PTE_W
        mov     $0x12345678, %eax
        mov     %eax, TEST + 0x3FFE
        mov     TEST + 0x3FFE, %ecx
        SHOW    "straddle, both", "%ecx"
        SHOW_PTE "first", 3
        SHOW_PTE "second", 4
        SHOWN   "low half", 4, page_a + 0xFFE
        SHOWN   "high half", 4, page_b
        ret

# What must be seen: not present -> present without INVLPG; everything else after INVLPG or MOV CR3.
stale:  SET_PTE 5, 0
        TRY     "absent", "mov TEST + 0x5100, %eax"
        movl    $page_b + PTE_P + PTE_W, test_pt + 4 * 5
        TRY     "present, no invlpg", "mov TEST + 0x5100, %eax"
        mov     TEST + 0x5100, %eax
        SHOW    "b", "%eax"
        SET_PTE 5, page_c + PTE_P + PTE_W
        mov     TEST + 0x5100, %eax
        SHOW    "c after invlpg", "%eax"
        movl    $page_b + PTE_P + PTE_W, test_pt + 4 * 5
        FLUSH
        mov     TEST + 0x5100, %eax
        SHOW    "b after mov cr3", "%eax"
        SET_PTE 5, page_b + PTE_P
        CR_SET  cr0, CR0_WP
        TRY     "read-only after invlpg", "movl $1, TEST + 0x5100"
        movl    $page_b + PTE_P + PTE_W, test_pt + 4 * 5
        TRY     "writable, no invlpg", "nop"    # may fault or not: not asked
        invlpg  TEST + 0x5000
        TRY     "writable after invlpg", "movl $0x22222222, TEST + 0x5100"
        CR_CLEAR cr0, CR0_WP
        # INVLPG of any address in the page, through a segment with the address in a register
        movl    $page_c + PTE_P + PTE_W, test_pt + 4 * 5
        mov     $TEST + 0x5FFF, %ebx
        invlpg  (%ebx)
        mov     TEST + 0x5100, %eax
        SHOW    "c after invlpg of the last byte", "%eax"
        movl    $0, test_pt + 4 * 5
        mov     $5, %ecx
        shl     $12, %ecx
        invlpg  TEST(%ecx)
        TRY     "gone", "mov TEST + 0x5100, %eax"
        # a directory entry: not present -> present, and back after MOV CR3
        TRY     "no table", "mov TEST + 0x405100, %eax"
        SET_PTE 5, page_b + PTE_P + PTE_W
        movl    $test_pt + PTE_P + PTE_W, page_dir + 4 * (TEST >> 22) + 4
        mov     TEST + 0x405100, %eax
        SHOW    "same table, next 4 MiB", "%eax"
        movl    $0, page_dir + 4 * (TEST >> 22) + 4
        FLUSH
        TRY     "no table again", "mov TEST + 0x405100, %eax"
        # PG off and on again
        movl    $page_c + PTE_P + PTE_W, test_pt + 4 * 5
        CR_CLEAR cr0, 0x80000000
        TRY     "paging off", "mov page_c + 0x100, %eax"
        CR_SET  cr0, 0x80000000
        mov     TEST + 0x5100, %eax
        SHOW    "c after PG off and on", "%eax"
        ret

# 4 MiB pages: physical 0 at TEST + 8 MiB.
large:  movl    $PTE_P + PTE_W + PTE_PS, page_dir + 4 * (TEST >> 22) + 8
        CR_SET  cr4, CR4_PSE
        mov     TEST + 0x800000 + page_b + 0x100, %eax
        SHOW    "large page reads b", "%eax"
        SHOWN   "pde", 3, "page_dir + 4 * (TEST >> 22) + 8"
        movl    $0x44444444, TEST + 0x800000 + page_d + 0x100
        SHOW    "written through it", page_d + 0x100
        SHOWN   "pde", 3, "page_dir + 4 * (TEST >> 22) + 8"
        TRY_USER "user read of large", "mov TEST + 0x800000 + page_b + 0x100, %eax"
        movl    $PTE_P + PTE_PS + PTE_U, page_dir + 4 * (TEST >> 22) + 8
        invlpg  TEST + 0x800000
        TRY_USER "user read of large, U", "mov TEST + 0x800000 + page_b + 0x100, %eax"
        TRY_USER "user write of large, ro", "mov %eax, TEST + 0x800000 + page_b + 0x100"
        # invlpg of one address in it ends all of it
        movl    $0x400000 + PTE_P + PTE_W + PTE_PS, page_dir + 4 * (TEST >> 22) + 8
        invlpg  TEST + 0x800000 + 0x3FF000
        mov     TEST + 0x800000 + page_b + 0x100, %eax
        SHOW    "elsewhere", "%eax"
        # a large page becomes a table
        movl    $test_pt + PTE_P + PTE_W, page_dir + 4 * (TEST >> 22) + 8
        FLUSH
        mov     TEST + 0x805100, %eax
        SHOW    "now a table", "%eax"
        movl    $0, page_dir + 4 * (TEST >> 22) + 8
        CR_CLEAR cr4, CR4_PSE
        FLUSH
        ret

# Global pages survive MOV CR3 (they may, and must not after INVLPG or a change of PGE).
global: CR_SET  cr4, CR4_PGE
        SET_PTE 6, page_b + PTE_P + PTE_W + PTE_G
        mov     TEST + 0x6100, %eax
        SHOW    "global b", "%eax"
        SET_PTE 6, page_c + PTE_P + PTE_W + PTE_G
        mov     TEST + 0x6100, %eax
        SHOW    "global c after invlpg", "%eax"
        movl    $page_b + PTE_P + PTE_W + PTE_G, test_pt + 4 * 6
        CR_CLEAR cr4, CR4_PGE
        mov     TEST + 0x6100, %eax
        SHOW    "global b after PGE off", "%eax"
        SHOW_PTE "pte", 6
        ret

# CR2 changes at a #PF only, and can be written.
cr2_kept:
        TRY     "pf", "mov TEST + 0x3FF123, %eax"
        TRY     "ud", "ud2"
        mov     %cr2, %eax
        SHOW    "cr2 after ud", "%eax"
        mov     $0xCAFE1234, %eax
        mov     %eax, %cr2
        xor     %eax, %eax
        mov     %cr2, %eax
        SHOW    "cr2 written", "%eax"
        ret

# The CPU's own accesses are supervisor's, even at CPL 3: IDT, GDT and TSS on a supervisor page.
implicit:
        mov     $gdt, %ebx
        shr     $12, %ebx
        andl    $~PTE_U, low_pt(, %ebx, 4)
        mov     $idt, %ebx
        shr     $12, %ebx
        andl    $~PTE_U, low_pt(, %ebx, 4)
        FLUSH
        TRY_USER "user loads from the GDT", "mov $SEL_USER_DATA, %eax; mov %eax, %ds"
        TRY_USER "user writes the IDT", "movl $0, idt"
        ret

