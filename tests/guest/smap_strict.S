# smap_strict.S - CR4.SMAP where TCG differs: what the CPU reads and writes for itself, to which EFLAGS.AC does not open users' pages,
# and the frame of an event, to which it does (SDM 3A 4.6).
# options: -cpu max,+smap
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    CR4_SMAP, 0x200000
        .set    EFLAGS_AC, 0x40000
        .set    SEL_LDT, 0x30

        .macro  AC value
        pushl   $\value + 2
        popf
        .endm

main:   INIT_TRAPS
        call    start_paging
        mov     $low_pt + 0x400, %edi   # from 1 MiB on: the kernel's
1:      andl    $~PTE_U, (%edi)
        add     $4, %edi
        cmp     $low_pt + 0x1000, %edi
        jb      1b
        FLUSH
        SET_PTE 0, page_a + PTE_P + PTE_W + PTE_U
        SET_PTE 1, page_b + PTE_P + PTE_W + PTE_U
        # an LDT in page_a, seen at TEST: 04h data with A set, 0Ch without
        movl    $0x0000FFFF, page_a
        movl    $0x00CF9300, page_a + 4
        movl    $0x0000FFFF, page_a + 8
        movl    $0x00CF9200, page_a + 12
        movl    $0x00000FFF, gdt + SEL_LDT
        movl    $0x40008200, gdt + SEL_LDT + 4
        mov     $SEL_LDT, %eax
        lldt    %ax
        CR_SET  cr4, CR4_SMAP
        TRY     "lock stac", ".byte 0xF0, 0x0F, 0x01, 0xCB"
        TRY     "lock clac", ".byte 0xF0, 0x0F, 0x01, 0xCA"
        TRY     "add", "addl $1, TEST + 0x800"
        call    descriptors
        AC      EFLAGS_AC
        TRY     "AC: add", "addl $1, TEST + 0x800"
        AC      EFLAGS_AC
        call    descriptors
        AC      0
        call    from_user
        # the same pages as the kernel's
        SET_PTE 0, page_a + PTE_P + PTE_W
        call    descriptors
        SHOW    "page_a", page_a + 12
        ret

descriptors:
        TRY     "lar", "mov $4, %eax; lar %eax, %ecx"
        TRY     "verr", "mov $4, %eax; verr %ax"
        TRY     "mov fs", "mov $4, %eax; mov %eax, %fs"
        TRY     "mov fs, A clear", "mov $12, %eax; mov %eax, %fs"
        ret

# CPL 3 raises #GP; its frame goes to a user's page. CPL 3's AC is in force when it is pushed.
from_user:
        mov     tss + 4, %edi
        movb    $0xF4, page_b           # hlt
        mov     $100, %esi
1:      movl    $TEST + 0x1800, tss + 4
        BEGIN_TRY
        push    $SEL_USER_DATA
        push    $TEST + 0x1400
        push    $EFLAGS_AC + 2
        push    $SEL_USER_CODE
        push    $TEST + 0x1000
        iret
        call    trap_end
        AC      0
        mov     %edi, tss + 4
        dec     %esi
        jnz     1b
        PUTS    "hlt at CPL 3: "
        call    trap_show
        SHOW    "eip pushed", "page_b + 0x800 - 20"
        ret
