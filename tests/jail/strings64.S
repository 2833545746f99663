# strings64.S - string instructions that run over the ends of regions, of the canonical halves and of the address space, up and
# down, with all sizes and counts; RSI, RDI and RCX afterwards, and what the stores did.
# qemu: -cpu max,vendor=GenuineIntel
        .include "lib64.inc"

# WALKED "name", "set-up", "instructions": registers after it, be it a fault or not.
        .macro  WALKED name, setup, body
        TRY     "\name", "\setup; \body; mov %rsi, trap_rsi(%rip); mov %rdi, trap_rdi(%rip); mov %rcx, trap_rcx(%rip)"
        call    show_walk
        .endm

main64: call    up
        call    down
        call    ends
        call    user
        ret

up:     WALKED  "LODSQ", "movabs $EDGE-4, %rsi; xor %edi, %edi; xor %ecx, %ecx", "lodsq; mov %rax, %rdi"
        WALKED  "STOSQ across", "movabs $EDGE-4, %rdi; xor %esi, %esi; movabs $0x1122334455667788, %rax", "stosq"
        WALKED  "REP MOVSB from an edge", "movabs $EDGE-0x100, %rsi; movabs $LAST, %rdi; mov $0x200, %ecx", "rep movsb"
        WALKED  "REP MOVSB to an edge", "movabs $EDGE-0x100, %rdi; movabs $LAST, %rsi; mov $0x200, %ecx", "rep movsb"
        WALKED  "REP MOVSQ over it, odd", "movabs $EDGE-0x104, %rsi; movabs $EDGE-0x803, %rdi; mov $0x80, %ecx", "rep movsq"
        WALKED  "REP MOVSW from one region to the other, overlapping", "movabs $EDGE-0x100, %rsi; movabs $EDGE-0xFF, %rdi; mov $0x100, %ecx", "rep movsw"
        WALKED  "REP STOSD over it", "movabs $EDGE-0x100, %rdi; xor %esi, %esi; mov $0x80, %ecx; mov $0x13571357, %eax", "rep stosl"
        WALKED  "REPNE SCASB over it", "movabs $EDGE-0x10, %rdi; xor %esi, %esi; mov $0x100, %ecx; mov $0x33, %al", "repne scasb"
        WALKED  "REPE CMPSQ over it", "movabs $EDGE-0x20, %rdi; mov %rdi, %rsi; mov $0x10, %ecx", "repe cmpsq"
        WALKED  "REP LODSD over it", "movabs $EDGE-0x20, %rsi; xor %edi, %edi; mov $0x10, %ecx", "rep lodsl; mov %rax, %rdi"
        WALKED  "REP with RCX 0", "movabs $HOLE, %rsi; movabs $0x1234000000000000, %rdi; xor %ecx, %ecx", "rep movsb"
        WALKED  "32-bit addresses", "mov $-0x80, %rsi; movabs $EDGE+0x100, %rdi; mov $4, %ecx", "addr32 lodsb; mov %rax, %rdi"
        WALKED  "RCX with more than 32 bits", "movabs $LAST+0xF00, %rdi; xor %esi, %esi; movabs $0x100000010, %rcx; mov $0x77, %al", "rep stosb"
        WALKED  "MOVS with FS", "xor %esi, %esi; movabs $LAST, %rdi; mov $4, %ecx", "rep movsb %fs:(%rsi), (%rdi)"
        ret

down:   WALKED  "STD REP MOVSB from an edge", "std; movabs $EDGE+0x80, %rsi; movabs $LAST+0x400, %rdi; mov $0x100, %ecx", "rep movsb"
        WALKED  "STD REP STOSQ", "std; movabs $EDGE+0x80, %rdi; xor %esi, %esi; mov $0x20, %ecx; movabs $0x1122334455667788, %rax", "rep stosq"
        WALKED  "STD REPNE SCASD", "std; movabs $EDGE+0x80, %rdi; xor %esi, %esi; mov $0x40, %ecx; mov $0x100F0E0D, %eax", "repne scasl"
        WALKED  "STD without end", "std; movabs $EDGE+0x80, %rdi; xor %esi, %esi; mov $-1, %rcx; mov $0x99, %al", "rep stosb"
        WALKED  "STD below 0", "std; mov $0x40, %edi; xor %esi, %esi; mov $0x60, %ecx; mov $0x98, %al", "rep stosb"
        WALKED  "STD into the hole", "std; movabs $HIGH_BOTTOM+0x20, %rdi; xor %esi, %esi; mov $0x60, %ecx; mov $0x97, %al", "rep stosb"
        ret

ends:   WALKED  "up without end", "movabs $LAST+0x800, %rdi; xor %esi, %esi; mov $-1, %rcx; mov $0x96, %al", "rep stosb"
        WALKED  "MOVS up without end", "movabs $EDGE-0x800, %rsi; movabs $LAST+0x100, %rdi; mov $-1, %rcx", "rep movsq"
        WALKED  "over the top", "movabs $TOP+0xFE0, %rdi; xor %esi, %esi; mov $0x40, %ecx; mov $0x95, %al", "rep stosb"
        WALKED  "into the hole", "movabs $LOW_TOP+0xFE0, %rsi; movabs $LAST, %rdi; mov $0x40, %ecx", "rep movsb"
        WALKED  "into the hole, across", "movabs $LOW_TOP+0xFFC, %rsi; movabs $LAST, %rdi", "movsq"
        WALKED  "from the hole", "movabs $HOLE, %rsi; movabs $LAST, %rdi; mov $4, %ecx", "rep movsb"
        WALKED  "to wrong upper bits", "movabs $0x0100000100000000, %rdi; movabs $LAST, %rsi; mov $4, %ecx", "rep movsb"
        WALKED  "from nowhere", "movabs $0x700000000000, %rsi; movabs $LAST, %rdi; mov $4, %ecx", "rep movsb"
        WALKED  "to nowhere", "movabs $0x700000000000, %rdi; movabs $LAST, %rsi; mov $4, %ecx", "rep movsb"
        WALKED  "to what may not be written", "movabs $READONLY-8, %rdi; movabs $LAST, %rsi; mov $0x10, %ecx", "rep movsb"
        WALKED  "CMPS with nowhere", "movabs $EDGE-8, %rdi; movabs $0x700000000000, %rsi; mov $4, %ecx", "repe cmpsb"
        WALKED  "RSI = RDI", "movabs $EDGE-8, %rdi; mov %rdi, %rsi; mov $4, %ecx", "rep movsl"
        ret

user:   TRY_USER "user: MOVS from the kernel's page", "movabs $KERNEL, %rsi; movabs $USER, %rdi; mov $4, %ecx; rep movsb"
        call    show_walk
        TRY_USER "user: STOS up into the read-only page", "movabs $READONLY-8, %rdi; xor %esi, %esi; mov $0x10, %ecx; rep stosb"
        call    show_walk
        TRY_USER "user: STD STOS down into the kernel's", "std; movabs $USER+8, %rdi; xor %esi, %esi; mov $0x10, %ecx; rep stosb"
        call    show_walk
        TRY_USER "user: SCAS in the upper half", "movabs $KERNEL_HIGH, %rdi; xor %esi, %esi; mov $0x10, %ecx; repne scasb"
        call    show_walk
        TRY_USER "user: CMPS over the hole", "movabs $LOW_TOP+0xFF8, %rdi; mov %rdi, %rsi; mov $0x10, %ecx; repe cmpsb"
        call    show_walk
        ret

show_walk:
        SHOW    "  rsi", trap_rsi(%rip)
        SHOW    "  rdi", trap_rdi(%rip)
        SHOW    "  rcx", trap_rcx(%rip)
        mov     $page_a, %esi
        mov     $(page_end - page_a) / 8, %ecx
        xor     %eax, %eax
1:      rol     $7, %rax
        add     (%rsi), %rax
        add     $8, %rsi
        dec     %ecx
        jnz     1b
        mov     %rax, seen(%rip)
        SHOW    "  sum", seen(%rip)
        call    refill
        ret
