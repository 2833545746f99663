# long_triple.S - a triple fault of 64-bit code in the upper half shuts the machine down, and the report shows that code: the IDT ends
# before #UD's gate.
# status: 6
# complains: ^  ffff888000000002  push rsi
# engines: bt interp           (under -no-reboot the reference leaves with 0)
        .include "long.inc"

main64: INIT_LONG
        movabs  $KERNEL_HIGH, %rdi
        movl    $0x90560B0F, (%rdi)     # UD2; PUSH RSI; NOP
        PUTS    "before\n"
        lidt    short(%rip)
        jmp     *%rdi

        .data
short:  .word   16 * 6 - 1
        .quad   idt
