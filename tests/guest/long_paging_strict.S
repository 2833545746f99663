# long_paging_strict.S - reserved bits of 4-level paging: QEMU 7.2's TCG leaves bit P of the error code clear.
# engines: bt interp
        .include "long.inc"
        .include "long_paging.inc"

main64: INIT_LONG
        call    reserved
        READ_MSR MSR_EFER
        btr     $11, %rax
        wrmsr
        FLAG    "without EFER.NXE, bit 63", "mov (%rbx), %al", NX+7
        READ_MSR MSR_EFER
        bts     $11, %rax
        wrmsr
        ret

        .macro  RESERVED name, f4=7, f3=7, f2=7, f1=7
        WITH    "\name", "mov (%rbx), %al", \f4, \f3, \f2, \f1
        .endm
reserved:
        RESERVED "PS in the PML4 entry", 0x87
        RESERVED "bit 51 of the PML4 entry", 1<<51+7
        RESERVED "bit 51 of the PDPT entry", 7, 1<<51+7
        RESERVED "bit 51 of the PD entry", 7, 7, 1<<51+7
        RESERVED "bit 51 of the PT entry", 7, 7, 7, 1<<51+7
        RESERVED "bit 40 of the PT entry", 7, 7, 7, 1<<40+7
        RESERVED "bit 13 of a 2 MiB page", 7, 7, 0x2087
        RESERVED "bit 20 of a 2 MiB page", 7, 7, 0x100087
        RESERVED "bit 13 of a 1 GiB page", 7, 0x2087
        RESERVED "bit 29 of a 1 GiB page", 7, 0x20000087
        RESERVED "reserved above what is not present", 7, 1<<51+7, 6
        USER_WITH "user write, reserved", "mov %al, (%rbx)", 7, 7, 1<<51+7
        USER_WITH "user fetch, reserved", "call *%rbx", 7, 7, 1<<51+7
        USER_WITH "reserved and supervisor", "mov (%rbx), %al", 3, 7, 1<<51+7
        ret
