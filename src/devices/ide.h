/* ide.h - the IDE controller of the PIIX3 (Intel 82371SB, function 1) and what hangs on its cables.
 *
 * Two channels of two devices each: ATA disks (ATA/ATAPI-6) and ATAPI CD-ROM drives, with PIO and
 * bus-master DMA. The command blocks answer at 1F0h and 170h, the control blocks at 3F6h and 376h,
 * in either of which the board may have ide_attach() put them; the bus-master registers are 16
 * bytes wherever the board has BAR 4 (ide_busmaster_ops). PCI configuration is the board's.
 *
 * Medium accesses go through block/block.h: a command is accepted at once, BSY until block_poll()
 * brings the answer. The board calls block_poll() on every disk, on the vCPU thread. DMA to guest
 * RAM goes through physmem_write(). Interrupt lines are levels: INTRQ of the selected device.
 *
 * Both devices of a channel see each write to the command block; the selected one (DEV bit)
 * answers reads and executes. One command per channel: while it runs, writes to the command block
 * are ignored, but for DEVICE RESET and the control block's SRST.
 */
#ifndef DRAGOMAN_DEVICES_IDE_H
#define DRAGOMAN_DEVICES_IDE_H

#include "base/types.h"
#include "block/block.h"
#include "bus/bus.h"
#include "bus/device.h"
#include "bus/line.h"
#include "bus/physmem.h"

enum {
    IDE_CHANNELS = 2,
    IDE_DRIVES = 2, /* per channel */
    IDE_BUFFER = 128 * 1024,
    IDE_BUSMASTER_PORTS = 16,
};

enum ide_kind { IDE_NONE, IDE_DISK, IDE_CDROM };

/* What a cable end is; a disk needs its block, a CD-ROM drive without one has no medium. */
struct ide_drive_config {
    enum ide_kind kind;
    struct block *blk; /* the caller's; closed after the machine's last access */
};

struct ide_config {
    struct physmem *mem;
    struct line irq[IDE_CHANNELS]; /* IRQ 14 and 15 */
    struct ide_drive_config drive[IDE_CHANNELS][IDE_DRIVES];
};

/* One register of the command block: 48-bit commands use two writes (ATA-6, 6.20). */
struct ide_reg {
    uint8_t now, before;
};

struct ide_drive {
    struct ide_reg feature, count, lba[3];
    uint8_t device;
    uint8_t status, error;
    uint8_t intrq;       /* interrupt pending */
    uint8_t multiple;    /* sectors per DRQ block of READ/WRITE MULTIPLE; 0: off */
    uint8_t mwdma, udma; /* the selected mode's bit, as in words 63 and 88; 0: none */
    uint8_t write_cache, look_ahead, keep_settings;
    uint8_t power; /* as CHECK POWER MODE says it */
    uint8_t asleep;
    uint8_t sense_key, asc, ascq; /* of a CD-ROM drive, for REQUEST SENSE (SPC-3, 4.5) */
    uint8_t attention;            /* the medium was changed; the next command says so */
    uint8_t tray_open, locked;
    uint8_t event;                 /* enum ide_medium_event, for GET EVENT STATUS NOTIFICATION */
    uint16_t heads, track_sectors; /* of the current CHS translation */

    enum ide_kind kind; /* wiring */
    uint8_t number;     /* 0 to 3, for the serial number */
    struct block *blk;
    uint64_t sectors;
};

/* The command that runs: data pass through the buffer in chunks, a chunk through the data port in
 * DRQ blocks or by DMA.
 *
 *   read:  medium -> buf[0, end) -> guest at pos, DRQ block ends at drq_end -> next chunk
 *   write: guest -> buf[0, end) at pos -> medium at stored                  -> next chunk
 */
struct ide_transfer {
    uint8_t phase; /* enum ide_phase */
    uint8_t drive;
    uint8_t flags;                      /* of the command: IDE_ROW_ bits */
    uint8_t careful;                    /* a chunk failed: sector by sector, to find the bad one */
    uint64_t sector;                    /* of the medium, where the chunk begins */
    uint32_t left;                      /* sectors from there on */
    uint32_t block;                     /* bytes per DRQ block */
    uint32_t pos, drq_end, end, stored; /* bytes in the buffer */
};

/* Bus master IDE (82371SB data sheet, 2.3.2). */
struct ide_busmaster {
    uint8_t command, status;
    uint32_t table;
    uint32_t next_entry; /* of the descriptor table, while active */
    uint32_t base, left; /* what remains of the current region */
    uint8_t last;        /* it is the table's last */
};

struct ide_channel {
    struct ide_drive drive[IDE_DRIVES];
    uint8_t control;
    struct ide_transfer x;
    struct ide_busmaster bm;
    uint8_t buf[IDE_BUFFER];

    bool level; /* of the interrupt line */
    struct block_request req;
    struct line irq; /* wiring */
    struct physmem *mem;
};

struct ide {
    struct ide_channel channel[IDE_CHANNELS];
};

extern const struct dev_class ide_class;

void ide_init(struct ide *ide, const struct ide_config *cfg);

/* Puts a medium (NULL: none) into a CD-ROM drive, tray closed. The one that was there is the
 * caller's to close. -EBUSY: the guest has locked the drive; it is told that somebody asks. */
int ide_cd_change(struct ide *ide, unsigned channel, unsigned drive, struct block *blk) MUST_CHECK;

/* Claims or gives up the legacy ports of one channel. */
int ide_attach(struct ide *ide, unsigned channel, struct bus *ports) MUST_CHECK;
void ide_detach(struct ide *ide, unsigned channel, struct bus *ports);

/* The IDE_BUSMASTER_PORTS bytes at BAR 4, both channels; `dev` is the struct ide. */
extern const struct io_ops ide_busmaster_ops;

#endif
