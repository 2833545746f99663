# smc.S - self-modifying code: the next instruction, the same one, the same block, another page, an alias, over a page
# boundary, a code page replaced; with every kind of store (SDM 3A 11.6: a processor sees its own stores
# in its instruction stream).
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

main:   INIT_TRAPS
        call    ahead
        call    loops
        call    stores
        call    strings
        call    branches
        call    boundary
        call    on_stack
        call    poke
        call    user_writes
        call    start_paging
        call    aliases
        call    remapped
        call    remapped_boundary
        ret

# Within one straight run of instructions.
ahead:  movl    $0x11111111, 1f + 1
1:      mov     $0, %eax
        SHOW    "next instruction", "%eax"
        movl    $0x22222222, 1f + 1
        nop
        xor     %eax, %eax
        add     %eax, %eax
1:      mov     $0, %eax
        SHOW    "a few further", "%eax"
        # the store's own immediate: the old one is what is stored, the new one is there the next time
        mov     $2, %ecx
1:      movl    $0x33333333, own
        .set    own, . - 4
        mov     own, %eax
        SHOW    "own immediate", "%eax"
        addl    $0x11111111, own
        loop    1b
        # opcode, not operand: inc %eax (40) becomes dec %eax (48)
        mov     $100, %eax
        movb    $0x48, 1f
1:      inc     %eax
        SHOW    "opcode", "%eax"
        # a block that has already run, changed behind the point where it is
        mov     $3, %ebx
1:      mov     $5, %eax
        SHOW    "changed behind", "%eax"
        incl    1b + 1
        dec     %ebx
        jnz     1b
        ret

loops:  xor     %edx, %edx
        mov     $100000, %ecx
        movl    $0, 2f + 2
1:      incl    2f + 2
2:      add     $0x01010101, %edx
        loop    1b
        SHOW    "loop, imm32", "%edx"
        # the counter lies between code and code
        movl    $0, mixed_counter
        mov     $20000, %ecx
1:      call    mixed
        loop    1b
        SHOW    "mixed", mixed_counter
        # the loop's own branch is rewritten each time: jnz, jmp
        mov     $1000, %ecx
        xor     %edx, %edx
1:      inc     %edx
        xorb    $(0x75 ^ 0xEB), 2f
        dec     %ecx
2:      jnz     1b
        SHOW    "jnz, jmp", "%edx"
        SHOW    "left with", "%ecx"
        # two callees take turns in one place
        xor     %edx, %edx
        mov     $10000, %ecx
1:      mov     %ecx, place + 1
        call    place
        add     %eax, %edx
        xorb    $8, place + 6           # inc, dec
        loop    1b
        SHOW    "one place", "%edx"
        ret

mixed:  incl    mixed_counter
        jmp     1f
mixed_counter:
        .long   0
1:      addl    $0, mixed_counter
        ret

place:  mov     $0, %eax
        nop
        inc     %eax
        ret

        .macro  PATCH text, body
        movl    $0x40C03190, patch_target       # nop; xor %eax, %eax; inc %eax
        call    patch_target
        mov     $0xC3C0FF90, %eax
        \body
        call    patch_target
        SHOW    "\text", "%eax"
        .endm

# patch_target returns 1 before the store and -1 after it, unless told otherwise.
stores: PATCH   "mov word", "movw $0xC0FF, patch_target + 1; movb $0x90, patch_target + 3"
        PATCH   "push", "mov %esp, %ebp; mov $patch_target + 4, %esp; push $0x48C03190; mov %ebp, %esp"
        PATCH   "xchg", "mov $0x48C03190, %ecx; xchg %ecx, patch_target"
        PATCH   "lock cmpxchg", "mov $0x40C03190, %eax; mov $0x48C03190, %ecx; lock cmpxchg %ecx, patch_target"
        PATCH   "xor", "xorl $0x08000000, patch_target"
        PATCH   "bts", "btsl $27, patch_target"
        PATCH   "cmpxchg8b", "mov patch_target, %eax; mov patch_target + 4, %edx; mov $0x48C03190, %ebx; mov %edx, %ecx; cmpxchg8b patch_target"
        PATCH   "fistp", "movl $0x48C03190, scratch; fildl scratch; fistpl patch_target"
        PATCH   "sgdt and back", "sgdt patch_target + 8; movl $0x48C03190, patch_target"
        PATCH   "pusha", "mov %esp, %ebp; mov $0x48C03190, %edi; mov $patch_target + 32, %esp; mov %ebp, scratch; mov $0xC3C3C3C3, %esi; pusha; mov scratch, %esp"
        PATCH   "pop", "push $0x48C03190; popl patch_target"
        PATCH   "sete", "cmp %eax, %eax; sete patch_target + 3; addb $0x47, patch_target + 3"
        movl    $0xC3C3C3C3, patch_target + 4
        ret

        .balign 32
patch_target:
        nop
        xor     %eax, %eax
        inc     %eax
        ret
        .fill   64, 1, 0xC3

strings:
        mov     $code_one, %esi
        mov     $string_target, %edi
        mov     $code_length, %ecx
        rep     movsb
        call    string_target
        SHOW    "rep movsb", "%eax"
        mov     $code_two, %esi
        mov     $string_target, %edi
        mov     $code_length / 4, %ecx
        rep     movsl
        call    string_target
        SHOW    "rep movsl", "%eax"
        # over the instruction behind it
        mov     $1f, %edi
        mov     $0x40, %al              # inc %eax
        mov     $4, %ecx
        rep     stosb
1:      .fill   4, 1, 0x48              # dec %eax
        movzx   %al, %eax
        SHOW    "rep stosb over what follows", "%eax"
        # backwards, from above it
        std
        mov     $1f + 3, %edi
        mov     $0x48, %eax
        mov     $4, %ecx
        rep     stosb
        cld
1:      .fill   4, 1, 0x40
        SHOW    "rep stosb backwards", "%eax"
        # single ones
        mov     $1f, %edi
        mov     $0x40, %eax
        stosb
        stosb
1:      .fill   2, 1, 0x48
        SHOW    "stosb", "%eax"
        ret

        .balign 4
code_one:
        mov     $0x11111111, %eax
        ret
        .balign 4
        .set    code_length, . - code_one
code_two:
        mov     $0x22222222, %eax
        ret
        .balign 4
string_target:
        .fill   16, 1, 0xCC

# Targets of branches that have been taken before.
branches:
        xor     %edx, %edx
        mov     $2000, %ecx
        movl    $(branch_a - 2f), 1f + 1
1:      .byte   0xE9                    # jmp rel32
        .long   branch_a - 2f
2:      nop
branch_a:
        add     $1, %edx
        movl    $(branch_b - 2b), 1b + 1
        jmp     3f
branch_b:
        add     $0x10000, %edx
        movl    $(branch_a - 2b), 1b + 1
3:      dec     %ecx
        jnz     1b
        SHOW    "jmp", "%edx"
        xor     %edx, %edx
        mov     $2000, %ecx
        movl    $call_b - 2f, scratch
1:      call    call_a
2:      mov     scratch, %eax
        xchg    %eax, 2b - 4
        mov     %eax, scratch
        dec     %ecx
        jnz     1b
        SHOW    "call", "%edx"
        # a jump table, and a return address, in a page of code
        xor     %edx, %edx
        mov     $2000, %ecx
1:      call    *call_pointer
        mov     $call_a + call_b_less_a, %eax
        cmp     %eax, call_pointer
        jne     2f
        mov     $call_a, %eax
2:      mov     %eax, call_pointer
        dec     %ecx
        jnz     1b
        SHOW    "indirect call", "%edx"
        ret
call_a: add     $1, %edx
        ret
call_b: add     $0x10000, %edx
        ret
        .set    call_b_less_a, call_b - call_a
        .balign 4
call_pointer:
        .long   call_a

# mov $imm32, %eax; ret with the page boundary inside the immediate; then inside the opcode of a two-byte one.
boundary:
        movb    $0xB8, edge - 3
        movl    $0x11111111, edge - 2
        movb    $0xC3, edge + 2
        call    edge - 3
        SHOW    "edge", "%eax"
        movw    $0x2222, edge - 2
        call    edge - 3
        SHOW    "edge, first page", "%eax"
        movw    $0x3333, edge
        call    edge - 3
        SHOW    "edge, second page", "%eax"
        movl    $0x44444444, edge - 2
        call    edge - 3
        SHOW    "edge, both", "%eax"
        movl    $0x40, edge + 8         # data next to it
        call    edge - 3
        SHOW    "edge, neither", "%eax"
        mov     $10000, %ecx
        xor     %edx, %edx
1:      mov     %cx, edge - 2
        rol     $8, %ecx
        mov     %cl, edge
        ror     $8, %ecx
        call    edge - 3
        add     %eax, %edx
        loop    1b
        SHOW    "edge, many times", "%edx"
        # 0F | AF C1: imul %ecx, %eax; AF becomes B7: movzx %cx, %eax
        movb    $0x0F, edge - 1
        movw    $0xC1AF, edge
        movb    $0xC3, edge + 2
        mov     $3, %ecx
        mov     $7, %eax
        call    edge - 1
        SHOW    "opcode over the edge", "%eax"
        movb    $0xB7, edge
        call    edge - 1
        SHOW    "its second byte changed", "%eax"
        # the patching instruction lies on one page, the patched right behind on the next
        movl    $0x000005C6, edge - 7   # movb $0x40, edge
        movl    $edge, edge - 5
        movb    $0x40, edge - 1
        movl    $0xC3909048, edge       # dec %eax; nop; nop; ret
        mov     $0x10, %eax
        call    edge - 7
        SHOW    "patched over the edge", "%eax"
        ret

on_stack:
        mov     $3, %ecx
        xor     %edx, %edx
1:      push    $0xC3C3C340             # inc %eax; ret
        mov     %ecx, %eax
        call    *%esp
        add     %eax, %edx
        movb    $0x48, (%esp)
        call    *%esp
        add     %eax, %edx
        add     $4, %esp
        loop    1b
        SHOW    "code on the stack", "%edx"
        ret

# A breakpoint put into code and taken out again, as a kernel does.
poke:   mov     $100, %ecx
        xor     %edx, %edx
1:      movb    $0xCC, poked
        TRY     "poked", "call poked"
        movb    $0x90, poked
        call    poked
        sub     $49, %ecx
        ja      1b
        SHOW    "calls that went through", "%edx"
        ret
poked:  nop
        inc     %edx
        ret

user_writes:
        .rept   2
        TRY_USER "user patches", "addl $0x01010101, user_patched + 1"
        call    user_patched
        SHOW    "kernel runs it", "%eax"
        .endr
        ret
user_patched:
        mov     $0x10, %eax
        ret

        .macro  RUN text, at
        mov     $\at, %ecx
        call    *%ecx
        SHOW    "\text", "%eax"
        .endm

# page_a at TEST and TEST + 1000h and at its own address.
aliases:
        SET_PTE 0, page_a + PTE_P + PTE_W
        SET_PTE 1, page_a + PTE_P + PTE_W
        movb    $0xB8, page_a
        movl    $0x11111111, page_a + 1
        movb    $0xC3, page_a + 5
        RUN     "at TEST", TEST
        RUN     "at TEST + 1000h", TEST + 0x1000
        RUN     "at page_a", page_a
        movl    $0x22222222, TEST + 0x1001
        RUN     "alias written, TEST", TEST
        RUN     "alias written, page_a", page_a
        RUN     "alias written, itself", TEST + 0x1000
        movl    $0x33333333, page_a + 1
        RUN     "page_a written, TEST", TEST
        # a routine patches itself through the alias: mov %ecx, alias of its own immediate
        movl    $0x90900D89, page_a + 0x20      # mov %ecx, TEST + 0x1000 + 0x27
        movl    $TEST + 0x1027, page_a + 0x22
        movb    $0xB8, page_a + 0x26
        movl    $0, page_a + 0x27
        movb    $0xC3, page_a + 0x2B
        xor     %edx, %edx
        mov     $5000, %ecx
        mov     $TEST + 0x20, %ebx
1:      call    *%ebx
        add     %eax, %edx
        loop    1b
        SHOW    "through its alias", "%edx"
        # a table is code: page_d is executed and holds data that changes
        ret

# Another page behind the address of code that has run.
remapped:
        movb    $0xB8, page_a
        movl    $1, page_a + 1
        movb    $0xC3, page_a + 5
        movb    $0xB8, page_b
        movl    $0x10000, page_b + 1
        movb    $0xC3, page_b + 5
        SET_PTE 2, page_a + PTE_P + PTE_W
        mov     $TEST + 0x2000, %ebx
        xor     %edx, %edx
        mov     $5000, %ecx
1:      call    *%ebx
        add     %eax, %edx
        mov     $page_a + PTE_P + PTE_W, %eax
        test    $1, %cl
        jz      2f
        mov     $page_b + PTE_P + PTE_W, %eax
2:      mov     %eax, test_pt + 4 * 2
        invlpg  (%ebx)
        loop    1b
        SHOW    "remapped", "%edx"
        # with a direct call, and MOV CR3 in place of INVLPG
        xor     %edx, %edx
        mov     $2000, %ecx
1:      call    TEST + 0x2000
        add     %eax, %edx
        mov     $page_a + PTE_P + PTE_W, %eax
        test    $2, %cl
        jz      2f
        mov     $page_b + PTE_P + PTE_W, %eax
2:      mov     %eax, test_pt + 4 * 2
        mov     %cr3, %eax
        mov     %eax, %cr3
        loop    1b
        SHOW    "remapped, mov cr3", "%edx"
        # the code remaps itself: what follows INVLPG comes from the other page
        mov     $page_a + 0x100, %edi
        mov     $remap_self, %esi
        mov     $remap_self_length, %ecx
        rep     movsb
        mov     $page_b + 0x100, %edi
        mov     $remap_self, %esi
        mov     $remap_self_length, %ecx
        rep     movsb
        movl    $0xBBBBBBBB, page_b + 0x100 + remap_self_length - 5
        SET_PTE 2, page_a + PTE_P + PTE_W
        mov     $page_b + PTE_P + PTE_W, %edx
        RUN     "remaps itself", TEST + 0x2100
        mov     $page_a + PTE_P + PTE_W, %edx
        RUN     "and back", TEST + 0x2100
        # not present: the fetch faults, and goes on when it is back
        SET_PTE 2, 0
        TRY     "no code there", "mov $TEST + 0x2000, %ecx; call *%ecx"
        SET_PTE 2, page_a + PTE_P + PTE_W
        RUN     "back", TEST + 0x2000
        ret

remap_self:
        mov     %edx, test_pt + 4 * 2
        invlpg  TEST + 0x2000
        mov     $0xAAAAAAAA, %eax
        ret
        .set    remap_self_length, . - remap_self

# mov $imm32, %eax; ret over two pages of the window: either is replaced.
remapped_boundary:
        movb    $0xB8, page_a + 0xFFD
        movw    $0x1111, page_a + 0xFFE
        movb    $0xB8, page_b + 0xFFD
        movw    $0x2222, page_b + 0xFFE
        movw    $0x3333, page_c
        movb    $0xC3, page_c + 2
        movw    $0x4444, page_d
        movb    $0xC3, page_d + 2
        SET_PTE 3, page_a + PTE_P + PTE_W
        SET_PTE 4, page_c + PTE_P + PTE_W
        RUN     "a c", TEST + 0x3FFD
        SET_PTE 4, page_d + PTE_P + PTE_W
        RUN     "a d", TEST + 0x3FFD
        SET_PTE 3, page_b + PTE_P + PTE_W
        RUN     "b d", TEST + 0x3FFD
        movw    $0x5555, page_d
        RUN     "b d written", TEST + 0x3FFD
        SET_PTE 4, 0
        TRY     "second page gone", "mov $TEST + 0x3FFD, %ecx; call *%ecx"
        SET_PTE 4, page_c + PTE_P + PTE_W
        RUN     "b c", TEST + 0x3FFD
        mov     $2000, %ecx
        xor     %edx, %edx
        mov     $TEST + 0x3FFD, %ebx
1:      call    *%ebx
        rol     $3, %edx
        add     %eax, %edx
        mov     $page_c + PTE_P + PTE_W, %eax
        test    $1, %cl
        jz      2f
        mov     $page_d + PTE_P + PTE_W, %eax
2:      mov     %eax, test_pt + 4 * 4
        invlpg  TEST + 0x4000
        loop    1b
        SHOW    "many times", "%edx"
        ret

        .bss
        .balign 4096
        .skip   4096
edge:   .skip   4096
scratch:
        .skip   64
        .text
