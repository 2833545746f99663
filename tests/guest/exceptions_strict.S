# exceptions_strict.S - what TCG 7.2 does not check or gets wrong; the expectation is the manual's.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"

main:   INIT_TRAPS
        # INT1 is a trap and, unlike INT n, does not look at the gate's DPL (SDM 3A 6.12.1.2, SDM 2A INT)
        TRY     "int1", ".byte 0xF1"
        TRY_USER "user int1, DPL 0", ".byte 0xF1"
        # LOCK with an instruction or a form that does not allow it (SDM 2A LOCK)
        TRY     "lock mov", ".byte 0xF0, 0x89, 0x03"
        TRY     "lock cmp", ".byte 0xF0, 0x39, 0x03"
        TRY     "lock bt", ".byte 0xF0, 0x0F, 0xA3, 0x03"
        TRY     "lock nop", ".byte 0xF0, 0x90"
        # MMX and SSE with EM are #UD, not #NM (SDM 3A table 2-2)
        TRY     "emms, EM", "mov %cr0, %eax; or $4, %eax; mov %eax, %cr0; emms"
        TRY     "movq, EM and TS", "mov %cr0, %eax; or $8, %eax; mov %eax, %cr0; movq %mm0, %mm1"
        TRY     "fnop, EM and TS", "fnop"
        mov     %cr0, %eax
        and     $~0xC, %eax
        mov     %eax, %cr0
        # SDM 2B MOV to control register
        TRY     "mov cr0, PG without PE", "mov %cr0, %eax; and $~1, %eax; or $0x80000000, %eax; mov %eax, %cr0"
        TRY     "mov cr0, NW without CD", "mov %cr0, %eax; or $0x20000000, %eax; and $~0x40000000, %eax; mov %eax, %cr0"
        TRY     "mov cr4, reserved bit", "mov %cr4, %eax; or $0x80000000, %eax; mov %eax, %cr4"
        TRY     "rdmsr, no such", "mov $0x12345678, %ecx; rdmsr"
        TRY     "wrmsr, no such", "mov $0x12345678, %ecx; wrmsr"
        # segment types and null selectors
        TRY     "write to code", "movl $0, %cs:bounds"
        TRY     "null DS", "xor %eax, %eax; mov %eax, %ds; mov bounds, %eax"
        TRY     "null ES, string", "xor %eax, %eax; mov %eax, %es; mov $bounds, %esi; mov %esi, %edi; movsb"
        movl    $0x0000FFFF, gdt + 0x30
        movl    $0x00CF9100, gdt + 0x34
        TRY     "write to read-only", "mov $0x30, %eax; mov %eax, %es; mov %es:bounds, %ecx; mov %ecx, %es:bounds"
        TRY     "ltr null", "xor %eax, %eax; ltr %ax"
        # EXT is set when an exception led to the exception (SDM 3A 6.13)
        movw    $SEL_DATA, idt + 6 * 8 + 2
        TRY     "#UD through a gate to data", "ud2"
        SET_GATE 6, trap_stub_06, 0x0E
        TRY     "#UD through no gate", "ud2"
        SET_GATE 6, trap_stub_06
        # #AC: CPL 3, EFLAGS.AC and CR0.AM (SDM 3A 6.15); not for accesses of CPL 0
        mov     %cr0, %eax
        or      $0x40000, %eax
        mov     %eax, %cr0
        TRY_USER "word, no AC", "mov scratch + 1, %ax"
        TRY_USER "word", "pushf; orl $0x40000, (%esp); popf; mov scratch + 1, %ax"
        TRY_USER "dword", "pushf; orl $0x40000, (%esp); popf; mov %eax, scratch + 2"
        TRY_USER "aligned", "pushf; orl $0x40000, (%esp); popf; mov %eax, scratch + 4"
        TRY_USER "fld qword", "pushf; orl $0x40000, (%esp); popf; fldl scratch + 4"
        TRY_USER "fnstenv", "pushf; orl $0x40000, (%esp); popf; fnstenv scratch + 2"
        TRY_USER "fnstenv, aligned", "pushf; orl $0x40000, (%esp); popf; fnstenv scratch + 4"
        TRY_USER "fldt", "pushf; orl $0x40000, (%esp); popf; fldt scratch + 4"
        TRY_USER "fldt, aligned", "pushf; orl $0x40000, (%esp); popf; fldt scratch + 8"
        TRY_USER "push", "pushf; orl $0x40000, (%esp); popf; dec %esp; push %eax"
        TRY_USER "movsd", "pushf; orl $0x40000, (%esp); popf; mov $scratch + 1, %esi; mov $scratch + 8, %edi; movsl"
        TRY     "dword, CPL 0", "pushf; orl $0x40000, (%esp); popf; mov scratch + 1, %eax; pushf; andl $~0x40000, (%esp); popf"
        ret

        .data
        .balign 16
bounds:
scratch:
        .skip   64
        .text
