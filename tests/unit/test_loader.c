/* The loader: Linux kernels of every protocol version, flat binaries, foreign files, the memory
 * map. Images are built here, field by field. */
#include "loader_rig.h"

#include "loader/memmap.h"

/* ---- Linux ---- */

enum { SETUP_SECTS = 4, SETUP = (SETUP_SECTS + 1) * 512, CODE = 8192 };

/* A bzImage with a header of that version, setup_sects left at 0 (which means 4). */
static void make_linux(unsigned version)
{
    static const struct {
        unsigned version, end;
    } ends[] = {{0x20F, 0x26C}, {0x20A, 0x264}, {0x208, 0x250}, {0x206, 0x23C},
                {0x203, 0x230}, {0x202, 0x22C}, {0x201, 0x228}, {0x200, 0x224}};
    uint8_t *h = m.image;
    unsigned i = 0;

    memset(m.image, 0, SETUP + CODE);
    m.size = SETUP + CODE;
    while (i + 1 < ARRAY_SIZE(ends) && ends[i].version > version)
        i++;
    st32(h + 0x1F4, CODE / 16);
    st16(h + 0x1FE, 0xAA55);
    h[0x200] = 0xEB;
    h[0x201] = (uint8_t)(ends[i].end - 0x202);
    memcpy(h + 0x202, "HdrS", 4);
    st16(h + 0x206, (uint16_t)version);
    h[0x211] = 0x41; /* LOADED_HIGH, KEEP_SEGMENTS */
    st32(h + 0x214, 0x100000);
    if (version >= 0x203)
        st32(h + 0x22C, 0x37FFFFFF);
    if (version >= 0x205) {
        st32(h + 0x230, 0x1000000);
        h[0x234] = 1;
    }
    if (version >= 0x206)
        st32(h + 0x238, 2047);
    if (version >= 0x208) {
        st32(h + 0x248, 0x100);
        st32(h + 0x24C, CODE - 0x200);
    }
    if (version >= 0x20A) {
        st64(h + 0x258, 0x1000000);
        st32(h + 0x260, 0x400000);
    }
    memset(h + SETUP, 0xC5, CODE);
}

START_TEST(linux_new)
{
    static const uint8_t initrd[5000] = "070701 not really";
    const uint8_t *zp;
    uint32_t at;

    make_linux(0x20F);
    write_file(m.initrd_path, initrd, sizeof(initrd));
    m.cfg.initrd = m.initrd_path;
    m.cfg.cmdline = "console=ttyS0 quiet";
    m.cfg.acpi_rsdp = 0xE0010;
    load_ok();
    ck_assert_int_eq(m.bs.format, LOAD_LINUX);
    check_flat(0x100000);
    ck_assert_uint_eq(m.bs.gpr[BOOT_BX] | m.bs.gpr[BOOT_BP] | m.bs.gpr[BOOT_DI], 0);
    ck_assert_mem_eq(ram(0x100000), m.image + SETUP, CODE);
    zp = ram(m.bs.gpr[BOOT_SI]);
    ck_assert_uint_lt(m.bs.gpr[BOOT_SI], 0x9FC00);
    ck_assert_mem_eq(zp + 0x202, "HdrS", 4);
    ck_assert_uint_eq(zp[0x210], 0xFF);
    ck_assert_uint_eq(zp[0x211], 0x01);
    ck_assert_uint_eq(ld16(zp + 0x1FA), 0xFFFF);
    ck_assert_uint_eq(ld64(zp + 0x70), 0xE0010);
    ck_assert_str_eq((const char *)ram(ld32(zp + 0x228)), m.cfg.cmdline);
    at = ld32(zp + 0x218);
    ck_assert_uint_eq(at & 0xFFF, 0);
    ck_assert_uint_ge(at, 0x1400000); /* above the room for unpacking */
    ck_assert_uint_eq(ld32(zp + 0x21C), sizeof(initrd));
    ck_assert_mem_eq(ram(at), initrd, sizeof(initrd));
    for (unsigned i = 0; i < 0x40; i++) /* screen_info: no screen */
        ck_assert_uint_eq(zp[i] == 0 || i == 2 || i == 3, 1);
    ck_assert_uint_eq(ld32(zp + 0x1E0), 63 * 1024);
    ck_assert_uint_eq(zp[0x1E8], 4);
}
END_TEST

START_TEST(linux_e820)
{
    static const struct mem_entry want[] = {
        {0, 0x9FC00, MEM_RAM},
        {0x9FC00, 0x400, MEM_RESERVED},
        {0xE0000, 0x1000, MEM_RESERVED},
        {0xE1000, 0x2000, MEM_ACPI},
        {0xE3000, 0x1D000, MEM_RESERVED},
        {0x100000, 0xBFF00000, MEM_RAM},
        {0x100000000, 0x40000000, MEM_RAM},
    };
    const uint8_t *zp;

    make_linux(0x20F);
    set_ram(4 * GIB);
    m.cfg.acpi_base = 0xE1000;
    m.cfg.acpi_len = 0x2000;
    load_ok();
    zp = ram(m.bs.gpr[BOOT_SI]);
    ck_assert_uint_eq(zp[0x1E8], ARRAY_SIZE(want));
    for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
        const uint8_t *e = zp + 0x2D0 + i * 20;

        ck_assert_uint_eq(ld64(e), want[i].base);
        ck_assert_uint_eq(ld64(e + 8), want[i].len);
        ck_assert_uint_eq(ld32(e + 16), want[i].type);
    }
}
END_TEST

START_TEST(linux_old)
{
    make_linux(0x200);
    m.cfg.cmdline = "root=/dev/hda1";
    load_ok();
    check_flat(0x100000);
    ck_assert_uint_eq(m.bs.gpr[BOOT_SI], 0x90000);
    ck_assert_uint_eq(ld16(ram(0x90020)), 0xA33F);
    ck_assert_str_eq((const char *)ram(0x90000u + ld16(ram(0x90022))), m.cfg.cmdline);
    ck_assert_uint_eq(ld16(ram(0x90002)), 0xFC00);
    make_linux(0x202);
    load_ok();
    ck_assert_str_eq((const char *)ram(ld32(ram(m.bs.gpr[BOOT_SI] + 0x228))), m.cfg.cmdline);
    ck_assert_uint_eq(ld16(ram(m.bs.gpr[BOOT_SI] + 0x20)), 0);
}
END_TEST

START_TEST(linux_every_version)
{
    write_file(m.initrd_path, "initrd", 6);
    m.cfg.initrd = m.initrd_path;
    for (unsigned v = 0x200; v <= 0x210; v++) {
        make_linux(v);
        load_ok();
        check_flat(0x100000);
    }
}
END_TEST

START_TEST(linux_command_line_limit)
{
    char line[2049];

    memset(line, 'x', sizeof(line));
    line[2047] = '\0';
    m.cfg.cmdline = line;
    make_linux(0x20F);
    load_ok();
    line[2047] = 'x';
    line[2048] = '\0';
    refused("2048 characters");
    make_linux(0x200);
    refused("at most 255");
    line[255] = '\0';
    load_ok();
}
END_TEST

START_TEST(linux_x86_64)
{
    make_linux(0x20F);
    st16(m.image + 0x236, 1);
    refused("another CPU: x86-64");
    m.cfg.cpu_has_long_mode = true;
    load_ok();
}
END_TEST

START_TEST(linux_bad_headers)
{
    make_linux(0x20F);
    m.size = SETUP;
    refused("truncated");
    m.size = 0x210;
    refused("truncated");
    m.size = SETUP + CODE - 100;
    refused("truncated");
    make_linux(0x20F);
    st32(m.image + 0x1F4, 0xFFFFFFFF);
    refused("truncated");
    make_linux(0x20F);
    st32(m.image + 0x24C, 0xFFFFFFFF);
    refused("truncated");
    make_linux(0x20F);
    m.image[0x1F1] = 0xFF;
    refused("truncated");
    make_linux(0x20F);
    st32(m.image + 0x214, 0x1000);
    refused("entry point");
    make_linux(0x20F);
    st32(m.image + 0x230, 0x1001);
    refused("kernel_alignment");
    make_linux(0x20F);
    st64(m.image + 0x258, UINT64_MAX - 4096);
    refused("above 4 GiB");
    make_linux(0x20F);
    st32(m.image + 0x260, 0xFFFFFFFF);
    refused("needs 4112 MiB");
    make_linux(0x20F);
    m.image[0x211] = 0;
    refused("zImage");
    make_linux(0x105);
    refused("older");
}
END_TEST

START_TEST(linux_too_little_ram)
{
    make_linux(0x20F);
    set_ram(16 * MIB);
    refused("needs 20 MiB of RAM to start, the guest has 16 MiB");
    set_ram(1 * MIB);
    refused("-m");
    set_ram(20 * MIB);
    load_ok();
    ck_assert_int_eq(truncate(m.initrd_path, 0) == 0 || errno == ENOENT, 1);
    write_file(m.initrd_path, m.image, SETUP - 1000);
    m.image[SETUP] = 1;
    m.cfg.initrd = m.initrd_path;
    refused("not an initrd");
    write_file(m.initrd_path, m.image + SETUP, 4096);
    refused("does not fit");
    set_ram(64 * MIB);
    st32(m.image + 0x22C, 0);
    refused("does not fit");
}
END_TEST

START_TEST(linux_bad_initrd)
{
    make_linux(0x20F);
    m.cfg.initrd = "/nonexistent/initrd";
    refused("/nonexistent/initrd: no such file");
    m.cfg.initrd = "/tmp";
    refused("directory");
    write_file(m.initrd_path, "", 0);
    m.cfg.initrd = m.initrd_path;
    refused("empty");
    m.cfg.initrd = "/dev/zero";
    refused("larger than the guest's RAM");
}
END_TEST

/* ---- flat and foreign ---- */

START_TEST(flat)
{
    memset(m.image, 0x90, 4096);
    m.size = 4096;
    m.cfg.flat = true;
    m.cfg.flat_addr = 0x7C00;
    load_ok();
    ck_assert_int_eq(m.bs.format, LOAD_FLAT);
    check_flat(0x7C00);
    ck_assert_mem_eq(ram(0x7C00), m.image, 4096);
    m.cfg.flat_addr = 0x9F000;
    refused("reserved");
    m.cfg.flat_addr = 64 * MIB - 100;
    refused("no RAM");
    m.cfg.flat_addr = UINT64_MAX - 100;
    refused("above 4 GiB");
    m.cfg.flat_addr = 0;
    m.cfg.initrd = m.image_path;
    refused("-initrd");
    m.cfg.initrd = NULL;
    m.size = 0;
    refused("empty");
}
END_TEST

START_TEST(foreign)
{
    static const struct {
        const char *bytes;
        size_t len, off;
        const char *says;
    } rows[] = {
        {"\x1F\x8B\x08", 3, 0, "gzip"},
        {"\xFD"
         "7zXZ\0",
         6, 0, "xz"},
        {"\x28\xB5\x2F\xFD", 4, 0, "zstd"},
        {"CD001", 5, 0x8001, "ISO 9660"},
        {"\x55\xAA", 2, 0x1FE, "disk image"},
        {"QFI\xFB", 4, 0, "qcow2"},
        {"MZ", 2, 0, "DOS program"},
        {"#!/bin/sh\n", 10, 0, "script"},
        {"070701", 6, 0, "cpio"},
        {"!<arch>\ndebian", 14, 0, "dpkg-deb"},
        {"ARM\x64", 4, 0x38, "arm64"},
        {"\x7F"
         "EL",
         3, 0, "nothing known starts with 7F 45 4C 00"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        memset(m.image, 0, sizeof(m.image));
        memcpy(m.image + rows[i].off, rows[i].bytes, rows[i].len);
        m.size = sizeof(m.image);
        refused(rows[i].says);
    }
    memset(m.image, 0, 0x200);
    memcpy(m.image, "MZ", 2);
    st32(m.image + 0x3C, 0x80);
    memcpy(m.image + 0x80, "PE\0\0", 4);
    refused("PE");
    st32(m.image + 0x3C, 0xFFFFFFFF);
    refused("DOS");
    m.size = snprintf((char *)m.image, 64, "just a text\n");
    refused("text file");
    m.size = 1;
    m.image[0] = 0xF4;
    refused("-flat ADDR");
    m.size = 0;
    refused("empty");
    m.cfg.image = "/nonexistent/kernel";
    ck_assert_int_eq(loader_load(&m.pm, &m.cfg, &m.bs, &m.err), -ENOENT);
}
END_TEST

/* ---- the map ---- */

START_TEST(layout)
{
    struct memmap map;
    struct layout l;

    memmap_init(&map, &m.pm);
    ck_assert_int_eq(memmap_mark(&map, 0x3F00000, 0x10000, MEM_ACPI), 0);
    ck_assert_int_eq(memmap_mark(&map, UINT64_MAX, 2, MEM_ACPI), -EINVAL);
    ck_assert_uint_eq(map.n, 6);
    ck_assert_uint_eq(memmap_ram_from(&map, MIB), 0x3E00000);
    ck_assert_uint_eq(memmap_ram_from(&map, 0x3F00000), 0);
    layout_init(&l, &map);
    ck_assert_uint_eq(layout_place_top(&l, 0x1001, 4096, MIB, UINT64_MAX, "a"), 0x3FFE000);
    ck_assert_uint_eq(layout_place_top(&l, 0x1001, 4096, MIB, 0x3F10000, "b"), 0x3EFE000);
    ck_assert_uint_eq(layout_place_top(&l, 0x1000, 4096, MIB, 0x3F10000, "c"), 0x3EFD000);
    ck_assert_uint_eq(layout_place_bottom(&l, 0x1001, 4096, 0x9F000, UINT64_MAX, "d"), 0x100000);
    ck_assert_uint_eq(layout_place_bottom(&l, 0x800, 4096, 0x9F000, UINT64_MAX, "e"), 0x9F000);
    ck_assert_uint_eq(layout_place_top(&l, UINT64_MAX, 16, 0, UINT64_MAX, "f"), LAYOUT_NONE);
    ck_assert_uint_eq(layout_place_bottom(&l, UINT64_MAX, 16, 0, UINT64_MAX, "f"), LAYOUT_NONE);
    ck_assert_str_eq(layout_conflict(&l, 0x100FFF, 1), "d");
    ck_assert_int_eq(layout_claim(&l, 0x100FFF, 1, "g"), -EEXIST);
    ck_assert_ptr_nonnull(layout_conflict(&l, 0x200000, UINT64_MAX));
    ck_assert_ptr_nonnull(layout_conflict(&l, UINT64_MAX, UINT64_MAX));
    for (gpa_t at = 0x1000; l.n < LAYOUT_MAX; at += 32)
        ck_assert_int_eq(layout_claim(&l, at, 16, "h"), 0);
    ck_assert_int_eq(layout_claim(&l, 0x200000, 16, "i"), -ENOSPC);
}
END_TEST

/* ---- hostile input ---- */

static void hostile_linux(void)
{
    make_linux(0x200 + rnd() % 0x11);
    for (unsigned i = 1 + rnd() % 3; i-- > 0;) {
        uint32_t v = rnd() % 2 ? 0xFFFFFFFF : rnd() * 257;

        memcpy(m.image + 0x1F1 + rnd() % 0x90, &v, 1 + rnd() % 4);
    }
    if (rnd() % 8 == 0)
        m.size = rnd() % (m.size + 1);
}

START_TEST(hostile)
{
    load_hostile(hostile_linux);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        linux_new,
        linux_e820,
        linux_old,
        linux_every_version,
        linux_command_line_limit,
        linux_x86_64,
        linux_bad_headers,
        linux_too_little_ram,
        linux_bad_initrd,
        flat,
        foreign,
        layout,
        hostile,
    };

    return run_tests("loader", tests, ARRAY_SIZE(tests));
}
