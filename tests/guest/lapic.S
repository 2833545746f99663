# lapic.S - the local APIC: priorities, TPR, IPIs to self, the timer in its modes, virtual wire mode, CPUID (SDM 3A
# chapter 11).
        .include "lib.inc"
        .include "apic.inc"

        .set    TIMER, 0x61

main:   LOAD_IDT
        mov     $1, %eax
        cpuid
        mov     %ecx, features
        shr     $9, %edx
        and     $1, %edx
        EXPECT_EQ "CPUID shows an APIC", %edx, 1
        mov     $0x1B, %ecx
        rdmsr
        and     $0xFFFFF900, %eax
        EXPECT_EQ "IA32_APIC_BASE", %eax, LAPIC + 0x900
        EXPECT_EQ "the firmware has it enabled", LAPIC_SVR, 0x1FF
        call    mask_pic
        NOTE_VECTOR 0x41
        NOTE_VECTOR 0x45
        NOTE_VECTOR 0x52
        NOTE_VECTOR 0x61
        NOTE_VECTOR 0x20
        call    self_ipis
        call    task_priority
        call    nesting
        call    nmi
        call    one_shot
        call    periodic
        call    tsc_deadline
        call    virtual_wire
        call    disabled
        ret

        .macro  SEND vector
        movl    $SELF_IPI | \vector, LAPIC_ICR
        .endm

self_ipis:
        SEND    0x41
        SEND    0x52
        SEND    0x45
        SEND    0x41                    # already requested
        EXPECT_EQ "IRR 40-5F", LAPIC_IRR + 0x20, 0x40022
        EXPECT_LOG "interrupts are off", 0
        WINDOW
        EXPECT_LOG "the highest first", 0x524541
        EXPECT_EQ "IRR is empty", LAPIC_IRR + 0x20, 0
        EXPECT_EQ "ISR is empty", LAPIC_ISR + 0x20, 0
        # by physical and logical destination
        mov     LAPIC_ID, %eax
        mov     %eax, LAPIC_ICR_HIGH
        movl    $0x41, LAPIC_ICR
        movl    $0x01000000, LAPIC_LDR
        movl    $0x01000000, LAPIC_ICR_HIGH
        movl    $0x845, LAPIC_ICR
        WINDOW
        EXPECT_LOG "physical, logical", 0x4541
        movl    $0x02000000, LAPIC_ICR_HIGH
        movl    $0x845, LAPIC_ICR
        movl    $0xC0045, LAPIC_ICR     # all but this one
        WINDOW
        EXPECT_LOG "addressed to others", 0
        # HLT wakes up
        SEND    0x41
        sti
        hlt
        cli
        EXPECT_LOG "sti; hlt", 0x41
        ret

task_priority:
        movl    $0x50, LAPIC_TPR
        EXPECT_EQ "PPR", LAPIC_PPR, 0x50
        SEND    0x52
        SEND    0x61
        SEND    0x45
        WINDOW
        EXPECT_LOG "TPR 50h", 0x61
        movl    $0x4F, LAPIC_TPR
        WINDOW
        EXPECT_LOG "TPR 4Fh", 0x52
        movl    $0, LAPIC_TPR
        WINDOW
        EXPECT_LOG "TPR 0", 0x45
        ret

# A handler that enables interrupts is interrupted by higher classes only.
nesting:
        SET_GATE 0x52, nested
        SEND    0x52
        WINDOW
        EXPECT_LOG "class 6 within class 5, class 4 after it", 0x6145
        EXPECT_EQ "PPR then", nested_ppr, 0x50
        SET_GATE 0x52, note_0x52
        ret
nested: SEND    0x45
        SEND    0x61
        push    LAPIC_PPR
        pop     nested_ppr
        sti
        nop
        nop
        cli
        movl    $0, LAPIC_EOI
        iret

# An NMI does not ask for IF, and the next is held back until IRET.
nmi:    SET_GATE 2, nmi_handler
        mov     LAPIC_ID, %eax
        mov     %eax, LAPIC_ICR_HIGH
        movl    $0, noted
        movl    $0x4400, LAPIC_ICR
        jmp     1f                      # QEMU looks at the end of its blocks only
1:      jmp     1f
1:      EXPECT_EQ "NMI", noted, 2
        EXPECT_EQ "NMIs do not nest", nmi_seen, 0
        ret
nmi_handler:
        incl    noted
        cmpl    $1, noted
        jne     1f
        movl    $1, nmi_nested
        movl    $0x4400, LAPIC_ICR
        jmp     2f
2:      jmp     2f
2:      movl    $0, nmi_nested
        iret
1:      mov     nmi_nested, %eax        # the second: within the first?
        or      %eax, nmi_seen
        iret

one_shot:
        movl    $0xB, LAPIC_DIVIDE
        movl    $TIMER, LAPIC_LVT_TIMER
        movl    $10000, LAPIC_INITIAL
        EXPECT_EQ "initial count", LAPIC_INITIAL, 10000
        sti
        hlt
        cli
        EXPECT_LOG "one shot", TIMER
        EXPECT_EQ "then it stands", LAPIC_CURRENT, 0
        movl    $0x10000 | TIMER, LAPIC_LVT_TIMER
        movl    $10000, LAPIC_INITIAL
1:      cmpl    $0, LAPIC_CURRENT
        jne     1b
        movl    $TIMER, LAPIC_LVT_TIMER
        WINDOW
        EXPECT_LOG "masked", 0
        ret

periodic:
        movl    $0x20000 | TIMER, LAPIC_LVT_TIMER
        movl    $1000000, LAPIC_INITIAL
        movl    $0, noted
        sti
1:      hlt
        cmpl    $5, noted
        jb      1b
        cli
        movl    $0, LAPIC_INITIAL
        movl    $0x10000, LAPIC_LVT_TIMER
        WINDOW
        movl    $0, log
        PUTS    "ok periodic\n"
        ret

tsc_deadline:
        testl   $1 << 24, features
        jz      9f
        movl    $0x40000 | TIMER, LAPIC_LVT_TIMER
        rdtsc
        mov     %eax, %esi
        mov     %edx, %edi
        add     $1000000, %esi
        adc     $0, %edi
        mov     $0x6E0, %ecx
        mov     %esi, %eax
        mov     %edi, %edx
        wrmsr
        rdmsr
        cmp     %esi, %eax
        jne     1f
        sti
        hlt
        cli
        cmpl    $TIMER, log
        jne     1f
        rdtsc
        sub     %esi, %eax              # not before its time
        sbb     %edi, %edx
        js      1f
        rdmsr                           # disarmed
        or      %edx, %eax
        jnz     1f
        mov     $1, %eax                # in the past
        xor     %edx, %edx
        wrmsr
        WINDOW
        cmpl    $TIMER << 8 | TIMER, log
        je      8f
1:      PUTS    "FAIL tsc deadline\n"
        incl    failures
8:      movl    $0x10000, LAPIC_LVT_TIMER
        movl    $0, log
9:      ret

# LINT0 passes the 8259A on: with any task priority, and its vector is the 8259A's.
virtual_wire:
        SET_GATE 0x20, pic_tick
        movl    $0x700, LAPIC_LVT_LINT0
        movl    $0xFF, LAPIC_TPR
        mov     $0xFE, %al
        out     %al, $0x21
        call    pit_1khz
        movl    $0, noted
        sti
1:      hlt
        cmpl    $3, noted
        jb      1b
        cli
        EXPECT_EQ "no bit in service", LAPIC_ISR + 0x10, 0
        movl    $0x10700, LAPIC_LVT_LINT0
        movl    $0, noted
        mov     $0x100000, %ecx
        sti
1:      loop    1b
        cli
        EXPECT_EQ "LINT0 masked", noted, 0
        movl    $0, LAPIC_TPR
        ret
pic_tick:
        push    %eax
        incl    noted
        mov     $0x20, %al
        out     %al, $0x20
        pop     %eax
        iret

# IA32_APIC_BASE without the enable bit: as if there were none, the 8259A is the CPU's.
disabled:
        movl    $0x700, LAPIC_LVT_LINT0
        mov     $0x1B, %ecx
        rdmsr
        mov     %eax, %esi
        and     $~0x800, %eax
        wrmsr
        mov     $1, %eax
        cpuid
        shr     $9, %edx
        and     $1, %edx
        EXPECT_EQ "CPUID shows none", %edx, 0
        movl    $0, noted
        sti
1:      hlt
        cmpl    $3, noted
        jb      1b
        cli
        mov     $0xFF, %al
        out     %al, $0x21
        PUTS    "ok disabled\n"
        ret

        .data
        .balign 4
features:
        .long   0
nested_ppr:
        .long   0
nmi_nested:
        .long   0
nmi_seen:
        .long   0
