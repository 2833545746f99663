# pvh.S - an ELF64 image with a PVH entry point: the state it is entered in and hvm_start_info.
# options: -append hello -initrd @dir@/module.txt
        .code32
        .include "lib.inc"

        .section .note.Xen, "a", @note
        .balign 4
        .long   4, 4, 18                # XEN_ELFNOTE_PHYS32_ENTRY
        .asciz  "Xen"
        .long   entry

        .text
entry:  mov     %cr0, %eax
        mov     %eax, first_cr0
        mov     %cr4, %eax
        mov     %eax, first_cr4
        jmp     _start                  # which keeps EBX in multiboot_info

main:   mov     first_cr0, %eax
        and     $0x80000001, %eax       # PG, PE
        EXPECT_EQ "cr0", %eax, 1
        EXPECT_EQ "cr4", first_cr4, 0
        mov     multiboot_info, %ebx
        EXPECT_EQ "magic", (%ebx), 0x336EC578
        EXPECT_EQ "version", 4(%ebx), 1
        EXPECT_EQ "modules", 12(%ebx), 1

        mov     24(%ebx), %esi          # the command line; QEMU and we agree on what it is
        call    print
        PUTS    "\n"
        mov     16(%ebx), %edi
        EXPECT_EQ "module size", 8(%edi), 9
        mov     (%edi), %edi
        EXPECT_EQ "module", (%edi), 0x6F6D2061  # "a mo"

        mov     32(%ebx), %edi
        EXPECT_EQ "rsdp", (%edi), 0x20445352    # "RSD "
        mov     40(%ebx), %edi
        EXPECT_EQ "ram from", (%edi), 0
        EXPECT_EQ "ram", 16(%edi), 1
        ret

        .bss
        .balign 4
first_cr0:
        .skip   4
first_cr4:
        .skip   4
