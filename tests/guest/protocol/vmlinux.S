# vmlinux.S - an ELF64 image that looks like a Linux kernel is entered in long mode with a zero page.
# options: -append hello -initrd @dir@/module.txt
# engines: bt interp (QEMU enters a vmlinux by PVH only)
        .code32
        .include "lib.inc"
        .include "linux64.inc"
        .globl  entry
entry:  ENTRY64

main:   EXPECT_LINUX64
        ret

        .section .high, "aw"
        .asciz  "Linux version 0.0 (not really)"
