# spin.S - a loop with interrupts off has nothing that could end it but the monitor: --timeout must.
# status: 4
# engines: bt interp
# timeout: 2
        .include "lib.inc"

main:   PUTS    "spinning\n"
        cli
1:      jmp     1b
