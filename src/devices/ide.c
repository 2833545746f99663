/* Registers, resets and interrupts of the two channels. */
#include "devices/ide.h"

#include <assert.h>
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

enum { CMD_DIAGNOSTIC = 0x90 };

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

const struct ide_row *ide_row(const struct ide_channel *ch)
{
    return &ide_ata_rows[ch->x.row];
}

void ide_set_signature(struct ide_drive *d)
{
    d->count = (struct ide_reg){1, 0};
    d->lba[0] = (struct ide_reg){1, 0};
    d->lba[1] = d->lba[2] = (struct ide_reg){0, 0};
    d->device &= IDE_DEV;
}

static bool has_devices(const struct ide_channel *ch)
{
    return ch->drive[0].kind != IDE_NONE || ch->drive[1].kind != IDE_NONE;
}

/* ---- resets ---- */

/* What a device looks like after any reset and after the diagnostic. */
static void diagnose(struct ide_channel *ch)
{
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        struct ide_drive *d = &ch->drive[i];

        d->device &= (uint8_t)~IDE_DEV; /* device 0 is selected */
        ide_set_signature(d);
        d->error = IDE_DIAGNOSED;
        d->status = d->kind == IDE_NONE ? 0 : IDE_READY;
        d->intrq = 0;
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
    d->intrq = 0;
    d->error = 0;
    ch->x = (struct ide_transfer){.drive = (uint8_t)(d - ch->drive), .row = opcode};
    if (!(ide_row(ch)->flags & IDE_ROW_ANY_POWER))
        d->power = IDE_POWER_ACTIVE;
    if (ide_row(ch)->start)
        ide_row(ch)->start(ch, d);
    else
        ide_abort(ch, d, IDE_ABRT);
}

/* EXECUTE DEVICE DIAGNOSTIC is for both devices, whichever is selected (8.9). */
static void command(struct ide_channel *ch, uint8_t opcode)
{
    struct ide_drive *d = ide_selected(ch);

    if (ch->x.phase != IDE_NO_COMMAND || (ch->control & IDE_SRST))
        return;
    if (opcode == CMD_DIAGNOSTIC && has_devices(ch)) {
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
#define DRIVE_FIELDS(c, d)                                                                         \
    FIELD(struct ide, channel[c].drive[d].feature), FIELD(struct ide, channel[c].drive[d].count),  \
        FIELD(struct ide, channel[c].drive[d].lba), FIELD(struct ide, channel[c].drive[d].device), \
        FIELD(struct ide, channel[c].drive[d].status),                                             \
        FIELD(struct ide, channel[c].drive[d].error),                                              \
        FIELD(struct ide, channel[c].drive[d].intrq),                                              \
        FIELD(struct ide, channel[c].drive[d].multiple),                                           \
        FIELD(struct ide, channel[c].drive[d].mwdma), FIELD(struct ide, channel[c].drive[d].udma), \
        FIELD(struct ide, channel[c].drive[d].write_cache),                                        \
        FIELD(struct ide, channel[c].drive[d].look_ahead),                                         \
        FIELD(struct ide, channel[c].drive[d].keep_settings),                                      \
        FIELD(struct ide, channel[c].drive[d].power),                                              \
        FIELD(struct ide, channel[c].drive[d].asleep),                                             \
        FIELD(struct ide, channel[c].drive[d].heads),                                              \
        FIELD(struct ide, channel[c].drive[d].track_sectors)

#define CHANNEL_FIELDS(c)                                                                          \
    DRIVE_FIELDS(c, 0), DRIVE_FIELDS(c, 1), FIELD(struct ide, channel[c].control),                 \
        FIELD(struct ide, channel[c].x.phase), FIELD(struct ide, channel[c].x.drive),              \
        FIELD(struct ide, channel[c].x.row), FIELD(struct ide, channel[c].x.careful),              \
        FIELD(struct ide, channel[c].x.sector), FIELD(struct ide, channel[c].x.left),              \
        FIELD(struct ide, channel[c].x.block), FIELD(struct ide, channel[c].x.pos),                \
        FIELD(struct ide, channel[c].x.drq_end), FIELD(struct ide, channel[c].x.end),              \
        FIELD(struct ide, channel[c].x.stored), FIELD(struct ide, channel[c].bm.command),          \
        FIELD(struct ide, channel[c].bm.status), FIELD(struct ide, channel[c].bm.table),           \
        FIELD(struct ide, channel[c].bm.next_entry), FIELD(struct ide, channel[c].bm.base),        \
        FIELD(struct ide, channel[c].bm.left), FIELD(struct ide, channel[c].bm.last),              \
        FIELD(struct ide, channel[c].buf)

static const struct field ide_fields[] = {CHANNEL_FIELDS(0), CHANNEL_FIELDS(1), FIELD_END};

const struct dev_class ide_class = {
    .name = "ide", .fields = ide_fields, .reset = ide_reset, .restored = ide_restored};
