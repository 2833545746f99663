# long_fpu.S - x87, SSE and AVX state in long mode: the images of FXSAVE and XSAVE, and what compatibility mode
# leaves alone: XMM8 to XMM15, and the upper halves of YMM8 to YMM15.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"
        .include "long_fpu.inc"

main64: INIT_LONG
        call    images
        call    compat_sse
        call    zero
        call    faults
        ret

images: call    fill_vectors
        CLEAR_AREA
        mov     $7, %eax
        xor     %edx, %edx
        xsave64 area(%rip)
        mov     area + XMM + 15 * 16(%rip), %rax
        SHOW    "XSAVE64, XMM15", %rax
        mov     area + 576 + 15 * 16(%rip), %rax
        SHOW    "  YMM15", %rax
        mov     area + 512(%rip), %rax
        and     $6, %eax                # whether x87 is in use is the processor's affair
        SHOW    "  XSTATE_BV", %rax
        vzeroall
        xrstor64 area(%rip)
        movq    %xmm15, %rax
        SHOW    "XRSTOR64, XMM15", %rax
        mov     $2, %eax
        vzeroall
        xrstor  area(%rip)
        vextractf128 $1, %ymm15, %xmm1
        movq    %xmm1, %rax
        SHOW    "XRSTOR of SSE only, YMM15", %rax
        movq    %xmm15, %rax
        SHOW    "  XMM15", %rax
        call    refill
        ret

compat_sse:
        call    fill_vectors
        TRY32   "FXSAVE in 32-bit code", "mov $area, %edi; mov $0xEE, %eax; mov $4096, %ecx; rep stosb; fxsave area"
        mov     area + XMM + 7 * 16(%rip), %rax
        SHOW    "  XMM7", %rax
        mov     area + XMM + 8 * 16(%rip), %rax
        SHOW    "  XMM8's place", %rax
        call    fill_vectors
        TRY32   "FXRSTOR in 32-bit code", "movw $0x37F, area; movl $0x1F80, area + 24; movl $0x66666666, area + 160 + 0x70; movl $0x77777777, area + 160 + 0x80; fxrstor area"
        SHOW_VECTORS "  0, 7, 8, 15"
        call    fill_vectors
        CLEAR_AREA
        TRY32   "XSAVE in 32-bit code", "mov $7, %eax; xor %edx, %edx; xsave area"
        mov     area + XMM + 7 * 16(%rip), %rax
        SHOW    "  XMM7", %rax
        mov     area + XMM + 8 * 16(%rip), %rax
        SHOW    "  XMM8's place", %rax
        mov     area + 576 + 8 * 16(%rip), %rax
        SHOW    "  YMM8's place", %rax
        TRY32   "XRSTOR in 32-bit code", "movl $0x66666666, area + 160 + 0x70; movl $0x77777777, area + 160 + 0x80; mov $7, %eax; xor %edx, %edx; xrstor area"
        SHOW_VECTORS "  0, 7, 8, 15"
        call    fill_vectors
        TRY32   "XRSTOR of the initial state", "movl $0, area + 512; mov $7, %eax; xor %edx, %edx; xrstor area"
        SHOW_VECTORS "  0, 7, 8, 15"
        ret

zero:   call    fill_vectors
        TRY     "VZEROUPPER in 64-bit code", "vzeroupper"
        SHOW_VECTORS "  0, 7, 8, 15"
        call    fill_vectors
        TRY     "VZEROALL in 64-bit code", "vzeroall"
        SHOW_VECTORS "  0, 7, 8, 15"
        ret

faults: TRY     "FXSAVE, not aligned", "fxsave area + 8(%rip)"
        TRY     "XSAVE, not aligned", "mov $7, %eax; xor %edx, %edx; xsave area + 16(%rip)"
        TRY     "MOVAPS, not aligned", "movaps area + 8(%rip), %xmm0"
        TRY     "CR0.TS: SSE", "mov %cr0, %rax; or $8, %eax; mov %rax, %cr0; movaps %xmm0, %xmm1"
        TRY     "CR0.TS: x87", "fninit"
        TRY     "CR0.TS: 32-bit MOV", "clts; movaps %xmm0, %xmm1"
        TRY     "CR4.OSFXSR clear", "mov %cr4, %rax; btr $9, %rax; mov %rax, %cr4; movaps %xmm0, %xmm1"
        RUN     "mov %cr4, %rax; bts $9, %rax; mov %rax, %cr4"
        TRY     "XCR0 without AVX", "xor %ecx, %ecx; xor %edx, %edx; mov $3, %eax; xsetbv; vzeroupper"
        RUN     "xor %ecx, %ecx; xor %edx, %edx; mov $7, %eax; xsetbv"
        ret
