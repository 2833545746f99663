# vme_intr.S - interrupts of the PIT while an 8086 program runs with IOPL 0 and CR4.VME: the monitor keeps them back in VIP
# until the program's STI or IRET asks for them by #GP, and reflects them (SDM 3B 20.3.2). The program's CLI and STI
# change VIF only. TCG 7.2 has no VME.
# options: -cpu max
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "v86.inc"

        .set    IRQ0, 0x40
        .set    VIF, 0x80000
        .set    VIP, 0x100000
        .set    VM, 0x20000
        .set    WANTED, 20

# A frame of V86, from ESP behind PUSHA on; with an error code it lies 4 higher.
        .set    F_IP, 32
        .set    F_CS, 36
        .set    F_FLAGS, 40
        .set    F_SP, 44
        .set    F_SS, 48

        .macro  AT_LEAST text, what, wanted
        cmpw    $\wanted, \what
        jae     9f
        PUTS    "FAIL: \text\n"
        incl    failures
9:      PUTS    "ok \text\n"
        .endm

main:   INIT_TRAPS
        COPY_V86
        mov     $1, %eax                # CR4.VME
        mov     %eax, %cr4
        call    init_pic
        SET_GATE IRQ0, tick
        SET_GATE 13, monitor
        movw    $v86_irq - v86_code, 8 * 4
        movw    $V86_CODE >> 4, 8 * 4 + 2
        V86     "program", 0, v86_program, 0x200
        mov     $0xFF, %al
        out     %al, $0x21
        AT_LEAST "ticks", ticks, WANTED
        AT_LEAST "held back", held_back, 1
        AT_LEAST "asked for by STI", by_sti, 1
        AT_LEAST "seen by the program", V86_DATA + 2, WANTED
        EXPECT_EQ "seen while VIF was clear", V86_DATA + 4, 0
        EXPECT_EQ "not expected", odd, 0
        ret

init_pic:
        mov     $0x11, %al
        out     %al, $0x20
        mov     $IRQ0, %al
        out     %al, $0x21
        mov     $4, %al
        out     %al, $0x21
        mov     $1, %al
        out     %al, $0x21
        mov     $0xFE, %al
        out     %al, $0x21
        mov     $0x34, %al              # channel 0, mode 2, 1 kHz
        out     %al, $0x43
        mov     $1193 & 0xFF, %al
        out     %al, $0x40
        mov     $1193 >> 8, %al
        out     %al, $0x40
        movl    $0, V86_DATA
        movl    $0, V86_DATA + 4
        ret

tick:   pusha
        call    flat
        incl    ticks
        mov     $0x20, %al
        out     %al, $0x20
        mov     %esp, %ebx
        testl   $VM, F_FLAGS(%ebx)
        jz      2f
        testl   $VIF, F_FLAGS(%ebx)
        jz      1f
        call    reflect
        jmp     2f
1:      orl     $VIP, F_FLAGS(%ebx)
        incl    held_back
2:      popa
        iret
flat:   mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        ret

# Interrupt 8 for the frame at EBX: the program's flags, CS, IP on its stack, with VIF for IF.
reflect:
        subw    $6, F_SP(%ebx)
        movzwl  F_SS(%ebx), %edi
        shl     $4, %edi
        movzwl  F_SP(%ebx), %eax
        add     %eax, %edi
        mov     F_FLAGS(%ebx), %eax
        or      $0x3200, %eax
        mov     %ax, 4(%edi)
        mov     F_CS(%ebx), %eax
        mov     %ax, 2(%edi)
        mov     F_IP(%ebx), %eax
        mov     %ax, (%edi)
        movzwl  8 * 4, %eax
        mov     %eax, F_IP(%ebx)
        movzwl  8 * 4 + 2, %eax
        mov     %eax, F_CS(%ebx)
        andl    $~(VIF + VIP), F_FLAGS(%ebx)
        ret

# #GP: STI or IRET with VIP set; anything else ends the program.
monitor:
        pusha
        call    flat
        lea     4(%esp), %ebx
        movzwl  F_CS(%ebx), %esi
        shl     $4, %esi
        add     F_IP(%ebx), %esi
        testl   $VIP, F_FLAGS(%ebx)
        jz      3f
        cmpb    $0xFB, (%esi)
        je      1f
        cmpb    $0xCF, (%esi)
        jne     3f
        andl    $~VIP, F_FLAGS(%ebx)    # IRET starts over; the tick merges with the one before
        jmp     2f
1:      incl    F_IP(%ebx)              # STI has been done
        orl     $VIF, F_FLAGS(%ebx)
        incl    by_sti
        call    reflect
2:      popa
        add     $4, %esp
        iret
3:      cmpb    $0xF4, (%esi)           # HLT
        je      4f
        incl    odd
4:      popa
        add     $4, %esp
        jmp     trap_stub_30

        .code16
v86_code:
v86_program:
        xorw    %ax, %ax
1:      cli
        movw    $1, 0                   # guard
        movw    $200, %cx
2:      pushf
        popw    %ax
        testw   $0x200, %ax             # VIF
        jnz     4f
        loop    2b
        movw    $0, 0
        sti
        nop
        cmpw    $WANTED, 2
        jb      1b
        hlt
4:      ud2
v86_irq:
        incw    2
        pushw   %ax
        movw    0, %ax
        addw    %ax, 4
        popw    %ax
        iretw
v86_end:
        .code32

        .bss
        .balign 4
ticks:  .skip   4
held_back:
        .skip   4
by_sti: .skip   4
odd:    .skip   4
        .text
