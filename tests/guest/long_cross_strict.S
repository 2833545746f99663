# long_cross_strict.S - what long_cross.S leaves out, as emulators take it lightly: RF, return addresses that are not canonical,
# accessed bits.
# engines: bt interp      (QEMU keeps RF at SYSRET, faults behind a return, and sets no accessed bits)
        .include "long.inc"
        .include "long_cross.inc"

main64: INIT_LONG
        INIT_CROSS
        .irp    way, by_sysret, by_iret
        PUTS    "\way\n"
        CROSS   "an interrupt waits, and RF", \way, interrupt_rf
        call    interrupt_show
        CROSS   "RIP is not canonical", \way, far_rip
        .endr
# IRETQ to CPL 0 sets the accessed bits of the descriptors that it finds.
        .irp    sel, SEL_CODE, SEL_DATA
        xor     %ebx, %ebx
        movl    $ROUNDS, rounds(%rip)
        TRY     "\sel\(), accessed bits cleared", "mov %rsp, %rcx; 7: andb $0xFE, gdt_long + \sel + 5; pushq $SEL_DATA; push %rcx; pushq $2; pushq $SEL_CODE; pushq $8f; iretq; 8: mov gdt_long + \sel + 5, %dl; and $1, %edx; add %edx, %ebx; decl rounds; jnz 7b"
        SHOW    "  set again", %rbx
        .endr
        ret

interrupt_rf:
        or      $0x10000, %r11d
        jmp     interrupt
far_rip:
        movabs  $0x800000000000, %rcx
        mov     way(%rip), %rax
        mov     %rax, trap_base(%rip)
        ret
