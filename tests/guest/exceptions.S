# exceptions.S - every exception that needs neither paging nor debug registers: error code, saved EIP, what
# stays unchanged, double faults (SDM 3A chapter 6).
        .include "lib.inc"
        .include "trap.inc"

        .set    SEL_X, 0x30
        .set    SEL_Y, 0x38
        .macro  DESCRIPTOR sel, low, high
        movl    $\low, gdt + \sel
        movl    $\high, gdt + \sel + 4
        .endm

main:   INIT_TRAPS
        call    divide
        call    traps
        call    undefined
        call    no_device
        call    protection
        call    selectors
        call    user
        call    gates
        call    double
        ret

divide: TRY     "div 0", "mov $7, %eax; mov $5, %edx; xor %ecx, %ecx; div %ecx"
        EXPECT_EQ "eax kept", trap_eax, 7
        EXPECT_EQ "edx kept", trap_edx, 5
        TRY     "div quotient too large", "mov $1, %edx; mov $1, %ecx; div %ecx"
        TRY     "idiv -2^31 / -1", "mov $0x80000000, %eax; cdq; mov $-1, %ecx; idiv %ecx"
        TRY     "div byte", "mov $0x100, %ax; mov $1, %cl; div %cl"
        TRY     "idiv byte -128", "mov $-128, %ax; mov $1, %cl; idiv %cl"
        TRY     "idiv byte -129", "mov $-129, %ax; mov $1, %cl; idiv %cl"
        TRY     "aam 0", "aam $0"
        ret

traps:  TRY     "int3", "int3"
        TRY     "int 3", ".byte 0xCD, 3"
        TRY     "into, OF", "mov $0x7FFFFFFF, %eax; inc %eax; into"
        TRY     "into, no OF", "xor %eax, %eax; into"
        TRY     "int 4", "int $4"
        TRY     "single step", "pushf; orl $0x100, (%esp); popf; nop; nop"
        mov     trap_eflags, %eax
        SHOWN   "TF pushed", 1, "trap_eflags + 1"
        TRY     "bound inside", "mov $5, %eax; bound %eax, bounds"
        TRY     "bound below", "mov $-6, %eax; bound %eax, bounds"
        TRY     "bound above", "mov $11, %eax; bound %eax, bounds"
        TRY     "bound word", "mov $6, %eax; bound %ax, bounds"
        ret

undefined:
        TRY     "ud2", "ud2"
        TRY     "ud1", ".byte 0x0F, 0xB9, 0xC0"
        TRY     "lock on a register", ".byte 0xF0, 0x01, 0xC0"
        TRY     "lea register", ".byte 0x8D, 0xC0"
        TRY     "mov to CS", ".byte 0x8E, 0xC8"
        TRY     "mov from segment 6", ".byte 0x8C, 0xF0"
        TRY     "les register", ".byte 0xC4, 0xC0, 0x00, 0x00, 0x00, 0x00"
        TRY     "call far register", ".byte 0xFF, 0xD8"
        TRY     "FF /7", ".byte 0xFF, 0xF8"
        TRY     "mov from CR1", ".byte 0x0F, 0x20, 0xC8"
        TRY     "cmpxchg8b register", ".byte 0x0F, 0xC7, 0xC8"
        TRY     "bound register", ".byte 0x62, 0xC0, 0x90, 0x90"
        TRY     "sse without OSFXSR", "xorps %xmm0, %xmm0"
        TRY     "rsm", "rsm"
        # prefixes up to 15 bytes are fine, the 16th is #GP(0)
        TRY     "15 bytes", ".fill 14, 1, 0x3E; nop"
        TRY     "16 bytes", ".fill 15, 1, 0x3E; nop"
        ret

no_device:
        TRY     "fnop, TS", "mov %cr0, %eax; or $8, %eax; mov %eax, %cr0; fnop"
        TRY     "fwait, TS", "fwait"
        TRY     "fwait, TS and MP", "mov %cr0, %eax; or $2, %eax; mov %eax, %cr0; fwait"
        TRY     "fnop, EM", "clts; mov %cr0, %eax; or $4, %eax; mov %eax, %cr0; fnop"
        TRY     "fwait, EM", "fwait"
        mov     %cr0, %eax
        and     $~0xE, %eax
        mov     %eax, %cr0
        TRY     "fnop", "fnop"
        ret

protection:
        TRY     "sysenter, CS 0", "mov $0x174, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr; sysenter"
        TRY     "sysexit, CS 0", "sysexit"
        TRY     "read from code", "mov %cs:bounds, %eax"
        TRY     "movaps misaligned", "mov %cr4, %eax; or $0x200, %eax; mov %eax, %cr4; movaps bounds + 4, %xmm0"
        ret

selectors:
        TRY     "ds beyond the GDT", "mov $0x40, %eax; mov %eax, %ds"
        TRY     "ds beyond the GDT, rpl 3", "mov $0x43, %eax; mov %eax, %ds"
        TRY     "lldt null", "xor %eax, %eax; lldt %ax"
        TRY     "ds in no LDT", "mov $0x0F, %eax; mov %eax, %ds"
        TRY     "ds is a TSS", "mov $SEL_TSS, %eax; mov %eax, %ds"
        TRY     "ss null", "xor %eax, %eax; mov %eax, %ss"
        TRY     "ss null, rpl 3", "mov $3, %eax; mov %eax, %ss"
        TRY     "ss is code", "mov $SEL_CODE, %eax; mov %eax, %ss"
        TRY     "ss of ring 3", "mov $SEL_USER_DATA, %eax; mov %eax, %ss"
        DESCRIPTOR SEL_X, 0x0000FFFF, 0x00CF1300        # data, not present
        TRY     "ds not present", "mov $SEL_X, %eax; mov %eax, %ds"
        TRY     "ss not present", "mov $SEL_X, %eax; mov %eax, %ss"
        TRY     "pop ss not present", "push $SEL_X; pop %ss"
        DESCRIPTOR SEL_X, 0x0000FFFF, 0x00CF9900        # execute-only code
        TRY     "ds execute-only", "mov $SEL_X, %eax; mov %eax, %ds"
        DESCRIPTOR SEL_X, 0x0000FFFF, 0x00CF9100        # read-only data
        TRY     "ss read-only", "mov $SEL_X, %eax; mov %eax, %ss"
        TRY     "les beyond the GDT", "les far_pointer, %ecx"
        TRY     "jmp null", "ljmp $0, $1"
        TRY     "jmp beyond the GDT", "ljmp $0x48, $1"
        TRY     "jmp to data", "ljmp $SEL_DATA, $1"
        TRY     "jmp to ring 3", "ljmp $0x18, $1"
        DESCRIPTOR SEL_X, 0x0000FFFF, 0x00CF1B00
        TRY     "jmp not present", "ljmp $SEL_X, $1"
        TRY     "call not present", "lcall $SEL_X, $1"
        TRY     "retf not present", "push $SEL_X; push $0; lret"
        TRY     "iret not present", "pushf; push $SEL_X; push $0; iret"
        TRY     "retf null", "push $0; push $0; lret"
        TRY     "ltr busy", "mov $SEL_TSS, %eax; ltr %ax"
        TRY     "ltr data", "mov $SEL_DATA, %eax; ltr %ax"
        TRY     "lldt data", "mov $SEL_DATA, %eax; lldt %ax"
        DESCRIPTOR SEL_X, 0x00000067, 0x00000900        # TSS, not present
        TRY     "ltr not present", "mov $SEL_X, %eax; ltr %ax"
        ret

user:   .irp    insn, hlt, cli, sti, clts, invd, wbinvd, rdmsr, wrmsr, sysexit, "in $0x80, %al", "out %al, $0x80", "mov %cr0, %eax", "mov %eax, %cr3", "mov %dr0, %eax", "lgdt gdt_pointer", "lidt idt_pointer", "lldt %ax", "ltr %ax", "lmsw %ax", "invlpg gdt", insb, outsb
        TRY_USER "user \insn", "\insn"
        .endr
        TRY_USER "user sgdt", "sgdt -16(%esp)"
        TRY_USER "user smsw", "smsw %eax"
        TRY_USER "user popf", "pushf; orl $0x3200, (%esp); popf; pushf; pop %eax"
        mov     trap_eax, %eax
        and     $0x3200, %eax
        SHOWN   "IF, IOPL", 4, "%eax"
        TRY_USER "user ds of ring 0", "mov $SEL_DATA, %eax; mov %eax, %ds"
        TRY_USER "user ds of ring 0, rpl 3", "mov $SEL_DATA + 3, %eax; mov %eax, %ds"
        TRY_USER "user ss rpl 0", "mov $0x20, %eax; mov %eax, %ss"
        TRY_USER "user jmp ring 0", "ljmp $SEL_CODE, $1"
        TRY_USER "user rdtsc", "rdtsc"
        mov     %cr4, %eax
        or      $4, %eax                # TSD
        mov     %eax, %cr4
        TRY_USER "user rdtsc, TSD", "rdtsc"
        mov     %cr4, %eax
        and     $~4, %eax
        mov     %eax, %cr4
        ret

gates:  TRY     "int 50h, no gate", "int $0x50"
        SET_GATE 0x50, trap_stub_05, 0x0E               # not present
        TRY     "int 50h, gate not present", "int $0x50"
        SET_GATE 0x50, trap_stub_05, 0x8E
        TRY_USER "user int 50h, DPL 0", "int $0x50"
        TRY_USER "user int3, DPL 0", "int3"
        TRY_USER "user into, DPL 0", "mov $0x7F, %al; inc %al; into"
        TRY_USER "user ud2", "ud2"
        SHOWN   "user cs", 4, "trap_cs"
        SHOWN   "user ss", 4, "trap_user_ss"
        SET_GATE 3, trap_stub_03, 0xEE
        TRY_USER "user int3, DPL 3", "int3"
        SET_GATE 0x50, trap_stub_05, 0x8E
        movw    $SEL_DATA, idt + 0x50 * 8 + 2
        TRY     "gate to data", "int $0x50"
        movw    $0, idt + 0x50 * 8 + 2
        TRY     "gate to null", "int $0x50"
        movw    $0x18, idt + 0x50 * 8 + 2
        TRY     "gate to ring 3", "int $0x50"
        movw    $0x78, idt + 0x50 * 8 + 2
        TRY     "gate beyond the GDT", "int $0x50"
        movl    $idt, short_idt + 2
        movw    $14 * 8 - 1, short_idt
        lidt    short_idt
        TRY     "int 20h beyond the IDT", "int $0x20"
        lidt    idt_pointer
        ret

double: SET_GATE 0, trap_stub_00, 0x0E
        TRY     "#DE, gate not present", "xor %ecx, %ecx; div %ecx"
        SET_GATE 0, trap_stub_00
        SET_GATE 11, trap_stub_0b, 0x0E
        DESCRIPTOR SEL_X, 0x0000FFFF, 0x00CF1300
        TRY     "#NP, gate not present", "mov $SEL_X, %eax; mov %eax, %ds"
        SET_GATE 11, trap_stub_0b
        SET_GATE 13, trap_stub_0d, 0x0E
        TRY     "#GP, gate not present", "mov $0x78, %eax; mov %eax, %ds"
        TRY     "#UD through a gate to data, #GP not present", "movw $SEL_DATA, idt + 6 * 8 + 2; ud2"
        TRY     "int 51h without a gate, #GP not present", "int $0x51"
        SET_GATE 13, trap_stub_0d
        SET_GATE 6, trap_stub_06
        TRY     "and well again", "ud2"
        ret

        .data
        .balign 16
bounds: .long   -5, 10, 0, 0
        .long   0
short_idt:
        .word   0
        .long   0
far_pointer:
        .long   0
        .word   0x60
        .text
