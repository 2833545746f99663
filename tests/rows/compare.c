#include "compare.h"

#include <inttypes.h>
#include <string.h>

#include "cpu/cpu.h"
#include "rowfile.h"

enum {
    EFL_COMPARED = EF_ARITH | EF_TF | EF_IF | EF_DF | EF_IOPL | EF_NT | EF_AC | EF_ID,
    MAX_MEMORY_LINES = 8,
};

static unsigned differs(FILE *out, const char *name, uint64_t got, uint64_t want)
{
    if (got == want)
        return 0;
    fprintf(out, "  %s %" PRIx64 ", not %" PRIx64 "\n", name, got, want);
    return 1;
}

static void print_bytes(FILE *out, const uint8_t *p, size_t n)
{
    while (n--)
        fprintf(out, "%02x", p[n]);
}

static unsigned compare_vectors(const struct vec_state *want, const struct vec_state *got,
                                const struct compare *how, FILE *out)
{
    unsigned n = differs(out, "mxcsr", got->mxcsr, want->mxcsr);

    if (!how->no_x87)
        n += differs(out, "fcw", got->fcw, want->fcw) + differs(out, "ftw", got->ftw, want->ftw);
    if (!how->no_x87 && !how->fsw_undef)
        n += differs(out, "fsw", got->fsw, want->fsw);
    for (unsigned i = how->no_x87 ? 8 : 0; i < 16; i++) {
        unsigned reg = i % 8;
        const uint8_t *g = i < 8 ? got->st[reg] : got->ymm[reg],
                      *w = i < 8 ? want->st[reg] : want->ymm[reg];
        size_t len = i < 8 ? 10 : 32;

        if (memcmp(g, w, len) == 0)
            continue;
        fprintf(out, "  %s%u ", i < 8 ? "st" : "ymm", reg);
        print_bytes(out, g, len);
        fprintf(out, ", not ");
        print_bytes(out, w, len);
        fprintf(out, "\n");
        n++;
    }
    return n;
}

static unsigned compare_ends(const struct test_state *want, const struct test_state *got, FILE *out)
{
    uint32_t ignored = got->end == VEC_PF ? PF_I : 0; /* reported only where NX is on */
    const char *a = row_vector_name(got->end), *b = row_vector_name(want->end);
    unsigned n = 0;

    if (got->end != want->end) {
        fprintf(out, "  fault %s (%d), not %s (%d)\n", a ? a : "?", got->end, b ? b : "?",
                want->end);
        n++;
    }
    if (got->end == END_HLT || want->end == END_HLT)
        return n + differs(out, "eip", got->eip, want->eip);
    n += differs(out, "error code", got->err & ~ignored, want->err & ~ignored);
    if (want->end == VEC_PF)
        n += differs(out, "cr2", got->cr2, want->cr2);
    return n + differs(out, "eip", got->eip, want->eip);
}

unsigned compare_states(const struct test_state *want, const struct test_state *got,
                        const struct compare *how, FILE *out)
{
    uint32_t undef = ~(uint32_t)EFL_COMPARED | how->flags_undef;
    unsigned n = compare_ends(want, got, out);

    for (unsigned i = 0; i < 8; i++)
        if (!(how->gpr_undef >> i & 1))
            n += differs(out, row_gpr_names[i], got->gpr[i], want->gpr[i]);
    for (unsigned i = 0; i < NROW_FLAGS; i++) {
        uint32_t m = row_flags[i].mask & ~undef;

        n += differs(out, row_flags[i].name, (got->eflags & m) != 0, (want->eflags & m) != 0);
    }
    if (!how->native) {
        static const char *const names[6] = {"es", "cs", "ss", "ds", "fs", "gs"};

        for (unsigned i = 0; i < 6; i++)
            n += differs(out, names[i], got->sel[i], want->sel[i]);
        n += differs(out, "cr0", got->cr0, want->cr0) + differs(out, "cr4", got->cr4, want->cr4);
    }
    return n + compare_vectors(&want->vec, &got->vec, how, out);
}

unsigned compare_memory(const struct test_mem *want, const struct test_mem *got,
                        const struct compare *how, FILE *out)
{
    unsigned n = 0;

    if (test_mem_same(want, got, sizeof(*want)))
        return 0;
    for (unsigned i = 0; i < NREGIONS; i++) {
        const struct test_region *r = &test_regions[i];
        const uint8_t *w = (const uint8_t *)want + r->offset, *g = (const uint8_t *)got + r->offset;

        for (uint32_t o = 0; o < r->size; o++) {
            if (w[o] == g[o] || r->base + o - how->skip < how->skip_len)
                continue;
            if (n++ < MAX_MEMORY_LINES)
                fprintf(out, "  [%s+%x] %02x, not %02x\n", r->name, o, g[o], w[o]);
        }
    }
    if (n > MAX_MEMORY_LINES)
        fprintf(out, "  and %u more bytes\n", n - MAX_MEMORY_LINES);
    return n;
}
