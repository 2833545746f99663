/* The Bochs VBE interface: sixteen-bit registers behind an index. */
#include "devices/vga_priv.h"

#include <string.h>

/* 4 bits per pixel are planes; the others are packed, and 15 takes two bytes. */
static unsigned bytes_per_pixel(unsigned bpp)
{
    return (bpp + 7) / 8;
}

/* Bytes of a line; for planes, those of one of them. */
static size_t line_bytes(unsigned bpp, unsigned width)
{
    return bpp == 4 ? width / 8 : (size_t)width * bytes_per_pixel(bpp);
}

static size_t memory_bytes(const struct vga *v, unsigned bpp)
{
    return bpp == 4 ? v->wiring.vram_bytes / VGA_PLANES : v->wiring.vram_bytes;
}

static bool is_bpp(unsigned bpp)
{
    return bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32;
}

static uint16_t limit(size_t val, size_t most)
{
    return (uint16_t)(val < most ? val : most);
}

/* The registers of a mode that is on describe lines that lie in memory, whatever was written:
 * virtual width, then height, then where the picture begins. */
static void settle(struct vga *v)
{
    uint16_t *r = v->vbe;
    size_t rows;

    if (!is_bpp(r[VBE_BPP]))
        r[VBE_BPP] = 8;
    r[VBE_XRES] = limit(r[VBE_XRES], VBE_MAX_XRES) & (uint16_t)~7;
    if (!r[VBE_XRES])
        r[VBE_XRES] = 8;
    if (r[VBE_VIRT_WIDTH] < r[VBE_XRES])
        r[VBE_VIRT_WIDTH] = r[VBE_XRES];
    r[VBE_VIRT_WIDTH] &= (uint16_t)~7;
    rows = memory_bytes(v, r[VBE_BPP]) / line_bytes(r[VBE_BPP], r[VBE_VIRT_WIDTH]);
    r[VBE_VIRT_HEIGHT] = limit(rows, UINT16_MAX);
    r[VBE_YRES] = limit(r[VBE_YRES], limit(rows, VBE_MAX_YRES));
    if (!r[VBE_YRES])
        r[VBE_YRES] = 1;
    r[VBE_X_OFFSET] = limit(r[VBE_X_OFFSET], r[VBE_VIRT_WIDTH] - r[VBE_XRES]);
    r[VBE_Y_OFFSET] = limit(r[VBE_Y_OFFSET], rows - r[VBE_YRES]);
}

void vga_vbe_get_frame(const struct vga *v, struct vga_vbe_frame *f)
{
    const uint16_t *r = v->vbe;

    f->width = r[VBE_XRES];
    f->height = r[VBE_YRES];
    f->bpp = r[VBE_BPP];
    f->pitch = line_bytes(f->bpp, r[VBE_VIRT_WIDTH]);
    f->start = r[VBE_Y_OFFSET] * f->pitch + line_bytes(f->bpp, r[VBE_X_OFFSET]);
}

static void clear_memory(struct vga *v)
{
    size_t pitch = line_bytes(v->vbe[VBE_BPP], v->vbe[VBE_VIRT_WIDTH]);

    memset(v->wiring.vram, 0, v->vbe[VBE_YRES] * pitch * (v->vbe[VBE_BPP] == 4 ? VGA_PLANES : 1));
}

/* Palette entries keep their colour when their width changes. */
static void change_dac_width(struct vga *v, bool to_8)
{
    for (unsigned i = 0; i < VGA_DAC_BYTES; i++)
        v->dac[i] = to_8 ? (uint8_t)(v->dac[i] << 2 | v->dac[i] >> 4) : v->dac[i] >> 2;
}

static void write_enable(struct vga *v, uint16_t val)
{
    bool was_on = vga_vbe_on(v);
    uint16_t changed = v->vbe[VBE_ENABLE] ^ val;

    v->vbe[VBE_ENABLE] = val;
    if (changed & VBE_8BIT_DAC)
        change_dac_width(v, val & VBE_8BIT_DAC);
    v->vbe[VBE_BANK] = 0;
    if (!(val & VBE_ENABLED) || was_on)
        return;
    v->vbe[VBE_VIRT_WIDTH] = v->vbe[VBE_XRES];
    v->vbe[VBE_X_OFFSET] = 0;
    v->vbe[VBE_Y_OFFSET] = 0;
    settle(v);
    if (!(val & VBE_NO_CLEAR))
        clear_memory(v);
}

static uint16_t banks(const struct vga *v)
{
    return (uint16_t)(v->wiring.vram_bytes / (64 * KIB));
}

void vga_vbe_write(struct vga *v, unsigned index, uint16_t val)
{
    switch (index) {
    case VBE_ID:
        if (val >= VBE_ID_FIRST && val <= VBE_ID_LAST)
            v->vbe[index] = val;
        break;
    case VBE_ENABLE:
        write_enable(v, val);
        break;
    case VBE_BANK:
        v->vbe[index] = val & (banks(v) - 1);
        break;
    case VBE_XRES:
    case VBE_YRES:
    case VBE_BPP:
    case VBE_VIRT_WIDTH:
    case VBE_X_OFFSET:
    case VBE_Y_OFFSET:
        v->vbe[index] = val;
        if (vga_vbe_on(v))
            settle(v);
        break;
    }
}

uint16_t vga_vbe_read(const struct vga *v, unsigned index)
{
    static const uint16_t caps[] = {
        [VBE_XRES] = VBE_MAX_XRES, [VBE_YRES] = VBE_MAX_YRES, [VBE_BPP] = VBE_MAX_BPP};

    if (index == VBE_MEMORY_64K)
        return banks(v);
    if (index >= VBE_XRES && index <= VBE_BPP && (v->vbe[VBE_ENABLE] & VBE_GET_CAPS))
        return caps[index];
    return index < VGA_VBE_REGS ? v->vbe[index] : 0;
}

void vga_vbe_reset(struct vga *v)
{
    v->vbe[VBE_ID] = VBE_ID_LAST;
}
