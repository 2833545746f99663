# smap64.S - CR4.SMAP in 64-bit code: users' pages at CPL 0, with EFLAGS.AC and without, by turns at the same sites, in pieces with pages of
# both kinds, with AC changed in every way, through stale look-ups, RSP and segment bases (SDM 3A 4.6). At CPL 3 nothing changes.
# options: -cpu host,+smap
# engines: bt interp           (run.sh has no reference with long mode)
        .include "lib64.inc"

        .set    TIMES, 8
        .set    CR4_SMAP, 0x200000
        .set    EFLAGS_AC, 0x40000
        .set    MOVING, 0x500000000     # the user's now and the kernel's then
        .set    USER_CODE, 0x600000000

        .macro  FORM name, body
        jmp     2f
1:      \body
        ret
2:      movq    $1b, form(%rip)
        PUTS    "\name\n"
        call    try_form
        .endm

main64: movl    $0x83, pd               # the kernel's own pages are nobody else's now
        movl    $0x200083, pd + 8
        call    second_space
        MAP     USER_CODE, user_page+5
        call    flush
        mov     %cr4, %rax
        or      $CR4_SMAP, %eax
        mov     %rax, %cr4
        mov     $returns, %eax
        mov     $0x40 * 16, %ecx
        call    set_gate
        call    forms
        call    ways
        call    stacks
        call    bases
        call    moves
        call    users
        mov     %cr4, %rax
        and     $~CR4_SMAP, %eax
        mov     %rax, %cr4
        movabs  $USER+0x20, %rbx
        TRY     "off", "mov (%rbx), %rax"
        ret

returns:
        iretq
flush:  mov     %cr3, %rax
        mov     %rax, %cr3
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

# RBX = RSI = RDI: the address; R8: the kernel's, as base of the strings' other operand
forms:  FORM    "load", "mov 0x10(%rbx), %rax"
        FORM    "store", "mov %rax, 0x10(%rbx)"
        FORM    "index", "mov 0x10(%rbx, %rcx, 8), %rax"
        FORM    "far", "lea -0x70000000(%rbx), %rdx; mov 0x70000010(%rdx), %rax"
        FORM    "add", "lock addq $0, (%rbx)"
        FORM    "bt", "bt %rcx, (%rbx)"
        FORM    "push", "pushq (%rbx); pop %rax"
        FORM    "pop", "push %rax; popq (%rbx)"
        FORM    "movs from", "mov %r8, %rdi; movsq"
        FORM    "movs to", "mov %r8, %rsi; movsq"
        FORM    "rep movs to", "mov %r8, %rsi; mov $0x700, %ecx; rep movsb"
        FORM    "lods", "rep lodsb"
        FORM    "xlat", "xor %eax, %eax; xlat"
        FORM    "sse", "movups (%rbx), %xmm0"
        FORM    "xsave", "and $-64, %rbx; mov $7, %eax; xor %edx, %edx; xsave 0x40(%rbx)"
        FORM    "two accesses, one base", "mov (%rbx), %rax; mov 8(%rbx), %rax; mov -8(%rbx), %rax"
        FORM    "fetch, and what is behind it", "movb $0xC3, (%r8); call *%r8; mov (%rbx), %rax"
        ret

try_form:
        .irp    at, EDGE+0x20, USER+0x20, READONLY+0x20, KERNEL+0x20, TOP+0x20, KERNEL_HIGH+0x20
        movabs  $\at, %rax
        mov     %rax, where(%rip)
        PUTS    "  \at\n"
        call    shut
        call    open
        call    shut
        call    switch
        call    open
        call    shut
        call    switch
        .endr
        ret

registers:
        mov     where(%rip), %rbx
        mov     %rbx, %rsi
        mov     %rbx, %rdi
        movabs  $KERNEL_HIGH+0x100, %r8
        mov     $2, %ecx
        ret

# Many times; of runs that end alike only one is shown, and not where in the form.
shut:   movl    $TIMES, count(%rip)
1:      RUN     "call registers; call *form(%rip)"
        call    tell
        decl    count(%rip)
        jnz     1b
        ret
open:   movl    $TIMES, count(%rip)
1:      RUN     "call registers; stac; call *form(%rip)"
        clac
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

        .macro  REPEAT name, body
        mov     $TIMES, %r12d
3:      RUN     "movabs $EDGE+0x40, %rbx; \body"
        clac
        dec     %r12d
        jnz     3b
        PUTS    "\name: "
        call    trap_show
        .endm

# Every instruction that changes AC at CPL 0, in the middle of code that goes on.
ways:   REPEAT  "stac", "stac; mov (%rbx), %rax"
        REPEAT  "stac, clac", "stac; mov (%rbx), %rax; clac; mov (%rbx), %rax"
        REPEAT  "clac, stac", "clac; stac; mov (%rbx), %rax; mov %rax, 8(%rbx)"
        REPEAT  "popf sets", "pushq $EFLAGS_AC+2; popfq; mov (%rbx), %rax"
        REPEAT  "popf clears", "stac; mov (%rbx), %rax; pushq $2; popfq; mov (%rbx), %rax"
        REPEAT  "iret sets", "mov %rsp, %rcx; pushq $SEL_DATA; push %rcx; pushq $EFLAGS_AC+2; pushq $SEL_CODE; pushq $4f; iretq; 4: mov (%rbx), %rax"
        REPEAT  "iret clears", "stac; mov (%rbx), %rax; mov %rsp, %rcx; pushq $SEL_DATA; push %rcx; pushq $2; pushq $SEL_CODE; pushq $4f; iretq; 4: mov (%rbx), %rax"
        REPEAT  "a trap keeps it", "stac; int $0x40; mov (%rbx), %rax"
        ret

# RSP on a user's page.
stacks: REPEAT  "stack", "stac; lea 0x800(%rbx), %rsp; push %rax; call 4f; pop %rax; jmp 5f; 4: ret; 5:"
        REPEAT  "stack, then clac", "stac; lea 0x800(%rbx), %rsp; push %rax; clac; push %rax"
        REPEAT  "stack, then clac and stac", "stac; lea 0x800(%rbx), %rsp; clac; stac; push %rax"
        REPEAT  "ret with it", "stac; lea 0x800(%rbx), %rsp; movq $4f, (%rsp); clac; ret; 4:"
        ret

# FS and GS bases there.
bases:  SET_BASE MSR_GS_BASE, EDGE+0x100
        REPEAT  "gs", "mov %gs:8, %rax"
        REPEAT  "stac, gs", "stac; mov %gs:8, %rax"
        REPEAT  "stac, gs, clac, gs", "stac; mov %gs:8, %rax; clac; mov %gs:8, %rdx"
        REPEAT  "gs and an index", "xor %ecx, %ecx; stac; mov %gs:8(%rcx), %rax; clac; mov %gs:8(%rcx), %rdx"
        SET_BASE MSR_GS_BASE, 0
        ret

# A page that becomes the kernel's and the user's again, both tables of whose piece have been looked at.
moves:  MAP     MOVING, page_a+7
        call    look
        MAP     MOVING, page_g+3
        call    look
        MAP     MOVING, page_b+7
        call    look
        MAP     MOVING, page_b+5
        call    look
        MAP     MOVING, 0
        call    look
        ret
look:   REPEAT  "ac 0", "movabs $MOVING, %rbx; mov (%rbx), %rax; mov %rax, 8(%rbx)"
        REPEAT  "ac 1", "movabs $MOVING, %rbx; stac; mov (%rbx), %rax; mov %rax, 8(%rbx)"
        REPEAT  "ac 0", "movabs $MOVING, %rbx; mov (%rbx), %rax; mov %rax, 8(%rbx)"
        ret

        .macro  USER_READS name, flags=2
        RUN     "pushq $SEL_USER_DATA; pushq $user_stack; pushq $\flags; pushq $SEL_USER_CODE; movabs $USER_CODE, %rcx; push %rcx; iretq"
        PUTS    "\name: "
        call    trap_show
        SHOW    "  =", trap_rax(%rip)
        .endm
users:  movabs  $EDGE+0x40, %rbx
        movabs  $KERNEL+0x40, %rdx
        USER_READS "user"
        USER_READS "user with AC", EFLAGS_AC+2
        xchg    %rbx, %rdx
        USER_READS "user, the kernel's page"
        ret

        .data
        .balign 4096
user_page:
        mov     (%rbx), %rax
        int     $VEC_USER_DONE

        .bss
        .balign 4096
pml4_b: .skip   4096
form:   .skip   8
where:  .skip   8
count:  .skip   8
last:   .skip   8
