#include "devices/fw_cfg.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

enum { /* FWCfgDmaAccess.control */
       DMA_ERROR = 1 << 0,
       DMA_READ = 1 << 1,
       DMA_SKIP = 1 << 2,
       DMA_SELECT = 1 << 3,
       DMA_WRITE = 1 << 4,
       DMA_BYTES = 16,
};

enum { ID_TRADITIONAL = 1 << 0, ID_DMA = 1 << 1, SELECTOR_OFF = 0, DATA_OFF = 1 };

#define DMA_SIGNATURE UINT64_C(0x51454d5520434647) /* "QEMU CFG" */

static uint32_t be32(uint32_t v)
{
    return __builtin_bswap32(v);
}

/* ---- contents ---- */

static struct fw_cfg_item *find(struct fw_cfg *f, uint16_t key)
{
    for (unsigned i = 0; i < f->nitems; i++)
        if (f->item[i].key == key)
            return &f->item[i];
    return NULL;
}

static struct fw_cfg_item *find_file(struct fw_cfg *f, const char *name)
{
    for (unsigned i = 0; i < f->nitems; i++)
        if (strcmp(f->item[i].name, name) == 0)
            return &f->item[i];
    return NULL;
}

static int set_contents(struct fw_cfg_item *it, const void *bytes, uint32_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    if (!copy)
        return -ENOMEM;
    memcpy(copy, bytes, len);
    free(it->bytes);
    it->bytes = copy;
    it->len = len;
    return 0;
}

int fw_cfg_add(struct fw_cfg *f, uint16_t key, const void *bytes, uint32_t len)
{
    struct fw_cfg_item *it = find(f, key);
    int err;

    if (it)
        return set_contents(it, bytes, len);
    if (f->nitems == FW_CFG_ITEMS)
        return -ENOSPC;
    it = &f->item[f->nitems];
    *it = (struct fw_cfg_item){.key = key};
    err = set_contents(it, bytes, len);
    if (err == 0)
        f->nitems++;
    return err;
}

int fw_cfg_add_number(struct fw_cfg *f, uint16_t key, uint64_t val, unsigned size)
{
    uint8_t bytes[8];

    assert(size <= sizeof(bytes));
    st64(bytes, val);
    return fw_cfg_add(f, key, bytes, size);
}

/* The directory: their number, then size, key, two bytes of nothing and name of each. */
static void write_directory(struct fw_cfg *f)
{
    uint8_t *at = f->directory;

    memset(f->directory, 0, sizeof(f->directory));
    st32(at, be32(f->nfiles));
    at += 4;
    for (unsigned i = 0; i < f->nitems; i++) {
        const struct fw_cfg_item *it = &f->item[i];

        if (it->key < FW_CFG_FIRST_FILE)
            continue;
        st32(at, be32(it->len));
        st16(at + 4, __builtin_bswap16(it->key));
        memcpy(at + 8, it->name, FW_CFG_NAME_BYTES);
        at += FW_CFG_FILE_BYTES;
    }
}

int fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *bytes, uint32_t len)
{
    struct fw_cfg_item *it = find_file(f, name);
    uint16_t key = it ? it->key : (uint16_t)(FW_CFG_FIRST_FILE + f->nfiles);
    int err = fw_cfg_add(f, key, bytes, len);

    assert(strlen(name) < FW_CFG_NAME_BYTES);
    if (err < 0)
        return err;
    if (!it) {
        memcpy(f->item[f->nitems - 1].name, name, strlen(name) + 1);
        f->nfiles++;
    }
    write_directory(f);
    return 0;
}

/* ---- the guest's side ---- */

static void contents(struct fw_cfg *f, const uint8_t **bytes, uint32_t *len)
{
    const struct fw_cfg_item *it = find(f, f->selected);

    *bytes = it ? it->bytes : NULL;
    *len = it ? it->len : 0;
    if (f->selected == FW_CFG_DIRECTORY) {
        *bytes = f->directory;
        *len = 4 + f->nfiles * FW_CFG_FILE_BYTES;
    }
}

static void select_item(struct fw_cfg *f, uint16_t key)
{
    f->selected = key;
    f->at = 0;
}

static void advance(struct fw_cfg *f, uint32_t n)
{
    if (__builtin_add_overflow(f->at, n, &f->at))
        f->at = UINT32_MAX;
}

static uint8_t read_byte(struct fw_cfg *f)
{
    const uint8_t *bytes;
    uint32_t len;
    uint8_t val;

    contents(f, &bytes, &len);
    val = f->at < len ? bytes[f->at] : 0;
    advance(f, 1);
    return val;
}

static uint32_t port_read(void *dev, uint32_t off, unsigned size)
{
    struct fw_cfg *f = dev;

    (void)size;
    return off == DATA_OFF ? read_byte(f) : 0xff;
}

/* The selector is a word; a byte at 511h is data, which are read-only. */
static void port_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    if (off == SELECTOR_OFF && size == 2)
        select_item(dev, (uint16_t)val);
}

static int dma_read(struct fw_cfg *f, gpa_t to, uint32_t len)
{
    const uint8_t *bytes;
    uint32_t have;
    int err = 0;

    contents(f, &bytes, &have);
    have = f->at < have ? have - f->at : 0;
    have = have < len ? have : len;
    if (have)
        err = physmem_write(f->mem, to, bytes + f->at, have);
    if (err == 0 && len > have)
        err = physmem_fill(f->mem, to + have, 0, len - have);
    advance(f, len);
    return err;
}

/* One FWCfgDmaAccess; the result is its control word. */
static void run_dma(struct fw_cfg *f, gpa_t where)
{
    uint8_t access[DMA_BYTES], done[4];
    uint32_t control, len;
    gpa_t address;
    int err = 0;

    if (physmem_read(f->mem, where, access, sizeof(access)) < 0)
        return;
    control = be32(ld32(access));
    len = be32(ld32(access + 4));
    address = __builtin_bswap64(ld64(access + 8));
    if (control & DMA_SELECT)
        select_item(f, (uint16_t)(control >> 16));
    if (control & DMA_READ)
        err = dma_read(f, address, len);
    else if (control & DMA_WRITE)
        err = -EROFS;
    else if (control & DMA_SKIP)
        advance(f, len);
    st32(done, be32(err < 0 ? DMA_ERROR : 0));
    /* It was RAM a moment ago; if the transfer wrote over it, so be it. */
    (void)!physmem_write(f->mem, where, done, sizeof(done));
}

static uint32_t dma_port_read(void *dev, uint32_t off, unsigned size)
{
    (void)dev;
    (void)size;
    return be32((uint32_t)(off ? DMA_SIGNATURE : DMA_SIGNATURE >> 32));
}

static void dma_port_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct fw_cfg *f = dev;
    uint64_t high = (uint64_t)f->dma_high << 32;

    (void)size;
    if (off == 0) {
        f->dma_high = be32(val);
        return;
    }
    f->dma_high = 0;
    run_dma(f, high | be32(val));
}

static void fw_cfg_reset(void *dev)
{
    struct fw_cfg *f = dev;

    select_item(f, 0);
    f->dma_high = 0;
}

void fw_cfg_init(struct fw_cfg *f, struct physmem *mem)
{
    memset(f, 0, sizeof(*f));
    f->mem = mem;
}

void fw_cfg_fini(struct fw_cfg *f)
{
    for (unsigned i = 0; i < f->nitems; i++)
        free(f->item[i].bytes);
    f->nitems = f->nfiles = 0;
}

static const struct io_ops port_ops = {port_read, port_write, 1, 2};
static const struct io_ops dma_ops = {dma_port_read, dma_port_write, 4, 4};

int fw_cfg_attach(struct fw_cfg *f, struct bus *ports)
{
    int err = fw_cfg_add(f, FW_CFG_SIGNATURE, "QEMU", 4);

    if (err == 0)
        err = fw_cfg_add_number(f, FW_CFG_ID, ID_TRADITIONAL | ID_DMA, 4);
    if (err == 0)
        err = bus_add(ports, FW_CFG_PORT, 2, &port_ops, f, "fw_cfg");
    if (err == 0)
        err = bus_add(ports, FW_CFG_DMA_PORT, 8, &dma_ops, f, "fw_cfg dma");
    return err;
}

static const struct field fw_cfg_fields[] = {FIELD(struct fw_cfg, selected),
                                             FIELD(struct fw_cfg, at),
                                             FIELD(struct fw_cfg, dma_high), FIELD_END};

const struct dev_class fw_cfg_class = {
    .name = "fw_cfg", .fields = fw_cfg_fields, .reset = fw_cfg_reset};
