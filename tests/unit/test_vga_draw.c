/* Graphics modes: pixels from what is written through the window, or to the linear framebuffer. */
#include "vga_rig.h"

static struct vga_rig *graphics(unsigned mode)
{
    struct vga_rig *g = vga_rig_open();

    set_mode(g, mode);
    set_dac(g);
    return g;
}

static uint32_t color(unsigned mode, unsigned i)
{
    return rgb(modes[mode].attr[i]);
}

static void fill_planes(struct vga_rig *g, uint64_t *seed, unsigned count)
{
    for (unsigned plane = 0; plane < 4; plane++) {
        out_index(g, 0x3c4, 2, 1u << plane);
        for (unsigned i = 0; i < count; i++)
            poke(g, 0xa0000 + i, (uint8_t)next(seed));
    }
}

/* Colour of dot x, y of 16-colour planes `pitch` bytes wide. */
static unsigned planar(const struct vga_rig *g, unsigned x, unsigned y, unsigned pitch)
{
    const uint8_t *p = g->vram + 4 * (y * pitch + x / 8);
    unsigned shift = 7 - x % 8;

    return (p[0] >> shift & 1) | (p[1] >> shift & 1) << 1 | (p[2] >> shift & 1) << 2 |
           (p[3] >> shift & 1) << 3;
}

START_TEST(test_mode_12)
{
    struct vga_rig *g = graphics(MODE_12);
    uint64_t seed = 1;

    fill_planes(g, &seed, 38400);
    draw(g);
    ck_assert_uint_eq(g->s.width, 640);
    ck_assert_uint_eq(g->s.height, 480);
    for (unsigned y = 0; y < 480; y++)
        for (unsigned x = 0; x < 640; x++)
            expect(g, x, y, color(MODE_12, planar(g, x, y, 80)));
    out_attr(g, 0x12, 5); /* planes 0 and 2 only */
    out_attr(g, 0x13, 3);
    draw(g);
    for (unsigned x = 0; x < 637; x++)
        expect(g, x, 77, color(MODE_12, planar(g, x + 3, 77, 80) & 5));
    expect(g, 639, 76, color(MODE_12, planar(g, 2, 77, 80) & 5));
    vga_rig_close(g);
}
END_TEST

/* Palette bits 4 and 5 by the colour select register, bits 6 and 7 always. */
START_TEST(test_color_select)
{
    struct vga_rig *g = graphics(MODE_12);

    out_index(g, 0x3c4, 2, 0x0f);
    out_index(g, 0x3ce, 0, 9);
    out_index(g, 0x3ce, 1, 15);
    poke(g, 0xa0000, 0);
    out_attr(g, 9, 0x2a);
    out_attr(g, 0x14, 0x06);
    draw(g);
    expect(g, 0, 0, rgb(0x6a));
    out_attr(g, 0x10, 0x81);
    draw(g);
    expect(g, 0, 0, rgb(0x6a));
    out_attr(g, 0x14, 0x09);
    draw(g);
    expect(g, 0, 0, rgb(0x9a));
    outb(&g->r, 0x0f, 0x3c6);
    draw(g);
    expect(g, 0, 0, rgb(0x0a));
    vga_rig_close(g);
}
END_TEST

/* 320 by 200: every dot twice as wide, every line twice. */
START_TEST(test_mode_d)
{
    struct vga_rig *g = graphics(MODE_D);
    uint64_t seed = 2;

    fill_planes(g, &seed, 8000);
    draw(g);
    ck_assert_uint_eq(g->s.width, 640);
    ck_assert_uint_eq(g->s.height, 400);
    for (unsigned y = 0; y < 400; y++)
        for (unsigned x = 0; x < 640; x++)
            expect(g, x, y, color(MODE_D, planar(g, x / 2, y / 2, 40)));
    vga_rig_close(g);
}
END_TEST

START_TEST(test_mode_13)
{
    struct vga_rig *g = graphics(MODE_13);
    uint8_t shadow[64000];
    uint64_t seed = 3;
    struct vga_rows rows;

    for (unsigned i = 0; i < sizeof(shadow); i++)
        poke(g, 0xa0000 + i, shadow[i] = (uint8_t)next(&seed));
    draw(g);
    ck_assert_uint_eq(g->s.width, 640);
    ck_assert_uint_eq(g->s.height, 400);
    for (unsigned y = 0; y < 400; y++)
        for (unsigned x = 0; x < 640; x++)
            expect(g, x, y, rgb(shadow[y / 2 * 320 + x / 2]));
    for (unsigned i = 0; i < sizeof(shadow); i++)
        ck_assert_uint_eq(peek(g, 0xa0000 + i), shadow[i]);
    poke(g, 0xa0000 + 320 * 10 + 5, (uint8_t)~shadow[320 * 10 + 5]);
    rows = draw(g);
    ck_assert_uint_eq(rows.first, 20);
    ck_assert_uint_eq(rows.end, 22);
    out_attr(g, 0x13, 2); /* one pixel */
    draw(g);
    expect(g, 0, 0, rgb(shadow[1]));
    /* The counter's upper bits become the lower ones of a doubleword's address. */
    out_index(g, 0x3d4, 0x0c, 0x80);
    g->vram[4 * 2] = 0x55;
    out_attr(g, 0x13, 0);
    draw(g);
    expect(g, 0, 0, rgb(0x55));
    vga_rig_close(g);
}
END_TEST

/* Planes of 256 colours, and a start address: what scrollers do. */
START_TEST(test_mode_x)
{
    struct vga_rig *g = graphics(MODE_X);
    uint64_t seed = 4;

    fill_planes(g, &seed, 65536);
    out_index(g, 0x3d4, 0x0c, 0x4b);
    out_index(g, 0x3d4, 0x0d, 0x02);
    draw(g);
    ck_assert_uint_eq(g->s.height, 480);
    for (unsigned y = 0; y < 480; y++)
        for (unsigned x = 0; x < 640; x++) {
            unsigned at = 0x4b02 + y / 2 * 80 + x / 8;

            expect(g, x, y, rgb(g->vram[4 * (at & 0xffff) + x / 2 % 4]));
        }
    vga_rig_close(g);
}
END_TEST

/* The CGA's modes: two banks of lines, 8 KiB apart. */
START_TEST(test_cga)
{
    struct vga_rig *g = graphics(MODE_4);
    uint8_t shadow[16384];
    uint64_t seed = 5;

    for (unsigned i = 0; i < sizeof(shadow); i++)
        poke(g, 0xb8000 + i, shadow[i] = (uint8_t)next(&seed));
    draw(g);
    ck_assert_uint_eq(g->s.width, 640);
    ck_assert_uint_eq(g->s.height, 400);
    for (unsigned y = 0; y < 400; y++)
        for (unsigned x = 0; x < 640; x++) {
            uint8_t byte = shadow[y / 2 % 2 * 8192 + y / 4 * 80 + x / 8];

            expect(g, x, y, color(MODE_4, byte >> (6 - x / 2 % 4 * 2) & 3));
        }
    for (unsigned i = 0; i < 4; i++) /* planes 2 and 3 give bits 2 and 3 */
        g->vram[i] = (uint8_t)(0x1b << 2 * i | 0x1b >> (8 - 2 * i));
    out_attr(g, 0x12, 15);
    draw(g);
    for (unsigned x = 0; x < 8; x++) {
        unsigned shift = 6 - x % 4 * 2;
        unsigned i = (g->vram[x / 4] >> shift & 3) | (g->vram[2 + x / 4] >> shift & 3) << 2;

        expect(g, 2 * x, 0, color(MODE_4, i));
    }
    set_mode(g, MODE_6);
    for (unsigned i = 0; i < sizeof(shadow); i++)
        poke(g, 0xb8000 + i, shadow[i]);
    draw(g);
    for (unsigned y = 0; y < 400; y++)
        for (unsigned x = 0; x < 640; x++) {
            uint8_t byte = shadow[y / 2 % 2 * 8192 + y / 4 * 80 + x / 8];

            expect(g, x, y, color(MODE_6, byte >> (7 - x % 8) & 1));
        }
    vga_rig_close(g);
}
END_TEST

static void vbe_mode(struct vga_rig *g, unsigned width, unsigned height, unsigned bpp)
{
    out_vbe(g, 4, 0);
    out_vbe(g, 1, (uint16_t)width);
    out_vbe(g, 2, (uint16_t)height);
    out_vbe(g, 3, (uint16_t)bpp);
    out_vbe(g, 4, 0x41);
}

/* What the bits of a packed pixel mean: red, green, blue by their highest bits. */
START_TEST(test_vbe_formats)
{
    static const struct {
        unsigned bpp;
        uint32_t val, rgb;
    } rows[] = {
        {15, 0x7c00, 0xff0000}, {15, 0x03e0, 0x00ff00},   {15, 0x001f, 0x0000ff},
        {15, 0x4210, 0x848484}, {16, 0xf800, 0xff0000},   {16, 0x07e0, 0x00ff00},
        {16, 0x8410, 0x848284}, {24, 0x123456, 0x123456}, {32, 0xff654321, 0x654321},
    };
    struct vga_rig *g = vga_rig_open();

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned bytes = (rows[i].bpp + 7) / 8;

        vbe_mode(g, 320, 200, rows[i].bpp);
        memcpy(g->vram + (320 * 7 + 5) * bytes, &rows[i].val, bytes);
        draw(g);
        ck_assert_uint_eq(g->s.width, 320);
        ck_assert_uint_eq(g->s.height, 200);
        ck_assert_msg(pixel(g, 5, 7) == rows[i].rgb, "row %u: %06x", i, pixel(g, 5, 7));
        expect(g, 4, 7, 0);
        expect(g, 6, 7, 0);
    }
    vga_rig_close(g);
}
END_TEST

START_TEST(test_vbe_scroll_and_dirty)
{
    struct vga_rig *g = vga_rig_open();
    struct vga_rows rows;

    vbe_mode(g, 800, 600, 32);
    out_vbe(g, 6, 1000);
    for (unsigned y = 0; y < 700; y++)
        for (unsigned x = 0; x < 1000; x++)
            st32(g->vram + (y * 1000 + x) * 4, y << 12 | x);
    draw(g);
    expect(g, 799, 599, 599 << 12 | 799);
    out_vbe(g, 8, 101);
    out_vbe(g, 9, 33);
    draw(g);
    expect(g, 0, 0, 33 << 12 | 101);
    expect(g, 799, 599, 632 << 12 | 900);
    st32(g->vram + (40 * 1000 + 901) * 4, 0); /* right of what shows */
    rows = draw(g);
    ck_assert_uint_eq(rows.end, 0);
    st32(g->vram + (40 * 1000 + 900) * 4, 0);
    rows = draw(g);
    ck_assert_uint_eq(rows.first, 7);
    ck_assert_uint_eq(rows.end, 8);
    expect(g, 799, 7, 0);
    vga_rig_close(g);
}
END_TEST

START_TEST(test_vbe_palette)
{
    struct vga_rig *g = vga_rig_open();

    set_dac(g);
    vbe_mode(g, 640, 480, 8);
    g->vram[641] = 0x77;
    draw(g);
    expect(g, 1, 1, rgb(0x77));
    out_vbe(g, 4, 0xe1); /* eight bits: the colours stay */
    draw(g);
    expect(g, 1, 1, rgb(0x77));
    outb(&g->r, 0x77, 0x3c8);
    for (unsigned i = 0; i < 3; i++)
        outb(&g->r, (uint8_t)(0x81 + i), 0x3c9);
    draw(g);
    expect(g, 1, 1, 0x818283);
    vga_rig_close(g);
}
END_TEST

/* Sixteen colours: planes through the window, as in mode 12h, but wider. */
START_TEST(test_vbe_planes)
{
    struct vga_rig *g = graphics(MODE_12);
    uint64_t seed = 6;

    vbe_mode(g, 800, 600, 4);
    fill_planes(g, &seed, 60000);
    draw(g);
    ck_assert_uint_eq(g->s.width, 800);
    for (unsigned y = 0; y < 600; y++)
        for (unsigned x = 0; x < 800; x++)
            expect(g, x, y, color(MODE_12, planar(g, x, y, 100)));
    vga_rig_close(g);
}
END_TEST

/* A surface smaller than the picture is not written beyond its end. */
START_TEST(test_clipping)
{
    struct vga_rig *g = graphics(MODE_13);
    struct vga_surface small = {.width = 100, .height = 50, .stride = 101};
    struct vga_rows rows;

    small.pixels = g->s.pixels;
    memset(g->s.pixels, 0x11, 101 * 60 * 4);
    rows = vga_render(&g->vga, &g->shown, &small);
    ck_assert_uint_eq(rows.end, 50);
    ck_assert_uint_eq(small.pixels[100], 0x11111111);
    ck_assert_uint_eq(small.pixels[49 * 101 + 99], rgb(0));
    ck_assert_uint_eq(small.pixels[50 * 101], 0x11111111);
    vga_rig_close(g);
}
END_TEST

/* No registers draw beyond memory or the surface. */
START_TEST(test_any_registers)
{
    struct vga_rig *g = vga_rig_open();
    uint64_t seed = 8;

    for (unsigned i = 0; i < 256 * KIB; i++)
        g->vram[i] = (uint8_t)next(&seed);
    for (unsigned n = 0; n < 300; n++) {
        set_mode(g, n % NMODES);
        for (unsigned i = 0; i < 1 + n % 12; i++) {
            uint64_t r = next(&seed);

            out_index(g, 0x3d4, 0x11, 0);
            out_index(g, r & 1 ? 0x3d4 : 0x3b4, r >> 8 & 31, r >> 16 & 255);
            out_index(g, r & 2 ? 0x3c4 : 0x3ce, r >> 32 & 7, r >> 40 & (r & 2 ? 0xdf : 0xff));
            out_attr(g, 0x10 + (r >> 48 & 3), r >> 56 & 255);
        }
        memset(&g->shown, 0, sizeof(g->shown));
        draw(g);
        ck_assert_uint_ge(g->s.width, 1);
        ck_assert_uint_le(g->s.width, VGA_MAX_WIDTH);
        ck_assert_uint_le(g->s.height, VGA_MAX_HEIGHT);
        vga_text(&g->vga, &g->text);
    }
    vga_rig_close(g);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_mode_12,     test_color_select, test_mode_d,      test_mode_13,
        test_mode_x,      test_cga,          test_vbe_formats, test_vbe_scroll_and_dirty,
        test_vbe_palette, test_vbe_planes,   test_clipping,    test_any_registers,
    };

    return run_tests("vga draw", tests, ARRAY_SIZE(tests));
}
