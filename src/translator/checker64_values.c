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

/* The bounds of operand n, a register or an immediate, at the first one's width; of a register that
 * is the first one, `old`. */
static struct span bounds_of(const struct check64 *k, unsigned n, const struct held *old)
{
    const struct span none64 = {INT64_MIN, INT64_MAX, false}, none32 = {0, UINT32_MAX, false};
    const ZydisDecodedOperand *o = &k->op[n];
    const struct held *h = n == 0 ? old : NULL;

    if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return (struct span){immediate(k), immediate(k), false};
    if (n && o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->size == k->op[0].size &&
        checker_gpr(o->reg.value) >= 0 && checker_gpr(o->reg.value) != RSP)
        h = &k->now.r[checker_gpr(o->reg.value)];
    if (h && h->bounded && (k->op[0].size == 64 || (h->lo >= 0 && h->hi <= UINT32_MAX)))
        return (struct span){h->lo, h->hi, false};
    return k->op[0].size == 64 ? none64 : none32;
}

static void r_and(struct check64 *k, const struct held *old, struct held *h)
{
    struct span a = bounds_of(k, 0, old), b = bounds_of(k, 1, old);

    if (by_immediate(k) && k->op[0].size == 64 && immediate(k) < 0)
        about(k, old, -~immediate(k), 0, h);
    else if (a.lo >= 0 && (b.lo < 0 || a.hi < b.hi))
        checker64_bound(h, 0, a.hi);
    else if (b.lo >= 0)
        checker64_bound(h, 0, b.hi);
}

/* OR, XOR: no bit above the highest of both */
static void r_or(struct check64 *k, const struct held *old, struct held *h)
{
    struct span a = bounds_of(k, 0, old), b = bounds_of(k, 1, old);
    uint64_t top = 0;

    if (k->in.mnemonic == ZYDIS_MNEMONIC_XOR && k->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        k->op[0].reg.value == k->op[1].reg.value) {
        checker64_bound(h, 0, 0);
        return;
    }
    if (a.lo < 0 || b.lo < 0)
        return;
    while (top < (uint64_t)(a.hi | b.hi))
        top = top * 2 + 1;
    checker64_bound(h, 0, (int64_t)top);
}

static unsigned count(const struct check64 *k)
{
    return by_immediate(k) ? (unsigned)k->op[1].imm.value.u & (k->op[0].size - 1u) : 0;
}

static void r_shr(struct check64 *k, const struct held *old, struct held *h)
{
    struct span a = bounds_of(k, 0, old);
    unsigned n = count(k);

    if (n > 0 && a.lo >= 0)
        checker64_bound(h, a.lo >> n, a.hi >> n);
    else if (n > 0)
        checker64_bound(h, 0, (int64_t)(UINT64_MAX >> n));
}

static void r_sar(struct check64 *k, const struct held *old, struct held *h)
{
    struct span a = bounds_of(k, 0, old);
    unsigned n = count(k);

    if (n > 0 && k->op[0].size == 64)
        checker64_bound(h, a.lo >> n, a.hi >> n);
}

static void r_shl(struct check64 *k, const struct held *old, struct held *h)
{
    struct span a = bounds_of(k, 0, old);
    unsigned n = count(k);

    if (n > 0 && n < 32 && a.lo >= 0 && a.hi <= UINT32_MAX &&
        (k->op[0].size == 64 || a.hi << n <= UINT32_MAX))
        checker64_bound(h, a.lo << n, a.hi << n);
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

/* Their destination may stay as it was, or lose its upper half. */
static void r_scan(struct check64 *k, const struct held *old, struct held *h)
{
    h->bounded = false;
    if (old->bounded && (k->op[0].size == 64 || (old->lo >= 0 && old->hi <= UINT32_MAX)))
        checker64_bound(h, old->lo < 0 ? old->lo : 0, old->hi > 63 ? old->hi : 63);
}

static void r_count(struct check64 *k, const struct held *old, struct held *h)
{
    (void)old;
    checker64_bound(h, 0, k->op[0].size);
}

/* A bit per byte */
static void r_byte_signs(struct check64 *k, const struct held *old, struct held *h)
{
    (void)old;
    checker64_bound(h, 0, (INT64_C(1) << k->op[1].size / 8) - 1);
}

/* At most eight elements */
static void r_signs(struct check64 *k, const struct held *old, struct held *h)
{
    (void)k;
    (void)old;
    checker64_bound(h, 0, UINT8_MAX);
}

static void r_cmov(struct check64 *k, const struct held *old, struct held *h)
{
    struct span a = bounds_of(k, 0, old), b = bounds_of(k, 1, old);

    checker64_bound(h, a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi);
}

/* Those that write all of their first operand, whatever happens; but BSF and BSR. */
static const struct {
    uint16_t mnemonic;
    void (*result)(struct check64 *k, const struct held *old, struct held *h);
} results[] = {
    {ZYDIS_MNEMONIC_ADD, r_add},
    {ZYDIS_MNEMONIC_SUB, r_sub},
    {ZYDIS_MNEMONIC_INC, r_inc},
    {ZYDIS_MNEMONIC_DEC, r_dec},
    {ZYDIS_MNEMONIC_AND, r_and},
    {ZYDIS_MNEMONIC_OR, r_or},
    {ZYDIS_MNEMONIC_XOR, r_or},
    {ZYDIS_MNEMONIC_SHR, r_shr},
    {ZYDIS_MNEMONIC_SHL, r_shl},
    {ZYDIS_MNEMONIC_SAR, r_sar},
    {ZYDIS_MNEMONIC_MOVSX, r_movsx},
    {ZYDIS_MNEMONIC_MOVSXD, r_movsx},
    {ZYDIS_MNEMONIC_CDQE, r_cdqe},
    {ZYDIS_MNEMONIC_BSF, r_scan},
    {ZYDIS_MNEMONIC_BSR, r_scan},
    {ZYDIS_MNEMONIC_TZCNT, r_count},
    {ZYDIS_MNEMONIC_LZCNT, r_count},
    {ZYDIS_MNEMONIC_POPCNT, r_count},
    {ZYDIS_MNEMONIC_PMOVMSKB, r_byte_signs},
    {ZYDIS_MNEMONIC_VPMOVMSKB, r_byte_signs},
    {ZYDIS_MNEMONIC_MOVMSKPS, r_signs},
    {ZYDIS_MNEMONIC_MOVMSKPD, r_signs},
    {ZYDIS_MNEMONIC_VMOVMSKPS, r_signs},
    {ZYDIS_MNEMONIC_VMOVMSKPD, r_signs},
    {ZYDIS_MNEMONIC_CMOVB, r_cmov},
    {ZYDIS_MNEMONIC_CMOVBE, r_cmov},
    {ZYDIS_MNEMONIC_CMOVL, r_cmov},
    {ZYDIS_MNEMONIC_CMOVLE, r_cmov},
    {ZYDIS_MNEMONIC_CMOVNB, r_cmov},
    {ZYDIS_MNEMONIC_CMOVNBE, r_cmov},
    {ZYDIS_MNEMONIC_CMOVNL, r_cmov},
    {ZYDIS_MNEMONIC_CMOVNLE, r_cmov},
    {ZYDIS_MNEMONIC_CMOVNO, r_cmov},
    {ZYDIS_MNEMONIC_CMOVNP, r_cmov},
    {ZYDIS_MNEMONIC_CMOVNS, r_cmov},
    {ZYDIS_MNEMONIC_CMOVNZ, r_cmov},
    {ZYDIS_MNEMONIC_CMOVO, r_cmov},
    {ZYDIS_MNEMONIC_CMOVP, r_cmov},
    {ZYDIS_MNEMONIC_CMOVS, r_cmov},
    {ZYDIS_MNEMONIC_CMOVZ, r_cmov},
    {ZYDIS_MNEMONIC_NEG, r_plain},
    {ZYDIS_MNEMONIC_NOT, r_plain},
    {ZYDIS_MNEMONIC_IMUL, r_plain},
    {ZYDIS_MNEMONIC_MOV, r_plain},
    {ZYDIS_MNEMONIC_LEA, r_plain},
    {ZYDIS_MNEMONIC_MOVZX, r_plain},
    {ZYDIS_MNEMONIC_ADC, r_plain},
    {ZYDIS_MNEMONIC_SBB, r_plain},
    {ZYDIS_MNEMONIC_ROL, r_plain},
    {ZYDIS_MNEMONIC_ROR, r_plain},
    {ZYDIS_MNEMONIC_RORX, r_plain},
    {ZYDIS_MNEMONIC_BSWAP, r_plain},
    {ZYDIS_MNEMONIC_ANDN, r_plain},
    {ZYDIS_MNEMONIC_BLSR, r_plain},
    {ZYDIS_MNEMONIC_BZHI, r_plain},
    {ZYDIS_MNEMONIC_SHLX, r_plain},
    {ZYDIS_MNEMONIC_SHRX, r_plain},
    {ZYDIS_MNEMONIC_SARX, r_plain},
    {ZYDIS_MNEMONIC_MOVD, r_plain},
    {ZYDIS_MNEMONIC_VMOVD, r_plain},
};

/* SETcc and MOV to a register's lowest byte: the others stay. */
static void low_byte(const struct check64 *k, const ZydisDecodedOperand *o, const struct held *old,
                     struct held *h)
{
    bool known =
        k->in.meta.category == ZYDIS_CATEGORY_SETCC || k->in.mnemonic == ZYDIS_MNEMONIC_MOV;
    bool low = o->reg.value < ZYDIS_REGISTER_AH || o->reg.value > ZYDIS_REGISTER_BH;

    if (known && o == &k->op[0] && o->size == 8 && low && old->bounded && old->lo >= 0)
        checker64_bound(h, 0, old->hi | UINT8_MAX);
}

void checker64_result(struct check64 *k, const ZydisDecodedOperand *o, const struct held *old,
                      struct held *h)
{
    bool cdqe = k->in.mnemonic == ZYDIS_MNEMONIC_CDQE;

    low_byte(k, o, old, h);
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
