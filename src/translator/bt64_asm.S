/* bt64_asm.S - into the code cache and out of it, for 64-bit code. See lower64.h for the registers.
 * Everything of the monitor's is reached through GS: RSP is the guest's until we say otherwise. */
#include "translator/bt_offsets.h"

        .text

/* RFLAGS of the guest: arithmetic bits and DF from c->rflags (R10 = c) into the host's. Clobbers RAX,
 * RCX. SAHF leaves OF alone, so OF goes first: 7Fh + 1 overflows. */
        .macro load_flags
        mov     CPU_RFLAGS(%r10), %ecx
        bt      $10, %ecx
        setc    %gs:HOT_DF
        jnc     .Ldf\@
        std
.Ldf\@:
        bt      $11, %ecx
        setc    %al
        mov     %cl, %ah
        add     $0x7f, %al
        sahf
        .endm

/* From R10 = struct cpu; R10 and R11 stay the monitor's. */
        .macro load_gprs
        mov     (CPU_GPR + 8)(%r10), %rcx
        mov     (CPU_GPR + 16)(%r10), %rdx
        mov     (CPU_GPR + 24)(%r10), %rbx
        mov     (CPU_GPR + 40)(%r10), %rbp
        mov     (CPU_GPR + 48)(%r10), %rsi
        mov     (CPU_GPR + 56)(%r10), %rdi
        mov     (CPU_GPR + 64)(%r10), %r8
        mov     (CPU_GPR + 72)(%r10), %r9
        mov     (CPU_GPR + 96)(%r10), %r12
        mov     (CPU_GPR + 104)(%r10), %r13
        mov     (CPU_GPR + 112)(%r10), %r14
        mov     (CPU_GPR + 120)(%r10), %r15
        mov     CPU_GPR(%r10), %rax
        mov     %gs:HOT_GRSP, %rsp
        .endm

/* The guest's registers and flags into struct cpu; RSP becomes the monitor's. Clobbers all but the
 * stack; R10 = struct cpu, DF is cleared. */
        .macro save_state
        mov     %gs:HOT_CPU, %r10
        mov     %rax, CPU_GPR(%r10)
        mov     %rcx, (CPU_GPR + 8)(%r10)
        mov     %rdx, (CPU_GPR + 16)(%r10)
        mov     %rbx, (CPU_GPR + 24)(%r10)
        mov     %rbp, (CPU_GPR + 40)(%r10)
        mov     %rsi, (CPU_GPR + 48)(%r10)
        mov     %rdi, (CPU_GPR + 56)(%r10)
        mov     %r8, (CPU_GPR + 64)(%r10)
        mov     %r9, (CPU_GPR + 72)(%r10)
        mov     %r12, (CPU_GPR + 96)(%r10)
        mov     %r13, (CPU_GPR + 104)(%r10)
        mov     %r14, (CPU_GPR + 112)(%r10)
        mov     %r15, (CPU_GPR + 120)(%r10)
        lahf
        seto    %al
        lea     1(%rsp), %rcx
        mov     %gs:HOT_RSP, %rsp
        add     %gs:HOT_RSP_NOT, %rcx
        mov     %rcx, (CPU_GPR + 32)(%r10)
        mov     %gs:(HOT_HOME + 80), %rcx
        mov     %rcx, (CPU_GPR + 80)(%r10)
        mov     %gs:(HOT_HOME + 88), %rcx
        mov     %rcx, (CPU_GPR + 88)(%r10)
        movzbl  %ah, %ecx
        movzbl  %al, %edx
        shl     $11, %edx
        or      %edx, %ecx
        movzbl  %gs:HOT_DF, %edx
        shl     $10, %edx
        or      %edx, %ecx
        mov     CPU_RFLAGS(%r10), %edx
        and     $~0xcd5, %edx
        or      %ecx, %edx
        mov     %edx, CPU_RFLAGS(%r10)
        cld
        .endm

/* void bt64_enter(struct cpu *c, struct bt_hot *hot, const uint8_t *code) */
        .globl  bt64_enter
        .type   bt64_enter, @function
bt64_enter:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        sub     $8, %rsp
        mov     %rsp, HOT_RSP(%rsi)
        mov     %rdi, %r10
        mov     %rdx, %r11
        load_flags
        load_gprs
        jmp     *%r11
        .size   bt64_enter, . - bt64_enter

        .type   leave_cache, @function
leave_cache:
        save_state
.Lunwind:
        add     $8, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret
        .size   leave_cache, . - leave_cache

        .globl  bt64_stub_direct
        .type   bt64_stub_direct, @function
bt64_stub_direct:
        mov     %r11, %gs:HOT_EXIT_ARG
        movq    $0, %gs:HOT_EXIT_KIND
        jmp     leave_cache

        .globl  bt64_stub_indirect
        .type   bt64_stub_indirect, @function
bt64_stub_indirect:
        mov     %r10, %gs:HOT_FAULT_RIP
        mov     %gs:HOT_CPU, %r10
        mov     %r11, CPU_RIP(%r10)
        movq    $1, %gs:HOT_EXIT_KIND
        jmp     leave_cache

        .globl  bt64_stub_word
        .type   bt64_stub_word, @function
bt64_stub_word:
        mov     %gs:HOT_CPU, %r10
        mov     %r11, CPU_RIP(%r10)
        movq    $2, %gs:HOT_EXIT_KIND
        jmp     leave_cache

        .globl  bt64_fault_exit
        .type   bt64_fault_exit, @function
bt64_fault_exit:
        mov     %gs:HOT_CPU, %r10
        mov     %gs:HOT_FAULT_RIP, %r11
        mov     %r11, CPU_RIP(%r10)
        movq    $5, %gs:HOT_EXIT_KIND
        jmp     leave_cache

/* Jumped to from a block: R11 = struct bt_callout, whose member `resume` is where to go on. The
 * monitor's RSP is 16-byte aligned. */
        .globl  bt64_stub_callout
        .type   bt64_stub_callout, @function
bt64_stub_callout:
        mov     %r11, %gs:HOT_SITE
        save_state
        mov     %gs:HOT_ENGINE, %rdi
        call    bt64_callout
        test    %rax, %rax
        jz      .Lleave
        mov     %rax, %r11
        mov     %gs:HOT_CPU, %r10
        load_flags
        load_gprs
        jmp     *%r11
.Lleave:
        movq    $3, %gs:HOT_EXIT_KIND
        jmp     .Lunwind
        .size   bt64_stub_callout, . - bt64_stub_callout

        .section .note.GNU-stack, "", @progbits
