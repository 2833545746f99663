# steps.S - single step through what changes privilege, mode or task: each #DB as CS:EIP, the EIP less that of the first
# instruction (SDM 3B 17.3.1.4). debug.S steps through what stays in ring 0.
        .include "lib.inc"
        .include "trap.inc"
        .include "v86.inc"

        .set    TF, 0x100
        .set    SEL_GATE, 0x30
        .set    SEL_T1, 0x38
        .set    SEL_SYS, 0x40           # 40h code 0, 48h data 0, 50h code 3, 58h data 3

# WALK "text": what follows runs with TF set at CPL 0; WALK_USER: at CPL 3, IOPL 0. END_WALK: as TRY shows it.
        .macro  WALK text
        PUTS    "\text:"
        call    walk_begin
        .endm
        .macro  WALK_USER text
        PUTS    "\text:"
        call    walk_begin_user
        .endm
        .macro  END_WALK
        int     $VEC_USER_DONE
        call    walk_end
        .endm

main:   INIT_TRAPS
        mov     $0xFF, %al
        out     %al, $0x21
        out     %al, $0xA1
        COPY_V86
        mov     $gdt, %esi
        mov     $big_gdt, %edi
        mov     $12, %ecx
        rep     movsl
        lgdt    big_gdt_pointer
        SET_GATE 0x50, just_iret, 0xEE
        SET_GATE 0x51, just_iret, 0xEF
        call    interrupts
        call    flags
        call    call_gates
        call    returns
        call    fast
        call    faults
        call    v86
        call    tasks
        ret

just_iret:
        iret

# The steps of everybody: DS and ES are anything.
walker: pusha
        push    %ds
        push    %es
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        PUTS    " "
        mov     44(%esp), %eax
        mov     $2, %ecx
        testb   $2, 50(%esp)            # VM
        jz      1f
        mov     $4, %ecx
1:      call    print_digits
        PUTS    ":"
        mov     40(%esp), %eax
        sub     trap_base, %eax
        testb   $2, 50(%esp)
        jz      2f
        mov     40(%esp), %eax
        mov     $4, %ecx
        jmp     3f
2:      mov     $2, %ecx
        cmp     $0x100, %eax
        jb      3f
        mov     40(%esp), %eax
        mov     $8, %ecx
3:      call    print_digits
        mov     %dr6, %eax
        and     $0xE00F, %eax
        cmp     $0x4000, %eax
        je      4f
        PUTS    " dr6="
        mov     $4, %ecx
        call    print_digits
4:      xor     %eax, %eax
        mov     %eax, %dr6
        pop     %es
        pop     %ds
        popa
        iret

walk_begin:
        popl    trap_base
        call    walk_set_up
        pushl   $TF + 2
        push    $SEL_CODE
        pushl   trap_base
        iret
walk_begin_user:
        popl    trap_base
        call    walk_set_up
        mov     $SEL_USER_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        push    $SEL_USER_DATA
        push    $user_stack
        push    $TF + 2
        push    $SEL_USER_CODE
        pushl   trap_base
        iret
# The caller's stack pointer is the one TRY's end goes back to.
walk_set_up:
        SET_GATE 1, walker
        lea     4(%esp), %eax
        mov     %eax, trap_esp
        mov     %es, trap_es
        movl    $-1, trap_vector
        movl    $1, trap_armed
        ret
walk_end:
        PUTS    " "
        call    trap_show
        SET_GATE 1, trap_stub_01
        ret

# INT n clears TF, IRET brings it back: the next trap is behind the instruction that follows.
interrupts:
        WALK_USER "user: int n"
        nop
        int     $0x50
        nop
        nop
        END_WALK
        WALK_USER "user: int n, trap gate"
        int     $0x51
        nop
        END_WALK
        WALK_USER "user: int3 without a gate"
        nop
        int     $0x52
        END_WALK
        ret

flags:  WALK_USER "user: popf"
        pushf
        popf
        nop
        END_WALK
        WALK_USER "user: popf clears TF, another sets it"
        push    $2
        popf
        nop
        push    $TF + 2
        popf
        nop
        END_WALK
        WALK_USER "user: iret keeps TF"
        pushf
        push    %cs
        push    $1f
        iret
        nop
1:      nop
        END_WALK
        WALK_USER "user: iret clears TF"
        push    $2
        push    %cs
        push    $1f
        iret
        nop
1:      nop
        END_WALK
        WALK_USER "user: pop ss"
        push    %ss
        pop     %ss
        nop
        nop
        END_WALK
        WALK_USER "user: mov ss, int n"
        mov     %ss, %eax
        mov     %eax, %ss
        int     $0x50
        nop
        END_WALK
        ret

        .macro  CALL_GATE target
        mov     $\target, %eax
        mov     %ax, big_gdt + SEL_GATE
        movw    $SEL_CODE, big_gdt + SEL_GATE + 2
        movw    $0xEC00, big_gdt + SEL_GATE + 4
        shr     $16, %eax
        mov     %ax, big_gdt + SEL_GATE + 6
        .endm
# TF goes along to the inner level.
call_gates:
        CALL_GATE 5f
        WALK_USER "call gate inwards and back"
        nop
        lcall   $SEL_GATE, $0
        nop
        jmp     6f
5:      nop
        lret
6:      END_WALK
        CALL_GATE 5f
        WALK    "call gate in ring 0"
        lcall   $SEL_GATE, $0
        jmp     6f
5:      lret
6:      END_WALK
        WALK_USER "far call and ret in ring 3"
        lcall   $SEL_USER_CODE, $5f
        jmp     6f
5:      lret
6:      END_WALK
        ret

# Outwards: LRET keeps TF, IRET takes it from its frame.
returns:
        WALK    "lret outwards"
        push    $SEL_USER_DATA
        push    $user_stack
        push    $SEL_USER_CODE
        push    $1f
        lret
1:      nop
        END_WALK
        WALK    "iret outwards, TF clear there"
        push    $SEL_USER_DATA
        push    $user_stack
        push    $2
        push    $SEL_USER_CODE
        push    $1f
        iret
1:      nop
        nop
        END_WALK
        WALK    "off and iret outwards, TF set there"
        pushl   $2
        popf
        nop
        push    $SEL_USER_DATA
        push    $user_stack
        push    $TF + 2
        push    $SEL_USER_CODE
        push    $1f
        iret
1:      nop
        nop
        END_WALK
        ret

# SYSENTER and SYSEXIT leave TF as it is.
fast:
        .macro  MSR n, value
        mov     $\n, %ecx
        mov     $\value, %eax
        xor     %edx, %edx
        wrmsr
        .endm
        MSR     0x174, SEL_SYS
        MSR     0x175, ring0_stack_top
        MSR     0x176, 5f
        WALK_USER "sysenter, sysexit"
        mov     $user_stack, %ecx
        mov     $6f, %edx
        sysenter
        ud2
5:      nop
        sysexit
6:      nop
        END_WALK
        ret

# A fault: nothing completed, and the handler is not stepped. One that is repaired: stepped once, when it completes.
faults: WALK_USER "user: ud2"
        nop
        ud2
        END_WALK
        SET_GATE 6, skip_ud2
        WALK_USER "user: ud2, skipped"
        nop
        ud2
        nop
        nop
        END_WALK
        SET_GATE 6, trap_stub_06
        SET_GATE 13, grant
        WALK_USER "user: in, #GP, granted"
        nop
        in      $0x80, %al
        nop
        END_WALK
        SET_GATE 13, trap_stub_0d
        ret
skip_ud2:
        addl    $2, (%esp)
        iret
grant:  add     $4, %esp
        orl     $0x3000, 8(%esp)
        iret

v86:    PUTS    "v86:"
        movl    $., trap_base           # where END_WALK is looked for
        call    walk_set_up
        ENTER_V86 3, v86_steps, TF
        END_WALK
        PUTS    "v86, IOPL 0:"
        movl    $., trap_base           # where END_WALK is looked for
        call    walk_set_up
        ENTER_V86 0, v86_steps, TF
        END_WALK
        ret

# Tasks: TF is the TSS's. The switch itself traps when TF was set before it, as POPF does, and then not before the next
# task's first instruction is about to run.
tasks:  mov     $tss1, %eax
        movw    $103, big_gdt + SEL_T1
        mov     %ax, big_gdt + SEL_T1 + 2
        shr     $16, %eax
        mov     %al, big_gdt + SEL_T1 + 4
        movb    $0x89, big_gdt + SEL_T1 + 5
        mov     %ah, big_gdt + SEL_T1 + 7
        .irp    at, 72, 80, 84, 88, 92
        movl    $SEL_DATA, tss1 + \at
        .endr
        movl    $SEL_CODE, tss1 + 76
        movl    $104 << 16, tss1 + 100
        PUTS    "into a stepped task and back:"
        movl    $3f, trap_base
        call    walk_set_up
        movl    $1f, tss1 + 32
        movl    $TF + 2, tss1 + 36
        movl    $stack1, tss1 + 56
3:      lcall   $SEL_T1, $0
        nop
        jmp     2f
1:      nop
        nop
        iret
2:      END_WALK
        clts
        ret

        .code16
v86_code:
v86_steps:
        nop
        pushfw
        popfw
        cli
        nop
        pushw   %ds
        popw    %ss
        nop
        int     $VEC_USER_DONE
v86_end:
        .code32

        .data
        .balign 8
big_gdt:
        .fill   8, 8, 0
        .quad   0x00CF9B000000FFFF
        .quad   0x00CF93000000FFFF
        .quad   0x00CFFB000000FFFF
        .quad   0x00CFF3000000FFFF
big_gdt_pointer:
        .word   . - big_gdt - 1
        .long   big_gdt

        .bss
        .balign 16
tss1:   .skip   128
        .skip   4096
stack1: .skip   16
        .text
