# long_step.S - single steps and breakpoints in long mode: through SYSCALL, SYSRET, SYSENTER, IRETQ, far transfers, interrupts, to
# compatibility mode and back; REP, MOV SS, PUSHF; breakpoints with addresses of 64 bits and of 8 bytes.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"

# STEPS "name", cs, ss, bits, "instructions", rflags: every #DB prints CS and RIP: less the run's first address, or less those
# of the handlers below. INT 30h ends it.
        .macro  STEPS name, body, cs=SEL_CODE, ss=SEL_DATA, bits=64, flags=0x102
        PUTS    "\name:"
        RUN_IN  \cs, \ss, \bits, "\body", USER_SP, \flags
        PUTS    "\n"
        call    steps_off
        .endm

main64: INIT_LONG
        SET_IDT 1, step, 0x8E, SEL_CODE, 1
        WRITE_MSR MSR_STAR, 0x0018000800000000
        WRITE_MSR MSR_SYSENTER_CS, SEL_CODE
        WRITE_MSR MSR_SYSENTER_EIP, sys_entry
        WRITE_MSR MSR_SYSENTER_ESP, test_stack
        WRITE_MSR MSR_LSTAR, sys_entry
        WRITE_MSR MSR_FMASK, 0x100
        SET_IDT VEC_TEST, int_entry, 0xEE
        call    plain
        call    modes
        call    calls
        call    breakpoints
        ret

plain:  STEPS   "plain", "nop; mov $1, %eax; add %eax, %ebx; push %rax; pop %rax"
        STEPS   "at CPL 3", "nop; mov $1, %eax; jmp 1f; nop; 1: nop", SEL_USER_CODE, SEL_USER_DATA
        STEPS   "REP: each iteration", "mov $3, %ecx; mov $page_a, %esi; mov $page_b, %edi; rep movsb; nop"
        STEPS   "CALL and RET", "call 1f; nop; jmp 2f; 1: ret; 2: nop"
        STEPS   "MOV SS and POP SS", "mov %ss, %eax; mov %eax, %ss; nop; push %rax; nop"
        STEPS   "PUSHF shows TF", "pushfq; pop %rax; and $0x100, %eax; nop"
        SHOW    "  tf", %rax
        STEPS   "POPF clears it: after it no step", "pushfq; andl $~0x100, (%rsp); popfq; nop; nop"
        STEPS   "POPF sets it: from behind the next on", "pushfq; orl $0x100, (%rsp); popfq; nop; nop", SEL_CODE, SEL_DATA, 64, 2
        STEPS   "a branch not taken", "xor %eax, %eax; jnz 1f; nop; 1: nop"
        STEPS   "a fault is no step", "nop; nop; ud2"
        call    trap_show
        STEPS   "CPUID, RDTSC, MOV CR", "xor %eax, %eax; cpuid; rdtsc; mov %cr0, %rax; mov %rax, %cr0; nop"
        STEPS   "SSE and x87", "xorps %xmm0, %xmm0; fninit; fld1; fstp %st(0); nop"
        STEPS   "a page fault on the way", "mov $0x600000, %ebx; nop; mov (%rbx), %eax; nop"
        call    trap_show
        ret

modes:  STEPS   "32-bit code", "nop; inc %eax; dec %eax; push %eax; pop %eax", SEL_USER_CODE32, SEL_USER_DATA, 32
        STEPS   "16-bit code", "nop; push %ax; pop %ax; nop", SEL_USER_CODE16, SEL_USER_DATA16, 16
        STEPS   "32-bit code to 64-bit code", "nop; ljmp $SEL_USER_CODE, $1f; .code64; 1: nop; nop", SEL_USER_CODE32, SEL_USER_DATA, 32
        STEPS   "64-bit code to 32-bit code", "pushq $SEL_USER_CODE32; pushq $1f; lretq; .code32; 1: nop; .code64; nop", SEL_USER_CODE, SEL_USER_DATA
        STEPS   "IRETQ sets TF: from behind the next on", "pushq $SEL_DATA; pushq $USER_SP; pushq $0x102; pushq $SEL_CODE; pushq $1f; iretq; 1: nop; nop; nop", SEL_CODE, SEL_DATA, 64, 2
        STEPS   "IRETQ clears it", "pushq $SEL_DATA; pushq $USER_SP; pushq $2; pushq $SEL_CODE; pushq $1f; iretq; 1: nop; nop"
        STEPS   "IRETQ with it, to CPL 3", "pushq $SEL_USER_DATA; pushq $USER_SP; pushq $0x102; pushq $SEL_USER_CODE; pushq $1f; iretq; 1: nop; nop"
        STEPS   "IRETQ sets it, to 32-bit code", "pushq $SEL_USER_DATA; pushq $USER_SP; pushq $0x102; pushq $SEL_USER_CODE32; pushq $1f; iretq; .code32; 1: nop; nop; .code64", SEL_CODE, SEL_DATA, 64, 2
        ret

calls:  STEPS   "SYSCALL, masked", "nop; syscall; nop; nop", SEL_USER_CODE, SEL_USER_DATA
        WRITE_MSR MSR_FMASK, 0
        STEPS   "SYSCALL, not masked", "nop; syscall; nop; nop", SEL_USER_CODE, SEL_USER_DATA
        STEPS   "SYSRET sets TF", "mov $0x102, %r11d; mov $1f, %ecx; sysretq; 1: nop; nop", SEL_CODE, SEL_DATA, 64, 2
        STEPS   "SYSRETL sets TF", "mov $0x102, %r11d; mov $1f, %ecx; sysretl; 1: nop; nop", SEL_CODE, SEL_DATA, 64, 2
        STEPS   "SYSRET clears TF", "mov $2, %r11d; mov $1f, %ecx; sysretq; 1: nop; nop"
        STEPS   "SYSENTER", "nop; sysenter", SEL_USER_CODE, SEL_USER_DATA
        STEPS   "SYSENTER from 32-bit code", "nop; sysenter", SEL_USER_CODE32, SEL_USER_DATA, 32
        STEPS   "INT n: no step in the handler", "nop; int $VEC_TEST; nop; nop"
        STEPS   "INT n at CPL 3", "nop; int $VEC_TEST; nop; nop", SEL_USER_CODE, SEL_USER_DATA
        ret

sys_entry:
        nop
        nop
        pushq   $2
        popfq
        mov     $rec_stack, %esp
        int     $VEC_USER_DONE
exec_here:
        nop
        int     $VEC_USER_DONE
int_entry:
        nop
        iretq

# #DB: DR6 when it is anything but a step, then where it is.
step:   push    %rax
        push    %rbx
        push    %rcx
        mov     %dr6, %rax
        and     $0xE00F, %eax
        cmp     $0x4000, %eax
        je      1f
        PUTS    " dr6="
        mov     $4, %ecx
        call    print_digits
1:      mov     $0xFFFF0FF0, %eax
        mov     %rax, %dr6
        PUTS    " "
        mov     32(%rsp), %rax
        cmp     $SEL_CODE, %rax
        je      2f
        mov     $2, %ecx
        call    print_digits
        PUTS    ":"
2:      mov     24(%rsp), %rax
        mov     %rax, %rbx
        sub     trap_base(%rip), %rax
        cmp     $0x100, %rax
        jb      3f
        lea     -sys_entry(%rbx), %rax
        PUTS    "entry+"
3:      mov     $2, %ecx
        call    print_digits
        pop     %rcx
        pop     %rbx
        pop     %rax
        orl     $0x10000, 16(%rsp)      # RF: an instruction breakpoint would come again
        iretq
steps_off:
        push    %rax
        mov     $0x400, %eax
        mov     %rax, %dr7
        pop     %rax
        ret

# BREAK address, bits of DR7: DR1.
        .macro  BREAK at, bits
        movabs  $\at, %rax
        mov     %rax, %dr1
        mov     $0x404 | \bits << 20, %eax
        mov     %rax, %dr7
        .endm
        .set    EXEC, 0
        .set    WRITE1, 1
        .set    RW1, 3
        .set    RW4, 15
        .set    RW8, 11
breakpoints:
        BREAK   EDGE, RW8
        STEPS   "8 bytes read above 4 GiB", "movabs $EDGE, %rbx; mov 7(%rbx), %al; nop; mov 8(%rbx), %al; nop; mov -1(%rbx), %al; nop", SEL_CODE, SEL_DATA, 64, 2
        BREAK   EDGE, RW8
        STEPS   "the same address below 4 GiB is another", "mov $0, %ebx; mov (%rbx), %rax; nop", SEL_CODE, SEL_DATA, 64, 2
        BREAK   EDGE+4, RW4
        STEPS   "a read across its beginning", "movabs $EDGE, %rbx; mov (%rbx), %rax; nop; mov (%rbx), %eax; nop", SEL_CODE, SEL_DATA, 64, 2
        BREAK   KERNEL_HIGH, WRITE1
        STEPS   "written in the upper half", "movabs $KERNEL_HIGH, %rbx; mov (%rbx), %al; nop; mov %al, (%rbx); nop", SEL_CODE, SEL_DATA, 64, 2
        BREAK   test_stack-8, WRITE1
        STEPS   "pushed", "mov $test_stack, %esp; push %rax; nop", SEL_CODE, SEL_DATA, 64, 2
        BREAK   page_a+2, RW1
        STEPS   "REP stops behind the iteration", "mov $page_a, %esi; mov $page_c, %edi; mov $5, %ecx; rep movsb; nop", SEL_CODE, SEL_DATA, 64, 2
        BREAK   page_b, RW1
        STEPS   "32-bit code", "mov page_b, %eax; nop", SEL_USER_CODE32, SEL_USER_DATA, 32, 2
        BREAK   exec_here, EXEC
        STEPS   "executed", "nop; jmp exec_here; 1: nop", SEL_CODE, SEL_DATA, 64, 2
        call    refill
        ret
