# long_ud.S - what 64-bit code may not do: opcodes that are gone, registers that are not, instructions
# that are too long, everything privileged at CPL 3, ports by the TSS's bitmap.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"

        .macro  PRIVILEGED insn:vararg
        TRY_USER "\insn", "\insn"
        .endm

main64: INIT_LONG
        call    gone
        call    reserved
        call    lengths
        call    privileged
        call    ports
        call    unprivileged
        ret

gone:   .irp    opcode, 0x06, 0x07, 0x0E, 0x16, 0x17, 0x1E, 0x1F, 0x27, 0x2F, 0x37, 0x3F, 0x60, 0x61, 0x9A, 0xCE, 0xD4, 0xD5, 0xD6, 0xEA
        CODE    \opcode
        .endr
        CODE    0x82, 0xC0, 0x00
        CODE    0x82, 0xF8, 0x00
        CODE    0x48, 0x06
        CODE    0x66, 0x60
        CODE    0x48, 0xEA
        ret

reserved:
        CODE    0x0F, 0x0B
        CODE    0x0F, 0xB9, 0xC0
        CODE    0x0F, 0xFF, 0xC0
        CODE    0x0F, 0x04
        CODE    0x0F, 0x0A
        CODE    0x0F, 0x0C
        CODE    0x0F, 0x24, 0xC0
        CODE    0x0F, 0x26, 0xC0
        CODE    0x0F, 0x36
        CODE    0x0F, 0xA6, 0xC0
        CODE    0x0F, 0xAA
        CODE    0xFF, 0xF8
        CODE    0xFF, 0xD8
        CODE    0xFF, 0xE8
        CODE    0xFE, 0xD0
        CODE    0xFE, 0xF8
        CODE    0x8D, 0xC0
        CODE    0x8C, 0xF0
        CODE    0x8C, 0xF8
        CODE    0x8E, 0xC8
        CODE    0x8E, 0xF0
        CODE    0x0F, 0x00, 0xF0
        CODE    0x0F, 0x00, 0xF8
        CODE    0x0F, 0x01, 0xE8
        CODE    0x0F, 0xBA, 0xC0, 0x01
        CODE    0x0F, 0xC7, 0xC8
        CODE    0x0F, 0xC3, 0xC0
        CODE    0x0F, 0xB2, 0xC0
        CODE    0x0F, 0x20, 0xC8
        CODE    0x0F, 0x20, 0xE8
        CODE    0x0F, 0x22, 0xF0
        CODE    0x44, 0x0F, 0x20, 0xC8
        CODE    0x44, 0x0F, 0x22, 0xF8
        CODE    0x44, 0x0F, 0x21, 0xC0
        CODE    0x44, 0x0F, 0x23, 0xF8
        ret

# 15 bytes are the longest; 16 are #GP.
lengths:
        CODE    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90
        CODE    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90
        CODE    0x2E, 0x2E, 0x2E, 0x48, 0x81, 0x84, 0x24, 0x00, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00
        CODE    0x2E, 0x2E, 0x2E, 0x2E, 0x48, 0x81, 0x84, 0x24, 0x00, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00
        TRY     "two REX: the second", "or $-1, %rax; xor %ebx, %ebx; .byte 0x48, 0x41, 0xB8, 0x78, 0x56, 0x34, 0x12; mov %r8, %rbx"
        SHOW    "  r8", %rbx
        ret

privileged:
        movw    $104, tss + 102(%rip)   # no bitmap within the limit
        PRIVILEGED hlt
        PRIVILEGED cli
        PRIVILEGED sti
        PRIVILEGED in $0x80, %al
        PRIVILEGED out %al, $0x80
        PRIVILEGED insb
        PRIVILEGED mov $1, %ecx; rep outsb
        PRIVILEGED mov %cr0, %rax
        PRIVILEGED mov %rax, %cr3
        PRIVILEGED mov %cr8, %rax
        PRIVILEGED mov %rax, %cr8
        PRIVILEGED mov %dr7, %rax
        PRIVILEGED mov %rax, %dr0
        PRIVILEGED lgdt (%rsp)
        PRIVILEGED lidt (%rsp)
        PRIVILEGED ltr %ax
        PRIVILEGED lmsw %ax
        PRIVILEGED clts
        PRIVILEGED invlpg (%rsp)
        PRIVILEGED wbinvd
        PRIVILEGED invd
        PRIVILEGED rdmsr
        PRIVILEGED wrmsr
        PRIVILEGED swapgs
        ret

# The I/O bitmap of a 64-bit TSS: its offset is where it always was, at 66h.
ports:  mov     $tss, %esi
        mov     $big_tss, %edi
        mov     $104, %ecx
        rep movsb
        movb    $0xFF, big_tss + 104 + 32(%rip)
        movw    $104 + 32, gdt_long + SEL_TSS(%rip)
        mov     $big_tss, %eax
        mov     %ax, gdt_long + SEL_TSS + 2(%rip)
        shr     $16, %eax
        mov     %al, gdt_long + SEL_TSS + 4(%rip)
        movb    $0x89, gdt_long + SEL_TSS + 5(%rip)
        mov     $SEL_TSS, %eax
        ltr     %ax
        TRY_USER "port E9h allowed", "mov $'.', %al; outb %al, $0xE9"
        TRY_USER "16 bits of it", "in $0xF8, %ax"
        orb     $2, big_tss + 104 + 0xE9 / 8(%rip)
        TRY_USER "port E9h denied", "mov $'.', %al; outb %al, $0xE9"
        TRY_USER "16 bits below it", "in $0xE8, %ax"
        TRY_USER "behind the bitmap", "mov $0x100, %edx; in %dx, %al"
        TRY_USER "far behind", "mov $0xFFFF, %edx; in %dx, %al"
        TRY32   "32-bit code: port E9h denied", "in $0xE9, %al"
        TRY32   "32-bit code: port 80h allowed", "in $0x80, %al"
        RUN_IN  SEL_USER_CODE, SEL_USER_DATA, 64, "in $0xE9, %al; cli; sti; cli", USER_SP, 0x3002
        PUTS    "IOPL 3: "
        call    trap_show
        ret

unprivileged:
        movw    $104, tss + 102(%rip)   # no bitmap within the limit
        TRY_USER "SGDT", "sgdt -16(%rsp); movzwl -16(%rsp), %eax; mov -14(%rsp), %rbx; movabs $gdt_long, %rcx; sub %rcx, %rbx"
        SHOW    "  limit", %rax
        SHOW    "  base", %rbx
        TRY_USER "SIDT", "sidt -16(%rsp); movzwl -16(%rsp), %eax; mov -14(%rsp), %rbx; movabs $idt, %rcx; sub %rcx, %rbx"
        SHOW    "  limit", %rax
        SHOW    "  base", %rbx
        TRY_USER "STR and SLDT", "or $-1, %rax; str %rax; or $-1, %rbx; sldt %ebx; or $-1, %rcx; str %cx"
        SHOW    "  rax", %rax
        SHOW    "  rbx", %rbx
        SHOW    "  rcx", %rcx
        TRY_USER "SMSW", "smsw %rax; mov %rax, %rbx; shr $32, %rbx; and $0xFFFF, %eax"
        SHOW    "  cr0", %rax
        TRY     "UMIP", "mov %cr4, %rax; bts $11, %rax; mov %rax, %cr4"
        PRIVILEGED sgdt -16(%rsp)
        PRIVILEGED sidt -16(%rsp)
        PRIVILEGED sldt %eax
        PRIVILEGED str %eax
        PRIVILEGED smsw %eax
        TRY     "UMIP at CPL 0", "smsw %eax; str %ebx; sgdt far_space(%rip)"
        TRY     "UMIP off", "mov %cr4, %rax; btr $11, %rax; mov %rax, %cr4"
        TRY     "TSD", "mov %cr4, %rax; bts $2, %rax; mov %rax, %cr4; rdtsc"
        PRIVILEGED rdtsc
        PRIVILEGED rdtscp
        TRY     "TSD off", "mov %cr4, %rax; btr $2, %rax; mov %rax, %cr4"
        ret

        .bss
        .balign 16
far_space:
        .skip   16
big_tss:
        .skip   104 + 33
