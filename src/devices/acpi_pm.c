#include "devices/acpi_pm.h"

#include <string.h>

enum { /* PM1 status and enable (4.7.3.1) */
       PM1_TMR = 1 << 0,
       PM1_GBL = 1 << 5,
       PM1_PWRBTN = 1 << 8,
       PM1_SLPBTN = 1 << 9,
       PM1_RTC = 1 << 10,
       PM1_EVENTS = PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_SLPBTN | PM1_RTC,
       GPE_EVENTS = 0xffff,
};

enum { /* PM1 control (4.7.3.2) */
       CNT_SCI_EN = 1 << 0,
       CNT_BM_RLD = 1 << 1,
       CNT_SLP_TYP_SHIFT = 10,
       CNT_SLP_TYP = 7 << CNT_SLP_TYP_SHIFT,
       CNT_SLP_EN = 1 << 13, /* write-only */
};

static uint64_t timer_ticks(const struct acpi_pm *pm)
{
    return muldiv64(clock_now(pm->clock), ACPI_PM_TIMER_HZ, NS_PER_SEC);
}

/* TMR_STS is set whenever the top bit of the counter changes, in either direction. */
static void sync_timer(struct acpi_pm *pm)
{
    uint64_t toggles = timer_ticks(pm) >> (pm->timer_bits - 1);

    if (toggles != pm->toggles)
        pm->pm1.sts |= PM1_TMR;
    pm->toggles = toggles;
}

static void update(struct acpi_pm *pm)
{
    uint64_t deadline = CLOCK_NEVER;
    bool event;

    sync_timer(pm);
    event = (pm->pm1.sts & pm->pm1.en) || (pm->gpe0.sts & pm->gpe0.en);
    line_set(&pm->sci, (pm->cnt & CNT_SCI_EN) && event);
    if ((pm->pm1.en & PM1_TMR) && !(pm->pm1.sts & PM1_TMR))
        deadline =
            muldiv64((pm->toggles + 1) << (pm->timer_bits - 1), NS_PER_SEC, ACPI_PM_TIMER_HZ) + 1;
    timer_set(pm->clock, &pm->timer, deadline);
}

static void timer_toggled(void *dev, uint64_t now)
{
    (void)now;
    update(dev);
}

static uint8_t byte_of(uint32_t val, uint32_t off)
{
    return (uint8_t)(val >> (8 * off));
}

static uint32_t events_read(const struct acpi_events *e, uint32_t off, unsigned size)
{
    uint32_t all = e->sts | (uint32_t)e->en << 16, val = 0;

    for (unsigned i = 0; i < size; i++)
        val |= (uint32_t)byte_of(all, off + i) << (8 * i);
    return val;
}

static void events_write(struct acpi_events *e, uint32_t off, unsigned size, uint32_t val,
                         uint16_t implemented)
{
    for (unsigned i = 0; i < size; i++) {
        unsigned at = off + i, shift = at % 2 * 8;
        uint16_t bits = (uint16_t)(byte_of(val, i) << shift);

        if (at < 2)
            e->sts &= (uint16_t)~bits;
        else
            e->en = (uint16_t)((e->en & ~(0xff << shift)) | (bits & implemented));
    }
}

static uint32_t pm1_read(void *dev, uint32_t off, unsigned size)
{
    struct acpi_pm *pm = dev;

    update(pm);
    return events_read(&pm->pm1, off, size);
}

static void pm1_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct acpi_pm *pm = dev;

    update(pm);
    events_write(&pm->pm1, off, size, val, PM1_EVENTS);
    update(pm);
}

static uint32_t gpe0_read(void *dev, uint32_t off, unsigned size)
{
    struct acpi_pm *pm = dev;

    return events_read(&pm->gpe0, off, size);
}

static void gpe0_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct acpi_pm *pm = dev;

    events_write(&pm->gpe0, off, size, val, GPE_EVENTS);
    update(pm);
}

static uint32_t cnt_read(void *dev, uint32_t off, unsigned size)
{
    struct acpi_pm *pm = dev;

    (void)size;
    return pm->cnt >> (8 * off);
}

/* SCI_EN belongs to the firmware: the guest's writes leave it alone (4.7.3.2.1). Only S5 is
 * offered to the guest, so other sleep types do nothing. */
static void cnt_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct acpi_pm *pm = dev;
    uint16_t bits = (uint16_t)(val << (8 * off));
    uint16_t mask = (CNT_BM_RLD | CNT_SLP_TYP) & (size == 2 ? 0xffff : 0xff << (8 * off));

    pm->cnt = (uint16_t)((pm->cnt & ~mask) | (bits & mask));
    if ((bits & CNT_SLP_EN) && (pm->cnt & CNT_SLP_TYP) >> CNT_SLP_TYP_SHIFT == ACPI_SLP_TYP_S5)
        line_set(&pm->power, true);
}

static uint32_t tmr_read(void *dev, uint32_t off, unsigned size)
{
    struct acpi_pm *pm = dev;
    uint32_t ticks = (uint32_t)timer_ticks(pm);

    (void)off;
    (void)size;
    return pm->timer_bits == 32 ? ticks : ticks & 0xffffff;
}

static void tmr_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    (void)dev; /* read-only (4.7.3.3) */
    (void)off;
    (void)size;
    (void)val;
}

static uint32_t smi_read(void *dev, uint32_t off, unsigned size)
{
    struct acpi_pm *pm = dev;

    (void)size;
    return pm->smi[off];
}

static void smi_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct acpi_pm *pm = dev;

    (void)size;
    pm->smi[off] = (uint8_t)val;
    if (off == 0 && val == ACPI_PM_ENABLE)
        pm->cnt |= CNT_SCI_EN;
    else if (off == 0 && val == ACPI_PM_DISABLE)
        pm->cnt &= (uint16_t)~CNT_SCI_EN;
    update(pm);
}

void acpi_pm_press_power(struct acpi_pm *pm)
{
    pm->pm1.sts |= PM1_PWRBTN;
    update(pm);
}

static void acpi_pm_reset(void *dev)
{
    struct acpi_pm *pm = dev;

    memset(&pm->pm1, 0, sizeof(pm->pm1));
    memset(&pm->gpe0, 0, sizeof(pm->gpe0));
    memset(pm->smi, 0, sizeof(pm->smi));
    pm->cnt = 0;
    pm->toggles = timer_ticks(pm) >> (pm->timer_bits - 1);
    line_set(&pm->power, false);
    update(pm);
}

static void acpi_pm_restored(void *dev)
{
    update(dev);
}

void acpi_pm_init(struct acpi_pm *pm, struct clock *clock, const struct acpi_pm_lines *lines,
                  bool timer_32bit)
{
    memset(pm, 0, sizeof(*pm));
    pm->clock = clock;
    pm->sci = lines->sci;
    pm->power = lines->power;
    pm->timer_bits = timer_32bit ? 32 : 24;
    timer_init(&pm->timer, timer_toggled, pm);
    acpi_pm_reset(pm);
}

static const struct io_ops pm1_ops = {pm1_read, pm1_write, 1, 2};
static const struct io_ops cnt_ops = {cnt_read, cnt_write, 1, 2};
static const struct io_ops tmr_ops = {tmr_read, tmr_write, 4, 4};
static const struct io_ops gpe0_ops = {gpe0_read, gpe0_write, 1, 2};
static const struct io_ops smi_ops = {smi_read, smi_write, 1, 1};

static const struct {
    uint16_t at, len;
    const struct io_ops *ops;
    const char *name;
} blocks[] = {
    {ACPI_PM_EVT, 4, &pm1_ops, "acpi pm1 events"},
    {ACPI_PM_CNT, 2, &cnt_ops, "acpi pm1 control"},
    {ACPI_PM_TMR, 4, &tmr_ops, "acpi timer"},
    {ACPI_PM_GPE0, 4, &gpe0_ops, "acpi gpe0"},
};

int acpi_pm_attach(struct acpi_pm *pm, struct bus *ports)
{
    return bus_add(ports, ACPI_SMI_CMD, 2, &smi_ops, pm, "smi command");
}

/* A guest may aim them at ports that are taken: then a block is left out. */
void acpi_pm_move(struct acpi_pm *pm, struct bus *ports, uint16_t base)
{
    if (base == pm->base)
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(blocks); i++) {
        if (pm->mapped & 1 << i)
            bus_remove(ports, pm->base + blocks[i].at);
        pm->mapped &= (uint8_t) ~(1 << i);
    }
    pm->base = base;
    for (unsigned i = 0; i < ARRAY_SIZE(blocks) && base; i++)
        if (bus_add(ports, base + blocks[i].at, blocks[i].len, blocks[i].ops, pm, blocks[i].name) ==
            0)
            pm->mapped |= (uint8_t)(1 << i);
}

static const struct field acpi_pm_fields[] = {
    FIELD(struct acpi_pm, pm1), FIELD(struct acpi_pm, gpe0),    FIELD(struct acpi_pm, cnt),
    FIELD(struct acpi_pm, smi), FIELD(struct acpi_pm, toggles), FIELD_END,
};

const struct dev_class acpi_pm_class = {.name = "acpi-pm",
                                        .fields = acpi_pm_fields,
                                        .reset = acpi_pm_reset,
                                        .restored = acpi_pm_restored};
