#include "devices/acpi_script.h"

#include <assert.h>
#include <string.h>

#include "base/bits.h"

enum { COMMAND_BYTES = 128, MAX_COMMANDS = 2 + ACPI_MAX_LINKS + ACPI_MAX_SUMS };
enum { CMD_ALLOCATE = 1, CMD_ADD_POINTER = 2, CMD_ADD_CHECKSUM = 3 };
enum { ZONE_HIGH = 1, ZONE_FSEG = 2 };

static const char rsdp_file[] = "etc/acpi/rsdp", tables_file[] = "etc/acpi/tables";

struct script {
    uint8_t bytes[MAX_COMMANDS * COMMAND_BYTES];
    unsigned n;
};

static uint8_t *command(struct script *s, uint32_t kind)
{
    uint8_t *c = s->bytes + s->n++ * COMMAND_BYTES;

    assert(s->n <= MAX_COMMANDS);
    st32(c, kind);
    return c + 4;
}

static void put_file(uint8_t *at, const char *name)
{
    memcpy(at, name, strlen(name));
}

static void allocate(struct script *s, const char *file, uint32_t align, uint8_t zone)
{
    uint8_t *c = command(s, CMD_ALLOCATE);

    put_file(c, file);
    st32(c + FW_CFG_NAME_BYTES, align);
    c[FW_CFG_NAME_BYTES + 4] = zone;
}

/* The RSDP is the first thing among the tables and a file of its own. */
static const char *file_of(uint32_t at)
{
    return at < ACPI_RSDP_BYTES ? rsdp_file : tables_file;
}

static void add_pointer(struct script *s, uint32_t at, uint8_t size)
{
    uint8_t *c = command(s, CMD_ADD_POINTER);

    put_file(c, file_of(at));
    put_file(c + FW_CFG_NAME_BYTES, tables_file);
    st32(c + 2 * FW_CFG_NAME_BYTES, at);
    c[2 * FW_CFG_NAME_BYTES + 4] = size;
}

static void add_checksum(struct script *s, uint32_t table, uint32_t len, uint32_t at)
{
    uint8_t *c = command(s, CMD_ADD_CHECKSUM);

    put_file(c, file_of(table));
    st32(c + FW_CFG_NAME_BYTES, at);
    st32(c + FW_CFG_NAME_BYTES + 4, table);
    st32(c + FW_CFG_NAME_BYTES + 8, len);
}

int acpi_script_add(struct fw_cfg *f, const struct acpi_tables *t)
{
    struct script s = {.n = 0};
    int err;

    allocate(&s, rsdp_file, 16, ZONE_FSEG);
    allocate(&s, tables_file, ACPI_TABLES_ALIGN, ZONE_HIGH);
    for (unsigned i = 0; i < t->nlinks; i++)
        add_pointer(&s, t->link[i].at, t->link[i].size);
    for (unsigned i = 0; i < t->nsums; i++)
        add_checksum(&s, t->sum[i].table, t->sum[i].len, t->sum[i].at);
    err = fw_cfg_add_file(f, rsdp_file, t->bytes, ACPI_RSDP_BYTES);
    if (err == 0)
        err = fw_cfg_add_file(f, tables_file, t->bytes, t->len);
    if (err == 0)
        err = fw_cfg_add_file(f, "etc/table-loader", s.bytes, s.n * COMMAND_BYTES);
    return err;
}
