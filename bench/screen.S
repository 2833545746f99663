# screen.S - writes to the VGA's memory, WORK says how: 1 the linear frame buffer filled, 2 it scrolled, 3 text at B8000h, 4 a
# pixel after the other in 16 colours. ROUNDS times; then it leaves with status 1.
        .include "lib.inc"
        .set    WIDTH, 1024
        .set    HEIGHT, 768
        .set    PIXELS, WIDTH * HEIGHT
        .set    VBE_INDEX, 0x1CE        # QEMU's docs/specs/standard-vga
        .set    PCI_ADDRESS, 0xCF8
        .set    PCI_DATA, 0xCFC

# The VGA's BAR0, wherever it sits on bus 0, in EBX.
find_vga:
        mov     $0x80000000, %ecx
1:      mov     %ecx, %eax
        mov     $PCI_ADDRESS, %dx
        out     %eax, %dx
        mov     $PCI_DATA, %dx
        in      %dx, %eax
        cmp     $0x11111234, %eax
        je      2f
        add     $0x800, %ecx
        jmp     1b
2:      lea     4(%ecx), %eax           # memory on
        mov     $PCI_ADDRESS, %dx
        out     %eax, %dx
        mov     $PCI_DATA, %dx
        in      %dx, %eax
        or      $2, %eax
        out     %eax, %dx
        lea     0x10(%ecx), %eax
        mov     $PCI_ADDRESS, %dx
        out     %eax, %dx
        mov     $PCI_DATA, %dx
        in      %dx, %eax
        and     $~15, %eax
        mov     %eax, %ebx
        ret

        .macro  VBE index, value
        mov     $VBE_INDEX, %dx
        mov     $\index, %ax
        out     %ax, %dx
        inc     %dx
        mov     $\value, %ax
        out     %ax, %dx
        .endm

main:   cld
        mov     $ROUNDS, %ebp
        .if     WORK <= 2
        call    find_vga
        VBE     4, 0
        VBE     1, WIDTH
        VBE     2, HEIGHT
        VBE     3, 32
        VBE     4, 0x41
        .elseif WORK == 3
        mov     $0x3CE, %dx             # odd and even bytes, text at B8000h
        mov     $0x1005, %ax
        out     %ax, %dx
        mov     $0x0E06, %ax
        out     %ax, %dx
        mov     $0x3C4, %dx
        mov     $0x0302, %ax
        out     %ax, %dx
        mov     $0x0204, %ax
        out     %ax, %dx
        .else
        mov     $0x3CE, %dx             # write mode 0, all planes
        mov     $0x0005, %ax
        out     %ax, %dx
        mov     $0x0506, %ax            # graphics at A0000h
        out     %ax, %dx
        mov     $0x3C4, %dx
        mov     $0x0F02, %ax
        out     %ax, %dx
        mov     $0x0604, %ax
        out     %ax, %dx
        .endif

round:
        .if     WORK == 1
        mov     %ebx, %edi
        mov     %ebp, %eax
        mov     $PIXELS, %ecx
        rep stosl
        .elseif WORK == 2
        mov     %ebx, %edi
        lea     WIDTH * 4 * 16(%ebx), %esi
        mov     $(PIXELS - WIDTH * 16), %ecx
        rep movsl
        .elseif WORK == 3
        mov     $0xB8000, %edi
        mov     $2000, %ecx
1:      mov     %bp, (%edi)
        add     $2, %edi
        dec     %ecx
        jnz     1b
        .else
        mov     $0xA0000, %edi
        mov     $8000, %ecx
1:      mov     (%edi), %al             # the latches
        mov     %cl, (%edi)
        inc     %edi
        dec     %ecx
        jnz     1b
        .endif
        dec     %ebp
        jnz     round
        EXIT    0
