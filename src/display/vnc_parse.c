#include "display/vnc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char **bad, const char *why)
{
    *bad = why;
    return -EINVAL;
}

static int parse_host(struct vnc_config *cfg, const char *host, size_t len, const char **bad)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr addr;

    cfg->address = INADDR_LOOPBACK;
    if (len == 0 || (len == 9 && memcmp(host, "localhost", len) == 0))
        return 0;
    if (len >= sizeof(text))
        return fail(bad, "the host is no IPv4 address");
    memcpy(text, host, len);
    text[len] = 0;
    if (inet_pton(AF_INET, text, &addr) != 1)
        return fail(bad, "the host is no IPv4 address");
    cfg->address = ntohl(addr.s_addr);
    return 0;
}

/* Decimal, from 1 on. */
static bool parse_port(const char *text, size_t len, unsigned long most, uint16_t *port)
{
    unsigned long n = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        n = n > most ? n : n * 10 + (unsigned long)(text[i] - '0');
    }
    *port = (uint16_t)n;
    return n > 0 && n <= most;
}

static int set_password_file(struct vnc_config *cfg, const char *value, size_t len,
                             const char **bad)
{
    if (len == 0 || len >= sizeof(cfg->password_file))
        return fail(bad, "password-file wants the name of a file");
    memcpy(cfg->password_file, value, len);
    return 0;
}

static int set_page_dir(struct vnc_config *cfg, const char *value, size_t len, const char **bad)
{
    if (len == 0 || len >= sizeof(cfg->page_dir))
        return fail(bad, "page wants the name of a directory");
    memset(cfg->page_dir, 0, sizeof(cfg->page_dir));
    memcpy(cfg->page_dir, value, len);
    return 0;
}

static int set_websocket(struct vnc_config *cfg, const char *value, size_t len, const char **bad)
{
    cfg->web_port = 0;
    if (len == 3 && memcmp(value, "off", len) == 0)
        return 0;
    if (len == 2 && memcmp(value, "on", len) == 0) {
        cfg->web_port = (uint16_t)(VNC_FIRST_WEB_PORT + cfg->port - VNC_FIRST_PORT);
        return 0;
    }
    if (!parse_port(value, len, UINT16_MAX, &cfg->web_port))
        return fail(bad, "websocket is on, off or a port");
    return 0;
}

static int set_keys(struct vnc_config *cfg, const char *value, size_t len, const char **bad)
{
    cfg->places = len == 6 && memcmp(value, "places", len) == 0;
    if (!cfg->places && (len != 10 || memcmp(value, "characters", len) != 0))
        return fail(bad, "keys is characters or places");
    return 0;
}

static const struct {
    const char *name;
    int (*set)(struct vnc_config *cfg, const char *value, size_t len, const char **bad);
} options[] = {
    {"password-file=", set_password_file},
    {"page=", set_page_dir},
    {"websocket=", set_websocket},
    {"keys=", set_keys},
};

static int parse_option(struct vnc_config *cfg, const char *option, size_t len, const char **bad)
{
    for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
        size_t name = strlen(options[i].name);

        if (len >= name && memcmp(option, options[i].name, name) == 0)
            return options[i].set(cfg, option + name, len - name, bad);
    }
    return fail(bad,
                "the options are password-file=FILE, websocket=on|PORT, page=DIR and keys=places");
}

/* "" or ",option.." */
static int parse_options(struct vnc_config *cfg, const char *text, const char **bad)
{
    int err = 0;

    while (err == 0 && *text == ',') {
        size_t len = strcspn(++text, ",");

        err = parse_option(cfg, text, len, bad);
        text += len;
    }
    cfg->on = err == 0;
    return err;
}

static void begin(struct vnc_config *cfg)
{
    memset(cfg, 0, sizeof(*cfg));
    memcpy(cfg->page_dir, VNC_PAGE_DIR, sizeof(VNC_PAGE_DIR));
}

int vnc_parse(struct vnc_config *cfg, const char *spec, const char **bad)
{
    const char *colon = strchr(spec, ':');
    unsigned long n;
    char *end;
    int err;

    begin(cfg);
    if (!colon || colon[1] < '0' || colon[1] > '9')
        return fail(bad, "a display is [host]:N");
    err = parse_host(cfg, spec, (size_t)(colon - spec), bad);
    if (err < 0)
        return err;
    n = strtoul(colon + 1, &end, 10);
    if (n > UINT16_MAX - VNC_FIRST_PORT)
        return fail(bad, "the display's number is too large");
    if (*end && *end != ',')
        return fail(bad, "a display is [host]:N");
    cfg->port = (uint16_t)(VNC_FIRST_PORT + n);
    return parse_options(cfg, end, bad);
}

int vnc_parse_web(struct vnc_config *cfg, const char *spec, const char **bad)
{
    size_t len = strcspn(spec, ",");

    begin(cfg);
    cfg->address = INADDR_LOOPBACK;
    cfg->web_port = VNC_FIRST_WEB_PORT;
    cfg->page_wanted = true;
    if (len && (spec[0] != '=' || !parse_port(spec + 1, len - 1, UINT16_MAX, &cfg->web_port)))
        return fail(bad, "it is web[=PORT]");
    return parse_options(cfg, spec + len, bad);
}
