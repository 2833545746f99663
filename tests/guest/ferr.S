# ferr.S - x87 errors the way of the AT: with CR0.NE clear the waiting instruction asserts FERR# and waits for IRQ 13; a write
# to port F0h takes the request back and asserts IGNNE# until FERR# is negated (SDM 3A 8.7.2, SDM 1 D.2; 82371SB,
# coprocessor error register). TCG 7.2 does not wait, so its IRQ 13 comes later.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"

        .set    CR0_NE, 0x20
        .set    IRQ13, 0x4D
        .set    ZM_OPEN, 0x37B

        .macro  SET_NE
        mov     %cr0, %eax
        or      $CR0_NE, %eax
        mov     %eax, %cr0
        .endm
        .macro  CLEAR_NE
        mov     %cr0, %eax
        and     $~CR0_NE, %eax
        mov     %eax, %cr0
        .endm
# DIVIDE: an error becomes pending, and 1, infinity or what there is lies on the stack.
        .macro  DIVIDE
        fninit
        fldcw   open
        fld1
        fldz
        fdivrp
        .endm

main:   INIT_TRAPS
        call    init_pic
        SET_GATE IRQ13, on_irq13
        CLEAR_NE
        call    where
        call    not_waiting
        call    ignored
        call    again
        call    native
        call    user
        ret

init_pic:
        mov     $0x11, %al
        out     %al, $0x20
        out     %al, $0xA0
        mov     $0x40, %al
        out     %al, $0x21
        mov     $0x48, %al
        out     %al, $0xA1
        mov     $4, %al
        out     %al, $0x21
        mov     $2, %al
        out     %al, $0xA1
        mov     $1, %al
        out     %al, $0x21
        out     %al, $0xA1
        mov     $0xFB, %al              # the cascade, IRQ 13
        out     %al, $0x21
        mov     $0xDF, %al
        out     %al, $0xA1
        ret

# As DOS did it, but for what the test adds.
on_irq13:
        push    %eax
        incl    %ss:count
        mov     4(%esp), %eax
        mov     %eax, %ss:irq_eip
        fnstsw  %ax
        mov     %ax, %ss:irq_status
        cmpl    $0, %ss:detour
        je      1f
        call    *%ss:detour
        jmp     2f
1:      out     %al, $0xF0
        fnclex
2:      mov     $0x20, %al
        out     %al, $0xA0
        out     %al, $0x20
        pop     %eax
        iret

# COUNT "text" [, label]: IRQ 13s since the last, and where the last came.
        .macro  COUNT text, at=
        cli
        mov     count, %eax
        SHOWN   "\text: irqs", 1, "%eax"
        .ifnb   \at
        mov     irq_eip, %eax
        sub     $\at, %eax
        SHOW    "  eip less the waiting instruction", "%eax"
        .endif
        movl    $0, count
        .endm

# The interrupt comes before the next waiting instruction; that one is executed afterwards.
where:  DIVIDE
        sti
        nop
        nop
        fnstsw  %ax                     # does not wait
        mov     count, %ebx
1:      fld1
        COUNT   "fld", 1b
        SHOWN   "  before it", 1, "%ebx"
        SHOWN   "  status seen", 4, irq_status
        fnstsw  %ax
        SHOWN   "  status behind", 4, "%eax"
        DIVIDE
        sti
1:      fwait
        COUNT   "fwait", 1b
        DIVIDE
        sti
1:      fistpl  scratch
        COUNT   "fistp", 1b
        DIVIDE
        sti
1:      movq    %mm0, %mm1
        COUNT   "mmx", 1b
        fninit
        ret

# Cleared before anything waited: nothing comes.
not_waiting:
        DIVIDE
        fnclex
        sti
        fld1
        fwait
        nop
        COUNT   "fnclex in time"
        DIVIDE
        fninit
        sti
        fld1
        nop
        COUNT   "fninit in time"
        ret

# The handler leaves the error pending and writes port F0h: waiting instructions ignore it until it is cleared.
ignored:
        movl    $leave_pending, detour
        DIVIDE
        sti
1:      fld1
        fadd    %st, %st
        fistpl  scratch
        fwait
        COUNT   "ignored", 1b
        SHOW    "  computed", scratch
        fnstsw  %ax
        SHOWN   "  status", 4, "%eax"
        # another error while the first is ignored
        sti
        fldz
        fld1
        fdivp
        fldcw   masked_all
        fld1
        nop
        COUNT   "a second error, ignored"
        fnstsw  %ax
        SHOWN   "  status", 4, "%eax"
        # cleared: IGNNE# is gone, the next error counts
        fnclex
        movl    $0, detour
        DIVIDE
        sti
1:      fld1
        COUNT   "after fnclex", 1b
        # a handler that computes
        movl    $compute, detour
        DIVIDE
        sti
1:      fld1
        COUNT   "computed in the handler", 1b
        SHOW    "  there", scratch
        fnstsw  %ax
        SHOWN   "  status", 4, "%eax"
        movl    $0, detour
        ret
leave_pending:
        out     %al, $0xF0
        ret
compute:
        out     %al, $0xF0
        fldpi
        fistpl  scratch
        fnclex
        ret

# Port F0h without an error: nothing. The request stays as long as nobody writes it.
again:  out     %al, $0xF0
        DIVIDE
        sti
1:      fld1
        COUNT   "port written before", 1b
        # acknowledged, the error cleared, but the port not written: no new edge, so no new interrupt
        movl    $clear_only, detour
        DIVIDE
        sti
1:      fld1
        COUNT   "port not written", 1b
        mov     $0x0A, %al
        out     %al, $0xA0
        in      $0xA0, %al
        and     $0x20, %eax
        SHOWN   "  request bit after the EOI", 2, "%eax"
        out     %al, $0xF0
        movl    $0, detour
        DIVIDE
        sti
1:      fld1
        COUNT   "and now written", 1b
        ret
clear_only:
        fnclex
        ret

# NE set: #MF, and neither IRQ 13 nor port F0h matters.
native: SET_NE
        DIVIDE
        sti
        TRY     "NE", "fld1"
        out     %al, $0xF0
        TRY     "NE, port F0h written", "fld1"
        cli
        COUNT   "NE"
        fnclex
        CLEAR_NE
        ret

user:   SET_GATE IRQ13, on_irq13
        DIVIDE
        pushl   $0x202
        popf
        TRY_USER "user", "fld1; nop"
        cli
        mov     count, %eax
        SHOWN   "  irqs", 1, "%eax"
        fninit
        ret

        .data
open:   .word   ZM_OPEN
masked_all:
        .word   0x37F

        .bss
        .balign 4
count:  .skip   4
irq_eip:
        .skip   4
irq_status:
        .skip   4
detour: .skip   4
scratch:
        .skip   16
        .text
