# long_light_strict.S - WRMSR of bases that are no addresses, again and again: TCG takes them.
# engines: bt interp
# qemu: -cpu max,vendor=GenuineIntel
        .include "long.inc"

        .set    ROUNDS, 50

main64: INIT_LONG
        .irp    number, 0xC0000100, 0xC0000101, 0xC0000102
        xor     %ebx, %ebx
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs
        TRY     "WRMSR", "mov $\number, %ecx; 7: xor %edx, %edx; mov %ebx, %eax; inc %ebx; cmp $ROUNDS, %ebx; jne 8f; mov $0x8000, %edx; 8: wrmsr; cmp $ROUNDS, %ebx; jne 7b"
        SHOW    "  rounds", %rbx
        SHOW_MSR "  value", \number
        WRITE_MSR \number, 0
        .endr
        ret
