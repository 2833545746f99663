# bzimage64.S - a bzImage that says it has a 64-bit entry point is entered there; its 32-bit one is a trap.
# options: -append hello -initrd @dir@/module.txt
# engines: bt interp (QEMU enters a bzImage in real mode)
        .code32
        .include "lib.inc"
        .include "linux64.inc"

        .section .setup, "a"
        .org    0x1F1
        .byte   4                       # setup_sects
        .word   0
        .long   syssize
        .word   0, 0, 0, 0xAA55
        .byte   0xEB, 0x6A              # the header ends at 26Ch
        .ascii  "HdrS"
        .word   0x20F
        .org    0x211
        .byte   1                       # LOADED_HIGH
        .org    0x214
        .long   0x100000                # code32_start
        .org    0x22C
        .long   0x7FFFFFFF              # initrd_addr_max
        .long   0x200000                # kernel_alignment
        .byte   0, 0                    # not relocatable
        .word   1                       # XLF_KERNEL_64
        .long   255                     # cmdline_size
        .org    0x258
        .quad   0x100000                # pref_address
        .long   end - 0x100000          # init_size
        .org    5 * 512

        .section .entry32, "ax"
        jmp     trap

        .section .entry64, "ax"
        ENTRY64

main:   EXPECT_LINUX64
        ret

trap:   PUTS    "the 32-bit entry\n"
        EXIT    1
