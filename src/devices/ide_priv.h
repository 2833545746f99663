/* ide_priv.h - what the parts of the IDE controller share.
 *
 *   ide.c          registers, resets, interrupts      ide_busmaster.c  DMA
 *   ide_transfer.c chunks between medium and guest    ide_ata.c        commands of disks
 *   ide_identify.c IDENTIFY (PACKET) DEVICE           ide_packet.c     ATAPI: how packets travel
 *   ide_mmc.c      what packets mean to a CD-ROM drive
 */
#ifndef DRAGOMAN_DEVICES_IDE_PRIV_H
#define DRAGOMAN_DEVICES_IDE_PRIV_H

#include "devices/ide.h"

enum { /* status register (ATA-6, 7.15) */
       IDE_BSY = 1 << 7,
       IDE_DRDY = 1 << 6,
       IDE_DF = 1 << 5,
       IDE_DSC = 1 << 4, /* seek complete, in ATA-3's words; "#" in ATA-6 */
       IDE_DRQ = 1 << 3,
       IDE_ERR = 1 << 0,
       IDE_READY = IDE_DRDY | IDE_DSC,
};

enum { /* error register (7.9) */
       IDE_UNC = 1 << 6,
       IDE_IDNF = 1 << 4,
       IDE_ABRT = 1 << 2,
       IDE_DIAGNOSED = 1, /* EXECUTE DEVICE DIAGNOSTIC: both passed */
};

enum { /* device register (7.10) */
       IDE_DEV = 1 << 4,
       IDE_LBA = 1 << 6,
       IDE_HEAD = 0x0f,
};

enum { /* device control register (7.11) */
       IDE_NIEN = 1 << 1,
       IDE_SRST = 1 << 2,
       IDE_HOB = 1 << 7,
};

enum { IDE_POWER_STANDBY = 0x00, IDE_POWER_IDLE = 0x80, IDE_POWER_ACTIVE = 0xff };

enum ide_phase {
    IDE_NO_COMMAND,
    IDE_MEDIUM_READ, /* waits for the block layer; BSY */
    IDE_MEDIUM_WRITE,
    IDE_MEDIUM_FLUSH,
    IDE_PIO_IN, /* the guest moves data through the data port; DRQ */
    IDE_PIO_OUT,
    IDE_DMA_IN, /* the bus master does, or waits to be started */
    IDE_DMA_OUT,
};

enum { IDE_MULTIPLE_MAX = 16 };

enum {                       /* what a command is, for the transfer */
       IDE_ROW_EXT = 1 << 0, /* 48-bit address, 16-bit count */
       IDE_ROW_WRITE = 1 << 1,
       IDE_ROW_DMA = 1 << 2,
       IDE_ROW_MULTIPLE = 1 << 3,
       IDE_ROW_FUA = 1 << 4,
       IDE_ROW_VERIFY = 1 << 5,    /* reads, but keeps the data to itself */
       IDE_ROW_ANY_POWER = 1 << 6, /* does not wake the device */
       IDE_ROW_PACKET = 1 << 7,
};

struct ide_row {
    void (*start)(struct ide_channel *ch, struct ide_drive *d); /* NULL: no such command */
    uint8_t flags;
};

static inline struct ide_drive *ide_selected(struct ide_channel *ch)
{
    return &ch->drive[(ch->drive[0].device & IDE_DEV) != 0];
}

static inline struct ide_drive *ide_executing(struct ide_channel *ch)
{
    return &ch->drive[ch->x.drive];
}

/* ---- ide.c ---- */
void ide_interrupt(struct ide_channel *ch, struct ide_drive *d);
/* The command is over. */
void ide_succeed(struct ide_channel *ch, struct ide_drive *d);
void ide_abort(struct ide_channel *ch, struct ide_drive *d, uint8_t error);
/* The signature by which hosts tell disks from packet devices (9.12). */
void ide_set_signature(struct ide_drive *d);

/* ---- ide_transfer.c ---- */
/* `count` sectors of the medium from `sector` on. */
void ide_transfer_medium(struct ide_channel *ch, uint64_t sector, uint32_t count, uint32_t block);
/* The first `len` bytes of the buffer, to the guest. */
void ide_transfer_answer(struct ide_channel *ch, uint32_t len, uint32_t block);
/* Opens the data port for a packet. */
void ide_transfer_packet(struct ide_channel *ch);
void ide_flush(struct ide_channel *ch);
/* Something has moved up to x.pos: next block, next chunk, or the end. */
void ide_transfer_advance(struct ide_channel *ch);
uint32_t ide_data_read(struct ide_channel *ch, unsigned size);
void ide_data_write(struct ide_channel *ch, unsigned size, uint32_t val);
/* Forgets the command, without an answer. */
void ide_transfer_drop(struct ide_channel *ch);
/* After a restore: asks the block layer again. */
void ide_transfer_resume(struct ide_channel *ch);

/* ---- ide_busmaster.c ---- */
/* Moves what it can between the buffer at x.pos and guest RAM. */
void ide_busmaster_run(struct ide_channel *ch);
/* INTRQ rose. */
void ide_busmaster_interrupt(struct ide_channel *ch);
void ide_busmaster_reset(struct ide_channel *ch);

/* ---- ide_ata.c ---- */
extern const struct ide_row ide_ata_rows[256];
void ide_set_features(struct ide_channel *ch, struct ide_drive *d);
void ide_check_power(struct ide_channel *ch, struct ide_drive *d);
void ide_idle(struct ide_channel *ch, struct ide_drive *d);
void ide_standby(struct ide_channel *ch, struct ide_drive *d);
void ide_sleep(struct ide_channel *ch, struct ide_drive *d);
void ide_set_address(struct ide_drive *d, uint64_t sector, bool ext);
/* Power-on and, unless SET FEATURES 66h said otherwise, reset values of the settings. */
void ide_default_settings(struct ide_drive *d);

/* ---- ide_identify.c ---- */
void ide_identify_disk(const struct ide_drive *d, uint8_t *out);
void ide_identify_cdrom(const struct ide_drive *d, uint8_t *out);

/* ---- ide_packet.c ---- */
enum { IDE_PACKET_BYTES = 12, CD_SECTOR = 2048, CD_UNITS = CD_SECTOR / BLOCK_SECTOR };

enum ide_medium_event { CD_NO_EVENT, CD_EJECT_REQUEST, CD_NEW_MEDIUM, CD_MEDIUM_REMOVED };

extern const struct ide_row ide_packet_rows[256];
/* What the guest reads beside DRQ: the reason of the interrupt and how many bytes. */
void ide_packet_announce(struct ide_drive *d, uint8_t phase, uint32_t bytes);
/* The whole packet has come. */
void ide_packet_execute(struct ide_channel *ch);
void ide_packet_succeed(struct ide_channel *ch, struct ide_drive *d);
/* CHECK CONDITION with this sense; `asc` has the additional code and its qualifier. */
void ide_packet_fail(struct ide_channel *ch, struct ide_drive *d, uint8_t key, uint16_t asc);
/* To the guest: `len` bytes of the buffer, or as many as it wanted. */
void ide_packet_answer(struct ide_channel *ch, uint32_t len, uint32_t wanted);

/* ---- ide_mmc.c ---- */
enum { /* sense keys and additional codes (SPC-3, tables 27 and 28) */
       SENSE_NONE = 0,
       SENSE_NOT_READY = 2,
       SENSE_MEDIUM_ERROR = 3,
       SENSE_ILLEGAL_REQUEST = 5,
       SENSE_UNIT_ATTENTION = 6,
       ASC_READ_ERROR = 0x1100,
       ASC_NO_COMMAND = 0x2000,
       ASC_NO_SUCH_SECTOR = 0x2100,
       ASC_BAD_FIELD = 0x2400,
       ASC_MEDIUM_CHANGED = 0x2800,
       ASC_NOT_SAVED = 0x3900,
       ASC_NO_MEDIUM = 0x3a01, /* tray closed; +1: open */
       ASC_LOCKED = 0x5302,
};

void ide_mmc_execute(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb);

#endif
