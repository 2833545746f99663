# kvmclock.S - the KVM clock: CPUID, the structures, time that agrees with the ACPI timer (Linux
# Documentation/virt/kvm/x86/msr.rst). QEMU's TCG has none.
# engines: bt interp
        .include "lib.inc"

        .set    MSR_WALL, 0x4B564D00
        .set    MSR_SYSTEM, 0x4B564D01
        .set    PM_TIMER, 0x608         # 3579545 Hz

main:   mov     $0x40000000, %eax
        cpuid
        cmp     $0x4B4D564B, %ebx       # "KVMK"
        je      1f
        PUTS    "no KVM clock on this host\n"
        ret
1:      EXPECT_EQ "last leaf", %eax, 0x40000001
        mov     $0x40000001, %eax
        cpuid
        EXPECT_EQ "features", %eax, 0x0100000A
        movl    $-1, system + 12
        mov     $MSR_SYSTEM, %ecx
        mov     $system + 1, %eax
        xor     %edx, %edx
        wrmsr
        rdmsr
        sub     $system, %eax
        EXPECT_EQ "the MSR", %eax, 1
        mov     system, %eax
        and     $1, %eax
        EXPECT_EQ "version is even", %eax, 0
        mov     system + 24, %eax
        shr     $31, %eax
        EXPECT_EQ "multiplier is large", %eax, 1
        movzbl  system + 29, %eax
        EXPECT_EQ "flags", %eax, 1
        call    rate
        mov     $MSR_WALL, %ecx
        mov     $wall, %eax
        xor     %edx, %edx
        wrmsr
        mov     wall + 4, %eax
        cmp     $1700000000, %eax
        jae     1f
        PUTS    "FAIL wall clock\n"
        incl    failures
1:      mov     $MSR_SYSTEM, %ecx       # off: nothing is written any more
        xor     %eax, %eax
        xor     %edx, %edx
        wrmsr
        movl    $0, system
        mov     $0x10, %ecx
        wrmsr                           # TSC = 0
        EXPECT_EQ "off", system, 0
        mov     $MSR_SYSTEM, %ecx       # no RAM there
        mov     $0xFEE00001, %eax
        wrmsr
        PUTS    "ok\n"
        ret

# The clock's nanoseconds, low half, to %eax; also after the TSC was moved.
now:    push    %edx
        push    %ecx
        rdtsc
        sub     system + 8, %eax
        sbb     system + 12, %edx
        mov     system + 28, %cl
        test    %cl, %cl
        js      1f
        shld    %cl, %eax, %edx
        shl     %cl, %eax
        jmp     2f
1:      neg     %cl
        shrd    %cl, %edx, %eax
        shr     %cl, %edx
2:      push    %edx
        mull    system + 24             # low * mul >> 32
        mov     %edx, %ecx
        pop     %eax
        mull    system + 24             # + high * mul
        add     %ecx, %eax
        add     system + 16, %eax
        pop     %ecx
        pop     %edx
        ret

# 10 ms by the ACPI timer, between two readings; in the middle the TSC is set.
rate:   call    now
        mov     %eax, %esi
        mov     $PM_TIMER, %dx
        in      %dx, %eax
        mov     %eax, %ebx
        mov     $0x10, %ecx
        mov     $0x12345678, %eax
        mov     $7, %edx
        wrmsr
        mov     $PM_TIMER, %dx
1:      in      %dx, %eax
        sub     %ebx, %eax
        cmp     $35796, %eax
        jb      1b
        call    now
        sub     %esi, %eax
        mov     %eax, elapsed
        cmp     $9900000, %eax
        jb      2f
        cmp     $1000000000, %eax       # a busy host takes its time
        jbe     3f
2:      PUTS    "FAIL 10 ms took ns: "
        PUTHEX  elapsed
        PUTS    "\n"
        incl    failures
3:      ret

        .data
        .balign 32
system: .skip   32
wall:   .skip   16
elapsed:
        .long   0
