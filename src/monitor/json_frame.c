#include "monitor/json_frame.h"

#include <stdlib.h>
#include <string.h>

static void restart(struct json_frame *f)
{
    f->len = 0;
    f->depth = 0;
    f->in_string = f->escaped = f->done = false;
}

static enum json_frame_event skip(struct json_frame *f, enum json_frame_event why)
{
    restart(f);
    f->skipping = true;
    return why;
}

static void in_string(struct json_frame *f, char byte)
{
    if (f->escaped)
        f->escaped = false;
    else if (byte == '\\')
        f->escaped = true;
    else if (byte == '"')
        f->in_string = false;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Outside of any bracket a value is what stands between blanks. */
static bool ends(const struct json_frame *f, char byte)
{
    return f->depth == 0 && !f->in_string && (byte == '}' || byte == ']' || is_blank(byte));
}

enum json_frame_event json_frame_feed(struct json_frame *f, char byte)
{
    if (f->done)
        restart(f);
    if (f->skipping) {
        f->skipping = byte != '\n';
        return JSON_MORE;
    }
    if (f->len == 0 && is_blank(byte))
        return JSON_MORE;
    if (!f->text)
        f->text = malloc(JSON_FRAME_BYTES);
    if (!f->text || f->len == JSON_FRAME_BYTES)
        return skip(f, JSON_TOO_LONG);
    f->text[f->len++] = byte;
    if (f->in_string)
        in_string(f, byte);
    else if (byte == '"')
        f->in_string = true;
    else if (byte == '{' || byte == '[')
        f->depth++;
    else if ((byte == '}' || byte == ']') && f->depth)
        f->depth--;
    if (f->depth > JSON_FRAME_DEPTH)
        return skip(f, JSON_TOO_DEEP);
    f->done = ends(f, byte);
    return f->done ? JSON_VALUE : JSON_MORE;
}

void json_frame_free(struct json_frame *f)
{
    free(f->text);
    memset(f, 0, sizeof(*f));
}
