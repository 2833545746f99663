/* Data between medium and guest, in chunks of the buffer's size (struct ide_transfer).
 *
 * A chunk that the host could not read or write is tried again sector by sector, so that the guest
 * gets all good ones and the address of the bad one.
 */
#include "devices/ide_priv.h"

#include <string.h>

static bool flag(const struct ide_channel *ch, uint8_t bit)
{
    return (ch->x.flags & bit) != 0;
}

static void medium_done(struct block_request *req, int result);

static void submit(struct ide_channel *ch, enum block_op op, uint64_t sector, uint32_t count,
                   uint8_t *buf)
{
    struct ide_drive *d = ide_executing(ch);

    ch->req = (struct block_request){
        .op = op,
        .fua = flag(ch, IDE_ROW_FUA) || !d->write_cache,
        .sector = sector,
        .count = count,
        .buf = buf,
        .done = medium_done,
        .opaque = ch,
    };
    d->status = IDE_BSY;
    block_submit(d->blk, &ch->req);
}

/* Sectors of 512 bytes that make one of the medium's. */
static uint32_t unit(struct ide_channel *ch)
{
    return ide_executing(ch)->kind == IDE_CDROM ? CD_UNITS : 1;
}

static uint32_t chunk_bytes(const struct ide_transfer *x)
{
    return x->left < IDE_BUFFER / BLOCK_SECTOR ? x->left * BLOCK_SECTOR : IDE_BUFFER;
}

/* A CD image may end within a sector of 2048 bytes; zeros complete it. */
static void read_chunk(struct ide_channel *ch)
{
    struct ide_transfer *x = &ch->x;
    uint64_t have = ide_executing(ch)->sectors - x->sector;
    uint32_t count;

    x->phase = IDE_MEDIUM_READ;
    x->end = x->careful ? unit(ch) * BLOCK_SECTOR : chunk_bytes(x);
    x->pos = 0;
    count = x->end / BLOCK_SECTOR;
    if (count > have) {
        count = (uint32_t)have;
        memset(ch->buf + count * BLOCK_SECTOR, 0, x->end - count * BLOCK_SECTOR);
    }
    submit(ch, BLOCK_READ, x->sector, count, ch->buf);
}

static void write_chunk(struct ide_channel *ch)
{
    struct ide_transfer *x = &ch->x;
    uint32_t len = x->careful ? BLOCK_SECTOR : x->end - x->stored;

    x->phase = IDE_MEDIUM_WRITE;
    submit(ch, BLOCK_WRITE, x->sector + x->stored / BLOCK_SECTOR, len / BLOCK_SECTOR,
           ch->buf + x->stored);
}

void ide_flush(struct ide_channel *ch)
{
    ch->x.phase = IDE_MEDIUM_FLUSH;
    submit(ch, BLOCK_FLUSH, 0, 0, NULL);
}

/* Opens the data port for the next DRQ block. */
static void open_port(struct ide_channel *ch, uint8_t phase, bool interrupt)
{
    struct ide_drive *d = ide_executing(ch);
    struct ide_transfer *x = &ch->x;

    x->phase = phase;
    x->drq_end = x->block < x->end - x->pos ? x->pos + x->block : x->end;
    d->status = IDE_READY | IDE_DRQ;
    if (flag(ch, IDE_ROW_PACKET))
        ide_packet_announce(d, phase, x->drq_end - x->pos);
    if (interrupt)
        ide_interrupt(ch, d);
}

static void run_busmaster(struct ide_channel *ch, uint8_t phase)
{
    ch->x.phase = phase;
    ide_executing(ch)->status = IDE_READY | IDE_DRQ;
    ide_busmaster_run(ch);
}

/* The first DRQ block of a PIO write comes without an interrupt (ATA-6, 9.6). */
static void take_chunk(struct ide_channel *ch, bool first)
{
    struct ide_transfer *x = &ch->x;

    x->pos = x->stored = 0;
    x->end = chunk_bytes(x);
    if (flag(ch, IDE_ROW_DMA))
        run_busmaster(ch, IDE_DMA_OUT);
    else
        open_port(ch, IDE_PIO_OUT, !first);
}

/* PIO reads end with the last block, others with an interrupt of their own. */
static void finish(struct ide_channel *ch, bool interrupt)
{
    struct ide_drive *d = ide_executing(ch);

    if (flag(ch, IDE_ROW_PACKET)) {
        ide_packet_succeed(ch, d);
        return;
    }
    d->count = (struct ide_reg){0, 0};
    if (interrupt) {
        ide_succeed(ch, d);
        return;
    }
    ch->x.phase = IDE_NO_COMMAND;
    d->status = IDE_READY;
}

static void chunk_over(struct ide_channel *ch, bool read)
{
    struct ide_transfer *x = &ch->x;
    uint32_t sectors = x->end / BLOCK_SECTOR < x->left ? x->end / BLOCK_SECTOR : x->left;
    bool quiet = read && x->phase == IDE_PIO_IN;

    x->sector += sectors;
    x->left -= sectors;
    if (x->left == 0)
        finish(ch, !quiet);
    else if (read)
        read_chunk(ch);
    else
        take_chunk(ch, false);
}

void ide_transfer_advance(struct ide_channel *ch)
{
    struct ide_transfer *x = &ch->x;
    bool in = x->phase == IDE_PIO_IN || x->phase == IDE_DMA_IN;

    if (x->pos < x->end)
        open_port(ch, x->phase, true);
    else if (in)
        chunk_over(ch, true);
    else if (flag(ch, IDE_ROW_PACKET))
        ide_packet_execute(ch);
    else
        write_chunk(ch);
}

/* The address and count registers then describe the first sector in error (ATA-6, 8.27.6). */
static void fail(struct ide_channel *ch)
{
    struct ide_drive *d = ide_executing(ch);
    struct ide_transfer *x = &ch->x;

    if (x->phase == IDE_MEDIUM_FLUSH) {
        ide_abort(ch, d, IDE_ABRT);
        return;
    }
    if (flag(ch, IDE_ROW_PACKET)) {
        ide_packet_fail(ch, d, SENSE_MEDIUM_ERROR, ASC_READ_ERROR);
        return;
    }
    ide_set_address(d, x->sector + x->stored / BLOCK_SECTOR, flag(ch, IDE_ROW_EXT));
    ide_abort(ch, d, x->phase == IDE_MEDIUM_READ ? IDE_UNC : IDE_ABRT);
}

static void retry(struct ide_channel *ch)
{
    ch->x.careful = 1;
    if (ch->x.phase == IDE_MEDIUM_READ)
        read_chunk(ch);
    else
        write_chunk(ch);
}

static void medium_done(struct block_request *req, int result)
{
    struct ide_channel *ch = req->opaque;
    struct ide_transfer *x = &ch->x;

    if (result < 0 && req->count > unit(ch)) {
        retry(ch);
    } else if (result < 0) {
        fail(ch);
    } else if (x->phase == IDE_MEDIUM_FLUSH) {
        ide_succeed(ch, ide_executing(ch));
    } else if (x->phase == IDE_MEDIUM_WRITE) {
        x->stored += req->count * BLOCK_SECTOR;
        if (x->stored < x->end)
            write_chunk(ch);
        else
            chunk_over(ch, false);
    } else if (flag(ch, IDE_ROW_VERIFY)) {
        chunk_over(ch, true);
    } else if (flag(ch, IDE_ROW_DMA)) {
        run_busmaster(ch, IDE_DMA_IN);
    } else {
        open_port(ch, IDE_PIO_IN, true);
    }
}

void ide_transfer_medium(struct ide_channel *ch, uint64_t sector, uint32_t count, uint32_t block)
{
    struct ide_transfer *x = &ch->x;

    x->sector = sector;
    x->left = count;
    x->block = block;
    x->careful = 0;
    x->stored = 0;
    if (flag(ch, IDE_ROW_WRITE))
        take_chunk(ch, true);
    else
        read_chunk(ch);
}

void ide_transfer_answer(struct ide_channel *ch, uint32_t len, uint32_t block)
{
    struct ide_transfer *x = &ch->x;

    x->left = 0;
    x->block = block;
    x->pos = 0;
    x->end = len;
    if (flag(ch, IDE_ROW_DMA))
        run_busmaster(ch, IDE_DMA_IN);
    else
        open_port(ch, IDE_PIO_IN, true);
}

void ide_transfer_packet(struct ide_channel *ch)
{
    ch->x.block = ch->x.end = IDE_PACKET_BYTES;
    open_port(ch, IDE_PIO_OUT, false);
}

/* Bytes that a data port access of `size` moves: the port is 16 bits wide even for a byte. */
static uint32_t port_bytes(const struct ide_transfer *x, unsigned size)
{
    uint32_t want = size < 2 ? 2 : size, left = x->drq_end - x->pos;

    return want < left ? want : left;
}

static void port_moved(struct ide_channel *ch, uint32_t bytes)
{
    ch->x.pos += bytes;
    if (ch->x.pos == ch->x.drq_end)
        ide_transfer_advance(ch);
}

uint32_t ide_data_read(struct ide_channel *ch, unsigned size)
{
    uint32_t val = 0, bytes;

    if (ch->x.phase != IDE_PIO_IN)
        return 0;
    bytes = port_bytes(&ch->x, size);
    for (uint32_t i = 0; i < bytes; i++)
        val |= (uint32_t)ch->buf[ch->x.pos + i] << 8 * i;
    port_moved(ch, bytes);
    return val;
}

void ide_data_write(struct ide_channel *ch, unsigned size, uint32_t val)
{
    uint32_t bytes;

    if (ch->x.phase != IDE_PIO_OUT)
        return;
    bytes = port_bytes(&ch->x, size);
    for (uint32_t i = 0; i < bytes; i++)
        ch->buf[ch->x.pos + i] = (uint8_t)(val >> 8 * i);
    port_moved(ch, bytes);
}

void ide_transfer_drop(struct ide_channel *ch)
{
    if (ch->req.state != BLOCK_IDLE)
        block_cancel(ide_executing(ch)->blk, &ch->req);
    ch->x = (struct ide_transfer){0};
}

void ide_transfer_resume(struct ide_channel *ch)
{
    if (ch->x.phase == IDE_MEDIUM_READ)
        read_chunk(ch);
    else if (ch->x.phase == IDE_MEDIUM_WRITE)
        write_chunk(ch);
    else if (ch->x.phase == IDE_MEDIUM_FLUSH)
        ide_flush(ch);
}
