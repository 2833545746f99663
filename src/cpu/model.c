/* model.c - "-cpu MODEL,+feat,-feat,feat=on|off" to a struct cpu_model. */
#include "cpu/model.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "cpu/features.h"
#include "cpu/hostcpu.h"

/* A named CPU. `features` ends with FEAT_BASE; NULL: all that the host and we can do. */
struct base_model {
    const char *name, *help, *vendor, *brand;
    uint32_t signature, max_basic;
    const enum cpu_feature *features;
};

static const enum cpu_feature i486[] = {FEAT_FPU, FEAT_VME, FEAT_PSE, FEAT_BASE};

static const enum cpu_feature pentium3[] = {FEAT_FPU,   FEAT_VME,  FEAT_DE,   FEAT_PSE,  FEAT_TSC,
                                            FEAT_MSR,   FEAT_PAE,  FEAT_MCE,  FEAT_CX8,  FEAT_SEP,
                                            FEAT_PGE,   FEAT_PAT,  FEAT_MTRR, FEAT_CMOV, FEAT_MMX,
                                            FEAT_PSE36, FEAT_FXSR, FEAT_SSE,  FEAT_APIC, FEAT_BASE};

static const enum cpu_feature qemu32[] = {
    FEAT_FPU,  FEAT_VME, FEAT_DE,   FEAT_PSE,  FEAT_TSC,     FEAT_MSR,  FEAT_PAE, FEAT_MCE,
    FEAT_CX8,  FEAT_SEP, FEAT_PGE,  FEAT_PAT,  FEAT_MTRR,    FEAT_CMOV, FEAT_MMX, FEAT_PSE36,
    FEAT_FXSR, FEAT_SSE, FEAT_SSE2, FEAT_SSE3, FEAT_CLFLUSH, FEAT_APIC, FEAT_BASE};

static const struct base_model base_models[] = {
    {"host", "the host's CPU, without what can't be virtualized (default)", NULL, NULL, 0, 0, NULL},
    {"max", "the same as host", NULL, NULL, 0, 0, NULL},
    {"qemu32", "a P6 with SSE3, as QEMU's", "GenuineIntel", "Dragoman virtual CPU (qemu32)", 0x663,
     4, qemu32},
    {"pentium3", "Pentium III (Coppermine)", "GenuineIntel", "Dragoman virtual CPU (Pentium III)",
     0x68a, 2, pentium3},
    {"486", "486DX4 with CPUID", "GenuineIntel", "Dragoman virtual CPU (486)", 0x480, 1, i486},
};

enum { PHYS_BITS_32 = 36, PHYS_BITS_64 = 40 };

static bool host_tsc_is_invariant(void)
{
    uint32_t id[4];

    hostcpu_id(0x80000007, 0, id);
    return id[R_EDX] >> 8 & 1;
}

static bool host_has(const struct feature_row *r)
{
    uint32_t id[4];

    hostcpu_id(r->leaf, r->sub, id);
    return id[r->reg] >> r->bit & 1;
}

/* Can be offered to a guest on this host. */
static bool available(const struct feature_row *r)
{
    enum { XCR0_SSE_AVX = 6 };

    if (r->feature == FEAT_AVX && (hostcpu_xcr0() & XCR0_SSE_AVX) != XCR0_SSE_AVX)
        return false;
    if (r->feature == FEAT_KVMCLOCK && !host_tsc_is_invariant())
        return false;
    return r->source == BY_HOST ? host_has(r) : r->source != NOT_YET;
}

static void set_features(struct cpu_model *m, const struct base_model *b)
{
    model_set(m, FEAT_BASE, true);
    for (unsigned i = 0; i < feature_row_count; i++) {
        const struct feature_row *r = &feature_rows[i];
        bool wanted = !b->features;

        for (const enum cpu_feature *f = b->features; f && *f != FEAT_BASE; f++)
            wanted |= *f == r->feature;
        if (wanted && r->source != IF_ASKED && available(r))
            model_set(m, r->feature, true);
    }
}

/* Leaf 4 of a single core: the fields for sharing and for cores per package are zero. */
static void set_caches(struct cpu_model *m)
{
    enum { TYPE = 0x1f };
    const uint32_t unshared = 0x3fff;

    hostcpu_id(2, 0, m->leaf2);
    for (unsigned i = 0; i < ARRAY_SIZE(m->cache) - 1; i++) {
        hostcpu_id(4, i, m->cache[i]);
        if (!(m->cache[i][0] & TYPE)) {
            memset(m->cache[i], 0, sizeof(m->cache[i]));
            break;
        }
        m->cache[i][0] &= unshared;
    }
    hostcpu_id(0x80000005, 0, m->ext5);
    hostcpu_id(0x80000006, 0, m->ext6);
}

static void set_host_identity(struct cpu_model *m)
{
    enum { BRAND_ROOM = 25 }; /* 47 - strlen("Dragoman virtual CPU, ") */
    char brand[49];
    uint32_t id[4];

    hostcpu_id(0, 0, id);
    st32(m->vendor, id[R_EBX]);
    st32(m->vendor + 4, id[R_EDX]);
    st32(m->vendor + 8, id[R_ECX]);
    hostcpu_id(1, 0, id);
    m->signature = id[R_EAX];
    hostcpu_brand(brand, sizeof(brand));
    /* CPUID ends the string with a NUL inside its 48 bytes. */
    snprintf(m->brand, sizeof(m->brand) - 1, "Dragoman virtual CPU%s%.*s", brand[0] ? ", " : "",
             BRAND_ROOM, brand);
    hostcpu_id(7, 0, id);
    m->fdp_on_exception = id[R_EBX] >> 6 & 1;
    m->invariant_tsc = host_tsc_is_invariant();
    m->max_basic = 0xd;
    m->max_ext = 0x80000008;
    set_caches(m);
}

static void set_identity(struct cpu_model *m, const struct base_model *b)
{
    /* What a Pentium III answers for 16 + 16 KiB L1 and 256 KiB L2 (SDM 2A table 3-12). */
    static const uint32_t p3_leaf2[4] = {0x03020101, 0, 0, 0x0c040882};

    if (!b->vendor) {
        set_host_identity(m);
        return;
    }
    snprintf(m->vendor, sizeof(m->vendor), "%s", b->vendor);
    snprintf(m->brand, sizeof(m->brand) - 1, "%s", b->brand);
    m->signature = b->signature;
    m->max_basic = b->max_basic;
    m->max_ext = 0x80000004;
    if (b->max_basic >= 2)
        memcpy(m->leaf2, p3_leaf2, sizeof(m->leaf2));
}

static void set_tsc(struct cpu_model *m)
{
    bool exact;

    m->tsc_khz = hostcpu_tsc_khz(&exact);
    if (exact && m->max_basic >= 0xd) {
        hostcpu_id(0x15, 0, m->leaf15);
        if (m->leaf15[0] && m->leaf15[1] && m->leaf15[2])
            m->max_basic = 0x15;
        else
            memset(m->leaf15, 0, sizeof(m->leaf15));
    }
}

/* What follows from the final set of features. */
static void finish(struct cpu_model *m)
{
    uint32_t id[4];

    m->phys_bits = model_has(m, FEAT_PAE) || model_has(m, FEAT_PSE36) ? PHYS_BITS_32 : 32;
    hostcpu_id(0x80000008, 0, id);
    if (model_has(m, FEAT_LM))
        m->phys_bits = PHYS_BITS_64;
    if (id[R_EAX] && (id[R_EAX] & 0xff) < m->phys_bits)
        m->phys_bits = id[R_EAX] & 0xff;
    if (model_has(m, FEAT_ARCH_CAPABILITIES))
        m->arch_capabilities = hostcpu_arch_capabilities();

    m->xcr0_allowed = 3 | (model_has(m, FEAT_AVX) ? 4 : 0);
    m->xsave_size = 512 + 64;
    m->xsave_len[0] = 160; /* x87 and SSE: the legacy area of FXSAVE */
    m->xsave_offset[1] = 160;
    m->xsave_len[1] = 256;
    for (unsigned i = 2; i < ARRAY_SIZE(m->xsave_len); i++) {
        hostcpu_id(0xd, i, id);
        m->xsave_len[i] = id[R_EAX];
        m->xsave_offset[i] = id[R_EBX];
        if ((m->xcr0_allowed >> i & 1) && id[R_EBX] + id[R_EAX] > m->xsave_size)
            m->xsave_size = id[R_EBX] + id[R_EAX];
    }
}

/* "sse4.1", "sse4-1" and "SSE4_1" are one name. */
static bool same_name(const char *name, const char *text, size_t len)
{
    if (strlen(name) != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        int a = tolower((unsigned char)name[i]), b = tolower((unsigned char)text[i]);

        if (a != b && !(strchr("-_.", a) && strchr("-_.", b)))
            return false;
    }
    return true;
}

struct spec {
    char *err;
    size_t errlen;
    uint64_t wanted[2]; /* features switched on by name */
};

static const struct feature_row *find_feature(const char *text, size_t len)
{
    for (unsigned i = 0; i < feature_row_count; i++)
        if (same_name(feature_rows[i].name, text, len))
            return &feature_rows[i];
    return NULL;
}

/* Appends as much of the text as fits. */
static size_t append(char *buf, size_t size, size_t at, const char *text)
{
    int n = at < size ? snprintf(buf + at, size - at, "%s", text) : 0;

    return at + (size_t)(n > 0 ? n : 0);
}

static int unknown_feature(struct spec *s, const char *text, size_t len)
{
    size_t at;

    snprintf(s->err, s->errlen, "unknown CPU feature '%.*s'; known are:", (int)len, text);
    at = strlen(s->err);
    for (unsigned i = 0; i < feature_row_count; i++) {
        at = append(s->err, s->errlen, at, " ");
        at = append(s->err, s->errlen, at, feature_rows[i].name);
    }
    return -EINVAL;
}

static int unknown_model(struct spec *s, const char *text, size_t len)
{
    size_t at;

    snprintf(s->err, s->errlen, "unknown CPU model '%.*s'; known are:", (int)len, text);
    at = strlen(s->err);
    for (unsigned i = 0; i < ARRAY_SIZE(base_models); i++) {
        at = append(s->err, s->errlen, at, " ");
        at = append(s->err, s->errlen, at, base_models[i].name);
    }
    return -EINVAL;
}

static int set_one(struct cpu_model *m, struct spec *s, const char *name, size_t len, bool on)
{
    const struct feature_row *r = find_feature(name, len);

    if (!r)
        return unknown_feature(s, name, len);
    if (on && !available(r)) {
        snprintf(s->err, s->errlen, "CPU feature '%s' is not available: %s", r->name,
                 r->source == NOT_YET ? "it is not emulated" : "the host does not have it");
        return -EINVAL;
    }
    model_set(m, r->feature, on);
    if (on)
        s->wanted[r->feature >> 6] |= UINT64_C(1) << (r->feature & 63);
    else
        s->wanted[r->feature >> 6] &= ~(UINT64_C(1) << (r->feature & 63));
    return 0;
}

/* "+feat", "-feat", "feat", "feat=on", "feat=off". */
static int apply_word(struct cpu_model *m, struct spec *s, const char *word, size_t len)
{
    const char *eq = memchr(word, '=', len);

    if (len && (word[0] == '+' || word[0] == '-'))
        return set_one(m, s, word + 1, len - 1, word[0] == '+');
    if (!eq)
        return set_one(m, s, word, len, true);
    if (same_name("=on", eq, len - (size_t)(eq - word)))
        return set_one(m, s, word, (size_t)(eq - word), true);
    if (same_name("=off", eq, len - (size_t)(eq - word)))
        return set_one(m, s, word, (size_t)(eq - word), false);
    snprintf(s->err, s->errlen, "CPU feature setting '%.*s' must end with =on or =off", (int)len,
             word);
    return -EINVAL;
}

static int drop_dependents(struct cpu_model *m, struct spec *s)
{
    for (unsigned i = 0; i < feature_need_count; i++) {
        const struct feature_need *n = &feature_needs[i];

        if (!model_has(m, n->feature) || model_has(m, n->needs))
            continue;
        if (s->wanted[n->feature >> 6] >> (n->feature & 63) & 1) {
            const char *name = "", *needs = "";

            for (unsigned k = 0; k < feature_row_count; k++) {
                if (feature_rows[k].feature == n->feature)
                    name = feature_rows[k].name;
                if (feature_rows[k].feature == n->needs)
                    needs = feature_rows[k].name;
            }
            snprintf(s->err, s->errlen, "CPU feature '%s' needs '%s'", name, needs);
            return -EINVAL;
        }
        model_set(m, n->feature, false);
    }
    return 0;
}

static const struct base_model *find_base(const char *text, size_t len)
{
    for (unsigned i = 0; i < ARRAY_SIZE(base_models); i++)
        if (same_name(base_models[i].name, text, len))
            return &base_models[i];
    return NULL;
}

int cpu_model_init(struct cpu_model *m, const char *spec, char *err, size_t errlen)
{
    struct spec s = {.err = err, .errlen = errlen};
    const char *at = spec ? spec : "host";
    size_t len = strcspn(at, ",");
    const struct base_model *b = find_base(at, len);
    int ret;

    if (!b)
        return unknown_model(&s, at, len);
    memset(m, 0, sizeof(*m));
    set_identity(m, b);
    set_features(m, b);
    for (at += len; *at; at += len) {
        at++;
        len = strcspn(at, ",");
        ret = apply_word(m, &s, at, len);
        if (ret < 0)
            return ret;
    }
    ret = drop_dependents(m, &s);
    if (ret < 0)
        return ret;
    set_tsc(m);
    finish(m);
    return 0;
}

void cpu_model_print_known(FILE *out)
{
    unsigned column = 0;

    fprintf(out, "CPU models:\n");
    for (unsigned i = 0; i < ARRAY_SIZE(base_models); i++)
        fprintf(out, "  %-10s %s\n", base_models[i].name, base_models[i].help);
    fprintf(out, "Features (-cpu MODEL,+NAME,-NAME,NAME=on|off):\n ");
    for (unsigned i = 0; i < feature_row_count; i++) {
        const char *name = feature_rows[i].name;

        if (!available(&feature_rows[i]))
            continue;
        if (column + strlen(name) > 74) {
            fprintf(out, "\n ");
            column = 0;
        }
        column += (unsigned)fprintf(out, " %s", name);
    }
    fputc('\n', out);
}
