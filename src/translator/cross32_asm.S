/* cross32_asm.S - what 32-bit code does to privilege levels and segment registers without leaving the
 * cache: cross32.c. All are called as callouts are, with R8 = struct insn, R9 = its EIP; what does not
 * find everything ready becomes one. See bt_priv.h for the registers. */
#include "translator/bt_offsets.h"

        .section bt_text, "ax", @progbits /* stop.c */

#define EF_ARITH   0x8d5
#define EF_FIXED   0x2
#define EF_IF      0x200
#define EF_NT      0x4000
#define EF_RF      0x10000
#define EF_ID      0x200000
#define EF_IOPL_AC 0x43000
#define POISON     0x10000000000 /* bt.c */

/* R10 = guest EAX; AH, AL = flags of the guest. */
        .macro begin_crossing way
        mov     %rax, %r10
        lahf
        seto    %al
        testb   $\way, HOT_WAYS(%r15)
        jz      as_callout
        .endm

        .type   as_callout, @function
as_callout:
        add     $0x7f, %al
        sahf
        mov     %r10, %rax
        jmp     bt_stub_callout
        .size   as_callout, . - as_callout

/* FS and GS move to the window R11, unless they have none. */
        .macro move_window s
        mov     (HOT_SEGWIN + \s * 8)(%r15), %rcx
        cmp     %r12, %rcx
        cmovne  %r11, %rcx
        mov     %rcx, (HOT_SEGWIN + \s * 8)(%r15)
        .endm

/* CS and SS, which lie together; all was checked. RCX is pushed. */
        .macro cross level, cpl
        push    %rcx
        .set    copied, 0
        .rept   6
        mov     (\level + LEVEL_CS + copied)(%r15), %rcx
        mov     %rcx, (CPU_SEG + 24 + copied)(%r14)
        .set    copied, copied + 8
        .endr
        mov     (\level + LEVEL_SEL)(%r15), %rcx
        mov     %rcx, (HOT_SEL + 4)(%r15)
        mov     (\level + LEVEL_MODE)(%r15), %ecx
        mov     %ecx, CPU_MODE(%r14)
        movb    $\cpl, CPU_CPL(%r14)
        mov     $POISON, %r12
        mov     (\level + LEVEL_BLOCK)(%r15), %r11
        move_window 4
        move_window 5
        mov     %r11, HOT_WINDOW(%r15)
        wrgsbase %r11
        lea     JCACHE_SHIFT(%r11), %r13
        mov     (\level + LEVEL_CTX)(%r15), %r11
        shr     $3, %r11
        mov     %r11, HOT_LANDINGS(%r15)
        shl     $3, %r11
        xchg    %r11, HOT_CTX(%r15)
        .endm

        .globl  bt_stub_sysenter
        .type   bt_stub_sysenter, @function
bt_stub_sysenter:
        begin_crossing WAY_SYSENTER
        cross   HOT_LEVEL0, 0
        movb    $0, CPU_IFLAG(%r14)
        mov     CPU_SEESP(%r14), %r12d
        mov     CPU_SEEIP(%r14), %r8d
        jmp     crossed
        .size   bt_stub_sysenter, . - bt_stub_sysenter

/* ECX = ESP, EDX = EIP (SDM 2B SYSEXIT). */
        .globl  bt_stub_sysexit
        .type   bt_stub_sysexit, @function
bt_stub_sysexit:
        begin_crossing WAY_SYSENTER
        testl   $EF_IOPL_AC, HOT_OTHER(%r15)
        jnz     as_callout
        cross   HOT_LEVEL3, 3
        mov     (%rsp), %r12
        mov     %rdx, %r8
        jmp     crossed
        .size   bt_stub_sysexit, . - bt_stub_sysexit

/* seg_drop_inner() would leave segment register s as it is. */
        .macro  unless_dropped s
        cmpb    $0, (CPU_SEG + 24 * \s + SEG_USABLE)(%r14)
        mov     (CPU_SEG + 24 * \s)(%r14), %r11d
        jne     1f
        test    %r11w, %r11w
        jnz     as_callout
        jmp     2f
1:      and     $0x600000, %r11d /* DPL */
        cmp     $0x600000, %r11d
        jne     as_callout
2:
        .endm

        .macro  same_descriptor which, bytes
        mov     $\bytes, %r11
        cmp     (HOT_DESC + \which * 8)(%r15), %r11
        jne     as_callout
        .endm

/* EFLAGS of the frame: AH, AL and everywhere else. R11 is used. */
        .macro  returning
        mov     (HOT_FRAME + 16)(%r15), %r11d
        or      $EF_FIXED, %r11d
        bt      $9, %r11d
        setc    CPU_IFLAG(%r14)
        bt      $11, %r11d
        setc    %al
        mov     HOT_FRAME(%r15), %r8
        mov     %r11d, %r9d
        and     $~EF_IF, %r11d
        mov     %r11d, CPU_RFLAGS(%r14)
        and     $~(EF_ARITH | EF_RF), %r11d
        mov     %r11d, HOT_OTHER(%r15)
        .endm

/* The block has put frame and descriptors into the hot structure. Flat ones only, as SYSENTER and
 * SYSEXIT make them: D/B, G, DPL, accessed. */
        .globl  bt_stub_iret
        .type   bt_stub_iret, @function
bt_stub_iret:
        begin_crossing WAY_IRET32
        cmpb    $0, HOT_DF(%r15)
        jne     as_callout
        testl   $EF_NT, HOT_OTHER(%r15)
        jnz     as_callout
        cmpb    $0, CPU_NMIBLK(%r14)
        jne     as_callout
        testl   $~(EF_ARITH | EF_FIXED | EF_IF | EF_RF | EF_ID), (HOT_FRAME + 16)(%r15)
        jnz     as_callout
        movzwl  (HOT_FRAME + 8)(%r15), %r11d
        cmp     (HOT_LEVEL3 + LEVEL_SEL)(%r15), %r11d
        jne     .Lsame
        movzwl  (HOT_FRAME + 32)(%r15), %r11d
        cmp     (HOT_LEVEL3 + LEVEL_SEL + 4)(%r15), %r11d
        jne     as_callout
        same_descriptor 2, 0x00cffb000000ffff
        same_descriptor 3, 0x00cff3000000ffff
        unless_dropped 0
        unless_dropped 3
        unless_dropped 4
        unless_dropped 5
        returning
        cross   HOT_LEVEL3, 3
        mov     (HOT_FRAME + 24)(%r15), %r12d
        mov     %r9d, %ecx
        mov     %cl, %ah
        jmp     crossed
.Lsame:
        cmp     (HOT_LEVEL0 + LEVEL_SEL)(%r15), %r11d
        jne     as_callout
        same_descriptor 0, 0x00cf9b000000ffff
        returning
        push    %rcx
        mov     %r9d, %ecx
        mov     %cl, %ah
        .set    copied, 0
        .rept   3
        mov     (HOT_LEVEL0 + LEVEL_CS + copied)(%r15), %rcx
        mov     %rcx, (CPU_SEG + 24 + copied)(%r14)
        .set    copied, copied + 8
        .endr
        mov     (HOT_LEVEL0 + LEVEL_SEL)(%r15), %ecx
        mov     %ecx, (HOT_SEL + 4)(%r15)
        lea     12(%r12), %r12d
        jmp     crossed
        .size   bt_stub_iret, . - bt_stub_iret

/* R8 = EIP. The XCHG was a fence: a kick that came before it is seen, one that comes after it replaces
 * the context. */
        .type   crossed, @function
crossed:
        incq    HOT_CROSSINGS(%r15)
        movzbl  CPU_INTR(%r14), %ecx
        and     CPU_IFLAG(%r14), %cl
        or      CPU_KICK(%r14), %ecx
        jnz     .Lout
        mov     %r13d, %r9d
        crc32q  %r8, %r9
        shrx    %r13d, %r9d, %r9d
        mov     HOT_CTX(%r15), %r11
        lea     (%r11, %r9, 8), %r11
        mov     CTX_TAGS(%r11), %rcx
        add     %r8, %rcx
        jnz     .Lout
        mov     CTX_HOSTS(%r11), %r11
        andl    $~EF_RF, CPU_RFLAGS(%r14)
        pop     %rcx
        add     $8, %rsp
        add     $0x7f, %al
        sahf
        mov     %r10, %rax
        jmp     *%r11
/* Somebody wants the CPU, or the context does not know the way: at a boundary of instructions. */
.Lout:
        pop     %rcx
        add     $8, %rsp
        add     $0x7f, %al
        sahf
        mov     %r10, %rax
        jmp     bt_stub_indirect
        .size   crossed, . - crossed

/* R10 = selector, R11 = its descriptor. */
        .macro load_seg popped
        push    %rax
        push    %rcx
        push    %rdx
        lahf
        seto    %al
        movzbl  INSN_SEG(%r8), %ecx
        mov     %r10d, %edx
        shr     $3, %edx
        and     $(SEGLOADS - 1), %edx
        lea     (%rdx, %rcx, SEGLOADS), %edx
        imul    $SEGLOAD_BYTES, %edx, %edx
        lea     HOT_SEGLOAD(%r15, %rdx), %rdx
        cmp     %r10d, SEGLOAD_SEL(%rdx)
        jne     load_seg_as_callout
        cmp     %r11, SEGLOAD_DESCRIPTOR(%rdx)
        jne     load_seg_as_callout
        .if     \popped
        lea     \popped(%r12), %r12d
        .endif
        mov     %r10d, HOT_SEL(%r15, %rcx, 4)
        mov     HOT_WINDOW(%r15), %r8
        mov     $POISON, %r9
        cmpl    $0, SEGLOAD_PLAIN(%rdx)
        cmovz   %r9, %r8
        mov     %r8, HOT_SEGWIN(%r15, %rcx, 8)
        lea     (%rcx, %rcx, 2), %r9d
        cmp     $3, %r10d
        jbe     load_seg_null
        jmp     load_seg_whole
        .endm

        .globl  bt_stub_load_seg
        .type   bt_stub_load_seg, @function
bt_stub_load_seg:
        load_seg 0
        .size   bt_stub_load_seg, . - bt_stub_load_seg

        .globl  bt_stub_pop_seg
        .type   bt_stub_pop_seg, @function
bt_stub_pop_seg:
        load_seg 4
        .size   bt_stub_pop_seg, . - bt_stub_pop_seg

/* R9 = 3 * segment register */
        .type   load_seg_whole, @function
load_seg_whole:
        mov     (SEGLOAD_SEG + SEG_BASE)(%rdx), %r8
        mov     %r8d, HOT_SEGBASE(%r15, %rcx, 4)
        mov     %r8, (CPU_SEG + SEG_BASE)(%r14, %r9, 8)
        mov     SEGLOAD_SEG(%rdx), %r8
        mov     %r8, CPU_SEG(%r14, %r9, 8)
        mov     (SEGLOAD_SEG + SEG_USABLE)(%rdx), %r8
        mov     %r8, (CPU_SEG + SEG_USABLE)(%r14, %r9, 8)
load_seg_done:
        add     $0x7f, %al
        sahf
        pop     %rdx
        pop     %rcx
        pop     %rax
        ret
        .size   load_seg_whole, . - load_seg_whole

/* Base and limit stay: seg_set_null(). */
        .type   load_seg_null, @function
load_seg_null:
        mov     %r10d, CPU_SEG(%r14, %r9, 8)
        movw    $0, (CPU_SEG + SEG_USABLE)(%r14, %r9, 8)
        jmp     load_seg_done
        .size   load_seg_null, . - load_seg_null

        .type   load_seg_as_callout, @function
load_seg_as_callout:
        add     $0x7f, %al
        sahf
        pop     %rdx
        pop     %rcx
        pop     %rax
        jmp     bt_stub_callout
        .size   load_seg_as_callout, . - load_seg_as_callout

        .section .note.GNU-stack, "", @progbits
