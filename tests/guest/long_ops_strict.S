# long_ops_strict.S - instructions of 64-bit mode where QEMU 7.2's TCG is not exact: what CMPXCHG16B's fault says, prefixes of segments,
# bases of descriptor tables that are not canonical, #SS.
# engines: bt interp
        .include "long.inc"

main64: INIT_LONG
        TRY     "CMPXCHG16B, not there", "mov $0x600000, %edi; lock cmpxchg16b (%rdi)"
        WRITE_MSR MSR_GS_BASE, EDGE
        TRY     "ES behind GS is nothing", ".byte 0x65, 0x26, 0x48, 0x8B, 0x1C, 0x25, 8, 0, 0, 0"
        SHOW    "  rbx", %rbx
        TRY     "LGDT, base in the hole", "movabs $HOLE, %rax; mov %rax, cell + 2(%rip); lgdt cell(%rip)"
        TRY     "LIDT, base in the hole", "lidt cell(%rip)"
        sgdt    cell(%rip)
        mov     cell + 2(%rip), %rax
        sub     $gdt_long, %rax
        SHOW    "GDT unchanged", %rax
        TRY     "LGDT, operand in the hole", "movabs $HOLE, %rbx; lgdt (%rbx)"
        TRY     "LGDT, operand of the stack in the hole", "movabs $HOLE, %rbp; lgdt (%rbp)"
        TRY     "SGDT across the hole's edge", "movabs $HOLE - 4, %rbx; sgdt (%rbx)"
        TRY     "POPFQ in the hole", "movabs $HOLE, %rsp; popfq"
        TRY     "CALL, stack in the hole", "movabs $HOLE + 8, %rsp; call 1f; 1: nop"
        TRY     "RET, stack in the hole", "movabs $HOLE, %rsp; ret"
        TRY     "RETFQ, stack in the hole", "movabs $HOLE - 8, %rsp; lretq"
        TRY     "ENTER, stack in the hole", "movabs $HIGH_BOTTOM, %rsp; enter $0, $0"
        TRY     "LEAVE, RBP in the hole", "movabs $HOLE, %rbp; leave"
        TRY     "POP to the hole", "pushq $1; movabs $HOLE, %rbx; pop (%rbx)"
        mov     trap_old_rsp(%rip), %rax
        sub     trap_rsp(%rip), %rax
        SHOW    "  rsp moved", %rax
        TRY     "PUSH of the hole", "movabs $HOLE, %rbx; push (%rbx)"
        TRY     "RSP as an index base", "movabs $HOLE, %rcx; mov (%rsp, %rcx), %rax"
        TRY     "RBP and FS", "movabs $HOLE, %rbp; mov %fs:(%rbp), %rax"
        TRY     "CMPXCHG16B in the hole, not aligned", "movabs $HOLE + 8, %rbx; cmpxchg16b (%rbx)"
        ret

        .bss
        .balign 16
cell:   .skip   32
