/* light_asm.S - instructions of kernels that mostly change nothing, or a word at a known place: light.h.
 * Called and jumped to as callouts are, from 32-bit code with R8 = struct insn, R9 = its EIP, from 64-bit
 * code with R11 = struct bt_callout; what is not that simple becomes one. */
#include "translator/bt_offsets.h"
#include "translator/bt64_asm.inc"

        .section bt_text, "ax", @progbits /* stop.c */

#define EF_STAY 0x47100 /* TF, IOPL, NT, AC.. */

/* ---- 32-bit code: R10 = guest EAX; AH, AL = flags of the guest ---- */

        .macro begin32
        mov     %rax, %r10
        lahf
        seto    %al
        .endm

        .macro restore32
        add     $0x7f, %al
        sahf
        mov     %r10, %rax
        .endm

        .macro end32
        restore32
        ret
        .endm

        .type   as_callout32, @function
as_callout32:
        restore32
        jmp     bt_stub_callout
        .size   as_callout32, . - as_callout32

        .globl  bt_stub_clts
        .type   bt_stub_clts, @function
bt_stub_clts:
        begin32
        testb   $CR0_TS_BIT, CPU_CR0(%r14)
        jnz     as_callout32
        end32
        .size   bt_stub_clts, . - bt_stub_clts

/* hot.frame[0] = the value */
        .globl  bt_stub_mov_cr0
        .type   bt_stub_mov_cr0, @function
bt_stub_mov_cr0:
        begin32
        mov     HOT_FRAME(%r15), %r11
        cmp     CPU_CR0(%r14), %r11
        jne     as_callout32
        end32
        .size   bt_stub_mov_cr0, . - bt_stub_mov_cr0

/* hot.frame[] = limit and base */
        .macro load_table32 at
        begin32
        mov     HOT_FRAME(%r15), %r11d
        cmp     %r11w, (\at + DTABLE_LIMIT)(%r14)
        jne     as_callout32
        mov     (HOT_FRAME + 8)(%r15), %r11
        cmp     \at(%r14), %r11
        jne     as_callout32
        end32
        .endm

        .globl  bt_stub_lgdt
        .type   bt_stub_lgdt, @function
bt_stub_lgdt:
        load_table32 CPU_GDTR
        .size   bt_stub_lgdt, . - bt_stub_lgdt

        .globl  bt_stub_lidt
        .type   bt_stub_lidt, @function
bt_stub_lidt:
        load_table32 CPU_IDTR
        .size   bt_stub_lidt, . - bt_stub_lidt

/* R11 = place of the MSR in struct cpu */
        .macro find_msr32
        mov     %ecx, %r11d
        shr     $LIGHT_MSR_SHIFT, %r11d
        add     %ecx, %r11d
        and     $(LIGHT_MSRS - 1), %r11d
        lea     LIGHT_MSR(%r15, %r11, 8), %r11
        cmp     (%r11), %ecx
        jne     as_callout32
        mov     4(%r11), %r11d
        .endm

        .globl  bt_stub_rdmsr
        .type   bt_stub_rdmsr, @function
bt_stub_rdmsr:
        begin32
        find_msr32
        mov     (%r14, %r11), %rdx
        mov     %edx, %r10d
        shr     $32, %rdx
        end32
        .size   bt_stub_rdmsr, . - bt_stub_rdmsr

        .globl  bt_stub_wrmsr
        .type   bt_stub_wrmsr, @function
bt_stub_wrmsr:
        begin32
        find_msr32
        cmp     %r10d, (%r14, %r11)
        jne     as_callout32
        cmp     %edx, 4(%r14, %r11)
        jne     as_callout32
        end32
        .size   bt_stub_wrmsr, . - bt_stub_wrmsr

        .globl  bt_stub_cpuid
        .type   bt_stub_cpuid, @function
bt_stub_cpuid:
        begin32
        lea     (%r10, %rcx), %r11d
        and     $(LIGHT_CPUIDS - 1), %r11d
        lea     (%r11, %r11, 2), %r11d
        lea     LIGHT_CPUID(%r15, %r11, 8), %r11
        cmp     (%r11), %r10d
        jne     as_callout32
        cmp     4(%r11), %ecx
        jne     as_callout32
        mov     8(%r11), %r10d
        mov     12(%r11), %ebx
        mov     16(%r11), %ecx
        mov     20(%r11), %edx
        end32
        .size   bt_stub_cpuid, . - bt_stub_cpuid

        .macro end_store32
        add     $0x7f, %al
        sahf
        pop     %rdx
        pop     %rcx
        pop     %rax
        .endm

/* R10D = a linear address, R11D = what the guest stores there: done when it is there already, and the
 * guest may store it. */
        .globl  bt_stub_store
        .type   bt_stub_store, @function
bt_stub_store:
        push    %rax
        push    %rcx
        push    %rdx
        lahf
        seto    %al
        testl   $EF_AC, HOT_OTHER(%r15)
        jnz     .Lstore_other
        mov     %r10d, %ecx
        shr     $TLB_SHIFT, %ecx
        and     $TLB_MASK, %ecx
        add     CPU_MMU(%r14), %rcx
        mov     %r10, %rdx
        sub     TLB_STORE(%rcx), %rdx
        cmp     $(4096 - 4), %rdx
        ja      .Lstore_other
        mov     TLB_ADDEND(%rcx), %rcx
        cmp     %r11d, (%r10, %rcx)
        jne     .Lstore_other
        end_store32
        ret
.Lstore_other:
        end_store32
        jmp     bt_stub_callout
        .size   bt_stub_store, . - bt_stub_store

/* ---- 64-bit code: bt64_asm.inc ---- */

#define HOME_RSI (HOT_HOME + 48)

        .type   done64, @function
done64:
        end64
        jmp     *SITE_RESUME(%r11)
        .size   done64, . - done64

        .globl  bt64_stub_clts
        .type   bt64_stub_clts, @function
bt64_stub_clts:
        begin64
        testb   $CR0_TS_BIT, CPU_CR0(%r10)
        jnz     bt64_as_callout
        jmp     done64
        .size   bt64_stub_clts, . - bt64_stub_clts

        .globl  bt64_stub_mov_cr0
        .type   bt64_stub_mov_cr0, @function
bt64_stub_mov_cr0:
        begin64
        mov     %gs:HOT_FRAME, %rcx
        cmp     CPU_CR0(%r10), %rcx
        jne     bt64_as_callout
        jmp     done64
        .size   bt64_stub_mov_cr0, . - bt64_stub_mov_cr0

        .macro load_table64 at
        begin64
        mov     %gs:HOT_FRAME, %ecx
        cmp     %cx, (\at + DTABLE_LIMIT)(%r10)
        jne     bt64_as_callout
        mov     %gs:(HOT_FRAME + 8), %rcx
        cmp     \at(%r10), %rcx
        jne     bt64_as_callout
        jmp     done64
        .endm

        .globl  bt64_stub_lgdt
        .type   bt64_stub_lgdt, @function
bt64_stub_lgdt:
        load_table64 CPU_GDTR
        .size   bt64_stub_lgdt, . - bt64_stub_lgdt

        .globl  bt64_stub_lidt
        .type   bt64_stub_lidt, @function
bt64_stub_lidt:
        load_table64 CPU_IDTR
        .size   bt64_stub_lidt, . - bt64_stub_lidt

/* RDX = place of the MSR in struct cpu */
        .macro find_msr64 otherwise
        mov     %ecx, %edx
        shr     $LIGHT_MSR_SHIFT, %edx
        add     %ecx, %edx
        and     $(LIGHT_MSRS - 1), %edx
        cmp     %gs:LIGHT_MSR(, %rdx, 8), %ecx
        jne     \otherwise
        mov     %gs:(LIGHT_MSR + 4)(, %rdx, 8), %edx
        .endm

        .globl  bt64_stub_rdmsr
        .type   bt64_stub_rdmsr, @function
bt64_stub_rdmsr:
        begin64
        find_msr64 bt64_as_callout
        mov     (%r10, %rdx), %rdx
        mov     %edx, %r10d
        shr     $32, %rdx
        add     $0x7f, %al
        sahf
        mov     %r10, %rax
        jmp     *SITE_RESUME(%r11)
        .size   bt64_stub_rdmsr, . - bt64_stub_rdmsr

/* What is there already, and bases: of FS and GS, when these are not usable as segments, so that nothing
 * but the base counts. RSI = the value. */
        .globl  bt64_stub_wrmsr
        .type   bt64_stub_wrmsr, @function
bt64_stub_wrmsr:
        begin64
        mov     %rsi, %gs:HOME_RSI
        shl     $32, %rdx
        mov     %gs:HOME_RAX, %esi
        or      %rdx, %rsi
        find_msr64 .Lother
        cmp     %rsi, (%r10, %rdx)
        je      .Lwritten
        mov     %rsi, %rcx
        shl     $16, %rcx
        sar     $16, %rcx
        cmp     %rsi, %rcx
        jne     .Lother
        cmp     $CPU_KGS, %edx
        je      .Lplain
        sub     $(CPU_SEG + 24 * 4 + SEG_BASE), %edx
        test    $~24, %edx
        jnz     .Lother
        cmpb    $0, (CPU_SEG + 24 * 4 + SEG_USABLE)(%r10, %rdx)
        jne     .Lother
.Lset_base:
        mov     %rsi, (CPU_SEG + 24 * 4 + SEG_BASE)(%r10, %rdx)
        and     $8, %edx
        mov     %rsi, %gs:(HOT_SEGLIN + 32)(%rdx)
        rorx    $32, %rsi, %rcx
        movzwl  %cx, %ecx
        mov     %gs:0x10000(, %rcx, 8), %rcx
        add     %rsi, %rcx
        mov     %rcx, %gs:(HOT_SEGHOST + 32)(%rdx)
.Lwritten:
        mov     %gs:HOME_RSI, %rsi
        jmp     done64
.Lplain:
        mov     %rsi, (%r10, %rdx)
        jmp     .Lwritten
.Lother:
        mov     %gs:HOME_RSI, %rsi
        jmp     bt64_as_callout
        .size   bt64_stub_wrmsr, . - bt64_stub_wrmsr

/* hot.frame[0] = the base of segment 4 + at / 24 */
        .macro write_base at
        begin64
        mov     %gs:HOT_FRAME, %rdx
        mov     %rdx, %rcx
        shl     $16, %rcx
        sar     $16, %rcx
        cmp     %rdx, %rcx
        jne     bt64_as_callout
        cmpb    $0, (CPU_SEG + 24 * 4 + SEG_USABLE + \at)(%r10)
        jne     bt64_as_callout
        mov     %rsi, %gs:HOME_RSI
        mov     %rdx, %rsi
        mov     $\at, %edx
        jmp     .Lset_base
        .endm

        .globl  bt64_stub_wrfsbase
        .type   bt64_stub_wrfsbase, @function
bt64_stub_wrfsbase:
        write_base 0
        .size   bt64_stub_wrfsbase, . - bt64_stub_wrfsbase

        .globl  bt64_stub_wrgsbase
        .type   bt64_stub_wrgsbase, @function
bt64_stub_wrgsbase:
        write_base 24
        .size   bt64_stub_wrgsbase, . - bt64_stub_wrgsbase

        .globl  bt64_stub_cpuid
        .type   bt64_stub_cpuid, @function
bt64_stub_cpuid:
        begin64
        mov     %gs:HOME_RAX, %r10d
        lea     (%r10, %rcx), %edx
        and     $(LIGHT_CPUIDS - 1), %edx
        lea     (%rdx, %rdx, 2), %edx
        cmp     %gs:LIGHT_CPUID(, %rdx, 8), %r10d
        jne     bt64_as_callout
        cmp     %gs:(LIGHT_CPUID + 4)(, %rdx, 8), %ecx
        jne     bt64_as_callout
        mov     %gs:(LIGHT_CPUID + 8)(, %rdx, 8), %r10d
        mov     %gs:(LIGHT_CPUID + 12)(, %rdx, 8), %ebx
        mov     %gs:(LIGHT_CPUID + 16)(, %rdx, 8), %ecx
        mov     %gs:(LIGHT_CPUID + 20)(, %rdx, 8), %edx
        restore32
        jmp     *SITE_RESUME(%r11)
        .size   bt64_stub_cpuid, . - bt64_stub_cpuid

/* hot.frame[] = linear address, and the eight bytes that the guest stores there: as bt_stub_store; done,
 * too, when nobody watches the page any more, or not yet. */
        .globl  bt64_stub_store
        .type   bt64_stub_store, @function
bt64_stub_store:
        begin64
        testl   $EF_AC, %gs:HOT_OTHER
        jnz     bt64_as_callout
        mov     %gs:HOT_FRAME, %rcx
        mov     %ecx, %edx
        shr     $TLB_SHIFT, %edx
        and     $TLB_MASK, %edx
        add     CPU_MMU(%r10), %rdx
        mov     %rcx, %r10
        sub     TLB_WRITE(%rdx), %r10
        cmp     $(4096 - 8), %r10
        ja      .Lwatched
        add     TLB_ADDEND(%rdx), %rcx
        mov     %gs:(HOT_FRAME + 8), %rdx
        mov     %rdx, (%rcx)
        incq    SITE_DONE(%r11)
        jmp     done64
.Lwatched:
        mov     %rcx, %r10
        sub     TLB_STORE(%rdx), %r10
        cmp     $(4096 - 8), %r10
        ja      bt64_as_callout
        add     TLB_ADDEND(%rdx), %rcx
        mov     %gs:(HOT_FRAME + 8), %rdx
        cmp     %rdx, (%rcx)
        jne     bt64_as_callout
        jmp     done64
        .size   bt64_stub_store, . - bt64_stub_store

/* hot.frame[0] = what POPFQ takes from the stack. Only IF, DF and the arithmetic flags may change, and no
 * interrupt be let in. */
        .globl  bt64_stub_popf
        .type   bt64_stub_popf, @function
bt64_stub_popf:
        begin64
        mov     %gs:HOT_FRAME, %ecx
        mov     %gs:HOT_OTHER, %edx
        xor     %ecx, %edx
        test    $(EF_STAY | EF_ID), %edx
        jnz     bt64_as_callout
        movzbl  CPU_INTR(%r10), %edx
        shl     $9, %edx
        test    %ecx, %edx
        jnz     bt64_as_callout
        bt      $9, %ecx
        setc    CPU_IFLAG(%r10)
        cld
        bt      $10, %ecx
        setc    %gs:HOT_DF
        jnc     .Lup
        std
.Lup:   lea     8(%rsp), %rsp
        bt      $11, %ecx
        setc    %al
        mov     %cl, %ah
        jmp     done64
        .size   bt64_stub_popf, . - bt64_stub_popf

/* MOV to ES, DS, FS, GS: hot.frame[] = selector and descriptor. RDX = 24 * segment register, RSI = what is
 * remembered. */
        .globl  bt64_stub_load_seg
        .type   bt64_stub_load_seg, @function
bt64_stub_load_seg:
        begin64
        mov     %rsi, %gs:HOME_RSI
        movzbl  (SITE_INSN + INSN_SEG)(%r11), %edx
        mov     %gs:HOT_FRAME, %ecx
        mov     %ecx, %esi
        shr     $3, %esi
        and     $(SEGLOADS - 1), %esi
        lea     (%rsi, %rdx, SEGLOADS), %esi
        imul    $SEGLOAD_BYTES, %esi, %esi
        cmp     %gs:(HOT_SEGLOAD + SEGLOAD_SEL)(%rsi), %ecx
        jne     .Lload_other
        cmp     $3, %ecx
        jbe     .Lload_null
        mov     %gs:(HOT_FRAME + 8), %rcx
        cmp     %gs:(HOT_SEGLOAD + SEGLOAD_DESCRIPTOR)(%rsi), %rcx
        jne     .Lload_other
        shr     $45, %rcx /* DPL */
        and     $3, %ecx
        cmp     $3, %ecx
        je      1f
        andb    $~WAY_IRET_OUT, %gs:HOT_WAYS
1:      mov     %gs:HOT_FRAME, %ecx
        mov     %ecx, %gs:HOT_SEL(, %rdx, 4)
        lea     (%rdx, %rdx, 2), %edx
        shl     $3, %edx
        mov     %gs:(HOT_SEGLOAD + SEGLOAD_SEG)(%rsi), %rcx
        mov     %rcx, CPU_SEG(%r10, %rdx)
        mov     %gs:(HOT_SEGLOAD + SEGLOAD_SEG + SEG_USABLE)(%rsi), %rcx
        mov     %rcx, (CPU_SEG + SEG_USABLE)(%r10, %rdx)
        mov     %gs:(HOT_SEGLOAD + SEGLOAD_SEG + SEG_BASE)(%rsi), %rcx
.Lload_base:
        mov     %rcx, (CPU_SEG + SEG_BASE)(%r10, %rdx)
        sub     $(24 * 4), %edx
        jb      .Lloaded /* ES, DS */
        and     $8, %edx
        mov     %rcx, %gs:(HOT_SEGLIN + 32)(%rdx)
        rorx    $32, %rcx, %rsi
        movzwl  %si, %esi
        add     %gs:0x10000(, %rsi, 8), %rcx
        mov     %rcx, %gs:(HOT_SEGHOST + 32)(%rdx)
.Lloaded:
        mov     %gs:HOME_RSI, %rsi
        jmp     done64
/* The limit stays: seg_set_null(). One of RPL 0 only: cross64.c. */
.Lload_null:
        test    %ecx, %ecx
        jnz     .Lload_other
        movl    $0, %gs:HOT_SEL(, %rdx, 4)
        lea     (%rdx, %rdx, 2), %edx
        shl     $3, %edx
        mov     %ecx, CPU_SEG(%r10, %rdx)
        mov     %cx, (CPU_SEG + SEG_USABLE)(%r10, %rdx)
        jmp     .Lload_base
.Lload_other:
        mov     %gs:HOME_RSI, %rsi
        jmp     bt64_as_callout
        .size   bt64_stub_load_seg, . - bt64_stub_load_seg

        .section .note.GNU-stack, "", @progbits
