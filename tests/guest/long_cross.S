# long_cross.S - SYSCALL and back by SYSRET or IRETQ, fifty times; in the 25th something is different: what decides about the way
# back has changed, or an interrupt waits for IF.
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"
        .include "long_cross.inc"

main64: INIT_LONG
        INIT_CROSS
        .irp    way, by_sysret, by_iret
        PUTS    "\way\n"
        CROSS   "nothing", \way, nothing
        CROSS   "an interrupt waits", \way, interrupt
        call    interrupt_show
        CROSS   "DF of CPL 3", \way, nothing, "std; nop", 0x602
        CROSS   "flags", \way, other_flags, "pushfq; popq flags_seen"
        SHOW    "  flags", flags_seen(%rip)
        CROSS   "TF", \way, trap_flag
        CROSS   "NT", \way, nested
        CROSS   "code segment not present", \way, code_absent
        orb     $0x80, gdt_long + (SEL_USER_CODE & ~7) + 5(%rip)
        CROSS   "stack segment of CPL 0", \way, stack_inner
        movb    $0xF3, gdt_long + (SEL_USER_DATA & ~7) + 5(%rip)
        CROSS   "DS of CPL 0", \way, inner_ds, "mov %ds, %edx"
        SHOW    "  ds", %rdx
        CROSS   "GDT cut", \way, short_gdt
        lgdt    gdt_long_pointer(%rip)
        CROSS   "STAR", \way, other_star
        SHOW    "  cs, ss of CPL 0", kernel_sels(%rip)
        WRITE_MSR MSR_STAR, 0x0018000800000000
        CROSS   "FMASK", \way, other_mask, "nop", 0x202
        SHOW    "  flags of CPL 0", kernel_flags(%rip)
        WRITE_MSR MSR_FMASK, 0x40700
        CROSS   "no SCE", \way, no_sce
        READ_MSR MSR_EFER
        or      $1, %eax
        wrmsr
        .endr
        call    bases
        call    same_level
        ret

# SWAPGS in the handler, FS and GS read on both sides.
bases:  WRITE_MSR MSR_FS_BASE, EDGE
        WRITE_MSR MSR_GS_BASE, EDGE+8
        WRITE_MSR MSR_KERNEL_GS_BASE, LAST
        movq    $0, sums(%rip)
        movq    $0, sums + 8(%rip)
        WRITE_MSR MSR_LSTAR, swap_entry
        CROSS   "SWAPGS", by_sysret, nothing, "mov %gs:0, %rax; add %rax, sums; mov %fs:0, %rax; rol $7, %rax; add %rax, sums"
        SHOW    "  of CPL 3", sums(%rip)
        SHOW    "  of CPL 0", sums + 8(%rip)
        SHOW_MSR "  GS_BASE", MSR_GS_BASE
        WRITE_MSR MSR_LSTAR, call_entry
        RUN     "xor %eax, %eax; mov %eax, %fs; mov %eax, %gs"
        ret
swap_entry:
        swapgs
        mov     %gs:0, %rax
        add     %rax, sums + 8(%rip)
        mov     %fs:0, %rax
        rol     $9, %rax
        add     %rax, sums + 8(%rip)
        swapgs
        jmp     call_entry

# IRETQ to CPL 0, with SS and with a null one.
same_level:
        xor     %ebx, %ebx
        TRY     "IRETQ at CPL 0", "mov %rsp, %rcx; 7: pushq $SEL_DATA; push %rcx; pushq $2; pushq $SEL_CODE; pushq $8f; iretq; 8: inc %ebx; cmp $ROUNDS, %ebx; jne 7b"
        SHOW    "  rounds", %rbx
        xor     %ebx, %ebx
        TRY     "with a null SS", "xor %eax, %eax; mov %eax, %ss; mov %rsp, %rcx; 7: pushq $0; push %rcx; pushq $2; pushq $SEL_CODE; pushq $8f; iretq; 8: inc %ebx; cmp $ROUNDS, %ebx; jne 7b; mov %ss, %edx; mov $SEL_DATA, %eax; mov %eax, %ss"
        SHOW    "  rounds", %rbx
        SHOW    "  ss", %rdx
        ret

        .bss
        .balign 8
flags_seen:
        .skip   8
sums:   .skip   16
