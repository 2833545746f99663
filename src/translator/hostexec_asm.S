/* hostexec_asm.S - the only place where C's state and a stub's guest state meet.
 *
 * The host stack pointer stays in RSP all the time, because guest ESP is R12 in re-encoded
 * instructions and 64-bit guests' RSP some free register: a signal in a stub finds [rsp] = our
 * return address, [rsp + 8] = the stub and [rsp + 16] = the frame.
 */
#include "translator/hostexec_asm.h"

        .intel_syntax noprefix
        .text

        .globl  hostexec_enter
        .type   hostexec_enter, @function
hostexec_enter:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        push    rdi
        push    rsi
        mov     r11, rdi

        mov     eax, [r11 + HXF_MASK]
        test    eax, eax
        jz      1f
        mov     edx, [r11 + HXF_MASK + 4]
        mov     rcx, [r11 + HXF_IMAGE]
        xrstor64 [rcx]
1:
        cmp     dword ptr [r11 + HXF_USE_FLAGS], 0
        je      2f
        push    qword ptr [r11 + HXF_FLAGS]
        popfq
2:
        mov     rax, [r11 + 0 * 8]
        mov     rcx, [r11 + 1 * 8]
        mov     rdx, [r11 + 2 * 8]
        mov     rbx, [r11 + 3 * 8]
        mov     rbp, [r11 + 5 * 8]
        mov     rsi, [r11 + 6 * 8]
        mov     rdi, [r11 + 7 * 8]
        mov     r8, [r11 + 8 * 8]
        mov     r9, [r11 + 9 * 8]
        mov     r10, [r11 + 10 * 8]
        mov     r12, [r11 + 12 * 8]
        mov     r13, [r11 + 13 * 8]
        mov     r14, [r11 + 14 * 8]
        mov     r15, [r11 + 15 * 8]
        mov     r11, [r11 + 11 * 8]
        call    [rsp]

        push    r11
        mov     r11, [rsp + 16]
        mov     dword ptr [r11 + HXF_FAULTED], 0
.Lstore:
        pop     qword ptr [r11 + 11 * 8]
        mov     [r11 + 0 * 8], rax
        mov     [r11 + 1 * 8], rcx
        mov     [r11 + 2 * 8], rdx
        mov     [r11 + 3 * 8], rbx
        mov     [r11 + 5 * 8], rbp
        mov     [r11 + 6 * 8], rsi
        mov     [r11 + 7 * 8], rdi
        mov     [r11 + 8 * 8], r8
        mov     [r11 + 9 * 8], r9
        mov     [r11 + 10 * 8], r10
        mov     [r11 + 12 * 8], r12
        mov     [r11 + 13 * 8], r13
        mov     [r11 + 14 * 8], r14
        mov     [r11 + 15 * 8], r15
        mov     ecx, [r11 + HXF_USE_FLAGS]
        jrcxz   3f
        pushfq
        pop     qword ptr [r11 + HXF_FLAGS]
3:
        cld
        mov     eax, [r11 + HXF_MASK]
        test    eax, eax
        jz      6f
        mov     edx, [r11 + HXF_MASK + 4]
        mov     rcx, [r11 + HXF_IMAGE]
        xsave64 [rcx]

        /* What the guest had live must not reach C: tags, FCW, MXCSR, upper halves. */
        test    eax, 1
        jz      4f
        fninit
4:
        test    eax, 2
        jz      5f
        ldmxcsr [rip + .Lmxcsr]
5:
        test    eax, 4
        jz      6f
        vzeroupper
6:
        pop     rsi
        pop     rdi
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret
        .size   hostexec_enter, . - hostexec_enter

        .globl  hostexec_fault
        .type   hostexec_fault, @function
hostexec_fault:
        lea     rsp, [rsp + 8]
        push    r11
        mov     r11, [rsp + 16]
        mov     dword ptr [r11 + HXF_FAULTED], 1
        jmp     .Lstore
        .size   hostexec_fault, . - hostexec_fault

        .section .rodata
        .balign 4
.Lmxcsr:
        .long   HOST_MXCSR

        .section .note.GNU-stack, "", @progbits
