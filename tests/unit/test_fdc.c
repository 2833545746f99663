/* Floppy controller and DMA controllers together, as a driver uses them. */
#include "devices/fdc.h"

#include "base/bits.h"
#include "block_rig.h"
#include "dev_harness.h"

enum { RAM = 1 << 20, BUF = 0x20000, READ = 0x46, WRITE = 0x45 };

struct board {
    struct rig rig;
    struct physmem mem;
    struct i8237 dma;
    struct fdc f;
    struct mem_disk disk;
    struct block *blk;
    struct probe irq;
    uint8_t ram[RAM];
};

static struct board *start(uint64_t sectors)
{
    struct board *b = calloc(1, sizeof(*b));

    rig_init(&b->rig);
    physmem_init(&b->mem, b->ram, -1, RAM, NULL);
    b->blk = mem_disk_open(&b->disk, sectors);
    for (uint64_t i = 0; i < sectors; i++)
        memset(b->disk.bytes + i * 512, (int)i, 512);
    i8237_init(&b->dma, &b->mem);
    fdc_init(&b->f, &b->dma, probe_line(&b->irq), (struct block *const[]){b->blk, NULL});
    ck_assert_int_eq(i8237_attach(&b->dma, &b->rig.ports), 0);
    ck_assert_int_eq(fdc_attach(&b->f, &b->rig.ports), 0);
    return b;
}

static void stop(struct board *b)
{
    ck_assert_int_eq(block_close(b->blk), 0);
    free(b);
}

static void program_dma(struct board *b, uint8_t mode, uint32_t at, uint16_t bytes)
{
    outb(&b->rig, 0x06, 0x0a);
    outb(&b->rig, 0, 0x0c);
    outb(&b->rig, mode, 0x0b);
    outb(&b->rig, (uint8_t)at, 0x04);
    outb(&b->rig, (uint8_t)(at >> 8), 0x04);
    outb(&b->rig, (uint8_t)(at >> 16), 0x81);
    outb(&b->rig, (uint8_t)(bytes - 1), 0x05);
    outb(&b->rig, (uint8_t)((bytes - 1) >> 8), 0x05);
    outb(&b->rig, 0x02, 0x0a);
}

static void send(struct board *b, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(inb(&b->rig, 0x3f4) & 0xc0, 0x80);
        outb(&b->rig, bytes[i], 0x3f5);
    }
}

static void expect(struct board *b, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(inb(&b->rig, 0x3f4) & 0xd0, 0xd0);
        ck_assert_uint_eq(inb(&b->rig, 0x3f5), bytes[i]);
    }
    ck_assert_uint_eq(inb(&b->rig, 0x3f4) & 0xd0, 0x80);
}

#define BYTES(...)     (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define SEND(b, ...)   send(b, BYTES(__VA_ARGS__))
#define EXPECT(b, ...) expect(b, BYTES(__VA_ARGS__))

/* Out of reset, four interrupts sensed, rate set, at cylinder 0. */
static void ready(struct board *b, uint8_t rate)
{
    outb(&b->rig, 0x1c, 0x3f2);
    ck_assert(b->irq.level);
    for (uint8_t n = 0; n < 4; n++) {
        SEND(b, 0x08);
        EXPECT(b, 0xc0 | n, 0);
    }
    ck_assert(!b->irq.level);
    outb(&b->rig, rate, 0x3f7);
    SEND(b, 0x03, 0xaf, 0x02);
    SEND(b, 0x07, 0x00);
    ck_assert(b->irq.level);
    SEND(b, 0x08);
    EXPECT(b, 0x20, 0);
}

static void run(struct board *b)
{
    ck_assert_uint_eq(inb(&b->rig, 0x3f4), 0x10); /* busy */
    ck_assert(!b->irq.level);
    block_drain(b->blk);
    ck_assert(b->irq.level);
}

START_TEST(test_read)
{
    struct board *b = start(2880);

    ready(b, 0);
    program_dma(b, READ, BUF, 1024);
    SEND(b, 0xe6, 0, 0, 0, 17, 2, 18, 0x1b, 0xff); /* two sectors: of head 0, then of head 1 */
    block_drain(b->blk);
    EXPECT(b, 0, 0, 0, 0, 1, 1, 2);
    ck_assert(!b->irq.level);
    ck_assert_uint_eq(b->ram[BUF], 16);
    ck_assert_uint_eq(b->ram[BUF + 512], 17);
    ck_assert_uint_eq(b->ram[BUF + 1024], 0);
    ck_assert_uint_eq(inb(&b->rig, 0x08) & 0x04, 0x04); /* terminal count of channel 2, once */
    ck_assert_uint_eq(inb(&b->rig, 0x08) & 0x04, 0);
    stop(b);
}
END_TEST

START_TEST(test_multitrack)
{
    struct board *b = start(2880);

    ready(b, 0);
    SEND(b, 0x0f, 0x00, 40);
    SEND(b, 0x08);
    EXPECT(b, 0x20, 40);
    program_dma(b, READ, BUF, 3 * 512);
    SEND(b, 0xe6, 0, 40, 0, 17, 2, 18, 0x1b, 0xff);
    run(b);
    EXPECT(b, 0, 0, 0, 40, 1, 2, 2);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(b->ram[BUF + i * 512], (uint8_t)(40 * 36 + 16 + i));
    stop(b);
}
END_TEST

START_TEST(test_write)
{
    struct board *b = start(1440);

    ready(b, 2);
    memset(b->ram + BUF, 0x77, 512);
    program_dma(b, 0x4a, BUF, 512);
    SEND(b, 0x45, 4, 0, 1, 3, 2, 9, 0x2a, 0xff);
    run(b);
    EXPECT(b, 4, 0, 0, 0, 1, 4, 2);
    ck_assert_uint_eq(b->disk.bytes[11 * 512], 0x77);
    ck_assert_uint_eq(b->disk.bytes[12 * 512], 12);
    ck_assert_uint_eq(b->disk.bytes[11 * 512 - 1], 10);
    stop(b);
}
END_TEST

/* Each error as the data sheet reports it. */
START_TEST(test_errors)
{
    struct board *b = start(2880);

    ready(b, 0);
    program_dma(b, READ, BUF, 8192);
    SEND(b, 0xe6, 1, 0, 0, 1, 2, 18, 0x1b, 0xff); /* no second drive */
    EXPECT(b, 0x41, 0x01, 0, 0, 0, 1, 2);
    SEND(b, 0xe6, 0, 0, 0, 19, 2, 18, 0x1b, 0xff);
    EXPECT(b, 0x40, 0x04, 0, 0, 0, 19, 2);
    SEND(b, 0xe6, 0, 5, 0, 1, 2, 18, 0x1b, 0xff); /* the heads are elsewhere */
    EXPECT(b, 0x40, 0x04, 0, 5, 0, 1, 2);
    SEND(b, 0x46, 0, 0, 0, 18, 2, 18, 0x1b, 0xff); /* end of the track without TC */
    block_drain(b->blk);
    EXPECT(b, 0x40, 0x80, 0, 1, 0, 1, 2);
    b->disk.bad = 3;
    SEND(b, 0x46, 0, 0, 0, 4, 2, 18, 0x1b, 0xff);
    block_drain(b->blk);
    EXPECT(b, 0x40, 0x20, 0x20, 0, 0, 4, 2);
    outb(&b->rig, 2, 0x3f7);
    SEND(b, 0x4a, 0); /* wrong rate */
    EXPECT(b, 0x40, 0x01, 0, 0, 0, 1, 2);
    outb(&b->rig, 0, 0x3f7);
    SEND(b, 0x4a, 4);
    EXPECT(b, 4, 0, 0, 0, 1, 1, 2);
    outb(&b->rig, 0x06, 0x0a); /* DMA masked */
    SEND(b, 0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    block_drain(b->blk);
    EXPECT(b, 0x40, 0x10, 0, 0, 0, 1, 2);
    SEND(b, 0x1f);
    EXPECT(b, 0x80);
    SEND(b, 0x08); /* nothing to sense */
    EXPECT(b, 0x80);
    stop(b);
}
END_TEST

START_TEST(test_other_commands)
{
    struct board *b = start(2880);

    ck_assert_uint_eq(inb(&b->rig, 0x3f4), 0); /* in reset */
    ready(b, 0);
    SEND(b, 0x10);
    EXPECT(b, 0x90);
    SEND(b, 0x13, 0, 0x57, 0);
    SEND(b, 0x94);
    EXPECT(b, 0x10);
    SEND(b, 0x04, 0);
    EXPECT(b, 0x38);
    SEND(b, 0x0e);
    EXPECT(b, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x57, 0);
    outb(&b->rig, 0x80, 0x3f4); /* reset by DSR */
    ck_assert(b->irq.level);
    SEND(b, 0x0e);
    EXPECT(b, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x57, 0); /* locked */
    stop(b);
}
END_TEST

START_TEST(test_reset_in_the_middle)
{
    struct board *b = start(2880);

    ready(b, 0);
    ck_assert_uint_eq(inb(&b->rig, 0x3f7) & 0x80, 0); /* a step was made */
    program_dma(b, READ, BUF, 512);
    SEND(b, 0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    outb(&b->rig, 0x18, 0x3f2);
    outb(&b->rig, 0x1c, 0x3f2);
    block_drain(b->blk);
    ck_assert_uint_eq(b->ram[BUF + 511], 0);
    SEND(b, 0x08);
    EXPECT(b, 0xc0, 0);
    fdc_class.reset(&b->f);
    ck_assert_uint_eq(inb(&b->rig, 0x3f7) & 0x80, 0x80);
    stop(b);
}
END_TEST

/* Taken out in the middle of a read, another one put in. */
START_TEST(test_change)
{
    struct board *b = start(2880);
    struct mem_disk other;
    struct block *blk = mem_disk_open(&other, 1440);

    ready(b, 0);
    SEND(b, 0x0f, 0x00, 1); /* a step: DSKCHG goes */
    SEND(b, 0x08);
    EXPECT(b, 0x20, 1);
    ck_assert_uint_eq(inb(&b->rig, 0x3f7) & 0x80, 0);
    program_dma(b, READ, BUF, 512);
    SEND(b, 0xe6, 0, 1, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_change(&b->f, 0, NULL);
    EXPECT(b, 0x40, 0x01, 0, 1, 0, 1, 2);
    ck_assert_uint_eq(inb(&b->rig, 0x3f7) & 0x80, 0x80);
    SEND(b, 0xe6, 0, 1, 0, 1, 2, 18, 0x1b, 0xff); /* no medium */
    EXPECT(b, 0x40, 0x01, 0, 1, 0, 1, 2);
    fdc_change(&b->f, 0, blk);
    outb(&b->rig, 2, 0x3f7);
    other.bytes[0] = 0x99;
    SEND(b, 0x07, 0x00);
    SEND(b, 0x08);
    EXPECT(b, 0x20, 0);
    ck_assert_uint_eq(inb(&b->rig, 0x3f7) & 0x80, 0);
    program_dma(b, READ, BUF, 512);
    SEND(b, 0xe6, 0, 0, 0, 1, 2, 9, 0x1b, 0xff);
    block_drain(blk);
    EXPECT(b, 0, 0, 0, 0, 0, 2, 2);
    ck_assert_uint_eq(b->ram[BUF], 0x99);
    fdc_change(&b->f, 0, NULL);
    ck_assert_int_eq(block_close(blk), 0);
    stop(b);
}
END_TEST

START_TEST(test_dma_modes)
{
    struct board *b = start(2880);
    const uint8_t in[4] = {1, 2, 3, 4};
    uint8_t out[4];
    bool tc;

    program_dma(b, 0x56, 0x12fffe, 4); /* autoinitialize; 64 KiB pages wrap */
    ck_assert_uint_eq(i8237_write(&b->dma, 2, in, 2, &tc), 2);
    ck_assert(!tc);
    b->dma.page[0] = 0x02;
    ck_assert_uint_eq(i8237_write(&b->dma, 2, in, 4, &tc), 2);
    ck_assert(tc);
    ck_assert_uint_eq(b->ram[0x20000], 1);
    ck_assert_uint_eq(inb(&b->rig, 0x04), 0xfe); /* started over */
    ck_assert_uint_eq(inb(&b->rig, 0x04), 0xff);
    ck_assert_uint_eq(inb(&b->rig, 0x05), 3);
    program_dma(b, 0x66, 0x100, 2); /* downwards */
    ck_assert_uint_eq(i8237_write(&b->dma, 2, in, 4, &tc), 2);
    ck_assert(tc && b->ram[0x100] == 1 && b->ram[0xff] == 2);
    ck_assert_uint_eq(i8237_write(&b->dma, 2, in, 4, &tc), 0); /* masked at the end */
    outb(&b->rig, 0, 0xd8);
    outb(&b->rig, 0x49, 0xd6); /* channel 5, words */
    outb(&b->rig, 0x80, 0xc4);
    outb(&b->rig, 0x00, 0xc4);
    outb(&b->rig, 0x01, 0xc6);
    outb(&b->rig, 0x00, 0xc6);
    outb(&b->rig, 0x01, 0x8b); /* bit 16 comes from the address */
    outb(&b->rig, 0x01, 0xd4);
    ck_assert_uint_eq(i8237_read(&b->dma, 5, out, 4, &tc), 4);
    ck_assert(tc && out[0] == 1);
    stop(b);
}
END_TEST

START_TEST(test_geometries)
{
    ck_assert_uint_eq(fdc_geometry(2880)->sectors, 18);
    ck_assert_uint_eq(fdc_geometry(2400)->type, FDC_1200K);
    ck_assert_ptr_null(fdc_geometry(2881));
    for (uint64_t n = 0; n < 6000; n++) {
        const struct fdc_geometry *g = fdc_geometry(n);

        if (g)
            ck_assert_uint_eq(g->cylinders * g->heads * g->sectors, n);
    }
}
END_TEST

START_TEST(test_round_trips)
{
    struct board *b = start(2880), *c = start(2880);

    ready(b, 0);
    SEND(b, 0x0f, 0x00, 40);
    program_dma(b, READ, BUF, 1024);
    round_trip(&fdc_class, &b->f, &c->f, true);
    round_trip(&i8237_class, &b->dma, &c->dma, true);
    ck_assert(c->irq.level);
    SEND(c, 0x08);
    EXPECT(c, 0x20, 40);
    stop(c);
    c = start(2880);
    reset_equals_fresh(&i8237_class, &b->dma, &c->dma);
    stop(b);
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_read,           test_multitrack,          test_write,  test_errors,
        test_other_commands, test_reset_in_the_middle, test_change, test_dma_modes,
        test_geometries,     test_round_trips,
    };

    return run_tests("fdc", tests, ARRAY_SIZE(tests));
}
