/* vga_priv.h - register names (IBM VGA/XGA Technical Reference, chapter 2) and what the parts of
 * the VGA share. */
#ifndef DRAGOMAN_DEVICES_VGA_PRIV_H
#define DRAGOMAN_DEVICES_VGA_PRIV_H

#include "devices/vga.h"

enum { VGA_WINDOW = 0xa0000, VGA_WINDOW_BYTES = 0x20000 };

enum { /* miscellaneous output */
       MISC_COLOR = 1 << 0,
       MISC_RAM_ENABLE = 1 << 1,
       MISC_CLOCK_28MHZ = 1 << 2,
};

enum { /* sequencer */
       SEQ_RESET,
       SEQ_CLOCKING,
       SEQ_MAP_MASK,
       SEQ_CHAR_MAP,
       SEQ_MEMORY_MODE,
       CLOCKING_8_DOTS = 1 << 0,
       CLOCKING_HALF = 1 << 3, /* dot clock divided by two */
       CLOCKING_SCREEN_OFF = 1 << 5,
       MEMORY_NOT_ODD_EVEN = 1 << 2,
       MEMORY_CHAIN_4 = 1 << 3,
};

enum { /* CRT controller */
       CRTC_H_TOTAL = 0x00,
       CRTC_H_DISPLAY_END = 0x01,
       CRTC_V_TOTAL = 0x06,
       CRTC_OVERFLOW = 0x07,
       CRTC_PRESET_ROW = 0x08,
       CRTC_MAX_SCAN_LINE = 0x09,
       CRTC_CURSOR_START = 0x0a,
       CRTC_CURSOR_END = 0x0b,
       CRTC_START_HIGH = 0x0c,
       CRTC_CURSOR_HIGH = 0x0e,
       CRTC_V_RETRACE_START = 0x10,
       CRTC_V_RETRACE_END = 0x11,
       CRTC_V_DISPLAY_END = 0x12,
       CRTC_OFFSET = 0x13,
       CRTC_UNDERLINE = 0x14,
       CRTC_MODE = 0x17,
       CRTC_LINE_COMPARE = 0x18,
       OVERFLOW_LINE_COMPARE = 1 << 4, /* the one bit of 07h that is never protected */
       MAX_SCAN_DOUBLE = 1 << 7,
       CURSOR_OFF = 1 << 5,
       RETRACE_PROTECT = 1 << 7,
       UNDERLINE_COUNT_BY_4 = 1 << 5,
       UNDERLINE_DWORD = 1 << 6,
       MODE_NOT_ROW_SCAN_0 = 1 << 0, /* clear: row scan bit 0 is address bit 13 */
       MODE_NOT_ROW_SCAN_1 = 1 << 1,
       MODE_HALF_LINES = 1 << 2,
       MODE_COUNT_BY_2 = 1 << 3,
       MODE_WRAP_15 = 1 << 5,
       MODE_BYTE = 1 << 6,
       MODE_NOT_RESET = 1 << 7,
};

enum { /* graphics controller */
       GFX_SET_RESET,
       GFX_ENABLE_SET_RESET,
       GFX_COLOR_COMPARE,
       GFX_ROTATE,
       GFX_READ_MAP,
       GFX_MODE,
       GFX_MISC,
       GFX_COLOR_DONT_CARE,
       GFX_BIT_MASK,
       GFX_MODE_WRITE = 3,
       GFX_MODE_READ_COMPARE = 1 << 3,
       GFX_MODE_ODD_EVEN = 1 << 4,
       GFX_MODE_INTERLEAVED = 1 << 5,
       GFX_MODE_256 = 1 << 6,
       GFX_MISC_GRAPHICS = 1 << 0,
       GFX_MISC_CHAIN_ODD_EVEN = 1 << 1,
};

enum { /* attribute controller */
       ATTR_MODE = 0x10,
       ATTR_OVERSCAN = 0x11,
       ATTR_PLANES = 0x12,
       ATTR_PANNING = 0x13,
       ATTR_COLOR_SELECT = 0x14,
       ATTR_INDEX_SCREEN_ON = 1 << 5,
       ATTR_MODE_LINE_GRAPHICS = 1 << 2,
       ATTR_MODE_BLINK = 1 << 3,
       ATTR_MODE_SPLIT_PANNING = 1 << 5, /* no panning below the line compare */
       ATTR_MODE_PALETTE_54 = 1 << 7,
};

enum { /* VBE (QEMU's and Bochs' VBE_DISPI_*) */
       VBE_ID,
       VBE_XRES,
       VBE_YRES,
       VBE_BPP,
       VBE_ENABLE,
       VBE_BANK,
       VBE_VIRT_WIDTH,
       VBE_VIRT_HEIGHT,
       VBE_X_OFFSET,
       VBE_Y_OFFSET,
       VBE_MEMORY_64K,
       VBE_ID_FIRST = 0xb0c0,
       VBE_ID_LAST = 0xb0c5,
       VBE_ENABLED = 1 << 0,
       VBE_GET_CAPS = 1 << 1,
       VBE_8BIT_DAC = 1 << 5,
       VBE_NO_CLEAR = 1 << 7,
       VBE_MAX_XRES = 4096,
       VBE_MAX_YRES = VGA_MAX_HEIGHT,
       VBE_MAX_BPP = 32,
};

/* What the CRTC makes of its registers. */
struct vga_frame {
    unsigned columns;      /* characters displayed */
    unsigned dots;         /* per character: 8 or 9 */
    unsigned dot_width;    /* 2: halved dot clock */
    unsigned lines;        /* scan lines displayed */
    unsigned row_height;   /* scan lines of a character row */
    unsigned repeat;       /* 2: each of them twice */
    unsigned line_compare; /* line after which the split screen begins */
    unsigned start;        /* memory address counter at the top */
    unsigned pitch;        /* of the counter from row to row */
};

/* The Bochs VBE mode, checked: it lies in display memory from `start` on. */
struct vga_vbe_frame {
    unsigned width, height, bpp;
    size_t pitch, start; /* bytes; 4 bits per pixel: of one plane */
};

static inline bool vga_vbe_on(const struct vga *v)
{
    return v->vbe[VBE_ENABLE] & VBE_ENABLED;
}

/* Packed pixels: memory is addressed linearly, and the planes do not exist. */
static inline bool vga_vbe_packed(const struct vga *v)
{
    return vga_vbe_on(v) && v->vbe[VBE_BPP] >= 8;
}

static inline bool vga_is_graphics(const struct vga *v)
{
    return v->gfx[GFX_MISC] & GFX_MISC_GRAPHICS;
}

/* Nothing is displayed: not programmed yet, or switched off. */
bool vga_is_blank(const struct vga *v);
void vga_get_frame(const struct vga *v, struct vga_frame *f);
void vga_vbe_get_frame(const struct vga *v, struct vga_vbe_frame *f);

/* The counter at the left of a scan line, and the line's number in its row. */
struct vga_line {
    unsigned counter, row_scan;
    unsigned panning; /* dots */
};

struct vga_line vga_get_line(const struct vga *v, const struct vga_frame *f, unsigned y);
/* The four planes' bytes of the line's character `column`. */
const uint8_t *vga_get_character(const struct vga *v, const struct vga_line *line, unsigned column);

/* A character cell of one scan line, resolved: VGA_CELL_DOTS from the left (bit 8) on, colours. */
enum {
    VGA_CELL_DOTS = 0x1ff,
    VGA_CELL_FG_SHIFT = 12,
    VGA_CELL_BG_SHIFT = 16,
    VGA_MAX_COLUMNS = 256
};

/* The cells of scan line y: one more than the columns, for panning. */
void vga_text_line(const struct vga *v, const struct vga_frame *f, const struct vga_line *line,
                   uint32_t cells[VGA_MAX_COLUMNS + 1]);

uint32_t vga_mem_read(void *dev, uint32_t off, unsigned size);
void vga_mem_write(void *dev, uint32_t off, unsigned size, uint32_t val);

uint16_t vga_vbe_read(const struct vga *v, unsigned index);
void vga_vbe_write(struct vga *v, unsigned index, uint16_t val);
void vga_vbe_reset(struct vga *v);

uint8_t vga_port_read(struct vga *v, unsigned port);
void vga_port_write(struct vga *v, unsigned port, uint8_t val);

#endif
