# breakpoints.S - I/O breakpoints (CR4.DE, R/W 10b), what MOV SS holds back, RF in the flags pushed, a breakpoint before a
# fetch that faults (SDM 3B 17.2-17.3, SDM 3A 6.8.3, 6.9).
# TCG 7.2 has no shadow of MOV SS for debug exceptions, sets RF neither for faults nor within strings, and takes a trap of
# a REP string instruction before its iteration counts.
# options: -cpu max
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"
        .include "debug.inc"

        .set    CR4_DE, 8
        .set    IO, 2
        .set    PORT, 0x80              # takes what is written, of any size

main:   INIT_TRAPS
        CR_SET  cr4, CR4_DE
        call    ports
        call    strings
        call    users
        CR_CLEAR cr4, CR4_DE
        call    shadow
        call    rf
        call    fetch
        ret

ports:  BREAK   0, PORT, IO, LEN1
        DTRY    "out imm", "out %al, $PORT; nop"
        BREAK   1, PORT, IO, LEN1
        DTRY    "in imm", "in $PORT, %al; nop"
        BREAK   2, PORT, IO, LEN1
        DTRY    "out dx", "mov $PORT, %edx; out %al, %dx; nop"
        BREAK   3, PORT, IO, LEN1
        DTRY    "in dx", "mov $PORT, %edx; in %dx, %al; nop"
        BREAK   0, PORT, IO, LEN1
        DTRY    "another port", "out %al, $PORT + 1; nop"
        BREAK   0, PORT, IO, LEN1
        DTRY    "word that ends there", "in $PORT - 1, %ax; nop"
        BREAK   0, PORT, IO, LEN1
        DTRY    "dword that begins behind", "in $PORT + 1, %eax; nop"
        BREAK   0, PORT + 2, IO, LEN2
        DTRY    "dword over it", "in $PORT, %eax; nop"
        BREAK   0, PORT + 3, IO, LEN2
        DTRY    "odd port, length 2: aligned down", "in $PORT + 2, %al; nop"
        BREAK   0, PORT, IO, LEN4
        DTRY    "last of four", "in $PORT + 3, %al; nop"
        # ports are not memory, and memory is not a port
        BREAK   0, PORT, IO, LEN1
        DTRY    "memory at its number", "mov PORT, %al; nop"
        BREAK   0, PORT, RW, LEN1
        DTRY    "out, memory breakpoint", "out %al, $PORT; nop"
        # both at once
        BREAK   0, PORT, IO, LEN1
        mov     $watched, %eax
        mov     %eax, %dr1
        mov     %dr7, %eax
        or      $L1 | (RW | LEN1 << 2) << 20, %eax
        mov     %eax, %dr7
        DTRY    "outsb of a watched byte", "mov $PORT, %edx; mov $watched, %esi; outsb; nop"
        ret

# A trap after each iteration; RF is pushed set, as for any event within a string instruction.
strings:
        BREAK   0, PORT, IO, LEN1
        DTRY    "rep outsb", "mov $PORT, %edx; mov $watched, %esi; mov $3, %ecx; rep outsb; nop"
        SHOW    "  ecx", trap_ecx
        call    show_rf
        BREAK   0, PORT, IO, LEN1
        DTRY    "rep outsb, the last", "mov $PORT, %edx; mov $watched, %esi; mov $1, %ecx; rep outsb; nop"
        SHOW    "  ecx", trap_ecx
        BREAK   0, PORT, IO, LEN1
        DTRY    "rep insb", "mov $PORT, %edx; mov $watched, %edi; mov $3, %ecx; rep insb; nop"
        SHOW    "  ecx", trap_ecx
        BREAK   0, PORT, IO, LEN1
        DTRY    "rep outsb of none", "mov $PORT, %edx; xor %ecx, %ecx; rep outsb; nop"
        ret
show_rf:
        mov     trap_eflags, %eax
        shr     $16, %eax
        and     $1, %eax
        SHOWN   "  RF pushed", 1, "%eax"
        ret

# Not allowed: #GP, and no trap.
users:  BREAK   0, PORT, IO, LEN1
        TRY_USER "out at CPL 3", "out %al, $PORT; nop"
        call    dr6_off
        SHOW    "  dr6", dr6
        pushl   $0x3002                 # IOPL 3
        popf
        BREAK   0, PORT, IO, LEN1
        TRY_USER "out at CPL 3, IOPL 3", "out %al, $PORT; nop"
        call    dr6_off
        SHOW    "  dr6", dr6
        pushl   $2
        popf
        ret

# MOV SS and POP SS: neither the trap of their own access nor a breakpoint on the next instruction before that is done.
shadow: mov     %ss, watched
        BREAK   0, 1f, EXEC, LEN1
        BEGIN_TRY
        mov     watched, %ss
1:      nop
        nop
        call    trap_end
        call    dr6_off
        PUTS    "breakpoint behind mov ss: "
        call    trap_show
        BREAK   0, 1f, EXEC, LEN1
        BEGIN_TRY
        push    %ss
        pop     %ss
1:      nop
        nop
        call    trap_end
        call    dr6_off
        PUTS    "breakpoint behind pop ss: "
        call    trap_show
        BREAK   0, 1f, EXEC, LEN1
        BEGIN_TRY
        mov     watched, %ss
        nop
1:      nop
        call    trap_end
        call    dr6_off
        PUTS    "breakpoint two behind mov ss: "
        call    trap_show
        BREAK   0, 1f, EXEC, LEN1
        BEGIN_TRY
        sti
1:      cli
        call    trap_end
        call    dr6_off
        PUTS    "breakpoint behind sti: "
        call    trap_show
        # in the shadow a transfer to a handler: the trap comes before the handler's first instruction
        SET_GATE 0x50, handler
        BREAK   0, watched, RW, LEN2
        BEGIN_TRY
        mov     watched, %ss
        int     $0x50
        call    trap_end
        call    dr6_off
        PUTS    "mov ss from it, int 50h: "
        mov     trap_eip, %eax
        sub     $handler, %eax
        SHOW    "eip less the handler", "%eax"
        SHOW    "  dr6", dr6
        BREAK   0, watched, RW, LEN2
        DTRY    "mov ds from it", "mov watched, %ds; nop"
        ret
handler:
        nop
        iret

# RF: set for faults, clear for traps and INT n (SDM 3B 17.3.1.1).
rf:     TRY     "ud2", "ud2"
        call    show_rf
        TRY_USER "hlt at CPL 3", "hlt"
        call    show_rf
        TRY     "div 0", "xor %ecx, %ecx; div %ecx"
        call    show_rf
        TRY     "int3", "int3"
        call    show_rf
        TRY     "int 6", "int $6"
        call    show_rf
        TRY     "into", "mov $0x7F, %al; inc %al; into"
        call    show_rf
        BREAK   0, watched, WRITE, LEN4
        DTRY    "write", "movl $0, watched; nop"
        call    show_rf
        BREAK   0, watched, WRITE, LEN4
        DTRY    "rep stosl, first of two", "mov $watched, %edi; mov $2, %ecx; rep stosl; nop"
        call    show_rf
        TRY     "single step", "pushf; orl $0x100, (%esp); popf; nop; nop"
        call    show_rf
        # it lasts for all of a string instruction
        mov     $4, %ecx
        mov     $watched, %edi
        BREAK   0, 1f, EXEC, LEN1
        BEGIN_TRY
        pushf
        orl     $0x10000, (%esp)
        push    %cs
        push    $1f
        iret
1:      rep     stosb
        nop
        call    trap_end
        call    dr6_off
        PUTS    "rep stosb with RF: "
        call    trap_show
        SHOW    "  ecx", "%ecx"
        # POPF does not set it
        mov     $0, %ecx
        BREAK   0, 1f, EXEC, LEN1
        BEGIN_TRY
        pushf
        orl     $0x10000, (%esp)
        popf
1:      nop
        call    trap_end
        call    dr6_off
        PUTS    "popf with RF: "
        call    trap_show
        # nor does PUSHF show it, nor the handler of a fault have it
        SET_GATE 6, ud_handler
        ud2
        SHOWN   "RF in the handler", 1, seen
        SET_GATE 6, trap_stub_06
        ret
ud_handler:
        pushf
        pop     %eax
        shr     $16, %eax
        and     $1, %eax
        mov     %eax, seen
        addl    $2, (%esp)
        iret

# The breakpoint comes before the faults of fetching and of decoding.
fetch:  call    start_paging
        BREAK   0, TEST, EXEC, LEN1
        DTRY    "breakpoint where nothing is", "mov $TEST, %eax; jmp *%eax"
        TRY     "no breakpoint there", "mov $TEST, %eax; jmp *%eax"
        BREAK   0, 1f, EXEC, LEN1
        BEGIN_TRY
1:      ud2
        call    trap_end
        call    dr6_off
        PUTS    "breakpoint on ud2: "
        call    trap_show
        # data breakpoints count linear addresses: another one of the same page does not
        SET_PTE 0, page_a + PTE_P + PTE_W
        SET_PTE 1, page_a + PTE_P + PTE_W
        BREAK   0, TEST + 0x100, WRITE, LEN4
        DTRY    "its alias", "movl $1, TEST + 0x1100; nop"
        BREAK   0, TEST + 0x100, WRITE, LEN4
        DTRY    "itself", "movl $1, TEST + 0x100; nop"
        # an access over two pages that faults on the second: no trap
        SET_PTE 1, 0
        BREAK   0, TEST + 0xFFE, WRITE, LEN2
        DTRY    "write that faults behind it", "movl $1, TEST + 0xFFE; nop"
        SET_PTE 1, page_b + PTE_P + PTE_W
        BREAK   0, TEST + 0x1000, WRITE, LEN1
        DTRY    "write over two pages", "movl $1, TEST + 0xFFE; nop"
        ret

        .bss
        .balign 16
        .skip   64
watched:
        .skip   64
seen:   .skip   4
        .text
