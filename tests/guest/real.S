# real.S - to real mode and back: IVT, 16-bit flags, wrap-around and limits, unreal mode, far jumps; many round trips
# (SDM 3A 9.9, 20.1). TCG 7.2 agrees but for the accesses beyond the limit, which it does not check.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"

        .set    REAL, 0x8000            # where the 16-bit code is copied: segment 800h
        .set    SEL_CODE16, 0x30
        .set    SEL_DATA16, 0x38

# REAL_CALL "name", entry: runs entry in real mode, SS:SP = 900h:F00h, DS = ES = 0A00h; prints EAX EBX ECX.
        .macro  REAL_CALL name, entry
        movw    $\entry - real_code, real_entry
        call    real_call
        PUTS    "\name:"
        call    show_three
        .endm

main:   INIT_TRAPS
        mov     $0xFF, %al
        out     %al, $0x21
        out     %al, $0xA1
        movl    $REAL << 16 | 0xFFFF, gdt + SEL_CODE16
        movl    $0x00009B00 | REAL >> 16, gdt + SEL_CODE16 + 4
        movl    $0x0000FFFF, gdt + SEL_DATA16
        movl    $0x00009300, gdt + SEL_DATA16 + 4
        mov     $real_code, %esi
        mov     $REAL, %edi
        mov     $real_length, %ecx
        rep     movsb
        # the IVT at 0: every vector of interest
        .irp    v, 0, 1, 3, 4, 5, 6, 8, 12, 13
        movw    $ivt_\v - real_code, \v * 4
        movw    $REAL >> 4, \v * 4 + 2
        .endr
        movw    $ivt_60 - real_code, 0x60 * 4
        movw    $REAL >> 4, 0x60 * 4 + 2
        mov     $0xA000, %edi
        mov     $256, %ecx
        xor     %eax, %eax
1:      stosb
        inc     %eax
        loop    1b
        movb    $0x77, 0x10A000 - 0x10  # FFFF:A000 without A20's wrap

        REAL_CALL "arithmetic", r_arithmetic
        REAL_CALL "int 60h", r_int
        REAL_CALL "div 0: ip", r_div
        REAL_CALL "ud2: ip", r_ud
        REAL_CALL "bound: ip", r_bound
        REAL_CALL "int3: ip", r_int3
        REAL_CALL "into: ip", r_into
        REAL_CALL "word at FFFFh: vector", r_limit
        REAL_CALL "stack word at FFFFh: vector", r_stack_limit
        REAL_CALL "address beyond FFFFh: vector", r_beyond
        REAL_CALL "ffff:a000", r_high
        REAL_CALL "far call, jump", r_far
        REAL_CALL "iret", r_iret
        REAL_CALL "single step", r_step
        REAL_CALL "lidt elsewhere", r_lidt
        REAL_CALL "vector beyond the IDT", r_short_idt
        REAL_CALL "movs, wrapping", r_movs
        REAL_CALL "pushf, popf", r_flags
        REAL_CALL "lar", r_lar
        REAL_CALL "unreal", r_unreal
        mov     $500, %edx
2:      movw    $r_arithmetic - real_code, real_entry
        push    %edx
        call    real_call
        pop     %edx
        dec     %edx
        jnz     2b
        SHOW    "500 times", result
        TRY     "protected again", "ud2"
        ret

show_three:
        pusha
        .irp    n, 0, 4, 8
        PUTS    " "
        mov     result + \n, %eax
        call    print_hex
        .endr
        PUTS    "\n"
        popa
        ret

# The 16-bit part uses the vector table at 0 and comes back with LIDT of ours.
real_call:
        pusha
        mov     %esp, kept_esp
        mov     $0, %eax
        mov     $0, %ebx
        mov     $0, %ecx
        mov     $SEL_DATA16, %edx
        lidt    real_idt
        ljmp    $SEL_CODE16, $0         # enter_real
back_from_real:
        mov     $SEL_DATA, %edx
        mov     %edx, %ds
        mov     %edx, %es
        mov     %edx, %fs
        mov     %edx, %gs
        mov     %edx, %ss
        mov     kept_esp, %esp
        lidt    idt_pointer
        mov     %eax, result
        mov     %ebx, result + 4
        mov     %ecx, result + 8
        cld
        popa
        ret

        .code16
real_code:
enter_real:
        movw    %dx, %ds
        movw    %dx, %es
        movw    %dx, %fs
        movw    %dx, %gs
        movw    %dx, %ss
        movl    %cr0, %edx
        andb    $0xFE, %dl
        movl    %edx, %cr0
        ljmpw   $REAL >> 4, $(1f - real_code)
1:      movw    $0x900, %dx
        movw    %dx, %ss
        movl    $0xF00, %esp
        movw    $0xA00, %dx
        movw    %dx, %ds
        movw    %dx, %es
        movw    %cs:real_entry_16 - real_code, %dx
        jmp     *%dx
r_done: cli
        movl    %cr0, %edx
        orb     $1, %dl
        movl    %edx, %cr0
        ljmpl   *%cs:back_pointer - real_code
back_pointer:
        .long   back_from_real
        .word   SEL_CODE
real_entry_16:
        .word   0
        .set    real_entry, real_entry_16 - real_code + REAL

# Handlers: EBX = vector; EAX = the IP pushed; then out, the stack as it may be.
        .irp    v, 0, 1, 3, 4, 5, 6, 8, 12, 13
ivt_\v:
        movl    $\v, %ebx
        jmp     ivt_common
        .endr
ivt_common:
        popw    %cx
        popw    %ax
        movzwl  %cx, %eax
        movw    $0x900, %dx
        movw    %dx, %ss
        movl    $0xF00, %esp
        subw    %si, %ax
        movzwl  %ax, %eax
        xorl    %ecx, %ecx
        jmp     r_done
ivt_60: pushfw
        popw    %cx
        incw    %bx
        iretw

r_arithmetic:
        movw    0x10, %ax
        movl    0x20, %ebx
        addw    $0x8000, %ax
        adcl    $1, %ebx
        movw    $0x30, %bp
        movw    $2, %di
        movw    %ds:4(%bp, %di), %cx
        jmp     r_done
r_int:  sti
        movw    $0x100, %bx
        int     $0x60
        int     $0x60
        pushfw
        popw    %ax
        andl    $0x200, %eax            # IF after
        andl    $0x200, %ecx            # IF inside
        jmp     r_done
r_div:  movw    $(1f - real_code), %si
        xorw    %cx, %cx
1:      divw    %cx
r_ud:   movw    $(1f - real_code), %si
1:      ud2
r_bound:
        movw    $(1f - real_code), %si
        movw    $0x1234, %ax
1:      boundw  %ax, 0
r_int3: movw    $(1f - real_code), %si
1:      int3
r_into: movw    $(1f - real_code), %si
        movb    $0x7F, %al
        incb    %al
1:      into
r_limit:
        movw    $(1f - real_code), %si
1:      movw    0xFFFF, %ax
r_stack_limit:
        movw    $(1f - real_code), %si
        movw    $0xFFFF, %bp
1:      movw    (%bp), %ax
r_beyond:
        movw    $(1f - real_code), %si
        movl    $0x10000, %ebx
1:      addr32 movb (%ebx), %al
r_high: movw    $0xFFFF, %ax
        movw    %ax, %es
        movzbl  %es:0xA000, %eax
        jmp     r_done
r_far:  movl    $0x10, %eax
        lcallw  $REAL >> 4, $(1f - real_code)
        addl    $0x100, %eax
        ljmpw   $(REAL >> 4) - 0x10, $(2f - real_code + 0x100)
1:      incw    %ax
        movw    %sp, %bx
        lretw
2:      movw    %cs, %cx
        movw    %sp, %bx
        ljmpw   $REAL >> 4, $(r_done - real_code)
r_iret: pushfw
        popw    %ax
        orw     $0x4001, %ax
        pushw   %ax
        pushw   %cs
        pushw   $(1f - real_code)
        iretw
1:      pushfw
        popw    %bx
        pushw   $2
        popfw
        jmp     r_done
r_step: movw    $(1f - real_code), %si
        pushfw
        popw    %ax
        orw     $0x100, %ax
        pushw   %ax
        popfw
1:      nop
        nop
r_lidt: movw    $(1f - real_code), %si
        lidtw   %cs:moved_idt - real_code
        movl    $0, %ebx
        int     $2                      # entry 2 there is int 60h's
1:      lidtw   %cs:usual_idt - real_code
        jmp     r_done
moved_idt:
        .word   0x3FF
        .long   (0x60 - 2) * 4
usual_idt:
        .word   0x3FF
        .long   0
short_idt:
        .word   14 * 4 - 1
        .long   0
r_short_idt:
        movw    $(1f - real_code), %si
        lidtw   %cs:short_idt - real_code
1:      int     $0x60                   # #GP: IP of the INT
r_movs: movw    $0x10, %si
        movw    $0xFFFE, %di
        movl    $0xAAAA0004, %ecx
        cld
        rep     movsb
        movw    %di, %bx
        movw    0, %ax                  # FFFE+2 wraps: 12h 13h
        pushw   %ax
        movb    $0, 0
        movb    $1, 1
        popw    %ax
        jmp     r_done
r_flags:
        pushl   $0x00247ED7
        popfl
        pushfl
        popl    %eax
        pushw   $2
        popfw
        pushfw
        popw    %bx
        jmp     r_done
r_lar:  movw    $(1f - real_code), %si
1:      larw    %ax, %ax
# Big real mode: a limit of 4 GiB loaded in protected mode stays.
r_unreal:
        lgdtl   %cs:unreal_gdt - real_code
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        movw    $0x10, %bx
        movw    %bx, %fs
        andb    $0xFE, %al
        movl    %eax, %cr0
        movl    $unreal_value, %ebx
        addr32 movl %fs:(%ebx), %eax
        xorw    %cx, %cx
        movw    %cx, %fs
        addr32 movl %fs:(%ebx), %ecx    # still, behind a load in real mode
        addr32 incl %fs:(%ebx)
        addr32 movl %fs:(%ebx), %ebx
        jmp     r_done
unreal_gdt:
        .word   0x3F
        .long   gdt
        .set    real_length, . - real_code
        .code32

        .data
real_idt:
        .word   0x3FF
        .long   0
unreal_value:
        .long   0xBEEF0000

        .bss
        .balign 4
result: .skip   12
kept_esp:
        .skip   4
        .text
