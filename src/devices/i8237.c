#include "devices/i8237.h"

#include <assert.h>
#include <string.h>

enum { /* register numbers behind the channels' */
       REG_STATUS = 8,
       REG_REQUEST = 9,
       REG_MASK_ONE = 10,
       REG_MODE = 11,
       REG_CLEAR_POINTER = 12,
       REG_MASTER_CLEAR = 13,
       REG_CLEAR_MASK = 14,
       REG_MASK_ALL = 15,
       REGS = 16,
};

enum {
    COMMAND_OFF = 1 << 2,
    MODE_TRANSFER = 3 << 2,
    MODE_WRITE = 1 << 2, /* to memory */
    MODE_READ = 2 << 2,
    MODE_AUTOINIT = 1 << 4,
    MODE_DOWN = 1 << 5,
    PAGE_BASE = 0x81,
};

static uint8_t half(uint16_t val, bool high)
{
    return (uint8_t)(high ? val >> 8 : val);
}

static void set_half(uint16_t *reg, bool high, uint8_t val)
{
    *reg = (uint16_t)(high ? (*reg & 0xff) | val << 8 : (*reg & 0xff00) | val);
}

static uint8_t read_reg(struct i8237_controller *c, unsigned reg)
{
    const struct i8237_channel *ch = &c->channel[reg / 2 % I8237_CHANNELS];
    bool high = c->high_byte;
    uint8_t val;

    if (reg >= REG_STATUS) {
        val = reg == REG_STATUS ? c->status : reg == REG_MASK_ALL ? c->mask | 0xf0 : 0;
        if (reg == REG_STATUS)
            c->status &= 0xf0; /* reading forgets the terminal counts */
        return val;
    }
    c->high_byte = !high;
    return half(reg % 2 ? ch->count : ch->address, high);
}

static void write_control(struct i8237_controller *c, unsigned reg, uint8_t val)
{
    uint8_t bit = (uint8_t)(1 << (val & 3));

    if (reg == REG_STATUS)
        c->command = val;
    else if (reg == REG_MASK_ONE)
        c->mask = val & 4 ? c->mask | bit : c->mask & (uint8_t)~bit;
    else if (reg == REG_MODE)
        c->channel[val & 3].mode = val;
    else if (reg == REG_CLEAR_POINTER)
        c->high_byte = 0;
    else if (reg == REG_CLEAR_MASK)
        c->mask = 0;
    else if (reg == REG_MASK_ALL)
        c->mask = val & 15;
    if (reg != REG_MASTER_CLEAR)
        return;
    c->command = c->status = c->high_byte = 0;
    c->mask = 15;
}

static void write_reg(struct i8237_controller *c, unsigned reg, uint8_t val)
{
    struct i8237_channel *ch = &c->channel[reg / 2 % I8237_CHANNELS];
    bool high = c->high_byte;

    if (reg >= REG_STATUS) {
        write_control(c, reg, val);
        return;
    }
    c->high_byte = !high;
    set_half(reg % 2 ? &ch->base_count : &ch->base_address, high, val);
    set_half(reg % 2 ? &ch->count : &ch->address, high, val);
}

/* The second controller's registers are two ports apart. */
static uint32_t bytes_read(void *dev, uint32_t off, unsigned size)
{
    (void)size;
    return read_reg(&((struct i8237 *)dev)->ctl[0], off);
}

static void bytes_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    (void)size;
    write_reg(&((struct i8237 *)dev)->ctl[0], off, (uint8_t)val);
}

static uint32_t words_read(void *dev, uint32_t off, unsigned size)
{
    (void)size;
    return read_reg(&((struct i8237 *)dev)->ctl[1], off / 2);
}

static void words_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    (void)size;
    write_reg(&((struct i8237 *)dev)->ctl[1], off / 2, (uint8_t)val);
}

static uint32_t page_read(void *dev, uint32_t off, unsigned size)
{
    (void)size;
    return ((struct i8237 *)dev)->page[off];
}

static void page_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    (void)size;
    ((struct i8237 *)dev)->page[off] = (uint8_t)val;
}

/* ---- transfers ---- */

/* Port of each channel's page register; 4, the cascade, has none of its own (8Fh is refresh). */
static const uint8_t page_port[2 * I8237_CHANNELS] = {0x87, 0x83, 0x81, 0x82,
                                                      0x8f, 0x8b, 0x89, 0x8a};

struct transfer {
    struct i8237 *d;
    struct i8237_controller *c;
    struct i8237_channel *ch;
    unsigned channel, unit; /* bytes per count */
};

static bool begin(struct transfer *t, struct i8237 *d, unsigned channel, uint8_t kind)
{
    assert(channel < 2 * I8237_CHANNELS);
    t->d = d;
    t->c = &d->ctl[channel / I8237_CHANNELS];
    t->ch = &t->c->channel[channel % I8237_CHANNELS];
    t->channel = channel;
    t->unit = channel < I8237_CHANNELS ? 1 : 2;
    return !(t->c->mask >> (channel % I8237_CHANNELS) & 1) && !(t->c->command & COMMAND_OFF) &&
           (t->ch->mode & MODE_TRANSFER) == kind;
}

/* Word channels drive address lines 1 to 16. */
static gpa_t address_of(const struct transfer *t)
{
    gpa_t page = t->d->page[page_port[t->channel] - PAGE_BASE];

    return t->unit == 1 ? page << 16 | t->ch->address
                        : (page & 0xfe) << 16 | (gpa_t)t->ch->address << 1;
}

/* One unit is done. True: it was the last (the count passes zero). */
static bool step(struct transfer *t)
{
    unsigned bit = t->channel % I8237_CHANNELS;

    t->ch->address += (uint16_t)(t->ch->mode & MODE_DOWN ? -1 : 1);
    if (t->ch->count-- != 0)
        return false;
    t->c->status |= (uint8_t)(1 << bit);
    if (t->ch->mode & MODE_AUTOINIT) {
        t->ch->address = t->ch->base_address;
        t->ch->count = t->ch->base_count;
    } else {
        t->c->mask |= (uint8_t)(1 << bit);
    }
    return true;
}

/* Memory that is not there takes the bytes and gives ones, as the bus does. */
size_t i8237_write(struct i8237 *d, unsigned channel, const uint8_t *buf, size_t len, bool *tc)
{
    struct transfer t;
    size_t n = 0;

    *tc = false;
    if (!begin(&t, d, channel, MODE_WRITE))
        return 0;
    for (; n + t.unit <= len && !*tc; n += t.unit) {
        (void)!physmem_write(d->mem, address_of(&t), buf + n, t.unit);
        *tc = step(&t);
    }
    return n;
}

size_t i8237_read(struct i8237 *d, unsigned channel, uint8_t *buf, size_t len, bool *tc)
{
    struct transfer t;
    size_t n = 0;

    *tc = false;
    if (!begin(&t, d, channel, MODE_READ))
        return 0;
    for (; n + t.unit <= len && !*tc; n += t.unit) {
        if (physmem_read(d->mem, address_of(&t), buf + n, t.unit) < 0)
            memset(buf + n, 0xff, t.unit);
        *tc = step(&t);
    }
    return n;
}

static void i8237_reset(void *dev)
{
    struct i8237 *d = dev;

    memset(d->ctl, 0, sizeof(d->ctl));
    memset(d->page, 0, sizeof(d->page));
    d->ctl[0].mask = d->ctl[1].mask = 15;
}

void i8237_init(struct i8237 *d, struct physmem *mem)
{
    memset(d, 0, sizeof(*d));
    d->mem = mem;
    i8237_reset(d);
}

static const struct io_ops bytes_ops = {bytes_read, bytes_write, 1, 1};
static const struct io_ops words_ops = {words_read, words_write, 1, 1};
static const struct io_ops page_ops = {page_read, page_write, 1, 1};

int i8237_attach(struct i8237 *d, struct bus *ports)
{
    int err = bus_add(ports, 0x00, REGS, &bytes_ops, d, "dma 0-3");

    if (err == 0)
        err = bus_add(ports, 0xc0, 2 * REGS, &words_ops, d, "dma 4-7");
    return err < 0 ? err : bus_add(ports, PAGE_BASE, I8237_PAGES, &page_ops, d, "dma pages");
}

static const struct field i8237_fields[] = {FIELD(struct i8237, ctl), FIELD(struct i8237, page),
                                            FIELD_END};

const struct dev_class i8237_class = {
    .name = "i8237", .fields = i8237_fields, .reset = i8237_reset};
