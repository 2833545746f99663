/* IDENTIFY DEVICE and IDENTIFY PACKET DEVICE data (ATA-6, tables 27 and 29). */
#include "devices/ide_priv.h"

#include <string.h>

#include "base/bits.h"

enum { WORDS = 256, ALL_MODES_MWDMA = 0x07, ALL_MODES_UDMA = 0x3f };

#define LBA28_MAX UINT32_C(0x0fffffff)

static void set(uint8_t *out, unsigned word, uint32_t val)
{
    st16(out + 2 * word, (uint16_t)val);
}

static void set32(uint8_t *out, unsigned word, uint32_t val)
{
    set(out, word, val & 0xffff);
    set(out, word + 1, val >> 16);
}

/* The first character of a pair is in the upper byte. */
static void set_text(uint8_t *out, unsigned word, unsigned words, const char *text)
{
    size_t len = strlen(text);

    for (unsigned i = 0; i < 2 * words; i++)
        out[(2 * word + i) ^ 1] = i < len ? (uint8_t)text[i] : ' ';
}

static void set_names(uint8_t *out, const struct ide_drive *d, const char *model)
{
    char serial[] = "DM00000001";

    serial[sizeof(serial) - 2] = (char)('1' + d->number);
    set_text(out, 10, 10, serial);
    set_text(out, 23, 4, "1.0");
    set_text(out, 27, 20, model);
}

/* Integrity word: all bytes add up to 0. */
static void seal(uint8_t *out)
{
    uint8_t sum = 0xa5;

    out[510] = 0xa5;
    for (unsigned i = 0; i < 510; i++)
        sum += out[i];
    out[511] = (uint8_t)-sum;
}

static void set_geometry(uint8_t *out, const struct ide_drive *d)
{
    uint64_t cylinders = d->sectors / (16 * 63);
    uint64_t now = d->sectors / ((uint64_t)d->heads * d->track_sectors);
    uint32_t now16 = now > 65535 ? 65535 : (uint32_t)now;

    set(out, 1, cylinders > 16383 ? 16383 : (uint32_t)cylinders);
    set(out, 3, 16);
    set(out, 6, 63);
    set(out, 54, now16);
    set(out, 55, d->heads);
    set(out, 56, d->track_sectors);
    set32(out, 57, now16 * d->heads * d->track_sectors);
    set32(out, 60, d->sectors > LBA28_MAX ? LBA28_MAX : (uint32_t)d->sectors);
    st64(out + 2 * 100, d->sectors);
}

static void set_modes(uint8_t *out, const struct ide_drive *d)
{
    set(out, 53, 0x0007); /* words 54-58, 64-70 and 88 are valid */
    set(out, 63, (uint32_t)d->mwdma << 8 | ALL_MODES_MWDMA);
    set(out, 64, 0x0003); /* PIO modes 3 and 4 */
    for (unsigned w = 65; w <= 68; w++)
        set(out, w, 120); /* ns per cycle */
    set(out, 88, (uint32_t)d->udma << 8 | ALL_MODES_UDMA);
    set(out, 93, 0x6001 | (d->number & 1 ? 0x0a00 : 0x0008)); /* 80 wires, DASP and PDIAG seen */
}

static void set_features(uint8_t *out, const struct ide_drive *d)
{
    const uint32_t on82 = 0x4008; /* NOP, power management */

    set(out, 80, 0x007e);        /* ATA-1 to ATA/ATAPI-6 */
    set(out, 81, 0x0019);        /* T13 1410D revision 3a */
    set(out, 82, on82 | 0x0060); /* look-ahead, write cache */
    set(out, 83, 0x7400);        /* FLUSH CACHE (EXT), 48-bit addresses */
    set(out, 84, 0x4040);        /* FUA */
    set(out, 85, on82 | (d->look_ahead ? 0x40 : 0) | (d->write_cache ? 0x20 : 0));
    set(out, 86, 0x3400);
    set(out, 87, 0x4040);
}

void ide_identify_disk(const struct ide_drive *d, uint8_t *out)
{
    memset(out, 0, 2 * WORDS);
    set(out, 0, 0x0040); /* a disk that is not removable */
    set_geometry(out, d);
    set_names(out, d, "DRAGOMAN HARDDISK");
    set(out, 47, 0x8000 | IDE_MULTIPLE_MAX);
    set(out, 49, 0x0f00); /* IORDY, LBA, DMA */
    set(out, 50, 0x4000);
    set(out, 59, d->multiple ? 0x0100u | d->multiple : 0);
    set_modes(out, d);
    set_features(out, d);
    seal(out);
}

void ide_identify_cdrom(const struct ide_drive *d, uint8_t *out)
{
    const uint32_t commands = 0x4210; /* NOP, DEVICE RESET, PACKET */

    memset(out, 0, 2 * WORDS);
    set(out, 0, 0x85c0); /* ATAPI, CD-ROM, removable, DRQ within 50 us, 12 bytes */
    set_names(out, d, "DRAGOMAN DVD-ROM");
    set(out, 49, 0x0f00); /* IORDY, LBA, DMA */
    set_modes(out, d);
    set(out, 80, 0x007e);
    set(out, 81, 0x0019);
    set(out, 82, commands);
    set(out, 83, 0x4000);
    set(out, 84, 0x4000);
    set(out, 85, commands);
    set(out, 87, 0x4000);
    seal(out);
}
