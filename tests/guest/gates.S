# gates.S - changes of privilege: IRET, INT, call gates, far RET, conforming code, SYSENTER (SDM 3A 5.8, 6.12).
        .include "lib.inc"
        .include "trap.inc"

# A GDT of this guest's own: lib.inc's first six entries, then these.
        .set    SEL_GATE32, 0x30
        .set    SEL_GATE16, 0x38
        .set    SEL_GATE_SAME, 0x40
        .set    SEL_CONFORMING, 0x48
        .set    SEL_CODE1, 0x51
        .set    SEL_STACK1, 0x59
        .set    SEL_GATE1, 0x60
        .set    SEL_GATE_DPL0, 0x68
        .set    SEL_GATE_BAD, 0x70
        .set    SEL_CODE16, 0x78
        .set    SEL_SYS, 0x80           # 80h code 0, 88h data 0, 90h code 3, 98h data 3

        .macro  CALL_GATE sel, target_sel, target, type
        mov     $(\target), %eax
        mov     %ax, big_gdt + \sel
        movw    $\target_sel, big_gdt + \sel + 2
        movw    $\type, big_gdt + \sel + 4
        shr     $16, %eax
        mov     %ax, big_gdt + \sel + 6
        .endm

main:   INIT_TRAPS
        mov     $0xFF, %al              # no IRQ: IF will be set
        out     %al, $0x21
        out     %al, $0xA1
        mov     $gdt, %esi
        mov     $big_gdt, %edi
        mov     $12, %ecx
        rep     movsl
        lgdt    big_gdt_pointer
        CALL_GATE SEL_GATE32, SEL_CODE, callee32, 0xEC03        # DPL 3, 3 parameters
        CALL_GATE SEL_GATE16, SEL_CODE16, (callee16 - 0x100000), 0xE402
        CALL_GATE SEL_GATE_SAME, 0x1B, same_level, 0xEC00
        CALL_GATE SEL_GATE1, SEL_CODE1, ring1, 0xEC01
        CALL_GATE SEL_GATE_DPL0, SEL_CODE, jumped, 0x8C00
        CALL_GATE SEL_GATE_BAD, SEL_DATA, callee32, 0xEC00
        movl    $ring1_stack, tss + 12
        movl    $SEL_STACK1, tss + 16
        call    call_gates
        call    conforming
        call    outer
        call    iret_forms
        call    sysenter
        ret

call_gates:
        movl    $0, seen
        TRY_USER "gate 32, 3 parameters", "push $0x33333333; push $0x22222222; push $0x11111111; lcall $SEL_GATE32, $0; mov %esp, %ebx"
        call    show_callee
        mov     trap_ebx, %eax
        sub     $user_stack, %eax
        SHOW    "esp after it", "%eax"
        TRY_USER "gate 16, 2 parameters", "pushw $0x2222; pushw $0x1111; lcall $SEL_GATE16, $0"
        mov     $ring0_stack_top, %eax
        sub     %eax, seen + 28
        movl    $0, seen + 24           # SP: an address
        call    show_callee
        TRY_USER "gate to the same level", "lcall $SEL_GATE_SAME, $0"
        SHOWN   "same level, cs pushed", 4, "seen + 4"
        TRY_USER "jmp through a gate inwards", "ljmp $SEL_GATE32, $0"
        TRY     "jmp through a gate, same level", "ljmp $SEL_GATE_DPL0, $0"
        TRY     "call from ring 0", "lcall $SEL_GATE32, $0"
        TRY_USER "gate of DPL 0", "lcall $SEL_GATE_DPL0, $0"
        TRY_USER "rpl beyond the gate", "lcall $SEL_GATE_DPL0 + 3, $0"
        TRY_USER "gate to data", "lcall $SEL_GATE_BAD, $0"
        TRY     "gate outwards", "lcall $SEL_GATE_SAME, $0"
        TRY_USER "to ring 1", "push $0x77777777; lcall $SEL_GATE1, $0; mov %cs, %eax"
        SHOWN   "ring 1 cs", 4, seen
        SHOWN   "ring 1 ss", 4, "seen + 4"
        SHOW    "ring 1 parameter", "seen + 8"
        SHOWN   "back in cs", 4, trap_eax
        andb    $0x7F, big_gdt + SEL_GATE32 + 5
        TRY_USER "gate not present", "lcall $SEL_GATE32, $0"
        orb     $0x80, big_gdt + SEL_GATE32 + 5
        TRY_USER "parameters from no stack", "mov $0, %eax; mov %eax, %ss"
        ret

show_callee:
        SHOWN   "cs", 4, seen
        SHOWN   "ss", 4, "seen + 4"
        SHOW    "bytes on the stack", "seen + 8"
        SHOWN   "return cs", 4, "seen + 12"
        SHOW    "first", "seen + 16"
        SHOW    "second", "seen + 20"
        SHOW    "third", "seen + 24"
        SHOW    "last", "seen + 28"
        ret

# Frame: EIP CS parameters ESP SS
callee32:
        mov     %cs, seen
        mov     %ss, seen + 4
        mov     $ring0_stack_top, %eax
        sub     %esp, %eax
        mov     %eax, seen + 8
        .irp    n, 1, 2, 3, 4
        mov     4 * \n(%esp), %eax
        mov     %eax, seen + 8 + 4 * \n
        .endr
        mov     24(%esp), %eax
        mov     %eax, seen + 28
        lret    $12

jumped: mov     %esp, %eax
        int     $VEC_USER_DONE

# In a 16-bit segment that starts at 1 MiB. Frame, in words: IP CS parameters SP SS
callee16:
        .code16
        movl    %eax, %edx
        movw    %cs, %ax
        addr32 movl %eax, %ds:seen
        movw    %ss, %ax
        addr32 movl %eax, %ds:seen + 4
        movl    $ring0_stack_top, %eax
        subl    %esp, %eax
        addr32 movl %eax, %ds:seen + 8
        .irp    n, 1, 2, 3, 4
        addr32 movw %ss:2 * \n(%esp), %ax
        movzwl  %ax, %eax
        addr32 movl %eax, %ds:seen + 8 + 4 * \n
        .endr
        pushw   %cs                     # a 16-bit return that stays here
        movl    $1f - 0x100000, %eax
        pushw   %ax
        pushw   %cs
        popw    %dx
        lretw
1:      addr32 movl %esp, %ds:seen + 28
        pushfw
        pushw   %cs
        movl    $1f - 0x100000, %eax
        pushw   %ax
        iretw
1:      int     $VEC_USER_DONE          # the caller's EIP does not fit 16 bits
        .code32

same_level:
        mov     4(%esp), %eax
        mov     %eax, seen + 4
        lret

ring1:  mov     %cs, seen
        mov     %ss, seen + 4
        mov     8(%esp), %eax
        mov     %eax, seen + 8
        lret    $4

conforming:
        TRY_USER "conforming code", "lcall $SEL_CONFORMING, $conforming_code"
        SHOWN   "cs there", 4, seen
        TRY_USER "conforming, jmp with rpl 0", "ljmp $SEL_CONFORMING, $1f; 1: mov %cs, %eax"
        SHOWN   "cs", 4, trap_eax
        TRY     "conforming from ring 0", "lcall $SEL_CONFORMING, $conforming_code"
        SHOWN   "cs there", 4, seen
        # reading it is allowed at any level
        TRY_USER "conforming as data", "mov $SEL_CONFORMING, %eax; mov %eax, %fs; mov %fs:same_level, %al"
        # the more privileged cannot be entered from less with a non-conforming DPL 3 at CPL 0
        movb    $0xFF, big_gdt + SEL_CONFORMING + 5     # DPL 3
        TRY     "conforming DPL 3 from ring 0", "lcall $SEL_CONFORMING, $conforming_code"
        movb    $0x9F, big_gdt + SEL_CONFORMING + 5
        ret
conforming_code:
        mov     %cs, %eax
        mov     %eax, seen
        lret

# To outer levels: registers of segments that the outer level may not have become null.
outer:  mov     $SEL_USER_DATA, %eax
        mov     %eax, %fs
        mov     $SEL_DATA, %eax
        mov     %eax, %gs
        call    trap_begin
        push    $SEL_USER_DATA
        push    $user_stack
        push    $SEL_USER_CODE
        push    $1f
        lret
1:      mov     %fs, %eax
        mov     %gs, %ecx
        mov     %ds, %edx
        mov     %cs, %ebx
        pushf
        pop     %esi
        int     $VEC_USER_DONE
        call    trap_end
        PUTS    "lret outwards: "
        call    trap_show
        SHOWN   "fs", 4, trap_eax
        SHOWN   "gs", 4, trap_ecx
        SHOWN   "ds", 4, trap_edx
        SHOWN   "cs", 4, trap_ebx
        TRY     "lret outwards, ss null", "push $0; push $user_stack; push $SEL_USER_CODE; push $1; lret"
        TRY     "lret outwards, ss of ring 0", "push $SEL_DATA; push $user_stack; push $SEL_USER_CODE; push $1; lret"
        TRY     "lret outwards, ss rpl 0", "push $0x20; push $user_stack; push $SEL_USER_CODE; push $1; lret"
        TRY     "lret to rpl 3 of ring 0 code", "push $SEL_DATA; push $0; push $SEL_CODE + 3; push $1; lret"
        TRY_USER "lret inwards", "push $SEL_CODE; push $1; lret"
        TRY_USER "iret inwards", "pushf; push $SEL_CODE; push $1; iret"
        # RET imm16 outwards takes the parameters off both stacks
        call    trap_begin
        push    $SEL_USER_DATA
        push    $user_stack - 32
        push    $0xAAAA
        push    $0xBBBB
        push    $SEL_USER_CODE
        push    $1f
        lret    $8
1:      mov     %esp, %eax
        int     $VEC_USER_DONE
        call    trap_end
        mov     trap_eax, %eax
        sub     $user_stack, %eax
        SHOW    "lret 8 outwards, esp", "%eax"
        ret

iret_forms:
        # IF, IOPL, by who it is
        TRY     "iret in ring 0", "push $0x3246; push $SEL_CODE; push $1f; iret; 1: pushf; pop %eax; mov %eax, seen; cli; pushl $2; popf"
        mov     seen, %eax
        SHOWN   "flags", 4, "%eax"
        TRY_USER "iret in ring 3", "push $0x3246; push $SEL_USER_CODE; push $1f; iret; 1: pushf; pop %eax"
        mov     trap_eax, %eax
        SHOWN   "flags", 4, "%eax"
        # a trap gate leaves IF, an interrupt gate clears it; both clear TF, NT, RF, VM
        SET_GATE 0x50, gate_flags, 0x8E
        SET_GATE 0x51, gate_flags, 0x8F
        TRY     "interrupt gate", "push $0x4246; popf; int $0x50; push $2; popf"
        SHOWN   "flags inside", 4, seen
        SHOWN   "flags pushed", 4, "seen + 4"
        TRY     "trap gate", "push $0x4246; popf; int $0x51; push $2; popf"
        SHOWN   "flags inside", 4, seen
        SHOWN   "flags pushed", 4, "seen + 4"
        # 16-bit gates push words
        SET_GATE 0x52, gate_flags16, 0x86
        movw    $SEL_CODE16, idt + 0x52 * 8 + 2
        mov     $gate_flags16 - 0x100000, %eax
        mov     %ax, idt + 0x52 * 8
        movw    $0, idt + 0x52 * 8 + 6
        mov     %esp, %ebp
        TRY     "16-bit interrupt gate", "mov %esp, %ecx; int $0x52; nop"
        mov     trap_esp, %eax
        sub     seen + 8, %eax
        SHOW    "bytes pushed", "%eax"
        SHOWN   "cs pushed", 4, "seen + 2"
        ret
gate_flags:
        pushf
        popl    seen
        mov     8(%esp), %eax
        mov     %eax, seen + 4
        iret
# in a 16-bit segment that starts at 1 MiB
gate_flags16:
        .code16
        addr32 movl %esp, %ds:seen + 8
        addr32 movw %ss:2(%esp), %ax
        addr32 movw %ax, %ds:seen + 2
        int     $VEC_USER_DONE
        .code32

sysenter:
        .macro  MSR n, value
        mov     $\n, %ecx
        mov     $\value, %eax
        xor     %edx, %edx
        wrmsr
        .endm
        MSR     0x174, SEL_SYS
        MSR     0x175, ring0_stack_top
        MSR     0x176, sysenter_entry
        TRY_USER "sysenter, sysexit", "pushf; mov %esp, %ecx; mov $1f, %edx; sysenter; 1: mov %cs, %eax; mov %ss, %ebx; mov %esp, %esi"
        SHOWN   "cs inside", 4, seen
        SHOWN   "ss inside", 4, "seen + 4"
        SHOWN   "IF inside", 4, "seen + 8"
        mov     seen + 12, %eax
        sub     $ring0_stack_top, %eax
        SHOW    "esp inside", "%eax"
        SHOWN   "cs back", 4, trap_eax
        SHOWN   "ss back", 4, trap_ebx
        mov     trap_esi, %eax
        sub     $user_stack, %eax
        SHOW    "esp back", "%eax"
        # many times
        call    trap_begin_user
        mov     $10000, %edi
2:      mov     %esp, %ecx
        mov     $1f, %edx
        sysenter
1:      dec     %edi
        jnz     2b
        END_TRY_USER "10000 times"
        TRY     "sysenter in ring 0", "mov %esp, %ecx; mov $1f, %edx; sysenter; 1: int $VEC_USER_DONE"
        ret
sysenter_entry:
        mov     %cs, %eax
        mov     %eax, %ss:seen
        mov     %ss, %eax
        mov     %eax, %ss:seen + 4
        mov     %esp, %ss:seen + 12
        pushf
        popl    %eax
        and     $0x200, %eax
        mov     %eax, %ss:seen + 8
        sysexit

        .data
        .balign 8
big_gdt:
        .quad   0, 0, 0, 0, 0, 0
        .quad   0, 0, 0
        .quad   0x00CF9F000000FFFF      # 48h conforming code, DPL 0
        .quad   0x00CFBB000000FFFF      # 50h code, DPL 1
        .quad   0x00CFB3000000FFFF      # 58h data, DPL 1
        .quad   0, 0, 0
        .quad   0x00009B100000FFFF      # 78h 16-bit code at 1 MiB
        .quad   0x00CF9B000000FFFF
        .quad   0x00CF93000000FFFF
        .quad   0x00CFFB000000FFFF
        .quad   0x00CFF3000000FFFF
big_gdt_pointer:
        .word   . - big_gdt - 1
        .long   big_gdt

        .bss
        .balign 4
seen:   .skip   32
        .skip   4096
ring1_stack:
        .text
