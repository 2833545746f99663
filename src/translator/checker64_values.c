/* The jail checker on what the guest's values are known to be: see checker64.h. */
#include "translator/checker64.h"

static const struct sum *find_sum(const struct check64 *k, uint32_t id)
{
    for (unsigned i = k->nsums; i > 0; i--)
        if (k->sum[i - 1].id == id && !k->sum[i - 1].loose)
            return &k->sum[i - 1];
    return NULL;
}

static bool small(int64_t n)
{
    return n > -CHECKER_FAR && n < CHECKER_FAR;
}

/* In terms of what its parts were made of; an index alone is a base. */
static struct sum folded(const struct check64 *k, struct sum s)
{
    const struct sum *b, *i;

    if (!s.base && s.scale == 1) {
        s.base = s.index;
        s.index = 0;
    }
    b = find_sum(k, s.base);
    if (b && !(s.index && b->index) && small(b->disp) && small(s.disp)) {
        s.base = b->base;
        s.disp += b->disp;
        if (b->index) {
            s.index = b->index;
            s.scale = b->scale;
            return s;
        }
    }
    i = s.index ? find_sum(k, s.index) : NULL;
    if (i && !i->index && small(i->disp) && small(s.disp)) {
        s.index = i->base;
        s.disp += i->disp * s.scale;
    }
    return s;
}

void checker64_add_sum(struct check64 *k, struct sum s)
{
    if (k->nsums < MAX_SUMS)
        k->sum[k->nsums++] = folded(k, s);
}

static bool is_small(const struct held *h)
{
    return h->bounded && small(h->lo) && small(h->hi);
}

/* A part of an address; of two, the second one. */
static bool is_near(const struct held *h)
{
    return h->bounded && h->lo >= -CHECKER_NEAR && h->hi <= CHECKER_NEAR;
}

static struct span times(const struct held *h, unsigned scale, int64_t disp)
{
    return (struct span){h->lo * scale + disp, h->hi * scale + disp, false};
}

/* Value `id` is the one returned plus what is between bounds, which is added to *s. 0: none. */
static uint32_t part_of(const struct check64 *k, uint32_t id, struct span *s)
{
    for (unsigned i = k->nsums; i > 0; i--) {
        const struct sum *u = &k->sum[i - 1];

        if (u->id != id || (!u->loose && (u->index || !u->base)))
            continue;
        s->lo += u->loose ? u->lo : u->disp;
        s->hi += u->loose ? u->hi : u->disp;
        return small(s->lo) && small(s->hi) ? u->base : 0;
    }
    return 0;
}

/* How far value `to` is from value `from`: by the nearest value that both were made of. */
static bool between(const struct check64 *k, uint32_t from, uint32_t to, struct span *out)
{
    struct span t = {0}, f;

    for (uint32_t a = to; a; a = part_of(k, a, &t)) {
        f = (struct span){0};
        for (uint32_t b = from; b; b = part_of(k, b, &f)) {
            *out = (struct span){t.lo - f.hi, t.hi - f.lo, false};
            if (a == b)
                return true;
        }
    }
    return false;
}

/* The distance of p + rest * scale + disp, when all that is known is bounds. */
static bool loosely(const struct check64 *k, uint32_t looked_up, const struct held *p,
                    const struct held *rest, unsigned scale, int64_t disp, struct span *out)
{
    struct span more = {disp, disp, false};

    if (!p->id || (rest->id && !is_small(rest)))
        return false;
    if (rest->id)
        more = times(rest, scale, disp);
    if (!small(more.lo) || !small(more.hi) || !between(k, looked_up, p->id, out))
        return false;
    out->lo += more.lo;
    out->hi += more.hi;
    return true;
}

bool checker64_distance(const struct check64 *k, uint32_t looked_up, const struct held *base,
                        const struct held *index, unsigned scale, int64_t disp, struct span *out)
{
    const struct sum whole = {
        .base = base->id, .index = index->id, .scale = (uint8_t)scale, .disp = disp};
    const struct sum self = {.base = looked_up, .scale = 1};
    struct sum from = folded(k, self), to = folded(k, whole);

    if (small(from.disp) && small(to.disp) && from.base == to.base && from.index == to.index &&
        (!to.index || from.scale == to.scale)) {
        *out = (struct span){to.disp - from.disp, to.disp - from.disp, true};
        return true;
    }
    return loosely(k, looked_up, base, index, scale, disp, out) ||
           (scale == 1 && loosely(k, looked_up, index, base, 1, disp, out));
}

bool checker64_span(const struct held *index, unsigned scale, int64_t disp, struct span *out)
{
    if (is_small(index))
        *out = times(index, scale, disp);
    return is_small(index);
}

bool checker64_near_piece(const struct held *index, unsigned scale, int64_t disp, uint64_t piece)
{
    int64_t first = (int64_t)(piece << 48) >> 16, last = first + (int64_t)UINT32_MAX;
    struct span s;

    return checker64_span(index, scale, disp, &s) && s.lo >= first - CHECKER_REACH &&
           s.hi <= last + CHECKER_REACH;
}

/* ---- results ---- */

void checker64_bound(struct held *h, int64_t lo, int64_t hi)
{
    h->bounded = true;
    h->lo = lo;
    h->hi = hi;
}

static int64_t immediate(const struct check64 *k)
{
    return k->op[0].size == 32 ? (int64_t)(uint32_t)k->op[1].imm.value.u : k->op[1].imm.value.s;
}

static bool by_immediate(const struct check64 *k)
{
    return k->op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

/* h is something plus lo..hi. */
static void about(struct check64 *k, const struct held *from, int64_t lo, int64_t hi,
                  struct held *h)
{
    const struct sum s = {
        .id = h->id, .base = from->id, .scale = 1, .loose = true, .lo = lo, .hi = hi};

    if (!small(lo) || !small(hi))
        return;
    if (k->nsums < MAX_SUMS)
        k->sum[k->nsums++] = s;
    if (is_small(from))
        checker64_bound(h, from->lo + lo, from->hi + hi);
}

void checker64_moved(struct check64 *k, const struct held *from, int64_t n, struct held *h)
{
    checker64_add_sum(k, (struct sum){.id = h->id, .base = from->id, .scale = 1, .disp = n});
    about(k, from, n, n, h);
}

void checker64_add(struct check64 *k, const struct held *from, const struct held *index,
                   unsigned scale, int64_t disp, struct held *h)
{
    struct span rest;

    checker64_add_sum(k, (struct sum){.id = h->id,
                                      .base = from->id,
                                      .index = index->id,
                                      .scale = (uint8_t)scale,
                                      .disp = disp});
    if (is_near(index)) {
        rest = times(index, scale, disp);
        about(k, from, rest.lo, rest.hi, h);
    } else if (is_near(from) && scale == 1) {
        rest = times(from, 1, disp);
        about(k, index, rest.lo, rest.hi, h);
    }
}

/* The second operand, a register. NULL: none. */
static const struct held *addend(const struct check64 *k)
{
    int r = k->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER ? checker_gpr(k->op[1].reg.value) : -1;

    return k->op[0].size == 64 && r >= 0 && r != RSP && held_clean(&k->now.r[r]) ? &k->now.r[r]
                                                                                 : NULL;
}

static void r_plain(struct check64 *k, const struct held *old, struct held *h)
{
    (void)k;
    (void)old;
    (void)h;
}

static void r_add(struct check64 *k, const struct held *old, struct held *h)
{
    if (k->op[0].size == 64 && by_immediate(k))
        checker64_moved(k, old, k->op[1].imm.value.s, h);
    else if (addend(k))
        checker64_add(k, old, addend(k), 1, 0, h);
}

static void r_sub(struct check64 *k, const struct held *old, struct held *h)
{
    if (k->op[0].size == 64 && by_immediate(k))
        checker64_moved(k, old, -k->op[1].imm.value.s, h);
    else if (addend(k) && is_small(addend(k)))
        about(k, old, -addend(k)->hi, -addend(k)->lo, h);
}

static void r_inc(struct check64 *k, const struct held *old, struct held *h)
{
    if (k->op[0].size == 64)
        checker64_moved(k, old, 1, h);
}

static void r_dec(struct check64 *k, const struct held *old, struct held *h)
{
    if (k->op[0].size == 64)
        checker64_moved(k, old, -1, h);
}

static void r_and(struct check64 *k, const struct held *old, struct held *h)
{
    if (by_immediate(k) && immediate(k) >= 0)
        checker64_bound(h, 0, immediate(k));
    else if (by_immediate(k) && k->op[0].size == 64)
        about(k, old, -~immediate(k), 0, h);
}

static void r_shr(struct check64 *k, const struct held *old, struct held *h)
{
    unsigned n = (unsigned)k->op[1].imm.value.u & (k->op[0].size - 1u);

    (void)old;
    if (by_immediate(k) && n > 0)
        checker64_bound(h, 0, (int64_t)((k->op[0].size == 64 ? UINT64_MAX : UINT32_MAX) >> n));
}

static void r_movsx(struct check64 *k, const struct held *old, struct held *h)
{
    int64_t half = INT64_C(1) << (k->op[1].size - 1);

    (void)old;
    if (k->op[0].size == 64)
        checker64_bound(h, -half, half - 1);
}

static void r_cdqe(struct check64 *k, const struct held *old, struct held *h)
{
    (void)k;
    (void)old;
    checker64_bound(h, INT32_MIN, INT32_MAX);
}

/* Those that write all of their first operand, whatever happens. */
static const struct {
    uint16_t mnemonic;
    void (*result)(struct check64 *k, const struct held *old, struct held *h);
} results[] = {
    {ZYDIS_MNEMONIC_ADD, r_add},     {ZYDIS_MNEMONIC_SUB, r_sub},
    {ZYDIS_MNEMONIC_INC, r_inc},     {ZYDIS_MNEMONIC_DEC, r_dec},
    {ZYDIS_MNEMONIC_AND, r_and},     {ZYDIS_MNEMONIC_SHR, r_shr},
    {ZYDIS_MNEMONIC_MOVSX, r_movsx}, {ZYDIS_MNEMONIC_MOVSXD, r_movsx},
    {ZYDIS_MNEMONIC_CDQE, r_cdqe},   {ZYDIS_MNEMONIC_OR, r_plain},
    {ZYDIS_MNEMONIC_XOR, r_plain},   {ZYDIS_MNEMONIC_SHL, r_plain},
    {ZYDIS_MNEMONIC_SAR, r_plain},   {ZYDIS_MNEMONIC_NEG, r_plain},
    {ZYDIS_MNEMONIC_NOT, r_plain},   {ZYDIS_MNEMONIC_IMUL, r_plain},
    {ZYDIS_MNEMONIC_MOV, r_plain},   {ZYDIS_MNEMONIC_LEA, r_plain},
    {ZYDIS_MNEMONIC_MOVZX, r_plain},
};

void checker64_result(struct check64 *k, const ZydisDecodedOperand *o, const struct held *old,
                      struct held *h)
{
    bool cdqe = k->in.mnemonic == ZYDIS_MNEMONIC_CDQE;

    if (o->size < 32 || (!cdqe && o != &k->op[0]) ||
        (k->in.mnemonic == ZYDIS_MNEMONIC_IMUL && k->in.operand_count_visible < 2))
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(results); i++)
        if (results[i].mnemonic == k->in.mnemonic) {
            if (o->size == 32)
                checker64_bound(h, 0, UINT32_MAX);
            results[i].result(k, old, h);
            return;
        }
}
