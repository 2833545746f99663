# user.S - supervisor pages from CPL 3, in every form of access, by code that CPL 0 has run before on the same page: the
# translator may have adapted those sites to the kernel's views. Two address spaces, so that views are split.
# engines: bt interp           (the reference reports read for the page fault of a read-modify-write)
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    KERNEL, TEST            # page 0 of the window: U/S = 0
        .set    USER, TEST + 0x1000     # page 1: U/S = 1
        .set    READONLY, TEST + 0x2000 # page 2: user, read only
        .set    TIMES, 12

# FORM "name", instructions: EBX = ESI = EDI = the page + 10h, ECX = 2, FS = DS.
        .macro  FORM name, body
        jmp     2f
1:      \body
        ret
2:      mov     $1b, %eax
        mov     %eax, form
        PUTS    "\name\n"
        call    try_form
        .endm

main:   INIT_TRAPS
        movl    $page_a + PTE_P + PTE_W, test_pt
        movl    $page_b + PTE_P + PTE_W + PTE_U, test_pt + 4
        movl    $page_c + PTE_P + PTE_U, test_pt + 8
        call    start_paging
        CR_SET  cr0, CR0_WP
        call    second_space
        FORM    "mov load", "mov (%ebx), %eax"
        FORM    "mov store", "mov %eax, (%ebx)"
        FORM    "byte", "mov 3(%ebx), %al"
        FORM    "add", "addl $0, (%ebx)"
        FORM    "cmp", "cmp %eax, -4(%ebx, %ecx, 2)"
        FORM    "cmpxchg", "mov (%ebx), %eax; lock cmpxchg %eax, (%ebx)"
        FORM    "xchg", "mov (%ebx), %eax; xchg %eax, (%ebx)"
        FORM    "push", "push (%ebx); pop %eax"
        FORM    "pop", "push (%ebx); pop (%ebx)"
        FORM    "bt", "bt %ecx, (%ebx)"
        FORM    "bt from the next page", "lea 0x1000(%ebx), %eax; neg %ecx; lea -0x7F00(%ecx), %ecx; bt %ecx, (%eax)"
        FORM    "bts", "mov (%ebx), %eax; bts %ecx, (%ebx); mov %eax, (%ebx)"
        FORM    "lods", "lodsl"
        FORM    "stos", "mov (%edi), %eax; stosl"
        FORM    "movs from", "mov $scratch, %edi; movsl"
        FORM    "movs to", "mov %edi, %esi; movsl"
        FORM    "rep movs", "mov $scratch, %edi; rep movsl"
        FORM    "rep movs over the edge", "lea 0xFE8(%esi), %esi; mov $16, %ecx; mov $scratch, %edi; rep movsb"
        FORM    "cmps", "mov $scratch, %esi; cmpsb"
        FORM    "scas", "scasl"
        FORM    "xlat", "xor %eax, %eax; xlat"
        FORM    "fs", "mov %fs:(%ebx), %eax"
        FORM    "bt fs", "bt %ecx, %fs:(%ebx)"
        FORM    "x87", "flds (%ebx); fstp %st(0)"
        FORM    "x87 store", "fldz; mov (%ebx), %eax; fstps (%ebx); mov %eax, (%ebx)"
        FORM    "fnstenv", "push (%ebx); fnstcw (%ebx); pop (%ebx)"
        FORM    "call through", "movl $3f, %eax; xchg %eax, (%ebx); call *(%ebx); mov %eax, (%ebx); jmp 4f; 3: ret; 4:"
        FORM    "jmp through", "push $4f; cmpl $0, (%ebx); jmp *3f; 3: .long 4f; 4: pop %eax"
        FORM    "stack", "xchg %ebx, %esp; pop %eax; push %eax; xchg %ebx, %esp"
        FORM    "leave", "push %ebp; mov %esp, %edx; mov %ebx, %ebp; mov (%ebp), %eax; mov %edx, (%ebp); leave; mov %edx, %esp; mov %eax, (%ebx); pop %ebp"
        FORM    "bound", "mov $0, %eax; push (%ebx); movl $0x7FFFFFFF, (%ebx); bound %eax, -4(%ebx); pop (%ebx)"
        FORM    "lar of a selector there", "lar (%ebx), %eax"
        FORM    "sidt", "push (%ebx); push 4(%ebx); sgdt (%ebx); pop 4(%ebx); pop (%ebx)"
        FORM    "a16", "addr16 mov 0x40, %eax; mov (%ebx), %eax"
        FORM    "straddle", "mov 0xFEE(%ebx), %eax"
        ret

# The same tables at another place: from now on spaces differ.
second_space:
        mov     $page_dir, %esi
        mov     $other_dir, %edi
        mov     $1024, %ecx
        rep movsl
        mov     $other_dir, %eax
        mov     %eax, %cr3
        mov     KERNEL, %edx
        mov     USER, %edx
        mov     $page_dir, %eax
        mov     %eax, %cr3
        ret

try_form:
        mov     $KERNEL + 0x10, %eax
        mov     $0, %edx
        call    supervisor
        mov     $USER + 0x10, %eax
        call    supervisor
        mov     $other_dir, %eax
        mov     %eax, %cr3
        mov     $USER + 0x10, %eax
        call    supervisor
        mov     $KERNEL + 0x10, %eax
        call    supervisor
        mov     $USER + 0x10, %eax
        call    user
        PUTS    "  own page"
        call    trap_show_here
        mov     $KERNEL + 0x10, %eax
        call    user
        PUTS    "  kernel's"
        call    trap_show_here
        mov     $READONLY + 0x10, %eax
        call    user
        PUTS    "  read only"
        call    trap_show_here
        mov     $page_dir, %eax
        mov     %eax, %cr3
        mov     $KERNEL + 0x10, %eax
        call    supervisor
        mov     $KERNEL + 0x10, %eax
        call    user
        PUTS    "  again"
        call    trap_show_here
        ret

set_registers:
        mov     %eax, %ebx
        mov     %eax, %esi
        mov     %eax, %edi
        mov     $2, %ecx
        mov     $SEL_USER_DATA, %eax
        mov     %eax, %fs
        ret

supervisor:
        mov     %eax, where
        movl    $TIMES, count
1:      mov     where, %eax
        call    set_registers
        call    *form
        decl    count
        jnz     1b
        ret

user:   call    set_registers
        call    trap_begin_user
        call    *form
        int     $VEC_USER_DONE
        ret

# EIP depends on the form's place: only the vector, error code and address are shown.
trap_show_here:
        cmpl    $-1, trap_vector
        je      1f
        SHOWN   "", 2, trap_vector
        cmpl    $14, trap_vector
        jne     2f
        SHOWN   "    error", 2, trap_error
        SHOW    "    at", trap_cr2
2:      ret
1:      PUTS    " -\n"
        ret

        .bss
        .balign 4096
other_dir:
        .skip   4096
scratch:
        .skip   64
form:   .skip   4
where:  .skip   4
count:  .skip   4
