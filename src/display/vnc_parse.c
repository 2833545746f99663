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

static int parse_option(struct vnc_config *cfg, const char *option, const char **bad)
{
    static const char key[] = "password-file=";
    size_t len = strlen(option);

    if (strncmp(option, key, sizeof(key) - 1) != 0)
        return fail(bad, "the only option is password-file=FILE");
    len -= sizeof(key) - 1;
    if (len == 0 || len >= sizeof(cfg->password_file))
        return fail(bad, "password-file wants the name of a file");
    memcpy(cfg->password_file, option + sizeof(key) - 1, len + 1);
    return 0;
}

int vnc_parse(struct vnc_config *cfg, const char *spec, const char **bad)
{
    const char *colon = strchr(spec, ':');
    unsigned long n;
    char *end;
    int err;

    memset(cfg, 0, sizeof(*cfg));
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
    if (*end == ',')
        err = parse_option(cfg, end + 1, bad);
    cfg->on = err == 0;
    return err;
}
