#include "hostwalk.h"

#include <Zydis/Mnemonic.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/types.h"
#include "cpu/model.h"
#include "host.h"
#include "translator/decode.h"
#include "translator/row.h"

enum { NMNEMONICS = ZYDIS_MNEMONIC_MAX_VALUE + 1, MAX_PRINTED = 40, SKIPPED = 77 };

enum finding {
    AGREED,
    HOST_ONLY,   /* the host has an instruction that the table has not */
    NOT_ALLOWED, /* #UD for a reason other than decoding */
    WRONG,       /* #UD for what Dragoman executes, or another length */
    NFINDINGS
};

struct hostwalk {
    struct decoders *d;
    struct host *host;
    struct cpu_model model;
    unsigned every;
    uint64_t walked, tried, unknown, found[NFINDINGS];
    uint64_t host_only[NMNEMONICS]; /* by Zydis' name for it; [0]: Zydis has none */
};

/* #UD in user mode, in a mode of the host or outside SMM, though decoded (SDM 2, exceptions). */
static bool raises_ud(unsigned mnemonic)
{
    static const uint16_t names[] = {
        ZYDIS_MNEMONIC_CLAC, ZYDIS_MNEMONIC_STAC,    ZYDIS_MNEMONIC_MONITOR, ZYDIS_MNEMONIC_MWAIT,
        ZYDIS_MNEMONIC_RSM,  ZYDIS_MNEMONIC_SYSCALL, ZYDIS_MNEMONIC_SYSRET,  ZYDIS_MNEMONIC_UD0,
        ZYDIS_MNEMONIC_UD1,  ZYDIS_MNEMONIC_UD2,
    };

    for (unsigned n = 0; n < ARRAY_SIZE(names); n++)
        if (mnemonic == names[n])
            return true;
    return false;
}

static enum finding compare_valid(struct hostwalk *w, const struct encoding *e,
                                  const struct insn *i)
{
    enum host_verdict v = host_try(w->host, e->mode, e->bytes, i->len);

    if (v == HOST_VALID && i->len > 1)
        v = host_try(w->host, e->mode, e->bytes, i->len - 1u) == HOST_LONGER ? v : HOST_LONGER;
    if (v == HOST_VALID)
        return AGREED;
    if (v == HOST_UD && (raises_ud(i->mnemonic) || !model_has(&w->model, i->row->feature)))
        return NOT_ALLOWED;
    if (v == HOST_UNKNOWN) {
        w->unknown++;
        return AGREED;
    }
    return WRONG;
}

static enum finding compare_ud(struct hostwalk *w, const struct encoding *e)
{
    struct view z;
    enum host_verdict v = host_try(w->host, e->mode, e->bytes, MAX_INSN);

    if (v == HOST_UNKNOWN)
        w->unknown++;
    if (v != HOST_VALID)
        return AGREED;
    view_zydis(w->d, e, &z);
    w->host_only[z.valid ? z.mnemonic : 0]++;
    return HOST_ONLY;
}

static void print_wrong(struct hostwalk *w, const struct encoding *e, const struct insn *i)
{
    static const char *const names[] = {"valid", "#UD", "longer", "unknown"};
    unsigned len;
    enum host_verdict v = host_decode(w->host, e->mode, e->bytes, MAX_INSN, &len);

    printf("wrong: %u-bit", encoding_bits(e));
    for (unsigned n = 0; n < MAX_INSN; n++)
        printf(" %02x", e->bytes[n]);
    printf(": Dragoman %s, %u bytes; host %s, %u bytes\n", i->row->name, i->len, names[v], len);
}

static void try_one(void *ctx, const struct encoding *e)
{
    struct hostwalk *w = ctx;
    struct insn i;
    enum finding f;

    if (w->walked++ % w->every)
        return;
    w->tried++;
    if (decode_insn(e->bytes, MAX_INSN, encoding_bits(e), &i) == DECODE_OK && i.row->valid)
        f = compare_valid(w, e, &i);
    else
        f = compare_ud(w, e);
    if (w->found[f]++ < MAX_PRINTED && f == WRONG)
        print_wrong(w, e, &i);
}

static void print_host_only(const struct hostwalk *w)
{
    printf("on the host only:");
    for (unsigned n = 0; n < NMNEMONICS; n++)
        if (w->host_only[n])
            printf(" %s %" PRIu64, n ? ZydisMnemonicGetString((ZydisMnemonic)n) : "(no name)",
                   w->host_only[n]);
    printf("\n");
}

int hostwalk_run(struct decoders *d, unsigned modes, unsigned every)
{
    struct hostwalk *w = calloc(1, sizeof(*w));
    char err[128];
    int status = SKIPPED;

    if (w && cpu_model_init(&w->model, "host", err, sizeof(err)) == 0)
        w->host = host_open();
    if (!w || !w->host) {
        puts("skipped: no tracing of children here");
        free(w);
        return SKIPPED;
    }
    w->d = d;
    w->every = every;
    for (unsigned m = 0; m < 3; m++)
        if (modes >> m & 1)
            encoding_walk(m, try_one, w);
    print_host_only(w);
    printf("%" PRIu64 " of %" PRIu64 " encodings tried: %" PRIu64 " on the host only, %" PRIu64
           " #UD for other reasons, %" PRIu64 " not known, %" PRIu64 " wrong\n",
           w->tried, w->walked, w->found[HOST_ONLY], w->found[NOT_ALLOWED], w->unknown,
           w->found[WRONG]);
    status = w->found[WRONG] ? 1 : 0;
    host_close(w->host);
    free(w);
    return status;
}
