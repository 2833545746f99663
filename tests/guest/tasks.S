# tasks.S - hardware task switches: JMP, CALL, INT and exceptions through task gates, IRET; busy bits, back link, NT,
# what is saved; bad ones (SDM 3A chapter 7).
        .include "lib.inc"
        .include "trap.inc"

        .set    SEL_T1, 0x30            # TSS 1
        .set    SEL_T2, 0x38            # TSS 2
        .set    SEL_TG, 0x40            # task gate to TSS 1
        .set    SEL_T16, 0x48           # 16-bit TSS
        .set    SEL_TSMALL, 0x50        # a TSS too small
        .set    SEL_LDT1, 0x58

        .macro  TSS_DESC sel, base, limit=103, type=0x89
        mov     $\base, %eax
        movw    $\limit, big_gdt + \sel
        mov     %ax, big_gdt + \sel + 2
        shr     $16, %eax
        mov     %al, big_gdt + \sel + 4
        movb    $\type, big_gdt + \sel + 5
        movb    $0, big_gdt + \sel + 6
        mov     %ah, big_gdt + \sel + 7
        .endm
        .macro  TASK at, entry, stack, flags=2
        movl    $\entry, \at + 32
        movl    $\flags, \at + 36
        movl    $\stack, \at + 56
        movl    $0x11111111, \at + 40
        movl    $0x22222222, \at + 44
        movl    $SEL_DATA, \at + 72
        movl    $SEL_CODE, \at + 76
        movl    $SEL_DATA, \at + 80
        movl    $SEL_DATA, \at + 84
        movl    $SEL_USER_DATA, \at + 88
        movl    $0, \at + 92
        movl    $0, \at + 96
        movl    $104 << 16, \at + 100
        .endm
# BUSY "text": types of the four TSS.
        .macro  BUSY text
        PUTS    "\text: types"
        .irp    sel, SEL_TSS, SEL_T1, SEL_T2
        PUTS    " "
        movzbl  big_gdt + \sel + 5, %eax
        mov     $2, %ecx
        call    print_digits
        .endr
        PUTS    " tr "
        str     %eax
        mov     $4, %ecx
        call    print_digits
        PUTS    "\n"
        .endm

main:   INIT_TRAPS
        mov     $0xFF, %al
        out     %al, $0x21
        out     %al, $0xA1
        mov     $gdt, %esi
        mov     $big_gdt, %edi
        mov     $12, %ecx
        rep     movsl
        lgdt    big_gdt_pointer
        TSS_DESC SEL_T1, tss1
        TSS_DESC SEL_T2, tss2
        TSS_DESC SEL_T16, tss16, 43, 0x81
        TSS_DESC SEL_TSMALL, tss2, 102
        movl    $SEL_T1 << 16, big_gdt + SEL_TG
        movl    $0xE500, big_gdt + SEL_TG + 4
        call    call_return
        call    jump
        call    gate
        call    interrupt
        call    exception
        call    nested
        call    user
        call    wide16
        call    bad
        ret

call_return:
        TASK    tss1, task_a, stack1
        mov     $0xAAAA5555, %ebx
        mov     $0x12345678, %esi
        BUSY    "before"
        stc
        lcall   $SEL_T1, $0
        setc    %al
        movzx   %al, %eax
        SHOW    "CF kept", "%eax"
        SHOW    "ebx kept", "%ebx"
        BUSY    "after"
        mov     %cr0, %eax
        and     $8, %eax
        SHOW    "CR0.TS", "%eax"
        clts
        SHOW    "eax there", seen
        SHOW    "ecx there", "seen + 4"
        SHOWN   "flags there", 4, "seen + 8"
        SHOWN   "fs there", 4, "seen + 12"
        SHOWN   "gs there", 4, "seen + 16"
        SHOWN   "back link", 4, tss1
        # state saved for the first task
        SHOW    "ebx saved", "tss + 52"
        SHOW    "esi saved", "tss + 64"
        SHOWN   "cs saved", 4, "tss + 76"
        # the second entry goes on behind the task's IRET
        lcall   $SEL_T1, $0
        SHOW    "second entry", seen
        clts
        ret
task_a: mov     %eax, seen
        mov     %ecx, seen + 4
        pushf
        popl    seen + 8
        mov     %fs, %eax
        mov     %eax, seen + 12
        mov     %gs, %eax
        mov     %eax, seen + 16
        BUSY    "inside"
        iret
        movl    $0x2E2E2E2E, seen
        iret
        jmp     task_a

# JMP does not nest: no back link, no NT, the old one available.
jump:   TASK    tss1, task_jump, stack1
        movw    $0x7777, tss1
        ljmp    $SEL_T1, $0
        BUSY    "after jmp and back"
        SHOWN   "link untouched", 4, tss1
        SHOWN   "flags", 4, seen
        clts
        ret
task_jump:
        pushf
        popl    seen
        BUSY    "jumped"
        ljmp    $SEL_TSS, $0

gate:   TASK    tss1, task_a, stack1
        lcall   $SEL_TG, $0
        BUSY    "after a task gate"
        TASK    tss1, task_jump, stack1
        ljmp    $SEL_TG, $0
        BUSY    "after jmp to a task gate"
        clts
        ret

interrupt:
        TASK    tss1, task_a, stack1
        movl    $SEL_T1 << 16, idt + 0x50 * 8
        movl    $0x8500, idt + 0x50 * 8 + 4
        int     $0x50
        BUSY    "after int through a task gate"
        SHOWN   "flags there", 4, "seen + 8"
        clts
        TRY_USER "int through a task gate of DPL 0", "int $0x50"
        ret

# An exception with an error code: pushed on the new task's stack, and the faulting EIP in the old TSS.
exception:
        TASK    tss1, task_fault, stack1
        movl    $SEL_T1 << 16, idt + 13 * 8
        movl    $0x8500, idt + 13 * 8 + 4
        mov     $0x78, %eax
1:      mov     %eax, %fs
2:      SHOW    "error code", seen
        mov     seen + 4, %eax
        sub     $1b, %eax
        SHOW    "eip in the tss", "%eax"
        mov     seen + 8, %eax
        and     $0x10000, %eax
        SHOW    "bytes on its stack", "seen + 12"
        SET_GATE 13, trap_stub_0d
        BUSY    "after #GP through a task gate"
        clts
        ret
task_fault:
        mov     $stack1, %eax
        sub     %esp, %eax
        mov     %eax, seen + 12
        popl    seen
        mov     tss + 32, %eax
        mov     %eax, seen + 4
        mov     tss + 36, %eax
        mov     %eax, seen + 8
        addl    $2, tss + 32            # over the instruction
        iret
        jmp     task_fault

nested: TASK    tss1, task_outer, stack1
        TASK    tss2, task_inner, stack2
        lcall   $SEL_T1, $0
        BUSY    "all back"
        SHOW    "inner's ebp", seen
        clts
        # recursion is refused: a busy task
        TRY     "call itself", "lcall $SEL_TSS, $0"
        TRY     "jmp itself", "ljmp $SEL_TSS, $0"
        TASK    tss1, task_calls_back, stack1
        lcall   $SEL_T1, $0
        SHOW    "calling back a busy task", seen
        clts
        ret
task_outer:
        lcall   $SEL_T2, $0
        BUSY    "outer again"
        iret
task_inner:
        SHOWN   "inner's back link", 4, tss2
        BUSY    "inner"
        mov     %ebp, seen
        iret
task_calls_back:
        movl    $0, seen
        SET_GATE 13, 1f
        lcall   $SEL_TSS, $0
1:      popl    seen
        SET_GATE 13, trap_stub_0d
        add     $8, %esp
        popf                            # NT again: IRET is a task return
        iret

# To CPL 3 and back.
user:   TASK    tss1, task_user, user_stack, 0x3002
        movl    $SEL_USER_CODE, tss1 + 76
        movl    $SEL_USER_DATA, tss1 + 80
        movl    $SEL_USER_DATA, tss1 + 84
        movl    $SEL_USER_DATA, tss1 + 72
        movl    $0, tss1 + 92
        movl    $0, seen
        lcall   $SEL_T1, $0
        SHOWN   "cs of the user task", 4, seen
        SHOWN   "ss of the user task", 4, "seen + 4"
        clts
        TRY_USER "call a tss of DPL 0", "lcall $SEL_T1, $0"
        TRY_USER "call a task gate of DPL 3", "lcall $SEL_TG, $0"
        clts
        ret
task_user:
        mov     %cs, %eax
        mov     %eax, seen
        mov     %ss, %eax
        mov     %eax, seen + 4
        iret
        jmp     task_user

# A 16-bit TSS: words.
wide16: movl    $0, tss16
        movw    $0x1111, tss16 + 18
        movw    $2, tss16 + 16
        movw    $SEL_DATA, tss16 + 34
        movw    $SEL_CODE16, tss16 + 36
        movw    $SEL_DATA, tss16 + 38
        movw    $SEL_DATA, tss16 + 40
        movw    $0, tss16 + 42
        mov     $task_16, %eax
        sub     $0x100000, %eax
        mov     %ax, tss16 + 14
        movw    $0x7000, tss16 + 26
        lcall   $SEL_T16, $0
        clts
        SHOWN   "ax of the 16-bit task", 4, seen
        SHOWN   "sp", 4, "seen + 4"
        SHOWN   "link", 4, tss16
        mov     tss16 + 14, %ax
        sub     $task_16_end - 0x100000, %eax
        SHOWN   "ip saved, less that behind its iret", 4, "%eax"
        ret
        .set    SEL_CODE16, 0x60
        .code16
task_16:
        addr32 movw %ax, %ds:seen
        addr32 movw %sp, %ds:seen + 4
        iret
task_16_end:
        .code32

bad:    TRY     "tss not present", "andb $0x7F, big_gdt + SEL_T1 + 5; ljmp $SEL_T1, $0"
        orb     $0x80, big_gdt + SEL_T1 + 5
        TRY     "tss too small", "ljmp $SEL_TSMALL, $0"
        TRY     "busy tss", "movb $0x8B, big_gdt + SEL_T1 + 5; ljmp $SEL_T1, $0"
        movb    $0x89, big_gdt + SEL_T1 + 5
        movw    $0x79, tss
        TRY     "iret with NT, link beyond the GDT", "pushl $0x4002; popf; iret"
        movw    $SEL_T1, tss
        TRY     "iret with NT, link not busy", "pushl $0x4002; popf; iret"
        movw    $SEL_DATA, tss
        TRY     "iret with NT, link is data", "pushl $0x4002; popf; iret"
        movl    $SEL_DATA << 16, big_gdt + SEL_TG
        TRY     "task gate to data", "ljmp $SEL_TG, $0"
        movl    $0, big_gdt + SEL_TG
        TRY     "task gate to null", "ljmp $SEL_TG, $0"
        movl    $SEL_T1 << 16, big_gdt + SEL_TG
        pushl   $2
        popf
        # found wrong in the new task: its handler runs there. EIP is the new task's first instruction.
        TASK    tss1, task_a, stack1
        movl    $SEL_USER_DATA, tss1 + 80
        call    in_new_task
        TASK    tss1, task_a, stack1
        movl    $SEL_DATA, tss1 + 76
        call    in_new_task
        TASK    tss1, task_a, stack1
        movl    $0x78, tss1 + 72
        call    in_new_task
        TASK    tss1, task_a, stack1
        movl    $SEL_DATA, tss1 + 96
        call    in_new_task
        ret

# A task gate for #TS takes what the broken task cannot.
in_new_task:
        TASK    tss2, task_catch, stack2
        movl    $SEL_T2 << 16, idt + 10 * 8
        movl    $0x8500, idt + 10 * 8 + 4
        ljmp    $SEL_T1, $0
        SHOW    "#TS in the new task", seen
        SHOWN   "  its back link", 4, "seen + 4"
        SET_GATE 10, trap_stub_0a
        movb    $0x89, big_gdt + SEL_T1 + 5
        movb    $0x89, big_gdt + SEL_T2 + 5
        clts
        pushl   $2
        popf
        ret
task_catch:
        popl    seen
        movzwl  tss2, %eax
        mov     %eax, seen + 4
        ljmp    $SEL_TSS, $0

        .data
        .balign 8
big_gdt:
        .fill   12, 8, 0
        .quad   0x00009B100000FFFF      # 60h 16-bit code at 1 MiB
        .quad   0, 0
big_gdt_pointer:
        .word   . - big_gdt - 1
        .long   big_gdt

        .bss
        .balign 16
tss1:   .skip   128
tss2:   .skip   128
tss16:  .skip   64
seen:   .skip   32
        .skip   4096
stack1: .skip   4096
stack2: .skip   16
        .text
