# xsavec.S - the compacted form of XSAVE: XSAVEC, XSAVES, XRSTOR, XRSTORS, IA32_XSS, XGETBV with ECX = 1, CPUID leaf 0Dh
# (SDM 1 13.2-13.12).
# options: -cpu max
# engines: bt interp              (TCG has no XSAVEC)
        .include "lib.inc"
        .include "trap.inc"

        .set    CR0_TS, 8
        .set    CR4_OSFXSR, 0x600
        .set    CR4_OSXSAVE, 0x40000
        .set    MSR_XSS, 0xDA0

        .macro  BITS cr, how, bits
        mov     %\cr, %eax
        \how    $\bits, %eax
        mov     %eax, %\cr
        .endm
        .macro  SET_XCR low
        xor     %ecx, %ecx
        mov     $\low, %eax
        xor     %edx, %edx
        xsetbv
        .endm
        .macro  STATE how, mask, at=area
        mov     $\mask, %eax
        xor     %edx, %edx
        \how    \at
        .endm
        .macro  YMM text, reg
        vmovups %\reg, scratch
        SHOW    "\text, low", scratch
        SHOW    "\text, high", "scratch + 16"
        .endm
        .macro  LEAF sub
        mov     $13, %eax
        mov     $\sub, %ecx
        cpuid
        .endm

main:   INIT_TRAPS
        TRY     "no OSXSAVE: xsavec", "STATE xsavec, 7"
        TRY     "no OSXSAVE: xsaves", "STATE xsaves, 7"
        TRY     "no OSXSAVE: xrstors", "STATE xrstors, 7"
        TRY_USER "no OSXSAVE: xsaves at CPL 3", "STATE xsaves, 7"
        TRY     "no OSXSAVE: xgetbv 1", "mov $1, %ecx; xgetbv"
        BITS    cr4, or, CR4_OSFXSR + CR4_OSXSAVE
        call    announced
        SET_XCR 7
        BITS    cr0, or, CR0_TS
        TRY     "TS: xsavec", "STATE xsavec, 7"
        TRY     "TS: xsaves", "STATE xsaves, 7"
        TRY     "TS: xrstors", "STATE xrstors, 7"
        TRY_USER "TS: xsaves at CPL 3", "STATE xsaves, 7"
        clts
        TRY_USER "xsaves at CPL 3", "STATE xsaves, 7"
        TRY_USER "xrstors at CPL 3", "STATE xrstors, 7"
        TRY_USER "xsavec and xrstor at CPL 3", "STATE xsavec, 7; STATE xrstor, 7"
        TRY     "lock xsavec", ".byte 0xF0; xsavec area"
        TRY     "lock xsaves", ".byte 0xF0; xsaves area"
        TRY     "misaligned xsavec", "xsavec area + 8"
        TRY     "misaligned xsaves", "xsaves area + 32"
        TRY     "misaligned xrstors", "xrstors area + 16"
        call    in_use
        call    images
        call    bad
        ret

announced:
        LEAF    1
        SHOWN   "leaf 0Dh, 1: eax", 1, "%eax"
        SHOW    "  size for xcr0 1", "%ebx"
        SHOW    "  xss, low", "%ecx"
        SHOW    "  high", "%edx"
        SET_XCR 3
        LEAF    1
        SHOW    "  size for xcr0 3", "%ebx"
        SET_XCR 7
        LEAF    1
        SHOW    "  size for xcr0 7", "%ebx"
        LEAF    0
        SHOW    "  not compacted", "%ebx"
        LEAF    2
        SHOW    "leaf 0Dh, 2: ecx", "%ecx"
        SHOW    "  edx", "%edx"
        mov     $MSR_XSS, %ecx
        rdmsr
        or      %edx, %eax
        SHOW    "xss", "%eax"
        TRY     "xss, 0", "mov $MSR_XSS, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr"
        TRY     "xss, PT", "mov $MSR_XSS, %ecx; mov $0x100, %eax; xor %edx, %edx; wrmsr"
        TRY     "xss, AVX", "mov $MSR_XSS, %ecx; mov $4, %eax; xor %edx, %edx; wrmsr"
        TRY     "xgetbv 2", "mov $2, %ecx; xgetbv"
        ret

# Whether SSE's initial state is known for one is the processor's choice.
        .macro  IN_USE text, mask=5
        mov     $1, %ecx
        xgetbv
        or      %edx, %eax
        and     $\mask, %eax
        SHOWN   "\text", 1, "%eax"
        .endm
in_use: movl    $0, area + 512          # everything to its initial state
        call    clear_header
        STATE   xrstor, 7
        IN_USE  "in use of nothing"
        fldpi
        vmovups numbers, %ymm1
        IN_USE  "x87, SSE, AVX", -1
        SET_XCR 3
        IN_USE  "AVX not in xcr0"
        SET_XCR 7
        call    clear_header
        STATE   xrstor, 4
        IN_USE  "AVX to its initial state"
        ret

clear_header:
        mov     $area + 512, %edi
        xor     %eax, %eax
        mov     $16, %ecx
        rep     stosl
        ret
fill:   mov     $area, %edi
        mov     $0x55555555, %eax
        mov     $256, %ecx
        rep     stosl
        ret

        .macro  HEADER
        SHOWN   "  xstate_bv", 1, "area + 512"
        SHOW    "  xcomp_bv, low", "area + 520"
        SHOW    "  high", "area + 524"
        SHOW    "  byte 16 on", "area + 528"
        .endm
images: fninit
        vmovups numbers, %ymm3
        fldpi
        .irp    how, xsavec, xsaves
        call    fill
        STATE   \how, 7
        PUTS    "\how of all\n"
        HEADER
        SHOW    "  xmm3", "area + 160 + 48"
        SHOW    "  upper half", "area + 576 + 48"
        call    fill
        STATE   \how, 5
        PUTS    "\how of x87 and AVX\n"
        HEADER
        SHOW    "  mxcsr left", "area + 24"
        SHOW    "  xmm3 left", "area + 160 + 48"
        SHOW    "  upper half", "area + 576 + 48"
        call    fill
        mov     $-1, %eax
        mov     $-1, %edx
        \how    area
        PUTS    "\how of everything there may be\n"
        HEADER
        .endr
        # what is not in use is left out
        call    fill
        vzeroupper
        STATE   xsavec, 7
        PUTS    "upper halves clear\n"
        SHOWN   "  xstate_bv", 1, "area + 512"
        SHOW    "  upper half left", "area + 576 + 48"
        # MXCSR counts as SSE
        call    clear_header
        STATE   xrstor, 7
        ldmxcsr other_mxcsr
        call    fill
        STATE   xsavec, 7
        PUTS    "only mxcsr\n"
        SHOWN   "  xstate_bv & 2", 1, "area + 512"
        SHOW    "  mxcsr", "area + 24"
        ldmxcsr initial_mxcsr
        # back
        call    clear_header
        vmovups numbers, %ymm3
        .irp    how, xrstor, xrstors
        vmovups numbers, %ymm3
        STATE   xsavec, 7
        vzeroall
        STATE   \how, 4
        YMM     "\how of AVX", ymm3
        vzeroall
        STATE   \how, 7
        YMM     "\how of all", ymm3
        STATE   xsavec, 6
        vpcmpeqd %ymm3, %ymm3, %ymm3
        andl    $~2, area + 512
        ldmxcsr other_mxcsr
        STATE   \how, 6
        YMM     "\how, SSE not in it", ymm3
        stmxcsr scratch
        SHOW    "  mxcsr", scratch
        # a component that the image has no room for
        STATE   xsavec, 3
        vpcmpeqd %ymm3, %ymm3, %ymm3
        STATE   \how, 4
        YMM     "\how of AVX, not in xcomp_bv", ymm3
        .endr
        ret

bad:    fninit
        vmovups numbers, %ymm3
        STATE   xsave, 7
        TRY     "xrstors of the standard form", "STATE xrstors, 7"
        call    clear_header
        .irp    how, xrstor, xrstors
        STATE   xsavec, 7
        TRY     "\how", "STATE \how, 7"
        orl     $8, area + 520
        TRY     "\how: xcomp_bv beyond xcr0", "STATE \how, 7"
        STATE   xsavec, 3
        orl     $4, area + 512
        TRY     "\how: xstate_bv beyond xcomp_bv", "STATE \how, 3"
        STATE   xsavec, 7
        movb    $1, area + 528
        TRY     "\how: byte 16 of the header", "STATE \how, 7"
        movb    $0, area + 528
        movb    $1, area + 575
        TRY     "\how: byte 63 of the header", "STATE \how, 7"
        movb    $0, area + 575
        orl     $2, area + 512
        orl     $0x10000, area + 24
        TRY     "\how: mxcsr reserved", "STATE \how, 2"
        TRY     "\how: mxcsr reserved, x87 asked for", "STATE \how, 1"
        andl    $~0x10000, area + 24
        SET_XCR 3
        TRY     "\how: AVX not in xcr0", "STATE \how, 3"
        SET_XCR 7
        TRY     "\how: good again", "STATE \how, 7"
        .endr
        YMM     "ymm3 all the time", ymm3
        ret

        .data
        .balign 32
numbers:
        .long   0x11111111, 2, 3, 4, 0x22222222, 6, 7, 8
initial_mxcsr:
        .long   0x1F80
other_mxcsr:
        .long   0x3F80

        .bss
        .balign 64
area:   .skip   2048
scratch:
        .skip   64
        .text
