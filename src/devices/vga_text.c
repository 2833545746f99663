/* Text modes: planes 0 and 1 hold characters and attributes, plane 2 the fonts. */
#include "devices/vga_priv.h"

#include <string.h>

enum { FONT_PLANE = 2, GLYPH_BYTES = 32, ATTR_BLINK = 1 << 7, ATTR_FONT = 1 << 3 };
enum { CURSOR_FRAMES = 16, BLINK_FRAMES = 32, FRAME_HZ = 70 };

/* The first half of a period of so many frames shows what blinks. */
static bool is_shown(const struct vga *v, unsigned frames)
{
    uint64_t frame = muldiv64(clock_now(v->wiring.clock), FRAME_HZ, NS_PER_SEC);

    return frame % frames < frames / 2;
}

/* Plane addresses of the two fonts that a character's attribute bit 3 chooses from. */
static void get_fonts(const struct vga *v, unsigned font[2])
{
    static const uint16_t at[8] = {0x0000, 0x4000, 0x8000, 0xc000, 0x2000, 0x6000, 0xa000, 0xe000};
    unsigned map = v->seq[SEQ_CHAR_MAP];

    font[0] = at[(map & 3) | (map >> 2 & 4)];
    font[1] = at[(map >> 2 & 3) | (map >> 3 & 4)];
}

/* The counter where the cursor is; UINT32_MAX: it does not show in this line of a row. */
static unsigned cursor_counter(const struct vga *v, unsigned row_scan)
{
    unsigned first = v->crtc[CRTC_CURSOR_START], last = v->crtc[CRTC_CURSOR_END] & 0x1f;

    if ((first & CURSOR_OFF) || row_scan < (first & 0x1f) || row_scan > last)
        return UINT32_MAX;
    return (unsigned)v->crtc[CRTC_CURSOR_HIGH] << 8 | v->crtc[CRTC_CURSOR_HIGH + 1];
}

/* Nine dots: the last one continues line graphics C0h-DFh. */
static unsigned dots_of(const struct vga *v, unsigned character, unsigned glyph)
{
    unsigned ninth = (v->attr[ATTR_MODE] & ATTR_MODE_LINE_GRAPHICS) && (character & 0xe0) == 0xc0;

    return glyph << 1 | (ninth & glyph);
}

void vga_text_line(const struct vga *v, const struct vga_frame *f, const struct vga_line *line,
                   uint32_t cells[VGA_MAX_COLUMNS + 1])
{
    bool blinking = v->attr[ATTR_MODE] & ATTR_MODE_BLINK, blink_on = is_shown(v, BLINK_FRAMES);
    unsigned cursor = is_shown(v, CURSOR_FRAMES) ? cursor_counter(v, line->row_scan) : UINT32_MAX;
    bool underline = line->row_scan == (v->crtc[CRTC_UNDERLINE] & 0x1f);
    unsigned font[2];

    get_fonts(v, font);
    for (unsigned i = 0; i <= f->columns; i++) {
        const uint8_t *planes = vga_get_character(v, line, i);
        unsigned attr = planes[1], fg = attr & 0x0f, bg = attr >> 4, dots;
        size_t glyph = font[!!(attr & ATTR_FONT)] + planes[0] * GLYPH_BYTES + line->row_scan;

        dots = dots_of(v, planes[0], v->wiring.vram[glyph * VGA_PLANES + FONT_PLANE]);
        if (underline && (attr & 7) == 1)
            dots = VGA_CELL_DOTS;
        if (blinking) {
            bg &= 7;
            if ((attr & ATTR_BLINK) && !blink_on)
                dots = 0;
        }
        if (((line->counter + i) & 0xffff) == cursor)
            dots = VGA_CELL_DOTS;
        cells[i] = dots | fg << VGA_CELL_FG_SHIFT | bg << VGA_CELL_BG_SHIFT;
    }
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

bool vga_text(const struct vga *v, struct vga_text *t)
{
    struct vga_frame f;
    unsigned first = v->crtc[CRTC_CURSOR_START] & 0x1f, cursor;

    t->columns = t->rows = 0;
    t->cursor = false;
    if (vga_vbe_on(v) || vga_is_graphics(v) || vga_is_blank(v))
        return false;
    vga_get_frame(v, &f);
    t->columns = f.columns;
    t->rows = smaller(f.lines / (f.row_height * f.repeat), VGA_TEXT_ROWS);
    cursor = cursor_counter(v, first);
    for (unsigned row = 0; row < t->rows; row++) {
        struct vga_line line = vga_get_line(v, &f, row * f.row_height * f.repeat);

        for (unsigned i = 0; i < t->columns; i++) {
            const uint8_t *planes = vga_get_character(v, &line, i);

            t->cell[row][i] = (uint16_t)(planes[1] << 8 | planes[0]);
            if (((line.counter + i) & 0xffff) == cursor) {
                t->cursor = true;
                t->cursor_column = i;
                t->cursor_row = row;
            }
        }
    }
    return true;
}
