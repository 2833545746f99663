# debug.S - DR0-DR7 and single step (SDM 3B 17.2, 17.3): which accesses trap, DR6, where EIP is, what is not trapped.
# TCG 7.2 agrees but for GD, which it lacks, addresses it does not align to the length, the second of two breakpoints
# hit at once, and the trap of MOV SS, which waits for the next instruction (SDM 3A 6.8.3).
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"

        .include "debug.inc"

main:   INIT_TRAPS
        call    registers
        call    data
        call    code
        call    step
        call    step_log
        call    detect
        ret

registers:
        xor     %eax, %eax
        mov     %eax, %dr6
        mov     %eax, %dr7
        mov     %dr6, %eax
        SHOW    "dr6 of 0", "%eax"
        mov     %dr7, %eax
        SHOW    "dr7 of 0", "%eax"
        mov     $0xFFFFFFFF, %eax
        mov     %eax, %dr0
        mov     %dr0, %ebx
        SHOW    "dr0", "%ebx"
        mov     $0x12345678, %eax
        mov     %eax, %dr3
        mov     %dr3, %ebx
        SHOW    "dr3", "%ebx"
        # DR4 and DR5 are DR6 and DR7 without CR4.DE
        mov     $0xFFFF0FF1, %eax
        .byte   0x0F, 0x23, 0xE0        # mov %eax, %dr4
        mov     %dr6, %eax
        SHOW    "dr6 through dr4", "%eax"
        mov     %cr4, %eax
        or      $8, %eax
        mov     %eax, %cr4
        TRY     "dr4 with DE", ".byte 0x0F, 0x21, 0xE0"
        TRY     "dr5 with DE", ".byte 0x0F, 0x21, 0xE8"
        mov     %cr4, %eax
        and     $~8, %eax
        mov     %eax, %cr4
        TRY_USER "dr0 at CPL 3", "mov %dr0, %eax"
        xor     %eax, %eax
        mov     %eax, %dr6
        ret

data:   BREAK   0, watched, WRITE, LEN4
        DTRY    "write", "movl $1, watched; nop"
        BREAK   0, watched, WRITE, LEN4
        DTRY    "read of a write breakpoint", "mov watched, %eax; nop"
        BREAK   1, watched, RW, LEN4
        DTRY    "read", "mov watched, %eax; nop"
        BREAK   1, watched, RW, LEN4
        DTRY    "write", "mov %eax, watched; nop"
        BREAK   2, watched + 1, RW, LEN1
        DTRY    "byte beside it", "movb $0, watched; nop"
        BREAK   2, watched + 1, RW, LEN1
        DTRY    "byte", "movb $0, watched + 1; nop"
        BREAK   2, watched + 1, RW, LEN1
        DTRY    "dword over it", "movl $0, watched; nop"
        BREAK   2, watched + 1, RW, LEN1
        DTRY    "dword ends before", "movl $0, watched - 3; nop"
        BREAK   3, watched + 2, WRITE, LEN2
        DTRY    "word below", "movw $0, watched; nop"
        BREAK   3, watched + 2, WRITE, LEN2
        DTRY    "word over half", "movw $0, watched + 1; nop"
        BREAK   3, watched + 3, WRITE, LEN2
        DTRY    "odd address, length 2: aligned down", "movb $0, watched + 2; nop"
        BREAK   0, watched, WRITE, LEN4
        DTRY    "push", "mov %esp, %edx; mov $watched + 4, %esp; push $5; mov %edx, %esp"
        BREAK   0, watched, WRITE, LEN4
        DTRY    "pop to it", "push $7; popl watched; nop"
        BREAK   0, watched, WRITE, LEN4
        DTRY    "lock xadd", "lock xadd %eax, watched; nop"
        BREAK   0, watched, WRITE, LEN4
        DTRY    "cmpxchg that differs", "mov $-1, %eax; cmpxchg %ecx, watched; nop"
        BREAK   0, watched, WRITE, LEN4
        DTRY    "stosb", "mov $watched, %edi; stosb; nop"
        SHOW    "value", watched
        # in the middle of REP: a trap after the iteration that did it
        BREAK   0, watched, WRITE, LEN4
        DTRY    "rep stosl", "mov $watched - 8, %edi; mov $8, %ecx; rep stosl; nop"
        SHOW    "  ecx", trap_ecx
        mov     trap_edi, %eax
        sub     $watched, %eax
        SHOW    "  edi", "%eax"
        # two at once
        BREAK   0, watched, WRITE, LEN4
        mov     $watched + 2, %eax
        mov     %eax, %dr1
        mov     %dr7, %eax
        or      $L1 | (WRITE | LEN1 << 2) << 20, %eax
        mov     %eax, %dr7
        DTRY    "two", "movl $1, watched; nop"
        # G bits as well as L bits; none: nothing
        BREAK   0, watched, WRITE, LEN4
        mov     %dr7, %eax
        xor     $3, %eax
        mov     %eax, %dr7
        DTRY    "global", "movl $1, watched; nop"
        BREAK   0, watched, WRITE, LEN4
        mov     %dr7, %eax
        and     $~3, %eax
        mov     %eax, %dr7
        DTRY    "disabled", "movl $1, watched; nop"
        # the trap comes behind MOV SS and the instruction after it
        movl    $SEL_DATA, watched
        BREAK   0, watched, RW, LEN4
        DTRY    "mov ss from it", "mov watched, %ss; nop; nop"
        BREAK   0, watched, RW, LEN4
        TRY_USER "at CPL 3", "mov watched, %eax; nop"
        call    dr6_off
        SHOW    "  dr6", dr6
        BREAK   0, watched, WRITE, LEN4
        # a fault before the write: no trap
        DTRY    "div first", "xor %ecx, %ecx; div %ecx; movl $1, watched"
        ret

code:   BREAK   0, 1f, EXEC, LEN1
        BEGIN_TRY
        nop
1:      inc     %eax
        call    trap_end
        call    dr6_off
        PUTS    "execute: "
        call    trap_show
        SHOW    "  dr6", dr6
        mov     trap_eflags, %eax
        and     $0x10000, %eax
        SHOW    "  RF pushed", "%eax"
        # not the middle of an instruction
        BREAK   1, 1f + 1, EXEC, LEN1
        BEGIN_TRY
1:      mov     $0, %eax
        call    trap_end
        call    dr6_off
        PUTS    "execute, inside: "
        call    trap_show
        # RF lets it go once
        BREAK   0, 1f, EXEC, LEN1
        mov     $3, %ecx
        BEGIN_TRY
        pushf
        orl     $0x10000, (%esp)
        push    %cs
        push    $1f
        iret
1:      dec     %ecx
        jnz     1b
        call    trap_end
        call    dr6_off
        PUTS    "with RF: "
        call    trap_show
        SHOW    "  ecx", trap_ecx
        # the first instruction of a loop that is running already
        mov     $100, %ecx
2:      inc     %edx
        loop    2b
        BREAK   2, 2b, EXEC, LEN1
        mov     $5, %ecx
        BEGIN_TRY
        jmp     2b
        call    trap_end
        call    dr6_off
        PUTS    "loop: "
        mov     trap_eip, %eax
        sub     $2b, %eax
        SHOW    "eip", "%eax"
        SHOW    "  dr6", dr6
        ret

# Single step through everything that transfers control: the EIP of every #DB.
step:   SET_GATE 0x50, just_iret
        SET_GATE 0x51, just_iret, 0x8F
        DTRY    "step nop", "pushf; orl $0x100, (%esp); popf; nop; nop"
        DTRY    "step div 0", "xor %ecx, %ecx; pushf; orl $0x100, (%esp); popf; div %ecx"
        DTRY    "step ud2", "pushf; orl $0x100, (%esp); popf; ud2"
        ret
just_iret:
        iret

step_log:
        STEPS   "nops", "nop; nop; nop"
        STEPS   "jmp", "jmp 5f; nop; 5: nop"
        STEPS   "jcc", "xor %eax, %eax; jz 5f; nop; 5: jnz 6f; 6: nop"
        STEPS   "loop", "mov $3, %ecx; 5: loop 5b"
        STEPS   "call, ret", "call 5f; jmp 6f; 5: nop; ret; 6: nop"
        STEPS   "indirect", "mov $5f, %eax; jmp *%eax; nop; 5: push $6f; ret; nop; 6: nop"
        STEPS   "rep", "mov $3, %ecx; mov $scratch, %edi; rep stosb; nop"
        STEPS   "rep of none", "xor %ecx, %ecx; rep stosb; nop"
        STEPS   "int n", "nop; int $0x50; nop"
        STEPS   "int n, trap gate", "nop; int $0x51; nop"
        STEPS   "far call", "lcall $SEL_CODE, $5f; jmp 6f; 5: lret; 6: nop"
        STEPS   "iret", "pushf; push %cs; push $5f; iret; nop; 5: nop"
        STEPS   "mov ss", "mov %ss, %eax; mov %eax, %ss; nop; nop"
        STEPS   "pop ss", "push %ss; pop %ss; nop; nop"
        STEPS   "popf keeps TF", "pushf; popf; nop"
        STEPS   "cli, sti", "cli; nop; nop"
        STEPS   "cpuid", "cpuid; nop; rdtsc; nop"
        STEPS   "mov cr, dr", "mov %cr0, %eax; mov %eax, %cr0; mov %dr0, %eax; nop"
        STEPS   "x87", "fninit; fld1; fstps scratch; nop"
        STEPS   "pusha", "pusha; popa; nop"
        STEPS   "own code", "movb $0x90, 5f; nop; 5: nop"
        STEPS   "lds", "mov %ds, %eax; mov %eax, %ds; mov %eax, %es; nop"
        ret

detect: mov     $0x400 | GD, %eax
        mov     %eax, %dr7
        TRY     "GD, read", "mov %dr0, %eax"
        mov     %dr6, %eax
        SHOW    "  dr6", "%eax"
        mov     %dr7, %eax
        SHOW    "  dr7", "%eax"
        xor     %eax, %eax
        mov     %eax, %dr6
        mov     $0x400 | GD, %eax
        mov     %eax, %dr7
        TRY     "GD, write", "mov %eax, %dr6"
        call    dr6_off
        SHOW    "  dr6", dr6
        ret

        .bss
        .balign 16
        .skip   256                     # for what is pushed on a stack there
watched:
        .skip   64
scratch:
        .skip   64
        .text
