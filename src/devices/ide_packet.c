/* The PACKET command feature set (ATA-6, 8.23 and 9.8): commands of a packet device, and how
 * packets and their data travel. */
#include "devices/ide_priv.h"

enum {                          /* interrupt reason, in the count register */
       REASON_COMMAND = 1 << 0, /* C/D: the packet, or the final status */
       REASON_TO_HOST = 1 << 1, /* I/O */
};

enum { FEATURE_DMA = 1 << 0, FEATURE_OVERLAP = 1 << 1 };

enum { MAX_BLOCK = 0xfffe }; /* bytes per DRQ block: even, in 16 bits */

void ide_packet_announce(struct ide_drive *d, uint8_t phase, uint32_t bytes)
{
    d->count.now = phase == IDE_PIO_IN ? REASON_TO_HOST : REASON_COMMAND;
    if (phase == IDE_PIO_IN) {
        d->lba[1].now = (uint8_t)bytes;
        d->lba[2].now = (uint8_t)(bytes >> 8);
    }
}

void ide_packet_succeed(struct ide_channel *ch, struct ide_drive *d)
{
    d->sense_key = SENSE_NONE;
    d->asc = d->ascq = 0;
    d->count.now = REASON_COMMAND | REASON_TO_HOST;
    ide_succeed(ch, d);
}

void ide_packet_fail(struct ide_channel *ch, struct ide_drive *d, uint8_t key, uint16_t asc)
{
    d->sense_key = key;
    d->asc = (uint8_t)(asc >> 8);
    d->ascq = (uint8_t)asc;
    d->count.now = REASON_COMMAND | REASON_TO_HOST;
    ide_abort(ch, d, (uint8_t)(key << 4) | (key == SENSE_ILLEGAL_REQUEST ? IDE_ABRT : 0));
}

void ide_packet_answer(struct ide_channel *ch, uint32_t len, uint32_t wanted)
{
    if (wanted < len)
        len = wanted;
    if (len)
        ide_transfer_answer(ch, len, ch->x.block);
    else
        ide_packet_succeed(ch, ide_executing(ch));
}

void ide_packet_execute(struct ide_channel *ch)
{
    struct ide_drive *d = ide_executing(ch);
    uint32_t limit = (d->lba[1].now | (uint32_t)d->lba[2].now << 8) & MAX_BLOCK;
    uint8_t cdb[IDE_PACKET_BYTES];

    for (unsigned i = 0; i < IDE_PACKET_BYTES; i++)
        cdb[i] = ch->buf[i];
    if (d->feature.now & FEATURE_DMA)
        ch->x.flags |= IDE_ROW_DMA;
    ch->x.block = limit ? limit : MAX_BLOCK;
    ide_mmc_execute(ch, d, cdb);
}

static void packet(struct ide_channel *ch, struct ide_drive *d)
{
    if (d->feature.now & FEATURE_OVERLAP)
        ide_abort(ch, d, IDE_ABRT);
    else
        ide_transfer_packet(ch);
}

static void identify(struct ide_channel *ch, struct ide_drive *d)
{
    ide_identify_cdrom(d, ch->buf);
    ide_transfer_answer(ch, BLOCK_SECTOR, BLOCK_SECTOR);
}

/* Commands by which hosts look for disks are answered with the signature (8.15.5, 8.27.4). */
static void not_a_disk(struct ide_channel *ch, struct ide_drive *d)
{
    ide_set_signature(d);
    ide_abort(ch, d, IDE_ABRT);
}

const struct ide_row ide_packet_rows[256] = {
    [0x20] = {not_a_disk, 0},
    [0x94] = {ide_standby, 0}, /* ATA-3's opcodes of the power commands */
    [0x95] = {ide_idle, 0},
    [0x98] = {ide_check_power, IDE_ROW_ANY_POWER},
    [0x99] = {ide_sleep, 0},
    [0xa0] = {packet, IDE_ROW_PACKET},
    [0xa1] = {identify, 0},
    [0xe0] = {ide_standby, 0},
    [0xe1] = {ide_idle, 0},
    [0xe5] = {ide_check_power, IDE_ROW_ANY_POWER},
    [0xe6] = {ide_sleep, 0},
    [0xec] = {not_a_disk, 0},
    [0xef] = {ide_set_features, 0},
};
