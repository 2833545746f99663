# segments.S - segment bases and limits that would lead out: bases that wrap, small limits, expand-down, null, read-only,
# through FS and GS in every kind of access. DS, ES and SS stay flat.
# engines: bt interp           (the reference does not check limits and types)
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    SEL_ONE, 0x30
        .set    SEL_TWO, 0x38

# SEGMENT selector, base, limit (20 bits), access byte, flags (G D.. in bits 4-7)
        .macro  SEGMENT sel, base, limit, access, flags
        movl    $((\limit) & 0xFFFF) | (((\base) & 0xFFFF) << 16), gdt + \sel
        movl    $(((\base) >> 16) & 0xFF) | ((\access) << 8) | ((\limit) & 0xF0000) | ((\flags) << 16) | ((\base) & 0xFF000000), gdt + \sel + 4
        .endm
# FORMS: every kind of access at fs:[EBX], gs:[EBX]
        .macro  FORMS what
        mov     $SEL_ONE, %eax
        mov     %eax, %fs
        mov     $SEL_TWO, %eax
        mov     %eax, %gs
        PUTS    "\what\n"
        mov     $offsets, %edi
9:      mov     (%edi), %ebx
        SHOW    " at", %ebx
        call    accesses
        add     $4, %edi
        cmp     $offsets_end, %edi
        jb      9b
        .endm

main:   INIT_TRAPS
        call    start_paging
        movl    $page_a + 7, low_pt
        movl    $0, low_pt + 4
        movl    $top_pt + 7, page_dir + 4 * 1023
        movl    $page_b + 7, top_pt + 4 * 1023
        FLUSH
        movl    $0x11111111, page_a
        movl    $0x22222222, page_a + 16
        movl    $0xCCCCCCCC, page_b + 4092
        movl    $0xDDDDDDDD, page_b + 4080

        SEGMENT SEL_ONE, 0xFFFFFFF0, 0xFFFFF, 0x93, 0xC0
        SEGMENT SEL_TWO, 0x80000000, 0xFFFFF, 0x93, 0xC0
        FORMS   "base FFFFFFF0 and 80000000"
        SEGMENT SEL_ONE, 0, 0xF, 0x93, 0x40
        SEGMENT SEL_TWO, 0xFFFFF000, 0, 0x93, 0xC0
        FORMS   "limit Fh; one page at the top"
        SEGMENT SEL_ONE, 0, 0xFFFFE, 0x97, 0xC0
        SEGMENT SEL_TWO, 0, 0xF, 0x97, 0x40
        FORMS   "expand-down"
        SEGMENT SEL_ONE, 0, 0xFFFFF, 0x91, 0xC0
        SEGMENT SEL_TWO, 0, 0xFFFFF, 0x9B, 0xC0
        FORMS   "read only; code"
        PUTS    "null\n"
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs
        xor     %ebx, %ebx
        call    accesses
        ret

accesses:
        pusha
        TRY     "  load fs", "mov %fs:(%ebx), %eax"
        TRY     "  load gs", "mov %gs:(%ebx), %eax"
        TRY     "  byte gs", "mov %gs:3(%ebx), %al"
        TRY     "  add to fs", "addl $0, %fs:(%ebx)"
        TRY     "  store gs", "mov %gs:(%ebx), %eax; mov %eax, %gs:(%ebx)"
        TRY     "  bit string fs", "mov $-0x100, %ecx; bt %ecx, %fs:0x20(%ebx)"
        TRY     "  bts gs", "mov $0x200, %ecx; btsl %ecx, %gs:-0x40(%ebx)"
        TRY     "  push fs", "push %fs:(%ebx)"
        TRY     "  pop gs", "push %gs:(%ebx); pop %gs:(%ebx)"
        TRY     "  call fs", "mov %fs:(%ebx), %eax; lea 1f, %ecx; xchg %ecx, %fs:(%ebx); call *%fs:(%ebx); mov %eax, %fs:(%ebx)"
        TRY     "  lods fs", "mov %ebx, %esi; fs lodsl"
        TRY     "  movs gs", "push %edi; mov %ebx, %esi; mov $scratch, %edi; movsl %gs:(%esi), %es:(%edi)"
        TRY     "  xlat fs", "xor %eax, %eax; fs xlat"
        TRY     "  fld gs", "flds %gs:(%ebx); fstp %st(0)"
        TRY     "  lea fs", ".byte 0x64; lea (%ebx), %eax"
        popa
        ret
1:      ret

        .section .rodata
        .balign 4
offsets:
        .long   0, 0xC, 0xD, 0x10, 0x80000000, 0x80000010, 0x7FFFFFFC, 0xFFFFF000, 0xFFFFFFFC, 0xFFFFF010
offsets_end:
        .bss
        .balign 4096
top_pt: .skip   4096
scratch:
        .skip   16
