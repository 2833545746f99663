# pcid64.S - CR4.PCIDE, CR3 bit 63 and INVPCID: what is refused, and that translations which have been ended are not used: pages of
# several address spaces that change while another is current, in tables that are changed often (SDM 3A 4.10, SDM 2A INVPCID).
# engines: bt interp           (run.sh has no reference with long mode; TCG 7.2 has neither)
        .include "lib64.inc"

        .set    CR4_PCIDE, 0x20000
        .set    CR4_PGE, 0x80
        .set    PTE_G, 0x100
        .set    WINDOW, 0x500000000     # another page in each space
        .set    GLOBAL, 0xFFFFA00000000000
        .set    SPACES, 3
        .set    SEL_CODE32, 0x18
        .set    TIMES, 40

        .macro  CR3_OF space, pcid, keep=0
        mov     $pml4_0 + 0x1000 * \space + \pcid, %eax
        .if     \keep
        bts     $63, %rax
        .endif
        mov     %rax, %cr3
        .endm
# INVPCID with type, PCID, address
        .macro  INV type, pcid, lin=0
        movq    $\pcid, descriptor(%rip)
        movabs  $\lin, %rax
        mov     %rax, descriptor + 8(%rip)
        mov     $\type, %eax
        invpcid descriptor(%rip), %rax
        .endm

main64: movabs  $0x00CF9B000000FFFF, %rax
        mov     %rax, gdt + SEL_CODE32(%rip)
        call    refused
        call    make_spaces
        mov     %cr4, %rax
        or      $CR4_PCIDE, %eax
        mov     %rax, %cr4
        call    accepted
        call    each
        call    global
        call    toggles
        ret

refused:
        mov     $1, %eax
        cpuid
        shr     $17, %ecx
        and     $1, %ecx
        SHOW    "cpuid: PCID", %rcx
        mov     $7, %eax
        xor     %ecx, %ecx
        cpuid
        shr     $10, %ebx
        and     $1, %ebx
        SHOW    "cpuid: INVPCID", %rbx
        TRY     "bit 63 without PCIDE", "mov %cr3, %rax; bts $63, %rax; mov %rax, %cr3"
        TRY     "PCIDE with PCD in CR3", "mov %cr3, %rax; or $16, %rax; mov %rax, %cr3; mov %cr4, %rax; or $CR4_PCIDE, %eax; mov %rax, %cr4"
        mov     %cr3, %rax
        and     $-4096, %rax
        mov     %rax, %cr3
        .irp    type, 0, 1, 2, 3
        TRY     "no PCIDE: type \type", "INV \type, 0"
        TRY     "no PCIDE: type \type, a PCID", "INV \type, 1"
        .endr
        ret

accepted:
        CR3_OF  SPACES, 0x123           # page tables as before
        mov     %cr3, %rax
        sub     $pml4_0, %rax
        SHOW    "cr3, less the tables", %rax
        CR3_OF  SPACES, 0xFFF, 1
        mov     %cr3, %rax
        sub     $pml4_0, %rax
        SHOW    "with bit 63", %rax
        TRY     "bit 62", "mov %cr3, %rax; bts $62, %rax; mov %rax, %cr3"
        TRY     "PG off in 64-bit code", "mov %cr0, %rax; btr $31, %rax; mov %rax, %cr0"
        TRY     "PG off", "movq $off32, trap_base(%rip); ljmp *far_off(%rip)"
        TRY     "PCIDE again, other bits", "mov %cr4, %rax; xor $CR4_PGE, %eax; mov %rax, %cr4; xor $CR4_PGE, %eax; mov %rax, %cr4"
        TRY     "type 0", "INV 0, 0xFFF, TOP"
        TRY     "type 0, not canonical", "INV 0, 0xFFF, HOLE"
        TRY     "type 1, not canonical", "INV 1, 0xFFF, HOLE"
        TRY     "type 0, wide PCID", "INV 0, 0x1000"
        TRY     "type 1, wide PCID", "INV 1, 0x1000"
        TRY     "type 2, wide PCID", "INV 2, 0x1000"
        TRY     "type 3, wide PCID", "INV 3, 0x1000"
        TRY     "type 4", "INV 4, 0"
        TRY     "type 2^32", "mov $1, %eax; shl $32, %rax; invpcid descriptor(%rip), %rax"
        TRY     "type 3, nothing there", "mov $3, %eax; movabs $WINDOW + 0x10000, %rcx; invpcid (%rcx), %rax"
        TRY     "type 3, half of it there", "mov $3, %eax; movabs $LAST + 0xFF8, %rcx; invpcid (%rcx), %rax"
        TRY     "lock", ".byte 0xF0; invpcid descriptor(%rip), %rax"
        TRY     "register", ".byte 0x66, 0x0F, 0x38, 0x82, 0xC0"
        TRY_USER "user", "INV 3, 0"
        TRY_USER "user, type 4", "INV 4, 0"
        ret

# Each a copy of the tables that are in force, and WINDOW a page table of its own; the last keeps them as they are.
make_spaces:
        MAP     GLOBAL, page_f+PTE_P+PTE_W+PTE_G
        mov     %r9, global_pte(%rip)
        xor     %r13d, %r13d
1:      mov     %r13d, %edi
        shl     $12, %edi
        add     $pml4_0, %edi
        mov     $pml4, %esi
        mov     $512, %ecx
        rep movsq
        inc     %r13d
        cmp     $SPACES, %r13d
        jbe     1b
        .irp    n, 0, 1, 2
        movabs  $WINDOW, %rdi
        mov     $pml4_0 + 0x1000 * \n, %eax
        mov     $pdpt_0 + 0x1000 * \n, %edx
        lea     7(%rdx), %rcx
        mov     %rcx, (%rax)            # PML4 entry 0: the identity map and WINDOW
        mov     $pd+7, %ecx
        mov     %rcx, (%rdx)
        movq    $pd_0 + 0x1000 * \n + 7, 8 * 20(%rdx)
        movq    $pt_0 + 0x1000 * \n + 7, pd_0 + 0x1000 * \n
        movq    $page_a + 0x1000 * \n + 7, pt_0 + 0x1000 * \n
        .endr
        ret

# Space A's page is seen, changed from space B, ended by the instructions in `how` there, and A entered again with bit 63 set.
        .macro  AFTER name, a, b, how, new
        mov     $TIMES, %r12d
        xor     %r13d, %r13d
        xor     %r14d, %r14d
3:      movq    $page_a + 0x1000 * \a + 7, pt_0 + 0x1000 * \a
        CR3_OF  \a, \a+1
        movabs  $WINDOW, %rbx
        RUN     "mov 8(%rbx), %rax; mov %rax, 8(%rbx)"
        CR3_OF  \b, \b+1, 1
        movq    $\new, pt_0 + 0x1000 * \a
        \how
        CR3_OF  \a, \a+1, 1
        movabs  $WINDOW, %rbx
        RUN     "xor %eax, %eax; mov 8(%rbx), %rax; mov %rax, 8(%rbx)"
        cmpl    $14, trap_vector(%rip)
        jne     4f
        inc     %r13d
4:      add     %rax, %r14
        dec     %r12d
        jnz     3b
        PUTS    "\name:"
        SHOW    " faults", %r13
        SHOW    "  sum", %r14
        .endm
each:   .irp    new, page_d+7, page_d+5, page_d+3, 0
        PUTS    "\new\n"
        AFTER   "one address", 0, 1, "INV 0, 1, WINDOW", \new
        AFTER   "one PCID", 1, 0, "INV 1, 2", \new
        AFTER   "all and global", 1, 2, "INV 2, 0", \new
        AFTER   "all", 2, 1, "INV 3, 0", \new
        AFTER   "mov cr3", 2, 0, "CR3_OF 2, 3", \new
        AFTER   "mov cr3, another PCID meanwhile", 2, 0, "CR3_OF 2, 7; CR3_OF 2, 3", \new
        AFTER   "invlpg", 0, 0, "movabs $WINDOW, %rcx; invlpg (%rcx)", \new
        .endr
        ret

# A global page, changed in a space and looked at in another.
        .macro  GLOBALLY name, how
        mov     $TIMES, %r12d
        xor     %r14d, %r14d
3:      movabs  $GLOBAL, %rbx
        CR3_OF  0, 1, 1
        RUN     "mov 8(%rbx), %rax"
        CR3_OF  1, 2, 1
        RUN     "mov 8(%rbx), %rax"
        mov     global_pte(%rip), %r9
        movq    $page_g+PTE_P+PTE_W+PTE_G, (%r9)
        \how
        CR3_OF  0, 1, 1
        RUN     "mov 8(%rbx), %rax"
        add     %rax, %r14
        CR3_OF  1, 2, 1
        RUN     "mov 8(%rbx), %rax"
        sub     %rax, %r14
        MAP     GLOBAL, page_f+PTE_P+PTE_W+PTE_G
        dec     %r12d
        jnz     3b
        SHOW    "global, \name: difference", %r14
        .endm
global: GLOBALLY "invlpg", "invlpg (%rbx)"
        GLOBALLY "all and global", "INV 2, 0"
        GLOBALLY "PGE", "mov %cr4, %rax; xor $CR4_PGE, %eax; mov %rax, %cr4; xor $CR4_PGE, %eax; mov %rax, %cr4"
        ret

# PCIDE on and off ends everything.
toggles:
        CR3_OF  0, 0
        mov     $TIMES, %r12d
        xor     %r13d, %r13d
1:      movq    $page_a+7, pt_0
        movabs  $WINDOW, %rbx
        invlpg  (%rbx)
        RUN     "mov (%rbx), %rax"
        movq    $0, pt_0
        mov     %cr4, %rax
        xor     $CR4_PCIDE, %eax
        mov     %rax, %cr4
        RUN     "mov (%rbx), %rax"
        cmpl    $14, trap_vector(%rip)
        jne     2f
        inc     %r13d
2:      dec     %r12d
        jnz     1b
        SHOW    "PCIDE toggled: faults", %r13
        ret

        .code32
# Compatibility mode, in which PG could be cleared.
off32:  mov     %cr0, %eax
        btr     $31, %eax
        mov     %eax, %cr0
        int     $VEC_USER_DONE
        .code64

        .data
        .balign 16
far_off:
        .long   off32
        .word   SEL_CODE32
descriptor:
        .quad   0, 0

        .bss
        .balign 4096
pml4_0: .skip   4096 * (SPACES + 1)
pdpt_0: .skip   4096 * SPACES
pd_0:   .skip   4096 * SPACES
pt_0:   .skip   4096 * SPACES
global_pte:
        .skip   8
