/* The loader: ELF64, PVH, vmlinux, multiboot 2, the 64-bit entry of Linux and its payload. Images
 * are built here field by field. */
#include "loader_rig.h"

#include <elf.h>

#include "loader/image.h"
#include "loader/unpack.h"

/* ---- ELF64 ---- */

enum { PHDRS = sizeof(Elf64_Ehdr), NOTE_AT = 0x200, TEXT_AT = 0x1000 };

static Elf64_Ehdr *ehdr(void)
{
    return (Elf64_Ehdr *)m.image;
}

static Elf64_Phdr *phdr(unsigned i)
{
    return (Elf64_Phdr *)(m.image + PHDRS) + i;
}

/* A segment of 100h bytes with 300h more of bss at 1 MiB, one of 80h bytes in the higher half that
 * goes to 2 MiB, a note segment without notes. */
static void make_elf64(void)
{
    static const uint8_t ident[] = {0x7F, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT};

    memset(m.image, 0, 0x2000);
    m.size = 0x2000;
    *ehdr() = (Elf64_Ehdr){.e_type = ET_EXEC,
                           .e_machine = EM_X86_64,
                           .e_version = EV_CURRENT,
                           .e_entry = 0x100010,
                           .e_phoff = PHDRS,
                           .e_ehsize = sizeof(Elf64_Ehdr),
                           .e_phentsize = sizeof(Elf64_Phdr),
                           .e_phnum = 3};
    memcpy(m.image, ident, sizeof(ident));
    *phdr(0) = (Elf64_Phdr){.p_type = PT_LOAD,
                            .p_offset = TEXT_AT,
                            .p_vaddr = 0x100000,
                            .p_paddr = 0x100000,
                            .p_filesz = 0x100,
                            .p_memsz = 0x400};
    *phdr(1) = (Elf64_Phdr){.p_type = PT_LOAD,
                            .p_offset = TEXT_AT + 0x100,
                            .p_vaddr = UINT64_C(0xFFFFFFFF80200000),
                            .p_paddr = 0x200000,
                            .p_filesz = 0x80,
                            .p_memsz = 0x80};
    *phdr(2) = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = NOTE_AT, .p_align = 4};
    memset(m.image + TEXT_AT, 0xAB, 0x180);
}

static uint32_t put_note(uint32_t at, uint32_t type, const char *name, const void *desc,
                         uint32_t len)
{
    uint32_t name_len = (uint32_t)strlen(name) + 1;

    st32(m.image + at, name_len);
    st32(m.image + at + 4, len);
    st32(m.image + at + 8, type);
    at += 12;
    memcpy(m.image + at, name, name_len);
    at += (name_len + 3) & ~3u;
    memcpy(m.image + at, desc, len);
    return at + ((len + 3) & ~3u);
}

static void add_pvh_note(uint64_t entry)
{
    uint32_t end = put_note(NOTE_AT, 6, "Xen", "linux", 6);

    end = put_note(end, 18, "GNU", &(uint64_t){0x666}, 8);
    end = put_note(end, 18, "Xen", &entry, 8);
    phdr(2)->p_filesz = end - NOTE_AT;
}

static void make_vmlinux(void)
{
    make_elf64();
    memcpy(m.image + TEXT_AT + 0x80, "Linux version 6.1 (test)", 24);
}

static void cpu_is_64bit(void)
{
    m.cfg.cpu_has_long_mode = true;
}

START_TEST(elf64_refused)
{
    static const struct {
        size_t off;
        uint64_t value;
        unsigned bytes;
        const char *says;
    } rows[] = {
        {offsetof(Elf64_Ehdr, e_machine), EM_386, 2, "neither ELF32"},
        {offsetof(Elf64_Ehdr, e_machine), EM_AARCH64, 2, "another CPU: arm64"},
        {EI_DATA, ELFDATA2MSB, 1, ""},
        {offsetof(Elf64_Ehdr, e_type), ET_DYN, 2, "position-independent"},
        {offsetof(Elf64_Ehdr, e_entry), 0x50, 8, "entry point 0x50"},
        {offsetof(Elf64_Ehdr, e_phnum), 0, 2, "nothing to load"},
        {offsetof(Elf64_Ehdr, e_phoff), UINT64_MAX - 8, 8, "truncated"},
        {EI_OSABI, ELFOSABI_GNU, 1, "program for Linux"},
        {PHDRS + offsetof(Elf64_Phdr, p_type), PT_INTERP, 4, "program for Linux"},
        {PHDRS + offsetof(Elf64_Phdr, p_filesz), 0x401, 8, "damaged"},
        {PHDRS + offsetof(Elf64_Phdr, p_offset), 0x1F80, 8, "truncated"},
        {PHDRS + offsetof(Elf64_Phdr, p_offset), UINT64_MAX, 8, "truncated"},
        {PHDRS + offsetof(Elf64_Phdr, p_memsz), UINT64_MAX, 8, "wraps"},
        {PHDRS + offsetof(Elf64_Phdr, p_paddr), UINT64_MAX - 0xFF, 8, "wraps"},
        {PHDRS + offsetof(Elf64_Phdr, p_memsz), UINT64_C(1) << 40, 8, "no RAM"},
    };

    cpu_is_64bit();
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        make_vmlinux();
        memcpy(m.image + rows[i].off, &rows[i].value, rows[i].bytes);
        refused(rows[i].says);
    }
    make_vmlinux();
    m.size = 60;
    refused("damaged");
    make_elf64(); /* no kernel of any known kind */
    refused("nothing says how");
    m.cfg.cpu_has_long_mode = false;
    make_vmlinux();
    refused("another CPU: x86-64");
    add_pvh_note(0x100020);
    refused("another CPU: x86-64");
}
END_TEST

/* ---- PVH ---- */

START_TEST(pvh)
{
    const uint8_t *info, *mod, *map;

    make_elf64();
    add_pvh_note(0x100020);
    cpu_is_64bit();
    write_file(m.initrd_path, "initrd!", 7);
    m.cfg.initrd = m.initrd_path;
    m.cfg.cmdline = "console=ttyS0";
    m.cfg.acpi_rsdp = 0xE0010;
    load_ok();
    ck_assert_int_eq(m.bs.format, LOAD_PVH);
    check_flat(0x100020);
    ck_assert_uint_eq(ram(0x20007F)[0], 0xAB);
    info = ram(m.bs.gpr[BOOT_BX]);
    ck_assert_uint_eq(ld32(info), 0x336EC578);
    ck_assert_uint_eq(ld32(info + 4), 1);
    ck_assert_uint_eq(ld32(info + 8), 0);
    ck_assert_uint_eq(ld32(info + 12), 1);
    mod = ram(ld64(info + 16));
    ck_assert_mem_eq(ram(ld64(mod)), "initrd!", 7);
    ck_assert_uint_eq(ld64(mod + 8), 7);
    ck_assert_uint_eq(ld64(mod + 16), 0);
    ck_assert_str_eq((const char *)ram(ld64(info + 24)), "console=ttyS0");
    ck_assert_uint_eq(ld64(info + 32), 0xE0010);
    ck_assert_uint_eq(ld32(info + 48), 4);
    map = ram(ld64(info + 40));
    ck_assert_uint_eq(ld64(map + 8), 0x9FC00);
    ck_assert_uint_eq(ld32(map + 16), 1);
    m.cfg.initrd = NULL;
    load_ok();
    ck_assert_uint_eq(ld32(ram(m.bs.gpr[BOOT_BX]) + 12), 0);
}
END_TEST

START_TEST(pvh_bad_notes)
{
    cpu_is_64bit();
    make_elf64();
    add_pvh_note(0x300000);
    refused("PVH entry point 0x300000");
    add_pvh_note(UINT64_C(0x100100020));
    refused("PVH entry point 0x100100020");
    /* A note that is cut off, or claims to be longer than its segment, is none. */
    add_pvh_note(0x100020);
    phdr(2)->p_filesz -= 8;
    refused("nothing says how");
    add_pvh_note(0x100020);
    st32(m.image + NOTE_AT, 0xFFFFFFF0);
    refused("nothing says how");
    add_pvh_note(0x100020);
    st32(m.image + NOTE_AT + 4, 0xFFFFFFFF);
    refused("nothing says how");
    add_pvh_note(0x100020);
    phdr(2)->p_align = 8; /* the names end elsewhere then: no note is found, nothing breaks */
    load();
}
END_TEST

/* ---- vmlinux ---- */

START_TEST(vmlinux)
{
    const uint8_t *zp, *pml4, *pdpt, *pd;

    make_vmlinux();
    cpu_is_64bit();
    write_file(m.initrd_path, "initrd!", 7);
    m.cfg.initrd = m.initrd_path;
    m.cfg.cmdline = "quiet";
    m.cfg.acpi_rsdp = 0xE0010;
    load_ok();
    ck_assert_int_eq(m.bs.format, LOAD_VMLINUX);
    check_state(0x100010, UINT64_C(0x00AF9B000000FFFF));
    ck_assert(m.bs.long_mode);
    zp = ram(m.bs.gpr[BOOT_SI]);
    ck_assert_mem_eq(zp + 0x202, "HdrS", 4);
    ck_assert_uint_eq(ld16(zp + 0x1FE), 0xAA55);
    ck_assert_uint_eq(ld16(zp + 0x206), 0x20F);
    ck_assert_uint_eq(zp[0x211], 1);
    ck_assert_uint_eq(ld64(zp + 0x70), 0xE0010);
    ck_assert_str_eq((const char *)ram(ld32(zp + 0x228)), "quiet");
    ck_assert_mem_eq(ram(ld32(zp + 0x218)), "initrd!", 7);
    ck_assert_uint_eq(ld32(zp + 0x21C), 7);
    ck_assert_uint_eq(zp[0x1E8], 4);
    pml4 = ram(m.bs.cr3);
    ck_assert_uint_eq(m.bs.cr3 & 0xFFF, 0);
    ck_assert_uint_lt(m.bs.cr3, 0x10000); /* out of the way of Linux's trampoline */
    ck_assert_uint_eq(ld64(pml4) & 0xFFF, 3);
    pdpt = ram(ld64(pml4) & ~UINT64_C(0xFFF));
    for (uint64_t i = 0; i < 4; i++) {
        pd = ram(ld64(pdpt + i * 8) & ~UINT64_C(0xFFF));
        for (uint64_t j = 0; j < 512; j++)
            ck_assert_uint_eq(ld64(pd + j * 8), i << 30 | j << 21 | 0x83);
    }
    ck_assert_uint_eq(ld64(pdpt + 32), 0);
    ck_assert_uint_eq(ld64(pml4 + 8), 0);
}
END_TEST

/* A PVH entry point is taken before the guess that this is Linux; multiboot before both. */
START_TEST(which_protocol)
{
    make_vmlinux();
    cpu_is_64bit();
    add_pvh_note(0x100020);
    load_ok();
    ck_assert_int_eq(m.bs.format, LOAD_PVH);
    st32(m.image + TEXT_AT, 0x1BADB002);
    st32(m.image + TEXT_AT + 4, 0);
    st32(m.image + TEXT_AT + 8, -0x1BADB002u);
    load_ok();
    ck_assert_int_eq(m.bs.format, LOAD_MULTIBOOT);
    check_flat(0x100010); /* ELF64, entered in 32-bit mode */
    m.cfg.cpu_has_long_mode = false;
    refused("another CPU");
    make_elf64();
    memcpy(m.image + TEXT_AT + 0x80, "Linux version ", 14);
    phdr(1)->p_vaddr = phdr(1)->p_paddr; /* a program that talks of Linux */
    cpu_is_64bit();
    refused("nothing says how");
}
END_TEST

/* ---- multiboot 2 ---- */

static size_t mb2_end; /* of the header being built at TEXT_AT */

static void mb2_seal(void)
{
    uint32_t len = (uint32_t)(mb2_end - TEXT_AT);

    st32(m.image + TEXT_AT + 8, len);
    st32(m.image + TEXT_AT + 12, -(0xE85250D6u + len));
}

static void mb2_tag(unsigned type, unsigned flags, const uint32_t *fields, unsigned n)
{
    uint8_t *tag = m.image + mb2_end;

    st16(tag, (uint16_t)type);
    st16(tag + 2, (uint16_t)flags);
    st32(tag + 4, 8 + n * 4);
    for (unsigned i = 0; i < n; i++)
        st32(tag + 8 + 4 * i, fields[i]);
    mb2_end += (8 + n * 4 + 7) & ~7u;
}

static void mb2_begin(void)
{
    memset(m.image + TEXT_AT, 0, 0x100);
    st32(m.image + TEXT_AT, 0xE85250D6);
    mb2_end = TEXT_AT + 16;
}

static void mb2_finish(void)
{
    mb2_tag(0, 0, NULL, 0);
    mb2_seal();
}

/* The header and one tag, in an ELF64 image. */
static void mb2_with(unsigned type, unsigned flags, const uint32_t *fields, unsigned n)
{
    make_elf64();
    mb2_begin();
    mb2_tag(type, flags, fields, n);
    mb2_finish();
}

static const uint8_t *mb2_find(uint32_t type)
{
    const uint8_t *info = ram(m.bs.gpr[BOOT_BX]);
    const uint8_t *tag = info + 8;

    ck_assert_int_eq(m.bs.format, LOAD_MULTIBOOT2);
    ck_assert_uint_eq(m.bs.gpr[BOOT_AX], 0x36D76289);
    ck_assert_uint_eq(m.bs.gpr[BOOT_BX] & 7, 0);
    while (ld32(tag) != 0 && ld32(tag) != type) {
        tag += (ld32(tag + 4) + 7) & ~7u;
        ck_assert(tag < info + ld32(info));
    }
    return ld32(tag) == type ? tag : NULL;
}

START_TEST(multiboot2)
{
    static const uint32_t wanted[] = {1, 3, 6, 15};
    static const uint8_t rsdp[36] = "RSD PTR .......\2....\44";
    const uint8_t *tag;
    char spec[256];

    cpu_is_64bit();
    mb2_with(1, 0, wanted, ARRAY_SIZE(wanted));
    write_file(m.initrd_path, "module!", 7);
    snprintf(spec, sizeof(spec), "%s a,,b c,%s", m.initrd_path, m.initrd_path);
    m.cfg.initrd = spec;
    m.cfg.cmdline = "verbose";
    m.cfg.acpi_rsdp = 0xE0000;
    ck_assert_int_eq(physmem_write(&m.pm, 0xE0000, rsdp, sizeof(rsdp)), 0);
    load_ok();
    check_flat(0x100010);
    ck_assert_str_eq((const char *)mb2_find(1) + 8, "verbose");
    ck_assert_str_eq((const char *)mb2_find(2) + 8, "dragoman");
    tag = mb2_find(3);
    ck_assert_uint_eq(ld32(tag + 12) - ld32(tag + 8), 7);
    ck_assert_mem_eq(ram(ld32(tag + 8)), "module!", 7);
    ck_assert_str_eq((const char *)tag + 16, "a,b c");
    tag += (ld32(tag + 4) + 7) & ~7u;
    ck_assert_uint_eq(ld32(tag), 3);
    ck_assert_str_eq((const char *)tag + 16, "");
    tag = mb2_find(4);
    ck_assert_uint_eq(ld32(tag + 8), 639);
    ck_assert_uint_eq(ld32(tag + 12), 63 * 1024);
    tag = mb2_find(6);
    ck_assert_uint_eq(ld32(tag + 4), 16 + 4 * 24);
    ck_assert_uint_eq(ld32(tag + 8), 24);
    ck_assert_uint_eq(ld64(tag + 16 + 8), 0x9FC00);
    ck_assert_uint_eq(ld32(tag + 16 + 16), 1);
    ck_assert_mem_eq(mb2_find(14) + 8, rsdp, 20);
    ck_assert_mem_eq(mb2_find(15) + 8, rsdp, 36);
    ck_assert_ptr_null(mb2_find(21));
    ck_assert_ptr_nonnull(mb2_find(0));
}
END_TEST

/* Addresses, EFI tags that ask for nothing here, wishes that may go unfulfilled. */
START_TEST(multiboot2_tags)
{
    static const uint32_t addresses[] = {0x300000, UINT32_MAX, 0, 0x310000};
    static const uint32_t entry[] = {0x2FF800}, bad[] = {7, 9}, screen[] = {1024, 768, 32};

    memset(m.image, 0xCC, 0x2000);
    m.size = 0x2000;
    mb2_begin();
    mb2_tag(2, 0, addresses, 4);
    mb2_tag(3, 0, entry, 1);
    mb2_tag(1, 1, bad, 2);
    mb2_tag(5, 1, screen, 3);
    mb2_tag(6, 0, NULL, 0);
    mb2_tag(7, 0, NULL, 0);
    mb2_tag(9, 0, entry, 1);
    mb2_tag(99, 1, NULL, 0);
    mb2_finish();
    load_ok();
    check_flat(0x2FF800);
    ck_assert_mem_eq(ram(0x2FF000), m.image, 0x2000);
    cpu_is_64bit();
    mb2_with(3, 0, (const uint32_t[]){0x100080}, 1); /* instead of the ELF file's */
    load_ok();
    check_flat(0x100080);
}
END_TEST

START_TEST(multiboot2_relocatable)
{
    enum { LOWEST = 1, HIGHEST = 2 };

    cpu_is_64bit();
    mb2_with(10, 0, (const uint32_t[]){0x100000, UINT32_MAX, 0x1000, LOWEST}, 4);
    load_ok();
    check_flat(0x100010);
    ck_assert_uint_eq(ld32(mb2_find(21) + 8), 0x100000);
    mb2_with(10, 0, (const uint32_t[]){0x400000, 0x2FFFFFF, 0x100000, LOWEST}, 4);
    load_ok();
    check_flat(0x400010);
    ck_assert_uint_eq(ld32(mb2_find(21) + 8), 0x400000);
    ck_assert_uint_eq(ram(0x50007F)[0], 0xAB);
    mb2_with(10, 0, (const uint32_t[]){0x400000, 0x2FFFFFF, 0x100000, HIGHEST}, 4);
    load_ok();
    check_flat(0x2E00010);
    mb2_with(10, 0, (const uint32_t[]){0x10000000, 0x2FFFFFFF, 0x1000, LOWEST}, 4);
    refused("finds no place");
    mb2_with(10, 0, (const uint32_t[]){0x400000, 0x2FFFFFF, 0x1001, LOWEST}, 4);
    refused("power of two");
}
END_TEST

START_TEST(multiboot2_refused)
{
    static const struct {
        unsigned type, n;
        uint32_t field[5];
        const char *says;
    } rows[] = {
        {1, 1, {8}, "information of type 8"},
        {1, 1, {0xFFFFFFFF}, "information of type 4294967295"},
        {2, 4, {0x300000, 0x300000, 0, 0}, "no entry address"},
        {2, 3, {0x300000, 0x300000, 0}, "too short"},
        {3, 0, {0}, "too short"},
        {3, 1, {0x400000}, "entry address"},
        {4, 1, {1}, "screen"},
        {5, 3, {640, 480, 32}, "screen"},
        {10, 3, {0, 0, 1}, "too short"},
        {11, 0, {0}, "header tag 11"},
        {0xFFFF, 0, {0}, "header tag 65535"},
    };

    cpu_is_64bit();
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        mb2_with(rows[i].type, 0, rows[i].field, rows[i].n);
        refused(rows[i].says);
    }
    mb2_with(6, 0, NULL, 0);
    st32(m.image + TEXT_AT + 16 + 4, 7);
    refused("size is wrong");
    st32(m.image + TEXT_AT + 16 + 4, 0xFFFFFFF8);
    refused("size is wrong");
    mb2_with(6, 0, NULL, 0);
    mb2_end -= 8;
    mb2_seal();
    refused("no end tag");
    mb2_end = m.size + 8;
    mb2_seal();
    refused("truncated");
    mb2_end = TEXT_AT + 8;
    mb2_seal();
    refused("truncated");
    mb2_with(6, 0, NULL, 0);
    st32(m.image + TEXT_AT + 4, 4); /* MIPS */
    st32(m.image + TEXT_AT + 12, ld32(m.image + TEXT_AT + 12) - 4);
    refused("another CPU");
    memmove(m.image, m.image + TEXT_AT, 0x100);
    mb2_with(6, 0, NULL, 0);
    memmove(m.image, m.image + TEXT_AT, 0x100);
    m.size = 0x100;
    refused("no load addresses");
    st32(m.image + 12, 0);
    refused("checksum");
}
END_TEST

/* ---- the 64-bit entry of Linux ---- */

enum { SETUP = 5 * 512, CODE = 0x1000, PAYLOAD_AT = 0x400 };

static void make_linux64(const uint8_t *payload, uint32_t len)
{
    uint8_t *h = m.image;

    memset(h, 0, SETUP + CODE);
    m.size = SETUP + CODE;
    st32(h + 0x1F4, CODE / 16);
    st16(h + 0x1FE, 0xAA55);
    h[0x200] = 0xEB;
    h[0x201] = 0x6A;
    memcpy(h + 0x202, "HdrS", 4);
    st16(h + 0x206, 0x20F);
    h[0x211] = 1;
    st32(h + 0x214, 0x100000);
    st32(h + 0x22C, 0x7FFFFFFF);
    st32(h + 0x230, 0x200000);
    h[0x234] = 1;
    st16(h + 0x236, 1); /* XLF_KERNEL_64 */
    st32(h + 0x238, 2047);
    st32(h + 0x248, PAYLOAD_AT);
    st32(h + 0x24C, len);
    st64(h + 0x258, 0x1000000);
    st32(h + 0x260, 0x400000);
    memset(h + SETUP, 0xC5, PAYLOAD_AT);
    memcpy(h + SETUP + PAYLOAD_AT, payload, len);
    cpu_is_64bit();
}

START_TEST(linux_64bit_entry)
{
    make_linux64((const uint8_t *)"", 0);
    load_ok();
    ck_assert_int_eq(m.bs.format, LOAD_LINUX);
    check_state(0x100200, UINT64_C(0x00AF9B000000FFFF));
    ck_assert(m.bs.long_mode);
    ck_assert_mem_eq(ram(m.bs.gpr[BOOT_SI] + 0x202), "HdrS", 4);
    ck_assert_mem_eq(ram(0x100000), m.image + SETUP, CODE);
    st32(m.image + 0x214, 0x100000 + CODE - 0x200);
    refused("entry point");
    st32(m.image + 0x214, 0xFFFFFFFF);
    refused("entry point");
    st32(m.image + 0x214, 0x100000);
    st16(m.image + 0x236, 0);
    load_ok();
    check_flat(0x100000);
}
END_TEST

/* An ELF64 of two segments at 1000000h, as a program would have made it, and packed by the tools
 * the kernel is packed with (gzip -n, xz --check=crc32, zstd, lz4 -l, the length appended). */
#include "loader_payload.h"

START_TEST(linux_payload)
{
    for (unsigned i = 0; i < ARRAY_SIZE(payloads); i++) {
        make_linux64(payloads[i].data, payloads[i].len);
        load_ok();
        ck_assert_int_eq(m.bs.format, LOAD_LINUX);
        if (!payloads[i].known) {
            check_state(0x100200, UINT64_C(0x00AF9B000000FFFF));
            continue;
        }
        check_state(0x1000000, UINT64_C(0x00AF9B000000FFFF));
        ck_assert_mem_eq(ram(0x1000000), "\x0F\x05hello", 7);
        ck_assert_mem_eq(ram(0x1001000), "\0\0\0\0", 4);
        m.cfg.unpack_in_guest = true;
        load_ok();
        check_state(0x100200, UINT64_C(0x00AF9B000000FFFF));
        m.cfg.unpack_in_guest = false;
        m.cfg.cpu_has_long_mode = false;
        st16(m.image + 0x236, 0); /* older kernels do not say it */
        refused("another CPU: x86-64");
    }
}
END_TEST

START_TEST(linux_payload_damaged)
{
    for (unsigned i = 0; i < ARRAY_SIZE(payloads); i++) {
        if (!payloads[i].known)
            continue;
        for (unsigned at = 8; at + 12 < payloads[i].len; at += 3) {
            make_linux64(payloads[i].data, payloads[i].len);
            m.image[SETUP + PAYLOAD_AT + at] ^= 0x5A;
            if (load() < 0)
                ck_assert_uint_gt(strlen(m.err.text), 10);
        }
        make_linux64(payloads[i].data, payloads[i].len);
        st32(m.image + SETUP + PAYLOAD_AT + payloads[i].len - 4, 0x3000);
        refused("damaged");
        st32(m.image + SETUP + PAYLOAD_AT + payloads[i].len - 4, 0xFFFFFFFF);
        load_ok(); /* larger than RAM: left to the decompressor, which has more to say */
        check_state(0x100200, UINT64_C(0x00AF9B000000FFFF));
        make_linux64(payloads[i].data, payloads[i].len / 2);
        st32(m.image + SETUP + PAYLOAD_AT + payloads[i].len / 2 - 4, PAYLOAD_ELF_SIZE);
        refused("damaged");
    }
}
END_TEST

/* ---- hostile input ---- */

static void hostile_elf64(void)
{
    cpu_is_64bit();
    make_vmlinux();
    if (rnd() % 2)
        add_pvh_note(0x100020);
    mutate(NOTE_AT + 0x60);
    if (rnd() % 2)
        memcpy(m.image, "\177ELF\2\1\1", 7);
}

static void hostile_multiboot2(void)
{
    static const uint32_t base[] = {0x300000, 0x300000, 0, 0x310000}, entry[] = {0x300000};
    static const uint32_t range[] = {0x100000, UINT32_MAX, 0x1000, 1};
    unsigned which = rnd() % 3;
    uint8_t header[0x100];

    cpu_is_64bit();
    make_elf64();
    mb2_begin();
    if (which == 0)
        mb2_tag(2, 0, base, 4);
    if (which <= 1)
        mb2_tag(3, rnd() % 2, entry, 1);
    mb2_tag(10, 0, range, 4);
    mb2_finish();
    memcpy(header, m.image + TEXT_AT, sizeof(header));
    if (rnd() % 4 == 0)
        mutate(PHDRS + 2 * sizeof(Elf64_Phdr));
    memmove(m.image + 0x300, m.image, 0x100);
    memcpy(m.image, header, sizeof(header));
    if (rnd() % 2)
        mutate(0x60);
    memcpy(m.image + TEXT_AT, m.image, sizeof(header));
    memmove(m.image, m.image + 0x300, 0x100);
    mb2_end = TEXT_AT + ld32(m.image + TEXT_AT + 8);
    st32(m.image + TEXT_AT, 0xE85250D6);
    st32(m.image + TEXT_AT + 12,
         0u - 0xE85250D6u - ld32(m.image + TEXT_AT + 4) - ld32(m.image + TEXT_AT + 8));
}

START_TEST(hostile_elf64_images)
{
    load_hostile(hostile_elf64);
}
END_TEST

START_TEST(hostile_multiboot2_images)
{
    load_hostile(hostile_multiboot2);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        elf64_refused,        pvh,
        pvh_bad_notes,        vmlinux,
        which_protocol,       multiboot2,
        multiboot2_tags,      multiboot2_relocatable,
        multiboot2_refused,   linux_64bit_entry,
        linux_payload,        linux_payload_damaged,
        hostile_elf64_images, hostile_multiboot2_images,
    };

    return run_tests("loader64", tests, ARRAY_SIZE(tests));
}
