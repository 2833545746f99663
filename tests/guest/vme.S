# vme.S - the virtual interrupt flag: V86 with CR4.VME (VIF, VIP, the redirection bitmap), ring 3 with CR4.PVI
# (SDM 3B 20.3, 20.4). TCG 7.2 has neither.
# options: -cpu max
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "v86.inc"

        .set    CR4_VME, 1
        .set    CR4_PVI, 2
        .set    IF, 0x200
        .set    VIF, 0x80000
        .set    VIP, 0x100000
        .set    TO_IDT, 0x51            # vectors: bit set in the bitmap
        .set    TO_IVT, 0x60            # bit clear

# VFLAGS "name", iopl, entry, flags: V86, and the EFLAGS it left with; all entries end with HLT.
        .macro  VFLAGS name, iopl, entry, flags=0
        V86     "\name", \iopl, \entry, \flags
        SHOW    "  eflags", trap_eflags
        .endm

main:   INIT_TRAPS
        mov     $0xFF, %al              # IF will be set: no IRQ
        out     %al, $0x21
        out     %al, $0xA1
        COPY_V86
        call    make_tss
        mov     $1, %eax
        cpuid
        shr     $1, %edx
        and     $1, %edx
        SHOWN   "cpuid: VME", 1, "%edx"
        call    without
        mov     $CR4_VME, %eax
        mov     %eax, %cr4
        call    flag
        call    pending
        call    forms
        call    redirected
        call    bad_bitmaps
        call    pvi
        ret

# A TSS with a redirection bitmap below its I/O bitmap; vectors 50h-5Fh and 13 go to the IDT.
make_tss:
        mov     $big_tss, %eax
        movl    $ring0_stack_top, 4(%eax)
        movl    $SEL_DATA, 8(%eax)
        movw    $104 + 32, 102(%eax)
        movw    $0xFFFF, redirection + 0x50 / 8
        movb    $1 << 5, redirection + 13 / 8
        movw    $104 + 32 + 16, gdt + SEL_TSS
        mov     %ax, gdt + SEL_TSS + 2
        shr     $16, %eax
        mov     %al, gdt + SEL_TSS + 4
        mov     %ah, gdt + SEL_TSS + 7
        movb    $0x89, gdt + SEL_TSS + 5
        mov     $SEL_TSS, %eax
        ltr     %ax
        # the 8086 program's handlers
        movw    $v86_handler - v86_code, TO_IVT * 4
        movw    $V86_CODE >> 4, TO_IVT * 4 + 2
        movw    $v86_handler - v86_code, 3 * 4
        movw    $V86_CODE >> 4, 3 * 4 + 2
        SET_GATE TO_IDT, trap_stub_05, 0xEE
        SET_GATE TO_IVT, trap_stub_06, 0xEE
        SET_GATE 3, trap_stub_03, 0xEE
        SET_GATE 4, trap_stub_04, 0xEE
        ret

without:
        VFLAGS  "VME off: cli, IOPL 0", 0, v86_cli
        VFLAGS  "VME off: int, IOPL 0", 0, v86_int_ivt
        VFLAGS  "VME off: int, IOPL 3", 3, v86_int_ivt
        ret

# CLI, STI, PUSHF, POPF, IRET on VIF when IOPL < 3, on IF when it is 3.
flag:   VFLAGS  "cli, IOPL 0, VIF", 0, v86_cli, VIF
        VFLAGS  "cli, IOPL 0, VIF, IF", 0, v86_cli, VIF + IF
        VFLAGS  "cli, IOPL 3, VIF, IF", 3, v86_cli, VIF + IF
        VFLAGS  "sti, IOPL 0", 0, v86_sti
        VFLAGS  "sti, IOPL 2, IF", 2, v86_sti, IF
        VFLAGS  "sti, IOPL 3", 3, v86_sti
        VFLAGS  "pushf, IOPL 0", 0, v86_pushf
        SHOWN   "  pushed", 4, trap_eax
        VFLAGS  "pushf, IOPL 0, IF", 0, v86_pushf, IF
        SHOWN   "  pushed", 4, trap_eax
        VFLAGS  "pushf, IOPL 1, VIF", 1, v86_pushf, VIF
        SHOWN   "  pushed", 4, trap_eax
        VFLAGS  "pushf, IOPL 3, VIF", 3, v86_pushf, VIF
        SHOWN   "  pushed", 4, trap_eax
        VFLAGS  "popf sets IF, IOPL 0", 0, v86_popf_if
        VFLAGS  "popf clears IF, IOPL 0", 0, v86_popf_none, VIF + IF
        VFLAGS  "popf all, IOPL 0", 0, v86_popf_all
        VFLAGS  "popf sets IF, IOPL 3", 3, v86_popf_if
        VFLAGS  "popf all, IOPL 3", 3, v86_popf_all
        VFLAGS  "popf sets TF, IOPL 0", 0, v86_popf_tf
        VFLAGS  "iret sets IF, IOPL 0", 0, v86_iret_if
        VFLAGS  "iret clears IF, IOPL 0", 0, v86_iret_none, VIF + IF
        VFLAGS  "iret sets IF, IOPL 3", 3, v86_iret_if
        VFLAGS  "iret sets TF, IOPL 0", 0, v86_iret_tf
        ret

# An interrupt waits for the program: what would set VIF is #GP, what clears it is not.
pending:
        VFLAGS  "VIP: sti, IOPL 0", 0, v86_sti, VIP
        VFLAGS  "VIP: sti, IOPL 3", 3, v86_sti, VIP
        VFLAGS  "VIP: cli, IOPL 0", 0, v86_cli, VIP + VIF
        VFLAGS  "VIP: popf sets IF, IOPL 0", 0, v86_popf_if, VIP
        VFLAGS  "VIP: popf clears IF, IOPL 0", 0, v86_popf_none, VIP + VIF
        VFLAGS  "VIP: popf sets IF, IOPL 3", 3, v86_popf_if, VIP
        VFLAGS  "VIP: iret sets IF, IOPL 0", 0, v86_iret_if, VIP
        VFLAGS  "VIP: iret clears IF, IOPL 0", 0, v86_iret_none, VIP + VIF
        ret

# 32-bit forms are not helped by VME; #GP leaves the stack pointer.
forms:  VFLAGS  "pushfl, IOPL 0", 0, v86_pushfl
        VFLAGS  "popfl, IOPL 0", 0, v86_popfl
        VFLAGS  "iretl, IOPL 0", 0, v86_iretl
        VFLAGS  "pushfl, IOPL 3, VIF", 3, v86_pushfl, VIF
        SHOW    "  pushed", trap_eax
        ret

redirected:
        VFLAGS  "int to the program, IOPL 0", 0, v86_int_ivt
        VFLAGS  "int to the program, IOPL 0, VIF", 0, v86_int_ivt, VIF
        SHOWN   "  flags pushed", 4, trap_eax
        SHOWN   "  cs pushed", 4, trap_ebx
        SHOWN   "  ip pushed less that behind int", 4, trap_ecx
        SHOWN   "  sp", 4, trap_edx
        VFLAGS  "int to the program, IOPL 0, IF", 0, v86_int_ivt, IF
        SHOWN   "  flags pushed", 4, trap_eax
        VFLAGS  "int to the program, IOPL 3, IF, VIF", 3, v86_int_ivt, IF + VIF
        SHOWN   "  flags pushed", 4, trap_eax
        VFLAGS  "int to the IDT, IOPL 0", 0, v86_int_idt
        VFLAGS  "int to the IDT, IOPL 3", 3, v86_int_idt
        # CD 03 is INT n, CC is not
        VFLAGS  "int 3 to the program, IOPL 0", 0, v86_int_3
        VFLAGS  "int3, IOPL 0", 0, v86_int3
        VFLAGS  "into, IOPL 0", 0, v86_into
        # and back by IRET, many times
        VFLAGS  "int and iret, IOPL 0, VIF", 0, v86_many, VIF
        SHOWN   "  count", 4, trap_ebx
        VFLAGS  "int and iret, IOPL 3, IF", 3, v86_many, IF
        SHOWN   "  count", 4, trap_ebx
        # TF is cleared on the way: the handler is not stepped, and comes back stepping
        movw    $v86_iretw - v86_code, TO_IVT * 4
        VFLAGS  "int stepped, IOPL 3", 3, v86_stepped
        movw    $v86_handler - v86_code, TO_IVT * 4
        ret

# A bitmap beyond the TSS, or none.
bad_bitmaps:
        movw    $104 + 31, big_tss + 102        # vector 0 would lie below 104, vector 60h is still inside
        VFLAGS  "bitmap one byte lower", 0, v86_int_ivt
        movw    $0x2000, big_tss + 102
        VFLAGS  "bitmap beyond the limit", 0, v86_int_ivt
        VFLAGS  "bitmap beyond the limit, IOPL 3", 3, v86_int_ivt
        movw    $104 + 32, big_tss + 102
        ret

# Ring 3 with PVI: CLI and STI only.
        .macro  PVI name, iopl, flags, body
        movl    $(2 | (\iopl) << 12 | (\flags)), wanted_flags
        call    pvi_begin
        \body
        END_TRY_USER "\name"
        SHOW    "  eflags", trap_eflags
        .endm
pvi_begin:
        popl    trap_base
        mov     %esp, trap_esp
        mov     %es, trap_es
        movl    $-1, trap_vector
        movl    $1, trap_armed
        push    $SEL_USER_DATA
        push    $user_stack
        pushl   wanted_flags
        push    $SEL_USER_CODE
        pushl   trap_base
        iret

pvi:    PVI     "PVI off: cli", 0, VIF, "cli"
        mov     $CR4_PVI, %eax
        mov     %eax, %cr4
        PVI     "cli, IOPL 0", 0, VIF + IF, "cli"
        PVI     "sti, IOPL 0", 0, 0, "sti"
        PVI     "sti, IOPL 0, VIP", 0, VIP, "nop; sti"
        PVI     "cli, IOPL 3", 3, VIF + IF, "cli"
        PVI     "sti, IOPL 3, VIP", 3, VIP, "sti"
        # PUSHF and POPF know nothing of it
        PVI     "pushf, IOPL 0, VIF", 0, VIF, "pushfw; popw %ax"
        SHOWN   "  pushed", 4, trap_eax
        PVI     "popf sets IF, IOPL 0", 0, 0, "pushl $0x202; popf"
        PVI     "popf clears all, IOPL 0", 0, VIF + IF, "pushl $2; popf"
        PVI     "loop", 0, 0, "mov $1000, %ecx; 1: sti; cli; loop 1b; sti"
        # neither ring 0 nor V86 is concerned
        TRY     "ring 0", "sti; pushf; pop %eax; cli"
        and     $VIF + IF, %eax
        SHOW    "  VIF, IF", "%eax"
        VFLAGS  "V86 cli, IOPL 0, PVI only", 0, v86_cli
        mov     $CR4_VME, %eax
        mov     %eax, %cr4
        PVI     "VME only: cli, IOPL 0", 0, VIF, "cli"
        ret

        .code16
v86_code:
v86_cli:
        cli
        hlt
v86_sti:
        sti
        hlt
v86_pushf:
        pushfw
        popw    %ax
        hlt
v86_popf_if:
        pushw   $0x0202
        popfw
        hlt
v86_popf_none:
        pushw   $0x0002
        popfw
        hlt
v86_popf_all:
        pushw   $0x7ED7                 # IOPL 3, NT, and all but TF
        popfw
        hlt
v86_popf_tf:
        pushw   $0x0102
        popfw
        hlt
v86_iret_if:
        pushw   $0x0202
        jmp     1f
v86_iret_none:
        pushw   $0x0002
        jmp     1f
v86_iret_tf:
        pushw   $0x0102
1:      pushw   %cs
        pushw   $2f - v86_code
v86_iretw:
        iretw
2:      hlt
v86_pushfl:
        pushfl
        popl    %eax
        hlt
v86_popfl:
        pushl   $2
        popfl
        hlt
v86_iretl:
        pushl   $2
        pushl   $V86_CODE >> 4
        pushl   $1f - v86_code
        iretl
1:      hlt
v86_int_ivt:
        int     $TO_IVT
v86_behind:
        hlt
v86_int_idt:
        int     $TO_IDT
        hlt
v86_int_3:
        .byte   0xCD, 3
        hlt
v86_int3:
        int3
        hlt
v86_into:
        movb    $0x7F, %al
        incb    %al
        into
        hlt
# What INT pushed, as it lies there.
v86_handler:
        movw    %sp, %bp
        movw    %sp, %dx
        movw    (%bp), %cx
        subw    $v86_behind - v86_code, %cx
        movw    2(%bp), %bx
        movw    4(%bp), %ax
        hlt
v86_many:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    $v86_count - v86_code, TO_IVT * 4
        movw    $1000, %cx
        xorw    %bx, %bx
1:      int     $TO_IVT
        loop    1b
        movw    $v86_handler - v86_code, TO_IVT * 4
        hlt
v86_count:
        incw    %bx
        iretw
v86_stepped:
        pushw   $0x0102
        popfw
        int     $TO_IVT
        nop
        hlt
v86_end:
        .code32

        .bss
        .balign 16
big_tss:
        .skip   104
redirection:
        .skip   32
        .skip   64
wanted_flags:
        .skip   4
        .text
