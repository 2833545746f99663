#include "rowfile.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"

const char *const row_gpr_names[8] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};

const struct row_flag row_flags[NROW_FLAGS] = {
    {"cf", EF_CF},     {"pf", EF_PF}, {"af", EF_AF}, {"zf", EF_ZF}, {"sf", EF_SF},
    {"tf", EF_TF},     {"if", EF_IF}, {"df", EF_DF}, {"of", EF_OF}, {"nt", EF_NT},
    {"iopl", EF_IOPL}, {"ac", EF_AC}, {"id", EF_ID},
};

static const char *const seg_names[6] = {"es", "cs", "ss", "ds", "fs", "gs"};

static const char *const vectors[32] = {
    [VEC_DE] = "DE", [VEC_DB] = "DB", [VEC_NMI] = "NMI", [VEC_BP] = "BP", [VEC_OF] = "OF",
    [VEC_BR] = "BR", [VEC_UD] = "UD", [VEC_NM] = "NM",   [VEC_DF] = "DF", [VEC_TS] = "TS",
    [VEC_NP] = "NP", [VEC_SS] = "SS", [VEC_GP] = "GP",   [VEC_PF] = "PF", [VEC_MF] = "MF",
    [VEC_AC] = "AC", [VEC_XM] = "XM",
};

static const struct {
    const char *name;
    uint32_t mask;
    bool cr4;
} control_bits[] = {
    {"cr0.mp", CR0_MP, false},          {"cr0.em", CR0_EM, false},
    {"cr0.ts", CR0_TS, false},          {"cr0.ne", CR0_NE, false},
    {"cr0.wp", CR0_WP, false},          {"cr0.am", CR0_AM, false},
    {"cr4.tsd", CR4_TSD, true},         {"cr4.osfxsr", CR4_OSFXSR, true},
    {"cr4.umip", CR4_UMIP, true},       {"cr4.osxmmexcpt", CR4_OSXMMEXCPT, true},
    {"cr4.osxsave", CR4_OSXSAVE, true}, {"cr4.pce", CR4_PCE, true},
    {"cr4.smep", CR4_SMEP, true},
};

const char *row_vector_name(int vector)
{
    return vector == END_HLT                ? "none"
           : vector == END_TIMEOUT          ? "timeout"
           : vector == END_SHUTDOWN         ? "shutdown"
           : vector < 32 && vectors[vector] ? vectors[vector]
                                            : NULL;
}

static bool bad(struct test_row *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(r->why, sizeof(r->why), fmt, ap);
    va_end(ap);
    return false;
}

/* REGION, REGION+hex, ip+hex, +hex (from the row's start), hex */
static bool parse_number(const struct test_row *r, const char *s, uint32_t *out)
{
    static const struct {
        const char *name;
        uint32_t base;
    } bases[] = {{"code", CODE_BASE}, {"data", DATA_BASE}, {"stack", STACK_BASE}, {"low", LOW_BASE},
                 {"hole", HOLE_BASE}, {"ro", RO_BASE},     {"sup", SUP_BASE},     {"ip", 0}};
    uint32_t base = *s == '+' ? r->start : 0;
    bool named = *s == '+';
    char *end;

    for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
        size_t n = strlen(bases[i].name);

        if (strncmp(s, bases[i].name, n) == 0 && (!s[n] || s[n] == '+' || s[n] == '-')) {
            base = bases[i].base ? bases[i].base : r->start;
            s += n;
            named = true;
            break;
        }
    }
    if (named && !*s) {
        *out = base;
        return true;
    }
    *out = base + (uint32_t)strtoul(s, &end, 16);
    if (*s == '-')
        *out = base - (uint32_t)strtoul(s + 1, &end, 16);
    return end != s && !*end;
}

/* Most significant digit first unless `memory`; '_' separates. */
static bool parse_bytes(const char *s, uint8_t *out, size_t want, bool memory, size_t *got)
{
    char digits[2 * PATCH_BYTES + 1];
    size_t n = 0;

    for (; *s; s++) {
        if (*s == '_')
            continue;
        if (!isxdigit((unsigned char)*s) || n == 2 * PATCH_BYTES)
            return false;
        digits[n++] = *s;
    }
    if (n % 2 || (want && n != 2 * want))
        return false;
    *got = n / 2;
    for (size_t i = 0; i < *got; i++) {
        char pair[3] = {digits[2 * i], digits[2 * i + 1], 0};

        out[memory ? i : *got - 1 - i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

static void row_defaults(struct test_row *r)
{
    static const uint32_t gprs[8] = {0xa1a1a1a1,         0xc1c1c1c1,          0xd1d1d1d1,
                                     0xb1b1b1b1,         STACK_BASE + 0x2000, STACK_BASE + 0x3000,
                                     DATA_BASE + 0x1000, DATA_BASE + 0x2000};

    memcpy(r->before.gpr, gprs, sizeof(gprs));
    r->before.eflags = EF_R1 | EF_IF;
    vec_init(&r->before.vec);
    r->any_cpl = r->any_paging = true;
    r->setup.cpl = 3;
    r->start = TEST_PAGE + 0x100;
}

static struct row_patch *add_patch(struct test_row *r, bool after)
{
    struct row_patch *p;

    if (r->npatches + r->nafter == ROW_PATCHES)
        return NULL;
    if (!r->patches)
        r->patches = calloc(ROW_PATCHES, sizeof(*r->patches));
    p = &r->patches[r->npatches + r->nafter];
    if (after)
        r->nafter++;
    else
        r->npatches++;
    return p;
}

/* [addr]=dword, [addr].b=, [addr].w=, [addr].q=, [addr].x=BYTES */
static bool parse_memory(struct test_row *r, char *key, const char *val, bool after)
{
    char *close = strchr(key, ']');
    struct row_patch *p = add_patch(r, after);
    char unit = 'd';
    size_t len, want;
    uint32_t n;

    if (!p || !close || (close[1] && close[1] != '.'))
        return bad(r, "%s: not a memory place, or too many", key);
    if (close[1])
        unit = close[2];
    *close = 0;
    want = unit == 'b' ? 1 : unit == 'w' ? 2 : unit == 'd' ? 4 : unit == 'q' ? 8 : 0;
    if (!parse_number(r, key + 1, &p->lin))
        return bad(r, "%s: not an address", key + 1);
    p->len = (unsigned)want;
    if (strcmp(val, "undef") == 0) {
        p->undef = true;
        p->len = want ? (unsigned)want : (unsigned)strtoul(close + 2, NULL, 16);
        return true;
    }
    if (want && want <= 4 && parse_number(r, val, &n)) {
        memcpy(p->bytes, &n, want);
        return true;
    }
    if (!parse_bytes(val, p->bytes, want, unit == 'x', &len))
        return bad(r, "%s: not the bytes of [%s]", val, key + 1);
    p->len = (unsigned)len;
    return true;
}

/* xmm0, ymm3, mm1, st7 and the control words. */
static bool parse_vector(struct test_row *r, const char *key, const char *val, struct test_state *s,
                         bool after, bool *mine)
{
    static const struct {
        const char *name;
        size_t len;
    } files[] = {{"xmm", 16}, {"ymm", 32}, {"mm", 8}, {"st", 10}};
    unsigned top = s->vec.fsw >> 11 & 7;
    size_t got;

    *mine = false;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        size_t n = strlen(files[i].name);
        unsigned reg = (unsigned)(key[n] - '0');

        if (strncmp(key, files[i].name, n) != 0 || reg > 7 || key[n + 1])
            continue;
        *mine = true;
        if (!parse_bytes(val, i < 2 ? s->vec.ymm[reg] : s->vec.st[reg], files[i].len, false, &got))
            return bad(r, "%s: %zu bytes expected", key, files[i].len);
        if (i == 2)
            s->vec.st[reg][8] = s->vec.st[reg][9] = 0xff;
        if (i >= 2 && !after)
            s->vec.ftw |= (uint8_t)(1u << ((i == 2 ? reg : top + reg) & 7));
        return true;
    }
    return true;
}

static bool parse_control_word(struct test_row *r, const char *key, const char *val,
                               struct test_state *s, bool *mine)
{
    uint32_t n = 0;
    bool undef = strcmp(val, "undef") == 0;

    *mine = true;
    if (!undef && !parse_number(r, val, &n))
        n = 0;
    if (strcmp(key, "fcw") == 0)
        s->vec.fcw = (uint16_t)n;
    else if (strcmp(key, "fsw") == 0 && undef)
        r->fsw_undef = true;
    else if (strcmp(key, "fsw") == 0)
        s->vec.fsw = (uint16_t)n;
    else if (strcmp(key, "ftw") == 0)
        s->vec.ftw = (uint8_t)n;
    else if (strcmp(key, "mxcsr") == 0)
        s->vec.mxcsr = n;
    else
        *mine = false;
    return true;
}

static bool parse_gpr_or_flag(struct test_row *r, const char *key, const char *val,
                              struct test_state *s, bool *mine)
{
    bool undef = strcmp(val, "undef") == 0;
    uint32_t n = 0;

    *mine = true;
    for (unsigned i = 0; i < 8; i++) {
        if (strcmp(key, row_gpr_names[i]) != 0)
            continue;
        if (undef)
            r->gpr_undef |= (uint8_t)(1u << i);
        return undef || parse_number(r, val, &s->gpr[i]) || bad(r, "%s=%s: not a number", key, val);
    }
    for (unsigned i = 0; i < NROW_FLAGS; i++) {
        uint32_t mask = row_flags[i].mask;

        if (strcmp(key, row_flags[i].name) != 0)
            continue;
        if (undef)
            r->flags_undef |= mask;
        else if (!parse_number(r, val, &n))
            return bad(r, "%s=%s: not a number", key, val);
        s->eflags = (s->eflags & ~mask) | ((n * (mask & -mask)) & mask);
        return true;
    }
    *mine = false;
    return true;
}

static bool parse_segment(struct test_row *r, const char *key, const char *val, bool *mine)
{
    uint32_t n;

    *mine = false;
    for (unsigned i = 0; i < 6; i++) {
        struct rig_seg *g = &r->setup.seg[i];

        if (strncmp(key, seg_names[i], 2) != 0 || key[2] != '.')
            continue;
        *mine = true;
        if (!parse_number(r, val, &n))
            return bad(r, "%s=%s: not a number", key, val);
        if (!g->set)
            *g = (struct rig_seg){.set = true, .sel = 0x2b, .attr = 0xc0f3, .limit = UINT32_MAX};
        r->marks |= NOT_NATIVE;
        if (strcmp(key + 3, "base") == 0)
            g->base = n;
        else if (strcmp(key + 3, "limit") == 0)
            g->limit = n;
        else if (strcmp(key + 3, "attr") == 0)
            g->attr = (uint16_t)n;
        else if (strcmp(key + 3, "sel") == 0)
            g->sel = (uint16_t)n;
        else
            return bad(r, "%s: no such part of a segment", key);
    }
    return true;
}

static bool parse_setup(struct test_row *r, const char *key, const char *val)
{
    uint32_t n;
    bool mine;

    if (!parse_segment(r, key, val, &mine) || mine)
        return mine && !r->why[0];
    if (!parse_number(r, val, &n))
        return bad(r, "%s=%s: not a number", key, val);
    if (strcmp(key, "at") == 0) {
        r->start = TEST_PAGE + n;
        return true;
    }
    if (strcmp(key, "cpl") == 0) {
        r->setup.cpl = (uint8_t)n;
        r->any_cpl = false;
        if (n != 3)
            r->marks |= NOT_NATIVE;
        return true;
    }
    if (strcmp(key, "paging") == 0) {
        r->setup.paging = n;
        r->any_paging = false;
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(control_bits); i++) {
        uint32_t *set = control_bits[i].cr4 ? &r->setup.cr4_set : &r->setup.cr0_set;
        uint32_t *clear = control_bits[i].cr4 ? &r->setup.cr4_clear : &r->setup.cr0_clear;

        if (strcmp(key, control_bits[i].name) != 0)
            continue;
        *(n ? set : clear) |= control_bits[i].mask;
        r->marks |= NOT_NATIVE;
        return true;
    }
    return bad(r, "%s: no such field", key);
}

/* fault=GP(0), fault=UD, fault=80 */
static bool parse_fault(struct test_row *r, char *val)
{
    char *open = strchr(val, '(');
    uint32_t n;

    if (open) {
        *open = 0;
        r->after.err = (uint32_t)strtoul(open + 1, NULL, 16);
    }
    if (strcmp(val, "shutdown") == 0) {
        r->after.end = END_SHUTDOWN;
        return true;
    }
    for (int v = 0; v < 32; v++) {
        if (vectors[v] && strcmp(vectors[v], val) == 0) {
            r->after.end = v;
            return true;
        }
    }
    if (!parse_number(r, val, &n))
        return bad(r, "%s: no such exception", val);
    r->after.end = (int)n;
    return true;
}

static bool parse_outcome(struct test_row *r, const char *key, char *val)
{
    struct test_state *s = &r->after;
    uint32_t n;

    if (strcmp(key, "fault") == 0)
        return parse_fault(r, val);
    if (!parse_number(r, val, &n))
        return bad(r, "%s=%s: not a number", key, val);
    for (unsigned i = 0; i < 6; i++) {
        if (strcmp(key, seg_names[i]) == 0) {
            s->sel[i] = (uint16_t)n;
            r->sels_named |= (uint8_t)(1u << i);
            return true;
        }
    }
    if (strcmp(key, "eip") == 0) {
        s->eip = n;
        r->eip_given = true;
    } else if (strcmp(key, "cr2") == 0) {
        s->cr2 = n;
    } else if (strcmp(key, "cr0") == 0) {
        s->cr0 = n;
        r->cr0_named = true;
    } else if (strcmp(key, "cr4") == 0) {
        s->cr4 = n;
        r->cr4_named = true;
    } else {
        return bad(r, "%s: no such field", key);
    }
    return true;
}

static bool parse_field(struct test_row *r, char *token, bool after)
{
    struct test_state *s = after ? &r->after : &r->before;
    char *val = strchr(token, '=');
    bool mine;

    if (strcmp(token, "-native") == 0 || strcmp(token, "-interp") == 0 ||
        strcmp(token, "-bt") == 0) {
        r->marks |= token[1] == 'n' ? NOT_NATIVE : token[1] == 'i' ? NOT_INTERP : NOT_BT;
        return true;
    }
    if (!val)
        return bad(r, "%s: FIELD=VALUE expected", token);
    *val++ = 0;
    if (*token == '[')
        return parse_memory(r, token, val, after);
    if (!parse_gpr_or_flag(r, token, val, s, &mine))
        return false;
    if (!mine && !parse_control_word(r, token, val, s, &mine))
        return false;
    if (!mine && !parse_vector(r, token, val, s, after, &mine))
        return false;
    if (mine)
        return true;
    return after ? parse_outcome(r, token, val) : parse_setup(r, token, val);
}

static bool parse_fields(struct test_row *r, char *text, bool after)
{
    char *save, *t;

    for (t = strtok_r(text, " \t", &save); t; t = strtok_r(NULL, " \t", &save))
        if (!parse_field(r, t, after))
            return false;
    return true;
}

static bool parse_code(struct test_row *r, char *text)
{
    char *save, *t, *end;

    for (t = strtok_r(text, " \t", &save); t; t = strtok_r(NULL, " \t", &save)) {
        unsigned long v = strtoul(t, &end, 16);

        if (*end || v > 0xff || r->len == ROW_BYTES)
            return bad(r, "%s: not a byte of code", t);
        r->bytes[r->len++] = (uint8_t)v;
    }
    return r->len || bad(r, "no code");
}

static void parse_parts(struct test_row *r, char *copy)
{
    char *bar = strchr(copy, '|'), *arrow = bar ? strstr(bar, "=>") : NULL;

    if (!bar) {
        bad(r, "BYTES | BEFORE => AFTER expected");
        return;
    }
    *bar = 0;
    if (arrow)
        *arrow = 0;
    r->has_after = arrow != NULL;
    if (!parse_code(r, copy) || !parse_fields(r, bar + 1, false))
        return;
    r->before.eip = TEST_START;
    r->before.body = r->start;
    r->before.body_len = r->len;
    r->after = r->before;
    r->after.end = END_HLT;
    if (arrow && !parse_fields(r, arrow + 2, true))
        return;
    if (r->after.end == VEC_PF && r->any_paging) {
        r->any_paging = false;
        r->setup.paging = true;
    }
    if (!r->eip_given)
        r->after.eip = r->after.end == END_HLT ? r->start + r->len : r->start;
}

bool row_parse(struct test_row *r, const char *file, int line, const char *text)
{
    char *copy, *cut;
    size_t n = strcspn(text, "\n");

    while (*text == ' ' || *text == '\t')
        text++;
    if (!*text || *text == '#' || *text == '\n')
        return false;
    *r = (struct test_row){.file = file, .line = line};
    n = strcspn(text, "\n");
    r->text = strndup(text, n);
    copy = strndup(text, n);
    if (!r->text || !copy)
        abort();
    cut = strchr(copy, ';');
    if (cut) {
        *cut = 0;
        r->comment = r->text + (cut - copy) + 1;
    }
    r->before_end = strlen(copy);
    cut = strstr(copy, "=>");
    if (cut)
        r->before_end = (size_t)(cut - copy);
    row_defaults(r);
    parse_parts(r, copy);
    free(copy);
    return true;
}

void row_free(struct test_row *r)
{
    free(r->text);
    free(r->patches);
}

static void apply(const struct row_patch *p, struct test_mem *m)
{
    uint8_t *at = test_mem_at(m, p->lin, p->len);

    if (at)
        memcpy(at, p->bytes, p->len);
}

void row_memory(const struct test_row *r, struct test_mem *m)
{
    int32_t rel = (int32_t)(r->start - (TEST_START + 5));
    uint8_t *at;

    memset(m, 0, sizeof(*m));
    memset(m->code, HLT, sizeof(m->code));
    m->code[0] = 0xe9; /* JMP rel32: the test is entered through a branch from another page */
    memcpy(m->code + 1, &rel, 4);
    at = test_mem_at(m, r->start, r->len);
    if (at)
        memcpy(at, r->bytes, r->len);
    for (unsigned i = 0; i < r->npatches; i++)
        apply(&r->patches[i], m);
}

void row_memory_after(const struct test_row *r, struct test_mem *m, const struct test_mem *got)
{
    row_memory(r, m);
    for (unsigned i = r->npatches; i < r->npatches + r->nafter; i++) {
        const struct row_patch *p = &r->patches[i];
        uint8_t *to = test_mem_at(m, p->lin, p->len);

        if (p->undef && to)
            memcpy(to, test_mem_at((struct test_mem *)got, p->lin, p->len), p->len);
        else
            apply(p, m);
    }
}
