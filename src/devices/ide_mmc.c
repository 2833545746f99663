/* The commands of a DVD-ROM drive (SPC-3, MMC-3). Numbers in packets and answers are big-endian. */
#include "devices/ide_priv.h"

#include <string.h>

enum {                         /* what a command puts up with */
       ANY_MEDIUM = 1 << 0,    /* works without one */
       ANY_ATTENTION = 1 << 1, /* leaves a unit attention alone (SPC-3, 4.5.6) */
};

struct mmc_row {
    void (*start)(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb);
    uint8_t flags;
};

/* The guest's sector numbers have 32 bits, units of 512 bytes here too. */
#define MAX_SECTORS UINT32_C(0x3fffffff)
enum { LEAD_OUT = 0xaa, PREGAP = 150 /* sectors before sector 0, in minutes and seconds */ };
enum { CD_MAX_SECTORS = 405000 /* 90 minutes: what has more is a DVD */ };
enum { PROFILE_NONE = 0x0000, PROFILE_CD = 0x0008, PROFILE_DVD = 0x0010 };

static uint32_t be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return be16(p) << 16 | be16(p + 2);
}

static void put16(uint8_t *p, uint32_t val)
{
    p[0] = (uint8_t)(val >> 8);
    p[1] = (uint8_t)val;
}

static void put32(uint8_t *p, uint32_t val)
{
    put16(p, val >> 16);
    put16(p + 2, val & 0xffff);
}

static bool has_medium(const struct ide_drive *d)
{
    return d->blk && !d->tray_open;
}

static uint32_t cd_sectors(const struct ide_drive *d)
{
    uint64_t n = (d->sectors + CD_UNITS - 1) / CD_UNITS;

    return n > MAX_SECTORS ? MAX_SECTORS : (uint32_t)n;
}

static uint16_t profile(const struct ide_drive *d)
{
    if (!has_medium(d))
        return PROFILE_NONE;
    return cd_sectors(d) > CD_MAX_SECTORS ? PROFILE_DVD : PROFILE_CD;
}

static void bad_field(struct ide_channel *ch, struct ide_drive *d)
{
    ide_packet_fail(ch, d, SENSE_ILLEGAL_REQUEST, ASC_BAD_FIELD);
}

static void nothing(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    (void)cdb;
    ide_packet_succeed(ch, d);
}

static void request_sense(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    enum { BYTES = 18 };
    uint8_t *out = ch->buf;

    memset(out, 0, BYTES);
    out[0] = 0x70; /* current error, fixed format */
    out[2] = d->sense_key;
    out[7] = BYTES - 8;
    out[12] = d->asc;
    out[13] = d->ascq;
    if (d->attention && d->sense_key == SENSE_NONE) {
        out[2] = SENSE_UNIT_ATTENTION;
        out[12] = ASC_MEDIUM_CHANGED >> 8;
    }
    if (out[2] == SENSE_UNIT_ATTENTION)
        d->attention = 0;
    d->sense_key = SENSE_NONE;
    d->asc = d->ascq = 0;
    ide_packet_answer(ch, BYTES, cdb[4]);
}

static void inquiry(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    enum { BYTES = 36, EVPD = 1 };
    uint8_t *out = ch->buf;

    if ((cdb[1] & EVPD) || cdb[2]) {
        bad_field(ch, d);
        return;
    }
    memset(out, 0, BYTES);
    out[0] = 0x05; /* CD/DVD device */
    out[1] = 0x80; /* removable medium */
    out[3] = 0x21; /* ATAPI, response format of SCSI-2 */
    out[4] = BYTES - 5;
    memcpy(out + 8, "DRAGOMANDVD-ROM         1.0 ", 28);
    ide_packet_answer(ch, BYTES, cdb[4]);
}

static void start_stop(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    enum { START = 1, LOAD_EJECT = 2 };
    bool load = cdb[4] & START;

    if ((cdb[4] & LOAD_EJECT) && !load && d->locked) {
        ide_packet_fail(ch, d, SENSE_ILLEGAL_REQUEST, ASC_LOCKED);
        return;
    }
    if ((cdb[4] & LOAD_EJECT) && d->tray_open == load) {
        d->tray_open = !load;
        d->attention = load && d->blk;
        d->event = has_medium(d) ? CD_NEW_MEDIUM : CD_MEDIUM_REMOVED;
    }
    ide_packet_succeed(ch, d);
}

static void prevent_allow(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    d->locked = cdb[4] & 1;
    ide_packet_succeed(ch, d);
}

static void read_capacity(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    enum { BYTES = 8 };

    (void)cdb;
    put32(ch->buf, cd_sectors(d) - 1);
    put32(ch->buf + 4, CD_SECTOR);
    ide_packet_answer(ch, BYTES, BYTES);
}

static void read_sectors(struct ide_channel *ch, struct ide_drive *d, uint32_t first,
                         uint32_t count)
{
    uint32_t sectors = cd_sectors(d);

    if (first > sectors || count > sectors - first)
        ide_packet_fail(ch, d, SENSE_ILLEGAL_REQUEST, ASC_NO_SUCH_SECTOR);
    else if (count == 0)
        ide_packet_succeed(ch, d);
    else
        ide_transfer_medium(ch, (uint64_t)first * CD_UNITS, count * CD_UNITS, ch->x.block);
}

static void read10(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    read_sectors(ch, d, be32(cdb + 2), be16(cdb + 7));
}

static void read12(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    read_sectors(ch, d, be32(cdb + 2), be32(cdb + 6));
}

/* Only user data of data sectors: an image has no headers, subchannels or audio. */
static void read_cd(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    enum { TYPE = 0x1c, MODE1 = 2 << 2, WHAT = 0xf8, USER_DATA = 0x10 };
    uint32_t count = (uint32_t)cdb[6] << 16 | be16(cdb + 7);

    if ((cdb[1] & TYPE && (cdb[1] & TYPE) != MODE1) || cdb[10] & 7 ||
        (cdb[9] & WHAT && (cdb[9] & WHAT) != USER_DATA))
        bad_field(ch, d);
    else
        read_sectors(ch, d, be32(cdb + 2), cdb[9] & WHAT ? count : 0);
}

static void seek(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    read_sectors(ch, d, be32(cdb + 2), 0);
}

/* ---- READ TOC (MMC-3, 6.26): one data track in one session ---- */

static void put_address(uint8_t *p, uint32_t sector, bool msf)
{
    uint32_t frames = sector + PREGAP;

    put32(p, msf ? frames / (60 * 75) << 16 | frames / 75 % 60 << 8 | frames % 75 : sector);
}

static uint32_t toc_tracks(uint8_t *out, const struct ide_drive *d, bool msf, uint8_t from)
{
    static const uint8_t tracks[] = {1, LEAD_OUT};
    uint32_t len = 4;

    for (unsigned i = 0; i < ARRAY_SIZE(tracks); i++) {
        if (tracks[i] < from)
            continue;
        out[len + 1] = 0x14; /* a data track, its position */
        out[len + 2] = tracks[i];
        put_address(out + len + 4, tracks[i] == LEAD_OUT ? cd_sectors(d) : 0, msf);
        len += 8;
    }
    return len;
}

static uint32_t toc_sessions(uint8_t *out, bool msf)
{
    out[5] = 0x14;
    out[6] = 1;
    put_address(out + 8, 0, msf);
    return 12;
}

static uint32_t toc_raw(uint8_t *out, const struct ide_drive *d)
{
    static const uint8_t points[] = {0xa0, 0xa1, 0xa2, 1};
    uint32_t len = 4;

    for (unsigned i = 0; i < ARRAY_SIZE(points); i++, len += 11) {
        out[len] = 1; /* session */
        out[len + 1] = 0x14;
        out[len + 3] = points[i];
        if (points[i] == 0xa0 || points[i] == 0xa1)
            out[len + 8] = 1; /* first and last track */
        else
            put_address(out + len + 7, points[i] == 0xa2 ? cd_sectors(d) : 0, true);
    }
    return len;
}

static void read_toc(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    enum { MSF = 2, ROOM = 64 };
    /* SFF-8020i had the format in the last byte; Linux still sends both. */
    uint8_t format = cdb[2] & 0xf ? cdb[2] & 0xf : cdb[9] >> 6, from = cdb[6];
    bool msf = cdb[1] & MSF;
    uint8_t *out = ch->buf;
    uint32_t len;

    if (format > 2 || (format == 0 && from > 1 && from != LEAD_OUT)) {
        bad_field(ch, d);
        return;
    }
    memset(out, 0, ROOM);
    out[2] = out[3] = 1; /* first and last track or session */
    if (format == 0)
        len = toc_tracks(out, d, msf, from);
    else if (format == 1)
        len = toc_sessions(out, msf);
    else
        len = toc_raw(out, d);
    put16(out, len - 2);
    ide_packet_answer(ch, len, be16(cdb + 7));
}

/* ---- GET CONFIGURATION (MMC-3, 6.6 and 5.3) ---- */

struct feature {
    uint16_t code;
    uint8_t state; /* version, persistent, current always */
    uint8_t len;
    uint8_t data[8];
    uint16_t current_with; /* a profile; PROFILE_NONE: always current */
};

enum { FEATURE_CURRENT = 1 };

static const struct feature features[] = {
    {0x0000, 0x02, 8, {0x00, 0x10, 0, 0, 0x00, 0x08, 0, 0}, PROFILE_NONE}, /* profiles */
    {0x0001, 0x02, 4, {0, 0, 0, 2}, PROFILE_NONE},                         /* core: on ATAPI */
    {0x0002, 0x02, 4, {0}, PROFILE_NONE},             /* morphing: media events are polled */
    {0x0003, 0x02, 4, {0x29, 0, 0, 0}, PROFILE_NONE}, /* removable: tray, eject, lock */
    {0x001e, 0x00, 4, {0}, PROFILE_CD},               /* CD read */
    {0x001f, 0x00, 0, {0}, PROFILE_DVD},              /* DVD read */
};

static void get_configuration(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    enum { RT = 3, RT_CURRENT = 1, RT_ONE = 2, PROFILE_BYTES = 4 };
    uint32_t from = be16(cdb + 2), len = 8;
    uint8_t *out = ch->buf, want = cdb[1] & RT;
    uint16_t now = profile(d);

    memset(out, 0, len);
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        const struct feature *f = &features[i];
        bool current = f->current_with == PROFILE_NONE || f->current_with == now;

        if ((want == RT_ONE ? f->code != from : f->code < from) || (want == RT_CURRENT && !current))
            continue;
        put16(out + len, f->code);
        out[len + 2] = f->state | (current ? FEATURE_CURRENT : 0);
        out[len + 3] = f->len;
        memcpy(out + len + 4, f->data, f->len);
        for (unsigned p = 0; f->code == 0 && p < f->len; p += PROFILE_BYTES)
            out[len + 6 + p] = now == be16(f->data + p); /* which profile is current */
        len += 4u + f->len;
    }
    put32(out, len - 4);
    put16(out + 6, now);
    ide_packet_answer(ch, len, be16(cdb + 7));
}

/* ---- events and pages ---- */

/* Media events only, polled (MMC-3, 6.7). */
static void get_event(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    enum { POLLED = 1, MEDIA = 4, MEDIA_CLASS = 1 << MEDIA, NO_EVENT_CLASS = 0x80, BYTES = 8 };
    uint8_t *out = ch->buf;
    bool asked = cdb[4] & MEDIA_CLASS;

    if (!(cdb[1] & POLLED)) {
        bad_field(ch, d);
        return;
    }
    memset(out, 0, BYTES);
    put16(out, asked ? BYTES - 2 : 2);
    out[2] = asked ? MEDIA : NO_EVENT_CLASS;
    out[3] = MEDIA_CLASS;
    if (asked) {
        out[4] = d->event;
        out[5] = d->tray_open | (has_medium(d) ? 2 : 0);
        d->event = CD_NO_EVENT;
    }
    ide_packet_answer(ch, asked ? BYTES : 4, be16(cdb + 7));
}

struct mode_page {
    uint8_t len; /* of what follows the two bytes of code and length */
    uint8_t code;
    uint8_t data[20];
};

enum { PAGE_CAPABILITIES = 0x2a, PAGE_ALL = 0x3f, CAPABILITIES_LOCKED = 6 };

static const struct mode_page mode_pages[] = {
    {6, 0x01, {0, 5}}, /* error recovery: retries */
    /* Reads CD-R, CD-RW and DVD-ROM; mode 2 sectors, multisession; tray, eject, lock; 706 kB/s
     * per unit of speed 4, 512 KiB of buffer. */
    {18, PAGE_CAPABILITIES, {0x0b, 0, 0x70, 0, 0x29, 0, 0x02, 0xc2, 0, 0, 0x02, 0, 0x02, 0xc2}},
};

static void mode_sense(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    enum { HEADER = 8, SAVED = 3, DATA_DISC = 0x01, NO_DISC = 0x70, LOCK_STATE = 2 };
    uint8_t *out = ch->buf, want = cdb[2] & 0x3f;
    uint32_t len = HEADER;

    if (cdb[2] >> 6 == SAVED) {
        ide_packet_fail(ch, d, SENSE_ILLEGAL_REQUEST, ASC_NOT_SAVED);
        return;
    }
    memset(out, 0, HEADER);
    out[2] = has_medium(d) ? DATA_DISC : NO_DISC;
    for (unsigned i = 0; i < ARRAY_SIZE(mode_pages); i++) {
        const struct mode_page *p = &mode_pages[i];

        if (want != p->code && want != PAGE_ALL)
            continue;
        out[len] = p->code;
        out[len + 1] = p->len;
        memcpy(out + len + 2, p->data, p->len);
        if (p->code == PAGE_CAPABILITIES && d->locked)
            out[len + CAPABILITIES_LOCKED] |= LOCK_STATE;
        len += 2u + p->len;
    }
    if (len == HEADER) {
        bad_field(ch, d);
        return;
    }
    put16(out, len - 2);
    ide_packet_answer(ch, len, be16(cdb + 7));
}

/* One finished session with one track (MMC-3, 6.21). */
static void read_disc_information(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    enum { BYTES = 34, COMPLETE = 0x0e };
    uint8_t *out = ch->buf;

    (void)d;
    memset(out, 0, BYTES);
    put16(out, BYTES - 2);
    out[2] = COMPLETE;
    out[3] = out[4] = out[5] = out[6] = 1;
    out[7] = 0x20;             /* not restricted */
    memset(out + 16, 0xff, 8); /* no further lead-in or lead-out */
    ide_packet_answer(ch, BYTES, be16(cdb + 7));
}

static void mechanism_status(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    enum { BYTES = 8, DOOR_OPEN = 1 << 4 };

    memset(ch->buf, 0, BYTES);
    ch->buf[1] = d->tray_open ? DOOR_OPEN : 0;
    ide_packet_answer(ch, BYTES, be16(cdb + 8));
}

static const struct mmc_row mmc_rows[256] = {
    [0x00] = {nothing, 0}, /* TEST UNIT READY */
    [0x03] = {request_sense, ANY_MEDIUM | ANY_ATTENTION},
    [0x12] = {inquiry, ANY_MEDIUM | ANY_ATTENTION},
    [0x1b] = {start_stop, ANY_MEDIUM},
    [0x1e] = {prevent_allow, ANY_MEDIUM},
    [0x25] = {read_capacity, 0},
    [0x28] = {read10, 0},
    [0x2b] = {seek, 0},
    [0x43] = {read_toc, 0},
    [0x46] = {get_configuration, ANY_MEDIUM | ANY_ATTENTION},
    [0x4a] = {get_event, ANY_MEDIUM | ANY_ATTENTION},
    [0x51] = {read_disc_information, 0},
    [0x5a] = {mode_sense, ANY_MEDIUM},
    [0xa8] = {read12, 0},
    [0xbb] = {nothing, ANY_MEDIUM}, /* SET CD SPEED */
    [0xbd] = {mechanism_status, ANY_MEDIUM},
    [0xbe] = {read_cd, 0},
};

void ide_mmc_execute(struct ide_channel *ch, struct ide_drive *d, const uint8_t *cdb)
{
    const struct mmc_row *row = &mmc_rows[cdb[0]];

    if (!row->start) {
        ide_packet_fail(ch, d, SENSE_ILLEGAL_REQUEST, ASC_NO_COMMAND);
    } else if (d->attention && !(row->flags & ANY_ATTENTION)) {
        d->attention = 0;
        ide_packet_fail(ch, d, SENSE_UNIT_ATTENTION, ASC_MEDIUM_CHANGED);
    } else if (!has_medium(d) && !(row->flags & ANY_MEDIUM)) {
        ide_packet_fail(ch, d, SENSE_NOT_READY, (uint16_t)(ASC_NO_MEDIUM + d->tray_open));
    } else {
        row->start(ch, d, cdb);
    }
}
