# gather.S - gathers whose indices lead anywhere: every element is a 32-bit address of its own.
# engines: bt interp           (the reference's default CPU has no AVX2)
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

        .set    CR4_OSFXSR, 0x200
        .set    CR4_OSXSAVE, 0x40000

main:   INIT_TRAPS
        call    start_paging
        movl    $page_a + 7, low_pt
        movl    $0, low_pt + 4
        movl    $top_pt + 7, page_dir + 4 * 1023
        movl    $page_b + 7, top_pt + 4 * 1023
        FLUSH
        movl    $0x11111111, 0
        movl    $0x22222222, 8
        movl    $0xCCCCCCCC, 0xFFFFFFFC
        movl    $0xDDDDDDDD, 0xFFFFFFF0
        mov     $7, %eax
        xor     %ecx, %ecx
        cpuid
        test    $0x20, %ebx
        jnz     1f
        PUTS    "no AVX2\n"
        ret
1:      CR_SET  cr4, CR4_OSFXSR + CR4_OSXSAVE
        xor     %ecx, %ecx
        xor     %edx, %edx
        mov     $7, %eax
        xsetbv
        TRY     "wraps both ways", "call load; mov $8, %ebx; vpgatherdd %xmm2, (%ebx, %xmm1, 1), %xmm0"
        call    show
        TRY     "scale 8", "call load; vmovdqu scaled, %xmm1; mov $0, %ebx; vpgatherdd %xmm2, (%ebx, %xmm1, 8), %xmm0"
        call    show
        TRY     "qword indices with garbage above", "call load; vmovdqu quads, %ymm1; xor %ebx, %ebx; vpgatherqd %xmm2, (%ebx, %ymm1, 1), %xmm0"
        call    show
        TRY     "one element in the hole", "call load; vmovdqu hole, %xmm1; xor %ebx, %ebx; vpgatherdd %xmm2, (%ebx, %xmm1, 1), %xmm0"
        call    show
        TRY     "the same with FS", "mov $SEL_DATA, %eax; mov %eax, %fs; call load; mov $8, %ebx; vpgatherdd %xmm2, %fs:(%ebx, %xmm1, 1), %xmm0"
        call    show
        TRY     "no element wanted", "call load; vpxor %xmm2, %xmm2, %xmm2; vmovdqu hole, %xmm1; mov $0x80000000, %ebx; vpgatherdd %xmm2, (%ebx, %xmm1, 1), %xmm0"
        call    show
        TRY     "VPMASKMOV at the top", "mov $0xFFFFFFF0, %ebx; vpcmpeqd %xmm2, %xmm2, %xmm2; vpmaskmovd (%ebx), %xmm2, %xmm0"
        call    show
        TRY     "MASKMOVDQU at the top", "mov $0xFFFFFFF0, %edi; vpcmpeqd %xmm2, %xmm2, %xmm2; vpxor %xmm1, %xmm1, %xmm1; maskmovdqu %xmm2, %xmm1; movdqu (%edi), %xmm0"
        call    show
        TRY     "MASKMOVDQU in the hole", "mov $0x80000000, %edi; vpcmpeqd %xmm2, %xmm2, %xmm2; maskmovdqu %xmm2, %xmm1"
        TRY     "MOVUPS in the hole", "mov $0xFFFFFFFF, %ebx; movups %xmm0, 0x2000(%ebx, %ebx, 8)"
        ret

load:   vmovdqu indices, %xmm1
        vpcmpeqd %xmm2, %xmm2, %xmm2
        vpxor   %xmm0, %xmm0, %xmm0
        ret

show:   movdqu  %xmm0, seen
        movdqu  %xmm2, seen + 16
        SHOW    "  0", seen
        SHOW    "  1", seen + 4
        SHOW    "  2", seen + 8
        SHOW    "  3", seen + 12
        SHOW    "  mask", seen + 28
        ret

        .section .rodata
        .balign 16
indices:
        .long   -8, 0, -12, -24
scaled: .long   0x20000000, 0x20000001, 0x3FFFFFFE, 0x80000000
quads:  .quad   0x1234567800000000, 0xFFFFFFFF00000008, 0xDEADBEEFFFFFFFFC, 0x00007FFFFFFFFFF0
hole:   .long   0, 8, 0x80000000, -4
        .bss
        .balign 4096
top_pt: .skip   4096
seen:   .skip   32
