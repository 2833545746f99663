/* The loader: ELF32 and multiboot images, built here field by field. */
#include "loader_rig.h"

#include <elf.h>

/* ---- ELF and multiboot ---- */

static Elf32_Ehdr *ehdr(void)
{
    return (Elf32_Ehdr *)m.image;
}

static Elf32_Phdr *phdr(unsigned i)
{
    return (Elf32_Phdr *)(m.image + sizeof(Elf32_Ehdr)) + i;
}

/* Two segments: 100h bytes with 300h more of bss at 1 MiB, 80h bytes at 2 MiB. */
static void make_elf(void)
{
    static const uint8_t ident[] = {0x7F, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT};

    memset(m.image, 0, 0x2000);
    m.size = 0x2000;
    *ehdr() = (Elf32_Ehdr){.e_type = ET_EXEC,
                           .e_machine = EM_386,
                           .e_version = EV_CURRENT,
                           .e_entry = 0x100010,
                           .e_phoff = sizeof(Elf32_Ehdr),
                           .e_ehsize = sizeof(Elf32_Ehdr),
                           .e_phentsize = sizeof(Elf32_Phdr),
                           .e_phnum = 2};
    memcpy(m.image, ident, sizeof(ident));
    *phdr(0) = (Elf32_Phdr){.p_type = PT_LOAD,
                            .p_offset = 0x1000,
                            .p_vaddr = 0x100000,
                            .p_paddr = 0x100000,
                            .p_filesz = 0x100,
                            .p_memsz = 0x400};
    *phdr(1) = (Elf32_Phdr){.p_type = PT_LOAD,
                            .p_offset = 0x1100,
                            .p_vaddr = 0xC0200000,
                            .p_paddr = 0x200000,
                            .p_filesz = 0x80,
                            .p_memsz = 0x80};
    memset(m.image + 0x1000, 0xAB, 0x180);
}

static void add_multiboot(size_t off, uint32_t flags)
{
    st32(m.image + off, 0x1BADB002);
    st32(m.image + off + 4, flags);
    st32(m.image + off + 8, -(0x1BADB002 + flags));
}

START_TEST(elf_plain)
{
    make_elf();
    ck_assert_int_eq(physmem_fill(&m.pm, 0x100000, 0xFF, 0x1000), 0);
    load_ok();
    ck_assert_int_eq(m.bs.format, LOAD_ELF);
    check_flat(0x100010);
    ck_assert_uint_eq(ram(0x1000FF)[0], 0xAB);
    ck_assert_uint_eq(ram(0x100100)[0], 0x00);
    ck_assert_uint_eq(ram(0x1003FF)[0], 0x00);
    ck_assert_uint_eq(ram(0x100400)[0], 0xFF);
    ck_assert_uint_eq(ram(0x20007F)[0], 0xAB);
    ehdr()->e_entry = 0xC0200004; /* virtual: the higher half */
    load_ok();
    check_flat(0x200004);
}
END_TEST

START_TEST(elf_refused)
{
    static const struct {
        size_t off;
        uint32_t value;
        unsigned bytes;
        const char *says;
    } rows[] = {
        {offsetof(Elf32_Ehdr, e_machine), EM_X86_64, 2, "x32"},
        {offsetof(Elf32_Ehdr, e_machine), EM_ARM, 2, "another CPU: arm"},
        {offsetof(Elf32_Ehdr, e_machine), 0x7777, 2, "machine 30583"},
        {offsetof(Elf32_Ehdr, e_type), ET_REL, 2, "object file"},
        {offsetof(Elf32_Ehdr, e_type), ET_DYN, 2, "position-independent"},
        {offsetof(Elf32_Ehdr, e_type), ET_CORE, 2, "core dump"},
        {offsetof(Elf32_Ehdr, e_entry), 0x50, 4, "entry point 0x50"},
        {offsetof(Elf32_Ehdr, e_phnum), 0, 2, "nothing to load"},
        {offsetof(Elf32_Ehdr, e_phoff), 0xFFFFFFF0, 4, "truncated"},
        {offsetof(Elf32_Ehdr, e_phnum), 0xFFFE, 2, ""},
        {4, 7, 1, "damaged"},
        {EI_OSABI, ELFOSABI_GNU, 1, "program for Linux"},
        {52 + offsetof(Elf32_Phdr, p_type), PT_INTERP, 4, "program for Linux"},
        {52 + offsetof(Elf32_Phdr, p_filesz), 0x401, 4, "damaged"},
        {52 + offsetof(Elf32_Phdr, p_offset), 0x1F80, 4, "truncated"},
        {52 + offsetof(Elf32_Phdr, p_offset), 0xFFFFFFFF, 4, "truncated"},
        {52 + offsetof(Elf32_Phdr, p_memsz), 0xFFFFFFFF, 4, "no RAM"},
        {52 + offsetof(Elf32_Phdr, p_paddr), 0xFFFFFF00, 4, "no RAM"},
        {52 + offsetof(Elf32_Phdr, p_paddr), 0x9FB00, 4, "reserved"},
        {52 + offsetof(Elf32_Phdr, p_paddr), 0xA0000, 4, "no RAM"},
        {52 + offsetof(Elf32_Phdr, p_paddr), 0xFFF00, 4, "reserved"},
        {52 + offsetof(Elf32_Phdr, p_paddr), 0x3FFFF00, 4, "no RAM"},
        {52 + 32 + offsetof(Elf32_Phdr, p_paddr), 0x1003FF, 4, "there is an ELF segment"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        make_elf();
        memcpy(m.image + rows[i].off, &rows[i].value, rows[i].bytes);
        refused(rows[i].says);
    }
    make_elf();
    m.size = 40;
    refused("damaged");
    make_elf();
    m.cfg.initrd = "/dev/null";
    refused("-initrd");
}
END_TEST

/* Tables are placed around an image that fills low memory, or above it. */
START_TEST(elf_in_low_memory)
{
    make_elf();
    phdr(0)->p_paddr = phdr(0)->p_vaddr = 0;
    phdr(0)->p_memsz = 0x9FC00;
    ehdr()->e_entry = 0x10;
    load_ok();
    check_flat(0x10);
    ck_assert_uint_ge(m.bs.gdt_base, 0x100000);
    set_ram(2 * MIB);
    phdr(1)->p_paddr = 0x100000;
    phdr(1)->p_memsz = 0x100000;
    refused("leaves no room");
}
END_TEST

static const uint8_t *multiboot_info(void)
{
    ck_assert_int_eq(m.bs.format, LOAD_MULTIBOOT);
    ck_assert_uint_eq(m.bs.gpr[BOOT_AX], 0x2BADB002);
    return ram(m.bs.gpr[BOOT_BX]);
}

START_TEST(multiboot_elf)
{
    const uint8_t *info, *mod, *map;
    char spec[256], want[256];

    make_elf();
    add_multiboot(0x1000, 3);
    write_file(m.initrd_path, "module!", 7);
    snprintf(spec, sizeof(spec), "%s a,,b c,%s", m.initrd_path, m.initrd_path);
    m.cfg.initrd = spec;
    m.cfg.cmdline = "verbose";
    load_ok();
    check_flat(0x100010);
    info = multiboot_info();
    ck_assert_uint_eq(ld32(info), 0x24D);
    ck_assert_uint_eq(ld32(info + 4), 639);
    ck_assert_uint_eq(ld32(info + 8), 63 * 1024);
    snprintf(want, sizeof(want), "%s verbose", m.image_path);
    ck_assert_str_eq((const char *)ram(ld32(info + 16)), want);
    ck_assert_uint_eq(ld32(info + 20), 2);
    mod = ram(ld32(info + 24));
    ck_assert_mem_eq(ram(ld32(mod)), "module!", 7);
    ck_assert_uint_eq(ld32(mod + 4), ld32(mod) + 7);
    ck_assert_uint_eq(ld32(mod) & 0xFFF, 0);
    snprintf(want, sizeof(want), "%s a,b c", m.initrd_path);
    ck_assert_str_eq((const char *)ram(ld32(mod + 8)), want);
    ck_assert_str_eq((const char *)ram(ld32(mod + 24)), m.initrd_path);
    ck_assert_uint_gt(ld32(mod + 16), ld32(mod));
    map = ram(ld32(info + 48));
    ck_assert_uint_eq(ld32(info + 44), 4 * 24);
    ck_assert_uint_eq(ld32(map), 20);
    ck_assert_uint_eq(ld64(map + 12), 0x9FC00);
    ck_assert_uint_eq(ld32(map + 20), 1);
    ck_assert_str_eq((const char *)ram(ld32(info + 64)), "dragoman");
}
END_TEST

START_TEST(multiboot_addresses)
{
    memset(m.image, 0xCC, 0x1000);
    m.size = 0x1000;
    add_multiboot(0x100, 0x10000);
    st32(m.image + 0x10C, 0x300080); /* the header lies here, so byte 80h of the file .. */
    st32(m.image + 0x110, 0x300000); /* .. is loaded here */
    st32(m.image + 0x114, 0x300200);
    st32(m.image + 0x118, 0x301000);
    st32(m.image + 0x11C, 0x300040);
    load_ok();
    check_flat(0x300040);
    multiboot_info();
    ck_assert_mem_eq(ram(0x300000), m.image + 0x80, 0x200);
    ck_assert_uint_eq(ram(0x300200)[0], 0);
    st32(m.image + 0x114, 0); /* to the end of the file, no bss */
    st32(m.image + 0x118, 0);
    load_ok();
    ck_assert_mem_eq(ram(0x300000), m.image + 0x80, 0xF80);
}
END_TEST

START_TEST(multiboot_refused)
{
    static const struct {
        unsigned off;
        uint32_t value;
        const char *says;
    } rows[] = {
        {0x10C, 0x2FFFFF, "before the start"}, {0x10C, 0x300101, "before the start"},
        {0x114, 0x2FFFFF, "load_end_addr"},    {0x114, 0x301001, "truncated"},
        {0x118, 0x3001FF, "bss_end_addr"},     {0x11C, 0x302000, "entry"},
        {0x118, 0xFFFFFFFF, "no RAM"},         {0x11C, 0x2FFFFF, "entry"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        memset(m.image, 0xCC, 0x1000);
        m.size = 0x1000;
        add_multiboot(0x100, 0x10000);
        st32(m.image + 0x10C, 0x300100);
        st32(m.image + 0x110, 0x300000);
        st32(m.image + 0x114, 0x300200);
        st32(m.image + 0x118, 0x301000);
        st32(m.image + 0x11C, 0x300040);
        st32(m.image + rows[i].off, rows[i].value);
        refused(rows[i].says);
    }
    memset(m.image, 0xCC, 0x1000);
    add_multiboot(0xFF0, 0x10000);
    refused("truncated");
    add_multiboot(0xFF0, 0);
    refused("no load addresses");
    make_elf();
    add_multiboot(0x1000, 1 << 5);
    refused("demands");
    add_multiboot(0x1000, 0);
    m.cfg.initrd = "/nonexistent/module x";
    refused("/nonexistent/module: no such file");
    m.cfg.initrd = ",";
    refused("no such file");
    m.cfg.initrd = NULL;
    st32(m.image + 0x1008, 0); /* no checksum: no header; the ELF file remains */
    load_ok();
    ck_assert_int_eq(m.bs.format, LOAD_ELF);
}
END_TEST

/* ---- hostile input ---- */

static void hostile_elf(void)
{
    make_elf();
    mutate(sizeof(Elf32_Ehdr) + 2 * sizeof(Elf32_Phdr));
}

static void hostile_multiboot(void)
{
    memset(m.image, 0, 0x1000);
    m.size = 0x1000;
    st32(m.image + 12, 0x300000);
    st32(m.image + 16, 0x300000);
    st32(m.image + 28, 0x300000);
    mutate(32);
    add_multiboot(0, 0x10000);
}

START_TEST(hostile_elf_images)
{
    load_hostile(hostile_elf);
}
END_TEST

START_TEST(hostile_multiboot_images)
{
    load_hostile(hostile_multiboot);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        elf_plain,           elf_refused,       elf_in_low_memory,  multiboot_elf,
        multiboot_addresses, multiboot_refused, hostile_elf_images, hostile_multiboot_images,
    };

    return run_tests("loader_elf", tests, ARRAY_SIZE(tests));
}
