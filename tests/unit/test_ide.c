/* The IDE controller as drivers use it, and as nobody should. */
#include "ide_rig.h"

/* Status without the acknowledgement, then with it. */
static void ends_ok(struct ide_rig *r, bool interrupt)
{
    ck_assert_uint_eq(inb(&r->rig, CTL), 0x50);
    ck_assert_int_eq(r->irq[0].level, interrupt);
    ck_assert_uint_eq(in(r, 7), 0x50);
    ck_assert(!r->irq[0].level);
}

static void ends_in_error(struct ide_rig *r, uint8_t error)
{
    ck_assert(r->irq[0].level);
    ck_assert_uint_eq(in(r, 7), 0x51);
    ck_assert_uint_eq(in(r, 1), error);
    ck_assert(!r->irq[0].level);
}

static void wants_data(struct ide_rig *r, bool interrupt)
{
    ck_assert_int_eq(r->irq[0].level, interrupt);
    ck_assert_uint_eq(in(r, 7), 0x58);
}

static void sector_is(const uint8_t *buf, uint64_t n)
{
    ck_assert_uint_eq(ld64(buf), n);
    ck_assert_uint_eq(buf[511], (uint8_t)(n * 3 + 1));
}

/* ata_devchk(), SRST, signatures: what Linux and firmware do to find devices. */
START_TEST(test_presence)
{
    struct ide_rig r;

    rig_start(&r);
    out(&r, 6, 0xa0);
    out(&r, 2, 0x55);
    out(&r, 3, 0xaa);
    ck_assert_uint_eq(in(&r, 2), 0x55);
    ck_assert_uint_eq(in(&r, 3), 0xaa);
    ck_assert_uint_eq(in(&r, 6), 0xa0);
    outb(&r.rig, 0x0c, CTL);
    ck_assert_uint_eq(inb(&r.rig, CTL), BSY);
    out(&r, 7, 0xec); /* not while reset */
    outb(&r.rig, 0x08, CTL);
    ck_assert_uint_eq(in(&r, 7), 0x50);
    ck_assert_uint_eq(in(&r, 1), 1);
    ck_assert_uint_eq(in(&r, 2), 1);
    ck_assert_uint_eq(in(&r, 3), 1);
    ck_assert_uint_eq(in(&r, 4), 0);
    ck_assert_uint_eq(in(&r, 5), 0);
    out(&r, 6, 0xb0); /* device 1: device 0 answers, without a status */
    ck_assert_uint_eq(in(&r, 6), 0xb0);
    ck_assert_uint_eq(in(&r, 7), 0);
    out(&r, 7, 0xec);
    ck_assert_uint_eq(in(&r, 7), 0);
    ck_assert_uint_eq(inb(&r.rig, 0x177), 0x7f); /* nothing on the other cable */
    ck_assert_uint_eq(inb(&r.rig, 0x376), 0x7f);
    out(&r, 6, 0xa0);
    out(&r, 7, 0x90); /* EXECUTE DEVICE DIAGNOSTIC */
    ends_ok(&r, true);
    ck_assert_uint_eq(in(&r, 1), 1);
    rig_close(&r);
}
END_TEST

START_TEST(test_identify)
{
    struct ide_rig r;
    uint8_t id[512], sum = 0;

    rig_start(&r);
    issue(&r, 0xec, 0, 0);
    wants_data(&r, true);
    read_block(&r, id, 512);
    ends_ok(&r, false);
    ck_assert_uint_eq(ld16(id) & 0x8080, 0); /* ATA, not removable */
    ck_assert_uint_eq(ld32(id + 120), RIG_SECTORS);
    ck_assert_uint_eq(ld64(id + 200), RIG_SECTORS);
    ck_assert_uint_eq(ld16(id + 98) & 0x0300, 0x0300);  /* LBA, DMA */
    ck_assert_uint_eq(ld16(id + 166) & 0xc400, 0x4400); /* 48-bit; bit 14 says valid */
    ck_assert_int_eq(memcmp(id + 54, "RDGAMONAH", 8), 0);
    ck_assert_uint_eq(ld16(id + 2), RIG_SECTORS / 16 / 63);
    ck_assert_uint_eq(ld16(id + 126), 0x0407); /* multiword DMA 2 is on */
    for (unsigned i = 0; i < 512; i++)
        sum += id[i];
    ck_assert_uint_eq(id[510], 0xa5);
    ck_assert_uint_eq(sum, 0);
    issue(&r, 0xa1, 0, 0); /* IDENTIFY PACKET DEVICE is not for disks */
    ends_in_error(&r, 4);
    rig_close(&r);
}
END_TEST

START_TEST(test_read_sectors)
{
    struct ide_rig r;
    uint8_t buf[512];

    rig_start(&r);
    issue(&r, 0x20, 1234, 3);
    for (unsigned i = 0; i < 3; i++) {
        wants_data(&r, true);
        read_block(&r, buf, 512);
        sector_is(buf, 1234 + i);
    }
    ends_ok(&r, false);
    issue(&r, 0x20, 0, 0); /* 256; 32-bit accesses */
    for (unsigned i = 0; i < 256; i++) {
        wants_data(&r, true);
        for (unsigned k = 0; k < 512; k += 4)
            st32(buf + k, (uint32_t)bus_read(&r.rig.ports, CMD, 4));
        sector_is(buf, i);
        rig_poll(&r);
    }
    ends_ok(&r, false);
    ck_assert_uint_eq(data_in(&r), 0); /* no data left */
    rig_close(&r);
}
END_TEST

START_TEST(test_read_chs)
{
    struct ide_rig r;
    uint8_t buf[512];

    rig_start(&r);
    out(&r, 2, 1);
    out(&r, 3, 5);
    out(&r, 4, 3);
    out(&r, 5, 0);
    out(&r, 6, 0xa7);
    out(&r, 7, 0x21);
    rig_poll(&r);
    read_block(&r, buf, 512);
    sector_is(buf, (3 * 16 + 7) * 63 + 4);
    out(&r, 3, 0); /* there is no sector 0 */
    out(&r, 7, 0x20);
    ends_in_error(&r, 0x10);
    out(&r, 2, 17); /* INITIALIZE DEVICE PARAMETERS: 17 sectors, 4 heads */
    out(&r, 6, 0xa3);
    out(&r, 7, 0x91);
    ends_ok(&r, true);
    out(&r, 2, 1);
    out(&r, 3, 17);
    out(&r, 4, 9);
    out(&r, 7, 0x20);
    rig_poll(&r);
    read_block(&r, buf, 512);
    sector_is(buf, (9 * 4 + 3) * 17 + 16);
    out(&r, 6, 0xa4); /* head 4 of 4 */
    out(&r, 7, 0x20);
    ends_in_error(&r, 0x10);
    rig_close(&r);
}
END_TEST

START_TEST(test_multiple)
{
    struct ide_rig r;
    uint8_t buf[16 * 512];

    rig_start(&r);
    issue(&r, 0xc4, 0, 8);
    ends_in_error(&r, 4); /* not set up */
    issue(&r, 0xc6, 0, 3);
    ends_in_error(&r, 4); /* not a power of 2 */
    issue(&r, 0xc6, 0, 8);
    ends_ok(&r, true);
    issue(&r, 0xc4, 500, 20);
    for (unsigned at = 0; at < 20; at += 8) {
        unsigned n = 20 - at < 8 ? 20 - at : 8;

        wants_data(&r, true);
        read_block(&r, buf, n * 512);
        sector_is(buf, 500 + at);
        sector_is(buf + (n - 1) * 512, 500 + at + n - 1);
    }
    ends_ok(&r, false);
    issue(&r, 0xc5, 600, 9);
    wants_data(&r, false);
    memset(buf, 0x42, sizeof(buf));
    write_block(&r, buf, 8 * 512);
    rig_poll(&r);
    wants_data(&r, true);
    write_block(&r, buf, 512);
    rig_poll(&r);
    ends_ok(&r, true);
    ck_assert_int_eq(memcmp(r.disk[0].bytes + 600 * 512, buf, 8 * 512), 0);
    ck_assert_uint_eq(r.disk[0].bytes[608 * 512 + 511], 0x42);
    sector_is(r.disk[0].bytes + 609 * 512, 609);
    outb(&r.rig, 4, CTL); /* SRST reverts to the default, which is off */
    outb(&r.rig, 0, CTL);
    issue(&r, 0xc4, 0, 8);
    ends_in_error(&r, 4);
    rig_close(&r);
}
END_TEST

START_TEST(test_write_sectors)
{
    struct ide_rig r;
    uint8_t buf[512];

    rig_start(&r);
    issue(&r, 0x30, 77, 2);
    wants_data(&r, false);
    memset(buf, 1, 512);
    write_block(&r, buf, 512);
    wants_data(&r, true);
    memset(buf, 2, 512);
    write_block(&r, buf, 512);
    ck_assert_uint_eq(inb(&r.rig, CTL), BSY);
    rig_poll(&r);
    ends_ok(&r, true);
    ck_assert_uint_eq(r.disk[0].bytes[77 * 512 + 5], 1);
    ck_assert_uint_eq(r.disk[0].bytes[78 * 512 + 5], 2);
    sector_is(r.disk[0].bytes + 79 * 512, 79);
    ck_assert_uint_eq(r.disk[0].flushes, 0);
    issue(&r, 0xe7, 0, 0);
    ends_ok(&r, true);
    ck_assert_uint_eq(r.disk[0].flushes, 1);
    issue(&r, 0x30, 77, 1);
    write_block(&r, buf, 512);
    rig_poll(&r);
    ck_assert_uint_eq(r.disk[0].flushes, 1);
    out(&r, 1, 0x82); /* write cache off: flushes, and every write does */
    issue(&r, 0xef, 0, 0);
    ends_ok(&r, true);
    ck_assert_uint_eq(r.disk[0].flushes, 2);
    issue(&r, 0x30, 77, 1);
    write_block(&r, buf, 512);
    rig_poll(&r);
    ck_assert_uint_eq(r.disk[0].flushes, 3);
    rig_close(&r);
}
END_TEST

/* More than a buffer, 48-bit, regions of odd shapes. */
START_TEST(test_dma_read)
{
    enum { SECTORS = 700 };
    struct ide_rig r;

    rig_start(&r);
    prd(&r, 0, 0x110000, 0x0200, false);
    prd(&r, 1, 0x110200, 0x0006, false);
    prd(&r, 2, 0x110206, 0x0000, false); /* 64 KiB */
    for (unsigned n = 3; n < 8; n++)
        prd(&r, n, 0x120206 + (n - 3) * 0x10000, 0x0000, n == 7);
    issue_ext(&r, 0x25, 12345, SECTORS);
    ck_assert(!r.irq[0].level);
    bm_start(&r, true);
    for (unsigned i = 0; i < SECTORS; i++)
        sector_is(r.ram + 0x110000 + i * 512, 12345 + i);
    ck_assert_uint_eq(r.ram[0x110000 + SECTORS * 512], 0);
    ck_assert_uint_eq(r.written_bytes, SECTORS * 512);
    ck_assert_uint_eq(bm_status(&r), 0x05); /* the table was longer: active still */
    ends_ok(&r, true);
    outb(&r.rig, 0, BM);
    ck_assert_uint_eq(bm_status(&r), 0x04);
    outb(&r.rig, 0x64, BM + 2);
    ck_assert_uint_eq(bm_status(&r), 0x60);
    rig_close(&r);
}
END_TEST

START_TEST(test_dma_write)
{
    struct ide_rig r;

    rig_start(&r);
    memset(r.ram + 0x100000, 0xab, 0x40000);
    prd(&r, 0, 0x100000, 0x0000, false);
    prd(&r, 1, 0x110000, 0x0000, false);
    prd(&r, 2, 0x120000, 0x0000, true);
    issue_ext(&r, _i ? 0x3d : 0x35, 300, 384);
    bm_start(&r, false);
    ck_assert_uint_eq(bm_status(&r), 0x04); /* ended exactly with the table */
    ends_ok(&r, true);
    sector_is(r.disk[0].bytes + 299 * 512, 299);
    for (unsigned i = 300 * 512; i < 684 * 512; i++)
        ck_assert_uint_eq(r.disk[0].bytes[i], 0xab);
    sector_is(r.disk[0].bytes + 684 * 512, 684);
    ck_assert_uint_eq(r.disk[0].flushes, _i ? 2 : 0); /* FUA: per chunk */
    ck_assert_uint_eq(r.written, 0);
    rig_close(&r);
}
END_TEST

/* A table that is too short leaves the device waiting; another one goes on. */
START_TEST(test_dma_short_table)
{
    struct ide_rig r;

    rig_start(&r);
    prd(&r, 0, 0x100000, 0x0200, true);
    issue(&r, 0xc8, 10, 2);
    bm_start(&r, true);
    ck_assert_uint_eq(bm_status(&r), 0);
    ck_assert_uint_eq(inb(&r.rig, CTL), 0x58);
    ck_assert(!r.irq[0].level);
    outb(&r.rig, 0, BM);
    prd(&r, 0, 0x100200, 0x0200, true);
    bm_start(&r, true);
    ck_assert_uint_eq(bm_status(&r), 4);
    ends_ok(&r, true);
    sector_is(r.ram + 0x100000, 10);
    sector_is(r.ram + 0x100200, 11);
    rig_close(&r);
}
END_TEST

/* Regions and tables outside of RAM are an error of the bus master; SRST frees the device. */
START_TEST(test_dma_hostile)
{
    struct ide_rig r;

    rig_start(&r);
    prd(&r, 0, RIG_RAM - 0x100, 0x0200, true);
    issue(&r, 0xc8, 10, 1);
    bm_start(&r, true);
    ck_assert_uint_eq(bm_status(&r), 2);
    ck_assert_uint_eq(r.written, 0);
    outb(&r.rig, 4, CTL);
    outb(&r.rig, 0, CTL);
    ck_assert_uint_eq(in(&r, 7), 0x50);
    bus_write(&r.rig.ports, BM + 4, 4, 0xfffffffc); /* the table wraps around */
    issue(&r, 0xca, 10, 1);
    outb(&r.rig, 0, BM);
    outb(&r.rig, 1, BM);
    ck_assert_uint_eq(bm_status(&r), 2);
    sector_is(r.disk[0].bytes + 5120, 10);
    outb(&r.rig, 4, CTL);
    outb(&r.rig, 0, CTL);
    prd(&r, 0, 0x100000, 0x0200, true);
    issue(&r, 0xc8, 10, 1);
    bm_start(&r, false); /* the wrong way */
    ck_assert_uint_eq(bm_status(&r), 1);
    ck_assert_uint_eq(r.ram[0x100000], 0);
    rig_close(&r);
}
END_TEST

/* The good sectors arrive, then the address of the bad one. */
START_TEST(test_bad_sector)
{
    struct ide_rig r;
    uint8_t buf[512];

    rig_start(&r);
    r.disk[0].bad = 1003;
    issue(&r, 0x20, 1000, 8);
    for (unsigned i = 0; i < 3; i++) {
        rig_poll(&r);
        wants_data(&r, true);
        read_block(&r, buf, 512);
        sector_is(buf, 1000 + i);
    }
    rig_poll(&r);
    ends_in_error(&r, 0x40);
    ck_assert_uint_eq(in(&r, 3) | in(&r, 4) << 8, 1003);
    prd(&r, 0, 0x100000, 0x2000, true);
    issue_ext(&r, 0x25, 1000, 16);
    bm_start(&r, true);
    ends_in_error(&r, 0x40);
    ck_assert_uint_eq(in(&r, 3) | in(&r, 4) << 8, 1003);
    ck_assert_uint_eq(bm_status(&r), 5);
    sector_is(r.ram + 0x100400, 1002);
    memset(r.ram + 0x100000, 0xcd, 0x2000);
    issue_ext(&r, 0x35, 1000, 16);
    bm_start(&r, false);
    ends_in_error(&r, 0x04);
    ck_assert_uint_eq(in(&r, 3) | in(&r, 4) << 8, 1003);
    ck_assert_uint_eq(r.disk[0].bytes[1002 * 512], 0xcd);
    sector_is(r.disk[0].bytes + 1004 * 512, 1004);
    issue(&r, 0x40, 1000, 3); /* READ VERIFY */
    ends_ok(&r, true);
    issue(&r, 0x40, 1000, 4);
    for (unsigned i = 0; i < 8; i++)
        rig_poll(&r);
    ends_in_error(&r, 0x40);
    rig_close(&r);
}
END_TEST

START_TEST(test_address_errors)
{
    struct ide_rig r;

    rig_start(&r);
    issue(&r, 0x20, RIG_SECTORS, 1);
    ends_in_error(&r, 0x10);
    issue(&r, 0x20, RIG_SECTORS - 1, 2);
    ends_in_error(&r, 0x10);
    ck_assert_uint_eq(in(&r, 3) | in(&r, 4) << 8, RIG_SECTORS);
    issue(&r, 0x20, RIG_SECTORS - 1, 1);
    wants_data(&r, true);
    outb(&r.rig, 4, CTL);
    outb(&r.rig, 0, CTL);
    issue_ext(&r, 0x24, UINT64_C(0xfffffffffffe), 0);
    ends_in_error(&r, 0x10);
    outb(&r.rig, 0x80, CTL); /* HOB shows the upper halves */
    ck_assert_uint_eq(in(&r, 5), 0xff);
    ck_assert_uint_eq(in(&r, 3), 0xff);
    outb(&r.rig, 0, CTL);
    ck_assert_uint_eq(in(&r, 3), 0xfe);
    issue_ext(&r, 0x25, 0, 1);
    out(&r, 6, 0x00); /* 48-bit commands have no CHS addresses */
    outb(&r.rig, 4, CTL);
    outb(&r.rig, 0, CTL);
    out(&r, 7, 0x25);
    ends_in_error(&r, 4);
    out(&r, 7, 0xff);
    ends_in_error(&r, 4);
    rig_close(&r);
}
END_TEST

/* nIEN hides INTRQ; writes while busy are ignored; the reset of a busy device drops its request. */
START_TEST(test_busy)
{
    struct ide_rig r;
    uint8_t buf[512];

    rig_start(&r);
    outb(&r.rig, 2, CTL);
    out(&r, 6, 0xe0);
    out(&r, 2, 1);
    out(&r, 3, 9);
    out(&r, 7, 0x20);
    ck_assert_uint_eq(in(&r, 7), BSY);
    out(&r, 3, 10);
    out(&r, 6, 0xf0);
    out(&r, 7, 0xec);
    rig_poll(&r);
    ck_assert(!r.irq[0].level);
    ck_assert_uint_eq(inb(&r.rig, CTL), 0x58);
    outb(&r.rig, 0, CTL);
    ck_assert(r.irq[0].level);
    read_block(&r, buf, 512);
    sector_is(buf, 9);
    out(&r, 2, 1);
    out(&r, 7, 0x20);
    outb(&r.rig, 4, CTL);
    outb(&r.rig, 0, CTL);
    rig_poll(&r);
    ck_assert_uint_eq(in(&r, 7), 0x50);
    ck_assert(!r.irq[0].level);
    rig_close(&r);
}
END_TEST

START_TEST(test_features_and_power)
{
    struct ide_rig r;
    uint8_t id[512];

    rig_start(&r);
    out(&r, 1, 3);
    issue(&r, 0xef, 0, 0x45); /* Ultra DMA 5 */
    ends_ok(&r, true);
    issue(&r, 0xec, 0, 0);
    read_block(&r, id, 512);
    ck_assert_uint_eq(ld16(id + 176), 0x203f);
    ck_assert_uint_eq(ld16(id + 126), 0x0007);
    out(&r, 1, 3);
    issue(&r, 0xef, 0, 0x46);
    ends_in_error(&r, 4);
    out(&r, 1, 0x99);
    issue(&r, 0xef, 0, 0);
    ends_in_error(&r, 4);
    issue(&r, 0xe5, 0, 0);
    ck_assert_uint_eq(in(&r, 2), 0xff);
    issue(&r, 0xe0, 0, 0);
    ends_ok(&r, true);
    issue(&r, 0x98, 0, 0);
    ck_assert_uint_eq(in(&r, 2), 0);
    issue(&r, 0xe6, 0, 0); /* SLEEP: only a reset wakes it */
    ends_ok(&r, true);
    issue(&r, 0xec, 0, 0);
    ck_assert_uint_eq(in(&r, 7), 0x50);
    outb(&r.rig, 4, CTL);
    outb(&r.rig, 0, CTL);
    issue(&r, 0xec, 0, 0);
    wants_data(&r, true);
    rig_close(&r);
}
END_TEST

START_TEST(test_read_only_disk)
{
    struct ide_rig r;
    struct ide_config cfg;

    rig_open(&r);
    r.disk[0].node.read_only = true;
    cfg = rig_config(&r);
    rig_start_with(&r, &cfg);
    issue(&r, 0x30, 5, 1);
    ends_in_error(&r, 4);
    rig_close(&r);
}
END_TEST

/* The second channel is the first's twin at other ports. */
START_TEST(test_second_channel)
{
    struct ide_rig r;
    struct ide_config cfg;

    rig_open(&r);
    cfg = rig_config(&r);
    cfg.drive[1][1] = (struct ide_drive_config){IDE_DISK, r.blk[1]};
    rig_start_with(&r, &cfg);
    outb(&r.rig, 0xf0, 0x176);
    outb(&r.rig, 1, 0x172);
    outb(&r.rig, 44, 0x173);
    outb(&r.rig, 0xc8, 0x177);
    rig_poll(&r);
    prd(&r, 0, 0x100000, 0x0200, true);
    bus_write(&r.rig.ports, BM + 12, 4, PRD);
    outb(&r.rig, 9, BM + 8);
    ck_assert(r.irq[1].level && !r.irq[0].level);
    ck_assert_uint_eq(inb(&r.rig, BM + 10), 4);
    ck_assert_uint_eq(bm_status(&r), 0);
    sector_is(r.ram + 0x100000, 44);
    outb(&r.rig, 0xe0, 0x176); /* INTRQ is the selected device's */
    ck_assert(!r.irq[1].level);
    outb(&r.rig, 0xf0, 0x176);
    ck_assert(r.irq[1].level);
    ck_assert_uint_eq(inb(&r.rig, 0x177), 0x50);
    ck_assert(!r.irq[1].level);
    rig_close(&r);
}
END_TEST

/* Saved in the middle of a read that the other instance finishes. */
START_TEST(test_save_restore)
{
    static struct ide_rig r, fresh;
    uint8_t buf[512];

    rig_start(&r);
    rig_start(&fresh);
    issue(&r, 0x20, 1234, 3);
    read_block(&r, buf, 512);
    round_trip(&ide_class, &r.ide, &fresh.ide, true);
    wants_data(&fresh, true);
    read_block(&fresh, buf, 512);
    sector_is(buf, 1235);
    outb(&r.rig, 4, CTL);
    outb(&r.rig, 0, CTL);
    out(&r, 3, 99);
    out(&r, 6, 0xe0);
    out(&r, 7, 0x20);
    round_trip(&ide_class, &r.ide, &fresh.ide, true);
    rig_poll(&fresh);
    read_block(&fresh, buf, 512);
    sector_is(buf, 99);
    ide_init(&fresh.ide,
             &(struct ide_config){.mem = &fresh.mem, .drive = {{{IDE_DISK, fresh.blk[0]}}}});
    reset_equals_fresh(&ide_class, &r.ide, &fresh.ide);
    rig_close(&r);
    rig_close(&fresh);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ide");
    TCase *tc = tcase_create("ide");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, test_presence);
    tcase_add_test(tc, test_identify);
    tcase_add_test(tc, test_read_sectors);
    tcase_add_test(tc, test_read_chs);
    tcase_add_test(tc, test_multiple);
    tcase_add_test(tc, test_write_sectors);
    tcase_add_test(tc, test_dma_read);
    tcase_add_loop_test(tc, test_dma_write, 0, 2);
    tcase_add_test(tc, test_dma_short_table);
    tcase_add_test(tc, test_dma_hostile);
    tcase_add_test(tc, test_bad_sector);
    tcase_add_test(tc, test_address_errors);
    tcase_add_test(tc, test_busy);
    tcase_add_test(tc, test_features_and_power);
    tcase_add_test(tc, test_read_only_disk);
    tcase_add_test(tc, test_second_channel);
    tcase_add_test(tc, test_save_restore);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
