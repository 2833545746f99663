# paging_strict.S - an instruction that reads and writes its operand is a write to paging from the start: W in the
# error code, and nothing accessed or dirty when it faults. TCG reads first and reports a read.
# Reserved bits are reported with P set (SDM 3A 4.7); TCG clears it.
# engines: bt interp
        .include "lib.inc"
        .include "trap.inc"
        .include "paging.inc"

main:   INIT_TRAPS
        call    start_paging
        .macro  RMW what, flags
        SET_PTE 0, page_a + \flags
        TRY     "\what add", "addl $1, TEST + 0x100"
        SHOW_PTE "pte", 0
        SET_PTE 0, page_a + \flags
        TRY     "\what cmpxchg, different", "mov $-1, %eax; cmpxchg %ecx, TEST + 0x100"
        SHOW_PTE "pte", 0
        SET_PTE 0, page_a + \flags
        TRY     "\what lock bts", "lock btsl $1, TEST + 0x100"
        SHOW_PTE "pte", 0
        SET_PTE 0, page_a + \flags
        TRY     "\what xchg", "xchg %al, TEST + 0x100"
        SHOW_PTE "pte", 0
        SET_PTE 0, page_a + \flags
        TRY     "\what cmpxchg8b, different", "mov $-1, %eax; cmpxchg8b TEST + 0x100"
        SHOW_PTE "pte", 0
        .endm
        RMW     "---", 0
        RMW     "P--", PTE_P
        CR_SET  cr0, CR0_WP
        RMW     "wp P--", PTE_P
        RMW     "wp PW-", PTE_P + PTE_W
        CR_SET  cr4, CR4_PSE
        # bit 21 of a 4 MiB entry is reserved (no PSE-36 bits go that far)
        movl    $0x200000 + PTE_P + PTE_W + PTE_PS, page_dir + 4 * (TEST >> 22) + 8
        FLUSH
        TRY     "reserved bit 21", "mov TEST + 0x800000, %eax"
        TRY_USER "reserved bit 21, user write", "mov %eax, TEST + 0x800000"
        ret
