# writer.S - a guest that fills the first IDE disk sector by sector, each with its number, counts at 200000h
# what the disk has acknowledged, flushes, and reads all of it again.
        .include "lib.inc"

        .set    ACKNOWLEDGED, 0x200000
        .set    SECTORS, 512
        .set    DATA, 0x1f0
        .set    COMMAND, 0x1f7

main:   movl    $0, ACKNOWLEDGED
        xor     %ebx, %ebx
1:      mov     $0x30, %al              # WRITE SECTORS
        call    command
        call    wait_drq
        mov     $128, %ecx
        mov     $DATA, %dx
        mov     %ebx, %eax
        not     %eax
2:      out     %eax, %dx
        loop    2b
        call    wait_ready
        mov     %ebx, %eax
        inc     %eax
        mov     %eax, ACKNOWLEDGED
        inc     %ebx
        cmp     $SECTORS, %ebx
        jb      1b
        mov     $COMMAND, %dx
        mov     $0xe7, %al              # FLUSH CACHE
        out     %al, %dx
        call    wait_ready
        PUTS    "flushed\n"

        xor     %ebx, %ebx
3:      mov     $0x20, %al              # READ SECTORS
        call    command
        call    wait_drq
        mov     $128, %ecx
        mov     $DATA, %dx
        mov     %ebx, %esi
        not     %esi
4:      in      %dx, %eax
        cmp     %esi, %eax
        jne     wrong
        loop    4b
        inc     %ebx
        cmp     $SECTORS, %ebx
        jb      3b
        PUTS    "all there\n"
        ret

wrong:  PUTS    "wrong sector "
        PUTHEX  %ebx
        EXIT    2

# Sector EBX, command AL.
command:
        push    %eax
        mov     $0x1f2, %dx
        mov     $1, %al
        out     %al, %dx
        inc     %dx
        mov     %bl, %al
        out     %al, %dx
        inc     %dx
        mov     %bh, %al
        out     %al, %dx
        inc     %dx
        xor     %eax, %eax
        out     %al, %dx
        inc     %dx
        mov     $0xe0, %al
        out     %al, %dx
        inc     %dx
        pop     %eax
        out     %al, %dx
        ret

wait_drq:
        call    wait_ready
        test    $8, %al
        jz      failed
        ret

wait_ready:
        mov     $COMMAND, %dx
1:      in      %dx, %al
        test    $0x80, %al
        jnz     1b
        test    $0x21, %al              # ERR, DF
        jnz     failed
        ret

failed: PUTS    "the disk failed at sector "
        PUTHEX  %ebx
        EXIT    3
