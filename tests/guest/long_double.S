# long_double.S - a second fault while the first is delivered, in long mode: which pairs are double faults (SDM 3A table 6-5), and what
# the handler finds.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"

        .set    NOTHING, 0x600000

# PAIR "name", vector, "instructions": that vector's gate has IST2, where there is no memory: a page fault follows.
        .macro  PAIR name, vector, body
        SET_IDT \vector, record, 0xEE, SEL_CODE, 2
        TRY     "\name, then #PF", "\body"
        FRAME
        TRY_USER "\name at CPL 3, then #PF", "\body"
        RESTORE_IDT
        .endm
main64: INIT_LONG
        movq    $NOTHING, tss + 44(%rip)
        call    to_page_faults
        call    to_absent
        call    stacks
        ret

to_page_faults:
        PAIR    "INT n", VEC_TEST, "int $VEC_TEST"
        PAIR    "#BP", 3, "int3"
        PAIR    "#UD", 6, "ud2"
        PAIR    "#DE", 0, "xor %ecx, %ecx; div %ecx"
        PAIR    "#GP", 13, "mov $SEL_CODE + 4, %eax; mov %eax, %fs"
        PAIR    "#NP", 11, "mov $SEL_ABSENT_DATA + 3, %eax; mov %eax, %fs"
        ret

to_absent:
        ABSENT  "INT n", VEC_TEST, "int $VEC_TEST"
        ABSENT  "#DE", 0, "xor %ecx, %ecx; div %ecx"
        ABSENT  "#GP", 13, "mov $SEL_CODE + 4, %eax; mov %eax, %fs"
        ABSENT  "#PF", 14, "mov NOTHING, %eax"
        ret

# Without IST a fault for want of a stack meets it again.
stacks: SET_IDT 14, record
        TRY     "PUSH to nothing", "mov $NOTHING + 0x100, %esp; push %rax"
        FRAME
        SHOW    "  cr2", trap_cr2(%rip)
        TRY     "a fault with no stack", "mov $NOTHING + 0x100, %esp; mov NOTHING, %eax"
        SHOW    "  cr2", trap_cr2(%rip)
        RESTORE_IDT
        SET_IDT 14, record, 0x8E, SEL_CODE, 2
        TRY     "#PF, whose IST has none", "mov NOTHING + 0x2000, %eax"
        FRAME
        RESTORE_IDT
        movq    $NOTHING, tss + 4(%rip)
        SET_IDT 6, record
        TRY_USER "CPL 3, no RSP0", "ud2"
        FRAME
        SET_IDT 14, record
        TRY_USER "CPL 3, no RSP0, #PF", "mov NOTHING + 0x3000, %eax"
        FRAME
        RESTORE_IDT
        ret
