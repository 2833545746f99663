/* streams - random instruction streams (gen.h) on the host CPU, in the interpreter and in the
 * translator.
 *
 *   streams [--seed=N] [--count=N | --seconds=N | --insns=N] [--strict] [--shrink] [--no-check]
 *           [--missing] [--edges]
 *
 * Seeds run from N on; a failing stream is found again by its own seed. --insns runs until every
 * engine has executed that many instructions. --strict also compares the flags that the manual
 * leaves undefined. --no-check leaves the jail checker out. --shrink drops units while the
 * difference stays and prints what is left as a row (rowfile.h) for run_rows --fill. --missing
 * lists the rows of the instruction table that no stream reached. --edges makes other streams, in
 * which most memory operands cross a page or fault. Status 1 when an engine differed.
 *
 * What was executed is counted by the interpreter, stepping; a stream that ends in the same state
 * natively and translated has taken the same path there.
 */
#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <Zydis/Zydis.h>

#include "base/bits.h"
#include "catalogue.h"
#include "cpu/cpu.h"
#include "cpu/model.h"
#include "explain.h"
#include "gen.h"
#include "native.h"
#include "rig.h"
#include "rowfile.h"
#include "tally.h"

enum { BATCH = 64, BT_RUNS = 3, INTERP_RUNS = 2, MAX_REPORTS = 10, NVECTORS = 32 };

/* One stream, and what came of it. */
struct trial {
    struct stream stream;
    struct test_mem begin;
    struct outcome native;
    bool usable; /* the native run ended by itself */
    bool bad;
    unsigned why;   /* classes of explained differences (explain.h) */
    uint64_t insns; /* on the way to the end */
};

struct bench {
    struct native *native;
    struct cpu_model model;
    struct gen_options opt;
    struct catalogue *catalogue;
    struct trial *trials; /* [BATCH] */
    struct outcome got;
    struct tally tally;
    uint64_t *counting; /* the trial's, while it is stepped */
    FILE *null;
    bool shrink, no_check, missing;
    uint64_t passed, failed, skipped, explained[NEXPLAINED], ended[NVECTORS];
    uint64_t executed[3]; /* natively, by enum engine_kind + 1 */
};

static const struct rig_setup user = {.cpl = 3, .paging = true};
static const struct rig_setup kernel = {.cpl = 0, .paging = true};

static void run_native(struct bench *b, struct trial *t)
{
    struct outcome *o = &t->native;

    gen_memory(&t->stream, &t->begin);
    o->mem = t->begin;
    o->state = t->stream.state;
    t->usable = native_run(b->native, &o->mem, &o->state) && o->state.end >= END_HLT;
}

struct attempt {
    enum engine_kind kind;
    const struct rig_setup *setup;
    unsigned runs;
};

static const struct attempt attempts[] = {{ENGINE_INTERP, &user, INTERP_RUNS},
                                          {ENGINE_BT, &user, BT_RUNS},
                                          {ENGINE_BT, &kernel, BT_RUNS}};

/* A fault at CPL 0 leaves its frame on the stack: such streams run at CPL 3 only. */
static bool fit_for(const struct trial *t, const struct attempt *a)
{
    return t->usable && !t->bad && (a->setup->cpl == 3 || t->native.state.end == END_HLT);
}

static void on_seen(void *opaque, const struct cpu *c, const uint8_t *bytes)
{
    struct bench *b = opaque;

    if (bytes[0] == HLT)
        return; /* the end, not of the stream */
    ++*b->counting;
    tally_insn(&b->tally, c, bytes);
}

/* The interpreter's second run is stepped. */
static unsigned run_once(struct bench *b, struct rig *rig, const struct attempt *a, unsigned run,
                         struct trial *t, FILE *out)
{
    unsigned n, why;

    b->got.mem = t->begin;
    b->got.state = t->stream.state;
    if (a->kind == ENGINE_INTERP && run > 0) {
        t->insns = 0;
        b->counting = &t->insns;
        rig_trace(rig, a->setup, &b->got.mem, &b->got.state, on_seen, b);
    } else {
        rig_run(rig, a->setup, &b->got.mem, &b->got.state);
    }
    if (b->got.state.end == VEC_PF && native_foreign(b->native, b->got.state.cr2)) {
        t->usable = false; /* natively there is no fault, and the stream went on */
        return 0;
    }
    n = explain_differences(&t->native, &b->got, &why, out);
    t->why |= why;
    return n;
}

/* Does this stream still differ in a new engine? Prints how. */
static bool fails(struct bench *b, const struct stream *s, const struct attempt *a, FILE *out)
{
    struct trial *t = calloc(1, sizeof(*t));
    struct rig *rig;
    unsigned n = 0;

    if (!t)
        errx(2, "no memory");
    t->stream = *s;
    run_native(b, t);
    if (fit_for(t, a)) {
        rig = rig_open(a->kind, &b->model, !b->no_check);
        for (unsigned k = 0; k < a->runs && n == 0; k++)
            n = run_once(b, rig, a, k, t, out);
        rig_close(rig);
    }
    free(t);
    return n != 0;
}

static void shrink(struct bench *b, struct stream *s, const struct attempt *a)
{
    struct stream t;
    bool smaller = true;

    t = *s;
    t.loops = 0;
    if (fails(b, &t, a, b->null))
        *s = t;
    while (smaller) {
        smaller = false;
        for (unsigned k = s->n; k-- > 0;) {
            if (s->unit[k].dropped)
                continue;
            t = *s;
            t.unit[k].dropped = true;
            if (fails(b, &t, a, b->null)) {
                *s = t;
                smaller = true;
            }
        }
    }
    t = *s;
    t.zero_data = true;
    if (fails(b, &t, a, b->null))
        *s = t;
    t = *s;
    vec_init(&t.state.vec);
    if (fails(b, &t, a, b->null))
        *s = t;
}

static void print_disassembly(const uint8_t *code, unsigned len)
{
    ZydisDisassembledInstruction d;

    for (unsigned o = 0; o < len; o += d.info.length) {
        if (!ZYAN_SUCCESS(
                ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LEGACY_32, o, code + o, len - o, &d)))
            return;
        printf("  +%03x  ", o);
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

/* As a row; data that is not zero is not in it. */
static void print_row(const struct stream *s)
{
    uint8_t code[STREAM_BYTES];
    unsigned len = gen_code(s, code);
    struct vec_state plain;

    vec_init(&plain);
    for (unsigned k = 0; k < len; k++)
        printf("%02x ", code[k]);
    printf("| at=%x", s->start - TEST_PAGE);
    for (unsigned k = 0; k < 8; k++)
        printf(" %s=%x", row_gpr_names[k], s->state.gpr[k]);
    for (unsigned k = 0; k < NROW_FLAGS; k++)
        if (s->state.eflags & row_flags[k].mask & (EF_ARITH | EF_DF))
            printf(" %s=1", row_flags[k].name);
    if (memcmp(&plain, &s->state.vec, sizeof(plain)) != 0) {
        printf(" fcw=%x fsw=%x mxcsr=%x", s->state.vec.fcw, s->state.vec.fsw, s->state.vec.mxcsr);
        for (unsigned k = 0; k < 8; k++)
            print_hex("ymm", k, s->state.vec.ymm[k], 32);
        for (unsigned k = 0; k < 8; k++)
            print_hex("st", k, s->state.vec.st[k], 10);
        printf(" ftw=%x", s->state.vec.ftw);
    }
    printf(" ; seed %" PRIu64 "%s\n", s->seed, s->zero_data ? "" : ", with its data");
}

static void report(struct bench *b, const struct stream *failed, const struct attempt *a)
{
    struct stream s = *failed;
    uint8_t code[STREAM_BYTES];

    b->failed++;
    if (b->failed > MAX_REPORTS)
        return;
    printf("not ok seed %" PRIu64 ": %s, cpl %u\n", s.seed, a->kind == ENGINE_BT ? "bt" : "interp",
           a->setup->cpl);
    if (!fails(b, &s, a, b->null)) {
        printf("  only after other streams in the same engine\n");
        return;
    }
    if (b->shrink)
        shrink(b, &s, a);
    fails(b, &s, a, stdout);
    print_disassembly(code, gen_code(&s, code));
    if (b->shrink)
        print_row(&s);
    fflush(stdout);
}

/* One engine at a time may be open, so each gets the whole batch. */
static void run_attempt(struct bench *b, unsigned n, const struct attempt *a,
                        const struct attempt *who[BATCH])
{
    struct rig *rig = rig_open(a->kind, &b->model, !b->no_check);

    for (unsigned k = 0; k < n; k++) {
        struct trial *t = &b->trials[k];

        for (unsigned run = 0; run < a->runs && fit_for(t, a); run++) {
            if (run_once(b, rig, a, run, t, b->null)) {
                t->bad = true;
                who[k] = a;
            }
        }
    }
    rig_close(rig);
}

static void count(struct bench *b, const struct trial *t)
{
    unsigned bt_runs = t->native.state.end == END_HLT ? 2 * BT_RUNS : BT_RUNS;

    b->passed++;
    b->executed[0] += t->insns;
    b->executed[ENGINE_INTERP + 1] += t->insns * INTERP_RUNS;
    b->executed[ENGINE_BT + 1] += t->insns * bt_runs;
    if (t->native.state.end >= 0)
        b->ended[t->native.state.end % NVECTORS]++;
    for (unsigned e = 0; e < NEXPLAINED; e++)
        b->explained[e] += t->why >> e & 1;
}

static void run_batch(struct bench *b, uint64_t seed, unsigned n)
{
    const struct attempt *who[BATCH] = {NULL};

    for (unsigned k = 0; k < n; k++) {
        struct trial *t = &b->trials[k];

        t->bad = false;
        t->why = 0;
        gen_stream(&t->stream, seed + k, &b->opt);
        run_native(b, t);
    }
    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++)
        run_attempt(b, n, &attempts[i], who);
    for (unsigned k = 0; k < n; k++) {
        if (who[k])
            report(b, &b->trials[k].stream, who[k]);
        else if (b->trials[k].usable)
            count(b, &b->trials[k]);
        else
            b->skipped++;
    }
}

static void summary(const struct bench *b, uint64_t seed, uint64_t streams)
{
    uint64_t faulted = 0;

    printf("seeds %" PRIu64 " to %" PRIu64 ", 16-bit addresses %s\n", seed, seed + streams - 1,
           b->opt.low ? "included" : "left out: no memory below 64 KiB");
    tally_print(&b->tally, &b->model, b->missing);
    printf("ended by a fault:");
    for (unsigned v = 0; v < NVECTORS; v++) {
        faulted += b->ended[v];
        if (b->ended[v])
            printf(" %s %" PRIu64, row_vector_name((int)v), b->ended[v]);
    }
    printf("\nexplained:");
    for (unsigned e = 0; e < NEXPLAINED; e++)
        printf("%s %s %" PRIu64, e ? "," : "", explained_name(e), b->explained[e]);
    printf("\ninstructions: native %" PRIu64 ", interp %" PRIu64 " (run, stepped), bt %" PRIu64
           " (%u times at CPL 3; at CPL 0 too without a fault)\n",
           b->executed[0], b->executed[ENGINE_INTERP + 1], b->executed[ENGINE_BT + 1], BT_RUNS);
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

    b->native = native_open(&why);
    if (!b->native) {
        printf("skipped: %s\n", why);
        exit(77);
    }
    if (cpu_model_init(&b->model, NULL, text, sizeof(text)) < 0)
        errx(2, "CPU model: %s", text);
    b->opt.model = &b->model;
    b->opt.low = native_has_low(b->native);
    b->trials = calloc(BATCH, sizeof(*b->trials));
    b->null = fopen("/dev/null", "w");
    if (!b->trials || !b->null)
        errx(2, "no memory");
    b->opt.catalogue = b->catalogue = gen_catalogue(&b->opt);
    tally_init(&b->tally, 32);
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
            errx(2, "usage: streams [--seed=N] [--count=N | --seconds=N | --insns=N] [--strict] "
                    "[--shrink] [--no-check] [--missing] [--edges]");
    }
    setup(&b);
    run(&b, &l);
    native_close(b.native);
    tally_free(&b.tally);
    catalogue_destroy(b.catalogue);
    return b.failed ? 1 : 0;
}
