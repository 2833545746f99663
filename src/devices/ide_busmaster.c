/* Bus-master DMA (82371SB data sheet, 2.3.2 and 3.5.4). */
#include "devices/ide_priv.h"

#include <assert.h>

#include "base/bits.h"

enum { /* offsets in a channel's 8 bytes */
       BM_COMMAND = 0,
       BM_STATUS = 2,
       BM_TABLE = 4,
       BM_CHANNEL_PORTS = 8,
};

enum {
    CMD_START = 1 << 0,
    CMD_TO_MEMORY = 1 << 3,
    STS_ACTIVE = 1 << 0,
    STS_ERROR = 1 << 1,
    STS_INTERRUPT = 1 << 2,
    STS_CAPABLE = 3 << 5, /* software's notes: the drives can do DMA */
};

enum { PRD_BYTES = 8, PRD_LAST = 0x80 /* in byte 7 */ };

/* The start bit stays until software clears it; the active bit goes with the last region. */
static void stop(struct ide_channel *ch, uint8_t why)
{
    ch->bm.status = (ch->bm.status & (uint8_t)~STS_ACTIVE) | why;
}

static bool next_region(struct ide_channel *ch)
{
    struct ide_busmaster *bm = &ch->bm;
    uint8_t prd[PRD_BYTES];

    if (physmem_read(ch->mem, bm->next_entry, prd, sizeof(prd)) < 0) {
        stop(ch, STS_ERROR);
        return false;
    }
    bm->next_entry += PRD_BYTES;
    bm->base = ld32(prd) & ~UINT32_C(1);
    bm->left = ld16(prd + 4) & 0xfffe;
    if (bm->left == 0)
        bm->left = 0x10000;
    bm->last = (prd[7] & PRD_LAST) != 0;
    return true;
}

static bool move(struct ide_channel *ch, uint32_t len)
{
    struct ide_busmaster *bm = &ch->bm;
    uint8_t *at = ch->buf + ch->x.pos;
    int err = ch->x.phase == IDE_DMA_IN ? physmem_write(ch->mem, bm->base, at, len)
                                        : physmem_read(ch->mem, bm->base, at, len);

    if (err < 0) {
        stop(ch, STS_ERROR);
        return false;
    }
    bm->base += len;
    bm->left -= len;
    ch->x.pos += len;
    return true;
}

/* A device whose bus master stops early, or runs the wrong way, waits for good: the host's driver
 * has to reset it. */
void ide_busmaster_run(struct ide_channel *ch)
{
    struct ide_busmaster *bm = &ch->bm;
    bool in = ch->x.phase == IDE_DMA_IN;

    if (!in && ch->x.phase != IDE_DMA_OUT)
        return;
    while ((bm->status & STS_ACTIVE) && ch->x.pos < ch->x.end) {
        uint32_t want = ch->x.end - ch->x.pos;

        if (in != !!(bm->command & CMD_TO_MEMORY))
            return;
        if (bm->left == 0 && !next_region(ch))
            return;
        if (!move(ch, want < bm->left ? want : bm->left))
            return;
        if (bm->left == 0 && bm->last)
            stop(ch, 0);
    }
    if (ch->x.pos == ch->x.end)
        ide_transfer_advance(ch);
}

static void write_command(struct ide_channel *ch, uint8_t val)
{
    struct ide_busmaster *bm = &ch->bm;
    bool starts = (val & CMD_START) && !(bm->command & CMD_START);

    bm->command = val & (CMD_START | CMD_TO_MEMORY);
    if (!(val & CMD_START))
        stop(ch, 0);
    if (!starts)
        return;
    bm->status |= STS_ACTIVE;
    bm->next_entry = bm->table;
    bm->left = 0;
    bm->last = 0;
    ide_busmaster_run(ch);
}

static void write_byte(struct ide_channel *ch, unsigned reg, uint8_t val)
{
    struct ide_busmaster *bm = &ch->bm;
    unsigned shift = 8 * (reg - BM_TABLE);

    if (reg == BM_COMMAND) {
        write_command(ch, val);
    } else if (reg == BM_STATUS) {
        bm->status = (bm->status & ~(val & (STS_ERROR | STS_INTERRUPT)) & ~STS_CAPABLE) |
                     (val & STS_CAPABLE);
    } else if (reg >= BM_TABLE) {
        if (reg == BM_TABLE)
            val &= 0xfc;
        bm->table = (bm->table & ~(UINT32_C(0xff) << shift)) | (uint32_t)val << shift;
    }
}

static uint8_t read_byte(const struct ide_channel *ch, unsigned reg)
{
    if (reg == BM_COMMAND)
        return ch->bm.command;
    if (reg == BM_STATUS)
        return ch->bm.status;
    return reg >= BM_TABLE ? (uint8_t)(ch->bm.table >> 8 * (reg - BM_TABLE)) : 0;
}

static uint32_t busmaster_read(void *dev, uint32_t off, unsigned size)
{
    struct ide *ide = dev;
    uint32_t val = 0;

    assert(off + size <= IDE_BUSMASTER_PORTS);
    for (unsigned i = 0; i < size; i++)
        val |= (uint32_t)read_byte(&ide->channel[(off + i) / BM_CHANNEL_PORTS],
                                   (off + i) % BM_CHANNEL_PORTS)
               << 8 * i;
    return val;
}

static void busmaster_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct ide *ide = dev;

    assert(off + size <= IDE_BUSMASTER_PORTS);
    for (unsigned i = 0; i < size; i++)
        write_byte(&ide->channel[(off + i) / BM_CHANNEL_PORTS], (off + i) % BM_CHANNEL_PORTS,
                   (uint8_t)(val >> 8 * i));
}

const struct io_ops ide_busmaster_ops = {busmaster_read, busmaster_write, 1, 4};

void ide_busmaster_interrupt(struct ide_channel *ch)
{
    ch->bm.status |= STS_INTERRUPT;
}

void ide_busmaster_reset(struct ide_channel *ch)
{
    ch->bm = (struct ide_busmaster){0};
}
