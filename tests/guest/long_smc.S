# long_smc.S - 64-bit code that changes itself: by every kind of store, in its own block and the next, by way of another region,
# another mapping, REP, PUSH, the frame of an interrupt, at CPL 3, across pages; pages of code that are exchanged.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"

        .set    CODE, 0x7000000000      # page_a..
        .set    ALIAS, 0xFFFF910000000000       # the same page elsewhere

# FUNCTION at: MOV EAX, n; RET.
        .macro  FUNCTION at, n
        movabs  $\at, %rdi
        movb    $0xB8, (%rdi)
        movl    $\n, 1(%rdi)
        movb    $0xC3, 5(%rdi)
        .endm
# CHANGED "name", "stores": runs the function at CODE, stores (RBX is its immediate's address, RCX the new value), runs it again:
# twenty times, so that it is translated for sure; the sum of all results is shown.
        .macro  CHANGED name, body
        FUNCTION CODE, 0
        mov     $20, %r12d
        xor     %r13d, %r13d
7:      movabs  $CODE, %rdx
        call    *%rdx
        add     %rax, %r13
        lea     (%r12, %r12, 2), %ecx
        movabs  $CODE + 1, %rbx
        \body
        movabs  $CODE, %rdx
        call    *%rdx
        imul    $1000, %rax, %rax
        add     %rax, %r13
        dec     %r12d
        jnz     7b
        SHOW    "\name", %r13
        .endm

main64: INIT_LONG
        MAP     CODE-0x1000, page_d+7
        MAP     CODE, page_a+7
        MAP     CODE+0x1000, page_b+7
        MAP     ALIAS, page_a+3
        call    stores
        call    own_block
        call    across
        call    exchanged
        call    user
        call    far_calls
        ret

stores: CHANGED "32 bits", "mov %ecx, (%rbx)"
        CHANGED "a byte", "mov %cl, (%rbx)"
        CHANGED "64 bits over opcode and RET", "mov %rcx, %rdx; shl $8, %rdx; bts $46, %rdx; bts $47, %rdx; bts $40, %rdx; bts $41, %rdx; or $0xB8, %rdx; mov %rdx, -1(%rbx)"
        CHANGED "through the upper half", "movabs $ALIAS + 1, %rbx; mov %ecx, (%rbx)"
        CHANGED "through the identity map", "mov %ecx, page_a + 1(%rip)"
        CHANGED "SSE", "movd %ecx, %xmm0; movd %xmm0, (%rbx)"
        CHANGED "LOCK XADD", "sub (%rbx), %ecx; lock xadd %ecx, (%rbx)"
        CHANGED "CMPXCHG8B", "mov (%rbx), %eax; mov 4(%rbx), %edx; mov %r14, %rsi; mov %rbx, %r14; mov %ecx, %ebx; mov %edx, %ecx; lock cmpxchg8b (%r14); mov %rsi, %r14"
        CHANGED "PUSH", "mov %rsp, %rbp; lea 8(%rbx), %rsp; mov (%rbx), %rdx; mov %ecx, %ecx; shr $32, %rdx; shl $32, %rdx; or %rcx, %rdx; push %rdx; mov %rbp, %rsp"
        CHANGED "REP MOVSB", "mov %ecx, value(%rip); mov $value, %esi; mov %rbx, %rdi; mov $4, %ecx; rep movsb"
        CHANGED "STOSD", "mov %ecx, %eax; mov %rbx, %rdi; stosl"
        CHANGED "backward STOSB", "std; mov %ecx, %eax; mov %rbx, %rdi; mov $1, %ecx; rep stosb; cld"
        CHANGED "x87", "mov %ecx, value(%rip); fildl value(%rip); fistpl (%rbx)"
        CHANGED "FXSAVE over all", "mov %rbx, %rdx; and $~15, %rdx; mov (%rdx), %rsi; mov 8(%rdx), %rdi; fxsave (%rdx); mov %rsi, (%rdx); mov %rdi, 8(%rdx); mov %ecx, (%rbx)"
        ret

# The next instruction is the changed one.
        .macro  NEXT name, body
        mov     $10, %r12d
        xor     %r13d, %r13d
7:      \body
        add     %rax, %r13
        dec     %r12d
        jnz     7b
        SHOW    "\name", %r13
        .endm
own_block:
        NEXT    "its own immediate", "mov %r12d, 8f-4(%rip); mov $0x77777777, %eax; 8: nop"
        NEXT    "by an absolute address", "lea 8f-4(%rip), %rbx; mov %r12d, (%rbx); mov $0x77777777, %eax; 8: nop"
        NEXT    "of 64 bits", "mov %r12, 8f-8(%rip); movabs $0x7777777777777777, %rax; 8: nop"
        NEXT    "an opcode", "mov %r12d, %eax; movb $0xFF, 8f(%rip); testb $1, %r12b; jz 6f; movb $0xFF, 8f(%rip); 6: movb $0xC0, 8f+1(%rip); 8: inc %eax; nop"
        NEXT    "behind a jump", "mov %r12d, 8f-4(%rip); jmp 6f; 6: mov $0x77777777, %eax; 8: nop"
        NEXT    "REP STOSB over itself", "mov %r12d, %eax; lea 8f-4(%rip), %rdi; mov $1, %ecx; rep stosb; mov $0x77777777, %eax; 8: movzx %al, %eax"
        ret

# A function half on one page, half on the next.
across: FUNCTION CODE+0xFFD, 0x100
        mov     $10, %r12d
        xor     %r13d, %r13d
1:      movabs  $CODE + 0xFFD, %rdx
        call    *%rdx
        add     %rax, %r13
        mov     %r12w, 1(%rdx)
        mov     %r12w, 3(%rdx)
        call    *%rdx
        add     %rax, %r13
        mov     %r12b, page_b(%rip)
        call    *%rdx
        add     %rax, %r13
        dec     %r12d
        jnz     1b
        SHOW    "across pages", %r13
        ret

# The page table entry changes instead of the page.
exchanged:
        FUNCTION CODE, 0x111
        FUNCTION page_c, 0x222
        mov     $12, %r12d
        xor     %r13d, %r13d
1:      test    $1, %r12b
        jz      2f
        MAP     CODE, page_c+7
        jmp     3f
2:      MAP     CODE, page_a+7
3:      movabs  $CODE, %rdx
        call    *%rdx
        add     %rax, %r13
        incl    page_c + 1(%rip)
        call    *%rdx
        add     %rax, %r13
        dec     %r12d
        jnz     1b
        SHOW    "exchanged pages", %r13
        MAP     CODE, page_a+7
        ret

user:   FUNCTION CODE, 0
        xor     %r13d, %r13d
        mov     $10, %r12d
1:      RUN_USER "movabs $CODE, %rdx; mov %r12d, 1(%rdx); call *%rdx; add %rax, %r13; incb page_a + 1; call *%rdx; add %rax, %r13"
        incb    page_a + 1(%rip)        # and by the kernel
        RUN_USER "movabs $CODE, %rdx; call *%rdx; add %rax, %r13"
        dec     %r12d
        jnz     1b
        SHOW    "at CPL 3", %r13
        # a page that CPL 3 may not write
        MAP     CODE, page_a+5
        TRY_USER "not writable", "movabs $CODE, %rdx; call *%rdx; incb 1(%rdx)"
        MAP     CODE, page_a+7
        RUN_IN  SEL_USER_CODE32, SEL_USER_DATA, 32, "mov $page_a, %edx; call *%edx; mov %eax, %ebx; movl $0x55, 1(%edx); call *%edx; shl $16, %ebx; mov %ax, %bx"
        SHOW    "32-bit code", %rbx
        ret

# Functions in regions far apart that call each other, each changing the next.
far_calls:
        .irp    n, 1, 2, 3, 4, 5, 6
        movabs  $0x100000000000 * \n + 0x5000, %rdi
        mov     $page_e+7, %esi
        call    map_page
        .endr
        FUNCTION page_e, 0
        xor     %r13d, %r13d
        mov     $10, %r12d
1:      .irp    n, 1, 2, 3, 4, 5, 6
        movabs  $0x100000000000 * \n + 0x5000, %rdx
        call    *%rdx
        add     %rax, %r13
        lea     (%r13, %r12), %eax
        mov     %al, 1(%rdx)
        .endr
        dec     %r12d
        jnz     1b
        SHOW    "one page at six addresses", %r13
        ret

        .bss
        .balign 8
value:  .skip   8
