# long_enter.S - into long mode and out of it: in the order that SDM 3A 9.8.5 gives, again and again, from paging and from real mode;
# the orders that fault.
# qemu: -cpu max,vendor=GenuineIntel
        .code32
        .include "lib.inc"
        .include "trap.inc"
        .include "long_enter.inc"

main:   INIT_TRAPS
        call    long_tables
        call    wrong
        call    there_and_back
        call    many_times
        call    legacy_after
        call    from_paging
        call    from_real
        ret

wrong:  SHOW_EFER "EFER"
        TRY     "SYSCALL without EFER.SCE", "syscall"
        EFER    0x801                   # NXE and SCE can be had without long mode
        SHOW_EFER "EFER, NXE, SCE"
        EFER    0, 0x801
        CR4     CR4_PAE
        EFER    EFER_LME
        SHOW_EFER "EFER, LME only"
        TRY     "a segment with L is 16-bit code still", "ljmp $SEL_CODE64, $1f; .code16; 1: mov $0x7FFF, %ax; .byte 0x40; ljmpl $SEL_CODE, $2f; .code32; 2: movzx %ax, %eax"
        SHOW    "  eax", %eax
        EFER    0, EFER_LME
        TRY     "RDFSBASE", ".byte 0xF3, 0x0F, 0xAE, 0xC0"
        TRY     "SWAPGS", ".byte 0x0F, 0x01, 0xF8"
        ret

there_and_back:
        call    enter
        SHOW_EFER "compatibility mode, EFER"
        mov     %cr0, %eax
        and     $CR0_PG, %eax
        SHOW    "  PG", %eax
        ljmp    $SEL_CODE64, $1f
        .code64
1:      movabs  $0x123456789ABCDEF0, %rbx
        mov     %rbx, %r15
        shr     $32, %rbx
        mov     $MSR_EFER, %ecx
        rdmsr
        mov     %eax, %ebp
        ljmp    *back(%rip)
        .code32
back_32:
        SHOW    "64-bit code, upper half", %ebx
        SHOW    "  EFER", %ebp
        CR0     0, CR0_PG
        SHOW_EFER "PG cleared, EFER"
        EFER    0, EFER_LME
        SHOW_EFER "LME cleared, EFER"
        CR4     0, CR4_PAE
        ret

many_times:
        mov     $200, %ebp
        xor     %ebx, %ebx
1:      call    enter
        ljmp    $SEL_CODE64, $2f
        .code64
2:      lea     1(%rbx), %r11
        mov     %r11d, %ebx
        ljmp    *back_again(%rip)
        .code32
back_again_32:
        call    leave
        dec     %ebp
        jnz     1b
        SHOW    "200 times", %ebx
        ret

# Behind long mode both kinds of 32-bit paging work, each with tables of its own.
legacy_after:
        mov     $dir32, %eax
        mov     %eax, %cr3
        CR4     0x10
        CR0     CR0_PG
        TRY     "32-bit paging", "mov page_x, %eax; mov 0x400000, %eax"
        CR0     0, CR0_PG
        CR4     CR4_PAE
        mov     $pdpt, %eax
        mov     %eax, %cr3
        CR0     CR0_PG
        TRY     "PAE paging", "mov page_x, %eax; mov 0x400000, %eax"
        CR0     0, CR0_PG
        CR4     0, 0x30
        call    enter
        ljmp    $SEL_CODE64, $1f
        .code64
1:      mov     $0x400000, %ebx         # nothing there, and nobody to tell: not touched
        movabs  $pml4, %rax
        mov     (%rax), %rbx
        ljmp    *back_third(%rip)
        .code32
back_third_32:
        sub     $pdpt64, %ebx
        SHOW    "and 4-level paging", %ebx
        call    leave
        ret

# From PAE paging: off, then on again with LME.
from_paging:
        CR4     CR4_PAE
        mov     $pdpt, %eax
        mov     %eax, %cr3
        CR0     CR0_PG
        CR0     0, CR0_PG
        call    enter
        SHOW_EFER "from PAE paging, EFER"
        call    leave
        SHOW_EFER "back, EFER"
        ret

# PE and PG at once, in real mode; a far jump goes straight to 64-bit code.
from_real:
        CR4     CR4_PAE
        mov     $pml4, %eax
        mov     %eax, %cr3
        EFER    EFER_LME
        mov     $real_start, %esi
        mov     $0x8000, %edi
        mov     $real_end - real_start, %ecx
        rep movsb
        mov     %esp, saved_esp
        ljmp    $SEL_CODE16, $0x8000
        .code16
real_start:
        mov     %cr0, %eax
        and     $~1, %eax
        mov     %eax, %cr0
        ljmp    $0x800, $(1f - real_start)
1:      xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     %cr0, %eax
        or      $0x80000001, %eax
        mov     %eax, %cr0
        ljmpl   $SEL_CODE64, $from_real64
real_end:
        .code64
from_real64:
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     saved_esp(%rip), %esp
        mov     $MSR_EFER, %ecx
        rdmsr
        mov     %eax, %ebp
        ljmp    *back_fourth(%rip)
        .code32
back_fourth_32:
        SHOW    "from real mode, EFER", %ebp
        call    leave
        ret

        .data
        .irp    name, back, back_again, back_third, back_fourth
\name\(): .long \name\()_32
        .word   SEL_CODE
        .endr

        .bss
saved_esp:
        .skip   4
