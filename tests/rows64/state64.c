#include "state64.h"

#include <string.h>

#define PAGES(n) ((n)*PAGE64)

const struct region64 regions64[NREGIONS64] = {
    [R_CODE] = {"code", 0x500000, PAGES(3), PAGES(0), true, true},
    [R_DATA] = {"data", 0x600000, PAGES(8), PAGES(3), true, false},
    [R_RO] = {"ro", 0x630000, PAGES(1), PAGES(11), false, false},
    [R_STACK] = {"stack", 0x700000, PAGES(4), PAGES(12), true, false},
    [R_WRAP] = {"wrap", 0xffffc000, PAGES(8), PAGES(16), true, false},
    [R_HCODE] = {"hcode", 0x7e00ffffe000, PAGES(3), PAGES(24), true, true},
    [R_HDATA] = {"hdata", 0x7e00f0000000, PAGES(8), PAGES(27), true, false},
    [R_HWRAP] = {"hwrap", 0x7e02ffffc000, PAGES(8), PAGES(35), true, false},
    [R_HSTACK] = {"hstack", 0x7e03ffffe000, PAGES(4), PAGES(43), true, false},
    [R_TOP] = {"top", 0x7fffffffe000, PAGES(1), PAGES(47), true, false},
};

/* XSAVE area (SDM 1 10.5.1, 13.4). */
enum {
    XS_FCW = 0,
    XS_FSW = 2,
    XS_FTW = 4,
    XS_MXCSR = 24,
    XS_ST = 32,
    XS_XMM = 160,
    XS_XMM_END = 416,
    XS_BV = 512,
    XS_COMP_BV = 520,
};

const struct region64 *region64_of(uint64_t lin)
{
    for (unsigned i = 0; i < NREGIONS64; i++)
        if (lin - regions64[i].base < regions64[i].size)
            return &regions64[i];
    return NULL;
}

uint8_t *mem64_at(struct mem64 *m, uint64_t lin, size_t len)
{
    const struct region64 *r = region64_of(lin);

    if (!r || len > r->size - (lin - r->base))
        return NULL;
    return m->bytes + r->offset + (lin - r->base);
}

void state64_name_end(struct mem64 *m, struct state64 *s)
{
    const struct region64 *r = region64_of(s->rip);

    if (s->end == 13 && s->err == 0 && r && r->code && *mem64_at(m, s->rip, 1) == HLT64)
        s->end = END64_HLT;
}

void vec64_init(struct vec64 *v)
{
    memset(v, 0, sizeof(*v));
    v->fcw = 0x37f;
    v->mxcsr = 0x1f80;
}

/* Components that the header leaves out are in their initial state, whatever the area holds. */
void vec64_from_xsave(struct vec64 *v, const uint8_t *area, unsigned ymm_offset)
{
    uint64_t bv;

    vec64_init(v);
    memcpy(&bv, area + XS_BV, 8);
    if (bv & 1) {
        memcpy(&v->fcw, area + XS_FCW, 2);
        memcpy(&v->fsw, area + XS_FSW, 2);
        v->ftw = area[XS_FTW];
        for (unsigned i = 0; i < 8; i++)
            memcpy(v->st[i], area + XS_ST + 16 * i, 10);
    }
    memcpy(&v->mxcsr, area + XS_MXCSR, 4);
    for (unsigned i = 0; i < 16; i++) {
        if (bv & 2)
            memcpy(v->ymm[i], area + XS_XMM + 16 * i, 16);
        if ((bv & 4) && ymm_offset)
            memcpy(v->ymm[i] + 16, area + ymm_offset + 16 * i, 16);
    }
}

void vec64_to_xsave(const struct vec64 *v, uint8_t *area, unsigned ymm_offset)
{
    uint64_t bv = ymm_offset ? 7 : 3, none = 0;

    memcpy(area + XS_FCW, &v->fcw, 2);
    memcpy(area + XS_FSW, &v->fsw, 2);
    memset(area + XS_FTW, 0, XS_MXCSR - XS_FTW);
    area[XS_FTW] = v->ftw;
    memcpy(area + XS_MXCSR, &v->mxcsr, 4);
    memset(area + XS_ST, 0, XS_XMM - XS_ST);
    memset(area + XS_XMM_END, 0, XS_BV - 96 - XS_XMM_END);
    for (unsigned i = 0; i < 16; i++) {
        if (i < 8)
            memcpy(area + XS_ST + 16 * i, v->st[i], 10);
        memcpy(area + XS_XMM + 16 * i, v->ymm[i], 16);
        if (ymm_offset)
            memcpy(area + ymm_offset + 16 * i, v->ymm[i] + 16, 16);
    }
    memcpy(area + XS_BV, &bv, 8);
    memcpy(area + XS_COMP_BV, &none, 8);
}
