# nano32.S - what single operations cost a 32-bit guest; bench/run reads what it prints.
        .include "lib.inc"

        .set    BASE, 0
        .set    A, %eax
        .set    B, %ebx
        .set    C, %ecx
        .set    D, %edx
        .set    SI, %esi
        .set    DI, %edi
        .set    BP, %ebp
        .set    SP, %esp
        .set    W, 4
        .macro  POINTER values:vararg
        .long   \values
        .endm
        .macro  IRETURN
        iret
        .endm
        .include "start.inc"

        .set    CR0_PG_WP, 0x80010000
        .set    CR0_MP, 2
        .set    CR0_EM_TS, 0xC
        .set    CR4_PSE_OSFXSR, 0x210

main:   mov     multiboot_info, %ebx
        TAKE_ARGUMENT
        LOAD_IDT
        LOAD_TSS
        call    fill_tables
        FILL    low_pt, 0, 1024, "PTE_KERNEL"
        .irp    dir, root, alt_root
        movl    $low_pt + PTE_KERNEL, \dir
        movl    $user_pt + PTE_USER, \dir + 4 * (USER >> 22)
        movl    $POOL_FRAMES + PTE_LARGE, \dir + 4 * (POOL >> 22)
        movl    $POOL_FRAMES + 0x400000 + PTE_LARGE, \dir + 4 * (POOL >> 22) + 4
        .endr
        movl    $test_pt + PTE_USER, root + 4 * (TEST >> 22)
        movl    $alt_pt + PTE_USER, alt_root + 4 * (TEST >> 22)
        mov     %cr4, %eax
        or      $CR4_PSE_OSFXSR, %eax
        mov     %eax, %cr4
        mov     $root, %eax
        mov     %eax, %cr3
        mov     %cr0, %eax
        and     $~CR0_EM_TS, %eax
        or      $CR0_PG_WP + CR0_MP, %eax
        mov     %eax, %cr0
        mov     $SEL_USER_DATA, %eax    # as systems have it: IRET to CPL 3 would clear one of CPL 0
        mov     %eax, %ds
        mov     %eax, %es
        xor     %edx, %edx
        mov     $SEL_CODE, %eax
        mov     $0x174, %ecx            # IA32_SYSENTER_CS, ESP, EIP
        wrmsr
        mov     $ring0_stack_top, %eax
        inc     %ecx
        wrmsr
        mov     $on_sysenter, %eax
        inc     %ecx
        wrmsr
        call    run_rows
        ret

on_sysenter:
        sysexit

        .bss
        .balign 4096
root:   .skip   4096
alt_root:
        .skip   4096
low_pt: .skip   4096
        .text

        USER_ROW "sysenter, sysexit", 1, "mov $1f, %edx; mov %esp, %ecx; sysenter; 1:"
        .include "rows.inc"
        ROW     "PUSHA, POPA", 8, "pusha; popa"
