# ioapic.S - the I/O APIC and the HPET: the PIT through pin 2, edges and masks, level-triggered interrupts with remote
# IRR, comparators one-shot and periodic, legacy replacement (82093AA; IA-PC HPET 1.0a).
        .include "lib.inc"
        .include "apic.inc"

        .set    HPET, 0xFED00000
        .set    HPET_CONFIG, HPET + 0x10
        .set    HPET_STATUS, HPET + 0x20
        .set    HPET_COUNTER, HPET + 0xF0
        .set    HPET_T0, HPET + 0x100
        .set    HPET_T2, HPET + 0x140
        .set    INT_ENABLE, 1 << 2
        .set    MODE32, 1 << 8

# WAIT n: until n more interrupts have come.
        .macro  WAIT n
        movl    $0, noted
        sti
71:     hlt
        cmpl    $\n, noted
        jb      71b
        cli
        movl    $0, log
        .endm

# NONE "text": none come in about a hundred thousand turns.
        .macro  NONE text
        movl    $0, noted
        mov     $0x20000, %ecx
        sti
71:     loop    71b
        cli
        EXPECT_EQ "\text", noted, 0
        .endm

main:   LOAD_IDT
        call    mask_pic
        NOTE_VECTOR 0x42
        NOTE_VECTOR 0x43
        movl    $0x1FF, LAPIC_SVR
        movl    $1, IOAPIC_INDEX
        mov     IOAPIC_WINDOW, %eax
        shr     $16, %eax
        EXPECT_EQ "last entry", %eax, 23
        call    pit
        call    counter
        call    comparator
        call    level
        call    periodic
        call    legacy
        ret

pit:    IOAPIC  0x15, $0                # pin 2 to CPU 0
        IOAPIC  0x14, $0x42
        call    pit_1khz
        WAIT    3
        PUTS    "ok PIT\n"
        IOAPIC  0x14, $0x10042
        WINDOW
        NONE    "masked"
        IOAPIC  0x14, $0x42
        WAIT    2
        PUTS    "ok unmasked\n"
        IOAPIC  0x15, $0x05000000       # a CPU that there is not
        WINDOW
        NONE    "sent elsewhere"
        IOAPIC  0x14, $0x10042
        mov     $0x30, %al              # PIT: mode 0, OUT high at once, and for good
        out     %al, $0x43
        mov     $1, %al
        out     %al, $0x40
        mov     $0, %al
        out     %al, $0x40
        ret

counter:
        mov     HPET, %eax
        and     $0x2000, %eax
        EXPECT_EQ "64 bits", %eax, 0x2000
        movl    $0, HPET_CONFIG
        mov     HPET_COUNTER, %eax
        sub     HPET_COUNTER, %eax
        EXPECT_EQ "halted", %eax, 0
        movl    $1, HPET_CONFIG
        mov     HPET_COUNTER, %eax
1:      mov     HPET_COUNTER, %edx
        sub     %eax, %edx
        cmp     $3000000, %edx          # 30 ms: the PIT's edge is masked and gone, on a busy host too
        jb      1b
        PUTS    "ok it counts\n"
        ret

# The first of the pins that comparator 2 may use: its number in %ecx, its entry's low register in %ebx.
find_route:
        mov     HPET_T2 + 4, %eax
        bsf     %eax, %ecx
        mov     %ecx, %ebx
        lea     0x10(, %ebx, 2), %ebx
        ret

        .macro  ROUTE value             # of the pin of find_route
        mov     %ebx, IOAPIC_INDEX
        movl    $\value, IOAPIC_WINDOW
        .endm

        .macro  DUE timer, ticks
        mov     HPET_COUNTER, %eax
        add     $\ticks, %eax
        mov     %eax, \timer + 8
        .endm

comparator:
        call    find_route
        lea     1(%ebx), %eax
        mov     %eax, IOAPIC_INDEX
        movl    $0, IOAPIC_WINDOW
        ROUTE   0x43
        shl     $9, %ecx
        or      $MODE32, %ecx
        mov     %ecx, HPET_T2
        DUE     HPET_T2, 200000
        or      $INT_ENABLE, %ecx
        mov     %ecx, HPET_T2
        WAIT    1
        NONE    "one shot"
        ret

# Level-triggered: in service and asserted until the status bit is cleared, again after an EOI before that.
level:  call    find_route
        ROUTE   0x8043
        SET_GATE 0x43, level_handler
        mov     HPET_T2, %ecx
        or      $2, %ecx
        mov     %ecx, HPET_T2
        movl    $-1, HPET_STATUS
        DUE     HPET_T2, 200000
        WAIT    3                       # the handler clears the status at the third
        NONE    "status cleared"
        EXPECT_EQ "remote IRR in service", remote_irr, 0x4000
        mov     %ebx, IOAPIC_INDEX
        mov     IOAPIC_WINDOW, %eax
        and     $0x4000, %eax
        EXPECT_EQ "remote IRR after it", %eax, 0
        ROUTE   0x10043
        movl    $0, HPET_T2
        SET_GATE 0x43, note_0x43
        ret
level_handler:
        push    %eax
        incl    noted
        mov     %ebx, IOAPIC_INDEX
        mov     IOAPIC_WINDOW, %eax
        and     $0x4000, %eax
        mov     %eax, remote_irr
        cmpl    $3, noted
        jb      1f
        movl    $-1, HPET_STATUS
1:      movl    $0, LAPIC_EOI
        pop     %eax
        iret

# Through IRQ 0: the comparator's period, VAL_SET first.
periodic:
        IOAPIC  0x15, $0
        IOAPIC  0x14, $0x42
        movl    $3, HPET_CONFIG         # legacy replacement
        movl    $INT_ENABLE | MODE32 | 0x48, HPET_T0
        DUE     HPET_T0, 100000
        movl    $50000, HPET_T0 + 8
        WAIT    5
        PUTS    "ok periodic\n"
        movl    $0, HPET_T0
        WINDOW
        ret

# The PIT is cut off until legacy replacement ends.
legacy: call    pit_1khz
        NONE    "no PIT"
        movl    $1, HPET_CONFIG
        WAIT    3
        PUTS    "ok PIT again\n"
        # and an HPET interrupt through the 8259A
        IOAPIC  0x14, $0x10042
        WINDOW
        SET_GATE 0x20, pic_tick
        movl    $3, HPET_CONFIG
        movl    $0x700, LAPIC_LVT_LINT0
        mov     $0xFE, %al
        out     %al, $0x21
        movl    $INT_ENABLE | MODE32, HPET_T0
        WINDOW                          # what the switch left behind
        DUE     HPET_T0, 200000
        WAIT    1
        DUE     HPET_T0, 200000
        WAIT    1
        PUTS    "ok through the 8259A\n"
        mov     $0xFF, %al
        out     %al, $0x21
        movl    $0, HPET_CONFIG
        ret
pic_tick:
        push    %eax
        incl    noted
        mov     $0x20, %al
        out     %al, $0x20
        pop     %eax
        iret

        .data
        .balign 4
remote_irr:
        .long   0
