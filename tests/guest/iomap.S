# iomap.S - who may use which port: IOPL, the TSS's I/O permission bitmap, V86 which looks at the bitmap only (SDM 1 19.5,
# SDM 3A 20.2.8). UMIP: who may look at descriptor tables (SDM 3A 2.5).
# options: -cpu max
        .include "lib.inc"
        .include "trap.inc"
        .include "v86.inc"

        .set    CR4_UMIP, 0x800
        .set    MAP, 104                # the bitmap begins here unless a test says otherwise
        .set    PORT, 0x80
        .set    MAP_BYTES, 0x14         # ports 0 to 9Fh; then the byte of ones

# PORTS "name", iopl, "instructions": at CPL 3.
        .macro  PORTS name, iopl, body
        pushl   $2 | (\iopl) << 12
        popf
        TRY_USER "\name", "\body"
        pushl   $2
        popf
        .endm

main:   INIT_TRAPS
        COPY_V86
        call    make_tss
        call    one_port
        call    wide
        call    ends
        call    iopl
        call    strings
        call    v86
        call    umip
        ret

# Ports 80h, 82h-83h, 84h-87h open; 81h not.
make_tss:
        mov     $big_tss, %eax
        movl    $ring0_stack_top, 4(%eax)
        movl    $SEL_DATA, 8(%eax)
        movw    $MAP, 102(%eax)
        lea     MAP(%eax), %edi
        mov     $-1, %eax
        mov     $MAP_BYTES + 1, %ecx
        rep     stosb
        movb    $2, big_tss + MAP + PORT / 8
        mov     $big_tss, %eax
        movw    $MAP + MAP_BYTES, gdt + SEL_TSS
        mov     %ax, gdt + SEL_TSS + 2
        shr     $16, %eax
        mov     %al, gdt + SEL_TSS + 4
        mov     %ah, gdt + SEL_TSS + 7
        movb    $0x89, gdt + SEL_TSS + 5
        mov     $SEL_TSS, %eax
        ltr     %ax
        ret

one_port:
        PORTS   "in 80h", 0, "in $0x80, %al"
        PORTS   "out 80h", 0, "out %al, $0x80"
        PORTS   "in dx 80h", 0, "mov $0x80, %edx; in %dx, %al"
        PORTS   "in 81h", 0, "in $0x81, %al"
        PORTS   "out dx 81h", 0, "mov $0x81, %edx; out %al, %dx"
        PORTS   "in 87h", 0, "in $0x87, %al"
        PORTS   "in 88h", 0, "in $0x88, %al"
        TRY     "ring 0, in 81h", "in $0x81, %al"
        # it is looked at each time
        andb    $~2, big_tss + MAP + PORT / 8
        PORTS   "in 81h, opened", 0, "in $0x81, %al"
        orb     $2, big_tss + MAP + PORT / 8
        PORTS   "in 81h, closed", 0, "in $0x81, %al"
        ret

# All bytes of a wide access count, over byte boundaries of the bitmap too.
wide:   PORTS   "word at 80h", 0, "in $0x80, %ax"
        PORTS   "word at 82h", 0, "in $0x82, %ax"
        PORTS   "dword at 82h", 0, "in $0x82, %eax"
        PORTS   "dword at 84h", 0, "in $0x84, %eax"
        PORTS   "dword at 85h", 0, "in $0x85, %eax"
        movb    $0xFE, big_tss + MAP + PORT / 8 + 1
        PORTS   "dword at 85h, 88h open", 0, "in $0x85, %eax"
        PORTS   "dword at 86h, 88h open", 0, "in $0x86, %eax"
        movb    $0xFF, big_tss + MAP + PORT / 8 + 1
        ret

# Two bytes are read: the last ports need the byte behind the map. Beyond the limit everything is closed.
ends:   movb    $0x7F, big_tss + MAP + MAP_BYTES - 1
        PORTS   "last port of the map", 0, "in $0x9F, %al"
        movw    $MAP + MAP_BYTES - 1, gdt + SEL_TSS
        call    reload
        PORTS   "the byte behind it missing", 0, "in $0x9F, %al"
        PORTS   "port 80h, inside", 0, "in $0x80, %al"
        PORTS   "port A0h, beyond", 0, "mov $0xA0, %edx; in %dx, %al"
        PORTS   "port FFFFh", 0, "mov $0xFFFF, %edx; in %dx, %al"
        movw    $MAP + MAP_BYTES, gdt + SEL_TSS
        call    reload
        movw    $0xFFFF, big_tss + 102
        PORTS   "map at FFFFh", 0, "in $0x80, %al"
        movw    $MAP - 1, big_tss + 102 # all moves by eight ports
        PORTS   "map a byte earlier: 80h", 0, "in $0x80, %al"
        PORTS   "map a byte earlier: 88h", 0, "mov $0x88, %edx; in %dx, %al"
        PORTS   "map a byte earlier: 89h", 0, "mov $0x89, %edx; in %dx, %al"
        movw    $MAP, big_tss + 102
        ret
reload: movb    $0x89, gdt + SEL_TSS + 5
        mov     $SEL_TSS, %eax
        ltr     %ax
        ret

# IOPL opens all of them, and STI and CLI; POPF changes IF only then.
iopl:   PORTS   "IOPL 3, in 81h", 3, "in $0x81, %al"
        PORTS   "IOPL 2, in 81h", 2, "in $0x81, %al"
        PORTS   "IOPL 3, cli", 3, "cli"
        PORTS   "IOPL 2, cli", 2, "cli"
        ret

strings:
        PORTS   "outsb 80h", 0, "mov $0x80, %edx; mov $bytes, %esi; outsb"
        PORTS   "outsb 81h", 0, "mov $0x81, %edx; mov $bytes, %esi; outsb"
        mov     trap_esi, %eax
        sub     $bytes, %eax
        SHOW    "  esi moved", "%eax"
        PORTS   "insb 81h", 0, "mov $0x81, %edx; mov $bytes, %edi; insb"
        PORTS   "rep insb 80h", 0, "mov $0x80, %edx; mov $bytes, %edi; mov $8, %ecx; rep insb"
        SHOW    "  ecx", trap_ecx
        PORTS   "rep outsw 80h", 0, "mov $0x80, %edx; mov $bytes, %esi; mov $8, %ecx; rep outsw"
        SHOW    "  ecx", trap_ecx
        ret

# V86: the bitmap, whatever IOPL is.
v86:    SET_GATE 0x50, trap_stub_05, 0xEE
        .irp    level, 0, 3
        V86     "v86, IOPL \level, in 80h", \level, v86_in80
        V86     "v86, IOPL \level, in 81h", \level, v86_in81
        .endr
        ret

umip:   .irp    insn, sgdt, sidt, sldt, str, smsw
        TRY_USER "\insn", "\insn bytes"
        .endr
        mov     $CR4_UMIP, %eax
        mov     %eax, %cr4
        .irp    insn, sgdt, sidt, sldt, str, smsw
        TRY_USER "UMIP: \insn", "\insn bytes"
        .endr
        TRY_USER "UMIP: sldt to a register", "sldt %eax"
        TRY_USER "UMIP: sgdt to no segment", "xor %eax, %eax; mov %eax, %fs; sgdt %fs:0"
        TRY_USER "UMIP: lar", "mov $SEL_USER_CODE, %eax; lar %eax, %eax"
        TRY     "UMIP: sgdt in ring 0", "sgdt bytes"
        TRY     "UMIP: smsw in ring 0", "smsw bytes"
        V86     "UMIP: v86 smsw", 3, v86_smsw
        V86     "UMIP: v86 sgdt", 3, v86_sgdt
        V86     "UMIP: v86 str", 3, v86_str
        xor     %eax, %eax
        mov     %eax, %cr4
        V86     "v86 smsw", 3, v86_smsw
        V86     "v86 sgdt", 3, v86_sgdt
        ret

        .code16
v86_code:
v86_in80:
        inb     $0x80, %al
        int     $0x50
v86_in81:
        inb     $0x81, %al
        int     $0x50
v86_smsw:
        smsw    %ax
        int     $0x50
v86_sgdt:
        sgdtw   0
        int     $0x50
v86_str:
        str     %ax
v86_end:
        .code32

        .bss
        .balign 16
big_tss:
        .skip   256
bytes:  .skip   64
        .text
