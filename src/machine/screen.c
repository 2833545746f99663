#include "machine/screen.h"

#include <stdio.h>
#include <string.h>

#include "display/display.h"
#include "display/picture.h"
#include "machine/exit_status.h"

static void on_key(void *opaque, unsigned key, bool down)
{
    i8042_key(&((struct machine *)opaque)->pc.kbd, key, down);
}

static void on_mouse(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    i8042_mouse(&((struct machine *)opaque)->pc.kbd, dx, dy, dz, buttons);
}

static bool keys_ready(void *opaque)
{
    return i8042_keys_ready(&((struct machine *)opaque)->pc.kbd);
}

struct input_sink screen_input(struct machine *m)
{
    return (struct input_sink){.key = on_key, .mouse = on_mouse, .ready = keys_ready, .opaque = m};
}

/* A thread of the display. */
static void wake(void *opaque)
{
    struct machine *m = opaque;

    __atomic_store_n(&m->display_woken, true, __ATOMIC_SEQ_CST);
    events_notify(&m->events);
}

static void name_page(const struct vnc_config *v)
{
    if (v->on && v->web_port)
        fprintf(stderr, "dragoman: the screen is at http://%u.%u.%u.%u:%u/\n", v->address >> 24,
                v->address >> 16 & 255, v->address >> 8 & 255, v->address & 255, v->web_port);
}

static void on_close(void *opaque)
{
    machine_stop(opaque, EXIT_POWER_OFF);
}

int screen_open(struct machine *m, struct machine_error *err)
{
    const struct options *o = m->opt;
    const struct display_config cfg = {
        .vga = &m->pc.vga,
        .clock = &m->clock,
        .input = screen_input(m),
        .wake = wake,
        .close = on_close,
        .opaque = m,
        .name = o->name ? o->name : "Dragoman",
        .sdl = o->sdl,
        .terminal = o->curses ? &m->console : NULL,
        .vnc = o->vnc,
    };
    struct display_error e;
    int rc = o->curses || o->sdl || o->vnc.on ? display_open(&m->display, &cfg, &e) : 0;

    if (rc < 0)
        snprintf(err->text, sizeof(err->text), "-display: %s", e.text);
    else
        name_page(&o->vnc);
    return rc;
}

void screen_poll(struct machine *m)
{
    if (__atomic_exchange_n(&m->display_woken, false, __ATOMIC_SEQ_CST) && m->display)
        display_pump(m->display);
}

int screen_dump(const struct machine *m, struct machine_error *err)
{
    int rc = m->opt->screendump ? picture_screendump(&m->pc.vga, m->opt->screendump) : 0;

    if (rc < 0)
        snprintf(err->text, sizeof(err->text), "-screendump %s: %s", m->opt->screendump,
                 strerror(-rc));
    return rc;
}

void screen_close(struct machine *m)
{
    display_close(m->display);
    m->display = NULL;
}
