# nano64.S - what single operations cost a 64-bit guest; bench/run reads what it prints. Entered as a multiboot image in 32-bit
# mode; assembled as 64-bit code and packed as the ELF32 that multiboot wants.
        .set    PORT_DEBUG, 0xE9
        .set    PORT_EXIT, 0xF4
        .set    SEL_CODE, 0x08
        .set    SEL_DATA, 0x10
        .set    SEL_USER_DATA, 0x23
        .set    SEL_USER_CODE, 0x2B
        .set    SEL_TSS, 0x30

        .set    BASE, 0xFFFFFFFF80000000
        .set    A, %rax
        .set    B, %rbx
        .set    C, %rcx
        .set    D, %rdx
        .set    SI, %rsi
        .set    DI, %rdi
        .set    BP, %rbp
        .set    SP, %rsp
        .set    W, 8
        .macro  POINTER values:vararg
        .quad   \values
        .endm
        .macro  IRETURN
        iretq
        .endm
        .macro  PUTS text
        .pushsection .rodata
.Lputs\@:
        .asciz  "\text"
        .popsection
        push    SI
        mov     $.Lputs\@, SI
        call    print
        pop     SI
        .endm
        .macro  SET_GATE vector, handler, type
        mov     $\handler, A
        mov     $\vector, C
        mov     $\type, D
        call    set_gate
        .endm

        .section .multiboot, "ax"
        .balign 4
        .long   0x1BADB002, 2, -(0x1BADB002 + 2)
        .include "start.inc"

        .text
        .code32
        .globl  _start
_start: cli
        cld
        TAKE_ARGUMENT
        # Identity until start64 and the top 2 GiB are the same table; so are the two spaces, but for TEST.
        .irp    which, root, alt_root
        movl    $\which\()_pdpt - BASE + PTE_USER, \which - BASE
        movl    $high_pdpt - BASE + PTE_KERNEL, \which - BASE + 8 * 511
        movl    $low_pd - BASE + PTE_KERNEL, \which\()_pdpt - BASE
        movl    $\which\()_pd - BASE + PTE_USER, \which\()_pdpt - BASE + 8
        movl    $user_pt - BASE + PTE_USER, \which\()_pd - BASE + 8 * 2
        .set    n, 0
        .rept   4
        movl    $POOL_FRAMES + n * 0x200000 + PTE_LARGE, \which\()_pd - BASE + 8 * (8 + n)
        .set    n, n + 1
        .endr
        .endr
        movl    $test_pt - BASE + PTE_USER, root_pd - BASE
        movl    $alt_pt - BASE + PTE_USER, alt_root_pd - BASE
        movl    $low_pd - BASE + PTE_KERNEL, high_pdpt - BASE + 8 * 510
        movl    $low_pt - BASE + PTE_KERNEL, low_pd - BASE
        mov     $low_pt - BASE, %edi
        mov     $PTE_KERNEL, %eax
1:      mov     %eax, (%edi)
        add     $8, %edi
        add     $4096, %eax
        cmp     $0x200000, %eax
        jb      1b
        mov     $root - BASE, %eax
        mov     %eax, %cr3
        mov     $0x2A0, %eax            # PAE, PGE, OSFXSR
        mov     %eax, %cr4
        mov     $0xC0000080, %ecx       # EFER: SCE, LME
        rdmsr
        or      $0x101, %eax
        wrmsr
        mov     $0x80010033, %eax       # PG, WP, NE, ET, MP, PE
        mov     %eax, %cr0
        lgdt    low_gdt_pointer - BASE
        ljmp    $SEL_CODE, $start64 - BASE

        .code64
start64:
        mov     $high, A
        jmp     *A
high:   mov     $SEL_DATA, %eax
        mov     %eax, %ss
        mov     $SEL_USER_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     $stack_top, SP
        lgdt    gdt_pointer
        movq    $0, root_pdpt           # nothing of the kernel is left below
        movq    $0, alt_root_pdpt
        call    fill_tables
        call    load_tss
        lidt    idt_pointer
        xor     %eax, %eax
        mov     $0x00180008, %edx       # STAR: SYSRET's selectors from 18h, SYSCALL's from 8
        mov     $0xC0000081, %ecx
        wrmsr
        mov     $on_syscall, A
        mov     $-1, %edx
        inc     %ecx                    # LSTAR
        wrmsr
        xor     %eax, %eax
        xor     %edx, %edx
        mov     $0xC0000084, %ecx       # FMASK
        wrmsr
        call    run_rows
        xor     %eax, %eax
        out     %eax, $PORT_EXIT
1:      cli
        hlt
        jmp     1b

on_syscall:
        sysretq

load_tss:
        movq    $ring0_stack_top, tss + 4
        mov     $tss, A
        mov     %ax, gdt + SEL_TSS + 2
        shr     $16, A
        mov     %al, gdt + SEL_TSS + 4
        mov     %ah, gdt + SEL_TSS + 7
        shr     $16, A
        mov     %eax, gdt + SEL_TSS + 8
        mov     $SEL_TSS, %eax
        ltr     %ax
        ret

# Vector C, handler A, type D (SDM 3A figure 6-8).
set_gate:
        shl     $4, C
        mov     %ax, idt(C)
        movw    $SEL_CODE, idt + 2(C)
        movb    $0, idt + 4(C)
        mov     %dl, idt + 5(C)
        shr     $16, A
        mov     %ax, idt + 6(C)
        shr     $16, A
        mov     %eax, idt + 8(C)
        ret

print:  push    A
1:      mov     (SI), %al
        inc     SI
        test    %al, %al
        jz      2f
        out     %al, $PORT_DEBUG
        jmp     1b
2:      pop     A
        ret

# EAX as eight digits.
print_hex:
        push    B
        push    C
        push    D
        mov     %eax, %edx
        mov     $8, %ecx
1:      rol     $4, %edx
        mov     %edx, %ebx
        and     $15, %ebx
        mov     hex_digits(B), %al
        out     %al, $PORT_DEBUG
        dec     %ecx
        jnz     1b
        mov     %edx, %eax
        pop     D
        pop     C
        pop     B
        ret

        .section .rodata
hex_digits:
        .ascii  "0123456789abcdef"

        .data
        .balign 8
gdt:    .quad   0
        .quad   0x00AF9B000000FFFF      # 08h code, ring 0
        .quad   0x00CF93000000FFFF      # 10h data, ring 0
        .quad   0
        .quad   0x00CFF3000000FFFF      # 20h data, ring 3
        .quad   0x00AFFB000000FFFF      # 28h code, ring 3
        .quad   0x0000890000000067, 0   # 30h TSS
gdt_end:
low_gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   gdt - BASE
gdt_pointer:
        .word   gdt_end - gdt - 1
        .quad   gdt
idt_pointer:
        .word   256 * 16 - 1
        .quad   idt

        .bss
        .balign 4096
root:   .skip   4096
alt_root:
        .skip   4096
root_pdpt:
        .skip   4096
alt_root_pdpt:
        .skip   4096
high_pdpt:
        .skip   4096
root_pd:
        .skip   4096
alt_root_pd:
        .skip   4096
low_pd: .skip   4096
low_pt: .skip   4096
idt:    .skip   4096
tss:    .skip   4096
        .skip   16384
stack_top:
        .skip   16384
ring0_stack_top:
        .text

        USER_ROW "syscall, sysret", 1, "syscall"
        .include "rows.inc"
        ROW     "MOV to CR8", 1, "mov A, %cr8", "xor %eax, %eax"
        ROW     "SWAPGS", 2, "swapgs"
        ROW     "WRMSR (FS base)", 1, "wrmsr", "mov $0xC0000100, %ecx; xor %eax, %eax; xor %edx, %edx"
