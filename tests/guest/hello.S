# hello.S - the least a guest can do, and the pieces of lib.inc the others rely on: output, an exception
# through the guest's own IDT, a trip to ring 3 and back.
        .include "lib.inc"

main:   PUTS    "hello from the guest\n"
        mov     $0xC0FFEE, %eax
        PUTS    "eax "
        PUTHEX  %eax
        PUTS    "\n"

        # ADD: 7FFFFFFFh + 1 overflows into the sign.
        mov     $0x7FFFFFFF, %ecx
        add     $1, %ecx
        pushf
        pop     %edx
        and     $0x8D5, %edx            # OF, SF, ZF, AF, PF, CF
        EXPECT_EQ "sum", %ecx, 0x80000000
        EXPECT_EQ "flags", %edx, 0x894  # OF, SF, AF, PF

        SET_GATE 0, divide_error
        SET_GATE 0x30, from_user, 0xEE
        LOAD_IDT
        LOAD_TSS

        # #DE is a fault: EIP in the frame is the DIV itself (SDM 3A 6.15).
        xor     %edx, %edx
        xor     %ecx, %ecx
        mov     $1, %eax
faulting:
        div     %ecx
after:  EXPECT_EQ "divide error", fault_eip, faulting

        mov     %esp, kernel_esp
        push    $SEL_USER_DATA
        push    $user_stack_top
        pushf
        push    $SEL_USER_CODE
        push    $user
        iret
back:   EXPECT_EQ "ring 3", user_cs, SEL_USER_CODE
        ret

divide_error:
        push    %eax
        mov     4(%esp), %eax
        mov     %eax, fault_eip
        movl    $after, 4(%esp)
        pop     %eax
        iret

user:   int     $0x30

# On the way out, IRET took away the data segments ring 3 may not have (SDM 2A, IRET: they become null).
from_user:
        mov     4(%esp), %eax
        mov     $SEL_DATA, %edx
        mov     %edx, %ds
        mov     %edx, %es
        mov     %eax, user_cs
        mov     kernel_esp, %esp
        jmp     back

        .bss
        .balign 4
fault_eip:
        .skip   4
user_cs:
        .skip   4
kernel_esp:
        .skip   4
        .skip   4096
user_stack_top:
