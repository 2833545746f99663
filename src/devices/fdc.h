/* fdc.h - the floppy controller (Intel 82077AA in AT mode, data sheet 290166) with two drives.
 *
 * Ports 3F0h-3F5h and 3F7h, IRQ 6, DMA channel 2. Data move by DMA only: the non-DMA mode, which no
 * PC software uses, ends commands with an overrun, and FORMAT TRACK is no command here. A medium is
 * a block device of a size that a floppy can have; its geometry and data rate follow from the size.
 * Commands are accepted at once and end when block_poll() has brought the last sector.
 */
#ifndef DRAGOMAN_DEVICES_FDC_H
#define DRAGOMAN_DEVICES_FDC_H

#include "block/block.h"
#include "bus/bus.h"
#include "bus/device.h"
#include "bus/line.h"
#include "devices/i8237.h"

enum { FDC_DRIVES = 2, FDC_DMA = 2, FDC_IRQ = 6, FDC_COMMAND_BYTES = 9, FDC_RESULT_BYTES = 10 };

/* Drive types as CMOS byte 10h has them. */
enum fdc_type { FDC_NO_DRIVE, FDC_360K, FDC_1200K, FDC_720K, FDC_1440K, FDC_2880K };

struct fdc_geometry {
    uint16_t sectors_total;
    uint8_t cylinders, heads, sectors; /* per track */
    uint8_t rate;                      /* bits of CCR */
    uint8_t type;                      /* enum fdc_type of a drive that takes it */
};

struct fdc_drive {
    uint8_t cylinder; /* where the heads are */
    uint8_t changed;  /* DSKCHG: no step since the medium came */

    struct block *blk; /* wiring; NULL: no medium */
    const struct fdc_geometry *geometry;
};

struct fdc {
    uint8_t dor, rate, config[3], lock, perpendicular;
    uint8_t command[FDC_COMMAND_BYTES], ncommand;
    uint8_t result[FDC_RESULT_BYTES], nresult, result_at;
    uint8_t phase;             /* enum fdc_phase */
    uint8_t irq;               /* level */
    uint8_t sense[4], pending; /* ST0 for SENSE INTERRUPT STATUS; bit per drive */
    struct fdc_drive drive[FDC_DRIVES];

    uint8_t c, h, r;           /* of the sector that is being moved */
    uint8_t last;              /* the DMA controller said TC */
    uint8_t buf[BLOCK_SECTOR]; /* wiring from here on */
    struct block_request req;
    struct i8237 *dma;
    struct line irq6;
};

extern const struct dev_class fdc_class;

/* The geometry of a medium; NULL: no floppy has that size. */
const struct fdc_geometry *fdc_geometry(uint64_t sectors);

void fdc_init(struct fdc *f, struct i8237 *dma, struct line irq6,
              struct block *const blk[FDC_DRIVES]);
/* Puts a medium (NULL: none) of a size that fdc_geometry() knows into a drive. A command that is
 * reading or writing ends with an error. The medium that was there is the caller's to close. */
void fdc_change(struct fdc *f, unsigned n, struct block *blk);
int fdc_attach(struct fdc *f, struct bus *ports) MUST_CHECK;

#endif
