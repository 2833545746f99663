# segment_limits.S - limits and types, byte by byte (SDM 3A 5.3-5.5). TCG checks neither; the expectation is the
# manual's: #GP(0) for DS ES FS GS CS, #SS(0) for SS, before anything is written.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "segment.inc"

main:   INIT_TRAPS
        call    plain
        call    down
        call    pages
        call    types
        call    strings
        call    stacks
        call    code
        call    wide
        call    fs_limits
        call    user
        ret

        .macro  EDGE reg, text, at
        TRY     "\text byte", "mov %\reg:\at, %al"
        TRY     "\text byte written", "mov %al, %\reg:\at"
        TRY     "\text word", "mov %\reg:\at - 1, %ax"
        TRY     "\text word over it", "mov %\reg:\at, %ax"
        TRY     "\text dword", "mov %\reg:\at - 3, %eax"
        TRY     "\text dword over it", "mov %eax, %\reg:\at - 2"
        TRY     "\text byte beyond", "mov %\reg:\at + 1, %al"
        TRY     "\text add beyond", "add %al, %\reg:\at + 1"
        .endm

plain:  SEGMENT SEL_A, bytes, 99, DATA_RW
        LOAD_SEG es, SEL_A
        EDGE    es, "99:", 99
        TRY     "dword at -1", "mov %es:-1, %eax"
        TRY     "fld tbyte over it", "fldt %es:91"
        TRY     "fld tbyte", "fldt %es:90; fstp %st"
        TRY     "cmpxchg8b over it", "cmpxchg8b %es:93"
        TRY     "bts far", "mov $800, %eax; bts %eax, %es:0"
        TRY     "bts inside", "mov $799, %eax; bts %eax, %es:0"
        TRY     "lea beyond", ".byte 0x26, 0x8D, 0x05, 200, 0, 0, 0"
        TRY     "les over it", "les %es:95, %eax"
        TRY     "bound over it", "bound %eax, %es:93"
        SEGMENT SEL_A, bytes, 0, DATA_RW
        LOAD_SEG es, SEL_A
        TRY     "limit 0, byte 0", "mov %es:0, %al"
        TRY     "limit 0, byte 1", "mov %es:1, %al"
        TRY     "limit 0, word", "mov %es:0, %ax"
        ret

# Expand-down: the limit is the last byte that is outside; the upper bound is 4 GiB or 64 KiB.
down:   SEGMENT SEL_A, bytes, 99, DATA_DOWN
        LOAD_SEG es, SEL_A
        TRY     "down, 99", "mov %es:99, %al"
        TRY     "down, 100", "mov %es:100, %al"
        TRY     "down, word at 99", "mov %es:99, %ax"
        TRY     "down, 0", "mov %es:0, %al"
        TRY     "down, FFFFFFFF", "mov %es:-1, %al"
        TRY     "down, word at FFFFFFFF", "mov %es:-1, %ax"
        TRY     "down, 10000h", "mov %es:0x10000, %al"
        SEGMENT SEL_A, bytes, 99, DATA_DOWN, BYTES16
        LOAD_SEG es, SEL_A
        TRY     "down 16, FFFFh", "mov %es:0xFFFF, %al"
        TRY     "down 16, word at FFFFh", "mov %es:0xFFFF, %ax"
        TRY     "down 16, 10000h", "mov %es:0x10000, %al"
        SEGMENT SEL_A, bytes, 1, DATA_DOWN, PAGES32
        LOAD_SEG es, SEL_A
        TRY     "down pages, 1FFFh", "mov %es:0x1FFF, %al"
        TRY     "down pages, 2000h", "mov %es:0x2000, %al"
        ret

pages:  SEGMENT SEL_A, bytes, 0, DATA_RW, PAGES32
        LOAD_SEG es, SEL_A
        EDGE    es, "FFF:", 0xFFF
        ret

types:  SEGMENT SEL_A, bytes, 99, DATA_RO
        LOAD_SEG es, SEL_A
        TRY     "read-only, read", "mov %es:0, %al"
        TRY     "read-only, write", "mov %al, %es:0"
        TRY     "read-only, add", "add %al, %es:0"
        TRY     "read-only, cmp", "cmp %al, %es:0"
        TRY     "read-only, stos", "xor %edi, %edi; stosb"
        TRY     "read-only, scas", "xor %edi, %edi; scasb"
        TRY     "read-only, pop", "push $0; popl %es:0"
        TRY     "read-only, sete", "sete %es:0"
        TRY     "read-only, cmpxchg", "cmpxchg %al, %es:0"
        TRY     "read-only, bt", "bt %eax, %es:0"
        TRY     "read-only, fst", "fsts %es:0"
        LOAD_SEG es, SEL_DATA
        SEGMENT SEL_A, 0, 0xFFFFF, CODE_X, PAGES32
        call    trap_begin
        ljmp    $SEL_A, $1f
1:      mov     %cs:bytes, %al
        call    trap_end
        PUTS    "execute-only, cs: "
        call    trap_show
        ljmp    $SEL_CODE, $1f
1:      LOAD_SEG es, 0
        TRY     "null, read", "mov %es:0, %al"
        TRY     "null, write", "mov %al, %es:0"
        TRY     "null, pop", "push $0; popl %es:0"
        TRY     "null, lea", ".byte 0x26, 0x8D, 0x05, 200, 0, 0, 0"
        TRY     "null, rep stos of none", "xor %ecx, %ecx; rep stosb"
        ret

# Where a string instruction stops: registers at the element that failed.
strings:
        SEGMENT SEL_A, bytes, 99, DATA_RW
        LOAD_SEG es, SEL_A
        TRY     "rep stosb", "xor %edi, %edi; mov $200, %ecx; rep stosb"
        SHOW    "edi", trap_edi
        SHOW    "ecx", trap_ecx
        TRY     "rep stosl", "mov $2, %edi; mov $200, %ecx; rep stosl"
        SHOW    "edi", trap_edi
        SHOW    "ecx", trap_ecx
        TRY     "rep movsw", "mov $90, %edi; mov $bytes + 500, %esi; mov $20, %ecx; rep movsw"
        SHOW    "edi", trap_edi
        mov     trap_esi, %eax
        sub     $bytes, %eax
        SHOW    "esi", "%eax"
        SHOW    "ecx", trap_ecx
        TRY     "rep movsb backwards", "std; mov $5, %edi; mov $bytes + 500, %esi; mov $20, %ecx; rep movsb; cld"
        SHOW    "edi", trap_edi
        SHOW    "ecx", trap_ecx
        cld
        SEGMENT SEL_B, bytes, 49, DATA_RW
        LOAD_SEG fs, SEL_B
        TRY     "rep movsb, source ends", "xor %esi, %esi; xor %edi, %edi; mov $80, %ecx; rep movsb %fs:(%esi), %es:(%edi)"
        SHOW    "edi", trap_edi
        SHOW    "ecx", trap_ecx
        TRY     "lodsl over it", "mov $47, %esi; lodsl %fs:(%esi)"
        SHOW    "esi", trap_esi
        ret

# Stacks: #SS(0), ESP as before. The frame of #SS must fit the stack it is about; that it does not is stack_fault.S's.
stacks: SEGMENT SEL_A, stack_area, 0xFF, DATA_RW
        mov     $SEL_A, %ecx
        mov     %esp, %edx
        TRY     "(ebp) beyond", "mov %ecx, %ss; mov $0xF0, %esp; mov $0xFD, %ebp; mov (%ebp), %eax"
        SHOW    "nothing read", "stack_area + 0x100"
        TRY     "(ebp) inside", "mov %ecx, %ss; mov $0xF0, %esp; mov $0xFC, %ebp; mov (%ebp), %eax; mov $SEL_DATA, %eax; mov %eax, %ss; mov %edx, %esp"
        TRY     "(esp + 20h)", "mov %ecx, %ss; mov $0xF0, %esp; mov %eax, 0x20(%esp)"
        TRY     "ss: byte", "mov %ecx, %ss; mov $0xF0, %esp; mov %al, %ss:0x100"
        TRY     "pop at the end", "mov %ecx, %ss; mov $0x100 - 2, %esp; pop %eax"
        mov     trap_old_esp, %eax
        SHOW    "esp", "%eax"
        TRY     "leave", "mov %ecx, %ss; mov $0xF0, %esp; mov $0x100, %ebp; leave"
        SHOW    "ebp", trap_ebp
        TRY     "popa", "mov %ecx, %ss; mov $0xF0, %esp; mov $0x1234, %eax; popa"
        SHOW    "eax", trap_eax
        TRY     "lret", "mov %ecx, %ss; mov $0xFC, %esp; lret"
        TRY     "iret", "mov %ecx, %ss; mov $0xF8, %esp; iret"
        TRY     "popf", "mov %ecx, %ss; mov $0xFE, %esp; popf"
        TRY     "ret", "mov %ecx, %ss; mov $0xFD, %esp; ret"
        TRY     "pop es", "mov %ecx, %ss; mov $0xFD, %esp; pop %es"
        # ENTER's frame may not fit; PUSHA to a stack of 16 bytes
        SEGMENT SEL_A, stack_area + 0x1000, 0xFF, DATA_DOWN
        TRY     "enter", "mov %ecx, %ss; mov $0x180, %esp; mov $0x77, %ebp; enter $0x100, $0"
        SHOW    "ebp", trap_ebp
        mov     trap_old_esp, %eax
        SHOW    "esp", "%eax"
        TRY     "expand-down stack, (ebp)", "mov %ecx, %ss; mov $0x180, %esp; mov $0xFD, %ebp; mov (%ebp), %eax"
        TRY     "expand-down stack, inside", "mov %ecx, %ss; mov $0x180, %esp; mov $0x100, %ebp; mov (%ebp), %eax; mov $SEL_DATA, %eax; mov %eax, %ss; mov %edx, %esp"
        ret

# CS: the last byte of the instruction must be inside.
code:   SEGMENT SEL_A, limited, limited_length-1, CODE_XR
        call    trap_begin
        ljmp    $SEL_A, $0
        call    trap_end
        PUTS    "runs over the limit: "
        call    trap_show
        SHOW    "eip", trap_eip
        SHOWN   "cs", 4, trap_cs
        TRY     "ljmp beyond", "ljmp $SEL_A, $limited_length"
        TRY     "lcall beyond", "lcall $SEL_A, $0x100000"
        TRY     "lret beyond", "push $SEL_A; push $limited_length; lret"
        TRY     "iret beyond", "pushf; push $SEL_A; push $limited_length; iret"
        # a near jump beyond: the fault is the jump's (SDM 2A JMP)
        SEGMENT SEL_A, limited_jump, limited_jump_length-1, CODE_XR
        call    trap_begin
        ljmp    $SEL_A, $0
        call    trap_end
        PUTS    "near jmp beyond: "
        call    trap_show
        SHOW    "eip", trap_eip
        SEGMENT SEL_A, limited_call, limited_call_length-1, CODE_XR
        mov     %esp, %ecx
        call    trap_begin
        ljmp    $SEL_A, $0
        call    trap_end
        PUTS    "near call beyond: "
        call    trap_show
        SHOW    "eip", trap_eip
        mov     trap_old_esp, %eax
        sub     %esp, %eax
        SHOW    "pushed", "%eax"
        TRY     "cs: beyond", "mov %cs:limited, %al"
        ret
limited:
        nop
        nop
        mov     $1, %eax
        nop
        .set    limited_length, . - limited - 2
        nop
        nop
limited_jump:
        nop
        .byte   0xEB, 0x40
        nop
        .set    limited_jump_length, . - limited_jump
limited_call:
        .byte   0xE8
        .long   0x1000
        nop
        .set    limited_call_length, . - limited_call

# 16-byte and larger operands.
wide:   mov     %cr4, %eax
        or      $0x200, %eax
        mov     %eax, %cr4
        SEGMENT SEL_A, bytes, 99, DATA_RW
        LOAD_SEG es, SEL_A
        TRY     "movups inside", "movups %es:84, %xmm0"
        TRY     "movups over it", "movups %es:85, %xmm0"
        TRY     "movups written over it", "movups %xmm0, %es:90"
        TRY     "movq over it", "movq %xmm0, %es:93"
        TRY     "movd at it", "movd %xmm0, %es:96"
        TRY     "fxsave over it", "fxsave %es:0"
        TRY     "fnsave over it", "fnsave %es:0"
        TRY     "fnstenv", "fnstenv %es:72"
        TRY     "fnstenv over it", "fnstenv %es:76"
        TRY     "sgdt over it", "sgdt %es:95"
        ret

# FS and GS, the ones flat code uses with other limits.
fs_limits:
        SEGMENT SEL_A, bytes, 99, DATA_RW
        LOAD_SEG fs, SEL_A
        EDGE    fs, "fs 99:", 99
        LOAD_SEG gs, 0
        TRY     "gs null", "mov %gs:0, %al"
        LOAD_SEG gs, SEL_A
        TRY     "gs again", "mov %gs:0, %al"
        SEGMENT SEL_B, bytes, 0xFFFFF, DATA_RO, PAGES32
        LOAD_SEG gs, SEL_B
        TRY     "gs read-only, read", "mov %gs:0, %al"
        TRY     "gs read-only, write", "mov %al, %gs:0"
        # the same instruction, limits that change between runs
        mov     $4, %edx
1:      LOAD_SEG fs, SEL_A
        TRY     "98", "mov %fs:98, %eax"
        LOAD_SEG fs, SEL_DATA
        sub     $2, %edx
        jnz     1b
        ret

user:   movb    $0xF3, gdt + SEL_A + 5
        TRY_USER "user, 99", "mov $SEL_A + 3, %eax; mov %eax, %es; mov %es:99, %al"
        TRY_USER "user, 100", "mov $SEL_A + 3, %eax; mov %eax, %es; mov %es:100, %al"
        TRY_USER "user, ds", "mov $SEL_A + 3, %eax; mov %eax, %ds; mov 99, %al; mov 100, %al"
        TRY_USER "user, null", "xor %eax, %eax; mov %eax, %ds; mov 0, %al"
        TRY_USER "user, ss", "mov $SEL_A + 3, %eax; mov %eax, %ss; mov $16, %esp; push %eax; sub $4, %esp; push %eax; push %eax; push %eax"
        SHOW    "esp", trap_user_esp
        ret

        .bss
        .balign 4096
bytes:  .skip   8192
stack_area:
        .skip   8192
        .text
