/* run_rows64 - rows of 64-bit code on the host CPU, in the interpreter and in the translator.
 *
 *   run_rows64 [--line=N] [--no-check] FILE...
 *
 *   bytes | before ; comment
 *   bytes | before => after ; comment
 *
 * What the host CPU makes of a row is what the engines must come to, in all of the state; `after`
 * says some of it (registers, memory, the fault) once more in words, and is checked against the
 * host CPU. Names: the sixteen registers, rflags, fs, gs, fcw, fsw, ftw, mxcsr, st0.., ymm0.. (hex,
 * most significant digit first), [lin]=hex bytes in memory order, at= (where the bytes are; else
 * code + 1000h), noise= (seed of the data, else zeros), fault= (the vector; after only). `user`
 * keeps the row from CPL 0. Addresses are those of state64.h; RSP is in the midst of its stack.
 * Status 1 when a row failed.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cpu/cpu.h"
#include "cpu/model.h"
#include "explain64.h"
#include "gen64.h"
#include "native64.h"
#include "trial64.h"

enum { MAX_LINE = 8192, MAX_CODE = 1024, MAX_HEX = 64, MAX_CHECKS = 32 };

struct check {
    char name[32], text[2 * MAX_HEX + 1];
};

struct row64 {
    uint8_t code[MAX_CODE];
    unsigned len;
    uint64_t at, noise;
    struct trial64 trial;
    struct check checks[MAX_CHECKS];
    unsigned nchecks;
};

struct run {
    struct native64 *native;
    struct cpu_model model;
    struct row64 *row;
    const char *file;
    unsigned line;
    bool no_check;
    unsigned passed, failed;
};

/* Hex digits to bytes in the order they are in; returns the number, 0: not hex. */
static unsigned hex_bytes(const char *text, uint8_t *out, unsigned max)
{
    unsigned n = 0;

    for (; isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]); text += 2) {
        const char pair[3] = {text[0], text[1], 0};

        if (n == max)
            return 0;
        out[n++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return *text ? 0 : n;
}

/* The least significant byte last in the text, first in memory. */
static bool wide_value(const char *text, uint8_t *out, unsigned size)
{
    uint8_t b[MAX_HEX];
    unsigned n = hex_bytes(text, b, size);

    memset(out, 0, size);
    for (unsigned k = 0; k < n; k++)
        out[k] = b[n - 1 - k];
    return n != 0;
}

struct field {
    const char *name;
    size_t offset;
    unsigned size;
};

static const struct field fields[] = {
    {"rflags", offsetof(struct state64, rflags), 8},
    {"fs", offsetof(struct state64, fs_base), 8},
    {"gs", offsetof(struct state64, gs_base), 8},
    {"fcw", offsetof(struct state64, vec.fcw), 2},
    {"fsw", offsetof(struct state64, vec.fsw), 2},
    {"ftw", offsetof(struct state64, vec.ftw), 1},
    {"mxcsr", offsetof(struct state64, vec.mxcsr), 4},
    {"rip", offsetof(struct state64, rip), 8},
    {"cr2", offsetof(struct state64, cr2), 8},
};

/* Where a named value is in s, and its size; NULL: no such name. */
static uint8_t *field_of(struct state64 *s, const char *name, unsigned *size)
{
    unsigned n;
    int end = 0;

    for (unsigned k = 0; k < 16; k++) {
        *size = 8;
        if (strcmp(name, gpr64_names[k]) == 0)
            return (uint8_t *)&s->gpr[k];
    }
    for (size_t k = 0; k < ARRAY_SIZE(fields); k++) {
        *size = fields[k].size;
        if (strcmp(name, fields[k].name) == 0)
            return (uint8_t *)s + fields[k].offset;
    }
    *size = 32;
    if (sscanf(name, "ymm%u%n", &n, &end) == 1 && !name[end] && n < 16)
        return s->vec.ymm[n];
    *size = 10;
    if (sscanf(name, "st%u%n", &n, &end) == 1 && !name[end] && n < 8)
        return s->vec.st[n];
    return NULL;
}

static bool set_narrow(uint8_t *at, unsigned size, const char *text)
{
    char *end;
    uint64_t v = strtoull(text, &end, 16);

    memcpy(at, &v, size);
    return *text && !*end;
}

static bool set_memory(struct row64 *r, const char *name, const char *text)
{
    uint64_t lin = strtoull(name + 1, NULL, 16);
    uint8_t b[MAX_HEX];
    unsigned n = hex_bytes(text, b, sizeof(b));
    uint8_t *to = n ? mem64_at(&r->trial.begin.mem, lin, n) : NULL;

    if (to)
        memcpy(to, b, n);
    return to != NULL;
}

static bool set_before(struct row64 *r, const char *name, const char *text)
{
    unsigned size;
    uint8_t *at = field_of(&r->trial.begin.state, name, &size);

    if (name[0] == '[')
        return set_memory(r, name, text);
    if (strcmp(name, "at") == 0 || strcmp(name, "noise") == 0)
        return true; /* taken before */
    if (!at)
        return false;
    return size > 8 ? wide_value(text, at, size) : set_narrow(at, size, text);
}

static bool add_check(struct row64 *r, const char *name, const char *text)
{
    struct check *c = &r->checks[r->nchecks++];

    if (r->nchecks > MAX_CHECKS || strlen(name) >= sizeof(c->name) ||
        strlen(text) >= sizeof(c->text))
        return false;
    strcpy(c->name, name);
    strcpy(c->text, text);
    return true;
}

static uint64_t number_of(const char *line, const char *name, uint64_t otherwise)
{
    const char *p = strstr(line, name);

    return p ? strtoull(p + strlen(name), NULL, 16) : otherwise;
}

static const char *parse_code(struct row64 *r, char *text)
{
    char *save, *word = strtok_r(text, " \t", &save);

    for (; word; word = strtok_r(NULL, " \t", &save)) {
        unsigned n = hex_bytes(word, r->code + r->len, MAX_CODE - r->len);

        if (!n)
            return "bad bytes";
        r->len += n;
    }
    return r->len ? NULL : "no bytes";
}

static const char *parse_state(struct row64 *r, char *text)
{
    char *save, *word = strtok_r(text, " \t", &save);
    bool after = false;

    for (; word; word = strtok_r(NULL, " \t", &save)) {
        char *value = strchr(word, '=');

        if (strcmp(word, "=>") == 0) {
            after = true;
        } else if (strcmp(word, "user") == 0) {
            r->trial.user_only = true;
        } else {
            if (!value)
                return "neither name=value nor =>";
            *value++ = 0;
            if (!(after ? add_check(r, word, value) : set_before(r, word, value)))
                return "bad name or value";
        }
    }
    return NULL;
}

/* NULL: fine. */
static const char *parse(struct row64 *r, char *line)
{
    char *bar = strchr(line, '|'), *comment = strchr(line, ';');
    const struct region64 *code;
    struct state64 *s = &r->trial.begin.state;
    const char *bad;

    memset(r, 0, sizeof(*r));
    if (!bar)
        return "no |";
    if (comment)
        *comment = 0;
    *bar++ = 0;
    r->at = number_of(bar, " at=", regions64[R_CODE].base + PAGE64);
    r->noise = number_of(bar, " noise=", 0);
    code = region64_of(r->at);
    bad = parse_code(r, line);
    if (bad)
        return bad;
    gen64_fill(&r->trial.begin.mem, r->noise);
    if (!code || !code->code || !mem64_at(&r->trial.begin.mem, r->at, r->len))
        return "at= is not in code";
    vec64_init(&s->vec);
    s->gpr[RSP] = regions64[R_STACK].base + regions64[R_STACK].size / 2;
    s->rflags = 0x202;
    s->rip = r->at;
    if (r->at - code->base >= PAGE64) {
        gen64_enter(&r->trial.begin.mem, code->base, r->at);
        s->rip = code->base;
    }
    memcpy(mem64_at(&r->trial.begin.mem, r->at, r->len), r->code, r->len);
    return parse_state(r, bar);
}

static void start_report(struct run *run, const char *who)
{
    printf("not ok %s:%u: %s\n", run->file, run->line, who);
}

/* What the row says against what the host CPU did. */
static bool check_one(struct row64 *r, const struct check *c)
{
    struct outcome64 *o = &r->trial.native;
    uint8_t want[MAX_HEX] = {0}, *got;
    unsigned size;

    if (strcmp(c->name, "fault") == 0)
        return o->state.end == (int)strtol(c->text, NULL, 16);
    if (c->name[0] == '[') {
        size = hex_bytes(c->text, want, sizeof(want));
        got = mem64_at(&o->mem, strtoull(c->name + 1, NULL, 16), size);
        return size && got && memcmp(got, want, size) == 0;
    }
    got = field_of(&o->state, c->name, &size);
    if (!got || !(size > 8 ? wide_value(c->text, want, size) : set_narrow(want, size, c->text)))
        return false;
    return memcmp(got, want, size) == 0;
}

static bool check_native(struct run *run, struct row64 *r)
{
    bool ok = true;

    trial64_native(run->native, &r->trial);
    if (!r->trial.usable) {
        start_report(run, "native: it does not end");
        return false;
    }
    for (unsigned k = 0; k < r->nchecks; k++) {
        if (check_one(r, &r->checks[k]))
            continue;
        if (ok)
            start_report(run, "native");
        printf("  not %s=%s\n", r->checks[k].name, r->checks[k].text);
        ok = false;
    }
    return ok;
}

/* Cold, chained, again: in an engine of its own. */
static bool run_attempt(struct run *run, struct row64 *r, const struct attempt64 *a)
{
    struct rig64 *rig = rig64_open(a->kind, &run->model, !run->no_check);
    unsigned n = 0;

    for (unsigned k = 0; k < a->runs && !n; k++) {
        char *text;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
            errx(2, "no memory");
        n = trial64_run(run->native, rig, a, &r->trial, NULL, NULL, out);
        fclose(out);
        if (n) {
            start_report(run, a->name);
            printf("%s  (run %u)\n", text, k);
        }
        free(text);
    }
    rig64_close(rig);
    return n == 0;
}

static bool run_engines(struct run *run, struct row64 *r)
{
    bool ok = true;

    for (unsigned i = 0; i < NATTEMPTS64; i++)
        if (trial64_fit(&r->trial, &attempts64[i]))
            ok &= run_attempt(run, r, &attempts64[i]);
    return ok;
}

static void run_line(struct run *run, char *line)
{
    char *p = line + strspn(line, " \t\n");
    const char *bad;

    line[strcspn(line, "\n")] = 0;
    if (!*p || *p == '#')
        return;
    bad = parse(run->row, p);
    if (bad)
        start_report(run, bad);
    if (!bad && check_native(run, run->row) && run_engines(run, run->row))
        run->passed++;
    else
        run->failed++;
}

static void run_file(struct run *run, const char *name, unsigned only)
{
    static char line[MAX_LINE];
    FILE *f = fopen(name, "r");

    if (!f)
        err(2, "%s", name);
    run->file = name;
    for (run->line = 1; fgets(line, sizeof(line), f); run->line++)
        if (!only || only == run->line)
            run_line(run, line);
    fclose(f);
}

int main(int argc, char **argv)
{
    struct run run = {.row = calloc(1, sizeof(*run.row))};
    const char *why;
    char text[256];
    unsigned only = 0;

    run.native = native64_open(&why);
    if (!run.native) {
        printf("skipped: %s\n", why);
        return 77;
    }
    if (!run.row || cpu_model_init(&run.model, NULL, text, sizeof(text)) < 0)
        errx(2, "no memory, or no CPU model");
    for (int k = 1; k < argc; k++) {
        if (strcmp(argv[k], "--no-check") == 0)
            run.no_check = true;
        else if (strncmp(argv[k], "--line=", 7) == 0)
            only = (unsigned)strtoul(argv[k] + 7, NULL, 10);
        else
            run_file(&run, argv[k], only);
    }
    printf("%u passed, %u failed\n", run.passed, run.failed);
    native64_close(run.native);
    return run.failed ? 1 : 0;
}
