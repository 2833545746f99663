# debug_tasks.S - debug exceptions and hardware task switches: the T bit of a TSS, local breakpoints that end with the task,
# a #DB through a task gate (SDM 3A 7.2.1, SDM 3B 17.2.4, 17.3.1.5).
# TCG 7.2 knows no T bit.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "debug.inc"

        .set    SEL_T1, 0x30
        .set    SEL_T2, 0x38
        .set    TF, 0x100

        .macro  TSS_DESC sel, base
        mov     $\base, %eax
        movw    $103, gdt + \sel
        mov     %ax, gdt + \sel + 2
        shr     $16, %eax
        mov     %al, gdt + \sel + 4
        movb    $0x89, gdt + \sel + 5
        mov     %ah, gdt + \sel + 7
        .endm
# TASK tss, entry, flags, t: T is bit 0 at 100.
        .macro  TASK at, entry, stack, flags=2, t=0
        movl    $\entry, \at + 32
        movl    $\flags, \at + 36
        movl    $\stack, \at + 56
        .irp    offset, 72, 80, 84, 88, 92
        movl    $SEL_DATA, \at + \offset
        .endr
        movl    $SEL_CODE, \at + 76
        movl    $104 << 16 | \t, \at + 100
        .endm
# LOGGED "text", label, body: each #DB on the way as EIP less that of the label, DR6, TR.
        .macro  LOGGED text, from, body
        PUTS    "\text:"
        movl    $\from, step_base
        \body
        PUTS    "\n"
        clts
        .endm

main:   INIT_TRAPS
        mov     $0xFF, %al
        out     %al, $0x21
        out     %al, $0xA1
        TSS_DESC SEL_T1, tss1
        TSS_DESC SEL_T2, tss2
        SET_GATE 1, log_db
        call    t_bit
        call    local
        call    through_gate
        ret

# Prints and goes on; in whatever task.
log_db: pusha
        PUTS    " "
        mov     32(%esp), %eax
        sub     step_base, %eax
        call    print_hex
        PUTS    ",dr6="
        mov     %dr6, %eax
        mov     $4, %ecx
        call    print_digits
        PUTS    ",tr="
        str     %eax
        mov     $2, %ecx
        call    print_digits
        xor     %eax, %eax
        mov     %eax, %dr6
        popa
        iret

t_bit:  TASK    tss1, task_a, stack1, 2, 1
        LOGGED  "call", task_a, "lcall $SEL_T1, $0"
        LOGGED  "call again, behind its iret", task_a_again, "lcall $SEL_T1, $0"
        TASK    tss1, task_a, stack1, 2, 0
        LOGGED  "no T", task_a, "lcall $SEL_T1, $0"
        TASK    tss1, task_jump, stack1, 2, 1
        LOGGED  "jmp", task_jump, "ljmp $SEL_T1, $0"
        # the T bit of the task that comes back
        TASK    tss1, task_a, stack1
        movb    $1, tss + 100
        LOGGED  "iret to a task with T", 1f, "lcall $SEL_T1, $0; 1:"
        movb    $0, tss + 100
        # INT n and an exception through a task gate
        TASK    tss1, task_a, stack1, 2, 1
        movl    $SEL_T1 << 16, idt + 0x50 * 8
        movl    $0x8500, idt + 0x50 * 8 + 4
        LOGGED  "int n", task_a, "int $0x50"
        TASK    tss1, task_skip, stack1, 2, 1
        movl    $SEL_T1 << 16, idt + 6 * 8
        movl    $0x8500, idt + 6 * 8 + 4
        LOGGED  "ud2", task_skip, "ud2"
        SET_GATE 6, trap_stub_06
        # T and TF: the first instruction has not been executed, then each is
        TASK    tss1, task_tf, stack1, TF + 2, 1
        LOGGED  "T and TF", task_tf, "lcall $SEL_T1, $0"
        # a task that cannot start owes nothing
        TASK    tss1, task_a, stack1, 2, 1
        movl    $SEL_USER_DATA, tss1 + 80
        TASK    tss2, task_ts, stack2
        movl    $SEL_T2 << 16, idt + 10 * 8
        movl    $0x8500, idt + 10 * 8 + 4
        LOGGED  "#TS in the new task", task_a, "ljmp $SEL_T1, $0"
        SET_GATE 10, trap_stub_0a
        movb    $0x89, gdt + SEL_T1 + 5
        movb    $0x89, gdt + SEL_T2 + 5
        pushl   $2
        popf
        ret

task_a: iret
task_a_again:
        iret
        jmp     task_a
task_jump:
        ljmp    $SEL_TSS, $0
task_skip:
        addl    $2, tss + 32
        iret
task_tf:
        nop
        iret
task_ts:
        pop     %eax
        SHOWN   " #TS", 4, "%eax"
        ljmp    $SEL_TSS, $0

# L0-L3 are cleared by a task switch, G0-G3 are not.
local:  mov     $watched, %eax
        mov     %eax, %dr0
        mov     %eax, %dr1
        mov     $0xD4D | (WRITE | LEN4 << 2) << 16 | (WRITE | LEN4 << 2) << 20, %eax   # L0 L1 G1 L3 LE
        mov     %eax, %dr7
        TASK    tss1, task_dr7, stack1
        LOGGED  "L0, L1, G1, L3, LE set", task_dr7, "lcall $SEL_T1, $0"
        SHOW    "dr7 in the task", seen
        mov     %dr7, %eax
        SHOW    "dr7 back", "%eax"
        xor     %eax, %eax
        mov     %eax, %dr7
        # a code breakpoint at a task's first instruction
        TASK    tss1, task_a, stack1
        mov     $task_a, %eax
        mov     %eax, %dr2
        mov     $0x400 | 2 << 4, %eax   # G2
        mov     %eax, %dr7
        SET_GATE 1, log_db_rf
        LOGGED  "breakpoint at the first instruction", task_a, "lcall $SEL_T1, $0"
        SET_GATE 1, log_db
        xor     %eax, %eax
        mov     %eax, %dr7
        ret
task_dr7:
        movl    $1, watched
        mov     %dr7, %eax
        mov     %eax, seen
        iret
# A breakpoint's handler sets RF to get past it.
log_db_rf:
        orl     $0x10000, 8(%esp)
        jmp     log_db

# The handler of #DB as a task: the old one's EIP is in its TSS.
through_gate:
        TASK    tss2, task_db, stack2
        movl    $SEL_T2 << 16, idt + 1 * 8
        movl    $0x8500, idt + 1 * 8 + 4
        movl    $1f, step_base
        pushl   $TF + 2
        popf
1:      nop
        nop
        pushl   $2
        popf
        PUTS    "\n"
        SET_GATE 1, log_db
        SHOW    "steps by a task", steps
        clts
        ret
task_db:
        PUTS    " "
        mov     tss + 32, %eax
        sub     step_base, %eax
        call    print_hex
        pushf
        pop     %eax
        SHOWN   ", flags of the handler", 4, "%eax"
        mov     tss + 36, %eax
        SHOWN   "  and saved", 4, "%eax"
        xor     %eax, %eax
        mov     %eax, %dr6
        incl    steps
        iret
        jmp     task_db

        .bss
        .balign 16
tss1:   .skip   128
tss2:   .skip   128
watched:
        .skip   4
seen:   .skip   4
steps:  .skip   4
        .skip   4096
stack1: .skip   4096
stack2: .skip   16
        .text
