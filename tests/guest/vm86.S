# vm86.S - virtual-8086 mode: in by IRET, out by interrupts and exceptions, what IOPL decides, how the monitor reflects
# (SDM 3A 20.2-20.3). TCG 7.2 agrees but for the four that meet the 64 KiB limit, which it does not check.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"

        .include "v86.inc"

main:   INIT_TRAPS
        COPY_V86
        mov     $V86_DATA, %edi
        mov     $256, %ecx
        xor     %eax, %eax
1:      stosb
        inc     %eax
        loop    1b
        # the recorder copies what lies behind EFLAGS only for RPL 3: here by hand, in frame_handler
        SET_GATE 0x50, frame_handler, 0xEE
        SET_GATE 0x51, trap_stub_05, 0x8E
        call    leaving
        call    privileged
        call    addressing
        call    reflect
        call    again
        ret

# The whole frame that INT n leaves on the ring 0 stack.
frame_handler:
        pusha
        lea     32(%esp), %esi
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     $frame, %edi
        mov     $9, %ecx
        rep     movsl
        mov     %fs, %eax
        mov     %eax, frame + 36
        mov     %gs, %eax
        mov     %eax, frame + 40
        popa
        mov     %eax, frame + 44
        mov     %ebx, frame + 48
        jmp     trap_stub_30            # as if it were the end of the TRY

leaving:
        V86     "int 50h, IOPL 3", 3, v86_int50
        SHOWN   "ip", 4, frame
        SHOWN   "cs", 4, "frame + 4"
        SHOW    "eflags", "frame + 8"
        SHOW    "esp", "frame + 12"
        SHOWN   "ss", 4, "frame + 16"
        SHOWN   "es", 4, "frame + 20"
        SHOWN   "ds", 4, "frame + 24"
        SHOWN   "fs", 4, "frame + 28"
        SHOWN   "gs", 4, "frame + 32"
        SHOWN   "fs in the handler", 4, "frame + 36"
        SHOWN   "gs in the handler", 4, "frame + 40"
        SHOW    "eax", "frame + 44"
        SHOW    "ebx", "frame + 48"
        V86     "int 50h, IOPL 0", 0, v86_int50
        V86     "int 51h of DPL 0, IOPL 3", 3, v86_int51
        V86     "int3, IOPL 0", 0, v86_int3
        SET_GATE 3, trap_stub_03, 0xEE
        V86     "int3 DPL 3, IOPL 0", 0, v86_int3
        V86     "div 0", 0, v86_div
        V86     "ud2", 0, v86_ud2
        V86     "bound", 0, v86_bound
        ret

        .macro  PRIVILEGED insn
        V86     "\insn, IOPL 0", 0, v86_\insn
        V86     "\insn, IOPL 3", 3, v86_\insn
        .endm
privileged:
        .irp    insn, cli, sti, pushf, popf, iret, hlt, in, out, clts, mov_cr, mov_dr, lgdt, lmsw, arpl, lldt, str, verr, wrmsr, sysexit
        PRIVILEGED \insn
        .endr
        ret

addressing:
        V86     "data", 3, v86_data
        SHOW    "sums", "frame + 44"
        SHOW    "ebx", "frame + 48"
        V86     "word at FFFFh", 3, v86_word_ffff
        V86     "dword at FFFDh", 3, v86_dword_fffd
        V86     "address beyond FFFFh", 3, v86_beyond
        V86     "far call", 3, v86_far
        SHOW    "eax", "frame + 44"
        V86     "32-bit operands", 3, v86_op32
        SHOW    "eax", "frame + 44"
        SHOW    "ebx", "frame + 48"
        V86     "push over SP 0", 3, v86_push0
        SHOW    "eax", "frame + 44"
        SHOW    "ebx", "frame + 48"
        V86     "ip over FFFFh", 3, v86_ip_end
        ret

# A monitor: #GP on INT n with IOPL 0, reflected to the program's own handler, and its IRET emulated.
reflect:
        SET_GATE 13, monitor
        movw    $v86_handler - v86_code, 0x60 * 4
        movw    $V86_CODE >> 4, 0x60 * 4 + 2
        movl    $0, reflections
        V86     "reflected", 0, v86_reflected
        SHOW    "reflections", reflections
        SHOW    "eax", "frame + 44"
        SET_GATE 13, trap_stub_0d
        ret
# error EIP CS EFLAGS ESP SS ES DS FS GS
monitor:
        pusha
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        incl    reflections
        movzwl  32 + 4 + 4(%esp), %esi
        shl     $4, %esi
        add     32 + 4(%esp), %esi      # linear address of the instruction
        movzwl  32 + 4 + 16(%esp), %edi
        shl     $4, %edi
        mov     32 + 4 + 12(%esp), %ecx # its SP
        cmpb    $0xCD, (%esi)
        je      1f
        cmpb    $0xCF, (%esi)
        je      2f
        # INT 50h or what is not expected ends it
        popa
        add     $4, %esp
        jmp     frame_handler
1:      movzbl  1(%esi), %ebx
        cmp     $0x50, %ebx
        je      3f
        sub     $6, %ecx
        mov     %ecx, 32 + 4 + 12(%esp)
        mov     32 + 4 + 8(%esp), %eax
        mov     %ax, 4(%edi, %ecx)
        mov     32 + 4 + 4(%esp), %eax
        mov     %ax, 2(%edi, %ecx)
        mov     32 + 4(%esp), %eax
        add     $2, %eax
        mov     %ax, (%edi, %ecx)
        movzwl  2(, %ebx, 4), %eax
        mov     %eax, 32 + 4 + 4(%esp)
        movzwl  (, %ebx, 4), %eax
        mov     %eax, 32 + 4(%esp)
        jmp     4f
2:      movzwl  (%edi, %ecx), %eax
        mov     %eax, 32 + 4(%esp)
        movzwl  2(%edi, %ecx), %eax
        mov     %eax, 32 + 4 + 4(%esp)
        addl    $6, 32 + 4 + 12(%esp)
4:      popa
        add     $4, %esp
        iret
3:      popa
        add     $4, %esp
        jmp     frame_handler

# Many entries and exits.
again:
        mov     $2000, %edx
        mov     %edx, left
1:
        push    $0
        push    $0
        push    $V86_DATA >> 4
        push    $V86_DATA >> 4
        push    $V86_STACK >> 4
        push    $0x0F00
        push    $0x23002
        push    $V86_CODE >> 4
        push    $v86_int50 - v86_code
        SET_GATE 0x50, 2f, 0xEE
        mov     %esp, kept_esp
        iret
2:      mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     kept_esp, %esp
        add     $36, %esp
        decl    left
        jnz     1b
        SHOW    "left", left
        ret

        .code16
v86_code:
v86_int50:
        int     $0x50
        hlt
v86_int51:
        int     $0x51
v86_int3:
        nop
        int3
v86_div:
        xorw    %cx, %cx
        divw    %cx
v86_ud2:
        nop
        ud2
v86_bound:
        movw    $0x1234, %ax
        boundw  %ax, 0
        int     $0x50
v86_cli:
        cli
        int     $0x50
v86_sti:
        cli
        sti
        cli
        int     $0x50
v86_pushf:
        pushfw
        popw    %ax
        int     $0x50
v86_popf:
        pushw   $2
        popfw
        int     $0x50
v86_iret:
        pushw   $2
        pushw   %cs
        pushw   $1f - v86_code
        iretw
1:      int     $0x50
v86_hlt:
        nop
        hlt
v86_in: inb     $0x80, %al
        int     $0x50
v86_out:
        outb    %al, $0x80
        int     $0x50
v86_clts:
        clts
v86_mov_cr:
        movl    %cr0, %eax
v86_mov_dr:
        movl    %dr0, %eax
v86_lgdt:
        lgdtw   0
v86_lmsw:
        lmsw    %ax
v86_arpl:
        .byte   0x63, 0xC0
v86_lldt:
        lldt    %ax
v86_str:
        str     %ax
v86_verr:
        verr    %ax
v86_wrmsr:
        wrmsr
v86_sysexit:
        sysexit
v86_data:
        movw    0x10, %ax
        movw    $0x20, %bx
        movw    $2, %si
        addw    4(%bx, %si), %ax
        movw    $0x0E00, %bp
        movw    $0x4321, (%bp)
        movw    %ss:0x0E00, %bx
        shll    $16, %eax
        movw    %es:0x30, %ax
        movw    $0xFFF0, %di
        addw    0x20(%di), %ax          # wraps to 10h
        int     $0x50
v86_word_ffff:
        movw    0xFFFF, %ax
        int     $0x50
v86_dword_fffd:
        movl    0xFFFD, %eax
        int     $0x50
v86_beyond:
        movl    $0x10000, %ebx
        addr32 movb (%ebx), %al
        int     $0x50
v86_far:
        movl    $0x100, %eax
        lcallw  $V86_CODE >> 4, $(1f - v86_code)
        addl    $0x1000, %eax
        int     $0x50
1:      incw    %ax
        lretw
v86_op32:
        movl    $0x12345678, %eax
        movl    $0x10, %ebx
        addr32 movl 4(%ebx), %ebx
        pushl   %eax
        popw    %ax
        popw    %ax
        int     $0x50
v86_push0:
        movw    $0, %sp
        movw    $0x5555, %ax
        pushw   %ax
        movw    %sp, %bx
        popw    %ax
        int     $0x50
v86_ip_end:
        movw    $0xFFFF, %ax
        jmp     *%ax
v86_reflected:
        movl    $1, %eax
        int     $0x60
        int     $0x60
        int     $0x60
        hlt
v86_handler:
        addl    $0x10, %eax
        iretw
v86_end:
        .code32

        .bss
        .balign 4
frame:  .skip   64
reflections:
        .skip   4
left:   .skip   4
kept_esp:
        .skip   4
        .text
