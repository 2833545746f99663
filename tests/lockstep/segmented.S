# segmented.S - runs the random streams of segmented.pl (payload.bin), each from new registers until it ends or faults:
# MODE 0 real mode, 1 V86, 2 16-bit code and 3 32-bit code of CPL 3. STREAMS of them; SEED decides the registers, the memory, and
# (bits 0, 1) the code segment's limit and paging. BIG: DS and ES of real mode with 4 GiB.
        .include "lib.inc"
        .set    PAYLOAD, 0x10000        # segment 1000h
        .set    DRIVER, 0x8000          # segment 800h
        .set    TABLE, 0x800000
        .set    PAGE_DIR, 0x801000

main:   mov     $0xFF, %al
        out     %al, $0x21
        out     %al, $0xA1
        mov     $0x20000, %edi
        mov     $SEED * 7919 + 12345, %eax
1:      imul    $1664525, %eax, %eax
        add     $1013904223, %eax
        mov     %eax, (%edi)
        roll    $13, (%edi)
        add     $4, %edi
        cmp     $0x80000, %edi
        jb      1b
        mov     $payload, %esi
        mov     $PAYLOAD, %edi
        mov     $payload_end - payload, %ecx
        rep     movsb
        .if     MODE == 0
        mov     $driver, %esi
        mov     $DRIVER, %edi
        mov     $driver_end - driver, %ecx
        rep     movsb
        lgdt    our_gdt_pointer
        lidt    real_idt
        ljmp    $0x30, $0
        .else
        LOAD_TSS
        mov     $tss, %eax
        mov     %ax, our_gdt + SEL_TSS + 2
        shr     $16, %eax
        mov     %al, our_gdt + SEL_TSS + 4
        lgdt    our_gdt_pointer
        mov     $SEL_TSS, %eax
        ltr     %ax
        mov     $255, %ebx
2:      mov     %ebx, %ecx
        mov     $next, %eax
        mov     $0xEE, %edx
        call    set_gate
        dec     %ebx
        jns     2b
        LOAD_IDT
        .if     SEED & 2
        call    enable_paging
        .endif
        jmp     next
        .endif

# Large pages, but for the first 4 MiB, which have a page that is not there, a read-only one, a supervisor's, an alias.
enable_paging:
        mov     $TABLE, %edi
        mov     $7, %eax
        mov     $1024, %ecx
1:      stosl
        add     $0x1000, %eax
        loop    1b
        movl    $0, TABLE + 0x2A * 4
        movl    $0x3B005, TABLE + 0x3B * 4
        movl    $0x4C003, TABLE + 0x4C * 4
        movl    $0x2D007, TABLE + 0x3D * 4
        mov     $PAGE_DIR, %edi
        mov     $0x87, %eax
        mov     $1024, %ecx
1:      stosl
        add     $0x400000, %eax
        loop    1b
        movl    $TABLE + 7, PAGE_DIR
        mov     %cr4, %eax
        or      $0x10, %eax
        mov     %eax, %cr4
        mov     $PAGE_DIR, %eax
        mov     %eax, %cr3
        mov     %cr0, %eax
        or      $0x80000000, %eax
        mov     %eax, %cr0
        ret

# Every exception and interrupt comes here, and so does the end of a stream.
        .balign 16
next:   cld
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $ring0_stack_top, %esp
        mov     counter, %ebx
        cmp     $STREAMS, %ebx
        jae     done
        incl    counter
        call    random
        mov     %eax, %ebp
        .if     MODE == 1
        .irp    sel, 0x6000, 0x5000, 0x2000, 0x3000, 0x4000
        push    $\sel
        .endr
        call    random_sp
        push    %eax
        push    $0x23002                # VM, IOPL 3
        push    $PAYLOAD >> 4
        .elseif MODE >= 2
        mov     $0x63, %ecx
        mov     %ecx, %es
        mov     %ecx, %fs
        mov     $0x5B, %ecx
        mov     %ecx, %gs
        push    $0x6B
        call    random_sp
        push    %eax
        push    $0x3002
        push    $0x53
        .endif
        shl     $8, %ebx
        push    %ebx
        .irp    reg, ecx, edx, ebx, esi, edi
        call    random_half
        mov     %eax, %\reg
        .endr
        call    random_half
        .if     MODE >= 2
        push    $0x5B
        pop     %ds
        .endif
        iret
done:   EXIT    0

random: mov     seed_now, %eax
        imul    $1664525, %eax, %eax
        add     $1013904223, %eax
        mov     %eax, seed_now
        rol     $16, %eax
        ret

# Mostly 16 bits.
random_half:
        call    random
        test    $0x600, %eax
        jz      1f
        movzwl  %ax, %eax
1:      ret

# Mostly an even one that is not near the end.
random_sp:
        call    random
        test    $0x70000, %eax
        jz      1f
        and     $0xFFFE, %eax
        or      $0x1000, %eax
        ret
1:      test    $0x100000, %eax
        jz      2f
        and     $0xFFFF000F, %eax
2:      ret

        .data
        .balign 8
counter:
        .long   0
seed_now:
        .long   SEED * 7919 + 1
our_gdt:
        .quad   0
        .quad   0x00CF9B000000FFFF      # 08h code, ring 0
        .quad   0x00CF93000000FFFF      # 10h data, ring 0
        .quad   0, 0
        .quad   0x0000890000000067      # 28h TSS
        .quad   0x00009B008000FFFF      # 30h the way to real mode
        .quad   0x000093000000FFFF      # 38h
        .quad   0x008F93000000FFFF      # 40h 4 GiB
        .quad   0
        .if     MODE == 3               # 53h the streams
        .if     SEED & 1
        .quad   0x00CFFB010000FFFF
        .else
        .quad   0x0041FB010000FDE8
        .endif
        .elseif SEED & 1
        .quad   0x0000FB010000FFFF
        .else
        .quad   0x0000FB010000FDE8
        .endif
        .quad   0x0000F3020000FFFF      # 5Bh data
        .quad   0x0000F3030000FFFF      # 63h data
        .quad   0x0000F3040000FFFF      # 6Bh 16-bit stack
        .quad   0x0000F10500000FFF      # 73h read-only
        .quad   0x0040F7060000FFFF      # 7Bh expands down
        .quad   0x00CFF3001000FFFF      # 83h 4 GiB from 1000h
        .quad   0x0010F30300004321      # 8Bh
our_gdt_end:
our_gdt_pointer:
        .word   our_gdt_end - our_gdt - 1
        .long   our_gdt
real_idt:
        .word   0x3FF
        .long   0
        .section .rodata
payload:
        .incbin "payload.bin"
payload_end:

# The same in real mode. INT 60h to 63h return, all other vectors lead to the next stream.
        .code16
driver: movw    $0x38 + 8 * BIG, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    $0x38, %ax
        movw    %ax, %fs
        movw    %ax, %gs
        movw    %ax, %ss
        movl    %cr0, %eax
        andb    $0xFE, %al
        movl    %eax, %cr0
        ljmpw   $DRIVER >> 4, $(real_next - driver)
real_next:
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ss
        movw    $0x7000, %sp
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %di
        movl    $(DRIVER << 12) + real_next - driver, %eax
        movw    $0x100, %cx
        rep     stosl
        movl    $(DRIVER << 12) + real_iret - driver, %eax
        .irp    v, 0x60, 0x61, 0x62, 0x63
        movl    %eax, \v * 4
        .endr
        movw    %cs, %ax
        movw    %ax, %ds
        movw    real_counter - driver, %bx
        cmpw    $STREAMS, %bx
        jae     real_done
        incw    real_counter - driver
        shlw    $8, %bx
        movw    %bx, real_target - driver
        movw    $0x3000, %cx
        movw    %cx, %es
        movw    $0x5000, %cx
        movw    %cx, %fs
        movw    $0x6000, %cx
        movw    %cx, %gs
        movw    $0x4000, %cx
        movw    %cx, %ss
        movl    $0x8000, %esp
        call    real_random
        testl   $0x70000, %eax
        jnz     1f
        movw    %ax, %sp
        orw     $0x10, %sp
1:      testl   $0x700000, %eax
        jnz     1f
        rorl    $3, %eax
        movl    %eax, %esp
        orw     $0x20, %sp
1:      .irp    reg, ecx, edx, ebx, esi, edi, ebp
        call    real_random
        movl    %eax, %\reg
        .endr
        call    real_random
        pushw   $2
        popfw
        pushw   $0x2000
        popw    %ds
        ljmpw   *%cs:real_target - driver
real_done:
        movb    $0, %al
        outl    %eax, $PORT_EXIT
        hlt
real_iret:
        iretw
real_random:
        movl    %cs:real_seed - driver, %eax
        imull   $1664525, %eax
        addl    $1013904223, %eax
        movl    %eax, %cs:real_seed - driver
        roll    $16, %eax
        testw   $6, %ax
        jz      1f
        movzwl  %ax, %eax
1:      ret
real_seed:
        .long   SEED * 7919 + 7
real_counter:
        .word   0
real_target:
        .word   0, PAYLOAD >> 4
driver_end:
        .code32
