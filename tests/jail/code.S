# code.S - execution of what is not ordinary memory: the VGA hole, chipset space, the first and last byte of RAM, instructions
# that begin in RAM and end outside it, EIP that runs over 4 GiB, jumps into instructions, and code that looks like the monitor's.
# engines: bt interp           (the reference ends itself when code is executed outside of RAM)
# options: -m 64
        .include "lib.inc"
        .include "trap.inc"

        .set    RAM_END, 0x4000000

main:   INIT_TRAPS
        TRY     "VGA hole", "mov $0xA0000, %eax; call *%eax"
        TRY     "chipset space", "mov $0xFEB00000, %eax; call *%eax"
        TRY     "the last byte below 4 GiB", "mov $-1, %eax; jmp *%eax"
        TRY     "behind RAM", "mov $RAM_END, %eax; jmp *%eax"
        movb    $0xC3, RAM_END - 1
        TRY     "RET in the last byte of RAM", "mov $RAM_END - 1, %eax; call *%eax"
        movb    $0xB8, RAM_END - 1
        TRY     "MOV EAX from behind it", "mov $RAM_END - 1, %eax; call *%eax"
        movl    $0xC340C031, RAM_END - 4
        TRY     "a block that ends there", "mov $RAM_END - 4, %eax; call *%eax"
        SHOW    "  eax", %eax
        movb    $0xC3, 0
        TRY     "RET at zero", "xor %eax, %eax; call *%eax"
        movl    $0x0009FFFF, 0x9FFFC    # JMP into the VGA hole
        movl    $0x00009090, 0x9FFFC
        TRY     "running into the VGA hole", "mov $0x9FFFE, %eax; call *%eax"

        # B8 0F 05 C3 90: MOV EAX, or, one byte further, SYSCALL
        TRY     "hidden SYSCALL", "mov $hidden + 1, %eax; call *%eax"
        TRY     "hidden INT 80h", "mov $hidden + 6, %eax; call *%eax"
        TRY     "hidden WRGSBASE", "mov $hidden + 11, %eax; call *%eax"
        TRY     "hidden MOV to GS", "mov $hidden + 17, %eax; call *%eax"
        mov     $SEL_DATA, %eax
        mov     %eax, %gs
        TRY     "the instruction itself", "mov $hidden, %eax; call *%eax"

        # what would be [R14], [R15], R8.. in 64-bit mode: REX bytes are INC and DEC
        TRY     "49 C7 06", "mov $scratch, %esi; mov %esi, %eax; .byte 0x49, 0xC7, 0x06, 1, 2, 3, 4"
        TRY     "4D 89 3E", "mov $scratch, %esi; .byte 0x4D, 0x89, 0x3E"
        SHOW    "  stored", scratch
        TRY     "FF 25 rel", "mov $scratch, %eax; movl $1f, scratch; jmp *scratch; 1:"
        TRY     "65 67 prefixes", "mov $0xFFFF0040, %ebx; .byte 0x65, 0x67, 0x8B, 0x07"
        TRY     "fifteen bytes", ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90"
        TRY     "sixteen bytes", ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90"
        TRY     "LOCK MOV", ".byte 0xF0, 0x89, 0x03"
        TRY     "VEX with ignored bits", "mov $3, %ecx; .byte 0xC4, 0xC2, 0x38, 0xF2, 0xC1"
        TRY     "EVEX", ".byte 0x62, 0xF1, 0x7C, 0x48, 0x58, 0xC0"
        TRY     "XBEGIN", ".byte 0xC7, 0xF8, 0, 0, 0, 0"
        TRY     "RDPKRU", "xor %ecx, %ecx; .byte 0x0F, 0x01, 0xEE"
        TRY     "UMWAIT", ".byte 0xF2, 0x0F, 0xAE, 0xF0"
        TRY     "MOVDIR64B", "mov $scratch, %eax; .byte 0x66, 0x0F, 0x38, 0xF8, 0x00"
        TRY     "CLZERO", ".byte 0x0F, 0x01, 0xFC"
        TRY     "jmp short back into itself", ".byte 0xEB, 0xFF, 0xC0"
        ret

        .data
hidden: .byte   0xB8, 0x0F, 0x05, 0xC3, 0x90
        .byte   0xB8, 0xCD, 0x80, 0xC3, 0x90
        .byte   0xB8, 0xF3, 0x0F, 0xAE, 0xD8, 0xC3
        .byte   0xB8, 0x8E, 0xE8, 0xC3, 0x90
        .balign 64
scratch:
        .skip   64
