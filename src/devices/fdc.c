#include "devices/fdc.h"

#include <assert.h>
#include <string.h>

enum fdc_phase { PHASE_COMMAND, PHASE_EXECUTE, PHASE_RESULT };

enum {
    DOR_DRIVE = 3,
    DOR_RUN = 1 << 2, /* 0: reset */
    DOR_IRQ = 1 << 3,
    DSR_RESET = 1 << 7,
    MSR_BUSY = 1 << 4,
    MSR_DIO = 1 << 6, /* the next byte is for the host */
    MSR_RQM = 1 << 7,
    DIR_CHANGED = 1 << 7,
    SRA_IRQ = 1 << 7,
};

enum { /* status bytes */
       ST0_ABNORMAL = 0x40,
       ST0_INVALID = 0x80,
       ST0_READY_CHANGED = 0xc0,
       ST0_SEEK_END = 0x20,
       ST0_CHECK = 0x10, /* recalibrate found no track 0 */
       ST1_NO_ADDRESS = 0x01,
       ST1_READ_ONLY = 0x02,
       ST1_NO_DATA = 0x04,
       ST1_OVERRUN = 0x10,
       ST1_CRC = 0x20,
       ST1_END = 0x80,
       ST3_TWO_SIDES = 0x28, /* ready, too */
       ST3_TRACK_0 = 0x10,
       ST3_READ_ONLY = 0x40,
};

enum { /* bits of commands */
       CMD_MULTITRACK = 0x80,
       CMD_CODE = 0x1f,
       CODE_WRITE = 0x05,
       CODE_WRITE_DELETED = 0x09,
       SECTOR_512 = 2,
       VERSION_82077 = 0x90,
};

enum { RATE_500K, RATE_300K, RATE_250K, RATE_1M };

static const struct fdc_geometry geometries[] = {
    {2880, 80, 2, 18, RATE_500K, FDC_1440K}, {5760, 80, 2, 36, RATE_1M, FDC_2880K},
    {1440, 80, 2, 9, RATE_250K, FDC_1440K},  {2400, 80, 2, 15, RATE_500K, FDC_1200K},
    {720, 40, 2, 9, RATE_300K, FDC_1200K},   {640, 40, 2, 8, RATE_300K, FDC_1200K},
    {360, 40, 1, 9, RATE_300K, FDC_1200K},   {320, 40, 1, 8, RATE_300K, FDC_1200K},
    {3360, 80, 2, 21, RATE_500K, FDC_1440K}, {3444, 82, 2, 21, RATE_500K, FDC_1440K},
};

const struct fdc_geometry *fdc_geometry(uint64_t sectors)
{
    for (unsigned i = 0; i < ARRAY_SIZE(geometries); i++)
        if (geometries[i].sectors_total == sectors)
            return &geometries[i];
    return NULL;
}

static void set_irq(struct fdc *f, bool level)
{
    f->irq = level;
    line_set(&f->irq6, level && (f->dor & DOR_IRQ));
}

/* ---- ends of commands ---- */

static void to_command(struct fdc *f)
{
    f->phase = PHASE_COMMAND;
    f->ncommand = f->nresult = f->result_at = 0;
}

static void put_result(struct fdc *f, uint8_t byte)
{
    assert(f->nresult < FDC_RESULT_BYTES);
    f->result[f->nresult++] = byte;
    f->phase = PHASE_RESULT;
}

/* Drive and head bits that status bytes repeat. */
static uint8_t unit(const struct fdc *f)
{
    return f->command[1] & 7;
}

static struct fdc_drive *drive(struct fdc *f)
{
    unsigned n = f->command[1] & 3;

    return n < FDC_DRIVES ? &f->drive[n] : NULL;
}

static void finish_transfer(struct fdc *f, uint8_t st0, uint8_t st1)
{
    f->nresult = 0;
    put_result(f, st0 | unit(f));
    put_result(f, st1);
    put_result(f, st1 == ST1_CRC ? ST1_CRC : 0); /* ST2: a data error is in the data field */
    put_result(f, f->c);
    put_result(f, f->h);
    put_result(f, f->r);
    put_result(f, SECTOR_512);
    set_irq(f, true);
}

/* ---- reading and writing ---- */

/* Sector of the medium, when C, H, R name one. */
static bool find_sector(struct fdc *f, uint64_t *at)
{
    const struct fdc_drive *d = drive(f);
    const struct fdc_geometry *g = d->geometry;

    if (f->c != d->cylinder || f->c >= g->cylinders || f->h >= g->heads || f->r == 0 ||
        f->r > g->sectors)
        return false;
    *at = ((uint64_t)f->c * g->heads + f->h) * g->sectors + f->r - 1;
    return true;
}

/* The address behind the sector just done (table 5-6): false, the transfer ends here. */
static bool next_sector(struct fdc *f)
{
    bool multitrack = f->command[0] & CMD_MULTITRACK;

    if (f->r++ != f->command[6])
        return true;
    f->r = 1;
    if (multitrack && f->h == 0) {
        f->h = 1;
        return true;
    }
    if (multitrack)
        f->h = 0;
    f->c++;
    return false;
}

static bool is_write(const struct fdc *f)
{
    uint8_t code = f->command[0] & CMD_CODE;

    return code == CODE_WRITE || code == CODE_WRITE_DELETED;
}

static void start_sector(struct fdc *f);

/* Exactly one sector has passed. */
static void sector_done(struct fdc *f, bool tc)
{
    bool more = next_sector(f);

    if (tc)
        finish_transfer(f, 0, 0);
    else if (!more)
        finish_transfer(f, ST0_ABNORMAL, ST1_END);
    else
        start_sector(f);
}

static void medium_done(struct block_request *req, int result)
{
    struct fdc *f = req->opaque;
    bool tc = f->last;

    if (f->phase != PHASE_EXECUTE) /* reset meanwhile */
        return;
    if (result < 0) {
        finish_transfer(f, ST0_ABNORMAL, ST1_CRC);
        return;
    }
    if (!is_write(f) && i8237_write(f->dma, FDC_DMA, f->buf, BLOCK_SECTOR, &tc) == 0) {
        finish_transfer(f, ST0_ABNORMAL, ST1_OVERRUN);
        return;
    }
    sector_done(f, tc);
}

static void start_sector(struct fdc *f)
{
    struct fdc_drive *d = drive(f);
    uint64_t at;
    bool tc = false;

    if (!find_sector(f, &at)) {
        finish_transfer(f, ST0_ABNORMAL, ST1_NO_DATA);
        return;
    }
    if (is_write(f)) {
        memset(f->buf, 0, sizeof(f->buf));
        if (i8237_read(f->dma, FDC_DMA, f->buf, BLOCK_SECTOR, &tc) == 0) {
            finish_transfer(f, ST0_ABNORMAL, ST1_OVERRUN);
            return;
        }
    }
    f->last = tc;
    f->req = (struct block_request){
        .op = is_write(f) ? BLOCK_WRITE : BLOCK_READ,
        .sector = at,
        .count = 1,
        .buf = f->buf,
        .done = medium_done,
        .opaque = f,
    };
    block_submit(d->blk, &f->req);
}

/* What every command that touches the medium needs first; 0, or ST1. */
static uint8_t medium_error(struct fdc *f)
{
    const struct fdc_drive *d = drive(f);

    if (!d || !d->blk || f->rate != d->geometry->rate)
        return ST1_NO_ADDRESS;
    return is_write(f) && block_read_only(d->blk) ? ST1_READ_ONLY : 0;
}

static void transfer(struct fdc *f)
{
    uint8_t st1;

    f->c = f->command[2];
    f->h = f->command[3];
    f->r = f->command[4];
    f->phase = PHASE_EXECUTE;
    st1 = medium_error(f);
    if (st1 == 0 && f->command[5] != SECTOR_512)
        st1 = ST1_NO_DATA;
    if (st1)
        finish_transfer(f, ST0_ABNORMAL, st1);
    else
        start_sector(f);
}

static void read_id(struct fdc *f)
{
    uint8_t st1 = medium_error(f);
    const struct fdc_drive *d = drive(f);

    f->c = d ? d->cylinder : 0;
    f->h = f->command[1] >> 2 & 1;
    f->r = 1;
    if (st1 == 0 && (f->c >= d->geometry->cylinders || f->h >= d->geometry->heads))
        st1 = ST1_NO_ADDRESS;
    finish_transfer(f, st1 ? ST0_ABNORMAL : 0, st1);
}

/* ---- the other commands ---- */

static void seek_to(struct fdc *f, uint8_t cylinder, uint8_t st0)
{
    unsigned n = f->command[1] & 3;

    to_command(f);
    f->sense[n] = (uint8_t)(st0 | ST0_SEEK_END | unit(f));
    f->pending |= (uint8_t)(1 << n);
    if (n < FDC_DRIVES) {
        f->drive[n].cylinder = cylinder;
        f->drive[n].changed = !f->drive[n].blk;
    }
    set_irq(f, true);
}

static void recalibrate(struct fdc *f)
{
    seek_to(f, 0, drive(f) && drive(f)->geometry ? 0 : ST0_ABNORMAL | ST0_CHECK);
}

static void seek(struct fdc *f)
{
    seek_to(f, f->command[2], 0);
}

static void sense_interrupt(struct fdc *f)
{
    to_command(f);
    set_irq(f, false);
    for (unsigned n = 0; n < ARRAY_SIZE(f->sense); n++) {
        if (!(f->pending >> n & 1))
            continue;
        f->pending &= (uint8_t) ~(1 << n);
        put_result(f, f->sense[n]);
        put_result(f, n < FDC_DRIVES ? f->drive[n].cylinder : 0);
        return;
    }
    put_result(f, ST0_INVALID);
}

static void sense_drive(struct fdc *f)
{
    const struct fdc_drive *d = drive(f);

    put_result(f, (uint8_t)(ST3_TWO_SIDES | unit(f) | (d && d->cylinder == 0 ? ST3_TRACK_0 : 0) |
                            (d && d->blk && block_read_only(d->blk) ? ST3_READ_ONLY : 0)));
}

static void specify(struct fdc *f)
{
    to_command(f); /* times of a mechanism that there is not */
}

static void version(struct fdc *f)
{
    put_result(f, VERSION_82077);
}

static void configure(struct fdc *f)
{
    memcpy(f->config, f->command + 1, sizeof(f->config));
    to_command(f);
}

static void set_perpendicular(struct fdc *f)
{
    f->perpendicular = f->command[1];
    to_command(f);
}

static void set_lock(struct fdc *f)
{
    f->lock = f->command[0] >> 7;
    put_result(f, (uint8_t)(f->lock << 4));
}

static void dump_registers(struct fdc *f)
{
    for (unsigned n = 0; n < 4; n++)
        put_result(f, n < FDC_DRIVES ? f->drive[n].cylinder : 0);
    put_result(f, 0);
    put_result(f, 0);
    put_result(f, f->command[6]);
    put_result(f, (uint8_t)(f->lock << 7 | (f->perpendicular & 0x7f)));
    put_result(f, f->config[1]);
    put_result(f, f->config[2]);
}

static void invalid(struct fdc *f)
{
    put_result(f, ST0_INVALID);
}

struct command_row {
    uint8_t mask, code, bytes;
    void (*run)(struct fdc *f);
};

static const struct command_row commands[] = {
    {0x1f, 0x06, 9, transfer},       /* READ DATA */
    {0x1f, 0x0c, 9, transfer},       /* READ DELETED DATA */
    {0x3f, CODE_WRITE, 9, transfer}, /* WRITE DATA */
    {0x3f, CODE_WRITE_DELETED, 9, transfer},
    {0xbf, 0x0a, 2, read_id},
    {0xff, 0x07, 2, recalibrate},
    {0xff, 0x0f, 3, seek},
    {0xff, 0x08, 1, sense_interrupt},
    {0xff, 0x04, 2, sense_drive},
    {0xff, 0x03, 3, specify},
    {0xff, 0x10, 1, version},
    {0xff, 0x13, 4, configure},
    {0xff, 0x12, 2, set_perpendicular},
    {0x7f, 0x14, 1, set_lock},
    {0xff, 0x0e, 1, dump_registers},
};

static const struct command_row unknown = {0, 0, 1, invalid};

static const struct command_row *row_of(uint8_t code)
{
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        if ((code & commands[i].mask) == commands[i].code)
            return &commands[i];
    return &unknown;
}

/* ---- registers ---- */

static void cancel(struct fdc *f)
{
    struct fdc_drive *d = drive(f);

    if (f->phase == PHASE_EXECUTE && d && d->blk)
        block_cancel(d->blk, &f->req);
    to_command(f);
}

static void enter_reset(struct fdc *f)
{
    cancel(f);
    f->pending = 0;
    set_irq(f, false);
    if (!f->lock)
        memset(f->config, 0, sizeof(f->config));
}

/* Each drive's ready line "changed": four interrupts to be sensed. */
static void leave_reset(struct fdc *f)
{
    for (unsigned n = 0; n < ARRAY_SIZE(f->sense); n++)
        f->sense[n] = (uint8_t)(ST0_READY_CHANGED | n);
    f->pending = 15;
    set_irq(f, true);
}

static void write_dor(struct fdc *f, uint8_t val)
{
    uint8_t was = f->dor;

    f->dor = val;
    if ((was & DOR_RUN) && !(val & DOR_RUN))
        enter_reset(f);
    else if (!(was & DOR_RUN) && (val & DOR_RUN))
        leave_reset(f);
    set_irq(f, f->irq);
}

static void write_fifo(struct fdc *f, uint8_t val)
{
    const struct command_row *row;

    if (f->phase != PHASE_COMMAND || !(f->dor & DOR_RUN))
        return;
    f->command[f->ncommand++] = val;
    row = row_of(f->command[0]);
    if (f->ncommand < row->bytes)
        return;
    f->nresult = f->result_at = 0;
    row->run(f);
}

static uint8_t read_fifo(struct fdc *f)
{
    uint8_t val;

    if (f->phase != PHASE_RESULT)
        return 0;
    set_irq(f, false);
    val = f->result[f->result_at++];
    if (f->result_at == f->nresult)
        to_command(f);
    return val;
}

static uint8_t main_status(const struct fdc *f)
{
    if (!(f->dor & DOR_RUN))
        return 0;
    if (f->phase == PHASE_EXECUTE)
        return MSR_BUSY;
    if (f->phase == PHASE_RESULT)
        return MSR_RQM | MSR_DIO | MSR_BUSY;
    return (uint8_t)(MSR_RQM | (f->ncommand ? MSR_BUSY : 0));
}

static uint32_t port_read(void *dev, uint32_t off, unsigned size)
{
    struct fdc *f = dev;

    (void)size;
    switch (off) {
    case 0:
        return f->irq ? SRA_IRQ : 0;
    case 2:
        return f->dor;
    case 4:
        return main_status(f);
    case 5:
        return read_fifo(f);
    default:
        return 0;
    }
}

static void port_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct fdc *f = dev;

    (void)size;
    if (off == 2)
        write_dor(f, (uint8_t)val);
    else if (off == 5)
        write_fifo(f, (uint8_t)val);
    if (off != 4)
        return;
    f->rate = val & 3;
    if (val & DSR_RESET) { /* clears itself */
        enter_reset(f);
        leave_reset(f);
    }
}

static uint32_t dir_read(void *dev, uint32_t off, unsigned size)
{
    struct fdc *f = dev;
    unsigned n = f->dor & DOR_DRIVE;

    (void)off;
    (void)size;
    return n >= FDC_DRIVES || f->drive[n].changed ? DIR_CHANGED : 0;
}

static void ccr_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    (void)off;
    (void)size;
    ((struct fdc *)dev)->rate = val & 3;
}

static void fdc_reset(void *dev)
{
    struct fdc *f = dev;

    f->lock = 0;
    enter_reset(f);
    f->dor = 0;
    f->rate = RATE_250K;
    f->perpendicular = 0;
    for (unsigned n = 0; n < FDC_DRIVES; n++) {
        f->drive[n].cylinder = 0;
        f->drive[n].changed = 1;
    }
}

/* The geometry stays when the medium goes: it says that there is a drive. */
void fdc_change(struct fdc *f, unsigned n, struct block *blk)
{
    struct fdc_drive *d = &f->drive[n];

    assert(n < FDC_DRIVES && (!blk || fdc_geometry(block_sectors(blk))));
    if (f->phase == PHASE_EXECUTE && drive(f) == d && d->blk) {
        block_cancel(d->blk, &f->req);
        finish_transfer(f, ST0_ABNORMAL, ST1_NO_ADDRESS);
    }
    d->blk = blk;
    d->changed = 1;
    if (blk)
        d->geometry = fdc_geometry(block_sectors(blk));
}

void fdc_init(struct fdc *f, struct i8237 *dma, struct line irq6,
              struct block *const blk[FDC_DRIVES])
{
    memset(f, 0, sizeof(*f));
    f->dma = dma;
    f->irq6 = irq6;
    for (unsigned n = 0; n < FDC_DRIVES; n++) {
        f->drive[n].geometry = blk[n] ? fdc_geometry(block_sectors(blk[n])) : NULL;
        f->drive[n].blk = f->drive[n].geometry ? blk[n] : NULL;
    }
    fdc_reset(f);
}

static void fdc_restored(void *dev)
{
    struct fdc *f = dev;

    set_irq(f, f->irq);
}

static const struct io_ops port_ops = {port_read, port_write, 1, 1};
static const struct io_ops dir_ops = {dir_read, ccr_write, 1, 1};

int fdc_attach(struct fdc *f, struct bus *ports)
{
    int err = bus_add(ports, 0x3f0, 6, &port_ops, f, "floppy");

    return err < 0 ? err : bus_add(ports, 0x3f7, 1, &dir_ops, f, "floppy");
}

static const struct field fdc_fields[] = {
    FIELD(struct fdc, dor),
    FIELD(struct fdc, rate),
    FIELD(struct fdc, config),
    FIELD(struct fdc, lock),
    FIELD(struct fdc, command),
    FIELD(struct fdc, ncommand),
    FIELD(struct fdc, result),
    FIELD(struct fdc, nresult),
    FIELD(struct fdc, result_at),
    FIELD(struct fdc, phase),
    FIELD(struct fdc, irq),
    FIELD(struct fdc, sense),
    FIELD(struct fdc, pending),
    FIELD(struct fdc, c),
    FIELD(struct fdc, h),
    FIELD(struct fdc, r),
    FIELD(struct fdc, last),
    FIELD(struct fdc, perpendicular),
    FIELD(struct fdc, drive[0].cylinder),
    FIELD(struct fdc, drive[0].changed),
    FIELD(struct fdc, drive[1].cylinder),
    FIELD(struct fdc, drive[1].changed),
    FIELD_END,
};

const struct dev_class fdc_class = {
    .name = "82077", .fields = fdc_fields, .reset = fdc_reset, .restored = fdc_restored};
