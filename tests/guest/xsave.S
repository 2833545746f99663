# xsave.S - XSAVE-managed state as a kernel meets it: CR4.OSXSAVE, XCR0, #UD and #NM, lazy switching of AVX state, XRSTOR
# of bad areas (SDM 1 13, SDM 3A 2.6, 13).
# TCG 7.2 lets XSAVE run with CR0.TS set, gives #UD for VEX with CR0.EM, checks no MXCSR and has no SIMD exceptions.
# options: -cpu max
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"

        .set    CR0_TS, 8
        .set    CR0_EM, 4
        .set    CR4_OSFXSR, 0x200
        .set    CR4_OSXMMEXCPT, 0x400
        .set    CR4_OSXSAVE, 0x40000

        .macro  BITS cr, how, bits
        mov     %\cr, %eax
        \how    $\bits, %eax
        mov     %eax, %\cr
        .endm
        .macro  SET_XCR low, high=0, index=0
        mov     $\index, %ecx
        mov     $\low, %eax
        mov     $\high, %edx
        xsetbv
        .endm
# YMM "text", register: its dwords 0 and 4.
        .macro  YMM text, reg
        vmovups %\reg, scratch
        SHOW    "\text, low", scratch
        SHOW    "\text, high", "scratch + 16"
        .endm

main:   INIT_TRAPS
        call    announced
        call    without
        BITS    cr4, or, CR4_OSXSAVE
        call    xcr0
        call    enabled
        call    avx_without_avx
        SET_XCR  7
        call    no_device
        call    lazy
        call    images
        call    bad_images
        call    compute
        call    users
        ret

        .macro  LEAF leaf, sub=0
        mov     $\leaf, %eax
        mov     $\sub, %ecx
        cpuid
        .endm
announced:
        LEAF   1
        mov     %ecx, %eax
        shr     $26, %eax
        and     $7, %eax
        SHOWN   "xsave, osxsave, avx", 1, "%eax"
        LEAF   13
        and     $7, %eax
        SHOWN   "xcr0 bits 0-2 there are", 1, "%eax"
        LEAF   13, 2
        SHOW    "ymm_hi128: length", "%eax"
        SHOW    "  offset", "%ebx"
        ret

without:
        TRY     "no OSXSAVE: xgetbv", "xor %ecx, %ecx; xgetbv"
        TRY     "no OSXSAVE: xsetbv", "SET_XCR 7"
        TRY_USER "no OSXSAVE: xsetbv at CPL 3", "SET_XCR 7"
        TRY     "no OSXSAVE: xsave", "xsave area"
        TRY     "no OSXSAVE: xrstor", "xrstor area"
        TRY     "no OSXSAVE: vaddps", "vaddps %ymm0, %ymm1, %ymm2"
        TRY     "no OSXSAVE, TS: vaddps", "BITS cr0, or, CR0_TS; vaddps %ymm0, %ymm1, %ymm2"
        clts
        ret

xcr0:   LEAF   1
        shr     $27, %ecx
        and     $1, %ecx
        SHOWN   "osxsave in cpuid", 1, "%ecx"
        xor     %ecx, %ecx
        xgetbv
        SHOW    "xcr0 at first", "%eax"
        LEAF   13
        SHOW    "area size for it", "%ebx"
        TRY     "xcr0 without x87", "SET_XCR 6"
        TRY     "xcr0 0", "SET_XCR 0"
        TRY     "xcr0, AVX without SSE", "SET_XCR 5"
        TRY     "xcr0, bit 63", "SET_XCR 7, 0x80000000"
        TRY     "xcr0, bits that are not there", "SET_XCR 0x107"
        TRY     "xcr1", "SET_XCR 7, 0, 1"
        TRY     "xgetbv of xcr 2", "mov $2, %ecx; xgetbv"
        TRY_USER "xsetbv at CPL 3", "SET_XCR 7"
        TRY_USER "xgetbv at CPL 3", "xor %ecx, %ecx; xgetbv"
        SHOW    "  xcr0", trap_eax
        TRY     "lock xgetbv", ".byte 0xF0, 0x0F, 0x01, 0xD0"
        xor     %ecx, %ecx
        xgetbv
        SHOW    "xcr0 after all these", "%eax"
        ret

enabled:
        SET_XCR  3
        xor     %ecx, %ecx
        xgetbv
        SHOW    "xcr0 of x87 and SSE", "%eax"
        LEAF   13
        SHOW    "area size for it", "%ebx"
        SET_XCR  7
        LEAF   13
        SHOW    "area size with AVX", "%ebx"
        # OSFXSR does not matter to VEX
        TRY     "vaddps, no OSFXSR", "vaddps %ymm0, %ymm1, %ymm2"
        TRY     "addps, no OSFXSR", "addps %xmm0, %xmm1"
        BITS    cr4, or, CR4_OSFXSR + CR4_OSXMMEXCPT
        TRY     "addps", "addps %xmm0, %xmm1"
        TRY     "vaddps, EM", "BITS cr0, or, CR0_EM; vaddps %ymm0, %ymm1, %ymm2"
        TRY     "addps, EM", "addps %xmm0, %xmm1"
        TRY     "xsave, EM", "mov $7, %eax; xor %edx, %edx; xsave area"
        BITS    cr0, and, ~CR0_EM
        ret

# AVX needs SSE and AVX in XCR0, whatever the vector length; legacy SSE needs neither.
avx_without_avx:
        SET_XCR  3
        TRY     "xcr0 3: vaddps ymm", "vaddps %ymm0, %ymm1, %ymm2"
        TRY     "xcr0 3: vaddps xmm", "vaddps %xmm0, %xmm1, %xmm2"
        TRY     "xcr0 3: vzeroupper", "vzeroupper"
        TRY     "xcr0 3: addps", "addps %xmm0, %xmm1"
        TRY     "xcr0 3: andn", "andn %eax, %ecx, %edx"
        SET_XCR  1
        TRY     "xcr0 1: addps", "addps %xmm0, %xmm1"
        TRY     "xcr0 1: vaddps", "vaddps %xmm0, %xmm1, %xmm2"
        BITS    cr4, and, ~CR4_OSXSAVE
        TRY     "OSXSAVE off: andn", "andn %eax, %ecx, %edx"
        BITS    cr4, or, CR4_OSXSAVE
        xor     %ecx, %ecx
        xgetbv
        SHOW    "xcr0 kept", "%eax"
        ret

no_device:
        BITS    cr0, or, CR0_TS
        TRY     "TS: vaddps", "vaddps %ymm0, %ymm1, %ymm2"
        TRY     "TS: vzeroupper", "vzeroupper"
        TRY     "TS: addps", "addps %xmm0, %xmm1"
        TRY     "TS: xsave", "mov $7, %eax; xor %edx, %edx; xsave area"
        TRY     "TS: xsaveopt", "mov $7, %eax; xor %edx, %edx; xsaveopt area"
        TRY     "TS: xrstor", "mov $7, %eax; xor %edx, %edx; xrstor area"
        TRY     "TS: xsave misaligned", "xsave area + 8"
        TRY     "TS: xgetbv", "xor %ecx, %ecx; xgetbv"
        TRY     "TS: xsetbv", "SET_XCR 7"
        TRY     "TS: andn", "andn %eax, %ecx, %edx"
        TRY_USER "TS: vaddps at CPL 3", "vaddps %ymm0, %ymm1, %ymm2"
        clts
        ret

# Four contexts take turns; only #NM moves the state. Each adds its own vector to its ymm5 and counts in ST(0).
lazy:   mov     $area, %edi
        xor     %eax, %eax
        mov     $0x1000, %ecx
        rep     stosl
        movl    $0, owner
        movl    $0, switches
        fninit
        vxorps  %ymm5, %ymm5, %ymm5
        fldz
        # all begin alike
        .irp    n, 0, 1, 2, 3
        mov     $7, %eax
        xor     %edx, %edx
        xsave   area + 1024 * \n
        .endr
        SET_GATE 7, nm_handler
        mov     $4000, %esi
1:      mov     %esi, %eax
        imul    $0x9E3779B1, %eax, %eax
        shr     $30, %eax
        mov     %eax, current
        BITS    cr0, or, CR0_TS
        mov     current, %ebx
        incl    turns(, %ebx, 4)
        lea     1(%ebx), %ecx
        mov     %ecx, scratch
        test    $1, %esi                # the first to use it: AVX or x87
        jz      2f
        fld1
        faddp
2:      vbroadcastss scratch, %ymm4
        vpaddd  %ymm4, %ymm5, %ymm5
        test    $1, %esi
        jnz     3f
        fld1
        faddp
3:      dec     %esi
        jnz     1b
        SET_GATE 7, trap_stub_07
        clts
        mov     owner, %ebx
        call    save_owner
        xor     %esi, %esi
1:      mov     %esi, %eax
        shl     $10, %eax
        lea     area(%eax), %ebx
        mov     $7, %eax
        xor     %edx, %edx
        xrstor  (%ebx)
        vmovups %ymm5, scratch
        fistpl  scratch + 32
        mov     turns(, %esi, 4), %edi
        SHOW    "turns", "%edi"
        mov     scratch + 32, %eax
        sub     %edi, %eax
        SHOW    "  counted in st, less that", "%eax"
        lea     1(%esi), %eax
        imul    %edi, %eax
        mov     %eax, %edx
        sub     scratch, %eax
        SHOW    "  sum in ymm5, low, less what it should be", "%eax"
        sub     scratch + 28, %edx
        SHOW    "  high", "%edx"
        inc     %esi
        cmp     $4, %esi
        jb      1b
        fninit
        ret
save_owner:
        push    %eax
        push    %edx
        mov     owner, %eax
        shl     $10, %eax
        lea     area(%eax), %ebx
        mov     $7, %eax
        xor     %edx, %edx
        xsaveopt (%ebx)
        pop     %edx
        pop     %eax
        ret
nm_handler:
        pusha
        clts
        mov     current, %ecx
        cmp     owner, %ecx
        je      1f
        call    save_owner
        incl    switches
        mov     %ecx, owner
        shl     $10, %ecx
        lea     area(%ecx), %ebx
        mov     $7, %eax
        xor     %edx, %edx
        xrstor  (%ebx)
1:      popa
        iret

        .macro  STATE how, mask, at
        mov     $\mask, %eax
        xor     %edx, %edx
        \how    \at
        .endm
# What XSAVE writes and what it leaves; what XRSTOR takes from the area, and what it sets to its initial state.
images: call    fill_area
        fninit
        fldpi
        vmovups numbers, %ymm3
        STATE   xsave, 4, area
        SHOW    "xsave of AVX only: fcw left", area
        SHOW    "  xmm3 left", "area + 160 + 48"
        SHOW    "  upper half", "area + 576 + 48"
        SHOWN   "  xstate_bv", 1, "area + 512"
        call    fill_area
        STATE   xsave, 2, area
        SHOW    "xsave of SSE only: xmm3", "area + 160 + 48"
        SHOW    "  upper half left", "area + 576 + 48"
        SHOW    "  mxcsr", "area + 24"
        STATE   xsave, 7, area
        # bits that XCR0 does not have are not asked for
        mov     $-1, %eax
        mov     $-1, %edx
        xsave   area + 1024
        SHOWN   "xsave of all: xstate_bv", 1, "area + 1024 + 512"
        vxorps  %ymm3, %ymm3, %ymm3
        STATE   xrstor, 4, area
        YMM     "xrstor of AVX only, ymm3", ymm3
        STATE   xrstor, 2, area
        YMM     "and of SSE, ymm3", ymm3
        # not in XSTATE_BV: to the initial state
        andl    $~4, area + 512
        STATE   xrstor, 6, area
        YMM     "AVX not in the area, ymm3", ymm3
        movl    $0, area + 512
        movl    $0x3F80, area + 24
        STATE   xrstor, 3, area
        YMM     "nothing in the area, ymm3", ymm3
        stmxcsr scratch
        SHOW    "  mxcsr, which is loaded all the same", scratch
        fnstenv scratch
        SHOWN   "  tag word", 4, "scratch + 8"
        ldmxcsr initial_mxcsr
        # a legacy instruction leaves the upper half, a VEX one clears it, FXRSTOR leaves it
        vmovups numbers, %ymm3
        addps   %xmm3, %xmm3
        vmovups %ymm3, scratch
        SHOW    "upper half after addps", "scratch + 16"
        fxsave  area + 1024
        xorps   %xmm3, %xmm3
        fxrstor area + 1024
        vmovups %ymm3, scratch
        SHOW    "upper half after fxrstor", "scratch + 16"
        vaddps  %xmm3, %xmm3, %xmm3
        vmovups %ymm3, scratch
        SHOW    "upper half after vaddps xmm", "scratch + 16"
        vmovups numbers, %ymm3
        vmovups numbers, %ymm7
        vzeroupper
        YMM     "ymm7 after vzeroupper", ymm7
        vzeroall
        YMM     "ymm7 after vzeroall", ymm7
        fninit
        ret
fill_area:
        mov     $area, %edi
        mov     $0x55555555, %eax
        mov     $256, %ecx
        rep     stosl
        mov     $area + 512, %edi
        xor     %eax, %eax
        mov     $16, %ecx
        rep     stosl
        ret

bad_images:
        fninit
        vmovups numbers, %ymm3
        STATE   xsave, 7, area
        TRY     "xsave misaligned", "STATE xsave, 7, area + 32"
        TRY     "xrstor misaligned", "STATE xrstor, 7, area + 16"
        orl     $8, area + 512
        TRY     "xstate_bv beyond xcr0", "STATE xrstor, 7, area"
        TRY     "the same, though not asked for", "STATE xrstor, 2, area"
        andl    $~8, area + 512
        movb    $0x80, area + 519
        TRY     "xstate_bv, bit 63", "STATE xrstor, 7, area"
        movb    $0, area + 519
        movb    $1, area + 520
        TRY     "xcomp_bv without bit 63", "STATE xrstor, 7, area"
        movb    $0, area + 520
        movb    $1, area + 535
        TRY     "byte 23 of the header", "STATE xrstor, 7, area"
        movb    $0, area + 535
        movb    $1, area + 536
        TRY     "byte 24 of the header", "STATE xrstor, 7, area"
        movb    $0, area + 536
        orl     $0x10000, area + 24
        TRY     "mxcsr reserved, SSE asked for", "STATE xrstor, 2, area"
        TRY     "mxcsr reserved, x87 asked for", "STATE xrstor, 1, area"
        andl    $~0x10000, area + 24
        SET_XCR  3
        TRY     "AVX in the area, not in xcr0", "STATE xrstor, 3, area"
        SET_XCR  7
        YMM     "ymm3 all the time", ymm3
        TRY     "good again", "STATE xrstor, 7, area"
        # registers of a disabled component keep their values
        SET_XCR  3
        SET_XCR  7
        YMM     "ymm3 when AVX is back", ymm3
        ret

# 256 bits through interrupts and a loop that is translated.
compute:
        SET_GATE 0x50, rude_handler
        vmovups numbers, %ymm0
        vxorps  %ymm1, %ymm1, %ymm1
        mov     $3000, %esi
1:      vpaddd  %ymm0, %ymm1, %ymm1
        vpermq  $0x39, %ymm0, %ymm0
        test    $0x3F, %esi
        jnz     2f
        int     $0x50
2:      dec     %esi
        jnz     1b
        YMM     "ymm1", ymm1
        YMM     "ymm0", ymm0
        TRY     "vmovaps misaligned", "vmovaps numbers + 16, %ymm0"
        TRY     "vmovups misaligned", "vmovups numbers + 4, %xmm0"
        TRY     "vaddps misaligned", "vaddps numbers + 4, %xmm0, %xmm0"
        ldmxcsr open_mxcsr
        TRY     "vdivps by 0", "vxorps %xmm2, %xmm2, %xmm2; vdivps %ymm2, %ymm0, %ymm1"
        ldmxcsr initial_mxcsr
        ret
rude_handler:
        pusha
        STATE   xsave, 7, area
        vzeroall
        vpcmpeqd %ymm1, %ymm1, %ymm1
        STATE   xrstor, 7, area
        popa
        iret

users:  vmovups numbers, %ymm6
        TRY_USER "user computes", "vpaddd %ymm6, %ymm6, %ymm6"
        YMM     "ymm6", ymm6
        TRY_USER "user saves", "STATE xsave, 7, area; STATE xrstor, 7, area"
        ret

        .data
        .balign 32
numbers:
        .long   0x11111111, 2, 3, 4, 0x22222222, 6, 7, 8
        .long   0
initial_mxcsr:
        .long   0x1F80
open_mxcsr:
        .long   0x1D80

        .bss
        .balign 64
area:   .skip   4096
        .skip   64
scratch:
        .skip   64
turns:  .skip   16
owner:  .skip   4
current:
        .skip   4
switches:
        .skip   4
        .text
