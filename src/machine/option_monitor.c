/* -monitor, -qmp, -qmp-pretty. */
#include "machine/option_rows.h"

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
