/* The commands of an ATA disk (ATA/ATAPI-6, chapter 8). */
#include "devices/ide_priv.h"

enum { /* SET FEATURES subcommands (8.46, table 43) */
       SET_WRITE_CACHE = 0x02,
       SET_TRANSFER_MODE = 0x03,
       NO_LOOK_AHEAD = 0x55,
       KEEP_SETTINGS = 0x66,
       NO_WRITE_CACHE = 0x82,
       SET_LOOK_AHEAD = 0xaa,
       REVERT_SETTINGS = 0xcc,
};

enum { /* transfer modes: type in bits 7-3 of the count register, mode in bits 2-0 */
       MODE_PIO_DEFAULT = 0,
       MODE_PIO = 1,
       MODE_MWDMA = 4,
       MODE_UDMA = 8,
       PIO_MODES = 5,
       MWDMA_MODES = 3,
       UDMA_MODES = 6,
};

/* 28-bit: LBA in the device and three address registers, or cylinder, head, sector from 1. */
static bool address28(const struct ide_drive *d, uint64_t *sector)
{
    uint32_t low = d->lba[0].now, mid = d->lba[1].now, high = d->lba[2].now;
    uint32_t head = d->device & IDE_HEAD;

    if (d->device & IDE_LBA) {
        *sector = low | mid << 8 | high << 16 | head << 24;
        return true;
    }
    if (low == 0 || low > d->track_sectors || head >= d->heads)
        return false;
    *sector = ((uint64_t)(mid | high << 8) * d->heads + head) * d->track_sectors + low - 1;
    return true;
}

static uint64_t address48(const struct ide_drive *d)
{
    uint64_t sector = 0;

    for (unsigned i = 0; i < 3; i++)
        sector |= (uint64_t)d->lba[i].now << 8 * i | (uint64_t)d->lba[i].before << (24 + 8 * i);
    return sector;
}

void ide_set_address(struct ide_drive *d, uint64_t sector, bool ext)
{
    uint64_t track = sector / d->track_sectors, cylinder = track / d->heads;

    if (ext) {
        for (unsigned i = 0; i < 3; i++)
            d->lba[i] =
                (struct ide_reg){(uint8_t)(sector >> 8 * i), (uint8_t)(sector >> (24 + 8 * i))};
    } else if (d->device & IDE_LBA) {
        for (unsigned i = 0; i < 3; i++)
            d->lba[i].now = (uint8_t)(sector >> 8 * i);
        d->device = (d->device & (uint8_t)~IDE_HEAD) | (sector >> 24 & IDE_HEAD);
    } else {
        d->lba[0].now = (uint8_t)(sector % d->track_sectors + 1);
        d->lba[1].now = (uint8_t)cylinder;
        d->lba[2].now = (uint8_t)(cylinder >> 8);
        d->device = (d->device & (uint8_t)~IDE_HEAD) | (track % d->heads & IDE_HEAD);
    }
}

static uint32_t sector_count(const struct ide_drive *d, bool ext)
{
    uint32_t count = d->count.now | (ext ? (uint32_t)d->count.before << 8 : 0);

    return count ? count : ext ? 65536 : 256;
}

/* READ, WRITE and their kin. What begins on the disk and ends beyond it fails as a whole; the
 * address is then the first sector that is not there. */
static void transfer(struct ide_channel *ch, struct ide_drive *d)
{
    uint8_t flags = ch->x.flags;
    bool ext = flags & IDE_ROW_EXT;
    uint32_t count = sector_count(d, ext), block = BLOCK_SECTOR;
    uint64_t sector = ext ? address48(d) : 0;

    if ((ext && !(d->device & IDE_LBA)) || ((flags & IDE_ROW_MULTIPLE) && !d->multiple) ||
        ((flags & IDE_ROW_WRITE) && block_read_only(d->blk))) {
        ide_abort(ch, d, IDE_ABRT);
        return;
    }
    if (!ext && !address28(d, &sector)) {
        ide_abort(ch, d, IDE_IDNF);
        return;
    }
    if (sector >= d->sectors || count > d->sectors - sector) {
        ide_set_address(d, sector > d->sectors ? sector : d->sectors, ext);
        ide_abort(ch, d, IDE_IDNF);
        return;
    }
    if (flags & IDE_ROW_MULTIPLE)
        block = d->multiple * (uint32_t)BLOCK_SECTOR;
    ide_transfer_medium(ch, sector, count, block);
}

static void flush(struct ide_channel *ch, struct ide_drive *d)
{
    (void)d;
    ide_flush(ch);
}

static void identify(struct ide_channel *ch, struct ide_drive *d)
{
    ide_identify_disk(d, ch->buf);
    ide_transfer_answer(ch, BLOCK_SECTOR, BLOCK_SECTOR);
}

static void nothing(struct ide_channel *ch, struct ide_drive *d)
{
    ide_succeed(ch, d);
}

static void seek(struct ide_channel *ch, struct ide_drive *d)
{
    uint64_t sector;

    if (address28(d, &sector) && sector < d->sectors)
        ide_succeed(ch, d);
    else
        ide_abort(ch, d, IDE_IDNF);
}

static void set_translation(struct ide_channel *ch, struct ide_drive *d)
{
    if (d->count.now == 0) {
        ide_abort(ch, d, IDE_ABRT);
        return;
    }
    d->track_sectors = d->count.now;
    d->heads = (d->device & IDE_HEAD) + 1;
    ide_succeed(ch, d);
}

static void set_multiple(struct ide_channel *ch, struct ide_drive *d)
{
    uint8_t n = d->count.now;

    if (n > IDE_MULTIPLE_MAX || (n & (n - 1))) {
        ide_abort(ch, d, IDE_ABRT);
        return;
    }
    d->multiple = n;
    ide_succeed(ch, d);
}

static bool set_mode(struct ide_drive *d, uint8_t count)
{
    unsigned type = count >> 3, mode = count & 7;

    if (type == MODE_PIO_DEFAULT)
        return mode <= 1;
    if (type == MODE_PIO)
        return mode < PIO_MODES;
    if (type == MODE_MWDMA && mode < MWDMA_MODES) {
        d->mwdma = (uint8_t)(1 << mode);
        d->udma = 0;
        return true;
    }
    if (type == MODE_UDMA && mode < UDMA_MODES) {
        d->udma = (uint8_t)(1 << mode);
        d->mwdma = 0;
        return true;
    }
    return false;
}

static bool set_feature(struct ide_drive *d)
{
    switch (d->feature.now) {
    case SET_TRANSFER_MODE:
        return set_mode(d, d->count.now);
    case SET_WRITE_CACHE:
    case NO_WRITE_CACHE:
        d->write_cache = d->feature.now == SET_WRITE_CACHE;
        return true;
    case SET_LOOK_AHEAD:
    case NO_LOOK_AHEAD:
        d->look_ahead = d->feature.now == SET_LOOK_AHEAD;
        return true;
    case KEEP_SETTINGS:
    case REVERT_SETTINGS:
        d->keep_settings = d->feature.now == KEEP_SETTINGS;
        return true;
    default:
        return false;
    }
}

static void flush_if_disk(struct ide_channel *ch, struct ide_drive *d)
{
    if (d->kind == IDE_DISK)
        ide_flush(ch);
    else
        ide_succeed(ch, d);
}

/* Turning the write cache off writes it out (8.46.2). */
void ide_set_features(struct ide_channel *ch, struct ide_drive *d)
{
    if (!set_feature(d))
        ide_abort(ch, d, IDE_ABRT);
    else if (d->feature.now == NO_WRITE_CACHE)
        flush_if_disk(ch, d);
    else
        ide_succeed(ch, d);
}

void ide_check_power(struct ide_channel *ch, struct ide_drive *d)
{
    d->count.now = d->power;
    ide_succeed(ch, d);
}

void ide_idle(struct ide_channel *ch, struct ide_drive *d)
{
    d->power = IDE_POWER_IDLE;
    ide_succeed(ch, d);
}

/* The cache is written out before the disk spins down. */
void ide_standby(struct ide_channel *ch, struct ide_drive *d)
{
    d->power = IDE_POWER_STANDBY;
    flush_if_disk(ch, d);
}

void ide_sleep(struct ide_channel *ch, struct ide_drive *d)
{
    d->asleep = 1;
    ide_standby(ch, d);
}

void ide_default_settings(struct ide_drive *d)
{
    d->multiple = 0;
    d->write_cache = d->look_ahead = 1;
    d->heads = 16;
    d->track_sectors = 63;
}

enum {
    EXT = IDE_ROW_EXT,
    WRITE = IDE_ROW_WRITE,
    DMA = IDE_ROW_DMA,
    MULTIPLE = IDE_ROW_MULTIPLE,
    FUA = IDE_ROW_FUA,
    VERIFY = IDE_ROW_VERIFY,
};

const struct ide_row ide_ata_rows[256] = {
    [0x10] = {nothing, 0},  /* RECALIBRATE */
    [0x20] = {transfer, 0}, /* READ SECTOR(S) */
    [0x21] = {transfer, 0}, /* the same without retries */
    [0x24] = {transfer, EXT},
    [0x25] = {transfer, EXT | DMA}, /* READ DMA EXT */
    [0x29] = {transfer, EXT | MULTIPLE},
    [0x30] = {transfer, WRITE}, /* WRITE SECTOR(S) */
    [0x31] = {transfer, WRITE},
    [0x34] = {transfer, EXT | WRITE},
    [0x35] = {transfer, EXT | WRITE | DMA}, /* WRITE DMA EXT */
    [0x39] = {transfer, EXT | WRITE | MULTIPLE},
    [0x3d] = {transfer, EXT | WRITE | DMA | FUA}, /* WRITE DMA FUA EXT */
    [0x40] = {transfer, VERIFY},                  /* READ VERIFY SECTOR(S) */
    [0x41] = {transfer, VERIFY},
    [0x42] = {transfer, EXT | VERIFY},
    [0x70] = {seek, 0},
    [0x91] = {set_translation, 0}, /* INITIALIZE DEVICE PARAMETERS */
    [0x94] = {ide_standby, 0},     /* ATA-3's opcodes of the power commands */
    [0x95] = {ide_idle, 0},
    [0x96] = {ide_standby, 0},
    [0x97] = {ide_idle, 0},
    [0x98] = {ide_check_power, IDE_ROW_ANY_POWER},
    [0x99] = {ide_sleep, 0},
    [0xc4] = {transfer, MULTIPLE}, /* READ MULTIPLE */
    [0xc5] = {transfer, WRITE | MULTIPLE},
    [0xc6] = {set_multiple, 0},
    [0xc8] = {transfer, DMA}, /* READ DMA */
    [0xc9] = {transfer, DMA},
    [0xca] = {transfer, WRITE | DMA}, /* WRITE DMA */
    [0xcb] = {transfer, WRITE | DMA},
    [0xce] = {transfer, EXT | WRITE | MULTIPLE | FUA}, /* WRITE MULTIPLE FUA EXT */
    [0xe0] = {ide_standby, 0},                         /* STANDBY IMMEDIATE */
    [0xe1] = {ide_idle, 0},
    [0xe2] = {ide_standby, 0}, /* STANDBY, IDLE: the timer is not kept, the disk costs no power */
    [0xe3] = {ide_idle, 0},
    [0xe5] = {ide_check_power, IDE_ROW_ANY_POWER},
    [0xe6] = {ide_sleep, 0},
    [0xe7] = {flush, 0}, /* FLUSH CACHE */
    [0xea] = {flush, EXT},
    [0xec] = {identify, 0},
    [0xef] = {ide_set_features, 0},
};
