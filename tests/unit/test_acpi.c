#include "devices/acpi_pm.h"
#include "devices/acpi_tables.h"

#include <errno.h>
#include <stdio.h>

#include "base/bits.h"
#include "dev_harness.h"
#include "devices/aml.h"

enum { PM = ACPI_PM_BASE, TABLES = 0xe0000 };

struct board {
    struct rig rig;
    struct acpi_pm pm;
    struct probe sci, power;
};

static void start(struct board *b, bool timer_32bit)
{
    memset(b, 0, sizeof(*b));
    rig_init(&b->rig);
    acpi_pm_init(&b->pm, &b->rig.clock,
                 &(struct acpi_pm_lines){probe_line(&b->sci), probe_line(&b->power)}, timer_32bit);
    ck_assert_int_eq(acpi_pm_attach(&b->pm, &b->rig.ports), 0);
    acpi_pm_move(&b->pm, &b->rig.ports, PM);
}

static unsigned inw(struct board *b, uint16_t port)
{
    return (unsigned)bus_read(&b->rig.ports, port, 2);
}

static void outw(struct board *b, uint16_t val, uint16_t port)
{
    bus_write(&b->rig.ports, port, 2, val);
}

static uint32_t inl(struct board *b, uint16_t port)
{
    return (uint32_t)bus_read(&b->rig.ports, port, 4);
}

/* acpi_enable(), then the sleep button sequence of acpi_hw_legacy_sleep(): status, SLP_TYP first
 * without and then with SLP_EN. */
START_TEST(test_enable_and_poweroff)
{
    struct board b;
    unsigned cnt;

    start(&b, false);
    ck_assert_uint_eq(inw(&b, PM + 4) & 1, 0);
    outw(&b, 1, PM + 4); /* SCI_EN is not the guest's to write */
    ck_assert_uint_eq(inw(&b, PM + 4) & 1, 0);
    outb(&b.rig, ACPI_PM_ENABLE, ACPI_SMI_CMD);
    ck_assert_uint_eq(inw(&b, PM + 4), 1);
    outb(&b.rig, ACPI_PM_DISABLE, ACPI_SMI_CMD);
    ck_assert_uint_eq(inw(&b, PM + 4), 0);
    outb(&b.rig, ACPI_PM_ENABLE, ACPI_SMI_CMD);
    outw(&b, 0x8000, PM);
    cnt = inw(&b, PM + 4);
    outw(&b, (uint16_t)(cnt | ACPI_SLP_TYP_S5 << 10), PM + 4);
    ck_assert(!b.power.level);
    outw(&b, (uint16_t)(cnt | ACPI_SLP_TYP_S5 << 10 | 1 << 13), PM + 4);
    ck_assert(b.power.level);
    ck_assert_uint_eq(inw(&b, PM + 4), 1 | ACPI_SLP_TYP_S5 << 10);
    acpi_pm_class.reset(&b.pm);
    ck_assert(!b.power.level);
    outw(&b, 1 << 10 | 1 << 13, PM + 4); /* S1 is not offered */
    ck_assert(!b.power.level);
    outb(&b.rig, ACPI_SLP_TYP_S5 << 2 | 1 << 5, PM + 5); /* byte access */
    ck_assert(b.power.level);
}
END_TEST

START_TEST(test_timer_counts)
{
    struct board b;

    start(&b, false);
    ck_assert_uint_eq(inl(&b, PM + 8), 0);
    rig_pass(&b.rig, NS_PER_SEC);
    ck_assert_uint_eq(inl(&b, PM + 8), 3579545);
    rig_pass(&b.rig, 9 * NS_PER_SEC);
    ck_assert_uint_eq(inl(&b, PM + 8), 35795450 & 0xffffff);
    start(&b, true);
    rig_pass(&b.rig, 10 * NS_PER_SEC);
    ck_assert_uint_eq(inl(&b, PM + 8), 35795450);
    bus_write(&b.rig.ports, PM + 8, 4, 0);
    ck_assert_uint_eq(inl(&b, PM + 8), 35795450);
    ck_assert_uint_eq(inb(&b.rig, PM + 9), 35795450 >> 8 & 0xff);
}
END_TEST

START_TEST(test_timer_status)
{
    struct board b;
    const uint64_t half = muldiv64(1 << 23, NS_PER_SEC, ACPI_PM_TIMER_HZ);

    start(&b, false);
    outb(&b.rig, ACPI_PM_ENABLE, ACPI_SMI_CMD);
    rig_pass(&b.rig, half - 1000);
    ck_assert_uint_eq(inw(&b, PM) & 1, 0);
    rig_pass(&b.rig, 2000);
    ck_assert_uint_eq(inw(&b, PM) & 1, 1);
    ck_assert(!b.sci.level); /* not enabled */
    outw(&b, 1, PM + 2);
    ck_assert(b.sci.level);
    outw(&b, 1, PM); /* write one to clear */
    ck_assert(!b.sci.level);
    ck_assert_uint_eq(inw(&b, PM), 0);
    rig_pass(&b.rig, half - 2000);
    ck_assert(!b.sci.level);
    rig_pass(&b.rig, 2000);
    ck_assert(b.sci.level); /* the bit fell: by timer, without anybody reading */
    outb(&b.rig, ACPI_PM_DISABLE, ACPI_SMI_CMD);
    ck_assert(!b.sci.level);
}
END_TEST

START_TEST(test_events)
{
    struct board b;

    start(&b, false);
    outb(&b.rig, ACPI_PM_ENABLE, ACPI_SMI_CMD);
    outw(&b, 0xffff, PM + 2);
    ck_assert_uint_eq(inw(&b, PM + 2), 0x0721);
    outw(&b, 0x0100, PM + 2);
    acpi_pm_press_power(&b.pm);
    ck_assert(b.sci.level);
    ck_assert_uint_eq(inw(&b, PM), 0x0100);
    outb(&b.rig, 0xff, PM); /* the other byte */
    ck_assert(b.sci.level);
    outb(&b.rig, 0x01, PM + 1);
    ck_assert(!b.sci.level);
    ck_assert_uint_eq(inl(&b, PM), 0x01000000);
    outw(&b, 0xffff, PM + 0x22);
    ck_assert_uint_eq(inw(&b, PM + 0x22), 0xffff);
    ck_assert_uint_eq(inw(&b, PM + 0x20), 0);
    outb(&b.rig, 0x42, ACPI_SMI_CMD + 1);
    ck_assert_uint_eq(inb(&b.rig, ACPI_SMI_CMD + 1), 0x42);
}
END_TEST

START_TEST(test_pm_round_trip)
{
    struct board b, c;

    start(&b, false);
    start(&c, false);
    outb(&b.rig, ACPI_PM_ENABLE, ACPI_SMI_CMD);
    outw(&b, 0x0101, PM + 2);
    acpi_pm_press_power(&b.pm);
    rig_pass(&b.rig, NS_PER_SEC);
    c.rig.ns = b.rig.ns;
    round_trip(&acpi_pm_class, &b.pm, &c.pm, true);
    ck_assert(c.sci.level);
    ck_assert(clock_deadline(&c.rig.clock) == clock_deadline(&b.rig.clock));
    start(&c, false);
    reset_equals_fresh(&acpi_pm_class, &b.pm, &c.pm);
    ck_assert(!b.sci.level);
}
END_TEST

static uint8_t sum(const uint8_t *p, size_t n)
{
    uint8_t s = 0;

    for (size_t i = 0; i < n; i++)
        s += p[i];
    return s;
}

struct tables {
    uint8_t *ram;
    struct physmem pm;
    const uint8_t *rsdp, *rsdt, *fadt, *facs, *dsdt, *madt, *hpet;
};

static struct acpi_config config(void)
{
    return (struct acpi_config){.pm_base = ACPI_PM_BASE,
                                .com = {{0x3f8, 4}},
                                .pci_first = PHYSMEM_HOLE,
                                .pci_last = 0xfebfffff};
}

/* Finds the tables as a guest does: scan, then follow the pointers. */
static void build(struct tables *t, const struct acpi_config *cfg)
{
    struct acpi_tables made;

    memset(t, 0, sizeof(*t));
    t->ram = calloc(1, MIB);
    physmem_init(&t->pm, t->ram, -1, MIB, NULL);
    ck_assert_int_eq(acpi_tables_make(&made, 0x10000, cfg), 0);
    ck_assert_int_eq(acpi_tables_place(&made, &t->pm, TABLES), 0);
    for (gpa_t at = 0xe0000; at < 0x100000 && !t->rsdp; at += 16)
        if (!memcmp(t->ram + at, "RSD PTR ", 8))
            t->rsdp = t->ram + at;
    ck_assert_ptr_eq(t->rsdp, t->ram + TABLES);
    ck_assert_uint_eq(sum(t->rsdp, 20), 0);
    t->rsdt = t->ram + ld32(t->rsdp + 16);
    t->fadt = t->ram + ld32(t->rsdt + 36);
    for (unsigned at = 40; at < ld32(t->rsdt + 4); at += 4) {
        const uint8_t *table = t->ram + ld32(t->rsdt + at);

        *(memcmp(table, "APIC", 4) == 0 ? &t->madt : &t->hpet) = table;
    }
    t->facs = t->ram + ld32(t->fadt + 36);
    t->dsdt = t->ram + ld32(t->fadt + 40);
}

static void check_table(const uint8_t *t, const char *signature)
{
    ck_assert_int_eq(memcmp(t, signature, 4), 0);
    ck_assert_uint_eq(sum(t, ld32(t + 4)), 0);
}

START_TEST(test_tables)
{
    struct acpi_config cfg = config();
    struct tables t;

    build(&t, &cfg);
    check_table(t.rsdt, "RSDT");
    ck_assert_uint_eq(ld32(t.rsdt + 4), 40); /* the FADT only */
    check_table(t.fadt, "FACP");
    check_table(t.dsdt, "DSDT");
    ck_assert_int_eq(memcmp(t.facs, "FACS", 4), 0);
    ck_assert_uint_eq((uint64_t)(t.facs - t.ram) % 64, 0);
    ck_assert_uint_eq(ld32(t.fadt + 4), 244);
    ck_assert_uint_eq(t.fadt[8], 3);
    ck_assert_uint_eq(ld16(t.fadt + 46), 9);
    ck_assert_uint_eq(ld32(t.fadt + 48), 0xb2);
    ck_assert_uint_eq(ld32(t.fadt + 56), 0x600);
    ck_assert_uint_eq(ld32(t.fadt + 64), 0x604);
    ck_assert_uint_eq(ld32(t.fadt + 76), 0x608);
    ck_assert_uint_eq(ld32(t.fadt + 80), 0x620);
    /* 32-bit and extended addresses agree, or Linux complains. */
    ck_assert(ld64(t.fadt + 140) == ld32(t.fadt + 40));
    ck_assert(ld64(t.fadt + 148 + 4) == ld32(t.fadt + 56));
    ck_assert(ld64(t.fadt + 172 + 4) == ld32(t.fadt + 64));
    ck_assert(ld64(t.fadt + 208 + 4) == ld32(t.fadt + 76));
    ck_assert(ld64(t.fadt + 220 + 4) == ld32(t.fadt + 80));
    ck_assert_uint_eq(t.fadt[149], 8 * t.fadt[88]);
    ck_assert_uint_eq(t.fadt[173], 8 * t.fadt[89]);
    ck_assert(ld64(t.fadt + 116 + 4) == 0xcf9 && t.fadt[128] == 6);
    ck_assert_uint_eq(ld32(t.fadt + 112) & (1 << 8), 0);
    free(t.ram);
}
END_TEST

START_TEST(test_madt)
{
    struct acpi_config cfg = config();
    struct tables t;
    size_t at = 44;
    unsigned cpus = 0, ioapics = 0, overrides = 0, nmis = 0;

    cfg.apics = 3;
    cfg.local_apic = 0xfee00000;
    cfg.io_apic = 0xfec00000;
    cfg.timer_32bit = true;
    build(&t, &cfg);
    ck_assert_ptr_nonnull(t.madt);
    check_table(t.madt, "APIC");
    ck_assert_uint_eq(ld32(t.madt + 36), 0xfee00000);
    while (at < ld32(t.madt + 4)) {
        cpus += t.madt[at] == 0;
        ioapics += t.madt[at] == 1;
        overrides += t.madt[at] == 2;
        nmis += t.madt[at] == 4;
        ck_assert_uint_gt(t.madt[at + 1], 0);
        at += t.madt[at + 1];
    }
    ck_assert_uint_eq(at, ld32(t.madt + 4));
    ck_assert_uint_eq(cpus, 3);
    ck_assert_uint_eq(ioapics, 1);
    ck_assert_uint_eq(overrides, 2);
    ck_assert_uint_eq(nmis, 1);
    ck_assert_ptr_null(t.hpet);
    ck_assert_uint_ne(ld32(t.fadt + 112) & (1 << 8), 0);
    free(t.ram);
}
END_TEST

START_TEST(test_hpet_table)
{
    struct acpi_config cfg = config();
    struct tables t;

    cfg.hpet = 0xfed00000;
    cfg.hpet_id = 0x8086a201;
    build(&t, &cfg);
    ck_assert_ptr_null(t.madt);
    ck_assert_ptr_nonnull(t.hpet);
    check_table(t.hpet, "HPET");
    ck_assert_uint_eq(ld32(t.hpet + 4), 56);
    ck_assert_uint_eq(ld32(t.hpet + 36), 0x8086a201);
    ck_assert(ld64(t.hpet + 44) == 0xfed00000);
    free(t.ram);
}
END_TEST

START_TEST(test_tables_do_not_fit)
{
    struct acpi_config cfg = config();
    struct acpi_tables made;
    struct physmem pm;
    uint8_t *ram = calloc(1, MIB);
    int err = -ENOSPC;

    for (size_t max = 0; err == -ENOSPC; max++) { /* every place to run out */
        err = acpi_tables_make(&made, max, &cfg);
        ck_assert(err == 0 || made.len <= max);
        ck_assert_uint_lt(max, ACPI_TABLES_MAX_BYTES);
    }
    ck_assert_int_eq(err, 0);
    physmem_init(&pm, ram, -1, MIB, NULL);
    ck_assert_int_eq(acpi_tables_place(&made, &pm, 0xfffc0), -EFAULT);
    ck_assert_int_eq(acpi_tables_make(&made, 0x10000, &cfg), 0);
    ck_assert_int_eq(acpi_tables_place(&made, &pm, 0xa0000), -EFAULT);
    cfg.apics = 1000;
    ck_assert_int_eq(acpi_tables_make(&made, 0x10000, &cfg), -ENOSPC);
    free(ram);
}
END_TEST

/* All of it at once fits, and the interrupts of PCI are levels. */
START_TEST(test_pci_routing)
{
    struct acpi_config cfg = config();
    struct tables t;
    unsigned levels = 0;

    cfg.apics = 255;
    cfg.hpet = 0xfed00000;
    memcpy(cfg.pirq, (const uint8_t[]){10, 10, 11, 11}, 4);
    build(&t, &cfg);
    check_table(t.madt, "APIC");
    for (size_t at = 44; at < ld32(t.madt + 4); at += t.madt[at + 1])
        if (t.madt[at] == 2 && t.madt[at + 3] > 9)
            levels += ld32(t.madt + at + 4) == t.madt[at + 3] && ld16(t.madt + at + 8) == 0x0d;
    ck_assert_uint_eq(levels, 2);
    free(t.ram);
}
END_TEST

START_TEST(test_aml_encoding)
{
    static const uint8_t want[] = {
        0x10, 0x81, 0x03, 0x00, '\\', '_',  'S',  'B',  '_',        /* Scope, 49 bytes */
        0x5b, 0x82, 0x87, 0x02, 0x00, 'D',  'E',  'V',  '0',        /* Device, 39 bytes */
        0x08, '_',  'H',  'I',  'D',  0x0c, 0x41, 0xd0, 0x0a, 0x03, /* EisaId PNP0A03 */
        0x08, '_',  'C',  'R',  'S',  0x11, 0x80, 0x01, 0x00,       /* Buffer, 16 bytes */
        0x0b, 0x0a, 0x00, 0x47, 0x01, 0x60, 0x00, 0x60, 0x00, 0x01, 0x04, 0x79, 0x00};
    uint8_t buf[64];
    struct aml a;

    aml_init(&a, buf, sizeof(buf));
    aml_begin_scope(&a, "\\_SB_");
    aml_begin_device(&a, "DEV0");
    aml_hid(&a, "PNP0A03");
    aml_begin_resources(&a);
    aml_io(&a, 0x60, 4);
    aml_end(&a);
    aml_end(&a);
    aml_end(&a);
    ck_assert(!a.failed);
    ck_assert_uint_eq(a.len, sizeof(want));
    ck_assert_mem_eq(buf, want, sizeof(want));
    for (unsigned i = 0; i <= AML_MAX_DEPTH; i++)
        aml_begin_package(&a, 0);
    ck_assert(a.failed);
}
END_TEST

/* Each port by its name, with its I/O descriptor (ACPI 6.4.2.5) and its interrupt's. */
START_TEST(test_ports)
{
    static const struct {
        const char *name;
        uint8_t resources[11];
    } ports[] = {
        {"COM1", {0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x10, 0}},
        {"COM2", {0x47, 1, 0xf8, 2, 0xf8, 2, 1, 8, 0x22, 0x08, 0}},
        {"LPT1", {0x47, 1, 0x78, 3, 0x78, 3, 1, 3, 0x22, 0x80, 0}},
    };
    struct acpi_config cfg = config();
    struct tables t;

    for (unsigned on = 0; on < 2; on++) {
        cfg.com[1] = (struct acpi_isa_port){on ? 0x2f8 : 0, 3};
        cfg.lpt = (struct acpi_isa_port){on ? 0x378 : 0, 7};
        build(&t, &cfg);
        for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
            uint8_t *at = memmem(t.dsdt, ld32(t.dsdt + 4), ports[i].name, 4);

            ck_assert_int_eq(at != NULL, on || i == 0);
            if (at)
                ck_assert_ptr_nonnull(memmem(at, 60, ports[i].resources, 11));
        }
        free(t.ram);
    }
}
END_TEST

/* With DRAGOMAN_ACPI_DUMP=dir the tables are left there for iasl -d. */
START_TEST(test_dump)
{
    const char *dir = getenv("DRAGOMAN_ACPI_DUMP");
    struct acpi_config cfg = config();
    struct tables t;

    cfg.apics = 1;
    cfg.hpet = 0xfed00000;
    build(&t, &cfg);
    for (unsigned i = 0; dir && i < 5; i++) {
        const uint8_t *table = (const uint8_t *[]){t.rsdt, t.fadt, t.dsdt, t.madt, t.hpet}[i];
        char path[256];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%.4s.dat", dir, (const char *)table);
        f = fopen(path, "wb");
        ck_assert_ptr_nonnull(f);
        ck_assert_uint_eq(fwrite(table, 1, ld32(table + 4), f), ld32(table + 4));
        fclose(f);
    }
    free(t.ram);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_enable_and_poweroff,
                                  test_timer_counts,
                                  test_timer_status,
                                  test_events,
                                  test_pm_round_trip,
                                  test_tables,
                                  test_madt,
                                  test_hpet_table,
                                  test_tables_do_not_fit,
                                  test_pci_routing,
                                  test_aml_encoding,
                                  test_ports,
                                  test_dump};

    return run_tests("acpi", tests, ARRAY_SIZE(tests));
}
