/* fuzz_ide.c - the IDE controller: a disk and a CD-ROM drive in memory, registers in any order,
 * descriptor tables anywhere, bad sectors, full media, resets and restores.
 *
 * An operation is four bytes: what, register, value (2).
 */
#include "fuzz.h"
#include "devices/ide.h"

#include "../unit/block_rig.h"

enum {
    RAM = 1 << 20,
    SECTORS = 600,
    CD_SECTORS = 410,
    BM = 0xc000,
    MAX_OPS = 1500,
    TABLE = 0x8000
};

enum op {
    OP_WRITE,
    OP_READ,
    OP_POLL,
    OP_DATA,
    OP_BUSMASTER,
    OP_READ_BUSMASTER,
    OP_TABLE,
    OP_COMMAND,
    OP_PACKET,
    OP_MEDIUM,
    OP_RESET,
    OP_RESTORE,
    OP_CONTROL,
    OP_FAULT,
    OP_DRAIN,
    OP_ADDRESS,
    NOPS
};

struct board {
    struct physmem pm;
    struct bus ports, mmio;
    struct ide ide;
    struct mem_disk disk, cd;
    struct block *blk[2];
    bool level[2];
    uint8_t *saved;
};

static void board_irq(void *dst, int pin, bool level)
{
    ((struct board *)dst)->level[pin] = level;
}

static void board_open(struct board *b, hva_t ram)
{
    struct ide_config cfg = {
        .mem = &b->pm,
        .irq = {{board_irq, b, 0}, {board_irq, b, 1}},
    };

    memset(&b->level, 0, sizeof(b->level));
    bus_init(&b->mmio, "mmio", NULL);
    bus_init(&b->ports, "ports", NULL);
    physmem_init(&b->pm, ram, -1, RAM, &b->mmio);
    b->blk[0] = mem_disk_open(&b->disk, SECTORS);
    b->blk[1] = mem_disk_open(&b->cd, CD_SECTORS);
    cfg.drive[0][0] = (struct ide_drive_config){IDE_DISK, b->blk[0]};
    cfg.drive[0][1] = (struct ide_drive_config){IDE_CDROM, b->blk[1]};
    cfg.drive[1][1] = (struct ide_drive_config){IDE_CDROM, NULL};
    ide_init(&b->ide, &cfg);
    for (unsigned c = 0; c < IDE_CHANNELS; c++)
        FUZZ_CHECK(ide_attach(&b->ide, c, &b->ports) == 0, "channel %u", c);
    FUZZ_CHECK(bus_add(&b->ports, BM, IDE_BUSMASTER_PORTS, &ide_busmaster_ops, &b->ide, "bm") == 0,
               "bm");
}

static void poll_disks(struct board *b)
{
    block_poll(b->blk[0]);
    block_poll(b->blk[1]);
}

static uint16_t command_port(uint8_t reg, unsigned n)
{
    return (uint16_t)((reg & 8 ? 0x170 : 0x1f0) + n);
}

static void write_table(struct board *b, uint8_t reg, uint32_t val)
{
    hva_t at = b->pm.hva + TABLE + reg % 16 * 8;

    st32(at, (val << 8) + (reg & 0x40 ? 0xfff00 : 0x10000));
    st16(at + 4, (uint16_t)(reg & 0x20 ? val : 0x2000));
    st16(at + 6, reg & 0x80 ? 0x8000 : 0);
    bus_write(&b->ports, BM + (reg & 0x10 ? 12u : 4u), 4, TABLE);
}

static void packet(struct board *b, uint8_t reg, uint32_t val)
{
    uint8_t cdb[12] = {(uint8_t)val,        0, (uint8_t)(val >> 12), 0,  (uint8_t)(val >> 4),
                       (uint8_t)(val >> 8), 0, (uint8_t)(val >> 10), 24, (uint8_t)(val >> 9)};

    bus_write(&b->ports, command_port(reg, 6), 1, 0xb0);
    bus_write(&b->ports, command_port(reg, 1), 1, reg >> 4 & 3);
    bus_write(&b->ports, command_port(reg, 4), 2, val * 3);
    bus_write(&b->ports, command_port(reg, 7), 1, 0xa0);
    for (unsigned i = 0; i < 12; i += 2)
        bus_write(&b->ports, command_port(reg, 0), 2, ld16(cdb + i));
}

static void move_data(struct board *b, uint8_t reg, uint32_t val)
{
    for (unsigned i = 0; i < val % 1100; i++) {
        if (reg & 1)
            bus_read(&b->ports, command_port(reg, 0), reg & 2 ? 4 : 2);
        else
            bus_write(&b->ports, command_port(reg, 0), reg & 2 ? 4 : 2, val);
        if (reg & 4)
            poll_disks(b);
    }
}

static void change_medium(struct board *b, uint32_t val)
{
    struct block *blk = val & 1 ? b->blk[1] : NULL;

    FUZZ_CHECK(ide_cd_change(&b->ide, 0, 1, blk) <= 0, "change");
}

/* What was running is asked for again. */
static void restore(struct board *b)
{
    size_t n = field_bytes(ide_class.fields);

    if (!b->saved)
        b->saved = malloc(n);
    FUZZ_CHECK(b->saved, "memory");
    field_save(ide_class.fields, &b->ide, b->saved);
    ide_class.reset(&b->ide);
    field_load(ide_class.fields, &b->ide, b->saved);
    ide_class.restored(&b->ide);
}

static void check(struct board *b)
{
    for (unsigned c = 0; c < IDE_CHANNELS; c++) {
        const struct ide_channel *ch = &b->ide.channel[c];
        const struct ide_transfer *x = &ch->x;

        FUZZ_CHECK(x->pos <= x->end && x->stored <= x->end && x->end <= IDE_BUFFER, "buffer: %u %u",
                   x->pos, x->end);
        FUZZ_CHECK(ch->level == b->level[c], "line of channel %u", c);
    }
}

static void set_fault(struct board *b, uint8_t reg, uint32_t val)
{
    b->disk.bad = reg & 1 ? val % SECTORS : UINT64_MAX;
    b->cd.bad = reg & 2 ? val % CD_SECTORS : UINT64_MAX;
    b->disk.full = (reg & 0x1c) == 0x1c;
}

static void set_address(struct board *b, uint8_t reg, uint32_t val)
{
    bus_write(&b->ports, command_port(reg, 2), 1, val >> 10);
    bus_write(&b->ports, command_port(reg, 3), 1, val);
    bus_write(&b->ports, command_port(reg, 4), 1, val >> 8 & 3);
    bus_write(&b->ports, command_port(reg, 5), 1, 0);
    bus_write(&b->ports, command_port(reg, 6), 1, reg & 0x10 ? 0x50 : 0x40);
}

static void operate(struct board *b, struct fuzz_bytes *in)
{
    uint8_t what = (uint8_t)fuzz_take(in, 1), reg = (uint8_t)fuzz_take(in, 1);
    uint32_t val = (uint32_t)fuzz_take(in, 2);
    unsigned size = 1u << (what >> 4) % 3;

    switch (what % NOPS) {
    case OP_WRITE:
        bus_write(&b->ports, command_port(reg, reg % 8), size, val);
        break;
    case OP_READ:
        bus_read(&b->ports, command_port(reg, reg % 8), size);
        break;
    case OP_POLL:
        poll_disks(b);
        break;
    case OP_DATA:
        move_data(b, reg, val);
        break;
    case OP_BUSMASTER:
        bus_write(&b->ports, BM + reg % 16, size, val);
        break;
    case OP_READ_BUSMASTER:
        bus_read(&b->ports, BM + reg % 16, size);
        break;
    case OP_TABLE:
        write_table(b, reg, val);
        break;
    case OP_COMMAND:
        bus_write(&b->ports, command_port(reg, 7), 1, val);
        break;
    case OP_PACKET:
        packet(b, reg, val);
        break;
    case OP_MEDIUM:
        change_medium(b, val);
        break;
    case OP_RESET:
        ide_class.reset(&b->ide);
        break;
    case OP_RESTORE:
        restore(b);
        break;
    case OP_CONTROL:
        bus_write(&b->ports, reg & 8 ? 0x376 : 0x3f6, 1, val);
        break;
    case OP_FAULT:
        set_fault(b, reg, val);
        break;
    case OP_DRAIN:
        FUZZ_CHECK(block_drain(b->blk[0]) == 0 || b->disk.full, "drain");
        FUZZ_CHECK(block_drain(b->blk[1]) == 0, "drain");
        break;
    case OP_ADDRESS:
        set_address(b, reg, val);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct board b;
    static uint8_t ram[RAM];
    struct fuzz_bytes in = {data, size};

    board_open(&b, ram);
    for (unsigned n = 0; in.left && n < MAX_OPS; n++) {
        operate(&b, &in);
        check(&b);
    }
    ide_class.reset(&b.ide);
    b.disk.full = false;
    FUZZ_CHECK(block_drain(b.blk[0]) == 0 && block_drain(b.blk[1]) == 0, "drain");
    block_close(b.blk[0]);
    block_close(b.blk[1]);
    return 0;
}
