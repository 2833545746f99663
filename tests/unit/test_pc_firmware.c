/* The PC board with firmware and without: what is wired to what, and what each side is told. */
#include <sys/mman.h>

#include "base/bits.h"
#include "dev_harness.h"
#include "machine/pc.h"

enum { RAM = 4 << 20, BIOS = 64 << 10 };

struct board {
    struct rig rig;
    struct bus mmio;
    struct physmem mem;
    struct pc pc;
    struct probe intr, power, reset;
    uint8_t bios[BIOS], vga_rom[4096];
};

static uint64_t tsc(void *opaque)
{
    return ((struct board *)opaque)->rig.ns;
}

static int64_t realtime(void *opaque)
{
    (void)opaque;
    return 1700000000;
}

static uint64_t wallclock(void *opaque)
{
    (void)opaque;
    return UINT64_C(1700000000000000000);
}

static void tpr(void *opaque, uint8_t val)
{
    (void)opaque;
    (void)val;
}

static void guest_exit(void *opaque, int code)
{
    (void)opaque;
    (void)code;
}

static struct board *start(bool firmware, uint64_t ram)
{
    uint64_t bytes = ram + VGA_VRAM_BYTES;
    struct board *b = calloc(1, sizeof(*b));
    struct pc_config cfg = {
        .ports = &b->rig.ports,
        .mmio = &b->mmio,
        .clock = &b->rig.clock,
        .mem = &b->mem,
        .intr = probe_line(&b->intr),
        .power = probe_line(&b->power),
        .reset = probe_line(&b->reset),
        .cpu = {.has_apic = true, .tsc = tsc, .tpr_changed = tpr, .apic_hz = 1000000000},
        .realtime = realtime,
        .wallclock = wallclock,
        .opaque = b,
        .bios = {b->bios, firmware ? BIOS : 0},
        .boot = {RTC_BOOT_CDROM, RTC_BOOT_DISK, RTC_BOOT_FLOPPY},
        .drive = {[1] = {{.kind = IDE_CDROM}}},
        .has_vga = true,
        .vga_rom = {b->vga_rom, sizeof(b->vga_rom)},
        .serial_screen = true,
        .exit_hook = {guest_exit, b},
    };

    rig_init(&b->rig);
    bus_init(&b->mmio, "mmio", NULL);
    memset(b->bios, 0xb1, BIOS);
    memset(b->vga_rom, 0x5a, sizeof(b->vga_rom));
    physmem_init(&b->mem,
                 mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
                 -1, ram, &b->mmio);
    physmem_add_area(&b->mem, VGA_VRAM_BYTES);
    ck_assert_int_eq(pc_init(&b->pc, &cfg), 0);
    pc_reset(&b->pc);
    return b;
}

static void stop(struct board *b)
{
    pc_fini(&b->pc);
    munmap(b->mem.hva, b->mem.nframes << PAGE_SHIFT);
    free(b);
}

static bool a20_open(const struct board *b)
{
    return physmem_offset(&b->mem, 0x100000) == 0x100000;
}

START_TEST(test_a20)
{
    struct board *b = start(true, RAM);

    ck_assert(a20_open(b));
    outb(&b->rig, 0x00, 0x92); /* it is on from the start for this port, too */
    ck_assert(!a20_open(b));
    outb(&b->rig, 0x02, 0x92);
    ck_assert(a20_open(b));
    outb(&b->rig, 0xd1, 0x64);
    outb(&b->rig, 0xcd, 0x60);
    ck_assert(!a20_open(b));
    outb(&b->rig, 0xdf, 0x64);
    ck_assert(a20_open(b));
    outb(&b->rig, 0x00, 0x92);
    ck_assert(!a20_open(b));
    pc_reset(&b->pc);
    ck_assert(a20_open(b));
    outb(&b->rig, 0x00, 0x92);
    ck_assert(!a20_open(b));
    stop(b);
}
END_TEST

static void config_out(struct board *b, unsigned devfn, unsigned reg, unsigned size, uint32_t val)
{
    bus_write(&b->rig.ports, 0xcf8, 4, 0x80000000 | devfn << 8 | (reg & ~3u));
    bus_write(&b->rig.ports, 0xcfc + (reg & 3), size, val);
}

static uint32_t config_in(struct board *b, unsigned devfn, unsigned reg)
{
    bus_write(&b->rig.ports, 0xcf8, 4, 0x80000000 | devfn << 8 | reg);
    return (uint32_t)bus_read(&b->rig.ports, 0xcfc, 4);
}

/* As the CPU finds it: nothing decodes but the ROM. */
START_TEST(test_power_on)
{
    struct board *b = start(true, RAM);

    ck_assert_ptr_null(physmem_ptr(&b->mem, 0xffff0));
    ck_assert_uint_eq(bus_read(&b->mmio, 0xffff0, 4), 0xb1b1b1b1);
    ck_assert_uint_eq(bus_read(&b->mmio, 0xfffffff0, 4), 0xb1b1b1b1);
    ck_assert_uint_eq(bus_read(&b->mmio, 0xe0000, 1), 0xff); /* 64 KiB of ROM end at 1 MiB */
    ck_assert_uint_eq(bus_read(&b->mmio, 0xf0000, 1), 0xb1);
    ck_assert_uint_eq(inb(&b->rig, 0x177), 0xff);
    ck_assert_uint_eq(bus_read(&b->rig.ports, 0x608, 4), 0xffffffff);
    ck_assert(b->mem.area.len == 0);
    stop(b);
}
END_TEST

START_TEST(test_ide_decoding)
{
    struct board *b = start(true, RAM);

    config_out(b, PIIX3_IDE_DEVFN, 4, 2, PCI_COMMAND_IO);
    ck_assert_uint_eq(inb(&b->rig, 0x172), 0xff);
    config_out(b, PIIX3_IDE_DEVFN, 0x42, 2, 0x8000);
    ck_assert_uint_eq(inb(&b->rig, 0x172), 1); /* the signature of the CD-ROM drive */
    ck_assert_uint_eq(inb(&b->rig, 0x1f2), 0xff);
    config_out(b, PIIX3_IDE_DEVFN, 0x20, 4, 0xc000);
    ck_assert_uint_eq(inb(&b->rig, 0xc008), 0); /* bus master, second channel */
    config_out(b, PIIX3_IDE_DEVFN, 4, 2, 0);
    ck_assert_uint_eq(inb(&b->rig, 0x172), 0xff);
    ck_assert_uint_eq(inb(&b->rig, 0xc008), 0xff);
    stop(b);
}
END_TEST

START_TEST(test_vga_function)
{
    struct board *b = start(true, RAM);

    ck_assert_uint_eq(config_in(b, PC_VGA_DEVFN, 0), 0x11111234);
    config_out(b, PC_VGA_DEVFN, 4, 2, PCI_COMMAND_MEMORY);
    config_out(b, PC_VGA_DEVFN, 0x10, 4, 0xfd000000);
    ck_assert(physmem_offset(&b->mem, 0xfdffffff) == RAM + VGA_VRAM_BYTES - 1);
    config_out(b, PC_VGA_DEVFN, 0x30, 4, 0xfeb00001);
    ck_assert_uint_eq(bus_read(&b->mmio, 0xfeb00ffc, 4), 0x5a5a5a5a);
    config_out(b, PC_VGA_DEVFN, 0x18, 4, 0xfeb10000);
    ck_assert_uint_eq(bus_read(&b->mmio, 0xfeb10500, 2) & 0xfff0, 0xb0c0); /* the VBE identity */
    stop(b);
}
END_TEST

/* What the firmware reads of `name`; its length. */
static uint32_t read_file(struct board *b, const char *name, uint8_t *to, uint32_t max)
{
    for (unsigned i = 0; i < b->pc.fw_cfg.nitems; i++) {
        const struct fw_cfg_item *it = &b->pc.fw_cfg.item[i];

        if (strcmp(it->name, name) != 0)
            continue;
        bus_write(&b->rig.ports, 0x510, 2, it->key);
        for (uint32_t n = 0; n < max; n++)
            to[n] = inb(&b->rig, 0x511);
        return it->len;
    }
    return 0;
}

static uint8_t cmos(struct board *b, uint8_t at)
{
    outb(&b->rig, at, 0x70);
    return inb(&b->rig, 0x71);
}

START_TEST(test_what_firmware_is_told)
{
    struct board *b = start(true, 5 * GIB);
    uint8_t buf[64];

    ck_assert_uint_eq(read_file(b, "etc/e820", buf, 40), 40);
    ck_assert(ld64(buf) == 0 && ld64(buf + 8) == 3 * GIB && ld32(buf + 16) == 1);
    ck_assert(ld64(buf + 20) == 4 * GIB && ld64(buf + 28) == 2 * GIB && ld32(buf + 36) == 1);
    ck_assert_uint_eq(read_file(b, "etc/sercon-port", buf, 8), 8);
    ck_assert_uint_eq(ld64(buf), 0x3f8);
    ck_assert_uint_eq(read_file(b, "etc/acpi/rsdp", buf, 8), 20);
    ck_assert_int_eq(memcmp(buf, "RSD PTR ", 8), 0);
    ck_assert_uint_eq(read_file(b, "etc/table-loader", buf, 1) % 128, 0);
    ck_assert_uint_eq(read_file(b, "etc/smbios/smbios-anchor", buf, 31), 31);
    ck_assert_uint_eq(read_file(b, "etc/smbios/smbios-tables", buf + 31, 4), ld16(buf + 0x16));
    ck_assert_int_eq(memcmp(buf + 31, "\1\x1b\1\0", 4), 0);
    bus_write(&b->rig.ports, 0x510, 2, 5);
    ck_assert_uint_eq(inb(&b->rig, 0x511), 1);
    ck_assert_uint_eq(cmos(b, 0x3d), 0x23); /* CD, then disk */
    ck_assert_uint_eq(cmos(b, 0x38), 0x10);
    ck_assert_uint_eq(cmos(b, 0x34) | cmos(b, 0x35) << 8, (3 * GIB - 16 * MIB) >> 16);
    stop(b);
}
END_TEST

START_TEST(test_without_firmware)
{
    struct board *b = start(false, RAM);
    gpa_t rsdp;

    pc_configure_pci(&b->pc);
    for (gpa_t at = 0xc0000; at < 0x100000; at += 0x4000)
        ck_assert(physmem_offset(&b->mem, at) == at && physmem_takes_writes(&b->mem, at));
    ck_assert_int_eq(pc_acpi_tables(&b->pc, &b->mem, &rsdp), 0);
    ck_assert_int_eq(memcmp(physmem_ptr(&b->mem, rsdp), "RSD PTR ", 8), 0);
    pc_firmware(&b->pc, &b->rig.ports, &b->mmio);
    ck_assert_uint_eq(inb(&b->rig, 0x4d1), 0x0e); /* SCI and the PIRQs are levels */
    ck_assert_uint_ne(bus_read(&b->rig.ports, 0x608, 4), 0xffffffff);
    ck_assert_uint_eq(inb(&b->rig, 0x172), 1);
    ck_assert_uint_eq(config_in(b, PIIX3_DEVFN, 0x60), 0x0b0b0a0a);
    ck_assert_uint_eq(config_in(b, PIIX3_IDE_DEVFN, 0x20), 0xc001);
    ck_assert_uint_eq(config_in(b, PC_VGA_DEVFN, 0x10), 0xfd000008);
    ck_assert(physmem_offset(&b->mem, 0xfd000000) == RAM);
    ck_assert_uint_eq(inb(&b->rig, 0x510), 0xff);
    stop(b);
}
END_TEST

START_TEST(test_reset)
{
    struct board *b = start(true, RAM);

    config_out(b, 0, 0x59, 1, 0x30);
    b->mem.hva[0xffff0] = 0x77;
    ck_assert_ptr_nonnull(physmem_ptr(&b->mem, 0xffff0));
    config_out(b, PC_VGA_DEVFN, 4, 2, PCI_COMMAND_MEMORY);
    config_out(b, PC_VGA_DEVFN, 0x10, 4, 0xfd000000);
    pc_reset(&b->pc);
    ck_assert_uint_eq(bus_read(&b->mmio, 0xffff0, 1), 0xb1);
    ck_assert(b->mem.area.len == 0);
    stop(b);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_a20,
        test_power_on,
        test_ide_decoding,
        test_vga_function,
        test_what_firmware_is_told,
        test_without_firmware,
        test_reset,
    };

    return run_tests("pc_firmware", tests, ARRAY_SIZE(tests));
}
