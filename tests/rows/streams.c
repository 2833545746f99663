/* streams - random instruction streams (gen.h) on the host CPU, in the interpreter and in the
 * translator.
 *
 *   streams [--seed=N] [--count=N | --seconds=N] [--strict] [--shrink] [--no-check]
 *
 * Seeds run from N on; a failing stream is found again by its own seed. --strict also compares the
 * flags that the manual leaves undefined. --no-check leaves the jail checker out. --shrink drops
 * units while the difference stays and prints what is left as a row (rowfile.h) for run_rows
 * --fill. Status 1 when an engine differed.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <Zydis/Zydis.h>

#include "compare.h"
#include "cpu/cpu.h"
#include "cpu/model.h"
#include "gen.h"
#include "native.h"
#include "rig.h"
#include "rowfile.h"
#include "translator/decode.h"

enum { BATCH = 32, BT_RUNS = 3, MAX_REPORTS = 10 };

struct outcome {
    struct test_state state;
    struct test_mem mem;
};

struct bench {
    struct native *native;
    struct cpu_model model;
    struct gen_options opt;
    struct stream *streams;                 /* [BATCH] */
    struct outcome *native_out, *guest_out; /* [BATCH] */
    bool *usable;                           /* [BATCH]: the native run ended by itself */
    bool shrink, no_check;
    unsigned passed, failed, skipped, faulted;
};

static const struct rig_setup user = {.cpl = 3, .paging = true};
static const struct rig_setup kernel = {.cpl = 0, .paging = true};

static bool run_native(struct bench *b, const struct stream *s, struct outcome *o)
{
    gen_memory(s, &o->mem);
    o->state = s->state;
    return native_run(b->native, &o->mem, &o->state) && o->state.end != END_TIMEOUT &&
           o->state.end >= END_HLT;
}

static void run_guest(struct rig *rig, const struct rig_setup *setup, const struct stream *s,
                      struct outcome *o)
{
    gen_memory(s, &o->mem);
    o->state = s->state;
    rig_run(rig, setup, &o->mem, &o->state);
}

static bool last_insn(const struct outcome *o, struct insn *i)
{
    const uint8_t *p = test_mem_at((struct test_mem *)&o->mem, o->state.eip, 1);

    return p && o->state.end != END_HLT && decode_insn(p, MAX_INSN, 32, i) == DECODE_OK;
}

/* An access across 4 GiB may or may not be a limit violation (SDM 3A 5.3); this host says no. */
static bool limit_wrap(const struct outcome *want, const struct outcome *got)
{
    uint32_t ea = want->state.end == VEC_PF ? want->state.cr2 : 0;
    struct insn i;

    if ((got->state.end != VEC_GP && got->state.end != VEC_SS) || got->state.err != 0 ||
        !last_insn(want, &i))
        return false;
    if (want->state.end == VEC_GP)
        ea = (uint32_t)i.disp + (i.base < 8 ? want->state.gpr[i.base] : 0) +
             (i.index < 8 ? want->state.gpr[i.index] * i.scale : 0);
    return ea > UINT32_MAX - 32;
}

/* An MMX instruction that faults has already made the transition to MMX state on some hosts. */
static bool ends_in_mmx(const struct outcome *o)
{
    struct insn i;

    if (!last_insn(o, &i))
        return false;
    for (unsigned k = 0; k < i.nops; k++)
        if (i.op[k].kind == OPND_MMX)
            return true;
    return false;
}

static bool memory_written(const struct insn *i)
{
    for (unsigned k = 0; k < i->nops; k++)
        if (i->op[k].kind == OPND_MEM && (i->op[k].access & 2))
            return true;
    return false;
}

/* Known difference: an x87 store whose result is an unmasked exception stores nothing, so the host
 * does not fault; the interpreter looks at the operand first. The stream has taken another path
 * from there on. */
static bool x87_store_withheld(const struct outcome *want, const struct outcome *got)
{
    struct insn i;

    return got->state.end == VEC_PF && (want->state.vec.fsw & 0x80) && last_insn(got, &i) &&
           i.map == 0 && (i.opcode & 0xf8) == 0xd8 && memory_written(&i);
}

/* A fault at CPL 0 leaves its frame on the stack: such streams run at CPL 3 only. */
static unsigned differences(const struct outcome *want, const struct outcome *got, FILE *out)
{
    struct compare how = {.native = true, .no_x87 = ends_in_mmx(want)};
    unsigned n;

    if (limit_wrap(want, got) || x87_store_withheld(want, got))
        return 0;
    n = compare_states(&want->state, &got->state, &how, out);

    return n + compare_memory(&want->mem, &got->mem, &how, out);
}

struct attempt {
    enum engine_kind kind;
    const struct rig_setup *setup;
    unsigned runs;
};

static const struct attempt attempts[] = {
    {ENGINE_INTERP, &user, 1}, {ENGINE_BT, &user, BT_RUNS}, {ENGINE_BT, &kernel, BT_RUNS}};

/* Does this stream still differ in a new engine? Prints how when out is given. */
static bool fails(struct bench *b, const struct stream *s, const struct attempt *a, FILE *out)
{
    FILE *sink = out ? out : fopen("/dev/null", "w");
    struct rig *rig;
    unsigned n = 0;

    if (!run_native(b, s, b->native_out) ||
        (a->setup->cpl == 0 && b->native_out->state.end != END_HLT)) {
        if (!out)
            fclose(sink);
        return false;
    }
    rig = rig_open(a->kind, &b->model, !b->no_check);
    for (unsigned k = 0; k < a->runs && n == 0; k++) {
        run_guest(rig, a->setup, s, b->guest_out);
        n = differences(b->native_out, b->guest_out, sink);
    }
    rig_close(rig);
    if (!out)
        fclose(sink);
    return n != 0;
}

static void shrink(struct bench *b, struct stream *s, const struct attempt *a)
{
    struct stream t;
    bool smaller = true;

    t = *s;
    t.loops = 0;
    if (fails(b, &t, a, NULL))
        *s = t;
    while (smaller) {
        smaller = false;
        for (unsigned k = s->n; k-- > 0;) {
            if (s->unit[k].dropped)
                continue;
            t = *s;
            t.unit[k].dropped = true;
            if (fails(b, &t, a, NULL)) {
                *s = t;
                smaller = true;
            }
        }
    }
    t = *s;
    t.zero_data = true;
    if (fails(b, &t, a, NULL))
        *s = t;
    t = *s;
    vec_init(&t.state.vec);
    if (fails(b, &t, a, NULL))
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
    printf(" ; seed %llu%s\n", (unsigned long long)s->seed, s->zero_data ? "" : ", with its data");
}

static void report(struct bench *b, const struct stream *failed, const struct attempt *a)
{
    struct stream s = *failed;
    uint8_t code[STREAM_BYTES];

    b->failed++;
    if (b->failed > MAX_REPORTS)
        return;
    printf("not ok seed %llu: %s, cpl %u\n", (unsigned long long)s.seed,
           a->kind == ENGINE_BT ? "bt" : "interp", a->setup->cpl);
    if (!fails(b, &s, a, NULL)) {
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
static void run_attempt(struct bench *b, unsigned n, const struct attempt *a, bool *bad)
{
    struct rig *rig = rig_open(a->kind, &b->model, !b->no_check);
    FILE *sink = fopen("/dev/null", "w");

    for (unsigned k = 0; k < n; k++) {
        if (!b->usable[k] || bad[k] ||
            (a->setup->cpl == 0 && b->native_out[k].state.end != END_HLT))
            continue;
        for (unsigned run = 0; run < a->runs && !bad[k]; run++) {
            run_guest(rig, a->setup, &b->streams[k], b->guest_out);
            bad[k] = differences(&b->native_out[k], b->guest_out, sink) != 0;
        }
    }
    fclose(sink);
    rig_close(rig);
}

static void run_batch(struct bench *b, uint64_t seed, unsigned n)
{
    bool bad[BATCH] = {false}, told[BATCH] = {false};
    const struct attempt *who[BATCH] = {NULL};

    for (unsigned k = 0; k < n; k++) {
        gen_stream(&b->streams[k], seed + k, &b->opt);
        b->usable[k] = run_native(b, &b->streams[k], &b->native_out[k]);
        b->skipped += !b->usable[k];
        b->faulted += b->usable[k] && b->native_out[k].state.end != END_HLT;
    }
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        run_attempt(b, n, &attempts[i], bad);
        for (unsigned k = 0; k < n; k++) {
            if (bad[k] && !told[k])
                who[k] = &attempts[i];
            told[k] = bad[k];
        }
    }
    for (unsigned k = 0; k < n; k++) {
        if (bad[k])
            report(b, &b->streams[k], who[k]);
        else
            b->passed += b->usable[k];
    }
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
    b->streams = calloc(BATCH, sizeof(*b->streams));
    b->native_out = calloc(BATCH, sizeof(*b->native_out));
    b->guest_out = calloc(1, sizeof(*b->guest_out));
    b->usable = calloc(BATCH, sizeof(*b->usable));
    if (!b->streams || !b->native_out || !b->guest_out || !b->usable)
        errx(2, "no memory");
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    uint64_t seed = 1, count = 0, seconds = 0;
    time_t end;

    for (int k = 1; k < argc; k++) {
        if (strcmp(argv[k], "--strict") == 0)
            b.opt.strict = true;
        else if (strcmp(argv[k], "--shrink") == 0)
            b.shrink = true;
        else if (strcmp(argv[k], "--no-check") == 0)
            b.no_check = true;
        else if (!number(argv[k], "--seed=", &seed) && !number(argv[k], "--count=", &count) &&
                 !number(argv[k], "--seconds=", &seconds))
            errx(2, "usage: streams [--seed=N] [--count=N | --seconds=N] [--strict] [--shrink] "
                    "[--no-check]");
    }
    setup(&b);
    printf("seeds from %llu\n", (unsigned long long)seed);
    end = time(NULL) + (time_t)seconds;
    for (uint64_t done = 0; seconds ? time(NULL) < end : done < (count ? count : 1000);
         done += BATCH) {
        uint64_t left = count && !seconds && count - done < BATCH ? count - done : BATCH;

        run_batch(&b, seed + done, (unsigned)left);
    }
    printf("%u passed (%u by the same fault), %u failed, %u skipped\n", b.passed, b.faulted,
           b.failed, b.skipped);
    native_close(b.native);
    return b.failed ? 1 : 0;
}
