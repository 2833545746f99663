# wrap.S - addresses that wrap at 4 GiB and at zero, in every form: base, index, scale, displacement, moffs, 16-bit addresses,
# bit strings, strings in both directions, the stack, XLAT, MASKMOVQ. The pages at 0 and at FFFFF000h are there,
# those next to them are not.
# engines: bt interp           (the reference reports read, not write, for a locked or bit-string page fault, and does not probe
#                               the final ESP of ENTER; all else agreed when this was written)
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    LAST, 0xFFFFF000

# SET EAX..: what the next instruction sees; LOADED: EAX after it.
        .macro  LOADED name, setup, body
        TRY     "\name", "\setup; mov $0x5A5A5A5A, %eax; \body; mov %eax, seen"
        SHOW    "  =", seen
        .endm
        .macro  WALKED name, setup, body
        TRY     "\name", "\setup; \body; mov %esi, seen_esi; mov %edi, seen_edi; mov %ecx, seen_ecx; cld"
        call    show_walk
        .endm
        .macro  FAULT_WALK name, setup, body
        TRY     "\name", "\setup; \body"
        mov     trap_esi, %eax
        mov     %eax, seen_esi
        mov     trap_edi, %eax
        mov     %eax, seen_edi
        mov     trap_ecx, %eax
        mov     %eax, seen_ecx
        cld
        call    show_walk
        .endm

main:   INIT_TRAPS
        call    start_paging
        movl    $page_a + 7, low_pt
        movl    $0, low_pt + 4
        movl    $top_pt + 7, page_dir + 4 * 1023
        movl    $page_b + 7, top_pt + 4 * 1023
        FLUSH
        call    fill
        call    forms
        call    bits
        call    strings
        call    stack
        ret

# Byte i of page 0 is i & 7Fh, of the last page i | 80h.
fill:   xor     %ecx, %ecx
1:      mov     %cl, %al
        and     $0x7F, %al
        mov     %al, page_a(%ecx)
        or      $0x80, %al
        mov     %al, page_b(%ecx)
        inc     %ecx
        cmp     $4096, %ecx
        jb      1b
        ret

forms:  LOADED  "disp8 below zero", "mov $4, %ebx", "mov -8(%ebx), %eax"
        LOADED  "disp32 over the top", "mov $0x20, %ebx", "mov 0xFFFFFFF0(%ebx), %eax"
        LOADED  "base + index over the top", "mov $0xFFFFFFF0, %ebx; mov $0x20, %ecx", "mov (%ebx, %ecx), %eax"
        LOADED  "base + index * 8", "mov $0xFFFFFFF0, %ebx; mov $0x20000004, %ecx", "mov (%ebx, %ecx, 8), %eax"
        LOADED  "index * 4 + disp", "mov $0x40000000, %ecx", "mov 0x14(, %ecx, 4), %eax"
        LOADED  "index * 8 below zero", "mov $-1, %ecx", "mov 4(, %ecx, 8), %eax"
        LOADED  "two large ones", "mov $0x80000000, %ebx; mov $0x80000010, %ecx", "mov (%ebx, %ecx), %eax"
        LOADED  "everything at once", "mov $0xFFFFFFFF, %ebx; mov $0xFFFFFFFF, %ecx", "mov 0x1C(%ebx, %ecx, 8), %eax"
        LOADED  "moffs at the top", "nop", "mov 0xFFFFFFFC, %eax"
        LOADED  "moffs at zero", "nop", "mov 0, %eax"
        LOADED  "the last byte", "mov $-1, %ebx", "movzbl (%ebx), %eax"
        LOADED  "the last two", "mov $-2, %ebx", "movzwl (%ebx), %eax"
        LOADED  "16-bit base + index", "mov $0xDEADFFFF, %ebx; mov $0xDEAD0011, %esi", "mov (%bx, %si), %eax"
        LOADED  "16-bit disp below zero", "mov $0xFFFF0008, %ebx", "mov -4(%bx), %eax"
        LOADED  "16-bit moffs", "nop", "addr16 mov 0x40, %eax"
        LOADED  "XLAT over the top", "mov $0xFFFFFFF8, %ebx", "mov $0x18, %al; xlat"
        LOADED  "LEA", "mov $0xFFFFFFFF, %ebx", "lea 9(%ebx, %ebx, 8), %eax"
        LOADED  "XCHG", "mov $8, %ebx", "xchg %eax, -16(%ebx)"
        LOADED  "what XCHG left", "nop", "mov 0xFFFFFFF8, %eax"
        LOADED  "CMPXCHG", "mov $0x10, %ebx; mov $0x12345678, %ecx", "mov -0x18(%ebx), %eax; lock cmpxchg %ecx, -0x18(%ebx); mov 0xFFFFFFF8, %eax"
        LOADED  "PUSH of it", "mov $4, %ebx", "push -8(%ebx); pop %eax"
        LOADED  "POP to it", "mov $4, %ebx", "push $0x77; pop -8(%ebx); mov 0xFFFFFFFC, %eax"
        TRY     "the page below the last", "mov $0xFFFFEFFC, %ebx; mov (%ebx), %eax"
        TRY     "the page after the first", "mov $0xFFFFFFFF, %ebx; mov 0x1001(%ebx), %eax"
        TRY     "the middle", "mov $0x7FFFFFFF, %ebx; mov %eax, 1(%ebx)"
        TRY     "page 2, page -1 by index", "mov $0x3FFFFFFF, %ebx; mov %al, 0x2003(, %ebx, 4); incb 0x1F00(, %ebx, 4)"
        ret

# Bit offsets count from the operand's address, 2^28 bytes either way (SDM 2A BT).
bits:   LOADED  "BTS below zero", "mov $0x10, %ebx; mov $-0x20 * 8, %ecx; btr %ecx, (%ebx)", "mov 0xFFFFFFF0, %eax"
        LOADED  "BTS over the top", "mov $0xFFFFFFF0, %ebx; mov $0x20 * 8 + 7, %ecx; bts %ecx, (%ebx)", "mov 0x10, %eax"
        LOADED  "BTC, 16 bits", "mov $0xFFFFFFF0, %ebx; mov $0x7FFF, %ecx; btc %cx, (%ebx)", "mov 0xFEC, %eax"
        LOADED  "BT, 16 bits below", "mov $0x1000, %ebx; mov $-0x8000, %ecx; bt %cx, (%ebx); sbb %edx, %edx", "mov %edx, %eax"
        LOADED  "the furthest below", "mov $0x10000000, %ebx; mov $0x80000000, %ecx; bts %ecx, (%ebx)", "mov 0, %eax"
        LOADED  "the furthest above", "mov $0xF0000010, %ebx; mov $0x7FFFFFFF, %ecx; bts %ecx, (%ebx)", "mov 0xC, %eax"
        TRY     "far below, nothing there", "xor %ebx, %ebx; mov $0x80000000, %ecx; bts %ecx, (%ebx)"
        TRY     "far above, nothing there", "mov $0xF, %ebx; mov $0x7FFFFFE0, %ecx; btr %ecx, (%ebx)"
        TRY     "LOCK BTC far above", "mov $0x10, %ebx; mov $0x40000000, %ecx; lock btc %ecx, (%ebx)"
        ret

strings:
        WALKED  "LODS at the top", "mov $-4, %esi; xor %edi, %edi; xor %ecx, %ecx", "lodsl"
        WALKED  "LODS down at zero", "mov $0, %esi; xor %ecx, %ecx; std", "lodsl"
        WALKED  "STOS at the top", "mov $-4, %edi; xor %ecx, %ecx", "stosl"
        WALKED  "STOS down at zero", "xor %edi, %edi; xor %ecx, %ecx; std", "stosb"
        WALKED  "REP MOVSB over the top", "mov $-16, %esi; mov $0x800, %edi; mov $0x20, %ecx", "rep movsb"
        WALKED  "REP MOVSB to over the top", "mov $0x800, %esi; mov $-16, %edi; mov $0x20, %ecx", "rep movsb"
        WALKED  "REP MOVSL down below zero", "mov $0x10, %esi; mov $0x880, %edi; mov $8, %ecx; std", "rep movsl"
        WALKED  "REP STOSL over the top", "mov $-32, %edi; mov $16, %ecx; mov $0x13571357, %eax", "rep stosl"
        WALKED  "REP STOSW down below zero", "mov $0x10, %edi; mov $16, %ecx; std", "rep stosw"
        WALKED  "REP LODSB over the top", "mov $-3, %esi; mov $6, %ecx", "rep lodsb"
        WALKED  "REPNE SCASB over the top", "mov $-32, %edi; mov $0x100, %ecx; mov $0x69, %al; movb $0x69, 0x40", "repne scasb"
        WALKED  "REPE CMPSB over the top", "mov $-8, %esi; mov $-16, %edi; mov $0x40, %ecx", "repe cmpsb"
        WALKED  "REP with ECX 0", "mov $0xFFFFEFFF, %esi; mov $0x1000, %edi; xor %ecx, %ecx", "rep movsl"
        WALKED  "16-bit REP STOSB", "mov $0xDEAD0FF0, %edi; mov $0xDEAD0010, %ecx", "addr16 rep stosb"
        FAULT_WALK "REP STOSB without end, up", "mov $0xFFFFFF00, %edi; mov $-1, %ecx; xor %esi, %esi", "rep stosb"
        FAULT_WALK "REP STOSL without end, down", "mov $0xF0, %edi; mov $-1, %ecx; xor %esi, %esi; std", "rep stosl"
        FAULT_WALK "REP MOVSB without end", "mov $0xFFFFF800, %esi; mov $0xFFFFF900, %edi; mov $-1, %ecx", "rep movsb"
        FAULT_WALK "REP LODSB without end", "mov $-1, %esi; mov $-1, %ecx; xor %edi, %edi", "rep lodsb"
        FAULT_WALK "REPE SCASL without end", "mov $0xFFC, %edi; mov $-1, %ecx; xor %esi, %esi; mov 0xFFC, %eax", "repe scasl"
        FAULT_WALK "MOVS from nowhere", "mov $0x80000000, %esi; mov $0x10, %edi; mov $4, %ecx", "rep movsl"
        FAULT_WALK "CMPS with nowhere", "mov $0x20, %esi; mov $0xFFFFE000, %edi; mov $4, %ecx", "repe cmpsl"
        call    fill
        ret

# The frames of exceptions would go to the same stack, so nothing here faults at CPL 0.
stack:  LOADED  "PUSH at zero", "mov %esp, %ebp; mov $0, %esp; push $0x11223344; mov %esp, %edx; mov %ebp, %esp", "mov 0xFFFFFFFC, %eax"
        LOADED  "ESP after it", "nop", "mov %edx, %eax"
        LOADED  "POP at the top", "mov %esp, %ebp; mov $-4, %esp; pop %edx; mov %esp, %ecx; mov %ebp, %esp", "lea (%edx, %ecx), %eax"
        LOADED  "CALL and RET at zero", "mov %esp, %ebp; mov $0, %esp; call 1f; mov %esp, %edx; mov %ebp, %esp", "mov %edx, %eax"
        LOADED  "PUSHA over zero", "mov %esp, %ebp; mov $0x10, %esp; mov $0x51, %esi; pusha; mov %esp, %edx; mov %ebp, %esp", "mov -12(%edx), %eax; mov 4(%edx), %eax"
        LOADED  "POPA over the top", "mov %esp, %esp; mov %esp, saved_esp; mov $0xFFFFFFF0, %esp; popa; mov %esp, %edx; mov saved_esp, %esp", "mov %edx, %eax"
        LOADED  "PUSHF at zero", "mov %esp, %ebp; mov $0, %esp; pushf; pop %edx; mov %esp, %ecx; mov %ebp, %esp", "mov %ecx, %eax"
        LOADED  "LEAVE at the top", "mov %esp, %esi; mov $-4, %ebp; leave; mov %esp, %edx; mov %esi, %esp", "mov %edx, %eax"
        LOADED  "ENTER at zero", "mov %esp, %esi; mov $0, %esp; mov $0x10, %ebp; enter $8, $0; mov %esp, %edx; mov %esi, %esp", "mov %edx, %eax"
        LOADED  "ENTER, nested, frames below zero", "mov %esp, %esi; mov $0x40, %esp; mov $8, %ebp; enter $0, $4; mov %esp, %edx; mov %esi, %esp", "mov 0x30, %eax"
        TRY_USER "PUSH into the hole", "mov $0xFFFFF000, %esp; push %eax"
        TRY_USER "POP from the hole", "mov $0x1000, %esp; pop %eax"
        TRY_USER "CALL into the hole", "mov $0x80000000, %esp; call 1f"
        TRY_USER "RET from the hole", "mov $0x80000000, %esp; ret"
        TRY_USER "PUSHA, half of it", "mov $0xFFFFF010, %esp; pusha"
        TRY_USER "POPA, half of it", "mov $0xFF0, %esp; popa"
        TRY_USER "ENTER into the hole", "mov $0xFFFFF008, %esp; enter $0x10, $0"
        TRY_USER "LEAVE from the hole", "mov $0x7FFFFFFF, %ebp; leave"
        TRY_USER "INT with ESP in the hole", "mov $0x80000000, %esp; int3"
        ret
1:      ret

show_walk:
        SHOW    "  esi", seen_esi
        SHOW    "  edi", seen_edi
        SHOW    "  ecx", seen_ecx
        # what the stores did: a sum over both pages
        pusha
        xor     %eax, %eax
        xor     %ecx, %ecx
2:      rol     $1, %eax
        add     page_a(, %ecx, 4), %eax
        rol     $1, %eax
        add     page_b(, %ecx, 4), %eax
        inc     %ecx
        cmp     $1024, %ecx
        jb      2b
        mov     %eax, seen
        popa
        SHOW    "  sum", seen
        ret

        .bss
        .balign 4096
top_pt: .skip   4096
seen:   .skip   4
seen_esi:
        .skip   4
seen_edi:
        .skip   4
seen_ecx:
        .skip   4
saved_esp:
        .skip   4
