# iret.S - IRET to an outer level: which flags, which data segments, what is checked, and that a refused one leaves no trace
# (SDM 2A IRET, SDM 3A 5.8.6, 6.12.1).
# TCG 7.2 takes neither VIF nor VIP from the frame.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"

        .set    SEL_CODE0C, 0x30        # conforming, DPL 0
        .set    SEL_DATA1, 0x39         # DPL 1
        .set    SEL_CODE1, 0x41
        .set    SEL_CODE3S, 0x4B        # DPL 3, limit FFh
        .set    SEL_NP3, 0x53           # data of DPL 3, not present
        .set    SEL_CODE16, 0x5B        # DPL 3, 16 bits, at code16_base
        .set    SEL_STACK16, 0x63       # DPL 3, 16 bits

# OUTWARDS "name", flags, body: IRET to CPL 3 with these flags; there the body.
        .macro  OUTWARDS name, flags, body
        call    trap_begin
        push    $SEL_USER_DATA
        push    $user_stack
        push    $\flags
        push    $SEL_USER_CODE
        push    $1f
        iret
1:      \body
        int     $VEC_USER_DONE
        call    trap_end
        PUTS    "\name: "
        call    trap_show
        .endm
# REFUSED "name", ss, esp, cs, eip: one that faults; registers and stack as before.
        .macro  REFUSED name, ss, esp, cs, eip, flags=2
        mov     $0x1234, %ebp
        TRY     "\name", "push $\ss; push $\esp; push $\flags; push $\cs; push $\eip; mov %esp, %ebx; iret"
        mov     trap_ebx, %eax
        sub     trap_old_esp, %eax      # of PUSHA: below error code, vector and EFLAGS, CS, EIP
        SHOW    "  esp before it, less that of the handler", "%eax"
        .endm

main:   INIT_TRAPS
        mov     $0xFF, %al
        out     %al, $0x21
        out     %al, $0xA1
        mov     $gdt, %esi
        mov     $big_gdt, %edi
        mov     $12, %ecx
        rep     movsl
        mov     $code16_base, %eax
        mov     %ax, big_gdt + 0x5A
        shr     $16, %eax
        mov     %al, big_gdt + 0x5C
        mov     %ah, big_gdt + 0x5F
        lgdt    big_gdt_pointer
        call    flags
        call    segments
        call    refused
        call    narrow
        call    tasks
        ret

# What comes from the frame: IF, IOPL, VIF, VIP from CPL 0; RF and AC too; VM at CPL 3 is not looked at.
flags:  OUTWARDS "all flags", 0x197ED7, "pushf; pop %eax"
        SHOW    "  eflags saved", trap_eflags
        SHOW    "  pushed there", trap_eax
        OUTWARDS "none", 0, "pushf; pop %eax"
        SHOW    "  eflags saved", trap_eflags
        TRY_USER "at CPL 3: all flags", "push $0x1F7ED7 - 0x4000; push $SEL_USER_CODE; push $1f; iret; 1:"
        SHOW    "  eflags saved", trap_eflags
        pushl   $0x3002
        popf
        TRY_USER "at CPL 3, IOPL 3: all flags", "push $0x1F4ED7 - 0x4000; push $SEL_USER_CODE; push $1f; iret; 1:"
        SHOW    "  eflags saved", trap_eflags
        pushl   $2
        popf
        # 16-bit frames leave the upper half
        movl    $0x90CD30CD, 0x7000     # int $30h
        TRY     "iretw in ring 0", "pushl $0x240002; popf; pushw $0x0ED7; pushw $SEL_CODE; pushw $0x7000; iretw"
        SHOW    "  eip", trap_eip
        SHOW    "  eflags saved", trap_eflags
        pushl   $2
        popf
        ret

# Data segments that the outer level may not use become null: DPL below the new CPL, but not conforming code.
segments:
        mov     $SEL_USER_DATA, %eax
        mov     %eax, %ds
        mov     $SEL_CODE0C, %eax
        mov     %eax, %es
        mov     $SEL_DATA1, %eax
        mov     %eax, %fs
        mov     $SEL_CODE, %eax
        mov     %eax, %gs
        OUTWARDS "data segments", 2, "call sreg"
        call    show_sreg
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        # to ring 1 what belongs to ring 1 stays
        movl    $ring1_stack, tss + 12
        mov     $SEL_DATA1, %eax
        mov     %eax, %fs
        mov     $SEL_DATA, %eax
        mov     %eax, %gs
        call    trap_begin
        push    $SEL_DATA1
        push    $ring1_stack
        push    $2
        push    $SEL_CODE1
        push    $1f
        iret
1:      call    sreg
        mov     %cs, %ebp
        int     $VEC_USER_DONE
        call    trap_end
        PUTS    "ring 1: "
        movl    $0, trap_base
        call    trap_show
        call    show_sreg
        SHOWN   "  cs", 4, trap_ebp
        # null selectors lose their RPL
        mov     $3, %eax
        mov     %eax, %fs
        mov     $1, %eax
        mov     %eax, %gs
        OUTWARDS "null selectors", 2, "call sreg"
        call    show_sreg
        # a null segment is of no use
        mov     $SEL_DATA, %eax
        mov     %eax, %gs
        OUTWARDS "gs null there", 2, "mov %gs:0, %al"
        # within one level nothing is touched
        mov     %eax, %gs
        TRY     "ring 0 to ring 0", "pushf; push $SEL_CODE; push $1f; iret; 1: mov %gs, %eax; mov %fs, %ecx"
        SHOWN   "  gs", 4, "%eax"
        SHOWN   "  fs", 4, "%ecx"
        ret
sreg:   mov     %ds, %eax
        mov     %es, %ecx
        mov     %fs, %edx
        mov     %gs, %ebx
        ret
show_sreg:
        SHOWN   "  ds", 4, trap_eax
        SHOWN   "  es", 4, trap_ecx
        SHOWN   "  fs", 4, trap_edx
        SHOWN   "  gs", 4, trap_ebx
        ret

refused:
        REFUSED "ss null", 0, 0, SEL_USER_CODE, 1
        REFUSED "ss null, rpl 3", 3, 0, SEL_USER_CODE, 1
        REFUSED "ss of ring 0", SEL_DATA, 0, SEL_USER_CODE, 1
        REFUSED "ss of ring 0, rpl 3", (SEL_DATA+3), 0, SEL_USER_CODE, 1
        REFUSED "ss is code", SEL_USER_CODE, 0, SEL_USER_CODE, 1
        REFUSED "ss not present", SEL_NP3, 0, SEL_USER_CODE, 1
        REFUSED "ss beyond the GDT", 0x103, 0, SEL_USER_CODE, 1
        REFUSED "cs null", SEL_USER_DATA, 0, 0, 1
        REFUSED "cs null, rpl 3", SEL_USER_DATA, 0, 3, 1
        REFUSED "cs is data", SEL_USER_DATA, 0, SEL_USER_DATA, 1
        REFUSED "cs of ring 3, rpl 0", SEL_USER_DATA, 0, (SEL_USER_CODE-3), 1
        REFUSED "cs of ring 0, rpl 3", SEL_USER_DATA, 0, (SEL_CODE+3), 1
        REFUSED "cs conforming of ring 0, rpl 3, ss of ring 0", SEL_DATA, 0, (SEL_CODE0C+3), 1
        REFUSED "cs beyond the GDT", SEL_USER_DATA, 0, 0x103, 1
        REFUSED "cs in no LDT", SEL_USER_DATA, 0, 0x0F, 1
        REFUSED "eip beyond the limit", SEL_USER_DATA, 0, SEL_CODE3S, 0x100
        OUTWARDS "cs conforming of ring 0, rpl 3", 2, "push $2; push $SEL_CODE0C + 3; push $2f; iret; 2: mov %cs, %eax"
        SHOWN   "  cs", 4, trap_eax
        # what a user's IRET may not
        TRY_USER "user: inwards", "push $2; push $SEL_CODE; push $1; iret"
        TRY_USER "user: cs rpl 1", "push $2; push $SEL_CODE1; push $1; iret"
        TRY_USER "user: eip beyond the limit", "push $2; push $SEL_CODE3S; push $0x100; iret"
        ret

# To a 16-bit segment and a 16-bit stack; with IRETW too, which loads SP and not ESP.
narrow: call    trap_begin
        push    $SEL_STACK16
        push    $0x12340100
        push    $2
        push    $SEL_CODE16
        push    $0
        iret
        call    trap_end
        PUTS    "iret to 16 bits: "
        movl    $0, trap_base
        call    trap_show
        SHOW    "  esp", trap_user_esp
        SHOW    "  eax", trap_eax
        call    trap_begin
        pushw   $SEL_USER_DATA
        pushw   $0x0100
        pushw   $2
        pushw   $SEL_CODE16
        pushw   $0
        iretw
        call    trap_end
        PUTS    "iretw to 16 bits, 32-bit stack: "
        movl    $0, trap_base
        call    trap_show
        SHOW    "  esp", trap_user_esp
        ret

# NT: a return to the task in the back link; with NT clear the same frame is an ordinary one.
tasks:  movl    $1f, tss1 + 32
        movl    $0x4002, tss1 + 36
        movl    $tss1_stack, tss1 + 56
        .irp    at, 72, 80, 84, 88, 92
        movl    $SEL_DATA, tss1 + \at
        .endr
        movl    $SEL_CODE, tss1 + 76
        movl    $104 << 16, tss1 + 100
        mov     $tss1, %eax
        movw    $103, big_gdt + 0x70
        mov     %ax, big_gdt + 0x72
        shr     $16, %eax
        mov     %al, big_gdt + 0x74
        movb    $0x8B, big_gdt + 0x75   # busy: it called us, so to say
        mov     %ah, big_gdt + 0x77
        movw    $0x70, tss
        pushl   $0x4002
        popf
        iret                            # takes nothing from the stack
        PUTS    "back in the first task\n"
        pushf
        pop     %eax
        and     $0x4000, %eax
        SHOWN   "  NT", 4, "%eax"
        clts
        pushl   $2
        popf
        ret
1:      str     %eax
        SHOWN   "in the second task, tr", 4, "%eax"
        movzbl  big_gdt + SEL_TSS + 5, %eax
        SHOWN   "  the first is", 2, "%eax"
        mov     tss + 36, %eax
        and     $0x4000, %eax
        SHOWN   "  NT saved", 4, "%eax"
        # a handler's IRET is an ordinary one: the gate has cleared NT, and the frame brings it back
        SET_GATE 0x50, just_iret
        int     $0x50
        pushf
        pop     %eax
        and     $0x4000, %eax
        SHOWN   "  NT behind int n", 4, "%eax"
        ljmp    $SEL_TSS, $0

just_iret:
        iret

        .balign 16
code16_base:
        .code16
        movl    $0x16161616, %eax
        pushw   %ax
        int     $VEC_USER_DONE
        .code32

        .data
        .balign 8
big_gdt:
        .fill   6, 8, 0
        .quad   0x00CF9F000000FFFF      # 30h
        .quad   0x00CFB3000000FFFF      # 38h
        .quad   0x00CFBB000000FFFF      # 40h
        .quad   0x0040FB00000000FF      # 48h
        .quad   0x00CF73000000FFFF      # 50h
        .quad   0x0000FB000000FFFF      # 58h
        .quad   0x0000F3000000FFFF      # 60h
        .quad   0, 0
big_gdt_pointer:
        .word   . - big_gdt - 1
        .long   big_gdt

        .bss
        .balign 16
tss1:   .skip   128
        .skip   1024
ring1_stack:
        .skip   1024
tss1_stack:
        .skip   16
        .text
