#include "machine/chars.h"

#include <errno.h>
#include <string.h>

static void write_file(void *opaque, const uint8_t *buf, size_t len)
{
    FILE *f = opaque;

    fwrite(buf, 1, len, f);
    fflush(f);
}

static void write_stdout(void *opaque, const uint8_t *buf, size_t len)
{
    terminal_write(opaque, buf, len);
}

/* What is behind a port; NULL for nothing. `stdio` is used for the terminal kinds. */
static int open_char(struct machine_char *c, const struct char_target *t, struct chardev *stdio,
                     struct chardev **out, struct machine_error *err)
{
    int e;

    *out = NULL;
    switch (t->kind) {
    case CHAR_NONE:
        return 0;
    case CHAR_NULL:
        *out = &c->dev;
        return 0;
    case CHAR_STDIO:
    case CHAR_MON_STDIO:
        *out = stdio;
        return 0;
    case CHAR_FILE:
        c->file = fopen(t->path, "wbe");
        if (!c->file) {
            e = -errno;
            snprintf(err->text, sizeof(err->text), "%s: %s", t->path, strerror(-e));
            return e;
        }
        c->dev.write = write_file;
        c->dev.opaque = c->file;
        *out = &c->dev;
        return 0;
    }
    return 0;
}

int chars_open(struct machine *m, struct pc_config *cfg, struct machine_error *err)
{
    const struct options *o = m->opt;
    const struct {
        const struct char_target *to;
        struct chardev *terminal, **out;
    } ports[MACHINE_CHARS] = {
        {&o->serial, &m->console.dev, &cfg->com[0]},
        {&o->com2, NULL, &cfg->com[1]},
        {&o->parallel, &m->stdio_out, &cfg->lpt},
        {&o->debugcon, &m->stdio_out, &cfg->debugcon},
    };
    int e = 0;

    m->stdio_out = (struct chardev){.write = write_stdout, .opaque = &m->console};
    cfg->has_com[0] = o->serial.kind != CHAR_NONE;
    cfg->has_com[1] = o->com2.kind != CHAR_NONE;
    cfg->has_lpt = o->parallel.kind != CHAR_NONE;
    for (unsigned i = 0; i < MACHINE_CHARS && e == 0; i++)
        e = open_char(&m->chars[i], ports[i].to, ports[i].terminal, ports[i].out, err);
    return e;
}

void chars_close(struct machine *m)
{
    for (unsigned i = 0; i < MACHINE_CHARS; i++)
        if (m->chars[i].file)
            fclose(m->chars[i].file);
}
