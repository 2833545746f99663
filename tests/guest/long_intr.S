# long_intr.S - events in long mode: frames, alignment of the stack, RSP0 and IST, null SS, gates that are none, IRETQ and what it
# refuses.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"

main64: INIT_LONG
        call    frames
        call    stacks
        call    flags
        call    returns
        call    return_flags
        ret

frames: SET_IDT VEC_TEST, record, 0xEE
        .irp    offset, 0, 1, 8, 15
        ENTRY   "INT n, RSP off by \offset", "mov $test_stack + \offset, %esp; int $VEC_TEST"
        .endr
        ENTRY   "INT n with a null SS", "xor %eax, %eax; mov %eax, %ss; mov $test_stack, %esp; int $VEC_TEST"
        SET_IDT VEC_TEST, record, 0xEE
        ENTRY_IN "from CPL 3", SEL_USER_CODE, SEL_USER_DATA, 64, "int $VEC_TEST"
        ENTRY_IN "from CPL 3, odd RSP", SEL_USER_CODE, SEL_USER_DATA, 64, "movabs $0x123456789ABCDEF1, %rsp; int $VEC_TEST"
        ENTRY_IN "from 32-bit code", SEL_USER_CODE32, SEL_USER_DATA, 32, "int $VEC_TEST"
        ENTRY_IN "from 16-bit code", SEL_USER_CODE16, SEL_USER_DATA16, 16, "int $VEC_TEST"
        ENTRY_IN "from 32-bit code at CPL 0", SEL_CODE32, SEL_DATA, 32, "int $VEC_TEST", test_stack + 7
        ENTRY_IN "from 32-bit code, user, odd ESP", SEL_USER_CODE32, SEL_USER_DATA, 32, "mov $0xFFFFFFF3, %esp; int $VEC_TEST"
        RESTORE_IDT
        ret

stacks: SET_IDT VEC_TEST, record, 0xEE
        subq    $5, tss + 4(%rip)
        ENTRY_IN "RSP0 not aligned", SEL_USER_CODE, SEL_USER_DATA, 64, "int $VEC_TEST"
        addq    $5, tss + 4(%rip)
        .irp    ist, 2, 3, 4, 5, 6, 7
        movq    $test_stack - 0x100 * \ist + \ist, tss + 36 + 8 * (\ist - 1)(%rip)
        SET_IDT VEC_TEST, record, 0xEE, SEL_CODE, \ist
        ENTRY_IN "IST\ist from CPL 3", SEL_USER_CODE, SEL_USER_DATA, 64, "int $VEC_TEST"
        .endr
        movabs  $EDGE + 0x10, %rax
        mov     %rax, tss + 44(%rip)
        SET_IDT VEC_TEST, record, 0xEE, SEL_CODE, 2
        ENTRY_IN "a frame across 4 GiB", SEL_USER_CODE, SEL_USER_DATA, 64, "int $VEC_TEST"
        mov     $KERNEL + 0x1000, %rax
        mov     %rax, tss + 44(%rip)
        ENTRY_IN "a frame on a page of the kernel's", SEL_USER_CODE, SEL_USER_DATA, 64, "int $VEC_TEST"
        mov     $KERNEL + 0x20, %rax
        mov     %rax, tss + 44(%rip)
        TRY     "... that is not wholly there", "int $VEC_TEST"
        RESTORE_IDT
        ret

# Interrupt gates clear IF, trap gates do not; TF, NT and RF are cleared by both.
flags:  SET_IDT VEC_TEST, record, 0xEE
        ENTRY_IN "interrupt gate, IF and NT set", SEL_USER_CODE, SEL_USER_DATA, 64, "int $VEC_TEST", USER_SP, 0x4202
        SET_IDT VEC_TEST, record, 0xEF
        ENTRY_IN "trap gate, IF and NT set", SEL_USER_CODE, SEL_USER_DATA, 64, "int $VEC_TEST", USER_SP, 0x4202
        ENTRY_IN "DF, AC and ID stay", SEL_USER_CODE, SEL_USER_DATA, 64, "int $VEC_TEST", USER_SP, 0x240402
        SET_IDT VEC_TEST, record, 0xEE, SEL_CONFORMING
        ENTRY_IN "conforming handler for CPL 3", SEL_USER_CODE, SEL_USER_DATA, 64, "int $VEC_TEST", USER_SP, 0x202
        SET_IDT VEC_TEST, record, 0xEE, SEL_USER_CODE
        ENTRY_IN "handler of CPL 3 for CPL 3", SEL_USER_CODE, SEL_USER_DATA, 64, "int $VEC_TEST", USER_SP + 3, 0x202
        RESTORE_IDT
        ret

returns:
        IRETQ_TRY "IRETQ to the same level"
        FRAME
        IRETQ_TRY "to RSP off by 3", SEL_DATA, test_stack + 3
        FRAME
        IRETQ_TRY "to a null SS", 0
        FRAME
        IRETQ_TRY "to SS of CPL 3", SEL_USER_DATA
        IRETQ_TRY "to SS of code", SEL_CODE
        IRETQ_TRY "to SS in no table", 0xF8
        IRETQ_TRY "to RSP in the hole", SEL_DATA, HOLE
        FRAME
        IRETQ_TRY "to a null CS", SEL_DATA, test_stack, 2, 0
        IRETQ_TRY "to data", SEL_DATA, test_stack, 2, SEL_DATA
        IRETQ_TRY "to CS in no table", SEL_DATA, test_stack, 2, 0xF8
        IRETQ_TRY "to code not present", SEL_DATA, test_stack, 2, SEL_ABSENT
        IRETQ_TRY "to a gate", SEL_DATA, test_stack, 2, SEL_TSS
        IRETQ_TRY "to CPL 3", SEL_USER_DATA, USER_SP, 2, SEL_USER_CODE
        FRAME
        IRETQ_TRY "to CPL 3 with a null SS", 0, USER_SP, 2, SEL_USER_CODE
        IRETQ_TRY "to CPL 3 with SS of CPL 0", SEL_DATA, USER_SP, 2, SEL_USER_CODE
        IRETQ_TRY "to CPL 3, CS with RPL 0", SEL_USER_DATA, USER_SP, 2, SEL_USER_CODE-3
        IRETQ_TRY "to conforming code with RPL 3", SEL_USER_DATA, USER_SP, 2, SEL_CONFORMING + 3
        FRAME
        IRETQ_TRY "to 32-bit code", SEL_USER_DATA, USER_SP, 2, SEL_USER_CODE32
        FRAME
        IRETQ_TRY "to 32-bit code, upper half of RSP", SEL_USER_DATA, USER_SP + 0x5500000000, 2, SEL_USER_CODE32
        FRAME
        IRETQ_TRY "to 32-bit code, upper half of RIP", SEL_USER_DATA, USER_SP, 2, SEL_USER_CODE32, 0xDEADBEEF00000000+9f
        FRAME
        IRETQ_TRY "to 16-bit code of CPL 0", SEL_DATA, test_stack, 2, SEL_CODE16
        FRAME
        IRETQ_TRY "from CPL 0 to 32-bit code of CPL 0", SEL_DATA, test_stack + 1, 2, SEL_CODE32
        FRAME
        TRY     "with NT", "pushq $0x4002; popfq; iretq"
        TRY_USER "to an inner level", "pushq $SEL_DATA; pushq $test_stack; pushq $2; pushq $SEL_CODE; pushq $0; iretq"
        TRY     "IRETD", "mov $test_stack, %esp; movl $9f, (%rsp); movl $SEL_CODE, 4(%rsp); movl $2, 8(%rsp); movl $test_stack + 0x55, 12(%rsp); movl $SEL_DATA, 16(%rsp); iretl; 9: int $VEC_USER_DONE"
        FRAME
        ret

        .macro  POPFQ_FLAGS name, iopl, image, cs, ss
        RUN_IN  \cs, \ss, 64, "pushq $\image; popfq", USER_SP, (2+\iopl*0x1000)
        PUTS    "\name:"
        FRAME
        .endm
return_flags:
        IRETQ_FLAGS "IRETQ to CPL 3, VM is ignored", 0x20002, SEL_USER_CODE, SEL_USER_DATA
        POPFQ_FLAGS "POPFQ at CPL 0", 0, 0x3E7ED5, SEL_CODE, SEL_DATA
        POPFQ_FLAGS "POPFQ at CPL 3", 0, 0x3E7ED5, SEL_USER_CODE, SEL_USER_DATA
        POPFQ_FLAGS "POPFQ at CPL 3, IOPL 3", 3, 0x3E4ED5, SEL_USER_CODE, SEL_USER_DATA
        RUN_IN  SEL_USER_CODE, SEL_USER_DATA, 64, "pushw $0x7ED5; popfw", USER_SP, 0x240002
        PUTS    "POPFW at CPL 3:"
        FRAME
        RUN_IN  SEL_USER_CODE, SEL_USER_DATA, 64, "pushq $SEL_USER_DATA; pushq $USER_SP; pushq $0x3E7ED5; pushq $SEL_USER_CODE; pushq $9f; iretq; 9:"
        PUTS    "IRETQ at CPL 3, all flags:"
        FRAME
        TRY     "PUSHFQ shows neither RF nor VM", "pushq $0x3FFFFF & ~0x4100; popfq; pushfq; pop %rbx"
        SHOW    "  flags", %rbx
        cli
        ret
