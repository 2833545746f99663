# input.S - prints what comes from the PS/2 keyboard and mouse, on port E9h: "k XX" a scan code (set 1), "m XX XX XX XX" a
# packet of the IntelliMouse kind. Leaves when Escape is pressed.
        .include "lib.inc"
        .set    DATA, 0x60
        .set    CONTROL, 0x64           # read: bit 0 output full, 1 input full, 5 output is the mouse's

main:   mov     $0xA8, %al              # mouse on
        call    command
        mov     $0x60, %al              # command byte: translate, no interrupts
        call    command
        mov     $0x40, %al
        call    put
        mov     $0xF4, %al              # keyboard: send scan codes
        call    put
        call    get
        mov     $knock, %esi
        mov     $KNOCKS, %ecx
1:      mov     $0xD4, %al
        call    command
        lodsb
        call    put
        call    get
        loop    1b
        PUTS    "ready\n"

next:   call    get
        test    $0x20, %ah
        jnz     mouse
        PUTS    "k "
        call    print_byte
        PUTS    "\n"
        cmp     $1, %al
        jne     next
        ret

mouse:  PUTS    "m "
        mov     $3, %ecx
1:      call    print_byte
        PUTS    " "
        call    get
        loop    1b
        call    print_byte
        PUTS    "\n"
        jmp     next

command:                                # AL to the controller
        push    %eax
        call    wait_empty
        pop     %eax
        out     %al, $CONTROL
        ret

put:    push    %eax
        call    wait_empty
        pop     %eax
        out     %al, $DATA
        ret

wait_empty:
        in      $CONTROL, %al
        test    $2, %al
        jnz     wait_empty
        ret

get:    in      $CONTROL, %al           # AL a byte, AH the status it had
        test    $1, %al
        jz      get
        mov     %al, %ah
        in      $DATA, %al
        ret

print_byte:
        push    %eax
        ror     $4, %al
        call    print_digit
        ror     $4, %al
        call    print_digit
        pop     %eax
        ret

print_digit:
        push    %eax
        and     $0x0F, %al
        add     $'0', %al
        cmp     $'9', %al
        jbe     1f
        add     $'a' - '9' - 1, %al
1:      out     %al, $PORT_DEBUG
        pop     %eax
        ret

        .section .rodata
knock:  .byte   0xF3, 200, 0xF3, 100, 0xF3, 80, 0xF4 # sample rates that ask for the wheel; then: report
        .set    KNOCKS, . - knock
