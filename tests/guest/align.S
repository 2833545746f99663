# align.S - alignment checks: which operands, at which privilege level, and what they come before (SDM 3A 6.15 #AC,
# table 6-7). TCG 7.2 has none.
# options: -cpu max
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "v86.inc"

        .set    CR0_AM, 0x40000
        .set    AC, 0x40000

# CHECK "name", "instructions" that take DATA for an address: run at CPL 3 with AC set and DATA at offset 1, 2, 4 and 8;
# prints the offsets that fault, with the vector when it is not #AC(0).
        .macro  CHECK name, body
        PUTS    "\name:"
        .irp    offset, 1, 2, 4, 8
        .set    DATA, data + \offset
        call    ac_begin
        \body
        int     $VEC_USER_DONE
        call    ac_end
        .long   \offset
        .endr
        PUTS    "\n"
        .endm
# AC_TRY "name", "instructions": at CPL 3 with AC set, shown as by TRY.
        .macro  AC_TRY name, body
        call    ac_begin
        \body
        END_TRY_USER "\name"
        .endm

main:   INIT_TRAPS
        mov     %cr4, %eax
        or      $0x600, %eax
        mov     %eax, %cr4
        fninit
        call    off
        call    am_on
        call    integers
        call    stack
        call    pointers
        call    x87
        call    vectors
        call    levels
        call    order
        ret

am_on:  mov     %cr0, %eax
        or      $CR0_AM, %eax
        mov     %eax, %cr0
        ret
am_off: mov     %cr0, %eax
        and     $~CR0_AM, %eax
        mov     %eax, %cr0
        ret

ac_begin:
        popl    trap_base
        mov     %esp, trap_esp
        mov     %es, trap_es
        movl    $-1, trap_vector
        movl    $1, trap_armed
        push    $SEL_USER_DATA
        push    $user_stack
        push    $AC + 2
        push    $SEL_USER_CODE
        pushl   trap_base
        mov     $SEL_USER_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        iret
# Prints the offset, which lies behind the call, when it was #AC(0); another vector with a mark.
ac_end: pop     %eax
        mov     (%eax), %ecx
        add     $4, %eax
        push    %eax
        mov     trap_vector, %edx
        cmp     $-1, %edx
        je      2f
        PUTS    " "
        mov     %ecx, %eax
        mov     $1, %ecx
        call    print_digits
        cmp     $17, %edx
        je      1f
        PUTS    "!"
        mov     %edx, %eax
        mov     $2, %ecx
        call    print_digits
1:      cmpl    $0, trap_error
        je      2f
        PUTS    "?"
2:      ret

off:    CHECK   "AM off, dword", "mov DATA, %eax"
        ret

integers:
        CHECK   "byte", "mov DATA, %al"
        CHECK   "word", "mov DATA, %ax"
        CHECK   "dword", "mov DATA, %eax"
        CHECK   "store", "mov %eax, DATA"
        CHECK   "add to memory", "addl $1, DATA"
        CHECK   "lock xadd", "lock xadd %eax, DATA"
        CHECK   "xchg word", "xchg %ax, DATA"
        CHECK   "cmpxchg8b", "cmpxchg8b DATA"
        CHECK   "movzx word", "movzwl DATA, %eax"
        CHECK   "mov from segment", "movw %ds, DATA"
        CHECK   "mov to segment", "movl $0, data; movl $0, data + 4; movl $0, data + 8; movw DATA, %es"
        CHECK   "bt, register offset", "mov $32, %eax; bt %eax, DATA"
        CHECK   "btw, register offset", "mov $16, %eax; btw %ax, DATA"
        CHECK   "movsl, source", "mov $DATA, %esi; mov $data + 32, %edi; movsl"
        CHECK   "movsl, destination", "mov $data + 32, %esi; mov $DATA, %edi; movsl"
        CHECK   "rep movsb", "mov $DATA, %esi; mov $data + 33, %edi; mov $16, %ecx; rep movsb"
        CHECK   "rep movsl", "mov $DATA, %esi; mov $data + 32, %edi; mov $4, %ecx; rep movsl"
        CHECK   "rep stosw", "mov $DATA, %edi; mov $4, %ecx; rep stosw"
        CHECK   "cmpsl", "mov $DATA, %esi; mov $data + 32, %edi; cmpsl"
        CHECK   "lodsw", "mov $DATA, %esi; lodsw"
        CHECK   "scasl", "mov $DATA, %edi; scasl"
        CHECK   "movbe", "movbe DATA, %eax"
        CHECK   "jmp through memory", "movl $1f, data; movl $1f, data + 4; movl $1f, data + 8; jmp *DATA; 1:"
        CHECK   "lea, prefetch, nop", "lea DATA, %eax; prefetcht0 DATA; nopl DATA"
        ret

        .macro  STACK_AT at
        mov     $\at + 32, %esp
        .endm
stack:  CHECK   "push", "STACK_AT DATA; push %eax"
        CHECK   "pushw", "STACK_AT DATA; pushw %ax"
        CHECK   "pop", "STACK_AT DATA; pop %eax"
        CHECK   "pusha", "STACK_AT DATA; pusha"
        CHECK   "popa", "STACK_AT DATA; popa"
        CHECK   "pushf", "STACK_AT DATA; pushf"
        CHECK   "call", "STACK_AT DATA; call 1f; 1:"
        CHECK   "enter", "STACK_AT DATA; enter $8, $0"
        CHECK   "leave", "mov $DATA, %ebp; leave"
        # an interrupt's frame is on the stack of ring 0, and pushed there
        CHECK   "int 50h from a bad stack", "STACK_AT DATA; nop"
        ret

# Far pointers: 48 bits by 4, 32 bits by 2; table registers by 4.
pointers:
        .irp    at, 0, 4, 8, 12
        movl    $0, data + \at          # null selectors, and bounds that hold 0
        .endr
        CHECK   "les", "les DATA, %eax"
        CHECK   "les, 16 bits", "lesw DATA, %ax"
        CHECK   "bound", "xor %eax, %eax; bound %eax, DATA"
        CHECK   "bound, 16 bits", "xor %eax, %eax; boundw %ax, DATA"
        CHECK   "sgdt", "sgdt DATA"
        CHECK   "sidt", "sidt DATA"
        CHECK   "sldt", "sldt DATA"
        .irp    offset, 1, 2, 4
        movl    $1f, data + \offset
        movw    $SEL_USER_CODE, data + \offset + 4
        .set    DATA, data + \offset
        AC_TRY  "ljmp, offset \offset", "ljmp *DATA; 1:"
        .endr
        ret

x87:    CHECK   "flds", "flds DATA; fstp %st"
        CHECK   "fldl", "fldl DATA; fstp %st"
        CHECK   "fldt", "fldt DATA; fstp %st"
        CHECK   "fildll", "fildll DATA; fstp %st"
        CHECK   "fisttps", "fld1; fisttps DATA"
        CHECK   "fstpl", "fld1; fstpl DATA"
        CHECK   "fbstp", "fld1; fbstp DATA"
        CHECK   "fnstcw", "fnstcw DATA"
        CHECK   "fnstsw", "fnstsw DATA"
        CHECK   "fnstenv", "fnstenv DATA"
        CHECK   "fnstenv, 16 bits", "data16 fnstenv DATA"
        CHECK   "fnsave", "fnsave DATA"
        fninit
        ret

# 16 bytes and more have their own rules: #GP or nothing (SDM 3A 6.15).
vectors:
        CHECK   "movd", "movd DATA, %xmm0"
        CHECK   "movq", "movq DATA, %xmm0"
        CHECK   "movq mm", "movq DATA, %mm0; emms"
        CHECK   "movss", "movss DATA, %xmm0"
        CHECK   "movsd", "movsd DATA, %xmm0"
        CHECK   "movhps", "movhps DATA, %xmm0"
        CHECK   "addsd", "addsd DATA, %xmm0"
        CHECK   "cvtsi2sd", "cvtsi2sd DATA, %xmm0"
        CHECK   "stmxcsr", "stmxcsr DATA"
        CHECK   "movaps", "movaps DATA, %xmm0"
        CHECK   "movnti", "movnti %eax, DATA"
        ret

# CPL 3 only: not rings 0 to 2, not V86's monitor; in V86 too.
levels: TRY     "ring 0", "pushl $AC + 2; popf; mov data + 1, %eax; pushl $2; popf"
        AC_TRY  "descriptor of a misaligned table", "movw selector, %ax; movw %ax, %es"
        # the monitor's own accesses for CPL 3 are not the program's: GDT and TSS at odd addresses
        mov     $gdt, %esi
        mov     $odd_gdt, %edi
        mov     $64, %ecx
        rep     movsb
        movw    $63, odd_pointer
        movl    $odd_gdt, odd_pointer + 2
        lgdt    odd_pointer
        AC_TRY  "GDT at an odd address", "movw selector, %ax; movw %ax, %es; nop"
        lgdt    gdt_pointer
        COPY_V86
        V86     "V86, AC", 3, v86_odd, AC
        V86     "V86, no AC", 3, v86_odd
        # POPF at CPL 3 sets AC, and it counts for the next access
        TRY_USER "popf sets it", "pushf; orl $AC, (%esp); popf; mov data + 1, %eax"
        SHOW    "  eflags", trap_eflags
        # an interrupt keeps AC; it is the CPL that counts in the handler
        SET_GATE 0x50, handler, 0xEE
        AC_TRY  "handler", "int $0x50; nop"
        SET_GATE 0x50, trap_stub_05
        call    am_off
        AC_TRY  "AM off", "mov data + 1, %eax"
        call    am_on
        AC_TRY  "AM on again", "mov data + 1, %eax"
        ret
handler:
        push    %eax
        mov     %ss:data + 1, %eax
        pop     %eax
        iret

# A segment's check comes before, and nothing is done: POP leaves ESP, XADD its register.
order:  AC_TRY  "null segment", "xor %eax, %eax; mov %eax, %fs; mov %fs:1, %eax"
        AC_TRY  "pop to memory", "mov $user_stack - 64, %esp; popl data + 1"
        mov     trap_user_esp, %eax
        sub     $user_stack - 64, %eax
        SHOW    "  esp", "%eax"
        AC_TRY  "xadd", "mov $0x77, %eax; xadd %eax, data + 1"
        SHOW    "  eax", trap_eax
        ret

        .code16
v86_code:
v86_odd:
        movw    1, %ax
        int     $VEC_USER_DONE
v86_end:
        .code32

        .data
selector:
        .long   SEL_USER_DATA

        .bss
        .balign 64
data:   .skip   256
        .skip   1
odd_gdt:
        .skip   64
odd_pointer:
        .skip   8
        .text
