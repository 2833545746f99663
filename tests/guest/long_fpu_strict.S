# long_fpu_strict.S - VZEROUPPER and VZEROALL in compatibility mode leave registers 8 to 15 alone (SDM 2C): QEMU 7.2's TCG does not.
# engines: bt interp
        .include "long.inc"
        .include "long_fpu.inc"

main64: INIT_LONG
        call    fill_vectors
        TRY32   "VZEROUPPER in 32-bit code", "vzeroupper"
        SHOW_VECTORS "  0, 7, 8, 15"
        call    fill_vectors
        TRY32   "VZEROALL in 32-bit code", "vzeroall"
        SHOW_VECTORS "  0, 7, 8, 15"
        ret
