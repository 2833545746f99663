/* ide_rig.h - an IDE controller with a disk in memory on each channel, and a driver's view of it.
 */
#ifndef DRAGOMAN_TESTS_IDE_RIG_H
#define DRAGOMAN_TESTS_IDE_RIG_H

#include "base/bits.h"
#include "devices/ide.h"

#include "block_rig.h"
#include "dev_harness.h"

enum {
    RIG_RAM = 2 << 20,
    RIG_SECTORS = 20000,
    CMD = 0x1f0, /* channel 0's command block */
    CTL = 0x3f6,
    BM = 0xc000, /* bus-master registers */
    PRD = 0x1000,
    BSY = 0x80,
    DRDY = 0x40,
    DRQ = 0x08,
    ERR = 0x01,
};

struct ide_rig {
    struct rig rig;
    struct ide ide;
    struct mem_disk disk[2];
    struct block *blk[2];
    struct probe irq[2];
    struct physmem mem;
    struct bus mmio;
    uint8_t *ram;
    unsigned written; /* calls of the shadow's hook */
    uint64_t written_bytes;
};

static inline void rig_written(void *opaque, gpa_t pa, size_t len)
{
    struct ide_rig *r = opaque;

    (void)pa;
    r->written++;
    r->written_bytes += len;
}

static inline struct ide_config rig_config(struct ide_rig *r)
{
    return (struct ide_config){
        .mem = &r->mem,
        .irq = {probe_line(&r->irq[0]), probe_line(&r->irq[1])},
        .drive = {{{IDE_DISK, r->blk[0]}, {IDE_NONE, NULL}}, {{IDE_NONE, NULL}, {IDE_NONE, NULL}}},
    };
}

/* Every sector begins with its number. */
static inline void rig_number(struct mem_disk *d, uint64_t sectors)
{
    for (uint64_t i = 0; i < sectors; i++) {
        memset(d->bytes + i * 512, (int)(i * 3 + 1), 512);
        st64(d->bytes + i * 512, i);
    }
}

static inline void rig_open(struct ide_rig *r)
{
    memset(r, 0, sizeof(*r));
    rig_init(&r->rig);
    r->ram = calloc(1, RIG_RAM);
    ck_assert_ptr_nonnull(r->ram);
    bus_init(&r->mmio, "mmio", NULL);
    physmem_init(&r->mem, r->ram, -1, RIG_RAM, &r->mmio);
    r->mem.written = rig_written;
    r->mem.opaque = r;
    for (unsigned i = 0; i < 2; i++) {
        r->blk[i] = mem_disk_open(&r->disk[i], RIG_SECTORS);
        rig_number(&r->disk[i], RIG_SECTORS);
    }
}

static inline void rig_start_with(struct ide_rig *r, const struct ide_config *cfg)
{
    ide_init(&r->ide, cfg);
    for (unsigned c = 0; c < IDE_CHANNELS; c++)
        ck_assert_int_eq(ide_attach(&r->ide, c, &r->rig.ports), 0);
    ck_assert_int_eq(
        bus_add(&r->rig.ports, BM, IDE_BUSMASTER_PORTS, &ide_busmaster_ops, &r->ide, "bm"), 0);
}

static inline void rig_start(struct ide_rig *r)
{
    struct ide_config cfg;

    rig_open(r);
    cfg = rig_config(r);
    rig_start_with(r, &cfg);
}

static inline void rig_close(struct ide_rig *r)
{
    for (unsigned i = 0; i < 2; i++)
        block_close(r->blk[i]);
    free(r->ram);
}

static inline void rig_poll(struct ide_rig *r)
{
    for (unsigned i = 0; i < 2; i++)
        block_poll(r->blk[i]);
}

static inline void out(struct ide_rig *r, unsigned reg, uint8_t val)
{
    outb(&r->rig, val, (uint16_t)(CMD + reg));
}

static inline uint8_t in(struct ide_rig *r, unsigned reg)
{
    return inb(&r->rig, (uint16_t)(CMD + reg));
}

static inline uint16_t data_in(struct ide_rig *r)
{
    return (uint16_t)bus_read(&r->rig.ports, CMD, 2);
}

static inline void data_out(struct ide_rig *r, uint16_t val)
{
    bus_write(&r->rig.ports, CMD, 2, val);
}

static inline void read_block(struct ide_rig *r, uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i += 2)
        st16(buf + i, data_in(r));
}

static inline void write_block(struct ide_rig *r, const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i += 2)
        data_out(r, ld16(buf + i));
}

/* A 28-bit command to device 0, polled until the medium has answered. */
static inline void issue(struct ide_rig *r, uint8_t op, uint32_t lba, uint8_t count)
{
    out(r, 2, count);
    out(r, 3, (uint8_t)lba);
    out(r, 4, (uint8_t)(lba >> 8));
    out(r, 5, (uint8_t)(lba >> 16));
    out(r, 6, (uint8_t)(0xe0 | (lba >> 24 & 0xf)));
    out(r, 7, op);
    rig_poll(r);
}

static inline void issue_ext(struct ide_rig *r, uint8_t op, uint64_t lba, uint16_t count)
{
    out(r, 2, (uint8_t)(count >> 8));
    out(r, 2, (uint8_t)count);
    for (unsigned i = 0; i < 3; i++) {
        out(r, 3 + i, (uint8_t)(lba >> (24 + 8 * i)));
        out(r, 3 + i, (uint8_t)(lba >> 8 * i));
    }
    out(r, 6, 0x40);
    out(r, 7, op);
    rig_poll(r);
}

/* Entry n of the descriptor table. */
static inline void prd(struct ide_rig *r, unsigned n, uint32_t base, uint16_t count, bool last)
{
    st32(r->ram + PRD + 8 * n, base);
    st16(r->ram + PRD + 8 * n + 4, count);
    st16(r->ram + PRD + 8 * n + 6, last ? 0x8000 : 0);
}

static inline void bm_start(struct ide_rig *r, bool to_memory)
{
    bus_write(&r->rig.ports, BM + 4, 4, PRD);
    outb(&r->rig, 0x06, BM + 2);
    outb(&r->rig, to_memory ? 8 : 0, BM);
    outb(&r->rig, to_memory ? 9 : 1, BM);
    for (unsigned i = 0; i < 1000; i++)
        rig_poll(r);
}

static inline uint8_t bm_status(struct ide_rig *r)
{
    return inb(&r->rig, BM + 2);
}

#endif
