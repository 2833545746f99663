# user64.S - pages that CPL 3 may not see, at sites that CPL 0 has run before and the other way round; pages, tables and whole
# regions that change under translations: stale look-ups must show the guest's old pages at most until it says INVLPG or MOV CR3.
# engines: bt interp           (run.sh has no reference with long mode)
        .include "lib64.inc"

        .set    TIMES, 8
        .set    WINDOW, 0x500000000     # mapped and unmapped all the time
        .set    OTHER, 0x123400000000

        .macro  FORM name, body
        jmp     2f
1:      \body
        ret
2:      movq    $1b, form(%rip)
        PUTS    "\name\n"
        call    try_form
        .endm

main64: call    second_space
        call    forms
        call    remaps
        call    regions
        ret

# RBX = RSI = RDI: the address; R8: the same, as base of the strings' other operand a scratch page of the user's
forms:  FORM    "load", "mov 0x10(%rbx), %rax"
        FORM    "store", "mov 0x10(%rbx), %rax; mov %rax, 0x10(%rbx)"
        FORM    "index", "mov 0x10(%rbx, %rcx, 8), %rax"
        FORM    "far", "lea -0x70000000(%rbx), %rdx; mov 0x70000010(%rdx), %rax"
        FORM    "add", "lock addq $0, (%rbx)"
        FORM    "bt", "bt %rcx, (%rbx)"
        FORM    "push", "push (%rbx); pop %rax"
        FORM    "pop", "push (%rbx); pop (%rbx)"
        FORM    "stack", "mov %rsp, %rdx; mov %rbx, %rsp; mov 8(%rsp), %rax; mov %rdx, %rsp"
        FORM    "movs from", "mov %r8, %rdi; movsq"
        FORM    "movs to", "mov %rdi, %rsi; movsq"
        FORM    "lods", "rep lodsb"
        FORM    "stos", "mov (%rdi), %rax; stosq"
        FORM    "xlat", "xor %eax, %eax; xlat"
        FORM    "leave", "push %rbp; mov %rsp, %rdx; mov %rbx, %rbp; mov (%rbx), %rax; leave; mov %rdx, %rsp; pop %rbp"
        FORM    "sse", "movups (%rbx), %xmm0"
        FORM    "gather", "mov %rbx, %r9; xor %r10d, %r10d; movq %r10, %xmm2; vpcmpeqd %xmm1, %xmm1, %xmm1; vpgatherqq %xmm1, (%r9, %xmm2, 1), %xmm0"
        FORM    "masked", "vpcmpeqd %xmm1, %xmm1, %xmm1; vmaskmovps (%rbx), %xmm1, %xmm0"
        FORM    "two accesses, one base", "mov (%rbx), %rax; mov 8(%rbx), %rax; mov -8(%rbx), %rax"
        ret

try_form:
        .irp    at, KERNEL+0x20, KERNEL_HIGH+0x20, USER+0x20, READONLY+0x20
        movabs  $\at, %rax
        mov     %rax, where(%rip)
        PUTS    "  \at\n"
        call    supervisor
        call    user
        call    switch
        call    user
        call    supervisor
        call    user
        call    switch
        call    supervisor
        call    user
        .endr
        ret

registers:
        mov     where(%rip), %rbx
        mov     %rbx, %rsi
        mov     %rbx, %rdi
        movabs  $EDGE+0x100, %r8
        mov     $2, %ecx
        ret

# Many times; of runs that end alike only one is shown, and not where in the form.
supervisor:
        movl    $TIMES, count(%rip)
1:      RUN     "call registers; call *form(%rip)"
        call    tell
        decl    count(%rip)
        jnz     1b
        ret
user:   movl    $TIMES, count(%rip)
1:      RUN_USER "call registers; call *form(%rip)"
        call    tell
        decl    count(%rip)
        jnz     1b
        ret

tell:   mov     trap_vector(%rip), %eax
        cmpl    $TIMES, count(%rip)
        je      1f
        cmp     %eax, last(%rip)
        jne     1f
        ret
1:      mov     %eax, last(%rip)
        mov     form(%rip), %rax
        mov     %rax, trap_base(%rip)
        PUTS    "    "
        call    trap_show
        ret

second_space:
        mov     $pml4, %esi
        mov     $pml4_b, %edi
        mov     $512, %ecx
        rep movsq
        ret
switch: mov     %cr3, %rax
        xor     $pml4, %rax
        xor     $pml4_b, %rax
        mov     %rax, %cr3
        ret

# The page behind WINDOW changes; a loop of one block reads it.
remaps: MAP     WINDOW, page_a+7
        call    look
        MAP     WINDOW, page_b+7
        call    look
        MAP     WINDOW, page_g+3
        call    look
        MAP     WINDOW, 0
        call    look
        MAP     WINDOW, page_c+5
        call    look
        call    switch
        call    look
        MAP     WINDOW, page_d+7
        call    look
        ret

look:   movabs  $WINDOW, %rbx
        mov     $TIMES, %r12d
1:      TRY     "cpl 0", "mov (%rbx), %rax; mov 8(%rbx), %rdx; mov %rax, seen(%rip)"
        dec     %r12d
        jnz     1b
        SHOW    "  =", seen(%rip)
        mov     $TIMES, %r12d
2:      TRY_USER "cpl 3", "mov (%rbx), %rax; add %rax, 8(%rbx); mov %rax, seen(%rip)"
        dec     %r12d
        jnz     2b
        SHOW    "  =", seen(%rip)
        movq    $0, seen(%rip)
        call    refill
        ret

# More regions than a small pool of views would hold; each must show its own page and no other, for both, after each switch.
regions:
        movabs  $OTHER, %r13
        xor     %r14d, %r14d
1:      mov     %r13, %rdi
        mov     %r14, %rax
        xor     %edx, %edx
        mov     $7, %ecx
        div     %rcx
        shl     $12, %edx
        lea     page_a+7(%rdx), %rsi
        call    map_page
        movabs  $0x100000000, %rax
        add     %rax, %r13
        inc     %r14d
        cmp     $24, %r14d
        jb      1b
        call    sum_regions
        call    switch
        call    sum_regions
        call    switch
        call    sum_regions
        # all gone with one entry of the PML4
        movabs  $OTHER, %rax
        shr     $39, %rax
        and     $511, %eax
        movq    $0, pml4(, %rax, 8)
        movq    $0, pml4_b(, %rax, 8)
        movabs  $OTHER, %rbx
        call    switch
        TRY     "gone", "mov (%rbx), %rax"
        TRY_USER "gone", "mov (%rbx), %rax"
        ret

sum_regions:
        movq    $0, seen(%rip)
        movq    $0, seen_user(%rip)
        TRY     "sum of regions", "movabs $OTHER, %rbx; mov $24, %ecx; 8: mov (%rbx), %rax; rolq $5, seen(%rip); add %rax, seen(%rip); movabs $0x100000000, %rax; add %rax, %rbx; dec %ecx; jnz 8b"
        SHOW    "  =", seen(%rip)
        TRY_USER "by the user", "movabs $OTHER, %rbx; mov $24, %ecx; 8: mov (%rbx), %rax; rolq $5, seen_user(%rip); add %rax, seen_user(%rip); movabs $0x100000000, %rax; add %rax, %rbx; dec %ecx; jnz 8b"
        SHOW    "  =", seen_user(%rip)
        ret

        .bss
        .balign 4096
pml4_b: .skip   4096
form:   .skip   8
where:  .skip   8
count:  .skip   8
last:   .skip   8
seen_user:
        .skip   8
