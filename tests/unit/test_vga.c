/* VGA: registers, ports, status, the DAC; save and restore. Then text modes: cells and pixels. */
#include "vga_rig.h"

/* ---- registers ---- */

START_TEST(test_indexed)
{
    struct vga_rig *g = vga_rig_open();

    outb(&g->r, 1, 0x3c2);
    out_index(g, 0x3c4, 2, 0xff);
    ck_assert_uint_eq(in_index(g, 0x3c4, 2), 0x0f);
    out_index(g, 0x3ce, 8, 0xa5);
    ck_assert_uint_eq(in_index(g, 0x3ce, 8), 0xa5);
    ck_assert_uint_eq(in_index(g, 0x3ce, 9), 0);
    out_index(g, 0x3d4, 0x18, 0x77);
    ck_assert_uint_eq(in_index(g, 0x3d4, 0x18), 0x77);
    ck_assert_uint_eq(in_index(g, 0x3d4, 0x19), 0);
    outb(&g->r, 0x67, 0x3c2);
    ck_assert_uint_eq(inb(&g->r, 0x3cc), 0x67);
    outb(&g->r, 3, 0x3da);
    ck_assert_uint_eq(inb(&g->r, 0x3ca), 3);
    vga_rig_close(g);
}
END_TEST

START_TEST(test_mono_or_color)
{
    struct vga_rig *g = vga_rig_open();

    outb(&g->r, 1, 0x3c2);
    out_index(g, 0x3d4, 0x0f, 0x11);
    out_index(g, 0x3b4, 0x0f, 0x22); /* nobody there */
    ck_assert_uint_eq(in_index(g, 0x3d4, 0x0f), 0x11);
    ck_assert_uint_eq(inb(&g->r, 0x3b5), 0xff);
    outb(&g->r, 0, 0x3c2);
    ck_assert_uint_eq(inb(&g->r, 0x3d5), 0xff);
    ck_assert_uint_eq(in_index(g, 0x3b4, 0x0f), 0x11);
    vga_rig_close(g);
}
END_TEST

START_TEST(test_crtc_protection)
{
    struct vga_rig *g = vga_rig_open();

    outb(&g->r, 1, 0x3c2);
    out_index(g, 0x3d4, 0x11, 0x80);
    out_index(g, 0x3d4, 0x01, 0x4f);
    out_index(g, 0x3d4, 0x07, 0xff);
    ck_assert_uint_eq(in_index(g, 0x3d4, 0x01), 0);
    ck_assert_uint_eq(in_index(g, 0x3d4, 0x07), 0x10); /* the line compare's bit */
    out_index(g, 0x3d4, 0x08, 0x1f);
    ck_assert_uint_eq(in_index(g, 0x3d4, 0x08), 0x1f);
    out_index(g, 0x3d4, 0x11, 0);
    out_index(g, 0x3d4, 0x01, 0x4f);
    ck_assert_uint_eq(in_index(g, 0x3d4, 0x01), 0x4f);
    vga_rig_close(g);
}
END_TEST

START_TEST(test_attribute_flip_flop)
{
    struct vga_rig *g = vga_rig_open();

    outb(&g->r, 1, 0x3c2);
    inb(&g->r, 0x3da);
    outb(&g->r, 0x13, 0x3c0);
    outb(&g->r, 0x05, 0x3c0);
    outb(&g->r, 0x10, 0x3c0);
    ck_assert_uint_eq(inb(&g->r, 0x3c0), 0x10);
    inb(&g->r, 0x3da); /* an index comes next again */
    outb(&g->r, 0x33, 0x3c0);
    ck_assert_uint_eq(inb(&g->r, 0x3c1), 0x05);
    ck_assert_uint_eq(inb(&g->r, 0x3c0), 0x33);
    outb(&g->r, 0x07, 0x3c0);
    outb(&g->r, 0x01, 0x3c0);
    outb(&g->r, 0xff, 0x3c0);
    outb(&g->r, 0x01, 0x3c0);
    ck_assert_uint_eq(inb(&g->r, 0x3c1), 0x3f); /* six bits of palette */
    vga_rig_close(g);
}
END_TEST

START_TEST(test_dac)
{
    struct vga_rig *g = vga_rig_open();

    outb(&g->r, 0xfe, 0x3c8);
    for (unsigned i = 1; i <= 9; i++) /* from entry FEh round to 0 */
        outb(&g->r, (uint8_t)(i | 0xc0), 0x3c9);
    ck_assert_uint_eq(inb(&g->r, 0x3c7), 0);
    ck_assert_uint_eq(inb(&g->r, 0x3c8), 1);
    outb(&g->r, 0xfe, 0x3c7);
    ck_assert_uint_eq(inb(&g->r, 0x3c7), 3);
    for (unsigned i = 1; i <= 9; i++)
        ck_assert_uint_eq(inb(&g->r, 0x3c9), i);
    outb(&g->r, 5, 0x3c8); /* an entry half written stays as it was */
    outb(&g->r, 0x3f, 0x3c9);
    outb(&g->r, 0x3f, 0x3c9);
    outb(&g->r, 5, 0x3c7);
    ck_assert_uint_eq(inb(&g->r, 0x3c9), 0);
    ck_assert_uint_eq(inb(&g->r, 0x3c6), 0xff);
    vga_rig_close(g);
}
END_TEST

/* Mode 3: 900 dots by 449 lines at 28.322 MHz, retrace in lines 412 and 413. */
START_TEST(test_status_follows_time)
{
    struct vga_rig *g = vga_rig_open();
    const uint64_t line = 900 * NS_PER_SEC / 28322000;
    unsigned blank = 0, retrace = 0;

    set_mode(g, MODE_3);
    for (unsigned i = 0; i < 449; i++) {
        g->r.ns = i * line + line / 4;
        blank += inb(&g->r, 0x3da) & 1;
        retrace += inb(&g->r, 0x3da) >> 3 & 1;
    }
    ck_assert_uint_ge(blank, 48);
    ck_assert_uint_le(blank, 50);
    ck_assert_uint_eq(retrace, 2);
    g->r.ns = 10 * line + line * 95 / 100;
    ck_assert_uint_eq(inb(&g->r, 0x3da), 1);
    vga_rig_close(g);
}
END_TEST

/* Whoever polls sees both levels, whatever the registers. */
START_TEST(test_status_always_moves)
{
    struct vga_rig *g = vga_rig_open();
    uint64_t seed = 5;

    for (unsigned n = 0; n < 200; n++) {
        unsigned seen = 0, clear = 0;

        for (unsigned i = 0; i < 25 && n; i++)
            out_index(g, 0x3d4, i, next(&seed) & 0xff & (i == 0x11 ? 0x7f : 0xff));
        outb(&g->r, 1, 0x3c2);
        for (unsigned i = 0; i < 200000; i++) {
            uint8_t s = inb(&g->r, 0x3da);

            seen |= s;
            clear |= ~s & 9u;
            g->r.ns += 1009;
            if ((seen & 9) == 9 && clear == 9)
                break;
        }
        ck_assert_uint_eq(seen & 9, 9);
        ck_assert_uint_eq(clear, 9);
    }
    vga_rig_close(g);
}
END_TEST

START_TEST(test_save_restore)
{
    struct vga_rig *g = vga_rig_open(), *fresh = vga_rig_open();
    uint64_t seed = 7;

    for (unsigned i = 0; i < 20000; i++)
        outb(&g->r, (uint8_t)next(&seed), (uint16_t)(0x3b0 + next(&seed) % 12));
    for (unsigned i = 0; i < 20000; i++)
        outb(&g->r, (uint8_t)next(&seed), (uint16_t)(0x3c0 + next(&seed) % 32));
    out_vbe(g, 4, 0x61);
    round_trip(&vga_class, &g->vga, &fresh->vga, true);
    vga_class.reset(&fresh->vga);
    reset_equals_fresh(&vga_class, &g->vga, &fresh->vga);
    vga_rig_close(fresh);
    vga_rig_close(g);
}
END_TEST

/* ---- text ---- */

/* Glyph of character c: rows that tell c and the row. */
static uint8_t glyph(unsigned c, unsigned row)
{
    return (uint8_t)(c * 37 + row * 11 + (c >> 3));
}

static void load_font(struct vga_rig *g, unsigned base, uint8_t flip)
{
    out_index(g, 0x3c4, 2, 4);
    out_index(g, 0x3c4, 4, 6);
    out_index(g, 0x3ce, 5, 0);
    out_index(g, 0x3ce, 6, 4);
    for (unsigned c = 0; c < 256; c++)
        for (unsigned row = 0; row < 32; row++)
            poke(g, 0xa0000 + base + c * 32 + row, glyph(c, row) ^ flip);
}

static struct vga_rig *text_mode(unsigned mode)
{
    struct vga_rig *g = vga_rig_open();

    set_mode(g, mode);
    set_dac(g);
    load_font(g, 0, 0);
    set_mode(g, mode);
    out_index(g, modes[mode].misc & 1 ? 0x3d4 : 0x3b4, 0x0a, 0x20); /* no cursor */
    return g;
}

static void put(struct vga_rig *g, unsigned at, uint8_t c, uint8_t attr)
{
    bus_write(&g->mmio, 0xb8000 + 2 * at, 2, (unsigned)attr << 8 | c);
}

/* Colour that the mode's palette gives attribute bits. */
static uint32_t color(unsigned mode, unsigned i)
{
    return rgb(modes[mode].attr[i]);
}

/* 9 dots of glyph row `bits` at x, y. */
static void check_cell(struct vga_rig *g, unsigned x, unsigned y, unsigned bits, uint32_t fg,
                       uint32_t bg)
{
    for (unsigned i = 0; i < 9; i++)
        expect(g, x + i, y, bits >> (8 - i) & 1 ? fg : bg);
}

START_TEST(test_text_pixels)
{
    struct vga_rig *g = text_mode(MODE_3);
    uint64_t seed = 3;

    for (unsigned i = 0; i < 2000; i++)
        put(g, i, (uint8_t)next(&seed), (uint8_t)next(&seed) & 0x7f);
    draw(g);
    ck_assert_uint_eq(g->s.width, 720);
    ck_assert_uint_eq(g->s.height, 400);
    for (unsigned i = 0; i < 2000; i++) {
        uint16_t cell = (uint16_t)bus_read(&g->mmio, 0xb8000 + 2 * i, 2);
        unsigned c = cell & 0xff;

        for (unsigned row = 0; row < 16; row++) {
            unsigned bits = glyph(c, row) * 2u;

            bits |= c >= 0xc0 && c <= 0xdf ? bits >> 1 & 1 : 0;
            check_cell(g, i % 80 * 9, i / 80 * 16 + row, bits, color(MODE_3, cell >> 8 & 15),
                       color(MODE_3, cell >> 12));
        }
    }
    vga_rig_close(g);
}
END_TEST

START_TEST(test_text_cells)
{
    struct vga_rig *g = text_mode(MODE_3);

    put(g, 0, 'A', 0x07);
    put(g, 81, 'B', 0x1e);
    put(g, 1999, 'Z', 0x70);
    out_index(g, 0x3d4, 0x0a, 13);
    out_index(g, 0x3d4, 0x0e, 162 >> 8);
    out_index(g, 0x3d4, 0x0f, 162);
    ck_assert(vga_text(&g->vga, &g->text));
    ck_assert_uint_eq(g->text.columns, 80);
    ck_assert_uint_eq(g->text.rows, 25);
    ck_assert_uint_eq(g->text.cell[0][0], 0x0741);
    ck_assert_uint_eq(g->text.cell[1][1], 0x1e42);
    ck_assert_uint_eq(g->text.cell[24][79], 0x705a);
    ck_assert(g->text.cursor);
    ck_assert_uint_eq(g->text.cursor_row, 2);
    ck_assert_uint_eq(g->text.cursor_column, 2);
    out_index(g, 0x3d4, 0x0d, 80); /* scrolled by a row */
    ck_assert(vga_text(&g->vga, &g->text));
    ck_assert_uint_eq(g->text.cell[0][1], 0x1e42);
    ck_assert_uint_eq(g->text.cursor_row, 1);
    out_index(g, 0x3d4, 0x0c, 0x20); /* MA13 is no part of a word's address here, MA15 is */
    g->vram[4 * 0x40a0] = 'M';
    g->vram[4 * 0x40a1] = 'N';
    ck_assert(vga_text(&g->vga, &g->text));
    ck_assert_uint_eq(g->text.cell[0][0] & 0xff, 'M');
    out_index(g, 0x3d4, 0x17, 0x83);
    ck_assert(vga_text(&g->vga, &g->text));
    ck_assert_uint_eq(g->text.cell[0][0] & 0xff, 'N');
    out_index(g, 0x3c4, 1, 0x20);
    ck_assert(!vga_text(&g->vga, &g->text));
    set_mode(g, MODE_12);
    ck_assert(!vga_text(&g->vga, &g->text));
    ck_assert_uint_eq(g->text.columns, 0);
    vga_rig_close(g);
}
END_TEST

/* Only lines that differ are drawn again. */
START_TEST(test_dirty_rows)
{
    struct vga_rig *g = text_mode(MODE_3);
    struct vga_rows rows = draw(g);

    ck_assert_uint_eq(rows.first, 0);
    ck_assert_uint_eq(rows.end, 400);
    rows = draw(g);
    ck_assert_uint_eq(rows.first, rows.end);
    put(g, 3 * 80 + 5, 1, 0x07); /* character 0 was there: its rows differ */
    put(g, 5 * 80, 1, 0x07);
    rows = draw(g);
    ck_assert_uint_eq(rows.first, 48);
    ck_assert_uint_eq(rows.end, 96);
    ck_assert_uint_eq(g->shown.changed[48], 1);
    ck_assert_uint_eq(g->shown.changed[64], 0);
    ck_assert_uint_eq(g->shown.changed[95], 1);
    outb(&g->r, 0x38, 0x3c8); /* a colour that is on no screen */
    for (unsigned i = 0; i < 3; i++)
        outb(&g->r, 0x3f, 0x3c9);
    draw(g);
    vga_rig_close(g);
}
END_TEST

START_TEST(test_cursor_and_blink)
{
    struct vga_rig *g = text_mode(MODE_3);
    const uint64_t frame = NS_PER_SEC / 70 + 1;

    put(g, 0, 0xdb, 0x87);
    put(g, 1, 0x11, 0x07);
    out_index(g, 0x3d4, 0x0a, 13);
    out_index(g, 0x3d4, 0x0f, 1);
    draw(g);
    check_cell(g, 9, 12, glyph(0x11, 12) * 2u, color(MODE_3, 7), color(MODE_3, 0));
    check_cell(g, 9, 13, 0x1ff, color(MODE_3, 7), color(MODE_3, 0));
    check_cell(g, 9, 14, 0x1ff, color(MODE_3, 7), color(MODE_3, 0));
    check_cell(g, 9, 15, glyph(0x11, 15) * 2u, color(MODE_3, 7), color(MODE_3, 0));
    check_cell(g, 0, 3, glyph(0xdb, 3) * 2u | (glyph(0xdb, 3) & 1), color(MODE_3, 7),
               color(MODE_3, 0));
    g->r.ns = 9 * frame; /* the cursor is off, the character still on */
    draw(g);
    check_cell(g, 9, 13, glyph(0x11, 13) * 2u, color(MODE_3, 7), color(MODE_3, 0));
    check_cell(g, 0, 3, glyph(0xdb, 3) * 2u | (glyph(0xdb, 3) & 1), color(MODE_3, 7),
               color(MODE_3, 0));
    g->r.ns = 17 * frame;
    draw(g);
    check_cell(g, 9, 13, 0x1ff, color(MODE_3, 7), color(MODE_3, 0));
    check_cell(g, 0, 3, 0, color(MODE_3, 7), color(MODE_3, 0));
    out_attr(g, 0x10, 0x04); /* bit 7 is intensity */
    draw(g);
    check_cell(g, 0, 3, glyph(0xdb, 3) * 2u | (glyph(0xdb, 3) & 1), color(MODE_3, 7),
               color(MODE_3, 8));
    vga_rig_close(g);
}
END_TEST

START_TEST(test_panning_and_split)
{
    struct vga_rig *g = text_mode(MODE_3);

    for (unsigned i = 0; i < 4000; i++)
        put(g, i, (uint8_t)(i % 191), 0x07); /* no line graphics */
    out_index(g, 0x3d4, 0x0d, 80);
    out_index(g, 0x3d4, 0x08, 3); /* the first row begins with its line 3 */
    out_attr(g, 0x13, 2);         /* three dots to the left */
    out_index(g, 0x3d4, 0x18, 199);
    out_index(g, 0x3d4, 0x07, 0x0f);
    out_index(g, 0x3d4, 0x09, 0x0f);
    draw(g);
    check_cell(g, 6, 0, glyph(81, 3) * 2u, color(MODE_3, 7), color(MODE_3, 0));
    check_cell(g, 6, 13, glyph(161, 0) * 2u, color(MODE_3, 7), color(MODE_3, 0));
    check_cell(g, 6, 200, glyph(1, 0) * 2u, color(MODE_3, 7), color(MODE_3, 0));
    check_cell(g, 6, 216, glyph(81, 0) * 2u, color(MODE_3, 7), color(MODE_3, 0));
    out_attr(g, 0x10, 0x2c); /* the lower part does not pan */
    draw(g);
    check_cell(g, 6, 199, glyph((80 * 12 + 81) % 191, 10) * 2u, color(MODE_3, 7), color(MODE_3, 0));
    check_cell(g, 0, 200, glyph(0, 0) * 2u, color(MODE_3, 7), color(MODE_3, 0));
    vga_rig_close(g);
}
END_TEST

START_TEST(test_two_fonts)
{
    struct vga_rig *g = text_mode(MODE_3);

    load_font(g, 0x6000, 0x5a); /* map 5 */
    set_mode(g, MODE_3);
    out_index(g, 0x3d4, 0x0a, 0x20);
    out_index(g, 0x3c4, 3, 0x24); /* A: map 5, B: map 0 */
    put(g, 0, 0x23, 0x07);
    put(g, 1, 0x23, 0x0f);
    draw(g);
    check_cell(g, 0, 5, glyph(0x23, 5) * 2u, color(MODE_3, 7), color(MODE_3, 0));
    check_cell(g, 9, 5, (glyph(0x23, 5) ^ 0x5au) * 2u, color(MODE_3, 15), color(MODE_3, 0));
    vga_rig_close(g);
}
END_TEST

/* Eight dots, doubled: 40 columns. */
START_TEST(test_forty_columns)
{
    struct vga_rig *g = text_mode(MODE_3);

    out_index(g, 0x3c4, 1, 9);
    out_index(g, 0x3d4, 0x11, 0);
    out_index(g, 0x3d4, 0x01, 39);
    out_index(g, 0x3d4, 0x13, 20);
    out_attr(g, 0x13, 0);
    put(g, 41, 0x43, 0x1e);
    draw(g);
    ck_assert_uint_eq(g->s.width, 640);
    for (unsigned i = 0; i < 16; i++)
        expect(g, 16 + i, 18, color(MODE_3, glyph(0x43, 2) >> (7 - i / 2) & 1 ? 14 : 1));
    ck_assert(vga_text(&g->vga, &g->text));
    ck_assert_uint_eq(g->text.columns, 40);
    ck_assert_uint_eq(g->text.cell[1][1], 0x1e43);
    vga_rig_close(g);
}
END_TEST

START_TEST(test_monochrome_underline)
{
    struct vga_rig *g = text_mode(MODE_7);

    bus_write(&g->mmio, 0xb0000, 4, 0x01410741);
    draw(g);
    check_cell(g, 0, 13, glyph('A', 13) * 2u, color(MODE_7, 7), color(MODE_7, 0));
    check_cell(g, 9, 12, glyph('A', 12) * 2u, color(MODE_7, 1), color(MODE_7, 0));
    check_cell(g, 9, 13, 0x1ff, color(MODE_7, 1), color(MODE_7, 0));
    ck_assert_uint_eq(peek(g, 0xb8000), 0xff); /* the colour window is closed */
    vga_rig_close(g);
}
END_TEST

START_TEST(test_blank)
{
    struct vga_rig *g = vga_rig_open();

    draw(g);
    ck_assert_uint_eq(g->s.width, 640);
    ck_assert_uint_eq(g->s.height, 480);
    expect(g, 0, 0, 0);
    vga_rig_close(g);
    g = text_mode(MODE_3);
    put(g, 0, 'A', 0x17);
    draw(g);
    ck_assert_uint_ne(pixel(g, 0, 0), 0);
    inb(&g->r, 0x3da);
    outb(&g->r, 0, 0x3c0);
    draw(g);
    expect(g, 0, 0, 0);
    vga_rig_close(g);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_indexed,
        test_mono_or_color,
        test_crtc_protection,
        test_attribute_flip_flop,
        test_dac,
        test_status_follows_time,
        test_status_always_moves,
        test_save_restore,
        test_text_pixels,
        test_text_cells,
        test_dirty_rows,
        test_cursor_and_blink,
        test_panning_and_split,
        test_two_fonts,
        test_forty_columns,
        test_monochrome_underline,
        test_blank,
    };

    return run_tests("vga", tests, ARRAY_SIZE(tests));
}
