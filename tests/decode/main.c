/* decoders - Zydis against Capstone over the opcode space (docs/decoding.md).
 *
 *   decoders VERDICTS           the test: every disagreement is in the table, and the table is true
 *   decoders --table VERDICTS   prints the table with counts; --host: and the host CPU's opinion
 *   decoders --dump VERDICTS    every disagreement, a line each, for making new records
 *   decoders --host-walk=N      Dragoman's decoder against the host CPU, every N-th encoding
 *
 * --mode=16, 32 or 64 takes one mode only; lines of the table without a match are no failure then.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "hostwalk.h"
#include "verdict.h"

enum { MAX_UNLISTED = 40, MAX_SAMPLES = 12, PRINTED = 256, SKIPPED = 77 };

/* Some encodings of a class, for the host. */
struct samples {
    struct encoding e[MAX_SAMPLES];
    uint8_t len[MAX_SAMPLES]; /* as Zydis or, where it has none, Capstone says */
    unsigned n;
    uint64_t seen;
};

struct run {
    struct decoders *d;
    struct verdict_table *table;
    struct samples *samples; /* one per verdict; NULL without --host */
    bool dump;
    uint64_t walked, differ, unlisted;
};

static void print_bytes(const struct encoding *e, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        printf("%02x", e->bytes[k]);
}

static void print_disagreement(struct run *r, const struct encoding *e, unsigned kind,
                               const struct view *z, const struct view *c, unsigned outcome,
                               const struct verdict *v)
{
    char zt[PRINTED], ct[PRINTED];

    view_print(r->d, z, false, zt, sizeof(zt));
    view_print(r->d, c, true, ct, sizeof(ct));
    printf("%u\t%s\t%02x\t%s\t%s\t%02x\t%02x\t", encoding_bits(e), encoding_map_name(e->map),
           e->opcode, encoding_pfx_name(e->pfx), encoding_rex_name(e->rex), e->modrm, e->sib);
    printf("pp=%u l=%u w=%u vvvv=%x rxb=%x\t%s\t%s\t%s\t%s\t", e->pp, e->l, e->w, e->vvvv, e->rxb,
           view_kind_name(kind), zydis_name(z), capstone_name(r->d, c),
           verdict_outcome_name(outcome));
    print_bytes(e, 15);
    printf("\t%s\t%s\t%s\n", zt, ct, v ? v->name : "unlisted");
}

static unsigned outcome_of(const struct view *z, const struct view *dragoman, unsigned kind)
{
    if (!dragoman->valid)
        return OUTCOME_UD;
    return view_compare(z, dragoman) >> kind & 1 ? OUTCOME_OWN : OUTCOME_ZYDIS;
}

/* The first ones, and then the 2nd, 4th, 8th.. in turn: they spread over the class. */
static void keep_sample(struct samples *s, const struct encoding *e, unsigned len)
{
    uint64_t seen = ++s->seen;
    unsigned slot = s->n;

    if (s->n < MAX_SAMPLES)
        s->n++;
    else if ((seen & (seen - 1)) == 0)
        slot = (unsigned)__builtin_ctzll(seen) % MAX_SAMPLES;
    else
        return;
    s->e[slot] = *e;
    s->len[slot] = (uint8_t)len;
}

static void judge(struct run *r, const struct encoding *e, unsigned kind, const struct view *z,
                  const struct view *c, const struct view *dragoman)
{
    unsigned outcome = outcome_of(z, dragoman, kind);
    struct verdict *v = verdicts_find(r->table, e, kind, outcome);

    if (r->dump)
        print_disagreement(r, e, kind, z, c, outcome, v);
    if (!v && r->unlisted++ < MAX_UNLISTED && !r->dump) {
        print_disagreement(r, e, kind, z, c, outcome, v);
    }
    if (v && r->samples)
        keep_sample(&r->samples[v - verdicts_get(r->table, 0)], e, z->valid ? z->len : c->len);
}

static void compare(void *ctx, const struct encoding *e)
{
    struct run *r = ctx;
    struct view z, c, dragoman;
    unsigned kinds;

    view_zydis(r->d, e, &z);
    view_capstone(r->d, e, &c);
    kinds = view_compare_names(r->d, &z, &c);
    if (!kinds)
        return;
    r->differ++;
    view_dragoman(r->d, e, &dragoman);
    for (; kinds; kinds &= kinds - 1)
        judge(r, e, (unsigned)__builtin_ctz(kinds), &z, &c, &dragoman);
}

static void print_host(struct host *h, const struct samples *s)
{
    unsigned valid = 0, ud = 0, same = 0, unknown = 0;

    for (unsigned n = 0; n < s->n; n++) {
        const struct encoding *e = &s->e[n];
        unsigned len;

        switch (host_decode(h, e->mode, e->bytes, 15, &len)) {
        case HOST_VALID:
            valid++;
            same += len == s->len[n];
            break;
        case HOST_UD:
            ud++;
            break;
        default:
            unknown++;
            break;
        }
    }
    printf("    host     %u of %u samples valid, %u of them as long as Zydis (or Capstone alone) "
           "says; %u #UD, %u not tried\n",
           valid, s->n, same, ud, unknown);
}

static void print_table(const struct run *r, struct host *h)
{
    for (unsigned n = 0; n < verdicts_count(r->table); n++) {
        const struct verdict *v = verdicts_get(r->table, n);

        printf("[%s] %" PRIu64 "\n    zydis    %s\n    capstone %s\n    right    %s\n"
               "    dragoman %s\n",
               v->name, v->count, v->zydis, v->capstone, v->right_text, v->dragoman);
        if (h)
            print_host(h, &r->samples[n]);
    }
}

struct options {
    bool dump, host, table;
    unsigned modes;     /* bit per mode */
    unsigned host_walk; /* every n-th */
    const char *path;
};

static int walk_all(struct run *r, const struct options *o)
{
    struct host *h = o->host ? host_open() : NULL;
    unsigned bad;

    if (o->host && !h) {
        puts("skipped: no tracing of children here");
        return SKIPPED;
    }
    for (unsigned m = 0; m < 3; m++)
        if (o->modes >> m & 1)
            r->walked += encoding_walk(m, compare, r);
    if (o->table || o->host)
        print_table(r, h);
    host_close(h);
    if (r->dump)
        return 0;
    bad = o->modes == 7 ? verdicts_check(r->table) : 0;
    printf("%" PRIu64 " encodings, %" PRIu64 " differ in %u classes, %" PRIu64
           " disagreements not in the table, %u lines of the table refuted\n",
           r->walked, r->differ, verdicts_count(r->table), r->unlisted, bad);
    return bad || r->unlisted ? 1 : 0;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"dump", no_argument, NULL, 'd'},
        {"host", no_argument, NULL, 'h'},
        {"table", no_argument, NULL, 't'},
        {"mode", required_argument, NULL, 'm'},
        {"host-walk", required_argument, NULL, 'w'},
        {NULL, 0, NULL, 0},
    };
    int c;

    *o = (struct options){.modes = 7};
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'd')
            o->dump = true;
        else if (c == 'h')
            o->host = true;
        else if (c == 't')
            o->table = true;
        else if (c == 'm')
            o->modes = (unsigned)atoi(optarg) / 16 == 4 ? 4 : (unsigned)atoi(optarg) / 16;
        else if (c == 'w')
            o->host_walk = (unsigned)atoi(optarg);
        else
            return false;
    }
    o->path = argv[optind];
    return o->host_walk || o->path;
}

int main(int argc, char **argv)
{
    struct options o;
    struct run r = {0};
    int status = 1;

    if (!parse_options(argc, argv, &o)) {
        fprintf(stderr,
                "usage: %s [--dump] [--host] [--table] [--mode=16|32|64] VERDICTS\n"
                "       %s --host-walk=N [--mode=16|32|64]\n",
                argv[0], argv[0]);
        return 2;
    }
    r.d = decoders_open();
    r.dump = o.dump;
    if (o.host_walk && r.d) {
        status = hostwalk_run(r.d, o.modes, o.host_walk);
    } else if (r.d) {
        r.table = verdicts_read(o.path);
        if (o.host && r.table)
            r.samples = calloc(verdicts_count(r.table), sizeof(*r.samples));
        if (r.table && (r.samples || !o.host))
            status = walk_all(&r, &o);
        free(r.samples);
        verdicts_free(r.table);
    }
    decoders_close(r.d);
    return status;
}
