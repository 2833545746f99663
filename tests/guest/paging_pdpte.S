# paging_pdpte.S - page-directory-pointer entries as they are loaded: reserved bits are #GP at the MOV to CR that loads
# them, and nothing changes then (SDM 3A 4.4.1). TCG 7.2 neither latches nor checks them.
# options: -cpu max
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    CR4_SMEP, 0x100000
        .set    CR0_PG, 0x80000000
        .set    CR0_CD, 0x40000000

main:   INIT_TRAPS
        mov     $0x80000008, %eax       # physical-address width: the first bit that is reserved
        cpuid
        movzbl  %al, %ecx
        sub     $32, %ecx
        mov     $1, %eax
        shl     %cl, %eax
        mov     %eax, beyond
        movl    $0x11111111, page_a + 0x100
        movl    $0x22222222, page_b + 0x100
        mov     $low_pt, %edi
        mov     $PTE_P + PTE_W, %eax
1:      mov     %eax, (%edi)
        movl    $0, 4(%edi)
        add     $8, %edi
        add     $0x1000, %eax
        cmp     $0x200000, %eax
        jb      1b
        movl    $low_pt + PTE_P + PTE_W, low_pd
        movl    $test_pt + PTE_P + PTE_W, page_dir
        movl    $page_a + PTE_P + PTE_W, test_pt
        movl    $page_b + PTE_P + PTE_W, test_pt2
        movl    $test_pt2 + PTE_P + PTE_W, page_dir2
        .irp    table, good, bad
        movl    $low_pd + PTE_P, \table
        movl    $page_dir + PTE_P, \table + 8
        .endr
        movl    $page_dir2 + PTE_P, bad + 8
        CR_SET  cr4, CR4_PAE
        call    turning_on
        mov     $good, %eax
        mov     %eax, %cr3
        CR_SET  cr0, CR0_PG
        call    each_bit
        call    not_present
        call    other_registers
        call    latched
        ret

# PG set with a bad table: paging stays off.
turning_on:
        orl     $2, bad + 8
        mov     $bad, %eax
        mov     %eax, %cr3
        TRY     "no check while PG is clear", "mov %cr3, %eax; mov %eax, %cr3"
        TRY     "PG with a reserved bit", "mov %cr0, %eax; or $CR0_PG, %eax; mov %eax, %cr0"
        mov     %cr0, %eax
        shr     $31, %eax
        SHOWN   "  PG", 1, "%eax"
        andl    $~2, bad + 8
        ret

# BAD "text", low, high: entry 3, otherwise not used, with those bits and P.
        .macro  BAD text, low, high=0
        movl    $PTE_P + \low, bad + 24
        movl    $\high, bad + 28
        TRY     "\text", "mov $bad, %eax; mov %eax, %cr3"
        call    where
        .endm
# The table in use, by what it maps.
where:  mov     %cr3, %eax
        sub     $good, %eax
        SHOW    "  cr3", "%eax"
        mov     TEST + 0x100, %eax
        SHOW    "  maps", "%eax"
        mov     $good, %eax
        mov     %eax, %cr3
        ret
each_bit:
        BAD     "bit 1", 2
        BAD     "bit 2", 4
        BAD     "bit 3, PWT", 8
        BAD     "bit 4, PCD", 0x10
        BAD     "bit 5", 0x20
        BAD     "bit 6", 0x40
        BAD     "bit 7", 0x80
        BAD     "bit 8", 0x100
        BAD     "bits 9 to 11, ignored", 0xE00
        BAD     "bit 63", 0, 0x80000000
        BAD     "bit 62", 0, 0x40000000
        movl    $PTE_P, bad + 24
        mov     beyond, %eax
        mov     %eax, bad + 28
        TRY     "first bit beyond the physical address", "mov $bad, %eax; mov %eax, %cr3"
        call    where
        shrl    $1, bad + 28
        TRY     "last bit of the physical address", "mov $bad, %eax; mov %eax, %cr3"
        call    where
        movl    $0, bad + 28
        ret

not_present:
        movl    $0x1E6, bad + 24
        movl    $0xC0000000, bad + 28
        TRY     "not present: nothing is reserved", "mov $bad, %eax; mov %eax, %cr3"
        call    where
        movl    $0, bad + 24
        movl    $0, bad + 28
        ret

# The other moves that load them: CR0 and CR4, when a bit changes that concerns paging.
other_registers:
        movl    $3, good + 24
        TRY     "cr0 unchanged", "mov %cr0, %eax; mov %eax, %cr0"
        TRY     "cr0, WP changes", "mov %cr0, %eax; xor $CR0_WP, %eax; mov %eax, %cr0"
        TRY     "cr0, CD changes", "mov %cr0, %eax; xor $CR0_CD, %eax; mov %eax, %cr0"
        TRY     "cr4 unchanged", "mov %cr4, %eax; mov %eax, %cr4"
        TRY     "cr4, TSD changes", "mov %cr4, %eax; xor $4, %eax; mov %eax, %cr4"
        TRY     "cr4, PGE changes", "mov %cr4, %eax; xor $CR4_PGE, %eax; mov %eax, %cr4"
        TRY     "cr4, PSE changes", "mov %cr4, %eax; xor $CR4_PSE, %eax; mov %eax, %cr4"
        TRY     "cr4, SMEP changes", "mov %cr4, %eax; xor $CR4_SMEP, %eax; mov %eax, %cr4"
        mov     %cr4, %eax
        and     $CR4_PGE + CR4_PSE + CR4_SMEP, %eax
        SHOW    "  bits that came through", "%eax"
        TRY     "cr3 to itself", "mov %cr3, %eax; mov %eax, %cr3"
        movl    $0, good + 24
        TRY     "cr3 to itself, repaired", "mov %cr3, %eax; mov %eax, %cr3"
        ret

# What is in memory does not count until it is loaded; INVLPG does not load.
latched:
        movl    $page_dir2 + PTE_P, good + 8
        invlpg  TEST
        mov     TEST + 0x100, %eax
        SHOW    "changed in memory", "%eax"
        CR_SET  cr4, CR4_PGE
        mov     TEST + 0x100, %eax
        SHOW    "after a change of PGE", "%eax"
        movl    $0, good + 8
        invlpg  TEST
        mov     TEST + 0x100, %eax
        SHOW    "gone in memory", "%eax"
        FLUSH
        TRY     "after mov cr3", "mov TEST + 0x100, %eax"
        ret

        .bss
        .balign 4096
low_pd: .skip   4096
page_dir2:
        .skip   4096
test_pt2:
        .skip   4096
good:   .skip   32
bad:    .skip   32
beyond: .skip   4
        .text
