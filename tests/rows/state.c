#include "state.h"

#include <string.h>

#include "base/bits.h"

const struct test_region test_regions[NREGIONS] = {
    {"code", CODE_BASE, CODE_BYTES, offsetof(struct test_mem, code), true},
    {"data", DATA_BASE, DATA_BYTES, offsetof(struct test_mem, data), true},
    {"stack", STACK_BASE, STACK_BYTES, offsetof(struct test_mem, stack), true},
    {"low", LOW_BASE, LOW_BYTES, offsetof(struct test_mem, low), true},
    {"ro", RO_BASE, RO_BYTES, offsetof(struct test_mem, ro), false},
};

/* XSAVE area (SDM 1 10.5.1, 13.4). */
enum {
    XS_FCW = 0,
    XS_FSW = 2,
    XS_FTW = 4,
    XS_MXCSR = 24,
    XS_MXCSR_MASK = 28,
    XS_ST = 32,
    XS_XMM = 160,
    XS_BV = 512,
    XS_COMP_BV = 520,
};

uint8_t *test_mem_at(struct test_mem *m, uint32_t lin, size_t len)
{
    for (unsigned i = 0; i < NREGIONS; i++) {
        const struct test_region *r = &test_regions[i];

        if (lin >= r->base && lin - r->base < r->size && len <= r->size - (lin - r->base))
            return (uint8_t *)m + r->offset + (lin - r->base);
    }
    return NULL;
}

bool test_mem_same(const void *a, const void *b, size_t n)
{
    const uint8_t *p = a, *q = b;

    for (size_t o = 0; o < n; o += 64) {
        uint64_t diff = 0;

        for (unsigned k = 0; k < 64; k += 8)
            diff |= ld64(p + o + k) ^ ld64(q + o + k);
        if (diff)
            return false;
    }
    return true;
}

void test_name_end(struct test_mem *m, struct test_state *s)
{
    const uint8_t *p = test_mem_at(m, s->eip, 1);

    if (s->end == 13 && s->err == 0 && p && s->eip - CODE_BASE < CODE_BYTES && *p == HLT &&
        s->eip - s->body >= s->body_len)
        s->end = END_HLT;
}

void vec_init(struct vec_state *v)
{
    memset(v, 0, sizeof(*v));
    v->fcw = 0x37f;
    v->mxcsr = 0x1f80;
}

/* Components that the header leaves out are in their initial state, whatever the area holds. */
void vec_from_xsave(struct vec_state *v, const uint8_t *area, unsigned ymm_offset)
{
    uint64_t bv;

    vec_init(v);
    memcpy(&bv, area + XS_BV, 8);
    if (bv & 1) {
        memcpy(&v->fcw, area + XS_FCW, 2);
        memcpy(&v->fsw, area + XS_FSW, 2);
        v->ftw = area[XS_FTW];
        for (unsigned i = 0; i < 8; i++)
            memcpy(v->st[i], area + XS_ST + 16 * i, 10);
    }
    memcpy(&v->mxcsr, area + XS_MXCSR, 4);
    for (unsigned i = 0; i < 8; i++) {
        if (bv & 2)
            memcpy(v->ymm[i], area + XS_XMM + 16 * i, 16);
        if ((bv & 4) && ymm_offset)
            memcpy(v->ymm[i] + 16, area + ymm_offset + 16 * i, 16);
    }
}

void vec_to_xsave(const struct vec_state *v, uint8_t *area, unsigned ymm_offset)
{
    uint64_t bv = ymm_offset ? 7 : 3, none = 0;

    memcpy(area + XS_FCW, &v->fcw, 2);
    memcpy(area + XS_FSW, &v->fsw, 2);
    memset(area + XS_FTW, 0, XS_MXCSR - XS_FTW);
    area[XS_FTW] = v->ftw;
    memcpy(area + XS_MXCSR, &v->mxcsr, 4);
    memset(area + XS_ST, 0, XS_BV - 96 - XS_ST);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(area + XS_ST + 16 * i, v->st[i], 10);
        memcpy(area + XS_XMM + 16 * i, v->ymm[i], 16);
        if (ymm_offset) {
            memcpy(area + ymm_offset + 16 * i, v->ymm[i] + 16, 16);
            memset(area + ymm_offset + 128 + 16 * i, 0, 16);
        }
    }
    memcpy(area + XS_BV, &bv, 8);
    memcpy(area + XS_COMP_BV, &none, 8);
}
