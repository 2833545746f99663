/* run_rows - runs the rows of .rows files (rowfile.h) on the host CPU, in the interpreter and in
 * the translator.
 *
 *   run_rows FILE..             N passed, N failed, N skipped; status 1 when one failed
 *   run_rows --fill FILE..      prints the rows; those without "=>" with what the host CPU gives
 *   run_rows --coverage FILE..  lists the rows of the instruction table that no row here executes
 *   run_rows --line=N FILE      one row
 *   run_rows --no-check ..      without the jail checker, which stops the program at the first
 * block it refuses
 *
 * Every row runs with each allowed CPL and paging mode: interpreted once; translated three times:
 * cold, then through the link the first run made. Each row begins with a new engine.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "cpu/exception.h"
#include "native.h"
#include "rig.h"
#include "rowfile.h"
#include "translator/row.h"
#include "undef.h"

enum { BT_RUNS = 3 };

struct runner {
    struct native *native;
    const char *no_native; /* why not */
    struct cpu_model model;
    struct test_mem *begin, *end, *want;
    unsigned passed, failed, skipped, native_runs, guest_runs;
    int only_line;
    bool no_check;
    FILE *report; /* of the current row */
    char *text;
    size_t text_len;
};

/* Says which run the lines that follow are about; end_run() takes it back when there are none. */
static long begin_run(struct runner *r, const char *engine, const struct rig_setup *s, unsigned run)
{
    long at = ftell(r->report);

    fprintf(r->report, " %s", engine);
    if (s)
        fprintf(r->report, ", cpl %u, paging %s, run %u", s->cpl, s->paging ? "on" : "off", run);
    fprintf(r->report, ":\n");
    return at;
}

static unsigned end_run(struct runner *r, long at, unsigned differences)
{
    if (!differences)
        fseek(r->report, at, SEEK_SET);
    return differences;
}

/* The U bit of a #PF error code is the CPL's. */
static void expect_for(const struct test_row *row, const struct rig *rig,
                       const struct rig_setup *setup, struct test_state *want)
{
    struct test_state initial;

    *want = row->after;
    if (want->end == VEC_PF)
        want->err = (want->err & ~(uint32_t)PF_U) | (setup->cpl == 3 ? PF_U : 0);
    if (!rig)
        return;
    rig_initial(rig, setup, &initial);
    for (unsigned i = 0; i < 6; i++)
        if (!(row->sels_named >> i & 1))
            want->sel[i] = initial.sel[i];
    if (!row->cr0_named)
        want->cr0 = initial.cr0;
    if (!row->cr4_named)
        want->cr4 = initial.cr4;
}

static unsigned judge(struct runner *r, const struct test_row *row, const struct rig *rig,
                      const struct rig_setup *setup, const struct test_state *got)
{
    struct compare how = {
        .flags_undef = row->flags_undef,
        .gpr_undef = row->gpr_undef,
        .fsw_undef = row->fsw_undef,
        .native = rig == NULL,
    };
    struct test_state want;
    unsigned n;

    expect_for(row, rig, setup, &want);
    if (rig && setup->cpl == 0 && got->end >= 0) {
        how.skip = got->gpr[RSP] - 16;
        how.skip_len = 16;
    }
    n = compare_states(&want, got, &how, r->report);
    row_memory_after(row, r->want, r->end);
    return n + compare_memory(r->want, r->end, &how, r->report);
}

static unsigned run_native(struct runner *r, const struct test_row *row)
{
    static const struct rig_setup user = {.cpl = 3, .paging = true};
    struct test_state s = row->before;
    long at = begin_run(r, "native", NULL, 0);

    *r->end = *r->begin;
    r->native_runs++;
    if (!native_run(r->native, r->end, &s)) {
        fprintf(r->report, "  the process died\n");
        return 1;
    }
    return end_run(r, at, judge(r, row, NULL, &user, &s));
}

static unsigned run_guest(struct runner *r, const struct test_row *row, enum engine_kind kind,
                          const struct rig_setup *setup)
{
    struct rig *rig = rig_open(kind, &r->model, !r->no_check);
    unsigned n = 0;

    for (unsigned k = 0; k < (kind == ENGINE_BT ? BT_RUNS : 1) && n == 0; k++) {
        long at = begin_run(r, kind == ENGINE_BT ? "bt" : "interp", setup, k);
        struct test_state s = row->before;

        *r->end = *r->begin;
        r->guest_runs++;
        rig_run(rig, setup, r->end, &s);
        n = end_run(r, at, judge(r, row, rig, setup, &s));
    }
    rig_close(rig);
    return n;
}

static unsigned run_guests(struct runner *r, const struct test_row *row, enum engine_kind kind)
{
    unsigned n = 0;

    for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
        for (unsigned paging = 0; paging < 2; paging++) {
            struct rig_setup setup = row->setup;

            if ((!row->any_cpl && cpl != setup.cpl) ||
                (!row->any_paging && (paging != 0) != setup.paging))
                continue;
            setup.cpl = (uint8_t)cpl;
            setup.paging = paging;
            n += run_guest(r, row, kind, &setup);
        }
    }
    return n;
}

/* A row for instructions that this host's CPU model lacks can't pass, unless #UD is what it
 * expects. */
static bool available(const struct runner *r, const struct test_row *row)
{
    struct insn i;

    if (row->after.end == VEC_UD)
        return true;
    for (unsigned o = 0; o < row->len; o += i.len) {
        if (decode_insn(row->bytes + o, row->len - o, 32, &i) != DECODE_OK)
            return true;
        if (i.row->valid && !model_has(&r->model, i.row->feature))
            return false;
    }
    return true;
}

static void run_row(struct runner *r, const struct test_row *row)
{
    unsigned n = 0;

    if (!row->why[0] && !available(r, row)) {
        r->skipped++;
        return;
    }
    r->report = open_memstream(&r->text, &r->text_len);
    if (row->why[0]) {
        fprintf(r->report, " %s\n", row->why);
        n = 1;
    } else if (!row->has_after) {
        fprintf(r->report, " nothing is expected of it: no =>\n");
        n = 1;
    } else {
        row_memory(row, r->begin);
        if (r->native && !(row->marks & NOT_NATIVE))
            n += run_native(r, row);
        if (!(row->marks & NOT_INTERP))
            n += run_guests(r, row, ENGINE_INTERP);
        if (!(row->marks & NOT_BT))
            n += run_guests(r, row, ENGINE_BT);
    }
    fputc(0, r->report); /* what end_run() took back may stand behind */
    fclose(r->report);
    if (n) {
        printf("not ok %s:%d: %s\n%s", row->file, row->line, row->text, r->text);
        r->failed++;
    } else {
        r->passed++;
    }
    free(r->text);
}

static void print_place(uint32_t addr)
{
    for (unsigned i = 0; i < NREGIONS; i++) {
        const struct test_region *g = &test_regions[i];

        if (addr >= g->base && addr - g->base < g->size) {
            printf("%s", g->name);
            if (addr != g->base)
                printf("+%x", addr - g->base);
            return;
        }
    }
    if (addr - HOLE_BASE < 0x1000)
        printf("hole+%x", addr - HOLE_BASE);
    else
        printf("%x", addr);
}

/* Changed dwords; a longer run of them as bytes. */
static void fill_memory(const struct test_mem *old, const struct test_mem *new)
{
    for (unsigned i = 0; i < NREGIONS; i++) {
        const struct test_region *g = &test_regions[i];
        const uint8_t *a = (const uint8_t *)old + g->offset, *b = (const uint8_t *)new + g->offset;

        for (uint32_t o = 0, end; o < g->size; o = end + 4) {
            for (end = o; end < g->size && memcmp(a + end, b + end, 4) != 0; end += 4)
                continue;
            if (end == o)
                continue;
            printf(" [");
            print_place(g->base + o);
            if (end - o == 4) {
                printf("]=%08x", b[o] | b[o + 1] << 8 | b[o + 2] << 16 | (uint32_t)b[o + 3] << 24);
                continue;
            }
            printf("].x=");
            for (; o < end; o++)
                printf("%02x", b[o]);
        }
    }
}

static void fill_flags(const struct test_row *row, const struct test_state *s)
{
    uint32_t undef = s->end == END_HLT ? undef_flags_of_code(row->bytes, row->len, 32) : 0;

    for (unsigned i = 0; i < NROW_FLAGS; i++) {
        uint32_t m = row_flags[i].mask;

        if (undef & m)
            printf(" %s=undef", row_flags[i].name);
        else if ((s->eflags ^ row->before.eflags) & m)
            printf(" %s=%x", row_flags[i].name, (s->eflags & m) / (m & -m));
    }
}

static void fill_bytes(const char *name, unsigned reg, const uint8_t *p, const uint8_t *old,
                       size_t n)
{
    if (memcmp(p, old, n) == 0)
        return;
    printf(" %s%u=", name, reg);
    while (n--)
        printf("%02x", p[n]);
}

static void fill_vectors(const struct vec_state *old, const struct vec_state *v)
{
    if (v->fcw != old->fcw)
        printf(" fcw=%x", v->fcw);
    if (v->fsw != old->fsw)
        printf(" fsw=%x", v->fsw);
    if (v->ftw != old->ftw)
        printf(" ftw=%x", v->ftw);
    if (v->mxcsr != old->mxcsr)
        printf(" mxcsr=%x", v->mxcsr);
    for (unsigned i = 0; i < 8; i++)
        fill_bytes("st", i, v->st[i], old->st[i], 10);
    for (unsigned i = 0; i < 8; i++) {
        bool high = memcmp(v->ymm[i] + 16, old->ymm[i] + 16, 16) != 0;

        fill_bytes(high ? "ymm" : "xmm", i, v->ymm[i], old->ymm[i], high ? 32 : 16);
    }
}

static void fill_end(const struct test_row *row, const struct test_state *s)
{
    uint32_t usual = s->end == END_HLT ? row->start + row->len : row->start;

    if (s->end != END_HLT) {
        const char *name = row_vector_name(s->end);

        printf(" fault=%s", name ? name : "?");
        if (s->end == VEC_PF || s->err)
            printf("(%x)", s->err & ~(uint32_t)PF_I);
        if (s->end == VEC_PF) {
            printf(" cr2=");
            print_place(s->cr2);
        }
    }
    if (s->eip != usual && s->eip - row->start < 0x100000)
        printf(" eip=+%x", s->eip - row->start);
    else if (s->eip != usual)
        printf(" eip=%x", s->eip);
}

static void fill_row(struct runner *r, const struct test_row *row)
{
    struct test_state s = row->before;

    if (row->why[0] || row->has_after || !r->native || (row->marks & NOT_NATIVE)) {
        printf("%s\n", row->text);
        return;
    }
    row_memory(row, r->begin);
    *r->end = *r->begin;
    if (!native_run(r->native, r->end, &s)) {
        printf("%s # the process died\n", row->text);
        return;
    }
    printf("%.*s", (int)row->before_end, row->text);
    printf("%s=>", row->before_end && row->text[row->before_end - 1] == ' ' ? "" : " ");
    for (unsigned i = 0; i < 8; i++) {
        if (s.gpr[i] == row->before.gpr[i])
            continue;
        printf(" %s=", row_gpr_names[i]);
        print_place(s.gpr[i]);
    }
    fill_flags(row, &s);
    fill_memory(r->begin, r->end);
    fill_vectors(&row->before.vec, &s.vec);
    fill_end(row, &s);
    printf(row->comment ? " ;%s\n" : "\n", row->comment);
}

/* Marks the table rows that the instructions of a test row are. */
static void cover(const struct test_row *row, bool *seen)
{
    struct insn i;

    for (unsigned o = 0; o < row->len; o += i.len) {
        if (decode_insn(row->bytes + o, row->len - o, 32, &i) != DECODE_OK)
            return;
        for (unsigned k = 0; k < row_count(); k++)
            if (row_of(k) == i.row)
                seen[k] = true;
    }
}

static void print_coverage(const bool *seen)
{
    unsigned valid = 0, missing = 0, column = 0;

    for (unsigned k = 0; k < row_count(); k++) {
        const struct row *row = row_of(k);

        if (!row->valid || (row->traits & T_ONLY64))
            continue;
        valid++;
        if (seen[k])
            continue;
        missing++;
        printf("%s%s", column % 8 ? " " : column ? "\n" : "", row->name);
        column++;
    }
    printf("%s%u of %u table rows have a test, %u have none\n", column ? "\n" : "", valid - missing,
           valid, missing);
}

enum action { ACT_RUN, ACT_FILL, ACT_COVERAGE };

static void do_file(struct runner *r, const char *path, enum action action, bool *seen)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    struct test_row row;

    if (!f)
        err(2, "%s", path);
    for (int n = 1; getline(&line, &cap, f) >= 0; n++) {
        if (r->only_line && n != r->only_line)
            continue;
        if (!row_parse(&row, path, n, line)) {
            if (action == ACT_FILL)
                fputs(line, stdout);
            continue;
        }
        if (action == ACT_RUN)
            run_row(r, &row);
        else if (action == ACT_FILL)
            fill_row(r, &row);
        else
            cover(&row, seen);
        row_free(&row);
    }
    free(line);
    fclose(f);
}

static void run_files(struct runner *r, char **files, enum action action)
{
    bool *seen = calloc(row_count(), sizeof(*seen));

    for (; *files; files++)
        do_file(r, *files, action, seen);
    if (action == ACT_COVERAGE)
        print_coverage(seen);
    free(seen);
    if (action != ACT_RUN)
        return;
    if (!r->native)
        printf("not run natively: %s\n", r->no_native);
    printf("%u native and %u guest runs\n", r->native_runs, r->guest_runs);
    printf("%u passed, %u failed, %u skipped\n", r->passed, r->failed, r->skipped);
}

int main(int argc, char **argv)
{
    struct runner r = {0};
    enum action action = ACT_RUN;
    char text[256];

    for (; argc > 1 && strncmp(argv[1], "--", 2) == 0; argv++, argc--) {
        if (strcmp(argv[1], "--fill") == 0)
            action = ACT_FILL;
        else if (strcmp(argv[1], "--coverage") == 0)
            action = ACT_COVERAGE;
        else if (strcmp(argv[1], "--no-check") == 0)
            r.no_check = true;
        else if (strncmp(argv[1], "--line=", 7) == 0)
            r.only_line = atoi(argv[1] + 7);
        else
            errx(2, "%s: unknown option", argv[1]);
    }
    if (argc < 2)
        errx(2, "usage: run_rows [--fill | --coverage] [--line=N] [--no-check] FILE..");
    if (action != ACT_COVERAGE)
        r.native = native_open(&r.no_native);
    if (cpu_model_init(&r.model, NULL, text, sizeof(text)) < 0)
        errx(2, "CPU model: %s", text);
    r.begin = malloc(sizeof(*r.begin));
    r.end = malloc(sizeof(*r.end));
    r.want = malloc(sizeof(*r.want));
    if (!r.begin || !r.end || !r.want)
        errx(2, "no memory");
    run_files(&r, argv + 1, action);
    free(r.begin);
    free(r.end);
    free(r.want);
    if (r.native)
        native_close(r.native);
    return r.failed ? 1 : 0;
}
