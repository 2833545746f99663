# umip.S - CR4.UMIP: SGDT, SIDT, SLDT, STR and SMSW at CPL 3 (SDM 3A 2.5).
# options: -cpu max
        .include "lib.inc"
        .include "trap.inc"

        .set    CR4_UMIP, 0x800

        .macro  CR4 how, bits
        mov     %cr4, %eax
        \how    $\bits, %eax
        mov     %eax, %cr4
        .endm
        .macro  FORMS try
        \try    "\try sgdt", "sgdt scratch"
        \try    "\try sidt", "sidt scratch"
        \try    "\try sldt", "sldt %eax"
        \try    "\try sldt to memory", "sldt scratch"
        \try    "\try str", "str %eax"
        \try    "\try str to memory", "str scratch"
        \try    "\try smsw", "smsw %eax"
        \try    "\try smsw to memory", "smsw scratch"
        .endm

main:   INIT_TRAPS
        mov     $7, %eax
        xor     %ecx, %ecx
        cpuid
        shr     $2, %ecx
        and     $1, %ecx
        SHOWN   "cpuid: UMIP", 1, "%ecx"
        FORMS   TRY
        FORMS   TRY_USER
        CR4     or, CR4_UMIP
        PUTS    "UMIP\n"
        FORMS   TRY
        FORMS   TRY_USER
        TRY_USER "what is not UMIP's: lar, lsl, verr", "mov $SEL_USER_DATA, %eax; lar %eax, %ecx; lsl %eax, %ecx; verr %ax"
        CR4     and, ~CR4_UMIP
        FORMS   TRY_USER
        ret

        .bss
        .balign 16
scratch:
        .skip   16
        .text
