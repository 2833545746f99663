#include "devices/rtc_mc146818.h"

#include <string.h>

enum { /* the register file (data sheet, figure 11) */
       SECONDS,
       SECONDS_ALARM,
       MINUTES,
       MINUTES_ALARM,
       HOURS,
       HOURS_ALARM,
       DAY_OF_WEEK,
       DAY,
       MONTH,
       YEAR,
       REG_A,
       REG_B,
       REG_C,
       REG_D,
       /* PC/AT use of the RAM */
       FLOPPY_TYPES = 0x10,
       EQUIPMENT = 0x14,
       BASE_MEM_LO = 0x15,
       EXT_MEM_LO = 0x17,
       SUM_FIRST = 0x10,
       SUM_LAST = 0x2d,
       SUM_HI = 0x2e,
       SUM_LO = 0x2f,
       EXT_MEM2_LO = 0x30,
       MEM_16M_LO = 0x34, /* 64 KiB units above 16 MiB */
       BOOT_THIRD = 0x38, /* firmware of QEMU's PC (SeaBIOS, CMOS_BIOS_BOOTFLAG1 and 2) */
       BOOT_FIRST_TWO = 0x3d,
       MEM_4G_LO = 0x5b, /* 64 KiB units above 4 GiB, three bytes */
};

enum {
    A_RS = 0x0f,
    A_DV = 0x70,
    A_DV_HELD = 0x60, /* 110 and 111 hold the divider chain in reset */
    A_UIP = 1 << 7,
    B_24H = 1 << 1,
    B_BINARY = 1 << 2,
    B_SQWE = 1 << 3,
    B_UIE = 1 << 4,
    B_AIE = 1 << 5,
    B_PIE = 1 << 6,
    B_SET = 1 << 7,
    C_UF = 1 << 4,
    C_AF = 1 << 5,
    C_PF = 1 << 6,
    C_IRQF = 1 << 7,
    D_VRT = 1 << 7,
    HOUR_PM = 1 << 7,
    ALARM_ANY = 0xc0, /* both top bits: don't care */
    EQUIPMENT_FLOPPY = 1 << 0,
    EQUIPMENT_FPU = 1 << 1,
};

#define DIVIDER_HZ  UINT64_C(32768)
#define SEC_PER_DAY INT64_C(86400)
/* UIP rises 244 us before the update cycle, which takes 1984 us (table 6, 32.768 kHz). */
#define UIP_NS UINT64_C(2228000)
/* The first update cycle comes half a second after the divider is released (page 15). */
#define RELEASE_NS (NS_PER_SEC / 2)

static unsigned decode(const struct rtc *r, uint8_t v)
{
    return r->cmos[REG_B] & B_BINARY ? v : (v >> 4) * 10u + (v & 15u);
}

static uint8_t encode(const struct rtc *r, unsigned v)
{
    return (uint8_t)(r->cmos[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static uint8_t encode_hour(const struct rtc *r, unsigned h)
{
    if (r->cmos[REG_B] & B_24H)
        return encode(r, h);
    return encode(r, h % 12 ? h % 12 : 12) | (h >= 12 ? HOUR_PM : 0);
}

static unsigned decode_hour(const struct rtc *r, uint8_t v)
{
    if (r->cmos[REG_B] & B_24H)
        return decode(r, v);
    return decode(r, v & (uint8_t)~HOUR_PM) % 12 + (v & HOUR_PM ? 12 : 0);
}

/* Days since 1970-01-01 in the Gregorian calendar. Years begin in March, so that the leap day is
 * their last; 719 468 days lie between 0000-03-01 and 1970-01-01. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    unsigned m = (month + 9) % 12;

    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static void date_of(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    int64_t y = (10000 * (days + 719468) + 14780) / 3652425, rest;
    unsigned m;

    rest = days - days_of(y, 3, 1);
    if (rest < 0)
        rest = days - days_of(--y, 3, 1);
    m = (unsigned)(5 * rest + 2) / 153;
    *day = (unsigned)rest - (153 * m + 2) / 5 + 1;
    *month = (m + 2) % 12 + 1;
    *year = y + (*month <= 2);
}

/* What the registers say, whatever the guest wrote into them. */
static int64_t read_time(const struct rtc *r)
{
    unsigned century = decode(r, r->cmos[RTC_CENTURY]), month = decode(r, r->cmos[MONTH]);
    int64_t year = (century < 19 ? 20 : century) * 100 + decode(r, r->cmos[YEAR]);

    if (month < 1 || month > 12)
        month = 1;
    return days_of(year, month, decode(r, r->cmos[DAY])) * SEC_PER_DAY +
           decode_hour(r, r->cmos[HOURS]) * 3600 + decode(r, r->cmos[MINUTES]) * 60 +
           decode(r, r->cmos[SECONDS]);
}

static void store_time(struct rtc *r, int64_t t)
{
    int64_t days = t / SEC_PER_DAY, year;
    unsigned sec = (unsigned)(t % SEC_PER_DAY), month, day;

    date_of(days, &year, &month, &day);
    r->cmos[SECONDS] = encode(r, sec % 60);
    r->cmos[MINUTES] = encode(r, sec / 60 % 60);
    r->cmos[HOURS] = encode_hour(r, sec / 3600);
    r->cmos[DAY] = encode(r, day);
    r->cmos[MONTH] = encode(r, month);
    r->cmos[YEAR] = encode(r, (unsigned)(year % 100));
    r->cmos[RTC_CENTURY] = encode(r, (unsigned)(year / 100 % 100));
}

static bool alarm_byte_matches(uint8_t alarm, uint8_t now)
{
    return (alarm & ALARM_ANY) == ALARM_ANY || alarm == now;
}

static bool alarm_at(const struct rtc *r, unsigned sec)
{
    return alarm_byte_matches(r->cmos[SECONDS_ALARM], encode(r, sec % 60)) &&
           alarm_byte_matches(r->cmos[MINUTES_ALARM], encode(r, sec / 60 % 60)) &&
           alarm_byte_matches(r->cmos[HOURS_ALARM], encode_hour(r, sec / 3600));
}

/* Did the alarm match in (from, to]? A day has every match there is. */
static bool alarm_between(const struct rtc *r, int64_t from, int64_t to)
{
    if (to - from > SEC_PER_DAY || from >= to)
        from = to - (from >= to ? 1 : SEC_PER_DAY);
    while (from < to)
        if (alarm_at(r, (unsigned)(++from % SEC_PER_DAY)))
            return true;
    return false;
}

/* The date part stays in what store_time() can represent: 1970 to 9999. */
static int64_t clamp_time(int64_t t)
{
    const int64_t last = days_of(9999, 12, 31) * SEC_PER_DAY;

    return t < 0 ? 0 : t > last ? last : t;
}

static void run_updates(struct rtc *r, uint64_t cycles)
{
    int64_t from = clamp_time(read_time(r)), to = from + (int64_t)cycles;
    int64_t host = r->wiring.realtime(r->wiring.opaque), days;

    if (!r->offset_known)
        r->offset = to - host;
    r->offset_known = 1;
    /* Both count whole seconds with different phases: only more than one is a step. */
    if (to > host + r->offset + 1 || to < host + r->offset - 1)
        to = host + r->offset;
    to = clamp_time(to);
    if (alarm_between(r, from, to))
        r->cmos[REG_C] |= C_AF;
    days = (to / SEC_PER_DAY - from / SEC_PER_DAY) % 7 + 7;
    r->cmos[DAY_OF_WEEK] =
        encode(r, (unsigned)((decode(r, r->cmos[DAY_OF_WEEK]) + 6 + days) % 7) + 1);
    store_time(r, to);
    r->cmos[REG_C] |= C_UF;
}

static bool divider_held(const struct rtc *r)
{
    return (r->cmos[REG_A] & A_DV_HELD) == A_DV_HELD;
}

/* The periodic rate in ticks of the 32.768 kHz divider; 0: none (table 5). */
static uint64_t period_ticks(const struct rtc *r)
{
    unsigned rs = r->cmos[REG_A] & A_RS;

    if (!rs)
        return 0;
    return UINT64_C(1) << (rs <= 2 ? rs + 6 : rs - 1);
}

static uint64_t periods_at(const struct rtc *r, uint64_t now)
{
    uint64_t period = period_ticks(r);

    return period ? muldiv64(now - r->div_base, DIVIDER_HZ, NS_PER_SEC) / period : 0;
}

static uint64_t next_event(const struct rtc *r)
{
    uint8_t b = r->cmos[REG_B], c = r->cmos[REG_C];
    uint64_t at = CLOCK_NEVER;

    if (divider_held(r))
        return CLOCK_NEVER;
    if ((b & B_PIE) && !(c & C_PF) && period_ticks(r))
        at = r->div_base + 1 +
             muldiv64((r->periods_done + 1) * period_ticks(r), NS_PER_SEC, DIVIDER_HZ);
    if (!(b & B_SET) && (((b & B_UIE) && !(c & C_UF)) || ((b & B_AIE) && !(c & C_AF)))) {
        uint64_t second = r->div_base + (r->updates_done + 1) * NS_PER_SEC;

        at = second < at ? second : at;
    }
    return at;
}

static void update(struct rtc *r)
{
    bool irq = r->cmos[REG_B] & r->cmos[REG_C] & (C_PF | C_AF | C_UF);

    r->cmos[REG_C] = (r->cmos[REG_C] & (uint8_t)~C_IRQF) | (irq ? C_IRQF : 0);
    line_set(&r->wiring.irq8, irq);
    timer_set(r->wiring.clock, &r->timer, next_event(r));
}

/* Brings registers and flags to the present. */
static uint64_t sync_rtc(struct rtc *r)
{
    uint64_t now = clock_now(r->wiring.clock), updates, periods;

    if (divider_held(r))
        return now;
    updates = (now - r->div_base) / NS_PER_SEC;
    if (updates != r->updates_done) {
        if (!(r->cmos[REG_B] & B_SET))
            run_updates(r, updates - r->updates_done);
        r->updates_done = updates;
    }
    periods = periods_at(r, now);
    if (periods != r->periods_done)
        r->cmos[REG_C] |= C_PF;
    r->periods_done = periods;
    update(r);
    return now;
}

static void rtc_tick(void *dev, uint64_t now)
{
    (void)now;
    sync_rtc(dev);
}

static uint8_t read_reg_a(const struct rtc *r, uint64_t now)
{
    uint8_t a = r->cmos[REG_A];

    if (divider_held(r) || (r->cmos[REG_B] & B_SET))
        return a;
    return (now - r->div_base) % NS_PER_SEC >= NS_PER_SEC - UIP_NS ? a | A_UIP : a;
}

static void write_reg_a(struct rtc *r, uint8_t val, uint64_t now)
{
    bool was_held = divider_held(r);

    r->cmos[REG_A] = val & (uint8_t)~A_UIP;
    if (was_held && !divider_held(r)) {
        r->div_base = now - RELEASE_NS;
        r->updates_done = 0;
    }
    r->periods_done = periods_at(r, now);
}

static bool holds_time(unsigned index)
{
    return index == SECONDS || index == MINUTES || index == HOURS ||
           (index >= DAY_OF_WEEK && index <= YEAR) || index == RTC_CENTURY;
}

static void write_register(struct rtc *r, unsigned index, uint8_t val)
{
    uint64_t now = sync_rtc(r);

    switch (index) {
    case REG_A:
        write_reg_a(r, val, now);
        break;
    case REG_B:
        r->cmos[REG_B] = val & B_SET ? val & (uint8_t)~B_UIE : val;
        break;
    case REG_C:
    case REG_D:
        break; /* read-only */
    default:
        r->cmos[index] = val;
        if (holds_time(index))
            r->offset_known = 0;
        break;
    }
    update(r);
}

static uint8_t read_register(struct rtc *r, unsigned index)
{
    uint64_t now = sync_rtc(r);
    uint8_t val = r->cmos[index];

    if (index == REG_A)
        return read_reg_a(r, now);
    if (index == REG_C) {
        r->cmos[REG_C] = 0;
        update(r);
    }
    return val;
}

static uint32_t rtc_read(void *dev, uint32_t off, unsigned size)
{
    struct rtc *r = dev;

    (void)size;
    return off == 0 ? 0xff : read_register(r, r->index); /* the index is write-only */
}

static void rtc_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct rtc *r = dev;

    (void)size;
    if (off == 1) {
        write_register(r, r->index, (uint8_t)val);
    } else {
        r->index = val & (RTC_BYTES - 1);
        r->nmi_masked = (uint8_t)(val >> 7);
    }
}

/* The RESET pin: time, calendar and RAM are untouched (data sheet, "RESET"). */
static void rtc_reset(void *dev)
{
    struct rtc *r = dev;

    sync_rtc(r);
    r->cmos[REG_B] &= (uint8_t) ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    r->cmos[REG_C] = 0;
    r->index = 0;
    r->nmi_masked = 0;
    update(r);
}

static void rtc_restored(void *dev)
{
    update(dev);
}

static void store16(struct rtc *r, unsigned at, uint64_t val)
{
    val = val > 0xffff ? 0xffff : val;
    r->cmos[at] = (uint8_t)val;
    r->cmos[at + 1] = (uint8_t)(val >> 8);
}

static void store_memory_size(struct rtc *r, uint64_t low, uint64_t high)
{
    uint64_t ext_kib = low > MIB ? (low - MIB) / KIB : 0;
    uint64_t above_4g = high / (64 * KIB);

    store16(r, BASE_MEM_LO, low < 640 * KIB ? low / KIB : 640);
    store16(r, EXT_MEM_LO, ext_kib);
    store16(r, EXT_MEM2_LO, ext_kib);
    store16(r, MEM_16M_LO, low > 16 * MIB ? (low - 16 * MIB) / (64 * KIB) : 0);
    for (unsigned i = 0; i < 3; i++)
        r->cmos[MEM_4G_LO + i] = (uint8_t)(above_4g >> (8 * i));
}

static void store_drives(struct rtc *r, const struct rtc_config *cfg)
{
    unsigned n = (cfg->floppy[0] != 0) + (cfg->floppy[1] != 0);

    r->cmos[FLOPPY_TYPES] = (uint8_t)(cfg->floppy[0] << 4 | cfg->floppy[1]);
    if (n)
        r->cmos[EQUIPMENT] |= (uint8_t)(EQUIPMENT_FLOPPY | (n - 1) << 6);
    r->cmos[BOOT_FIRST_TWO] = (uint8_t)(cfg->boot[0] | cfg->boot[1] << 4);
    r->cmos[BOOT_THIRD] = (uint8_t)(cfg->boot[2] << 4);
}

static void store_checksum(struct rtc *r)
{
    unsigned sum = 0;

    for (unsigned i = SUM_FIRST; i <= SUM_LAST; i++)
        sum += r->cmos[i];
    r->cmos[SUM_HI] = (uint8_t)(sum >> 8);
    r->cmos[SUM_LO] = (uint8_t)sum;
}

void rtc_init(struct rtc *r, const struct rtc_config *cfg)
{
    int64_t t = clamp_time(cfg->realtime(cfg->opaque));

    memset(r, 0, sizeof(*r));
    r->wiring = *cfg;
    timer_init(&r->timer, rtc_tick, r);
    r->cmos[REG_A] = 0x26; /* 32.768 kHz, 1024 Hz: what a PC's firmware leaves */
    r->cmos[REG_B] = B_24H;
    r->cmos[REG_D] = D_VRT;
    r->cmos[EQUIPMENT] = EQUIPMENT_FPU;
    store_time(r, t);
    r->cmos[DAY_OF_WEEK] = encode(r, (unsigned)((t / SEC_PER_DAY + 4) % 7) + 1); /* 1970: Thu */
    store_memory_size(r, cfg->low_ram, cfg->high_ram);
    store_drives(r, cfg);
    store_checksum(r);
    r->div_base = clock_now(cfg->clock);
    rtc_reset(r);
}

static const struct io_ops rtc_ops = {rtc_read, rtc_write, 1, 1};

int rtc_attach(struct rtc *r, struct bus *ports)
{
    return bus_add(ports, 0x70, 2, &rtc_ops, r, "rtc");
}

static const struct field rtc_fields[] = {
    FIELD(struct rtc, cmos),         FIELD(struct rtc, index),        FIELD(struct rtc, nmi_masked),
    FIELD(struct rtc, offset_known), FIELD(struct rtc, offset),       FIELD(struct rtc, div_base),
    FIELD(struct rtc, updates_done), FIELD(struct rtc, periods_done), FIELD_END,
};

const struct dev_class rtc_class = {
    .name = "mc146818", .fields = rtc_fields, .reset = rtc_reset, .restored = rtc_restored};
