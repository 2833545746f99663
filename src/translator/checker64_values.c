/* The jail checker on what the guest's values are known to be: see checker64.h. */
#include "translator/checker64.h"

static const struct sum *find_sum(const struct check64 *k, uint32_t id)
{
    for (unsigned i = k->nsums; i > 0; i--)
        if (k->sum[i - 1].id == id)
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

static struct span times(const struct held *h, unsigned scale, int64_t disp)
{
    return (struct span){h->lo * scale + disp, h->hi * scale + disp};
}

static bool is_small(const struct held *h)
{
    return h->bounded && small(h->lo) && small(h->hi);
}

bool checker64_distance(const struct check64 *k, uint32_t looked_up, const struct held *base,
                        const struct held *index, unsigned scale, int64_t disp, struct span *out)
{
    const struct sum whole = {
        .base = base->id, .index = index->id, .scale = (uint8_t)scale, .disp = disp};
    const struct sum self = {.base = looked_up, .scale = 1};
    struct sum from = folded(k, self), to = folded(k, whole), one;

    if (!small(from.disp) || !small(to.disp))
        return false;
    if (from.base == to.base && from.index == to.index && (!to.index || from.scale == to.scale)) {
        *out = (struct span){to.disp - from.disp, to.disp - from.disp};
        return true;
    }
    one = folded(k, (struct sum){.base = base->id, .scale = 1});
    if (base->id && is_small(index) && small(one.disp) && one.base == from.base &&
        one.index == from.index && (!one.index || one.scale == from.scale)) {
        *out = times(index, scale, disp + one.disp - from.disp);
        return true;
    }
    one = folded(k, (struct sum){.base = index->id, .scale = 1});
    if (index->id && scale == 1 && is_small(base) && small(one.disp) && one.base == from.base &&
        one.index == from.index && (!one.index || one.scale == from.scale)) {
        *out = times(base, 1, disp + one.disp - from.disp);
        return true;
    }
    return false;
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

void checker64_moved(struct check64 *k, const struct held *from, int64_t n, struct held *h)
{
    checker64_add_sum(k, (struct sum){.id = h->id, .base = from->id, .scale = 1, .disp = n});
    if (is_small(from) && small(n))
        checker64_bound(h, from->lo + n, from->hi + n);
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
}

static void r_sub(struct check64 *k, const struct held *old, struct held *h)
{
    if (k->op[0].size == 64 && by_immediate(k))
        checker64_moved(k, old, -k->op[1].imm.value.s, h);
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
    (void)old;
    if (by_immediate(k) && immediate(k) >= 0)
        checker64_bound(h, 0, immediate(k));
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
