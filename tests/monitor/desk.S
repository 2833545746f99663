# desk.S - a guest that shows at 200000h what a monitor does to it: clocks that run, keys and the mouse that
# arrive. It powers off when the power button is pressed.
#
#   +0 "DESK"   +4 rounds   +8 IRQ 0   +c ACPI timer   +10 TSC   +18 starts   +1c bytes of the keyboard
#   +20 .. the last 64 of them, +1c modulo 64   +60 bytes of the mouse
        .include "lib.inc"

        .set    DESK, 0x200000
        .set    DESK_STARTS, DESK + 0x18
        .set    DESK_NKEYS, DESK + 0x1c
        .set    DESK_KEYS, DESK + 0x20
        .set    DESK_MOUSE, DESK + 0x60
        .set    PM1_STS, 0x600
        .set    PM1_CNT, 0x604
        .set    PM_TMR, 0x608
        .set    PWRBTN, 0x100

main:   incl    DESK_STARTS
        movl    $0, DESK + 4
        movl    $0, DESK + 8
        movl    $0, DESK_NKEYS
        movl    $0, DESK_MOUSE
        SET_GATE 0x20, irq0
        LOAD_IDT
        mov     $0x11, %al              # the 8259A: vectors 20h, only IRQ 0
        out     %al, $0x20
        mov     $0x20, %al
        out     %al, $0x21
        mov     $4, %al
        out     %al, $0x21
        mov     $1, %al
        out     %al, $0x21
        mov     $0xfe, %al
        out     %al, $0x21
        mov     $0x34, %al              # the 8254: rate generator, 11932 / 1193182 Hz = 10 ms
        out     %al, $0x43
        mov     $0x9c, %al
        out     %al, $0x40
        mov     $0x2e, %al
        out     %al, $0x40
        mov     $0xa8, %al              # the mouse on, and reporting
        out     %al, $0x64
        call    wait_input
        mov     $0xd4, %al
        out     %al, $0x64
        call    wait_input
        mov     $0xf4, %al
        out     %al, $0x60
        movl    $0x4b534544, DESK
        sti

round:  incl    DESK + 4
        mov     $PM_TMR, %dx
        in      %dx, %eax
        mov     %eax, DESK + 0xc
        rdtsc
        mov     %eax, DESK + 0x10
        mov     %edx, DESK + 0x14
        in      $0x64, %al
        test    $1, %al
        jz      3f
        mov     %al, %ah
        in      $0x60, %al
        test    $0x20, %ah
        jnz     2f
        mov     DESK_NKEYS, %ecx
        and     $63, %ecx
        mov     %al, DESK_KEYS(%ecx)
        incl    DESK_NKEYS
        jmp     3f
2:      incl    DESK_MOUSE
3:      mov     $PM1_STS, %dx
        in      %dx, %ax
        test    $PWRBTN, %ax
        jz      round
        mov     $PM1_CNT, %dx
        mov     $0x2000 | 5 << 10, %ax  # SLP_EN, S5
        out     %ax, %dx
        jmp     round

irq0:   push    %eax
        incl    DESK + 8
        mov     $0x20, %al
        out     %al, $0x20
        pop     %eax
        iret

wait_input:
        in      $0x64, %al
        test    $2, %al
        jnz     wait_input
        ret
