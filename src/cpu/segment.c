/* segment.c - segment register loads, limit checks, LLDT/LTR, LAR/LSL/VERR/VERW, I/O permission. */
#include "cpu/segment.h"

#include "base/bits.h"
#include "cpu/desc.h"

static bool raise_access(struct cpu *c, unsigned seg)
{
    return cpu_raise(c, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
}

/* What the type allows (SDM 3A 5.5). Real and V86 segments are all read/write/execute. */
static bool type_allows(const struct seg *s, unsigned access)
{
    if ((access & SEG_WRITE) && (s->attr & (ATTR_CODE | ATTR_W)) != ATTR_W)
        return false;
    return !(access & SEG_READ) || (s->attr & (ATTR_CODE | ATTR_W)) != ATTR_CODE;
}

bool cpu_linear_slow(struct cpu *c, unsigned seg, uint64_t off, unsigned len, unsigned access,
                     gva_t *lin)
{
    const struct seg *s = &c->seg[seg];
    bool typed = !cpu_real(c) && !cpu_vm86(c);

    if (typed && (!s->usable || !type_allows(s, access)))
        return raise_access(c, seg);
    if (!seg_holds(s, off, len))
        return raise_access(c, seg);
    *lin = (uint32_t)(s->base + off);
    return true;
}

static bool load_ss(struct cpu *c, uint16_t sel)
{
    struct desc d;

    /* 64-bit code below CPL 3 runs with a null SS (SDM 3A 5.7.2). */
    if (cpu_cs64(c) && sel_null(sel) && c->cpl != 3 && (sel & 3u) == c->cpl) {
        seg_set_null(&c->seg[SEG_SS], sel);
        cpu_update_mode(c);
        return true;
    }
    if (!seg_check_stack(c, sel, c->cpl, VEC_GP, 0, &d))
        return false;
    seg_from_desc(&c->seg[SEG_SS], sel, &d);
    cpu_update_mode(c);
    return true;
}

static bool load_data(struct cpu *c, unsigned seg, uint16_t sel)
{
    struct desc d;

    if (sel_null(sel)) {
        seg_set_null(&c->seg[seg], sel);
        if (cpu_long(c)) /* FS's and GS's goes too, on Intel's CPUs and on AMD's since Zen 2 */
            c->seg[seg].base = 0;
        cpu_update_data_segment(c, seg);
        return true;
    }
    if (!desc_read(c, sel, &d, VEC_GP, 0))
        return false;
    if (!desc_readable(&d))
        return raise_sel(c, VEC_GP, sel, 0);
    if (!desc_conforming(&d) && ((sel & 3u) > desc_dpl(&d) || c->cpl > desc_dpl(&d)))
        return raise_sel(c, VEC_GP, sel, 0);
    if (!desc_present(&d))
        return raise_sel(c, VEC_NP, sel, 0);
    if (!desc_set_accessed(c, &d))
        return false;
    seg_from_desc(&c->seg[seg], sel, &d);
    cpu_update_data_segment(c, seg);
    return true;
}

bool cpu_load_seg(struct cpu *c, unsigned seg, uint16_t sel)
{
    if (cpu_real(c) || cpu_vm86(c)) {
        seg_load_real(c, seg, sel);
        cpu_update_mode(c);
        return true;
    }
    return seg == SEG_SS ? load_ss(c, sel) : load_data(c, seg, sel);
}

/* The upper half of an LDT's or TSS's base in long mode. */
static bool read_system_base(struct cpu *c, uint16_t sel, const struct desc *d, uint64_t *base)
{
    uint32_t high = 0;

    if (cpu_long(c) && !desc_read_high(c, sel, d, VEC_GP, 0, &high))
        return false;
    *base = (uint64_t)high << 32 | desc_base(d);
    return canonical(*base) || raise_sel(c, VEC_GP, sel, 0);
}

bool cpu_lldt(struct cpu *c, uint16_t sel)
{
    struct desc d;
    uint64_t base;

    if (sel_null(sel)) {
        seg_set_null(&c->seg[SEG_LDTR], sel);
        return true;
    }
    if (sel & 4)
        return raise_sel(c, VEC_GP, sel, 0);
    if (!desc_read(c, sel, &d, VEC_GP, 0))
        return false;
    if (!desc_system(&d) || desc_type(&d) != SYS_LDT)
        return raise_sel(c, VEC_GP, sel, 0);
    if (!desc_present(&d))
        return raise_sel(c, VEC_NP, sel, 0);
    if (!read_system_base(c, sel, &d, &base))
        return false;
    seg_from_desc(&c->seg[SEG_LDTR], sel, &d);
    c->seg[SEG_LDTR].base = base;
    return true;
}

bool cpu_ltr(struct cpu *c, uint16_t sel)
{
    struct desc d;
    uint64_t base;

    if (sel_null(sel))
        return cpu_raise(c, VEC_GP, 0);
    if (sel & 4)
        return raise_sel(c, VEC_GP, sel, 0);
    if (!desc_read(c, sel, &d, VEC_GP, 0))
        return false;
    if (!desc_system(&d) ||
        (desc_type(&d) != SYS_TSS32 && (desc_type(&d) != SYS_TSS16 || cpu_long(c))))
        return raise_sel(c, VEC_GP, sel, 0);
    if (!desc_present(&d))
        return raise_sel(c, VEC_NP, sel, 0);
    if (!read_system_base(c, sel, &d, &base) || !desc_set_busy(c, &d, true))
        return false;
    seg_from_desc(&c->seg[SEG_TR], sel, &d);
    c->seg[SEG_TR].base = base;
    return true;
}

/* The checks LAR, LSL, VERR and VERW have in common: the descriptor exists and, unless it is
 * conforming code, is visible at CPL and RPL. False: a #PF; *ok tells the rest. */
static bool visible(struct cpu *c, uint16_t sel, struct desc *d, bool *ok)
{
    enum desc_result r;

    *ok = false;
    if (sel_null(sel))
        return true;
    r = desc_fetch(c, sel, d);
    if (r != DESC_OK)
        return r == DESC_OUTSIDE;
    *ok = desc_conforming(d) || (desc_dpl(d) >= c->cpl && desc_dpl(d) >= (sel & 3u));
    return true;
}

/* System types that LAR and LSL accept, as bit sets (SDM 2A, LAR table 3-53, LSL table 3-56). */
enum {
    LAR_TYPES = 1 << SYS_TSS16 | 1 << SYS_LDT | 1 << SYS_TSS16_BUSY | 1 << SYS_CALL16 |
                1 << SYS_TASK_GATE | 1 << SYS_TSS32 | 1 << SYS_TSS32_BUSY | 1 << SYS_CALL32,
    LSL_TYPES =
        1 << SYS_TSS16 | 1 << SYS_LDT | 1 << SYS_TSS16_BUSY | 1 << SYS_TSS32 | 1 << SYS_TSS32_BUSY,
    LONG_TYPES = 1 << SYS_LDT | 1 << SYS_TSS32 | 1 << SYS_TSS32_BUSY | 1 << SYS_CALL32,
};

static bool type_among(const struct cpu *c, const struct desc *d, unsigned types)
{
    return (cpu_long(c) ? types & LONG_TYPES : types) >> desc_type(d) & 1;
}

bool cpu_lar(struct cpu *c, uint16_t sel, bool *ok, uint32_t *rights)
{
    struct desc d;

    if (!visible(c, sel, &d, ok))
        return false;
    if (*ok && desc_system(&d))
        *ok = type_among(c, &d, LAR_TYPES);
    if (*ok)
        *rights = d.hi & 0x00ffff00;
    return true;
}

bool cpu_lsl(struct cpu *c, uint16_t sel, bool *ok, uint32_t *limit)
{
    struct desc d;

    if (!visible(c, sel, &d, ok))
        return false;
    if (*ok && desc_system(&d))
        *ok = type_among(c, &d, LSL_TYPES);
    if (*ok)
        *limit = desc_limit(&d);
    return true;
}

bool cpu_verify(struct cpu *c, uint16_t sel, bool write, bool *ok)
{
    struct desc d;

    if (!visible(c, sel, &d, ok))
        return false;
    if (*ok)
        *ok = write ? desc_writable(&d) : desc_readable(&d);
    return true;
}

/* SDM 1 19.5.2: the bitmap is read as two bytes, so both must lie inside the TSS. */
static bool bitmap_allows(struct cpu *c, uint16_t port, unsigned size)
{
    const struct seg *tr = &c->seg[SEG_TR];
    uint8_t raw[2];
    uint32_t at;

    if (!tr->usable || !(tr->attr & SYS_32) || tr->limit < 0x67)
        return cpu_raise(c, VEC_GP, 0);
    if (!c->mem->read(c, sys_linear(c, tr->base + 0x66), raw, 2, MEM_SYSTEM))
        return false;
    at = ld16(raw) + port / 8u;
    if (at + 1 > tr->limit)
        return cpu_raise(c, VEC_GP, 0);
    if (!c->mem->read(c, sys_linear(c, tr->base + at), raw, 2, MEM_SYSTEM))
        return false;
    if (ld16(raw) >> (port & 7) & ((1u << size) - 1))
        return cpu_raise(c, VEC_GP, 0);
    return true;
}

bool cpu_io_allowed(struct cpu *c, uint16_t port, unsigned size)
{
    if (cpu_real(c) || (!cpu_vm86(c) && c->cpl <= cpu_iopl(c)))
        return true;
    return bitmap_allows(c, port, size);
}
