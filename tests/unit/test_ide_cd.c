/* The CD-ROM drive: packets by PIO and DMA, media that come and go, what it refuses. */
#include <stdio.h>

#include "ide_rig.h"

enum { LBA2_OF_CDROM = 0xeb, CD_BYTES = 2048 };

/* Device 0 of channel 0 is the drive; its image has an odd sector at the end. */
static void start(struct ide_rig *r, bool medium)
{
    struct ide_config cfg;

    rig_open(r);
    cfg = rig_config(r);
    cfg.drive[0][0] = (struct ide_drive_config){IDE_CDROM, medium ? r->blk[0] : NULL};
    rig_start_with(r, &cfg);
}

static void send_packet(struct ide_rig *r, const char *hex, unsigned limit, bool dma)
{
    uint8_t cdb[12] = {0};

    for (unsigned i = 0, at, n; i < 12 && sscanf(hex, "%2x%n", &at, (int *)&n) == 1; i++) {
        cdb[i] = (uint8_t)at;
        hex += n;
    }
    out(r, 6, 0xa0);
    out(r, 1, dma);
    out(r, 4, (uint8_t)limit);
    out(r, 5, (uint8_t)(limit >> 8));
    out(r, 7, 0xa0);
    ck_assert_uint_eq(inb(&r->rig, CTL), 0x58);
    ck_assert(!r->irq[0].level);
    ck_assert_uint_eq(in(r, 2) & 3, 1); /* a command is wanted */
    write_block(r, cdb, 12);
    rig_poll(r);
}

/* Takes all blocks; returns how many bytes came. */
static unsigned take(struct ide_rig *r, uint8_t *buf, unsigned limit)
{
    unsigned len = 0;

    for (;;) {
        unsigned n;

        rig_poll(r);
        ck_assert(r->irq[0].level);
        if (!(in(r, 7) & DRQ))
            break;
        ck_assert(!r->irq[0].level);
        ck_assert_uint_eq(in(r, 2) & 3, 2); /* data for the host */
        n = in(r, 4) | in(r, 5) << 8;
        ck_assert_uint_le(n, limit);
        ck_assert_uint_gt(n, 0);
        read_block(r, buf + len, (n + 1) & ~1u);
        len += n;
    }
    ck_assert_uint_eq(in(r, 2) & 3, 3);
    ck_assert_uint_eq(in(r, 7), 0x50);
    return len;
}

static unsigned ask(struct ide_rig *r, const char *hex, uint8_t *buf)
{
    send_packet(r, hex, 0xfffe, false);
    return take(r, buf, 0xfffe);
}

static void done_ok(struct ide_rig *r, const char *hex)
{
    send_packet(r, hex, 0xfffe, false);
    ck_assert(r->irq[0].level);
    ck_assert_uint_eq(in(r, 2) & 3, 3);
    ck_assert_uint_eq(in(r, 7), 0x50);
}

/* CHECK CONDITION, then what REQUEST SENSE says: key and both codes. */
static void refused(struct ide_rig *r, const char *hex, uint32_t sense)
{
    uint8_t buf[64];

    send_packet(r, hex, 0xfffe, false);
    rig_poll(r);
    ck_assert(r->irq[0].level);
    ck_assert_uint_eq(in(r, 7), 0x51);
    ck_assert_uint_eq(in(r, 1) >> 4, sense >> 16);
    ck_assert_uint_eq(ask(r, "030000001200", buf), 18);
    ck_assert_uint_eq((uint32_t)buf[2] << 16 | buf[12] << 8 | buf[13], sense);
    ck_assert_uint_eq(ask(r, "030000001200", buf), 18); /* told once */
    ck_assert_uint_eq(buf[2], 0);
}

START_TEST(test_signature)
{
    struct ide_rig r;
    uint8_t id[512];

    start(&r, true);
    ck_assert_uint_eq(in(&r, 4), 0x14);
    ck_assert_uint_eq(in(&r, 5), 0xeb);
    ck_assert_uint_eq(in(&r, 7), 0);
    out(&r, 4, 0);
    out(&r, 7, 0xec);
    ck_assert_uint_eq(in(&r, 7), 0x51);
    ck_assert_uint_eq(in(&r, 1), 4);
    ck_assert_uint_eq(in(&r, 4), 0x14);
    out(&r, 5, 0);
    out(&r, 7, 0x20);
    ck_assert_uint_eq(in(&r, 5), 0xeb);
    out(&r, 7, 0x30);
    ck_assert_uint_eq(in(&r, 7), 0x51);
    out(&r, 7, 0xa1);
    ck_assert(r.irq[0].level);
    ck_assert_uint_eq(in(&r, 7), 0x58);
    read_block(&r, id, 512);
    ck_assert_uint_eq(in(&r, 7), 0x50);
    ck_assert(!r.irq[0].level); /* PIO data in: no interrupt at the end */
    ck_assert_uint_eq(ld16(id), 0x85c0);
    ck_assert_int_eq(memcmp(id + 54, "RDGAMONAD", 8), 0);
    out(&r, 4, 0);
    out(&r, 7, 0x08); /* DEVICE RESET */
    ck_assert(!r.irq[0].level);
    ck_assert_uint_eq(in(&r, 7), 0);
    ck_assert_uint_eq(in(&r, 1), 1);
    ck_assert_uint_eq(in(&r, 4), 0x14);
    rig_close(&r);
}
END_TEST

START_TEST(test_inquiry_and_capacity)
{
    struct ide_rig r;
    uint8_t buf[64];

    start(&r, true);
    done_ok(&r, "00");
    ck_assert_uint_eq(ask(&r, "120000002400", buf), 36);
    ck_assert_uint_eq(buf[0], 5);
    ck_assert_int_eq(memcmp(buf + 8, "DRAGOMAN", 8), 0);
    ck_assert_uint_eq(ask(&r, "120000000500", buf), 5); /* no more than was asked for */
    done_ok(&r, "120000000000");
    refused(&r, "120100002400", 0x52400);
    ck_assert_uint_eq(ask(&r, "25", buf), 8);
    ck_assert_uint_eq(buf[2] << 8 | buf[3], RIG_SECTORS / 4 - 1);
    ck_assert_uint_eq(buf[6] << 8 | buf[7], CD_BYTES);
    refused(&r, "ff", 0x52000);
    rig_close(&r);
}
END_TEST

/* READ(10), READ(12), READ CD; blocks as small as the host asks. */
START_TEST(test_read_pio)
{
    static uint8_t buf[100 * CD_BYTES];
    struct ide_rig r;

    start(&r, true);
    send_packet(&r, "28000000012c00006400", 0x1000, false);
    ck_assert_uint_eq(take(&r, buf, 0x1000), sizeof(buf));
    for (unsigned i = 0; i < 400; i++)
        ck_assert_uint_eq(ld64(buf + i * 512), 1200 + i);
    send_packet(&r, "a8000000000500000002", 777, false);
    ck_assert_uint_eq(take(&r, buf, 776), 2 * CD_BYTES);
    ck_assert_uint_eq(ld64(buf + 512), 21);
    send_packet(&r, "be000000000700000110", 0, false);
    ck_assert_uint_eq(take(&r, buf, 0xfffe), CD_BYTES);
    ck_assert_uint_eq(ld64(buf), 28);
    done_ok(&r, "28000000000000000000");
    refused(&r, "28000000138800000100", 0x52100);
    refused(&r, "a800ffffffffffffffff", 0x52100);
    refused(&r, "be0000000007000001f8", 0x52400); /* raw sectors */
    rig_close(&r);
}
END_TEST

START_TEST(test_read_dma)
{
    struct ide_rig r;

    start(&r, true);
    for (unsigned n = 0; n < 8; n++)
        prd(&r, n, 0x100000 + n * 0x8000, 0x8000, n == 7);
    send_packet(&r, "28000000000a00008000", 0, true);
    ck_assert(!r.irq[0].level);
    bm_start(&r, true);
    ck_assert(r.irq[0].level);
    ck_assert_uint_eq(bm_status(&r), 4);
    ck_assert_uint_eq(in(&r, 7), 0x50);
    ck_assert_uint_eq(in(&r, 2) & 3, 3);
    for (unsigned i = 0; i < 512; i++)
        ck_assert_uint_eq(ld64(r.ram + 0x100000 + i * 512), 40 + i);
    rig_close(&r);
}
END_TEST

/* The good sectors come before the error. */
START_TEST(test_bad_sector)
{
    struct ide_rig r;
    uint8_t buf[CD_BYTES];

    start(&r, true);
    r.disk[0].bad = 30;
    send_packet(&r, "28000000000600000400", CD_BYTES, false);
    for (unsigned i = 0; i < 8; i++)
        rig_poll(&r);
    ck_assert_uint_eq(in(&r, 7), 0x58);
    read_block(&r, buf, CD_BYTES);
    ck_assert_uint_eq(ld64(buf), 24);
    for (unsigned i = 0; i < 8; i++)
        rig_poll(&r);
    ck_assert_uint_eq(in(&r, 7), 0x51);
    ck_assert_uint_eq(in(&r, 1) >> 4, 3);
    refused(&r, "28000000000700000100", 0x31100);
    rig_close(&r);
}
END_TEST

/* An image that ends within a CD sector reads zeros there. */
START_TEST(test_odd_image)
{
    struct ide_rig r;
    struct mem_disk odd;
    struct block *blk = mem_disk_open(&odd, 6);
    uint8_t buf[2 * CD_BYTES];
    struct ide_config cfg;

    rig_open(&r);
    memset(odd.bytes, 0x11, 6 * 512);
    cfg = rig_config(&r);
    cfg.drive[0][0] = (struct ide_drive_config){IDE_CDROM, blk};
    rig_start_with(&r, &cfg);
    send_packet(&r, "28000000000000000200", 0xfffe, false);
    block_poll(blk);
    memset(buf, 0xee, sizeof(buf));
    ck_assert_uint_eq(take(&r, buf, 0xfffe), sizeof(buf));
    ck_assert_uint_eq(buf[6 * 512 - 1], 0x11);
    ck_assert_uint_eq(buf[6 * 512], 0);
    ck_assert_uint_eq(buf[sizeof(buf) - 1], 0);
    block_close(blk);
    rig_close(&r);
}
END_TEST

START_TEST(test_toc)
{
    struct ide_rig r;
    uint8_t buf[64];
    unsigned end = RIG_SECTORS / 4, frames = end + 150;

    start(&r, true);
    ck_assert_uint_eq(ask(&r, "43000000000000004000", buf), 20);
    ck_assert_uint_eq(buf[1], 18);
    ck_assert_uint_eq(buf[5], 0x14);
    ck_assert_uint_eq(buf[14], 0xaa);
    ck_assert_uint_eq(buf[18] << 8 | buf[19], end);
    ck_assert_uint_eq(ask(&r, "43020000000000004000", buf), 20);
    ck_assert_uint_eq(buf[10], 2); /* 00:02:00 */
    ck_assert_uint_eq((buf[17] * 60u + buf[18]) * 75 + buf[19], frames);
    ck_assert_uint_eq(ask(&r, "430000000000aa004000", buf), 12);
    ck_assert_uint_eq(ask(&r, "43000100000000000c00", buf), 12);
    ck_assert_uint_eq(buf[6], 1);
    ck_assert_uint_eq(ask(&r, "43020200000000004000", buf), 48);
    ck_assert_uint_eq(buf[7], 0xa0);
    ck_assert_uint_eq((buf[34] * 60u + buf[35]) * 75 + buf[36], frames);
    refused(&r, "43000300000000004000", 0x52400);
    refused(&r, "43000000000002004000", 0x52400);
    rig_close(&r);
}
END_TEST

START_TEST(test_configuration_and_pages)
{
    struct ide_rig r;
    uint8_t buf[256];
    unsigned len;

    start(&r, true);
    len = ask(&r, "4600000000000000ff00", buf);
    ck_assert_uint_eq(buf[3], len - 4);
    ck_assert_uint_eq(buf[7], 8); /* a small medium is a CD */
    ck_assert_uint_eq(buf[14], 0);
    ck_assert_uint_eq(buf[18], 1);
    ck_assert_uint_eq(ask(&r, "4602001e00000000ff00", buf), 16);
    ck_assert_uint_eq(buf[9], 0x1e);
    ck_assert_uint_eq(ask(&r, "4602077700000000ff00", buf), 8);
    len = ask(&r, "5a002a0000000000ff00", buf);
    ck_assert_uint_eq(len, 28);
    ck_assert_uint_eq(buf[1], len - 2);
    ck_assert_uint_eq(buf[8], 0x2a);
    ck_assert_uint_eq(buf[14], 0x29);
    done_ok(&r, "1e0000000100");
    ask(&r, "5a003f0000000000ff00", buf);
    ck_assert_uint_eq(buf[16 + 6], 0x2b);
    refused(&r, "5a00ea0000000000ff00", 0x53900);
    refused(&r, "5a00050000000000ff00", 0x52400);
    ck_assert_uint_eq(ask(&r, "5100000000000000ff00", buf), 34);
    ck_assert_uint_eq(ask(&r, "bd000000000000000008", buf), 8);
    rig_close(&r);
}
END_TEST

START_TEST(test_media)
{
    struct ide_rig r;
    uint8_t buf[64];

    start(&r, false);
    refused(&r, "00", 0x23a01);
    refused(&r, "28000000000000000100", 0x23a01);
    ck_assert_uint_eq(ask(&r, "4a010000100000000800", buf), 8);
    ck_assert_uint_eq(buf[5], 0);
    ck_assert_int_eq(ide_cd_change(&r.ide, 0, 0, r.blk[1]), 0);
    ck_assert_uint_eq(ask(&r, "120000002400", buf), 36); /* leaves the attention alone */
    refused(&r, "00", 0x62800);
    done_ok(&r, "00");
    ck_assert_uint_eq(ask(&r, "4a010000100000000800", buf), 8);
    ck_assert_uint_eq(buf[2], 4);
    ck_assert_uint_eq(buf[4], 2); /* new media */
    ck_assert_uint_eq(buf[5], 2);
    ck_assert_uint_eq(ask(&r, "4a010000100000000800", buf), 8);
    ck_assert_uint_eq(buf[4], 0);
    done_ok(&r, "1e0000000100");
    refused(&r, "1b0000000200", 0x55302);
    ck_assert_int_eq(ide_cd_change(&r.ide, 0, 0, NULL), -EBUSY);
    ck_assert_uint_eq(ask(&r, "4a010000100000000800", buf), 8);
    ck_assert_uint_eq(buf[4], 1); /* somebody asks for the medium */
    done_ok(&r, "1e0000000000");
    done_ok(&r, "1b0000000200");
    refused(&r, "00", 0x23a02);
    done_ok(&r, "1b0000000300");
    refused(&r, "00", 0x62800);
    done_ok(&r, "00");
    refused(&r, "4a000000100000000800", 0x52400);
    rig_close(&r);
}
END_TEST

/* The medium goes while it is being read; DEVICE RESET while busy. */
START_TEST(test_interrupted)
{
    struct ide_rig r;

    start(&r, true);
    send_packet(&r, "28000000000000006400", 0xfffe, true);
    out(&r, 7, 0x08);
    ck_assert_uint_eq(in(&r, 7), 0);
    ck_assert_uint_eq(in(&r, 5), LBA2_OF_CDROM);
    out(&r, 6, 0xa0);
    out(&r, 1, 0);
    out(&r, 7, 0xa0);
    for (unsigned i = 0; i < 6; i++)
        data_out(&r, i == 0 ? 0x28 : i == 4 ? 1 : 0);
    ck_assert_uint_eq(inb(&r.rig, CTL), BSY);
    ck_assert_int_eq(ide_cd_change(&r.ide, 0, 0, NULL), 0);
    rig_poll(&r);
    ck_assert_uint_eq(in(&r, 7), 0x51);
    ck_assert_uint_eq(in(&r, 1) >> 4, 2);
    out(&r, 6, 0xa0);
    out(&r, 1, 2); /* overlapped commands are not offered */
    out(&r, 7, 0xa0);
    ck_assert_uint_eq(in(&r, 7), 0x51);
    rig_close(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ide-cd");
    TCase *tc = tcase_create("ide-cd");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, test_signature);
    tcase_add_test(tc, test_inquiry_and_capacity);
    tcase_add_test(tc, test_read_pio);
    tcase_add_test(tc, test_read_dma);
    tcase_add_test(tc, test_bad_sector);
    tcase_add_test(tc, test_odd_image);
    tcase_add_test(tc, test_toc);
    tcase_add_test(tc, test_configuration_and_pages);
    tcase_add_test(tc, test_media);
    tcase_add_test(tc, test_interrupted);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
