/* vga_rig.h - a VGA on buses of its own, and the registers of the BIOS's modes (IBM VGA/XGA
 * Technical Reference, "Video Modes"). */
#ifndef DRAGOMAN_TESTS_VGA_RIG_H
#define DRAGOMAN_TESTS_VGA_RIG_H

#include "dev_harness.h"

#include "base/bits.h"
#include "devices/vga.h"

enum { RIG_VRAM = 16 << 20 };

struct vga_rig {
    struct rig r;
    struct bus mmio;
    struct vga vga;
    uint8_t *vram;
    struct vga_shown shown;
    struct vga_surface s;
    struct vga_text text;
};

static inline struct vga_rig *vga_rig_open(void)
{
    struct vga_rig *g = calloc(1, sizeof(*g));
    struct vga_config cfg = {.vram_bytes = RIG_VRAM, .clock = &g->r.clock};

    rig_init(&g->r);
    bus_init(&g->mmio, "mmio", NULL);
    cfg.vram = g->vram = calloc(1, RIG_VRAM);
    vga_init(&g->vga, &cfg);
    ck_assert_int_eq(vga_attach(&g->vga, &g->r.ports, &g->mmio), 0);
    g->s = (struct vga_surface){.stride = VGA_MAX_WIDTH};
    g->s.pixels = calloc((size_t)VGA_MAX_WIDTH * VGA_MAX_HEIGHT, sizeof(uint32_t));
    return g;
}

static inline void vga_rig_close(struct vga_rig *g)
{
    free(g->s.pixels);
    free(g->vram);
    free(g);
}

static inline void out_index(struct vga_rig *g, uint16_t port, unsigned index, unsigned val)
{
    bus_write(&g->r.ports, port, 2, index | val << 8);
}

static inline uint8_t in_index(struct vga_rig *g, uint16_t port, uint8_t index)
{
    outb(&g->r, index, port);
    return inb(&g->r, port + 1);
}

static inline void out_attr(struct vga_rig *g, uint8_t index, uint8_t val)
{
    inb(&g->r, 0x3da);
    inb(&g->r, 0x3ba);
    outb(&g->r, index, 0x3c0);
    outb(&g->r, val, 0x3c0);
    outb(&g->r, 0x20, 0x3c0);
}

static inline void out_vbe(struct vga_rig *g, uint16_t index, uint16_t val)
{
    bus_write(&g->r.ports, 0x1ce, 2, index);
    bus_write(&g->r.ports, 0x1cf, 2, val);
}

static inline uint16_t in_vbe(struct vga_rig *g, uint16_t index)
{
    bus_write(&g->r.ports, 0x1ce, 2, index);
    return (uint16_t)bus_read(&g->r.ports, 0x1cf, 2);
}

static inline void poke(struct vga_rig *g, uint32_t at, uint8_t val)
{
    bus_write(&g->mmio, at, 1, val);
}

static inline uint8_t peek(struct vga_rig *g, uint32_t at)
{
    return (uint8_t)bus_read(&g->mmio, at, 1);
}

/* DAC entry i is a colour of its own; in `rgb` as it comes out. */
static inline void set_dac(struct vga_rig *g)
{
    outb(&g->r, 0, 0x3c8);
    for (unsigned i = 0; i < 256; i++) {
        outb(&g->r, i & 0x3f, 0x3c9);
        outb(&g->r, i >> 2, 0x3c9);
        outb(&g->r, (i * 7) & 0x3f, 0x3c9);
    }
}

static inline uint32_t eight(unsigned six)
{
    return six << 2 | six >> 4;
}

static inline uint32_t rgb(unsigned i)
{
    return eight(i & 0x3f) << 16 | eight(i >> 2) << 8 | eight((i * 7) & 0x3f);
}

struct mode {
    uint8_t misc, seq[5], crtc[25], gfx[9], attr[21];
};

enum { MODE_3, MODE_4, MODE_6, MODE_7, MODE_D, MODE_12, MODE_13, MODE_X, NMODES };

static const struct mode modes[NMODES] = {
    [MODE_3] = {0x67,
                {3, 0, 3, 0, 2},
                {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0,    0x4f, 0x0d, 0x0e, 0,
                 0,    0,    0,    0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff},
                {0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff},
                {0,    1,    2,    3,    4,    5,    0x14, 7,    0x38, 0x39, 0x3a,
                 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0,    0x0f, 8,    0}},
    [MODE_4] = {0x63,
                {3, 9, 3, 0, 2},
                {0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0,    0xc1, 0,    0,   0,
                 0,    0,    0,    0x9c, 0x8e, 0x8f, 0x14, 0,    0x96, 0xb9, 0xa2, 0xff},
                {0, 0, 0, 0, 0, 0x30, 0x0f, 0, 0xff},
                {0,    0x13, 0x15, 0x17, 2,    4, 6, 7, 0x10, 0x11, 0x12,
                 0x13, 0x14, 0x15, 0x16, 0x17, 1, 0, 3, 0,    0}},
    [MODE_6] = {0x63,
                {3, 1, 1, 0, 6},
                {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0,    0xc1, 0,    0,   0,
                 0,    0,    0,    0x9c, 0x8e, 0x8f, 0x28, 0,    0x96, 0xb9, 0xc2, 0xff},
                {0, 0, 0, 0, 0, 0, 0x0d, 0, 0xff},
                {0,    0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17,
                 0x17, 0x17, 0x17, 0x17, 0x17, 1,    0,    1,    0,    0}},
    [MODE_7] = {0xa6,
                {3, 0, 3, 0, 2},
                {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0,    0x4f, 0x0d, 0x0e, 0,
                 0,    0,    0,    0x9c, 0x8e, 0x8f, 0x28, 0x0d, 0x96, 0xb9, 0xa3, 0xff},
                {0, 0, 0, 0, 0, 0x10, 0x0a, 0, 0xff},
                {0,    8,    8,    8,    8,    8,    8, 8,    0x10, 0x18, 0x18,
                 0x18, 0x18, 0x18, 0x18, 0x18, 0x0e, 0, 0x0f, 8,    0}},
    [MODE_D] = {0x63,
                {3, 9, 0x0f, 0, 6},
                {0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0,    0xc0, 0,    0,   0,
                 0,    0,    0,    0x9c, 0x8e, 0x8f, 0x14, 0,    0x96, 0xb9, 0xe3, 0xff},
                {0, 0, 0, 0, 0, 0, 5, 0x0f, 0xff},
                {0,    1,    2,    3,    4,    5, 6, 7,    0x10, 0x11, 0x12,
                 0x13, 0x14, 0x15, 0x16, 0x17, 1, 0, 0x0f, 0,    0}},
    [MODE_12] = {0xe3,
                 {3, 1, 0x0f, 0, 6},
                 {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0,    0x40, 0,    0,   0,
                  0,    0,    0,    0xea, 0x8c, 0xdf, 0x28, 0,    0xe7, 0x04, 0xe3, 0xff},
                 {0, 0, 0, 0, 0, 0, 5, 0x0f, 0xff},
                 {0,    1,    2,    3,    4,    5, 0x14, 7,    0x38, 0x39, 0x3a,
                  0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 1, 0,    0x0f, 0,    0}},
    [MODE_13] = {0x63,
                 {3, 1, 0x0f, 0, 0x0e},
                 {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0,    0x41, 0,    0,   0,
                  0,    0,    0,    0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff},
                 {0, 0, 0, 0, 0, 0x40, 5, 0x0f, 0xff},
                 {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0, 0x0f, 0, 0}},
    /* 320x240 in planes: mode 13h with chain-4 and doublewords off. */
    [MODE_X] = {0xe3,
                {3, 1, 0x0f, 0, 6},
                {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0d, 0x3e, 0,    0x41, 0,    0,   0,
                 0,    0,    0,    0xea, 0xac, 0xdf, 0x28, 0,    0xe7, 0x06, 0xe3, 0xff},
                {0, 0, 0, 0, 0, 0x40, 5, 0x0f, 0xff},
                {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0, 0x0f, 0, 0}},
};

static inline void set_mode(struct vga_rig *g, unsigned which)
{
    const struct mode *m = &modes[which];
    uint16_t crtc = m->misc & 1 ? 0x3d4 : 0x3b4;

    outb(&g->r, m->misc, 0x3c2);
    for (unsigned i = 0; i < 5; i++)
        out_index(g, 0x3c4, i, m->seq[i]);
    out_index(g, crtc, 0x11, 0);
    for (unsigned i = 0; i < 25; i++)
        out_index(g, crtc, i, m->crtc[i]);
    for (unsigned i = 0; i < 9; i++)
        out_index(g, 0x3ce, i, m->gfx[i]);
    for (unsigned i = 0; i < 21; i++)
        out_attr(g, (uint8_t)i, m->attr[i]);
}

/* Draws what changed. */
static inline struct vga_rows draw(struct vga_rig *g)
{
    vga_size(&g->vga, &g->s.width, &g->s.height);
    return vga_render(&g->vga, &g->shown, &g->s);
}

static inline uint32_t pixel(const struct vga_rig *g, unsigned x, unsigned y)
{
    return g->s.pixels[y * g->s.stride + x];
}

/* (An assertion of Check costs a microsecond.) */
static inline void expect(const struct vga_rig *g, unsigned x, unsigned y, uint32_t want)
{
    if (pixel(g, x, y) != want)
        ck_abort_msg("dot %u, %u: %06x, not %06x", x, y, pixel(g, x, y), want);
}

/* The same generator everywhere (xorshift64). */
static inline uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
