/* From registers and memory to pixels. A scan line is fetched (what it is made of), compared by
 * hash with what the surface shows, and drawn when it differs. */
#include "devices/vga_priv.h"

#include <string.h>

#include "base/bits.h"

struct painter {
    const struct vga *v;
    struct vga_frame f;
    struct vga_vbe_frame vbe;
    uint64_t seed;         /* hash of what all lines depend on */
    uint32_t dac[256];     /* 00RRGGBBh */
    uint32_t attr[16];     /* the same of a colour of the planes */
    unsigned width, lines; /* of the picture */
    /* Hash of line y, which stays fetched for draw(). */
    uint64_t (*fetch)(struct painter *p, unsigned y);
    void (*draw)(struct painter *p, uint32_t *out);

    unsigned panning;
    const uint8_t *packed;                /* VBE: the line in display memory */
    uint32_t cells[VBE_MAX_XRES / 8 + 1]; /* text cells, or four planes' bytes */
};

static uint64_t mix(uint64_t hash, uint64_t val)
{
    hash = (hash ^ val) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static uint64_t mix_bytes(uint64_t hash, const uint8_t *data, size_t len)
{
    for (; len >= 8; len -= 8, data += 8)
        hash = mix(hash, ld64(data));
    for (; len; len--)
        hash = mix(hash, *data++);
    return hash;
}

static uint64_t mix_cells(const struct painter *p)
{
    uint64_t hash = mix(p->seed, p->panning);

    /* The one beyond the right edge shows when the line is panned. */
    for (unsigned i = 0; i < p->f.columns + !!p->panning; i++)
        hash = mix(hash, p->cells[i]);
    return hash;
}

/* ---- colours ---- */

static unsigned to_8_bits(const struct vga *v, unsigned level)
{
    return v->vbe[VBE_ENABLE] & VBE_8BIT_DAC ? level : level << 2 | level >> 4;
}

static void get_dac(struct painter *p)
{
    const struct vga *v = p->v;

    for (unsigned i = 0; i < 256; i++) {
        const uint8_t *c = v->dac + 3 * (i & v->dac_mask);

        p->dac[i] = to_8_bits(v, c[0]) << 16 | to_8_bits(v, c[1]) << 8 | to_8_bits(v, c[2]);
    }
}

/* Palette and colour select registers. */
static void get_attr(struct painter *p)
{
    const struct vga *v = p->v;
    unsigned select = v->attr[ATTR_COLOR_SELECT];

    for (unsigned i = 0; i < 16; i++) {
        unsigned c = v->attr[i & v->attr[ATTR_PLANES]];

        if (v->attr[ATTR_MODE] & ATTR_MODE_PALETTE_54)
            c = (c & 0x0f) | (select & 3) << 4;
        p->attr[i] = p->dac[c | (select & 0x0c) << 4];
    }
}

static void seed_with(struct painter *p, const uint32_t *colors, unsigned count)
{
    p->seed = mix_bytes(p->seed, (const uint8_t *)colors, count * sizeof(*colors));
}

/* ---- blank ---- */

static uint64_t fetch_blank(struct painter *p, unsigned y)
{
    (void)y;
    return mix(p->seed, 0);
}

static void draw_blank(struct painter *p, uint32_t *out)
{
    memset(out, 0, p->width * sizeof(*out));
}

/* ---- text ---- */

static uint64_t fetch_text(struct painter *p, unsigned y)
{
    struct vga_line line = vga_get_line(p->v, &p->f, y);

    p->panning = line.panning;
    vga_text_line(p->v, &p->f, &line, p->cells);
    return mix_cells(p);
}

/* Appends `count` dots, of which the first `skip` fall off at the left edge. */
struct pen {
    uint32_t *out, *end;
    unsigned skip, dot_width;
};

static void put_dot(struct pen *pen, uint32_t color)
{
    if (pen->skip) {
        pen->skip--;
        return;
    }
    for (unsigned i = 0; i < pen->dot_width && pen->out < pen->end; i++)
        *pen->out++ = color;
}

static struct pen start_line(const struct painter *p, uint32_t *out)
{
    return (struct pen){out, out + p->width, p->panning, p->f.dot_width};
}

static void draw_text(struct painter *p, uint32_t *out)
{
    struct pen pen = start_line(p, out);

    for (unsigned i = 0; i <= p->f.columns; i++) {
        uint32_t cell = p->cells[i];
        uint32_t fg = p->attr[cell >> VGA_CELL_FG_SHIFT & 15];
        uint32_t bg = p->attr[cell >> VGA_CELL_BG_SHIFT & 15];

        for (unsigned dot = 0; dot < p->f.dots; dot++)
            put_dot(&pen, cell >> (8 - dot) & 1 ? fg : bg);
    }
}

/* ---- graphics of the planes ---- */

static uint64_t fetch_planes(struct painter *p, unsigned y)
{
    struct vga_line line = vga_get_line(p->v, &p->f, y);

    p->panning = line.panning;
    for (unsigned i = 0; i <= p->f.columns; i++)
        p->cells[i] = ld32(vga_get_character(p->v, &line, i));
    return mix_cells(p);
}

/* A pixel's four bits are the same bit of the four planes. */
static void draw_16(struct painter *p, uint32_t *out)
{
    struct pen pen = start_line(p, out);

    for (unsigned i = 0; i <= p->f.columns; i++)
        for (unsigned bit = 8; bit--;) {
            uint32_t c = p->cells[i] >> bit & 0x01010101;

            put_dot(&pen, p->attr[(c | c >> 7 | c >> 14 | c >> 21) & 15]);
        }
}

/* The shift registers of planes 0 and 1, and of 2 and 3, in series, two bits at a time (the CGA's
 * four colours). */
static void draw_interleaved(struct painter *p, uint32_t *out)
{
    struct pen pen = start_line(p, out);

    for (unsigned i = 0; i <= p->f.columns; i++)
        for (unsigned dot = 0; dot < 8; dot++) {
            uint32_t c = p->cells[i] >> (dot < 4 ? 0 : 8) >> (6 - dot % 4 * 2);

            put_dot(&pen, p->attr[(c & 3) | (c >> 14 & 0x0c)]);
        }
}

/* A plane's byte is a pixel of two dots. */
static void draw_256(struct painter *p, uint32_t *out)
{
    struct pen pen = start_line(p, out);

    for (unsigned i = 0; i <= p->f.columns; i++)
        for (unsigned dot = 0; dot < 8; dot++)
            put_dot(&pen, p->dac[p->cells[i] >> dot / 2 * 8 & 0xff]);
}

/* ---- VBE ---- */

static size_t packed_bytes(const struct painter *p)
{
    return (size_t)p->vbe.width * ((p->vbe.bpp + 7) / 8);
}

static uint64_t fetch_packed(struct painter *p, unsigned y)
{
    p->packed = p->v->wiring.vram + p->vbe.start + y * p->vbe.pitch;
    return mix_bytes(p->seed, p->packed, packed_bytes(p));
}

static uint32_t level_5(uint32_t c)
{
    return (c & 31) << 3 | (c >> 2 & 7);
}

static uint32_t level_6(uint32_t c)
{
    return (c & 63) << 2 | (c >> 4 & 3);
}

static void draw_8(struct painter *p, uint32_t *out)
{
    for (unsigned i = 0; i < p->width; i++)
        out[i] = p->dac[p->packed[i]];
}

static void draw_15(struct painter *p, uint32_t *out)
{
    for (unsigned i = 0; i < p->width; i++) {
        uint32_t c = ld16(p->packed + 2 * i);

        out[i] = level_5(c >> 10) << 16 | level_5(c >> 5) << 8 | level_5(c);
    }
}

static void draw_16bpp(struct painter *p, uint32_t *out)
{
    for (unsigned i = 0; i < p->width; i++) {
        uint32_t c = ld16(p->packed + 2 * i);

        out[i] = level_5(c >> 11) << 16 | level_6(c >> 5) << 8 | level_5(c);
    }
}

static void draw_24(struct painter *p, uint32_t *out)
{
    for (unsigned i = 0; i < p->width; i++)
        out[i] = (uint32_t)p->packed[3 * i + 2] << 16 | ld16(p->packed + 3 * i);
}

static void draw_32(struct painter *p, uint32_t *out)
{
    for (unsigned i = 0; i < p->width; i++)
        out[i] = ld32(p->packed + 4 * i) & 0xffffff;
}

/* 4 bits per pixel: planes, without the CRTC's address logic. */
static uint64_t fetch_vbe_planes(struct painter *p, unsigned y)
{
    const uint8_t *line = p->v->wiring.vram + (p->vbe.start + y * p->vbe.pitch) * VGA_PLANES;

    p->panning = 0;
    for (unsigned i = 0; i < p->f.columns; i++)
        p->cells[i] = ld32(line + i * VGA_PLANES);
    p->cells[p->f.columns] = 0;
    return mix_cells(p);
}

/* ---- the picture ---- */

static void choose_vbe(struct painter *p)
{
    static const struct {
        unsigned bpp;
        void (*draw)(struct painter *p, uint32_t *out);
    } formats[] = {{8, draw_8}, {15, draw_15}, {16, draw_16bpp}, {24, draw_24}, {32, draw_32}};

    vga_vbe_get_frame(p->v, &p->vbe);
    p->f = (struct vga_frame){.columns = p->vbe.width / 8, .dots = 8, .dot_width = 1};
    p->fetch = fetch_vbe_planes;
    p->draw = draw_16;
    for (unsigned i = 0; i < ARRAY_SIZE(formats); i++)
        if (formats[i].bpp == p->vbe.bpp) {
            p->fetch = fetch_packed;
            p->draw = formats[i].draw;
        }
    if (p->vbe.bpp == 8)
        seed_with(p, p->dac, 256);
    if (p->vbe.bpp == 4)
        seed_with(p, p->attr, 16);
}

static void choose_vga(struct painter *p)
{
    const struct vga *v = p->v;

    vga_get_frame(v, &p->f);
    p->fetch = vga_is_graphics(v) ? fetch_planes : fetch_text;
    if (!vga_is_graphics(v))
        p->draw = draw_text;
    else if (v->gfx[GFX_MODE] & GFX_MODE_256)
        p->draw = draw_256;
    else
        p->draw = v->gfx[GFX_MODE] & GFX_MODE_INTERLEAVED ? draw_interleaved : draw_16;
    if (p->draw == draw_256)
        seed_with(p, p->dac, 256);
    else
        seed_with(p, p->attr, 16);
}

static void start_picture(struct painter *p, const struct vga *v)
{
    p->v = v;
    p->f = (struct vga_frame){0};
    vga_size(v, &p->width, &p->lines);
    get_dac(p);
    get_attr(p);
    p->seed = 1;
    if (vga_is_blank(v)) {
        p->fetch = fetch_blank;
        p->draw = draw_blank;
    } else if (vga_vbe_on(v)) {
        choose_vbe(p);
    } else {
        choose_vga(p);
    }
    p->seed = mix(p->seed, (uint64_t)(uintptr_t)p->draw);
    p->seed = mix(p->seed, p->width | p->f.dots << 16 | p->f.dot_width << 24);
}

struct vga_rows vga_render(const struct vga *v, struct vga_shown *shown,
                           const struct vga_surface *s)
{
    struct painter p;
    struct vga_rows rows = {0, 0};
    uint32_t line[VGA_MAX_WIDTH];
    size_t bytes;
    unsigned end;

    start_picture(&p, v);
    memset(shown->changed, 0, sizeof(shown->changed));
    bytes = (s->width < p.width ? s->width : p.width) * sizeof(line[0]);
    end = s->height < p.lines ? s->height : p.lines;
    for (unsigned y = 0; y < end; y++) {
        uint64_t hash = p.fetch(&p, y) | 1; /* 0: not drawn yet */

        if (hash == shown->line[y])
            continue;
        p.draw(&p, line);
        memcpy(s->pixels + y * s->stride, line, bytes);
        shown->line[y] = hash;
        shown->changed[y] = 1;
        rows.first = rows.end ? rows.first : y;
        rows.end = y + 1;
    }
    return rows;
}
