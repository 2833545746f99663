# halted.S - HLT with interrupts off never wakes (there is no NMI source): the guest is over.
# status: 10
# engines: bt interp
        .include "lib.inc"

main:   PUTS    "halting\n"
        cli
        hlt
        PUTS    "woke up\n"
        EXIT    1
