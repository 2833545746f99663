/* The memory window: from A0000h-BFFFFh to the planes, by the graphics controller's latches. */
#include "devices/vga_priv.h"

#include "base/bits.h"

enum { PLANE_BYTES = 65536 };

/* One byte's way through the address logic. */
struct access {
    size_t at;        /* of the four planes' byte in display memory */
    uint8_t planes;   /* that a write reaches, before the map mask */
    uint8_t read_map; /* plane that a read returns */
};

/* Offset in the window that GFX_MISC selects; false: outside of it. */
static bool in_window(const struct vga *v, uint32_t *off)
{
    static const struct {
        uint32_t first, bytes;
    } window[4] = {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};
    unsigned map = vga_vbe_on(v) ? 1 : v->gfx[GFX_MISC] >> 2 & 3;

    if (!(v->misc & MISC_RAM_ENABLE) || *off < window[map].first ||
        *off - window[map].first >= window[map].bytes)
        return false;
    *off -= window[map].first;
    return true;
}

/* Chained addresses give their low bits to the choice of the plane. What takes their place is A16
 * (A16, A17), which only the 128 KiB window has: sources disagree about the page bit of the
 * miscellaneous output register, and every mode of the BIOS selects the same page by it. */
static void decode(const struct vga *v, uint32_t off, struct access *a)
{
    uint32_t bank = vga_vbe_on(v) ? v->vbe[VBE_BANK] * (uint32_t)PLANE_BYTES : 0;
    uint32_t at = off & (PLANE_BYTES - 1), high = off >> 16;

    a->planes = 0x0f;
    a->read_map = v->gfx[GFX_READ_MAP];
    if (v->seq[SEQ_MEMORY_MODE] & MEMORY_CHAIN_4) {
        a->planes = (uint8_t)(1 << (at & 3));
        a->read_map = at & 3;
        at = (at & ~UINT32_C(3)) | high;
    } else {
        if (!(v->seq[SEQ_MEMORY_MODE] & MEMORY_NOT_ODD_EVEN))
            a->planes = at & 1 ? 0x0a : 0x05;
        if (v->gfx[GFX_MODE] & GFX_MODE_ODD_EVEN)
            a->read_map = (a->read_map & 2) | (at & 1);
        if (v->gfx[GFX_MISC] & GFX_MISC_CHAIN_ODD_EVEN)
            at = (at & ~UINT32_C(1)) | high;
    }
    a->at = (size_t)(bank + at) * VGA_PLANES & (v->wiring.vram_bytes - 1);
}

/* One bit per plane becomes one byte per plane: bit 0 in the low byte. */
static uint32_t spread(unsigned planes)
{
    return (planes & 1 ? 0xffu : 0) | (planes & 2 ? 0xff00u : 0) | (planes & 4 ? 0xff0000u : 0) |
           (planes & 8 ? 0xff000000u : 0);
}

static uint8_t read_byte(struct vga *v, uint32_t off)
{
    struct access a;
    uint32_t differ;

    decode(v, off, &a);
    st32(v->latch, ld32(v->wiring.vram + a.at));
    if (!(v->gfx[GFX_MODE] & GFX_MODE_READ_COMPARE))
        return v->latch[a.read_map];
    differ =
        (ld32(v->latch) ^ spread(v->gfx[GFX_COLOR_COMPARE])) & spread(v->gfx[GFX_COLOR_DONT_CARE]);
    differ |= differ >> 16;
    return (uint8_t) ~(differ | differ >> 8);
}

static uint8_t rotate(const struct vga *v, uint8_t val)
{
    unsigned n = v->gfx[GFX_ROTATE] & 7;

    return (uint8_t)(val >> n | val << (8 - n));
}

static uint32_t combine(const struct vga *v, uint32_t data, uint32_t latch)
{
    switch (v->gfx[GFX_ROTATE] >> 3 & 3) {
    case 1:
        return data & latch;
    case 2:
        return data | latch;
    case 3:
        return data ^ latch;
    default:
        return data;
    }
}

/* What the four planes get for one byte of the CPU (write modes: Technical Reference, graphics
 * mode register). */
static uint32_t plane_data(const struct vga *v, uint8_t val)
{
    uint32_t latch = ld32(v->latch), mask = v->gfx[GFX_BIT_MASK] * UINT32_C(0x01010101), data;
    uint32_t reset = spread(v->gfx[GFX_SET_RESET]), forced;

    switch (v->gfx[GFX_MODE] & GFX_MODE_WRITE) {
    case 0:
        forced = spread(v->gfx[GFX_ENABLE_SET_RESET]);
        data = (rotate(v, val) * UINT32_C(0x01010101) & ~forced) | (reset & forced);
        break;
    case 1:
        return latch;
    case 2:
        data = spread(val & 0x0f);
        break;
    default:
        mask &= rotate(v, val) * UINT32_C(0x01010101);
        return (reset & mask) | (latch & ~mask);
    }
    return (combine(v, data, latch) & mask) | (latch & ~mask);
}

static void write_byte(struct vga *v, uint32_t off, uint8_t val)
{
    struct access a;
    uint32_t planes;
    uint8_t *p;

    decode(v, off, &a);
    planes = spread(a.planes & v->seq[SEQ_MAP_MASK]);
    p = v->wiring.vram + a.at;
    st32(p, (plane_data(v, val) & planes) | (ld32(p) & ~planes));
}

/* VBE's packed pixels: the window shows 64 KiB of them. */
static uint8_t *banked(const struct vga *v, uint32_t off)
{
    return v->wiring.vram +
           ((v->vbe[VBE_BANK] * (size_t)PLANE_BYTES + off) & (v->wiring.vram_bytes - 1));
}

uint32_t vga_mem_read(void *dev, uint32_t off, unsigned size)
{
    struct vga *v = dev;
    uint32_t val = 0;

    for (unsigned i = 0; i < size; i++) {
        uint32_t at = off + i;
        uint8_t byte = 0xff;

        if (in_window(v, &at))
            byte = vga_vbe_packed(v) ? *banked(v, at) : read_byte(v, at);
        val |= (uint32_t)byte << (8 * i);
    }
    return val;
}

void vga_mem_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct vga *v = dev;

    for (unsigned i = 0; i < size; i++) {
        uint32_t at = off + i;
        uint8_t byte = (uint8_t)(val >> (8 * i));

        if (!in_window(v, &at))
            continue;
        if (vga_vbe_packed(v))
            *banked(v, at) = byte;
        else
            write_byte(v, at, byte);
    }
}
