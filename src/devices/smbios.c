#include "devices/smbios.h"

#include <assert.h>
#include <string.h>

#include "base/bits.h"
#include "base/version.h"

enum { /* structure types, and their handles: one of each but of mapped addresses */
       SYSTEM = 1,
       CHASSIS = 3,
       PROCESSOR = 4,
       MEMORY_ARRAY = 16,
       MEMORY_DEVICE = 17,
       MAPPED_ADDRESS = 19,
       BOOT_INFO = 32,
       END_OF_TABLE = 127,
};

enum { OTHER = 1, UNKNOWN = 2, SAFE = 3, NO_ERROR_INFO = 0xfffe, NO_HANDLE = 0xffff };

struct writer {
    struct smbios_tables *t;
    unsigned count, longest;
};

static void put(struct smbios_tables *t, const void *bytes, size_t len)
{
    assert(t->len + len <= sizeof(t->bytes));
    memcpy(t->bytes + t->len, bytes, len);
    t->len += (uint32_t)len;
}

/* The formatted area `s` of `len` bytes, whose header this fills in, then its strings (6.1.3). */
static void add(struct writer *w, unsigned type, unsigned handle, uint8_t *s, size_t len,
                const char *const *strings)
{
    uint32_t start = w->t->len;

    s[0] = (uint8_t)type;
    s[1] = (uint8_t)len;
    st16(s + 2, (uint16_t)handle);
    put(w->t, s, len);
    for (const char *const *at = strings; at && *at; at++)
        put(w->t, *at, strlen(*at) + 1);
    put(w->t, "\0", strings ? 1 : 2);
    w->count++;
    if (w->t->len - start > w->longest)
        w->longest = w->t->len - start;
}

/* 7.2 */
static void add_system(struct writer *w)
{
    static const char *const strings[] = {"Dragoman", "PC (i440FX, PIIX3)", DRAGOMAN_VERSION, NULL};
    enum { POWER_SWITCH = 6 };
    uint8_t s[0x1b] = {[4] = 1, [5] = 2, [6] = 3, [0x18] = POWER_SWITCH};

    add(w, SYSTEM, SYSTEM, s, sizeof(s), strings);
}

/* 7.4 */
static void add_chassis(struct writer *w)
{
    static const char *const strings[] = {"Dragoman", NULL};
    uint8_t s[0x16] = {
        [4] = 1, [5] = OTHER, [9] = SAFE, [0xa] = SAFE, [0xb] = SAFE, [0xc] = UNKNOWN};

    add(w, CHASSIS, CHASSIS, s, sizeof(s), strings);
}

/* An empty string would end the list. */
static const char *text(const char *s)
{
    return s && *s ? s : "Unknown";
}

/* 7.5 */
static void add_processor(struct writer *w, const struct smbios_config *cfg)
{
    const char *const strings[] = {"CPU 0", text(cfg->cpu_vendor), text(cfg->cpu_brand), NULL};
    enum { CENTRAL = 3, POPULATED_ENABLED = 0x41 };
    uint8_t s[0x2a] = {[4] = 1,        [5] = CENTRAL,    [6] = OTHER,
                       [7] = 2,        [0x10] = 3,       [0x18] = POPULATED_ENABLED,
                       [0x19] = OTHER, [0x23] = 1,       [0x24] = 1,
                       [0x25] = 1,     [0x26] = UNKNOWN, [0x28] = OTHER};

    st32(s + 8, cfg->cpu_signature);
    st32(s + 0xc, cfg->cpu_features);
    st16(s + 0x14, cfg->cpu_mhz);
    st16(s + 0x16, cfg->cpu_mhz);
    for (unsigned cache = 0x1a; cache <= 0x1e; cache += 2)
        st16(s + cache, NO_HANDLE);
    add(w, PROCESSOR, PROCESSOR, s, sizeof(s), strings);
}

/* 7.17, 7.18; sizes in the fields for large ones, which 2.7 has added. */
static void add_memory(struct writer *w, uint64_t bytes)
{
    static const char *const strings[] = {"DIMM 0", "Dragoman", NULL};
    enum { SYSTEM_MEMORY = 3, NO_CORRECTION = 3, EXTENDED = 0x7fff, DIMM = 9, RAM = 7 };
    uint8_t array[0x17] = {[4] = OTHER, [5] = SYSTEM_MEMORY, [6] = NO_CORRECTION, [0xd] = 1};
    uint8_t device[0x28] = {
        [0xe] = DIMM, [0x10] = 1, [0x12] = RAM, [0x13] = 1 << OTHER, [0x17] = 2};

    st32(array + 7, UINT32_C(0x80000000));
    st16(array + 0xb, NO_ERROR_INFO);
    st64(array + 0xf, bytes);
    add(w, MEMORY_ARRAY, MEMORY_ARRAY, array, sizeof(array), NULL);
    st16(device + 4, MEMORY_ARRAY);
    st16(device + 6, NO_ERROR_INFO);
    st16(device + 8, UINT16_MAX); /* widths unknown */
    st16(device + 0xa, UINT16_MAX);
    st16(device + 0xc, EXTENDED);
    st32(device + 0x1c, (uint32_t)(bytes >> 20));
    add(w, MEMORY_DEVICE, MEMORY_DEVICE, device, sizeof(device), strings);
}

/* 7.20 */
static void add_mapped(struct writer *w, unsigned n, uint64_t first, uint64_t bytes)
{
    uint8_t s[0x1f] = {[0xe] = 1};

    if (!bytes)
        return;
    st32(s + 4, UINT32_MAX); /* in the extended fields */
    st32(s + 8, UINT32_MAX);
    st16(s + 0xc, MEMORY_ARRAY);
    st64(s + 0xf, first);
    st64(s + 0x17, first + bytes - 1);
    add(w, MAPPED_ADDRESS, MAPPED_ADDRESS + n * 256, s, sizeof(s), NULL);
}

static uint8_t sum(const uint8_t *at, size_t len)
{
    uint8_t s = 0;

    while (len--)
        s += *at++;
    return s;
}

/* 5.2.1 */
static void make_entry(struct smbios_tables *t, const struct writer *w)
{
    enum { INTERMEDIATE = 0x10 };
    uint8_t *e = t->entry;

    memset(e, 0, SMBIOS_ENTRY_BYTES);
    memcpy(e, "_SM_", 4);
    e[5] = SMBIOS_ENTRY_BYTES;
    e[6] = 2;
    e[7] = 8;
    st16(e + 8, (uint16_t)w->longest);
    memcpy(e + INTERMEDIATE, "_DMI_", 5);
    st16(e + 0x16, (uint16_t)t->len);
    st16(e + 0x1c, (uint16_t)w->count);
    e[0x1e] = 0x28;
    e[0x15] = (uint8_t)-sum(e + INTERMEDIATE, SMBIOS_ENTRY_BYTES - INTERMEDIATE);
    e[4] = (uint8_t)-sum(e, SMBIOS_ENTRY_BYTES);
}

void smbios_make(struct smbios_tables *t, const struct smbios_config *cfg)
{
    struct writer w = {.t = t};
    uint8_t boot_info[0xb] = {0}, end[4] = {0};

    t->len = 0;
    add_system(&w);
    add_chassis(&w);
    add_processor(&w, cfg);
    add_memory(&w, cfg->low_ram + cfg->high_ram);
    add_mapped(&w, 0, 0, cfg->low_ram);
    add_mapped(&w, 1, UINT64_C(1) << 32, cfg->high_ram);
    add(&w, BOOT_INFO, BOOT_INFO, boot_info, sizeof(boot_info), NULL);
    add(&w, END_OF_TABLE, END_OF_TABLE, end, sizeof(end), NULL);
    make_entry(t, &w);
}

int smbios_add(struct fw_cfg *f, const struct smbios_tables *t)
{
    int err = fw_cfg_add_file(f, "etc/smbios/smbios-tables", t->bytes, t->len);

    return err < 0 ? err
                   : fw_cfg_add_file(f, "etc/smbios/smbios-anchor", t->entry, SMBIOS_ENTRY_BYTES);
}
