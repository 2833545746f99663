/* -monitor, -qmp, -qmp-pretty, -chardev, -mon, -S, -no-shutdown. */
#include "machine/option_rows.h"

#include <stdio.h>
#include <string.h>

static int add_monitor(struct option_parse *p, const struct monitor_config *cfg)
{
    struct options *o = p->o;

    if (cfg->at.kind == MONITOR_NONE)
        return 0;
    if (cfg->at.kind == MONITOR_STDIO && o->monitor_stdio)
        return option_fail(p, "there is one terminal, and a monitor has it already");
    if (o->nmonitors == MONITOR_MAX)
        return option_fail(p, "that is one monitor too many; %d are enough", MONITOR_MAX);
    o->monitor_stdio |= cfg->at.kind == MONITOR_STDIO;
    o->monitor[o->nmonitors++] = *cfg;
    return 0;
}

static int set(struct option_parse *p, const char *value, enum monitor_kind kind, bool pretty)
{
    struct monitor_config cfg = {.kind = kind, .pretty = pretty};
    const char *bad = NULL;

    if (monitor_parse_address(&cfg.at, value, &bad) < 0)
        return option_fail(p, "'%s': %s", value, bad);
    return add_monitor(p, &cfg);
}

int option_set_monitor(struct option_parse *p, const char *value)
{
    return set(p, value, MONITOR_HMP, false);
}

int option_set_qmp(struct option_parse *p, const char *value)
{
    return set(p, value, MONITOR_QMP, false);
}

int option_set_qmp_pretty(struct option_parse *p, const char *value)
{
    return set(p, value, MONITOR_QMP, true);
}

int option_set_start_paused(struct option_parse *p, const char *value)
{
    (void)value;
    p->o->start_paused = true;
    return 0;
}

int option_set_no_shutdown(struct option_parse *p, const char *value)
{
    (void)value;
    p->o->no_shutdown = true;
    return 0;
}

/* ---- -chardev and -mon, which programs write ---- */

enum { SPEC_BYTES = 256 };

struct chardev_parse {
    const char *kind;
    char id[64], path[MONITOR_PATH_BYTES], host[32], port[8];
    char flags[64]; /* ",server=on.." as -monitor has them */
};

static const struct {
    const char *name;
    size_t at, room;
} chardev_words[] = {
    {"id=", offsetof(struct chardev_parse, id), 64},
    {"path=", offsetof(struct chardev_parse, path), MONITOR_PATH_BYTES},
    {"host=", offsetof(struct chardev_parse, host), 32},
    {"port=", offsetof(struct chardev_parse, port), 8},
};

/* Copies the value of a word that is known; what is not is a flag, for which others know names. */
static int set_chardev_word(struct option_parse *p, struct chardev_parse *c, const char *word,
                            size_t len)
{
    size_t used = strlen(c->flags);

    for (unsigned i = 0; i < ARRAY_SIZE(chardev_words); i++) {
        size_t n = strlen(chardev_words[i].name);

        if (!option_has_prefix(word, chardev_words[i].name))
            continue;
        if (len - n >= chardev_words[i].room)
            return option_fail(p, "'%.*s' is too long", (int)len, word);
        memcpy((char *)c + chardev_words[i].at, word + n, len - n);
        return 0;
    }
    if (used + len + 1 >= sizeof(c->flags))
        return option_fail(p, "'%.*s' is too much", (int)len, word);
    snprintf(c->flags + used, sizeof(c->flags) - used, ",%.*s", (int)len, word);
    return 0;
}

static int add_chardev(struct option_parse *p, const struct chardev_parse *c, const char *value)
{
    char spec[SPEC_BYTES] = "stdio";
    struct option_chardev *to;
    const char *bad = NULL;

    if (strcmp(c->kind, "socket") == 0 && c->path[0])
        snprintf(spec, sizeof(spec), "unix:%s%s", c->path, c->flags);
    else if (strcmp(c->kind, "socket") == 0)
        snprintf(spec, sizeof(spec), "tcp:%s:%s%s", c->host, c->port, c->flags);
    if (!c->id[0])
        return option_fail(p, "'%s': an id is missing", value);
    if (p->nchardevs == MONITOR_MAX)
        return option_fail(p, "that is one too many; %d are enough", MONITOR_MAX);
    to = &p->chardev[p->nchardevs];
    memcpy(to->id, c->id, sizeof(to->id));
    if (monitor_parse_address(&to->at, spec, &bad) < 0)
        return option_fail(p, "'%s': %s", value, bad);
    p->nchardevs++;
    return 0;
}

int option_set_chardev(struct option_parse *p, const char *value)
{
    struct chardev_parse c = {.kind = option_has_prefix(value, "stdio,") ? "stdio" : "socket"};
    const char *word = value;
    int rc = 0;

    if (!option_has_prefix(value, "stdio,") && !option_has_prefix(value, "socket,"))
        return option_fail(p, "'%s': there are socket,id=ID,path=PATH and stdio,id=ID", value);
    while (rc == 0 && *(word += strcspn(word, ",")) == ',') {
        word++;
        rc = set_chardev_word(p, &c, word, strcspn(word, ","));
    }
    return rc < 0 ? rc : add_chardev(p, &c, value);
}

int option_set_mon(struct option_parse *p, const char *value)
{
    struct monitor_config cfg = {.kind = MONITOR_HMP};
    const char *word = value;
    bool known = false;

    for (;; word++) {
        size_t len = strcspn(word, ","), skip = option_has_prefix(word, "chardev=") ? 8 : 0;

        for (unsigned i = 0; i < p->nchardevs; i++) {
            if (option_is_word(word + skip, len - skip, p->chardev[i].id)) {
                cfg.at = p->chardev[i].at;
                known = true;
            }
        }
        if (option_is_word(word, len, "mode=control"))
            cfg.kind = MONITOR_QMP;
        cfg.pretty |= option_is_word(word, len, "pretty=on");
        word += len;
        if (!*word)
            break;
    }
    if (!known)
        return option_fail(p, "'%s': no -chardev before it has that id", value);
    return add_monitor(p, &cfg);
}

/* The terminal is the monitor's, then: a serial port that is there by default makes room. */
int option_check_monitor(struct option_parse *p)
{
    struct options *o = p->o;

    if (!o->monitor_stdio)
        return 0;
    if (!p->serial_chosen)
        o->serial = (struct char_target){.kind = CHAR_NULL};
    if (o->curses || o->serial.kind == CHAR_STDIO || o->serial.kind == CHAR_MON_STDIO)
        return option_fail(p, "-monitor stdio needs the terminal that -serial or -display curses "
                              "has; Ctrl-A c leads from a serial port there to a monitor");
    return 0;
}
