# intr.S - interrupts of the PIT through the 8259: where they are taken, where not yet, and that nothing is lost (SDM
# 3A 6.8; 8259A data sheet). Counts depend on time, so what is printed is what must hold for any of them.
        .include "lib.inc"
        .include "trap.inc"

        .set    IRQ0, 0x40              # vector of IRQ 0
        .set    TICKS_WANTED, 5

# WAIT_TICKS n, body: run body again and again until n ticks have come.
        .macro  UNTIL_TICKS n
        mov     ticks, %eax
        add     $\n, %eax
        mov     %eax, ticks_wanted
        .endm

main:   INIT_TRAPS
        call    init_pic
        SET_GATE IRQ0, tick
        call    init_pit
        call    halt
        call    tight_loop
        call    indirect_loop
        call    call_loop
        call    string_copy
        call    sti_shadow
        call    ss_shadow
        call    popf_enables
        call    iret_enables
        call    masked
        call    nested
        call    flags_kept
        call    user_loop
        mov     $0xFF, %al
        out     %al, $0x21
        ret

init_pic:
        mov     $0x11, %al
        out     %al, $0x20
        out     %al, $0xA0
        mov     $IRQ0, %al
        out     %al, $0x21
        mov     $IRQ0 + 8, %al
        out     %al, $0xA1
        mov     $4, %al
        out     %al, $0x21
        mov     $2, %al
        out     %al, $0xA1
        mov     $1, %al
        out     %al, $0x21
        out     %al, $0xA1
        mov     $0xFE, %al              # IRQ 0 only
        out     %al, $0x21
        mov     $0xFF, %al
        out     %al, $0xA1
        ret

init_pit:
        mov     $0x34, %al              # channel 0, mode 2, 1193 ticks: 1 kHz
        out     %al, $0x43
        mov     $1193 & 0xFF, %al
        out     %al, $0x40
        mov     $1193 >> 8, %al
        out     %al, $0x40
        ret

# The handler: counts, acknowledges, and takes the detour a test asked for.
tick:   push    %eax
        mov     4(%esp), %eax
        mov     %eax, tick_eip
        cmpl    $0, first_eip
        jne     1f
        mov     %eax, first_eip
1:      incl    ticks
        mov     $0x20, %al
        out     %al, $0x20
        mov     ticks, %eax
        cmp     ticks_wanted, %eax
        jb      1f
        mov     tick_goes_to, %eax
        test    %eax, %eax
        jz      1f
        mov     %eax, 4(%esp)           # leave the loop
1:      pop     %eax
        iret

        .macro  LEAVE_LOOP_AT label
        movl    $\label, tick_goes_to
        UNTIL_TICKS TICKS_WANTED
        .endm
# Where the last tick came, or (FIRST) the first one since first_eip was cleared: on a busy host another may follow.
        .macro  CHECK_EIP text, from, to, eip=tick_eip
        cli
        movl    $0, tick_goes_to
        cmpl    $\from, \eip
        jb      8f
        cmpl    $\to, \eip
        jbe     9f
8:      PUTS    "FAIL "
        SHOW    "\text, eip", \eip
        incl    failures
9:      PUTS    "ok \text\n"
        .endm

halt:   UNTIL_TICKS TICKS_WANTED
        movl    $0, first_eip
        sti
1:      hlt
halted: mov     ticks, %eax
        cmp     ticks_wanted, %eax
        jb      1b
        CHECK_EIP "hlt: eip is behind it", halted, halted, first_eip
        # STI; HLT wakes up: the interrupt cannot come in between
        mov     $3, %ebx
1:      cli
        movl    $0, first_eip
        mov     ticks, %eax
        sti
        hlt
halted2:
        cmp     ticks, %eax
        jne     2f
        PUTS    "FAIL woke without a tick\n"
2:      dec     %ebx
        jnz     1b
        CHECK_EIP "sti; hlt", halted2, halted2, first_eip
        ret

tight_loop:
        LEAVE_LOOP_AT 2f
        sti
1:      jmp     1b
2:      CHECK_EIP "jmp to itself", 1b, 1b
        LEAVE_LOOP_AT 2f
        sti
1:      nop
        nop
        jmp     1b
2:      CHECK_EIP "nop loop", 1b, 2b
        LEAVE_LOOP_AT 2f
        sti
1:      dec     %ecx
        jnz     1b
        jmp     1b
2:      CHECK_EIP "jnz loop", 1b, 2b
        LEAVE_LOOP_AT 2f
        sti
1:      mov     $1, %ecx
        loop    1b
        jecxz   1b
2:      CHECK_EIP "loop, jecxz", 1b, 2b
        ret

indirect_loop:
        LEAVE_LOOP_AT 2f
        mov     $1f, %ebx
        sti
1:      jmp     *%ebx
2:      CHECK_EIP "indirect jmp to itself", 1b, 1b
        LEAVE_LOOP_AT 2f
        movl    $1f, pointer
        sti
1:      jmp     *pointer
2:      CHECK_EIP "indirect jmp through memory", 1b, 1b
        LEAVE_LOOP_AT 2f
        mov     %esp, %ebp
        sti
1:      push    $1b
        ret
2:      mov     %ebp, %esp
        CHECK_EIP "push, ret", 1b, 2b
        ret

call_loop:
        LEAVE_LOOP_AT 2f
        mov     %esp, %ebp
        sti
1:      call    recurse
        jmp     1b
recurse:                                # 100 deep and back
        mov     $100, %ecx
3:      dec     %ecx
        jz      4f
        call    3b
4:      ret
2:      mov     %ebp, %esp
        CHECK_EIP "recursion", 1b, 4b
        ret

# A copy of 4 MiB, interrupted many times: the registers at each interrupt agree with each other, and the result is whole.
string_copy:
        mov     $0x400000, %edi
        mov     $0x100000, %ecx
        mov     $0x12345678, %eax
1:      stosl
        rol     $1, %eax
        dec     %ecx
        jnz     1b
        SET_GATE IRQ0, copy_tick
        movl    $0, copy_bad
        mov     ticks, %eax
        add     $10, %eax
        mov     %eax, ticks_wanted
2:      mov     $0x400000, %esi
        mov     $0x800000, %edi
        mov     $0x100000, %ecx
        sti
copying:
        rep     movsl
        cli
        mov     ticks, %eax
        cmp     ticks_wanted, %eax
        jb      2b
        EXPECT_EQ "esi", %esi, 0x800000
        EXPECT_EQ "edi", %edi, 0xC00000
        EXPECT_EQ "ecx", %ecx, 0
        EXPECT_EQ "wrong at an interrupt", copy_bad, 0
        mov     $0x400000, %esi
        mov     $0x800000, %edi
        mov     $0x100000, %ecx
        repe    cmpsl
        EXPECT_EQ "left to compare", %ecx, 0
        SET_GATE IRQ0, tick
        ret
copy_tick:
        pusha
        incl    ticks
        mov     $0x20, %al
        out     %al, $0x20
        cmpl    $copying, 32(%esp)
        jne     1f                      # not within the instruction
        # what has been copied: ESI - start == EDI - start == (count - ECX) * 4
        mov     %esi, %eax
        sub     $0x400000, %eax
        lea     -0x800000(%edi), %edx
        cmp     %eax, %edx
        jne     2f
        mov     $0x100000, %edx
        sub     %ecx, %edx
        shl     $2, %edx
        cmp     %eax, %edx
        je      1f
2:      incl    copy_bad
1:      popa
        iret

# The instruction behind STI is still protected: STI; CLI never lets one in.
sti_shadow:
        UNTIL_TICKS 1
        mov     ticks, %ebx
        call    wait_pending
        mov     $1000, %ecx
1:      sti
        cli
        loop    1b
        EXPECT_EQ "sti, cli", in_window, 0
        mov     ticks, %eax
        sub     %ebx, %eax
        EXPECT_EQ "ticks in sti, cli", %eax, 0
        sti
        nop
        nop
        cli
        mov     ticks, %eax
        sub     %ebx, %eax
        cmp     $1, %eax
        jae     2f
        PUTS    "FAIL sti, nop, nop\n"
2:      # the address: behind the instruction that follows STI
        call    wait_pending
        sti
        inc     %ecx
1:      inc     %ecx
        inc     %ecx
        CHECK_EIP "behind the shadow", 1b, 1b, first_eip
        # a second STI has no shadow of its own
        call    wait_pending
        sti
        sti
1:      cli
        CHECK_EIP "sti, sti", 1b, 1b, first_eip
        ret

# IRQ 0 waits, IF is clear.
wait_pending:
        push    %eax
1:      mov     $0x0A, %al              # OCW3: read IRR
        out     %al, $0x20
        in      $0x20, %al
        test    $1, %al
        jz      1b
        movl    $0, first_eip
        pop     %eax
        ret

ss_shadow:
        mov     %ss, %edx
        call    wait_pending
        sti
        mov     %edx, %ss               # in the shadow of STI; its own shadow covers the next
        mov     %esp, %esp
1:      cli
        CHECK_EIP "mov ss", 1b-2, 1b, first_eip
        call    wait_pending
        push    %edx
        sti
        pop     %ss
        nop
1:      cli
        CHECK_EIP "pop ss", 1b-1, 1b, first_eip
        ret

popf_enables:
        call    wait_pending
        pushf
        orl     $0x200, (%esp)
        popf
1:      cli
        CHECK_EIP "popf has no shadow", 1b, 1b, first_eip
        # POPF that keeps IF clear
        call    wait_pending
        mov     ticks, %ebx
        pushf
        popf
        nop
        mov     ticks, %eax
        sub     %ebx, %eax
        EXPECT_EQ "popf, IF clear", %eax, 0
        sti
        nop
        cli
        ret

iret_enables:
        call    wait_pending
        pushf
        orl     $0x200, (%esp)
        push    %cs
        push    $1f
        iret
        nop
1:      cli
        CHECK_EIP "iret has no shadow", 1b, 1b, first_eip
        ret

# Masked at the PIC, or IF clear: it stays pending, once.
masked: call    wait_pending
        mov     ticks, %ebx
        mov     $0xFF, %al
        out     %al, $0x21
        sti
        nop
        nop
        cli
        mov     ticks, %eax
        sub     %ebx, %eax
        EXPECT_EQ "masked", %eax, 0
        mov     $0xFE, %al
        sti
        out     %al, $0x21
        nop
        cli
        mov     ticks, %eax
        sub     %ebx, %eax
        cmp     $0, %eax
        jne     1f
        PUTS    "FAIL unmasked\n"
1:      ret

# STI within the handler, after the EOI: the next tick nests. The stack comes back as it was.
nested: SET_GATE IRQ0, nested_tick
        mov     ticks, %eax
        add     $4, %eax
        mov     %eax, ticks_wanted
        movl    $0, depth
        movl    $0, max_depth
        mov     %esp, %ebp
        sti
1:      cmpl    $1, max_depth
        jbe     1b
        cmpl    $0, depth
        jne     1b
        cli
        sub     %esp, %ebp
        EXPECT_EQ "stack", %ebp, 0
        SET_GATE IRQ0, tick
        ret
nested_tick:
        pusha
        incl    ticks
        incl    depth
        mov     $0x20, %al
        out     %al, $0x20
        mov     depth, %eax
        cmp     max_depth, %eax
        jbe     1f
        mov     %eax, max_depth
1:      cmpl    $2, depth
        jae     2f
        sti
        mov     ticks, %eax
3:      cmp     ticks, %eax             # the nested one
        je      3b
        cli
2:      decl    depth
        popa
        iret

# An interrupt changes no register and no flag, wherever it comes.
flags_kept:
        LEAVE_LOOP_AT 9f
        mov     %esp, %ebp
        sti
1:      mov     $0x7FFFFFFF, %eax
        mov     $0x11, %ecx
        mov     $0x22, %edx
        add     $1, %eax                # SF OF AF PF
        mov     %ecx, %ecx
        mov     %edx, %edx
        jno     7f
        jns     7f
        jnp     7f
        adc     $0, %eax                # CF was clear
        cmp     $0x80000000, %eax
        jne     7f
        stc
        mov     $0x33, %ebx
        mov     %ebx, %ebx
        adc     %ecx, %edx
        cmp     $0x34, %edx
        jne     7f
        std
        mov     %eax, %eax
        pushf
        pop     %eax
        cld
        test    $0x400, %eax
        jz      7f
        jmp     1b
7:      cli
        PUTS    "FAIL flags\n"
        incl    failures
9:      mov     %ebp, %esp
        cld
        CHECK_EIP "flags and registers", 1b, 7b
        ret

# At CPL 3: the stack changes, and comes back.
user_loop:
        SET_GATE IRQ0, user_tick
        UNTIL_TICKS TICKS_WANTED
        call    trap_begin_user_sti
        mov     $0x5555, %ebx
        mov     %esp, %ecx
1:      cmp     $0x5555, %ebx
        jne     2f
        cmp     %ecx, %esp
        jne     2f
        mov     ticks, %eax
        cmp     ticks_wanted, %eax
        jb      1b
        END_TRY_USER "user loop"
        EXPECT_EQ "cs of the interrupted", tick_cs, SEL_USER_CODE
        SET_GATE IRQ0, tick
        ret
2:      ud2
user_tick:
        push    %eax
        mov     8(%esp), %eax
        mov     %eax, %ss:tick_cs
        incl    %ss:ticks
        mov     $0x20, %al
        out     %al, $0x20
        pop     %eax
        iret
# IF is on in the flags that trap_begin_user passes on; the handler itself runs with IF clear.
trap_begin_user_sti:
        popl    trap_base
        pushf
        orl     $0x200, (%esp)
        popf
        push    trap_base
        jmp     trap_begin_user

        .bss
        .balign 4
ticks:  .skip   4
ticks_wanted:
        .skip   4
tick_eip:
        .skip   4
first_eip:
        .skip   4
tick_cs:
        .skip   4
tick_goes_to:
        .skip   4
pointer:
        .skip   4
copy_bad:
        .skip   4
in_window:
        .skip   4
depth:  .skip   4
max_depth:
        .skip   4
        .text
