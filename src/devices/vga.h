/* vga.h - a VGA with the Bochs VBE extensions, as SeaVGABIOS for QEMU's standard VGA expects it
 * (IBM VGA/XGA Technical Reference; QEMU's docs/specs/standard-vga).
 *
 *   ports   3B0h-3BBh, 3C0h-3DFh          sequencer, CRTC, graphics, attribute controller, DAC
 *           1CEh index, 1CFh and 1D0h data   VBE
 *   memory  A0000h-BFFFFh                 through the four planes' latches, or banked (VBE)
 *   BAR0    16 MiB                        display memory, linear: the board's RAM
 *   BAR2    4 KiB                         vga_mmio_ops: the ports 3C0h-3DFh at 400h, VBE at 500h
 *
 * Display memory is the board's (`vram`), so that it can be guest RAM; the device never moves it.
 * Byte `a` of plane p lies at vram[4a + p]. What is shown is a function of registers, memory and
 * the clock (blinking): vga_render() and vga_text() change nothing in the device. They find out by
 * themselves what changed, by a hash of all that a line is made of; so whoever writes to display
 * memory needs to tell nobody.
 */
#ifndef DRAGOMAN_DEVICES_VGA_H
#define DRAGOMAN_DEVICES_VGA_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/device.h"

enum {
    VGA_PCI_VENDOR = 0x1234,
    VGA_PCI_DEVICE = 0x1111,
    VGA_PCI_CLASS = 0x0300, /* VGA compatible controller */
    VGA_PCI_REVISION = 2,   /* Linux looks for the registers at 600h of BAR2 from this one on */
    VGA_VRAM_BYTES = 16 << 20,
    VGA_MMIO_BYTES = 4096,
};

enum {
    VGA_SEQ_REGS = 8,
    VGA_CRTC_REGS = 0x19,
    VGA_GFX_REGS = 9,
    VGA_ATTR_REGS = 0x15,
    VGA_DAC_BYTES = 768,
    VGA_VBE_REGS = 11,
    VGA_PLANES = 4,
    VGA_MAX_WIDTH = 4608, /* 256 characters of 9 dots, doubled */
    VGA_MAX_HEIGHT = 4096,
};

struct vga_config {
    uint8_t *vram;     /* zeroed; stays the caller's */
    size_t vram_bytes; /* a power of two from 256 KiB to 64 MiB */
    struct clock *clock;
};

struct vga {
    uint8_t misc, feature;
    uint8_t seq_index, seq[VGA_SEQ_REGS];
    uint8_t crtc_index, crtc[VGA_CRTC_REGS];
    uint8_t gfx_index, gfx[VGA_GFX_REGS];
    uint8_t attr_index, attr[VGA_ATTR_REGS];
    uint8_t attr_data; /* flip-flop: the next write to 3C0h is data */
    uint8_t dac_mask, dac_reading, dac_phase;
    uint8_t dac_index, dac_read_index;
    uint8_t dac_cache[2]; /* red and green of a write: all three change at once */
    uint8_t dac[VGA_DAC_BYTES];
    uint8_t latch[VGA_PLANES];
    uint16_t vbe_index, vbe[VGA_VBE_REGS];
    uint8_t vbe_low; /* of a word at 1CFh */

    struct vga_config wiring;
};

extern const struct dev_class vga_class;

/* BAR2. The device is the struct vga. */
extern const struct io_ops vga_mmio_ops;

void vga_init(struct vga *v, const struct vga_config *cfg);
/* Ports and the memory window. 0, -EBUSY or -ENOSPC. */
int vga_attach(struct vga *v, struct bus *ports, struct bus *mmio) MUST_CHECK;

/* ---- the picture ---- */

struct vga_surface {
    unsigned width, height;
    size_t stride;    /* pixels from one line to the next */
    uint32_t *pixels; /* 00RRGGBBh */
};

/* What a surface shows, as of the last vga_render() with it. All zero: nothing known. */
struct vga_shown {
    uint64_t line[VGA_MAX_HEIGHT];   /* hash of what the line was made of */
    uint8_t changed[VGA_MAX_HEIGHT]; /* by the last vga_render() */
};

struct vga_rows {
    unsigned first, end; /* equal: none */
};

/* Size of the picture in dots: never 0, at most VGA_MAX_WIDTH by VGA_MAX_HEIGHT. */
void vga_size(const struct vga *v, unsigned *width, unsigned *height);

/* Draws the lines that changed, clipped to the surface, and says which are in between. A surface
 * that changed its size or lost its pixels needs a zeroed *shown. */
struct vga_rows vga_render(const struct vga *v, struct vga_shown *shown,
                           const struct vga_surface *s);

/* ---- the screen as text ---- */

enum { VGA_TEXT_COLUMNS = 256, VGA_TEXT_ROWS = 128 };

struct vga_text {
    unsigned columns, rows;
    bool cursor;
    unsigned cursor_column, cursor_row;             /* when `cursor` */
    uint16_t cell[VGA_TEXT_ROWS][VGA_TEXT_COLUMNS]; /* attribute << 8 | character */
};

/* False in graphics modes and when the screen is off; *t is empty then. */
bool vga_text(const struct vga *v, struct vga_text *t);

#endif
