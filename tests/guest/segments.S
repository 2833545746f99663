# segments.S - segments with bases, 16-bit code and stacks, wrap-around: what needs no limit check (SDM 3A 3.4, 5.3).
        .include "lib.inc"
        .include "trap.inc"
        .include "segment.inc"

main:   INIT_TRAPS
        mov     $bytes, %edi
        mov     $256, %ecx
        xor     %eax, %eax
1:      stosb
        inc     %eax
        loop    1b
        call    bases
        call    wraps
        call    string_bases
        call    fs_gs
        call    bt_reach
        call    stack_base
        call    code_base
        call    code16
        call    stack16
        call    ds_base
        call    user_ldt
        call    rights_of
        ret

bases:  SEGMENT SEL_A, bytes, 0xFFFFF, DATA_RW, PAGES32
        LOAD_SEG es, SEL_A
        mov     %es:0x10, %eax
        SHOW    "es:10h", "%eax"
        mov     $0x20, %ebx
        mov     $2, %esi
        mov     %es:4(%ebx, %esi, 8), %eax
        SHOW    "es:4(ebx, esi*8)", "%eax"
        movl    $0xCAFEBABE, %es:0x40
        SHOW    "written", "bytes + 0x40"
        push    %es
        pop     %ecx
        SHOWN   "pushed", 4, "%ecx"
        incl    %es:0x40
        lock xaddl %ebx, %es:0x40
        SHOW    "xadd", "bytes + 0x40"
        SHOW    "xadd, old", "%ebx"
        .byte   0x26, 0x8D, 5, 0x10, 0, 0, 0  # LEA ignores the segment
        SHOW    "lea", "%eax"
        fildl   %es:0x44
        fistpl  scratch
        SHOW    "fild", scratch
        ret

# base + offset wraps at 4 GiB
wraps:  SEGMENT SEL_A, bytes + 0x80, 0xFFFFF, DATA_RW, PAGES32
        LOAD_SEG es, SEL_A
        mov     %es:-0x70, %eax
        SHOW    "es:-70h", "%eax"
        mov     $0xFFFFFFF0, %ebx
        mov     %es:-0x10(%ebx), %eax
        SHOW    "es:-10h(ebx)", "%eax"
        # over the end of the offsets is a limit matter; over the end of the linear addresses it wraps
        SEGMENT SEL_A, 0xFFFFF000, 0xFFFFF, DATA_RW, PAGES32
        LOAD_SEG es, SEL_A
        mov     $bytes + 0x1010, %ebx
        mov     %es:(%ebx), %eax
        SHOW    "base fffff000h", "%eax"
        mov     $bytes + 0x1000, %edi
        mov     $0x5A5A5A5A, %eax
        mov     $2, %ecx
        rep     stosl
        SHOW    "stos there", "bytes + 4"
        movl    $0x03020100, bytes
        movl    $0x07060504, bytes + 4
        ret

string_bases:
        SEGMENT SEL_A, bytes, 0xFFFFF, DATA_RW, PAGES32
        SEGMENT SEL_B, scratch, 0xFFFFF, DATA_RW, PAGES32
        LOAD_SEG es, SEL_B
        LOAD_SEG fs, SEL_A
        xor     %esi, %esi
        xor     %edi, %edi
        mov     $16, %ecx
        rep     movsb %fs:(%esi), %es:(%edi)
        SHOW    "movs fs to es", "scratch + 12"
        SHOW    "edi", "%edi"
        mov     $0x20, %esi
        lodsl   %fs:(%esi)
        SHOW    "lods fs", "%eax"
        mov     $4, %edi
        mov     $0xEE, %al
        stosb
        SHOW    "stos es", "scratch + 4"
        xor     %esi, %esi
        xor     %edi, %edi
        mov     $16, %ecx
        repe    cmpsb %es:(%edi), %fs:(%esi)
        SHOW    "cmps, left", "%ecx"
        mov     $0xEE, %al
        xor     %edi, %edi
        mov     $16, %ecx
        repne   scasb
        SHOW    "scas, left", "%ecx"
        mov     $3, %al
        mov     $0x10, %ebx
        xlat    %fs:(%ebx)
        movzx   %al, %eax
        SHOW    "xlat fs", "%eax"
        # 16-bit addresses: SI and DI wrap, the upper halves stay
        mov     $0xABCD0000, %esi
        mov     $0x12340010, %edi
        mov     $0x770004, %ecx
        addr16 rep movsb %fs:(%si), %es:(%di)
        SHOW    "esi", "%esi"
        SHOW    "edi", "%edi"
        SHOW    "ecx", "%ecx"
        std
        SEGMENT SEL_B, scratch + 0x100, 0xFFFFF, DATA_RW, PAGES32
        LOAD_SEG es, SEL_B
        mov     $0x55550003, %edi
        mov     $3, %ecx
        mov     $0x99, %al
        addr16 rep stosb
        cld
        SHOW    "edi", "%edi"
        SHOW    "backwards", "scratch + 0x100"
        ret

fs_gs:  SEGMENT SEL_A, bytes, 0xFFFFF, DATA_RW, PAGES32
        SEGMENT SEL_B, bytes + 0x80, 0xFFFFF, DATA_RW, PAGES32
        LOAD_SEG fs, SEL_A
        LOAD_SEG gs, SEL_B
        mov     $1000, %ecx
        xor     %edx, %edx
1:      add     %gs:0x10, %edx
        rol     $1, %edx
        add     %fs:0x10, %edx
        add     %gs:-0x10, %edx
        loop    1b
        SHOW    "fs, gs", "%edx"
        mov     %gs:0, %al
        mov     %gs:1, %ah
        cmpxchg %cl, %gs:2
        movzx   %ax, %eax
        SHOW    "bytes of gs", "%eax"
        mov     $function, %ebx
        sub     $bytes, %ebx
        call    *%fs:(%ebx)
        # the base changes between two runs of the same code
        xor     %edx, %edx
        mov     $200, %ecx
2:      test    $1, %cl
        jz      3f
        LOAD_SEG gs, SEL_A
        jmp     4f
3:      LOAD_SEG gs, SEL_B
4:      add     %gs:4, %edx
        rol     $3, %edx
        loop    2b
        SHOW    "changing base", "%edx"
        LOAD_SEG fs, SEL_DATA
        mov     %fs:bytes, %eax
        SHOW    "flat fs", "%eax"
        ret
just_iret:
        iret
in_function:
        PUTS    "called through fs\n"
        ret

# BT with a register reaches 2^31 bits each way, in the segment.
bt_reach:
        SEGMENT SEL_A, bytes + 0x80, 0xFFFFF, DATA_RW, PAGES32
        LOAD_SEG es, SEL_A
        movl    $0, bytes + 0x20
        mov     $-0x60 * 8 + 5, %eax
        bts     %eax, %es:0
        SHOW    "bts far below", "bytes + 0x20"
        movl    $0x23222120, bytes + 0x20
        ret

stack_base:
        SET_GATE 0x50, just_iret
        SEGMENT SEL_A, stack_area, 0xFFFFF, DATA_RW, PAGES32
        mov     %esp, %ebp
        mov     $SEL_A, %eax
        mov     %eax, %ss
        mov     $0x400, %esp
        push    $0x11111111
        push    $0x22222222
        pusha
        popa
        pop     %eax
        pop     %ecx
        push    %esp
        pop     %edx
        push    $0x33333333
        mov     -4(%esp), %ebx          # what POP ESP.. left below
        mov     (%esp), %esi
        mov     %esp, %edi
        mov     $SEL_DATA, %ebx
        mov     %ebx, %ss
        mov     %ebp, %esp
        SHOW    "popped", "%eax"
        SHOW    "popped", "%ecx"
        SHOW    "esp pushed", "%edx"
        SHOW    "ss:(esp)", "%esi"
        SHOW    "its place", "stack_area + 0x3FC"
        # ebp and esp address SS, the others DS
        mov     %esp, %ecx
        mov     $SEL_A, %eax
        mov     %eax, %ss
        mov     $0x3FC, %esp
        mov     $0x3FC, %ebp
        mov     (%ebp), %eax
        mov     %ds:bytes - 0x3FC(%ebp), %edx
        mov     stack_area + 0x3FC, %esi
        call    1f
1:      pop     %edi
        int     $0x50                   # and an interrupt on this stack
        mov     $SEL_DATA, %ebx
        mov     %ebx, %ss
        mov     %ecx, %esp
        SHOW    "(ebp)", "%eax"
        SHOW    "ds:(ebp)", "%edx"
        SHOW    "stack area", "%esi"
        sub     $1b, %edi
        SHOW    "call, pop", "%edi"
        ret

# Code at a base: EIP is an offset.
code_base:
        SEGMENT SEL_A, based, 0xFFFFF, CODE_XR, PAGES32
        lcall   $SEL_A, $0
        SHOW    "eip there", "%eax"
        SHOWN   "cs there", 4, "%ecx"
        SHOW    "cs:", "%edx"
        SHOW    "loop there", "%ebx"
        SEGMENT SEL_A, based, 0xFFFFF, CODE_XR, PAGES32
        call    trap_begin
        lcall   $SEL_A, $based_fault - based
        call    trap_end
        SHOW    "eip of a fault there", trap_eip
        SHOWN   "its cs", 4, trap_cs
        # self-modifying: at an offset of its own
        lcall   $SEL_A, $based_smc - based
        SHOW    "smc there", "%eax"
        # the same code at another base
        SEGMENT SEL_A, based-0x1000, 0xFFFFF, CODE_XR, PAGES32
        lcall   $SEL_A, $0x1000
        SHOW    "eip there", "%eax"
        ret
        .balign 16
based:  call    1f
1:      pop     %eax
        mov     %cs, %ecx
        mov     %cs:based_value - based, %edx
        xor     %ebx, %ebx
2:      add     $3, %ebx
        cmp     $300, %ebx
        jb      2b
        call    based_near
        lret
based_near:
        inc     %ebx
        ret
based_value:
        .long   0xBA5EBA5E
based_fault:
        nop
        ud2
based_smc:
        movl    $0x77777777, 1f + 1
1:      mov     $0, %eax
        lret

code16: SEGMENT SEL_A, code_16, 0xFFFF, CODE_XR, BYTES16
        mov     $0x11112222, %eax
        mov     $0x33334444, %ebx
        lcall   $SEL_A, $0
        SHOW    "eax", "%eax"
        SHOW    "ebx", "%ebx"
        SHOW    "edx", "%edx"
        SHOW    "esi", "%esi"
        ret
        .balign 16
        .code16
code_16:
        addw    $0x1111, %ax
        addl    $0x1111, %ebx
        movl    $10, %ecx
        xorl    %edx, %edx
1:      incw    %dx
        loop    1b
        pushw   %dx
        popw    %si
        callw   2f
        jmp     3f
2:      addw    $0x100, %dx
        retw
3:      addr32 movl bytes, %esi
        jecxz   4f
        ud2
4:      lretl
        .code32

# A 16-bit stack: SP wraps, the upper half of ESP stays.
stack16:
        SEGMENT SEL_A, stack_area, 0xFFFF, DATA_RW, BYTES16
        mov     %esp, %ecx
        mov     $SEL_A, %eax
        mov     %eax, %ss
        mov     $0xABCD0100, %esp
        push    $0x12345678
        mov     %esp, %edx
        call    1f
1:      pop     %esi
        pushw   $0x9999
        popw    %bx
        enter   $8, $0
        leave
        mov     %esp, %edi
        mov     $SEL_DATA, %eax
        mov     %eax, %ss
        mov     %ecx, %esp
        SHOW    "esp", "%edx"
        SHOW    "esp after", "%edi"
        SHOW    "value", "stack_area + 0xFC"
        sub     $1b, %esi
        SHOW    "call, pop", "%esi"
        # SP 0: the next push goes to the top
        mov     %esp, %ecx
        mov     $SEL_A, %eax
        mov     %eax, %ss
        mov     $0x12340000, %esp
        push    $0x55AA55AA
        mov     %esp, %edx
        pop     %esi
        mov     %esp, %edi
        mov     $SEL_DATA, %eax
        mov     %eax, %ss
        mov     %ecx, %esp
        SHOW    "esp at the top", "%edx"
        SHOW    "esp back at 0", "%edi"
        SHOW    "value", "%esi"
        ret

# DS with a base: everything goes on, in whatever way it must.
ds_base:
        LOAD_SEG es, SEL_DATA
        SEGMENT SEL_A, bytes, 0xFFFFF, DATA_RW, PAGES32
        mov     $SEL_A, %eax
        mov     %eax, %ds
        xor     %edx, %edx
        mov     $1000, %ecx
1:      add     0x10, %edx
        rol     $1, %edx
        incl    0x50
        loop    1b
        mov     0x50, %ebx
        mov     %cs:bytes, %esi
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        SHOW    "sum", "%edx"
        SHOW    "count", "%ebx"
        SHOW    "the same", "bytes + 0x50"
        ret

# An LDT, at CPL 3.
user_ldt:
        LOAD_SEG es, SEL_DATA
        SEGMENT SEL_A, ldt, 15, 0x82, 0
        mov     $SEL_A, %eax
        lldt    %ax
        mov     $bytes, %eax
        mov     %ax, ldt + 10
        shr     $16, %eax
        mov     %al, ldt + 12
        mov     %ah, ldt + 15
        TRY_USER "ldt", "mov $0x0F, %eax; mov %eax, %gs; mov %gs:0x10, %eax"
        SHOW    "through it", trap_eax
        TRY_USER "ldt, null descriptor", "mov $0x07, %eax; mov %eax, %gs"
        TRY_USER "ldt, beyond it", "mov $0x17, %eax; mov %eax, %gs"
        sldt    %eax
        SHOWN   "sldt", 4, "%eax"
        xor     %eax, %eax
        lldt    %ax
        TRY_USER "ldt gone", "mov $0x0F, %eax; mov %eax, %gs"
        ret

        .macro  RIGHTS text, sel
        mov     $\sel, %ecx
        xor     %eax, %eax
        lar     %ecx, %eax
        setz    %bl
        and     $0xFFF0FFFF, %eax       # bits 16-19 are undefined (SDM 2A LAR)
        SHOW    "\text lar", "%eax"
        xor     %eax, %eax
        lsl     %ecx, %eax
        SHOW    "\text lsl", "%eax"
        verr    %cx
        setz    %bh
        verw    %cx
        setz    %al
        shl     $16, %eax
        movw    %bx, %ax
        and     $0x10101, %eax
        SHOW    "\text lar, verr, verw", "%eax"
        .endm
rights_of:
        SEGMENT SEL_A, 0, 0x12345, DATA_DOWN, BYTES16
        SEGMENT SEL_B, 0, 0xFFFFF, CODE_X, PAGES32
        RIGHTS  "down", SEL_A
        RIGHTS  "execute-only", SEL_B
        RIGHTS  "rpl 3", SEL_A + 3
        RIGHTS  "tss", SEL_TSS
        RIGHTS  "null", 0
        RIGHTS  "beyond", 0x78
        SEGMENT SEL_A, 0, 0x0000, 0x8E, 0
        RIGHTS  "interrupt gate", SEL_A
        ret

        .data
        .balign 8
ldt:    .quad   0
        .quad   0x00CFF3000000FFFF
function:
        .long   in_function

        .bss
        .balign 4096
bytes:  .skip   8192
stack_area:
        .skip   65536 + 4096
scratch:
        .skip   4096
        .text
