/* streams64 - random streams of 64-bit code (gen64.h) on the host CPU, in the interpreter and in
 * the translator.
 *
 *   streams64 [--seed=N] [--count=N | --seconds=N | --insns=N] [--strict] [--shrink] [--no-check]
 *             [--missing] [--edges]
 *
 * The options are those of streams (tests/rows/streams.c). --shrink prints what is left as a row
 * for run_rows64.
 */
#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <Zydis/Zydis.h>

#include "base/bits.h"
#include "cpu/cpu.h"
#include "cpu/model.h"
#include "explain64.h"
#include "gen64.h"
#include "native64.h"
#include "rows/catalogue.h"
#include "rows/rowfile.h"
#include "rows/tally.h"
#include "trial64.h"

enum { BATCH = 64, MAX_REPORTS = 10, NVECTORS = 32 };

struct entry {
    struct stream64 stream;
    struct trial64 trial;
    bool bad;
    uint64_t insns; /* on the way to the end */
};

struct bench {
    struct native64 *native;
    struct cpu_model model;
    struct gen64_options opt;
    struct catalogue *catalogue;
    struct entry *entries; /* [BATCH] */
    struct entry *again;   /* one that is run in a new engine */
    struct tally tally;
    uint64_t *counting; /* the entry's, while it is stepped */
    FILE *null;
    bool shrink, no_check, missing;
    uint64_t passed, failed, skipped, explained[NEXPLAINED64], ended[NVECTORS];
    uint64_t executed[3]; /* natively, by enum engine_kind + 1 */
};

static void begin(struct bench *b, struct entry *e)
{
    gen64_memory(&e->stream, &e->trial.begin.mem);
    e->trial.begin.state = e->stream.state;
    e->trial.user_only = e->stream.user_only;
    e->trial.why = 0;
    trial64_native(b->native, &e->trial);
}

static void on_seen(void *opaque, const struct cpu *c, const uint8_t *bytes)
{
    struct bench *b = opaque;

    if (bytes[0] == HLT64)
        return; /* the end, not of the stream */
    ++*b->counting;
    tally_insn(&b->tally, c, bytes);
}

/* The interpreter's second run is stepped. */
static unsigned run_once(struct bench *b, struct rig64 *rig, const struct attempt64 *a,
                         unsigned run, struct entry *e, FILE *out)
{
    bool step = a->kind == ENGINE_INTERP && run > 0;

    if (step) {
        e->insns = 0;
        b->counting = &e->insns;
    }
    return trial64_run(b->native, rig, a, &e->trial, step ? on_seen : NULL, b, out);
}

/* Does this stream still differ in a new engine? Prints how. */
static bool fails(struct bench *b, const struct stream64 *s, const struct attempt64 *a, FILE *out)
{
    struct entry *e = b->again;
    struct rig64 *rig;
    unsigned n = 0;

    e->stream = *s;
    begin(b, e);
    if (!trial64_fit(&e->trial, a))
        return false;
    rig = rig64_open(a->kind, &b->model, !b->no_check);
    for (unsigned k = 0; k < a->runs && n == 0; k++) {
        n = run_once(b, rig, a, k, e, out);
        if (n)
            fprintf(out, "  (run %u)\n", k);
    }
    rig64_close(rig);
    return n != 0;
}

static bool try_smaller(struct bench *b, struct stream64 *s, const struct stream64 *t,
                        const struct attempt64 *a)
{
    if (!fails(b, t, a, b->null))
        return false;
    *s = *t;
    return true;
}

static void shrink(struct bench *b, struct stream64 *s, const struct attempt64 *a)
{
    static struct stream64 t;
    bool smaller = true;

    t = *s;
    t.loops = 0;
    try_smaller(b, s, &t, a);
    while (smaller) {
        smaller = false;
        for (unsigned k = s->n; k-- > 0;) {
            if (s->unit[k].dropped)
                continue;
            t = *s;
            t.unit[k].dropped = true;
            smaller |= try_smaller(b, s, &t, a);
        }
    }
    t = *s;
    t.zero_data = true;
    try_smaller(b, s, &t, a);
    t = *s;
    vec64_init(&t.state.vec);
    try_smaller(b, s, &t, a);
    for (unsigned k = 0; k < 16; k++) {
        t = *s;
        t.state.gpr[k] = 0;
        try_smaller(b, s, &t, a);
    }
}

static void print_disassembly(uint64_t at, const uint8_t *code, unsigned len)
{
    ZydisDisassembledInstruction d;

    for (unsigned o = 0; o < len; o += d.info.length) {
        if (!ZYAN_SUCCESS(
                ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, at + o, code + o, len - o, &d)))
            return;
        printf("  %012" PRIx64 "  ", at + o);
        for (unsigned k = 0; k < d.info.length; k++)
            printf("%02x ", code[o + k]);
        printf("  %s\n", d.text);
    }
}

static void print_hex(const char *name, unsigned reg, const uint8_t *p, unsigned n)
{
    printf(" %s%u=", name, reg);
    while (n--)
        printf("%02x", p[n]);
}

static void print_vectors(const struct vec64 *v)
{
    printf(" fcw=%x fsw=%x ftw=%x mxcsr=%x", v->fcw, v->fsw, v->ftw, v->mxcsr);
    for (unsigned k = 0; k < 16; k++)
        print_hex("ymm", k, v->ymm[k], 32);
    for (unsigned k = 0; k < 8; k++)
        print_hex("st", k, v->st[k], 10);
}

static void print_row(const struct stream64 *s)
{
    uint8_t code[STREAM64_BYTES];
    unsigned len = gen64_code(s, code);
    struct vec64 plain;

    vec64_init(&plain);
    for (unsigned k = 0; k < len; k++)
        printf("%02x ", code[k]);
    printf("| at=%" PRIx64, s->start);
    for (unsigned k = 0; k < 16; k++)
        if (s->state.gpr[k])
            printf(" %s=%" PRIx64, gpr64_names[k], s->state.gpr[k]);
    if (s->state.rflags & (EF_ARITH | EF_DF))
        printf(" rflags=%" PRIx64, s->state.rflags);
    if (s->state.fs_base)
        printf(" fs=%" PRIx64, s->state.fs_base);
    if (s->state.gs_base)
        printf(" gs=%" PRIx64, s->state.gs_base);
    if (memcmp(&plain, &s->state.vec, sizeof(plain)) != 0)
        print_vectors(&s->state.vec);
    if (!s->zero_data)
        printf(" noise=%" PRIx64, s->seed);
    if (s->loops)
        printf(" [%" PRIx64 "]=%08x", gen64_counter(s), __builtin_bswap32(s->loops));
    printf(" ; seed %" PRIu64 "\n", s->seed);
}

static void report(struct bench *b, const struct stream64 *failed, const struct attempt64 *a)
{
    static struct stream64 s;
    uint8_t code[STREAM64_BYTES];
    unsigned len;

    s = *failed;
    b->failed++;
    if (b->failed > MAX_REPORTS)
        return;
    printf("not ok seed %" PRIu64 ": %s\n", s.seed, a->name);
    if (!fails(b, &s, a, b->null)) {
        printf("  only after other streams in the same engine\n");
        return;
    }
    if (b->shrink)
        shrink(b, &s, a);
    fails(b, &s, a, stdout);
    len = gen64_code(&s, code);
    print_disassembly(s.start, code, len);
    if (b->shrink)
        print_row(&s);
    fflush(stdout);
}

/* One engine at a time may be open, so each gets the whole batch. */
static void run_attempt(struct bench *b, unsigned n, const struct attempt64 *a,
                        const struct attempt64 *who[BATCH])
{
    struct rig64 *rig = rig64_open(a->kind, &b->model, !b->no_check);

    for (unsigned k = 0; k < n; k++) {
        struct entry *e = &b->entries[k];

        for (unsigned run = 0; run < a->runs && !e->bad && trial64_fit(&e->trial, a); run++) {
            if (run_once(b, rig, a, run, e, b->null)) {
                e->bad = true;
                who[k] = a;
            }
        }
    }
    rig64_close(rig);
}

static void count(struct bench *b, const struct entry *e)
{
    b->passed++;
    b->executed[0] += e->insns;
    b->executed[ENGINE_INTERP + 1] += e->insns * INTERP64_RUNS;
    b->executed[ENGINE_BT + 1] += e->insns * (e->trial.user_only ? BT64_RUNS : 2 * BT64_RUNS);
    if (e->trial.native.state.end >= 0)
        b->ended[e->trial.native.state.end % NVECTORS]++;
    for (unsigned k = 0; k < NEXPLAINED64; k++)
        b->explained[k] += e->trial.why >> k & 1;
}

static void run_batch(struct bench *b, uint64_t seed, unsigned n)
{
    const struct attempt64 *who[BATCH] = {NULL};

    for (unsigned k = 0; k < n; k++) {
        b->entries[k].bad = false;
        gen64_stream(&b->entries[k].stream, seed + k, &b->opt);
        begin(b, &b->entries[k]);
    }
    for (unsigned i = 0; i < NATTEMPTS64; i++)
        run_attempt(b, n, &attempts64[i], who);
    for (unsigned k = 0; k < n; k++) {
        if (who[k])
            report(b, &b->entries[k].stream, who[k]);
        else if (b->entries[k].trial.usable)
            count(b, &b->entries[k]);
        else
            b->skipped++;
    }
}

static void summary(const struct bench *b, uint64_t seed, uint64_t streams)
{
    uint64_t faulted = 0;

    printf("seeds %" PRIu64 " to %" PRIu64 "\n", seed, seed + streams - 1);
    tally_print(&b->tally, &b->model, b->missing);
    printf("ended by a fault:");
    for (unsigned v = 0; v < NVECTORS; v++) {
        faulted += b->ended[v];
        if (b->ended[v])
            printf(" %s %" PRIu64, row_vector_name((int)v), b->ended[v]);
    }
    printf("\nexplained:");
    for (unsigned e = 0; e < NEXPLAINED64; e++)
        printf("%s %s %" PRIu64, e ? "," : "", explained64_name(e), b->explained[e]);
    printf("\ninstructions: native %" PRIu64 ", interp %" PRIu64 " (run, stepped), bt %" PRIu64
           " (%u times at CPL 3, as often at CPL 0)\n",
           b->executed[0], b->executed[ENGINE_INTERP + 1], b->executed[ENGINE_BT + 1], BT64_RUNS);
    printf("%" PRIu64 " passed (%" PRIu64 " by the same fault), %" PRIu64 " failed, %" PRIu64
           " skipped\n",
           b->passed, faulted, b->failed, b->skipped);
}

static bool number(const char *arg, const char *name, uint64_t *out)
{
    size_t n = strlen(name);

    if (strncmp(arg, name, n) != 0)
        return false;
    *out = strtoull(arg + n, NULL, 0);
    return true;
}

static void setup(struct bench *b)
{
    const char *why;
    char text[256];

    b->native = native64_open(&why);
    if (!b->native) {
        printf("skipped: %s\n", why);
        exit(77);
    }
    if (cpu_model_init(&b->model, NULL, text, sizeof(text)) < 0)
        errx(2, "CPU model: %s", text);
    b->opt.model = &b->model;
    b->entries = calloc(BATCH, sizeof(*b->entries));
    b->again = calloc(1, sizeof(*b->again));
    b->null = fopen("/dev/null", "w");
    if (!b->entries || !b->again || !b->null)
        errx(2, "no memory");
    b->opt.catalogue = b->catalogue = gen64_catalogue(&b->opt);
    tally_init(&b->tally, 64);
}

struct limits {
    uint64_t seed, count, seconds, insns;
    time_t begin;
};

static bool enough(const struct bench *b, const struct limits *l, uint64_t done)
{
    if (l->insns)
        return b->executed[0] >= l->insns;
    return l->seconds ? time(NULL) - l->begin >= (time_t)l->seconds : done >= l->count;
}

static void run(struct bench *b, const struct limits *l)
{
    uint64_t done = 0, n;

    printf("seeds from %" PRIu64 "\n", l->seed);
    for (; !enough(b, l, done); done += n) {
        n = l->insns || l->seconds || l->count - done > BATCH ? BATCH : l->count - done;
        run_batch(b, l->seed + done, (unsigned)n);
    }
    summary(b, l->seed, done);
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct limits l = {.seed = 1, .count = 1000, .begin = time(NULL)};

    for (int k = 1; k < argc; k++) {
        if (strcmp(argv[k], "--strict") == 0)
            b.opt.strict = true;
        else if (strcmp(argv[k], "--edges") == 0)
            b.opt.edges = true;
        else if (strcmp(argv[k], "--shrink") == 0)
            b.shrink = true;
        else if (strcmp(argv[k], "--no-check") == 0)
            b.no_check = true;
        else if (strcmp(argv[k], "--missing") == 0)
            b.missing = true;
        else if (!number(argv[k], "--seed=", &l.seed) && !number(argv[k], "--count=", &l.count) &&
                 !number(argv[k], "--seconds=", &l.seconds) &&
                 !number(argv[k], "--insns=", &l.insns))
            errx(2, "usage: streams64 [--seed=N] [--count=N | --seconds=N | --insns=N] [--strict] "
                    "[--shrink] [--no-check] [--missing] [--edges]");
    }
    setup(&b);
    run(&b, &l);
    native64_close(b.native);
    tally_free(&b.tally);
    catalogue_destroy(b.catalogue);
    return b.failed ? 1 : 0;
}
