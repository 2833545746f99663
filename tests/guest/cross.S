# cross.S - SYSENTER and SYSEXIT, and loads of segment registers, fifty times; in the 25th something is different: what decides about
# them has changed, or an interrupt waits for IF.
# TCG checks neither limits nor types nor null selectors where a segment is used.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "cross.inc"

        .set    ROUNDS, 50
        .set    SEL_TEST, 0x30          # of the GDT that changes
        .set    SEL_TEST3, 0x3B
        .set    SEL_SHORT, 0x50
        .set    SEL_OTHER, 0x40         # 40h to 58h: another four for SYSENTER

# CROSS "name", special [, user code before SYSENTER]: EBX counts the rounds of CPL 3.
        .macro  CROSS name, special, body="nop"
        movl    $ROUNDS, rounds
        movl    $\special, special
        xor     %ebx, %ebx
        TRY_USER "\name", "7: inc %ebx; \body; mov %esp, %ecx; mov $8f, %edx; sysenter; 8: cmpl $0, rounds; jne 7b"
        SHOW    "  rounds", "%ebx"
        .endm

# LOADS "name", selector, special, "load", "use": the load takes its selector from EAX; EDI is the sum of what was used.
        .macro  LOADS name, sel, special, load, use
        movl    $ROUNDS, rounds
        movl    $\special, special
        mov     $\sel, %eax
        mov     %eax, selector
        xor     %edi, %edi
        TRY     "\name", "7: mov selector, %eax; \load; \use; add %edx, %edi; call round; jne 7b"
        SHOW    "  sum", "%edi"
        SHOW    "  rounds left", rounds
        .endm

main:   INIT_TRAPS
        INIT_CROSS
        WRITE_MSR MSR_CS, SEL_CODE
        WRITE_MSR MSR_ESP, kernel_stack
        WRITE_MSR MSR_EIP, entry
        call    calls
        call    loads
        call    pops
        ret

calls:  CROSS   "nothing", nothing
        CROSS   "an interrupt waits", interrupt
        call    interrupt_show
        CROSS   "DF of CPL 3", nothing, "std"
        cld
        CROSS   "flags", other_flags, "pushf; popl flags_seen"
        SHOW    "  flags", flags_seen
        SHOW    "  flags of CPL 0", kernel_flags
        CROSS   "TF", trap_flag
        CROSS   "NT", nested, "pushf; popl flags_seen"
        SHOW    "  flags", flags_seen
        pushl   $2
        popf
        CROSS   "IOPL 3", iopl, "cmp $ROUNDS / 2 + 1, %ebx; jb 9f; cli; 9:"
        pushl   $0x3002
        popf
        CROSS   "IOPL 0 again", iopl_0, "cli"
        pushl   $2
        popf
        CROSS   "AC", alignment, "pushf; popl flags_seen"
        SHOW    "  flags", flags_seen
        pushl   $2
        popf
        mov     %cr0, %eax
        or      $0x40000, %eax
        mov     %eax, %cr0
        CROSS   "AC and AM", alignment, "mov user_word + 1, %esi"
        pushl   $2
        popf
        mov     %cr0, %eax
        and     $~0x40000, %eax
        mov     %eax, %cr0
        CROSS   "no CS", no_cs
        WRITE_MSR MSR_CS, SEL_CODE
        CROSS   "other CS", other_cs, "mov %cs, %esi; mov %ss, %edi"
        SHOW    "  cs, ss", "%esi"
        SHOW    "  ss", "%edi"
        SHOW    "  of CPL 0", kernel_sels
        WRITE_MSR MSR_CS, SEL_CODE
        CROSS   "other entry", other_entry
        WRITE_MSR MSR_EIP, entry
        WRITE_MSR MSR_ESP, kernel_stack
        CROSS   "DS of CPL 0", inner_ds, "movl $0x1234, user_word"
        SHOW    "  stored", user_word
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        WRITE_MSR MSR_EIP, fs_entry
        CROSS   "FS on both sides", nothing, "mov $SEL_USER_DATA, %eax; mov %eax, %fs; addl $1, %fs:user_word"
        SHOW    "  stored", user_word
        WRITE_MSR MSR_EIP, entry
        ret

# ECX and EDX are the user's ESP and EIP.
entry:  mov     %cs, kernel_sels
        mov     %ss, kernel_sels + 2
        pushf
        popl    kernel_flags
        mov     %edx, call_edx
        decl    rounds
        cmpl    $ROUNDS / 2, rounds
        jne     1f
        call    *special
1:      sysexit
fs_entry:
        addl    $0x10000, %fs:user_word
        jmp     entry
second_entry:
        incl    second
        jmp     entry

nothing:
        ret
# The STI in front of SYSEXIT holds it back.
interrupt:
        call    request
        add     $4, %esp
        sti
        sysexit
other_flags:
        mov     $0xD7, %ah
        mov     $0x7F, %al
        add     $1, %al
        sahf
        ret
trap_flag:
        add     $4, %esp
        pushl   $0x102
        popf
        sysexit
nested: pushl   $0x4002
        popf
        ret
iopl:   pushl   $0x3002
        popf
        ret
iopl_0: pushl   $2
        popf
        ret
alignment:
        pushl   $0x40002
        popf
        ret
no_cs:  push    %ecx
        push    %edx
        WRITE_MSR MSR_CS, 0
        pop     %edx
        pop     %ecx
        ret
other_cs:
        WRITE_MSR MSR_CS, SEL_OTHER
        ret
other_entry:
        WRITE_MSR MSR_EIP, second_entry
        WRITE_MSR MSR_ESP, kernel_stack-64
        ret
inner_ds:
        push    %eax
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %fs
        pop     %eax
        ret

# ZF: no more rounds.
round:  decl    rounds
        cmpl    $ROUNDS / 2, rounds
        jne     1f
        call    *special
1:      cmpl    $0, rounds
        ret

# The descriptor SEL_TEST is of, anew: base words, limit 4 GiB, DPL 0.
        .macro  FRESH base=words
        movl    $0x0000FFFF, big_gdt + SEL_TEST
        movl    $0x00CF9300, big_gdt + SEL_TEST + 4
        push    %eax
        mov     $\base, %eax
        mov     %ax, big_gdt + SEL_TEST + 2
        shr     $16, %eax
        mov     %al, big_gdt + SEL_TEST + 4
        pop     %eax
        .endm
        .macro  EACH reg
        FRESH
        LOADS   "\reg", SEL_TEST, nothing, "mov %eax, %\reg", "mov %\reg:4, %edx"
        LOADS   "\reg, base", SEL_TEST, new_base, "mov %eax, %\reg", "mov %\reg:4, %edx"
        FRESH
        LOADS   "\reg, limit", SEL_TEST, new_limit, "mov %eax, %\reg", "mov %\reg:4, %edx"
        FRESH
        LOADS   "\reg, not present", SEL_TEST, not_present, "mov %eax, %\reg", "mov %\reg:4, %edx"
        FRESH
        LOADS   "\reg, execute only", SEL_TEST, execute_only, "mov %eax, %\reg", "mov %\reg:4, %edx"
        FRESH
        LOADS   "\reg, read only", SEL_TEST, read_only, "mov %eax, %\reg", "mov %\reg:4, %edx; mov %edx, %\reg:4"
        FRESH
        LOADS   "\reg, not accessed", SEL_TEST, not_accessed, "mov %eax, %\reg", "mov %\reg:4, %edx"
        SHOWN   "  type", 2, "big_gdt + SEL_TEST + 5"
        FRESH
        LOADS   "\reg, null", SEL_TEST, null, "mov %eax, %\reg", "mov %\reg:4, %edx"
        LOADS   "\reg, null every other time", SEL_TEST, nothing, "mov %eax, %\reg; mov $3, %esi; mov %esi, %\reg; mov %\reg, %ecx; mov %eax, %\reg", "mov %\reg:4, %edx; add %ecx, %edx"
        movw    $6, big_gdt + SEL_SHORT
        movb    $0x40, big_gdt + SEL_SHORT + 6
        LOADS   "\reg, limited every other time", SEL_TEST, short, "mov $SEL_SHORT, %ecx; mov %ecx, %\reg; mov %eax, %\reg", "mov %\reg:4, %edx"
        LOADS   "\reg, RPL 3", SEL_TEST, outer_rpl, "mov %eax, %\reg", "mov %\reg:4, %edx"
        LOADS   "\reg, LDT", SEL_TEST, local, "mov %eax, %\reg", "mov %\reg:4, %edx"
        LOADS   "\reg, another GDT", SEL_TEST, another_gdt, "mov %eax, %\reg", "mov %\reg:4, %edx"
        lgdt    big_pointer
        LOADS   "\reg, a shorter GDT", SEL_TEST, shorter_gdt, "mov %eax, %\reg", "mov %\reg:4, %edx"
        lgdt    big_pointer
        LOADS   "\reg, from memory", SEL_TEST, new_base, "mov selector, %\reg", "mov %\reg:4, %edx"
        .endm
loads:  EACH    fs
        EACH    gs
        # flat ones, as kernels have them
        .irp    reg, ds, es
        LOADS   "\reg, flat", SEL_DATA, nothing, "mov %eax, %\reg", "mov %\reg:words + 4, %edx"
        LOADS   "\reg, flat, of CPL 3", SEL_USER_DATA, nothing, "mov %eax, %\reg; mov $SEL_DATA, %ecx; mov %ecx, %\reg", "mov %\reg:words + 4, %edx; mov %\reg, %ecx; add %ecx, %edx"
        LOADS   "\reg, not flat", SEL_DATA, other_selector, "mov %eax, %\reg", "mov %\reg:words + 4, %edx; mov $SEL_DATA, %eax; mov %eax, %\reg"
        LOADS   "\reg, not present", SEL_USER_DATA, flat_absent, "mov %eax, %\reg", "mov %\reg:words + 4, %edx"
        movb    $0xF3, big_gdt + (SEL_USER_DATA & ~7) + 5
        .endr
        ret

pops:   FRESH
        LOADS   "pop %fs", SEL_TEST, new_base, "push %eax; mov %esp, %ecx; pop %fs; sub %esp, %ecx", "mov %fs:4, %edx; add %ecx, %edx"
        FRESH
        LOADS   "pop %fs, not present", SEL_TEST, not_present, "push %eax; mov %esp, %esi; pop %fs", "mov %fs:4, %edx"
        mov     trap_old_esp, %eax
        sub     trap_esi, %eax
        SHOW    "  esp", "%eax"
        FRESH
        LOADS   "push, pop of all", SEL_TEST, new_base, "push %ds; push %es; push %fs; push %gs; mov %eax, %gs; mov %eax, %fs; pop %gs; pop %fs; pop %es; pop %ds", "mov %gs, %edx"
        LOADS   "pop %ds of CPL 3's", SEL_USER_DATA, flat_absent, "push %eax; pop %ds; push $SEL_DATA; pop %es", "mov %ds:words, %edx"
        movb    $0xF3, big_gdt + (SEL_USER_DATA & ~7) + 5
        # user code loads segment registers, too
        movl    $ROUNDS, user_rounds
        TRY_USER "CPL 3", "1: mov $SEL_USER_DATA, %eax; mov %eax, %fs; mov %fs:words, %edx; xor %eax, %eax; mov %eax, %fs; decl user_rounds; jnz 1b; mov $SEL_DATA, %eax; mov %eax, %fs"
        ret

new_base:
        FRESH   words+16
        ret
new_limit:
        andb    $0x70, big_gdt + SEL_TEST + 6
        movw    $6, big_gdt + SEL_TEST
        ret
not_present:
        andb    $0x7F, big_gdt + SEL_TEST + 5
        ret
execute_only:
        movb    $0x99, big_gdt + SEL_TEST + 5
        ret
read_only:
        movb    $0x91, big_gdt + SEL_TEST + 5
        ret
not_accessed:
        andb    $0xFE, big_gdt + SEL_TEST + 5
        ret
flat_absent:
        andb    $0x7F, big_gdt + (SEL_USER_DATA & ~7) + 5
        ret
null:   movl    $2, selector
        ret
short:  movl    $SEL_SHORT, selector
        ret
outer_rpl:
        orl     $3, selector
        ret
local:  orl     $4, selector
        ret
other_selector:
        movl    $SEL_TEST, selector
        ret
another_gdt:
        push    %esi
        push    %edi
        push    %ecx
        mov     $big_gdt, %esi
        mov     $second_gdt, %edi
        mov     $24, %ecx
        rep     movsl
        pop     %ecx
        pop     %edi
        pop     %esi
        addw    $16, second_gdt + SEL_TEST + 2
        lgdt    second_pointer
        ret
shorter_gdt:
        lgdt    shorter_pointer
        ret

        .data
        .balign 16
words:  .long   1, 0x10, 3, 4, 5, 0x1000, 7, 8
second_gdt:
        .skip   0x60
second_pointer:
        .word   0x5F
        .long   second_gdt
shorter_pointer:
        .word   SEL_TEST - 1
        .long   big_gdt
user_word:
        .long   0
second: .long   0

        .bss
        .balign 16
special:
        .skip   4
selector:
        .skip   4
rounds: .skip   4
user_rounds:
        .skip   4
kernel_sels:
        .skip   4
kernel_flags:
        .skip   4
flags_seen:
        .skip   4
        .skip   4096
kernel_stack:
        .skip   16
        .text
