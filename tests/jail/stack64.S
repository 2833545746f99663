# stack64.S - RSP where it should not be: at the ends of regions, in the canonical hole, walked there by steps that touch nothing,
# set from everywhere; and control that goes to addresses that are none.
# engines: bt interp           (run.sh has no reference with long mode)
        .include "lib64.inc"

# STACK "name", "instructions": RSP afterwards, and RAX; RBP is the guest's own stack.
        .macro  STACK name, body
        movq    $0, seen(%rip)
        movq    $0, seen_rsp(%rip)
        call    refill
        xor     %eax, %eax
        TRY     "\name", "mov %rsp, %rbp; \body; mov %rsp, seen_rsp(%rip); mov %rax, seen(%rip)"
        SHOW    "  rsp", seen_rsp(%rip)
        SHOW    "  rax", seen(%rip)
        .endm
# WALK "name", "instructions", times: the same many times.
        .macro  WALK name, body, times
        STACK   "\name", "mov $\times, %ecx; 8: \body; dec %ecx; jnz 8b"
        .endm

main64: call    edges
        call    setting
        call    walking
        call    neighbours
        call    targets
        call    user
        ret

edges:  STACK   "PUSH over an edge", "movabs $EDGE+4, %rsp; push $0x11223344; pop %rax"
        STACK   "PUSH down from an edge", "movabs $EDGE, %rsp; push $0x11223344; mov (%rsp), %rax"
        STACK   "POP up to an edge", "movabs $EDGE-8, %rsp; pop %rax"
        STACK   "POP up to an edge, then on", "movabs $EDGE-8, %rsp; pop %rax; pop %rdx; xor %rdx, %rax"
        STACK   "POP across", "movabs $EDGE-4, %rsp; pop %rax"
        STACK   "POP at the end of a mapped region", "movabs $LAST+0xFF8, %rsp; pop %rax"
        STACK   "... and on", "movabs $LAST+0xFF8, %rsp; pop %rax; pop %rax"
        STACK   "CALL and RET over an edge", "movabs $EDGE, %rsp; call 1f; jmp 2f; 1: mov (%rsp), %eax; mov $1, %eax; ret; 2:"
        STACK   "RET 8 over an edge", "movabs $EDGE-8, %rdx; mov $1f, %ecx; mov %rcx, (%rdx); mov %rdx, %rsp; ret $8; 1: mov (%rsp), %rax"
        STACK   "RET 0FFF8h over an edge", "movabs $EDGE-8, %rdx; mov $1f, %ecx; mov %rcx, (%rdx); mov %rdx, %rsp; ret $0xFFF8; 1: movabs $EDGE, %rdx; mov (%rdx), %rax"
        STACK   "RET 8 to behind everything", "movabs $LAST+0xFF8, %rdx; mov $1f, %ecx; mov %rcx, (%rdx); mov %rdx, %rsp; ret $8; 1: mov $1, %eax"
        STACK   "PUSHF and POPF over an edge", "movabs $EDGE+4, %rsp; pushfq; pop %rax; and $0x202, %eax"
        STACK   "LEAVE over an edge", "movabs $EDGE-8, %rdx; mov %rbp, %rcx; mov %rdx, %rbp; mov (%rdx), %rax; leave; mov %rbp, %rax; mov %rcx, %rbp"
        STACK   "ENTER over an edge", "movabs $EDGE, %rsp; mov %rbp, %rcx; enter $16, $0; mov %rbp, %rax; mov %rcx, %rbp"
        STACK   "PUSH down from 0", "xor %esp, %esp; push $0x77; movabs $TOP, %rdx; mov 0xFF8(%rdx), %rax"
        STACK   "POP up to 0, and on", "mov $-8, %rsp; pop %rax; pop %rdx"
        STACK   "PUSH at the canonical hole", "movabs $HIGH_BOTTOM, %rsp; push $1"
        STACK   "PUSH over its edge", "movabs $HIGH_BOTTOM+4, %rsp; push $1"
        STACK   "POP at its lower edge", "movabs $LOW_TOP+0xFF8, %rsp; pop %rax"
        STACK   "POP into it", "movabs $LOW_TOP+0xFF8, %rsp; pop %rax; pop %rax"
        STACK   "PUSH of 16 bits at it", "movabs $HIGH_BOTTOM, %rsp; pushw $1"
        STACK   "[RSP+disp] over an edge", "movabs $EDGE-0x10, %rsp; mov 0x20(%rsp), %rax; add -0x10(%rsp), %rax"
        STACK   "[RSP+disp] far over it", "movabs $EDGE-0x10, %rsp; mov 0xFF000(%rsp), %rax"
        STACK   "[RSP+index]", "movabs $EDGE-0x10, %rsp; movabs $LAST-EDGE, %rcx; mov 0x20(%rsp, %rcx), %rax"
        STACK   "16 bytes across", "movabs $EDGE-8, %rsp; movups (%rsp), %xmm0; movq %xmm0, %rax"
        ret

setting:
        STACK   "MOV to the hole and back", "movabs $HOLE, %rsp; mov %rsp, %rax; mov %rbp, %rsp"
        STACK   "POP from the hole", "movabs $HOLE, %rsp; pop %rax"
        STACK   "PUSH with wrong upper bits", "movabs $0x1234000000200000, %rsp; push $1"
        STACK   "wrong upper bits: load", "movabs $0x1234000000200000, %rsp; mov (%rsp), %rax"
        STACK   "XCHG", "movabs $EDGE-8, %rdx; xchg %rdx, %rsp; pop %rax"
        STACK   "POP RSP", "movabs $EDGE-8, %rdx; push %rdx; pop %rsp; pop %rax"
        STACK   "PUSH RSP", "push %rsp; pop %rax; sub %rbp, %rax"
        STACK   "MOV and LEA of it", "mov %rsp, %rax; lea 8(%rsp), %rdx; sub %rdx, %rax; sub %rbp, %rdx; add %rdx, %rax"
        STACK   "XCHG with memory", "movabs $LAST, %rdx; movabs $EDGE, %rcx; mov %rcx, (%rdx); xchg %rsp, (%rdx); mov (%rdx), %rax; sub %rbp, %rax; mov %rbp, (%rdx)"
        STACK   "CMPXCHG", "mov %rsp, %rax; movabs $EDGE, %rdx; cmpxchg %rdx, %rsp; mov (%rsp), %rax"
        STACK   "XADD", "movabs $0x10000000, %rdx; xadd %rdx, %rsp; sub %rbp, %rdx; sub %rbp, %rsp; lea (%rsp, %rdx, 2), %rax"
        STACK   "CMOV", "movabs $EDGE, %rdx; test %rsp, %rsp; cmovnz %rdx, %rsp; mov (%rsp), %rax"
        STACK   "AND", "and $-4096, %rsp; lea 4096(%rsp), %rax; cmp %rbp, %rax; sbb %rax, %rax"
        STACK   "SP", "movabs $EDGE+0x1234, %rsp; mov $0x10, %sp; mov (%rsp), %rax"
        STACK   "ESP", "movabs $EDGE+0x1234, %rsp; mov %esp, %esp"
        STACK   "SPL", "movabs $EDGE, %rsp; mov $0x10, %spl; mov (%rsp), %rax"
        STACK   "BTS, BSWAP, SHL", "xor %esp, %esp; bts $32, %rsp; shl $1, %rsp; shr $1, %rsp; mov (%rsp), %rax"
        STACK   "RDRAND's carry, no matter", "xor %esp, %esp; bts $32, %rsp; mov 8(%rsp), %rax"
        STACK   "ADD over an edge", "movabs $EDGE-0x10, %rsp; add $0x18, %rsp; mov (%rsp), %rax"
        STACK   "its flags", "mov $-8, %rsp; add $8, %rsp; setz %al; setc %ah"
        STACK   "SUB by much", "sub $0x7FFFFFF0, %rsp; sub $-0x7FFFFFF0, %rsp; sub %rsp, %rbp; mov %rbp, %rax"
        ret

# 32 GiB by 1 MiB: a view that is not the guest's to see there, unless RSP is looked up again.
walking:
        WALK    "SUB and jump", "sub $0x100000, %rsp", 32768
        WALK    "ADD, LEA", "add $0x80000, %rsp; lea 0x80000(%rsp), %rsp", 49152
        WALK    "masked moves in between", "sub $0x100000, %rsp; vpxor %xmm1, %xmm1, %xmm1; vmaskmovps (%rsp), %xmm1, %xmm2", 32768
        STACK   "... and a load there", "mov $32768, %ecx; movabs $LAST, %rsp; 8: sub $0x100000, %rsp; vpxor %xmm1, %xmm1, %xmm1; vpmaskmovd %xmm2, %xmm1, (%rsp); dec %ecx; jnz 8b; mov (%rsp), %rax"
        WALK    "prefetches in between", "sub $0x100000, %rsp; prefetcht0 (%rsp)", 32768
        WALK    "a CMOV not taken in between", "sub $0x100000, %rsp; cmovz (%rsp), %rax", 32768
        WALK    "an ADD to the flags", "add $0x100000, %rsp; mov %rsp, %rax", 32768
        STACK   "up to the second region", "movabs $EDGE+8-0x1000, %rsp; mov $0x1000/8, %ecx; 8: add $8, %rsp; dec %ecx; jnz 8b; mov (%rsp), %rax"
        STACK   "a probe behind everything", "movabs $LAST+0xFFF, %rsp; add $0x800, %rsp; test %ecx, %ecx; jz 8f; nop; 8: mov $1, %eax"
        ret

# Slots lie 32 GiB apart, and these pages at the same place in theirs: a step too far would show one for another.
neighbours:
        .irp    at, EDGE-0x1000, LOW_TOP, TOP, LAST
        movabs  $\at, %rax
        mov     (%rax), %rax
        .endr
        .irp    n, 1, 2, 3, 4, 5, 6, 7, 8
        STACK   "\n slots down", "movabs $LAST, %rsp; mov $32768*\n, %ecx; vpxor %xmm1, %xmm1, %xmm1; 8: sub $0x100000, %rsp; vmaskmovps (%rsp), %xmm1, %xmm2; dec %ecx; jnz 8b; mov (%rsp), %rax"
        STACK   "\n slots up", "movabs $EDGE-0x1000, %rsp; mov $32768*\n, %ecx; vpxor %xmm1, %xmm1, %xmm1; 8: add $0x100000, %rsp; vmaskmovps (%rsp), %xmm1, %xmm2; dec %ecx; jnz 8b; mov (%rsp), %rax"
        .endr
        ret

# GO "name", "how": to an address that is none. RSP and the stack are as before the branch.
        .macro  GO name, body
        movq    $0x5A5A, seen(%rip)
        TRY     "\name", "mov %rsp, %rbp; \body"
        mov     trap_old_rsp(%rip), %rax
        sub     trap_rsp(%rip), %rax
        SHOW    "  rsp moved by", %rax
        .endm
targets:
        GO      "JMP to the hole", "movabs $HOLE, %rax; jmp *%rax"
        GO      "JMP to code with wrong upper bits", "movabs $0x1234000000000000+1f, %rax; jmp *%rax; 1: movq $1, seen(%rip)"
        GO      "CALL of it", "movabs $0x1234000000000000+1f, %rax; call *%rax; 1: movq $1, seen(%rip)"
        GO      "CALL through memory", "movabs $0x8000000000000000+1f, %rax; mov %rax, target(%rip); call *target(%rip); 1: movq $1, seen(%rip)"
        GO      "RET to it", "movabs $0x1234000000000000+1f, %rax; push %rax; ret; 1: movq $1, seen(%rip)"
        GO      "RET 8", "push %rax; movabs $0x1234000000000000+1f, %rax; push %rax; ret $8; 1: movq $1, seen(%rip)"
        GO      "JMP to the last byte", "mov $-1, %rax; jmp *%rax"
        GO      "JMP to the end of the lower half", "movabs $LOW_TOP+0xFFF, %rax; movb $0x90, (%rax); jmp *%rax"
        GO      "a JMP there over the hole", "movabs $LOW_TOP+0xFFE, %rax; movw $0x10EB, (%rax); jmp *%rax"
        GO      "a page that is no code", "movabs $0x40000000, %rax; jmp *%rax"
        SHOW    "  ran", seen(%rip)
        ret

# The same at CPL 3, to the kernel's pages.
user:   TRY_USER "user PUSH to the kernel's page", "movabs $KERNEL+0x100, %rsp; push $1"
        TRY_USER "user POP from it", "movabs $KERNEL+0x100, %rsp; pop %rax"
        TRY_USER "user PUSH down into it", "movabs $USER, %rsp; push $1"
        TRY_USER "user POP in the upper half", "movabs $KERNEL_HIGH, %rsp; pop %rax"
        TRY_USER "user CALL with RSP there", "movabs $KERNEL_HIGH+8, %rsp; call 1f; 1:"
        TRY_USER "user LEAVE from there", "movabs $KERNEL_HIGH+8, %rbp; leave"
        TRY_USER "user walks", "mov $32768, %ecx; 8: sub $0x100000, %rsp; vpxor %xmm1, %xmm1, %xmm1; vmaskmovps (%rsp), %xmm1, %xmm2; dec %ecx; jnz 8b; mov (%rsp), %rax"
        TRY_USER "user jumps to it", "movabs $KERNEL_HIGH, %rax; jmp *%rax"
        TRY_USER "user RET to it", "movabs $KERNEL, %rax; push %rax; ret"
        ret

        .bss
        .balign 8
seen_rsp:
        .skip   8
target: .skip   8
