/* Registers, resets and interrupts of the two channels. */
#include "devices/ide.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "devices/ide_priv.h"

enum { /* command block (ATA-6, 7) */
       REG_DATA,
       REG_FEATURE, /* reads: error */
       REG_COUNT,
       REG_LBA0,
       REG_LBA1,
       REG_LBA2,
       REG_DEVICE,
       REG_COMMAND, /* reads: status */
       COMMAND_BLOCK_PORTS,
};

enum { CMD_DEVICE_RESET = 0x08, CMD_DIAGNOSTIC = 0x90 };

/* Without a device the host's pull-down on DD7 shows (ATA-6, 6.3): not busy, nobody answers. */
enum { NOBODY = 0x7f };

static const uint16_t command_block[IDE_CHANNELS] = {0x1f0, 0x170};
static const uint16_t control_block[IDE_CHANNELS] = {0x3f6, 0x376};

static void update(struct ide_channel *ch)
{
    bool level = ide_selected(ch)->intrq && !(ch->control & IDE_NIEN);

    if (level && !ch->level)
        ide_busmaster_interrupt(ch);
    ch->level = level;
    line_set(&ch->irq, level);
}

void ide_interrupt(struct ide_channel *ch, struct ide_drive *d)
{
    d->intrq = 1;
    update(ch);
}

void ide_succeed(struct ide_channel *ch, struct ide_drive *d)
{
    ch->x.phase = IDE_NO_COMMAND;
    d->status = IDE_READY;
    ide_interrupt(ch, d);
}

void ide_abort(struct ide_channel *ch, struct ide_drive *d, uint8_t error)
{
    ch->x.phase = IDE_NO_COMMAND;
    d->status = IDE_READY | IDE_ERR;
    d->error = error;
    ide_interrupt(ch, d);
}

void ide_set_signature(struct ide_drive *d)
{
    d->count = (struct ide_reg){1, 0};
    d->lba[0] = (struct ide_reg){1, 0};
    d->lba[1] = (struct ide_reg){d->kind == IDE_CDROM ? 0x14 : 0, 0};
    d->lba[2] = (struct ide_reg){d->kind == IDE_CDROM ? 0xeb : 0, 0};
    d->device &= IDE_DEV;
}

static bool has_devices(const struct ide_channel *ch)
{
    return ch->drive[0].kind != IDE_NONE || ch->drive[1].kind != IDE_NONE;
}

/* ---- resets ---- */

/* Packet devices are not ready until their first command (9.12). */
static void show_signature(struct ide_drive *d)
{
    ide_set_signature(d);
    d->error = IDE_DIAGNOSED;
    d->status = d->kind == IDE_DISK ? IDE_READY : 0;
    d->intrq = 0;
}

/* What devices look like after any reset and after the diagnostic: device 0 is selected. */
static void diagnose(struct ide_channel *ch)
{
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        ch->drive[i].device &= (uint8_t)~IDE_DEV;
        show_signature(&ch->drive[i]);
    }
}

static void software_reset(struct ide_channel *ch)
{
    ide_transfer_drop(ch);
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        struct ide_drive *d = &ch->drive[i];

        if (!d->keep_settings)
            ide_default_settings(d);
        d->asleep = 0;
    }
    diagnose(ch);
}

static void power_on(struct ide_channel *ch)
{
    ide_transfer_drop(ch);
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        struct ide_drive *d = &ch->drive[i];

        d->feature = (struct ide_reg){0, 0};
        d->mwdma = 1 << 2;
        d->udma = 0;
        d->keep_settings = d->asleep = 0;
        d->power = IDE_POWER_ACTIVE;
        d->device = 0;
        d->sense_key = d->asc = d->ascq = 0;
        d->attention = d->tray_open = d->locked = 0;
        d->event = CD_NO_EVENT;
        ide_default_settings(d);
    }
    ch->control = 0;
    diagnose(ch);
    ide_busmaster_reset(ch);
    memset(ch->buf, 0, sizeof(ch->buf));
    update(ch);
}

/* ---- the command register ---- */

static void execute(struct ide_channel *ch, struct ide_drive *d, uint8_t opcode)
{
    const struct ide_row *rows = d->kind == IDE_CDROM ? ide_packet_rows : ide_ata_rows;
    const struct ide_row *row = &rows[opcode];

    d->intrq = 0;
    d->error = 0;
    ch->x = (struct ide_transfer){.drive = (uint8_t)(d - ch->drive), .flags = row->flags};
    if (!(row->flags & IDE_ROW_ANY_POWER))
        d->power = IDE_POWER_ACTIVE;
    if (row->start)
        row->start(ch, d);
    else
        ide_abort(ch, d, IDE_ABRT);
}

/* Stops what a packet device is doing, without an interrupt (8.8). */
static void device_reset(struct ide_channel *ch, struct ide_drive *d)
{
    if (ide_executing(ch) == d)
        ide_transfer_drop(ch);
    d->asleep = 0;
    show_signature(d);
}

/* EXECUTE DEVICE DIAGNOSTIC is for both devices, whichever is selected (8.9). */
static void command(struct ide_channel *ch, uint8_t opcode)
{
    struct ide_drive *d = ide_selected(ch);

    if (ch->control & IDE_SRST)
        return;
    if (opcode == CMD_DEVICE_RESET && d->kind == IDE_CDROM)
        device_reset(ch, d);
    else if (ch->x.phase != IDE_NO_COMMAND)
        return;
    else if (opcode == CMD_DIAGNOSTIC && has_devices(ch)) {
        diagnose(ch);
        ide_interrupt(ch, &ch->drive[ch->drive[0].kind == IDE_NONE]);
    } else if (d->kind != IDE_NONE && !d->asleep) {
        execute(ch, d, opcode);
    }
    update(ch);
}

/* ---- registers ---- */

static void shift_in(struct ide_reg *r, uint8_t val)
{
    r->before = r->now;
    r->now = val;
}

static void write_register(struct ide_channel *ch, unsigned reg, uint8_t val)
{
    ch->control &= (uint8_t)~IDE_HOB;
    if (reg == REG_COMMAND) {
        command(ch, val);
        return;
    }
    if (ch->x.phase != IDE_NO_COMMAND)
        return;
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        struct ide_drive *d = &ch->drive[i];

        if (reg == REG_FEATURE)
            shift_in(&d->feature, val);
        else if (reg == REG_COUNT)
            shift_in(&d->count, val);
        else if (reg < REG_DEVICE)
            shift_in(&d->lba[reg - REG_LBA0], val);
        else
            d->device = val;
    }
    update(ch);
}

static uint8_t shown(const struct ide_channel *ch, const struct ide_reg *r)
{
    return ch->control & IDE_HOB ? r->before : r->now;
}

/* Device 0 answers for an absent device 1, with its own registers but no status (9.16.1); an
 * absent device 0 leaves device 1 alone with its half. */
static uint8_t read_register(const struct ide_channel *ch, const struct ide_drive *selected,
                             unsigned reg)
{
    const struct ide_drive *d = selected;
    bool absent = d->kind == IDE_NONE;

    if (absent && ch->drive[0].kind == IDE_NONE)
        return NOBODY;
    if (absent)
        d = &ch->drive[0];
    if (reg == REG_FEATURE)
        return d->error;
    if (reg == REG_COUNT)
        return shown(ch, &d->count);
    if (reg < REG_DEVICE)
        return shown(ch, &d->lba[reg - REG_LBA0]);
    if (reg == REG_DEVICE)
        return d->device | 0xa0; /* obsolete bits, always set on ATA-1 devices */
    return absent ? 0 : d->status;
}

static uint32_t command_read(void *dev, uint32_t off, unsigned size)
{
    struct ide_channel *ch = dev;
    struct ide_drive *d = ide_selected(ch);
    uint32_t val = 0;

    if (off == REG_DATA && has_devices(ch))
        return ide_data_read(ch, size);
    for (unsigned i = 0; i < size; i++) {
        val |= (uint32_t)read_register(ch, d, off + i) << 8 * i;
        if (off + i == REG_COMMAND) /* reading it acknowledges the interrupt (5.2.9) */
            d->intrq = 0;
    }
    update(ch);
    return val;
}

static void command_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct ide_channel *ch = dev;

    if (off == REG_DATA) {
        ide_data_write(ch, size, val);
        return;
    }
    for (unsigned i = 0; i < size; i++)
        write_register(ch, off + i, (uint8_t)(val >> 8 * i));
}

static uint32_t control_read(void *dev, uint32_t off, unsigned size)
{
    struct ide_channel *ch = dev;

    (void)off;
    (void)size;
    return read_register(ch, ide_selected(ch), REG_COMMAND);
}

/* Devices are busy while SRST is set and done when it is cleared. */
static void control_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct ide_channel *ch = dev;
    bool was = ch->control & IDE_SRST, is = val & IDE_SRST;

    (void)off;
    (void)size;
    ch->control = (uint8_t)val & (IDE_NIEN | IDE_SRST | IDE_HOB);
    if (is && !was) {
        ide_transfer_drop(ch);
        for (unsigned i = 0; i < IDE_DRIVES; i++)
            if (ch->drive[i].kind != IDE_NONE)
                ch->drive[i].status = IDE_BSY;
    } else if (was && !is) {
        software_reset(ch);
    }
    update(ch);
}

static const struct io_ops command_ops = {command_read, command_write, 1, 4};
static const struct io_ops control_ops = {control_read, control_write, 1, 1};

/* ---- the controller ---- */

static void ide_reset(void *dev)
{
    struct ide *ide = dev;

    for (unsigned c = 0; c < IDE_CHANNELS; c++)
        power_on(&ide->channel[c]);
}

static void ide_restored(void *dev)
{
    struct ide *ide = dev;

    for (unsigned c = 0; c < IDE_CHANNELS; c++) {
        ide_transfer_resume(&ide->channel[c]);
        update(&ide->channel[c]);
    }
}

void ide_init(struct ide *ide, const struct ide_config *cfg)
{
    memset(ide, 0, sizeof(*ide));
    for (unsigned c = 0; c < IDE_CHANNELS; c++) {
        struct ide_channel *ch = &ide->channel[c];

        ch->mem = cfg->mem;
        ch->irq = cfg->irq[c];
        for (unsigned i = 0; i < IDE_DRIVES; i++) {
            const struct ide_drive_config *want = &cfg->drive[c][i];
            struct ide_drive *d = &ch->drive[i];

            assert(want->kind != IDE_DISK || want->blk);
            d->kind = want->kind;
            d->number = (uint8_t)(c * IDE_DRIVES + i);
            d->blk = want->blk;
            d->sectors = want->blk ? block_sectors(want->blk) : 0;
        }
    }
    ide_reset(ide);
}

int ide_cd_change(struct ide *ide, unsigned channel, unsigned drive, struct block *blk)
{
    struct ide_channel *ch = &ide->channel[channel];
    struct ide_drive *d = &ch->drive[drive];

    assert(d->kind == IDE_CDROM);
    if (d->locked && d->blk) {
        d->event = CD_EJECT_REQUEST;
        return -EBUSY;
    }
    if (ch->x.phase == IDE_MEDIUM_READ && ide_executing(ch) == d) {
        block_cancel(d->blk, &ch->req);
        ide_packet_fail(ch, d, SENSE_NOT_READY, ASC_NO_MEDIUM);
    }
    d->blk = blk;
    d->sectors = blk ? block_sectors(blk) : 0;
    d->tray_open = 0;
    d->attention = blk != NULL;
    d->event = blk ? CD_NEW_MEDIUM : CD_MEDIUM_REMOVED;
    return 0;
}

int ide_attach(struct ide *ide, unsigned channel, struct bus *ports)
{
    struct ide_channel *ch = &ide->channel[channel];
    int err = bus_add(ports, command_block[channel], COMMAND_BLOCK_PORTS, &command_ops, ch, "ide");

    if (err < 0)
        return err;
    err = bus_add(ports, control_block[channel], 1, &control_ops, ch, "ide control");
    if (err < 0)
        bus_remove(ports, command_block[channel]);
    return err;
}

void ide_detach(struct ide *ide, unsigned channel, struct bus *ports)
{
    (void)ide;
    bus_remove(ports, command_block[channel]);
    bus_remove(ports, control_block[channel]);
}

/* The field list repeats itself by channel and device. */
#define DRIVE_FIELD(c, d, member) FIELD(struct ide, channel[c].drive[d].member)
#define DRIVE_FIELDS(c, d)                                                                         \
    DRIVE_FIELD(c, d, feature), DRIVE_FIELD(c, d, count), DRIVE_FIELD(c, d, lba),                  \
        DRIVE_FIELD(c, d, device), DRIVE_FIELD(c, d, status), DRIVE_FIELD(c, d, error),            \
        DRIVE_FIELD(c, d, intrq), DRIVE_FIELD(c, d, multiple), DRIVE_FIELD(c, d, mwdma),           \
        DRIVE_FIELD(c, d, udma), DRIVE_FIELD(c, d, write_cache), DRIVE_FIELD(c, d, look_ahead),    \
        DRIVE_FIELD(c, d, keep_settings), DRIVE_FIELD(c, d, power), DRIVE_FIELD(c, d, asleep),     \
        DRIVE_FIELD(c, d, sense_key), DRIVE_FIELD(c, d, asc), DRIVE_FIELD(c, d, ascq),             \
        DRIVE_FIELD(c, d, attention), DRIVE_FIELD(c, d, tray_open), DRIVE_FIELD(c, d, locked),     \
        DRIVE_FIELD(c, d, event), DRIVE_FIELD(c, d, heads), DRIVE_FIELD(c, d, track_sectors)

#define CHANNEL_FIELD(c, member) FIELD(struct ide, channel[c].member)
#define CHANNEL_FIELDS(c)                                                                          \
    DRIVE_FIELDS(c, 0), DRIVE_FIELDS(c, 1), CHANNEL_FIELD(c, control), CHANNEL_FIELD(c, x.phase),  \
        CHANNEL_FIELD(c, x.drive), CHANNEL_FIELD(c, x.flags), CHANNEL_FIELD(c, x.careful),         \
        CHANNEL_FIELD(c, x.sector), CHANNEL_FIELD(c, x.left), CHANNEL_FIELD(c, x.block),           \
        CHANNEL_FIELD(c, x.pos), CHANNEL_FIELD(c, x.drq_end), CHANNEL_FIELD(c, x.end),             \
        CHANNEL_FIELD(c, x.stored), CHANNEL_FIELD(c, bm.command), CHANNEL_FIELD(c, bm.status),     \
        CHANNEL_FIELD(c, bm.table), CHANNEL_FIELD(c, bm.next_entry), CHANNEL_FIELD(c, bm.base),    \
        CHANNEL_FIELD(c, bm.left), CHANNEL_FIELD(c, bm.last), CHANNEL_FIELD(c, buf)

static const struct field ide_fields[] = {CHANNEL_FIELDS(0), CHANNEL_FIELDS(1), FIELD_END};

const struct dev_class ide_class = {
    .name = "ide", .fields = ide_fields, .reset = ide_reset, .restored = ide_restored};
