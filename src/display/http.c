#include "display/http.h"

#include <string.h>
#include <strings.h>

/* A piece of the request's text. */
struct span {
    const char *at;
    size_t len;
};

static const struct {
    const char *end, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff", "font/woff"},
    {".ttf", "font/ttf"},
    {".mp3", "audio/mpeg"},
    {".oga", "audio/ogg"},
};

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {302, "Found"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {431, "Request Header Fields Too Large"},
};

const char *http_type_of(const char *path)
{
    size_t len = strlen(path);

    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        size_t end = strlen(types[i].end);

        if (len >= end && strcmp(path + len - end, types[i].end) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

const char *http_reason(unsigned status)
{
    for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Error";
}

static bool span_is(struct span s, const char *text)
{
    return s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

/* What comes before the next `end`, which is taken away with it. */
static struct span take(struct span *from, char end)
{
    const char *stop = memchr(from->at, end, from->len);
    struct span s = {from->at, stop ? (size_t)(stop - from->at) : from->len};
    size_t used = stop ? s.len + 1 : s.len;

    from->at += used;
    from->len -= used;
    return s;
}

static struct span trim(struct span s)
{
    while (s.len && (s.at[0] == ' ' || s.at[0] == '\t')) {
        s.at++;
        s.len--;
    }
    while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\r'))
        s.len--;
    return s;
}

/* The value of a header field; len 0: there is none. */
static struct span field(struct span lines, const char *name)
{
    while (lines.len) {
        struct span line = take(&lines, '\n'), key = take(&line, ':');

        if (span_is(key, name))
            return trim(line);
    }
    return (struct span){"", 0};
}

/* The host without its port is an address, or the name every system gives itself. */
static bool is_address(struct span host)
{
    if (host.len && host.at[0] == '[')
        return true;
    host = take(&host, ':');
    if (span_is(host, "localhost"))
        return true;
    for (size_t i = 0; i < host.len; i++)
        if ((host.at[i] < '0' || host.at[i] > '9') && host.at[i] != '.')
            return false;
    return host.len > 0;
}

/* Programs that are no browsers send no origin. */
static bool same_origin(struct span origin, struct span host)
{
    struct span scheme = take(&origin, '/');

    if (scheme.len == 0)
        return true;
    if (!span_is(scheme, "http:") && !span_is(scheme, "https:"))
        return false;
    return origin.len == host.len + 1 && origin.at[0] == '/' &&
           strncasecmp(origin.at + 1, host.at, host.len) == 0;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("._-/", c));
}

static void set_path(struct http_request *r, struct span target)
{
    struct span path = take(&target, '?');

    r->verdict = HTTP_ERROR;
    r->status = 404;
    if (span_is(path, "/")) {
        r->verdict = HTTP_START;
        return;
    }
    if (path.len < 2 || path.len > HTTP_PATH || path.at[0] != '/')
        return;
    for (size_t i = 1; i < path.len; i++)
        if (!is_plain(path.at[i]) || (path.at[i - 1] == '/' && strchr("./", path.at[i])))
            return;
    memcpy(r->path, path.at + 1, path.len - 1);
    r->path[path.len - 1] = 0;
    r->verdict = HTTP_FILE;
}

static void judge(struct http_request *r, struct span text, bool any_host)
{
    struct span line = trim(take(&text, '\n')), method = take(&line, ' '),
                target = take(&line, ' ');
    struct span host = field(text, "Host");

    r->head_only = span_is(method, "HEAD");
    r->verdict = HTTP_ERROR;
    r->status = 400;
    if (!span_is(line, "HTTP/1.1") && !span_is(line, "HTTP/1.0"))
        return;
    r->status = 405;
    if (!r->head_only && !span_is(method, "GET"))
        return;
    r->status = 403;
    if (!any_host && !is_address(host))
        return;
    if (!span_is(field(text, "Upgrade"), "websocket"))
        set_path(r, target);
    else if (!r->head_only && same_origin(field(text, "Origin"), host))
        r->verdict = HTTP_WEBSOCKET;
}

struct http_request http_parse(const char *text, size_t len, bool any_host)
{
    struct http_request r = {.verdict = HTTP_PARTIAL};
    const char *end = memmem(text, len, "\r\n\r\n", 4);

    if (end && end + 4 - text <= HTTP_HEAD_BYTES) {
        r.bytes = (size_t)(end + 4 - text);
        judge(&r, (struct span){text, r.bytes}, any_host);
    } else if (len >= HTTP_HEAD_BYTES) {
        r.verdict = HTTP_ERROR;
        r.status = 431;
        r.bytes = len;
    }
    return r;
}
