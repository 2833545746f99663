# multiboot2.S - an ELF64 image with a multiboot 2 header: the state it is entered in and the tags of the information.
# options: -append hello -initrd @dir@/module.txt
# engines: bt interp (QEMU's loader knows multiboot 1 only)
        .code32
        .include "lib.inc"

        .set    MAGIC, 0xE85250D6
        .section .multiboot2, "ax"
        .balign 8
header: .long   MAGIC, 0, header_end - header, -(MAGIC + header_end - header)
        .word   1, 0                    # information: module, memory map, ACPI
        .long   20
        .long   3, 6, 14
        .balign 8
        .word   5, 1                    # framebuffer, optional: there is none
        .long   20
        .long   1024, 768, 32
        .balign 8
        .word   3, 0                    # entry
        .long   12
        .long   entry
        .balign 8
        .word   0, 0
        .long   8
header_end:

        .text
entry:  mov     %eax, first_eax
        mov     %cr0, %eax
        mov     %eax, first_cr0
        jmp     _start                  # which keeps EBX in multiboot_info

main:   EXPECT_EQ "magic", first_eax, 0x36D76289
        mov     first_cr0, %eax
        and     $0x80000001, %eax       # PG, PE
        EXPECT_EQ "cr0", %eax, 1

        mov     $1, %eax
        call    find
        lea     8(%edi), %esi
        call    print
        PUTS    "\n"
        mov     $3, %eax
        call    find
        mov     12(%edi), %ecx
        mov     8(%edi), %edi
        sub     %edi, %ecx
        EXPECT_EQ "module size", %ecx, 9
        EXPECT_EQ "module", (%edi), 0x6F6D2061  # "a mo"
        mov     $6, %eax
        call    find
        EXPECT_EQ "memory map's entry size", 8(%edi), 24
        EXPECT_EQ "ram", 32(%edi), 1
        mov     $14, %eax
        call    find
        EXPECT_EQ "rsdp", 8(%edi), 0x20445352   # "RSD "
        mov     $8, %eax
        call    find
        EXPECT_EQ "no framebuffer", (%edi), 0
        ret

# find: %edi becomes the first tag of type %eax, or the end tag.
find:   mov     multiboot_info, %edi
        add     $8, %edi
1:      cmp     %eax, (%edi)
        je      2f
        cmpl    $0, (%edi)
        je      2f
        add     4(%edi), %edi
        add     $7, %edi
        and     $-8, %edi
        jmp     1b
2:      ret

        .bss
        .balign 4
first_eax:
        .skip   4
first_cr0:
        .skip   4
