/* Registers and ports. Memory: vga_mem.c; VBE: vga_vbe.c; the picture: vga_frame.c, vga_draw.c,
 * vga_text.c. */
#include "devices/vga.h"

#include <assert.h>
#include <string.h>

#include "devices/vga_priv.h"

enum { /* ports; those of the CRTC and 3DAh are at 3Bxh for a monochrome display */
       PORT_ATTR = 0x3c0,
       PORT_ATTR_DATA = 0x3c1,
       PORT_MISC = 0x3c2,
       PORT_SEQ = 0x3c4,
       PORT_SEQ_DATA = 0x3c5,
       PORT_DAC_MASK = 0x3c6,
       PORT_DAC_READ = 0x3c7,
       PORT_DAC_WRITE = 0x3c8,
       PORT_DAC_DATA = 0x3c9,
       PORT_FEATURE_READ = 0x3ca,
       PORT_MISC_READ = 0x3cc,
       PORT_GFX = 0x3ce,
       PORT_GFX_DATA = 0x3cf,
       PORT_CRTC = 0x3d4,
       PORT_CRTC_DATA = 0x3d5,
       PORT_STATUS = 0x3da,
       MONO_BASE = 0x3b0,
       MONO_PORTS = 12,
       VGA_BASE = 0x3c0,
       VGA_PORTS = 32,
       VBE_BASE = 0x1ce,
       VBE_PORTS = 4, /* 1CEh; 1CFh, where x86 has its data; 1D0h, where others have it */
};

enum {
    STATUS_0_SENSE = 1 << 4, /* a colour display */
    STATUS_1_BLANK = 1 << 0,
    STATUS_1_RETRACE = 1 << 3,
    DAC_STATE_READ = 3,
};

/* ---- input status register 1 ---- */

/* The CRTC's counters, in characters and lines. */
struct timing {
    unsigned h_total, h_display, v_total, v_display, retrace, retrace_end;
    uint64_t char_hz;
};

static unsigned with_overflow(const struct vga *v, unsigned reg, unsigned bit8, unsigned bit9)
{
    unsigned overflow = v->crtc[CRTC_OVERFLOW];

    return v->crtc[reg] | (overflow >> bit8 & 1) << 8 | (overflow >> bit9 & 1) << 9;
}

static void get_timing(const struct vga *v, struct timing *t)
{
    static const struct timing standard = {100, 80, 525, 480, 490, 492, 25175000 / 8};
    unsigned dots = (v->seq[SEQ_CLOCKING] & CLOCKING_8_DOTS ? 8 : 9) *
                    (v->seq[SEQ_CLOCKING] & CLOCKING_HALF ? 2 : 1);
    unsigned width;

    t->h_total = v->crtc[CRTC_H_TOTAL] + 5u;
    t->h_display = v->crtc[CRTC_H_DISPLAY_END] + 1u;
    t->v_total = with_overflow(v, CRTC_V_TOTAL, 0, 5) + 2;
    t->v_display = with_overflow(v, CRTC_V_DISPLAY_END, 1, 6) + 1;
    t->retrace = with_overflow(v, CRTC_V_RETRACE_START, 2, 7);
    width = (v->crtc[CRTC_V_RETRACE_END] - t->retrace) & 15;
    t->retrace_end = t->retrace + (width ? width : 16);
    t->char_hz = (v->misc & MISC_CLOCK_28MHZ ? 28322000 : 25175000) / dots;
    /* VBE has no timing, and what polls an unprogrammed CRTC must not wait for ever. */
    if (vga_vbe_on(v) || t->h_display >= t->h_total || t->v_display >= t->v_total ||
        t->retrace < t->v_display || t->retrace >= t->v_total)
        *t = standard;
}

static uint8_t status_1(const struct vga *v)
{
    struct timing t;
    uint64_t at;
    unsigned line, column;
    uint8_t status = 0;

    get_timing(v, &t);
    at = muldiv64(clock_now(v->wiring.clock), t.char_hz, NS_PER_SEC);
    column = (unsigned)(at % t.h_total);
    line = (unsigned)(at / t.h_total % t.v_total);
    if (line >= t.v_display || column >= t.h_display)
        status |= STATUS_1_BLANK;
    if (line >= t.retrace && line < t.retrace_end)
        status |= STATUS_1_RETRACE;
    return status;
}

/* ---- registers ---- */

static void write_attr(struct vga *v, uint8_t val)
{
    unsigned index = v->attr_index & 0x1f;

    if (!v->attr_data)
        v->attr_index = val & 0x3f;
    else if (index < ATTR_MODE)
        v->attr[index] = val & 0x3f;
    else if (index < VGA_ATTR_REGS)
        v->attr[index] = val;
    v->attr_data ^= 1;
}

static uint8_t read_attr(const struct vga *v)
{
    unsigned index = v->attr_index & 0x1f;

    return index < VGA_ATTR_REGS ? v->attr[index] : 0;
}

static void write_seq(struct vga *v, uint8_t val)
{
    static const uint8_t writable[VGA_SEQ_REGS] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};

    v->seq[v->seq_index] = val & writable[v->seq_index];
}

static void write_gfx(struct vga *v, uint8_t val)
{
    static const uint8_t writable[VGA_GFX_REGS] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03,
                                                   0x7b, 0x0f, 0x0f, 0xff};

    if (v->gfx_index < VGA_GFX_REGS)
        v->gfx[v->gfx_index] = val & writable[v->gfx_index];
}

static void write_crtc(struct vga *v, uint8_t val)
{
    unsigned index = v->crtc_index;

    if (index >= VGA_CRTC_REGS)
        return;
    if (index <= CRTC_OVERFLOW && (v->crtc[CRTC_V_RETRACE_END] & RETRACE_PROTECT)) {
        if (index == CRTC_OVERFLOW)
            v->crtc[index] =
                (v->crtc[index] & (uint8_t)~OVERFLOW_LINE_COMPARE) | (val & OVERFLOW_LINE_COMPARE);
        return;
    }
    v->crtc[index] = val;
}

static uint8_t dac_bits(const struct vga *v)
{
    return v->vbe[VBE_ENABLE] & VBE_8BIT_DAC ? 0xff : 0x3f;
}

static void write_dac(struct vga *v, uint8_t val)
{
    val &= dac_bits(v);
    if (v->dac_phase < 2) {
        v->dac_cache[v->dac_phase++] = val;
        return;
    }
    v->dac[v->dac_index * 3] = v->dac_cache[0];
    v->dac[v->dac_index * 3 + 1] = v->dac_cache[1];
    v->dac[v->dac_index * 3 + 2] = val;
    v->dac_phase = 0;
    v->dac_index++;
}

static uint8_t read_dac(struct vga *v)
{
    uint8_t val = v->dac[v->dac_read_index * 3 + v->dac_phase];

    if (++v->dac_phase == 3) {
        v->dac_phase = 0;
        v->dac_read_index++;
    }
    return val;
}

static void start_dac(struct vga *v, uint8_t index, bool reading)
{
    *(reading ? &v->dac_read_index : &v->dac_index) = index;
    v->dac_reading = reading;
    v->dac_phase = 0;
}

static uint8_t read_status_1(struct vga *v)
{
    v->attr_data = 0;
    return status_1(v);
}

uint8_t vga_port_read(struct vga *v, unsigned port)
{
    switch (port) {
    case PORT_ATTR:
        return v->attr_index;
    case PORT_ATTR_DATA:
        return read_attr(v);
    case PORT_MISC:
        return STATUS_0_SENSE;
    case PORT_SEQ:
        return v->seq_index;
    case PORT_SEQ_DATA:
        return v->seq[v->seq_index];
    case PORT_DAC_MASK:
        return v->dac_mask;
    case PORT_DAC_READ:
        return v->dac_reading ? DAC_STATE_READ : 0;
    case PORT_DAC_WRITE:
        return v->dac_index;
    case PORT_DAC_DATA:
        return read_dac(v);
    case PORT_FEATURE_READ:
        return v->feature;
    case PORT_MISC_READ:
        return v->misc;
    case PORT_GFX:
        return v->gfx_index;
    case PORT_GFX_DATA:
        return v->gfx_index < VGA_GFX_REGS ? v->gfx[v->gfx_index] : 0;
    case PORT_CRTC:
        return v->crtc_index;
    case PORT_CRTC_DATA:
        return v->crtc_index < VGA_CRTC_REGS ? v->crtc[v->crtc_index] : 0;
    case PORT_STATUS:
        return read_status_1(v);
    default:
        return 0xff;
    }
}

void vga_port_write(struct vga *v, unsigned port, uint8_t val)
{
    switch (port) {
    case PORT_ATTR:
        write_attr(v, val);
        break;
    case PORT_MISC:
        v->misc = val;
        break;
    case PORT_SEQ:
        v->seq_index = val & (VGA_SEQ_REGS - 1);
        break;
    case PORT_SEQ_DATA:
        write_seq(v, val);
        break;
    case PORT_DAC_MASK:
        v->dac_mask = val;
        break;
    case PORT_DAC_READ:
    case PORT_DAC_WRITE:
        start_dac(v, val, port == PORT_DAC_READ);
        break;
    case PORT_DAC_DATA:
        write_dac(v, val);
        break;
    case PORT_GFX:
        v->gfx_index = val & 0x0f;
        break;
    case PORT_GFX_DATA:
        write_gfx(v, val);
        break;
    case PORT_CRTC:
        v->crtc_index = val & 0x3f;
        break;
    case PORT_CRTC_DATA:
        write_crtc(v, val);
        break;
    case PORT_STATUS:
        v->feature = val & 0x0b;
        break;
    }
}

/* ---- the bus ---- */

/* Either 3Bxh or 3Dxh answers, as the miscellaneous output register says. */
static bool is_elsewhere(const struct vga *v, unsigned port)
{
    return port >= VGA_BASE + 16 && !(v->misc & MISC_COLOR);
}

static uint32_t ports_read(void *dev, uint32_t off, unsigned size)
{
    struct vga *v = dev;

    (void)size;
    return is_elsewhere(v, VGA_BASE + off) ? 0xff : vga_port_read(v, VGA_BASE + off);
}

static void ports_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct vga *v = dev;

    (void)size;
    if (!is_elsewhere(v, VGA_BASE + off))
        vga_port_write(v, VGA_BASE + off, (uint8_t)val);
}

static uint32_t mono_read(void *dev, uint32_t off, unsigned size)
{
    struct vga *v = dev;

    (void)size;
    return v->misc & MISC_COLOR ? 0xff : vga_port_read(v, VGA_BASE + 16 + off);
}

static void mono_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct vga *v = dev;

    (void)size;
    if (!(v->misc & MISC_COLOR))
        vga_port_write(v, VGA_BASE + 16 + off, (uint8_t)val);
}

/* The data port is a word at an odd address, which the bus hands over as two bytes: the low half at
 * 1CFh waits for the high one at 1D0h. A word at 1CEh or 1D0h arrives whole. */
enum { VBE_OFF_INDEX = 0, VBE_OFF_LOW = 1, VBE_OFF_HIGH = 2 };

static uint32_t vbe_ports_read(void *dev, uint32_t off, unsigned size)
{
    const struct vga *v = dev;
    uint16_t data = vga_vbe_read(v, v->vbe_index);

    switch (off) {
    case VBE_OFF_INDEX:
        return v->vbe_index;
    case VBE_OFF_LOW:
        return data;
    case VBE_OFF_HIGH:
        return size == 2 ? data : data >> 8;
    default:
        return 0xff;
    }
}

static void vbe_ports_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct vga *v = dev;

    if (off == VBE_OFF_INDEX)
        v->vbe_index = (uint16_t)val;
    else if (off == VBE_OFF_LOW)
        v->vbe_low = (uint8_t)val;
    else if (off == VBE_OFF_HIGH)
        vga_vbe_write(v, v->vbe_index, (uint16_t)(size == 2 ? val : val << 8 | v->vbe_low));
}

/* BAR2 (docs/specs/standard-vga). */
enum {
    MMIO_PORTS = 0x400,
    MMIO_VBE = 0x500,
    MMIO_EXTENDED = 0x600, /* size of the extended registers: there is just this one */
    MMIO_EXTENDED_BYTES = 4,
};

static uint32_t mmio_read(void *dev, uint32_t off, unsigned size)
{
    struct vga *v = dev;
    uint32_t val = 0;

    if (off >= MMIO_VBE && off < MMIO_VBE + 2 * VGA_VBE_REGS)
        return vga_vbe_read(v, (off - MMIO_VBE) / 2) >> (off & 1 ? 8 : 0);
    if (off >= MMIO_PORTS && off < MMIO_PORTS + VGA_PORTS)
        for (unsigned i = 0; i < size; i++)
            val |= (uint32_t)vga_port_read(v, VGA_BASE + off + i - MMIO_PORTS) << (8 * i);
    if (off == MMIO_EXTENDED)
        val = MMIO_EXTENDED_BYTES;
    return val;
}

static void mmio_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct vga *v = dev;

    if (off >= MMIO_VBE && off < MMIO_VBE + 2 * VGA_VBE_REGS && size == 2)
        vga_vbe_write(v, (off - MMIO_VBE) / 2, (uint16_t)val);
    if (off >= MMIO_PORTS && off < MMIO_PORTS + VGA_PORTS)
        for (unsigned i = 0; i < size; i++)
            vga_port_write(v, VGA_BASE + off + i - MMIO_PORTS, (uint8_t)(val >> (8 * i)));
}

static const struct io_ops ports_ops = {ports_read, ports_write, 1, 1};
static const struct io_ops mono_ops = {mono_read, mono_write, 1, 1};
static const struct io_ops vbe_ops = {vbe_ports_read, vbe_ports_write, 1, 2};
static const struct io_ops mem_ops = {vga_mem_read, vga_mem_write, 1, 4};
const struct io_ops vga_mmio_ops = {mmio_read, mmio_write, 1, 2};

int vga_attach(struct vga *v, struct bus *ports, struct bus *mmio)
{
    int err = bus_add(ports, MONO_BASE, MONO_PORTS, &mono_ops, v, "vga mono");

    if (err == 0)
        err = bus_add(ports, VGA_BASE, VGA_PORTS, &ports_ops, v, "vga");
    if (err == 0)
        err = bus_add(ports, VBE_BASE, VBE_PORTS, &vbe_ops, v, "vbe");
    if (err == 0)
        err = bus_add(mmio, VGA_WINDOW, VGA_WINDOW_BYTES, &mem_ops, v, "vga memory");
    return err;
}

static void vga_reset(void *dev)
{
    struct vga *v = dev;
    struct vga_config wiring = v->wiring;

    memset(v, 0, sizeof(*v));
    v->wiring = wiring;
    v->dac_mask = 0xff;
    vga_vbe_reset(v);
}

void vga_init(struct vga *v, const struct vga_config *cfg)
{
    assert(cfg->vram_bytes >= 256 * KIB && cfg->vram_bytes <= 64 * MIB &&
           (cfg->vram_bytes & (cfg->vram_bytes - 1)) == 0);
    v->wiring = *cfg;
    vga_reset(v);
}

static const struct field vga_fields[] = {FIELD(struct vga, misc),
                                          FIELD(struct vga, feature),
                                          FIELD(struct vga, seq_index),
                                          FIELD(struct vga, seq),
                                          FIELD(struct vga, crtc_index),
                                          FIELD(struct vga, crtc),
                                          FIELD(struct vga, gfx_index),
                                          FIELD(struct vga, gfx),
                                          FIELD(struct vga, attr_index),
                                          FIELD(struct vga, attr),
                                          FIELD(struct vga, attr_data),
                                          FIELD(struct vga, dac_mask),
                                          FIELD(struct vga, dac_reading),
                                          FIELD(struct vga, dac_phase),
                                          FIELD(struct vga, dac_index),
                                          FIELD(struct vga, dac_read_index),
                                          FIELD(struct vga, dac_cache),
                                          FIELD(struct vga, dac),
                                          FIELD(struct vga, latch),
                                          FIELD(struct vga, vbe_index),
                                          FIELD(struct vga, vbe_low),
                                          FIELD(struct vga, vbe),
                                          FIELD_END};

const struct dev_class vga_class = {.name = "vga", .fields = vga_fields, .reset = vga_reset};
