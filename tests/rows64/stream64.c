/* Streams: random numbers and addresses, the order of the units, the memory they begin with. */
#include <string.h>

#include "base/bits.h"
#include "cpu/cpu.h"
#include "cpu/model.h"
#include "gen64_priv.h"

enum { COUNTER_OFFSET = 0x80, NOISE_BYTES = 0x2000, JUMP_BYTES = 5 };

/* splitmix64 */
uint64_t gen64_next(struct gen64 *g)
{
    uint64_t z = g->x += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t gen64_below(struct gen64 *g, uint32_t n)
{
    return (uint32_t)(gen64_next(g) >> 16) % n;
}

bool gen64_chance(struct gen64 *g, unsigned percent)
{
    return gen64_below(g, 100) < percent;
}

/* Neither in a region nor, but for a few, next to one. */
static uint64_t wild_address(struct gen64 *g, bool low32)
{
    static const uint64_t edges[] = {
        0,
        8,
        0xfff8,
        0x800000000000,
        0xffff800000000000,
        0xfffffffffffffff8,
        0xffffffff81500000,
        0x7ffffffff000,
    };
    uint64_t v = gen64_next(g);

    if (low32)
        return (uint32_t)v;
    switch (gen64_below(g, 4)) {
    case 0:
        return v;
    case 1: /* the program's half */
        return v >> 17;
    case 2: /* the kernel's */
        return (uint64_t)((int64_t)(v | UINT64_C(1) << 63) >> 16);
    default:
        return edges[gen64_below(g, ARRAY_SIZE(edges))] - gen64_below(g, 40);
    }
}

uint64_t gen64_address(struct gen64 *g, bool low32)
{
    static const uint8_t where[] = {R_DATA,  R_DATA,  R_DATA,  R_WRAP,  R_WRAP,
                                    R_HDATA, R_HDATA, R_HWRAP, R_HWRAP, R_TOP};
    unsigned how =
        g->opt->edges && gen64_chance(g, 70) ? 182 + gen64_below(g, 18) : gen64_below(g, 200);
    const struct region64 *r =
        &regions64[where[low32 ? gen64_below(g, 3) : gen64_below(g, ARRAY_SIZE(where))]];
    uint32_t back = gen64_below(g, 40), inside = gen64_below(g, r->size - 0x200) + 0x100;

    if (low32 && gen64_chance(g, 20)) /* the half of wrap that 32 bits reach */
        return regions64[R_WRAP].base + gen64_below(g, regions64[R_WRAP].size / 2 - 64);
    if ((r->base + r->size / 2) << 32 == 0 && gen64_chance(g, 40)) /* around a boundary */
        inside = r->size / 2 - (gen64_chance(g, 50) ? back : gen64_below(g, 0x100));
    if (how < 165)
        return r->base + (inside & ~63u);
    if (how < 182)
        return r->base + inside;
    if (how < 194)
        return r->base + gen64_below(g, r->size / PAGE64) * PAGE64 + PAGE64 - back;
    if (how < 196)
        return r->base + r->size - back;
    if (how < 198)
        return r->base - back;
    return how < 199 ? regions64[R_RO].base + (inside & 0xff0) : wild_address(g, low32);
}

uint64_t gen64_near_address(struct gen64 *g)
{
    const struct region64 *r = &regions64[g->high ? R_HDATA : R_DATA];
    uint32_t back = gen64_below(g, 20);

    if (!g->high && gen64_chance(g, 10))
        r = &regions64[gen64_chance(g, 50) ? R_STACK : R_RO];
    if (gen64_chance(g, 4))
        return r->base + r->size - back;
    if (gen64_chance(g, 10))
        return r->base + PAGE64 - back;
    return r->base + 0x100 + (gen64_below(g, r->size - 0x200) & (gen64_chance(g, 80) ? ~63u : ~0u));
}

uint64_t gen64_stack(struct gen64 *g)
{
    static const uint8_t where[] = {R_STACK, R_STACK, R_HSTACK, R_HSTACK, R_HSTACK, R_HWRAP};
    const struct region64 *r = &regions64[where[gen64_below(g, ARRAY_SIZE(where))]];
    uint32_t middle = r->size / 2, span = r->size / 2 - 0x800;
    uint64_t at = r->base + middle - span / 2 + gen64_below(g, span);

    if (gen64_chance(g, 3))
        at = r->base + (gen64_chance(g, 50) ? r->size : 0) + gen64_below(g, 0x80) - 0x40;
    else if (gen64_chance(g, 25))
        at = r->base + middle + gen64_below(g, 0x80) - 0x40;
    return gen64_chance(g, 90) ? at & ~UINT64_C(7) : at;
}

void gen64_noise(struct gen64 *g, uint8_t *p, unsigned size)
{
    static const uint32_t floats[16] = {
        0,          0x3f800000, 0xbf800000, 0x3f000000, 0x40490fdb, 0xc2c88000,
        0x7149f2ca, 0x000116c2, 0x4b800000, 0x7f800000, 0xff800000, 0x7fc00000,
        0x7fa00000, 0x00000001, 0x7f7fffff, 0x80000000,
    };
    static const uint64_t doubles[16] = {
        0,
        0x3ff0000000000000,
        0xbff0000000000000,
        0x3fb999999999999a,
        0x4005bf0a8b145769,
        0xc202a05f20000000,
        0x7e37e43c8800759c,
        0x0000000000000001,
        0x41f0000000080000,
        0x7ff0000000000000,
        0xfff0000000000000,
        0x7ff8000000000000,
        0x7ff4000000000000,
        0x000fffffffffffff,
        0x7fefffffffffffff,
        0x8000000000000000,
    };
    uint64_t v = gen64_next(g), k = v >> 60;
    uint64_t two = floats[k] | (uint64_t)floats[v >> 56 & 15] << 32;

    if (v & 1)
        memcpy(p, &v, size);
    else if (size == 4 || (v & 2))
        memcpy(p, &two, size);
    else
        memcpy(p, &doubles[k], 8);
}

/* Mostly numbers near one; sometimes any exponent, and no integer bit. */
static void random_st(struct gen64 *g, uint8_t *p)
{
    static const uint16_t exponents[] = {0, 1, 0x7ffe, 0x7fff, 0x3fff, 0x403e};
    uint16_t exponent = (uint16_t)(0x3ff0 + gen64_below(g, 32));
    uint64_t mantissa = gen64_next(g) | UINT64_C(1) << 63;

    if (gen64_chance(g, 20))
        exponent =
            gen64_chance(g, 30) ? (uint16_t)(gen64_next(g) & 0x7fff) : exponents[gen64_below(g, 6)];
    if (gen64_chance(g, 10))
        mantissa = gen64_chance(g, 50) ? UINT64_C(1) << 63 : 0;
    else if (gen64_chance(g, 5))
        mantissa = gen64_next(g) >> 1;
    exponent |= (uint16_t)(gen64_below(g, 2) << 15);
    memcpy(p, &mantissa, 8);
    memcpy(p + 8, &exponent, 2);
}

static void random_vectors(struct gen64 *g, struct vec64 *v)
{
    static const uint16_t fcws[] = {0x37f, 0x37f, 0x27f, 0x07f, 0xf7f, 0x77f};

    vec64_init(v);
    for (unsigned k = 0; k < 16; k++) {
        unsigned size = gen64_chance(g, 50) ? 4 : 8;

        for (unsigned o = 0; o < 32; o += size)
            gen64_noise(g, v->ymm[k] + o, size);
        if (k < 8)
            random_st(g, v->st[k]);
    }
    if (!model_has(g->opt->model, FEAT_AVX))
        for (unsigned k = 0; k < 16; k++)
            memset(v->ymm[k] + 16, 0, 16);
    v->fcw = fcws[gen64_below(g, ARRAY_SIZE(fcws))];
    v->fsw = (uint16_t)(gen64_below(g, 8) << 11);
    v->ftw = gen64_chance(g, 50) ? 0xff : (uint8_t)gen64_next(g);
    v->mxcsr = 0x1f80 | (gen64_chance(g, 30) ? gen64_below(g, 4) << 13 : 0) |
               (gen64_chance(g, 10) ? 0x8040 : 0);
    if (gen64_chance(g, 5))
        v->mxcsr &= ~(gen64_below(g, 64) << 7);
    if (gen64_chance(g, 5))
        v->fcw &= (uint16_t)~gen64_below(g, 64);
}

/* Canonical: the kernel and WRFSBASE take no other. */
static uint64_t random_base(struct gen64 *g)
{
    return gen64_chance(g, 30)   ? 0
           : gen64_chance(g, 90) ? gen64_address(g, false) << 16 >> 16 & 0x7fffffffffff
                                 : gen64_next(g) >> 17;
}

static void random_state(struct gen64 *g, struct state64 *s)
{
    memset(s, 0, sizeof(*s));
    for (unsigned k = 0; k < NGPR; k++) {
        uint32_t how = gen64_below(g, 6);

        s->gpr[k] = how < 2    ? gen64_next(g)
                    : how == 2 ? gen64_below(g, 0x100)
                    : how == 3 ? (uint32_t)gen64_next(g)
                               : gen64_address(g, false);
    }
    s->gpr[RSP] = gen64_stack(g);
    s->rflags =
        ((uint32_t)gen64_next(g) & (EF_ARITH | (gen64_chance(g, 15) ? EF_DF : 0))) | EF_R1 | EF_IF;
    s->fs_base = g->fs = random_base(g);
    s->gs_base = g->gs = random_base(g);
    s->rip = regions64[g->high ? R_HCODE : R_CODE].base;
    random_vectors(g, &s->vec);
}

static void next_unit(struct gen64 *g, struct unit64 *u)
{
    unsigned what = gen64_below(g, 100);

    if (g->left) {
        g->left--;
        if (what < 25)
            unit64_step_base(g, u);
        else if (what < 32 && g->s->loops)
            unit64_branch(g, u);
        else
            unit64_plain(g, u);
        return;
    }
    g->base = NO_BASE;
    if (what < 12)
        unit64_branch(g, u);
    else if (what < 15)
        unit64_call(g, u);
    else if (what < 17)
        unit64_popf(g, u);
    else if (what < 19)
        unit64_image(g, u);
    else if (what < 27)
        unit64_stack(g, u);
    else if (what < 29)
        unit64_patch(g, u);
    else if (what < 31 && model_has(g->opt->model, FEAT_FSGSBASE))
        unit64_base(g, u);
    else if (what < 32 && gen64_chance(g, 20))
        unit64_trap(g, u);
    else if (what < 42)
        unit64_begin_burst(g, u);
    else
        unit64_plain(g, u);
}

/* A loop in which a register that was set before it is the address of most operands. */
static void one_burst(struct gen64 *g, unsigned n)
{
    g->base = (uint8_t)(gen64_below(g, NGPR - 1) + 1);
    if (g->base == RSP)
        g->base = RBX;
    g->s->state.gpr[g->base] = gen64_address(g, false);
    g->left = n;
    g->s->loops = 3 + gen64_below(g, 8);
}

void gen64_stream(struct stream64 *s, uint64_t seed, const struct gen64_options *opt)
{
    struct gen64 g = {
        .x = seed * UINT64_C(0x2545f4914f6cdd1d) + 64, .opt = opt, .s = s, .base = NO_BASE};
    unsigned len = 0, n;

    *s = (struct stream64){.seed = seed};
    g.high = gen64_chance(&g, 60);
    n = 8 + gen64_below(&g, 24);
    random_state(&g, &s->state);
    if (gen64_chance(&g, 25))
        one_burst(&g, n);
    while (s->n < n && len < STREAM64_BYTES - UNIT64_BYTES - 64) {
        next_unit(&g, &s->unit[s->n]);
        len += s->unit[s->n++].len;
    }
    if (!s->loops && gen64_chance(&g, 50))
        s->loops = 1 + gen64_below(&g, 4);
    s->start = regions64[g.high ? R_HCODE : R_CODE].base + PAGE64 + gen64_below(&g, PAGE64);
    if (gen64_chance(&g, 20)) /* a page's end in the midst of it */
        s->start = (s->start | (PAGE64 - 1)) - gen64_below(&g, len ? len : 1);
}

static void aim_branch(const struct stream64 *s, unsigned k, const uint32_t *at, uint8_t *p)
{
    const struct unit64 *u = &s->unit[k];
    unsigned to = k + 1 + u->skip < s->n ? k + 1 + u->skip : s->n;
    uint64_t target = s->start + at[to];
    uint32_t rel = at[to] - (at[k] + u->fix_at);

    switch (u->fix) {
    case FIX64_REL8:
        if (rel - 1 < 0x80)
            p[u->fix_at] = (uint8_t)(rel - 1);
        break;
    case FIX64_REL32:
        st32(p + u->fix_at, rel - 4);
        break;
    case FIX64_ABS32:
        st32(p + u->fix_at, (uint32_t)target);
        break;
    case FIX64_ABS64:
        st64(p + u->fix_at, target);
        break;
    }
}

static void aim_rip(const struct stream64 *s, unsigned k, uint32_t at, uint8_t *p)
{
    const struct unit64 *u = &s->unit[k];

    if (u->rip_end)
        st32(p + u->rip_at, (uint32_t)(u->rip_target - (s->start + at + u->rip_end)));
}

/* In the reach of RIP. */
uint64_t gen64_counter(const struct stream64 *s)
{
    return regions64[region64_of(s->start) == &regions64[R_HCODE] ? R_HDATA : R_DATA].base +
           COUNTER_OFFSET;
}

unsigned gen64_code(const struct stream64 *s, uint8_t buf[STREAM64_BYTES])
{
    uint8_t tail[12] = {0xff, 0x0d, 0, 0, 0, 0, 0x0f, 0x85}; /* DEC [rip + counter]; JNZ start */
    uint32_t at[MAX_UNITS64 + 1], len = 0;

    for (unsigned k = 0; k < s->n; k++) {
        at[k] = len;
        if (!s->unit[k].dropped) {
            memcpy(buf + len, s->unit[k].bytes, s->unit[k].len);
            len += s->unit[k].len;
        }
    }
    at[s->n] = len;
    for (unsigned k = 0; k < s->n; k++) {
        if (s->unit[k].dropped)
            continue;
        aim_branch(s, k, at, buf + at[k]);
        aim_rip(s, k, at[k], buf + at[k]);
    }
    if (!s->loops)
        return len;
    st32(tail + 2, (uint32_t)(gen64_counter(s) - (s->start + len + 6)));
    st32(tail + 8, 0u - (len + (uint32_t)sizeof(tail)));
    memcpy(buf + len, tail, sizeof(tail));
    return len + (uint32_t)sizeof(tail);
}

void gen64_fill(struct mem64 *m, uint64_t seed)
{
    struct gen64 g = {.x = seed ^ UINT64_C(0xda7a)};
    uint8_t noise[NOISE_BYTES] = {0};

    memset(m, 0, sizeof(*m));
    for (unsigned k = 0; seed && k < NOISE_BYTES; k += 8)
        gen64_noise(&g, noise + k, 8);
    for (unsigned i = 0; i < NREGIONS64; i++) {
        const struct region64 *r = &regions64[i];
        uint8_t *p = m->bytes + r->offset;

        for (uint32_t o = 0; !r->code && o < r->size; o += PAGE64)
            memcpy(p + o, noise + o % NOISE_BYTES, PAGE64);
        if (r->code)
            memset(p, HLT64, r->size);
    }
}

void gen64_enter(struct mem64 *m, uint64_t entry, uint64_t start)
{
    uint8_t jump[JUMP_BYTES] = {0xe9};

    st32(jump + 1, (uint32_t)(start - (entry + JUMP_BYTES)));
    memcpy(mem64_at(m, entry, JUMP_BYTES), jump, JUMP_BYTES);
}

void gen64_memory(const struct stream64 *s, struct mem64 *m)
{
    uint8_t code[STREAM64_BYTES];
    unsigned len = gen64_code(s, code);

    gen64_fill(m, s->zero_data ? 0 : s->seed);
    gen64_enter(m, s->state.rip, s->start);
    memcpy(mem64_at(m, s->start, len), code, len);
    st32(mem64_at(m, gen64_counter(s), 4), s->loops);
}
