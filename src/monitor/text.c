#include "monitor/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(struct mon_text *t, size_t len)
{
    size_t room = t->room ? t->room : 256;
    char *data;

    if (len < t->room)
        return true;
    while (room <= len)
        room *= 2;
    data = realloc(t->data, room);
    if (!data)
        return false;
    t->data = data;
    t->room = room;
    return true;
}

void mon_put(struct mon_text *t, const char *data, size_t len)
{
    size_t fits = t->limit - t->len;

    if (len > fits) {
        len = fits;
        t->cut = true;
    }
    if (len == 0)
        return;
    if (!make_room(t, t->len + len)) {
        t->cut = true;
        return;
    }
    memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = '\0';
}

void mon_puts(struct mon_text *t, const char *s)
{
    mon_put(t, s, strlen(s));
}

void mon_printf(struct mon_text *t, const char *fmt, ...)
{
    char line[2048];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n > 0)
        mon_put(t, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void mon_print(struct mon_text *t, void (*print)(const void *what, FILE *out), const void *what)
{
    char *data = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&data, &len);

    if (!out) {
        t->cut = true;
        return;
    }
    print(what, out);
    if (fclose(out) == 0)
        mon_put(t, data, len);
    free(data);
}

void mon_drop(struct mon_text *t, size_t n)
{
    if (n == 0)
        return;
    memmove(t->data, t->data + n, t->len - n + 1);
    t->len -= n;
}

void mon_free(struct mon_text *t)
{
    free(t->data);
    t->data = NULL;
    t->len = t->room = 0;
}
