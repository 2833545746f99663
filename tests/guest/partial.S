# partial.S - instructions with several accesses that fault in the middle: what has been done, what not, registers as
# before (SDM 3A 6.6: faults are restartable); accesses over two pages of which one refuses.
# The expectation is the manual's: TCG writes the first half of what straddles, starts read-modify-write with a read, and
# checks some frames later. What PUSHA, ENTER or FXSAVE wrote before the fault is left open, so it is not looked at.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    EDGE, TEST + 0x1000     # page 0 is there, page 1 is not
        .set    LOW_EDGE, TEST + 0x3000 # page 2 is not, page 3 is

main:   INIT_TRAPS
        call    start_paging
        CR_SET  cr0, CR0_WP
        SET_PTE 0, page_a + PTE_P + PTE_W + PTE_U
        SET_PTE 1, 0
        SET_PTE 2, 0
        SET_PTE 3, page_b + PTE_P + PTE_W + PTE_U
        call    strings
        call    pushes
        call    pops
        call    wide
        call    locked
        call    far
        call    delivery
        call    fix_and_go_on
        ret

        .macro  FILL page, value
        pusha
        mov     $\page, %edi
        mov     $0x400, %ecx
        mov     $\value, %eax
        cld
        rep     stosl
        popa
        .endm
        .macro  SHOW_REL text, what, base
        mov     \what, %eax
        sub     $\base, %eax
        SHOW    "\text", "%eax"
        .endm
        .macro  STRING text, count, src, dst, body
        FILL    page_a, 0x01010101
        FILL    page_b, 0x02020202
        TRY     "\text", "mov $\count, %ecx; mov $\src, %esi; mov $\dst, %edi; \body; cld; ud2"
        cld
        SHOW_REL "  esi", trap_esi, "(\src)"
        SHOW_REL "  edi", trap_edi, "(\dst)"
        SHOW    "  ecx", trap_ecx
        .endm

strings:
        STRING  "rep movsl, destination ends", 8, page_c, EDGE-16, "rep movsl"
        STRING  "rep movsl, source ends", 8, EDGE-16, page_c, "rep movsl"
        STRING  "rep movsl, destination straddles", 8, page_c, EDGE-14, "rep movsl"
        SHOWN   "  last before the edge", 4, "page_a + 0xFFE"
        STRING  "rep movsb, destination ends", 100, page_c, EDGE-37, "rep movsb"
        STRING  "rep movsl, source straddles", 8, EDGE-14, page_c, "rep movsl"
        STRING  "rep movsw, backwards", 8, page_c+64, LOW_EDGE+6, "std; rep movsw"
        STRING  "rep movsl, backwards, straddles", 8, page_c+64, LOW_EDGE+6, "std; rep movsl"
        STRING  "rep stosl", 0x500, 0, EDGE-0x1000, "rep stosl"
        STRING  "rep stosw, odd", 16, 0, EDGE-7, "rep stosw"
        STRING  "rep lodsl", 8, EDGE-12, 0, "rep lodsl"
        STRING  "repe cmpsl", 8, page_a, EDGE-12, "repe cmpsl"
        STRING  "repne scasl", 8, 0, EDGE-12, "mov $5, %eax; repne scasl"
        STRING  "repe cmpsb ends before", 8, page_b, EDGE-3, "repe cmpsb"
        STRING  "movsl", 8, page_c, EDGE-2, "movsl"
        SHOWN   "  last before the edge", 4, "page_a + 0xFFE"
        STRING  "stosl", 8, 0, EDGE-1, "stosl"
        STRING  "insb", 8, 0, EDGE, "mov $0x80, %edx; insb"
        STRING  "rep outsl", 8, EDGE-8, 0, "mov $0x80, %edx; rep outsl"
        STRING  "overlap, forwards", 16, EDGE-24, EDGE-16, "rep movsb"
        SHOW    "  end", "page_a + 0xFFC"
        STRING  "addr16 rep movsl", 8, page_c, EDGE-16, "addr16 rep movsl"
        ret

# #PF on a stack that is not there must come through CPL 3 or a task gate: these run at CPL 3.
        .macro  USER_STACK text, at, body
        FILL    page_a, 0x01010101
        FILL    page_b, 0x02020202
        call    trap_begin_user
        mov     $0x11, %ebx
        mov     $0x22, %ebp
        mov     $0x33, %edx
        mov     $\at, %esp
        \body
        END_TRY_USER "\text"
        SHOW    "  esp", trap_user_esp
        SHOW    "  ebp", trap_ebp
        .endm

pushes: USER_STACK "push", TEST+0x3000, "push %eax"
        USER_STACK "push that straddles", LOW_EDGE+2, "push $-1"
        SHOWN   "  not written", 4, page_b
        USER_STACK "pusha", LOW_EDGE+16, "mov $0x44, %eax; pusha"
        USER_STACK "pushf", LOW_EDGE, "pushf"
        USER_STACK "call", LOW_EDGE, "call .; nop"
        USER_STACK "call indirect", LOW_EDGE+2, "mov $user_target, %eax; call *%eax"
        USER_STACK "call memory, target not readable", LOW_EDGE+64, "call *EDGE"
        USER_STACK "enter, level 0", LOW_EDGE, "enter $8, $0"
        USER_STACK "enter, frame not there", LOW_EDGE+8, "enter $0x40, $0"
        USER_STACK "enter, level 3", LOW_EDGE+8, "mov $TEST + 0x80, %ebp; enter $0, $3"
        USER_STACK "push mem, source missing", LOW_EDGE+64, "pushl EDGE"
        USER_STACK "push mem, both missing", LOW_EDGE, "pushl EDGE"
        USER_STACK "pushw", LOW_EDGE, "pushw $1"
        USER_STACK "push es", LOW_EDGE, "push %es"
        ret
user_target:
        ud2

pops:   USER_STACK "pop", EDGE, "pop %eax"
        USER_STACK "pop that straddles", EDGE-2, "pop %ebx"
        SHOW    "  ebx", trap_ebx
        USER_STACK "popa", EDGE-16, "popa"
        SHOW    "  edx", trap_edx
        USER_STACK "popf", EDGE-2, "popf"
        USER_STACK "ret", EDGE, "ret"
        USER_STACK "lret", EDGE-4, "lret"
        USER_STACK "iret", EDGE-8, "iret"
        USER_STACK "leave", LOW_EDGE+16, "mov $EDGE, %ebp; leave"
        USER_STACK "pop mem, destination missing", EDGE-4, "popl EDGE"
        USER_STACK "pop mem over esp", EDGE-4, "popl (%esp)"
        USER_STACK "pop es", EDGE-2, "pop %es"
        ret

        .macro  BOTH text, body
        FILL    page_a, 0x01010101
        FILL    page_b, 0x02020202
        TRY     "\text", "\body"
        .endm

# Over the edge: nothing of it is written.
wide:   CR_SET  cr4, 0x200
        BOTH    "movq", "movq %xmm0, EDGE-4"
        SHOW    "  before the edge", "page_a + 0xFFC"
        BOTH    "movups", "movups %xmm0, EDGE-8"
        SHOW    "  before the edge", "page_a + 0xFFC"
        BOTH    "movups load", "movups EDGE-8, %xmm0"
        BOTH    "movups, first missing", "movups %xmm0, LOW_EDGE-8"
        SHOW    "  behind the edge", page_b
        BOTH    "fstpt", "fninit; fld1; fstpt EDGE-4"
        SHOW    "  before the edge", "page_a + 0xFFC"
        BOTH    "fistpll", "fistpll EDGE-4"
        SHOW    "  before the edge", "page_a + 0xFFC"
        BOTH    "fnstenv", "fnstenv EDGE-12"
        SHOW    "  before the edge", "page_a + 0xFFC"
        BOTH    "fnsave", "fnsave EDGE-64"
        SHOW    "  before the edge", "page_a + 0xFFC"
        BOTH    "fxsave", "fxsave EDGE-256"
        BOTH    "fxrstor", "fxrstor EDGE-256"
        BOTH    "fldenv", "fldenv EDGE-12"
        BOTH    "sgdt", "sgdt EDGE-2"
        BOTH    "bound", "mov $0x7FFFFFFF, %eax; bound %eax, EDGE-4"
        BOTH    "les", "les EDGE-4, %eax"
        BOTH    "add", "addl $1, EDGE-2"
        SHOW    "  before the edge", "page_a + 0xFFC"
        BOTH    "bts", "mov $0x8000 * 4, %eax; bts %eax, EDGE-0x1000"
        SET_PTE 1, page_b + PTE_P
        BOTH    "read-only second page, movl", "movl $0, EDGE-2"
        SHOW    "  before the edge", "page_a + 0xFFC"
        BOTH    "read-only second page, movups", "movups %xmm0, EDGE-8"
        SHOW    "  before the edge", "page_a + 0xFFC"
        BOTH    "read-only second page, xchg", "xchg %eax, EDGE-1"
        SHOW    "  before the edge", "page_a + 0xFFC"
        BOTH    "read-only second page, read", "mov EDGE-1, %eax"
        SET_PTE 1, 0
        ret

# Locked and over two pages, which are not next to each other in memory.
locked: SET_PTE 1, page_c + PTE_P + PTE_W
        FILL    page_a, 0x01010101
        FILL    page_c, 0x03030303
        lock addl $0x11111111, EDGE-2
        SHOWN   "lock add, low", 4, "page_a + 0xFFE"
        SHOWN   "lock add, high", 4, page_c
        mov     $0x01010101, %eax
        mov     $0x03030303, %edx
        mov     $0xAAAAAAAA, %ebx
        mov     $0xBBBBBBBB, %ecx
        lock cmpxchg8b EDGE-4
        setz    %cl
        movzx   %cl, %ecx
        SHOW    "cmpxchg8b that differs", "%ecx"
        SHOW    "  eax", "%eax"
        SHOW    "  edx", "%edx"
        mov     $0xAAAAAAAA, %ebx
        mov     $0xBBBBBBBB, %ecx
        lock cmpxchg8b EDGE-4
        SHOW    "cmpxchg8b, low", "page_a + 0xFFC"
        SHOW    "cmpxchg8b, high", page_c
        mov     $0x12345678, %eax
        xchg    %eax, EDGE-3
        SHOW    "xchg, old", "%eax"
        SHOW    "xchg, low", "page_a + 0xFFC"
        SHOW    "xchg, high", page_c
        SET_PTE 1, page_c + PTE_P
        TRY     "cmpxchg8b, second read-only", "lock cmpxchg8b EDGE-4"
        TRY     "lock inc, second read-only", "lock incl EDGE-1"
        SET_PTE 1, 0
        TRY     "cmpxchg8b, second missing", "lock cmpxchg8b EDGE-4"
        TRY     "lock cmpxchg, second missing", "lock cmpxchg %eax, EDGE-1"
        SHOW    "  before the edge", "page_a + 0xFFC"
        ret

far:    FILL    page_a, 0x01010101
        movl    $user_target, page_a + 0xFFC
        TRY     "ljmp, pointer over the edge", "ljmp *EDGE-4"
        TRY     "lcall, pointer over the edge", "lcall *EDGE-4"
        USER_STACK "lcall, stack missing", LOW_EDGE+4, "lcall $SEL_USER_CODE, $user_target"
        SHOW    "  nothing pushed", page_b
        TRY     "lgdt over the edge", "lgdt EDGE-4"
        TRY     "lss over the edge", "lss EDGE-4, %esp"
        ret

# The delivery itself faults: the gate is on a missing page.
delivery:
        mov     $idt, %esi
        mov     $page_a + 0xF00, %edi
        mov     $64, %ecx
        rep     movsl
        movw    $256 * 8 - 1, far_idt
        movl    $EDGE - 0x100, far_idt + 2
        lidt    far_idt
        TRY     "int 20h through a missing page of the IDT", "int $0x20"
        TRY     "ud2 all right", "ud2"
        lidt    idt_pointer
        ret

# The handler maps the page, and the instruction goes on: REP MOVS over 16 pages, PUSHA, straddles.
fix_and_go_on:
        SET_GATE 14, demand
        movl    $0, demands
        mov     $16, %ecx
1:      movl    $0, test_pt + 4 * 31(, %ecx, 4)
        loop    1b
        FLUSH
        mov     $low_pt, %esi
        mov     $TEST + 0x20000, %edi
        mov     $0x3C00, %ecx
        rep     movsb
        SHOW    "rep movsb over 4 missing pages: faults", demands
        SHOW_REL "  edi", "%edi", "(TEST + 0x20000)"
        mov     $low_pt, %esi
        mov     $TEST + 0x20000, %edi
        mov     $0x1000, %ecx
        repe    cmpsb
        SHOW    "  left to compare", "%ecx"
        movl    $0, demands
        call    trap_begin_user
        mov     $0x77, %edi
        mov     $TEST + 0x29010, %esp
        pusha
        pop     %eax
        ud2
        END_TRY_USER "pusha, pop"
        SHOW    "  edi", trap_eax
        SHOW    "pusha over two missing pages: faults", demands
        movl    $0, demands
        movl    $0x87654321, TEST + 0x2AFFE
        SHOW    "mov over two missing pages: faults", demands
        mov     TEST + 0x2AFFE, %eax
        SHOW    "  value", "%eax"
        SET_GATE 14, trap_stub_0e
        ret
# Gives a page of its own, from pool, to the address in CR2.
demand: pusha
        incl    demands
        mov     %cr2, %eax
        shr     $12, %eax
        and     $0x3FF, %eax
        mov     %eax, %ebx
        shl     $12, %ebx
        add     $pool - 0x20000 + PTE_P + PTE_W + PTE_U, %ebx
        mov     %ebx, test_pt(, %eax, 4)
        popa
        add     $4, %esp
        iret

        .bss
        .balign 4096
pool:   .skip   16 * 4096
demands:
        .skip   4
far_idt:
        .skip   8
        .text
