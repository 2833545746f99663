# fpu.S - x87 and SSE as a kernel meets them: #NM and CLTS, lazy switching, #MF and #XM, the pointers, MXCSR and registers
# over interrupts, FXSAVE images (SDM 1 8, 10, 11; SDM 3A 2.5, 13).
# TCG 7.2 has no unmasked SSE exceptions, no #NM for EMMS, no stack faults and checks no reserved bit of MXCSR.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"

        .set    CR0_TS, 8
        .set    CR0_NE, 0x20

        .macro  CR0_OR bits
        mov     %cr0, %eax
        or      $\bits, %eax
        mov     %eax, %cr0
        .endm

main:   INIT_TRAPS
        CR0_OR  CR0_NE + 2              # NE, MP
        mov     %cr4, %eax
        or      $0x600, %eax            # OSFXSR, OSXMMEXCPT
        mov     %eax, %cr4
        fninit
        call    lazy
        call    x87_errors
        call    pointers
        call    sse_errors
        call    images
        call    kept
        call    denormals
        call    user_switch
        ret

# Two contexts take turns; the FPU's state follows on #NM only.
lazy:   fninit
        fnsave  context0
        fnsave  context1
        movl    $0, owner
        SET_GATE 7, nm_handler
        mov     $1000, %ecx
1:      mov     %ecx, %eax
        and     $1, %eax
        mov     %eax, current
        CR0_OR  CR0_TS
        # the task: adds one, or two, to its own ST(0)
        cmpl    $0, current
        jne     2f
        fld1
        jmp     3f
2:      fld1
        fadd    %st, %st
3:      fstps   scratch
        mov     current, %eax
        mov     scratch, %ebx
        add     %ebx, sums(, %eax, 4)
        fldl    accumulators(, %eax, 8)
        fadds   scratch
        fstpl   accumulators(, %eax, 8)
        loop    1b
        SET_GATE 7, trap_stub_07
        clts
        fldl    accumulators
        fistpl  scratch
        SHOW    "first's sum", scratch
        fldl    accumulators + 8
        fistpl  scratch
        SHOW    "second's sum", scratch
        SHOW    "switches", switches
        # what sets TS and what looks at it
        CR0_OR  CR0_TS
        TRY     "fld1, TS", "fld1"
        TRY     "fnop, TS", "fnop"
        TRY     "fninit, TS", "fninit"
        TRY     "fxsave, TS", "fxsave image"
        TRY     "movaps, TS", "movaps %xmm0, %xmm1"
        TRY     "ldmxcsr, TS", "ldmxcsr mxcsr"
        TRY     "emms, TS", "emms"
        TRY     "prefetch, TS", "prefetcht0 image"
        TRY     "sfence, TS", "sfence"
        TRY     "movnti, TS", "movnti %eax, scratch"
        TRY     "clflush, TS", "clflush image"
        TRY     "pause, TS", "pause"
        TRY_USER "fld1 at CPL 3, TS", "fld1"
        smsw    %eax
        and     $8, %eax
        SHOWN   "TS", 1, "%eax"
        clts
        TRY     "fld1", "fld1; fstp %st"
        ret
nm_handler:
        pusha
        clts
        mov     owner, %eax
        mov     current, %ebx
        cmp     %eax, %ebx
        je      1f
        incl    switches
        imul    $108, %eax, %eax
        fnsave  context0(%eax)
        imul    $108, %ebx, %eax
        frstor  context0(%eax)
        mov     %ebx, owner
1:      popa
        iret

x87_errors:
        fninit
        movw    $0x37B, cw              # ZM open
        fldcw   cw
        TRY     "1/0", "fld1; fldz; fdivrp; nop; fnop; fwait"
        fnstsw  %ax
        and     $0xBF, %eax
        SHOWN   "status", 4, "%eax"
        TRY     "fnstsw does not report", "fnstsw %ax; fnstcw cw; fnclex"
        TRY     "after fnclex", "fwait; fld1; fstp %st"
        fninit
        movw    $0x37E, cw              # IM open
        fldcw   cw
        TRY     "stack underflow", "fadd %st(1), %st; fwait"
        fnclex
        TRY     "reported by the next", "fadd %st(1), %st; nop; nop; fld1"
        fnclex
        fninit
        TRY     "masked again", "fldz; fld1; fdivp; fwait; fstp %st"
        # an error opened by FLDCW is pending at once
        fninit
        fld1
        fldz
        fdivrp
        movw    $0x37B, cw
        TRY     "opened by fldcw", "fldcw cw; fwait"
        fnclex
        fninit
        TRY     "mmx after a pending error", "fldcw cw; fld1; fldz; fdivrp; emms"
        fnclex
        fninit
        ret

# FIP is the guest's address, FDP the operand's: of the instruction that caused a pending error. Without one, FDP is up
# to the CPU (SDM 1 8.1.8, FDP_EXCPTN_ONLY).
pointers:
        fninit
        movw    $0x37B, cw
        fldcw   cw
        fld1
1:      fdivl   zero
        fnstenv image
        mov     image + 12, %eax
        sub     $1b, %eax
        SHOW    "fip less the fdiv's", "%eax"
        mov     image + 20, %eax
        sub     $zero, %eax
        SHOW    "fdp less the operand's", "%eax"
        fninit
1:      fld1
        fnstenv image
        mov     image + 12, %eax
        sub     $1b, %eax
        SHOW    "fip less the fld's", "%eax"
        fninit
        ret

sse_errors:
        movl    $0x1F80 & ~0x200, mxcsr # ZM open
        ldmxcsr mxcsr
        movss   one, %xmm0
        xorps   %xmm1, %xmm1
        TRY     "divss by 0", "divss %xmm1, %xmm0; nop"
        stmxcsr scratch
        SHOWN   "mxcsr", 4, scratch
        movss   %xmm0, scratch
        SHOW    "kept", scratch
        mov     %cr4, %eax
        and     $~0x400, %eax
        mov     %eax, %cr4
        TRY     "divss by 0, no OSXMMEXCPT", "divss %xmm1, %xmm0; nop"
        mov     %cr4, %eax
        or      $0x400, %eax
        mov     %eax, %cr4
        movl    $0x1F80, mxcsr
        ldmxcsr mxcsr
        TRY     "masked", "divss %xmm1, %xmm0; nop"
        stmxcsr scratch
        SHOWN   "mxcsr", 4, scratch
        movss   %xmm0, scratch
        SHOW    "infinity", scratch
        movl    $0x10000, mxcsr
        TRY     "ldmxcsr, reserved bit", "ldmxcsr mxcsr"
        TRY     "movaps misaligned", "movaps image + 4, %xmm0"
        TRY     "movups misaligned", "movups image + 4, %xmm0"
        TRY     "addps misaligned", "addps image + 8, %xmm0"
        movl    $0x1F80, mxcsr
        ldmxcsr mxcsr
        ret

images: fninit
        fld1
        fldpi
        movl    $0x5F80, mxcsr          # round up
        ldmxcsr mxcsr
        movups  numbers, %xmm7
        fxsave  image
        SHOWN   "fcw", 4, image
        SHOWN   "fsw", 4, "image + 2"
        SHOWN   "abridged tag", 2, "image + 4"
        SHOWN   "mxcsr", 4, "image + 24"
        SHOW    "st0", "image + 32"
        SHOW    "st0", "image + 36"
        SHOWN   "st0", 4, "image + 40"
        SHOW    "xmm7", "image + 160 + 7 * 16 + 4"
        fninit
        xorps   %xmm7, %xmm7
        movl    $0x1F80, mxcsr
        ldmxcsr mxcsr
        fxrstor image
        fstps   scratch
        SHOW    "pi", scratch
        movups  %xmm7, scratch
        SHOW    "xmm7 again", "scratch + 8"
        stmxcsr scratch
        SHOWN   "mxcsr again", 4, scratch
        TRY     "fxsave misaligned", "fxsave image + 8"
        orl     $0x10000, image + 24
        TRY     "fxrstor, reserved mxcsr", "fxrstor image"
        movl    $0x1F80, mxcsr
        ldmxcsr mxcsr
        # FSAVE clears; FRSTOR brings it back
        fninit
        fldpi
        fldl    one_half
        fnsave  image
        SHOWN   "tag word", 4, "image + 8"
        fnstenv scratch
        SHOWN   "tag word after", 4, "scratch + 8"
        frstor  image
        fstps   scratch
        SHOW    "1.5", scratch
        # 16-bit image
        fninit
        fld1
        .byte   0x66
        fnsave  image
        SHOWN   "16-bit tag word", 4, "image + 4"
        SHOWN   "16-bit st0", 4, "image + 14 + 8"
        ret

# An interrupt handler that uses everything, saves and restores it.
kept:   SET_GATE 0x50, rude_handler
        movl    $0x7F80, mxcsr          # truncate
        ldmxcsr mxcsr
        movw    $0xF7F, cw
        fninit
        fldcw   cw
        fldpi
        movups  numbers, %xmm3
        mov     $100, %ecx
1:      int     $0x50
        loop    1b
        stmxcsr scratch
        SHOWN   "mxcsr", 4, scratch
        fnstcw  scratch
        SHOWN   "cw", 4, scratch
        fistpl  scratch
        SHOW    "pi truncated", scratch
        cvtss2si numbers, %eax
        SHOW    "2.9 truncated", "%eax"
        movups  %xmm3, scratch
        SHOW    "xmm3", "scratch + 12"
        movl    $0x1F80, mxcsr
        ldmxcsr mxcsr
        cvtss2si numbers, %eax
        SHOW    "2.9 to nearest", "%eax"
        fninit
        ret
rude_handler:
        pusha
        fxsave  image
        fninit
        fld1
        fld1
        faddp
        fistpl  scratch
        movl    $0x1F80, mxcsr
        ldmxcsr mxcsr
        xorps   %xmm3, %xmm3
        fxrstor image
        popa
        iret

denormals:
        movl    $0x1F80, mxcsr
        ldmxcsr mxcsr
        movss   tiny, %xmm0
        mulss   half, %xmm0
        movss   %xmm0, scratch
        SHOW    "denormal", scratch
        movl    $0x9FC0, mxcsr          # FTZ, DAZ
        ldmxcsr mxcsr
        movss   tiny, %xmm0
        mulss   half, %xmm0
        movss   %xmm0, scratch
        SHOW    "flushed", scratch
        movl    $1, scratch
        movss   scratch, %xmm0
        addss   %xmm0, %xmm0
        movss   %xmm0, scratch
        SHOW    "denormals are zero", scratch
        movl    $0x1F80, mxcsr
        ldmxcsr mxcsr
        flds    tiny
        fmuls   half
        fstps   scratch
        SHOW    "x87", scratch
        fnstsw  %ax
        and     $0x3F, %eax
        SHOWN   "its flags", 2, "%eax"
        fninit
        ret

# CPL 3 computes, CPL 0 looks.
user_switch:
        fninit
        TRY_USER "user computes", "fldpi; fldl one_half; faddp; movups numbers, %xmm2"
        fstps   scratch
        SHOW    "pi + 1.5", scratch
        movups  %xmm2, scratch
        SHOW    "xmm2", "scratch"
        ret

        .data
        .balign 16
numbers:
        .long   0x4039999A, 0x3F800000, 0xC0000000, 0x42280000  # 2.9, 1, -2, 42
one_half:
        .long   0, 0x3FF80000           # 1.5
one:    .long   0x3F800000
half:   .long   0x3F000000
zero:   .long   0, 0
tiny:   .long   0x00800000              # the smallest normal one
mxcsr:  .long   0
cw:     .word   0

        .bss
        .balign 16
image:  .skip   512
        .skip   16
scratch:
        .skip   64
context0:
        .skip   108
context1:
        .skip   108
owner:  .skip   4
current:
        .skip   4
switches:
        .skip   4
        .balign 8
accumulators:
        .skip   16
sums:   .skip   8
        .text
