/* bt64_asm.S - into the code cache and out of it, for 64-bit code. See lower64.h for the registers.
 * Everything of the monitor's is reached through GS: RSP is the guest's until we say otherwise. */
#include "translator/bt_offsets.h"
#include "translator/bt64_asm.inc"

        .section bt_text, "ax", @progbits /* stop.c */

/* Arithmetic flags from ECX into the host's. Clobbers RAX. SAHF leaves OF alone, so OF goes first:
 * 7Fh + 1 overflows. */
        .macro arith_flags
        bt      $11, %ecx
        setc    %al
        mov     %cl, %ah
        add     $0x7f, %al
        sahf
        .endm

/* RFLAGS of the guest: arithmetic bits and DF from c->rflags (R10 = c) into the host's. Clobbers RAX,
 * RCX. */
        .macro load_flags
        mov     CPU_RFLAGS(%r10), %ecx
        bt      $10, %ecx
        setc    %gs:HOT_DF
        jnc     .Ldf\@
        std
.Ldf\@:
        arith_flags
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

/* To hot.exit_arg, from R10 = struct cpu; R11 = RIP, as landings want it. */
        .macro go_in
        load_flags
        load_gprs
        mov     CPU_RIP(%r10), %r11
        jmp     *%gs:HOT_EXIT_ARG
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
        cmpl    $0, CPU_KICK(%rdi)
        jne     .Lkicked
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        sub     $8, %rsp
        mov     %rsp, HOT_RSP(%rsi)
        mov     %rdx, HOT_EXIT_ARG(%rsi)
        mov     %rdi, %r10
        go_in
.Lkicked:
        movq    $4, HOT_EXIT_KIND(%rsi)
        ret
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

/* R10 = the place in the jump cache for R11 that `key` hashes to. */
        .macro probe_jcache key
        mov     $JCACHE_SHIFT, %r10d
        crc32q  \key, %r10
        mov     $JCACHE_SHIFT, %ecx
        shrx    %ecx, %r10d, %r10d
        lea     (%rdx, %r10), %r10
        mov     CTX_TAGS(, %r10, 8), %rcx
        lea     (%rcx, %r11), %rcx
        jrcxz   .Lfound
        .endm

/* R11 = target: landing.c. No flags are touched. The context is read once: of the empty one nothing is
 * found, and so nothing written. */
        .globl  bt64_stub_stray
        .type   bt64_stub_stray, @function
bt64_stub_stray:
        mov     %r10, %rcx
        .globl  bt64_stub_lookup
        .type   bt64_stub_lookup, @function
bt64_stub_lookup:
        mov     %rcx, %gs:HOME_RCX
        mov     %rdx, %gs:HOME_RDX
        mov     %gs:HOT_NOT_LANDED, %ecx
        lea     1(%rcx), %ecx
        mov     %ecx, %gs:HOT_NOT_LANDED
        mov     %gs:HOT_LANDINGS, %rdx
        probe_jcache %r11
        mov     %r11, %rcx
        bswap   %rcx /* its second place: ctx.c */
        probe_jcache %rcx
        mov     %gs:HOME_RCX, %rcx
        mov     %gs:HOME_RDX, %rdx
        mov     %gs:HOT_CPU, %r10
        mov     %r11, CPU_RIP(%r10)
        movq    $1, %gs:HOT_EXIT_KIND
        jmp     leave_cache
.Lfound:
        mov     CTX_HOSTS(, %r10, 8), %r10
        mov     %r11w, %dx
        mov     %r10, (, %rdx, 8)
        mov     %gs:HOME_RCX, %rcx
        mov     %gs:HOME_RDX, %rdx
        jmp     *%r10

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
        mov     %rax, %gs:HOT_EXIT_ARG
        mov     %gs:HOT_CPU, %r10
        cmpl    $0, CPU_KICK(%r10)
        jne     .Lleave
        go_in
.Lleave:
        movq    $3, %gs:HOT_EXIT_KIND
        jmp     .Lunwind
        .size   bt64_stub_callout, . - bt64_stub_callout


/* ---- changes of privilege level that stay in the cache: cross64.c ----
 *
 * As callouts these have R11 = struct bt_callout and the guest's registers in place; what does not
 * find everything ready becomes one. RAX, RCX and RDX wait in hot.home[]. RF, which IRET loads after
 * every fault, counts until the next instruction only: see enter() in bt.c. */

#define HOME_R11 (HOT_HOME + 88)

#define EF_ARITH    0x8d5
#define EF_FIXED    0x2
#define EF_DF       0x400
#define EF_NT       0x4000
#define EF_RF       0x10000
#define EF_SETTABLE 0x3f4fd5 /* all but IF, RF and VM, and what is reserved */
#define EF_SPECIAL  0x1c7500 /* TF, DF, IOPL, NT, AC, VIF, VIP: for others to think about */

        .macro unless_ready way
        testb   $\way, %gs:HOT_WAYS
        jz      bt64_as_callout
        cmpb    $0, %gs:HOT_DF
        jne     bt64_as_callout
        .endm

        .macro if_not_canonical reg, tmp, label
        mov     \reg, \tmp
        shl     $16, \tmp
        sar     $16, \tmp
        cmp     \reg, \tmp
        jne     \label
        .endm

/* dst = table entry for the linear address in src */
        .macro delta src, dst, dst32, dst16
        rorx    $32, \src, \dst
        movzwl  \dst16, \dst32
        mov     %gs:0x10000(, \dst, 8), \dst
        .endm

/* The translated base of segment s, in the table of now. */
        .macro translate_base s
        mov     %gs:(HOT_SEGLIN + \s * 8), %rdx
        delta   %rdx, %rax, %eax, %ax
        add     %rdx, %rax
        mov     %rax, %gs:(HOT_SEGHOST + \s * 8)
        .endm

        .globl  bt64_as_callout
        .hidden bt64_as_callout
        .type   bt64_as_callout, @function
bt64_as_callout:
        end64
        jmp     bt64_stub_callout
        .size   bt64_as_callout, . - bt64_as_callout

/* To the other level, or the same, with CS and SS (6 words) or CS: ECX = RFLAGS, RDX = RSP, R11 =
 * RIP. All was checked. The XCHG is a fence: a kick that came before it is seen, one that comes after it replaces the context. */
        .macro cross level, cpl, words
        .set    copied, 0
        .rept   \words
        mov     %gs:(\level + LEVEL_CS + copied), %rax
        mov     %rax, (CPU_SEG + 24 + copied)(%r10)
        .set    copied, copied + 8
        .endr
        mov     %gs:(\level + LEVEL_SEL), %eax
        mov     %eax, %gs:(HOT_SEL + 4)
        .if     \words > 3
        mov     %gs:(\level + LEVEL_SEL + 4), %eax
        mov     %eax, %gs:(HOT_SEL + 8)
        .endif
        mov     %gs:(\level + LEVEL_MODE), %eax
        mov     %eax, CPU_MODE(%r10)
        movb    $\cpl, CPU_CPL(%r10)
        mov     %gs:(\level + LEVEL_BLOCK), %rax
        mov     %rax, %gs:HOT_WINDOW
        wrgsbase %rax
        mov     %gs:(\level + LEVEL_CTX), %rax
        shr     $3, %rax
        mov     %rax, %gs:HOT_LANDINGS
        shl     $3, %rax
        xchg    %rax, %gs:HOT_CTX
        jmp     crossed
        .endm

        .type   crossed, @function
crossed:
        incq    %gs:HOT_CROSSINGS
        delta   %rdx, %rax, %eax, %ax
        lea     (%rdx, %rax), %rsp
        not     %rax
        mov     %rax, %gs:HOT_RSP_NOT
        translate_base 4
        translate_base 5
        mov     %ecx, %eax
        and     $~EF_IF, %eax
        mov     %eax, CPU_RFLAGS(%r10)
        and     $~(EF_ARITH | EF_RF), %eax
        mov     %eax, %gs:HOT_OTHER
        bt      $9, %ecx
        setc    CPU_IFLAG(%r10)
        movzbl  CPU_INTR(%r10), %eax
        and     CPU_IFLAG(%r10), %al
        or      CPU_KICK(%r10), %eax
        jnz     .Lout
        mov     $JCACHE_SHIFT, %edx
        mov     %edx, %eax
        crc32q  %r11, %rax
        shrx    %edx, %eax, %eax
        mov     %gs:HOT_CTX, %rdx
        lea     (%rdx, %rax, 8), %rdx
        mov     CTX_TAGS(%rdx), %rax
        add     %r11, %rax
        jnz     .Lout
        andl    $~EF_RF, CPU_RFLAGS(%r10)
        mov     CTX_HOSTS(%rdx), %r10
        arith_flags
        mov     %gs:HOME_RAX, %rax
        mov     %gs:HOME_RCX, %rcx
        mov     %gs:HOME_RDX, %rdx
        jmp     *%r10
/* Somebody wants the CPU, or the context does not know the way: at a boundary of instructions. */
.Lout:
        mov     %r11, CPU_RIP(%r10)
        movq    $1, %gs:HOT_EXIT_KIND
        arith_flags
        mov     %gs:HOME_RAX, %rax
        mov     %gs:HOME_RCX, %rcx
        mov     %gs:HOME_RDX, %rdx
        jmp     leave_cache
        .size   crossed, . - crossed

to_level0:
        cross   HOT_LEVEL0, 0, 6
to_level0_same_ss:
        cross   HOT_LEVEL0, 0, 3
to_level3:
        cross   HOT_LEVEL3, 3, 6

/* RDX = the guest's RSP, which stays */
        .macro same_rsp
        mov     %gs:HOT_RSP_NOT, %rdx
        lea     1(%rsp, %rdx), %rdx
        .endm

        .globl  bt64_stub_syscall
        .type   bt64_stub_syscall, @function
bt64_stub_syscall:
        begin64
        unless_ready WAY_FAST_CALL
        movzbl  %ah, %edx
        movzbl  %al, %ecx
        shl     $11, %ecx
        or      %ecx, %edx
        movzbl  CPU_IFLAG(%r10), %ecx
        shl     $9, %ecx
        or      %ecx, %edx
        mov     CPU_RFLAGS(%r10), %ecx
        and     $~(EF_ARITH | EF_DF), %ecx
        or      %ecx, %edx
        mov     CPU_FMASK(%r10), %ecx
        not     %ecx
        and     %edx, %ecx
        and     $(EF_SETTABLE | EF_IF), %ecx
        or      $EF_FIXED, %ecx
        test    $EF_AC, %ecx /* CR4.SMAP: other memory */
        jnz     bt64_as_callout
        mov     %rdx, %gs:HOME_R11
        mov     SITE_NEXT(%r11), %rdx
        mov     %rdx, %gs:HOME_RCX
        mov     CPU_LSTAR(%r10), %r11
        same_rsp
        jmp     to_level0
        .size   bt64_stub_syscall, . - bt64_stub_syscall

        .globl  bt64_stub_sysret
        .type   bt64_stub_sysret, @function
bt64_stub_sysret:
        begin64
        unless_ready WAY_FAST_CALL
        testl   $EF_SPECIAL, %gs:HOME_R11
        jnz     bt64_as_callout
        if_not_canonical %rcx, %rdx, bt64_as_callout
        mov     %rcx, %r11
        mov     %gs:HOME_R11, %ecx
        and     $(EF_ARITH | EF_IF | EF_ID), %ecx
        or      $EF_FIXED, %ecx
        same_rsp
        jmp     to_level3
        .size   bt64_stub_sysret, . - bt64_stub_sysret

/* The block has put the frame and the descriptors into the hot structure. Flat ones only, as SYSCALL
 * and SYSRET make them: L or D/B, DPL, accessed. */
        .macro same_descriptor which, bytes
        mov     $\bytes, %rdx
        cmp     %gs:(HOT_DESC + \which * 8), %rdx
        jne     bt64_as_callout
        .endm

        .macro returning
        mov     %gs:HOT_FRAME, %r11
        mov     %gs:(HOT_FRAME + 16), %ecx
        or      $EF_FIXED, %ecx
        mov     %gs:(HOT_FRAME + 24), %rdx
        .endm

        .globl  bt64_stub_iret
        .type   bt64_stub_iret, @function
bt64_stub_iret:
        begin64
        cmpb    $0, %gs:HOT_DF
        jne     bt64_as_callout
        testl   $EF_NT, CPU_RFLAGS(%r10)
        jnz     bt64_as_callout
        cmpb    $0, CPU_NMIBLK(%r10)
        jne     bt64_as_callout
        testl   $~(EF_ARITH | EF_FIXED | EF_IF | EF_RF | EF_ID), %gs:(HOT_FRAME + 16)
        jnz     bt64_as_callout
        mov     %gs:HOT_FRAME, %rcx
        if_not_canonical %rcx, %rdx, bt64_as_callout
        movzwl  %gs:(HOT_FRAME + 8), %ecx
        movzwl  %gs:(HOT_FRAME + 32), %edx
        cmp     %gs:(HOT_LEVEL3 + LEVEL_SEL), %ecx
        jne     .Lsame
        testb   $WAY_IRET_OUT, %gs:HOT_WAYS
        jz      bt64_as_callout
        cmp     %gs:(HOT_LEVEL3 + LEVEL_SEL + 4), %edx
        jne     bt64_as_callout
        same_descriptor 2, 0x00affb000000ffff
        same_descriptor 3, 0x00cff3000000ffff
        returning
        jmp     to_level3
.Lsame:
        testb   $WAY_IRET_SAME, %gs:HOT_WAYS
        jz      bt64_as_callout
        cmp     %gs:(HOT_LEVEL0 + LEVEL_SEL), %ecx
        jne     bt64_as_callout
        same_descriptor 0, 0x00af9b000000ffff
        movzwl  %gs:(HOT_FRAME + 32), %edx
        test    %edx, %edx
        jz      .Lnull
        cmp     %gs:(HOT_LEVEL0 + LEVEL_SEL + 4), %edx
        jne     bt64_as_callout
        same_descriptor 1, 0x00cf93000000ffff
        returning
        jmp     to_level0
/* Gates leave a null SS at CPL 0 (SDM 3A 6.14.2); what was interrupted has it still. */
.Lnull:
        cmpb    $0, (CPU_SEG + 48 + SEG_USABLE)(%r10)
        jne     bt64_as_callout
        cmpw    $0, (CPU_SEG + 48)(%r10)
        jne     bt64_as_callout
        returning
        jmp     to_level0_same_ss
        .size   bt64_stub_iret, . - bt64_stub_iret

/* Of a GS that is not usable as a segment, as kernels have it: nothing but the base counts then. No
 * flags are touched. */
        .globl  bt64_stub_swapgs
        .type   bt64_stub_swapgs, @function
bt64_stub_swapgs:
        mov     %rcx, %gs:HOME_RCX
        mov     %gs:HOT_CPU, %r10
        movzbl  (CPU_SEG + 24 * 5 + SEG_USABLE)(%r10), %ecx
        jrcxz   .Lbase_only
        mov     %gs:HOME_RCX, %rcx
        jmp     bt64_stub_callout
.Lbase_only:
        mov     %rdx, %gs:HOME_RDX
        mov     CPU_KGS(%r10), %rcx
        mov     (CPU_SEG + 24 * 5 + SEG_BASE)(%r10), %rdx
        mov     %rcx, (CPU_SEG + 24 * 5 + SEG_BASE)(%r10)
        mov     %rdx, CPU_KGS(%r10)
        mov     %rcx, %gs:(HOT_SEGLIN + 40)
        delta   %rcx, %rdx, %edx, %dx
        lea     (%rcx, %rdx), %rdx
        mov     %rdx, %gs:(HOT_SEGHOST + 40)
        mov     %gs:HOME_RCX, %rcx
        mov     %gs:HOME_RDX, %rdx
        jmp     *SITE_RESUME(%r11)
        .size   bt64_stub_swapgs, . - bt64_stub_swapgs

        .section .note.GNU-stack, "", @progbits
