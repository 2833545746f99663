#include "encoding.h"

#include <string.h>

#include "base/types.h"

static const char *const map_names[NMAPS] = {"1b", "0f", "38", "3a", "v1", "v2", "v3", "vx"};

/* Prefixes before the opcode. The first NMAIN come with every REX and every addressing form. */
enum { NMAIN = 5, PFX_67 = 4, PFX_66_67 = 9 };
static const struct {
    const char *name;
    uint8_t n, b[2];
} prefixes[NPFX] = {
    {"-", 0, {0}},
    {"66", 1, {0x66}},
    {"f2", 1, {0xf2}},
    {"f3", 1, {0xf3}},
    {"67", 1, {0x67}},
    {"66+f2", 2, {0x66, 0xf2}},
    {"66+f3", 2, {0x66, 0xf3}},
    {"f2+f3", 2, {0xf2, 0xf3}},
    {"f3+f2", 2, {0xf3, 0xf2}},
    {"66+67", 2, {0x66, 0x67}},
    {"lock", 1, {0xf0}},
    {"lock+66", 2, {0x66, 0xf0}},
    {"lock+f2", 2, {0xf2, 0xf0}},
    {"lock+f3", 2, {0xf3, 0xf0}},
    {"cs", 1, {0x2e}},
    {"fs", 1, {0x64}},
};

enum { REX_NONE, REX_ONLY_W = 2, REX_LOST = 7 };
static const struct {
    const char *name;
    uint8_t byte;
} rexes[NREX] = {
    {"-", 0},    {"0", 0x40}, {"W", 0x48},    {"R", 0x44},
    {"X", 0x42}, {"B", 0x41}, {"WRXB", 0x4f}, {"lost", 0x4f}, /* followed by another prefix */
};

struct form {
    uint8_t mod, rm, sib;
};

/* The first is the register form and the second the plainest memory form: NSHORT. */
enum { NSHORT = 3 };
static const struct form forms32[] = {
    {3, 1, 0},    {0, 0, 0},    {1, 5, 0},    {3, 0, 0},    {3, 2, 0},    {3, 3, 0},
    {3, 4, 0},    {3, 5, 0},    {3, 6, 0},    {3, 7, 0},    {0, 3, 0},    {0, 5, 0},
    {0, 4, 0x24}, {0, 4, 0x25}, {0, 4, 0x65}, {0, 4, 0x60}, {0, 4, 0x8d}, {0, 4, 0xd1},
    {1, 4, 0x6c}, {1, 4, 0x25}, {2, 6, 0},    {2, 4, 0xad}, {2, 4, 0xe4},
};

static const struct form forms16[] = {
    {3, 1, 0}, {0, 0, 0}, {1, 6, 0}, {3, 0, 0}, {3, 2, 0}, {3, 3, 0}, {3, 4, 0}, {3, 5, 0},
    {3, 6, 0}, {3, 7, 0}, {0, 1, 0}, {0, 2, 0}, {0, 3, 0}, {0, 4, 0}, {0, 5, 0}, {0, 6, 0},
    {0, 7, 0}, {1, 2, 0}, {1, 7, 0}, {2, 0, 0}, {2, 3, 0}, {2, 6, 0},
};

/* What follows the opcode or ModRM: displacement and immediate. Positive, negative, small. */
enum { NTAILS = 3 };
static const uint8_t tails[NTAILS][16] = {
    {0x12, 0x34, 0x56, 0x78, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e, 0x6f, 0x70, 0x21, 0x32, 0x43, 0x54,
     0x65},
    {0xf1, 0xe2, 0xd3, 0xc4, 0xb5, 0xa6, 0x97, 0x88, 0xf9, 0xea, 0xdb, 0xcc, 0xbd, 0xae, 0x9f,
     0x80},
    {0x03, 0x05, 0x06, 0x01, 0x02, 0x04, 0x07, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
     0x08},
};

struct walk {
    encoding_fn *fn;
    void *ctx;
    uint64_t count;
    unsigned len; /* bytes of e that are there */
    struct encoding e;
};

unsigned encoding_bits(const struct encoding *e)
{
    return 16u << e->mode;
}

const char *encoding_map_name(unsigned map)
{
    return map_names[map];
}

const char *encoding_pfx_name(unsigned pfx)
{
    return prefixes[pfx].name;
}

const char *encoding_rex_name(unsigned rex)
{
    return rexes[rex].name;
}

static void put(struct walk *w, uint8_t b)
{
    w->e.bytes[w->len++] = b;
}

static void emit(struct walk *w, unsigned tail)
{
    memcpy(w->e.bytes + w->len, tails[tail % NTAILS], NBYTES - w->len < 16 ? NBYTES - w->len : 16);
    w->fn(w->ctx, &w->e);
    w->count++;
}

static bool has_16bit_address(const struct encoding *e)
{
    bool adsize = e->pfx == PFX_67 || e->pfx == PFX_66_67;

    return e->mode == 0 ? !adsize : e->mode == 1 && adsize;
}

static void emit_modrm(struct walk *w, const struct form *f, unsigned reg, unsigned tail)
{
    unsigned len = w->len;
    bool sib = f->mod != 3 && f->rm == 4 && !has_16bit_address(&w->e);

    w->e.has_modrm = 1;
    w->e.modrm = (uint8_t)(f->mod << 6 | reg << 3 | f->rm);
    w->e.has_sib = sib;
    w->e.sib = sib ? f->sib : 0;
    put(w, w->e.modrm);
    if (sib)
        put(w, f->sib);
    emit(w, tail);
    w->len = len;
    w->e.has_modrm = w->e.has_sib = 0;
}

/* 62, C4 and C5 with mod 3, and 8F with reg not 0, begin EVEX, VEX and XOP outside 64-bit mode. */
static bool other_encoding(const struct encoding *e, const struct form *f, unsigned reg)
{
    if (e->map != MAP_1B)
        return false;
    if (e->opcode == 0x8f)
        return reg != 0;
    return f->mod == 3 && (e->opcode == 0x62 || (e->opcode & 0xfe) == 0xc4);
}

static void walk_modrm(struct walk *w, bool all)
{
    bool a16 = has_16bit_address(&w->e);
    const struct form *forms = a16 ? forms16 : forms32;
    unsigned n = !all ? NSHORT : a16 ? ARRAY_SIZE(forms16) : ARRAY_SIZE(forms32);

    for (unsigned reg = 0; reg < 8; reg++)
        for (unsigned f = 0; f < n; f++)
            if (!other_encoding(&w->e, &forms[f], reg))
                emit_modrm(w, &forms[f], reg, f + reg);
}

struct range {
    uint8_t first, last;
};

static bool in_ranges(const struct range *r, unsigned n, uint8_t v)
{
    for (unsigned k = 0; k < n; k++)
        if (v >= r[k].first && v <= r[k].last)
            return true;
    return false;
}

/* SDM 2D tables A-2 and A-3: opcodes without a ModRM byte. */
static bool without_modrm(unsigned map, uint8_t op)
{
    static const struct range one[] = {{0x40, 0x61}, {0x68, 0x68}, {0x6a, 0x6a}, {0x6c, 0x7f},
                                       {0x90, 0xbf}, {0xc2, 0xc3}, {0xc8, 0xcf}, {0xd4, 0xd7},
                                       {0xe0, 0xef}, {0xf1, 0xf1}, {0xf4, 0xf5}, {0xf8, 0xfd}};
    static const struct range two[] = {{0x04, 0x0b}, {0x0e, 0x0e}, {0x30, 0x37}, {0x77, 0x77},
                                       {0x80, 0x8f}, {0xa0, 0xa2}, {0xa8, 0xaa}, {0xc8, 0xcf}};

    if (map == MAP_1B)
        return (op < 0x40 && (op & 7) >= 4) || in_ranges(one, ARRAY_SIZE(one), op);
    return map == MAP_0F && in_ranges(two, ARRAY_SIZE(two), op);
}

/* Not opcodes: prefixes, escapes and the encodings that are left out. */
static bool is_skipped(const struct encoding *e)
{
    static const struct range pfx[] = {{0x0f, 0x0f}, {0x26, 0x26}, {0x2e, 0x2e}, {0x36, 0x36},
                                       {0x3e, 0x3e}, {0x64, 0x67}, {0xf0, 0xf0}, {0xf2, 0xf3}};
    static const struct range long_pfx[] = {{0x40, 0x4f}, {0x62, 0x62}, {0xc4, 0xc5}};
    static const struct range two[] = {{0x0f, 0x0f}, {0x38, 0x38}, {0x3a, 0x3a}};

    if (e->map == MAP_0F)
        return in_ranges(two, ARRAY_SIZE(two), e->opcode);
    if (e->map != MAP_1B)
        return false;
    return in_ranges(pfx, ARRAY_SIZE(pfx), e->opcode) ||
           (e->mode == 2 && in_ranges(long_pfx, ARRAY_SIZE(long_pfx), e->opcode));
}

static void put_prefixes(struct walk *w, unsigned pfx, unsigned rex)
{
    w->len = 0;
    w->e.pfx = (uint8_t)pfx;
    w->e.rex = (uint8_t)rex;
    if (rex == REX_LOST)
        put(w, rexes[rex].byte);
    for (unsigned n = 0; n < prefixes[pfx].n; n++)
        put(w, prefixes[pfx].b[n]);
    if (rex == REX_LOST && prefixes[pfx].n == 0)
        put(w, 0x40);
    if (rex != REX_LOST && rexes[rex].byte)
        put(w, rexes[rex].byte);
}

static void walk_opcode(struct walk *w, unsigned pfx)
{
    static const uint8_t escape[][3] = {{0}, {1, 0x0f}, {2, 0x0f, 0x38}, {2, 0x0f, 0x3a}};
    unsigned len = w->len;

    for (unsigned n = 0; n < escape[w->e.map][0]; n++)
        put(w, escape[w->e.map][1 + n]);
    put(w, w->e.opcode);
    if (without_modrm(w->e.map, w->e.opcode)) {
        for (unsigned tail = 0; tail < NTAILS; tail++)
            emit(w, tail);
    } else {
        walk_modrm(w, pfx < NMAIN);
    }
    w->len = len;
}

static void walk_legacy(struct walk *w)
{
    for (unsigned pfx = 0; pfx < NPFX; pfx++)
        for (unsigned rex = 0; rex < (w->e.mode == 2 ? NREX : 1); rex++) {
            if (pfx >= NMAIN && rex != REX_NONE && rex != REX_ONLY_W && rex != REX_LOST)
                continue;
            put_prefixes(w, pfx, rex);
            for (unsigned n = 0; n < 4 * 256; n++) {
                w->e.map = (uint8_t)(n >> 8);
                w->e.opcode = (uint8_t)n;
                if (!is_skipped(&w->e))
                    walk_opcode(w, pfx);
            }
        }
}

static void put_vex(struct walk *w, unsigned mmmmm)
{
    const struct encoding *e = &w->e;
    unsigned low = (unsigned)e->vvvv << 3 | (unsigned)e->l << 2 | e->pp;

    if (e->vex == 2) {
        put(w, 0xc5);
        put(w, (uint8_t)((e->rxb & 4) << 5 | low));
    } else {
        put(w, 0xc4);
        put(w, (uint8_t)((unsigned)e->rxb << 5 | mmmmm));
        put(w, (uint8_t)((unsigned)e->w << 7 | low));
    }
    put(w, e->opcode);
}

/* Every form with one reg, every reg with two forms: in VEX opcodes reg rarely selects. */
static void walk_vex_modrm(struct walk *w, bool all)
{
    bool a16 = has_16bit_address(&w->e);
    const struct form *forms = a16 ? forms16 : forms32;
    unsigned n = a16 ? ARRAY_SIZE(forms16) : ARRAY_SIZE(forms32);

    for (unsigned f = 0; f < (all ? n : 2); f++)
        emit_modrm(w, &forms[f], 2, f);
    for (unsigned reg = 0; reg < 8 && all; reg++)
        if (reg != 2)
            for (unsigned f = 0; f < 2; f++)
                emit_modrm(w, &forms[f], reg, f + reg);
}

/* Opcode x L x pp x W, with the rest of the prefix given. */
static void walk_vex_opcodes(struct walk *w, unsigned mmmmm, bool all)
{
    unsigned len = w->len;

    for (unsigned n = 0; n < 256 * (w->e.vex == 3 ? 16 : 8); n++) {
        w->e.opcode = (uint8_t)n;
        w->e.l = n >> 8 & 1;
        w->e.pp = n >> 9 & 3;
        w->e.w = n >> 11 & 1;
        put_vex(w, mmmmm);
        walk_vex_modrm(w, all);
        w->len = len;
    }
}

/* rxb that may be used: outside 64-bit mode R and X inverted must be 1, or it is LES or LDS. */
static void walk_vex_bits(struct walk *w, unsigned mmmmm)
{
    static const uint8_t vvvv[] = {15, 10, 0}, rxb[] = {3, 5, 6, 0};
    unsigned first = w->e.mode == 2 ? 0 : 2;

    w->e.rxb = 7;
    for (unsigned n = 0; n < ARRAY_SIZE(vvvv); n++) {
        w->e.vvvv = vvvv[n];
        if (w->e.vex == 3 || w->e.mode == 2 || vvvv[n] & 8)
            walk_vex_opcodes(w, mmmmm, true);
    }
    w->e.vvvv = 15;
    for (unsigned n = first; n < (w->e.mode == 2 ? ARRAY_SIZE(rxb) : first + 1); n++) {
        w->e.rxb = rxb[n];
        if (w->e.vex == 3 || rxb[n] == 3)
            walk_vex_opcodes(w, mmmmm, true);
    }
}

/* Before VEX: 66, F2, F3, LOCK and REX are #UD, the others as usual (SDM 2A 2.3.2-2.3.4). */
static void walk_vex_prefixes(struct walk *w, unsigned mmmmm)
{
    w->e.rxb = 7;
    w->e.vvvv = 15;
    for (unsigned pfx = 1; pfx < NPFX; pfx++) {
        put_prefixes(w, pfx, REX_NONE);
        walk_vex_opcodes(w, mmmmm, false);
    }
    if (w->e.mode != 2)
        return;
    put_prefixes(w, 0, REX_ONLY_W);
    walk_vex_opcodes(w, mmmmm, false);
    put_prefixes(w, 0, 1);
    walk_vex_opcodes(w, mmmmm, false);
}

static void walk_vex(struct walk *w)
{
    static const uint8_t reserved[] = {0, 4, 5, 6, 7, 8, 9, 10, 16, 31};

    for (unsigned m = 1; m <= 3; m++)
        for (unsigned vex = m == 1 ? 2 : 3; vex <= 3; vex++) {
            w->e.map = (uint8_t)(MAP_V1 + m - 1);
            w->e.vex = (uint8_t)vex;
            put_prefixes(w, 0, REX_NONE);
            walk_vex_bits(w, m);
            walk_vex_prefixes(w, m);
        }
    w->e.map = MAP_VX;
    w->e.rxb = 7;
    w->e.vvvv = 15;
    put_prefixes(w, 0, REX_NONE);
    for (unsigned n = 0; n < ARRAY_SIZE(reserved); n++)
        walk_vex_opcodes(w, reserved[n], false);
}

uint64_t encoding_walk(unsigned mode, encoding_fn *fn, void *ctx)
{
    struct walk w = {.fn = fn, .ctx = ctx, .e = {.mode = (uint8_t)mode}};

    walk_legacy(&w);
    walk_vex(&w);
    return w.count;
}
