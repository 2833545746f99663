# triple_fault.S - a fault that cannot be delivered as #DF either shuts the CPU down: with --no-reboot the
# machine ends, as after a reset (SDM 3A 6.15, interrupt 8).
# engines: bt interp
# status: 6
        .include "lib.inc"

main:   PUTS    "before\n"
        LOAD_IDT                        # every gate is empty
        xor     %ecx, %ecx
        div     %ecx
        PUTS    "FAIL behind it\n"
        ret
