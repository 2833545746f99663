/* loader.h - from a file to a guest that is ready to run.
 *
 * Finds out from its content what a file is, puts it (with initrd, command line and
 * the tables its boot protocol demands) into guest RAM and returns the state in which
 * the CPU enters it. Owns nothing after loader_load() returned: files are closed, all
 * that was loaded lies in guest RAM.
 *
 * Formats, in the order in which a file is tried: Linux bzImage (boot protocol 2.00 and
 * later), multiboot 1, multiboot 2, and of ELF files for i386 and x86-64 those with a PVH
 * entry point, Linux kernels (vmlinux) and plain ELF32; when asked for, flat binaries.
 * A plain ELF64 file is refused: no convention says how 64-bit code is entered.
 *
 * A bzImage's kernel is unpacked here, when the host has the library for it, and entered
 * directly; otherwise, or when load_config.unpack_in_guest asks for it, the kernel's own
 * decompressor is. 64-bit Linux is entered in long mode, identity-mapped up to 4 GiB. All
 * others are entered in flat 32-bit protected mode, paging off. Interrupts are off, the GDT
 * is the one described by boot_state.
 *
 * Files are hostile input: whatever they say is checked against the file, against
 * guest RAM and against what is already placed there. On failure guest RAM may hold a
 * part of the image; the guest must not be started.
 */
#ifndef DRAGOMAN_LOADER_LOADER_H
#define DRAGOMAN_LOADER_LOADER_H

#include "base/types.h"
#include "bus/physmem.h"

enum load_format {
    LOAD_LINUX,
    LOAD_VMLINUX,
    LOAD_MULTIBOOT,
    LOAD_MULTIBOOT2,
    LOAD_PVH,
    LOAD_ELF,
    LOAD_FLAT,
};

struct load_config {
    const char *image;   /* path: kernel, multiboot image, ELF file, flat binary  */
    const char *initrd;  /* path; multiboot: "file args,file2 args", ",," is a comma.
                            NULL: none                                             */
    const char *cmdline; /* NULL: empty                                           */
    bool flat;           /* load at flat_addr whatever the content is             */
    gpa_t flat_addr;     /* also the entry point                                  */
    bool cpu_has_long_mode;
    bool unpack_in_guest;     /* bzImage: enter the decompressor, which also does KASLR */
    const char *unpack_cache; /* directory where unpacked kernels are kept; NULL: none */
    /* ACPI: nothing is placed into [acpi_base, +acpi_len), memory maps call it ACPI
     * data. acpi_rsdp goes to the guest where its protocol has a field for it. 0: none. */
    gpa_t acpi_base;
    uint64_t acpi_len;
    gpa_t acpi_rsdp;
};

/* General registers in the order of their encoding (SDM 2A 2.1.5). */
enum boot_reg { BOOT_AX, BOOT_CX, BOOT_DX, BOOT_BX, BOOT_SP, BOOT_BP, BOOT_SI, BOOT_DI };

enum {
    BOOT_CS = 0x10, /* code, base 0, limit 4 GiB: __BOOT_CS of the Linux boot protocol       */
    BOOT_DS = 0x18, /* data, base 0, limit 4 GiB: DS, ES, FS, GS, SS                          */
};

struct boot_state {
    enum load_format format;
    uint64_t gpr[16];
    uint64_t rip;
    uint64_t rflags;
    bool protected_flat; /* CR0.PE set, segments BOOT_CS and BOOT_DS loaded from the GDT */
    bool long_mode;      /* besides: PAE and paging on at cr3, EFER.LME and LMA, CS 64-bit */
    gpa_t cr3;           /* 0 without long_mode                                          */
    uint16_t cs, ds;     /* ds: all data segments                                        */
    gpa_t gdt_base;      /* in guest RAM                                                 */
    uint16_t gdt_limit;
};

struct load_error {
    char text[512]; /* one sentence or two, no newline: which file, what is wrong, what to do */
};

/* Returns 0, or -errno with err->text filled in. */
int loader_load(struct physmem *pm, const struct load_config *cfg, struct boot_state *bs,
                struct load_error *err) MUST_CHECK;

/* "Linux bzImage", ... */
const char *loader_format_name(enum load_format format);

#endif
