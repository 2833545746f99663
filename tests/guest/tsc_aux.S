# tsc_aux.S - IA32_TSC_AUX by RDTSCP and RDPID, CR4.TSD (SDM 2B RDPID, RDTSCP).
# options: -cpu max
# engines: bt interp
# TCG 7.2 has no RDPID.
        .include "lib.inc"
        .include "trap.inc"

        .set    CR4_TSD, 4
        .set    MSR_TSC_AUX, 0xC0000103

        .macro  CR4 how, bits
        mov     %cr4, %eax
        \how    $\bits, %eax
        mov     %eax, %cr4
        .endm

main:   INIT_TRAPS
        mov     $7, %eax
        xor     %ecx, %ecx
        cpuid
        shr     $22, %ecx
        and     $1, %ecx
        SHOWN   "cpuid: RDPID", 1, "%ecx"
        mov     $0x80000001, %eax
        cpuid
        shr     $27, %edx
        and     $1, %edx
        SHOWN   "cpuid: RDTSCP", 1, "%edx"
        call    aux
        CR4     or, CR4_TSD
        PUTS    "TSD\n"
        call    aux
        CR4     and, ~CR4_TSD
        TRY     "aux, upper half", "mov $MSR_TSC_AUX, %ecx; mov $1, %edx; wrmsr"
        TRY     "lock rdtscp", ".byte 0xF0; rdtscp"
        TRY     "lock rdpid", ".byte 0xF0; rdpid %eax"
        ret

aux:    mov     $MSR_TSC_AUX, %ecx
        mov     $0x89ABCDEF, %eax
        xor     %edx, %edx
        wrmsr
        rdpid   %edi
        SHOW    "rdpid", "%edi"
        xor     %ecx, %ecx
        rdtscp
        SHOW    "rdtscp", "%ecx"
        # twice within one block: time goes on
        rdtscp
        mov     %eax, %esi
        mov     %edx, %edi
        rdtscp
        sub     %esi, %eax
        sbb     %edi, %edx
        SHOW    "later less earlier, high", "%edx"
        TRY_USER "rdpid at CPL 3", "rdpid %esi"
        SHOW    "  =", trap_esi
        TRY_USER "rdtscp at CPL 3", "xor %ecx, %ecx; rdtscp"
        SHOW    "  ecx", trap_ecx
        TRY_USER "rdtsc at CPL 3", "rdtsc"
        ret
