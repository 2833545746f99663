/* The human monitor: lines, words, values. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/version.h"
#include "monitor/expr.h"
#include "monitor/session.h"

static const char prompt[] = "(dragoman) ";

/* ---- arguments ---- */

static const char *skip_blanks(const char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    return s;
}

/* A word, perhaps in quotes, in which \" is a quote and \\ a backslash. NULL: no end, too long. */
static const char *take_word(const char *s, char *to, size_t room)
{
    bool quoted = *s == '"';
    size_t n = 0;

    s += quoted;
    while (*s && (quoted ? *s != '"' : !isspace((unsigned char)*s))) {
        if (quoted && *s == '\\' && (s[1] == '"' || s[1] == '\\'))
            s++;
        if (n + 1 == room)
            return NULL;
        to[n++] = *s++;
    }
    if (quoted && *s++ != '"')
        return NULL;
    to[n] = '\0';
    return s;
}

struct letter {
    char letter;
    unsigned size;
};

static const struct letter sizes[] = {{'b', 1}, {'h', 2}, {'w', 4}, {'g', 8}};

/* "/8xw"; what is not given is 0. */
static const char *take_format(struct mon_call *c, const char *s, struct mon_format *f)
{
    *f = (struct mon_format){0};
    if (*s != '/')
        return s;
    for (s++; isdigit((unsigned char)*s); s++)
        f->count = f->count < 100000 ? f->count * 10 + (unsigned)(*s - '0') : f->count;
    for (; *s && !isspace((unsigned char)*s); s++) {
        bool known = strchr("xduoci", *s) != NULL;

        if (known)
            f->as = *s;
        for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
            if (sizes[i].letter == *s) {
                f->size = sizes[i].size;
                known = true;
            }
        }
        if (!known) {
            mon_fail(c, "'%c' is no format: x d u o c i, and a size: b h w g", *s);
            return NULL;
        }
    }
    return s;
}

static const char *take_int(struct mon_call *c, const char *s, const char *name, uint64_t *n)
{
    bool minus = *s == '-';
    const char *digits = s + (minus || *s == '+');
    char *end = (char *)digits;

    if (isdigit((unsigned char)*digits))
        *n = strtoull(digits, &end, 0);
    if (end == digits || (*end && !isspace((unsigned char)*end))) {
        mon_fail(c, "%s: '%s' is no number", name, s);
        return NULL;
    }
    if (minus)
        *n = -*n;
    return end;
}

/* To the next blank that is not in parentheses. */
static size_t expr_length(const char *s)
{
    size_t n = 0;
    int depth = 0;

    for (; s[n] && (depth > 0 || !isspace((unsigned char)s[n])); n++)
        depth += s[n] == '(' ? 1 : s[n] == ')' ? -1 : 0;
    return n;
}

/* What is followed by another argument ends at a blank: "16 /tmp/file" is no division. */
static const char *take_expr(struct mon_call *c, const char *s, const struct mon_arg *a,
                             uint64_t *n)
{
    bool last = a[1].type == MON_NO_ARG;
    size_t len = last ? strlen(s) : expr_length(s);
    char text[MON_WORD_BYTES];
    const char *end, *bad = "that is too long";

    if (len < sizeof(text)) {
        snprintf(text, sizeof(text), "%.*s", (int)len, s);
        if (mon_expr(text, c->machine->cpu, n, &end, &bad) == 0)
            return s + (end - text);
    }
    mon_fail(c, "%s: %s: '%s'", a->name, bad, s);
    return NULL;
}

/* One argument at s. NULL: c->error says why not. */
static const char *take_arg(struct mon_call *c, const struct mon_arg *a, struct mon_value *v,
                            const char *s)
{
    switch (a->type) {
    case MON_FLAG:
        if (s[0] != '-' || s[1] != a->name[0] || (s[2] && !isspace((unsigned char)s[2])))
            return s;
        v->set = true;
        v->n = 1;
        return s + 2;
    case MON_FORMAT:
        v->set = *s == '/';
        return take_format(c, s, &v->format);
    default:
        break;
    }
    if (!*s && (a->how & MON_OPTIONAL))
        return s;
    if (!*s) {
        mon_fail(c, "%s is missing", a->name);
        return NULL;
    }
    v->set = true;
    if (a->type == MON_INT)
        return take_int(c, s, a->name, &v->n);
    if (a->type == MON_EXPR)
        return take_expr(c, s, a, &v->n);
    s = take_word(s, v->text, sizeof(v->text));
    if (!s)
        mon_fail(c, "%s is too long, or a quote is missing", a->name);
    return s;
}

static bool take_args(struct mon_call *c, const struct mon_command *cmd, const char *s)
{
    for (unsigned i = 0; i < MON_ARGS && cmd->arg[i].type != MON_NO_ARG; i++) {
        if (cmd->arg[i].how & MON_QMP_ONLY)
            continue;
        s = take_arg(c, &cmd->arg[i], &c->arg[i], skip_blanks(s));
        if (!s)
            return false;
    }
    s = skip_blanks(s);
    if (*s)
        mon_fail(c, "'%s' is too much", s);
    return !*s;
}

/* ---- commands ---- */

static void print_help(struct mon_text *out, const char *word)
{
    static const char *const own[][3] = {
        {"help|?", "[COMMAND]", "this text"},
        {"info", "[WHAT]", "without a word: what there is to know"},
    };
    bool any = false;

    for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
        if (!*word)
            mon_printf(out, "%s %s -- %s\n", own[i][0], own[i][1], own[i][2]);
    for (unsigned i = 0; i < mon_ncommands; i++) {
        const struct mon_command *cmd = &mon_commands[i];

        if (!cmd->hmp || (*word && mon_find_hmp(word) != cmd))
            continue;
        mon_printf(out, "%s%s%s -- %s\n", cmd->hmp, *cmd->params ? " " : "", cmd->params,
                   cmd->help);
        any = true;
    }
    if (!any)
        mon_printf(out, "Error: there is no command '%s'\n", word);
}

static void print_info(struct mon_call *c, const char *word)
{
    for (unsigned i = 0; i < mon_ninfos; i++) {
        if (!*word)
            mon_printf(c->out, "info %s -- %s\n", mon_infos[i].name, mon_infos[i].help);
        if (strcmp(mon_infos[i].name, word) == 0) {
            mon_infos[i].print(c);
            return;
        }
    }
    if (*word)
        mon_printf(c->out, "Error: there is no 'info %s'; 'info' lists what there is\n", word);
}

static void run_row(struct mon_call *c, const char *word, const char *rest)
{
    const struct mon_command *cmd = mon_find_hmp(word);

    if (!cmd) {
        mon_printf(c->out, "unknown command: '%s'; 'help' lists them\n", word);
        return;
    }
    if (!take_args(c, cmd, rest))
        mon_printf(c->out, "Error: %s: %s\n", word, c->error);
    else if (cmd->run(c) < 0)
        mon_printf(c->out, "Error: %s\n", c->error);
}

void mon_hmp_run(const struct monitor_machine *machine, struct mon_keys *keys, const char *line,
                 struct mon_text *out)
{
    struct mon_text answer = {.limit = MON_ANSWER_LIMIT};
    struct mon_call c = {.machine = machine, .keys = keys, .out = &answer};
    char word[32], what[32] = "";
    const char *s = skip_blanks(line), *rest;
    size_t n = strcspn(s, " \t\r\n/");

    if (n == 0 || *s == '#')
        return;
    snprintf(word, sizeof(word), "%.*s", (int)n, s);
    rest = skip_blanks(s + n);
    snprintf(what, sizeof(what), "%.*s", (int)strcspn(rest, " \t\r\n"), rest);
    if (strcmp(word, "help") == 0 || strcmp(word, "?") == 0)
        print_help(&answer, what);
    else if (strcmp(word, "info") == 0 || strcmp(word, "i") == 0)
        print_info(&c, what);
    else
        run_row(&c, word, rest);
    mon_put(out, answer.data ? answer.data : "", answer.len);
    if (answer.cut)
        mon_puts(out, "\n[the rest is left out: too much]\n");
    mon_free(&answer);
}

/* ---- the line ---- */

static void echo(struct mon_session *s, const char *text)
{
    if (s->echo)
        mon_puts(&s->out, text);
}

static void remember(struct mon_line *l)
{
    char *copy;

    if (l->len == 0 || (l->nhistory && strcmp(l->history[l->nhistory - 1], l->text) == 0))
        return;
    copy = strdup(l->text);
    if (!copy)
        return;
    if (l->nhistory == MON_HISTORY) {
        free(l->history[0]);
        memmove(l->history, l->history + 1, sizeof(l->history) - sizeof(l->history[0]));
        l->nhistory--;
    }
    l->history[l->nhistory++] = copy;
}

/* A browser that was talked into sending commands begins with a request line. */
static bool is_http(const char *line)
{
    return strstr(line, " HTTP/1.") != NULL || strncmp(line, "Host:", 5) == 0;
}

static void end_line(struct mon_session *s)
{
    struct mon_line *l = &s->line;

    l->text[l->len] = '\0';
    echo(s, "\n");
    if (is_http(l->text)) {
        mon_puts(&s->out, "this is no web server\n");
        s->closing = true;
    } else if (l->too_long) {
        mon_printf(&s->out, "Error: a line has at most %d bytes\n", MON_LINE_BYTES - 1);
    } else {
        if (s->echo)
            remember(l);
        mon_hmp_run(s->machine, s->keys, l->text, &s->out);
    }
    l->len = 0;
    l->too_long = false;
    l->shown = l->nhistory;
    mon_puts(&s->out, prompt);
}

/* A terminal's line is drawn anew: what was there is rubbed out. */
static void replace_line(struct mon_session *s, const char *text)
{
    struct mon_line *l = &s->line;

    echo(s, "\r\033[K");
    l->len = strlen(text);
    memcpy(l->text, text, l->len + 1);
    echo(s, prompt);
    echo(s, l->text);
}

static void recall(struct mon_session *s, int step)
{
    struct mon_line *l = &s->line;
    int at = (int)l->shown + step;

    if (at < 0 || at > (int)l->nhistory)
        return;
    l->shown = (unsigned)at;
    replace_line(s, l->shown < l->nhistory ? l->history[l->shown] : "");
}

/* ESC [ A and ESC [ B are the arrows up and down; other sequences are swallowed. */
static bool in_escape(struct mon_session *s, uint8_t byte)
{
    struct mon_line *l = &s->line;

    if (!s->echo || (l->escape == 0 && byte != 0x1b))
        return false;
    if (l->escape < 2) {
        l->escape = l->escape == 0 || byte == '[' || byte == 'O' ? l->escape + 1 : 0;
        return true;
    }
    if (byte >= '@') {
        l->escape = 0;
        if (byte == 'A' || byte == 'B')
            recall(s, byte == 'A' ? -1 : 1);
    }
    return true;
}

enum { CTRL_C = 3, BACKSPACE = 8, CTRL_U = 21, DELETE = 127 };

static void add_byte(struct mon_session *s, uint8_t byte)
{
    struct mon_line *l = &s->line;
    char shown[2] = {(char)byte, '\0'};

    if ((byte < ' ' && byte != '\t') || byte == DELETE)
        return;
    if (l->len + 1 == sizeof(l->text)) {
        l->too_long = true;
        return;
    }
    l->text[l->len++] = (char)byte;
    echo(s, shown);
}

static void rub_out(struct mon_session *s)
{
    s->line.len--;
    echo(s, "\b \b");
}

void mon_hmp_feed(struct mon_session *s, uint8_t byte)
{
    struct mon_line *l = &s->line;

    if (in_escape(s, byte))
        return;
    if (byte == '\n' || (byte == '\r' && s->echo))
        end_line(s);
    else if ((byte == BACKSPACE || byte == DELETE) && s->echo && l->len)
        rub_out(s);
    else if ((byte == CTRL_C || byte == CTRL_U) && s->echo)
        replace_line(s, "");
    else
        add_byte(s, byte);
}

void mon_hmp_greet(struct mon_session *s)
{
    mon_puts(&s->out, "Dragoman " DRAGOMAN_VERSION " monitor - 'help' lists the commands\n");
    mon_puts(&s->out, prompt);
}
