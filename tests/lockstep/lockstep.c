/* lockstep [options] -- dragoman's options: a whole guest under bt and interp at once, the complete
 * state compared after every translated block. Status 0: no difference; 1: one, with a report; 2:
 * bad usage; 77: an image is missing. */
#include <capstone/capstone.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "differ.h"
#include "machine/exit_status.h"

enum { STATUS_SAME = 0, STATUS_DIFFERENT = 1, STATUS_USAGE = 2, STATUS_SKIP = 77 };

struct job {
    struct pair pair;
    struct differ differ;
    uint64_t max_insns;          /* stop then */
    uint64_t from;               /* A alone until then */
    uint64_t ram_every;          /* instructions between comparisons of RAM; 0: only at the end */
    uint64_t ns;                 /* of guest time, per instruction */
    uint64_t progress;           /* print a line every so many instructions; 0: none */
    uint64_t trace;              /* print the steps from this instruction on; UINT64_MAX: none */
    gpa_t watch;                 /* a dword compared after every step; UINT64_MAX: none */
    uint64_t next_ram, ram_good; /* RAM was equal then */
    bool quiet;
    int argc;
    char **argv;
};

static const char usage[] =
    "usage: lockstep [options] -- dragoman's options\n"
    "  --insns N      stop after N instructions (default: when the guest stops)\n"
    "  --from N       bt alone for N instructions, lockstep from there (a replay; default 0)\n"
    "  --ram-every N  compare all of RAM every N instructions (default 5000000; 0: at the end)\n"
    "  --watch GPA    compare the dword there after every block\n"
    "  --progress N   say where we are every N instructions\n"
    "  --trace N      list every block from instruction N on\n"
    "  --ns N         nanoseconds of guest time per instruction (default 10)\n"
    "  --quiet        don't show what the guest prints\n";

static bool parse_number(const char *s, uint64_t *out)
{
    char *end;

    if (!s)
        return false;
    *out = strtoull(s, &end, 0);
    return *s && !*end;
}

/* Options of ours, up to "--". False: usage. */
static bool parse(struct job *j, int argc, char **argv)
{
    const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {
        {"--insns", &j->max_insns},   {"--from", &j->from}, {"--ram-every", &j->ram_every},
        {"--watch", &j->watch},       {"--ns", &j->ns},     {"--trace", &j->trace},
        {"--progress", &j->progress},
    };
    int i = 1;

    j->max_insns = j->watch = j->trace = UINT64_MAX;
    j->ram_every = 5000000;
    j->ns = 10;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        bool known = strcmp(argv[i], "--quiet") == 0;

        j->quiet |= known;
        for (unsigned k = 0; k < ARRAY_SIZE(numbers) && !known; k++)
            if (strcmp(argv[i], numbers[k].name) == 0 && i + 1 < argc)
                known = parse_number(argv[++i], numbers[k].value);
        if (!known)
            return false;
    }
    j->argc = argc - i; /* argv[0] of the rest is "--" */
    j->argv = argv + i;
    return i < argc;
}

static cs_mode mode_of(uint32_t mode)
{
    if (mode & MODE_CS64)
        return CS_MODE_64;
    return mode & MODE_CS32 ? CS_MODE_32 : CS_MODE_16;
}

static void print_code(struct machine *m, const struct pair_past *past, FILE *out)
{
    uint8_t code[1024];
    size_t len = pair_read_code(m, past->rip, code, sizeof(code)), n;
    unsigned want = past->step.one ? 1 : past->step.insns;
    cs_insn *insn;
    csh cs;

    if (cs_open(CS_ARCH_X86, mode_of(past->mode), &cs) != CS_ERR_OK)
        return;
    n = cs_disasm(cs, code, len, past->rip, want, &insn);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "    %08" PRIx64 "  ", insn[i].address);
        for (unsigned k = 0; k < 12; k++)
            fprintf(out, k < insn[i].size ? "%02x" : "  ", insn[i].bytes[k]);
        fprintf(out, " %s %s\n", insn[i].mnemonic, insn[i].op_str);
    }
    if (n)
        cs_free(insn, n);
    if (n < want)
        fprintf(out, "    (%zu of %u instructions can be listed now)\n", n, want);
    cs_close(&cs);
}

static void print_past(struct job *j, const struct pair_past *past, FILE *out)
{
    fprintf(out, "  insn %" PRIu64 "  %08" PRIx64 "  mode %05" PRIx32 "  %s, %u instructions\n",
            past->insns, past->rip, past->mode,
            past->step.block ? "block"
            : past->step.one ? "event or interpreted"
                             : "interpreted",
            past->step.insns);
    print_code(j->pair.a, past, out);
}

static void print_replay(const struct job *j, uint64_t from, FILE *out)
{
    fprintf(out, "replay: lockstep --ns %" PRIu64 " --from %" PRIu64, j->ns, from);
    for (int i = 0; i < j->argc; i++)
        fprintf(out, strchr(j->argv[i], ' ') ? " '%s'" : " %s", j->argv[i]);
    fputc('\n', out);
}

static int report(struct job *j, const char *what)
{
    const struct pair *p = &j->pair;
    uint64_t first = p->steps > 10 ? p->steps - 10 : 0;

    fprintf(stderr,
            "\nlockstep: %s after %" PRIu64 " instructions, %" PRIu64 " blocks, trail %016" PRIx64
            "\n",
            what, p->insns, p->blocks, p->trail);
    differ_print(&j->pair, stderr);
    fprintf(stderr, "the last steps, latest first:\n");
    for (uint64_t n = p->steps; n-- > first;)
        print_past(j, &p->past[n % PAIR_HISTORY], stderr);
    fprintf(stderr, "bt:\n");
    cpu_dump(p->a->cpu, stderr);
    fprintf(stderr, "interp:\n");
    cpu_dump(p->b->cpu, stderr);
    print_replay(j, pair_last(p)->insns, stderr);
    return STATUS_DIFFERENT;
}

static int report_ram(struct job *j, uint64_t gpa)
{
    char what[128];

    snprintf(what, sizeof(what),
             "RAM differs at %#" PRIx64 " (equal after instruction %" PRIu64 ")", gpa, j->ram_good);
    report(j, what);
    for (uint64_t o = gpa & ~UINT64_C(15); o < (gpa & ~UINT64_C(15)) + 64; o += 4)
        fprintf(stderr, "  %08" PRIx64 "  bt %08x  interp %08x\n", o,
                ld32(physmem_ptr(&j->pair.a->mem, o)), ld32(physmem_ptr(&j->pair.b->mem, o)));
    fprintf(stderr, "to find the block: add --watch %#" PRIx64 "\n", gpa);
    return STATUS_DIFFERENT;
}

static bool ram_same(struct job *j, uint64_t *gpa)
{
    j->next_ram = j->ram_every ? j->pair.insns + j->ram_every : UINT64_MAX;
    if (!differ_ram(&j->differ, &j->pair, gpa))
        return false;
    j->ram_good = j->pair.insns;
    return true;
}

static bool watch_same(const struct job *j)
{
    hva_t a = physmem_ptr(&j->pair.a->mem, j->watch & ~UINT64_C(3));
    hva_t b = physmem_ptr(&j->pair.b->mem, j->watch & ~UINT64_C(3));

    return !a || ld32(a) == ld32(b);
}

/* -1: equal so far. */
static int compare(struct job *j)
{
    struct pair *p = &j->pair;
    uint64_t gpa;

    if (!pair_last(p)->step.one && pair_last(p)->step.insns == 0)
        return -1;
    if (!differ_cpus(&j->differ, p))
        return report(j, "the CPUs differ");
    if (j->watch != UINT64_MAX && !watch_same(j))
        return report(j, "the watched dword differs");
    if (p->insns >= j->next_ram && !ram_same(j, &gpa))
        return report_ram(j, gpa);
    return -1;
}

static const char *end_name(const struct pair *p, enum pair_end end)
{
    static const char *const names[] = {
        [PAIR_RUNNING] = "limit reached",
        [PAIR_STOPPED] = "guest left",
        [PAIR_SHUTDOWN] = "triple fault",
        [PAIR_STUCK] = "halted for good",
    };

    return end == PAIR_STOPPED && p->a->reset_asked ? "guest asked for a reset" : names[end];
}

static void summary(const struct job *j, enum pair_end end, double seconds)
{
    const struct pair *p = &j->pair;
    const struct differ *d = &j->differ;

    fprintf(stderr,
            "lockstep: equal; %s (status %d); %" PRIu64 " instructions, %" PRIu64
            " blocks, %" PRIu64
            " events and single instructions, %.2f s of guest time, in %.0f s\n",
            end_name(p, end), p->a->status, p->insns, p->blocks, p->events, (double)p->now / 1e9,
            seconds);
    fprintf(stderr,
            "lockstep: undefined flags differed %" PRIu64
            " times, x87 pointers or XSTATE_BV %" PRIu64 "; %" PRIu64
            " comparisons of RAM; A/D bits only in bt %" PRIu64 ", only in interp %" PRIu64
            "; trail %016" PRIx64 "\n",
            d->flags_undefined, d->images, d->ram, p->a_ad, p->b_ad, p->trail);
}

static double seconds_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void say_progress(const struct pair *p)
{
    fprintf(stderr,
            "lockstep: %" PRIu64 " instructions, %" PRIu64 " blocks, %.2f s, trail %016" PRIx64
            "\n",
            p->insns, p->blocks, (double)p->now / 1e9, p->trail);
}

static int run(struct job *j)
{
    struct pair *p = &j->pair;
    enum pair_end end = PAIR_RUNNING;
    double start = seconds_now();
    int status = -1;
    uint64_t gpa;

    if (j->from)
        end = pair_warp(p, j->from);
    j->ram_good = p->insns;
    j->next_ram = j->ram_every ? p->insns + j->ram_every : UINT64_MAX;
    while (status < 0 && end == PAIR_RUNNING && p->insns < j->max_insns) {
        end = pair_step(p);
        if (end == PAIR_APART)
            return report(j, "the machines' outputs or ends differ");
        if (p->insns >= j->trace)
            print_past(j, pair_last(p), stderr);
        if (j->progress && p->insns / j->progress != pair_last(p)->insns / j->progress)
            say_progress(p);
        status = compare(j);
    }
    if (status >= 0)
        return status;
    if (!ram_same(j, &gpa))
        return report_ram(j, gpa);
    summary(j, end, seconds_now() - start);
    return STATUS_SAME;
}

/* CPUID and TSC of one core. */
static void stay_on_this_core(void)
{
    int core = sched_getcpu();
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(core < 0 ? 0 : core, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

int main(int argc, char **argv)
{
    struct job *j = calloc(1, sizeof(*j));
    struct options_error oerr;
    struct machine_error merr;
    struct options o;
    int status;

    if (!j || !parse(j, argc, argv)) {
        fputs(usage, stderr);
        return STATUS_USAGE;
    }
    if (options_parse(&o, j->argc, j->argv, &oerr) < 0 || o.action != OPTIONS_RUN) {
        fprintf(stderr, "lockstep: %s\n", o.action == OPTIONS_RUN ? oerr.text : "no guest");
        return STATUS_USAGE;
    }
    if (access(o.image, R_OK) < 0 || (o.initrd && access(o.initrd, R_OK) < 0)) {
        fprintf(stderr, "skipped: no %s\n", o.image);
        return STATUS_SKIP;
    }
    if (!o.cpu || strcmp(o.cpu, "host") == 0)
        o.cpu = "host,-rdrand,-rdseed"; /* answers that nobody can repeat */
    stay_on_this_core();
    if (pair_create(&j->pair, &o, j->ns, &merr) < 0) {
        fprintf(stderr, "lockstep: %s\n", merr.text);
        return STATUS_USAGE;
    }
    j->pair.quiet = j->quiet;
    status = run(j);
    pair_destroy(&j->pair);
    free(j);
    return status;
}
