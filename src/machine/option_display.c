/* -display, -vnc, -nographic and -screendump. */
#include "machine/option_rows.h"

#include <string.h>

int option_set_vnc(struct option_parse *p, const char *value)
{
    const char *bad = NULL;

    if (vnc_parse(&p->o->vnc, value, &bad) < 0)
        return option_fail(p, "'%s': %s; give for example :1 or 0.0.0.0:1,password-file=FILE",
                           value, bad);
    return 0;
}

static int set_web(struct option_parse *p, const char *value)
{
    const char *bad = NULL;

    if (vnc_parse_web(&p->o->vnc, value, &bad) < 0)
        return option_fail(p, "-display web%s: %s; give for example web=8080,password-file=FILE",
                           value, bad);
    return 0;
}

int option_set_nographic(struct option_parse *p, const char *value)
{
    (void)value;
    p->o->curses = p->o->sdl = false;
    p->o->vnc.on = false;
    return 0;
}

int option_set_display(struct option_parse *p, const char *value)
{
    if (option_has_prefix(value, "vnc="))
        return option_set_vnc(p, value + 4);
    if (option_has_prefix(value, "web"))
        return set_web(p, value + 3);
    option_set_nographic(p, NULL);
    p->o->curses = strcmp(value, "curses") == 0;
    p->o->sdl = strcmp(value, "sdl") == 0;
    if (!p->o->curses && !p->o->sdl && strcmp(value, "none") != 0)
        return option_fail(
            p, "there is no display '%s'; use curses, sdl, web[=PORT], vnc=[HOST]:N or none",
            value);
    return 0;
}

int option_set_screendump(struct option_parse *p, const char *value)
{
    p->o->screendump = value;
    return 0;
}

static bool uses_terminal(const struct char_target *t)
{
    return t->kind == CHAR_STDIO || t->kind == CHAR_MON_STDIO;
}

/* The terminal has room for one; a VGA is what is looked at. */
int option_check_display(struct option_parse *p)
{
    struct options *o = p->o;
    bool seen = o->curses || o->sdl || o->vnc.on || o->screendump;

    if (o->curses && !p->serial_chosen)
        o->serial = (struct char_target){.kind = CHAR_NULL};
    if (o->curses &&
        (uses_terminal(&o->serial) || uses_terminal(&o->parallel) || uses_terminal(&o->debugcon)))
        return option_fail(
            p, "-display curses needs the terminal that -serial, -parallel or -debugcon has; "
               "give these file:PATH");
    if (o->vga == VGA_NONE && seen)
        return option_fail(p, "-vga none leaves nothing to show with -display, -vnc or "
                              "-screendump");
    if (o->vga == VGA_DEFAULT && seen)
        o->vga = VGA_STD;
    return 0;
}
