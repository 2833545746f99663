/* What the CRTC's registers mean: the size of the picture, and which memory a scan line shows. */
#include "devices/vga_priv.h"

static unsigned bit_of(const struct vga *v, unsigned reg, unsigned bit, unsigned to)
{
    return (v->crtc[reg] >> bit & 1u) << to;
}

bool vga_is_blank(const struct vga *v)
{
    if (vga_vbe_on(v))
        return false;
    return (v->seq[SEQ_CLOCKING] & CLOCKING_SCREEN_OFF) || !(v->crtc[CRTC_MODE] & MODE_NOT_RESET) ||
           !(v->attr_index & ATTR_INDEX_SCREEN_ON) || !v->crtc[CRTC_H_DISPLAY_END];
}

void vga_get_frame(const struct vga *v, struct vga_frame *f)
{
    unsigned scale = v->crtc[CRTC_MODE] & MODE_HALF_LINES ? 2 : 1;

    f->columns = v->crtc[CRTC_H_DISPLAY_END] + 1u;
    f->dots = vga_is_graphics(v) || (v->seq[SEQ_CLOCKING] & CLOCKING_8_DOTS) ? 8 : 9;
    f->dot_width = v->seq[SEQ_CLOCKING] & CLOCKING_HALF ? 2 : 1;
    f->lines = scale * ((v->crtc[CRTC_V_DISPLAY_END] | bit_of(v, CRTC_OVERFLOW, 1, 8) |
                         bit_of(v, CRTC_OVERFLOW, 6, 9)) +
                        1);
    f->line_compare = scale * ((v->crtc[CRTC_LINE_COMPARE] | bit_of(v, CRTC_OVERFLOW, 4, 8) |
                                bit_of(v, CRTC_MAX_SCAN_LINE, 6, 9)) +
                               1) -
                      1;
    f->row_height = (v->crtc[CRTC_MAX_SCAN_LINE] & 0x1f) + 1u;
    f->repeat = v->crtc[CRTC_MAX_SCAN_LINE] & MAX_SCAN_DOUBLE ? 2 : 1;
    f->start = (unsigned)v->crtc[CRTC_START_HIGH] << 8 | v->crtc[CRTC_START_HIGH + 1];
    f->pitch = v->crtc[CRTC_OFFSET] * 2u;
}

/* 9-dot characters count panning from 8: no shift, 0: one dot. */
static unsigned panning_dots(const struct vga *v, const struct vga_frame *f)
{
    unsigned pan = v->attr[ATTR_PANNING] & 0x0f;

    if (f->dots == 9)
        return pan >= 8 ? 0 : pan + 1;
    return pan & 7;
}

struct vga_line vga_get_line(const struct vga *v, const struct vga_frame *f, unsigned y)
{
    struct vga_line line = {0};
    unsigned preset = v->crtc[CRTC_PRESET_ROW] & 0x1f;
    bool split = y > f->line_compare, pans = !split;

    if (split && !(v->attr[ATTR_MODE] & ATTR_MODE_SPLIT_PANNING))
        pans = true;
    y = split ? y - f->line_compare - 1 : y;
    y /= f->repeat;
    if (!split) {
        y += preset < f->row_height ? preset : 0;
        line.counter = f->start;
    }
    if (pans) {
        line.counter += v->crtc[CRTC_PRESET_ROW] >> 5 & 3;
        line.panning = panning_dots(v, f);
    }
    line.counter += y / f->row_height * f->pitch;
    line.row_scan = y % f->row_height;
    return line;
}

/* The counter's way to the address pins (CRTC mode control register). */
static unsigned plane_address(const struct vga *v, unsigned counter, unsigned row_scan)
{
    unsigned mode = v->crtc[CRTC_MODE], at = counter & 0xffff;

    if (v->crtc[CRTC_UNDERLINE] & UNDERLINE_DWORD)
        at = at << 2 | at >> 14;
    else if (!(mode & MODE_BYTE))
        at = at << 1 | (at >> (mode & MODE_WRAP_15 ? 15 : 13) & 1);
    if (!(mode & MODE_NOT_ROW_SCAN_0))
        at = (at & ~0x2000u) | (row_scan & 1) << 13;
    if (!(mode & MODE_NOT_ROW_SCAN_1))
        at = (at & ~0x4000u) | (row_scan >> 1 & 1) << 14;
    return at & 0xffff;
}

const uint8_t *vga_get_character(const struct vga *v, const struct vga_line *line, unsigned column)
{
    if (v->crtc[CRTC_UNDERLINE] & UNDERLINE_COUNT_BY_4)
        column /= 4;
    else if (v->crtc[CRTC_MODE] & MODE_COUNT_BY_2)
        column /= 2;
    return v->wiring.vram +
           (size_t)plane_address(v, line->counter + column, line->row_scan) * VGA_PLANES;
}

void vga_size(const struct vga *v, unsigned *width, unsigned *height)
{
    struct vga_vbe_frame vbe;
    struct vga_frame f;

    if (vga_vbe_on(v)) {
        vga_vbe_get_frame(v, &vbe);
        *width = vbe.width;
        *height = vbe.height;
    } else if (!v->crtc[CRTC_H_DISPLAY_END]) { /* nobody has programmed a mode */
        *width = 640;
        *height = 480;
    } else {
        vga_get_frame(v, &f);
        *width = f.columns * f.dots * f.dot_width;
        *height = f.lines;
    }
}
