# paging_pae.S - PAE paging: NX, 2 MiB pages, reserved bits, the latched page-directory-pointer entries
# (SDM 3A 4.4, 4.6).
# options: -cpu max
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    NX, 0x80000000          # in the upper half
        .set    PDPT_TEST, TEST >> 30   # = 1

# SET_PTE64 n, low, high
        .macro  SET_PTE64 n, low, high=0
        movl    $0, test_pt + 8 * (\n)
        movl    $\high, test_pt + 8 * (\n) + 4
        movl    $\low, test_pt + 8 * (\n)
        invlpg  TEST + 0x1000 * (\n)
        .endm
        .macro  SHOW_PTE64 text, n
        SHOWN   "\text", 3, "test_pt + 8 * (\n)"
        .endm
        .macro  SEE text, at
        mov     \at, %eax
        SHOW    "\text", "%eax"
        .endm

main:   INIT_TRAPS
        movl    $0x90CD30CD, page_a     # int $30h
        movb    $0xC3, page_b           # ret
        movl    $0x11111111, page_a + 0x100
        movl    $0x22222222, page_b + 0x100
        movl    $0x33333333, page_c + 0x100
        # the first 2 MiB with a table (low_pt), the next 2 with another; window at TEST
        mov     $low_pt, %edi
        mov     $PTE_P + PTE_W + PTE_U, %eax
1:      mov     %eax, (%edi)
        movl    $0, 4(%edi)
        add     $8, %edi
        add     $0x1000, %eax
        cmp     $0x200000, %eax
        jb      1b
        movl    $low_pt + PTE_P + PTE_W + PTE_U, low_pd
        movl    $0x200000 + PTE_P + PTE_W + PTE_U + PTE_PS, low_pd + 8
        movl    $test_pt + PTE_P + PTE_W + PTE_U, page_dir
        movl    $low_pd + PTE_P, pdpt
        movl    $page_dir + PTE_P, pdpt + 8 * PDPT_TEST
        CR_SET  cr4, CR4_PAE
        mov     $pdpt, %eax
        mov     %eax, %cr3
        CR_SET  cr0, 0x80000000
        call    no_execute
        call    reserved
        call    large
        call    latched
        call    self
        ret

        .macro  FETCHES what, high
        SET_PTE64 0, page_b + PTE_P + PTE_W + PTE_U, \high
        TRY     "\what fetch", "mov $TEST, %eax; call *%eax"
        SHOW_PTE64 "pte", 0
        SET_PTE64 0, page_a + PTE_P + PTE_W + PTE_U, \high
        TRY_USER "\what user fetch", "mov $TEST, %eax; jmp *%eax"
        TRY     "\what read", "mov TEST + 0x100, %eax"
        TRY_USER "\what user write", "movl $0x11111111, TEST + 0x100"
        SHOW_PTE64 "pte", 0
        .endm

no_execute:
        FETCHES "nxe0", 0
        mov     $0xC0000080, %ecx
        rdmsr
        or      $0x800, %eax
        wrmsr
        FETCHES "nxe1", 0
        FETCHES "NX", NX
        # the error code has I only with NXE; supervisor page, user fetch
        SET_PTE64 0, page_a + PTE_P + PTE_W
        TRY_USER "user fetch of supervisor's", "mov $TEST, %eax; jmp *%eax"
        SET_PTE64 0, 0
        TRY     "fetch of nothing", "mov $TEST, %eax; call *%eax"
        TRY_USER "user fetch of nothing", "mov $TEST, %eax; jmp *%eax"
        # NX in the directory entry
        SET_PTE64 0, page_b + PTE_P + PTE_W + PTE_U
        movl    $NX, page_dir + 4
        FLUSH
        TRY     "NX in the pde, fetch", "mov $TEST, %eax; call *%eax"
        TRY     "NX in the pde, read", "mov TEST, %eax"
        movl    $0, page_dir + 4
        FLUSH
        TRY     "no NX", "mov $TEST, %eax; call *%eax"
        SET_PTE64 0, page_b + PTE_P + PTE_W + PTE_U, NX
        TRY     "NX, code that ran before", "mov $TEST, %eax; call *%eax"
        # an instruction over the edge into a page with NX: CR2 is the page's first byte
        SET_PTE64 1, page_c + PTE_P + PTE_W + PTE_U, NX
        SET_PTE64 0, page_d + PTE_P + PTE_W + PTE_U
        movw    $0x05C7, page_d + 0xFFE # movl $imm32, disp32, but for the 8 bytes to come
        TRY     "straddles into NX", "mov $TEST + 0xFFE, %eax; call *%eax"
        ret

reserved:
        SET_PTE64 0, page_a + PTE_P + PTE_W + PTE_U, 0x40000000
        call    trap_begin_user
        mov     TEST, %eax
        int     $VEC_USER_DONE
        orl     $1, trap_error          # TCG leaves P clear: paging_strict.S
        PUTS    "user read: "
        call    trap_show
        SET_PTE64 0, page_a, 0x40000000
        TRY     "not present", "mov TEST, %eax"
        SET_PTE64 0, page_a + PTE_P + PTE_W + PTE_U
        TRY     "nothing reserved", "mov TEST, %eax"
        ret

large:  movl    $PTE_P + PTE_W + PTE_PS, page_dir + 8
        SEE     "2 MiB page", TEST + 0x200000 + page_b + 0x100
        SHOWN   "pde", 3, page_dir + 8
        movl    $0x44444444, TEST + 0x200000 + page_d + 0x100
        SHOW    "written", page_d + 0x100
        SHOWN   "pde", 3, page_dir + 8
        movl    $NX, page_dir + 12
        invlpg  TEST + 0x200000
        TRY     "2 MiB page, NX", "mov $TEST + 0x200000 + page_b, %eax; call *%eax"
        movl    $0, page_dir + 12
        invlpg  TEST + 0x3FFFFF
        TRY     "2 MiB page, fetch", "mov $TEST + 0x200000 + page_b, %eax; call *%eax"
        movl    $0, page_dir + 8
        FLUSH
        TRY     "gone", "mov TEST + 0x200000, %eax"
        ret

# PDPTEs are read at MOV CR3 (and MOV CR0/CR4 that change paging), not at each walk; INVLPG does not see them.
latched:
        SET_PTE64 0, page_a + PTE_P + PTE_W
        TRY     "3rd GiB", "mov 0x80000100, %eax"
        movl    $page_dir + PTE_P, pdpt + 16
        mov     %cr3, %eax
        mov     %eax, %cr3
        SEE     "3rd GiB after mov cr3", 0x80000100
        movl    $0, pdpt + 16
        mov     %cr3, %eax
        mov     %eax, %cr3
        TRY     "3rd GiB gone", "mov 0x80000100, %eax"
        # another table of pointers, one entry different
        mov     $pdpt, %esi
        mov     $pdpt2, %edi
        mov     $8, %ecx
        rep     movsl
        movl    $page_dir2 + PTE_P, pdpt2 + 8 * PDPT_TEST
        movl    $test_pt2 + PTE_P + PTE_W + PTE_U, page_dir2
        movl    $page_c + PTE_P + PTE_W + PTE_U, test_pt2
        mov     $pdpt2, %eax
        mov     %eax, %cr3
        SEE     "second space", TEST + 0x100
        mov     $pdpt, %eax
        mov     %eax, %cr3
        SEE     "first space", TEST + 0x100
        # CR3 need not be page-aligned
        mov     $pdpt2, %eax
        mov     %eax, %cr3
        SEE     "second again", TEST + 0x100
        mov     $pdpt, %eax
        mov     %eax, %cr3
        ret

# A self-map takes an entry in the fourth directory for each directory; here one for page_dir.
self:   movl    $top_pd + PTE_P, pdpt + 24
        movl    $page_dir + PTE_P + PTE_W, top_pd + 8 * 511
        movl    $low_pd + PTE_P + PTE_W, top_pd + 8 * 510
        mov     %cr3, %eax
        mov     %eax, %cr3
        # page_dir's tables now lie at FFE00000h: its entry 0 (test_pt) first
        movl    $page_c + PTE_P + PTE_W, 0xFFE00000 + 8 * 3
        movl    $0, 0xFFE00000 + 8 * 3 + 4
        SEE     "c", TEST + 0x3100
        movl    $page_b + PTE_P + PTE_W, 0xFFE00000 + 8 * 3
        invlpg  TEST + 0x3000
        SEE     "b", TEST + 0x3100
        SHOWN   "its entry", 3, "0xFFE00000 + 8 * 3"
        lock cmpxchg8b 0xFFE00000 + 8 * 3
        SHOWN   "its entry", 3, "0xFFE00000 + 8 * 3"
        ret

        .bss
        .balign 4096
low_pd: .skip   4096
top_pd: .skip   4096
page_dir2:
        .skip   4096
test_pt2:
        .skip   4096
pdpt:   .skip   32
pdpt2:  .skip   32
        .text
