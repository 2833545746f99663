/* A boot sector of the old kind: text by INT 10h, its second sector by INT 13h, power off by APM or, where
 * there is none, through the port of isa-debug-exit. */
        .code16
        .globl  _start
_start:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        sti
        movw    $first, %si
        call    print
        movw    $0x0201, %ax            /* read one sector */
        movw    $second, %bx
        movw    $0x0002, %cx            /* cylinder 0, sector 2 */
        movb    $0, %dh                 /* head 0 of the drive in DL, as the firmware gave it */
        int     $0x13
        jc      leave
        movw    $second, %si
        call    print
        movw    $0x0301, %ax            /* write it back to sector 3 */
        movw    $0x0003, %cx
        movb    $0, %dh
        movw    $second, %bx
        int     $0x13
        movw    $failed, %si
        jc      1f
        movw    $wrote, %si
1:      call    print
leave:
        movb    $0x86, %ah              /* wait 200 ms: the serial port sends at its own speed */
        xorw    %dx, %dx
        movw    $3, %cx
        int     $0x15
        movb    $0x10, %al
        outb    %al, $0xf4
        cli
        hlt

print:
        lodsb
        testb   %al, %al
        jz      1f
        movb    $0x0e, %ah
        movw    $7, %bx
        int     $0x10
        jmp     print
1:      ret

first:  .asciz  "Hello from sector one\r\n"
wrote:  .asciz  "Sector three written\r\n"
failed: .asciz  "Write failed\r\n"
        .org    510
        .word   0xaa55
second: .asciz  "Hello from sector two\r\n"
        .org    1024 * 1024
