# cross.S - what FS shows on both sides of SYSENTER, SYSEXIT, INT and IRET that the translator does by itself: at CPL 0 supervisor
# pages, at CPL 3 not. Two address spaces, so that views are split.
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    KERNEL, TEST            # page 0 of the window: U/S = 0
        .set    USER, TEST + 0x1000     # page 1: U/S = 1
        .set    ROUNDS, 50
        .set    VEC_CALL, 0x40

        .macro  MSR n, value
        mov     $\n, %ecx
        mov     $\value, %eax
        xor     %edx, %edx
        wrmsr
        .endm

# FIFTY "name", way into the kernel, page of the last rounds, access: EBX counts what CPL 0 saw, which sets EDI.
        .macro  FIFTY name, way, page, body
        movl    $ROUNDS, rounds
        movl    $\page, last_page
        xor     %ebx, %ebx
        mov     $USER, %edi
        TRY_USER "\name", "mov $SEL_USER_DATA, %eax; mov %eax, %fs; 7: \body; \way; 8: cmpl $0, rounds; jne 7b"
        SHOW    "  seen", "%ebx"
        .endm
        .macro  WAYS name, way
        FIFTY   "\name, its own page", "\way", USER, "mov %fs:(%edi), %eax"
        FIFTY   "\name, the kernel's", "\way", KERNEL, "mov %fs:(%edi), %eax"
        FIFTY   "\name, write", "\way", KERNEL, "mov %eax, %fs:(%edi)"
        FIFTY   "\name, without FS", "\way", KERNEL, "mov (%edi), %eax"
        .endm

main:   INIT_TRAPS
        movl    $page_0 + PTE_P + PTE_W, test_pt
        movl    $page_1 + PTE_P + PTE_W + PTE_U, test_pt + 4
        call    start_paging
        CR_SET  cr0, CR0_WP
        cld
        mov     $page_dir, %esi
        mov     $other_dir, %edi
        mov     $1024, %ecx
        rep     movsl
        MSR     0x174, SEL_CODE
        MSR     0x175, kernel_stack
        MSR     0x176, entry
        SET_GATE VEC_CALL, call_entry, 0xEE
        movl    $1, KERNEL
        .irp    dir, page_dir, other_dir, page_dir
        mov     $\dir, %eax
        mov     %eax, %cr3
        WAYS    "\dir, SYSENTER", "mov %esp, %ecx; mov $8f, %edx; sysenter"
        WAYS    "\dir, INT", "int $VEC_CALL"
        .endr
        ret

# FS as the user has it, and loaded again: the selector is known.
entry:  call    look
        sysexit
call_entry:
        call    look
        iret
look:   push    %eax
        add     %fs:KERNEL, %ebx
        mov     $SEL_USER_DATA, %eax
        mov     %eax, %fs
        add     %fs:KERNEL, %ebx
        pop     %eax
        decl    rounds
        cmpl    $ROUNDS / 2, rounds
        jne     1f
        mov     last_page, %edi
1:      ret

        .bss
        .balign 4096
page_0: .skip   4096
page_1: .skip   4096
other_dir:
        .skip   4096
rounds: .skip   4
last_page:
        .skip   4
        .skip   4096
kernel_stack:
        .skip   16
        .text
