/* The VGA's memory window against a model that works bit by bit, as the Technical Reference puts
 * it; then the windows, chained addresses, VBE's banks and registers. */
#include "vga_rig.h"

struct model {
    uint8_t plane[4][65536], latch[4];
    uint8_t seq[5], gfx[9];
};

static bool bit(unsigned val, unsigned n)
{
    return val >> n & 1;
}

/* Where an access goes: bit set of planes to write, plane to read, address. */
struct place {
    unsigned planes, plane, at;
};

static struct place place(const struct model *m, unsigned off)
{
    struct place p = {15, m->gfx[4] & 3u, off & 0xffff};

    if (bit(m->seq[4], 3)) {
        p.planes = 1u << off % 4;
        p.plane = off % 4;
        p.at = (off & 0xfffc) + off / 65536;
        return p;
    }
    if (!bit(m->seq[4], 2))
        p.planes = off % 2 ? 10 : 5;
    if (bit(m->gfx[5], 4))
        p.plane = (p.plane & 2) + off % 2;
    if (bit(m->gfx[6], 1))
        p.at = (off & 0xfffe) + off / 65536;
    return p;
}

static uint8_t model_read(struct model *m, unsigned off)
{
    struct place p = place(m, off);
    uint8_t val = 0;

    for (unsigned i = 0; i < 4; i++)
        m->latch[i] = m->plane[i][p.at];
    if (!bit(m->gfx[5], 3))
        return m->latch[p.plane];
    for (unsigned b = 0; b < 8; b++) {
        bool equal = true;

        for (unsigned i = 0; i < 4; i++)
            if (bit(m->gfx[7], i) && bit(m->latch[i], b) != bit(m->gfx[2], i))
                equal = false;
        val |= (uint8_t)(equal << b);
    }
    return val;
}

static bool model_alu(const struct model *m, bool data, bool latch)
{
    const bool result[4] = {data, data && latch, data || latch, data != latch};

    return result[m->gfx[3] >> 3 & 3];
}

/* One bit of one plane. */
static bool model_bit(const struct model *m, unsigned i, unsigned b, uint8_t val)
{
    bool rotated = bit(val, (b + (m->gfx[3] & 7)) % 8), latch = bit(m->latch[i], b);
    bool masked = bit(m->gfx[8], b);

    switch (m->gfx[5] & 3) {
    case 0:
        if (bit(m->gfx[1], i))
            rotated = bit(m->gfx[0], i);
        return masked ? model_alu(m, rotated, latch) : latch;
    case 1:
        return latch;
    case 2:
        return masked ? model_alu(m, bit(val, i), latch) : latch;
    default:
        return masked && rotated ? bit(m->gfx[0], i) : latch;
    }
}

static void model_write(struct model *m, unsigned off, uint8_t val)
{
    struct place p = place(m, off);

    for (unsigned i = 0; i < 4; i++) {
        uint8_t byte = 0;

        for (unsigned b = 0; b < 8; b++)
            byte |= (uint8_t)(model_bit(m, i, b, val) << b);
        if (bit(p.planes & m->seq[2], i))
            m->plane[i][p.at] = byte;
    }
}

static void set_seq(struct vga_rig *g, struct model *m, unsigned i, uint8_t val)
{
    m->seq[i] = val;
    out_index(g, 0x3c4, i, val);
}

static void set_gfx(struct vga_rig *g, struct model *m, unsigned i, uint8_t val)
{
    m->gfx[i] = val;
    out_index(g, 0x3ce, i, val);
}

static void some_register(struct vga_rig *g, struct model *m, uint64_t r)
{
    static const uint8_t useful[9] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x1b, 0x02, 0x0f, 0xff};
    unsigned i = r >> 8 & 15;

    if (i < 9)
        set_gfx(g, m, i, (uint8_t)(r >> 16) & useful[i]); /* 6: the window of 128 KiB */
    else if (i < 12)
        set_seq(g, m, 2, r >> 16 & 15);
    else
        set_seq(g, m, 4, (r >> 16 & 7) ? 6 : r >> 20 & 14);
}

static void same_read(struct vga_rig *g, struct model *m, unsigned off)
{
    uint8_t got = peek(g, 0xa0000 + off), want = model_read(m, off);

    if (got != want)
        ck_abort_msg("%02x at %x, not %02x", got, off, want);
}

START_TEST(test_against_model)
{
    struct vga_rig *g = vga_rig_open();
    struct model *m = calloc(1, sizeof(*m));
    uint64_t seed = 0x5eed + (unsigned)_i;

    outb(&g->r, 3, 0x3c2);
    for (unsigned n = 0; n < 100000; n++) {
        uint64_t r = next(&seed);
        /* Few addresses, so that what was written is met again; now and then the upper half. */
        unsigned off = (r >> 40 & 0x3f) | (r >> 50 & 0x1f ? 0 : 0x10000);

        if ((r & 7) < 3)
            some_register(g, m, r);
        else if ((r & 7) < 5)
            same_read(g, m, off);
        else if ((r & 7) < 7) {
            poke(g, 0xa0000 + off, (uint8_t)(r >> 16));
            model_write(m, off, (uint8_t)(r >> 16));
        } else { /* wide: byte by byte, low end first */
            bus_write(&g->mmio, 0xa0000 + off, 4, r >> 8 & UINT32_MAX);
            for (unsigned i = 0; i < 4; i++)
                model_write(m, off + i, (uint8_t)(r >> (8 + 8 * i)));
        }
    }
    for (unsigned at = 0; at < 65536; at++)
        for (unsigned i = 0; i < 4; i++)
            if (g->vram[at * 4 + i] != m->plane[i][at])
                ck_abort_msg("plane %u at %x", i, at);
    free(m);
    vga_rig_close(g);
}
END_TEST

START_TEST(test_windows)
{
    static const struct {
        uint8_t map;
        uint32_t first, last;
    } rows[] = {
        {0, 0xa0000, 0xbffff}, {1, 0xa0000, 0xaffff}, {2, 0xb0000, 0xb7fff}, {3, 0xb8000, 0xbffff}};
    struct vga_rig *g = vga_rig_open();

    out_index(g, 0x3c4, 2, 1);
    out_index(g, 0x3c4, 4, 6);
    out_index(g, 0x3ce, 8, 0xff);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        out_index(g, 0x3ce, 6, (unsigned)rows[i].map << 2);
        outb(&g->r, 2, 0x3c2);
        poke(g, rows[i].first, 0x40 + (uint8_t)i);
        ck_assert_uint_eq(g->vram[0], 0x40 + i);
        ck_assert_uint_eq(peek(g, rows[i].first), 0x40 + i);
        poke(g, rows[i].last, 0x50);
        ck_assert_uint_eq(g->vram[4 * ((rows[i].last - rows[i].first) & 0xffff)], 0x50);
        if (rows[i].first > 0xa0000)
            ck_assert_uint_eq(peek(g, rows[i].first - 1), 0xff);
        if (rows[i].last < 0xbffff)
            ck_assert_uint_eq(peek(g, rows[i].last + 1), 0xff);
        poke(g, rows[i].first ^ 0x18000, 0x77); /* in another window, or the 128 KiB one */
        outb(&g->r, 0, 0x3c2);                  /* RAM off */
        poke(g, rows[i].first, 0x33);
        ck_assert_uint_eq(peek(g, rows[i].first), 0xff);
        ck_assert_uint_eq(g->vram[0], 0x40 + i);
    }
    vga_rig_close(g);
}
END_TEST

/* ---- VBE ---- */

static void vbe_mode(struct vga_rig *g, unsigned width, unsigned height, unsigned bpp,
                     unsigned flags)
{
    out_vbe(g, 4, 0);
    out_vbe(g, 1, (uint16_t)width);
    out_vbe(g, 2, (uint16_t)height);
    out_vbe(g, 3, (uint16_t)bpp);
    out_vbe(g, 4, (uint16_t)(1 | flags));
}

START_TEST(test_vbe_registers)
{
    struct vga_rig *g = vga_rig_open();

    ck_assert_uint_eq(in_vbe(g, 0), 0xb0c5);
    out_vbe(g, 0, 0xb0c2);
    ck_assert_uint_eq(in_vbe(g, 0), 0xb0c2);
    out_vbe(g, 0, 0x1234);
    ck_assert_uint_eq(in_vbe(g, 0), 0xb0c2);
    ck_assert_uint_eq(in_vbe(g, 10), 256);
    out_vbe(g, 4, 2);
    ck_assert_uint_eq(in_vbe(g, 1), 4096);
    ck_assert_uint_eq(in_vbe(g, 3), 32);
    memset(g->vram, 0xee, RIG_VRAM);
    vbe_mode(g, 1024, 768, 32, 0x40);
    ck_assert_uint_eq(in_vbe(g, 1), 1024);
    ck_assert_uint_eq(in_vbe(g, 6), 1024);
    ck_assert_uint_eq(in_vbe(g, 7), 4096);
    ck_assert_uint_eq(g->vram[0], 0);
    ck_assert_uint_eq(g->vram[1024 * 768 * 4 - 1], 0);
    ck_assert_uint_eq(g->vram[1024 * 768 * 4], 0xee);
    memset(g->vram, 0xee, 16);
    vbe_mode(g, 1024, 768, 32, 0xc0); /* do not clear */
    ck_assert_uint_eq(g->vram[0], 0xee);
    /* The word of the other data port, and BAR2's registers. */
    bus_write(&g->r.ports, 0x1ce, 2, 9);
    bus_write(&g->r.ports, 0x1d0, 2, 17);
    ck_assert_uint_eq(bus_read(&g->r.ports, 0x1d0, 2), 17);
    ck_assert_uint_eq(in_vbe(g, 9), 17);
    ck_assert_uint_eq(vga_mmio_ops.read(&g->vga, 0x500 + 2 * 9, 2), 17);
    vga_mmio_ops.write(&g->vga, 0x500 + 2 * 9, 2, 18);
    ck_assert_uint_eq(in_vbe(g, 9), 18);
    vga_mmio_ops.write(&g->vga, 0x404, 2, 0x0902); /* sequencer 2 := 9 */
    ck_assert_uint_eq(in_index(g, 0x3c4, 2), 9);
    ck_assert_uint_eq(vga_mmio_ops.read(&g->vga, 0x405, 1), 9);
    ck_assert_uint_eq(vga_mmio_ops.read(&g->vga, 0x600, 2), 4);
    vga_rig_close(g);
}
END_TEST

/* Whatever is written, what is shown lies in memory: the sanitizers see to it. */
START_TEST(test_vbe_any)
{
    struct vga_rig *g = vga_rig_open();
    uint64_t seed = 99;

    for (unsigned n = 0; n < 20000; n++) {
        static const uint8_t bpps[] = {4, 8, 15, 16, 24, 32, 0, 7};
        uint64_t r = next(&seed);
        unsigned index = r % 11;
        uint16_t val = (uint16_t)(r >> 16 >> (r >> 8 & 15));

        if (index == 3)
            val = bpps[r >> 20 & 7];
        out_vbe(g, (uint16_t)index, index == 4 ? (val & 0xfffd) | 0x80 : val);
        if (n % 200 == 0) {
            memset(&g->shown, 0, sizeof(g->shown));
            draw(g);
        }
        if (in_vbe(g, 4) & 1) {
            size_t bpp = in_vbe(g, 3),
                   pitch = in_vbe(g, 6) * (bpp == 4 ? 4 : (bpp + 7) / 8 * 8) / 8;

            ck_assert_uint_le((in_vbe(g, 9) + in_vbe(g, 2)) * pitch, RIG_VRAM);
            ck_assert_uint_le(in_vbe(g, 8) + in_vbe(g, 1), in_vbe(g, 6));
            ck_assert_uint_ge(in_vbe(g, 1), 8);
            ck_assert_uint_ge(in_vbe(g, 2), 1);
        }
    }
    vga_rig_close(g);
}
END_TEST

START_TEST(test_vbe_banks)
{
    struct vga_rig *g = vga_rig_open();

    outb(&g->r, 2, 0x3c2);
    vbe_mode(g, 640, 480, 8, 0);
    out_vbe(g, 5, 3);
    poke(g, 0xa0010, 0x5a);
    ck_assert_uint_eq(g->vram[0x30010], 0x5a);
    ck_assert_uint_eq(peek(g, 0xa0010), 0x5a);
    ck_assert_uint_eq(peek(g, 0xb0010), 0xff);
    out_vbe(g, 5, 0x1ff); /* 256 banks */
    ck_assert_uint_eq(in_vbe(g, 5), 0xff);
    poke(g, 0xaffff, 0x5b);
    ck_assert_uint_eq(g->vram[RIG_VRAM - 1], 0x5b);
    vga_rig_close(g);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_windows, test_vbe_registers, test_vbe_any, test_vbe_banks};
    Suite *suite = suite_create("vga memory");
    TCase *tc = tcase_create("vga memory");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tc, test_against_model, 0, 8);
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
