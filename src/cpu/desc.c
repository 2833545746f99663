/* desc.c - descriptor table access and the parts of a segment load that need no privilege rules. */
#include "cpu/desc.h"

#include "base/bits.h"

bool raise_sel(struct cpu *c, enum vector v, uint16_t sel, uint32_t ext)
{
    return cpu_raise(c, v, (sel & 0xfffcu) | ext);
}

uint32_t desc_limit(const struct desc *d)
{
    uint32_t limit = (d->lo & 0xffff) | (d->hi & 0xf0000);

    return desc_attr(d) & ATTR_G ? limit << 12 | 0xfff : limit;
}

enum desc_result desc_fetch(struct cpu *c, uint16_t sel, struct desc *d)
{
    uint32_t index = sel & 0xfff8u;
    uint64_t base = c->gdtr.base;
    uint32_t limit = c->gdtr.limit;
    uint8_t raw[8];

    if (sel & 4) {
        const struct seg *ldt = &c->seg[SEG_LDTR];

        if (!ldt->usable)
            return DESC_OUTSIDE;
        base = ldt->base;
        limit = ldt->limit;
    }
    if (index + 7 > limit)
        return DESC_OUTSIDE;
    d->lin = sys_linear(c, base + index);
    if (!c->mem->read(c, d->lin, raw, sizeof(raw), MEM_SYSTEM))
        return DESC_FAULT;
    d->lo = ld32(raw);
    d->hi = ld32(raw + 4);
    return DESC_OK;
}

bool desc_read(struct cpu *c, uint16_t sel, struct desc *d, enum vector v, uint32_t ext)
{
    enum desc_result r = desc_fetch(c, sel, d);

    return r == DESC_OUTSIDE ? raise_sel(c, v, sel, ext) : r == DESC_OK;
}

bool desc_read_high(struct cpu *c, uint16_t sel, const struct desc *d, enum vector v, uint32_t ext,
                    uint32_t *high)
{
    uint32_t limit = sel & 4 ? c->seg[SEG_LDTR].limit : c->gdtr.limit;
    uint8_t raw[8];

    if ((sel & 0xfff8u) + 15 > limit)
        return raise_sel(c, v, sel, ext);
    if (!c->mem->read(c, d->lin + 8, raw, sizeof(raw), MEM_SYSTEM))
        return false;
    *high = ld32(raw);
    return !(raw[5] & 0x1f) || raise_sel(c, v, sel, ext);
}

bool desc_check_size(struct cpu *c, uint16_t sel, const struct desc *d, uint32_t ext)
{
    bool both = (desc_attr(d) & (ATTR_L | ATTR_DB)) == (ATTR_L | ATTR_DB);

    return !(cpu_long(c) && both) || raise_sel(c, VEC_GP, sel, ext);
}

bool desc_fit_rip(const struct cpu *c, const struct desc *d, uint64_t *rip)
{
    if (desc_code64(c, d))
        return canonical(*rip);
    *rip = (uint32_t)*rip;
    return *rip <= desc_limit(d);
}

static bool write_type(struct cpu *c, struct desc *d, uint32_t hi)
{
    uint8_t type = (uint8_t)(hi >> 8);

    if (!c->mem->write(c, sys_linear(c, d->lin + 5), &type, 1, MEM_SYSTEM))
        return false;
    d->hi = hi;
    return true;
}

bool desc_set_accessed(struct cpu *c, struct desc *d)
{
    return (desc_attr(d) & ATTR_A) || write_type(c, d, d->hi | ATTR_A << 8);
}

bool desc_set_busy(struct cpu *c, struct desc *d, bool busy)
{
    uint32_t bit = SYS_BUSY << 8;

    return write_type(c, d, busy ? d->hi | bit : d->hi & ~bit);
}

void seg_from_desc(struct seg *s, uint16_t sel, const struct desc *d)
{
    s->sel = sel;
    s->attr = desc_attr(d);
    s->base = desc_base(d);
    s->limit = desc_limit(d);
    s->usable = true;
}

/* Base and limit stay: 64-bit code keeps using the base of a null FS or GS on some CPUs, and real
 * mode finds the old limit when it reloads the register. */
void seg_set_null(struct seg *s, uint16_t sel)
{
    s->sel = sel;
    s->attr = 0;
    s->usable = false;
    s->flat = false;
}

void seg_set_flat(struct seg *s, uint16_t sel, uint16_t attr)
{
    s->sel = sel;
    s->attr = attr;
    s->base = 0;
    s->limit = UINT32_MAX;
    s->usable = true;
}

void seg_load_vm86(struct cpu *c, unsigned seg, uint16_t sel)
{
    struct seg *s = &c->seg[seg];

    s->sel = sel;
    s->base = (uint32_t)sel << 4;
    s->limit = 0xffff;
    s->attr = ATTR_P | 3 << ATTR_DPL_SHIFT | ATTR_S | ATTR_W | ATTR_A;
    s->usable = true;
}

void seg_load_real(struct cpu *c, unsigned seg, uint16_t sel)
{
    struct seg *s = &c->seg[seg];

    if (cpu_vm86(c)) {
        seg_load_vm86(c, seg, sel);
        return;
    }
    /* Limit and B stay ("unreal" mode); what is left of the type would only get in the way. */
    s->sel = sel;
    s->base = (uint32_t)sel << 4;
    s->attr = (s->attr & (ATTR_DB | ATTR_G)) | ATTR_P | ATTR_S | ATTR_W | ATTR_A;
    s->usable = true;
}

bool seg_holds(const struct seg *s, uint64_t off, unsigned len)
{
    uint64_t last = off + len - 1;

    if ((s->attr & (ATTR_S | ATTR_CODE | ATTR_E)) == (ATTR_S | ATTR_E))
        return off > s->limit && last <= (s->attr & ATTR_DB ? 0xffffffff : 0xffff);
    return last <= s->limit && last >= off;
}

bool seg_check_stack(struct cpu *c, uint16_t sel, unsigned cpl, enum vector v, uint32_t ext,
                     struct desc *d)
{
    if (sel_null(sel))
        return cpu_raise(c, v, ext);
    if (!desc_read(c, sel, d, v, ext))
        return false;
    if ((sel & 3u) != cpl || !desc_writable(d) || desc_dpl(d) != cpl)
        return raise_sel(c, v, sel, ext);
    if (!desc_present(d))
        return raise_sel(c, VEC_SS, sel, ext);
    return desc_set_accessed(c, d);
}

void seg_drop_inner(struct cpu *c)
{
    static const uint8_t data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

    for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
        struct seg *s = &c->seg[data[i]];
        bool conforming = (s->attr & (ATTR_CODE | ATTR_E)) == (ATTR_CODE | ATTR_E);

        if (!s->usable)
            s->sel = 0; /* its RPL goes; a base of 64-bit mode stays (SDM 2A IRET) */
        else if (!conforming && ((s->attr >> ATTR_DPL_SHIFT) & 3) < c->cpl)
            seg_set_null(s, 0);
    }
}
