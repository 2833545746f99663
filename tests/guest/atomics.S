# atomics.S - locked instructions at every alignment: in a line, over two lines, over two pages that are not neighbours in
# memory; when one of the pages refuses, nothing has been written and the operation happens once after all (SDM 3A 8.1).
# TCG 7.2 reads such an operand first, so its error codes lack W: only where nothing refuses would it agree.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    EDGE, TEST + 0x1000     # pages 0 and 1: page_a and page_c

main:   INIT_TRAPS
        call    start_paging
        CR_SET  cr0, CR0_WP
        call    open_both
        call    values
        call    many
        call    refused
        call    users
        call    demand_paged
        call    table_entries
        ret

open_both:
        SET_PTE 0, page_a + PTE_P + PTE_W + PTE_U
        SET_PTE 1, page_c + PTE_P + PTE_W + PTE_U
        ret
fill:   movl    $0x01010101, EDGE - 8
        movl    $0x02020202, EDGE - 4
        movl    $0x03030303, EDGE
        movl    $0x04040404, EDGE + 4
        ret
show:   SHOW    "  memory", "page_a + 0xFF8"
        SHOW    "        ", "page_a + 0xFFC"
        SHOW    "        ", page_c
        SHOW    "        ", "page_c + 4"
        ret

# OP "name", "instruction" on EDGE - 2, with EAX, EBX, ECX, EDX known before and flags after.
        .macro  OP name, body
        call    fill
        mov     $0x11111111, %ebx
        mov     $0x12345678, %ecx
        mov     $0x03030202, %eax       # what is there
        mov     $0x04040303, %edx
        xor     %esi, %esi
        \body
        pushf
        pop     %esi
        and     $0x8D5, %esi
        PUTS    "\name\n"
        SHOW    "  eax", "%eax"
        SHOW    "  ecx", "%ecx"
        SHOWN   "  flags", 3, "%esi"
        call    show
        .endm

values: OP      "add", "lock addl %ebx, EDGE - 2"
        OP      "adc", "stc; lock adcl %ebx, EDGE - 1"
        OP      "sub", "lock subl %ecx, EDGE - 3"
        OP      "sbb", "stc; lock sbbl %ecx, EDGE - 2"
        OP      "and", "lock andl %ecx, EDGE - 2"
        OP      "or imm", "lock orl $0xF0F0F0F0, EDGE - 2"
        OP      "xor word", "lock xorw %cx, EDGE - 1"
        OP      "inc", "lock incl EDGE - 3"
        OP      "dec word", "lock decw EDGE - 1"
        OP      "not", "lock notl EDGE - 2"
        OP      "neg", "lock negl EDGE - 2"
        OP      "xadd", "lock xaddl %ecx, EDGE - 2"
        OP      "xchg", "xchgl %ecx, EDGE - 2"
        OP      "xchg word", "xchgw %cx, EDGE - 1"
        OP      "cmpxchg, equal", "lock cmpxchgl %ecx, EDGE - 2"
        OP      "cmpxchg, different", "inc %eax; lock cmpxchgl %ecx, EDGE - 2"
        OP      "bts", "lock btsl $31, EDGE - 2"
        OP      "btr", "lock btrl $1, EDGE - 2"
        OP      "btc, register offset", "mov $0x8000 * 4 + 13, %edx; lock btcl %edx, EDGE - 2 - 0x4000"
        OP      "cmpxchg8b, equal", "mov $0x02020101, %eax; mov $0x03030202, %edx; lock cmpxchg8b EDGE - 6"
        OP      "cmpxchg8b, different", "lock cmpxchg8b EDGE - 6"
        ret

# In a loop, at each offset around the edge and around a line: every one counts.
many:   mov     $EDGE - 80, %esi
1:      movl    $0, (%esi)
        mov     $50, %ecx
        xor     %edx, %edx
2:      lock incl (%esi)
        mov     $3, %eax
        lock xaddl %eax, (%esi)
        add     %eax, %edx
3:      mov     (%esi), %eax
        lea     5(%eax), %ebx
        lock cmpxchgl %ebx, (%esi)
        jnz     3b
        mov     %ebx, %eax
        xchgl   %eax, (%esi)
        add     %eax, %edx
        loop    2b
        cmpl    $50 * 9, (%esi)
        je      4f
        PUTS    "FAIL at "
        PUTHEX  %esi
        PUTS    "\n"
        incl    failures
4:      add     %edx, sum
        inc     %esi
        cmp     $EDGE + 8, %esi
        jbe     1b
        SHOW    "sum of what was seen", sum
        ret

# REFUSE "name", "instruction": as a TRY; nothing has changed.
        .macro  REFUSE name, body
        mov     $0x12345678, %ecx
        TRY     "\name", "\body"
        cmpl    $0x12345678, trap_ecx
        je      8f
        PUTS    "FAIL: a register has changed\n"
8:      call    unchanged
        .endm
unchanged:
        cmpl    $0x02020202, page_a + 0xFFC
        jne     1f
        cmpl    $0x03030303, page_c
        je      2f
1:      PUTS    "FAIL: memory has changed\n"
        incl    failures
        movl    $0x02020202, page_a + 0xFFC
        movl    $0x03030303, page_c
2:      ret
        .macro  ALL_REFUSED what
        REFUSE  "\what add", "lock addl %ebx, EDGE - 2"
        REFUSE  "\what xadd", "lock xaddl %ecx, EDGE - 1"
        REFUSE  "\what xchg", "xchgl %ecx, EDGE - 3"
        REFUSE  "\what cmpxchg, different", "lock cmpxchgl %ecx, EDGE - 2"
        REFUSE  "\what bts", "lock btsl $1, EDGE - 2"
        REFUSE  "\what inc word", "lock incw EDGE - 1"
        REFUSE  "\what cmpxchg8b, different", "lock cmpxchg8b EDGE - 4"
        .endm
refused:
        call    fill
        SET_PTE 1, 0
        ALL_REFUSED "second missing,"
        SET_PTE 1, page_c + PTE_P
        ALL_REFUSED "second read-only,"
        SHOW_PTE "  pte of the second", 1
        call    open_both
        SET_PTE 0, 0
        ALL_REFUSED "first missing,"
        SHOW_PTE "  pte of the second", 1
        SET_PTE 0, page_a + PTE_P
        ALL_REFUSED "first read-only,"
        SET_PTE 1, 0
        ALL_REFUSED "first read-only, second missing,"
        call    open_both
        ret

# The same for CPL 3 and a supervisor's page.
users:  call    fill
        SET_PTE 1, page_c + PTE_P + PTE_W
        TRY_USER "user, second a supervisor's", "lock addl $1, EDGE - 2"
        call    unchanged
        TRY_USER "user, second a supervisor's, xchg", "xchg %eax, EDGE - 1"
        call    unchanged
        call    open_both
        SET_PTE 0, page_a + PTE_P + PTE_W
        TRY_USER "user, first a supervisor's", "lock addl $1, EDGE - 2"
        call    unchanged
        call    open_both
        TRY_USER "user, both open", "mov $100, %ecx; 1: lock addl $1, EDGE - 2; loop 1b"
        call    show
        ret

# The handler gives the page and the instruction starts over: done once.
demand_paged:
        SET_GATE 14, demand
        call    fill
        movl    $0, demands
        mov     $200, %esi
1:      test    $1, %esi
        jz      2f
        SET_PTE 0, page_a + PTE_P
        jmp     3f
2:      SET_PTE 1, 0
3:      mov     $1, %eax
        lock xaddl %eax, EDGE - 2
        lock incl EDGE - 2
        dec     %esi
        jnz     1b
        SHOW    "demands", demands
        call    show
        SET_GATE 14, trap_stub_0e
        ret
demand: incl    demands
        movl    $page_a + PTE_P + PTE_W + PTE_U, test_pt
        movl    $page_c + PTE_P + PTE_W + PTE_U, test_pt + 4
        invlpg  EDGE - 1
        invlpg  EDGE
        add     $4, %esp
        iret

# Locked instructions on page table entries in use, as kernels do it.
table_entries:
        movl    $0x0A0A0A0A, page_a
        movl    $0x0C0C0C0C, page_c
        mov     EDGE, %eax
        mov     $page_a + PTE_P + PTE_W, %eax
        xchg    %eax, test_pt + 4
        invlpg  EDGE
        mov     EDGE, %eax
        SHOW    "entry exchanged", "%eax"
        movl    $0, EDGE + 0x10         # dirty now
        lock btrl $6, test_pt + 4       # test and clear dirty
        setc    %al
        movzx   %al, %eax
        SHOWN   "was dirty", 1, "%eax"
        lock btrl $6, test_pt + 4
        setc    %al
        movzx   %al, %eax
        SHOWN   "is", 1, "%eax"
        mov     test_pt + 4, %eax
        mov     %eax, %ecx
        and     $~PTE_W, %ecx
        lock cmpxchgl %ecx, test_pt + 4
        invlpg  EDGE
        TRY     "write-protected by cmpxchg", "movl $0, EDGE"
        lock orl $PTE_W, test_pt + 4
        invlpg  EDGE
        TRY     "writable by or", "movl $0, EDGE + 0x10"
        mov     test_pt, %eax
        mov     test_pt + 4, %edx
        mov     %eax, %ebx
        xor     %ecx, %ecx
        lock cmpxchg8b test_pt
        invlpg  EDGE
        TRY     "gone by cmpxchg8b", "mov EDGE, %eax"
        lock orl $(page_c + PTE_P + PTE_W), test_pt + 4
        invlpg  EDGE
        mov     EDGE, %eax
        SHOW    "back by or", "%eax"
        ret

        .bss
        .balign 4
sum:    .skip   4
demands:
        .skip   4
        .text
