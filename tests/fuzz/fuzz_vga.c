/* fuzz_vga.c - the VGA: ports, memory window, BAR2, time; and what viewers do with the outcome.
 *
 * An operation is five bytes: what, where (2), value (2).
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "devices/vga.h"

/* The smallest memory: ends are met soonest. */
enum { VRAM = 256 << 10, MAX_OPS = 2000, MAX_PICTURES = 8 };

enum op { OP_PORT, OP_INDEXED, OP_VBE, OP_MEMORY, OP_READ, OP_MMIO, OP_TIME, OP_DRAW, NOPS };

struct card {
    struct bus ports, mmio;
    struct clock clock;
    struct vga vga;
    uint64_t now;
    unsigned pictures;
    struct vga_shown shown;
    struct vga_text text;
    uint8_t *vram; /* VRAM bytes of its own: a sanitizer sees what lies beyond */
    uint32_t *pixels;
};

static uint64_t card_now(void *opaque)
{
    return ((struct card *)opaque)->now;
}

static void card_open(struct card *c)
{
    struct vga_config cfg = {.vram_bytes = VRAM, .clock = &c->clock};

    if (!c->vram) {
        c->vram = malloc(VRAM);
        c->pixels = malloc((size_t)VGA_MAX_WIDTH * VGA_MAX_HEIGHT * sizeof(*c->pixels));
    }
    memset(c->vram, 0, VRAM);
    memset(&c->shown, 0, sizeof(c->shown));
    c->now = 0;
    c->pictures = 0;
    c->clock = (struct clock){.now = card_now, .opaque = c};
    bus_init(&c->ports, "ports", NULL);
    bus_init(&c->mmio, "mmio", NULL);
    cfg.vram = c->vram;
    vga_init(&c->vga, &cfg);
    FUZZ_CHECK(vga_attach(&c->vga, &c->ports, &c->mmio) == 0, "vga_attach");
    bus_write(&c->ports, 0x3c2, 1, 3);
}

static void draw(struct card *c)
{
    struct vga_surface s = {.stride = VGA_MAX_WIDTH, .pixels = c->pixels};
    struct vga_rows rows;

    vga_text(&c->vga, &c->text);
    vga_size(&c->vga, &s.width, &s.height);
    FUZZ_CHECK(s.width && s.width <= VGA_MAX_WIDTH, "width %u", s.width);
    FUZZ_CHECK(s.height && s.height <= VGA_MAX_HEIGHT, "height %u", s.height);
    if (c->pictures++ >= MAX_PICTURES)
        return;
    rows = vga_render(&c->vga, &c->shown, &s);
    FUZZ_CHECK(rows.first <= rows.end && rows.end <= s.height, "rows %u to %u", rows.first,
               rows.end);
}

static void operate(struct card *c, struct fuzz_bytes *in)
{
    uint8_t what = (uint8_t)fuzz_take(in, 1);
    uint32_t where = (uint32_t)fuzz_take(in, 2), val = (uint32_t)fuzz_take(in, 2);
    static const uint16_t indexed[] = {0x3c4, 0x3ce, 0x3d4, 0x3b4};
    unsigned size = 1u << (what >> 4) % 3;

    switch (what % NOPS) {
    case OP_PORT:
        bus_write(&c->ports, 0x3b0 + where % 0x30, size, val);
        bus_read(&c->ports, 0x3b0 + where % 0x30, size);
        break;
    case OP_INDEXED:
        bus_write(&c->ports, indexed[where % ARRAY_SIZE(indexed)], 2, val);
        break;
    case OP_VBE:
        bus_write(&c->ports, 0x1ce, 2, where % 12);
        bus_write(&c->ports, 0x1cf, 2, val);
        break;
    case OP_MEMORY:
        bus_write(&c->mmio, 0xa0000 + where * 2, size, val);
        break;
    case OP_READ:
        bus_read(&c->mmio, 0xa0000 + where * 2, size);
        break;
    case OP_MMIO:
        vga_mmio_ops.write(&c->vga, where % (VGA_MMIO_BYTES - 1), 1 + (what >> 4 & 1), val);
        vga_mmio_ops.read(&c->vga, where % (VGA_MMIO_BYTES - 1), 1 + (what >> 4 & 1));
        break;
    case OP_TIME:
        c->now += (uint64_t)val << where % 40;
        break;
    case OP_DRAW:
        draw(c);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct card c;
    struct fuzz_bytes in = {data, size};

    card_open(&c);
    for (unsigned n = 0; in.left && n < MAX_OPS; n++)
        operate(&c, &in);
    draw(&c);
    return 0;
}
