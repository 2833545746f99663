#include "devices/fw_cfg.h"

#include <errno.h>

#include "base/bits.h"
#include "dev_harness.h"
#include "devices/acpi_script.h"

enum { RAM = 1 << 20, CONTROL = 0x8000, TARGET = 0x9000 };
enum { ERROR = 1, READ = 2, SKIP = 4, SELECT = 8, WRITE = 16 };

struct board {
    struct rig rig;
    struct physmem mem;
    struct fw_cfg f;
    uint8_t ram[RAM];
};

static struct board *start(void)
{
    struct board *b = calloc(1, sizeof(*b));

    rig_init(&b->rig);
    physmem_init(&b->mem, b->ram, -1, RAM, NULL);
    fw_cfg_init(&b->f, &b->mem);
    ck_assert_int_eq(fw_cfg_attach(&b->f, &b->rig.ports), 0);
    return b;
}

static void stop(struct board *b)
{
    fw_cfg_fini(&b->f);
    free(b);
}

static uint32_t be32(const void *p)
{
    return __builtin_bswap32(ld32(p));
}

static void read_item(struct board *b, uint16_t key, uint8_t *to, unsigned len)
{
    bus_write(&b->rig.ports, 0x510, 2, key);
    for (unsigned i = 0; i < len; i++)
        to[i] = inb(&b->rig, 0x511);
}

/* As SeaBIOS's qemu_cfg_dma_transfer(): returns what is left in the control word. */
static uint32_t dma(struct board *b, uint32_t control, uint32_t len, uint64_t address)
{
    uint8_t *at = b->ram + CONTROL;

    st32(at, __builtin_bswap32(control));
    st32(at + 4, __builtin_bswap32(len));
    st64(at + 8, __builtin_bswap64(address));
    bus_write(&b->rig.ports, 0x518, 4, __builtin_bswap32(CONTROL));
    return be32(at);
}

START_TEST(test_items)
{
    struct board *b = start();
    uint8_t buf[8];

    read_item(b, FW_CFG_SIGNATURE, buf, 6);
    ck_assert_int_eq(memcmp(buf, "QEMU\0\0", 6), 0); /* zeros behind the end */
    read_item(b, FW_CFG_ID, buf, 4);
    ck_assert_uint_eq(ld32(buf), 3);
    ck_assert_int_eq(fw_cfg_add_number(&b->f, FW_CFG_CPUS, 0x102, 2), 0);
    read_item(b, FW_CFG_CPUS, buf, 3);
    ck_assert_int_eq(memcmp(buf, "\x02\x01\0", 3), 0);
    read_item(b, 0x7777, buf, 2);
    ck_assert_uint_eq(ld16(buf), 0);
    bus_write(&b->rig.ports, 0x510, 2, FW_CFG_SIGNATURE);
    outb(&b->rig, 'x', 0x511); /* read-only, and no selector */
    ck_assert_uint_eq(inb(&b->rig, 0x511), 'Q');
    fw_cfg_class.reset(&b->f);
    ck_assert_uint_eq(inb(&b->rig, 0x511), 'Q');
    stop(b);
}
END_TEST

START_TEST(test_files)
{
    struct board *b = start();
    uint8_t dir[4 + 2 * FW_CFG_FILE_BYTES], buf[5];

    ck_assert_int_eq(fw_cfg_add_file(&b->f, "etc/one", "1", 1), 0);
    ck_assert_int_eq(fw_cfg_add_file(&b->f, "etc/two", "two", 3), 0);
    ck_assert_int_eq(fw_cfg_add_file(&b->f, "etc/one", "uno!", 4), 0); /* replaced */
    read_item(b, FW_CFG_DIRECTORY, dir, sizeof(dir));
    ck_assert_uint_eq(be32(dir), 2);
    ck_assert_uint_eq(be32(dir + 4), 4);
    ck_assert_uint_eq(dir[8] << 8 | dir[9], FW_CFG_FIRST_FILE);
    ck_assert_str_eq((char *)dir + 12, "etc/one");
    ck_assert_uint_eq(be32(dir + 68), 3);
    ck_assert_uint_eq(dir[72] << 8 | dir[73], FW_CFG_FIRST_FILE + 1);
    ck_assert_str_eq((char *)dir + 76, "etc/two");
    read_item(b, FW_CFG_FIRST_FILE, buf, 5);
    ck_assert_str_eq((char *)buf, "uno!");
    stop(b);
}
END_TEST

START_TEST(test_many_files)
{
    struct board *b = start();
    char name[FW_CFG_NAME_BYTES];
    int err = 0;

    for (unsigned i = 0; err == 0; i++) {
        snprintf(name, sizeof(name), "file%u", i);
        err = fw_cfg_add_file(&b->f, name, name, 4);
        ck_assert_uint_lt(i, FW_CFG_ITEMS);
    }
    ck_assert_int_eq(err, -ENOSPC);
    ck_assert_uint_eq(b->f.nitems, FW_CFG_ITEMS);
    stop(b);
}
END_TEST

START_TEST(test_dma)
{
    struct board *b = start();
    const uint8_t *to = b->ram + TARGET;

    ck_assert_uint_eq(bus_read(&b->rig.ports, 0x514, 4), ld32("QEMU"));
    ck_assert_uint_eq(bus_read(&b->rig.ports, 0x518, 4), ld32(" CFG"));
    memset(b->ram + TARGET, 0xee, 16);
    ck_assert_uint_eq(dma(b, SELECT | READ | FW_CFG_SIGNATURE << 16, 6, TARGET), 0);
    ck_assert_int_eq(memcmp(to, "QEMU\0\0\xee", 7), 0);
    ck_assert_uint_eq(dma(b, SELECT | SKIP | FW_CFG_SIGNATURE << 16, 2, 0), 0);
    ck_assert_uint_eq(dma(b, READ, 2, TARGET), 0); /* goes on where it was */
    ck_assert_int_eq(memcmp(to, "MU", 2), 0);
    ck_assert_uint_eq(dma(b, SKIP, UINT32_MAX, 0), 0);
    ck_assert_uint_eq(dma(b, READ, 2, TARGET), 0);
    ck_assert_uint_eq(ld16(to), 0);
    stop(b);
}
END_TEST

START_TEST(test_dma_errors)
{
    struct board *b = start();

    ck_assert_uint_eq(dma(b, WRITE | SELECT, 1, TARGET), ERROR);
    ck_assert_uint_eq(dma(b, READ | SELECT, 4, 0xa0000), ERROR);
    ck_assert_uint_eq(dma(b, READ | SELECT, UINT32_MAX, TARGET), ERROR);
    ck_assert_uint_eq(dma(b, READ | SELECT, 4, UINT64_MAX - 1), ERROR);
    ck_assert_uint_eq(dma(b, READ | SELECT, 0, UINT64_MAX), 0);
    bus_write(&b->rig.ports, 0x514, 4, UINT32_MAX); /* a control block that is nowhere */
    bus_write(&b->rig.ports, 0x518, 4, UINT32_MAX);
    ck_assert_uint_eq(dma(b, READ | SELECT, 4, TARGET), 0);        /* the high half was used up */
    ck_assert_uint_eq(dma(b, READ | SELECT, 64, CONTROL - 32), 0); /* over itself */
    stop(b);
}
END_TEST

/* ---- the ACPI script, run as firmware does (SeaBIOS, romfile_loader_execute()) ---- */

struct placed {
    uint8_t *at[2];
    uint32_t where[2];
    unsigned n;
};

static unsigned place_of(const uint8_t *name)
{
    return strcmp((const char *)name, "etc/acpi/rsdp") == 0 ? 0 : 1;
}

static const struct fw_cfg_item *item(const struct board *b, const char *name)
{
    for (unsigned i = 0; i < b->f.nitems; i++)
        if (strcmp(b->f.item[i].name, name) == 0)
            return &b->f.item[i];
    ck_abort_msg("no file %s", name);
    return NULL;
}

static void run_command(struct board *b, struct placed *p, const uint8_t *c)
{
    unsigned n = place_of(c + 4);

    if (ld32(c) == 1) {
        const struct fw_cfg_item *it = item(b, (const char *)c + 4);

        p->where[n] = n ? 0x40000 : 0xf5000;
        ck_assert_uint_eq(p->where[n] % ld32(c + 60), 0);
        ck_assert_uint_eq(c[64], n ? 1 : 2); /* high memory, F segment */
        p->at[n] = b->ram + p->where[n];
        memcpy(p->at[n], it->bytes, it->len);
    } else if (ld32(c) == 2) {
        uint8_t *field = p->at[n] + ld32(c + 116);

        ck_assert(c[120] == 4 || c[120] == 8);
        st32(field, ld32(field) + p->where[place_of(c + 60)]);
    } else {
        uint8_t *field = p->at[n] + ld32(c + 60), sum = 0;

        ck_assert_uint_eq(ld32(c), 3);
        for (uint32_t i = 0; i < ld32(c + 68); i++)
            sum += p->at[n][ld32(c + 64) + i];
        *field -= sum;
    }
}

static uint8_t sum_of(const uint8_t *p, uint32_t len)
{
    uint8_t sum = 0;

    while (len--)
        sum += *p++;
    return sum;
}

START_TEST(test_acpi_script)
{
    struct board *b = start();
    struct acpi_tables made;
    const struct acpi_config cfg = {.pm_base = 0x600, .apics = 1, .hpet = 0xfed00000};
    struct placed p = {.n = 0};
    const struct fw_cfg_item *script;
    const uint8_t *rsdt, *fadt;

    ck_assert_int_eq(acpi_tables_make(&made, ACPI_TABLES_MAX_BYTES, &cfg), 0);
    ck_assert_int_eq(acpi_script_add(&b->f, &made), 0);
    script = item(b, "etc/table-loader");
    ck_assert_uint_eq(script->len % 128, 0);
    for (uint32_t at = 0; at < script->len; at += 128)
        run_command(b, &p, script->bytes + at);
    ck_assert_int_eq(memcmp(p.at[0], "RSD PTR ", 8), 0);
    ck_assert_uint_eq(sum_of(p.at[0], 20), 0);
    rsdt = b->ram + ld32(p.at[0] + 16);
    ck_assert_int_eq(memcmp(rsdt, "RSDT", 4), 0);
    ck_assert_uint_eq(ld32(rsdt + 4), 36 + 3 * 4);
    ck_assert_uint_eq(sum_of(rsdt, ld32(rsdt + 4)), 0);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *t = b->ram + ld32(rsdt + 36 + 4 * i);

        ck_assert_uint_eq(sum_of(t, ld32(t + 4)), 0);
    }
    fadt = b->ram + ld32(rsdt + 36);
    ck_assert_int_eq(memcmp(fadt, "FACP", 4), 0);
    ck_assert(ld64(fadt + 140) == ld32(fadt + 40));
    ck_assert_int_eq(memcmp(b->ram + ld32(fadt + 40), "DSDT", 4), 0);
    ck_assert_int_eq(memcmp(b->ram + ld32(fadt + 36), "FACS", 4), 0);
    stop(b);
}
END_TEST

START_TEST(test_round_trip)
{
    struct board *b = start(), *c = start();
    uint8_t buf[2];

    read_item(b, FW_CFG_SIGNATURE, buf, 2);
    bus_write(&b->rig.ports, 0x514, 4, 1);
    round_trip(&fw_cfg_class, &b->f, &c->f, true);
    ck_assert_uint_eq(inb(&c->rig, 0x511), 'M');
    stop(c);
    c = start();
    reset_equals_fresh(&fw_cfg_class, &b->f, &c->f);
    stop(b);
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_items,      test_files,       test_many_files, test_dma,
                                  test_dma_errors, test_acpi_script, test_round_trip};

    return run_tests("fw_cfg", tests, ARRAY_SIZE(tests));
}
