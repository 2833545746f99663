/* bt_asm.S - into the code cache and out of it. See bt_priv.h for the register convention. */
#include "translator/bt_offsets.h"

        .section bt_text, "ax", @progbits /* stop.c */

/* EFLAGS of the guest: arithmetic bits and DF from c->rflags into the host's. Clobbers RAX, RCX.
 * SAHF leaves OF alone, so OF goes first: 7Fh + 1 overflows. POPF would cost ten times as much. */
        .macro load_flags
        mov     CPU_RFLAGS(%r14), %ecx
        bt      $10, %ecx
        setc    HOT_DF(%r15)
        jnc     .Ldf\@
        std
.Ldf\@:
        bt      $11, %ecx
        setc    %al
        mov     %cl, %ah
        add     $0x7f, %al
        sahf
        .endm

        .macro load_gprs
        mov     HOT_WINDOW(%r15), %r13
        lea     JCACHE_SHIFT(%r13), %r13
        mov     (CPU_GPR + 8)(%r14), %rcx
        mov     (CPU_GPR + 16)(%r14), %rdx
        mov     (CPU_GPR + 24)(%r14), %rbx
        mov     (CPU_GPR + 32)(%r14), %r12
        mov     (CPU_GPR + 40)(%r14), %rbp
        mov     (CPU_GPR + 48)(%r14), %rsi
        mov     (CPU_GPR + 56)(%r14), %rdi
        mov     CPU_GPR(%r14), %rax
        mov     CPU_RIP(%r14), %r8 /* for landings */
        .endm

/* The guest's registers and flags into struct cpu. Clobbers RAX, RCX, RDX; DF is cleared. */
        .macro save_state
        mov     %rax, CPU_GPR(%r14)
        mov     %rcx, (CPU_GPR + 8)(%r14)
        mov     %rdx, (CPU_GPR + 16)(%r14)
        mov     %rbx, (CPU_GPR + 24)(%r14)
        mov     %r12, (CPU_GPR + 32)(%r14)
        mov     %rbp, (CPU_GPR + 40)(%r14)
        mov     %rsi, (CPU_GPR + 48)(%r14)
        mov     %rdi, (CPU_GPR + 56)(%r14)
        lahf
        seto    %al
        movzbl  %ah, %ecx
        movzbl  %al, %edx
        shl     $11, %edx
        or      %edx, %ecx
        movzbl  HOT_DF(%r15), %edx
        shl     $10, %edx
        or      %edx, %ecx
        mov     CPU_RFLAGS(%r14), %edx
        and     $~0xcd5, %edx
        or      %ecx, %edx
        mov     %edx, CPU_RFLAGS(%r14)
        cld
        .endm

/* void bt_enter(struct cpu *c, struct bt_hot *hot, const uint8_t *code) */
        .globl  bt_enter
        .type   bt_enter, @function
bt_enter:
        cmpl    $0, CPU_KICK(%rdi)
        jne     .Lkicked
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        sub     $8, %rsp
        mov     %rdi, %r14
        mov     %rsi, %r15
        mov     %rdx, %r9
        mov     %rsp, HOT_RSP(%r15)
        load_flags
        load_gprs
        jmp     *%r9
.Lkicked:
        movq    $4, HOT_EXIT_KIND(%rsi)
        ret
        .size   bt_enter, . - bt_enter

        .type   leave_cache, @function
leave_cache:
        save_state
.Lunwind:
        mov     HOT_RSP(%r15), %rsp
        add     $8, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret
        .size   leave_cache, . - leave_cache

        .globl  bt_stub_direct
        .type   bt_stub_direct, @function
bt_stub_direct:
        mov     %r8, HOT_EXIT_ARG(%r15)
        movq    $0, HOT_EXIT_KIND(%r15)
        jmp     leave_cache

        .globl  bt_stub_indirect
        .type   bt_stub_indirect, @function
bt_stub_indirect:
        mov     %r8d, %r8d              # of a key: EIP
        mov     %r8, CPU_RIP(%r14)
        movq    $1, HOT_EXIT_KIND(%r15)
        jmp     leave_cache

/* R9 = the place in the jump cache for R8 that `key` hashes to. */
        .macro probe_jcache key
        mov     %r13d, %r9d
        crc32q  \key, %r9
        shrx    %r13d, %r9d, %r9d
        lea     (%r11, %r9), %r9
        mov     CTX_TAGS(, %r9, 8), %rcx
        lea     (%rcx, %r8), %rcx
        jrcxz   .Lfound
        .endm

/* R8 = target: landing.c. No flags are touched. The context is read once: of the empty one nothing is
 * found, and so nothing written. */
        .globl  bt_stub_stray
        .type   bt_stub_stray, @function
bt_stub_stray:
        mov     %r10, %rcx
        .globl  bt_stub_lookup
        .type   bt_stub_lookup, @function
bt_stub_lookup:
        mov     %rcx, %r10
        mov     HOT_NOT_LANDED(%r15), %ecx
        lea     1(%rcx), %ecx
        mov     %ecx, HOT_NOT_LANDED(%r15)
        mov     HOT_LANDINGS(%r15), %r11
        probe_jcache %r8
        mov     %r8, %rcx
        bswap   %rcx /* its second place: ctx.c */
        probe_jcache %rcx
        mov     %r10, %rcx
        jmp     bt_stub_indirect
.Lfound:
        mov     %r10, %rcx
        mov     CTX_HOSTS(, %r9, 8), %r9
        mov     %r8w, %r11w
        mov     %r9, (, %r11, 8)
        jmp     *%r9

        .globl  bt_stub_word
        .type   bt_stub_word, @function
bt_stub_word:
        mov     %r8, CPU_RIP(%r14)
        movq    $2, HOT_EXIT_KIND(%r15)
        jmp     leave_cache

        .globl  bt_fault_exit
        .type   bt_fault_exit, @function
bt_fault_exit:
        mov     HOT_FAULT_RIP(%r15), %r8d
        mov     %r8, CPU_RIP(%r14)
        movq    $5, HOT_EXIT_KIND(%r15)
        jmp     leave_cache

/* Called from a block: R8 = struct insn, R9D = its EIP. RSP is 8 modulo 16. */
        .globl  bt_stub_callout
        .type   bt_stub_callout, @function
bt_stub_callout:
        mov     %r9, CPU_RIP(%r14)
        save_state
        mov     %r14, %rdi
        mov     %r8, %rsi
        mov     %r15, %rdx
        mov     (%rsp), %rcx
        sub     $8, %rsp
        call    bt_callout
        add     $8, %rsp
        test    %rax, %rax
        jz      .Lleave
        cmpl    $0, CPU_KICK(%r14)
        jne     .Lleave
        cmp     %rax, (%rsp)
        jne     .Lelsewhere
        load_flags
        load_gprs
        ret
.Lelsewhere:
        add     $8, %rsp
        mov     %rax, %r9
        load_flags
        load_gprs
        jmp     *%r9
        /* The return address goes with the rest of the stack. */
.Lleave:
        movq    $3, HOT_EXIT_KIND(%r15)
        jmp     .Lunwind
        .size   bt_stub_callout, . - bt_stub_callout

        .section .note.GNU-stack, "", @progbits
