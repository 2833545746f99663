#include "catalogue.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "translator/row.h"
#include "translator/row_form.h"

enum {
    MODRM_SIB = 4,
    SIB_ESI = 0x26, /* [esi], and with a vector index [esi + xmm4] */
    MODRM_ECX = 0xc1,
    VEX3 = 0xc4,
    REX_W = 0x48,
};

struct catalogue {
    struct form *form; /* by row, in order */
    unsigned n, room;
    unsigned *first; /* [nrows + 1] */
    unsigned nrows, bits;
    bool (*fit)(const struct insn *i, const void *opaque);
    const void *opaque;
};

static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};

static bool decode_form(unsigned bits, const struct form *f, struct insn *i)
{
    static const uint8_t maps[] = {0, 0, 0x38, 0x3a};
    uint8_t b[MAX_INSN] = {0};
    unsigned n = 0, pp = 0;

    while (prefixes[pp] != f->mand)
        pp++;
    if (f->vex) {
        b[n++] = VEX3;
        b[n++] = 0xe0 | f->map;
        b[n++] = (uint8_t)(f->w << 7 | 0x78 | f->l << 2 | pp);
    } else {
        if (f->mand)
            b[n++] = f->mand;
        if (f->w)
            b[n++] = REX_W;
        if (f->map)
            b[n++] = 0x0f;
        if (f->map > 1)
            b[n++] = maps[f->map];
    }
    b[n++] = f->opcode;
    b[n++] = f->modrm;
    b[n++] = SIB_ESI;
    return decode_insn(b, sizeof(b), bits, i) == DECODE_OK && i->opcode == f->opcode &&
           i->map == f->map && (i->enc == ENC_VEX) == f->vex;
}

static void add(struct catalogue *c, const struct form *f)
{
    if (c->n == c->room) {
        c->room = c->room ? 2 * c->room : 4096;
        c->form = realloc(c->form, c->room * sizeof(*f));
        if (!c->form)
            errx(2, "no memory");
    }
    c->form[c->n++] = *f;
}

/* REP and REPNE in front of what they don't change are left to the random bytes. */
static bool idle_prefix(unsigned bits, const struct form *f, const struct insn *i)
{
    struct form plain = *f;
    struct insn p;

    plain.mand = 0;
    return !f->vex && f->mand >= 0xf2 && !(i->row->traits & T_STRING) &&
           decode_form(bits, &plain, &p) && row_index(&p) == row_index(i);
}

/* All values of ModRM that select an instruction; without ModRM only one. */
static void try_opcode(struct catalogue *c, struct form f)
{
    bool x87 = !f.vex && f.map == 0 && (f.opcode & 0xf8) == 0xd8;
    struct insn i;

    for (unsigned k = 0; k < 8 * 9; k++) {
        unsigned reg = k / 9, rm = k % 9; /* rm 8: memory */

        f.memory = rm == 8;
        f.exact = x87 && !f.memory;
        if (!f.memory && rm != (MODRM_ECX & 7) && !x87)
            continue;
        f.modrm = (uint8_t)(reg << 3 | (f.memory ? MODRM_SIB : 0xc0 | rm));
        if (!decode_form(c->bits, &f, &i) || !c->fit(&i, c->opaque) || idle_prefix(c->bits, &f, &i))
            continue;
        f.row = (uint16_t)row_index(&i);
        f.memory &= i.has_modrm;
        add(c, &f);
        if (!i.has_modrm)
            return;
    }
}

static void enumerate(struct catalogue *c)
{
    for (unsigned map = 0; map < 4; map++)
        for (unsigned op = 0; op < 256; op++)
            for (unsigned p = 0; p < sizeof(prefixes); p++)
                for (unsigned v = 0; v < 6; v++)
                    if (v == 0 || (v == 5 ? c->bits == 64 : map != 0))
                        try_opcode(c, (struct form){.map = (uint8_t)map,
                                                    .opcode = (uint8_t)op,
                                                    .mand = prefixes[p],
                                                    .vex = v != 0 && v != 5,
                                                    .w = v > 2,
                                                    .l = v == 2 || v == 4});
}

static uint64_t sort_key(const struct form *f)
{
    return (uint64_t)f->row << 48 | (uint64_t)f->map << 40 | (uint64_t)f->opcode << 32 |
           (uint64_t)f->mand << 24 | (uint64_t)f->modrm << 16 | (uint64_t)f->vex << 3 |
           (uint64_t)f->w << 2 | (uint64_t)f->l << 1 | f->memory;
}

static int by_row(const void *a, const void *b)
{
    uint64_t x = sort_key(a), y = sort_key(b);

    return x < y ? -1 : x > y;
}

struct catalogue *catalogue_create(unsigned bits,
                                   bool (*fit)(const struct insn *i, const void *opaque),
                                   const void *opaque)
{
    struct catalogue *c = calloc(1, sizeof(*c));

    if (!c)
        errx(2, "no memory");
    c->bits = bits;
    c->fit = fit;
    c->opaque = opaque;
    enumerate(c);
    qsort(c->form, c->n, sizeof(*c->form), by_row);
    c->first = calloc(c->n + 1, sizeof(*c->first));
    if (!c->first)
        errx(2, "no memory");
    for (unsigned k = 0; k < c->n; k++)
        if (k == 0 || c->form[k].row != c->form[k - 1].row)
            c->first[c->nrows++] = k;
    c->first[c->nrows] = c->n;
    return c;
}

void catalogue_destroy(struct catalogue *c)
{
    free(c->form);
    free(c->first);
    free(c);
}

const struct form *catalogue_draw(const struct catalogue *c, uint32_t row, uint32_t form)
{
    unsigned r = row % c->nrows, first = c->first[r];

    return &c->form[first + form % (c->first[r + 1] - first)];
}
