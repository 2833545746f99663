# long_irq.S - a timer interrupts 64-, 32- and 16-bit code at both levels, REP strings, loops with pointers and arrays, HLT, one
# SYSCALL after another: every frame is checked, and that no register is lost.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"

        .set    VEC_TIMER, 0x48
        .set    TICKS, 25

# TICKING "name", cs, ss, bits, "instructions": they run, over and over, until so many interrupts have come; each has to
# find this CS and SS. RBX counts rounds, and is not zero in the end.
        .macro  TICKING name, cs, ss, bits, body, base=0, more="cmpl $0, ticks"
        movl    $TICKS, ticks(%rip)
        movl    $\cs, want_cs(%rip)
        movl    $\ss, want_ss(%rip)
        xor     %ebx, %ebx
        RUN_IN  \cs, \ss, \bits, "7: \body; inc %ebx; \more; jne 7b", USER_SP, 0x202, \base
        PUTS    "\name: "
        call    ticking_show
        .endm

main64: INIT_LONG
        call    start_timer
        call    code
        call    loops
        call    registers
        call    idle
        call    syscalls
        ret

# IRQ 0 of the 8259A pair at 48h, the 8254 at 1 kHz.
start_timer:
        .irp    value, 0x11, 0x48, 0x04, 0x01, 0xFE
        mov     $\value, %al
        .if     \value == 0x11
        out     %al, $0x20
        .else
        out     %al, $0x21
        .endif
        .endr
        mov     $0x34, %al
        out     %al, $0x43
        mov     $1193 & 0xFF, %al
        out     %al, $0x40
        mov     $1193 >> 8, %al
        out     %al, $0x40
        SET_IDT VEC_TIMER, timer
        ret

code:   TICKING "64-bit code", SEL_USER_CODE, SEL_USER_DATA, 64, "nop"
        TICKING "64-bit code of CPL 0", SEL_CODE, SEL_DATA, 64, "nop"
        TICKING "32-bit code", SEL_USER_CODE32, SEL_USER_DATA, 32, "nop"
        TICKING "32-bit code of CPL 0", SEL_CODE32, SEL_DATA, 32, "nop"
        TICKING "16-bit code", SEL_CODE16_SMALL, SEL_USER_DATA16, 16, "addr32 incl cell", 0x100000, "addr32 cmpl $0, ticks"
        TICKING "PUSH and POP", SEL_USER_CODE, SEL_USER_DATA, 64, "push %rax; push %rcx; pop %rcx; pop %rax"
        TICKING "CALL and RET", SEL_USER_CODE, SEL_USER_DATA, 64, "call 1f; jmp 2f; 1: ret; 2: nop"
        TICKING "REP MOVSB", SEL_USER_CODE, SEL_USER_DATA, 64, "mov $page_a, %esi; mov $page_b, %edi; mov $4096, %ecx; rep movsb"
        TICKING "REP CMPSB, to itself", SEL_USER_CODE, SEL_USER_DATA, 64, "mov $page_a, %esi; mov %rsi, %rdi; mov $4096, %ecx; repe cmpsb; jne 9f"
9:      TICKING "LOCK", SEL_CODE, SEL_DATA, 64, "lock incl cell"
        SET_IDT VEC_TIMER, timer, 0x8E, SEL_CODE, 1
        TICKING "with an IST", SEL_USER_CODE, SEL_USER_DATA, 64, "nop"
        TICKING "with an IST, RSP anywhere", SEL_USER_CODE, SEL_USER_DATA, 64, "movabs $0x1234567812345678, %rsp"
        SET_IDT VEC_TIMER, timer
        ret

# Where interrupts find a loop again and again, the translator makes something better of it.
loops:  mov     $page_a, %esi
        mov     $page_b, %edi
        movq    $0, (%rdi)
        movq    $0, 8(%rdi)
        TICKING "pointers", SEL_USER_CODE, SEL_USER_DATA, 64, "mov (%rsi), %rax; lea 8(%rsi), %rsi; mov (%rsi), %rcx; sub $8, %rsi; add %rax, (%rdi); add %rcx, 8(%rdi)"
        mov     page_a(%rip), %rax
        mov     page_a+8(%rip), %rcx
        imul    %rbx, %rax
        imul    %rbx, %rcx
        sub     %rax, page_b(%rip)
        sub     %rcx, page_b+8(%rip)
        SHOW    "  sum", page_b(%rip)
        SHOW    "  sum", page_b+8(%rip)
        mov     $page_a, %r10d
        mov     $1, %r11d
        xor     %r8d, %r8d
        xor     %r9d, %r9d
        .irp    r, rcx, rdx, rsi, rdi, rbp, r13, r14, r15
        movabs  $0x0123456789ABCDEF, %\r
        .endr
        TICKING "an array, many registers", SEL_USER_CODE, SEL_USER_DATA, 64, "mov (%r10,%r11,8), %rax; add $1, %r11; add (%r10,%r11,8), %rax; sub $1, %r11; add %rax, %r9; lea 8(%r8), %r8; mov %rbp, %r12; xchg %r14, %r15; add %rcx, %rdx; sub %rcx, %rdx"
        mov     page_a+8(%rip), %rax
        add     page_a+16(%rip), %rax
        imul    %rbx, %rax
        sub     %rax, %r9
        SHOW    "  sum", %r9
        shl     $3, %rbx
        sub     %rbx, %r8
        SHOW    "  steps", %r8
        xor     %ebx, %ebx
        .irp    r, rdx, rsi, rdi, rbp, r12, r13, r14, r15
        xor     %rcx, %\r
        or      %\r, %rbx
        .endr
        SHOW    "  difference", %rbx
        ret

# All sixteen but RSP, and some of the vector registers, hold numbers that the handler changes and gives back.
registers:
        movl    $TICKS, ticks(%rip)
        movl    $SEL_CODE, want_cs(%rip)
        movl    $SEL_DATA, want_ss(%rip)
        movl    $0, lost(%rip)
        .irp    r, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
        movabs  $0x0123456789ABCDEF, %\r
        .endr
        movq    %rax, %xmm0
        movq    %rax, %xmm15
        movl    $-1, trap_vector(%rip)
        movq    $2f, trap_resume(%rip)
        movq    $1f, trap_base(%rip)
        mov     %rsp, trap_rsp(%rip)
        sti
1:      .irp    r, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
        cmp     %\r, %rax
        jne     3f
        .endr
        cmpl    $0, ticks(%rip)
        jne     1b
        cli
        movq    %xmm0, %rbx
        movq    %xmm15, %rcx
        xor     %rax, %rbx
        xor     %rax, %rcx
        or      %rcx, %rbx
        SHOW    "registers, difference", %rbx
        ret
2:
3:      cli
        PUTS    "a register was lost\n"
        ret

# HLT with IF: one interrupt each; STI's shadow holds it back until HLT.
idle:   movl    $TICKS, ticks(%rip)
        xor     %ebx, %ebx
1:      sti
        hlt
        cli
        inc     %ebx
        cmpl    $0, ticks(%rip)
        jne     1b
        SHOW    "HLT, times", %rbx
        ret

# CPL 3 calls, CPL 0 returns by SYSRET; IF is clear inside.
syscalls:
        WRITE_MSR MSR_STAR, 0x0018000800000000
        WRITE_MSR MSR_LSTAR, call_entry
        WRITE_MSR MSR_FMASK, 0x200
        movl    $0, cell(%rip)
        TICKING "SYSCALL", SEL_USER_CODE, SEL_USER_DATA, 64, "syscall"
        cmpl    $1000, cell(%rip)
        seta    %al
        movzx   %al, %eax
        SHOW    "  more than 1000", %rax
        ret
call_entry:
        incl    cell(%rip)
        sysretq

timer:  push    %rax
        push    %rcx
        movups  %xmm0, vector_saved(%rip)
        pxor    %xmm0, %xmm0
        mov     16(%rsp), %rax          # RIP, in the run (of CPL 0: also in "idle")
        sub     trap_base(%rip), %rax
        mov     24(%rsp), %rcx
        cmp     $SEL_CODE, %ecx
        je      1f
        cmp     $0x100, %rax
        jae     3f
        cmp     want_cs(%rip), %ecx
        jne     3f
        mov     48(%rsp), %rcx
        cmp     want_ss(%rip), %ecx
        jne     3f
        testb   $3, want_cs(%rip)       # of one level: the stack and its SS stay
        jz      2f
        mov     %ss, %ecx
        test    %ecx, %ecx
        jnz     3f
        jmp     2f
1:      mov     48(%rsp), %rcx
        cmp     $SEL_DATA, %ecx
        jne     3f
2:      lea     16(%rsp), %rcx          # five words below an aligned address
        and     $15, %ecx
        cmp     $8, %ecx
        jne     3f
        testl   $0x200, 32(%rsp)
        jz      3f
        jmp     4f
3:      incl    lost(%rip)
4:      mov     ticks(%rip), %eax
        test    %eax, %eax
        jz      5f
        decl    ticks(%rip)
5:      mov     $0x20, %al
        out     %al, $0x20
        movups  vector_saved(%rip), %xmm0
        pop     %rcx
        pop     %rax
        iretq

ticking_show:
        call    trap_show
        mov     lost(%rip), %eax
        SHOW    "  bad frames", %rax
        xor     %eax, %eax
        test    %ebx, %ebx
        setnz   %al
        SHOW    "  ran", %rax
        movl    $0, lost(%rip)
        ret

        .bss
        .balign 16
vector_saved:
        .skip   16
ticks:  .skip   4
want_cs:
        .skip   4
want_ss:
        .skip   4
lost:   .skip   4
cell:   .skip   4
