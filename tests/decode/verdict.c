#include "verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"

enum { MAX_VERDICTS = 160, MAX_MATCHES = 400, LINE_MAX_LEN = 600 };

enum match_key {
    KEY_MODE,
    KEY_MAP,
    KEY_OP,
    KEY_MODRM,
    KEY_SIB,
    KEY_REG,
    KEY_FORM,
    KEY_PFX,
    KEY_REX,
    KEY_VEX,
    KEY_PP,
    KEY_L,
    KEY_W,
    KEY_VVVV,
    KEY_KIND,
    NKEYS
};

static const char *const key_names[NKEYS] = {"mode", "map",  "op",  "modrm", "sib",
                                             "reg",  "form", "pfx", "rex",   "vex",
                                             "pp",   "l",    "w",   "vvvv",  "kind"};
static const char *const outcome_names[NOUTCOMES] = {"ud", "zydis", "own"};
static const char *const right_names[NRIGHTS] = {"zydis", "capstone", "both", "neither"};

/* Allowed values of a key, a bit each. */
struct value_set {
    uint64_t bits[4];
};

struct match {
    uint16_t given; /* bit per enum match_key */
    struct value_set set[NKEYS];
    struct verdict *verdict;
    unsigned line;
    uint64_t count;
};

struct verdict_table {
    struct verdict verdict[MAX_VERDICTS];
    struct match match[MAX_MATCHES];
    unsigned nverdicts, nmatches;
    const char *path;
    unsigned line, errors;
};

const char *verdict_outcome_name(unsigned outcome)
{
    return outcome_names[outcome];
}

const char *verdict_right_name(unsigned right)
{
    return right_names[right];
}

static void complain(struct verdict_table *t, const char *what, const char *text)
{
    fprintf(stderr, "%s:%u: %s: %s\n", t->path, t->line, what, text);
    t->errors++;
}

/* The name of value v of a key, or NULL where values are numbers. */
static const char *value_name(unsigned key, unsigned v)
{
    static const char *const forms[] = {"m", "r"};

    switch (key) {
    case KEY_MAP:
        return v < NMAPS ? encoding_map_name(v) : NULL;
    case KEY_FORM:
        return v < ARRAY_SIZE(forms) ? forms[v] : NULL;
    case KEY_PFX:
        return v < NPFX ? encoding_pfx_name(v) : NULL;
    case KEY_REX:
        return v < NREX ? encoding_rex_name(v) : NULL;
    case KEY_KIND:
        return v < NKINDS ? view_kind_name(v) : NULL;
    default:
        return NULL;
    }
}

static void add_value(struct value_set *s, unsigned v)
{
    s->bits[v >> 6 & 3] |= UINT64_C(1) << (v & 63);
}

static bool has_value(const struct value_set *s, unsigned v)
{
    return s->bits[v >> 6] >> (v & 63) & 1;
}

static bool parse_numbers(struct value_set *s, unsigned key, const char *text)
{
    char *end;
    unsigned long first, last;

    if (key == KEY_MODE) {
        first = strtoul(text, &end, 10);
        add_value(s, first == 16 ? 0 : first == 32 ? 1 : 2);
        return *end == '\0' && (first == 16 || first == 32 || first == 64);
    }
    first = last = strtoul(text, &end, 16);
    if (end == text)
        return false;
    if (*end == '-')
        last = strtoul(end + 1, &end, 16);
    for (unsigned long v = first; v <= last && v < 256; v++)
        add_value(s, (unsigned)v);
    return *end == '\0' && first <= last && last < 256;
}

static bool parse_value(struct value_set *s, unsigned key, const char *text)
{
    if (!value_name(key, 0))
        return parse_numbers(s, key, text);
    for (unsigned v = 0; value_name(key, v); v++)
        if (strcmp(value_name(key, v), text) == 0) {
            add_value(s, v);
            return true;
        }
    return false;
}

static void parse_key(struct verdict_table *t, struct match *m, char *text)
{
    char *values = strchr(text, '='), *save = NULL;
    unsigned key = 0;

    if (values)
        *values++ = '\0';
    while (key < NKEYS && strcmp(key_names[key], text) != 0)
        key++;
    if (!values || key == NKEYS) {
        complain(t, "no such key", text);
        return;
    }
    m->given |= (uint16_t)(1u << key);
    for (char *v = strtok_r(values, ",", &save); v; v = strtok_r(NULL, ",", &save))
        if (!parse_value(&m->set[key], key, v))
            complain(t, "not a value of this key", v);
}

static void parse_match(struct verdict_table *t, struct verdict *v, char *text)
{
    char *save = NULL;
    struct match *m = &t->match[t->nmatches];

    if (t->nmatches == MAX_MATCHES) {
        complain(t, "too many lines", text);
        return;
    }
    t->nmatches++;
    m->verdict = v;
    m->line = t->line;
    for (char *k = strtok_r(text, " ", &save); k; k = strtok_r(NULL, " ", &save))
        parse_key(t, m, k);
}

/* "zydis,own: text": the names before the colon as bits. */
static unsigned parse_names(struct verdict_table *t, const char *text, const char *const *names,
                            unsigned n)
{
    unsigned bits = 0, len = (unsigned)strcspn(text, ":");
    char head[64], *save = NULL;

    if (text[len] != ':' || len >= sizeof(head)) {
        complain(t, "names and a colon expected", text);
        return 0;
    }
    memcpy(head, text, len);
    head[len] = '\0';
    for (char *p = strtok_r(head, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        unsigned k = 0;

        while (k < n && strcmp(names[k], p) != 0)
            k++;
        if (k == n)
            complain(t, "not a verdict", p);
        else
            bits |= 1u << k;
    }
    return bits;
}

static void parse_field(struct verdict_table *t, struct verdict *v, const char *key, char *text)
{
    unsigned bits;

    if (strcmp(key, "match") == 0) {
        parse_match(t, v, text);
    } else if (strcmp(key, "zydis") == 0) {
        snprintf(v->zydis, TEXT_MAX, "%s", text);
    } else if (strcmp(key, "capstone") == 0) {
        snprintf(v->capstone, TEXT_MAX, "%s", text);
    } else if (strcmp(key, "right") == 0) {
        snprintf(v->right_text, TEXT_MAX, "%s", text);
        bits = parse_names(t, text, right_names, NRIGHTS);
        v->right = bits ? (uint8_t)__builtin_ctz(bits) : 0;
    } else if (strcmp(key, "dragoman") == 0) {
        snprintf(v->dragoman, TEXT_MAX, "%s", text);
        v->outcomes = (uint8_t)parse_names(t, text, outcome_names, NOUTCOMES);
    } else {
        complain(t, "no such keyword", key);
    }
}

static bool is_complete(const struct verdict *v)
{
    return v->zydis[0] && v->capstone[0] && v->right_text[0] && v->outcomes;
}

static struct verdict *begin_verdict(struct verdict_table *t, const char *line)
{
    struct verdict *v = &t->verdict[t->nverdicts];

    if (t->nverdicts == MAX_VERDICTS) {
        complain(t, "too many records", line);
        return &t->verdict[0];
    }
    if (t->nverdicts && !is_complete(v - 1))
        complain(t, "the record before is not complete", v[-1].name);
    t->nverdicts++;
    snprintf(v->name, sizeof(v->name), "%.*s", (int)strcspn(line + 1, "]"), line + 1);
    return v;
}

static void read_lines(struct verdict_table *t, FILE *f)
{
    struct verdict *v = NULL;
    char line[LINE_MAX_LEN];

    while (fgets(line, sizeof(line), f)) {
        char *text;

        t->line++;
        if (!strchr(line, '\n'))
            complain(t, "the line is too long", line);
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0')
            continue;
        if (line[0] == '[') {
            v = begin_verdict(t, line);
            continue;
        }
        text = line + strcspn(line, " ");
        while (*text == ' ')
            *text++ = '\0';
        if (v)
            parse_field(t, v, line, text);
        else
            complain(t, "a line before the first record", line);
    }
    if (v && !is_complete(v))
        complain(t, "the last record is not complete", v->name);
}

struct verdict_table *verdicts_read(const char *path)
{
    struct verdict_table *t = calloc(1, sizeof(*t));
    FILE *f = fopen(path, "r");

    if (!t || !f) {
        perror(path);
        free(t);
        if (f)
            fclose(f);
        return NULL;
    }
    t->path = path;
    read_lines(t, f);
    fclose(f);
    if (t->errors == 0)
        return t;
    free(t);
    return NULL;
}

void verdicts_free(struct verdict_table *t)
{
    free(t);
}

/* The value an encoding has for a key; -1: it has none, so no line that gives the key matches. */
static int key_value(const struct encoding *e, unsigned kind, unsigned key)
{
    const int values[NKEYS] = {
        [KEY_MODE] = e->mode,
        [KEY_MAP] = e->map,
        [KEY_OP] = e->opcode,
        [KEY_MODRM] = e->has_modrm ? e->modrm : -1,
        [KEY_SIB] = e->has_sib ? e->sib : -1,
        [KEY_REG] = e->has_modrm ? e->modrm >> 3 & 7 : -1,
        [KEY_FORM] = e->has_modrm ? e->modrm >= 0xc0 : -1,
        [KEY_PFX] = e->pfx,
        [KEY_REX] = e->rex,
        [KEY_VEX] = e->vex,
        [KEY_PP] = e->vex ? e->pp : -1,
        [KEY_L] = e->vex ? e->l : -1,
        [KEY_W] = e->vex ? e->w : -1,
        [KEY_VVVV] = e->vex ? e->vvvv : -1,
        [KEY_KIND] = (int)kind,
    };

    return values[key];
}

static bool matches(const struct match *m, const struct encoding *e, unsigned kind)
{
    for (unsigned given = m->given; given; given &= given - 1) {
        unsigned key = (unsigned)__builtin_ctz(given);
        int v = key_value(e, kind, key);

        if (v < 0 || !has_value(&m->set[key], (unsigned)v))
            return false;
    }
    return true;
}

struct verdict *verdicts_find(struct verdict_table *t, const struct encoding *e, unsigned kind,
                              unsigned outcome)
{
    for (unsigned n = 0; n < t->nmatches; n++) {
        struct match *m = &t->match[n];

        if (!matches(m, e, kind))
            continue;
        m->count++;
        m->verdict->count++;
        m->verdict->seen |= (uint8_t)(1u << outcome);
        return m->verdict;
    }
    return NULL;
}

unsigned verdicts_count(const struct verdict_table *t)
{
    return t->nverdicts;
}

const struct verdict *verdicts_get(const struct verdict_table *t, unsigned n)
{
    return &t->verdict[n];
}

unsigned verdicts_check(const struct verdict_table *t)
{
    unsigned bad = 0;

    for (unsigned n = 0; n < t->nmatches; n++)
        if (t->match[n].count == 0) {
            printf("%s:%u: nothing of [%s] is like this line\n", t->path, t->match[n].line,
                   t->match[n].verdict->name);
            bad++;
        }
    for (unsigned n = 0; n < t->nverdicts; n++) {
        const struct verdict *v = &t->verdict[n];
        bool zydis_wrong = v->right == RIGHT_CAPSTONE || v->right == RIGHT_NEITHER;

        if (v->seen && v->seen != v->outcomes) {
            printf("[%s]: Dragoman's outcomes are", v->name);
            for (unsigned k = 0; k < NOUTCOMES; k++)
                if (v->seen >> k & 1)
                    printf(" %s", outcome_names[k]);
            printf(", not as the table says\n");
            bad++;
        }
        if (zydis_wrong && v->seen & 1u << OUTCOME_ZYDIS) {
            printf("[%s]: Zydis is wrong and Dragoman follows it\n", v->name);
            bad++;
        }
    }
    return bad;
}
