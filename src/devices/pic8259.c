#include "devices/pic8259.h"

#include <assert.h>
#include <string.h>

enum { /* initialization command words (data sheet, figure 7) */
       ICW1_IC4 = 1 << 0,
       ICW1_SNGL = 1 << 1,
       ICW1_LTIM = 1 << 3,
       ICW1 = 1 << 4, /* told from OCW2 and OCW3 by this bit */
       ICW2_BASE = 0xf8,
       ICW4_AEOI = 1 << 1,
       ICW4_SFNM = 1 << 4,
};

enum { /* operation command words (figure 8) */
       OCW2_LEVEL = 7,
       OCW2_EOI = 1 << 5,
       OCW2_SL = 1 << 6,
       OCW2_R = 1 << 7,
       OCW3_RIS = 1 << 0,
       OCW3_RR = 1 << 1,
       OCW3_P = 1 << 2,
       OCW3 = 1 << 3,
       OCW3_SMM = 1 << 5,
       OCW3_ESMM = 1 << 6,
       POLL_INT = 1 << 7,
};

enum { EXPECT_OCW1, EXPECT_ICW2, EXPECT_ICW3, EXPECT_ICW4 };
enum { MASTER, SLAVE };

/* IRQ 0, 1, 2, 8 and 13 cannot be made level-triggered (82371SB, ELCR1 and ELCR2). */
static const uint8_t elcr_writable[2] = {0xf8, 0xde};

/* Distance from the highest priority: 0 is served first. */
static unsigned rank(const struct pic_chip *c, int ir)
{
    return ((unsigned)ir - c->lowest - 1) & 7;
}

/* The IR of highest priority in `set`, or -1. */
static int top(const struct pic_chip *c, uint8_t set)
{
    for (unsigned r = 0; r < 8; r++) {
        unsigned ir = (c->lowest + 1u + r) & 7;

        if (set >> ir & 1)
            return (int)ir;
    }
    return -1;
}

static uint8_t irr(const struct pic_chip *c)
{
    uint8_t by_level = c->icw1 & ICW1_LTIM ? 0xff : c->elcr;

    return (c->level & by_level) | (c->edge & (uint8_t)~by_level);
}

/* The IR for which this chip raises INT, or -1. */
static int pending(const struct pic_chip *c)
{
    int want, busy;

    if (c->expect != EXPECT_OCW1)
        return -1;
    want = top(c, irr(c) & (uint8_t)~c->imr);
    if (want < 0)
        return -1;
    /* Special mask mode: a masked level in service no longer holds back others. */
    busy = top(c, c->smm ? c->isr & (uint8_t)~c->imr : c->isr);
    if (busy < 0 || rank(c, want) < rank(c, busy))
        return want;
    /* Special fully nested mode: a slave in service may interrupt itself. */
    if (want == busy && (c->icw4 & ICW4_SFNM) && !(c->icw1 & ICW1_SNGL) && (c->icw3 >> want & 1) &&
        c == &c->pair->chip[MASTER])
        return want;
    return -1;
}

static void set_pin(struct pic_chip *c, int ir, bool level)
{
    uint8_t bit = (uint8_t)(1 << ir);

    if (!level) {
        c->level &= (uint8_t)~bit;
        c->edge &= (uint8_t)~bit;
    } else if (!(c->level & bit)) {
        c->level |= bit;
        c->edge |= bit;
    }
}

static void update(struct pic_pair *p)
{
    set_pin(&p->chip[MASTER], PIC_CASCADE, pending(&p->chip[SLAVE]) >= 0);
    line_set(&p->intr, pending(&p->chip[MASTER]) >= 0);
}

static void accept(struct pic_chip *c, int ir)
{
    uint8_t bit = (uint8_t)(1 << ir);

    c->edge &= (uint8_t)~bit;
    if (!(c->icw4 & ICW4_AEOI))
        c->isr |= bit;
    else if (c->rotate_aeoi)
        c->lowest = (uint8_t)ir;
    /* INT falls during INTA, so a further request of the slave is a new edge for the master. */
    if (c == &c->pair->chip[SLAVE])
        set_pin(&c->pair->chip[MASTER], PIC_CASCADE, false);
}

static uint8_t vector(struct pic_chip *c, int ir)
{
    if (ir >= 0)
        accept(c, ir);
    else
        ir = 7;
    return (uint8_t)((c->icw2 & ICW2_BASE) | ir);
}

int pic_ack(struct pic_pair *p)
{
    struct pic_chip *m = &p->chip[MASTER], *s = &p->chip[SLAVE];
    int ir = pending(m);
    uint8_t vec = vector(m, ir);

    if (ir == PIC_CASCADE && !(m->icw1 & ICW1_SNGL) && (m->icw3 >> PIC_CASCADE & 1))
        vec = vector(s, pending(s));
    update(p);
    return vec;
}

static void irq_set(void *dst, int pin, bool level)
{
    struct pic_pair *p = dst;

    set_pin(&p->chip[pin >> 3], pin & 7, level);
    update(p);
}

struct line pic_irq_line(struct pic_pair *p, int n)
{
    assert(n >= 0 && n < PIC_LINES && n != PIC_CASCADE);
    return (struct line){.set = irq_set, .dst = p, .pin = n};
}

static uint8_t poll_word(struct pic_chip *c)
{
    int ir = pending(c);

    c->poll = 0;
    if (ir < 0)
        return 0;
    accept(c, ir);
    update(c->pair);
    return (uint8_t)(POLL_INT | ir);
}

static uint32_t pic_read(void *dev, uint32_t off, unsigned size)
{
    struct pic_chip *c = dev;

    (void)size;
    if (c->poll)
        return poll_word(c);
    if (off == 1)
        return c->imr;
    return c->read_isr ? c->isr : irr(c);
}

static void write_icw1(struct pic_chip *c, uint8_t val)
{
    c->icw1 = val;
    c->icw4 = 0;
    c->edge = 0;
    c->imr = 0;
    c->isr = 0;
    c->lowest = 7;
    c->smm = 0;
    c->read_isr = 0;
    c->poll = 0;
    c->rotate_aeoi = 0;
    c->expect = EXPECT_ICW2;
}

/* A0=1: the rest of the initialization sequence (figure 6), then the mask. */
static void write_data(struct pic_chip *c, uint8_t val)
{
    uint8_t after = c->icw1 & ICW1_IC4 ? EXPECT_ICW4 : EXPECT_OCW1;

    switch (c->expect) {
    case EXPECT_ICW2:
        c->icw2 = val;
        c->expect = c->icw1 & ICW1_SNGL ? after : EXPECT_ICW3;
        break;
    case EXPECT_ICW3:
        c->icw3 = val;
        c->expect = after;
        break;
    case EXPECT_ICW4:
        c->icw4 = val;
        c->expect = EXPECT_OCW1;
        break;
    default:
        c->imr = val;
        break;
    }
}

static void write_ocw2(struct pic_chip *c, uint8_t val)
{
    uint8_t isr = c->smm ? c->isr & (uint8_t)~c->imr : c->isr;
    int ir = val & OCW2_SL ? val & OCW2_LEVEL : top(c, isr);

    if (!(val & OCW2_EOI)) {
        if (!(val & OCW2_SL))
            c->rotate_aeoi = (val & OCW2_R) != 0;
        else if (val & OCW2_R)
            c->lowest = val & OCW2_LEVEL;
        return;
    }
    if (ir < 0)
        return;
    c->isr &= (uint8_t) ~(1 << ir);
    if (val & OCW2_R)
        c->lowest = (uint8_t)ir;
}

static void write_ocw3(struct pic_chip *c, uint8_t val)
{
    if (val & OCW3_ESMM)
        c->smm = (val & OCW3_SMM) != 0;
    if (val & OCW3_RR)
        c->read_isr = (val & OCW3_RIS) != 0;
    c->poll = (val & OCW3_P) != 0;
}

static void pic_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct pic_chip *c = dev;

    (void)size;
    if (off == 1)
        write_data(c, (uint8_t)val);
    else if (val & ICW1)
        write_icw1(c, (uint8_t)val);
    else if (val & OCW3)
        write_ocw3(c, (uint8_t)val);
    else
        write_ocw2(c, (uint8_t)val);
    update(c->pair);
}

static uint32_t elcr_read(void *dev, uint32_t off, unsigned size)
{
    struct pic_pair *p = dev;

    (void)size;
    return p->chip[off].elcr;
}

static void elcr_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct pic_pair *p = dev;

    (void)size;
    p->chip[off].elcr = (uint8_t)val & elcr_writable[off];
    update(p);
}

/* The chip's power-on state is undefined until ICW1; all masked is the quiet choice. The pins
 * belong to the devices and keep their levels. */
static void pic_reset(void *dev)
{
    struct pic_pair *p = dev;

    for (unsigned i = 0; i < 2; i++) {
        struct pic_chip *c = &p->chip[i];

        write_icw1(c, 0);
        c->icw2 = 0;
        c->icw3 = 0;
        c->imr = 0xff;
        c->elcr = 0;
        c->expect = EXPECT_OCW1;
    }
    update(p);
}

static void pic_restored(void *dev)
{
    update(dev);
}

void pic_init(struct pic_pair *p, struct line intr)
{
    memset(p, 0, sizeof(*p));
    p->intr = intr;
    p->chip[MASTER].pair = p;
    p->chip[SLAVE].pair = p;
    pic_reset(p);
}

static const struct io_ops pic_ops = {pic_read, pic_write, 1, 1};
static const struct io_ops elcr_ops = {elcr_read, elcr_write, 1, 1};

int pic_attach(struct pic_pair *p, struct bus *ports)
{
    int err = bus_add(ports, 0x20, 2, &pic_ops, &p->chip[MASTER], "pic master");

    if (!err)
        err = bus_add(ports, 0xa0, 2, &pic_ops, &p->chip[SLAVE], "pic slave");
    if (!err)
        err = bus_add(ports, 0x4d0, 2, &elcr_ops, p, "elcr");
    return err;
}

#define CHIP_FIELDS(n)                                                                             \
    FIELD(struct pic_pair, chip[n].level), FIELD(struct pic_pair, chip[n].edge),                   \
        FIELD(struct pic_pair, chip[n].imr), FIELD(struct pic_pair, chip[n].isr),                  \
        FIELD(struct pic_pair, chip[n].elcr), FIELD(struct pic_pair, chip[n].lowest),              \
        FIELD(struct pic_pair, chip[n].icw1), FIELD(struct pic_pair, chip[n].icw2),                \
        FIELD(struct pic_pair, chip[n].icw3), FIELD(struct pic_pair, chip[n].icw4),                \
        FIELD(struct pic_pair, chip[n].expect), FIELD(struct pic_pair, chip[n].read_isr),          \
        FIELD(struct pic_pair, chip[n].poll), FIELD(struct pic_pair, chip[n].smm),                 \
        FIELD(struct pic_pair, chip[n].rotate_aeoi)

static const struct field pic_fields[] = {CHIP_FIELDS(0), CHIP_FIELDS(1), FIELD_END};

const struct dev_class pic_class = {
    .name = "i8259", .fields = pic_fields, .reset = pic_reset, .restored = pic_restored};
